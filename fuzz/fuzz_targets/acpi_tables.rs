//! ACPI tables as a set: layouts and their print, checks, summary, disassembly, evaluation.
#![no_main]

use acpi_dump::aml::evaluate::Evaluator;
use acpi_dump::layout::print::{PrintOptions, print};
use acpi_dump::{TableSet, aml, layout, lint, summary};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut set = TableSet::default();
    set.add_binary("fuzz", bytes);
    for named in &set.tables {
        let decoded = layout::decode(&named.table);
        let _ = print(&decoded.value, &PrintOptions::default());
    }
    let namespace = lint::namespace(&set);
    let _ = lint::verify(&lint::Subject::new(&set).with_namespace(&namespace));
    let _ = summary::summary(&set);
    let context = aml::disassemble::Context::of(&namespace);
    for tree in namespace.trees() {
        let _ = aml::disassemble::disassemble(tree, &context, &aml::disassemble::Options::default());
    }
    let evaluator = Evaluator::new(&namespace);
    for (id, _) in namespace.iter() {
        let _ = evaluator.device(id);
    }
});
