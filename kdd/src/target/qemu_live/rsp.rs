//! The remote serial protocol of GDB, as a client: packets with checksums, acknowledged one by one
//! ("Debugging with GDB", appendix E).
//!
//! QEMU's gdbstub stops the guest at any byte that it gets while the guest runs, so nothing is sent then;
//! and a packet that is not acknowledged swallows what follows, so each is acknowledged at once.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::channel::Channel;
use super::fault::Fault;
use super::qmp::later;

/// Longest packet that is taken, run lengths undone.
const PACKET: usize = 1 << 20;
/// Packets that are passed over while a stop is looked for.
const STRAY: u32 = 64;
/// How often a damaged packet is asked for again.
const TRIES: u32 = 3;

/// A connection.
pub(super) struct Rsp {
    channel: Channel,
    acks: bool,
    patience: Duration,
    dead: Option<String>,
    /// A stop that came when something else was expected.
    late: Option<Vec<u8>>,
}

impl Rsp {
    /// A connected socket.
    pub(super) fn new(socket: OwnedFd, patience: Duration) -> Self {
        Self {
            channel: Channel::new(socket, "the gdbstub"),
            acks: true,
            patience,
            dead: None,
            late: None,
        }
    }

    /// From now on without acknowledgements, where the other side can (QEMU up to 10.0 cannot).
    pub(super) fn without_acks(&mut self) -> Result<(), Fault> {
        if self.request(b"QStartNoAckMode")? == b"OK" {
            self.acks = false;
        }
        Ok(())
    }

    /// Sends a command and gives its answer.
    pub(super) fn request(&mut self, command: &[u8]) -> Result<Vec<u8>, Fault> {
        self.alive()?;
        let outcome = self.exchange(command);
        self.note(outcome)
    }

    /// An answer that must be `OK`.
    pub(super) fn order(&mut self, command: &[u8]) -> Result<(), Fault> {
        match self.request(command)?.as_slice() {
            b"OK" => Ok(()),
            b"" => Err(Fault::Refused("the gdbstub does not know this".to_owned())),
            other => Err(Fault::Refused(format!(
                "the gdbstub says {}",
                String::from_utf8_lossy(other)
            ))),
        }
    }

    /// Sends a command that is answered only when the guest stops.
    pub(super) fn resume(&mut self, command: &[u8]) -> Result<(), Fault> {
        self.alive()?;
        self.late = None;
        let deadline = later(self.patience);
        let outcome = self.send(command, deadline).and_then(|()| self.taken(deadline));
        self.note(outcome)
    }

