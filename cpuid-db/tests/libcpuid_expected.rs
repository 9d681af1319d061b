//! libcpuid's tests: what it expects of each dump, aspect by aspect, against what we say.
//!
//! Of each kind of core a file has 34 lines: architecture, level, purpose, family, model, stepping,
//! extended family and model, cores, logical processors, five caches' sizes, ways, lines and
//! instances, SSE width, codename, technology, flags; -1 is "not told".

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cpuid_db::identity::{CoreGroup, feature_level, kinds};
use cpuid_db::{
    CacheDescription, CacheKind, CpuLeaves, Database, Dialect, FeatureLevel, Identity, LeafSet, Topology, Ways,
    formats, topology,
};

/// One block of expected lines.
struct Expected<'a>(Vec<&'a str>);

impl Expected<'_> {
    fn number(&self, line: usize) -> i64 {
        self.0[line].parse().unwrap()
    }

    fn numbers(&self, from: usize) -> [i64; 5] {
        [0, 1, 2, 3, 4].map(|offset| self.number(from + offset))
    }

    /// Sizes, ways, lines of the five caches; a size of 0 is none.
    fn caches(&self, aspect: usize) -> [i64; 5] {
        let sizes = self.numbers(10);
        let mut list = self.numbers(10 + 5 * aspect);
        for (value, size) in list.iter_mut().zip(sizes) {
            if size <= 0 {
                *value = -1;
            }
        }
        list
    }
}

fn blocks(text: &str) -> Vec<Expected<'_>> {
    let dashes = "-".repeat(80);
    text.split(dashes.as_str())
        .skip(1)
        .map(|block| Expected(block.trim().lines().map(str::trim).collect()))
        .filter(|block| block.0.len() >= 33)
        .collect()
}

/// L1D, L1I, L2, L3, L4.
const CACHES: [(u8, CacheKind); 5] = [
    (1, CacheKind::Data),
    (1, CacheKind::Instruction),
    (2, CacheKind::Unified),
    (3, CacheKind::Unified),
    (4, CacheKind::Unified),
];

fn of_caches(list: &[CacheDescription], value: impl Fn(&CacheDescription) -> i64) -> [i64; 5] {
    CACHES.map(|(level, kind)| {
        list.iter()
            .find(|cache| (cache.level, cache.kind) == (level, kind))
            .map_or(-1, &value)
    })
}

/// A dump with everything that is compared.
struct Ours {
    set: LeafSet,
    topology: Topology,
    groups: Vec<CoreGroup>,
}

impl Ours {
    fn of(text: &str) -> Self {
        let (_, decoded) = formats::detect_and_parse(text).unwrap();
        Self {
            topology: topology::decode(&decoded.value),
            groups: kinds(&decoded.value),
            set: decoded.value,
        }
    }

    fn group(&self, purpose: &str) -> &CoreGroup {
        self.groups
            .iter()
            .find(|group| group.purpose.name() == purpose)
            .unwrap_or(&self.groups[0])
    }

    fn first(&self, group: &CoreGroup) -> &CpuLeaves {
        let number = group.cpus[0];
        self.set.cpus().iter().find(|cpu| cpu.number == number).unwrap()
    }

    /// The dump has all CPUs that the processors declare.
    fn complete(&self) -> bool {
        self.topology
            .notes
            .iter()
            .all(|note| matches!(note, topology::Note::SharingUnknown { .. }))
    }

    /// Cores of one package and CPUs of all, of this kind.
    fn counts(&self, group: &CoreGroup) -> [i64; 2] {
        let number = |count: usize| i64::try_from(count).unwrap();
        if !self.complete() {
            let declared = topology::declared(self.first(group)).unwrap();
            return [declared.cores, declared.logical].map(|count| count.map_or(-1, i64::from));
        }
        let cores = self
            .topology
            .cores
            .iter()
            .filter(|core| core.cpus.iter().any(|cpu| group.cpus.contains(cpu)))
            .count();
        [
            number(cores / self.topology.packages.len().max(1)),
            number(group.cpus.len()),
        ]
    }

