//! Initrds of any bytes: read whole, unpacked, their early part measured and dropped.
#![no_main]

use std::io::{self, Cursor};

use libfuzzer_sys::fuzz_target;
use microcode::initrd::{Body, Member, Options, Segment, Step, early_length, plan, read};

fuzz_target!(|bytes: &[u8]| {
    let options = Options {
        unpacked_max: 16 << 20,
        ..Options::default()
    };
    let mut all = |_: &Segment, member: &Member, body: &mut Body<'_>| {
        let _ = member.to_string();
        io::copy(body, &mut io::sink())?;
        Ok(Step::Into)
    };
    let summary = read(Cursor::new(bytes), &options, &mut all).expect("memory is read");
    let size: u64 = summary.segments.iter().map(|segment| segment.size).sum();
    assert_eq!(size, bytes.len() as u64);
    assert!(early_length(Cursor::new(bytes)).expect("memory is read") <= size);
    let plan = plan(Cursor::new(bytes), None).expect("memory is read");
    let mut out = Vec::new();
    plan.write(Cursor::new(bytes), None, &mut out)
        .expect("memory is written");
    assert_eq!(out.len() as u64, plan.report.new_length);
    let _ = microcode::uki::image(Cursor::new(bytes));
});
