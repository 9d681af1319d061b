//! A patch: its header, and what the loaders have against it.

use super::family::{has_signature_in_revision, linux_max_size, xen_max_size, zen_signature};
use super::table::Table;
use super::{EquivalentId, HYGON, Header, Note, PATCH_HEADER, Patch};
use crate::bytes::{sum, u8_at, u16_at, u32_at};
use crate::damage::Damage;
use crate::ids::{Date, Revision, Signature};

const SIZES: [(&str, &str); 2] = [("amd-linux-size", "Linux 6.12"), ("amd-xen-size", "Xen 4.20")];

/// Read a patch that is a file of its own; `None` when it is shorter than its header.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Patch> {
    at(0, bytes, None)
}

/// The patch at `offset` of a file; `table` is that of its container.
pub(super) fn at(offset: usize, bytes: &[u8], table: Option<&Table>) -> Option<Patch> {
    let data = bytes.get(PATCH_HEADER..)?;
    let header = header(bytes)?;
    let revision = Revision(u32_at(bytes, 4)?);
    let id = EquivalentId(u16_at(bytes, 24)?);
    let mut patch = Patch {
        offset,
        size: bytes.len(),
        date: Date::from_field(u32_at(bytes, 0)?),
        revision,
        id,
        signatures: signatures(revision, id, table),
        minimum_revision: minimum_revision(revision, id, header.checksum),
        // Up to family 12h the field is the sum of all words of the data.
        checksum_ok: (id.family() <= 0x12).then(|| sum(data) == header.checksum),
        header,
        damage: Vec::new(),
        notes: Vec::new(),
    };
    if patch.checksum_ok == Some(false) {
        let right = format!("checksum {:#010x}", sum(data));
        let place = offset.saturating_add(12);
        let seen = format!("{:#010x}", header.checksum);
        patch.damage.push(Damage::new(place, right, seen).rule("amd-checksum"));
    }
    identity(&mut patch, table);
    field_notes(&mut patch);
    loader_notes(&mut patch);
    Some(patch)
}

fn header(bytes: &[u8]) -> Option<Header> {
    let mut match_registers = [0; 8];
    let (words, _) = bytes.get(32..PATCH_HEADER)?.as_chunks::<4>();
    for (register, word) in match_registers.iter_mut().zip(words) {
        *register = u32::from_le_bytes(*word);
    }
    Some(Header {
        data_id: u16_at(bytes, 8)?,
        data_length: u8_at(bytes, 10)?,
        init_flag: u8_at(bytes, 11)?,
        checksum: u32_at(bytes, 12)?,
        north_bridge: u32_at(bytes, 16)?,
        south_bridge: u32_at(bytes, 20)?,
        north_bridge_revision: u8_at(bytes, 26)?,
        south_bridge_revision: u8_at(bytes, 27)?,
        bios_api_revision: u8_at(bytes, 28)?,
        reserved: [u8_at(bytes, 29)?, u8_at(bytes, 30)?, u8_at(bytes, 31)?],
        match_registers,
    })
}

fn signatures(revision: Revision, id: EquivalentId, table: Option<&Table>) -> Vec<Signature> {
    if has_signature_in_revision(id.family()) {
        vec![zen_signature(revision)]
    } else {
        table.map(|table| table.signatures(id).to_vec()).unwrap_or_default()
    }
}

/// The form that Xen 4.20 asks for (`check_min_rev`): family 19h or later, not 0, and the patch id
/// but for its last byte.
fn minimum_revision(revision: Revision, id: EquivalentId, field: u32) -> Option<Revision> {
    let same = (field ^ revision.0) & 0xffff_ff00 == 0;
    (id.0 >= 0xa000 && field != 0 && same).then_some(Revision(field))
}

/// Patch id, equivalence id and table must name the same CPU.
fn identity(patch: &mut Patch, table: Option<&Table>) {
    let id = patch.id;
    if has_signature_in_revision(id.family()) {
        let signature = zen_signature(patch.revision);
        let (family, _, _) = signature.family_model_stepping();
        let place = patch.offset.saturating_add(4);
        let seen = format!("{}, of {signature}", patch.revision);
        if family != id.family() {
            let expected = format!("patch id of a CPU of family {:02x}h, as {id} is", id.family());
            patch
                .damage
                .push(Damage::new(place, expected, seen).rule("amd-patch-id-family"));
        } else if table.is_some_and(|table| table.has(id) && !table.pairs(id, signature)) {
            let expected = format!("patch id of a CPU that the equivalence table names {id}");
            patch
                .damage
                .push(Damage::new(place, expected, seen).rule("amd-patch-id-signature"));
        }
    }
    if table.is_some_and(|table| !table.has(id)) {
        let expected = format!("row of the equivalence table with {id}");
        let place = patch.offset.saturating_add(24);
        patch
            .damage
            .push(Damage::new(place, expected, "no such row").rule("amd-id-not-in-table"));
    }
}

