//! What `--from` takes: each layout and dump, packed or not, whole or damaged, friendly or not.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use captures::{DocumentKind, OpenError, ReadError, Source};
use proptest::prelude::*;

const LSPCI: &str = "00:00.0 Host bridge: Maker Bridge (rev 02)\n\tFlags: fast devsel\n\n\
                     00:01.0 VGA compatible controller: Maker Card\n\n";
const DMI: &str = "# dmidecode 3.6\nSMBIOS 3.0 present.\n\nHandle 0x0001, DMI type 1, 27 bytes\n\
                   System Information\n\tManufacturer: Maker\n\n";
const LSCPU: &str = "Architecture:             x86_64\n  CPU op-mode(s):         32-bit, 64-bit\nCPU(s): 2\n";
const CPUINFO: &str = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\n\n";
const ACPIDUMP: &str =
    "MCFG @ 0x0000000000000000\n    0000: 4D 43 46 47 3C 00 00 00 01 00 4D 41 4B 45 52 20  MCFG<...\n\n";
const CPUID: &str = "CPU 0:\n   0x00000000 0x00: eax=0x00000001 ebx=0x756e6547 ecx=0x6c65746e edx=0x49656e69\n";
const AIDA64: &str = "------[ Logical CPU #0 ]------\n\nCPUID 00000000: 00000001-756E6547-6C65746E-49656E69\n\
                      ------[ MSR Registers / Logical CPU #0 ]------\nMSR 0000001B: 0000-0000-FEE0-0900\n";
const HWLOC: &str = "1 0 0 0 0 => 1 756e6547 6c65746e 49656e69\n";

fn texts() -> [(&'static str, DocumentKind); 8] {
    [
        (LSPCI, DocumentKind::Lspci),
        (DMI, DocumentKind::Dmidecode),
        (LSCPU, DocumentKind::Lscpu),
        (CPUINFO, DocumentKind::ProcCpuinfo),
        (ACPIDUMP, DocumentKind::Acpidump),
        (CPUID, DocumentKind::CpuidRaw),
        (AIDA64, DocumentKind::CpuidAida64),
        (HWLOC, DocumentKind::CpuidHwloc),
    ]
}

struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn open(&self, name: &str, bytes: &[u8]) -> Result<Source, OpenError> {
        Source::open(&[self.file(name, bytes)])
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Entries of an archive: a file, or (with `->`) a link.
fn archive(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, text) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        match text.strip_prefix("-> ") {
            Some(target) => {
                header.set_size(0);
                header.set_entry_type(tar::EntryType::Symlink);
                builder.append_link(&mut header, path, target).unwrap();
            }
            None => {
                header.set_size(text.len() as u64);
                builder.append_data(&mut header, path, text.as_bytes()).unwrap();
            }
        }
    }
    builder.into_inner().unwrap()
}

fn machine_at(prefix: &str) -> Vec<(String, String)> {
    let mut entries = vec![
        ("sys/devices/system/cpu/online".to_owned(), "0-11\n".to_owned()),
        (
            "sys/bus/pci/devices/0000:00:01.0".to_owned(),
            "-> ../../../devices/pci0000:00/0000:00:01.0".to_owned(),
        ),
        (
            "sys/devices/pci0000:00/0000:00:01.0/class".to_owned(),
            "0x060400\n".to_owned(),
        ),
        ("proc/cpuinfo".to_owned(), CPUINFO.to_owned()),
    ];
    for cpu in 0..12 {
        entries.push((
            format!("sys/devices/system/cpu/cpu{cpu}/topology/core_id"),
            format!("{cpu}\n"),
        ));
    }
    for (path, _) in &mut entries {
        path.insert_str(0, prefix);
    }
    entries
}

fn machine_archive(prefix: &str) -> Vec<u8> {
    let entries = machine_at(prefix);
    let entries: Vec<(&str, &str)> = entries
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    archive(&entries)
}

fn packings(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(bytes).unwrap();
    let mut xz = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(0)).unwrap();
    xz.write_all(bytes).unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
    vec![
        bytes.to_vec(),
        gzip.finish().unwrap(),
        bzip2.finish().unwrap(),
        xz.finish().unwrap(),
        zstd,
    ]
}

fn assert_is_the_machine(source: &Source) {
    let mut cpus = source.list("/sys/devices/system/cpu");
    assert_eq!(cpus.pop().unwrap(), "online");
    assert_eq!(cpus.len(), 12);
    assert_eq!(cpus[2], "cpu2");
    assert_eq!(cpus[11], "cpu11");
    assert_eq!(
        source.text("/sys/bus/pci/devices/0000:00:01.0/class").unwrap(),
        "0x060400"
    );
    let resolved = source.resolve("/sys/bus/pci/devices/0000:00:01.0");
    assert_eq!(resolved, "/sys/devices/pci0000:00/0000:00:01.0");
    let (_, origin) = source.read("/proc/cpuinfo").unwrap();
    assert!(origin.to_string().ends_with(":/proc/cpuinfo"), "{origin}");
    assert_eq!(source.read("/proc/none").unwrap_err(), ReadError::Absent);
}

