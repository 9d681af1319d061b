//! `/proc/cpuinfo` of Linux on x86: what of it stands for CPUID.
//!
//! The kernel shows its own view: names for most feature bits, but some it hides, some it clears, and many
//! that no register has. So every CPU of it is [`CpuLeaves::partial`](crate::CpuLeaves::partial), and gives
//! leaf 0 (vendor and highest leaf), leaf 1 (signature, CLFLUSH size, initial APIC id, flags), the words of
//! the other flags, and the brand string as the kernel tidied it. Flags that are no bit of a register
//! (`constant_tsc`, `rep_good`) are listed apart.

use std::collections::BTreeSet;

use super::builder::Builder;
use super::scan::numbered_lines;
use crate::bits::{Place, Words};
use crate::damage::{Damage, Decoded};
use crate::database::{Database, Vendors};
use crate::dialect::Dialect;
use crate::leaf::{Leaf, Registers, Subleaf};
use crate::leafset::LeafSet;

/// Flags that are kept as unknown; the kernel has some 400 names.
const UNKNOWN_LIMIT: usize = 1000;

/// Longest brand string of leaves 0x80000002 to 0x80000004.
const BRAND: usize = 48;

/// What `/proc/cpuinfo` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cpuinfo {
    /// The CPUs.
    pub set: LeafSet,
    /// Flags that are no bit of a register, or that several bits could be.
    pub unknown_flags: BTreeSet<String>,
}

/// Whether a trimmed line belongs to this format and no other.
pub(crate) fn is_row(line: &str) -> bool {
    let Some((name, value)) = field(line) else { return false };
    match name {
        "processor" => line.starts_with("processor\t") && value.parse::<u32>().is_ok(),
        "vendor_id" => line.starts_with("vendor_id\t") && vendor_name(value).is_some(),
        _ => false,
    }
}

/// Name and value; the value without its first blank only, since `vendor_id` may begin with blanks.
fn field(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    Some((name.trim_end(), value.strip_prefix(' ').unwrap_or(value)))
}

/// The 12 characters of leaf 0; blanks at the end are cut with the line.
fn vendor_name(value: &str) -> Option<[u8; 12]> {
    let mut name = [b' '; 12];
    let value = value.as_bytes();
    if !(10..=12).contains(&value.len()) {
        return None;
    }
    for (place, byte) in name.iter_mut().zip(value) {
        *place = *byte;
    }
    Some(name)
}

/// Reads the text with the built-in table of names.
#[must_use]
pub fn read(text: &str) -> Decoded<Cpuinfo> {
    let mut reader = Reader::default();
    for (number, line) in numbered_lines(text) {
        reader.line(number, line);
    }
    reader.flush();
    let decoded = reader.builder.finish();
    Decoded {
        value: Cpuinfo {
            set: decoded.value,
            unknown_flags: reader.unknown,
        },
        damage: decoded.damage,
    }
}

/// Reads the text; see [`read`].
#[must_use]
pub fn parse(text: &str) -> Decoded<LeafSet> {
    let decoded = read(text);
    Decoded {
        value: decoded.value.set,
        damage: decoded.damage,
    }
}

/// One block of the text.
#[derive(Default)]
struct Block<'a> {
    line: usize,
    number: Option<u32>,
    vendor: &'a str,
    level: Option<u32>,
    family: Option<u32>,
    model: Option<u32>,
    stepping: Option<u32>,
    brand: &'a str,
    flush: Option<u32>,
    apic_id: Option<u32>,
    flags: Option<&'a str>,
}

#[derive(Default)]
struct Reader<'a> {
    builder: Builder,
    block: Block<'a>,
    unknown: BTreeSet<String>,
    /// Flags and vendor of the CPU before, and their words: they are mostly the same.
    known: Option<((&'a str, &'a str), Words)>,
}

