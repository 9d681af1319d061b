//! A guest that runs, as a debugger sees it: break-in, going on, steps, breakpoints, watchpoints, writing, and what is
//! left when the debugger goes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod captured;
mod fake;
mod live_machine;
mod synthetic;

use fake::{Host, Request, u16_at, u32_at, u64_at};
use kdd::guest::Guest;
use kdd::kd::debuggee::{Debuggee, Status};
use kdd::kd::packet::{Packet, PacketType};
use kdd::kd::session::{Line, Report};
use kdd::memory::{Gpa, Gva};
use kdd::target::vcpu::{gpr, msr};
use kdd::target::{BreakKind, Breakpoint};
use kdd::windows::Given;
use live_machine::{JUMP, NOP, Places, STORE, Shared, booting, windows};

const BREAKPOINT: u32 = 0x8000_0003;
const SINGLE_STEP: u32 = 0x8000_0004;

struct Session {
    host: Host<Guest>,
    shared: Shared,
    places: Places,
}

/// A session with a guest that runs; the debugger has not come yet.
fn running(line: Line) -> Session {
    let (machine, shared, places) = windows("win10-x64");
    let mut guest = Guest::new(Box::new(machine), &Given::default());
    assert_eq!(guest.release(), Ok(()));
    assert!(guest.running());
    let host = Host::new(line, guest);
    Session { host, shared, places }
}

/// The same after a break-in.
fn broken_in(line: Line) -> Session {
    let mut session = running(line);
    session.host.reset();
    session.host.push(b"b");
    let stop = session.stop().expect("a stop");
    assert_eq!(stop.code, BREAKPOINT);
    session
}

#[derive(Debug, PartialEq, Eq)]
struct Stop {
    processor: u16,
    code: u32,
    at: u64,
    dr6: u64,
}

impl Session {
    /// The state change that came, if one did; everything that came is taken away.
    fn stop(&mut self) -> Option<Stop> {
        let seen = std::mem::take(&mut self.host.seen);
        let stops: Vec<&Packet> = seen
            .iter()
            .filter(|packet| packet.kind == PacketType::STATE_CHANGE64)
            .collect();
        assert!(stops.len() < 2, "{stops:?}");
        let payload = &stops.first()?.payload;
        Some(Stop {
            processor: u16_at(payload, 6),
            code: u32_at(payload, 32),
            at: u64_at(payload, 24),
            dr6: u64_at(payload, 0xc0),
        })
    }

    /// Continue2.
    fn go(&mut self, step: bool, dr7: u64) {
        let processor = 0;
        let request = Request::new(0x313c, processor)
            .u32(16, 0x0001_0002)
            .u32(20, step.into())
            .u64(24, dr7);
        let bytes = self.host.framed(PacketType::MANIPULATE, &request.0);
        self.host.next_id();
        self.host.seen.clear();
        self.host.push(&bytes);
    }

    fn step(&mut self) -> Stop {
        self.go(true, 0x400);
        if let Some(stop) = self.stop() {
            return stop;
        }
        self.host.wait(1);
        self.stop().expect("a step ends")
    }

    fn runs_to_a_stop(&mut self, dr7: u64) -> Stop {
        self.go(false, dr7);
        self.host.wait(1);
        self.stop().expect("it stops")
    }

    fn breakpoint(&mut self, at: u64) -> u32 {
        let (status, payload) = self.host.ask(&Request::new(0x3134, 0).u64(16, at));
        assert_eq!(status, 0);
        u32_at(&payload, 24)
    }

    fn restore(&mut self, handle: u32) -> u32 {
        self.host.ask(&Request::new(0x3135, 0).u32(16, handle)).0
    }

    fn counter(&self, cpu: usize) -> u64 {
        let bytes = self.shared.get().peek(cpu, self.places[cpu].1, 8);
        u64::from_le_bytes(bytes.try_into().unwrap())
    }

