//! Which kind of microcode file some bytes are.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{amd, intel};

/// A file by its kind.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Content {
    /// Intel updates, one after the other.
    Intel(intel::File),
    /// AMD containers.
    Amd(amd::File),
    /// One AMD patch without a container.
    AmdPatch(amd::Patch),
}

impl Content {
    /// The kind in words.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Intel(_) => "Intel updates",
            Self::Amd(_) => "AMD container",
            Self::AmdPatch(_) => "AMD patch",
        }
    }

    /// Whether any rule of the format is broken.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        match self {
            Self::Intel(file) => file.is_damaged(),
            Self::Amd(file) => file.is_damaged(),
            Self::AmdPatch(patch) => !patch.damage.is_empty(),
        }
    }
}

/// Read bytes of any kind; `None` when they begin like none of them.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Content> {
    if amd::looks_like_container(bytes) {
        Some(Content::Amd(amd::read(bytes)))
    } else if intel::looks_like(bytes) {
        Some(Content::Intel(intel::read(bytes)))
    } else if amd::looks_like_patch(bytes) {
        amd::read_patch(bytes).map(Content::AmdPatch)
    } else if intel::resembles(bytes) {
        Some(Content::Intel(intel::read(bytes)))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_bytes_are_no_microcode() {
        for bytes in [&b""[..], b"hello", &[0; 4096], &[0xff; 4096], b"070701000000"] {
            assert_eq!(read(bytes), None);
        }
    }
}
