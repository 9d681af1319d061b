//! The table of CPUID fields: `data/fields/*.tsv`, compiled to constants by `build.rs`, and rows a
//! user adds.
//!
//! ```
//! use cpuid_db::{Database, Dialect};
//! let database = Database::builtin();
//! let [field] = database.lookup(Dialect::Libvirt, "pclmuldq")[..] else { panic!() };
//! assert_eq!(field.bit().unwrap().to_string(), "1.0.ecx[1]");
//! assert_eq!(field.name(Dialect::Xen), Some("pclmulqdq"));
//! ```

mod reading;
pub mod row;

use std::cmp::Reverse;

use crate::bits::{Bit, Register, Word};
use crate::damage::{DamageLog, Decoded};
use crate::dialect::Dialect;
use crate::identity::Vendor;
use crate::leaf::Subleaf;
pub use reading::Reading;
pub use row::{Combine, Encoding, Kind, Migratable, Place, Vendors};
use row::{EncodingText, Row};

/// One field of one register.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// Leaf or MSR.
    pub place: Place,
    /// First and last subleaf it stands in.
    pub subleaves: (u32, u32),
    /// Register.
    pub register: Register,
    /// Lowest bit.
    pub low: u8,
    /// Highest bit.
    pub high: u8,
    /// Our own name: unique.
    pub id: &'static str,
    /// What it is.
    pub kind: Kind,
    /// How a value is read.
    pub encoding: Encoding,
    /// Whose processors have it.
    pub vendors: Vendors,
    /// Names by [`Dialect::index`]; the preferred one first.
    pub names: [&'static [&'static str]; 7],
    /// The Linux name is not shown in /proc/cpuinfo.
    pub linux_hidden: bool,
    /// Ids of features that must be there for this one.
    pub requires: &'static [&'static str],
    /// The same by Xen's table (gen-cpuid.py).
    pub requires_xen: &'static [&'static str],
    /// What a pool of hosts offers.
    pub combine: Option<Combine>,
    /// A set bit tells that something is gone.
    pub absence: bool,
    /// Whether a guest with it can move.
    pub migratable: Option<Migratable>,
    /// Xen's annotation (cpufeatureset.h).
    pub xen_attr: &'static str,
    /// What it is, in our own words.
    pub description: &'static str,
    /// Document the row follows.
    pub source: &'static str,
}

impl Field {
    /// Its bit, when it is one bit wide and in one subleaf.
    #[must_use]
    pub const fn bit(&self) -> Option<Bit> {
        if self.low != self.high || self.subleaves.0 != self.subleaves.1 {
            return None;
        }
        Some(self.word(Subleaf(self.subleaves.0)).bit(self.low))
    }

    /// The word it stands in, of a subleaf.
    #[must_use]
    pub const fn word(&self, subleaf: Subleaf) -> Word {
        Word {
            place: self.place,
            subleaf,
            register: self.register,
        }
    }

    /// Preferred name in a dialect.
    #[must_use]
    pub fn name(&self, dialect: Dialect) -> Option<&'static str> {
        self.names(dialect).first().copied()
    }

    /// All names in a dialect.
    #[must_use]
    pub fn names(&self, dialect: Dialect) -> &'static [&'static str] {
        self.names.get(dialect.index()).copied().unwrap_or_default()
    }

    /// Its value in a register.
    #[must_use]
    pub const fn value(&self, register: u32) -> u32 {
        (register & self.mask()) >> (self.low & 31)
    }

    /// Its bits as a mask of the register.
    #[must_use]
    pub const fn mask(&self) -> u32 {
        let width = self.high.saturating_sub(self.low) & 31;
        (u32::MAX >> (31 - width)) << (self.low & 31)
    }
}

mod table {
    //! Written by `build.rs`.
    use super::{Combine, Encoding, Field, Kind, Migratable, Place, Vendors};
    use crate::bits::Register;
    include!(concat!(env!("OUT_DIR"), "/fields.rs"));
}

/// The built-in rows with those of a user.
#[derive(Clone, Debug, Default)]
pub struct Database {
    extra: Vec<&'static Field>,
}

impl Database {
    /// The built-in rows.
    #[must_use]
    pub const fn builtin() -> Self {
        Self { extra: Vec::new() }
    }

    /// Adds the rows of a table in the format of [`row`]; they live as long as the process.
    ///
    /// A row may stand where a built-in one stands: [`Database::of_bit`] says which is taken. It may
    /// require built-in rows and rows above it. Rows that cannot be read, whose id is taken or that
    /// require what is not there are damage and left out.
    #[must_use]
    pub fn with_rows(mut self, text: &str) -> Decoded<Self> {
        let mut damage = DamageLog::default();
        for (line, row) in crate::formats::numbered_lines(text) {
            if row.is_empty() || row.starts_with('#') || row.starts_with("leaf\t") {
                continue;
            }
            let row = match Row::read(row) {
                Ok(row) => row,
                Err(error) => {
                    damage.note(line, "a row of the table of CPUID fields", &error);
                    continue;
                }
            };
            let mut required = row.requires.iter().chain(&row.requires_xen);
            if self.by_id(&row.id).is_some() {
                damage.note(line, "an id not taken yet", &row.id);
            } else if let Some(id) = required.find(|id| self.by_id(id).is_none()) {
                damage.note(line, "ids of built-in rows or of rows above as what is required", id);
            } else {
                self.extra.push(Box::leak(Box::new(Field::from(row))));
            }
        }
        Decoded {
            value: self,
            damage: damage.finish(),
        }
    }

