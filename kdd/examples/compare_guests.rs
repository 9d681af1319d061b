//! Compares two sources of one guest: every page that one of them has, and the registers.
//!
//! ```text
//! compare_guests xen:linux linux.save
//! ```
//!
//! A source is a file or a running guest (`qemu:SOCKET`, `xen:DOMAIN`); a running guest stands still meanwhile.
//! Ends with 1 when something differs, with 2 when a source cannot be opened.
#![allow(clippy::indexing_slicing)]

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use kdd::memory::source::FileSource;
use kdd::memory::{Gpa, Run};
use kdd::target::{self, Input, Target, Vcpu};

const PAGE: usize = 4096;
/// Pages that differ and are named.
const NAMED: u64 = 16;

/// General registers, in the order of the encoding.
const GENERAL: [&str; 16] = [
    "RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15",
];

/// How pages of two sources compare.
#[derive(Debug, Default)]
struct Pages {
    same: u64,
    different: u64,
    only: [u64; 2],
    unread: [u64; 2],
}

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let [first, second] = names.as_slice() else {
        eprintln!("usage: compare_guests SOURCE SOURCE");
        return ExitCode::from(2);
    };
    match compare(first, second) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn open(name: &str) -> Result<Box<dyn Target>, Box<dyn Error>> {
    if !Path::new(name).exists()
        && let Some(guest) = target::live::open(name, &target::live::Options::default())
    {
        return Ok(guest?);
    }
    let file = File::open(name).map_err(|error| format!("{name}: {error}"))?;
    let input = Input {
        name: name.to_owned(),
        bytes: Arc::new(FileSource::new(file)?),
        beside: Vec::new(),
        registers: None,
    };
    Ok(Box::new(target::open(&input)?))
}

fn compare(first: &str, second: &str) -> Result<bool, Box<dyn Error>> {
    let guests = [open(first)?, open(second)?];
    let mut runs: Vec<Vec<Run>> = Vec::new();
    for (guest, name) in guests.iter().zip([first, second]) {
        let start = Instant::now();
        let own = guest.memory().runs().to_vec();
        let bytes: u64 = own.iter().map(|run| run.length).sum();
        let container = guest.container();
        println!("{name}: {}", container.description);
        println!(
            "  {} pages in {} runs, found in {:.3} s",
            bytes / PAGE as u64,
            own.len(),
            start.elapsed().as_secs_f64()
        );
        runs.push(own);
    }
    let start = Instant::now();
    let pages = pages(&guests, &runs);
    println!("{pages:?}, compared in {:.3} s", start.elapsed().as_secs_f64());
    let registers = registers(guests[0].vcpus(), guests[1].vcpus());
    println!("{} vCPUs, {registers} registers differ", guests[0].vcpus().len());
    let whole = pages.different == 0 && pages.only == [0, 0] && pages.unread == [0, 0];
    Ok(whole && registers == 0)
}

/// Walks the pages of both, in order.
fn pages(guests: &[Box<dyn Target>; 2], runs: &[Vec<Run>]) -> Pages {
    let mut lists = runs.iter().map(|runs| numbers(runs));
    let (Some(mut first), Some(mut second)) = (
        lists.next().map(Iterator::peekable),
        lists.next().map(Iterator::peekable),
    ) else {
        return Pages::default();
    };
    let mut found = Pages::default();
    let mut buffers = [[0u8; PAGE]; 2];
    loop {
        let (one, other) = (first.peek().copied(), second.peek().copied());
        let page = match (one, other) {
            (Some(one), Some(other)) => one.min(other),
            (one, other) => match one.or(other) {
                Some(page) => page,
                None => return found,
            },
        };
        let has = [one == Some(page), other == Some(page)];
        if has[0] {
            first.next();
        }
        if has[1] {
            second.next();
        }
        if has != [true, true] {
            found.only[usize::from(has[1])] += 1;
            name("only in one", page, found.only[0] + found.only[1]);
            continue;
        }
        let mut whole = true;
        for (index, (guest, buffer)) in guests.iter().zip(&mut buffers).enumerate() {
            if guest.memory().read(Gpa(page * PAGE as u64), buffer) != PAGE {
                found.unread[index] += 1;
                name("not read", page, found.unread[index]);
                whole = false;
            }
        }
        if !whole {
            continue;
        }
        if buffers[0] == buffers[1] {
            found.same += 1;
        } else {
            found.different += 1;
            name("different", page, found.different);
            if found.different <= NAMED {
                let bytes = (0..PAGE).filter(|at| buffers[0][*at] != buffers[1][*at]);
                let places: Vec<usize> = bytes.collect();
                println!(
                    "    {} bytes from {:#x} to {:#x}",
                    places.len(),
                    places[0],
                    places[places.len() - 1]
                );
            }
        }
    }
}

/// Numbers of the pages of runs.
fn numbers(runs: &[Run]) -> impl Iterator<Item = u64> {
    let page = PAGE as u64;
    runs.iter()
        .flat_map(move |run| run.start.0 / page..run.end().0.div_ceil(page))
}

fn name(what: &str, page: u64, count: u64) {
    if count <= NAMED {
        println!("  {what}: page {:#x}", page * PAGE as u64);
    }
}

/// Counts what differs between the vCPUs, and names it.
fn registers(first: &[Vcpu], second: &[Vcpu]) -> usize {
    let mut count = first.len().abs_diff(second.len());
    for (one, other) in first.iter().zip(second) {
        let names = differing(one, other);
        for name in &names {
            println!("  vCPU {}: {name}", one.number);
        }
        count += names.len();
    }
    count
}

fn differing(one: &Vcpu, other: &Vcpu) -> Vec<String> {
    let mut names = Vec::new();
    let mut check = |name: &str, same: bool| {
        if !same {
            names.push(name.to_owned());
        }
    };
    check("number", one.number == other.number);
    for (index, name) in GENERAL.iter().enumerate() {
        check(
            &format!("general registers ({name})"),
            one.gpr[index] == other.gpr[index],
        );
    }
    check("instruction pointer", one.rip == other.rip);
    check("flags", one.rflags == other.rflags);
    check("segments", one.segments == other.segments);
    check("tables", (one.gdt, one.idt) == (other.gdt, other.idt));
    let control = |vcpu: &Vcpu| (vcpu.cr0, vcpu.cr2, vcpu.cr3, vcpu.cr4, vcpu.cr8, vcpu.xcr0);
    check("control registers", control(one) == control(other));
    check("debug registers", one.dr == other.dr);
    check("floating-point registers", one.fxsave == other.fxsave);
    for register in one.msrs.keys().chain(other.msrs.keys()) {
        if one.msrs.get(register) != other.msrs.get(register) {
            names.push(format!("model-specific register {register:#x}"));
        }
    }
    names.dedup();
    names
}
