//! A directory as the root of a machine: the live `/`, or an unpacked capture.
//!
//! The kernel keeps symbolic links inside (openat2 with `RESOLVE_IN_ROOT`, Linux 5.6); where it
//! cannot, every step is resolved here and opened without following links. The live root needs
//! neither. A file costs open, read and close: no stat, no canonical path.

use std::cell::RefCell;
use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::fs::{CWD, Mode, OFlags, RawDir, ResolveFlags};
use rustix::io::Errno;

use crate::path::{self, Resolved};
use crate::tree::{FILE_LIMIT, ReadError, Subtree, Tree};

/// How names are kept inside the root.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// The live root: nothing lies outside.
    Live,
    /// The kernel does it.
    Kernel,
    /// Resolved here.
    Own,
}

const READ_FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

/// The directory that most files of a machine lie below, a few in each of many directories: it is
/// kept open, and paths below it are opened from there.
const ANCHOR: &str = "/sys/devices/system/cpu/";

/// A directory as root.
pub(crate) struct DirTree {
    root: OwnedFd,
    number: u64,
    guard: AtomicU8,
    links: Mutex<HashMap<Box<str>, Option<Box<str>>>>,
    /// [`ANCHOR`], where there is one.
    anchor: OnceLock<Option<OwnedFd>>,
}

/// The directory a thread listed or read from last. Files are read one directory after the other, and a
/// name opened in its directory costs two thirds of a path opened from the root.
#[derive(Default)]
struct LastDirectory {
    tree: u64,
    path: String,
    /// Opened when it was listed, else at the second file of it.
    opened: Option<Result<OwnedFd, Errno>>,
}

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 16 * 1024]);
    static LAST: RefCell<LastDirectory> = RefCell::default();
}

static TREES: AtomicU64 = AtomicU64::new(1);

impl DirTree {
    /// The running system.
    pub(crate) fn live() -> Result<Self, Errno> {
        Self::with_guard(Path::new("/"), Guard::Live)
    }

    /// A captured root.
    pub(crate) fn open(directory: &Path) -> Result<Self, Errno> {
        Self::with_guard(directory, Guard::Kernel)
    }

    fn with_guard(directory: &Path, guard: Guard) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, directory, flags, Mode::empty())?;
        Ok(Self::at(root, guard))
    }

    fn at(root: OwnedFd, guard: Guard) -> Self {
        Self {
            root,
            number: TREES.fetch_add(1, Ordering::Relaxed),
            guard: AtomicU8::new(guard as u8),
            links: Mutex::new(HashMap::new()),
            anchor: OnceLock::new(),
        }
    }

    /// The same root without the kernel's help.
    #[cfg(test)]
    pub(crate) fn open_without_openat2(directory: &Path) -> Result<Self, Errno> {
        Self::with_guard(directory, Guard::Own)
    }

    fn guard(&self) -> Guard {
        match self.guard.load(Ordering::Relaxed) {
            0 => Guard::Live,
            1 => Guard::Kernel,
            _ => Guard::Own,
        }
    }

    fn open_at(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        if path.len() > path::PATH_LIMIT {
            return Err(Errno::NAMETOOLONG);
        }
        if let Some(opened) = self.open_below_anchor(path, flags) {
            return opened;
        }
        self.open_from_root(path, flags)
    }

    /// Opens what lies below [`ANCHOR`] from there. `None` where only the way from the root is
    /// right: no such directory, a link or a `..` in the rest of the path, a kernel without openat2.
    fn open_below_anchor(&self, path: &str, flags: OFlags) -> Option<Result<OwnedFd, Errno>> {
        let below = path.strip_prefix(ANCHOR)?;
        let guard = self.guard();
        let plain = !below.is_empty() && !below.starts_with('/') && !below.contains("..");
        if guard == Guard::Own || !plain {
            return None;
        }
        let open = || {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            self.open_from_root(ANCHOR, flags).ok()
        };
        let anchor = self.anchor.get_or_init(open).as_ref()?;
        if guard == Guard::Live {
            return Some(rustix::fs::openat(anchor, below, flags, Mode::empty()));
        }
        // Without links and `..` the path cannot lead out, and the kernel is spared to check it.
        match rustix::fs::openat2(anchor, below, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
            Err(Errno::LOOP | Errno::AGAIN | Errno::NOSYS | Errno::PERM) => None,
            opened => Some(opened),
        }
    }

    fn open_from_root(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        match self.guard() {
            Guard::Live => rustix::fs::openat(&self.root, relative(path), flags, Mode::empty()),
            Guard::Kernel => self.open_in_root(path, flags),
            Guard::Own => {
                let resolved = self.resolve_own(path);
                if !resolved.complete {
                    return Err(Errno::LOOP);
                }
                let flags = flags | OFlags::NOFOLLOW;
                rustix::fs::openat(&self.root, relative(&resolved.path), flags, Mode::empty())
            }
        }
    }

    fn open_in_root(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..8 {
            let opened = rustix::fs::openat2(&self.root, relative(path), flags, Mode::empty(), resolve);
            match opened {
                Err(Errno::AGAIN) => {}
                Err(Errno::NOSYS | Errno::PERM) => {
                    self.guard.store(Guard::Own as u8, Ordering::Relaxed);
                    return self.open_from_root(path, flags);
                }
                other => return other,
            }
        }
        Err(Errno::AGAIN)
    }

    /// Text of the link at a path whose directory has no links left.
    fn plain_link(&self, path: &str) -> Option<String> {
        if path == "/" || path.len() > path::PATH_LIMIT {
            return None;
        }
        let text = rustix::fs::readlinkat(&self.root, relative(path), Vec::new()).ok()?;
        Some(text.to_string_lossy().into_owned())
    }

    /// Text of a link in the directory that is open already; `None` when it is in another.
    fn link_in_last(&self, path: &str) -> Option<Result<String, Errno>> {
        let (directory, name) = path.rsplit_once('/')?;
        if matches!(name, "" | "." | "..") {
            return None;
        }
        LAST.with_borrow(|last| {
            let same = last.tree == self.number && last.path == directory;
            let opened = last.opened.as_ref().filter(|_| same)?.as_ref().ok()?;
            let text = rustix::fs::readlinkat(opened, name, Vec::new());
            Some(text.map(|text| text.to_string_lossy().into_owned()))
        })
    }

    /// Resolves with the links met before remembered: siblings cost one readlink each.
    fn resolve_own(&self, path: &str) -> Resolved {
        let mut known = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        path::resolve(path, |step| {
            if let Some(link) = known.get(step) {
                return link.as_deref().map(str::to_owned);
            }
            let link = self.plain_link(step);
            known.insert(step.into(), link.as_deref().map(Into::into));
            link
        })
    }

    fn open_file(&self, path: &str) -> Result<OwnedFd, Errno> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        if matches!(name, "" | "." | "..") || path.starts_with(ANCHOR) {
            return self.open_at(path, READ_FLAGS);
        }
        LAST.with_borrow_mut(|last| {
            if last.tree != self.number || last.path != directory {
                last.tree = self.number;
                directory.clone_into(&mut last.path);
                last.opened = None;
                return self.open_at(path, READ_FLAGS);
            }
            let opened = last.opened.get_or_insert_with(|| {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                self.open_at(directory, flags)
            });
            let directory = opened.as_ref().map_err(|error| *error)?;
            let flags = READ_FLAGS | OFlags::NOFOLLOW;
            match rustix::fs::openat(directory, name, flags, Mode::empty()) {
                Err(Errno::LOOP) => self.open_at(path, READ_FLAGS),
                other => other,
            }
        })
    }

    fn read_all(&self, path: &str) -> Result<Vec<u8>, Errno> {
        let file = self.open_file(path)?;
        let until_end = self.guard() == Guard::Live;
        BUFFER.with_borrow_mut(|buffer| {
            let mut bytes = Vec::new();
            loop {
                let count = match rustix::io::read(&file, buffer.as_mut_slice()) {
                    Err(Errno::INTR) => continue,
                    other => other?,
                };
                bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
                // A captured file is an ordinary one: a short read is its end. Generated files
                // (/proc, PCI config, ACPI tables) hand out pieces until they return nothing.
                let short = count < buffer.len() && !until_end;
                if count == 0 || short || bytes.len() >= FILE_LIMIT {
                    bytes.truncate(FILE_LIMIT);
                    return Ok(bytes);
                }
            }
        })
    }
}

