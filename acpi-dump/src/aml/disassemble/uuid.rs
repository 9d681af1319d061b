//! Buffers of 16 bytes that are UUIDs: ACPI 6.5, section 19.6.142, gives their byte order.

use super::text;

/// UUIDs of `_DSM`, `_OSC` and `_DSD`, as ASL spells them, and what they stand for: ACPI 6.5,
/// PCI Firmware Specification 3.3, and the interface documents of the devices.
const KNOWN: &[(&str, &str)] = &[
    ("0811b06e-4a27-44f9-8d60-3cbbc22e7b48", "platform-wide capabilities"),
    ("107ededd-d381-4fd7-8da9-08e9a6c79644", "_DSM function, second set"),
    ("11e00d56-ce64-47ce-837b-1f898f9aa461", "low power idle, Microsoft"),
    ("14d399cd-7a27-4b18-8fb4-7cb7b9f4e500", "thermal extensions"),
    ("23a0d13a-26ab-486c-9c5f-0ffa525a575a", "USB4 capabilities"),
    ("2f10e7a4-9e91-11e4-89d3-123b93f75cba", "NVDIMM root device"),
    ("33db4d5b-1ff7-401c-9657-7441c03dd766", "PCI host bridge"),
    ("376054ed-cc13-4675-901c-4756d7f2d45d", "TPM memory clear"),
    ("3cdff6f7-4267-4555-ad05-b30a3d8938de", "HID over I2C"),
    ("3dddfaa6-361b-4eb4-a424-8d10089d1653", "TPM physical presence"),
    ("3e5b41c6-eb1d-4260-9d15-c71fbadae414", "Intel graphics"),
    ("3ecbc8b6-1d0e-4fb3-8107-e627f805c6cd", "CoreSight graph"),
    ("4309ac30-0d11-11e4-9191-0800200c9a66", "NVDIMM"),
    ("4c2067e3-887d-475c-9720-4af1d3ed602e", "battery thermal limit"),
    ("4f248f40-d5e2-499f-834c-27758ea1cd3f", "GPIO controller"),
    ("5025030f-842f-4ab4-a561-99a5189762d0", "storage in D3"),
    ("6211e2c0-58a3-4af3-90e1-927a4e0c55a4", "hot plug in D3"),
    ("68f2d50b-c469-4d8a-bd3d-941a103fd3fc", "CXL host bridge"),
    ("6bbf6cab-5463-4714-b7cd-f0203c0368d4", "TPM start method"),
    ("6dc63e77-257e-4e78-a973-a21f2796898d", "cache properties"),
    ("6e2ac436-0fcf-41af-a265-b32a220dcfab", "HID over SPI"),
    ("6f8398c2-7ca4-11e4-ad36-631042b5008f", "USB Type-C connector"),
    ("7ed873d3-c2d0-4e4f-a854-0f1317b01c2c", "Intel graphics"),
    ("893f00a6-660c-494e-bcfd-3043f4fb67c0", "_DSM function, first set"),
    ("9d95a0a0-0060-4d48-b34d-7e5fea129fd4", "NVIDIA graphics multiplexer"),
    ("a486d8f8-0bda-471b-a72b-6042a6b5bee0", "NVIDIA Optimus"),
    ("a7611840-99fe-41ae-a488-35c75926c8eb", "fan trip points"),
    ("ab02a46b-74c7-45a2-bd68-f7d344ef2153", "device graphs"),
    ("c4eb40a0-6cd2-11e2-bcfd-0800200c9a66", "low power idle, Intel"),
    ("ce2ee385-00e6-48cb-9f05-2edb927c4899", "USB controller"),
    ("cf8e16a5-c1e8-4e25-b712-4f54a96702c8", "TPM hardware information"),
    ("d8c1a3a6-be9b-4c9b-91bf-c3cb81fc5daf", "dynamic enumeration"),
    ("daffd814-6eba-4d8c-8a91-bc9bbf4aa301", "device properties"),
    ("dbb8e3e6-5886-4ba6-8795-1319f52a966b", "hierarchical data"),
    ("dde4d59a-aa42-4349-b407-ea40f57d9fb7", "physical package"),
    ("dfbcf3c5-e7a5-44e6-9c1f-29c76f6e059c", "power button"),
    ("e3f32452-febc-43ce-9039-932122d37721", "low power idle, AMD"),
    ("e4db149b-fcfe-425b-a6d8-92357d78fc7f", "SATA controller"),
    (
        "e5c937d0-3553-4d7a-9117-ea4d19c3434d",
        "PCI device labels and functions",
    ),
    ("edb12dd0-363d-4085-a3d2-49522ca160c4", "buffer properties"),
    ("efcc06cc-73ac-4bc3-bff0-76143807c389", "external-facing port"),
    ("f18fc78b-0f15-4978-b793-53f833a1d35b", "control method battery"),
    ("fa6bd625-9ce8-470d-a2c7-b3ca36c4282e", "generic buttons"),
];

/// The UUID that 16 bytes are, and what it stands for; `None` when they do not look like one.
pub(super) fn told(bytes: &[u8]) -> Option<(String, Option<&'static str>)> {
    let bytes: &[u8; 16] = bytes.try_into().ok()?;
    let uuid = spell(bytes);
    let known = KNOWN.binary_search_by_key(&uuid.as_str(), |(uuid, _)| uuid).ok();
    let known = known.and_then(|place| KNOWN.get(place)).map(|(_, name)| *name);
    (known.is_some() || is_likely(bytes)).then_some((uuid, known))
}

fn spell(bytes: &[u8; 16]) -> String {
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut uuid = String::with_capacity(36);
    for (number, place) in order.into_iter().enumerate() {
        if matches!(number, 4 | 6 | 8 | 10) {
            uuid.push('-');
        }
        let byte = bytes.get(place).copied().unwrap_or(0);
        text::digits_of(&mut uuid, u64::from(byte), 2);
    }
    uuid.make_ascii_lowercase();
    uuid
}

/// Version 1 to 5 and the variant of RFC 4122, and no row of equal bytes.
fn is_likely(bytes: &[u8; 16]) -> bool {
    let [_, _, _, _, _, _, _, version, variant, ..] = bytes;
    let mut seen = [false; 256];
    for byte in bytes {
        if let Some(seen) = seen.get_mut(usize::from(*byte)) {
            *seen = true;
        }
    }
    let different = seen.iter().filter(|seen| **seen).count();
    (1..=5).contains(&(version >> 4)) && variant >> 6 == 2 && different >= 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_uuids_are_sorted_and_spelt_in_full() {
        assert!(KNOWN.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(KNOWN.iter().all(|(uuid, _)| uuid.len() == 36));
    }

    #[test]
    fn first_three_groups_are_little_endian() {
        let bytes = [
            0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40, 0x96, 0x57, 0x74, 0x41, 0xc0, 0x3d, 0xd7, 0x66,
        ];
        let (uuid, known) = told(&bytes).unwrap();
        assert_eq!(
            (uuid.as_str(), known),
            ("33db4d5b-1ff7-401c-9657-7441c03dd766", Some("PCI host bridge"))
        );
    }

    #[test]
    fn sixteen_bytes_of_anything_else_are_no_uuid() {
        assert!(told(&[0; 16]).is_none() && told(&[0x12; 16]).is_none() && told(&[1; 15]).is_none());
    }
}
