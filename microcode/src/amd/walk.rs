//! A file of containers, section by section.

use std::collections::BTreeMap;

use super::table::{self, Table};
use super::{CONTAINER_HEADER, Container, EQUIVALENCE, EquivalentId, File, MAGIC, PATCH, PATCH_HEADER, Patch};
use super::{ROW, SECTION_HEADER, patch};
use crate::bytes::{size, u32_at};
use crate::damage::Damage;
use crate::ids::Signature;

/// Read a file of containers. A section that cannot be trusted ends its container; reading goes
/// on at the next container.
#[must_use]
pub fn read(bytes: &[u8]) -> File {
    let mut file = File::default();
    let mut names = BTreeMap::new();
    let mut at: usize = 0;
    while at < bytes.len() {
        let count = file.containers.len();
        let end = match container(bytes, at, &mut file) {
            Ok(end) => end,
            Err(broken) => {
                let from = broken.offset.max(at.saturating_add(4));
                file.damage.push(broken);
                next_container(bytes, from).unwrap_or(bytes.len())
            }
        };
        if let Some(container) = file.containers.get(count)
            && let Some(broken) = conflict(container, &mut names)
        {
            file.damage.push(broken);
        }
        at = end.max(at.saturating_add(1));
    }
    file
}

fn next_container(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let magic = MAGIC.to_le_bytes();
    let kind = EQUIVALENCE.to_le_bytes();
    let found = rest
        .windows(8)
        .position(|window| window.starts_with(&magic) && window.ends_with(&kind))?;
    from.checked_add(found)
}

/// A signature that an earlier container gives another id: Xen 4.20 refuses the file on that CPU.
fn conflict(container: &Container, names: &mut BTreeMap<Signature, EquivalentId>) -> Option<Damage> {
    let mut broken = None;
    for (number, row) in container.equivalences.iter().enumerate() {
        let id = *names.entry(row.signature).or_insert(row.id);
        if id != row.id && broken.is_none() {
            let rows = number.saturating_mul(ROW).saturating_add(CONTAINER_HEADER);
            let expected = format!(
                "{} as {id}, as before (else Xen 4.20 refuses the file there)",
                row.signature
            );
            let damage = Damage::new(container.offset.saturating_add(rows), expected, row.id.to_string());
            broken = Some(damage.rule("amd-tables-conflict"));
        }
    }
    broken
}

/// Read one container and give its end.
fn container(bytes: &[u8], start: usize, file: &mut File) -> Result<usize, Damage> {
    let after = |at: usize, more: usize| at.saturating_add(more);
    let table_size = header(bytes, start)?;
    let table_start = after(start, CONTAINER_HEADER);
    let Some(rows) = bytes.get(table_start..after(table_start, table_size)) else {
        let left = bytes.len().saturating_sub(table_start);
        let expected = format!("equivalence table of at most {left} bytes");
        return Err(Damage::new(after(start, 8), expected, table_size.to_string()).rule("amd-table-size"));
    };
    let table = table::read(table_start, rows, &mut file.damage, &mut file.notes);
    let mut patches = Vec::new();
    let mut at = after(table_start, table_size);
    let end = loop {
        if at >= bytes.len() || u32_at(bytes, at) == Some(MAGIC) {
            break Ok(at);
        }
        match section(bytes, at, &table) {
            Ok(patch) => {
                at = after(patch.offset, patch.size);
                patches.push(patch);
            }
            Err(broken) => break Err(broken),
        }
    };
    file.containers.push(Container {
        offset: start,
        size: at.saturating_sub(start),
        table_size,
        equivalences: table.rows,
        behind_end: table.behind_end,
        patches,
    });
    end
}

/// Check the header and give the length of the equivalence table.
fn header(bytes: &[u8], start: usize) -> Result<usize, Damage> {
    let left = bytes.len().saturating_sub(start);
    let at = |more: usize| start.saturating_add(more);
    if u32_at(bytes, start) != Some(MAGIC) {
        let seen = format!("{left} bytes of something else");
        return Err(Damage::new(start, "container or end of file", seen).rule("amd-container-magic"));
    }
    let (Some(kind), Some(length)) = (u32_at(bytes, at(4)), u32_at(bytes, at(8))) else {
        let seen = format!("{left} bytes");
        return Err(Damage::new(start, "container header of 12 bytes", seen).rule("amd-container-header"));
    };
    if kind != EQUIVALENCE {
        let seen = format!("type {kind}");
        return Err(Damage::new(at(4), "equivalence table (type 0)", seen).rule("amd-table-type"));
    }
    Ok(size(length))
}

