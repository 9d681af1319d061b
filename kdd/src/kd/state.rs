//! What the target sends by itself: state changes and debug I/O.
//!
//! Follows DBGKD_ANY_WAIT_STATE_CHANGE and DBGKD_DEBUG_IO of the ReactOS header `windbgkd.h`. A state
//! change is 240 bytes on x64 and x86 alike: state, processor, thread and program counter, 160 bytes that
//! depend on the state, and from C0 on the control report with what a debugger shows of the place where
//! the guest stands. Paths and strings follow the 240 bytes.

use super::debuggee::{Debuggee, Exception};
use super::manipulate::extended;
use super::packet::MAX_PAYLOAD;
use crate::memory::Gva;
use crate::windows::Architecture;

/// Length of a state change without what follows it.
pub const STATE_CHANGE: usize = 240;
/// Bytes of code in the control report.
const STREAM: usize = 16;
/// Offset of the control report.
const REPORT: usize = 0xc0;
/// Length of DBGKD_DEBUG_IO.
const DEBUG_IO: usize = 16;

/// States, by the first word of a STATE_CHANGE64 packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The guest stopped with an exception.
    Exception,
    /// A module was loaded or unloaded.
    LoadSymbols,
    /// The guest asks the debugger to run a command.
    CommandString,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Exception, Self::LoadSymbols, Self::CommandString];

    /// Its number.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Exception => 0x3030,
            Self::LoadSymbols => 0x3031,
            Self::CommandString => 0x3032,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exception => "exception",
            Self::LoadSymbols => "load symbols",
            Self::CommandString => "command string",
        }
    }
}

/// Kinds of DEBUG_IO packets: print string.
pub const PRINT: u32 = 0x3230;
/// Kinds of DEBUG_IO packets: get string.
pub const GET_STRING: u32 = 0x3231;

/// A module that was loaded or unloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbols {
    /// Base.
    pub base: Gva,
    /// SizeOfImage.
    pub size: u32,
    /// CheckSum of the PE header.
    pub checksum: u32,
    /// Process id; -1 for all processes.
    pub process: u64,
    /// Path, as the debugger shall see it.
    pub path: String,
    /// Unloaded.
    pub unload: bool,
}

/// The payload of a state change while it is put together.
struct Change {
    bytes: [u8; STATE_CHANGE],
    architecture: Architecture,
}

impl Change {
    /// The part that all states share.
    fn new(state: State, processor: u16, guest: &dyn Debuggee) -> Self {
        let architecture = guest.version().architecture;
        let mut change = Self {
            bytes: [0; STATE_CHANGE],
            architecture,
        };
        let counter = guest.program_counter(processor);
        change.put(0, &state.number().to_le_bytes());
        change.put(4, &guest.processor_level().to_le_bytes());
        change.put(6, &processor.to_le_bytes());
        change.put(8, &u32::from(guest.processors()).to_le_bytes());
        change.put_address(16, guest.thread(processor));
        change.put_address(24, counter);
        change.report(processor, counter, guest);
        change
    }

    fn put(&mut self, at: usize, value: &[u8]) {
        let field = at.checked_add(value.len()).and_then(|end| self.bytes.get_mut(at..end));
        if let Some(field) = field {
            field.copy_from_slice(value);
        }
    }

    fn put_address(&mut self, at: usize, address: Gva) {
        self.put(at, &extended(self.architecture, address).to_le_bytes());
    }

    /// The control report. Dr6 and Dr7 are those of the kernel's special registers; what the guest does
    /// not know stays zero, and the flags then do not claim that segments are there.
    fn report(&mut self, processor: u16, counter: Gva, guest: &dyn Debuggee) {
        let mut stream = [0; STREAM];
        let count = guest.read_virtual(processor, counter, &mut stream).min(STREAM);
        let layout = Layout::of(self.architecture);
        let special = guest.special(processor).unwrap_or_default();
        let debug = special
            .get(layout.special_dr6..)
            .and_then(|rest| rest.get(..layout.word * 2));
        self.put(REPORT, debug.unwrap_or_default());
        let count = u16::try_from(count).unwrap_or(0);
        self.put(layout.count, &count.to_le_bytes());
        self.put(layout.stream, &stream);
        let Ok(context) = guest.context(processor) else { return };
        let field = |at: usize, length: usize| context.get(at..at.checked_add(length)?);
        let mut flags = 0u16;
        if let Some(selectors) = layout
            .segments
            .map(|at| field(at, 2))
            .into_iter()
            .collect::<Option<Vec<_>>>()
        {
            self.put(layout.selectors, &selectors.concat());
            let standard = selectors.first().copied() == Some(&layout.kernel_code.to_le_bytes()[..]);
            flags = 1 | u16::from(standard) << 1;
        }
        self.put(layout.count.saturating_add(2), &flags.to_le_bytes());
        self.put(layout.report_eflags, field(layout.eflags, 4).unwrap_or_default());
    }
}

/// Where the pieces of a control report come from and go to.
struct Layout {
    /// Length of Dr6 and Dr7.
    word: usize,
    /// KernelDr6 in the special registers; KernelDr7 follows.
    special_dr6: usize,
    /// CS, DS, ES, FS in the CONTEXT.
    segments: [usize; 4],
    /// EFlags in the CONTEXT.
    eflags: usize,
    /// The kernel's code selector.
    kernel_code: u16,
    /// Offsets in the state change: count of the code bytes, the bytes, selectors, EFlags.
    count: usize,
    stream: usize,
    selectors: usize,
    report_eflags: usize,
}

