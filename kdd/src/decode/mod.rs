//! Captured traffic in words: pcap and pcapng files, serial traces; KD packets and KDNET datagrams.
//!
//! [`read`] takes the bytes of a file of any of these kinds, compressed with gzip or not:
//! - pcap and pcapng with KDNET over UDP and the serial protocol over TCP,
//! - text of a serial line or of a recorded session ([`crate::kd::record`]),
//! - raw bytes of a serial line.
//!
//! KDNET is decrypted with the key, when one is given; what stays closed is said once in the notes.
//!
//! ```
//! let decoded = kdd::decode::read(b"H>T 69696969060000000000000000000000\nH>T 62\n", None);
//! let words: Vec<&str> = decoded.rows.iter().map(|row| row.words.as_str()).collect();
//! assert_eq!(words, ["begin anew", "break in"]);
//! ```

mod capture;
mod kdnet;
mod network;
mod streams;
mod text;
pub mod words;

use std::io::{self, Read, Write};

use flate2::read::MultiGzDecoder;
use schemars::JsonSchema;
use serde::Serialize;

use crate::damage::Damage;
use crate::kd::packet::Event;
use crate::kd::record::{self, Record};
use crate::kd::trace::Direction;
use crate::kdnet::key::Key;
use words::Speaker;

/// Most bytes that a compressed file may unpack to.
const UNPACKED: u64 = 1 << 30;
/// First bytes of a gzip stream.
const GZIP: &[u8] = &[0x1f, 0x8b];
/// Most rows of damage that are kept.
const DAMAGE: usize = 10_000;

/// What a row travelled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// A serial line, or TCP in its place.
    Serial,
    /// The control channel of KDNET.
    Control,
    /// The data channel of KDNET.
    Data,
}

/// One packet in words.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Row {
    /// Frame of the capture, or line of the text, from 1; byte offset in raw bytes.
    pub number: u64,
    /// Seconds since the first frame, or since the record's begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<f64>,
    /// Which way.
    pub direction: Direction,
    /// What it travelled in.
    pub transport: Transport,
    /// Version of KDNET.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u8>,
    /// Sequence of the KDNET datagram.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Type of the KD packet.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Id of the KD packet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Bytes of payload, or of what could not be decrypted.
    pub size: usize,
    /// What it says.
    pub words: String,
    /// Something in it has no name here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
    /// It is damaged.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub damaged: bool,
}

/// What kind of file was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// pcap or pcapng.
    Capture,
    /// Text with directions.
    Text,
    /// Raw bytes of a serial line.
    Raw,
}

/// How many datagrams of KDNET there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Counts {
    /// Frames of the capture.
    pub frames: u64,
    /// Datagrams on the control channel.
    pub control: u64,
    /// Those whose MAC is right.
    pub control_verified: u64,
    /// Datagrams on the data channel.
    pub data: u64,
    /// Those whose MAC is right.
    pub data_verified: u64,
    /// TCP connections with KD packets.
    pub streams: u64,
}

/// A decoded file.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Decoded {
    /// What kind of file it is.
    pub form: Form,
    /// Packets in order.
    pub rows: Vec<Row>,
    /// Datagrams.
    pub counts: Counts,
    /// What is not shown, and why.
    pub notes: Vec<String>,
    /// What is wrong with the file.
    pub damage: Vec<Damage>,
}

impl Decoded {
    fn new(form: Form) -> Self {
        Self {
            form,
            rows: Vec::new(),
            counts: Counts::default(),
            notes: Vec::new(),
            damage: Vec::new(),
        }
    }

    fn damage(&mut self, damage: Damage) {
        if self.damage.len() < DAMAGE {
            self.damage.push(damage);
        }
    }

    /// Whether packets or the file are damaged.
    #[must_use]
    pub fn damaged(&self) -> bool {
        !self.damage.is_empty() || self.rows.iter().any(|row| row.damaged)
    }
}

/// Decodes a file.
#[must_use]
pub fn read(bytes: &[u8], key: Option<&Key>) -> Decoded {
    if !bytes.starts_with(GZIP) {
        return plain(bytes, key);
    }
    let (unpacked, damage) = unpack(bytes);
    let mut decoded = plain(&unpacked, key);
    damage.into_iter().for_each(|damage| decoded.damage(damage));
    decoded
}

/// The sessions of a file, to be played again ([`crate::kd::record::replay`]): a record or a text of a serial
/// line, or the KDNET sessions of a capture whose key is known.
#[must_use]
pub fn record(bytes: &[u8], key: Option<&Key>) -> Record {
    let unpacked = if bytes.starts_with(GZIP) {
        unpack(bytes).0
    } else {
        Vec::new()
    };
    let bytes = if bytes.starts_with(GZIP) { &unpacked } else { bytes };
    if capture::is_capture(bytes) {
        captured(bytes, key).1
    } else {
        record::read(bytes)
    }
}

