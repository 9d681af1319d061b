//! From tokens to bytes, form by form.

use crate::bytes::u32_at;
use crate::damage::Damage;
use crate::dat::lexer::{Kind, Lexer, Token, number};
use crate::dat::places::Places;
use crate::dat::{Form, Name, TextDamage};

/// A token where a word should be.
const TOKEN: &str = "text-token";
/// A word that is no 32-bit number.
const WORD: &str = "text-word";
/// A property of a device tree that differs from the header.
const PROPERTY: &str = "text-property";
/// Damage is told for so many places; what follows is of the same kind.
const MOST_DAMAGE: usize = 1000;
/// A comment longer than this is a licence, not a name.
const LONGEST_NAME: usize = 200;

/// What the text holds.
pub(super) struct Words {
    pub bytes: Vec<u8>,
    pub names: Vec<Name>,
    pub damage: Vec<TextDamage>,
    pub places: Places,
    most: usize,
    /// All numbers so far have two hexadecimal digits at most.
    narrow: bool,
    values: Vec<u32>,
}

/// Read the words of a text until there are `most` bytes.
pub(super) fn collect(form: Form, text: &[u8], most: usize) -> Words {
    let mut words = Words {
        bytes: Vec::new(),
        names: Vec::new(),
        damage: Vec::new(),
        places: Places::new(text),
        most,
        narrow: true,
        values: Vec::new(),
    };
    let lexer = Lexer::new(text, form == Form::Inc, form == Form::Dtsi);
    match form {
        Form::Dat => words.dat(lexer),
        Form::Inc => words.inc(lexer),
        Form::Dtsi => words.dtsi(lexer),
        Form::CArray => words.c_array(lexer),
    }
    words.finish(form);
    words
}

impl Words {
    fn is_full(&self) -> bool {
        // Of single bytes four times as many numbers are needed.
        self.values.len() >= self.most
    }

    fn push(&mut self, at: usize, text: &[u8]) {
        let value = number(text).unwrap_or_else(|| {
            // What follows keeps its place.
            self.say(at, WORD, "32-bit number", &shown(text));
            0
        });
        let narrow = text.len() <= 4 && (text.starts_with(b"0x") || text.starts_with(b"0X"));
        self.narrow &= narrow && value <= 0xff;
        self.values.push(value);
        self.places.units.push(at);
    }

    fn say(&mut self, at: usize, rule: &'static str, expected: &str, seen: &str) {
        if self.damage.len() < MOST_DAMAGE {
            let (line, column) = self.places.in_text(at);
            let damage = Damage::new(at, expected, seen).rule(rule);
            self.damage.push(TextDamage { line, column, damage });
        }
    }

    /// Names stand at the number of values so far; `finish` makes it an offset.
    fn comment(&mut self, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        let marks = |letter: char| letter.is_whitespace() || matches!(letter, '*' | '/' | '+' | '-');
        let text = text.trim_matches(marks);
        if !text.is_empty() && text.len() <= LONGEST_NAME && !text.contains('\n') {
            self.names.push(Name {
                offset: self.values.len(),
                text: text.to_owned(),
            });
        }
    }

    fn dat(&mut self, lexer: Lexer<'_>) {
        for Token { at, kind } in lexer {
            match kind {
                _ if self.is_full() => return,
                Kind::Number(text) => self.push(at, text),
                Kind::Comment(text) => self.comment(text),
                Kind::Line | Kind::Sign(b',') => {}
                other => self.say(at, TOKEN, "word or comment", &describe(other)),
            }
        }
    }

    fn inc(&mut self, lexer: Lexer<'_>) {
        let mut data = false;
        for Token { at, kind } in lexer {
            match kind {
                _ if self.is_full() => return,
                Kind::Line => data = false,
                Kind::Word(word) if word.eq_ignore_ascii_case(b"dd") => data = true,
                Kind::Number(text) if data => self.push(at, text),
                Kind::Comment(text) => self.comment(text),
                Kind::Sign(b',') => {}
                other if data => self.say(at, TOKEN, "word or comment", &describe(other)),
                // Labels and directives.
                _ => {}
            }
        }
    }