#[test]
fn each_dump_is_recognised_in_each_packing() {
    let scratch = Scratch::new();
    for (text, kind) in texts() {
        for bytes in packings(text.as_bytes()) {
            let source = scratch.open("dump", &bytes).unwrap();
            let layer = &source.layers[0];
            let found: Vec<_> = layer.documents.iter().map(|document| document.kind).collect();
            assert_eq!(found, [kind]);
            assert!(layer.notes.is_empty());
            let body = &source.documents(kind).next().unwrap().bytes;
            assert!(body.ends_with(text.as_bytes()));
        }
    }
}

#[test]
fn text_saved_by_windows_programs_is_read() {
    let scratch = Scratch::new();
    let mut bytes = vec![0xff, 0xfe];
    bytes.extend(AIDA64.replace('\n', "\r\n").encode_utf16().flat_map(u16::to_le_bytes));
    let source = scratch.open("aida64.txt", &bytes).unwrap();
    assert_eq!(source.documents(DocumentKind::CpuidAida64).count(), 1);
}

#[test]
fn a_support_file_gives_every_dump_in_it() {
    let scratch = Scratch::new();
    let all: String = texts().iter().map(|(text, _)| *text).collect();
    let source = scratch.open("support.txt", all.as_bytes()).unwrap();
    assert_eq!(source.layers[0].kind, "file with several dumps");
    for (text, kind) in texts() {
        let mut documents = source.documents(kind);
        let document = documents.next().unwrap();
        assert!(document.bytes.ends_with(text.as_bytes()), "{kind:?}");
        assert!(documents.next().is_none(), "{kind:?}");
        assert!(document.origin.to_string().ends_with("support.txt"));
    }
}

#[test]
fn a_root_is_found_in_archives_wherever_it_lies() {
    let scratch = Scratch::new();
    for prefix in ["", "./", "any name/", "a/b/", "gathered/fsroot/", "tree/", "x/tree/"] {
        for bytes in packings(&machine_archive(prefix)) {
            let source = scratch.open("named.badly", &bytes).unwrap();
            assert_is_the_machine(&source);
            assert!(source.layers[0].notes.is_empty(), "{:?}", source.layers[0].notes);
        }
    }
}

