//! Containers of AMD as amd_ucode_info shows and takes them apart (its `-vv`, `-e` and `-s`).
//! Runs where DELID_AMD_UCODE_INFO names the program, or it is on the path.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use microcode::Signature;
use microcode::amd::{self, Container, Equivalence, EquivalentId, Patch};

fn containers() -> Vec<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let corpus = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    let installed = std::env::var_os("DELID_UCODE").map_or_else(|| "/lib/firmware".into(), PathBuf::from);
    let mut paths = Vec::new();
    for (folder, what) in [
        (corpus.join("microcode/amd"), "corpus"),
        (installed.join("amd-ucode"), "amd-ucode folder"),
    ] {
        let Ok(entries) = fs::read_dir(&folder) else {
            eprintln!("{what} absent: 1 case not run");
            continue;
        };
        let files = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
        paths.extend(files.filter(|path| amd::looks_like_container(&fs::read(path).unwrap())));
    }
    paths.sort();
    paths
}

/// The program with these arguments, or nothing where it is not installed.
fn program(arguments: &[&str], path: &Path) -> Option<Output> {
    let names = match std::env::var("DELID_AMD_UCODE_INFO") {
        Ok(name) => vec![name],
        Err(_) => vec!["amd_ucode_info.py".to_owned(), "amd_ucode_info".to_owned()],
    };
    let run = |name: &String| Command::new(name).args(arguments).arg(path).output().ok();
    names.iter().find_map(run)
}

fn cpu(signature: Signature) -> String {
    let (family, model, stepping) = signature.family_model_stepping();
    format!("Family={family:#04x} Model={model:#04x} Stepping={stepping:#04x}")
}

/// All rows that the length of the table covers, the ones of zeros among them.
fn rows(container: &Container) -> Vec<Equivalence> {
    let zero = Equivalence::new(Signature(0), EquivalentId(0));
    let mut rows = container.equivalences.clone();
    if rows.len() * amd::ROW < container.table_size {
        rows.push(zero);
    }
    rows.extend(&container.behind_end);
    rows.resize(container.table_size / amd::ROW, zero);
    rows
}

fn named(container: &Container, id: EquivalentId) -> Vec<Equivalence> {
    let mut list: Vec<Equivalence> = Vec::new();
    for row in container.equivalences.iter().filter(|row| row.id == id) {
        if list.iter().all(|other| other.signature != row.signature) {
            list.push(*row);
        }
    }
    list
}

fn print(path: &Path, file: &amd::File) -> String {
    let mut out = String::new();
    for container in &file.containers {
        let at = match container.offset {
            0 => String::new(),
            offset => format!("+{offset:#x}"),
        };
        writeln!(out, "Microcode patches in {}{at}:", path.display()).unwrap();
        for (number, row) in rows(container).iter().enumerate() {
            let offset = container.offset + amd::CONTAINER_HEADER + number * amd::ROW;
            writeln!(
                out,
                " [equiv entry@{offset:#010x}: cpuid {:#010x}, equiv id {:#06x}, errata mask {:#010x}, \
                 errata compare {:#010x}, res {:#06x}]",
                row.signature.0, row.id.0, row.errata_mask, row.errata_compare, row.reserved
            )
            .unwrap();
        }
        for patch in &container.patches {
            print_patch(container, patch, &mut out);
        }
    }
    out
}

fn print_patch(container: &Container, patch: &Patch, out: &mut String) {
    let (header, date) = (&patch.header, patch.date);
    for row in named(container, patch.id) {
        writeln!(
            out,
            "  {}: Patch={:#010x} Length={} bytes Start={} bytes Date={date} Equiv_id={}",
            cpu(row.signature),
            patch.revision.0,
            patch.size,
            patch.offset,
            patch.id,
        )
        .unwrap();
    }
    let [a, b, c] = header.reserved;
    writeln!(
        out,
        "   [data_code=0x{:02x}{:02x}{:04x}, mc_patch_data_id={:#06x}, mc_patch_data_len={:#04x}, \
         init_flag={:#04x}, mc_patch_data_checksum={:#010x}]\n   [nb_dev_id={:#010x}, sb_dev_id={:#010x}, \
         nb_rev_id={:#04x}, sb_rev_id={:#04x}, bios_api_rev={:#04x}, reserved=[{a:#04x}, {b:#04x}, {c:#04x}]]",
        date.month,
        date.day,
        date.year,
        header.data_id,
        header.data_length,
        header.init_flag,
        header.checksum,
        header.north_bridge,
        header.south_bridge,
        header.north_bridge_revision,
        header.south_bridge_revision,
        header.bios_api_revision,
    )
    .unwrap();
    let registers: Vec<String> = header
        .match_registers
        .iter()
        .map(|word| format!("{word:#010x}"))
        .collect();
    writeln!(out, "   [match_reg=[{}]]", registers.join(", ")).unwrap();
}

#[test]
fn listing_of_every_field_is_that_of_amd_ucode_info() {
    let (mut patches, paths) = (0, containers());
    for path in &paths {
        let Some(theirs) = program(&["-vv"], path) else {
            eprintln!("amd_ucode_info absent: {} cases not run", paths.len());
            return;
        };
        let theirs = String::from_utf8(theirs.stdout).unwrap();
        let file = amd::read(&fs::read(path).unwrap());
        let ours = print(path, &file);
        for (number, (ours, theirs)) in ours.lines().zip(theirs.lines()).enumerate() {
            assert_eq!(ours, theirs, "{} line {}", path.display(), number + 1);
        }
        assert_eq!(ours.lines().count(), theirs.lines().count(), "{}", path.display());
        for container in &file.containers {
            for patch in &container.patches {
                let list: Vec<_> = named(container, patch.id).iter().map(|row| row.signature).collect();
                assert_eq!(patch.signatures, list, "{} {}", path.display(), patch.revision);
                patches += 1;
            }
        }
    }
    eprintln!("{} files with {patches} patches agree in every field", paths.len());
}

fn folder(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(path).into_iter().flatten().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                fs::read(entry.path()).unwrap(),
            )
        })
        .collect()
}

#[test]
fn patches_and_single_containers_are_byte_for_byte_those_of_amd_ucode_info() {
    let (mut compared, paths) = (0, containers());
    for path in &paths {
        let into = tempfile::tempdir().unwrap();
        let sub = |name: &str| into.path().join(name).to_str().unwrap().to_owned();
        let arguments = ["-e", &sub("raw"), "-s", &sub("single")];
        if program(&arguments, path).is_none() {
            eprintln!("amd_ucode_info absent: {} cases not run", paths.len());
            return;
        }
        let bytes = fs::read(path).unwrap();
        let (mut raw, mut single) = (BTreeMap::new(), BTreeMap::new());
        for container in &amd::read(&bytes).containers {
            for patch in &container.patches {
                let data = &bytes[patch.offset..patch.offset + patch.size];
                let (rows, revision) = (named(container, patch.id), patch.revision.0);
                let mut name = format!("mc_equivid_{}", patch.id);
                rows.iter()
                    .for_each(|row| write!(name, "_cpuid_{}", row.signature).unwrap());
                single.insert(format!("{name}_patch_{revision:#010x}.bin"), amd::write(&rows, &[data]));
                raw.insert(format!("mc_patch_0{revision:x}.bin"), data.to_vec());
                compared += 1;
            }
        }
        assert!(folder(Path::new(&sub("raw"))) == raw, "{}", path.display());
        assert!(folder(Path::new(&sub("single"))) == single, "{}", path.display());
    }
    eprintln!("{compared} patches taken out are equal, alone and in a container");
}
