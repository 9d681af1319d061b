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
        let near = match self.near.as_str() {
            "" => "<newline>".to_owned(),
            text => format!("`{text}'"),
        };
        format!(
            "{file}:{}: config parsing error near {near}: {}",
            self.line, self.message
        )
    }
}

/// A configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Assignments in order.
    pub settings: Vec<Setting>,
    /// What is wrong.
    pub errors: Vec<SyntaxError>,
}

impl Config {
    /// Reads a file.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut parser = Parser {
            lexer: Lexer::new(text),
            config: Self::default(),
            recovering: 0,
        };
        parser.file();
        parser.config.errors.extend(parser.lexer.errors);
        parser.config.errors.sort_by_key(|error| error.at);
        parser.config
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

struct Parser<'a> {
    lexer: Lexer<'a>,
    config: Config,
    /// Tokens until syntax errors are told again, as with libxlu's parser.
    recovering: u32,
}

impl Parser<'_> {
    fn file(&mut self) {
        loop {
            let at = self.lexer.at();
            match self.token().0 {
                None => return,
                Some(Token::Newline | Token::Semicolon) => {}
                Some(Token::Name(name)) => {
                    if let Err(()) = self.assignment(name, at) {
                        self.recover();
                    }
                }
                Some(token) => {
                    self.unexpected(&token, at);
                    self.recover();
                }
            }
        }
    }

    fn assignment(&mut self, name: String, at: usize) -> Result<(), ()> {
        let adds = match self.token() {
            (Some(Token::Assign), _) => false,
            (Some(Token::Add), _) => true,
            (token, place) => return self.refuse(token, place),
        };
        let mut value = self.value(0)?;
        if adds && let Some(before) = self.config.get(&name) {
            match join(&before.value, &value) {
                Some(joined) => value = joined,
                None => {
                    let message = "can't add [list] to \"string\" or vice versa";
                    let error = self.lexer.error(at, &name, message);
                    self.config.errors.push(error);
                    return Err(());
                }
            }
        }
        self.config.settings.push(Setting { name, value, at });
        match self.token() {
            (None | Some(Token::Newline | Token::Semicolon), _) => Ok(()),
            (token, place) => self.refuse(token, place),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, ()> {
        match self.token() {
            (Some(Token::Text(text)), _) => Ok(Value::Text(text)),
            (Some(Token::Open), place) if depth < DEPTH => self.list(depth, place),
            (token, place) => self.refuse(token, place),
        }
    }

    fn list(&mut self, depth: usize, _open: usize) -> Result<Value, ()> {
        let mut values = Vec::new();
        loop {
            self.lexer.skip_newlines();
            if self.lexer.peek_is(&Token::Close) {
                let _ = self.lexer.next();
                return Ok(Value::List(values));
            }
            values.push(self.value(depth.saturating_add(1))?);
            self.lexer.skip_newlines();
            match self.token() {
                (Some(Token::Close), _) => return Ok(Value::List(values)),
                (Some(Token::Comma), _) => {}
                (token, place) => return self.refuse(token, place),
            }
        }
    }

    fn token(&mut self) -> (Option<Token>, usize) {
        let at = self.lexer.at();
        self.recovering = self.recovering.saturating_sub(1);
        (self.lexer.next(), at)
    }

    fn refuse<T>(&mut self, token: Option<Token>, at: usize) -> Result<T, ()> {
        match token {
            Some(Token::Newline) => {
                self.unexpected(&Token::Newline, at);
                // The line is at its end already.
                self.lexer.put_back_newline();
            }
            Some(token) => self.unexpected(&token, at),
            None => {
                let error = self.lexer.error(at, "", "syntax error, unexpected end of file");
                self.tell(error);
            }
        }
        Err(())
    }

    fn unexpected(&mut self, token: &Token, at: usize) {
        let near = self.lexer.since(at).trim_end().to_owned();
        let message = format!("syntax error, unexpected {}", token.kind());
        let error = self.lexer.error(at, &near, &message);
        self.tell(error);
    }

    fn tell(&mut self, error: SyntaxError) {
        if self.recovering == 0 && error.line > self.lexer.last_error_line {
            self.config.errors.push(error);
        }
        self.recovering = 4;
    }

    /// To the end of the line.
    fn recover(&mut self) {
        while !matches!(self.lexer.next(), None | Some(Token::Newline)) {}
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
