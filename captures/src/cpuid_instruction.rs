//! The CPUID instruction, run on every online CPU; written in the format of `cpuid -r`.
//!
//! Which sub-leaves a leaf has follows Intel SDM volume 2A (CPUID) and AMD APM volume 3,
//! appendix E. Every enumeration is bounded: a hypervisor may answer anything.

use std::fmt::Write;

/// `eax, ebx, ecx, edx`.
type Registers = [u32; 4];

/// Leaves of one range.
const LEAF_LIMIT: u32 = 0x100;

/// Sub-leaves of one leaf.
const SUBLEAF_LIMIT: u32 = 64;

/// Where ranges of leaves start: basic, Transmeta, VIA; extended and hypervisor ranges are apart.
const EXTENDED: u32 = 0x8000_0000;
const OTHER_RANGES: [u32; 2] = [0x8086_0000, 0xc000_0000];
const HYPERVISOR: u32 = 0x4000_0000;

/// How the sub-leaves of a leaf are found.
#[derive(Clone, Copy)]
enum Subleaves {
    /// Only 0.
    One,
    /// 0 to eax of sub-leaf 0.
    Counted,
    /// Until the cache type (eax 4:0) is 0.
    Caches,
    /// Until the level type (ecx 15:8) is 0.
    Levels,
    /// 0, 1 and the state components they name.
    XsaveState,
    /// 0, then the bits of edx.
    BitsOfEdx,
    /// 0, then the bits of ebx.
    BitsOfEbx,
    /// The bits of eax.
    BitsOfEax,
    /// 0, 1, then until the type (eax 3:0) is 0.
    Enclaves,
    /// Until the type (eax 11:0) is 0.
    Targets,
}

fn subleaves(leaf: u32) -> Subleaves {
    match leaf {
        0x4 | 0x8000_001d => Subleaves::Caches,
        0x7 | 0x14 | 0x17 | 0x18 | 0x1d | 0x1e | 0x20 | 0x24 => Subleaves::Counted,
        0xb | 0x1f | 0x8000_0026 => Subleaves::Levels,
        0xd => Subleaves::XsaveState,
        0xf => Subleaves::BitsOfEdx,
        0x10 | 0x8000_0020 => Subleaves::BitsOfEbx,
        0x12 => Subleaves::Enclaves,
        0x1b => Subleaves::Targets,
        0x23 => Subleaves::BitsOfEax,
        _ => Subleaves::One,
    }
}

/// Rows of one CPU, each through `row(leaf, subleaf, registers)`.
fn walk(cpuid: &dyn Fn(u32, u32) -> Registers, row: &mut dyn FnMut(u32, u32, Registers)) {
    let [basic_max, ..] = cpuid(0, 0);
    range(cpuid, row, 0, basic_max);
    let [_, _, features, _] = cpuid(1, 0);
    if basic_max >= 1 && features >> 31 == 1 {
        for number in 0..16 {
            let base = HYPERVISOR + number * 0x100;
            let [max, ..] = cpuid(base, 0);
            // The first range may say 0 for "one leaf more" (early KVM).
            if (base..base + LEAF_LIMIT).contains(&max) {
                range(cpuid, row, base, max);
            } else if number == 0 && max == 0 {
                range(cpuid, row, base, base + 1);
            }
        }
    }
    for base in [EXTENDED].into_iter().chain(OTHER_RANGES) {
        let [max, ..] = cpuid(base, 0);
        if (base..=base | 0xffff).contains(&max) {
            range(cpuid, row, base, max);
        }
    }
}

fn range(cpuid: &dyn Fn(u32, u32) -> Registers, row: &mut dyn FnMut(u32, u32, Registers), base: u32, max: u32) {
    let last = max.min(base.saturating_add(LEAF_LIMIT));
    for leaf in base..=last {
        each_subleaf(cpuid, leaf, &mut |subleaf, registers| row(leaf, subleaf, registers));
    }
}

