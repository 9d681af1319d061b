//! KD packets on a serial line: leader, type, count, id, checksum, payload, trailer.
//!
//! Follows the layout of the ReactOS header `windbgkd.h` (`KD_PACKET`), checked on traffic of
//! Microsoft's debugger engine 10.0.15063. A header is 16 bytes, little endian: leader u32
//! (`30303030` data, `69696969` control), type u16, count u16, id u32, checksum u32. The checksum
//! is the plain sum of the payload's bytes. One byte `AA` follows the payload of a data packet and
//! never a control packet. A single byte `62` between packets asks the target to break in.
//!
//! The [`Decoder`] takes bytes as they arrive. Damage never stops it: it gives an event with the
//! place and goes on at the next leader that begins a plausible header.

use std::fmt;

use serde::{Serialize, Serializer};
use thiserror::Error;

/// Most bytes of payload in one packet (PACKET_MAX_SIZE).
pub const MAX_PAYLOAD: usize = 4000;
/// Length of the header.
pub const HEADER: usize = 16;
/// Byte after the payload of a data packet.
pub const TRAILER: u8 = 0xaa;
/// Byte that asks the target to break in.
pub const BREAK_IN: u8 = 0x62;

/// Data or control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leader {
    /// Carries a payload, is acknowledged.
    Data,
    /// Acknowledge, resend, reset: a header alone.
    Control,
}

impl Leader {
    /// The byte that stands four times at the begin of a packet.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Data => 0x30,
            Self::Control => 0x69,
        }
    }
}

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketType(pub u16);

impl PacketType {
    /// State change of a 32-bit target (old protocol).
    pub const STATE_CHANGE32: Self = Self(1);
    /// Request of the debugger and its answer.
    pub const MANIPULATE: Self = Self(2);
    /// Text for the debugger's window, or a prompt.
    pub const DEBUG_IO: Self = Self(3);
    /// Packet received.
    pub const ACKNOWLEDGE: Self = Self(4);
    /// Packet damaged: send again.
    pub const RESEND: Self = Self(5);
    /// Begin anew with the first id.
    pub const RESET: Self = Self(6);
    /// The target stopped: exception, module loaded or unloaded.
    pub const STATE_CHANGE64: Self = Self(7);
    /// The target asks whether to break in.
    pub const POLL_BREAKIN: Self = Self(8);
    /// Trace data.
    pub const TRACE_IO: Self = Self(9);
    /// Control request.
    pub const CONTROL_REQUEST: Self = Self(10);
    /// The target reads a file of the debugger's machine.
    pub const FILE_IO: Self = Self(11);

    const NAMES: [&str; 11] = [
        "STATE_CHANGE32",
        "MANIPULATE",
        "DEBUG_IO",
        "ACKNOWLEDGE",
        "RESEND",
        "RESET",
        "STATE_CHANGE64",
        "POLL_BREAKIN",
        "TRACE_IO",
        "CONTROL_REQUEST",
        "FILE_IO",
    ];

    /// Name, for the types that are known.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Self::NAMES.get(usize::from(self.0).checked_sub(1)?).copied()
    }
}

impl fmt::Display for PacketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "type {}", self.0),
        }
    }
}

impl Serialize for PacketType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Number of a packet; bit 0 changes with each one that is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(pub u32);

impl PacketId {
    /// Id of the first packet after a reset.
    pub const INITIAL: Self = Self(0x8080_0000);
    /// Bit set in the first packet that a target sends.
    pub const SYNC: u32 = 0x800;
}

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl Serialize for PacketId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Data or control.
    pub leader: Leader,
    /// What it is for.
    pub kind: PacketType,
    /// Its number.
    pub id: PacketId,
    /// Payload; empty in control packets.
    pub payload: Vec<u8>,
}

/// Why a packet cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// The payload is too large.
    #[error("packet payload: expected at most 4000 bytes, seen {0}")]
    TooLarge(usize),
    /// A control packet has none.
    #[error("control packet: expected no payload, seen {0} bytes")]
    ControlPayload(usize),
}

