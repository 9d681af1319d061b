//! A guest with a value of its own in every field, so that a field which is read from the wrong place
//! is seen; and the debugger's side of a line.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use kdd::kd::debuggee::{Continue, Debuggee, Exception, MemoryKind, Status, Version};
use kdd::kd::packet::{Decoder, Event, Leader, Packet, PacketId, PacketType};
use kdd::kd::session::{Action, Line, Report, Session};
use kdd::memory::{Gpa, Gva};
use kdd::windows::Architecture;

pub const KERNEL: u64 = 0xffff_f805_1a20_0000;
pub const MODULES: u64 = 0xffff_f805_1ae2_a310;
pub const DATA_LIST: u64 = 0xffff_f805_1ae1_7fe0;
/// Code on which the processors stand: 0x100 apart.
pub const CODE: u64 = 0xffff_f805_1a60_0ff8;

/// A made-up guest.
pub struct Fake {
    pub architecture: Architecture,
    pub processors: u16,
    pub build: u16,
    pub multiprocessor: bool,
    /// Virtual pages.
    pub memory: BTreeMap<u64, Vec<u8>>,
    /// Physical pages.
    pub physical: BTreeMap<u64, Vec<u8>>,
    pub contexts: Vec<Vec<u8>>,
    pub specials: Vec<Vec<u8>>,
    pub msrs: BTreeMap<(u16, u32), u64>,
    pub breakpoints: BTreeMap<u32, u64>,
    pub ports: BTreeMap<u64, u32>,
    pub bus: Vec<u8>,
    /// It can run, write and set breakpoints.
    pub live: bool,
    pub running: bool,
    pub stop: Exception,
    pub resumed: Vec<(u16, Continue)>,
    /// It has stopped by itself.
    pub stops_itself: bool,
    /// Bytes of memory that were read.
    pub bytes_read: Cell<u64>,
}

