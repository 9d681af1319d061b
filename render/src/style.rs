//! Looks of roles: class names, light and dark colours, line styles.
//!
//! One table serves SVG and HTML. Colours stand only in the `<style>` block; each role has a second
//! sign (dashes, line weight, roundness) so that grey print and colour-blind readers lose nothing.

use crate::layout::{ShapeKind, TextInk};
use crate::scene::{Ink, Role, Severity};

/// Fonts of all pictures; the metrics are those of the first.
pub const FONTS: &str = "DejaVu Sans, Verdana, Arial, sans-serif";

/// Colours of one class: `(fill, line)` in light and in dark; empty means none.
struct Look {
    class: &'static str,
    light: (&'static str, &'static str),
    dark: (&'static str, &'static str),
    /// Further declarations that hold in both.
    more: &'static str,
}

const fn look(
    class: &'static str,
    light: (&'static str, &'static str),
    dark: (&'static str, &'static str),
    more: &'static str,
) -> Look {
    Look {
        class,
        light,
        dark,
        more,
    }
}

#[rustfmt::skip]
const LOOKS: &[Look] = &[
    look("bg", ("#fff", ""), ("#12181f", ""), ""),
    // text
    look("t", ("#1b2733", ""), ("#e6edf3", ""), ""),
    look("t2", ("#3d5266", ""), ("#b9c7d4", ""), ""),
    look("t3", ("#7d8995", ""), ("#8796a5", ""), ""),
    look("tr", ("#b71c1c", ""), ("#ff9a92", ""), ""),
    look("tw", ("#8f5200", ""), ("#f0b561", ""), ""),
    look("tg", ("#23692a", ""), ("#7fd18a", ""), ""),
    look("tx", ("#6a3d93", ""), ("#c9a6e6", ""), ""),
    look("ti", ("#fff", ""), ("#12181f", ""), ""),
    // boxes
    look("panel", ("#fafbfc", "#ccccdd"), ("#161e27", "#3a4a5a"), ""),
    look("alert", ("#fff8f0", "#e0a070"), ("#2a2118", "#a8703c"), ""),
    look("frame", ("#f4f7fb", "#5b7690"), ("#1a232d", "#6d8aa5"), "stroke-width:1.5"),
    look("area", ("#e8eef6", "#8aa0b4"), ("#202c38", "#587087"), ""),
    look("group", ("#dde6f0", "#7f95aa"), ("#263645", "#587087"), ""),
    look("cell", ("#fff", "#5b7690"), ("#12181f", "#7f9bb5"), "stroke-width:.8"),
    look("cellalt", ("#fdf6e3", "#8a7a4a"), ("#2b2718", "#b8a56a"), "stroke-width:.8;stroke-dasharray:4,1"),
    look("celloff", ("#3d5266", "#1b2733"), ("#93a3b2", "#e6edf3"), "stroke-width:.8"),
    look("cellbar", ("#e4e1dc", "#8a8378"), ("#33302b", "#9a9388"), "stroke-width:.8;stroke-dasharray:1,1.5"),
    look("shade", ("#cfd9ea", "#5b7690"), ("#33475c", "#6d8aa5"), ""),
    look("mem", ("#bfe3c6", "#2e7d32"), ("#1f4a29", "#63b66d"), "stroke-width:1.2"),
    look("memalt", ("#c6e2e6", "#1f6f7d"), ("#1c454d", "#5fb3c0"), "stroke-width:1.2;stroke-dasharray:7,2"),
    look("empty", ("#fff", "#8a94a0"), ("#12181f", "#7a8896"), "stroke-dasharray:3,3"),
    look("miss", ("#fff", "#c62828"), ("#12181f", "#ff7b72"), "stroke-width:2;stroke-dasharray:3,3"),
    look("bus", ("#d7e3ef", "#5b7690"), ("#2a3a4a", "#6d8aa5"), ""),
    look("port", ("#fff", "#3a6ea5"), ("#12181f", "#5f9bd8"), ""),
    look("carda", ("#e9f0e2", "#556677"), ("#25301f", "#8496a5"), ""),
    look("cardb", ("#e6ecf7", "#556677"), ("#222c40", "#8496a5"), ""),
    look("cardc", ("#f3efe0", "#556677"), ("#302b1b", "#8496a5"), ""),
    look("card", ("#eef1f4", "#556677"), ("#222a33", "#8496a5"), ""),
    look("badcard", ("#fdeeee", "#c62828"), ("#3a1d1d", "#ff7b72"), "stroke-width:2"),
    look("warncard", ("#f6e7cf", "#b26a00"), ("#3a2c14", "#e0a040"), "stroke-width:2"),
    look("chip1", ("#7b4fa0", "#7b4fa0"), ("#b48ad6", "#b48ad6"), ""),
    look("chip2", ("#fff", "#7b4fa0"), ("#12181f", "#b48ad6"), "stroke-dasharray:2,2"),
    look("chip0", ("#e8eef6", "#b8c4d0"), ("#202c38", "#44576a"), ""),
    look("h0", ("#f4f7fb", "#fff"), ("#1a232d", "#12181f"), ""),
    look("h1", ("#e3d6ee", "#fff"), ("#3a2a4a", "#12181f"), ""),
    look("h2", ("#cdb6df", "#fff"), ("#523868", "#12181f"), ""),
    look("h3", ("#b795d0", "#fff"), ("#6a4789", "#12181f"), ""),
    look("h4", ("#7b4fa0", "#fff"), ("#b48ad6", "#12181f"), ""),
    // bars, lines, badges
    look("pale", ("#b9cde3", ""), ("#2d4a68", ""), ""),
    look("solid", ("#3a6ea5", ""), ("#5f9bd8", ""), ""),
    look("palebad", ("#e3a6a6", ""), ("#6b3a3a", ""), ""),
    look("solidbad", ("#c62828", ""), ("#ff7b72", ""), ""),
    look("link", ("#7b4fa0", ""), ("#b48ad6", ""), ""),
    look("edge", ("", "#7b4fa0"), ("", "#b48ad6"), "stroke-width:1.6"),
    look("bad", ("#c62828", ""), ("#ff7b72", ""), ""),
    look("warn", ("#9a5b00", ""), ("#f0b561", ""), ""),
];

