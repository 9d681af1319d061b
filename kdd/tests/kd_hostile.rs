//! Debuggers that send anything: no panic, no growth, and the next honest one is served.
//!
//! `DELID_SOAK_SECONDS` makes the mutated sessions go on for that long; without it there are 500 on each
//! line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod fake;

use std::time::{Duration, Instant};

use fake::{CODE, Fake, Host, Request, u16_at};
use kdd::kd::manipulate::Api;
use kdd::kd::packet::{Decoder, Packet, PacketId, PacketType};
use kdd::kd::session::{Action, Line, Session};

const BOTH: [Line; 2] = [Line::Serial, Line::Datagram];

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

/// What an honest debugger sends in one session, packet by packet: every request there is.
fn honest(line: Line, random: &mut Random) -> Vec<Vec<u8>> {
    let mut host = Host::new(line, Fake::x64());
    let mut packets = vec![
        Packet::control(PacketType::RESET, PacketId(0)).encode().unwrap(),
        vec![b'b'],
    ];
    for api in Api::ALL {
        let count = random.below(64) as u32;
        let request = Request::new(api.number(), random.below(3) as u16)
            .u64(16, CODE)
            .u32(24, count);
        let request = match api {
            Api::SearchMemory => request.u64(24, 0x3000),
            _ => request,
        };
        let extra = random.below(40);
        let request = request.data(&random.bytes(extra));
        packets.push(host.framed(PacketType::MANIPULATE, &request.0));
        packets.push(
            Packet::control(PacketType::ACKNOWLEDGE, PacketId(0x8080_0000))
                .encode()
                .unwrap(),
        );
        host.next_id();
    }
    packets
}

fn mutate(packets: &mut Vec<Vec<u8>>, random: &mut Random) {
    for _ in 0..=random.below(6) {
        let at = random.below(packets.len());
        match random.below(8) {
            0 => {
                let bit = random.below(packets[at].len() * 8);
                if let Some(byte) = packets[at].get_mut(bit / 8) {
                    *byte ^= 1 << (bit % 8);
                }
            }
            1 => {
                let keep = random.below(packets[at].len());
                packets[at].truncate(keep);
            }
            2 => {
                let from = random.below(packets[at].len());
                packets[at][from..].fill(0);
            }
            3 if packets[at].len() > 8 => packets[at][6..8].fill(0xff),
            4 if packets[at].len() > 60 => {
                // A huge count in a packet whose checksum is right.
                let kind = PacketType(u16_at(&packets[at], 4));
                let end = packets[at].len() - 1;
                let mut payload = packets[at][16..end].to_vec();
                let field = 16 + 4 * random.below(8);
                payload[field..field + 4].fill(0xff);
                let id = u32::from_le_bytes(packets[at][8..12].try_into().unwrap());
                packets[at] = Packet::data(kind, PacketId(id), payload).encode().unwrap();
            }
            5 => {
                let copy = packets[at].clone();
                let to = random.below(packets.len());
                packets.insert(to, copy);
            }
            6 => {
                let to = random.below(packets.len());
                packets.swap(at, to);
            }
            _ => {
                let count = random.below(300);
                let noise = random.bytes(count);
                packets.insert(at, noise);
            }
        }
    }
}

/// An honest debugger comes: it resets, breaks in, and asks for the version.
fn serve_an_honest_one(host: &mut Host) {
    host.acknowledges = true;
    host.id = 0x8080_0000;
    host.wait(2);
    host.seen.clear();
    host.reset();
    host.push(b"b");
    host.wait(2);
    let (status, payload) = host.ask(&Request::new(0x3146, 0));
    assert_eq!((status, u16_at(&payload, 18)), (0, 19045));
}

fn session(host: &mut Host, random: &mut Random) {
    let mut packets = honest(host.line, random);
    mutate(&mut packets, random);
    host.acknowledges = random.below(2) == 0;
    let whole = host.line == Line::Datagram || random.below(2) == 0;
    let pieces: Vec<Vec<u8>> = if whole {
        packets
    } else {
        let step = 1 + random.below(50);
        packets.concat().chunks(step).map(<[u8]>::to_vec).collect()
    };
    let end = if random.below(4) == 0 {
        random.below(pieces.len())
    } else {
        pieces.len()
    };
    for piece in &pieces[..end] {
        host.push(piece);
        if random.below(16) == 0 {
            host.wait(random.below(3) as u64);
        }
    }
    if random.below(2) == 0 {
        host.session.restart();
    }
    serve_an_honest_one(host);
    host.seen.clear();
    host.reports.clear();
}

fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

#[test]
fn after_any_mutated_session_the_next_honest_one_is_served() {
    let soak = std::env::var("DELID_SOAK_SECONDS")
        .ok()
        .and_then(|seconds| seconds.parse().ok());
    let soak = soak.map(Duration::from_secs);
    let begin = Instant::now();
    let mut random = Random(0x5eed_0006_0001);
    let mut count = 0u32;
    let mut start = None;
    while soak.map_or(count < 500, |soak| begin.elapsed() < soak) {
        for line in BOTH {
            let guest = if count.is_multiple_of(2) {
                Fake::x64()
            } else {
                Fake::live()
            };
            let mut host = Host::new(line, guest);
            session(&mut host, &mut random);
        }
        count += 1;
        if count == 100 {
            start = Some(resident());
        }
    }
    let grown = resident().saturating_sub(start.unwrap_or_else(resident));
    assert!(grown < 64 << 20, "{grown} bytes more after {count} sessions");
    eprintln!("{count} sessions on each line in {:?}", begin.elapsed());
}

#[test]
fn random_bytes_are_survived() {
    let mut random = Random(0x5eed_0006_0002);
    for _ in 0..500 {
        for line in BOTH {
            let mut host = Host::new(line, Fake::x64());
            for _ in 0..random.below(20) {
                let count = random.below(200);
                let mut bytes = random.bytes(count);
                // Half of them look like packets at the begin.
                if random.below(2) == 0 && bytes.len() > 8 {
                    bytes[..4].fill(if random.below(2) == 0 { 0x30 } else { 0x69 });
                    (bytes[4], bytes[5], bytes[7]) = (random.below(12) as u8, 0, random.below(18) as u8);
                }
                host.push(&bytes);
            }
            serve_an_honest_one(&mut host);
        }
    }
}

#[test]
fn session_cut_at_every_byte_leaves_the_next_one_whole() {
    let mut random = Random(0x5eed_0006_0003);
    let bytes = honest(Line::Serial, &mut random)[..6].concat();
    for end in 0..bytes.len() {
        let mut host = Host::new(Line::Serial, Fake::x64());
        host.push(&bytes[..end]);
        if end % 2 == 0 {
            host.session.restart();
        }
        serve_an_honest_one(&mut host);
    }
}

#[test]
fn output_that_nobody_takes_does_not_grow() {
    let request = Request::new(0x3130, 0).u64(16, CODE & !0xfff).u32(24, 4000);
    for line in BOTH {
        let mut guest = Fake::x64();
        let mut host = Host::new(line, Fake::x64());
        let mut session = Session::new(line);
        for _ in 0..20_000 {
            session.push(
                &host.framed(PacketType::MANIPULATE, &request.0),
                &mut guest,
                Duration::ZERO,
            );
            host.next_id();
        }
        let waiting: usize = std::iter::from_fn(|| session.poll())
            .map(|action| {
                if let Action::Send(bytes) = action {
                    bytes.len()
                } else {
                    0
                }
            })
            .sum();
        assert!(waiting < 600_000, "{line:?}: {waiting}");
        session.restart();
        host.session = session;
        serve_an_honest_one(&mut host);
    }
}

#[test]
fn decoder_keeps_no_more_than_a_packet_of_what_it_has_looked_at() {
    let mut random = Random(0x5eed_0006_0004);
    let mut decoder = Decoder::new();
    for _ in 0..3000 {
        let mut bytes = random.bytes(1000);
        bytes[..6].copy_from_slice(&[0x30, 0x30, 0x30, 0x30, 2, 0]);
        decoder.push(&bytes);
        while decoder.next_event().is_some() {}
        assert!(decoder.waiting() < 5100, "{}", decoder.waiting());
    }
}
