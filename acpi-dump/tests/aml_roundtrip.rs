//! Disassembly of real tables, compiled again by `iasl`: the same bytes must come out.
//!
//! A sample by default, every table with `DELID_ALL=1`. The compiler is `iasl` or what `IASL` names.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use acpi_dump::aml::disassemble::{Context, Externals, Inexact, Options, disassemble, inexact};
use acpi_dump::aml::{Op, Tree, read_all};
use acpi_dump::{Signature, Table, text};

/// Tables whose every term has words and that still differ, with the reason.
const EXCEPTIONS: &[(&str, &str)] = &[];

/// Each so many tables are in the sample.
const SAMPLE: usize = 4;

fn corpus() -> Option<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    let acpi = root.join("acpi");
    if !acpi.is_dir() {
        eprintln!("corpus absent: 1 case not run");
        return None;
    }
    Some(acpi)
}

fn compiler() -> Option<String> {
    let iasl = std::env::var("IASL").unwrap_or_else(|_| "iasl".to_owned());
    let run = Command::new(&iasl)
        .arg("-v")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if run.is_err() {
        eprintln!("iasl absent: 1 case not run");
        return None;
    }
    Some(iasl)
}

fn unpack(path: &Path) -> Vec<u8> {
    let file = fs::File::open(path).unwrap();
    if path.extension().is_none_or(|end| end != "zst") {
        return fs::read(path).unwrap();
    }
    let mut bytes = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(file)
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// DSDT and SSDTs of each machine, the DSDT first.
fn machines(corpus: &Path) -> Vec<(String, Vec<Vec<u8>>)> {
    let mut paths = Vec::new();
    for folder in ["linuxhw", "fwts", "qemu", "live-microvm"] {
        files(&corpus.join(folder), &mut paths);
    }
    let mut list = Vec::new();
    for path in paths {
        let name = path.strip_prefix(corpus).unwrap().display().to_string();
        let file = path.file_name().unwrap().to_str().unwrap();
        let mut tables: Vec<Table> = if file.contains("acpidump") {
            let dump = text::parse(&unpack(&path));
            dump.tables.iter().filter_map(|table| table.table().ok()).collect()
        } else if name.starts_with("qemu") {
            Table::parse(&unpack(&path)).into_iter().collect()
        } else {
            continue;
        };
        let (dsdt, ssdt) = (Signature(*b"DSDT"), Signature(*b"SSDT"));
        tables.retain(|table| (table.signature == dsdt || table.signature == ssdt) && table.missing.is_empty());
        tables.retain(|table| table.bytes.len() == usize::try_from(table.length).unwrap());
        tables.sort_by_key(|table| table.signature != dsdt);
        if !tables.is_empty() {
            list.push((name, tables.into_iter().map(|table| table.bytes).collect()));
        }
    }
    list
}

/// One table to compile.
struct Case {
    name: String,
    bytes: Vec<u8>,
    /// With the declarations that the table codes.
    coded: String,
    /// With all declarations.
    declared: String,
    wordless: BTreeSet<Inexact>,
    twice: bool,
}

fn cases(corpus: &Path, time: &mut Duration) -> Vec<Case> {
    let all = std::env::var_os("DELID_ALL").is_some();
    let mut cases: Vec<Case> = Vec::new();
    let mut seen: Vec<Vec<u8>> = Vec::new();
    let mut number = 0usize;
    for (machine, tables) in machines(corpus) {
        let views: Vec<&[u8]> = tables.iter().map(Vec::as_slice).collect();
        let start = Instant::now();
        let (trees, names) = read_all(&views);
        let context = Context::new(&names, &trees);
        *time += start.elapsed();
        for (place, tree) in trees.iter().enumerate() {
            if seen.contains(&tree.bytes) {
                continue;
            }
            seen.push(tree.bytes.clone());
            number += 1;
            if !all && !number.is_multiple_of(SAMPLE) {
                continue;
            }
            let options = Options {
                externals: Externals::AsCoded,
                ..Options::default()
            };
            let coded = disassemble(tree, &context, &options);
            let start = Instant::now();
            let declared = disassemble(tree, &context, &Options::default());
            *time += start.elapsed();
            cases.push(Case {
                name: format!("{machine} table {place}"),
                bytes: tree.bytes.clone(),
                coded,
                declared,
                wordless: inexact(tree).into_iter().map(|(_, reason)| reason).collect(),
                twice: declares_twice(tree),
            });
        }
    }
    cases
}

/// Whether a name has two `External`: compilers from 2025 on drop the second.
fn declares_twice(tree: &Tree) -> bool {
    let mut names: Vec<&[u8]> = tree
        .nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| node.op == Op::External)
        .map(|(_, node)| {
            let first = tree.node(node.first.unwrap()).unwrap();
            &tree.bytes[first.start as usize..first.end as usize]
        })
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    names.len() < count
}

fn run(iasl: &str, folder: &Path, arguments: &[&str]) {
    let mut command = Command::new(iasl);
    command
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().unwrap();
}

/// The bytes behind the header that `text` compiles to.
fn compile(iasl: &str, folder: &Path, name: &str, flags: &[&str]) -> Option<Vec<u8>> {
    let mut arguments = flags.to_vec();
    let source = format!("{name}.dsl");
    arguments.extend(["-ve", "-p", name, &source]);
    run(iasl, folder, &arguments);
    fs::read(folder.join(format!("{name}.aml"))).ok()
}

/// Signature, revision and OEM fields, and everything behind the header.
fn told(table: &[u8]) -> (&[u8], u8, &[u8], &[u8]) {
    (&table[..4], table[8], &table[10..28], &table[36..])
}

