//! Checks of the string form of `cpuid=`: the first word, and each `key=value`.

use std::collections::BTreeMap;

use crate::bits::{Bit, Place, Register};
use crate::dialect::Dialect;
use crate::xen::config::strtoul;
use crate::xen::domain::Domain;
use crate::xen::featureset::{Featureset, feature_of};
use crate::xen::libxl::{FlagError, Target};
use crate::xen::lint::{Finding, Linter, Severity};
use crate::xen::policy::CpuPolicy;
use crate::xen::suggest::suggest;
use crate::xen::xl::{Piece, PieceKind, Problem};

/// Features that follow what the guest's own kernel does, whatever the policy says.
const DYNAMIC: [&str; 3] = ["apic", "osxsave", "ospke"];
/// Features Xen copies from the host, whatever the policy says.
const OF_HOST: [&str; 2] = ["fdp-excp-only", "no-fpu-sel"];

fn finding(piece: &Piece, severity: Severity, message: &str, effect: &str, advice: &str) -> Finding {
    Finding {
        at: piece.at,
        what: piece.text.clone(),
        severity,
        message: message.to_owned(),
        effect: effect.to_owned(),
        advice: advice.to_owned(),
    }
}

pub(crate) fn base(piece: &Piece, findings: &mut Vec<Finding>) {
    if piece.problem != Some(Problem::NotHost) {
        return;
    }
    let word = piece.text.trim();
    let advice = if word == "host" {
        "write host without blanks around it".to_owned()
    } else if word.starts_with("host:") || word.starts_with("host;") || word.starts_with("host ") {
        "separate with commas: host,feature=0".to_owned()
    } else if word.contains('=') {
        format!("begin with the word host: host,{word},…")
    } else if word.chars().next().is_some_and(char::is_alphabetic) {
        "libxl has no CPU models: convert the model to host and single features".to_owned()
    } else {
        "begin with the word host".to_owned()
    };
    findings.push(finding(
        piece,
        Severity::Error,
        "error: first word must be \"host\"",
        "nothing of the string is applied; the guest is created all the same",
        &advice,
    ));
}

pub(crate) fn flag(linter: &Linter<'_>, piece: &Piece, target: Option<Target>, findings: &mut Vec<Finding>) {
    if let Some(Problem::Flag(error)) = piece.problem {
        findings.push(refused(linter, piece, error));
        return;
    }
    let Some(target) = target else { return };
    value(piece, target, findings);
    match target {
        Target::Key(key) if key.length > 1 => {
            if let Some(found) = no_effect_of_value(linter, piece, key) {
                findings.push(found);
            }
        }
        _ => {
            for bit in target.bits() {
                feature(linter, piece, bit, findings);
            }
        }
    }
}

fn refused(linter: &Linter<'_>, piece: &Piece, error: FlagError) -> Finding {
    let word = piece.text.trim();
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    let advice = match error {
        FlagError::NoEqualsSign => {
            let (name, value) = match word.split_at_checked(1) {
                Some(("+", name)) => (name, "1"),
                Some(("-" | "^" | "!", name)) => (name, "0"),
                _ => (word, "1"),
            };
            named(linter, name).map_or_else(
                || format!("write key=value: {name}={value}"),
                |name| format!("write {name}={value}"),
            )
        }
        FlagError::UnknownName => match suggest(
            linter.database,
            linter.features,
            piece.text.split('=').next().unwrap_or(name),
        ) {
            Some(found) => format!("write {}={value} ({})", found.key, found.why),
            None => without_key(linter, name),
        },
        FlagError::BadValue => match value.trim().to_ascii_lowercase().as_str() {
            "on" | "yes" | "true" | "y" | "t" => format!("write {name}=1"),
            "off" | "no" | "false" | "n" | "f" => format!("write {name}=0"),
            _ => format!("write {name}= with 0, 1, x (default) or k (as the host)"),
        },
    };
    let message = format!("error #{}: {error}", error.number());
    let effect = "ignored; the guest is created without it";
    finding(piece, Severity::Error, &message, effect, &advice)
}

fn named(linter: &Linter<'_>, name: &str) -> Option<String> {
    if crate::xen::libxl::target(linter.features, name).is_some() {
        return Some(name.to_owned());
    }
    suggest(linter.database, linter.features, name).map(|found| found.key)
}

