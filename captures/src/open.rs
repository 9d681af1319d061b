//! A `--from` argument becomes a layer: `PATH`, or `PATH#inner/prefix` to choose inside it.

use std::fs::{self, File};
use std::io::{BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::codec;
use crate::document::DocumentKind;
use crate::dumps::{self, Dumps};
use crate::fsroot::DirTree;
use crate::layout::{self, Found};
use crate::live;
use crate::origin::{LayerId, Origin};
use crate::source::{Gap, Layer, OpenError};
use crate::tarball;
use crate::tree::{FILE_LIMIT, Subtree};

const EXPECTED: &str = "a directory or tarball with sys/ or proc/ of a machine, or a dump: \
     lspci, dmidecode, SMBIOS, acpidump, ACPI table, cpuid, kcpuid, libcpuid, xen-cpuid, libvirt cpudata, \
     xl info, xen-ucode, /proc/cpuinfo, lscpu, PCI configuration";

/// Opens and recognises one argument.
pub(crate) fn layer(argument: &Path, id: LayerId) -> Result<Layer, OpenError> {
    let (file, inner) = split(argument);
    let opening = Opening {
        inner,
        origin: Origin {
            layer: id,
            label: Arc::from(argument.display().to_string()),
            path: Arc::from(""),
        },
    };
    let metadata = fs::metadata(&file).map_err(|error| opening.unreadable(error))?;
    if !metadata.is_dir() {
        let reader = File::open(&file).map_err(|error| opening.unreadable(error))?;
        return opening.file(reader);
    }
    if opening.inner.is_empty() && fs::canonicalize(&file).is_ok_and(|path| path == Path::new("/")) {
        return Ok(live::layer(id));
    }
    let tree = DirTree::open(&file).map_err(|error| opening.unreadable(error))?;
    opening.tree(&tree, Vec::new())
}

/// A capture in memory, named by `label`.
pub(crate) fn memory(label: &str, bytes: &[u8]) -> Result<Layer, OpenError> {
    let origin = Origin {
        layer: LayerId::default(),
        label: Arc::from(label),
        path: Arc::from(""),
    };
    let inner = String::new();
    Opening { inner, origin }.file(bytes)
}

/// `PATH#inner` where `PATH#inner` itself is no file.
fn split(argument: &Path) -> (PathBuf, String) {
    let text = argument.to_string_lossy();
    match text.rsplit_once('#') {
        Some((file, inner)) if !argument.exists() => (PathBuf::from(file), inner.trim_matches('/').to_owned()),
        _ => (argument.to_path_buf(), String::new()),
    }
}

/// One argument on its way to a layer.
struct Opening {
    inner: String,
    origin: Origin,
}

impl Opening {
    fn unreadable(&self, error: impl Into<std::io::Error>) -> OpenError {
        OpenError::Unreadable {
            path: self.origin.label.to_string(),
            reason: error.into().to_string(),
        }
    }

    /// Nothing known in it; when it is damaged, that is the reason to tell.
    fn unrecognised(&self, damage: &[Gap]) -> OpenError {
        if let Some(first) = damage.first() {
            return self.unreadable(std::io::Error::other(first.why.clone()));
        }
        OpenError::Unrecognised {
            path: self.origin.label.to_string(),
            expected: EXPECTED,
        }
    }

    /// An archive or a dump, packed or not.
    fn file(&self, file: impl Read) -> Result<Layer, OpenError> {
        let buffered = BufReader::with_capacity(1 << 16, file);
        let mut reader = codec::decoder(buffered).map_err(|error| self.unreadable(error))?;
        let mut head = Vec::new();
        let damage = reader.by_ref().take(512).read_to_end(&mut head).err();
        if tarball::is_tar(&head) {
            let tarball = tarball::read(Cursor::new(head).chain(reader));
            return self.tree(&tarball.tree, tarball.notes);
        }
        let limit = FILE_LIMIT as u64;
        let damage = damage.or_else(|| reader.take(limit).read_to_end(&mut head).err());
        self.dump(head, damage)
    }

    fn dump(&self, bytes: Vec<u8>, damage: Option<std::io::Error>) -> Result<Layer, OpenError> {
        let mut dumps = Dumps::new(&self.origin);
        if let Some(error) = damage {
            let after = bytes.len();
            dumps.notes.push(Gap {
                what: "file".to_owned(),
                why: format!("damaged after {after} unpacked bytes: {error}"),
                how: None,
            });
        }
        if bytes.len() >= FILE_LIMIT {
            dumps.notes.push(Gap {
                what: "file".to_owned(),
                why: format!("longer than {FILE_LIMIT} bytes: the rest is not read"),
                how: None,
            });
        }
        dumps.take(bytes, "");
        let kind = dumps::kind_in_words(&dumps.documents).ok_or_else(|| self.unrecognised(&dumps.notes))?;
        if dumps
            .documents
            .iter()
            .all(|document| document.kind == DocumentKind::UdevDatabase)
        {
            dumps.notes.push(Gap {
                what: "file".to_owned(),
                why: format!("recognised as {kind}; topo reads nothing from it yet"),
                how: None,
            });
        }
        Ok(self.layer(kind, None, dumps.documents, dumps.notes))
    }

    fn layer(
        &self,
        kind: &'static str,
        tree: Option<Box<dyn crate::Tree>>,
        documents: Vec<crate::Document>,
        notes: Vec<Gap>,
    ) -> Layer {
        Layer {
            origin: self.origin.clone(),
            kind,
            tree,
            documents,
            notes,
        }
    }

    /// A directory or an archive.
    fn tree(&self, tree: &dyn Subtree, mut notes: Vec<Gap>) -> Result<Layer, OpenError> {
        let chosen = choose(tree, &self.inner);
        if chosen.is_none() && !self.inner.is_empty() {
            return Err(OpenError::Unreadable {
                path: self.origin.label.to_string(),
                reason: format!("{} is no directory in it", self.inner),
            });
        }
        let tree = chosen.as_deref().unwrap_or(tree);
        let mut dumps = Dumps::new(&self.origin);
        let (kind, machine) = match layout::find(tree) {
            Found::One(layout) => {
                for directory in &layout.cpuid_directories {
                    dumps.hwloc_cpuid(tree, directory);
                }
                for place in &layout.dumps {
                    dumps.look(tree, place);
                }
                (layout.kind, layout.tree)
            }
            Found::Several(roots) => {
                return Err(OpenError::Several {
                    path: self.origin.label.to_string(),
                    roots,
                });
            }
            Found::Nothing => {
                dumps.look(tree, "/");
                if dumps.documents.is_empty() {
                    return Err(self.unrecognised(&notes));
                }
                ("dumps", None)
            }
        };
        notes.extend(dumps.notes);
        Ok(self.layer(kind, machine, dumps.documents, notes))
    }
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
