//! A recorded session, played to the engine: is the target still saying the same?
//!
//! The debugger's bytes of the record go to a new session in their order and at their time. What the target
//! sends behind each request is compared with what the record holds behind it; ids, acknowledgements and
//! packets that were sent again do not count. A record of this engine and the same guest shows no
//! difference; in one of another target, differences tell how the two answer.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::{Piece, Record};
use crate::decode::words::Speaker;
use crate::kd::debuggee::Debuggee;
use crate::kd::packet::{Decoder, Event, Leader, Packet, PacketId, PacketType};
use crate::kd::session::{Action, Line, Report, Session};
use crate::kd::trace::Direction;

/// Most differences that are kept.
const DIFFERENCES: usize = 1000;
/// Most times that passing time is looked at between two pieces.
const TICKS: usize = 64;

/// What a replay found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// Requests of the debugger.
    pub requests: u64,
    /// Packets of the target that were compared.
    pub compared: u64,
    /// Where the target says something else.
    pub differences: Vec<Difference>,
    /// What the session reported.
    pub reports: Vec<Report>,
    /// Times that the target asked for a packet again.
    pub resends: u64,
}

/// One packet that is not as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Line of the request in the record, from 1; 0 before the first.
    pub line: usize,
    /// The request in words.
    pub request: String,
    /// Offset in the payload of the first byte that differs, when both sides sent such a packet.
    pub byte: Option<usize>,
    /// What the record holds.
    pub expected: String,
    /// What the target sent now.
    pub seen: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str("before the first request: ")?,
            line => write!(f, "line {line}, {}: ", self.request)?,
        }
        if let Some(byte) = self.byte {
            write!(f, "byte {byte:#x}: ")?;
        }
        write!(f, "expected {}, seen {}", self.expected, self.seen)
    }
}

/// What a target sent behind one request.
#[derive(Debug, Default)]
struct Exchange {
    line: usize,
    request: String,
    recorded: Vec<Packet>,
    sent: Vec<Packet>,
}

/// Plays a record to the engine.
#[must_use]
pub fn replay(record: &Record, guest: &mut dyn Debuggee) -> Replay {
    let mut player = Player {
        line: record.line,
        session: Session::new(record.line),
        replay: Replay::default(),
        now: Duration::ZERO,
    };
    for session in &record.sessions {
        player.session.restart();
        let exchanges = player.play(session, guest);
        for exchange in &exchanges {
            player.replay.compare(exchange);
        }
    }
    player.replay
}

struct Player {
    line: Line,
    session: Session,
    replay: Replay,
    now: Duration,
}

/// Packets of one direction, without those that were sent again.
struct Ear {
    line: Line,
    decoder: Decoder,
    last: Option<PacketId>,
}

impl Ear {
    fn new(line: Line) -> Self {
        Self {
            line,
            decoder: Decoder::new(),
            last: None,
        }
    }

    /// Data packets in these bytes that come for the first time, and RESENDs.
    fn hear(&mut self, bytes: &[u8]) -> Vec<Packet> {
        self.decoder.push(bytes);
        if self.line == Line::Datagram {
            self.decoder.finish();
        }
        let mut packets = Vec::new();
        while let Some(event) = self.decoder.next_event() {
            let Event::Packet { packet, .. } = event else { continue };
            match (packet.leader, packet.kind) {
                (Leader::Control, PacketType::RESET) => self.last = None,
                (Leader::Control, PacketType::RESEND) => packets.push(packet),
                (Leader::Control, _) => {}
                (Leader::Data, _) => {
                    let id = Some(PacketId(packet.id.0 & !PacketId::SYNC));
                    if std::mem::replace(&mut self.last, id) != id {
                        packets.push(packet);
                    }
                }
            }
        }
        if self.line == Line::Datagram {
            self.decoder = Decoder::new();
        }
        packets
    }
}

