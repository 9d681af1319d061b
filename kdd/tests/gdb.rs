//! The GDB remote serial protocol, packet by packet: a capture, a guest that runs, and debuggers that send rubbish.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

mod gdb_support;
mod synthetic;

use std::sync::Arc;
use std::time::Duration;

use gdb_support::{CODE, Client, DATA, Scripted, Server, WRITTEN, eventually, hex, packet, unhex};
use kdd::gdb::{Architecture, Session, Settings};
use kdd::memory::Gpa;
use kdd::target::{self, BreakKind, Capture, Input, Resume};
use synthetic::containers::{elf_core, xl_save};
use synthetic::windows::{Built, Config, build};

fn built() -> Built {
    build(&Config::preset("win10-x64").unwrap())
}

fn capture(bytes: Vec<u8>) -> Capture {
    let input = Input {
        name: "guest".to_owned(),
        bytes: Arc::new(bytes),
        beside: Vec::new(),
        registers: None,
    };
    target::open(&input).unwrap()
}

fn saved(built: &Built) -> Capture {
    let form = xl_save::Form { cpu: 1032, live: true };
    capture(xl_save::write(&built.machine, xl_save::Around::Xl, form))
}

/// Bytes of a made-up machine by physical address.
fn physical(built: &Built, at: u64, length: usize) -> Vec<u8> {
    (at..at + length as u64)
        .map(|at| built.machine.pages[&(at & !0xfff)][(at & 0xfff) as usize])
        .collect()
}

#[test]
fn capture_shows_its_registers_in_the_order_of_the_exdi_table() {
    let built = built();
    let server = Server::once(saved(&built), Settings::default());
    let mut client = Client::connect(&server.address);
    assert_eq!(client.ask("qfThreadInfo"), "m01,02");
    assert_eq!(client.ask("?"), "T05thread:01;");
    for (thread, cpu) in built.machine.cpus.iter().enumerate() {
        assert_eq!(client.ask(&format!("Hg{}", thread + 1)), "OK");
        let all = client.ask("g");
        assert_eq!(
            all.len(),
            2 * (16 * 8 + 8 + 7 * 4 + 9 * 8 + 8 * 10 + 8 * 4 + 16 * 16 + 4)
        );
        let order = [0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15];
        let mut expected = Vec::new();
        for register in order {
            expected.extend(cpu.gpr[register].to_le_bytes());
        }
        expected.extend(cpu.rip.to_le_bytes());
        expected.extend((cpu.rflags as u32).to_le_bytes());
        for segment in [cpu.cs, cpu.ss, cpu.ds, cpu.es, cpu.fs, cpu.gs] {
            expected.extend(u32::from(segment.selector).to_le_bytes());
        }
        for value in [
            cpu.fs.base,
            cpu.gs.base,
            cpu.kernel_gs_base,
            cpu.cr0,
            cpu.cr2,
            cpu.cr3,
            cpu.cr4,
        ] {
            expected.extend(value.to_le_bytes());
        }
        assert_eq!(all[..expected.len() * 2], hex(&expected));
        for (number, value) in [(0x10, cpu.rip), (0x19, cpu.gs.base), (0x1d, cpu.cr3), (0x20, cpu.efer)] {
            assert_eq!(
                client.ask(&format!("p{number:x}")),
                hex(&value.to_le_bytes()),
                "{number:x}"
            );
        }
        assert_eq!(client.ask("p43"), hex(&cpu.lstar.to_le_bytes()));
        let text = String::from_utf8(unhex(&client.ask(&format!("qThreadExtraInfo,{}", thread + 1)))).unwrap();
        assert_eq!(text, format!("vCPU {thread}, kernel, CR3 {:#x}", cpu.cr3));
    }
    assert_eq!(client.ask("p1000"), "");
    assert_eq!(client.ask("T3"), "E01");
    assert_eq!(client.ask("D"), "OK");
    let said = server.finish();
    assert!(
        said.iter().any(|line| line == "debugger gone: it let go of the guest"),
        "{said:?}"
    );
}

