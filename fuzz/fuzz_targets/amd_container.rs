//! Containers of AMD: read, written from what was read, and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use microcode::Sha256;
use microcode::amd;
use microcode::entry_sign::{List, digest};

fuzz_target!(|bytes: &[u8]| {
    for container in amd::read(bytes).containers {
        let mut patches = Vec::new();
        for patch in &container.patches {
            let data = &bytes[patch.offset..patch.offset + patch.size];
            let _ = digest(List::Linux6_12, patch.revision, &Sha256::of(data));
            patches.push(data);
        }
        let again = amd::read(&amd::write(&container.equivalences, &patches));
        assert_eq!(again.containers[0].equivalences, container.equivalences);
        assert_eq!(again.containers[0].patches.len(), patches.len());
        let made = amd::rebuild_rows(&patches);
        assert!(made.rows.len() <= 64 * patches.len());
    }
    let _ = amd::read_patch(bytes);
});