/// A feature that others know and libxl has no key for.
fn without_key(linter: &Linter<'_>, name: &str) -> String {
    let dialects = [Dialect::Libvirt, Dialect::Qemu, Dialect::Linux];
    let known = dialects.into_iter().find_map(|dialect| {
        linter
            .database
            .lookup(dialect, name)
            .first()
            .copied()
            .map(|field| (dialect, field))
    });
    match known {
        Some((dialect, field)) if matches!(field.place, Place::Leaf(_)) => format!(
            "libxl has no key for {name} of {dialect} ({}); Xen gives guests no such feature",
            field.bit().map_or_else(|| field.id.to_owned(), |bit| bit.to_string())
        ),
        Some((dialect, _)) => format!("libxl has no key for {name} of {dialect}, which is in an MSR; leave it out"),
        None => "leave it out: no vocabulary has such a name".to_owned(),
    }
}

/// Values that libxl takes for something else than they look.
fn value(piece: &Piece, target: Target, findings: &mut Vec<Finding>) {
    let Some((key, value)) = piece.text.split_once('=') else {
        return;
    };
    let length = match target {
        Target::Key(key) => key.length,
        Target::Feature(bit) if matches!(bit.word.place, Place::Msr(_)) => {
            old_character(piece, value, findings);
            return;
        }
        Target::Feature(_) => 1,
    };
    let mut report = |message: &str, effect: &str, advice: &str| {
        let mut found = finding(piece, Severity::Warning, message, effect, advice);
        found.at = piece.value_at;
        findings.push(found);
    };
    match strtoul(value.as_bytes()) {
        Some((number, used)) => {
            let limit = match key {
                "family" => 270,
                _ => u64::MAX >> 64_u32.saturating_sub(length).min(63),
            };
            let low = number & (u64::MAX >> 64_u32.saturating_sub(length).min(63));
            if used != value.len() {
                let rest = value.get(used..).unwrap_or_default();
                report(
                    &format!("{rest:?} after the number is not read"),
                    &format!("libxl takes it as {number}"),
                    &format!("write {key}={number}"),
                );
            }
            if number > limit {
                let advice = match length {
                    1 => "write 0 or 1".to_owned(),
                    _ => format!("write a value up to {limit:#x}"),
                };
                report(
                    &format!("{value} is more than {limit:#x}"),
                    &format!("libxl keeps the low bits: {low:#x}"),
                    &advice,
                );
            } else if key == "family" && (128..143).contains(&number) {
                report(
                    "libxl does not write this family right",
                    "the extended family gets its top bit set",
                    "use another family, or the list form",
                );
            }
            let octal =
                value.len() > 1 && value.starts_with('0') && value.bytes().take(used).all(|b| b.is_ascii_digit());
            if octal && number > 7 {
                report(
                    "a number with a leading 0 is octal",
                    &format!("libxl takes it as {number}"),
                    "write it without the 0",
                );
            }
        }
        None => {
            if value.len() > 1 {
                report(
                    "only the first character counts",
                    &format!("libxl takes it as {key}={}", value.get(..1).unwrap_or(value)),
                    "write one character",
                );
            }
            old_character(piece, value, findings);
            if key == "family" {
                findings.push(finding(
                    piece,
                    Severity::Warning,
                    "family without a number still clears the extended family",
                    "the guest sees another family than by default",
                    "leave it out",
                ));
            }
        }
    }
}

fn old_character(piece: &Piece, value: &str, findings: &mut Vec<Finding>) {
    if value.starts_with('s') {
        let mut found = finding(
            piece,
            Severity::Note,
            "s is an old name of k",
            "the host's value, as far as this host lets guests have it",
            &format!("write {}=k", piece.text.split('=').next().unwrap_or_default()),
        );
        found.at = piece.value_at;
        findings.push(found);
    }
}

/// The character a bit got.
fn character(linter: &Linter<'_>, piece: &Piece, bit: Bit) -> Option<u8> {
    let config = linter.alone(piece);
    if let Some(msr) = config.msr.first() {
        let number = usize::from(bit.number).saturating_add(if bit.word.register == Register::Edx { 32 } else { 0 });
        return msr.policy.get(63_usize.saturating_sub(number)).copied();
    }
    let entry = config.cpuid.first()?;
    entry
        .register(bit.word.register)
        .map(|characters| characters.of_bit(bit.number))
}

