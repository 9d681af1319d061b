//! The hypervisor seen from inside, as far as files tell.
//!
//! The CPU flag says only that there is one; its name stands in `/sys/hypervisor` (Xen),
//! `/proc/sysinfo` (s390), or is the system vendor of the DMI strings. CPUID says it best, and is
//! not read here.

use super::proc::CpuInfo;
use super::reader::Reader;

/// Name used when a hypervisor is seen and nothing names it.
pub const UNNAMED: &str = "unnamed";

/// Texts of DMI `sys_vendor` or `product_name`, and whose they are.
const VENDORS: &[(&str, &str)] = &[
    ("QEMU", "QEMU"),
    ("KVM", "KVM"),
    ("VMware", "VMware"),
    ("VirtualBox", "VirtualBox"),
    ("innotek GmbH", "VirtualBox"),
    ("Xen", "Xen"),
    ("Bochs", "Bochs"),
    ("Parallels", "Parallels"),
    ("BHYVE", "bhyve"),
    ("Virtual Machine", "Hyper-V"),
    ("Google Compute Engine", "KVM"),
    ("OpenStack", "KVM"),
    ("CloudStack", "KVM"),
    ("Apple Virtualization", "Apple Virtualization"),
];

/// Names the hypervisor.
pub fn read(reader: &Reader<'_>, info: &CpuInfo) -> Option<String> {
    if let Some(name) = reader.some_text("/sys/hypervisor/type") {
        return Some(if name == "xen" { "Xen".to_owned() } else { name });
    }
    if info.architecture == Some("s390x") {
        return s390(reader);
    }
    let named = from_dmi(reader);
    match (info.hypervisor, info.architecture) {
        (true, _) => Some(named.unwrap_or(UNNAMED).to_owned()),
        // x86 always sets the flag; the others have no such flag.
        (false, Some("x86_64" | "i686")) => None,
        (false, _) => named.map(str::to_owned),
    }
}

fn from_dmi(reader: &Reader<'_>) -> Option<&'static str> {
    let texts: Vec<String> = ["sys_vendor", "product_name"]
        .iter()
        .filter_map(|name| reader.some_text(&format!("/sys/class/dmi/id/{name}")))
        .collect();
    let named = |(word, _): &&(&str, &str)| texts.iter().any(|text| text.contains(word));
    VENDORS.iter().find(named).map(|(_, name)| *name)
}

/// `VM00 Control Program` of the first level, or PR/SM where only an LPAR is told.
fn s390(reader: &Reader<'_>) -> Option<String> {
    let text = reader.text("/proc/sysinfo")?;
    let value = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':').map(str::trim))
    };
    match value("VM00 Control Program") {
        Some(program) => Some(program.to_owned()),
        None => value("LPAR Number").map(|_| "PR/SM".to_owned()),
    }
}
