//! Checks of the list form of `cpuid=`.

use crate::bits::Place;
use crate::xen::config::UNUSED;
use crate::xen::features::Feature;
use crate::xen::featureset::{Featureset, ORDER, index_of};
use crate::xen::libxl::has_subleaves;
use crate::xen::lint::{Finding, Linter, Severity};
use crate::xen::xend::{Line, LineError, Part};
use crate::xen::xl::{Piece, Problem};

pub(crate) fn line(linter: &Linter<'_>, piece: &Piece, line: &Line, findings: &mut Vec<Finding>) {
    if let Some(Problem::Line(error)) = piece.problem {
        findings.push(refused(piece, error, line));
    }
    for part in &line.parts {
        if let Some(found) = address(piece, part).or_else(|| characters(piece, part)) {
            findings.push(found);
            continue;
        }
        findings.extend(bits(linter, piece, part));
    }
    findings.extend(lost(linter, piece));
}

/// Features the guest loses with the line and that the line does not name.
fn lost(linter: &Linter<'_>, piece: &Piece) -> Option<Finding> {
    let without = linter.without.as_ref()?.as_ref().ok()?.featureset();
    let mut domain = linter.domain.clone();
    domain.cpuid = linter.alone(piece);
    let with = linter.predicted(&domain).ok()?.featureset();
    let mut cleared = Featureset::default();
    for entry in &domain.cpuid.cpuid {
        for (index, place) in ORDER.iter().enumerate() {
            let here =
                place.word.place == Place::Leaf(entry.leaf) && place.word.subleaf.0 == entry.subleaf.unwrap_or(0);
            let characters = here.then(|| entry.register(place.word.register)).flatten();
            let numbers = (0..32_u8).filter(|&number| characters.is_some_and(|c| c.of_bit(number) == b'0'));
            for feature in numbers.filter_map(|number| Feature::new(index, number)) {
                cleared.set(feature, true);
            }
        }
    }
    let gone = without.without(&with).without(&cleared);
    (!gone.is_empty()).then(|| Finding {
        at: piece.at,
        what: piece.text.clone(),
        severity: Severity::Note,
        message: "what needs the cleared features or lies above the last leaf goes too".to_owned(),
        effect: format!("the guest also loses {}", linter.list(&gone)),
        advice: String::new(),
    })
}

fn refused(piece: &Piece, error: LineError, line: &Line) -> Finding {
    let text = piece.text.trim();
    let advice = match error {
        LineError::Leaf if text.contains('=') && !text.contains(':') => {
            let flag = text.strip_prefix("host,").unwrap_or(text);
            format!("key=value belongs in a string: cpuid=\"host,{flag}\"")
        }
        LineError::Leaf => "begin with the number of a leaf: 0x7,0:ebx=…".to_owned(),
        LineError::Subleaf => "write a number behind the comma: 0x7,0:ebx=…".to_owned(),
        LineError::Colon => "write a colon behind leaf and subleaf: 0x7,0:ebx=…".to_owned(),
        LineError::Register => "write eax=, ebx=, ecx= or edx=".to_owned(),
        LineError::Length => "write 32 characters of 0, 1, x or k, bit 31 first".to_owned(),
    };
    let effect = match line.parts.len() {
        0 => "the line is not applied; the guest is created all the same",
        _ => "applied up to there; the guest is created all the same",
    };
    Finding {
        at: piece.at,
        what: piece.text.clone(),
        severity: Severity::Error,
        message: format!("error #{}: {error}", error.number()),
        effect: effect.to_owned(),
        advice,
    }
}

fn part_finding(
    piece: &Piece,
    part: &Part,
    severity: Severity,
    message: String,
    effect: &str,
    advice: &str,
) -> Finding {
    Finding {
        at: piece.value_at.saturating_add(part.at),
        what: piece.text.clone(),
        severity,
        message,
        effect: effect.to_owned(),
        advice: advice.to_owned(),
    }
}

