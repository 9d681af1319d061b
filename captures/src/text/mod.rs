//! Text dumps: which line belongs to which kind, and where one dump ends and the next begins.
//!
//! A file with one kind is kept whole, noise and all. A support file with several (lspci, then
//! dmidecode) is cut where the kind changes.

pub(crate) mod acpidump;
pub(crate) mod cpuid;
pub(crate) mod dmidecode;
pub(crate) mod linux;
pub(crate) mod lscpu;
pub(crate) mod lspci;
pub(crate) mod udev;
pub(crate) mod xen;

use std::ops::Range;

use crate::document::DocumentKind;

/// Longest line that is looked at as text.
const LINE_LIMIT: usize = 4096;

/// What a line says about where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The line occurs only in such a dump.
    Body(DocumentKind),
    /// The line opens such a dump, if lines of its body follow.
    Opening(DocumentKind),
}

/// Dumps of a text, in order, each with its place; behind them those that are lines of another
/// (featureset words in `xl info`).
pub(crate) fn split(bytes: &[u8]) -> Vec<(DocumentKind, Range<usize>)> {
    let mut runs: Vec<(DocumentKind, usize)> = Vec::new();
    let mut opening: Option<(DocumentKind, usize)> = None;
    let mut lines = Lines::new(bytes).peekable();
    let mut in_words = false;
    let mut within: Vec<(DocumentKind, Range<usize>)> = Vec::new();
    while let Some((start, line)) = lines.next() {
        if is_byte_row(line.as_bytes()) {
            continue;
        }
        if let Some((running, _)) = runs.last().filter(|(running, _)| goes_on(*running, line)) {
            if *running == DocumentKind::XlInfo && xen::is_words(line) {
                within.push((DocumentKind::CpuidFeatureset, start..start.saturating_add(line.len())));
            }
            opening = None;
            continue;
        }
        let next = lines.peek().map_or("", |(_, next)| next);
        in_words |= cpuid::begins_words(line);
        let kind = match mark(line, next) {
            None => continue,
            // the leaves it does not know `cpuid` prints as rows among its words
            Some(Mark::Body(DocumentKind::CpuidRaw)) if in_words => continue,
            Some(Mark::Opening(kind)) => {
                in_words = false;
                opening = Some((kind, start));
                continue;
            }
            Some(Mark::Body(kind)) => kind,
        };
        if kind == DocumentKind::CpuidLibcpuidTest {
            // the end of a dump says whose it was
            if let Some((running, _)) = runs.last_mut().filter(|(running, _)| is_libcpuid_dump(*running)) {
                *running = kind;
            }
            continue;
        }
        let begins_again = opening.is_some_and(|(opens, _)| opens == kind && is_once_per_dump(kind));
        if begins_again || runs.last().is_none_or(|(running, _)| *running != kind) {
            let start = match opening {
                Some((opens, place)) if opens == kind => place,
                _ => start,
            };
            runs.push((kind, start));
        }
        opening = None;
    }
    let mut ranges = ranges(&runs, bytes.len());
    ranges.extend(within);
    ranges
}

/// Whether a line is one more of the dump it stands in, and needs no closer look.
fn goes_on(running: DocumentKind, line: &str) -> bool {
    match running {
        DocumentKind::XlInfo => xen::goes_on(line),
        _ => cpuid::goes_on(running, line),
    }
}

/// `3f0: 00 12 …`, by far the most frequent line of a hex dump: it opens nothing and tells nothing.
fn is_byte_row(line: &[u8]) -> bool {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let byte_at = |at: usize| line.get(at).is_some_and(u8::is_ascii_hexdigit);
    (2..=3).contains(&digits)
        && line.get(digits..digits.saturating_add(2)) == Some(b": ")
        && byte_at(digits.saturating_add(2))
        && byte_at(digits.saturating_add(3))
}

/// Dumps that a test file of libcpuid may hold.
fn is_libcpuid_dump(kind: DocumentKind) -> bool {
    matches!(kind, DocumentKind::CpuidAida64 | DocumentKind::CpuidLibcpuid)
}

/// Kinds whose opening line stands once at the start: a second one is a second dump.
fn is_once_per_dump(kind: DocumentKind) -> bool {
    kind == DocumentKind::Dmidecode
}

fn ranges(runs: &[(DocumentKind, usize)], end: usize) -> Vec<(DocumentKind, Range<usize>)> {
    if let [(kind, _)] = runs {
        return vec![(*kind, 0..end)];
    }
    let ends = runs.iter().skip(1).map(|(_, start)| *start);
    runs.iter()
        .zip(ends.chain([end]))
        .map(|((kind, start), end)| (*kind, *start..end))
        .collect()
}

fn mark(line: &str, next: &str) -> Option<Mark> {
    match line.as_bytes().first()? {
        b'0'..=b'9' | b'a'..=b'f' => lspci::mark(line, next)
            .or_else(|| cpuid::hwloc_mark(line))
            .or_else(|| cpuid::kcpuid_mark(line))
            .or_else(|| cpuid::libcpuid_mark(line))
            .or_else(|| cpuid::words_mark(line))
            .or_else(|| linux::mark(line, next)),
        b'H' | b'#' => dmidecode::mark(line).or_else(|| lscpu::mark(line, next)),
        b'C' | b'-' => cpuid::mark(line, next).or_else(|| lscpu::mark(line, next)),
        b' ' | b'\t' | b'"' | b'{' => cpuid::mark(line, next)
            .or_else(|| cpuid::json_mark(line, next))
            .or_else(|| cpuid::cpudata_mark(line))
            .or_else(|| cpuid::kcpuid_mark(line))
            .or_else(|| lscpu::mark(line, next)),
        b'S' | b'D' => lspci::record_mark(line, next).or_else(|| linux::mark(line, next)),
        b'<' => cpuid::cpudata_mark(line),
        b'P' => udev::mark(line, next).or_else(|| linux::mark(line, next)),
        _ => linux::mark(line, next),
    }
    .or_else(|| acpidump::mark(line, next))
    .or_else(|| xen::mark(line))
    .or_else(|| cpuid::xen_mark(line))
}

