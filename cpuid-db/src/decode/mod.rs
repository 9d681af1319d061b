//! Every field of every row of a dump, with its value; what no row of the table names is listed as
//! reserved. No set bit of a dump is left out: each is in the value of a field or in a reserved mask.
//!
//! Rows beyond the maximum leaf of their range are shown without names: Intel processors answer
//! those leaves with the data of another one (SDM volume 2A, CPUID).
//!
//! ```
//! use cpuid_db::{CpuLeaves, Database, Leaf, Registers, Subleaf, decode};
//!
//! let mut cpu = CpuLeaves::new(0);
//! cpu.insert(Leaf(1), Subleaf(0), Registers::new(0x0a06d1, 0, 1, 0));
//! cpu.insert(Leaf(0x2000_0000), Subleaf(0), Registers::new(0, 0, 1 << 16, 0));
//! let database = Database::builtin();
//! let rows: Vec<decode::Row> = decode::fields(&database, &cpu).collect();
//! let sse3 = rows[0].values.iter().find(|value| value.field.id == "pni").unwrap();
//! assert_eq!(sse3.raw, 1);
//! assert_eq!(rows[1].reserved, [0, 0, 1 << 16, 0]);
//! ```

mod json;
mod layout;
mod notes;
mod text;
mod titles;
mod value;

use crate::bits::{Place, Register, Word, halves};
use crate::database::{Database, Field, Reading, Vendors};
use crate::identity::{Identity, Signature, Vendor};
use crate::leaf::{Leaf, Registers, Subleaf};
use crate::leafset::CpuLeaves;

pub use json::{CpuDecoded, decoded};
pub use notes::Note;
pub use text::{Options, write_text};
pub use titles::{title, xsave_component};
pub use value::meaning;

/// A field with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// Row of the table.
    pub field: &'static Field,
    /// Its bits, shifted to bit 0.
    pub raw: u32,
}

/// One row of a dump, decoded; of an MSR, EAX is the low half and EDX the high one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Leaf or MSR.
    pub place: Place,
    /// Subleaf.
    pub subleaf: Subleaf,
    /// As the dump has them.
    pub registers: Registers,
    /// The leaf is beyond the maximum of its range: no names are given.
    pub beyond: bool,
    /// What the leaf is about; empty when not known.
    pub title: &'static str,
    /// Fields by register and bit.
    pub values: Vec<Value>,
    /// Set bits of EAX, EBX, ECX, EDX that no field covers.
    pub reserved: [u32; 4],
    /// What several fields say together.
    pub notes: Vec<Note>,
}

/// Every vendor of processors, and no hypervisor.
const PROCESSORS: Vendors = Vendors(0x7f);

/// What of a processor decides how its rows are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// Whose rows of the table apply.
    pub vendors: Vendors,
    /// Vendor.
    pub vendor: Vendor,
    /// Family, model and stepping.
    pub signature: Option<Signature>,
    /// Whose the ranges of hypervisor leaves are, by the first leaf of each.
    hypervisors: Vec<(Leaf, Vendors)>,
}

impl Context {
    /// Context of a processor. A dump without leaf 0 is read by the rows of every vendor.
    #[must_use]
    pub fn of(cpu: &CpuLeaves) -> Self {
        let identity = Identity::of(cpu);
        let vendors = match identity.vendor_name {
            Some(_) => Vendors::of(identity.vendor),
            None => PROCESSORS,
        };
        let hypervisors = cpu
            .rows()
            .filter(|(leaf, subleaf, _)| leaf.0 >> 16 == 0x4000 && leaf.base() == *leaf && subleaf.0 == 0)
            .map(|(base, ..)| (base, Reading::with_vendor(cpu, vendors, base).vendors))
            .collect();
        Self {
            vendors,
            vendor: identity.vendor,
            signature: identity.signature,
            hypervisors,
        }
    }

    /// The leaf whose rows of the table apply, and the rows of whom: hypervisor ranges may stand at
    /// each multiple of 0x100, and each hypervisor gives its leaves a meaning of its own.
    fn known_as(&self, place: Place) -> (Place, Vendors) {
        match place {
            Place::Leaf(leaf) if leaf >> 16 == 0x4000 => {
                let base = Leaf(leaf).base();
                let owner = self.hypervisors.iter().find(|range| range.0 == base);
                let whose = owner.map_or(self.vendors, |range| range.1);
                (Place::Leaf(0x4000_0000 | (leaf & 0xff)), whose)
            }
            _ => (place, self.vendors),
        }
    }

    /// Rows of the table for a register.
    fn fields<'a>(&self, database: &'a Database, word: Word) -> impl Iterator<Item = &'static Field> + use<'a> {
        let (place, vendors) = self.known_as(word.place);
        database.of_word(Word { place, ..word }, vendors)
    }
}

