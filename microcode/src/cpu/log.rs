//! CPUs in logs: `dmesg` of Linux, in the words of old and new kernels, `xl dmesg` of Xen, and the
//! line of `xen-ucode --show-cpu-info`.
//!
//! A line of one CPU counts for that CPU, any other for all; later lines count more. Old kernels
//! say one line for each CPU, so mixed revisions show.

use std::collections::BTreeMap;

use super::words::hexadecimal;
use super::{Cpu, Vendor};
use crate::damage::Damage;
use crate::ids::{PlatformMask, Revision, Signature};

/// What a log says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// CPUs with the revision at the end of the log; alike ones are one.
    pub cpus: Vec<Cpu>,
    /// The revision with which the kernel or Xen began, before it loaded an update.
    pub began: Option<Revision>,
    /// Lines about microcode whose numbers are none.
    pub damage: Vec<Damage>,
}

/// Read a log. Lines may have time stamps or `(XEN)` before them.
///
/// ```
/// let text = "[    0.3] smpboot: CPU0: Intel(R) Core(TM) CPU (family: 0x6, model: 0x8e, stepping: 0x9)\n\
///             [    0.9] microcode: Current revision: 0x000000f0\n\
///             [    0.9] microcode: Updated early from: 0x000000d6\n";
/// let log = microcode::cpu::from_log("host", text);
/// assert_eq!(log.cpus[0].revision.map(|revision| revision.0), Some(0xf0));
/// assert_eq!(log.began.map(|revision| revision.0), Some(0xd6));
/// ```
#[must_use]
pub fn from_log(origin: &str, text: &str) -> Log {
    let mut seen = Seen::default();
    let mut offset: usize = 0;
    for line in text.split_inclusive('\n') {
        if !seen.line(line.trim_end()) {
            let damage = Damage::new(offset, "a revision in hexadecimal", line.trim());
            seen.damage.push(damage.rule("log-revision"));
        }
        offset = offset.saturating_add(line.len());
    }
    seen.log(origin)
}

#[derive(Default)]
struct Seen {
    vendor: Option<Vendor>,
    signature: Option<Signature>,
    platform: Option<PlatformMask>,
    name: Option<String>,
    hypervisor: Option<bool>,
    began: Option<Revision>,
    revision: Option<Revision>,
    /// Lines for all CPUs so far: what a CPU said before the last of them is over.
    rounds: usize,
    each: BTreeMap<u32, (Revision, usize)>,
    damage: Vec<Damage>,
}

/// The hexadecimal number behind `key`.
fn number(text: &str, key: &str) -> Option<u32> {
    let (_, rest) = text.split_once(key)?;
    let rest = rest.trim_start();
    let end = rest
        .find(|next: char| !next.is_ascii_alphanumeric())
        .unwrap_or(rest.len());
    hexadecimal(rest.get(..end)?)
}

