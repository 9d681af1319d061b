//! Several directories of one capture put where they were on the machine:
//! `tree/sys` as `/sys`, `proc_cpuinfo` as `/proc/cpuinfo`.

use crate::path;
use crate::tree::{ReadError, Subtree, Tree};

/// One mount: `at` on the machine is `inner` of `tree`.
pub(crate) struct Mount {
    /// Path on the machine, without a final `/`; empty for the root.
    pub(crate) at: String,
    /// Where the bytes are.
    pub(crate) tree: Box<dyn Subtree>,
    /// Path inside `tree`, without a final `/`; empty for its root.
    pub(crate) inner: String,
}

/// Mounts, looked at from the longest path to the shortest.
pub(crate) struct Overlay {
    mounts: Vec<Mount>,
}

impl Overlay {
    /// Puts the mounts together.
    pub(crate) fn new(mut mounts: Vec<Mount>) -> Self {
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.at.len()));
        Self { mounts }
    }

    /// The mounts that may have `path`, each with the path inside it.
    fn places<'a, 'p>(&'a self, path: &'p str) -> impl Iterator<Item = (&'a Mount, String)> + use<'a, 'p> {
        self.mounts.iter().filter_map(move |mount| {
            let rest = path.strip_prefix(mount.at.as_str())?;
            let inside = rest.is_empty() || rest.starts_with('/');
            inside.then(|| (mount, format!("{}{rest}", mount.inner)))
        })
    }

    fn holding(&self, path: &str) -> Option<(&Mount, String)> {
        self.places(path)
            .find(|(mount, inner)| mount.tree.exists(inner) || mount.tree.link(inner).is_some())
    }
}

impl Tree for Overlay {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        let mut worst = ReadError::Absent;
        for (mount, inner) in self.places(path) {
            match mount.tree.read(&inner) {
                Ok(bytes) => return Ok(bytes),
                Err(error) => worst = worst.or(error),
            }
        }
        Err(worst)
    }

    fn list(&self, path: &str) -> Vec<String> {
        let path = path.trim_end_matches('/');
        let mut names: Vec<String> = self
            .places(path)
            .flat_map(|(mount, inner)| mount.tree.list(&inner))
            .collect();
        for mount in &self.mounts {
            let below = mount.at.strip_prefix(path).and_then(|at| at.strip_prefix('/'));
            names.extend(below.and_then(|at| path::parts(at).next()).map(str::to_owned));
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    fn link(&self, path: &str) -> Option<String> {
        self.places(path).find_map(|(mount, inner)| mount.tree.link(&inner))
    }

    fn exists(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.places(path).any(|(mount, inner)| mount.tree.exists(&inner))
            || self.mounts.iter().any(|mount| {
                let below = mount.at.strip_prefix(path);
                below.is_some_and(|rest| rest.starts_with('/'))
            })
    }

    fn resolve(&self, path: &str) -> String {
        let Some((mount, inner)) = self.holding(path) else {
            return path::resolve(path, |_| None).path;
        };
        let resolved = mount.tree.resolve(&inner);
        match resolved.strip_prefix(mount.inner.as_str()) {
            Some(rest) => format!("{}{rest}", mount.at),
            None => resolved,
        }
    }
}
