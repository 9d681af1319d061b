//! Physical memory handed out in no order, and page tables of every kind.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::Architecture;
use super::random::Random;

pub const PAGE: u64 = 4096;
const MIB2: u64 = 2 << 20;
/// RAM above this address begins again at 4 GiB.
const PCI_HOLE: u64 = 0xc000_0000;

/// Rights of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    Code,
    Data,
    ReadOnly,
    UserCode,
    UserData,
}

impl Right {
    fn bits(self, no_execute: bool) -> u64 {
        let (low, executable) = match self {
            Self::Code => (0x121, true),
            Self::Data => (0x163, false),
            Self::ReadOnly => (0x121, false),
            Self::UserCode => (0x25, true),
            Self::UserData => (0x67, false),
        };
        low | if no_execute && !executable { 1 << 63 } else { 0 }
    }
}

/// Memory of the machine while it is filled.
pub struct Memory {
    pub pages: BTreeMap<u64, Vec<u8>>,
    pub random: Random,
    pub top: u64,
    architecture: Architecture,
    /// 2 MiB slots of RAM without pages so far.
    slots: Vec<u64>,
    /// Pages that exist and are not in use.
    free: Vec<u64>,
    /// Virtual pages of each page directory: (directory, virtual page) to physical page.
    mapped: BTreeMap<(u64, u64), u64>,
    /// Page directory of the kernel.
    pub kernel: u64,
    /// Page directories of processes.
    directories: Vec<u64>,
    /// PAE: page of page directory pointer tables and how many are in it.
    pointer_tables: Option<(u64, u64)>,
    self_map: u64,
    /// Directories of user mode (KVA shadow) and the processes' that they belong to.
    pub shadows: Vec<(u64, u64)>,
}

impl Memory {
    pub fn new(architecture: Architecture, ram: u64, seed: u64) -> Self {
        let mut random = Random(seed);
        let top = if ram > PCI_HOLE {
            ram + (1 << 32) - PCI_HOLE
        } else {
            ram
        };
        let mut slots: Vec<u64> = (1..ram / MIB2)
            .map(|slot| slot * MIB2)
            .map(|at| if at >= PCI_HOLE { at + (1 << 32) - PCI_HOLE } else { at })
            .collect();
        let last = slots.pop().expect("more RAM than that");
        random.shuffle(&mut slots);
        let mut memory = Self {
            pages: BTreeMap::new(),
            self_map: match architecture {
                Architecture::X86 | Architecture::X86Pae => 0x300,
                _ => 0x180 + random.below(0x60),
            },
            random,
            top,
            architecture,
            slots,
            free: Vec::new(),
            mapped: BTreeMap::new(),
            kernel: 0,
            directories: Vec::new(),
            pointer_tables: None,
            shadows: Vec::new(),
        };
        // Below 640 KiB, a part of the first megabytes, the end of RAM.
        memory.add_range(PAGE, 0x9f000);
        memory.add_range(0x10_0000, 0x18_0000);
        memory.add_range(last + 0x19_0000, last + MIB2);
        memory.kernel = memory.directory();
        memory
    }

    fn add_range(&mut self, start: u64, end: u64) {
        let mut added: Vec<u64> = (start..end).step_by(PAGE as usize).collect();
        for page in &added {
            self.pages.insert(*page, vec![0; PAGE as usize]);
        }
        self.free.append(&mut added);
        let mut free = std::mem::take(&mut self.free);
        self.random.shuffle(&mut free);
        self.free = free;
    }

    /// A page of RAM, of zeroes.
    pub fn page(&mut self) -> u64 {
        if self.free.is_empty() {
            let slot = self.slots.pop().expect("RAM is used up");
            let start = slot + PAGE * self.random.below(0x80);
            let length = PAGE * (0x80 + self.random.below(0x100));
            self.add_range(start, (start + length).min(slot + MIB2));
        }
        self.free.pop().expect("a range has pages")
    }

    /// A page below an address.
    pub fn page_below(&mut self, end: u64) -> u64 {
        let at = self.free.iter().position(|page| *page < end).expect("a low page");
        self.free.swap_remove(at)
    }

    /// Makes more RAM exist, from the lowest that does not.
    pub fn fill(&mut self, bytes: u64) {
        self.slots.sort_unstable();
        let mut slots = std::mem::take(&mut self.slots).into_iter();
        while (self.pages.len() as u64) * PAGE < bytes {
            let Some(slot) = slots.next() else { break };
            for page in (slot..slot + MIB2).step_by(PAGE as usize) {
                let number = page / PAGE;
                let content = if number % 5 < 2 {
                    vec![0; PAGE as usize]
                } else {
                    (0..PAGE / 8)
                        .flat_map(|word| (number.wrapping_mul(0x9e37_79b9) ^ (word >> 3)).to_le_bytes())
                        .collect()
                };
                self.pages.entry(page).or_insert(content);
            }
        }
        self.slots = slots.collect();
    }

