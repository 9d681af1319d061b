//! Files of a machine held in memory: the index of an archive that is never unpacked to disk.

use std::collections::HashMap;
use std::sync::Arc;

use crate::path::{self, LINK_LIMIT};
use crate::tree::{ReadError, Subtree, Tree};

type Id = usize;

/// A file, directory or link.
enum Node {
    Directory(HashMap<Box<str>, Id>),
    File(Box<[u8]>),
    Link(Box<str>),
}

/// Why an entry could not be put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The name has `..` in it or is empty.
    Name,
    /// A file or link stands where a directory is needed.
    NotADirectory,
    /// The target of a hard link is not there.
    NoTarget,
}

/// Builds a [`MemoryTree`].
pub(crate) struct Builder {
    nodes: Vec<Node>,
}

const ROOT: Id = 0;

impl Builder {
    /// An empty root directory.
    pub(crate) fn new() -> Self {
        Self {
            nodes: vec![Node::Directory(HashMap::new())],
        }
    }

    fn add(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// The directory of `path`, made where it is missing, and the last name.
    fn place<'p>(&mut self, path: &'p str) -> Result<(Id, &'p str), Refused> {
        let mut names: Vec<&str> = path::parts(path).collect();
        if names.contains(&"..") || path.len() > path::PATH_LIMIT {
            return Err(Refused::Name);
        }
        let last = names.pop().ok_or(Refused::Name)?;
        let mut here = ROOT;
        for name in names {
            here = self.enter(here, name)?;
        }
        Ok((here, last))
    }

    fn enter(&mut self, directory: Id, name: &str) -> Result<Id, Refused> {
        let child = match self.nodes.get(directory) {
            Some(Node::Directory(names)) => names.get(name).copied(),
            _ => return Err(Refused::NotADirectory),
        };
        match child {
            Some(id) => match self.nodes.get(id) {
                Some(Node::Directory(_)) => Ok(id),
                _ => Err(Refused::NotADirectory),
            },
            None => {
                let id = self.add(Node::Directory(HashMap::new()));
                self.name(directory, name, id);
                Ok(id)
            }
        }
    }

    fn name(&mut self, directory: Id, name: &str, id: Id) {
        if let Some(Node::Directory(names)) = self.nodes.get_mut(directory) {
            names.insert(name.into(), id);
        }
    }

    /// Puts a directory in; one that is there already is kept.
    pub(crate) fn directory(&mut self, path: &str) -> Result<(), Refused> {
        if path::parts(path).next().is_none() {
            return Ok(());
        }
        let (directory, name) = self.place(path)?;
        self.enter(directory, name).map(|_| ())
    }

    /// Puts a file in; a later one of the same name replaces an earlier one.
    pub(crate) fn file(&mut self, path: &str, bytes: Vec<u8>) -> Result<(), Refused> {
        let (directory, name) = self.place(path)?;
        let id = self.add(Node::File(bytes.into_boxed_slice()));
        self.name(directory, name, id);
        Ok(())
    }

    /// Puts a symbolic link in.
    pub(crate) fn link(&mut self, path: &str, target: &str) -> Result<(), Refused> {
        let (directory, name) = self.place(path)?;
        let id = self.add(Node::Link(target.into()));
        self.name(directory, name, id);
        Ok(())
    }

    /// Puts a second name of a file in.
    pub(crate) fn hard_link(&mut self, path: &str, target: &str) -> Result<(), Refused> {
        let mut here = ROOT;
        for part in path::parts(target) {
            here = match self.nodes.get(here) {
                Some(Node::Directory(names)) => *names.get(part).ok_or(Refused::NoTarget)?,
                _ => return Err(Refused::NoTarget),
            };
        }
        if matches!(self.nodes.get(here), Some(Node::Directory(_))) {
            return Err(Refused::NoTarget);
        }
        let (directory, name) = self.place(path)?;
        self.name(directory, name, here);
        Ok(())
    }

    /// The finished tree.
    pub(crate) fn finish(self) -> MemoryTree {
        MemoryTree {
            nodes: self.nodes.into(),
            root: ROOT,
        }
    }
}

/// Files in memory; cheap to take a directory of.
#[derive(Clone)]
pub(crate) struct MemoryTree {
    nodes: Arc<[Node]>,
    root: Id,
}

