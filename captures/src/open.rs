//! A `--from` argument becomes a layer: `PATH`, or `PATH#inner/prefix` to choose inside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::fsroot::DirTree;
use crate::layout::{self, Found};
use crate::live;
use crate::origin::{LayerId, Origin};
use crate::source::{Layer, OpenError};
use crate::tree::Subtree;

const EXPECTED: &str =
    "a directory or tarball with sys/ or proc/ of a machine, or a dump of lspci, dmidecode, acpidump or cpuid";

/// Opens and recognises one argument.
pub(crate) fn layer(argument: &Path, id: LayerId) -> Result<Layer, OpenError> {
    let given = argument.display().to_string();
    let (file, inner) = split(argument);
    let unreadable = |error: std::io::Error| OpenError::Unreadable {
        path: given.clone(),
        reason: error.to_string(),
    };
    let metadata = fs::metadata(&file).map_err(unreadable)?;
    if !metadata.is_dir() {
        return Err(OpenError::Unrecognised {
            path: given,
            expected: EXPECTED,
        });
    }
    if inner.is_empty() && fs::canonicalize(&file).is_ok_and(|path| path == Path::new("/")) {
        return Ok(live::layer(id));
    }
    let tree = DirTree::open(&file).map_err(|error| unreadable(error.into()))?;
    from_tree(&tree, &given, &inner, id)
}

/// `PATH#inner` where `PATH#inner` itself is no file.
fn split(argument: &Path) -> (PathBuf, String) {
    let text = argument.to_string_lossy();
    match text.rsplit_once('#') {
        Some((file, inner)) if !argument.exists() => (PathBuf::from(file), inner.to_owned()),
        _ => (argument.to_path_buf(), String::new()),
    }
}

fn from_tree(tree: &dyn Subtree, given: &str, inner: &str, id: LayerId) -> Result<Layer, OpenError> {
    let chosen = choose(tree, inner);
    if chosen.is_none() && !inner.is_empty() {
        return Err(OpenError::Unreadable {
            path: given.to_owned(),
            reason: format!("{inner} is no directory in it"),
        });
    }
    let tree = chosen.as_deref().unwrap_or(tree);
    let layout = match layout::find(tree) {
        Found::One(layout) => layout,
        Found::Several(roots) => {
            return Err(OpenError::Several {
                path: given.to_owned(),
                roots,
            });
        }
        Found::Nothing => {
            return Err(OpenError::Unrecognised {
                path: given.to_owned(),
                expected: EXPECTED,
            });
        }
    };
    Ok(Layer {
        origin: Origin {
            layer: id,
            label: Arc::from(given),
            path: Arc::from(""),
        },
        kind: layout.kind,
        tree: layout.tree,
        documents: Vec::new(),
        notes: Vec::new(),
    })
}

/// The directory a user chose: its path, or the end of the path of one of the machines.
fn choose(tree: &dyn Subtree, inner: &str) -> Option<Box<dyn Subtree>> {
    if inner.is_empty() {
        return None;
    }
    tree.subtree(&format!("/{inner}")).or_else(|| {
        let Found::Several(roots) = layout::find(tree) else {
            return None;
        };
        let end = format!("/{inner}");
        let root = roots.iter().find(|root| root.ends_with(&end))?;
        tree.subtree(&format!("/{root}"))
    })
}
