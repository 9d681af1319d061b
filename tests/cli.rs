//! The command line as a user meets it: exit codes, names, pipes, colours, help texts.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::fs;
use std::path::Path;
use std::process::Command;

mod program;

use program::{MACHINES, Run, argument, delid, machine, program, run};

/// A machine without damage.
fn intact() -> String {
    machine(MACHINES[2])
}

#[test]
fn intact_machine_ends_with_0_and_an_unknown_option_with_2() {
    run(&["topo", "--from", &intact()]).expect(0);
    run(&["topo", "--no-such-option"]).expect(2);
    run(&["no-such-room"]).expect(2);
}

#[test]
fn what_could_not_be_done_ends_with_2_and_a_word_on_stderr() {
    let from = intact();
    for arguments in [
        vec!["topo", "--from", "/nowhere/at/all"],
        vec!["topo", "--from", "Cargo.toml"],
        vec!["topo", "--from", &from, "device", "ff:1f.7"],
        vec!["topo", "--from", &from, "device", "xyz"],
        vec!["topo", "--from", &from, "distance", "00:00.0"],
        vec!["topo", "--from", &from, "--socket", "9"],
        vec!["topo", "--from", &from, "-o", "machine.tiff"],
        vec!["topo", "--from", &from, "-o", "/nowhere/at/all.svg"],
        vec!["topo", "explain", "no-such-finding"],
    ] {
        let result = run(&arguments).expect(2);
        assert!(result.out.is_empty(), "{arguments:?}: {}", result.out);
        assert!(
            result.err.starts_with("delid: ") || result.err.starts_with("error: "),
            "{arguments:?}: {}",
            result.err
        );
    }
}

#[test]
fn findings_end_with_1_when_there_are_some() {
    let result = run(&["topo", "--from", &machine(MACHINES[0]), "findings"]).expect(1);
    assert!(result.out.contains("device-node-unknown"), "{}", result.out);
}

/// Two functions; the second row of bytes of the first one is broken.
const DUMP: &str = "00:00.0 Host bridge: Intel Corporation 440FX - 82441FX PMC [Natoma] (rev 02)
00: 86 80 37 12 07 00 00 00 02 00 00 06 00 00 00 00
10: 00 00 zz 00 00 00 00 00 00 00 00 00 00 00 00 00

00:02.0 VGA compatible controller: Cirrus Logic GD 5446
00: 13 10 b8 00 03 00 00 00 00 00 00 03 00 00 00 00
10: 08 00 00 fc 00 00 00 fe 00 00 00 00 00 00 00 00
";

#[test]
fn damage_is_told_with_source_and_line_and_the_rest_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bytes.txt");
    fs::write(&path, DUMP).unwrap();
    let result = run(&["topo", "pci", "--from", argument(&path)]).expect(1);
    assert!(
        result.err.contains("damaged: ") && result.err.contains("bytes.txt"),
        "{}",
        result.err
    );
    assert!(result.err.contains("at line 3"), "{}", result.err);
    assert!(
        result.out.contains("00:00.0") && result.out.contains("00:02.0"),
        "{}",
        result.out
    );
    let json = run(&["topo", "--json", "--from", argument(&path)]).expect(1).out;
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["machine"]["damage"][0]["place"], serde_json::json!({ "line": 3 }));
}

#[test]
fn schema_of_kdd_is_the_one_in_the_documents() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/kdd.json");
    let printed = run(&["kdd", "schema"]).expect(0).out;
    assert_eq!(
        fs::read_to_string(path).unwrap(),
        printed,
        "stale: delid kdd schema > docs/schema/kdd.json"
    );
}

#[test]
fn reader_that_goes_away_is_no_error() {
    let script = format!(
        "{{ '{}' topo pci --from '{}'; echo $? >&2; }} | head -n 1",
        program().display(),
        intact()
    );
    let result = Run::from(
        Command::new("sh")
            .args(["-c", &script])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap(),
    );
    assert_eq!(result.err.trim(), "0");
    assert_eq!(result.out.lines().count(), 1);
    // A pipe whose reader is gone before the first byte.
    let script = format!(
        "{{ sleep 0.3; '{}' topo --json --from '{}'; echo $? >&2; }} | true",
        program().display(),
        intact()
    );
    let result = Run::from(
        Command::new("sh")
            .args(["-c", &script])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap(),
    );
    assert_eq!(result.err.trim(), "0");
}

#[cfg(unix)]
#[test]
fn a_link_named_after_a_room_is_the_room() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["topo", "delid-topo"] {
        let link = folder.path().join(name);
        std::os::unix::fs::symlink(program(), &link).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let output = Command::new(&link)
            .args(["cpu", "--from", &intact()])
            .current_dir(root)
            .output()
            .unwrap();
        assert_eq!(
            Run::from(output).expect(0).out,
            run(&["topo", "cpu", "--from", &intact()]).out,
            "{name}"
        );
    }
}

