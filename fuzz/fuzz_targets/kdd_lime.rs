//! LiME and AVML, whichever the second byte says: every range is read from its beginning to its end.
#![no_main]

use std::sync::Arc;

use kdd::memory::Gpa;
use kdd::target::{Input, Target as _, lime};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut file = bytes.to_vec();
    let framed = file.get(1).is_some_and(|byte| byte & 1 == 1);
    if let Some(mark) = file.get_mut(..8) {
        mark.copy_from_slice(if framed { b"AVML\x02\0\0\0" } else { b"EMiL\x01\0\0\0" });
    }
    let input = Input {
        name: String::new(),
        bytes: Arc::new(file),
        beside: Vec::new(),
        registers: None,
    };
    let Ok(capture) = lime::open(&input) else { return };
    let mut buffer = vec![0; 0x1_0000];
    for run in capture.memory().runs().iter().take(16) {
        let mut at = run.start;
        while at.0 < run.end().0 && at.0 < run.start.0.saturating_add(1 << 22) {
            let seen = capture.memory().read(at, &mut buffer);
            at = at.plus(seen.max(4096) as u64);
        }
        let _ = capture.memory().read(Gpa(run.end().0.saturating_sub(3)), &mut buffer);
    }
});