    /// Every row: the built-in ones by place, subleaf, register and bit, then the user's.
    pub fn fields(&self) -> impl Iterator<Item = &'static Field> {
        table::FIELDS.iter().chain(self.extra.iter().copied())
    }

    /// Rows of one register for a vendor, by bit; a user's rows last.
    pub fn of_word(&self, word: Word, vendors: Vendors) -> impl Iterator<Item = &'static Field> {
        let start = table::FIELDS.partition_point(|field| field.place < word.place);
        let built_in = table::FIELDS
            .iter()
            .skip(start)
            .take_while(move |field| field.place == word.place);
        built_in.chain(self.extra.iter().copied()).filter(move |field| {
            let (first, last) = field.subleaves;
            field.place == word.place
                && field.register == word.register
                && (first..=last).contains(&word.subleaf.0)
                && field.vendors.overlaps(vendors)
        })
    }

    /// The row that covers a bit for a vendor: any rather than a reserved one, then the narrowest; of two
    /// as wide, one of the user rather than a built-in one.
    #[must_use]
    pub fn of_bit(&self, bit: Bit, vendors: Vendors) -> Option<&'static Field> {
        self.of_word(bit.word, vendors)
            .filter(|field| (field.low..=field.high).contains(&bit.number))
            .enumerate()
            .min_by_key(|(at, field)| {
                let width = field.high.saturating_sub(field.low);
                (field.kind == Kind::Reserved, width, Reverse(*at))
            })
            .map(|(_, field)| field)
    }

    /// Row by our own name.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<&'static Field> {
        let built_in = table::IDS.binary_search_by_key(&id, |&(known, _)| known).ok();
        built_in
            .and_then(|at| table::IDS.get(at))
            .and_then(|&(_, index)| table::FIELDS.get(usize::from(index)))
            .or_else(|| self.extra.iter().copied().find(|field| field.id == id))
    }

    /// Rows that a dialect calls by a name: none, one, or several when the name is ambiguous.
    /// Libxl knows Xen's names too. Spelled as the dialect does: no case folding.
    #[must_use]
    pub fn lookup(&self, dialect: Dialect, name: &str) -> Vec<&'static Field> {
        let mut found = self.lookup_exact(dialect, name);
        if found.is_empty() && dialect == Dialect::Libxl {
            found = self.lookup_exact(Dialect::Xen, name);
        }
        found
    }

    fn lookup_exact(&self, dialect: Dialect, name: &str) -> Vec<&'static Field> {
        let names = table::NAMES.get(dialect.index()).copied().unwrap_or_default();
        let start = names.partition_point(|&(known, _)| known < name);
        names
            .iter()
            .skip(start)
            .take_while(|&&(known, _)| known == name)
            .filter_map(|&(_, index)| table::FIELDS.get(usize::from(index)))
            .chain(
                self.extra
                    .iter()
                    .copied()
                    .filter(|field| field.names(dialect).contains(&name)),
            )
            .collect()
    }
}

impl Vendors {
    /// The bit of a vendor.
    #[must_use]
    pub const fn of(vendor: Vendor) -> Self {
        Self(match vendor {
            Vendor::Intel => 1,
            Vendor::Amd => 1 << 1,
            Vendor::Hygon => 1 << 2,
            Vendor::Zhaoxin => 1 << 3,
            Vendor::Centaur => 1 << 4,
            Vendor::Transmeta => 1 << 5,
            Vendor::Other => 1 << 6,
        })
    }
}

impl From<Row> for Field {
    fn from(row: Row) -> Self {
        fn text(text: String) -> &'static str {
            Box::leak(text.into_boxed_str())
        }
        fn texts(list: Vec<String>) -> &'static [&'static str] {
            Box::leak(list.into_iter().map(text).collect::<Vec<_>>().into_boxed_slice())
        }
        Self {
            place: row.place,
            subleaves: row.subleaves,
            register: match row.register {
                0 => Register::Eax,
                1 => Register::Ebx,
                2 => Register::Ecx,
                _ => Register::Edx,
            },
            low: row.low,
            high: row.high,
            id: text(row.id),
            kind: row.kind,
            encoding: match row.encoding {
                EncodingText::Plain => Encoding::Plain,
                EncodingText::Hex => Encoding::Hex,
                EncodingText::Ascii => Encoding::Ascii,
                EncodingText::PowerOfTwo => Encoding::PowerOfTwo,
                EncodingText::Ways => Encoding::Ways,
                EncodingText::Scaled(add, multiply, unit) => Encoding::Scaled {
                    add,
                    multiply,
                    unit: text(unit),
                },
                EncodingText::Names(names) => Encoding::Names(Box::leak(
                    names
                        .into_iter()
                        .map(|(value, name)| (value, text(name)))
                        .collect::<Vec<_>>()
                        .into_boxed_slice(),
                )),
            },
            vendors: row.vendors,
            names: row.names.map(texts),
            linux_hidden: row.linux_hidden,
            requires: texts(row.requires),
            requires_xen: texts(row.requires_xen),
            combine: row.combine,
            absence: row.absence,
            migratable: row.migratable,
            xen_attr: text(row.xen_attr),
            description: text(row.description),
            source: text(row.source),
        }
    }
}
