//! `delid cpuid models`: the CPU models of QEMU and libvirt, and which comes nearest to a processor.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use schemars::JsonSchema;
use serde::Serialize;

use super::phrase::{print_features, wrapped};
use super::{Context, Error, hosts};
use crate::bits::Words;
use crate::database::{Database, Vendors};
use crate::dialect::Dialect;
use crate::features::{self, Naming};
use crate::libvirt::Map;
use crate::policy::{self, Host};
use crate::qemu;

/// Columns of lists of names.
const WIDTH: usize = 100;

/// Whose models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Of {
    /// QEMU 10.0
    Qemu,
    /// libvirt 11.3
    Libvirt,
}

/// `delid cpuid models`.
#[derive(Clone, Debug, Parser)]
pub struct Models {
    /// Show this model: who it is and every feature of it.
    #[arg(value_name = "MODEL", conflicts_with = "nearest")]
    pub model: Option<String>,
    /// Rank the models by what lies between them and this dump.
    #[arg(long, value_name = "PATH")]
    pub nearest: Option<PathBuf>,
    /// How many models to rank.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub top: usize,
    /// Whose models.
    #[arg(long, value_enum, default_value = "qemu")]
    pub of: Of,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// A model in a line.
#[derive(JsonSchema, Serialize)]
pub(super) struct Line {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor: Option<String>,
    /// Family, model, stepping; libvirt's models may be of several processors.
    signatures: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// A model with its features.
#[derive(JsonSchema, Serialize)]
pub(super) struct Shown {
    #[serde(flatten)]
    line: Line,
    features: Vec<features::Group>,
}

/// How far a model is from a processor.
#[derive(JsonSchema, Serialize)]
pub(super) struct Near {
    model: String,
    vendor_differs: bool,
    /// Features of the model that the processor lacks.
    missing: Vec<String>,
    /// Features of the processor that the model lacks.
    extra: Vec<String>,
}

impl Models {
    pub(super) fn run(&self, context: &Context, out: &mut dyn Write) -> Result<u8, Error> {
        let database = &context.database;
        if let Some(path) = &self.nearest {
            let (inputs, notes) = hosts::read(database, std::slice::from_ref(path))?;
            let damaged = hosts::warn(&notes);
            let Some(input) = inputs.first() else { return Ok(0) };
            let near = self.nearest(database, &input.host);
            return if self.json {
                super::json(out, &near)
            } else {
                print_near(&near, out).map_err(Error::from)
            }
            .map(|()| u8::from(damaged));
        }
        let lines: Vec<(Line, Words)> = match self.of {
            Of::Qemu => qemu::models().iter().map(of_qemu).collect(),
            Of::Libvirt => of_libvirt(database),
        };
        let Some(name) = &self.model else {
            let lines: Vec<Line> = lines.into_iter().map(|(line, _)| line).collect();
            if self.json {
                super::json(out, &lines)?;
            } else {
                print_lines(&lines, out)?;
            }
            return Ok(0);
        };
        let canonical = qemu::resolve(name).filter(|_| self.of == Of::Qemu).unwrap_or(name);
        let found = lines.into_iter().find(|(line, _)| line.name == canonical);
        let Some((line, words)) = found else {
            return Err(Error::Refused {
                what: name.clone(),
                message: format!("no such model; delid cpuid models --of {} lists all", self.of.name()),
            });
        };
        let naming = Naming(Some(self.of.dialect()));
        let features = features::of_words(database, &words, Vendors::ANY, naming);
        let shown = Shown { line, features };
        if self.json {
            super::json(out, &shown)?;
        } else {
            print_lines(std::slice::from_ref(&shown.line), out)?;
            print_features(&shown.features, WIDTH, out)?;
        }
        Ok(0)
    }

