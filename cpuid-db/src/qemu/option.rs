//! The `-cpu` option taken apart, and values read as QEMU reads them.
//!
//! `MODEL[,ITEM]…`: an item is `+NAME`, `-NAME`, `NAME` or `NAME=VALUE`; empty items do not count. In
//! the last two `_` of a name means `-`. A comma cannot be quoted.

use super::model::{Property, Type};

/// How an item asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form<'t> {
    /// `+NAME`.
    Plus,
    /// `-NAME`.
    Minus,
    /// `NAME=VALUE`; `NAME` alone is `NAME=on`.
    Value(&'t str),
}

/// One item after the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item<'t> {
    /// Byte of the option, from 0.
    pub at: usize,
    /// As written.
    pub text: &'t str,
    pub form: Form<'t>,
    /// Name of the property.
    pub name: String,
}

/// Model and items of an option.
pub(super) fn split(option: &str) -> (&str, Vec<Item<'_>>) {
    let mut parts = option.split(',');
    let model = parts.next().unwrap_or_default();
    let mut at = model.len();
    let mut items = Vec::new();
    for text in parts {
        let start = at.saturating_add(1);
        at = start.saturating_add(text.len());
        if !text.is_empty() {
            items.push(item(start, text));
        }
    }
    (model, items)
}

fn item(at: usize, text: &str) -> Item<'_> {
    let (form, name) = if let Some(name) = text.strip_prefix('+') {
        (Form::Plus, name.to_owned())
    } else if let Some(name) = text.strip_prefix('-') {
        (Form::Minus, name.to_owned())
    } else {
        let (name, value) = text.split_once('=').unwrap_or((text, "on"));
        (Form::Value(value), name.replace('_', "-"))
    };
    Item { at, text, form, name }
}

/// What a property is given: text of a value, or whether `+` or `-` stood before it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Given<'t> {
    Text(&'t str),
    Flag(bool),
}

/// What a property becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Flag(bool),
    Number(i128),
    Text(String),
}

impl Given<'_> {
    /// A switch.
    pub fn flag(self, name: &str) -> Result<bool, String> {
        match self {
            Self::Flag(value) => Ok(value),
            Self::Text("on" | "yes" | "true" | "y") => Ok(true),
            Self::Text("off" | "no" | "false" | "n") => Ok(false),
            Self::Text(_) => Err(format!("Parameter '{name}' expects 'on' or 'off'")),
        }
    }

    /// A number without sign; a negative one wraps around, as in C.
    fn unsigned(self, name: &str) -> Result<u64, String> {
        let value = match self {
            Self::Flag(_) => None,
            Self::Text(text) => unsigned(text),
        };
        value.ok_or_else(|| format!("Parameter '{name}' expects uint64"))
    }

    fn signed(self, name: &str) -> Result<i64, String> {
        match self {
            Self::Flag(_) => Err(format!("Invalid parameter type for '{name}', expected: integer")),
            Self::Text(text) => signed(text).ok_or_else(|| format!("Parameter '{name}' expects int64")),
        }
    }

    fn text(self, name: &str) -> Result<String, String> {
        match self {
            Self::Flag(_) => Err(format!("Invalid parameter type for '{name}', expected: string")),
            Self::Text(text) => Ok(text.to_owned()),
        }
    }

    /// A value of a property, named as the option names it.
    pub fn value(self, property: &Property, name: &str, type_name: &str) -> Result<Value, String> {
        let number = |value: u64| Ok(Value::Number(value.into()));
        match property.kind {
            Type::Bool => Ok(Value::Flag(self.flag(name)?)),
            Type::Unsigned(width) => match self.unsigned(name)? {
                value if width < 64 && value >> width != 0 => Err(format!("Parameter '{name}' expects uint{width}_t")),
                value => number(value),
            },
            Type::Signed32 => match i32::try_from(self.signed(name)?) {
                Ok(value) => Ok(Value::Number(value.into())),
                Err(_) => Err(format!("Parameter '{name}' expects int32_t")),
            },
            Type::Mask(mask) => match self.unsigned(name)? {
                value if value & !mask != 0 => Err(format!(
                    "Property value for '{name}' has bits outside mask '0x{mask:x}'"
                )),
                value => number(value),
            },
            Type::Most(most) => match self.unsigned(name)? {
                value if value > most => Err(format!("parameter '{name}' can be at most {most}")),
                value => number(value),
            },
            Type::OneOf(known) => match self.text(name)? {
                text if known.contains(&text.as_str()) => Ok(Value::Text(text)),
                text => Err(format!("Parameter '{name}' does not accept value '{text}'")),
            },
            Type::Text => Ok(Value::Text(self.text(name)?)),
            Type::Vendor => match self.text(name)? {
                text if text.len() == 12 => Ok(Value::Text(text)),
                _ => Err("value of property 'vendor' must consist of exactly 12 characters".to_owned()),
            },
            Type::Frequency => match self.signed(name)? {
                value if value < 0 => Err(format!("parameter '{name}' can be at most {}", i64::MAX)),
                value => Ok(Value::Number(value.into())),
            },
            Type::ReadOnly => Err(format!("Property '{type_name}.{name}' is not writable")),
        }
    }
}

