//! The configuration file of xl (libxlu 4.20): `name = value` lines, values being quoted strings, numbers
//! and lists; not Python, though it looks like it.
//!
//! Where libxlu stops with an error this goes on at the next line, so that the rest can be looked at too;
//! [`Config::errors`] then is not empty and xl would create nothing.

use crate::xen::cfglex::{Lexer, Token};

/// A string of the file, and the byte of the file each of its bytes came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// Content, escapes resolved.
    pub value: String,
    /// For each byte of the content, the byte of the file.
    pub(crate) places: Vec<usize>,
    /// Byte of the file behind the content.
    pub(crate) end: usize,
}

impl Text {
    /// A text that stands as it is, from a byte on.
    #[must_use]
    pub fn plain(value: &str, at: usize) -> Self {
        Self {
            value: value.to_owned(),
            places: (at..at.saturating_add(value.len())).collect(),
            end: at.saturating_add(value.len()),
        }
    }

    /// Byte of the file where a byte of the content stands.
    #[must_use]
    pub fn place(&self, index: usize) -> usize {
        self.places.get(index).copied().unwrap_or(self.end)
    }

    pub(crate) fn push(&mut self, character: char, place: usize) {
        self.value.push(character);
        self.places.extend(std::iter::repeat_n(place, character.len_utf8()));
    }
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A quoted string or a number.
    Text(Text),
    /// A list.
    List(Vec<Value>),
}

/// An assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Name.
    pub name: String,
    /// Value; after `+=` with what was there before.
    pub value: Value,
    /// Byte of the file where the name stands.
    pub at: usize,
}

/// What is wrong with a file; xl refuses the whole of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Byte of the file.
    pub at: usize,
    /// Line, from 1.
    pub line: usize,
    /// The text xl names.
    pub near: String,
    /// `lexical error`, `syntax error`, …
    pub message: String,
}

impl SyntaxError {
    /// xl's line for a file of that name.
    #[must_use]
    pub fn message(&self, file: &str) -> String {
        // For the end of a line xl counts one line less.
        let (near, line) = match self.near.as_str() {
            "\n" => ("<newline>".to_owned(), self.line.saturating_sub(1)),
            text if text.starts_with('#') && text.ends_with('\n') => {
                (format!("`{}'", text.trim_end()), self.line.saturating_sub(1))
            }
            text => (format!("`{text}'"), self.line),
        };
        format!("{file}:{line}: config parsing error near {near}: {}", self.message)
    }
}

/// A configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Assignments in order.
    pub settings: Vec<Setting>,
    /// What is wrong, in the order xl tells it.
    pub errors: Vec<SyntaxError>,
    /// With errors: xl adds that Python is not supported.
    pub looks_like_python: bool,
}

impl Config {
    /// Reads a file.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut parser = Parser {
            lexer: Lexer::new(text),
            config: Self::default(),
            recovering: 0,
            before: 0,
            last: 0,
            previous: 0,
            ended: false,
        };
        parser.file();
        parser.config.errors = parser.lexer.errors;
        parser.config.looks_like_python = parser.lexer.looks_like_python;
        parser.config
    }

    /// What xl prints of a file that it refuses; nothing of one that it takes.
    #[must_use]
    pub fn messages(&self, file: &str) -> Vec<String> {
        let mut out: Vec<String> = self.errors.iter().map(|error| error.message(file)).collect();
        if out.is_empty() {
            return out;
        }
        if self.looks_like_python {
            out.push("warning: Config file looks like it contains Python code.".to_owned());
            out.push("warning:  Arbitrary Python is no longer supported.".to_owned());
            out.push("warning:  See https://wiki.xen.org/wiki/PythonInXlConfig".to_owned());
        }
        out.push("Failed to parse config: Invalid argument".to_owned());
        out
    }

    /// The value that counts: the last assignment's.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().rev().find(|setting| setting.name == name)
    }

    /// A string or number; `None` for a list too.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&Text> {
        match &self.get(name)?.value {
            Value::Text(text) => Some(text),
            Value::List(_) => None,
        }
    }

    /// A number as strtol with base 0 reads the whole of a value.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        let text = self.text(name)?.value.as_bytes();
        let (value, used) = crate::xen::config::strtoul(text)?;
        (used == text.len()).then(|| value.cast_signed())
    }
}

/// Lists in lists, at most.
const DEPTH: usize = 64;

/// What can stand where something else stood, as libxlu's parser words it.
#[derive(Clone, Copy)]
enum Expected {
    Statement,
    Operator,
    Value,
    End,
    List,
}

impl Expected {
    const fn text(self) -> &'static str {
        match self {
            Self::Statement => "$end or IDENT or NEWLINE or ';'",
            Self::Operator => "+= or '='",
            Self::Value => "STRING or NUMBER or '['",
            Self::End => "$end",
            Self::List => "']'",
        }
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    config: Config,
    /// Tokens until syntax errors are told again, as with libxlu's parser: now, and before the last token.
    recovering: u32,
    before: u32,
    /// Where the last token and the one before begin.
    last: usize,
    previous: usize,
    /// libxlu reads no further.
    ended: bool,
}

