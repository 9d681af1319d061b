//! Writing updates as text.

use std::fmt::Write as _;

use crate::bytes::u32_at;
use crate::ids::Signature;

/// Intel's `.dat`: a comment with the name, then four words a line. Without a name the family, model
/// and stepping of the header stand there, as in the names of firmware files. Bytes behind the last
/// whole word are not written.
#[must_use]
pub fn write(updates: &[(Option<&str>, &[u8])]) -> String {
    let mut text = String::new();
    for (name, update) in updates {
        let name = name.map_or_else(|| firmware_name(update), |name| name.replace("*/", ""));
        let _ = writeln!(text, "/*  {}  */", name.replace(['\n', '\r'], " "));
        lines(&mut text, update, "", "\t", |text, word| {
            let _ = write!(text, "0x{word:08x},");
        });
    }
    text
}

/// MASM: a word a line.
#[must_use]
pub fn write_inc(update: &[u8]) -> String {
    let mut text = format!("; {}\n", firmware_name(update));
    for word in words(update) {
        let _ = writeln!(text, "dd 0{word:08x}h");
    }
    text
}

/// Device tree source of U-Boot: the header as properties, then all of it as cells.
#[must_use]
pub fn write_dtsi(update: &[u8]) -> String {
    let field = |at| u32_at(update, at).unwrap_or(0);
    let mut text = format!("/* {} */\ncompatible = \"intel,microcode\";\n", firmware_name(update));
    let _ = writeln!(text, "intel,header-version = <{}>;", field(0));
    for (name, at) in [
        ("update-revision", 4),
        ("date-code", 8),
        ("processor-signature", 12),
        ("checksum", 16),
    ] {
        let _ = writeln!(text, "intel,{name} = <{:#x}>;", field(at));
    }
    let _ = writeln!(text, "intel,loader-revision = <{}>;", field(20));
    let _ = writeln!(text, "intel,processor-flags = <{:#x}>;\n\ndata = <", field(24));
    lines(&mut text, update, "\t", "\t", |text, word| {
        let _ = write!(text, "0x{:08x}", word.swap_bytes());
    });
    text.push_str("\t>;\n");
    text
}

fn lines(text: &mut String, update: &[u8], before: &str, between: &str, word: impl Fn(&mut String, u32)) {
    let all: Vec<u32> = words(update).collect();
    for line in all.chunks(4) {
        text.push_str(before);
        for (number, value) in line.iter().enumerate() {
            if number > 0 {
                text.push_str(between);
            }
            word(text, *value);
        }
        text.push('\n');
    }
}

fn words(update: &[u8]) -> impl Iterator<Item = u32> {
    let (words, _) = update.as_chunks::<4>();
    words.iter().map(|word| u32::from_le_bytes(*word))
}

fn firmware_name(update: &[u8]) -> String {
    let signature = Signature(u32_at(update, 12).unwrap_or(0));
    let (family, model, stepping) = signature.family_model_stepping();
    format!("{family:02x}-{model:02x}-{stepping:02x}")
}
