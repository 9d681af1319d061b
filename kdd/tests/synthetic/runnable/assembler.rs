//! Machine code written as bytes: operands relative to the next instruction and jumps to marks.

/// Code that will stand at an address.
pub struct Assembler {
    origin: u64,
    bytes: Vec<u8>,
}

/// A jump whose 32-bit displacement is still to be written.
pub struct Jump(usize);

impl Assembler {
    pub fn new(origin: u64) -> Self {
        Self {
            origin,
            bytes: Vec::new(),
        }
    }

    /// Address of the next byte.
    pub fn here(&self) -> u64 {
        self.origin + self.bytes.len() as u64
    }

    /// Bytes as they are.
    pub fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// An instruction that ends with a 32-bit number: an immediate, an address, an offset.
    pub fn with(&mut self, opcode: &[u8], number: u32) -> &mut Self {
        self.put(opcode).put(&number.to_le_bytes())
    }

    /// An instruction that ends with a 32-bit displacement from its end.
    pub fn relative(&mut self, opcode: &[u8], target: u64) -> &mut Self {
        let end = self.here() + opcode.len() as u64 + 4;
        self.with(opcode, target.wrapping_sub(end) as u32)
    }

    /// A jump forward, of 32 bits.
    pub fn forward(&mut self, opcode: &[u8]) -> Jump {
        self.with(opcode, 0);
        Jump(self.bytes.len())
    }

    /// Lets a jump end here.
    pub fn land(&mut self, jump: Jump) {
        let distance = (self.bytes.len() - jump.0) as u32;
        self.bytes[jump.0 - 4..jump.0].copy_from_slice(&distance.to_le_bytes());
    }

    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}
