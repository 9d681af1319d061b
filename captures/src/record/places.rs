//! What a capture holds: the places in `/sys` and `/proc` that any command reads.
//!
//! `#` in a name stands for decimal digits, `*` for anything. Names are those of the kernel's ABI
//! documentation (Documentation/ABI/{testing,stable}/sysfs-*).

/// Files.
pub(crate) const FILES: &[&str] = &[
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/possible",
    "/sys/devices/system/cpu/present",
    "/sys/devices/system/cpu/offline",
    "/sys/devices/system/cpu/isolated",
    "/sys/devices/system/cpu/nohz_full",
    "/sys/devices/system/cpu/kernel_max",
    "/sys/devices/system/cpu/smt/*",
    "/sys/devices/system/cpu/vulnerabilities/*",
    "/sys/devices/system/cpu/cpu#/online",
    "/sys/devices/system/cpu/cpu#/cpu_capacity",
    "/sys/devices/system/cpu/cpu#/topology/*",
    "/sys/devices/system/cpu/cpu#/cache/index#/*",
    "/sys/devices/system/cpu/cpu#/cpufreq/cpuinfo_max_freq",
    "/sys/devices/system/cpu/cpu#/cpufreq/cpuinfo_min_freq",
    "/sys/devices/system/cpu/cpu#/cpufreq/base_frequency",
    "/sys/devices/system/cpu/cpu#/acpi_cppc/*_perf",
    "/sys/devices/system/cpu/cpu#/acpi_cppc/*_freq",
    "/sys/devices/system/cpu/cpu#/microcode/version",
    "/sys/devices/system/cpu/cpu#/microcode/processor_flags",
    "/sys/devices/system/cpu/cpu#/regs/identification/*",
    "/sys/devices/cpu/cpus",
    "/sys/devices/cpu_*/cpus",
    "/sys/devices/system/node/online",
    "/sys/devices/system/node/possible",
    "/sys/devices/system/node/has_*",
    "/sys/devices/system/node/node#/cpumap",
    "/sys/devices/system/node/node#/cpulist",
    "/sys/devices/system/node/node#/meminfo",
    "/sys/devices/system/node/node#/distance",
    "/sys/devices/system/node/node#/access#/initiators/*",
    "/sys/devices/system/node/node#/access#/targets/*",
    "/sys/devices/system/node/node#/memory_side_cache/index#/*",
    "/sys/devices/system/memory/block_size_bytes",
    "/sys/devices/virtual/memory_tiering/memory_tier#/*",
    "/sys/bus/pci/slots/*/address",
    "/sys/bus/pci/slots/*/power",
    "/sys/bus/pci/slots/*/cur_bus_speed",
    "/sys/bus/pci/slots/*/max_bus_speed",
    "/sys/bus/cxl/devices/*/*",
    "/sys/bus/dax/devices/*/size",
    "/sys/bus/dax/devices/*/numa_node",
    "/sys/bus/dax/devices/*/target_node",
    "/sys/bus/nd/devices/*/devtype",
    "/sys/bus/nd/devices/*/size",
    "/sys/bus/nd/devices/*/numa_node",
    "/sys/bus/nd/devices/*/mode",
    "/sys/bus/nd/devices/*/type",
    "/sys/bus/nd/devices/*/available_size",
    "/sys/bus/nd/devices/*/holder",
    "/sys/bus/nd/devices/*/namespace",
    "/sys/firmware/acpi/tables/*",
    "/sys/firmware/acpi/tables/dynamic/*",
    "/sys/firmware/acpi/tables/data/*",
    "/sys/firmware/acpi/bgrt/*",
    "/sys/firmware/dmi/tables/*",
    "/sys/firmware/efi/fw_platform_size",
    "/sys/firmware/memmap/*/*",
    "/sys/class/dmi/id/*",
    "/sys/hypervisor/*",
    "/sys/hypervisor/version/*",
    "/sys/hypervisor/properties/*",
    "/sys/kernel/iommu_groups/*/type",
    "/sys/class/net/*/address",
    "/sys/class/net/*/speed",
    "/sys/class/net/*/operstate",
    "/sys/class/block/*/size",
    "/sys/class/block/*/removable",
    "/sys/class/block/*/queue/rotational",
    "/sys/class/block/*/wwid",
    "/sys/class/block/*/serial",
    "/sys/class/nvme/*/model",
    "/sys/class/nvme/*/serial",
    "/sys/class/nvme/*/firmware_rev",
    "/sys/class/infiniband/*/node_type",
    "/sys/class/infiniband/*/node_guid",
    "/sys/class/infiniband/*/ports/#/rate",
    "/sys/class/infiniband/*/ports/#/state",
    "/sys/class/infiniband/*/ports/#/link_layer",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/cmdline",
    "/proc/version",
    "/proc/iomem",
    "/proc/modules",
    "/proc/mounts",
    "/proc/self/mounts",
    "/proc/self/cgroup",
    "/proc/self/cpuset",
    "/proc/sysinfo",
    "/proc/sys/kernel/arch",
    "/proc/sys/kernel/hostname",
    "/proc/driver/nvidia/gpus/*/numa_status",
    "/etc/os-release",
];

