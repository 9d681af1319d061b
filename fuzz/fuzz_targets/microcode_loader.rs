//! The Linux loader's decision on an initrd and on a firmware file, for an Intel and an AMD CPU of
//! which some facts are not known.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use microcode::loader::linux::{Early, File, Late, early, late};
use microcode::{Cpu, Signature, Vendor};

fuzz_target!(|bytes: &[u8]| {
    let bytes = Arc::new(bytes.to_vec());
    let file = |name: &str| File {
        name: name.to_owned(),
        source: "fuzz".to_owned(),
        bytes: Arc::clone(&bytes),
    };
    let cpus = [
        (Vendor::Intel, Some(0x000b_0671)),
        (Vendor::Amd, Some(0x0010_0f22)),
        (Vendor::Amd, Some(0x00a2_0f10)),
        (Vendor::Amd, None),
    ];
    for (vendor, signature) in cpus {
        let cpu = Cpu {
            signature: signature.map(Signature),
            ..Cpu::new("fuzz", vendor)
        };
        let setup = Early {
            initrd: Some(file("initrd")),
            ..Early::default()
        };
        let _ = early(&cpu, &setup);
        let setup = Late {
            command_line: None,
            force_minrev: None,
            late_loading: None,
            built_in: &[],
            firmware: &|name: &str| Some(file(name)),
        };
        let _ = late(&cpu, &setup);
    }
});
