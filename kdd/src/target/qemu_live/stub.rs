//! The gdbstub of QEMU: the one that is open, or one of our own.
//!
//! A guest started with `-gdb` or `-s` has one already; QEMU has no second. Otherwise one is started on a pair of
//! sockets whose other end goes to QEMU over QMP (`getfd`, `chardev-add`, then `gdbserver chardev:ID`, QEMU's
//! gdbstub/system.c and chardev/char.c): no file and no port that somebody else could open. A client that connects
//! stops the guest.

use std::collections::BTreeMap;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use serde_json::{Value, json};

use super::description::{self, Register};
use super::fault::Fault;
use super::process;
use super::qmp::{Qmp, dial};
use super::rsp::{Rsp, from_hex, to_hex};

/// Name of the character device of our own gdbstub.
pub(super) const LABEL: &str = "delid-gdb";
/// Name under which QEMU is given its socket.
const SOCKET: &str = "delid-gdb-socket";
/// Longest description that is read.
const DESCRIPTION: usize = 1 << 20;
/// vCPUs that are listed at most.
const THREADS: usize = 4096;

/// A gdbstub that we are connected to.
pub(super) struct Stub {
    /// The connection.
    pub(super) rsp: Rsp,
    /// Whether we started it.
    pub(super) own: bool,
    /// Names of the vCPUs by number: `p01.01` is vCPU 0.
    pub(super) threads: BTreeMap<u32, String>,
    /// Registers in the order of `g`.
    pub(super) registers: Vec<Register>,
    /// Most bytes of a packet.
    packet: usize,
    /// Whether memory is read and written by physical address.
    physical: bool,
}

impl Stub {
    /// Connects; the guest stands then, and breakpoints that a debugger left there are gone.
    pub(super) fn connect(qmp: &mut Qmp, pid: Option<u32>, patience: Duration) -> Result<Self, Fault> {
        let (socket, own) = match open(qmp, pid, patience)? {
            Some(socket) => (socket, false),
            None => (start(qmp)?, true),
        };
        let mut stub = Self {
            rsp: Rsp::new(socket, patience),
            own,
            threads: BTreeMap::new(),
            registers: Vec::new(),
            packet: 1024,
            physical: false,
        };
        match stub.greet() {
            Ok(()) => Ok(stub),
            Err(fault) => {
                stub.close(qmp);
                Err(fault)
            }
        }
    }

    fn greet(&mut self) -> Result<(), Fault> {
        let supported = self.rsp.request(b"qSupported:multiprocess+;vContSupported+")?;
        let supported = String::from_utf8_lossy(&supported);
        let size = supported.split(';').find_map(|word| word.strip_prefix("PacketSize="));
        let size = size.and_then(|size| usize::from_str_radix(size, 16).ok());
        self.packet = size.unwrap_or(1024).clamp(256, 64 << 10);
        self.rsp.without_acks()?;
        // Also takes out what breakpoints a debugger left.
        self.rsp.request(b"?")?;
        self.list()?;
        let limit = self.packet;
        let rsp = &mut self.rsp;
        self.registers = description::registers("target.xml", &mut |annex| annex_text(rsp, annex, limit))?;
        if self.registers.is_empty() {
            return Err(Fault::Refused("the gdbstub describes no registers".to_owned()));
        }
        Ok(())
    }

    fn list(&mut self) -> Result<(), Fault> {
        let mut answer = self.rsp.request(b"qfThreadInfo")?;
        while let Some(names) = answer.strip_prefix(b"m") {
            for name in String::from_utf8_lossy(names).split(',') {
                self.threads
                    .extend(vcpu_of(name).map(|number| (number, name.to_owned())));
            }
            if self.threads.len() > THREADS {
                break;
            }
            answer = self.rsp.request(b"qsThreadInfo")?;
        }
        if self.threads.is_empty() {
            return Err(Fault::Refused("the gdbstub lists no vCPUs".to_owned()));
        }
        Ok(())
    }

    /// Makes a vCPU the one whose registers are meant.
    pub(super) fn select(&mut self, vcpu: u32) -> Result<(), Fault> {
        let name = self.thread(vcpu)?;
        self.rsp.order(format!("Hg{name}").as_bytes())
    }