/// Symbolic links; what they point at is kept as a directory.
pub(crate) const LINKS: &[&str] = &[
    "/sys/bus/cxl/devices/*",
    "/sys/bus/dax/devices/*",
    "/sys/bus/dax/devices/*/driver",
    "/sys/bus/nd/devices/*",
    "/sys/bus/nd/devices/*/driver",
    "/sys/bus/pci/drivers/*/module",
    "/sys/kernel/iommu_groups/*/devices/*",
    "/sys/devices/system/node/node#/access#/initiators/node#",
    "/sys/devices/system/node/node#/access#/targets/node#",
    "/sys/devices/system/node/node#/cpu#",
];

/// Files of a control group (version 2, version 1, and the cpuset file system before them).
pub(crate) const CPUSET_FILES: &[&str] = &[
    "cpuset.cpus",
    "cpuset.cpus.effective",
    "cpuset.mems",
    "cpuset.mems.effective",
    "cpuset.effective_cpus",
    "cpuset.effective_mems",
    "cpus",
    "effective_cpus",
    "mems",
    "effective_mems",
];

/// Classes whose members say which operating-system device a function is.
pub(crate) const CLASSES: &[&str] = &[
    "accel",
    "block",
    "dax",
    "dma",
    "drm",
    "fc_host",
    "infiniband",
    "kfd",
    "mic",
    "mmc_host",
    "net",
    "nvme",
    "scsi_host",
    "sound",
    "usb_controller",
    "ve",
    "cxl",
    "iommu",
];

/// Files of a PCI function.
pub(crate) const PCI_FILES: &[&str] = &[
    "uevent",
    "config",
    "class",
    "vendor",
    "device",
    "subsystem_*",
    "revision",
    "resource",
    "numa_node",
    "local_cpulist",
    "local_cpus",
    "current_link_*",
    "max_link_*",
    "secondary_bus_number",
    "subordinate_bus_number",
    "sriov_*",
    "label",
    "index",
    "acpi_index",
    "power_state",
    "enable",
    "aer_dev_*",
    "aer_rootport_*",
    "irq",
    "modalias",
    "d3cold_allowed",
    "reset_method",
    "boot_vga",
    "dma_mask_bits",
];

/// Symbolic links of a PCI function.
pub(crate) const PCI_LINKS: &[&str] = &["driver", "iommu_group", "physfn", "virtfn#", "firmware_node"];

/// Whether `name` is one that `pattern` stands for.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.find(['*', '#']) {
        None => pattern == name,
        Some(at) => {
            let (fixed, rest) = pattern.split_at(at);
            let Some(name) = name.strip_prefix(fixed) else {
                return false;
            };
            match rest.strip_prefix('*') {
                Some("") => true,
                Some(end) => name.strip_suffix(end).is_some(),
                None => {
                    let after = name.trim_start_matches(|letter: char| letter.is_ascii_digit());
                    after.len() < name.len() && matches(rest.get(1..).unwrap_or(""), after)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_stand_for_names() {
        assert!(matches("cpu#", "cpu10"));
        assert!(!matches("cpu#", "cpufreq"));
        assert!(!matches("cpu#", "cpu10x"));
        assert!(matches("*_perf", "highest_perf"));
        assert!(!matches("*_perf", "perf"));
        assert!(matches("aer_dev_*", "aer_dev_fatal"));
        assert!(matches("class", "class") && !matches("class", "classes"));
    }
}
