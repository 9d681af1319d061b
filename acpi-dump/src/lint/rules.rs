//! Check 7 and what other checks say of one field alone: reserved fields that are not zero, and
//! values that a field's specification does not know.

use super::catalogue::{Check, errors, platform, tables as checks};
use super::hit::Report;
use super::subject::{Subject, View};
use crate::layout::{Row, Section, Value};

/// What a field may hold.
#[derive(Clone, Copy, Debug)]
enum Test {
    /// One of these.
    In(&'static [u64]),
    /// A number in this range.
    Between(u64, u64),
    /// Anything but numbers in this range.
    NotBetween(u64, u64),
    /// A value that the layout has a name for.
    Named,
    /// None of these bits.
    Clear(u64),
}

impl Test {
    fn passes(self, row: &Row, value: u64) -> bool {
        match self {
            Self::In(values) => values.contains(&value),
            Self::Between(low, high) => (low..=high).contains(&value),
            Self::NotBetween(low, high) => !(low..=high).contains(&value),
            Self::Named => row.words.is_some(),
            Self::Clear(mask) => value & mask == 0,
        }
    }

    fn words(self) -> String {
        match self {
            Self::In([one]) => one.to_string(),
            Self::In(values) => {
                let list: Vec<String> = values.iter().map(u64::to_string).collect();
                format!("one of {}", list.join(", "))
            }
            Self::Between(low, high) => format!("{low} to {high}"),
            Self::NotBetween(low, high) => format!("not {low} to {high}, which are reserved"),
            Self::Named => "a value that the specification defines".to_owned(),
            Self::Clear(mask) => format!("bits {mask:#x} clear, which are reserved"),
        }
    }
}

/// A rule for one field of one kind of structure.
#[derive(Clone, Copy, Debug)]
struct Rule {
    signature: &'static [u8; 4],
    /// Beginning of the structure's title; empty for the table itself.
    section: &'static str,
    row: &'static str,
    test: Test,
    check: Check,
}

const fn rule(signature: &'static [u8; 4], section: &'static str, row: &'static str, test: Test, check: Check) -> Rule {
    Rule {
        signature,
        section,
        row,
        test,
        check,
    }
}

/// A value that is of no use to anybody.
const fn value(signature: &'static [u8; 4], section: &'static str, row: &'static str, test: Test) -> Rule {
    rule(signature, section, row, test, checks::FIELD_VALUE)
}

const RULES: &[Rule] = &[
    value(
        b"ASF!",
        "ASF information",
        "Minimum ASF sensor polling wait time",
        Test::Between(2, 255),
    ),
    value(b"ASF!", "ASF alerts", "Number of alerts", Test::Between(1, 8)),
    value(b"ASF!", "ASF alerts", "Array element length", Test::In(&[12])),
    value(b"ASF!", "ASF remote control", "Array element length", Test::In(&[4])),
    value(b"ASF!", "Control", "Function", Test::Named),
    rule(
        b"ASPT",
        "SEV mailbox",
        "Mailbox interrupt ID",
        Test::Clear(0xc0),
        checks::RESERVED_BITS,
    ),
    value(b"APIC", "Platform interrupt source", "Interrupt type", Test::Named),
    value(b"APIC", "GIC distributor", "GIC version", Test::Named),
    value(
        b"APIC",
        "GIC redistributor",
        "Discovery range length",
        Test::NotBetween(0, 0),
    ),
    value(
        b"APIC",
        "GIC CPU interface",
        "Parking protocol version",
        Test::Between(0, 1),
    ),
    value(b"APIC", "Multiprocessor wakeup", "Mailbox version", Test::Between(0, 1)),
    value(b"APIC", "RISC-V", "Version", Test::In(&[1])),
    value(b"BGRT", "", "Version", Test::In(&[1])),
    value(b"BGRT", "", "Image type", Test::Named),
    value(b"CCEL", "", "CC type", Test::Named),
    value(b"CSRT", "Resource descriptor", "Type", Test::Named),
    value(b"CSRT", "Resource descriptor", "Subtype", Test::Named),
    value(
        b"CSRT",
        "Resource descriptor",
        "UID",
        Test::NotBetween(0xffff_ffff, 0xffff_ffff),
    ),
    value(b"DRTM", "Resource", "Type", Test::Clear(0x7c)),
    value(b"FACP", "", "Preferred power management profile", Test::Named),
    value(b"FPDT", "Firmware basic boot", "Revision", Test::In(&[1])),
    value(b"FPDT", "S3 performance", "Revision", Test::In(&[1])),
    value(b"FPDT", "Microcontroller", "Revision", Test::In(&[1])),
    value(b"FPDT", "Timestamp", "Revision", Test::In(&[1])),
    value(
        b"HPET",
        "",
        "Event timer block ID",
        Test::NotBetween(0xffff_ffff, 0xffff_ffff),
    ),
    value(b"HPET", "Base address", "Address", Test::NotBetween(0, 0)),
    value(b"HPET", "Base address", "Address space", Test::In(&[0, 1])),
    value(b"MSDM", "", "Data type", Test::Named),
    value(b"NHLT", "Endpoint", "Link type", Test::Named),
    value(b"NHLT", "Endpoint", "Direction", Test::Named),
    value(b"RAS2", "PCC descriptor", "Feature type", Test::NotBetween(1, 0x7f)),
    value(b"RGRT", "", "Version", Test::In(&[1])),
    value(b"RGRT", "", "Image type", Test::Named),
    value(b"RHCT", "ISA string", "Revision", Test::In(&[1])),
    value(b"RHCT", "Cache management", "Revision", Test::In(&[1])),
    value(b"RHCT", "MMU", "Revision", Test::In(&[1])),
    value(b"RHCT", "MMU", "MMU type", Test::Named),
    value(b"RHCT", "Hart info", "Revision", Test::In(&[1])),
    value(b"SBST", "", "Warning energy level in mWh", Test::NotBetween(0, 0)),
    rule(b"SDEV", "Secure PCIe", "Flags", Test::Clear(2), checks::RESERVED_BITS),
    value(b"SPMI", "", "Interface type", Test::Named),
    value(b"SVKL", "Key", "Key type", Test::Named),
    value(b"SVKL", "Key", "Key format", Test::Named),
    value(b"TCPA", "", "Platform class", Test::Named),
    value(b"WDAT", "Instruction entry", "Watchdog action", Test::Named),
    value(b"WDAT", "Instruction entry", "Instruction flags", Test::Clear(0x7c)),
    value(b"HEST", "IA-32", "Flags", Test::NotBetween(5, 5)),
    value(b"NFIT", "Interleave", "Number of lines", Test::NotBetween(0, 0)),
    rule(
        b"WPBT",
        "",
        "Command line arguments length",
        Test::Clear(1),
        platform::WPBT_VALUE,
    ),
    rule(b"WPBT", "", "Content layout", Test::In(&[1]), platform::WPBT_VALUE),
    rule(b"WPBT", "", "Content type", Test::In(&[1]), platform::WPBT_VALUE),
    rule(b"TPM2", "", "Platform class", Test::Named, platform::TPM_CLASS),
    rule(b"TPM2", "", "Start method", Test::Named, platform::TPM_START_METHOD),
    rule(
        b"CEDT",
        "CXL host bridge",
        "CXL version",
        Test::In(&[0, 1]),
        platform::CEDT_VERSION,
    ),
    rule(
        b"CEDT",
        "CXL fixed",
        "Interleave arithmetic",
        Test::In(&[0, 1]),
        platform::CEDT_WINDOW,
    ),
    rule(
        b"CEDT",
        "RCEC",
        "Protocol type",
        Test::In(&[0, 1]),
        platform::CEDT_PROTOCOL,
    ),
    rule(b"SPCR", "", "Interface type", Test::Named, platform::CONSOLE_VALUE),
    rule(
        b"SPCR",
        "",
        "Configured baud rate",
        Test::Named,
        platform::CONSOLE_VALUE,
    ),
    rule(b"SPCR", "", "Parity", Test::Named, platform::CONSOLE_VALUE),
    rule(b"SPCR", "", "Stop bits", Test::Named, platform::CONSOLE_VALUE),
    rule(b"SPCR", "", "Terminal type", Test::Named, platform::CONSOLE_VALUE),
    rule(b"DBGP", "", "Interface type", Test::Named, platform::CONSOLE_VALUE),
    rule(
        b"DBG2",
        "Debug device",
        "Revision",
        Test::In(&[0]),
        platform::CONSOLE_VALUE,
    ),
    rule(
        b"DBG2",
        "Debug device",
        "Port type",
        Test::Named,
        platform::CONSOLE_VALUE,
    ),
    rule(
        b"ERST",
        "Serialization instruction",
        "Serialization action",
        Test::Named,
        errors::ERST_ENTRY,
    ),
    rule(
        b"ERST",
        "Serialization instruction",
        "Instruction",
        Test::Named,
        errors::ERST_ENTRY,
    ),
    rule(
        b"EINJ",
        "Injection instruction",
        "Injection action",
        Test::Named,
        errors::EINJ_ENTRY,
    ),
    rule(
        b"EINJ",
        "Injection instruction",
        "Instruction",
        Test::Named,
        errors::EINJ_ENTRY,
    ),
    rule(b"HEST", "Notification", "Type", Test::Named, errors::HEST_NOTIFICATION),
];

pub(super) fn run(subject: &Subject<'_>, report: &mut Report) {
    for view in subject.views() {
        reserved(view, report);
        for rule in RULES
            .iter()
            .filter(|rule| view.named.table.signature.0 == *rule.signature)
        {
            apply(rule, view, report);
        }
    }
}

fn apply(rule: &Rule, view: View<'_>, report: &mut Report) {
    let wanted = |section: &&Section| match rule.section {
        "" => std::ptr::eq(*section, view.section),
        title => section.title.starts_with(title),
    };
    for section in view.section.all().filter(wanted) {
        let Some(row) = section.row(rule.row) else { continue };
        let Some(seen) = row.value.number().filter(|seen| !rule.test.passes(row, *seen)) else {
            continue;
        };
        let shown = match row.value {
            Value::Hex { .. } => format!("{seen:#x}"),
            _ => seen.to_string(),
        };
        let expected = format!("{} in {} of {}", rule.test.words(), rule.row, section.title);
        report.at(rule.check, view.named, row.offset, expected, shown);
    }
}

/// Reserved fields and bits.
fn reserved(view: View<'_>, report: &mut Report) {
    for section in view.section.all() {
        for row in &section.rows {
            let set = !matches!(row.value, Value::Missing) && !row.value.is_zero();
            if row.reserved && set {
                let expected = format!("zero in a reserved field of {}", section.title);
                report.at(
                    checks::RESERVED_FIELD,
                    view.named,
                    row.offset,
                    expected,
                    shown(&row.value),
                );
            }
            let unnamed = row.unnamed_bits();
            if unnamed != 0 {
                let expected = format!("reserved bits of {} of {} clear", row.name, section.title);
                report.at(
                    checks::RESERVED_BITS,
                    view.named,
                    row.offset,
                    expected,
                    format!("{unnamed:#x} set in {}", row.value),
                );
            }
        }
    }
}

/// At most 16 bytes of a value.
fn shown(value: &Value) -> String {
    match value {
        Value::Bytes(bytes) if bytes.len() > 16 => {
            let text: String = bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            format!("{text}... ({} bytes)", bytes.len())
        }
        other => other.to_string(),
    }
}