fn each_subleaf(cpuid: &dyn Fn(u32, u32) -> Registers, leaf: u32, row: &mut dyn FnMut(u32, Registers)) {
    let first = cpuid(leaf, 0);
    let [eax, ebx, _, edx] = first;
    row(0, first);
    let listed = |bits: u64, from: u32| (from..SUBLEAF_LIMIT).filter(move |number| bits >> number & 1 == 1);
    match subleaves(leaf) {
        Subleaves::One => {}
        Subleaves::Caches => until(cpuid, leaf, row, 0, &|[eax, ..]| eax & 0x1f == 0),
        Subleaves::Levels => until(cpuid, leaf, row, 0, &|[_, _, ecx, _]| ecx >> 8 & 0xff == 0),
        Subleaves::Targets => until(cpuid, leaf, row, 0, &|[eax, ..]| eax & 0xfff == 0),
        Subleaves::Counted => {
            for number in 1..=eax.min(SUBLEAF_LIMIT) {
                row(number, cpuid(leaf, number));
            }
        }
        Subleaves::BitsOfEdx => rows(cpuid, leaf, row, listed(u64::from(edx), 1)),
        Subleaves::BitsOfEbx => rows(cpuid, leaf, row, listed(u64::from(ebx), 1)),
        Subleaves::BitsOfEax => rows(cpuid, leaf, row, listed(u64::from(eax), 1)),
        Subleaves::XsaveState => {
            let second = cpuid(leaf, 1);
            row(1, second);
            let [_, _, low, high] = second;
            let user = u64::from(edx) << 32 | u64::from(eax);
            let supervisor = u64::from(high) << 32 | u64::from(low);
            rows(cpuid, leaf, row, listed(user | supervisor, 2));
        }
        Subleaves::Enclaves => {
            row(1, cpuid(leaf, 1));
            row(2, cpuid(leaf, 2));
            until(cpuid, leaf, row, 2, &|[eax, ..]| eax & 0xf == 0);
        }
    }
}

/// Sub-leaves after `from`, up to and with the first that ends the list.
fn until(
    cpuid: &dyn Fn(u32, u32) -> Registers,
    leaf: u32,
    row: &mut dyn FnMut(u32, Registers),
    from: u32,
    ends: &dyn Fn(Registers) -> bool,
) {
    let mut here = cpuid(leaf, from);
    for number in from + 1..=SUBLEAF_LIMIT {
        if ends(here) {
            return;
        }
        here = cpuid(leaf, number);
        row(number, here);
    }
}

fn rows(
    cpuid: &dyn Fn(u32, u32) -> Registers,
    leaf: u32,
    row: &mut dyn FnMut(u32, Registers),
    numbers: impl Iterator<Item = u32>,
) {
    for number in numbers {
        row(number, cpuid(leaf, number));
    }
}

/// Appends `CPU N:` and the rows of one CPU.
fn dump(text: &mut String, cpu: usize, cpuid: &dyn Fn(u32, u32) -> Registers) {
    let _ = writeln!(text, "CPU {cpu}:");
    walk(cpuid, &mut |leaf, subleaf, [eax, ebx, ecx, edx]| {
        let _ = writeln!(
            text,
            "   {leaf:#010x} {subleaf:#04x}: \
             eax={eax:#010x} ebx={ebx:#010x} ecx={ecx:#010x} edx={edx:#010x}"
        );
    });
}

/// `cpuid -r` text of the CPUs named, each read while running on it; one that may not be run on is
/// left out. `None` where the instruction does not exist.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub(crate) fn dump_all(cpus: &[usize]) -> Option<String> {
    #[cfg(target_arch = "x86")]
    use std::arch::x86::__cpuid_count;
    #[cfg(target_arch = "x86_64")]
    use std::arch::x86_64::__cpuid_count;

    use rustix::thread::{CpuSet, sched_getcpu, sched_setaffinity};

    let cpuid = |leaf, subleaf| {
        let result = __cpuid_count(leaf, subleaf);
        [result.eax, result.ebx, result.ecx, result.edx]
    };
    // A thread of its own: its affinity ends with it.
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut text = String::new();
            for &cpu in cpus.iter().filter(|cpu| **cpu < CpuSet::MAX_CPU) {
                let mut only = CpuSet::new();
                only.set(cpu);
                if sched_setaffinity(None, &only).is_ok() {
                    dump(&mut text, cpu, &cpuid);
                }
            }
            if text.is_empty() {
                dump(&mut text, sched_getcpu(), &cpuid);
            }
            text
        });
        reader.join().ok()
    })
}

