//! `xen-cpuid -p` and featureset words.
#![no_main]

use cpuid_db::formats::{featureset, xen_policies};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let _ = xen_policies::parse(&text);
    let _ = featureset::parse(&text);
    let _ = featureset::read(&text);
});
