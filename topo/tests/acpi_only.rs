//! Machines known only by their ACPI tables: what the tables give against what the kernel of the
//! same machine said, and pictures of every dump there is.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

use captures::Source;
use topo::diagram::{self, Options};
use topo::model::Machine;
use topo::sysfs::topology::Node;

fn corpus() -> PathBuf {
    std::env::var_os("DELID_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
        PathBuf::from,
    )
}

/// The captures that have both the tables and the kernel's files.
const BOTH: [&str; 3] = [
    "qemu-epyc-genoa-q35-seabios",
    "qemu-sapphirerapids-q35-ovmf",
    "qemu-qemu64-i440fx-seabios",
];

/// The tables of a capture, one behind the other.
fn tables_of(source: &Source) -> Vec<u8> {
    let directory = "/sys/firmware/acpi/tables";
    let names = source.list(directory).into_iter();
    let tables = names.filter_map(|name| source.read(&format!("{directory}/{name}")).ok());
    tables.flat_map(|(bytes, _)| bytes.to_vec()).collect()
}

/// The machine by all sources, and by its tables alone.
fn both(name: &str) -> Option<(Machine, Machine)> {
    let path = corpus().join(format!("bench/{name}.tar.zst"));
    if !path.exists() {
        eprintln!("corpus absent: {name} not run");
        return None;
    }
    let source = Source::open(&[path]).unwrap();
    let bytes = tables_of(&source);
    assert!(!bytes.is_empty(), "{name} has tables");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let alone = topo::open(&Source::open(&[file.path()]).unwrap());
    Some((topo::open(&source), alone))
}

fn shape(node: &Node) -> (u32, String) {
    (node.number.0, node.cpus.to_string())
}

#[test]
fn cpus_nodes_and_distances_by_tables_are_those_of_the_kernel() {
    for name in BOTH {
        let Some((kernel, tables)) = both(name) else { continue };
        assert_eq!(kernel.cpu.cpus.len(), tables.cpu.cpus.len(), "{name}: CPUs");
        let apic = |machine: &Machine| machine.cpu.cpus.iter().map(|cpu| cpu.apic_id).collect::<Vec<_>>();
        assert_eq!(
            apic(&kernel),
            apic(&tables),
            "{name}: APIC ids in the order of the CPUs"
        );
        let nodes = |machine: &Machine| machine.cpu.nodes.iter().map(shape).collect::<Vec<_>>();
        assert_eq!(nodes(&kernel), nodes(&tables), "{name}: nodes");
        if tables.acpi.distances.is_empty() {
            // without a SLIT Linux takes 10 and 20; the tables alone tell nothing
            assert_eq!(kernel.cpu.distances, [[10, 20], [20, 10]], "{name}: distances");
            assert!(tables.cpu.distances.is_empty(), "{name}: distances");
        } else {
            assert_eq!(kernel.cpu.distances, tables.cpu.distances, "{name}: distances");
        }
        assert!(
            !kernel.cpu.packages.is_empty() && tables.cpu.packages.is_empty(),
            "{name}"
        );
        assert_eq!(
            tables.populated_sockets(),
            usize::from(tables.cpu.nodes.len() < 2),
            "{name}"
        );
    }
}

#[test]
fn memory_by_srat_is_a_little_more_than_the_kernel_can_use() {
    for name in BOTH {
        let Some((kernel, tables)) = both(name) else { continue };
        for (used, told) in kernel.cpu.nodes.iter().zip(&tables.cpu.nodes) {
            let (used, told) = (used.memory.unwrap(), told.memory.unwrap());
            assert!(used <= told && used >= told / 10 * 8, "{name}: {used} of {told}");
        }
    }
}

#[test]
fn performance_and_memory_side_caches_by_hmat_are_those_of_the_kernel() {
    for name in BOTH {
        let Some((kernel, tables)) = both(name) else { continue };
        for (seen, told) in kernel.cpu.nodes.iter().zip(&tables.cpu.nodes) {
            assert_eq!(seen.access, told.access, "{name}: node {}", seen.number.0);
            assert_eq!(seen.side_caches, told.side_caches, "{name}: node {}", seen.number.0);
            assert_eq!(seen.local_cpus, told.local_cpus, "{name}: node {}", seen.number.0);
        }
    }
}

