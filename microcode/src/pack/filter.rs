//! Which updates are wanted.

use std::str::FromStr;

use thiserror::Error;

use super::Whom;
use crate::cpu::{Cpu, Vendor};
use crate::ids::{Date, PlatformMask, Revision, Signature};

/// How a revision is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// The same revision.
    Equal,
    /// An older one.
    Less,
    /// A newer one.
    Greater,
}

/// One `-s` of `iucode_tool`: `[!]signature[,[platforms][,[lt:|eq:|gt:]revision]]`, or `!` alone.
///
/// Numbers are C's: hexadecimal with `0x`, octal with `0`, else decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `!`: what it describes is not wanted.
    pub exclude: bool,
    /// CPU signature; `None` is `!` alone, after which only what is named is wanted.
    pub signature: Option<Signature>,
    /// At least one of these platforms; 0 for any.
    pub platforms: PlatformMask,
    /// Revision.
    pub revision: Option<(Compare, Revision)>,
}

/// Why a rule, number or date is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// Not a 32-bit number.
    #[error("{0:?}: expected a number of 32 bits (0x for hexadecimal)")]
    Number(String),
    /// More than three parts.
    #[error("{0:?}: expected [!]SIGNATURE[,[PLATFORMS][,[lt:|eq:|gt:]REVISION]]")]
    Rule(String),
    /// Not `YYYY-MM-DD`.
    #[error("{0:?}: expected a date as YYYY-MM-DD")]
    Date(String),
}

/// A number as C reads it.
///
/// # Errors
/// When it is none, or too large.
pub fn number(text: &str) -> Result<u32, Error> {
    let lower = text.trim().to_ascii_lowercase();
    let parsed = match (lower.strip_prefix("0x"), lower.strip_prefix('0')) {
        (Some(hex), _) => u32::from_str_radix(hex, 16),
        (None, Some("")) => Ok(0),
        (None, Some(octal)) => u32::from_str_radix(octal, 8),
        (None, None) => lower.parse(),
    };
    parsed
        .ok()
        .filter(|_| !lower.contains('+'))
        .ok_or_else(|| Error::Number(text.to_owned()))
}

/// A date as `YYYY-MM-DD`; like those of updates it need not exist.
///
/// # Errors
/// When it has another form.
pub fn date(text: &str) -> Result<Date, Error> {
    let wrong = || Error::Date(text.to_owned());
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else {
        return Err(wrong());
    };
    let digits = |part: &str, length: usize| {
        let fits = part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
        u16::from_str_radix(part, 16).ok().filter(|_| fits).ok_or_else(wrong)
    };
    let byte = |part| u8::try_from(digits(part, 2)?).map_err(|_| wrong());
    Ok(Date {
        year: digits(year, 4)?,
        month: byte(month)?,
        day: byte(day)?,
    })
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let trimmed = text.trim();
        let body = trimmed.strip_prefix('!');
        let (exclude, body) = (body.is_some(), body.unwrap_or(trimmed).trim());
        let mut rule = Self {
            exclude,
            signature: None,
            platforms: PlatformMask(0),
            revision: None,
        };
        if exclude && body.is_empty() {
            return Ok(rule);
        }
        let mut parts = body.split(',').map(str::trim);
        rule.signature = Some(Signature(number(parts.next().unwrap_or_default())?));
        if let Some(platforms) = parts.next().filter(|part| !part.is_empty()) {
            rule.platforms = PlatformMask(number(platforms)?);
        }
        if let Some(revision) = parts.next().filter(|part| !part.is_empty()) {
            rule.revision = Some(compared(revision)?);
        }
        parts.next().map_or(Ok(rule), |_| Err(Error::Rule(text.to_owned())))
    }
}

fn compared(text: &str) -> Result<(Compare, Revision), Error> {
    let (compare, rest) = match text.split_once(':') {
        Some(("lt", rest)) => (Compare::Less, rest),
        Some(("gt", rest)) => (Compare::Greater, rest),
        Some(("eq", rest)) => (Compare::Equal, rest),
        Some(_) => return Err(Error::Rule(text.to_owned())),
        None => (Compare::Equal, text),
    };
    Ok((compare, Revision(number(rest)?)))
}

impl Rule {
    fn describes(&self, whom: Whom, revision: Revision) -> bool {
        let signature = self.signature.is_none_or(|signature| whom.signature == Some(signature));
        let platforms = self.platforms.0 == 0 || self.platforms.0 & whom.platforms.0 != 0;
        signature
            && platforms
            && self.revision.is_none_or(|(compare, stated)| match compare {
                Compare::Equal => revision == stated,
                Compare::Less => revision < stated,
                Compare::Greater => revision > stated,
            })
    }
}

/// Which updates are wanted; the default wants all that are whole.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Rules in their order; a later one overrides an earlier one. When one of them includes
    /// something, or is `!` alone, what no rule names is not wanted.
    pub rules: Vec<Rule>,
    /// CPUs to serve; looked at before the rules.
    pub cpus: Vec<Cpu>,
    /// Serve every stepping of those CPUs, as `iucode_tool -S` does.
    pub any_stepping: bool,
    /// One vendor only.
    pub vendor: Option<Vendor>,
    /// Lowest revision wanted.
    pub from: Option<Revision>,
    /// Highest revision wanted.
    pub to: Option<Revision>,
    /// Dated after this day only.
    pub after: Option<Date>,
    /// Dated before this day only.
    pub before: Option<Date>,
    /// When one revision for a CPU is within the dates, all of them are wanted.
    pub loose_dates: bool,
    /// Keep updates that break a rule of the format.
    pub damaged: bool,
}

