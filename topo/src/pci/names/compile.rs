//! From the text form of `pci.ids` to tables for binary search.
//!
//! The build script uses this module for the checked-in file, the library for a newer file of a
//! machine. Form of the tables, all numbers big-endian so that keys compare as bytes:
//!
//! | what | bytes |
//! |---|---|
//! | length of the version, version | 1 + n |
//! | numbers of vendors, devices, subsystems, classes | 4 × 4 |
//! | vendors: id, name | 2 + 3 each |
//! | devices: vendor, id, name | 4 + 3 each |
//! | subsystems: vendor, device, subsystem vendor, subsystem, name | 8 + 3 each |
//! | classes: level (1 base, 2 sub, 3 interface), code | 4 + 3 each |
//! | strings: length, UTF-8 | 1 + n each |
//!
//! A name is an offset into the strings. Equal strings are stored once.

use std::collections::{BTreeMap, HashMap};

/// Bytes of an offset into the strings.
pub(crate) const OFFSET: usize = 3;

/// The tables, and the lines that could not be read.
pub(crate) struct Compiled {
    /// See the module's description.
    pub(crate) tables: Vec<u8>,
    /// Line number and what should stand there.
    pub(crate) unread: Vec<(u64, &'static str)>,
}

#[derive(Default)]
struct Compiler {
    tables: [BTreeMap<Vec<u8>, [u8; OFFSET]>; 4],
    strings: Vec<u8>,
    known: HashMap<String, [u8; OFFSET]>,
    version: String,
    /// Key of the vendor or base class above.
    outer: Option<Vec<u8>>,
    /// Key of the device or subclass above.
    inner: Option<Vec<u8>>,
    classes: bool,
}

/// Reads the text form.
pub(crate) fn compile(text: &[u8]) -> Compiled {
    let mut compiler = Compiler {
        version: version(text).unwrap_or_default(),
        ..Compiler::default()
    };
    let mut unread = Vec::new();
    for (number, line) in (1_u64..).zip(text.split(|byte| *byte == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Err(expected) = compiler.line(&String::from_utf8_lossy(line)) {
            unread.push((number, expected));
        }
    }
    Compiled {
        tables: compiler.finish(),
        unread,
    }
}

/// The date after `Version:` in the head of a file.
pub(crate) fn version(text: &[u8]) -> Option<String> {
    let head = text.get(..text.len().min(4096))?;
    let lines = head.split(|byte| *byte == b'\n');
    lines.map(String::from_utf8_lossy).find_map(|line| version_of(&line))
}

fn version_of(line: &str) -> Option<String> {
    let told = line.strip_prefix('#')?.trim_start().strip_prefix("Version:")?.trim();
    let plain = !told.is_empty() && told.len() <= 20 && told.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain.then(|| told.to_owned())
}

impl Compiler {
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        if line.starts_with('#') || line.trim().is_empty() {
            return Ok(());
        }
        if let Some(rest) = line.strip_prefix("\t\t") {
            return self.innermost(rest);
        }
        if let Some(rest) = line.strip_prefix('\t') {
            return self.middle(rest);
        }
        self.outermost(line)
    }

    fn outermost(&mut self, line: &str) -> Result<(), &'static str> {
        (self.outer, self.inner) = (None, None);
        self.classes = line.starts_with("C ");
        if let Some(rest) = line.strip_prefix("C ") {
            let (code, name) = code_and_name(rest, 1).ok_or("C, two digits, a name")?;
            self.outer = Some(code.clone());
            return self.add(3, class_key(1, &code), name);
        }
        let (code, name) = code_and_name(line, 2).ok_or("a vendor: four digits, a name")?;
        self.outer = Some(code.clone());
        self.add(0, code, name)
    }

    fn middle(&mut self, rest: &str) -> Result<(), &'static str> {
        self.inner = None;
        let width = if self.classes { 1 } else { 2 };
        let (code, name) = code_and_name(rest, width).ok_or("a device or subclass: digits, a name")?;
        let key = [self.outer.as_deref().ok_or("a vendor or class above")?, &code].concat();
        self.inner = Some(key.clone());
        if self.classes {
            self.add(3, class_key(2, &key), name)
        } else {
            self.add(1, key, name)
        }
    }

    fn innermost(&mut self, rest: &str) -> Result<(), &'static str> {
        let above = self.inner.as_deref().ok_or("a device or subclass above")?;
        if self.classes {
            let (code, name) = code_and_name(rest, 1).ok_or("an interface: two digits, a name")?;
            let key = class_key(3, &[above, &code].concat());
            return self.add(3, key, name);
        }
        let subsystem = || {
            let (vendor, rest) = rest.split_once(' ')?;
            let (device, name) = code_and_name(rest, 2)?;
            Some(([above, &digits(vendor, 2)?, &device].concat(), name))
        };
        let (key, name) = subsystem().ok_or("a subsystem: four digits twice, a name")?;
        self.add(2, key, name)
    }

    /// The first name of a key stays.
    fn add(&mut self, table: usize, key: Vec<u8>, name: &str) -> Result<(), &'static str> {
        let name = self.intern(name)?;
        if let Some(table) = self.tables.get_mut(table) {
            table.entry(key).or_insert(name);
        }
        Ok(())
    }

    fn intern(&mut self, name: &str) -> Result<[u8; OFFSET], &'static str> {
        let length = (0..=name.len().min(255)).rev().find(|end| name.is_char_boundary(*end));
        let name = length.and_then(|end| name.get(..end)).unwrap_or_default();
        if let Some(place) = self.known.get(name) {
            return Ok(*place);
        }
        let place = match u32::try_from(self.strings.len()).map(u32::to_be_bytes) {
            Ok([0, high, middle, low]) => [high, middle, low],
            _ => return Err("16 MiB of names at most"),
        };
        self.strings.push(u8::try_from(name.len()).unwrap_or(0));
        self.strings.extend_from_slice(name.as_bytes());
        self.known.insert(name.to_owned(), place);
        Ok(place)
    }

    fn finish(self) -> Vec<u8> {
        let mut bytes = vec![u8::try_from(self.version.len()).unwrap_or(0)];
        bytes.extend_from_slice(self.version.as_bytes());
        for table in &self.tables {
            bytes.extend_from_slice(&u32::try_from(table.len()).unwrap_or(0).to_be_bytes());
        }
        for (key, name) in self.tables.iter().flatten() {
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(name);
        }
        bytes.extend_from_slice(&self.strings);
        bytes
    }
}

/// Key of a class: its level and its code, filled up to three bytes.
fn class_key(level: u8, code: &[u8]) -> Vec<u8> {
    let mut key = vec![level];
    key.extend_from_slice(code);
    key.resize(4, 0);
    key
}

/// `xxxx  Name`: a code of `width` bytes, blanks, a name.
fn code_and_name(text: &str, width: usize) -> Option<(Vec<u8>, &str)> {
    let (code, name) = text.split_once(' ')?;
    let name = name.trim();
    (!name.is_empty()).then_some((digits(code, width)?, name))
}

fn digits(text: &str, width: usize) -> Option<Vec<u8>> {
    let plain = text.len() == width.checked_mul(2)? && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = u32::from_str_radix(text, 16).ok().filter(|_| plain)?;
    value
        .to_be_bytes()
        .get(4_usize.checked_sub(width)?..)
        .map(<[u8]>::to_vec)
}