fn counted(length: usize, seed: u8) -> Vec<u8> {
    (0..length)
        .map(|at| {
            (at as u8)
                .wrapping_mul(7)
                .wrapping_add((at >> 8) as u8)
                .wrapping_add(seed)
        })
        .collect()
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

impl Fake {
    /// x64, two processors, captured.
    pub fn x64() -> Self {
        let mut contexts = vec![counted(0x4d0, 0x11), counted(0x4d0, 0x77)];
        let mut specials = vec![counted(0xf0, 0x23), counted(0xf0, 0x99)];
        for (cpu, context) in contexts.iter_mut().enumerate() {
            put(context, 0x38, &[0x10, 0, 0x2b, 0, 0x2c, 0, 0x53, 0]);
            put(context, 0xf8, &(CODE + 0x100 * cpu as u64).to_le_bytes());
        }
        put(&mut specials[1], 0x40, &0x1111_2222_3333_4444u64.to_le_bytes());
        let mut fake = Self {
            architecture: Architecture::X64,
            processors: 2,
            build: 19045,
            multiprocessor: true,
            memory: BTreeMap::new(),
            physical: BTreeMap::new(),
            contexts,
            specials,
            msrs: BTreeMap::new(),
            breakpoints: BTreeMap::new(),
            ports: BTreeMap::new(),
            bus: counted(256, 0x42),
            live: false,
            running: false,
            stop: Exception {
                processor: 0,
                code: 0x8000_0003,
                address: Gva(CODE),
            },
            resumed: Vec::new(),
            stops_itself: false,
            bytes_read: Cell::new(0),
        };
        fake.fill(CODE & !0xfff, &counted(0x2000, 3));
        fake.physical.insert(0x5000, counted(4096, 0x55));
        fake.physical.insert(0x6000, counted(4096, 0x66));
        for cpu in 0..2 {
            for (at, number) in [0xc000_0080u32, 0xc000_0081, 0xc000_0082, 0xc000_0102, 0x1b]
                .into_iter()
                .enumerate()
            {
                fake.msrs.insert(
                    (cpu, number),
                    0x0123_4567_0000_0000 + u64::from(cpu) * 0x100 + at as u64,
                );
            }
        }
        fake
    }

    /// x86 with PAE, one processor.
    pub fn x86() -> Self {
        let mut fake = Self::x64();
        fake.architecture = Architecture::X86;
        fake.processors = 1;
        fake.build = 2600;
        fake.multiprocessor = false;
        fake.contexts = vec![counted(0x2cc, 0x31)];
        fake.specials = vec![counted(0x54, 0x57)];
        let context = &mut fake.contexts[0];
        put(context, 0x90, &[0x30, 0]);
        put(context, 0x94, &[0x23, 0]);
        put(context, 0x98, &[0x24, 0]);
        put(context, 0xb8, &0x8052_0ffcu32.to_le_bytes());
        put(context, 0xbc, &[8, 0]);
        fake.stop.address = Gva(0x8052_0ffc);
        fake.memory.clear();
        fake.fill(0x8052_0000, &counted(0x2000, 3));
        fake
    }

    /// A guest that can run.
    pub fn live() -> Self {
        let mut fake = Self::x64();
        (fake.live, fake.running) = (true, true);
        fake
    }

    /// Puts bytes into virtual memory, page by page.
    pub fn fill(&mut self, at: u64, bytes: &[u8]) {
        for (offset, byte) in bytes.iter().enumerate() {
            let place = at + offset as u64;
            let page = self.memory.entry(place & !0xfff).or_insert_with(|| vec![0; 4096]);
            page[(place & 0xfff) as usize] = *byte;
        }
    }

    fn read(pages: &BTreeMap<u64, Vec<u8>>, at: u64, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        while done < buffer.len() {
            let Some(place) = at.checked_add(done as u64) else {
                break;
            };
            let Some(page) = pages.get(&(place & !0xfff)) else {
                break;
            };
            let from = &page[(place & 0xfff) as usize..];
            let count = from.len().min(buffer.len() - done);
            buffer[done..done + count].copy_from_slice(&from[..count]);
            done += count;
        }
        done
    }

    fn write(pages: &mut BTreeMap<u64, Vec<u8>>, at: u64, bytes: &[u8]) -> usize {
        for (offset, byte) in bytes.iter().enumerate() {
            let place = at.wrapping_add(offset as u64);
            let Some(page) = pages.get_mut(&(place & !0xfff)) else {
                return offset;
            };
            page[(place & 0xfff) as usize] = *byte;
        }
        bytes.len()
    }

    fn can(&self) -> Result<(), Status> {
        self.live.then_some(()).ok_or(Status::NOT_SUPPORTED)
    }
}

impl Debuggee for Fake {
    fn version(&self) -> Version {
        let x86 = self.architecture == Architecture::X86;
        let own = |address: u64| {
            Gva(if x86 {
                address & 0xffff_ffff | 0x8000_0000
            } else {
                address
            })
        };
        Version {
            major: 15,
            minor: self.build,
            architecture: self.architecture,
            multiprocessor: self.multiprocessor,
            kernel_base: own(KERNEL),
            loaded_modules: own(MODULES),
            debugger_data: own(DATA_LIST),
        }
    }

    fn processors(&self) -> u16 {
        self.processors
    }

    fn running(&self) -> bool {
        self.running
    }

    fn thread(&self, processor: u16) -> Gva {
        match self.architecture {
            Architecture::X64 => Gva(0xffff_a08c_7d6f_5080 + u64::from(processor) * 0x4000),
            Architecture::X86 => Gva(0x8a30_5020),
        }
    }

    fn program_counter(&self, processor: u16) -> Gva {
        let context = &self.contexts[usize::from(processor)];
        match self.architecture {
            Architecture::X64 => Gva(u64::from_le_bytes(context[0xf8..0x100].try_into().unwrap())),
            Architecture::X86 => Gva(u32::from_le_bytes(context[0xb8..0xbc].try_into().unwrap()).into()),
        }
    }

    fn read_virtual(&self, _processor: u16, at: Gva, buffer: &mut [u8]) -> usize {
        let count = Self::read(&self.memory, at.0, buffer);
        self.bytes_read.set(self.bytes_read.get() + count as u64);
        count
    }

    fn read_physical(&self, at: Gpa, buffer: &mut [u8]) -> usize {
        Self::read(&self.physical, at.0, buffer)
    }

    fn write_virtual(&mut self, _processor: u16, at: Gva, bytes: &[u8]) -> Result<usize, Status> {
        self.can()?;
        Ok(Self::write(&mut self.memory, at.0, bytes))
    }

    fn write_physical(&mut self, at: Gpa, bytes: &[u8]) -> Result<usize, Status> {
        self.can()?;
        Ok(Self::write(&mut self.physical, at.0, bytes))
    }

    fn context(&self, processor: u16) -> Result<Vec<u8>, Status> {
        self.contexts
            .get(usize::from(processor))
            .cloned()
            .ok_or(Status::UNSUCCESSFUL)
    }

    fn set_context(&mut self, processor: u16, context: &[u8]) -> Result<(), Status> {
        self.can()?;
        self.contexts[usize::from(processor)] = context.to_vec();
        Ok(())
    }

    fn special(&self, processor: u16) -> Result<Vec<u8>, Status> {
        self.specials
            .get(usize::from(processor))
            .cloned()
            .ok_or(Status::UNSUCCESSFUL)
    }

    fn set_special(&mut self, processor: u16, special: &[u8]) -> Result<(), Status> {
        self.can()?;
        let old = &mut self.specials[usize::from(processor)];
        let count = special.len().min(old.len());
        old[..count].copy_from_slice(&special[..count]);
        Ok(())
    }

    fn kpcr(&self, processor: u16) -> Gva {
        Gva(0xffff_f805_1860_0000 + u64::from(processor) * 0x1_0000)
    }

    fn kprcb(&self, processor: u16) -> Gva {
        Gva(self.kpcr(processor).0 + 0x180)
    }

    fn msr(&self, processor: u16, number: u32) -> Result<u64, Status> {
        self.msrs.get(&(processor, number)).copied().ok_or(Status::UNSUCCESSFUL)
    }

    fn set_msr(&mut self, processor: u16, number: u32, value: u64) -> Result<(), Status> {
        self.can()?;
        self.msrs.insert((processor, number), value);
        Ok(())
    }

    fn query_memory(&self, _processor: u16, at: Gva) -> Option<MemoryKind> {
        self.memory
            .contains_key(&at.page().0)
            .then_some(MemoryKind { space: 2, flags: 5 })
    }

    fn read_io(&mut self, port: u64, _size: u32) -> Result<u32, Status> {
        self.ports.get(&port).copied().ok_or(Status::NOT_SUPPORTED)
    }

    fn write_io(&mut self, port: u64, _size: u32, value: u32) -> Result<(), Status> {
        self.can()?;
        self.ports.insert(port, value);
        Ok(())
    }

    fn read_bus(&mut self, kind: u32, _bus: u32, _slot: u32, offset: u32, buffer: &mut [u8]) -> Result<usize, Status> {
        if kind != 4 {
            return Err(Status::INVALID_PARAMETER);
        }
        let from = self.bus.get(offset as usize..).unwrap_or_default();
        let count = from.len().min(buffer.len());
        buffer[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }

    fn set_breakpoint(&mut self, _processor: u16, at: Gva) -> Result<u32, Status> {
        self.can()?;
        let handle = self.breakpoints.keys().last().unwrap_or(&0) + 1;
        self.breakpoints.insert(handle, at.0);
        Ok(handle)
    }

    fn remove_breakpoint(&mut self, handle: u32) -> Result<(), Status> {
        self.breakpoints.remove(&handle).map(drop).ok_or(Status::UNSUCCESSFUL)
    }

    fn exception(&self) -> Exception {
        self.stop
    }

    fn resume(&mut self, processor: u16, how: Continue) -> Result<(), Status> {
        self.can()?;
        self.running = true;
        self.resumed.push((processor, how));
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Status> {
        self.can()?;
        self.running = false;
        Ok(())
    }

    fn stopped(&mut self) -> Result<bool, Status> {
        Ok(std::mem::take(&mut self.stops_itself))
    }
}

/// A debugger, as far as packets go, and a session with a guest at the other end.
pub struct Host<G: Debuggee = Fake> {
    pub line: Line,
    pub session: Session,
    pub guest: G,
    pub now: Duration,
    /// Id of the next request.
    pub id: u32,
    /// Packets that came, in order.
    pub seen: Vec<Packet>,
    pub reports: Vec<Report>,
    pub reboots: usize,
    decoder: Decoder,
    /// Acknowledge what comes.
    pub acknowledges: bool,
}

impl<G: Debuggee> Host<G> {
    pub fn new(line: Line, guest: G) -> Self {
        Self {
            line,
            session: Session::new(line),
            guest,
            now: Duration::ZERO,
            id: 0x8080_0000,
            seen: Vec::new(),
            reports: Vec::new(),
            reboots: 0,
            decoder: Decoder::new(),
            acknowledges: true,
        }
    }

    /// Connected and told of the stop, with what came up to then taken away.
    pub fn connected(line: Line, guest: G) -> Self {
        let mut host = Self::new(line, guest);
        host.reset();
        host.seen.clear();
        host.reports.clear();
        host
    }

    pub fn reset(&mut self) {
        let id = if self.line == Line::Serial { 0 } else { self.id };
        self.control(PacketType::RESET, id);
        if self.line == Line::Serial {
            self.id = 0x8080_0000;
        }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.session.push(bytes, &mut self.guest, self.now);
        self.drain();
    }

    pub fn control(&mut self, kind: PacketType, id: u32) {
        self.push(&Packet::control(kind, PacketId(id)).encode().unwrap());
    }

    /// Lets time pass, as an owner does that looks at the deadline.
    pub fn wait(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while let Some(deadline) = self.session.deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.session.tick(&mut self.guest, self.now);
            self.drain();
        }
        self.now = end;
        self.session.tick(&mut self.guest, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(action) = self.session.poll() {
            match action {
                Action::Send(bytes) => self.receive(&bytes),
                Action::Report(report) => self.reports.push(report),
                Action::Reboot => self.reboots += 1,
            }
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        let mut packets = Vec::new();
        if self.line == Line::Datagram {
            packets.push(Packet::from_datagram(bytes).expect("a whole packet"));
        } else {
            self.decoder.push(bytes);
            while let Some(event) = self.decoder.next_event() {
                match event {
                    Event::Packet { packet, .. } => packets.push(packet),
                    other => panic!("{other:?}"),
                }
            }
        }
        for packet in packets {
            let data = packet.leader == Leader::Data;
            let id = packet.id.0;
            self.seen.push(packet);
            if data && self.acknowledges {
                let id = if self.line == Line::Serial { id & !0x800 } else { id };
                let bytes = Packet::control(PacketType::ACKNOWLEDGE, PacketId(id)).encode().unwrap();
                self.session.push(&bytes, &mut self.guest, self.now);
            }
        }
    }

    /// A data packet in this line's form.
    pub fn framed(&self, kind: PacketType, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Packet::data(kind, PacketId(self.id), payload.to_vec())
            .encode()
            .unwrap();
        if self.line == Line::Datagram {
            bytes.pop();
        }
        bytes
    }

    pub fn next_id(&mut self) {
        self.id = if self.line == Line::Serial {
            self.id ^ 1
        } else {
            self.id.wrapping_add(2)
        };
    }

    /// Sends a request; gives the data packets that came after it.
    pub fn send(&mut self, payload: &[u8]) -> Vec<Packet> {
        self.seen.clear();
        let bytes = self.framed(PacketType::MANIPULATE, payload);
        self.push(&bytes);
        let id = self.id;
        self.next_id();
        let packets = std::mem::take(&mut self.seen);
        let acknowledged = packets
            .first()
            .is_some_and(|packet| packet.kind == PacketType::ACKNOWLEDGE && packet.id.0 == id);
        assert!(acknowledged, "no acknowledgement of {id:#x}: {packets:?}");
        packets
            .into_iter()
            .filter(|packet| packet.leader == Leader::Data)
            .collect()
    }

    /// Sends a request and gives its only answer: status and payload.
    pub fn ask(&mut self, request: &Request) -> (u32, Vec<u8>) {
        let mut answers = self.send(&request.0);
        assert_eq!(answers.len(), 1, "{answers:?}");
        let answer = answers.remove(0);
        assert_eq!(answer.kind, PacketType::MANIPULATE);
        assert_eq!(answer.payload[..4], request.0[..4], "answered with its own number");
        (
            u32::from_le_bytes(answer.payload[8..12].try_into().unwrap()),
            answer.payload,
        )
    }
}

/// A request with junk in what it does not use.
#[derive(Clone)]
pub struct Request(pub Vec<u8>);

impl Request {
    pub fn new(number: u32, processor: u16) -> Self {
        let mut bytes = vec![0xc5; 56];
        put(&mut bytes, 0, &number.to_le_bytes());
        put(&mut bytes, 6, &processor.to_le_bytes());
        Self(bytes)
    }

    pub fn u16(mut self, at: usize, value: u16) -> Self {
        put(&mut self.0, at, &value.to_le_bytes());
        self
    }

    pub fn u32(mut self, at: usize, value: u32) -> Self {
        put(&mut self.0, at, &value.to_le_bytes());
        self
    }

    pub fn u64(mut self, at: usize, value: u64) -> Self {
        put(&mut self.0, at, &value.to_le_bytes());
        self
    }

    pub fn data(mut self, data: &[u8]) -> Self {
        self.0.extend(data);
        self
    }
}

pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}
