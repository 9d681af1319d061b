//! AML: one table alone, and two that share their names.
#![no_main]

use acpi_dump::aml::{Namespace, Tree};
use libfuzzer_sys::fuzz_target;

fn check(tree: &Tree) {
    for number in 0..u32::try_from(tree.nodes.len()).unwrap() {
        let id = acpi_dump::aml::NodeId(number);
        let node = tree.node(id).unwrap();
        let mut at = node.start;
        for child in tree.children(id) {
            let child = tree.node(child).unwrap();
            assert!(at <= child.start && child.start <= child.end && child.end <= node.end);
            at = child.end;
        }
        let _ = tree.name_path(id);
        let _ = tree.text(id);
    }
}

fn build(tables: &[&[u8]]) {
    let space = Namespace::build(tables);
    space.trees().iter().for_each(check);
    for (id, _) in space.iter() {
        assert_eq!(space.at(&space.path(id)), Some(id));
    }
    assert!(space.glob("**").count() <= space.objects().len());
}

fuzz_target!(|bytes: &[u8]| {
    build(&[bytes]);
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let table = |body: &[u8]| {
        let mut table = b"SSDT\0\0\0\0\x02\0OEMOEMOEMTABLE\x01\0\0\0TOOL\x01\0\0\0".to_vec();
        table.extend(body);
        let length = u32::try_from(table.len()).unwrap().to_le_bytes();
        table[4..8].copy_from_slice(&length);
        table
    };
    build(&[&table(first), &table(second)]);
});
