//! Names of what packets carry: requests of the debugger and states of the target, from the tables that
//! the engine itself follows.

use super::file_io;
use super::manipulate::Api;
use super::packet::{Packet, PacketType};
use super::state::{GET_STRING, PRINT, State};

/// Name of what a packet carries, for the numbers that are known; the number itself for others.
#[must_use]
pub fn carried(packet: &Packet) -> Option<String> {
    let number = u32::from_le_bytes(*packet.payload.first_chunk()?);
    let name = match packet.kind {
        PacketType::MANIPULATE => Api::from_number(number).map(Api::name),
        PacketType::STATE_CHANGE64 => {
            let mut states = State::ALL.into_iter();
            states.find(|state| state.number() == number).map(State::name)
        }
        PacketType::DEBUG_IO => match number {
            PRINT => Some("print string"),
            GET_STRING => Some("get string"),
            _ => None,
        },
        PacketType::FILE_IO => file_io::name(number),
        _ => return None,
    };
    Some(name.map_or_else(|| format!("{number:#06x}"), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kd::packet::PacketId;

    #[test]
    fn known_requests_have_names_and_others_their_number() {
        let packet = |number: u16| {
            Packet::data(
                PacketType::MANIPULATE,
                PacketId(0),
                vec![number.to_le_bytes()[0], number.to_le_bytes()[1], 0, 0],
            )
        };
        assert_eq!(carried(&packet(0x3146)).as_deref(), Some("GetVersion"));
        assert_eq!(carried(&packet(0x3999)).as_deref(), Some("0x3999"));
        assert_eq!(carried(&Packet::control(PacketType::RESET, PacketId(0))), None);
    }
}