/// Class of a box.
#[must_use]
pub fn role_class(role: Role) -> &'static str {
    match role {
        Role::Plain => "none",
        Role::Panel => "panel",
        Role::Alert => "alert",
        Role::Frame => "frame",
        Role::Area => "area",
        Role::Group => "group",
        Role::Cell => "cell",
        Role::CellAlt => "cellalt",
        Role::CellOff => "celloff",
        Role::CellBarred => "cellbar",
        Role::Shade => "shade",
        Role::Memory => "mem",
        Role::MemoryAlt => "memalt",
        Role::Empty => "empty",
        Role::Missing => "miss",
        Role::Bus => "bus",
        Role::Port => "port",
        Role::CardA => "carda",
        Role::CardB => "cardb",
        Role::CardC => "cardc",
        Role::Card => "card",
        Role::Bad => "badcard",
        Role::Warn => "warncard",
        Role::ChipSolid => "chip1",
        Role::ChipDashed => "chip2",
        Role::ChipSelf => "chip0",
        Role::Heat(0) => "h0",
        Role::Heat(1) => "h1",
        Role::Heat(2) => "h2",
        Role::Heat(3) => "h3",
        Role::Heat(_) => "h4",
    }
}

/// Radius of the corners of a box, in px.
#[must_use]
pub fn radius(role: Role) -> f32 {
    match role {
        Role::Frame => 6.0,
        Role::Area | Role::Bad | Role::Warn | Role::CellAlt => 4.0,
        Role::Heat(_) => 0.0,
        Role::Cell | Role::CellOff | Role::CellBarred => 2.0,
        _ => 3.0,
    }
}

