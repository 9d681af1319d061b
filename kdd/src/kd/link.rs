//! Packets in order over a line that loses and damages them: ids, acknowledgements, sending again.
//!
//! Follows the target's side as the ReactOS sources (`kddll.c`) and traffic of Microsoft's debugger engine
//! 10.0.15063 show it, over a serial line and over KDNET:
//!
//! - A data packet is kept until it is acknowledged; the next one waits for that. It is sent again when
//!   the debugger asks (RESEND) and each second; after [`TRIES`] times the line is silent, and nothing is
//!   sent until the debugger says something.
//! - A request whose id is the expected one is also taken as the acknowledgement of the reply before it:
//!   the debugger cannot have asked without it. Windows asks for the request again in that case, which
//!   costs a round trip and comes to the same.
//! - A packet with another id is a duplicate: it is acknowledged and dropped. The first packet on a new
//!   line is taken with whatever id it has.
//! - A data packet with a wrong checksum, or whose rest does not come, is asked for again.
//!
//! Ids on a serial line begin at 80800000 and change bit 0; the target's first one has bit 800 (SYNC)
//! too, which the debugger leaves out when it acknowledges. RESET has id 0 and puts both sides back to
//! the begin. Ids of KDNET count by 2, the target's from 0; RESET carries the sender's next id.

use std::collections::VecDeque;
use std::time::Duration;

use super::packet::{BREAK_IN, Damage, Decoder, Event, HEADER, Leader, Packet, PacketId, PacketType, TRAILER};
use super::packet::{MAX_PAYLOAD, checksum};
use super::session::Line;

/// After this time without an acknowledgement a packet is sent again.
pub const RETRY: Duration = Duration::from_secs(1);
/// So often it is sent again before the line counts as silent.
pub const TRIES: u32 = 8;
/// After this time the rest of a packet is not waited for any more.
pub const STALL: Duration = Duration::from_millis(500);
/// A packet that was sent within this time is not sent again for a repeated break-in.
const RECENT: Duration = Duration::from_millis(250);
/// Most packets that wait for an acknowledgement of those before them.
const MAX_QUEUE: usize = 16;
/// Most bytes that wait to be looked at.
const MAX_BACKLOG: usize = 1 << 18;
/// Most bytes of output before input has to wait.
const MAX_OUTPUT: usize = 1 << 18;

/// What came over the line.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// A data packet, for the first time.
    Data(PacketType, Vec<u8>),
    /// The packet that was sent last arrived.
    Acknowledged,
    /// The debugger wants the last packet again.
    Resend,
    /// The debugger begins anew; the link has done so already.
    Reset,
    /// The debugger asks the guest to stop.
    BreakIn,
    /// Something else; in words.
    Damage(String),
    /// Nothing to do.
    Nothing,
}

/// A data packet that is not acknowledged.
#[derive(Debug)]
struct Pending {
    id: u32,
    sent: Duration,
    tries: u32,
}

/// One end of a line.
#[derive(Debug)]
pub struct Link {
    line: Line,
    decoder: Decoder,
    /// Id of the next data packet to send.
    next: u32,
    /// Id of the next data packet of the debugger.
    expected: Option<u32>,
    pending: Option<Pending>,
    /// The bytes of the pending packet.
    frame: Vec<u8>,
    queue: VecDeque<(PacketType, Vec<u8>)>,
    out: VecDeque<Vec<u8>>,
    waiting: usize,
    /// When bytes came last.
    heard: Duration,
    /// RESEND was sent since the last bytes came.
    asked: bool,
    silent: bool,
}

impl Link {
    /// A line before the first byte.
    #[must_use]
    pub fn new(line: Line) -> Self {
        Self {
            line,
            decoder: Decoder::new(),
            next: first(line),
            expected: None,
            pending: None,
            frame: Vec::new(),
            queue: VecDeque::new(),
            out: VecDeque::new(),
            waiting: 0,
            heard: Duration::ZERO,
            asked: false,
            silent: false,
        }
    }

    /// Takes bytes of a serial line. `false`: there was no room for them, and what waited is dropped.
    pub fn push(&mut self, bytes: &[u8], now: Duration) -> bool {
        (self.heard, self.asked) = (now, false);
        let room = self.decoder.waiting().saturating_add(bytes.len()) <= MAX_BACKLOG;
        if !room {
            self.decoder = Decoder::new();
        }
        self.decoder
            .push(bytes.get(..bytes.len().min(MAX_BACKLOG)).unwrap_or_default());
        room
    }

    /// The next thing in the bytes that were taken, unless too much output waits.
    pub fn hear(&mut self, now: Duration) -> Option<Heard> {
        if self.is_full() {
            return None;
        }
        let event = self.decoder.next_event()?;
        Some(self.event(event, now))
    }