    /// Its name for a vCPU.
    pub(super) fn thread(&self, vcpu: u32) -> Result<String, Fault> {
        let name = self.threads.get(&vcpu).cloned();
        name.ok_or_else(|| Fault::Refused(format!("there is no vCPU {vcpu}")))
    }

    /// Goes over to physical addresses, which QEMU keeps across connections, or back.
    pub(super) fn physical(&mut self, wanted: bool) -> Result<(), Fault> {
        if self.physical != wanted {
            self.rsp.order(if wanted {
                b"Qqemu.PhyMemMode:1"
            } else {
                b"Qqemu.PhyMemMode:0"
            })?;
            self.physical = wanted;
        }
        Ok(())
    }

    /// Whether it was left reading by physical address.
    pub(super) fn is_physical(&self) -> bool {
        self.physical
    }

    /// Reads physical memory; gives the bytes read.
    pub(super) fn read(&mut self, at: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        self.physical(true)?;
        let step = (self.packet / 2).saturating_sub(8).max(64);
        let mut done = 0usize;
        for chunk in buffer.chunks_mut(step) {
            let from = at.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
            let answer = self.rsp.request(format!("m{from:x},{:x}", chunk.len()).as_bytes())?;
            let Some(bytes) = from_hex(&answer).filter(|bytes| bytes.len() == chunk.len()) else {
                break;
            };
            chunk.copy_from_slice(&bytes);
            done = done.saturating_add(bytes.len());
        }
        Ok(done)
    }

    /// Writes physical memory; gives the bytes written.
    pub(super) fn write(&mut self, at: u64, bytes: &[u8]) -> Result<usize, Fault> {
        self.physical(true)?;
        let step = (self.packet / 2).saturating_sub(40).max(64);
        let mut done = 0usize;
        for chunk in bytes.chunks(step) {
            let to = at.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
            let command = format!("M{to:x},{:x}:{}", chunk.len(), to_hex(chunk));
            self.rsp.order(command.as_bytes())?;
            done = done.saturating_add(chunk.len());
        }
        Ok(done)
    }

    /// Leaves it: ours ends, another one waits for its next client.
    pub(super) fn close(self, qmp: &mut Qmp) {
        let own = self.own;
        drop(self);
        if own {
            // Ends the gdbstub and its character device; what it answers changes nothing.
            let _ = qmp.monitor("gdbserver none");
        }
    }
}

/// The text of a part of the description.
fn annex_text(rsp: &mut Rsp, annex: &str, limit: usize) -> Result<String, Fault> {
    let mut text = Vec::new();
    let length = limit.saturating_sub(5);
    while text.len() < DESCRIPTION {
        let command = format!("qXfer:features:read:{annex}:{:x},{length:x}", text.len());
        let answer = rsp.request(command.as_bytes())?;
        match answer.split_first() {
            Some((b'm', part)) if !part.is_empty() => text.extend_from_slice(part),
            Some((b'l', part)) => {
                text.extend_from_slice(part);
                return Ok(String::from_utf8_lossy(&text).into_owned());
            }
            _ => break,
        }
    }
    Err(Fault::Refused(format!("the gdbstub gives no whole {annex}")))
}

/// Number of the vCPU with this name: `p01.02` and `02` are vCPU 1.
pub(super) fn vcpu_of(name: &str) -> Option<u32> {
    let number = name.rsplit('.').next()?.trim_start_matches('p');
    u32::from_str_radix(number, 16).ok()?.checked_sub(1)
}

/// Connects to the gdbstub that is open; `None` when there is none.
fn open(qmp: &mut Qmp, pid: Option<u32>, patience: Duration) -> Result<Option<OwnedFd>, Fault> {
    let named = pid.and_then(|pid| device_of_command_line(&process::words(pid)));
    for _ in 0..20 {
        let devices = qmp.execute("query-chardev", json!({}))?;
        let state = |label: &str| {
            let devices = devices.as_array().into_iter().flatten();
            let text = |device: &Value, name: &str| device.get(name).and_then(Value::as_str).map(str::to_owned);
            devices
                .filter(|device| text(device, "label").as_deref() == Some(label))
                .find_map(|device| text(device, "filename"))
        };
        if let Some(own) = state(LABEL) {
            if !own.starts_with("disconnected:") {
                sleep(Duration::from_millis(50));
                continue;
            }
            // Left by a session that was killed.
            let _ = qmp.monitor("gdbserver none");
            return Ok(None);
        }
        let Some(address) = state("gdb").or_else(|| named.as_deref().and_then(state)) else {
            return Ok(None);
        };
        if let Some(address) = address.strip_prefix("disconnected:") {
            return reach(address, pid, patience).map(Some);
        }
        // One that was just left may take a moment.
        sleep(Duration::from_millis(50));
    }
    let reason = "another debugger is connected to the guest's gdbstub, which takes one at a time";
    Err(Fault::Refused(reason.to_owned()))
}

