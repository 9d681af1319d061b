//! Files of one machine by the path they had there: `/sys/...`, `/proc/...`.

use thiserror::Error;

/// No file is read further than this: what a machine says about itself is far smaller.
pub(crate) const FILE_LIMIT: usize = 64 << 20;

/// Why a file of a tree could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// It is not there (or a dangling symbolic link).
    #[error("not there")]
    Absent,
    /// It is there, but this user may not read it.
    #[error("permission denied")]
    Denied,
    /// Reading failed in another way.
    #[error("{0}")]
    Failed(String),
}

impl ReadError {
    /// The more telling of two errors: what is there but cannot be read before what is absent.
    pub(crate) fn or(self, other: Self) -> Self {
        let weight = |error: &Self| match error {
            Self::Absent => 0,
            Self::Failed(_) => 1,
            Self::Denied => 2,
        };
        if weight(&other) > weight(&self) { other } else { self }
    }
}

/// The files of one machine. Paths are absolute and as on the machine; symbolic links are
/// followed inside the tree and never out of it.
pub trait Tree: Send + Sync {
    /// Contents of a file.
    ///
    /// # Errors
    /// See [`ReadError`]; a directory is `Absent`.
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError>;

    /// Names in a directory (symbolic links included, dangling too), sorted by bytes;
    /// empty when it is not there.
    fn list(&self, path: &str) -> Vec<String>;

    /// Text of a symbolic link, unresolved; `None` when `path` is no link.
    fn link(&self, path: &str) -> Option<String>;

    /// Whether the path exists, links followed.
    fn exists(&self, path: &str) -> bool;

    /// Absolute path with every symbolic link on the way resolved inside the tree, as far as the
    /// names exist; dangling ends are kept as text.
    fn resolve(&self, path: &str) -> String;
}

/// A tree that any of its directories can be made the root of.
pub(crate) trait Subtree: Tree {
    /// The directory `path` as a tree of its own; `None` when it is no directory.
    fn subtree(&self, path: &str) -> Option<Box<dyn Subtree>>;

    /// Whether `path` is a directory, links followed.
    fn is_directory(&self, path: &str) -> bool;
}
