//! Recognition of `lscpu` tables (`-p`, `-e`) and JSON (`-J`).

use super::Mark;
use crate::document::DocumentKind;

pub(crate) fn mark(line: &str, next: &str) -> Option<Mark> {
    let word = line.trim_start().trim_start_matches('{');
    if word.starts_with("\"lscpu\":") {
        return Some(Mark::Body(DocumentKind::LscpuJson));
    }
    let next = next.trim_start();
    let is_cpu = word.starts_with("\"cpu\":")
        && ["\"node\":", "\"socket\":", "\"core\":"]
            .iter()
            .any(|key| next.starts_with(key));
    let is_table = is_cpu || is_parsable_header(line) || is_extended_header(line, next);
    is_table.then_some(Mark::Body(DocumentKind::LscpuTable))
}

/// `# CPU,Core,Socket,Node,,L1d,L1i,L2,L3`
fn is_parsable_header(line: &str) -> bool {
    line.strip_prefix('#').is_some_and(|header| {
        let mut names = header.trim_start().split(',');
        names.next() == Some("CPU") && names.any(|name| ["Core", "Socket", "Node"].contains(&name))
    })
}

/// `CPU NODE SOCKET CORE L1d:L1i:L2:L3 ONLINE`, then a row that begins with a number.
fn is_extended_header(line: &str, next: &str) -> bool {
    let mut names = line.split_ascii_whitespace();
    names.next() == Some("CPU")
        && names.any(|name| ["CORE", "SOCKET", "NODE"].contains(&name))
        && next
            .split_ascii_whitespace()
            .next()
            .is_some_and(|cpu| cpu.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_json_are_known() {
        let table = Some(Mark::Body(DocumentKind::LscpuTable));
        assert_eq!(mark("# CPU,Core,Socket,Node,,L1d,L1i,L2,L3", "0,0,0,0,,0,0,0,0"), table);
        assert_eq!(
            mark(
                "CPU NODE SOCKET CORE L1d:L1i:L2:L3 ONLINE",
                "  0    0      0    0 0:0:0:0 yes"
            ),
            table
        );
        assert_eq!(mark("         \"cpu\": 0,", "         \"node\": 0,"), table);
        assert_eq!(
            mark("   \"lscpu\": [", "      {"),
            Some(Mark::Body(DocumentKind::LscpuJson))
        );
    }

    #[test]
    fn other_lines_of_cpus_are_not() {
        assert_eq!(mark("CPU SOCKET is hot", "text"), None);
        assert_eq!(mark("# CPU, memory and more", ""), None);
        assert_eq!(mark("  \"cpu\": \"x\"", "  \"speed\": 3"), None);
    }
}
