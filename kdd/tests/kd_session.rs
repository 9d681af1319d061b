//! Sessions with a made-up guest: acknowledging on both lines, every request, and the requests of
//! Microsoft's debugger engine as it sent them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod fake;

use std::fs;
use std::path::{Path, PathBuf};

use fake::{CODE, Fake, Host, KERNEL, Request, u16_at, u32_at, u64_at};
use kdd::kd::manipulate::Api;
use kdd::kd::packet::{Event, Leader, Packet, PacketId, PacketType};
use kdd::kd::session::{Line, Report};
use kdd::kd::state::Symbols;
use kdd::kd::trace::{self, Direction};
use kdd::memory::Gva;

const BOTH: [Line; 2] = [Line::Serial, Line::Datagram];

fn ids(packets: &[Packet], kind: PacketType) -> Vec<u32> {
    packets
        .iter()
        .filter(|packet| packet.kind == kind)
        .map(|packet| packet.id.0)
        .collect()
}

fn read(at: u64, count: u32) -> Request {
    Request::new(0x3130, 0).u64(16, at).u32(24, count)
}

#[test]
fn reset_is_answered_and_the_stop_follows_with_the_sync_bit() {
    let mut host = Host::new(Line::Serial, Fake::x64());
    host.reset();
    let kinds: Vec<_> = host.seen.iter().map(|packet| (packet.kind, packet.id.0)).collect();
    assert_eq!(
        kinds,
        [(PacketType::RESET, 0), (PacketType::STATE_CHANGE64, 0x8080_0800)]
    );
    assert_eq!(host.reports, [Report::Connected]);
    let answers = host.send(&Request::new(0x3146, 0).0);
    assert_eq!(ids(&answers, PacketType::MANIPULATE), [0x8080_0001]);
    let answers = host.send(&Request::new(0x3146, 0).0);
    assert_eq!(ids(&answers, PacketType::MANIPULATE), [0x8080_0000]);
}

#[test]
fn datagrams_count_by_two_and_a_reset_carries_the_next_id() {
    let mut host = Host::new(Line::Datagram, Fake::x64());
    host.push(b"b");
    assert_eq!(ids(&host.seen, PacketType::STATE_CHANGE64), [0]);
    host.id = 0x8000_0000;
    for expected in [2, 4, 6] {
        let answers = host.send(&Request::new(0x3146, 0).0);
        assert_eq!(ids(&answers, PacketType::MANIPULATE), [expected]);
    }
    host.seen.clear();
    host.id = 0x8000_0040;
    host.reset();
    let kinds: Vec<_> = host.seen.iter().map(|packet| (packet.kind, packet.id.0)).collect();
    assert_eq!(kinds, [(PacketType::RESET, 8), (PacketType::STATE_CHANGE64, 8)]);
    assert_eq!(host.ask(&Request::new(0x3146, 0)).0, 0);
}

#[test]
fn kdnet_debugger_that_only_says_resend_is_told_of_the_stop() {
    let mut host = Host::new(Line::Datagram, Fake::x64());
    host.control(PacketType::RESEND, 0);
    assert_eq!(
        host.seen.iter().map(|packet| packet.kind).collect::<Vec<_>>(),
        [PacketType::STATE_CHANGE64]
    );
}

#[test]
fn late_datagram_is_a_duplicate_and_one_after_a_gap_is_not() {
    let mut host = Host::connected(Line::Datagram, Fake::x64());
    host.ask(&read(CODE, 8));
    host.id += 6;
    host.ask(&read(CODE, 8));
    host.id -= 6;
    assert_eq!(host.send(&read(CODE, 8).0), []);
}

#[test]
fn duplicate_is_acknowledged_and_not_done_again() {
    for line in BOTH {
        let mut host = Host::connected(line, Fake::live());
        host.push(b"b");
        let request = Request::new(0x3134, 0).u64(16, CODE);
        let bytes = host.framed(PacketType::MANIPULATE, &request.0);
        assert_eq!(host.ask(&request).0, 0);
        host.seen.clear();
        host.push(&bytes);
        assert_eq!(host.seen.len(), 1, "{:?}", host.seen);
        assert_eq!(host.seen[0].kind, PacketType::ACKNOWLEDGE);
        assert_eq!(host.guest.breakpoints.len(), 1);
    }
}

