//! Prints a placed scene as one HTML file that needs nothing else: no network, no other file.
//!
//! Each section is an inline SVG, collapsible when it has a heading. Boxes show their title under
//! the pointer, a click or Enter pins it, the search field dims all but what it finds, and the colours
//! follow the system or the button. Without scripts the picture and its native tooltips remain.

use crate::layout::{Placed, PlacedSection};
use crate::style;
use crate::svg::Pen;

const CSS: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Nothing may be loaded; only what stands in the file runs.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
/// Room above and below a section for badges that stand out, in px.
const ROOM: f32 = 7.0;

/// The picture as one HTML page.
#[must_use]
pub fn html(placed: &Placed) -> String {
    let mut pen = Pen::with_capacity(32_768 + 260 * placed.boxes.len() + 110 * placed.texts.len());
    pen.group_texts = true;
    pen.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    pen.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"");
    pen.raw(POLICY);
    pen.raw("\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    pen.text(&placed.title);
    pen.raw("</title>\n<meta name=\"description\" content=\"");
    pen.text(&placed.description);
    pen.raw("\">\n<style>\n");
    pen.raw(CSS);
    pen.raw(&style::page_css());
    pen.raw("\n</style>\n</head>\n<body>\n<header><h1>");
    pen.text(&placed.title);
    pen.raw(
        "</h1>\n<input type=\"search\" id=\"d:q\" placeholder=\"Search, Enter for the next\" aria-label=\"Search in the picture\">\n\
         <output id=\"d:n\" aria-live=\"polite\"></output>\n\
         <button type=\"button\" id=\"d:t\">Theme: auto</button></header>\n<main>\n",
    );
    for (i, section) in placed.sections.iter().enumerate() {
        let end = placed
            .sections
            .get(i + 1)
            .map_or(placed.boxes.len(), |next| next.first_box);
        self::section(&mut pen, placed, section, end);
    }
    pen.raw(
        "</main>\n<div id=\"d:tip\" class=\"tip\" role=\"tooltip\" hidden></div>\n\
         <aside id=\"d:pin\" aria-live=\"polite\" hidden><button type=\"button\" id=\"d:pc\">Close</button>\
         <b id=\"d:pt\"></b><div id=\"d:pf\"></div></aside>\n<script>\n",
    );
    pen.raw(SCRIPT);
    pen.raw("</script>\n</body>\n</html>\n");
    pen.out
}

fn section(pen: &mut Pen, placed: &Placed, section: &PlacedSection, end: usize) {
    let named = !section.heading.is_empty();
    if named {
        pen.raw("<details open><summary>");
        pen.text(&section.heading);
        pen.raw("</summary>\n");
    }
    let height = section.rect.h + 2.0 * ROOM;
    pen.raw("<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"group\" aria-label=\"");
    pen.text(if named { &section.heading } else { &placed.title });
    pen.raw("\" viewBox=\"0 ");
    pen.number(section.rect.y - ROOM);
    pen.raw(" ");
    pen.number(placed.width);
    pen.raw(" ");
    pen.number(height);
    pen.raw("\"");
    pen.attribute("width", placed.width);
    pen.attribute("height", height);
    pen.raw(" font-family=\"");
    pen.raw(style::FONTS);
    pen.raw("\">\n");
    pen.boxes(placed, section.first_box, end);
    pen.raw("</svg>\n");
    pen.raw(if named { "</details>\n" } else { "" });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::layout;
    use crate::scene::{Item, Line, Role, Scene};

    fn page() -> String {
        let item = |id: &str| {
            Item::leaf(Role::Card)
                .id(id)
                .title("</script><b>&")
                .line(Line::text(12.0, "<i>text"))
                .keyword("\"word")
        };
        html(&layout(
            &Scene::new("a </title> page", 600.0)
                .section("First", item("a"))
                .section("", item("b")),
        ))
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere() {
        let page = page().replace("http://www.w3.org/2000/svg", "");
        for way in ["http:", "https:", "src=", "@import", "url("] {
            assert!(!page.contains(way), "{way}");
        }
        assert!(page.contains("default-src 'none'"));
    }

    #[test]
    fn text_of_the_scene_cannot_become_markup() {
        let page = page();
        assert_eq!(page.matches("</script>").count(), 1);
        assert_eq!(page.matches("</title>").count(), 3);
        assert!(!page.contains("<i>text") && page.contains("&lt;i&gt;text") && page.contains("data-k=\"&quot;word\""));
    }

    #[test]
    fn only_sections_with_a_heading_can_be_collapsed() {
        let page = page();
        assert_eq!(
            (page.matches("<details open>").count(), page.matches("<svg ").count()),
            (1, 2)
        );
    }
}
