//! Cases of subjects 8 to 19.

use super::tables::fadt;
use super::{Case, aml, case, known, put, table, zeros};
use crate::ids::{ApicId, PciAddress, Segment};
use crate::lint::catalogue::topology as checks;
use crate::lint::{MemoryKind, MemoryRange, Outside};

fn mcfg(windows: &str) -> Vec<u8> {
    table(b"MCFG", 1, &format!("{} {windows}", zeros(8)))
}

fn madt(entries: &str) -> Vec<u8> {
    table(b"APIC", 5, &format!("0000e0fe 01000000 {entries}"))
}

fn srat(entries: &str) -> Vec<u8> {
    table(b"SRAT", 3, &format!("01000000 {} {entries}", zeros(8)))
}

fn slit(cells: &str) -> Vec<u8> {
    table(b"SLIT", 1, &format!("0200000000000000 {cells}"))
}

fn map(ranges: &[(u64, u64, MemoryKind)]) -> Outside {
    let list = ranges.iter().map(|(first, last, kind)| MemoryRange {
        bytes: *first..=*last,
        kind: *kind,
    });
    Outside {
        memory: Some(list.collect()),
        ..Outside::default()
    }
}

fn functions(list: &[(u8, u8, u8)]) -> Outside {
    let all = list.iter().map(|(bus, device, function)| PciAddress {
        segment: Segment(0),
        bus: *bus,
        device: *device,
        function: *function,
    });
    Outside {
        pci: Some(all.collect()),
        ..Outside::default()
    }
}

const CPU: &str = "0008 0100 01000000";

pub(super) fn cases() -> Vec<Case> {
    let mut all = windows();
    all.extend(interrupts());
    all.extend(arm());
    all.extend(memory());
    all.extend(distances());
    all.extend(latencies());
    all.extend(remapping());
    all.extend(amd());
    all
}

fn windows() -> Vec<Case> {
    let good = mcfg("000000e000000000 0000 00 ff 00000000");
    let both = |second: &str| mcfg(&format!("000000e000000000 0000 00 7f 00000000 {second}"));
    let apart = both("000000d000000000 0100 00 7f 00000000");
    let reserved = map(&[
        (0, 0x7fff_ffff, MemoryKind::Usable),
        (0xe000_0000, 0xe7ff_ffff, MemoryKind::Reserved),
        (0xe800_0000, 0xefff_ffff, MemoryKind::Mmio),
    ]);
    let elsewhere = mcfg("000000d000000000 0000 00 ff 00000000");
    let board = |base: u32| {
        let range = [
            &[0x86, 9, 0, 1][..],
            &base.to_le_bytes(),
            &0x1000_0000u32.to_le_bytes(),
            &[0x79, 0],
        ]
        .concat();
        let body = aml::join(&[
            &aml::name(b"_HID", &aml::dword(0x020c_d041)),
            &aml::name(b"_CRS", &aml::buffer(&range)),
        ]);
        aml::dsdt(&aml::system_bus(&aml::device(b"MBRD", &body)))
    };
    let low = mcfg("0000004000000000 0000 00 ff 00000000");
    vec![
        case(checks::MCFG_EMPTY, &[&mcfg("")], &[&good]),
        case(
            checks::MCFG_SIZE,
            &[&mcfg("000000e000000000 0000 00 ff 00000000 0102")],
            &[&good],
        ),
        case(
            checks::MCFG_BASE,
            &[&mcfg("001000e000000000 0000 00 ff 00000000")],
            &[&good],
        ),
        case(
            checks::MCFG_BUSES,
            &[&mcfg("000000e000000000 0000 ff 00 00000000")],
            &[&good],
        ),
        // The same buses twice; then other buses at the same addresses.
        case(
            checks::MCFG_OVERLAP,
            &[&both("000000d000000000 0000 40 ff 00000000")],
            &[&apart],
        ),
        case(
            checks::MCFG_OVERLAP,
            &[&both("000000e000000000 0100 00 7f 00000000")],
            &[&apart],
        ),
        known(checks::MCFG_IN_MEMORY, &[&low], &[&good], &reserved),
        known(
            checks::MCFG_NOT_RESERVED,
            &[&mcfg("000000d000000000 0000 00 ff 00000000")],
            &[&good],
            &reserved,
        ),
        // A motherboard device reserves what the memory map leaves out.
        known(
            checks::MCFG_NOT_RESERVED,
            &[&elsewhere, &board(0xc000_0000)],
            &[&elsewhere, &board(0xd000_0000)],
            &reserved,
        ),
        // The memory map ends inside the window.
        known(
            checks::MCFG_NOT_RESERVED,
            &[&mcfg("000000e800000000 0000 00 ff 00000000")],
            &[&good],
            &reserved,
        ),
    ]
}

