//! Reading of single constructs.

use super::super::testing::{method, name, package, scope, table};
use super::super::{NodeId, Op, Tree, read_all, read_alone};

/// The terms as nested words; names and numbers shown.
fn shown(tree: &Tree, id: NodeId) -> String {
    let node = tree.node(id).unwrap();
    let word = match node.op {
        Op::NameRef | Op::FieldUnit => tree.name_path(id).unwrap().to_string(),
        Op::ByteConst | Op::WordConst | Op::Raw => node.value.to_string(),
        other => format!("{other:?}"),
    };
    let children: Vec<String> = tree.children(id).map(|child| shown(tree, child)).collect();
    match children.is_empty() {
        true => word,
        false => format!("{word}({})", children.join(" ")),
    }
}

fn terms(body: &[&[u8]]) -> String {
    let tree = read_alone(&table(b"SSDT", body));
    assert!(tree.faults.is_empty(), "{:?}", tree.faults);
    let list: Vec<String> = tree.body(Tree::ROOT).map(|id| shown(&tree, id)).collect();
    list.join(" ")
}

/// Faults as offset behind the header and number of bytes passed over.
fn faults(body: &[&[u8]]) -> Vec<(usize, usize)> {
    let tree = read_alone(&table(b"SSDT", body));
    tree.faults
        .iter()
        .map(|fault| (fault.offset - 36, fault.skipped))
        .collect()
}

#[test]
fn call_takes_the_arguments_of_a_method_declared_further_down() {
    let caller = method(b"AAAA", 0, &[b"\xa4BBBB\x01\x60"]);
    let callee = method(b"BBBB", 2, &[]);
    assert_eq!(
        terms(&[&caller, &callee]),
        "Method(AAAA 0 Return(Call(BBBB One Local0))) Method(BBBB 2)"
    );
}

#[test]
fn call_takes_the_arguments_of_a_method_in_a_later_table() {
    let first = table(b"DSDT", &[&method(b"AAAA", 0, &[b"BBBB\x00"])]);
    let second = table(b"SSDT", &[&method(b"BBBB", 1, &[])]);
    let (trees, _) = read_all(&[&first, &second]);
    let body = trees[0].body(Tree::ROOT).next().unwrap();
    assert_eq!(shown(&trees[0], body), "Method(AAAA 0 Call(BBBB Zero))");
    assert!(trees[0].guessed.is_empty());
}

#[test]
fn name_in_a_package_is_data_and_a_reference_is_no_call() {
    let declared = method(b"MTHD", 1, &[]);
    let list = package(b"\x12", &[&[2], b"MTHD", b"NONE"]);
    let named = [b"\x08LIST", list.as_slice()].concat();
    let taken = method(b"TAKE", 0, &[b"\x70\x71MTHD\x60", b"\xa4\x8eMTHD"]);
    assert_eq!(
        terms(&[&declared, &named, &taken]),
        "Method(MTHD 1) Name(LIST Package(2 MTHD NONE)) \
         Method(TAKE 0 Store(RefOf(MTHD) Local0) Return(ObjectType(MTHD)))"
    );
}

#[test]
fn method_in_the_place_of_a_super_name_is_called() {
    let declared = method(b"MTHD", 1, &[]);
    let user = method(b"USER", 0, &[b"\x86MTHD\x60\x01"]);
    assert_eq!(
        terms(&[&declared, &user]),
        "Method(MTHD 1) Method(USER 0 Notify(Call(MTHD Local0) One))"
    );
}

#[test]
fn null_name_stands_where_a_target_is_left_out() {
    assert_eq!(
        terms(&[&method(b"AAAA", 0, &[b"\xa4\x72\x68\x0a\x05\x00"])]),
        "Method(AAAA 0 Return(Add(Arg0 5 NullName)))"
    );
}

#[test]
fn else_is_the_next_sibling_of_its_if() {
    let code = [
        package(b"\xa0", &[b"\x60", b"\xa5"]),
        package(b"\xa1", &[&package(b"\xa0", &[b"\x61", b"\x9f"])]),
    ];
    assert_eq!(
        terms(&[&method(b"AAAA", 0, &[&code.concat()])]),
        "Method(AAAA 0 If(Local0 Break) Else(If(Local1 Continue)))"
    );
}

#[test]
fn else_without_an_if_is_a_fault_and_is_read() {
    assert_eq!(faults(&[&name(b"AAAA", 0), &package(b"\xa1", &[b"\xa3"])]), [(6, 0)]);
}

