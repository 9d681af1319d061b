//! Unknown data: a scan neither panics nor hangs, lists nothing outside the data, and finds in
//! windows what it finds in the whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use microcode::scan;

fuzz_target!(|bytes: &[u8]| {
    let whole = scan::scan(bytes);
    for hit in &whole.hits {
        assert_eq!(hit.bytes(bytes).len(), hit.size);
    }
    let stream = scan::scan_stream(bytes, |hit, own| assert_eq!(own.len(), hit.size)).unwrap();
    assert!(stream.hits.len() <= whole.hits.len());
});