fn feature(linter: &Linter<'_>, piece: &Piece, bit: Bit, findings: &mut Vec<Finding>) {
    let Some(character) = character(linter, piece, bit) else {
        return;
    };
    let Some(feature) = feature_of(bit) else {
        if character != b'x' {
            findings.extend(outside(linter, piece, bit, character));
        }
        return;
    };
    let name = linter.features.name(feature).unwrap_or_default();
    if DYNAMIC.contains(&name) && matches!(character, b'0' | b'1') && name != "apic" {
        let message = format!("{name} follows what the guest's kernel enables");
        findings.push(finding(piece, Severity::Warning, &message, "no effect", "leave it out"));
        return;
    }
    if OF_HOST.contains(&name) && character != b'x' {
        let message = format!("Xen gives every guest the host's value of {name}");
        findings.push(finding(piece, Severity::Warning, &message, "no effect", "leave it out"));
        return;
    }
    match character {
        b'1' => asked_on(linter, piece, bit, findings),
        b'0' => asked_off(linter, piece, bit, findings),
        b'k' | b's' => {
            let host = linter
                .policies
                .and_then(|policies| policies.host.as_ref())
                .map(|policy| policy.featureset());
            match host {
                Some(host) if host.has(feature) => asked_on(linter, piece, bit, findings),
                Some(_) => {
                    let message = format!("the host does not have {name}");
                    findings.push(finding(
                        piece,
                        Severity::Note,
                        &message,
                        "the guest does not have it either",
                        "",
                    ));
                }
                None => {}
            }
        }
        _ => {}
    }
}

fn asked_on(linter: &Linter<'_>, piece: &Piece, bit: Bit, findings: &mut Vec<Finding>) {
    let Some(feature) = feature_of(bit) else { return };
    let name = linter.features.label(feature);
    let is_hvm = linter.domain.kind.is_hvm() || !linter.known_kind;
    if !linter.static_maximum().has(feature) {
        let guests = if linter.known_kind {
            linter.domain.kind.name()
        } else {
            ""
        };
        let message = format!("Xen never gives {name} to {guests} guests").replace("  ", " ");
        findings.push(finding(
            piece,
            Severity::Warning,
            &message,
            "dropped without a word",
            "leave it out",
        ));
    } else if matches!(name.as_str(), "vmx" | "svm") && is_hvm && !linter.domain.nested {
        let message = format!("{name} is for guests with nestedhvm=1");
        findings.push(finding(
            piece,
            Severity::Warning,
            &message,
            "dropped without a word",
            "set nestedhvm=1, and leave it out here",
        ));
    } else if linter.host_maximum().is_some_and(|maximum| !maximum.has(feature)) {
        let message = format!(
            "this host does not let {} guests have {name}",
            linter.domain.kind.name()
        );
        findings.push(finding(
            piece,
            Severity::Warning,
            &message,
            "dropped without a word",
            "leave it out",
        ));
    } else if let Some(needed) = missing(linter, bit) {
        let message = format!("{name} needs {needed}, which this guest does not have");
        let advice = format!(
            "add {}",
            needed
                .split(' ')
                .map(|name| format!("{name}=1"))
                .collect::<Vec<_>>()
                .join(",")
        );
        findings.push(finding(
            piece,
            Severity::Warning,
            &message,
            "dropped without a word",
            &advice,
        ));
    }
}

/// What a feature needs that is not there in the end.
fn missing(linter: &Linter<'_>, bit: Bit) -> Option<String> {
    let policy = linter.with.as_ref()?.as_ref().ok()?;
    let (set, feature) = (policy.featureset(), feature_of(bit)?);
    if set.has(feature) {
        return None;
    }
    let lacking = |feature: &crate::xen::Feature| !set.has(*feature);
    let needed: Featureset = linter.features.requires(feature).into_iter().filter(lacking).collect();
    (!needed.is_empty()).then(|| linter.list(&needed))
}

fn asked_off(linter: &Linter<'_>, piece: &Piece, bit: Bit, findings: &mut Vec<Finding>) {
    let Some(feature) = feature_of(bit) else { return };
    let dependents = linter.features.dependents(feature);
    match &linter.without {
        Some(Ok(default)) => {
            let set = default.featureset();
            let gone = set.and(&dependents);
            let name = linter.features.label(feature);
            if !set.has(feature) {
                let message = format!("guests of this type do not have {name} on this host anyway");
                findings.push(finding(piece, Severity::Note, &message, "no effect here", ""));
            } else if !gone.is_empty() {
                let message = format!("what needs {name} goes too");
                let effect = format!("the guest also loses {}", linter.list(&gone));
                findings.push(finding(piece, Severity::Note, &message, &effect, ""));
            }
        }
        None if !dependents.is_empty() => {
            let gone = dependents.and(&linter.static_maximum());
            let message = format!("what needs {} goes too", linter.features.label(feature));
            let effect = format!(
                "the guest also loses {}, as far as the host has them",
                linter.list(&gone)
            );
            if !gone.is_empty() {
                findings.push(finding(piece, Severity::Note, &message, &effect, ""));
            }
        }
        _ => {}
    }
}