#[test]
fn root_buses_and_their_nodes_by_the_namespace_are_those_of_the_kernel() {
    for name in BOTH {
        let Some((kernel, tables)) = both(name) else { continue };
        for index in &kernel.pci.roots {
            let function = &kernel.pci.functions[*index];
            let bdf = function.bdf();
            let bridge = tables.acpi.bridge_of(bdf.domain, bdf.bus);
            let bridge = bridge.unwrap_or_else(|| panic!("{name}: no bridge of the root bus of {bdf}"));
            let seen = function.function.numa_node.and_then(|node| u32::try_from(node).ok());
            assert_eq!(
                bridge.node.map(|node| node.0),
                seen,
                "{name}: {bdf} and {}",
                bridge.path
            );
        }
    }
}

#[test]
fn iommus_have_the_names_and_registers_of_the_kernel() {
    for (name, expected) in BOTH.into_iter().zip([Some("ivhd0"), Some("dmar0"), None]) {
        let Some((kernel, tables)) = both(name) else { continue };
        let names = |machine: &Machine| machine.acpi.iommus.first().map(|unit| (unit.name.clone(), unit.seen));
        assert_eq!(names(&kernel), expected.map(|name| (name.to_owned(), true)), "{name}");
        assert_eq!(names(&tables), expected.map(|name| (name.to_owned(), false)), "{name}");
        let scopes = tables.acpi.iommus.iter().map(|unit| unit.scopes.len()).sum::<usize>();
        assert_eq!(scopes > 0, expected.is_some(), "{name}");
    }
}

#[test]
fn kernel_and_tables_of_one_boot_give_no_finding() {
    for name in BOTH {
        let Some((kernel, _)) = both(name) else { continue };
        let report = topo::findings::judge(&kernel);
        let acpi = report.findings.iter().filter(|finding| finding.id.starts_with("acpi-"));
        assert_eq!(acpi.count(), 0, "{name}");
    }
}

#[test]
fn nodes_of_a_dump_are_those_that_lscpu_printed_on_the_same_machine() {
    let directory = corpus().join("topo/bundles/H8QG6-58E82626C3C5");
    if !directory.exists() {
        eprintln!("corpus absent: 1 case not run");
        return;
    }
    let machine = topo::open(&Source::open(&[directory.join("acpidump.txt.zst")]).unwrap());
    let text = std::fs::read_to_string(directory.join("lscpu.txt")).unwrap();
    let printed: Vec<(u32, String)> = text
        .lines()
        .filter_map(|line| {
            let (name, cpus) = line.split_once(':')?;
            let number = name.strip_prefix("NUMA node")?.split_once(' ')?.0.parse().ok()?;
            Some((number, cpus.trim().to_owned()))
        })
        .collect();
    assert_eq!(printed.len(), 8);
    let layers = ["lscpu.txt", "acpidump.txt.zst"].map(|name| directory.join(name));
    let both = topo::open(&Source::open(&layers).unwrap());
    assert_eq!(both.cpu.distances, machine.cpu.distances, "SLIT for the nodes of lscpu");
    assert_eq!(machine.cpu.nodes.iter().map(shape).collect::<Vec<_>>(), printed);
}

/// Dumps of real servers: CPUs, nodes, host bridges, IOMMUs.
const SERVERS: [(&str, [usize; 4]); 5] = [
    ("E5985CCBA349", [80, 4, 6, 4]),
    ("58E82626C3C5", [64, 8, 2, 0]),
    ("AD9BA0C2F08F", [16, 1, 6, 4]),
    ("4A64A6094FE3", [40, 2, 8, 3]),
    ("CE92DF29C87C", [16, 2, 1, 1]),
];