    /// 2 MiB of RAM at their own alignment.
    pub fn large_page(&mut self) -> u64 {
        let slot = self.slots.pop().expect("RAM is used up");
        for page in (slot..slot + MIB2).step_by(PAGE as usize) {
            self.pages.insert(page, vec![0; PAGE as usize]);
        }
        slot
    }

    /// Writes by physical address.
    pub fn put(&mut self, at: u64, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let at = at + done as u64;
            let offset = (at % PAGE) as usize;
            let part = (PAGE as usize - offset).min(bytes.len() - done);
            let page = self.pages.get_mut(&(at & !(PAGE - 1))).expect("a page that exists");
            page[offset..offset + part].copy_from_slice(&bytes[done..done + part]);
            done += part;
        }
    }

    pub fn put_u64(&mut self, at: u64, value: u64) {
        self.put(at, &value.to_le_bytes());
    }

    pub fn get(&self, at: u64, count: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(count);
        while out.len() < count {
            let at = at + out.len() as u64;
            let offset = (at % PAGE) as usize;
            let part = (PAGE as usize - offset).min(count - out.len());
            out.extend_from_slice(&self.pages[&(at & !(PAGE - 1))][offset..offset + part]);
        }
        out
    }

    fn entry_size(&self) -> u64 {
        if self.architecture == Architecture::X86 { 4 } else { 8 }
    }

    fn entry(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        let size = self.entry_size() as usize;
        bytes[..size].copy_from_slice(&self.get(at, size));
        u64::from_le_bytes(bytes)
    }

    fn put_entry(&mut self, at: u64, value: u64) {
        let bytes = value.to_le_bytes();
        self.put(at, &bytes[..self.entry_size() as usize]);
    }

    /// Lowest bit of the index and number of index bits of each level, from the top.
    fn levels(&self) -> &'static [(u32, u32)] {
        match self.architecture {
            Architecture::X64FiveLevel => &[(48, 9), (39, 9), (30, 9), (21, 9), (12, 9)],
            Architecture::X64FourLevel => &[(39, 9), (30, 9), (21, 9), (12, 9)],
            Architecture::X86Pae => &[(30, 2), (21, 9), (12, 9)],
            Architecture::X86 => &[(22, 10), (12, 10)],
        }
    }

    /// A new page directory (PML5, PML4, PDPT or PD).
    pub fn directory(&mut self) -> u64 {
        if self.architecture != Architecture::X86Pae {
            let directory = self.page();
            self.directories.push(directory);
            return directory;
        }
        // Page directory pointer tables are 32 bytes long and share a page below 4 GiB.
        let (page, used) = match self.pointer_tables {
            Some((page, used)) if used < 128 => (page, used),
            _ => (self.page(), 1),
        };
        self.pointer_tables = Some((page, used + 1));
        let directory = page + used * 32;
        for index in 0..4 {
            let table = self.page();
            self.put_u64(directory + index * 8, table | 1);
        }
        self.directories.push(directory);
        directory
    }

    /// Address of the entry at a level (0 is the lowest) for a virtual address; makes the tables above.
    fn entry_at(&mut self, directory: u64, va: u64, level: usize) -> u64 {
        let levels = self.levels();
        let mut table = directory;
        let depth = levels.len() - 1 - level;
        for (shift, bits) in &levels[..depth] {
            let at = table + ((va >> shift) & ((1 << bits) - 1)) * self.entry_size();
            let mut entry = self.entry(at);
            if entry & 1 == 0 {
                let half = if self.architecture.is_64() { 1 << 47 } else { 1 << 31 };
                let user = if va < half { 4 } else { 0 };
                entry = self.page() | 0x63 | user;
                self.put_entry(at, entry);
            }
            assert_eq!(entry & 0x80, 0, "a large page is at {va:#x}");
            table = entry & 0x000f_ffff_ffff_f000;
        }
        let (shift, bits) = levels[depth];
        table + ((va >> shift) & ((1 << bits) - 1)) * self.entry_size()
    }

    /// Maps a virtual page to a physical page.
    pub fn map_to(&mut self, directory: u64, va: u64, pa: u64, right: Right) {
        let at = self.entry_at(directory, va, 0);
        let bits = right.bits(self.architecture != Architecture::X86);
        self.put_entry(at, pa | bits);
        self.mapped.insert((directory, va & !(PAGE - 1)), pa);
    }

    /// Maps new pages at a virtual address.
    pub fn map(&mut self, directory: u64, va: u64, size: u64, right: Right) {
        for va in (va & !(PAGE - 1)..va + size).step_by(PAGE as usize) {
            if !self.mapped.contains_key(&(directory, va)) {
                let pa = self.page();
                self.map_to(directory, va, pa, right);
            }
        }
    }

    /// Maps 2 MiB (4 MiB without PAE) of contiguous RAM with one entry.
    pub fn map_large(&mut self, directory: u64, va: u64, pa: u64, right: Right) {
        let at = self.entry_at(directory, va, 1);
        let bits = right.bits(self.architecture != Architecture::X86);
        self.put_entry(at, pa | bits | 0x80);
        let size = self.large_size();
        for offset in (0..size).step_by(PAGE as usize) {
            if self.pages.contains_key(&(pa + offset)) {
                self.mapped.insert((directory, va + offset), pa + offset);
            }
        }
    }

    pub fn large_size(&self) -> u64 {
        if self.architecture == Architecture::X86 {
            2 * MIB2
        } else {
            MIB2
        }
    }

    /// Maps 1 GiB with one entry.
    pub fn map_huge(&mut self, directory: u64, va: u64, pa: u64) {
        let at = self.entry_at(directory, va, 2);
        self.put_entry(at, pa | Right::Data.bits(true) | 0x80);
    }

    /// Writes a page table entry as it is.
    pub fn raw_entry(&mut self, directory: u64, va: u64, entry: u64) {
        let at = self.entry_at(directory, va, 0);
        self.put_entry(at, entry);
    }

    /// Takes a page's mapping away.
    pub fn unmap(&mut self, directory: u64, va: u64) {
        self.raw_entry(directory, va, 0);
        self.mapped.remove(&(directory, va));
    }

    pub fn translate(&self, directory: u64, va: u64) -> Option<u64> {
        self.mapped
            .get(&(directory, va & !(PAGE - 1)))
            .map(|pa| pa | (va & (PAGE - 1)))
    }

    /// Writes by virtual address of a page directory.
    pub fn write_in(&mut self, directory: u64, va: u64, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let at = va + done as u64;
            let part = ((PAGE - at % PAGE) as usize).min(bytes.len() - done);
            let pa = self
                .translate(directory, at)
                .unwrap_or_else(|| panic!("{at:#x} is not mapped"));
            self.put(pa, &bytes[done..done + part]);
            done += part;
        }
    }

    /// Writes by virtual address of the kernel.
    pub fn write(&mut self, va: u64, bytes: &[u8]) {
        self.write_in(self.kernel, va, bytes);
    }

    pub fn write_u16(&mut self, va: u64, value: u16) {
        self.write(va, &value.to_le_bytes());
    }

    pub fn write_u32(&mut self, va: u64, value: u32) {
        self.write(va, &value.to_le_bytes());
    }

    pub fn write_u64(&mut self, va: u64, value: u64) {
        self.write(va, &value.to_le_bytes());
    }

    /// Writes a pointer of the guest's width.
    pub fn write_pointer(&mut self, va: u64, value: u64) {
        let width = if self.architecture.is_64() { 8 } else { 4 };
        self.write(va, &value.to_le_bytes()[..width]);
    }

    /// Address of the page table entries in virtual memory (PteBase).
    pub fn pte_base(&self) -> u64 {
        match self.architecture {
            Architecture::X64FiveLevel => 0xff00_0000_0000_0000 | (self.self_map << 48),
            Architecture::X64FourLevel => 0xffff_0000_0000_0000 | (self.self_map << 39),
            _ => 0xc000_0000,
        }
    }

    /// Gives every process the kernel's half, and every directory its entry that points to itself.
    pub fn finish(&mut self) {
        let own = self.architecture;
        for directory in self.directories.clone() {
            match own {
                Architecture::X86Pae => self.finish_pae(directory),
                _ => {
                    let size = self.entry_size();
                    let half = PAGE / 2;
                    if directory != self.kernel {
                        let upper = self.get(self.kernel + half, half as usize);
                        self.put(directory + half, &upper);
                    }
                    self.put_entry(directory + self.self_map * size, directory | 0x63);
                }
            }
        }
        self.finish_shadows();
    }

    /// User space is in both directories of a process.
    fn finish_shadows(&mut self) {
        for (shadow, directory) in self.shadows.clone() {
            let lower = self.get(directory, PAGE as usize / 2);
            self.put(shadow, &lower);
        }
    }

    fn finish_pae(&mut self, directory: u64) {
        let tables: Vec<u64> = (0..4).map(|index| self.entry(directory + index * 8) & !0xfff).collect();
        for index in [2, 3] {
            let from = self.entry(self.kernel + index * 8) & !0xfff;
            let bytes = self.get(from, PAGE as usize);
            self.put(tables[index as usize], &bytes);
        }
        for (index, table) in tables.iter().enumerate() {
            self.put_u64(tables[3] + index as u64 * 8, table | 0x63);
        }
    }

    /// Pages of a directory that are mapped, to judge what others translate.
    pub fn mapped_pages(&self, directory: u64) -> BTreeSet<u64> {
        self.mapped
            .range((directory, 0)..(directory + 1, 0))
            .map(|((_, va), _)| *va)
            .collect()
    }
}