fn section(bytes: &[u8], at: usize, table: &Table) -> Result<Patch, Damage> {
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.iter().all(|byte| *byte == 0) {
        let seen = format!("{} bytes of zeros", rest.len());
        return Err(Damage::new(at, "patch section, container or end of file", seen).rule("amd-trailing-zeros"));
    }
    let (kind, length) = (u32_at(rest, 0), u32_at(rest, 4).map(size));
    let (Some(kind), Some(length)) = (kind, length) else {
        let seen = format!("{} bytes", rest.len());
        return Err(Damage::new(at, "section header of 8 bytes", seen).rule("amd-section-header"));
    };
    if kind != PATCH {
        let expected = "patch section (type 1), container or end of file";
        return Err(Damage::new(at, expected, format!("type {kind:#x}")).rule("amd-section-type"));
    }
    let start = at.saturating_add(SECTION_HEADER);
    let left = rest.len().saturating_sub(SECTION_HEADER);
    bytes
        .get(start..start.saturating_add(length))
        .and_then(|bytes| patch::at(start, bytes, Some(table)))
        .ok_or_else(|| {
            let expected = format!("patch size from {PATCH_HEADER} to {left}");
            Damage::new(at.saturating_add(4), expected, length.to_string()).rule("amd-section-size")
        })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{container_bytes, patch_bytes, sample};
    use super::*;

    fn rules(file: &File) -> Vec<(&'static str, usize)> {
        file.damage.iter().map(|damage| (damage.rule, damage.offset)).collect()
    }

    #[test]
    fn container_gives_table_and_patches() {
        let file = read(&sample());
        assert!(!file.is_damaged() && file.notes.is_empty(), "{file:?}");
        let container = &file.containers[0];
        assert_eq!((container.size, container.table_size), (sample().len(), 48));
        let [old, zen] = &container.patches[..] else {
            panic!("two")
        };
        assert_eq!(
            (&old.signatures[..], old.checksum_ok),
            (&[Signature(0x10_0f22)][..], Some(true))
        );
        assert_eq!(
            (&zen.signatures[..], zen.checksum_ok),
            (&[Signature(0xa2_0f10)][..], None)
        );
        assert_eq!((zen.size, zen.date.to_string().as_str()), (96, "2011-11-09"));
    }

    #[test]
    fn containers_follow_each_other() {
        let file = read(&[sample(), sample()].concat());
        assert!(!file.is_damaged());
        assert_eq!((file.containers.len(), file.containers[1].offset), (2, sample().len()));
    }

    #[test]
    fn one_signature_with_two_ids_in_two_containers_is_damage_at_the_second_row() {
        let other = container_bytes(
            &[(0x30_0f10, 0x3010), (0x10_0f22, 0x1023)],
            &[patch_bytes(0x1023, 1, &[])],
        );
        let file = read(&[sample(), other].concat());
        assert_eq!(rules(&file), [("amd-tables-conflict", sample().len() + 12 + 16)]);
    }

    #[test]
    fn broken_section_ends_its_container_and_the_next_one_is_read() {
        let mut bytes = sample();
        let section = 12 + 48;
        bytes[section] = 9;
        bytes.extend(sample());
        let file = read(&bytes);
        assert_eq!(rules(&file), [("amd-section-type", section)]);
        let counts: Vec<_> = file
            .containers
            .iter()
            .map(|container| container.patches.len())
            .collect();
        assert_eq!((counts, file.containers[0].size), (vec![0, 2], section));
    }

    #[test]
    fn bytes_behind_the_last_section_are_named_by_what_they_are() {
        let end = sample().len();
        let behind = |more: &[u8]| rules(&read(&[sample(), more.to_vec()].concat()))[0];
        assert_eq!(behind(&[0; 100]), ("amd-trailing-zeros", end));
        assert_eq!(behind(b"x"), ("amd-section-header", end));
        assert_eq!(behind(b"something else"), ("amd-section-type", end));
        assert_eq!(behind(&[1, 0, 0, 0, 63, 0, 0, 0]), ("amd-section-size", end + 4));
    }

    #[test]
    fn broken_headers_are_reported_at_their_field() {
        let with = |at: usize, value: u8| {
            let mut bytes = sample();
            bytes[at] = value;
            rules(&read(&bytes))[0]
        };
        assert_eq!(with(0, 0), ("amd-container-magic", 0));
        assert_eq!(with(4, 1), ("amd-table-type", 4));
        assert_eq!(with(10, 1), ("amd-table-size", 8));
        assert_eq!(rules(&read(&sample()[..11])), [("amd-container-header", 0)]);
    }

    #[test]
    fn every_truncation_inside_a_section_is_damage() {
        let bytes = sample();
        let first_ends = 12 + 48 + 8 + 76;
        for end in (1..bytes.len()).filter(|end| !matches!(*end, 60) && *end != first_ends) {
            assert!(read(&bytes[..end]).is_damaged(), "{end}");
        }
    }
}
