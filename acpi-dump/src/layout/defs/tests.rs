//! Tables that no other tool decodes, built by hand.

use crate::finding::Decoded;
use crate::layout::{Section, Value, decode};
use crate::table::Table;
use crate::tables::testing::{hex, sdt};

fn read(signature: &[u8; 4], revision: u8, body: &str) -> Decoded<Section> {
    decode(&Table::parse(&sdt(signature, revision, &hex(body))).unwrap())
}

/// The only section with this title.
fn section<'a>(table: &'a Decoded<Section>, title: &str) -> &'a Section {
    let mut found = table.value.all().filter(|section| section.title == title);
    let section = found.next().unwrap();
    assert!(found.next().is_none(), "{title} is there twice");
    section
}

fn words<'a>(section: &'a Section, row: &str) -> &'a str {
    section.row(row).unwrap().words.as_deref().unwrap()
}

#[test]
fn crat_gives_compute_units_caches_and_links() {
    let cache = format!(
        "02 40 0000 0b000000 10000000 03{} 20000000 01 01 4000 08 00 0100 {}",
        "00".repeat(31),
        "00".repeat(8)
    );
    let link = format!(
        "05 40 0000 01000080 00000000 01000000 0b 03 0000 0a000000 14000000 00c80000 00900100 00100000 {}",
        "00".repeat(24)
    );
    let unit = "00 28 0000 05000000 02000000 10000000 0800 0000 0000 0000 0000 0000 00 00 0000 00 00 00 00 00000000";
    let table = read(b"CRAT", 1, &format!("03000000 0200 000000000000 {unit} {cache} {link}"));
    assert!(table.findings.is_empty(), "{:?}", table.findings);
    assert_eq!(
        section(&table, "Compute unit affinity").number("Number of CPU cores"),
        Some(8)
    );
    assert_eq!(section(&table, "Cache affinity").number("Cache size in KiB"), Some(32));
    let link = section(&table, "I/O link affinity");
    assert_eq!(words(link, "I/O interface type"), "xGMI");
    assert_eq!(link.number("Maximum bandwidth in MB/s"), Some(102_400));
    let set: Vec<&str> = link
        .row("Flags")
        .unwrap()
        .bits
        .iter()
        .filter(|bit| bit.value == 1)
        .map(|bit| bit.name.as_str())
        .collect();
    assert_eq!(set, ["Enabled", "Bidirectional"]);
}

#[test]
fn cdit_without_its_last_row_says_so() {
    let whole = read(b"CDIT", 1, "02000000 0a 10 10 0a");
    assert!(whole.findings.is_empty());
    assert_eq!(section(&whole, "Domain 1").number("Distance[1]"), Some(10));
    let cut = read(b"CDIT", 1, "02000000 0a 10");
    assert_eq!(cut.findings[0].expected, "2 rows of distances");
}

#[test]
fn vfct_images_follow_each_other_up_to_the_empty_header() {
    let head = format!("{} 4c000000 00000000 {}", "00".repeat(16), "00".repeat(16));
    let image = "05000000 00000000 00000000 0210 3412 0000 0000 01000000 02000000 55aa";
    let table = read(b"VFCT", 1, &format!("{head} {image} {}", "00".repeat(28)));
    assert!(table.findings.is_empty(), "{:?}", table.findings);
    let image = section(&table, "VBIOS image");
    assert_eq!(
        (image.number("PCI bus"), image.number("Device ID")),
        (Some(5), Some(0x1234))
    );
    assert_eq!(image.row("Image").unwrap().value, Value::Bytes(vec![0x55, 0xaa]));
    section(&table, "Empty image header");
}

#[test]
fn vfct_image_longer_than_the_table_is_a_finding() {
    let head = format!("{} 4c000000 00000000 {}", "00".repeat(16), "00".repeat(16));
    let image = "05000000 00000000 00000000 0210 3412 0000 0000 01000000 ff000000 55aa";
    let table = read(b"VFCT", 1, &format!("{head} {image}"));
    assert_eq!(table.findings[0].expected, "VBIOS image inside the table");
}

