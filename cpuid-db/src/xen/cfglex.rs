//! The words of xl's configuration file (libxlu 4.20).

use crate::xen::xlcfg::{SyntaxError, Text};

/// A word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Name(String),
    Text(Text),
    Number(Text),
    Comma,
    Open,
    Close,
    Add,
    Assign,
    Semicolon,
    Newline,
}

impl Token {
    /// As libxlu's grammar calls it.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Name(_) => "IDENT",
            Self::Text(_) => "STRING",
            Self::Number(_) => "NUMBER",
            Self::Comma => "','",
            Self::Open => "'['",
            Self::Close => "']'",
            Self::Add => "+=",
            Self::Assign => "'='",
            Self::Semicolon => "';'",
            Self::Newline => "NEWLINE",
        }
    }
}

/// Cuts a text into words.
pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    ahead: Option<(Option<Token>, usize)>,
    pub(crate) errors: Vec<SyntaxError>,
    last_error_line: usize,
    /// A character that Python programs have stood where none can.
    pub(crate) looks_like_python: bool,
    /// A character at the very end that cannot stand there.
    pub(crate) dangling: &'a str,
}

impl<'a> Lexer<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            ahead: None,
            errors: Vec::new(),
            last_error_line: 0,
            looks_like_python: false,
            dangling: "",
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Where the next word begins.
    pub(crate) fn at(&mut self) -> usize {
        self.fill();
        match &self.ahead {
            Some((_, at)) => *at,
            None => self.at,
        }
    }

    pub(crate) fn since(&self, at: usize) -> &'a str {
        let text = self.text.get(at..self.at).unwrap_or_default();
        text.lines().next().unwrap_or_default()
    }

    pub(crate) fn next(&mut self) -> Option<Token> {
        self.fill();
        self.ahead.take().and_then(|(token, _)| token)
    }

    pub(crate) fn peek_is(&mut self, token: &Token) -> bool {
        self.fill();
        matches!(&self.ahead, Some((Some(seen), _)) if seen == token)
    }

    pub(crate) fn put_back_newline(&mut self) {
        self.ahead = Some((Some(Token::Newline), self.at));
    }

    fn fill(&mut self) {
        if self.ahead.is_none() {
            let token = self.scan();
            self.ahead = Some(token);
        }
    }

    pub(crate) fn error(&self, at: usize, near: &str, message: &str) -> SyntaxError {
        let before = self.text.get(..at).unwrap_or(self.text);
        SyntaxError {
            at,
            line: before.bytes().filter(|&byte| byte == b'\n').count().saturating_add(1),
            near: near.to_owned(),
            message: message.to_owned(),
        }
    }

    fn scan(&mut self) -> (Option<Token>, usize) {
        loop {
            let blanks = self
                .rest()
                .len()
                .saturating_sub(self.rest().trim_start_matches([' ', '\t']).len());
            self.at = self.at.saturating_add(blanks);
            let (at, rest) = (self.at, self.rest());
            let Some(first) = rest.chars().next() else {
                return (None, at);
            };
            let (token, length) = match first {
                'a'..='z' => {
                    let name = run(rest, |c| {
                        c.is_ascii_lowercase() || c.is_ascii_digit() || "._".contains(c)
                    });
                    (Some(Token::Name(name.to_owned())), name.len())
                }
                '0'..='9' => {
                    let number = run(rest, |c| c.is_ascii_digit() || matches!(c, 'a'..='f' | 'x'));
                    (Some(Token::Number(Text::plain(number, at))), number.len())
                }
                ',' => (Some(Token::Comma), 1),
                '[' => (Some(Token::Open), 1),
                ']' => (Some(Token::Close), 1),
                '=' => (Some(Token::Assign), 1),
                '+' if rest.starts_with("+=") => (Some(Token::Add), 2),
                ';' => (Some(Token::Semicolon), 1),
                '\n' => (Some(Token::Newline), 1),
                '#' => match rest.find('\n') {
                    Some(end) => (Some(Token::Newline), end.saturating_add(1)),
                    // A comment counts only with an end of line.
                    None => (None, 0),
                },
                '"' | '\'' => self.quoted(first, rest, at),
                _ => (None, 0),
            };
            if let Some(token) = token {
                self.at = at.saturating_add(length);
                return (Some(token), at);
            }
            self.wrong(rest, at);
        }
    }

    /// A lexical error takes the rest of the word with it. At the very end of a file nothing is said.
    fn wrong(&mut self, rest: &'a str, at: usize) {
        let first = rest.chars().next().map_or(1, char::len_utf8);
        let (head, tail) = rest.split_at_checked(first).unwrap_or((rest, ""));
        let length = head
            .len()
            .saturating_add(run(tail, |c| !matches!(c, ' ' | '\t' | '\n')).len());
        self.looks_like_python |= head.starts_with(['+', '-', '.', '(', ')', ':']);
        if tail.is_empty() {
            self.dangling = head;
        } else {
            let error = self.error(at, rest.get(..length).unwrap_or(rest), "lexical error");
            // Before the end of a line libxlu has read on into the next one by then.
            let line = error.line.saturating_add(usize::from(tail.starts_with('\n')));
            if line > self.last_error_line {
                self.errors.push(error);
            }
            self.last_error_line = line;
        }
        self.at = at.saturating_add(length.max(1));
    }

    /// An error of a word; its line is not told of again.
    pub(crate) fn lexical(&mut self, at: usize, near: &str, message: &str) {
        let error = self.error(at, near, message);
        let line = error.line;
        self.syntax(error);
        self.last_error_line = line;
    }

    /// An error, unless its line has one of a word already.
    pub(crate) fn syntax(&mut self, error: SyntaxError) {
        if error.line > self.last_error_line {
            self.errors.push(error);
        }
    }

    fn quoted(&mut self, quote: char, rest: &'a str, at: usize) -> (Option<Token>, usize) {
        let mut text = Text::default();
        let mut bad = None;
        let mut characters = rest.char_indices().skip(1);
        while let Some((index, character)) = characters.next() {
            let place = at.saturating_add(index);
            match character {
                '\n' => return (None, 0),
                c if c == quote => {
                    text.end = place;
                    if let Some(message) = bad.filter(|_| self.errors.is_empty()) {
                        self.lexical(at, rest.get(..=index).unwrap_or(rest), message);
                    }
                    return (Some(Token::Text(text)), index.saturating_add(1));
                }
                '\\' => match characters.next() {
                    None | Some((_, '\n')) => return (None, 0),
                    // What follows a wrong escape is dropped.
                    Some((_, escaped)) => match resolve(escaped) {
                        Some(character) if bad.is_none() => text.push(character, place),
                        Some(_) => {}
                        None => match numeric(escaped, rest.get(index..).unwrap_or_default()) {
                            // What the number stands for is dropped.
                            Ok(digits) => characters.by_ref().take(digits).for_each(|_| {}),
                            Err(message) => bad = bad.or(Some(message)),
                        },
                    },
                },
                c if bad.is_none() => text.push(c, place),
                _ => {}
            }
        }
        (None, 0)
    }
}

/// A numeric escape: how many digits follow its first character, or why libxlu refuses it, as it does
/// every hexadecimal one (in words that lack a blank). `text` begins with the backslash.
fn numeric(escaped: char, text: &str) -> Result<usize, &'static str> {
    match escaped {
        'x' => Err("invalid digit after backslash hexnumerical character escape in quoted string"),
        '0'..='7' => match text.chars().skip(2).take(3).take_while(char::is_ascii_digit).count() {
            digits @ 2.. => Ok(digits),
            _ => Err("invalid digit after backslash octalnumerical character escape in quoted string"),
        },
        _ => Err("invalid character after backlash in quoted string"),
    }
}

const fn resolve(escaped: char) -> Option<char> {
    Some(match escaped {
        '"' | '\'' | '\\' => escaped,
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        _ => return None,
    })
}

fn run(text: &str, within: impl Fn(char) -> bool) -> &str {
    let end = text.find(|c| !within(c)).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}
