//! The page directory of the kernel.
//!
//! Cheap places first, each only a candidate: what the user gives, the header of a dump, CR3 of the
//! vCPUs, the KPCR that a vCPU points to (with KPTI the CR3 of user code maps only a stub of the kernel,
//! and the KPCR keeps the kernel's own), and the low stub that starts the other processors. Only then
//! one pass over all memory for tables that map themselves, as Windows' do at every level.
//!
//! A candidate counts when KUSER_SHARED_DATA stands where it must, or, where that page is missing from
//! the source, when the addresses that the container names translate.

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::fields::{read, u64_at};
use super::{Architecture, Found, Given, PagingMode, shared_data};
use crate::memory::paging::{AddressSpace, Cache};
use crate::memory::{Gpa, Gva, PhysicalMemory};
use crate::target::vcpu::msr;
use crate::target::{Hints, Target, Vcpu};

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 20;
/// Candidates of the scan that are tried; a guest has one directory for each process.
const TRIED: usize = 4096;

/// A page directory with its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// Kind of page tables.
    pub mode: PagingMode,
    /// Where it is, and how it was found.
    pub root: Found<Gpa>,
    /// An address in the kernel's image, or near it (low stub).
    pub near_kernel: Option<Gva>,
}

/// Machine code that goes with page tables.
#[must_use]
pub fn architecture(mode: PagingMode) -> Architecture {
    match mode {
        PagingMode::Bits32 | PagingMode::Pae => Architecture::X86,
        PagingMode::FourLevel | PagingMode::FiveLevel => Architecture::X64,
    }
}

/// Kind of page tables that a vCPU uses, as far as its registers tell; all kinds when they do not.
#[must_use]
pub fn modes(vcpu: Option<&Vcpu>, hints: &Hints) -> Vec<PagingMode> {
    const LONG: [PagingMode; 2] = [PagingMode::FourLevel, PagingMode::FiveLevel];
    let cr4 = vcpu.and_then(|vcpu| vcpu.cr4);
    let long = vcpu.and_then(Vcpu::long_mode).or(match hints.machine {
        Some(0x8664) => Some(true),
        Some(0x14c) => Some(false),
        _ => None,
    });
    let pae = cr4.map(|cr4| cr4 & 0x20 != 0).or(hints.pae);
    match (long, cr4, pae) {
        (Some(true), Some(cr4), _) if cr4 & 0x1000 != 0 => vec![PagingMode::FiveLevel],
        (Some(true), Some(_), _) => vec![PagingMode::FourLevel],
        (Some(true), None, _) => LONG.to_vec(),
        (Some(false), _, Some(true)) => vec![PagingMode::Pae],
        (Some(false), _, Some(false)) => vec![PagingMode::Bits32],
        (Some(false), _, None) => vec![PagingMode::Pae, PagingMode::Bits32],
        (None, _, Some(false)) => vec![PagingMode::Bits32],
        (None, ..) => vec![
            PagingMode::FourLevel,
            PagingMode::FiveLevel,
            PagingMode::Pae,
            PagingMode::Bits32,
        ],
    }
}

/// Finds the page directory.
///
/// # Errors
/// Why there is none.
pub fn find(target: &dyn Target, given: &Given) -> Result<Directory, String> {
    let memory = target.memory();
    if memory.runs().is_empty() {
        return Err("the source holds no physical memory".to_owned());
    }
    let search = Search {
        memory,
        hints: target.hints(),
        cache: Cache::default(),
    };
    if let Some(root) = given.directory {
        return Ok(search.given(root, target.vcpus().first()));
    }
    search
        .hint(target.vcpus().first())
        .or_else(|| search.vcpus(target.vcpus()))
        .or_else(|| search.low_stub())
        .or_else(|| search.self_maps())
        .ok_or_else(|| why(target.vcpus()))
}

fn why(vcpus: &[Vcpu]) -> String {
    let seen = match vcpus.iter().filter(|vcpu| vcpu.cr3.is_some()).count() {
        0 => "the source has no CR3".to_owned(),
        count => format!("CR3 of {count} vCPUs leads to no Windows kernel"),
    };
    format!("{seen}; there is no low stub and no table that maps itself; --dtb gives it by hand")
}

struct Search<'a> {
    memory: &'a dyn PhysicalMemory,
    hints: &'a Hints,
    cache: Cache,
}