/// Class of a text.
#[must_use]
pub fn ink_class(ink: TextInk) -> &'static str {
    match ink {
        TextInk::Inverse => "ti",
        TextInk::Scene(Ink::Normal) => "t",
        TextInk::Scene(Ink::Muted) => "t2",
        TextInk::Scene(Ink::Faint) => "t3",
        TextInk::Scene(Ink::Bad) => "tr",
        TextInk::Scene(Ink::Warn) => "tw",
        TextInk::Scene(Ink::Good) => "tg",
        TextInk::Scene(Ink::Interconnect) => "tx",
    }
}

/// Class of a shape.
#[must_use]
pub fn shape_class(kind: ShapeKind) -> &'static str {
    match kind {
        ShapeKind::Pale => "pale",
        ShapeKind::Solid => "solid",
        ShapeKind::PaleBad => "palebad",
        ShapeKind::SolidBad => "solidbad",
        ShapeKind::Interconnect | ShapeKind::Node => "link",
        ShapeKind::Edge { .. } => "edge",
        ShapeKind::Badge(Severity::Bad) => "bad",
        ShapeKind::Badge(Severity::Warn) => "warn",
    }
}

/// Writes the rules of one theme, each selector behind `scope` ("" or ending in a blank).
fn theme(out: &mut String, scope: &str, dark: bool) {
    for look in LOOKS {
        let (fill, line) = if dark { look.dark } else { look.light };
        out.push_str(scope);
        out.push('.');
        out.push_str(look.class);
        out.push('{');
        out.push_str("fill:");
        out.push_str(if fill.is_empty() { "none" } else { fill });
        if !line.is_empty() {
            out.push_str(";stroke:");
            out.push_str(line);
        }
        if !dark && !look.more.is_empty() {
            out.push(';');
            out.push_str(look.more);
        }
        out.push('}');
    }
}

const COMMON: &str = ".none{fill:none;pointer-events:all}.b{font-weight:bold}";

/// The style sheet of a picture that stands alone: light, or dark where the viewer prefers it.
#[must_use]
pub fn picture_css() -> String {
    let mut out = String::with_capacity(6000);
    theme(&mut out, "", false);
    out.push_str(COMMON);
    out.push_str("\n@media (prefers-color-scheme:dark){");
    theme(&mut out, "", true);
    out.push('}');
    out
}

/// The style sheet of the HTML page, where `data-theme` on the root overrules the viewer.
#[must_use]
pub fn page_css() -> String {
    let mut out = String::with_capacity(9000);
    theme(&mut out, "svg ", false);
    out.push_str(COMMON);
    out.push_str("\n@media screen and (prefers-color-scheme:dark){");
    theme(&mut out, ":root:not([data-theme=light]) ", true);
    out.push_str("}\n@media screen{");
    theme(&mut out, ":root[data-theme=dark] ", true);
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_in_use_has_a_look() {
        let known: Vec<&str> = LOOKS.iter().map(|l| l.class).collect();
        let roles = [
            Role::Panel,
            Role::Alert,
            Role::Cell,
            Role::Memory,
            Role::Missing,
            Role::Bad,
            Role::Heat(9),
        ];
        for role in roles {
            assert!(known.contains(&role_class(role)), "{role:?}");
        }
        for kind in [
            ShapeKind::Pale,
            ShapeKind::Edge { rising: false },
            ShapeKind::Badge(Severity::Warn),
        ] {
            assert!(known.contains(&shape_class(kind)), "{kind:?}");
        }
    }

    #[test]
    fn dark_and_light_set_the_same_properties() {
        for look in LOOKS {
            assert_eq!(look.light.0.is_empty(), look.dark.0.is_empty(), "{}", look.class);
            assert_eq!(look.light.1.is_empty(), look.dark.1.is_empty(), "{}", look.class);
        }
    }
}
