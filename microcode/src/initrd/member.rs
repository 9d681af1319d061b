//! A member of an archive, and its line in a listing.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::name::Name;
use crate::cpio::{Format, Header};

/// File type in a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileType {
    /// Named pipe.
    Fifo,
    /// Character device.
    CharacterDevice,
    /// Directory.
    Directory,
    /// Block device.
    BlockDevice,
    /// Regular file.
    Regular,
    /// Symbolic link.
    Symlink,
    /// Socket.
    Socket,
    /// None of these.
    Unknown,
}

impl FileType {
    /// The type of a mode.
    #[must_use]
    pub fn of(mode: u32) -> Self {
        match mode & 0o170_000 {
            0o010_000 => Self::Fifo,
            0o020_000 => Self::CharacterDevice,
            0o040_000 => Self::Directory,
            0o060_000 => Self::BlockDevice,
            0o100_000 => Self::Regular,
            0o120_000 => Self::Symlink,
            0o140_000 => Self::Socket,
            _ => Self::Unknown,
        }
    }

    fn letter(self) -> char {
        match self {
            Self::Fifo => 'p',
            Self::CharacterDevice => 'c',
            Self::Directory => 'd',
            Self::BlockDevice => 'b',
            Self::Regular => '-',
            Self::Symlink => 'l',
            Self::Socket => 's',
            Self::Unknown => '?',
        }
    }
}

/// A member as its header describes it.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Member {
    /// Number of its segment.
    pub segment: u32,
    /// Number from 1 of its archive in the segment.
    pub archive: u32,
    /// Where its header stands in the segment's unpacked bytes.
    pub offset: u64,
    /// Where its data stands there.
    pub data: u64,
    /// Path.
    pub name: Name,
    /// Target of a symbolic link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Name>,
    /// Archive format.
    pub format: Format,
    /// Inode number.
    pub ino: u32,
    /// File type and permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of links.
    pub nlink: u32,
    /// Time of last change in seconds since 1970.
    pub mtime: u32,
    /// Bytes of data.
    pub size: u32,
    /// Device that the file was on: major, minor.
    pub dev: (u32, u32),
    /// Device that the file is: major, minor.
    pub rdev: (u32, u32),
    /// The lookup of early microcode sees it.
    pub early: bool,
}

impl Member {
    pub(super) fn new(header: &Header, name: &[u8]) -> Self {
        Self {
            segment: 0,
            archive: 0,
            offset: 0,
            data: 0,
            name: Name(name.to_vec()),
            target: None,
            format: header.format,
            ino: header.ino,
            mode: header.mode,
            uid: header.uid,
            gid: header.gid,
            nlink: header.nlink,
            mtime: header.mtime,
            size: header.size,
            dev: header.dev,
            rdev: header.rdev,
            early: false,
        }
    }

    /// File type.
    #[must_use]
    pub fn file_type(&self) -> FileType {
        FileType::of(self.mode)
    }

    /// What the links to one file have in common within an archive; `None` for what has no other
    /// links. Linux gives directories and symbolic links no common file.
    #[must_use]
    pub fn link_key(&self) -> Option<LinkKey> {
        let linkable = !matches!(self.file_type(), FileType::Directory | FileType::Symlink);
        (self.nlink > 1 && linkable).then_some(LinkKey {
            dev: self.dev,
            ino: self.ino,
            file_type: self.mode & 0o170_000,
        })
    }
}

/// See [`Member::link_key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkKey {
    dev: (u32, u32),
    ino: u32,
    file_type: u32,
}

/// `-rw-r--r--   1 root     root       147350 2025-03-11 21:18 kernel/x86/...`: time in UTC.
impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [user, group] = [self.uid, self.gid].map(|id| match id {
            0 => "root".to_owned(),
            _ => id.to_string(),
        });
        write!(f, "{} {:>3} {user:<8} {group:<8} ", permissions(self.mode), self.nlink)?;
        match self.file_type() {
            FileType::CharacterDevice | FileType::BlockDevice => {
                write!(f, "{:>3}, {:>3}", self.rdev.0, self.rdev.1)?;
            }
            _ => write!(f, "{:>8}", self.size)?,
        }
        write!(f, " {} {}", Time(self.mtime), self.name)?;
        match &self.target {
            Some(target) => write!(f, " -> {target}"),
            None => Ok(()),
        }
    }
}

/// `drwxr-sr-t`, as `ls -l` prints a mode.
fn permissions(mode: u32) -> String {
    let mut text = String::from(FileType::of(mode).letter());
    // Each class: its shift, the bit that changes its x, and the letter for that.
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// Seconds since 1970 as `2025-03-11 21:18` in UTC.
struct Time(u32);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut days, seconds) = (self.0 / 86_400, self.0 % 86_400);
        let leap = |year: u32| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let mut year = 1970u32;
        while let Some(rest) = days.checked_sub(365u32.saturating_add(leap(year).into())) {
            days = rest;
            year = year.saturating_add(1);
        }
        let february = 28u32.saturating_add(leap(year).into());
        let mut month = 1u32;
        for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
            let Some(rest) = days.checked_sub(length) else {
                break;
            };
            days = rest;
            month = month.saturating_add(1);
        }
        let day = days.saturating_add(1);
        let (hour, minute) = (seconds / 3600, seconds / 60 % 60);
        write!(f, "{year}-{month:02}-{day:02} {hour:02}:{minute:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_written_as_ls_does() {
        assert_eq!(permissions(0o100_644), "-rw-r--r--");
        assert_eq!(permissions(0o043_777), "drwxrwsrwt");
        assert_eq!(permissions(0o107_000), "---S--S--T");
        assert_eq!(permissions(0o120_777), "lrwxrwxrwx");
        assert_eq!(permissions(0), "?---------");
    }

    #[test]
    fn times_are_utc() {
        let text = |seconds| Time(seconds).to_string();
        assert_eq!(text(0), "1970-01-01 00:00");
        assert_eq!(text(951_782_400), "2000-02-29 00:00");
        assert_eq!(text(1_741_727_939), "2025-03-11 21:18");
        assert_eq!(text(u32::MAX), "2106-02-07 06:28");
        assert_eq!(text(1_735_689_599), "2024-12-31 23:59");
    }
}
