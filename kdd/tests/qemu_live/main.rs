//! Running guests of QEMU: a peer that says what a test tells it to, and QEMU itself where it is installed.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)]

mod machine;
mod peer;

use std::time::{Duration, Instant};

use kdd::memory::{Gpa, Gva};
use kdd::target::qemu_live::{Options, Qemu, open, open_with, watch};
use kdd::target::{BreakKind, Breakpoint, Cause, Control, ControlError, Resume, StopReason, Target};

use machine::{CODE, COUNTER, Machine, Ram};
use peer::{Fake, Talk};

const WAIT: Duration = Duration::from_secs(20);

fn quick() -> Options {
    Options {
        patience: Duration::from_secs(1),
        ..Options::default()
    }
}

fn refusal(talk: Talk) -> String {
    let fake = Fake::start(talk);
    let begin = Instant::now();
    let error = open_with(&fake.socket, &quick()).err().expect("refused").to_string();
    assert!(
        begin.elapsed() < Duration::from_secs(8),
        "{:?}: {error}",
        begin.elapsed()
    );
    error
}

#[test]
fn nobody_there_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = open(&folder.path().join("none")).err().expect("refused").to_string();
    assert!(error.contains("cannot connect"), "{error}");
    let dead = folder.path().join("dead");
    drop(std::os::unix::net::UnixListener::bind(&dead).expect("bound"));
    let error = open(&dead).err().expect("refused").to_string();
    assert!(error.contains("nobody listens"), "{error}");
}

#[test]
fn socket_that_another_client_holds_is_told() {
    let error = refusal(Talk {
        greets: false,
        ..Talk::default()
    });
    assert!(error.contains("another client holds"), "{error}");
}

#[test]
fn full_queue_of_a_socket_does_not_block() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("full");
    let _listener = std::os::unix::net::UnixListener::bind(&path).expect("bound");
    let begin = Instant::now();
    for _ in 0..3 {
        assert!(open_with(&path, &quick()).is_err());
    }
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn what_is_no_qmp_is_told() {
    let error = refusal(Talk {
        greeting: "QEMU 10.0.13 monitor - type 'help'\r\n(qemu) \n".into(),
        ..Talk::default()
    });
    assert!(error.contains("greeting of QMP"), "{error}");
}

#[test]
fn line_without_end_is_cut_off() {
    let error = refusal(Talk {
        greeting: "x".repeat(20 << 20),
        ..Talk::default()
    });
    assert!(error.contains("longer than"), "{error}");
}

#[test]
fn garbage_instead_of_an_answer_is_told() {
    let error = refusal(Talk {
        instead: Some(("query-status", "}{ not json\n".into())),
        ..Talk::default()
    });
    assert!(error.contains("JSON"), "{error}");
}

#[test]
fn half_an_answer_and_silence_is_told() {
    let error = refusal(Talk {
        instead: Some(("query-status", "{\"return\": {\"run".into())),
        ..Talk::default()
    });
    assert!(error.contains("no answer to query-status"), "{error}");
}

#[test]
fn events_without_an_answer_are_not_waited_for_without_end() {
    let flood = "{\"event\": \"X\"}\n".repeat(200_000);
    let error = refusal(Talk {
        instead: Some(("query-status", flood)),
        ..Talk::default()
    });
    assert!(error.contains("no answer to query-status"), "{error}");
}

#[test]
fn connection_that_ends_in_the_middle_is_told() {
    for command in [
        "qmp_capabilities",
        "query-status",
        "query-chardev",
        "gdbserver chardev:delid-gdb",
    ] {
        let error = refusal(Talk {
            ends_at: Some(command),
            ..Talk::default()
        });
        assert!(error.contains("closed the connection"), "{command}: {error}");
    }
}

#[test]
fn gdbstub_in_use_is_told_and_the_guest_runs_on() {
    let devices = r#"[{"label":"gdb","filename":"tcp:127.0.0.1:1234,server=on <-> 127.0.0.1:40000"}]"#;
    let fake = Fake::start(Talk {
        devices: devices.into(),
        ..Talk::default()
    });
    let error = open_with(&fake.socket, &quick()).err().expect("refused").to_string();
    assert!(error.contains("another debugger is connected"), "{error}");
    assert!(fake.runs());
}