impl Search<'_> {
    fn space(&self, mode: PagingMode, root: Gpa) -> AddressSpace<'_> {
        AddressSpace::new(self.memory, mode, root).cached(&self.cache)
    }

    fn proved(&self, space: &AddressSpace<'_>) -> bool {
        let shared = shared_data::address(architecture(space.mode()));
        if shared_data::read(space, architecture(space.mode())).is_some() {
            return true;
        }
        // The page is mapped but not in the source: other addresses must do.
        let holds = |at: Gva| {
            space
                .translate(at)
                .is_ok_and(|found| self.memory.read(found.gpa, &mut [0; 1]) == 1)
        };
        let named = [self.hints.loaded_modules, self.hints.kernel_base, self.hints.kdbg];
        let mapped = space
            .translate(shared)
            .is_ok_and(|found| self.memory.read(found.gpa, &mut [0; 1]) == 0);
        named.into_iter().flatten().any(holds) && (mapped || self.hints.directory == Some(space.root()))
    }

    fn tried(&self, root: Gpa, modes: &[PagingMode]) -> Option<(PagingMode, Gpa)> {
        let mut spaces = modes.iter().map(|mode| self.space(*mode, root));
        let space = spaces.find(|space| self.proved(space))?;
        Some((space.mode(), space.root()))
    }

    fn found(&self, root: Gpa, modes: &[PagingMode], from: impl FnOnce() -> String) -> Option<Directory> {
        let (mode, value) = self.tried(root, modes)?;
        Some(Directory {
            mode,
            root: Found { value, from: from() },
            near_kernel: None,
        })
    }

    /// What is given holds, even where nothing proves it.
    fn given(&self, root: Gpa, vcpu: Option<&Vcpu>) -> Directory {
        let modes = modes(vcpu, self.hints);
        let given = || "given".to_owned();
        self.found(root, &modes, given).unwrap_or_else(|| {
            let mode = modes.first().copied().unwrap_or(PagingMode::FourLevel);
            Directory {
                mode,
                root: Found {
                    value: self.space(mode, root).root(),
                    from: given(),
                },
                near_kernel: None,
            }
        })
    }

    fn hint(&self, vcpu: Option<&Vcpu>) -> Option<Directory> {
        let root = self.hints.directory?;
        self.found(root, &modes(vcpu, self.hints), || "header of the dump".to_owned())
    }

    fn vcpus(&self, vcpus: &[Vcpu]) -> Option<Directory> {
        let paged = vcpus
            .iter()
            .filter(|vcpu| vcpu.cr0.is_none_or(|cr0| cr0 >> 31 & 1 != 0));
        let mut with_root = paged.filter_map(|vcpu| Some((vcpu, vcpu.cr3?)));
        let by_cr3 = with_root.clone().find_map(|(vcpu, cr3)| {
            self.found(Gpa(cr3), &modes(Some(vcpu), self.hints), || {
                format!("CR3 of vCPU {}", vcpu.number)
            })
        });
        by_cr3.or_else(|| with_root.find_map(|(vcpu, cr3)| self.behind_kpti(vcpu, cr3)))
    }

    /// KPCR pages are mapped for user code too; at the start of one of its pages KPTI keeps the CR3 of
    /// the kernel (0x7000, 0x9000 or 0xa000, by build).
    fn behind_kpti(&self, vcpu: &Vcpu, cr3: u64) -> Option<Directory> {
        let bases = [msr::KERNEL_GS_BASE, msr::GS_BASE]
            .into_iter()
            .filter_map(|number| vcpu.msrs.get(&number));
        let hidden = vcpu.segments.gs.hidden.map(|hidden| hidden.base);
        let bases: Vec<u64> = bases.copied().chain(hidden).filter(|base| base >> 47 != 0).collect();
        modes(Some(vcpu), self.hints).into_iter().find_map(|mode| {
            let user = self.space(mode, Gpa(cr3));
            let places = bases
                .iter()
                .flat_map(|base| (0..16u64).map(move |page| Gva(*base).plus(page * 0x1000)));
            places.into_iter().find_map(|place| {
                let root = u64::from_le_bytes(read(&user, place)?);
                let root = Gpa(root & !(1 << 63));
                self.found(root, &[mode], || format!("KPCR of vCPU {}, {place}", vcpu.number))
            })
        })
    }

    /// The page that starts the other processors (PROCESSOR_START_BLOCK): a jump, then the CR3 and an
    /// address in the kernel or HAL that it goes to. The tests are those of memflow and volatility.
    fn low_stub(&self) -> Option<Directory> {
        (1..0x100u64).find_map(|page| {
            let mut bytes = [0; 0xa8];
            let at = Gpa(page * 0x1000);
            if self.memory.read(at, &mut bytes) < bytes.len() {
                return None;
            }
            let (jump, entry, root) = (u64_at(&bytes, 0)?, u64_at(&bytes, 0x70)?, u64_at(&bytes, 0xa0)?);
            let stub = jump & 0xffff_ffff_ffff_00ff == 0x0000_0001_0006_00e9
                && entry & 0xffff_f800_0000_0003 == 0xffff_f800_0000_0000
                && root & 0xffff_ff00_0000_0fff == 0
                && root != 0;
            let both = [PagingMode::FourLevel, PagingMode::FiveLevel];
            let found = stub.then(|| self.found(Gpa(root), &both, || format!("low stub at {:#x}", at.0)))??;
            Some(Directory {
                near_kernel: Some(Gva(entry)),
                ..found
            })
        })
    }

    /// One pass over all memory.
    fn self_maps(&self) -> Option<Directory> {
        let modes = modes(None, self.hints);
        let wants = |mode| modes.contains(&mode);
        let (long, pae, bits32) = (
            wants(PagingMode::FourLevel) || wants(PagingMode::FiveLevel),
            wants(PagingMode::Pae),
            wants(PagingMode::Bits32),
        );
        let mut left = TRIED;
        let mut chunk = vec![0; CHUNK];
        for run in self.memory.runs() {
            let mut at = Gpa(run.start.0.next_multiple_of(0x1000));
            while at < run.end() {
                if let Some(hole) = self.hole(at) {
                    at = at.plus(hole);
                    continue;
                }
                let length = usize::try_from(run.end().0 - at.0).unwrap_or(CHUNK).min(CHUNK);
                let buffer = chunk.get_mut(..length)?;
                let count = self.memory.read(at, buffer);
                let seen = buffer.get(..count).unwrap_or_default();
                for (page, bytes) in (at.0..).step_by(0x1000).map(Gpa).zip(seen.chunks_exact(0x1000)) {
                    if long && maps_itself(page, bytes) {
                        left = left.checked_sub(1)?;
                        let both = [PagingMode::FourLevel, PagingMode::FiveLevel];
                        let from = || format!("table at {:#x} that maps itself", page.0);
                        if let Some(found) = self.found(page, &both, from) {
                            return Some(found);
                        }
                    }
                    if bits32 && u64::from(u32_entry(bytes, 0x300)) & 0xffff_f001 == page.0 | 1 {
                        left = left.checked_sub(1)?;
                        let from = || format!("directory at {:#x} that maps itself", page.0);
                        if let Some(found) = self.found(page, &[PagingMode::Bits32], from) {
                            return Some(found);
                        }
                    }
                    if pae && let Some(found) = self.pae(page, bytes, &mut left) {
                        return Some(found);
                    }
                }
                at = at.plus(u64::try_from(count.max(0x1000)).unwrap_or(0x1000)).page();
            }
        }
        None
    }

    /// Bytes from an address on that are a hole of the file: they read as zeroes, which are no table.
    fn hole(&self, at: Gpa) -> Option<u64> {
        let (source, offset, left) = self.memory.extent(at)?;
        let data = match rustix::fs::seek(source.file()?, SeekFrom::Data(offset)) {
            Ok(data) => data,
            // No data up to the end of the file.
            Err(Errno::NXIO) => offset.saturating_add(left),
            Err(_) => return None,
        };
        let length = data.saturating_sub(offset).min(left) & !0xfff;
        (length > 0).then_some(length)
    }

    /// Four entries in a row, present and without rights, of which the fourth directory maps all four.
    fn pae(&self, page: Gpa, bytes: &[u8], left: &mut usize) -> Option<Directory> {
        let quads = bytes.chunks_exact(32).enumerate();
        let plausible = quads.filter(|(_, quad)| {
            quad.chunks_exact(8)
                .all(|entry| u64_at(entry, 0).is_some_and(|entry| entry & 0xffff_fff0_0000_0fe7 == 1 && entry > 0xfff))
        });
        for (index, quad) in plausible {
            *left = left.checked_sub(1)?;
            let last = Gpa(u64_at(quad, 24)? & 0xf_ffff_f000);
            let mut directory = [0; 32];
            if self.memory.read(last, &mut directory) < directory.len() {
                continue;
            }
            let same = quad
                .chunks_exact(8)
                .zip(directory.chunks_exact(8))
                .all(|(first, second)| {
                    u64_at(first, 0)
                        .zip(u64_at(second, 0))
                        .is_some_and(|(first, second)| (first ^ second) & 0xf_ffff_f001 == 0)
                });
            let root = page.plus(u64::try_from(index).ok()?.saturating_mul(32));
            let from = || format!("directory pointers at {:#x}, whose directories map themselves", root.0);
            if same && let Some(found) = self.found(root, &[PagingMode::Pae], from) {
                return Some(found);
            }
        }
        None
    }
}

fn u32_entry(bytes: &[u8], index: usize) -> u32 {
    super::fields::u32_at(bytes, index * 4).unwrap_or_default()
}

/// Whether an entry of the upper half leads to the table itself.
fn maps_itself(page: Gpa, bytes: &[u8]) -> bool {
    let upper = bytes.get(0x800..).unwrap_or_default();
    upper
        .chunks_exact(8)
        .any(|entry| u64_at(entry, 0).is_some_and(|entry| entry & 0x000f_ffff_ffff_f081 == page.0 | 1))
}