    fn read(&mut self, at: u64, count: u32) -> Vec<u8> {
        let (status, payload) = self.host.ask(&Request::new(0x3130, 0).u64(16, at).u32(24, count));
        assert_eq!(status, 0);
        payload[56..].to_vec()
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> u32 {
        let request = Request::new(0x3131, 0).u64(16, at).u32(24, bytes.len() as u32);
        self.host.ask(&request.data(bytes)).0
    }

    fn context(&mut self, processor: u16) -> Vec<u8> {
        let (status, payload) = self.host.ask(&Request::new(0x3132, processor));
        assert_eq!(status, 0);
        payload[56..].to_vec()
    }

    /// KSPECIAL_REGISTERS with some of its words set.
    fn set_special(&mut self, processor: u16, words: &[(usize, u64)]) -> u32 {
        let (_, payload) = self.host.ask(&Request::new(0x3137, processor).u64(16, 2).u32(24, 0xe0));
        let mut special = payload[56..].to_vec();
        for (at, word) in words {
            special[*at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        let request = Request::new(0x3138, processor).u64(16, 2).u32(24, special.len() as u32);
        self.host.ask(&request.data(&special)).0
    }
}

#[test]
fn break_in_stops_a_running_guest_with_its_registers_of_now() {
    for line in [Line::Serial, Line::Datagram] {
        let mut session = running(line);
        session.host.wait(1);
        session.host.reset();
        assert_eq!(session.stop(), None, "a reset does not stop it");
        session.host.wait(1);
        session.host.push(b"b");
        let stop = session.stop().expect("a break-in does");
        let rip = session.shared.get().cpus[0].rip;
        assert_eq!((stop.processor, stop.code, stop.at), (0, BREAKPOINT, rip));
        let rax = session.shared.get().cpus[0].gpr[0];
        assert!(rax > 100, "it ran: {rax}");
        let context = session.context(0);
        assert_eq!((u64_at(&context, 0x78), u64_at(&context, 0xf8)), (rax, rip));
        let (counter, at) = (session.counter(1), session.places[1].1);
        assert_eq!(session.read(at, 8), counter.to_le_bytes(), "memory of now");
        assert!(
            session
                .host
                .reports
                .iter()
                .any(|report| matches!(report, Report::Stopped(_)))
        );
    }
}

#[test]
fn requests_to_a_guest_that_runs_are_refused_and_reset_does_not_stop_it() {
    let mut session = broken_in(Line::Serial);
    session.go(false, 0x400);
    let (status, _) = session.host.ask(&Request::new(0x3130, 0).u64(16, 0).u32(24, 8));
    assert_eq!(status, Status::UNSUCCESSFUL.0);
    let before = session.shared.get().cpus[0].gpr[0];
    session.host.reset();
    session.host.seen.clear();
    session.host.wait(1);
    assert_eq!(session.stop(), None);
    assert!(session.shared.get().cpus[0].gpr[0] > before);
    session.host.push(b"b");
    assert!(session.stop().is_some());
}

#[test]
fn a_step_is_one_instruction_of_the_processor_that_is_looked_at() {
    let mut session = broken_in(Line::Serial);
    let mut at = session.shared.get().cpus[0].rip;
    for _ in 0..5 {
        let other = session.shared.get().cpus[1].clone();
        let stop = session.step();
        let now = session.shared.get().cpus[0].rip;
        assert_ne!(now, at);
        at = now;
        assert_eq!((stop.processor, stop.code, stop.at), (0, SINGLE_STEP, at));
        assert_eq!(stop.dr6 & 0x400f, 0x4000);
        assert_eq!(session.shared.get().cpus[1], other, "the other stands still");
    }
    // The other processor.
    let request = Request::new(0x3150, 1);
    session.host.send(&request.0);
    let other = session.shared.get().cpus[0].clone();
    let stop = session.step();
    assert_eq!((stop.processor, stop.code), (1, SINGLE_STEP));
    assert_eq!(session.shared.get().cpus[0], other);
}

#[test]
fn the_old_continue_steps_when_the_debugger_set_the_trap_flag() {
    let mut session = broken_in(Line::Serial);
    let mut context = session.context(0);
    context[0x45] |= 1;
    let request = Request::new(0x3133, 0).data(&context);
    assert_eq!(session.host.ask(&request).0, 0);
    assert_eq!(
        session.shared.get().cpus[0].rflags & 0x100,
        0,
        "not for the guest to see"
    );
    let request = Request::new(0x3136, 0).u32(16, 0x0001_0002);
    let bytes = session.host.framed(PacketType::MANIPULATE, &request.0);
    session.host.next_id();
    session.host.seen.clear();
    session.host.push(&bytes);
    session.host.wait(1);
    assert_eq!(session.stop().unwrap().code, SINGLE_STEP);
}

#[test]
fn breakpoints_are_hit_on_any_processor_and_taken_out_again() {
    let mut session = broken_in(Line::Serial);
    let at = session.places[1].0 + NOP;
    let handle = session.breakpoint(at);
    assert_eq!(handle, 1);
    let physical = session.shared.get().physical(0, at);
    let point = Breakpoint {
        kind: BreakKind::Software,
        at: Gva(at),
        physical,
        length: 1,
    };
    assert_eq!(session.shared.get().points, [point]);
    let (status, _) = session.host.ask(&Request::new(0x3134, 0).u64(16, at));
    assert_eq!(status, Status::UNSUCCESSFUL.0, "there is one already");
    let stop = session.runs_to_a_stop(0x400);
    assert_eq!(
        stop,
        Stop {
            processor: 1,
            code: BREAKPOINT,
            at,
            dr6: 0xffff_0ff0
        }
    );
    let words = format!("breakpoint at {} on CPU 1", Gva(at));
    assert!(session.host.reports.contains(&Report::Stopped(words)));
    assert_eq!(session.read(at, 1), [0x90], "the debugger sees its own code");
    assert_eq!(
        (session.restore(handle), session.restore(handle)),
        (0, Status::UNSUCCESSFUL.0)
    );
    assert_eq!(session.shared.get().points, []);
    session.go(false, 0x400);
    session.host.wait(1);
    assert_eq!(session.stop(), None);
    // Where there is no memory there is no breakpoint.
    session.host.push(b"b");
    session.host.seen.clear();
    let (status, _) = session.host.ask(&Request::new(0x3134, 0).u64(16, 0x10));
    assert_eq!(status, Status::UNSUCCESSFUL.0);
}

#[test]
fn a_breakpoint_instruction_that_the_debugger_writes_is_a_breakpoint() {
    let mut session = broken_in(Line::Serial);
    let at = session.places[0].0 + JUMP;
    assert_eq!(session.write(at, &[0xcc]), 0);
    assert_eq!(session.read(at, 2), [0xcc, 0xf7], "it reads what it wrote");
    assert_eq!(session.shared.get().peek(0, at, 1), [0xeb], "the guest has its own");
    let stop = session.runs_to_a_stop(0x400);
    assert_eq!((stop.processor, stop.code, stop.at), (0, BREAKPOINT, at));
    assert_eq!(session.write(at, &[0xeb]), 0);
    assert_eq!(session.read(at, 2), [0xeb, 0xf7]);
    assert_eq!(session.shared.get().points, []);
    session.go(false, 0x400);
    session.host.wait(1);
    assert_eq!(session.stop(), None);
    assert_eq!(session.shared.get().own_breakpoints, 0);
}

#[test]
fn a_breakpoint_instruction_of_the_guest_is_its_own_business() {
    let mut session = broken_in(Line::Serial);
    let at = session.places[0].0 + NOP;
    let place = session.shared.get().physical(0, at).unwrap();
    let request = Request::new(0x313e, 0).u64(16, place.0).u32(24, 1).data(&[0xcc]);
    assert_eq!(session.host.ask(&request).0, 0);
    session.go(false, 0x400);
    session.host.wait(1);
    assert_eq!(session.stop(), None);
    assert!(session.shared.get().own_breakpoints > 0);
}

#[test]
fn debug_registers_watch_memory_and_code_and_the_stop_names_the_register() {
    let mut session = broken_in(Line::Serial);
    let (code, counter) = session.places[1];
    // Dr1: write of 8 bytes.
    let dr7 = 0x400 | 1 << 2 | 0x9 << 20;
    assert_eq!(session.set_special(0, &[(0x28, counter), (0x48, dr7)]), 0);
    let kinds: Vec<_> = session
        .shared
        .get()
        .points
        .iter()
        .map(|point| (point.kind, point.at, point.length))
        .collect();
    assert_eq!(kinds, [(BreakKind::Write, Gva(counter), 8)]);
    let stop = session.runs_to_a_stop(dr7);
    assert_eq!((stop.processor, stop.code, stop.at), (1, SINGLE_STEP, code + NOP));
    assert_eq!(stop.dr6 & 0x400f, 2);
    // The registers of debugging are those of all processors.
    let (_, special) = session.host.ask(&Request::new(0x3137, 0).u64(16, 2).u32(24, 0xe0));
    assert_eq!(u64_at(&special, 56 + 0x28), counter);
    assert_eq!(u64_at(&special, 56 + 0x48), dr7);
    // Dr0 and Dr7 as Continue2 brings it: execution.
    assert_eq!(session.set_special(1, &[(0x20, code + JUMP), (0x48, 0x400)]), 0);
    assert_eq!(session.shared.get().points, []);
    let stop = session.runs_to_a_stop(0x401);
    assert_eq!((stop.processor, stop.code, stop.at), (1, SINGLE_STEP, code + JUMP));
    assert_eq!(stop.dr6 & 0x400f, 1);
    session.go(false, 0x400);
    assert_eq!(session.shared.get().points, [], "Continue2 turned it off");
    session.host.wait(1);
    assert_eq!(session.stop(), None);
}

#[test]
fn what_the_source_cannot_do_is_refused_with_words() {
    let mut session = broken_in(Line::Serial);
    session.shared.get().no_watchpoints = true;
    let counter = session.places[0].1;
    let refused = session.set_special(0, &[(0x20, counter), (0x48, 0x401 | 0xd << 16)]);
    assert_eq!(refused, Status::NOT_SUPPORTED.0);
    // Asked for by Continue2 all the same: it stays where it is.
    session.go(false, 0x401 | 0xd << 16);
    let stop = session.stop();
    assert!(stop.is_some(), "the same stop again");
    let words = Report::Failed("the guest cannot run: watchpoints: not possible with this source".to_owned());
    assert!(session.host.reports.contains(&words), "{:?}", session.host.reports);
    session.shared.get().fixed = Some("CR4");
    assert_eq!(session.set_special(0, &[(0x18, 0)]), Status::NOT_SUPPORTED.0);
}

#[test]
fn registers_are_set_and_only_those_that_the_debugger_changed() {
    let mut session = broken_in(Line::Serial);
    let before = session.shared.get().cpus[1].clone();
    let mut context = session.context(1);
    assert_eq!(session.host.ask(&Request::new(0x3133, 1).data(&context)).0, 0);
    assert!(!session.shared.get().log.iter().any(|line| line.starts_with("set")));
    context[0xd0..0xd8].copy_from_slice(&0x1234_5678_9abc_def0u64.to_le_bytes());
    context[0x48] = 7; // Dr0 of user mode
    assert_eq!(session.host.ask(&Request::new(0x3133, 1).data(&context)).0, 0);
    let mut expected = before.clone();
    expected.gpr[11] = 0x1234_5678_9abc_def0;
    assert_eq!(session.shared.get().cpus[1], expected);
    assert_eq!(u64_at(&session.context(1), 0xd0), 0x1234_5678_9abc_def0);
    // KSPECIAL_REGISTERS: CR8 and the base of GS that SWAPGS brings.
    assert_eq!(session.set_special(1, &[(0xa0, 15), (0xb0, 0x7ff7_0000)]), 0);
    (expected.cr8, _) = (Some(15), expected.msrs.insert(msr::KERNEL_GS_BASE, 0x7ff7_0000));
    assert_eq!(session.shared.get().cpus[1], expected);
    // A register of the model.
    let request = Request::new(0x3153, 1)
        .u32(16, msr::LSTAR)
        .u64(20, 0xffff_f800_0000_1000);
    assert_eq!(session.host.ask(&request).0, 0);
    expected.msrs.insert(msr::LSTAR, 0xffff_f800_0000_1000);
    assert_eq!(session.shared.get().cpus[1], expected);
    // The stack pointer stays what it was after a run.
    session.go(false, 0x400);
    session.host.wait(1);
    session.host.push(b"b");
    let context = session.context(1);
    assert_eq!(u64_at(&context, 0x98), before.gpr[gpr::RSP]);
}

#[test]
fn memory_is_written_and_what_is_laid_over_it_is_not() {
    let mut session = broken_in(Line::Serial);
    let (code, counter) = session.places[0];
    // Over the end of a page, in the kernel's code.
    let page = code & !0xfff;
    assert_eq!(session.write(page - 4, &[0x90; 8]), 0);
    assert_eq!(session.shared.get().peek(0, page - 4, 4), [0x90; 4]);
    assert_eq!(session.shared.get().peek(0, page, 4), [0x90; 4]);
    // Up to the first page that is not there.
    let (status, _) = session
        .host
        .ask(&Request::new(0x3131, 0).u64(16, 0x10).u32(24, 1).data(&[1]));
    assert_eq!(status, Status::UNSUCCESSFUL.0);
    let (status, payload) = session.host.ask(&Request::new(0x315c, 0).u64(16, code).u32(32, 0));
    assert_eq!(
        (status, u32_at(&payload, 36)),
        (0, 7),
        "a debugger may write where the guest may not"
    );
    // Registers in the KPRCB are laid over the guest's memory.
    let kprcb = session.host.guest.kprcb(0).0;
    let before = session.shared.get().pages.clone();
    assert_eq!(session.write(kprcb + 0x100, &[1; 8]), Status::ACCESS_DENIED.0);
    assert_eq!(session.shared.get().pages, before);
    let place = session.shared.get().physical(0, counter).unwrap();
    assert_eq!(session.host.guest.write_physical(place, &[7; 8]), Ok(8));
    assert_eq!(session.counter(0), 0x0707_0707_0707_0707);
    assert_eq!(
        session.host.guest.write_physical(Gpa(u64::MAX - 64), &[7; 8]),
        Err(Status::UNSUCCESSFUL)
    );
}

#[test]
fn page_tables_are_read_anew_after_every_stop() {
    let mut session = broken_in(Line::Serial);
    let (_, counter) = session.places[0];
    let old = session.read(counter, 8);
    // The guest remaps the page of its counter while it runs: to that of processor 1.
    let other = session.shared.get().physical(1, session.places[1].1).unwrap();
    let mut state = session.shared.get();
    let mut table = state.cpus[0].cr3.unwrap() & !0xfff;
    for level in [39, 30, 21] {
        let at = Gpa(table + (counter >> level & 0x1ff) * 8);
        let page = &state.pages[&at.page().0];
        table = u64_at(page, at.offset() as usize) & 0x000f_ffff_ffff_f000;
    }
    let at = Gpa(table + (counter >> 12 & 0x1ff) * 8);
    let page = state.pages.get_mut(&at.page().0).unwrap();
    let entry = u64_at(page, at.offset() as usize) & !0x000f_ffff_ffff_f000 | other.page().0;
    page[at.offset() as usize..][..8].copy_from_slice(&entry.to_le_bytes());
    drop(state);
    session.go(false, 0x400);
    session.host.wait(1);
    session.host.push(b"b");
    let expected = session.shared.get().peek(0, counter, 8);
    assert_ne!(old, expected);
    assert_eq!(session.read(counter, 8), expected);
}

#[test]
fn a_guest_is_released_with_no_breakpoint_in_it_and_the_next_debugger_finds_it_running() {
    for stopped in [true, false] {
        let mut session = broken_in(Line::Serial);
        session.breakpoint(session.places[0].0 + STORE);
        assert_eq!(
            session.set_special(0, &[(0x20, session.places[0].1), (0x48, 0x401 | 0xd << 16)]),
            0
        );
        if !stopped {
            session.go(false, 0x400);
        }
        // The line is gone.
        assert_eq!(session.host.guest.release(), Ok(()));
        session.host.session.released();
        session.host.session.restart();
        assert!(session.host.guest.running());
        assert_eq!(session.shared.get().points, []);
        session.host.reset();
        session.host.wait(1);
        assert_eq!(session.stop(), None);
        session.host.push(b"b");
        assert!(session.stop().is_some());
        let (_, special) = session.host.ask(&Request::new(0x3137, 0).u64(16, 2).u32(24, 0xe0));
        assert_eq!((u64_at(&special, 56 + 0x20), u64_at(&special, 56 + 0x48)), (0, 0x400));
    }
}

#[test]
fn windows_that_boots_later_is_found_and_the_debugger_begins_anew() {
    let (machine, shared, places) = booting("win10-x64");
    let guest = Guest::new(Box::new(machine), &Given::default());
    assert!(guest.windows().kernel.is_none());
    let host = Host::new(Line::Serial, guest);
    let mut session = Session { host, shared, places };
    session.host.reset();
    let stop = session.stop().expect("it stands still");
    assert_eq!((stop.code, stop.at), (BREAKPOINT, 0xfff0));
    let (_, payload) = session.host.ask(&Request::new(0x3146, 0));
    assert_eq!(u64_at(&payload, 32), 0, "no kernel yet");
    session.go(false, 0x400);
    session.host.wait(1);
    session.host.seen.clear();
    session.host.push(b"b");
    let seen = std::mem::take(&mut session.host.seen);
    let change = seen
        .iter()
        .find(|packet| packet.kind == PacketType::STATE_CHANGE64)
        .unwrap();
    // Symbols of everything are unloaded, as when Windows boots anew.
    assert_eq!(u32_at(&change.payload, 0), 0x3031);
    assert_eq!((u64_at(&change.payload, 40), change.payload[64]), (u64::MAX, 1));
    session.host.seen.clear();
    let request = Request::new(0x3136, 0).u32(16, 0x0001_0002);
    let bytes = session.host.framed(PacketType::MANIPULATE, &request.0);
    session.host.push(&bytes);
    let change = session
        .host
        .seen
        .iter()
        .find(|packet| packet.kind == PacketType::STATE_CHANGE64)
        .unwrap();
    assert_eq!(change.id.0, 0x8080_0800, "a line at its begin");
    assert_eq!(u32_at(&change.payload, 0), 0x3030);
    session.host.reset();
    let (_, payload) = session.host.ask(&Request::new(0x3146, 0));
    let kernel = session.host.guest.windows().kernel.as_ref().unwrap().base.0;
    assert_eq!(u64_at(&payload, 32), kernel);
}

#[test]
fn a_reboot_takes_the_breakpoints_out_and_windows_is_looked_for_again() {
    let mut session = broken_in(Line::Serial);
    session.breakpoint(session.places[0].0);
    let bytes = session.host.framed(PacketType::MANIPULATE, &Request::new(0x313b, 0).0);
    session.host.next_id();
    session.host.push(&bytes);
    assert_eq!((session.host.reboots, session.shared.get().resets), (1, 1));
    assert!(session.host.guest.windows().kernel.is_none());
    assert!(session.host.guest.running());
    session.host.seen.clear();
    session.host.push(b"b");
    assert!(session.host.guest.windows().kernel.is_some());
    assert!(!session.host.seen.is_empty());
}

#[test]
fn a_guest_that_vanishes_is_told_once() {
    let mut session = broken_in(Line::Serial);
    session.go(false, 0x400);
    session.shared.get().vanishes = true;
    session.host.wait(2);
    assert_eq!(session.host.guest.gone(), Some("the process ended"));
    let failed: Vec<_> = session
        .host
        .reports
        .iter()
        .filter(|report| matches!(report, Report::Failed(_)))
        .collect();
    assert_eq!(
        failed,
        [&Report::Failed("the guest is gone: the process ended".to_owned())]
    );
    assert_eq!(session.host.guest.release(), Ok(()), "there is nothing to release");
}

#[test]
fn a_kernel_that_is_not_there_any_more_is_not_believed() {
    let mut session = broken_in(Line::Serial);
    let base = session.host.guest.windows().kernel.as_ref().unwrap().base.0;
    session.go(false, 0x400);
    let mut state = session.shared.get();
    let at = state.physical(0, base).unwrap();
    state.pages.get_mut(&at.0).unwrap().fill(0);
    drop(state);
    session.host.push(b"b");
    assert!(session.host.guest.windows().kernel.is_none());
    assert!(session.stop().is_some(), "it stops all the same");
}
