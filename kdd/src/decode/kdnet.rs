//! KDNET datagrams of a capture.
//!
//! Control datagrams open with the key alone. The data key follows from the debugger's response, so a
//! capture that begins later shows no data. Any UDP port may carry KDNET: a datagram is taken for one when
//! it begins with `MDBG` and has a possible length.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::network::Udp;
use super::words::Speaker;
use super::{Decoded, Place, Row, Transport};
use crate::damage::Damage;
use crate::kd::packet::Decoder;
use crate::kd::packet::Event;
use crate::kd::record::{Piece, Record};
use crate::kd::session::Line;
use crate::kd::trace::Direction;
use crate::kdnet::crypto::{Broken, Cipher, MAGIC, Opened, Outer, Suite};
use crate::kdnet::key::Key;

/// Sessions whose keys are kept.
const SESSIONS: usize = 64;
/// Length of a poke on the line, and of a response.
const POKE: usize = 374;
const RESPONSE: usize = 358;

/// A data key and the words of its session.
struct Session {
    cipher: Cipher,
    ends: [SocketAddr; 2],
    /// Place among the sessions of the capture.
    number: usize,
    speaker: Speaker,
}

/// Takes the datagrams of a capture in order.
pub(super) struct Datagrams {
    suite: Option<Suite>,
    sessions: VecDeque<Session>,
    /// Who sends pokes, where known.
    target: Option<SocketAddr>,
    /// Data without a key: no response came before.
    unkeyed: u64,
    /// Control datagrams that did not open.
    foreign: u64,
    /// Data datagrams that did not open under the keys there were.
    closed: u64,
    /// Highest version seen.
    newest: u8,
    /// Bodies of the data channel; a session begins with each response.
    sessions_seen: Vec<Vec<Piece>>,
}

