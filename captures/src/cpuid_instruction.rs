//! The CPUID instruction, run on every online CPU, or asked of the kernel (`/dev/cpu/N/cpuid`) for a CPU
//! that this process may not run on; written in the format of `cpuid -r`.
//!
//! Which sub-leaves a leaf has follows Intel SDM volume 2A (CPUID) and AMD APM volume 3,
//! appendix E. Every enumeration is bounded: a hypervisor may answer anything.

use std::fmt::Write;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

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

/// Hypervisor ranges, 0x100 apart: Xen is looked for in as many.
const HYPERVISOR_RANGES: u32 = 0x100;

/// Of these, the ones that are asked in any case.
const HYPERVISOR_NEAR: u32 = 16;

/// `XenVMMXenVMM` in the registers of a range's first leaf.
const XEN: [u32; 3] = [0x566e_6558, 0x6558_4d4d, 0x4d4d_566e];

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
        0x7 | 0x14 | 0x17 | 0x18 | 0x1d | 0x1e | 0x20 | 0x24 | 0x29 => Subleaves::Counted,
        0xb | 0x1f | 0x8000_0026 => Subleaves::Levels,
        0xd => Subleaves::XsaveState,
        0xf | 0x27 => Subleaves::BitsOfEdx,
        0x10 | 0x28 | 0x8000_0020 => Subleaves::BitsOfEbx,
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
        let mut found = false;
        for number in 0..HYPERVISOR_RANGES {
            // each question costs an exit to the hypervisor: ranges stand side by side
            if found && number >= HYPERVISOR_NEAR {
                break;
            }
            let base = HYPERVISOR + number * 0x100;
            let [max, name, ..] = cpuid(base, 0);
            // The first range may say 0 for "one leaf more" (early KVM).
            if (base..base + LEAF_LIMIT).contains(&max) {
                found = true;
                hypervisor_range(cpuid, row, base, max);
            } else if number == 0 && max == 0 && name != 0 {
                found = true;
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

/// A hypervisor's range. Xen's leaf 3 (time) has three sub-leaves (Xen, arch-x86/cpuid.h).
fn hypervisor_range(
    cpuid: &dyn Fn(u32, u32) -> Registers,
    row: &mut dyn FnMut(u32, u32, Registers),
    base: u32,
    max: u32,
) {
    let [_, ebx, ecx, edx] = cpuid(base, 0);
    let is_xen = [ebx, ecx, edx] == XEN;
    for leaf in base..=max {
        row(leaf, 0, cpuid(leaf, 0));
        if is_xen && leaf == base + 3 {
            for number in 1..3 {
                row(leaf, number, cpuid(leaf, number));
            }
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

/// Answers of `/dev/cpu/N/cpuid`: 16 bytes at leaf + (sub-leaf << 32) (Linux, cpuid(4)). `None` when it
/// cannot be read.
fn device(directory: &Path, cpu: usize) -> Option<impl Fn(u32, u32) -> Registers> {
    let file = File::open(directory.join(format!("{cpu}/cpuid"))).ok()?;
    let read = move |leaf: u32, subleaf: u32| {
        let mut bytes = [0_u8; 16];
        file.read_exact_at(&mut bytes, u64::from(subleaf) << 32 | u64::from(leaf))
            .ok()?;
        let (words, _) = bytes.as_chunks::<4>();
        let mut registers: Registers = [0; 4];
        for (register, word) in registers.iter_mut().zip(words) {
            *register = u32::from_le_bytes(*word);
        }
        Some(registers)
    };
    let first = read(0, 0)?;
    Some(move |leaf, subleaf| match (leaf, subleaf) {
        (0, 0) => first,
        _ => read(leaf, subleaf).unwrap_or_default(),
    })
}

/// `cpuid -r` text of the CPUs named, each read while running on it; of one that may not be run on, what the
/// kernel tells; one that gives neither is left out. `None` where the instruction does not exist.
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
                } else if let Some(device) = device(Path::new("/dev/cpu"), cpu) {
                    dump(&mut text, cpu, &device);
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
    fn newer_leaves_are_enumerated_as_their_registers_say() {
        let rows = rows_of(&|leaf, subleaf| match (leaf, subleaf) {
            (0, _) => [0x29, 0, 0, 0],
            (0x10, 0) => [0, 1 << 1 | 1 << 6, 0, 0],
            (0x12, 0) => [1, 0, 0, 0],
            (0x12, 2..=3) => [1, 0, 0, 0],
            (0x1b, 0..=1) => [1, 0, 0, 0],
            (0x1d | 0x1e | 0x14 | 0x17 | 0x18 | 0x20 | 0x24 | 0x29, 0) => [1, 0, 0, 0],
            (0x23, 0) => [0b101_111, 0, 0, 0],
            (0x27, 0) => [0, 0, 0, 1 << 1],
            (0x28, 0) => [0, 1 << 2, 0, 0],
            (0x8000_0000, _) => [0x8000_0026, 0, 0, 0],
            (0x8000_001d, 0..=3) => [0x21, 0, 0, 0],
            (0x8000_0020, 0) => [0, 0b10_1010, 0, 0],
            (0x8000_0026, 0..=2) => [0, 0, 0x100, 0],
            _ => [0; 4],
        });
        let of = |leaf| -> Vec<u32> { rows.iter().filter(|row| row.0 == leaf).map(|row| row.1).collect() };
        assert_eq!(of(0x10), [0, 1, 6]);
        assert_eq!(of(0x12), [0, 1, 2, 3, 4]);
        assert_eq!(of(0x1b), [0, 1, 2]);
        for leaf in [0x14, 0x17, 0x18, 0x1d, 0x1e, 0x20, 0x24, 0x29] {
            assert_eq!(of(leaf), [0, 1], "{leaf:#x}");
        }
        assert_eq!(of(0x23), [0, 1, 2, 3, 5]);
        assert_eq!((of(0x27), of(0x28)), (vec![0, 1], vec![0, 2]));
        assert_eq!(of(0x8000_001d), [0, 1, 2, 3, 4]);
        assert_eq!(of(0x8000_0020), [0, 1, 3, 5]);
        assert_eq!(of(0x8000_0026), [0, 1, 2, 3]);
    }

    #[test]
    fn xens_time_leaf_has_three_subleaves_wherever_its_range_is() {
        let rows = rows_of(&|leaf, _| match leaf {
            0 => [1, 0, 0, 0],
            1 => [0, 0, 1 << 31, 0],
            0x4000_ff00 => [0x4000_ff05, XEN[0], XEN[1], XEN[2]],
            _ => [0; 4],
        });
        let of_time = rows.iter().filter(|row| row.0 == 0x4000_ff03).count();
        assert_eq!(of_time, 3);
        assert_eq!(rows.iter().filter(|row| row.0 >> 8 == 0x0040_00ff).count(), 8);
    }

    #[test]
    fn the_kernels_file_gives_leaf_and_subleaf_at_their_place() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("3")).unwrap();
        let file = File::create(folder.path().join("3/cpuid")).unwrap();
        let bytes: Vec<u8> = [7_u32, 8, 9, 10].iter().flat_map(|word| word.to_le_bytes()).collect();
        file.write_all_at(&bytes, 0).unwrap();
        file.write_all_at(&bytes, 2 << 32 | 4).unwrap();
        let read = device(folder.path(), 3).unwrap();
        assert_eq!(read(4, 2), [7, 8, 9, 10]);
        assert_eq!(read(0x8000_0000, 5), [0; 4]);
        assert!(device(folder.path(), 4).is_none());
    }

    #[test]
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    fn the_kernel_and_the_instruction_agree() {
        let Some(read) = device(Path::new("/dev/cpu"), 0) else {
            eprintln!("/dev/cpu/0/cpuid cannot be read: not compared");
            return;
        };
        let mut text = String::new();
        dump(&mut text, 0, &read);
        let instruction = dump_all(&[0]).unwrap();
        // APIC ids and what the operating system switched on are of the moment and the CPU
        let steady = |text: &str| -> Vec<String> {
            let volatile = ["0x00000001 ", "0x0000000b ", "0x0000000d ", "0x0000001f ", "0x4000"];
            text.lines()
                .map(|line| line.trim().to_owned())
                .filter(|line| !volatile.iter().any(|leaf| line.starts_with(leaf)))
                .collect()
        };
        assert_eq!(steady(&text), steady(&instruction));
    }

    /// Rows of `cpuid -r` by leaf and sub-leaf, of the first CPU.
    fn first_cpu(text: &str) -> std::collections::BTreeMap<String, String> {
        text.lines()
            .skip_while(|line| !line.starts_with("CPU"))
            .skip(1)
            .take_while(|line| line.starts_with(' '))
            .filter_map(|line| line.trim().split_once(": "))
            .map(|(place, registers)| (place.to_owned(), registers.to_owned()))
            .collect()
    }

    #[test]
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    fn rows_equal_those_of_the_tool_cpuid() {
        let Ok(tool) = std::process::Command::new("cpuid").arg("-r").output() else {
            eprintln!("cpuid is not installed: not compared");
            return;
        };
        let theirs = first_cpu(&String::from_utf8_lossy(&tool.stdout));
        let ours = first_cpu(&dump_all(&[0]).unwrap());
        let volatile = [
            "0x00000001 ",
            "0x0000000b ",
            "0x0000000d ",
            "0x0000001f ",
            "0x8000001e ",
        ];
        let mut equal = 0;
        for (place, registers) in &ours {
            if let Some(other) = theirs.get(place)
                && !volatile.iter().any(|leaf| place.starts_with(leaf))
            {
                assert_eq!(registers, other, "{place}");
                equal += 1;
            }
        }
        let zeros = "eax=0x00000000 ebx=0x00000000 ecx=0x00000000 edx=0x00000000";
        let missing: Vec<&String> = theirs
            .iter()
            .filter(|(place, registers)| {
                // the tool reads one leaf of ranges that do not exist
                let exists = !matches!(place.get(..6), Some("0x4000" | "0x8086" | "0xc000" | "0x2000"));
                exists && *registers != zeros && !ours.contains_key(*place)
            })
            .map(|(place, _)| place)
            .collect();
        assert!(missing.is_empty(), "not read: {missing:?}");
        eprintln!("{equal} rows equal");
        assert!(equal > 10, "{equal}");
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