    /// Whether input waits because output does.
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        self.is_full() && self.decoder.waiting() > 0
    }

    /// Whether so much output waits that nothing more is taken.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting >= MAX_OUTPUT
    }

    /// Takes the body of one datagram.
    pub fn datagram(&mut self, body: &[u8], now: Duration) -> Heard {
        self.asked = false;
        if body == [BREAK_IN] {
            return Heard::BreakIn;
        }
        match Packet::from_datagram(body) {
            Ok(packet) => self.packet(packet, now),
            Err(damage) => self.damage(&damage, now),
        }
    }

    fn event(&mut self, event: Event, now: Duration) -> Heard {
        match event {
            Event::Packet { packet, .. } => self.packet(packet, now),
            Event::BreakIn { .. } => Heard::BreakIn,
            Event::Damage { damage, .. } => self.damage(&damage, now),
        }
    }

    fn damage(&mut self, damage: &Damage, _now: Duration) -> Heard {
        let kind = match damage {
            Damage::Checksum { kind, .. } => Some(*kind),
            Damage::Cut { kind, .. } => *kind,
            Damage::Noise { .. } | Damage::Trailer { .. } => None,
        };
        let data = kind.is_some_and(|kind| !is_control(kind));
        if data && !self.asked {
            self.asked = true;
            self.control(PacketType::RESEND, 0);
        }
        Heard::Damage(damage.to_string())
    }

    fn packet(&mut self, packet: Packet, now: Duration) -> Heard {
        if packet.leader == Leader::Data {
            return self.data(packet, now);
        }
        match packet.kind {
            PacketType::ACKNOWLEDGE => match &self.pending {
                Some(pending) if self.same(pending.id, packet.id.0) => {
                    self.acknowledged(now);
                    Heard::Acknowledged
                }
                _ => Heard::Nothing,
            },
            PacketType::RESEND => Heard::Resend,
            PacketType::RESET => {
                self.reset(packet.id.0);
                Heard::Reset
            }
            kind => Heard::Damage(format!("control packet of type {kind}: nothing to do")),
        }
    }

    fn data(&mut self, packet: Packet, now: Duration) -> Heard {
        let id = match self.line {
            Line::Serial => packet.id.0 & !PacketId::SYNC,
            Line::Datagram => packet.id.0,
        };
        self.control(PacketType::ACKNOWLEDGE, id);
        // Datagrams arrive in any order: an id ahead of the expected one is a packet that was not seen,
        // one behind it was.
        let known = self.expected.is_some_and(|expected| match self.line {
            Line::Serial => id != expected,
            Line::Datagram => expected.wrapping_sub(id).wrapping_sub(1) < 0x8000_0000,
        });
        if known {
            return Heard::Nothing;
        }
        self.expected = Some(self.following(id));
        if self.pending.is_some() {
            self.acknowledged(now);
        }
        Heard::Data(packet.kind, packet.payload)
    }

    fn same(&self, id: u32, seen: u32) -> bool {
        match self.line {
            Line::Serial => id & !PacketId::SYNC == seen & !PacketId::SYNC,
            Line::Datagram => id == seen,
        }
    }

    fn following(&self, id: u32) -> u32 {
        match self.line {
            Line::Serial => (id & !PacketId::SYNC) ^ 1,
            Line::Datagram => id.wrapping_add(2),
        }
    }

    fn acknowledged(&mut self, now: Duration) {
        self.pending = None;
        if let Some((kind, payload)) = self.queue.pop_front() {
            self.transmit(kind, &payload, now);
        }
    }

    /// What was sent or waits to be sent does not hold any more.
    pub fn forget(&mut self) {
        self.pending = None;
        self.queue.clear();
        self.silent = false;
    }

    /// Packets begin anew on this side, as those of a target that has just started.
    pub fn begin_anew(&mut self) {
        self.forget();
        self.next = first(self.line);
        self.expected = None;
    }

    /// What a RESET of the debugger does; the answer to it is sent.
    fn reset(&mut self, id: u32) {
        self.pending = None;
        self.queue.clear();
        self.silent = false;
        match self.line {
            Line::Serial => {
                self.next = first(self.line);
                self.expected = Some(PacketId::INITIAL.0);
                self.control(PacketType::RESET, 0);
            }
            Line::Datagram => {
                self.expected = Some(id);
                self.control(PacketType::RESET, self.next);
            }
        }
    }

    /// Sends a data packet, or keeps it until those before it are acknowledged. `false`: too many wait.
    pub fn send(&mut self, kind: PacketType, payload: Vec<u8>, now: Duration) -> bool {
        if self.pending.is_none() {
            self.transmit(kind, &payload, now);
            return true;
        }
        let room = self.queue.len() < MAX_QUEUE;
        if room {
            self.queue.push_back((kind, payload));
        }
        room
    }

    /// Sends a data packet that the debugger does not acknowledge.
    pub fn stream(&mut self, kind: PacketType, payload: &[u8], now: Duration) {
        self.transmit(kind, payload, now);
        self.pending = None;
    }

    fn transmit(&mut self, kind: PacketType, payload: &[u8], now: Duration) {
        let payload = payload.get(..payload.len().min(MAX_PAYLOAD)).unwrap_or_default();
        let count = u16::try_from(payload.len()).unwrap_or(0);
        let id = self.next;
        self.frame.clear();
        self.frame.extend([Leader::Data.byte(); 4]);
        self.frame.extend(kind.0.to_le_bytes());
        self.frame.extend(count.to_le_bytes());
        self.frame.extend(id.to_le_bytes());
        self.frame.extend(checksum(payload).to_le_bytes());
        self.frame.extend(payload);
        if self.line == Line::Serial {
            self.frame.push(TRAILER);
        }
        self.pending = Some(Pending {
            id,
            sent: now,
            tries: 0,
        });
        self.next = self.following(id);
        let frame = std::mem::take(&mut self.frame);
        self.write(&frame);
        self.frame = frame;
    }

    fn control(&mut self, kind: PacketType, id: u32) {
        let mut bytes = [0; HEADER];
        let fields = [
            &[Leader::Control.byte(); 4][..],
            &kind.0.to_le_bytes(),
            &[0, 0],
            &id.to_le_bytes(),
        ];
        for (to, from) in bytes.iter_mut().zip(fields.into_iter().flatten()) {
            *to = *from;
        }
        self.write(&bytes);
    }

    /// On a serial line what is sent at one time is one piece.
    fn write(&mut self, bytes: &[u8]) {
        self.waiting = self.waiting.saturating_add(bytes.len());
        match self.out.back_mut() {
            Some(last) if self.line == Line::Serial => last.extend(bytes),
            _ => {
                let mut piece = Vec::with_capacity(bytes.len().max(HEADER * 2 + MAX_PAYLOAD / 4));
                piece.extend(bytes);
                self.out.push_back(piece);
            }
        }
    }

    /// Sends the pending packet again. `false`: there is none.
    pub fn resend(&mut self, now: Duration) -> bool {
        let Some(pending) = &mut self.pending else { return false };
        (pending.sent, pending.tries) = (now, 0);
        self.silent = false;
        let frame = std::mem::take(&mut self.frame);
        self.write(&frame);
        self.frame = frame;
        true
    }

    /// Sends the pending packet again unless that was done just now.
    pub fn resend_if_old(&mut self, now: Duration) {
        let old = |pending: &Pending| now.saturating_sub(pending.sent) >= RECENT;
        if self.pending.as_ref().is_some_and(old) {
            self.resend(now);
        }
    }

    /// Sends what is overdue again. `true`: the debugger has just become silent.
    pub fn tick(&mut self, now: Duration) -> bool {
        let Some(pending) = &self.pending else { return false };
        let (due, tries) = (pending.sent.saturating_add(RETRY), pending.tries);
        if self.silent || now < due {
            return false;
        }
        if tries >= TRIES {
            self.silent = true;
            return true;
        }
        self.resend(now);
        if let Some(pending) = &mut self.pending {
            pending.tries = tries.saturating_add(1);
        }
        false
    }

    /// The begin of a packet whose rest does not come is given up.
    pub fn give_up(&mut self, now: Duration) -> Option<Heard> {
        let stalled = !self.is_full() && now >= self.heard.saturating_add(STALL);
        let event = stalled.then(|| self.decoder.give_up()).flatten()?;
        Some(self.event(event, now))
    }

    /// When [`Link::tick`] or [`Link::give_up`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let pending = self.pending.as_ref().filter(|_| !self.silent);
        let retry = pending.map(|pending| pending.sent.saturating_add(RETRY));
        let stall = (self.decoder.waiting() > 0).then(|| self.heard.saturating_add(STALL));
        retry.into_iter().chain(stall).min()
    }

    /// The next piece to send.
    pub fn poll(&mut self) -> Option<Vec<u8>> {
        let piece = self.out.pop_front()?;
        self.waiting = self.waiting.saturating_sub(piece.len());
        Some(piece)
    }
}

/// The target's first id.
fn first(line: Line) -> u32 {
    match line {
        Line::Serial => PacketId::INITIAL.0 | PacketId::SYNC,
        Line::Datagram => 0,
    }
}

fn is_control(kind: PacketType) -> bool {
    matches!(kind, PacketType::ACKNOWLEDGE | PacketType::RESEND | PacketType::RESET)
}
