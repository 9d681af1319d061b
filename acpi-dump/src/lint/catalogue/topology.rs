//! Subjects 8 to 19: configuration space, CPUs, memory domains, IOMMUs.

super::checks! {
    MCFG_EMPTY = "mcfg-empty", 8, Error, "the MCFG has no window",
        "Extended configuration space (offsets from 256 on) cannot be reached.",
        "Length of the table.",
        "Firmware bug.",
        "PCI Firmware 3.3, 4.1.2", ["MCFGNoEntries"];
    MCFG_SIZE = "mcfg-size", 8, Error, "the MCFG ends inside a window",
        "The last window is not whole.",
        "Length is not 44 and a multiple of 16.",
        "Firmware bug.",
        "PCI Firmware 3.3, 4.1.2", ["MCFGInvalidSize", "MCFGInvalidSize2"];
    MCFG_BASE = "mcfg-base", 8, Error, "a window of configuration space has a wrong base address",
        "A bus takes 1 MiB; a base that is no multiple of it, or zero, is no base.",
        "Base address of each window.",
        "Firmware bug.",
        "PCI Express 6.0, 7.2.2", [];
    MCFG_BUSES = "mcfg-buses", 8, Error, "a window's last bus is before its first",
        "The window has no bus.",
        "Start and end bus number.",
        "Firmware bug.",
        "PCI Firmware 3.3, 4.1.2", [];
    MCFG_OVERLAP = "mcfg-overlap", 8, Error, "windows of configuration space overlap",
        "One bus has two places, or two buses one.",
        "Buses of each segment and address ranges of all windows.",
        "Firmware bug.",
        "PCI Firmware 3.3, 4.1.2", [];
    MCFG_IN_MEMORY = "mcfg-in-memory", 9, Error, "configuration space lies in usable memory",
        "The system may use the addresses for memory, or the registers are somewhere else.",
        "Windows against the memory map, when it is given.",
        "Do not use the window (Linux: pci=nommconf); ask for a firmware update.",
        "PCI Firmware 3.3, 4.1.2", [];
    MCFG_NOT_RESERVED = "mcfg-not-reserved", 9, Note, "configuration space is reserved neither in the memory map nor by a device",
        "It must be reserved by a motherboard device of the namespace (PNP0C02) and may be by the memory map. Linux uses the window only if one of both says so.",
        "Windows against the memory map, when it is given, and against `_CRS` of PNP0C01 and PNP0C02, when the namespace is given and they are known without the machine.",
        "Firmware bug; without the window, registers from offset 256 on cannot be reached.",
        "PCI Firmware 3.3, 4.1.2", ["MCFGMMIONotReserved"];
    MADT_IO_APIC_ADDRESS = "madt-io-apic-address", 10, Error, "an I/O APIC has no address",
        "Its interrupts cannot be routed.",
        "Address of each I/O APIC and I/O SAPIC.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.12.3", ["MADTIOAPICAddrZero", "MADIOSAPICAddrZero"];
    MADT_IO_APIC_ID_TWICE = "madt-io-apic-id-twice", 10, Warning, "two I/O APICs have the same id",
        "Interrupt remapping names I/O APICs by id.",
        "Ids of all I/O APICs.",
        "Firmware bug; Linux gives one of them a new id.",
        "ACPI 6.5, 5.2.12.3", ["MADIOSAPICNotUnique", "SPECMADTIOAPICNotUnique"];
    MADT_IO_APIC_GSI = "madt-io-apic-gsi", 10, Error, "two I/O APICs begin at the same interrupt",
        "An interrupt number names two pins.",
        "Global system interrupt bases.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.13", [];
    MADT_NO_CPU = "madt-no-cpu", 11, Error, "the MADT lists no CPU that may be used",
        "Systems fall back to one CPU.",
        "CPU entries that are enabled or online-capable.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.12", [];
    MADT_APIC_ID_TWICE = "madt-apic-id-twice", 11, Error, "two enabled CPUs have the same APIC id or MPIDR",
        "One of them is never started, or the same one is started twice.",
        "Enabled entries of all kinds, local APIC and x2APIC together.",
        "Firmware bug; Linux passes over the second one.",
        "ACPI 6.5, 5.2.12.2", [];
    MADT_UID_TWICE = "madt-uid-twice", 11, Warning, "two enabled CPUs have the same processor UID",
        "Objects of the namespace cannot tell them apart: idle and performance states go to the wrong CPU.",
        "Enabled entries of all kinds.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.12.1", [];
    MADT_CPU_ABSENT = "madt-cpu-absent", 11, Warning, "an enabled CPU is not there",
        "The MADT lists a CPU that the other source does not know.",
        "APIC ids of the CPUs that run, when they are given.",
        "It may be switched off by the command line (maxcpus, nosmt); else a firmware bug.",
        "ACPI 6.5, 5.2.12.2", [];
    MADT_UID_NO_OBJECT = "madt-uid-no-object", 11, Note, "an enabled CPU has no object in the namespace",
        "No idle states, no performance states, no hot-plug for it.",
        "Processor ids and integer `_UID`s of ACPI0007 devices, when the namespace is given and has such objects.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.12.1, 8.4", [];
    MADT_OVERRIDE = "madt-override", 12, Warning, "an interrupt override is not of an ISA interrupt, or is there twice",
        "Overrides tell where ISA interrupts 0 to 15 go.",
        "Bus, source and repetition.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.12.5", ["MADTIRQSrcISA"];
    MADT_INTERRUPT_FLAGS = "madt-interrupt-flags", 12, Warning, "reserved polarity or trigger mode",
        "Value 2 of polarity and of trigger mode is reserved.",
        "Flags of overrides, NMI sources, local NMIs and platform interrupts.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.12.5", [];
    MADT_LINT = "madt-lint", 12, Warning, "an NMI is connected to an input that no local APIC has",
        "There are LINT0 and LINT1.",
        "LINT number of local APIC and x2APIC NMIs.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.12.7", [];
    MADT_GIC_FRAME_TWICE = "madt-gic-frame-twice", 13, Warning, "two MSI frames or two ITSs of a GIC have the same id",
        "IORT and drivers name them by id.",
        "GIC MSI frames and interrupt translation services.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.12.16", ["MADTGICMSINonUniqueFrameId", "SPECMADTGICITSNonUniqueId"];
    MADT_GICD = "madt-gicd", 13, Warning, "the GIC distributor is there twice, or its vector base is not zero",
        "There is one distributor, and its system vector base is reserved.",
        "Distributor entries.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.12.15", ["MADTGICDSystemVectorBaseNonZero"];
    MADT_PSCI = "madt-psci", 13, Warning, "several Arm CPUs and no way to start them",
        "Secondary CPUs are started by PSCI or by the parking protocol.",
        "PSCI flag of the FADT and parking protocol version of the MADT.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.9.4, 5.2.12.14", ["MADTArmPsciCompliance"];
    SRAT_OVERLAP = "srat-overlap", 14, Error, "memory ranges of the SRAT overlap",
        "An address would be in two domains. Linux rejects the whole table (SRAT: node overlaps with node).",
        "Enabled memory affinity structures that are not hot-pluggable.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.16.2", [];
    SRAT_RANGE = "srat-range", 14, Error, "a memory range of the SRAT leaves the address space",
        "Base and length do not fit in 64 bits.",
        "Enabled memory affinity structures.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.16.2", [];
    SRAT_EMPTY = "srat-empty", 14, Note, "an enabled memory range of the SRAT has no bytes",
        "It is passed over.",
        "Enabled memory affinity structures of length 0.",
        "The firmware should clear the enabled flag.",
        "ACPI 6.5, 5.2.16.2", [];
    SRAT_DOMAIN_WITHOUT_SLIT = "srat-domain-without-slit", 14, Warning, "a proximity domain has no row in the SLIT",
        "Distances from and to it are unknown; Linux uses 10 and 20 instead.",
        "Highest domain of the SRAT against the number of localities.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.17", [];
    SRAT_CPU_NOT_IN_MADT = "srat-cpu-not-in-madt", 15, Warning, "the SRAT places a CPU that the MADT does not list",
        "The entry has no effect, or ids differ between both tables and every CPU is in the wrong node.",
        "Enabled processor affinity structures against all CPU entries of the MADT.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.16.1", [];
    MADT_CPU_NOT_IN_SRAT = "madt-cpu-not-in-srat", 15, Warning, "the SRAT does not place an enabled CPU",
        "The CPU goes to node 0 or to a node of its own; Linux may reject the SRAT.",
        "Enabled CPUs of the MADT against enabled processor affinity structures.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.16.1", [];
    SLIT_DIAGONAL = "slit-diagonal", 16, Error, "the distance of a locality to itself is not 10",
        "10 is the measure of all other distances. Linux rejects the whole SLIT.",
        "Diagonal of the matrix.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.17", ["SLITBadCornerEntry"];
    SLIT_BELOW_TEN = "slit-below-ten", 16, Error, "a distance is less than 10",
        "Values 0 to 9 are reserved. Linux rejects the whole SLIT.",
        "Every entry beside the diagonal.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.17", ["SLITEntryReserved"];
    SLIT_ASYMMETRIC = "slit-asymmetric", 16, Note, "a distance is not the same in both directions",
        "Allowed, but seldom meant.",
        "Entries of both halves of the matrix.",
        "Compare with measured latencies.",
        "ACPI 6.5, 5.2.17", [];
    SLIT_SIZE = "slit-size", 16, Error, "the SLIT has not as many entries as localities ask for",
        "The matrix is not whole, or the count is absurd.",
        "Number of localities against the length of the table.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.17", ["SLITTooManySystemLocalities"];
    HMAT_DATA_TYPE = "hmat-data-type", 17, Warning, "a matrix of the HMAT measures nothing that is known",
        "The matrix is passed over.",
        "Data type of latency and bandwidth structures.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.28.4", ["HMATBadFDataType"];
    HMAT_BASE_UNIT = "hmat-base-unit", 17, Warning, "a matrix of the HMAT has base unit zero",
        "All its values are zero.",
        "Entry base unit of a matrix that has values.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.28.4", ["HMATBadBaseUnit"];
    HMAT_DOMAIN = "hmat-domain", 17, Warning, "the HMAT names a domain that the SRAT does not have, or none",
        "Latencies and bandwidths belong to no node.",
        "Domains of all structures against those of the SRAT, when there is one; counts of zero.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.28", [];
    HMAT_CACHE = "hmat-cache", 17, Warning, "a memory side cache has an impossible level",
        "There are at most three levels, and a cache is one of them.",
        "Cache attributes.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.28.5", [];
    DMAR_UNIT = "dmar-unit", 18, Error, "a remapping unit has no registers of its own, or there is none",
        "The unit cannot be programmed; Linux reports it and disables the IOMMU.",
        "Register base of each DRHD.",
        "Firmware bug.",
        "Intel VT-d 4.1, 8.3", [];
    DMAR_INCLUDE_ALL = "dmar-include-all", 18, Warning, "a remapping unit comes behind the one that takes all devices left over",
        "The unit with INCLUDE_PCI_ALL must be the last of its segment; systems that stop there miss the others.",
        "Order of the DRHDs of each segment.",
        "Firmware bug.",
        "Intel VT-d 4.1, 8.4", [];
    DMAR_RESERVED = "dmar-reserved", 18, Warning, "a reserved memory region is not sane",
        "A region (RMRR) whose end is before its start, that is not made of whole pages, or that the memory map calls usable. Linux says: Your BIOS is broken; bad RMRR.",
        "Base and limit; the memory map, when it is given.",
        "Firmware bug; devices that use the region may fail when the IOMMU is on.",
        "Intel VT-d 4.1, 8.5", [];
    DMAR_SCOPE = "dmar-scope", 18, Warning, "a device scope names no device",
        "The device is served by another unit than meant.",
        "Type and path of each scope.",
        "Firmware bug.",
        "Intel VT-d 4.1, 8.3.1", [];
    DMAR_DEVICE_ABSENT = "dmar-device-absent", 18, Note, "a device scope names a PCI function that is not there",
        "Common for devices that are switched off in the setup.",
        "Scopes of one step against the list of PCI functions, when it is given.",
        "Nothing, if the device is switched off.",
        "Intel VT-d 4.1, 8.3.1", [];
    DMAR_NAME = "dmar-name", 18, Warning, "an ACPI device of the DMAR is not in the namespace",
        "DMA of the device is not remapped as meant.",
        "Object names of ANDD structures, when the namespace is given.",
        "Firmware bug.",
        "Intel VT-d 4.1, 8.8", [];
    IVRS_REVISION = "ivrs-revision", 19, Warning, "unknown revision of the IVRS",
        "Revision 1 or 2 is defined.",
        "Header.",
        "Compare with the newest specification.",
        "AMD IOMMU 3.08, 5.2.1", ["IVRSBadRevision"];
    IVRS_TYPE = "ivrs-type", 19, Warning, "a block or device entry of the IVRS has an unknown type",
        "The devices that it stands for are not remapped as meant.",
        "Types of blocks, of device entries and of special devices.",
        "Compare with the newest specification.",
        "AMD IOMMU 3.08, 5.2.2", ["IVRSBadType", "IVRSBadIVHDType"];
    IVRS_PADDING = "ivrs-padding", 19, Note, "padding among the device entries of the IVRS",
        "Type 0 is reserved and used as padding.",
        "Device entries of type 0 and 64.",
        "Harmless.",
        "AMD IOMMU 3.08, 5.2.2", ["IVRSBadSubTableType"];
    IVRS_DEVICE_ABSENT = "ivrs-device-absent", 19, Warning, "an IOMMU of the IVRS is not there",
        "The table names a PCI function that the machine does not have.",
        "Device ids of the blocks against the list of PCI functions, when it is given.",
        "The IOMMU may be switched off in the setup.",
        "AMD IOMMU 3.08, 5.2.2", [];
}
