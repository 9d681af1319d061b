//! Bad input: a broken row costs that row and is told with its line; texts that are cut, changed or made to
//! hurt are read without panic, and in bounded time and memory.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop"
)]

mod support;

use std::time::{Duration, Instant};

use cpuid_db::formats::{self, Format, featureset};
use cpuid_db::write::{self, Output};
use cpuid_db::{CpuLeaves, Leaf, LeafSet, Registers, Subleaf, firecracker, topology};

/// Three CPUs with subleaves and MSRs.
fn sample() -> LeafSet {
    (0..3_u32)
        .map(|number| {
            let mut cpu = CpuLeaves::new(number);
            let mut row = |leaf, subleaf, eax, ebx| {
                cpu.insert(
                    Leaf(leaf),
                    Subleaf(subleaf),
                    Registers::new(eax, ebx, 0x0102_0304, number),
                );
            };
            row(0, 0, 0x1f, 0x756e_6547);
            row(1, 0, 0x000a_0671, number << 24 | 0x0002_0800);
            row(4, 0, 0x0400_0121, 0x03c0_003f);
            row(4, 1, 0x0400_0122, 0x03c0_003f);
            row(7, 0, 1, 0xf3bf_27ab);
            row(7, 1, 0x1c30, 0);
            row(0xb, 0, 1, 2);
            row(0x8000_0000, 0, 0x8000_0008, 0);
            row(0x8000_0008, 0, 0x3930, 0);
            cpu.insert_msr(0x10a, 0x8d_6b00 + u64::from(number));
            cpu.insert_msr(0xce, u64::MAX);
            cpu
        })
        .collect()
}

/// A text of each format, with a line that holds a row (from 1) and what breaks it.
fn texts() -> Vec<(Format, String, usize, &'static str, &'static str)> {
    let set = sample();
    let rows = |cpu: &CpuLeaves, row: &dyn Fn(u32, u32, Registers) -> String| -> String {
        cpu.rows()
            .map(|(leaf, subleaf, registers)| row(leaf.0, subleaf.0, registers))
            .collect()
    };
    let of = |row: &dyn Fn(u32, u32, Registers) -> String, header: &dyn Fn(u32) -> String| -> String {
        let cpus = set.cpus().iter();
        cpus.map(|cpu| header(cpu.number) + &rows(cpu, row)).collect()
    };
    let hwloc = of(
        &|leaf, subleaf, r| {
            format!(
                "5 {leaf:x} 0 {subleaf:x} 0 => {:x} {:x} {:x} {:x}\n",
                r.eax, r.ebx, r.ecx, r.edx
            )
        },
        &|number| format!("CPU {number}:\n# mask e[abcd]x => e[abcd]x\n"),
    );
    let raw = of(
        &|leaf, subleaf, r| {
            let values = format!("{:08x} {:08x} {:08x} {:08x}\n", r.eax, r.ebx, r.ecx, r.edx);
            match (leaf, subleaf) {
                (4, _) => format!("intel_fn4[{subleaf}]={values}"),
                (0x8000_0000.., _) => format!("ext_cpuid[{}]={values}", leaf - 0x8000_0000),
                (_, 0) => format!("basic_cpuid[{leaf}]={values}"),
                _ => String::new(),
            }
        },
        &|number| format!("_________________ Logical CPU #{number} _________________\n"),
    );
    let kcpuid = "Basic Leafs :\n================\n0x00000001: EAX=0x000a0671, EBX=0x00020800, ECX=0x00000003, EDX=0x00000004\n\
        0x00000004: subleafs:\n  0: EAX=0x04000121, EBX=0x02c0003f, ECX=0x0000003f, EDX=0x00000000\n\
        \x20 1: EAX=0x04000122, EBX=0x03c0003f, ECX=0x0000003f, EDX=0x00000000\n";
    let words_text = of(
        &|leaf, subleaf, r| {
            format!(
                "{leaf:08x} {subleaf:02x} {:08x} {:08x} {:08x} {:08x}\n",
                r.eax, r.ebx, r.ecx, r.edx
            )
        },
        &|number| format!("CPU {number}:\n"),
    );
    let policies = of(
        &|leaf, subleaf, r| {
            format!(
                "  {leaf:08x}:{subleaf:08x} -> {:08x}:{:08x}:{:08x}:{:08x}\n",
                r.eax, r.ebx, r.ecx, r.edx
            )
        },
        &|number| {
            let name = ["Raw", "Host", "Domain 4"][number as usize];
            format!(
                "{name} policy: 9 leaves, 0 MSRs\n CPUID:\n  leaf     subleaf  -> eax      ebx      ecx      edx     \n"
            )
        },
    );
    let cpuinfo: String = (0..3)
        .map(|number| {
            format!(
                "processor\t: {number}\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: A B\n\
                 stepping\t: 1\ncpuid level\t: 16\ninitial apicid\t: {number}\nclflush size\t: 64\nflags\t\t: fpu sse avx2 rep_good\n\n"
            )
        })
        .collect();
    let words = featureset::of(set.first().unwrap())
        .map(|word| format!("{word:08x}"))
        .join(":");
    let featuresets = format!("nr_features: 19\nRaw    {words}\nHost   {words}\nPV     {words}\n");
    let test = format!("{raw}{}\nx86\nx86-64-v2\ngeneral\n6\n", "-".repeat(80));
    vec![
        (
            Format::CpuidR,
            write::write(Output::CpuidR, &set),
            3,
            "ebx=0x",
            "ebx=0xg",
        ),
        (Format::Aida64, write::write(Output::Aida64, &set), 4, "-", "="),
        (Format::Hwloc, hwloc, 4, "=> ", "=> z"),
        (Format::Kcpuid, kcpuid.to_owned(), 5, "EBX=0x", "EBX=0xg"),
        (Format::Libcpuid, raw, 3, "=0", "=q"),
        (Format::LibcpuidTest, test, 3, "=0", "=q"),
        (Format::Words, words_text, 3, "00000", "0000u"),
        (
            Format::Cpudata,
            write::write(Output::Cpudata, &set),
            3,
            "ecx='0x",
            "ecx='0xh",
        ),
        (Format::XenPolicies, policies, 5, "-> ", "-> u"),
        (
            Format::Firecracker,
            write::write(Output::Firecracker, &set),
            10,
            "0b0",
            "0b2",
        ),
        (
            Format::Json,
            write::write(Output::Json, &set),
            4,
            "eax\": \"0x",
            "eax\": \"0xz",
        ),
        (Format::Cpuinfo, cpuinfo, 14, "25", "2y"),
        (Format::Featureset, featuresets, 2, ":", ":z"),
    ]
}

