//! Writes a made-up Windows guest in containers, and what a debugger should find in it as JSON.
//!
//! `cargo run -p delid-kdd --example synthetic_guest -- OUT_DIR [--preset NAME] [--container NAME]
//! [--ram SIZE] [--kdbg plain|encoded|absent] [--cpus COUNT] [--filled SIZE]`

#[path = "../tests/synthetic/mod.rs"]
mod synthetic;

use std::fs::{self, File};
use std::io::{self, Error};
use std::path::{Path, PathBuf};

use synthetic::containers::{elf_core, lime, raw, vmware, windows_dump, xen_core};
use synthetic::windows::config::PRESETS;
use synthetic::windows::files::{dump_header, write_dump_file, write_raw_file};
use synthetic::windows::{Built, Config, Kdbg, build};

/// A container: its name, and how it is written in a directory.
type Container = (&'static str, fn(&Built, &Path) -> io::Result<()>);

const CONTAINERS: &[Container] = &[
    ("raw", |built, to| {
        write_raw_file(&built.machine, &mut File::create(to.join("guest.raw"))?)?;
        if is_64(built) {
            fs::write(to.join("registers.txt"), raw::registers(&built.machine))?;
            fs::write(to.join("msrs.txt"), raw::model_specific(&built.machine))?;
        }
        Ok(())
    }),
    ("dump", |built, to| {
        let mut file = File::create(to.join("guest.dmp"))?;
        write_dump_file(&built.machine, &built.truth, &mut file)
    }),
    ("bitmap-dump", |built, to| {
        let form = windows_dump::Form::Bitmap;
        let mut bytes = windows_dump::write(&built.machine, is_64(built), form);
        let header = dump_header(&built.machine, &built.truth, form as u32);
        bytes[..header.len()].copy_from_slice(&header);
        fs::write(to.join("guest.bitmap.dmp"), bytes)
    }),
    ("elf", |built, to| {
        if !is_64(built) {
            return fs::write(to.join("guest.elf"), elf_core::qemu32(&built.machine));
        }
        let mut bytes = elf_core::qemu(&built.machine, false);
        guest_note(built, &mut bytes);
        fs::write(to.join("guest.elf"), bytes)
    }),
    ("virtualbox", |built, to| {
        fs::write(to.join("guest.vbox.elf"), elf_core::virtualbox(&built.machine, 6))
    }),
    ("xen-core", |built, to| {
        let bytes = xen_core::write(&built.machine, xen_core::Kind::Hardware, 0);
        fs::write(to.join("guest.xencore"), bytes)
    }),
    ("lime", |built, to| {
        fs::write(to.join("guest.lime"), lime::lime(&built.machine))
    }),
    ("avml", |built, to| {
        fs::write(to.join("guest.avml"), lime::avml(&built.machine, 1 << 20))
    }),
    ("vmware", |built, to| {
        let form = vmware::Form {
            magic: 0xbed3_bed3,
            inside: false,
            blocks: true,
        };
        let (state, memory) = vmware::write(&built.machine, form);
        fs::write(to.join("guest.vmss"), state)?;
        fs::write(to.join("guest.vmem"), memory)
    }),
];

fn is_64(built: &Built) -> bool {
    built.truth.architecture.is_some_and(|kind| kind.is_64())
}

/// The emitter's note of the guest is of another guest: this guest's takes its place.
fn guest_note(built: &Built, bytes: &mut [u8]) {
    let note = elf_core::guest_note();
    let header = dump_header(&built.machine, &built.truth, 1);
    let at = bytes.windows(note.len()).position(|window| window == note);
    if let Some(at) = at {
        bytes[at..at + header.len()].copy_from_slice(&header);
    }
}

struct Arguments {
    directory: PathBuf,
    preset: String,
    container: Option<String>,
    ram: Option<u64>,
    kdbg: Option<Kdbg>,
    cpus: Option<u16>,
    filled: Option<u64>,
}

fn usage() -> Error {
    let containers: Vec<&str> = CONTAINERS.iter().map(|container| container.0).collect();
    Error::other(format!(
        "usage: synthetic_guest OUT_DIR [--preset NAME] [--container NAME] [--ram SIZE] [--kdbg plain|encoded|absent] \
         [--cpus COUNT] [--filled SIZE]\npresets: {}\ncontainers: {}",
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
    };
    while let Some(option) = words.next() {
        let value = words.next()?;
        match option.as_str() {
            "--preset" => out.preset = value,
            "--container" => out.container = Some(value),
            "--ram" => out.ram = Some(size(&value)?),
            "--kdbg" => out.kdbg = Some(kdbg(&value)?),
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
        .filter(|container| arguments.container.as_deref().is_none_or(|name| name == container.0))
        .collect();
    if chosen.is_empty() {
        return Err(usage());
    }
    let built = build(&config);
    fs::create_dir_all(&arguments.directory)?;
    for (name, write) in chosen {
        write(&built, &arguments.directory)?;
        println!("{name}");
    }
    let truth = serde_json::to_string_pretty(&built.truth).map_err(Error::other)?;
    let path = arguments.directory.join("truth.json");
    fs::write(&path, truth + "\n")?;
    println!("truth: {}", path.display());
    Ok(())
}
