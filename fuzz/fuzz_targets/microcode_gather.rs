//! Microcode in bytes of any kind, and everything that is done with what is found.
#![no_main]

use libfuzzer_sys::fuzz_target;
use microcode::gather::{Options, gather};
use microcode::pack::{Filter, Keep, dedupe, early, files, guard, select};

fuzz_target!(|bytes: &[u8]| {
    let options = Options {
        scan: true,
        compressed: bytes.len() < 1 << 16,
    };
    let all = gather("input", bytes.to_vec(), options);
    let selection = select(&all.found, &Filter::default(), Keep::Newest);
    let _ = early::early(&selection, &all.tables, None);
    let _ = files::firmware(&selection, &all.tables);
    let _ = (dedupe(&all.found), guard(&all.found, &all.found));
    let _ = microcode::release::diff(&all.found[..], &all.found[..]).to_string();
});