impl Packet {
    /// A data packet.
    #[must_use]
    pub fn data(kind: PacketType, id: PacketId, payload: Vec<u8>) -> Self {
        Self {
            leader: Leader::Data,
            kind,
            id,
            payload,
        }
    }

    /// A control packet.
    #[must_use]
    pub fn control(kind: PacketType, id: PacketId) -> Self {
        Self {
            leader: Leader::Control,
            kind,
            id,
            payload: Vec::new(),
        }
    }

    /// The packet in the body of one KDNET datagram: as on a serial line, but without the trailer. Bytes
    /// behind the payload are not looked at.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_datagram(body: &[u8]) -> Result<Self, Damage> {
        let noise = || Damage::Noise {
            length: u64::try_from(body.len()).unwrap_or(u64::MAX),
        };
        let leader = leader(body).ok_or_else(noise)?;
        let head = body.first_chunk::<HEADER>().ok_or_else(noise)?;
        let header = header(leader, head).ok_or_else(noise)?;
        let length = HEADER.saturating_add(header.count);
        let payload = body.get(HEADER..length).ok_or(Damage::Cut {
            kind: Some(header.kind),
            expected: length,
            seen: body.len(),
        })?;
        let expected = checksum(payload);
        if expected != header.checksum {
            return Err(Damage::Checksum {
                kind: header.kind,
                expected,
                seen: header.checksum,
            });
        }
        Ok(Self {
            leader,
            kind: header.kind,
            id: header.id,
            payload: payload.to_vec(),
        })
    }

    /// Its bytes on the line.
    ///
    /// # Errors
    /// When the payload does not fit.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let length = self.payload.len();
        if self.leader == Leader::Control && length > 0 {
            return Err(EncodeError::ControlPayload(length));
        }
        let count = u16::try_from(length).ok().filter(|_| length <= MAX_PAYLOAD);
        let count = count.ok_or(EncodeError::TooLarge(length))?;
        let mut bytes = vec![self.leader.byte(); 4];
        bytes.extend(self.kind.0.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(self.id.0.to_le_bytes());
        bytes.extend(checksum(&self.payload).to_le_bytes());
        bytes.extend(&self.payload);
        if self.leader == Leader::Data {
            bytes.push(TRAILER);
        }
        Ok(bytes)
    }
}

/// Plain sum of the bytes.
#[must_use]
pub fn checksum(payload: &[u8]) -> u32 {
    payload
        .iter()
        .fold(0, |sum: u32, byte| sum.wrapping_add(u32::from(*byte)))
}

/// What is wrong on the line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "damage")]
pub enum Damage {
    /// Bytes that begin no packet.
    Noise {
        /// How many.
        length: u64,
    },
    /// The payload's sum is not the one in the header.
    Checksum {
        /// Type in the header.
        #[serde(rename = "type")]
        kind: PacketType,
        /// Sum of the payload.
        expected: u32,
        /// Sum in the header.
        seen: u32,
    },
    /// A data packet is right, but another byte stands where `AA` should.
    Trailer {
        /// The byte.
        seen: u8,
    },
    /// The stream ends inside a packet.
    Cut {
        /// Type in the header, when it is there.
        #[serde(rename = "type")]
        kind: Option<PacketType>,
        /// Bytes that the packet needs, as far as known.
        expected: usize,
        /// Bytes there.
        seen: usize,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Noise { length } => write!(f, "expected a packet, seen {length} bytes of something else"),
            Self::Checksum { kind, expected, seen } => {
                write!(f, "{kind}: expected checksum {expected:#x}, seen {seen:#x}")
            }
            Self::Trailer { seen } => write!(f, "expected trailer 0xaa, seen {seen:#04x}"),
            Self::Cut { kind, expected, seen } => {
                if let Some(kind) = kind {
                    write!(f, "{kind}: ")?;
                }
                write!(
                    f,
                    "expected packet of {expected} bytes, seen {seen} at the end of the stream"
                )
            }
        }
    }
}

/// One thing found in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A packet with a right checksum.
    Packet {
        /// Offset of its leader in the stream.
        offset: u64,
        /// The packet.
        packet: Packet,
    },
    /// A break-in byte.
    BreakIn {
        /// Its offset in the stream.
        offset: u64,
    },
    /// Damage.
    Damage {
        /// Its offset in the stream.
        offset: u64,
        /// What it is.
        damage: Damage,
    },
}

