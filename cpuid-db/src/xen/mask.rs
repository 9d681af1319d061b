//! A policy as masks of registers, and back: the list form of xl's `cpuid=`, and the options
//! `cpuid_mask_*` of Xen's command line, which level a whole host by the masking MSRs of older processors.
//!
//! A mask clears the features Xen knows that the policy does not have. Bits Xen has no name for stay set
//! in a mask: no guest sees them anyway.

use crate::bits::{Bit, Place, Register, Word, Words};
use crate::database::Database;
use crate::guest::{Fault, GuestCpu, Setting};
use crate::xen::CpuidConfig;
use crate::xen::config::strtoul;
use crate::xen::features::{Features, StaticSet};
use crate::xen::featureset::{Featureset, ORDER, index_of};

/// Options of Xen's command line and the register each masks.
pub const OPTIONS: [(&str, Word); 8] = [
    ("cpuid_mask_ecx", Word::cpuid(1, 0, Register::Ecx)),
    ("cpuid_mask_edx", Word::cpuid(1, 0, Register::Edx)),
    ("cpuid_mask_ext_ecx", Word::cpuid(0x8000_0001, 0, Register::Ecx)),
    ("cpuid_mask_ext_edx", Word::cpuid(0x8000_0001, 0, Register::Edx)),
    ("cpuid_mask_l7s0_eax", Word::cpuid(7, 0, Register::Eax)),
    ("cpuid_mask_l7s0_ebx", Word::cpuid(7, 0, Register::Ebx)),
    ("cpuid_mask_thermal_ecx", Word::cpuid(6, 0, Register::Ecx)),
    ("cpuid_mask_xsave_eax", Word::cpuid(0xd, 1, Register::Eax)),
];

/// Masks that leave of the known features those of a policy. Registers of which nothing is cleared are
/// left out, and so are features that follow what a guest's kernel does.
#[must_use]
pub fn masks(database: &Database, policy: &Words) -> Vec<(Word, u32)> {
    let features = Features::of(database);
    let mut cleared = features.static_set(StaticSet::Known).without(&Featureset::of(policy));
    for name in ["apic", "osxsave", "ospke"] {
        if let Some(feature) = features.by_name(name) {
            cleared.set(feature, false);
        }
    }
    ORDER
        .iter()
        .zip(cleared.0)
        .filter(|(_, cleared)| *cleared != 0)
        .map(|(place, cleared)| (place.word, !cleared))
        .collect()
}

/// The known features that masks leave; of registers without a mask all.
#[must_use]
pub fn policy(database: &Database, masks: &[(Word, u32)]) -> Words {
    let mut set = Features::of(database).static_set(StaticSet::Known);
    for &(word, mask) in masks {
        if let Some(value) = index_of(word).and_then(|index| set.0.get_mut(index)) {
            *value &= mask;
        }
    }
    set.words()
}

/// The options that apply masks to a whole host. Registers that no option masks are faults.
#[must_use]
pub fn command_line(masks: &[(Word, u32)]) -> (String, Vec<Fault>) {
    let mut options = Vec::new();
    let mut faults = Vec::new();
    for &(word, mask) in masks {
        match OPTIONS.iter().find(|(_, known)| *known == word) {
            Some((name, _)) => options.push(format!("{name}={mask:#010x}")),
            None => faults.push(Fault {
                at: None,
                what: format!("{word}={mask:08x}"),
                message: "Xen's command line has no mask of this register".to_owned(),
            }),
        }
    }
    (options.join(" "), faults)
}

/// Masks of a command line; its other options are left out.
#[must_use]
pub fn read_command_line(text: &str) -> (Vec<(Word, u32)>, Vec<Fault>) {
    let mut masks: Vec<(Word, u32)> = Vec::new();
    let mut faults = Vec::new();
    let mut at = 0_usize;
    for option in text.split(' ') {
        let here = at;
        at = at.saturating_add(option.len()).saturating_add(1);
        let option = option.trim();
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let name = name.replace('-', "_");
        if !name.starts_with("cpuid_mask_") {
            continue;
        }
        let known = OPTIONS.iter().find(|(known, _)| *known == name);
        let number = strtoul(value.as_bytes()).filter(|(_, used)| *used == value.len());
        let (Some((_, word)), Some((number, _))) = (known, number) else {
            let message = match known {
                Some(_) => "expected a number",
                None if name == "cpuid_mask_cpu" => "masks of a processor model are not read",
                None => "no such option",
            };
            faults.push(Fault {
                at: Some(here),
                what: option.to_owned(),
                message: message.to_owned(),
            });
            continue;
        };
        let [mask, _] = crate::bits::halves(number);
        masks.retain(|(seen, _)| seen != word);
        masks.push((*word, mask));
    }
    (masks, faults)
}