#[test]
fn gdbstub_that_does_not_answer_is_told_and_the_guest_runs_on() {
    let fake = Fake::start(Talk {
        stub_mute_at: Some("qSupported"),
        ..Talk::default()
    });
    let begin = Instant::now();
    let error = open_with(&fake.socket, &quick()).err().expect("refused").to_string();
    assert!(error.contains("no answer of the gdbstub"), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(8));
    assert!(fake.runs());
}

#[test]
fn gdbstub_with_wrong_checksums_is_told() {
    let error = refusal(Talk {
        wrong_sums: u32::MAX,
        ..Talk::default()
    });
    assert!(error.contains("wrong checksum"), "{error}");
}

#[test]
fn packet_with_a_wrong_checksum_is_asked_for_again() {
    let fake = Fake::start(Talk {
        wrong_sums: 2,
        ..Talk::default()
    });
    open_with(&fake.socket, &quick()).map(drop).expect("opened");
}

#[test]
fn garbage_of_a_gdbstub_is_no_hang() {
    for garbage in ["$#00", "$qq#e2", "$E01#a6", "$l#6c", "#######", "$m#6d", "$O41#d4"] {
        let fake = Fake::start(Talk {
            stub_says: Some(garbage.into()),
            ..Talk::default()
        });
        let begin = Instant::now();
        assert!(open_with(&fake.socket, &quick()).is_err(), "{garbage}");
        assert!(begin.elapsed() < Duration::from_secs(8), "{garbage}");
    }
}

#[test]
fn peer_that_plays_fair_is_opened_run_and_released() {
    let fake = Fake::start(Talk::default());
    let mut guest = open_with(&fake.socket, &quick()).expect("opened");
    assert!(!fake.runs());
    assert_eq!(guest.vcpus().len(), 2);
    assert_eq!(guest.vcpus()[1].rip, 0xfff1);
    let mut bytes = [0; 4];
    assert_eq!(guest.memory().read(Gpa(0x100), &mut bytes), 4);
    assert_eq!(bytes, [0, 1, 2, 3]);
    assert_eq!(guest.memory().read(Gpa(0x9_fffe), &mut bytes), 2);
    assert_eq!(guest.memory().read(Gpa(0xb_0000), &mut bytes), 0);
    guest.resume(Resume::Run).expect("runs");
    assert!(guest.is_running());
    fake.tell("T05thread:p01.02;watch:1000;");
    let reason = guest.stopped(WAIT).expect("there").expect("a stop");
    let expected = StopReason {
        vcpu: 1,
        cause: Cause::Watch(BreakKind::Write, Gva(0x1000)),
    };
    assert_eq!(reason, expected);
    assert_eq!(guest.stopped(Duration::ZERO).expect("there"), None);
    guest.release().expect("released");
    assert!(fake.runs());
}

