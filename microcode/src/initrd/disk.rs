//! The directory that members are extracted into.
//!
//! Nothing is written outside of it: paths are resolved by the kernel with the directory as root
//! (`openat2` with `RESOLVE_IN_ROOT`), so that links mean what they mean in the initrd; files are
//! made new and never opened through what stands at their name. A kernel without `openat2`
//! (before Linux 5.6) gets no path with a link in it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{self, AtFlags, Mode, OFlags, ResolveFlags, Timespec, Timestamps};
use rustix::fs::{CWD, Gid, Uid};
use rustix::io::Errno;

use super::body::Body;
use super::extract::{Refusal, Sink};
use super::member::{FileType, Member};
use crate::cpio::Format;

/// A directory as [`Sink`].
///
/// Owners are set when the user is root, as are devices made; modes and times always are. What
/// stands at a member's name is replaced, but for directories that are not empty.
pub struct Directory<'f> {
    root: OwnedFd,
    initrd: Option<BorrowedFd<'f>>,
    /// The parent of the last member, open.
    parent: Option<(Vec<u8>, OwnedFd)>,
    /// Directories, whose modes and times are set at the end.
    directories: BTreeMap<Vec<u8>, Metadata>,
    owner: (u32, u32),
}

#[derive(Clone, Copy)]
struct Metadata {
    mode: u32,
    mtime: u32,
    uid: u32,
    gid: u32,
}

impl Metadata {
    fn of(member: &Member) -> Self {
        Self {
            mode: member.mode & 0o7777,
            mtime: member.mtime,
            uid: member.uid,
            gid: member.gid,
        }
    }

    fn times(self) -> Timestamps {
        let time = Timespec {
            tv_sec: i64::from(self.mtime),
            tv_nsec: 0,
        };
        Timestamps {
            last_access: time,
            last_modification: time,
        }
    }
}

