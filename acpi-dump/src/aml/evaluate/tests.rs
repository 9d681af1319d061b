//! Single constructs, put together by hand, and random bodies.

use proptest::prelude::*;

use super::super::namespace::Namespace;
use super::super::testing::{device, method, name, package, table};
use super::*;

/// A unit of 32 bits of memory at 0x1000, unknown to the evaluator.
fn register() -> Vec<u8> {
    let field = package(b"\x5b\x81", &[b"REG_\x03REGA\x20REGB\x20"]);
    [b"\x5b\x80REG_\x00\x0b\x00\x10\x0a\x08".to_vec(), field].concat()
}

fn outcome_of(body: &[&[u8]], path: &str, arguments: &[Value]) -> Outcome {
    let dsdt = table(b"DSDT", body);
    let space = Namespace::build(&[&dsdt]);
    assert!(space.trees()[0].faults.is_empty(), "{:?}", space.trees()[0].faults);
    Evaluator::new(&space).evaluate(path, arguments).unwrap()
}

fn answer(body: &[&[u8]]) -> Answer {
    outcome_of(body, "\\TEST", &[]).answer
}

/// What a method of these terms gives.
fn given(terms: &[&[u8]]) -> Answer {
    answer(&[&register(), &method(b"TEST", 0, terms)])
}

fn known(number: u64) -> Answer {
    Answer::Known(Value::Integer(number))
}

fn buffer(bytes: &[u8]) -> Vec<u8> {
    package(b"\x11", &[b"\x0a", &[u8::try_from(bytes.len()).unwrap()], bytes])
}

fn bytes(bytes: &[u8]) -> Answer {
    Answer::Known(Value::Buffer(Buffer {
        bytes: bytes.to_vec(),
        unknown: Vec::new(),
    }))
}

fn string(text: &str) -> Answer {
    Answer::Known(Value::String(text.to_owned()))
}

#[test]
fn arithmetic_of_constants_is_known() {
    assert_eq!(given(&[b"\xa4\x72\x0a\x05\x77\x0a\x06\x0a\x07\x00\x00"]), known(47));
    assert_eq!(given(&[b"\xa4\x78\x0a\x17\x0a\x05\x60\x00"]), known(4));
    assert_eq!(
        given(&[b"\x78\x0a\x17\x0a\x05\x60\x61", b"\xa4\x72\x60\x61\x00"]),
        known(7)
    );
    assert!(matches!(given(&[b"\xa4\x78\x01\x00\x00\x00"]), Answer::Failed(_)));
}

#[test]
fn integers_have_32_bits_where_the_revision_is_below_two() {
    let body = method(b"TEST", 0, &[b"\xa4\x74\x00\x01\x00"]);
    let mut dsdt = table(b"DSDT", &[&body]);
    let value = |dsdt: &[u8]| {
        let space = Namespace::build(&[dsdt]);
        Evaluator::new(&space).evaluate("\\TEST", &[]).unwrap().answer
    };
    assert_eq!(value(&dsdt), known(u64::MAX));
    dsdt[8] = 1;
    assert_eq!(value(&dsdt), known(0xffff_ffff));
}

#[test]
fn register_makes_what_is_computed_from_it_unknown_except_where_any_would_do() {
    let Answer::Dynamic { candidates, reasons } = given(&[b"\xa4\x72REGA\x01\x00"]) else {
        panic!()
    };
    assert!(matches!(candidates.as_slice(), [Value::Unknown(_)]));
    assert_eq!(reasons[0].to_string(), "reads \\REGA (SystemMemory 0x1000)");
    assert_eq!(given(&[b"\xa4\x7bREGA\x00\x00"]), known(0));
    assert_eq!(given(&[b"\xa4\x93REGA", b"REGA"]), known(u64::MAX));
}

#[test]
fn both_ways_of_an_unknown_condition_are_followed() {
    let branch = |first: &[u8], second: &[u8]| {
        let yes = package(b"\xa0", &[b"REGA", first]);
        let no = package(b"\xa1", &[second]);
        given(&[&yes, &no])
    };
    assert_eq!(branch(b"\xa4\x0a\x0f", b"\xa4\x0a\x0f"), known(15));
    let Answer::Dynamic {
        mut candidates,
        reasons,
    } = branch(b"\xa4\x0a\x0f", b"\xa4\x00")
    else {
        panic!()
    };
    candidates.sort_by_key(Value::integer);
    assert_eq!(candidates, [Value::Integer(0), Value::Integer(15)]);
    assert_eq!(reasons.len(), 1);
}