#[test]
fn a_broken_row_is_told_with_its_line_and_the_rest_is_read() {
    for (format, text, line, from, to) in texts() {
        assert_eq!(formats::detect(&text), Some(format), "{text}");
        let whole = formats::parse(format, &text);
        assert_eq!(whole.damage, [], "{format}");
        let broken: Vec<String> = text
            .lines()
            .zip(1..)
            .map(|(row, number)| {
                if number == line {
                    row.replacen(from, to, 1)
                } else {
                    row.to_owned()
                }
            })
            .collect();
        let broken = broken.join("\n");
        assert_ne!(broken.trim_end(), text.trim_end(), "{format}: line {line} of\n{text}");
        let decoded = formats::parse(format, &broken);
        let lines: Vec<usize> = decoded.damage.iter().map(|damage| damage.line).collect();
        assert_eq!(lines, [line], "{format}: {:?}", decoded.damage);
        assert_eq!(decoded.value.cpus().len(), whole.value.cpus().len(), "{format}");
        let count = |set: &LeafSet| -> usize { set.cpus().iter().map(CpuLeaves::len).sum() };
        assert!(count(&decoded.value) + 2 >= count(&whole.value), "{format}");
    }
}

#[test]
fn rows_that_contradict_each_other_are_told_and_the_first_stays() {
    let row = "CPUID 00000005: 00000001-00000002-00000003-0000000";
    let text =
        format!("------[ Logical CPU #0 ]------\n{row}4\n{row}4\n{row}5\n------[ Logical CPU #1 ]------\n{row}6\n");
    let decoded = formats::parse(Format::Aida64, &text);
    assert_eq!(decoded.damage.len(), 1);
    assert_eq!(decoded.damage[0].line, 4);
    let last: Vec<u32> = decoded
        .value
        .cpus()
        .iter()
        .map(|cpu| cpu.leaf(5).unwrap().edx)
        .collect();
    assert_eq!(last, [4, 6]);
}