impl Parser<'_> {
    fn file(&mut self) {
        while !self.ended {
            match self.token() {
                None => return,
                Some(Token::Newline | Token::Semicolon) => {}
                Some(Token::Name(name)) => {
                    let at = self.last;
                    if let Err(()) = self.assignment(name, at) {
                        self.recover();
                    }
                }
                token => {
                    let _ = self.refuse::<()>(token, Expected::Statement);
                    self.recover();
                }
            }
        }
    }

    fn assignment(&mut self, name: String, at: usize) -> Result<(), ()> {
        let adds = match self.token() {
            Some(Token::Assign) => false,
            Some(Token::Add) => true,
            token => return self.refuse(token, Expected::Operator),
        };
        let value = self.value(0, Expected::Value)?;
        let before = self.config.get(&name).filter(|_| adds);
        let value = before.map_or(Some(value.clone()), |setting| join(&setting.value, &value));
        match value {
            Some(value) => self.config.settings.push(Setting { name, value, at }),
            None if self.lexer.errors.is_empty() => {
                let near = self.lexer.since(self.last).to_owned();
                let message = "can't add [list] to \"string\" or vice versa";
                self.lexer.lexical(self.last, &near, message);
            }
            None => {}
        }
        match self.token() {
            None | Some(Token::Newline | Token::Semicolon) => Ok(()),
            token => self.refuse(token, Expected::End),
        }
    }

    fn value(&mut self, depth: usize, expected: Expected) -> Result<Value, ()> {
        match self.token() {
            Some(Token::Text(text) | Token::Number(text)) => Ok(Value::Text(text)),
            Some(Token::Open) if depth < DEPTH => self.list(depth),
            token => self.refuse(token, expected),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, ()> {
        let mut values = Vec::new();
        loop {
            self.skip_newlines();
            if self.lexer.peek_is(&Token::Close) {
                let _ = self.token();
                return Ok(Value::List(values));
            }
            values.push(self.value(depth.saturating_add(1), Expected::List)?);
            self.skip_newlines();
            match self.token() {
                Some(Token::Close) => return Ok(Value::List(values)),
                Some(Token::Comma) => {}
                token => return self.refuse(token, Expected::List),
            }
        }
    }

    fn skip_newlines(&mut self) {
        while self.lexer.peek_is(&Token::Newline) {
            let _ = self.token();
        }
    }

    fn token(&mut self) -> Option<Token> {
        self.previous = self.last;
        self.last = self.lexer.at();
        self.before = self.recovering;
        self.recovering = self.recovering.saturating_sub(1);
        self.lexer.next()
    }

    fn refuse<T>(&mut self, token: Option<Token>, expected: Expected) -> Result<T, ()> {
        let (kind, near) = match &token {
            None => ("$end", self.lexer.dangling.to_owned()),
            Some(Token::Newline) => ("NEWLINE", format!("{}\n", self.lexer.since(self.last))),
            Some(token) => (token.kind(), self.lexer.since(self.last).trim_end().to_owned()),
        };
        let message = format!("syntax error, unexpected {kind}, expecting {}", expected.text());
        if self.before == 0 {
            // At the end of the file xl tells the line of the token before.
            let at = if token.is_none() { self.previous } else { self.last };
            let error = self.lexer.error(at, &near, &message);
            self.lexer.syntax(error);
        }
        self.recovering = 3;
        self.ended |= matches!(expected, Expected::End);
        if token == Some(Token::Newline) {
            // The line is at its end already.
            self.lexer.put_back_newline();
        }
        Err(())
    }

    /// To the end of the line.
    fn recover(&mut self) {
        while !self.ended && !matches!(self.lexer.next(), None | Some(Token::Newline)) {}
        self.recovering = 2;
    }
}

fn join(before: &Value, after: &Value) -> Option<Value> {
    match (before, after) {
        (Value::Text(a), Value::Text(b)) => Some(Value::Text(Text {
            value: format!("{}{}", a.value, b.value),
            places: a.places.iter().chain(&b.places).copied().collect(),
            end: b.end,
        })),
        (Value::List(a), Value::List(b)) => Some(Value::List(a.iter().chain(b).cloned().collect())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_numbers_and_lists_are_read_with_their_places() {
        let file = "# c\nname = 'a\\'b'; vcpus=2\ncpuid = [ \"1:eax\",\n 'x', ]\n";
        let config = Config::read(file);
        assert!(config.errors.is_empty(), "{:?}", config.errors);
        let name = config.text("name").unwrap();
        assert_eq!(name.value, "a'b");
        assert_eq!(name.place(2), 15);
        assert_eq!(config.number("vcpus"), Some(2));
        let Value::List(list) = &config.get("cpuid").unwrap().value else {
            panic!()
        };
        assert_eq!(list.len(), 2);
    }

    #[test]
    fn the_last_assignment_counts_and_plus_appends() {
        let config = Config::read("cpuid=\"host\"\ncpuid+=\",aes=0\"\n");
        let text = config.text("cpuid").unwrap();
        assert_eq!(text.value, "host,aes=0");
        assert_eq!(text.place(5), 22);
        assert!(Config::read("a=[]\na+='x'\n").errors[0].message.contains("can't add"));
    }

    #[test]
    fn errors_are_told_with_line_and_text_as_xl_does() {
        let config = Config::read("a=1\ncpuid=\"host,aes=0\n\"\n");
        let messages: Vec<String> = config.errors.iter().map(|error| error.message("f")).collect();
        assert!(messages.contains(&"f:2: config parsing error near `\"host,aes=0': lexical error".to_owned()));
        assert!(messages.contains(&"f:3: config parsing error near `\"': lexical error".to_owned()));
        assert_eq!(config.text("a").unwrap().value, "1");
    }

    #[test]
    fn the_line_after_a_wrong_one_is_read() {
        let config = Config::read("x = = 3\ny = 'z'");
        assert_eq!(config.errors.len(), 1);
        assert_eq!(config.text("y").unwrap().value, "z");
        assert!(Config::read(&"a=[".repeat(500)).errors.len() == 1);
    }
}
