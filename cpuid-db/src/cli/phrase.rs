//! Words that the commands share.

use std::io::{self, Write};

use crate::features;
use crate::topology::Group;

/// `1 package`, `2 packages`.
pub(super) fn count(number: usize, noun: &str) -> String {
    match (number, noun.split_once(' ')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(("group", rest))) => format!("{number} groups {rest}"),
        _ if noun.ends_with('x') => format!("{number} {noun}es"),
        _ => format!("{number} {noun}s"),
    }
}

/// `16 CPUs`, or `4 to 16 CPUs` when they differ.
pub(super) fn sizes(groups: &[Group]) -> String {
    let lengths = groups.iter().map(|group| group.cpus.len());
    match (lengths.clone().min(), lengths.max()) {
        (Some(low), Some(high)) if low != high => format!("{low} to {high} CPUs"),
        (_, high) => count(high.unwrap_or(0), "CPU"),
    }
}

/// `0-3,8`.
pub(super) fn ranges(cpus: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &cpu in cpus {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(cpu) => *last = cpu,
            _ => ranges.push((cpu, cpu)),
        }
    }
    let texts: Vec<String> = ranges
        .into_iter()
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        })
        .collect();
    texts.join(",")
}

/// Text of an input without control characters.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Words in lines no wider than a width, each line after an indent.
pub(super) fn wrapped(words: &[&str], indent: &str, width: usize) -> String {
    let mut out = String::new();
    let mut column = 0_usize;
    for word in words {
        let needed = word.chars().count().saturating_add(1);
        if column == 0 || column.saturating_add(needed) > width {
            if column > 0 {
                out.push('\n');
                out.push_str(indent);
            }
            column = indent.chars().count();
        } else {
            out.push(' ');
            column = column.saturating_add(1);
        }
        out.push_str(word);
        column = column.saturating_add(needed).saturating_sub(1);
    }
    out
}

/// Features by word, a line or more each.
pub(super) fn print_features(groups: &[features::Group], width: usize, out: &mut dyn Write) -> io::Result<()> {
    for group in groups {
        let label = format!("  {:<16} ", group.word.to_string());
        let indent = " ".repeat(label.len());
        writeln!(out, "{label}{}", wrapped(&group.names, &indent, width))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_neighbours() {
        assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), "0-2,5,7-8");
        assert_eq!(ranges(&[]), "");
    }

    #[test]
    fn words_are_wrapped_at_the_width() {
        assert_eq!(wrapped(&["aa", "bb", "cc"], "  ", 7), "aa bb\n  cc");
    }
}
