//! Small tables, written and compared with the text expected.

use super::*;
use crate::aml::read::read_all;
use crate::tables::testing::sdt;

/// The lines between the braces of the table, without indentation of the first level.
fn lines_of(aml: &[u8], options: &Options) -> Vec<String> {
    let table = sdt(b"SSDT", 2, aml);
    let (trees, names) = read_all(&[&table]);
    let context = Context::new(&names, &trees);
    let text = disassemble(&trees[0], &context, options);
    let inner = text
        .split_once("\n{\n")
        .unwrap()
        .1
        .strip_suffix("\n}\n")
        .unwrap_or_default();
    inner
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.strip_prefix("    ").unwrap_or(line).to_owned())
        .collect()
}

fn lines(aml: &[u8]) -> Vec<String> {
    lines_of(aml, &Options::default())
}

/// Method M with those bytes, whose length fits one byte.
fn method(body: &[u8]) -> Vec<String> {
    let mut aml = vec![0x14, u8::try_from(body.len() + 6).unwrap(), b'M', b'_', b'_', b'_', 0];
    aml.extend(body);
    let lines = lines(&aml);
    assert_eq!(&lines[..2], ["Method (M, 0, NotSerialized)", "{"]);
    let inner = &lines[2..lines.len() - 1];
    inner.iter().map(|line| line.trim_start().to_owned()).collect()
}

#[test]
fn table_opens_with_the_fields_of_its_header() {
    let table = sdt(b"SSDT", 2, &[]);
    let (trees, names) = read_all(&[&table]);
    let text = disassemble(&trees[0], &Context::new(&names, &trees), &Options::default());
    assert!(text.starts_with("DefinitionBlock (\"\", \"SSDT\", 2, \""), "{text}");
    assert!(text.ends_with(")\n{\n}\n"), "{text}");
}

#[test]
fn numbers_show_the_width_in_which_they_are_coded() {
    let aml = b"\x08AAAA\x00\x08BBBB\x0a\x07\x08CCCC\x0b\x34\x12\x08DDDD\x0c\x78\x56\x34\x12\x08EEEE\xff";
    assert_eq!(
        lines(aml),
        [
            "Name (AAAA, Zero)",
            "Name (BBBB, 0x07)",
            "Name (CCCC, 0x1234)",
            "Name (DDDD, 0x12345678)",
            "Name (EEEE, Ones)"
        ]
    );
}

#[test]
fn hardware_ids_are_spelt_out() {
    assert_eq!(
        lines(b"\x08_HID\x0c\x41\xd0\x0a\x03\x08_CID\x0c\x25\xc9\x03\x01"),
        [
            "Name (_HID, EisaId (\"PNP0A03\"))  // hardware ID",
            "Name (_CID, EisaId (\"INI0301\"))  // compatible IDs"
        ]
    );
}

#[test]
fn assignments_keep_apart_what_the_compiler_would_join() {
    // Add (Local0, One, Local1), Add (Local0, One, Local0), Store (Add (Local0, One, ), Local1).
    assert_eq!(method(&[0x72, 0x60, 1, 0x61]), ["Local1 = (Local0 + One)"]);
    assert_eq!(method(&[0x72, 0x60, 1, 0x60]), ["Local0 += One"]);
    assert_eq!(
        method(&[0x70, 0x72, 0x60, 1, 0, 0x61]),
        ["Store ((Local0 + One), Local1)"]
    );
    assert_eq!(
        method(&[0x70, 0x72, 0x60, 1, 0x62, 0x61]),
        ["Local1 = Add (Local0, One, Local2)"]
    );
    assert_eq!(method(&[0x70, 0x60, 0x61]), ["Local1 = Local0"]);
    assert_eq!(method(&[0x72, 0x60, 1, 0]), ["Add (Local0, One)"]);
}

#[test]
fn division_has_an_operator_only_without_remainder() {
    assert_eq!(method(&[0x78, 0x60, 0x61, 0, 0x62]), ["Local2 = (Local0 / Local1)"]);
    assert_eq!(
        method(&[0x78, 0x60, 0x61, 0x63, 0x62]),
        ["Divide (Local0, Local1, Local3, Local2)"]
    );
    assert_eq!(
        method(&[0x78, 0x60, 0x61, 0x63, 0]),
        ["Divide (Local0, Local1, Local3)"]
    );
    assert_eq!(
        method(&[0x70, 0x78, 0x60, 0x61, 0, 0, 0x62]),
        ["Store ((Local0 / Local1), Local2)"]
    );
}

