//! Guests that Xen's tools saved: `xl save` and libvirt's driver for libxl write a header of their own,
//! then the libxl stream, which holds the libxc stream; both also stand alone.
//!
//! Follows tools/xl/xl.h, docs/specs/libxl-migration-stream and docs/specs/libxc-migration-stream of Xen.

pub(super) mod hvm;
mod libxc;
mod pv;

use self::libxc::{Domain, End};
use super::cursor::Cursor;
use super::fields::Fields;
use super::{Capture, Container, Hints, Input, OpenError};
use crate::damage::Damage;
use crate::memory::PhysicalMemory as _;

/// First bytes of what `xl save` writes.
const XL: &[u8; 32] = b"Xen saved domain, xl format\n \0 \r";
/// First bytes of what libvirt's driver for libxl writes.
const LIBVIRT: &[u8; 16] = b"libvirt-xml\n \0 \r";
/// First bytes of the libxl stream.
const LIBXL: &[u8; 8] = b"LibxlFmt";

/// `byteorder` as this machine's order shows it.
const BYTE_ORDER: u32 = 0x0102_0304;
/// `mandatory_flags`: the optional data are JSON; the stream is the second version.
const FLAG_JSON: u32 = 1;
const FLAG_STREAM_2: u32 = 2;

/// Longest configuration that is read.
const CONFIGURATION: u64 = 16 << 20;

/// Whether the first bytes are those of a guest saved by Xen's tools.
#[must_use]
pub fn recognise(head: &[u8]) -> bool {
    [XL.as_slice(), LIBVIRT, LIBXL]
        .iter()
        .any(|mark| head.starts_with(mark))
        || libxc::recognise(head)
}

/// Opens it.
///
/// # Errors
/// When the stream in it is of the old form, or its headers are damaged so that no record can be read.
pub fn open(input: &Input) -> Result<Capture, OpenError> {
    let mut cursor = Cursor::new(&input.bytes, 0);
    let mut facts = Vec::new();
    let mut domain = Domain::default();
    let opened = outer(&mut cursor, &mut facts).and_then(|_| {
        let head = cursor.peek::<8>();
        if head.as_ref() == Some(LIBXL) {
            libxl(&mut cursor, &mut domain, &mut facts)
        } else {
            libxc::header(&mut cursor, &mut domain).map(|()| {
                while matches!(libxc::records(&mut cursor, &mut domain), End::Checkpoint) {}
            })
        }
    });
    opened.map_err(|problem| problem.error(input))?;
    let libxc::Taken {
        memory,
        vcpus,
        damage,
        facts: more,
        description,
    } = domain.take(&input.bytes);
    facts.extend(more);
    if memory.runs().is_empty() && vcpus.is_empty() {
        let damage = damage
            .into_iter()
            .next()
            .unwrap_or_else(|| Damage::file("xl-save", cursor.at(), "pages of a guest", "none"));
        return Err(Problem::Damage(damage).error(input));
    }
    Ok(Capture {
        container: Container {
            format: "xl-save",
            description,
            facts,
        },
        memory: Box::new(memory),
        vcpus,
        hints: Hints::default(),
        virtual_memory: None,
        damage,
    })
}

/// Why a file cannot be opened.
enum Problem {
    Damage(Damage),
    Unsupported(String),
}

impl Problem {
    fn error(self, input: &Input) -> OpenError {
        let name = input.name.clone();
        match self {
            Self::Damage(damage) => OpenError::Damaged { name, damage },
            Self::Unsupported(reason) => OpenError::NotAGuest { name, reason },
        }
    }
}

