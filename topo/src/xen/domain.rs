//! The domain that Linux runs in: `/sys/hypervisor` and `/proc/xen`.
//!
//! Follows the kernel's `Documentation/ABI/stable/sysfs-hypervisor-xen` and
//! `Documentation/ABI/testing/sysfs-hypervisor-xen`.

use captures::Source;

/// What Linux says of the domain it runs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domain {
    /// Whether it is the control domain, where told.
    pub control: Option<bool>,
    /// "PV", "PVH" or "HVM".
    pub guest_type: Option<String>,
    /// Version of Xen.
    pub version: Option<String>,
}

/// Bit of `properties/features` that dom0 has (`XENFEAT_dom0`).
const DOM0_FEATURE: u32 = 11;

/// Identifier that dom0 has.
const NO_UUID: &str = "00000000-0000-0000-0000-000000000000";

/// Reads what there is; `None` when it is no domain of Xen, or no file says so.
#[must_use]
pub fn read(source: &Source) -> Option<Domain> {
    let text = |path: &str| source.text(path).filter(|text| !text.is_empty());
    let named = text("/sys/hypervisor/type").is_some_and(|name| name == "xen");
    // in a guest the file is there and empty
    let capabilities = source.text("/proc/xen/capabilities");
    if !named && capabilities.is_none() {
        return None;
    }
    let flag = text("/sys/hypervisor/start_flags/initdomain").map(|flag| flag != "0");
    let feature = || {
        let bits = u32::from_str_radix(&text("/sys/hypervisor/properties/features")?, 16).ok()?;
        Some(bits >> DOM0_FEATURE & 1 == 1)
    };
    let listed = || capabilities.as_ref().map(|list| list.contains("control_d"));
    let by_uuid = || text("/sys/hypervisor/uuid").map(|uuid| uuid == NO_UUID);
    let part = |name: &str| text(&format!("/sys/hypervisor/version/{name}"));
    let version = part("major").zip(part("minor")).map(|(major, minor)| {
        let extra = part("extra").unwrap_or_default();
        format!("{major}.{minor}{extra}")
    });
    Some(Domain {
        control: flag.or_else(listed).or_else(feature).or_else(by_uuid),
        guest_type: text("/sys/hypervisor/guest_type"),
        version,
    })
}
