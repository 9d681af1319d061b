//! From libxl's `cpuid=`, in either form, to a guest's CPU in no dialect.

use crate::bits::{Bit, Register, Word};
use crate::database::{Database, Kind, Vendors};
use crate::guest::{Fault, GuestCpu, Setting};
use crate::xen::config::Characters;
use crate::xen::domain::Domain;
use crate::xen::features::Features;
use crate::xen::libxl::{self, Key, Target};
use crate::xen::source::Source;
use crate::xen::xend::Line;
use crate::xen::xl::{Outcome, Piece, PieceKind, Problem};
use crate::xen::{CpuidConfig, featureset};

/// Reads a string (`host,aes=0`), a value, a `cpuid=` line or a whole xl.cfg. What libxl would not take is
/// a fault, with libxl's message; the rest is read.
///
/// ```
/// use cpuid_db::{Database, Setting, xen};
/// let (cpu, faults) = xen::read(&Database::builtin(), "host,sse3=0,family=6,model=42,+pcid");
/// assert_eq!((cpu.family, cpu.model_number), (Some(6), Some(42)));
/// assert_eq!(cpu.bits.values().copied().collect::<Vec<_>>(), [Setting::Off]);
/// assert_eq!(faults[0].message, "error #1: missing \"=\" in key=value");
/// ```
#[must_use]
pub fn read(database: &Database, text: &str) -> (GuestCpu, Vec<Fault>) {
    let features = Features::of(database);
    let source = Source::read(text);
    let mut faults: Vec<Fault> = source
        .config
        .errors
        .iter()
        .map(|error| Fault {
            at: Some(error.at),
            what: error.near.clone(),
            message: error.message("xl.cfg"),
        })
        .collect();
    match source.domain(&features) {
        Ok((_, outcome)) => (of_outcome(database, &features, &outcome, &mut faults), faults),
        Err(message) => {
            faults.push(Fault {
                at: source.config.get("type").map(|setting| setting.at),
                what: "type".to_owned(),
                message,
            });
            (host(), faults)
        }
    }
}

fn host() -> GuestCpu {
    GuestCpu {
        host_based: true,
        ..GuestCpu::default()
    }
}

fn of_outcome(database: &Database, features: &Features, outcome: &Outcome, faults: &mut Vec<Fault>) -> GuestCpu {
    let mut cpu = host();
    for piece in &outcome.pieces {
        if let Some(problem) = piece.problem {
            faults.push(Fault {
                at: Some(piece.at),
                what: piece.text.clone(),
                message: match problem {
                    Problem::NotHost => "error: first word must be \"host\"".to_owned(),
                    Problem::Flag(error) => format!("error #{}: {error}", error.number()),
                    Problem::Line(error) => format!("error #{}: {error}", error.number()),
                },
            });
        }
        match &piece.kind {
            PieceKind::Flag(Some(target)) if piece.problem.is_none() => flag(features, piece, *target, &mut cpu),
            PieceKind::Line(line) => lines(database, piece, line, &mut cpu, faults),
            _ => {}
        }
    }
    cpu.name_values();
    cpu
}

/// What the characters of bits ask for.
const fn setting(character: u8) -> Option<Setting> {
    Some(match character {
        b'0' => Setting::Off,
        b'1' => Setting::On,
        b'x' => Setting::Default,
        b'k' | b's' => Setting::Keep,
        _ => return None,
    })
}

fn flag(features: &Features, piece: &Piece, target: Target, cpu: &mut GuestCpu) {
    let mut config = CpuidConfig::default();
    let _ = libxl::parse_flag(features, &mut config, &piece.text);
    if let Some(msr) = config.msr.first() {
        for bit in target.bits() {
            let half = if bit.word.register == Register::Edx { 32 } else { 0 };
            let index = 63_usize.saturating_sub(usize::from(bit.number).saturating_add(half));
            if let Some(setting) = msr.policy.get(index).copied().and_then(setting) {
                cpu.bits.insert(bit, setting);
            }
        }
        return;
    }
    let Some(entry) = config.cpuid.first() else { return };
    match target {
        Target::Key(key) if key.length > 1 => {
            if let Some(characters) = entry.register(key.register) {
                value(key, characters, cpu);
            }
        }
        _ => {
            for bit in target.bits() {
                let character = entry.register(bit.word.register).map(|c| c.of_bit(bit.number));
                if let Some(setting) = character.and_then(setting) {
                    cpu.bits.insert(bit, setting);
                }
            }
        }
    }
}

