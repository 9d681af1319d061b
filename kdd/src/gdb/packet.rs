//! Packets: `$` body `#` and two digits of the sum of the body's bytes; between them `+`, `-` and the interrupt 0x03.
//!
//! Bytes come in by [`Cutter::push`], pieces come out by [`Cutter::next_piece`]. What is no packet is passed over,
//! a body that is longer than was announced is told as [`Piece::TooLong`] and never kept.

/// Longest packet, as it is announced: `PacketSize` in the answer to `qSupported`.
pub const LONGEST: usize = 0x2_0000;

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A packet with the right sum: its body as it came, escapes still in it.
    Packet(Vec<u8>),
    /// A packet with another sum, or none in digits.
    Damaged,
    /// A packet that is longer than [`LONGEST`].
    TooLong,
    /// The other side has a packet.
    Acknowledged,
    /// The other side wants the last packet again.
    Again,
    /// The other side wants the guest to stop.
    Interrupt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Between,
    Body,
    First,
    Second(u8),
}

/// Cuts a byte stream into pieces.
#[derive(Debug)]
pub struct Cutter {
    state: State,
    body: Vec<u8>,
    sum: u8,
    long: bool,
    bytes: Vec<u8>,
    at: usize,
}

impl Default for Cutter {
    fn default() -> Self {
        Self {
            state: State::Between,
            body: Vec::new(),
            sum: 0,
            long: false,
            bytes: Vec::new(),
            at: 0,
        }
    }
}

impl Cutter {
    /// Takes bytes of the line.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.at == self.bytes.len() {
            self.bytes.clear();
            self.at = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next piece; `None` when more bytes are needed.
    pub fn next_piece(&mut self) -> Option<Piece> {
        while let Some(byte) = self.bytes.get(self.at).copied() {
            self.at += 1;
            if let Some(piece) = self.take(byte) {
                return Some(piece);
            }
        }
        None
    }

    fn take(&mut self, byte: u8) -> Option<Piece> {
        match (self.state, byte) {
            (State::Between, b'+') => return Some(Piece::Acknowledged),
            (State::Between, b'-') => return Some(Piece::Again),
            (State::Between, 3) => return Some(Piece::Interrupt),
            // A packet that begins anew inside another one: the first never ended.
            (State::Between | State::Body, b'$') => {
                self.body.clear();
                (self.state, self.sum, self.long) = (State::Body, 0, false);
            }
            (State::Between, _) => {}
            (State::Body, b'#') => self.state = State::First,
            (State::Body, byte) => {
                self.sum = self.sum.wrapping_add(byte);
                // `$`, `#` and the sum count too.
                if self.body.len() < LONGEST - 4 {
                    self.body.push(byte);
                } else {
                    self.long = true;
                }
            }
            (State::First, byte) => self.state = State::Second(byte),
            (State::Second(first), second) => {
                self.state = State::Between;
                let sum = digit(first).zip(digit(second)).map(|(high, low)| high << 4 | low);
                return Some(if self.long {
                    Piece::TooLong
                } else if sum == Some(self.sum) {
                    Piece::Packet(std::mem::take(&mut self.body))
                } else {
                    Piece::Damaged
                });
            }
        }
        None
    }
}

/// Value of a hexadecimal digit.
#[must_use]
pub fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// A number of hexadecimal digits and nothing else.
#[must_use]
pub fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, byte| {
        let digit = digit(*byte)?;
        (number >> 60 == 0).then_some(number << 4 | u64::from(digit))
    })
}

/// Writes a packet with this body, which holds no byte that must be escaped.
pub fn write(out: &mut Vec<u8>, body: &[u8]) {
    out.push(b'$');
    let begin = out.len();
    out.extend_from_slice(body);
    finish(out, begin);
}

/// Writes a packet: a prefix, then these bytes in hexadecimal digits.
pub fn write_hex(out: &mut Vec<u8>, prefix: &[u8], bytes: &[u8]) {
    out.push(b'$');
    let begin = out.len();
    out.extend_from_slice(prefix);
    hex(out, bytes);
    finish(out, begin);
}

