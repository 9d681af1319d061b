//! One machine as layers: the live system, captured roots, dumps.

use std::path::Path;

use serde::Serialize;
use thiserror::Error;

use crate::document::{Document, DocumentKind};
use crate::origin::Origin;
use crate::tree::{ReadError, Tree};

/// One layer: a `--from` argument, or the live system.
pub struct Layer {
    /// Short name and number; the path is empty.
    pub origin: Origin,
    /// What was recognised, in words ("hwloc-gather-topology", "sosreport", "live", "lspci text").
    pub kind: &'static str,
    /// Files, when the layer has a file tree.
    pub tree: Option<Box<dyn Tree>>,
    /// Dumps found in it.
    pub documents: Vec<Document>,
}

/// Something that could not be read, and how to get it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// What is missing, in the field's terms ("SMBIOS", "PCI configuration after byte 64").
    pub what: String,
    /// Why ("root only", "not captured", "the firmware gives none").
    pub why: String,
    /// How to get it ("run: sudo delid topo"), where there is a way.
    pub how: Option<String>,
}

/// A machine: layers in the order given, the first that has a file wins.
pub struct Source {
    /// The layers.
    pub layers: Vec<Layer>,
}

/// Why a `--from` argument could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The file or directory cannot be read.
    #[error("{path}: {reason}")]
    Unreadable {
        /// As given.
        path: String,
        /// The system's words.
        reason: String,
    },
    /// Nothing known was recognised in it.
    #[error("{path}: not recognised: expected {expected}")]
    Unrecognised {
        /// As given.
        path: String,
        /// What would have been recognised.
        expected: &'static str,
    },
}

impl Source {
    /// The running system.
    #[must_use]
    pub fn live() -> Self {
        Self { layers: Vec::new() }
    }

    /// Layers from files and directories, each recognised by its content.
    ///
    /// # Errors
    /// The first argument that cannot be opened or recognised.
    pub fn open<P: AsRef<Path>>(_paths: &[P]) -> Result<Self, OpenError> {
        Ok(Self { layers: Vec::new() })
    }

    /// Whether this is the running system.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.layers.iter().any(|layer| layer.kind == "live")
    }

    /// Contents of `path` in the first layer that has it.
    ///
    /// # Errors
    /// The most telling of the layers' errors: `Denied` before `Absent`.
    pub fn read(&self, _path: &str) -> Result<(Vec<u8>, Origin), ReadError> {
        Err(ReadError::Absent)
    }

    /// Text of a small file, trimmed; `None` when it cannot be read or is not UTF-8 (replaced).
    #[must_use]
    pub fn text(&self, path: &str) -> Option<String> {
        let (bytes, _) = self.read(path).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// Names in a directory: union over the layers, numbers in numeric order (`cpu2` before `cpu10`).
    #[must_use]
    pub fn list(&self, _path: &str) -> Vec<String> {
        Vec::new()
    }

    /// Text of a symbolic link in the first layer that has it.
    #[must_use]
    pub fn link(&self, _path: &str) -> Option<String> {
        None
    }

    /// Whether any layer has `path`.
    #[must_use]
    pub fn exists(&self, _path: &str) -> bool {
        false
    }

    /// See [`Tree::resolve`]; in the first layer that has `path`.
    #[must_use]
    pub fn resolve(&self, path: &str) -> String {
        path.to_owned()
    }

    /// Dumps of one kind, in layer order.
    pub fn documents(&self, kind: DocumentKind) -> impl Iterator<Item = &Document> {
        self.layers
            .iter()
            .flat_map(|layer| &layer.documents)
            .filter(move |document| document.kind == kind)
    }
}
