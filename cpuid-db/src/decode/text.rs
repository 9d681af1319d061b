//! A decoded dump as text: a line for each field.
//!
//! A 64-CPU dump has tens of thousands of lines, most of them the same on every CPU: the constant
//! parts of the lines of a leaf are made once, and a row with the same registers is written again as
//! it was before.

use std::collections::HashMap;
use std::io;

use super::layout::Layout;
use super::{Context, notes, rows};
use crate::bits::Place;
use crate::database::Database;
use crate::identity::Identity;
use crate::leaf::{Registers, Subleaf};
use crate::leafset::{CpuLeaves, LeafSet};

/// Most bytes of rendered rows kept to be written again.
const KEPT: usize = 4 << 20;

/// What the text shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Fields whose value is 0 too.
    pub zero: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { zero: true }
    }
}

/// Writes every field of every row of every CPU, one a line.
///
/// # Errors
/// What writing to `out` returns.
pub fn write_text(database: &Database, set: &LeafSet, options: Options, out: &mut dyn io::Write) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(1 << 15, out);
    let mut renderer = Renderer::new(database, options);
    if set.cpus().len() < 2 {
        renderer.keep = 0;
    }
    for cpu in set.cpus() {
        renderer.cpu(cpu, &mut out)?;
    }
    io::Write::flush(&mut out)
}

type Key = (Place, Subleaf, Registers, bool);

struct Renderer<'a> {
    database: &'a Database,
    options: Options,
    /// Bytes of rendered rows kept; 0 keeps nothing from one row to the next.
    keep: usize,
    context: Option<Context>,
    layouts: HashMap<(Place, Subleaf, bool), Layout>,
    /// A layout that is done with, for its memory.
    spare: Option<Layout>,
    /// Where the lines of a row stand in `text`.
    done: HashMap<Key, (usize, usize)>,
    text: Vec<u8>,
}

impl<'a> Renderer<'a> {
    fn new(database: &'a Database, options: Options) -> Self {
        Self {
            database,
            options,
            keep: KEPT,
            context: None,
            layouts: HashMap::new(),
            spare: None,
            done: HashMap::new(),
            text: Vec::new(),
        }
    }

    fn cpu(&mut self, cpu: &CpuLeaves, out: &mut dyn io::Write) -> io::Result<()> {
        let context = Context::of(cpu);
        if self.context.as_ref() != Some(&context) {
            self.layouts.clear();
            self.done.clear();
            self.text.clear();
        }
        writeln!(out, "{}", head(cpu))?;
        for (place, subleaf, registers, beyond) in rows(cpu) {
            let key = (place, subleaf, registers, beyond);
            let (start, end) = match self.done.get(&key) {
                Some(&range) => range,
                None => self.row(&context, key),
            };
            out.write_all(self.text.get(start..end).unwrap_or_default())?;
        }
        self.context = Some(context);
        Ok(())
    }

    /// Writes the lines of a row to `text`.
    fn row(&mut self, context: &Context, key: Key) -> (usize, usize) {
        if self.text.len() > self.keep {
            self.text.clear();
            self.done.clear();
            if self.keep == 0 {
                self.spare = self.layouts.drain().map(|(_, layout)| layout).next();
            }
        }
        let (place, subleaf, registers, beyond) = key;
        let (database, spare) = (self.database, &mut self.spare);
        let of = (place, subleaf, beyond);
        let layout = self
            .layouts
            .entry(of)
            .or_insert_with(|| Layout::new(database, context, of, spare.take()));
        let start = self.text.len();
        layout.write_head(&mut self.text, place, registers);
        layout.write_fields(&mut self.text, registers, self.options.zero);
        if !beyond {
            for note in notes::of(context, place, subleaf.0, registers) {
                layout.write_note(&mut self.text, note.name, &note.value);
            }
        }
        let range = (start, self.text.len());
        self.done.insert(key, range);
        range
    }
}

/// `CPU 3: GenuineIntel 06-ad-01, Intel(R) Xeon(R) 658X`.
fn head(cpu: &CpuLeaves) -> String {
    let identity = Identity::of(cpu);
    let signature = identity.signature.map(|signature| signature.to_string());
    let who: Vec<&str> = [identity.vendor_name.as_deref(), signature.as_deref()]
        .into_iter()
        .flatten()
        .collect();
    let mut parts = vec![who.join(" ")];
    parts.extend(identity.brand);
    parts.extend(identity.hypervisor.map(|name| format!("under {name}")));
    if cpu.partial {
        parts.push("tells of some features only".to_owned());
    }
    parts.retain(|part| !part.is_empty());
    match parts.is_empty() {
        true => format!("CPU {}", cpu.number),
        false => format!("CPU {}: {}", cpu.number, parts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::Leaf;

    fn text(cpus: Vec<CpuLeaves>, options: Options) -> String {
        let mut out = Vec::new();
        write_text(&Database::builtin(), &LeafSet::from_iter(cpus), options, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn intel(number: u32) -> CpuLeaves {
        let mut cpu = CpuLeaves::new(number);
        cpu.insert(
            Leaf(0),
            Subleaf(0),
            Registers::new(7, 0x756e_6547, 0x6c65_746e, 0x4965_6e69),
        );
        cpu.insert(Leaf(7), Subleaf(0), Registers::new(0, 0x20, 0, 0));
        cpu
    }

    #[test]
    fn a_field_is_a_line_with_its_place_name_value_and_description() {
        let all = text(vec![intel(0)], Options::default());
        let line = all.lines().find(|line| line.contains(" avx2 ")).unwrap();
        assert!(line.starts_with("  0x00000007 0    ebx[5]      avx2  "), "{line}");
        let columns: Vec<&str> = line.split_whitespace().take(5).collect();
        assert_eq!(columns, ["0x00000007", "0", "ebx[5]", "avx2", "1"]);
        assert!(all.starts_with("CPU 0: GenuineIntel\n0x00000000 0    eax 00000007 ebx 756e6547 "));
    }

    #[test]
    fn the_second_cpu_reads_as_the_first() {
        let both = text(vec![intel(0), intel(1)], Options::default());
        let (first, second) = both.split_once("CPU 1").unwrap();
        assert_eq!(first.strip_prefix("CPU 0"), Some(second));
    }

    #[test]
    fn fields_of_zero_can_be_left_out() {
        let set = text(vec![intel(0)], Options { zero: false });
        assert_eq!(set.lines().filter(|line| line.starts_with("  0x00000007")).count(), 1);
    }

    #[test]
    fn a_bit_nobody_names_is_listed_as_reserved() {
        let row = "0x20000000\t3\tecx\t0\tt_bit\tfeature\t-\tany\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\n";
        let database = Database::builtin().with_rows(row).value;
        let mut cpu = intel(0);
        cpu.insert(Leaf(0x2000_0000), Subleaf(3), Registers::new(5, 0, 1 << 16 | 1, 0));
        cpu.insert_msr(0x10a, 1 << 63);
        let mut out = Vec::new();
        write_text(&database, &LeafSet::from_iter([cpu]), Options::default(), &mut out).unwrap();
        let all = String::from_utf8(out).unwrap();
        let has = |words: &[&str]| {
            all.lines()
                .any(|line| line.split_whitespace().take(words.len()).eq(words.iter().copied()))
        };
        assert!(has(&["0x20000000", "3", "ecx[16]", "reserved", "1"]), "{all}");
        assert!(has(&["0x20000000", "3", "eax[31:0]", "reserved", "0x5"]));
        assert!(has(&["msr", "0x10a", "bit[63]", "reserved", "1"]));
    }
}