/// Cuts a stream of one direction into events.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that are used up.
    used: usize,
    /// Offset in the stream of the first byte of `buffer`.
    base: u64,
    /// Length of the noise that ends at `used`.
    noise: u64,
    /// A trailer is due at `used`.
    trailer: bool,
    finished: bool,
}

/// A plausible header at the begin of the bytes.
struct Header {
    kind: PacketType,
    count: usize,
    id: PacketId,
    checksum: u32,
}

enum Look {
    /// No packet begins here.
    Nothing,
    /// More bytes are needed to tell.
    More(Option<PacketType>, usize),
    /// A packet and its length without the trailer.
    Whole(Packet, usize),
    /// A packet with a wrong sum and the bytes to go on after.
    Broken(Damage, usize),
}

impl Decoder {
    /// A decoder at the begin of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Add bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend(bytes);
    }

    /// Bytes that wait for the rest of their packet, or to be looked at.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.buffer.len().saturating_sub(self.used)
    }

    /// The rest of a packet is overdue: its begin is given up, and what stands behind its leader is
    /// looked at again. `None` when nothing is waited for.
    pub fn give_up(&mut self) -> Option<Event> {
        let rest = self.buffer.get(self.used..).filter(|rest| !rest.is_empty())?;
        let look = look(rest);
        self.end_noise().or_else(|| Some(self.take(look)))
    }

    /// No more bytes will come: what is left becomes events.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// The next event; `None` when more bytes are needed.
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            let rest = self.buffer.get(self.used..).unwrap_or_default();
            if self.trailer {
                let byte = *rest.first()?;
                self.trailer = false;
                if byte != TRAILER {
                    // The byte may begin the next packet: it is looked at again.
                    return Some(Event::Damage {
                        offset: self.offset(),
                        damage: Damage::Trailer { seen: byte },
                    });
                }
                self.consume(1);
                continue;
            }
            let Some(first) = rest.first() else {
                return if self.finished { self.end_noise() } else { None };
            };
            if *first == BREAK_IN && self.noise == 0 {
                let offset = self.offset();
                self.consume(1);
                return Some(Event::BreakIn { offset });
            }
            let look = look(rest);
            if let Look::Nothing = look {
                self.noise = self.noise.saturating_add(1);
                self.consume(1);
                continue;
            }
            if let (Look::More(..), false) = (&look, self.finished) {
                return None;
            }
            if let Some(noise) = self.end_noise() {
                return Some(noise);
            }
            return Some(self.take(look));
        }
    }

    fn take(&mut self, look: Look) -> Event {
        let offset = self.offset();
        match look {
            Look::Whole(packet, length) => {
                self.consume(length);
                self.trailer = packet.leader == Leader::Data;
                Event::Packet { offset, packet }
            }
            Look::Broken(damage, length) => {
                self.consume(length);
                Event::Damage { offset, damage }
            }
            Look::More(kind, expected) => {
                let seen = self.buffer.len().saturating_sub(self.used);
                // Behind the leader another packet may begin, when the header itself was damaged.
                self.consume(4);
                Event::Damage {
                    offset,
                    damage: Damage::Cut { kind, expected, seen },
                }
            }
            Look::Nothing => {
                self.consume(1);
                Event::Damage {
                    offset,
                    damage: Damage::Noise { length: 1 },
                }
            }
        }
    }

    /// The noise before the present place, as an event.
    fn end_noise(&mut self) -> Option<Event> {
        let length = std::mem::take(&mut self.noise);
        let offset = self.offset().saturating_sub(length);
        (length > 0).then_some(Event::Damage {
            offset,
            damage: Damage::Noise { length },
        })
    }

    fn offset(&self) -> u64 {
        self.base.saturating_add(u64::try_from(self.used).unwrap_or(u64::MAX))
    }

    fn consume(&mut self, length: usize) {
        self.used = self.used.saturating_add(length).min(self.buffer.len());
        // Bytes are dropped in large pieces, so that a long stream costs no more than its length.
        if self.used > 0x1_0000 || self.used == self.buffer.len() {
            self.base = self.offset();
            self.buffer.drain(..self.used);
            self.used = 0;
        }
    }
}

