//! One printed value against our decode of the same processor.

use std::collections::HashMap;

use cpuid_db::bits::Place;
use cpuid_db::decode::{self, Row};
use cpuid_db::{CpuLeaves, Database, Register, Signature};

use crate::mapping::MapRow;
use crate::printed::{Line, number};

/// What came of it.
pub enum Outcome {
    Equal,
    /// The table says why.
    NotCompared,
    Differs(String),
}

/// Our decode of a processor.
pub struct Comparison<'a> {
    database: &'a Database,
    rows: HashMap<(u32, u32), Row>,
}

impl<'a> Comparison<'a> {
    pub fn new(database: &'a Database, cpu: &'a CpuLeaves) -> Self {
        let rows = decode::fields(database, cpu)
            .filter_map(|row| match row.place {
                Place::Leaf(leaf) => Some(((leaf, row.subleaf.0), row)),
                Place::Msr(_) => None,
            })
            .collect();
        Self { database, rows }
    }

    /// Compares one line by its row of the mapping.
    pub fn outcome(&self, map: &MapRow, line: &Line) -> Outcome {
        if map.reading == "none" {
            return Outcome::NotCompared;
        }
        if map.reading == "descriptor" {
            let start = format!("{}:", line.value);
            let notes = self.rows.get(&(2, 0)).map(|row| &row.notes);
            return match notes.is_some_and(|notes| notes.iter().any(|note| note.value.starts_with(&start))) {
                true => Outcome::Equal,
                false => Outcome::Differs("no such descriptor".to_owned()),
            };
        }
        // It names the bits of leaves beyond the maximum, where Intel repeats another leaf.
        if map.fields.iter().any(|cell| self.is_beyond(cell)) {
            return Outcome::NotCompared;
        }
        let values: Option<Vec<u32>> = map.fields.iter().map(|cell| self.value(cell, line.subleaf)).collect();
        // It prints some sections without a row to print them from.
        let Some(values) = values else {
            return if number(&line.value).unwrap_or(0) == 0 || line.value.starts_with("none") {
                Outcome::NotCompared
            } else {
                Outcome::Differs("we have no such row or field".to_owned())
            };
        };
        let (ours, theirs) = self.both(map, line, &values);
        if ours == theirs {
            Outcome::Equal
        } else {
            Outcome::Differs(format!("ours {ours}, theirs {theirs}"))
        }
    }

    /// Both values in one spelling.
    fn both(&self, map: &MapRow, line: &Line, values: &[u32]) -> (String, String) {
        let printed = || number(&line.value).map_or_else(|| line.value.clone(), |number| number.to_string());
        let value = values[0];
        let bytes = || {
            values
                .iter()
                .flat_map(|word| word.to_le_bytes())
                .take_while(|&byte| byte != 0)
        };
        match map.reading.as_str() {
            "same" => (value.to_string(), printed()),
            "not" => ((1 - value).to_string(), printed()),
            "+1" => ((u64::from(value) + 1).to_string(), printed()),
            "decoded" => (self.decoded(&map.fields[0], value).to_string(), printed()),
            "/256" => ((value / 256).to_string(), printed()),
            "half" => (format!("{}.{}", value / 2, value % 2 * 5), line.value.clone()),
            "code" => {
                let code = line.value.split([' ', '(', ')']).find(|word| word.starts_with("0x"));
                (
                    format!("{value:#x}"),
                    code.map_or(String::new(), |code| format!("{:#x}", number(code).unwrap())),
                )
            }
            "event" => {
                let count = self.value("pmu_event_count", 0).unwrap_or(0);
                let bit = self.field(&map.fields[0]).low;
                let counted = value == 0 && u32::from(bit) < count;
                (u32::from(counted).to_string(), printed())
            }
            "family" => (Signature(value).family().to_string(), printed()),
            "model" => (Signature(value).model().to_string(), printed()),
            "product" => {
                let product: u64 = map
                    .fields
                    .iter()
                    .zip(values)
                    .map(|(cell, &v)| self.decoded(cell, v))
                    .product();
                (product.to_string(), line.value.split(' ').next().unwrap().to_owned())
            }
            "joined" => {
                let digits: String = values.iter().map(|value| format!("{value:08x}")).collect();
                let theirs = line.value.trim_start_matches("0x").replace('-', "").to_lowercase();
                (digits, theirs)
            }
            "characters" => {
                let ours: String = bytes().map(char::from).collect();
                let theirs = if line.value == "none" {
                    ""
                } else {
                    line.value.trim_matches('"')
                };
                (ours, theirs.to_owned())
            }
            "revision" => {
                let ours = format!("{}.{}-{}.{}-{}", values[0], values[1], values[2], values[3], values[4]);
                (ours, line.value.split(' ').next().unwrap().to_owned())
            }
            "pages" => {
                let ours = u64::from(values[0]) << 12 | u64::from(values[1]) << 32;
                (ours.to_string(), printed())
            }
            "ratio" => (format!("{}/{}", values[0], values[1]), line.value.clone()),
            reading => {
                let pairs = reading
                    .strip_prefix("text ")
                    .unwrap_or_else(|| panic!("reading {reading}"));
                let named = pairs.split(';').find_map(|pair| {
                    let (text, number) = pair.split_once('=')?;
                    (text == line.value).then(|| number.to_owned())
                });
                (value.to_string(), named.unwrap_or_else(printed))
            }
        }
    }

