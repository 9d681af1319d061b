//! Streams that carry the serial protocol: TCP, Unix socket, pty, standard input and output.
//!
//! What listens takes one debugger at a time; what connects tries again until a time is over. A stream is
//! read with a timeout and written in full, or is gone.

use std::io::{self, Read, Stdin, Stdout, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;
use thiserror::Error;

use super::event::Event;
use super::listen::Listener;
use super::patience::Patience;
use super::pty::Pty;

/// How long a debugger may leave its side unread before it counts as gone.
const UNREAD: Duration = Duration::from_secs(20);
/// Time between two tries to connect.
const RETRY: Duration = Duration::from_millis(200);

/// Where the debugger is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Debuggers connect to this TCP address.
    TcpListen(SocketAddr),
    /// Connect to `host:port`.
    TcpConnect(String),
    /// Debuggers connect to this Unix socket, which is made and removed.
    UnixListen(PathBuf),
    /// Connect to this Unix socket.
    UnixConnect(PathBuf),
    /// A pseudoterminal; with a path, a symbolic link to it is made there and removed.
    Pty(Option<PathBuf>),
    /// Standard input and output.
    Stdio,
}

/// Why a line cannot be served.
#[derive(Debug, Error)]
pub enum Error {
    /// The line cannot be opened.
    #[error("{line}: {reason}")]
    Open {
        /// Which.
        line: String,
        /// Why.
        reason: io::Error,
    },
    /// Nobody took the connection.
    #[error("{line}: no connection within {} s: {reason}", .waited.as_secs())]
    Connect {
        /// Where to.
        line: String,
        /// How long it was tried.
        waited: Duration,
        /// What the last try said.
        reason: io::Error,
    },
    /// The system gives no random bytes for the nonces.
    #[error("no random bytes from the system: {0}")]
    Random(String),
    /// There is no guest any more.
    #[error("the guest is gone: {0}")]
    Guest(String),
    /// The socket of the line failed.
    #[error("{line}: {reason}")]
    Failed {
        /// Which.
        line: String,
        /// Why.
        reason: io::Error,
    },
}

/// Asked from time to time while no debugger is there: whether to go on waiting.
pub(crate) type Waiting<'a> = dyn FnMut(&mut dyn FnMut(&Event)) -> Result<bool, Error> + 'a;

/// What a read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// So many bytes.
    Bytes(usize),
    /// Nothing in time.
    Nothing,
    /// The other side closed.
    End,
}

/// A debugger's line.
pub(crate) struct Stream {
    kind: Kind,
    patience: Patience,
    /// Who is there, for the user.
    pub(crate) peer: String,
}

enum Kind {
    Tcp(TcpStream),
    Unix(UnixStream),
    Pty(Pty),
    Stdio(Stdin, Stdout),
}

