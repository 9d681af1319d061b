//! `ucode=` on Xen's command line: `parse_params` of xen/common/kernel.c splits the line,
//! `parse_ucode` of xen/arch/x86/cpu/microcode/core.c reads the value.
//!
//! The parts of a value are taken one after the other, and each one that is neither `nmi` nor
//! `digest-check` sets the whole choice of where to look: an empty part is the number 0, so a comma
//! at the end undoes what stands before it, and so does a part that is no number at all.

use super::rules;
use crate::loader::Reason;

/// An option and its value are cut to this many bytes.
const LONGEST: usize = 127;

/// What is left when the whole line is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Module nominated by its number; 0 for none, negative from the end.
    pub module: i32,
    /// Search the modules for a cpio archive.
    pub scan: bool,
    /// Digests of AMD patches are checked.
    pub digest_check: bool,
    /// Late loading in the NMI handler.
    pub nmi: bool,
    /// What is odd about the line.
    pub reasons: Vec<Reason>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            module: 0,
            scan: false,
            digest_check: true,
            nmi: true,
            reasons: Vec::new(),
        }
    }
}

impl Options {
    /// Read a command line. `forced` is the module that xen.efi's configuration nominates, which
    /// no number and no `scan` of the line overrides.
    #[must_use]
    pub fn read(line: &str, forced: Option<i32>) -> Self {
        let mut options = Self {
            module: forced.unwrap_or(0),
            ..Self::default()
        };
        let own = line.split_once(" -- ").map_or(line, |(own, _)| own);
        for word in own.split(' ').filter(|word| !word.is_empty()) {
            options.word(cut(word), forced.is_some());
        }
        options
    }

    fn word(&mut self, word: &str, forced: bool) {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key.strip_prefix("no-") {
            Some("ucode") if value.is_empty() => self.value("no", forced),
            Some("ucode") => self.note(rules::OPTION_INVALID, format!("{word}: no- and a value")),
            _ if key == "ucode" => self.value(value, forced),
            _ => {}
        }
    }

    fn value(&mut self, value: &str, forced: bool) {
        for part in value.split(',') {
            if let Some(on) = boolean("nmi", part) {
                self.nmi = on;
            } else if let Some(on) = boolean("digest-check", part) {
                self.digest_check = on;
            } else if forced {
                self.note(
                    rules::EFI_OVERRIDES,
                    format!("ucode={value}: \"{part}\" is not looked at"),
                );
            } else if let Some(on) = boolean("scan", part) {
                (self.scan, self.module) = (on, 0);
            } else {
                self.number(value, part);
            }
        }
    }

    fn number(&mut self, value: &str, part: &str) {
        let undone = if self.scan {
            "scan".to_owned()
        } else {
            self.module.to_string()
        };
        let active = self.scan || self.module != 0;
        if let Some(number) = integer(part) {
            (self.module, self.scan) = (number, false);
            if number == 0 {
                let undone = if active {
                    format!(" and undoes {undone}")
                } else {
                    String::new()
                };
                self.note(
                    rules::OPTION_ZERO,
                    format!("ucode={value}: \"{part}\" is the number 0{undone}"),
                );
            }
        } else {
            let undone = if self.module == 0 {
                String::new()
            } else {
                format!(" and module {undone} is forgotten")
            };
            self.module = 0;
            self.note(
                rules::OPTION_INVALID,
                format!("ucode={value}: \"{part}\" is neither an option nor a number: -EINVAL{undone}"),
            );
        }
    }

    fn note(&mut self, rule: crate::loader::Rule, detail: String) {
        self.reasons.push(Reason { rule, detail });
    }
}

/// The first bytes of an option, as many as Xen keeps.
fn cut(word: &str) -> &str {
    let mut end = LONGEST.min(word.len());
    while !word.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    word.get(..end).unwrap_or(word)
}

/// `parse_boolean`: `name`, `no-name` or `name=` and one of the words for yes and no.
fn boolean(name: &str, part: &str) -> Option<bool> {
    if let Some(rest) = part.strip_prefix("no-") {
        return (rest == name).then_some(false);
    }
    let rest = part.strip_prefix(name)?;
    if rest.is_empty() {
        return Some(true);
    }
    match rest.strip_prefix('=')? {
        "1" | "on" | "yes" | "true" | "enable" => Some(true),
        "0" | "no" | "off" | "false" | "disable" => Some(false),
        _ => None,
    }
}

