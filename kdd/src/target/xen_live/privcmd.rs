//! The device through which a control domain of Linux reaches Xen: /dev/xen/privcmd.
//!
//! Follows include/uapi/xen/privcmd.h of Linux: two requests of `ioctl`, one that passes a hypercall on and one
//! that maps frames of another domain. What a hypercall reads or writes stands in memory that the kernel does
//! not move: /dev/xen/hypercall (Linux 4.18) gives such, before it pages locked in memory have to do.
//!
//! All of the crate's unsafe code is here. No pointer leaves this module: a [`Call`] names its buffers by number,
//! their addresses and lengths are put where they belong here, and only the hypercalls in `PASSED` are passed on.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::ptr;
use std::sync::Mutex;
use std::time::Duration;

use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl};
use rustix::mm::{MapFlags, ProtFlags, mlock, mmap, mmap_anonymous, munmap};

use super::hypercall::{
    Argument, Call, Count, Errno, Error, GET_PARAM, Hypervisor, INJECT_EVENT, Link, MAXIMUM_GPFN, Window, domctl,
    number,
};

const PRIVCMD: &str = "/dev/xen/privcmd";
const HYPERCALL_MEMORY: &str = "/dev/xen/hypercall";

/// `IOCTL_PRIVCMD_HYPERCALL`: 'P', 0, a structure of 48 bytes.
const HYPERCALL: Opcode = 0x30_5000;
/// `IOCTL_PRIVCMD_MMAPBATCH_V2`: 'P', 4, a structure of 32 bytes.
const MAP_BATCH: Opcode = 0x20_5004;

/// Bytes of a page.
const PAGE: usize = 4096;
/// Bytes that are read at once.
const WORD: usize = size_of::<u64>();
/// Room that each buffer has at least: more than any structure of fixed size that a hypercall writes which is passed on
/// (the largest is `vcpu_guest_context`, 5168 bytes).
const ROOM: usize = 4 * PAGE;
/// Memory for hypercalls that is kept from one to the next.
const KEPT: usize = 64 * PAGE;
/// Longest memory for one hypercall.
const LONGEST: usize = 64 << 20;
/// Times that a frame which is paged out is asked for again, and how long to wait in between.
const PAGED_OUT: (u32, Duration) = (100, Duration::from_millis(2));

/// Commands of `domctl` without an address that are passed on.
const PASSED: &[u32] = &[
    domctl::PAUSE,
    domctl::UNPAUSE,
    domctl::GET_INFO,
    domctl::GET_ADDRESS_SIZE,
    domctl::DEBUG_OP,
    domctl::VM_EVENT,
    domctl::MONITOR,
];

/// The hypervisor under this system.
pub struct Privcmd {
    device: File,
    memory: Option<File>,
    kept: Mutex<Option<Pages>>,
}

impl Privcmd {
    /// Opens the device.
    ///
    /// # Errors
    /// When this is no control domain, or this process may not.
    pub fn open() -> Result<Self, Error> {
        let device = writable(PRIVCMD).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::NoControlDomain,
            io::ErrorKind::PermissionDenied => Error::NotRoot,
            _ => Error::Device(error.to_string()),
        })?;
        Ok(Self {
            device,
            memory: writable(HYPERCALL_MEMORY).ok(),
            kept: Mutex::new(None),
        })
    }

    /// Memory that a hypercall can reach.
    fn pages(&self, length: usize) -> Result<Pages, Errno> {
        let whole = length.next_multiple_of(PAGE).max(KEPT);
        if let Some(file) = &self.memory
            && let Ok(pages) = Pages::of(file.as_fd(), whole, true)
        {
            return Ok(pages);
        }
        Pages::locked(whole)
    }

    /// Passes a call on whose buffers stand in `pages`.
    fn pass(&self, call: &mut Call, pages: &mut Pages) -> Result<u64, Errno> {
        let places = lay_out(&call.buffers).ok_or(Errno::E2BIG)?;
        for link in &call.links {
            let address = places.get(link.to).map(|at| pages.address(*at)).ok_or(Errno::EINVAL)?;
            link_up(&mut call.buffers, link, address).ok_or(Errno::EINVAL)?;
        }
        for (buffer, at) in call.buffers.iter().zip(&places) {
            pages.put(*at, buffer).ok_or(Errno::EINVAL)?;
        }
        let mut arguments = [0; 5];
        for (to, argument) in arguments.iter_mut().zip(&call.arguments) {
            *to = match argument {
                Argument::Value(value) => *value,
                Argument::Buffer(index) => places.get(*index).map(|at| pages.address(*at)).ok_or(Errno::EINVAL)?,
            };
        }
        let mut request = Hypercall {
            number: call.number,
            arguments,
        };
        // SAFETY: `request` has the layout that the kernel knows for this opcode. The hypercall is one of those
        // that `passed` lets through; each of its pointers leads to a buffer in `pages`, which lives on, is given
        // with its true length, and has `ROOM` for what is written without one.
        let result = unsafe { ioctl(&self.device, Request::<_, HYPERCALL>(&mut request)) };
        for (buffer, at) in call.buffers.iter_mut().zip(&places) {
            pages.take(*at, buffer).ok_or(Errno::EINVAL)?;
        }
        result.map(|value| u64::try_from(value).unwrap_or(0)).map_err(errno)
    }
}

