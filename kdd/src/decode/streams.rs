//! KD over TCP: connections of a capture, put in order.
//!
//! Bytes sent again are dropped, segments that came too early wait, and where bytes are missing for good
//! the rest is decoded behind a row of damage. A connection without a KD packet is left out.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use super::network::Tcp;
use super::words::Speaker;
use super::{Decoded, Place, Transport};
use crate::damage::Damage;
use crate::kd::packet::{Decoder, Event, Leader, PacketType};
use crate::kd::trace::Direction;

/// Bytes of one direction that may wait for earlier ones.
const WAITING: usize = 1 << 20;
/// Connections that are followed.
const CONNECTIONS: usize = 4096;

/// One direction of a connection.
#[derive(Debug, Default)]
struct Half {
    /// Sequence of the byte that comes next.
    next: Option<u32>,
    /// Bytes that came early, by their distance from the first byte of the direction.
    early: BTreeMap<u64, (Place, Vec<u8>)>,
    waiting: usize,
    /// Bytes taken.
    taken: u64,
    decoder: Decoder,
}

#[derive(Debug)]
struct Connection {
    halves: [Half; 2],
    /// What was found, in the order in which it was whole: which half, where, what.
    events: Vec<(usize, Place, Event)>,
    gaps: Vec<Damage>,
    last: Option<Place>,
}

/// Takes the segments of a capture in order.
#[derive(Debug, Default)]
pub(super) struct Streams {
    connections: Vec<Connection>,
    /// The open connection between two ends.
    open: HashMap<[SocketAddr; 2], usize>,
}

impl Streams {
    pub(super) fn take(&mut self, at: Place, tcp: Tcp) {
        let mut ends = [tcp.from, tcp.to];
        ends.sort();
        let half = usize::from(ends.first() != Some(&tcp.from));
        let known = self.open.get(&ends).copied();
        // The same ports again: a new connection begins when its first half begins again.
        let again = known
            .and_then(|known| self.connections.get(known))
            .is_some_and(|known| {
                let half = known.halves.get(half);
                tcp.begins
                    && half.is_some_and(|half| half.next.is_some_and(|next| next != tcp.sequence.wrapping_add(1)))
            });
        let known = known.filter(|_| !again).or_else(|| {
            if self.connections.len() >= CONNECTIONS {
                return None;
            }
            self.connections.push(Connection::new());
            let last = self.connections.len().checked_sub(1)?;
            self.open.insert(ends, last);
            Some(last)
        });
        if let Some(connection) = known.and_then(|known| self.connections.get_mut(known)) {
            connection.take(at, half, tcp);
        }
    }

    pub(super) fn finish(self, decoded: &mut Decoded) {
        let mut other = 0u64;
        for mut connection in self.connections {
            connection.finish();
            if !connection.is_kd() {
                other = other.saturating_add(u64::from(!connection.events.is_empty()));
                continue;
            }
            decoded.counts.streams = decoded.counts.streams.saturating_add(1);
            let directions = connection.directions();
            let mut speaker = Speaker::default();
            for (half, at, event) in &connection.events {
                let direction = directions.get(*half).copied().unwrap_or(Direction::Unknown);
                decoded
                    .rows
                    .push(at.row(direction, Transport::Serial).with(&mut speaker, event));
            }
            connection.gaps.into_iter().for_each(|gap| decoded.damage(gap));
        }
        if other > 0 {
            decoded
                .notes
                .push(format!("{other} TCP connections without KD packets are left out"));
        }
    }
}

impl Connection {
    fn new() -> Self {
        Self {
            halves: Default::default(),
            events: Vec::new(),
            gaps: Vec::new(),
            last: None,
        }
    }

