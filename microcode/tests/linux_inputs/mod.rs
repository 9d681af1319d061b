//! Updates, containers and cpio members made by hand for the tests of the Linux loader. Payloads
//! are numbers of a simple sequence; nothing of them is from a vendor.
#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing)]

use microcode::Sha256;

/// An Intel update to be built.
#[derive(Clone, Debug)]
pub struct Intel {
    /// CPU signature.
    pub signature: u32,
    /// Platforms.
    pub platforms: u32,
    /// Revision.
    pub revision: u32,
    /// Lowest revision for run time.
    pub minimum: u32,
    /// Further signatures and platforms.
    pub extended: Vec<(u32, u32)>,
    /// Length in all.
    pub total: usize,
    /// Header version.
    pub header_version: u32,
    /// Loader version.
    pub loader_version: u32,
    /// Begin of the payload's sequence.
    pub seed: u32,
}

/// An update of 1024 bytes.
pub fn intel(signature: u32, platforms: u32, revision: u32) -> Intel {
    Intel {
        signature,
        platforms,
        revision,
        minimum: 0,
        extended: Vec::new(),
        total: 1024,
        header_version: 1,
        loader_version: 1,
        seed: 1,
    }
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap()
}

fn negated_sum(words: &[u32]) -> u32 {
    words
        .iter()
        .fold(0u32, |sum, word| sum.wrapping_add(*word))
        .wrapping_neg()
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

impl Intel {
    /// Its bytes, with right checksums.
    pub fn build(&self) -> Vec<u8> {
        let table = match self.extended.len() {
            0 => 0,
            count => 5 + 3 * count,
        };
        let data = self.total / 4 - 12 - table;
        let mut words = vec![
            self.header_version,
            self.revision,
            0x0630_2024,
            self.signature,
            0,
            self.loader_version,
            self.platforms,
            number(data * 4),
            number(self.total),
            0,
            self.minimum,
            0,
        ];
        words.extend((0..number(data)).map(|at| at.wrapping_add(self.seed).wrapping_mul(0x0103_0507)));
        words[4] = negated_sum(&words);
        if table > 0 {
            let own = self.signature.wrapping_add(self.platforms).wrapping_add(words[4]);
            let mut table = vec![number(self.extended.len()), 0, 0, 0, 0];
            for (signature, platforms) in &self.extended {
                let check = own.wrapping_sub(*signature).wrapping_sub(*platforms);
                table.extend([*signature, *platforms, check]);
            }
            table[1] = negated_sum(&table);
            words.extend(table);
        }
        bytes(&words)
    }
}

/// Change the word at `at` and make the sum of header and data right again.
pub fn with_word(mut update: Vec<u8>, at: usize, value: u32) -> Vec<u8> {
    update[at..at + 4].copy_from_slice(&value.to_le_bytes());
    update[16..20].fill(0);
    let length = u32::from_le_bytes(update[28..32].try_into().unwrap());
    let covered = (48 + usize::try_from(length).unwrap()).min(update.len());
    let words: Vec<u32> = update[..covered / 4 * 4]
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .collect();
    update[16..20].copy_from_slice(&negated_sum(&words).to_le_bytes());
    update
}

/// An update of 2048 bytes whose sizes in the header are 0.
pub fn intel_default_size(signature: u32, platforms: u32, revision: u32) -> Vec<u8> {
    let mut update = Intel {
        total: 2048,
        ..intel(signature, platforms, revision)
    }
    .build();
    update[28..36].fill(0);
    update[16..20].fill(0);
    let words: Vec<u32> = update
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .collect();
    update[16..20].copy_from_slice(&negated_sum(&words).to_le_bytes());
    update
}

/// An AMD patch of `length` bytes for the processor id.
pub fn patch(id: u16, revision: u32, length: usize) -> Vec<u8> {
    let mut out = 0x0630_2024u32.to_le_bytes().to_vec();
    out.extend(revision.to_le_bytes());
    out.extend([0x04, 0x80, 0, 0]);
    out.resize(24, 0);
    out.extend(id.to_le_bytes());
    out.resize(64, 0);
    out.extend((64..length).map(|at| u8::try_from(at % 251).unwrap()));
    out
}

/// The same for one south bridge only.
pub fn chipset_patch(id: u16, revision: u32) -> Vec<u8> {
    let mut out = patch(id, revision, 128);
    out[20] = 1;
    out
}

/// A container of patches; the equivalence table has the rows given and an empty one.
pub fn container(rows: &[(u32, u16)], patches: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"DMA\0\0\0\0\0".to_vec();
    out.extend(number((rows.len() + 1) * 16).to_le_bytes());
    for (signature, id) in rows {
        out.extend(signature.to_le_bytes());
        out.extend([0; 8]);
        out.extend(id.to_le_bytes());
        out.extend([0; 2]);
    }
    out.extend([0; 16]);
    for patch in patches {
        out.extend(section(patch));
    }
    out
}

/// A patch with its section header.
pub fn section(patch: &[u8]) -> Vec<u8> {
    let mut out = 1u32.to_le_bytes().to_vec();
    out.extend(number(patch.len()).to_le_bytes());
    out.extend(patch);
    out
}

/// A member of a newc archive with its padding.
pub fn member(name: &str, mode: u32, data: &[u8]) -> Vec<u8> {
    let mut out = format!("070701{:08x}{mode:08x}", 3).into_bytes();
    let fields = [0, 0, 1, 0, data.len(), 0, 0, 0, 0, name.len() + 1, 0];
    out.extend(fields.iter().flat_map(|field| format!("{field:08x}").into_bytes()));
    out.extend(name.bytes().chain([0]));
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend(data);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

/// A regular file in a newc archive.
pub fn file(name: &str, data: &[u8]) -> Vec<u8> {
    member(name, 0o100_644, data)
}

/// Where Linux looks for the updates of a vendor.
pub const INTEL: &str = "kernel/x86/microcode/GenuineIntel.bin";
/// The same for AMD.
pub const AMD: &str = "kernel/x86/microcode/AuthenticAMD.bin";

/// An initrd with one file at its front, then a trailer and something compressed.
pub fn initrd(name: &str, data: &[u8]) -> Vec<u8> {
    [file(name, data), trailer()].concat()
}

/// The end of an archive, and the begin of a gzip stream.
pub fn trailer() -> Vec<u8> {
    let mut out = file("TRAILER!!!", b"");
    out.resize(out.len().next_multiple_of(512), 0);
    out.extend([0x1f, 0x8b, 8, 0]);
    out.resize(out.len() + 400, 0x55);
    out
}

/// Identity of some bytes.
pub fn sha256(bytes: &[u8]) -> Sha256 {
    Sha256::of(bytes)
}
