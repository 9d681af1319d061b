//! The other end of a line of the guide: a debugger that says one thing and hears the answer.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// For how long the other end is waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// RESET of the serial protocol, and its first bytes, which the answer has too.
const RESET: [u8; 16] = [0x69, 0x69, 0x69, 0x69, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Why it stopped, in GDB's protocol.
const WHY: &[u8] = b"+$?#3f";

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// WinDbg's over a serial line.
    Serial,
    /// GDB's.
    Gdb,
}

/// Where the other end is.
#[derive(Debug)]
pub enum Place {
    /// It listens on a TCP port, which it says.
    Tcp,
    /// It comes here.
    Comes(TcpListener),
    /// It listens on a Unix socket.
    Unix(PathBuf),
    /// It comes to a Unix socket.
    UnixComes(UnixListener),
    /// It is on a pseudoterminal.
    Pty(Option<PathBuf>),
    /// It is on its standard input and output.
    Stdio,
    /// It sends datagrams here.
    Datagrams(UdpSocket),
}

/// Something that is tried until it goes.
fn tried<T>(mut step: impl FnMut() -> std::io::Result<T>) -> Result<T, String> {
    let begin = Instant::now();
    loop {
        match step() {
            Ok(done) => return Ok(done),
            Err(error) if begin.elapsed() > PATIENCE => return Err(error.to_string()),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn limited(stream: TcpStream) -> Result<Box<dyn Both>, String> {
    stream.set_nonblocking(false).map_err(|error| error.to_string())?;
    stream
        .set_read_timeout(Some(PATIENCE))
        .map_err(|error| error.to_string())?;
    Ok(Box::new(stream))
}

fn limited_unix(stream: UnixStream) -> Result<Box<dyn Both>, String> {
    stream.set_nonblocking(false).map_err(|error| error.to_string())?;
    stream
        .set_read_timeout(Some(PATIENCE))
        .map_err(|error| error.to_string())?;
    Ok(Box::new(stream))
}

/// A stream in both directions.
trait Both: Read + Write {}
impl<S: Read + Write> Both for S {}

impl Place {
    /// Says something and hears the answer. `opened` is what the program says of the line that it opened.
    pub fn meet(self, protocol: Protocol, opened: impl FnOnce() -> Result<String, String>) -> Result<(), String> {
        let mut stream = match self {
            Self::Tcp => {
                let line = opened()?;
                let address = line.rsplit(' ').next().unwrap_or_default().to_owned();
                limited(tried(|| TcpStream::connect(&address))?)?
            }
            Self::Comes(listener) => {
                listener.set_nonblocking(true).map_err(|error| error.to_string())?;
                limited(tried(|| listener.accept())?.0)?
            }
            Self::Unix(path) => limited_unix(tried(|| UnixStream::connect(&path))?)?,
            Self::UnixComes(listener) => {
                listener.set_nonblocking(true).map_err(|error| error.to_string())?;
                limited_unix(tried(|| listener.accept())?.0)?
            }
            Self::Pty(link) => {
                let line = opened()?;
                let name = line.rsplit(' ').next().unwrap_or_default();
                let path = link.unwrap_or_else(|| PathBuf::from(name));
                Box::new(tried(|| OpenOptions::new().read(true).write(true).open(&path))?)
            }
            Self::Stdio => return Err("standard input has no place".to_owned()),
            Self::Datagrams(socket) => {
                socket
                    .set_read_timeout(Some(PATIENCE))
                    .map_err(|error| error.to_string())?;
                let mut datagram = [0; 2048];
                let count = socket.recv(&mut datagram).map_err(|error| error.to_string())?;
                return if datagram.starts_with(b"MDBG") && count > 6 {
                    Ok(())
                } else {
                    Err(format!("no KDNET: {:02x?}", &datagram[..count.min(8)]))
                };
            }
        };
        stream.write_all(said(protocol)).map_err(|error| error.to_string())?;
        heard(protocol, &mut stream)
    }
}

/// What a debugger says first.
pub fn said(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Serial => &RESET,
        Protocol::Gdb => WHY,
    }
}

/// Whether the answer is of the protocol.
pub fn heard(protocol: Protocol, stream: &mut dyn Read) -> Result<(), String> {
    let mut answer = Vec::new();
    let wanted: &[u8] = match protocol {
        Protocol::Serial => &RESET[..6],
        Protocol::Gdb => b"+$",
    };
    while answer.len() < 4096 {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => answer.push(byte[0]),
            Err(error) => return Err(format!("{error} after {answer:02x?}")),
        }
        if answer.ends_with(wanted) {
            return Ok(());
        }
    }
    Err(format!("no answer of the protocol: {answer:02x?}"))
}
