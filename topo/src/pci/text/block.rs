//! The reader proper: gathers the lines of one function and adds it to the listing.

use std::collections::HashMap;

use super::super::function::{Bdf, Function};
use super::bytes::{Line, shown};
use super::record::{self, Record};
use super::rows::{self, Rows};
use super::slot::{self, Start};
use super::{Facts, Listing, attribute, damage, merge, title};
use crate::evidence::{Damage, Decoded};

/// Where the reader stands.
enum State<'a> {
    /// Between functions. The flag: a lost slot line was already reported.
    Outside(bool),
    /// Below a slot line that is broken.
    Skipping,
    /// Below a slot line.
    Inside(Box<Block<'a>>),
}

/// The lines of one function so far.
#[derive(Default)]
struct Block<'a> {
    function: Function,
    facts: Facts,
    rows: Rows,
    record: Option<Record<'a>>,
    start: usize,
    end: usize,
}

pub(super) struct Reader<'a> {
    text: &'a [u8],
    listing: Listing,
    damage: Vec<Damage>,
    places: HashMap<Bdf, usize>,
    spans: Vec<Vec<(usize, usize)>>,
    state: State<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            listing: Listing::default(),
            damage: Vec::new(),
            places: HashMap::new(),
            spans: Vec::new(),
            state: State::Outside(false),
        }
    }

    pub(super) fn finish(mut self) -> Decoded<Listing> {
        self.close();
        Decoded {
            value: self.listing,
            damage: self.damage,
        }
    }

    pub(super) fn line(&mut self, line: &Line<'a>) {
        match line.text.first() {
            _ if line.text.iter().take(9).all(u8::is_ascii_whitespace) && line.text.trim_ascii().is_empty() => {
                self.close();
            }
            Some(b' ' | b'\t') => self.indented(line),
            _ => self.at_margin(line),
        }
    }

    /// A line at the first column: hex row, slot line, record field, or none of ours.
    fn at_margin(&mut self, line: &Line<'a>) {
        if let Some((at, cells)) = rows::row(line.text) {
            match &mut self.state {
                State::Inside(block) => {
                    block.end = line.end;
                    block.rows.add(at, cells, block.function.bdf, line, &mut self.damage);
                }
                State::Outside(_) => self.lost_slot_line(line),
                State::Skipping => {}
            }
        } else if let Some((key, value)) = record::field(line.text) {
            self.record_field(key, value, line);
        } else {
            match slot::start(line.text) {
                Start::Slot { bdf, parent, rest } => self.open(bdf, parent, rest, line),
                Start::Broken => self.broken_slot_line(line),
                Start::Other => self.foreign(line),
            }
        }
    }

    fn open(&mut self, bdf: Bdf, parent: Option<Bdf>, rest: &[u8], line: &Line<'a>) {
        self.close();
        let mut block = Box::new(Block {
            start: line.start,
            end: line.end,
            ..Block::default()
        });
        block.function.bdf = bdf;
        block.function.parent = parent;
        block.facts.line = line.number;
        title::read(rest, &mut block.function, &mut block.facts);
        self.state = State::Inside(block);
    }

    fn broken_slot_line(&mut self, line: &Line<'_>) {
        self.close();
        self.damage.push(damage(
            line.number,
            "slot line",
            "[domain:]bus:device.function in hexadecimal, device up to 1f, function up to 7, and a blank",
            shown(line.text),
        ));
        self.state = State::Skipping;
    }

    fn record_field(&mut self, key: &'a str, value: &'a [u8], line: &Line<'a>) {
        match record::opens(key, value) {
            Some(Some(bdf)) => {
                self.open(bdf, None, b"", line);
                if let State::Inside(block) = &mut self.state {
                    block.record = Some(Record::default());
                }
            }
            Some(None) => self.broken_slot_line(line),
            None => match &mut self.state {
                State::Inside(block) => {
                    block.end = line.end;
                    match &mut block.record {
                        Some(record) => record.take(key, value, &mut block.function, &mut block.facts),
                        None => self.listing.skipped_lines = self.listing.skipped_lines.saturating_add(1),
                    }
                }
                State::Outside(_) => self.lost_slot_line(line),
                State::Skipping => {}
            },
        }
    }

    /// A line at the first column that is nothing we know.
    fn foreign(&mut self, line: &Line<'_>) {
        match &mut self.state {
            State::Inside(block) if rows::looks_meant(line.text) => {
                block.rows.lose();
                block.end = line.end;
                self.damage.push(damage(
                    line.number,
                    format!("hex row of {}", block.function.bdf),
                    "an offset in hexadecimal, a colon, and sixteen bytes",
                    shown(line.text),
                ));
            }
            State::Skipping => {}
            _ => self.listing.skipped_lines = self.listing.skipped_lines.saturating_add(1),
        }
    }

    fn indented(&mut self, line: &Line<'_>) {
        match &mut self.state {
            State::Inside(block) if !attribute::is_tree(line.text) => {
                block.end = line.end;
                let nested = columns(line.text) > 8;
                if let Err(expected) = attribute::read(line.text, nested, &mut block.function, &mut block.facts) {
                    let what = format!("attribute of {}", block.function.bdf);
                    self.damage.push(damage(line.number, what, expected, shown(line.text)));
                }
            }
            State::Skipping => {}
            State::Outside(_) if attribute::is_typical(line.text) => self.lost_slot_line(line),
            _ => self.listing.skipped_lines = self.listing.skipped_lines.saturating_add(1),
        }
    }

    /// Lines of a function without its slot line: told once per gap.
    fn lost_slot_line(&mut self, line: &Line<'_>) {
        self.listing.skipped_lines = self.listing.skipped_lines.saturating_add(1);
        if let State::Outside(told) = &mut self.state
            && !*told
        {
            *told = true;
            self.damage.push(damage(
                line.number,
                "function without a slot line",
                "a slot line before its attributes",
                shown(line.text),
            ));
        }
    }

    /// Ends the current function, if there is one.
    fn close(&mut self) {
        let State::Inside(block) = std::mem::replace(&mut self.state, State::Outside(false)) else {
            return;
        };
        let (start, end) = (block.start, block.end);
        let (function, facts) = block.complete(&mut self.damage);
        let Some(place) = self.places.get(&function.bdf).copied() else {
            self.places.insert(function.bdf, self.listing.functions.len());
            self.spans.push(vec![(start, end)]);
            self.listing.functions.push(function);
            self.listing.facts.push(facts);
            return;
        };
        let known = (self.listing.functions.get_mut(place), self.listing.facts.get_mut(place));
        let (Some(old), Some(old_facts), Some(spans)) = (known.0, known.1, self.spans.get_mut(place)) else {
            return;
        };
        if repeated(self.text, spans, (start, end)) {
            let first = format!("once; first on line {}", old_facts.line);
            let what = format!("function {}", function.bdf);
            self.damage
                .push(damage(facts.line, what, first, "the same lines again"));
            return;
        }
        spans.push((start, end));
        merge::merge((old, old_facts), (function, facts), &mut self.damage);
    }
}

