//! A made-up Windows that runs: code in its kernel that counts, and a ROM that brings the CPUs of a PC into the
//! state that the machine describes. The RAM is the raw image.
//!
//! Only what is changed here differs from the guest that stands still: the innermost function of the stacks
//! becomes a loop, which calls a function that counts, which every so often goes on in another that writes a
//! variable.

mod assembler;
mod code;
mod loader;
mod walk;

use std::fs::File;
use std::io::{Result, Seek, SeekFrom, Write};

use super::machine::Machine;
use super::windows::{Built, Config};

/// Where PCs of more than 3.5 GiB (`pc`) end their memory below 4 GiB.
const HOLE: u64 = 0xc000_0000;

/// A guest that runs.
pub struct Runnable {
    /// What a PC starts from, 64 KiB.
    pub rom: Vec<u8>,
    /// Names and addresses of what moves in it.
    pub places: Vec<(String, u64)>,
}

/// Places of a guest that runs, as virtual addresses.
struct Places {
    /// The loop in the innermost function.
    spin: u64,
    /// The function that counts; each CPU is in it at all times.
    count: u64,
    /// The function that is called now and then.
    tick: u64,
    /// What that one writes, once a call.
    variable: u64,
    /// Counters of the CPUs, `code::STRIDE` bytes apart.
    counters: u64,
    /// Where CPUs come into the kernel's page tables.
    gate: u64,
}

/// Puts the code into the guest's kernel and makes the ROM.
///
/// # Errors
/// Says what the guest has that does not run.
pub fn make(built: &mut Built, config: &Config) -> std::result::Result<Runnable, String> {
    if built.truth.processors.iter().any(|processor| processor.user) {
        return Err("a CPU stands in user mode, where nothing was made to run".to_owned());
    }
    if built.machine.cpus.len() > loader::CPUS {
        return Err(format!("more than {} CPUs", loader::CPUS));
    }
    let places = code::write(built, config);
    let rom = loader::rom(built, &places);
    loader::low_memory(built);
    let mut list = vec![
        ("KERNEL_BASE".to_owned(), built.truth.kernel_base),
        ("DIRECTORY".to_owned(), built.truth.directory),
        ("SPIN".to_owned(), places.spin),
        ("COUNT".to_owned(), places.count),
        ("TICK".to_owned(), places.tick),
        ("VARIABLE".to_owned(), places.variable),
    ];
    let in_file = |va| {
        let at = walk::translate(built, va).expect("a page that was written");
        if at >= HOLE { at - ((1 << 32) - HOLE) } else { at }
    };
    list.push(("VARIABLE_IN_RAM".to_owned(), in_file(places.variable)));
    for (name, va) in [
        ("TICK", places.tick),
        ("COUNT", places.count),
        ("SPIN", places.spin),
        ("GATE", places.gate),
    ] {
        list.push((format!("{name}_IN_RAM"), in_file(va)));
    }
    for number in 0..built.machine.cpus.len() as u64 {
        let at = places.counters + number * code::STRIDE;
        list.push((format!("COUNTER_{number}"), at));
        list.push((format!("COUNTER_{number}_IN_RAM"), in_file(at)));
        let cpu = &built.machine.cpus[number as usize];
        list.push((format!("RSP_{number}"), cpu.gpr[4]));
        list.push((format!("CR3_{number}"), cpu.cr3));
        list.push((format!("RBX_{number}"), cpu.gpr[3]));
    }
    Ok(Runnable { rom, places: list })
}

/// Bytes of RAM that the machine has.
pub fn ram(machine: &Machine) -> u64 {
    if machine.top > 1 << 32 {
        machine.top - ((1 << 32) - HOLE)
    } else {
        machine.top
    }
}

/// Writes the RAM: the raw image without the hole below 4 GiB.
pub fn write_ram(machine: &Machine, file: &mut File) -> Result<()> {
    file.set_len(ram(machine))?;
    for (page, bytes) in &machine.pages {
        let at = if *page >= HOLE {
            *page - ((1 << 32) - HOLE)
        } else {
            *page
        };
        if bytes.iter().any(|byte| *byte != 0) {
            file.seek(SeekFrom::Start(at))?;
            file.write_all(bytes)?;
        }
    }
    Ok(())
}

/// Arguments of QEMU that run it, of which only the paths are to be chosen.
pub fn arguments(machine: &Machine, directory: &str) -> Vec<String> {
    // `pc` has its memory below 4 GiB end where the guest has it, `q35` at 2 GiB.
    let kind = if machine.top > 0x8000_0000 { "pc" } else { "q35" };
    let ram = ram(machine);
    let words = format!(
        "-machine {kind},memory-backend=ram0 -accel tcg,thread=multi -cpu max -smp {} -m {}M -object \
         memory-backend-file,id=ram0,size={ram},mem-path={directory}/ram.bin,share=on -bios {directory}/loader.bin \
         -nodefaults -display none -no-reboot",
        machine.cpus.len(),
        ram >> 20
    );
    words.split(' ').map(str::to_owned).collect()
}
