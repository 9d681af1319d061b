//! A guest with its Windows, as the protocol engine, the dump writer and the commands use it.
//!
//! [`Guest::new`] finds the Windows in a target and gives each processor its registers: those of the vCPU
//! that it is, or else what the kernel saved in its KPRCB. A [`Guest`] is a [`Debuggee`]; what a debugger
//! must read differently from what memory holds (a plain KDBG in place of an encoded one) is laid over
//! both virtual and physical memory, and nothing else is changed.
//!
//! A guest that can run has a [`Control`](crate::target::Control): `live` runs and writes it, and takes everything
//! anew that may have changed while it ran; `watch` keeps the debugger's debug registers.
//!
//! [`Debuggee`]: crate::kd::debuggee::Debuggee

mod cpus;
mod debuggee;
mod dump;
mod filled;
mod live;
mod patches;
mod registers;
mod watch;

pub use cpus::Cpu;
pub use dump::Pages;

use live::Live;
use patches::Patches;

use crate::memory::paging::{AddressSpace, Cache, Swizzle};
use crate::memory::{Gpa, Gva, VirtualMemory};
use crate::target::{Target, Vcpu};
use crate::windows::{Architecture, Given, Overlay, PagingMode, Windows, discover};

/// A guest.
pub struct Guest {
    target: Box<dyn Target>,
    windows: Windows,
    architecture: Architecture,
    /// By Windows' numbers, at least one.
    cpus: Vec<Cpu>,
    paging: Option<Paging>,
    cache: Cache,
    patches: Patches,
    physical_patches: Patches,
    given: Given,
    /// Of a guest that can run.
    live: Option<Live>,
}

/// Page tables of the kernel.
#[derive(Clone, Copy)]
struct Paging {
    mode: PagingMode,
    root: Gpa,
    swizzle: Option<Swizzle>,
}

impl Guest {
    /// The guest of a target, with its Windows as far as it is found.
    #[must_use]
    pub fn new(target: Box<dyn Target>, given: &Given) -> Self {
        let windows = discover(&*target, given);
        Self {
            given: *given,
            ..Self::with(target, windows)
        }
    }

    /// The guest of a target whose Windows was found before.
    #[must_use]
    pub fn with(mut target: Box<dyn Target>, windows: Windows) -> Self {
        let live = target.control().map(|control| Live::new(control.is_running()));
        let mut guest = Self {
            target,
            windows,
            architecture: Architecture::X64,
            cpus: Vec::new(),
            paging: None,
            cache: Cache::default(),
            patches: Patches::default(),
            physical_patches: Patches::default(),
            given: Given::default(),
            live,
        };
        guest.settle();
        guest
    }

    /// Everything that follows from the Windows that was found and from the registers as they are now.
    fn settle(&mut self) {
        let (cpus, kprcb) = cpus::all(&*self.target, &mut self.windows);
        let windows = &mut self.windows;
        self.paging = windows
            .paging
            .zip(windows.directory.as_ref())
            .map(|(mode, directory)| Paging {
                mode,
                root: directory.value,
                swizzle: windows.swizzle(),
            });
        windows.overlays.extend(kprcb);
        self.architecture = windows.architecture.unwrap_or(Architecture::X64);
        self.patches = Patches::new(
            windows
                .overlays
                .iter()
                .map(|overlay| (overlay.at.0, overlay.bytes.clone())),
        );
        self.physical_patches = Patches::new(windows.overlays.iter().flat_map(physical));
        self.cpus = cpus;
        self.lay_registers();
        self.fill();
    }

    /// Where it comes from.
    #[must_use]
    pub fn target(&self) -> &dyn Target {
        &*self.target
    }

    /// Its Windows.
    #[must_use]
    pub fn windows(&self) -> &Windows {
        &self.windows
    }

    /// Machine code of its kernel; x64 where no kernel was found.
    #[must_use]
    pub fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// Its processors, by number; at least one.
    #[must_use]
    pub fn cpus(&self) -> &[Cpu] {
        &self.cpus
    }

    /// Registers of a processor.
    #[must_use]
    pub fn vcpu(&self, processor: u16) -> Option<&Vcpu> {
        self.cpus.get(usize::from(processor))?.vcpu.as_ref()
    }

    /// The address space that a processor sees with its kernel's page tables: that of its current process,
    /// or the kernel's own. `None` where no page directory is known.
    #[must_use]
    pub fn space(&self, processor: u16) -> Option<AddressSpace<'_>> {
        let own = self.cpus.get(usize::from(processor)).and_then(|cpu| cpu.directory);
        self.space_of(own.or(Some(self.paging?.root))?)
    }

    /// The address space of a page directory (that of a [`Process`](crate::windows::Process)).
    #[must_use]
    pub fn space_of(&self, directory: Gpa) -> Option<AddressSpace<'_>> {
        let Paging { mode, swizzle, .. } = self.paging?;
        let space = AddressSpace::new(self.target.memory(), mode, directory);
        Some(space.cached(&self.cache).swizzled(swizzle))
    }

    /// Reads memory in an address space, with what is laid over it.
    pub fn read_in(&self, space: Option<AddressSpace<'_>>, at: Gva, buffer: &mut [u8]) -> usize {
        let at = self.address(at);
        self.patches
            .read(at.0, buffer, |at, buffer| self.read_below(space, Gva(at), buffer))
    }

    /// Where the session's reads go to: page tables of the processor, of the kernel, blocks of the container.
    fn read_below(&self, space: Option<AddressSpace<'_>>, at: Gva, buffer: &mut [u8]) -> usize {
        let mut done = space.map_or(0, |space| space.read(at, buffer));
        // What follows is rare: another page directory, or no page tables at all.
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let Some(place) = at.0.checked_add(done as u64).map(Gva) else {
                break;
            };
            let count = self.read_elsewhere(space, place, rest);
            if count == 0 {
                break;
            }
            done = done.saturating_add(count);
        }
        done
    }

    fn read_elsewhere(&self, space: Option<AddressSpace<'_>>, at: Gva, buffer: &mut [u8]) -> usize {
        let kernel = self
            .paging
            .filter(|paging| space.is_none_or(|space| space.root() != paging.root))
            .filter(|_| self.is_kernel(at))
            .and_then(|paging| self.space_of(paging.root));
        match kernel.map_or(0, |space| space.read(at, buffer)) {
            0 => self.target.virtual_memory().map_or(0, |memory| memory.read(at, buffer)),
            count => count,
        }
    }

    /// An address as the machine has it.
    fn address(&self, at: Gva) -> Gva {
        match self.architecture {
            Architecture::X64 => at,
            Architecture::X86 => Gva(at.0 & 0xffff_ffff),
        }
    }

    fn is_kernel(&self, at: Gva) -> bool {
        match self.architecture {
            Architecture::X64 => at.0 >> 63 == 1,
            Architecture::X86 => at.0 >> 31 == 1,
        }
    }
}

/// The pieces of an overlay in physical memory.
fn physical(overlay: &Overlay) -> impl Iterator<Item = (u64, Vec<u8>)> + '_ {
    overlay.physical.iter().filter_map(|(at, offset, length)| {
        let bytes = overlay.bytes.get(*offset..offset.checked_add(*length)?)?;
        Some((at.0, bytes.to_vec()))
    })
}