#[test]
fn field_list_has_units_gaps_access_and_connections() {
    let region = b"\x5b\x80REGN\x00\x00\x0a\xff";
    let buffer = package(b"\x11", &[b"\x01", b"\x8e"]);
    let list: [&[u8]; 7] = [
        b"REGN\x01",
        b"UNT0\x08",
        b"\x00\x48\x01",
        b"\x01\x05\x06",
        b"\x02REGN",
        &[b"\x02", buffer.as_slice()].concat(),
        b"\x03\x01\x02\x10UNT1\x40\x02",
    ];
    let body = [region.as_slice(), &package(b"\x5b\x81", &list)];
    assert_eq!(
        terms(&body),
        "OperationRegion(REGN 0 Zero 255) Field(REGN 1 UNT0 FieldReserved FieldAccess FieldConnection(REGN) \
         FieldConnection(Buffer(One ByteList)) FieldExtendedAccess UNT1)"
    );
    let tree = read_alone(&table(b"SSDT", &body));
    let value = |op| {
        tree.nodes
            .iter()
            .filter(move |node| node.op == op)
            .map(|node| node.value)
    };
    assert_eq!(value(Op::FieldUnit).collect::<Vec<_>>(), [8, 32]);
    assert_eq!(value(Op::FieldReserved).collect::<Vec<_>>(), [24]);
    assert_eq!(value(Op::FieldAccess).collect::<Vec<_>>(), [0x0605]);
    assert_eq!(value(Op::FieldExtendedAccess).collect::<Vec<_>>(), [0x10_0201]);
}

#[test]
fn constants_have_their_value_and_strings_their_text() {
    let tree = read_alone(&table(
        b"SSDT",
        &[b"\x08AAAA\x0c\x78\x56\x34\x12\x08BBBB\x0dtext\0\x08CCCC\xff"],
    ));
    assert!(tree.faults.is_empty());
    let values: Vec<NodeId> = tree.body(Tree::ROOT).map(|id| tree.operand(id, 1).unwrap()).collect();
    assert_eq!(tree.node(values[0]).unwrap().value, 0x1234_5678);
    assert_eq!(tree.text(values[1]), Some(&b"text"[..]));
    assert_eq!(tree.node(values[2]).unwrap().value, u64::MAX);
}

#[test]
fn alias_of_a_method_takes_its_arguments() {
    let body: [&[u8]; 3] = [
        &method(b"REAL", 1, &[]),
        b"\x06REALOTHR",
        &method(b"USER", 0, &[b"OTHR\x01"]),
    ];
    assert!(terms(&body).ends_with("Method(USER 0 Call(OTHR One))"));
}

#[test]
fn external_says_how_many_arguments_an_unknown_method_takes() {
    let body: [&[u8]; 2] = [b"\x15FAR_\x08\x02", &method(b"USER", 0, &[b"\xa4FAR_\x60\x61"])];
    assert!(terms(&body).ends_with("Return(Call(FAR Local0 Local1)))"));
}

#[test]
fn arguments_of_a_method_that_nothing_declares_are_found_by_trying() {
    let user = method(b"USER", 0, &[b"FAR_\x60\x0a\x07\x70\x01\x61"]);
    let tree = read_alone(&table(b"SSDT", &[&user]));
    assert!(tree.faults.is_empty());
    let body = tree.body(Tree::ROOT).next().unwrap();
    assert_eq!(
        shown(&tree, body),
        "Method(USER 0 Call(FAR Local0 7) Store(One Local1))"
    );
    let [(call, 2)] = tree.guessed[..] else {
        panic!("{:?}", tree.guessed)
    };
    assert_eq!(tree.node(call).unwrap().op, Op::Call);
}

#[test]
fn name_of_a_method_is_hidden_by_a_local_one() {
    let inner = [&name(b"MTHD", 1)[..], b"\x70MTHD\x60"].concat();
    let body = [method(b"MTHD", 1, &[]), method(b"USER", 0, &[&inner])];
    assert!(terms(&[&body.concat()]).ends_with("Method(USER 0 Name(MTHD One) Store(MTHD Local0))"));
}

#[test]
fn fault_passes_over_the_rest_of_its_package_only() {
    let broken = scope(b"\\\0", &[&name(b"AAAA", 0), b"\x02\x02\x02", &name(b"LOST", 0)]);
    let body = [broken, name(b"BBBB", 1)];
    let tree = read_alone(&table(b"SSDT", &[&body.concat()]));
    let [fault] = &tree.faults[..] else {
        panic!("{:?}", tree.faults)
    };
    assert_eq!(
        (fault.offset, fault.skipped, fault.seen.as_str()),
        (36 + 10, 9, "02 02 02 08")
    );
    let list: Vec<String> = tree.body(Tree::ROOT).map(|id| shown(&tree, id)).collect();
    assert_eq!(list.join(" "), "Scope(\\ Name(AAAA Zero) Damaged) Name(BBBB One)");
}

#[test]
fn package_that_ends_behind_the_one_around_it_is_cut_there() {
    let inner = b"\x10\x20\\\0\x08AAAA\x00";
    let body = [package(b"\x10", &[b"\\\0", inner]), name(b"BBBB", 1)];
    let tree = read_alone(&table(b"SSDT", &[&body.concat()]));
    assert_eq!(tree.faults[0].expected, "a PkgLength of at most 9");
    let list: Vec<String> = tree.body(Tree::ROOT).map(|id| shown(&tree, id)).collect();
    assert_eq!(list.join(" "), "Scope(\\ Scope(\\ Name(AAAA Zero))) Name(BBBB One)");
}