    fn instances(&self, group: &CoreGroup) -> [i64; 5] {
        CACHES.map(|(level, kind)| {
            let count = self
                .topology
                .caches
                .iter()
                .filter(|cache| (cache.description.level, cache.description.kind) == (level, kind))
                .filter(|cache| cache.cpus.iter().any(|cpu| group.cpus.contains(cpu)))
                .count();
            i64::try_from(count / self.topology.packages.len().max(1)).unwrap()
        })
    }
}

/// `0.18 µm` and `180 nm` are one.
fn nanometres(text: &str) -> String {
    match text.strip_suffix(" µm").and_then(|number| number.parse::<f64>().ok()) {
        Some(number) => format!("{:.0} nm", number * 1000.0),
        None => text.to_owned(),
    }
}

/// `Athlon 64 (Venice/512K)` → `venice`.
fn plain_codename(text: &str) -> String {
    let inner = text
        .split_once('(')
        .map_or(text, |(_, rest)| rest.trim_end_matches(')'));
    let inner = inner
        .split_once('/')
        .map_or(inner, |(name, size)| if size.ends_with('K') { name } else { inner });
    inner.to_lowercase()
}

/// libcpuid's names that are not Linux's: each with leaf, subleaf, register, bit.
const FLAGS: [(&str, &str); 40] = [
    ("dts", "1.0.edx[21]"),
    ("clflush", "1.0.edx[19]"),
    ("pclmul", "1.0.ecx[1]"),
    ("dts64", "1.0.ecx[2]"),
    ("fma3", "1.0.ecx[12]"),
    ("tsc_deadline", "1.0.ecx[24]"),
    ("ht", "1.0.edx[28]"),
    ("xd", "80000001.0.edx[20]"),
    ("nx", "80000001.0.edx[20]"),
    ("mmxext", "80000001.0.edx[22]"),
    ("fxsr_opt", "80000001.0.edx[25]"),
    ("3dnow", "80000001.0.edx[31]"),
    ("3dnowext", "80000001.0.edx[30]"),
    ("syscall", "80000001.0.edx[11]"),
    ("lm", "80000001.0.edx[29]"),
    ("pdpe1gb", "80000001.0.edx[26]"),
    ("rdtscp", "80000001.0.edx[27]"),
    ("abm", "80000001.0.ecx[5]"),
    ("lahf_lm", "80000001.0.ecx[0]"),
    ("ts", "80000007.0.edx[0]"),
    ("fid", "80000007.0.edx[1]"),
    ("vid", "80000007.0.edx[2]"),
    ("ttp", "80000007.0.edx[3]"),
    ("tm_amd", "80000007.0.edx[4]"),
    ("stc", "80000007.0.edx[5]"),
    ("100mhzsteps", "80000007.0.edx[6]"),
    ("hwpstate", "80000007.0.edx[7]"),
    ("constant_tsc", "80000007.0.edx[8]"),
    ("cpb", "80000007.0.edx[9]"),
    ("aperfmperf", "80000007.0.edx[10]"),
    ("pfi", "80000007.0.edx[11]"),
    ("pa", "80000007.0.edx[12]"),
    ("misalignsse", "80000001.0.ecx[7]"),
    ("3dnowprefetch", "80000001.0.ecx[8]"),
    ("wdt", "80000001.0.ecx[13]"),
    ("x2apic", "1.0.ecx[21]"),
    ("sha_ni", "7.0.ebx[29]"),
    ("avx512vnni", "7.0.ecx[11]"),
    ("avx512vbmi2", "7.0.ecx[6]"),
    ("rdseed", "7.0.ebx[18]"),
];

