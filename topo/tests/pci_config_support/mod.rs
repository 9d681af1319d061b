//! What the tests of configuration space share: the corpus, and a reader of hex dumps that is
//! nothing but a test's (the real one reads every dialect and reports damage).

#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The corpus of captures, when it is there.
pub fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or(beside, PathBuf::from);
    root.join("pci-smbios").is_dir().then_some(root)
}

/// A file of the corpus as text, unpacked when it is `.xz`.
pub fn text(path: &Path) -> String {
    let bytes = fs::read(path).unwrap();
    let mut plain = Vec::new();
    if path.extension().is_some_and(|extension| extension == "xz") {
        lzma_rust2::XzReader::new(bytes.as_slice(), true)
            .read_to_end(&mut plain)
            .unwrap();
    } else {
        plain = bytes;
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// Every file of a `.tar.zst` whose name ends in one of `ends`.
pub fn members(path: &Path, ends: &[&str]) -> BTreeMap<String, String> {
    let file = fs::File::open(path).unwrap();
    let plain = ruzstd::decoding::StreamingDecoder::new(file).unwrap();
    let mut archive = tar::Archive::new(plain);
    let mut found = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        if let Some(end) = ends.iter().find(|end| name.ends_with(*end)) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            found.insert((*end).to_owned(), String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    found
}

/// One function of an `lspci -x` dump.
#[derive(Debug, Clone)]
pub struct Dumped {
    /// Slot as the dump writes it.
    pub slot: String,
    /// Bytes in order; the dumps of the corpus have no holes.
    pub bytes: Vec<u8>,
    /// Every line of the function that is not hex.
    pub lines: Vec<String>,
}

/// Functions of a hex dump.
pub fn dump(text: &str) -> Vec<Dumped> {
    let mut functions: Vec<Dumped> = Vec::new();
    for line in text.lines() {
        if let Some(slot) = slot(line) {
            functions.push(Dumped {
                slot: slot.to_owned(),
                bytes: Vec::new(),
                lines: vec![line.to_owned()],
            });
        } else if let Some(function) = functions.last_mut() {
            match row(line) {
                Some((offset, bytes)) => {
                    function.bytes.resize(offset, 0xff);
                    function.bytes.extend(bytes);
                }
                None if line.is_empty() => {}
                None => function.lines.push(line.to_owned()),
            }
        }
    }
    functions
}

fn slot(line: &str) -> Option<&str> {
    let (slot, _) = line.split_once(' ')?;
    let (_, function) = slot.rsplit_once('.')?;
    let plain = slot
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
    (plain && slot.len() >= 7 && function.len() == 1).then_some(slot)
}

fn row(line: &str) -> Option<(usize, Vec<u8>)> {
    let (offset, bytes) = line.split_once(": ")?;
    let offset = usize::from_str_radix(offset, 16).ok().filter(|_| offset.len() <= 3)?;
    let bytes: Result<Vec<u8>, _> = bytes
        .split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16))
        .collect();
    Some((offset, bytes.ok()?))
}

/// A text cut into words: white space, `,;:=()[]` and quotes only separate.
pub fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| c.is_whitespace() || ",;:=()[]'".contains(c))
        .filter(|word| !word.is_empty())
        .collect()
}
