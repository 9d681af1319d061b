//! Translations that were found before: a small table with one place for each address.
//!
//! A debugger asks for the same few pages again and again, and a walk reads four or five entries from a
//! file. The table is for one thread; several spaces of the same memory share it.

use std::cell::Cell;

use super::{Kind, Translation};
use crate::memory::{Gpa, Gva};
use crate::windows::PagingMode;

const PLACES: usize = 1024;

#[derive(Clone, Copy)]
struct Slot {
    root: Gpa,
    mode: PagingMode,
    page: Gva,
    /// Translation of the first byte of the small page.
    found: Translation,
}

/// Translations by page directory and page.
pub struct Cache {
    slots: Box<[Cell<Option<Slot>>]>,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            slots: (0..PLACES).map(|_| Cell::new(None)).collect(),
        }
    }
}

impl Cache {
    /// Forgets all: the guest ran, or its memory was written.
    pub fn clear(&self) {
        for slot in &self.slots {
            slot.set(None);
        }
    }

    fn slot(&self, root: Gpa, at: Gva) -> Option<&Cell<Option<Slot>>> {
        let mixed = (at.0 >> 12) ^ (at.0 >> 22) ^ (root.0 >> 12).wrapping_mul(0x9e37);
        self.slots.get(usize::try_from(mixed).unwrap_or_default() % PLACES)
    }

    pub(super) fn get(&self, root: Gpa, mode: PagingMode, at: Gva) -> Option<Translation> {
        let slot = self.slot(root, at)?.get()?;
        if (slot.root, slot.mode, slot.page) != (root, mode, at.page()) {
            return None;
        }
        Some(Translation {
            gpa: Gpa(slot.found.gpa.0 | at.offset()),
            ..slot.found
        })
    }

    pub(super) fn put(&self, root: Gpa, mode: PagingMode, at: Gva, found: Translation) {
        // What is no part of the processor's own state is looked up each time: it is rare.
        if found.kind != Kind::Present {
            return;
        }
        if let Some(slot) = self.slot(root, at) {
            slot.set(Some(Slot {
                root,
                mode,
                page: at.page(),
                found: Translation {
                    gpa: found.gpa.page(),
                    ..found
                },
            }));
        }
    }
}