/// The bit a flag of libcpuid stands for, as text.
fn bit_of(flag: &str) -> Option<String> {
    if let Some((_, bit)) = FLAGS.iter().find(|(name, _)| *name == flag) {
        return Some((*bit).to_owned());
    }
    let found = Database::builtin().lookup(Dialect::Linux, flag);
    found.first().and_then(|field| field.bit()).map(|bit| bit.to_string())
}

/// Flags of a vocabulary that are set, and those listed.
fn flags(cpu: &CpuLeaves, listed: &str, vocabulary: &BTreeSet<String>) -> [String; 2] {
    let set: BTreeSet<String> = cpuid_db::Words::of(cpu).bits().map(|bit| bit.to_string()).collect();
    let listed: BTreeSet<&str> = listed.split_whitespace().collect();
    let ours: BTreeSet<&str> = vocabulary
        .iter()
        .map(String::as_str)
        .filter(|flag| bit_of(flag).is_some_and(|bit| set.contains(&bit)))
        .collect();
    let only = |a: &BTreeSet<&str>, b: &BTreeSet<&str>| a.difference(b).copied().collect::<Vec<_>>().join(" ");
    [only(&ours, &listed), only(&listed, &ours)]
}

/// (aspect, ours, theirs) of one kind of core.
fn compare(ours: &Ours, block: &Expected, vocabulary: &BTreeSet<String>) -> Vec<(&'static str, String, String)> {
    let group = ours.group(block.0[2]);
    let cpu = ours.first(group);
    let identity = Identity::of(cpu);
    let signature = identity.signature.unwrap();
    let mut rows: Vec<(&'static str, String, String)> = Vec::new();
    let mut row = |aspect, ours: String, theirs: String| rows.push((aspect, ours, theirs));
    let level = feature_level(cpu).unwrap();
    row("level", level.name().to_owned(), block.0[1].to_owned());
    row("purpose", group.purpose.name().to_owned(), block.0[2].to_owned());
    let numbers = [signature.family(), signature.model(), signature.stepping()];
    let theirs = [block.number(6), block.number(7), block.number(5)];
    row("signature", format!("{numbers:?}"), format!("{theirs:?}"));
    let counts = ours.counts(group);
    row("cores", counts[0].to_string(), block.number(8).to_string());
    row("logical", counts[1].to_string(), block.number(9).to_string());
    let size = |cache: &CacheDescription| i64::try_from(cache.size >> 10).unwrap();
    let ways = |cache: &CacheDescription| match cache.ways {
        Ways::Number(ways) => i64::from(ways),
        Ways::Full => 255,
        Ways::Unknown => -1,
    };
    let line = |cache: &CacheDescription| cache.line.map_or(-1, i64::from);
    row(
        "sizes",
        format!("{:?}", of_caches(&group.caches, size)),
        format!("{:?}", block.caches(0)),
    );
    row(
        "ways",
        format!("{:?}", of_caches(&group.caches, ways)),
        format!("{:?}", block.caches(1)),
    );
    row(
        "lines",
        format!("{:?}", of_caches(&group.caches, line)),
        format!("{:?}", block.caches(2)),
    );
    let instances = block.numbers(25);
    if instances.iter().any(|&count| count > 0) {
        row(
            "instances",
            format!("{:?}", ours.instances(group)),
            format!("{instances:?}"),
        );
    }
    let codename = &group.codename;
    row(
        "codename",
        codename.codename.unwrap_or("unknown").to_lowercase(),
        plain_codename(block.0[31]),
    );
    row(
        "technology",
        codename.technology.unwrap_or("unknown").to_owned(),
        nanometres(block.0[32]),
    );
    let [ours, theirs] = flags(cpu, block.0.get(33).unwrap_or(&""), vocabulary);
    row("flags", ours, theirs);
    rows
}

/// Where libcpuid is wrong or knows less: part of the file's name, aspects, why.
const DIFFERENCES: [(&str, &[&str], &str); 17] = [
    (
        "intel-core-i3-8121u",
        &["technology"],
        "Cannon Lake was Intel's first processor in 10 nm.",
    ),
    (
        "amd-opteron-processor-6274-dual",
        &["sizes", "ways"],
        "The L3 of the package is taken from leaf 0x80000006; leaf 0x8000001D describes that of each die.",
    ),
    (
        "amd-ryzen-7-5800x3d",
        &["logical"],
        "The file has headers of 48 CPUs and rows under 16 of them; headers are counted.",
    ),
    (
        "intel-core-i9-10900k",
        &["logical"],
        "The dump has 16 of the 20 CPUs that leaf 0xB declares.",
    ),
    (
        "intel-atom-cpu-z2460",
        &["logical"],
        "Leaf 1 declares two logical processors; the dump has one.",
    ),
    (
        "genuine-intel-cpu-4000",
        &["cores", "logical"],
        "Leaf 0xB declares four cores; the dump has one CPU.",
    ),
    (
        "genuine-intel-cpu-4000",
        &["codename", "technology"],
        "06-5A is Moorefield (Silvermont); libcpuid takes it for the nearest Pentium III.",
    ),
    (
        "intel-celeron-cpu-g1610",
        &["cores", "logical"],
        "The dump has one of two CPUs that leaf 0xB declares.",
    ),
    (
        "amd-pro-a12-8870",
        &["codename"],
        "The PRO 8000 of socket AM4 with model 0x65 is Bristol Ridge, not Carrizo.",
    ),
    (
        "qemu-virtual-cpu",
        &["codename", "technology"],
        "A virtual machine's brand string: family and model are made up.",
    ),
    (
        "intel-core2-duo-cpu-e6750",
        &["codename"],
        "Leaf 2 tells an L2 of 4 MiB (Conroe); libcpuid does not read it.",
    ),
    (
        "intel-core-i7-5820k",
        &["codename"],
        "06-3F is Haswell-E; libcpuid says Haswell.",
    ),
    (
        "amd/bulldozer/amd-",
        &["technology"],
        "Kaveri, Godavari and Bald Eagle were made by GlobalFoundries in 28 nm SHP, not by TSMC.",
    ),
    (
        "amd-opteron-processor-2347",
        &["technology"],
        "Barcelona was made in 65 nm.",
    ),
    (
        "amd-custom-apu-0932",
        &["technology"],
        "The second Van Gogh (model 0x91) is in 6 nm.",
    ),
    ("hygon-c86-7185", &["technology"], "Unknown to libcpuid."),
    (
        "intel-core-ultra-7-265u",
        &["technology"],
        "The compute tile of Arrow Lake-U (model 0xB5) is Redwood Cove in Intel 3.",
    ),
];

/// Differences that follow a rule of libcpuid's, whatever the file.
fn rule(ours: &Ours, block: &Expected, aspect: &str, mine: &str, theirs: &str) -> Option<&'static str> {
    let none = "[-1, -1, -1, -1, -1]";
    let unread = block.caches(0) == [-1; 5];
    match aspect {
        "level" if theirs == last_feature(ours.first(ours.group(block.0[2]))) => {
            Some("libcpuid looks at the last feature of each level only")
        }
        "sizes" | "ways" | "lines" if theirs == none => Some("libcpuid reads no cache of this dump"),
        "sizes" | "ways" if block.number(21) == -1 && mine == without_trace(theirs) => {
            Some("the trace cache, counted in micro-ops, stands for an L1I")
        }
        "cores" if unread && block.0[8] == block.0[9] => Some("libcpuid guesses the cores where it reads no cache"),
        "flags" if mine == "ht" && theirs.is_empty() => Some("libcpuid drops ht where it sees one logical processor"),
        _ => None,
    }
}