/// What a gzip stream holds, and what is wrong with it.
fn unpack(bytes: &[u8]) -> (Vec<u8>, Option<Damage>) {
    let mut unpacked = Vec::new();
    let result = MultiGzDecoder::new(bytes).take(UNPACKED).read_to_end(&mut unpacked);
    let at = u64::try_from(unpacked.len()).unwrap_or(u64::MAX);
    let damage = match result {
        Err(error) => Some(Damage::file("gzip", at, "a whole gzip stream", error.to_string())),
        Ok(_) if at == UNPACKED => Some(Damage::file("gzip", at, "at most 1 GiB when unpacked", "more")),
        Ok(_) => None,
    };
    (unpacked, damage)
}

fn plain(bytes: &[u8], key: Option<&Key>) -> Decoded {
    if capture::is_capture(bytes) {
        captured(bytes, key).0
    } else {
        text::read(bytes)
    }
}

fn captured(bytes: &[u8], key: Option<&Key>) -> (Decoded, Record) {
    let mut decoded = Decoded::new(Form::Capture);
    let capture::Frames { frames, damage } = capture::read(bytes);
    damage.into_iter().for_each(|damage| decoded.damage(damage));
    let begin = frames.iter().find_map(|frame| frame.time);
    let mut network = network::Network::default();
    let mut datagrams = kdnet::Datagrams::new(key);
    let mut streams = streams::Streams::default();
    for frame in &frames {
        decoded.counts.frames = decoded.counts.frames.saturating_add(1);
        let time = frame.time.zip(begin).map(|(time, begin)| seconds(time, begin));
        let at = Place {
            number: frame.number,
            offset: frame.offset,
            time,
        };
        match network.take(frame.link, frame.bytes) {
            Some(network::Carried::Udp(udp)) => datagrams.take(at, &udp, &mut decoded),
            Some(network::Carried::Tcp(tcp)) => streams.take(at, tcp),
            None => {}
        }
    }
    let record = datagrams.finish(&mut decoded);
    streams.finish(&mut decoded);
    decoded.rows.sort_by_key(|row| row.number);
    if decoded.rows.is_empty() {
        let frames = decoded.counts.frames;
        decoded.notes.push(format!("no KD packet in {frames} frames"));
    }
    (decoded, record)
}

fn seconds(time: u64, begin: u64) -> f64 {
    let (sign, nanos) = match time.checked_sub(begin) {
        Some(after) => (1.0, after),
        None => (-1.0, begin.saturating_sub(time)),
    };
    sign * std::time::Duration::from_nanos(nanos).as_secs_f64()
}

/// Where in a file a packet was completed.
#[derive(Clone, Copy, Debug)]
struct Place {
    number: u64,
    offset: u64,
    time: Option<f64>,
}

impl Place {
    fn row(self, direction: Direction, transport: Transport) -> Row {
        Row {
            number: self.number,
            time: self.time,
            direction,
            transport,
            version: None,
            sequence: None,
            kind: None,
            id: None,
            size: 0,
            words: String::new(),
            unknown: false,
            damaged: false,
        }
    }
}

impl Row {
    /// The same row with what a decoder found.
    fn with(self, speaker: &mut Speaker, event: &Event) -> Self {
        match event {
            Event::Packet { packet, .. } => {
                let said = speaker.packet(self.direction, packet);
                Self {
                    kind: Some(packet.kind.to_string()),
                    id: Some(packet.id.to_string()),
                    size: packet.payload.len(),
                    words: said.text,
                    unknown: said.unknown,
                    damaged: said.short,
                    ..self
                }
            }
            Event::BreakIn { .. } => Self {
                size: 1,
                words: "break in".to_owned(),
                ..self
            },
            Event::Damage { damage, .. } => Self {
                words: damage.to_string(),
                damaged: true,
                ..self
            },
        }
    }
}

/// Writes a row as one line.
///
/// # Errors
/// When the output cannot be written.
pub fn print(row: &Row, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{:>6}", row.number)?;
    match row.time {
        Some(time) => write!(out, " {time:>12.6}")?,
        None => write!(out, " {:>12}", "")?,
    }
    let transport = match row.transport {
        Transport::Serial => "serial",
        Transport::Control => "control",
        Transport::Data => "data",
    };
    write!(out, "  {:<3} {transport:<7}", row.direction.text())?;
    if let (Some(version), Some(sequence)) = (row.version, row.sequence) {
        write!(out, " v{version} {sequence:>6}")?;
    }
    match (&row.kind, &row.id) {
        (Some(kind), Some(id)) => write!(out, "  {kind:<14} {id}")?,
        _ => write!(out, "  {:<25}", "")?,
    }
    let mark = if row.damaged { "damaged: " } else { "" };
    writeln!(out, "  {mark}{}", row.words)
}
