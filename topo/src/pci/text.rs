//! What `lspci` printed, in any of its dialects: names, numbers, `-v` to `-vvv`, `-mm`, `-vmm`,
//! hex rows of `-x` to `-xxxx`, or several of these one after another in one file.
//!
//! Follows the output of pciutils 2.2 to 3.14. Text and hex rows of one slot become one
//! [`Function`]: registers come from the hex rows, while NUMA node, driver, slot names and BAR
//! sizes, which only the kernel knows, come from the text. What disagrees is damage, and so is a
//! row or a slot line that cannot be read; it costs that row or that device and nothing else.
//!
//! ```
//! let listing = topo::pci::text::parse(b"3b:00.0 0200: 15b3:1017 (rev 01)\n");
//! assert_eq!(listing.value.functions[0].vendor, Some(0x15b3));
//! ```

mod attribute;
mod block;
mod bytes;
mod merge;
mod record;
mod rows;
mod slot;
mod title;

use serde::Serialize;

use super::function::Function;
use crate::evidence::{Damage, Decoded, Place};

/// Everything one text told.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Listing {
    /// One entry per slot, in the order of first appearance.
    pub functions: Vec<Function>,
    /// What the text says of a function beyond [`Function`]; same order and length as `functions`.
    pub facts: Vec<Facts>,
    /// Lines that belong to no function: tree drawings, shell prompts, other commands.
    pub skipped_lines: usize,
}

/// What `lspci` text tells of one function beyond [`Function`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Line of the (first) slot line, counted from 1.
    pub line: u64,
    /// Base address registers and the expansion ROM.
    pub regions: Vec<Region>,
    /// Kernel modules that could drive the function.
    pub modules: Vec<String>,
    /// `lspci` ran without the right to read capabilities.
    pub access_denied: bool,
    /// The function answered with all ones ("Unknown header type 7f").
    pub unanswered: bool,
    /// The programming interface was printed; otherwise the low byte of the class is assumed 0.
    pub interface_told: bool,
    /// The text had attribute lines (`-v` or more) for this function.
    pub verbose: bool,
    /// The text had hex rows for this function.
    pub hex: bool,
}

/// Which kind of address range a [`Region`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RegionKind {
    /// Memory space.
    Memory,
    /// I/O port space.
    Io,
    /// Expansion ROM.
    Rom,
}

/// One address range of a function as the text tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Region {
    /// Number of the base address register; `None` where the dialect does not number them.
    pub number: Option<u8>,
    /// Memory, I/O or ROM.
    pub kind: RegionKind,
    /// Start address; `None` for `<unassigned>` and `<ignored>`.
    pub address: Option<u64>,
    /// Size in bytes.
    pub size: Option<u64>,
    /// 64-bit memory range.
    pub wide: bool,
    /// Prefetchable memory range.
    pub prefetchable: bool,
    /// Decoding of this range is off.
    pub disabled: bool,
    /// The address is the kernel's, the register holds another (`[virtual]`).
    pub kernel_address: bool,
}

/// Reads a text. Never fails: a text without a single slot line has no functions, and every line
/// of it counts as skipped.
#[must_use]
pub fn parse(text: &[u8]) -> Decoded<Listing> {
    let mut reader = block::Reader::new(text);
    for line in bytes::lines(text) {
        reader.line(&line);
    }
    reader.finish()
}

fn damage(line: u64, what: impl Into<String>, expected: impl Into<String>, seen: impl Into<String>) -> Damage {
    Damage {
        what: what.into(),
        place: Place::Line(line),
        expected: expected.into(),
        seen: seen.into(),
    }
}

#[cfg(test)]
mod tests;
