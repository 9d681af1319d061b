//! What the protocol engine asks of a guest.
//!
//! A capture does not change: a write of what is there already succeeds, any other is refused with
//! STATUS_ACCESS_DENIED; it cannot run. A guest that can run is written and run (`live`); what is laid over its
//! memory is refused in the same way.

use super::{Guest, live};
use crate::kd::debuggee::{Continue, Debuggee, Exception, MemoryKind, Status, Version};
use crate::memory::{Gpa, Gva};
use crate::target::vcpu::msr;
use crate::windows::{Architecture, context};

/// STATUS_BREAKPOINT.
pub(super) const BREAKPOINT: u32 = 0x8000_0003;
/// STATUS_SINGLE_STEP.
pub(super) const SINGLE_STEP: u32 = 0x8000_0004;

impl Debuggee for Guest {
    fn version(&self) -> Version {
        let windows = &self.windows;
        let block = windows.version_block.as_ref();
        let build = windows.build.as_ref();
        let checked = build.is_some_and(|build| build.checked);
        let number = build.and_then(|build| u16::try_from(build.number).ok());
        Version {
            major: if checked { 0xc } else { 0xf },
            minor: number.or_else(|| block.map(|block| block.build)).unwrap_or_default(),
            architecture: self.architecture,
            multiprocessor: self.cpus.len() > 1 || block.is_some_and(|block| block.flags & 1 != 0),
            kernel_base: windows.kernel.as_ref().map(|kernel| kernel.base).unwrap_or_default(),
            loaded_modules: windows.loaded_modules().unwrap_or_default(),
            debugger_data: windows.debugger_data_list(),
        }
    }

    fn processors(&self) -> u16 {
        u16::try_from(self.cpus.len()).unwrap_or(u16::MAX)
    }

    fn running(&self) -> bool {
        self.live.as_ref().is_some_and(live::Live::runs)
    }

    fn live(&self) -> bool {
        self.live.is_some()
    }

    fn thread(&self, processor: u16) -> Gva {
        self.of_kernel(processor, |processor| processor.thread)
    }

    fn program_counter(&self, processor: u16) -> Gva {
        self.vcpu(processor).map(|vcpu| Gva(vcpu.rip)).unwrap_or_default()
    }

    fn read_virtual(&self, processor: u16, at: Gva, buffer: &mut [u8]) -> usize {
        let count = self.read_in(self.space(processor), at, buffer);
        if let (Some(live), Some(seen)) = (&self.live, buffer.get_mut(..count)) {
            live.show(self.address(at), seen);
        }
        count
    }

    fn read_physical(&self, at: Gpa, buffer: &mut [u8]) -> usize {
        let memory = self.target.memory();
        self.physical_patches
            .read(at.0, buffer, |at, buffer| memory.read(Gpa(at), buffer))
    }

    fn write_virtual(&mut self, processor: u16, at: Gva, bytes: &[u8]) -> Result<usize, Status> {
        if self.live.is_some() {
            let done = self.poke(processor, at, bytes)?;
            if done > 0 || bytes.is_empty() {
                return Ok(done);
            }
        }
        let mut seen = vec![0; bytes.len()];
        let count = self.read_virtual(processor, at, &mut seen);
        unchanged(bytes, &seen, count)
    }

    fn write_physical(&mut self, at: Gpa, bytes: &[u8]) -> Result<usize, Status> {
        if self.live.is_some() {
            let done = self.put(at, bytes)?;
            if done > 0 || bytes.is_empty() {
                return Ok(done);
            }
        }
        let mut seen = vec![0; bytes.len()];
        let count = self.read_physical(at, &mut seen);
        unchanged(bytes, &seen, count)
    }

    fn context(&self, processor: u16) -> Result<Vec<u8>, Status> {
        let vcpu = self.vcpu(processor).ok_or(Status::UNSUCCESSFUL)?;
        Ok(context::context(vcpu, self.architecture))
    }

    fn set_context(&mut self, processor: u16, bytes: &[u8]) -> Result<(), Status> {
        let vcpu = self.vcpu(processor).ok_or(Status::UNSUCCESSFUL)?;
        if self.live.is_some() {
            let (shown, wanted) = live::contexts(vcpu, bytes, self.architecture);
            return self.set_registers(processor, &shown, &wanted);
        }
        let mut changed = vcpu.clone();
        context::apply_context(&mut changed, bytes, self.architecture);
        let same = context::context(&changed, self.architecture) == context::context(vcpu, self.architecture);
        if same { Ok(()) } else { Err(Status::ACCESS_DENIED) }
    }

