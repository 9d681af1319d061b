//! One machine as layers: the live system, captured roots, dumps.

use std::path::Path;

use serde::Serialize;
use thiserror::Error;

use crate::document::{Document, DocumentKind};
use crate::origin::{LayerId, Origin};
use crate::path::numeric_order;
use crate::tree::{ReadError, Tree};
use crate::{live, open};

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
    /// What of it is damaged or could not be read.
    pub notes: Vec<Gap>,
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
    /// It holds several machines.
    #[error("{path}: holds {} machines, name one: {}", roots.len(), choices(path, roots))]
    Several {
        /// As given.
        path: String,
        /// Where they are inside it.
        roots: Vec<String>,
    },
}

fn choices(path: &str, roots: &[String]) -> String {
    let named: Vec<String> = roots.iter().map(|root| format!("{path}#{root}")).collect();
    named.join(", ")
}

impl Source {
    /// The running system.
    #[must_use]
    pub fn live() -> Self {
        Self {
            layers: vec![live::layer(LayerId(0))],
        }
    }

    /// Layers from files and directories, each recognised by its content.
    ///
    /// # Errors
    /// The first argument that cannot be opened or recognised.
    pub fn open<P: AsRef<Path>>(paths: &[P]) -> Result<Self, OpenError> {
        let mut layers = Vec::new();
        for (number, path) in paths.iter().enumerate() {
            let id = LayerId(u16::try_from(number).unwrap_or(u16::MAX));
            layers.push(open::layer(path.as_ref(), id)?);
        }
        Ok(Self { layers })
    }

    /// Whether this is the running system.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.layers.iter().any(|layer| layer.kind == live::KIND)
    }

    fn trees(&self) -> impl Iterator<Item = (&Layer, &dyn Tree)> {
        self.layers
            .iter()
            .filter_map(|layer| Some((layer, layer.tree.as_deref()?)))
    }

    fn read_from(&self, path: &str) -> Result<(Vec<u8>, &Layer), ReadError> {
        let mut worst = ReadError::Absent;
        for (layer, tree) in self.trees() {
            match tree.read(path) {
                Ok(bytes) => return Ok((bytes, layer)),
                Err(error) => worst = worst.or(error),
            }
        }
        Err(worst)
    }

    /// Contents of `path` in the first layer that has it.
    ///
    /// # Errors
    /// The most telling of the layers' errors: `Denied` before `Absent`.
    pub fn read(&self, path: &str) -> Result<(Vec<u8>, Origin), ReadError> {
        let (bytes, layer) = self.read_from(path)?;
        let origin = Origin {
            path: path.into(),
            ..layer.origin.clone()
        };
        Ok((bytes, origin))
    }

    /// Text of a small file, trimmed, bytes that are no UTF-8 replaced; `None` when it cannot be
    /// read.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<String> {
        let (bytes, _) = self.read_from(path).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// [`Source::text`] of many files at once, in the order of `paths`; on several threads when
    /// there are enough of them. Paths of one directory should stand together.
    #[must_use]
    pub fn texts<P: AsRef<str> + Sync>(&self, paths: &[P]) -> Vec<Option<String>> {
        const PATHS_PER_THREAD: usize = 500;
        const THREAD_LIMIT: usize = 8;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.min(THREAD_LIMIT).min(paths.len() / PATHS_PER_THREAD);
        let read = |part: &[P]| -> Vec<Option<String>> { part.iter().map(|path| self.text(path.as_ref())).collect() };
        if threads < 2 {
            return read(paths);
        }
        std::thread::scope(|scope| {
            let parts = paths.chunks(paths.len().div_ceil(threads));
            let readers: Vec<_> = parts.map(|part| (part, scope.spawn(move || read(part)))).collect();
            let texts = readers
                .into_iter()
                .flat_map(|(part, reader)| reader.join().unwrap_or_else(|_| vec![None; part.len()]));
            texts.collect()
        })
    }

    /// Names in a directory: union over the layers, numbers in numeric order (`cpu2` before `cpu10`).
    #[must_use]
    pub fn list(&self, path: &str) -> Vec<String> {
        let mut names: Vec<String> = self.trees().flat_map(|(_, tree)| tree.list(path)).collect();
        names.sort_by(|left, right| numeric_order(left, right));
        names.dedup();
        names
    }

    /// Text of a symbolic link in the first layer that has it.
    #[must_use]
    pub fn link(&self, path: &str) -> Option<String> {
        self.trees().find_map(|(_, tree)| tree.link(path))
    }

    /// Whether any layer has `path`.
    #[must_use]
    pub fn exists(&self, path: &str) -> bool {
        self.trees().any(|(_, tree)| tree.exists(path))
    }

    /// See [`Tree::resolve`]; in the first layer that has `path`, else (a dangling link) in the
    /// first that has the name.
    #[must_use]
    pub fn resolve(&self, path: &str) -> String {
        let mut trees = self.trees().map(|(_, tree)| tree);
        match (trees.next(), trees.next()) {
            (None, _) => path.to_owned(),
            (Some(only), None) => only.resolve(path),
            _ => self.resolve_in_layers(path),
        }
    }

    fn resolve_in_layers(&self, path: &str) -> String {
        let trees = || self.trees().map(|(_, tree)| tree);
        trees()
            .find(|tree| tree.exists(path))
            .or_else(|| trees().find(|tree| tree.link(path).is_some()))
            .or_else(|| trees().next())
            .map_or_else(|| path.to_owned(), |tree| tree.resolve(path))
    }

    /// Dumps of one kind, in layer order. CPUID of the running system is one of them, and what Xen tells
    /// its control domain; they are read when first asked for.
    pub fn documents(&self, kind: DocumentKind) -> impl Iterator<Item = &Document> {
        self.layers.iter().flat_map(move |layer| {
            let of_machine = (layer.kind == live::KIND)
                .then(|| match kind {
                    DocumentKind::CpuidRaw => live::cpuid(layer),
                    kind => live::of_xen(layer, kind),
                })
                .flatten();
            let documents = layer.documents.iter();
            documents
                .filter(move |document| document.kind == kind)
                .chain(of_machine)
        })
    }

    /// What this source does not tell of the machine, each thing once: root only, not captured.
    /// Damage of a layer stands in [`Layer::notes`].
    #[must_use]
    pub fn gaps(&self) -> Vec<Gap> {
        self.gaps_knowing(&|_| None)
    }

    /// [`Source::gaps`] for a caller that has read PCI configuration: `config_length` tells how
    /// many bytes it got of the function with this name, which are then not read again.
    #[must_use]
    pub fn gaps_knowing(&self, config_length: &dyn Fn(&str) -> Option<usize>) -> Vec<Gap> {
        live::gaps(self, config_length)
    }
}
