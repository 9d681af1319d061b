//! The running system as a layer, and what this user cannot read of it.

use std::sync::Arc;

use crate::fsroot::DirTree;
use crate::origin::{LayerId, Origin};
use crate::source::{Gap, Layer};
use crate::tree::Tree;

/// [`Layer::kind`] of the running system.
pub(crate) const KIND: &str = "live";

/// The running system; without a readable `/` it has no tree.
pub(crate) fn layer(id: LayerId) -> Layer {
    let tree = DirTree::live().ok();
    let notes = tree.is_none().then(|| Gap {
        what: "/".to_owned(),
        why: "the root directory cannot be opened".to_owned(),
        how: None,
    });
    Layer {
        origin: Origin {
            layer: id,
            label: Arc::from(KIND),
            path: Arc::from(""),
        },
        kind: KIND,
        tree: tree.map(|tree| Box::new(tree) as Box<dyn Tree>),
        documents: Vec::new(),
        notes: notes.into_iter().collect(),
    }
}
