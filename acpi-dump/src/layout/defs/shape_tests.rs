//! Tables of machine shape and of errors, built by hand.

use crate::finding::Decoded;
use crate::layout::{Section, Value, decode};
use crate::table::Table;
use crate::tables::testing::{hex, sdt};

fn read(signature: &[u8; 4], revision: u8, body: &str) -> Decoded<Section> {
    decode(&Table::parse(&sdt(signature, revision, &hex(body))).unwrap())
}

/// The first section with this title.
fn section<'a>(table: &'a Decoded<Section>, title: &str) -> &'a Section {
    table.value.all().find(|section| section.title == title).unwrap()
}

fn words<'a>(section: &'a Section, row: &str) -> &'a str {
    section.row(row).unwrap().words.as_deref().unwrap()
}

/// `count` zero bytes.
fn zeros(count: usize) -> String {
    "00".repeat(count)
}

#[test]
fn fadt_of_acpi_1_ends_behind_its_flags() {
    let fadt = read(b"FACP", 1, &format!("{} a5840000", zeros(76)));
    assert!(fadt.findings.is_empty(), "{:?}", fadt.findings);
    let last = fadt.value.rows.last().unwrap();
    assert_eq!((last.name.as_str(), last.offset), ("Fixed feature flags", 112));
    let set = last.bits.iter().filter(|bit| bit.value == 1);
    assert_eq!(set.map(|bit| bit.first).collect::<Vec<_>>(), [0, 2, 5, 7, 10, 15]);
}

#[test]
fn fadt_that_ends_between_two_revisions_is_a_finding() {
    let fadt = read(b"FACP", 3, &zeros(104));
    assert_eq!((fadt.findings.len(), fadt.findings[0].seen.as_str()), (1, "140 bytes"));
}

#[test]
fn gicc_of_each_revision_has_the_fields_of_its_time() {
    for (length, last) in [
        (40, "Physical base address"),
        (76, "MPIDR"),
        (80, "SPE overflow interrupt"),
        (82, "TRBE interrupt"),
        (88, "IRS ID"),
    ] {
        let body = format!("00000000 00000000 0b {length:02x} {}", zeros(length - 2));
        let madt = read(b"APIC", 5, &body);
        assert!(madt.findings.is_empty(), "{length}: {:?}", madt.findings);
        let gicc = section(&madt, "GIC CPU interface (GICC)");
        assert_eq!(gicc.rows.last().unwrap().name, last);
    }
    let short = read(b"APIC", 5, &format!("00000000 00000000 0b 3c {}", zeros(58)));
    assert_eq!(short.findings.len(), 1);
}

#[test]
fn local_sapic_may_have_its_uid_as_a_string() {
    let madt = read(
        b"APIC",
        5,
        "00000000 00000000 07 13 01 02 03 000000 01000000 05000000 3a4100",
    );
    assert!(madt.findings.is_empty());
    let uid = section(&madt, "Local SAPIC").row("ACPI processor UID string").unwrap();
    assert_eq!(uid.value, Value::Text(":A".to_owned()));
}

#[test]
fn device_handles_of_generic_initiators_are_read_by_their_type() {
    let pci = format!("05 20 00 01 07000000 0100 a503 {} 01000000 00000000", zeros(12));
    let acpi = "06 20 00 00 08000000 4143504930303136 40000000 00000000 03000000 00000000";
    let srat = read(b"SRAT", 3, &format!("01000000 {} {pci} {acpi}", zeros(8)));
    assert!(srat.findings.is_empty(), "{:?}", srat.findings);
    let handles: Vec<&Section> = srat.value.all().filter(|part| part.title == "Device handle").collect();
    assert_eq!(words(handles[0], "PCI BDF"), "03:14.5");
    assert_eq!(
        handles[1].row("ACPI _HID").unwrap().value,
        Value::Text("ACPI0016".to_owned())
    );
}

#[test]
fn hmat_matrix_has_its_entries_in_units() {
    let body = |revision| {
        let fixed = "0100 0000 36000000 00 00 00 00 02000000 01000000 00000000 6400000000000000";
        let hmat = format!("00000000 {fixed} 00000000 05000000 07000000 0300 ffff");
        let hmat = read(b"HMAT", revision, &hmat.replace("36000000", "30000000"));
        assert!(hmat.findings.is_empty(), "{:?}", hmat.findings);
        let row = |domain: &str| words(section(&hmat, domain), "To target[0]").to_owned();
        (row("From initiator domain 0"), row("From initiator domain 5"))
    };
    assert_eq!(body(1), ("300 ns".to_owned(), "not reachable".to_owned()));
    assert_eq!(body(2).0, "300 ps");
}

