//! Subjects 2, 28 and 29 where they are about AML: names, identities, predefined methods.

super::checks! {
    AML_UNREADABLE = "aml-unreadable", 2, Error, "AML that cannot be read as it stands",
        "Bytes of a DSDT or SSDT are no term of the language, or a package reaches behind the end of what it is in; what they declare is lost or cut.",
        "Faults of the AML reader, when the namespace is given.",
        "Dump the table again; else a firmware bug.",
        "ACPI 6.5, 20.2", [];
    AML_ODD = "aml-odd", 2, Note, "AML without effect",
        "A value stands where a statement should be: often a call with too many arguments.",
        "Terms that the AML reader reports to be without effect, when the namespace is given.",
        "Harmless in most cases.",
        "ACPI 6.5, 20.2", [];
    NAME_TWICE = "name-twice", 28, Warning, "an object is declared twice",
        "The second declaration fails with AE_ALREADY_EXISTS, and with it the rest of the table in some systems.",
        "Declarations that no condition keeps apart.",
        "Firmware bug, or a table that was loaded twice.",
        "ACPI 6.5, 5.3", [];
    NAME_NO_PARENT = "name-no-parent", 28, Note, "something is declared below an object that is not there",
        "The declaration fails with AE_NOT_FOUND: often an SSDT for parts that this machine does not have.",
        "Scopes and paths that no table declares.",
        "Look whether a table is missing from the dump; Linux prints the error and goes on.",
        "ACPI 6.5, 5.3", [];
    HID_UID_TWICE = "hid-uid-twice", 28, Warning, "two devices have the same _HID and the same _UID",
        "Systems name devices by both; settings of one may go to the other.",
        "Constant `_HID` and `_UID` of devices that are always there (no condition, no `_STA` method); motherboard resources (PNP0C01, PNP0C02) not looked at.",
        "Firmware bug.",
        "ACPI 6.5, 6.1.12", ["HardwareIDNotUnique"];
    ADR_TWICE = "adr-twice", 28, Note, "two devices under one parent have the same _ADR",
        "Methods of one of both are used for the device at the address, which of them is chance.",
        "Constant `_ADR` of devices that are always there (no condition, no `_STA` method) below PCI host bridges and devices that have an `_ADR` themselves.",
        "Firmware bug, harmless when one of them has no methods.",
        "ACPI 6.5, 6.1.1", [];
    METHOD_ARGUMENTS = "method-arguments", 29, Warning, "a predefined method has another number of arguments",
        "Systems call it with the number of the specification; arguments are missing or dropped.",
        "Names that begin with an underscore and are defined by the specification.",
        "Firmware bug.",
        "ACPI 6.5, 5.6.8", [];
    METHOD_RETURN = "method-return", 29, Warning, "a predefined object has a value of the wrong type",
        "The object is passed over.",
        "What named values and methods without arguments give on every way through them, as far as that is known without the machine.",
        "Firmware bug.",
        "ACPI 6.5, 5.6.8", ["MethodReturnBadType", "Method_CIDBadReturnType", "Method_HIDBadReturnType", "Method_UIDBadReturnType", "Method_SUBBadReturnType", "Method_GLKBadReturnType", "Method_DDCBadReturnType", "Method_UPCBadReturnType"];
    METHOD_PACKAGE = "method-package", 29, Warning, "a predefined package has a wrong shape",
        "Elements are missing or of the wrong type: routes, states or levels are lost.",
        "Number of elements, and of elements inside them, as far as they are known without the machine.",
        "Firmware bug.",
        "ACPI 6.5, 5.6.8", ["Method_SxElementCount", "Method_SxElementType", "Method_PRTBadSubElement", "Method_PRTBadSubElementType", "Method%sElementCount", "Method%sSubPackageElementCount", "Method_CSTElement0CountMismatch", "Method_CSTElement0NotInteger", "Method_PRWSubPackageElementCount"];
    METHOD_HID = "method-hid", 29, Warning, "a hardware id is none",
        "Drivers cannot match it.",
        "`_HID`: an EISA id of three letters and four digits, or a text of three or four letters or digits and four digits.",
        "Firmware bug.",
        "ACPI 6.5, 6.1.5", ["MethodHIDInvalidInteger", "MethodHIDInvalidString", "Method_HIDNullString"];
    METHOD_STA = "method-sta", 29, Note, "a device is enabled but not present",
        "Bit 1 of `_STA` without bit 0 means nothing.",
        "`_STA`, as far as it is known without the machine.",
        "Firmware bug.",
        "ACPI 6.5, 6.3.7", ["Method_STAEnabledNotPresent"];
}
