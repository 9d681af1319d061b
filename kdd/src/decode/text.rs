//! Serial lines in text or raw bytes, and recorded sessions.

use super::words::Speaker;
use super::{Decoded, Form, Place, Transport, kdnet};
use crate::damage::Damage;
use crate::kd::packet::{Decoder, Event};
use crate::kd::record::{self, Piece};
use crate::kd::session::Line;
use crate::kd::trace::{Direction, is_text};

/// Decodes what is no network capture.
pub(super) fn read(bytes: &[u8]) -> Decoded {
    if is_text(bytes) { text(bytes) } else { raw(bytes) }
}

fn raw(bytes: &[u8]) -> Decoded {
    let mut decoded = Decoded::new(Form::Raw);
    let mut speaker = Speaker::default();
    let mut decoder = Decoder::new();
    decoder.push(bytes);
    decoder.finish();
    while let Some(event) = decoder.next_event() {
        let (Event::Packet { offset, .. } | Event::BreakIn { offset } | Event::Damage { offset, .. }) = &event;
        let place = Place {
            number: *offset,
            offset: *offset,
            time: None,
        };
        let row = place.row(Direction::Unknown, Transport::Serial);
        decoded.rows.push(row.with(&mut speaker, &event));
    }
    decoded
}

fn text(bytes: &[u8]) -> Decoded {
    let mut decoded = Decoded::new(Form::Text);
    let record = record::read(bytes);
    for session in &record.sessions {
        match record.line {
            Line::Serial => serial(session, &mut decoded),
            Line::Datagram => datagrams(session, &mut decoded),
        }
    }
    for line in record.bad_lines {
        let line = u64::try_from(line).unwrap_or(u64::MAX);
        let expected = "H>T or T>H and hexadecimal bytes";
        decoded.damage(Damage::file(
            "trace-line",
            line,
            expected,
            "another line (the offset counts lines)",
        ));
    }
    decoded
}

fn place(piece: &Piece) -> Place {
    let line = u64::try_from(piece.line).unwrap_or(u64::MAX);
    Place {
        number: line,
        offset: line,
        time: piece.time.map(|time| time.as_secs_f64()),
    }
}

fn serial(session: &[Piece], decoded: &mut Decoded) {
    let mut speaker = Speaker::default();
    let (mut to_target, mut to_host) = (Decoder::new(), Decoder::new());
    for piece in session {
        let decoder = match piece.direction {
            Direction::ToTarget => &mut to_target,
            _ => &mut to_host,
        };
        decoder.push(&piece.bytes);
        drain(decoder, piece, &mut speaker, decoded);
    }
    for (mut decoder, direction) in [(to_target, Direction::ToTarget), (to_host, Direction::ToHost)] {
        decoder.finish();
        if let Some(last) = session.iter().rfind(|piece| piece.direction == direction) {
            drain(&mut decoder, last, &mut speaker, decoded);
        }
    }
}

fn drain(decoder: &mut Decoder, piece: &Piece, speaker: &mut Speaker, decoded: &mut Decoded) {
    while let Some(event) = decoder.next_event() {
        let row = place(piece).row(piece.direction, Transport::Serial);
        decoded.rows.push(row.with(speaker, &event));
    }
}

fn datagrams(session: &[Piece], decoded: &mut Decoded) {
    let mut speaker = Speaker::default();
    for piece in session {
        let row = place(piece).row(piece.direction, Transport::Data);
        kdnet::body(&row, &piece.bytes, &mut speaker, &mut decoded.rows);
    }
}
