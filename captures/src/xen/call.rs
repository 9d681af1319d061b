//! A hypercall as data: the structure it is given, and the buffers whose addresses stand in it.
//!
//! Structures are those of Xen's public headers (sysctl.h, domctl.h, platform.h, version.h); numbers are
//! little-endian, addresses 8 bytes.

use rustix::io::Errno;

/// Hypercalls that are made here (xen.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hypercall {
    /// `__HYPERVISOR_platform_op`
    Platform,
    /// `__HYPERVISOR_memory_op`
    Memory,
    /// `__HYPERVISOR_xen_version`
    Version,
    /// `__HYPERVISOR_sysctl`
    Sysctl,
    /// `__HYPERVISOR_domctl`
    Domctl,
}

impl Hypercall {
    /// Its number.
    pub(crate) const fn number(self) -> u64 {
        match self {
            Self::Platform => 7,
            Self::Memory => 12,
            Self::Version => 17,
            Self::Sysctl => 35,
            Self::Domctl => 36,
        }
    }
}

/// A buffer, and where in the structure its address goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Buffer {
    pub(crate) at: usize,
    pub(crate) bytes: Vec<u8>,
}

/// One hypercall; structure and buffers hold the answer afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) hypercall: Hypercall,
    /// The argument before the structure, for those that have one.
    pub(crate) command: Option<u32>,
    /// Empty: no structure is given.
    pub(crate) structure: Vec<u8>,
    pub(crate) buffers: Vec<Buffer>,
}

/// Who answers hypercalls: Xen, or a test.
pub(crate) trait Hypercalls: Send + Sync {
    /// Makes the call; what is not negative is the answer.
    fn make(&self, call: &mut Call) -> Result<u32, Errno>;
}

impl Call {
    /// A call with a structure of `length` zeros.
    pub(crate) fn new(hypercall: Hypercall, length: usize) -> Self {
        Self {
            hypercall,
            command: None,
            structure: vec![0; length],
            buffers: Vec::new(),
        }
    }

    /// A call whose first argument is a command.
    pub(crate) fn with_command(hypercall: Hypercall, command: u32, length: usize) -> Self {
        Self {
            command: Some(command),
            ..Self::new(hypercall, length)
        }
    }

    /// Sets a field.
    pub(crate) fn set<const N: usize>(mut self, at: usize, value: [u8; N]) -> Self {
        let end = at.saturating_add(N);
        if let Some(field) = self.structure.get_mut(at..end) {
            field.copy_from_slice(&value);
        }
        self
    }

    /// Sets a field of 4 bytes.
    pub(crate) fn number(self, at: usize, value: u32) -> Self {
        self.set(at, value.to_le_bytes())
    }

    /// Adds a buffer.
    pub(crate) fn buffer(mut self, at: usize, bytes: Vec<u8>) -> Self {
        self.buffers.push(Buffer { at, bytes });
        self
    }

    /// A field of the structure.
    pub(crate) fn u32(&self, at: usize) -> u32 {
        u32_at(&self.structure, at)
    }

    /// Bytes of a buffer by its place in the order they were added.
    pub(crate) fn answer(&self, number: usize) -> &[u8] {
        self.buffers
            .get(number)
            .map(|buffer| buffer.bytes.as_slice())
            .unwrap_or_default()
    }
}

/// A number of 4 bytes; 0 behind the end.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field.map_or(0, |field| u32::from_le_bytes(*field))
}

/// A number of 8 bytes; 0 behind the end.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field.map_or(0, |field| u64::from_le_bytes(*field))
}

/// The first `count` items of `N` bytes, or as many as there are.
pub(crate) fn items<const N: usize>(bytes: &[u8], count: u32) -> impl Iterator<Item = &[u8; N]> {
    let (items, _) = bytes.as_chunks::<N>();
    items.iter().take(usize::try_from(count).unwrap_or(usize::MAX))
}