impl From<Damage> for Problem {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

type Facts = Vec<(String, String)>;

/// The header of the program that saved, up to the stream.
fn outer(cursor: &mut Cursor<'_>, facts: &mut Facts) -> Result<(), Problem> {
    if cursor.peek::<32>().as_ref() == Some(XL) {
        facts.push(("saved by".to_owned(), "xl".to_owned()));
        return xl(cursor, facts);
    }
    if cursor.peek::<16>().as_ref() == Some(LIBVIRT) {
        facts.push(("saved by".to_owned(), "libvirt".to_owned()));
        return libvirt(cursor, facts);
    }
    Ok(())
}

fn cut(cursor: &Cursor<'_>, rule: &'static str, expected: &str) -> Damage {
    Damage::file(
        rule,
        cursor.at(),
        expected,
        format!("{} bytes to the end", cursor.left()),
    )
}

/// `save_file_header` of xl and the configuration behind it.
fn xl(cursor: &mut Cursor<'_>, facts: &mut Facts) -> Result<(), Problem> {
    let header = cursor.array::<48>();
    let Some(header) = header else {
        return Err(cut(cursor, "xl-header", "a header of 48 bytes").into());
    };
    let fields = Fields(&header);
    let order = fields.u32(32).unwrap_or(0);
    if order != BYTE_ORDER {
        let seen = format!("{order:#x}");
        return Err(Damage::file("xl-byte-order", 32, format!("{BYTE_ORDER:#x}"), seen).into());
    }
    let flags = fields.u32(36).unwrap_or(0);
    if flags & FLAG_STREAM_2 == 0 {
        let reason = "saved by Xen 4.5 or older, whose stream is not read: restore it with Xen and save it again";
        return Err(Problem::Unsupported(reason.to_owned()));
    }
    let length = u64::from(fields.u32(44).unwrap_or(0));
    let start = cursor.at();
    if let Some(data) = cursor.bytes(length.min(CONFIGURATION)) {
        configuration(&data, flags & FLAG_JSON != 0, facts);
    }
    cursor.seek(start);
    cursor
        .skip(length)
        .ok_or_else(|| cut(cursor, "xl-configuration", &format!("{length} bytes")).into())
}

/// The optional data: the length of the configuration, and the configuration.
fn configuration(data: &[u8], json: bool, facts: &mut Facts) {
    let fields = Fields(data);
    let length = fields.u32(0).and_then(|length| usize::try_from(length).ok());
    let text = length.and_then(|length| fields.slice(4, length)).unwrap_or_default();
    let mut fact = |name: &str, value: &str| {
        if !value.is_empty() {
            facts.push((name.to_owned(), value.to_owned()));
        }
    };
    if json {
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        let value: serde_json::Value = serde_json::from_slice(text.get(..end).unwrap_or_default()).unwrap_or_default();
        for (name, pointer) in [
            ("domain", "/c_info/name"),
            ("domain type", "/c_info/type"),
            ("uuid", "/c_info/uuid"),
        ] {
            fact(
                name,
                value
                    .pointer(pointer)
                    .and_then(serde_json::Value::as_str)
                    .unwrap_or_default(),
            );
        }
        return;
    }
    for line in String::from_utf8_lossy(text).lines() {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let value = value.trim().trim_matches(['"', '\'']);
        match key.trim() {
            "name" => fact("domain", value),
            "type" | "builder" => fact("domain type", value),
            _ => {}
        }
    }
}

/// `libxlSavefileHeader` of libvirt and the XML behind it.
fn libvirt(cursor: &mut Cursor<'_>, facts: &mut Facts) -> Result<(), Problem> {
    let Some(header) = cursor.array::<64>() else {
        return Err(cut(cursor, "libvirt-header", "a header of 64 bytes").into());
    };
    let fields = Fields(&header);
    let version = fields.u32(16).unwrap_or(0);
    if version != 2 {
        let reason = format!("saved by libvirt in version {version} of its file; version 2 is read");
        return Err(Problem::Unsupported(reason));
    }
    let length = u64::from(fields.u32(20).unwrap_or(0));
    let start = cursor.at();
    if let Some(xml) = cursor.bytes(length.min(CONFIGURATION)) {
        facts.extend(super::fields::xml_name(&xml).map(|name| ("domain".to_owned(), name)));
    }
    cursor.seek(start);
    cursor
        .skip(length)
        .ok_or_else(|| cut(cursor, "libvirt-xml", &format!("{length} bytes")).into())
}

/// Records of the libxl stream.
mod record {
    pub(super) const END: u32 = 0;
    pub(super) const LIBXC_CONTEXT: u32 = 1;
    pub(super) const EMULATOR_CONTEXT: u32 = 3;
    pub(super) const CHECKPOINT_END: u32 = 4;
    pub(super) const LAST: u32 = 5;
    pub(super) const OPTIONAL: u32 = 0x8000_0000;
}

/// Walks the libxl stream. What is damaged ends the walk; what came before it is kept.
fn libxl(cursor: &mut Cursor<'_>, domain: &mut Domain, facts: &mut Facts) -> Result<(), Problem> {
    let start = cursor.at();
    let header = cursor.skip(8).and_then(|()| Some((cursor.u32_be()?, cursor.u32_be()?)));
    let Some((version, options)) = header else {
        return Err(cut(cursor, "libxl-header", "a header of 16 bytes").into());
    };
    if version != 2 || options & 1 != 0 {
        let seen = format!("version {version}, options {options:#x}");
        return Err(Damage::file("libxl-header", start, "version 2, little-endian", seen).into());
    }
    if options & 2 != 0 {
        facts.push(("libxl stream".to_owned(), "converted from the old form".to_owned()));
    }
    let mut inside = false;
    loop {
        let at = cursor.at();
        let Some((kind, length)) = cursor.u32_le().zip(cursor.u32_le()) else {
            domain.damage.push(cut(cursor, "libxl-record", "a record"));
            return Ok(());
        };
        let body = cursor.at();
        match kind {
            record::END => return Ok(()),
            record::LIBXC_CONTEXT if !inside => {
                libxc::header(cursor, domain)?;
                inside = true;
            }
            record::EMULATOR_CONTEXT => {
                let emulator = match cursor.u32_le() {
                    Some(1) => "QEMU traditional",
                    Some(2) => "QEMU upstream",
                    _ => "unknown",
                };
                let name = "device model".to_owned();
                facts.retain(|(other, _)| *other != name);
                facts.push((name, format!("{emulator}, {} bytes of state", length.saturating_sub(8))));
            }
            record::CHECKPOINT_END if inside => {}
            kind if kind <= record::LAST || kind & record::OPTIONAL != 0 => {}
            _ => {
                let seen = format!("type {kind:#x}");
                domain
                    .damage
                    .push(Damage::file("libxl-record", at, "a known record", seen));
                return Ok(());
            }
        }
        // The libxc stream has its own end; behind a checkpoint it goes on without a record of libxl.
        if matches!(kind, record::LIBXC_CONTEXT | record::CHECKPOINT_END) {
            match libxc::records(cursor, domain) {
                End::Whole | End::Checkpoint => continue,
                End::Damaged => return Ok(()),
            }
        }
        cursor.seek(body);
        let padded = u64::from(length).next_multiple_of(8);
        if cursor.skip(padded).is_none() {
            domain
                .damage
                .push(cut(cursor, "libxl-record", &format!("{length} bytes")));
            return Ok(());
        }
    }
}