#[test]
fn same_question_asked_twice_has_one_answer() {
    // If (REGA == 3) { Local0 = 1 } Else { Local0 = 2 }; If (REGA == 3) { Return (Local0 - 1) } Return (Local0 - 2)
    let terms = [
        package(b"\xa0", &[b"\x93REGA\x0a\x03", b"\x70\x01\x60"]),
        package(b"\xa1", &[b"\x70\x0a\x02\x60"]),
        package(b"\xa0", &[b"\x93REGA\x0a\x03", b"\xa4\x74\x60\x01\x00"]),
        b"\xa4\x74\x60\x0a\x02\x00".to_vec(),
    ];
    let terms: Vec<&[u8]> = terms.iter().map(Vec::as_slice).collect();
    assert_eq!(given(&terms), known(0));
}

#[test]
fn ways_that_change_nothing_join_again() {
    // 40 times If (REGA == n) { REGB = n }: 2^40 ways, were they not joined.
    let mut terms: Vec<Vec<u8>> = (0..40_u8)
        .map(|number| package(b"\xa0", &[b"\x93REGA\x0a", &[number], b"\x70\x01REGB"]))
        .collect();
    terms.push(b"\xa4\x0a\x07".to_vec());
    let terms: Vec<&[u8]> = terms.iter().map(Vec::as_slice).collect();
    let outcome = outcome_of(&[&register(), &method(b"TEST", 0, &terms)], "\\TEST", &[]);
    assert_eq!((outcome.answer, outcome.paths), (known(7), 1));
    assert_eq!(outcome.writes, ["\\REGB"]);
}

#[test]
fn register_is_read_anew_after_its_region_was_written() {
    assert_eq!(given(&[b"\xa4\x74REGAREGA\x00"]), known(0));
    let written = given(&[b"\x70REGA\x60", b"\x70\x01REGB", b"\xa4\x74\x60REGA\x00"]);
    assert!(matches!(written, Answer::Dynamic { .. }), "{written:?}");
}

#[test]
fn loops_count_and_break() {
    // Local0 = 0; While (One) { Local0++; If (Local0 == 5) { Break } }
    let inside = package(b"\xa0", &[b"\x93\x60\x0a\x05", b"\xa5"]);
    let body = package(b"\xa2", &[b"\x01", b"\x75\x60", &inside]);
    assert_eq!(given(&[b"\x70\x00\x60", &body, b"\xa4\x60"]), known(5));
    // While (Local0 < 4) { Local0++; If (Local0 == 2) { Continue } Local1++ }
    let inside = package(b"\xa0", &[b"\x93\x60\x0a\x02", b"\x9f"]);
    let body = package(b"\xa2", &[b"\x95\x60\x0a\x04", b"\x75\x60", &inside, b"\x75\x61"]);
    assert_eq!(given(&[b"\x70\x00\x60\x70\x00\x61", &body, b"\xa4\x61"]), known(3));
}

#[test]
fn loop_without_end_and_recursion_without_end_are_bounded() {
    let endless = package(b"\xa2", &[b"\x01", b"\xa3"]);
    let outcome = outcome_of(&[&method(b"TEST", 0, &[&endless])], "\\TEST", &[]);
    assert_eq!(outcome.failures, ["limit of steps reached"]);
    let outcome = outcome_of(&[&method(b"TEST", 0, &[b"TEST", b"\xa4\x00"])], "\\TEST", &[]);
    assert!(!matches!(outcome.answer, Answer::Known(Value::Package(_))));
    let outcome = outcome_of(&[&method(b"TEST", 0, &[b"\xa4\x72TEST", b"\x01\x00"])], "\\TEST", &[]);
    assert_eq!(outcome.failures, ["limit of calls reached"]);
    // Local0 = Concatenate (Local0, Local0), for ever.
    let grow = package(b"\xa2", &[b"\x01", b"\x73\x60\x60\x60"]);
    let outcome = outcome_of(
        &[&method(b"TEST", 0, &[b"\x70", b"\x0dab\0", b"\x60", &grow])],
        "\\TEST",
        &[],
    );
    assert_eq!(outcome.failures, ["limit of memory reached"]);
}

