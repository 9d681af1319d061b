//! One KDNET datagram: sealed and opened.
//!
//! A datagram is `MDBG`, version u8, channel u8, ciphertext, MAC of 16 bytes. The plaintext is a header of
//! eight bytes (sequence of seven, big endian; then `80` when the debugger sent it, plus the length of the
//! padding), the body and zeroes up to 16 bytes. The MAC is HMAC-SHA256 over the first six bytes and the
//! plaintext, cut to 16 bytes, with the complement of the key; the cipher is AES-256-CBC without further
//! padding, and the MAC is its IV. Control datagrams are encrypted with the key itself, data with
//! SHA-256(key, body of the debugger's response). Same for versions 2, 3 and 4 (measured: all 955 datagrams
//! of a session of version 4, and those of version 2).

use std::fmt;

use aes::{Aes256Dec, Aes256Enc};
use cbc::cipher::array::Array;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit};
use cbc::{Decryptor, Encryptor};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::key::Key;

/// First bytes of every datagram.
pub const MAGIC: [u8; 4] = *b"MDBG";
/// Length of magic, version and channel.
const OUTER: usize = 6;
/// Length of the MAC.
const MAC: usize = 16;
/// Length of the header inside.
const HEADER: usize = 8;
/// Length of a block of the cipher.
const BLOCK: usize = 16;
/// Sent by the debugger, in the last byte of the header.
const FROM_HOST: u8 = 0x80;
/// Largest sequence: seven bytes.
pub const LAST_SEQUENCE: u64 = (1 << 56) - 1;
/// Longest datagram that is looked at: the largest KD packet with room to spare.
pub const LONGEST: usize = 8192;

/// Which channel a datagram belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// KD packets.
    Data,
    /// Pokes and responses.
    Control,
}

impl Lane {
    /// Its number in the datagram.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Data => 0,
            Self::Control => 1,
        }
    }
}

/// What stands before the ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer {
    /// Version of the protocol.
    pub version: u8,
    /// Number of the channel.
    pub channel: u8,
}

impl Outer {
    fn bytes(self) -> [u8; OUTER] {
        let [m, d, b, g] = MAGIC;
        [m, d, b, g, self.version, self.channel]
    }

    /// The outer bytes, with the length of the datagram checked.
    ///
    /// # Errors
    /// When this is no KDNET datagram.
    pub fn read(datagram: &[u8]) -> Result<Self, Broken> {
        let shortest = OUTER.saturating_add(BLOCK).saturating_add(MAC);
        let Some(rest) = datagram.strip_prefix(&MAGIC) else {
            return Err(Broken::Magic);
        };
        let whole = datagram.len().saturating_sub(OUTER).is_multiple_of(BLOCK);
        if datagram.len() < shortest || datagram.len() > LONGEST || !whole {
            return Err(Broken::Length(datagram.len()));
        }
        match *rest {
            [version, channel, ..] => Ok(Self { version, channel }),
            _ => Err(Broken::Length(datagram.len())),
        }
    }
}

/// A datagram whose MAC is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The debugger sent it.
    pub from_host: bool,
    /// Its sequence.
    pub sequence: u64,
    /// What it carries.
    pub body: Vec<u8>,
}

/// Why a datagram cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Broken {
    /// It does not begin with `MDBG`.
    Magic,
    /// It cannot have this length.
    Length(usize),
    /// The MAC is not that of the key.
    Mac,
    /// More padding than bytes.
    Padding(u8),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("expected a KDNET datagram (MDBG), seen something else"),
            Self::Length(seen) => write!(
                f,
                "expected 38 to {LONGEST} bytes, six more than a multiple of 16, seen {seen}"
            ),
            Self::Mac => f.write_str("MAC mismatch"),
            Self::Padding(seen) => write!(f, "expected padding within the datagram, seen {seen} bytes"),
        }
    }
}

/// One direction-free AES-256 key, expanded.
#[derive(Clone)]
pub struct Cipher {
    encrypt: Aes256Enc,
    decrypt: Aes256Dec,
}

impl Cipher {
    fn new(key: &[u8; 32]) -> Self {
        let key = Array(*key);
        Self {
            encrypt: Aes256Enc::new(&key),
            decrypt: Aes256Dec::new(&key),
        }
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher(..)")
    }
}

/// What follows from a key.
#[derive(Clone)]
pub struct Suite {
    key: [u8; 32],
    mac: Hmac<Sha256>,
    control: Cipher,
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Suite(..)")
    }
}

impl Suite {
    /// Everything that follows from a key.
    #[must_use]
    pub fn new(key: &Key) -> Self {
        let key = key.bytes();
        // The key of the MAC fills half a block of SHA-256; Hmac takes a whole one.
        let mut block = [0; 64];
        for (to, from) in block.iter_mut().zip(key) {
            *to = !from;
        }
        Self {
            key,
            mac: <Hmac<Sha256> as KeyInit>::new(&Array(block)),
            control: Cipher::new(&key),
        }
    }

    /// Cipher of the control channel.
    #[must_use]
    pub fn control(&self) -> &Cipher {
        &self.control
    }

    /// Cipher of the data channel after a response of the debugger.
    #[must_use]
    pub fn data(&self, response: &[u8]) -> Cipher {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update(response);
        Cipher::new(&hash.finalize().into())
    }

