//! A pseudoterminal as a serial line: what a virtual machine or a terminal server opens as its COM port.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use super::stream::{Got, ready};

/// How long bytes wait for a reader; a serial line with nobody on it loses them too.
const UNREAD: Duration = Duration::from_secs(1);

/// Our side of the pseudoterminal.
pub(super) struct Pty {
    master: OwnedFd,
    /// Kept open, so that the line stays when a debugger closes it.
    _slave: OwnedFd,
    name: String,
    link: Option<PathBuf>,
}

impl Pty {
    pub(super) fn open(link: Option<&Path>) -> io::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let slave = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        // No echo, no line editing, no translation: bytes go through as they are.
        let mut attributes = tcgetattr(&slave)?;
        attributes.make_raw();
        tcsetattr(&slave, OptionalActions::Now, &attributes)?;
        rustix::io::ioctl_fionbio(&master, true)?;
        let name = name.to_string_lossy().into_owned();
        if let Some(link) = link {
            let old = fs::read_link(link).is_ok_and(|old| old.starts_with("/dev/pts"));
            if old {
                fs::remove_file(link)?;
            }
            symlink(&name, link)?;
        }
        Ok(Self {
            master,
            _slave: slave,
            name,
            link: link.map(Path::to_owned),
        })
    }

    /// Name of the terminal that the debugger opens.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn read(&self, buffer: &mut [u8], wait: Duration) -> io::Result<Got> {
        match rustix::io::read(&self.master, &mut *buffer) {
            Err(Errno::AGAIN) if ready(&self.master, PollFlags::IN, wait)? => {}
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Got::Nothing),
            other => return got(other),
        }
        match rustix::io::read(&self.master, buffer) {
            Err(Errno::AGAIN | Errno::INTR) => Ok(Got::Nothing),
            other => got(other),
        }
    }

    pub(super) fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match rustix::io::write(&self.master, bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(Errno::AGAIN) if ready(&self.master, PollFlags::OUT, UNREAD)? => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn got(read: rustix::io::Result<usize>) -> io::Result<Got> {
    match read? {
        0 => Ok(Got::End),
        length => Ok(Got::Bytes(length)),
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        if let Some(link) = &self.link {
            let _ = fs::remove_file(link);
        }
    }
}