#[test]
fn negated_comparisons_become_their_opposite() {
    assert_eq!(method(&[0xa4, 0x92, 0x93, 0x60, 0x61]), ["Return ((Local0 != Local1))"]);
    assert_eq!(method(&[0xa4, 0x92, 0x94, 0x60, 0x61]), ["Return ((Local0 <= Local1))"]);
    assert_eq!(method(&[0xa4, 0x92, 0x60]), ["Return (!Local0)"]);
}

#[test]
fn chain_of_conditions_is_written_flat() {
    // If (Local0) { } Else { If (Local1) { } Else { Noop } }
    let aml = [0xa0, 0x02, 0x60, 0xa1, 0x07, 0xa0, 0x02, 0x61, 0xa1, 0x02, 0xa3];
    assert_eq!(
        method(&aml),
        [
            "If (Local0)",
            "{",
            "}",
            "ElseIf (Local1)",
            "{",
            "}",
            "Else",
            "{",
            "Noop",
            "}"
        ]
    );
    // Else { If (Local1) { } Noop } is no chain.
    let aml = [0xa0, 0x02, 0x60, 0xa1, 0x05, 0xa0, 0x02, 0x61, 0xa3];
    assert_eq!(
        method(&aml),
        [
            "If (Local0)",
            "{",
            "}",
            "Else",
            "{",
            "If (Local1)",
            "{",
            "}",
            "Noop",
            "}"
        ]
    );
}

#[test]
fn blocks_are_followed_by_an_empty_line() {
    let table = sdt(b"SSDT", 2, b"\x5b\x82\x05DEV0\x08ABCD\x00\x5b\x82\x05DEV1");
    let (trees, names) = read_all(&[&table]);
    let text = disassemble(&trees[0], &Context::new(&names, &trees), &Options::default());
    assert!(
        text.contains("    }\n\n    Name (ABCD, Zero)\n    Device (DEV1)\n"),
        "{text}"
    );
    assert!(text.ends_with("    }\n}\n"), "{text}");
}

#[test]
fn index_is_written_in_brackets_where_its_source_is_a_name() {
    assert_eq!(
        method(&[0x70, 0x83, 0x88, 0x60, 0x0a, 2, 0, 0x61]),
        ["Local1 = DerefOf (Local0 [0x02])"]
    );
    assert_eq!(method(&[0x70, 1, 0x88, 0x60, 0, 0]), ["Local0 [Zero] = One"]);
    assert_eq!(method(&[0x88, 0x60, 0x0a, 2, 0x61]), ["Local1 = Local0 [0x02]"]);
}

#[test]
fn buffers_are_strings_uuids_templates_or_bytes() {
    let name = |data: &[u8]| {
        let mut aml = b"\x08DATA".to_vec();
        aml.extend(data);
        lines(&aml).join("\n")
    };
    assert_eq!(name(b"\x11\x07\x0a\x04abc\0"), "Name (DATA, Buffer (0x04) { \"abc\" })");
    assert_eq!(
        name(b"\x11\x05\x0a\x08\x01\x02"),
        "Name (DATA, Buffer (0x08) { 0x01, 0x02 })"
    );
    assert_eq!(name(b"\x11\x0b\x0a\x08A\0B\0C\0\0\0"), "Name (DATA, Unicode (\"ABC\"))");
    assert_eq!(
        name(b"\x11\x08\x0a\x05\x22\x20\x00\x79\x00"),
        "Name (DATA, ResourceTemplate ()\n{\n    IRQNoFlags () { 5 }\n})"
    );
    assert_eq!(
        name(b"\x11\x13\x0a\x10\x14\xd8\xff\xda\xba\x6e\x8c\x4d\x8a\x91\xbc\x9b\xbf\x4a\xa3\x01"),
        "Name (DATA, ToUUID (\"daffd814-6eba-4d8c-8a91-bc9bbf4aa301\") /* device properties */)"
    );
    let rows = name(b"\x11\x0c\x0a\x09\x01\x02\x03\x04\x05\x06\x07\x08\x09");
    assert!(rows.contains("    /* 0008 */  0x09\n}"), "{rows}");
}

