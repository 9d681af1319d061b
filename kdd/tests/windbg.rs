//! The WinDbg engine attaches to made-up guests in every container, over the serial protocol and over
//! KDNET, writes dumps of them and opens what `dump` writes. Needs the engine under Wine: see
//! `tests/windbg/run`; without `DELID_WINDBG` nothing is run, and that is said.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing)]

#[path = "windbg/engine.rs"]
mod engine;
#[path = "windbg/judge.rs"]
mod judge;
mod synthetic;

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::thread;

use clap::Parser as _;
use judge::Questions;
use kdd::cli::{Args, run};
use synthetic::files::CONTAINERS;
use synthetic::windows::{Config, Truth, build};

/// Whether the engine is there; says so when not.
fn absent() -> bool {
    let absent = engine::client().is_none();
    if absent {
        eprintln!("not run: DELID_WINDBG names no client of the WinDbg engine (tests/windbg/run)");
    }
    absent
}

/// Guests whose dumps an engine of 2017 cannot read: it walks page tables of four levels.
const TOO_NEW: &[&str] = &["server-x64-la57"];

/// Guests of each kind; the others run with `DELID_ALL`.
const SOME: &[&str] = &[
    "win10-x64-absent",
    "win10-x64-kpti",
    "win11-24h2-x64",
    "server-x64-la57",
    "win7-x86-pae",
    "xp-x86",
];

/// Which line the engine comes over.
#[derive(Clone, Copy, Debug)]
enum Line {
    Serial,
    /// With the version of the protocol.
    Kdnet(u8),
}

/// Serves a source in a thread, and gives what the engine connects to.
fn serve(source: &[String], line: Line) -> String {
    let (options, connection) = match line {
        Line::Serial => {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let options = vec!["--listen".to_owned(), port.to_string(), "--once".to_owned()];
            (options, format!("com:ipport={port},port=127.0.0.1"))
        }
        Line::Kdnet(version) => {
            let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let words = format!("--net 127.0.0.1:{port} --key 1a.2.zz.4 --kdnet-version {version} --once");
            let options = words.split(' ').map(str::to_owned).collect();
            (options, format!("net:port={port},key=1a.2.zz.4"))
        }
    };
    let mut arguments = vec!["kdd".to_owned(), "serve".to_owned()];
    arguments.extend(source.iter().cloned().chain(options));
    thread::spawn(move || run(Args::parse_from(arguments), &mut Vec::new()).unwrap());
    connection
}

/// Path as the engine takes it.
fn wine(path: &Path) -> String {
    format!("z:{}", path.display()).replace('/', "\\")
}

/// What a session is about.
struct Case<'a> {
    name: &'a str,
    /// Whether the container holds LSTAR, or nothing of vCPUs, so that it comes from the KPRCB.
    lstar: bool,
    source: Vec<String>,
    truth: &'a Truth,
}

/// Everything that a guest is asked, and both dumps written and opened again.
fn whole_session(case: &Case<'_>, line: Line) {
    eprintln!("{}, {line:?}", case.name);
    let truth = case.truth;
    let folder = tempfile::tempdir().unwrap();
    let (full, mini) = (folder.path().join("full.dmp"), folder.path().join("mini.dmp"));
    let questions = Questions::new(truth);
    let (write_full, write_mini) = (format!(".dump /f {}", wine(&full)), format!(".dump /m {}", wine(&mini)));
    let wide = truth.architecture.unwrap().is_64();
    let pointer = if wide { "r rip" } else { "r eip" };
    let mut commands = vec![".reload"];
    commands.extend(questions.commands());
    if truth.processors.len() > 1 {
        commands.extend(["~1s", pointer, "~0s"]);
    }
    if wide {
        commands.push("rdmsr c0000082");
    }
    commands.extend([write_full.as_str(), write_mini.as_str()]);
    let output = engine::run(&serve(&case.source, line), &commands);
    questions.judge(&output);
    if truth.processors.len() > 1 {
        judge::rip(truth, 1, output.of(pointer));
    }
    if wide {
        judge::lstar(truth, output.of("rdmsr c0000082"), case.lstar);
    }
    assert_eq!(
        output.complaints(),
        Vec::<&str>::new(),
        "{}:\n{}",
        case.name,
        output.all
    );
    for written in [&write_full, &write_mini] {
        assert!(
            output.of(written).contains("Dump successfully written"),
            "{}",
            output.all
        );
    }
    if TOO_NEW.contains(&case.name) {
        return;
    }
    opened(&full, &questions);
    let output = engine::run(&format!("dump={}", mini.display()), &["vertarget", "lm", "r"]);
    questions.modules(&output);
    judge::rip(truth, 0, output.of("r"));
}