#[test]
fn damaged_request_is_asked_for_again_and_then_done() {
    for line in BOTH {
        let mut host = Host::connected(line, Fake::x64());
        let mut bytes = host.framed(PacketType::MANIPULATE, &read(CODE, 8).0);
        bytes[30] ^= 4;
        host.push(&bytes);
        assert_eq!(ids(&host.seen, PacketType::RESEND), [0], "{line:?}");
        assert_eq!(host.seen.len(), 1);
        assert_eq!(host.ask(&read(CODE, 8)).0, 0);
    }
}

#[test]
fn packet_that_is_not_acknowledged_is_sent_again_and_then_the_line_is_silent() {
    for line in BOTH {
        let mut host = Host::new(line, Fake::x64());
        host.acknowledges = false;
        host.reset();
        host.wait(60);
        let sent = ids(&host.seen, PacketType::STATE_CHANGE64);
        assert_eq!(sent.len(), 9, "once and eight times more");
        assert!(sent.iter().all(|id| *id == sent[0]));
        assert_eq!(host.reports, [Report::Silent]);
        assert_eq!(host.session.deadline(), None);
        host.seen.clear();
        host.acknowledges = true;
        host.reset();
        assert_eq!(ids(&host.seen, PacketType::STATE_CHANGE64).len(), 1);
        assert_eq!(host.ask(&Request::new(0x3146, 0)).0, 0);
    }
}

#[test]
fn resend_brings_the_last_packet_with_its_id() {
    for line in BOTH {
        let mut host = Host::connected(line, Fake::x64());
        host.acknowledges = false;
        let answers = host.send(&read(CODE, 16).0);
        host.control(PacketType::RESEND, 0);
        host.control(PacketType::RESEND, 0xdead_beef);
        assert_eq!(host.seen, [answers[0].clone(), answers[0].clone()]);
    }
}

#[test]
fn request_after_a_lost_acknowledgement_is_answered_at_once() {
    for line in BOTH {
        let mut host = Host::connected(line, Fake::x64());
        host.acknowledges = false;
        for count in [1, 2, 3] {
            let (status, payload) = host.ask(&read(CODE, count));
            assert_eq!((status, payload.len()), (0, 56 + count as usize), "{line:?}");
        }
        assert_eq!(host.reports, []);
    }
}

#[test]
fn acknowledgements_of_nothing_change_nothing() {
    for line in BOTH {
        let mut host = Host::connected(line, Fake::x64());
        for id in [0, 1, 0x8080_0801, 0xffff_ffff, 0x7fff_ffff] {
            host.control(PacketType::ACKNOWLEDGE, id);
        }
        host.push(&[0x69, 0x69, 0x69, 0x69, 9, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0]);
        assert_eq!(host.seen, []);
        assert_eq!(host.ask(&read(CODE, 4)).0, 0);
    }
}

#[test]
fn packet_that_is_cut_off_does_not_swallow_the_next_session() {
    let mut host = Host::connected(Line::Serial, Fake::x64());
    let request = host.framed(PacketType::MANIPULATE, &vec![0; 3000]);
    host.push(&request[..1000]);
    host.reset();
    assert_eq!(host.seen, [], "the bytes are taken for the rest of the packet");
    host.wait(1);
    assert_eq!(ids(&host.seen, PacketType::RESEND), [0]);
    assert_eq!(ids(&host.seen, PacketType::RESET), [0]);
    assert_eq!(ids(&host.seen, PacketType::STATE_CHANGE64), [0x8080_0800]);
    assert_eq!(host.ask(&read(CODE, 4)).0, 0);
}

