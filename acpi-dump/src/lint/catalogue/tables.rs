//! Subjects 1 to 7: tables as a whole, the FADT, single fields.

super::checks! {
    TABLE_CHECKSUM = "table-checksum", 1, Error, "the checksum of a table is wrong",
        "The bytes of a table sum to zero modulo 256. If they do not, the table was changed after it was built, or it was read wrongly. Linux prints a warning and uses the table all the same; other systems reject it.",
        "Sum of all bytes by the length in the header. The FACS has no checksum.",
        "Dump the table again. If the sum stays wrong, look for a firmware update; distrust what the table says.",
        "ACPI 6.5, 5.2.6", ["ACPITableChecksum", "SPECMADTChecksum", "SPECRHCTChecksum"];
    RSDP_CHECKSUM = "rsdp-checksum", 1, Error, "a checksum of the RSDP is wrong",
        "The RSDP has one checksum over its first 20 bytes and one over all. A system that searches memory for it passes over an RSDP whose sum is wrong.",
        "Both sums.",
        "As for any table: dump again, then ask for a firmware update.",
        "ACPI 6.5, 5.2.5.3", ["ACPITableChecksumRSDP", "ACPITableCheckSumShortRSDP", "RSDPBadFirstChecksum", "RSDPBadSecondChecksum"];
    TABLE_BROKEN = "table-broken", 2, Error, "bytes that are no table",
        "What stands where a table should be does not even have a whole header.",
        "Fewer bytes than a header, or bytes of the header missing from a dump.",
        "Dump the tables again; look at the faults of the dump.",
        "ACPI 6.5, 5.2.6", ["ACPITableHdrShort"];
    TABLE_LENGTH = "table-length", 2, Error, "fewer bytes than the header says",
        "The header states a length that the bytes do not have. Everything behind the end is unknown and the checksum says nothing.",
        "Length in the header against the number of bytes, or against the length of a header.",
        "Dump the table again; a text dump may be cut.",
        "ACPI 6.5, 5.2.6", ["MISCOutOfRangeOffset", "STAOBadLength"];
    TABLE_TRAILING = "table-trailing", 2, Warning, "more bytes than the header says",
        "The dump has bytes behind the end of the table; they are not used.",
        "Length in the header against the number of bytes.",
        "Mostly a fault of the dump; compare with a binary dump.",
        "ACPI 6.5, 5.2.6", [];
    STRUCTURE_UNREADABLE = "structure-unreadable", 2, Error, "the rest of a list cannot be read",
        "An entry's length is zero or shorter than its head, or its type tells no length, so nobody knows where the next one begins. Systems stop there and lose what follows.",
        "Type and length of each entry.",
        "Firmware bug: report it with the offset.",
        "ACPI 6.5, 5.2", ["HESTInvalidType", "ASF!InfoRecordTooShort", "CSRTToosShort", "CSRTResourceGroupLengthFieldTooShort", "CSRTResourceDescriptorLengthFieldTooShort", "LPITTooShort"];
    STRUCTURE_LENGTH = "structure-length", 2, Warning, "a structure has not the length that its kind or its counts ask for",
        "A structure ends inside its fields, counts more elements than it has room for, or points outside of the table. Readers that trust the count read foreign bytes.",
        "Fields, counts and offsets of each structure against its length; fields may end where an earlier revision of the specification ended.",
        "Firmware bug; what is there is still read.",
        "ACPI 6.5, 5.2; the section of each table", ["ASF!InfoRecordLengthTooLong", "ASF!TooShort", "ASF!AddrRecordTooShort", "ASF!AlrtRecordTooShort", "ASF!RctlRecordTooShort", "ASF!RmcpRecordTooShort", "ASF!AddrArrayElementLengthInvalid", "BOOTTooShort", "CCELBadTableLength", "CSRTResourceGroupTooShort", "DBG2TooShort", "DRTMOutOfBound", "ECDTBadLength", "ERSTTooManyEntries", "FPDTHostBootPerfPtrBadLength", "FPDTS3PerfPrtRecBadLength", "FPDTPerformanceRecordOutsideTable", "GTDTInvalidBlockLength", "GTDTShortBlock", "GTDTShortWatchDogTimer", "GTDTInvalidWatchDogTimeLength", "HESTGenericHardwareErrorSourceTooShort", "HESTIA32CorrectedMachineCheckTooShort", "HESTIA32MachineCheckTooShort", "HESTPciExpressBridgeAerTooShort", "HESTPciExpressDeviceAerTooShort", "HESTPciExpressRootPortAerTooShort", "HMATBadNumberOfSMBIOS", "HPETAcpiTableTooSmall", "LPITNativeCStateLpitShort", "MADTLSAPICLength", "MPSTOutOfBound", "MSCTBadProximityOffset", "MSDMDataLengthInvalid", "NFITSubtableLength", "NHLTFieldTooShort", "NHLTShortEndpoint", "NHLTTableTooSmall", "PCCTBadSubspaceLength", "PDTTBadIDCount", "PDTTBadTableLength", "PHATOutOfRangeOffset", "RAS2TooShort", "RASFBadLength", "RHCTBadISAStringLength", "RHCTNodeCMOShort", "RHCTNodeHartInfoShort", "RHCTNodeISAStringShort", "RHCTNodeMMUShort", "SLICShortPublicKeyStructure", "SLICShortWindowsMarkerStructure", "SRATGICCAffinityShort", "SRATITSAffinityShort", "SRATInitiatorAffinityShort", "SRATLocalApicSapicAffinityShort", "SRATLocalx2apicAffinityShort", "SRATMemoryAffinityShort", "SRATPortAffinityShort", "SRATRintcAffinityShort", "SVKLBadTableLength", "UEFIDataOffset", "VIOTOutOfRangeOffset", "WDATBadLength", "XENVAcpiTableTooSmall", "APMTOutOfRangeOffset", "ASPTOutOfRangeOffset", "FACSInvalidLength", "RSDPBadLength", "MPSTBadPowerNodeLength", "SVKLTooShort", "IORTTooShort", "HMATBadNumProximityDomain"];
    STRUCTURE_TRAILING = "structure-trailing", 2, Note, "bytes at the end of a structure that nothing describes",
        "A structure is longer than its fields: a newer revision, padding, or a wrong length.",
        "Bytes left over behind the last field.",
        "Compare with the newest specification; harmless in most cases.",
        "ACPI 6.5, 5.2", [];
    RSDT_NULL_ENTRY = "rsdt-null-entry", 2, Error, "an entry of the RSDT or XSDT is zero",
        "The root table lists a table at address zero. Some systems stop reading there, others read memory at zero.",
        "Entries of RSDT and XSDT.",
        "Firmware bug; tables behind the entry may be missing from the dump.",
        "ACPI 6.5, 5.2.7, 5.2.8", ["RSDTEntryNull", "XSDTEntryNull"];
    RSDP_ADDRESS = "rsdp-address", 2, Error, "the RSDP names no root table, or has an unknown revision",
        "Without RSDT or XSDT no table is found.",
        "Both addresses and the revision.",
        "Firmware bug, or a dump that does not know the addresses.",
        "ACPI 6.5, 5.2.5.3", ["RSDPNoAddressesFound", "RSDPNullRSDTPointer", "RSDPBadRevisionId"];
    TABLE_TWICE = "table-twice", 3, Warning, "a table of which systems use one is there twice, with the same contents",
        "Harmless as long as both stay the same.",
        "Same signature, same bytes behind the header; tables like SSDT, of which there may be many, not looked at.",
        "Nothing; note it when the firmware is updated.",
        "ACPI 6.5, 5.2", [];
    TABLE_TWICE_DIFFERENT = "table-twice-different", 3, Error, "a table of which systems use one is there twice, with different contents",
        "Systems use the first one, or the last one, or the better one: two of them may see two machines. Linux takes the first unless told otherwise (acpi_apic_instance for the MADT).",
        "Same signature, different bytes behind the header; the offset is that of the first difference.",
        "Compare both with `delid acpi show`; find out which one the running system uses.",
        "ACPI 6.5, 5.2", ["MultipleAPICMADT"];
    FADT_DSDT_BOTH = "fadt-dsdt-both", 4, Error, "DSDT and X_DSDT are both set and differ",
        "A 32-bit system takes one DSDT, a 64-bit system another.",
        "Both fields of the FADT.",
        "Firmware bug; ACPICA takes the 64-bit address unless told otherwise.",
        "ACPI 6.5, 5.2.9", ["FADT32And64Mismatch"];
    FADT_FACS_BOTH = "fadt-facs-both", 4, Warning, "FIRMWARE_CTRL and X_FIRMWARE_CTRL are both set and differ",
        "Two FACS: the waking vector and the global lock may be sought in the wrong one, which is seen as a resume from S3 that fails.",
        "Both fields of the FADT. If the 64-bit field is set, the 32-bit one should be zero.",
        "Firmware bug; ACPICA takes the 32-bit address unless told otherwise.",
        "ACPI 6.5, 5.2.9", [];
    FADT_DSDT_NONE = "fadt-dsdt-none", 4, Error, "the FADT has no address of the DSDT",
        "No namespace: no ACPI device is found.",
        "DSDT and X_DSDT are zero.",
        "Firmware bug, or a FADT that was edited.",
        "ACPI 6.5, 5.2.9", ["FADTDSDTNull", "FADTOneDSDTNull"];
    FADT_FACS_NONE = "fadt-facs-none", 4, Warning, "the FADT has no address of the FACS",
        "No global lock and no waking vector: S3 cannot be resumed from.",
        "FIRMWARE_CTRL and X_FIRMWARE_CTRL are zero and the hardware-reduced flag is clear.",
        "Expected on some virtual machines; else a firmware bug.",
        "ACPI 6.5, 5.2.9", ["FADTFACSZero", "FACSMustBePresent", "FADT32BitFACSNull"];
    FADT_BLOCK_ADDRESS = "fadt-block-address", 5, Warning, "a register block has another address in its 64-bit field",
        "Systems use the 64-bit field if it is set; older ones the other port.",
        "PM1a, PM1b, PM2, PM timer, GPE0 and GPE1 blocks and their X_ forms.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.9", ["FADTPM1CNTAddrMismatch"];
    FADT_BLOCK_WIDTH = "fadt-block-width", 5, Note, "a register block has another width than its length field says",
        "Linux prints a 32/64X length mismatch and uses the length field.",
        "Register bit width of the X_ blocks against eight times the length field, where that fits in a byte.",
        "Harmless in most cases; wrong widths of PM1 blocks break power buttons and sleep.",
        "ACPI 6.5, 5.2.9", ["FADTPM1CNTSizeMismatch", "FADTPM1AInvalidWidth"];
    FADT_BLOCK_LENGTH = "fadt-block-length", 5, Warning, "a register block is shorter than its registers",
        "PM1 event blocks have at least 4 bytes, control blocks 2, the timer 4; GPE blocks an even number.",
        "Length fields of blocks that have an address.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.9", ["FADTBadGPE0BLKLEN", "FADTBadGPE1BLKLEN", "FADTBadPMTMRLEN", "FADTPm1CntLenTooSmall", "FADTPm1EvtLenTooSmall", "FADTPm2CntLenTooSmall", "FADTPmTmrLenInconsistent", "FADTGPE1BlkLenInconsistent"];
    FADT_BLOCK_NONE = "fadt-block-none", 5, Error, "a register block that must be there has no address",
        "Without PM1a blocks there are no fixed events and no sleep states.",
        "PM1a event and control block, unless the hardware-reduced flag is set.",
        "Firmware bug, or the hardware-reduced flag is missing.",
        "ACPI 6.5, 5.2.9", ["FADTPm1aEvtBlkNotSet", "FADTPm1aCntBlkNotSet"];
    FADT_SCI_ZERO = "fadt-sci-zero", 6, Warning, "the SCI is interrupt 0",
        "Interrupt 0 is the timer on PC hardware; ACPI events would not be seen.",
        "SCI_INT, unless the hardware-reduced flag is set.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.9", ["FADTSCIIRQZero"];
    FADT_SMI = "fadt-smi", 6, Warning, "SMI command port and command values contradict each other",
        "With no port the values have no use; with a port ACPI must be enabled and disabled by different values.",
        "SMI_CMD against ACPI_ENABLE, ACPI_DISABLE, S4BIOS_REQ, PSTATE_CNT, CST_CNT, unless the hardware-reduced flag is set.",
        "Firmware bug, harmless where ACPI mode is always on.",
        "ACPI 6.5, 5.2.9", ["FADTSMICMDZero", "SMMHasExtraCSTCntCmd", "SMMHasExtraPstateCntCmd", "SMMNeedsAcpiDisableCmd", "SMMNeedsAcpiEnableCmd"];
    FADT_REDUCED = "fadt-reduced", 6, Note, "hardware-reduced ACPI with fields of full hardware",
        "The flag says that these registers are not there; their fields are ignored.",
        "SMI commands and register blocks that are not zero while the hardware-reduced flag is set.",
        "Clear the fields or the flag; systems go by the flag.",
        "ACPI 6.5, 4.1, 5.2.9", ["FADTRHWNonZero"];
    RESERVED_FIELD = "reserved-field", 7, Note, "a reserved field is not zero",
        "Either firmware does not clear its tables, or it follows a newer specification than the one decoded here.",
        "Fields that the layout marks as reserved.",
        "Compare with the newest specification; harmless in most cases.",
        "the section of each table", ["AESTReservedNonZero", "AGDIReservedNonZero", "ASF!ReservedNonZero", "ASPTReservedNonZero", "CEDTReservedNonZero", "CSRTResourceGroupReservedFieldNonZero", "DBG2ReservedNonZero", "ERSTReservedNonZero", "FACSInvalidReserved1", "FACSNotReserved", "FPDTReservedNonZero", "GTDTBlockTimerReservedNotZero", "GTDTInvalidBlockReserved", "GTDTInvalidWatchDogReserved", "IORTReservedNonZero", "IVRSReservedNonZero", "MADTGICCReservedNonZero", "MADTGICCReserved2NonZero", "MADTGICDReservedNonZero", "MADTGICDReserved2NonZero", "MADTGICMSIReservedNonZero", "MADTGICRReservedNonZero", "MADTLSAPICReservedNonZero", "MADTLX2APICReservedNonZero", "MADTRINTCReservedNonZero", "PDTTReservedNonZero", "PHATReservedNonZero", "RAS2ReservedNonZero", "RHCTNodeCMOReserved", "RHCTNodeMMUReserved", "SPECMADTGICITSReservedNonZero", "SPECMADTGICITSReserved2NonZero", "SPECMADTIOSAPICReserved", "SPECMADTLAPICOVRReserved", "SRATLocalx2apicReserved1", "WDATReservedNonZero"];
    RESERVED_BITS = "reserved-bits", 7, Note, "reserved bits are set",
        "As for a reserved field.",
        "Bits of flags fields that the layout has no name for.",
        "Compare with the newest specification; harmless in most cases.",
        "the section of each table", ["ASF!ReservedBitsNonZero", "ASPTReservedBitsNonZero", "CEDTReservedBitsNonZero", "DRTMReservedBitsNonZero", "ERSTIInvalidFlag", "HESTIA32FlagsReserved", "HESTIA32CorrectedMachineCheckFlagsReserved", "HMATBadCacheAttributeReserved", "IORTReservedBitsNonZero", "IORTNamedComponentNodeFlagsNonZero", "IORTPCIRootComplexNodeFlagsInvalid", "IVRSReservedBitsNonZero", "MADTFlagsNonZero", "MADTGICFLags", "MADTGICMSIFLags", "MADTGICRReservedFlags", "MADTPlatIRQSrcFlagsNonZero", "MADTRINTCFlags", "NFITBadMemoryMappingAttribute", "PDTTReservedBitsNonZero", "RHCTFlagsNonZero", "SDEVReservedBitsNonZero", "SPECMADTGICITSReservedFlags", "XENVReservedBitsNonZero", "MADTIRQSrcFlags", "MADTLAPICNMIFlags", "MADTLAPICX2APICNMIFlags", "MADTNMISrcFlags", "MADTPlatIRQSrcFlags", "SPCRIllegalReservedInterruptType"];
    FIELD_VALUE = "field-value", 7, Warning, "a field holds a value that its specification does not define",
        "A reader does not know what to make of it, or takes it for something else.",
        "Fields with a closed list of values: types, versions, revisions, counts.",
        "Compare with the newest specification; else a firmware bug.",
        "the section of each table", ["ASF!InfoMinPollWaitTimeInvalid", "ASF!AlrtNumOfAlertsInvalid", "ASF!AlrtArrayElementLengthInvalid", "ASF!RctlArrayElementLengthInvalid", "ASF!RctlCtrlFuncInvalid", "CCELBadCCType", "CSRTResourceDescriptorResourceTypeInvalid", "CSRTResourceDescriptorResourceSubTypeInvalid", "CSRTResourceDescriptorReservedUID", "DRTMBadResourceType", "FADTPMProfile", "FPDTBadFieldValue", "HPETAcpiBaseAddressNull", "HPETAcpiBaseAddressSpaceId", "HPETAcpiBaseAddressSpaceIdNotMemory", "MADTAPLICVersion", "MADTIMSICVersion", "MADTPLICVersion", "MADTRINTCVersion", "MADTPlatIRQType", "SPECMADTGICCParkingVersion", "SPECMADTGICDVersion", "SPECMADTGICRZeroLength", "SPECMADTMPWAKEUPVersion", "MSDMDataTypeInvalid", "NHLTBadDeviceType", "NHLTBadDirection", "NHLTBadLinkType", "RAS2ReservedType", "RGRTBadFieldValue", "RHCTBadFieldValue", "RHCTNodeMMUType", "SBSTEnergyLevelZero", "SPMIInterfaceTypeReserved", "SVKLBadKeyFormat", "SVKLBadKeyType", "TCPABadFieldValue", "TCPABadPlatformClass", "WDATInstructionFlagsInvalid", "WDATWatchdogActionInvalid", "NFITBadLineCount", "HESTIA32BadFlags", "HESTIA32CorrectedMachineCheckBadFlags"];
    ENTRY_TYPE = "entry-type", 7, Note, "an entry has a type that its specification does not define",
        "The entry is passed over; it may be of a newer specification.",
        "Types of entries of tables whose list of types is closed.",
        "Compare with the newest specification.",
        "the section of each table", ["CEDTBadSubtableType", "FPDTPerformanceRecordTypeInvalid", "APMTInvalidNodeType", "APMTNodeTypeUnknown", "GTDTInvalidType", "IORTInvalidType", "LPITInvalidType", "PCCTBadSubType", "PHATBadSubTableType", "RHCTInvalidType", "SLICInvaldType", "SRATInvalidType", "VIOTBadNodeType"];
    FIELD_ORDER = "field-order", 7, Warning, "two fields contradict each other",
        "A minimum above its maximum, an alarm level above the level before it.",
        "Battery levels of the SBST, counts of the WDAT.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.14; Microsoft Hardware Watchdog Timers", ["SBSTEnergeyLevel2", "SBSTEnergyLevel1", "WDATMinGreaterThanMax"];
    LPIT_STATE = "lpit-state", 7, Warning, "a low power idle state has a wrong id or counter",
        "States are numbered from 0; a residency counter in an MSR has 64 bits. Residency may be shown wrongly.",
        "Unique IDs and residency counters of the LPIT.",
        "Firmware bug; affects power statistics only.",
        "Intel LPIT rev. 001", ["LPITNativeCStateBadUID", "LPITNativeCStateLpitResidencyCounterWidth"];
    MSCT_DOMAINS = "msct-domains", 7, Warning, "more proximity domain structures than the stated maximum",
        "The table allows fewer domains than it describes.",
        "Number of maximum proximity domain information structures.",
        "Firmware bug.",
        "ACPI 6.5, 5.2.19", ["MSCTBadProimityDomains", "MSCTBadTableLength"];
}
