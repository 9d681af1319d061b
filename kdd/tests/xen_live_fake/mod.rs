//! A play of a hypervisor: domains whose instructions are all one byte long and whose addresses are physical.
//! Structures are built here with offsets of their own, from domctl.h of Xen 4.20.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use kdd::target::xen_live::hypercall::{Call, Errno, Hypervisor, Window};

pub type Page = Arc<Mutex<[u8; 4096]>>;

/// The frame of the ring of events.
pub const RING: u8 = 9;

/// A domain.
pub struct Guest {
    pub id: u16,
    pub hvm: bool,
    pub emulated: u32,
    pub pauses: u32,
    pub dying: bool,
    pub shutdown: Option<u8>,
    pub debugged: bool,
    /// Whether it is monitored, and debug exceptions are reported.
    pub monitored: Option<bool>,
    pub pages: BTreeMap<u64, Page>,
    /// Frames that are said to be there and cannot be mapped.
    pub broken: BTreeSet<u64>,
    pub last_frame: u64,
    /// RIP, RFLAGS, R15, DR7 of each vCPU.
    pub vcpus: Vec<[u64; 4]>,
    /// vCPUs that are down, and those that wait for an answer to an event.
    pub down: Vec<bool>,
    pub waiting: Vec<bool>,
    pub requests: u32,
    pub answers: u32,
    /// Exceptions that were passed on: vCPU and vector.
    pub injected: Vec<(u32, u8)>,
    pub instructions: u64,
}

impl Guest {
    pub fn new(id: u16) -> Self {
        let page = |number: u8| Arc::new(Mutex::new([number; 4096]));
        Self {
            id,
            hvm: true,
            emulated: 1,
            pauses: 0,
            dying: false,
            shutdown: None,
            debugged: false,
            monitored: None,
            pages: [0u8, 1, 2, 3, 5, RING]
                .map(|number| (u64::from(number), page(number)))
                .into(),
            broken: BTreeSet::new(),
            last_frame: 0x1_0000,
            vcpus: vec![[0x1000, 2, 0, 0x400], [0x2000, 2, 0, 0x400]],
            down: vec![false; 2],
            waiting: vec![false; 2],
            requests: 0,
            answers: 0,
            injected: Vec::new(),
            instructions: 0,
        }
    }

    fn byte(&self, at: u64) -> u8 {
        self.pages
            .get(&(at / 4096))
            .map_or(0, |page| page.lock().unwrap()[(at % 4096) as usize])
    }

    /// Runs up to a hundred instructions of each vCPU.
    fn run(&mut self) {
        let exceptions = self.monitored == Some(true);
        for (number, vcpu) in self.vcpus.clone().into_iter().enumerate() {
            let [mut rip, mut flags, general, debug] = vcpu;
            for _ in 0..100 {
                if self.down[number] || self.waiting[number] {
                    break;
                }
                if exceptions && self.byte(rip) == 0xf1 {
                    if self
                        .injected
                        .iter()
                        .any(|(vcpu, vector)| (*vcpu as usize, *vector) == (number, 3))
                    {
                        rip += 1;
                        continue;
                    }
                    self.request(number, 9, rip, 5);
                    break;
                }
                rip += 1;
                flags &= !(1 << 16);
                self.instructions += 1;
                if flags & 0x100 != 0 && exceptions {
                    self.request(number, 9, rip, 3);
                    break;
                }
            }
            self.vcpus[number] = [rip, flags, general, debug];
        }
    }

    /// Reports an event.
    fn request(&mut self, vcpu: usize, reason: u32, rip: u64, how: u8) {
        let mut page = self.pages[&u64::from(RING)].lock().unwrap();
        let at = 64 + (self.requests % 8) as usize * 400;
        let mut put = |offset: usize, value: u64, length: usize| {
            page[at + offset..at + offset + length].copy_from_slice(&value.to_le_bytes()[..length]);
        };
        put(0, 7, 4);
        put(4, 1, 4);
        put(8, reason.into(), 4);
        put(12, vcpu as u64, 4);
        put(24, rip / 4096, 8);
        put(32, 0, 8);
        put(40, 1, 4);
        put(44, how.into(), 1);
        put(208, rip, 8);
        self.requests += 1;
        page[..4].copy_from_slice(&self.requests.to_le_bytes());
        self.waiting[vcpu] = true;
    }

    /// Takes the answers.
    fn answered(&mut self) {
        let page = self.pages[&u64::from(RING)].lock().unwrap();
        let made = u32::from_le_bytes(page[8..12].try_into().unwrap());
        while self.answers != made {
            let at = 64 + (self.answers % 8) as usize * 400;
            assert_eq!((page[at], page[at + 4]), (7, 1));
            assert!(std::mem::take(&mut self.waiting[page[at + 12] as usize]));
            self.answers += 1;
        }
    }