#[test]
fn break_in_stops_a_guest_that_runs_and_reset_does_not() {
    for line in BOTH {
        let mut host = Host::new(line, Fake::live());
        host.reset();
        assert!(ids(&host.seen, PacketType::STATE_CHANGE64).is_empty());
        assert_eq!(host.ask(&read(CODE, 4)).0, 0xc000_0001, "it runs");
        host.push(b"b");
        assert_eq!(ids(&host.seen, PacketType::STATE_CHANGE64).len(), 1);
        assert!(!host.guest.running);
        assert_eq!(host.ask(&read(CODE, 4)).0, 0);
        let go = Request::new(0x313c, 0).u32(16, 0x1_0002).u32(20, 1).u64(24, 0x155);
        assert_eq!(host.send(&go.0), []);
        let (processor, how) = host.guest.resumed[0];
        assert_eq!((processor, how.step, how.dr7), (0, true, Some(0x155)));
        host.guest.stop.code = 0x8000_0004;
        host.guest.stop.processor = 1;
        host.guest.stops_itself = true;
        host.wait(1);
        let change = host
            .seen
            .iter()
            .find(|packet| packet.kind == PacketType::STATE_CHANGE64)
            .unwrap();
        assert_eq!(
            (u32_at(&change.payload, 32), u16_at(&change.payload, 6)),
            (0x8000_0004, 1)
        );
    }
}

#[test]
fn captured_guest_says_that_it_cannot_run_and_stops_at_the_same_place() {
    for line in BOTH {
        for request in [
            Request::new(0x3136, 0).u32(16, 0x1_0001),
            Request::new(0x313c, 0).u32(16, 0x1_0002).u32(20, 0),
            Request::new(0x313b, 0),
            Request::new(0x3149, 0),
        ] {
            let mut host = Host::connected(line, Fake::x64());
            let answers = host.send(&request.0);
            assert_eq!(answers.len(), 2, "{answers:?}");
            assert_eq!(
                (answers[0].kind, u32_at(&answers[0].payload, 0)),
                (PacketType::DEBUG_IO, 0x3230)
            );
            assert!(answers[0].payload[16..].starts_with(b"captured guest: it cannot "));
            assert_eq!(u32_at(&answers[0].payload, 8) as usize, answers[0].payload.len() - 16);
            assert_eq!(answers[1].kind, PacketType::STATE_CHANGE64);
            assert_eq!(u64_at(&answers[1].payload, 24), CODE);
            assert_eq!(host.reports, [Report::CannotRun]);
            assert_eq!(host.reboots, usize::from(u32_at(&request.0, 0) == 0x313b));
        }
    }
}

#[test]
fn second_packet_waits_for_the_acknowledgement_of_the_first() {
    let mut host = Host::connected(Line::Serial, Fake::x64());
    host.acknowledges = false;
    let answers = host.send(&Request::new(0x3136, 0).u32(16, 0x1_0001).0);
    assert_eq!(answers.len(), 1, "the line of text alone");
    host.control(PacketType::ACKNOWLEDGE, answers[0].id.0);
    assert_eq!(ids(&host.seen, PacketType::STATE_CHANGE64), [answers[0].id.0 ^ 1]);
}

#[test]
fn switch_answers_with_the_state_of_the_other_processor() {
    let mut host = Host::connected(Line::Serial, Fake::x64());
    for (wanted, seen) in [(1, 1), (7, 1), (0, 0)] {
        let answers = host.send(&Request::new(0x3150, wanted).0);
        assert_eq!(answers.len(), 1);
        let payload = &answers[0].payload;
        assert_eq!(
            (answers[0].kind, u16_at(payload, 6)),
            (PacketType::STATE_CHANGE64, seen)
        );
        assert_eq!(u64_at(payload, 24), CODE + 0x100 * u64::from(seen));
        // Requests that name no processor are for the current one.
        let (_, context) = host.ask(&Request::new(0x3132, 0xffff));
        assert_eq!(context[56..], host.guest.contexts[usize::from(seen)]);
    }
}

