//! `delid cpuid` as it is typed, on texts of our own.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::expect_used)]

use std::io::Write;

use clap::Parser;
use cpuid_db::cli::{Args, run};
use tempfile::NamedTempFile;

/// A processor of Intel's with these words of leaf 1 ECX and leaf 7 EBX.
fn dump(ecx: u32, ebx: u32) -> String {
    format!(
        "CPU 0:
   0x00000000 0x00: eax=0x00000007 ebx=0x756e6547 ecx=0x6c65746e edx=0x49656e69
   0x00000001 0x00: eax=0x000306c3 ebx=0x00010800 ecx={ecx:#010x} edx=0x178bfbff
   0x00000007 0x00: eax=0x00000000 ebx={ebx:#010x} ecx=0x00000000 edx=0x00000000
   0x80000000 0x00: eax=0x80000008 ebx=0x00000000 ecx=0x00000000 edx=0x00000000
   0x80000001 0x00: eax=0x00000000 ebx=0x00000000 ecx=0x00000001 edx=0x28100800
   0x80000008 0x00: eax=0x00003027 ebx=0x00000000 ecx=0x00000000 edx=0x00000000
"
    )
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn path(file: &NamedTempFile) -> String {
    file.path().display().to_string()
}

/// Exit code and output; an error is its text.
fn delid(arguments: &[&str]) -> Result<(u8, String), String> {
    let arguments = ["cpuid"].iter().chain(arguments);
    let args = Args::try_parse_from(arguments).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    let code = run(args, &mut out).map_err(|error| error.to_string())?;
    Ok((code, String::from_utf8(out).unwrap()))
}

fn done(arguments: &[&str]) -> String {
    let (code, text) = delid(arguments).unwrap();
    assert_eq!(code, 0, "{arguments:?}:\n{text}");
    text
}

fn json(arguments: &[&str]) -> serde_json::Value {
    let (_, text) = delid(arguments).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn show_names_features_in_the_dialect_asked_for() {
    let dump = file(&dump(0x3, 0x20));
    assert!(done(&["show", &path(&dump)]).contains("pni pclmulqdq\n"));
    assert!(done(&["show", "--names", "libvirt", &path(&dump)]).contains("pni pclmuldq\n"));
    let report = json(&["show", "--json", &path(&dump)]);
    assert_eq!(report[0]["codename"]["codename"], "Haswell");
}

#[test]
fn every_field_is_a_line_of_the_full_text() {
    let dump = file(&dump(0x3, 0x20));
    let text = done(&["show", "--full", &path(&dump)]);
    let line = text.lines().find(|line| line.contains(" avx2 ")).unwrap();
    assert!(line.contains("ebx[5]") && line.contains(" 1 "), "{line}");
}

#[test]
fn raw_writes_what_is_read_again() {
    let text = dump(0x3, 0x20);
    let dump = file(&text);
    assert_eq!(done(&["raw", &path(&dump)]), text);
    for format in ["aida64", "cpudata", "json"] {
        let written = file(&done(&["raw", "--to", format, &path(&dump)]));
        assert_eq!(done(&["raw", &path(&written)]), text, "{format}");
    }
    assert!(
        delid(&["raw", "--cpu", "7", &path(&dump)])
            .unwrap_err()
            .contains("no CPU 7")
    );
}

#[test]
fn list_has_a_line_for_each_file_and_says_what_is_no_dump() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), dump(0, 0)).unwrap();
    std::fs::write(folder.path().join("b"), "hello\n").unwrap();
    let (code, text) = delid(&["list", &folder.path().display().to_string()]).unwrap();
    assert_eq!(code, 1);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines[0].starts_with("GenuineIntel") && lines[0].contains("Haswell"),
        "{text}"
    );
    assert!(lines[1].starts_with("not read: "), "{text}");
}