#[test]
fn a_text_that_is_cut_gives_what_it_has() {
    for (format, text, ..) in texts() {
        let whole: usize = formats::parse(format, &text)
            .value
            .cpus()
            .iter()
            .map(CpuLeaves::len)
            .sum();
        let mut most = 0;
        for tenth in 1..10 {
            let end = (0..=text.len() * tenth / 10)
                .rev()
                .find(|end| text.is_char_boundary(*end))
                .unwrap();
            let rows: usize = formats::parse(format, text.get(..end).unwrap())
                .value
                .cpus()
                .iter()
                .map(CpuLeaves::len)
                .sum();
            assert!(rows <= whole, "{format}");
            most = most.max(rows);
        }
        assert!(most > 0, "{format}: nothing of a cut text");
    }
}

#[test]
fn lines_of_a_log_around_a_dump_do_not_hide_it() {
    let before = "2026-01-02T03:04:05Z host kernel: CPU0: policy: 12 leaves\n\
        Parsing config from /etc/xen/a.cfg\n[    0.000000] x86/fpu: 0x002: 'SSE registers'\n\
        hw_caps : 178bf3fd:f6d83203:2c500800:00000177:00000005:219c03a9:0040000c:00000000\n\
        CPUID 4 is not known\nCPU 0: up\n<p>cpuid</p>\n";
    for (format, text, ..) in texts() {
        let whole = formats::parse(format, &text).value;
        let wrapped = format!("{before}{text}\nshutdown: done\n");
        if format == Format::Featureset {
            continue;
        }
        assert_eq!(formats::detect(&wrapped), Some(format));
        assert_eq!(formats::parse(format, &wrapped).value, whole, "{format}");
    }
}

/// A small generator, so that a failure is found again.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }
}