#[test]
fn text_questions_and_modules_reach_the_debugger() {
    let mut host = Host::connected(Line::Serial, Fake::x64());
    let now = host.now;
    host.session.print("hello\n", &host.guest, now);
    host.session.ask("name? ", 20, &host.guest, now);
    let symbols = Symbols {
        base: Gva(KERNEL),
        size: 0x1046_0000,
        checksum: 0xa1b2_c3d4,
        process: u64::MAX,
        path: "\\SystemRoot\\ntoskrnl.exe".to_owned(),
        unload: true,
    };
    host.session.load_symbols(symbols, &host.guest, now);
    host.push(&[]);
    let payload = |at: usize| {
        host.seen
            .iter()
            .filter(|packet| packet.leader == Leader::Data)
            .nth(at)
            .unwrap()
            .payload
            .clone()
    };
    assert_eq!(payload(0)[8..], [&[6, 0, 0, 0, 0, 0, 0, 0], &b"hello\n"[..]].concat());
    let question = payload(1);
    assert_eq!(
        (u32_at(&question, 0), u32_at(&question, 8), u32_at(&question, 12)),
        (0x3231, 6, 20)
    );
    let change = payload(2);
    assert_eq!(
        (u32_at(&change, 0), u32_at(&change, 32), u64_at(&change, 40)),
        (0x3031, 25, KERNEL)
    );
    assert_eq!(
        (u64_at(&change, 48), u32_at(&change, 56), u32_at(&change, 60)),
        (u64::MAX, 0xa1b2_c3d4, 0x1046_0000)
    );
    assert_eq!((change[64], &change[240..]), (1, &b"\\SystemRoot\\ntoskrnl.exe\0"[..]));
    let mut answer = question[..16].to_vec();
    answer[12] = 3;
    answer.extend(b"bobby");
    let bytes = host.framed(PacketType::DEBUG_IO, &answer);
    host.push(&bytes);
    assert_eq!(host.session.take_answer().as_deref(), Some(&b"bob"[..]));
    assert_eq!(host.session.take_answer(), None);
}

/// Requests without a reply of their own, and what comes instead: packets.
fn instead(api: Api, live: bool) -> Option<usize> {
    let stays = if live { 0 } else { 2 };
    match api {
        Api::Continue | Api::Continue2 => Some(stays),
        Api::Reboot | Api::CauseBugCheck => Some(2),
        Api::SwitchProcessor => Some(1),
        Api::ClearAllInternalBreakpoints => Some(0),
        _ => None,
    }
}

#[test]
fn every_request_of_the_table_is_answered_whatever_its_arguments() {
    let fakes: [fn() -> Fake; 3] = [Fake::x64, Fake::x86, Fake::live];
    for (fake, line) in fakes.into_iter().flat_map(|fake| BOTH.map(|line| (fake, line))) {
        for api in Api::ALL {
            for junk in [0u8, 1, 0x7f, 0xff] {
                let mut host = Host::connected(line, fake());
                host.push(b"b");
                let mut bytes = api.number().to_le_bytes().to_vec();
                bytes.resize(120, junk);
                let answers = host.send(&bytes);
                if let Some(count) = instead(*api, host.guest.live) {
                    assert_eq!(answers.len(), count, "{api:?} {junk:#x}");
                    continue;
                }
                assert_eq!(answers.len(), 1, "{api:?} {junk:#x}");
                let payload = &answers[0].payload;
                assert_eq!((u32_at(payload, 0), payload[12]), (api.number(), junk), "{api:?}");
                assert_eq!(Api::from_number(api.number()), Some(*api));
            }
        }
    }
}

/// As engine 10.0.15063 does over KDNET version 4 for `.dump /f`; found out with it.
#[test]
fn long_read_is_answered_by_a_stream_of_replies_that_nobody_acknowledges() {
    let mut host = Host::new(Line::Datagram, Fake::x64());
    host.reset();
    let long = |at, count| Request::new(0x3162, 0).u64(16, at).u32(24, count);
    let answers = host.send(&long(0x5400, 0xa00).0);
    let replies: Vec<&Packet> = answers
        .iter()
        .filter(|packet| packet.kind == PacketType::MANIPULATE)
        .collect();
    let pieces: Vec<_> = replies
        .iter()
        .map(|reply| {
            (
                u32_at(&reply.payload, 8),
                u64_at(&reply.payload, 16),
                u32_at(&reply.payload, 28),
            )
        })
        .collect();
    assert_eq!(pieces, [(0, 0x5400, 0x400), (0, 0x5800, 0x400), (0, 0x5c00, 0x200)]);
    let (_, whole) = host.ask(&Request::new(0x313d, 0).u64(16, 0x5400).u32(24, 0xa00));
    let bytes: Vec<u8> = replies.iter().flat_map(|reply| reply.payload[56..].to_vec()).collect();
    assert_eq!(bytes, whole[56..]);
    assert_eq!(bytes.len(), 0xa00);
    // Memory that is not there ends the stream with a failure.
    let answers = host.send(&long(u64::MAX - 0x2000, 0x1000).0);
    let replies: Vec<&Packet> = answers
        .iter()
        .filter(|packet| packet.kind == PacketType::MANIPULATE)
        .collect();
    assert_eq!(replies.len(), 1);
    assert_eq!(u32_at(&replies[0].payload, 8), 0xc000_0001);
}

