//! Which layer and which file or line a byte came from.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// Number of a layer: its place in the list of `--from` arguments, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct LayerId(pub u16);

/// Layer and path of a piece of evidence: `live:/sys/devices/system/cpu/online`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The layer.
    pub layer: LayerId,
    /// Short name of the layer: `live`, or the file or directory as the user gave it.
    pub label: Arc<str>,
    /// Path inside the layer; empty when the layer is one file.
    pub path: Arc<str>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.label)
        } else {
            write!(f, "{}:{}", self.label, self.path)
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
