//! Subjects 22 and 23: hardware error sources and their tables.

super::checks! {
    HEST_RECORDS = "hest-records", 22, Warning, "an error source pre-allocates no record or no section",
        "A system that goes by the table has no memory to report an error with.",
        "Records and sections of enabled sources.",
        "Firmware bug; Linux allocates for itself.",
        "ACPI 6.5, 18.3.2", ["HESTInvalidRecordsToPreallocate", "HESTInvalidMaxSectionsPerRecord"];
    HEST_SINGLE = "hest-single", 22, Warning, "an error source that is unique is there twice",
        "There is one machine check exception, one corrected machine check and one NMI source.",
        "Types of the sources.",
        "Firmware bug.",
        "ACPI 6.5, 18.3.2", ["HESTTooManyIA32ArchMachineCheckExceptions", "HESTTooManyIA32CorrectedMachineChecks", "HESTTooManyNmiErrors"];
    HEST_SOURCE_ID = "hest-source-id", 22, Warning, "ids of error sources are not unique, or name none",
        "Error records and related sources go by id. Linux rejects a HEST with duplicate ids.",
        "Source ids and related source ids.",
        "Firmware bug.",
        "ACPI 6.5, 18.3.2", [];
    HEST_ADDRESS = "hest-address", 22, Warning, "a generic error source has no address for its status",
        "Its errors cannot be read.",
        "Error status address of generic hardware error sources.",
        "Firmware bug.",
        "ACPI 6.5, 18.3.2.7", [];
    HEST_NOTIFICATION = "hest-notification", 22, Warning, "an error source has an unknown way of notification",
        "The source is passed over.",
        "Type of the notification structure.",
        "Compare with the newest specification.",
        "ACPI 6.5, 18.3.2.9", ["HESTInvalidHardwareErrorNotificationType"];
    HEST_BANK = "hest-bank", 22, Warning, "a machine check bank has an unknown format",
        "Status of the bank cannot be read as meant.",
        "Clear status on initialization and status data format.",
        "Firmware bug.",
        "ACPI 6.5, 18.3.2.1.1", ["HESTIA32InvalidBankStatusDataFormat", "HESTIA32InvalidClearStatusOnInit"];
    BERT_REGION = "bert-region", 23, Warning, "the boot error region has no room for an error or no address",
        "Errors of the last boot cannot be read.",
        "Length, at least 20 bytes, and address of the region.",
        "Firmware bug; some firmware keeps the table without a region.",
        "ACPI 6.5, 18.3.1", ["BERTBootErrorRegionDataLength"];
    ERST_ENTRY = "erst-entry", 23, Warning, "an instruction of the ERST is not one",
        "Error records cannot be stored; Linux disables ERST.",
        "Action, instruction and register of each entry; size of the header.",
        "Firmware bug.",
        "ACPI 6.5, 18.5.1", ["ERSTHeaderSizeTooLong", "ERSTIInvalidAction", "ERSTIInvalidGasAccessSize", "ERSTIInvalidInstruction"];
    EINJ_ENTRY = "einj-entry", 23, Warning, "an instruction of the EINJ is not one",
        "Errors cannot be injected.",
        "Action, instruction and register of each entry; size of the header.",
        "Firmware bug.",
        "ACPI 6.5, 18.6.1", ["EINJBadInjectionAction", "EINJBadInstruction"];
}
