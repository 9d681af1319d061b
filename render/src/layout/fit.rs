//! Fits lines of text into a width: what is dropped, what shrinks, where it breaks.

use crate::measure::{clean, width};
use crate::scene::{Align, Ink, Line, Span};

/// Smallest text of a picture, in px.
pub(super) const SMALLEST: f32 = 9.0;
/// Height of a line, in parts of its font size.
const LEADING: f32 = 1.3;
/// Widest a single text may claim as its minimum, in px.
const CLAIM: f32 = 96.0;
/// Spans may shrink this much before the last one is dropped.
const SQUEEZE: f32 = 0.94;

/// A run of text with its place inside its line.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub text: String,
    pub x: f32,
    pub width: f32,
    pub size: f32,
    pub bold: bool,
    pub ink: Ink,
    pub anchor: Align,
}

/// A fitted line.
#[derive(Clone, Debug, Default)]
pub(super) struct Fitted {
    pub runs: Vec<Run>,
    pub height: f32,
    /// Size of the largest run, which sets the baseline.
    pub size: f32,
}

fn size_of(span: &Span) -> f32 {
    if span.size.is_finite() {
        span.size.clamp(SMALLEST, 48.0)
    } else {
        11.0
    }
}

fn run(span: &Span) -> Option<Run> {
    let text = clean(&span.text).into_owned();
    let size = size_of(span);
    (!text.is_empty()).then(|| Run {
        width: width(&text, size, span.bold),
        text,
        x: 0.0,
        size,
        bold: span.bold,
        ink: span.ink,
        anchor: Align::Start,
    })
}

/// Blank between two neighbouring runs: a word space, wider where the size changes.
fn blank(a: &Run, b: &Run) -> f32 {
    if (a.size - b.size).abs() < 0.6 {
        0.42 * a.size
    } else {
        0.6 * a.size.max(b.size)
    }
}

fn total(runs: &[Run]) -> f32 {
    let gaps: f32 = runs
        .windows(2)
        .map(|w| if let [a, b] = w { blank(a, b) } else { 0.0 })
        .sum();
    runs.iter().map(|r| r.width).sum::<f32>() + gaps
}

/// Blank between the left and the right part of a line.
fn middle(left: &[Run], right: &[Run]) -> f32 {
    match (left.last(), right.first()) {
        (Some(a), Some(b)) => 0.8 * a.size.max(b.size),
        _ => 0.0,
    }
}

/// Width a line likes to have.
pub(super) fn wanted(line: &Line) -> f32 {
    let left: Vec<Run> = line.spans.iter().filter_map(run).collect();
    let right: Vec<Run> = line.right.iter().filter_map(run).collect();
    total(&left) + middle(&left, &right) + total(&right)
}

/// Width a line can live with: its first text at the smallest size (its longest word when it wraps).
pub(super) fn least(line: &Line) -> f32 {
    let Some(first) = line.spans.iter().chain(&line.right).find_map(run) else {
        return 0.0;
    };
    let longest = if line.wrap {
        first
            .text
            .split(' ')
            .map(|word| width(word, first.size, first.bold))
            .fold(0.0, f32::max)
    } else {
        width(&first.text, SMALLEST, first.bold)
    };
    longest.min(CLAIM)
}

/// Lines as they fit into `avail` px; more than one only when the line wraps.
pub(super) fn fit(line: &Line, avail: f32) -> Vec<Fitted> {
    let left: Vec<Run> = line.spans.iter().filter_map(run).collect();
    let right: Vec<Run> = line.right.iter().filter_map(run).collect();
    let size = line.spans.iter().chain(&line.right).map(size_of).fold(0.0, f32::max);
    if line.wrap && total(&left) > avail {
        return wrap(&left, avail, line.align);
    }
    vec![one(left, right, avail, line.align, size)]
}

fn one(mut left: Vec<Run>, mut right: Vec<Run>, avail: f32, align: Align, size: f32) -> Fitted {
    if left.is_empty() {
        std::mem::swap(&mut left, &mut right);
        if align == Align::Start && !left.is_empty() {
            return one(left, right, avail, Align::End, size);
        }
    }
    narrow(&mut left, &mut right, avail);
    let (left_width, right_width) = (total(&left), total(&right));
    let start = match align {
        Align::Start => 0.0,
        Align::Middle => ((avail - left_width) / 2.0).max(0.0),
        Align::End => (avail - left_width).max(0.0),
    };
    let single = left.len() == 1;
    stand(&mut left, start, if single { align } else { Align::Start });
    stand(&mut right, avail - right_width, Align::End);
    left.append(&mut right);
    let size = if left.is_empty() {
        size
    } else {
        left.iter().map(|r| r.size).fold(0.0, f32::max)
    };
    Fitted {
        runs: left,
        height: (size * LEADING).round(),
        size,
    }
}

fn stand(runs: &mut [Run], start: f32, anchor: Align) {
    let mut x = start;
    let mut before: Option<Run> = None;
    for r in runs {
        if let Some(b) = &before {
            x += blank(b, r);
        }
        r.x = x;
        r.anchor = anchor;
        x += r.width;
        before = Some(Run {
            text: String::new(),
            ..r.clone()
        });
    }
}

