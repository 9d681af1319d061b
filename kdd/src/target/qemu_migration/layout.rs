//! Where the blocks of a stream stand in the guest's physical memory. The stream does not say: the size
//! below 4 GiB is in the CMOS that the machine writes for its firmware, else it follows from the machine
//! type (QEMU's hw/i386/pc.c, pc_piix.c, pc_q35.c, microvm.c).

use super::nodes;
use super::ram::{Block, PAGE};
use crate::target::paged::{Pages, moved};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Names of the blocks that machines give their RAM themselves.
const MAIN: [&str; 3] = ["pc.ram", "microvm.ram", "xen.ram"];

/// Memory as it lies, and what was assumed of it.
pub(super) struct Layout {
    pub(super) pages: Vec<Pages>,
    pub(super) facts: Vec<(String, String)>,
    /// Names of blocks that are the guest's RAM.
    pub(super) main: Vec<String>,
}

/// Places the blocks.
pub(super) fn place(blocks: &[Block], nodes: Option<&[u64]>, cmos: Option<&[u8]>, machine: &str) -> Layout {
    let cmos = cmos.and_then(Sizes::read);
    let (main, order) = choose(blocks, nodes, cmos);
    let total: u64 = main.iter().fold(0, |sum, block| sum.saturating_add(block.length));
    let mut facts = Vec::new();
    let (below, how) = match cmos.filter(|sizes| sizes.fit(total)) {
        Some(sizes) => (sizes.below, "by the machine's CMOS".to_owned()),
        None => (
            rule(machine, total),
            format!("assumed after the machine type {machine:?}"),
        ),
    };
    let below = below.min(total);
    facts.push(("memory below 4 GiB".to_owned(), format!("{below:#x} bytes, {how}")));
    if total > below {
        let above = total.saturating_sub(below);
        facts.push(("memory from 4 GiB on".to_owned(), format!("{above:#x} bytes")));
    }
    let mut pages = Vec::new();
    let mut at = 0u64;
    for block in &main {
        // The part below 4 GiB, and the part above it.
        let low = below.saturating_sub(at).min(block.length);
        pages.extend(moved(&block.pages, 0, low / PAGE, at / PAGE));
        let high = block.length.saturating_sub(low);
        let to = at.saturating_add(low).saturating_sub(below).saturating_add(4 * GIB);
        pages.extend(moved(&block.pages, low / PAGE, high / PAGE, to / PAGE));
        at = at.saturating_add(block.length);
    }
    pages.extend(firmware(blocks, below));
    pages.sort_by_key(|pages| pages.frame);
    let main: Vec<String> = main.iter().map(|block| block.name.clone()).collect();
    let order = if main.len() > 1 {
        format!(" (in this order {order})")
    } else {
        String::new()
    };
    facts.push(("blocks of RAM".to_owned(), main.join(", ") + &order));
    let others = blocks
        .iter()
        .filter(|block| candidate(&block.name) && !main.contains(&block.name));
    for block in others {
        let text = format!(
            "{:#x} bytes; the stream does not say where they lie, they are left out",
            block.length
        );
        facts.push((format!("block {}", block.name), text));
    }
    Layout { pages, facts, main }
}

/// Sizes of RAM as the CMOS holds them.
#[derive(Clone, Copy)]
struct Sizes {
    below: u64,
    above: u64,
}

impl Sizes {
    fn read(cmos: &[u8]) -> Option<Self> {
        let byte = |at: usize| cmos.get(at).copied().map(u64::from);
        // From 16 MiB on in units of 64 KiB; smaller machines from 1 MiB on in units of 1 KiB.
        let large = byte(0x34)? | byte(0x35)? << 8;
        let small = byte(0x30)? | byte(0x31)? << 8;
        let above = byte(0x5b)? | byte(0x5c)? << 8 | byte(0x5d)? << 16;
        let below = if large > 0 {
            large * 64 * 1024 + 16 * MIB
        } else {
            small * 1024 + MIB
        };
        Some(Self {
            below,
            above: above * 64 * 1024,
        })
    }

    /// Whether they are those of a machine with so much RAM: the guest may have written the CMOS.
    fn fit(self, total: u64) -> bool {
        // What lies above is kept in 24 bits.
        let above = total.checked_sub(self.below);
        above.is_some_and(|above| (above & ((1 << 40) - 1)) == self.above) && self.below < 4 * GIB
    }
}

