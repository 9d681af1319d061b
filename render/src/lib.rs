//! A scene of boxes, bars and labels, drawn as SVG, HTML, terminal text or PNG.
//!
//! [`scene`] says what is shown, [`layout`] gives it its place, [`svg`], [`html`] and `png` (a feature)
//! print it; [`text`] has what a terminal needs and stands for itself. Nothing here knows what the
//! boxes stand for.
//!
//! ```
//! use render::scene::{Badge, Ink, Item, Line, Pipe, Role, Scene, Span};
//!
//! let bench = |n: u8| {
//!     Item::leaf(Role::Cell).id(format!("bench-{n}")).title(format!("bench {n}")).line(Line::bold(15.0, n.to_string()).center())
//! };
//! let hall = Item::grid(4, (0..8).map(bench).collect())
//!     .role(Role::Frame)
//!     .title("Hall 1")
//!     .line(Line::bold(17.0, "Hall 1").span(Span::muted(13.0, "8 benches")));
//! let belt = Item::column(vec![
//!     Item::pipe(Pipe::new(10.0, 20.0, 24.0).bad(true)),
//!     Item::leaf(Role::Bad)
//!         .title("Belt 9\n15.8 of 31.5 m/min")
//!         .badge(Badge::bad("1"))
//!         .line(Line::bold(13.0, "Belt 9").center())
//!         .line(Line::text(11.0, "15.8 of 31.5").ink(Ink::Bad).center()),
//! ])
//! .gap(0.0);
//! let scene = Scene::new("Workshop", 640.0)
//!     .description("One hall and one belt")
//!     .section("Halls", hall)
//!     .section("Belts", Item::row(vec![belt.fixed(160.0)]));
//!
//! let placed = render::layout::layout(&scene);
//! assert!(render::layout::check(&placed).is_empty());
//! let svg = render::svg::svg(&placed);
//! assert!(svg.contains("id=\"bench-7\"") && svg.contains("prefers-color-scheme:dark"));
//! let page = render::html::html(&placed);
//! assert!(page.starts_with("<!DOCTYPE html>"));
//! ```

#![forbid(unsafe_code)]

mod builders;
pub mod html;
pub mod layout;
pub mod measure;
mod metrics;
#[cfg(feature = "png")]
pub mod png;
pub mod scene;
pub mod style;
pub mod svg;
pub mod text;
