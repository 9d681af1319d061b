//! Damaged sources through the program: what is broken is told, the rest is shown, nothing ends it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::{content, each, entries};

struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

fn pci(path: &Path) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_delid"))
        .args(["topo", "pci", "--from"])
        .arg(path)
        .output()
        .unwrap();
    Run {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Whether a line is a row of bytes: `10: 00 ff ...`.
fn is_row(line: &str) -> bool {
    let Some((offset, bytes)) = line.split_once(": ") else {
        return false;
    };
    let hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (2..=3).contains(&offset.len()) && hex(offset) && bytes.split_whitespace().all(|byte| byte.len() == 2 && hex(byte))
}

/// Lines of functions in the tree.
fn functions(text: &str) -> usize {
    text.lines().filter(|line| line.contains(&['├', '└'][..])).count()
}

/// In each dump one row of the first function gets a byte that is none.
pub fn broken_rows(root: &Path) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let dumps = entries(&root.join("pci-smbios/lspci-dump"));
    let broken = each(&dumps, |path| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = String::from_utf8_lossy(&content(path)).into_owned();
        let rows: Vec<usize> = text
            .lines()
            .enumerate()
            .filter(|(_, line)| is_row(line))
            .map(|(at, _)| at)
            .collect();
        let at = *rows.get(1).unwrap_or_else(|| panic!("{name}: no rows"));
        let lines = text.lines().enumerate().map(|(number, line)| {
            if number == at {
                format!("{}zz{}", &line[..7], &line[9..])
            } else {
                line.to_owned()
            }
        });
        let damaged = folder.path().join(&name);
        fs::write(&damaged, lines.collect::<Vec<_>>().join("\n")).unwrap();
        let (whole, run) = (pci(path), pci(&damaged));
        let mut faults = Vec::new();
        if run.code != Some(1) {
            faults.push(format!("{name}: code {:?}", run.code));
        }
        if !(run.err.contains(&format!("at line {}:", at + 1)) && run.err.contains(&name)) {
            faults.push(format!("{name}: line {} is not named: {}", at + 1, run.err));
        }
        if functions(&whole.out) != functions(&run.out) {
            faults.push(format!(
                "{name}: {} functions of {}",
                functions(&run.out),
                functions(&whole.out)
            ));
        }
        faults
    });
    broken.into_iter().flatten().collect()
}

/// Positions for damage, the same in every run.
fn positions(length: usize, count: usize) -> impl Iterator<Item = usize> {
    let mut state = 0x9e37_79b9_usize;
    std::iter::repeat_with(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % length.max(1)
    })
    .take(count)
}

/// Dumps and archives cut short and with flipped bytes.
pub fn damaged_files(root: &Path) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let mut files: Vec<PathBuf> = entries(&root.join("pci-smbios/lspci-dump"));
    files.extend(entries(&root.join("pci-smbios/smbios-bin")));
    for name in [
        "topo/hwloc-linux/2pa-pcidomain32bits.tar.bz2",
        "topo/ghw/intel-i7-1270P.tar.gz",
        "topo/util-linux-lscpu/x86_64-epyc_7451.tar.gz",
        "bench/qemu-qemu64-i440fx-seabios.tar.zst",
    ] {
        files.push(root.join(name));
    }
    let cases: Vec<(String, Vec<u8>)> = files
        .iter()
        .flat_map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let whole = fs::read(path).unwrap();
            let mut cases: Vec<(String, Vec<u8>)> = [3, 7, 9]
                .map(|tenths| {
                    (
                        format!("cut{tenths}-{name}"),
                        whole[..whole.len() * tenths / 10].to_vec(),
                    )
                })
                .into();
            let mut flipped = whole.clone();
            for at in positions(whole.len(), 8) {
                flipped[at] ^= 0x55;
            }
            cases.push((format!("flipped-{name}"), flipped));
            cases
        })
        .collect();
    let faults = each(&cases, |(name, bytes)| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let run = pci(&path);
        let told = run.err.contains(name.as_str());
        match run.code {
            Some(0) => None,
            Some(1) if told && run.err.starts_with("damaged: ") => None,
            Some(2) if told && run.err.starts_with("delid: ") && run.out.is_empty() => None,
            code => Some(format!("{name}: code {code:?}: {}", run.err)),
        }
    });
    faults.into_iter().flatten().collect()
}