/// The numbers of five caches without that of the L1I.
fn without_trace(list: &str) -> String {
    let mut parts: Vec<&str> = list.trim_matches(['[', ']']).split(", ").collect();
    parts[1] = "-1";
    format!("[{}]", parts.join(", "))
}

/// The level libcpuid gives: of each it looks at the last feature of its list only.
fn last_feature(cpu: &CpuLeaves) -> &'static str {
    use FeatureLevel::{V1, V2, V3, V4};
    let leaf = |leaf| cpu.leaf(leaf).unwrap_or_default();
    let has = [
        (V1, leaf(1).edx >> 26 & 1), // SSE2
        (V2, leaf(1).ecx >> 9 & 1),  // SSSE3
        (V3, leaf(1).ecx >> 27 & 1), // OSXSAVE
        (V4, leaf(7).ebx >> 31 & 1), // AVX512VL
    ];
    has.iter()
        .take_while(|(_, has)| *has == 1)
        .last()
        .map_or("", |(level, _)| level.name())
}

/// What was counted.
#[derive(Default)]
struct Tally {
    /// Of each aspect: all, equal, with a reason.
    counts: BTreeMap<&'static str, [usize; 3]>,
    reasons: BTreeMap<&'static str, usize>,
    used: BTreeSet<usize>,
    unknown: Vec<String>,
}