/// Lines with their offsets; a line that is too long or no UTF-8 is given as far as it is text.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let start = self.at;
        let length = rest.iter().position(|byte| *byte == b'\n');
        self.at += length.map_or(rest.len(), |length| length + 1);
        let line = rest.get(..length.unwrap_or(rest.len()).min(LINE_LIMIT))?;
        Some((start, text_of(line)))
    }
}

fn text_of(line: &[u8]) -> &str {
    let text = match std::str::from_utf8(line) {
        Ok(text) => text,
        Err(error) => line
            .get(..error.valid_up_to())
            .and_then(|valid| std::str::from_utf8(valid).ok())
            .unwrap_or(""),
    };
    text.trim_end_matches('\r')
}

/// Whether `text` is that many hexadecimal digits.
pub(crate) fn is_hex(text: &str, digits: std::ops::RangeInclusive<usize>) -> bool {
    digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LSPCI: &str = "00:00.0 Host bridge: Some Vendor Some bridge (rev 01)\n\tFlags: fast\n\n";
    const DMI: &str =
        "# dmidecode 3.4\nSMBIOS 3.0 present.\n\nHandle 0x0000, DMI type 0, 24 bytes\nBIOS Information\n\n";
    const ACPI: &str = "APIC @ 0x0000000000000000\n    0000: 41 50 49 43 2C 00 00 00  APIC,...\n\n";

    #[test]
    fn a_text_with_one_kind_is_kept_whole() {
        let text = format!("$ sudo lspci\n{LSPCI}noise\n{LSPCI}");
        let found = split(text.as_bytes());
        assert_eq!(found, [(DocumentKind::Lspci, 0..text.len())]);
    }

    #[test]
    fn what_cpuid_says_in_words_is_no_dump_but_rows_before_and_behind_are() {
        let row = "   0x00000001 0x00: eax=0x00000633 ebx=0x00000000 ecx=0x00000000 edx=0x0080f9ff\n";
        let words = format!("CPU:\n   vendor_id = \"GenuineIntel\"\n{row}");
        assert_eq!(split(words.as_bytes()), []);
        let both = format!("CPU 0:\n{row}{words}CPU 0:\n{row}");
        let kinds: Vec<_> = split(both.as_bytes()).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, [DocumentKind::CpuidRaw]);
    }

    #[test]
    fn a_support_file_is_cut_where_the_kind_changes() {
        let text = format!("{LSPCI}{DMI}{ACPI}{LSPCI}");
        let found = split(text.as_bytes());
        let kinds: Vec<_> = found.iter().map(|(kind, _)| *kind).collect();
        use DocumentKind::{Acpidump, Dmidecode, Lspci};
        assert_eq!(kinds, [Lspci, Dmidecode, Acpidump, Lspci]);
        assert_eq!(found[1].1, LSPCI.len()..LSPCI.len() + DMI.len());
        assert_eq!(found[3].1.end, text.len());
    }

    #[test]
    fn two_dmidecode_outputs_are_two_dumps() {
        let found = split(format!("{DMI}{DMI}").as_bytes());
        assert_eq!(
            found,
            [
                (DocumentKind::Dmidecode, 0..DMI.len()),
                (DocumentKind::Dmidecode, DMI.len()..2 * DMI.len()),
            ]
        );
    }

    #[test]
    fn xl_info_is_one_dump_and_its_hw_caps_are_featureset_words_besides() {
        let head = "host                   : box\nnr_cpus                : 2\n";
        let words = "hw_caps                : 178bf3fd:f6d83203:2dd3fbfd:00000177:00000005:219c03a9:00400604:00000500";
        let tables = "device topology        :\ndevice           node\n0000:00:1f.2      0\n\
                      numa_info              :\nnode:    memsize    memfree    distances\n   0:    2048  10  10\n";
        let text = format!("{head}{words}\n{tables}");
        assert_eq!(
            split(text.as_bytes()),
            [
                (XlInfo, 0..text.len()),
                (CpuidFeatureset, head.len()..head.len() + words.len()),
            ]
        );
        let both = format!("{LSPCI}{text}{DMI}");
        let kinds: Vec<_> = split(both.as_bytes()).into_iter().map(|(kind, _)| kind).collect();
        use DocumentKind::{CpuidFeatureset, Dmidecode, Lspci, XlInfo};
        assert_eq!(kinds, [Lspci, XlInfo, Dmidecode, CpuidFeatureset]);
        // alone, as it may be copied out of it, the line is what it was
        assert_eq!(split(words.as_bytes()), [(CpuidFeatureset, 0..words.len())]);
    }

    #[test]
    fn prose_holds_no_dump() {
        assert!(split(b"Some text about CPU 0 and 00:00.0 of a machine.\nHandle with care.\n").is_empty());
    }

    #[test]
    fn carriage_returns_and_broken_utf8_do_not_hide_a_dump() {
        let text = [&b"\xff\xfe\x80\r\n"[..], LSPCI.replace('\n', "\r\n").as_bytes()].concat();
        assert_eq!(split(&text).len(), 1);
    }
}
