//! Where the dumps of a command come from: this machine, the Xen below it, captures, files of any format.

use std::path::{Path, PathBuf};
use std::{fs, io};

use captures::xen::{Xen, XenError};
use captures::{DocumentKind, Source};
use clap::Args;

use super::Error;
use crate::damage::Damage;
use crate::database::Database;
use crate::formats::{Format, cpuinfo, detect_and_parse, xen_policies};
use crate::leafset::{CpuLeaves, LeafSet};

/// Largest file that is tried as a plain dump before it is opened as a capture, in bytes.
pub(super) const PLAIN: u64 = 64 << 20;

/// ESRCH, Xen's answer for a domain that is not there.
const NO_DOMAIN: i32 = 3;

/// `DOMID_FIRST_RESERVED` of xen.h: from here on numbers have other meanings.
const FIRST_RESERVED: u16 = 0x7ff0;

/// Sources, as commands that show one machine take them.
#[derive(Clone, Debug, Default, Args)]
pub struct Input {
    /// Read a dump or a capture instead of this machine: cpuid -r, kcpuid -r, AIDA64 or InstLatx64,
    /// libcpuid, hwloc-gather-cpuid, libvirt's <cpudata>, xen-cpuid -p, featureset words, Firecracker,
    /// /proc/cpuinfo, delid's JSON; a directory or archive with one; xen for the policies of the Xen below
    /// this system (as root in dom0), xen:DOMID for that of one of its domains. May be given several times.
    #[arg(long, value_name = "PATH")]
    pub from: Vec<PathBuf>,
}

/// One dump, read.
pub(super) struct Dump {
    /// Where it is from.
    pub origin: String,
    /// How it was written.
    pub format: Format,
    /// What it says.
    pub set: LeafSet,
    /// What could not be read.
    pub damage: Vec<Damage>,
    /// What else there is to say.
    pub notes: Vec<String>,
    /// Which of Xen's policies it is.
    pub policy: Option<String>,
}

impl Input {
    /// Reads all sources, those given as plain arguments too; without any, this machine.
    pub(super) fn load(&self, more: &[PathBuf]) -> Result<Vec<Dump>, Error> {
        let paths: Vec<&PathBuf> = self.from.iter().chain(more).collect();
        if paths.is_empty() {
            return of_source(&Source::live());
        }
        let mut dumps = Vec::new();
        for path in paths {
            dumps.extend(of_path(path)?);
        }
        Ok(dumps)
    }
}

impl Dump {
    /// Says on standard error what could not be read, and whether there was something.
    pub(super) fn warn(&self) -> bool {
        let note = damage_note(&self.damage);
        if let Some(note) = &note {
            eprintln!("{}: {note}", self.origin);
        }
        note.is_some()
    }

    /// Leaves one CPU, when one is asked for.
    pub(super) fn choose(&mut self, number: Option<u32>) -> Result<(), Error> {
        let Some(number) = number else { return Ok(()) };
        self.set = self.set.only(number);
        if self.set.is_empty() {
            return Err(Error::NoCpu { number });
        }
        Ok(())
    }
}

/// Every dump of a file or directory. A plain file that begins as a dump needs no capture around it.
pub(super) fn of_path(path: &Path) -> Result<Vec<Dump>, Error> {
    let origin = path.display().to_string();
    if let Some(domain) = live_xen(path)? {
        return of_xen(&origin, domain);
    }
    let plain = fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() <= PLAIN);
    if plain && let Ok(bytes) = fs::read(path) {
        let dumps = of_bytes(&origin, &bytes);
        if !dumps.is_empty() {
            return Ok(dumps);
        }
    }
    of_source(&Source::open(&[path])?)
}

/// Whether the word asks the Xen below this system, and for which domain; an existing path is a path.
fn live_xen(path: &Path) -> Result<Option<Option<u16>>, Error> {
    let Some(word) = path.to_str().filter(|_| fs::symlink_metadata(path).is_err()) else {
        return Ok(None);
    };
    match word.split_once(':') {
        None if word == "xen" => Ok(Some(None)),
        Some(("xen", domain)) => match domain.parse::<u16>() {
            Ok(domain) if domain < FIRST_RESERVED => Ok(Some(Some(domain))),
            _ => Err(Error::Refused {
                what: word.to_owned(),
                message: "expected xen:DOMID, the number of a domain".to_owned(),
            }),
        },
        _ => Ok(None),
    }
}

/// The policies of the Xen below this system, or that of one of its domains.
fn of_xen(origin: &str, domain: Option<u16>) -> Result<Vec<Dump>, Error> {
    let text = Xen::open().and_then(|xen| match domain {
        None => xen.policies(),
        Some(domain) => xen.policy_of(domain),
    });
    let text = text.map_err(|error| Error::Refused {
        what: origin.to_owned(),
        message: match (&error, domain) {
            (XenError::Refused { errno: NO_DOMAIN, .. }, Some(domain)) => format!("no domain has the number {domain}"),
            _ => error.to_string(),
        },
    })?;
    Ok(of_bytes(origin, text.as_bytes()))
}

/// The dump that a host is taken from: the first of its source; of Xen's policies that of the host.
pub(super) fn host(path: &Path) -> Result<Dump, Error> {
    let mut dumps = of_path(path)?;
    let place = path.display().to_string();
    let rank = |dump: &Dump| match dump.policy.as_deref() {
        None | Some("Host") => 0,
        Some("Raw") => 1,
        Some(_) => 2,
    };
    dumps.sort_by_key(rank);
    dumps.into_iter().next().ok_or(Error::NoDump { place })
}

