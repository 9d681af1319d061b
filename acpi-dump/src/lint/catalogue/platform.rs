//! Subjects 20, 21, 24 to 27 and 30: Arm, caches, channels, CXL, DIMMs, consoles, security.

super::checks! {
    IORT_REVISION = "iort-revision", 20, Note, "a node of the IORT is newer than the document",
        "Fields may mean something else.",
        "Revision of each node.",
        "Compare with the newest document.",
        "Arm DEN0049 E.f, 3.1", ["IORTNodeRevisionInvalid"];
    IORT_NO_MAPPINGS = "iort-no-mappings", 20, Warning, "an ITS group has ID mappings",
        "It is the end of all mappings.",
        "Number and offset of ID mappings of ITS groups.",
        "Firmware bug.",
        "Arm DEN0049 E.f, 3.1.1.1", ["IORTNodeMappingsCountNonZero", "IORTNodeRefToIdArrayNonZero"];
    IORT_OUTSIDE = "iort-outside", 20, Error, "a node of the IORT has an array outside of itself",
        "Foreign bytes are taken for mappings or ITSs.",
        "ID mappings and ITS lists against the length of the node.",
        "Firmware bug.",
        "Arm DEN0049 E.f, 3.1", ["IORTIdMappingOutsideTable", "IORTItsIdArrayOutsideTable", "IORTMemRangeDescriptorOutsideTable", "IORTSmmuGlobalInterruptsOutsideTable", "IORTSmmuInterruptsOutsideTable"];
    IORT_REFERENCE = "iort-reference", 20, Error, "an ID mapping leads nowhere",
        "Interrupts or DMA of the devices cannot be mapped.",
        "Output reference of each ID mapping: an SMMU, an ITS group or an interrupt wire bridge begins there.",
        "Firmware bug.",
        "Arm DEN0049 E.f, 3.1.1", [];
    IORT_COHERENCY = "iort-coherency", 20, Warning, "memory access properties contradict each other",
        "Caches may be flushed too seldom or too often.",
        "Cache coherency 0 or 1; a device that is not coherent has no coherent cacheable path.",
        "Firmware bug.",
        "Arm DEN0049 E.f, 3.1.1.3", ["IORTCacheCoherentAttrInvalid", "IORTMemAttrInvalid"];
    IORT_MODEL = "iort-model", 20, Note, "unknown model of an SMMU",
        "Workarounds for a model are not applied.",
        "Model of SMMUv1, v2 and v3 nodes.",
        "Compare with the newest document.",
        "Arm DEN0049 E.f, 3.1.1.4", ["IORTSmmuInvalidModel", "IORTSmmuv3InvalidModel"];
    IORT_NAME = "iort-name", 20, Warning, "a named component of the IORT is not in the namespace",
        "Its DMA is not mapped as meant.",
        "Device object names, when the namespace is given.",
        "Firmware bug.",
        "Arm DEN0049 E.f, 3.1.1.2", [];
    PPTT_REFERENCE = "pptt-reference", 21, Error, "a reference of the PPTT leads to no structure of the right kind",
        "CPU topology and caches are wrong.",
        "Parents, next levels and private resources.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.30", [];
    PPTT_CYCLE = "pptt-cycle", 21, Error, "references of the PPTT go in a circle",
        "A reader without a limit never ends.",
        "Parents and next levels followed from every structure.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.30", [];
    PPTT_LENGTH = "pptt-length", 21, Warning, "a processor structure has not room for its private resources",
        "Foreign bytes are taken for references.",
        "Number of private resources against the length.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.30.1", ["PPTTBadProcessorLength"];
    PPTT_UID = "pptt-uid", 21, Warning, "a processor of the PPTT is not in the MADT",
        "The CPU has no topology.",
        "Valid ids of leaves against the UIDs of the MADT.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.30.1", [];
    PCCT_REGISTER = "pcct-register", 24, Warning, "a register of a PCC subspace is in an address space that is not allowed",
        "The doorbell cannot be rung.",
        "Address spaces of the registers that are used: memory and I/O, from type 1 on fixed hardware too.",
        "Firmware bug.",
        "ACPI 6.5, 14.1", ["PCCTBadAddressSpaceId"];
    PCCT_MEMORY = "pcct-memory", 24, Warning, "the shared memory of a PCC subspace has no room or no address",
        "No command fits.",
        "Base address and length.",
        "Firmware bug.",
        "ACPI 6.5, 14.1", ["PCCTBadSubtypeMemoryLength"];
    PCCT_INTERRUPT = "pcct-interrupt", 24, Warning, "a responder subspace without platform interrupt",
        "Messages of the platform are not seen.",
        "Flags of the PCCT when there is a subspace of type 4.",
        "Firmware bug.",
        "ACPI 6.5, 14.1.1", ["PCCTBadFlags"];
    CEDT_BRIDGE_LENGTH = "cedt-bridge-length", 25, Warning, "a CXL host bridge has registers of a wrong length",
        "8 KiB for CXL 1.1, 64 KiB for CXL 2.0.",
        "Length against version.",
        "Firmware bug.",
        "CXL 3.1, 9.18.1.2", ["CEDTBadCHBSLength"];
    CEDT_VERSION = "cedt-version", 25, Warning, "a CXL host bridge has an unknown version",
        "Its registers cannot be read.",
        "Version 0 or 1.",
        "Compare with the newest specification.",
        "CXL 3.1, 9.18.1.2", ["CEDTBadCXLVersion"];
    CEDT_WINDOW = "cedt-window", 25, Error, "a CXL memory window is not one",
        "Base and size are multiples of 256 MiB (size: times the ways); ways, granularity and number of targets agree; windows do not overlap.",
        "Fields of each window.",
        "Firmware bug; Linux passes over the window.",
        "CXL 3.1, 9.18.1.3", ["CEDTBadInterleaveArithmetic"];
    CEDT_TARGET = "cedt-target", 25, Error, "a CXL memory window names a host bridge that is not there",
        "Memory behind it cannot be found.",
        "Targets against UIDs of host bridges.",
        "Firmware bug.",
        "CXL 3.1, 9.18.1.3", [];
    CEDT_PROTOCOL = "cedt-protocol", 25, Warning, "a downstream port association has an unknown protocol",
        "Errors of the port are not assigned.",
        "Protocol type 0 or 1.",
        "Firmware bug.",
        "CXL 3.1, 9.18.1.5", ["CEDTBadProtocolType"];
    NFIT_INDEX = "nfit-index", 26, Error, "an index of the NFIT names nothing, or two structures",
        "DIMMs and ranges cannot be brought together.",
        "Indices of ranges, interleaves and control regions; references of region mappings.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.26", ["NFITBadRangeIndexZero", "NFITBadRegionIndex"];
    NFIT_GUID = "nfit-guid", 26, Note, "unknown kind of range in the NFIT",
        "The range is passed over.",
        "GUID of each range.",
        "Compare with the newest specification.",
        "ACPI 6.5, 5.2.26.2", [];
    NFIT_RANGE = "nfit-range", 26, Warning, "a range of the NFIT has no bytes",
        "Nothing can be stored in it.",
        "Length of each range.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.26.2", [];
    CONSOLE_VALUE = "console-value", 27, Warning, "a console or debug port has a value that is not defined",
        "The console stays silent, or uses another speed.",
        "Types, speeds, parity, stop bits, terminals; revision and port types of debug devices.",
        "Compare with the newest specification.",
        "Microsoft SPCR 1.10, DBG2 1.6", ["SPCRInterfaceReserved", "SPCRBaudRateReserved", "SPCRTerminalTypeReserved", "SPCRIllegalIRQ", "SPCRBadFieldValue", "DBG2BadFieldValue", "DBG2PortSubTypeReserved", "DBG2PortTypeReserved", "DBGPReservedInterfaceType"];
    CONSOLE_PCI = "console-pci", 27, Warning, "half of a PCI identity of the console",
        "0xffff in both ids stands for no PCI device.",
        "Device and vendor id of the SPCR.",
        "Firmware bug.",
        "Microsoft SPCR 1.10", ["SPCRPciDeviceID", "SPCRPciVendorID"];
    CONSOLE_REGISTER = "console-register", 27, Warning, "registers of a console or debug port have width 0",
        "Access goes wrong or is refused.",
        "Register bit width of addresses that are set.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.3.2", ["DBGPBaseAddrBitWidthZero", "DBG2InvalidGasWidth"];
    CONSOLE_NAME = "console-name", 27, Warning, "a console or debug port is not in the namespace",
        "The system cannot keep its drivers away from the port.",
        "Namespace strings, when the namespace is given.",
        "Firmware bug.",
        "Microsoft DBG2 1.6", ["DBG2DeviceNotFound"];
    WSMT_NONE = "wsmt-none", 30, Note, "the WSMT claims no mitigation",
        "The firmware does not promise that its SMM code checks pointers that come from the system.",
        "Protection flags are zero.",
        "Look for a firmware update.",
        "Microsoft WSMT", [];
    WSMT_FLAGS = "wsmt-flags", 30, Warning, "flags of the WSMT contradict each other",
        "Nested pointers are only protected together with fixed buffers.",
        "Protection flags.",
        "Firmware bug.",
        "Microsoft WSMT", ["WSMTBadFlagsValue"];
    WPBT_PRESENT = "wpbt-present", 30, Note, "the firmware brings a program that Windows runs",
        "Windows starts it at boot, on every installation: asset tracking, drivers of the maker, or worse.",
        "A WPBT.",
        "Find out what it is; some setups can switch it off.",
        "Microsoft WPBT", [];
    WPBT_VALUE = "wpbt-value", 30, Warning, "layout or type of the WPBT is not defined",
        "Windows does not run the program.",
        "Content layout and type.",
        "Firmware bug.",
        "Microsoft WPBT", ["WPBTBadFieldValue", "WPBTBadArgumentLength"];
    TPM_START_METHOD = "tpm-start-method", 30, Warning, "the TPM has a start method that is not defined",
        "The TPM cannot be used.",
        "Start method of the TPM2 table.",
        "Compare with the newest specification.",
        "TCG ACPI 1.3, 8", ["TPM2BadStartMethod"];
    TPM_CLASS = "tpm-class", 30, Note, "the TPM has an unknown platform class",
        "0 client or 1 server.",
        "Platform class of the TPM2 table.",
        "Firmware bug.",
        "TCG ACPI 1.3, 8", ["TPM2BadPlatformClass"];
    TPM_ADDRESS = "tpm-address", 30, Error, "the TPM's control area has no address",
        "The TPM cannot be used.",
        "Address of the control area for start methods that need it.",
        "Firmware bug, or the TPM is switched off.",
        "TCG ACPI 1.3, 8", [];
    ECDT_ID = "ecdt-id", 30, Warning, "the embedded controller's path is no path",
        "It cannot be brought together with its device. Linux ignores the ECDT then.",
        "EC_ID of the ECDT; that the object exists, when the namespace is given.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.15", ["ECDTBadECIDString"];
    ECDT_REGISTER = "ecdt-register", 30, Error, "the embedded controller has no registers",
        "It cannot be used before the namespace is loaded.",
        "Address space and address of both registers.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.15", [];
    OSI_LINUX = "osi-linux", 30, Note, "the firmware asks for Linux",
        "Linux answers no to `_OSI (\"Linux\")`; firmware that asks was often never tried with the other answer.",
        "The call with a constant text in a DSDT or SSDT.",
        "Look at what the answer changes.",
        "ACPI 6.5, 5.7.2", [];
}