    /// A stop that was told, if one was within this time.
    pub(super) fn stop(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, Fault> {
        self.alive()?;
        if let Some(stop) = self.late.take() {
            return Ok(Some(stop));
        }
        let outcome = self.stop_within(deadline);
        self.note(outcome)
    }

    fn stop_within(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, Fault> {
        for _ in 0..STRAY {
            match self.packet(deadline)? {
                Some(packet) if is_stop(&packet) => return Ok(Some(packet)),
                Some(_) => {}
                None => break,
            }
        }
        Ok(None)
    }

    fn alive(&self) -> Result<(), Fault> {
        self.dead.clone().map_or(Ok(()), |reason| Err(Fault::Gone(reason)))
    }

    fn note<T>(&mut self, outcome: Result<T, Fault>) -> Result<T, Fault> {
        if let Err(Fault::Gone(reason)) = &outcome {
            self.dead = Some(reason.clone());
        }
        outcome
    }

    fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, Fault> {
        let deadline = later(self.patience);
        self.send(command, deadline)?;
        loop {
            let packet = self.packet(deadline)?.filter(|_| Instant::now() <= deadline);
            let Some(packet) = packet else {
                let waited = self.patience.as_secs();
                return Err(Fault::Gone(format!(
                    "no answer of the gdbstub within {waited} s: another debugger may hold it"
                )));
            };
            match packet.first() {
                Some(b'T' | b'S' | b'W' | b'X') if command != b"?" && is_stop(&packet) => self.late = Some(packet),
                // Console output.
                Some(b'O') if packet != b"OK" => {}
                _ => return Ok(packet),
            }
        }
    }

    fn send(&mut self, command: &[u8], deadline: Instant) -> Result<(), Fault> {
        let mut bytes = Vec::with_capacity(command.len().saturating_add(4));
        bytes.push(b'$');
        for byte in command {
            match byte {
                b'#' | b'$' | b'}' | b'*' => bytes.extend([b'}', byte ^ 0x20]),
                byte => bytes.push(*byte),
            }
        }
        let sum = checksum(bytes.get(1..).unwrap_or_default());
        bytes.push(b'#');
        bytes.extend(format!("{sum:02x}").bytes());
        self.channel.send(&bytes, deadline)
    }

    /// Waits until a command was acknowledged.
    fn taken(&mut self, deadline: Instant) -> Result<(), Fault> {
        while self.acks {
            match self.channel.buffer.first() {
                Some(b'+') => {
                    self.channel.buffer.remove(0);
                    break;
                }
                // It answers already: the acknowledgement was lost.
                Some(b'$') => break,
                Some(_) => {
                    self.channel.buffer.remove(0);
                }
                None => {
                    if !self.channel.fill(deadline)? {
                        return Err(Fault::Gone("the gdbstub does not answer".to_owned()));
                    }
                }
            }
        }
        Ok(())
    }

    /// The next packet with a right checksum, its content decoded; `None` when none comes in time.
    fn packet(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, Fault> {
        let mut tries = 0;
        loop {
            let Some((content, sum)) = self.raw(deadline)? else {
                return Ok(None);
            };
            let right = sum == Some(checksum(&content));
            if self.acks {
                self.channel
                    .send(if right { b"+" } else { b"-" }, later(self.patience))?;
            }
            if right {
                return decode(&content).map(Some);
            }
            tries = u32::saturating_add(tries, 1);
            if tries >= TRIES || !self.acks {
                let reason = "the gdbstub sends packets with a wrong checksum";
                return Err(Fault::Gone(reason.to_owned()));
            }
        }
    }

    /// A packet as it came, with its checksum.
    fn raw(&mut self, deadline: Instant) -> Result<Option<(Vec<u8>, Option<u8>)>, Fault> {
        let mut searched = 0;
        loop {
            let buffer = &mut self.channel.buffer;
            match buffer.iter().position(|byte| *byte == b'$') {
                Some(start) => drop(buffer.drain(..start)),
                None => {
                    buffer.clear();
                    searched = 0;
                }
            }
            let fresh = buffer.get(searched..).unwrap_or_default();
            if let Some(end) = fresh.iter().position(|byte| *byte == b'#') {
                let end = searched.saturating_add(end);
                let whole = end.saturating_add(3);
                if buffer.len() >= whole {
                    let packet: Vec<u8> = buffer.drain(..whole).collect();
                    let sum = packet.get(end.saturating_add(1)..).and_then(byte);
                    let content = packet.get(1..end).unwrap_or_default().to_vec();
                    return Ok(Some((content, sum)));
                }
                searched = end;
            } else {
                searched = buffer.len();
            }
            if searched > PACKET {
                return Err(Fault::Gone(format!("the gdbstub: a packet longer than {PACKET} bytes")));
            }
            if !self.channel.fill(deadline)? {
                return Ok(None);
            }
        }
    }
}

impl AsFd for Rsp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.socket().as_fd()
    }
}

/// Whether a packet tells a stop: `T05…`, `S05`, `W00`, `X09`.
fn is_stop(packet: &[u8]) -> bool {
    matches!(packet.first(), Some(b'T' | b'S' | b'W' | b'X')) && packet.get(1..3).and_then(byte).is_some()
}

fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte))
}

/// Undoes escapes and run lengths.
fn decode(content: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut bytes: Vec<u8> = Vec::with_capacity(content.len());
    let mut rest = content.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'}' => bytes.extend(rest.next().map(|byte| byte ^ 0x20)),
            b'*' => {
                let count = rest.next().map_or(0, |count| count.saturating_sub(29));
                let last = bytes.last().copied().unwrap_or_default();
                bytes.extend(std::iter::repeat_n(last, count.into()));
            }
            byte => bytes.push(*byte),
        }
        if bytes.len() > PACKET {
            return Err(Fault::Gone(format!("the gdbstub: a packet longer than {PACKET} bytes")));
        }
    }
    Ok(bytes)
}

/// A byte of two hexadecimal digits.
fn byte(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*digits.get(at)?).to_digit(16);
    u8::try_from(digit(0)?.checked_mul(16)?.checked_add(digit(1)?)?).ok()
}

/// Bytes from pairs of digits; `None` from the first pair that is none (`xx` is a value not known).
pub(super) fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    digits.chunks(2).map(byte).collect()
}

/// Pairs of digits of bytes.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_lengths_and_escapes_are_undone() {
        assert_eq!(decode(b"0* 1}\x03").expect("short"), b"00001#");
        assert_eq!(decode(b"*").expect("short"), b"");
    }

    #[test]
    fn run_lengths_do_not_grow_beyond_the_limit() {
        let bomb = b"0*~".repeat(1 << 15);
        assert!(decode(&bomb).is_err());
    }

    #[test]
    fn hexadecimal_bytes_are_read_and_unknown_ones_are_told() {
        assert_eq!(from_hex(b"0aff"), Some(vec![10, 255]));
        assert_eq!(from_hex(b"0axx"), None);
        assert_eq!(from_hex(b"0a0"), None);
        assert_eq!(to_hex(&[10, 255]), "0aff");
    }
}
