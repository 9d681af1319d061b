//! Objects of small tables.

use super::super::testing::{device, method, name, package, scope, table};
use super::*;

const FIELD: &[u8] = b"\x5b\x81";

fn kind(space: &Namespace, path: &str) -> ObjectKind {
    let id = space.find(path).unwrap_or_else(|| panic!("{path}"));
    space.object(id).unwrap().kind
}

fn paths(space: &Namespace, ids: impl Iterator<Item = ObjectId>) -> String {
    let list: Vec<String> = ids.map(|id| space.path(id).to_string()).collect();
    list.join(" ")
}

#[test]
fn objects_come_in_path_order_with_the_predefined_ones() {
    let dsdt = table(b"DSDT", &[&scope(b"_SB_", &[&device(b"PCI0", &[&name(b"_UID", 1)])])]);
    let space = Namespace::build(&[&dsdt]);
    assert_eq!(
        paths(&space, space.iter().map(|(id, _)| id)),
        "\\ \\_GL \\_GPE \\_OSI \\_OS \\_PR \\_REV \\_SB \\_SB.PCI0 \\_SB.PCI0._UID \\_SI \\_TZ"
    );
    assert!(space.faults().is_empty());
    assert_eq!(space.depth(space.find("\\_SB.PCI0._UID").unwrap()), 3);
}

#[test]
fn scope_finds_what_another_table_declares_whichever_comes_first() {
    let dsdt = table(b"DSDT", &[&scope(b"_SB_", &[&device(b"PCI0", &[])])]);
    let ssdt = table(b"SSDT", &[&scope(b"\\._SB_PCI0", &[&device(b"EC0_", &[])])]);
    for tables in [[&dsdt[..], &ssdt], [&ssdt, &dsdt]] {
        let space = Namespace::build(&tables);
        assert_eq!(kind(&space, "\\_SB.PCI0.EC0"), ObjectKind::Device);
        assert!(space.faults().is_empty(), "{:?}", space.faults());
    }
}

#[test]
fn scope_of_something_declared_in_a_later_table_is_too_early() {
    let first = table(b"SSDT", &[&scope(b"\\DEV0", &[&name(b"AAAA", 0)])]);
    let second = table(b"SSDT", &[&device(b"\\DEV0", &[])]);
    let space = Namespace::build(&[&first, &second]);
    let [NameFault::TooEarly { path, scope, declared }] = space.faults() else {
        panic!("{:?}", space.faults());
    };
    assert_eq!(
        (path.to_string().as_str(), scope.table, declared.table),
        ("\\DEV0", 0, 1)
    );
    assert!(space.find("\\DEV0.AAAA").is_some());
}

#[test]
fn both_branches_are_kept_and_marked() {
    let yes = package(
        b"\xa0",
        &[b"\x01", &name(b"AAAA", 0), &device(b"DEV0", &[&name(b"_UID", 0)])],
    );
    let no = package(b"\xa1", &[&name(b"AAAA", 1), &name(b"BBBB", 1)]);
    let space = Namespace::build(&[&table(b"DSDT", &[&yes, &no])]);
    let condition = |path: &str| {
        let place = space.condition(space.find(path).unwrap());
        place.map(|place| space.node(place).unwrap().op)
    };
    use super::super::Op;
    assert_eq!(condition("\\AAAA"), Some(Op::If));
    assert_eq!(condition("\\BBBB"), Some(Op::Else));
    assert_eq!(condition("\\DEV0._UID"), Some(Op::If));
    assert_eq!(condition("\\_SB"), None);
    assert_eq!(space.repeats().len(), 1);
    assert!(space.faults().is_empty());
}

#[test]
fn declaration_without_condition_counts_before_one_with() {
    let maybe = package(b"\xa0", &[b"\x01", &name(b"AAAA", 0)]);
    let space = Namespace::build(&[&table(b"DSDT", &[&maybe, &method(b"AAAA", 0, &[])])]);
    let id = space.find("\\AAAA").unwrap();
    assert!(matches!(space.object(id).unwrap().kind, ObjectKind::Method { .. }));
    assert_eq!((space.condition(id), space.repeats()[0].kind), (None, ObjectKind::Name));
}

#[test]
fn path_declared_twice_is_a_fault_with_both_places() {
    let space = Namespace::build(&[&table(b"DSDT", &[&name(b"AAAA", 0), &name(b"AAAA", 1)])]);
    let [NameFault::Duplicate { path, first, second }] = space.faults() else {
        panic!("{:?}", space.faults());
    };
    assert_eq!(path.to_string(), "\\AAAA");
    assert!(first < second);
    assert_eq!(space.object(space.find("\\AAAA").unwrap()).unwrap().place, Some(*first));
}

#[test]
fn what_a_method_declares_is_listed_apart() {
    let space = Namespace::build(&[&table(b"DSDT", &[&method(b"MTHD", 0, &[&name(b"TEMP", 0)])])]);
    assert!(space.find("\\MTHD.TEMP").is_none());
    let [declaration] = space.dynamic() else {
        panic!("{:?}", space.dynamic())
    };
    assert_eq!(space.names().path(declaration.name_id).to_string(), "\\MTHD.TEMP");
    assert!(declaration.method.is_some());
}

