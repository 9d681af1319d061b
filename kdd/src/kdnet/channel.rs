//! The target's side of a KDNET connection, without I/O: pokes, response, connection check, data.
//!
//! The target pokes the debugger's port for ever (each second until a debugger is there, then every three).
//! A debugger that is free answers one poke with a response; the key of the data channel follows from it.
//! The target then sends a connection check over the data channel, and from then on both send KD packets.
//!
//! What protects a session:
//! - every datagram carries a MAC; what has a wrong one changes nothing,
//! - a response must hold the nonce of the last poke or the one before, and each nonce is good for one
//!   response,
//! - a new response (the debugger was started again) makes a new data key, but the old one stays in use
//!   until a datagram under the new one has come,
//! - sequences of the data channel that were seen, or are older than a window of 64, are refused,
//! - datagrams of another address than that of the last response are refused.
//!
//! Nothing grows with the number of datagrams.
//!
//! A target that was started again pokes with new nonces. Microsoft's engine 10.0.15063 says that the target
//! machine restarted and, while it waits for a running guest, connects anew within a poke; in the middle of a
//! request it repeats the request until its user breaks off.

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::crypto::{Broken, Cipher, LAST_SEQUENCE, Lane, Outer, Suite};
use super::key::Key;
use super::window::Window;

/// Length of a poke's body.
const POKE: usize = 344;
/// Length of a response's body.
const RESPONSE: usize = 322;
/// Time between pokes while no debugger is there.
const SEARCHING: Duration = Duration::from_secs(1);
/// Time between pokes otherwise.
const CONNECTED: Duration = Duration::from_secs(3);
/// How long a response may wait for a first datagram under its key.
const PROOF: Duration = Duration::from_secs(10);

/// Version of the protocol that the target speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(u8);

impl Version {
    /// The version of Windows 8, which every debugger with KDNET knows.
    pub const DEFAULT: Self = Self(2);

    /// Version 2, 3 or 4; later ones derive keys in a way that is not known.
    #[must_use]
    pub fn new(number: u8) -> Option<Self> {
        (2..=4).contains(&number).then_some(Self(number))
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

/// Why a datagram was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// It cannot be opened.
    Broken(Broken),
    /// A version that is not spoken here.
    Version(u8),
    /// A channel that does not exist.
    Channel(u8),
    /// A target sent it, or it came back.
    FromTarget,
    /// A control datagram that is no response.
    NoResponse,
    /// A response to none of our last pokes.
    Nonce,
    /// A data datagram before any response.
    NoSession,
    /// A sequence that was seen already, or is too old.
    Replayed(u64),
    /// It comes from an address that gave no response.
    Address,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(Broken::Mac) => {
                f.write_str("MAC mismatch: another key than the debugger's, or a damaged datagram")
            }
            Self::Broken(broken) => broken.fmt(f),
            Self::Version(seen) => write!(f, "expected KDNET version 2, 3 or 4, seen {seen}"),
            Self::Channel(seen) => write!(f, "expected channel 0 or 1, seen {seen}"),
            Self::FromTarget => f.write_str("expected a datagram of a debugger, seen one of a target"),
            Self::NoResponse => f.write_str("expected a response of 322 bytes on the control channel"),
            Self::Nonce => f.write_str("response to none of the last pokes"),
            Self::NoSession => f.write_str("data before any response"),
            Self::Replayed(sequence) => write!(f, "sequence {sequence} was seen already or is too old"),
            Self::Address => f.write_str("data from another address than the debugger's"),
        }
    }
}

/// What a datagram was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A response: the connection check is on its way.
    Response,
    /// The response that was taken already.
    Again,
    /// First datagram under a new data key: a session begins, and this is its first body.
    Begin(Vec<u8>),
    /// A body of the session.
    Data(Vec<u8>),
    /// Nothing of ours.
    Refused(Refused),
}

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Where.
    pub to: SocketAddr,
    /// What.
    pub bytes: Vec<u8>,
}

/// One data key and what goes with it.
#[derive(Clone, Debug)]
struct Session {
    cipher: Cipher,
    response: Vec<u8>,
    peer: SocketAddr,
    received: Window,
    sent: u64,
    since: Duration,
}

/// Where random bytes come from.
pub type Nonces = Box<dyn FnMut() -> [u8; 30] + Send>;

