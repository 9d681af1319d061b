//! KDNET: the target's channel before an honest debugger, a restarted one, and a hostile network.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kdd::kd::session::{Action, Line, Report, Session};
use kdd::kd::trace::Direction;
use kdd::kdnet::channel::{Channel, Event, Outgoing, Refused, Version};
use kdd::kdnet::crypto::Broken;
use support::guest::Formula;
use support::host::{Heard, Host};

const KEY: &str = "q.w.e.rty12";
const S: fn(u64) -> Duration = Duration::from_secs;

fn host_address() -> SocketAddr {
    "127.0.0.1:50000".parse().unwrap()
}

fn channel(version: u8) -> Channel {
    let own = "10.1.2.3:4444".parse().unwrap();
    let mut count = 0;
    let nonces = Box::new(move || {
        count += 1;
        [count; 30]
    });
    Channel::new(
        &KEY.parse().unwrap(),
        Version::new(version).unwrap(),
        host_address(),
        own,
        nonces,
    )
}

fn sent(channel: &mut Channel) -> Vec<Outgoing> {
    std::iter::from_fn(|| channel.poll()).collect()
}

/// Pokes at `now`, lets the debugger respond, and gives the response.
fn response(channel: &mut Channel, host: &mut Host, now: Duration) -> Vec<u8> {
    channel.tick(now);
    let poke = sent(channel).swap_remove(0);
    let Heard::Poke { body, sequence } = host.hear(&poke.bytes).unwrap() else {
        panic!()
    };
    host.respond(&body, sequence)
}

/// A connection whose data key is proven.
fn connect(channel: &mut Channel, host: &mut Host, now: Duration) {
    let response = response(channel, host, now);
    assert_eq!(channel.push(host_address(), &response, now), Event::Response);
    let check = sent(channel).swap_remove(0);
    let Heard::Data { body, .. } = host.hear(&check.bytes).unwrap() else {
        panic!()
    };
    assert_eq!(body, [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 127]);
    let first = host.send(&[0x62]);
    assert_eq!(channel.push(host_address(), &first, now), Event::Begin(vec![0x62]));
}

#[test]
fn poke_holds_nonce_and_addresses_as_windows_sends_them() {
    let mut channel = channel(2);
    channel.tick(Duration::ZERO);
    let poke = sent(&mut channel).swap_remove(0);
    assert_eq!((poke.to, poke.bytes.len()), (host_address(), 374));
    let Heard::Poke { body, sequence } = Host::new(KEY, 0).hear(&poke.bytes).unwrap() else {
        panic!()
    };
    assert_eq!(sequence, 1);
    assert_eq!(body[..4], [1, 1, 1, 0]);
    assert_eq!(body[4..34], [1; 30]);
    let address = |ip: [u8; 4], port: u16| [&[0; 10][..], &[255, 255], &ip, &port.to_be_bytes()].concat();
    assert_eq!(body[34..52], address([10, 1, 2, 3], 4444));
    assert_eq!(body[52..70], address([127, 0, 0, 1], 50_000));
    assert_eq!(body[70..88], address([0; 4], 0));
    assert_eq!(body[88..], [0; 256]);
}

#[test]
fn every_version_connects_and_data_goes_both_ways() {
    for version in 2..=4 {
        let (mut channel, mut host) = (channel(version), Host::new(KEY, 9));
        connect(&mut channel, &mut host, S(0));
        let out = channel.seal(b"to the debugger").unwrap();
        assert_eq!(out.bytes[4..6], [version, 0]);
        let Heard::Data { body, .. } = host.hear(&out.bytes).unwrap() else {
            panic!()
        };
        assert_eq!(body, b"to the debugger");
        let back = host.send(b"to the target");
        assert_eq!(
            channel.push(host_address(), &back, S(1)),
            Event::Data(b"to the target".to_vec())
        );
    }
    assert_eq!([1, 5, 6, 255].map(Version::new), [None; 4]);
}

#[test]
fn pokes_come_each_second_until_connected_and_then_every_three() {
    let (mut channel, mut host) = (channel(2), Host::new(KEY, 9));
    let pokes = |channel: &mut Channel, from: u64, to: u64| {
        let mut count = 0;
        for second in from..to {
            channel.tick(S(second));
            count += sent(channel).iter().filter(|out| out.bytes[5] == 1).count();
        }
        count
    };
    assert_eq!(pokes(&mut channel, 0, 10), 10);
    connect(&mut channel, &mut host, S(10));
    assert_eq!(pokes(&mut channel, 11, 41), 10);
}

#[test]
fn sequences_of_both_channels_grow() {
    let (mut channel, mut host) = (channel(2), Host::new(KEY, 9));
    connect(&mut channel, &mut host, S(0));
    let (mut data, mut control) = (1, 1);
    for second in 1..50 {
        channel.tick(S(second));
        let pokes = sent(&mut channel);
        for out in pokes.into_iter().chain(channel.seal(b"x")) {
            match host.hear(&out.bytes).unwrap() {
                Heard::Data { sequence, .. } => assert!(sequence > std::mem::replace(&mut data, sequence)),
                Heard::Poke { sequence, .. } => assert!(sequence > std::mem::replace(&mut control, sequence)),
            }
        }
    }
    assert!(data == 50 && control >= 48, "{data} {control}");
}

