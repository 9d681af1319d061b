//! `delid kdd serve`: a guest, captured or running, served to WinDbg.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use super::{Error, source::Of};
use crate::guest::Guest;
use crate::kd::debuggee::Debuggee as _;
use crate::kd::record::{self, Record};
use crate::kdnet::channel::Version;
use crate::kdnet::key::Key;
use crate::transport::event::Event;
use crate::transport::net::{NetOptions, serve_net};
use crate::transport::serve::{Options, serve};
use crate::transport::signals;
use crate::transport::stream::{self, Endpoint};

/// Port of the serial protocol over TCP when none is given.
const PORT: u16 = 7777;

/// `delid kdd serve`.
#[derive(Clone, Debug, Parser)]
pub struct Serve {
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    line: Line,
    /// Key of KDNET, as WinDbg takes it; one is made when none is given
    #[arg(long, value_name = "W.X.Y.Z", requires = "net")]
    key: Option<Key>,
    /// Version of KDNET, 2 to 4
    #[arg(long, value_name = "NUMBER", default_value = "2", value_parser = version, requires = "net")]
    kdnet_version: Version,
    /// UDP port to send from; the system chooses one when none is given
    #[arg(long, value_name = "PORT", default_value_t = 0, requires = "net")]
    source_port: u16,
    /// End when the first debugger is gone
    #[arg(long)]
    once: bool,
    /// How long to try to connect, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    /// Running guest: leave it stopped until the first debugger lets it run; without this it runs while it waits for
    /// a debugger, which stops it by a break-in
    #[arg(long)]
    stopped: bool,
    /// Write every packet of the session, with its direction and time, into a file
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// Where the debugger is. Without any of these: --listen 127.0.0.1:7777.
#[derive(Clone, Debug, clap::Args)]
#[group(multiple = false)]
struct Line {
    /// Serial protocol: wait on this TCP port; on loopback unless an address is given
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = listen, help_heading = "Line")]
    listen: Option<SocketAddr>,
    /// Serial protocol: connect to this TCP port
    #[arg(long, value_name = "HOST:PORT", help_heading = "Line")]
    connect: Option<String>,
    /// Serial protocol: wait on a Unix socket
    #[arg(long, value_name = "PATH", help_heading = "Line")]
    unix: Option<PathBuf>,
    /// Serial protocol: connect to a Unix socket
    #[arg(long, value_name = "PATH", help_heading = "Line")]
    unix_connect: Option<PathBuf>,
    /// Serial protocol: on a pseudoterminal; with a path, a link to it stands there
    #[arg(long, value_name = "LINK", num_args = 0..=1, help_heading = "Line")]
    pty: Option<Option<PathBuf>>,
    /// Serial protocol: on standard input and output
    #[arg(long, help_heading = "Line")]
    stdio: bool,
    /// KDNET: the address and UDP port that the debugger listens on
    #[arg(long, value_name = "HOST:PORT", value_parser = resolved, help_heading = "Line")]
    net: Option<SocketAddr>,
    /// No debugger: what one sent in a recorded session is answered again and compared; exit code 1 when an
    /// answer differs. For captures only: memory of a running guest changes
    #[arg(long, value_name = "FILE", help_heading = "Line")]
    replay: Option<PathBuf>,
}

impl Line {
    fn endpoint(&self) -> Endpoint {
        if let Some(address) = self.listen {
            return Endpoint::TcpListen(address);
        }
        if let Some(host) = &self.connect {
            return Endpoint::TcpConnect(host.clone());
        }
        if let Some(path) = &self.unix {
            return Endpoint::UnixListen(path.clone());
        }
        if let Some(path) = &self.unix_connect {
            return Endpoint::UnixConnect(path.clone());
        }
        if let Some(link) = &self.pty {
            return Endpoint::Pty(link.clone());
        }
        if self.stdio {
            return Endpoint::Stdio;
        }
        Endpoint::TcpListen(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT))
    }
}