    fn nearest(&self, database: &Database, host: &Host) -> Vec<Near> {
        let vendors = Vendors::of(host.vendor);
        let naming = Naming(Some(self.of.dialect()));
        let names = |bits: &[crate::Bit]| bits.iter().map(|&bit| naming.of_bit(database, bit, vendors)).collect();
        let vendor = host.vendor_name.as_deref();
        match self.of {
            Of::Qemu => qemu::nearest(database, host.words(), vendor)
                .into_iter()
                .take(self.top)
                .map(|near| Near {
                    model: near.model.name.to_owned(),
                    vendor_differs: vendor.is_some_and(|vendor| vendor != near.model.vendor),
                    missing: names(&near.missing),
                    extra: names(&near.extra),
                })
                .collect(),
            Of::Libvirt => {
                let map = Map::new(database);
                let known: Words = map.features().map(|feature| feature.bit).collect();
                let candidates = map
                    .models()
                    .iter()
                    .filter(|model| {
                        model
                            .vendor()
                            .is_none_or(|of| vendor.is_none_or(|vendor| vendor == of.string))
                    })
                    .map(|model| (model.name.to_owned(), map.words(model.features)));
                policy::nearest(host.words(), candidates, &known)
                    .into_iter()
                    .take(self.top)
                    .map(|near| Near {
                        model: near.name,
                        vendor_differs: false,
                        missing: names(&near.missing),
                        extra: names(&near.extra),
                    })
                    .collect()
            }
        }
    }
}

impl Of {
    const fn name(self) -> &'static str {
        match self {
            Self::Qemu => "qemu",
            Self::Libvirt => "libvirt",
        }
    }

    const fn dialect(self) -> Dialect {
        match self {
            Self::Qemu => Dialect::Qemu,
            Self::Libvirt => Dialect::Libvirt,
        }
    }
}

fn of_qemu(model: &'static qemu::Model) -> (Line, Words) {
    let mut note: Vec<&str> = model.note.into_iter().collect();
    if model.deprecated {
        note.push("deprecated");
    }
    let line = Line {
        name: model.name.to_owned(),
        alias: model.alias.map(str::to_owned),
        vendor: Some(model.vendor.to_owned()),
        signatures: vec![format!(
            "{:02x}-{:02x}-{:02x}",
            model.family, model.model_number, model.stepping
        )],
        note: Some(note.join(", ")).filter(|note| !note.is_empty()),
    };
    (line, model.definition())
}

fn of_libvirt(database: &Database) -> Vec<(Line, Words)> {
    let map = Map::new(database);
    let models = map.models().iter();
    models
        .map(|model| {
            let use_of = match (model.decode_host, model.decode_guest) {
                (true, true) => None,
                (true, false) => Some("not chosen for guests"),
                (false, true) => Some("not chosen for hosts"),
                (false, false) => Some("never chosen"),
            };
            let signatures = model.signatures.iter();
            let line = Line {
                name: model.name.to_owned(),
                alias: model
                    .canonical
                    .and_then(|place| map.models().get(place))
                    .map(|canonical| canonical.name.to_owned()),
                vendor: model.vendor().map(|vendor| vendor.name.to_owned()),
                signatures: signatures
                    .map(|signature| format!("{:02x}-{:02x}", signature.family, signature.model))
                    .collect(),
                note: use_of.map(str::to_owned),
            };
            (line, map.words(model.features))
        })
        .collect()
}

fn print_lines(lines: &[Line], out: &mut dyn Write) -> io::Result<()> {
    for line in lines {
        writeln!(
            out,
            "{:<28} {:<22} {:<13} {:<24} {}",
            line.name,
            line.alias.as_deref().unwrap_or(""),
            line.vendor.as_deref().unwrap_or("-"),
            line.signatures.join(" "),
            line.note.as_deref().unwrap_or("")
        )?;
    }
    Ok(())
}

fn print_near(near: &[Near], out: &mut dyn Write) -> io::Result<()> {
    for near in near {
        let vendor = if near.vendor_differs { ", of another vendor" } else { "" };
        writeln!(
            out,
            "{}: {} missing, {} extra{vendor}",
            near.model,
            near.missing.len(),
            near.extra.len()
        )?;
        for (label, names) in [("missing", &near.missing), ("extra", &near.extra)] {
            if !names.is_empty() {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                writeln!(out, "  {label:<8} {}", wrapped(&names, "           ", WIDTH))?;
            }
        }
    }
    Ok(())
}
