//! Width of text, without a font at hand: advance widths of DejaVu Sans plus 3 % for the fonts that
//! stand in where it is not installed (Verdana is as wide, Arial narrower). Kerning is not counted;
//! it only makes text narrower.
//!
//! ```
//! let px = render::measure::width("L3 16 MiB", 10.0, false);
//! assert!(px > 40.0 && px < 60.0);
//! ```

use std::borrow::Cow;

use crate::metrics::BLOCKS;

/// Allowance for other fonts.
const SLACK: f32 = 1.03;
const UNITS_PER_EM: f32 = 2048.0;
/// Marks a character the font lacks.
const ABSENT: u16 = u16::MAX;

/// Height above the baseline that letters and digits reach, in em.
pub const ASCENT: f32 = 0.76;
/// Depth below the baseline that letters reach, in em.
pub const DESCENT: f32 = 0.24;

/// Width of a text in px at a font size in px, including the allowance for other fonts.
#[must_use]
pub fn width(text: &str, size: f32, bold: bool) -> f32 {
    let units: u64 = text.chars().map(|c| u64::from(advance(c, bold))).sum();
    units_to_px(units, size)
}

#[allow(clippy::cast_precision_loss)]
fn units_to_px(units: u64, size: f32) -> f32 {
    units as f32 / UNITS_PER_EM * size * SLACK
}

/// Advance width of one character in 1/2048 em.
#[must_use]
pub fn advance(c: char, bold: bool) -> u16 {
    let code = u32::from(c);
    for block in BLOCKS {
        let Some(offset) = code.checked_sub(block.first) else {
            break;
        };
        let widths = if bold { block.bold } else { block.regular };
        if let Some(&w) = usize::try_from(offset).ok().and_then(|i| widths.get(i)) {
            return if w == ABSENT { 2048 } else { w };
        }
    }
    fallback(code)
}

/// What other fonts usually give: nothing for combining marks, 1 em for East Asian text, 1.3 em for
/// emoji, 1 em for all else (most scripts are narrower).
fn fallback(code: u32) -> u16 {
    match code {
        0..=0x1f | 0x7f..=0x9f => 0,
        0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1f000..=0x1faff => 2662,
        _ => 2048,
    }
}

/// Columns of a character in a terminal: 0, 1 or 2 (Unicode's East Asian Width, in ranges).
#[must_use]
pub fn columns(c: char) -> usize {
    match u32::from(c) {
        0..=0x1f | 0x7f..=0x9f => 0,
        0x20..=0x2ff => 1,
        0x300..=0x36f | 0x483..=0x489 | 0x591..=0x5bd | 0x610..=0x61a | 0x64b..=0x65f => 0,
        0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x2069 | 0x20d0..=0x20f0 | 0xfeff => 0,
        0xfe00..=0xfe0f | 0xfe20..=0xfe2f | 0xe0000..=0xe0fff => 0,
        0x1100..=0x115f | 0x231a..=0x231b | 0x2329..=0x232a | 0x23e9..=0x23ec => 2,
        0x2614..=0x2615 | 0x2648..=0x2653 | 0x26a1 | 0x26ce | 0x2705 | 0x274c | 0x2753..=0x2755 => 2,
        0x2795..=0x2797 | 0x2b1b..=0x2b1c | 0x2b50 | 0x2b55 => 2,
        0x2e80..=0x303e | 0x3041..=0xa4cf | 0xa960..=0xa97c | 0xac00..=0xd7a3 => 2,
        0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff01..=0xff60 | 0xffe0..=0xffe6 => 2,
        0x1f004 | 0x1f0cf | 0x1f18e | 0x1f191..=0x1f19a | 0x1f200..=0x1f64f => 2,
        0x1f680..=0x1f6ff | 0x1f7e0..=0x1f7eb | 0x1f900..=0x1faff | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// The text as it may be drawn on one line: control characters, line breaks and runs of blanks become
/// one blank; direction overrides and what XML forbids are taken out.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    let mut blank = true;
    let tidy = text.chars().all(|c| {
        let ok = drawable(c) && !(c == ' ' && blank);
        blank = c == ' ';
        ok
    });
    if tidy && !blank {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == ' ' || c == '\u{a0}' || c.is_control() || c.is_whitespace() {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
        } else if drawable(c) {
            out.push(c);
        }
    }
    if out.ends_with(' ') {
        out.pop();
    }
    Cow::Owned(out)
}

/// True for a character that may stand in a drawn line as it is.
fn drawable(c: char) -> bool {
    match c {
        ' '..='~' => true,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => false,
        '\u{fffe}' | '\u{ffff}' => false,
        _ => !c.is_control() && !c.is_whitespace(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_have_the_widths_of_the_font() {
        assert_eq!((advance('A', false), advance('A', true)), (1401, 1585));
        assert_eq!((advance('×', false), advance('…', true)), (1716, 2048));
        assert_eq!((advance('─', false), advance('é', false)), (1233, 1260));
    }

    #[test]
    fn unknown_characters_are_counted_wide() {
        assert_eq!(advance('漢', false), 2048);
        assert_eq!(advance('😀', false), 2662);
        assert_eq!(advance('\u{301}', false), 0);
    }

    #[test]
    fn terminal_columns_of_wide_and_combining_characters() {
        let of = |s: &str| s.chars().map(columns).sum::<usize>();
        assert_eq!(
            (of("abc"), of("漢字"), of("e\u{301}"), of("■·×…"), of("😀")),
            (3, 4, 1, 4, 2)
        );
    }

    #[test]
    fn cleaning_joins_blanks_and_drops_controls() {
        assert_eq!(clean(" a\t\nb\u{0}  c\u{202e}d "), "a b cd");
        assert!(matches!(clean("plain text"), Cow::Borrowed(_)));
        assert_eq!(clean("   "), "");
        assert_eq!(clean("a\u{ffff}"), "a");
    }
}