impl Layout {
    fn of(architecture: Architecture) -> Self {
        match architecture {
            Architecture::X64 => Self {
                word: 8,
                special_dr6: 0x40,
                segments: [0x38, 0x3a, 0x3c, 0x3e],
                eflags: 0x44,
                kernel_code: 0x10,
                count: REPORT + 20,
                stream: REPORT + 24,
                selectors: REPORT + 40,
                report_eflags: REPORT + 16,
            },
            Architecture::X86 => Self {
                word: 4,
                special_dr6: 0x20,
                segments: [0xbc, 0x98, 0x94, 0x90],
                eflags: 0xc0,
                kernel_code: 8,
                count: REPORT + 8,
                stream: REPORT + 12,
                selectors: REPORT + 28,
                report_eflags: REPORT + 36,
            },
        }
    }
}

/// An exception: the guest stands still. A breakpoint has one parameter, 0 (it was hit).
#[must_use]
pub fn exception(exception: Exception, guest: &dyn Debuggee) -> Vec<u8> {
    let mut change = Change::new(State::Exception, exception.processor, guest);
    change.put(32, &exception.code.to_le_bytes());
    change.put_address(48, exception.address);
    change.put(56, &u32::from(exception.code == BREAKPOINT).to_le_bytes());
    change.put(184, &1u32.to_le_bytes());
    change.bytes.to_vec()
}

/// STATUS_BREAKPOINT.
pub const BREAKPOINT: u32 = 0x8000_0003;
/// STATUS_WAKE_SYSTEM_DEBUGGER: a processor stands still because the debugger looks at it.
pub const WAKE_SYSTEM_DEBUGGER: u32 = 0x8000_0007;

/// A module was loaded or unloaded.
#[must_use]
pub fn load_symbols(symbols: &Symbols, processor: u16, guest: &dyn Debuggee) -> Vec<u8> {
    let mut change = Change::new(State::LoadSymbols, processor, guest);
    let path = [cut(&symbols.path, MAX_PAYLOAD - STATE_CHANGE - 1).as_bytes(), &[0]].concat();
    let length = if symbols.path.is_empty() { 0 } else { path.len() };
    change.put(32, &u32::try_from(length).unwrap_or(0).to_le_bytes());
    change.put_address(40, symbols.base);
    change.put(48, &symbols.process.to_le_bytes());
    change.put(56, &symbols.checksum.to_le_bytes());
    change.put(60, &symbols.size.to_le_bytes());
    change.put(64, &[u8::from(symbols.unload)]);
    [&change.bytes[..], path.get(..length).unwrap_or_default()].concat()
}

/// The debugger shall run a command: its name and the command follow, each with a zero.
#[must_use]
pub fn command_string(name: &str, command: &str, processor: u16, guest: &dyn Debuggee) -> Vec<u8> {
    let change = Change::new(State::CommandString, processor, guest);
    let name = cut(name, 127);
    let command = cut(command, MAX_PAYLOAD - STATE_CHANGE - 2 - 127);
    [&change.bytes[..], name.as_bytes(), &[0], command.as_bytes(), &[0]].concat()
}

/// A line for the debugger's window.
#[must_use]
pub fn print(text: &str, processor: u16, guest: &dyn Debuggee) -> Vec<u8> {
    let text = cut(text, MAX_PAYLOAD - DEBUG_IO);
    let length = u32::try_from(text.len()).unwrap_or(0);
    debug_io(PRINT, processor, [length, 0], text, guest)
}

/// A question for the debugger's window; at most `longest` bytes of answer.
#[must_use]
pub fn get_string(prompt: &str, longest: u16, processor: u16, guest: &dyn Debuggee) -> Vec<u8> {
    let prompt = cut(prompt, MAX_PAYLOAD - DEBUG_IO);
    let length = u32::try_from(prompt.len()).unwrap_or(0);
    debug_io(GET_STRING, processor, [length, longest.into()], prompt, guest)
}

fn debug_io(number: u32, processor: u16, lengths: [u32; 2], text: &str, guest: &dyn Debuggee) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(DEBUG_IO.saturating_add(text.len()));
    bytes.extend(number.to_le_bytes());
    bytes.extend(guest.processor_level().to_le_bytes());
    bytes.extend(processor.to_le_bytes());
    bytes.extend(lengths.into_iter().flat_map(u32::to_le_bytes));
    bytes.extend(text.as_bytes());
    bytes
}

/// What the debugger answered to a question; `None` when this is no such answer.
#[must_use]
pub fn string_read(payload: &[u8]) -> Option<&[u8]> {
    let number = u32::from_le_bytes(*payload.first_chunk()?);
    let length = u32::from_le_bytes(*payload.get(12..)?.first_chunk()?);
    let text = payload.get(DEBUG_IO..)?;
    (number == GET_STRING).then(|| text.get(..usize::try_from(length).ok()?.min(text.len())))?
}

/// The first bytes of a text, no character halved.
fn cut(text: &str, longest: usize) -> &str {
    let end = (0..=longest.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}