#[test]
fn replayed_and_reordered_data_is_taken_once() {
    let (mut channel, mut host) = (channel(2), Host::new(KEY, 9));
    connect(&mut channel, &mut host, S(0));
    let datagrams: Vec<_> = (2..12).map(|sequence| host.send_as(sequence, &[7])).collect();
    for place in [3, 1, 0, 2, 9, 5] {
        assert_eq!(
            channel.push(host_address(), &datagrams[place], S(1)),
            Event::Data(vec![7])
        );
    }
    for place in [3, 1, 0, 2, 9, 5] {
        let sequence = u64::try_from(place).unwrap() + 2;
        let again = channel.push(host_address(), &datagrams[place], S(1));
        assert_eq!(again, Event::Refused(Refused::Replayed(sequence)));
    }
    assert_eq!(
        channel.push(host_address(), &host.send_as(500, &[8]), S(1)),
        Event::Data(vec![8])
    );
    let late = channel.push(host_address(), &datagrams[4], S(1));
    assert_eq!(late, Event::Refused(Refused::Replayed(6)));
}

#[test]
fn restarted_debugger_gets_a_session_and_the_old_key_lives_until_then() {
    let (mut channel, mut old) = (channel(2), Host::new(KEY, 1));
    connect(&mut channel, &mut old, S(0));
    let mut new = Host::new(KEY, 2);
    let response = response(&mut channel, &mut new, S(5));
    assert_eq!(channel.push(host_address(), &response, S(5)), Event::Response);
    // Not proven yet: data still goes under the old key, both ways.
    assert_eq!(
        channel.push(host_address(), &old.send(b"old"), S(5)),
        Event::Data(b"old".to_vec())
    );
    assert!(old.hear(&channel.seal(b"x").unwrap().bytes).is_ok());
    assert_eq!(
        channel.push(host_address(), &new.send(b"new"), S(5)),
        Event::Begin(b"new".to_vec())
    );
    assert!(new.hear(&channel.seal(b"x").unwrap().bytes).is_ok());
    let refused = Event::Refused(Refused::Broken(Broken::Mac));
    assert_eq!(channel.push(host_address(), &old.send(b"old"), S(5)), refused);
}

#[test]
fn lost_connection_check_is_sent_again() {
    let (mut channel, mut host) = (channel(2), Host::new(KEY, 9));
    let response = response(&mut channel, &mut host, S(0));
    channel.push(host_address(), &response, S(0));
    let checks = |outs: Vec<Outgoing>| outs.iter().filter(|out| out.bytes[5] == 0).count();
    assert_eq!(checks(sent(&mut channel)), 1);
    channel.tick(S(1));
    assert_eq!(checks(sent(&mut channel)), 1);
    // A debugger that never uses its key is forgotten.
    channel.tick(S(20));
    assert_eq!(checks(sent(&mut channel)), 0);
}

#[test]
fn response_counts_once_and_only_for_the_last_two_pokes() {
    let (mut channel, mut host) = (channel(2), Host::new(KEY, 9));
    let first = response(&mut channel, &mut host, S(0));
    let second = response(&mut channel, &mut host, S(1));
    let third = response(&mut channel, &mut host, S(2));
    assert_eq!(
        channel.push(host_address(), &first, S(2)),
        Event::Refused(Refused::Nonce)
    );
    assert_eq!(channel.push(host_address(), &second, S(2)), Event::Response);
    assert_eq!(channel.push(host_address(), &second, S(2)), Event::Again);
    assert_eq!(channel.push(host_address(), &third, S(2)), Event::Response);
    assert_eq!(
        channel.push(host_address(), &second, S(2)),
        Event::Refused(Refused::Nonce)
    );
    assert_eq!(
        channel.push(host_address(), &host.send(b"x"), S(2)),
        Event::Begin(b"x".to_vec())
    );
}

#[test]
fn debugger_moves_to_another_port_only_with_a_response() {
    let (mut channel, mut host) = (channel(2), Host::new(KEY, 9));
    connect(&mut channel, &mut host, S(0));
    let elsewhere = "127.0.0.1:50001".parse().unwrap();
    let datagram = host.send(b"x");
    assert_eq!(
        channel.push(elsewhere, &datagram, S(1)),
        Event::Refused(Refused::Address)
    );
    assert_eq!(
        channel.push(host_address(), &datagram, S(1)),
        Event::Data(b"x".to_vec())
    );
    let mut moved = Host::new(KEY, 3);
    let response = response(&mut channel, &mut moved, S(5));
    assert_eq!(channel.push(elsewhere, &response, S(5)), Event::Response);
    assert_eq!(
        channel.push(elsewhere, &moved.send(b"y"), S(5)),
        Event::Begin(b"y".to_vec())
    );
    assert_eq!(channel.seal(b"z").unwrap().to, elsewhere);
}