/// A dump holds what the guest holds.
fn opened(path: &Path, questions: &Questions<'_>) {
    let output = engine::run(&format!("dump={}", path.display()), &questions.commands());
    questions.judge(&output);
    assert_eq!(
        output.complaints(),
        Vec::<&str>::new(),
        "{}:\n{}",
        path.display(),
        output.all
    );
}

/// A guest in every container, or in one, in a folder.
fn cases<'a>(folder: &Path, built: &'a synthetic::windows::Built, only: Option<&str>) -> Vec<Case<'a>> {
    let case = |container: &synthetic::files::Container| {
        (container.write)(built, folder).unwrap();
        let mut source = vec![folder.join(container.file).display().to_string()];
        let registers = [folder.join("registers.txt"), folder.join("msrs.txt")];
        if container.name == "raw" && registers[0].exists() {
            let both = registers.map(|path| fs::read_to_string(path).unwrap()).concat();
            let path = folder.join("both.txt");
            fs::write(&path, both).unwrap();
            source.extend(["--registers".to_owned(), path.display().to_string()]);
        }
        Case {
            name: container.name,
            lstar: !["elf", "kdump", "kdump-flattened", "xen-core"].contains(&container.name),
            source,
            truth: &built.truth,
        }
    };
    let chosen = CONTAINERS
        .iter()
        .filter(|container| only.is_none_or(|name| name == container.name));
    chosen.map(case).collect()
}

#[test]
fn the_engine_reads_a_guest_in_every_container_over_both_lines_and_writes_dumps_of_it() {
    if absent() {
        return;
    }
    let built = build(&Config::preset("win10-x64-encoded").unwrap());
    let folder = tempfile::tempdir().unwrap();
    let only = std::env::var("DELID_CONTAINER").ok();
    for (number, case) in cases(folder.path(), &built, only.as_deref()).iter().enumerate() {
        whole_session(case, Line::Serial);
        whole_session(case, Line::Kdnet(2 + u8::try_from(number % 3).unwrap()));
    }
}

#[test]
fn the_engine_reads_every_windows() {
    if absent() {
        return;
    }
    let all = std::env::var_os("DELID_ALL").is_some();
    let only = std::env::var("DELID_PRESET").ok();
    for preset in synthetic::windows::config::PRESETS {
        if only.as_ref().is_some_and(|only| !preset.contains(only)) {
            continue;
        }
        if !all && !SOME.contains(preset) {
            eprintln!("not run without DELID_ALL: {preset}");
            continue;
        }
        let built = build(&Config::preset(preset).unwrap());
        let folder = tempfile::tempdir().unwrap();
        for elf in cases(folder.path(), &built, Some("elf")) {
            whole_session(&Case { name: preset, ..elf }, Line::Serial);
        }
    }
}

#[test]
fn the_engine_opens_the_dumps_that_dump_writes() {
    if absent() {
        return;
    }
    let built = build(&Config::preset("win10-x64-encoded").unwrap());
    let folder = tempfile::tempdir().unwrap();
    for case in cases(folder.path(), &built, None) {
        for kind in ["full", "bitmap", "kernel"] {
            eprintln!("{}, dump --kind {kind}", case.name);
            let path = folder.path().join(format!("{}-{kind}.dmp", case.name));
            let mut arguments = vec!["kdd".to_owned(), "dump".to_owned()];
            arguments.extend(case.source.iter().cloned());
            arguments.extend(["-o".to_owned(), path.display().to_string(), format!("--kind={kind}")]);
            assert_eq!(run(Args::parse_from(arguments), &mut Vec::new()).unwrap(), 0);
            opened(&path, &Questions::new(case.truth));
        }
    }
}