/// Rows of a processor: leaves by number, then MSRs.
fn rows(cpu: &CpuLeaves) -> impl Iterator<Item = (Place, Subleaf, Registers, bool)> {
    let leaves = cpu.rows().map(|(leaf, subleaf, registers)| {
        let beyond = cpu.get(leaf, subleaf).is_none() && !is_old_kvm_range(cpu, leaf);
        (Place::Leaf(leaf.0), subleaf, registers, beyond)
    });
    let msrs = cpu.msrs().map(|(index, value)| {
        let [low, high] = halves(value);
        (Place::Msr(index), Subleaf(0), Registers::new(low, 0, 0, high), false)
    });
    leaves.chain(msrs)
}

/// Early KVM wrote 0 where the maximum of its leaves stands; it means leaf 0x40000001.
fn is_old_kvm_range(cpu: &CpuLeaves, leaf: Leaf) -> bool {
    leaf.0 <= 0x4000_0001
        && leaf.base() == Leaf(0x4000_0000)
        && cpu.row(leaf.base(), Subleaf(0)).is_some_and(|row| row.eax == 0)
        && Vendors::of_cpu(cpu).overlaps(Vendors::KVM)
}

/// Every row of a processor with every field, its MSRs behind its leaves.
pub fn fields<'a>(database: &'a Database, cpu: &'a CpuLeaves) -> impl Iterator<Item = Row> + 'a {
    let context = Context::of(cpu);
    rows(cpu).map(move |(place, subleaf, registers, beyond)| row(database, &context, place, subleaf, registers, beyond))
}

/// One row, decoded.
#[must_use]
pub fn row(
    database: &Database,
    context: &Context,
    place: Place,
    subleaf: Subleaf,
    registers: Registers,
    beyond: bool,
) -> Row {
    let mut values = Vec::new();
    let mut reserved = [0_u32; 4];
    for (register, left) in Register::ALL.into_iter().zip(&mut reserved) {
        let whole = register.of(registers);
        *left = whole;
        if beyond {
            continue;
        }
        let word = Word {
            place,
            subleaf,
            register,
        };
        for field in context.fields(database, word) {
            *left &= !field.mask();
            values.push(Value {
                field,
                raw: field.value(whole),
            });
        }
    }
    Row {
        place,
        subleaf,
        registers,
        beyond,
        title: if beyond { "" } else { title(place, subleaf.0) },
        values,
        reserved,
        notes: if beyond {
            Vec::new()
        } else {
            notes::of(context, place, subleaf.0, registers)
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(rows: &[(u32, u32, [u32; 4])]) -> CpuLeaves {
        let mut cpu = CpuLeaves::new(0);
        for &(leaf, subleaf, [a, b, c, d]) in rows {
            cpu.insert(Leaf(leaf), Subleaf(subleaf), Registers::new(a, b, c, d));
        }
        cpu
    }

    #[test]
    fn a_row_beyond_the_maximum_is_listed_without_names() {
        let cpu = cpu(&[(0, 0, [1, 0, 0, 0]), (7, 0, [0, 0x20, 0, 0])]);
        let rows: Vec<Row> = fields(&Database::builtin(), &cpu).collect();
        assert!(!rows[0].beyond);
        assert!(rows[1].beyond && rows[1].values.is_empty());
        assert_eq!(rows[1].reserved, [0, 0x20, 0, 0]);
    }

    #[test]
    fn msrs_are_rows_behind_the_leaves() {
        let mut cpu = cpu(&[(0, 0, [1, 0, 0, 0])]);
        cpu.insert_msr(0x10a, 1 << 63 | 1);
        let row = fields(&Database::builtin(), &cpu).last().unwrap();
        assert_eq!(row.place, Place::Msr(0x10a));
        let set: Vec<&str> = row.values.iter().filter(|v| v.raw == 1).map(|v| v.field.id).collect();
        assert_eq!(set.first(), Some(&"rdctl_no"));
        assert_eq!(row.reserved[3] | set.len() as u32, 1 << 31 | 1);
    }

    #[test]
    fn hypervisor_leaves_are_read_by_the_rows_of_who_owns_their_range() {
        let kvm = [0x4000_0101, 0x4b4d_564b, 0x564b_4d56, 0x4d];
        let other = [0x4000_0006, 0x7263_694d, 0x666f_736f, 0x7648_2074];
        let cpu = cpu(&[
            (0x4000_0000, 0, other),
            (0x4000_0001, 0, [0x3123_7648, 0, 0, 0]),
            (0x4000_0100, 0, kvm),
            (0x4000_0101, 0, [1, 0, 0, 0]),
        ]);
        let rows: Vec<Row> = fields(&Database::builtin(), &cpu).collect();
        let kvm_rows = |row: &Row| {
            row.values
                .iter()
                .filter(|value| value.field.id.starts_with("kvm"))
                .count()
        };
        assert_eq!(kvm_rows(&rows[1]), 0);
        assert!(kvm_rows(&rows[3]) > 10);
    }
}