#[test]
fn explain_takes_words_and_says_where_an_argument_is_wrong() {
    let text = done(&["explain", "1.ecx=0x3"]);
    assert!(text.lines().any(|line| line.ends_with(" 1 pclmulqdq")), "{text}");
    let error = delid(&["explain", "1.exx=0x3"]).unwrap_err();
    assert!(error.starts_with("argument:1:3:"), "{error}");
}

#[test]
fn find_tells_an_ambiguous_name() {
    assert!(done(&["find", "ssb-no"]).starts_with("ssb-no stands for 2 different bits"));
    assert_eq!(delid(&["find", "zzzzz"]).unwrap().0, 1);
}

#[test]
fn diff_is_1_when_they_differ() {
    let (a, b) = (file(&dump(0x3, 0x20)), file(&dump(0x1, 0x20)));
    assert_eq!(
        done(&["diff", &path(&a), &path(&a)]).lines().last(),
        Some("no difference")
    );
    let (code, text) = delid(&["diff", &path(&a), &path(&b)]).unwrap();
    assert_eq!(code, 1);
    assert!(
        text.contains("features of only a:") && text.contains("pclmulqdq"),
        "{text}"
    );
}

#[test]
fn a_damaged_dump_is_1_for_every_command_that_reads_it() {
    let damaged = file(&dump(0x97ba_2203, 0).replace("0x00000007 0x00: eax=0x", "0x00000007 0x00: eax=0xZZ"));
    let path = path(&damaged);
    for arguments in [
        vec!["show", &path],
        vec!["show", "--full", &path],
        vec!["raw", &path],
        vec!["list", &path],
        vec!["diff", &path, &path],
        vec!["models", "--nearest", &path],
        vec!["convert", "--partial", "--to", "qemu", &path],
        vec!["baseline", &path],
        vec!["check", "--policy", &path, &path],
    ] {
        assert_eq!(delid(&arguments).unwrap().0, 1, "{arguments:?}");
    }
}

#[test]
fn models_are_listed_shown_and_ranked() {
    assert!(done(&["models"]).lines().count() > 80);
    assert!(done(&["models", "--of", "libvirt"]).lines().count() > 100);
    assert!(done(&["models", "Haswell-noTSX"]).contains("fsgsbase"));
    assert!(delid(&["models", "Nosuch"]).unwrap_err().contains("no such model"));
    let dump = file(&dump(0x97ba_2203, 0));
    let near = json(&["models", "--nearest", &path(&dump), "--top", "3", "--json"]);
    assert_eq!(near.as_array().unwrap().len(), 3);
    assert!(near[0]["model"].as_str().unwrap().starts_with("SandyBridge"), "{near}");
}

#[test]
fn a_model_becomes_a_cpuid_line_and_comes_back() {
    let asked = "SandyBridge,+pcid,-aes";
    for language in ["xl", "xend", "libvirt", "firecracker"] {
        let written = file(&done(&["convert", "--to", language, asked]));
        assert_eq!(
            done(&["convert", "--to", "qemu", &path(&written)]).trim_end(),
            asked,
            "{language}"
        );
    }
}

#[test]
fn what_a_language_cannot_say_is_an_error_with_its_place() {
    let error = delid(&["convert", "--to", "xl", "SandyBridge,+kvm-pv-eoi"]).unwrap_err();
    assert!(error.starts_with("argument:1:14: kvm-pv-eoi"), "{error}");
    let (code, text) = delid(&["convert", "--to", "xl", "--partial", "SandyBridge,+kvm-pv-eoi"]).unwrap();
    assert_eq!(code, 1);
    assert!(text.starts_with("host,family=6,model=42"), "{text}");
}

