//! A raw value in words, by the encoding of its field.

use std::io::Write as _;

use crate::database::{Encoding, Field};

/// Writes what a value means; behind its number, a unit is enough when the number stays the same.
pub(super) fn write_meaning(out: &mut Vec<u8>, field: &Field, raw: u32) -> bool {
    if let Encoding::Scaled {
        add: 0,
        multiply: 1,
        unit,
    } = field.encoding
    {
        out.extend_from_slice(unit.as_bytes());
        return !unit.is_empty();
    }
    write_whole_meaning(out, field, raw)
}

/// Writes what a value means, when that is more than its number; whether anything was written.
fn write_whole_meaning(out: &mut Vec<u8>, field: &Field, raw: u32) -> bool {
    let before = out.len();
    match field.encoding {
        Encoding::Plain | Encoding::Hex => {}
        Encoding::Ascii => {
            if raw != 0 {
                out.push(b'"');
                push_text(out, raw.to_le_bytes());
                out.push(b'"');
            }
        }
        Encoding::PowerOfTwo => {
            let _ = match 1_u64.checked_shl(raw) {
                Some(power) => write!(out, "{power}"),
                None => write!(out, "2^{raw}"),
            };
        }
        Encoding::Ways => {
            let _ = match raw {
                0 => write!(out, "none"),
                1 => write!(out, "direct mapped"),
                0xff => write!(out, "fully associative"),
                _ => write!(out, "{raw} ways"),
            };
        }
        Encoding::Scaled { add, multiply, unit } => {
            let value = u64::from(raw)
                .saturating_add(u64::from(add))
                .saturating_mul(u64::from(multiply));
            let _ = write!(out, "{value}");
            if !unit.is_empty() {
                let _ = write!(out, " {unit}");
            }
        }
        Encoding::Names(names) => {
            if let Some((_, name)) = names.iter().find(|&&(value, _)| value == raw) {
                out.extend_from_slice(name.as_bytes());
            }
        }
    }
    out.len() > before
}

/// What a value means: a unit, a name, characters; `None` when it is just its number.
#[must_use]
pub fn meaning(field: &Field, raw: u32) -> Option<String> {
    let mut out = Vec::new();
    write_whole_meaning(&mut out, field, raw).then(|| String::from_utf8_lossy(&out).into_owned())
}

/// Characters, those that cannot be printed as dots.
pub(super) fn push_text(out: &mut Vec<u8>, bytes: impl IntoIterator<Item = u8>) {
    out.extend(bytes.into_iter().map(|byte| match byte {
        b' '..=b'~' => byte,
        _ => b'.',
    }));
}

/// The number of a value: hexadecimal where the table says so.
pub(super) fn push_number(out: &mut Vec<u8>, field: &Field, raw: u32) {
    let hex = matches!(field.encoding, Encoding::Hex | Encoding::Ascii);
    push_padded(out, raw, hex);
}

/// A number in ten columns, without going through the formatting machinery.
pub(super) fn push_padded(out: &mut Vec<u8>, mut number: u32, hex: bool) {
    let mut digits = [b' '; 10];
    let mut places = digits.iter_mut().rev();
    let base = if hex { 16 } else { 10 };
    for place in places.by_ref() {
        // A digit of base 16 is below 16, so it has a character.
        *place = char::from_digit(number % base, base).map_or(b'?', |digit| digit as u8);
        number /= base;
        if number == 0 {
            break;
        }
    }
    if hex {
        for (place, sign) in places.zip(*b"x0") {
            *place = sign;
        }
    }
    out.extend_from_slice(&digits);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Database;

    fn padded(number: u32, hex: bool) -> String {
        let mut out = Vec::new();
        push_padded(&mut out, number, hex);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_stand_at_the_right_of_ten_columns() {
        assert_eq!(padded(0, false), "         0");
        assert_eq!(padded(u32::MAX, false), "4294967295");
        assert_eq!(padded(0x40, true), "      0x40");
        assert_eq!(padded(u32::MAX, true), "0xffffffff");
    }

    #[test]
    fn encodings_are_put_in_words() {
        let rows = "0x99\t0\teax\t7:0\tt_scaled\tfield\t+1*64 bytes\tany\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\n\
                    0x99\t0\teax\t15:8\tt_names\tfield\tenum 1=data;2=code\tany\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\n\
                    0x99\t0\teax\t23:16\tt_pow\tfield\tpow2\tany\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\n\
                    0x99\t0\tebx\t31:0\tt_ascii\tmagic\tascii\tany\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\n";
        let database = Database::builtin().with_rows(rows);
        assert_eq!(database.damage, []);
        let of = |id: &str, raw| meaning(database.value.by_id(id).unwrap(), raw);
        assert_eq!(of("t_scaled", 1).as_deref(), Some("128 bytes"));
        assert_eq!(of("t_names", 2).as_deref(), Some("code"));
        assert_eq!(of("t_names", 3), None);
        assert_eq!(of("t_pow", 31).as_deref(), Some("2147483648"));
        assert_eq!(of("t_pow", 255).as_deref(), Some("2^255"));
        assert_eq!(of("t_ascii", 0x756e_6547).as_deref(), Some("\"Genu\""));
    }
}
