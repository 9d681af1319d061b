//! Containers of a made-up Windows as files.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::containers::{elf_core, kdump, lime, qemu_migration, raw, vmware, windows_dump, xen_core, xl_save};
use super::windows::Built;
use super::windows::files::{dump_header, write_dump_file, write_raw_file};

/// A container of a guest.
pub struct Container {
    pub name: &'static str,
    /// The file to open.
    pub file: &'static str,
    /// Writes it, and what belongs to it, in a directory.
    pub write: fn(&Built, &Path) -> io::Result<()>,
}

const fn row(name: &'static str, file: &'static str, write: fn(&Built, &Path) -> io::Result<()>) -> Container {
    Container { name, file, write }
}

pub const CONTAINERS: &[Container] = &[
    row("raw", "guest.raw", |built, to| {
        write_raw_file(&built.machine, &mut File::create(to.join("guest.raw"))?)?;
        if is_64(built) {
            fs::write(to.join("registers.txt"), raw::registers(&built.machine))?;
            fs::write(to.join("msrs.txt"), raw::model_specific(&built.machine))?;
        }
        Ok(())
    }),
    row("dump", "guest.dmp", |built, to| {
        let mut file = File::create(to.join("guest.dmp"))?;
        write_dump_file(&built.machine, &built.truth, &mut file)
    }),
    row("bitmap-dump", "guest.bitmap.dmp", |built, to| {
        let form = windows_dump::Form::Bitmap;
        let mut bytes = windows_dump::write(&built.machine, is_64(built), form);
        let header = dump_header(&built.machine, &built.truth, form as u32);
        bytes[..header.len()].copy_from_slice(&header);
        fs::write(to.join("guest.bitmap.dmp"), bytes)
    }),
    row("elf", "guest.elf", |built, to| {
        if !is_64(built) {
            return fs::write(to.join("guest.elf"), elf_core::qemu32(&built.machine));
        }
        let mut bytes = elf_core::qemu(&built.machine, false);
        guest_note(built, &mut bytes);
        fs::write(to.join("guest.elf"), bytes)
    }),
    row("virtualbox", "guest.vbox.elf", |built, to| {
        fs::write(to.join("guest.vbox.elf"), elf_core::virtualbox(&built.machine, 6))
    }),
    row("xen-core", "guest.xencore", |built, to| {
        let bytes = xen_core::write(&built.machine, xen_core::Kind::Hardware, 0);
        fs::write(to.join("guest.xencore"), bytes)
    }),
    row("lime", "guest.lime", |built, to| {
        fs::write(to.join("guest.lime"), lime::lime(&built.machine))
    }),
    row("avml", "guest.avml", |built, to| {
        fs::write(to.join("guest.avml"), lime::avml(&built.machine, 1 << 20))
    }),
    row("vmware", "guest.vmss", |built, to| {
        let form = vmware::Form {
            magic: 0xbed3_bed3,
            inside: false,
            blocks: true,
        };
        let (state, memory) = vmware::write(&built.machine, form);
        fs::write(to.join("guest.vmss"), state)?;
        fs::write(to.join("guest.vmem"), memory)
    }),
    row("kdump", "guest.kdump", |built, to| {
        fs::write(to.join("guest.kdump"), packed(built))
    }),
    row("kdump-flattened", "guest.flat", |built, to| {
        fs::write(to.join("guest.flat"), kdump::flattened(&packed(built), 0x3_0000, true))
    }),
    row("xl-save", "guest.xlsave", |built, to| {
        let form = xl_save::Form { cpu: 1032, live: true };
        fs::write(
            to.join("guest.xlsave"),
            xl_save::write(&built.machine, xl_save::Around::Xl, form),
        )
    }),
    row("migration", "guest.sav", |built, to| {
        migration(built, &to.join("guest.sav"), false)
    }),
    row("migration-mapped", "guest.mf", |built, to| {
        migration(built, &to.join("guest.mf"), true)
    }),
];

/// Pages of all packings, in turn.
fn packed(built: &Built) -> Vec<u8> {
    use kdump::Packing::{Lzo, Plain, Snappy, Zlib, Zstd};
    let form = kdump::Form {
        packings: vec![Plain, Zlib, Lzo, Snappy, Zstd],
        ..kdump::Form::default()
    };
    let mut bytes = kdump::write(&built.machine, &form);
    guest_note(built, &mut bytes);
    bytes
}

fn migration(built: &Built, path: &Path, mapped: bool) -> io::Result<()> {
    let top = built.machine.top;
    if top > 0x8000_0000 {
        eprintln!("{}: not written, RAM on both sides of the PCI hole", path.display());
        return Ok(());
    }
    let form = qemu_migration::Form {
        blocks: vec![("pc.ram", top)],
        below: top,
        mapped,
        ..qemu_migration::Form::default()
    };
    fs::write(path, qemu_migration::write(&built.machine, &form))
}

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
