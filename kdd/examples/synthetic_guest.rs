//! Writes a made-up Windows guest in containers, and what a debugger should find in it as JSON.
//!
//! `cargo run -p delid-kdd --example synthetic_guest -- OUT_DIR [--preset NAME] [--container NAME]
//! [--ram SIZE] [--kdbg plain|encoded|absent] [--cpus COUNT] [--filled SIZE] [--runnable]`
//!
//! With `--runnable` instead of containers: the RAM and the ROM of a PC that QEMU runs it on. Printed are QEMU's
//! arguments on a line `QEMU=…` and the addresses of what moves in it as lines `NAME=0x…`.
//!
//! With `--over FILE` only the pages of the guest are written, as a raw image into a file that is there.

#[path = "../tests/synthetic/mod.rs"]
mod synthetic;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Error};
use std::path::{Path, PathBuf};

use synthetic::files::{CONTAINERS, Container};
use synthetic::runnable;
use synthetic::windows::config::PRESETS;
use synthetic::windows::files::write_pages;
use synthetic::windows::{Built, Config, Kdbg, build};

struct Arguments {
    directory: PathBuf,
    preset: String,
    container: Option<String>,
    ram: Option<u64>,
    kdbg: Option<Kdbg>,
    cpus: Option<u16>,
    filled: Option<u64>,
    over: Option<PathBuf>,
    runnable: bool,
}

fn usage() -> Error {
    let containers: Vec<&str> = CONTAINERS.iter().map(|container| container.name).collect();
    Error::other(format!(
        "usage: synthetic_guest OUT_DIR [--preset NAME] [--container NAME] [--ram SIZE] [--kdbg plain|encoded|absent] \
         [--cpus COUNT] [--filled SIZE] [--runnable] [--over FILE]\npresets: {}\ncontainers: {}",
        PRESETS.join(" "),
        containers.join(" ")
    ))
}

/// A number of bytes with an optional K, M or G.
fn size(text: &str) -> Option<u64> {
    let (digits, unit) = match text.find(|letter: char| !letter.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let shift = match unit {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn kdbg(text: &str) -> Option<Kdbg> {
    Some(match text {
        "plain" => Kdbg::Plain,
        "encoded" => Kdbg::Encoded {
            wait_never: 0x6a3b_95d2_81c4_e077,
            wait_always: 0x1f84_c0b7_2e96_53ad,
        },
        "absent" => Kdbg::Absent,
        _ => return None,
    })
}

fn arguments() -> Option<Arguments> {
    let mut words = std::env::args().skip(1);
    let mut out = Arguments {
        directory: words.next()?.into(),
        preset: "win10-x64".to_owned(),
        container: None,
        ram: None,
        kdbg: None,
        cpus: None,
        filled: None,
        over: None,
        runnable: false,
    };
    while let Some(option) = words.next() {
        if option == "--runnable" {
            out.runnable = true;
            continue;
        }
        let value = words.next()?;
        match option.as_str() {
            "--preset" => out.preset = value,
            "--container" => out.container = Some(value),
            "--ram" => out.ram = Some(size(&value)?),
            "--kdbg" => out.kdbg = Some(kdbg(&value)?),
            "--over" => out.over = Some(value.into()),
            "--filled" => out.filled = Some(size(&value)?),
            "--cpus" => out.cpus = Some(value.parse().ok()?),
            _ => return None,
        }
    }
    Some(out)
}

fn main() -> io::Result<()> {
    let arguments = arguments().ok_or_else(usage)?;
    let mut config = Config::preset(&arguments.preset).ok_or_else(usage)?;
    if let Some(ram) = arguments.ram {
        config.ram = ram;
    }
    config.kdbg = arguments.kdbg.unwrap_or(config.kdbg);
    config.cpus = arguments.cpus.unwrap_or(config.cpus);
    config.filled = arguments.filled.unwrap_or(config.filled);
    let chosen: Vec<&Container> = CONTAINERS
        .iter()
        .filter(|container| arguments.container.as_deref().is_none_or(|name| name == container.name))
        .collect();
    if chosen.is_empty() {
        return Err(usage());
    }
    let mut built = build(&config);
    if let Some(path) = arguments.over {
        return write_pages(&built.machine, &mut OpenOptions::new().write(true).open(path)?);
    }
    fs::create_dir_all(&arguments.directory)?;
    if arguments.runnable {
        return write_runnable(&mut built, &config, &arguments.directory);
    }
    for container in chosen {
        (container.write)(&built, &arguments.directory)?;
        println!("{}", container.name);
    }
    let path = write_truth(&built, &arguments.directory)?;
    println!("truth: {}", path.display());
    Ok(())
}

fn write_truth(built: &Built, directory: &Path) -> io::Result<PathBuf> {
    let truth = serde_json::to_string_pretty(&built.truth).map_err(Error::other)?;
    let path = directory.join("truth.json");
    fs::write(&path, truth + "\n")?;
    Ok(path)
}

/// RAM, ROM, and how to run them.
fn write_runnable(built: &mut Built, config: &Config, directory: &Path) -> io::Result<()> {
    let made = runnable::make(built, config).map_err(Error::other)?;
    runnable::write_ram(&built.machine, &mut File::create(directory.join("ram.bin"))?)?;
    fs::write(directory.join("loader.bin"), &made.rom)?;
    write_truth(built, directory)?;
    let words = runnable::arguments(&built.machine, &directory.display().to_string());
    println!("QEMU={}", words.join(" "));
    for (name, at) in &made.places {
        println!("{name}={at:#x}");
    }
    Ok(())
}