impl<'a> Reader<'a> {
    fn line(&mut self, number: usize, line: &'a str) {
        let Some((name, value)) = field(line) else { return };
        if name == "processor" {
            self.flush();
            self.block.line = number;
        }
        let block = &mut self.block;
        let place = match name {
            "processor" => &mut block.number,
            "cpuid level" => &mut block.level,
            "cpu family" => &mut block.family,
            "model" => &mut block.model,
            "stepping" => &mut block.stepping,
            "clflush size" => &mut block.flush,
            "initial apicid" => &mut block.apic_id,
            "vendor_id" => return block.vendor = value,
            "model name" => return block.brand = value.trim(),
            "flags" => return block.flags = Some(value.trim()),
            _ => return,
        };
        *place = value.trim().parse().ok();
        // -1 is a level the kernel does not know, `unknown` a stepping
        if place.is_none() && !matches!(value.trim(), "-1" | "unknown") {
            self.builder.damaged(number, "a decimal number", line);
        }
    }

    /// Makes a CPU of the block, when it is one of x86.
    fn flush(&mut self) {
        let block = std::mem::take(&mut self.block);
        let (Some(number), true) = (block.number, block.family.is_some() || block.flags.is_some()) else {
            return;
        };
        self.builder.cpu(number);
        self.builder.partial(block.line);
        if let (Some(name), Some(level)) = (vendor_name(block.vendor), block.level) {
            let [b0, b1, b2, b3, d0, d1, d2, d3, c0, c1, c2, c3] = name;
            let word = u32::from_le_bytes;
            let (ebx, ecx) = (word([b0, b1, b2, b3]), word([c0, c1, c2, c3]));
            let registers = Registers::new(level, ebx, ecx, word([d0, d1, d2, d3]));
            self.builder.row(block.line, Leaf(0), Subleaf(0), registers);
        }
        self.features(&block);
        self.brand(&block);
    }

    fn features(&mut self, block: &Block<'a>) {
        let key = (block.flags.unwrap_or_default(), block.vendor);
        if self.known.as_ref().is_none_or(|(known, _)| *known != key) {
            let words = self.words(key.0, key.1);
            self.known = Some((key, words));
        }
        let words = self.known.as_ref().map(|(_, words)| words.clone()).unwrap_or_default();
        let mut rows = std::collections::BTreeMap::<(u32, u32), Registers>::new();
        for (word, value) in words.iter() {
            if let Place::Leaf(leaf) = word.place {
                *word.register.of_mut(rows.entry((leaf, word.subleaf.0)).or_default()) = value;
            }
        }
        let one = rows.entry((1, 0)).or_default();
        one.eax = signature(block).unwrap_or(0);
        let flush = block.flush.filter(|bytes| bytes % 8 == 0 && *bytes < 2048).unwrap_or(0);
        let apic_id = block.apic_id.filter(|id| *id < 256).unwrap_or(0);
        one.ebx = (flush / 8) << 8 | apic_id << 24;
        for ((leaf, subleaf), registers) in rows {
            self.builder.row(block.line, Leaf(leaf), Subleaf(subleaf), registers);
        }
    }

    /// Words of the flags; those that are no bit are noted.
    fn words(&mut self, flags: &str, vendor: &str) -> Words {
        let database = Database::builtin();
        let vendors = vendors_of(vendor);
        let mut words = Words::default();
        for flag in flags.split_ascii_whitespace() {
            let fields = database.lookup(Dialect::Linux, flag);
            let mut bits = fields
                .iter()
                .filter(|field| !field.linux_hidden && field.vendors.overlaps(vendors))
                .filter(|field| field.names(Dialect::Linux).contains(&flag))
                .filter_map(|field| field.bit());
            match (bits.next(), bits.next()) {
                (Some(bit), None) if matches!(bit.word.place, Place::Leaf(_)) => words.set(bit, true),
                _ if self.unknown.len() < UNKNOWN_LIMIT => {
                    self.unknown.insert(flag.chars().take(40).collect());
                }
                _ => {}
            }
        }
        words
    }

    fn brand(&mut self, block: &Block<'a>) {
        let bytes = block.brand.as_bytes();
        if bytes.is_empty() || bytes.len() > BRAND || block.brand == "unknown" {
            return;
        }
        let mut padded = [0_u8; BRAND];
        for (place, byte) in padded.iter_mut().zip(bytes) {
            *place = *byte;
        }
        let (chunks, _) = padded.as_chunks::<4>();
        let words: Vec<u32> = chunks.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect();
        for (leaf, four) in (0x8000_0002..).zip(words.chunks(4)) {
            if let [eax, ebx, ecx, edx] = *four {
                let registers = Registers::new(eax, ebx, ecx, edx);
                self.builder.row(block.line, Leaf(leaf), Subleaf(0), registers);
            }
        }
    }
}