#[test]
fn hmat_that_promises_too_much_is_a_finding_and_ends() {
    let fixed = "0100 0000 2c000000 00 03 00 00 ffffffff ffffffff 00000000 0100000000000000";
    let hmat = read(b"HMAT", 2, &format!("00000000 {fixed} 00000000 01000000 0700"));
    assert!(hmat.findings.len() >= 2);
    assert!(hmat.value.walk().count() < 40);
}

#[test]
fn device_scopes_have_a_path_of_devices_and_functions() {
    let dmar = read(
        b"DMAR",
        1,
        &format!(
            "26 01 {} 0000 1a00 01 00 0000 0000d9fe00000000 020a 0000 0080 1c04 0001",
            zeros(10)
        ),
    );
    assert!(dmar.findings.is_empty(), "{:?}", dmar.findings);
    let scope = section(&dmar, "PCI sub-hierarchy");
    let path = scope.rows.iter().filter(|row| row.name == "Path");
    let path: Vec<_> = path.filter_map(|row| row.words.clone()).collect();
    assert_eq!(path, ["1c.4", "00.1"]);
    let unit = section(&dmar, "DMA remapping hardware unit definition (DRHD)");
    assert_eq!(unit.row("Flags").unwrap().bits[0].value, 1);
}

#[test]
fn device_entries_are_as_long_as_their_type_says() {
    let named = "f0 a500 40 414d444930303230 0000000000000000 02 05 5c5f53422e";
    let devices = format!("03 0800 00  43 00ff 00 00 a500 00  48 0000 d7 21 a000 01  {named}  04 ffff 00");
    let length = 40 + 4 + 8 + 8 + 27 + 4;
    let head = format!(
        "40 30 {length:02x}00 0200 4000 0000f0fd00000000 0000 0000 {}",
        zeros(20)
    );
    let ivrs = read(b"IVRS", 2, &format!("{} {head} {devices}", zeros(12)));
    assert!(ivrs.findings.is_empty(), "{:?}", ivrs.findings);
    assert_eq!(words(section(&ivrs, "Special device"), "Source device ID"), "00:14.0");
    let named = section(&ivrs, "ACPI HID device");
    assert_eq!(
        named.row("Hardware ID").unwrap().value,
        Value::Text("AMDI0020".to_owned())
    );
    assert_eq!(named.row("Unique ID").unwrap().value, Value::Text("\\_SB.".to_owned()));
    assert_eq!(section(&ivrs, "End of range").offset + 4, 48 + length);
}

#[test]
fn debug_device_is_read_at_its_offsets() {
    let device = "00 2c00 01 0400 2600 0200 2a00 0080 0300 0000 1600 2200";
    let tail = "00200003 0000000900000000 00100000 55415200 abcd";
    let dbg2 = read(b"DBG2", 0, &format!("2c000000 01000000 {device} {tail}"));
    assert!(dbg2.findings.is_empty(), "{:?}", dbg2.findings);
    assert_eq!(words(section(&dbg2, "Debug device"), "Port subtype"), "Arm PL011 UART");
    let register = section(&dbg2, "Base address[0]");
    assert_eq!(
        register.words.as_deref(),
        Some("system memory 0x9000000, 32 bits, dword access")
    );
    let name = section(&dbg2, "Namespace").row("Namespace string").unwrap();
    assert_eq!(name.value, Value::Text("UAR".to_owned()));
    let outside = device.replace("2a00 0080", "ff00 0080");
    let dbg2 = read(b"DBG2", 0, &format!("2c000000 01000000 {outside} {tail}"));
    assert_eq!(dbg2.findings[0].expected, "OEM data inside the table");
}

