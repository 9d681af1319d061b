//! What a KDBG would have named, found in the kernel's data where there is none.
//!
//! Each is told by a ring that chance does not make: a list whose entry points back, a KPRCB whose KPCR
//! names both itself and the KPRCB.

use super::Architecture;
use super::fields::{read_pointer, u32_at, u64_at};
use super::kdbg::Place;
use crate::memory::Gva;

/// Processors of the largest Windows.
const PROCESSORS: u64 = 2048;

/// The words of the kernel's data that may be pointers, with their addresses.
fn pointers<T>(place: &Place<'_>, mut test: impl FnMut(Gva, Gva) -> Option<T>) -> Option<T> {
    let width = place.pointer();
    place.data(0, |start, bytes| {
        let words = bytes.chunks_exact(width).zip((start.0..).step_by(width));
        words
            .filter_map(|(word, at)| {
                let value = u64_at(word, 0).or_else(|| u32_at(word, 0).map(u64::from))?;
                Some((Gva(at), Gva(value))).filter(|(_, value)| place.kernel(*value))
            })
            .find_map(|(at, value)| test(at, value))
    })
}

fn pointer(place: &Place<'_>, at: Gva) -> Option<Gva> {
    read_pointer(place.space, at, place.pointer())
}

/// KiProcessorBlock: of all rows of KPRCBs the longest.
#[must_use]
pub fn processor_block(place: &Place<'_>) -> Option<Gva> {
    let width = u64::try_from(place.pointer()).ok()?;
    let mut best = None;
    let _none: Option<()> = pointers(place, |at, value| {
        if is_kprcb(place, value) {
            let row = (1..PROCESSORS).map(|number| pointer(place, at.plus(number * width)));
            let length = 1 + row
                .take_while(|next| next.is_some_and(|next| is_kprcb(place, next)))
                .count();
            if best.is_none_or(|(longest, _)| length > longest) {
                best = Some((length, at));
            }
        }
        None
    });
    best.map(|(_, at)| at)
}

/// Whether the KPCR around a KPRCB names both.
fn is_kprcb(place: &Place<'_>, at: Gva) -> bool {
    let (contained, own, current) = match place.architecture {
        Architecture::X64 => (0x180, 0x18, 0x20),
        Architecture::X86 => (0x120, 0x1c, 0x20),
    };
    let Some(kpcr) =
        at.0.checked_sub(contained)
            .map(Gva)
            .filter(|_| at.0.is_multiple_of(0x20))
    else {
        return false;
    };
    pointer(place, kpcr.plus(own)) == Some(kpcr) && pointer(place, kpcr.plus(current)) == Some(at)
}

/// PsLoadedModuleList: the list whose first entry is the kernel itself.
#[must_use]
pub fn loaded_modules(place: &Place<'_>) -> Option<Gva> {
    let width = u64::try_from(place.pointer()).ok()?;
    let base = match place.architecture {
        Architecture::X64 => 0x30,
        Architecture::X86 => 0x18,
    };
    pointers(place, |head, first| {
        let linked = pointer(place, first.plus(width)) == Some(head);
        (linked && pointer(place, first.plus(base)) == Some(place.base)).then_some(head)
    })
}

/// PsActiveProcessHead from the System process, the first in the list: its id is 4, the links stand behind
/// the id, and the one before it is the head.
#[must_use]
pub fn active_processes(place: &Place<'_>) -> Option<Gva> {
    let system = place.image?.export(place.space, "PsInitialSystemProcess")?;
    let system = pointer(place, system)?;
    let width = u64::try_from(place.pointer()).ok()?;
    let offsets = (0x60..0x600u64).step_by(place.pointer());
    offsets.map(|offset| system.plus(offset)).find_map(|at| {
        let links = at.plus(width);
        let head = pointer(place, links.plus(width)).filter(|head| place.kernel(*head));
        let head = head.filter(|_| pointer(place, at) == Some(Gva(4)))?;
        let next = pointer(place, links).filter(|next| place.kernel(*next))?;
        let linked = pointer(place, head) == Some(links) && pointer(place, next.plus(width)) == Some(links);
        (linked && place.image.is_none_or(|image| image.contains(head))).then_some(head)
    })
}