#[test]
fn unknown_request_goes_back_with_unsuccessful() {
    let mut host = Host::connected(Line::Serial, Fake::x64());
    for number in [0, 0x312f, 0x3154, 0x3155, 0x3161, 0x3fff, u32::MAX] {
        let request = Request::new(number, 3);
        let (status, payload) = host.ask(&request);
        assert_eq!((status, payload.len()), (0xc000_0001, 56));
        assert_eq!((&payload[..8], &payload[12..]), (&request.0[..8], &request.0[12..]));
        assert_eq!(host.reports.pop(), Some(Report::UnknownApi(number)));
    }
}

#[test]
fn short_and_foreign_packets_do_no_harm() {
    for line in BOTH {
        let mut host = Host::connected(line, Fake::x64());
        for length in [0, 1, 4, 11, 24, 55] {
            assert_eq!(host.send(&[0x46, 0x31, 0, 0].repeat(14)[..length]).len(), 1);
        }
        for kind in [1, 7, 8, 9, 10, 11] {
            host.seen.clear();
            let bytes = host.framed(PacketType(kind), &[0; 40]);
            host.push(&bytes);
            host.next_id();
            assert_eq!(
                host.seen.iter().map(|packet| packet.kind).collect::<Vec<_>>(),
                [PacketType::ACKNOWLEDGE]
            );
        }
        assert_eq!(host.ask(&read(CODE, 4)).0, 0);
    }
}

/// The debugger's bytes of the captured session, in the pieces in which they came.
#[test]
fn requests_of_the_real_engine_are_each_answered_by_their_own() {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    let Ok(bytes) = fs::read(root.join("kdd/dbgeng15063-serial-trace.txt")) else {
        eprintln!("corpus absent: 1 case not run");
        return;
    };
    let mut host = Host::new(Line::Serial, Fake::x64());
    host.acknowledges = false;
    for line in String::from_utf8(bytes.clone())
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("H>T "))
    {
        let piece: Vec<u8> = (0..line.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(line.get(at..at + 2).unwrap(), 16).unwrap())
            .collect();
        host.push(&piece);
    }
    assert!(ids(&host.seen, PacketType::RESEND).is_empty());
    assert_eq!(host.reports, [Report::Connected]);
    let requests: Vec<(u32, u32)> = trace::read(&bytes)
        .events
        .iter()
        .filter_map(|(direction, event)| match event {
            Event::Packet { packet, .. } if *direction == Direction::ToTarget && packet.leader == Leader::Data => {
                Some((packet.id.0, u32_at(&packet.payload, 0)))
            }
            _ => None,
        })
        .collect();
    let answered = requests.iter().filter(|(_, number)| *number != 0x315a);
    let answers = host.seen.iter().filter(|packet| packet.kind == PacketType::MANIPULATE);
    let numbers: Vec<u32> = answers.map(|packet| u32_at(&packet.payload, 0)).collect();
    assert_eq!(numbers, answered.map(|(_, number)| *number).collect::<Vec<_>>());
    assert_eq!(
        ids(&host.seen, PacketType::ACKNOWLEDGE),
        requests.iter().map(|(id, _)| *id).collect::<Vec<_>>()
    );
    assert!(requests.len() > 50, "{}", requests.len());
    let last = host.session.deadline();
    assert!(last.is_none(), "every packet was acknowledged: {last:?}");
    let _ = PacketId::INITIAL;
}