/// What is unlike the published patches.
fn field_notes(patch: &mut Patch) {
    let (offset, field) = (patch.offset, patch.header.checksum);
    let Date { month, day, .. } = patch.date;
    let digits = |value: u8| value & 15 <= 9 && value >> 4 <= 9;
    if !(digits(month) && digits(day) && (1..=0x12).contains(&month) && (1..=0x31).contains(&day)) {
        let says = format!("{} is no date; no loader reads it", patch.date);
        patch.notes.push(Note::new("amd-date", offset, says));
    }
    if patch.checksum_ok.is_none() && field != 0 && patch.minimum_revision.is_none() {
        let place = offset.saturating_add(12);
        let says = if patch.id.0 >= 0xa000 {
            format!("{field:#x} does not have the form of a minimum revision; Xen 4.20 says so and goes on")
        } else {
            format!("{field:#x} where patches of this family have 0")
        };
        patch.notes.push(Note::new("amd-minimum-revision-form", place, says));
    }
}

/// What makes Linux 6.12 or Xen 4.20 refuse it on any CPU.
fn loader_notes(patch: &mut Patch) {
    let (family, size, offset) = (patch.id.family(), patch.size, patch.offset);
    if family < 0x10 || family == HYGON {
        let says = format!("Linux 6.12 and Xen 4.20 load nothing on CPUs of family {family:02x}h");
        patch
            .notes
            .push(Note::new("amd-no-loader", offset.saturating_add(24), says));
    } else {
        let limits = [linux_max_size(family), Some(xen_max_size(family))];
        for ((rule, who), limit) in SIZES.into_iter().zip(limits) {
            if let Some(limit) = limit.filter(|limit| size > *limit) {
                let says = format!("{size} bytes; {who} takes at most {limit} on family {family:02x}h");
                patch.notes.push(Note::new(rule, offset, says));
            }
        }
    }
    let Header {
        north_bridge,
        south_bridge,
        ..
    } = patch.header;
    if (north_bridge, south_bridge) != (0, 0) {
        let says = format!(
            "for north bridge {north_bridge:#010x}, south bridge {south_bridge:#010x}: \
             Linux 6.12 refuses it and reads its container no further"
        );
        patch
            .notes
            .push(Note::new("amd-linux-chipset", offset.saturating_add(16), says));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{container_bytes, patch_bytes};
    use super::*;

    fn rules(patch: &Patch) -> (Vec<&'static str>, Vec<&'static str>) {
        let damage = patch.damage.iter().map(|damage| damage.rule).collect();
        (damage, patch.notes.iter().map(|note| note.rule).collect())
    }

    fn with(mut bytes: Vec<u8>, at: usize, value: &[u8]) -> Patch {
        bytes[at..at + value.len()].copy_from_slice(value);
        read(&bytes).unwrap()
    }

    #[test]
    fn every_field_of_the_header_is_read_from_its_place() {
        let bytes: Vec<u8> = (0u8..64).collect();
        let patch = read(&bytes).unwrap();
        assert_eq!(
            (patch.date.to_string().as_str(), patch.revision.0),
            ("0100-03-02", 0x0706_0504)
        );
        assert_eq!(patch.id, EquivalentId(0x1918));
        let header = patch.header;
        assert_eq!((header.data_id, header.data_length, header.init_flag), (0x0908, 10, 11));
        assert_eq!(header.checksum, 0x0f0e_0d0c);
        assert_eq!((header.north_bridge, header.south_bridge), (0x1312_1110, 0x1716_1514));
        assert_eq!((header.north_bridge_revision, header.south_bridge_revision), (26, 27));
        assert_eq!((header.bios_api_revision, header.reserved), (28, [29, 30, 31]));
        assert_eq!(
            (header.match_registers[0], header.match_registers[7]),
            (0x2322_2120, 0x3f3e_3d3c)
        );
        assert_eq!(read(&bytes[..63]), None);
    }

    #[test]
    fn wrong_checksum_is_damage_only_where_there_is_one() {
        let old = with(patch_bytes(0x1022, 1, &[1, 2]), 70, &[9]);
        assert_eq!((old.checksum_ok, rules(&old).0), (Some(false), vec!["amd-checksum"]));
        let zen = with(patch_bytes(0xa210, 0x0a20_1001, &[1, 2]), 70, &[9]);
        assert_eq!((zen.checksum_ok, rules(&zen).0), (None, vec![]));
    }

    #[test]
    fn minimum_revision_is_the_patch_id_but_for_its_last_byte_from_family_19h_on() {
        let minimum =
            |id, revision, field: u32| with(patch_bytes(id, revision, &[]), 12, &field.to_le_bytes()).minimum_revision;
        assert_eq!(minimum(0xb440, 0x0b40_4035, 0x0b40_4032), Some(Revision(0x0b40_4032)));
        assert_eq!(minimum(0xb440, 0x0b40_4035, 0), None);
        assert_eq!(minimum(0xb440, 0x0b40_4035, 0x0b40_4132), None);
        assert_eq!(minimum(0x8310, 0x0830_1080, 0x0830_107d), None);
        assert_eq!(minimum(0x9fff, 0x0900_0105, 0x0900_0101), None);
        assert_eq!(minimum(0xa000, 0x0a00_0005, 0x0a00_0001), Some(Revision(0x0a00_0001)));
        let odd = with(patch_bytes(0xb440, 0x0b40_4035, &[]), 12, &[1, 2, 3, 4]);
        assert_eq!(rules(&odd), (vec![], vec!["amd-minimum-revision-form"]));
    }

    #[test]
    fn patch_id_of_another_family_than_the_equivalence_id_is_damage() {
        let patch = read(&patch_bytes(0xa210, 0x0870_1035, &[])).unwrap();
        assert_eq!(rules(&patch).0, ["amd-patch-id-family"]);
    }

    #[test]
    fn patch_id_of_another_cpu_than_the_table_says_is_damage() {
        let bytes = container_bytes(&[(0x00a2_0f12, 0xa210)], &[patch_bytes(0xa210, 0x0a20_1030, &[])]);
        let patch = &super::super::read(&bytes).containers[0].patches[0];
        assert_eq!(
            (rules(patch).0, patch.damage[0].offset),
            (vec!["amd-patch-id-signature"], 56)
        );
        assert_eq!(patch.signatures, [Signature(0x00a2_0f10)]);
    }

    #[test]
    fn patch_without_a_row_for_it_is_damage() {
        let file = super::super::read(&container_bytes(&[(0x10_0f22, 0x1022)], &[patch_bytes(0x1023, 1, &[])]));
        let patch = &file.containers[0].patches[0];
        assert_eq!(patch.damage[0].offset, 12 + 32 + 8 + 24);
        assert_eq!(rules(patch).0, ["amd-id-not-in-table"]);
    }

    #[test]
    fn sizes_above_a_limit_name_who_refuses() {
        let sized = |id, revision, words| rules(&read(&patch_bytes(id, revision, &vec![0; words])).unwrap()).1;
        assert_eq!(sized(0x1022, 1, 497), ["amd-linux-size", "amd-xen-size"]);
        assert_eq!(sized(0x1022, 1, 496), [""; 0]);
        assert_eq!(sized(0x5010, 1, 441), ["amd-linux-size", "amd-xen-size"]);
        assert_eq!(sized(0x8310, 0x0830_1001, 785), ["amd-xen-size"]);
        assert_eq!(sized(0xb440, 0x0b40_4001, 3809), ["amd-xen-size"]);
    }

    #[test]
    fn patches_no_loader_takes_are_noted() {
        assert_eq!(rules(&read(&patch_bytes(0x0f48, 1, &[])).unwrap()).1, ["amd-no-loader"]);
        assert_eq!(rules(&read(&patch_bytes(0x9001, 1, &[])).unwrap()).1, ["amd-no-loader"]);
        let chipset = with(patch_bytes(0x1022, 1, &[]), 20, &[1]);
        assert_eq!(rules(&chipset), (vec![], vec!["amd-linux-chipset"]));
    }

    #[test]
    fn impossible_date_is_noted_and_printed_as_it_is() {
        let patch = with(patch_bytes(0x1022, 1, &[]), 2, &[0x09, 0x13]);
        assert_eq!(
            (rules(&patch), patch.date.to_string().as_str()),
            ((vec![], vec!["amd-date"]), "2011-13-09")
        );
    }
}
