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
use std::path::{Path, PathBuf};
use std::thread;

use clap::Parser as _;
use judge::Questions;
use kdd::cli::{Args, run};
use synthetic::windows::{Config, Truth, build};

/// Whether the engine is there; says so when not.
fn absent() -> bool {
    let absent = engine::client().is_none();
    if absent {
        eprintln!("not run: DELID_WINDBG names no client of the WinDbg engine (tests/windbg/run)");
    }
    absent
}

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

/// Everything that a guest is asked, and both dumps written and opened again.
fn whole_session(name: &str, source: &[String], line: Line, truth: &Truth) {
    let folder = tempfile::tempdir().unwrap();
    let (full, mini) = (folder.path().join("full.dmp"), folder.path().join("mini.dmp"));
    let questions = Questions::new(truth);
    let (write_full, write_mini) = (format!(".dump /f {}", wine(&full)), format!(".dump /m {}", wine(&mini)));
    let lstar = format!("rdmsr {:x}", questions.msr);
    let mut commands = questions.commands();
    commands.push(&lstar);
    if truth.processors.len() > 1 {
        commands.extend(["~1s", "r rip", "~0s"]);
    }
    commands.extend([write_full.as_str(), write_mini.as_str()]);
    eprintln!("{name}, {line:?}");
    let output = engine::run(&serve(source, line), &commands);
    questions.judge(truth, &output);
    judge::registers(truth, 0, &output, "r");
    judge::frames(truth, 0, &output);
    if truth.processors.len() > 1 {
        let rip = format!("rip={:016x}", truth.processors[1].rip);
        assert!(
            output.of("r rip").contains(&rip),
            "{name}: expected {rip}:\n{}",
            output.of("r rip")
        );
    }
    assert_eq!(output.complaints(), Vec::<&str>::new(), "{name}:\n{}", output.all);
    for written in [&write_full, &write_mini] {
        assert!(
            output.of(written).contains("Dump successfully written"),
            "{name}:\n{}",
            output.of(written)
        );
    }
    opened(&full, &questions, truth);
    let output = engine::run(&format!("dump={}", mini.display()), &["vertarget", "lm", "r"]);
    assert!(
        output.of("lm").contains(&judge::address(truth.kernel_base)),
        "{name}:\n{}",
        output.all
    );
}

/// A dump holds what the guest holds.
fn opened(path: &Path, questions: &Questions, truth: &Truth) {
    let output = engine::run(&format!("dump={}", path.display()), &questions.commands());
    questions.judge(truth, &output);
    assert_eq!(
        output.complaints(),
        Vec::<&str>::new(),
        "{}:\n{}",
        path.display(),
        output.all
    );
}
