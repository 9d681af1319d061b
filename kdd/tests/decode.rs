//! Captured traffic in words: the real sessions of the corpus, and captures built here.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kdd::decode::{Decoded, Transport, print, read};
use kdd::kd::packet::{Packet, PacketId, PacketType};
use kdd::kd::trace::Direction;
use kdd::kdnet::channel::{Channel, Version};
use support::host::{Heard, Host};
use support::pcap::{Sent, frame, pcap, pcapng};

fn corpus(name: &str) -> Option<Vec<u8>> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    let bytes = fs::read(root.join("kdd").join(name)).ok();
    if bytes.is_none() {
        eprintln!("corpus absent: 1 case not run");
    }
    bytes
}

fn printed(decoded: &Decoded) -> String {
    let mut out = Vec::new();
    for row in &decoded.rows {
        print(row, &mut out).unwrap();
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn real_kdnet_session_is_decoded_to_the_end() {
    let Some(bytes) = corpus("windbg-uncut.pcapng.gz") else {
        return;
    };
    let decoded = read(&bytes, Some(&"8.8.8.8".parse().unwrap()));
    assert_eq!((&decoded.damage[..], &decoded.notes[..]), (&[][..], &[][..]));
    let counts = decoded.counts;
    assert_eq!((counts.frames, decoded.rows.len()), (955, 955));
    assert_eq!((counts.control, counts.control_verified), (428, 428));
    assert_eq!((counts.data, counts.data_verified), (527, 527));
    let odd = decoded
        .rows
        .iter()
        .filter(|row| row.unknown || row.damaged || row.direction == Direction::Unknown);
    assert_eq!(odd.collect::<Vec<_>>(), Vec::<&kdd::decode::Row>::new());
    assert_eq!(
        decoded
            .rows
            .iter()
            .filter(|row| row.kind.as_deref() == Some("FILE_IO"))
            .count(),
        66
    );
    if let Some(path) = std::env::var_os("KDD_PRINT") {
        fs::write(path, printed(&decoded)).unwrap();
    }
}

#[test]
fn without_the_key_the_session_is_listed_and_nothing_is_opened() {
    let Some(bytes) = corpus("windbg-uncut.pcapng.gz") else {
        return;
    };
    let decoded = read(&bytes, None);
    assert_eq!(
        decoded.notes,
        ["955 KDNET datagrams are encrypted; give the key with --key"]
    );
    assert_eq!((decoded.rows.len(), decoded.counts.control_verified), (955, 0));
    assert!(decoded.rows.iter().all(|row| row.direction != Direction::Unknown));
    assert!(!decoded.damaged());
}

#[test]
fn wrong_key_is_said_once() {
    let Some(bytes) = corpus("windbg-uncut.pcapng.gz") else {
        return;
    };
    let decoded = read(&bytes, Some(&"8.8.8.9".parse().unwrap()));
    let expected = [
        "MAC mismatch in 428 of 428 control datagrams: the key is another",
        "527 data datagrams stay encrypted: no response could be opened",
    ];
    assert_eq!(decoded.notes, expected);
    assert!(!decoded.damaged());
}

#[test]
fn real_serial_session_is_decoded_to_the_end() {
    let Some(bytes) = corpus("dbgeng15063-serial-trace.txt") else {
        return;
    };
    let decoded = read(&bytes, None);
    assert!(!decoded.damaged(), "{:?}", decoded.damage);
    let unknown: Vec<_> = decoded.rows.iter().filter(|row| row.unknown).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(decoded.rows.iter().all(|row| row.transport == Transport::Serial));
    if let Some(path) = std::env::var_os("KDD_PRINT_SERIAL") {
        fs::write(path, printed(&decoded)).unwrap();
    }
}

const KEY: &str = "1.2.3.4";
const HOST: &str = "10.0.0.1:50000";
const TARGET: &str = "10.0.0.2:51000";

/// A poke, its response, the connection check, and a request of the debugger with 4000 bytes of payload.
fn handshake(host: &str, target: &str) -> Vec<Sent> {
    let own = target.parse().unwrap();
    let mut channel = Channel::new(
        &KEY.parse().unwrap(),
        Version::DEFAULT,
        host.parse().unwrap(),
        own,
        Box::new(|| [3; 30]),
    );
    let mut debugger = Host::new(KEY, 5);
    channel.tick(Duration::ZERO);
    let poke = channel.poll().unwrap().bytes;
    let Heard::Poke { body, sequence } = debugger.hear(&poke).unwrap() else {
        panic!()
    };
    let response = debugger.respond(&body, sequence);
    channel.push(host.parse().unwrap(), &response, Duration::ZERO);
    let check = channel.poll().unwrap().bytes;
    let mut request = vec![0; 4000];
    request[..2].copy_from_slice(&0x3131u16.to_le_bytes());
    let packet = Packet::data(PacketType::MANIPULATE, PacketId(0x8000_0000), request);
    let mut body = packet.encode().unwrap();
    body.pop();
    let request = debugger.send(&body);
    vec![
        Sent::udp(target, host, &poke),
        Sent::udp(host, target, &response),
        Sent::udp(target, host, &check),
        Sent::udp(host, target, &request),
    ]
}

fn frames(link: u32, mtu: usize, sent: &[Sent]) -> Vec<Vec<u8>> {
    let packets = sent.iter().flat_map(|sent| sent.ip(mtu));
    packets.map(|packet| frame(link, &packet)).collect()
}

fn summary(decoded: &Decoded) -> Vec<String> {
    let word = |row: &kdd::decode::Row| row.words.split([' ', ',']).next().unwrap_or_default().to_owned();
    decoded.rows.iter().map(word).collect()
}

#[test]
fn every_container_and_link_gives_the_same_rows() {
    let key = KEY.parse().unwrap();
    let v6 = ("[fe80::1]:50000", "[fe80::2]:51000");
    for (host, target) in [(HOST, TARGET), v6] {
        let sent = handshake(host, target);
        for link in [0, 1, 12, 101, 108, 113, 276] {
            let frames = frames(link, 9000, &sent);
            let mut files = Vec::new();
            for big in [false, true] {
                files.extend([false, true].map(|nano| pcap(big, nano, link, &frames)));
                files.extend([false, true].map(|simple| pcapng(big, simple, u16::try_from(link).unwrap(), &frames)));
            }
            for file in files {
                let decoded = read(&file, Some(&key));
                assert_eq!(
                    (&decoded.damage[..], &decoded.notes[..]),
                    (&[][..], &[][..]),
                    "link {link}"
                );
                assert_eq!(
                    summary(&decoded),
                    ["poke", "response", "connection", "WriteVirtualMemory"]
                );
                let times: Vec<_> = decoded.rows.iter().filter_map(|row| row.time).collect();
                if !times.is_empty() {
                    assert!((times[3] - 0.003).abs() < 1e-9, "{times:?}");
                }
                let directions = decoded.rows.iter().map(|row| row.direction.text());
                assert_eq!(directions.collect::<Vec<_>>(), ["T>H", "H>T", "T>H", "H>T"]);
            }
        }
    }
}

#[test]
fn compressed_file_is_the_same() {
    let file = pcap(false, false, 1, &frames(1, 9000, &handshake(HOST, TARGET)));
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packer, &file).unwrap();
    let packed = packer.finish().unwrap();
    let key = KEY.parse().unwrap();
    assert_eq!(read(&packed, Some(&key)), read(&file, Some(&key)));
    let cut = read(&packed[..packed.len() - 100], Some(&key));
    assert!(
        cut.damage.iter().any(|damage| damage.rule == "gzip"),
        "{:?}",
        cut.damage
    );
}

#[test]
fn fragments_are_put_together_in_any_order() {
    let sent = handshake(HOST, TARGET);
    let mut packets: Vec<_> = sent.iter().flat_map(|sent| sent.ip(1500)).collect();
    assert_eq!(packets.len(), 6);
    packets[3..].reverse();
    let file = pcap(false, false, 101, &packets);
    let decoded = read(&file, Some(&KEY.parse().unwrap()));
    assert_eq!(
        summary(&decoded),
        ["poke", "response", "connection", "WriteVirtualMemory"]
    );
    packets.pop();
    let decoded = read(&pcap(false, false, 101, &packets), Some(&KEY.parse().unwrap()));
    assert_eq!(summary(&decoded), ["poke", "response", "connection"]);
}

#[test]
fn capture_that_began_after_the_handshake_says_so() {
    let sent = handshake(HOST, TARGET);
    let file = pcap(false, false, 1, &frames(1, 9000, &sent[2..]));
    let decoded = read(&file, Some(&KEY.parse().unwrap()));
    assert_eq!(
        decoded.notes,
        ["2 data datagrams stay encrypted: handshake not captured"]
    );
    assert!(
        decoded
            .rows
            .iter()
            .all(|row| row.words.contains("handshake not captured"))
    );
    assert!(!decoded.damaged());
}

#[test]
fn cut_frame_is_damage_at_its_offset() {
    let mut frames = frames(1, 9000, &handshake(HOST, TARGET));
    frames[1].truncate(200);
    let decoded = read(&pcap(false, false, 1, &frames), Some(&KEY.parse().unwrap()));
    let offset = 24 + 16 + u64::try_from(frames[0].len()).unwrap();
    let damage = &decoded.damage[0];
    assert_eq!((damage.rule, damage.offset), ("kdnet-cut", offset));
}

fn kd(kind: PacketType, id: u32, payload: &[u8]) -> Vec<u8> {
    Packet::data(kind, PacketId(id), payload.to_vec()).encode().unwrap()
}

fn get_version(answer: bool) -> Vec<u8> {
    let mut payload = vec![0; 56];
    payload[..2].copy_from_slice(&0x3146u16.to_le_bytes());
    if answer {
        payload[24..26].copy_from_slice(&0x8664u16.to_le_bytes());
    }
    kd(PacketType::MANIPULATE, 0x8080_0000, &payload)
}

#[test]
fn serial_packets_over_tcp_are_put_in_order() {
    let (host, target) = ("127.0.0.1:40000", "127.0.0.1:7777");
    let (request, answer) = (get_version(false), get_version(true));
    let sent = [
        Sent::tcp(host, target, 99, 2, b""),
        Sent::tcp(target, host, 0xffff_fff0, 0x12, b""),
        Sent::tcp(host, target, 150, 0x18, &request[50..]),
        Sent::tcp(host, target, 100, 0x18, &request[..30]),
        Sent::tcp(host, target, 100, 0x18, &request[..60]),
        // The sequence goes over its end.
        Sent::tcp(target, host, 0xffff_fff1, 0x18, &answer[..40]),
        Sent::tcp(target, host, 25, 0x18, &answer[40..]),
        Sent::tcp("127.0.0.1:1", "127.0.0.1:2", 1, 0x18, b"GET / HTTP/1.1\r\n\r\n"),
    ];
    let decoded = read(&pcap(false, false, 0, &frames(0, 9000, &sent)), None);
    assert_eq!(decoded.damage, []);
    let rows: Vec<_> = decoded
        .rows
        .iter()
        .map(|row| (row.number, row.direction.text(), row.words.as_str()))
        .collect();
    assert_eq!(rows[0], (5, "H>T", "GetVersion"));
    assert_eq!((rows[1].0, rows[1].1, rows.len()), (7, "T>H", 2));
    assert!(
        rows[1].2.starts_with("GetVersion cpu 0, success, machine x64"),
        "{}",
        rows[1].2
    );
    assert_eq!(decoded.counts.streams, 1);
    assert_eq!(decoded.notes, ["1 TCP connections without KD packets are left out"]);
}

#[test]
fn bytes_missing_in_a_stream_are_damage_and_the_rest_is_decoded() {
    let (host, target) = ("127.0.0.1:40000", "127.0.0.1:7777");
    let request = get_version(false);
    let length = u32::try_from(request.len()).unwrap();
    let sent = [
        Sent::tcp(host, target, 100, 0x18, &request),
        Sent::tcp(host, target, 100 + length + 500, 0x18, &request),
    ];
    let decoded = read(&pcap(false, false, 0, &frames(0, 9000, &sent)), None);
    assert_eq!(summary(&decoded), ["GetVersion", "GetVersion"]);
    assert_eq!((decoded.damage[0].rule, decoded.damage.len()), ("tcp-gap", 1));
}

#[test]
fn recorded_datagrams_are_decoded_as_such() {
    let mut packet = get_version(false);
    packet.pop();
    let hex: String = packet.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!("# delid kdd record 1\n# line datagram\n# session\n# t=1.5\nH>T {hex}\n# t=2\nH>T 62\n");
    let decoded = read(text.as_bytes(), None);
    assert!(!decoded.damaged(), "{decoded:?}");
    assert_eq!(summary(&decoded), ["GetVersion", "break"]);
    assert_eq!(decoded.rows[1].time, Some(2.0));
}

#[test]
fn raw_bytes_tell_requests_from_answers() {
    let bytes = [get_version(false), get_version(true), vec![0x62]].concat();
    let decoded = read(&bytes, None);
    assert_eq!(summary(&decoded), ["GetVersion", "GetVersion", "break"]);
    assert!(decoded.rows[1].words.contains("success"));
}

/// A few numbers from a seed (xorshift).
fn random(seed: &mut u64) -> usize {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    usize::try_from(*seed >> 33).unwrap()
}

#[test]
fn five_hundred_mutations_of_each_file_end_without_a_panic() {
    let sent = handshake(HOST, TARGET);
    let files = [
        pcap(false, false, 1, &frames(1, 1500, &sent)),
        pcapng(false, false, 1, &frames(1, 9000, &sent)),
        [get_version(false), get_version(true)].concat(),
        b"# delid kdd record 1\n# line datagram\n# t=1.5\nH>T 3030303002003800\nT>H 62\n".to_vec(),
    ];
    let key = KEY.parse().unwrap();
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    for file in files {
        for _ in 0..500 {
            let mut bad = file.clone();
            for _ in 0..=random(&mut seed) % 3 {
                let at = random(&mut seed) % bad.len();
                let to = at + random(&mut seed) % (bad.len() - at).min(200);
                match random(&mut seed) % 5 {
                    0 => bad[at] ^= 1 << (random(&mut seed) % 8),
                    1 => bad.truncate(at.max(1)),
                    2 => bad[at..to].fill(0),
                    3 => bad[at..to].fill(0xff),
                    _ => {
                        let piece = bad[at..to].to_vec();
                        let place = random(&mut seed) % bad.len();
                        bad.splice(place..place, piece);
                    }
                }
            }
            let decoded = read(&bad, Some(&key));
            assert!(decoded.rows.len() <= bad.len() * 2);
            let _ = printed(&decoded);
        }
    }
}
