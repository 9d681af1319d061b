//! `/proc/cpuinfo` of x86 Linux (arch/x86/kernel/cpu/proc.c), and what sysfs has beside it.
//!
//! The signature is put together from family, model and stepping; the platform flags are not there.
//! Linux leaves the line of the microcode out when the revision is 0.

use std::collections::HashMap;

use super::words::hexadecimal;
use super::{Cpu, Vendor};
use crate::damage::Damage;
use crate::ids::{PlatformMask, Revision, Signature};

/// CPUs that are alike are one; mixed revisions make several.
///
/// ```
/// let text = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 142\nstepping\t: 9\nmicrocode\t: 0xf0\n";
/// let (cpus, damage) = microcode::cpu::from_cpuinfo("host", text);
/// assert!(damage.is_empty());
/// assert_eq!(cpus[0].signature.map(|signature| signature.0), Some(0x806e9));
/// assert_eq!(cpus[0].cpus, [0]);
/// ```
#[must_use]
pub fn from_cpuinfo(origin: &str, text: &str) -> (Vec<Cpu>, Vec<Damage>) {
    let mut all = Vec::new();
    let mut damage = Vec::new();
    let mut current: Option<Block> = None;
    let mut offset: usize = 0;
    for line in text.split_inclusive('\n') {
        let place = offset;
        offset = offset.saturating_add(line.len());
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let (key, value) = (key.trim(), value.trim());
        if key == "processor" {
            all.extend(current.take().and_then(|block| block.cpu(origin, &mut damage)));
            current = Some(Block::new(place, value));
        } else if let Some(block) = &mut current {
            block.line(place, key, value, &mut damage);
        }
    }
    all.extend(current.and_then(|block| block.cpu(origin, &mut damage)));
    if all.is_empty() && damage.is_empty() {
        damage.push(Damage::new(0, "processors of an x86 CPU", "none").rule("cpuinfo-x86"));
    }
    (alike(all), damage)
}

struct Block {
    offset: usize,
    number: Option<u32>,
    vendor: Option<Vendor>,
    family: Option<u32>,
    model: Option<u32>,
    stepping: Option<u32>,
    revision: Option<Revision>,
    name: Option<String>,
    hypervisor: Option<bool>,
    fred: Option<bool>,
    cache: Option<u64>,
    cores: Option<u64>,
}

impl Block {
    fn new(offset: usize, number: &str) -> Self {
        Self {
            offset,
            number: number.parse().ok(),
            vendor: None,
            family: None,
            model: None,
            stepping: None,
            revision: None,
            name: None,
            hypervisor: None,
            fred: None,
            cache: None,
            cores: None,
        }
    }

    fn line(&mut self, offset: usize, key: &str, value: &str, damage: &mut Vec<Damage>) {
        let mut number = |what: &str| -> Option<u32> {
            let parsed = value.parse().ok();
            // Kernels before cpuid_level print this for a stepping of 0.
            if parsed.is_none() && value != "unknown" {
                let expected = format!("{what} as a number");
                damage.push(Damage::new(offset, expected, value).rule("cpuinfo-number"));
            }
            parsed
        };
        match key {
            "vendor_id" => self.vendor = Some(super::vendor(value)),
            "cpu family" => self.family = number(key),
            "model" => self.model = number(key),
            "stepping" => self.stepping = number(key),
            "microcode" => {
                self.revision = hexadecimal(value).map(Revision);
                if self.revision.is_none() {
                    damage.push(Damage::new(offset, "revision in hexadecimal", value).rule("cpuinfo-revision"));
                }
            }
            "model name" => self.name = (!value.is_empty()).then(|| value.to_owned()),
            "cache size" => self.cache = value.strip_suffix("KB").and_then(|value| value.trim().parse().ok()),
            "cpu cores" => self.cores = value.parse().ok(),
            "flags" => {
                let has = |flag| value.split_ascii_whitespace().any(|word| word == flag);
                (self.hypervisor, self.fred) = (Some(has("hypervisor")), Some(has("fred")));
            }
            _ => {}
        }
    }

    fn cpu(self, origin: &str, damage: &mut Vec<Damage>) -> Option<Cpu> {
        // Other architectures have blocks without it.
        let vendor = self.vendor?;
        let mut cpu = Cpu::new(origin, vendor);
        match (self.family, self.model, self.stepping) {
            (Some(family), Some(model), Some(stepping)) => {
                cpu.signature = Signature::from_family_model_stepping(family, model, stepping);
                if cpu.signature.is_none() {
                    let seen = format!("{family}, {model}, {stepping}");
                    damage.push(
                        Damage::new(
                            self.offset,
                            "family, model and stepping that leaf 1 of CPUID can hold",
                            seen,
                        )
                        .rule("cpuinfo-signature"),
                    );
                }
            }
            _ => {
                damage.push(
                    Damage::new(self.offset, "cpu family, model and stepping", "not all of them")
                        .rule("cpuinfo-signature"),
                );
            }
        }
        cpu.revision = self.revision;
        cpu.hypervisor = self.hypervisor;
        cpu.fred = self.fred;
        cpu.name = self.name;
        cpu.cpus.extend(self.number);
        let bytes = self.cache.and_then(|kilobytes| kilobytes.checked_mul(1024));
        cpu.cache_per_core = bytes.and_then(|bytes| bytes.checked_div(self.cores?));
        Some(cpu)
    }
}

