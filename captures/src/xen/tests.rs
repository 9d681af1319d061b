//! A Xen made up: what the hypercalls answer, and what is made of it.

use std::sync::Mutex;

use rustix::io::Errno;

use super::call::{Call, Hypercall, Hypercalls};
use super::sysctl::{Device, Sysctl};
use super::{Presence, Xen, XenError, platform, policy, presence, xl_info};
use crate::document::DocumentKind;
use crate::tree::{ReadError, Tree};

/// Version of the sysctl interface that the made-up Xen takes.
const VERSION: u32 = 0x14;

/// Answers of a host with two nodes and three CPUs, one of them offline.
#[derive(Default)]
struct Fake {
    /// Counts that are said and not meant.
    lies: Option<u32>,
    /// The answer to a microcode file.
    update: Option<Errno>,
    /// `XENPF_microcode_update2` is there.
    newer: bool,
    /// What was handed over, and with which command.
    blobs: Mutex<Vec<(u32, u32, Vec<u8>)>>,
    /// The sysctl interface version, where it is another.
    version: Option<u32>,
}

fn put(call: &mut Call, at: usize, value: u32) {
    call.structure[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn put_u64(call: &mut Call, at: usize, value: u64) {
    call.structure[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// As much as the buffer takes, which is all that Xen ever writes.
fn fill(call: &mut Call, buffer: usize, words: &[u32]) {
    let Some(buffer) = call.buffers.get_mut(buffer) else {
        return;
    };
    let bytes = words.iter().flat_map(|word| word.to_le_bytes());
    buffer.bytes.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
}

impl Fake {
    fn count(&self, number: u32) -> u32 {
        self.lies.unwrap_or(number)
    }

    fn sysctl(&self, call: &mut Call) -> Result<u32, Errno> {
        if call.u32(4) != self.version.unwrap_or(VERSION) {
            return Err(Errno::ACCESS);
        }
        let asked = call.u32(8);
        match call.u32(0) {
            3 => {
                for (number, value) in [1, 3, 2, 2, 2, 1, 2_600_005, 0b11_0000_1011].into_iter().enumerate() {
                    put(call, 8 + 4 * number, value);
                }
                let pages = if call.u32(4) < 0x15 { 40 } else { 48 };
                for (number, value) in [1_048_576, 262_144, 0, 256].into_iter().enumerate() {
                    put_u64(call, pages + 8 * number, value);
                }
                for word in 0..8 {
                    put(call, pages + 40 + 4 * word, 0x1111_1111 * word as u32);
                }
            }
            4 => put(call, 8, 6),
            16 => {
                fill(call, 0, &[0, 0, 0, u32::MAX, u32::MAX, u32::MAX, 0, 1, 1]);
                put(call, 8, self.count(3));
            }
            17 => {
                fill(call, 0, &[3 << 28, 0, 1 << 28, 0, 1 << 28, 0, 0, 0]);
                fill(call, 1, &[10, 21, 21, 10]);
                put(call, 8, self.count(2));
            }
            18 => fill(call, 0, &[0b100]),
            22 => {
                // one at a time, as a busy Xen does
                let device = call.answer(0)[3];
                fill(
                    call,
                    1,
                    &[if device == 0xfa {
                        u32::MAX - 1
                    } else {
                        u32::from(device >> 3)
                    }],
                );
                put(call, 8, self.lies.unwrap_or(asked.min(1)));
            }
            29 if call.buffers.is_empty() => {
                put(call, 12, self.count(4));
                put(call, 16, self.count(1));
            }
            29 if asked == 2 => return Err(Errno::OPNOTSUPP),
            29 => self.policy(call, [12, 16]),
            _ => return Err(Errno::NOSYS),
        }
        Ok(0)
    }

    fn policy(&self, call: &mut Call, [leaves, msrs]: [usize; 2]) {
        fill(call, 0, &[0, u32::MAX, 1, 2, 3, 4, 7, 0, 0, 0, 0, 0]);
        fill(call, 1, &[0x10a, 0, 5, 6]);
        put(call, leaves, self.count(2));
        put(call, msrs, self.count(1));
    }

    fn platform(&self, call: &mut Call) -> Result<u32, Errno> {
        assert_eq!(call.u32(4), 0x0300_0001);
        let cpu = call.u32(8);
        match call.u32(0) {
            48 => {
                put(call, 12, self.count(2));
                call.structure[16..28].copy_from_slice(b"GenuineIntel");
                for (number, value) in [6, 0x55, 4].into_iter().enumerate() {
                    put(call, 28 + 4 * number, value);
                }
            }
            65 if cpu == 1 || cpu > 2 => return Err(Errno::NOENT),
            65 => {
                for (number, value) in [0x50654, 0x80, 0x200_6e05 + cpu].into_iter().enumerate() {
                    put(call, 12 + 4 * number, value);
                }
            }
            66 if !self.newer => return Err(Errno::NOSYS),
            command => {
                let (flags, length) = match command {
                    66 => (call.u32(8), call.u32(12)),
                    _ => (0, call.u32(16)),
                };
                assert_eq!(call.answer(0).len(), length as usize);
                self.blobs
                    .lock()
                    .unwrap()
                    .push((command, flags, call.answer(0).to_vec()));
                return self.update.map_or(Ok(0), Err);
            }
        }
        Ok(0)
    }

    fn version(&self, call: &mut Call) -> Result<u32, Errno> {
        let command = call.command.unwrap();
        let text: &[u8] = match command {
            0 => return Ok(4 << 16 | 20),
            7 => return Ok(4096),
            5 => &[0, 0, 0, 0, 0, 0x80, 0xff, 0xff],
            1 => b".4-pre\0\0\0\0\0\0\0\0\0\0",
            2 => {
                for (at, text) in [(0, "cc"), (64, "me"), (80, "here"), (112, "today")] {
                    call.structure[at..at + text.len()].copy_from_slice(text.as_bytes());
                }
                return Ok(0);
            }
            10 => &[0xab, 0x01],
            14 => b"a=b\nc",
            _ => return Err(Errno::NOSYS),
        };
        let variable = command >= 10;
        if call.structure.is_empty() {
            return Ok(self.count(u32::try_from(text.len()).unwrap()));
        }
        let at = if variable { 4 } else { 0 };
        let room = &mut call.structure[at..];
        room.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
        Ok(if variable { self.count(text.len() as u32) } else { 0 })
    }
}

impl Hypercalls for Fake {
    fn make(&self, call: &mut Call) -> Result<u32, Errno> {
        match call.hypercall {
            Hypercall::Sysctl => self.sysctl(call),
            Hypercall::Platform => self.platform(call),
            Hypercall::Version => self.version(call),
            Hypercall::Memory => Err(Errno::NOSYS),
            Hypercall::Domctl if call.u32(4) != 0x16 => Err(Errno::ACCESS),
            Hypercall::Domctl if call.structure[8] != 3 => Err(Errno::SRCH),
            Hypercall::Domctl => {
                self.policy(call, [16, 20]);
                Ok(0)
            }
        }
    }
}

fn dom0() -> xl_info::Dom0 {
    xl_info::Dom0 {
        kernel: ["box", "6.12", "#1 SMP", "x86_64"].map(str::to_owned),
        devices: ["0000:00:00.0", "0001:3a:0f.1", "0000:00:1f.2"]
            .iter()
            .filter_map(|name| Device::read(name))
            .collect(),
    }
}

fn info(fake: &Fake) -> Result<String, Errno> {
    xl_info::text(fake, &Sysctl::probe(fake)?, &dom0())
}

#[test]
fn xl_info_is_made_of_what_the_hypercalls_tell() {
    let expected = "\
host                   : box
release                : 6.12
version                : #1 SMP
machine                : x86_64
nr_cpus                : 2
max_cpu_id             : 2
nr_nodes               : 2
cores_per_socket       : 3
threads_per_core       : 1
cpu_mhz                : 2600.005
hw_caps                : 00000000:11111111:22222222:33333333:44444444:55555555:66666666:77777777
virt_caps              : pv hvm hap gnttab-v1 gnttab-v2
total_memory           : 4096
free_memory            : 1023
sharing_freed_memory   : 0
sharing_used_memory    : 0
outstanding_claims     : 1
free_cpus              : 1
cpu_topology           :
cpu:    core    socket     node
  0:       0        0        0
  2:       0        1        1
device topology        :
device           node
0000:00:00.0      0
0001:3a:0f.1      15
numa_info              :
node:    memsize    memfree    distances
   0:       768        256      10,21
   1:       256          0      21,10
xen_major              : 4
xen_minor              : 20
xen_extra              : .4-pre
xen_version            : 4.20.4-pre
xen_caps               : 
xen_scheduler          : credit2
xen_pagesize           : 4096
platform_params        : virt_start=0xffff800000000000
xen_changeset          : 
xen_commandline        : a=b c
cc_compiler            : cc
cc_compile_by          : me
cc_compile_domain      : here
cc_compile_date        : today
build_id               : ab01
xend_config_format     : 4
";
    let text = info(&Fake::default()).unwrap();
    assert_eq!(text, expected);
    let newer = Fake {
        version: Some(0x15),
        ..Fake::default()
    };
    assert_eq!(info(&newer).unwrap(), expected);
    let found: Vec<_> = crate::detect::detect(text.as_bytes());
    assert_eq!(found[0], (DocumentKind::XlInfo, 0..text.len()));
    assert_eq!(found[1].0, DocumentKind::CpuidFeatureset);
}

#[test]
fn counts_that_are_not_meant_make_nothing_up() {
    for lies in [0, 1, 1 << 14, u32::MAX] {
        let fake = Fake {
            lies: Some(lies),
            ..Fake::default()
        };
        let text = info(&fake).unwrap();
        assert!(text.ends_with("xend_config_format     : 4\n"), "{lies}");
        let xen = Xen::with(Box::new(fake)).unwrap();
        assert!(xen.policies().unwrap().starts_with("Xen reports"));
        assert!(xen.policy_of(3).is_ok());
    }
    // the last CPU is the 2^32nd: the search ends all the same
    let fake = Fake {
        lies: Some(u32::MAX),
        ..Fake::default()
    };
    assert_eq!(platform::cpus(&fake).unwrap().len(), 2);
}

#[test]
fn a_xen_of_another_interface_is_told_as_such() {
    let fake = Fake {
        version: Some(0x77),
        ..Fake::default()
    };
    assert_eq!(Xen::with(Box::new(fake)).unwrap_err(), XenError::Interface);
}

#[test]
fn policies_are_written_as_xen_cpuid_writes_them() {
    let xen = Xen::with(Box::new(Fake::default())).unwrap();
    let text = xen.policies().unwrap();
    let first = "Xen reports there are maximum 4 leaves and 1 MSRs\n\
        Raw policy: 2 leaves, 1 MSRs\n CPUID:\n  leaf     subleaf  -> eax      ebx      ecx      edx     \n\
        \x20 00000000:ffffffff -> 00000001:00000002:00000003:00000004\n\
        \x20MSRs:\n  index    -> value           \n  0000010a -> 0000000600000005\n";
    assert!(text.starts_with(first), "{text}");
    assert!(text.contains("\nPV Max policy not supported by Xen\n"));
    assert_eq!(text.matches(" policy: 2 leaves").count(), 5);
    assert_eq!(
        crate::detect::detect(text.as_bytes()),
        [(DocumentKind::CpuidXenPolicies, 0..text.len())]
    );
    assert!(xen.policy_of(3).unwrap().starts_with("Domain 3 policy: 2 leaves"));
    let absent = xen.policy_of(4).unwrap_err();
    assert!(matches!(absent, XenError::Refused { errno: 3, .. }), "{absent}");
    let version = policy::of_domain(&Fake::default(), (0, 0), 3).unwrap();
    assert!(version.starts_with("Domain 3 policy: 0 leaves"));
}

#[test]
fn every_cpu_that_is_online_tells_its_microcode() {
    let xen = Xen::with(Box::new(Fake::default())).unwrap();
    let text = xen.ucode_text().unwrap();
    assert_eq!(
        text,
        "CPU signature 06-55-04 (raw 0x00050654) pf 0x80 revision 0x02006e05\n\
         CPU2 signature 06-55-04 (raw 0x00050654) pf 0x80 revision 0x02006e07\n"
    );
    assert_eq!(
        crate::detect::detect(text.as_bytes()),
        [(DocumentKind::XenUcode, 0..text.len())]
    );
}

#[test]
fn microcode_is_handed_over_by_the_newest_command_that_xen_has() {
    let older = Fake::default();
    platform::update(&older, b"blob", false).unwrap();
    assert_eq!(*older.blobs.lock().unwrap(), [(35, 0, b"blob".to_vec())]);
    assert_eq!(platform::update(&older, b"blob", true), Err(Errno::NOSYS));
    let newer = Fake {
        newer: true,
        ..Fake::default()
    };
    platform::update(&newer, b"blob", true).unwrap();
    assert_eq!(*newer.blobs.lock().unwrap(), [(66, 1, b"blob".to_vec())]);
}

#[test]
fn the_answer_to_microcode_is_kept_as_it_is() {
    for errno in [Errno::PERM, Errno::ACCESS, Errno::EXIST, Errno::INVAL] {
        let fake = Fake {
            update: Some(errno),
            newer: true,
            ..Fake::default()
        };
        let xen = Xen::with(Box::new(fake)).unwrap();
        let refused = XenError::Refused {
            what: "microcode update",
            errno: errno.raw_os_error(),
        };
        assert_eq!(xen.update_microcode(b"", false), Err(refused));
    }
}

/// Files of a system.
struct Files(&'static [(&'static str, &'static str)]);

impl Tree for Files {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        let file = self.0.iter().find(|(name, _)| *name == path);
        file.map(|(_, text)| text.as_bytes().to_vec()).ok_or(ReadError::Absent)
    }

    fn list(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn link(&self, _: &str) -> Option<String> {
        None
    }

    fn exists(&self, path: &str) -> bool {
        self.read(path).is_ok()
    }

    fn resolve(&self, path: &str) -> String {
        path.to_owned()
    }
}

#[test]
fn who_may_ask_is_told_by_the_files_of_the_kernel() {
    const TYPE: (&str, &str) = ("/sys/hypervisor/type", "xen\n");
    const FEATURES: &str = "/sys/hypervisor/properties/features";
    const PROC: &str = "/proc/xen/capabilities";
    let of = |files| presence(&Files(files));
    assert_eq!(of(&[]), Presence::None);
    assert_eq!(of(&[("/sys/hypervisor/type", "other\n")]), Presence::None);
    assert_eq!(of(&[TYPE]), Presence::Guest);
    assert_eq!(of(&[TYPE, (PROC, "\n")]), Presence::Guest);
    assert_eq!(of(&[TYPE, (FEATURES, "00000705\n")]), Presence::Guest);
    assert_eq!(of(&[TYPE, (PROC, "control_d\n")]), Presence::Control);
    // where xenfs is not mounted
    assert_eq!(of(&[TYPE, (FEATURES, "001e28e0\n")]), Presence::Control);
}

#[test]
fn names_of_functions_are_read_as_the_kernel_writes_them() {
    let device = Device {
        segment: 0x10,
        bus: 0xe1,
        devfn: 0x1f << 3 | 2,
    };
    assert_eq!(Device::read("0010:e1:1f.2"), Some(device));
    for name in [
        "",
        "0000:00:00",
        "00:00.0",
        "0000:00:20.0",
        "0000:00:00.8",
        "10000:00:00.0",
        "0000:100:00.0",
    ] {
        assert_eq!(Device::read(name), None, "{name}");
    }
}