fn writable(path: &str) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

fn errno(error: rustix::io::Errno) -> Errno {
    Errno(error.raw_os_error())
}

/// Whether a call is one of those that are passed on.
fn passed(call: &Call) -> bool {
    match call.number {
        number::XEN_VERSION => true,
        number::MEMORY_OP => matches!(
            call.arguments.as_slice(),
            [Argument::Value(MAXIMUM_GPFN), Argument::Buffer(0)]
        ),
        number::HVM_OP => matches!(
            call.arguments.as_slice(),
            [Argument::Value(GET_PARAM), Argument::Buffer(0)]
        ),
        number::DM_OP => {
            let shape = matches!(
                call.arguments.as_slice(),
                [Argument::Value(_), Argument::Value(1), Argument::Buffer(0)]
            );
            let operation = call.buffers.get(1).and_then(|buffer| buffer.first_chunk());
            let link = Link {
                from: 0,
                at: 0,
                to: 1,
                count: Some(Count { at: 8, unit: 1 }),
            };
            shape && call.links == [link] && operation == Some(&INJECT_EVENT.to_le_bytes())
        }
        number::DOMCTL => {
            let command = call.buffers.first().and_then(|buffer| buffer.first_chunk());
            let command = command.map(|command| u32::from_le_bytes(*command));
            let first = matches!(call.arguments.as_slice(), [Argument::Buffer(0)]);
            first && command.is_some_and(|command| domctl_passed(call, command))
        }
        _ => false,
    }
}

/// Whether a command of `domctl` is passed on: one of those known here, with an address only where it takes one,
/// and then that of a buffer, with its length where the command takes that too.
fn domctl_passed(call: &Call, command: u32) -> bool {
    let unit = match command {
        domctl::GET_HVM_CONTEXT | domctl::SET_HVM_CONTEXT => Some(1),
        domctl::GET_FRAME_TYPES => Some(8),
        domctl::GET_VCPU_CONTEXT => None,
        _ => return PASSED.contains(&command) && call.links.is_empty(),
    };
    let Some(link) = call.links.first() else {
        // Without a buffer it is asked how long that has to be.
        let handle = call.buffers.first().and_then(|structure| structure.get(24..32));
        return command == domctl::GET_HVM_CONTEXT && handle == Some(&[0; 8]);
    };
    call.links.len() == 1
        && (link.from, link.at, link.to) == (0, 24, 1)
        && link.count == unit.map(|unit| Count { at: 16, unit })
}

/// Where each buffer begins.
fn lay_out(buffers: &[Vec<u8>]) -> Option<Vec<usize>> {
    let mut at = 0usize;
    let places = buffers.iter().map(|buffer| {
        let place = at;
        at = at.checked_add(buffer.len().checked_add(ROOM)?.next_multiple_of(PAGE))?;
        Some(place)
    });
    places.collect()
}

/// Puts the address of a buffer, and its length, where the link says.
fn link_up(buffers: &mut [Vec<u8>], link: &Link, address: u64) -> Option<()> {
    let length = buffers.get(link.to)?.len();
    let from = buffers.get_mut(link.from)?;
    let end = link.at.checked_add(8)?;
    from.get_mut(link.at..end)?.copy_from_slice(&address.to_le_bytes());
    if let Some(count) = link.count {
        let value = u32::try_from(length.checked_div(count.unit)?).ok()?;
        let end = count.at.checked_add(4)?;
        from.get_mut(count.at..end)?.copy_from_slice(&value.to_le_bytes());
    }
    Some(())
}

