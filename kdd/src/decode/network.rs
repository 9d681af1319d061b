//! From frames to UDP datagrams and TCP segments.
//!
//! Links: Ethernet with VLAN tags, BSD loopback, raw IP, Linux cooked v1 and v2. IPv4 and IPv6 with
//! fragments put together (a KD packet of 4000 bytes does not fit in an Ethernet frame).

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Datagrams that may wait for fragments.
const WAITING: usize = 64;
/// Extension headers of IPv6 that are passed over.
const EXTENSIONS: usize = 8;

/// What a frame carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    Udp(Udp),
    Tcp(Tcp),
}

/// A datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Udp {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
    /// The capture holds only a part.
    pub(super) cut: bool,
}

/// A segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tcp {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) sequence: u32,
    pub(super) begins: bool,
    pub(super) bytes: Vec<u8>,
    /// Bytes that were sent but not captured.
    pub(super) missing: usize,
}

/// Takes frames in order.
#[derive(Debug, Default)]
pub(super) struct Network {
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    key: (IpAddr, IpAddr, u32, u8),
    pieces: Vec<(usize, Vec<u8>)>,
    total: Option<usize>,
}

/// An IP packet, or a fragment of one.
struct Packet<'a> {
    from: IpAddr,
    to: IpAddr,
    protocol: u8,
    payload: &'a [u8],
    /// Bytes that the header promises.
    promised: usize,
    /// Identification, offset and whether more come.
    fragment: Option<(u32, usize, bool)>,
}

impl Network {
    /// What a frame carries, when it is or completes something of ours.
    pub(super) fn take(&mut self, link: u32, frame: &[u8]) -> Option<Carried> {
        let packet = ip(network(link, frame)?)?;
        let Some((identification, offset, more)) = packet.fragment else {
            return carried(&packet, packet.payload);
        };
        if packet.payload.len() < packet.promised {
            return None;
        }
        let key = (packet.from, packet.to, identification, packet.protocol);
        let whole = self.fragment(key, offset, more, packet.payload)?;
        let promised = whole.len();
        carried(
            &Packet {
                promised,
                payload: &[],
                ..packet
            },
            &whole,
        )
    }

    fn fragment(&mut self, key: (IpAddr, IpAddr, u32, u8), offset: usize, more: bool, bytes: &[u8]) -> Option<Vec<u8>> {
        let place = self.waiting.iter().position(|waiting| waiting.key == key);
        let mut waiting = place.and_then(|place| self.waiting.remove(place)).unwrap_or(Waiting {
            key,
            pieces: Vec::new(),
            total: None,
        });
        // At most 65535 bytes: a fragment's offset has 13 bits.
        if waiting.pieces.len() < 64 && !waiting.pieces.iter().any(|(at, _)| *at == offset) {
            waiting.pieces.push((offset, bytes.to_vec()));
        }
        if !more {
            waiting.total = Some(offset.saturating_add(bytes.len()));
        }
        waiting.pieces.sort_by_key(|(at, _)| *at);
        let mut whole = Vec::new();
        for (at, piece) in &waiting.pieces {
            if *at != whole.len() {
                break;
            }
            whole.extend(piece);
        }
        if waiting.total == Some(whole.len()) {
            return Some(whole);
        }
        self.waiting.push_back(waiting);
        if self.waiting.len() > WAITING {
            self.waiting.pop_front();
        }
        None
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The IP packet in a frame.
fn network(link: u32, frame: &[u8]) -> Option<&[u8]> {
    match link {
        0 | 108 => frame.get(4..),
        1 => ethernet(frame.get(12..)?),
        12 | 14 | 101 | 228 | 229 => Some(frame),
        113 => ethernet(frame.get(14..)?),
        276 => {
            let packet = frame.get(20..)?;
            ip_type(be16(frame, 0)?).then_some(packet)
        }
        _ => None,
    }
}

fn ip_type(kind: u16) -> bool {
    matches!(kind, 0x0800 | 0x86dd)
}

/// From the EtherType on.
fn ethernet(mut rest: &[u8]) -> Option<&[u8]> {
    for _ in 0..3 {
        let (kind, behind) = (be16(rest, 0)?, rest.get(2..)?);
        if !matches!(kind, 0x8100 | 0x88a8 | 0x9100) {
            return ip_type(kind).then_some(behind);
        }
        rest = behind.get(2..)?;
    }
    None
}

fn ip(packet: &[u8]) -> Option<Packet<'_>> {
    match packet.first()? >> 4 {
        4 => ipv4(packet),
        6 => ipv6(packet),
        _ => None,
    }
}

fn ipv4(packet: &[u8]) -> Option<Packet<'_>> {
    let header = usize::from(packet.first()? & 0xf)
        .checked_mul(4)
        .filter(|length| *length >= 20)?;
    let total = usize::from(be16(packet, 2)?);
    // 0 where the network card cut the packet into segments behind the capture.
    let total = if total == 0 { packet.len() } else { total };
    let promised = total.checked_sub(header)?;
    let flags = be16(packet, 6)?;
    let (offset, more) = (usize::from(flags & 0x1fff).saturating_mul(8), flags & 0x2000 != 0);
    let fragment = (offset > 0 || more).then_some((u32::from(be16(packet, 4)?), offset, more));
    let payload = packet.get(header..)?;
    Some(Packet {
        from: Ipv4Addr::from_bits(be32(packet, 12)?).into(),
        to: Ipv4Addr::from_bits(be32(packet, 16)?).into(),
        protocol: *packet.get(9)?,
        payload: payload.get(..promised).unwrap_or(payload),
        promised,
        fragment,
    })
}

