//! Command lines of a page, and the marks of those that are not run.

use std::path::Path;

/// A command line of the page.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// Number of the (first) line in the page.
    pub number: usize,
    /// Without prompt and comment; continued lines are one.
    pub text: String,
}

/// What stands in the page.
#[derive(Debug, Default)]
pub struct Page {
    /// Lines to run.
    pub lines: Vec<Line>,
    /// Lines in marked fences.
    pub marked: usize,
    /// What is wrong with the page, with line numbers.
    pub wrong: Vec<String>,
}

/// Languages of fences that hold command lines.
const COMMANDS: &[&str] = &["sh", "console", "bash", "shell"];

/// Reads a page. `root` is where scripts named by marks stand.
pub fn read(text: &str, root: &Path) -> Page {
    let mut page = Page::default();
    let mut above = "";
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            let body: Vec<(usize, &str)> = lines.by_ref().take_while(|(_, line)| !ends(line)).collect();
            fence(&mut page, root, (number, language.trim()), above, &body);
        } else if line.starts_with("    delid ") || line.starts_with("    $ ") {
            page.wrong.push(format!(
                "{number}: a command line that is only indented: put it in a ```sh fence"
            ));
        }
        above = line;
    }
    page
}

fn ends(line: &str) -> bool {
    line.trim() == "```"
}

fn fence(page: &mut Page, root: &Path, (number, language): (usize, &str), above: &str, body: &[(usize, &str)]) {
    let mark = mark(above, root);
    if !COMMANDS.contains(&language) {
        if language.is_empty() {
            page.wrong.push(format!(
                "{number}: a fence without a language: ```sh for command lines, else ```text"
            ));
        }
        if !matches!(mark, Ok(false)) {
            page.wrong
                .push(format!("{number}: a mark above a fence without command lines"));
        }
        return;
    }
    let lines = commands(language, body);
    match mark {
        Ok(false) => page.lines.extend(lines),
        Ok(true) => page.marked += lines.len(),
        Err(why) => page.wrong.push(format!("{number}: {why}")),
    }
}

/// Whether the line above a fence marks it.
fn mark(above: &str, root: &Path) -> Result<bool, String> {
    let Some(words) = above.trim().strip_prefix("<!--") else {
        return Ok(false);
    };
    let Some(words) = words.strip_suffix("-->").map(str::trim) else {
        return Err("the mark has no end on its line".to_owned());
    };
    if let Some(reason) = words.strip_prefix("not run here:") {
        return match reason.trim() {
            "" => Err("a mark without a reason".to_owned()),
            _ => Ok(true),
        };
    }
    let Some(script) = words.strip_prefix("run by ") else {
        return if words.starts_with("not run") || words.starts_with("run") {
            Err(format!("a mark that is not understood: {words}"))
        } else {
            Ok(false)
        };
    };
    let inside = script.starts_with("tests/") && !script.contains("..");
    if inside && root.join(script).is_file() {
        Ok(true)
    } else {
        Err(format!("{script} is no file below tests/"))
    }
}

fn commands(language: &str, body: &[(usize, &str)]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut open = false;
    for (number, line) in body {
        let mut text = line.trim();
        if !open {
            match (text.strip_prefix("$ ").or_else(|| text.strip_prefix("# ")), language) {
                // Without a prompt it is output.
                (command, "console") => text = command.unwrap_or_default(),
                _ if text.starts_with('#') => text = "",
                _ => {}
            }
        }
        let (part, goes_on) = match text.strip_suffix('\\') {
            Some(part) => (part.trim_end(), true),
            None => (text, false),
        };
        match lines.last_mut().filter(|_| open) {
            Some(last) => {
                last.text.push(' ');
                last.text.push_str(part);
            }
            None if part.is_empty() => {}
            None => lines.push(Line {
                number: *number,
                text: part.to_owned(),
            }),
        }
        open = goes_on;
    }
    lines
}

/// Words of a command line; none when it has more in it than words.
pub fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let (mut word, mut quote, mut any) = (String::new(), None, false);
    for letter in text.chars() {
        match (quote, letter) {
            (Some(end), _) if letter == end => quote = None,
            (Some('"'), '$' | '`' | '\\') => return None,
            (Some(_), _) => word.push(letter),
            (None, '\'' | '"') => (quote, any) = (Some(letter), true),
            (None, '#') if word.is_empty() && !any => break,
            (None, '|' | '>' | '<' | '&' | ';' | '$' | '`' | '\\' | '(' | ')' | '*' | '?') => return None,
            (None, _) if letter.is_whitespace() => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            (None, _) => word.push(letter),
        }
    }
    if any || !word.is_empty() {
        words.push(word);
    }
    quote.is_none().then_some(words)
}
