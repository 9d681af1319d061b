//! The words of xl's configuration file (libxlu 4.20).

use crate::xen::xlcfg::{SyntaxError, Text};

/// A word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Name(String),
    Text(Text),
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
    pub(crate) last_error_line: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            ahead: None,
            errors: Vec::new(),
            last_error_line: 0,
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

    pub(crate) fn skip_newlines(&mut self) {
        while self.peek_is(&Token::Newline) {
            let _ = self.next();
        }
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
                    (Some(Token::Text(Text::plain(number, at))), number.len())
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

    /// A lexical error takes the rest of the word with it.
    fn wrong(&mut self, rest: &'a str, at: usize) {
        let first = rest.chars().next().map_or(1, char::len_utf8);
        let (head, tail) = rest.split_at_checked(first).unwrap_or((rest, ""));
        let length = head
            .len()
            .saturating_add(run(tail, |c| !matches!(c, ' ' | '\t' | '\n')).len());
        let error = self.error(at, rest.get(..length).unwrap_or(rest), "lexical error");
        if error.line > self.last_error_line {
            self.last_error_line = error.line;
            self.errors.push(error);
        }
        self.at = at.saturating_add(length.max(1));
    }

    fn quoted(&mut self, quote: char, rest: &'a str, at: usize) -> (Option<Token>, usize) {
        let mut text = Text::default();
        let mut characters = rest.char_indices().skip(1);
        while let Some((index, character)) = characters.next() {
            let place = at.saturating_add(index);
            match character {
                '\n' => return (None, 0),
                c if c == quote => {
                    text.end = place;
                    return (Some(Token::Text(text)), index.saturating_add(1));
                }
                '\\' => match characters.next() {
                    None | Some((_, '\n')) => return (None, 0),
                    Some((_, escaped)) => match resolve(escaped) {
                        Some(character) => text.push(character, place),
                        None => {
                            let message = "invalid character after backlash in quoted string";
                            let error = self.error(place, rest.lines().next().unwrap_or_default(), message);
                            self.errors.push(error);
                        }
                    },
                },
                c => text.push(c, place),
            }
        }
        (None, 0)
    }
}

/// Numeric escapes are left out: libxlu drops what they stand for, or refuses them.
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