#[test]
fn rtct_with_a_compatibility_entry_is_version_2() {
    let second = read(
        b"RTCT",
        1,
        "1800 0100 00000000 02000000 00000000 02000000 00000000
         2000 0200 07000000 03000000 01000000 0000084000000000 00000800 01000000",
    );
    assert!(second.findings.is_empty());
    assert_eq!(
        section(&second, "Software SRAM").number("Base address"),
        Some(0x4008_0000)
    );
    let first = read(
        b"RTCT",
        1,
        "2000 0100 05000000 02000000 0000084000000000 ff000000 00000400 04000000",
    );
    assert!(first.findings.is_empty());
    assert_eq!(section(&first, "Software SRAM").number("APIC ID[0]"), Some(4));
}

#[test]
fn nhlt_microphone_array_and_formats_are_read() {
    let endpoint = "02 00 8680 20ae 0100 00000000 00 01 00  03000000 00 01 0a";
    let format =
        "feff 0200 80bb0000 00ee0200 0400 1000 1600 1000 03000000 01000000 0000 1000 8000 00aa00389b71  02000000 0102";
    let table = read(
        b"NHLT",
        0,
        &format!("01 4a000000 {endpoint} 01 {format} 00 04000000 deadbeef"),
    );
    assert!(table.findings.is_empty(), "{:?}", table.findings);
    let endpoint = section(&table, "Endpoint");
    assert_eq!(
        (words(endpoint, "Link type"), words(endpoint, "Device type")),
        ("PDM", "PDM")
    );
    let array = section(&table, "Device configuration").row("Array type").unwrap();
    assert_eq!(array.bits[0].words.as_deref(), Some("two, linear, small"));
    let format = section(&table, "Format");
    assert_eq!(format.number("Samples per second"), Some(48_000));
    assert_eq!(words(format, "Subformat"), "PCM");
}

#[test]
fn ibft_structures_are_found_by_the_control_structure() {
    // Control at 0x30, initiator at 0x50, its name at 0xa0.
    let control = "01 01 1200 00 00 0000 5000 0000 0000 0000 0000";
    let address = "00000000 00000000 0000ffff c0000201";
    let none = "00".repeat(16);
    let initiator = format!("02 01 4a00 00 03 {none} {none} {address} {none} 0300 a000");
    let body = format!(
        "{} {control} {} {initiator} {} 69716e 00",
        "00".repeat(12),
        "00".repeat(14),
        "00".repeat(6)
    );
    let table = read(b"IBFT", 1, &body);
    assert!(table.findings.is_empty(), "{:?}", table.findings);
    let initiator = section(&table, "Initiator");
    assert_eq!(words(initiator, "Primary RADIUS server"), "192.0.2.1");
    assert_eq!(words(initiator, "SLP server"), "none");
    let name = section(&table, "Initiator name").row("Text").unwrap();
    assert_eq!(name.value, Value::Text("iqn".to_owned()));
}

#[test]
fn nbft_texts_stand_beside_the_offsets_that_point_to_them() {
    let zeros = |count| "00".repeat(count);
    let header = format!("40010000 96000000 00000000 0000 00 {}", zeros(13));
    let control = format!(
        "01 01 00 00 4000 01 00  80000000 2000 01 00  a0000000 2000 01 01  c0000000 8000 01 01 {}",
        zeros(32)
    );
    let host = format!("02 0f {} d0010000 0600 {}", "42".repeat(16), zeros(8));
    let interface = format!("03 01 01 03 {} 40010000 8000 {}", zeros(12), zeros(10));
    let namespace = format!(
        "04 0100 8100 03 0000 00 00 c0010000 1000 00000000 0000 0000 07000000 03 {} 00 01 00 {} d0010000 0600 {} {}",
        "11".repeat(16),
        zeros(6),
        zeros(6),
        zeros(62)
    );
    let transport = format!(
        "07 01 03 01 0100 03 006a0000 020000000001 0000 03 {} {}",
        zeros(16),
        zeros(92)
    );
    let address = format!("{} ffff c0000207", zeros(10));
    let body = [
        header,
        control,
        host,
        interface,
        namespace,
        transport,
        address,
        "6e716e2e7800".to_owned(),
    ]
    .concat();
    let table = read(b"NBFT", 1, &body);
    assert!(table.findings.is_empty(), "{:?}", table.findings);
    let namespace = section(&table, "Subsystem namespace");
    assert_eq!(words(namespace, "Transport address offset"), "192.0.2.7");
    assert_eq!(words(namespace, "Subsystem NQN offset"), "nqn.x");
    assert_eq!(words(section(&table, "Host"), "Host NQN offset"), "nqn.x");
    let function = section(&table, "Transport information").row("PCI routing ID").unwrap();
    assert_eq!(function.bits[2].value, 0x6a);
}

