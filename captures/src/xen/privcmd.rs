//! Hypercalls through `/dev/xen/privcmd` of Linux: the only module with `unsafe`.
//!
//! Linux, include/uapi/xen/privcmd.h: `IOCTL_PRIVCMD_HYPERCALL` is given the number of the hypercall and
//! five arguments. What a hypercall reads and writes must stay in memory meanwhile: pages of
//! `/dev/xen/hypercall` (Linux 4.18) do, locked ones where that device is absent.

use std::ffi::c_void;
use std::fs::{File, OpenOptions};
use std::io;
use std::ptr::{self, NonNull};

use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode};
use rustix::mm::{MapFlags, ProtFlags};

use super::call::{Call, Hypercalls};

const PRIVCMD: &str = "/dev/xen/privcmd";
const HYPERCALL: &str = "/dev/xen/hypercall";
const PAGE: usize = 4096;

/// `_IOC(_IOC_NONE, 'P', 0, sizeof(struct privcmd_hypercall))`
const REQUEST: Opcode = 0x0030_5000;

/// Memory that one call may need, in bytes: far above the largest microcode file.
const MOST: usize = 128 << 20;

/// The opened device.
#[derive(Debug)]
pub(super) struct Privcmd {
    device: File,
    pages: Option<File>,
}

impl Privcmd {
    /// Opens the devices.
    pub(super) fn open() -> io::Result<Self> {
        let open = |path| OpenOptions::new().read(true).write(true).open(path);
        Ok(Self {
            device: open(PRIVCMD)?,
            pages: open(HYPERCALL).ok(),
        })
    }
}

impl Hypercalls for Privcmd {
    fn make(&self, call: &mut Call) -> Result<u32, Errno> {
        let mut memory = Memory::new(self.pages.as_ref(), needed(call)?)?;
        let mut at = PAGE.saturating_mul(pages(call.structure.len()));
        for buffer in &call.buffers {
            let address = memory.write(at, &buffer.bytes)?;
            let field = call
                .structure
                .get_mut(buffer.at..)
                .and_then(|rest| rest.first_chunk_mut());
            *field.ok_or(Errno::INVAL)? = address.to_le_bytes();
            at = at.saturating_add(PAGE.saturating_mul(pages(buffer.bytes.len())));
        }
        let structure = match call.structure.len() {
            0 => 0,
            _ => memory.write(0, &call.structure)?,
        };
        let arguments = match call.command {
            Some(command) => [u64::from(command), structure, 0, 0, 0],
            None => [structure, 0, 0, 0, 0],
        };
        let request = Request {
            number: call.hypercall.number(),
            arguments,
        };
        // SAFETY: `Request` has the layout and the number of the device's own ioctl. Xen writes where the
        // structure says: the addresses in it are those of `memory`, which outlives the call, and behind
        // each are as many bytes as the fields beside it count.
        let answer = unsafe { rustix::ioctl::ioctl(&self.device, request) };
        memory.read(0, &mut call.structure)?;
        let mut at = PAGE.saturating_mul(pages(call.structure.len()));
        for buffer in &mut call.buffers {
            memory.read(at, &mut buffer.bytes)?;
            at = at.saturating_add(PAGE.saturating_mul(pages(buffer.bytes.len())));
        }
        answer
    }
}

/// Pages that so many bytes take, at least one: a buffer of none must not be a null address.
fn pages(length: usize) -> usize {
    length.div_ceil(PAGE).max(1)
}

/// Bytes for the structure and each buffer, all on pages of their own.
fn needed(call: &Call) -> Result<usize, Errno> {
    let buffers = call.buffers.iter().map(|buffer| pages(buffer.bytes.len()));
    let all = buffers.fold(pages(call.structure.len()), usize::saturating_add);
    let bytes = all.saturating_mul(PAGE);
    if bytes > MOST { Err(Errno::NOMEM) } else { Ok(bytes) }
}

/// `struct privcmd_hypercall`.
#[repr(C)]
struct Request {
    number: u64,
    arguments: [u64; 5],
}

const _: () = assert!(size_of::<Request>() == 0x30);

// SAFETY: the ioctl takes a pointer to the structure, which the kernel only reads; its answer is the
// return value.
unsafe impl Ioctl for Request {
    type Output = u32;

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        REQUEST
    }

    fn as_ptr(&mut self) -> *mut c_void {
        ptr::from_mut(self).cast()
    }

    unsafe fn output_from_ptr(answer: IoctlOutput, _: *mut c_void) -> rustix::io::Result<u32> {
        u32::try_from(answer).map_err(|_| Errno::RANGE)
    }
}

/// Pages that a hypercall may be given.
struct Memory {
    start: NonNull<u8>,
    length: usize,
}

impl Memory {
    fn new(device: Option<&File>, length: usize) -> Result<Self, Errno> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let start = if let Some(device) = device {
            // SAFETY: a new mapping at an address of the kernel's choice.
            unsafe { rustix::mm::mmap(ptr::null_mut(), length, access, MapFlags::SHARED, device, 0) }
        } else {
            // SAFETY: as above.
            unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), length, access, MapFlags::PRIVATE) }
        }?;
        let start = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        let memory = Self { start, length };
        if device.is_none() {
            // SAFETY: the mapping made above, whole.
            unsafe { rustix::mm::mlock(memory.start.as_ptr().cast(), length) }?;
        }
        Ok(memory)
    }

    /// Where `length` bytes from `at` stand.
    fn place(&self, at: usize, length: usize) -> Result<*mut u8, Errno> {
        let end = at.checked_add(length).filter(|end| *end <= self.length);
        end.ok_or(Errno::INVAL)?;
        Ok(self.start.as_ptr().wrapping_add(at))
    }

    /// Copies bytes in; the answer is their address.
    fn write(&mut self, at: usize, bytes: &[u8]) -> Result<u64, Errno> {
        let place = self.place(at, bytes.len())?;
        // SAFETY: `place` has room for the bytes, as checked above; nobody else has this mapping.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
        u64::try_from(place.addr()).map_err(|_| Errno::INVAL)
    }

    /// Copies bytes out.
    fn read(&self, at: usize, bytes: &mut [u8]) -> Result<(), Errno> {
        let place = self.place(at, bytes.len())?;
        // SAFETY: `place` has as many bytes, as checked above; no hypercall is under way.
        unsafe { ptr::copy_nonoverlapping(place, bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`, of which no pointer is left.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_take_and_give_bytes_and_nothing_behind_their_end() {
        let mut memory = Memory::new(None, PAGE).unwrap();
        assert!(memory.write(PAGE - 3, &[1, 2, 3]).is_ok());
        assert_eq!(memory.write(PAGE - 2, &[1, 2, 3]), Err(Errno::INVAL));
        assert_eq!(memory.write(usize::MAX, &[1]), Err(Errno::INVAL));
        let mut bytes = [0; 3];
        memory.read(PAGE - 3, &mut bytes).unwrap();
        assert_eq!(bytes, [1, 2, 3]);
    }
}
