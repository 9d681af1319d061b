//! Where the loader looks: built-in firmware, the initrd, the firmware directory.

use std::sync::Arc;

use super::facts::{Facts, Met, family, model, stepping};
use super::{Early, File, Late, amd, intel, rules};
use crate::cpu::{Cpu, Vendor};
use crate::ids::Signature;
use crate::loader::early_cpio::{self, Mismatch, Why};
use crate::loader::{Candidate, Outcome, Reason, Rule};

/// A file that was read.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Intel updates.
    Intel(Arc<intel::Parsed>),
    /// AMD containers.
    Amd(Arc<amd::Parsed>),
}

/// A file at a place.
#[derive(Clone, Debug)]
pub(super) struct Sheet {
    pub(super) content: Content,
    /// Why the loader does not look at it, if so.
    pub(super) skip: Option<Reason>,
}

/// A place with its files.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) at: String,
    pub(super) reasons: Vec<Reason>,
    pub(super) sheets: Vec<Sheet>,
}

impl Content {
    fn read(cpu: &Cpu, source: &str, bytes: &[u8]) -> Self {
        match cpu.vendor {
            Vendor::Amd => Self::Amd(Arc::new(amd::parse(source, bytes, cpu.signature))),
            _ => Self::Intel(Arc::new(intel::parse(source, bytes))),
        }
    }

    /// Candidates when the loader does not look at the file.
    pub(super) fn not_seen(&self, facts: &Facts, why: &Reason) -> Vec<Candidate> {
        match self {
            Self::Intel(parsed) => parsed.items.iter().map(|item| item.not_seen(facts, why)).collect(),
            Self::Amd(parsed) => amd::not_seen(parsed, facts, why),
        }
    }

    /// Candidates of which it cannot be told whether they are for the CPU.
    pub(super) fn undecided(&self, why: &Reason) -> Vec<Candidate> {
        let list = match self {
            Self::Intel(parsed) => parsed.items.iter().map(|item| item.candidate.clone()).collect(),
            Self::Amd(parsed) => amd::plain(parsed),
        };
        let open = |candidate| Candidate {
            outcome: Outcome::Depends,
            reasons: vec![why.clone()],
            ..candidate
        };
        list.into_iter().map(open).collect()
    }
}

fn because(rule: Rule, detail: impl Into<String>) -> Reason {
    let detail = detail.into();
    Reason { rule, detail }
}

/// Every update of all places, and whether the CPU could be meant.
pub(super) fn met(sources: &[Source], signature: Signature) -> Vec<Met> {
    let sheets = sources.iter().flat_map(|source| &source.sheets);
    let met = sheets.flat_map(|sheet| match &sheet.content {
        Content::Intel(parsed) => {
            let items = parsed.items.iter().map(|item| Met {
                revision: item.candidate.revision,
                minimum: item.minimum,
                is_for: item.is_for_signature(signature),
            });
            items.collect()
        }
        Content::Amd(parsed) => amd::met(parsed, signature),
    });
    met.collect()
}

/// The name under which the kernel asks for the firmware of this CPU.
#[must_use]
pub fn firmware_name(vendor: Vendor, signature: Signature) -> Option<String> {
    let family = family(signature);
    match vendor {
        Vendor::Intel => {
            let (model, stepping) = (model(signature), stepping(signature));
            Some(format!("intel-ucode/{family:02x}-{model:02x}-{stepping:02x}"))
        }
        Vendor::Amd if family < 0x15 => Some("amd-ucode/microcode_amd.bin".to_owned()),
        Vendor::Amd => Some(format!("amd-ucode/microcode_amd_fam{family:02x}h.bin")),
        Vendor::Hygon | Vendor::Other => None,
    }
}

/// The name in the initrd.
#[must_use]
pub fn initrd_path(vendor: Vendor) -> Option<&'static str> {
    match vendor {
        Vendor::Intel => Some("kernel/x86/microcode/GenuineIntel.bin"),
        Vendor::Amd => Some("kernel/x86/microcode/AuthenticAMD.bin"),
        Vendor::Hygon | Vendor::Other => None,
    }
}

