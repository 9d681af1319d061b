//! What names and methods give, beside the published disassembly and beside `acpiexec`.
//!
//! `DELID_ALL=1` compares every machine of the corpus with `acpiexec`, otherwise a sample is run;
//! `DELID_ACPIEXEC` names another binary than the one in the path.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice)]

mod aml_support;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use acpi_dump::aml::evaluate::device::eisa_id;
use acpi_dump::aml::evaluate::{Answer, Dependency, Evaluator, Limits, RegionRead, Regions, Value};
use acpi_dump::aml::{Namespace, ObjectId, ObjectKind};
use aml_support::{Machine, corpus, machines, unpack};

const NAMES: [&[u8; 4]; 21] = [
    b"_HID", b"_CID", b"_ADR", b"_UID", b"_BBN", b"_SEG", b"_PXM", b"_SUN", b"_STA", b"_DDN", b"_STR", b"_CLS",
    b"_HRV", b"_CRS", b"_PRS", b"_PRT", b"_PLD", b"_DSD", b"_PRW", b"_PSS", b"_CST",
];

fn wanted(space: &Namespace) -> Vec<ObjectId> {
    let objects = space.iter();
    objects
        .filter(|(_, object)| NAMES.contains(&&object.name.0) && object.place.is_some())
        .map(|(id, _)| id)
        .collect()
}

// ---- the published disassembly ----

/// `Name (_HID, ...)` and the like of a listing, by path.
fn listed_constants(space: &Namespace, listing: &str) -> Vec<(String, String)> {
    let mut list = Vec::new();
    let mut scopes: Vec<Option<String>> = vec![Some(String::new())];
    let mut opened: Option<String> = None;
    let mut method = 0_usize;
    for line in listing.lines() {
        let line = line.trim();
        if line.starts_with("DefinitionBlock") || line == "DSDT" || line.starts_with("SSDT") {
            scopes = vec![Some(String::new())];
        }
        let scope = scopes.last().cloned().flatten();
        if let Some((word, rest)) = line.split_once(" (") {
            let name = rest.split([',', ')']).next().unwrap();
            match word {
                "Device" | "Processor" | "ThermalZone" | "PowerResource" => {
                    opened = scope.map(|scope| join(&scope, name))
                }
                "Scope" => opened = scope.and_then(|scope| search(space, &scope, name)),
                "Method" => method = scopes.len() + 1,
                "Name" if matches!(name, "_HID" | "_ADR" | "_UID") && (method == 0 || scopes.len() < method) => {
                    if let (Some(scope), Some((_, value))) = (scope, rest.split_once(", ")) {
                        list.push((join(&scope, name), constant(value)));
                    }
                }
                _ => {}
            }
        }
        match line {
            _ if line == "{" || line.starts_with("{   // Pin list") => {
                let inside = scopes.last().cloned().flatten();
                scopes.push(opened.take().or(inside));
            }
            _ if line.starts_with('}') => {
                scopes.pop();
                if scopes.len() < method {
                    method = 0;
                }
                if scopes.is_empty() {
                    scopes.push(Some(String::new()));
                }
            }
            _ => {}
        }
    }
    list
}

/// A name below a scope; scopes have no `\` and no dots at their ends.
fn join(scope: &str, name: &str) -> String {
    if let Some(absolute) = name.strip_prefix('\\') {
        return absolute.to_owned();
    }
    let parents = name.chars().take_while(|char| *char == '^').count();
    let mut segments: Vec<&str> = scope.split('.').filter(|segment| !segment.is_empty()).collect();
    segments.truncate(segments.len().saturating_sub(parents));
    segments.extend(name[parents..].split('.'));
    segments.join(".")
}

fn search(space: &Namespace, scope: &str, name: &str) -> Option<String> {
    let mut at = scope.to_owned();
    loop {
        let path = join(&at, name);
        if space.find(&format!("\\{path}")).is_some() {
            return Some(path);
        }
        if at.is_empty() || name.starts_with('\\') {
            return None;
        }
        at = at
            .rsplit_once('.')
            .map(|(parent, _)| parent.to_owned())
            .unwrap_or_default();
    }
}

