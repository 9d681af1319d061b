//! CPU caches: `/sys/devices/system/cpu/cpuN/cache/indexM`.
//!
//! Follows the kernel's `Documentation/ABI/testing/sysfs-devices-system-cpu`. A cache is read from
//! the first CPU that shares it; the other CPUs of its mask are not asked for the same index again.
//! The files are many: several threads read them ahead ([`ahead`]), and what they read is then
//! taken in the order of the CPUs, so that the result is that of one thread.

mod ahead;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::CpuSet;
use super::cpu::ROOT;
use super::reader::Reader;
use super::topology::{Cache, CacheKind};
use ahead::Texts;
pub use ahead::{Ahead, ahead};

/// Highest `indexM` looked for; machines have four or five caches per CPU.
const MOST_INDEXES: usize = 16;

/// Reads the caches of the online CPUs, sorted by level, kind and CPUs; `ahead` is what was read
/// of them before.
pub fn read(reader: &mut Reader<'_>, online: &CpuSet, ahead: Ahead) -> Vec<Cache> {
    let mut walk = Walk {
        ahead,
        covered: Vec::new(),
        met: BTreeSet::new(),
        caches: Vec::new(),
    };
    for cpu in online.iter() {
        walk.visit(reader, cpu, online);
    }
    let mut caches = walk.caches;
    if caches.is_empty() {
        caches = online.iter().flat_map(|cpu| read_sparc(reader, cpu)).collect();
    }
    caches.sort_by(|a, b| (a.level, a.kind, &a.cpus).cmp(&(b.level, b.kind, &b.cpus)));
    caches
}

/// Caches that SPARC kernels describe by files in the CPU's own directory, in bytes and without
/// a word on sharing (`arch/sparc/kernel/sysfs.c`).
const SPARC: &[(&str, u8, CacheKind)] = &[
    ("l1_dcache", 1, CacheKind::Data),
    ("l1_icache", 1, CacheKind::Instruction),
    ("l2_cache", 2, CacheKind::Unified),
];

fn read_sparc(reader: &mut Reader<'_>, cpu: u32) -> Vec<Cache> {
    let mut caches = Vec::new();
    for &(name, level, kind) in SPARC {
        let Some(size) = read_size(reader, &format!("{ROOT}/cpu{cpu}/{name}_size")) else {
            break;
        };
        caches.push(Cache {
            level,
            kind,
            size: Some(size),
            line: reader.number(&format!("{ROOT}/cpu{cpu}/{name}_line_size")),
            ways: None,
            cpus: CpuSet::single(cpu),
        });
    }
    caches
}

struct Walk {
    ahead: Ahead,
    /// For each index, CPUs in the mask of an earlier CPU.
    covered: Vec<CpuSet>,
    met: BTreeSet<(u8, CacheKind, CpuSet)>,
    caches: Vec<Cache>,
}

impl Walk {
    /// Tries every index met so far and those that follow without a gap.
    fn visit(&mut self, reader: &mut Reader<'_>, cpu: u32, online: &CpuSet) {
        for index in 0..MOST_INDEXES {
            if self.covered.get(index).is_some_and(|cpus| cpus.contains(cpu)) {
                continue;
            }
            let texts = self
                .ahead
                .take(cpu, index)
                .unwrap_or_else(|| Texts::read(reader, cpu, index));
            let there = texts.is_some();
            if let Some(texts) = texts {
                self.add(reader, &texts, cpu, index, online);
            }
            if !there && index >= self.covered.len() {
                break;
            }
        }
    }

    /// Adds one cache.
    fn add(&mut self, reader: &mut Reader<'_>, texts: &Texts, cpu: u32, index: usize, online: &CpuSet) {
        let directory = format!("{ROOT}/cpu{cpu}/cache/index{index}");
        let level = number(reader, &directory, "level", texts.level.as_deref()).filter(|level| *level > 0);
        let (Some(kind), Some(level)) = (kind_of(&texts.kind), level) else {
            let expected = "a level from 1 and a type Data, Instruction or Unified";
            reader.damaged(&directory, expected, &texts.kind);
            return;
        };
        let cpus = shared_cpus(reader, &directory, texts, cpu).intersection(online);
        while self.covered.len() <= index {
            self.covered.push(CpuSet::new());
        }
        if let Some(covered) = self.covered.get_mut(index) {
            covered.union_with(&cpus);
        }
        if self.met.insert((level, kind, cpus.clone())) {
            let size = texts.size.as_deref();
            let line = texts.line.as_deref();
            let ways = texts.ways.as_deref();
            self.caches.push(Cache {
                level,
                kind,
                size: size.and_then(|text| size_in(reader, format_args!("{directory}/size"), text)),
                line: number(reader, &directory, "coherency_line_size", line).filter(|line| *line > 0),
                ways: number(reader, &directory, "ways_of_associativity", ways),
                cpus,
            });
        }
    }
}

/// The number in the text of a file.
fn number<T: FromStr>(reader: &mut Reader<'_>, directory: &str, name: &str, text: Option<&str>) -> Option<T> {
    reader.number_in(format_args!("{directory}/{name}"), text?)
}

/// CPUs that share the cache; the CPU alone when the kernel does not say.
fn shared_cpus(reader: &mut Reader<'_>, directory: &str, texts: &Texts, cpu: u32) -> CpuSet {
    let map = format!("{directory}/shared_cpu_map");
    let mask = texts.map.as_deref();
    let mask = mask.and_then(|text| reader.cpu_mask_in(format_args!("{map}"), text));
    let cpus = mask.or_else(|| {
        let list = texts.list.as_deref()?;
        reader.cpu_list_in(format_args!("{directory}/shared_cpu_list"), list)
    });
    match cpus {
        Some(cpus) if cpus.contains(cpu) => cpus,
        Some(cpus) => {
            reader.damaged(&map, &format!("CPU {cpu} itself among the CPUs"), &cpus.to_string());
            CpuSet::single(cpu)
        }
        None => CpuSet::single(cpu),
    }
}

fn kind_of(text: &str) -> Option<CacheKind> {
    match text {
        "Data" => Some(CacheKind::Data),
        "Instruction" => Some(CacheKind::Instruction),
        "Unified" => Some(CacheKind::Unified),
        _ => None,
    }
}

/// A size as "32K"; a size of 0 is none.
fn read_size(reader: &mut Reader<'_>, path: &str) -> Option<u64> {
    let text = reader.text(path)?;
    size_in(reader, format_args!("{path}"), &text)
}

fn size_in(reader: &mut Reader<'_>, path: fmt::Arguments<'_>, text: &str) -> Option<u64> {
    let size = parse_size(text);
    if size.is_none() {
        reader.damaged(&path.to_string(), "a size as 32K", text);
    }
    size.filter(|size| *size > 0)
}

/// Bytes of a size written with K, M, G or nothing after the number.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(['K', 'M', 'G']);
    let unit = match text.strip_prefix(digits)? {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain {
        digits.parse::<u64>().ok()?.checked_mul(unit)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::parse_size;

    #[test]
    fn sizes_are_powers_of_1024_and_nothing_else_is_a_size() {
        assert_eq!(parse_size("32K"), Some(32_768));
        assert_eq!(parse_size("28160K"), Some(28_835_840));
        assert_eq!(parse_size("16M"), Some(16_777_216));
        assert_eq!(parse_size("512"), Some(512));
        for bad in ["", "K", "32KK", "-1K", "+1K", "32 K", "99999999999999999G"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }
}