fn interrupts() -> Vec<Case> {
    let io = |first: &str, second: &str| madt(&format!("{CPU} 010c {first} 010c {second}"));
    let good = io("0200 0000c0fe 00000000", "0300 0010c0fe 18000000");
    let overridden = |entry: &str| madt(&format!("{CPU} 020a 00 00 02000000 0000 {entry}"));
    let nmi = |entry: &str| madt(&format!("{CPU} {entry}"));
    let present = Outside {
        apic_ids: Some(vec![ApicId(0)]),
        ..Outside::default()
    };
    vec![
        case(
            checks::MADT_IO_APIC_ADDRESS,
            &[&io("0200 00000000 00000000", "0300 0010c0fe 18000000")],
            &[&good],
        ),
        case(
            checks::MADT_IO_APIC_ID_TWICE,
            &[&io("0200 0000c0fe 00000000", "0200 0010c0fe 18000000")],
            &[&good],
        ),
        case(
            checks::MADT_IO_APIC_GSI,
            &[&io("0200 0000c0fe 00000000", "0300 0010c0fe 00000000")],
            &[&good],
        ),
        case(checks::MADT_NO_CPU, &[&madt("0008 0100 00000000")], &[&madt(CPU)]),
        case(checks::MADT_NO_CPU, &[&madt("")], &[&madt("0008 0100 01000000")]),
        // One CPU in an entry of each kind.
        case(
            checks::MADT_APIC_ID_TWICE,
            &[&madt(&format!("{CPU} 0910 0000 00000000 01000000 02000000"))],
            &[&madt(&format!(
                "{CPU} 0910 0000 00010000 01000000 02000000 0008 0500 00000000"
            ))],
        ),
        case(
            checks::MADT_UID_TWICE,
            &[&madt(&format!("{CPU} 0008 0101 01000000"))],
            &[&madt(&format!("{CPU} 0008 0201 01000000 0008 0202 00000000"))],
        ),
        known(
            checks::MADT_CPU_ABSENT,
            &[&madt(&format!("{CPU} 0008 0207 01000000"))],
            &[&madt(&format!("{CPU} 0008 0207 00000000"))],
            &present,
        ),
        case(
            checks::MADT_OVERRIDE,
            &[&overridden("020a 01 09 09000000 0d00")],
            &[&overridden("020a 00 09 09000000 0d00")],
        ),
        case(
            checks::MADT_OVERRIDE,
            &[&overridden("020a 00 10 09000000 0d00")],
            &[&overridden("020a 00 0f 09000000 0d00")],
        ),
        case(
            checks::MADT_OVERRIDE,
            &[&overridden("020a 00 00 09000000 0d00")],
            &[&overridden("020a 00 09 09000000 0d00")],
        ),
        case(
            checks::MADT_INTERRUPT_FLAGS,
            &[&overridden("020a 00 09 09000000 0a00")],
            &[&overridden("020a 00 09 09000000 0f00")],
        ),
        case(
            checks::MADT_INTERRUPT_FLAGS,
            &[&nmi("0406 ff 0200 01")],
            &[&nmi("0406 ff 0500 01")],
        ),
        case(
            checks::MADT_LINT,
            &[&nmi("0406 ff 0500 02")],
            &[&nmi("0406 ff 0500 01")],
        ),
        case(
            checks::MADT_LINT,
            &[&nmi("0a0c 0500 ffffffff 04 000000")],
            &[&nmi("0a0c 0500 ffffffff 00 000000")],
        ),
    ]
}

fn arm() -> Vec<Case> {
    let cpu = |uid: &str, parking: &str, affinity: &str| {
        let rest = zeros(48);
        format!("0b50 0000 {uid} {uid} 01000000 {parking} {rest} {affinity}00000000000000 00000000")
    };
    let two = |parking: &str| {
        let cpus = [cpu("00000000", parking, "00"), cpu("01000000", parking, "01")];
        madt(&cpus.concat())
    };
    let arm = |flags: &str| put(&fadt(), 129, flags);
    let frames = |second: &str| {
        let frame = |id: &str| format!("0d18 0000 {id} 0000102c00000000 00000000 0000 0000");
        madt(&format!("{CPU} {} {}", frame("00000000"), frame(second)))
    };
    let distributor = |base: &str| madt(&format!("{CPU} 0c18 0000 00000000 0000002f00000000 {base} 03 000000"));
    let translators = |second: &str| {
        let its = |id: &str| format!("0f14 0000 {id} 0000202c00000000 00000000");
        madt(&format!("{CPU} {} {}", its("00000000"), its(second)))
    };
    vec![
        case(
            checks::MADT_GIC_FRAME_TWICE,
            &[&frames("00000000")],
            &[&frames("01000000")],
        ),
        case(
            checks::MADT_GIC_FRAME_TWICE,
            &[&translators("00000000")],
            &[&translators("01000000")],
        ),
        case(
            checks::MADT_GICD,
            &[&distributor("20000000")],
            &[&distributor("00000000")],
        ),
        case(
            checks::MADT_PSCI,
            &[&arm("0000"), &two("00000000")],
            &[&arm("0100"), &two("00000000")],
        ),
        case(
            checks::MADT_PSCI,
            &[&arm("0000"), &two("00000000")],
            &[&arm("0000"), &two("01000000")],
        ),
    ]
}

