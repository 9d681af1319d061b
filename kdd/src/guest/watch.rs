//! The debug registers that a debugger sets: what they ask for, and which of them a stop belongs to.
//!
//! A kernel in debug mode keeps one set for all processors (KernelDr0 to KernelDr7 of KSPECIAL_REGISTERS, Dr7 also
//! in Continue2). Layout of Dr6 and Dr7: Intel SDM volume 3, 19.2.

use crate::memory::Gva;
use crate::target::{BreakKind, Cause};

/// Dr6: single step.
const STEP: u64 = 1 << 14;
/// Bits of Dr6 that read as 1.
const RESERVED_6: u64 = 0xffff_0ff0;
/// Bit of Dr7 that reads as 1.
const RESERVED_7: u64 = 0x400;

/// The registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Debug {
    /// Dr0 to Dr7; 4 and 5 are unused.
    pub registers: [u64; 8],
}

/// What one of the four asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Watch {
    pub kind: BreakKind,
    pub at: Gva,
    pub length: u64,
}

impl Default for Debug {
    fn default() -> Self {
        Self {
            registers: [0, 0, 0, 0, 0, 0, 0, RESERVED_7],
        }
    }
}

impl Debug {
    pub fn control(&self) -> u64 {
        self.registers[7]
    }

    /// What each of the four asks for; the error is the number of one that watches ports.
    pub fn watches(&self) -> Result<[Option<Watch>; 4], usize> {
        let mut watches = [None; 4];
        for (number, place) in watches.iter_mut().enumerate() {
            *place = self.watch(number)?;
        }
        Ok(watches)
    }

    fn watch(&self, number: usize) -> Result<Option<Watch>, usize> {
        let bits = |shift: usize| {
            self.control()
                .checked_shr(u32::try_from(shift).unwrap_or(64))
                .unwrap_or(0)
                & 3
        };
        if bits(2 * number) == 0 {
            return Ok(None);
        }
        let kind = match bits(16 + 4 * number) {
            0 => BreakKind::Hardware,
            1 => BreakKind::Write,
            3 => BreakKind::Access,
            _ => return Err(number),
        };
        let length = match bits(18 + 4 * number) {
            _ if kind == BreakKind::Hardware => 1,
            0 => 1,
            1 => 2,
            2 => 8,
            _ => 4,
        };
        // The processor watches the aligned piece.
        let at = self.registers.get(number).copied().unwrap_or_default();
        let at = Gva(at & !(length - 1));
        Ok(Some(Watch { kind, at, length }))
    }

    /// Dr6 after a stop: the cause, and where the instruction pointer stands.
    pub fn status(&self, cause: Cause, rip: Gva) -> u64 {
        let watches = self.watches().unwrap_or_default();
        let bits = |hit: &dyn Fn(&Watch) -> bool| {
            let hits = watches.iter().enumerate();
            hits.filter(|(_, watch)| watch.as_ref().is_some_and(hit))
                .fold(0, |bits, (number, _)| bits | 1 << number)
        };
        let found = match cause {
            Cause::Step => STEP,
            Cause::Breakpoint => bits(&|watch| watch.kind == BreakKind::Hardware && watch.at == rip),
            Cause::Watch(BreakKind::Hardware | BreakKind::Software, at) => {
                bits(&|watch| watch.kind == BreakKind::Hardware && watch.at == at)
            }
            Cause::Watch(_, at) => bits(&|watch| {
                let inside = at.0.checked_sub(watch.at.0).is_some_and(|skip| skip < watch.length);
                watch.kind != BreakKind::Hardware && inside
            }),
            Cause::Asked => 0,
        };
        if found == 0 { 0 } else { found | RESERVED_6 }
    }
}

/// Dr6 without B0 to B3 and BS.
pub fn without_hits(status: u64) -> u64 {
    status & !(STEP | 0xf)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debug(control: u64) -> Debug {
        Debug {
            registers: [0x1000, 0x2004, 0x3008, 0x4007, 0, 0, 0, control],
        }
    }

    #[test]
    fn each_register_asks_for_what_its_bits_say() {
        // 0 execution, 1 write of 4, 2 access of 8, 3 off.
        let watches = debug(0x400 | 0x15 | 0xd << 20 | 0xb << 24).watches().unwrap();
        let watch = |kind, at, length| {
            Some(Watch {
                kind,
                at: Gva(at),
                length,
            })
        };
        assert_eq!(watches[0], watch(BreakKind::Hardware, 0x1000, 1));
        assert_eq!(watches[1], watch(BreakKind::Write, 0x2004, 4));
        assert_eq!(watches[2], watch(BreakKind::Access, 0x3008, 8));
        assert_eq!(watches[3], None);
        assert_eq!(debug(0x2 | 2 << 16).watches(), Err(0), "ports");
        assert_eq!(Debug::default().watches(), Ok([None; 4]));
    }

    #[test]
    fn a_stop_names_the_register_that_asked_for_it() {
        let debug = debug(0x400 | 0x15 | 0xd << 20 | 0xb << 24);
        let status = |cause, rip| debug.status(cause, Gva(rip)) & 0x400f;
        assert_eq!(status(Cause::Step, 0x1000), 0x4000);
        assert_eq!(status(Cause::Breakpoint, 0x1000), 1);
        assert_eq!(status(Cause::Breakpoint, 0x1001), 0);
        assert_eq!(status(Cause::Watch(BreakKind::Write, Gva(0x2006)), 0), 2);
        assert_eq!(status(Cause::Watch(BreakKind::Access, Gva(0x3008)), 0), 4);
        assert_eq!(debug.status(Cause::Asked, Gva(0x1000)), 0);
    }
}