#[test]
fn a_root_is_found_in_directories_wherever_it_lies() {
    for prefix in ["", "top/", "fsroot/", "x/tree/"] {
        let scratch = Scratch::new();
        for (path, text) in machine_at(prefix) {
            let place = scratch.path().join(&path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            match text.strip_prefix("-> ") {
                Some(target) => std::os::unix::fs::symlink(target, place).unwrap(),
                None => fs::write(place, text).unwrap(),
            }
        }
        assert_is_the_machine(&Source::open(&[scratch.path()]).unwrap());
    }
}

#[test]
fn a_bare_sys_is_put_where_it_was() {
    let scratch = Scratch::new();
    let bytes = machine_archive("");
    let moved = archive(&[
        ("devices/system/cpu/online", "0\n"),
        (
            "bus/pci/devices/0000:00:01.0",
            "-> ../../../devices/pci0000:00/0000:00:01.0",
        ),
        ("devices/pci0000:00/0000:00:01.0/class", "0x060400\n"),
    ]);
    let source = scratch.open("sys.tar", &moved).unwrap();
    let whole = scratch.open("whole.tar", &bytes).unwrap();
    assert_eq!(source.list("/"), ["sys"]);
    let device = "/sys/bus/pci/devices/0000:00:01.0";
    assert_eq!(source.resolve(device), whole.resolve(device));
    assert_eq!(
        source.text(&format!("{device}/class")),
        whole.text(&format!("{device}/class"))
    );
}

#[test]
fn copied_sys_and_command_output_make_one_machine() {
    let scratch = Scratch::new();
    let source = scratch
        .open(
            "bench",
            &archive(&[
                ("m/tree/sys/devices/system/cpu/online", "0\n"),
                ("m/sysfs/firmware/acpi/tables/APIC", "bytes"),
                ("m/proc_cpuinfo", CPUINFO),
                ("m/cmd/first", LSPCI),
                ("m/cmd/second", DMI),
                ("m/cmd/noise", "nothing known\n"),
            ]),
        )
        .unwrap();
    assert_eq!(source.text("/sys/devices/system/cpu/online").unwrap(), "0");
    assert_eq!(source.text("/sys/firmware/acpi/tables/APIC").unwrap(), "bytes");
    assert_eq!(source.read("/proc/cpuinfo").unwrap().0, CPUINFO.as_bytes());
    assert_eq!(source.list("/sys"), ["devices", "firmware"]);
    assert_eq!(source.list("/proc"), ["cpuinfo"]);
    assert!(source.exists("/proc") && source.exists("/sys/firmware"));
    let lspci = source.documents(DocumentKind::Lspci).next().unwrap();
    assert!(lspci.origin.to_string().ends_with("bench:m/cmd/first"));
    assert_eq!(source.layers[0].documents.len(), 2);
}

#[test]
fn sosreport_commands_are_dumps_beside_the_root() {
    let scratch = Scratch::new();
    let source = scratch
        .open(
            "sos",
            &archive(&[
                ("sosreport-x/proc/cpuinfo", CPUINFO),
                ("sosreport-x/sys/devices/system/cpu/online", "0\n"),
                ("sosreport-x/sos_commands/pci/lspci_-nnvv", LSPCI),
                ("sosreport-x/sos_commands/hardware/dmidecode", DMI),
                ("sosreport-x/sos_commands/processor/lscpu", LSCPU),
            ]),
        )
        .unwrap();
    assert_eq!(source.layers[0].kind, "sosreport");
    for kind in [DocumentKind::Lspci, DocumentKind::Dmidecode, DocumentKind::Lscpu] {
        assert_eq!(source.documents(kind).count(), 1, "{kind:?}");
    }
}

#[test]
fn gathered_cpuid_files_are_joined_by_number() {
    let scratch = Scratch::new();
    for prefix in ["", "top/", "top/cpuid/"] {
        let names: Vec<String> = [10, 2, 0].iter().map(|n| format!("{prefix}pu{n}")).collect();
        let entries: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), HWLOC)).collect();
        let source = scratch.open("cpuid.tar", &archive(&entries)).unwrap();
        let document = source.documents(DocumentKind::CpuidHwloc).next().unwrap();
        let expected = format!("CPU 0:\n{HWLOC}CPU 2:\n{HWLOC}CPU 10:\n{HWLOC}");
        assert_eq!(String::from_utf8_lossy(&document.bytes), expected);
        assert_eq!(source.layers[0].documents.len(), 1);
    }
}

#[test]
fn several_machines_are_listed_and_one_can_be_chosen() {
    let scratch = Scratch::new();
    let bytes = archive(&[
        ("all/one/sys/devices/system/cpu/online", "0-1\n"),
        ("all/two/sys/devices/system/cpu/online", "0-3\n"),
    ]);
    let file = scratch.file("machines.tar", &bytes);
    let error = Source::open(&[&file]).err().unwrap();
    let message = error.to_string();
    assert!(message.contains("machines.tar#all/one, "), "{message}");
    for choice in ["two", "all/two", "/all/two/"] {
        let chosen = format!("{}#{choice}", file.display());
        let source = Source::open(&[chosen]).unwrap();
        assert_eq!(source.text("/sys/devices/system/cpu/online").unwrap(), "0-3");
    }
}

#[test]
fn the_first_layer_that_has_a_file_wins_and_lists_are_joined() {
    let scratch = Scratch::new();
    let first = scratch.file("first", &archive(&[("sys/devices/system/cpu/cpu0/online", "1\n")]));
    let second = scratch.file(
        "second",
        &archive(&[
            ("sys/devices/system/cpu/cpu0/online", "0\n"),
            ("sys/devices/system/cpu/cpu1/online", "1\n"),
        ]),
    );
    let dump = scratch.file("dump", LSPCI.as_bytes());
    let source = Source::open(&[&first, &second, &dump]).unwrap();
    assert_eq!(source.list("/sys/devices/system/cpu"), ["cpu0", "cpu1"]);
    let (bytes, origin) = source.read("/sys/devices/system/cpu/cpu0/online").unwrap();
    assert_eq!((bytes.as_slice(), origin.layer.0), (&b"1\n"[..], 0));
    let (_, origin) = source.read("/sys/devices/system/cpu/cpu1/online").unwrap();
    assert_eq!(origin.layer.0, 1);
    let lspci = source.documents(DocumentKind::Lspci).next().unwrap();
    assert_eq!(lspci.origin.layer.0, 2);
}