#[test]
fn package_of_length_zero_is_a_fault() {
    assert_eq!(faults(&[b"\x10\x00\\\0"]), [(0, 4)]);
}

#[test]
fn every_way_to_end_too_early_is_a_fault_where_it_happens() {
    let cases: [(&[u8], usize); 8] = [
        (b"\x08", 1),
        (b"\x08AAA", 1),
        (b"\x08AAAA", 5),
        (b"\x08AAAA\x0c\x01\x02", 5),
        (b"\x08AAAA\x0dtext", 5),
        (b"\x5b", 0),
        (b"\x5b\x82", 0),
        (b"\x14\x08AAAA", 7),
    ];
    for (body, offset) in cases {
        let found = faults(&[body]);
        assert_eq!(
            found.last().map(|(at, _)| *at),
            Some(offset.min(body.len())),
            "{body:x?}: {found:?}"
        );
    }
}

#[test]
fn name_with_illegal_characters_is_a_fault_that_skips_nothing() {
    assert_eq!(faults(&[b"\x08A a\x01\x00"]), [(1, 0)]);
}

#[test]
fn size_below_what_a_buffer_or_package_holds_is_a_fault() {
    let buffer = package(b"\x11", &[b"\x0a\x02", b"\x01\x02\x03"]);
    let list = package(b"\x12", &[b"\x01", b"\x01\x01"]);
    assert_eq!(faults(&[b"\x08AAAA", &buffer]), [(7, 0)]);
    assert_eq!(faults(&[b"\x08AAAA", &list]), [(7, 0)]);
}

#[test]
fn package_whose_length_reaches_over_the_next_terms_ends_behind_its_elements() {
    let body = b"\x08AAAA\x12\x0c\x02\x00\x01\x08BBBB\x01\x08CCCC\x01";
    let tree = read_alone(&table(b"SSDT", &[body]));
    let list: Vec<String> = tree.body(Tree::ROOT).map(|id| shown(&tree, id)).collect();
    assert_eq!(
        list.join(" "),
        "Name(AAAA Package(2 Zero One)) Name(BBBB One) Name(CCCC One)"
    );
    assert_eq!((tree.faults.len(), tree.faults[0].skipped), (1, 0));
}

#[test]
fn length_in_the_header_that_is_not_that_of_the_bytes_is_a_fault() {
    let mut bytes = table(b"SSDT", &[&name(b"AAAA", 0)]);
    bytes.extend([1, 2, 3]);
    let tree = read_alone(&bytes);
    assert_eq!(
        (tree.faults.len(), tree.faults[0].offset, tree.faults[0].skipped),
        (1, 42, 3)
    );
    let tree = read_alone(&bytes[..40]);
    assert_eq!(
        (tree.faults[0].offset, tree.faults[0].expected.as_str()),
        (40, "42 bytes of table")
    );
    assert_eq!(read_alone(b"SSDT").faults.len(), 1);
}

#[test]
fn constants_in_a_row_that_stand_as_statements_are_one_fault() {
    let tree = read_alone(&table(b"SSDT", &[&method(b"AAAA", 0, &[b"\x00\x01\x00\xa3\x00"])]));
    let seen: Vec<&str> = tree.faults.iter().map(|fault| fault.seen.as_str()).collect();
    assert_eq!(seen, ["3 terms without effect", "Zero without effect"]);
}

#[test]
fn second_call_of_an_unknown_method_takes_as_many_arguments() {
    let user = method(b"USER", 0, &[b"FAR_HLRS\x01FAR_PWEN\x00"]);
    let tree = read_alone(&table(b"SSDT", &[&user]));
    let body = tree.body(Tree::ROOT).next().unwrap();
    assert_eq!(
        shown(&tree, body),
        "Method(USER 0 Call(FAR HLRS One) Call(FAR PWEN Zero))"
    );
}

#[test]
fn call_with_too_few_arguments_is_a_fault_and_swallows_nothing() {
    let declared = method(b"FAR_", 3, &[]);
    let user = method(b"USER", 0, &[b"FAR_\x01\x0a\x77FAR_\x00\x00\xa4\x01"]);
    let tree = read_alone(&table(b"SSDT", &[&declared, &user]));
    let body = tree.body(Tree::ROOT).nth(1).unwrap();
    assert_eq!(
        shown(&tree, body),
        "Method(USER 0 Call(FAR One 119) Call(FAR Zero Zero) Return(One))"
    );
    let faults: Vec<_> = tree
        .faults
        .iter()
        .map(|fault| (fault.expected.as_str(), fault.seen.as_str()))
        .collect();
    assert_eq!(faults, [("3 arguments for FAR", "2"); 2]);
}

#[test]
fn statement_that_is_a_constant_is_a_fault() {
    assert_eq!(faults(&[&method(b"AAAA", 0, &[b"\x01"])]), [(7, 0)]);
}
