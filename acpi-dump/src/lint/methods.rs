//! Check 29: predefined names: how many arguments, which type, which shape. ACPI 6.5, section
//! 5.6.8 and the section of each name.

use super::catalogue::namespace as checks;
use super::hit::Report;
use super::motherboard::LIMITS;
use super::names::{Places, eisa};
use crate::aml::NameSeg;
use crate::aml::evaluate::{Answer, Dependency, Evaluator, Value};
use crate::aml::namespace::{ObjectId, ObjectKind};

/// What a predefined object gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gives {
    /// Nothing, or nothing that is looked at.
    Any,
    Integer,
    Text,
    Buffer,
    IntegerOrText,
    /// Hardware ids: integer, string, or a package of them.
    Ids,
    /// A package of at least so many elements.
    Package(usize),
    /// A package, or what should be its only element.
    PackageOrBuffer,
    /// A package of packages, each of at least so many elements.
    Packages(usize),
    /// A number of entries, then as many packages of so many elements.
    Counted(usize),
}

impl Gives {
    /// A value that is not known, or a name of something else, may be anything.
    fn takes(self, value: &Value) -> bool {
        if matches!(value, Value::Unknown(_) | Value::Reference(_)) {
            return true;
        }
        match self {
            Self::Any => true,
            Self::Integer => matches!(value, Value::Integer(_)),
            Self::Text => matches!(value, Value::String(_)),
            Self::Buffer => matches!(value, Value::Buffer(_)),
            Self::IntegerOrText => matches!(value, Value::Integer(_) | Value::String(_)),
            Self::Ids => !matches!(value, Value::Buffer(_)),
            Self::PackageOrBuffer => matches!(value, Value::Package(_) | Value::Buffer(_)),
            Self::Package(_) | Self::Packages(_) | Self::Counted(_) => matches!(value, Value::Package(_)),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Any => "anything",
            Self::Integer => "integer",
            Self::Text => "string",
            Self::Buffer => "buffer",
            Self::IntegerOrText => "integer or string",
            Self::Ids => "integer, string or package",
            Self::PackageOrBuffer => "package or buffer",
            Self::Package(_) | Self::Packages(_) | Self::Counted(_) => "package",
        }
    }
}

use Gives::{Any, Buffer, Counted, Ids, Integer, IntegerOrText, Package, PackageOrBuffer, Packages, Text};