    fn context(&self) -> Vec<u8> {
        let mut bytes = record(1, 0, &[0; 24]);
        for (number, [rip, flags, general, debug]) in self.vcpus.iter().enumerate() {
            if self.down[number] {
                continue;
            }
            let mut cpu = vec![0; 1032];
            let mut put = |at: usize, value: u64| cpu[at..at + 8].copy_from_slice(&value.to_le_bytes());
            put(512 + 15 * 8, *general);
            put(640, *rip);
            put(648, *flags);
            put(512 + 27 * 8, *debug);
            bytes.extend(record(2, number as u16, &cpu));
        }
        bytes.extend(record(6, 0, &[0; 1024]));
        bytes.extend(record(0, 0, &[]));
        bytes
    }

    fn load(&mut self, bytes: &[u8]) -> Result<u64, Errno> {
        let mut at = 0;
        self.down.fill(true);
        loop {
            let kind = u16::from_le_bytes([bytes[at], bytes[at + 1]]);
            let instance = usize::from(bytes[at + 2]);
            let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
            let body = &bytes[at + 8..at + 8 + length];
            let get = |at: usize| u64::from_le_bytes(body[at..at + 8].try_into().unwrap());
            match kind {
                0 => return Ok(0),
                1 => {}
                2 => {
                    self.down[instance] = false;
                    self.vcpus[instance] = [get(640), get(648), get(512 + 15 * 8), get(512 + 27 * 8)];
                }
                _ => return Err(Errno::EINVAL),
            }
            at += 8 + length;
        }
    }
}

fn record(kind: u16, instance: u16, content: &[u8]) -> Vec<u8> {
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend(instance.to_le_bytes());
    bytes.extend((content.len() as u32).to_le_bytes());
    bytes.extend(content);
    bytes
}

/// What the hypervisor is like.
pub struct Inside {
    pub interface: u32,
    pub guests: BTreeMap<u16, Guest>,
    /// Commands of `domctl` that fail, with what.
    pub failing: BTreeMap<u32, Errno>,
    pub commands: Vec<u32>,
    pub context_size: Option<u32>,
    pub context: Option<Vec<u8>>,
    pub mappings: u64,
}

/// The hypervisor.
#[derive(Clone)]
pub struct Fake(Arc<Mutex<Inside>>);

impl Fake {
    pub fn new(guests: Vec<Guest>) -> Self {
        let mut guests: BTreeMap<u16, Guest> = guests.into_iter().map(|guest| (guest.id, guest)).collect();
        guests.insert(
            0,
            Guest {
                hvm: false,
                emulated: 0,
                ..Guest::new(0)
            },
        );
        Self(Arc::new(Mutex::new(Inside {
            interface: 0x17,
            guests,
            failing: BTreeMap::new(),
            commands: Vec::new(),
            context_size: None,
            context: None,
            mappings: 0,
        })))
    }

    pub fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap()
    }

    /// Does something with a guest.
    pub fn guest<T>(&self, id: u16, work: impl FnOnce(&mut Guest) -> T) -> T {
        work(self.inside().guests.get_mut(&id).unwrap())
    }
}

impl Hypervisor for Fake {
    fn call(&self, call: &mut Call) -> Result<u64, Errno> {
        let inside = &mut *self.inside();
        match call.number {
            17 if call.buffers.is_empty() => Ok(0x4_0014),
            17 => {
                call.buffers[0][..6].copy_from_slice(b".4-pre");
                Ok(0)
            }
            12 => {
                let id = u16::from_le_bytes([call.buffers[0][0], call.buffers[0][1]]);
                inside.guests.get(&id).map(|guest| guest.last_frame).ok_or(Errno::ESRCH)
            }
            34 => {
                assert_eq!(call.buffers[0][4], 28);
                call.buffers[0][8] = RING;
                Ok(0)
            }
            41 => {
                let operation = &call.buffers[1];
                assert_eq!(operation[0], 13);
                let guest = inside.guests.get_mut(&7).ok_or(Errno::ESRCH)?;
                guest.injected.push((operation[8].into(), operation[12]));
                Ok(0)
            }
            36 => domctl(inside, call),
            _ => Err(Errno::ENOSYS),
        }
    }

    fn map(&self, domain: u16, frames: &[u64], writable: bool) -> Result<Box<dyn Window>, Errno> {
        let inside = &mut *self.inside();
        inside.mappings += 1;
        let guest = inside.guests.get(&domain).ok_or(Errno::ESRCH)?;
        let page = |frame: &u64| {
            guest
                .pages
                .get(frame)
                .filter(|_| !guest.broken.contains(frame))
                .cloned()
        };
        Ok(Box::new(Mapped(frames.iter().map(page).collect(), writable)))
    }
}

