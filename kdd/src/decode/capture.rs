//! Files of captured network traffic: pcap (micro- and nanoseconds, either byte order) and pcapng.
//!
//! Follows the IETF drafts `draft-ietf-opsawg-pcap` and `draft-ietf-opsawg-pcapng`: section header,
//! interface description, enhanced, simple and obsolete packet blocks; other blocks are passed over. Only
//! pieces of the input are kept, no copies.

use crate::damage::Damage;

/// Most interfaces that one section may describe.
const INTERFACES: usize = 4096;

/// A frame of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// From 1, as other tools number them.
    pub(super) number: u64,
    /// Place in the file.
    pub(super) offset: u64,
    /// Nanoseconds since the epoch, where the file tells.
    pub(super) time: Option<u64>,
    /// LINKTYPE of its interface.
    pub(super) link: u32,
    /// What was captured of it.
    pub(super) bytes: &'a [u8],
}

/// The frames of a capture.
#[derive(Debug, Default)]
pub(super) struct Frames<'a> {
    pub(super) frames: Vec<Frame<'a>>,
    pub(super) damage: Vec<Damage>,
}

/// Whether the bytes begin as a capture.
pub(super) fn is_capture(bytes: &[u8]) -> bool {
    Form::of(bytes).is_some()
}

/// Frames of a capture.
pub(super) fn read(bytes: &[u8]) -> Frames<'_> {
    let mut reader = Reader {
        bytes,
        big: false,
        interfaces: Vec::new(),
        out: Frames::default(),
    };
    match Form::of(bytes) {
        Some(Form::Pcap { big, nano }) => {
            reader.big = big;
            reader.pcap(nano);
        }
        Some(Form::PcapNg) => reader.pcapng(),
        None => {}
    }
    reader.out
}

enum Form {
    Pcap { big: bool, nano: bool },
    PcapNg,
}

impl Form {
    fn of(bytes: &[u8]) -> Option<Self> {
        let magic = *bytes.first_chunk::<4>()?;
        let pcap = |big, magic| match magic {
            0xa1b2_c3d4 => Some(Self::Pcap { big, nano: false }),
            0xa1b2_3c4d => Some(Self::Pcap { big, nano: true }),
            _ => None,
        };
        if magic == [0x0a, 0x0d, 0x0d, 0x0a] {
            return Some(Self::PcapNg);
        }
        pcap(false, u32::from_le_bytes(magic)).or_else(|| pcap(true, u32::from_be_bytes(magic)))
    }
}

/// An interface of a pcapng section.
#[derive(Clone, Copy)]
struct Interface {
    link: u32,
    snap: u32,
    /// Units of time in a second.
    units: u64,
    /// Seconds to add.
    offset: u64,
}

struct Reader<'a> {
    bytes: &'a [u8],
    big: bool,
    interfaces: Vec<Interface>,
    out: Frames<'a>,
}

impl<'a> Reader<'a> {
    fn u32(&self, bytes: &[u8], at: usize) -> Option<u32> {
        let field = *bytes.get(at..)?.first_chunk()?;
        Some(if self.big {
            u32::from_be_bytes(field)
        } else {
            u32::from_le_bytes(field)
        })
    }

    fn u16(&self, bytes: &[u8], at: usize) -> Option<u16> {
        let field = *bytes.get(at..)?.first_chunk()?;
        Some(if self.big {
            u16::from_be_bytes(field)
        } else {
            u16::from_le_bytes(field)
        })
    }

    fn damage(&mut self, rule: &'static str, at: usize, expected: impl Into<String>, seen: impl Into<String>) {
        let offset = u64::try_from(at).unwrap_or(u64::MAX);
        self.out.damage.push(Damage::file(rule, offset, expected, seen));
    }

    fn frame(&mut self, at: usize, time: Option<u64>, link: u32, bytes: &'a [u8]) {
        let number = u64::try_from(self.out.frames.len())
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        let offset = u64::try_from(at).unwrap_or(u64::MAX);
        self.out.frames.push(Frame {
            number,
            offset,
            time,
            link,
            bytes,
        });
    }