/// Name, number of arguments, value.
const NAMES: &[(&[u8; 4], u8, Gives)] = &[
    (b"_ADR", 0, Integer),
    (b"_ALC", 0, Integer),
    (b"_ALI", 0, Integer),
    (b"_ALR", 0, Packages(2)),
    (b"_ALT", 0, Integer),
    (b"_BBN", 0, Integer),
    (b"_BCL", 0, Package(2)),
    (b"_BCM", 1, Any),
    (b"_BIF", 0, Package(13)),
    (b"_BIX", 0, Package(20)),
    (b"_BQC", 0, Integer),
    (b"_BST", 0, Package(4)),
    (b"_BTP", 1, Any),
    (b"_CBA", 0, Integer),
    (b"_CID", 0, Ids),
    (b"_CPC", 0, Package(17)),
    (b"_CRS", 0, Buffer),
    (b"_CRT", 0, Integer),
    (b"_CST", 0, Counted(4)),
    (b"_DCS", 0, Integer),
    (b"_DDN", 0, Text),
    (b"_DGS", 0, Integer),
    (b"_DIS", 0, Any),
    (b"_DLM", 0, Packages(1)),
    (b"_DOD", 0, Package(1)),
    (b"_DOS", 1, Any),
    (b"_DSD", 0, Package(2)),
    (b"_DSM", 4, Any),
    (b"_DSS", 1, Any),
    (b"_DSW", 3, Any),
    (b"_EJ0", 1, Any),
    (b"_EJ1", 1, Any),
    (b"_EJ2", 1, Any),
    (b"_EJ3", 1, Any),
    (b"_EJ4", 1, Any),
    (b"_EJD", 0, Text),
    (b"_FDE", 0, Buffer),
    (b"_FDI", 0, Package(16)),
    (b"_FIF", 0, Package(4)),
    (b"_FIX", 0, Package(1)),
    (b"_FPS", 0, Package(1)),
    (b"_FSL", 1, Any),
    (b"_FST", 0, Package(3)),
    (b"_GLK", 0, Integer),
    (b"_GPD", 0, Integer),
    (b"_GPE", 0, Any),
    (b"_GSB", 0, Integer),
    (b"_GTF", 0, Buffer),
    (b"_GTM", 0, Buffer),
    (b"_HID", 0, IntegerOrText),
    (b"_HOT", 0, Integer),
    (b"_HPP", 0, Package(4)),
    (b"_HPX", 0, Packages(2)),
    (b"_INI", 0, Any),
    (b"_IRC", 0, Any),
    (b"_LCK", 1, Any),
    (b"_LID", 0, Integer),
    (b"_LPI", 0, Package(3)),
    (b"_MAT", 0, Buffer),
    (b"_MLS", 0, Packages(2)),
    (b"_OSC", 4, Any),
    (b"_OST", 3, Any),
    (b"_PCL", 0, Package(0)),
    (b"_PCT", 0, Package(2)),
    (b"_PIC", 1, Any),
    // A package of buffers; a buffer alone is in use and understood.
    (b"_PLD", 0, PackageOrBuffer),
    (b"_PPC", 0, Integer),
    (b"_PR0", 0, Package(0)),
    (b"_PR1", 0, Package(0)),
    (b"_PR2", 0, Package(0)),
    (b"_PR3", 0, Package(0)),
    (b"_PRS", 0, Buffer),
    (b"_PRT", 0, Packages(4)),
    (b"_PRW", 0, Package(2)),
    (b"_PS0", 0, Any),
    (b"_PS1", 0, Any),
    (b"_PS2", 0, Any),
    (b"_PS3", 0, Any),
    (b"_PSC", 0, Integer),
    (b"_PSD", 0, Packages(5)),
    (b"_PSL", 0, Package(0)),
    (b"_PSR", 0, Integer),
    (b"_PSS", 0, Packages(6)),
    (b"_PSV", 0, Integer),
    (b"_PSW", 1, Any),
    (b"_PTC", 0, Package(2)),
    (b"_PTS", 1, Any),
    (b"_PXM", 0, Integer),
    (b"_REG", 2, Any),
    (b"_RMV", 0, Integer),
    (b"_ROM", 2, Any),
    (b"_S0_", 0, Package(1)),
    (b"_S1_", 0, Package(1)),
    (b"_S2_", 0, Package(1)),
    (b"_S3_", 0, Package(1)),
    (b"_S4_", 0, Package(1)),
    (b"_S5_", 0, Package(1)),
    (b"_S0D", 0, Integer),
    (b"_S0W", 0, Integer),
    (b"_S1D", 0, Integer),
    (b"_S1W", 0, Integer),
    (b"_S2D", 0, Integer),
    (b"_S2W", 0, Integer),
    (b"_S3D", 0, Integer),
    (b"_S3W", 0, Integer),
    (b"_S4D", 0, Integer),
    (b"_S4W", 0, Integer),
    (b"_SBS", 0, Integer),
    (b"_SDD", 1, Any),
    (b"_SEG", 0, Integer),
    (b"_SLI", 0, Buffer),
    (b"_SRS", 1, Any),
    (b"_STA", 0, Integer),
    (b"_STM", 3, Any),
    (b"_STR", 0, Any),
    (b"_SUB", 0, Text),
    (b"_SUN", 0, Integer),
    (b"_TC1", 0, Integer),
    (b"_TC2", 0, Integer),
    (b"_TMP", 0, Integer),
    (b"_TPC", 0, Integer),
    (b"_TSD", 0, Packages(5)),
    (b"_TSP", 0, Integer),
    (b"_TSS", 0, Packages(5)),
    (b"_TZD", 0, Package(0)),
    (b"_TZM", 0, Any),
    (b"_TZP", 0, Integer),
    (b"_UID", 0, IntegerOrText),
    (b"_UPC", 0, Package(4)),
    (b"_VPO", 0, Integer),
    (b"_WAK", 1, Any),
];

