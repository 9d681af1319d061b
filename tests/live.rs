//! The running system: what `delid capture` writes down is the machine that `delid topo` shows.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

mod program;

use program::{MACHINES, Run, argument, installed, machine, program, run};

fn json(from: &[&str]) -> Value {
    let mut arguments = vec!["topo", "--json"];
    arguments.extend(from.iter().flat_map(|path| ["--from", path]));
    let result = run(&arguments);
    assert!(result.code == 0 || result.code == 1, "{}", result.err);
    serde_json::from_str(&result.out).unwrap_or_else(|error| panic!("{error}: {}", result.err))
}

/// Takes out what is about the source and not about the machine: origins, gaps, presence of sources,
/// and who gave what. The model holds nothing that changes by itself while Linux runs.
fn machine_only(mut value: Value) -> Value {
    for key in ["origins", "gaps", "sources"] {
        value["machine"].as_object_mut().unwrap().remove(key);
    }
    strip(&mut value);
    value
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !matches!(key.as_str(), "origin" | "provenance"));
            map.values_mut().for_each(strip);
        }
        Value::Array(list) => list.iter_mut().for_each(strip),
        _ => {}
    }
}

/// The first place where two values differ.
fn difference(at: &str, left: &Value, right: &Value) -> Option<String> {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys());
            keys.filter(|key| a.get(*key) != b.get(*key)).find_map(|key| {
                let one = a.get(key).unwrap_or(&Value::Null);
                let other = b.get(key).unwrap_or(&Value::Null);
                difference(&format!("{at}.{key}"), one, other)
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(index, (one, other))| difference(&format!("{at}[{index}]"), one, other)),
        _ => (left != right).then(|| format!("{at}: {left} and {right}")),
    }
}

#[track_caller]
fn assert_same(left: &Value, right: &Value) {
    assert_eq!(difference("", left, right), None);
}

#[test]
fn captured_machine_is_the_live_machine() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.tar.zst");
    run(&["capture", "-o", argument(&path)]).expect(0);
    let live = machine_only(json(&[]));
    assert_same(&live, &machine_only(json(&[argument(&path)])));
    // Captured again from the capture.
    let second = folder.path().join("y.tar.zst");
    run(&["capture", "-o", argument(&second), "--from", argument(&path)]).expect(0);
    assert_same(&live, &machine_only(json(&[argument(&second)])));
}

#[test]
fn capture_into_a_pipe_is_the_same_archive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.tar.zst");
    let from = machine(MACHINES[2]);
    run(&["capture", "-o", argument(&path), "--from", &from]).expect(0);
    let output = program::delid(&["capture", "-o", "-", "--from", &from])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(fs::read(&path).unwrap().len(), output.stdout.len());
    assert!(fs::read(&path).unwrap() == output.stdout);
}

/// Values that name one machine, anywhere in the JSON.
fn naming(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                match inner {
                    Value::String(text)
                        if matches!(key.as_str(), "serial" | "uuid" | "asset_tag" | "asset" | "host") =>
                    {
                        found.push(text.clone())
                    }
                    other => naming(other, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|one| naming(one, found)),
        _ => {}
    }
}

#[test]
fn redacted_capture_keeps_the_topology_and_no_serial_number() {
    let folder = tempfile::tempdir().unwrap();
    for name in MACHINES {
        let from = machine(name);
        let path = folder.path().join(format!("{name}.tar.zst"));
        run(&["capture", "--redact", "-o", argument(&path), "--from", &from]).expect(0);
        // Dumps lying beside the tree (command output) are no part of a capture: compare with a plain one.
        let plain = folder.path().join(format!("{name}-plain.tar.zst"));
        run(&["capture", "-o", argument(&plain), "--from", &from]).expect(0);
        let (whole, redacted) = (json(&[argument(&plain)]), json(&[argument(&path)]));
        for part in ["cpu", "sockets"] {
            let strip_serials = |mut value: Value| {
                remove_names(&mut value);
                value
            };
            let (one, other) = (
                machine_only(whole.clone())["machine"][part].clone(),
                machine_only(redacted.clone())["machine"][part].clone(),
            );
            assert_same(&strip_serials(one), &strip_serials(other));
        }
        let tree = |value: &Value| -> Vec<Value> {
            let functions = value["machine"]["pci"]["functions"].as_array().unwrap();
            functions
                .iter()
                .map(|one| {
                    serde_json::json!([
                        one["bdf"],
                        one["parent"],
                        one["children"],
                        one["link"],
                        one["node"],
                        one["full_name"]
                    ])
                })
                .collect()
        };
        assert_eq!(tree(&whole), tree(&redacted), "{name}");
        assert_eq!(
            whole["machine"]["memory"]["slots"].as_array().unwrap().len(),
            redacted["machine"]["memory"]["slots"].as_array().unwrap().len()
        );
        let (mut before, mut after) = (Vec::new(), Vec::new());
        naming(&whole, &mut before);
        naming(&redacted, &mut after);
        // A UUID of zeroes is "Not Settable" before and after.
        let says = |text: &&String| {
            topo::model::is_told(text) && *text != "Not Settable" && !text.chars().all(|one| "X0- ".contains(one))
        };
        let kept: Vec<&String> = before.iter().filter(|text| after.contains(text)).filter(says).collect();
        assert!(kept.is_empty(), "{name}: {kept:?}");
    }
}

/// Takes out what is redacted.
fn remove_names(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !matches!(key.as_str(), "serial" | "uuid" | "asset_tag" | "asset"));
            map.values_mut().for_each(remove_names);
        }
        Value::Array(list) => list.iter_mut().for_each(remove_names),
        _ => {}
    }
}

/// Runs the program as nobody: through `setpriv` when the tests run as root, as it is otherwise.
fn unprivileged(folder: &Path, arguments: &[&str]) -> Option<Run> {
    let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").unwrap());
    let output = if owner == 0 {
        if !installed("setpriv") {
            return None;
        }
        // The folder of the build may be closed to others: a copy is not.
        let copy = folder.join("delid");
        fs::copy(program(), &copy).unwrap();
        for path in [folder, &copy] {
            fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        }
        let mut command = Command::new("setpriv");
        command
            .args([
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "--bounding-set=-all",
                "--",
            ])
            .arg(copy);
        command.args(arguments).current_dir(folder).output().unwrap()
    } else {
        Command::new(program())
            .args(arguments)
            .current_dir(folder)
            .output()
            .unwrap()
    };
    Some(Run::from(output))
}

#[test]
fn without_privilege_it_works_and_says_what_root_would_add() {
    let folder = tempfile::tempdir().unwrap();
    let Some(result) = unprivileged(folder.path(), &["topo"]) else {
        return;
    };
    let result = result.expect(0);
    assert!(!result.out.is_empty());
    let Some(captured) = unprivileged(folder.path(), &["capture", "-o", "n.tar.zst"]) else {
        return;
    };
    captured.expect(0);
    let path = folder.path().join("n.tar.zst");
    let captured = machine_only(json(&[argument(&path)]));
    let Some(live) = unprivileged(folder.path(), &["topo", "--json"]) else {
        return;
    };
    let live: Value = serde_json::from_str(&live.out).unwrap();
    assert_same(&machine_only(live), &captured);
}
