//! Test files of libcpuid: a dump (AIDA64's rows or libcpuid's own), a line of 80 `-`, and what
//! libcpuid is expected to find, 33 lines for each kind of core, again with such lines between them.
//!
//! Only the dump is read.

use crate::damage::Decoded;
use crate::leafset::LeafSet;

use super::{aida64, libcpuid, scan};

/// The line that ends the dump.
const RULE: &str = "--------------------------------------------------------------------------------";

/// Architectures that libcpuid names in the line behind the rule.
const ARCHITECTURES: [&str; 3] = ["x86", "ARM", "unknown"];

/// Where the dump ends; `None` when the text is no test file.
pub(crate) fn end_of_dump(text: &str) -> Option<usize> {
    let mut from = 0_usize;
    while let Some(found) = text.get(from..)?.find(RULE) {
        let at = from.checked_add(found)?;
        let after = at.checked_add(RULE.len())?;
        let starts_line = at == 0 || text.as_bytes().get(at.checked_sub(1)?) == Some(&b'\n');
        if starts_line && ends_dump(text.get(after..)?) {
            return Some(at);
        }
        from = after;
    }
    None
}

/// Whether behind a rule comes what is expected, or nothing.
fn ends_dump(rest: &str) -> bool {
    let mut lines = rest.lines();
    let ends_line = lines.next().is_none_or(|line| line.trim().is_empty());
    let next = lines.next().map_or("", str::trim);
    ends_line && (next.is_empty() || ARCHITECTURES.contains(&next))
}

/// Reads the text.
#[must_use]
pub fn parse(text: &str) -> Decoded<LeafSet> {
    let dump = end_of_dump(text).and_then(|end| text.get(..end)).unwrap_or(text);
    let is_raw = scan::numbered_lines(dump).find_map(|(_, line)| {
        if aida64::is_row(line) {
            Some(false)
        } else {
            libcpuid::is_row(line).then_some(true)
        }
    });
    if is_raw == Some(true) {
        libcpuid::parse(dump)
    } else {
        aida64::parse(dump)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: &str = "x86\nx86-64-v2\ngeneral\n6\n";

    #[test]
    fn the_rule_ends_the_dump() {
        let row = "CPUID 00000000: 00000001-00000002-00000003-00000004\n";
        let text = format!("{row}{RULE}\n{EXPECTED}{RULE}\n{EXPECTED}CPUID 00000001: 1\n");
        assert_eq!(end_of_dump(&text), Some(row.len()));
        let decoded = parse(&text);
        assert_eq!(decoded.damage, []);
        assert_eq!(decoded.value.first().unwrap().len(), 1);
    }

    #[test]
    fn rows_of_libcpuid_are_read_too() {
        let text = format!("version=0.7.1\n\nbasic_cpuid[0]=1 2 3 4\n{RULE}\r\n{EXPECTED}");
        assert_eq!(parse(&text).value.first().unwrap().len(), 1);
    }

    #[test]
    fn a_rule_within_prose_ends_nothing() {
        assert_eq!(end_of_dump(&format!("a\n{RULE}\nHeading\n")), None);
        assert_eq!(end_of_dump(&format!("a {RULE}\nx86\n")), None);
    }
}
