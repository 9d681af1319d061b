//! `<cpudata>` of libvirt: what is read is written and read again.
#![no_main]

use cpuid_db::formats::{Format, parse};
use cpuid_db::write::{Output, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let set = parse(Format::Cpudata, &text).value;
    let again = parse(Format::Cpudata, &write(Output::Cpudata, &set));
    assert_eq!(again.value.cpus().len(), set.cpus().len());
});
