//! Real traffic of Microsoft's debugger engine: every byte belongs to a whole packet or a break-in.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use kdd::kd::names::carried;
use kdd::kd::packet::Event;
use kdd::kd::trace::{Direction, read};

#[test]
fn every_packet_of_a_real_session_is_whole_and_named() {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    let Ok(bytes) = fs::read(root.join("kdd/dbgeng15063-serial-trace.txt")) else {
        eprintln!("corpus absent: 1 case not run");
        return;
    };
    let trace = read(&bytes);
    assert_eq!(trace.bad_lines, Vec::<usize>::new());
    let mut requests = Vec::new();
    for (direction, event) in &trace.events {
        match event {
            Event::Damage { offset, damage } => panic!("{} {offset:#x}: {damage}", direction.text()),
            Event::Packet { packet, .. } if *direction == Direction::ToTarget => requests.extend(carried(packet)),
            _ => {}
        }
    }
    // The order in which the engine asks on connecting.
    assert_eq!(requests.first().map(String::as_str), Some("GetVersion"));
    assert_eq!(requests.iter().filter(|name| *name == "RestoreBreakPoint").count(), 32);
    assert!(requests.iter().all(|name| !name.starts_with("0x")), "{requests:?}");
    eprintln!("{} events, {} requests", trace.events.len(), requests.len());
}
