//! Compiles `data/pci.ids` into the tables that `pci::names` looks up. Reads no other file.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

#[path = "src/pci/names/compile.rs"]
mod compile;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=data/pci.ids");
    println!("cargo::rerun-if-changed=src/pci/names/compile.rs");
    println!("cargo::rerun-if-changed=build.rs");
    let text = fs::read("data/pci.ids")?;
    let compiled = compile::compile(&text);
    if let Some((line, expected)) = compiled.unread.first() {
        return Err(format!("data/pci.ids, line {line}: expected {expected}").into());
    }
    let target = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    fs::write(target.join("pci-names.bin"), compiled.tables)?;
    Ok(())
}
