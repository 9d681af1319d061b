//! The kernel's image: its base, and what its headers say.
//!
//! The search begins at addresses in the kernel (what the container names, the entry of SYSCALL, the
//! interrupt handlers, instruction pointers) and goes down page by page. Ranges without pages are
//! passed over at the size of the page table entry that is missing, so that a hole ends nothing. Where
//! no address leads to it, all that the kernel half maps is looked through.
//!
//! An image is the kernel's when its CodeView record or its export directory names it so, or, where
//! those pages are missing, when it has the sections that only the kernel has.

use super::fields::array;
use super::pe::Image;
use super::{Architecture, Given, Kernel, directory};
use crate::memory::paging::{AddressSpace, Piece};
use crate::memory::{Gva, VirtualMemory};
use crate::target::vcpu::msr;
use crate::target::{Target, Vcpu};

/// How far down the image may be from an address in it.
const IN_IMAGE: u64 = 64 << 20;
/// How far down it may be from code of any driver.
const NEAR_IMAGE: u64 = 1 << 30;
/// Bytes that are read at a time when everything is looked through.
const CHUNK: u64 = 1 << 20;
/// Pages that are looked at on the way down from all addresses together, and pieces of the scan of
/// everything: page tables of a broken guest may map more than there is.
const STEPS: u32 = 1 << 20;
const PIECES: usize = 1 << 22;

/// An address to begin at.
struct Start {
    at: Gva,
    reach: u64,
    from: String,
}

/// Whether an image is the kernel's.
#[must_use]
pub fn is_kernel(image: &Image, space: &dyn VirtualMemory) -> bool {
    const PDB: [&str; 5] = [
        "ntkrnlmp.pdb",
        "ntoskrnl.pdb",
        "ntkrnlpa.pdb",
        "ntkrpamp.pdb",
        "ntkrla57.pdb",
    ];
    const NAME: [&str; 5] = [
        "ntoskrnl.exe",
        "ntkrnlmp.exe",
        "ntkrnlpa.exe",
        "ntkrpamp.exe",
        "ntkrla57.exe",
    ];
    let among = |names: [&str; 5], seen: &str| names.iter().any(|name| name.eq_ignore_ascii_case(seen));
    if let Some(pdb) = image.pdb(space) {
        return among(PDB, &pdb.name);
    }
    if let Some(name) = image.export_name(space) {
        return among(NAME, &name);
    }
    let has = |wanted: &str| image.sections.iter().any(|section| section.name == wanted);
    has("POOLCODE") && has("PAGELK")
}

/// The kernel as a caller sees it.
#[must_use]
pub fn describe(image: &Image, space: &dyn VirtualMemory, from: String) -> Kernel {
    Kernel {
        base: image.base,
        from,
        size: image.size,
        timestamp: image.timestamp,
        checksum: image.checksum,
        export_name: image.export_name(space),
        pdb: image.pdb(space),
    }
}

/// Finds the image through the page tables.
#[must_use]
pub fn find(space: &AddressSpace<'_>, target: &dyn Target, near: Option<Gva>) -> Option<(Image, Kernel)> {
    let mut seen: Vec<(Gva, Gva)> = Vec::new();
    let mut steps = STEPS;
    for start in starts(space, target, near) {
        if seen.iter().any(|(low, high)| *low <= start.at && start.at <= *high) {
            continue;
        }
        let lowest = Gva(start.at.0.saturating_sub(start.reach)).max(space.kernel_half());
        if let Some(image) = down(space, start.at, lowest, &mut steps) {
            let kernel = describe(&image, space, format!("below {}", start.from));
            return Some((image, kernel));
        }
        seen.push((lowest, start.at));
    }
    everywhere(space).map(|image| {
        let kernel = describe(&image, space, "scan of all that the kernel maps".to_owned());
        (image, kernel)
    })
}

/// The image at an address that is known from elsewhere.
#[must_use]
pub fn known(space: &dyn VirtualMemory, given: &Given, target: &dyn Target) -> Option<(Option<Image>, Kernel)> {
    let hint = target.hints().kernel_base.map(|base| (base, "header of the dump"));
    let (base, from) = given.kernel_base.map(|base| (base, "given")).or(hint)?;
    let image = Image::read(space, base).ok();
    let kernel = match &image {
        Some(image) => describe(image, space, from.to_owned()),
        None => Kernel {
            base,
            from: from.to_owned(),
            size: 0,
            timestamp: 0,
            checksum: 0,
            export_name: None,
            pdb: None,
        },
    };
    Some((image, kernel))
}

