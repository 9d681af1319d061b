//! The RAM section: a list of blocks with names and sizes, then pages, or for a mapped file the place of
//! each block's pages in it (QEMU's migration/ram.c).

use crate::damage::Damage;
use crate::memory::Source;
use crate::target::cursor::Cursor;
use crate::target::paged::{Builder, Pages, Stored};

/// Bytes of a page of x86.
pub(super) const PAGE: u64 = 4096;

/// Flags in the lower bits of a page's offset.
mod flag {
    pub(super) const ZERO: u64 = 2;
    pub(super) const MEM_SIZE: u64 = 4;
    pub(super) const PAGE: u64 = 8;
    pub(super) const EOS: u64 = 0x10;
    pub(super) const CONTINUE: u64 = 0x20;
    pub(super) const XBZRLE: u64 = 0x40;
    pub(super) const COMPRESSED: u64 = 0x100;
    pub(super) const MULTIFD_FLUSH: u64 = 0x200;
    /// Those that a block's name may precede.
    pub(super) const OF_PAGE: u64 = ZERO | PAGE | XBZRLE | COMPRESSED;
}

/// A block of memory.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) name: String,
    pub(super) length: u64,
    builder: Builder,
    pub(super) pages: Vec<Pages>,
}

/// What the section told so far.
#[derive(Debug, Default)]
pub(super) struct Ram {
    pub(super) blocks: Vec<Block>,
    /// The block of the last page.
    last: Option<usize>,
    /// Pages that came as differences to an older copy, and compressed ones.
    pub(super) differences: u64,
    pub(super) compressed: u64,
    /// Whether pages went through channels of their own.
    pub(super) channels: bool,
    /// Whether blocks may be left out because another process holds them.
    pub(super) ignore_shared: bool,
    /// Whether pages stand at fixed places.
    pub(super) mapped: bool,
}

impl Ram {
    /// Sorts each block's pages, once all sections were read.
    pub(super) fn finish(&mut self) {
        for block in &mut self.blocks {
            block.pages = std::mem::take(&mut block.builder).finish();
        }
    }

    /// Reads a piece of the section up to its end mark.
    pub(super) fn section(&mut self, cursor: &mut Cursor<'_>, source: &Source) -> Result<(), Damage> {
        loop {
            let at = cursor.at();
            let cut = || Damage::file("qemu-ram", at, "a page or the end mark", "the end of the file");
            let head = cursor.u64_be().ok_or_else(cut)?;
            let (flags, offset) = (head & (PAGE - 1), head & !(PAGE - 1));
            match flags & !flag::CONTINUE {
                flag::EOS => return Ok(()),
                flag::MEM_SIZE => self.list(cursor, source, offset)?,
                flag::MULTIFD_FLUSH => self.channels = true,
                kind if kind & flag::OF_PAGE != 0 && kind.is_power_of_two() => {
                    let index = self.block(cursor, flags, at)?;
                    self.page(cursor, index, kind, offset, at)?;
                }
                _ => return Err(Damage::file("qemu-ram", at, "known flags", format!("{flags:#x}"))),
            }
        }
    }

    /// The block that a page belongs to.
    fn block(&mut self, cursor: &mut Cursor<'_>, flags: u64, at: u64) -> Result<usize, Damage> {
        let found = if flags & flag::CONTINUE != 0 {
            self.last
        } else {
            let name = cursor.counted().unwrap_or_default();
            self.blocks.iter().position(|block| block.name == name)
        };
        self.last = found;
        found.ok_or_else(|| Damage::file("qemu-ram", at, "a page of a block in the list", "another block"))
    }

    /// What stands behind a page's head.
    fn page(&mut self, cursor: &mut Cursor<'_>, index: usize, kind: u64, offset: u64, at: u64) -> Result<(), Damage> {
        let Some(block) = self.blocks.get_mut(index).filter(|block| offset < block.length) else {
            return Err(Damage::file(
                "qemu-ram",
                at,
                "an offset in its block",
                format!("{offset:#x}"),
            ));
        };
        let frame = offset / PAGE;
        let read = match kind {
            flag::ZERO => cursor.u8().map(|byte| block.builder.set(frame, 1, Stored::Fill(byte))),
            flag::PAGE => {
                let place = cursor.at();
                cursor.skip(PAGE).map(|()| block.builder.page(frame, place))
            }
            flag::XBZRLE => {
                self.differences = self.differences.saturating_add(1);
                block.builder.set(frame, 1, Stored::Gone);
                let length = cursor.u8().and_then(|_| cursor.u16_be());
                length.and_then(|length| cursor.skip(length.into()))
            }
            _ => {
                self.compressed = self.compressed.saturating_add(1);
                block.builder.set(frame, 1, Stored::Gone);
                cursor.u32_be().and_then(|length| cursor.skip(length.into()))
            }
        };
        read.ok_or_else(|| Damage::file("qemu-ram", at, "a whole page", "the end of the file"))
    }

