//! The walls of the house: which room may know which. Reads manifests and sources and fails with
//! the file and the rule when one is broken; the rules themselves are tried on bad input below.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms its manifest may name.
const ARROWS: &[(&str, &[&str])] = &[
    ("captures", &[]),
    ("render", &[]),
    ("kdd", &[]),
    ("acpi-dump", &["captures"]),
    ("cpuid-db", &["captures"]),
    ("microcode", &["captures", "cpuid-db"]),
    ("topo", &["acpi-dump", "captures", "cpuid-db", "microcode", "render"]),
    (
        "",
        &[
            "acpi-dump",
            "captures",
            "cpuid-db",
            "kdd",
            "microcode",
            "render",
            "topo",
        ],
    ),
];

/// Paths that some folder must not name, but for the files given.
const FORBIDDEN: &[(&str, &[&str], &[&str])] = &[
    ("acpi-dump/src", &["captures"], &["cli"]),
    ("microcode/src", &["captures"], &["cli"]),
    ("cpuid-db/src", &["captures"], &["cli"]),
    ("topo/src/pci", &["captures", "crate::model"], &[]),
    ("topo/src/smbios", &["captures", "crate::model"], &[]),
    ("topo/src", &["render"], &["diagram", "cli"]),
    ("src", &["render"], &[]),
];

/// Modules that may hold `unsafe`.
const UNSAFE: &[&str] = &["captures/src/xen/privcmd.rs", "kdd/src/target/xen_live/privcmd.rs"];

/// Words that may stand before a path and are no part of it.
const KEYWORDS: &[&str] = &[
    "as", "const", "dyn", "else", "fn", "for", "if", "impl", "in", "let", "match", "mut", "pub", "return", "static",
    "type", "use", "where", "while",
];

/// Longest file, in lines.
const LONGEST: usize = 800;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Rust files below a folder, as paths from the root with `/`.
fn sources(folder: &str) -> Vec<String> {
    let mut list = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let parts = path.strip_prefix(root()).unwrap().components();
                list.push(
                    parts
                        .map(|part| part.as_os_str().to_str().unwrap())
                        .collect::<Vec<_>>()
                        .join("/"),
                );
            }
        }
    }
    list.sort();
    list
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Rooms that a manifest names as dependencies, of any kind.
fn arrows(manifest: &str) -> Vec<String> {
    let mut list = Vec::new();
    let mut section = String::new();
    for line in manifest
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
    {
        if line.starts_with('[') {
            section = line.to_owned();
        }
        if section.starts_with("[package") || section.starts_with("[workspace") {
            continue;
        }
        let words = line.split(|character: char| !character.is_ascii_alphanumeric() && character != '-');
        list.extend(words.filter_map(|word| word.strip_prefix("delid-")).map(str::to_owned));
    }
    list.sort();
    list.dedup();
    list
}

/// Source without comments; the contents of strings and characters are dropped too.
fn code(source: &str) -> String {
    let mut out = String::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = raw_string(rest).filter(|_| !out.ends_with(is_name)) {
            length
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\'' {
            character(rest)
        } else {
            out.push(first);
            rest = rest.get(first.len_utf8()..).unwrap();
            continue;
        };
        out.push(' ');
        rest = rest.get(skipped..).unwrap();
    }
    out
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0usize;
    for (at, _) in rest.char_indices() {
        let here = rest.get(at..).unwrap();
        if here.starts_with("/*") {
            depth += 1;
        } else if here.starts_with("*/") {
            depth -= 1;
            if depth == 0 {
                return at + 2;
            }
        }
    }
    rest.len()
}