fn version(text: &str) -> Result<Version, String> {
    let number = text.parse().ok().and_then(Version::new);
    number.ok_or_else(|| "expected 2, 3 or 4: the data channel of later versions is not known".to_owned())
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse() {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    resolved(text)
}

fn resolved(text: &str) -> Result<SocketAddr, String> {
    let mut addresses = text.to_socket_addrs().map_err(|error| error.to_string())?;
    addresses.next().ok_or_else(|| "the name has no address".to_owned())
}

impl Serve {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        // First of all: from the moment a running guest is opened it has to be released.
        signals::watch()?;
        let mut guest = self.of.open()?;
        announce(&guest);
        if let Some(path) = &self.line.replay {
            if guest.live() {
                let why = "a session is replayed to captures only: memory of a running guest changes";
                return Err(Error::refused(path, why));
            }
            let text = fs::read(path).map_err(Error::read(path))?;
            return replay(&record::read(&text), &mut guest, out);
        }
        self.abilities(&mut guest);
        let mut file = match &self.record {
            Some(path) => Some(BufWriter::new(File::create(path).map_err(Error::create(path))?)),
            None => None,
        };
        let record = file.as_mut().map(|file| file as &mut dyn Write);
        let mut report = |event: &Event| eprintln!("{event}");
        let done = if let Some(host) = self.line.net {
            self.net(host, &mut guest, record, &mut report)
        } else {
            let endpoint = self.line.endpoint();
            hint(&endpoint);
            let options = Options {
                once: self.once,
                timeout: Duration::from_secs(self.timeout),
                record,
            };
            serve(&mut guest, &endpoint, options, &mut report).map_err(Error::from)
        };
        match done {
            // It was told when it happened.
            Err(Error::Serve(stream::Error::Guest(_))) => Ok(1),
            done => done.map(|()| 0),
        }
    }

    /// Says what a debugger can do with a running guest, and lets it run.
    fn abilities(&self, guest: &mut Guest) {
        let Some(lacks) = guest.lacks() else {
            if self.stopped {
                eprintln!("--stopped: a capture always stands still");
            }
            return;
        };
        let but = if lacks.is_empty() {
            String::new()
        } else {
            format!("; not with this source: {}", lacks.join(", "))
        };
        eprintln!("running guest: break-in, run, single step, breakpoints, watchpoints, writing{but}");
        if self.stopped {
            eprintln!("the guest stands still until a debugger lets it run");
            return;
        }
        match guest.release() {
            Ok(()) if guest.running() => eprintln!("the guest runs; a break-in stops it"),
            Ok(()) => eprintln!("the guest stands still, as it did before"),
            Err(_) => {
                let why = guest.trouble().unwrap_or_default();
                eprintln!("the guest cannot be let run: {why}");
            }
        }
    }

    fn net(
        &self,
        host: SocketAddr,
        guest: &mut Guest,
        record: Option<&mut dyn Write>,
        report: &mut dyn FnMut(&Event),
    ) -> Result<(), Error> {
        let key = match &self.key {
            Some(key) => key.clone(),
            None => Key::random().map_err(|error| Error::refused("--key".as_ref(), error))?,
        };
        eprintln!("WinDbg: windbg -k net:port={},key={key}", host.port());
        let options = NetOptions {
            host,
            key,
            version: self.kdnet_version,
            source_port: self.source_port,
            once: self.once,
            record,
        };
        Ok(serve_net(guest, options, report)?)
    }
}

/// What a debugger will find, and what it will not.
fn announce(guest: &Guest) {
    let windows = guest.windows();
    match (&windows.kernel, &windows.build) {
        (Some(kernel), Some(build)) => eprintln!("Windows build {}, kernel at {}", build.number, kernel.base),
        (Some(kernel), None) => eprintln!("Windows, kernel at {}", kernel.base),
        (None, _) => eprintln!("no Windows kernel found: a debugger can read memory and registers only"),
    }
    for missing in &windows.missing {
        eprintln!("missing: {}: {}", missing.what, missing.why);
    }
}

/// How WinDbg is started for a line.
fn hint(endpoint: &Endpoint) {
    if let Endpoint::TcpListen(address) = endpoint {
        eprintln!("WinDbg: windbg -k com:ipport={},port={}", address.port(), address.ip());
    }
}

/// Answers a recorded session again.
fn replay(record: &Record, guest: &mut Guest, out: &mut dyn Write) -> Result<u8, Error> {
    let replay = record::replay(record, guest);
    for difference in &replay.differences {
        writeln!(out, "{difference}")?;
    }
    let differ = replay.differences.len();
    writeln!(
        out,
        "{} requests, {} packets of the target compared, {differ} differ",
        replay.requests, replay.compared
    )?;
    Ok(u8::from(differ > 0 || replay.resends > 0))
}
