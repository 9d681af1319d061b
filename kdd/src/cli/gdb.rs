//! `delid kdd gdb`: any guest, served to GDB, LLDB or WinDbg by the GDB remote serial protocol.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use super::{Error, source::Of};
use crate::gdb::session::Ending;
use crate::gdb::{self, Architecture, Notice, Options, Settings};
use crate::memory::Gpa;
use crate::transport::signals;
use crate::transport::stream::Endpoint;

/// Port when none is given: QEMU's.
const PORT: u16 = 1234;

/// `delid kdd gdb`.
#[derive(Clone, Debug, Parser)]
pub struct Gdb {
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    line: Line,
    /// End when the first debugger is gone
    #[arg(long)]
    once: bool,
    /// Memory by physical address from the begin; "monitor phys off" ends it
    #[arg(long)]
    physical: bool,
    /// Registers that the debugger is told of; without this, those of the mode that the guest is in
    #[arg(long, value_name = "NAME")]
    architecture: Option<Registers>,
}

/// Which registers.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Registers {
    /// 64-bit
    #[value(name = "x86-64")]
    X86_64,
    /// 32-bit
    I386,
}

/// Where the debugger is. Without any of these: --listen 127.0.0.1:1234.
#[derive(Clone, Debug, clap::Args)]
#[group(multiple = false)]
struct Line {
    /// Wait on this TCP port; on loopback unless an address is given
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = listen, help_heading = "Line")]
    listen: Option<SocketAddr>,
    /// Wait on a Unix socket
    #[arg(long, value_name = "PATH", help_heading = "Line")]
    unix: Option<PathBuf>,
    /// On standard input and output: (gdb) target remote | delid kdd gdb SOURCE --stdio
    #[arg(long, help_heading = "Line")]
    stdio: bool,
}

impl Line {
    fn endpoint(&self) -> Endpoint {
        match &self.unix {
            _ if self.stdio => Endpoint::Stdio,
            Some(path) => Endpoint::UnixListen(path.clone()),
            None => {
                let loopback = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT);
                Endpoint::TcpListen(self.listen.unwrap_or(loopback))
            }
        }
    }
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse() {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    let mut addresses = text.to_socket_addrs().map_err(|error| error.to_string())?;
    addresses.next().ok_or_else(|| "the name has no address".to_owned())
}

impl Gdb {
    pub(super) fn run(&self) -> Result<u8, Error> {
        signals::watch()?;
        let mut target = self.of.target()?;
        eprintln!("{}, vCPUs: {}", target.container().description, target.vcpus().len());
        if target.vcpus().is_empty() {
            eprintln!("missing: registers: the source knows no vCPU, and there is one thread without registers");
        }
        let options = Options {
            once: self.once || self.line.stdio,
            settings: Settings {
                architecture: self.architecture.map(|name| match name {
                    Registers::X86_64 => Architecture::X86_64,
                    Registers::I386 => Architecture::I386,
                }),
                physical: self.physical,
                directory: self.of.dtb.map(Gpa),
            },
        };
        let endpoint = self.line.endpoint();
        let ending = gdb::serve(&mut *target, &endpoint, &options, &mut |notice| {
            eprintln!("{notice}");
            if let Notice::Line(crate::transport::event::Event::Open(line)) = notice {
                hint(line);
            }
        })?;
        Ok(u8::from(matches!(ending, Some(Ending::Gone(_)))))
    }
}

/// The line to type in GDB.
fn hint(line: &str) {
    let place = line.strip_prefix("TCP ").or_else(|| line.strip_prefix("Unix socket "));
    if let Some(place) = place {
        eprintln!("GDB: target remote {place}");
    }
}
