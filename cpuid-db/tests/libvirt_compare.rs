//! Hosts compared with definitions, and definitions made to fit hosts, as libvirt's own tests have it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may stop"
)]

mod support;

use std::path::Path;

use cpuid_db::Fault;

use cpuid_db::libvirt::{
    Comparison, HypervisorModel, LibvirtCpu, Map, Policy, ReadAs, compare, read, translate, update,
};

/// Host, definition, what libvirt says.
const COMPARED: [(&str, &str, &str); 36] = [
    ("host", "host", "identical"),
    ("host", "host-better", "incompatible"),
    ("host", "host-worse", "superset"),
    ("host", "host-amd-fake", "incompatible"),
    ("host", "host-incomp-arch", "incompatible"),
    ("host", "host-no-vendor", "identical"),
    ("host-no-vendor", "host", "incompatible"),
    ("host", "bogus-model", "error"),
    ("host", "bogus-feature", "error"),
    ("host", "min", "superset"),
    ("host", "pentium3", "superset"),
    ("host", "exact", "superset"),
    ("host", "exact-forbid", "incompatible"),
    ("host", "exact-forbid-extra", "superset"),
    ("host", "exact-disable", "superset"),
    ("host", "exact-disable2", "superset"),
    ("host", "exact-disable-extra", "superset"),
    ("host", "exact-require", "superset"),
    ("host", "exact-require-extra", "incompatible"),
    ("host", "exact-force", "superset"),
    ("host", "strict", "incompatible"),
    ("host", "strict-full", "identical"),
    ("host", "strict-disable", "identical"),
    ("host", "strict-force-extra", "identical"),
    ("host", "guest", "superset"),
    ("host", "pentium3-amd", "incompatible"),
    ("host-amd", "pentium3-amd", "superset"),
    ("host-worse", "penryn-force", "identical"),
    ("host-SandyBridge", "exact-force-Haswell", "identical"),
    ("host", "host+min", "identical"),
    ("host", "host+pentium3", "identical"),
    ("host", "host+guest", "superset"),
    ("host", "host+host-model", "identical"),
    ("host", "host+host-model-nofallback", "identical"),
    ("host-invtsc", "host-invtsc+host-model", "superset"),
    ("host", "bogus-vendor", "incompatible"),
];

/// Definitions made to fit a host; the result is in `HOST+CPU.xml`.
const UPDATED: [(&str, &str); 8] = [
    ("host", "min"),
    ("host", "pentium3"),
    ("host", "guest"),
    ("host", "host-model"),
    ("host", "host-model-nofallback"),
    ("host-invtsc", "host-model"),
    ("host", "host-passthrough"),
    ("host", "host-passthrough-features"),
];

/// Host, definition, name of the hypervisor's models; the result is in `HOST+CPU[,MODELS]-result.xml`,
/// or there is none.
const TRANSLATED: [(&str, &str, &str, bool); 15] = [
    ("host", "guest", "", true),
    ("host-better", "pentium3", "", true),
    ("host-worse", "guest", "", true),
    ("host", "strict-force-extra", "", true),
    ("host", "penryn-force", "", true),
    ("host", "guest", "model486", true),
    ("host", "guest", "models", true),
    ("host", "guest", "nomodel", false),
    ("host", "guest-nofallback", "models", false),
    ("host", "host+host-model", "models", true),
    ("host", "host+host-model-nofallback", "models", false),
    ("host-Haswell-noTSX", "Haswell", "haswell", true),
    ("host-Haswell-noTSX", "Haswell-noTSX", "haswell", true),
    ("host-Haswell-noTSX", "Haswell-noTSX-nofallback", "haswell", false),
    ("host-Haswell-noTSX", "Haswell-noTSX", "", true),
];

fn definition(folder: &Path, name: &str) -> Option<LibvirtCpu> {
    let path = folder.join(format!("x86_64-{name}.xml"));
    if !path.is_file() {
        eprintln!("{} is not in the corpus", path.display());
        return None;
    }
    let cpus = read(&support::text(&path), ReadAs::Either).into_result();
    Some(cpus.unwrap_or_else(|fault| panic!("{name}: {fault:?}")).remove(0))
}