/// `simple_strtol` with base 0, then stored in an `int`; `None` when something is left over.
/// Nothing at all is 0. Numbers that are too large wrap around.
fn integer(part: &str) -> Option<i32> {
    let (negative, digits) = match part.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, part),
    };
    let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (base, digits) = match (hexadecimal, digits.strip_prefix('0')) {
        (Some(rest), _) if rest.starts_with(|first: char| first.is_ascii_hexdigit()) => (16, rest),
        (_, Some(rest)) => (8, rest),
        _ => (10, digits),
    };
    let mut value: u64 = 0;
    for digit in digits.chars() {
        let digit = digit.to_digit(base)?;
        value = value.wrapping_mul(u64::from(base)).wrapping_add(u64::from(digit));
    }
    let value = if negative { value.wrapping_neg() } else { value };
    let [a, b, c, d, ..] = value.to_le_bytes();
    Some(i32::from_le_bytes([a, b, c, d]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(line: &str) -> (i32, bool) {
        let options = Options::read(line, None);
        (options.module, options.scan)
    }

    #[test]
    fn number_and_scan_undo_each_other_and_the_last_one_counts() {
        assert_eq!(choice("dom0_mem=4096M ucode=2 loglvl=all"), (2, false));
        assert_eq!(choice("ucode=-1"), (-1, false));
        assert_eq!(choice("ucode=1,scan"), (0, true));
        assert_eq!(choice("ucode=scan,1"), (1, false));
        assert_eq!(choice("ucode=scan ucode=3"), (3, false));
        assert_eq!(choice("ucode=scan=off"), (0, false));
        assert_eq!(choice("ucode=no-scan"), (0, false));
    }

    #[test]
    fn comma_at_the_end_is_the_number_zero() {
        assert_eq!(choice("ucode=scan,"), (0, false));
        assert_eq!(choice("ucode=2,"), (0, false));
        assert_eq!(choice("ucode=scan,nmi"), (0, true));
        assert_eq!(choice("ucode=scan ucode"), (0, false));
    }

    #[test]
    fn part_that_is_nothing_known_forgets_the_number_but_not_the_scan() {
        let options = Options::read("ucode=1,initrd", None);
        assert_eq!((options.module, options.scan), (0, false));
        assert_eq!(options.reasons[0].rule.id, "xen-option-invalid");
        assert_eq!(choice("ucode=scan,initrd"), (0, true));
        assert_eq!(choice("ucode=2,nmi=perhaps"), (0, false));
        assert_eq!(choice("ucode=scan=perhaps"), (0, false));
    }

    #[test]
    fn numbers_have_the_bases_of_c() {
        assert_eq!(choice("ucode=0x10"), (16, false));
        assert_eq!(choice("ucode=-0x2"), (-2, false));
        assert_eq!(choice("ucode=010"), (8, false));
        assert_eq!(choice("ucode=08"), (0, false));
        assert_eq!(choice("ucode=0x"), (0, false));
        assert_eq!(choice("ucode=+1"), (0, false));
        assert_eq!(choice("ucode=4294967298"), (2, false));
    }

    #[test]
    fn digest_check_and_nmi_leave_the_choice_alone() {
        let options = Options::read("ucode=-1,digest-check=no,no-nmi", None);
        assert_eq!((options.module, options.digest_check, options.nmi), (-1, false, false));
        assert!(options.reasons.is_empty());
    }

    #[test]
    fn module_of_the_efi_configuration_is_not_overridden() {
        let options = Options::read("ucode=scan,digest-check=off", Some(3));
        assert_eq!((options.module, options.scan, options.digest_check), (3, false, false));
        assert_eq!(options.reasons[0].rule.id, "xen-efi-overrides");
    }

    #[test]
    fn what_follows_two_hyphens_is_for_the_kernel_of_dom0() {
        assert_eq!(choice("console=vga -- ucode=scan"), (0, false));
        assert_eq!(choice("ucode=scan -- quiet"), (0, true));
    }

    #[test]
    fn no_ucode_is_the_word_no() {
        let options = Options::read("no-ucode", None);
        assert_eq!(options.reasons[0].rule.id, "xen-option-invalid");
        assert_eq!(Options::read("no-ucode=scan", None).reasons.len(), 1);
    }

    #[test]
    fn options_are_cut_at_127_bytes() {
        let long = format!("ucode=1,{},scan", "nmi,".repeat(40));
        assert!(!choice(&long).1);
    }
}
