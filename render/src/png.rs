//! Paints an SVG of ours as PNG, in the light theme, with the fonts of the system.
//!
//! Only with the feature `png`. The text needs a font: without any, painting is refused rather than
//! done without text.

use std::fmt;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

/// Longest side of a picture, in px.
const LONGEST: f32 = 32_768.0;

/// Why a picture could not be painted.
#[derive(Debug)]
#[non_exhaustive]
pub enum PngError {
    /// The system has no font that could be loaded.
    NoFont,
    /// The SVG is not one.
    Svg(String),
    /// The picture would have this many px.
    Size {
        /// Width asked for.
        width: f32,
        /// Height asked for.
        height: f32,
    },
    /// The PNG could not be encoded.
    Encode(String),
}

impl fmt::Display for PngError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFont => f.write_str("PNG: no font found on this system (install DejaVu Sans, or write SVG)"),
            Self::Svg(why) => write!(f, "PNG: the SVG cannot be read: {why}"),
            Self::Size { width, height } => {
                write!(
                    f,
                    "PNG: {width} × {height} px asked for, expected 1 to {LONGEST} px a side"
                )
            }
            Self::Encode(why) => write!(f, "PNG: cannot be encoded: {why}"),
        }
    }
}

impl std::error::Error for PngError {}

/// The PNG of an SVG made by [`crate::svg::svg`]; `scale` 1 is one px of the picture for one px.
///
/// # Errors
/// When no font is found, the SVG is broken, or the size is beyond 32 768 px a side.
pub fn png(svg: &str, scale: f32) -> Result<Vec<u8>, PngError> {
    let mut options = Options::default();
    let fonts = options.fontdb_mut();
    fonts.load_system_fonts();
    stand_in(fonts)?;
    let tree = Tree::from_str(&light(svg), &options).map_err(|e| PngError::Svg(e.to_string()))?;
    let size = tree.size();
    let (width, height) = ((size.width() * scale).ceil(), (size.height() * scale).ceil());
    let side = 1.0..=LONGEST;
    if !side.contains(&width) || !side.contains(&height) {
        return Err(PngError::Size { width, height });
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let pixels = Pixmap::new(width as u32, height as u32);
    let mut pixels = pixels.ok_or(PngError::Size { width, height })?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().map_err(|e| PngError::Encode(e.to_string()))
}

/// Makes the generic `sans-serif` name a family that is there.
fn stand_in(fonts: &mut fontdb::Database) -> Result<(), PngError> {
    const LIKED: [&str; 5] = ["DejaVu Sans", "Verdana", "Liberation Sans", "Noto Sans", "Arial"];
    let has = |name: &str| {
        fonts
            .faces()
            .any(|face| face.families.iter().any(|(family, _)| family == name))
    };
    let family = match LIKED.into_iter().find(|name| has(name)) {
        Some(name) => name.to_owned(),
        None => {
            let first = fonts.faces().next().and_then(|face| face.families.first());
            first.map(|(family, _)| family.clone()).ok_or(PngError::NoFont)?
        }
    };
    fonts.set_sans_serif_family(family);
    Ok(())
}

/// The SVG without its rules for dark screens.
fn light(svg: &str) -> String {
    match (svg.split_once("\n@media "), svg.split_once("</style>")) {
        (Some((before, _)), Some((head, after))) if before.len() < head.len() => format!("{before}</style>{after}"),
        _ => svg.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::layout;
    use crate::scene::{Item, Line, Role, Scene};

    fn picture() -> String {
        let item = Item::leaf(Role::Card).title("t").line(Line::text(12.0, "text"));
        crate::svg::svg(&layout(&Scene::new("p", 300.0).section("", item)))
    }

    #[test]
    fn a_picture_becomes_a_png_of_the_scaled_size() {
        match png(&picture(), 2.0) {
            Ok(bytes) => {
                assert_eq!(bytes.get(..4), Some(&b"\x89PNG"[..]));
                assert_eq!(bytes.get(16..20), Some(&600_u32.to_be_bytes()[..]));
            }
            Err(PngError::NoFont) => eprintln!("no font on this system: PNG not painted"),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn broken_and_oversized_pictures_are_refused() {
        let refused = |svg: &str, scale| png(svg, scale).is_err();
        assert!(refused("<svg", 1.0) && refused(&picture(), 1e6) && refused(&picture(), f32::NAN));
    }

    #[test]
    fn dark_rules_are_left_out() {
        let light = light(&picture());
        assert!(!light.contains("@media") && light.contains("</style>") && light.contains(".card{"));
    }
}
