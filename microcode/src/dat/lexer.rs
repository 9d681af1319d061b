//! Tokens of all four forms: numbers, words, comments, punctuation.

/// A token and the offset at which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub at: usize,
    pub kind: Kind<'a>,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// Begins with a digit.
    Number(&'a [u8]),
    /// Begins with a letter, `_`, `.` or `#`; device tree names may hold commas and dashes.
    Word(&'a [u8]),
    /// Text of a comment without its marks.
    Comment(&'a [u8]),
    /// Text between quotation marks.
    Quoted(&'a [u8]),
    /// A line ends.
    Line,
    /// Anything else.
    Sign(u8),
}

/// Goes through a text.
pub(super) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    /// `;` begins a comment.
    assembler: bool,
    /// `,` and `-` belong to names.
    device_tree: bool,
    /// No comment is closed from here on.
    never_closed: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a [u8], assembler: bool, device_tree: bool) -> Self {
        Self {
            text,
            at: 0,
            assembler,
            device_tree,
            never_closed: false,
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let taken = self.rest().get(..length).unwrap_or(self.rest());
        self.at = self.at.saturating_add(taken.len());
        taken
    }

    fn take_while(&mut self, is_in: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.rest().iter().take_while(|byte| is_in(**byte)).count();
        self.take(length)
    }

    fn rest_of_line(&mut self) -> &'a [u8] {
        self.take_while(|byte| byte != b'\n')
    }

    /// `/* ... */`, `// ...`, and `/ ...` of old `.dat` files. One that is never closed ends with its
    /// line.
    fn slash(&mut self) -> &'a [u8] {
        self.take(1);
        if self.rest().first() != Some(&b'*') {
            return self.rest_of_line();
        }
        self.take(1);
        let rest = self.rest();
        let line = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let closed = |text: &[u8]| text.windows(2).position(|pair| pair == b"*/");
        let mut end = closed(rest.get(..line).unwrap_or(rest));
        if end.is_none() && !self.never_closed && !self.next_line_begins_anew(line) {
            end = closed(rest);
            self.never_closed = end.is_none();
        }
        let Some(end) = end else { return self.rest_of_line() };
        let comment = self.take(end);
        self.take(2);
        comment
    }

    /// The line behind this one begins with a comment or a number of its own: Intel's old files have
    /// comment lines that are begun and not closed.
    fn next_line_begins_anew(&self, line: usize) -> bool {
        let next = self.rest().get(line.saturating_add(1)..).unwrap_or_default();
        next.starts_with(b"/") || next.starts_with(b"0x")
    }

    fn in_word(&self, byte: u8) -> bool {
        let name = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'#' | b'@');
        name || (self.device_tree && matches!(byte, b',' | b'-'))
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.take_while(|byte| byte.is_ascii_whitespace() && byte != b'\n');
        let at = self.at;
        let first = *self.rest().first()?;
        let kind = match first {
            b'\n' => {
                self.take(1);
                Kind::Line
            }
            b'0'..=b'9' => Kind::Number(self.take_while(|byte| byte.is_ascii_alphanumeric())),
            b'/' => Kind::Comment(self.slash()),
            b';' if self.assembler => {
                self.take(1);
                Kind::Comment(self.rest_of_line())
            }
            b'"' => {
                self.take(1);
                let quoted = self.take_while(|byte| byte != b'"' && byte != b'\n');
                if self.rest().first() == Some(&b'"') {
                    self.take(1);
                }
                Kind::Quoted(quoted)
            }
            byte if byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.' | b'#') => {
                let length = self.rest().iter().take_while(|byte| self.in_word(**byte)).count();
                Kind::Word(self.take(length))
            }
            byte => {
                self.take(1);
                Kind::Sign(byte)
            }
        };
        Some(Token { at, kind })
    }
}

/// A number of C or of MASM: `0x2f`, `02fh`, `47`, `057`, with the suffixes of C.
pub(super) fn number(text: &[u8]) -> Option<u32> {
    let text = str::from_utf8(text).ok()?;
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return hexadecimal(digits.trim_end_matches(['u', 'U', 'l', 'L']));
    }
    if let Some(digits) = text.strip_suffix(['h', 'H']) {
        return hexadecimal(digits);
    }
    let digits = text.trim_end_matches(['u', 'U', 'l', 'L']);
    let octal = digits.len() > 1 && digits.starts_with('0');
    u32::from_str_radix(digits, if octal { 8 } else { 10 }).ok()
}

fn hexadecimal(digits: &str) -> Option<u32> {
    // `from_str_radix` takes a sign.
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| plain)
}