    fn mac(&self, outer: Outer, plain: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(&outer.bytes());
        mac.update(plain);
        mac
    }

    /// The datagram that carries `body`.
    #[must_use]
    pub fn seal(&self, cipher: &Cipher, outer: Outer, from_host: bool, sequence: u64, body: &[u8]) -> Vec<u8> {
        let length = HEADER.saturating_add(body.len());
        let padded = length.next_multiple_of(BLOCK);
        let padding = u8::try_from(padded.saturating_sub(length)).unwrap_or_default();
        let mut bytes = Vec::with_capacity(OUTER.saturating_add(padded).saturating_add(MAC));
        bytes.extend(outer.bytes());
        let [_, sequence @ ..] = sequence.to_be_bytes();
        bytes.extend(sequence);
        bytes.push(padding | if from_host { FROM_HOST } else { 0 });
        bytes.extend(body);
        bytes.resize(OUTER.saturating_add(padded), 0);
        let Some(plain) = bytes.get_mut(OUTER..) else {
            return bytes;
        };
        let tag = self.mac(outer, plain).finalize().into_bytes();
        let mut iv = [0; MAC];
        for (to, from) in iv.iter_mut().zip(tag) {
            *to = from;
        }
        let (blocks, _) = Array::slice_as_chunks_mut(plain);
        Encryptor::inner_iv_init(&cipher.encrypt, &Array(iv)).encrypt_blocks(blocks);
        bytes.extend(iv);
        bytes
    }

    /// Opens a datagram. The MACs are compared in constant time.
    ///
    /// # Errors
    /// When its form, its MAC or its padding is wrong.
    pub fn open(&self, cipher: &Cipher, datagram: &[u8]) -> Result<Opened, Broken> {
        let outer = Outer::read(datagram)?;
        let inner = datagram.get(OUTER..).and_then(|inner| inner.split_last_chunk::<MAC>());
        let (text, iv) = inner.ok_or(Broken::Length(datagram.len()))?;
        let mut plain = text.to_vec();
        let (blocks, _) = Array::slice_as_chunks_mut(&mut plain);
        Decryptor::inner_iv_init(&cipher.decrypt, &Array(*iv)).decrypt_blocks(blocks);
        let same = self.mac(outer, &plain).verify_truncated_left(iv);
        same.map_err(|_| Broken::Mac)?;
        let header = plain.first_chunk::<HEADER>().ok_or(Broken::Length(datagram.len()))?;
        let [rest @ .., flags] = *header;
        let sequence = rest.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        let padding = flags & !FROM_HOST;
        let end = plain.len().checked_sub(usize::from(padding));
        let end = end.filter(|end| *end >= HEADER).ok_or(Broken::Padding(padding))?;
        plain.truncate(end);
        plain.drain(..HEADER);
        Ok(Opened {
            from_host: flags & FROM_HOST != 0,
            sequence,
            body: plain,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTER_DATA: Outer = Outer { version: 2, channel: 0 };

    fn suite(key: &str) -> Suite {
        Suite::new(&key.parse().unwrap())
    }

    #[test]
    fn every_length_of_body_round_trips() {
        let suite = suite("1.2.3.4");
        let cipher = suite.data(&[7; 322]);
        for length in 0..100 {
            let body: Vec<u8> = (0..length).collect();
            let datagram = suite.seal(&cipher, OUTER_DATA, length % 2 == 0, 0x12_3456_789a_bcde, &body);
            assert_eq!(datagram.len() % 16, 6);
            let opened = suite.open(&cipher, &datagram).unwrap();
            let expected = Opened {
                from_host: length % 2 == 0,
                sequence: 0x12_3456_789a_bcde,
                body,
            };
            assert_eq!(opened, expected);
        }
    }

    #[test]
    fn any_flipped_bit_is_a_mac_mismatch() {
        let suite = suite("1.2.3.4");
        let datagram = suite.seal(suite.control(), OUTER_DATA, true, 1, b"body");
        for bit in 32..datagram.len() * 8 {
            let mut bad = datagram.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(suite.open(suite.control(), &bad), Err(Broken::Mac), "bit {bit}");
        }
    }

    #[test]
    fn other_key_and_other_cipher_are_a_mac_mismatch() {
        let (one, other) = (suite("1.2.3.4"), suite("1.2.3.5"));
        let datagram = one.seal(one.control(), OUTER_DATA, true, 1, b"body");
        assert_eq!(other.open(other.control(), &datagram), Err(Broken::Mac));
        assert_eq!(one.open(&one.data(&[0; 322]), &datagram), Err(Broken::Mac));
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        let suite = suite("1.2.3.4");
        let datagram = suite.seal(suite.control(), OUTER_DATA, true, 1, b"body");
        for end in 4..datagram.len() {
            assert_eq!(
                suite.open(suite.control(), &datagram[..end]),
                Err(Broken::Length(end)),
                "{end}"
            );
        }
        assert_eq!(suite.open(suite.control(), b"MDBX"), Err(Broken::Magic));
        let long = [&MAGIC[..], &[0; 9008]].concat();
        assert!(matches!(suite.open(suite.control(), &long), Err(Broken::Length(_))));
    }
}
