//! What Xen says of itself: `XENVER_*` of xen/include/public/version.h, and the two numbers of shared
//! memory (`XENMEM_get_sharing_*` of memory.h).

use rustix::io::Errno;

use super::call::{Call, Hypercall, Hypercalls, u64_at};

/// A text of Xen's: its newer number without a limit of length, and the older with one.
#[derive(Clone, Copy)]
pub(super) struct Text {
    number: u32,
    older: Option<(u32, usize)>,
}

pub(super) const EXTRAVERSION: Text = Text::new(11, 1, 16);
pub(super) const CAPABILITIES: Text = Text::new(12, 3, 1024);
pub(super) const CHANGESET: Text = Text::new(13, 4, 64);
pub(super) const COMMANDLINE: Text = Text::new(14, 9, 1024);
const BUILD_ID: u32 = 10;
const VERSION: u32 = 0;
const COMPILE_INFO: u32 = 2;
const PLATFORM_PARAMETERS: u32 = 5;
const PAGESIZE: u32 = 7;
const SHARING_FREED: u32 = 18;
const SHARING_USED: u32 = 19;

/// Longest text that is taken.
const LIMIT: u32 = 1 << 16;

impl Text {
    const fn new(number: u32, older: u32, length: usize) -> Self {
        Self {
            number,
            older: Some((older, length)),
        }
    }

    /// The text; empty when Xen gives none.
    pub(super) fn read(self, xen: &dyn Hypercalls) -> String {
        let newer = variable(xen, self.number);
        let bytes = newer.or_else(|error| match self.older {
            Some((number, length)) => fixed(xen, number, length),
            None => Err(error),
        });
        text(&bytes.unwrap_or_default())
    }
}

/// Major and minor version.
pub(super) fn version(xen: &dyn Hypercalls) -> Result<(u32, u32), Errno> {
    let answer = xen.make(&mut Call::with_command(Hypercall::Version, VERSION, 0))?;
    Ok((answer >> 16, answer & 0xff))
}

pub(super) fn page_size(xen: &dyn Hypercalls) -> Result<u32, Errno> {
    xen.make(&mut Call::with_command(Hypercall::Version, PAGESIZE, 0))
}

pub(super) fn virt_start(xen: &dyn Hypercalls) -> u64 {
    fixed(xen, PLATFORM_PARAMETERS, 8).map_or(0, |bytes| u64_at(&bytes, 0))
}

/// Compiler, who compiled it, their domain, and when.
pub(super) fn compile_info(xen: &dyn Hypercalls) -> [String; 4] {
    let bytes = fixed(xen, COMPILE_INFO, 144).unwrap_or_default();
    [0..64, 64..80, 80..112, 112..144].map(|range| text(bytes.get(range).unwrap_or_default()))
}

/// The build id in hexadecimal; empty when there is none.
pub(super) fn build_id(xen: &dyn Hypercalls) -> String {
    let bytes = variable(xen, BUILD_ID).unwrap_or_default();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Pages that sharing freed, and frames that are shared; 0 where Xen does not share.
pub(super) fn sharing(xen: &dyn Hypercalls) -> (u32, u32) {
    let ask = |number| xen.make(&mut Call::with_command(Hypercall::Memory, number, 0));
    (ask(SHARING_FREED).unwrap_or(0), ask(SHARING_USED).unwrap_or(0))
}

fn fixed(xen: &dyn Hypercalls, number: u32, length: usize) -> Result<Vec<u8>, Errno> {
    let mut call = Call::with_command(Hypercall::Version, number, length);
    xen.make(&mut call)?;
    Ok(call.structure)
}

/// `xen_varbuf_t`: without one the answer is the length; with one, how much was written.
fn variable(xen: &dyn Hypercalls, number: u32) -> Result<Vec<u8>, Errno> {
    let length = xen.make(&mut Call::with_command(Hypercall::Version, number, 0))?;
    let length = length.min(LIMIT);
    let room = usize::try_from(length).unwrap_or(0);
    let mut call = Call::with_command(Hypercall::Version, number, room.saturating_add(4)).number(0, length);
    let written = xen.make(&mut call)?;
    let mut bytes = call.structure.split_off(4.min(call.structure.len()));
    bytes.truncate(usize::try_from(written).unwrap_or(0));
    Ok(bytes)
}

/// Up to the first zero, on one line.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let text = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default());
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}