/// The target's side.
pub struct Channel {
    suite: Suite,
    version: Version,
    host: SocketAddr,
    own: SocketAddr,
    nonces: Nonces,
    /// What stays the same in the nonces of one run.
    tail: [u8; 30],
    pokes: u16,
    /// Nonces of the last two pokes that no response took.
    open: VecDeque<[u8; 32]>,
    control: u64,
    next_poke: Duration,
    current: Option<Session>,
    pending: Option<Session>,
    outgoing: VecDeque<Outgoing>,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("version", &self.version)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

impl Channel {
    /// A channel to the debugger at `host`, from `own`; pokes carry both addresses.
    #[must_use]
    pub fn new(key: &Key, version: Version, host: SocketAddr, own: SocketAddr, mut nonces: Nonces) -> Self {
        let tail = nonces();
        Self {
            suite: Suite::new(key),
            version,
            host,
            own,
            nonces,
            tail,
            pokes: 0,
            open: VecDeque::new(),
            control: 0,
            next_poke: Duration::ZERO,
            current: None,
            pending: None,
            outgoing: VecDeque::new(),
        }
    }

    /// Whether a debugger has proven a data key.
    #[must_use]
    pub fn connected(&self) -> bool {
        self.current.is_some()
    }

    /// Address of the debugger.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.current.as_ref().map_or(self.host, |session| session.peer)
    }

    /// The next datagram to send.
    pub fn poll(&mut self) -> Option<Outgoing> {
        self.outgoing.pop_front()
    }