#[test]
fn servers_have_the_counts_of_their_tables() {
    for (name, counts) in SERVERS {
        let path = corpus().join(format!("acpi/linuxhw/{name}.acpidump.txt.zst"));
        if !path.exists() {
            eprintln!("corpus absent: {name} not run");
            continue;
        }
        let machine = topo::open(&Source::open(&[path]).unwrap());
        let acpi = &machine.acpi;
        let found = [
            machine.cpu.cpus.len(),
            machine.cpu.nodes.len(),
            acpi.host_bridges.len(),
            acpi.iommus.len(),
        ];
        assert_eq!(found, counts, "{name}");
        assert!(machine.pci.functions.is_empty(), "{name}: no function is invented");
    }
}

#[test]
fn sockets_by_module_devices_are_the_domains_of_the_srat() {
    let path = corpus().join("acpi/linuxhw/4A64A6094FE3.acpidump.txt.zst");
    if !path.exists() {
        eprintln!("corpus absent: 1 case not run");
        return;
    }
    let machine = topo::open(&Source::open(&[path]).unwrap());
    let packages: Vec<_> = machine
        .cpu
        .packages
        .iter()
        .map(|group| group.cpus.to_string())
        .collect();
    let nodes: Vec<_> = machine.cpu.nodes.iter().map(|node| node.cpus.to_string()).collect();
    assert_eq!(packages.len(), 2, "two of the four module devices are populated");
    assert_eq!(packages, nodes);
}

#[test]
fn damaged_tables_give_a_machine_and_no_panic() {
    let path = corpus().join("bench/qemu-epyc-genoa-q35-seabios.tar.zst");
    if !path.exists() {
        eprintln!("corpus absent: 80 cases not run");
        return;
    }
    let bytes = tables_of(&Source::open(&[path]).unwrap());
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state).unwrap() % limit
    };
    for _ in 0..80 {
        let mut damaged = bytes.clone();
        for _ in 0..12 {
            let at = random(damaged.len());
            damaged[at] = u8::try_from(random(256)).unwrap();
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), damaged).unwrap();
        if let Ok(source) = Source::open(&[file.path()]) {
            let machine = topo::open(&source);
            let report = topo::findings::judge(&machine);
            assert!(!diagram::svg(&machine, &report, &Options::default()).is_empty());
        }
    }
}

#[test]
fn every_dump_with_cpus_has_a_picture() {
    let folder = corpus().join("acpi/linuxhw");
    let dumps = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut drawn = 0;
    for path in dumps.map(|entry| entry.path()) {
        if !path.to_string_lossy().ends_with(".acpidump.txt.zst") {
            continue;
        }
        let machine = topo::open(&Source::open(&[&path]).unwrap());
        let report = topo::findings::judge(&machine);
        let svg = diagram::svg(&machine, &report, &Options::default());
        assert!(
            machine.acpi.cpus.is_some_and(|count| count.enabled > 0),
            "{}",
            path.display()
        );
        assert!(svg.contains("id=\"socket-0\""), "{}", path.display());
        assert!(!machine.acpi.host_bridges.is_empty(), "{}", path.display());
        drawn += 1;
    }
    if drawn == 0 {
        eprintln!("corpus absent: 25 cases not run");
    }
}

#[test]
fn an_arm_machine_has_packages_and_cores_by_pptt() {
    let folder = corpus().join("acpi/qemu/aarch64/virt");
    if !folder.exists() {
        eprintln!("corpus absent: 1 case not run");
        return;
    }
    let names = [
        "APIC",
        "SRAT.acpihmatvirt",
        "PPTT.acpihmatvirt",
        "HMAT.acpihmatvirt",
        "MCFG",
        "DSDT",
    ];
    let machine = topo::open(&Source::open(&names.map(|name| folder.join(name))).unwrap());
    let counts = [
        machine.cpu.cpus.len(),
        machine.cpu.packages.len(),
        machine.cpu.cores.len(),
        machine.cpu.nodes.len(),
    ];
    assert_eq!(counts, [1, 1, 1, 3]);
    assert_eq!(machine.cpu.architecture.as_deref(), Some("aarch64"));
    assert_eq!(machine.acpi.host_bridges[0].bus, Some(0));
}
