//! The other views of `delid topo`: tables and trees in text.

use crate::findings::{Finding, Report, Severity};
use render::text::{self as sheet, Paint};

mod cpu;
mod device;
mod distance;
mod memory;
mod pci;

pub use cpu::cpu;
pub use device::device;
pub use distance::{distance, distance_matrix};
pub use memory::memory;
pub use pci::pci;
pub use render::text::Style;

/// A paragraph of 78 columns.
#[must_use]
pub fn paragraph(text: &str) -> String {
    let lines: Vec<String> = sheet::wrap(text, 76)
        .into_iter()
        .map(|line| format!("  {line}"))
        .collect();
    format!("{}\n", lines.join("\n"))
}

/// All findings with their evidence.
#[must_use]
pub fn findings(report: &Report, style: Style) -> String {
    let mut lines = Vec::new();
    for (index, finding) in report.findings.iter().enumerate() {
        let (mark, paint) = match finding.severity {
            Severity::Bad => ("✗", Paint::Bad),
            Severity::Warn => ("!", Paint::Warn),
            Severity::Note => ("·", Paint::Plain),
        };
        let head = format!(
            "{:>2} {} {}",
            index.saturating_add(1),
            sheet::paint(mark, paint, style),
            finding.id
        );
        lines.push(head);
        lines.extend(indented(&finding.text, 5, style.width));
        lines.extend(evidence(finding, style));
        lines.push(String::new());
    }
    if report.findings.is_empty() {
        lines.push("no findings".to_owned());
    }
    lines.extend(
        report
            .fine
            .iter()
            .flat_map(|text| indented(&format!("✓ {text}"), 3, style.width)),
    );
    sheet::finish(&lines, style)
}

/// What a finding rests on, below the origin it was read from. The origin stays on one line, however
/// long: it is there to be copied.
fn evidence(finding: &Finding, style: Style) -> Vec<String> {
    let mut groups: Vec<(Option<String>, Vec<&str>)> = Vec::new();
    for evidence in &finding.evidence {
        let origin = evidence.origin.as_ref().map(ToString::to_string);
        match groups.iter_mut().find(|(known, _)| *known == origin) {
            Some((_, facts)) => facts.push(&evidence.fact),
            None => groups.push((origin, vec![&evidence.fact])),
        }
    }
    let mut lines = Vec::new();
    for (origin, facts) in groups {
        lines.extend(origin.map(|origin| format!("     in {origin}")));
        for fact in facts {
            // said already: the finding is this one fact
            if finding.text.ends_with(fact) {
                continue;
            }
            let mut parts = indented(fact, 9, style.width).into_iter();
            lines.extend(parts.next().map(|first| format!("       - {}", first.trim_start())));
            lines.extend(parts);
        }
    }
    lines
}

/// Wrapped and moved to the right.
fn indented(text: &str, by: usize, width: usize) -> Vec<String> {
    let blank = " ".repeat(by);
    sheet::wrap(text, width.saturating_sub(by))
        .into_iter()
        .map(|line| format!("{blank}{line}"))
        .collect()
}
