//! Links the program at a fixed address. Its tables (names of features, models, PCI ids) are constants full
//! of pointers; a position-independent program adjusts every one of them at each start, which takes longer
//! than most commands do. For musl, where Cargo is told the target, `.cargo/config.toml` says the same.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = std::env::var("TARGET").unwrap_or_default();
    if target == "x86_64-unknown-linux-gnu" {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
