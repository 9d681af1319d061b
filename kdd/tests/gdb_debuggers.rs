//! GDB and LLDB themselves, in batch mode, on a capture and on a guest that runs. Without one of them its tests say so
//! and pass.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod gdb_support;
mod synthetic;

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gdb_support::{CODE, Scripted, Server};
use kdd::gdb::Settings;
use kdd::target::{self, Capture, Input};
use synthetic::containers::xl_save;
use synthetic::windows::{Built, Config, build};

/// What a program prints within a minute; `None` when there is no such program.
fn run(program: &str, arguments: &[String]) -> Option<String> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("{program} is not installed: not run");
        return None;
    };
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("{program} does not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&text).into_owned())
}

fn gdb(address: &str, commands: &[&str]) -> Option<String> {
    let mut arguments = vec!["-batch".to_owned(), "-nx".to_owned()];
    let first = ["set confirm off".to_owned(), format!("target remote {address}")];
    for command in first.into_iter().chain(commands.iter().map(|text| (*text).to_owned())) {
        arguments.extend(["-ex".to_owned(), command]);
    }
    run("gdb", &arguments)
}

fn lldb(address: &str, commands: &[&str]) -> Option<String> {
    let mut arguments = vec!["--batch".to_owned(), "--no-lldbinit".to_owned()];
    let first = [
        "settings set use-color false".to_owned(),
        format!("gdb-remote {address}"),
    ];
    for command in first.into_iter().chain(commands.iter().map(|text| (*text).to_owned())) {
        arguments.extend(["-o".to_owned(), command]);
    }
    run("lldb", &arguments)
}

fn saved() -> (Built, Capture) {
    let built = build(&Config::preset("win10-x64").unwrap());
    let form = xl_save::Form { cpu: 1032, live: true };
    let input = Input {
        name: "guest".to_owned(),
        bytes: Arc::new(xl_save::write(&built.machine, xl_save::Around::Xl, form)),
        beside: Vec::new(),
        registers: None,
    };
    (built, target::open(&input).unwrap())
}

/// The first 16 bytes of the kernel's image, in two words as debuggers print them.
fn head(built: &Built) -> Vec<String> {
    let truth = built.truth.kernel_base;
    let page = built
        .machine
        .pages
        .values()
        .find(|page| page.starts_with(b"MZ"))
        .unwrap();
    assert!(truth > 0);
    page[..16]
        .chunks(8)
        .map(|word| format!("{:#018x}", u64::from_le_bytes(word.try_into().unwrap())))
        .collect()
}

fn has(text: &str, parts: &[String]) {
    for part in parts {
        assert!(text.contains(part.as_str()), "{part} in\n{text}");
    }
}

#[test]
fn gdb_reads_a_capture() {
    let (built, capture) = saved();
    let cpu = built.machine.cpus[1].clone();
    let server = Server::start(capture, Settings::default(), false);
    let at = built.truth.kernel_base;
    let read = format!("x/2gx {at:#x}");
    let commands = [
        "info threads",
        read.as_str(),
        "thread 2",
        "p/x $cr3",
        "p/x $gs_base",
        "p/x $lstar",
        "info registers rip",
        "monitor info",
        "stepi",
        "detach",
    ];
    let Some(text) = gdb(&server.address, &commands) else {
        return;
    };
    has(&text, &head(&built));
    has(
        &text,
        &[
            format!("= {:#x}", cpu.cr3),
            format!("= {:#x}", cpu.gs.base),
            format!("= {:#x}", cpu.lstar),
            format!("{:#x}", cpu.rip),
            "vCPU 1, kernel".to_owned(),
            "a capture: it can be read".to_owned(),
            "a capture cannot run".to_owned(),
            "detached".to_owned(),
        ],
    );
}