#[test]
fn machine_check_banks_follow_their_source() {
    let bank = |number: u8| format!("{number:02x} 01 02 00 04040000 ff00000000000000 05040000 06040000 07040000");
    let notification = format!("03 1c 0000 {}", zeros(24));
    let source = format!(
        "0100 0700 0000 01 01 01000000 04000000 {notification} 02 000000 {} {}",
        bank(0),
        bank(9)
    );
    let nmi = "0200 0800 00000000 01000000 01000000 00100000";
    let hest = read(b"HEST", 1, &format!("02000000 {source} {nmi}"));
    assert!(hest.findings.is_empty(), "{:?}", hest.findings);
    let banks = hest.value.all().filter(|part| part.title == "Machine check bank");
    assert_eq!(
        banks.filter_map(|bank| bank.number("Bank number")).collect::<Vec<_>>(),
        [0, 9]
    );
    assert_eq!(words(section(&hest, "Notification"), "Type"), "SCI");
    let fewer = read(b"HEST", 1, &format!("03000000 {source} {nmi}"));
    assert_eq!(fewer.findings[0].expected, "3 error sources");
}

#[test]
fn tpm2_ends_with_or_without_parameters_and_log() {
    let fixed = "0000 0000 4000500000000000 07000000";
    assert!(read(b"TPM2", 3, fixed).findings.is_empty());
    let log = "00000100 0000a47a00000000";
    let table = read(b"TPM2", 4, &format!("{fixed} {} {log}", zeros(12)));
    assert!(table.findings.is_empty());
    assert_eq!(table.value.number("Log area minimum length (LAML)"), Some(65536));
    let mailbox = read(
        b"TPM2",
        5,
        &format!("{} {} {log}", fixed.replace("07000000", "0d000000"), zeros(16)),
    );
    assert!(mailbox.findings.is_empty());
    assert_eq!(mailbox.value.number("Log area start address (LASA)"), Some(0x7aa4_0000));
}

#[test]
fn proximity_information_is_read_where_the_header_says() {
    let domain = "01 16 00000000 07000000 20000000 0000000010000000";
    let msct = read(
        b"MSCT",
        1,
        &format!("3c000000 07000000 00000000 {} 00000000 {domain}", "ff".repeat(8)),
    );
    assert_eq!(msct.findings.len(), 1);
    let msct = read(
        b"MSCT",
        1,
        &format!("38000000 07000000 00000000 {} {domain}", "ff".repeat(8)),
    );
    assert!(msct.findings.is_empty(), "{:?}", msct.findings);
    let domain = section(&msct, "Maximum proximity domain information");
    assert_eq!(domain.number("Maximum processor capacity"), Some(32));
}

#[test]
fn instruction_entries_are_counted() {
    let entry = format!("00 03 01 00 01 10 00 02 b200000000000000 {}", zeros(16));
    let einj = read(b"EINJ", 1, &format!("0c000000 00 000000 01000000 {entry}"));
    assert!(einj.findings.is_empty());
    let instruction = section(&einj, "Injection instruction");
    assert_eq!(words(instruction, "Instruction"), "write register value");
    assert_eq!(
        instruction.sections[0].words.as_deref(),
        Some("system I/O 0xb2, 16 bits, word access")
    );
    let einj = read(b"EINJ", 1, &format!("0c000000 00 000000 02000000 {entry}"));
    assert_eq!(einj.findings[0].expected, "2 instruction entries");
}

#[test]
fn power_nodes_hold_states_and_components() {
    let node = format!("03 00 0100 26000000 {} 02000000 01000000 0000 0101 0700", zeros(16));
    let state = format!("01 06 0000 05000000 32000000 {}", zeros(16));
    let mpst = read(b"MPST", 1, &format!("05 000000 0100 0000 {node} 0100 0000 {state}"));
    assert!(mpst.findings.is_empty(), "{:?}", mpst.findings);
    assert_eq!(
        section(&mpst, "Memory power node").number("Physical component ID[0]"),
        Some(7)
    );
    assert_eq!(
        section(&mpst, "Memory power state characteristics").number("Relative power saving to MPS0 state (%)"),
        Some(50)
    );
}

#[test]
fn interleave_targets_fill_the_window() {
    let window = format!(
        "01 00 2c00 00000000 {} 01 00 0000 05000000 0f00 0000 0c000000 0d000000",
        zeros(16)
    );
    let cedt = read(b"CEDT", 1, &window);
    assert!(cedt.findings.is_empty(), "{:?}", cedt.findings);
    let window = section(&cedt, "CXL fixed memory window structure (CFMWS)");
    assert_eq!(words(window, "Host bridge interleave granularity (HBIG)"), "8 KiB");
    assert_eq!(window.number("Interleave target[1]"), Some(13));
}