#[test]
fn guest_that_ends_in_a_session_is_gone_at_once() {
    type End = fn(&Fake);
    let ends: [(&str, End); 4] = [
        ("closed", |fake| fake.end()),
        ("shut down", |fake| fake.event("SHUTDOWN")),
        ("reset", |fake| fake.event("RESET")),
        ("ended", |fake| fake.tell("W00")),
    ];
    for (word, end) in ends {
        let fake = Fake::start(Talk::default());
        let mut guest = open_with(&fake.socket, &quick()).expect("opened");
        guest.resume(Resume::Run).expect("runs");
        end(&fake);
        let begin = Instant::now();
        let error = guest.stopped(WAIT).expect_err("gone");
        assert!(
            matches!(&error, ControlError::Gone(reason) if reason.contains(word)),
            "{word}: {error}"
        );
        assert!(guest.stop().is_err());
        drop(guest);
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}

/// Installed QEMU, or a line that says that the test did not run.
fn machine(ram: Ram, paused: bool) -> Option<Machine> {
    let machine = Machine::start(ram, paused);
    if machine.is_none() {
        eprintln!("qemu-system-x86_64 absent: not run");
    }
    machine
}

fn opened(machine: &Machine) -> Qemu {
    open(&machine.socket).expect("opened")
}

fn stop_of(guest: &mut Qemu) -> StopReason {
    guest.stopped(WAIT).expect("there").expect("a stop")
}

fn point(kind: BreakKind, at: u64, length: u64) -> Breakpoint {
    Breakpoint {
        kind,
        at: Gva(at),
        physical: Some(Gpa(at)),
        length,
    }
}

#[test]
fn memory_is_the_same_by_all_ways_and_writing_reaches_the_guest() {
    for (ram, word) in [(Ram::File, "shared file"), (Ram::Plain, "/mem")] {
        let Some(machine) = machine(ram, false) else { return };
        let mut guest = opened(&machine);
        let facts = &guest.container().facts;
        let (_, way) = facts.iter().find(|(name, _)| name == "memory").expect("said");
        assert!(way.contains(word), "{facts:?}");
        // The loop counts, so the counter is not zero, and it stands while we look.
        let mut bytes = vec![0; 0x1_0000];
        assert_eq!(guest.memory().read(Gpa(0), &mut bytes), bytes.len());
        let counter = usize::try_from(COUNTER).expect("small");
        assert_ne!(bytes[counter..counter + 2], [0, 0]);
        assert_eq!(bytes, machine.save(0, 0x1_0000));
        // The split below 4 GiB.
        let high = 1u64 << 32;
        assert_eq!(guest.write_physical(Gpa(high - 8), b"over").expect("written"), 0);
        assert_eq!(guest.write_physical(Gpa(high + 0x2000), b"marker").expect("written"), 6);
        assert_eq!(machine.save(high + 0x2000, 6), b"marker");
        let mut bytes = [0; 6];
        assert_eq!(guest.memory().read(Gpa(high + 0x2000), &mut bytes), 6);
        assert_eq!(&bytes, b"marker");
        // Nothing is in the gap.
        assert_eq!(guest.memory().read(Gpa(0xd000_0000), &mut bytes), 0);
        guest.release().expect("released");
        assert_eq!(machine.status(), "running");
    }
}

#[test]
fn vcpus_step_alone_and_stop_at_breakpoints() {
    let Some(machine) = machine(Ram::File, false) else {
        return;
    };
    let mut guest = opened(&machine);
    assert_eq!(guest.vcpus().len(), 2);
    let other = guest.vcpus()[1].clone();
    for kind in [BreakKind::Software, BreakKind::Hardware] {
        let at = point(kind, CODE, 1);
        guest.insert(&at).expect("inserted");
        guest.resume(Resume::Run).expect("runs");
        assert_eq!(
            stop_of(&mut guest),
            StopReason {
                vcpu: 0,
                cause: Cause::Breakpoint
            }
        );
        assert_eq!(
            guest.vcpus()[0].segments.cs.hidden.expect("known").base + guest.vcpus()[0].rip,
            CODE
        );
        guest.remove(&at).expect("removed");
        guest.resume(Resume::Step(0)).expect("steps");
        assert_eq!(
            stop_of(&mut guest),
            StopReason {
                vcpu: 0,
                cause: Cause::Step
            }
        );
        assert_ne!(
            guest.vcpus()[0].segments.cs.hidden.expect("known").base + guest.vcpus()[0].rip,
            CODE
        );
        assert_eq!(guest.vcpus()[1], other);
    }
    let watch = point(BreakKind::Write, COUNTER, 2);
    guest.insert(&watch).expect("inserted");
    guest.resume(Resume::Run).expect("runs");
    let cause = stop_of(&mut guest).cause;
    assert!(
        matches!(cause, Cause::Watch(BreakKind::Write, Gva(at)) if at / 2 == COUNTER / 2),
        "{cause:?}"
    );
    guest.release().expect("released");
    assert_eq!(machine.status(), "running");
    // No breakpoint is left: it goes on counting.
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(machine.status(), "running");
}

#[test]
fn registers_are_set_or_refused_by_name() {
    let Some(machine) = machine(Ram::Plain, false) else {
        return;
    };
    let mut guest = opened(&machine);
    let mut vcpu = guest.vcpus()[1].clone();
    vcpu.gpr[3] = 0x1234;
    vcpu.rflags |= 1;
    guest.set_vcpu(&vcpu).expect("set");
    assert_eq!(guest.vcpus()[1].gpr[3], 0x1234);
    let before = guest.vcpus().to_vec();
    let mut wrong = guest.vcpus()[1].clone();
    wrong.gpr[3] = 7;
    wrong.msrs.insert(0xc000_0082, 0x1000);
    assert!(matches!(
        guest.set_vcpu(&wrong),
        Err(ControlError::Unsupported("LSTAR"))
    ));
    assert_eq!(guest.vcpus(), before);
    let lstar = guest.vcpus()[0].msrs.get(&0xc000_0082);
    assert_eq!(lstar, Some(&0), "LSTAR of the device state");
}

#[test]
fn guest_that_was_paused_stays_paused() {
    let Some(machine) = machine(Ram::Plain, true) else {
        return;
    };
    let before = machine.status();
    let mut guest = opened(&machine);
    guest.resume(Resume::Step(0)).expect("steps");
    stop_of(&mut guest);
    guest.resume(Resume::Run).expect("runs");
    assert_eq!(guest.stopped(Duration::from_millis(50)).expect("there"), None);
    drop(guest);
    assert!(!matches!(machine.status().as_str(), "running"), "it was {before}");
}

#[test]
fn stops_are_asked_for_and_those_of_others_are_told() {
    let Some(machine) = machine(Ram::Plain, false) else {
        return;
    };
    let mut guest = opened(&machine);
    guest.resume(Resume::Run).expect("runs");
    guest.stop().expect("stops");
    assert_eq!(stop_of(&mut guest).cause, Cause::Asked);
    guest.resume(Resume::Run).expect("runs");
    machine.monitor("stop");
    assert_eq!(stop_of(&mut guest).cause, Cause::Asked);
    assert!(!guest.is_running());
    drop(guest);
    assert_eq!(machine.status(), "running");
}

#[test]
fn debugger_may_come_again_and_the_guest_can_be_booted_anew() {
    let Some(machine) = machine(Ram::Plain, false) else {
        return;
    };
    let mut guest = opened(&machine);
    for _ in 0..3 {
        guest.release().expect("released");
        assert_eq!(machine.status(), "running");
        guest.stop().expect("stops");
        assert_eq!(machine.status(), "paused");
    }
    guest.reset().expect("boots");
    assert_eq!(guest.stopped(Duration::from_millis(100)).expect("there"), None);
    assert_eq!(machine.status(), "running");
    // Booted anew by somebody else.
    machine.monitor("system_reset");
    assert!(matches!(guest.stopped(WAIT), Err(ControlError::Gone(_))));
    guest.release().expect("released");
    assert_eq!(machine.status(), "running");
}

#[test]
fn killed_qemu_is_gone_at_once() {
    let Some(mut machine) = machine(Ram::Plain, false) else {
        return;
    };
    let mut guest = opened(&machine);
    guest.resume(Resume::Run).expect("runs");
    machine.kill();
    let begin = Instant::now();
    assert!(matches!(guest.stopped(WAIT), Err(ControlError::Gone(_))));
    assert!(matches!(guest.stop(), Err(ControlError::Gone(_))));
    drop(guest);
    assert!(begin.elapsed() < Duration::from_secs(3));
}

#[test]
fn gdbstub_that_is_open_is_used_and_a_second_debugger_is_told() {
    let Some(machine) = Machine::start_with(Ram::Plain, false, true) else {
        return;
    };
    let mut guest = opened(&machine);
    let facts = &guest.container().facts;
    assert!(
        facts
            .iter()
            .any(|(_, value)| value.contains("the gdbstub that was open")),
        "{facts:?}"
    );
    guest.release().expect("released");
    let debugger = std::os::unix::net::UnixStream::connect(machine.folder().join("gdb")).expect("connected");
    std::thread::sleep(Duration::from_millis(300));
    let error = guest.stop().expect_err("refused").to_string();
    assert!(error.contains("another debugger"), "{error}");
    drop(debugger);
}

/// Set for the process that is killed: the socket of the guest that it holds.
const HELD: &str = "DELID_TEST_HOLDS";

#[test]
fn guest_of_a_killed_session_is_put_right() {
    if let Ok(socket) = std::env::var(HELD) {
        let mut guest = open(std::path::Path::new(&socket)).expect("opened");
        guest.insert(&point(BreakKind::Software, CODE, 1)).expect("inserted");
        guest.resume(Resume::Run).expect("runs");
        println!("held: {:?}", stop_of(&mut guest));
        std::thread::sleep(Duration::from_secs(600));
    }
    let Some(machine) = machine(Ram::Plain, false) else {
        return;
    };
    let mut command = std::process::Command::new(std::env::current_exe().expect("a program"));
    command.args(["--exact", "guest_of_a_killed_session_is_put_right", "--nocapture"]);
    command.env(HELD, &machine.socket).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("started");
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().expect("a pipe")));
    let mut lines = lines.map_while(Result::ok);
    assert!(lines.any(|line| line.contains("held: ")));
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert_eq!(machine.status(), "debug");
    watch(&machine.socket, b"ran\n".as_slice()).expect("put right");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(machine.status(), "running");
    // A guard that was told that all is well does nothing.
    machine.monitor("stop");
    watch(&machine.socket, b"ran\n\n".as_slice()).expect("nothing to do");
    assert_eq!(machine.status(), "paused");
}