#[test]
fn baseline_says_who_lacks_what() {
    let (old, new) = (file(&dump(0x0000_0201, 0)), file(&dump(0x0000_0203, 0x20)));
    let report = json(&["baseline", "--json", &path(&old), &path(&new)]);
    let fallen = report["fallen"].as_array().unwrap();
    let names: Vec<&str> = fallen.iter().map(|fallen| fallen["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["pclmulqdq", "avx2"]);
    assert!(fallen[0]["why"].as_str().unwrap().starts_with("not on "));
    let text = done(&["baseline", &path(&old), &path(&new)]);
    assert!(text.contains("libvirt rules") && text.contains("xen rules"), "{text}");
    let option = done(&["baseline", "--to", "qemu", &path(&old), &path(&new)]);
    assert!(option.starts_with("Conroe,model=60,"), "{option}");
}

#[test]
fn libvirt_semantics_take_definitions_and_give_one() {
    let hosts = file(
        "<cpu><arch>x86_64</arch><model>Westmere</model><feature name='pcid'/></cpu>
<cpu><arch>x86_64</arch><model>SandyBridge</model><feature name='pcid'/></cpu>",
    );
    let definition = done(&["baseline", "--semantics", "libvirt", "--to", "libvirt", &path(&hosts)]);
    assert!(
        definition.contains(">Westmere</model>") && definition.contains("name='pcid'"),
        "{definition}"
    );
}

#[test]
fn check_is_1_and_names_the_host() {
    let host = file(&dump(0x0000_0201, 0));
    let (code, text) = delid(&["check", "--policy", "Haswell-noTSX", &path(&host)]).unwrap();
    assert_eq!(code, 1);
    assert!(text.starts_with("no:\n") && text.contains("avx2"), "{text}");
    let own = path(&host);
    assert!(done(&["check", "--policy", &own, &own]).starts_with("yes:"));
}

#[test]
fn masks_leave_what_the_policy_has_and_come_back() {
    let masks = done(&["mask", "--to", "xl", "host,aes=0"]);
    assert_eq!(masks.trim_end(), "host,aesni=0");
    let left = done(&["mask", "--back", "cpuid_mask_ecx=0xfdffffff"]);
    let word = left
        .lines()
        .find(|line| line.trim_start().starts_with("1.0.ecx"))
        .unwrap();
    assert!(!left.contains("aesni") && word.contains("sse3"), "{left}");
}

#[test]
fn lint_says_what_xl_only_prints() {
    let (code, text) = delid(&["lint", "host,+pcid,nosuchfeature=1"]).unwrap();
    assert_eq!(code, 1);
    assert!(
        text.contains("argument:1:6: error: +pcid: error #1: missing \"=\" in key=value"),
        "{text}"
    );
    assert!(text.contains("error #2: unknown CPUID flag name"), "{text}");
    assert!(done(&["lint", "host,pse36=0"]).contains("nothing found"));
    let (code, text) = delid(&[
        "lint",
        "<cpu mode='custom'><model>Haswell</model><feature policy='require' name='pclmulqdq'/></cpu>",
    ])
    .unwrap();
    assert_eq!(code, 1);
    assert!(text.contains("pclmuldq"), "{text}");
}

#[test]
fn rows_of_a_users_table_are_named_and_bad_ones_refused() {
    let header = cpuid_db::database::row::COLUMNS.join("\t");
    let row = |id: &str, leaf: &str| {
        [
            leaf, "0", "eax", "3", id, "feature", "-", "any", "-", "-", "-", "-", "-", "-", "-", "-", "-", "and",
            "presence", "-", "-", "ours", "test",
        ]
        .join("\t")
    };
    let table = file(&format!("{header}\n{}\n", row("house_feature", "0x12345678")));
    let text = done(&["--db", &path(&table), "find", "house_feature"]);
    assert!(text.contains("12345678.0.eax[3]"), "{text}");
    let bad = file(&format!("{header}\n{}\n", row("House Feature", "0x12345678")));
    let error = delid(&["--db", &path(&bad), "find", "x"]).unwrap_err();
    assert!(error.contains(":2: "), "{error}");
}

#[test]
fn the_committed_schema_is_the_printed_one() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema/cpuid.json");
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        committed == done(&["schema"]),
        "stale: delid cpuid schema > docs/schema/cpuid.json"
    );
}