#[test]
fn gdb_reads_physical_memory_by_its_map() {
    let (built, capture) = saved();
    let (page, bytes) = built.machine.pages.iter().nth(3).unwrap();
    let word = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    let settings = Settings {
        physical: true,
        ..Settings::default()
    };
    let server = Server::start(capture, settings, false);
    let read = format!("x/1gx {page:#x}");
    let commands = ["info mem", read.as_str(), "x/1gx 0xfffff80000000000", "detach"];
    let Some(text) = gdb(&server.address, &commands) else {
        return;
    };
    let expected = [
        format!("{word:#018x}"),
        "memory regions provided by the target".to_owned(),
        "Cannot access memory at address 0xfffff80000000000".to_owned(),
    ];
    has(&text, &expected);
}

#[test]
fn lldb_reads_a_capture() {
    let (built, capture) = saved();
    let cpu = built.machine.cpus[1].clone();
    let server = Server::start(capture, Settings::default(), false);
    let read = format!("memory read -f x -s 8 -c 2 {:#x}", built.truth.kernel_base);
    let commands = [
        "thread list",
        read.as_str(),
        "thread select 2",
        "register read rip cr3 gs_base lstar",
        "thread step-inst",
        "detach",
    ];
    let Some(text) = lldb(&server.address, &commands) else {
        return;
    };
    has(&text, &head(&built));
    has(
        &text,
        &[
            format!("cr3 = {:#018x}", cpu.cr3),
            format!("gs_base = {:#018x}", cpu.gs.base),
            format!("lstar = {:#018x}", cpu.lstar),
            format!("rip = {:#018x}", cpu.rip),
            "a capture cannot run".to_owned(),
            "detached".to_owned(),
        ],
    );
}

#[test]
fn gdb_steps_and_breaks_in_a_guest_that_runs() {
    let guest = Scripted::new();
    let seen = Arc::clone(&guest.seen);
    let server = Server::once(guest, Settings::default());
    let at = CODE + 0x180;
    let (software, hardware) = (format!("break *{at:#x}"), format!("hbreak *{:#x}", at + 8));
    let commands = [
        "stepi",
        "p/x $rip",
        software.as_str(),
        "continue",
        "delete",
        hardware.as_str(),
        "continue",
        "delete",
        "set $rbx = 0x4242",
        "p/x $rbx",
        "set var *(int*)0xffff800000002000 = 0x13572468",
        "x/1wx 0xffff800000002000",
        "thread 2",
        "stepi",
        "p/x $rip",
        "detach",
    ];
    let Some(text) = gdb(&server.address, &commands) else {
        return;
    };
    has(
        &text,
        &[
            format!("= {:#x}", CODE + 1),
            "hit Breakpoint 1".to_owned(),
            "hit Breakpoint 2".to_owned(),
            "= 0x4242".to_owned(),
            "0x13572468".to_owned(),
            format!("= {:#x}", CODE + 0x101),
        ],
    );
    server.finish();
    let seen = seen.lock().unwrap();
    assert!(seen.running && seen.inserted.len() >= 2);
}

#[test]
fn lldb_steps_and_breaks_in_a_guest_that_runs() {
    let guest = Scripted::new();
    let seen = Arc::clone(&guest.seen);
    let server = Server::once(guest, Settings::default());
    let point = format!("breakpoint set -a {:#x}", CODE + 0x180);
    let commands = [
        "thread step-inst",
        "register read rip",
        point.as_str(),
        "continue",
        "register read rip",
        "register write rbx 0x4242",
        "register read rbx",
        "breakpoint delete -f",
        "detach",
    ];
    let Some(text) = lldb(&server.address, &commands) else {
        return;
    };
    has(
        &text,
        &[
            format!("rip = {:#018x}", CODE + 1),
            format!("rip = {:#018x}", CODE + 0x180),
            "stop reason = breakpoint".to_owned(),
            format!("rbx = {:#018x}", 0x4242),
        ],
    );
    server.finish();
    assert!(seen.lock().unwrap().running);
}