    fn special(&self, processor: u16) -> Result<Vec<u8>, Status> {
        let vcpu = self.vcpu(processor).ok_or(Status::UNSUCCESSFUL)?;
        let mut special = self.special_registers(processor, vcpu);
        special.truncate(self.special_length());
        Ok(special)
    }

    fn set_special(&mut self, processor: u16, bytes: &[u8]) -> Result<(), Status> {
        let special = self.special(processor)?;
        let count = bytes.len().min(special.len());
        let (Some(shown), Some(bytes)) = (special.get(..count), bytes.get(..count)) else {
            return Err(Status::UNSUCCESSFUL);
        };
        if shown == bytes {
            return Ok(());
        }
        if self.live.is_none() {
            return Err(Status::ACCESS_DENIED);
        }
        let of = |bytes: &[u8]| {
            let mut vcpu = self.vcpu(processor).cloned().unwrap_or_default();
            vcpu.dr = None;
            context::apply_special(&mut vcpu, bytes, self.architecture);
            let debug = vcpu.dr.take().unwrap_or_default();
            (vcpu, debug)
        };
        let ((shown, old), (wanted, new)) = (of(shown), of(bytes));
        self.set_registers(processor, &shown, &wanted)?;
        if old == new {
            Ok(())
        } else {
            self.set_debug(processor, new)
        }
    }

    fn kpcr(&self, processor: u16) -> Gva {
        self.of_kernel(processor, |processor| Some(processor.kpcr))
    }

    fn kprcb(&self, processor: u16) -> Gva {
        self.of_kernel(processor, |processor| Some(processor.kprcb))
    }

    fn msr(&self, processor: u16, number: u32) -> Result<u64, Status> {
        let vcpu = self.vcpu(processor).ok_or(Status::UNSUCCESSFUL)?;
        let segments = &vcpu.segments;
        let base = || match number {
            msr::FS_BASE => segments.fs.hidden,
            msr::GS_BASE => segments.gs.hidden,
            _ => None,
        };
        let known = vcpu.msrs.get(&number).copied();
        known
            .or_else(|| base().map(|hidden| hidden.base))
            .ok_or(Status::UNSUCCESSFUL)
    }

    fn set_msr(&mut self, processor: u16, number: u32, value: u64) -> Result<(), Status> {
        if self.live.is_none() {
            return Err(Status::NOT_SUPPORTED);
        }
        let shown = self.vcpu(processor).ok_or(Status::UNSUCCESSFUL)?.clone();
        let mut wanted = shown.clone();
        wanted.msrs.insert(number, value);
        let base = match number {
            msr::FS_BASE => wanted.segments.fs.hidden.as_mut(),
            msr::GS_BASE => wanted.segments.gs.hidden.as_mut(),
            _ => None,
        };
        if let Some(hidden) = base {
            hidden.base = value;
        }
        self.set_registers(processor, &shown, &wanted)
    }

    fn query_memory(&self, processor: u16, at: Gva) -> Option<MemoryKind> {
        let at = self.address(at);
        let flags = match (&self.live, self.translate(processor, at)) {
            // What a debugger may do is not what the page tables let the guest do.
            (Some(_), Some(_)) => 7,
            _ => self.rights(processor, at)?,
        };
        Some(MemoryKind {
            space: self.kind_of_space(at),
            flags,
        })
    }

    fn set_breakpoint(&mut self, processor: u16, at: Gva) -> Result<u32, Status> {
        self.add_point(processor, at)
    }

    fn remove_breakpoint(&mut self, handle: u32) -> Result<(), Status> {
        self.remove_point(handle)
    }

    fn exception(&self) -> Exception {
        let processor = self.stopped_on();
        Exception {
            processor,
            code: self.live.as_ref().map_or(BREAKPOINT, |live| live.code),
            address: self.program_counter(processor),
        }
    }

    fn resume(&mut self, processor: u16, how: Continue) -> Result<(), Status> {
        self.go(processor, how)
    }

    fn reboot(&mut self) -> Result<(), Status> {
        self.boot()
    }

    fn stop(&mut self) -> Result<(), Status> {
        self.halt()
    }

