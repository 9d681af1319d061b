//! Random files: updates, containers and archives that are mostly right, with odd sizes, and damage.
#![allow(clippy::indexing_slicing)]

use super::linux_inputs::{
    AMD, INTEL, chipset_patch, container, file, intel, intel_default_size, member, patch, trailer, with_word,
};

/// Xorshift numbers.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 11).unwrap_or(0) % end
    }

    /// Once in `of` times.
    pub fn once(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    pub fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    pub fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// One damage of the kinds that mutation tests use.
pub fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let at = random.below(bytes.len());
    let end = (at + 1 + random.below(200)).min(bytes.len());
    match random.below(9) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.pick(&[0, 1, 0x30, 0x44, 0xff, 0x7f]),
        2 => bytes.truncate(at),
        3 => {
            let part = bytes[at..end].to_vec();
            bytes.splice(at..at, part);
        }
        4 => bytes[at..end].fill(0),
        5 => {
            let word: u32 = random.pick(&[0, 1, 16, 48, 64, 1024, 2048, 0xffff_ffff, 0x7fff_ffff, 0x1000]);
            let at = at & !3;
            if let Some(place) = bytes.get_mut(at..at + 4) {
                place.copy_from_slice(&word.to_le_bytes());
            }
        }
        6 => bytes.insert(at, random.byte()),
        7 => bytes.resize(bytes.len() + random.pick(&[1, 4, 47, 48, 512, 2048]), 0),
        _ => {
            let at = random.below(bytes.len().min(140));
            bytes[at] = random.byte();
        }
    }
}

/// Intel signatures; 619h stands before the CPUs with a platform to read, 650h is the first of them.
pub const INTEL_CPUS: [u32; 6] = [0xb0671, 0xb0671, 0xb0671, 0xb0674, 0x619, 0x650];

pub fn intel_file(random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..=random.below(4) {
        let signature = random.pick(&INTEL_CPUS);
        let platforms = random.pick(&[0, 3, 0xff, 0xff, 0x32, 0x80]);
        let revision = random.pick(&[1, 2, 3, 5, 0x8000_0001]);
        if random.once(8) {
            out.extend(intel_default_size(signature, platforms, revision));
            continue;
        }
        let mut update = intel(signature, platforms, revision);
        update.minimum = random.pick(&[0, 0, 1, 2, 4]);
        update.total = random.pick(&[1024, 1024, 256, 1000]);
        for _ in 0..random.pick(&[0, 0, 1, 2, 3]) {
            let further = (random.pick(&INTEL_CPUS), random.pick(&[0, 1, 2, 0x32]));
            update.extended.push(further);
        }
        update.header_version = if random.once(120) { 2 } else { 1 };
        update.loader_version = if random.once(120) { 2 } else { 1 };
        let mut bytes = update.build();
        if random.once(50) {
            let at = random.pick(&[28, 32, 36, 40, 0, 20, 12, 24]);
            bytes = with_word(bytes, at, random.pick(&[0, 1, 16, 964, 932, 1024, 948, 2048]));
        }
        out.extend(bytes);
    }
    out
}

/// Signatures and processor ids of families 10h, 14h, 15h, 19h and 17h.
pub const AMD_CPUS: [(u32, u16); 7] = [
    (0x0010_0f22, 0x1022),
    (0x0010_0f42, 0x1041),
    (0x0050_0f10, 0x5010),
    (0x0060_0f12, 0x6012),
    (0x00a2_0f10, 0xa210),
    (0x00a2_0f12, 0xa212),
    (0x0080_0f12, 0x8012),
];

/// A patch level of a CPU, about its cut-off.
pub fn level(random: &mut Random, cpu: (u32, u16)) -> u32 {
    match cpu.1 {
        0xa210 => random.pick(&[
            0x0a20_102e,
            0x0a20_102f,
            0x0a20_1030,
            0x0a20_1031,
            0x0a20_1035,
            0x0a2f_1036,
        ]),
        0xa212 => random.pick(&[0x0a20_1211, 0x0a20_1212, 0x0a20_1213]),
        0x8012 => random.pick(&[0x0800_1276, 0x0800_1277, 0x0800_1278]),
        _ => random.pick(&[1, 2, 3, 4, 5]),
    }
}

pub fn amd_file(random: &mut Random, own: (u32, u16)) -> Vec<u8> {
    let mut out = Vec::new();
    let cpu = |random: &mut Random| if random.once(2) { own } else { random.pick(&AMD_CPUS) };
    for _ in 0..random.pick(&[1, 1, 2, 3]) {
        let mut rows = Vec::new();
        for _ in 0..random.below(6) {
            let (signature, id) = cpu(random);
            let other = random.pick(&AMD_CPUS).1;
            rows.push(match random.below(16) {
                0 | 1 => (signature, other),
                2 => (0, 0),
                _ => (signature, id),
            });
        }
        let mut patches = Vec::new();
        for _ in 0..random.below(5) {
            let cpu = cpu(random);
            let id = if random.once(12) {
                random.pick(&AMD_CPUS).1
            } else {
                cpu.1
            };
            let level = level(random, cpu);
            let length = random.pick(&[64, 128, 960, 960, 512, 1824, 1825, 2048, 2049, 3200, 101]);
            patches.push(if random.once(60) {
                chipset_patch(id, level)
            } else {
                patch(id, level, length)
            });
        }
        let mut bytes = container(&rows, &patches);
        if random.once(40) {
            let at = random.below(12);
            bytes[at] = random.byte();
        }
        if random.once(40) {
            bytes.resize(bytes.len() + random.below(64), 0);
        }
        out.extend(bytes);
    }
    out
}

/// An initrd with the file somewhere at its front.
pub fn image(random: &mut Random, is_amd: bool, data: &[u8]) -> Vec<u8> {
    let path = if is_amd { AMD } else { INTEL };
    let mut out = Vec::new();
    if random.once(4) {
        out.resize(random.pick(&[4, 8, 3, 512]), 0);
    }
    for _ in 0..random.below(3) {
        let name = random.pick(&[
            "early_cpio",
            "kernel",
            "TRAILER!!!",
            "kernel/x86/microcode/.enuineIntel.align.0123",
            "./kernel/x86/microcode/GenuineIntel.bin",
        ]);
        let mode = random.pick(&[0o100_644, 0o40_755]);
        out.extend(member(name, mode, &vec![1; random.below(9)]));
        if random.once(3) {
            out.resize(out.len() + 4 * random.below(40), 0);
        }
    }
    let name = match random.below(10) {
        0 => format!("./{path}"),
        1 => format!("{path}x"),
        2 => path.trim_end_matches('n').to_owned(),
        _ => path.to_owned(),
    };
    let mode = random.pick(&[0o100_644, 0o100_644, 0o100_644, 0o100_600, 0o120_777]);
    out.extend(member(&name, mode, data));
    if random.once(3) {
        out.extend(file(path, data));
    }
    if random.once(2) {
        out.extend(trailer());
    }
    out
}