/// Bits a key writes: family and model have a second part.
pub(crate) fn written_mask(key: &Key) -> u32 {
    match key.name {
        "family" => 0x0ff0_0f00,
        "model" => 0x000f_00f0,
        _ => key.mask(),
    }
}

fn value(key: &Key, characters: &Characters, cpu: &mut GuestCpu) {
    let (word, mask) = (key.word(), written_mask(key));
    let mut fixed = (0_u32, 0_u32);
    for number in (0..32_u8).filter(|number| mask >> number & 1 == 1) {
        match characters.of_bit(number) {
            b'0' => fixed.0 |= 1 << number,
            b'1' => fixed = (fixed.0 | 1 << number, fixed.1 | 1 << number),
            other => {
                if let Some(setting) = setting(other) {
                    cpu.bits.insert(word.bit(number), setting);
                }
            }
        }
    }
    put_value(cpu, word, fixed.0, fixed.1);
}

/// Adds a value over what was given for the same bits.
fn put_value(cpu: &mut GuestCpu, word: Word, mask: u32, value: u32) {
    if mask == 0 {
        return;
    }
    for number in (0..32_u8).filter(|number| mask >> number & 1 == 1) {
        cpu.bits.remove(&word.bit(number));
    }
    let found = cpu.values.iter_mut().find(|(seen, _, _)| *seen == word);
    match found {
        Some((_, old_mask, old)) => {
            *old = (*old & !mask) | value;
            *old_mask |= mask;
        }
        None => cpu.values.push((word, mask, value)),
    }
}

fn lines(database: &Database, piece: &Piece, line: &Line, cpu: &mut GuestCpu, faults: &mut Vec<Fault>) {
    for part in &line.parts {
        let word = Word::cpuid(part.leaf, part.subleaf.unwrap_or(0), part.register);
        let mut fixed = (0_u32, 0_u32);
        for number in 0..32_u8 {
            let bit = word.bit(number);
            let character = part.characters.of_bit(number);
            // Of the leaf that tells the hypervisor's last one, Xen reads eight bits.
            let beyond =
                matches!(part.leaf, 0x4000_0000 | 0x4000_0100) && (part.register != Register::Eax || number > 7);
            match setting(character) {
                None => {
                    faults.push(Fault {
                        at: Some(piece.value_at.saturating_add(part.at)),
                        what: part.characters.text(),
                        message: "characters other than 0, 1, x, k and s".to_owned(),
                    });
                    break;
                }
                Some(Setting::Default) => {}
                Some(_) if beyond => {}
                Some(setting) if setting == Setting::Keep || is_feature(database, bit) => {
                    cpu.bits.insert(bit, setting);
                }
                Some(setting) => {
                    let mask = 1 << number;
                    fixed = (fixed.0 | mask, fixed.1 | if setting == Setting::On { mask } else { 0 });
                }
            }
        }
        put_value(cpu, word, fixed.0, fixed.1);
    }
}

fn is_feature(database: &Database, bit: Bit) -> bool {
    featureset::index_of(bit.word).is_some()
        || database
            .of_bit(bit, Vendors::ANY)
            .is_some_and(|field| field.kind == Kind::Feature)
}

/// The guest of a whole configuration, for [`predict`](crate::xen::predict); an `Err` is a type of guest
/// that xl refuses.
pub fn domain(features: &Features, text: &str) -> Result<Domain, String> {
    Source::read(text).domain(features).map(|(domain, _)| domain)
}