fn ipv6(packet: &[u8]) -> Option<Packet<'_>> {
    let address = |at: usize| Some(Ipv6Addr::from(*packet.get(at..)?.first_chunk::<16>()?));
    let mut promised = usize::from(be16(packet, 4)?);
    let mut protocol = *packet.get(6)?;
    let mut payload = packet.get(40..)?;
    if promised == 0 {
        promised = payload.len();
    }
    payload = payload.get(..promised).unwrap_or(payload);
    let mut fragment = None;
    for _ in 0..EXTENSIONS {
        let length = match protocol {
            0 | 43 | 60 => usize::from(*payload.get(1)?).checked_add(1)?.checked_mul(8)?,
            44 => {
                let flags = be16(payload, 2)?;
                fragment = Some((be32(payload, 4)?, usize::from(flags & 0xfff8), flags & 1 != 0));
                8
            }
            _ => break,
        };
        protocol = *payload.first()?;
        payload = payload.get(length..)?;
        promised = promised.checked_sub(length)?;
    }
    Some(Packet {
        from: address(8)?.into(),
        to: address(24)?.into(),
        protocol,
        payload,
        promised,
        fragment,
    })
}

fn carried(packet: &Packet<'_>, payload: &[u8]) -> Option<Carried> {
    let ports = (be16(payload, 0)?, be16(payload, 2)?);
    let (from, to) = (
        SocketAddr::new(packet.from, ports.0),
        SocketAddr::new(packet.to, ports.1),
    );
    match packet.protocol {
        17 => {
            let length = usize::from(be16(payload, 4)?);
            let end = if length < 8 { payload.len() } else { length };
            let cut = end > payload.len();
            let bytes = payload.get(8..end.min(payload.len()))?.to_vec();
            Some(Carried::Udp(Udp { from, to, bytes, cut }))
        }
        6 => {
            let header = usize::from(payload.get(12)? >> 4).checked_mul(4)?;
            let bytes = payload.get(header..)?.to_vec();
            Some(Carried::Tcp(Tcp {
                from,
                to,
                sequence: be32(payload, 4)?,
                begins: payload.get(13)? & 2 != 0,
                missing: packet.promised.saturating_sub(payload.len()),
                bytes,
            }))
        }
        _ => None,
    }
}
