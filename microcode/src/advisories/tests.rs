//! Texts made up in the forms of the real ones.

use super::*;

const NOTES: &str = "\
# Release Notes
## [microcode-20240102](https://example.org/releases/tag/microcode-20240102)

### Purpose
- Security updates for [INTEL-SA-00123](https://example.org/intel-sa-00123.html)
- Security updates for [INTEL-SA-INTEL-SA-00124](https://example.org)
- Security updates for [INTEL-SA-NA]

# Note: INTEL-SA-09999 will be published later

### New Platforms

| Processor      | Stepping | F-M-S/PI    | Old Ver  | New Ver  | Products
|:---------------|:---------|:------------|:---------|:---------|:---------
| AAA            | B0       | 06-97-02/07 |          | 00000010 | Core

### Updated Platforms

| Processor      | Stepping | F-M-S/PI    | Old Ver  | New Ver  | Products
|:---------------|:---------|:------------|:---------|:---------|:---------
| BBB            | C0/C1    | 06-55-04/B7 | 02000001 | 02000002 | Xeon
| broken         | C0/C1    | 06-55-04    | 02000001 | 02000002 | Xeon

### Removed Platforms
| CCC            | B1       | 06-8c-01/80 | 00000068 |          | Mobile

## [microcode-2023013](https://example.org/releases/tag/microcode-20230103)
### Updated Platforms
| BBB            | C0       | 06-55-04/b7 | 02000000 | 02000001 | Xeon
";

#[test]
fn notes_give_releases_with_rows_and_ids() {
    let found = read_notes(NOTES);
    let first = &found.releases[0];
    assert_eq!(
        (first.name.as_str(), first.date.as_deref()),
        ("20240102", Some("2024-01-02"))
    );
    let ids: Vec<&str> = first.advisories.iter().map(|advisory| advisory.id.as_str()).collect();
    assert_eq!(ids, ["INTEL-SA-00123", "INTEL-SA-00124"]);
    let rows: Vec<_> = first
        .rows
        .iter()
        .map(|row| (row.section, row.signature.0, row.old, row.new))
        .collect();
    assert_eq!(
        rows,
        [
            (Section::New, 0x90672, None, Some(Revision(0x10))),
            (
                Section::Updated,
                0x50654,
                Some(Revision(0x200_0001)),
                Some(Revision(0x200_0002))
            ),
            (Section::Removed, 0x806c1, Some(Revision(0x68)), None),
        ]
    );
    assert_eq!(
        (first.rows[1].stepping.as_str(), first.rows[1].platforms.0),
        ("C0/C1", 0xb7)
    );
    assert_eq!(found.damage.len(), 1);
    assert!(found.damage[0].seen.contains("broken"));
}

#[test]
fn date_is_that_of_the_link_where_the_name_lacks_a_digit() {
    let found = read_notes(NOTES);
    assert_eq!(found.releases[1].date.as_deref(), Some("2023-01-03"));
}

#[test]
fn notes_of_before_markdown_are_read() {
    let found = read_notes(
        "== About ==\n-- intel-ucode/ --\n== 20190312 Release ==\n-- Updates upon 20180807 release --\n\
         Model        Stepping F-MO-S/PI      Old->New\n---- new platforms ----\n\
         AAA-Y22      H0       6-8e-9/10           0000009e Core Gen8\n---- updated platforms ----\n\
         BBB-E/EP 2   Cx/M1    f-04-a/6f 0000003d->00000041 Core; Xeon\n---- removed platforms ----\n\
         CCC          B0       6-9e-9/2a 0000008e Core\n",
    );
    assert_eq!((found.releases.len(), found.damage.len()), (1, 0));
    let rows = &found.releases[0].rows;
    assert_eq!(
        (rows[0].new, rows[0].processor.as_str()),
        (Some(Revision(0x9e)), "AAA-Y22")
    );
    assert_eq!((rows[1].signature.0, rows[1].processor.as_str()), (0xf4a, "BBB-E/EP 2"));
    assert_eq!(
        (rows[1].old, rows[1].products.as_str()),
        (Some(Revision(0x3d)), "Core; Xeon")
    );
    assert_eq!((rows[2].old, rows[2].new), (Some(Revision(0x8e)), None));
}

const CHANGELOG: &str = "\
intel-microcode (3.20240102.1) unstable; urgency=high

  * New upstream microcode datafile 20240102
    - Mitigations for INTEL-SA-00123 (some cache):
      CVE-2024-12345: words
    - Mitigations for INTEL-SA-00124 (CVE-2024-12346)
  * New microcodes:
    + sig 0x000a06e1, pf_mask 0x97, 2025-06-27, rev 0x1000273, size 1635328
  * Updated microcodes:
    sig 0x000806f8, pf_mask 0x87, 2025-05-29, rev 0x2b000650
    sig 0x000806f7, pf_mask 0x87, 2025-05-29, rev 0x2b000650 [EXCLUDED]
    sig 0x000806f7, nonsense

 -- Some One <some@example.org>  Thu, 04 Jan 2024 12:48:02 -0300

amd64-microcode (3.1) unstable; urgency=high
  * Updated Microcode patches:
    + Family=0x17 Model=0xa0 Stepping=0x00: Patch=0x08a0000a
    + sig 0x00830f10, patch id 0x08301055, 2022-02-15
    (AMD-SB-7033)
";

#[test]
fn changelogs_of_both_packages_are_read() {
    let found = read_debian(CHANGELOG);
    let [intel, amd] = &found.releases[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (intel.name.as_str(), intel.date.as_deref()),
        ("3.20240102.1", Some("2024-01-04"))
    );
    assert_eq!(intel.advisories[0].title.as_deref(), Some("some cache"));
    assert_eq!(intel.advisories[1].title, None);
    assert_eq!(intel.cves, ["CVE-2024-12345", "CVE-2024-12346"]);
    let sections: Vec<Section> = intel.rows.iter().map(|row| row.section).collect();
    assert_eq!(sections, [Section::New, Section::Updated, Section::Excluded]);
    assert_eq!(
        (amd.rows[0].signature.0, amd.rows[0].new),
        (0x8a0f00, Some(Revision(0x8a0000a)))
    );
    assert_eq!(
        (amd.rows[1].signature.0, amd.rows[1].new),
        (0x830f10, Some(Revision(0x830_1055)))
    );
    assert_eq!(amd.advisories[0].id, "AMD-SB-7033");
    assert_eq!(found.damage.len(), 1);
}

#[test]
fn newer_revisions_come_with_the_ids_released_together_with_them() {
    let releases = read_notes(NOTES).releases;
    let since = newer(
        &releases,
        Signature(0x50654),
        Some(PlatformMask(0x80)),
        Revision(0x200_0000),
    );
    let revisions: Vec<u32> = since.iter().map(|row| row.revision.0).collect();
    assert_eq!(revisions, [0x200_0001, 0x200_0002]);
    assert_eq!(since[1].release.advisories.len(), 2);
    assert!(newer(&releases, Signature(0x50654), Some(PlatformMask(8)), Revision(0)).is_empty());
    let where_new = appeared(&releases, Signature(0x50654), None, Revision(0x200_0001));
    assert_eq!(where_new[0].name, "2023013");
}

#[test]
fn table_comes_back_as_it_was_written() {
    let releases = read_notes(NOTES).releases;
    let again = read_table(&format!("# comment\n{}", write_table(&releases)));
    assert_eq!(write_table(&again), write_table(&releases));
    assert_eq!((again.len(), again[0].rows.len()), (2, 3));
}

#[test]
fn table_of_the_program_is_in_order() {
    let dates: Vec<&str> = table().iter().map(|release| release.date.as_deref().unwrap()).collect();
    assert!(
        dates.len() > 30 && dates.is_sorted_by(|one, next| one >= next),
        "{dates:?}"
    );
    let rows: usize = table().iter().map(|release| release.rows.len()).sum();
    assert!(rows > 800, "{rows}");
}
