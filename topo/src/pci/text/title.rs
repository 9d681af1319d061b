//! The rest of a slot line: class, names, ids, revision, programming interface.
//!
//! Dialects: `Class name: Vendor Device (rev xx)`, the same with `[cccc]` and `[vvvv:dddd]` (`-nn`),
//! `cccc: vvvv:dddd` (`-n`), and the quoted fields of `-mm`.

use super::super::function::{Class, Function};
use super::Facts;
use super::bytes::{find, hex2, hex4, rfind, some, string, take};

/// Reads what stands behind the address.
pub(super) fn read(rest: &[u8], function: &mut Function, facts: &mut Facts) {
    let rest = rest.trim_ascii();
    if rest.first() == Some(&b'"') {
        return quoted(rest, function, facts);
    }
    let (rest, interface) = tail(rest, b" (prog-if ");
    let (rest, revision) = tail(rest, b" (rev ");
    function.revision = revision;
    let (class, name) = split(rest);
    set_class(class, interface, function, facts);
    if let Some(name) = name {
        let (name, vendor, device) = ids(name);
        function.name = name;
        function.vendor = vendor;
        function.device = device;
    }
}

/// Cuts ` (rev xx)` or ` (prog-if xx [name])` off the end.
fn tail<'a>(text: &'a [u8], mark: &[u8]) -> (&'a [u8], Option<u8>) {
    let cut = || {
        let at = rfind(text, mark)?;
        let inside = text.get(at.checked_add(mark.len())?..)?.strip_suffix(b")")?;
        let value = hex2(take(inside, |byte| byte.is_ascii_hexdigit()))?;
        Some((text.get(..at)?, value))
    };
    cut().map_or((text, None), |(front, value)| (front, Some(value)))
}

/// Class and name of a title. With `-nn` the class ends in `[cccc]`.
fn split(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    let at = bracketed_class(text).or_else(|| find(text, b": "));
    at.and_then(|at| Some((text.get(..at)?, text.get(at.checked_add(2)?..)?)))
        .map_or((text.strip_suffix(b":").unwrap_or(text), None), |(class, name)| {
            (class, Some(name))
        })
}

/// Position of the colon behind the first `[cccc]`.
fn bracketed_class(text: &[u8]) -> Option<usize> {
    let at = find(text, b"]: ")?;
    hex4(text.get(at.checked_sub(4)?..at)?)?;
    (text.get(at.checked_sub(5)?) == Some(&b'[')).then(|| at.saturating_add(1))
}

/// Stores a class told as name, as `[cccc]`, as `Class cccc`, or as number.
pub(super) fn set_class(class: &[u8], interface: Option<u8>, function: &mut Function, facts: &mut Facts) {
    let class = class.trim_ascii();
    let (name, kind) = match bracketed(class) {
        Some((name, code)) if code.len() == 4 => (name, hex4(code)),
        _ => (class, None),
    };
    let bare = name.strip_prefix(b"Class ").unwrap_or(name);
    let (name, kind) = match hex4(bare) {
        Some(code) => (b"".as_slice(), kind.or(Some(code))),
        None => (name, kind),
    };
    let name = if name == b"Class" { b"".as_slice() } else { name };
    function.class_name = some(name);
    function.class = kind.map(|kind| Class(u32::from(kind) << 8 | u32::from(interface.unwrap_or(0))));
    facts.interface_told |= interface.is_some();
}

/// `name [code]`: the name and the code of the last bracket, when it ends the text.
pub(super) fn bracketed(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let open = rfind(text, b"[")?;
    let code = text.get(open.checked_add(1)?..)?.strip_suffix(b"]")?;
    Some((text.get(..open)?.trim_ascii_end(), code))
}

/// Name and ids of `Vendor Device [vvvv:dddd]`, `vvvv:dddd`, `Vendor Device dddd`.
pub(super) fn ids(text: &[u8]) -> (Option<String>, Option<u16>, Option<u16>) {
    let text = text.trim_ascii();
    if let Some((vendor, device)) = pair(text) {
        return (None, Some(vendor), Some(device));
    }
    if let Some((name, (vendor, device))) = bracketed(text).and_then(|(name, code)| Some((name, pair(code)?))) {
        return (told_name(name), Some(vendor), Some(device));
    }
    let word = rfind(text, b" ").and_then(|at| text.split_at_checked(at));
    let Some((front, word)) = word else {
        return (told_name(text), None, None);
    };
    let word = word.trim_ascii_start();
    let unnamed = front.ends_with(b"Device") || front.ends_with(b"nknown device");
    match (pair(word), hex4(word)) {
        (Some((vendor, device)), _) if unnamed => (None, Some(vendor), Some(device)),
        (_, Some(device)) if unnamed => (some(text), None, Some(device)),
        _ => (told_name(text), None, None),
    }
}

