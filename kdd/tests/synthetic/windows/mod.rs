//! A Windows in the memory of a machine: page tables, kernel image, KDBG, modules, processes, processors.
//!
//! Nothing here uses the library that it judges: offsets and formats are from public symbols, from the
//! documentation of PE, of the debugger's headers and of the processor.

pub mod code;
pub mod config;
pub mod files;
pub mod image;
pub mod kdbg;
pub mod kernel;
pub mod known;
pub mod layout;
pub mod lists;
pub mod pages;
pub mod processors;
pub mod random;
pub mod registers;
pub mod truth;

pub use config::{Config, Kdbg, ModuleSpec, ProcessSpec};
pub use layout::Architecture;
pub use truth::{Kind, Known, Truth};

use super::machine::Machine;
use layout::Layout;
use pages::{Memory, Right};

/// A machine with Windows and what a debugger should find in it.
pub struct Built {
    pub machine: Machine,
    pub truth: Truth,
}

/// What the parts of the build share.
pub struct Builder<'a> {
    pub config: &'a Config,
    pub layout: Layout,
    pub memory: Memory,
    pub truth: Truth,
    /// Next address in the pool.
    pool: u64,
    /// Address of KUSER_SHARED_DATA and its page.
    pub shared: (u64, u64),
    /// KTHREADs that stand for processes: (KTHREAD, EPROCESS).
    pub threads: Vec<(u64, u64)>,
    /// Function of the driver that stands in the stacks.
    pub driver: Option<u64>,
}

/// Puts the guest together.
pub fn build(config: &Config) -> Built {
    let mut builder = Builder {
        config,
        layout: layout::of(config.architecture, config.build),
        memory: Memory::new(config.architecture, config.ram, config.seed),
        truth: Truth::default(),
        pool: if config.architecture.is_64() {
            0xffff_a08b_5c80_0000
        } else {
            0x8550_0000
        },
        shared: (0, 0),
        threads: Vec::new(),
        driver: None,
    };
    builder.truth.architecture = Some(config.architecture);
    builder.truth.build = config.build;
    builder.truth.directory = builder.memory.kernel;
    let stub = config.low_stub.then(|| kernel::claim_low_stub(&mut builder));
    kernel::image(&mut builder);
    kernel::shared_data(&mut builder);
    lists::modules(&mut builder);
    lists::processes(&mut builder);
    let cpus = processors::all(&mut builder);
    kdbg::write(&mut builder);
    known::memory(&mut builder);
    if let Some(page) = stub {
        kernel::low_stub(&mut builder, page);
    }
    builder.memory.finish();
    builder.memory.fill(config.filled);
    kernel::memory_runs(&mut builder);
    let machine = Machine {
        top: builder.memory.top,
        pages: builder.memory.pages,
        cpus,
    };
    let mut truth = builder.truth;
    truth.memory_runs = machine.runs();
    Built { machine, truth }
}

impl Builder<'_> {
    /// Room in the pool, mapped and of zeroes.
    pub fn pool(&mut self, size: u64) -> u64 {
        // A block's header of 16 bytes, and objects begin after theirs.
        let at = self.pool.next_multiple_of(16) + 0x40;
        self.pool = at + size + self.memory.random.below(8) * 0x30;
        let kernel = self.memory.kernel;
        self.memory.map(kernel, at, size, Right::Data);
        at
    }

    /// Room in the pool with a tag in the block's header.
    pub fn pool_tagged(&mut self, size: u64, tag: [u8; 4]) -> u64 {
        let at = self.pool(size);
        let kernel = self.memory.kernel;
        let header = at - 2 * self.pointer();
        self.memory.map(kernel, header, 2 * self.pointer(), Right::Data);
        self.memory.write(header + 4, &tag);
        at
    }

    /// Address in the kernel's image.
    pub fn nt(&self, rva: u32) -> u64 {
        self.truth.kernel_base + u64::from(rva)
    }

    pub fn pointer(&self) -> u64 {
        if self.config.architecture.is_64() { 8 } else { 4 }
    }

    /// Links records in a ring with its head: each list entry at an offset in its record.
    pub fn link(&mut self, head: u64, entries: &[u64]) {
        let ring: Vec<u64> = std::iter::once(head).chain(entries.iter().copied()).collect();
        for (number, at) in ring.iter().enumerate() {
            let next = ring[(number + 1) % ring.len()];
            let previous = ring[(number + ring.len() - 1) % ring.len()];
            self.memory.write_pointer(*at, next);
            self.memory.write_pointer(at + self.pointer(), previous);
        }
    }

    /// A UNICODE_STRING at an address, its text in the pool.
    pub fn unicode(&mut self, at: u64, text: &str) {
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let buffer = self.pool(bytes.len() as u64 + 2);
        self.memory.write(buffer, &bytes);
        self.memory.write_u16(at, bytes.len() as u16);
        self.memory.write_u16(at + 2, bytes.len() as u16 + 2);
        self.memory.write_pointer(at + self.pointer(), buffer);
    }
}
