//! A GDB session with a capture. The first byte chooses settings; the rest is sent as it comes, and then line
//! by line as packets with the right checksum. A debugger that asks afterwards is answered.
#![no_main]

use std::sync::Arc;

use kdd::gdb::packet;
use kdd::gdb::session::{Architecture, Ending, Session, Settings};
use kdd::memory::Gpa;
use kdd::target::{Input, raw};
use libfuzzer_sys::fuzz_target;

const REGISTERS: &str =
    "cpu=0\nrip=0x1000\ncr3=0x2000\ncr0=0x80000011\ncr4=0x20\nmsr:c0000080=0x500\ncpu=1\nrip=0x1800\n";

fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else {
        return;
    };
    let mut memory = vec![0; 0x8000];
    for (entry, table) in [(0x2000, 0x3007u64), (0x3000, 0x4007), (0x4000, 0x87)] {
        memory[entry..entry + 8].copy_from_slice(&table.to_le_bytes());
    }
    let input = Input {
        name: String::new(),
        bytes: Arc::new(memory),
        beside: Vec::new(),
        registers: Some(REGISTERS.to_owned()),
    };
    let Ok(mut capture) = raw::open(&input) else { return };
    let settings = Settings {
        architecture: [None, Some(Architecture::X86_64), Some(Architecture::I386)][usize::from(first & 3).min(2)],
        physical: first & 4 != 0,
        directory: (first & 8 != 0).then_some(Gpa(0x2000)),
    };
    let mut session = Session::new(&mut capture, &settings);
    let mut out = Vec::new();
    session.push(bytes);
    session.take(&mut out);
    for line in bytes.split(|byte| *byte == b'\n').take(256) {
        let mut framed = b"+".to_vec();
        packet::write(&mut framed, line);
        session.push(&framed);
        session.take(&mut out);
        let _ = session.notices();
    }
    // Half a packet may be open: its end, then a question.
    let mut question = b"#00+\x03".to_vec();
    packet::write(&mut question, b"?");
    out.clear();
    session.push(&question);
    session.take(&mut out);
    match session.ending() {
        Some(Ending::Detached) => {}
        ending => assert!(ending.is_none() && out.contains(&b'$'), "{ending:?}: {out:?}"),
    }
    session.release();
});