#[test]
fn misc_entry_longer_than_the_table_is_a_finding() {
    let entry = format!("{} 20000000 01000000 41424344 01020304", "11".repeat(16));
    let table = read(b"MISC", 1, &format!("{entry} {entry}"));
    assert!(table.findings.is_empty());
    let cut = read(
        b"MISC",
        1,
        &format!("{entry} {} 20000000 01000000 41424344", "22".repeat(16)),
    );
    assert_eq!(cut.findings[0].seen, "length 32");
    assert_eq!(cut.value.sections.len(), 3);
}

#[test]
fn keyp_names_the_root_ports() {
    let table = read(
        b"KEYP",
        1,
        "00000000  00 00 1800 01 01 02 01 0000000010000000  0000 05 08 0100 06 11",
    );
    assert!(table.findings.is_empty(), "{:?}", table.findings);
    let ports: Vec<&Section> = table
        .value
        .all()
        .filter(|section| section.title == "Root port")
        .collect();
    assert_eq!(ports.len(), 2);
    let bits = &ports[1].row("Device and function").unwrap().bits;
    assert_eq!((bits[0].value, bits[1].value), (1, 2));
}

#[test]
fn pmtt_of_revision_1_has_no_counts() {
    let dimm = "02 00 1400 0200 0000 0100 0000 00200000 11000000";
    let controller = format!(
        "01 00 3800 0100 0000 {} 0000 0100 05000000 {dimm}",
        "0a000000".repeat(5)
    );
    let socket = format!("00 00 4400 0300 0000 0100 0000 {controller}");
    let table = read(b"PMTT", 1, &format!("00000000 {socket}"));
    assert!(table.findings.is_empty(), "{:?}", table.findings);
    assert_eq!(
        section(&table, "Memory controller").number("Proximity domain[0]"),
        Some(5)
    );
    assert_eq!(section(&table, "DIMM").number("Size in MB"), Some(8192));
}

#[test]
fn generic_timer_table_of_revision_2_has_a_platform_timer_where_later_ones_have_el2() {
    let fields = format!("{} 01000000 60000000", "00".repeat(52));
    let watchdog = "01 1c00 00 0000102a00000000 0000112a00000000 5b000000 05000000";
    let table = read(b"GTDT", 2, &format!("{fields} {watchdog}"));
    assert!(table.findings.is_empty(), "{:?}", table.findings);
    assert_eq!(
        section(&table, "Generic watchdog").number("Watchdog timer GSIV"),
        Some(91)
    );
    assert!(table.value.row("Virtual EL2 timer GSIV").is_none());
}

#[test]
fn iort_mapping_outside_its_node_is_a_finding() {
    let head = "01000000 30000000 00000000";
    let node = "02 2400 01 00000000 02000000 24000000 01000000 00 0000 03 00000000 00000000 40000000";
    let table = read(b"IORT", 5, &format!("{head} {node}"));
    assert_eq!(table.findings[0].expected, "2 of ID mapping");
}

#[test]
fn reset_reason_is_read_inside_a_health_record() {
    let body = "0100 2500 01 0000 02 e24c017a 63f2 774b b88a e6336b782c14 1c000000 1f 02 00 23 0000 ";
    let record = read(b"PHAT", 1, &body.replace("2500", "2200"));
    assert!(record.findings.is_empty(), "{:?}", record.findings);
    assert_eq!(words(section(&record, "Reset reason"), "Reason"), "thermal");
    assert_eq!(words(&record.value.sections[1], "Device signature"), "reset reason");
}

#[test]
fn oem_table_has_its_bytes_and_the_text_in_them() {
    let table = read(b"OEMQ", 1, "00 01 426f617264526576 00");
    assert_eq!(table.value.title, "OEM Specific Information Table");
    let text = &section(&table, "Text in the contents").rows[0];
    assert_eq!((text.offset, &text.value), (38, &Value::Text("BoardRev".to_owned())));
}
