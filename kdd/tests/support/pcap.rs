//! Captures built from the formats' descriptions: pcap, pcapng, and frames of several links.

use std::net::SocketAddr;

/// A UDP datagram, or a TCP segment when `tcp` has its sequence and flags.
pub struct Sent {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub tcp: Option<(u32, u8)>,
    pub payload: Vec<u8>,
}

impl Sent {
    pub fn udp(from: &str, to: &str, payload: &[u8]) -> Self {
        Self {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            tcp: None,
            payload: payload.to_vec(),
        }
    }

    pub fn tcp(from: &str, to: &str, sequence: u32, flags: u8, payload: &[u8]) -> Self {
        Self {
            tcp: Some((sequence, flags)),
            ..Self::udp(from, to, payload)
        }
    }

    fn transport(&self) -> Vec<u8> {
        let mut bytes = [self.from.port().to_be_bytes(), self.to.port().to_be_bytes()].concat();
        match self.tcp {
            None => {
                bytes.extend(u16::try_from(self.payload.len() + 8).unwrap().to_be_bytes());
                bytes.extend([0, 0]);
            }
            Some((sequence, flags)) => {
                bytes.extend(sequence.to_be_bytes());
                bytes.extend([0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
            }
        }
        bytes.extend(&self.payload);
        bytes
    }

    fn protocol(&self) -> u8 {
        if self.tcp.is_some() { 6 } else { 17 }
    }

    /// IP packets; more than one when they may be no longer than `mtu`.
    pub fn ip(&self, mtu: usize) -> Vec<Vec<u8>> {
        let transport = self.transport();
        let (SocketAddr::V4(from), SocketAddr::V4(to)) = (self.from, self.to) else {
            return vec![self.ip6(&transport)];
        };
        let piece = (mtu - 20) / 8 * 8;
        let last = transport.len().saturating_sub(1) / piece;
        let packet = |(number, bytes): (usize, &[u8])| {
            let offset = u16::try_from(number * piece / 8).unwrap();
            let flags = offset | if number < last { 0x2000 } else { 0 };
            let mut packet = vec![0x45, 0];
            packet.extend(u16::try_from(bytes.len() + 20).unwrap().to_be_bytes());
            packet.extend([0x12, 0x34]);
            packet.extend(flags.to_be_bytes());
            packet.extend([64, self.protocol(), 0, 0]);
            packet.extend(from.ip().octets());
            packet.extend(to.ip().octets());
            packet.extend(bytes);
            packet
        };
        transport.chunks(piece).enumerate().map(packet).collect()
    }

    fn ip6(&self, transport: &[u8]) -> Vec<u8> {
        let (SocketAddr::V6(from), SocketAddr::V6(to)) = (self.from, self.to) else {
            panic!("two families")
        };
        // A destination options header stands between.
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend(u16::try_from(transport.len() + 8).unwrap().to_be_bytes());
        packet.extend([60, 64]);
        packet.extend(from.ip().octets());
        packet.extend(to.ip().octets());
        packet.extend([self.protocol(), 0, 1, 4, 0, 0, 0, 0]);
        packet.extend(transport);
        packet
    }
}

/// The frame of an IP packet on a link.
pub fn frame(link: u32, packet: &[u8]) -> Vec<u8> {
    let kind: [u8; 2] = if packet[0] >> 4 == 6 { [0x86, 0xdd] } else { [8, 0] };
    let head = match link {
        0 => vec![2, 0, 0, 0],
        1 => [&[2; 12][..], &[0x81, 0, 0, 5], &kind].concat(),
        12 | 101 => vec![],
        108 => vec![0, 0, 0, 2],
        113 => [&[0; 14][..], &kind].concat(),
        276 => [&kind[..], &[0; 18]].concat(),
        _ => panic!("link {link}"),
    };
    let mut frame = [&head[..], packet].concat();
    // Ethernet frames are padded to 60 bytes.
    if link == 1 && frame.len() < 60 {
        frame.resize(60, 0xee);
    }
    frame
}

fn u32s(big: bool, values: &[u32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| if big { value.to_be_bytes() } else { value.to_le_bytes() })
        .collect()
}

/// A pcap file; frames are a millisecond apart.
pub fn pcap(big: bool, nano: bool, link: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let magic = if nano { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
    let version = if big { 0x0002_0004 } else { 0x0004_0002 };
    let mut file = u32s(big, &[magic, version, 0, 0, 262_144, link]);
    let step = if nano { 1_000_000 } else { 1000 };
    for (number, frame) in (0u32..).zip(frames) {
        let length = u32::try_from(frame.len()).unwrap();
        file.extend(u32s(big, &[1_700_000_000, number * step, length, length]));
        file.extend(frame);
    }
    file
}

fn block(big: bool, kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let length = u32::try_from(padded + 12).unwrap();
    let mut bytes = u32s(big, &[kind, length]);
    bytes.extend(body);
    bytes.resize(8 + padded, 0);
    bytes.extend(u32s(big, &[length]));
    bytes
}

/// A pcapng file: enhanced packet blocks a millisecond apart, times in nanoseconds.
pub fn pcapng(big: bool, simple: bool, link: u16, frames: &[Vec<u8>]) -> Vec<u8> {
    let short = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let section = [
        u32s(big, &[0x1a2b_3c4d]),
        short(1).to_vec(),
        short(0).to_vec(),
        vec![0xff; 8],
    ]
    .concat();
    let mut file = block(big, 0x0a0d_0d0a, &section);
    let resolution = [&short(9)[..], &short(1), &[9, 0, 0, 0], &short(0), &short(0)].concat();
    let interface = [&short(link)[..], &short(0), &u32s(big, &[0]), &resolution].concat();
    file.extend(block(big, 1, &interface));
    file.extend(block(big, 5, &[0; 20]));
    for (number, frame) in (0u64..).zip(frames) {
        let length = u32::try_from(frame.len()).unwrap();
        let ticks = (1_700_000_000_000 + number) * 1_000_000;
        let (high, low) = (
            u32::try_from(ticks >> 32).unwrap(),
            u32::try_from(ticks & 0xffff_ffff).unwrap(),
        );
        let (kind, head) = if simple {
            (3, vec![length])
        } else {
            (6, vec![0, high, low, length, length])
        };
        file.extend(block(big, kind, &[u32s(big, &head), frame.clone()].concat()));
    }
    file
}
