//! Byte string helpers of the text reader: lines, prefixes, numbers. None of them can fail loudly.

/// One line of the text without its line end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// Counted from 1.
    pub number: u64,
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the line end.
    pub end: usize,
    /// The line, without `\n` and `\r`.
    pub text: &'a [u8],
    /// The text stops here without a line end.
    pub cut: bool,
}

/// The lines of a text, of any length; a last line without `\n` counts.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0_usize;
    let mut number = 0_u64;
    std::iter::from_fn(move || {
        let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
        let newline = rest.iter().position(|byte| *byte == b'\n');
        let body = rest.get(..newline.unwrap_or(rest.len())).unwrap_or(rest);
        let end = start
            .saturating_add(body.len())
            .saturating_add(usize::from(newline.is_some()));
        number = number.saturating_add(1);
        let line = Line {
            number,
            start,
            end,
            text: body.strip_suffix(b"\r").unwrap_or(body),
            cut: newline.is_none(),
        };
        start = end;
        Some(line)
    })
}

/// Position of `needle` in `text`.
pub(super) fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len().max(1)).position(|window| window == needle)
}

/// Position of the last `needle` in `text`.
pub(super) fn rfind(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len().max(1)).rposition(|window| window == needle)
}

/// What stands behind the first `needle`.
pub(super) fn after<'a>(text: &'a [u8], needle: &[u8]) -> Option<&'a [u8]> {
    text.get(find(text, needle)?.checked_add(needle.len())?..)
}

/// Text before and behind the first `needle`.
pub(super) fn split_once<'a>(text: &'a [u8], needle: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = find(text, needle)?;
    Some((text.get(..at)?, text.get(at.checked_add(needle.len())?..)?))
}

/// The leading bytes that satisfy `test`.
pub(super) fn take(text: &[u8], test: impl Fn(u8) -> bool) -> &[u8] {
    let end = text.iter().position(|byte| !test(*byte)).unwrap_or(text.len());
    text.get(..end).unwrap_or(text)
}

/// A hexadecimal number made of exactly all of `digits`.
pub(super) fn hex(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    digits
        .iter()
        .try_fold(0_u64, |value, digit| Some(value << 4 | u64::from(nibble(*digit)?)))
}

/// Exactly four hexadecimal digits.
pub(super) fn hex4(digits: &[u8]) -> Option<u16> {
    (digits.len() == 4).then(|| u16::try_from(hex(digits)?).ok()).flatten()
}

/// Exactly two hexadecimal digits.
pub(super) fn hex2(digits: &[u8]) -> Option<u8> {
    match digits {
        [high, low] => Some(nibble(*high)? << 4 | nibble(*low)?),
        _ => None,
    }
}

/// The decimal number at the start of `text`.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    let digits = take(text, |byte| byte.is_ascii_digit());
    std::str::from_utf8(digits).ok()?.parse().ok()
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit & 0xf),
        b'a'..=b'f' | b'A'..=b'F' => Some((digit & 0xf).wrapping_add(9)),
        _ => None,
    }
}

/// Owned text, with what is not UTF-8 replaced.
pub(super) fn string(text: &[u8]) -> String {
    String::from_utf8_lossy(text.trim_ascii()).into_owned()
}

/// Owned text, unless there is none.
pub(super) fn some(text: &[u8]) -> Option<String> {
    let text = string(text);
    (!text.is_empty()).then_some(text)
}

/// The start of a line, for messages.
pub(super) fn shown(text: &[u8]) -> String {
    let start = text.get(..80).unwrap_or(text);
    String::from_utf8_lossy(start).trim().to_owned()
}
