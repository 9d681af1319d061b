//! Any file given with `--from`: recognised, decoded, judged, drawn.
#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let Ok(source) = captures::Source::open(&[file.path()]) else {
        return;
    };
    let machine = topo::open(&source);
    let report = topo::findings::judge(&machine);
    let _ = topo::diagram::svg(&machine, &report, &topo::diagram::Options::default());
});
