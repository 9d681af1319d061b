//! Looks for what must not be in a picture: overlaps, text outside its box, boxes without a title.
//!
//! Knows nothing of how the layout came about; it reads [`Placed`] only. That all boxes but
//! ancestors are apart follows from two things it checks: each box is inside its parent, and no two
//! boxes with the same parent overlap.

use std::collections::{HashMap, HashSet};

use super::placed::{Placed, PlacedText, Rect, ShapeKind};
use crate::measure;
use crate::scene::Role;

/// Less than this is rounding, in px.
const TOLERANCE: f32 = 0.06;

/// Something wrong with a picture. Numbers are indices into the lists of [`Placed`].
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Two boxes with the same parent overlap.
    Overlap(usize, usize),
    /// A box leaves its parent.
    OutsideParent(usize),
    /// A box leaves the page.
    OutsidePage(usize),
    /// A text leaves its box.
    TextOutside(usize),
    /// A text is wider than the place it has.
    TextTooWide(usize),
    /// Two texts meet.
    TextOverText(usize, usize),
    /// A text (first) runs over a box (second) inside its own box.
    TextOverBox(usize, usize),
    /// A badge (first, a shape) covers a text (second).
    BadgeOverText(usize, usize),
    /// A shape leaves the page.
    ShapeOutside(usize),
    /// A visible box has no title.
    NoTitle(usize),
    /// An id is used twice, or is made of other than letters, digits, `-`, `_`, `.`.
    BadId(String),
    /// A length is not a number.
    NotANumber,
}

/// All faults of a picture; none in a good one.
#[must_use]
pub fn check(placed: &Placed) -> Vec<Fault> {
    let mut faults = Vec::new();
    numbers(placed, &mut faults);
    boxes(placed, &mut faults);
    siblings(placed, &mut faults);
    texts(placed, &mut faults);
    meeting(placed, &mut faults);
    ids(placed, &mut faults);
    faults
}

fn inside(a: &Rect, b: &Rect) -> bool {
    a.x >= b.x - TOLERANCE
        && a.y >= b.y - TOLERANCE
        && a.x + a.w <= b.x + b.w + TOLERANCE
        && a.y + a.h <= b.y + b.h + TOLERANCE
}

fn meets(a: &Rect, b: &Rect) -> bool {
    let across = (a.x + a.w).min(b.x + b.w) - a.x.max(b.x);
    let down = (a.y + a.h).min(b.y + b.h) - a.y.max(b.y);
    across > TOLERANCE && down > TOLERANCE
}

fn page(placed: &Placed) -> Rect {
    Rect {
        x: 0.0,
        y: 0.0,
        w: placed.width,
        h: placed.height,
    }
}

/// The rectangle the letters of a text cover.
fn ink(text: &PlacedText) -> Rect {
    let up = measure::ASCENT * text.size;
    let h = (measure::ASCENT + measure::DESCENT) * text.size;
    Rect {
        x: text.x,
        y: text.y - up,
        w: measure::width(&text.text, text.size, text.bold),
        h,
    }
}

fn numbers(placed: &Placed, faults: &mut Vec<Fault>) {
    let all = placed
        .boxes
        .iter()
        .map(|b| b.rect)
        .chain(placed.shapes.iter().map(|s| s.rect))
        .chain([page(placed)]);
    let bad = |r: &Rect| ![r.x, r.y, r.w, r.h].iter().all(|v| v.is_finite()) || r.w < 0.0 || r.h < 0.0;
    let text = placed
        .texts
        .iter()
        .any(|t| ![t.x, t.y, t.width, t.size].iter().all(|v| v.is_finite()));
    if text || all.into_iter().any(|r| bad(&r)) {
        faults.push(Fault::NotANumber);
    }
}

fn boxes(placed: &Placed, faults: &mut Vec<Fault>) {
    let page = page(placed);
    for (i, b) in placed.boxes.iter().enumerate() {
        if !inside(&b.rect, &page) {
            faults.push(Fault::OutsidePage(i));
        }
        if b.parent
            .and_then(|p| placed.boxes.get(p))
            .is_some_and(|parent| !inside(&b.rect, &parent.rect))
        {
            faults.push(Fault::OutsideParent(i));
        }
        if b.role != Role::Plain && b.title.trim().is_empty() {
            faults.push(Fault::NoTitle(i));
        }
    }
    for (i, s) in placed.shapes.iter().enumerate() {
        if !inside(&s.rect, &page) {
            faults.push(Fault::ShapeOutside(i));
        }
    }
}

/// Calls `pair` for each two rectangles that meet; sweeps downwards.
fn sweep(mut rects: Vec<(usize, Rect)>, mut pair: impl FnMut(usize, usize)) {
    rects.sort_by(|a, b| a.1.y.total_cmp(&b.1.y).then(a.0.cmp(&b.0)));
    let mut active: Vec<(usize, Rect)> = Vec::new();
    for (i, rect) in rects {
        active.retain(|(_, r)| r.y + r.h > rect.y);
        for (j, other) in &active {
            if meets(&rect, other) {
                pair(*j, i);
            }
        }
        active.push((i, rect));
    }
}

fn siblings(placed: &Placed, faults: &mut Vec<Fault>) {
    let mut families: HashMap<Option<usize>, Vec<(usize, Rect)>> = HashMap::new();
    for (i, b) in placed.boxes.iter().enumerate() {
        families.entry(b.parent).or_default().push((i, b.rect));
    }
    let mut found = Vec::new();
    for family in families.into_values() {
        sweep(family, |a, b| found.push((a.min(b), a.max(b))));
    }
    found.sort_unstable();
    faults.extend(found.into_iter().map(|(a, b)| Fault::Overlap(a, b)));
}

