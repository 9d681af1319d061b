//! `delid acpi list`: what it prints and how it ends.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use acpi_dump::cli::{Args, Error, run};
use clap::Parser;

/// MCFG with one window, segment 0, buses 0 to 0x3f; the checksum byte is `sum`.
fn mcfg(sum: u8) -> Vec<u8> {
    let mut bytes = b"MCFG\x3c\0\0\0\x01\0MAKER TESTTBL \x01\0\0\0HAND\x01\0\0\0".to_vec();
    bytes.extend([0; 8]);
    bytes.extend([0, 0, 0, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x3f, 0, 0, 0, 0]);
    let right = bytes
        .iter()
        .fold(0u8, |sum, byte| sum.wrapping_add(*byte))
        .wrapping_neg();
    if let Some(byte) = bytes.get_mut(9) {
        *byte = right.wrapping_add(sum);
    }
    bytes
}

fn list(paths: &[&Path], json: bool) -> (Result<u8, Error>, String) {
    let mut arguments = vec![PathBuf::from("acpi"), PathBuf::from("list")];
    for path in paths {
        arguments.extend([PathBuf::from("--from"), path.to_path_buf()]);
    }
    if json {
        arguments.push(PathBuf::from("--json"));
    }
    let mut out = Vec::new();
    let result = run(Args::parse_from(arguments), &mut out);
    (result, String::from_utf8(out).unwrap())
}

#[test]
fn binary_table_is_listed_with_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mcfg.dat");
    fs::write(&path, mcfg(0)).unwrap();
    let (result, text) = list(&[&path], false);
    assert_eq!(result.unwrap(), 0);
    let row = "MCFG    MAKER   TESTTBL     1       60  ok        segment 0000 buses 00-3f at 0xe0000000";
    assert_eq!(text.lines().nth(1), Some(row));
}

#[test]
fn wrong_checksum_stands_in_the_row_and_below_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mcfg.dat");
    fs::write(&path, mcfg(1)).unwrap();
    let (result, text) = list(&[&path], false);
    assert_eq!(result.unwrap(), 1);
    assert!(
        text.contains("  wrong  ") && text.contains("at 0x0009: expected checksum"),
        "{text}"
    );
}

#[test]
fn json_has_decoded_windows_with_addresses_as_hexadecimal_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mcfg.dat");
    fs::write(&path, mcfg(0)).unwrap();
    let (_, text) = list(&[&path], true);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let window = json.pointer("/tables/0/content/mcfg/windows/0").unwrap();
    assert_eq!(window.get("base").unwrap(), "0x00000000e0000000");
    assert_eq!(window.get("last_bus").unwrap(), 0x3f);
}

#[test]
fn table_that_root_and_text_dump_both_give_is_listed_once_with_both_sources() {
    let folder = tempfile::tempdir().unwrap();
    let tables = folder.path().join("root/sys/firmware/acpi/tables");
    fs::create_dir_all(tables.join("dynamic")).unwrap();
    fs::create_dir_all(folder.path().join("root/proc")).unwrap();
    fs::write(folder.path().join("root/proc/cpuinfo"), "processor\t: 0\n").unwrap();
    fs::write(tables.join("MCFG"), mcfg(0)).unwrap();
    let rows: String = mcfg(0)
        .chunks(16)
        .enumerate()
        .map(|(row, bytes)| {
            let columns: String = bytes.iter().map(|byte| format!("{byte:02X} ")).collect();
            format!("    {:04X}: {columns}\n", row * 16)
        })
        .collect();
    let text = folder.path().join("acpidump.txt");
    fs::write(&text, format!("MCFG @ 0x0000000000000000\n{rows}\n")).unwrap();
    let (result, printed) = list(&[&folder.path().join("root"), &text], true);
    assert_eq!(result.unwrap(), 0, "{printed}");
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let [row] = printed["tables"].as_array().unwrap().as_slice() else {
        panic!("{printed}");
    };
    assert!(
        row["origin"]
            .as_str()
            .unwrap()
            .contains("sys/firmware/acpi/tables/MCFG"),
        "{row}"
    );
    assert!(row["also"][0].as_str().unwrap().contains("acpidump.txt"), "{row}");
}

