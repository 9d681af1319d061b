//! 3146 GetVersion: DBGKD_GET_VERSION64 in the 40 bytes at 16. Follows what kernels of Windows 8.1 to 11
//! answer: protocol 6, secondary version 2 for the AMD64 CONTEXT as it is since Server 2003 (0 on x86),
//! 12 packet types, 3 states, 31h requests, no simulator.

use crate::kd::debuggee::{Debuggee, Status};
use crate::windows::Architecture;

use super::Exchange;

/// Flag: a kernel for more than one processor.
const MP: u16 = 1;
/// Flag: the list of debugger data is there.
const DATA: u16 = 2;
/// Flag: pointers of 64 bits.
const PTR64: u16 = 4;
/// DBGKD_64BIT_PROTOCOL_VERSION2.
const PROTOCOL: u8 = 6;
/// PACKET_TYPE_MAX.
const PACKET_TYPES: u8 = 12;
/// Numbers of states, from 3030.
const STATES: u8 = 3;
/// Numbers of requests, from 3130.
const MANIPULATES: u8 = 0x31;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    let version = guest.version();
    let (machine, secondary, pointers) = match version.architecture {
        Architecture::X64 => (0x8664u16, 2, PTR64),
        Architecture::X86 => (0x014c, 0, 0),
    };
    let flags = DATA | pointers | if version.multiprocessor { MP } else { 0 };
    exchange.put_bytes(16, &version.major.to_le_bytes());
    exchange.put_bytes(18, &version.minor.to_le_bytes());
    exchange.put_bytes(20, &[PROTOCOL, secondary]);
    exchange.put_bytes(22, &flags.to_le_bytes());
    exchange.put_bytes(24, &machine.to_le_bytes());
    exchange.put_bytes(26, &[PACKET_TYPES, STATES, MANIPULATES, 0, 0, 0]);
    exchange.put_address(32, version.kernel_base);
    exchange.put_address(40, version.loaded_modules);
    exchange.put_address(48, version.debugger_data);
    Ok(())
}
