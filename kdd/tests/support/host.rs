//! The debugger's side of a KDNET connection, without I/O.

use kdd::kdnet::crypto::{Broken, Cipher, Outer, Suite};
use kdd::kdnet::key::Key;

/// A debugger: answers a poke, then seals and opens data.
pub struct Host {
    suite: Suite,
    pub version: u8,
    random: u8,
    data: Option<Cipher>,
    pub sequence: u64,
}

/// What a datagram of a target was.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// A poke, and the response to send.
    Poke { body: Vec<u8>, sequence: u64 },
    /// A body of the data channel.
    Data { body: Vec<u8>, sequence: u64 },
}

impl Host {
    /// `random` stands for the random bytes in the response.
    pub fn new(key: &str, random: u8) -> Self {
        Self {
            suite: Suite::new(&key.parse::<Key>().unwrap()),
            version: 2,
            random,
            data: None,
            sequence: 0,
        }
    }

    pub fn connected(&self) -> bool {
        self.data.is_some()
    }

    pub fn hear(&self, datagram: &[u8]) -> Result<Heard, Broken> {
        let control = datagram[5] == 1;
        let cipher = if control {
            self.suite.control()
        } else {
            self.data.as_ref().ok_or(Broken::Mac)?
        };
        let opened = self.suite.open(cipher, datagram)?;
        assert!(!opened.from_host);
        let (body, sequence) = (opened.body, opened.sequence);
        Ok(if control {
            Heard::Poke { body, sequence }
        } else {
            Heard::Data { body, sequence }
        })
    }

    /// The response to a poke; its data key is used from now on.
    pub fn respond(&mut self, poke: &[u8], sequence: u64) -> Vec<u8> {
        assert_eq!((poke.len(), &poke[..2]), (344, &[1u8, 1][..]));
        let mut body = vec![1, 2];
        body.extend(&poke[2..34]);
        body.extend([self.random; 32]);
        body.resize(322, 0);
        self.data = Some(self.suite.data(&body));
        self.sequence = 0;
        let outer = Outer {
            version: self.version,
            channel: 1,
        };
        self.suite.seal(self.suite.control(), outer, true, sequence, &body)
    }

    /// A datagram of the data channel.
    pub fn send(&mut self, body: &[u8]) -> Vec<u8> {
        self.sequence += 1;
        self.send_as(self.sequence, body)
    }

    /// The same with any sequence.
    pub fn send_as(&self, sequence: u64, body: &[u8]) -> Vec<u8> {
        let outer = Outer {
            version: self.version,
            channel: 0,
        };
        self.suite
            .seal(self.data.as_ref().unwrap(), outer, true, sequence, body)
    }
}