    /// When [`Channel::tick`] should be called at the latest.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.next_poke
    }

    /// Time passed: pokes, and sends the connection check again while it is not answered.
    pub fn tick(&mut self, now: Duration) {
        if now < self.next_poke {
            return;
        }
        if self
            .pending
            .as_ref()
            .is_some_and(|pending| now.saturating_sub(pending.since) > PROOF)
        {
            self.pending = None;
        }
        self.poke(now);
        if self.pending.is_some() {
            self.check();
        }
        let pause = if self.connected() { CONNECTED } else { SEARCHING };
        self.next_poke = now.saturating_add(pause);
    }

    /// The datagram that carries a KD packet to the debugger; `None` while there is no session.
    pub fn seal(&mut self, body: &[u8]) -> Option<Outgoing> {
        let session = self.current.as_mut()?;
        Some(sealed(&self.suite, self.version, session, body))
    }

    /// A datagram came.
    pub fn push(&mut self, from: SocketAddr, datagram: &[u8], now: Duration) -> Event {
        self.take(from, datagram, now).unwrap_or_else(Event::Refused)
    }

    fn take(&mut self, from: SocketAddr, datagram: &[u8], now: Duration) -> Result<Event, Refused> {
        let outer = Outer::read(datagram).map_err(Refused::Broken)?;
        if Version::new(outer.version).is_none() {
            return Err(Refused::Version(outer.version));
        }
        match outer.channel {
            0 => self.data(from, datagram),
            1 => self.response(from, datagram, now),
            other => Err(Refused::Channel(other)),
        }
    }

    fn response(&mut self, from: SocketAddr, datagram: &[u8], now: Duration) -> Result<Event, Refused> {
        let opened = self.suite.open(self.suite.control(), datagram);
        let opened = opened.map_err(Refused::Broken)?;
        if !opened.from_host {
            return Err(Refused::FromTarget);
        }
        let nonce = opened
            .body
            .strip_prefix(&[1, 2])
            .and_then(|rest| rest.first_chunk::<32>());
        let nonce = nonce
            .filter(|_| opened.body.len() == RESPONSE)
            .ok_or(Refused::NoResponse)?;
        let known = [&self.pending, &self.current];
        if known
            .into_iter()
            .flatten()
            .any(|session| session.response == opened.body)
        {
            return Ok(Event::Again);
        }
        let place = self.open.iter().position(|open| open == nonce);
        let place = place.ok_or(Refused::Nonce)?;
        self.open.remove(place);
        self.pending = Some(Session {
            cipher: self.suite.data(&opened.body),
            response: opened.body,
            peer: from,
            received: Window::default(),
            sent: 0,
            since: now,
        });
        self.check();
        Ok(Event::Response)
    }

    fn data(&mut self, from: SocketAddr, datagram: &[u8]) -> Result<Event, Refused> {
        if let Some(session) = &mut self.current {
            match self.suite.open(&session.cipher, datagram) {
                Ok(opened) => return received(session, from, opened).map(Event::Data),
                Err(Broken::Mac) => {}
                Err(broken) => return Err(Refused::Broken(broken)),
            }
        }
        let Some(pending) = &mut self.pending else {
            let refused = Refused::Broken(Broken::Mac);
            return Err(self.current.as_ref().map_or(Refused::NoSession, |_| refused));
        };
        let opened = self.suite.open(&pending.cipher, datagram).map_err(Refused::Broken)?;
        let body = received(pending, from, opened)?;
        self.current = self.pending.take();
        Ok(Event::Begin(body))
    }

    /// Asks the debugger for a response.
    fn poke(&mut self, now: Duration) {
        // Sequences of pokes follow the time of the run, as those of Windows.
        self.control = self.control.saturating_add(1).max(now.as_secs()).min(LAST_SEQUENCE);
        let mut body = vec![1, 1];
        let nonce = self.nonce();
        body.extend(nonce);
        let none = SocketAddr::from(([0, 0, 0, 0], 0));
        let connected = self.current.as_ref().map_or(none, |session| session.peer);
        for address in [self.own, self.host, connected] {
            body.extend(mapped(address));
        }
        body.resize(POKE, 0);
        let outer = self.outer(Lane::Control);
        let cipher = self.suite.control();
        let bytes = self.suite.seal(cipher, outer, false, self.control, &body);
        self.outgoing.push_back(Outgoing { to: self.host, bytes });
    }

    fn nonce(&mut self) -> [u8; 32] {
        self.pokes = self.pokes.wrapping_add(1);
        if self.pokes == 0 {
            // No nonce comes twice: an old response would bring an old key back.
            self.tail = (self.nonces)();
        }
        let mut nonce = [0; 32];
        let bytes = self.pokes.to_le_bytes().into_iter().chain(self.tail);
        for (to, from) in nonce.iter_mut().zip(bytes) {
            *to = from;
        }
        self.open.push_back(nonce);
        if self.open.len() > 2 {
            self.open.pop_front();
        }
        nonce
    }

    /// Sends the connection check under the key that is not proven yet.
    fn check(&mut self) {
        let Some(pending) = &mut self.pending else { return };
        let mut body = vec![0; 8];
        let address = match pending.peer.ip() {
            IpAddr::V4(address) => address.to_bits(),
            // What Windows sends to a debugger of IPv6 was never seen.
            IpAddr::V6(address) => address.to_ipv4_mapped().map_or(0, |address| address.to_bits()),
        };
        body.extend(address.to_le_bytes());
        let datagram = sealed(&self.suite, self.version, pending, &body);
        self.outgoing.push_back(datagram);
    }

    fn outer(&self, lane: Lane) -> Outer {
        Outer {
            version: self.version.0,
            channel: lane.number(),
        }
    }
}

/// The next datagram of a session.
fn sealed(suite: &Suite, version: Version, session: &mut Session, body: &[u8]) -> Outgoing {
    session.sent = session.sent.saturating_add(1).min(LAST_SEQUENCE);
    let outer = Outer {
        version: version.0,
        channel: Lane::Data.number(),
    };
    Outgoing {
        to: session.peer,
        bytes: suite.seal(&session.cipher, outer, false, session.sent, body),
    }
}

/// The body of a datagram whose MAC was right, when nothing else is wrong.
fn received(session: &mut Session, from: SocketAddr, opened: super::crypto::Opened) -> Result<Vec<u8>, Refused> {
    if !opened.from_host {
        return Err(Refused::FromTarget);
    }
    if from != session.peer {
        return Err(Refused::Address);
    }
    let fresh = session.received.take(opened.sequence);
    fresh.then_some(opened.body).ok_or(Refused::Replayed(opened.sequence))
}

/// An address as pokes carry it: IPv6 or IPv4 mapped into it, then the port, big endian.
fn mapped(address: SocketAddr) -> [u8; 18] {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    let mut bytes = [0; 18];
    let all = ip.octets().into_iter().chain(address.port().to_be_bytes());
    for (to, from) in bytes.iter_mut().zip(all) {
        *to = from;
    }
    bytes
}