fn vendors_of(vendor: &str) -> Vendors {
    use crate::identity::Vendor;
    Vendors::of(match vendor {
        "GenuineIntel" => Vendor::Intel,
        "AuthenticAMD" => Vendor::Amd,
        "HygonGenuine" => Vendor::Hygon,
        "  Shanghai" | "CentaurHauls" => Vendor::Zhaoxin,
        "GenuineTMx86" | "TransmetaCPU" => Vendor::Transmeta,
        _ => Vendor::Other,
    })
}

/// EAX of leaf 1 from family, model and stepping as displayed.
fn signature(block: &Block<'_>) -> Option<u32> {
    let (family, model) = (block.family?, block.model?);
    let (base, extended) = if family > 15 {
        (15, family.checked_sub(15).filter(|extended| *extended < 256)?)
    } else {
        (family, 0)
    };
    let stepping = block.stepping.unwrap_or(0);
    (model < 256 && stepping < 16)
        .then_some(extended << 20 | (model >> 4) << 16 | base << 8 | (model & 15) << 4 | stepping)
}

/// The flags that are no bits, as one entry beside damaged lines.
#[must_use]
pub fn note_of_flags(cpuinfo: &Cpuinfo) -> Option<Damage> {
    let names: Vec<&str> = cpuinfo.unknown_flags.iter().map(String::as_str).collect();
    (!names.is_empty()).then(|| Damage {
        line: 0,
        expected: "flags that are bits of CPUID".to_owned(),
        seen: names.join(" "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Identity, Signature};

    const TEXT: &str = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 167\n\
        model name\t: Some Processor 5\nstepping\t: 1\nphysical id\t: 0\ninitial apicid\t: 2\ncpuid level\t: 36\n\
        flags\t\t: fpu pni constant_tsc avx2\nclflush size\t: 64\n\nprocessor\t: 1\nvendor_id\t: GenuineIntel\n\
        cpu family\t: 6\nmodel\t\t: 167\nstepping\t: 1\ninitial apicid\t: 3\ncpuid level\t: 36\nflags\t\t: fpu\n";

    #[test]
    fn blocks_are_partial_cpus() {
        let decoded = read(TEXT);
        assert_eq!(decoded.damage, []);
        let cpus = decoded.value.set.cpus();
        assert_eq!(cpus.len(), 2);
        assert!(cpus[0].partial);
        let identity = Identity::of(&cpus[0]);
        assert_eq!(identity.vendor_name.as_deref(), Some("GenuineIntel"));
        assert_eq!(identity.signature, Some(Signature(0x000a_0671)));
        assert_eq!(identity.brand.as_deref(), Some("Some Processor 5"));
        let one = cpus[0].leaf(1).unwrap();
        assert_eq!((one.ebx, one.ecx, one.edx), (0x0200_0800, 1, 1));
        assert_eq!(cpus[0].leaf(7).unwrap().ebx, 1 << 5);
    }

    #[test]
    fn flags_that_are_no_bits_are_listed() {
        let flags = read(TEXT).value.unknown_flags;
        assert_eq!(flags.into_iter().collect::<Vec<_>>(), ["constant_tsc"]);
    }

    #[test]
    fn other_architectures_are_no_cpus() {
        let text = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\n";
        assert!(read(text).value.set.is_empty());
    }

    #[test]
    fn a_number_that_is_none_is_damage() {
        let decoded = read(&TEXT.replace("model\t\t: 167\nmodel name", "model\t\t: x7\nmodel name"));
        assert_eq!(decoded.damage[0].line, 4);
        assert_eq!(decoded.value.set.cpus().len(), 2);
    }

    #[test]
    fn families_above_15_are_split() {
        let block = Block {
            family: Some(0x1a),
            model: Some(0x24),
            stepping: Some(0),
            ..Block::default()
        };
        assert_eq!(signature(&block), Some(0x00b2_0f40));
    }
}
