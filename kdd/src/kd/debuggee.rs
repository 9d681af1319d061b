//! What the protocol engine asks of a guest.
//!
//! The engine knows packets; a [`Debuggee`] knows the guest. Every refusal is an NTSTATUS that goes to
//! the debugger as it is.

use std::fmt;

use crate::memory::{Gpa, Gva};
use crate::windows::Architecture;

/// An NTSTATUS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u32);

impl Status {
    /// STATUS_SUCCESS.
    pub const SUCCESS: Self = Self(0);
    /// STATUS_UNSUCCESSFUL: what a Windows target answers to nearly all that fails.
    pub const UNSUCCESSFUL: Self = Self(0xc000_0001);
    /// STATUS_NOT_IMPLEMENTED.
    pub const NOT_IMPLEMENTED: Self = Self(0xc000_0002);
    /// STATUS_DATATYPE_MISALIGNMENT.
    pub const MISALIGNED: Self = Self(0x8000_0002);
    /// STATUS_INVALID_PARAMETER.
    pub const INVALID_PARAMETER: Self = Self(0xc000_000d);
    /// STATUS_NO_SUCH_FILE, the end of a search.
    pub const NO_SUCH_FILE: Self = Self(0xc000_000f);
    /// STATUS_ACCESS_DENIED.
    pub const ACCESS_DENIED: Self = Self(0xc000_0022);
    /// STATUS_NOT_SUPPORTED: the source cannot do it.
    pub const NOT_SUPPORTED: Self = Self(0xc000_00bb);
}

impl Status {
    /// Whether it says success, as NT_SUCCESS does: the severity is success or information.
    #[must_use]
    pub fn is_success(self) -> bool {
        self.0 < 0x8000_0000
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// DBGKD_GET_VERSION64, but for the fields that follow from the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Major version: 0xf free, 0xc checked.
    pub major: u16,
    /// Build number.
    pub minor: u16,
    /// Machine code of the kernel.
    pub architecture: Architecture,
    /// More than one processor, or a kernel built for it.
    pub multiprocessor: bool,
    /// Base of the kernel's image.
    pub kernel_base: Gva,
    /// PsLoadedModuleList.
    pub loaded_modules: Gva,
    /// Address of the LIST_ENTRY whose Flink is the KDBG; 0 when there is none.
    pub debugger_data: Gva,
}

/// Kind and rights of memory, for QueryMemory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryKind {
    /// 0 process, 1 session, 2 kernel.
    pub space: u32,
    /// 1 read, 2 write, 4 execute, 8 fixed.
    pub flags: u32,
}

/// Why a guest stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Processor.
    pub processor: u16,
    /// Exception code: 80000003 breakpoint, 80000004 single step.
    pub code: u32,
    /// Where it happened.
    pub address: Gva,
}

/// What ReadControlSpace gives on x64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlSpace {
    /// 0: address of the KPCR.
    Kpcr,
    /// 1: address of the KPRCB.
    Kprcb,
    /// 2: KSPECIAL_REGISTERS.
    Special,
    /// 3: address of the current KTHREAD.
    Thread,
}

/// How a guest is let go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Continue {
    /// 00010001 exception handled, 00010002 continue.
    pub status: u32,
    /// One instruction of the current processor only.
    pub step: bool,
    /// Dr7 that the debugger asks for, where the request carries one.
    pub dr7: Option<u64>,
}

/// A guest as the engine sees it. `processor` is the number in the request or, where the debugger sends
/// none that exists, that of the current one.
pub trait Debuggee {
    /// Version.
    fn version(&self) -> Version;

    /// Number of processors, at least 1.
    fn processors(&self) -> u16;

    /// What Windows calls the processor level: the family of the CPU.
    fn processor_level(&self) -> u16 {
        6
    }

    /// Whether the guest runs when a session begins. A captured one stands still.
    fn running(&self) -> bool {
        false
    }

    /// Whether it can run at all.
    fn live(&self) -> bool {
        false
    }

    /// Address of the current KTHREAD of a processor, 0 when not known.
    fn thread(&self, processor: u16) -> Gva;

    /// Instruction pointer of a processor.
    fn program_counter(&self, processor: u16) -> Gva;

    /// Reads memory as the processor sees it. Gives the bytes read before the first one that is not there.
    fn read_virtual(&self, processor: u16, at: Gva, buffer: &mut [u8]) -> usize;

    /// Reads physical memory, in the same way.
    fn read_physical(&self, at: Gpa, buffer: &mut [u8]) -> usize;

    /// Writes memory; gives the bytes written.
    ///
    /// # Errors
    /// The status that the debugger gets.
    fn write_virtual(&mut self, processor: u16, at: Gva, bytes: &[u8]) -> Result<usize, Status>;

    /// Writes physical memory; gives the bytes written.
    ///
    /// # Errors
    /// The status that the debugger gets.
    fn write_physical(&mut self, at: Gpa, bytes: &[u8]) -> Result<usize, Status>;

    /// CONTEXT of a processor, as long as the machine's.
    ///
    /// # Errors
    /// The status that the debugger gets.
    fn context(&self, processor: u16) -> Result<Vec<u8>, Status>;