/// Bytes changed, a cut, lines twice, lines exchanged, a number made long.
fn mutated(text: &str, numbers: &mut Numbers) -> String {
    const BYTES: &[u8] = b"0123456789abcdefFxX:-=>#<'\"/{}[],. \t\n\r\x00\xff_";
    let mut bytes = text.as_bytes().to_vec();
    match numbers.below(6) {
        0 => bytes.truncate(numbers.below(bytes.len()) + 1),
        1 => {
            let mut lines: Vec<&str> = text.lines().collect();
            let at = numbers.below(lines.len());
            for _ in 0..numbers.below(5) {
                lines.insert(at, lines[numbers.below(lines.len())]);
            }
            bytes = lines.join("\n").into_bytes();
        }
        2 => {
            let mut lines: Vec<&str> = text.lines().collect();
            let (one, other) = (numbers.below(lines.len()), numbers.below(lines.len()));
            lines.swap(one, other);
            bytes = lines.join("\r\n").into_bytes();
        }
        3 => {
            let at = numbers.below(bytes.len());
            let digits = b"ffffffffffffffffffffffff";
            bytes.splice(at..at, digits.iter().copied().take(1 + numbers.below(digits.len())));
        }
        4 => {
            let at = numbers.below(bytes.len());
            bytes[at] ^= 1 << numbers.below(8);
        }
        _ => {}
    }
    for _ in 0..numbers.below(12) {
        let place = numbers.below(bytes.len());
        bytes[place] = BYTES[numbers.below(BYTES.len())];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads a text in every way there is.
fn exercise(format: Format, text: &str) {
    let decoded = formats::parse(format, text);
    if let Some((_, other)) = formats::detect_and_parse(text) {
        let written = write::write(Output::CpuidR, &other.value);
        assert_eq!(formats::parse(Format::CpuidR, &written).damage, []);
        let again = formats::parse(Format::Json, &write::write(Output::Json, &other.value));
        assert_eq!(again.value, other.value, "{text}");
        let again = formats::parse(Format::Aida64, &write::write(Output::Aida64, &other.value)).value;
        let rows = |set: &LeafSet| -> Vec<_> { set.cpus().iter().flat_map(CpuLeaves::rows).collect() };
        assert_eq!(rows(&again), rows(&other.value), "{text}");
    }
    if decoded.value.cpus().len() < 8 {
        let _ = topology::decode(&decoded.value);
    }
    if format == Format::Firecracker {
        let guest = firecracker::read(text).value;
        if let Ok(written) = firecracker::write(&guest) {
            assert_eq!(firecracker::read(&written).value, guest, "{text}");
        }
    }
}

#[test]
fn changed_texts_are_read_without_panic() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut mutants = 0;
    for (format, text, ..) in texts() {
        for _ in 0..400 {
            exercise(format, &mutated(&text, &mut numbers));
            mutants += 1;
        }
        for other in Format::ALL {
            exercise(other, &text);
        }
    }
    eprintln!("{mutants} changed texts");
}

#[test]
fn changed_dumps_of_the_corpus_are_read_without_panic() {
    let Some(corpus) = support::corpus("changed dumps") else {
        return;
    };
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    let mut mutants = 0;
    for (folder, part) in [
        ("firecracker", ".json"),
        ("libvirt/cputestdata", "x86_64-cpuid-E"),
        ("xen", ".txt"),
        ("live-kvm-guest", ".txt"),
        ("libcpuid/hygon", ".test"),
        ("instlatx64/HygonGenuine", ".txt"),
    ] {
        for path in support::files(&corpus.join(folder), part).into_iter().take(12) {
            let text: String = support::text(&path).chars().take(12_000).collect();
            let Some(format) = formats::detect(&text) else { continue };
            for _ in 0..12 {
                exercise(format, &mutated(&text, &mut numbers));
                mutants += 1;
            }
        }
    }
    eprintln!("{mutants} changed dumps");
}

/// Texts that are made to take long or much.
fn hostile() -> Vec<(Format, String)> {
    let row = "0x00000000 0x00: eax=0x00000001 ebx=0x00000002 ecx=0x00000003 edx=0x00000004\n";
    let cpus: String = (0..60_000).map(|number| format!("CPU {number}:\n   {row}")).collect();
    let rows: String = (0..100_000)
        .map(|leaf| format!("CPUID {leaf:08X}: FFFFFFFF-FFFFFFFF-FFFFFFFF-FFFFFFFF [SL FFFFFFFF]\n"))
        .collect();
    vec![
        (Format::CpuidR, cpus),
        (Format::Aida64, rows),
        (Format::Cpudata, "<".repeat(1_000_000)),
        (Format::Cpudata, "<cpuid eax_in=".repeat(100_000)),
        (Format::Cpudata, "<!--".repeat(200_000)),
        (Format::LibcpuidTest, "-".repeat(2_000_000)),
        (Format::LibcpuidTest, format!("{}\n", "-".repeat(80)).repeat(20_000)),
        (
            Format::Firecracker,
            "{\"cpuid_modifiers\": ".to_owned() + &"[".repeat(1_000_000),
        ),
        (Format::Json, "{\"delid.cpuid/1\": ".repeat(100_000)),
        (Format::Json, "\"\\".repeat(500_000)),
        (Format::Featureset, "ffffffff:".repeat(200_000)),
        (
            Format::Featureset,
            "ffffffff:ffffffff:ffffffff:ffffffff:ffffffff\n".repeat(30_000),
        ),
        (Format::XenPolicies, "Host policy: 1 leaves, 1 MSRs\n".repeat(50_000)),
        (Format::XenPolicies, "0:ffffffff -> ".repeat(100_000)),
        (
            Format::Cpuinfo,
            "processor\t: 4294967295\ncpu family\t: 6\nflags\t: a b c\n".repeat(20_000),
        ),
        (
            Format::Cpuinfo,
            format!("processor\t: 0\nflags\t: {}\n", "x y z ".repeat(200_000)),
        ),
        (Format::Hwloc, "1 0 0 0 0 => 1 2 3 4 ".repeat(100_000)),
        (Format::Libcpuid, "basic_cpuid[4294967295]=1 2 3 4\n".repeat(50_000)),
        (Format::Kcpuid, "0x1: EAX=".repeat(100_000)),
    ]
}

#[test]
fn hostile_texts_end_soon() {
    for (format, text) in hostile() {
        let start = Instant::now();
        let decoded = formats::parse(format, &text);
        let _ = formats::detect(&text);
        let took = start.elapsed();
        assert!(
            took < Duration::from_secs(20),
            "{format}: {took:?} for {} bytes",
            text.len()
        );
        assert!(decoded.damage.len() <= 201, "{format}: {}", decoded.damage.len());
        assert!(decoded.value.cpus().len() <= 32_768, "{format}");
    }
}