#[test]
fn loop_that_waits_for_a_register_is_left() {
    let wait = package(b"\xa2", &[b"REGA", b"\x5b\x22\x0a\x01"]);
    let Answer::Dynamic { candidates, reasons } = given(&[&wait, b"\xa4\x0a\x09"]) else {
        panic!()
    };
    assert_eq!(candidates, [Value::Integer(9)]);
    assert!(
        reasons
            .iter()
            .any(|reason| reason.to_string() == "waits in a loop of \\TEST")
    );
}

#[test]
fn stores_to_names_last_for_one_evaluation() {
    let dsdt = table(
        b"DSDT",
        &[&name(b"CNT_", 0), &method(b"TEST", 0, &[b"\x75CNT_", b"\xa4CNT_"])],
    );
    let space = Namespace::build(&[&dsdt]);
    let evaluator = Evaluator::new(&space);
    for _ in 0..2 {
        let outcome = evaluator.evaluate("\\TEST", &[]).unwrap();
        assert_eq!(outcome.answer, known(1));
        let variable = Dependency::Variable { path: "\\CNT".into() };
        assert_eq!(outcome.assumptions, [variable]);
    }
}

#[test]
fn methods_of_start_up_have_run() {
    let init = method(
        b"_INI",
        0,
        &[&package(b"\xa0", &[b"\x5b\x12\\_OSI\x00", b"\x70\x0a\x09OSYS"])],
    );
    let system = device(b"SYS_", &[&method(b"_INI", 0, &[b"\x70REGAUNKN"]), &name(b"_HID", 0)]);
    let body = [
        name(b"OSYS", 0),
        name(b"UNKN", 1),
        name(b"PICM", 0),
        register(),
        init,
        system,
    ];
    let pic = method(b"_PIC", 1, &[b"\x70\x68PICM"]);
    let dsdt = table(b"DSDT", &[&body.concat(), &pic]);
    let space = Namespace::build(&[&dsdt]);
    let evaluator = Evaluator::new(&space);
    let value = |path: &str| evaluator.evaluate(path, &[]).unwrap().answer;
    assert_eq!((value("\\OSYS"), value("\\PICM")), (known(9), known(1)));
    let Answer::Dynamic { reasons, .. } = value("\\UNKN") else {
        panic!()
    };
    assert_eq!(reasons, [Dependency::Startup { path: "\\UNKN".into() }]);
}

#[test]
fn stores_outside_methods_have_happened() {
    let certain = [name(b"SPIX", 0), device(b"DEV0", &[b"\x70\x0a\x07SPIX"])].concat();
    assert_eq!(answer(&[&certain, &method(b"TEST", 0, &[b"\xa4SPIX"])]), known(7));
    let store = package(b"\xa0", &[b"REGA", b"\x70\x0a\x07SPIX"]);
    let body = [register(), name(b"SPIX", 0), store];
    let Answer::Dynamic { mut candidates, .. } = outcome_of(&[&body.concat()], "\\SPIX", &[]).answer else {
        panic!()
    };
    candidates.sort_by_key(Value::integer);
    assert_eq!(candidates, [Value::Integer(0), Value::Integer(7)]);
}

#[test]
fn system_answers_as_linux_does_and_says_so() {
    let ask = |text: &str| {
        let call = [b"\xa4\\_OSI\x0d", text.as_bytes(), b"\0"].concat();
        outcome_of(&[&method(b"TEST", 0, &[&call])], "\\TEST", &[])
    };
    assert_eq!(
        (ask("Windows 2015").answer, ask("Linux").answer),
        (known(u64::MAX), known(0))
    );
    assert_eq!(
        ask("Linux").assumptions[0].to_string(),
        "calls _OSI (\"Linux\"), assumed no"
    );
}