/// CPUs that differ in their numbers alone are put together, in the order of the first of each.
pub(super) fn alike(all: Vec<Cpu>) -> Vec<Cpu> {
    let mut kinds: Vec<Cpu> = Vec::new();
    let mut places = HashMap::new();
    for cpu in all {
        let key = (
            cpu.vendor,
            (cpu.signature, cpu.platform, cpu.revision),
            (cpu.hypervisor, cpu.fred, cpu.cache_per_core),
            cpu.name.clone(),
        );
        let place = *places.entry(key).or_insert(kinds.len());
        match kinds.get_mut(place) {
            Some(kind) => kind.cpus.extend(cpu.cpus),
            None => kinds.push(cpu),
        }
    }
    kinds
}

/// Adds what `/sys/devices/system/cpu/cpuN/microcode/` has: `version` and, for Intel,
/// `processor_flags`. Where the revision differs from the one already known, that of sysfs stays.
pub fn with_sysfs(cpu: &mut Cpu, version: Option<&str>, processor_flags: Option<&str>) -> Vec<Damage> {
    let mut damage = Vec::new();
    let mut read = |text: Option<&str>, what: &str, rule| {
        let text = text?.trim();
        let value = hexadecimal(text);
        if value.is_none() {
            damage.push(Damage::new(0, format!("{what} in hexadecimal"), text).rule(rule));
        }
        value
    };
    let revision = read(version, "microcode/version", "sysfs-version").map(Revision);
    let flags = read(processor_flags, "microcode/processor_flags", "sysfs-processor-flags");
    if let (Some(seen), Some(known)) = (revision, cpu.revision)
        && seen != known
    {
        damage.push(
            Damage::new(0, format!("revision {known} as in /proc/cpuinfo"), seen.to_string()).rule("sysfs-version"),
        );
    }
    cpu.revision = revision.or(cpu.revision);
    if cpu.vendor == Vendor::Intel {
        cpu.platform = flags.map(PlatformMask).or(cpu.platform);
    }
    damage
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Signature;

    fn block(number: u32, revision: &str, flags: &str) -> String {
        format!(
            "processor\t: {number}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 79\n\
             model name\t: Some CPU @ 2.10GHz\nstepping\t: 1\nmicrocode\t: {revision}\n\
             cache size\t: 35840 KB\ncpu cores\t: 14\nflags\t\t: fpu {flags}\n\n"
        )
    }

    #[test]
    fn cpus_that_are_alike_are_one() {
        let text: String = (0..4).map(|number| block(number, "0xb000038", "sse")).collect();
        let (cpus, damage) = from_cpuinfo("host", &text);
        assert!(damage.is_empty(), "{damage:?}");
        let [cpu] = &cpus[..] else { panic!("{cpus:?}") };
        assert_eq!(cpu.signature, Some(Signature(0x406f1)));
        assert_eq!(
            (cpu.revision, cpu.hypervisor),
            (Some(Revision(0xb00_0038)), Some(false))
        );
        assert_eq!(
            (cpu.cache_per_core, cpu.cpus.as_slice()),
            (Some(2_621_440), &[0, 1, 2, 3][..])
        );
        assert_eq!(cpu.name.as_deref(), Some("Some CPU @ 2.10GHz"));
    }

    #[test]
    fn mixed_revisions_are_several_cpus() {
        let text = ["0x1", "0x2", "0x1"].iter().zip(0..);
        let text: String = text.map(|(revision, number)| block(number, revision, "")).collect();
        let (cpus, _) = from_cpuinfo("host", &text);
        assert_eq!(
            cpus.iter().map(|cpu| cpu.cpus.clone()).collect::<Vec<_>>(),
            [vec![0, 2], vec![1]]
        );
    }

    #[test]
    fn hypervisor_and_fred_are_flags() {
        let (cpus, _) = from_cpuinfo("vm", &block(0, "0x1", "hypervisor fred"));
        assert_eq!((cpus[0].hypervisor, cpus[0].fred), (Some(true), Some(true)));
    }

    #[test]
    fn line_of_the_microcode_may_be_missing() {
        let text = block(0, "0x1", "").replace("microcode", "mikrocode");
        assert_eq!(from_cpuinfo("old", &text).0[0].revision, None);
    }

    #[test]
    fn values_that_are_none_are_damage_at_their_line() {
        let (cpus, damage) = from_cpuinfo(
            "host",
            "processor : 0\nvendor_id : AuthenticAMD\nmodel : x\nmicrocode : zz\n",
        );
        assert_eq!((cpus.len(), cpus[0].signature), (1, None));
        let places: Vec<_> = damage.iter().map(|damage| (damage.rule, damage.offset)).collect();
        assert_eq!(
            places,
            [
                ("cpuinfo-number", 39),
                ("cpuinfo-revision", 49),
                ("cpuinfo-signature", 0)
            ]
        );
    }

    #[test]
    fn other_architectures_have_no_cpus_here() {
        let (cpus, damage) = from_cpuinfo("arm", "processor\t: 0\nBogoMIPS\t: 50.00\n");
        assert_eq!((cpus.len(), damage[0].rule), (0, "cpuinfo-x86"));
    }

    #[test]
    fn sysfs_adds_the_platform_and_its_revision_stays() {
        let mut cpu = Cpu::new("host", Vendor::Intel);
        cpu.revision = Some(Revision(1));
        let damage = with_sysfs(&mut cpu, Some("0x2f\n"), Some("0x10\n"));
        assert_eq!(
            (cpu.revision, cpu.platform),
            (Some(Revision(0x2f)), Some(PlatformMask(0x10)))
        );
        assert_eq!(damage[0].rule, "sysfs-version");
        assert_eq!(with_sysfs(&mut cpu, Some("two"), None).len(), 1);
    }
}
