//! The header of a dump, 32-bit or 64-bit, decoded into one form.

use super::context::length;
use super::layout::{COMMENT_ROOM, FILLER, Layout};
use crate::memory::{Gpa, Gva};
use crate::target::fields::Fields;

/// What a header says. A field that was never written is `None`.
#[derive(Clone, Debug, Default)]
pub(super) struct Header {
    pub version: Option<(u32, u32)>,
    pub directory: Option<Gpa>,
    pub pfn_database: Option<Gva>,
    pub loaded_modules: Option<Gva>,
    pub active_processes: Option<Gva>,
    pub kdbg: Option<Gva>,
    pub machine: Option<u16>,
    pub processors: Option<u32>,
    pub bug_check: Option<[u64; 5]>,
    pub pae: Option<bool>,
    pub context: Option<Vec<u8>>,
    /// Code, flags, address.
    pub exception: Option<(u32, u32, Gva)>,
    pub comment: Option<String>,
    pub dump_type: u32,
    pub fields: Option<u32>,
    pub secondary_data: Option<u32>,
    pub product_type: Option<u32>,
    pub suite_mask: Option<u32>,
    pub writer_status: Option<u32>,
    pub required: Option<u64>,
    pub system_time: Option<u64>,
    pub up_time: Option<u64>,
    pub attributes: Option<u32>,
}

impl Header {
    /// Decodes the header; `None` when it is not all there.
    pub(super) fn decode(bytes: &[u8], layout: &Layout) -> Option<Self> {
        let bytes = Fields(bytes.get(..layout.length)?);
        let word = |at| {
            bytes
                .word(at, layout.pointer == 8)
                .filter(|value| !filler(*value, layout))
        };
        let u32 = |at| bytes.u32(at).filter(|value| u64::from(*value) != FILLER & 0xffff_ffff);
        let u64 = |at| bytes.u64(at).filter(|value| *value != FILLER);
        let pointer = |at| word(at).filter(|value| *value != 0);
        let machine = u32(layout.machine).and_then(|value| u16::try_from(value).ok());
        let directory_mask = if layout.pointer == 8 { !0xfff } else { !0x1f };
        Some(Self {
            version: u32(layout.major).zip(u32(layout.minor)),
            directory: pointer(layout.directory).map(|value| Gpa(value & directory_mask)),
            pfn_database: pointer(layout.pfn_database).map(Gva),
            loaded_modules: pointer(layout.loaded_modules).map(Gva),
            active_processes: pointer(layout.active_processes).map(Gva),
            kdbg: pointer(layout.kdbg).map(Gva),
            machine,
            processors: u32(layout.processors),
            bug_check: bug_check(u32(layout.bug_check), layout, word),
            pae: pae(bytes, layout),
            context: context(bytes, layout, machine),
            exception: exception(bytes, layout),
            comment: text(bytes.slice(layout.comment, COMMENT_ROOM).unwrap_or_default()),
            dump_type: bytes.u32(layout.dump_type)?,
            fields: u32(layout.fields),
            secondary_data: u32(layout.secondary_data),
            product_type: u32(layout.product_type),
            suite_mask: u32(layout.suite_mask),
            writer_status: u32(layout.writer_status),
            required: u64(layout.required),
            system_time: u64(layout.system_time).filter(|value| *value != 0),
            up_time: u64(layout.up_time),
            attributes: u32(layout.attributes),
        })
    }
}

fn filler(value: u64, layout: &Layout) -> bool {
    value
        == if layout.pointer == 8 {
            FILLER
        } else {
            FILLER & 0xffff_ffff
        }
}

/// Code and parameters; parameters that were never written are 0.
fn bug_check(code: Option<u32>, layout: &Layout, word: impl Fn(usize) -> Option<u64>) -> Option<[u64; 5]> {
    let mut values = [0; 5];
    let places = [0, 1, 2, 3].map(|number| layout.parameters + number * layout.pointer);
    let read = std::iter::once(Some(code?.into())).chain(places.map(word));
    for (value, seen) in values.iter_mut().zip(read) {
        *value = seen.unwrap_or(0);
    }
    Some(values)
}

fn pae(bytes: Fields<'_>, layout: &Layout) -> Option<bool> {
    match bytes.array::<1>(layout.pae?)? {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}

/// The CONTEXT, as long as the machine's; the room in the header is larger.
fn context(bytes: Fields<'_>, layout: &Layout, machine: Option<u16>) -> Option<Vec<u8>> {
    let length = length(machine?)?;
    let bytes = bytes.slice(layout.context, length.min(layout.context_room))?;
    let written = bytes.chunks(4).any(|word| word != b"PAGE" && word != [0; 4]);
    written.then(|| bytes.to_vec())
}

fn exception(bytes: Fields<'_>, layout: &Layout) -> Option<(u32, u32, Gva)> {
    let record = Fields(bytes.0.get(layout.exception..)?);
    let code = record.u32(0).filter(|code| *code != 0 && *code != 0x4547_4150)?;
    let address = 8 + layout.pointer;
    Some((code, record.u32(4)?, Gva(record.word(address, layout.pointer == 8)?)))
}

/// Text up to the first zero; a comment that was never written is none.
fn text(bytes: &[u8]) -> Option<String> {
    if bytes.chunks(4).all(|word| word == b"PAGE") {
        return None;
    }
    let text: &[u8] = bytes.split(|byte| *byte == 0).next()?;
    let text = String::from_utf8_lossy(text).into_owned();
    (!text.is_empty()).then_some(text)
}