const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl<'f> Directory<'f> {
    /// The directory at `path`, which exists.
    ///
    /// # Errors
    ///
    /// It cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let root = fs::openat(CWD, path, FOLDER, Mode::empty())?;
        let owner = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Ok(Self {
            root,
            initrd: None,
            parent: None,
            directories: BTreeMap::new(),
            owner,
        })
    }

    /// The file that the initrd is read from: what stands there uncompressed is copied by the
    /// kernel.
    #[must_use]
    pub fn copying_from(mut self, initrd: BorrowedFd<'f>) -> Self {
        self.initrd = Some(initrd);
        self
    }

    fn is_root(&self) -> bool {
        self.owner.0 == 0
    }

    /// Whose owner is to be set, and to what.
    fn new_owner(&self, to: Metadata) -> Option<(Option<Uid>, Option<Gid>)> {
        // All bits set mean "leave it" to the kernel.
        let settable = to.uid != u32::MAX && to.gid != u32::MAX;
        let wanted = self.is_root() && settable && self.owner != (to.uid, to.gid);
        wanted.then(|| (Some(Uid::from_raw(to.uid)), Some(Gid::from_raw(to.gid))))
    }

    /// Opens the directory that `path` stands in, made when missing, and gives the last part.
    fn enter<'p>(&mut self, path: &'p [u8]) -> Result<(BorrowedFd<'_>, &'p [u8]), Refusal> {
        let (parent, leaf) = split(path);
        let known = self.parent.take_if(|(known, _)| known == parent);
        let entry = match known {
            Some(entry) => entry,
            None => (parent.to_vec(), self.folder(parent)?),
        };
        let folder: &OwnedFd = &self.parent.insert(entry).1;
        Ok((folder.as_fd(), leaf))
    }

    fn folder(&self, path: &[u8]) -> io::Result<OwnedFd> {
        match self.resolve(path) {
            Err(Errno::NOENT | Errno::NOSYS | Errno::PERM) => {}
            result => return Ok(result?),
        }
        let mut folder = fs::openat(&self.root, ".", FOLDER, Mode::empty())?;
        let mut until = 0usize;
        for part in path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
            until = until.saturating_add(part.len());
            let open = || fs::openat(&folder, part, FOLDER | OFlags::NOFOLLOW, Mode::empty());
            let opened = match open() {
                Err(Errno::NOENT) => {
                    fs::mkdirat(&folder, part, Mode::from_raw_mode(0o755))?;
                    open()
                }
                // A link: where it leads is for the kernel to say, below the root.
                Err(Errno::NOTDIR | Errno::LOOP) => self.resolve(path.get(..until).unwrap_or(path)),
                result => result,
            };
            folder = opened?;
            until = until.saturating_add(1);
        }
        Ok(folder)
    }

    fn resolve(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { b"." } else { path };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        fs::openat2(&self.root, path, FOLDER, Mode::empty(), resolve)
    }

    /// Does what needs a free name; what stands at it is removed when it is in the way.
    fn make<T>(&mut self, path: &[u8], make: impl Fn(BorrowedFd<'_>, &[u8]) -> Result<T, Errno>) -> Result<T, Refusal> {
        let (folder, leaf) = self.enter(path)?;
        let made = match make(folder, leaf) {
            Err(Errno::EXIST) => {
                match fs::unlinkat(folder, leaf, AtFlags::empty()) {
                    Err(Errno::ISDIR | Errno::PERM) => fs::unlinkat(folder, leaf, AtFlags::REMOVEDIR),
                    result => result,
                }
                .map_err(io::Error::from)?;
                let made = make(folder, leaf);
                // The open parent may have been what was removed.
                self.parent = None;
                made
            }
            made => made,
        };
        Ok(made.map_err(io::Error::from)?)
    }

    fn write(&self, mut file: File, member: &Member, body: &mut Body<'_>) -> Result<(), Refusal> {
        self.copy(&mut file, member, body)?;
        self.stamp(&file, Metadata::of(member))?;
        Ok(())
    }

    fn copy(&self, file: &mut File, member: &Member, body: &mut Body<'_>) -> Result<(), Refusal> {
        // The sum of the crc format is verified only of what is read.
        if let (Some(initrd), Some(mut from), Format::Newc) = (self.initrd, body.plain(), member.format) {
            let mut left = body.left();
            while left > 0 {
                let length = usize::try_from(left).unwrap_or(usize::MAX);
                match fs::copy_file_range(initrd, Some(&mut from), &*file, None, length) {
                    Ok(0) => break,
                    Ok(count) => left = left.saturating_sub(count as u64),
                    Err(_) if left == body.left() => break,
                    Err(error) => return Err(Refusal::from(io::Error::from(error))),
                }
            }
            if left < body.left() {
                body.skip()?;
                return Ok(());
            }
        }
        loop {
            // The reader of the initrd reports how a body is damaged; what came before is kept.
            let bytes = match body.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) => return Err(Refusal::Skipped(format!("only a part: {error}"))),
            };
            let count = bytes.len();
            if count == 0 {
                return Ok(());
            }
            file.write_all(bytes)?;
            body.consume(count);
        }
    }

    fn stamp(&self, file: impl AsFd, to: Metadata) -> io::Result<()> {
        if let Some((user, group)) = self.new_owner(to) {
            fs::fchown(&file, user, group)?;
        }
        fs::fchmod(&file, Mode::from_raw_mode(to.mode))?;
        Ok(fs::futimens(&file, &to.times())?)
    }

    /// Opens a file that was written before, for other data.
    fn reopen(&mut self, path: &[u8]) -> Result<File, Refusal> {
        let (folder, leaf) = self.enter(path)?;
        // A pipe at its place would wait for a reader.
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(fs::openat(folder, leaf, flags, Mode::empty()).map_err(io::Error::from)?);
        if !file.metadata()?.is_file() {
            return Err(Refusal::Skipped("what it links to was replaced".to_owned()));
        }
        file.set_len(0)?;
        Ok(file)
    }

    /// Metadata of what cannot be opened: links, devices.
    fn stamp_at(&mut self, path: &[u8], member: &Member) -> Result<(), Refusal> {
        let to = Metadata::of(member);
        let owner = self.new_owner(to);
        let (folder, leaf) = self.enter(path)?;
        let here = AtFlags::SYMLINK_NOFOLLOW;
        if let Some((user, group)) = owner {
            fs::chownat(folder, leaf, user, group, here).map_err(io::Error::from)?;
        }
        if member.file_type() != FileType::Symlink {
            // It was just made here, and is no link.
            let mode = Mode::from_raw_mode(to.mode);
            fs::chmodat(folder, leaf, mode, AtFlags::empty()).map_err(io::Error::from)?;
        }
        fs::utimensat(folder, leaf, &to.times(), here).map_err(io::Error::from)?;
        Ok(())
    }
}

