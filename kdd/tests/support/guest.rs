//! A guest whose memory is a formula: byte at an address is a function of the address.

use kdd::kd::debuggee::{Continue, Debuggee, Exception, MemoryKind, Status, Version};
use kdd::memory::{Gpa, Gva};
use kdd::windows::Architecture;

/// Base of what looks like the kernel.
pub const KERNEL: u64 = 0xffff_f801_2340_0000;

/// The guest.
pub struct Formula;

/// The byte at an address.
pub fn byte(at: u64) -> u8 {
    let mixed = at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed.to_le_bytes()[7]
}

fn fill(at: u64, buffer: &mut [u8]) -> usize {
    for (place, to) in (0u64..).zip(buffer.iter_mut()) {
        *to = byte(at.wrapping_add(place));
    }
    buffer.len()
}

impl Debuggee for Formula {
    fn version(&self) -> Version {
        Version {
            major: 0xf,
            minor: 17_763,
            architecture: Architecture::X64,
            multiprocessor: true,
            kernel_base: Gva(KERNEL),
            loaded_modules: Gva(KERNEL + 0x1000),
            debugger_data: Gva(0),
        }
    }
    fn processors(&self) -> u16 {
        2
    }
    fn thread(&self, processor: u16) -> Gva {
        Gva(0xffff_e000_0000_0000 + u64::from(processor) * 0x1000)
    }
    fn program_counter(&self, processor: u16) -> Gva {
        Gva(KERNEL + 0x5000 + u64::from(processor))
    }
    fn read_virtual(&self, _: u16, at: Gva, buffer: &mut [u8]) -> usize {
        if at.0 < 0xffff_8000_0000_0000 {
            0
        } else {
            fill(at.0, buffer)
        }
    }
    fn read_physical(&self, at: Gpa, buffer: &mut [u8]) -> usize {
        fill(at.0, buffer)
    }
    fn write_virtual(&mut self, _: u16, _: Gva, _: &[u8]) -> Result<usize, Status> {
        Err(Status::UNSUCCESSFUL)
    }
    fn write_physical(&mut self, _: Gpa, _: &[u8]) -> Result<usize, Status> {
        Err(Status::UNSUCCESSFUL)
    }
    fn context(&self, processor: u16) -> Result<Vec<u8>, Status> {
        let mut context = vec![0; 0x4d0];
        context[0x30..0x34].copy_from_slice(&0x10_001fu32.to_le_bytes());
        context[0xf8..0x100].copy_from_slice(&self.program_counter(processor).0.to_le_bytes());
        Ok(context)
    }
    fn set_context(&mut self, _: u16, _: &[u8]) -> Result<(), Status> {
        Ok(())
    }
    fn special(&self, _: u16) -> Result<Vec<u8>, Status> {
        Ok(vec![0; 0xf0])
    }
    fn set_special(&mut self, _: u16, _: &[u8]) -> Result<(), Status> {
        Ok(())
    }
    fn kpcr(&self, processor: u16) -> Gva {
        Gva(0xffff_f000_0000_0000 + u64::from(processor) * 0x1_0000)
    }
    fn kprcb(&self, processor: u16) -> Gva {
        Gva(self.kpcr(processor).0 + 0x180)
    }
    fn msr(&self, _: u16, number: u32) -> Result<u64, Status> {
        Ok(u64::from(number))
    }
    fn query_memory(&self, _: u16, _: Gva) -> Option<MemoryKind> {
        Some(MemoryKind { space: 2, flags: 7 })
    }
    fn exception(&self) -> Exception {
        Exception {
            processor: 0,
            code: 0x8000_0003,
            address: self.program_counter(0),
        }
    }
    fn resume(&mut self, _: u16, _: Continue) -> Result<(), Status> {
        Err(Status::NOT_SUPPORTED)
    }
    fn stop(&mut self) -> Result<(), Status> {
        Ok(())
    }
}