const PLACED: &str = "0010 00 00 01000000 00 000000 00000000";

fn range(domain: &str, base: &str, length: &str, flags: &str) -> String {
    format!("0128 {domain} 0000 {base} {length} 00000000 {flags} {}", zeros(8))
}

fn memory() -> Vec<Case> {
    let two = |base: &str, flags: &str| {
        let first = range("00000000", "0000000000000000", "0000004000000000", "01000000");
        let second = range("01000000", base, "0000004000000000", flags);
        srat(&format!("{PLACED} {first} {second}"))
    };
    let apart = two("0000004000000000", "01000000");
    let cpus = madt(CPU);
    let more = madt(&format!("{CPU} 0008 0201 01000000"));
    let both = format!("{PLACED} 0010 00 01 01000000 00 000000 00000000");
    let empty = |flags: &str| {
        let range = range("00000000", "0000004000000000", "0000000000000000", flags);
        srat(&format!("{PLACED} {range}"))
    };
    let third = range("02000000", "0000008000000000", "0000004000000000", "01000000");
    vec![
        case(checks::SRAT_OVERLAP, &[&two("0000003000000000", "01000000")], &[&apart]),
        // Room for memory that comes later, and a range that is not in use.
        case(
            checks::SRAT_OVERLAP,
            &[&two("0000003000000000", "01000000")],
            &[&two("0000003000000000", "03000000")],
        ),
        case(
            checks::SRAT_OVERLAP,
            &[&two("0000003000000000", "01000000")],
            &[&two("0000003000000000", "00000000")],
        ),
        case(checks::SRAT_RANGE, &[&two("000000f0ffffffff", "01000000")], &[&apart]),
        case(checks::SRAT_EMPTY, &[&empty("01000000")], &[&empty("00000000")]),
        case(
            checks::SRAT_DOMAIN_WITHOUT_SLIT,
            &[&srat(&format!("{PLACED} {third}")), &slit("0a15150a")],
            &[&apart, &slit("0a15150a")],
        ),
        case(
            checks::SRAT_CPU_NOT_IN_MADT,
            &[&cpus, &srat(&both)],
            &[&more, &srat(&both)],
        ),
        case(
            checks::MADT_CPU_NOT_IN_SRAT,
            &[&more, &srat(PLACED)],
            &[&cpus, &srat(PLACED)],
        ),
        // Without any CPU in the SRAT nothing is asked of it.
        case(
            checks::MADT_CPU_NOT_IN_SRAT,
            &[&more, &srat(PLACED)],
            &[&cpus, &srat("")],
        ),
    ]
}

fn distances() -> Vec<Case> {
    let good = slit("0a15150a");
    vec![
        case(checks::SLIT_DIAGONAL, &[&slit("0b15150a")], &[&good]),
        case(checks::SLIT_BELOW_TEN, &[&slit("0a09150a")], &[&good]),
        case(checks::SLIT_ASYMMETRIC, &[&slit("0a151f0a")], &[&good]),
        case(checks::SLIT_SIZE, &[&slit("0a1515")], &[&good]),
        case(checks::SLIT_SIZE, &[&put(&good, 36, "ffffffffffffffff")], &[&good]),
    ]
}

fn latencies() -> Vec<Case> {
    // One initiator, one target, data type and base unit at their places.
    let matrix = |kind: &str, unit: &str, target: &str| {
        let body = format!(
            "00000000 0100 0000 2a000000 00 {kind} 00 00 01000000 01000000 00000000 {unit} 00000000 {target} 6400"
        );
        table(b"HMAT", 2, &body)
    };
    let good = matrix("00", "e803000000000000", "00000000");
    let cache = |attributes: &str| {
        let body = format!("00000000 0200 0000 20000000 00000000 00000000 0000004000000000 {attributes} 0000 0000");
        table(b"HMAT", 2, &body)
    };
    let srat = srat(PLACED);
    vec![
        case(
            checks::HMAT_DATA_TYPE,
            &[&matrix("06", "e803000000000000", "00000000")],
            &[&good],
        ),
        case(
            checks::HMAT_BASE_UNIT,
            &[&matrix("00", "0000000000000000", "00000000")],
            &[&good],
        ),
        case(
            checks::HMAT_DOMAIN,
            &[&srat, &matrix("00", "e803000000000000", "05000000")],
            &[&srat, &good],
        ),
        // Without an SRAT any domain may be.
        case(
            checks::HMAT_DOMAIN,
            &[&srat, &matrix("00", "e803000000000000", "05000000")],
            &[&matrix("00", "e803000000000000", "05000000")],
        ),
        case(checks::HMAT_CACHE, &[&cache("21124000")], &[&cache("11124000")]),
    ]
}