    /// Sets the CONTEXT of a processor.
    ///
    /// # Errors
    /// The status that the debugger gets.
    fn set_context(&mut self, processor: u16, context: &[u8]) -> Result<(), Status>;

    /// KSPECIAL_REGISTERS of a processor.
    ///
    /// # Errors
    /// The status that the debugger gets.
    fn special(&self, processor: u16) -> Result<Vec<u8>, Status>;

    /// Sets the first bytes of the KSPECIAL_REGISTERS of a processor.
    ///
    /// # Errors
    /// The status that the debugger gets.
    fn set_special(&mut self, processor: u16, special: &[u8]) -> Result<(), Status>;

    /// Address of the KPCR, 0 when not known.
    fn kpcr(&self, processor: u16) -> Gva;

    /// Address of the KPRCB, 0 when not known.
    fn kprcb(&self, processor: u16) -> Gva;

    /// A model-specific register.
    ///
    /// # Errors
    /// The status that the debugger gets.
    fn msr(&self, processor: u16, number: u32) -> Result<u64, Status>;

    /// Sets a model-specific register.
    ///
    /// # Errors
    /// The status that the debugger gets.
    fn set_msr(&mut self, _processor: u16, _number: u32, _value: u64) -> Result<(), Status> {
        Err(Status::NOT_SUPPORTED)
    }

    /// Kind of the memory at an address; `None` where there is none.
    fn query_memory(&self, processor: u16, at: Gva) -> Option<MemoryKind>;

    /// Reads an I/O port of 1, 2 or 4 bytes.
    ///
    /// # Errors
    /// The status that the debugger gets.
    fn read_io(&mut self, _port: u64, _size: u32) -> Result<u32, Status> {
        Err(Status::NOT_SUPPORTED)
    }

    /// Writes an I/O port.
    ///
    /// # Errors
    /// The status that the debugger gets.
    fn write_io(&mut self, _port: u64, _size: u32, _value: u32) -> Result<(), Status> {
        Err(Status::NOT_SUPPORTED)
    }

    /// Reads PCI configuration space (bus data of type 4): bus, slot number of Windows, offset.
    ///
    /// # Errors
    /// The status that the debugger gets.
    fn read_bus(
        &mut self,
        _kind: u32,
        _bus: u32,
        _slot: u32,
        _offset: u32,
        _buffer: &mut [u8],
    ) -> Result<usize, Status> {
        Err(Status::NOT_SUPPORTED)
    }

    /// Writes PCI configuration space; gives the bytes written.
    ///
    /// # Errors
    /// The status that the debugger gets.
    fn write_bus(&mut self, _kind: u32, _bus: u32, _slot: u32, _offset: u32, _bytes: &[u8]) -> Result<usize, Status> {
        Err(Status::NOT_SUPPORTED)
    }

    /// Sets a breakpoint and gives its handle, from 1.
    ///
    /// # Errors
    /// The status that the debugger gets.
    fn set_breakpoint(&mut self, _processor: u16, _at: Gva) -> Result<u32, Status> {
        Err(Status::NOT_SUPPORTED)
    }

    /// Removes a breakpoint.
    ///
    /// # Errors
    /// The status that the debugger gets; unknown handles give [`Status::UNSUCCESSFUL`].
    fn remove_breakpoint(&mut self, _handle: u32) -> Result<(), Status> {
        Err(Status::UNSUCCESSFUL)
    }

    /// Why the guest stands still now.
    fn exception(&self) -> Exception;

    /// Lets the guest go on; a capture refuses with [`Status::NOT_SUPPORTED`], and the engine reports
    /// the same stop again with a line of text that says why.
    ///
    /// # Errors
    /// When it cannot.
    fn resume(&mut self, processor: u16, how: Continue) -> Result<(), Status>;

    /// Boots the guest anew; it runs then.
    ///
    /// # Errors
    /// When it cannot.
    fn reboot(&mut self) -> Result<(), Status> {
        Err(Status::NOT_SUPPORTED)
    }

    /// Stops a guest that runs. What stops is reported by [`Debuggee::exception`].
    ///
    /// # Errors
    /// When it cannot.
    fn stop(&mut self) -> Result<(), Status>;

    /// Whether a running guest has stopped by itself since the last question.
    ///
    /// # Errors
    /// When the guest is gone.
    fn stopped(&mut self) -> Result<bool, Status> {
        Ok(false)
    }

    /// Why it stands still, in words for the user; `None` for what is not worth a line (a single step).
    fn why(&self) -> Option<String> {
        None
    }

    /// Why the last request failed, in words, once.
    fn trouble(&mut self) -> Option<String> {
        None
    }

    /// Whether at the last stop another kernel was found than the debugger was told of; told once.
    fn renewed(&mut self) -> bool {
        false
    }

    /// The debugger is gone: all of its breakpoints are taken out, and the guest runs if it ran before it was opened.
    ///
    /// # Errors
    /// When the guest does not obey.
    fn release(&mut self) -> Result<(), Status> {
        Ok(())
    }

    /// Why there is no guest any more.
    fn gone(&self) -> Option<&str> {
        None
    }
}