/// The dumps of a text: one, or each of Xen's policies.
fn of_bytes(origin: &str, bytes: &[u8]) -> Vec<Dump> {
    let Some(text) = std::str::from_utf8(bytes).ok() else {
        return Vec::new();
    };
    let Some((format, decoded)) = detect_and_parse(text) else {
        return Vec::new();
    };
    let dump = Dump {
        origin: origin.to_owned(),
        format,
        set: decoded.value,
        damage: decoded.damage,
        notes: Vec::new(),
        policy: None,
    };
    match format {
        Format::XenPolicies => policies(&dump, text),
        Format::Cpuinfo => vec![with_flags(dump, text)],
        _ if dump.set.is_empty() => Vec::new(),
        _ => vec![dump],
    }
}

fn policies(dump: &Dump, text: &str) -> Vec<Dump> {
    let policies = xen_policies::parse(text);
    let one = |(name, cpu): (String, CpuLeaves)| Dump {
        origin: format!("{}: {name} policy", dump.origin),
        format: dump.format,
        set: LeafSet::from_iter([cpu]),
        damage: Vec::new(),
        notes: Vec::new(),
        policy: Some(name),
    };
    let mut dumps: Vec<Dump> = policies.value.into_iter().map(one).collect();
    if let Some(first) = dumps.first_mut() {
        first.damage = policies.damage;
    }
    dumps
}

fn with_flags(mut dump: Dump, text: &str) -> Dump {
    let flags = cpuinfo::read(text).value.unknown_flags;
    if !flags.is_empty() {
        let flags: Vec<String> = flags.into_iter().collect();
        let note = format!("flags of Linux's own, no bits of CPUID: {}", flags.join(" "));
        dump.notes.push(note);
    }
    dump
}

fn of_source(source: &Source) -> Result<Vec<Dump>, Error> {
    let mut dumps = Vec::new();
    // Of the running system its own CPUs are meant; Xen is asked where the word `xen` is given.
    let of_hypervisor = |kind: &DocumentKind| source.is_live() && *kind == DocumentKind::CpuidXenPolicies;
    let kinds = DocumentKind::CPUID.into_iter().filter(|kind| !of_hypervisor(kind));
    for document in kinds.flat_map(|kind| source.documents(kind)) {
        let origin = document.origin.to_string();
        let text = String::from_utf8_lossy(&document.bytes);
        let found = of_bytes(&origin, text.as_bytes());
        if found.is_empty() {
            return Err(Error::NoRow { origin });
        }
        dumps.extend(found);
    }
    if dumps.is_empty() {
        let texts = source.documents(DocumentKind::ProcCpuinfo);
        dumps.extend(texts.flat_map(|document| of_bytes(&document.origin.to_string(), &document.bytes)));
    }
    if dumps.is_empty() {
        let labels = source.layers.iter().map(|layer| layer.origin.label.to_string());
        return Err(Error::NoDump {
            place: labels.collect::<Vec<_>>().join(", "),
        });
    }
    Ok(dumps)
}

/// The table of fields, with the rows of a user's file.
pub(super) fn database(file: Option<&Path>) -> Result<Database, Error> {
    let Some(path) = file else {
        return Ok(Database::builtin());
    };
    let decoded = Database::builtin().with_rows(&text(path)?);
    match decoded.damage.first() {
        None => Ok(decoded.value),
        Some(damage) => Err(Error::Rows {
            path: path.display().to_string(),
            line: damage.line,
            expected: damage.expected.clone(),
            seen: damage.seen.clone(),
        }),
    }
}

/// Text of a file; `-` is standard input.
pub(super) fn text(path: &Path) -> Result<String, Error> {
    let read = if path == Path::new("-") {
        io::read_to_string(io::stdin())
    } else {
        fs::read_to_string(path)
    };
    read.map_err(|source| Error::Read {
        path: path.display().to_string(),
        source,
    })
}

/// What a dump is printed with when lines of it could not be read.
pub(super) fn damage_note(damage: &[Damage]) -> Option<String> {
    let first = damage.first()?;
    let lines = super::phrase::count(damage.len(), "line");
    Some(format!(
        "{lines} not read; line {}: expected {}, seen {}",
        first.line,
        first.expected,
        super::phrase::printable(&first.seen)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xen_is_a_word_unless_a_path_of_that_name_is_there() {
        let asked = |word: &str| live_xen(Path::new(word));
        assert_eq!(asked("xen").unwrap(), Some(None));
        assert_eq!(asked("xen:12").unwrap(), Some(Some(12)));
        assert_eq!(asked("xeno").unwrap(), None);
        assert_eq!(asked("dir/xen").unwrap(), None);
        for word in ["xen:", "xen:x", "xen:-1", "xen:32752", "xen:70000"] {
            let error = asked(word).unwrap_err().to_string();
            assert_eq!(error, format!("{word}: expected xen:DOMID, the number of a domain"));
        }
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("xen:1");
        fs::write(&file, "").unwrap();
        assert_eq!(live_xen(&file).unwrap(), None);
    }

    #[test]
    fn without_xen_its_absence_is_told() {
        match (Xen::open(), of_path(Path::new("xen:0"))) {
            (Ok(_), Ok(dumps)) => assert_eq!(dumps.len(), 1),
            (Err(error), Err(seen)) => assert_eq!(seen.to_string(), format!("xen:0: {error}")),
            (xen, dumps) => panic!("{xen:?}, {}", dumps.is_ok()),
        }
    }
}
