//! Names of what packets carry: requests of the debugger and states of the target.
//! Numbers from the ReactOS header `windbgkd.h`.

use crate::kd::packet::{Packet, PacketType};

/// Requests (first word of a MANIPULATE packet).
const APIS: &[(u32, &str)] = &[
    (0x3130, "ReadVirtualMemory"),
    (0x3131, "WriteVirtualMemory"),
    (0x3132, "GetContext"),
    (0x3133, "SetContext"),
    (0x3134, "WriteBreakPoint"),
    (0x3135, "RestoreBreakPoint"),
    (0x3136, "Continue"),
    (0x3137, "ReadControlSpace"),
    (0x3138, "WriteControlSpace"),
    (0x3139, "ReadIoSpace"),
    (0x313a, "WriteIoSpace"),
    (0x313b, "Reboot"),
    (0x313c, "Continue2"),
    (0x313d, "ReadPhysicalMemory"),
    (0x313e, "WritePhysicalMemory"),
    (0x3144, "ReadIoSpaceExtended"),
    (0x3145, "WriteIoSpaceExtended"),
    (0x3146, "GetVersion"),
    (0x3147, "WriteBreakPointEx"),
    (0x3148, "RestoreBreakPointEx"),
    (0x3149, "CauseBugCheck"),
    (0x3150, "SwitchProcessor"),
    (0x3151, "PageIn"),
    (0x3152, "ReadMachineSpecificRegister"),
    (0x3153, "WriteMachineSpecificRegister"),
    (0x3156, "SearchMemory"),
    (0x3157, "GetBusData"),
    (0x3158, "SetBusData"),
    (0x3159, "CheckLowMemory"),
    (0x315a, "ClearAllInternalBreakpoints"),
    (0x315b, "FillMemory"),
    (0x315c, "QueryMemory"),
    (0x315d, "SwitchPartition"),
    (0x315e, "WriteCustomBreakpoint"),
    (0x315f, "GetContextEx"),
    (0x3160, "SetContextEx"),
];

/// States (first word of a STATE_CHANGE64 packet).
const STATES: &[(u32, &str)] = &[
    (0x3030, "exception"),
    (0x3031, "load symbols"),
    (0x3032, "command string"),
];

/// Kinds of DEBUG_IO packets (first word).
const DEBUG_IO: &[(u32, &str)] = &[(0x3230, "print string"), (0x3231, "get string")];

/// Name of what a packet carries, for the numbers that are known; the number itself for others.
#[must_use]
pub fn carried(packet: &Packet) -> Option<String> {
    let table = match packet.kind {
        PacketType::MANIPULATE => APIS,
        PacketType::STATE_CHANGE64 => STATES,
        PacketType::DEBUG_IO => DEBUG_IO,
        _ => return None,
    };
    let number = u32::from_le_bytes(*packet.payload.first_chunk()?);
    let name = table
        .iter()
        .find(|(known, _)| *known == number)
        .map(|(_, name)| (*name).to_owned());
    Some(name.unwrap_or_else(|| format!("{number:#06x}")))
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