/// This architecture has no CPUID instruction.
#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
pub(crate) fn dump_all(_cpus: &[usize]) -> Option<String> {
    None
}

/// Numbers of a list as in `/sys/devices/system/cpu/online`: `0-3,8`.
pub(crate) fn cpu_list(text: &str) -> Vec<usize> {
    const CPU_LIMIT: usize = 1 << 16;
    let mut cpus = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) {
            cpus.extend((first..=last.min(CPU_LIMIT)).take(CPU_LIMIT - cpus.len().min(CPU_LIMIT)));
        }
    }
    cpus
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows_of(cpuid: &dyn Fn(u32, u32) -> Registers) -> Vec<(u32, u32)> {
        let mut rows = Vec::new();
        walk(cpuid, &mut |leaf, subleaf, _| rows.push((leaf, subleaf)));
        rows
    }

    #[test]
    fn caches_end_with_the_first_of_type_zero() {
        let rows = rows_of(&|leaf, subleaf| match (leaf, subleaf) {
            (0, _) => [4, 0, 0, 0],
            (4, 0..=2) => [0x21, 0, 0, 0],
            _ => [0; 4],
        });
        let of_leaf_4: Vec<u32> = rows.iter().filter(|row| row.0 == 4).map(|row| row.1).collect();
        assert_eq!(of_leaf_4, [0, 1, 2, 3]);
    }

    #[test]
    fn state_components_and_counted_subleaves_are_enumerated() {
        let rows = rows_of(&|leaf, subleaf| match (leaf, subleaf) {
            (0, _) => [0xd, 0, 0, 0],
            (7, 0) => [2, 0, 0, 0],
            (0xd, 0) => [0b111, 0, 0, 1],
            (0xd, 1) => [0xf, 0, 1 << 11, 0],
            _ => [0; 4],
        });
        let of = |leaf| -> Vec<u32> { rows.iter().filter(|row| row.0 == leaf).map(|row| row.1).collect() };
        assert_eq!(of(7), [0, 1, 2]);
        assert_eq!(of(0xd), [0, 1, 2, 11, 32]);
    }

    #[test]
    fn every_enumeration_is_bounded() {
        let rows = rows_of(&|_, _| [u32::MAX; 4]);
        assert!(rows.len() < 4000, "{} rows", rows.len());
    }

    #[test]
    fn hypervisor_ranges_are_read_where_they_answer() {
        let rows = rows_of(&|leaf, _| match leaf {
            0 => [1, 0, 0, 0],
            1 => [0, 0, 1 << 31, 0],
            0x4000_0000 => [0x4000_0002, 0, 0, 0],
            0x4000_0100 => [0x4000_0101, 0, 0, 0],
            _ => [0; 4],
        });
        let hypervisor = rows.iter().filter(|row| row.0 >> 16 == 0x4000).count();
        assert_eq!(hypervisor, 5);
    }

    #[test]
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    fn this_cpu_answers_in_the_format_of_cpuid_r() {
        let text = dump_all(&[0]).unwrap();
        assert!(text.starts_with("CPU "), "{text}");
        let found = crate::text::split(text.as_bytes());
        assert_eq!(found, [(crate::DocumentKind::CpuidRaw, 0..text.len())]);
    }

    #[test]
    fn cpu_lists_are_read() {
        assert_eq!(cpu_list("0-2,8\n"), [0, 1, 2, 8]);
        assert_eq!(cpu_list("junk,5-1,,3"), [3]);
        assert!(cpu_list("0-18446744073709551615").len() <= 65537);
    }
}
