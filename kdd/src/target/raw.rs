//! Raw images: bytes of physical memory without a header.
//!
//! An offset in the file is the physical address (`pmemsave`, `dd` of a crash device, VMware's `vmem` up
//! to 3 GiB). The file behind QEMU's `memory-backend-file` is not so where the machine has memory above
//! 4 GiB: there the part above follows right behind the part below the PCI hole. How much is below is the
//! machine type's choice and not in the file, so it is to be given: [`Layout::below_4g`].

use super::{Capture, Container, Hints, Input, OpenError};
use crate::damage::Damage;
use crate::memory::address::PAGE;
use crate::memory::{Backing, Gpa, Segment, Sparse};

/// Where the bytes of a raw image stand in the address space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of memory below 4 GiB; the rest of the file begins at 4 GiB. `None`: an offset is an address.
    pub below_4g: Option<u64>,
}

/// 4 GiB.
const HIGH: u64 = 1 << 32;
/// Where the devices of VMware's machines begin: what is more lies above 4 GiB.
const VMWARE_LOW: u64 = 3 << 30;

/// Opens an image in which an offset is an address.
///
/// # Errors
/// When the file is empty, or one that is known to be no image of memory.
pub fn open(input: &Input) -> Result<Capture, OpenError> {
    open_with(input, Layout::default())
}

/// Opens an image with a layout.
///
/// # Errors
/// When the file is empty, or one that is known to be no image of memory.
pub fn open_with(input: &Input, layout: Layout) -> Result<Capture, OpenError> {
    let length = input.bytes.len();
    let reason = if length == 0 {
        Some("the file is empty".to_owned())
    } else {
        other(&input.bytes.bytes(0, 64)).map(str::to_owned)
    };
    if let Some(reason) = reason {
        return Err(OpenError::NotAGuest {
            name: input.name.clone(),
            reason,
        });
    }
    let low = layout.below_4g.unwrap_or(length).min(length);
    let mut segments = vec![segment(0, low, 0)];
    if layout.below_4g.is_some() && length > low {
        segments.push(segment(HIGH, length.saturating_sub(low), low));
    }
    let split = match layout.below_4g {
        Some(below) if length > low => format!(", {below:#x} bytes below 4 GiB"),
        _ => String::new(),
    };
    let mut damage = Vec::new();
    if !length.is_multiple_of(PAGE) {
        let seen = format!("{length:#x} bytes");
        damage.push(Damage::file("raw-length", length, "a whole number of pages", seen));
    }
    if input.name.ends_with(".vmem") && layout.below_4g.is_none() && length > VMWARE_LOW {
        let expected = "a vmss or vmsn file beside it, which says where its parts lie";
        damage.push(Damage::file("vmware-state", VMWARE_LOW, expected, "none"));
    }
    Ok(Capture {
        container: Container {
            format: "raw",
            description: format!("raw image{split}"),
            facts: Vec::new(),
        },
        memory: Box::new(Sparse::new(input.bytes.clone(), segments)),
        vcpus: Vec::new(),
        hints: Hints::default(),
        virtual_memory: None,
        damage,
    })
}

fn segment(start: u64, length: u64, offset: u64) -> Segment {
    Segment {
        start: Gpa(start),
        length,
        backing: Backing::File(offset),
    }
}

/// Files that are often given by mistake: offset, mark, and what they are.
const OTHERS: &[(usize, &[u8], &str)] = &[
    (0, b"\x28\xb5\x2f\xfd", "it is packed with zstd: unpack it first"),
    (0, b"\xfd7zXZ\0", "it is packed with xz: unpack it first"),
    (0, b"\x1f\x8b\x08", "it is packed with gzip: unpack it first"),
    (0, b"BZh", "it is packed with bzip2: unpack it first"),
    (0, b"\x04\x22\x4d\x18", "it is packed with lz4: unpack it first"),
    (0, b"PK\x03\x04", "it is a zip archive: unpack it first"),
    (0, b"7z\xbc\xaf\x27\x1c", "it is a 7-Zip archive: unpack it first"),
    (0, b"QFI\xfb", "it is a disk image (qcow2), not memory"),
    (0, b"KDMV", "it is a disk image (VMDK), not memory"),
    (0, b"vhdxfile", "it is a disk image (VHDX), not memory"),
    (0, b"\x9e\xdd\x43\x89", "it is an encrypted file of VMware"),
    (
        0,
        b"\x7fVirtualBox SavedState",
        "it is a saved state of VirtualBox: make a core with `VBoxManage debugvm dumpvmcore`",
    ),
    (0, b"hibr", "it is a hibernation file of Windows, which is not read"),
    (0, b"HIBR", "it is a hibernation file of Windows, which is not read"),
    (0, b"wake", "it is a hibernation file of Windows, which is not read"),
    (0, b"MDMP", "it is a minidump of a process, not of a guest"),
];

fn other(head: &[u8]) -> Option<&'static str> {
    let fits =
        |(offset, mark, _): &&(usize, &[u8], &str)| head.get(*offset..).is_some_and(|rest| rest.starts_with(mark));
    OTHERS.iter().find(fits).map(|(_, _, reason)| *reason)
}
