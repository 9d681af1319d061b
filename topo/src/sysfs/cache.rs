//! CPU caches: `/sys/devices/system/cpu/cpuN/cache/indexM`.
//!
//! Follows the kernel's `Documentation/ABI/testing/sysfs-devices-system-cpu`. A cache is read from
//! the first CPU that shares it; the other CPUs of its mask are not asked for the same index again.

use std::collections::BTreeSet;

use super::CpuSet;
use super::cpu::ROOT;
use super::reader::Reader;
use super::topology::{Cache, CacheKind};

/// Highest `indexM` looked for; machines have four or five caches per CPU.
const MOST_INDEXES: usize = 16;

/// Reads the caches of the online CPUs, sorted by level, kind and CPUs.
pub fn read(reader: &mut Reader<'_>, online: &CpuSet) -> Vec<Cache> {
    let mut walk = Walk {
        share_file: "",
        covered: Vec::new(),
        met: BTreeSet::new(),
        caches: Vec::new(),
    };
    for cpu in online.iter() {
        walk.visit(reader, cpu, online);
    }
    let mut caches = walk.caches;
    caches.sort_by(|a, b| (a.level, a.kind, &a.cpus).cmp(&(b.level, b.kind, &b.cpus)));
    caches
}

struct Walk {
    /// File that tells the sharing CPUs; empty until the first cache is met.
    share_file: &'static str,
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
            let directory = format!("{ROOT}/cpu{cpu}/cache/index{index}");
            let there = self.read_one(reader, &directory, index, cpu, online);
            if !there && index >= self.covered.len() {
                break;
            }
        }
    }

    /// Reads one cache. Returns whether there is one.
    fn read_one(&mut self, reader: &mut Reader<'_>, directory: &str, index: usize, cpu: u32, online: &CpuSet) -> bool {
        let Some(kind) = reader.text(&format!("{directory}/type")) else {
            return false;
        };
        let level = reader
            .number::<u8>(&format!("{directory}/level"))
            .filter(|level| *level > 0);
        let (Some(kind), Some(level)) = (kind_of(&kind), level) else {
            reader.damaged(
                directory,
                "a level from 1 and a type Data, Instruction or Unified",
                &kind,
            );
            return true;
        };
        let cpus = self.shared_cpus(reader, directory, cpu).intersection(online);
        while self.covered.len() <= index {
            self.covered.push(CpuSet::new());
        }
        if let Some(covered) = self.covered.get_mut(index) {
            covered.union_with(&cpus);
        }
        if self.met.insert((level, kind, cpus.clone())) {
            self.caches.push(Cache {
                level,
                kind,
                size: read_size(reader, &format!("{directory}/size")),
                line: reader
                    .number(&format!("{directory}/coherency_line_size"))
                    .filter(|line| *line > 0),
                ways: reader.number(&format!("{directory}/ways_of_associativity")),
                cpus,
            });
        }
        true
    }

    /// CPUs that share the cache; the CPU alone when the kernel does not say.
    fn shared_cpus(&mut self, reader: &mut Reader<'_>, directory: &str, cpu: u32) -> CpuSet {
        if self.share_file.is_empty() {
            let lists = reader.source.exists(&format!("{directory}/shared_cpu_list"));
            self.share_file = if lists { "shared_cpu_list" } else { "shared_cpu_map" };
        }
        let list = format!("{directory}/shared_cpu_list");
        let map = format!("{directory}/shared_cpu_map");
        let cpus = if self.share_file == "shared_cpu_list" {
            reader.cpu_list(&list).or_else(|| reader.cpu_mask(&map))
        } else {
            reader.cpu_mask(&map).or_else(|| reader.cpu_list(&list))
        };
        match cpus {
            Some(cpus) if cpus.contains(cpu) => cpus,
            Some(cpus) => {
                reader.damaged(&map, &format!("CPU {cpu} itself among the CPUs"), &cpus.to_string());
                CpuSet::single(cpu)
            }
            None => CpuSet::single(cpu),
        }
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
    let size = parse_size(&text);
    if size.is_none() {
        reader.damaged(path, "a size as 32K", &text);
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