pub(super) fn run(at: &Places<'_>, report: &mut Report) {
    let evaluator = Evaluator::with(at.namespace, LIMITS, None);
    for (id, object) in at.namespace.iter() {
        let NameSeg(name) = object.name;
        if name[0] != b'_' {
            continue;
        }
        let Some((_, arguments, gives)) = NAMES.iter().find(|(known, ..)| **known == name) else {
            continue;
        };
        let seen = match object.kind {
            ObjectKind::Method { arguments, .. } => arguments,
            ObjectKind::Name => 0,
            _ => continue,
        };
        if seen != *arguments {
            let expected = format!("{arguments} arguments of {}", object.name.short());
            at.object(report, checks::METHOD_ARGUMENTS, id, &expected, seen.to_string());
        } else if *arguments == 0 && *gives != Any {
            value(at, &evaluator, id, *gives, report);
        }
    }
}

/// What an object gives on every way through it: a fault counts when no way is without it.
fn value(at: &Places<'_>, evaluator: &Evaluator<'_>, id: ObjectId, gives: Gives, report: &mut Report) {
    let outcome = evaluator.evaluate_object(id, &[]);
    // What the running system may have changed since, or what another table may bring.
    let changes = |assumption: &Dependency| !matches!(assumption, Dependency::Interface { .. });
    if outcome.assumptions.iter().any(changes) {
        return;
    }
    let values = match outcome.answer {
        Answer::Known(value) => vec![value],
        Answer::Dynamic { candidates, .. } => candidates,
        Answer::Failed(_) => return,
    };
    let Some(first) = values.first() else { return };
    let name = at.namespace.object(id).map(|object| object.name).unwrap_or_default();
    if !values.iter().any(|value| gives.takes(value)) {
        let expected = format!("{} as {}", gives.words(), name.short());
        at.object(report, checks::METHOD_RETURN, id, &expected, first.word().to_owned());
        return;
    }
    let mut shapes = values.iter().map(|value| shape(gives, value));
    if let Some((expected, seen)) = shapes.next().flatten().filter(|_| shapes.all(|shape| shape.is_some())) {
        let expected = format!("{expected} in {}", name.short());
        at.object(report, checks::METHOD_PACKAGE, id, &expected, seen);
    }
    match &name.0 {
        b"_HID" if !values.iter().any(is_hid) => {
            at.object(report, checks::METHOD_HID, id, "a PNP or ACPI id", first.to_string());
        }
        b"_STA" => {
            let odd = |value: &Value| value.integer().is_some_and(|sta| sta & 3 == 2);
            if values.iter().all(odd) {
                let expected = "the present bit with the enabled bit";
                at.object(report, checks::METHOD_STA, id, expected, first.to_string());
            }
        }
        _ => {}
    }
}

/// PNP ids have three letters, ACPI ids four letters or digits, before four hexadecimal digits.
/// Longer texts are in use and are not judged.
fn is_hid(value: &Value) -> bool {
    match value {
        Value::Integer(value) => eisa(*value).is_some(),
        Value::String(text) => (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        _ => true,
    }
}

/// What is wrong with a package: what it should have, what it has.
fn shape(gives: Gives, value: &Value) -> Option<(String, String)> {
    let Value::Package(elements) = value else { return None };
    let inner = |smallest: usize, skip: usize| {
        let packages = elements.iter().skip(skip).enumerate();
        packages.filter_map(move |(number, element)| match element {
            Value::Package(inside) if inside.len() < smallest => Some((
                format!("{smallest} elements in entry {number}"),
                inside.len().to_string(),
            )),
            // Room for entries that are filled in later is no fault.
            Value::Package(_) | Value::Unknown(_) | Value::Reference(_) | Value::Uninitialized => None,
            other => Some((format!("a package as entry {number}"), other.word().to_owned())),
        })
    };
    match gives {
        Package(smallest) if elements.len() < smallest => {
            Some((format!("at least {smallest} elements"), elements.len().to_string()))
        }
        Packages(smallest) => inner(smallest, 0).next(),
        Counted(smallest) => {
            let (first, entries) = elements.split_first()?;
            match first {
                Value::Integer(count) if u64::try_from(entries.len()) == Ok(*count) => inner(smallest, 1).next(),
                Value::Integer(count) => Some((format!("{count} entries"), entries.len().to_string())),
                Value::Unknown(_) | Value::Reference(_) | Value::Uninitialized => None,
                other => Some(("number of entries first".to_owned(), other.word().to_owned())),
            }
        }
        _ => None,
    }
}
