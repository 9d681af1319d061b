//! The made-up Windows is what it says it is: checked by a walk of its page tables written for this test,
//! which shares no code with the guest's builder or with the library.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod synthetic;

use std::sync::LazyLock;

use synthetic::machine::Machine;
use synthetic::windows::{Architecture, Built, Config, Kdbg, Kind, Truth, build, config::PRESETS};

struct Walk<'a> {
    machine: &'a Machine,
    architecture: Architecture,
    /// Bits inverted in entries that are not valid while bit 4 is clear.
    inverted: u64,
}

impl Walk<'_> {
    fn physical(&self, at: u64, count: u64) -> Option<Vec<u8>> {
        let page = self.machine.pages.get(&(at & !0xfff))?;
        let from = (at & 0xfff) as usize;
        page.get(from..from + count as usize).map(<[u8]>::to_vec)
    }

    fn number(&self, at: u64, count: u64) -> Option<u64> {
        let mut bytes = self.physical(at, count)?;
        bytes.resize(8, 0);
        Some(u64::from_le_bytes(bytes.try_into().expect("8 bytes")))
    }

    /// Physical address by tables in the directory, with what Windows keeps in entries that are not valid.
    fn translate(&self, directory: u64, va: u64) -> Option<u64> {
        const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
        if self.architecture == Architecture::X86 {
            let entry = self.number((directory & !0xfff) + (va >> 22) * 4, 4)?;
            if entry & 1 == 0 {
                return None;
            }
            let entry = self.number((entry & 0xffff_f000) + ((va >> 12) & 0x3ff) * 4, 4)?;
            return self.leaf(directory, entry).map(|page| page | (va & 0xfff));
        }
        let (mut table, levels) = match self.architecture {
            Architecture::X64FiveLevel => (directory & ADDRESS, 5),
            Architecture::X64FourLevel => (directory & ADDRESS, 4),
            _ => (directory & 0xffff_ffe0, 3),
        };
        for level in (0..levels).rev() {
            let shift = 12 + 9 * level;
            let index = (va >> shift) & if levels == 3 && level == 2 { 3 } else { 0x1ff };
            let entry = self.number(table + index * 8, 8)?;
            if level == 0 {
                return self.leaf(directory, entry).map(|page| page | (va & 0xfff));
            }
            if entry & 1 == 0 {
                return None;
            }
            if entry & 0x80 != 0 {
                let inside = (1 << shift) - 1;
                return Some((entry & ADDRESS & !inside) | (va & inside));
            }
            table = entry & ADDRESS;
        }
        None
    }

    fn software(&self, entry: u64) -> u64 {
        if entry & 0x11 == 0 {
            entry ^ self.inverted
        } else {
            entry
        }
    }

    fn leaf(&self, directory: u64, entry: u64) -> Option<u64> {
        const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
        let entry = self.software(entry);
        match entry & 0xc01 {
            valid if valid & 1 != 0 => Some(entry & ADDRESS),
            0x800 => Some(entry & ADDRESS),
            0x400 | 0xc00 => {
                let at = if self.architecture.is_64() {
                    0xffff_0000_0000_0000 | (entry >> 16)
                } else {
                    entry >> 32
                };
                let entry = self.software(self.number(self.translate(directory, at)?, 8)?);
                match entry & 0xc01 {
                    valid if valid & 1 != 0 => Some(entry & ADDRESS),
                    0x800 => Some(entry & ADDRESS),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn read(&self, directory: u64, va: u64, count: u64) -> Option<Vec<u8>> {
        (va..va + count)
            .map(|at| Some(self.physical(self.translate(directory, at)?, 1)?[0]))
            .collect()
    }

    fn pointer(&self, directory: u64, va: u64) -> Option<u64> {
        let width = if self.architecture.is_64() { 8 } else { 4 };
        let mut bytes = self.read(directory, va, width)?;
        bytes.resize(8, 0);
        Some(u64::from_le_bytes(bytes.try_into().expect("8 bytes")))
    }

    /// Records of a list, by the address of their entries.
    fn list(&self, directory: u64, head: u64) -> Vec<u64> {
        let mut out = Vec::new();
        let mut at = self.pointer(directory, head).expect("a list");
        while at != head {
            out.push(at);
            assert!(out.len() < 1000, "the list does not end");
            at = self.pointer(directory, at).expect("an entry");
        }
        out
    }
}

static GUESTS: LazyLock<Vec<(&str, Config, Built)>> = LazyLock::new(|| {
    let guest = |name: &&'static str| {
        let config = Config::preset(name).expect("a preset");
        let built = build(&config);
        (*name, config, built)
    };
    PRESETS.iter().map(guest).collect()
});

fn with_presets(check: impl Fn(&str, &Config, &Built, &Walk)) {
    for (name, config, built) in GUESTS.iter() {
        let walk = Walk {
            machine: &built.machine,
            architecture: config.architecture,
            inverted: built.truth.invalid_pte_mask,
        };
        check(name, config, built, &walk);
    }
}

fn plain_directory(config: &Config, cr3: u64) -> u64 {
    if config.architecture == Architecture::X86Pae {
        cr3 & !0x1f
    } else {
        cr3 & !0xfff
    }
}

#[test]
fn every_known_address_translates_to_its_page_and_bytes() {
    with_presets(|name, _, built, walk| {
        for known in &built.truth.known {
            let place = format!("{name}: {:?} at {:#x}", known.kind, known.va);
            assert_eq!(walk.translate(known.directory, known.va), known.pa, "{place}");
            if !known.bytes.is_empty() {
                let bytes = walk.read(known.directory, known.va, known.bytes.len() as u64);
                assert_eq!(bytes.as_ref(), Some(&known.bytes), "{place}");
            }
            if known.kind == Kind::Absent {
                assert_eq!(walk.read(known.directory, known.va, 1), None, "{place}");
            }
        }
    });
}

#[test]
fn the_kernel_is_in_every_address_space_but_that_of_user_mode() {
    with_presets(|name, config, built, walk| {
        let truth = &built.truth;
        for process in &truth.processes {
            let bytes = walk.read(process.directory, truth.kernel_base, 2);
            assert_eq!(bytes.as_deref(), Some(b"MZ".as_slice()), "{name}: {}", process.name);
        }
        for (cpu, processor) in built.machine.cpus.iter().zip(&truth.processors) {
            let directory = plain_directory(config, cpu.cr3);
            let base = walk.translate(directory, truth.kernel_base);
            assert_eq!(base.is_none(), processor.user, "{name}");
            assert!(
                walk.read(directory, cpu.rip, 1).is_some(),
                "{name}: {:#x} holds code",
                cpu.rip
            );
            assert!(walk.read(directory, cpu.gpr[4], 8).is_some(), "{name}: the stack");
            if config.architecture.is_64() {
                assert!(walk.read(directory, cpu.lstar, 16).is_some(), "{name}: LSTAR");
            }
            assert!(
                walk.read(directory, cpu.idt.0, 16).is_some(),
                "{name}: the interrupt table"
            );
        }
        if let Some(hole) = truth.hole {
            assert_eq!(walk.translate(truth.directory, hole), None, "{name}");
        }
    });
}

fn check_lists(name: &str, truth: &Truth, walk: &Walk, links: u64) {
    let modules = walk.list(truth.directory, truth.loaded_module_list);
    let records: Vec<u64> = truth.modules.iter().map(|module| module.record).collect();
    assert_eq!(modules, records, "{name}");
    for module in &truth.modules {
        let header = walk.read(truth.directory, module.base, 2);
        assert_eq!(header.is_some(), module.resident, "{name}: {}", module.name);
    }
    let processes: Vec<u64> = walk
        .list(truth.directory, truth.active_process_head)
        .iter()
        .map(|at| at - links)
        .collect();
    let records: Vec<u64> = truth.processes.iter().map(|process| process.at).collect();
    assert_eq!(processes, records, "{name}");
}

#[test]
fn the_lists_hold_the_modules_and_processes() {
    with_presets(|name, config, built, walk| {
        let layout = synthetic::windows::layout::of(config.architecture, config.build);
        check_lists(name, &built.truth, walk, layout.eprocess.links);
    });
}

#[test]
fn a_plain_data_block_reads_as_it_is_and_an_encoded_one_decodes_to_it() {
    with_presets(|name, config, built, walk| {
        let truth = &built.truth;
        let Some(at) = truth.kdbg else {
            assert_eq!(config.kdbg, Kdbg::Absent, "{name}");
            assert!(walk.list(truth.directory, truth.data_list).is_empty(), "{name}");
            return;
        };
        let width = if config.architecture.is_64() { 8 } else { 4 };
        assert_eq!(walk.pointer(truth.directory, truth.data_list), Some(at), "{name}");
        let mut bytes = walk
            .read(truth.directory, at, truth.kdbg_bytes.len() as u64)
            .expect("the block");
        if let Kdbg::Encoded {
            wait_never,
            wait_always,
        } = config.kdbg
        {
            bytes = bytes
                .chunks(8)
                .flat_map(|word| {
                    let value = u64::from_le_bytes(word.try_into().expect("whole words"));
                    let turned = (value ^ wait_never).rotate_left((wait_never & 0xff) as u32);
                    ((turned ^ truth.data_block_encoded).swap_bytes() ^ wait_always).to_le_bytes()
                })
                .collect();
        }
        assert_eq!(&bytes[width * 2..], &truth.kdbg_bytes[width * 2..], "{name}");
        assert_eq!(&bytes[0x10..0x14], b"KDBG", "{name}");
    });
}

#[test]
fn ram_is_in_few_runs_and_virtual_neighbours_are_not_physical_ones() {
    with_presets(|name, _, built, walk| {
        let truth = &built.truth;
        assert!(truth.memory_runs.len() <= 42, "{name}: {}", truth.memory_runs.len());
        assert!(
            built.machine.pages.keys().all(|page| *page < built.machine.top),
            "{name}"
        );
        let pool = truth.processes[0].at;
        let near = (0..8)
            .filter_map(|page| {
                let first = walk.translate(truth.directory, (pool & !0xfff) + page * 4096)?;
                Some(first + 4096 == walk.translate(truth.directory, (pool & !0xfff) + (page + 1) * 4096)?)
            })
            .filter(|near| *near)
            .count();
        assert!(near < 4, "{name}");
    });
}

#[test]
fn the_stack_holds_the_return_addresses_of_its_frames() {
    with_presets(|name, config, built, walk| {
        for (cpu, processor) in built.machine.cpus.iter().zip(&built.truth.processors) {
            if processor.user {
                continue;
            }
            let directory = plain_directory(config, cpu.cr3);
            let width = if config.architecture.is_64() { 8 } else { 4 };
            let words: Vec<u64> = (0..0x100)
                .filter_map(|word| walk.pointer(directory, cpu.gpr[4] + word * width))
                .collect();
            let mut at = 0;
            for frame in &processor.frames[1..] {
                at += words[at..]
                    .iter()
                    .position(|word| word == frame)
                    .unwrap_or_else(|| panic!("{name}: {frame:#x} is not on the stack"));
            }
        }
    });
}