impl Filter {
    /// Whether an update for these CPUs is wanted, dates aside.
    #[must_use]
    pub fn wants(&self, whom: Whom, revision: Revision) -> bool {
        let included = |rule: &Rule| !rule.exclude || rule.signature.is_none();
        let mut wanted = if self.cpus.is_empty() {
            !self.rules.iter().any(included)
        } else {
            self.cpus.iter().any(|cpu| self.serves(cpu, whom))
        };
        let named = self.rules.iter().filter(|rule| rule.signature.is_some());
        for rule in named.filter(|rule| rule.describes(whom, revision)) {
            wanted = !rule.exclude;
        }
        wanted
            && self.vendor.is_none_or(|vendor| vendor == whom.vendor)
            && self.from.is_none_or(|from| revision >= from)
            && self.to.is_none_or(|to| revision <= to)
    }

    /// Whether a date is within both bounds, which are not part of the range.
    #[must_use]
    pub fn in_time(&self, date: Date) -> bool {
        self.after.is_none_or(|after| date > after) && self.before.is_none_or(|before| date < before)
    }

    /// Platforms count where both sides know them. An update for any platform is written with mask
    /// 0 and fits, as loaders see it, only CPUs without a platform.
    fn serves(&self, cpu: &Cpu, whom: Whom) -> bool {
        let mask = if self.any_stepping { !15 } else { !0 };
        let alike = |left: Signature, right: Signature| left.0 & mask == right.0 & mask;
        let platform = cpu.platform.is_none_or(|platform| {
            let (ours, theirs) = (platform.0, whom.platforms.0);
            ours & theirs != 0 || ours == theirs
        });
        let (Some(wanted), Some(signature)) = (cpu.signature, whom.signature) else {
            return cpu.signature.is_none() && cpu.vendor == whom.vendor;
        };
        cpu.vendor == whom.vendor && alike(wanted, signature) && (platform || whom.vendor != Vendor::Intel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_iucode_tool_reads_them() {
        let rule: Rule = "!0x906ea,0x22,lt:0xf0".parse().unwrap();
        assert!(rule.exclude);
        assert_eq!(
            (rule.signature, rule.platforms),
            (Some(Signature(0x906ea)), PlatformMask(0x22))
        );
        assert_eq!(rule.revision, Some((Compare::Less, Revision(0xf0))));
        let rule: Rule = "591594,,017".parse().unwrap();
        assert_eq!(
            (rule.signature, rule.platforms),
            (Some(Signature(591_594)), PlatformMask(0))
        );
        assert_eq!(rule.revision, Some((Compare::Equal, Revision(15))));
        assert_eq!("!".parse::<Rule>().unwrap().signature, None);
        for wrong in ["", "x", "1,2,3,4", "1,,ge:3", "0x100000000", "+1", "0x", "09"] {
            assert!(wrong.parse::<Rule>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn dates_are_four_two_and_two_digits() {
        assert_eq!(date("2019-02-17").unwrap().to_string(), "2019-02-17");
        assert_eq!(date("2000-00-00").unwrap().to_string(), "2000-00-00");
        for wrong in ["", "2019-2-17", "20190217", "2019-02-1a", "2019-02-17-1", "+019-02-17"] {
            assert!(date(wrong).is_err(), "{wrong}");
        }
    }

    fn intel(signature: u32, platforms: u32) -> Whom {
        Whom {
            vendor: Vendor::Intel,
            signature: Some(Signature(signature)),
            platforms: PlatformMask(platforms),
            id: None,
            firmware: None,
        }
    }

    #[test]
    fn later_rules_override_earlier_ones() {
        let wants = |rules: &[&str], platforms| {
            let rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
            let filter = Filter {
                rules,
                ..Filter::default()
            };
            filter.wants(intel(0x906ea, platforms), Revision(5))
        };
        assert!(wants(&[], 0x22));
        assert!(!wants(&["!"], 0x22));
        assert!(wants(&["!", "0x906ea,0x02"], 0x22));
        assert!(!wants(&["!0x906ea"], 0x22));
        assert!(wants(&["!0x906eb"], 0x22));
        assert!(!wants(&["0x906eb"], 0x22));
        assert!(wants(&["!0x906ea", "0x906ea,0x80"], 0x80));
        assert!(!wants(&["0x906ea", "!0x906ea,0x80"], 0x80));
        assert!(!wants(&["0x906ea,0x02"], 0));
    }

    #[test]
    fn cpus_are_served_by_signature_and_platform() {
        let mut cpu = Cpu::new("test", Vendor::Intel);
        cpu.signature = Some(Signature(0x906ea));
        cpu.platform = Some(PlatformMask(0x02));
        let mut filter = Filter {
            cpus: vec![cpu],
            ..Filter::default()
        };
        assert!(filter.wants(intel(0x906ea, 0x22), Revision(1)));
        assert!(!filter.wants(intel(0x906ea, 0x20), Revision(1)));
        assert!(!filter.wants(intel(0x906eb, 0x22), Revision(1)));
        filter.any_stepping = true;
        assert!(filter.wants(intel(0x906eb, 0x22), Revision(1)));
        filter.cpus[0].platform = None;
        assert!(filter.wants(intel(0x906ea, 0x20), Revision(1)));
    }
}