/// A guest of the user's own, and where it may be dumped to: `DELID_QEMU_SOCKET`, `DELID_QEMU_DUMP`.
#[test]
fn memory_of_a_given_guest_is_that_of_its_dump() {
    let (Ok(socket), Ok(dump)) = (std::env::var("DELID_QEMU_SOCKET"), std::env::var("DELID_QEMU_DUMP")) else {
        eprintln!("DELID_QEMU_SOCKET and DELID_QEMU_DUMP not set: not run");
        return;
    };
    let begin = Instant::now();
    let mut guest = open(std::path::Path::new(&socket)).expect("opened");
    eprintln!("opened in {:?}: {:#?}", begin.elapsed(), guest.container());
    eprintln!("{:x?}", guest.vcpus()[0]);
    for _ in 0..20 {
        let begin = Instant::now();
        guest.resume(Resume::Step(1)).expect("steps");
        let reason = guest.stopped(Duration::from_millis(300)).expect("there");
        let rip = guest.vcpus()[1].rip;
        eprintln!("step in {:?}: {reason:?} at {rip:x}", begin.elapsed());
        guest.stop().expect("stops");
    }
    let mut stream = std::os::unix::net::UnixStream::connect(format!("{socket}.2")).expect("a second QMP socket");
    let arguments = serde_json::json!({ "paging": false, "protocol": format!("file:{dump}"), "format": "elf" });
    let request = serde_json::json!({ "execute": "dump-guest-memory", "arguments": arguments, "id": "dump" });
    let lines = std::io::BufRead::lines(std::io::BufReader::new(stream.try_clone().expect("cloned")));
    std::io::Write::write_all(
        &mut stream,
        format!("{{\"execute\":\"qmp_capabilities\"}}\n{request}\n").as_bytes(),
    )
    .expect("sent");
    let answer = lines
        .map_while(Result::ok)
        .find(|line| line.contains("\"id\": \"dump\""))
        .expect("an answer");
    assert!(answer.contains("return"), "{answer}");
    let file = std::fs::File::open(&dump).expect("written");
    let input = kdd::target::Input {
        name: dump,
        bytes: std::sync::Arc::new(kdd::memory::source::FileSource::new(file).expect("a file")),
        beside: Vec::new(),
        registers: None,
    };
    let capture = kdd::target::open(&input).expect("a dump");
    let mut compared = 0u64;
    for run in capture.memory.runs() {
        let (mut expected, mut seen) = (vec![0; 4096], vec![0; 4096]);
        for at in (run.start.0..run.end().0).step_by(4096) {
            let length = capture.memory.read(Gpa(at), &mut expected);
            assert_eq!(guest.memory().read(Gpa(at), &mut seen), length, "{at:#x}");
            assert!(expected[..length] == seen[..length], "page {at:#x} differs");
            compared += 1;
        }
    }
    eprintln!("{compared} pages are the same");
    for (live, saved) in guest.vcpus().iter().zip(&capture.vcpus) {
        assert_eq!(
            (live.rip, live.gpr, live.cr3, live.gdt, live.idt),
            (saved.rip, saved.gpr, saved.cr3, saved.gdt, saved.idt)
        );
    }
}
