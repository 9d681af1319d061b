//! Damaged containers: whatever is changed, opening ends, and what it gives is whole in itself.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)]

mod synthetic;

use std::sync::Arc;
use std::time::{Duration, Instant};

use kdd::memory::{Gpa, PhysicalMemory};
use kdd::target::{self, Capture, Input, Target as _, registers};
use synthetic::containers as write;
use synthetic::machine::{Cpu, Machine};
use write::vmware::Form;
use write::xen_core::Kind;

/// A few pages and two CPUs: small files, so that changes hit structures.
fn machine() -> Machine {
    let mut machine = Machine {
        top: 0x2_0000,
        ..Machine::default()
    };
    for page in (0..0x6000u64).step_by(4096).chain((0x1_8000..0x2_0000).step_by(4096)) {
        machine
            .pages
            .insert(page, (0..4096).map(|at| (at * 7 + page / 64) as u8).collect());
    }
    machine.cpus = (0..2).map(Cpu::pattern).collect();
    machine
}

/// Numbers from a seed (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// A place in the file; half of them near its beginning, where headers are.
    fn place(&mut self, length: usize) -> usize {
        let end = if self.next() & 1 == 0 {
            length.min(0x800)
        } else {
            length
        };
        self.below(end)
    }
}

/// Numbers that break sums and products.
const HUGE: [u64; 8] = [
    u64::MAX,
    u64::MAX - 0xfff,
    1 << 63,
    i64::MAX as u64,
    u32::MAX as u64,
    1 << 32,
    1 << 40,
    0x7fff_f000,
];