fn texts(placed: &Placed, faults: &mut Vec<Fault>) {
    let mut children: HashMap<usize, Vec<usize>> = HashMap::new();
    for (i, b) in placed.boxes.iter().enumerate() {
        if let Some(parent) = b.parent {
            children.entry(parent).or_default().push(i);
        }
    }
    let badges: Vec<(usize, Rect)> = badges(placed);
    for (i, text) in placed.texts.iter().enumerate() {
        let rect = ink(text);
        let owner = placed.boxes.get(text.owner);
        let on_badge = badges
            .iter()
            .any(|(s, r)| placed.shapes.get(*s).is_some_and(|s| s.owner == text.owner) && inside(&rect, r));
        if !on_badge && !owner.is_some_and(|b| inside(&rect, &b.rect)) {
            faults.push(Fault::TextOutside(i));
        }
        if rect.w > text.width + TOLERANCE {
            faults.push(Fault::TextTooWide(i));
        }
        for child in children.get(&text.owner).into_iter().flatten() {
            if !on_badge && placed.boxes.get(*child).is_some_and(|b| meets(&rect, &b.rect)) {
                faults.push(Fault::TextOverBox(i, *child));
            }
        }
    }
}

fn badges(placed: &Placed) -> Vec<(usize, Rect)> {
    let is = |kind: &ShapeKind| matches!(kind, ShapeKind::Badge(_));
    placed
        .shapes
        .iter()
        .enumerate()
        .filter(|(_, s)| is(&s.kind))
        .map(|(i, s)| (i, s.rect))
        .collect()
}

/// Texts over texts, and badges over texts that are not their own.
fn meeting(placed: &Placed, faults: &mut Vec<Fault>) {
    let texts = placed.texts.len();
    let mut all: Vec<(usize, Rect)> = placed.texts.iter().map(ink).enumerate().collect();
    all.extend(badges(placed).into_iter().map(|(i, r)| (texts + i, r)));
    let mut found = Vec::new();
    sweep(all, |a, b| {
        let (a, b) = (a.min(b), a.max(b));
        match (
            placed.texts.get(a),
            b.checked_sub(texts).and_then(|s| placed.shapes.get(s)),
        ) {
            (Some(_), None) => found.push((a, b, Fault::TextOverText(a, b))),
            (Some(text), Some(shape)) => {
                let own = text.owner == shape.owner && inside(&ink(text), &shape.rect);
                if !own {
                    found.push((a, b, Fault::BadgeOverText(b - texts, a)));
                }
            }
            _ => {}
        }
    });
    found.sort_by_key(|(a, b, _)| (*a, *b));
    faults.extend(found.into_iter().map(|(_, _, fault)| fault));
}

fn ids(placed: &Placed, faults: &mut Vec<Fault>) {
    let mut seen = HashSet::new();
    for b in placed.boxes.iter().filter(|b| !b.id.is_empty()) {
        let plain = b.id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !plain || !seen.insert(b.id.as_str()) {
            faults.push(Fault::BadId(b.id.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::placed::PlacedBox;
    use super::*;
    use crate::layout::TextInk;
    use crate::scene::{Align, Ink};

    fn part(x: f32, w: f32, parent: Option<usize>) -> PlacedBox {
        PlacedBox {
            rect: Rect { x, y: 0.0, w, h: 20.0 },
            parent,
            ..PlacedBox::default()
        }
    }

    fn text(x: f32, owner: usize) -> PlacedText {
        let ink = TextInk::Scene(Ink::Normal);
        let text = "word".to_owned();
        let width = measure::width(&text, 10.0, false);
        PlacedText {
            owner,
            x,
            y: 12.0,
            width,
            size: 10.0,
            bold: false,
            ink,
            anchor: Align::Start,
            text,
        }
    }

    fn placed(boxes: Vec<PlacedBox>, texts: Vec<PlacedText>) -> Placed {
        Placed {
            width: 100.0,
            height: 20.0,
            boxes,
            texts,
            ..Placed::default()
        }
    }

    #[test]
    fn overlapping_siblings_and_strays_are_found() {
        let p = placed(
            vec![part(0.0, 60.0, None), part(50.0, 30.0, None), part(55.0, 30.0, Some(1))],
            vec![],
        );
        assert_eq!(check(&p), [Fault::OutsideParent(2), Fault::Overlap(0, 1)]);
        assert_eq!(
            check(&placed(vec![part(90.0, 30.0, None)], vec![])),
            [Fault::OutsidePage(0)]
        );
    }

    #[test]
    fn texts_that_leave_their_box_or_meet_are_found() {
        let p = placed(vec![part(0.0, 60.0, None)], vec![text(40.0, 0), text(50.0, 0)]);
        assert_eq!(
            check(&p),
            [Fault::TextOutside(0), Fault::TextOutside(1), Fault::TextOverText(0, 1)]
        );
        let p = placed(
            vec![part(0.0, 60.0, None), part(10.0, 20.0, Some(0))],
            vec![text(0.0, 0)],
        );
        assert_eq!(check(&p), [Fault::TextOverBox(0, 1)]);
    }

    #[test]
    fn missing_titles_and_repeated_ids_are_found() {
        let mut a = part(0.0, 40.0, None);
        a.role = Role::Frame;
        a.id = "x".into();
        let mut b = part(40.0, 40.0, None);
        b.id = "x".into();
        assert_eq!(
            check(&placed(vec![a, b], vec![])),
            [Fault::NoTitle(0), Fault::BadId("x".into())]
        );
    }
}
