//! Featuresets of Xen: words of feature bits in a fixed order, joined by `:` (`xen-cpuid`,
//! `xl info`) or `-` (`xe host-cpu-info` of XenServer and XCP-ng).
//!
//! ```text
//! Host                            178bf3fd:f6d83203:2dd3fbfd:00000177:00000005:219c03a9:0040000c:…
//! features_hvm: 17cbfbff-f7fa3223-2d93fbff-00000103-00000001-000007ab-…
//! ```
//! Their order is that of cpufeatureset.h. A featureset tells of features only: [`CpuLeaves::partial`].

use super::scan::{Cursor, numbered_lines};
use crate::bits::{Register, Word, halves};
use crate::damage::{DamageLog, Decoded};
use crate::leaf::{Leaf, Registers, Subleaf};
use crate::leafset::{CpuLeaves, LeafSet};

/// Words of a featureset in their order: CPUID words, and the two halves of MSR 0x10a.
pub const WORDS: [Word; 19] = [
    Word::cpuid(1, 0, Register::Edx),
    Word::cpuid(1, 0, Register::Ecx),
    Word::cpuid(0x8000_0001, 0, Register::Edx),
    Word::cpuid(0x8000_0001, 0, Register::Ecx),
    Word::cpuid(0xd, 1, Register::Eax),
    Word::cpuid(7, 0, Register::Ebx),
    Word::cpuid(7, 0, Register::Ecx),
    Word::cpuid(0x8000_0007, 0, Register::Edx),
    Word::cpuid(0x8000_0008, 0, Register::Ebx),
    Word::cpuid(7, 0, Register::Edx),
    Word::cpuid(7, 1, Register::Eax),
    Word::cpuid(0x8000_0021, 0, Register::Eax),
    Word::cpuid(7, 1, Register::Ebx),
    Word::cpuid(7, 2, Register::Edx),
    Word::cpuid(7, 1, Register::Ecx),
    Word::cpuid(7, 1, Register::Edx),
    Word::msr(0x10a, Register::Eax),
    Word::msr(0x10a, Register::Edx),
    Word::cpuid(0x8000_0021, 0, Register::Ecx),
];

/// Words a line must have to be known as a featureset among other text.
const KNOWN_BY: usize = 5;

/// Featuresets of one text.
const SET_LIMIT: usize = 4096;

/// Words of 1 to 8 hexadecimal digits with `:` or `-` between them, all the same; of a word that is none,
/// its place from 0.
fn words(text: &str) -> Result<Vec<u32>, usize> {
    let between = if text.contains(':') { ':' } else { '-' };
    let read = |(place, word): (usize, &str)| {
        let mut cursor = Cursor::new(word);
        cursor.hex().filter(|_| cursor.rest().is_empty()).ok_or(place)
    };
    text.split(between)
        .take(WORDS.len().saturating_add(1))
        .enumerate()
        .map(read)
        .collect()
}

/// A featureset as a user writes it: 1 to 19 words. `None` when it is none.
///
/// ```
/// use cpuid_db::formats::featureset;
/// assert_eq!(featureset::read("178bfbff:7efa320b"), Some(vec![0x178b_fbff, 0x7efa_320b]));
/// assert_eq!(featureset::read("178bfbff-7efa320b"), Some(vec![0x178b_fbff, 0x7efa_320b]));
/// assert_eq!(featureset::read("hello"), None);
/// ```
#[must_use]
pub fn read(text: &str) -> Option<Vec<u32>> {
    words(text.trim()).ok().filter(|words| words.len() <= WORDS.len())
}

/// The last blank-separated word of a line when it looks like a featureset: 5 or more groups, most of
/// 8 digits.
fn candidate(line: &str) -> Option<&str> {
    let text = line.split_ascii_whitespace().next_back()?;
    let between = if text.contains(':') { ':' } else { '-' };
    let is_whole = |group: &&str| group.len() == 8 && group.bytes().all(|byte| byte.is_ascii_hexdigit());
    // a line of any length is looked at no further than this
    let groups = text.split(between).take(64).count();
    let whole = text.split(between).take(64).filter(is_whole).count();
    (groups >= KNOWN_BY && whole >= KNOWN_BY && whole.saturating_add(1) >= groups).then_some(text)
}

/// Whether a trimmed line holds a featureset.
pub(crate) fn is_row(line: &str) -> bool {
    candidate(line).is_some_and(|text| read(text).is_some())
}