fn change(bytes: &mut Vec<u8>, random: &mut Random) {
    if bytes.is_empty() {
        return;
    }
    let at = random.place(bytes.len());
    match random.below(5) {
        0 => {
            for _ in 0..=random.below(8) {
                let at = random.place(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
        }
        1 => {
            let end = random.below(bytes.len());
            bytes.truncate(end);
        }
        2 => {
            let end = (at + 1 + random.below(64)).min(bytes.len());
            bytes[at..end].fill(0);
        }
        3 => {
            let value = HUGE[random.below(HUGE.len())].to_le_bytes();
            let width = [2, 4, 8][random.below(3)];
            let at = at & !1;
            let end = (at + width).min(bytes.len());
            bytes[at..end].copy_from_slice(&value[..end - at]);
        }
        _ => {
            let end = (at + 1 + random.below(256)).min(bytes.len());
            let piece = bytes[at..end].to_vec();
            let to = random.place(bytes.len());
            bytes.splice(to..to, piece);
        }
    }
}

/// Ranges in order that do not touch; reads that end where the ranges end, or before.
fn check(memory: &dyn PhysicalMemory, random: &mut Random) {
    let runs = memory.runs();
    for pair in runs.windows(2) {
        assert!(pair[0].end().0 < pair[1].start.0, "{pair:x?}");
    }
    let mut buffer = vec![0; 3 * 4096];
    for run in runs.iter().take(64) {
        assert!(run.length > 0);
        let last = Gpa(run.end().0.saturating_sub(4096).max(run.start.0));
        for at in [run.start, last, Gpa(run.start.0.saturating_sub(8)), run.end()] {
            let seen = memory.read(at, &mut buffer);
            let room = runs.iter().find(|run| at.0.wrapping_sub(run.start.0) < run.length);
            let room = room.map_or(0, |run| run.end().0 - at.0);
            assert!(seen as u64 <= room, "{seen} bytes at {at} of {room}");
            if let Some((source, offset, length)) = memory.extent(at) {
                assert!(length > 0 && offset < source.len());
            }
        }
    }
    memory.read(Gpa(random.next()), &mut buffer);
    memory.read(Gpa(u64::MAX - 1), &mut buffer);
}

/// Opens 500 changed copies of a file.
fn survive(name: &str, seed: u64, whole: &[u8], beside: &[(&str, Vec<u8>)]) {
    let mut random = Random(seed);
    let began = Instant::now();
    let mut opened = 0;
    for _ in 0..500 {
        let mut bytes = whole.to_vec();
        for _ in 0..=random.below(3) {
            change(&mut bytes, &mut random);
        }
        let beside = beside
            .iter()
            .map(|(name, bytes)| -> (String, kdd::memory::Source) { ((*name).to_owned(), Arc::new(bytes.clone())) });
        let input = Input {
            name: name.to_owned(),
            bytes: Arc::new(bytes),
            beside: beside.collect(),
            registers: None,
        };
        let Ok(capture) = target::open(&input) else { continue };
        let capture: Capture = capture;
        opened += 1;
        check(capture.memory(), &mut random);
        assert!(capture.damage().len() <= 101 && capture.vcpus().len() <= 4096);
    }
    assert!(opened > 100, "{name}: only {opened} of 500 could be opened");
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "{name}: {:?}",
        began.elapsed()
    );
}

#[test]
fn damaged_elf_cores_end() {
    let machine = machine();
    survive("qemu", 0x51, &write::elf_core::qemu(&machine, false), &[]);
    survive("qemu paging", 0x52, &write::elf_core::qemu(&machine, true), &[]);
    survive("qemu 32", 0x53, &write::elf_core::qemu32(&machine), &[]);
    survive("virtualbox", 0x54, &write::elf_core::virtualbox(&machine, 6), &[]);
}

#[test]
fn damaged_xen_cores_end() {
    let machine = machine();
    survive("hvm", 0x61, &write::xen_core::write(&machine, Kind::Hardware, 2), &[]);
    survive("pv", 0x62, &write::xen_core::write(&machine, Kind::Paravirtual, 0), &[]);
}

#[test]
fn damaged_lime_and_avml_files_end() {
    let machine = machine();
    survive("lime", 0x71, &write::lime::lime(&machine), &[]);
    survive("avml", 0x72, &write::lime::avml(&machine, 0x3000), &[]);
}

#[test]
fn damaged_vmware_files_end() {
    let machine = machine();
    for (seed, magic, inside) in [
        (0x81, 0xbed2_bed2, false),
        (0x82, 0xbed2_bed0, true),
        (0x83, 0xbed3_bed3, true),
    ] {
        let form = Form {
            magic,
            inside,
            blocks: inside,
        };
        let (state, memory) = write::vmware::write(&machine, form);
        survive("vmware state", seed, &state, &[("vmem", memory.clone())]);
        survive("vmware memory", seed, &memory, &[("vmss", state)]);
    }
}

#[test]
fn damaged_kdump_files_end() {
    use write::kdump::{Form, Packing};
    let machine = machine();
    let packings = vec![
        Packing::Zlib,
        Packing::Lzo,
        Packing::Snappy,
        Packing::Zstd,
        Packing::Plain,
    ];
    let form = |wide| Form {
        wide,
        packings: packings.clone(),
        ..Form::default()
    };
    let whole = write::kdump::write(&machine, &form(true));
    survive("kdump", 0xa1, &whole, &[]);
    survive("kdump 32", 0xa2, &write::kdump::write(&machine, &form(false)), &[]);
    survive("flattened", 0xa3, &write::kdump::flattened(&whole, 4096, true), &[]);
    survive(
        "flattened small",
        0xa4,
        &write::kdump::flattened(&whole, 999, false),
        &[],
    );
}

#[test]
fn damaged_saved_xen_guests_end() {
    use write::xl_save::{Around, Form};
    let machine = machine();
    for (seed, around, live) in [
        (0xb1, Around::Xl, false),
        (0xb2, Around::Nothing, true),
        (0xb3, Around::Libxl, true),
    ] {
        let form = Form { cpu: 1032, live };
        survive("xl save", seed, &write::xl_save::write(&machine, around, form), &[]);
    }
    survive("xl save pv", 0xb4, &write::xl_save::paravirtual(&machine), &[]);
}

#[test]
fn damaged_migration_streams_end() {
    use write::qemu_migration::Form;
    let machine = machine();
    let plain = Form {
        blocks: vec![("pc.ram", 0x2_0000)],
        below: 0x10_0000,
        cmos: false,
        ..Form::default()
    };
    let whole = write::qemu_migration::write(&machine, &plain);
    survive("migration", 0xc1, &whole, &[]);
    survive("virsh", 0xc2, &write::qemu_migration::libvirt(&whole, 0), &[]);
    let live = Form {
        live: true,
        ..plain.clone()
    };
    survive("live", 0xc3, &write::qemu_migration::write(&machine, &live), &[]);
    let mapped = Form { mapped: true, ..plain };
    survive("mapped", 0xc4, &write::qemu_migration::write(&machine, &mapped), &[]);
}

#[test]
fn damaged_register_files_end() {
    let machine = machine();
    let text = write::raw::registers(&machine) + &write::raw::model_specific(&machine);
    let mut random = Random(0x91);
    for _ in 0..500 {
        let mut bytes = text.clone().into_bytes();
        for _ in 0..=random.below(4) {
            change(&mut bytes, &mut random);
        }
        let (vcpus, damage) = registers::parse(&String::from_utf8_lossy(&bytes));
        assert!(vcpus.len() <= 4096 && damage.len() <= 4096);
    }
}

#[test]
fn many_headers_over_each_other_are_read_in_time() {
    let count = 100_000u32;
    let mut bytes = write::elf_core::qemu(&machine(), true);
    let table = bytes[192..248].to_vec();
    let start = bytes.len() as u64;
    // Small ranges first, then as many that cover all of them.
    for number in 0..count {
        let mut header = table.clone();
        let small = number < count / 2;
        let (at, length) = if small {
            (u64::from(number) * 0x2000, 0x1000)
        } else {
            (u64::from(number), 1 << 40)
        };
        header[0..4].copy_from_slice(&1u32.to_le_bytes());
        header[8..16].copy_from_slice(&0x400u64.to_le_bytes());
        header[24..32].copy_from_slice(&at.to_le_bytes());
        header[32..40].copy_from_slice(&u64::to_le_bytes(length));
        header[40..48].copy_from_slice(&u64::to_le_bytes(length));
        bytes.extend(header);
    }
    bytes[32..40].copy_from_slice(&start.to_le_bytes());
    bytes[64 + 44..64 + 48].copy_from_slice(&count.to_le_bytes());
    let began = Instant::now();
    let input = Input {
        name: "many".to_owned(),
        bytes: Arc::new(bytes),
        beside: Vec::new(),
        registers: None,
    };
    let capture = target::open(&input).unwrap();
    assert!(!capture.memory().runs().is_empty());
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}
