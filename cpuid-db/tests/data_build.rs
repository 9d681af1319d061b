//! Tables that contradict themselves are refused when the crate is built: the checks of `build/fields.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a test"
)]

#[allow(missing_docs, reason = "part of the build script")]
#[path = "../build/fields.rs"]
mod fields;

use std::fs;

/// What the build says of a table with these rows; columns not given are `-`.
fn build(rows: &[&str]) -> Result<String, String> {
    build_with(rows, "")
}

fn build_with(rows: &[&str], shared_names: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("fields");
    fs::create_dir(&table).unwrap();
    let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
    fs::write(table.join("a.tsv"), fields::row::COLUMNS.join("\t") + "\n" + &text).unwrap();
    fs::write(folder.path().join("shared-names.txt"), shared_names).unwrap();
    let out = folder.path().join("out.rs");
    fields::compile(&table, &out)?;
    Ok(fs::read_to_string(out).unwrap())
}

/// A row of a feature: place, id, then `column=content`.
fn row(place: &str, id: &str, cells: &[&str]) -> String {
    let mut columns = ["-"; 23];
    for (cell, content) in columns.iter_mut().zip(place.split(' ')) {
        *cell = content;
    }
    columns[4] = id;
    columns[5] = "feature";
    columns[7] = "any";
    for cell in cells {
        let (name, content) = cell.split_once('=').unwrap();
        let at = fields::row::COLUMNS.iter().position(|column| *column == name).unwrap();
        columns[at] = content;
    }
    columns.join("\t")
}

fn refused(rows: &[String]) -> String {
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    build(&rows).expect_err("the table contradicts itself")
}

#[test]
fn a_table_without_faults_is_written_with_its_indexes() {
    let rows = [
        row("0x7 0 ebx 3", "bmi1", &["linux=bmi1"]),
        row("0x1 0 ecx 28", "avx", &["xen=avx"]),
    ];
    let text = build(&[&rows[0], &rows[1]]).unwrap();
    assert!(text.contains("pub static FIELDS: [Field; 2]"));
    assert!(
        text.find("\"avx\"").unwrap() < text.find("\"bmi1\"").unwrap(),
        "sorted by leaf"
    );
}

#[test]
fn two_rows_of_one_id_are_refused() {
    let rows = [row("0x1 0 eax 0", "same", &[]), row("0x1 0 eax 1", "same", &[])];
    assert_eq!(refused(&rows), "id same stands twice");
}

#[test]
fn rows_that_overlap_are_refused_but_for_other_subleaves_or_vendors() {
    let rows = [row("0x1 0 eax 7:4", "a", &[]), row("0x1 0 eax 4", "b", &[])];
    assert_eq!(refused(&rows), "a and b overlap");
    let rows = [row("0x1 * eax 7:4", "a", &[]), row("0x1 5- eax 4", "b", &[])];
    assert_eq!(refused(&rows), "a and b overlap");
    let rows = [
        row("0x1 0 eax 4", "a", &["vendors=intel"]),
        row("0x1 0 eax 4", "b", &["vendors=amd,hygon"]),
        row("0x1 1-3 eax 4", "c", &[]),
        row("0x1 4 eax 4", "d", &[]),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    assert!(build(&rows).is_ok());
}

#[test]
fn requirements_that_lead_back_or_nowhere_are_refused() {
    let rows = [
        row("0x1 0 eax 0", "a", &["requires=b"]),
        row("0x1 0 eax 1", "b", &["requires=c"]),
        row("0x1 0 eax 2", "c", &["requires=a"]),
        row("0x1 0 eax 3", "d", &["requires=a"]),
    ];
    assert_eq!(refused(&rows), "requires: a circle among a b c d");
    let rows = [row("0x1 0 eax 0", "a", &["requires_xen=nowhere"])];
    assert_eq!(refused(&rows), "requires_xen of a: no row has the id nowhere");
}

#[test]
fn a_name_of_two_bits_is_refused_but_for_those_listed_and_those_of_the_manuals() {
    let rows = [
        row("0x1 0 eax 0", "a", &["qemu=x"]),
        row("0x1 0 eax 1", "b", &["qemu=y,x"]),
    ];
    assert_eq!(refused(&rows), "qemu name x is of a and of b");
    assert!(build_with(&[&rows[0], &rows[1]], "# exceptions\nqemu x\n").is_ok());
    let rows = [
        row("0x1 0 eax 0", "a", &["sdm=MAX"]),
        row("0x2 0 eax 0", "b", &["sdm=MAX"]),
    ];
    assert!(build(&[&rows[0], &rows[1]]).is_ok());
    let rows = [
        row("0x1 0 eax 0", "a", &["apm=Max"]),
        row("0x1 0 eax 1", "b", &["apm=Max"]),
    ];
    assert_eq!(refused(&rows), "apm name Max is of a and of b");
}

#[test]
fn what_a_row_cannot_mean_is_refused_with_file_and_line() {
    for (cells, place, expected) in [
        (
            &["kind=thing"][..],
            "0x1 0 eax 0",
            "kind: expected one of feature field count reserved magic, seen \"thing\"",
        ),
        (
            &["vendors=acme"],
            "0x1 0 eax 0",
            "vendors: expected any or names of vendors, seen \"acme\"",
        ),
        (
            &["encoding=enum 1"],
            "0x1 0 eax 0",
            "encoding: expected value=name, seen \"1\"",
        ),
        (&["encoding=wavy"], "0x1 0 eax 0", "encoding: unknown \"wavy\""),
        (&["combine=xor"], "0x1 0 eax 0", "combine: expected one of"),
        (
            &["id=Upper"],
            "0x1 0 eax 0",
            "id: expected lower case, digits and _, seen \"Upper\"",
        ),
        (
            &[],
            "0x1 0 eax 32",
            "bits: expected N or HIGH:LOW up to 31, seen \"32\"",
        ),
        (
            &[],
            "0x1 0 eax 3:7",
            "bits: expected N or HIGH:LOW up to 31, seen \"3:7\"",
        ),
        (
            &[],
            "0x1 0 rax 0",
            "register: expected one of eax ebx ecx edx, seen \"rax\"",
        ),
        (&[], "0xyz 0 eax 0", "expected a number, seen \"0xyz\""),
    ] {
        let error = refused(&[row("0x1 0 ebx 0", "good", &[]), row(place, "bad", cells)]);
        assert!(error.contains("a.tsv:3: ") && error.contains(expected), "{error}");
    }
    let error = build(&["0x1\t0\teax\t0"]).unwrap_err();
    assert!(error.contains("a.tsv:2: expected 23 columns, seen 4"), "{error}");
}