fn constant(text: &str) -> String {
    if let Some(id) = text.strip_prefix("EisaId (\"") {
        return id[..7].to_owned();
    }
    if let Some(text) = text.strip_prefix('"') {
        return format!("{:?}", text.split('"').next().unwrap());
    }
    match text.split([')', ' ']).next().unwrap() {
        "Zero" => "0x0".to_owned(),
        "One" => "0x1".to_owned(),
        hex => u64::from_str_radix(hex.trim_start_matches("0x"), 16)
            .map_or(hex.to_owned(), |number| format!("{number:#x}")),
    }
}

#[test]
fn constants_are_those_of_the_published_disassembly() {
    let Some(corpus) = corpus() else { return };
    let (mut compared, mut dumps, mut conditional, mut startup) = (0, 0, 0, 0);
    let mut differences = Vec::new();
    for machine in machines() {
        let Some(name) = machine.name.strip_suffix(".acpidump.txt.zst") else {
            continue;
        };
        let oracle = corpus.join(format!("{name}.iasl-decoded.txt.zst"));
        if !oracle.is_file() {
            continue;
        }
        let oracle = String::from_utf8_lossy(&unpack(&oracle)).into_owned();
        let space = Namespace::build(&machine.slices());
        let evaluator = Evaluator::new(&space);
        dumps += 1;
        for (path, theirs) in listed_constants(&space, &oracle) {
            let Some(id) = space.find(&format!("\\{path}")) else {
                differences.push(format!("{name} {path}: not in the namespace"));
                continue;
            };
            let answer = evaluator.evaluate_object(id, &[]).answer;
            if let Answer::Dynamic { reasons, .. } = &answer
                && matches!(reasons.as_slice(), [Dependency::Startup { .. }])
            {
                // `_INI` stores something else there.
                startup += 1;
                continue;
            }
            let ours = match answer {
                Answer::Known(Value::Integer(number)) if theirs.starts_with(|char: char| char.is_ascii_uppercase()) => {
                    eisa_id(number.try_into().unwrap())
                }
                Answer::Known(value) => value.to_string(),
                Answer::Dynamic { candidates, .. } if space.condition(id).is_some() => {
                    conditional += 1;
                    let shown = candidates.iter().map(|value| match value {
                        Value::Integer(number) if theirs.starts_with(|char: char| char.is_ascii_uppercase()) => {
                            eisa_id((*number).try_into().unwrap())
                        }
                        other => other.to_string(),
                    });
                    shown.into_iter().find(|shown| *shown == theirs).unwrap_or_default()
                }
                other => format!("{other:?}"),
            };
            compared += 1;
            if ours != theirs {
                differences.push(format!("{name} {path}: {ours}, oracle {theirs}"));
            }
        }
    }
    eprintln!(
        "{dumps} dumps, {compared} constants ({conditional} in other branches, {startup} set at start-up), {} differ",
        differences.len()
    );
    assert!(compared > 4000, "{compared} constants compared");
    assert!(differences.is_empty(), "{differences:#?}");
}

// ---- acpiexec ----

fn acpiexec() -> Option<String> {
    let name = std::env::var("DELID_ACPIEXEC").unwrap_or_else(|_| "acpiexec".to_owned());
    let mut version = Command::new(&name);
    let there = version.arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_err() {
        eprintln!("acpiexec absent: comparison not run");
        return None;
    }
    Some(name)
}

/// What it says to each path, for at most a minute.
fn evaluated(program: &str, machine: &Machine, paths: &[String]) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    // No repair of results; loops end after a second.
    command.args(["-dr", "-to", "1"]).current_dir(folder.path());
    for (number, table) in machine.tables.iter().enumerate() {
        let name = format!("{number:02}.dat");
        std::fs::write(folder.path().join(&name), table).unwrap();
        command.arg(name);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut text = String::from("evaluate \\_PIC 1\n");
    text.extend(paths.iter().map(|path| format!("evaluate {path}\n")));
    text.push_str("quit\n");
    thread::spawn(move || input.write_all(text.as_bytes()));
    let mut output = child.stdout.take().unwrap();
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        output.read_to_end(&mut bytes).map(|_| bytes)
    });
    let end = Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
            eprintln!("{}: acpiexec did not end", machine.name);
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.wait().unwrap();
    let bytes = reader.join().unwrap().unwrap();
    answers(&String::from_utf8_lossy(&bytes))
}

