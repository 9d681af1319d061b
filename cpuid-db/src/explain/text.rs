//! An explained word as text: the bits, and leader lines down to what they mean.

use std::fmt;

use super::diagram::{Diagram, INDENT, Leader};
use super::{Explained, ExplainedField};

/// What the text shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextOptions {
    /// Columns.
    pub width: usize,
    /// Clear bits get a leader line too; otherwise they are listed at the end.
    pub clear: bool,
    /// Other names, and what a feature needs and what needs it.
    pub details: bool,
    /// No characters beyond ASCII.
    pub ascii: bool,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self {
            width: 100,
            clear: false,
            details: true,
            ascii: false,
        }
    }
}

/// Writes a word.
///
/// # Errors
/// What writing to `out` returns.
pub fn write_text(word: &Explained, options: &TextOptions, out: &mut dyn fmt::Write) -> fmt::Result {
    write!(out, "{}", word.word)?;
    if let Some(value) = word.value {
        write!(out, " = 0x{value:08x}")?;
    }
    if !word.title.is_empty() {
        write!(out, "   {}", word.title)?;
    }
    writeln!(out, "\n")?;
    let entries = entries(word, options);
    if entries.is_empty() && word.value.is_none() {
        return writeln!(out, "no bit of this word has a name");
    }
    let leaders = entries
        .iter()
        .map(|entry| Leader {
            high: entry.high,
            low: entry.low,
        })
        .collect();
    let diagram = Diagram::new(leaders, options.ascii);
    writeln!(out, "{}", Diagram::numbers(word.first_bit))?;
    writeln!(out, "{}", Diagram::bits(word.value))?;
    if !entries.is_empty() {
        writeln!(out, "{}", diagram.brackets())?;
    }
    for (index, entry) in entries.iter().enumerate() {
        let columns = options.width.saturating_sub(INDENT).max(24);
        let mut first = true;
        for paragraph in &entry.paragraphs {
            for line in wrap(paragraph, columns) {
                let drawing = if first {
                    diagram.first(index)
                } else {
                    diagram.further(index)
                };
                writeln!(out, "{}", format!("{drawing}{line}").trim_end())?;
                first = false;
            }
        }
    }
    write_clear(word, options, out)
}

struct Entry {
    high: u8,
    low: u8,
    /// The first line, and those below it.
    paragraphs: Vec<String>,
}

fn entries(word: &Explained, options: &TextOptions) -> Vec<Entry> {
    let mut entries: Vec<Entry> = word
        .fields
        .iter()
        .filter(|field| match field.value {
            Some(0) | None if field.reserved => false,
            Some(0) => options.clear,
            _ => true,
        })
        .map(|field| Entry {
            high: field.high,
            low: field.low,
            paragraphs: paragraphs(word, field, options),
        })
        .collect();
    entries.extend(word.reserved.iter().map(|&bit| Entry {
        high: bit,
        low: bit,
        paragraphs: vec![format!(
            "{} reserved: no name known",
            word.first_bit.saturating_add(bit)
        )],
    }));
    entries.sort_by_key(|entry| entry.low);
    entries
}

fn paragraphs(word: &Explained, field: &ExplainedField, options: &TextOptions) -> Vec<String> {
    let number = |bit: u8| word.first_bit.saturating_add(bit);
    let name = if field.reserved { "reserved" } else { field.name };
    let mut head = if field.high == field.low {
        format!("{} {name}", number(field.low))
    } else {
        format!("{}:{} {name}", number(field.high), number(field.low))
    };
    if let Some(value) = field.value.filter(|_| !field.feature || options.clear) {
        head.push_str(&format!(" = {value}"));
        if let Some(meaning) = &field.meaning {
            head.push_str(&format!(" ({meaning})"));
        }
    }
    if !field.vendors.is_empty() {
        head.push_str(&format!(" [{}]", whose(&field.vendors)));
    }
    let mut paragraphs = vec![head];
    if !field.description.is_empty() {
        paragraphs.push(format!("  {}", field.description));
    }
    if options.details {
        let names = field.other_names();
        if !names.is_empty() {
            paragraphs.push(format!("  also: {names}"));
        }
        let both = |direct: &[String], further: &[String]| {
            let mut text = direct.join(" ");
            if !further.is_empty() {
                let them = if direct.len() == 1 { "it" } else { "them" };
                text.push_str(&format!("; through {them} {}", further.join(" ")));
            }
            text
        };
        if !field.requires.is_empty() {
            let list = both(&field.requires, &field.requires_indirectly);
            paragraphs.push(format!("  needs: {list}"));
        }
        if !field.required_by.is_empty() {
            let list = both(&field.required_by, &field.required_by_indirectly);
            paragraphs.push(format!("  needed by: {list}"));
        }
    }
    paragraphs
}

