//! MANIPULATE: requests of the debugger and their answers, by table.
//!
//! A header of 56 bytes: API u32, processor level u16, processor u16, status u32, then at 16 the fields of
//! the API; data follows it. Names are those of the engine. A request carries junk where only the answer has
//! a value, so the two have tables of their own.

use super::Words;
use super::field::{self, Field, Show, bits, bytes, count, joined, named, status};
use super::registers;
use crate::kd::manipulate::Api as Request;

/// Length of the header.
const HEADER: usize = 56;
/// Machine code of x86.
const X86: u16 = 0x14c;

/// What follows the header.
#[derive(Clone, Copy)]
enum Data {
    /// Nothing that counts.
    None,
    /// Memory.
    Bytes,
    /// A CONTEXT, or the piece of one whose offset stands at 16.
    Context,
    /// KSPECIAL_REGISTERS, or an address, as the number at 16 says.
    ControlSpace,
    /// Rows of 16 bytes: address, handle.
    Breakpoints,
}

/// What a request and its answer hold.
struct Api {
    of: Request,
    request: &'static [Field],
    request_data: Data,
    reply: &'static [Field],
    reply_data: Data,
}

const BIT_STATUS: &[(u32, &str)] = &[
    (0x0001_0001, "exception handled"),
    (0x0001_0002, "continue"),
    (0x8001_0001, "exception not handled"),
];
const SPACES: &[(u32, &str)] = &[(0, "process"), (1, "session"), (2, "kernel")];
const RIGHTS: &[(u32, &str)] = &[(1, "read"), (2, "write"), (4, "execute"), (8, "fixed")];
const FILL: &[(u32, &str)] = &[(1, "virtual"), (2, "physical")];

const MEMORY: &[Field] = &[Field("", 16, Show::Address), Field("count", 24, Show::Hex32)];
const MEMORY_DONE: &[Field] = &[
    Field("", 16, Show::Address),
    Field("count", 24, Show::Hex32),
    Field("done", 28, Show::Hex32),
];
const PHYSICAL: &[Field] = &[
    Field("physical", 16, Show::Address),
    Field("count", 24, Show::Hex32),
    Field("caching", 28, Show::Hex32),
];
const PHYSICAL_DONE: &[Field] = &[
    Field("physical", 16, Show::Address),
    Field("count", 24, Show::Hex32),
    Field("done", 28, Show::Hex32),
];
const PART: &[Field] = &[Field("offset", 16, Show::Hex32), Field("count", 20, Show::Hex32)];
const PART_DONE: &[Field] = &[
    Field("offset", 16, Show::Hex32),
    Field("count", 20, Show::Hex32),
    Field("done", 24, Show::Hex32),
];
const CONTROL: &[Field] = &[Field("count", 24, Show::Hex32)];
const CONTROL_DONE: &[Field] = &[Field("count", 24, Show::Hex32), Field("done", 28, Show::Hex32)];
const PORT: &[Field] = &[Field("port", 16, Show::Hex64), Field("size", 24, Show::Count)];
const PORT_VALUE: &[Field] = &[
    Field("port", 16, Show::Hex64),
    Field("size", 24, Show::Count),
    Field("value", 28, Show::Hex32),
];
const PORT_EXTENDED: &[Field] = &[
    Field("size", 16, Show::Count),
    Field("interface", 20, Show::Count),
    Field("bus", 24, Show::Count),
    Field("space", 28, Show::Count),
    Field("port", 32, Show::Hex64),
];
const PORT_EXTENDED_VALUE: &[Field] = &[
    Field("size", 16, Show::Count),
    Field("interface", 20, Show::Count),
    Field("bus", 24, Show::Count),
    Field("space", 28, Show::Count),
    Field("port", 32, Show::Hex64),
    Field("value", 40, Show::Hex32),
];
const BUS: &[Field] = &[
    Field("type", 16, Show::Count),
    Field("bus", 20, Show::Count),
    Field("slot", 24, Show::Hex32),
    Field("offset", 28, Show::Hex32),
    Field("count", 32, Show::Hex32),
];
const MSR: &[Field] = &[Field("msr", 16, Show::Hex32)];
const MSR_VALUE: &[Field] = &[Field("msr", 16, Show::Hex32), Field("value", 20, Show::Pair)];
const NOTHING: &[Field] = &[];