fn answers(output: &str) -> BTreeMap<String, String> {
    let mut list = BTreeMap::new();
    let mut current: Option<(String, Vec<&str>)> = None;
    let close = |current: Option<(String, Vec<&str>)>, list: &mut BTreeMap<String, String>| {
        if let Some((path, lines)) = current
            && let Some(value) = value_of(&lines)
        {
            list.insert(path, value);
        }
    };
    for line in output.lines() {
        if let Some(path) = line.strip_prefix("Evaluating ") {
            close(current.take(), &mut list);
            current = Some((path.trim().to_owned(), Vec::new()));
        } else if let Some((_, lines)) = &mut current {
            lines.push(line);
        }
    }
    close(current, &mut list);
    list
}

/// The value, in the spelling of [`spelled`]; `None` when it failed.
fn value_of(lines: &[&str]) -> Option<String> {
    let start = lines.iter().position(|line| line.contains(" returned object "))?;
    let mut words = Vec::new();
    for line in &lines[start + 1..] {
        let line = line.trim();
        let data = |rest: &str, words: &mut Vec<String>| {
            let bytes = rest.split("//").next().unwrap();
            let bytes = bytes.split_once(':').map_or("", |(_, bytes)| bytes);
            words.extend(bytes.split_whitespace().map(str::to_owned));
        };
        if let Some(rest) = line.strip_prefix("[Integer] = ") {
            words.push(format!("i{}", rest.trim()));
        } else if let Some(rest) = line.strip_prefix("[String]") {
            let text = rest.split_once('"').and_then(|(_, text)| text.rsplit_once('"'));
            words.push(format!("s{}", text.map_or("", |(text, _)| text)));
        } else if let Some(rest) = line.strip_prefix("[Buffer]") {
            words.push("b".to_owned());
            data(rest, &mut words);
        } else if let Some(rest) = line.strip_prefix("[Package] Contains ") {
            words.push(format!("p{}", rest.split(' ').next().unwrap()));
        } else if line.starts_with("[Object Reference]") {
            let name = line.split("Name ").nth(1).and_then(|rest| rest.split(' ').next());
            words.push(format!("r{}", name.unwrap_or("")));
        } else if line.get(4..5) == Some(":") && line[..4].bytes().all(|byte| byte.is_ascii_hexdigit()) {
            data(line, &mut words);
        }
    }
    Some(words.join(" "))
}

fn spelled(value: &Value) -> String {
    let mut words = Vec::new();
    spell(value, &mut words);
    words.join(" ")
}

fn spell(value: &Value, words: &mut Vec<String>) {
    match value {
        Value::Integer(number) => words.push(format!("i{number:016X}")),
        Value::String(text) => words.push(format!("s{text}")),
        Value::Buffer(buffer) => {
            words.push("b".to_owned());
            words.extend(buffer.bytes.iter().map(|byte| format!("{byte:02X}")));
        }
        Value::Package(list) => {
            words.push(format!("p{}", list.len()));
            list.iter().for_each(|element| spell(element, words));
        }
        Value::Reference(path) => {
            let last = path.rsplit(['.', '\\', '^']).next().unwrap();
            words.push(format!("r{last:_<4}"));
        }
        Value::Uninitialized => words.push("n".to_owned()),
        Value::Unknown(_) => words.push("?".to_owned()),
    }
}

/// Regions as `acpiexec` has them: all zero.
struct Zeros;

impl Regions for Zeros {
    fn read(&self, read: &RegionRead<'_>) -> Option<u64> {
        (read.bits <= 64).then_some(0)
    }
}

/// Values that differ for a reason.
const DIFFERENT: [(&str, &str); 1] = [(
    "\\_SB.PAGD._STA",
    "asks _OSI for \"Processor Aggregator Device\": Linux answers yes, acpiexec no",
)];

