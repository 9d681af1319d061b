//! State files of VMware, alone and with memory beside them.
#![no_main]

use std::sync::Arc;

use kdd::memory::Source;
use kdd::target::{Input, Target as _, vmware};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut file = bytes.to_vec();
    if let Some([first, rest @ ..]) = file.get_mut(..4) {
        // 32- and 64-bit lengths.
        *first = if *first & 1 == 0 { 0xd0 } else { 0xd2 };
        rest.copy_from_slice(&[0xbe, 0xd2, 0xbe]);
    }
    let memory: Source = Arc::new(vec![0x5a; 0x4000]);
    for beside in [Vec::new(), vec![("vmem".to_owned(), memory)]] {
        let input = Input {
            name: String::new(),
            bytes: Arc::new(file.clone()),
            beside,
            registers: None,
        };
        let Ok(capture) = vmware::open(&input) else { return };
        let mut buffer = [0; 4096];
        for run in capture.memory().runs().iter().take(100) {
            assert!(capture.memory().read(run.start, &mut buffer) > 0);
        }
    }
});