#[test]
fn what_is_refused_says_why() {
    let (mut channel, mut host) = (channel(2), Host::new(KEY, 9));
    let refused = |channel: &mut Channel, datagram: &[u8]| match channel.push(host_address(), datagram, S(1)) {
        Event::Refused(reason) => reason,
        other => panic!("{other:?}"),
    };
    let poke = {
        channel.tick(S(0));
        sent(&mut channel).swap_remove(0).bytes
    };
    assert_eq!(refused(&mut channel, &poke), Refused::FromTarget);
    let response = response(&mut channel, &mut host, S(1));
    let data = host.send(b"x");
    assert_eq!(refused(&mut channel, &data), Refused::NoSession);
    assert_eq!(refused(&mut channel, b""), Refused::Broken(Broken::Magic));
    assert_eq!(refused(&mut channel, &data[..20]), Refused::Broken(Broken::Length(20)));
    for (at, value, reason) in [
        (4, 5, Refused::Version(5)),
        (4, 1, Refused::Version(1)),
        (5, 2, Refused::Channel(2)),
    ] {
        let mut bad = data.clone();
        bad[at] = value;
        assert_eq!(refused(&mut channel, &bad), reason);
    }
    // The version is under the MAC as well.
    let mut bad = response.clone();
    bad[4] = 3;
    assert_eq!(refused(&mut channel, &bad), Refused::Broken(Broken::Mac));
    assert_eq!(channel.push(host_address(), &response, S(1)), Event::Response);
}

#[test]
fn no_flipped_bit_changes_a_session() {
    let (mut channel, mut host) = (channel(2), Host::new(KEY, 9));
    connect(&mut channel, &mut host, S(0));
    let data = host.send(b"body of a packet");
    for bit in 0..data.len() * 8 {
        let mut bad = data.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(
            matches!(channel.push(host_address(), &bad, S(1)), Event::Refused(_)),
            "bit {bit}"
        );
    }
    assert_eq!(
        channel.push(host_address(), &data, S(1)),
        Event::Data(b"body of a packet".to_vec())
    );
    assert!(sent(&mut channel).is_empty());
}

#[test]
fn packets_of_a_real_debugger_are_all_answered() {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    let Ok(bytes) = std::fs::read(root.join("kdd/windbg-uncut.pcapng.gz")) else {
        eprintln!("corpus absent: 1 case not run");
        return;
    };
    let record = kdd::decode::record(&bytes, Some(&"8.8.8.8".parse().unwrap()));
    let bodies = record.sessions.concat();
    let bodies = bodies.iter().filter(|piece| piece.direction == Direction::ToTarget);
    let (mut channel, mut host) = (channel(4), Host::new(KEY, 9));
    host.version = 4;
    let response = response(&mut channel, &mut host, S(0));
    channel.push(host_address(), &response, S(0));
    let (mut session, mut guest) = (Session::new(Line::Datagram), Formula);
    let (mut requests, mut answers, mut states, mut reports) = (Vec::new(), Vec::new(), 0, Vec::new());
    let mut last = None;
    for piece in bodies {
        // What the debugger sent again has the id of the last packet.
        let id = piece.bytes.get(8..12);
        if id.is_none() || std::mem::replace(&mut last, id) != id {
            requests.extend(api(&piece.bytes));
        }
        let body = match channel.push(host_address(), &host.send(&piece.bytes), S(1)) {
            Event::Begin(body) | Event::Data(body) => body,
            other => panic!("{other:?}"),
        };
        session.push(&body, &mut guest, S(1));
        while let Some(action) = session.poll() {
            let body = match action {
                Action::Send(body) => body,
                Action::Report(report) => {
                    reports.push(report);
                    continue;
                }
                Action::Reboot => panic!(),
            };
            let out = channel.seal(&body).unwrap();
            let Heard::Data { body, .. } = host.hear(&out.bytes).unwrap() else {
                panic!()
            };
            assert_ne!(body[4], 5, "a RESEND");
            answers.extend(api(&body));
            states += usize::from(body[..5] == [0x30, 0x30, 0x30, 0x30, 7]);
        }
    }
    // Continue, Continue2 and ClearAllInternalBreakpoints have no answer.
    requests.retain(|api| ![0x3136, 0x313c, 0x315a].contains(api));
    assert_eq!(requests, answers);
    assert_eq!((requests.len(), states), (91, 4));
    // Answers to the files that the captured target asked for are taken and say nothing here.
    let odd = reports.iter().filter(|report| match report {
        Report::Damage(words) => !words.starts_with("FILE_IO"),
        Report::Connected | Report::CannotRun => false,
        _ => true,
    });
    assert_eq!(odd.collect::<Vec<_>>(), Vec::<&Report>::new());
}

/// API of a MANIPULATE packet.
fn api(body: &[u8]) -> Option<u32> {
    let data = body.starts_with(&[0x30, 0x30, 0x30, 0x30, 2, 0]);
    data.then(|| u32::from_le_bytes(body[16..20].try_into().unwrap()))
}
