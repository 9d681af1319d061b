//! A peer that speaks QMP, and the gdbstub behind the socket that it is given, as a test tells it to.

use std::io::{IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::spawn;
use std::time::{Duration, Instant};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::{Value, json};

/// How the peer behaves.
#[derive(Clone, Debug)]
pub struct Talk {
    /// Whether it greets.
    pub greets: bool,
    /// What it greets with, instead of a greeting.
    pub greeting: String,
    /// To this command it says this, and nothing more.
    pub instead: Option<(&'static str, String)>,
    /// At this command it closes.
    pub ends_at: Option<&'static str>,
    /// Character devices.
    pub devices: String,
    /// At this command the gdbstub falls silent.
    pub stub_mute_at: Option<&'static str>,
    /// What the gdbstub always says.
    pub stub_says: Option<String>,
    /// Packets with a wrong checksum, from the first on.
    pub wrong_sums: u32,
}

impl Default for Talk {
    fn default() -> Self {
        Self {
            greets: true,
            greeting: String::new(),
            instead: None,
            ends_at: None,
            devices: "[]".into(),
            stub_mute_at: None,
            stub_says: None,
            wrong_sums: 0,
        }
    }
}

#[derive(Default)]
struct State {
    runs: bool,
    qmp: Option<UnixStream>,
    stub: Option<UnixStream>,
}

/// A peer.
pub struct Fake {
    /// Its socket.
    pub socket: PathBuf,
    state: Arc<Mutex<State>>,
    _folder: tempfile::TempDir,
}

const GREETING: &str =
    r#"{"QMP":{"version":{"qemu":{"micro":1,"minor":0,"major":10},"package":""},"capabilities":["oob"]}}"#;
const TARGET: &str = "<target><xi:include href=\"core.xml\"/></target>";
const CORE: &str = "<reg name=\"rax\" bitsize=\"64\" regnum=\"0\"/><reg name=\"rip\" bitsize=\"64\"/>";
const MAP: &str = " AS \"memory\", root: system\r\n  0000000000000000-000000000009ffff (prio 0, ram): pc.ram\r\n  \
    0000000000100000-00000000001fffff (prio 0, ram): pc.ram @0000000000100000\r\n";

impl Fake {
    /// Starts one.
    pub fn start(talk: Talk) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("qmp");
        let listener = UnixListener::bind(&socket).expect("bound");
        let state = Arc::new(Mutex::new(State {
            runs: true,
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        spawn(move || {
            let (stream, _) = listener.accept().expect("a client");
            shared.lock().expect("whole").qmp = stream.try_clone().ok();
            // What fails here fails because the tested left.
            let _ = serve(&talk, stream, &shared);
            let qmp = shared.lock().expect("whole").qmp.take();
            let _ = qmp.map(|stream| stream.shutdown(std::net::Shutdown::Both));
        });
        Self {
            socket,
            state,
            _folder: folder,
        }
    }

    /// Whether its guest runs; waits a moment for that.
    pub fn runs(&self) -> bool {
        let end = Instant::now() + Duration::from_millis(300);
        while Instant::now() < end && !self.state.lock().expect("whole").runs {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.state.lock().expect("whole").runs
    }

    /// Its gdbstub says this.
    pub fn tell(&self, packet: &str) {
        let mut state = self.state.lock().expect("whole");
        state.runs = false;
        let stub = state.stub.as_mut().expect("a gdbstub");
        stub.write_all(&framed(packet, false)).expect("sent");
    }

    /// An event.
    pub fn event(&self, name: &str) {
        let mut state = self.state.lock().expect("whole");
        let qmp = state.qmp.as_mut().expect("connected");
        writeln!(qmp, "{}", json!({ "event": name })).expect("sent");
    }

    /// It closes all.
    pub fn end(&self) {
        let mut state = self.state.lock().expect("whole");
        for stream in [state.qmp.take(), state.stub.take()].into_iter().flatten() {
            stream.shutdown(std::net::Shutdown::Both).expect("closed");
        }
    }
}

fn framed(content: &str, wrong: bool) -> Vec<u8> {
    let sum = content.bytes().fold(0u8, u8::wrapping_add);
    format!("${content}#{:02x}", sum.wrapping_add(u8::from(wrong))).into_bytes()
}

/// Reads a line, and the file that came with it.
fn line(stream: &UnixStream, buffer: &mut Vec<u8>, fd: &mut Option<OwnedFd>) -> Option<String> {
    loop {
        if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            return String::from_utf8(line).ok();
        }
        let mut chunk = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let seen = recvmsg(
            stream,
            &mut [IoSliceMut::new(&mut chunk)],
            &mut control,
            RecvFlags::empty(),
        )
        .ok()?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                *fd = fds.last().or(fd.take());
            }
        }
        if seen.bytes == 0 {
            return None;
        }
        buffer.extend_from_slice(&chunk[..seen.bytes]);
    }
}

fn serve(talk: &Talk, mut stream: UnixStream, state: &Arc<Mutex<State>>) -> Option<()> {
    let (_keep, silence): (Sender<()>, Receiver<()>) = channel();
    let mute = || silence.recv_timeout(Duration::from_secs(15)).ok();
    if !talk.greets {
        return mute();
    }
    if !talk.greeting.is_empty() {
        stream.write_all(talk.greeting.as_bytes()).ok()?;
        return mute();
    }
    writeln!(stream, "{GREETING}").ok()?;
    let (mut buffer, mut fd) = (Vec::new(), None);
    while let Some(line) = line(&stream, &mut buffer, &mut fd) {
        let request: Value = serde_json::from_str(&line).expect("JSON");
        let command = request["execute"].as_str().expect("a command");
        let monitor = request["arguments"]["command-line"].as_str().unwrap_or_default();
        if talk.ends_at == Some(command) || talk.ends_at == Some(monitor) {
            return Some(());
        }
        if let Some((_, text)) = talk.instead.as_ref().filter(|(name, _)| *name == command) {
            stream.write_all(text.as_bytes()).ok()?;
            return mute();
        }
        writeln!(stream, "{}", json!({ "event": "RTC_CHANGE" })).ok()?;
        let mut answer = json!({ "id": request["id"] });
        match reply(talk, command, monitor, state, &mut fd) {
            Some(value) => answer["return"] = value,
            None => answer["error"] = json!({ "class": "CommandNotFound", "desc": "not here" }),
        }
        writeln!(stream, "{answer}").ok()?;
    }
    None
}

fn reply(
    talk: &Talk,
    command: &str,
    monitor: &str,
    state: &Arc<Mutex<State>>,
    fd: &mut Option<OwnedFd>,
) -> Option<Value> {
    let mut known = state.lock().expect("whole");
    Some(match (command, monitor.split(' ').next().unwrap_or_default()) {
        ("query-status", _) => json!({ "running": known.runs, "status": "either" }),
        ("stop" | "cont", _) => {
            known.runs = command == "cont";
            json!({})
        }
        ("query-chardev", _) => serde_json::from_str(&talk.devices).expect("JSON"),
        ("query-kvm", _) => json!({ "enabled": false, "present": true }),
        ("query-target", _) => json!({ "arch": "x86_64" }),
        ("qmp_capabilities" | "getfd" | "chardev-add" | "chardev-remove", _) => json!({}),
        (_, "gdbserver") if monitor.ends_with("none") => json!("Disabled gdbserver\r\n"),
        (_, "gdbserver") => {
            let stub = UnixStream::from(fd.take()?);
            known.stub = stub.try_clone().ok();
            known.runs = false;
            let talk = talk.clone();
            let state = Arc::clone(state);
            spawn(move || gdbstub(&talk, stub, &state));
            json!("Waiting for gdb connection on device 'chardev:delid-gdb'\r\n")
        }
        (_, "info") if monitor == "info mtree -f" => json!(MAP),
        (_, "info") => json!(""),
        _ => return None,
    })
}

fn gdbstub(talk: &Talk, mut stream: UnixStream, state: &Arc<Mutex<State>>) -> Option<()> {
    let mut wrong = talk.wrong_sums;
    let mut selected = 1;
    let mut buffer = Vec::new();
    let mut last = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).ok().filter(|count| *count > 0)?;
        buffer.extend_from_slice(&chunk[..count]);
        while let Some(first) = buffer.first().copied() {
            if first != b'$' {
                buffer.remove(0);
                if first == b'-' {
                    wrong = wrong.saturating_sub(1);
                    stream
                        .write_all(&framed(&String::from_utf8_lossy(&last), wrong > 0))
                        .ok()?;
                }
                continue;
            }
            let Some(end) = buffer
                .iter()
                .position(|byte| *byte == b'#')
                .filter(|end| end + 2 < buffer.len())
            else {
                break;
            };
            let packet: Vec<u8> = buffer.drain(..end + 3).collect();
            let command = String::from_utf8(packet[1..end].to_vec()).expect("text");
            stream.write_all(b"+").ok()?;
            if talk.stub_mute_at.is_some_and(|at| command.starts_with(at)) {
                std::thread::sleep(Duration::from_secs(15));
                return None;
            }
            if let Some(text) = &talk.stub_says {
                stream.write_all(text.as_bytes()).ok()?;
                continue;
            }
            if command.starts_with("vCont;") {
                state.lock().expect("whole").runs = true;
                continue;
            }
            let answer = said(&command, &mut selected);
            last = answer.clone().into_bytes();
            stream.write_all(&framed(&answer, wrong > 0)).ok()?;
        }
    }
}

