//! Requests of the debugger (MANIPULATE packets) and their answers.
//!
//! Follows DBGKD_MANIPULATE_STATE64 of the ReactOS header `windbgkd.h`, checked on traffic of
//! Microsoft's debugger engine 10.0.15063. A request is 56 bytes: u32 number at 0, u16 processor level at
//! 4, u16 processor at 6, u32 status at 8, arguments from 16 on; data follows at 56. The answer is the
//! same 56 bytes with the status and what the request asks for, and data. Bytes that a request does not
//! use are whatever was on the debugger's stack: they are never looked at, and go back as they came.
//!
//! One request is one file, and one line in the table below; the enum, the names and the dispatcher
//! follow from the table. Numbers that are not in it are answered with STATUS_UNSUCCESSFUL, as Windows
//! does.

mod exchange;

use super::debuggee::{Continue, Debuggee, Status};
pub use exchange::{Exchange, MAX_DATA, STATE, extended};

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is answered with this status.
    Reply(Status),
    /// It is answered with these replies, which are not acknowledged.
    Stream(Vec<Vec<u8>>),
    /// It is not answered.
    Silence,
    /// The guest shall go on; not answered.
    Go(Continue),
    /// Another processor becomes the current one; its state change is the answer.
    Switch(u16),
    /// The guest shall boot anew; not answered.
    Reboot,
    /// The guest shall stop with a bug check; not answered.
    BugCheck,
}

impl From<Result<(), Status>> for Outcome {
    fn from(result: Result<(), Status>) -> Self {
        Self::Reply(result.err().unwrap_or(Status::SUCCESS))
    }
}

macro_rules! requests {
    ($($(#[$doc:meta])* $number:literal $name:ident $module:ident;)*) => {
        $(mod $module;)*

        /// A request that is known.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Api {
            $($(#[$doc])* $name,)*
        }

        impl Api {
            /// All of them, by number.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its number.
            #[must_use]
            pub fn number(self) -> u32 {
                match self {
                    $(Self::$name => $number,)*
                }
            }

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// The request with a number.
            #[must_use]
            pub fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Answers it: the exchange then holds the reply.
            pub fn answer(self, exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Outcome {
                match self {
                    $(Self::$name => $module::answer(exchange, guest).into(),)*
                }
            }
        }
    };
}

requests! {
    /// Reads virtual memory.
    0x3130 ReadVirtualMemory read_virtual;
    /// Writes virtual memory.
    0x3131 WriteVirtualMemory write_virtual;
    /// Registers.
    0x3132 GetContext get_context;
    /// Sets registers.
    0x3133 SetContext set_context;
    /// Sets a breakpoint.
    0x3134 WriteBreakPoint write_breakpoint;
    /// Removes a breakpoint.
    0x3135 RestoreBreakPoint restore_breakpoint;
    /// Lets the guest go on (old form).
    0x3136 Continue go;
    /// Special registers, addresses of the processor's structures.
    0x3137 ReadControlSpace read_control_space;
    /// Sets special registers.
    0x3138 WriteControlSpace write_control_space;
    /// Reads an I/O port.
    0x3139 ReadIoSpace read_io;
    /// Writes an I/O port.
    0x313a WriteIoSpace write_io;
    /// Boots the guest anew.
    0x313b Reboot reboot;
    /// Lets the guest go on, or one step.
    0x313c Continue2 go2;
    /// Reads physical memory.
    0x313d ReadPhysicalMemory read_physical;
    /// Writes physical memory.
    0x313e WritePhysicalMemory write_physical;
    /// Lists special calls.
    0x313f QuerySpecialCalls query_special_calls;
    /// Adds a special call.
    0x3140 SetSpecialCall set_special_call;
    /// Drops the special calls.
    0x3141 ClearSpecialCalls clear_special_calls;
    /// Sets an internal breakpoint.
    0x3142 SetInternalBreakPoint set_internal_breakpoint;
    /// Counters of an internal breakpoint.
    0x3143 GetInternalBreakPoint get_internal_breakpoint;
    /// Reads an I/O port of a bus.
    0x3144 ReadIoSpaceExtended read_io_extended;
    /// Writes an I/O port of a bus.
    0x3145 WriteIoSpaceExtended write_io_extended;
    /// Version.
    0x3146 GetVersion get_version;
    /// Sets many breakpoints.
    0x3147 WriteBreakPointEx write_breakpoints;
    /// Removes many breakpoints.
    0x3148 RestoreBreakPointEx restore_breakpoints;
    /// Crashes the guest.
    0x3149 CauseBugCheck cause_bug_check;
    /// Makes another processor the current one.
    0x3150 SwitchProcessor switch_processor;
    /// Brings in a page.
    0x3151 PageIn page_in;
    /// Reads a model-specific register.
    0x3152 ReadMachineSpecificRegister read_msr;
    /// Writes a model-specific register.
    0x3153 WriteMachineSpecificRegister write_msr;
    /// Searches virtual memory.
    0x3156 SearchMemory search_memory;
    /// Reads configuration space of a bus.
    0x3157 GetBusData get_bus_data;
    /// Writes configuration space of a bus.
    0x3158 SetBusData set_bus_data;
    /// Looks for use of memory below 4 GiB.
    0x3159 CheckLowMemory check_low_memory;
    /// Drops the internal breakpoints.
    0x315a ClearAllInternalBreakpoints clear_internal_breakpoints;
    /// Fills memory with a pattern.
    0x315b FillMemory fill_memory;
    /// Kind of the memory at an address.
    0x315c QueryMemory query_memory;
    /// Changes to another partition.
    0x315d SwitchPartition switch_partition;
    /// Writes a breakpoint of a given instruction.
    0x315e WriteCustomBreakpoint write_custom_breakpoint;
    /// A piece of the registers.
    0x315f GetContextEx get_context_ex;
    /// Sets a piece of the registers.
    0x3160 SetContextEx set_context_ex;
    /// Reads physical memory, more than one packet carries.
    0x3162 ReadPhysicalMemoryLong read_physical_long;
}