    fn field(&self, cell: &str) -> &'static cpuid_db::Field {
        let id = cell.split(['[', '|']).next().unwrap();
        self.database
            .by_id(id)
            .unwrap_or_else(|| panic!("mapping.tsv: no field {id}"))
    }

    /// A value by its encoding: the number of its meaning.
    fn decoded(&self, cell: &str, raw: u32) -> u64 {
        let words = decode::meaning(self.field(cell), raw).unwrap_or_else(|| raw.to_string());
        number(words.split(' ').next().unwrap()).unwrap()
    }

    /// Whether a cell is of a leaf beyond the maximum.
    fn is_beyond(&self, cell: &str) -> bool {
        let leaf = match cell.split_once('.') {
            Some((leaf, _)) => u32::from_str_radix(leaf, 16).unwrap(),
            None => match self.field(cell).place {
                Place::Leaf(leaf) => leaf,
                Place::Msr(_) => panic!("{cell} is of an MSR"),
            },
        };
        self.rows
            .values()
            .any(|row| row.beyond && row.place == Place::Leaf(leaf))
    }

    /// Value of a cell of the mapping; `None` without the row.
    fn value(&self, cell: &str, subleaf: u32) -> Option<u32> {
        let (name, bit) = match cell.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
            Some((name, bit)) => (name, Some(bit.parse::<u32>().unwrap())),
            None => (cell, None),
        };
        let whole = match name.split('.').collect::<Vec<_>>()[..] {
            [leaf, subleaf, register] => {
                let number = |digits| u32::from_str_radix(digits, 16).unwrap();
                let row = self.rows.get(&(number(leaf), number(subleaf)))?;
                Register::read(register).unwrap().of(row.registers)
            }
            _ => self.of_ids(name, subleaf)?,
        };
        Some(bit.map_or(whole, |bit| whole >> bit & 1))
    }

    /// The value of the id that this vendor's row has. A vendor without such a field has nothing set
    /// there, or the bits are reserved or have another name.
    fn of_ids(&self, ids: &str, subleaf: u32) -> Option<u32> {
        let mut zero = None;
        for id in ids.split('|') {
            let field = self.field(id);
            let Place::Leaf(leaf) = field.place else {
                panic!("{id} is of an MSR")
            };
            let (first, last) = field.subleaves;
            let row = self.rows.get(&(leaf, if first == last { first } else { subleaf }))?;
            if let Some(value) = row.values.iter().find(|value| value.field.id == id) {
                return Some(value.raw);
            }
            let value = field.value(field.register.of(row.registers));
            zero = (value == 0).then_some(0);
        }
        zero
    }
}
