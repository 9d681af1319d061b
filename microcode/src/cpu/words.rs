//! A CPU in the words of options: `--signature`, `--platform`, `--revision`.

use thiserror::Error;

use super::{Cpu, Vendor};
use crate::ids::{PlatformMask, Revision, Signature};

/// A word that is not understood.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{option}: expected {expected}, seen \"{seen}\"")]
pub struct WordError {
    /// Which of them: "signature", "platform", "revision".
    pub option: &'static str,
    /// Its forms.
    pub expected: &'static str,
    /// As given.
    pub seen: String,
}

/// A number in hexadecimal, with or without `0x`.
#[must_use]
pub fn hexadecimal(text: &str) -> Option<u32> {
    let digits = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .unwrap_or(text);
    let plain = digits.starts_with(|first: char| first.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| plain)
}

/// A signature: EAX of CPUID leaf 1 in hexadecimal (`0x000806e9`, `806e9`), the name of a file in
/// intel-ucode (`06-8e-09`, hexadecimal), or family, model and stepping (`6:142:9`, decimal, or
/// hexadecimal with `0x`).
///
/// # Errors
/// Any other word, and parts that a signature cannot hold.
pub fn read_signature(word: &str) -> Result<Signature, WordError> {
    let three = |parts: Vec<Option<u32>>| match parts.as_slice() {
        [Some(family), Some(model), Some(stepping)] => {
            Signature::from_family_model_stepping(*family, *model, *stepping)
        }
        _ => None,
    };
    let word = word.trim();
    let read = if word.contains('-') {
        three(word.split('-').map(hexadecimal).collect())
    } else if word.contains(':') {
        let number = |part: &str| match part.strip_prefix("0x") {
            Some(_) => hexadecimal(part),
            None => part.parse().ok(),
        };
        three(word.split(':').map(number).collect())
    } else {
        hexadecimal(word).map(Signature).filter(|signature| signature.0 != 0)
    };
    read.ok_or_else(|| WordError {
        option: "signature",
        expected: "EAX of CPUID leaf 1 (0x000806e9), a name of intel-ucode (06-8e-09) or family:model:stepping (6:142:9)",
        seen: word.to_owned(),
    })
}

/// The platform of an Intel CPU: its one bit as a mask in hexadecimal (`0x10`), or `id:4` for the
/// number in bits 52 to 50 of MSR 17h. 0 is a CPU without platform flags.
///
/// # Errors
/// Any other word, and masks of several bits: a CPU has one.
pub fn read_platform(word: &str) -> Result<PlatformMask, WordError> {
    let word = word.trim();
    let mask = match word.strip_prefix("id:") {
        Some(id) => id.parse().ok().filter(|id: &u32| *id < 8).map(|id| 1 << id),
        None => hexadecimal(word),
    };
    mask.filter(|mask| mask.count_ones() <= 1 && *mask <= 0x80)
        .map(PlatformMask)
        .ok_or_else(|| WordError {
            option: "platform",
            expected: "a mask of one bit in hexadecimal (0x10) or id:0 to id:7",
            seen: word.to_owned(),
        })
}

/// A revision in hexadecimal.
///
/// # Errors
/// Any other word.
pub fn read_revision(word: &str) -> Result<Revision, WordError> {
    let word = word.trim();
    hexadecimal(word).map(Revision).ok_or_else(|| WordError {
        option: "revision",
        expected: "a number in hexadecimal (0xf0)",
        seen: word.to_owned(),
    })
}

/// The vendor that made CPUs with such a signature: AMD from family 10h on, save Hygon's 18h and
/// Intel's 12h and 13h (of 12h, model 1 is taken for AMD's); families 6 and 15 are taken for Intel's,
/// as no loader has a case for AMD's; 7 is Zhaoxin's.
#[must_use]
pub fn vendor_of(signature: Signature) -> Vendor {
    match signature.family_model_stepping() {
        (0x18, _, _) => Vendor::Hygon,
        (0x12, 1, _) => Vendor::Amd,
        (0x12 | 0x13, _, _) => Vendor::Intel,
        (family, _, _) if family >= 0x10 => Vendor::Amd,
        (7, _, _) => Vendor::Other,
        _ => Vendor::Intel,
    }
}

/// A CPU from options. Without a vendor the signature tells it.
///
/// # Errors
/// The first word that is not understood.
pub fn from_signature_words(
    vendor: Option<Vendor>,
    signature: &str,
    platform: Option<&str>,
    revision: Option<&str>,
) -> Result<Cpu, WordError> {
    let signature = read_signature(signature)?;
    let mut cpu = Cpu::new("options", vendor.unwrap_or_else(|| vendor_of(signature)));
    cpu.signature = Some(signature);
    cpu.platform = platform.map(read_platform).transpose()?;
    cpu.revision = revision.map(read_revision).transpose()?;
    Ok(cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_read_in_the_forms_that_are_in_use() {
        for word in [
            "0x000806e9",
            "806e9",
            "000806E9",
            "06-8e-09",
            "6:142:9",
            "0x6:0x8e:9",
            " 6-8E-9 ",
        ] {
            assert_eq!(read_signature(word).unwrap(), Signature(0x806e9), "{word}");
        }
        assert_eq!(read_signature("19-21-02").unwrap(), Signature(0xa20f12));
        assert_eq!(read_signature("25:33:2").unwrap(), Signature(0xa20f12));
        for word in [
            "",
            "0",
            "0x",
            "6:142",
            "06-8e-09-1",
            "06-8e-1f",
            "5:17:1",
            "+806e9",
            "12345678900",
            "08:0x",
        ] {
            assert!(read_signature(word).is_err(), "{word}");
        }
    }

    #[test]
    fn every_signature_without_type_comes_back_from_its_parts() {
        for raw in [0x611, 0xf41, 0x206a7, 0xa20f10, 0xb40f40, 0x100f42, 0x665, 0x543] {
            let (family, model, stepping) = Signature(raw).family_model_stepping();
            let back = Signature::from_family_model_stepping(family.into(), model.into(), stepping.into());
            assert_eq!(back, Some(Signature(raw)));
        }
    }

    #[test]
    fn platform_is_one_bit() {
        assert_eq!(read_platform("0x10").unwrap(), PlatformMask(0x10));
        assert_eq!(read_platform("80").unwrap(), PlatformMask(0x80));
        assert_eq!(read_platform("id:7").unwrap(), PlatformMask(0x80));
        assert_eq!(read_platform("0").unwrap(), PlatformMask(0));
        for word in ["0x12", "100", "id:8", "x"] {
            assert!(read_platform(word).is_err(), "{word}");
        }
    }

    #[test]
    fn vendor_follows_from_the_family_unless_it_is_given() {
        let vendor = |word| from_signature_words(None, word, None, None).unwrap().vendor;
        assert_eq!(vendor("806e9"), Vendor::Intel);
        assert_eq!(vendor("a20f12"), Vendor::Amd);
        assert_eq!(vendor("900f02"), Vendor::Hygon);
        let given = from_signature_words(Some(Vendor::Amd), "f41", None, Some("4d")).unwrap();
        assert_eq!((given.vendor, given.revision), (Vendor::Amd, Some(Revision(0x4d))));
    }

    #[test]
    fn error_names_the_option_and_the_forms() {
        let error = from_signature_words(None, "806e9", Some("0x12"), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "platform: expected a mask of one bit in hexadecimal (0x10) or id:0 to id:7, seen \"0x12\""
        );
    }
}