/// Length of `r"..."`, `r#"..."#`, `br"..."`.
fn raw_string(rest: &str) -> Option<usize> {
    let start = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let body = start.trim_start_matches('#');
    let end = format!("\"{}", "#".repeat(start.len() - body.len()));
    let body = body.strip_prefix('"')?;
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(rest.len() - body.len() + length)
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character literal whole, or only the quote of a lifetime.
fn character(rest: &str) -> usize {
    let mut inside = rest.chars().skip(1);
    match (inside.next(), inside.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted(rest, '\''),
        _ => 1,
    }
}

/// Words and the signs that matter for paths: `::`, `{`, `}`, `,`, any other as it is.
fn tokens(code: &str) -> Vec<&str> {
    let mut list = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if is_name(first) {
            rest.find(|character| !is_name(character)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        list.push(token);
        rest = after.trim_start();
    }
    list
}

/// Every path in the code, groups opened: `a::{b, c::d}` gives `a::b` and `a::c::d`. Single words
/// count only behind `use` and `crate`.
fn paths(code: &str) -> Vec<String> {
    let tokens = tokens(code);
    let mut list = Vec::new();
    let mut groups: Vec<String> = Vec::new();
    let mut path = String::new();
    let mut in_use = false;
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1).copied().unwrap_or_default();
        if KEYWORDS.contains(token) {
            path.clear();
            in_use |= *token == "use";
        } else if token.starts_with(is_name) {
            if path.is_empty() {
                path = groups.last().cloned().unwrap_or_default();
            }
            path.push_str(token);
            let extern_crate = at >= 2 && tokens.get(at - 1..at) == Some(&["crate"]);
            if next != "::" {
                let single = !path.contains("::");
                let finished = std::mem::take(&mut path);
                if !single || in_use || extern_crate {
                    list.push(finished);
                }
            }
        } else if *token == "::" && next == "{" && in_use {
            groups.push(std::mem::take(&mut path) + "::");
        } else if *token == "::" {
            path.push_str("::");
        } else if *token == "{" && in_use && tokens.get(at.wrapping_sub(1)) != Some(&"::") {
            groups.push(String::new());
        } else if *token == "}" && in_use {
            groups.pop();
        } else if *token == ";" {
            in_use = false;
            groups.clear();
        }
    }
    list.iter()
        .map(|path| path.trim_start_matches("::").to_owned())
        .collect()
}