/// Drops and shrinks until the runs fit: the left ones from the right, then the right ones, then the
/// first shrinks and at last is cut.
fn narrow(left: &mut Vec<Run>, right: &mut Vec<Run>, avail: f32) {
    let need = |l: &[Run], r: &[Run]| total(l) + middle(l, r) + total(r);
    while need(left, right) > avail && left.len() + right.len() > 1 {
        if need(left, right) * SQUEEZE <= avail && left.iter().chain(&*right).all(|r| r.size * SQUEEZE >= SMALLEST) {
            for r in left.iter_mut().chain(right.iter_mut()) {
                resize(r, r.size * SQUEEZE);
            }
        } else if left.len() > 1 || right.is_empty() {
            left.pop();
        } else {
            right.pop();
        }
    }
    if need(left, right) > avail {
        if let Some(first) = left.first_mut() {
            cut(first, avail);
        }
        left.retain(|r| !r.text.is_empty());
    }
}

fn resize(r: &mut Run, size: f32) {
    r.width *= size / r.size;
    r.size = size;
}

/// Shrinks a run to the smallest size, then ends it in "…"; leaves it empty when even that is too wide.
fn cut(r: &mut Run, avail: f32) {
    let fitting = (r.size * avail / r.width * 0.999).max(SMALLEST).min(r.size);
    resize(r, fitting);
    if r.width <= avail {
        return;
    }
    let dots = width("…", r.size, r.bold);
    let mut used = 0.0;
    let mut end = 0;
    for (at, c) in r.text.char_indices() {
        used += width(c.encode_utf8(&mut [0; 4]), r.size, r.bold);
        if used + dots > avail {
            break;
        }
        end = at + c.len_utf8();
    }
    let head = r.text.get(..end).unwrap_or("").trim_end().to_owned();
    r.text = if dots > avail { String::new() } else { head + "…" };
    r.width = width(&r.text, r.size, r.bold);
}

fn wrap(left: &[Run], avail: f32, align: Align) -> Vec<Fitted> {
    let Some(look) = left.first() else { return Vec::new() };
    let measure = |text: &str| width(text, look.size, look.bold);
    let mut lines: Vec<String> = Vec::new();
    let mut current = String::new();
    for word in left.iter().flat_map(|r| r.text.split(' ')) {
        let joined = if current.is_empty() {
            word.to_owned()
        } else {
            format!("{current} {word}")
        };
        if measure(&joined) <= avail {
            current = joined;
            continue;
        }
        if !current.is_empty() {
            lines.push(std::mem::take(&mut current));
        }
        if measure(word) <= avail {
            word.clone_into(&mut current);
        } else {
            pieces(word, avail, &measure, &mut lines, &mut current);
        }
    }
    lines.push(current);
    let as_line = |text: String| {
        let r = Run {
            width: measure(&text),
            text,
            ..look.clone()
        };
        let runs = if r.text.is_empty() { vec![] } else { vec![r] };
        one(runs, Vec::new(), avail, align, look.size)
    };
    lines.into_iter().map(as_line).collect()
}

/// Breaks a word that is wider than the line between characters.
fn pieces(word: &str, avail: f32, measure: &dyn Fn(&str) -> f32, lines: &mut Vec<String>, current: &mut String) {
    let mut used = 0.0;
    for c in word.chars() {
        let w = measure(c.encode_utf8(&mut [0; 4]));
        if used + w > avail && !current.is_empty() {
            lines.push(std::mem::take(current));
            used = 0.0;
        }
        used += w;
        current.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(fitted: &[Fitted]) -> Vec<Vec<&str>> {
        fitted
            .iter()
            .map(|f| f.runs.iter().map(|r| r.text.as_str()).collect())
            .collect()
    }

    fn sample() -> Line {
        Line::bold(12.0, "Slot 9")
            .span(Span::new(10.0, "31.5 GB/s"))
            .right(Span::muted(10.0, "c0:01.1"))
    }

    #[test]
    fn a_wide_line_keeps_all_and_ends_at_the_right_edge() {
        let fitted = fit(&sample(), 300.0);
        assert_eq!(texts(&fitted), [["Slot 9", "31.5 GB/s", "c0:01.1"]]);
        let last = fitted[0].runs.last().unwrap();
        assert!((last.x + last.width - 300.0).abs() < 0.01);
    }

    #[test]
    fn spans_are_dropped_left_part_first_and_never_cut() {
        assert_eq!(texts(&fit(&sample(), 110.0)), [["Slot 9", "c0:01.1"]]);
        assert_eq!(texts(&fit(&sample(), 60.0)), [["Slot 9"]]);
    }

    #[test]
    fn the_first_span_shrinks_before_it_is_cut() {
        let fitted = fit(&Line::text(14.0, "abcdefgh"), 50.0);
        assert_eq!(texts(&fitted), [["abcdefgh"]]);
        assert!(fitted[0].runs[0].size >= SMALLEST && fitted[0].runs[0].width <= 50.0);
        let short = fit(&Line::text(14.0, "abcdefghijklmnop"), 40.0);
        assert!(short[0].runs[0].text.ends_with('…') && short[0].runs[0].width <= 40.0);
        assert!(fit(&Line::text(14.0, "abc"), 3.0)[0].runs.is_empty());
    }

    #[test]
    fn wrapping_breaks_at_blanks_and_inside_overlong_words() {
        let fitted = fit(&Line::text(10.0, "one two three").wrapped(), 45.0);
        assert_eq!(texts(&fitted), [["one two"], ["three"]]);
        let long = fit(&Line::text(10.0, "aaaaaaaaaaaaaaaaaaaaaaaaaaaa").wrapped(), 45.0);
        assert!(long.len() > 3 && long.iter().flat_map(|f| &f.runs).all(|r| r.width <= 45.0));
    }

    #[test]
    fn a_line_with_only_a_right_part_stands_at_the_right() {
        let line = Line {
            right: vec![Span::new(10.0, "x")],
            ..Line::default()
        };
        let fitted = fit(&line, 100.0);
        assert!(fitted[0].runs[0].x > 90.0);
    }
}