struct Mapped(Vec<Option<Page>>, bool);

impl Window for Mapped {
    fn present(&self, page: usize) -> bool {
        self.0[page].is_some()
    }

    fn read(&self, at: usize, bytes: &mut [u8]) -> bool {
        assert!(at % 4096 + bytes.len() <= 4096, "within a page");
        let Some(page) = &self.0[at / 4096] else { return false };
        bytes.copy_from_slice(&page.lock().unwrap()[at % 4096..at % 4096 + bytes.len()]);
        true
    }

    fn write(&mut self, at: usize, bytes: &[u8]) -> bool {
        assert!(self.1);
        let Some(page) = &self.0[at / 4096] else { return false };
        page.lock().unwrap()[at % 4096..at % 4096 + bytes.len()].copy_from_slice(bytes);
        true
    }
}

fn domctl(inside: &mut Inside, call: &mut Call) -> Result<u64, Errno> {
    let head = call.buffers[0].clone();
    assert_eq!(head.len(), 144);
    let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap());
    let command = word(0);
    if word(4) != inside.interface {
        return Err(Errno::EACCES);
    }
    inside.commands.push(command);
    if let Some(errno) = inside.failing.get(&command) {
        return Err(*errno);
    }
    let id = u16::from_le_bytes([head[8], head[9]]);
    if command == 5 {
        let (_, guest) = inside.guests.range(id..).next().ok_or(Errno::ESRCH)?;
        info(guest, &mut call.buffers[0][16..], inside.interface);
        return Ok(0);
    }
    let context_size = inside.context_size;
    let context = inside.context.clone();
    let guest = inside.guests.get_mut(&id).ok_or(Errno::ESRCH)?;
    match command {
        3 => guest.pauses += 1,
        4 => {
            guest.pauses = guest.pauses.checked_sub(1).ok_or(Errno::EINVAL)?;
            if guest.pauses == 0 {
                guest.run();
            }
        }
        33 => {
            let bytes = context.unwrap_or_else(|| guest.context());
            if guest.dying {
                return Err(Errno::EINVAL);
            }
            let size = context_size.unwrap_or(bytes.len() as u32);
            call.buffers[0][16..20].copy_from_slice(&size.to_le_bytes());
            if let Some(buffer) = call.buffers.get_mut(1) {
                buffer[..bytes.len()].copy_from_slice(&bytes);
            }
        }
        34 => return guest.load(&call.buffers[1].clone()),
        54 => return Err(Errno::EOPNOTSUPP),
        61 => {
            let list = &mut call.buffers[1];
            for frame in list.chunks_exact_mut(8) {
                let number = u64::from_le_bytes(frame.try_into().unwrap());
                let kind = if guest.pages.contains_key(&number) {
                    0
                } else {
                    0xf000_0000u64
                };
                frame.copy_from_slice(&kind.to_le_bytes());
            }
        }
        56 => match (word(16), guest.monitored) {
            (3, _) => call.buffers[0][24] = 7,
            (0, Some(_)) => return Err(Errno::EBUSY),
            (0, None) => {
                guest.monitored = Some(false);
                (guest.requests, guest.answers) = (0, 0);
            }
            (1, Some(_)) => guest.monitored = None,
            (2, Some(_)) => guest.answered(),
            _ => return Err(Errno::EINVAL),
        },
        77 => {
            let monitored = guest.monitored.as_mut().ok_or(Errno::EINVAL)?;
            if word(20) != 5 {
                return Err(Errno::EOPNOTSUPP);
            }
            *monitored = word(16) == 0;
        }
        _ => return Err(Errno::ENOSYS),
    }
    Ok(0)
}

fn info(guest: &Guest, out: &mut [u8], interface: u32) {
    let mut flags = 0u32;
    for (bit, set) in [
        (0, guest.dying),
        (1, guest.hvm),
        (2, guest.shutdown.is_some()),
        (3, guest.pauses > 0),
        (4, guest.pauses == 0),
        (6, guest.debugged),
    ] {
        flags |= u32::from(set) << bit;
    }
    flags |= u32::from(guest.shutdown.unwrap_or(0)) << 16;
    out[..2].copy_from_slice(&guest.id.to_le_bytes());
    out[4..8].copy_from_slice(&flags.to_le_bytes());
    out[8..16].copy_from_slice(&(guest.pages.len() as u64).to_le_bytes());
    out[64..68].copy_from_slice(&(guest.vcpus.len() as u32).to_le_bytes());
    out[68..72].copy_from_slice(&(guest.vcpus.len() as u32 - 1).to_le_bytes());
    out[76..92].fill(guest.id as u8);
    let emulated = if interface < 0x14 { 96 } else { 104 };
    out[emulated..emulated + 4].copy_from_slice(&guest.emulated.to_le_bytes());
}
