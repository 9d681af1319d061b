//! Recognition of `/proc/cpuinfo` and `lscpu` text.

use super::Mark;
use crate::document::DocumentKind;

/// Names that stand at the start of a line of `/proc/cpuinfo` on some architecture and nowhere in
/// `lscpu`.
const CPUINFO_NAMES: [&str; 3] = ["processor", "vendor_id", "cpu family"];

pub(crate) fn mark(line: &str, next: &str) -> Option<Mark> {
    let (name, value) = line.split_once(':')?;
    let value = value.trim();
    if name == "Architecture" && !value.is_empty() && is_second_lscpu_line(next) {
        return Some(Mark::Body(DocumentKind::Lscpu));
    }
    let name = name.trim_end();
    let known = CPUINFO_NAMES.contains(&name) && line.contains([' ', '\t']);
    let numbered = name != "processor" || value.parse::<u32>().is_ok();
    (known && numbered && !value.is_empty()).then_some(Mark::Body(DocumentKind::ProcCpuinfo))
}

/// What follows `Architecture:` in the versions of util-linux since 2.13.
fn is_second_lscpu_line(line: &str) -> bool {
    ["CPU op-mode(s):", "CPU(s):", "Byte Order:", "Address sizes:"]
        .iter()
        .any(|start| line.trim_start().starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpuinfo_of_several_architectures_is_known() {
        let body = Some(Mark::Body(DocumentKind::ProcCpuinfo));
        assert_eq!(mark("processor\t: 0", "vendor_id\t: GenuineIntel"), body);
        assert_eq!(mark("vendor_id       : IBM/S390", ""), body);
        assert_eq!(mark("processor 0: version = FF", ""), None);
        assert_eq!(mark("processor: fast", ""), None);
    }

    #[test]
    fn lscpu_is_known_by_its_first_two_lines() {
        let body = Some(Mark::Body(DocumentKind::Lscpu));
        assert_eq!(
            mark("Architecture:        x86_64", "CPU op-mode(s):      32-bit, 64-bit"),
            body
        );
        assert_eq!(mark("Architecture: amd64", "Maintainer: someone"), None);
    }
}