#[test]
fn registers_that_no_container_knows_are_unavailable() {
    let built = built();
    let server = Server::once(capture(elf_core::qemu(&built.machine, false)), Settings::default());
    let mut client = Client::connect(&server.address);
    assert_eq!(client.ask("p43"), "x".repeat(16), "LSTAR is not in a core of QEMU");
    let all = client.ask("g");
    assert!(all.ends_with(&"x".repeat(8)), "MXCSR");
    assert!(!all[..2 * 16 * 8].contains('x'));
}

#[test]
fn source_without_vcpus_has_one_thread_without_registers() {
    let mut capture = saved(&built());
    capture.vcpus.clear();
    let server = Server::once(capture, Settings::default());
    let mut client = Client::connect(&server.address);
    assert_eq!(client.ask("qfThreadInfo"), "m01");
    assert!(client.ask("g").chars().all(|digit| digit == 'x'));
    assert_eq!(client.ask("p10"), "x".repeat(16));
    assert!(client.monitor("info").contains("no vCPU known"));
    assert_eq!(client.ask("m1000,4").len(), 8, "addresses are physical");
    assert!(client.ask("vCont;c").starts_with('O'));
    assert_eq!(client.answer(), b"T02thread:01;");
}

#[test]
fn memory_is_read_by_the_page_tables_of_the_thread_and_ends_where_it_ends() {
    let built = built();
    let at = built.truth.kernel_base;
    let server = Server::once(saved(&built), Settings::default());
    let mut client = Client::connect(&server.address);
    assert_eq!(&unhex(&client.ask(&format!("m{at:x},2"))), b"MZ");
    let words = client.monitor(&format!("translate {at:x}"));
    let place = words.split("is at 0x").nth(1).unwrap().split(',').next().unwrap();
    let place = u64::from_str_radix(place, 16).unwrap();
    let seen = unhex(&client.ask(&format!("m{at:x},200")));
    assert_eq!(seen, physical(&built, place, 0x200));
    // In binary it is the same, behind a letter.
    client.send(&packet(format!("x{at:x},200").as_bytes()));
    let mut binary = client.answer();
    assert_eq!(binary.remove(0), b'b');
    let mut plain = Vec::new();
    let mut bytes = binary.into_iter();
    while let Some(byte) = bytes.next() {
        plain.push(if byte == b'}' {
            bytes.next().unwrap() ^ 0x20
        } else {
            byte
        });
    }
    assert_eq!(plain, seen);
    assert_eq!(client.ask("m123456789000,4"), "E14");
    assert_eq!(client.ask("mfffffffffffffffc,10"), "E14");
    assert_eq!(client.ask(&format!("m{at:x},0")), "");
    for bad in ["m", "m1", "m,1", "mx,1", "m1,1,1", "m11111111111111111,1"] {
        assert_eq!(client.ask(bad), "E16", "{bad}");
    }
    let huge = client.ask(&format!("m{at:x},ffffffffffffffff"));
    assert!(huge.len() > 0x2000 && huge.len() < 0x2_0000);
}

#[test]
fn physical_memory_is_read_on_demand_and_until_it_is_switched_off() {
    let built = built();
    let page = *built.machine.pages.keys().nth(3).unwrap();
    let expected = hex(&physical(&built, page, 64));
    let server = Server::once(saved(&built), Settings::default());
    let mut client = Client::connect(&server.address);
    let read = format!("m{page:x},40");
    assert_eq!(client.ask("qqemu.PhyMemMode"), "0");
    assert_eq!(client.ask(&read), "E14");
    assert_eq!(client.ask("Qqemu.PhyMemMode:1"), "OK");
    assert_eq!(client.ask(&read), expected);
    assert_eq!(client.ask("Qqemu.PhyMemMode:0"), "OK");
    assert_eq!(client.ask(&read), "E14");
    assert!(client.monitor("phys on").contains("physical"));
    assert_eq!(client.ask(&read), expected);
    assert_eq!(client.ask("qqemu.PhyMemMode"), "1");
    assert!(client.monitor("phys off").contains("virtual"));
    let dump = client.monitor(&format!("phys read {page:x} 10"));
    assert_eq!(dump.split_whitespace().skip(1).collect::<String>(), expected[..32]);
    assert!(client.monitor("phys read fffffffff000 10").contains("not there"));
    assert!(client.monitor("regs").contains("msr 0xc0000082"));
    assert!(client.monitor("help").contains("translate"));
    assert!(client.monitor("xyz").contains("not a command"));
}