/// Leaves that Xen addresses by subleaf need one; others must not have one.
fn address(piece: &Piece, part: &Part) -> Option<Finding> {
    let known = matches!(part.leaf, 0..=0xd | 0x4000_0000 | 0x4000_0100 | 0x8000_0000..=0x8000_0021);
    let advice = match (has_subleaves(part.leaf), part.subleaf) {
        _ if !known => "Xen's policies have no such leaf",
        (true, None) => "write the subleaf: LEAF,SUBLEAF:",
        (false, Some(_)) => "leave the subleaf out",
        _ => return None,
    };
    let number = |value: u32| {
        if value == 0 {
            "0".to_owned()
        } else {
            format!("{value:#x}")
        }
    };
    let message = format!(
        "xc: error: Missing leaf {}, subleaf {}: Internal error",
        number(part.leaf),
        number(part.subleaf.unwrap_or(UNUSED))
    );
    let effect = "the guest is not created (\"Failed to apply CPUID policy: Invalid argument\")";
    (part.leaf != UNUSED).then(|| part_finding(piece, part, Severity::Error, message, effect, advice))
}

fn characters(piece: &Piece, part: &Part) -> Option<Finding> {
    let bad = part.characters.0.iter().find(|byte| !b"01xks".contains(byte))?;
    let index = crate::bits::Register::ALL
        .iter()
        .position(|&register| register == part.register)?;
    let message = format!(
        "xc: error: Bad character '{}' in policy[{index}] string '{}': Internal error",
        char::from(*bad),
        part.characters.text()
    );
    let effect = "the guest is not created (\"Failed to apply CPUID policy: Invalid argument\")";
    Some(part_finding(
        piece,
        part,
        Severity::Error,
        message,
        effect,
        "use 0, 1, x and k only",
    ))
}

/// Features a line asks for that the guest cannot have, and that go along with those it takes away.
fn bits(linter: &Linter<'_>, piece: &Piece, part: &Part) -> Vec<Finding> {
    let mut out = Vec::new();
    let word = crate::bits::Word {
        place: Place::Leaf(part.leaf),
        subleaf: crate::leaf::Subleaf(part.subleaf.unwrap_or(0)),
        register: part.register,
    };
    let Some(index) = index_of(word) else { return out };
    let with = |wanted: u8| -> Featureset {
        (0..32_u8)
            .filter(|&number| part.characters.of_bit(number) == wanted)
            .filter_map(|number| Feature::new(index, number))
            .collect()
    };
    let (ones, zeros) = (with(b'1'), with(b'0'));
    let never = ones.without(&linter.static_maximum());
    // 0x80000001.EDX repeats bits of leaf 1 on AMD processors; Xen writes them itself.
    let repeated: Featureset = (0..32_u8)
        .filter(|number| index == 2 && crate::bits::COMMON_1D >> number & 1 == 1)
        .filter_map(|number| Feature::new(2, number))
        .collect();
    let never = never.without(&repeated);
    let lacking = linter
        .host_maximum()
        .map(|maximum| ones.without(&maximum).without(&never).without(&repeated));
    for (set, why) in [
        (never, "Xen never gives guests of this type"),
        (lacking.unwrap_or_default(), "this host does not let guests have"),
    ] {
        if !set.is_empty() {
            let message = format!("{why} {}", linter.list(&set));
            out.push(part_finding(
                piece,
                part,
                Severity::Warning,
                message,
                "dropped without a word",
                "write x there",
            ));
        }
    }
    // With the host's policies the whole line is judged at once, by what comes of it.
    let mut gone = Featureset::default();
    if linter.policies.is_none() {
        for feature in zeros.iter() {
            gone = gone.or(&linter.features.dependents(feature));
        }
    }
    let gone = gone.and(&linter.static_maximum()).without(&zeros);
    if !gone.is_empty() {
        let effect = format!("the guest also loses {}", linter.list(&gone));
        let message = "what needs the cleared features goes too".to_owned();
        out.push(part_finding(piece, part, Severity::Note, message, &effect, ""));
    }
    out
}
