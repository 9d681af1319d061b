//! Check 29: predefined names: how many arguments, which type, which shape. ACPI 6.5, section
//! 5.6.8 and the section of each name.

use super::catalogue::namespace as checks;
use super::constant::{self, Constant};
use super::hit::Report;
use super::names::{Places, eisa};
use crate::aml::NameSeg;
use crate::aml::namespace::{Namespace, ObjectKind, Place};

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
    /// A package of packages, each of at least so many elements.
    Packages(usize),
    /// A number of entries, then as many packages of so many elements.
    Counted(usize),
}

impl Gives {
    fn takes(self, value: &Constant) -> bool {
        match self {
            Self::Any => true,
            Self::Integer => matches!(value, Constant::Integer(_)),
            Self::Text => matches!(value, Constant::Text(_)),
            Self::Buffer => matches!(value, Constant::Buffer),
            Self::IntegerOrText => matches!(value, Constant::Integer(_) | Constant::Text(_)),
            Self::Ids => !matches!(value, Constant::Buffer),
            Self::Package(_) | Self::Packages(_) | Self::Counted(_) => matches!(value, Constant::Package(_)),
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
            Self::Package(_) | Self::Packages(_) | Self::Counted(_) => "package",
        }
    }
}

use Gives::{Any, Buffer, Counted, Ids, Integer, IntegerOrText, Package, Packages, Text};

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
    (b"_PLD", 0, Package(1)),
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
        }
        let Some(value) = constant::of(at.namespace, object) else {
            continue;
        };
        if !gives.takes(&value) {
            let expected = format!("{} as {}", gives.words(), object.name.short());
            at.object(report, checks::METHOD_RETURN, id, &expected, value.word().to_owned());
            continue;
        }
        if let Some((expected, seen)) = shape(at.namespace, *gives, &value) {
            let expected = format!("{expected} in {}", object.name.short());
            at.object(report, checks::METHOD_PACKAGE, id, &expected, seen);
        }
        match &name {
            b"_HID" if !is_hid(&value) => {
                let seen = match value {
                    Constant::Integer(value) => format!("{value:#x}"),
                    Constant::Text(text) => format!("{text:?}"),
                    _ => String::new(),
                };
                at.object(report, checks::METHOD_HID, id, "a PNP or ACPI id", seen);
            }
            b"_STA" => {
                if let Constant::Integer(sta) = value
                    && sta & 3 == 2
                {
                    at.object(
                        report,
                        checks::METHOD_STA,
                        id,
                        "the present bit with the enabled bit",
                        format!("{sta:#x}"),
                    );
                }
            }
            _ => {}
        }
    }
}

/// PNP ids have three letters, ACPI ids four letters or digits, before four hexadecimal digits.
/// Longer texts are in use and are not judged.
fn is_hid(value: &Constant) -> bool {
    match value {
        Constant::Integer(value) => eisa(*value).is_some(),
        Constant::Text(text) => (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        _ => true,
    }
}

/// What is wrong with a package: what it should have, what it has.
fn shape(namespace: &Namespace, gives: Gives, value: &Constant) -> Option<(String, String)> {
    let Constant::Package(place) = value else { return None };
    let stated = |place: Place| {
        // The count operand may be larger than the elements that are written down.
        let tree = namespace.trees().get(place.table)?;
        let count = tree.node(tree.operand(place.node, 0)?)?.value;
        usize::try_from(count).ok()
    };
    let size = |place: Place| {
        let written = constant::elements(namespace, place).count();
        stated(place).map_or(written, |stated| stated.max(written))
    };
    let inner = |smallest: usize, skip: usize| {
        let packages = constant::elements(namespace, *place).skip(skip).enumerate();
        packages.filter_map(move |(number, element)| match constant::of_term(namespace, element) {
            Some(Constant::Package(element)) if size(element) < smallest => Some((
                format!("{smallest} elements in entry {number}"),
                size(element).to_string(),
            )),
            Some(Constant::Package(_)) | None => None,
            Some(other) => Some((format!("a package as entry {number}"), other.word().to_owned())),
        })
    };
    match gives {
        Package(smallest) if size(*place) < smallest => {
            Some((format!("at least {smallest} elements"), size(*place).to_string()))
        }
        Packages(smallest) => inner(smallest, 0).next(),
        Counted(smallest) => {
            let first = constant::elements(namespace, *place).next()?;
            let entries = u64::try_from(size(*place)).ok()?.checked_sub(1)?;
            match constant::of_term(namespace, first) {
                Some(Constant::Integer(count)) if count == entries => inner(smallest, 1).next(),
                Some(Constant::Integer(count)) => Some((format!("{count} entries"), entries.to_string())),
                Some(other) => Some(("number of entries first".to_owned(), other.word().to_owned())),
                None => None,
            }
        }
        _ => None,
    }
}