/// Bytes behind the header without the declarations at their begin.
fn body(table: &[u8]) -> Vec<u8> {
    let rest = &table[36..];
    let (Some(0xa0), Some(lead)) = (rest.first(), rest.get(1)) else {
        return rest.to_vec();
    };
    let more = usize::from(lead >> 6);
    let high = rest[2..2 + more]
        .iter()
        .rev()
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let length = if more == 0 {
        usize::from(lead & 0x3f)
    } else {
        high << 4 | usize::from(lead & 15)
    };
    match rest.get(2 + more..4 + more) {
        Some([0, 0x15]) => rest[1 + length..].to_vec(),
        _ => rest.to_vec(),
    }
}

/// What came of one table.
#[derive(Clone, Copy, Default)]
struct Outcome {
    same: bool,
    declared: bool,
    peer: bool,
    peer_time: Duration,
}

fn try_one(iasl: &str, case: &Case) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("coded.dsl"), &case.coded).unwrap();
    fs::write(at.join("declared.dsl"), &case.declared).unwrap();
    fs::write(at.join("peer.aml"), &case.bytes).unwrap();
    let coded = compile(iasl, at, "coded", &["-oa", "-oE", "-f"]);
    let declared = compile(iasl, at, "declared", &["-oa"]);
    let start = Instant::now();
    run(iasl, at, &["-d", "peer.aml"]);
    let peer_time = start.elapsed();
    fs::remove_file(at.join("peer.aml")).unwrap();
    let peer = compile(iasl, at, "peer", &["-oa", "-f"]);
    Outcome {
        same: coded.is_some_and(|table| told(&table) == told(&case.bytes)),
        declared: declared.is_some_and(|table| body(&table) == body(&case.bytes)),
        peer: peer.is_some_and(|table| table[36..] == case.bytes[36..]),
        peer_time,
    }
}

#[test]
fn compiled_disassembly_is_the_same_bytes_wherever_asl_has_words_for_them() {
    let Some((corpus, iasl)) = corpus().zip(compiler()) else {
        return;
    };
    let mut time = Duration::ZERO;
    let cases = cases(&corpus, &mut time);
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut outcomes = Vec::new();
        while let Some((number, case)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|n| Some((n, cases.get(n)?)))
        {
            outcomes.push((number, try_one(&iasl, case)));
        }
        outcomes
    };
    let outcomes: BTreeMap<usize, Outcome> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let count = |wanted: &dyn Fn(&Case, &Outcome) -> bool| {
        outcomes
            .iter()
            .filter(|(number, outcome)| wanted(&cases[**number], outcome))
            .count()
    };
    let peer_time: Duration = outcomes.values().map(|outcome| outcome.peer_time).sum();
    let peer = count(&|_, outcome| outcome.peer);
    let both = count(&|_, outcome| outcome.peer && outcome.same);
    eprintln!(
        "{} tables: {} the same, {} have details without words; {} the same with all names declared; \
         iasl's own disassembly {peer}, of these {both} here; time {time:?}, iasl -d {peer_time:?}",
        outcomes.len(),
        count(&|_, outcome| outcome.same),
        count(&|case, _| !case.wordless.is_empty()),
        count(&|_, outcome| outcome.declared),
    );
    let mut reasons: BTreeMap<&BTreeSet<Inexact>, usize> = BTreeMap::new();
    for (number, _) in outcomes.iter().filter(|(_, outcome)| !outcome.same) {
        *reasons.entry(&cases[*number].wordless).or_default() += 1;
    }
    for (reasons, count) in reasons {
        let list: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        eprintln!("  {count} tables: {}", list.join(", "));
    }
    for (number, outcome) in &outcomes {
        let case = &cases[*number];
        let excused = case.twice || EXCEPTIONS.iter().any(|(name, _)| *name == case.name);
        assert!(
            outcome.same || !case.wordless.is_empty() || excused,
            "{} differs",
            case.name
        );
    }
    assert!(both * 10 >= peer * 9, "{both} of {peer} that iasl itself gives back");
    assert!(outcomes.len() > 50, "{} tables", outcomes.len());
}

/// Random numbers that are the same at each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 20).unwrap() % sides.max(1)
    }
}

fn text_of(table: &[u8]) -> String {
    let (trees, names) = read_all(&[table]);
    disassemble(&trees[0], &Context::new(&names, &trees), &Options::default())
}

#[test]
fn damaged_tables_are_written_to_the_end_and_in_time() {
    let Some(corpus) = corpus() else { return };
    let mut tables: Vec<Vec<u8>> = machines(&corpus).into_iter().flat_map(|(_, tables)| tables).collect();
    tables.retain(|table| table.len() < 0x4000);
    let mut crashers = Vec::new();
    files(&corpus.join("iasl-crashers"), &mut crashers);
    assert!(crashers.len() > 10);
    let mut dice = Dice(0x5eed_ac91_0000_0001);
    for path in crashers {
        let text = text_of(&fs::read(path).unwrap());
        assert!(text.ends_with("}\n"));
    }
    for number in 0..300 {
        let mut table = tables[dice.roll(tables.len())].clone();
        if number % 3 == 0 {
            table.truncate(36 + dice.roll(table.len() - 36));
        } else {
            for _ in 0..=dice.roll(8) {
                let place = 36 + dice.roll(table.len().max(37) - 36);
                let byte = u8::try_from(dice.roll(256)).unwrap();
                if let Some(slot) = table.get_mut(place) {
                    *slot = byte;
                }
            }
        }
        let text = text_of(&table);
        assert!(text.ends_with("}\n"));
        assert!(
            text.len() < table.len() * 200 + 0x1000,
            "{} of {}",
            text.len(),
            table.len()
        );
    }
}
