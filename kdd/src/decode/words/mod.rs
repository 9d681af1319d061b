//! KD packets in words: one file for each kind of packet.
//!
//! Layouts follow the ReactOS header `windbgkd.h` and were checked on traffic of Microsoft's debugger and of
//! Windows 10. What a packet means may depend on earlier ones (the machine is named by GetVersion), so
//! [`Speaker`] is fed with the packets of one session in order.

mod debug_io;
mod field;
mod file_io;
mod manipulate;
mod registers;
mod state;

use crate::kd::packet::{Leader, Packet, PacketType};
use crate::kd::trace::Direction;

/// What a packet says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// In words.
    pub text: String,
    /// Something in it has no name here.
    pub unknown: bool,
    /// It is shorter than its kind needs.
    pub short: bool,
}

impl Words {
    fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    fn unknown(text: impl Into<String>) -> Self {
        Self {
            unknown: true,
            ..Self::new(text)
        }
    }

    fn short(text: impl Into<String>) -> Self {
        Self {
            short: true,
            ..Self::new(text)
        }
    }
}

/// Puts the packets of a session in words.
#[derive(Clone, Debug, Default)]
pub struct Speaker {
    /// Machine code of the target, once GetVersion was answered.
    machine: Option<u16>,
    /// Request that was not answered, for lines whose directions are not known.
    asked: Option<u32>,
}

impl Speaker {
    /// A packet in words.
    pub fn packet(&mut self, direction: Direction, packet: &Packet) -> Words {
        if packet.leader == Leader::Control {
            return control(packet);
        }
        let payload = &packet.payload;
        match packet.kind {
            PacketType::MANIPULATE => {
                let reply = self.is_reply(direction, payload);
                manipulate::words(&mut self.machine, reply, payload)
            }
            PacketType::STATE_CHANGE64 => state::words(self.machine, payload),
            PacketType::DEBUG_IO => debug_io::words(direction, payload),
            PacketType::FILE_IO => file_io::words(direction, payload),
            kind => {
                let text = format!("{} bytes: {}", payload.len(), field::bytes(payload));
                match kind.name() {
                    Some(_) => Words::new(text),
                    None => Words::unknown(text),
                }
            }
        }
    }

    fn is_reply(&mut self, direction: Direction, payload: &[u8]) -> bool {
        match direction {
            Direction::ToTarget => false,
            Direction::ToHost => true,
            Direction::Unknown => {
                let number = field::u32(payload, 0);
                let reply = number.is_some() && self.asked == number;
                self.asked = if reply { None } else { number };
                reply
            }
        }
    }
}

fn control(packet: &Packet) -> Words {
    match packet.kind {
        PacketType::ACKNOWLEDGE => Words::new(format!("acknowledges {}", packet.id)),
        PacketType::RESEND => Words::new("asks for the last packet again"),
        PacketType::RESET => Words::new("begin anew"),
        kind => Words::unknown(format!("control packet of {kind}")),
    }
}
