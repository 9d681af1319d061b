//! A made-up guest that can run, a server for it, and the debugger's side of the protocol.
#![allow(
    dead_code,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kdd::damage::Damage;
use kdd::gdb::{self, Notice, Options, Settings};
use kdd::memory::{Gpa, Gva, PhysicalMemory, Run};
use kdd::target::vcpu::msr;
use kdd::target::{
    BreakKind, Breakpoint, Cause, Container, Control, ControlError, Hints, Resume, StopReason, Target, Vcpu,
};
use kdd::transport::event::Event;
use kdd::transport::stream::Endpoint;

/// First virtual address; 16 pages from here lie at [`DATA`].
pub const CODE: u64 = 0xffff_8000_0000_0000;
/// Where the pages lie in physical memory, in reverse order.
pub const DATA: u64 = 0x1_0000;
const PAGES: u64 = 16;
const SIZE: usize = 0x4_0000;
/// A vCPU that runs writes here when it comes to this many instructions behind [`CODE`].
pub const WRITTEN: (u64, u64) = (0x800, CODE + 0x3010);

/// What the test sees of the guest while a server has it.
#[derive(Default)]
pub struct Seen {
    pub running: bool,
    pub released: u32,
    pub inserted: Vec<Breakpoint>,
    pub resumed: Vec<Resume>,
    pub gone: bool,
}

pub struct Ram {
    bytes: Arc<RwLock<Vec<u8>>>,
    runs: Vec<Run>,
}

impl PhysicalMemory for Ram {
    fn read(&self, at: Gpa, buffer: &mut [u8]) -> usize {
        let bytes = self.bytes.read().unwrap();
        let rest = usize::try_from(at.0)
            .ok()
            .and_then(|at| bytes.get(at..))
            .unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        count
    }

    fn runs(&self) -> &[Run] {
        &self.runs
    }
}

/// Two vCPUs in long mode before a page of instructions that do nothing.
pub struct Scripted {
    container: Container,
    hints: Hints,
    memory: Ram,
    vcpus: Vec<Vcpu>,
    points: Vec<Breakpoint>,
    stop: Option<StopReason>,
    pub seen: Arc<Mutex<Seen>>,
}

