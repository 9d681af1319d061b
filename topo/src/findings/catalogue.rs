//! The findings by id: what each means, how it is seen, what to do. `delid topo explain ID`
//! and `docs/findings.md` print this table.

/// What there is to say of one finding.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Stable id.
    pub id: &'static str,
    /// Title.
    pub title: &'static str,
    /// What it means for the machine.
    pub means: &'static str,
    /// Which facts are compared, and what is left out on purpose.
    pub seen: &'static str,
    /// What to do.
    pub action: &'static str,
}

/// Every finding.
pub const CATALOGUE: &[Entry] = &[
    Entry {
        id: "link-below-capability",
        title: "PCIe link trained below what both ends can do",
        means: "The link runs slower or narrower than port and device allow, so the device gets less bandwidth than it was bought for.",
        seen: "Link Status of the device (or of the port above it) is below the lower of both Link Capabilities, in speed or in width. \
               Not judged: ports with nothing below, root-complex-integrated endpoints, links inside a chip or a card \
               (PCH-internal functions, the switch inside a GPU).",
        action: "Reseat the card or cable, look for the slot's width in the board manual, check the BIOS setting of the slot \
                 (link speed, bifurcation) and the error counters of the port; then retrain or reboot.",
    },
    Entry {
        id: "link-power-saving",
        title: "Display device with a slow link: perhaps idle",
        means: "GPUs lower the speed of their link when idle. The figure says nothing about the link under load.",
        seen: "A function of class 03xx whose link has full width but a lower speed than both ends can do.",
        action: "Read it again while the GPU works. Only if it stays low it is link-below-capability.",
    },
    Entry {
        id: "slot-promises-more",
        title: "Slot is described as faster than its port",
        means: "The firmware calls the slot wider or faster than the port behind it is, and the card in it could use more: \
                either the description is wrong or lanes are used elsewhere (bifurcation, shared slots).",
        seen: "SMBIOS type 9 (slot type, data bus width) against Link Capabilities of the port that leads to the slot's bus address, \
               where the card can do more than the port. Placeholder addresses (00:00.0, ff:1f.7) are ignored.",
        action: "Look up the slot in the board manual and the bifurcation settings in the BIOS; move the card if another slot is free.",
    },
    Entry {
        id: "memory-below-rated",
        title: "Memory modules run below their rated speed",
        means: "All traffic to memory has less bandwidth than the modules are rated for.",
        seen: "SMBIOS type 17: configured memory speed below speed.",
        action: "Often right: the CPU's limit, or two modules in a channel. Compare with the CPU's supported speed and the board's population rules.",
    },
    Entry {
        id: "memory-sockets-unequal",
        title: "Sockets have unequal memory",
        means: "The NUMA nodes differ in capacity or bandwidth; work on the poorer socket goes remote.",
        seen: "SMBIOS type 17: number or total size of modules differs between populated sockets, each slot's socket being known.",
        action: "Populate all sockets alike, following the board's population rules.",
    },
    Entry {
        id: "memory-sockets-contradicted",
        title: "SMBIOS and kernel disagree on where memory is",
        means: "The names of the memory slots do not tell the truth about the sockets (usual in virtual machines); balance between sockets is not judged.",
        seen: "SMBIOS type 17 places no module on a socket whose NUMA nodes have memory.",
        action: "Trust the NUMA nodes. On a real machine report it to the vendor.",
    },
    Entry {
        id: "memory-channels-unequal",
        title: "Memory channels are populated unequally",
        means: "Interleaving over all channels is not possible; bandwidth is lost, and differs over the address range.",
        seen: "SMBIOS type 17: within one socket, channels differ in total size, or some are empty while others are not. \
               Judged only where the channel of every slot is known.",
        action: "Populate every channel with the same capacity.",
    },
    Entry {
        id: "memory-mixed",
        title: "Memory modules of different sizes",
        means: "Mixed sizes limit interleaving to the common part; ranks and timings follow the weakest module.",
        seen: "SMBIOS type 17: more than one size among the populated memory slots (not counting persistent memory and HBM).",
        action: "Use modules of one kind, at least within a socket.",
    },
    Entry {
        id: "device-node-unknown",
        title: "Device without a NUMA node on a NUMA machine",
        means: "Neither kernel nor tools know which CPUs and memory are near the device; interrupts and buffers are placed at random.",
        seen: "The kernel's numa_node is -1 for the function and for every bridge above it, on a machine with several nodes with CPUs.",
        action: "A firmware gap (_PXM missing in ACPI): update the BIOS. Place interrupts and threads by hand until then.",
    },
    Entry {
        id: "device-node-conflict",
        title: "Sources disagree on where a device is",
        means: "The locality that tools derive for this device depends on which file they read.",
        seen: "numa_node of the function differs from the node of the bridge above it, or its local CPUs are not the CPUs of its node.",
        action: "A firmware fault in most cases: update the BIOS; check with a bandwidth test from each node.",
    },
    Entry {
        id: "device-node-bare",
        title: "Device on a node without CPUs or without memory",
        means: "All work for this device crosses the interconnect.",
        seen: "numa_node of the function names a node that has no CPU or no memory.",
        action: "Populate the node's memory, or bring its CPUs online, or move the device.",
    },
    Entry {
        id: "acpi-nodes-differ",
        title: "The kernel's NUMA nodes are not those of the SRAT",
        means: "Programs are placed by nodes that are not the firmware's: NUMA is off, faked, or the kernel refused the table.",
        seen: "By their APIC ids, the CPUs of one node belong to several proximity domains of the SRAT, or those of one domain to several nodes. \
               Numbers may differ: Linux numbers domains as they appear.",
        action: "Look for numa=off or numa=fake on the kernel command line and for \"SRAT\" in the kernel log.",
    },
    Entry {
        id: "acpi-distances-differ",
        title: "The kernel's NUMA distances are not those of the SLIT",
        means: "Placement and reclaim follow other distances than the firmware claims.",
        seen: "A distance between two nodes whose proximity domains are known by their CPUs differs from the SLIT. \
               Linux refuses a whole SLIT whose diagonal is not 10 or that has smaller values elsewhere, and then takes 10 and 20.",
        action: "Look for \"SLIT\" in the kernel log; a refused table is a firmware bug.",
    },
    Entry {
        id: "acpi-cpus-differ",
        title: "The kernel does not have the CPUs that the MADT lists",
        means: "CPUs that the firmware offers are not used, or the tables are of another boot.",
        seen: "Fewer present CPUs than enabled entries of the MADT, or more than all its entries. Offline CPUs are present. \
               A Xen domain sees other CPUs than the tables list: Xen's own CPUs are compared where they are known and dom0 is PV, \
               else nothing.",
        action: "Look for nr_cpus= and possible_cpus= on the kernel command line, and check that the layers are of one boot.",
    },
    Entry {
        id: "acpi-access-differs",
        title: "Memory performance is not that of the HMAT",
        means: "Memory tiers follow other figures than the firmware claims.",
        seen: "Latency or bandwidth of accessN/initiators differs from the HMAT's cell for the same initiator and target.",
        action: "Check that the layers are of one boot; look for \"HMAT\" in the kernel log.",
    },
    Entry {
        id: "acpi-bridge-node-differs",
        title: "Root bus and its host bridge differ on the node",
        means: "The locality of every device below depends on whom one asks.",
        seen: "numa_node of functions on a root bus against the constant _PXM of the host bridge with the same _SEG and _BBN, \
               both nodes known by their CPUs.",
        action: "A firmware fault or a kernel quirk for the board; check with a bandwidth test from each node.",
    },
    Entry {
        id: "acpi-bus-outside-ecam",
        title: "PCI Express bus that the MCFG does not map",
        means: "Their extended configuration space cannot be reached: no AER, SR-IOV, ACS, resizable BARs.",
        seen: "A PCI Express function whose segment and bus no window of the MCFG covers, and of which no more than 256 bytes \
               of configuration space were read. Not judged without an MCFG, and in segments above ffff (VMD).",
        action: "A firmware gap: update the BIOS.",
    },
    Entry {
        id: "microcode-mixed",
        title: "CPUs run different microcode",
        means: "CPUs of one machine behave differently: a mitigation may hold on some and not on others.",
        seen: "The revisions in /proc/cpuinfo (or the loader's version files) of the CPUs differ.",
        action: "Update the BIOS, or boot with an initrd whose update fits all CPUs. A CPU that was offline during a \
                 run-time load keeps the old revision until it comes online.",
    },
    Entry {
        id: "microcode-older",
        title: "A newer microcode is at hand than the one that runs",
        means: "The file, initrd or firmware directory given with --microcode holds an update for these processors that is \
                newer than the revision they run.",
        seen: "CPU signature, platform flags (where known) and revision against the headers of the updates. \
               Whether a loader would take it is another question.",
        action: "Ask delid microcode explain why it was not loaded; then reboot, mend the initrd or update the BIOS.",
    },
    Entry {
        id: "xen-dom0-hidden",
        title: "dom0 of Xen does not see the whole machine",
        means: "The machine is drawn as Xen has it, in Xen's CPU and node numbers. Programs in dom0 see fewer CPUs or less memory \
                than that, and their CPU numbers are those of virtual CPUs.",
        seen: "CPUs and MemTotal of dom0's /sys and /proc against cpu_topology and total_memory of Xen (hypercalls, or the text of \
               xl info -n): fewer CPUs, or less than 7/8 of the memory. Which CPUs dom0 runs on is up to Xen's scheduler, \
               unless dom0_vcpus_pin is on Xen's command line.",
        action: "Nothing: a small dom0 is the usual setting (dom0_max_vcpus=, dom0_mem= on Xen's command line). xl vcpu-list and xl list \
                 tell which domain has the rest.",
    },
    Entry {
        id: "xen-dom0-view",
        title: "dom0 of Xen, and Xen was not asked",
        means: "The picture is what dom0 sees: virtual CPUs and the memory it was given. Sockets, cores, caches and nodes of the \
                machine may be others. Memory modules and PCI are the machine's.",
        seen: "/sys/hypervisor or /proc/xen/capabilities says that this is the control domain, and no source has Xen's own view.",
        action: "Run delid as root in dom0 (it needs /dev/xen/privcmd), or add the text of xl info -n with another --from.",
    },
    Entry {
        id: "xen-guest",
        title: "A guest of Xen",
        means: "All that is drawn is what the hypervisor gave to this guest.",
        seen: "/sys/hypervisor/type is xen, and the domain is not the control domain (start_flags, /proc/xen/capabilities, uuid).",
        action: "For the machine itself, run delid topo in dom0.",
    },
    Entry {
        id: "smbios-damaged",
        title: "SMBIOS data is damaged",
        means: "Facts on slots, modules and sockets may be missing.",
        seen: "Length, count, string index, handle or checksum of a structure is wrong; the rest was decoded.",
        action: "Compare with another capture of the machine. If the live table is wrong, it is a firmware bug: update the BIOS.",
    },
    Entry {
        id: "pci-damaged",
        title: "PCI data is damaged",
        means: "Facts on the named functions may be missing or wrong.",
        seen: "A row of a dump is broken, a capability list does not end properly, or bus numbers contradict each other.",
        action: "Capture again. A live device whose configuration space reads as ff has dropped off the bus.",
    },
    Entry {
        id: "source-damaged",
        title: "A source is damaged",
        means: "Part of a capture could not be read; the rest was used.",
        seen: "A truncated archive, a text that breaks its own grammar, a file of /sys with impossible contents.",
        action: "Capture again, or get the complete file.",
    },
    Entry {
        id: "sources-disagree",
        title: "Two sources say different things",
        means: "The layers are not of the same machine, or not of the same moment.",
        seen: "The same fact has two values in two layers; the first layer's value is used.",
        action: "Check that the layers belong together; leave out the older one.",
    },
];

/// The entry with this id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Entry> {
    CATALOGUE.iter().find(|entry| entry.id == id)
}