impl Hypervisor for Privcmd {
    fn call(&self, call: &mut Call) -> Result<u64, Errno> {
        if !passed(call) {
            return Err(Errno::EINVAL);
        }
        let length = call
            .buffers
            .iter()
            .try_fold(0usize, |sum, buffer| {
                sum.checked_add(buffer.len().checked_add(ROOM)?.next_multiple_of(PAGE))
            })
            .filter(|length| *length <= LONGEST)
            .ok_or(Errno::E2BIG)?;
        let mut kept = self.kept.lock().map_err(|_| Errno::EINVAL)?;
        if kept.as_ref().is_none_or(|pages| pages.length < length) {
            *kept = None;
            *kept = Some(self.pages(length)?);
        }
        let pages = kept.as_mut().ok_or(Errno::ENOMEM)?;
        let result = self.pass(call, pages);
        if length > KEPT {
            *kept = None;
        }
        result
    }

    fn map(&self, domain: u16, frames: &[u64], writable: bool) -> Result<Box<dyn Window>, Errno> {
        let length = frames.len().checked_mul(PAGE).ok_or(Errno::E2BIG)?;
        let mut pages = Pages::of(self.device.as_fd(), length, writable)?;
        let mut errors = vec![0; frames.len()];
        batch(&self.device, domain, &mut pages, 0, frames, &mut errors)?;
        let (times, wait) = PAGED_OUT;
        for _ in 0..times {
            let mut left = false;
            for (index, frame) in frames.iter().enumerate() {
                let Some(error) = errors.get_mut(index).filter(|error| **error == -Errno::ENOENT.0) else {
                    continue;
                };
                let mut again = [0];
                batch(&self.device, domain, &mut pages, index, &[*frame], &mut again)?;
                *error = again.first().copied().unwrap_or(0);
                left |= *error == -Errno::ENOENT.0;
            }
            if !left {
                break;
            }
            std::thread::sleep(wait);
        }
        Ok(Box::new(Mapped {
            pages,
            present: errors.iter().map(|error| *error == 0).collect(),
            writable,
        }))
    }
}

/// Maps frames from the page `first` of the memory on, with an error for each.
fn batch(
    device: &File,
    domain: u16,
    pages: &mut Pages,
    first: usize,
    frames: &[u64],
    errors: &mut [i32],
) -> Result<(), Errno> {
    let end = first.checked_add(frames.len()).and_then(|end| end.checked_mul(PAGE));
    if end.is_none_or(|end| end > pages.length) || errors.len() < frames.len() {
        return Err(Errno::EINVAL);
    }
    let mut request = MapBatch {
        count: u32::try_from(frames.len()).map_err(|_| Errno::E2BIG)?,
        domain,
        address: pages.address(first.saturating_mul(PAGE)),
        frames: frames.as_ptr(),
        errors: errors.as_mut_ptr(),
    };
    // SAFETY: `request` has the layout that the kernel knows for this opcode; its range lies in `pages`, a mapping
    // of this device that nothing else refers to; `frames` and `errors` have `count` entries and live on.
    let result = unsafe { ioctl(device, Request::<_, MAP_BATCH>(&mut request)) };
    match result.map_err(errno) {
        // Said of the whole when one of the frames is paged out; which ones, the list of errors says.
        Ok(_) | Err(Errno::ENOENT) => Ok(()),
        Err(error) => Err(error),
    }
}

/// `struct privcmd_hypercall`.
#[repr(C)]
struct Hypercall {
    number: u64,
    arguments: [u64; 5],
}

/// `struct privcmd_mmapbatch_v2`.
#[repr(C)]
struct MapBatch {
    count: u32,
    domain: u16,
    address: u64,
    frames: *const u64,
    errors: *mut i32,
}

/// A request of `ioctl` with a structure that the kernel reads.
struct Request<'a, T, const OPCODE: Opcode>(&'a mut T);

// SAFETY: the opcode is the constant's, the pointer that of the structure, and the output is the value that the
// system call returned. That structure and opcode belong together is for the caller of `ioctl` to see to.
unsafe impl<T, const OPCODE: Opcode> Ioctl for Request<'_, T, OPCODE> {
    type Output = IoctlOutput;

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        OPCODE
    }

    fn as_ptr(&mut self) -> *mut c_void {
        ptr::from_mut(self.0).cast()
    }

    unsafe fn output_from_ptr(output: IoctlOutput, _: *mut c_void) -> rustix::io::Result<IoctlOutput> {
        Ok(output)
    }
}