/// Built-in firmware, then the initrd.
pub(super) fn early(cpu: &Cpu, setup: &Early<'_>, mut initrd: Source) -> Vec<Source> {
    let name = cpu.signature.and_then(|signature| firmware_name(cpu.vendor, signature));
    let rule = match cpu.vendor {
        Vendor::Amd => rules::BUILT_IN_AMD,
        _ => rules::BUILT_IN_INTEL,
    };
    let Some((name, file)) = name.and_then(|name| built_in(setup.built_in, &name)) else {
        return vec![initrd];
    };
    let at = format!("built-in {name}");
    if setup.is_32_bit {
        let why = because(rules::BUILT_IN_32, name);
        let sheet = sheet(cpu, file, Some(why.clone()));
        let reasons = vec![why];
        return vec![source(at, reasons, vec![sheet]), initrd];
    }
    let why = because(rule, name);
    initrd.reasons.insert(0, why.clone());
    for sheet in &mut initrd.sheets {
        sheet.skip = Some(why.clone());
    }
    let mut reasons = vec![why];
    let mut sheets = Vec::new();
    if file.bytes.is_empty() {
        reasons.push(because(rules::EMPTY, file.name.clone()));
    } else {
        sheets.push(sheet(cpu, file, None));
    }
    vec![source(at, reasons, sheets), initrd]
}

fn built_in<'a>(files: &'a [File], name: &str) -> Option<(String, &'a File)> {
    let file = files.iter().find(|file| file.name == name)?;
    Some((name.to_owned(), file))
}

fn source(at: String, reasons: Vec<Reason>, sheets: Vec<Sheet>) -> Source {
    Source { at, reasons, sheets }
}

fn sheet(cpu: &Cpu, file: &File, skip: Option<Reason>) -> Sheet {
    Sheet {
        content: Content::read(cpu, &file.source, &file.bytes),
        skip,
    }
}

/// The initrd, whether or not the loader gets to it.
pub(super) fn initrd(cpu: &Cpu, setup: &Early<'_>) -> Source {
    let path = initrd_path(cpu.vendor).unwrap_or_default();
    let at = format!("{path} in the initrd");
    let Some(file) = &setup.initrd else {
        return source(at, vec![because(rules::NO_INITRD, "none is given")], Vec::new());
    };
    let search = early_cpio::find_and_go_on(&file.bytes, path);
    let mut reasons = Vec::new();
    let mut sheets = Vec::new();
    for member in &search.members {
        let place = format!("{} at {:#x}", member.name, member.offset);
        let skip = match member.mismatch {
            Some(Mismatch::Name) => continue,
            None if member.data.is_empty() => Some(because(rules::EMPTY, place.clone())),
            None => None,
            Some(Mismatch::NotRegular) => Some(because(rules::INITRD_REGULAR, place.clone())),
            Some(Mismatch::NotFirst) => Some(because(rules::INITRD_FIRST, place.clone())),
            Some(Mismatch::Prefixed | Mismatch::Case) => Some(because(rules::INITRD_PREFIXED, place.clone())),
        };
        reasons.push(match &skip {
            Some(why) => why.clone(),
            None => because(rules::INITRD_NAME, format!("{place}, {} bytes", member.data.len())),
        });
        let bytes = file.bytes.get(member.data.clone()).unwrap_or_default();
        let content = Content::read(cpu, &format!("{}: {}", file.source, member.name), bytes);
        sheets.push(Sheet { content, skip });
    }
    if search.why != Why::Found {
        let detail = format!("at {:#x}: {}", search.end, search.why);
        reasons.push(because(rules::INITRD_END, detail));
    }
    source(at, reasons, sheets)
}

/// The one firmware file that is asked for at run time, and what only looks like it.
pub(super) fn late(cpu: &Cpu, setup: &Late<'_>) -> Vec<Source> {
    let name = cpu.signature.and_then(|signature| firmware_name(cpu.vendor, signature));
    let Some(name) = name else { return Vec::new() };
    let mut reasons = vec![because(rules::late::FILE, name.clone())];
    let mut sheets = Vec::new();
    let mut found = false;
    if let Some((name, file)) = built_in(setup.built_in, &name) {
        reasons.push(because(rules::late::BUILT_IN, name));
        sheets.push(sheet(cpu, file, None));
        found = true;
    }
    for ending in ["", ".zst", ".xz", ".initramfs"] {
        let asked = format!("{name}{ending}");
        let Some(file) = (setup.firmware)(&asked) else { continue };
        let skip = match ending {
            ".initramfs" => Some(because(rules::late::INITRAMFS, asked)),
            _ if found => {
                let rule = if sheets.len() == 1 && !setup.built_in.is_empty() {
                    rules::late::BUILT_IN
                } else {
                    rules::late::COMPRESSED
                };
                Some(because(rule, asked))
            }
            "" => None,
            _ => {
                reasons.push(because(rules::late::COMPRESSED, asked));
                None
            }
        };
        found |= skip.is_none();
        reasons.extend(skip.clone());
        sheets.push(sheet(cpu, &file, skip));
    }
    if !found {
        reasons.push(because(rules::late::FILE, format!("{name} is absent")));
    }
    vec![source(format!("firmware {name}"), reasons, sheets)]
}