    /// The list of blocks.
    fn list(&mut self, cursor: &mut Cursor<'_>, source: &Source, total: u64) -> Result<(), Damage> {
        let mut left = total;
        while left > 0 {
            let at = cursor.at();
            let cut = || Damage::file("qemu-ram-list", at, "a block", "the end of the file");
            let name = cursor.counted().ok_or_else(cut)?;
            let length = cursor.u64_be().ok_or_else(cut)?;
            if name.is_empty() || length == 0 || length > left {
                let seen = format!("{name:?} of {length:#x} bytes, {left:#x} left");
                return Err(Damage::file("qemu-ram-list", at, "a name and a length", seen));
            }
            left = left.saturating_sub(length);
            let mut builder = Builder::new(PAGE);
            let page_size = !self.mapped && cursor.peek().map(u64::from_be_bytes).is_some_and(huge_page);
            // Its address, or the size of its pages.
            if self.ignore_shared || page_size {
                cursor.skip(8).ok_or_else(cut)?;
            }
            if self.mapped {
                mapped(cursor, source, length, &mut builder)?;
            }
            if !self.blocks.iter().any(|block| block.name == name) {
                self.blocks.push(Block {
                    name,
                    length,
                    builder,
                    pages: Vec::new(),
                });
            }
        }
        Ok(())
    }
}

/// The size of a block's pages, which stands behind it when it is not 4096 bytes and the machine may be
/// moved while it runs. Neither a name, which has a length, nor the flags of a page can look like it.
fn huge_page(word: u64) -> bool {
    word.is_power_of_two() && (PAGE * 2..1 << 40).contains(&word)
}

/// A block of a mapped file: where the bitmap of its pages and the pages stand.
fn mapped(cursor: &mut Cursor<'_>, source: &Source, length: u64, builder: &mut Builder) -> Result<(), Damage> {
    let at = cursor.at();
    let mut header = || Some((cursor.u32_be()?, cursor.u64_be()?, cursor.u64_be()?, cursor.u64_be()?));
    let Some((version, page, bitmap, pages)) = header() else {
        return Err(Damage::file(
            "qemu-mapped",
            at,
            "a header of 28 bytes",
            "the end of the file",
        ));
    };
    if version != 1 || page != PAGE {
        let seen = format!("version {version}, pages of {page} bytes");
        return Err(Damage::file("qemu-mapped", at, "version 1, pages of 4096 bytes", seen));
    }
    // What lies behind the end of the file is missing, whatever the bitmap says of it.
    let here = source.len().saturating_sub(pages) / PAGE;
    let count = (length / PAGE).min(here);
    let mut frame = 0u64;
    while frame < count {
        let bytes = source.bytes(bitmap.saturating_add(frame / 8), 0x1_0000);
        if bytes.is_empty() {
            return Err(Damage::file("qemu-mapped", bitmap, "a bitmap", "the end of the file"));
        }
        for byte in bytes {
            for bit in 0..8 {
                if frame >= count {
                    break;
                }
                if byte >> bit & 1 != 0 {
                    builder.page(frame, pages.saturating_add(frame.saturating_mul(PAGE)));
                } else {
                    builder.set(frame, 1, Stored::Fill(0));
                }
                frame = frame.saturating_add(1);
            }
        }
    }
    let end = pages.checked_add(length).filter(|end| *end <= source.len());
    let Some(end) = end else {
        let seen = format!("{here} pages to the end of the file");
        return Err(Damage::file(
            "qemu-mapped",
            pages,
            format!("{} pages", length / PAGE),
            seen,
        ));
    };
    cursor.seek(end);
    Ok(())
}
