//! Our own JSON of a dump, `delid.cpuid/1`.
//!
//! ```text
//! {"format": "delid.cpuid/1", "cpus": [
//!  {"number": 0, "rows": [
//!   {"leaf": "0x00000001", "subleaf": 0, "eax": "0x000a0671", "ebx": "0x00020800", "ecx": "0xfffa3203", "edx": "0x1f8bfbff"}
//!  ], "msrs": [
//!   {"index": "0x0000010a", "value": "0x0000000000000001"}
//!  ]}
//! ]}
//! ```
//! Numbers may be JSON numbers or text. A CPU of which only some features are known has `"partial": true`.

use serde::Deserialize;

use super::builder::Builder;
use super::json_text::{Number, line_of_text, read_whole};
use super::scan::{number as scan_number, numbered_lines};
use crate::damage::{DamageLog, Decoded};
use crate::leaf::{Leaf, Registers, Subleaf};
use crate::leafset::LeafSet;

/// What `format` says.
pub const FORMAT: &str = "delid.cpuid/1";

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    cpus: Vec<Cpu>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cpu {
    number: Number,
    partial: bool,
    rows: Vec<Row>,
    msrs: Vec<Msr>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Row {
    leaf: Number,
    subleaf: Option<Number>,
    eax: Number,
    ebx: Number,
    ecx: Number,
    edx: Number,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Msr {
    index: Number,
    value: Number,
}

/// Whether a trimmed line belongs to this format and no other.
pub(crate) fn is_row(line: &str) -> bool {
    line.contains("\"delid.cpuid/")
}

/// Reads the text. When it is no JSON as a whole, its lines are read one by one, as they are written.
#[must_use]
pub fn parse(text: &str) -> Decoded<LeafSet> {
    let mut reader = Reader {
        text,
        builder: Builder::default(),
    };
    let mut log = DamageLog::default();
    let file: Option<File> = read_whole(text, &mut log);
    for damage in log.finish() {
        reader.builder.damaged(damage.line, &damage.expected, &damage.seen);
    }
    match file {
        Some(file) => file.cpus.into_iter().for_each(|cpu| reader.cpu(cpu)),
        None => reader.lines(),
    }
    reader.builder.finish()
}

struct Reader<'a> {
    text: &'a str,
    builder: Builder,
}

impl Reader<'_> {
    fn cpu(&mut self, cpu: Cpu) {
        match cpu.number.word() {
            Ok(number) => self.builder.cpu(number),
            Err(seen) => {
                self.damaged(None, "the number of a CPU", &seen);
                self.builder.next_cpu();
            }
        }
        for row in cpu.rows {
            self.row(None, &row);
        }
        for msr in cpu.msrs {
            self.msr(None, &msr);
        }
        if cpu.partial {
            self.builder.partial(0);
        }
    }

    fn row(&mut self, line: Option<usize>, row: &Row) {
        match row.values() {
            Ok((leaf, subleaf, registers)) => self.builder.row(line.unwrap_or(0), leaf, subleaf, registers),
            Err(seen) => self.damaged(line, "leaf, subleaf and registers of 32 bits", &seen),
        }
    }

    fn msr(&mut self, line: Option<usize>, msr: &Msr) {
        match msr.values() {
            Ok((index, value)) => self.builder.msr(line.unwrap_or(0), index, value),
            Err(seen) => self.damaged(line, "index and value of an MSR", &seen),
        }
    }

    fn damaged(&mut self, line: Option<usize>, expected: &str, seen: &str) {
        let line = line.unwrap_or_else(|| line_of_text(self.text, seen));
        self.builder.damaged(line, expected, seen);
    }

    fn lines(&mut self) {
        for (number, line) in numbered_lines(self.text) {
            if let Some(cpu) = line.strip_prefix("{\"number\": ") {
                let digits = cpu.split([',', '}']).next().unwrap_or_default();
                if let Some(cpu) = scan_number(digits).and_then(|cpu| u32::try_from(cpu).ok()) {
                    self.builder.cpu(cpu);
                    if cpu_is_partial(line) {
                        self.builder.partial(number);
                    }
                }
                continue;
            }
            let object = line.trim_end_matches(',');
            if object.starts_with("{\"leaf\"")
                && let Ok(row) = serde_json::from_str::<Row>(object)
            {
                self.row(Some(number), &row);
            } else if object.starts_with("{\"index\"")
                && let Ok(msr) = serde_json::from_str::<Msr>(object)
            {
                self.msr(Some(number), &msr);
            }
        }
    }
}

fn cpu_is_partial(line: &str) -> bool {
    line.contains("\"partial\": true")
}

impl Msr {
    fn values(&self) -> Result<(u32, u64), String> {
        Ok((self.index.word()?, self.value.wide()?))
    }
}

impl Row {
    fn values(&self) -> Result<(Leaf, Subleaf, Registers), String> {
        let subleaf = match &self.subleaf {
            Some(subleaf) => subleaf.word()?,
            None => 0,
        };
        let registers = Registers::new(self.eax.word()?, self.ebx.word()?, self.ecx.word()?, self.edx.word()?);
        Ok((Leaf(self.leaf.word()?), Subleaf(subleaf), registers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = r#"{"leaf": "0x1", "subleaf": 0, "eax": "0x5", "ebx": 6, "ecx": "7", "edx": "0xffffffff"}"#;

    #[test]
    fn rows_and_msrs_are_read() {
        let text = format!(
            r#"{{"format": "delid.cpuid/1", "cpus": [{{"number": 3, "rows": [{ROW}], "msrs": [{{"index": "0x10a", "value": "0x8000000000000000"}}]}}]}}"#
        );
        assert!(is_row(&text));
        let decoded = parse(&text);
        assert_eq!(decoded.damage, []);
        let cpu = decoded.value.first().unwrap();
        assert_eq!(cpu.number, 3);
        assert_eq!(cpu.row(Leaf(1), Subleaf(0)), Some(Registers::new(5, 6, 7, u32::MAX)));
        assert_eq!(cpu.msr(0x10a), Some(1 << 63));
    }

    #[test]
    fn a_broken_number_is_reported_at_its_line_and_the_rest_is_read() {
        let broken = ROW.replace("0x5", "0x5g");
        let text = format!("{{\"cpus\": [{{\"number\": 0, \"rows\": [\n{ROW},\n{broken}\n]}}]}}");
        let decoded = parse(&text);
        assert_eq!(decoded.damage[0].line, 3);
        assert_eq!(decoded.value.first().unwrap().len(), 1);
    }

    #[test]
    fn of_broken_json_every_whole_line_is_read() {
        let text = format!(
            "{{\"cpus\": [\n{{\"number\": 0, \"rows\": [\n{ROW},\n{{\"leaf\": !!}},\n{}\n]}},\n\
             {{\"number\": 1, \"rows\": [\n{ROW}\n]}}\n]}}",
            ROW.replace("\"0x1\"", "\"0x2\"")
        );
        let decoded = parse(&text);
        assert_eq!(decoded.damage[0].line, 4);
        let rows: Vec<usize> = decoded.value.cpus().iter().map(crate::CpuLeaves::len).collect();
        assert_eq!(rows, [2, 1]);
    }
}
