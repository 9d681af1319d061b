//! One request under way: the bytes of the request, which become the bytes of the reply.

use crate::kd::debuggee::{Debuggee, Status};
use crate::kd::packet::MAX_PAYLOAD;
use crate::kd::session::Line;
use crate::memory::Gva;
use crate::windows::Architecture;

/// Length of DBGKD_MANIPULATE_STATE64.
pub const STATE: usize = 56;
/// Most bytes of data behind it.
pub const MAX_DATA: usize = MAX_PAYLOAD - STATE;

/// A request, and the reply in its bytes.
#[derive(Debug)]
pub struct Exchange {
    /// The 56 bytes, then the reply's data.
    bytes: Vec<u8>,
    /// Data that came with the request.
    data: Vec<u8>,
    architecture: Architecture,
    processor: u16,
    datagrams: bool,
}

impl Exchange {
    /// A request as it came; what is missing of its 56 bytes is taken as zeroes. `current` is the
    /// processor that the debugger looks at.
    #[must_use]
    pub fn new(mut payload: Vec<u8>, line: Line, current: u16, guest: &dyn Debuggee) -> Self {
        let data = if payload.len() > STATE {
            payload.split_off(STATE)
        } else {
            Vec::new()
        };
        payload.resize(STATE, 0);
        let mut exchange = Self {
            bytes: payload,
            data,
            architecture: guest.version().architecture,
            processor: current,
            datagrams: line == Line::Datagram,
        };
        let wanted = exchange.u16(6);
        if wanted < guest.processors() {
            exchange.processor = wanted;
        }
        exchange
    }

    /// Number of the request.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.u32(0)
    }

    /// The processor field as it came.
    #[must_use]
    pub fn wanted_processor(&self) -> u16 {
        self.u16(6)
    }

    /// Processor that the request is for: the one it names, or the current one where it names none that
    /// exists.
    #[must_use]
    pub fn processor(&self) -> u16 {
        self.processor
    }

    /// Whether packets travel in datagrams.
    #[must_use]
    pub fn datagrams(&self) -> bool {
        self.datagrams
    }

    /// A further reply to the same request, without data.
    #[must_use]
    pub fn reply(&self) -> Self {
        Self {
            bytes: self.bytes.get(..STATE).unwrap_or_default().to_vec(),
            data: Vec::new(),
            ..*self
        }
    }

    /// Machine code of the kernel.
    #[must_use]
    pub fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// Data that came with the request.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Data that came with the request, to be changed and sent back.
    #[must_use]
    pub fn take_data(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.data)
    }

    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        let field = self.bytes.get(at..).and_then(|rest| rest.first_chunk::<N>());
        field.copied().unwrap_or([0; N])
    }

    /// A field of 2 bytes.
    #[must_use]
    pub fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.field(at))
    }

    /// A field of 4 bytes.
    #[must_use]
    pub fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.field(at))
    }

    /// A field of 8 bytes.
    #[must_use]
    pub fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.field(at))
    }

    /// A virtual address. Debuggers extend the sign of 32-bit ones; here they are not extended.
    #[must_use]
    pub fn address(&self, at: usize) -> Gva {
        masked(self.architecture, self.u64(at))
    }

    /// A count of bytes, no more than one packet carries.
    #[must_use]
    pub fn count(&self, at: usize) -> usize {
        usize::try_from(self.u32(at)).map_or(MAX_DATA, |count| count.min(MAX_DATA))
    }

    fn put(&mut self, at: usize, value: &[u8]) {
        let field = at.checked_add(value.len()).and_then(|end| self.bytes.get_mut(at..end));
        if let Some(field) = field {
            field.copy_from_slice(value);
        }
    }

    /// Sets a field of 4 bytes.
    pub fn put_u32(&mut self, at: usize, value: u32) {
        self.put(at, &value.to_le_bytes());
    }

    /// Sets a field of 8 bytes.
    pub fn put_u64(&mut self, at: usize, value: u64) {
        self.put(at, &value.to_le_bytes());
    }

    /// Sets a field of some bytes.
    pub fn put_bytes(&mut self, at: usize, value: &[u8]) {
        self.put(at, value);
    }

    /// Sets a virtual address.
    pub fn put_address(&mut self, at: usize, value: Gva) {
        self.put_u64(at, extended(self.architecture, value));
    }

    /// Room for the data of the reply, to be filled.
    pub fn room(&mut self, count: usize) -> &mut [u8] {
        self.bytes.resize(STATE.saturating_add(count.min(MAX_DATA)), 0);
        self.bytes.get_mut(STATE..).unwrap_or_default()
    }

    /// Keeps only the first bytes of the reply's data.
    pub fn keep(&mut self, count: usize) {
        self.bytes.truncate(STATE.saturating_add(count));
    }

    /// Puts data into the reply, as much as fits; gives how much that is.
    pub fn reply_with(&mut self, data: &[u8]) -> usize {
        let data = data.get(..data.len().min(MAX_DATA)).unwrap_or_default();
        self.keep(0);
        self.bytes.extend(data);
        data.len()
    }

    /// The rule of a transfer: some bytes are a success with their number, none are a failure.
    ///
    /// # Errors
    /// When bytes were wanted and none came.
    pub fn transferred(&mut self, at: usize, wanted: usize, done: usize) -> Result<(), Status> {
        self.put_u32(at, u32::try_from(done).unwrap_or(u32::MAX));
        if done == 0 && wanted > 0 {
            return Err(Status::UNSUCCESSFUL);
        }
        Ok(())
    }

    /// The payload of the reply.
    #[must_use]
    pub fn finish(mut self, status: Status) -> Vec<u8> {
        self.put_u32(8, status.0);
        self.bytes
    }
}

/// A virtual address as packets carry it: with the sign extended where the guest has 32 bits.
#[must_use]
pub fn extended(architecture: Architecture, address: Gva) -> u64 {
    match architecture {
        Architecture::X64 => address.0,
        Architecture::X86 if address.0 & 0x8000_0000 != 0 => address.0 | 0xffff_ffff_0000_0000,
        Architecture::X86 => address.0 & 0xffff_ffff,
    }
}

/// A virtual address as the guest has it.
pub(super) fn masked(architecture: Architecture, address: u64) -> Gva {
    match architecture {
        Architecture::X64 => Gva(address),
        Architecture::X86 => Gva(address & 0xffff_ffff),
    }
}

/// A piece of a structure.
pub(super) fn piece(offset: u32, count: u32) -> Option<std::ops::Range<usize>> {
    let start = usize::try_from(offset).ok()?;
    Some(start..start.checked_add(usize::try_from(count).ok()?)?)
}