/// Whether a block can be RAM of the guest: no firmware, no memory of a device.
fn candidate(name: &str) -> bool {
    let firmware = ["/rom@", "pc.bios", "pc.rom", "isa-bios", "system.flash"];
    let device = name.split_once('/').is_some_and(|(path, _)| path.contains(':'));
    let ending = [".rom", ".vram", "vgamem", ".vgafb"]
        .iter()
        .any(|ending| name.ends_with(ending));
    !device && !ending && !firmware.iter().any(|start| name.starts_with(start))
}

/// The blocks that are the guest's RAM, in order, and what tells the order.
fn choose<'a>(blocks: &'a [Block], nodes: Option<&[u64]>, cmos: Option<Sizes>) -> (Vec<&'a Block>, &'static str) {
    let by_name = "by their names, which is assumed";
    if let Some(block) = blocks.iter().find(|block| MAIN.contains(&block.name.as_str())) {
        return (vec![block], by_name);
    }
    let mut named: Vec<&Block> = blocks.iter().filter(|block| candidate(&block.name)).collect();
    if let Some(ordered) = nodes.and_then(|nodes| nodes::order(&named, nodes)) {
        return (ordered, "by the ACPI table of the nodes");
    }
    named.sort_by_key(|block| natural(&block.name));
    let fits = |total: u64| cmos.is_some_and(|sizes| sizes.fit(total));
    // One memory of the whole machine, or one of each of its nodes; memory plugged in comes behind.
    if let Some(block) = named.iter().find(|block| fits(block.length)) {
        return (vec![block], by_name);
    }
    let mut sum = 0u64;
    let behind = named.iter().position(|block| {
        let whole = fits(sum);
        sum = sum.saturating_add(block.length);
        whole
    });
    if let Some(behind) = behind.filter(|behind| *behind > 0) {
        named.truncate(behind);
    }
    (named, by_name)
}

/// A name with its numbers as numbers, so that `node10` comes behind `node9`.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = vec![(String::new(), 0u64)];
    let mut digits = false;
    for letter in name.chars() {
        let digit = letter.to_digit(10);
        if digits && digit.is_none() {
            parts.push((String::new(), 0));
        }
        digits = digit.is_some();
        if let Some(last) = parts.last_mut() {
            match digit {
                Some(digit) => last.1 = last.1.saturating_mul(10).saturating_add(digit.into()),
                None => last.0.push(letter),
            }
        }
    }
    parts
}

/// RAM below 4 GiB by the machine type.
fn rule(machine: &str, total: u64) -> u64 {
    let (limit, low) = if machine.contains("q35") {
        (0xb000_0000, 2 * GIB)
    } else if machine.starts_with("pc-1.") || machine.starts_with("pc-0.") || machine.starts_with("pc-i440fx-1.") {
        (0xe000_0000, 0xe000_0000)
    } else if machine.starts_with("microvm") {
        (3 * GIB, 3 * GIB)
    } else {
        (0xe000_0000, 3 * GIB)
    };
    if total >= limit { low } else { total }
}

/// Firmware, which ends at 4 GiB: the first flash, and the second one under it.
fn firmware(blocks: &[Block], below: u64) -> Vec<Pages> {
    let mut end = 4 * GIB;
    let mut pages = Vec::new();
    for name in ["pc.bios", "system.flash0", "system.flash1"] {
        let block = blocks.iter().find(|block| block.name == name);
        let Some(block) = block.filter(|block| end.saturating_sub(block.length) >= below) else {
            continue;
        };
        end = end.saturating_sub(block.length);
        pages.extend(moved(&block.pages, 0, block.length / PAGE, end / PAGE));
    }
    pages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = vec!["ram-node10", "ram-node2", "ram-node0", "a"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["a", "ram-node0", "ram-node2", "ram-node10"]);
    }

    #[test]
    fn memory_is_split_as_the_machine_type_does() {
        let rules = [
            ("pc-q35-10.0", 0xb000_0000, 2 * GIB),
            ("pc-q35-10.0", 0xafff_f000, 0xafff_f000),
            ("pc-i440fx-8.1", 4 * GIB, 3 * GIB),
            ("pc-i440fx-8.1", 0xd000_0000, 0xd000_0000),
            ("pc-1.2", 4 * GIB, 0xe000_0000),
        ];
        for (machine, total, below) in rules {
            assert_eq!(rule(machine, total), below, "{machine} {total:#x}");
        }
    }

    #[test]
    fn firmware_and_memory_of_devices_are_no_ram() {
        for name in [
            "pc.bios",
            "/rom@etc/acpi/tables",
            "0000:00:02.0/vga.vram",
            "vga.vram",
            "system.flash0",
        ] {
            assert!(!candidate(name), "{name}");
        }
        for name in ["pc.ram", "ram0", "/objects/mem0", "ram-node1"] {
            assert!(candidate(name), "{name}");
        }
    }
}