/// The number of the CPU in `CPU12 updated …`, `CPU12: patch_level=…`.
fn cpu_number(text: &str) -> Option<u32> {
    let rest = text.strip_prefix("CPU")?;
    let end = rest.find(|next: char| !next.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

impl Seen {
    /// A line; whether it could be read.
    fn line(&mut self, line: &str) -> bool {
        if let Some((_, rest)) = line.split_once("microcode: ") {
            // Kernels before 6.7 say the word twice.
            return self.microcode(rest.strip_prefix("microcode ").unwrap_or(rest));
        }
        if let Some((_, rest)) = line.split_once("BSP microcode revision: ") {
            let revision = number(rest, "").map(Revision);
            (self.began, self.revision) = (revision, revision);
            return revision.is_some();
        }
        if let Some((_, rest)) = line.split_once("CPU Vendor: ") {
            self.xen(rest);
        } else if let Some((_, rest)) = line.split_once("CPU signature ") {
            return self.xen_ucode(rest);
        } else if let Some((_, rest)) = line.split_once("CPU0: ") {
            self.name(rest);
        } else if line.contains("Hypervisor detected:") {
            self.hypervisor = Some(true);
        } else if let Some((_, on)) = line.split_once("Booting paravirtualized kernel on ") {
            self.hypervisor = Some(!on.starts_with("bare hardware"));
        }
        true
    }

    /// `smpboot: CPU0: NAME (family: 0x6, model: 0x8e, stepping: 0x9)`, before 4.2 with `fam:`.
    fn name(&mut self, rest: &str) {
        let Some((name, numbers)) = rest.rsplit_once(" (fam") else {
            return;
        };
        let field = |key| number(numbers, key);
        if let (Some(family), Some(model), Some(stepping)) = (field(": "), field("model: "), field("stepping: ")) {
            self.signature = Signature::from_family_model_stepping(family, model, stepping).or(self.signature);
            self.vendor = self.vendor.or_else(|| Some(brand(name)));
            self.name = Some(name.trim().to_owned());
        }
    }

    /// `AMD, Family 25 (0x19), Model 1 (0x1), Stepping 1 (raw 00a00f11)`.
    fn xen(&mut self, rest: &str) {
        self.vendor = Some(match rest.split(',').next() {
            Some("Intel") => Vendor::Intel,
            Some("AMD") => Vendor::Amd,
            Some("Hygon") => Vendor::Hygon,
            _ => Vendor::Other,
        });
        self.signature = number(rest, "(raw ").map(Signature).or(self.signature);
    }

    /// `06-55-04 (raw 0x00050654) pf 0x80 revision 0x02006e05`; AMD without pf.
    fn xen_ucode(&mut self, rest: &str) -> bool {
        self.signature = number(rest, "(raw ").map(Signature).or(self.signature);
        self.platform = number(rest, " pf ").map(PlatformMask).or(self.platform);
        if let (None, Some(signature)) = (self.vendor, self.signature) {
            self.vendor = Some(super::words::vendor_of(signature));
        }
        self.revision = number(rest, " revision ").map(Revision).or(self.revision);
        self.revision.is_some()
    }

    /// What follows `microcode: `.
    fn microcode(&mut self, text: &str) -> bool {
        let cpu = cpu_number(text);
        let arrow = |before: Option<&str>| Some(Revision(number(before?, "-> ")?));
        if text.contains("sig=") {
            self.vendor = self.vendor.or(Some(Vendor::Intel));
            self.signature = number(text, "sig=").map(Signature).or(self.signature);
            self.platform = number(text, "pf=").map(PlatformMask).or(self.platform);
            return self.running(cpu, number(text, "revision=").map(Revision));
        }
        if text.contains("patch_level=") {
            // Failures have the level that was to be.
            if text.contains("failed") {
                return true;
            }
            self.vendor = self.vendor.or(Some(Vendor::Amd));
            return self.running(cpu, number(text, "patch_level=").map(Revision));
        }
        if let Some((_, rest)) = text.split_once("updated from revision ") {
            return self.running(cpu, number(rest, " to ").map(Revision));
        }
        if text.contains(" failed, result ") {
            return self.running(cpu, number(text, "result ").map(Revision));
        }
        if let Some((_, rest)) = text.split_once("updated early: ") {
            self.began = number(rest, "").map(Revision);
            return self.running(None, arrow(Some(rest)));
        }
        if let Some((_, rest)) = text.split_once("Updated early from: ") {
            self.began = number(rest, "").map(Revision);
            return self.began.is_some();
        }
        for key in [
            "updated early to revision ",
            "updated to revision ",
            "Current revision: ",
        ] {
            if let Some((_, rest)) = text.split_once(key) {
                return self.running(cpu, number(rest, "").map(Revision));
            }
        }
        // `revision: A -> B`, `Reload completed, microcode revision: A` with or without `-> B`.
        if let Some((before, rest)) = text.split_once("revision: ")
            && (before.is_empty() || before.starts_with("Reload completed"))
        {
            let revision = arrow(Some(rest)).or_else(|| number(rest, "").map(Revision));
            return self.running(None, revision);
        }
        true
    }

    fn running(&mut self, cpu: Option<u32>, revision: Option<Revision>) -> bool {
        let Some(revision) = revision else {
            return false;
        };
        if let Some(cpu) = cpu {
            self.each.insert(cpu, (revision, self.rounds));
        } else {
            self.revision = Some(revision);
            self.rounds = self.rounds.saturating_add(1);
        }
        true
    }

    fn log(self, origin: &str) -> Log {
        let anything = self.signature.is_some() || self.revision.is_some() || !self.each.is_empty();
        let mut cpu = Cpu::new(origin, self.vendor.unwrap_or(Vendor::Other));
        cpu.signature = self.signature;
        cpu.platform = self.platform.filter(|_| cpu.vendor == Vendor::Intel);
        cpu.hypervisor = self.hypervisor;
        cpu.name = self.name;
        cpu.revision = self.revision;
        let each = self.each.iter().map(|(number, (revision, round))| {
            let mut one = cpu.clone();
            one.cpus = vec![*number];
            if *round == self.rounds {
                one.revision = Some(*revision);
            }
            one
        });
        let cpus = super::cpuinfo::alike(each.collect());
        Log {
            cpus: match (anything, cpus.is_empty()) {
                (false, _) => Vec::new(),
                (true, true) => vec![cpu],
                (true, false) => cpus,
            },
            began: self.began,
            damage: self.damage,
        }
    }
}

fn brand(name: &str) -> Vendor {
    if name.contains("Intel") {
        Vendor::Intel
    } else if name.contains("Hygon") {
        Vendor::Hygon
    } else if name.contains("AMD") {
        Vendor::Amd
    } else {
        Vendor::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revisions(text: &str) -> (Vec<(Vec<u32>, u32)>, Option<u32>) {
        let log = from_log("log", text);
        assert!(log.damage.is_empty(), "{:?}", log.damage);
        let cpus = log.cpus.iter();
        let cpus = cpus.map(|cpu| (cpu.cpus.clone(), cpu.revision.map_or(0, |revision| revision.0)));
        (cpus.collect(), log.began.map(|revision| revision.0))
    }

    #[test]
    fn words_of_all_kernels_give_the_revision_that_runs() {
        let one = |revision, began| (vec![(vec![], revision)], began);
        assert_eq!(revisions("microcode: Current revision: 0x0000002f\n"), one(0x2f, None));
        assert_eq!(
            revisions("[0.1] microcode: updated early: 0x28 -> 0x2f, date = 2019-02-17\n"),
            one(0x2f, Some(0x28))
        );
        assert_eq!(
            revisions("microcode: microcode updated early to revision 0x2f, date = 2019-02-17\n"),
            one(0x2f, None)
        );
        assert_eq!(
            revisions("microcode: microcode updated early to new patch_level=0x010000c8\n"),
            one(0x0100_00c8, None)
        );
        assert_eq!(revisions("microcode: revision: 0x28 -> 0x2f\n"), one(0x2f, None));
        let reload = "microcode: Reload completed, microcode revision: 0x28 -> 0x2f\n";
        assert_eq!(revisions(reload), one(0x2f, None));
        assert_eq!(
            revisions("microcode: Reload completed, microcode revision: 0x2f\n"),
            one(0x2f, None)
        );
    }

    #[test]
    fn lines_of_each_cpu_show_mixed_revisions() {
        let text = "microcode: CPU0 sig=0x206a7, pf=0x2, revision=0x28\n\
                    microcode: CPU1 sig=0x206a7, pf=0x2, revision=0x28\n\
                    microcode: CPU1 updated to revision 0x2f, date = 2019-02-17\n\
                    microcode: Microcode Update Driver: v2.01\n";
        assert_eq!(revisions(text).0, [(vec![0], 0x28), (vec![1], 0x2f)]);
        let log = from_log("log", text);
        assert_eq!(log.cpus[0].signature, Some(Signature(0x206a7)));
        assert_eq!(
            (log.cpus[0].vendor, log.cpus[0].platform),
            (Vendor::Intel, Some(PlatformMask(2)))
        );
        let amd = "microcode: CPU0: patch_level=0x0800820d\nmicrocode: CPU1: patch_level=0x0800820d\n";
        assert_eq!(revisions(amd).0, [(vec![0, 1], 0x0800_820d)]);
    }

    #[test]
    fn later_line_for_all_cpus_counts_more_than_those_of_each() {
        let text = "microcode: CPU0 sig=0x206a7, pf=0x2, revision=0x28\nmicrocode: CPU1 sig=0x206a7, pf=0x2, revision=0x28\n\
                    microcode: revision: 0x28 -> 0x2f\nmicrocode: CPU1: patch_level=0x28\n";
        assert_eq!(revisions(text).0, [(vec![0], 0x2f), (vec![1], 0x28)]);
    }

    #[test]
    fn family_model_and_stepping_stand_in_the_line_of_the_first_cpu() {
        for text in [
            "smpboot: CPU0: AMD Ryzen (family: 0x19, model: 0x21, stepping: 0x2)\n",
            "smpboot: CPU0: AMD Ryzen (fam: 19, model: 21, stepping: 02)\n",
        ] {
            let log = from_log("log", text);
            assert_eq!(log.cpus[0].signature, Some(Signature(0xa20f12)), "{text}");
            assert_eq!((log.cpus[0].vendor, log.cpus[0].revision), (Vendor::Amd, None));
            assert_eq!(log.cpus[0].name.as_deref(), Some("AMD Ryzen"));
        }
    }

    #[test]
    fn xen_says_what_it_began_with_and_each_cpu_it_updates() {
        let text = "(XEN) CPU Vendor: Intel, Family 6 (0x6), Model 85 (0x55), Stepping 4 (raw 00050654)\n\
                    (XEN) BSP microcode revision: 0x02000043\n\
                    (XEN) microcode: CPU0 updated from revision 0x2000043 to 0x2007006, date = 2023-03-06\n\
                    (XEN) microcode: CPU2 update rev 0x2000043 to 0x2007006 failed, result 0x2000043\n";
        let (cpus, began) = revisions(text);
        assert_eq!(cpus, [(vec![0], 0x0200_7006), (vec![2], 0x0200_0043)]);
        assert_eq!(began, Some(0x0200_0043));
        assert_eq!(from_log("x", text).cpus[0].signature, Some(Signature(0x50654)));
    }

    #[test]
    fn line_of_xen_ucode_has_everything() {
        let log = from_log(
            "x",
            "CPU signature 06-55-04 (raw 0x00050654) pf 0x80 revision 0x02006e05\n",
        );
        let cpu = &log.cpus[0];
        assert_eq!((cpu.vendor, cpu.platform), (Vendor::Intel, Some(PlatformMask(0x80))));
        assert_eq!(
            (cpu.signature, cpu.revision),
            (Some(Signature(0x50654)), Some(Revision(0x0200_6e05)))
        );
    }

    #[test]
    fn hypervisor_is_told() {
        let text = "Hypervisor detected: KVM\nmicrocode: Current revision: 0x00000001\n";
        assert_eq!(from_log("vm", text).cpus[0].hypervisor, Some(true));
        let text = "Booting paravirtualized kernel on bare hardware\nmicrocode: Current revision: 0x1\n";
        assert_eq!(from_log("host", text).cpus[0].hypervisor, Some(false));
    }

    #[test]
    fn number_that_is_none_is_damage_at_its_line() {
        let log = from_log("log", "x\nmicrocode: Current revision: ?\n");
        assert_eq!((log.cpus.len(), log.damage[0].offset), (0, 2));
    }
}