/// The guest's CPU that masks make of the host's: for [`write_string`](crate::xen::write_string) and
/// [`write_list`](crate::xen::write_list).
#[must_use]
pub fn guest(database: &Database, masks: &[(Word, u32)]) -> GuestCpu {
    let known = Features::of(database).static_set(StaticSet::Known);
    let mut cpu = GuestCpu {
        host_based: true,
        ..GuestCpu::default()
    };
    for &(word, mask) in masks {
        let known = index_of(word)
            .and_then(|index| known.0.get(index))
            .copied()
            .unwrap_or(0);
        for number in (0..32_u8).filter(|number| (known & !mask) >> number & 1 == 1) {
            let bit: Bit = word.bit(number);
            cpu.bits.insert(bit, Setting::Off);
        }
    }
    cpu
}

/// Masks of a `cpuid=`: what it clears.
#[must_use]
pub fn of_config(config: &CpuidConfig) -> Vec<(Word, u32)> {
    let mut masks = Vec::new();
    for entry in &config.cpuid {
        for register in Register::ALL {
            let Some(characters) = entry.register(register) else {
                continue;
            };
            let cleared = (0..32_u8)
                .filter(|&number| characters.of_bit(number) == b'0')
                .fold(0_u32, |mask, number| mask | 1 << number);
            if cleared != 0 {
                masks.push((Word::cpuid(entry.leaf, entry.subleaf.unwrap_or(0), register), !cleared));
            }
        }
    }
    for msr in &config.msr {
        let cleared = (0..64_usize)
            .filter(|&number| msr.policy.get(63_usize.saturating_sub(number)) == Some(&b'0'))
            .fold(0_u64, |mask, number| mask | 1 << (number & 63));
        for (register, cleared) in [Register::Eax, Register::Edx]
            .into_iter()
            .zip(crate::bits::halves(cleared))
        {
            let word = Word {
                place: Place::Msr(msr.index),
                ..Word::msr(msr.index, register)
            };
            if cleared != 0 {
                masks.push((word, !cleared));
            }
        }
    }
    masks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xen;

    #[test]
    fn a_policy_comes_back_from_its_masks_and_from_each_way_to_write_them() {
        let database = Database::builtin();
        let features = Features::of(&database);
        let mut set = features.static_set(StaticSet::HvmHapDefault);
        for name in ["avx512f", "rdcl-no", "page1gb", "ibpb"] {
            set.set(features.by_name(name).unwrap(), false);
        }
        for name in ["osxsave", "ospke", "apic"] {
            set.set(features.by_name(name).unwrap(), true);
        }
        let words = set.words();
        let made = masks(&database, &words);
        assert_eq!(policy(&database, &made), words);

        let (text, faults) = xen::write_string(&database, &guest(&database, &made));
        assert!(faults.is_empty(), "{faults:?}");
        let config = xen::read::domain(&features, &text).unwrap().cpuid;
        assert_eq!(policy(&database, &of_config(&config)), words);

        let (options, faults) = command_line(&made);
        let (back, none) = read_command_line(&format!("dom0_mem=1G {options} smt=0"));
        assert!(none.is_empty());
        assert_eq!(back.len().saturating_add(faults.len()), made.len());
        assert!(back.iter().all(|mask| made.contains(mask)));
    }

    #[test]
    fn options_are_read_as_numbers_and_the_last_counts() {
        let (masks, faults) =
            read_command_line("cpuid_mask_ecx=1 cpuid-mask-ecx=0xfe cpuid_mask_foo=1 cpuid_mask_edx=q");
        assert_eq!(masks, [(Word::cpuid(1, 0, Register::Ecx), 0xfe)]);
        assert_eq!(
            faults.iter().map(|fault| fault.at.unwrap()).collect::<Vec<_>>(),
            [37, 54]
        );
    }
}
