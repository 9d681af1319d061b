//! A listening socket that takes one debugger at a time.
//!
//! A thread of its own accepts, so that the loop that serves the first debugger can sleep in a read and a
//! second debugger is still sent away at once.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::net::{Shutdown, shutdown};

use super::event::Event;
use super::serve::IDLE;
use super::stream::{Error, Stream, Waiting};

/// Refusals that may wait to be told; more are dropped.
const UNTOLD: usize = 64;

/// A listening socket of either kind.
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Socket {
    fn accept(&self) -> io::Result<(Stream, String)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept()?;
                let peer = format!("TCP {address}");
                Ok((Stream::tcp(stream, peer.clone())?, peer))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                let peer = "Unix socket".to_owned();
                Ok((Stream::unix(stream, peer.clone())?, peer))
            }
        }
    }

    fn stop(&self) {
        // Wakes the thread out of accept.
        let _ = match self {
            Self::Tcp(listener) => shutdown(listener.as_fd(), Shutdown::Both),
            Self::Unix(listener) => shutdown(listener.as_fd(), Shutdown::Both),
        };
    }
}

struct Shared {
    socket: Socket,
    busy: AtomicBool,
    over: AtomicBool,
    untold: AtomicUsize,
}

enum Incoming {
    Debugger(Stream),
    Second(String),
    Failed(io::Error),
}

/// The socket and its thread.
pub(crate) struct Listener {
    shared: Arc<Shared>,
    incoming: Receiver<Incoming>,
    thread: Option<JoinHandle<()>>,
    /// Removed at the end.
    path: Option<PathBuf>,
    line: String,
}

impl Listener {
    /// Listens on a TCP address; also gives the line in words, with the port that the system chose.
    pub(super) fn tcp(address: SocketAddr) -> io::Result<(Self, String)> {
        let listener = TcpListener::bind(address)?;
        let line = format!("TCP {}", listener.local_addr()?);
        Ok((Self::start(Socket::Tcp(listener), None, line.clone())?, line))
    }

    /// Listens on a Unix socket. A socket that nobody listens on any more is replaced, another file never.
    pub(super) fn unix(path: &Path) -> io::Result<Self> {
        let stale = fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket());
        if stale && UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        let line = format!("Unix socket {}", path.display());
        Self::start(Socket::Unix(listener), Some(path.to_owned()), line)
    }

    fn start(socket: Socket, path: Option<PathBuf>, line: String) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            socket,
            busy: AtomicBool::new(false),
            over: AtomicBool::new(false),
            untold: AtomicUsize::new(0),
        });
        let (sender, incoming) = channel();
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("kdd-accept".to_owned());
        let thread = Some(thread.spawn(move || accept(&own, &sender))?);
        Ok(Self {
            shared,
            incoming,
            thread,
            path,
            line,
        })
    }

    /// Waits for a debugger; `None` when `waiting` says that it is enough.
    pub(super) fn next(
        &self,
        waiting: &mut Waiting<'_>,
        report: &mut dyn FnMut(&Event),
    ) -> Result<Option<Stream>, Error> {
        loop {
            if !waiting(report)? {
                return Ok(None);
            }
            let gone = || io::Error::other("the listening thread ended");
            let incoming = match self.incoming.recv_timeout(IDLE) {
                Ok(incoming) => incoming,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => Incoming::Failed(gone()),
            };
            match incoming {
                Incoming::Debugger(stream) => return Ok(Some(stream)),
                Incoming::Second(peer) => self.tell(peer, report),
                Incoming::Failed(reason) => {
                    let line = self.line.clone();
                    return Err(Error::Failed { line, reason });
                }
            }
        }
    }

    /// Says who was sent away.
    pub(super) fn refusals(&self, report: &mut dyn FnMut(&Event)) {
        while self.shared.untold.load(Ordering::Acquire) > 0 {
            let Ok(Incoming::Second(peer)) = self.incoming.try_recv() else {
                return;
            };
            self.tell(peer, report);
        }
    }

    fn tell(&self, peer: String, report: &mut dyn FnMut(&Event)) {
        self.shared.untold.fetch_sub(1, Ordering::AcqRel);
        report(&Event::SecondDebugger(peer));
    }

    /// The next debugger may come.
    pub(super) fn free(&self) {
        self.shared.busy.store(false, Ordering::Release);
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        self.shared.socket.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}

fn accept(shared: &Shared, to: &Sender<Incoming>) {
    let mut failures = 0u32;
    while !shared.over.load(Ordering::Acquire) {
        let incoming = match shared.socket.accept() {
            Ok((stream, _)) if !shared.busy.swap(true, Ordering::AcqRel) => Incoming::Debugger(stream),
            Ok((stream, peer)) => {
                drop(stream);
                if shared.untold.load(Ordering::Acquire) >= UNTOLD {
                    continue;
                }
                shared.untold.fetch_add(1, Ordering::AcqRel);
                Incoming::Second(peer)
            }
            Err(_) if shared.over.load(Ordering::Acquire) => return,
            // Too many open files, a connection that ended before it was taken: the next may do.
            Err(_) if failures < 100 => {
                failures = failures.saturating_add(1);
                std::thread::sleep(Duration::from_millis(50));
                continue;
            }
            Err(error) => {
                let _ = to.send(Incoming::Failed(error));
                return;
            }
        };
        failures = 0;
        if to.send(incoming).is_err() {
            return;
        }
    }
}
