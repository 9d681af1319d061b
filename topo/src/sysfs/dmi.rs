//! The DMI strings that every user may read: `/sys/class/dmi/id`.
//!
//! Follows the kernel's `Documentation/ABI/testing/sysfs-class-dmi` and, for chassis types,
//! DSP0134 3.9.0, 7.4.1. Serial numbers and UUID are root's and are read where they can be.

use captures::Source;

use super::reader::Reader;
use crate::smbios::{Baseboard, Bios, Chassis, Smbios, System, words};

/// Directories that hold the strings, the usual one first.
const DIRECTORIES: &[&str] = &["/sys/class/dmi/id", "/sys/devices/virtual/dmi/id"];

/// Reads the strings into the structures they came from; `None` when there are none.
#[must_use]
pub fn read_dmi_id(source: &Source) -> Option<Smbios> {
    DIRECTORIES.iter().find_map(|directory| read_from(source, directory))
}

fn read_from(source: &Source, directory: &str) -> Option<Smbios> {
    let reader = Reader::new(source);
    let text = |name: &str| reader.some_text(&format!("{directory}/{name}"));
    let bios = Bios {
        vendor: text("bios_vendor"),
        version: text("bios_version"),
        date: text("bios_date"),
    };
    let system = System {
        manufacturer: text("sys_vendor"),
        product: text("product_name"),
        version: text("product_version"),
        serial: text("product_serial"),
        uuid: text("product_uuid"),
        sku: text("product_sku"),
        family: text("product_family"),
    };
    let board = Baseboard {
        manufacturer: text("board_vendor"),
        product: text("board_name"),
        version: text("board_version"),
        serial: text("board_serial"),
        ..Baseboard::default()
    };
    let chassis = Chassis {
        manufacturer: text("chassis_vendor"),
        kind: text("chassis_type").map(|number| chassis_kind(&number)),
        version: text("chassis_version"),
        serial: text("chassis_serial"),
        ..Chassis::default()
    };
    let smbios = Smbios {
        bios: Some(bios).filter(|bios| *bios != Bios::default()),
        system: Some(system).filter(|system| *system != System::default()),
        baseboards: Some(board)
            .filter(|board| *board != Baseboard::default())
            .into_iter()
            .collect(),
        chassis: Some(chassis)
            .filter(|chassis| *chassis != Chassis::default())
            .into_iter()
            .collect(),
        ..Smbios::default()
    };
    (smbios != Smbios::default()).then_some(smbios)
}

/// Name of a chassis type written as a decimal number; another text is kept.
fn chassis_kind(text: &str) -> String {
    let number: Option<usize> = text.parse().ok();
    let name = number.and_then(|number| words::CHASSIS.get(number.checked_sub(1)?));
    name.map_or_else(|| text.to_owned(), |name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::chassis_kind;

    #[test]
    fn chassis_numbers_become_names_and_others_stay() {
        assert_eq!(chassis_kind("23"), "Rack Mount Chassis");
        assert_eq!(chassis_kind("36"), "Stick PC");
        assert_eq!(chassis_kind("0"), "0");
        assert_eq!(chassis_kind("99"), "99");
    }
}
