//! A connected stream socket, read and written with deadlines: nothing here waits for ever.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::fault::Fault;

/// Bytes that are taken at a time.
const CHUNK: usize = 64 << 10;
/// Chunks that are taken after a deadline: what is there already is taken, what flows without end is not.
const OVERTIME: u32 = 16;

/// A socket with what was read and not used yet.
pub(super) struct Channel {
    fd: OwnedFd,
    name: &'static str,
    overtime: u32,
    /// Bytes that came in.
    pub(super) buffer: Vec<u8>,
}

impl Channel {
    /// A connected socket; `name` is for messages.
    pub(super) fn new(fd: OwnedFd, name: &'static str) -> Self {
        Self {
            fd,
            name,
            overtime: 0,
            buffer: Vec::new(),
        }
    }

    /// The socket.
    pub(super) fn socket(&self) -> &OwnedFd {
        &self.fd
    }

    /// Sends all bytes.
    pub(super) fn send(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Fault> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match send(&self.fd, rest, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(Errno::AGAIN) => {
                    if !wait(&[self.fd.as_fd()], PollFlags::OUT, deadline)? {
                        return Err(Fault::Gone(format!("{} takes nothing any more", self.name)));
                    }
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(Fault::Gone(format!("{}: {error}", self.name))),
            }
        }
        Ok(())
    }

    /// Waits for bytes and takes them into the buffer; false when none came in time.
    pub(super) fn fill(&mut self, deadline: Instant) -> Result<bool, Fault> {
        let late = Instant::now() > deadline;
        self.overtime = if late { self.overtime.saturating_add(1) } else { 0 };
        if self.overtime > OVERTIME {
            self.overtime = 0;
            return Ok(false);
        }
        loop {
            if self.take()? {
                return Ok(true);
            }
            if !wait(&[self.fd.as_fd()], PollFlags::IN, deadline)? {
                return Ok(false);
            }
        }
    }

    /// Takes what is there already; false when there is nothing.
    pub(super) fn take(&mut self) -> Result<bool, Fault> {
        let mut chunk = [0; CHUNK];
        match recv(&self.fd, &mut chunk[..], RecvFlags::DONTWAIT) {
            Ok((0, _)) => Err(Fault::Gone(format!("{} closed the connection", self.name))),
            Ok((count, _)) => {
                self.buffer.extend_from_slice(chunk.get(..count).unwrap_or_default());
                Ok(true)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(error) => Err(Fault::Gone(format!("{}: {error}", self.name))),
        }
    }
}

/// Waits until one of the sockets is ready; false when none is in time.
pub(super) fn wait(sockets: &[BorrowedFd<'_>], flags: PollFlags, deadline: Instant) -> Result<bool, Fault> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut fds: Vec<PollFd<'_>> = sockets.iter().map(|fd| PollFd::from_borrowed_fd(*fd, flags)).collect();
        match poll(&mut fds, Some(&timespec(left))) {
            Ok(0) if left.is_zero() => return Ok(false),
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(Fault::Gone(format!("poll: {error}"))),
        }
    }
}

fn timespec(left: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: left.subsec_nanos().into(),
    }
}