    fn pcap(&mut self, nano: bool) {
        let Some(link) = self.u32(self.bytes, 20) else {
            let seen = format!("{} bytes", self.bytes.len());
            return self.damage("pcap-header", 0, "a header of 24 bytes", seen);
        };
        // The upper bits tell of the frame check sequence.
        let link = link & 0xffff;
        let mut at = 24usize;
        while let Some(rest) = self.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let fields = [0, 4, 8].map(|place| self.u32(rest, place));
            let [Some(seconds), Some(fraction), Some(length)] = fields else {
                let seen = format!("{} bytes at the end of the file", rest.len());
                return self.damage("pcap-record", at, "a record's header of 16 bytes", seen);
            };
            let end = usize::try_from(length).ok().and_then(|length| length.checked_add(16));
            let Some(frame) = end.and_then(|end| rest.get(16..end)) else {
                let seen = format!("{} to the end of the file", rest.len().saturating_sub(16));
                self.damage("pcap-record", at, format!("{length} bytes of a frame"), seen);
                if let Some(frame) = rest.get(16..).filter(|frame| frame.len() < 0x1_0000) {
                    self.frame(at, None, link, frame);
                }
                return;
            };
            let unit = if nano { 1 } else { 1000 };
            let time = u64::from(seconds).saturating_mul(1_000_000_000);
            let time = time.saturating_add(u64::from(fraction).saturating_mul(unit));
            self.frame(at, Some(time), link, frame);
            at = at.saturating_add(frame.len()).saturating_add(16);
        }
    }

    fn pcapng(&mut self) {
        let mut at = 0usize;
        while let Some(rest) = self.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if rest.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
                match rest.get(8..12) {
                    Some([0x4d, 0x3c, 0x2b, 0x1a]) => self.big = false,
                    Some([0x1a, 0x2b, 0x3c, 0x4d]) => self.big = true,
                    other => {
                        let seen = format!("{:02x?}", other.unwrap_or_default());
                        return self.damage("pcapng-section", at, "byte-order magic 1a2b3c4d", seen);
                    }
                }
                self.interfaces.clear();
            }
            let (kind, length) = (self.u32(rest, 0), self.u32(rest, 4));
            let (Some(kind), Some(length)) = (kind, length.and_then(|length| usize::try_from(length).ok())) else {
                let seen = format!("{} bytes at the end of the file", rest.len());
                return self.damage("pcapng-block", at, "a block's header", seen);
            };
            if length < 12 {
                return self.damage("pcapng-block", at, "at least 12 bytes", format!("length {length}"));
            }
            let padded = length.checked_next_multiple_of(4).unwrap_or(usize::MAX);
            let Some(body) = rest.get(8..length.saturating_sub(4)).filter(|_| padded <= rest.len()) else {
                let seen = format!("{} to the end of the file", rest.len());
                return self.damage("pcapng-block", at, format!("a block of {length} bytes"), seen);
            };
            self.block(at, kind, body);
            at = at.saturating_add(padded);
        }
    }

    fn block(&mut self, at: usize, kind: u32, body: &'a [u8]) {
        match kind {
            1 => self.interface(at, body),
            6 => self.packet(at, self.u32(body, 0), body),
            2 => self.packet(at, self.u16(body, 0).map(u32::from), body),
            3 => self.simple(at, body),
            _ => {}
        }
    }

    fn interface(&mut self, at: usize, body: &[u8]) {
        let (Some(link), Some(snap)) = (self.u16(body, 0), self.u32(body, 4)) else {
            let seen = format!("{} bytes", body.len());
            return self.damage("pcapng-interface", at, "8 bytes before the options", seen);
        };
        if self.interfaces.len() >= INTERFACES {
            return self.damage("pcapng-interface", at, "at most 4096 in a section", "one more");
        }
        let mut interface = Interface {
            link: u32::from(link),
            snap,
            units: 1_000_000,
            offset: 0,
        };
        let mut options = body.get(8..).unwrap_or_default();
        while let (Some(code), Some(length)) = (self.u16(options, 0), self.u16(options, 2)) {
            let end = usize::from(length).saturating_add(4);
            let Some(value) = options.get(4..end).filter(|_| code != 0) else {
                break;
            };
            match (code, value) {
                (9, [resolution, ..]) => interface.units = units(*resolution).unwrap_or(interface.units),
                (14, _) => interface.offset = self.u64(value).unwrap_or(0),
                _ => {}
            }
            options = options.get(end.next_multiple_of(4)..).unwrap_or_default();
        }
        self.interfaces.push(interface);
    }

    fn u64(&self, bytes: &[u8]) -> Option<u64> {
        let field = *bytes.first_chunk()?;
        Some(if self.big {
            u64::from_be_bytes(field)
        } else {
            u64::from_le_bytes(field)
        })
    }

    /// Enhanced and obsolete packet blocks have their fields in the same places.
    fn packet(&mut self, at: usize, interface: Option<u32>, body: &'a [u8]) {
        let fields = [4, 8, 12].map(|place| self.u32(body, place));
        let (Some(number), [Some(high), Some(low), Some(length)]) = (interface, fields) else {
            let seen = format!("{} bytes", body.len());
            return self.damage("pcapng-packet", at, "20 bytes before the frame", seen);
        };
        let known = usize::try_from(number)
            .ok()
            .and_then(|number| self.interfaces.get(number));
        let Some(interface) = known.copied() else {
            let expected = format!("one of {} interfaces", self.interfaces.len());
            return self.damage("pcapng-packet", at, expected, format!("interface {number}"));
        };
        let end = usize::try_from(length).ok().and_then(|length| length.checked_add(20));
        let Some(frame) = end.and_then(|end| body.get(20..end)) else {
            let seen = format!("{} in the block", body.len().saturating_sub(20));
            return self.damage("pcapng-packet", at, format!("{length} bytes of a frame"), seen);
        };
        let ticks = u64::from(high) << 32 | u64::from(low);
        self.frame(at, Some(nanoseconds(ticks, interface)), interface.link, frame);
    }

    fn simple(&mut self, at: usize, body: &'a [u8]) {
        let (Some(length), Some(frame)) = (self.u32(body, 0), body.get(4..)) else {
            return self.damage("pcapng-packet", at, "4 bytes before the frame", "fewer");
        };
        let Some(interface) = self.interfaces.first().copied() else {
            return self.damage("pcapng-packet", at, "an interface", "none");
        };
        let limit = if interface.snap == 0 {
            length
        } else {
            length.min(interface.snap)
        };
        let length = usize::try_from(limit).unwrap_or(usize::MAX);
        let frame = frame.get(..length).unwrap_or(frame);
        self.frame(at, None, interface.link, frame);
    }
}

/// Units in a second: a power of ten, or of two when the top bit is set.
fn units(resolution: u8) -> Option<u64> {
    let power = u32::from(resolution & 0x7f);
    if resolution & 0x80 == 0 {
        10u64.checked_pow(power)
    } else {
        2u64.checked_pow(power)
    }
}

fn nanoseconds(ticks: u64, interface: Interface) -> u64 {
    let units = u128::from(interface.units.max(1));
    let nanos = u128::from(ticks)
        .saturating_mul(1_000_000_000)
        .checked_div(units)
        .unwrap_or(0);
    let offset = interface.offset.wrapping_mul(1_000_000_000);
    u64::try_from(nanos).unwrap_or(u64::MAX).wrapping_add(offset)
}