fn said(command: &str, selected: &mut u64) -> String {
    let part = |text: &str| {
        let offset = command.rsplit(':').next().and_then(|place| place.split(',').next());
        let offset = offset
            .and_then(|offset| usize::from_str_radix(offset, 16).ok())
            .unwrap_or(0);
        // In small parts, so that they have to be put together.
        let rest = text.get(offset..).unwrap_or_default();
        match rest.get(..20) {
            Some(part) => format!("m{part}"),
            None => format!("l{rest}"),
        }
    };
    match command {
        "?" => "T05thread:p01.01;".into(),
        "qfThreadInfo" => "mp01.01".into(),
        "qsThreadInfo" if *selected == 1 => {
            *selected = 0;
            "mp01.02".into()
        }
        "qsThreadInfo" => "l".into(),
        "g" => {
            let rip: String = (0xfff0 + *selected - 1)
                .to_le_bytes()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            // RAX with run lengths: sixteen zeroes.
            format!("0*,{rip}")
        }
        _ if command.starts_with("qSupported") => "PacketSize=1000;multiprocess+;vContSupported+".into(),
        _ if command.starts_with("qXfer:features:read:target.xml:") => part(TARGET),
        _ if command.starts_with("qXfer:features:read:core.xml:") => part(CORE),
        _ if command.starts_with("Hg") => {
            *selected = command
                .rsplit('.')
                .next()
                .and_then(|number| number.parse().ok())
                .unwrap_or(1);
            "OK".into()
        }
        _ if command.starts_with("Qqemu.PhyMemMode") || command.starts_with("Hc") => "OK".into(),
        "qqemu.PhyMemMode" => "0".into(),
        _ if command.starts_with(['z', 'Z']) => "OK".into(),
        _ if command.starts_with('m') => {
            let (at, length) = command.trim_start_matches('m').split_once(',').expect("two numbers");
            let (at, length) = (
                u64::from_str_radix(at, 16).expect("hex"),
                u64::from_str_radix(length, 16).expect("hex"),
            );
            (at..at + length).map(|at| format!("{:02x}", at & 0xff)).collect()
        }
        _ => String::new(),
    }
}
