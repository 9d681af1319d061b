//! Lookup in the compiled tables; their form is described in `compile`.

use std::borrow::Cow;

use super::compile::OFFSET;

/// Key lengths of the four tables, in their order.
const KEYS: [usize; 4] = [2, 4, 8, 4];

/// The tables of one version, in memory of the program or of their own.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    data: Cow<'static, [u8]>,
    version: (usize, usize),
    tables: [(usize, usize); 4],
    strings: usize,
}

#[derive(Clone, Copy)]
pub(super) enum Table {
    Vendors,
    Devices,
    Subsystems,
    Classes,
}

/// Rows of one table.
#[derive(Clone, Copy)]
struct Rows<'a> {
    bytes: &'a [u8],
    key: usize,
}

impl<'a> Rows<'a> {
    fn len(self) -> usize {
        self.bytes
            .len()
            .checked_div(self.key.saturating_add(OFFSET))
            .unwrap_or(0)
    }

    /// Key and name offset.
    fn get(self, at: usize) -> Option<(&'a [u8], &'a [u8])> {
        let width = self.key.checked_add(OFFSET)?;
        let row = self.bytes.get(at.checked_mul(width)?..)?.get(..width)?;
        row.split_at_checked(self.key)
    }

    /// The first row whose key is not below `key`; a prefix is below all its continuations.
    fn lower_bound(self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.get(middle).is_some_and(|(here, _)| here < key) {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        low
    }
}

impl Tables {
    /// Finds where the tables are. Sizes are checked here, so that lookups cannot leave the data.
    pub(super) fn open(data: Cow<'static, [u8]>) -> Self {
        let version_end = usize::from(data.first().copied().unwrap_or(0)).saturating_add(1);
        let mut at = version_end.saturating_add(16);
        let mut tables = [(0, 0); 4];
        for (number, (table, key)) in tables.iter_mut().zip(KEYS).enumerate() {
            let place = version_end.saturating_add(number.saturating_mul(4));
            let count = data.get(place..).and_then(|rest| rest.first_chunk::<4>().copied());
            let rows = usize::try_from(u32::from_be_bytes(count.unwrap_or_default())).unwrap_or(0);
            let end = at.saturating_add(rows.saturating_mul(key.saturating_add(OFFSET)));
            *table = (at, end.min(data.len()));
            at = end;
        }
        Self {
            data,
            version: (1, version_end),
            tables,
            strings: at,
        }
    }

    /// The version of the database, as its head tells it.
    pub(super) fn version(&self) -> &str {
        let bytes = self.data.get(self.version.0..self.version.1).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// The name behind a key.
    pub(super) fn find(&self, table: Table, key: &[u8]) -> Option<&str> {
        let rows = self.table(table);
        let (_, name) = rows.get(rows.lower_bound(key)).filter(|(here, _)| *here == key)?;
        std::str::from_utf8(self.string(name)?).ok()
    }

    /// Keys that begin with `prefix`, and the bytes of their names.
    pub(super) fn rows(&self, table: Table, prefix: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
        let rows = self.table(table);
        (rows.lower_bound(prefix)..)
            .map_while(move |at| rows.get(at))
            .take_while(move |(key, _)| key.starts_with(prefix))
            .filter_map(|(key, name)| Some((key, self.string(name)?)))
    }

    fn table(&self, table: Table) -> Rows<'_> {
        let place = match table {
            Table::Vendors => 0,
            Table::Devices => 1,
            Table::Subsystems => 2,
            Table::Classes => 3,
        };
        let (start, end) = self.tables.get(place).copied().unwrap_or_default();
        Rows {
            bytes: self.data.get(start..end).unwrap_or_default(),
            key: KEYS.get(place).copied().unwrap_or(1),
        }
    }

    fn string(&self, offset: &[u8]) -> Option<&[u8]> {
        let number = |value: usize, byte: &u8| value << 8 | usize::from(*byte);
        let at = offset.iter().fold(0_usize, number);
        let (length, text) = self.data.get(self.strings.checked_add(at)?..)?.split_first()?;
        text.get(..usize::from(*length))
    }

    /// All bytes, for comparison.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.data
    }
}