    fn c_array(&mut self, lexer: Lexer<'_>) {
        let mut depth: usize = 0;
        let mut directive = false;
        for Token { at, kind } in lexer {
            match kind {
                _ if self.is_full() => return,
                Kind::Line => directive = false,
                Kind::Comment(text) => self.comment(text),
                _ if directive => {}
                Kind::Word(word) if word.starts_with(b"#") => directive = true,
                Kind::Sign(b'{') => depth = depth.saturating_add(1),
                Kind::Sign(b'}') => depth = depth.saturating_sub(1),
                _ if depth == 0 => {}
                Kind::Number(text) => self.push(at, text),
                Kind::Sign(b',') => {}
                other => self.say(at, TOKEN, "word or comment", &describe(other)),
            }
        }
    }

    fn dtsi(&mut self, lexer: Lexer<'_>) {
        let mut name: &[u8] = b"";
        let mut stated: Vec<(usize, &[u8], u32)> = Vec::new();
        let mut cells = false;
        let mut start = 0;
        for Token { at, kind } in lexer {
            match kind {
                _ if self.is_full() => return,
                Kind::Comment(text) => self.comment(text),
                Kind::Word(word) if !cells => name = word,
                Kind::Sign(b'<') => {
                    cells = true;
                    start = self.values.len();
                }
                Kind::Sign(b'>') => {
                    if cells && name == b"data" {
                        self.compare(start, &std::mem::take(&mut stated));
                    }
                    cells = false;
                }
                Kind::Number(text) if cells && name == b"data" => self.push(at, text),
                Kind::Number(text) if cells => {
                    stated.extend(number(text).map(|value| (at, name, value)));
                }
                Kind::Line => {}
                other if cells && name == b"data" => {
                    self.say(at, TOKEN, "cell or the end of the cells", &describe(other));
                }
                _ => {}
            }
        }
    }

    /// The properties before `data` repeat the header that its first cells hold.
    fn compare(&mut self, start: usize, stated: &[(usize, &[u8], u32)]) {
        const FIELDS: [&[u8]; 7] = [
            b"intel,header-version",
            b"intel,update-revision",
            b"intel,date-code",
            b"intel,processor-signature",
            b"intel,checksum",
            b"intel,loader-revision",
            b"intel,processor-flags",
        ];
        for (at, name, value) in stated {
            let number = FIELDS.iter().position(|field| field == name);
            let cell = number.and_then(|number| self.values.get(start.saturating_add(number)));
            if let Some(field) = cell.map(|cell| cell.swap_bytes()).filter(|field| field != value) {
                let name = String::from_utf8_lossy(name);
                let expected = format!("{name} {field:#x} as in the header");
                self.say(*at, PROPERTY, &expected, &format!("{value:#x}"));
            }
        }
    }

    fn finish(&mut self, form: Form) {
        let bytes_only = form == Form::CArray && self.narrow;
        let unit = if bytes_only { 1 } else { 4 };
        let values = std::mem::take(&mut self.values);
        self.bytes = values
            .iter()
            .flat_map(|value| {
                let bytes = match form {
                    Form::Dtsi => value.to_be_bytes(),
                    _ => value.to_le_bytes(),
                };
                bytes.into_iter().take(unit)
            })
            .collect();
        self.places.unit = unit;
        for name in &mut self.names {
            name.offset = name.offset.saturating_mul(unit);
        }
    }

    /// Arrays that are compiled into firmware end with 12 or 16 words of zero behind the last update.
    pub(super) fn drop_terminator(&mut self) -> usize {
        let zeros = self.bytes.iter().rev().take_while(|byte| **byte == 0).count();
        let ends = |tail: usize| {
            let start = self.bytes.len().checked_sub(tail)?;
            let last = self.bytes.get(..start)?;
            let file = crate::intel::read(last);
            (tail <= zeros && file.damage.is_empty() && !file.is_damaged()).then_some(start)
        };
        let total = u32_at(&self.bytes, 0).map_or(0, |_| self.bytes.len());
        if total.is_multiple_of(1024) || zeros < 48 {
            return 0;
        }
        let Some(start) = [64, 48].into_iter().find_map(ends) else {
            return 0;
        };
        self.bytes.truncate(start);
        total.saturating_sub(start)
    }
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text.get(..40).unwrap_or(text)).into_owned()
}

fn describe(kind: Kind<'_>) -> String {
    match kind {
        Kind::Number(text) | Kind::Word(text) | Kind::Quoted(text) | Kind::Comment(text) => shown(text),
        Kind::Sign(byte) if byte.is_ascii_graphic() => char::from(byte).to_string(),
        Kind::Sign(byte) => format!("byte {byte:#04x}"),
        Kind::Line => "end of line".to_owned(),
    }
}
