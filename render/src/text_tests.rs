//! Tests of terminal text.

use proptest::prelude::*;

use super::*;

const U: Style = Style {
    unicode: true,
    colour: false,
    width: 80,
};
const A: Style = Style {
    unicode: false,
    colour: false,
    width: 80,
};

fn cells_of(rows: &[&[&str]]) -> Vec<Vec<(Tone, String)>> {
    rows.iter()
        .map(|r| r.iter().map(|t| (Tone::Plain, (*t).to_owned())).collect())
        .collect()
}

#[test]
fn an_ascii_frame_has_no_other_characters() {
    let block = Block::from_text("■ 32 × 4 … ✓");
    let text = frame(&A, "Hall 1", &block, 24).render(&A);
    assert_eq!(
        text,
        "+- Hall 1 -------------+\n| # 32 x 4 ... +       |\n+----------------------+\n"
    );
}

#[test]
fn symbols_have_stand_ins_but_names_stay() {
    assert_eq!(A.symbols("✗ ! ✓ ■ · × – … → Zürich"), "x ! + # - x - ... -> Zürich");
    assert_eq!(U.symbols("✗ ×"), "✗ ×");
}

#[test]
fn colour_is_written_only_when_wanted_and_takes_no_columns() {
    let block = Block {
        rows: vec![Row::new("a ").with(Tone::Bad, "bad")],
    };
    assert_eq!(block.render(&U), "a bad\n");
    assert_eq!(block.render(&Style { colour: true, ..U }), "a \u{1b}[31mbad\u{1b}[0m\n");
    assert_eq!(block.width(), 5);
}

#[test]
fn escape_sequences_in_the_input_do_not_reach_the_terminal() {
    assert_eq!(Block::from_text("a\u{1b}[2Jb\u{7}").render(&U), "a[2Jb\n");
}

#[test]
fn a_narrow_table_drops_columns_by_priority_and_cuts_no_number() {
    let rows = cells_of(&[
        &["00:01.1", "15.8/31.5", "Slot 9", "Press A5000"],
        &["20:01.1", "31.5", "Slot 10", "Store"],
    ]);
    let spec = [
        Column::left(0),
        Column::right(1),
        Column::left(2),
        Column::left(3).cuttable(),
    ];
    let at = |w| table(&U, &rows, &spec, w).render(&U);
    assert_eq!(
        at(80),
        "00:01.1  15.8/31.5  Slot 9   Press A5000\n20:01.1       31.5  Slot 10  Store\n"
    );
    assert_eq!(
        at(38),
        "00:01.1  15.8/31.5  Slot 9   Press A5…\n20:01.1       31.5  Slot 10  Store\n"
    );
    assert_eq!(at(30), "00:01.1  15.8/31.5  Slot 9\n20:01.1       31.5  Slot 10\n");
    assert_eq!(at(20), "00:01.1  15.8/31.5\n20:01.1       31.5\n");
    assert_eq!(at(10), "00:01.1\n20:01.1\n");
}

#[test]
fn wrapped_lines_are_indented() {
    assert_eq!(wrap("one two three four", 9, 2), ["one two", "  three", "  four"]);
    assert_eq!(wrap("abcdefghijkl", 5, 1), ["abcde", " fghi", " jkl"]);
    assert_eq!(wrap("", 5, 1), [""]);
}

#[test]
fn bars_and_branches_in_both_alphabets() {
    assert_eq!(
        (bar(&U, 4, 8, 8).as_str(), bar(&A, 4, 8, 8).as_str()),
        ("━━━━╌╌╌╌", "####----")
    );
    assert_eq!(
        (
            cells(15.8, 31.5, 8),
            cells(0.1, 31.5, 8),
            cells(0.0, 31.5, 8),
            cells(99.0, 31.5, 8)
        ),
        (4, 1, 0, 8)
    );
    assert_eq!(
        (branch(&U, &[false, true]).as_str(), branch(&A, &[true, false]).as_str()),
        ("│ └ ", "  |- ")
    );
    assert_eq!(branch(&U, &[]), "");
}

#[test]
fn wide_characters_are_counted_twice() {
    let text = frame(&U, "漢字", &Block::from_text("漢字漢字漢字"), 12).render(&U);
    assert!(text.lines().all(|l| width(l) == 12), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_line_is_wider_than_asked(
        texts in prop::collection::vec("\\PC{0,40}", 1..6), w in 6usize..60, indent in 0usize..9, unicode in any::<bool>()
    ) {
        let style = Style { unicode, colour: false, width: w };
        let block = Block { rows: texts.iter().map(|t| Row::new(t)).collect() };
        for text in &texts {
            prop_assert!(wrap(text, w, indent).iter().all(|l| width(l) <= w));
            prop_assert!(width(&shorten(&style, text, w)) <= w);
        }
        let rows: Vec<Vec<(Tone, String)>> =
            texts.iter().map(|t| vec![(Tone::Bold, t.clone()), (Tone::Bad, t.clone())]).collect();
        let all = [
            frame(&style, &texts[0], &block, w),
            table(&style, &rows, &[Column::left(0), Column::right(1).cuttable()], w),
        ];
        for made in &all {
            prop_assert!(made.width() <= w);
            prop_assert!(made.render(&style).lines().all(|l| width(l) <= w));
        }
        prop_assert!(beside(&[block.clone(), block], 2).render(&style).lines().all(|l| width(l) <= w));
    }
}