/// Names in an open directory, without `.` and `..`.
fn names_in(directory: &OwnedFd) -> Vec<String> {
    let mut buffer = [const { MaybeUninit::uninit() }; 8192];
    let mut entries = RawDir::new(directory, &mut buffer);
    let mut names = Vec::new();
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            names.push(String::from_utf8_lossy(name).into_owned());
        }
    }
    names
}

fn relative(path: &str) -> &str {
    let path = path.trim_start_matches('/');
    if path.is_empty() { "." } else { path }
}

fn read_error(error: Errno) -> ReadError {
    match error {
        Errno::NOENT | Errno::NOTDIR | Errno::ISDIR | Errno::LOOP | Errno::NAMETOOLONG => ReadError::Absent,
        // An attribute without a value at the moment: the speed of a card that is down.
        Errno::INVAL | Errno::NODATA | Errno::OPNOTSUPP => ReadError::Absent,
        Errno::ACCESS | Errno::PERM => ReadError::Denied,
        other => ReadError::Failed(std::io::Error::from(other).to_string()),
    }
}

impl Tree for DirTree {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        self.read_all(path).map_err(read_error)
    }

    fn list(&self, path: &str) -> Vec<String> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(directory) = self.open_at(path, flags) else {
            return Vec::new();
        };
        let mut names = names_in(&directory);
        names.sort_unstable();
        // What is listed is mostly read from next.
        LAST.with_borrow_mut(|last| {
            last.tree = self.number;
            path.clone_into(&mut last.path);
            last.opened = Some(Ok(directory));
        });
        names
    }

    fn link(&self, path: &str) -> Option<String> {
        if self.guard() == Guard::Live {
            return self.plain_link(path);
        }
        if let Some(link) = self.link_in_last(path) {
            return link.ok();
        }
        let directory = self.resolve_own(path::parent(path)).path;
        self.plain_link(&path::join(&directory, path::name(path)))
    }

    fn exists(&self, path: &str) -> bool {
        self.open_at(path, OFlags::PATH | OFlags::CLOEXEC).is_ok()
    }

    fn resolve(&self, path: &str) -> String {
        self.resolve_own(path).path
    }
}

impl Subtree for DirTree {
    fn subtree(&self, path: &str) -> Option<Box<dyn Subtree>> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = self.open_at(path, flags).ok()?;
        Some(Box::new(Self::at(root, self.guard())))
    }

    fn is_directory(&self, path: &str) -> bool {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        self.open_at(path, flags).is_ok()
    }
}

#[cfg(test)]
mod tests;
