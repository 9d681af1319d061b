//! Text written here and texts with something wrong in one place each.

use super::*;
use crate::intel::sample::{SIGNATURE, build};

fn dat() -> String {
    write(&[(None, &build(&[])), (Some("second one"), &build(&[(SIGNATURE, 1)]))])
}

fn both() -> Vec<u8> {
    [build(&[]), build(&[(SIGNATURE, 1)])].concat()
}

#[test]
fn dat_is_read_as_it_is_written() {
    let text = read(dat().as_bytes()).unwrap();
    assert_eq!((text.form, &text.bytes, text.is_damaged()), (Form::Dat, &both(), false));
    assert_eq!(text.file.updates.len(), 2);
    assert_eq!(
        (text.name_of(0), text.name_of(1024)),
        (Some("06-b7-01"), Some("second one"))
    );
    assert_eq!(text.line_and_column(0), Some((2, 1)));
    assert_eq!(text.line_and_column(21), Some((3, 13)));
}

#[test]
fn other_forms_are_read_as_they_are_written() {
    for (form, written) in [
        (Form::Inc, write_inc(&build(&[]))),
        (Form::Dtsi, write_dtsi(&build(&[]))),
    ] {
        let text = read(written.as_bytes()).unwrap();
        assert_eq!((text.form, text.bytes == build(&[])), (form, true));
        assert!(!text.is_damaged(), "{:?}", text.damage);
    }
}

#[test]
fn c_arrays_of_words_and_of_bytes_are_read() {
    let words = format!("#include \"x.h\"\nstatic const unsigned int u[] = {{\n{}\n}};\n", dat());
    let text = read(words.as_bytes()).unwrap();
    assert_eq!((text.form, text.bytes == both()), (Form::CArray, true));
    let bytes: Vec<String> = both().iter().map(|byte| format!("0x{byte:02x}")).collect();
    let bytes = format!(
        "unsigned char u[] = {{ {} }};\nunsigned int n = 2048;\n",
        bytes.join(", ")
    );
    let text = read(bytes.as_bytes()).unwrap();
    assert_eq!((text.form, text.bytes == both()), (Form::CArray, true));
    assert!(!text.is_damaged());
}

#[test]
fn zeros_that_end_an_array_are_no_update() {
    let ended = format!("u[] = {{\n{}/* end */\n{}}};", dat(), "0x0, 0x0, 0x0, 0x0,\n".repeat(4));
    let text = read(ended.as_bytes()).unwrap();
    assert_eq!(
        (text.terminator, text.bytes.len(), text.is_damaged()),
        (64, 2048, false)
    );
}

#[test]
fn comments_that_are_not_closed_end_with_their_line() {
    let old = format!("/* July 1998\n/* made by hand\n/ m01661b51\n{}", dat());
    let text = read(old.as_bytes()).unwrap();
    assert!(!text.is_damaged(), "{:?}", text.damage);
    assert_eq!(text.names[0].text, "July 1998");
    let many = format!("{}{}", "/*\n".repeat(20_000), dat());
    assert_eq!(read(many.as_bytes()).unwrap().bytes, both());
}

#[test]
fn token_that_is_none_is_told_with_line_and_column() {
    let broken = dat().replacen("0x00000001,\t0x00000132", "0x00000001, oops 0x00000132", 1);
    let text = read(broken.as_bytes()).unwrap();
    let damage = &text.damage[0];
    assert_eq!((damage.line, damage.column, damage.damage.rule), (2, 13, "text-token"));
    assert_eq!((damage.damage.seen.as_str(), text.bytes == both()), ("oops", true));
}

#[test]
fn word_of_more_than_32_bits_is_told() {
    let broken = dat().replacen("0x00000132", "0x100000132", 1);
    let text = read(broken.as_bytes()).unwrap();
    assert_eq!((text.damage[0].damage.rule, text.damage[0].line), ("text-word", 2));
    assert!(text.file.is_damaged());
}

#[test]
fn property_that_differs_from_the_header_is_told() {
    let wrong = write_dtsi(&build(&[])).replace("update-revision = <0x132>", "update-revision = <0x133>");
    let text = read(wrong.as_bytes()).unwrap();
    assert_eq!((text.damage.len(), text.damage[0].damage.rule), (1, "text-property"));
    assert_eq!(
        text.damage[0].damage.expected,
        "intel,update-revision 0x132 as in the header"
    );
}

#[test]
fn other_text_is_none() {
    for text in [
        "",
        "hello",
        "0x1, 0x2, 0x3",
        "int main() { return 0x1; }",
        "compatible = \"intel,microcode\";",
        "dd 0h",
    ] {
        assert_eq!(read(text.as_bytes()), None, "{text}");
    }
    assert_eq!(read(&build(&[])), None);
}