fn models(list: &str) -> Option<Vec<HypervisorModel>> {
    let names: &[&str] = match list {
        "model486" => &["486"],
        "nomodel" => &["nomodel"],
        "models" => &["qemu64", "core2duo", "Nehalem"],
        "haswell" => &["SandyBridge", "Haswell"],
        _ => return None,
    };
    let model = |name: &&str| HypervisorModel {
        name: (*name).to_owned(),
        blockers: Vec::new(),
    };
    Some(names.iter().map(model).collect())
}

#[test]
fn hosts_compare_with_definitions_as_in_libvirt() {
    let Some(corpus) = support::corpus("comparisons of libvirt") else {
        return;
    };
    let folder = corpus.join("libvirt/cputestdata-compare");
    let mut count = 0;
    for (host, cpu, expected) in COMPARED {
        let (Some(host_cpu), Some(other)) = (definition(&folder, host), definition(&folder, cpu)) else {
            continue;
        };
        let ours = match compare(&Map::builtin(), &host_cpu, &other) {
            Err(_) => "error",
            Ok(Comparison::Identical) => "identical",
            Ok(Comparison::Superset) => "superset",
            Ok(Comparison::Incompatible(_)) => "incompatible",
        };
        assert_eq!(ours, expected, "{host} {cpu}");
        count += 1;
    }
    eprintln!("{count} comparisons");
    assert!(count > 20);
}

#[test]
fn definitions_are_made_to_fit_a_host_as_in_libvirt() {
    let Some(corpus) = support::corpus("updates of libvirt") else {
        return;
    };
    let folder = corpus.join("libvirt/cputestdata-compare");
    let map = Map::builtin();
    let mut count = 0;
    for (host, cpu) in UPDATED {
        let (Some(host_cpu), Some(mut ours)) = (definition(&folder, host), definition(&folder, cpu)) else {
            continue;
        };
        let expected = folder.join(format!("x86_64-{host}+{cpu}.xml"));
        if !expected.is_file() {
            continue;
        }
        update(&map, &mut ours, &host_cpu.migratable_part(&map), Policy::Disable).unwrap();
        assert_eq!(ours.to_xml(), support::text(&expected), "{host}+{cpu}");
        count += 1;
    }
    eprintln!("{count} updates");
    assert!(count > 4);
}

#[test]
fn models_a_hypervisor_lacks_are_replaced_as_in_libvirt() {
    let Some(corpus) = support::corpus("translations of libvirt") else {
        return;
    };
    let folder = corpus.join("libvirt/cputestdata-compare");
    let map = Map::builtin();
    let mut count = 0;
    for (host, cpu, list, works) in TRANSLATED {
        let (Some(host_cpu), Some(mut ours)) = (definition(&folder, host), definition(&folder, cpu)) else {
            continue;
        };
        let made = || -> Result<LibvirtCpu, Fault> {
            if let Comparison::Incompatible(why) = compare(&map, &host_cpu, &ours)? {
                panic!("{why}");
            }
            update(&map, &mut ours, &host_cpu, Policy::Disable)?;
            if let Some(models) = models(list) {
                translate(&map, &mut ours, &models)?;
            }
            Ok(ours)
        }();
        let comma = if list.is_empty() { "" } else { "," };
        let expected = folder.join(format!("x86_64-{host}+{cpu}{comma}{list}-result.xml"));
        match made {
            Ok(ours) if expected.is_file() => assert_eq!(ours.to_xml(), support::text(&expected), "{cpu} {list}"),
            Ok(_) => assert!(works, "{host}+{cpu} {list} should fail"),
            Err(fault) => assert!(!works, "{host}+{cpu} {list}: {fault:?}"),
        }
        count += 1;
    }
    eprintln!("{count} translations");
    assert!(count > 8);
}
