//! The modules of a triage dump, which has a list of its own in place of the kernel's.
//!
//! A debugger walks PsLoadedModuleList, whose entries the dump does not hold. They are put together with
//! the fields that a debugger reads, as an overlay in the range of the kernel's image, of which a triage
//! dump holds next to nothing.

use super::fields::read_some;
use super::kdbg::Place;
use super::{Architecture, Module, Overlay};
use crate::memory::Gva;
use crate::target::windows_dump::TriageDriver;

/// Bytes of an entry, and offsets in it: DllBase, EntryPoint, SizeOfImage, FullDllName, BaseDllName,
/// CheckSum, TimeDateStamp.
struct Layout {
    length: usize,
    base: usize,
    entry: usize,
    size: usize,
    full: usize,
    name: usize,
    checksum: usize,
    timestamp: usize,
}

const X64: Layout = Layout {
    length: 0xa0,
    base: 0x30,
    entry: 0x38,
    size: 0x40,
    full: 0x48,
    name: 0x58,
    checksum: 0x78,
    timestamp: 0x9c,
};
const X86: Layout = Layout {
    length: 0x60,
    base: 0x18,
    entry: 0x1c,
    size: 0x20,
    full: 0x24,
    name: 0x2c,
    checksum: 0x3c,
    timestamp: 0x44,
};

/// The modules, and the overlays through which a debugger finds them where there is room.
#[must_use]
pub fn modules(place: &Place<'_>, head: Option<Gva>, drivers: &[TriageDriver]) -> (Vec<Module>, Vec<Overlay>) {
    let mut list: Vec<Module> = drivers.iter().map(module).collect();
    let kernel = drivers.iter().find(|driver| driver.base == place.base);
    let overlays = head
        .zip(kernel)
        .and_then(|(head, kernel)| overlays(place, head, place.base.plus(0x1000), kernel.size, &mut list));
    (list, overlays.unwrap_or_default())
}

fn module(driver: &TriageDriver) -> Module {
    let name = driver.name.rsplit('\\').next().unwrap_or_default();
    Module {
        base: driver.base,
        size: driver.size,
        entry: driver.entry,
        name: name.to_owned(),
        path: driver.name.clone(),
        record: Gva(0),
        timestamp: Some(driver.timestamp),
        checksum: Some(driver.checksum),
        pdb: None,
    }
}

fn overlays(place: &Place<'_>, head: Gva, at: Gva, room: u32, list: &mut [Module]) -> Option<Vec<Overlay>> {
    let layout = match place.architecture {
        Architecture::X64 => X64,
        Architecture::X86 => X86,
    };
    let width = place.pointer();
    let count = u64::try_from(list.len()).ok()?;
    let length = u64::try_from(layout.length).ok()?;
    for (number, module) in (0..count).zip(list.iter_mut()) {
        module.record = at.plus(number * length);
    }
    let mut names = at.plus(count * length);
    let mut texts = Vec::new();
    let mut bytes = Vec::new();
    for (number, module) in list.iter().enumerate() {
        let previous = number
            .checked_sub(1)
            .and_then(|number| list.get(number))
            .map_or(head, |module| module.record);
        let next = list.get(number + 1).map_or(head, |module| module.record);
        let mut entry = vec![0; layout.length];
        put(&mut entry, 0, next.0, width);
        put(&mut entry, width, previous.0, width);
        put(&mut entry, layout.base, module.base.0, width);
        put(&mut entry, layout.entry, module.entry.0, width);
        put(&mut entry, layout.size, module.size.into(), 4);
        put(&mut entry, layout.checksum, module.checksum?.into(), 4);
        put(&mut entry, layout.timestamp, module.timestamp?.into(), 4);
        for (offset, text) in [(layout.full, &module.path), (layout.name, &module.name)] {
            let text: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let size = u64::try_from(text.len()).ok().filter(|size| *size < 0x1000)?;
            put(&mut entry, offset, size, 2);
            put(&mut entry, offset + 2, size, 2);
            put(&mut entry, offset + width, names.0, width);
            names = names.plus(size);
            texts.extend(text);
        }
        bytes.extend(entry);
    }
    bytes.extend(texts);
    let fits = u64::try_from(bytes.len()).ok()? + 0x1000 <= u64::from(room);
    let empty = bytes
        .chunks(0x1000)
        .zip((at.0..).step_by(0x1000))
        .all(|(_, page)| read_some(place.space, Gva(page), 1).is_empty());
    let mut link = vec![0; width * 2];
    put(&mut link, 0, list.first()?.record.0, width);
    put(&mut link, width, list.last()?.record.0, width);
    let overlay = |at, bytes| Overlay {
        at,
        physical: Vec::new(),
        bytes,
    };
    (fits && empty && read_some(place.space, head, 1).is_empty()).then(|| vec![overlay(head, link), overlay(at, bytes)])
}

fn put(bytes: &mut [u8], offset: usize, value: u64, width: usize) {
    let value = value.to_le_bytes();
    if let (Some(to), Some(from)) = (bytes.get_mut(offset..offset.saturating_add(width)), value.get(..width)) {
        to.copy_from_slice(from);
    }
}