fn starts(space: &AddressSpace<'_>, target: &dyn Target, near: Option<Gva>) -> Vec<Start> {
    let kernel = |at: &Gva| *at >= space.kernel_half() && *at <= space.last();
    let start = |at: Gva, reach, from: String| Start { at, reach, from };
    let mut starts = Vec::new();
    if let Some(base) = target.hints().kernel_base {
        starts.push(start(base, 0x1000, "the base that the container names".to_owned()));
    }
    let vcpus = target.vcpus();
    let x64 = directory::architecture(space.mode()) == Architecture::X64;
    let call = if x64 { msr::LSTAR } else { msr::SYSENTER_EIP };
    let name = if x64 { "LSTAR" } else { "SYSENTER_EIP" };
    for vcpu in vcpus {
        if let Some(at) = vcpu.msrs.get(&call) {
            starts.push(start(Gva(*at), IN_IMAGE, format!("{name} of vCPU {}", vcpu.number)));
        }
    }
    for vcpu in vcpus {
        for (vector, at) in handlers(space, vcpu, x64) {
            starts.push(start(
                at,
                IN_IMAGE,
                format!("interrupt handler {vector} of vCPU {}", vcpu.number),
            ));
        }
    }
    // The stub's address is in the HAL, which stands beside the kernel on either side.
    if let Some(at) = near {
        let above = Gva(at.0.saturating_add(IN_IMAGE)).min(space.last());
        starts.push(start(above, IN_IMAGE * 2, "the address in the low stub".to_owned()));
    }
    for vcpu in vcpus {
        starts.push(start(Gva(vcpu.rip), NEAR_IMAGE, format!("RIP of vCPU {}", vcpu.number)));
    }
    starts.retain(|start| kernel(&start.at));
    starts
}

/// Addresses in the first gates of a vCPU's IDT.
fn handlers(space: &AddressSpace<'_>, vcpu: &Vcpu, x64: bool) -> Vec<(u8, Gva)> {
    let Some(table) = vcpu.idt.filter(|table| table.limit != 0) else {
        return Vec::new();
    };
    let size = if x64 { 16 } else { 8 };
    let gate = |vector: u8| {
        let mut bytes = [0; 16];
        let wanted = bytes.get_mut(..size)?;
        let at = Gva(table.base.checked_add(u64::from(vector) * u64::try_from(size).ok()?)?);
        if space.read(at, wanted) < size {
            return None;
        }
        let low = u64::from(u16::from_le_bytes(array(&bytes, 0)?));
        let middle = u64::from(u16::from_le_bytes(array(&bytes, 6)?)) << 16;
        let high = if x64 {
            u64::from(u32::from_le_bytes(array(&bytes, 8)?)) << 32
        } else {
            0
        };
        Some((vector, Gva(low | middle | high)))
    };
    [0, 3, 6, 13, 14].into_iter().filter_map(gate).collect()
}

/// From an address down to `lowest`: the first image that is the kernel's.
fn down(space: &AddressSpace<'_>, from: Gva, lowest: Gva, steps: &mut u32) -> Option<Image> {
    let mut page = from.page();
    loop {
        *steps = steps.checked_sub(1)?;
        let next = match space.translate(page) {
            Ok(found) => {
                if let Some(image) = image_at(space, page, &mut [0; 2], |buffer| {
                    space.memory().read(found.gpa, buffer)
                }) {
                    return Some(image);
                }
                page.0.checked_sub(0x1000)?
            }
            Err(fault) => fault.previous(space.mode())?.0,
        };
        page = Gva(next).page();
        if page < lowest {
            return None;
        }
    }
}

fn image_at(
    space: &AddressSpace<'_>,
    page: Gva,
    mark: &mut [u8; 2],
    read: impl Fn(&mut [u8]) -> usize,
) -> Option<Image> {
    if read(mark) < 2 || mark != b"MZ" {
        return None;
    }
    Image::read(space, page).ok().filter(|image| is_kernel(image, space))
}

/// Everything that the kernel half maps. The range in which Windows puts the kernel first.
fn everywhere(space: &AddressSpace<'_>) -> Option<Image> {
    let images = Gva(0xffff_f800_0000_0000);
    match directory::architecture(space.mode()) {
        Architecture::X64 => scan(space, images, space.last()).or_else(|| scan(space, space.kernel_half(), images)),
        Architecture::X86 => scan(space, space.kernel_half(), space.last().plus(1)),
    }
}

fn scan(space: &AddressSpace<'_>, from: Gva, to: Gva) -> Option<Image> {
    let mut chunk = vec![0; usize::try_from(CHUNK).ok()?];
    let pages = space.walk(from, to).filter_map(|piece| match piece {
        Piece::Page { at, to, size, .. } => Some((at, to, size)),
        Piece::Table { .. } => None,
    });
    let mut left = PIECES;
    for (at, to, size) in pages {
        for offset in (0..size).step_by(usize::try_from(CHUNK).ok()?) {
            left = left.checked_sub(1)?;
            let length = usize::try_from((size - offset).min(CHUNK)).ok()?;
            let small = size == 0x1000;
            // Of a small page only its first bytes are looked at.
            let buffer = chunk.get_mut(..if small { 2 } else { length })?;
            let count = space.memory().read(to.plus(offset), buffer);
            let seen = buffer.get(..count).unwrap_or_default();
            for (page, bytes) in (at.plus(offset).0..).step_by(0x1000).map(Gva).zip(seen.chunks(0x1000)) {
                if bytes.starts_with(b"MZ")
                    && let Ok(image) = Image::read(space, page)
                    && is_kernel(&image, space)
                {
                    return Some(image);
                }
            }
        }
    }
    None
}
