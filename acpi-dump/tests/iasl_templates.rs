//! Every layout beside what `iasl` says about a table of its own making: where it is installed (or
//! `IASL` names one) its template of each signature is compiled, and the fields that it then reads
//! in the table are compared with ours. This reaches the tables of which no machine is at hand.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod iasl;

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use acpi_dump::layout::registry;
use acpi_dump::{Signature, Table};
use iasl::{Agreement, known};

fn run(tool: &OsString, directory: &Path, arguments: &[&str]) {
    let mut command = Command::new(tool);
    command.args(arguments).current_dir(directory);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap();
}

/// The compiled template of a signature and iasl's text of it, when it knows the signature.
fn template(tool: &OsString, signature: &str) -> Option<(Vec<u8>, String)> {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    run(tool, place, &["-T", signature]);
    let source = fs::read_dir(place).unwrap().next()?.unwrap().path();
    fs::rename(source, place.join("template.asl")).unwrap();
    run(tool, place, &["-p", "table", "template.asl"]);
    let bytes = fs::read(place.join("table.aml")).ok()?;
    run(tool, place, &["-p", "text", "-d", "table.aml"]);
    let text = fs::read(place.join("text.dsl")).ok()?;
    Some((bytes, String::from_utf8_lossy(&text).into_owned()))
}

#[test]
fn fields_of_compiled_templates_are_those_of_iasl() {
    let tool = std::env::var_os("IASL").unwrap_or_else(|| "iasl".into());
    if Command::new(&tool).arg("-v").stdout(Stdio::null()).status().is_err() {
        eprintln!("iasl not installed: no template compared");
        return;
    }
    let mut agreement = Agreement::default();
    let mut without = Vec::new();
    for layout in registry::all() {
        let signature = Signature(layout.signature).to_string();
        if matches!(signature.as_str(), "DSDT" | "SSDT" | "PSDT") {
            continue;
        }
        let Some((bytes, text)) = template(&tool, &signature) else {
            without.push(signature);
            continue;
        };
        let table = Table::parse(&bytes).unwrap();
        agreement.add("template", &table, &iasl::fields(&text));
    }
    let Agreement {
        tables,
        fields,
        equal,
        finer,
        ..
    } = agreement;
    eprintln!(
        "{tables} templates, {fields} fields, {equal} equal, {finer} divided further; no template: {}",
        without.join(" ")
    );
    for (what, (count, place)) in &agreement.differences {
        let reason = known::reason(what).unwrap_or("unexplained");
        eprintln!("{count:>6} {what}, {place}: {reason}");
    }
    // Each version of iasl knows other revisions of the tables and has faults of its own.
    assert!((equal + finer) * 100 >= fields * 95, "{equal} and {finer} of {fields}");
}
