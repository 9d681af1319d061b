//! Labels of fwts that no check answers.

/// Why a label has no check: reasons with the labels. A `*` stands for any end.
pub const NOT_COVERED: &[(&str, &[&str])] = &[
    (
        "needs the running machine: memory behind an address, a register, sysfs or the kernel's view",
        &[
            "BERTBootErrorRegionDatalength",
            "BERTBootErrorRegionRaw*",
            "CPU*",
            "FACSInvalidAlignment",
            "HPETAcpiBaseAddressBogus",
            "HPETAcpiBaseAddressDifferFromKernel",
            "HPETBaseMismatch",
            "HPETClockPeriod",
            "PCIConfigSpaceBad",
            "PCIUnreadable",
            "RSDPBadAddresses",
        ],
    ),
    (
        "needs the value of a method at run time",
        &[
            "AMLLocksAcquired",
            "ECDTEvalUid*",
            "PCCDoorBellWriteMaskZero",
            "PCCH*",
            "PCCMemory*",
            "PCCRegister*",
            "PCCTooMany*",
            "MethodShouldReturnNothing",
            "Method_BST*",
            "Method_BIF*",
            "Method_BIX*",
        ],
    ),
    ("is about WMI, whose GUIDs are not decoded", &["WMI*"]),
    ("is about an assembler's messages", &["AMLAsm*"]),
    (
        "the suite's dump calls the table SKVL; the signature of the specification is SVKL, for which the check holds",
        &["SKVL*"],
    ),
    (
        "says that an optional thing is absent or how many there are of it",
        &[
            "FADTPm1bCntBlkNotSet",
            "FADTPm1bEvtBlkNotSet",
            "FADTPm2CntBlkNotSet",
            "FADTZeroGPE0BlkLen",
            "FADTZeroGPE1BlkLen",
            "FPDTHostBootPointer*",
            "FPDTMicroBootPointer*",
        ],
    ),
    (
        "says that a table's revision does not fit another table's or fwts's expectation",
        &[
            "ACPITableBadRevision",
            "ASPTUnknowRevision",
            "NFITBadRevisionId",
            "PMTTDeprecatedRevision",
            "SPECMADTArchRevision",
            "SPECMADTFADTRevisions",
            "SPECMADTRevision",
        ],
    ),
    (
        "judges one field of a rare table",
        &[
            "AESTInvalidGroupFormat",
            "ASF!AlrtEventOffsetBit7Set",
            "ASF!InvalidType",
            "ASF!RmcpSpecialCommandInvalid",
            "ASPTBadType",
            "DBG2InvalidAddressSize",
            "DBG2InvalidGasAddress",
            "ECDTECControlAccessSize",
            "ECDTECDataAccessSize",
            "FADTBadRESETREG",
            "FADTReservedZero",
            "FPDTMBPTRecBadLength",
            "FPDTTimestampDeltaBadLength",
            "GTDTBlockInvalidBaseAddr",
            "GTDTGTxInvalidBaseAddr",
            "GTDTInvalidBaseAddr",
            "GTDTInvalidBlockTimerCount",
            "GTDTInvalidGTFrameNumber",
            "GTDTInvalidWatchDogBaseAddr",
            "HPETVendorIdZero",
            "LPITNativeCStateLpitResidencyCounterAccessSize",
            "LPITNativeCStateLpitResidencyCounterOffset",
            "MADTAPLICFlags",
            "MADTAPLICNumSources",
            "MADTIMSIC*",
            "MADTLSAPICUIDNonAscii",
            "MADTPLIC*",
            "MADTPlatIRQIOSAPICVector",
            "MCHI*",
            "MPAM*",
            "MPSTBadPowerCharacteristics*",
            "NFITBadProximityDomainNonZero",
            "NFITBadRangeIndexNonZero",
            "PMTTBADSMBIOSHandle",
            "PMTTBadSubtableType",
            "RSDPBadOEMId",
            "SPCRIllegalReservedInterruptType",
            "SPCRPciFlagsBit0",
            "SPECMADTIOAPICFlags",
            "SPECMADTLAPICOVR*",
            "SPECMADTMIMSICReservedNonZero",
            "SPECMADTMPWAKEUP*",
            "SPECMADTPic*",
            "SPECMADTSub*",
            "SPMIGPENotZero",
            "SPMIGlobalSystemInterruptNonZero",
            "SPMIInvalidBaseAddressForSSIF",
            "STAOAcpiString*",
            "TCPABadInterruptMode",
            "TCPABadInterruptPolarity",
            "TPM2BadPlatformParameters",
        ],
    ),
    (
        "judges the contents of a resource template, a package or a status beyond its shape",
        &["Method*"],
    ),
];

/// Why no check answers a label; `None` when one does or the label is not known.
#[must_use]
pub fn reason(label: &str) -> Option<&'static str> {
    if super::all().iter().any(|check| check.fwts.contains(&label)) {
        return None;
    }
    let is = |pattern: &&str| match pattern.strip_suffix('*') {
        Some(start) => label.starts_with(start),
        None => label == *pattern,
    };
    NOT_COVERED
        .iter()
        .find(|(_, labels)| labels.iter().any(|pattern| is(pattern)))
        .map(|(reason, _)| *reason)
}
