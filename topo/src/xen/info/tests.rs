//! Tests: the lines and tables of `xl info -n`, and what is left of them when they are broken.

use super::*;

/// Two sockets of two cores with two threads; CPU 5 is in no socket, CPU 8 beyond a hole.
const TEXT: &str = "\
host                   : lab1
release                : 6.6.0
machine                : x86_64
nr_cpus                : 8
max_cpu_id             : 15
nr_nodes               : 2
cores_per_socket       : 2
threads_per_core       : 2
cpu_mhz                : 2445.072
hw_caps                : 178bf3ff:f6f8320b:2e500800:244037ff:0000000f:239c27a9:0040069c:00000780
virt_caps              : pv hvm hvm_directio pv_directio hap shadow
total_memory           : 65469
free_memory            : 60211
free_cpus              : 0
cpu_topology           :
cpu:    core    socket     node
  0:       0        0        0
  1:       0        0        0
  2:       1        0        0
  3:       1        0        0
  4:       0        1        1
  5:      -1       -1       -1
  6:       1        1        1
  8:       1        1        1
device topology        :
device           node
0000:01:00.0      0
fffe:81:00.1      1
numa_info              :
node:    memsize    memfree    distances
   0:     34816      31200      10,32
   1:     32768      29011      32,10
xen_major              : 4
xen_minor              : 19
xen_extra              : .1
xen_commandline        : dom0_mem=4096M,max:4096M dom0_max_vcpus=2
xend_config_format     : 4
";

fn seen(decoded: &Decoded<XlInfo>) -> Vec<(Place, &str)> {
    decoded
        .damage
        .iter()
        .map(|damage| (damage.place, damage.seen.as_str()))
        .collect()
}

#[test]
fn all_of_it_is_read() {
    let decoded = parse(TEXT);
    assert_eq!(decoded.damage, []);
    let info = decoded.value;
    assert_eq!(info.host.as_deref(), Some("lab1"));
    assert_eq!(info.architecture.as_deref(), Some("x86_64"));
    assert_eq!(info.version.as_deref(), Some("4.19.1"), "joined from its parts");
    assert_eq!(
        (info.online_cpus, info.max_cpu_id, info.nodes),
        (Some(8), Some(15), Some(2))
    );
    assert_eq!((info.cores_per_socket, info.threads_per_core), (Some(2), Some(2)));
    assert_eq!(info.cpu_khz, Some(2_445_072));
    assert_eq!(info.total_memory, Some(65_469 << 20));
    assert_eq!(info.free_memory, Some(60_211 << 20));
    assert_eq!(info.capabilities.len(), 6);
    assert_eq!(info.cpus.len(), 8);
    assert_eq!(
        info.cpus[6],
        CpuPlace {
            cpu: 6,
            core: Some(1),
            socket: Some(1),
            node: Some(1)
        }
    );
    let functions: Vec<(String, u32)> = info
        .devices
        .iter()
        .map(|(bdf, node)| (bdf.to_string(), *node))
        .collect();
    assert_eq!(
        functions,
        [("0000:01:00.0".to_owned(), 0), ("fffe:81:00.1".to_owned(), 1)]
    );
    assert_eq!(info.numa[1].size, Some(32_768 << 20));
    assert_eq!(info.numa[1].distances, [Some(32), Some(10)]);
}

#[test]
fn places_that_are_not_known_are_none() {
    let info = parse(TEXT).value;
    assert_eq!(
        info.cpus[5],
        CpuPlace {
            cpu: 5,
            ..CpuPlace::default()
        }
    );
    let unknown = parse("cpu_topology :\n 3: N/A 1 -\nnuma_info :\n 1: 512 100 -1,10\n");
    assert_eq!(unknown.damage, []);
    assert_eq!(
        (unknown.value.cpus[0].core, unknown.value.cpus[0].socket),
        (None, Some(1))
    );
    assert_eq!(unknown.value.numa[0].distances, [None, Some(10)]);
}

#[test]
fn without_tables_the_counts_are_left() {
    let short: String = TEXT.lines().take(14).map(|line| format!("{line}\r\n")).collect();
    let decoded = parse(&short);
    assert_eq!(decoded.damage, []);
    assert!(decoded.value.cpus.is_empty() && decoded.value.tells_cpus());
    assert_eq!(decoded.value.free_cpus, Some(0));
}

#[test]
fn a_machine_without_device_nodes_says_so_in_words() {
    let text = "device topology        :\ndevice           node\nNo device topology data available\nnuma_info :\n";
    let decoded = parse(text);
    assert_eq!((decoded.damage, decoded.value.devices), (Vec::new(), Vec::new()));
}

#[test]
fn broken_rows_are_told_with_their_line_and_the_others_read() {
    let text = "cpu_topology :\n  0: 0 0 0\n  1: 0 0\n  99999999999: 0 0 0\n  0: 1 1 1\n 2: 1 0 0\n\
                device topology :\n(XEN) noise\n0000:00:01.0 1\nnuma_info :\n 0: 12\n 1: 5 5 10\nnr_cpus : many\n";
    let decoded = parse(text);
    assert_eq!(
        seen(&decoded),
        [
            (Place::Line(3), "1: 0 0"),
            (Place::Line(4), "99999999999: 0 0 0"),
            (Place::Line(5), "0: 1 1 1"),
            (Place::Line(8), "(XEN) noise"),
            (Place::Line(11), "0: 12"),
            (Place::Line(13), "many"),
        ]
    );
    let info = decoded.value;
    assert_eq!(info.cpus.iter().map(|row| row.cpu).collect::<Vec<_>>(), [0, 2]);
    assert_eq!((info.devices.len(), info.numa.len()), (1, 1));
}

#[test]
fn another_text_is_none() {
    assert_eq!(seen(&parse("hello\nworld: 3\n")), [(Place::Whole, "none")]);
    assert_eq!(seen(&parse("")), [(Place::Whole, "none")]);
}

#[test]
fn damage_is_bounded() {
    let text = format!("cpu_topology :\n{}", "  x y\n".repeat(10)) + &"7 7\n".repeat(100_000);
    assert!(parse(&text).damage.len() <= MOST_DAMAGE);
    let far = format!("numa_info :\n 0: 1 1 {}\n 2000000000: 1 1 10\n", "10,".repeat(100_000));
    let decoded = parse(&far);
    assert!(decoded.value.numa[0].distances.len() <= 1024);
    assert_eq!(decoded.value.numa.len(), 1);
}
