//! Xen's choice from whole sets of published files: for each CPU that a file names, the highest
//! revision that the container readers find for it there.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use microcode::entry_sign::{XenFirmware, xen_firmware};
use microcode::loader::Outcome;
use microcode::loader::xen::{self, Boot, Module};
use microcode::{Content, Cpu, PlatformMask, Revision, Signature, Vendor, read};

fn files(folder: &str) -> Vec<PathBuf> {
    let root = std::env::var_os("DELID_UCODE").map_or_else(|| PathBuf::from("/lib/firmware"), PathBuf::from);
    let Ok(entries) = fs::read_dir(root.join(folder)) else {
        eprintln!("{folder} absent: 1 case not run");
        return Vec::new();
    };
    let mut list: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    list.retain(|path| path.is_file());
    list.sort();
    list
}

fn boot(cpu: &Cpu, bytes: Vec<u8>) -> microcode::loader::Decision {
    let module = |bytes| Module {
        source: "file".to_owned(),
        bytes: Arc::new(bytes),
    };
    let modules = [module(Vec::new()), module(bytes)];
    let setup = Boot {
        command_line: Some("ucode=1"),
        modules: &modules,
        efi_ucode: None,
    };
    xen::boot(cpu, &setup)
}

#[test]
fn highest_update_of_each_intel_cpu_is_taken() {
    let mut cases = 0;
    for path in files("intel-ucode") {
        let bytes = fs::read(&path).unwrap();
        let Some(Content::Intel(file)) = read(&bytes) else {
            panic!("{}", path.display())
        };
        let mut highest: BTreeMap<(u32, u32), u32> = BTreeMap::new();
        for update in &file.updates {
            for target in std::iter::once(&update.target).chain(&update.extended) {
                for bit in (0..8).map(|bit| 1 << bit).filter(|bit| target.platforms.0 & bit != 0) {
                    let slot = highest.entry((target.signature.0, bit)).or_default();
                    *slot = update.revision.0.max(*slot);
                }
            }
        }
        for ((signature, platform), revision) in highest {
            let mut cpu = Cpu::new("test", Vendor::Intel);
            cpu.signature = Some(Signature(signature));
            cpu.platform = Some(PlatformMask(platform));
            cpu.revision = Some(Revision(0));
            let decision = boot(&cpu, bytes.clone());
            assert_eq!(
                decision.after,
                Some(Revision(revision)),
                "{}: {signature:x} {platform:x}",
                path.display()
            );
            cases += 1;
        }
    }
    eprintln!("{cases} CPUs of Intel");
}

#[test]
fn every_amd_patch_in_the_table_is_weighed_and_none_of_the_published_old_ones_is_refused_for_its_size() {
    let (mut cases, mut chosen) = (0, 0);
    for path in files("amd-ucode") {
        let bytes = fs::read(&path).unwrap();
        let Some(Content::Amd(file)) = read(&bytes) else {
            continue;
        };
        for container in &file.containers {
            for row in &container.equivalences {
                let best = container
                    .patches
                    .iter()
                    .filter(|patch| patch.id == row.id)
                    .max_by_key(|patch| patch.revision);
                let Some(best) = best else { continue };
                let mut cpu = Cpu::new("test", Vendor::Amd);
                cpu.signature = Some(row.signature);
                // Just below, so that it is newer and asks for no minimum it cannot have.
                let before = best.minimum_revision.map_or(best.revision.0 - 1, |minimum| minimum.0);
                cpu.revision = Some(Revision(before));
                let decision = boot(&cpu, bytes.clone());
                cases += 1;
                let candidate = decision.looks[0]
                    .candidates
                    .iter()
                    .find(|candidate| candidate.place.offset == best.offset)
                    .unwrap();
                if row.signature.family_model_stepping().0 < 0x10 {
                    assert_eq!(decision.loads, Some(false));
                } else if row.signature.family_model_stepping().0 < 0x17
                    || xen_firmware(Revision(before)) == XenFirmware::Fixed
                {
                    assert_eq!(decision.after, Some(best.revision), "{}: {decision:#?}", path.display());
                    chosen += 1;
                } else {
                    let rule = candidate.reasons.last().unwrap().rule.id;
                    let digest = ["xen-amd-digest-unknown", "xen-unknown", "xen-loaded"].contains(&rule);
                    assert!(digest, "{}: {rule}", path.display());
                    chosen += usize::from(candidate.outcome == Outcome::Chosen);
                }
            }
        }
    }
    eprintln!("{cases} CPUs of AMD, {chosen} with a patch that is loaded");
}