impl Block<'_> {
    /// Function and facts from all lines: registers from the rows, the rest from the text.
    fn complete(self, log: &mut Vec<Damage>) -> (Function, Facts) {
        let Self {
            mut function,
            mut facts,
            rows,
            record,
            ..
        } = self;
        if let Some(record) = record {
            record.finish(&mut function, &mut facts);
        }
        if facts.verbose {
            function.header_type = merge::header_type(&function, &facts);
        }
        if !rows.is_empty() {
            if let Some(length) = rows.odd_length()
                && !rows.ends_damaged()
            {
                let what = format!("hex rows of {}", function.bdf);
                let seen = format!("rows end at 0x{length:x}");
                log.push(damage(facts.line, what, "64, 128, 256 or 4096 bytes", seen));
            }
            let (registers, register_facts) = merge::from_rows(&rows, function.bdf, facts.line);
            merge::merge((&mut function, &mut facts), (registers, register_facts), log);
        }
        (function, facts)
    }
}

/// Whether the lines of `span` stand already in one of `spans`, letter for letter.
fn repeated(text: &[u8], spans: &[(usize, usize)], span: (usize, usize)) -> bool {
    let body = |(start, end): (usize, usize)| text.get(start..end).map(<[u8]>::trim_ascii_end);
    let new = body(span);
    new.is_some() && spans.iter().any(|old| body(*old) == new)
}

/// Width of the indentation with tab stops every eight columns.
fn columns(line: &[u8]) -> usize {
    line.iter()
        .take(32)
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .fold(0_usize, |column, byte| match byte {
            b'\t' => (column | 7).saturating_add(1),
            _ => column.saturating_add(1),
        })
}