    fn stopped(&mut self) -> Result<bool, Status> {
        self.look()
    }

    fn why(&self) -> Option<String> {
        self.cause()
    }

    fn trouble(&mut self) -> Option<String> {
        self.live.as_mut()?.trouble.take()
    }

    fn renewed(&mut self) -> bool {
        let live = self.live.as_mut();
        live.is_some_and(|live| std::mem::take(&mut live.renewed))
    }

    fn release(&mut self) -> Result<(), Status> {
        self.let_go()
    }

    fn gone(&self) -> Option<&str> {
        self.live.as_ref()?.gone.as_deref()
    }
}

impl Guest {
    /// An address that the kernel keeps for a processor; 0 where it is not known.
    fn of_kernel(&self, processor: u16, get: impl Fn(&crate::windows::Processor) -> Option<Gva>) -> Gva {
        let cpu = self.cpus.get(usize::from(processor));
        cpu.and_then(|cpu| get(cpu.processor.as_ref()?)).unwrap_or_default()
    }

    /// The processor that stopped; of a Windows dump the one that crashed, whose CONTEXT is in its header.
    pub(super) fn stopped_on(&self) -> u16 {
        if let Some(processor) = self.live.as_ref().and_then(|live| self.processor_of(live.why.vcpu)) {
            return processor;
        }
        let source = self.target.hints().context.as_ref().and(self.target.vcpus().first());
        let crashed = |cpu: &super::Cpu| {
            let vcpu = cpu.processor.as_ref().and_then(|processor| processor.vcpu);
            vcpu.is_some() && vcpu == source.map(|vcpu| vcpu.number)
        };
        let with_registers = || self.cpus.iter().position(|cpu| cpu.vcpu.is_some());
        let found = self.cpus.iter().position(crashed).or_else(with_registers);
        found.and_then(|index| u16::try_from(index).ok()).unwrap_or_default()
    }

    /// sizeof(KSPECIAL_REGISTERS).
    fn special_length(&self) -> usize {
        let build = self.windows.build.as_ref().map(|build| build.number);
        match (self.architecture, build) {
            (Architecture::X86, _) => context::SPECIAL_X86_SIZE,
            (Architecture::X64, Some(..=7601)) => 0xd8,
            (Architecture::X64, Some(..=14393)) => 0xe0,
            (Architecture::X64, _) => context::SPECIAL_X64_SIZE,
        }
    }

    /// 0 process, 1 session, 2 kernel. Session space has a place of its own until Vista on x86, and until
    /// Windows 10 1607 lays the kernel's regions out anew at each start on x64.
    fn kind_of_space(&self, at: Gva) -> u32 {
        let build = self.windows.build.as_ref().map_or(u32::MAX, |build| build.number);
        let session = match self.architecture {
            Architecture::X64 if build < 14393 => 0xffff_f900_0000_0000..0xffff_f980_0000_0000,
            Architecture::X86 if build < 6000 => 0xbc00_0000..0xc000_0000,
            _ => 0..0,
        };
        match self.is_kernel(at) {
            false => 0,
            true if session.contains(&at.0) => 1,
            true => 2,
        }
    }

    /// 1 read, 2 write, 4 execute.
    fn rights(&self, processor: u16, at: Gva) -> Option<u32> {
        let spaces = [
            self.space(processor),
            self.space_of(self.paging.map_or(Gpa(0), |paging| paging.root)),
        ];
        let own = if self.is_kernel(at) { 2 } else { 1 };
        let found = spaces
            .into_iter()
            .take(own)
            .flatten()
            .find_map(|space| space.translate(at).ok());
        if let Some(found) = found {
            return Some(1 | if found.writable { 2 } else { 0 } | if found.executable { 4 } else { 0 });
        }
        let mut byte = [0];
        let blocks = self
            .target
            .virtual_memory()
            .map_or(0, |memory| memory.read(at, &mut byte));
        (blocks == 1 || self.patches.covers(at.0)).then_some(1)
    }
}

/// What a write to a capture answers.
fn unchanged(bytes: &[u8], seen: &[u8], count: usize) -> Result<usize, Status> {
    if count == 0 {
        return Err(Status::UNSUCCESSFUL);
    }
    if seen.get(..count) == bytes.get(..count) {
        Ok(count)
    } else {
        Err(Status::ACCESS_DENIED)
    }
}