#[test]
fn capture_without_tables_cannot_be_listed() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("proc")).unwrap();
    fs::create_dir_all(folder.path().join("sys/devices/system/cpu")).unwrap();
    fs::write(folder.path().join("proc/cpuinfo"), "processor\t: 0\n").unwrap();
    fs::write(folder.path().join("sys/devices/system/cpu/online"), "0\n").unwrap();
    let (result, printed) = list(&[folder.path()], false);
    assert!(matches!(result, Err(Error::NoTable { .. })), "{printed}");
    let (result, _) = list(&[&folder.path().join("no-such-file")], false);
    assert!(matches!(result, Err(Error::Open(_))));
}

/// Run `delid acpi` with these words.
fn acpi(words: &[&str]) -> (Result<u8, Error>, String) {
    let mut out = Vec::new();
    let result = run(Args::parse_from([&["acpi"], words].concat()), &mut out);
    (result, String::from_utf8(out).unwrap())
}

/// An acpidump text of two SSDTs and the MCFG, as the tool prints it.
fn dump() -> String {
    let mut text = Vec::new();
    let mut second = mcfg(0);
    second.splice(..4, *b"SSDT");
    for (name, bytes) in [("MCFG", mcfg(0)), ("SSDT", second.clone()), ("SSDT", second)] {
        acpi_dump::text::write(&mut text, name, 0, &bytes).unwrap();
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn extracted_files_carry_the_names_that_acpixtract_gives() {
    let folder = tempfile::tempdir().unwrap();
    let (text, target) = (folder.path().join("dump.txt"), folder.path().join("out"));
    fs::write(&text, dump()).unwrap();
    let (text, directory) = (text.to_str().unwrap(), target.to_str().unwrap());
    let (result, printed) = acpi(&["extract", "--from", text, "-d", directory]);
    assert_eq!((result.unwrap(), printed.lines().count()), (0, 3));
    assert_eq!(fs::read(target.join("mcfg.dat")).unwrap(), mcfg(0));
    assert!(target.join("ssdt1.dat").exists() && target.join("ssdt2.dat").exists());
    let (again, _) = acpi(&["extract", "MCFG", "--from", text, "-d", directory]);
    assert!(
        matches!(again, Err(Error::WriteFile { .. })),
        "files are not replaced unasked"
    );
    let (unknown, _) = acpi(&["extract", "SSDT3", "--from", text, "-d", directory]);
    assert!(matches!(unknown, Err(Error::Unknown { .. })));
}

#[test]
fn text_to_binary_to_text_is_the_same_text() {
    let folder = tempfile::tempdir().unwrap();
    let (text, binary) = (folder.path().join("dump.txt"), folder.path().join("amltables.dat"));
    fs::write(&text, dump()).unwrap();
    let (text, binary) = (text.to_str().unwrap(), binary.to_str().unwrap());
    assert_eq!(acpi(&["convert", text, "--to", "binary", "-o", binary]).0.unwrap(), 0);
    let (result, printed) = acpi(&["convert", binary, "--to", "text"]);
    assert_eq!((result.unwrap(), printed), (0, dump()));
}

#[test]
fn file_that_nothing_recognises_is_read_as_the_table_it_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.bin");
    fs::write(&path, &mcfg(0)[..50]).unwrap();
    let (result, printed) = acpi(&["list", path.to_str().unwrap()]);
    assert_eq!(result.unwrap(), 1);
    assert!(
        printed.contains("expected 60 bytes of table, seen 50 bytes"),
        "{printed}"
    );
}

#[test]
fn committed_schema_is_that_of_the_commands() {
    let (result, printed) = acpi(&["schema"]);
    assert_eq!(result.unwrap(), 0);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema/acpi.json");
    let committed = fs::read_to_string(path).unwrap();
    assert!(committed == printed, "stale: delid acpi schema > docs/schema/acpi.json");
}
