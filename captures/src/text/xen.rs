//! Recognition of what Xen's tools print of a host: `xl info`, with the tables of `-n` or without, and
//! `xen-ucode show-cpu-info`.

use super::{Mark, is_hex};
use crate::document::DocumentKind;

/// Where the colon stands behind the name in a line of `xl info`.
const COLON: usize = 23;

/// Names of lines that nothing else prints in this form. `hw_caps` alone is featureset words.
const NAMES: [&str; 38] = [
    "nr_cpus",
    "max_cpu_id",
    "nr_nodes",
    "cores_per_socket",
    "threads_per_core",
    "cpu_mhz",
    "virt_caps",
    "arm_sve_vector_length",
    "total_memory",
    "free_memory",
    "sharing_freed_memory",
    "sharing_used_memory",
    "outstanding_claims",
    "free_cpus",
    "cpu_topology",
    "device topology",
    "numa_info",
    "xen_major",
    "xen_minor",
    "xen_extra",
    "xen_version",
    "xen_caps",
    "xen_scheduler",
    "xen_pagesize",
    "platform_params",
    "xen_changeset",
    "xen_commandline",
    "cc_compiler",
    "cc_compile_by",
    "cc_compile_domain",
    "cc_compile_date",
    "build_id",
    "xend_config_format",
    // xm info
    "node_to_cpu",
    "node_to_memory",
    "node_to_dma32_mem",
    "max_node_id",
    "max_free_memory",
];

/// The name of a line of `xl info`, and what stands behind the colon.
fn named(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let fits = name.len() == COLON && (value.is_empty() || value.starts_with(' '));
    fits.then(|| (name.trim_end(), value))
}

pub(crate) fn mark(line: &str) -> Option<Mark> {
    if let Some((name, _)) = named(line) {
        if NAMES.contains(&name) {
            return Some(Mark::Body(DocumentKind::XlInfo));
        }
        return (name == "host").then_some(Mark::Opening(DocumentKind::XlInfo));
    }
    is_ucode(line).then_some(Mark::Body(DocumentKind::XenUcode))
}

/// `CPU signature 06-55-04 (raw 0x00050654) pf 0x80 revision 0x02006e05`, with a number behind `CPU` or
/// without.
fn is_ucode(line: &str) -> bool {
    let Some((_, rest)) = line
        .strip_prefix("CPU")
        .and_then(|rest| rest.split_once(" signature "))
        .filter(|(number, _)| number.bytes().all(|digit| digit.is_ascii_digit()))
    else {
        return false;
    };
    let raw = rest.split_once("(raw 0x").and_then(|(_, raw)| raw.get(..8));
    raw.is_some_and(|raw| is_hex(raw, 8..=8)) && rest.contains(" revision 0x")
}

/// Lines of `xl info` that need no closer look within one, and those that elsewhere are of another kind:
/// `0000:00:1f.2      0`.
pub(crate) fn goes_on(line: &str) -> bool {
    match line.as_bytes().first() {
        Some(b'0'..=b'9' | b'a'..=b'f') if line.get(4..5) == Some(":") => {
            let mut words = line.split_ascii_whitespace().skip(1);
            words.next().is_some_and(|node| node.parse::<u32>().is_ok()) && words.next().is_none()
        }
        _ => named(line).is_some(),
    }
}

/// Whether the line is `hw_caps` of `xl info`: featureset words.
pub(crate) fn is_words(line: &str) -> bool {
    named(line).is_some_and(|(name, _)| name == "hw_caps")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_xl_info_are_known_by_name_and_column() {
        let body = Some(Mark::Body(DocumentKind::XlInfo));
        assert_eq!(mark("nr_cpus                : 2"), body);
        assert_eq!(mark("cpu_topology           :"), body);
        assert_eq!(
            mark("host                   : box"),
            Some(Mark::Opening(DocumentKind::XlInfo))
        );
        for other in [
            "nr_cpus: 2",
            "nr_pus                 : 2",
            "nr_cpus                :2",
            "",
        ] {
            assert_eq!(mark(other), None, "{other}");
        }
    }

    #[test]
    fn the_line_of_xen_ucode_is_known_with_a_number_or_without() {
        let body = Some(Mark::Body(DocumentKind::XenUcode));
        for line in [
            "CPU signature 06-55-04 (raw 0x00050654) pf 0x80 revision 0x02006e05",
            "CPU signature 19-01-01 (raw 0x00a00f11) revision 0x0a0011d5",
            "CPU12 signature 19-01-01 (raw 0x00a00f11) revision 0x0a0011d5",
        ] {
            assert_eq!(mark(line), body, "{line}");
        }
        assert_eq!(mark("CPU signature of 06-55-04 revision"), None);
        assert_eq!(
            mark("CPUx signature 19-01-01 (raw 0x00a00f11) revision 0x0a0011d5"),
            None
        );
    }
}