/// A processor that has these words, and nothing else known of it.
#[must_use]
pub fn cpu(words: &[u32]) -> CpuLeaves {
    let mut cpu = CpuLeaves::new(0);
    let mut rows: Vec<((Leaf, Subleaf), Registers)> = Vec::new();
    let mut msrs: Vec<(u32, u64)> = Vec::new();
    for (&word, &value) in WORDS.iter().zip(words) {
        match word.place {
            crate::bits::Place::Leaf(leaf) => {
                let key = (Leaf(leaf), word.subleaf);
                let at = rows.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
                    rows.push((key, Registers::default()));
                    rows.len().saturating_sub(1)
                });
                if let Some((_, registers)) = rows.get_mut(at) {
                    *word.register.of_mut(registers) = value;
                }
            }
            crate::bits::Place::Msr(index) => {
                let value = u64::from(value);
                match msrs.iter_mut().find(|(known, _)| *known == index) {
                    Some((_, low)) => *low |= value << 32,
                    None => msrs.push((index, value)),
                }
            }
        }
    }
    for ((leaf, subleaf), registers) in rows {
        cpu.insert(leaf, subleaf, registers);
    }
    for (index, value) in msrs {
        cpu.insert_msr(index, value);
    }
    cpu.partial = true;
    cpu
}

/// The words of a processor, all 19.
#[must_use]
pub fn of(cpu: &CpuLeaves) -> [u32; 19] {
    WORDS.map(|word| match word.place {
        crate::bits::Place::Leaf(leaf) => cpu
            .get(Leaf(leaf), word.subleaf)
            .map_or(0, |registers| word.register.of(registers)),
        crate::bits::Place::Msr(index) => {
            let [low, high] = halves(cpu.msr(index).unwrap_or(0));
            if word.register == Register::Eax { low } else { high }
        }
    })
}

/// The featuresets of a text by the name before them, in its order.
#[must_use]
pub fn parse(text: &str) -> Decoded<Vec<(String, Vec<u32>)>> {
    let mut sets = Vec::new();
    let mut damage = DamageLog::default();
    for (number, line) in numbered_lines(text) {
        let Some(found) = candidate(line).or_else(|| (text.trim() == line && read(line).is_some()).then_some(line))
        else {
            continue;
        };
        let expected = "1 to 19 words of hexadecimal digits, joined by `:` or `-`";
        match words(found) {
            Ok(words) if words.len() > WORDS.len() => damage.note(number, expected, line),
            Ok(words) if sets.len() < SET_LIMIT => {
                let name = line.strip_suffix(found).unwrap_or_default();
                let name = name.trim().trim_end_matches(':').trim_end();
                sets.push((name.chars().take(80).collect(), words));
            }
            Ok(_) => {
                damage.note(number, "the featuresets of one machine", "more: the rest is not read");
                break;
            }
            Err(_) => damage.note(number, expected, line),
        }
    }
    Decoded {
        value: sets,
        damage: damage.finish(),
    }
}

/// The text as a dump of one CPU: the featureset of the host, else the raw one, else the first.
pub(super) fn parse_set(text: &str) -> Decoded<LeafSet> {
    let decoded = parse(text);
    let named = |wanted: &str| decoded.value.iter().find(|(name, _)| name == wanted);
    let chosen = ["Host", "features", "hw_caps", "Raw"]
        .into_iter()
        .find_map(named)
        .or_else(|| decoded.value.first());
    Decoded {
        value: chosen.map(|(_, words)| cpu(words)).into_iter().collect(),
        damage: decoded.damage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "nr_features: 19\n\nDynamic sets:\n\
        Raw                             00000001:00000002:00000003:00000004:00000005:00000006\n\
        Host                            00000011:00000012:00000013:00000014:00000015:00000016\n";

    #[test]
    fn sets_have_names_and_the_host_is_preferred() {
        let decoded = parse(TEXT);
        assert_eq!(decoded.damage, []);
        assert_eq!(decoded.value[0].0, "Raw");
        let set = parse_set(TEXT).value;
        let cpu = set.first().unwrap();
        assert!(cpu.partial);
        assert_eq!(cpu.row(Leaf(1), Subleaf(0)), Some(Registers::new(0, 0, 0x12, 0x11)));
        assert_eq!(cpu.row(Leaf(0xd), Subleaf(1)).unwrap().eax, 0x15);
    }

    #[test]
    fn the_order_is_that_of_xen() {
        assert_eq!(WORDS, crate::xen::featureset::ORDER.map(|place| place.word));
    }

    #[test]
    fn words_of_a_processor_come_back() {
        let words: Vec<u32> = (1..=19).collect();
        assert_eq!(of(&cpu(&words)).to_vec(), words);
        assert_eq!(cpu(&words).msr(0x10a), Some(0x12_0000_0011));
    }

    #[test]
    fn a_word_that_is_none_is_reported() {
        let decoded = parse(&TEXT.replace("00000014", "0000001z"));
        assert_eq!(decoded.damage[0].line, 5);
        assert_eq!(decoded.value.len(), 1);
    }

    #[test]
    fn addresses_and_dates_are_no_featuresets() {
        for line in [
            "52:54:00:12:34:56",
            "2026-01-02",
            "CPUID 00000001: 00000001-00000002-00000003-00000004",
        ] {
            assert!(!is_row(line), "{line}");
        }
        assert!(is_row(
            "hw_caps : 178bf3fd:f6d83203:2c500800:00000177:00000005:219c03a9"
        ));
        assert!(is_row("features_hvm: 17cbfbff-f7fa3223-2d93fbff-00000103-00000001"));
    }
}