#[test]
fn fields_of_a_buffer_change_it() {
    let fields = b"\x8aBUF0\x01FLDD\x5b\x13BUF0\x0a\x24\x0a\x08FLDB";
    let store = b"\x70\x0c\x44\x33\x22\x11FLDD\x70\x0a\xffFLDB";
    let value = given(&[b"\x08BUF0", &buffer(&[0; 6]), fields, store, b"\xa4BUF0"]);
    assert_eq!(value, bytes(&[0, 0x44, 0x33, 0x22, 0xf1, 0x0f]));
}

#[test]
fn caller_sees_what_a_method_does_to_its_buffer_but_not_to_a_copy() {
    let change = method(b"CHNG", 1, &[b"\x8c\x68\x00FLD0", b"\x70\x0a\x05FLD0"]);
    let test = |first: &[u8]| {
        let body = method(b"TEST", 0, &[b"\x08BUF0", &buffer(&[1]), first, b"\xa4BUF0"]);
        answer(&[&change, &body])
    };
    assert_eq!(test(b"CHNGBUF0"), bytes(&[5]));
    assert_eq!(test(b"\x70BUF0\x60CHNG\x60"), bytes(&[1]));
}

#[test]
fn references_are_written_through() {
    let set = method(b"SET_", 1, &[b"\x70\x0a\x07\x68"]);
    let test = method(b"TEST", 0, &[b"\x70\x01\x60", b"SET_\x71\x60", b"\xa4\x60"]);
    assert_eq!(answer(&[&set, &test]), known(7));
    let element = package(b"\x12", &[b"\x02", b"\x01\x0a\x04"]);
    let store = b"\x70\x0a\x08\x88PKG0\x01\x00";
    let value = given(&[b"\x08PKG0", &element, store, b"\xa4\x83\x88PKG0\x01\x00"]);
    assert_eq!(value, known(8));
    assert_eq!(given(&[b"\xa4\x83\x0d\\_REV\0"]), known(2));
}

#[test]
fn names_in_packages_stand_for_their_values_and_devices_for_themselves() {
    let list = package(b"\x12", &[b"\x03", b"NUM_DEV0NONE"]);
    let body = [name(b"NUM_", 1), device(b"DEV0", &[]), b"\x08TEST".to_vec(), list];
    let Answer::Known(Value::Package(list)) = answer(&[&body.concat()]) else {
        panic!()
    };
    assert_eq!(
        list,
        [
            Value::Integer(1),
            Value::Reference("\\DEV0".into()),
            Value::Reference("NONE".into())
        ]
    );
    // A package that holds itself.
    let circle = [b"\x08TEST".to_vec(), package(b"\x12", &[b"\x01", b"TEST"])].concat();
    let Answer::Known(Value::Package(list)) = answer(&[&circle]) else {
        panic!()
    };
    assert_eq!(list, [Value::Reference("\\TEST".into())]);
}

#[test]
fn strings_and_buffers_are_converted() {
    assert_eq!(given(&[b"\xa4\x98\x0b\x2c\x01\x00"]), string("0x12C"));
    assert_eq!(given(&[b"\xa4\x97\x0b\x2c\x01\x00"]), string("300"));
    assert_eq!(given(&[b"\xa4\x99\x0d0x1F\0\x00"]), known(31));
    assert_eq!(given(&[b"\xa4\x96\x0dAB\0\x00"]), bytes(b"AB\0"));
    assert_eq!(given(&[b"\xa4\x73\x0dA\0\x0dB\0\x00"]), string("AB"));
    assert_eq!(given(&[b"\xa4\x9e\x0dABCD\0\x01\x0a\x02\x00"]), string("BC"));
    assert_eq!(given(&[b"\xa4\x9c", &buffer(b"AB\0C"), b"\xff\x00"]), string("AB"));
    assert_eq!(given(&[b"\xa4\x93\x0dAB\0\x0dAB\0"]), known(u64::MAX));
    assert_eq!(given(&[b"\xa4\x94\x0dB\0\x0dAB\0"]), known(u64::MAX));
    let both = [buffer(b"\x79\x00"), buffer(b"\x22\x01\x00\x79\x00")].concat();
    assert_eq!(given(&[b"\xa4\x84", &both, b"\x00"]), bytes(b"\x22\x01\x00\x79\x00"));
}