#[test]
fn links_of_an_archive_never_leave_it_or_hang() {
    let scratch = Scratch::new();
    let source = scratch
        .open(
            "links",
            &archive(&[
                ("t/sys/devices/system/cpu/online", "0\n"),
                ("t/sys/out", "-> ../../../../../../etc/passwd"),
                ("t/sys/absolute", "-> /sys/devices/system"),
                ("t/sys/self", "-> self"),
                ("t/sys/a", "-> b"),
                ("t/sys/b", "-> a"),
                ("t/sys/deep", "-> deep/deep/deep"),
                ("t/sys/up", "-> .."),
            ]),
        )
        .unwrap();
    for path in ["/sys/out", "/sys/self", "/sys/a", "/sys/deep", "/sys/deep/x/../y"] {
        assert_eq!(source.read(path).unwrap_err(), ReadError::Absent, "{path}");
        assert!(!source.exists(path), "{path}");
        let _ = source.resolve(path);
    }
    assert_eq!(source.text("/sys/absolute/cpu/online").unwrap(), "0");
    assert_eq!(source.text("/sys/up/sys/up/../sys/absolute/cpu/online").unwrap(), "0");
}

#[test]
fn damaged_archives_give_what_came_before_and_say_so() {
    let scratch = Scratch::new();
    let tar = machine_archive("top/");
    for (number, bytes) in packings(&tar).into_iter().enumerate() {
        for cut in (1..bytes.len()).step_by(bytes.len() / 60 + 1) {
            match scratch.open("cut", &bytes[..cut]) {
                Ok(source) => {
                    let whole = source.list("/sys/devices/system/cpu").len() == 13;
                    let noted = !source.layers[0].notes.is_empty();
                    assert!(noted || whole, "packing {number}, cut at {cut}");
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
        for step in 0..60 {
            let mut changed = bytes.clone();
            let at = step * 7919 % changed.len();
            changed[at] ^= 1 << (step % 8);
            let _ = scratch.open("changed", &changed);
        }
    }
}

#[test]
fn errors_name_the_path_and_what_was_expected() {
    let scratch = Scratch::new();
    let missing = Source::open(&["/nonexistent/file"]).err().unwrap().to_string();
    assert!(missing.starts_with("/nonexistent/file: "), "{missing}");
    for (name, bytes) in [("text", &b"nothing known\n"[..]), ("empty", b""), ("zeros", &[0; 999])] {
        let message = scratch.open(name, bytes).err().unwrap().to_string();
        assert!(message.contains("not recognised: expected"), "{message}");
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(Source::open(&[empty.path()]).is_err());
}

#[test]
fn a_capture_without_firmware_tables_says_what_is_missing() {
    let scratch = Scratch::new();
    let source = scratch.open("plain", &machine_archive("")).unwrap();
    let gaps: Vec<String> = source.gaps().into_iter().map(|gap| gap.what).collect();
    assert_eq!(gaps, ["SMBIOS", "ACPI tables", "PCI configuration after byte 64"]);
    let dump = scratch.file("dump", DMI.as_bytes());
    let plain = scratch.path().join("plain");
    let source = Source::open(&[plain, dump]).unwrap();
    assert!(source.gaps().iter().all(|gap| gap.what != "SMBIOS"));
}

#[test]
fn many_texts_are_read_in_order() {
    let scratch = Scratch::new();
    let source = scratch.open("plain", &machine_archive("")).unwrap();
    let paths: Vec<String> = (0..3000)
        .map(|n| format!("/sys/devices/system/cpu/cpu{}/topology/core_id", n % 13))
        .collect();
    let texts = source.texts(&paths);
    assert_eq!(texts.len(), paths.len());
    for (path, text) in paths.iter().zip(texts) {
        assert_eq!(text, source.text(path));
    }
}

#[test]
fn the_root_directory_is_the_live_system() {
    let source = Source::open(&["/"]).unwrap();
    assert!(source.is_live());
    assert!(source.gaps().iter().all(|gap| gap.why != "not captured"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn recognition_of_any_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let scratch = Scratch::new();
        let _ = scratch.open("any", &bytes);
    }

    #[test]
    fn recognition_of_any_lines_never_panics(lines in proptest::collection::vec(
        prop_oneof![
            "[0-9a-f:. ]{0,30}",
            "(CPU|CPUID|Handle 0x|# dmidecode| @ 0x|processor|Architecture:)[ -~]{0,40}",
            "\\PC{0,20}",
        ], 0..30)) {
        let scratch = Scratch::new();
        let _ = scratch.open("lines", lines.join("\n").as_bytes());
    }

    #[test]
    fn any_names_in_an_archive_are_survived(names in proptest::collection::vec("[a./-]{1,20}", 1..8)) {
        let mut bytes = machine_archive("t/");
        bytes.truncate(bytes.len() - 1024);
        for name in &names {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(0);
            header.set_cksum();
            bytes.extend_from_slice(header.as_bytes());
        }
        bytes.extend_from_slice(&[0; 1024]);
        let scratch = Scratch::new();
        let source = scratch.open("names", &bytes).unwrap();
        prop_assert_eq!(source.text("/sys/devices/system/cpu/online").unwrap(), "0-11");
    }
}