/// Bits libxl has a key for that are in no featureset word.
fn outside(linter: &Linter<'_>, piece: &Piece, bit: Bit, character: u8) -> Option<Finding> {
    let reason = match bit.word.place {
        Place::Leaf(6) => "Xen hides leaf 6 from guests",
        Place::Leaf(0x8000_000a) if !linter.domain.nested => "Xen hides leaf 8000000a from guests without nestedhvm=1",
        Place::Leaf(0x8000_000a) => return None,
        Place::Leaf(1) | Place::Leaf(0x8000_0001) => "Xen does not know this bit and clears it",
        _ => return None,
    };
    let severity = if character == b'1' {
        Severity::Warning
    } else {
        Severity::Note
    };
    Some(finding(piece, severity, reason, "no effect", "leave it out"))
}

fn no_effect_of_value(linter: &Linter<'_>, piece: &Piece, key: &crate::xen::libxl::Key) -> Option<Finding> {
    let report = |message: &str, advice: &str| Some(finding(piece, Severity::Warning, message, "no effect", advice));
    match key.name {
        "clflush" => {
            return report(
                "Xen gives every guest the host's cache line size; clfsh is the feature",
                "leave it out",
            );
        }
        "localapicid" => return report("the APIC id is that of each virtual CPU", "leave it out"),
        _ => {}
    }
    let without = linter.without.as_ref()?.as_ref().ok()?;
    let mut domain: Domain = linter.domain.clone();
    domain.cpuid = linter.alone(piece);
    let with = linter.predicted(&domain).ok()?;
    let word = key.word();
    if with == *without {
        if already_so(linter, piece, key, without) {
            let message = "guests of this type see this value on this host anyway";
            return Some(finding(piece, Severity::Note, message, "no effect here", ""));
        }
        return report("Xen decides this value itself for guests of this type", "leave it out");
    }
    if key.name == "maxleaf" {
        let lost = without.featureset().without(&with.featureset());
        let effect = format!("the guest also loses {}", linter.list(&lost));
        let message = "features above the last leaf go";
        return (!lost.is_empty()).then(|| finding(piece, Severity::Note, message, &effect, ""));
    }
    let Place::Leaf(leaf) = word.place else { return None };
    let before = word.register.of(without.get(leaf, word.subleaf.0));
    let after = word.register.of(with.get(leaf, word.subleaf.0));
    let asked_for = match key.name {
        "family" | "model" => 0x0fff_0ff0,
        _ => key.mask(),
    };
    let others = (before ^ after) & !asked_for;
    (others != 0).then(|| {
        let message = "the rest of the register goes back to the default of the guest's type";
        let effect = format!("{word} changes from {before:08x} to {after:08x}, not only in the bits asked for");
        finding(piece, Severity::Note, message, &effect, "")
    })
}

/// Each bit the value asks for has that value already.
fn already_so(linter: &Linter<'_>, piece: &Piece, key: &crate::xen::libxl::Key, policy: &CpuPolicy) -> bool {
    let config = linter.alone(piece);
    let characters = config.cpuid.first().and_then(|entry| entry.register(key.register));
    let value = key.register.of(policy.get(key.leaf, key.subleaf.unwrap_or(0)));
    characters.is_some_and(|characters| {
        (0..32_u8).all(|number| match characters.of_bit(number) {
            b'0' => value >> number & 1 == 0,
            b'1' => value >> number & 1 == 1,
            _ => true,
        })
    })
}

/// Bits that are asked for more than once.
pub(crate) fn repeated(linter: &Linter<'_>, findings: &mut Vec<Finding>) {
    let mut met: BTreeMap<Bit, (&Piece, u8)> = BTreeMap::new();
    for piece in linter.outcome.pieces.iter().filter(|piece| piece.problem.is_none()) {
        let PieceKind::Flag(Some(target)) = piece.kind else {
            continue;
        };
        let Some(first) = target.bits().next() else { continue };
        let many = target.bits().count() > 1;
        let Some(character) = character(linter, piece, first) else {
            continue;
        };
        if let Some((before, old)) = met.insert(first, (piece, character)) {
            let same = old == character && !many || before.text == piece.text;
            let message = format!("{} is asked for before, by {}", linter.name(first), before.text);
            let (severity, effect) = if same {
                (Severity::Note, "nothing more")
            } else {
                (Severity::Warning, "the later one counts")
            };
            findings.push(finding(piece, severity, &message, effect, "keep one"));
        }
    }
}