/// Writes a packet: a prefix, then these bytes, those that mean something to the protocol escaped.
pub fn write_binary(out: &mut Vec<u8>, prefix: &[u8], bytes: &[u8]) {
    out.push(b'$');
    let begin = out.len();
    out.extend_from_slice(prefix);
    for byte in bytes {
        match byte {
            b'#' | b'$' | b'}' | b'*' => out.extend_from_slice(&[b'}', byte ^ 0x20]),
            byte => out.push(*byte),
        }
    }
    finish(out, begin);
}

/// Hexadecimal digits of bytes.
pub(super) fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    let begin = out.len();
    out.resize(begin.saturating_add(bytes.len().saturating_mul(2)), 0);
    let digits = out.get_mut(begin..).unwrap_or_default();
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        if let [high, low] = pair {
            (*high, *low) = (figure(byte >> 4), figure(byte & 15));
        }
    }
}

const fn figure(value: u8) -> u8 {
    value + if value > 9 { b'a' - 10 } else { b'0' }
}

/// The sum behind a body that begins at this place.
fn finish(out: &mut Vec<u8>, begin: usize) {
    let body = out.get(begin..).unwrap_or_default();
    let sum = body.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    out.extend_from_slice(&[b'#', figure(sum >> 4), figure(sum & 15)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(bytes: &[u8], at_once: usize) -> Vec<Piece> {
        let mut cutter = Cutter::default();
        let mut out = Vec::new();
        for part in bytes.chunks(at_once) {
            cutter.push(part);
            out.extend(std::iter::from_fn(|| cutter.next_piece()));
        }
        out
    }

    #[test]
    fn stream_is_cut_the_same_way_however_it_arrives() {
        let stream = b"+$g#67\x03rubbish$m0,4#00-$m0,4#fd";
        let expected = [
            Piece::Acknowledged,
            Piece::Packet(b"g".to_vec()),
            Piece::Interrupt,
            Piece::Damaged,
            Piece::Again,
            Piece::Packet(b"m0,4".to_vec()),
        ];
        for at_once in [1, 2, 3, 7, stream.len()] {
            assert_eq!(pieces(stream, at_once), expected);
        }
    }

    #[test]
    fn packet_that_never_ends_is_not_kept() {
        let mut cutter = Cutter::default();
        cutter.push(b"$");
        for _ in 0..64 {
            cutter.push(&[b'a'; 0x1_0000]);
            assert_eq!(cutter.next_piece(), None);
        }
        assert!(cutter.body.len() < LONGEST && cutter.bytes.len() <= 0x1_0000);
        cutter.push(b"#00$g#67");
        assert_eq!(cutter.next_piece(), Some(Piece::TooLong));
        assert_eq!(cutter.next_piece(), Some(Piece::Packet(b"g".to_vec())));
    }

    #[test]
    fn packet_inside_a_packet_is_a_new_one() {
        assert_eq!(pieces(b"$m0,1$g#67", 4), [Piece::Packet(b"g".to_vec())]);
    }

    #[test]
    fn what_is_written_has_its_sum_and_escapes() {
        let mut out = Vec::new();
        write_hex(&mut out, b"O", &[0x0a, 0xf9]);
        assert_eq!(out, b"$O0af9#7f");
        out.clear();
        write_binary(&mut out, b"b", b"}#$*a");
        assert_eq!(out.get(..11), Some(&b"$b}]}\x03}\x04}\na"[..]));
        assert_eq!(pieces(&out, 64).len(), 1);
    }

    #[test]
    fn numbers_have_at_most_64_bits() {
        assert_eq!(number(b"fffffffffffffff0"), Some(0xffff_ffff_ffff_fff0));
        assert_eq!(number(b"1fffffffffffffff0"), None);
        assert_eq!(number(b""), None);
        assert_eq!(number(b"0x10"), None);
    }
}
