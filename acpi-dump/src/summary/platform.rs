//! Error reporting, consoles, power and boot: read from the rows that the layouts give.

use std::collections::BTreeMap;

use super::{Lines, decoded, words};
use crate::layout::{Row, Section, Value};
use crate::words::count;

pub(super) fn errors(lines: &mut Lines<'_>) {
    let set = lines.set;
    for (named, section) in decoded(set, b"HEST") {
        let sources = section.sections.iter().filter(|source| source.title != "Header");
        let mut kinds = BTreeMap::<&str, (usize, usize)>::new();
        for source in sources {
            let (all, first) = kinds.entry(source.title.as_str()).or_default();
            *all = all.saturating_add(1);
            *first = first.saturating_add(usize::from(firmware_first(source)));
        }
        for (kind, (all, first)) in kinds {
            let mut text = format!("{all} × {}", lower(kind));
            if first > 0 {
                text += &format!(", {first} handled by firmware first");
            }
            lines.say(named, None, text);
        }
    }
    for (named, section) in decoded(set, b"BERT") {
        let length = section.number("Boot error region length").unwrap_or_default();
        let place = words(&section, "Boot error region").unwrap_or_default();
        lines.say(
            named,
            None,
            format!("errors of the last boot: {length} bytes at {place}"),
        );
    }
    for (signature, what) in [
        (b"ERST", "error records can be kept across boots"),
        (b"EINJ", "errors can be injected"),
    ] {
        for (named, _) in decoded(set, signature) {
            lines.say(named, None, what);
        }
    }
}

/// Whether the flags of an error source say that firmware handles it before the system.
fn firmware_first(source: &Section) -> bool {
    let bits = source.rows.iter().flat_map(|row| &row.bits);
    bits.filter(|bit| bit.name.to_ascii_lowercase().contains("firmware first") || bit.name.contains("FIRMWARE_FIRST"))
        .any(|bit| bit.value != 0)
}

pub(super) fn consoles(lines: &mut Lines<'_>) {
    let set = lines.set;
    for (named, section) in decoded(set, b"SPCR") {
        let kind = words(&section, "Interface type").unwrap_or_default();
        // 0 stands for the rate that firmware has left in the port.
        let row = section.row("Configured baud rate").filter(|row| !row.value.is_zero());
        let baud = row.and_then(|row| row.words.as_ref());
        let baud = baud.map(|baud| format!(", {baud} baud")).unwrap_or_default();
        let text = format!("console redirection: {kind} at {}{baud}", address(&section));
        lines.say(named, None, text);
    }
    for (named, section) in decoded(set, b"DBG2") {
        for port in section.sections.iter().filter(|port| port.title == "Debug device") {
            let kind = words(port, "Port type").unwrap_or_default();
            let subtype = words(port, "Port subtype").unwrap_or_default();
            let text = format!("debug port: {kind}, {subtype}, at {}", address(port));
            lines.say(named, Some(port.offset), text);
        }
    }
}

/// First address structure of a section, in words.
fn address(section: &Section) -> String {
    let mut all = section.all().filter(|inner| inner.title.starts_with("Base address"));
    let found = all.find_map(|inner| inner.words.clone());
    found.unwrap_or_else(|| "an address that is not given".to_owned())
}

pub(super) fn power(lines: &mut Lines<'_>) {
    let set = lines.set;
    for (named, section) in decoded(set, b"FACP") {
        if let Some(profile) = words(&section, "Preferred power management profile") {
            lines.say(named, None, format!("meant as: {profile}"));
        }
        for name in [
            "Fixed feature flags",
            "IA-PC boot architecture flags",
            "Arm boot architecture flags",
        ] {
            if let Some(row) = section.row(name).filter(|row| !row.value.is_zero()) {
                lines.say(named, Some(row.offset), format!("{}: {}", lower(name), bits(row)));
            }
        }
    }
    for (named, section) in decoded(set, b"WSMT") {
        if let Some(row) = section.row("Protection flags") {
            let text = if row.value.is_zero() {
                "SMM protections: none".to_owned()
            } else {
                format!("SMM protections: {}", bits(row))
            };
            lines.say(named, Some(row.offset), text);
        }
    }
    for (named, section) in decoded(set, b"TPM2") {
        let method = words(&section, "Start method").unwrap_or_default();
        lines.say(named, None, format!("TPM 2.0, start method: {method}"));
    }
    for (named, section) in decoded(set, b"LPIT") {
        let states = section.sections.iter().filter(|state| state.title != "Header");
        let (all, usable) = states.fold((0usize, 0usize), |(all, usable), state| {
            let disabled = state
                .row("Flags")
                .is_some_and(|row| row.value.number().is_some_and(|flags| flags & 1 != 0));
            (all.saturating_add(1), usable.saturating_add(usize::from(!disabled)))
        });
        lines.say(
            named,
            None,
            format!("{}, {usable} enabled", count(all, "low power idle state")),
        );
    }
    for (signature, what) in [
        (b"WPBT", "firmware hands Windows a program to run at start"),
        (b"MSDM", "a Windows product key is in the firmware"),
        (b"BGRT", "firmware leaves its boot logo in memory"),
    ] {
        for (named, _) in decoded(set, signature) {
            lines.say(named, None, what);
        }
    }
}

/// Names of the bits that are set; a group with its value.
fn bits(row: &Row) -> String {
    let set = row.bits.iter().filter(|bit| bit.value != 0);
    let names: Vec<String> = set
        .map(|bit| match (&bit.words, bit.count) {
            (Some(words), _) => format!("{} {words}", lower(plain(&bit.name))),
            (None, 1) => lower(plain(&bit.name)),
            (None, _) => format!("{} {}", lower(plain(&bit.name)), bit.value),
        })
        .collect();
    if names.is_empty() {
        match &row.value {
            Value::Missing => "missing".to_owned(),
            value => value.to_string(),
        }
    } else {
        names.join("; ")
    }
}

/// A bit's name without the specification's abbreviation behind it.
fn plain(name: &str) -> &str {
    match name.split_once(" (") {
        Some((plain, abbreviation))
            if abbreviation
                .trim_end_matches(')')
                .bytes()
                .all(|byte| !byte.is_ascii_lowercase()) =>
        {
            plain
        }
        _ => name,
    }
}

/// First letter small, unless the word is an abbreviation.
fn lower(text: &str) -> String {
    let mut rest = text.chars();
    let Some(first) = rest.next() else { return String::new() };
    if rest
        .clone()
        .next()
        .is_some_and(|second| second.is_ascii_uppercase() || second == '-' || second.is_ascii_digit())
    {
        return text.to_owned();
    }
    first.to_lowercase().collect::<String>() + rest.as_str()
}
