//! Names of domains, from xenstore.
//!
//! Follows io/xs_wire.h and docs/misc/xenstore.txt of Xen: a header of 16 bytes (type, request, transaction,
//! length) and at most 4096 bytes, the same over the daemon's socket and over /dev/xen/xenbus.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::hypercall::Error;
use crate::target::fields::Fields;

/// Where the daemon listens, and the device that leads to it when it runs in another domain.
const SOCKETS: &[&str] = &["/run/xenstored/socket", "/var/run/xenstored/socket"];
const DEVICES: &[&str] = &["/dev/xen/xenbus", "/proc/xen/xenbus"];

/// Types of messages.
const DIRECTORY: u32 = 1;
const READ: u32 = 2;
const WATCH_EVENT: u32 = 15;
const ERROR: u32 = 16;

/// Longest content of a message.
const LONGEST: u32 = 4096;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A connection to xenstore.
pub struct Xenstore {
    stream: Box<dyn Stream>,
    request: u32,
}

impl Xenstore {
    /// Connects to the store of this system.
    ///
    /// # Errors
    /// When there is none, or this process may not.
    pub fn open() -> Result<Self, Error> {
        let mut reason = None;
        for path in SOCKETS {
            match UnixStream::connect(path) {
                Ok(stream) => {
                    let _ = stream.set_read_timeout(Some(PATIENCE));
                    return Ok(Self::over(stream));
                }
                Err(error) if error.kind() != io::ErrorKind::NotFound => reason = Some(format!("{path}: {error}")),
                Err(_) => {}
            }
        }
        for path in DEVICES {
            let device: io::Result<File> = OpenOptions::new().read(true).write(true).open(path);
            if let Ok(device) = device {
                return Ok(Self::over(device));
            }
        }
        let none = || "no socket /run/xenstored/socket and no /dev/xen/xenbus: domains have numbers only".to_owned();
        Err(Error::Xenstore(reason.unwrap_or_else(none)))
    }

    /// Speaks over a stream.
    #[must_use]
    pub fn over(stream: impl Read + Write + Send + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            request: 0,
        }
    }

    /// The name of a domain; none without one.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn domain_name(&mut self, domain: u16) -> Result<Option<String>, Error> {
        let value = self.ask(READ, &format!("/local/domain/{domain}/name"))?;
        Ok(value.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The number of the domain with this name.
    ///
    /// # Errors
    /// When the store does not answer, or no domain has the name, or several have.
    pub fn domain_named(&mut self, name: &str) -> Result<u16, Error> {
        let list = self.ask(DIRECTORY, "/local/domain")?.unwrap_or_default();
        let numbers = list.split(|byte| *byte == 0).filter_map(|number| {
            let number = std::str::from_utf8(number).ok()?;
            number.parse::<u16>().ok()
        });
        let mut found = None;
        for number in numbers {
            if self.domain_name(number)?.as_deref() != Some(name) {
                continue;
            }
            if let Some(other) = found.replace(number) {
                let reason = format!("domains {other} and {number} are both named {name}: give the number");
                return Err(Error::Xenstore(reason));
            }
        }
        found.ok_or_else(|| Error::NoSuchDomain(format!("named {name}")))
    }

    /// Asks, and gives the content of the answer; none when there is no such entry.
    fn ask(&mut self, kind: u32, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let failed = |error: io::Error| Error::Xenstore(error.to_string());
        self.request = self.request.wrapping_add(1);
        let length = u32::try_from(path.len()).unwrap_or(u32::MAX).saturating_add(1);
        let mut message = Vec::with_capacity(path.len().saturating_add(17));
        for word in [kind, self.request, 0, length] {
            message.extend(word.to_le_bytes());
        }
        message.extend(path.bytes());
        message.push(0);
        self.stream.write_all(&message).map_err(failed)?;
        loop {
            let mut header = [0; 16];
            self.stream.read_exact(&mut header).map_err(failed)?;
            let field = |at| Fields(&header).u32(at).unwrap_or(0);
            let (seen, request, length) = (field(0), field(4), field(12));
            if length > LONGEST {
                return Err(Error::Xenstore(format!(
                    "an answer of {length} bytes, expected {LONGEST} at most"
                )));
            }
            let mut content = vec![0; usize::try_from(length).unwrap_or(0)];
            self.stream.read_exact(&mut content).map_err(failed)?;
            if seen == WATCH_EVENT {
                continue;
            }
            if request != self.request {
                return Err(Error::Xenstore("an answer to another request".to_owned()));
            }
            if seen != ERROR {
                return Ok(Some(content));
            }
            let name = Fields(&content).text(0, content.len());
            if name == "ENOENT" {
                return Ok(None);
            }
            return Err(Error::Xenstore(format!("{path}: {name}")));
        }
    }
}
