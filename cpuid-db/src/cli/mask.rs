//! `delid cpuid mask`: a policy as masks of registers for xl and for Xen's command line, and back.

use std::io::Write;

use clap::{Parser, ValueEnum};
use schemars::JsonSchema;
use serde::Serialize;

use super::phrase::{print_features, wrapped};
use super::{Context, Error, configuration, hosts};
use crate::bits::{Word, Words};
use crate::convert::{self, Language};
use crate::database::Vendors;
use crate::dialect::Dialect;
use crate::features::{self, Naming};
use crate::xen::{self, mask};

/// How masks are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// A word and its mask a line
    Words,
    /// The list of lines that xl.cfg's cpuid= takes
    Xend,
    /// The string that xl.cfg's cpuid= takes
    Xl,
    /// Options of Xen's command line: they mask the whole host
    Xen,
}

/// `delid cpuid mask`.
#[derive(Clone, Debug, Parser)]
pub struct Mask {
    /// The policy: a configuration in any language, or a dump. With --back: a cpuid= or a command line.
    #[arg(value_name = "POLICY")]
    pub policy: String,
    /// How to write the masks.
    #[arg(long, value_enum, default_value = "words")]
    pub to: Form,
    /// The other way: from masks to the features they leave.
    #[arg(long)]
    pub back: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// One mask.
#[derive(JsonSchema, Serialize)]
pub(super) struct Line {
    word: Word,
    mask: String,
    /// Features it clears.
    cleared: Vec<String>,
}

impl Mask {
    pub(super) fn run(&self, context: &Context, out: &mut dyn Write) -> Result<u8, Error> {
        let database = &context.database;
        let (name, text) = configuration::text(&self.policy)?;
        let naming = Naming(Some(Dialect::Xen));
        if self.back {
            let masks = read_masks(context, &name, &text)?;
            let groups = features::of_words(database, &mask::policy(database, &masks), Vendors::ANY, naming);
            if self.json {
                super::json(out, &groups)?;
            } else {
                print_features(&groups, 100, out)?;
            }
            return Ok(0);
        }
        let masks = mask::masks(database, &self.words(context, &name, &text)?);
        if self.json || self.to == Form::Words {
            let known = mask::policy(database, &[]);
            let lines: Vec<Line> = masks
                .iter()
                .map(|&(word, mask)| {
                    let cleared = Words::from_iter([(word, known.get(word) & !mask)]);
                    Line {
                        word,
                        mask: format!("0x{mask:08x}"),
                        cleared: cleared
                            .bits()
                            .map(|bit| naming.of_bit(database, bit, Vendors::ANY))
                            .collect(),
                    }
                })
                .collect();
            if self.json {
                super::json(out, &lines)?;
                return Ok(0);
            }
            for line in lines {
                let label = format!("{:<16} {}  clears ", line.word.to_string(), line.mask);
                let names: Vec<&str> = line.cleared.iter().map(String::as_str).collect();
                writeln!(out, "{label}{}", wrapped(&names, &" ".repeat(label.len()), 110))?;
            }
            return Ok(0);
        }
        let guest = mask::guest(database, &masks);
        let (written, faults) = match self.to {
            Form::Xl => xen::write_string(database, &guest),
            Form::Xend => xen::write_list(database, &guest),
            Form::Xen | Form::Words => mask::command_line(&masks),
        };
        writeln!(out, "{written}")?;
        for fault in &faults {
            eprintln!("left out: {}: {}", fault.what, fault.message);
        }
        Ok(u8::from(!faults.is_empty()))
    }

    /// Features of the policy.
    fn words(&self, context: &Context, name: &str, text: &str) -> Result<Words, Error> {
        let database = &context.database;
        if name != "argument" && crate::formats::detect(text).is_some() {
            let (inputs, notes) = hosts::read(database, &[self.policy.clone().into()])?;
            hosts::warn(&notes);
            return Ok(inputs
                .first()
                .map(|input| input.host.words().clone())
                .unwrap_or_default());
        }
        let guest = configuration::read(database, None, name, text)?;
        if guest.host_based {
            // What it does not speak of stays.
            let mut words = mask::policy(database, &[]);
            for (&bit, setting) in &guest.bits {
                if let Some(on) = setting.value() {
                    words.set(bit, on);
                }
            }
            return Ok(words);
        }
        Ok(guest.words())
    }
}

fn read_masks(context: &Context, name: &str, text: &str) -> Result<Vec<(Word, u32)>, Error> {
    let (masks, faults) = if text.contains("cpuid_mask_") || text.contains("cpuid-mask-") {
        mask::read_command_line(text)
    } else {
        let language = Language::of(text);
        let guest = convert::read(&context.database, language, text)
            .map_err(|faults| configuration::refused(name, text, &faults))?;
        let mut masks: Vec<(Word, u32)> = Vec::new();
        for (bit, _) in guest.bits.iter().filter(|(_, setting)| setting.value() == Some(false)) {
            let cleared = !(1_u32 << (bit.number & 31));
            match masks.iter_mut().find(|(word, _)| *word == bit.word) {
                Some((_, mask)) => *mask &= cleared,
                None => masks.push((bit.word, cleared)),
            }
        }
        (masks, Vec::new())
    };
    if faults.is_empty() {
        Ok(masks)
    } else {
        Err(configuration::refused(name, text, &faults))
    }
}
