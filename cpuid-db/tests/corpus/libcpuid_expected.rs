//! Family, model, stepping, cores and caches of libcpuid's test dumps, against the values written in
//! the same files (behind a line of dashes, 33 lines for each kind of core; -1 is "not told").

use std::path::Path;

use cpuid_db::{CacheDescription, CacheKind, Identity, LeafSet, Ways, cache, formats, topology};

use crate::files;

/// One block of expected values.
#[derive(Debug)]
struct Expected {
    family_model_stepping: [i64; 3],
    cores: i64,
    logical: i64,
    /// KiB, ways, line of L1D, L1I, L2, L3.
    caches: [[i64; 3]; 4],
}

fn expected(text: &str) -> Vec<Expected> {
    let dashes = "-".repeat(80);
    let mut blocks = text.split(&dashes);
    let _dump = blocks.next();
    blocks.filter_map(block).collect()
}

fn block(text: &str) -> Option<Expected> {
    let lines: Vec<&str> = text.trim().lines().map(str::trim).collect();
    let number = |index: usize| lines.get(index)?.parse::<i64>().ok();
    let cache = |index: usize| match number(index)? {
        // A size of 0 is "none" too.
        0 | -1 => Some([-1; 3]),
        size => Some([size, number(index + 5)?, number(index + 10)?]),
    };
    Some(Expected {
        family_model_stepping: [number(6)?, number(7)?, number(5)?],
        cores: number(8)?,
        logical: number(9)?,
        caches: [cache(10)?, cache(11)?, cache(12)?, cache(13)?],
    })
}

/// KiB, ways, line of a CPU's L1D, L1I, L2, L3; -1 is "none".
fn caches(set: &[CacheDescription]) -> [[i64; 3]; 4] {
    let wanted = [
        (1, CacheKind::Data),
        (1, CacheKind::Instruction),
        (2, CacheKind::Unified),
        (3, CacheKind::Unified),
    ];
    wanted.map(|(level, kind)| {
        let Some(cache) = set.iter().find(|cache| (cache.level, cache.kind) == (level, kind)) else {
            return [-1; 3];
        };
        let ways = match cache.ways {
            Ways::Number(ways) => i64::from(ways),
            Ways::Full => 255,
            Ways::Unknown => -1,
        };
        [
            i64::try_from(cache.size >> 10).unwrap(),
            ways,
            cache.line.map_or(-1, i64::from),
        ]
    })
}

fn differences(set: &LeafSet, expected: &[Expected]) -> Vec<String> {
    let mut differ = Vec::new();
    let first = set.first().unwrap();
    let signature = Identity::of(first).signature.unwrap();
    let ours = [signature.family(), signature.model(), signature.stepping()].map(i64::from);
    let theirs = expected[0].family_model_stepping;
    if ours != theirs {
        differ.push(format!("family, model, stepping {ours:?}, expected {theirs:?}"));
    }
    let described: Vec<_> = set
        .cpus()
        .iter()
        .map(|cpu| caches(&cache::describe(cpu, &Identity::of(cpu))))
        .collect();
    for block in expected {
        let told = block.caches != [[-1; 3]; 4];
        if told && !described.iter().any(|ours| same_caches(ours, &block.caches)) {
            differ.push(format!("caches {:?}, expected {:?}", described[0], block.caches));
        }
    }
    let topology = topology::decode(set);
    // Of a dump without all CPUs, and of one where it finds no caches, libcpuid guesses the number of cores.
    // It counts the cores of one package, and the CPUs of all.
    if topology.notes.is_empty() && expected.iter().all(|block| block.caches != [[-1; 3]; 4]) {
        let ours = (
            topology.cores.len() / topology.packages.len().max(1),
            topology.cpus.len(),
        );
        let theirs = expected
            .iter()
            .fold((0, 0), |sum, block| (sum.0 + block.cores, sum.1 + block.logical));
        if (i64::try_from(ours.0).unwrap(), i64::try_from(ours.1).unwrap()) != theirs {
            differ.push(format!("cores, CPUs {ours:?}, expected {theirs:?}"));
        }
    }
    differ
}

/// Equal, or libcpuid gives the trace cache of a Pentium 4 (counted in µops, no line) for an L1I.
fn same_caches(ours: &[[i64; 3]; 4], theirs: &[[i64; 3]; 4]) -> bool {
    let trace_cache = ours[1] == [-1; 3] && theirs[1][2] == -1;
    let compared: &[usize] = if trace_cache { &[0, 2, 3] } else { &[0, 1, 2, 3] };
    compared.iter().all(|&index| ours[index] == theirs[index])
}

fn case(path: &Path) -> Option<Vec<String>> {
    let text = files::text(path);
    let expected = expected(&text);
    let (_, decoded) = formats::detect_and_parse(&text)?;
    (!expected.is_empty()).then(|| differences(&decoded.value, &expected))
}

/// Where our answer and libcpuid's differ for a reason: file, beginning of the difference, why.
const DIFFERENCES: [(&str, &str, &str); 2] = [
    (
        "amd-opteron-processor-6274-dual",
        "caches",
        "libcpuid takes the L3 of the package from leaf 0x80000006; leaf 0x8000001D describes that of each die.",
    ),
    (
        "amd-ryzen-7-5800x3d-8-core-processor",
        "cores, CPUs",
        "The file has headers of 48 CPUs and rows under 16 of them (an 8-core processor); libcpuid counts headers.",
    ),
];

fn is_known(name: &str, difference: &str) -> bool {
    DIFFERENCES
        .iter()
        .any(|(file, start, _)| name.starts_with(file) && difference.starts_with(start))
}

#[test]
fn identity_cores_and_caches_equal_libcpuids() {
    let Some(directory) = files::directory("cpuid/libcpuid", 252) else {
        return;
    };
    let (mut cases, mut known, mut unknown) = (0, 0, Vec::new());
    for path in files::below(&directory) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let differences = case(&path).unwrap_or_else(|| panic!("{name}: no dump or no expected values"));
        cases += 1;
        for difference in differences {
            if is_known(&name, &difference) {
                known += 1;
            } else {
                unknown.push(format!("{name}: {difference}"));
            }
        }
    }
    assert!(unknown.is_empty(), "differ from libcpuid: {unknown:#?}");
    assert_eq!(
        known,
        DIFFERENCES.len(),
        "a known difference is gone: take it off the table"
    );
    eprintln!("{cases} dumps compared, {known} known differences");
}
