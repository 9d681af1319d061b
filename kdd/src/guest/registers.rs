//! Registers where a debugger looks for them in memory.
//!
//! A kernel that is stopped in debug mode has saved the registers of each processor: KSPECIAL_REGISTERS and
//! CONTEXT in the KPRCB, and the CONTEXT that the KPRCB points to. A debugger that writes a dump relies on
//! that. A guest that was captured while it ran has old values there, so the registers of its vCPUs are laid
//! over them.
//!
//! The CONTEXT behind the pointer is not among the memory that the debugger's engine (10.0.15063) takes into
//! a small dump, and then it cannot read its own dump. So the KDBG that is served says that there is no such
//! pointer, and the engine takes the CONTEXT in the KPRCB.

use super::{Guest, Patches, physical};
use crate::memory::{Gva, VirtualMemory};
use crate::windows::fields::read_some;
use crate::windows::kdbg::pieces;
use crate::windows::processors::{self, places};
use crate::windows::{Overlay, context};

/// OffsetPrcbContext in KDDEBUGGER_DATA64.
const CONTEXT_POINTER: usize = 0x338;

impl Guest {
    /// Lays the registers over memory, for a debugger.
    pub(super) fn lay_registers(&mut self) {
        let mut own = self.saved_registers();
        if own.is_empty() {
            return;
        }
        own.extend(self.no_context_pointer());
        let all: Vec<&Overlay> = own.iter().chain(&self.windows.overlays).collect();
        self.patches = Patches::new(all.iter().map(|overlay| (overlay.at.0, overlay.bytes.clone())));
        self.physical_patches = Patches::new(all.iter().flat_map(|overlay| physical(overlay)));
    }

    /// Zeroes over the field of the KDBG.
    fn no_context_pointer(&self) -> Option<Overlay> {
        let kdbg = self.windows.kdbg.as_ref()?;
        let bytes = kdbg.bytes.get(CONTEXT_POINTER..CONTEXT_POINTER + 2)?;
        let at = kdbg.at.plus(CONTEXT_POINTER as u64);
        let made = self.windows.overlays.iter().find(|overlay| overlay.at == kdbg.at);
        // A block that was put together may stand where the guest has no page.
        let mapped = made.is_none_or(|overlay| !overlay.physical.is_empty());
        let space = self.paging.and_then(|paging| self.space_of(paging.root));
        let physical = space.filter(|_| mapped).map(|space| pieces(&space, at, 2));
        (bytes != [0, 0]).then(|| Overlay {
            at,
            physical: physical.unwrap_or_default(),
            bytes: vec![0, 0],
        })
    }

    /// Registers of each processor, laid over the places where a kernel saves them.
    pub(super) fn saved_registers(&self) -> Vec<Overlay> {
        let context = processors::Context {
            kdbg: self.windows.kdbg.as_ref().map(|kdbg| kdbg.bytes.as_slice()),
            architecture: self.architecture,
            build: self.windows.build.as_ref().map(|build| build.number),
        };
        let space = self.paging.and_then(|paging| self.space_of(paging.root));
        let mut overlays = Vec::new();
        for cpu in &self.cpus {
            let (Some(vcpu), Some(processor), Some(space)) = (&cpu.vcpu, &cpu.processor, space) else {
                continue;
            };
            let Some(places) = places(&Seen(self), processor, context) else {
                continue;
            };
            let mut lay = |at: Gva, bytes: Vec<u8>| {
                let physical = pieces(&space, at, bytes.len());
                overlays.push(Overlay { at, physical, bytes });
            };
            let composed = context::context(vcpu, self.architecture);
            // What the kernel saved when it crashed is only copied: from behind the pointer into the KPRCB.
            if processor.from_kprcb || self.target.hints().context.is_some() {
                let kept = places.pointed.map(|at| read_some(&Seen(self), at, composed.len()));
                if let Some(kept) = kept.filter(|kept| kept.len() == composed.len()) {
                    lay(places.own, kept);
                }
                continue;
            }
            lay(places.own, composed.clone());
            if let Some(at) = places.pointed {
                lay(at, composed);
            }
            let mut special = context::special(vcpu, self.architecture);
            special.truncate(places.special.1);
            lay(places.special.0, special);
        }
        overlays
    }
}

/// Memory as a debugger sees it.
pub(super) struct Seen<'a>(pub &'a Guest);

impl VirtualMemory for Seen<'_> {
    fn read(&self, at: Gva, buffer: &mut [u8]) -> usize {
        self.0.read_in(self.0.space(0), at, buffer)
    }
}