    fn take(&mut self, at: Place, number: usize, tcp: Tcp) {
        self.last = Some(at);
        let Some(half) = self.halves.get_mut(number) else {
            return;
        };
        if tcp.begins {
            half.next = Some(tcp.sequence.wrapping_add(1));
        }
        if tcp.bytes.is_empty() && tcp.missing == 0 {
            return;
        }
        let next = *half.next.get_or_insert(tcp.sequence);
        let sequence = if tcp.begins {
            tcp.sequence.wrapping_add(1)
        } else {
            tcp.sequence
        };
        let distance = i64::from(sequence.wrapping_sub(next).cast_signed());
        let place = half.taken.checked_add_signed(distance);
        match place {
            Some(place) if place > half.taken => {
                half.waiting = half.waiting.saturating_add(tcp.bytes.len());
                half.early.entry(place).or_insert((at, tcp.bytes));
            }
            Some(place) => self.bytes(number, at, place, &tcp.bytes),
            // Sent again, from before the capture's begin.
            None => {}
        }
        self.catch_up(number, at);
        let over = self.halves.get(number).is_some_and(|half| half.waiting > WAITING);
        if over {
            self.skip(number);
        }
    }

    /// Gives bytes that stand at `place` to the decoder, but for those it had.
    fn bytes(&mut self, number: usize, at: Place, place: u64, bytes: &[u8]) {
        let Some(half) = self.halves.get_mut(number) else {
            return;
        };
        let had = usize::try_from(half.taken.saturating_sub(place)).unwrap_or(usize::MAX);
        let fresh = bytes.get(had..).unwrap_or_default();
        let length = u32::try_from(fresh.len()).unwrap_or(u32::MAX);
        half.taken = half.taken.saturating_add(u64::from(length));
        half.next = half.next.map(|next| next.wrapping_add(length));
        half.decoder.push(fresh);
        while let Some(event) = half.decoder.next_event() {
            self.events.push((number, at, event));
        }
    }

    /// Takes what waited and is due now that the frame at `at` came.
    fn catch_up(&mut self, number: usize, at: Place) {
        while let Some(half) = self.halves.get_mut(number) {
            let Some(entry) = half.early.first_entry() else { return };
            if *entry.key() > half.taken {
                return;
            }
            let (place, (_, bytes)) = entry.remove_entry();
            half.waiting = half.waiting.saturating_sub(bytes.len());
            self.bytes(number, at, place, &bytes);
        }
    }

    /// Gives up bytes that never came.
    fn skip(&mut self, number: usize) {
        let Some(half) = self.halves.get_mut(number) else {
            return;
        };
        let Some((place, (at, _))) = half.early.first_key_value() else {
            return;
        };
        let (place, at) = (*place, *at);
        let missing = place.saturating_sub(half.taken);
        half.decoder.finish();
        while let Some(event) = half.decoder.next_event() {
            self.events.push((number, at, event));
        }
        half.decoder = Decoder::new();
        half.next = half
            .next
            .map(|next| next.wrapping_add(u32::try_from(missing).unwrap_or(u32::MAX)));
        half.taken = place;
        let expected = format!("bytes {:#x} to {place:#x} of the stream", place.saturating_sub(missing));
        self.gaps
            .push(Damage::file("tcp-gap", at.offset, expected, "none in the capture"));
        self.catch_up(number, at);
    }

    fn finish(&mut self) {
        for number in 0..2 {
            while self.halves.get(number).is_some_and(|half| !half.early.is_empty()) {
                self.skip(number);
            }
            let (Some(half), Some(at)) = (self.halves.get_mut(number), self.last) else {
                continue;
            };
            half.decoder.finish();
            while let Some(event) = half.decoder.next_event() {
                self.events.push((number, at, event));
            }
        }
        self.events.sort_by_key(|(_, at, _)| at.number);
    }

    fn is_kd(&self) -> bool {
        let packet = |event: &Event| matches!(event, Event::Packet { .. });
        self.events.iter().any(|(_, _, event)| packet(event))
    }

    /// Which way the halves go: targets never send a request first, and only they report states and text.
    fn directions(&self) -> [Direction; 2] {
        let host = self.events.iter().find_map(|(half, _, event)| match event {
            Event::Packet { packet, .. } if packet.leader == Leader::Data => match packet.kind {
                PacketType::MANIPULATE => Some(*half),
                PacketType::STATE_CHANGE64 | PacketType::DEBUG_IO | PacketType::FILE_IO => {
                    Some(usize::from(*half == 0))
                }
                _ => None,
            },
            Event::BreakIn { .. } => Some(*half),
            _ => None,
        });
        match host {
            Some(0) => [Direction::ToTarget, Direction::ToHost],
            Some(_) => [Direction::ToHost, Direction::ToTarget],
            None => [Direction::Unknown; 2],
        }
    }
}
