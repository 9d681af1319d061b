//! The WinDbg engine debugs a made-up guest that runs: breaks in, steps, sets breakpoints and watchpoints, writes,
//! goes. Needs the engine under Wine: see `tests/windbg/run`; without `DELID_WINDBG` nothing is run, and that is said.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing)]

mod captured;
#[path = "windbg/engine.rs"]
mod engine;
mod live_machine;
mod synthetic;

use std::net::{TcpListener, UdpSocket};
use std::thread;

use kdd::guest::Guest;
use kdd::kd::debuggee::Debuggee as _;
use kdd::kd::session::Line;
use kdd::kdnet::channel::Version;
use kdd::transport::event::Event;
use kdd::transport::net::{NetOptions, serve_net};
use kdd::transport::serve::{Options, serve};
use kdd::transport::stream::Endpoint;
use kdd::windows::Given;
use live_machine::{JUMP, Machine, NOP, STORE, booting, windows};

/// Serves one debugger in a thread; gives what the engine connects to.
fn served(machine: Machine, line: Line) -> (String, thread::JoinHandle<()>) {
    let mut guest = Guest::new(Box::new(machine), &Given::default());
    // One that has not booted yet stands still at first.
    if guest.windows().kernel.is_some() {
        guest.release().unwrap();
    }
    let mut report = |event: &Event| eprintln!("{event}");
    match line {
        Line::Serial => {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let serving = thread::spawn(move || {
                let endpoint = Endpoint::TcpListen(([127, 0, 0, 1], port).into());
                let options = Options {
                    once: true,
                    ..Options::default()
                };
                serve(&mut guest, &endpoint, options, &mut report).unwrap();
            });
            (format!("com:ipport={port},port=127.0.0.1"), serving)
        }
        Line::Datagram => {
            let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let serving = thread::spawn(move || {
                let options = NetOptions {
                    host: ([127, 0, 0, 1], port).into(),
                    key: "1a.2.zz.4".parse().unwrap(),
                    version: Version::new(2).unwrap(),
                    source_port: 0,
                    once: true,
                    record: None,
                };
                serve_net(&mut guest, options, &mut report).unwrap();
            });
            (format!("net:port={port},key=1a.2.zz.4"), serving)
        }
    }
}

fn address(at: u64) -> String {
    format!("{:08x}`{:08x}", at >> 32, at & 0xffff_ffff)
}

fn absent() -> bool {
    let absent = engine::client().is_none();
    if absent {
        eprintln!("not run: DELID_WINDBG names no client of the WinDbg engine (tests/windbg/run)");
    }
    absent
}

fn debugs(line: Line) {
    let (machine, shared, places) = windows("win10-x64");
    let (connection, serving) = served(machine, line);
    let (code, counter) = places[1];
    let point = format!("bp {}", address(code + STORE));
    let watch = format!("ba w8 {}", address(counter));
    let execute = format!("ba e1 {}", address(places[0].0 + JUMP));
    let write = format!("eq {} 1122334455667788", address(counter + 8));
    let read = format!("dq {} L2", address(counter));
    let commands = [
        "r rip",
        &point,
        "bl",
        "g",
        "r @rip",
        "t",
        "r @$ip",
        "bc *",
        &watch,
        "g",
        "? @rip",
        "bc *",
        &execute,
        "g",
        "? @$ip",
        "bc *",
        &write,
        &read,
        "r rdx=1234",
        "r rdx",
        "~0s",
        "~1s",
        "r $thread",
    ];
    let output = engine::run(&connection, &commands);
    eprintln!("{}", output.all);
    assert!(output.of("bl").contains(&address(code + STORE)));
    assert_eq!(output.all.matches("Breakpoint 0 hit").count(), 3);
    let rip = |command: &str, at: u64| {
        let text = output.of(command);
        assert!(
            text.contains(&format!("{at:016x}")) || text.contains(&address(at)),
            "{command}: {text}"
        );
    };
    rip("r @rip", code + STORE);
    rip("r @$ip", code + NOP);
    rip("? @rip", code + NOP);
    rip("? @$ip", places[0].0 + JUMP);
    assert!(output.of(&read).contains("11223344`55667788"));
    assert!(output.of("r rdx").contains("rdx=0000000000001234"));
    assert!(output.complaints().is_empty(), "{:?}", output.complaints());
    let state = shared.get();
    assert!(state.cpus.iter().any(|cpu| cpu.gpr[2] == 0x1234));
    drop(state);
    if matches!(line, Line::Serial) {
        serving.join().unwrap();
        let state = shared.get();
        assert!(state.runs && state.points.is_empty(), "left as it was");
    }
}

#[test]
fn the_engine_debugs_a_guest_that_runs() {
    if !absent() {
        debugs(Line::Serial);
    }
}

#[test]
fn the_engine_debugs_a_guest_that_runs_over_kdnet() {
    if !absent() {
        debugs(Line::Datagram);
    }
}

#[test]
fn the_engine_finds_a_windows_that_came_up_while_it_was_attached() {
    if absent() {
        return;
    }
    let (machine, _, _) = booting("win10-x64");
    let (connection, _serving) = served(machine, Line::Serial);
    let output = engine::run_with(&connection, &["r rip", "g", "lm", "r rip"], &[("KDCLIENT_BREAK", "2")]);
    eprintln!("{}", output.all);
    assert!(output.of("g").contains("Shutdown occurred"));
    assert!(output.of("lm").contains("ntkrnlmp.exe"));
}