impl Sink for Directory<'_> {
    fn directory(&mut self, path: &[u8], member: &Member) -> Result<(), Refusal> {
        if !path.is_empty() {
            let (folder, leaf) = self.enter(path)?;
            // With all rights to the owner until all is written.
            let there = match fs::mkdirat(folder, leaf, Mode::from_raw_mode(0o700)) {
                Err(Errno::EXIST) => fs::statat(folder, leaf, AtFlags::SYMLINK_NOFOLLOW)
                    .is_ok_and(|stat| fs::FileType::from_raw_mode(stat.st_mode) == fs::FileType::Directory),
                made => made.is_ok(),
            };
            if !there {
                self.make(path, |folder, leaf| {
                    fs::mkdirat(folder, leaf, Mode::from_raw_mode(0o700))
                })?;
            }
        }
        self.directories.insert(path.to_vec(), Metadata::of(member));
        Ok(())
    }

    fn file(&mut self, path: &[u8], member: &Member, body: &mut Body<'_>) -> Result<(), Refusal> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = self.make(path, |folder, leaf| {
            fs::openat(folder, leaf, flags, Mode::from_raw_mode(0o600))
        })?;
        self.write(file.into(), member, body)
    }

    fn hard_link(&mut self, path: &[u8], to: &[u8], member: &Member, body: &mut Body<'_>) -> Result<(), Refusal> {
        if path != to {
            let (from, name) = split(to);
            let from = self.folder(from)?;
            self.make(path, |folder, leaf| {
                fs::linkat(&from, name, folder, leaf, AtFlags::empty())
            })?;
        }
        match body.left() {
            0 => Ok(()),
            _ => self.rewrite(path, member, body),
        }
    }

    fn rewrite(&mut self, path: &[u8], member: &Member, body: &mut Body<'_>) -> Result<(), Refusal> {
        let file = self.reopen(path)?;
        self.write(file, member, body)
    }

    fn symlink(&mut self, path: &[u8], target: &[u8], member: &Member) -> Result<(), Refusal> {
        self.make(path, |folder, leaf| fs::symlinkat(target, folder, leaf))?;
        self.stamp_at(path, member)
    }

    fn node(&mut self, path: &[u8], member: &Member) -> Result<(), Refusal> {
        let file_type = match member.file_type() {
            FileType::Fifo => fs::FileType::Fifo,
            FileType::Socket => fs::FileType::Socket,
            _ if !self.is_root() => {
                return Err(Refusal::Skipped("only root makes devices".to_owned()));
            }
            FileType::BlockDevice => fs::FileType::BlockDevice,
            _ => fs::FileType::CharacterDevice,
        };
        let device = fs::makedev(member.rdev.0, member.rdev.1);
        self.make(path, |folder, leaf| {
            fs::mknodat(folder, leaf, file_type, Mode::from_raw_mode(0o600), device)
        })?;
        self.stamp_at(path, member)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.parent = None;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // What is below comes first, while it can still be reached.
        for (path, metadata) in std::mem::take(&mut self.directories).into_iter().rev() {
            let opened = match split(&path) {
                (_, b"") => fs::openat(&self.root, ".", flags, Mode::empty()),
                _ => match self.enter(&path) {
                    Ok((folder, leaf)) => fs::openat(folder, leaf, flags, Mode::empty()),
                    Err(_) => continue,
                },
            };
            // Another member may have taken its place.
            if let Ok(folder) = opened {
                self.stamp(&folder, metadata)?;
            }
        }
        self.parent = None;
        Ok(())
    }
}

/// Parent and last part of a path.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => {
            let (parent, rest) = path.split_at(at);
            (parent, rest.strip_prefix(b"/").unwrap_or(rest))
        }
        None => (b"", path),
    }
}