/// Whether a path lies in `wanted`; `super::super::model` counts as `crate::model`.
fn names(path: &str, wanted: &str) -> bool {
    let within = |path: &str| {
        path.strip_prefix(wanted)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    let above = path.trim_start_matches("super::");
    within(path) || (path.starts_with("super::super::") && within(&format!("crate::{above}")))
}

fn has_unsafe(source: &str) -> bool {
    tokens(&code(source)).contains(&"unsafe")
}

fn forbids_unsafe(source: &str) -> bool {
    code(source)
        .split_whitespace()
        .collect::<String>()
        .contains("#![forbid(unsafe_code)]")
}

fn opens_with_doc(source: &str) -> bool {
    source.starts_with("//!") || source.starts_with("/*!")
}

/// Files of a room that make what is checked: sources, tests, benches, examples.
fn all_sources() -> Vec<String> {
    let rooms = ARROWS.iter().map(|(room, _)| *room);
    let folders = rooms.flat_map(|room| {
        ["src", "tests", "benches", "examples"].map(|folder| match room {
            "" => folder.to_owned(),
            room => format!("{room}/{folder}"),
        })
    });
    folders.flat_map(|folder| sources(&folder)).collect()
}

/// Whether a file is one of the excepted modules of a folder: `cli.rs`, `cli/…`.
fn excepted(file: &str, folder: &str, modules: &[&str]) -> bool {
    let inside = file.strip_prefix(folder).unwrap_or(file).trim_start_matches('/');
    let first = inside.split(['/', '.']).next().unwrap_or_default();
    modules.contains(&first)
}

fn report(broken: &[String]) {
    assert!(broken.is_empty(), "{} broken:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn manifests_have_only_the_arrows_drawn() {
    let mut broken = Vec::new();
    for (room, allowed) in ARROWS {
        let manifest = Path::new(room).join("Cargo.toml");
        let manifest = manifest.to_str().unwrap();
        let more = arrows(&text(manifest))
            .into_iter()
            .filter(|to| !allowed.contains(&to.as_str()));
        broken.extend(more.map(|to| format!("{manifest}: names delid-{to}")));
    }
    report(&broken);
}

#[test]
fn every_room_is_one_of_those_checked() {
    let manifest = text("Cargo.toml");
    let members = manifest
        .lines()
        .find_map(|line| line.strip_prefix("members = "))
        .unwrap();
    for member in members.split('"').skip(1).step_by(2) {
        assert!(
            ARROWS.iter().any(|(room, _)| *room == member),
            "{member}: no rule for it"
        );
    }
}

#[test]
fn sources_name_only_what_their_place_may_know() {
    let mut broken = Vec::new();
    for (folder, forbidden, except) in FORBIDDEN {
        for file in sources(folder).iter().filter(|file| !excepted(file, folder, except)) {
            let paths = paths(&code(&text(file)));
            for wanted in *forbidden {
                let hit = paths.iter().find(|path| names(path, wanted));
                broken.extend(hit.map(|path| format!("{file}: names {path}")));
            }
        }
    }
    report(&broken);
}

#[test]
fn unsafe_stands_only_in_the_modules_listed() {
    let mut broken = Vec::new();
    for file in all_sources().iter().filter(|file| !UNSAFE.contains(&file.as_str())) {
        if has_unsafe(&text(file)) {
            broken.push(format!("{file}: unsafe"));
        }
    }
    for (room, _) in ARROWS.iter().filter(|(room, _)| !room.is_empty()) {
        let uses = |file: &&&str| {
            file.starts_with(&format!("{room}/")) && root().join(file).is_file() && has_unsafe(&text(file))
        };
        let lib = format!("{room}/src/lib.rs");
        if !UNSAFE.iter().any(|file| uses(&file)) && !forbids_unsafe(&text(&lib)) {
            broken.push(format!("{lib}: expected #![forbid(unsafe_code)]"));
        }
    }
    report(&broken);
}

#[test]
fn every_module_opens_with_what_it_is_and_stays_short() {
    let mut broken = Vec::new();
    for file in all_sources() {
        let text = text(&file);
        let lines = text.lines().count();
        if !opens_with_doc(&text) {
            broken.push(format!("{file}: expected //! in its first line"));
        }
        if lines > LONGEST {
            broken.push(format!("{file}: expected at most {LONGEST} lines, seen {lines}"));
        }
    }
    report(&broken);
}

#[test]
fn rule_on_manifests_sees_every_way_to_name_a_room() {
    let bad = "[package]\nname = \"delid-kdd\"\n[dependencies]\ndelid-topo.workspace = true\n\
               x = { package = \"delid-render\", path = \"../render\" }\n# delid-captures\n\
               [dev-dependencies.delid-cpuid-db]\nworkspace = true\n";
    assert_eq!(arrows(bad), ["cpuid-db", "render", "topo"]);
    assert_eq!(
        arrows("[workspace.dependencies]\ndelid-topo = { path = \"topo\" }\n"),
        Vec::<String>::new()
    );
}

#[test]
fn rule_on_paths_sees_every_way_to_name_a_crate() {
    let bad = [
        "use captures::Source;",
        "use ::captures::Source;",
        "use captures as c;",
        "pub use {std::fs, captures::Source};",
        "use std::fs;\nfn f(x: &captures::Source) {}",
        "extern crate captures;",
        "impl ::captures::Tree for X {}",
        "fn f() { let x = <captures::Source as Default>::default(); }",
    ];
    for source in bad {
        assert!(
            paths(&code(source)).iter().any(|path| names(path, "captures")),
            "{source}"
        );
    }
    let good = [
        "// use captures::Source;",
        "/* captures::Source */ fn f() {}",
        "let text = \"captures::Source\"; let raw = r#\"use captures::x\"#;",
        "use crate::captures::x; use captures_of::y; let captures = 1; captures.len();",
        "fn f<'a>(x: &'a str) -> char { '\"' } // captures::x",
    ];
    for source in good {
        assert!(
            !paths(&code(source)).iter().any(|path| names(path, "captures")),
            "{source}"
        );
    }
}

#[test]
fn rule_on_paths_sees_the_model_through_groups_and_super() {
    for bad in [
        "use crate::{pci, model::Machine};",
        "use crate::model;",
        "use super::super::model::Machine;",
        "crate::model::f()",
    ] {
        assert!(
            paths(&code(bad)).iter().any(|path| names(path, "crate::model")),
            "{bad}"
        );
    }
    for good in [
        "use super::model::Row;",
        "use crate::models::x;",
        "let model = 1;",
        "use std::{fs, io}; use crate::pci;",
    ] {
        assert!(
            !paths(&code(good)).iter().any(|path| names(path, "crate::model")),
            "{good}"
        );
    }
}

#[test]
fn exceptions_hold_for_the_module_and_its_folder_only() {
    assert!(excepted("topo/src/diagram/pci.rs", "topo/src", &["diagram"]));
    assert!(excepted("topo/src/diagram.rs", "topo/src", &["diagram"]));
    assert!(!excepted("topo/src/pci/diagram.rs", "topo/src", &["diagram"]));
    assert!(!excepted("topo/src/client.rs", "topo/src", &["cli"]));
}

#[test]
fn rule_on_unsafe_sees_the_word_in_code_only() {
    assert!(has_unsafe("fn f() { unsafe { g() } }"));
    assert!(!has_unsafe("// unsafe\nlet x = \"unsafe\";\n#![forbid(unsafe_code)]"));
    assert!(forbids_unsafe("//! Doc.\n#![forbid(unsafe_code)]"));
    assert!(!forbids_unsafe("// #![forbid(unsafe_code)]"));
}

#[test]
fn rule_on_openings_wants_the_first_line() {
    assert!(opens_with_doc("//! What it is."));
    assert!(!opens_with_doc("use std::fs;\n//! Late."));
    assert!(!opens_with_doc("/// Of an item."));
}