/// A row whose request and answer have fields, and data on one side at most.
const fn api(
    of: Request,
    (request, request_data): (&'static [Field], Data),
    (reply, reply_data): (&'static [Field], Data),
) -> Api {
    Api {
        of,
        request,
        request_data,
        reply,
        reply_data,
    }
}

/// Requests of old debuggers that the engine does not have.
const OLD: &[(u32, &str)] = &[(0x3154, "OldVlm1"), (0x3155, "OldVlm2")];

/// Those that hold anything.
const APIS: &[Api] = &[
    api(
        Request::ReadVirtualMemory,
        (MEMORY, Data::None),
        (MEMORY_DONE, Data::Bytes),
    ),
    api(
        Request::WriteVirtualMemory,
        (MEMORY, Data::Bytes),
        (MEMORY_DONE, Data::None),
    ),
    api(Request::GetContext, (NOTHING, Data::None), (NOTHING, Data::Context)),
    api(
        Request::SetContext,
        (&[Field("flags", 16, Show::Code)], Data::Context),
        (NOTHING, Data::None),
    ),
    api(
        Request::WriteBreakPoint,
        (&[Field("", 16, Show::Address)], Data::None),
        (
            &[Field("", 16, Show::Address), Field("handle", 24, Show::Count)],
            Data::None,
        ),
    ),
    api(
        Request::RestoreBreakPoint,
        (&[Field("handle", 16, Show::Count)], Data::None),
        (&[Field("handle", 16, Show::Count)], Data::None),
    ),
    api(
        Request::Continue,
        (&[Field("", 16, Show::Named(BIT_STATUS))], Data::None),
        (NOTHING, Data::None),
    ),
    api(
        Request::ReadControlSpace,
        (CONTROL, Data::None),
        (CONTROL_DONE, Data::ControlSpace),
    ),
    api(
        Request::WriteControlSpace,
        (CONTROL, Data::ControlSpace),
        (CONTROL_DONE, Data::None),
    ),
    api(Request::ReadIoSpace, (PORT, Data::None), (PORT_VALUE, Data::None)),
    api(
        Request::WriteIoSpace,
        (PORT_VALUE, Data::None),
        (PORT_VALUE, Data::None),
    ),
    api(
        Request::Continue2,
        (
            &[
                Field("", 16, Show::Named(BIT_STATUS)),
                Field("trace", 20, Show::Flag),
                Field("Dr7", 24, Show::Hex64),
                Field("symbols", 32, Show::Hex64),
                Field("to", 40, Show::Hex64),
            ],
            Data::None,
        ),
        (NOTHING, Data::None),
    ),
    api(
        Request::ReadPhysicalMemory,
        (PHYSICAL, Data::None),
        (PHYSICAL_DONE, Data::Bytes),
    ),
    api(
        Request::WritePhysicalMemory,
        (PHYSICAL, Data::Bytes),
        (PHYSICAL_DONE, Data::None),
    ),
    api(
        Request::QuerySpecialCalls,
        (NOTHING, Data::None),
        (NOTHING, Data::Bytes),
    ),
    api(
        Request::SetSpecialCall,
        (&[Field("", 16, Show::Address)], Data::None),
        (&[Field("", 16, Show::Address)], Data::None),
    ),
    api(
        Request::SetInternalBreakPoint,
        (
            &[Field("", 16, Show::Address), Field("flags", 24, Show::Hex32)],
            Data::None,
        ),
        (NOTHING, Data::None),
    ),
    api(
        Request::GetInternalBreakPoint,
        (&[Field("", 16, Show::Address)], Data::None),
        (
            &[
                Field("", 16, Show::Address),
                Field("flags", 24, Show::Hex32),
                Field("calls", 28, Show::Count),
            ],
            Data::None,
        ),
    ),
    api(
        Request::ReadIoSpaceExtended,
        (PORT_EXTENDED, Data::None),
        (PORT_EXTENDED_VALUE, Data::None),
    ),
    api(
        Request::WriteIoSpaceExtended,
        (PORT_EXTENDED_VALUE, Data::None),
        (PORT_EXTENDED_VALUE, Data::None),
    ),
    api(
        Request::GetVersion,
        (NOTHING, Data::None),
        (
            &[
                Field("major", 16, Show::Count16),
                Field("build", 18, Show::Count16),
                Field("protocol", 20, Show::Count8),
                Field("secondary", 21, Show::Count8),
                Field("kernel", 32, Show::Address),
                Field("modules", 40, Show::Address),
                Field("debugger data", 48, Show::Address),
            ],
            Data::None,
        ),
    ),
    api(
        Request::WriteBreakPointEx,
        (
            &[Field("count", 16, Show::Count), Field("", 20, Show::Named(BIT_STATUS))],
            Data::Breakpoints,
        ),
        (&[Field("count", 16, Show::Count)], Data::Breakpoints),
    ),
    api(
        Request::RestoreBreakPointEx,
        (&[Field("count", 16, Show::Count)], Data::Bytes),
        (&[Field("count", 16, Show::Count)], Data::Bytes),
    ),
    api(
        Request::CauseBugCheck,
        (&[Field("code", 16, Show::Code)], Data::None),
        (NOTHING, Data::None),
    ),
    api(
        Request::PageIn,
        (&[Field("", 16, Show::Address)], Data::None),
        (&[Field("", 16, Show::Address)], Data::None),
    ),
    api(
        Request::ReadMachineSpecificRegister,
        (MSR, Data::None),
        (MSR_VALUE, Data::None),
    ),
    api(
        Request::WriteMachineSpecificRegister,
        (MSR_VALUE, Data::None),
        (MSR_VALUE, Data::None),
    ),
    api(
        Request::SearchMemory,
        (
            &[
                Field("from", 16, Show::Address),
                Field("length", 24, Show::Hex64),
                Field("pattern", 32, Show::Count),
            ],
            Data::Bytes,
        ),
        (&[Field("found", 16, Show::Address)], Data::None),
    ),
    api(Request::GetBusData, (BUS, Data::None), (BUS, Data::Bytes)),
    api(Request::SetBusData, (BUS, Data::Bytes), (BUS, Data::None)),
    api(
        Request::FillMemory,
        (
            &[
                Field("", 16, Show::Address),
                Field("count", 24, Show::Hex32),
                Field("pattern", 30, Show::Count16),
            ],
            Data::Bytes,
        ),
        (
            &[Field("", 16, Show::Address), Field("done", 24, Show::Hex32)],
            Data::None,
        ),
    ),
    api(
        Request::QueryMemory,
        (&[Field("", 16, Show::Address)], Data::None),
        (
            &[
                Field("", 16, Show::Address),
                Field("space", 32, Show::Named(SPACES)),
                Field("rights", 36, Show::Bits(RIGHTS)),
            ],
            Data::None,
        ),
    ),
    api(
        Request::SwitchPartition,
        (&[Field("partition", 16, Show::Count)], Data::None),
        (&[Field("partition", 16, Show::Count)], Data::None),
    ),
    api(
        Request::WriteCustomBreakpoint,
        (
            &[
                Field("", 16, Show::Address),
                Field("instruction", 24, Show::Hex64),
                Field("size", 36, Show::Count8),
                Field("alignment", 37, Show::Count8),
            ],
            Data::None,
        ),
        (
            &[Field("", 16, Show::Address), Field("handle", 32, Show::Count)],
            Data::None,
        ),
    ),
    api(Request::GetContextEx, (PART, Data::None), (PART_DONE, Data::Context)),
    api(Request::SetContextEx, (PART, Data::Context), (PART_DONE, Data::None)),
    api(
        Request::ReadPhysicalMemoryLong,
        (
            &[Field("physical", 16, Show::Address), Field("count", 24, Show::Hex32)],
            Data::None,
        ),
        (PHYSICAL_DONE, Data::Bytes),
    ),
];

/// Fields of Continue2 on x86, where they are u32.
const CONTINUE2_X86: &[Field] = &[
    Field("", 16, Show::Named(BIT_STATUS)),
    Field("trace", 20, Show::Flag),
    Field("Dr7", 24, Show::Hex32),
    Field("symbols", 28, Show::Hex32),
    Field("to", 32, Show::Hex32),
];

/// A MANIPULATE packet in words.
pub(super) fn words(machine: &mut Option<u16>, reply: bool, payload: &[u8]) -> Words {
    let Some(number) = field::u32(payload, 0) else {
        return Words::short(format!("{} of a request", count(payload.len())));
    };
    let request = Request::from_number(number);
    let old = OLD.iter().find(|(old, _)| *old == number).map(|(_, name)| *name);
    let Some(name) = request.map(Request::name).or(old) else {
        return Words::unknown(format!("request {number:#06x}: {}", bytes(payload)));
    };
    let api = APIS.iter().find(|api| Some(api.of) == request);
    let mut parts = Vec::new();
    match field::u16(payload, 6) {
        Some(0xffff) | None => {}
        // The first GetVersion has junk there.
        Some(_) if number == 0x3146 && !reply => {}
        Some(processor) => parts.push(format!("cpu {processor}")),
    }
    let failed = reply && field::u32(payload, 8).is_some_and(|status| status & 0x8000_0000 != 0);
    if reply {
        parts.extend(field::u32(payload, 8).map(status));
    }
    let (fields, kind) = match api {
        Some(api) if reply => (api.reply, api.reply_data),
        Some(api) => (api.request, api.request_data),
        None => (NOTHING, Data::None),
    };
    let fields = match (number, *machine) {
        (0x313c, Some(X86)) => CONTINUE2_X86,
        _ => fields,
    };
    match number {
        0x3137 | 0x3138 => parts.extend(field::u64(payload, 16).map(|space| control_space(*machine, space))),
        0x315b if !reply => {
            parts.extend(field::u16(payload, 28).map(|flags| bits(FILL, u32::from(flags))));
        }
        0x3146 if reply && !failed => {
            *machine = field::u16(payload, 24);
            parts.extend(version(payload));
        }
        _ => {}
    }
    let shown = joined(fields, payload);
    if !shown.is_empty() {
        parts.push(shown);
    }
    let data = payload.get(HEADER..).unwrap_or_default();
    parts.extend(data_words(kind, *machine, payload, data));
    let text = [name.to_owned(), parts.join(", ")].join(" ");
    Words {
        short: payload.len() < HEADER,
        ..Words::new(text.trim_end())
    }
}

fn data_words(kind: Data, machine: Option<u16>, payload: &[u8], data: &[u8]) -> Option<String> {
    if data.is_empty() {
        return None;
    }
    match kind {
        Data::None => None,
        Data::Bytes => Some(format!("{}: {}", count(data.len()), bytes(data))),
        Data::Context => {
            let number = field::u32(payload, 0)?;
            let offset = if matches!(number, 0x315f | 0x3160) {
                field::u32(payload, 16)?
            } else {
                0
            };
            Some(registers::context(machine, offset, data))
        }
        Data::ControlSpace => {
            let space = field::u64(payload, 16)?;
            match (machine, space) {
                (Some(X86), _) => Some(format!("{}: {}", count(data.len()), bytes(data))),
                (_, 2) => Some(registers::special(data)),
                _ => field::u64(data, 0).map(|address| format!("{address:016x}")),
            }
        }
        Data::Breakpoints => {
            let rows = data.chunks(16).filter_map(|row| {
                let (address, handle) = (field::u64(row, 0)?, field::u32(row, 8)?);
                Some(format!("{address:016x} handle {handle}"))
            });
            Some(rows.take(8).collect::<Vec<_>>().join("; "))
        }
    }
}

fn control_space(machine: Option<u16>, space: u64) -> String {
    let name = match (machine, space) {
        (Some(X86), _) => return format!("offset {space:#x} of the processor's state"),
        (_, 0) => "KPCR",
        (_, 1) => "KPRCB",
        (_, 2) => "special registers",
        (_, 3) => "current thread",
        _ => return format!("space {space:#x}"),
    };
    name.to_owned()
}

fn version(payload: &[u8]) -> Option<String> {
    const MACHINES: &[(u32, &str)] = &[(0x14c, "x86"), (0x8664, "x64"), (0xaa64, "ARM64"), (0x1c4, "ARM")];
    const FLAGS: &[(u32, &str)] = &[
        (1, "multiprocessor"),
        (2, "data"),
        (4, "64-bit pointers"),
        (8, "no memory management"),
        (0x10, "hardware single step"),
        (0x20, "partitions"),
    ];
    let machine = named(MACHINES, u32::from(field::u16(payload, 24)?));
    let flags = bits(FLAGS, u32::from(field::u16(payload, 22)?));
    Some(format!("machine {machine}, {flags}"))
}
