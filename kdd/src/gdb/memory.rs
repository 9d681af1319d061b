//! What an address means to a vCPU: by its page tables, or physical.

use crate::memory::paging::{AddressSpace, Cache, Fault, Translation};
use crate::memory::{Gpa, Gva, VirtualMemory as _};
use crate::target::{Hints, Target, Vcpu};
use crate::windows::PagingMode;

/// How addresses are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// As they are; with the reason.
    Physical(&'static str),
    /// By page tables.
    Paged(PagingMode, Gpa),
    /// Virtual memory in blocks, and no page tables (triage dumps).
    Blocks,
}

const PAGING: u64 = 1 << 31;
const PAE: u64 = 1 << 5;
const FIVE_LEVELS: u64 = 1 << 12;
/// Machine type of 32-bit images.
const I386: u16 = 0x14c;

/// How a vCPU understands addresses; a page directory that is given by hand goes before its own.
pub(super) fn view(vcpu: Option<&Vcpu>, target: &dyn Target, given: Option<Gpa>) -> View {
    match by_registers(vcpu, target.hints(), given) {
        View::Physical(_) if target.virtual_memory().is_some() => View::Blocks,
        view => view,
    }
}

fn by_registers(vcpu: Option<&Vcpu>, hints: &Hints, given: Option<Gpa>) -> View {
    let off = vcpu.is_some_and(|vcpu| vcpu.cr0.is_some_and(|cr0| cr0 & PAGING == 0));
    if off && given.is_none() {
        return View::Physical("paging is off");
    }
    let own = vcpu.and_then(|vcpu| vcpu.cr3).map(Gpa);
    match given.or(own).or(hints.directory) {
        Some(root) => View::Paged(mode(vcpu, hints), root),
        None => View::Physical("no page directory is known"),
    }
}

fn mode(vcpu: Option<&Vcpu>, hints: &Hints) -> PagingMode {
    let cr4 = vcpu.and_then(|vcpu| vcpu.cr4);
    let long = vcpu.and_then(Vcpu::long_mode).unwrap_or(hints.machine != Some(I386));
    let set = |bit| cr4.map(|cr4| cr4 & bit != 0);
    match (long, set(FIVE_LEVELS), set(PAE).or(hints.pae)) {
        (true, Some(true), _) => PagingMode::FiveLevel,
        (true, ..) => PagingMode::FourLevel,
        (false, _, Some(true)) => PagingMode::Pae,
        (false, ..) => PagingMode::Bits32,
    }
}

impl View {
    /// In words.
    pub(super) fn words(self) -> String {
        match self {
            Self::Physical(why) => format!("physical: {why}"),
            Self::Blocks => "virtual: blocks of memory, no page tables".to_owned(),
            Self::Paged(mode, root) => {
                let levels = match mode {
                    PagingMode::Bits32 => "2 levels",
                    PagingMode::Pae => "3 levels (PAE)",
                    PagingMode::FourLevel => "4 levels",
                    PagingMode::FiveLevel => "5 levels",
                };
                format!("virtual: page tables at {:#x}, {levels}", root.0)
            }
        }
    }

    /// An address as this view takes it: 32-bit page tables know no upper half.
    fn cut(self, at: u64) -> u64 {
        match self {
            Self::Paged(PagingMode::Bits32 | PagingMode::Pae, _) => at & 0xffff_ffff,
            _ => at,
        }
    }

    /// Reads from an address on; gives the bytes read before the first one that is not there.
    pub(super) fn read(self, target: &dyn Target, cache: &Cache, at: u64, buffer: &mut [u8]) -> usize {
        let at = self.cut(at);
        let blocks = |buffer: &mut [u8]| target.virtual_memory().map_or(0, |blocks| blocks.read(Gva(at), buffer));
        match self {
            Self::Physical(_) => target.memory().read(Gpa(at), buffer),
            Self::Blocks => blocks(buffer),
            Self::Paged(mode, root) => {
                let space = AddressSpace::new(target.memory(), mode, root).cached(cache);
                match space.read(Gva(at), buffer) {
                    0 => blocks(buffer),
                    read => read,
                }
            }
        }
    }

    /// Where an address lies in physical memory.
    pub(super) fn translate(self, target: &dyn Target, cache: &Cache, at: u64) -> Result<Place, Fault> {
        let at = self.cut(at);
        match self {
            Self::Physical(_) | Self::Blocks => Ok(Place::Same(Gpa(at))),
            Self::Paged(mode, root) => {
                let space = AddressSpace::new(target.memory(), mode, root).cached(cache);
                space.translate(Gva(at)).map(Place::Paged)
            }
        }
    }
}

/// Where an address lies.
pub(super) enum Place {
    /// The address is physical.
    Same(Gpa),
    /// As the page tables say.
    Paged(Translation),
}

impl Place {
    pub(super) fn gpa(&self) -> Gpa {
        match self {
            Self::Same(gpa) => *gpa,
            Self::Paged(translation) => translation.gpa,
        }
    }

    /// Bytes up to the end of the page.
    pub(super) fn left(&self) -> u64 {
        let size = match self {
            Self::Same(_) => 0x1000,
            Self::Paged(translation) => translation.page_size.max(0x1000),
        };
        size - (self.gpa().0 & (size - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::vcpu::msr;

    #[test]
    fn paging_mode_is_that_of_the_control_registers() {
        let vcpu = |cr0, cr4, efer| Vcpu {
            cr0: Some(cr0),
            cr3: Some(0x1002),
            cr4: Some(cr4),
            msrs: [(msr::EFER, efer)].into(),
            ..Vcpu::default()
        };
        let cases = [
            (vcpu(0x11, 0, 0), View::Physical("paging is off")),
            (vcpu(0x8000_0011, 0, 0), View::Paged(PagingMode::Bits32, Gpa(0x1002))),
            (vcpu(0x8000_0011, 0x20, 0), View::Paged(PagingMode::Pae, Gpa(0x1002))),
            (
                vcpu(0x8000_0011, 0x20, 0x500),
                View::Paged(PagingMode::FourLevel, Gpa(0x1002)),
            ),
            (
                vcpu(0x8000_0011, 0x1020, 0x500),
                View::Paged(PagingMode::FiveLevel, Gpa(0x1002)),
            ),
        ];
        for (vcpu, expected) in cases {
            assert_eq!(by_registers(Some(&vcpu), &Hints::default(), None), expected);
        }
        let hints = Hints {
            directory: Some(Gpa(0x5000)),
            machine: Some(0x14c),
            pae: Some(true),
            ..Hints::default()
        };
        assert_eq!(
            by_registers(None, &hints, None),
            View::Paged(PagingMode::Pae, Gpa(0x5000))
        );
        assert_eq!(
            by_registers(None, &Hints::default(), None),
            View::Physical("no page directory is known")
        );
    }
}
