//! Values while a method runs: buffers, strings and packages have a place of their own, so that
//! what refers to one sees it change.

use std::rc::Rc;

use super::super::names::NameId;
use super::bits::Bytes;
use super::symbol::SymbolId;

/// Place of a string, buffer or package.
pub(super) type CellId = usize;

/// A value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Item {
    /// Uninitialised.
    #[default]
    None,
    Integer(u64),
    Text(CellId),
    Buffer(CellId),
    Package(CellId),
    Reference(Target),
    Unknown(SymbolId),
}

/// What can be referred to and stored to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    Null,
    Debug,
    /// Local of a frame, by the frame's serial number.
    Local(u32, usize),
    Argument(u32, usize),
    Named(NameId),
    Element(CellId, usize),
    Byte(CellId, usize),
    /// Somewhere in it.
    Somewhere(CellId, SymbolId),
    /// No table declares it.
    Missing(Rc<str>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Bytes(Bytes),
    Elements(Vec<Item>),
}

/// More than the memory that one evaluation may use.
pub(super) struct Full;

/// All strings, buffers and packages of one path of execution.
#[derive(Clone, Debug)]
pub(super) struct Heap {
    cells: Vec<Rc<Cell>>,
    /// Cells that were changed after they were made.
    changed: Vec<bool>,
    /// Bytes that may still be taken.
    left: usize,
}

/// What a cell costs beside its contents.
const CELL: usize = 64;

impl Heap {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            cells: Vec::new(),
            changed: Vec::new(),
            left: limit,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    pub(super) fn cell(&self, id: CellId) -> Option<&Rc<Cell>> {
        self.cells.get(id)
    }

    /// Whether a string, buffer or package, and what it holds, is as it was made.
    pub(super) fn is_fresh(&self, item: &Item) -> bool {
        let fresh = |id: &CellId| self.changed.get(*id) == Some(&false);
        match item {
            Item::Text(id) | Item::Buffer(id) => fresh(id),
            Item::Package(id) => {
                let elements = self.as_elements(*id).unwrap_or_default();
                fresh(id)
                    && elements.iter().all(|element| match element {
                        Item::Text(id) | Item::Buffer(id) => fresh(id),
                        Item::Package(_) => false,
                        _ => true,
                    })
            }
            _ => true,
        }
    }

    fn note_change(&mut self, id: CellId) {
        if let Some(changed) = self.changed.get_mut(id) {
            *changed = true;
        }
    }

    /// Take memory from what is left.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Full> {
        self.left = self.left.checked_sub(bytes).ok_or(Full)?;
        Ok(())
    }

    fn add(&mut self, cell: Cell) -> CellId {
        self.cells.push(Rc::new(cell));
        self.changed.push(false);
        self.cells.len().saturating_sub(1)
    }

    pub(super) fn bytes(&mut self, bytes: Bytes) -> Result<CellId, Full> {
        self.take(bytes.data.len().saturating_add(CELL))?;
        Ok(self.add(Cell::Bytes(bytes)))
    }

    pub(super) fn elements(&mut self, elements: Vec<Item>) -> Result<CellId, Full> {
        let size = elements.len().saturating_mul(size_of::<Item>());
        self.take(size.saturating_add(CELL))?;
        Ok(self.add(Cell::Elements(elements)))
    }

    pub(super) fn text(&mut self, text: &[u8]) -> Result<Item, Full> {
        self.bytes(Bytes::known(text.to_vec())).map(Item::Text)
    }

    pub(super) fn buffer(&mut self, bytes: Bytes) -> Result<Item, Full> {
        self.bytes(bytes).map(Item::Buffer)
    }

    pub(super) fn as_bytes(&self, id: CellId) -> Option<&Bytes> {
        match self.cells.get(id)?.as_ref() {
            Cell::Bytes(bytes) => Some(bytes),
            Cell::Elements(_) => None,
        }
    }

    pub(super) fn as_elements(&self, id: CellId) -> Option<&[Item]> {
        match self.cells.get(id)?.as_ref() {
            Cell::Elements(elements) => Some(elements),
            Cell::Bytes(_) => None,
        }
    }

    pub(super) fn bytes_mut(&mut self, id: CellId) -> Option<&mut Bytes> {
        self.note_change(id);
        match Rc::make_mut(self.cells.get_mut(id)?) {
            Cell::Bytes(bytes) => Some(bytes),
            Cell::Elements(_) => None,
        }
    }

    pub(super) fn elements_mut(&mut self, id: CellId) -> Option<&mut Vec<Item>> {
        self.note_change(id);
        match Rc::make_mut(self.cells.get_mut(id)?) {
            Cell::Elements(elements) => Some(elements),
            Cell::Bytes(_) => None,
        }
    }

    /// A copy that shares nothing with the original; packages with all they hold.
    pub(super) fn copy(&mut self, item: &Item) -> Result<Item, Full> {
        let copy = self.copy_cell(item)?;
        let mut open = match copy {
            Item::Package(id) => vec![id],
            _ => Vec::new(),
        };
        while let Some(id) = open.pop() {
            let elements = self.as_elements(id).unwrap_or_default().to_vec();
            let mut copies = Vec::with_capacity(elements.len());
            for element in &elements {
                let copy = self.copy_cell(element)?;
                if let Item::Package(inner) = copy {
                    open.push(inner);
                }
                copies.push(copy);
            }
            if let Some(place) = self.elements_mut(id) {
                *place = copies;
            }
        }
        Ok(copy)
    }

    /// The elements of a package stay those of the original.
    fn copy_cell(&mut self, item: &Item) -> Result<Item, Full> {
        Ok(match item {
            Item::Text(id) => Item::Text(self.copy_bytes(*id)?),
            Item::Buffer(id) => Item::Buffer(self.copy_bytes(*id)?),
            Item::Package(id) => {
                let elements = self.as_elements(*id).unwrap_or_default().to_vec();
                Item::Package(self.elements(elements)?)
            }
            other => other.clone(),
        })
    }

    fn copy_bytes(&mut self, id: CellId) -> Result<CellId, Full> {
        let bytes = self.as_bytes(id).cloned().unwrap_or_default();
        self.bytes(bytes)
    }
}
