//! Microcode made up for tests, and the mutations of the robustness figures.
#![allow(dead_code)]

fn words(bytes: &[u8]) -> u32 {
    let (words, _) = bytes.as_chunks::<4>();
    words
        .iter()
        .fold(0, |sum: u32, word| sum.wrapping_add(u32::from_le_bytes(*word)))
}

/// An Intel update in the making.
#[derive(Clone)]
pub struct Intel {
    signature: u32,
    platforms: u32,
    revision: u32,
    total: usize,
    extended: Vec<(u32, u32)>,
    count: Option<u32>,
}

impl Intel {
    /// 1024 bytes.
    pub fn new(signature: u32, platforms: u32, revision: u32) -> Self {
        Self {
            signature,
            platforms,
            revision,
            total: 1024,
            extended: Vec::new(),
            count: None,
        }
    }

    /// Another size.
    pub fn total(self, total: usize) -> Self {
        Self { total, ..self }
    }

    /// One more CPU, in the extended signature table.
    pub fn also(mut self, signature: u32, platforms: u32) -> Self {
        self.extended.push((signature, platforms));
        self
    }

    /// Another count in the extended table than it has entries.
    pub fn count(self, count: u32) -> Self {
        let count = Some(count);
        Self { count, ..self }
    }

    /// Its bytes with all checksums right.
    pub fn build(&self) -> Vec<u8> {
        let table = if self.extended.is_empty() {
            0
        } else {
            20 + 12 * self.extended.len()
        };
        let data = self.total - 48 - table;
        let header = [
            1,
            self.revision,
            0x0304_2026,
            self.signature,
            0,
            1,
            self.platforms,
            u32::try_from(data).unwrap(),
            u32::try_from(self.total).unwrap(),
            0,
            0,
            0,
        ];
        let mut bytes: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.extend((0..data).map(|at| u8::try_from(at * 7 % 251).unwrap()));
        let checksum = words(&bytes).wrapping_neg();
        bytes[16..20].copy_from_slice(&checksum.to_le_bytes());
        if table > 0 {
            let own = self.signature.wrapping_add(self.platforms).wrapping_add(checksum);
            let count = self.count.unwrap_or(u32::try_from(self.extended.len()).unwrap());
            let mut table = vec![count, 0, 0, 0, 0];
            for (signature, platforms) in &self.extended {
                let rest = own.wrapping_sub(*signature).wrapping_sub(*platforms);
                table.extend([*signature, *platforms, rest]);
            }
            table[1] = table
                .iter()
                .fold(0u32, |sum, word| sum.wrapping_add(*word))
                .wrapping_neg();
            bytes.extend(table.iter().flat_map(|word| word.to_le_bytes()));
        }
        bytes
    }
}

/// An AMD patch of `size` bytes; `field` is the checksum or minimum revision.
pub fn amd_patch(id: u16, revision: u32, field: u32, size: usize) -> Vec<u8> {
    let mut bytes = vec![0x26, 0x20, 0x04, 0x03];
    bytes.extend(revision.to_le_bytes());
    bytes.extend([2, 0x80, 0, 0]);
    bytes.extend(field.to_le_bytes());
    bytes.resize(24, 0);
    bytes.extend(id.to_le_bytes());
    bytes.resize(64, 0);
    bytes.resize(size, 0x5a);
    bytes
}

/// An AMD container.
pub fn amd_container(rows: &[(u32, u16)], patches: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"DMA\0\0\0\0\0".to_vec();
    bytes.extend(u32::try_from((rows.len() + 1) * 16).unwrap().to_le_bytes());
    for (signature, id) in rows {
        bytes.extend(signature.to_le_bytes());
        bytes.extend([0; 8]);
        bytes.extend(id.to_le_bytes());
        bytes.extend([0; 2]);
    }
    bytes.extend([0; 16]);
    for patch in patches {
        bytes.extend(1u32.to_le_bytes());
        bytes.extend(u32::try_from(patch.len()).unwrap().to_le_bytes());
        bytes.extend(patch);
    }
    bytes
}

/// A cpio archive of one file, and what a compressed initrd begins with behind it.
pub fn cpio(name: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, data) in [(name, data), ("TRAILER!!!", &b""[..])] {
        bytes.extend(b"070701");
        let fields = [1, 0o100_644, 0, 0, 1, 0, data.len(), 0, 0, 0, 0, name.len() + 1, 0];
        bytes.extend(fields.iter().flat_map(|field| format!("{field:08x}").into_bytes()));
        bytes.extend(name.bytes().chain([0]));
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes.extend([0x28, 0xb5, 0x2f, 0xfd]);
    bytes.extend([9; 200]);
    bytes
}

/// The archive with the file of Intel CPUs.
pub fn intel_cpio(data: &[u8]) -> Vec<u8> {
    cpio("kernel/x86/microcode/GenuineIntel.bin", data)
}

/// One of seven mutations, by a number of its own.
pub fn mutate(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below.max(1)).unwrap()).unwrap()
    };
    let mut out = bytes.to_vec();
    let at = random(out.len());
    let length = random(64).min(out.len() - at);
    match random(7) {
        0 => out[at] ^= 1 << random(8),
        1 => {
            let at = random(out.len().min(160));
            out[at] = u8::try_from(random(256)).unwrap();
        }
        2 => out.truncate(at),
        3 => {
            let again = out[at..].to_vec();
            out.extend(again);
        }
        4 => out[at..at + length].fill(0),
        5 => {
            let at = at / 4 * 4;
            let word = [0, 1, 0xffff_ffff, 0x7fff_ffff, 0x10000][random(5)];
            for (place, byte) in out.iter_mut().skip(at).zip(u32::to_le_bytes(word)) {
                *place = byte;
            }
        }
        _ => {
            let extra = vec![u8::try_from(random(256)).unwrap(); length];
            out.splice(at..at, extra);
        }
    }
    out
}