#[test]
fn description_is_read_in_pieces_and_includes_its_files() {
    let server = Server::once(saved(&built()), Settings::default());
    let mut client = Client::connect(&server.address);
    let features = client.ask("qSupported:xmlRegisters=i386");
    for feature in [
        "qXfer:features:read+",
        "QStartNoAckMode+",
        "binary-upload+",
        "PacketSize=",
    ] {
        assert!(features.contains(feature), "{features}");
    }
    let mut read = |name: &str| {
        let mut text = String::new();
        loop {
            let piece = client.ask(&format!("qXfer:features:read:{name}:{:x},3b", text.len()));
            let (kind, rest) = piece.split_at(1);
            text += rest;
            if kind == "l" {
                return text;
            }
            assert_eq!(kind, "m", "{piece}");
        }
    };
    let target = read("target.xml");
    assert!(target.contains("<architecture>i386:x86-64</architecture>") && target.contains("<osabi>none</osabi>"));
    let files = target
        .split("href=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap());
    let all: String = files.map(&mut read).collect();
    assert_eq!(all.matches("<reg ").count(), kdd::gdb::registers::X86_64.len());
    assert_eq!(client.ask("qXfer:features:read:none.xml:0,ff"), "E00");
}

#[test]
fn map_of_memory_is_given_where_addresses_are_physical() {
    let built = built();
    let capture = saved(&built);
    let expected: Vec<String> = capture
        .memory
        .runs()
        .iter()
        .map(|run| format!("start=\"{:#x}\" length=\"{:#x}\"", run.start.0, run.length))
        .collect();
    assert!(expected.len() > 1);
    let settings = Settings {
        physical: true,
        ..Settings::default()
    };
    let server = Server::once(capture, settings);
    let mut client = Client::connect(&server.address);
    let features = client.ask("qSupported:xmlRegisters=i386");
    assert!(features.contains("qXfer:memory-map:read+"), "{features}");
    let map = client.ask("qXfer:memory-map:read::0,fff");
    assert!(map.starts_with('m') && map.ends_with("</memory-map>\n"), "{map}");
    let seen: Vec<&str> = map.split("<memory type=\"ram\" ").skip(1).collect();
    assert_eq!(seen.len(), expected.len());
    for (seen, expected) in seen.into_iter().zip(&expected) {
        assert!(seen.starts_with(expected.as_str()), "{seen}, {expected}");
    }
    for end in [map.len() - 1, 0xff_ffff] {
        assert_eq!(client.ask(&format!("qXfer:memory-map:read::{end:x},fff")), "l");
    }
    assert!(client.monitor("phys off").contains("delete mem"));
    drop(client);
    server.finish();
    let server = Server::once(saved(&built), Settings::default());
    let features = Client::connect(&server.address).ask("qSupported:xmlRegisters=i386");
    assert!(!features.contains("memory-map"), "{features}");
}

#[test]
fn capture_refuses_to_run_and_to_be_written_to() {
    let built = built();
    let at = built.truth.kernel_base;
    let server = Server::once(saved(&built), Settings::default());
    let mut client = Client::connect(&server.address);
    assert_eq!(client.ask("vCont?"), "vCont;c;C;s;S");
    for ask in ["vCont;c", "vCont;s:2;c", "c", "s", "vCont;s"] {
        let said = client.ask(ask);
        assert_eq!(unhex(&said[1..]), b"a capture cannot run\n", "{ask}");
        assert_eq!(client.answer(), b"T02thread:01;");
    }
    assert_eq!(client.ask(&format!("M{at:x},1:00")), "E01");
    assert_eq!(client.ask(&format!("X{at:x},1:a")), "E01");
    assert_eq!(client.ask(&format!("Z0,{at:x},1")), "");
    assert_eq!(client.ask("P0=0000000000000000"), "E01");
    assert_eq!(&unhex(&client.ask(&format!("m{at:x},2"))), b"MZ");
}

#[test]
fn guest_of_32_bits_has_the_registers_of_i386() {
    let built = build(&Config::preset("win7-x86-pae").unwrap());
    let capture = saved(&built);
    let server = Server::once(capture, Settings::default());
    let mut client = Client::connect(&server.address);
    let cpu = &built.machine.cpus[0];
    assert!(
        client
            .ask("qXfer:features:read:target.xml:0,fff")
            .contains("<architecture>i386</architecture>")
    );
    assert_eq!(client.ask("p8"), hex(&(cpu.rip as u32).to_le_bytes()));
    assert_eq!(client.ask("p14"), hex(&(cpu.cr3 as u32).to_le_bytes()));
    let at = built.truth.kernel_base as u32;
    assert_eq!(&unhex(&client.ask(&format!("m{at:x},2"))), b"MZ");
    assert_eq!(
        &unhex(&client.ask(&format!("mffffffff{at:x},2"))),
        b"MZ",
        "upper half is cut"
    );
}

#[test]
fn running_guest_is_stopped_for_a_debugger_and_goes_on_behind_it() {
    let guest = Scripted::new();
    let seen = Arc::clone(&guest.seen);
    let server = Server::start(guest, Settings::default(), false);
    assert!(seen.lock().unwrap().running, "nobody is there yet");
    for (last, count) in [("D", 2), ("k", 3), ("vKill;1", 4), ("", 5), ("vCont;c", 6)] {
        let mut client = Client::connect(&server.address);
        assert!(client.ask("?").starts_with("T05thread:01"));
        assert!(!seen.lock().unwrap().running);
        let point = format!("Z0,{:x},1", CODE + 0xfff);
        if last.is_empty() {
            assert_eq!(client.ask(&point), "OK");
        } else {
            client.send(&packet(last.as_bytes()));
        }
        if last.starts_with('D') || last.starts_with('v') && last.contains("Kill") {
            assert_eq!(client.answer(), b"OK");
        }
        drop(client);
        assert!(eventually(|| seen.lock().unwrap().released == count), "{last}");
        assert!(seen.lock().unwrap().running);
        assert!(eventually(|| server
            .notices
            .try_iter()
            .any(|line| line.starts_with("debugger gone"))));
    }
}

#[test]
fn breakpoints_steps_and_watchpoints_stop_the_right_thread() {
    let guest = Scripted::new();
    let seen = Arc::clone(&guest.seen);
    let server = Server::once(guest, Settings::default());
    let mut client = Client::connect(&server.address);
    client.ask("qSupported:multiprocess+;swbreak+;hwbreak+");
    assert_eq!(client.ask("qfThreadInfo"), "mp01.01,p01.02");
    assert_eq!(client.ask("qC"), "QCp01.01");
    assert_eq!(client.ask("vCont;s:p1.2;c:p1.-1"), "T05thread:p01.02;");
    assert_eq!(
        client.ask("p10"),
        hex(&(CODE + 0x101).to_le_bytes()),
        "the thread that stopped is the current one"
    );
    let at = CODE + 0x180;
    assert_eq!(client.ask(&format!("Z0,{at:x},1")), "OK");
    {
        let inserted = &seen.lock().unwrap().inserted;
        assert_eq!(inserted[0].kind, BreakKind::Software);
        assert_eq!(inserted[0].physical, Some(Gpa(DATA + 15 * 0x1000 + 0x180)));
    }
    assert_eq!(client.ask("vCont;c:p1.-1"), "T05thread:p01.01;swbreak:;");
    assert_eq!(client.ask("p10"), hex(&at.to_le_bytes()));
    assert_eq!(client.ask(&format!("z0,{at:x},1")), "OK");
    assert_eq!(client.ask(&format!("z0,{at:x},1")), "E16", "it is out already");
    assert_eq!(client.ask(&format!("Z1,{:x},1", at + 8)), "OK");
    assert_eq!(client.ask("c"), "T05thread:p01.01;hwbreak:;");
    assert_eq!(client.ask(&format!("z1,{:x},1", at + 8)), "OK");
    assert_eq!(client.ask(&format!("Z3,{at:x},4")), "E5f");
    assert_eq!(client.ask(&format!("Z2,{:x},8", WRITTEN.1 & !7)), "OK");
    assert_eq!(
        client.ask("vCont;c"),
        format!("T05thread:p01.01;watch:{:x};", WRITTEN.1)
    );
    assert_eq!(client.ask(&format!("z2,{:x},8", WRITTEN.1 & !7)), "OK");
    client.ask("Hc2");
    assert_eq!(client.ask("s"), "T05thread:p01.02;");
    let locked = client.ask("vCont;c:p1.1");
    assert!(
        String::from_utf8(unhex(&locked[1..]))
            .unwrap()
            .contains("one vCPU cannot run")
    );
    assert!(client.answer().starts_with(b"T02"));
    let resumed = seen.lock().unwrap().resumed.clone();
    let (run, step) = (Resume::Run, Resume::Step(1));
    assert_eq!(resumed, [step, run, run, run, step]);
}

#[test]
fn running_guest_is_interrupted_and_hears_nothing_else() {
    let server = Server::once(Scripted::new(), Settings::default());
    let mut client = Client::connect(&server.address);
    client.send(&packet(b"vCont;c"));
    std::thread::sleep(Duration::from_millis(60));
    client.send(&packet(b"g"));
    client.send(&[3]);
    assert_eq!(client.answer(), b"T02thread:02;");
    client.send(&[3]);
    assert_eq!(client.ask("qfThreadInfo"), "m01,02");
    assert_eq!(client.ask("D"), "OK");
}

#[test]
fn memory_and_registers_of_a_running_guest_are_written() {
    let guest = Scripted::new();
    let before = guest.bytes(CODE + 0x2ff0, 0x20);
    let server = Server::once(guest, Settings::default());
    let mut client = Client::connect(&server.address);
    let read = format!("m{:x},20", CODE + 0x2ff0);
    assert_eq!(client.ask(&read), hex(&before));
    // Over the end of a page: the next one lies before it in physical memory.
    let new: Vec<u8> = (0..16).map(|at| 0x40 + at).collect();
    assert_eq!(client.ask(&format!("M{:x},10:{}", CODE + 0x2ff8, hex(&new))), "OK");
    let expected = [&before[..8], &new, &before[24..]].concat();
    assert_eq!(client.ask(&read), hex(&expected));
    client.send(&packet(
        &[format!("X{:x},2:", CODE + 0x2ff0).as_bytes(), b"}\x03a"].concat(),
    ));
    assert_eq!(client.answer(), b"OK");
    assert_eq!(client.ask(&read)[..4], hex(b"#a"));
    assert_eq!(
        client.ask(&format!("M{:x},2:0000", CODE + 0xffff)),
        "E0e",
        "the second byte is not mapped"
    );
    assert_eq!(client.ask("P0=8877665544332211"), "OK");
    assert_eq!(client.ask("p0"), "8877665544332211");
    assert_eq!(client.ask("P1d=0210000000000000"), "OK");
    assert_eq!(client.ask("P1f=0100000000000000"), "E5f", "the source cannot set CR8");
    assert_eq!(client.ask("P43=0000000000000000"), "E16", "LSTAR is not known");
    let mut all = unhex(&client.ask("g"));
    all[8..16].copy_from_slice(&7u64.to_le_bytes());
    assert_eq!(client.ask(&format!("G{}", hex(&all))), "OK");
    assert_eq!(client.ask("p1"), "0700000000000000");
    // A selector of more than 16 bits; RBX beside it stays as it is.
    let selector = 17 * 8 + 4;
    all[8..16].copy_from_slice(&9u64.to_le_bytes());
    all[selector..selector + 4].copy_from_slice(&0x1_0010u32.to_le_bytes());
    assert_eq!(client.ask(&format!("G{}", hex(&all))), "E16");
    assert_eq!(client.ask("p1"), "0700000000000000");
}

#[test]
fn guest_that_is_gone_ends_the_session_with_an_exit() {
    let guest = Scripted::new();
    let seen = Arc::clone(&guest.seen);
    let server = Server::once(guest, Settings::default());
    let mut client = Client::connect(&server.address);
    client.send(&packet(b"vCont;c"));
    std::thread::sleep(Duration::from_millis(30));
    seen.lock().unwrap().gone = true;
    assert_eq!(client.answer(), b"W00");
    assert_eq!(client.maybe(), None);
    let said = server.finish();
    assert!(
        said.iter().any(|line| line.contains("the guest is gone: switched off")),
        "{said:?}"
    );
}

#[test]
fn guest_that_is_gone_while_it_stands_ends_the_session() {
    let guest = Scripted::new();
    let seen = Arc::clone(&guest.seen);
    let server = Server::once(guest, Settings::default());
    let mut client = Client::connect(&server.address);
    assert_eq!(client.ask("qC"), "QC01");
    seen.lock().unwrap().gone = true;
    assert_eq!(client.maybe(), None);
    let said = server.finish();
    assert!(
        said.iter().any(|line| line.contains("the guest is gone: switched off")),
        "{said:?}"
    );
}

#[test]
fn second_debugger_is_sent_away_and_the_first_goes_on() {
    let server = Server::once(Scripted::new(), Settings::default());
    let mut client = Client::connect(&server.address);
    let mut second = Client::raw(&server.address);
    assert_eq!(second.maybe(), None);
    assert_eq!(client.ask("qC"), "QC01");
    assert_eq!(client.ask("D"), "OK");
    let said = server.finish();
    assert!(
        said.iter().any(|line| line.starts_with("second debugger refused")),
        "{said:?}"
    );
}

#[test]
fn acknowledgements_and_repetitions_are_those_of_the_protocol() {
    let mut guest = Scripted::new();
    let mut session = Session::new(&mut guest, &Settings::default());
    let mut say = |bytes: &[u8]| {
        session.push(bytes);
        let mut out = Vec::new();
        session.take(&mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(say(b"$qC#b4"), "+$QC01#f5");
    assert_eq!(say(b"-"), "$QC01#f5");
    assert_eq!(say(b"+"), "");
    assert_eq!(say(b"$qC#b5"), "-");
    assert_eq!(say(b"$qC#b"), "");
    assert_eq!(say(b"4"), "+$QC01#f5");
    let long = packet(&vec![b'm'; 0x2_0000]);
    assert_eq!(say(&long), "+$E16#ac");
    assert_eq!(say(b"$QStartNoAckMode#b0"), "+$OK#9a");
    assert_eq!(say(b"$qC#b4"), "$QC01#f5");
    assert_eq!(say(b"$qC#b5"), "");
}

#[test]
fn architecture_can_be_chosen() {
    let settings = Settings {
        architecture: Some(Architecture::I386),
        ..Settings::default()
    };
    let mut guest = Scripted::new();
    assert_eq!(Architecture::of(&mut guest), Architecture::X86_64);
    let mut session = Session::new(&mut guest, &settings);
    session.push(&packet(b"p8"));
    let mut out = Vec::new();
    session.take(&mut out);
    assert_eq!(out, [b"+", &packet(b"00000000")[..]].concat());
}

#[test]
fn sample_configuration_of_exdi_has_the_registers_of_g() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/exdi/exdiConfigData.xml");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| line.contains("<Entry "));
    let own = kdd::gdb::registers::X86_64
        .iter()
        .take(kdd::gdb::registers::X86_64_AT_ONCE);
    let expected = own.enumerate().map(|(number, register)| {
        let (name, size) = (register.name, register.size);
        format!("<Entry Name=\"{name}\" Order=\"{number:x}\" Size=\"{size}\"/>")
    });
    assert!(rows.map(|line| line.trim().to_owned()).eq(expected));
}

/// Requests that all mean something.
fn requests() -> Vec<Vec<u8>> {
    let at = CODE + 0x100;
    let texts = [
        "qSupported:multiprocess+;swbreak+;xmlRegisters=i386".to_owned(),
        "?".to_owned(),
        "qfThreadInfo".to_owned(),
        "qsThreadInfo".to_owned(),
        "qThreadExtraInfo,p1.2".to_owned(),
        "Hgp1.2".to_owned(),
        "Hc-1".to_owned(),
        "g".to_owned(),
        format!("G{}", "00".repeat(612)),
        "p1d".to_owned(),
        "P0=0011223344556677".to_owned(),
        format!("m{at:x},40"),
        format!("x{at:x},40"),
        format!("M{at:x},4:90909090"),
        format!("X{at:x},2:}}\u{3}a"),
        format!("Z0,{at:x},1"),
        format!("z0,{at:x},1"),
        format!("Z2,{at:x},8"),
        "vCont?".to_owned(),
        "vCont;s:p1.2;c".to_owned(),
        "vCont;c:p1.-1".to_owned(),
        "vCont;r1,2:1;C05".to_owned(),
        "s".to_owned(),
        "qXfer:features:read:target.xml:0,fff".to_owned(),
        "qXfer:features:read:core.xml:10,20".to_owned(),
        format!("qRcmd,{}", hex(b"phys read 1000 40")),
        format!("qRcmd,{}", hex(b"translate ffff800000000000")),
        format!("qRcmd,{}", hex(b"info")),
        "qqemu.PhyMemMode".to_owned(),
        "T1".to_owned(),
        "qAttached".to_owned(),
        "qC".to_owned(),
        "vMustReplyEmpty".to_owned(),
    ];
    texts.into_iter().map(String::into_bytes).collect()
}

#[test]
fn rubbish_never_ends_a_session_in_a_panic_and_the_next_request_is_answered() {
    let requests = requests();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = move |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % end
    };
    let rounds = std::env::var("DELID_MUTATIONS").map_or(500, |text| text.parse().unwrap());
    let mut guest = Scripted::new();
    for round in 0..rounds {
        let mut session = Session::new(&mut guest, &Settings::default());
        let mut out = Vec::new();
        session.push(&packet(b"QStartNoAckMode"));
        for _ in 0..8 {
            let mut body = requests[next(requests.len())].clone();
            for _ in 0..next(4) {
                let at = next(body.len().max(1));
                match next(5) {
                    0 if !body.is_empty() => body[at] = next(256) as u8,
                    1 => body.insert(at.min(body.len()), b"0123456789abcdefx,;:-p.*}#$"[next(27)]),
                    2 => body.truncate(at),
                    3 => body.extend(requests[next(requests.len())].clone()),
                    _ => body.extend(std::iter::repeat_n(b"f9:;"[next(4)], next(40))),
                }
            }
            let mut bytes = packet(&body);
            // Most sums are right: what is damaged should come to the parsers.
            if next(8) == 0 {
                let at = next(bytes.len());
                bytes[at] = next(256) as u8;
            }
            session.push(&bytes);
            session.poll(Duration::ZERO);
            session.take(&mut out);
        }
        if session.running() {
            // The last packet may not have ended.
            session.push(b"$$$#00\x03");
            session.poll(Duration::ZERO);
        }
        if session.ending().is_some() {
            session.release();
            continue;
        }
        assert!(!session.running(), "round {round}");
        out.clear();
        session.take(&mut out);
        out.clear();
        session.push(b"#00$qAttached#8f");
        session.take(&mut out);
        assert!(
            out.ends_with(b"$1#31"),
            "round {round}: {}",
            String::from_utf8_lossy(&out)
        );
        session.release();
    }
}

#[test]
fn rubbish_on_the_line_and_disconnects_do_not_end_the_server() {
    let guest = Scripted::new();
    let seen = Arc::clone(&guest.seen);
    let server = Server::start(guest, Settings::default(), false);
    for round in 0..20u8 {
        let mut client = Client::raw(&server.address);
        let bytes: Vec<u8> = (0..4096u32)
            .map(|at| (at * 167 + u32::from(round) * 89) as u8)
            .collect();
        client.send(&bytes);
        if round % 2 == 0 {
            client.send(b"$m");
        }
        drop(client);
        assert!(eventually(|| server
            .notices
            .try_iter()
            .any(|line| line.starts_with("debugger gone"))));
    }
    assert!(seen.lock().unwrap().running);
    let mut client = Client::connect(&server.address);
    assert_eq!(client.ask("qC"), "QC01");
}
