//! Release notes, changelogs and the table made of them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use microcode::advisories;

fuzz_target!(|text: &str| {
    let found = advisories::read_notes(text);
    let table = advisories::write_table(&found.releases);
    let _ = advisories::read_table(&table);
    let _ = advisories::read_debian(text);
    let _ = advisories::read_table(text);
});