#[test]
fn path_without_a_parent_is_kept_and_reported_once() {
    let lost = scope(b"\\._SB_GONE", &[&name(b"AAAA", 0), &name(b"BBBB", 0)]);
    let space = Namespace::build(&[&table(b"SSDT", &[&lost])]);
    let [NameFault::NoParent { path, .. }] = space.faults() else {
        panic!("{:?}", space.faults());
    };
    assert_eq!(path.to_string(), "\\_SB.GONE");
    let id = space.find("\\_SB.GONE.BBBB").unwrap();
    assert!(!space.is_declared(id) && space.is_declared(space.find("\\_SB").unwrap()));
    assert_eq!(kind(&space, "\\_SB.GONE"), ObjectKind::Missing);
}

#[test]
fn units_of_all_three_lists_have_bit_offset_length_and_what_they_lie_in() {
    let region = b"\x5b\x80REGN\x01\x0a\x70\x0a\x02";
    let field = package(FIELD, &[b"REGN\x01", b"INDX\x08DATA\x08"]);
    let index = package(b"\x5b\x86", &[b"INDXDATA\x01", b"\x00\x20UNT0\x03UNT1\x05"]);
    let bank = package(b"\x5b\x87", &[b"REGNINDX\x0a\x02\x11", b"UNT2\x10"]);
    let space = Namespace::build(&[&table(b"DSDT", &[region, &field, &index, &bank])]);
    assert!(space.trees()[0].faults.is_empty());
    let id = |path| space.find(path);
    assert_eq!(
        kind(&space, "\\DATA"),
        ObjectKind::FieldUnit {
            offset: 8,
            bits: 8,
            access: UnitAccess::Region(id("\\REGN")),
            flags: 1
        }
    );
    assert_eq!(
        kind(&space, "\\UNT1"),
        ObjectKind::FieldUnit {
            offset: 35,
            bits: 5,
            access: UnitAccess::Index {
                index: id("\\INDX"),
                data: id("\\DATA")
            },
            flags: 1
        }
    );
    assert_eq!(
        kind(&space, "\\UNT2"),
        ObjectKind::FieldUnit {
            offset: 0,
            bits: 16,
            access: UnitAccess::Bank {
                region: id("\\REGN"),
                bank: id("\\INDX")
            },
            flags: 0x11
        }
    );
}

#[test]
fn alias_leads_to_what_it_names_and_a_circle_ends() {
    let body: [&[u8]; 4] = [&name(b"REAL", 0), b"\x06REALOTHR", b"\x06AAAABBBB", b"\x06BBBBAAAA"];
    let space = Namespace::build(&[&table(b"DSDT", &body)]);
    let id = |path| space.find(path).unwrap();
    assert_eq!(space.target(id("\\OTHR")), id("\\REAL"));
    assert!([id("\\AAAA"), id("\\BBBB")].contains(&space.target(id("\\AAAA"))));
}

#[test]
fn external_is_an_object_only_while_nothing_declares_the_path() {
    let first = table(b"DSDT", &[b"\x15FAR_\x08\x02", b"\x15NEAR\x08\x01"]);
    let second = table(b"SSDT", &[&method(b"NEAR", 1, &[])]);
    let space = Namespace::build(&[&first, &second]);
    assert_eq!(
        kind(&space, "\\FAR"),
        ObjectKind::External {
            object_type: 8,
            arguments: 2
        }
    );
    assert!(!space.is_declared(space.find("\\FAR").unwrap()));
    assert!(matches!(
        kind(&space, "\\NEAR"),
        ObjectKind::Method { arguments: 1, .. }
    ));
    assert!(space.faults().is_empty());
}

#[test]
fn single_segment_is_resolved_upwards_from_the_scope_of_its_term() {
    let inner = device(b"DEV0", &[&method(b"MTHD", 0, &[b"\xa4FLAG"])]);
    let dsdt = table(b"DSDT", &[&name(b"FLAG", 1), &scope(b"_SB_", &[&inner])]);
    let space = Namespace::build(&[&dsdt]);
    let tree = &space.trees()[0];
    let number = tree
        .nodes
        .iter()
        .position(|node| node.op == super::super::Op::Return)
        .unwrap();
    let term = Place {
        table: 0,
        node: NodeId(u32::try_from(number).unwrap()),
    };
    let scope = space.scope_of(term).unwrap();
    assert_eq!(space.path(scope).to_string(), "\\_SB.DEV0.MTHD");
    let operand = Place {
        node: tree.operand(term.node, 0).unwrap(),
        ..term
    };
    assert_eq!(space.resolve_node(scope, operand), space.find("\\FLAG"));
}

#[test]
fn patterns_choose_paths() {
    let dev = |name_: &[u8; 4]| device(name_, &[&name(b"_ADR", 0)]);
    let space = Namespace::build(&[&table(b"DSDT", &[&scope(b"_SB_", &[&dev(b"DEV0"), &dev(b"DEV1")])])]);
    assert_eq!(paths(&space, space.glob("_ADR")), "\\_SB.DEV0._ADR \\_SB.DEV1._ADR");
    assert_eq!(paths(&space, space.glob("\\_SB.*1")), "\\_SB.DEV1");
    assert_eq!(space.glob("\\_SB.**").count(), 4);
}