impl Stream {
    pub(super) fn tcp(stream: TcpStream, peer: String) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(UNREAD))?;
        // A debugger whose machine vanished must not keep the line for ever.
        sockopt::set_socket_keepalive(&stream, true)?;
        sockopt::set_tcp_keepidle(&stream, Duration::from_secs(30))?;
        sockopt::set_tcp_keepintvl(&stream, Duration::from_secs(10))?;
        Ok(Self::new(Kind::Tcp(stream), peer))
    }

    pub(super) fn unix(stream: UnixStream, peer: String) -> io::Result<Self> {
        stream.set_write_timeout(Some(UNREAD))?;
        Ok(Self::new(Kind::Unix(stream), peer))
    }

    fn new(kind: Kind, peer: String) -> Self {
        let patience = Patience::default();
        Self { kind, patience, peer }
    }

    /// Whether nothing tells that the other side went.
    pub(super) fn is_pty(&self) -> bool {
        matches!(self.kind, Kind::Pty(_))
    }

    /// Bytes that came within about `wait`; it may give [`Got::Nothing`] earlier.
    pub(crate) fn read(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<Got> {
        let patience = &mut self.patience;
        let got = match &mut self.kind {
            Kind::Tcp(stream) => {
                patience
                    .change(wait)
                    .map_or(Ok(()), |time| stream.set_read_timeout(Some(time)))?;
                stream.read(buffer)
            }
            Kind::Unix(stream) => {
                patience
                    .change(wait)
                    .map_or(Ok(()), |time| stream.set_read_timeout(Some(time)))?;
                stream.read(buffer)
            }
            Kind::Pty(pty) => return pty.read(buffer, wait),
            Kind::Stdio(stdin, _) => {
                if !ready(&*stdin, PollFlags::IN, wait)? {
                    return Ok(Got::Nothing);
                }
                rustix::io::read(&*stdin, buffer).map_err(io::Error::from)
            }
        };
        match got {
            Ok(0) => Ok(Got::End),
            Ok(length) => Ok(Got::Bytes(length)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                patience.ran_out();
                Ok(Got::Nothing)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Got::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Writes all.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.kind {
            Kind::Tcp(stream) => stream.write_all(bytes),
            Kind::Unix(stream) => stream.write_all(bytes),
            Kind::Pty(pty) => pty.write(bytes),
            Kind::Stdio(_, stdout) => stdout.write_all(bytes).and_then(|()| stdout.flush()),
        }
    }
}

/// Waits until a file is ready for something; `false` when the time is over.
pub(super) fn ready<F: AsFd>(file: &F, what: PollFlags, wait: Duration) -> io::Result<bool> {
    let mut polled = [PollFd::new(file, what)];
    let wait = Timespec::try_from(wait).map_err(io::Error::other)?;
    match poll(&mut polled, Some(&wait)) {
        Ok(count) => Ok(count > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Where the next debugger comes from.
pub(crate) enum Lines {
    Listen(Listener),
    Tcp(String),
    Unix(PathBuf),
    /// Pty and standard streams: there is one line; `None` when it was used up.
    Single(Option<Stream>, Single),
}

/// What to do when the single line was closed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Single {
    End,
}

impl Lines {
    /// Opens what must be open before a debugger can come, and says so.
    pub(crate) fn open(endpoint: &Endpoint, report: &mut dyn FnMut(&Event)) -> Result<Self, Error> {
        let name = endpoint.to_string();
        let failed = |reason| Error::Open {
            line: name.clone(),
            reason,
        };
        match endpoint {
            Endpoint::TcpListen(address) => {
                let (listener, line) = Listener::tcp(*address).map_err(failed)?;
                report(&Event::Open(line));
                Ok(Self::Listen(listener))
            }
            Endpoint::UnixListen(path) => {
                let listener = Listener::unix(path).map_err(failed)?;
                report(&Event::Open(name));
                Ok(Self::Listen(listener))
            }
            Endpoint::TcpConnect(host) => Ok(Self::Tcp(host.clone())),
            Endpoint::UnixConnect(path) => Ok(Self::Unix(path.clone())),
            Endpoint::Pty(link) => {
                let pty = Pty::open(link.as_deref()).map_err(failed)?;
                let peer = format!("pty {}", pty.name());
                report(&Event::Open(peer.clone()));
                Ok(Self::Single(Some(Stream::new(Kind::Pty(pty), peer)), Single::End))
            }
            Endpoint::Stdio => {
                let kind = Kind::Stdio(io::stdin(), io::stdout());
                Ok(Self::Single(Some(Stream::new(kind, name)), Single::End))
            }
        }
    }

    /// Waits for the next debugger; `None` when none can come any more, or `waiting`, which is asked from time to
    /// time, says so.
    pub(crate) fn next(
        &mut self,
        patience: Duration,
        waiting: &mut Waiting<'_>,
        report: &mut dyn FnMut(&Event),
    ) -> Result<Option<Stream>, Error> {
        match self {
            Self::Listen(listener) => listener.next(waiting, report),
            Self::Tcp(host) => connect(&format!("TCP {host}"), patience, waiting, report, || tcp(host)),
            Self::Unix(path) => {
                let name = format!("Unix socket {}", path.display());
                connect(&name, patience, waiting, report, || {
                    Stream::unix(UnixStream::connect(&*path)?, name.clone())
                })
            }
            Self::Single(stream, Single::End) => Ok(stream.take()),
        }
    }

    /// Says who was sent away since the last call.
    pub(crate) fn refusals(&self, report: &mut dyn FnMut(&Event)) {
        if let Self::Listen(listener) = self {
            listener.refusals(report);
        }
    }

    /// The debugger that [`Lines::next`] gave is gone.
    pub(crate) fn free(&self) {
        if let Self::Listen(listener) = self {
            listener.free();
        }
    }
}

fn connect(
    line: &str,
    patience: Duration,
    waiting: &mut Waiting<'_>,
    report: &mut dyn FnMut(&Event),
    mut attempt: impl FnMut() -> io::Result<Stream>,
) -> Result<Option<Stream>, Error> {
    let begin = Instant::now();
    while waiting(report)? {
        match attempt() {
            Ok(stream) => return Ok(Some(stream)),
            Err(reason) if begin.elapsed().saturating_add(RETRY) > patience => {
                let (line, waited) = (line.to_owned(), begin.elapsed());
                return Err(Error::Connect { line, waited, reason });
            }
            Err(_) => std::thread::sleep(RETRY),
        }
    }
    Ok(None)
}

fn tcp(host: &str) -> io::Result<Stream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in host.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, Duration::from_secs(5)) {
            Ok(stream) => return Stream::tcp(stream, format!("TCP {address}")),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TcpListen(address) => write!(f, "TCP {address}"),
            Self::TcpConnect(host) => write!(f, "TCP {host}"),
            Self::UnixListen(path) | Self::UnixConnect(path) => write!(f, "Unix socket {}", path.display()),
            Self::Pty(_) => f.write_str("pty"),
            Self::Stdio => f.write_str("standard input and output"),
        }
    }
}
