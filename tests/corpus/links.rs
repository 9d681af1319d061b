//! Link registers of the merged model against what `lspci` decoded of the same dump.

use std::collections::BTreeMap;
use std::path::Path;

use topo::model::Machine;
use topo::pci::function::{Bdf, LinkState};

use super::support::{Capture, content, entries};

/// Speed and width as a line of lspci gives them; `None` where it says that they are not known.
fn state(line: &str) -> Option<LinkState> {
    let speed = line.split("Speed ").nth(1)?.split("GT/s").next()?.trim();
    let width = line
        .split("Width x")
        .nth(1)?
        .split(|c: char| !c.is_ascii_digit())
        .next()?;
    let tenths: f64 = speed.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred")]
    Some(LinkState {
        speed: (tenths * 10.0).round() as u32,
        width: width.parse().ok()?,
    })
}

/// For each address the lines `LnkCap` and `LnkSta`.
fn golden(text: &str) -> BTreeMap<Bdf, BTreeMap<&'static str, String>> {
    let mut found: BTreeMap<Bdf, BTreeMap<&'static str, String>> = BTreeMap::new();
    let mut at = None;
    for line in text.lines() {
        if !line.starts_with(char::is_whitespace) {
            at = line.split_whitespace().next().and_then(|word| word.parse::<Bdf>().ok());
        }
        for key in ["LnkCap", "LnkSta"] {
            if let (Some(at), Some(rest)) = (
                at,
                line.trim().strip_prefix(key).and_then(|rest| rest.strip_prefix(':')),
            ) {
                found
                    .entry(at)
                    .or_default()
                    .entry(key)
                    .or_insert_with(|| rest.to_owned());
            }
        }
    }
    found
}

fn disagreements(name: &str, machine: &Machine, text: &str, wrong: &mut Vec<String>) -> usize {
    let mut compared = 0;
    for (bdf, lines) in golden(text) {
        let link = machine
            .function(bdf)
            .and_then(|one| one.function.link)
            .unwrap_or_default();
        for (key, line) in lines {
            let Some(expected) = state(&line) else { continue };
            let seen = if key == "LnkCap" { link.capability } else { link.status };
            compared += 1;
            // A width of 0 is no link: the model has none.
            let right = if expected.width == 0 {
                seen.is_none()
            } else {
                seen == Some(expected)
            };
            if !right {
                wrong.push(format!("{name} {bdf} {key}: lspci {expected:?}, here {seen:?}"));
            }
        }
    }
    compared
}

/// Number of registers compared, and the differences.
pub fn compare(root: &Path) -> (usize, Vec<String>) {
    let mut wrong = Vec::new();
    let mut compared = 0;
    for path in entries(&root.join("pci-smbios/lspci-golden")) {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let name = file.split(".vvvn").next().unwrap().to_owned();
        let dumps = root.join("pci-smbios/lspci-dump");
        let dump = [dumps.join(&name), dumps.join(format!("{name}.xz"))]
            .into_iter()
            .find(|path| path.exists());
        let capture = Capture {
            name: name.clone(),
            paths: vec![dump.unwrap_or_else(|| panic!("{name}: no dump"))],
        };
        let machine = capture.machine().unwrap();
        compared += disagreements(&name, &machine, &String::from_utf8_lossy(&content(&path)), &mut wrong);
    }
    (compared, wrong)
}