impl Datagrams {
    pub(super) fn new(key: Option<&Key>) -> Self {
        Self {
            suite: key.map(Suite::new),
            sessions: VecDeque::new(),
            target: None,
            unkeyed: 0,
            foreign: 0,
            closed: 0,
            newest: 0,
            sessions_seen: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, at: Place, udp: &Udp, decoded: &mut Decoded) {
        if !udp.bytes.starts_with(&MAGIC) {
            return;
        }
        if udp.cut {
            let seen = format!("{} bytes captured", udp.bytes.len());
            return decoded.damage(Damage::file("kdnet-cut", at.offset, "a whole KDNET datagram", seen));
        }
        let outer = match Outer::read(&udp.bytes) {
            Ok(outer) if outer.channel < 2 => outer,
            Ok(outer) => {
                let seen = format!("channel {}", outer.channel);
                return decoded.damage(Damage::file("kdnet-channel", at.offset, "channel 0 or 1", seen));
            }
            Err(broken) => {
                let words = broken.to_string();
                let (expected, seen) = words.split_once(", seen ").unwrap_or((&words, "it"));
                let expected = expected.strip_prefix("expected ").unwrap_or(expected);
                return decoded.damage(Damage::file("kdnet-length", at.offset, expected, seen));
            }
        };
        self.newest = self.newest.max(outer.version);
        if outer.channel == 1 {
            self.control(at, udp, outer, decoded);
        } else {
            self.data(at, udp, outer, decoded);
        }
    }

    fn control(&mut self, at: Place, udp: &Udp, outer: Outer, decoded: &mut Decoded) {
        decoded.counts.control = decoded.counts.control.saturating_add(1);
        match udp.bytes.len() {
            POKE => self.target = Some(udp.from),
            RESPONSE => self.target = Some(udp.to),
            _ => {}
        }
        let opened = self.suite.as_ref().map(|suite| suite.open(suite.control(), &udp.bytes));
        let row = Row {
            version: Some(outer.version),
            size: udp.bytes.len(),
            ..at.row(self.direction(udp), Transport::Control)
        };
        let row = match opened {
            None => encrypted(row, "no key given"),
            Some(Err(_)) => {
                self.foreign = self.foreign.saturating_add(1);
                encrypted(row, "MAC mismatch")
            }
            Some(Ok(opened)) => {
                decoded.counts.control_verified = decoded.counts.control_verified.saturating_add(1);
                self.opened(row, udp, &opened)
            }
        };
        decoded.rows.push(row);
    }

    /// A control datagram whose MAC is right.
    fn opened(&mut self, row: Row, udp: &Udp, opened: &Opened) -> Row {
        let body = &opened.body;
        let nonce = body.get(2..34).map_or_else(String::new, hex);
        let row = Row {
            direction: direction(opened.from_host),
            sequence: Some(opened.sequence),
            size: body.len(),
            ..row
        };
        match (body.as_slice(), opened.from_host) {
            ([1, 1, ..], false) => {
                let addresses = [34, 52, 70].map(|at| address(body.get(at..).unwrap_or_default()));
                let [from, to, connected] = addresses.map(|address| address.unwrap_or_else(|| "?".to_owned()));
                let words = format!("poke, nonce {nonce}, from {from}, to {to}, connected to {connected}");
                Row { words, ..row }
            }
            ([1, 2, ..], true) => {
                if let Some(suite) = &self.suite {
                    self.sessions_seen.push(Vec::new());
                    self.sessions.push_front(Session {
                        number: self.sessions_seen.len().saturating_sub(1),
                        cipher: suite.data(body),
                        ends: [udp.from, udp.to],
                        speaker: Speaker::default(),
                    });
                    self.sessions.truncate(SESSIONS);
                }
                Row {
                    words: format!("response, nonce {nonce}"),
                    ..row
                }
            }
            _ => Row {
                words: format!("control message {}", hex(body.get(..2).unwrap_or_default())),
                unknown: true,
                ..row
            },
        }
    }

    fn data(&mut self, at: Place, udp: &Udp, outer: Outer, decoded: &mut Decoded) {
        decoded.counts.data = decoded.counts.data.saturating_add(1);
        let row = Row {
            version: Some(outer.version),
            size: udp.bytes.len(),
            ..at.row(self.direction(udp), Transport::Data)
        };
        let Some(suite) = &self.suite else {
            return decoded.rows.push(encrypted(row, "no key given"));
        };
        let mut tried = false;
        for session in &mut self.sessions {
            // Either end may have moved to another port, not both.
            if !session.ends.contains(&udp.from) && !session.ends.contains(&udp.to) {
                continue;
            }
            tried = true;
            match suite.open(&session.cipher, &udp.bytes) {
                Err(Broken::Mac) => {}
                Err(broken) => {
                    let row = Row {
                        damaged: true,
                        words: broken.to_string(),
                        ..row
                    };
                    return decoded.rows.push(row);
                }
                Ok(opened) => {
                    decoded.counts.data_verified = decoded.counts.data_verified.saturating_add(1);
                    let row = Row {
                        direction: direction(opened.from_host),
                        sequence: Some(opened.sequence),
                        size: opened.body.len(),
                        ..row
                    };
                    body(&row, &opened.body, &mut session.speaker, &mut decoded.rows);
                    if let Some(pieces) = self.sessions_seen.get_mut(session.number) {
                        pieces.push(piece(at, row.direction, opened.body));
                    }
                    return;
                }
            }
        }
        let why = if tried {
            self.closed = self.closed.saturating_add(1);
            "MAC mismatch under the keys of the responses seen"
        } else {
            self.unkeyed = self.unkeyed.saturating_add(1);
            "handshake not captured"
        };
        decoded.rows.push(encrypted(row, why));
    }

    fn direction(&self, udp: &Udp) -> Direction {
        match self.target {
            Some(target) if target == udp.from => Direction::ToHost,
            Some(target) if target == udp.to => Direction::ToTarget,
            _ => Direction::Unknown,
        }
    }

    /// Says what stayed closed, and gives the bodies of what was opened.
    pub(super) fn finish(self, decoded: &mut Decoded) -> Record {
        let counts = decoded.counts;
        let all = counts.control.saturating_add(counts.data);
        let mut notes = Vec::new();
        if self.suite.is_none() && all > 0 {
            notes.push(format!("{all} KDNET datagrams are encrypted; give the key with --key"));
        }
        if self.foreign > 0 {
            let (foreign, control) = (self.foreign, counts.control);
            let why = if foreign == control { ": the key is another" } else { "" };
            notes.push(format!("MAC mismatch in {foreign} of {control} control datagrams{why}"));
        }
        if self.unkeyed > 0 {
            let why = if counts.control > 0 && counts.control_verified == 0 {
                "no response could be opened"
            } else {
                "handshake not captured"
            };
            notes.push(format!("{} data datagrams stay encrypted: {why}", self.unkeyed));
        }
        if self.closed > 0 {
            let newer = if self.newest > 4 {
                "; how versions above 4 derive their data key is not known"
            } else {
                "; a later response was not captured"
            };
            notes.push(format!("MAC mismatch in {} data datagrams{newer}", self.closed));
        }
        decoded.notes.extend(notes);
        Record {
            line: Line::Datagram,
            sessions: self.sessions_seen,
            bad_lines: Vec::new(),
        }
    }
}

/// A body as recorded sessions have it.
fn piece(at: Place, direction: Direction, bytes: Vec<u8>) -> Piece {
    Piece {
        direction,
        time: at.time.and_then(|time| Duration::try_from_secs_f64(time).ok()),
        line: usize::try_from(at.number).unwrap_or(usize::MAX),
        bytes,
    }
}

/// The body of a data datagram: connection check, break-in, or a KD packet without trailer.
pub(super) fn body(row: &Row, body: &[u8], speaker: &mut Speaker, rows: &mut Vec<Row>) {
    let check = body.strip_prefix(&[0; 8]).and_then(|rest| rest.as_array::<4>());
    if let (Some(address), false) = (check, row.direction == Direction::ToTarget) {
        let address = Ipv4Addr::from_bits(u32::from_le_bytes(*address));
        return rows.push(Row {
            words: format!("connection check, debugger at {address}"),
            ..row.clone()
        });
    }
    let mut decoder = Decoder::new();
    decoder.push(body);
    decoder.finish();
    while let Some(event) = decoder.next_event() {
        // Bytes of zero after a packet round it up.
        if let Event::Damage { offset, .. } = &event {
            let rest = usize::try_from(*offset)
                .ok()
                .and_then(|at| body.get(at..))
                .unwrap_or_default();
            if rest.len() < 4 && rest.iter().all(|byte| *byte == 0) && *offset > 0 {
                break;
            }
        }
        rows.push(row.clone().with(speaker, &event));
    }
}

fn encrypted(row: Row, why: &str) -> Row {
    Row {
        words: format!("encrypted, {} bytes: {why}", row.size),
        ..row
    }
}

fn direction(from_host: bool) -> Direction {
    if from_host {
        Direction::ToTarget
    } else {
        Direction::ToHost
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An address as pokes carry it.
fn address(bytes: &[u8]) -> Option<String> {
    let ip = Ipv6Addr::from(*bytes.first_chunk::<16>()?);
    let port = u16::from_be_bytes(*bytes.get(16..)?.first_chunk()?);
    Some(match ip.to_ipv4_mapped() {
        Some(Ipv4Addr::UNSPECIFIED) if port == 0 => "none".to_owned(),
        Some(ip) => format!("{ip}:{port}"),
        None if ip.is_unspecified() => "none".to_owned(),
        None => format!("[{ip}]:{port}"),
    })
}