fn look(bytes: &[u8]) -> Look {
    let Some(leader) = leader(bytes) else {
        return Look::Nothing;
    };
    let Some(head) = bytes.first_chunk::<HEADER>() else {
        return if plausible_start(bytes) {
            Look::More(None, HEADER)
        } else {
            Look::Nothing
        };
    };
    let Some(header) = header(leader, head) else {
        return Look::Nothing;
    };
    let length = HEADER.saturating_add(header.count);
    let Some(payload) = bytes.get(HEADER..length) else {
        let trailer = usize::from(leader == Leader::Data);
        return Look::More(Some(header.kind), length.saturating_add(trailer));
    };
    let expected = checksum(payload);
    if expected == header.checksum {
        let (kind, id) = (header.kind, header.id);
        return Look::Whole(
            Packet {
                leader,
                kind,
                id,
                payload: payload.to_vec(),
            },
            length,
        );
    }
    let damage = Damage::Checksum {
        kind: header.kind,
        expected,
        seen: header.checksum,
    };
    match (leader, bytes.get(length)) {
        // With a trailer in its place the count was right and only the payload or the sum is damaged.
        (Leader::Data, Some(&TRAILER)) => Look::Broken(damage, length.saturating_add(1)),
        (Leader::Data, None) => Look::More(Some(header.kind), length.saturating_add(1)),
        _ => Look::Broken(damage, 4),
    }
}

/// Which leader the bytes begin with, or may begin with when they are fewer than four.
fn leader(bytes: &[u8]) -> Option<Leader> {
    let start = bytes.get(..bytes.len().min(4))?;
    [Leader::Data, Leader::Control]
        .into_iter()
        .find(|leader| start.iter().all(|byte| *byte == leader.byte()))
}

/// Whether a header that is not wholly there may still become one.
fn plausible_start(bytes: &[u8]) -> bool {
    let kind = bytes
        .get(4..6)
        .and_then(|field| field.first_chunk())
        .map(|field| u16::from_le_bytes(*field));
    kind.is_none_or(|kind| PacketType(kind).name().is_some())
}