fn put(bytes: &mut [u8], at: u64, value: u64) {
    let at = at as usize;
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

impl Scripted {
    pub fn new() -> Self {
        let mut bytes: Vec<u8> = (0..SIZE).map(|at| (at * 7 + at / 251) as u8).collect();
        bytes[..0x1_0000].fill(0);
        put(&mut bytes, 0x1000 + 256 * 8, 0x2003);
        put(&mut bytes, 0x2000, 0x3003);
        put(&mut bytes, 0x3000, 0x4003);
        for page in 0..PAGES {
            put(&mut bytes, 0x4000 + page * 8, (DATA + (PAGES - 1 - page) * 0x1000) | 3);
        }
        let code = (DATA + (PAGES - 1) * 0x1000) as usize;
        bytes[code..code + 0x1000].fill(0x90);
        let vcpu = |number: u32| Vcpu {
            number,
            gpr: std::array::from_fn(|at| 0x1111_0000 * u64::from(number + 1) + at as u64),
            rip: CODE + 0x100 * u64::from(number),
            rflags: 0x246,
            cr0: Some(0x8005_0033),
            cr2: Some(0x1234),
            cr3: Some(0x1002),
            cr4: Some(0x37_06f8),
            cr8: Some(0),
            dr: Some([0; 8]),
            fxsave: Some(Box::new(std::array::from_fn(|at| {
                (at as u8).wrapping_add(number as u8)
            }))),
            msrs: BTreeMap::from([
                (msr::EFER, 0xd01),
                (msr::GS_BASE, CODE + 0x5000 + u64::from(number)),
                (msr::FS_BASE, 0x7000),
                (msr::KERNEL_GS_BASE, 0x8000),
            ]),
            ..Vcpu::default()
        };
        let seen = Seen {
            running: true,
            ..Seen::default()
        };
        Self {
            container: Container {
                format: "scripted",
                description: "a guest of a test".to_owned(),
                facts: Vec::new(),
            },
            hints: Hints::default(),
            memory: Ram {
                bytes: Arc::new(RwLock::new(bytes)),
                runs: vec![Run {
                    start: Gpa(0),
                    length: SIZE as u64,
                }],
            },
            vcpus: (0..2).map(vcpu).collect(),
            points: Vec::new(),
            stop: None,
            seen: Arc::new(Mutex::new(seen)),
        }
    }

    /// Bytes by virtual address, as they are now.
    pub fn bytes(&self, at: u64, length: usize) -> Vec<u8> {
        let mut out = vec![0; length];
        for (offset, byte) in out.iter_mut().enumerate() {
            let at = at - CODE + offset as u64;
            let physical = DATA + (PAGES - 1 - at / 0x1000) * 0x1000 + at % 0x1000;
            assert_eq!(self.memory.read(Gpa(physical), std::slice::from_mut(byte)), 1);
        }
        out
    }

    fn here(&self) -> Result<(), ControlError> {
        if self.seen.lock().unwrap().gone {
            return Err(ControlError::Gone("switched off".to_owned()));
        }
        Ok(())
    }

    /// Both vCPUs go on until one comes to a breakpoint; what is behind the page is not looked at.
    fn advance(&mut self) {
        for vcpu in &mut self.vcpus {
            for at in vcpu.rip.max(CODE)..CODE + 0x1000 {
                vcpu.rip = at;
                let hit = self.points.iter().find_map(|point| match point.kind {
                    BreakKind::Software | BreakKind::Hardware if point.at.0 == at => Some(Cause::Breakpoint),
                    BreakKind::Write | BreakKind::Access
                        if at == CODE + WRITTEN.0
                            && (point.at.0..point.at.0.saturating_add(point.length)).contains(&WRITTEN.1) =>
                    {
                        Some(Cause::Watch(point.kind, Gva(WRITTEN.1)))
                    }
                    _ => None,
                });
                if let Some(cause) = hit {
                    self.stop = Some(StopReason {
                        vcpu: vcpu.number,
                        cause,
                    });
                    return;
                }
            }
        }
    }
}

impl Target for Scripted {
    fn container(&self) -> &Container {
        &self.container
    }

    fn memory(&self) -> &dyn PhysicalMemory {
        &self.memory
    }

    fn vcpus(&self) -> &[Vcpu] {
        &self.vcpus
    }

    fn hints(&self) -> &Hints {
        &self.hints
    }

    fn damage(&self) -> &[Damage] {
        &[]
    }

    fn control(&mut self) -> Option<&mut dyn Control> {
        Some(self)
    }
}

impl Control for Scripted {
    fn is_running(&self) -> bool {
        self.seen.lock().unwrap().running
    }

    fn stop(&mut self) -> Result<(), ControlError> {
        self.here()?;
        let mut seen = self.seen.lock().unwrap();
        if std::mem::take(&mut seen.running) && self.stop.is_none() {
            self.stop = Some(StopReason {
                vcpu: 1,
                cause: Cause::Asked,
            });
        }
        Ok(())
    }

    fn resume(&mut self, how: Resume) -> Result<(), ControlError> {
        self.here()?;
        self.stop = None;
        {
            let mut seen = self.seen.lock().unwrap();
            seen.running = true;
            seen.resumed.push(how);
        }
        match how {
            Resume::Step(number) => {
                let vcpu = self.vcpus.iter_mut().find(|vcpu| vcpu.number == number).unwrap();
                vcpu.rip = vcpu.rip.wrapping_add(1);
                self.stop = Some(StopReason {
                    vcpu: number,
                    cause: Cause::Step,
                });
            }
            Resume::Run => self.advance(),
        }
        Ok(())
    }

    fn stopped(&mut self, _: Duration) -> Result<Option<StopReason>, ControlError> {
        self.here()?;
        let stop = self.stop.take();
        if stop.is_some() {
            self.seen.lock().unwrap().running = false;
        }
        Ok(stop)
    }

    fn write_physical(&mut self, at: Gpa, new: &[u8]) -> Result<usize, ControlError> {
        self.here()?;
        let mut bytes = self.memory.bytes.write().unwrap();
        let rest = usize::try_from(at.0)
            .ok()
            .and_then(|at| bytes.get_mut(at..))
            .unwrap_or_default();
        let count = rest.len().min(new.len());
        rest[..count].copy_from_slice(&new[..count]);
        Ok(count)
    }

    fn set_vcpu(&mut self, new: &Vcpu) -> Result<(), ControlError> {
        self.here()?;
        let old = self.vcpus.iter_mut().find(|vcpu| vcpu.number == new.number).unwrap();
        if old.cr8 != new.cr8 {
            return Err(ControlError::Unsupported("cr8"));
        }
        *old = new.clone();
        Ok(())
    }

    fn insert(&mut self, point: &Breakpoint) -> Result<(), ControlError> {
        self.here()?;
        if point.kind == BreakKind::Read {
            return Err(ControlError::Unsupported("watchpoint on reads"));
        }
        self.points.push(*point);
        self.seen.lock().unwrap().inserted.push(*point);
        Ok(())
    }

    fn remove(&mut self, point: &Breakpoint) -> Result<(), ControlError> {
        self.here()?;
        self.points.retain(|other| other != point);
        Ok(())
    }

    fn release(&mut self) -> Result<(), ControlError> {
        self.here()?;
        self.points.clear();
        self.stop = None;
        let mut seen = self.seen.lock().unwrap();
        seen.running = true;
        seen.released += 1;
        Ok(())
    }
}

/// A server in a thread of its own.
pub struct Server {
    pub address: String,
    pub notices: Receiver<String>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves until the first debugger is gone.
    pub fn once(target: impl Target + 'static, settings: Settings) -> Self {
        Self::start(target, settings, true)
    }

    /// Serves as long as the test lives.
    pub fn start(mut target: impl Target + 'static, settings: Settings, once: bool) -> Self {
        let (open, opened) = channel();
        let (tell, notices) = channel();
        let thread = std::thread::spawn(move || {
            let endpoint = Endpoint::TcpListen(([127, 0, 0, 1], 0).into());
            let options = Options { once, settings };
            gdb::serve(&mut target, &endpoint, &options, &mut |notice| {
                if let Notice::Line(Event::Open(line)) = notice {
                    let _ = open.send(line.strip_prefix("TCP ").unwrap().to_owned());
                }
                let _ = tell.send(notice.to_string());
            })
            .unwrap();
        });
        Self {
            address: opened.recv().unwrap(),
            notices,
            thread: once.then_some(thread),
        }
    }

    /// Waits for the end of a server for one debugger, and gives what it said.
    pub fn finish(mut self) -> Vec<String> {
        self.thread.take().unwrap().join().unwrap();
        self.notices.try_iter().collect()
    }
}

/// A debugger that says what it is told to.
pub struct Client {
    stream: TcpStream,
    bytes: Vec<u8>,
}

pub fn packet(body: &[u8]) -> Vec<u8> {
    let sum = body.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    [b"$", body, format!("#{sum:02x}").as_bytes()].concat()
}

impl Client {
    /// Connects and turns acknowledgements off.
    pub fn connect(address: &str) -> Self {
        let mut client = Self::raw(address);
        client.send(b"+$QStartNoAckMode#b0");
        assert_eq!(client.answer(), b"OK");
        client.send(b"+");
        client
    }

    pub fn raw(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self {
            stream,
            bytes: Vec::new(),
        }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Bytes from the line; `None` when it was closed.
    pub fn more(&mut self) -> Option<()> {
        let mut buffer = [0; 0x4_0000];
        match self.stream.read(&mut buffer).ok()? {
            0 => None,
            count => {
                self.bytes.extend_from_slice(&buffer[..count]);
                Some(())
            }
        }
    }

    /// The body of the next packet.
    pub fn answer(&mut self) -> Vec<u8> {
        self.maybe().expect("an answer")
    }

    pub fn maybe(&mut self) -> Option<Vec<u8>> {
        loop {
            let begin = self.bytes.iter().position(|byte| *byte == b'$');
            let end = begin.and_then(|begin| self.bytes[begin..].iter().position(|byte| *byte == b'#'));
            if let (Some(begin), Some(end)) = (begin, end)
                && self.bytes.len() >= begin + end + 3
            {
                let body = self.bytes[begin + 1..begin + end].to_vec();
                let whole = self.bytes[begin..begin + end + 3].to_vec();
                self.bytes.drain(..begin + end + 3);
                assert_eq!(whole, packet(&body), "its sum is right");
                return Some(body);
            }
            self.more()?;
        }
    }

    /// Asks, and gives the answer as text.
    pub fn ask(&mut self, body: &str) -> String {
        self.send(&packet(body.as_bytes()));
        String::from_utf8_lossy(&self.answer()).into_owned()
    }

    /// What a monitor command prints.
    pub fn monitor(&mut self, command: &str) -> String {
        let mut answer = self.ask(&format!("qRcmd,{}", hex(command.as_bytes())));
        let mut text = Vec::new();
        while let Some(digits) = answer.strip_prefix('O').filter(|rest| *rest != "K") {
            text.extend(unhex(digits));
            answer = String::from_utf8(self.answer()).unwrap();
        }
        assert_eq!(answer, "OK");
        String::from_utf8(text).unwrap()
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Waits until something holds, at most some seconds.
pub fn eventually(what: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(10) {
        if what() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}
