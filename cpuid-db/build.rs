//! Compiles the tables of `data/` to constants, and refuses to when they contradict themselves.

#![allow(
    clippy::indexing_slicing,
    reason = "a build script reads our own tables and may stop"
)]

mod build {
    pub mod codenames;
    pub mod fields;
    pub mod libvirt;
    pub mod qemu;
    pub mod xen;
}

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=data");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=src/database/row.rs");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let out = std::env::var_os("OUT_DIR")
        .map(std::path::PathBuf::from)
        .unwrap_or_default();
    for compiled in [
        build::fields::compile(&data.join("fields"), &out.join("fields.rs")),
        build::codenames::compile(&data.join("codenames.tsv"), &out.join("codenames.rs")),
        build::libvirt::compile(&data, &out.join("libvirt.rs")),
        build::qemu::compile(&data, &out.join("qemu.rs")),
        build::xen::compile(&data.join("xen-libxl-keys.tsv"), &out.join("xen.rs")),
    ] {
        if let Err(error) = compiled {
            println!("cargo::error={error}");
            std::process::exit(1);
        }
    }
}
