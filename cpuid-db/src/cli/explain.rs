//! `delid cpuid explain` and `find`: what bits mean, and which bit a name stands for.

use std::io::Write;

use clap::Parser;

use super::{Context, Error, configuration};
use crate::dialect::Dialect;
use crate::explain::{self, Question, TextOptions};
use crate::find;

/// `delid cpuid explain`.
#[derive(Clone, Debug, Parser)]
pub struct Explain {
    /// 1.ecx=0x1fbae3ff, 7.0.ebx, 7.0.ebx[5], msr10a.eax, or the words of a Xen featureset, 0x…:0x….
    #[arg(required = true, value_name = "WORD")]
    pub words: Vec<String>,
    /// Names: linux, qemu, libvirt, xen, libxl, sdm or apm; our own without.
    #[arg(long, value_name = "DIALECT", value_parser = dialect)]
    pub names: Option<Dialect>,
    /// Also draw lines to the bits that are clear.
    #[arg(long)]
    pub clear: bool,
    /// The diagram alone.
    #[arg(long)]
    pub brief: bool,
    /// Columns.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub width: usize,
    /// ASCII only.
    #[arg(long)]
    pub ascii: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `delid cpuid find`.
#[derive(Clone, Debug, Parser)]
pub struct Find {
    /// Name of a feature in any dialect, or words of its description.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Names of this dialect only.
    #[arg(long, value_name = "DIALECT", value_parser = dialect)]
    pub of: Option<Dialect>,
    /// How many to print of what comes only near.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

fn dialect(name: &str) -> Result<Dialect, String> {
    Dialect::read(name).ok_or_else(|| format!("expected {}", Dialect::ALL.map(Dialect::name).join(", ")))
}

impl Explain {
    pub(super) fn run(&self, context: &Context, out: &mut dyn Write) -> Result<u8, Error> {
        let question = Question {
            dialect: self.names,
            ..Question::default()
        };
        let mut explained = Vec::new();
        for text in &self.words {
            let asked = explain::parse(text).map_err(|fault| configuration::refused("argument", text, &[fault]))?;
            explained.extend(
                asked
                    .iter()
                    .map(|asked| explain::explain(&context.database, asked, &question)),
            );
        }
        if self.json {
            super::json(out, &explained)?;
            return Ok(0);
        }
        let options = TextOptions {
            width: self.width,
            clear: self.clear,
            details: !self.brief,
            ascii: self.ascii,
        };
        let mut text = String::new();
        for (number, word) in explained.iter().enumerate() {
            if number > 0 {
                text.push('\n');
            }
            // Writing to a string does not fail.
            let _ = explain::write_text(word, &options, &mut text);
        }
        out.write_all(text.as_bytes())?;
        Ok(0)
    }
}

impl Find {
    pub(super) fn run(&self, context: &Context, out: &mut dyn Write) -> Result<u8, Error> {
        let found = find::find(&context.database, &self.name, self.of);
        if self.json {
            super::json(out, &found)?;
        } else {
            let mut text = String::new();
            let _ = find::write_text(&self.name, &found, self.limit, &mut text);
            out.write_all(text.as_bytes())?;
        }
        Ok(u8::from(found.is_empty()))
    }
}
