//! Hosts of a pool: dumps of any format, and libvirt's definitions of hosts.

use std::path::{Path, PathBuf};

use super::Error;
use super::input::{self, damage_note};
use crate::database::Database;
use crate::formats::detect;
use crate::identity::Vendor;
use crate::libvirt::{self, Choice, CpuData, LibvirtCpu, Map, ReadAs};
use crate::policy::{self, Host};

/// One host, as each of the semantics wants it.
pub(super) struct Input {
    /// For the strict rules and for Xen's.
    pub host: Host,
    /// libvirt's definition; why there is none otherwise.
    pub definition: Result<LibvirtCpu, String>,
}

/// Reads every host of every file. Notes tell of what could not be read.
pub(super) fn read(database: &Database, paths: &[PathBuf]) -> Result<(Vec<Input>, Vec<String>), Error> {
    let map = Map::new(database);
    let mut hosts = Vec::new();
    let mut notes = Vec::new();
    for path in paths {
        match definitions(path)? {
            Some((text, name)) => hosts.extend(of_definitions(database, &map, &text, &name)?),
            None => {
                let dump = input::host(path)?;
                let name = short_name(path);
                if let Some(note) = damage_note(&dump.damage) {
                    notes.push(format!("{name}: {note}"));
                }
                let host = Host::of(database, &name, &dump.set).ok_or(Error::NoRow { origin: dump.origin })?;
                let data = CpuData::of(&map, &host.cpu);
                let definition = libvirt::decode(&map, &data, &Choice::any(libvirt::Kind::Host));
                let definition = definition.map_err(|fault| fault.message);
                hosts.push(Input { host, definition });
            }
        }
    }
    Ok((hosts, notes))
}

/// Says on standard error what could not be read, and whether there was something.
pub(super) fn warn(notes: &[String]) -> bool {
    for note in notes {
        eprintln!("{note}");
    }
    !notes.is_empty()
}

/// The text of a file with `<cpu>` elements, which is no dump.
fn definitions(path: &Path) -> Result<Option<(String, String)>, Error> {
    let Ok(file) = std::fs::metadata(path) else {
        return Ok(None);
    };
    if !file.is_file() || file.len() > input::PLAIN {
        return Ok(None);
    }
    let bytes = std::fs::read(path).map_err(|source| Error::Read {
        path: path.display().to_string(),
        source,
    })?;
    let Ok(text) = String::from_utf8(bytes) else {
        return Ok(None);
    };
    let is_definition = text.trim_start().starts_with('<') && text.contains("<cpu") && detect(&text).is_none();
    Ok(is_definition.then(|| (text, short_name(path))))
}

fn of_definitions(database: &Database, map: &Map, text: &str, name: &str) -> Result<Vec<Input>, Error> {
    let refused = |fault: crate::guest::Fault| Error::Refused {
        what: name.to_owned(),
        message: fault.message,
    };
    let cpus = libvirt::read(text, ReadAs::Either).into_result().map_err(refused)?;
    let many = cpus.len() > 1;
    let mut hosts = Vec::new();
    for (index, cpu) in cpus.into_iter().enumerate() {
        let name = if many {
            format!("{name}[{index}]")
        } else {
            name.to_owned()
        };
        let mut leaves = policy::to_leaves(&map.words(cpu.features(map).map_err(refused)?));
        leaves.partial = true;
        let mut host = Host::of_cpu(database, &name, &leaves).ok_or(Error::NoRow { origin: name })?;
        let model = cpu.model.as_deref().and_then(|name| map.model(name));
        let vendor = cpu.vendor.as_deref().and_then(|name| map.vendor(name));
        if let Some(vendor) = vendor.or_else(|| model.and_then(libvirt::Model::vendor)) {
            host.vendor = Vendor::of(vendor.string, None);
            host.vendor_name = Some(vendor.string.to_owned());
        }
        hosts.push(Input {
            host,
            definition: Ok(cpu),
        });
    }
    Ok(hosts)
}

/// A file's name without what only says how it is stored.
fn short_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let mut name = name.as_ref();
    for ending in [".zst", ".gz", ".xz", ".bz2", ".txt", ".xml", ".json"] {
        name = name.strip_suffix(ending).unwrap_or(name);
    }
    name.to_owned()
}