#[test]
fn known_values_are_those_of_acpiexec() {
    let Some(program) = acpiexec() else { return };
    let all = std::env::var_os("DELID_ALL").is_some();
    let mut figures = BTreeMap::<String, (usize, usize)>::new();
    let mut differences = Vec::new();
    let mut candidates = (0, 0);
    let mut zeros = (0, 0);
    for (number, machine) in machines().into_iter().enumerate() {
        if !all && number % 9 != 0 {
            continue;
        }
        let space = Namespace::build(&machine.slices());
        let evaluator = Evaluator::new(&space);
        let with_zeros = Evaluator::with(&space, Limits::default(), Some(&Zeros));
        let objects = wanted(&space);
        let paths: Vec<String> = objects.iter().map(|id| space.path(*id).to_string()).collect();
        let theirs = evaluated(&program, &machine, &paths);
        for (id, path) in objects.iter().zip(&paths) {
            let Some(theirs) = theirs.get(path) else { continue };
            let outcome = evaluator.evaluate_object(*id, &[]);
            let value = match &outcome.answer {
                Answer::Known(value) => value,
                Answer::Dynamic { candidates: list, .. } => {
                    if let Answer::Known(value) = with_zeros.evaluate_object(*id, &[]).answer {
                        zeros.0 += 1;
                        zeros.1 += usize::from(spelled(&value) == *theirs);
                        if spelled(&value) != *theirs && std::env::var_os("DELID_SHOW").is_some() {
                            eprintln!(
                                "with zeros: {} {path}: {}, oracle {theirs}",
                                machine.name,
                                spelled(&value)
                            );
                        }
                    }
                    candidates.0 += 1;
                    candidates.1 += usize::from(list.iter().any(|value| spelled(value) == *theirs));
                    continue;
                }
                Answer::Failed(_) => continue,
            };
            let name = path.rsplit('.').next().unwrap().to_owned();
            let figure = figures.entry(name).or_default();
            figure.0 += 1;
            if spelled(value) == *theirs || DIFFERENT.iter().any(|(different, _)| different == path) {
                figure.1 += 1;
            } else {
                let assumed = outcome
                    .assumptions
                    .iter()
                    .map(Dependency::to_string)
                    .collect::<Vec<_>>()
                    .join("; ");
                differences.push(format!(
                    "{} {path}: {}, oracle {theirs} [{assumed}]",
                    machine.name,
                    spelled(value)
                ));
            }
        }
    }
    for (name, (compared, equal)) in &figures {
        eprintln!("{name}: {equal} of {compared}");
    }
    eprintln!(
        "dynamic: {} of {} have the oracle's value among the candidates",
        candidates.1, candidates.0
    );
    eprintln!(
        "of these, with zeros in all regions: {} of {} are the oracle's",
        zeros.1, zeros.0
    );
    assert!(figures.values().map(|(compared, _)| compared).sum::<usize>() > 100);
    assert!(differences.is_empty(), "{}: {differences:#?}", differences.len());
}

// ---- all of the corpus ----

#[test]
fn every_object_of_every_dump_is_evaluated_in_bounded_time() {
    let mut figures = BTreeMap::<String, [usize; 3]>::new();
    let mut slowest = (Duration::ZERO, String::new());
    for machine in machines() {
        let begin = Instant::now();
        let space = Namespace::build(&machine.slices());
        let evaluator = Evaluator::new(&space);
        for id in wanted(&space) {
            let name = space.object(id).unwrap().name.to_string();
            let kind = match evaluator.evaluate_object(id, &[]).answer {
                Answer::Known(_) => 0,
                Answer::Dynamic { .. } => 1,
                Answer::Failed(_) => 2,
            };
            figures.entry(name).or_default()[kind] += 1;
        }
        for (id, object) in space.iter() {
            if matches!(object.kind, ObjectKind::Device | ObjectKind::Processor { .. }) {
                assert!(!evaluator.device(id).path.is_empty());
            }
        }
        let time = begin.elapsed();
        if time > slowest.0 {
            slowest = (time, machine.name.clone());
        }
        assert!(time < Duration::from_secs(120), "{}: {time:?}", machine.name);
    }
    for (name, [known, dynamic, failed]) in &figures {
        eprintln!("{name}: {known} known, {dynamic} dynamic, {failed} failed");
    }
    eprintln!("slowest: {slowest:?}");
}