/// The character device of `-gdb chardev:ID`.
fn device_of_command_line(words: &[String]) -> Option<String> {
    let mut words = words
        .iter()
        .skip_while(|word| !matches!(word.as_str(), "-gdb" | "--gdb"));
    let device = words.nth(1)?.strip_prefix("chardev:")?;
    device.split(',').next().map(str::to_owned)
}

/// Connects to what QEMU calls `unix:/run/gdb.sock,server=on` or `tcp:0.0.0.0:1234,server=on`.
fn reach(address: &str, pid: Option<u32>, patience: Duration) -> Result<OwnedFd, Fault> {
    let told = |reason: String| Fault::Refused(format!("the guest's gdbstub at {address}: {reason}"));
    let place = address.rsplit_once(",server").map_or(address, |(place, _)| place);
    if let Some(path) = place.strip_prefix("unix:") {
        let path = pid.map_or_else(|| Path::new(path).to_owned(), |pid| process::resolve(pid, path));
        return dial(&path).map_err(|fault| told(fault.to_string()));
    }
    let tcp = place
        .strip_prefix("tcp:")
        .ok_or_else(|| told("neither a Unix nor a TCP socket".to_owned()))?;
    let (host, port) = tcp.rsplit_once(':').ok_or_else(|| told("without a port".to_owned()))?;
    let host = match host.trim_matches(['[', ']']) {
        "" | "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        host => host,
    };
    let port: u16 = port.parse().map_err(|error| told(format!("{error}")))?;
    let mut addresses = (host, port)
        .to_socket_addrs()
        .map_err(|error| told(error.to_string()))?;
    let address = addresses.next().ok_or_else(|| told("no such host".to_owned()))?;
    let stream = TcpStream::connect_timeout(&address, patience).map_err(|error| told(error.to_string()))?;
    let _ = stream.set_nodelay(true);
    Ok(stream.into())
}

/// Starts a gdbstub of our own and gives our end of it.
fn start(qmp: &mut Qmp) -> Result<OwnedFd, Fault> {
    let told = |error: rustix::io::Errno| Fault::Refused(format!("no pair of sockets: {error}"));
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).map_err(told)?;
    qmp.execute_with("getfd", json!({ "fdname": SOCKET }), theirs.as_fd())?;
    let address = json!({ "type": "fd", "data": { "str": SOCKET } });
    let backend = json!({ "type": "socket", "data": { "addr": address, "server": false } });
    qmp.execute("chardev-add", json!({ "id": LABEL, "backend": backend }))?;
    let answer = qmp.monitor(&format!("gdbserver chardev:{LABEL}"))?;
    if !answer.contains("Waiting for gdb connection") {
        let _ = qmp.execute("chardev-remove", json!({ "id": LABEL }));
        return Err(Fault::Refused(format!("no gdbstub can be started: {}", answer.trim())));
    }
    Ok(ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vcpus_are_numbered_from_zero_whatever_their_names() {
        assert_eq!(vcpu_of("p01.01"), Some(0));
        assert_eq!(vcpu_of("p1.1f"), Some(30));
        assert_eq!(vcpu_of("02"), Some(1));
        assert_eq!(vcpu_of("p1.-1"), None);
        assert_eq!(vcpu_of("0"), None);
    }

    #[test]
    fn character_device_of_a_gdbstub_is_read_from_the_command_line() {
        let words: Vec<String> = ["qemu-system-x86_64", "-gdb", "chardev:dbg"].map(str::to_owned).into();
        assert_eq!(device_of_command_line(&words).as_deref(), Some("dbg"));
        assert_eq!(device_of_command_line(&[]), None);
    }
}