/// A name, unless it is the word that stands for "not in the list".
fn told_name(name: &[u8]) -> Option<String> {
    let name = string(name);
    (!matches!(name.as_str(), "" | "Device" | "Unknown device")).then_some(name)
}

/// `vvvv:dddd`.
fn pair(text: &[u8]) -> Option<(u16, u16)> {
    let (vendor, device) = text.split_at_checked(4)?;
    Some((hex4(vendor)?, hex4(device.strip_prefix(b":")?)?))
}

/// The quoted fields of `-mm`: class, vendor, device, then `-rxx`, `-pxx`, subsystem vendor and device.
fn quoted(text: &[u8], function: &mut Function, facts: &mut Facts) {
    let mut fields = Vec::new();
    let (mut revision, mut interface) = (None, None);
    let mut rest = text;
    while let Some((field, next)) = field(rest) {
        match field {
            Field::Quoted(value) => fields.push(value),
            Field::Bare(word) => {
                revision = revision.or_else(|| word.strip_prefix(b"-r").and_then(hex2));
                interface = interface.or_else(|| word.strip_prefix(b"-p").and_then(hex2));
            }
        }
        rest = next;
        if fields.len() >= 5 {
            break;
        }
    }
    let mut fields = fields.into_iter();
    set_class(&fields.next().unwrap_or_default(), interface, function, facts);
    function.revision = revision;
    let device = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    (function.name, function.vendor, function.device) = named_pair(&device.0, &device.1);
    let subsystem = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    (
        function.subsystem_name,
        function.subsystem_vendor,
        function.subsystem_device,
    ) = named_pair(&subsystem.0, &subsystem.1);
}

/// Joined name and both ids of separate vendor and device fields, each a name, a number, or both.
pub(super) fn named_pair(vendor: &[u8], device: &[u8]) -> (Option<String>, Option<u16>, Option<u16>) {
    let (vendor_name, vendor_id) = named(vendor);
    let (device_name, device_id) = named(device);
    let name = match (vendor_name, device_name) {
        (Some(vendor), Some(device)) => Some(format!("{vendor} {device}")),
        (one, other) => one.or(other),
    };
    (name, vendor_id, device_id)
}

/// `Name [xxxx]`, `xxxx`, `Device xxxx`, `Name`.
pub(super) fn named(text: &[u8]) -> (Option<String>, Option<u16>) {
    let text = text.trim_ascii();
    if let Some(id) = hex4(text) {
        return (None, Some(id));
    }
    if let Some((name, id)) = bracketed(text).and_then(|(name, code)| Some((name, hex4(code)?))) {
        let unnamed = matches!(name, b"Device" | b"Vendor" | b"Unknown device" | b"Unknown vendor");
        return (if unnamed { None } else { some(name) }, Some(id));
    }
    for word in ["Device ", "Vendor ", "Unknown device ", "Unknown vendor "] {
        if let Some(id) = text.strip_prefix(word.as_bytes()).and_then(hex4) {
            return (None, Some(id));
        }
    }
    (some(text), None)
}

enum Field<'a> {
    Quoted(Vec<u8>),
    Bare(&'a [u8]),
}

/// The next field of a `-mm` line and what follows; `\` guards `"` and itself.
fn field(text: &[u8]) -> Option<(Field<'_>, &[u8])> {
    let text = text.trim_ascii_start();
    let Some(inside) = text.strip_prefix(b"\"") else {
        let word = take(text, |byte| byte != b' ' && byte != b'\t');
        return (!word.is_empty()).then(|| (Field::Bare(word), text.get(word.len()..).unwrap_or_default()));
    };
    let mut value = Vec::new();
    let mut bytes = inside.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                return Some((
                    Field::Quoted(value),
                    inside.get(at.checked_add(1)?..).unwrap_or_default(),
                ));
            }
            b'\\' => value.extend(bytes.next().map(|(_, byte)| *byte)),
            other => value.push(*other),
        }
    }
    Some((Field::Quoted(value), b""))
}