impl Tally {
    fn add(&mut self, name: &str, ours: &Ours, block: &Expected, vocabulary: &BTreeSet<String>) {
        for (aspect, mine, theirs) in compare(ours, block, vocabulary) {
            let count = self.counts.entry(aspect).or_default();
            count[0] += 1;
            if mine == theirs {
                count[1] += 1;
                continue;
            }
            let listed = DIFFERENCES
                .iter()
                .position(|(file, aspects, _)| name.contains(file) && aspects.contains(&aspect));
            let reason = rule(ours, block, aspect, &mine, &theirs).or_else(|| {
                self.used.extend(listed);
                listed.map(|index| DIFFERENCES[index].2)
            });
            match reason {
                Some(reason) => {
                    count[2] += 1;
                    *self.reasons.entry(reason).or_default() += 1;
                }
                None => self
                    .unknown
                    .push(format!("{name}: {aspect}: {mine}, expected {theirs}")),
            }
        }
    }
}

/// All flags that libcpuid's files of one vendor list.
fn vocabulary(folder: &Path, text: impl Fn(&Path) -> String) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for path in support::files(folder, ".test") {
        for block in blocks(&text(&path)) {
            let listed = block.0.get(33).unwrap_or(&"").split_whitespace();
            words.extend(listed.map(str::to_owned));
        }
    }
    words
}

#[test]
fn every_aspect_equals_libcpuids_or_the_difference_has_a_reason() {
    let Some(folder) = support::corpus("252 libcpuid tests") else {
        return;
    };
    let mut tally = Tally::default();
    let mut cases = 0;
    for vendor in ["amd", "hygon", "intel", "via", "zhaoxin"] {
        let vendor = folder.join("libcpuid").join(vendor);
        let vocabulary = vocabulary(&vendor, support::text);
        for path in support::files(&vendor, ".test") {
            let name = path.strip_prefix(&folder).unwrap().display().to_string();
            let text = support::text(&path);
            let ours = Ours::of(&text);
            let expected = blocks(&text);
            assert!(!expected.is_empty(), "{name}: no expected lines");
            cases += 1;
            for block in expected {
                tally.add(&name, &ours, &block, &vocabulary);
            }
        }
    }
    for (aspect, [all, equal, reasoned]) in &tally.counts {
        eprintln!("{aspect}: {equal} of {all} equal, {reasoned} differ for a reason");
    }
    for (reason, count) in &tally.reasons {
        eprintln!("  {count:3} {reason}");
    }
    assert!(tally.unknown.is_empty(), "differ from libcpuid: {:#?}", tally.unknown);
    let unused: Vec<_> = (0..DIFFERENCES.len())
        .filter(|index| !tally.used.contains(index))
        .collect();
    assert!(unused.is_empty(), "known differences that are gone: {unused:?}");
    eprintln!("{cases} dumps compared");
}