/// Whose a row is, in short: most are everybody's but AMD's, or AMD's alone.
fn whose(vendors: &[&str]) -> String {
    if vendors.len() > 2 && vendors.contains(&"intel") && !vendors.contains(&"amd") {
        return "not amd".to_owned();
    }
    vendors.join(" ")
}

/// Names of the clear bits, when they have no leader.
fn write_clear(word: &Explained, options: &TextOptions, out: &mut dyn fmt::Write) -> fmt::Result {
    let clear: Vec<String> = word
        .fields
        .iter()
        .filter(|field| field.value == Some(0) && !options.clear && !field.reserved)
        .map(|field| field.name.to_owned())
        .collect();
    if clear.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let columns = options.width.saturating_sub(7).max(24);
    for (index, line) in wrap(&clear.join(" "), columns).iter().enumerate() {
        writeln!(
            out,
            "{}{}",
            if index == 0 { "clear: " } else { "       " },
            line.trim_start()
        )?;
    }
    Ok(())
}

/// Breaks a paragraph at blanks; lines behind the first are indented two more than it.
fn wrap(paragraph: &str, columns: usize) -> Vec<String> {
    let text = paragraph.trim_start();
    let indent = paragraph.len().saturating_sub(text.len());
    let mut lines = Vec::new();
    let mut line = " ".repeat(indent);
    let mut empty = true;
    for word in text.split(' ') {
        let length = line.chars().count().saturating_add(word.chars().count());
        if !empty && length.saturating_add(1) > columns {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent.saturating_add(2))));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Database;
    use crate::explain::{Question, explain, parse};

    fn text(argument: &str, options: TextOptions) -> String {
        let mut out = String::new();
        for asked in parse(argument).unwrap() {
            let word = explain(&Database::builtin(), &asked, &Question::default());
            write_text(&word, &options, &mut out).unwrap();
        }
        out
    }

    #[test]
    fn a_word_is_drawn_with_a_line_to_each_set_bit() {
        let brief = TextOptions {
            details: false,
            ..TextOptions::default()
        };
        let drawn = text("1.ecx=0x80008001", brief);
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines[0], "1.0.ecx = 0x80008001   signature and features");
        assert_eq!(lines[3], "1000 0000 0000 0000 1000 0000 0000 0001");
        assert_eq!(lines[4], "│                   │                 │");
        assert!(
            lines[5].starts_with("│                   │                 └─── 0 pni"),
            "{drawn}"
        );
        assert!(drawn.contains("─ 15 pdcm [not amd]"), "{drawn}");
        let unknown = text("2000.ecx=0x10000", brief);
        assert!(unknown.contains("─ 16 reserved: no name known"), "{unknown}");
        assert!(drawn.contains("clear: pclmulqdq dtes64 "));
    }

    #[test]
    fn no_line_is_wider_than_asked_for() {
        for width in [80, 100, 120] {
            for argument in [
                "7.0.ebx",
                "1.ecx=ffffffff",
                "80000008.ebx=ffffffff",
                "msr10a",
                "1.eax=a06d1",
                "6.eax",
            ] {
                let options = TextOptions {
                    width,
                    ..TextOptions::default()
                };
                let drawn = text(argument, options);
                let widest = drawn.lines().map(|line| line.chars().count()).max();
                assert!(widest <= Some(width), "{width} {argument}: {widest:?}\n{drawn}");
            }
        }
    }

    #[test]
    fn ascii_is_ascii() {
        let options = TextOptions {
            ascii: true,
            ..TextOptions::default()
        };
        assert!(text("1.eax=000a06d1", options).is_ascii());
    }

    #[test]
    fn fields_of_several_bits_have_a_bracket_and_a_value() {
        let drawn = text("1.ebx=00100800", TextOptions::default());
        assert!(drawn.contains("15:8 clflush_size = 8 (64 bytes)"), "{drawn}");
        assert!(drawn.contains("└───────┤"), "{drawn}");
    }
}