/// A mapping of this process.
struct Pages {
    start: *mut u8,
    length: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread; all access goes through `&mut self`, or only reads.
unsafe impl Send for Pages {}
// SAFETY: as above; `&self` gives the address as a number and copies out.
unsafe impl Sync for Pages {}

impl Pages {
    /// Maps a device.
    fn of(device: BorrowedFd<'_>, length: usize, writable: bool) -> Result<Self, Errno> {
        let mut rights = ProtFlags::READ;
        rights.set(ProtFlags::WRITE, writable);
        // SAFETY: a new mapping at an address that the kernel chooses.
        let start = unsafe { mmap(ptr::null_mut(), length, rights, MapFlags::SHARED, device, 0) };
        let start = start.map_err(errno)?.cast();
        Ok(Self { start, length })
    }

    /// Memory of this process, locked.
    fn locked(length: usize) -> Result<Self, Errno> {
        let rights = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address that the kernel chooses.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), length, rights, MapFlags::PRIVATE) };
        let start = start.map_err(errno)?;
        let pages = Self {
            start: start.cast(),
            length,
        };
        // SAFETY: the range is the mapping made above.
        unsafe { mlock(start, length) }.map_err(errno)?;
        Ok(pages)
    }

    /// Address of a byte, as a number.
    fn address(&self, at: usize) -> u64 {
        self.start.addr().saturating_add(at) as u64
    }

    /// Whether a range lies in it.
    fn holds(&self, at: usize, length: usize) -> Option<()> {
        (at.checked_add(length)? <= self.length).then_some(())
    }

    /// Copies bytes in.
    fn put(&mut self, at: usize, bytes: &[u8]) -> Option<()> {
        self.holds(at, bytes.len())?;
        // SAFETY: the range lies in the mapping, which is writable where this is called, and in no Rust object.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.add(at), bytes.len()) };
        Some(())
    }

    /// Copies bytes out, in whole words where they are aligned.
    fn take(&self, at: usize, bytes: &mut [u8]) -> Option<()> {
        self.holds(at, bytes.len())?;
        let before = at.next_multiple_of(WORD).saturating_sub(at).min(bytes.len());
        let (head, rest) = bytes.split_at_mut(before);
        let (words, tail) = rest.as_chunks_mut::<WORD>();
        // SAFETY: the range lies in the mapping, which begins at a page, and its pages are there: those of a foreign
        // domain are asked for only where the kernel reported no error. A guest may write meanwhile, so the reads
        // are volatile: what they give is some of its old and some of its new bytes, and nothing is derived from
        // them here. Words are read where they are aligned.
        unsafe {
            let mut from = self.start.add(at).cast_const();
            for byte in head {
                *byte = ptr::read_volatile(from);
                from = from.add(1);
            }
            for word in words {
                *word = ptr::read_volatile(from.cast::<u64>()).to_ne_bytes();
                from = from.add(WORD);
            }
            for byte in tail {
                *byte = ptr::read_volatile(from);
                from = from.add(1);
            }
        }
        Some(())
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the range is the mapping of this object, to which nothing refers any more.
        let _ = unsafe { munmap(self.start.cast(), self.length) };
    }
}

/// Frames of another domain, mapped.
struct Mapped {
    pages: Pages,
    present: Vec<bool>,
    writable: bool,
}

impl Mapped {
    /// Whether all pages of a range are there.
    fn there(&self, at: usize, length: usize) -> bool {
        let last = at.saturating_add(length.saturating_sub(1)) / PAGE;
        let pages = self.present.get(at / PAGE..=last);
        pages.is_some_and(|pages| pages.iter().all(|present| *present))
    }
}

impl Window for Mapped {
    fn present(&self, page: usize) -> bool {
        self.present.get(page).copied().unwrap_or(false)
    }

    fn read(&self, at: usize, bytes: &mut [u8]) -> bool {
        self.there(at, bytes.len()) && self.pages.take(at, bytes).is_some()
    }

    fn write(&mut self, at: usize, bytes: &[u8]) -> bool {
        self.writable && self.there(at, bytes.len()) && self.pages.put(at, bytes).is_some()
    }
}