#[test]
fn sizes_and_types_are_told() {
    let list = package(b"\x12", &[b"\x03", b"\x00\x00\x00"]);
    assert_eq!(given(&[b"\x08PKG0", &list, b"\xa4\x87PKG0"]), known(3));
    assert_eq!(given(&[b"\xa4\x8eTEST"]), known(8));
    assert_eq!(given(&[b"\xa4\x8eREGA"]), known(5));
    let find = package(b"\x12", &[b"\x03", b"\x0a\x05\x0a\x06\x0a\x07"]);
    assert_eq!(given(&[b"\xa4\x89", &find, b"\x05\x0a\x05\x00\x00\x00"]), known(1));
}

#[test]
fn contents_that_the_caller_gives_are_read() {
    let dsdt = table(b"DSDT", &[&register(), &method(b"TEST", 0, &[b"\xa4\x72REGAREGB\x00"])]);
    let space = Namespace::build(&[&dsdt]);
    let mut image = MemoryImage::default();
    image.add(0x1000, vec![1, 0, 0, 0, 2, 0, 0, 0]);
    let evaluator = Evaluator::with(&space, Limits::default(), Some(&image));
    assert_eq!(evaluator.evaluate("\\TEST", &[]).unwrap().answer, known(3));
}

#[test]
fn declarations_in_both_branches_are_candidates() {
    let yes = package(b"\xa0", &[b"REGA", &name(b"TEST", 0)]);
    let no = package(b"\xa1", &[&name(b"TEST", 1)]);
    let Answer::Dynamic { candidates, .. } = answer(&[&register(), &yes, &no]) else {
        panic!()
    };
    assert_eq!(candidates, [Value::Integer(0), Value::Integer(1)]);
    let user = method(b"USER", 0, &[b"\xa4TEST"]);
    let outcome = outcome_of(&[&register(), &yes, &no, &user], "\\USER", &[]);
    assert!(matches!(outcome.answer, Answer::Dynamic { .. }));
}

#[test]
fn method_that_only_writes_registers_is_passed_over_where_its_value_is_not_wanted() {
    let wait = package(b"\xa2", &[b"REGA", b"\x70\x01REGB"]);
    let body = [
        register(),
        method(b"SAY_", 1, &[&wait]),
        method(b"TEST", 0, &[b"SAY_\x0dhello\0", b"\xa4\x01"]),
    ];
    assert_eq!(answer(&[&body.concat()]), known(1));
}

#[test]
fn arguments_that_are_not_given_are_unknown() {
    let body = method(b"TEST", 2, &[b"\xa4\x72\x68\x69\x00"]);
    assert_eq!(
        outcome_of(&[&body], "\\TEST", &[Value::Integer(1), Value::Integer(2)]).answer,
        known(3)
    );
    let Answer::Dynamic { reasons, .. } = outcome_of(&[&body], "\\TEST", &[Value::Integer(1)]).answer else {
        panic!()
    };
    assert_eq!(reasons, [Dependency::Argument { number: 1 }]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_bodies_end_with_some_answer(body in prop::collection::vec(prop_oneof![
        3 => any::<u8>(),
        2 => prop::sample::select(b"\x00\x01\x0a\x60\x61\x68\x70\x72\x73\x75\x83\x88\x8a\x8c\xa0\xa1\xa2\xa4\xa5\x9f\x11\x12\x13\x71\x87\x89\x9d\x9e\x5b\x13".to_vec()),
    ], 0..200)) {
        let dsdt = table(b"DSDT", &[&register(), &package(b"\x14", &[b"TEST\x02", &body])]);
        let space = Namespace::build(&[&dsdt]);
        let limits = Limits { steps: 5_000, ..Limits::default() };
        let evaluator = Evaluator::with(&space, limits, None);
        for (id, _) in space.iter() {
            let outcome = evaluator.evaluate_object(id, &[]);
            prop_assert!(outcome.steps < 20_000, "{}", outcome.steps);
            prop_assert_eq!(evaluator.device(id).path, space.path(id).to_string());
        }
    }
}
