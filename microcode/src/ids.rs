//! Newtypes for what identifies an update.

use std::fmt;

use sha2::Digest as _;

/// CPU signature: EAX of CPUID leaf 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(pub u32);

impl Signature {
    /// Family, model and stepping as CPUID leaf 1 encodes them: the extended family counts when the
    /// base family is 15, the extended model when it is 6 (Intel) or 15.
    #[must_use]
    pub fn family_model_stepping(self) -> (u16, u16, u16) {
        let [low, middle, ext_model, ext_family] = [self.field(0), self.field(4), self.field(16), self.wide(20)];
        let base = self.field(8);
        let family = if base == 15 {
            base.saturating_add(ext_family)
        } else {
            base
        };
        let model = if matches!(base, 6 | 15) {
            ext_model << 4 | middle
        } else {
            middle
        };
        (family, model, low)
    }

    /// The signature of a family, model and stepping as they are displayed; `None` when they do not
    /// fit its fields (Intel SDM volume 2, CPUID, "Version Information").
    #[must_use]
    pub fn from_family_model_stepping(family: u32, model: u32, stepping: u32) -> Option<Self> {
        let (base, ext_family) = if family < 15 {
            (family, 0)
        } else {
            (15, family.wrapping_sub(15))
        };
        let fits = ext_family <= 0xff && model <= 0xff && stepping <= 15;
        (fits && (model <= 15 || matches!(base, 6 | 15))).then_some(Self(
            ext_family << 20 | (model >> 4) << 16 | base << 8 | (model & 15) << 4 | stepping,
        ))
    }

    fn field(self, shift: u32) -> u16 {
        u16::from(self.0.wrapping_shr(shift).to_le_bytes()[0] & 15)
    }

    fn wide(self, shift: u32) -> u16 {
        u16::from(self.0.wrapping_shr(shift).to_le_bytes()[0])
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

/// Revision of an update; compared as an unsigned number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u32);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Intel platforms that an update is for: bit n stands for platform id n (MSR 17h, bits 52 to 50); 0 for any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlatformMask(pub u32);

impl fmt::Display for PlatformMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}", self.0)
    }
}

/// Date of an update in the three parts that the header holds as binary coded decimals.
/// Real updates have impossible dates (month 13): they are shown as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// Year, digits as in the header: 0x2019.
    pub year: u16,
    /// Month, digits as in the header.
    pub month: u8,
    /// Day, digits as in the header.
    pub day: u8,
}

impl Date {
    /// From the 32-bit field of both vendors: month, day, year from the highest byte down.
    #[must_use]
    pub fn from_field(field: u32) -> Self {
        let [low, high, day, month] = field.to_le_bytes();
        Self {
            year: u16::from_le_bytes([low, high]),
            month,
            day,
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}-{:02x}-{:02x}", self.year, self.month, self.day)
    }
}

/// SHA-256 of the bytes of an update: its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256(pub [u8; 32]);

impl Sha256 {
    /// Of these bytes (FIPS 180-4).
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// JSON of types that are written as their text.
macro_rules! as_text {
    ($($name:ident),*) => { $(
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string" })
            }
        }
    )* };
}
pub(crate) use as_text;
as_text!(Signature, Revision, PlatformMask, Date, Sha256);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_gives_family_model_and_stepping_of_both_vendors() {
        assert_eq!(Signature(0x206a7).family_model_stepping(), (6, 0x2a, 7));
        assert_eq!(Signature(0xf41).family_model_stepping(), (15, 4, 1));
        assert_eq!(Signature(0xa20f10).family_model_stepping(), (0x19, 0x21, 0));
        assert_eq!(Signature(0x611).family_model_stepping(), (6, 1, 1));
    }

    #[test]
    fn family_model_and_stepping_give_the_signature_back() {
        for signature in [0x206a7, 0xf41, 0x00a2_0f10, 0x611, 0x000b_06f2] {
            let signature = Signature(signature);
            let (family, model, stepping) = signature.family_model_stepping();
            let back = Signature::from_family_model_stepping(family.into(), model.into(), stepping.into());
            assert_eq!(back, Some(signature));
        }
        assert_eq!(Signature::from_family_model_stepping(5, 0x20, 0), None);
        assert_eq!(Signature::from_family_model_stepping(300, 0, 0), None);
    }

    #[test]
    fn dates_are_printed_year_first_and_never_corrected() {
        assert_eq!(Date::from_field(0x0217_2019).to_string(), "2019-02-17");
        assert_eq!(Date::from_field(0x1309_2011).to_string(), "2011-13-09");
    }
}