#[test]
fn checksum_in_the_end_tag_keeps_a_template_as_bytes() {
    assert_eq!(
        lines(b"\x08DATA\x11\x08\x0a\x05\x22\x20\x00\x79\x45"),
        ["Name (DATA, Buffer (0x05) { 0x22, 0x20, 0x00, 0x79, 0x45 })"]
    );
}

#[test]
fn short_packages_stay_on_a_line() {
    assert_eq!(
        lines(b"\x08DATA\x12\x0a\x03\x00\x01\x0dab\0"),
        ["Name (DATA, Package (0x03) { Zero, One, \"ab\" })"]
    );
    assert_eq!(
        lines(b"\x08DATA\x12\x07\x01\x12\x04\x02\x00\x01"),
        [
            "Name (DATA, Package (0x01)",
            "{",
            "    Package (0x02) { Zero, One }",
            "})"
        ]
    );
}

#[test]
fn field_units_have_offsets_where_bytes_begin() {
    let aml = b"\x5b\x80RGN_\x01\x0b\x00\x04\x0a\x10\x5b\x81\x17RGN_\x11ABCD\x04\x00\x04\x00\x08\x01\x02\x00EFGH\x08";
    assert_eq!(
        lines(aml),
        [
            "OperationRegion (RGN, SystemIO, 0x0400, 0x10)",
            "Field (RGN, ByteAcc, Lock, Preserve)",
            "{",
            "    ABCD, 4,",
            "    Offset (0x01),",
            "    Offset (0x02),",
            "    AccessAs (WordAcc, 0x00),",
            "    EFGH, 8",
            "}"
        ]
    );
}

#[test]
fn names_of_other_tables_are_declared_with_their_type() {
    let dsdt = sdt(b"DSDT", 2, b"\x5b\x82\x05DEV0\x14\x06MTHD\x02");
    let ssdt = sdt(b"SSDT", 2, b"\x10\x0cDEV0\x08XYZ_MTHD\x00\x01");
    let (trees, names) = read_all(&[&dsdt, &ssdt]);
    let context = Context::new(&names, &trees);
    let text = disassemble(&trees[1], &context, &Options::default());
    assert!(text.contains("\n    External (\\DEV0, DeviceObj)\n"), "{text}");
    let options = Options {
        externals: Externals::AsCoded,
        ..Options::default()
    };
    let text = disassemble(&trees[1], &context, &options);
    assert!(text.contains("\n    // External (\\DEV0, DeviceObj)\n"), "{text}");
}

#[test]
fn name_that_is_a_word_keeps_its_fill() {
    assert_eq!(
        lines(b"\x08OR__\x00\x08\\EC__\x01"),
        ["Name (OR__, Zero)", "Name (\\EC, One)"]
    );
}

#[test]
fn details_without_words_are_counted_in_front() {
    let lines = lines(b"\x08DATA\x0b\x05\x00");
    assert_eq!(
        lines,
        [
            "// ASL has no words for these details of the table; compiled again it differs there:",
            "//   number coded longer than it needs: 1, first at 0x0029",
            "Name (DATA, 0x0005)"
        ]
    );
}

#[test]
fn bytes_that_are_no_aml_stand_as_a_comment() {
    let lines = lines(b"\x08DATA\x00\x02\xfe\xfd");
    assert!(lines.iter().any(|line| line.contains("not AML: 02 FE FD")), "{lines:?}");
}

#[test]
fn offsets_stand_in_front_of_each_term() {
    let options = Options {
        offsets: true,
        ..Options::default()
    };
    assert_eq!(
        lines_of(b"\x08DATA\x00\xa3", &options),
        ["/* 00024 */ Name (DATA, Zero)", "/* 0002A */ Noop"]
    );
}

#[test]
fn depth_of_the_input_does_not_exhaust_the_stack() {
    // Not (Not (Not ... in a Return, as deep as the reader goes.
    let mut aml = vec![0xa4];
    aml.extend([0x92; 100_000]);
    let text = lines(&aml).join("\n");
    assert!(text.contains("!!!!"), "{}", text.len());
}

#[test]
fn strings_are_escaped() {
    let mut out = String::new();
    text::quoted(&mut out, b"a\"b\\c\n\x01\xe9");
    assert_eq!(out, "\"a\\\"b\\\\c\\n\\x01\\xE9\"");
}
