//! A scene of boxes, bars and labels, drawn as SVG, HTML, terminal text or PNG.

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