impl MemoryTree {
    /// The node at `path`, links followed inside the root.
    fn walk(&self, path: &str) -> Option<Id> {
        let mut stack = vec![self.root];
        let mut todo: Vec<&str> = path::parts(path).rev().collect();
        let mut links = 0;
        while let Some(part) = todo.pop() {
            if part == ".." {
                stack.truncate(stack.len().saturating_sub(1).max(1));
                continue;
            }
            let Some(Node::Directory(names)) = self.nodes.get(*stack.last()?) else {
                return None;
            };
            let id = *names.get(part)?;
            let Some(Node::Link(target)) = self.nodes.get(id) else {
                stack.push(id);
                continue;
            };
            links += 1;
            if links > LINK_LIMIT || target.len() > path::PATH_LIMIT {
                return None;
            }
            if target.starts_with('/') {
                stack.truncate(1);
            }
            todo.extend(path::parts(target).rev());
        }
        stack.last().copied()
    }

    fn node(&self, path: &str) -> Option<&Node> {
        self.nodes.get(self.walk(path)?)
    }
}

impl Tree for MemoryTree {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        match self.node(path) {
            Some(Node::File(bytes)) => Ok(bytes.to_vec()),
            _ => Err(ReadError::Absent),
        }
    }

    fn list(&self, path: &str) -> Vec<String> {
        let Some(Node::Directory(names)) = self.node(path) else {
            return Vec::new();
        };
        let mut names: Vec<String> = names.keys().map(|name| name.to_string()).collect();
        names.sort_unstable();
        names
    }

    fn link(&self, path: &str) -> Option<String> {
        let Some(Node::Directory(names)) = self.node(path::parent(path)) else {
            return None;
        };
        match self.nodes.get(*names.get(path::name(path))?) {
            Some(Node::Link(target)) => Some(target.to_string()),
            _ => None,
        }
    }

    fn exists(&self, path: &str) -> bool {
        self.walk(path).is_some()
    }

    fn resolve(&self, path: &str) -> String {
        path::resolve(path, |step| self.link(step)).path
    }
}

impl Subtree for MemoryTree {
    fn subtree(&self, path: &str) -> Option<Box<dyn Subtree>> {
        let root = self.walk(path)?;
        let directory = matches!(self.nodes.get(root), Some(Node::Directory(_)));
        directory.then(|| {
            Box::new(Self {
                nodes: Arc::clone(&self.nodes),
                root,
            }) as Box<dyn Subtree>
        })
    }

    fn is_directory(&self, path: &str) -> bool {
        matches!(self.node(path), Some(Node::Directory(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> MemoryTree {
        let mut builder = Builder::new();
        builder.file("./top/sys/devices/a/class", b"1".to_vec()).unwrap();
        builder.link("top/sys/bus/a", "../devices/a").unwrap();
        builder.link("top/absolute", "/sys/devices").unwrap();
        builder.link("top/out", "../../../../top/sys").unwrap();
        builder.link("top/loop", "loop").unwrap();
        builder.hard_link("top/again", "top/sys/devices/a/class").unwrap();
        builder.finish()
    }

    #[test]
    fn links_are_followed_inside_the_root_only() {
        let tree = machine().subtree("/top").unwrap();
        assert_eq!(tree.read("/sys/bus/a/class").unwrap(), b"1");
        assert_eq!(tree.read("/absolute/a/class").unwrap(), b"1");
        assert_eq!(tree.read("/again").unwrap(), b"1");
        assert_eq!(tree.read("/sys/bus/a/../b/class"), Err(ReadError::Absent));
        assert!(!tree.exists("/out"), "top is not below top");
        assert!(!tree.exists("/loop"));
        assert_eq!(tree.resolve("/sys/bus/a/class"), "/sys/devices/a/class");
        assert_eq!(tree.link("/sys/bus/a").unwrap(), "../devices/a");
        assert_eq!(tree.list("/sys"), ["bus", "devices"]);
    }

    #[test]
    fn names_that_climb_and_names_below_files_are_refused() {
        let mut builder = Builder::new();
        builder.file("a", Vec::new()).unwrap();
        builder.link("l", "..").unwrap();
        assert_eq!(builder.file("../x", Vec::new()), Err(Refused::Name));
        assert_eq!(builder.file("a/x", Vec::new()), Err(Refused::NotADirectory));
        assert_eq!(builder.file("l/x", Vec::new()), Err(Refused::NotADirectory));
        assert_eq!(builder.hard_link("b", "none"), Err(Refused::NoTarget));
        assert_eq!(builder.file("", Vec::new()), Err(Refused::Name));
    }
}