impl Player {
    fn play(&mut self, session: &[Piece], guest: &mut dyn Debuggee) -> Vec<Exchange> {
        let mut exchanges = vec![Exchange::default()];
        let (mut host, mut recorded, mut own) = (Ear::new(self.line), Ear::new(self.line), Ear::new(self.line));
        let mut speaker = Speaker::default();
        for piece in session {
            if piece.direction != Direction::ToTarget {
                let packets = recorded.hear(&piece.bytes).into_iter().filter(is_data);
                if let Some(exchange) = exchanges.last_mut() {
                    exchange.recorded.extend(packets);
                }
                continue;
            }
            // Each request begins an exchange, before the target can answer it.
            for packet in host.hear(&piece.bytes).iter().filter(|packet| is_data(packet)) {
                exchanges.push(Exchange {
                    line: piece.line,
                    request: speaker.packet(Direction::ToTarget, packet).text,
                    ..Exchange::default()
                });
                self.replay.requests = self.replay.requests.saturating_add(1);
            }
            self.pass(piece, guest);
            self.session.push(&piece.bytes, guest, self.now);
            let sent = self.sent(&mut own);
            if let Some(exchange) = exchanges.last_mut() {
                exchange.sent.extend(sent);
            }
        }
        exchanges
    }

    /// Lets time pass up to a piece's.
    fn pass(&mut self, piece: &Piece, guest: &mut dyn Debuggee) {
        let Some(time) = piece.time else { return };
        for _ in 0..TICKS {
            match self.session.deadline() {
                Some(deadline) if deadline < time => {
                    self.now = self.now.max(deadline);
                    self.session.tick(guest, self.now);
                }
                _ => break,
            }
        }
        self.now = self.now.max(time);
    }

    fn sent(&mut self, own: &mut Ear) -> Vec<Packet> {
        let mut packets = Vec::new();
        while let Some(action) = self.session.poll() {
            match action {
                Action::Send(bytes) => {
                    let (data, control): (Vec<_>, Vec<_>) = own.hear(&bytes).into_iter().partition(is_data);
                    let resends = u64::try_from(control.len()).unwrap_or(u64::MAX);
                    self.replay.resends = self.replay.resends.saturating_add(resends);
                    packets.extend(data);
                }
                Action::Report(report) if self.replay.reports.len() < DIFFERENCES => self.replay.reports.push(report),
                Action::Report(_) | Action::Reboot => {}
            }
        }
        packets
    }
}

fn is_data(packet: &Packet) -> bool {
    packet.leader == Leader::Data
}

impl Replay {
    fn compare(&mut self, exchange: &Exchange) {
        let pairs = exchange.recorded.len().max(exchange.sent.len());
        for place in 0..pairs {
            let (recorded, sent) = (exchange.recorded.get(place), exchange.sent.get(place));
            self.compared = self.compared.saturating_add(1);
            let same = |(one, other): (&Packet, &Packet)| one.kind == other.kind && one.payload == other.payload;
            if recorded.zip(sent).is_some_and(same) || self.differences.len() >= DIFFERENCES {
                continue;
            }
            let byte = recorded.zip(sent).filter(|(one, other)| one.kind == other.kind);
            self.differences.push(Difference {
                line: exchange.line,
                request: exchange.request.clone(),
                byte: byte.and_then(|(one, other)| differs(&one.payload, &other.payload)),
                expected: said(recorded),
                seen: said(sent),
            });
        }
    }
}

/// The first place where two payloads differ.
fn differs(one: &[u8], other: &[u8]) -> Option<usize> {
    let place = one.iter().zip(other).position(|(one, other)| one != other);
    place.or_else(|| (one.len() != other.len()).then_some(one.len().min(other.len())))
}

fn said(packet: Option<&Packet>) -> String {
    packet.map_or_else(
        || "nothing".to_owned(),
        |packet| {
            let words = Speaker::default().packet(Direction::ToHost, packet).text;
            format!("{} ({words})", packet.kind)
        },
    )
}