fn remapping() -> Vec<Case> {
    let dmar = |structures: &str| table(b"DMAR", 1, &format!("2d 00 {} {structures}", zeros(10)));
    let unit = |flags: &str, base: &str, scope: &str| {
        let length = if scope.is_empty() { "1000" } else { "1800" };
        format!("0000 {length} {flags} 00 0000 {base} {scope}")
    };
    let device = |kind: &str, path: &str| format!("{kind} 08 0000 00 00 {path}");
    let with = |scope: &str| dmar(&unit("00", "0000d9fe00000000", scope));
    let all = unit("01", "0010d9fe00000000", "");
    let graphics = unit("00", "0000d9fe00000000", &device("01", "0200"));
    let good = dmar(&format!("{graphics} {all}"));
    let region = |base: &str, limit: &str| dmar(&format!("{all} 0100 1800 0000 0000 {base} {limit}"));
    let pages = region("0000007d00000000", "ffffff7d00000000");
    let usable = map(&[
        (0, 0x7cff_ffff, MemoryKind::Usable),
        (0x7d00_0000, 0x7fff_ffff, MemoryKind::Reserved),
    ]);
    vec![
        case(checks::DMAR_UNIT, &[&dmar("")], &[&good]),
        case(
            checks::DMAR_UNIT,
            &[&dmar(&unit("01", "0000000000000000", ""))],
            &[&good],
        ),
        case(
            checks::DMAR_UNIT,
            &[&dmar(&format!("{graphics} {}", unit("01", "0000d9fe00000000", "")))],
            &[&good],
        ),
        case(
            checks::DMAR_INCLUDE_ALL,
            &[&dmar(&format!("{all} {graphics}"))],
            &[&good],
        ),
        case(
            checks::DMAR_RESERVED,
            &[&region("0000007d00000000", "ffffff7c00000000")],
            &[&pages],
        ),
        case(
            checks::DMAR_RESERVED,
            &[&region("0000007d00000000", "0000007e00000000")],
            &[&pages],
        ),
        known(
            checks::DMAR_RESERVED,
            &[&region("0000007c00000000", "ffffff7c00000000")],
            &[&pages],
            &usable,
        ),
        case(
            checks::DMAR_SCOPE,
            &[&with(&device("07", "0200"))],
            &[&with(&device("01", "0200"))],
        ),
        case(
            checks::DMAR_SCOPE,
            &[&with(&device("01", "2000"))],
            &[&with(&device("01", "1f07"))],
        ),
        known(
            checks::DMAR_DEVICE_ABSENT,
            &[&with(&device("01", "0300"))],
            &[&with(&device("01", "0200"))],
            &functions(&[(0, 2, 0)]),
        ),
        // An I/O APIC need not be a function that is seen.
        known(
            checks::DMAR_DEVICE_ABSENT,
            &[&with(&device("01", "0300"))],
            &[&with(&device("03", "1e00"))],
            &functions(&[(0, 2, 0)]),
        ),
    ]
}

fn amd() -> Vec<Case> {
    let ivrs = |revision: u8, kind: &str, entries: &str| {
        let length = 24 + entries.split_whitespace().map(|word| word.len() / 2).sum::<usize>();
        let head = format!("{kind} b0 {length:02x}00 0200 4000 000080fd00000000 0000 0000 00000000");
        table(b"IVRS", revision, &format!("{} {head} {entries}", zeros(12)))
    };
    let good = ivrs(2, "10", "03 0100 00 04 feff 00");
    vec![
        case(
            checks::IVRS_REVISION,
            &[&ivrs(3, "10", "03 0100 00 04 feff 00")],
            &[&good],
        ),
        case(checks::IVRS_TYPE, &[&ivrs(2, "10", "05 0100 00 04 feff 00")], &[&good]),
        case(checks::IVRS_TYPE, &[&ivrs(2, "12", "03 0100 00 04 feff 00")], &[&good]),
        case(
            checks::IVRS_TYPE,
            &[&ivrs(2, "10", "48 0000 00 21 a000 03")],
            &[&ivrs(2, "10", "48 0000 00 21 a000 01")],
        ),
        case(
            checks::IVRS_PADDING,
            &[&ivrs(2, "10", "03 0100 00 04 feff 00 00 000000")],
            &[&good],
        ),
        known(
            checks::IVRS_DEVICE_ABSENT,
            &[&put(&good, 52, "0300")],
            &[&good],
            &functions(&[(0, 0, 2)]),
        ),
    ]
}