/// Sign and magnitude, base by prefix: `0x` hexadecimal, `0` octal; spaces before it.
fn integer(text: &str) -> Option<(bool, u64)> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\u{b}', '\u{c}', '\r']);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (base, digits) = if let Some(digits) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        (16, digits)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, digits)
    } else {
        (10, digits)
    };
    if !digits.starts_with(|first: char| first.is_digit(base)) {
        return None;
    }
    Some((negative, u64::from_str_radix(digits, base).ok()?))
}

fn unsigned(text: &str) -> Option<u64> {
    let (negative, value) = integer(text)?;
    Some(if negative { value.wrapping_neg() } else { value })
}

fn signed(text: &str) -> Option<i64> {
    let (negative, value) = integer(text)?;
    let value = i128::from(value);
    i64::try_from(if negative { value.checked_neg()? } else { value }).ok()
}

/// A frequency in Hz for `tsc-freq`: a decimal number with an optional fraction and one of the suffixes
/// `B k M G T P E` (powers of 1000), or a hexadecimal number.
pub(super) fn frequency(text: &str) -> Option<u64> {
    if text.starts_with("0x") || text.starts_with("0X") {
        return unsigned(text).filter(|&value| i64::try_from(value).is_ok());
    }
    let text = text.trim_start().trim_start_matches('+');
    let (number, scale) = match text.char_indices().next_back()? {
        (at, last) if last.is_ascii_alphabetic() => {
            let power = "BKMGTPE".find(last.to_ascii_uppercase())?;
            (text.get(..at)?, 1000_u128.checked_pow(u32::try_from(power).ok()?)?)
        }
        _ => (text, 1),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let has_fraction = fraction.bytes().any(|digit| digit != b'0');
    if !is_number(whole) || !is_number(fraction) || number.is_empty() || number == "." || fraction.len() > 18 {
        return None;
    }
    if scale == 1 && has_fraction {
        return None;
    }
    let part = |text: &str| {
        if text.is_empty() {
            Some(0)
        } else {
            text.parse::<u128>().ok()
        }
    };
    let unit = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let value = part(whole)?.checked_mul(unit)?.checked_add(part(fraction)?)?;
    let hertz = value.checked_mul(scale)?.checked_div(unit)?;
    i64::try_from(hertz).ok()?;
    u64::try_from(hertz).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_items_do_not_count_and_places_do() {
        let (model, items) = split("Haswell,,+aes,,-avx,f16c,sse4_1=off,");
        assert_eq!(model, "Haswell");
        let list: Vec<_> = items
            .iter()
            .map(|item| (item.at, item.name.as_str(), item.form))
            .collect();
        assert_eq!(
            list,
            [
                (9, "aes", Form::Plus),
                (15, "avx", Form::Minus),
                (20, "f16c", Form::Value("on")),
                (25, "sse4-1", Form::Value("off")),
            ]
        );
    }

    #[test]
    fn underscores_mean_hyphens_only_in_values() {
        let (_, items) = split("m,+kvm_pv_eoi,kvm_pv_eoi=on");
        assert_eq!(items[0].name, "kvm_pv_eoi");
        assert_eq!(items[1].name, "kvm-pv-eoi");
    }

    #[test]
    fn numbers_are_read_as_in_c() {
        assert_eq!(unsigned("0x1F"), Some(31));
        assert_eq!(unsigned("010"), Some(8));
        assert_eq!(unsigned(" 7"), Some(7));
        assert_eq!(unsigned("-1"), Some(u64::MAX));
        for bad in ["", "0x", "08", "7 ", "1k", "+-1", "18446744073709551616"] {
            assert_eq!(unsigned(bad), None, "{bad}");
        }
        assert_eq!(signed("-0x10"), Some(-16));
        assert_eq!(signed("0x8000000000000000"), None);
    }

    #[test]
    fn frequencies_take_fractions_and_suffixes() {
        assert_eq!(frequency("2.5G"), Some(2_500_000_000));
        assert_eq!(frequency("2400M"), Some(2_400_000_000));
        assert_eq!(frequency("1000"), Some(1000));
        assert_eq!(frequency("0x10"), Some(16));
        for bad in ["", "fast", "1.5", "-1", "9E9", "1kk"] {
            assert_eq!(frequency(bad), None, "{bad}");
        }
    }
}
