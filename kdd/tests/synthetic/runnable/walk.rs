//! Page tables of the kernel walked in the finished memory.

use crate::synthetic::windows::{Architecture, Built};

const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// A number in physical memory.
fn number(built: &Built, at: u64, width: usize) -> Option<u64> {
    let page = built.machine.pages.get(&(at & !0xfff))?;
    let from = (at & 0xfff) as usize;
    let mut bytes = [0; 8];
    bytes[..width].copy_from_slice(&page[from..from + width]);
    Some(u64::from_le_bytes(bytes))
}

/// Physical address of a virtual one of the kernel.
pub fn translate(built: &Built, va: u64) -> Option<u64> {
    leaf(built, built.truth.directory, va).map(|leaf| leaf.page | (va & leaf.inside))
}

/// The entry that maps an address.
struct Leaf {
    at: u64,
    entry: u64,
    /// Physical address of the page, and the bits of an address inside.
    page: u64,
    inside: u64,
}

fn leaf(built: &Built, directory: u64, va: u64) -> Option<Leaf> {
    let (shifts, width): (&[u32], u64) = match built.truth.architecture? {
        Architecture::X64FiveLevel => (&[48, 39, 30, 21, 12], 8),
        Architecture::X64FourLevel => (&[39, 30, 21, 12], 8),
        Architecture::X86Pae => (&[30, 21, 12], 8),
        Architecture::X86 => (&[22, 12], 4),
    };
    let mut table = directory;
    for shift in shifts {
        let index = (va >> shift) & if width == 4 { 0x3ff } else { 0x1ff };
        let at = table + index * width;
        let entry = number(built, at, width as usize)?;
        if entry & 1 == 0 {
            return None;
        }
        if *shift == 12 || entry & 0x80 != 0 {
            let inside = (1 << shift) - 1;
            return Some(Leaf {
                at,
                entry,
                page: entry & ADDRESS & !inside,
                inside,
            });
        }
        table = entry & ADDRESS;
    }
    None
}

/// Lets all CPUs write to a page of the kernel. Processes have entries of 2 MiB of their own with PAE.
pub fn make_writable(built: &mut Built, va: u64) {
    let low = if built.truth.architecture == Some(Architecture::X86Pae) {
        0x1f
    } else {
        0xfff
    };
    let directories: Vec<u64> = built.machine.cpus.iter().map(|cpu| cpu.cr3 & !low).collect();
    for directory in directories {
        let leaf = leaf(built, directory, va).unwrap_or_else(|| panic!("{va:#x} is not mapped"));
        let page = built.machine.pages.get_mut(&(leaf.at & !0xfff)).expect("a page table");
        page[(leaf.at & 0xfff) as usize] = leaf.entry as u8 | 2;
    }
}

/// Writes by virtual address of the kernel.
pub fn write(built: &mut Built, va: u64, bytes: &[u8]) {
    for (at, byte) in (va..).zip(bytes) {
        let pa = translate(built, at).unwrap_or_else(|| panic!("{at:#x} is not mapped"));
        let page = built.machine.pages.get_mut(&(pa & !0xfff)).expect("a page of RAM");
        page[(pa & 0xfff) as usize] = *byte;
    }
}

/// The page directory as it stands in memory.
pub fn bytes(built: &Built, directory: u64, architecture: Architecture) -> Vec<u8> {
    let size = if architecture == Architecture::X86Pae {
        32
    } else {
        0x1000
    };
    let from = (directory & 0xfff) as usize;
    built.machine.pages[&(directory & !0xfff)][from..from + size].to_vec()
}