#[test]
fn no_colour_is_written_into_a_pipe() {
    for name in MACHINES {
        let path = machine(name);
        for (variable, value) in [("NO_COLOR", "1"), ("NO_COLOR", ""), ("TERM", "dumb")] {
            let output = delid(&["topo", "--from", &path]).env(variable, value).output().unwrap();
            assert!(!output.stdout.contains(&0x1b), "{name} {variable}={value}");
        }
    }
}

#[test]
fn no_color_is_obeyed_on_a_terminal() {
    if !program::installed("script") {
        return;
    }
    let on_terminal = |variable: &str| {
        let inner = format!(
            "env {variable} '{}' topo --from '{}'",
            program().display(),
            machine(MACHINES[0])
        );
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let output = Command::new("script")
            .args(["-qec", &inner, "/dev/null"])
            .current_dir(root)
            .env_remove("NO_COLOR")
            .env("TERM", "xterm")
            .output();
        String::from_utf8_lossy(&output.unwrap().stdout).into_owned()
    };
    assert!(on_terminal("COLUMNS=80").contains('\u{1b}'));
    assert!(!on_terminal("NO_COLOR=1").contains('\u{1b}'));
}

#[test]
fn ascii_is_ascii_in_every_view() {
    for name in MACHINES {
        let path = machine(name);
        for view in [
            vec![],
            vec!["pci"],
            vec!["memory"],
            vec!["cpu"],
            vec!["distance"],
            vec!["findings"],
            vec!["device", "00:00.0"],
        ] {
            let result = run(&[&["topo", "--ascii", "--from", &path], view.as_slice()].concat());
            let odd: Vec<&str> = result.out.lines().filter(|line| !line.is_ascii()).collect();
            assert!(odd.is_empty(), "{name} {view:?}: {odd:?}");
        }
    }
}

#[test]
fn pictures_are_written_by_suffix() {
    let folder = tempfile::tempdir().unwrap();
    let svg = folder.path().join("m.svg");
    run(&["topo", "--from", &intact(), "-o", argument(&svg)]).expect(0);
    let text = fs::read_to_string(&svg).unwrap();
    assert_eq!(
        roxmltree::Document::parse(&text)
            .unwrap()
            .root_element()
            .tag_name()
            .name(),
        "svg"
    );
    assert_eq!(run(&["topo", "--from", &intact(), "-o", "-"]).expect(0).out, text);
    let html = folder.path().join("m.html");
    run(&["topo", "--from", &intact(), "-o", argument(&html)]).expect(0);
    let html = fs::read_to_string(&html).unwrap();
    assert!(html.starts_with("<!doctype html>") || html.starts_with("<!DOCTYPE html>"));
    for outside in ["src=\"http", "href=\"http", "@import", "url(http"] {
        assert!(!html.contains(outside), "{outside}");
    }
}

/// Ids that `explain` lists.
fn ids() -> Vec<String> {
    let list = run(&["topo", "explain"]).expect(0).out;
    let ids: Vec<String> = list
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    assert!(ids.len() >= 10, "{list}");
    ids
}

#[test]
fn every_finding_is_explained() {
    for id in ids() {
        let text = run(&["topo", "explain", &id]).expect(0).out;
        assert!(text.starts_with(&format!("{id}: ")), "{text}");
        for head in ["What it means", "How it is seen", "What to do"] {
            let at = text.find(head).unwrap_or_else(|| panic!("{id}: no {head}"));
            assert!(
                text[at..].lines().nth(1).is_some_and(|line| line.starts_with("  ")),
                "{id}: {head}"
            );
        }
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{id}");
    }
}

#[test]
fn every_finding_stands_in_the_documentation() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/findings.md");
    let Ok(text) = fs::read_to_string(&path) else {
        eprintln!("docs/findings.md absent: 1 case not run");
        return;
    };
    let missing: Vec<String> = ids().into_iter().filter(|id| !text.contains(id.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_command_has_a_man_page() {
    let folder = tempfile::tempdir().unwrap();
    run(&["man", argument(folder.path())]).expect(0);
    for page in [
        "delid.1",
        "delid-topo.1",
        "delid-topo-pci.1",
        "delid-capture.1",
        "delid-acpi.1",
        "delid-cpuid.1",
        "delid-microcode.1",
        "delid-kdd.1",
    ] {
        let text = fs::read_to_string(folder.path().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        assert!(text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{page}");
    }
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = run(&["completions", shell]).expect(0).out;
        assert!(text.contains("delid") && text.contains("topo"), "{shell}");
    }
}

#[test]
fn help_of_every_room_says_what_it_is_for() {
    for room in [
        vec![],
        vec!["topo"],
        vec!["capture"],
        vec!["acpi"],
        vec!["cpuid"],
        vec!["microcode"],
        vec!["kdd"],
    ] {
        let text = run(&[room.as_slice(), &["--help"]].concat()).expect(0).out;
        assert!(text.contains("Usage: delid"), "{room:?}: {text}");
    }
    assert!(run(&["--version"]).expect(0).out.starts_with("delid "));
}