/// A header whose type is known and whose count is possible.
fn header(leader: Leader, head: &[u8; HEADER]) -> Option<Header> {
    let [_, _, _, _, t0, t1, c0, c1, i0, i1, i2, i3, s0, s1, s2, s3] = *head;
    let kind = PacketType(u16::from_le_bytes([t0, t1]));
    let count = usize::from(u16::from_le_bytes([c0, c1]));
    let limit = if leader == Leader::Control { 0 } else { MAX_PAYLOAD };
    let possible = kind.name().is_some() && count <= limit;
    possible.then_some(Header {
        kind,
        count,
        id: PacketId(u32::from_le_bytes([i0, i1, i2, i3])),
        checksum: u32::from_le_bytes([s0, s1, s2, s3]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACK: [u8; 16] = [0x69, 0x69, 0x69, 0x69, 4, 0, 0, 0, 0, 0, 0x80, 0x80, 0, 0, 0, 0];
    const DATA: [u8; 20] = [
        0x30, 0x30, 0x30, 0x30, 2, 0, 3, 0, 1, 0, 0x80, 0x80, 0x2d, 1, 0, 0, 0x64, 0x64, 0x65, 0xaa,
    ];

    fn events(bytes: &[u8]) -> Vec<Event> {
        let mut decoder = Decoder::new();
        decoder.push(bytes);
        decoder.finish();
        std::iter::from_fn(|| decoder.next_event()).collect()
    }

    fn names(events: &[Event]) -> Vec<String> {
        let name = |event: &Event| match event {
            Event::Packet { offset, packet } => format!("{offset} {}", packet.kind),
            Event::BreakIn { offset } => format!("{offset} break"),
            Event::Damage { offset, damage } => format!("{offset} {damage}"),
        };
        events.iter().map(name).collect()
    }

    #[test]
    fn control_packet_is_a_header_alone() {
        let ack = Packet::control(PacketType::ACKNOWLEDGE, PacketId::INITIAL);
        assert_eq!(
            events(&ACK),
            [Event::Packet {
                offset: 0,
                packet: ack.clone()
            }]
        );
        assert_eq!(ack.encode().unwrap(), ACK);
    }

    #[test]
    fn data_packet_ends_with_a_trailer() {
        let data = Packet::data(PacketType::MANIPULATE, PacketId(0x8080_0001), b"dde".to_vec());
        assert_eq!(
            events(&DATA),
            [Event::Packet {
                offset: 0,
                packet: data.clone()
            }]
        );
        assert_eq!(data.encode().unwrap(), DATA);
    }

    #[test]
    fn bytes_that_arrive_one_by_one_give_the_same_events() {
        let bytes = [&ACK[..], &[0x62], &DATA, &DATA[..5], &ACK].concat();
        let mut decoder = Decoder::new();
        let mut seen = Vec::new();
        for byte in &bytes {
            decoder.push(&[*byte]);
            seen.extend(std::iter::from_fn(|| decoder.next_event()));
        }
        decoder.finish();
        seen.extend(std::iter::from_fn(|| decoder.next_event()));
        assert_eq!(seen, events(&bytes));
        assert_eq!(names(&seen)[..3], ["0 ACKNOWLEDGE", "16 break", "17 MANIPULATE"]);
    }

    #[test]
    fn noise_is_one_event_and_the_next_packet_is_found() {
        let bytes = [&b"boot 0000 ii\r\n"[..], &ACK].concat();
        let expected = [
            "0 break",
            "1 expected a packet, seen 13 bytes of something else",
            "14 ACKNOWLEDGE",
        ];
        assert_eq!(names(&events(&bytes)), expected);
    }

    #[test]
    fn longer_run_of_leader_bytes_is_noise_before_the_packet() {
        let bytes = [&[0x30, 0x30][..], &DATA].concat();
        assert_eq!(names(&events(&bytes))[1], "2 MANIPULATE");
    }

    #[test]
    fn wrong_checksum_names_both_sums_and_the_next_packet_is_read() {
        let mut bytes = [&DATA[..], &ACK].concat();
        bytes[17] = 0x65;
        let expected = ["0 MANIPULATE: expected checksum 0x12e, seen 0x12d", "20 ACKNOWLEDGE"];
        assert_eq!(names(&events(&bytes)), expected);
    }

    #[test]
    fn damaged_count_does_not_swallow_the_packets_behind_it() {
        let mut bytes = [&DATA[..], &DATA, &DATA].concat();
        bytes[6] = 30;
        let names = names(&events(&bytes));
        assert!(names[0].starts_with("0 MANIPULATE: expected checksum"), "{names:?}");
        assert_eq!(names[names.len() - 2..], ["20 MANIPULATE", "40 MANIPULATE"]);
    }

    #[test]
    fn count_beyond_the_limit_is_no_packet() {
        let mut bytes = DATA;
        bytes[6..8].copy_from_slice(&4001u16.to_le_bytes());
        assert!(!events(&bytes).iter().any(|event| matches!(event, Event::Packet { .. })));
    }

    #[test]
    fn missing_trailer_is_damage_after_the_packet() {
        let bytes = [&DATA[..19], &ACK].concat();
        assert_eq!(
            names(&events(&bytes)),
            ["0 MANIPULATE", "19 expected trailer 0xaa, seen 0x69", "19 ACKNOWLEDGE"]
        );
    }

    #[test]
    fn every_cut_stream_ends_in_damage() {
        for end in 1..19 {
            let events = events(&DATA[..end]);
            assert!(
                matches!(events[0], Event::Damage { offset: 0, .. }),
                "{end}: {events:?}"
            );
        }
    }

    #[test]
    fn packets_that_the_line_cannot_carry_are_not_built() {
        let large = Packet::data(PacketType::DEBUG_IO, PacketId(0), vec![0; 4001]);
        assert_eq!(large.encode(), Err(EncodeError::TooLarge(4001)));
        let mut control = Packet::control(PacketType::RESET, PacketId(0));
        control.payload.push(1);
        assert_eq!(control.encode(), Err(EncodeError::ControlPayload(1)));
    }
}
