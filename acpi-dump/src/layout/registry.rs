//! Which layout belongs to which signature.

use super::defs;
use super::spec::TableLayout;

/// Lists of layouts, one for each area.
const LISTS: &[&[TableLayout]] = &[
    defs::aest::TABLES,
    defs::affinity::TABLES,
    defs::amd::TABLES,
    defs::arm::TABLES,
    defs::audio::TABLES,
    defs::console::TABLES,
    defs::cxl::TABLES,
    defs::errors::TABLES,
    defs::firmware::TABLES,
    defs::ibft::TABLES,
    defs::iommu::TABLES,
    defs::iort::TABLES,
    defs::madt::TABLES,
    defs::management::TABLES,
    defs::mpam::TABLES,
    defs::nbft::TABLES,
    defs::nfit::TABLES,
    defs::phat::TABLES,
    defs::platform::TABLES,
    defs::pmtt::TABLES,
    defs::processors::TABLES,
    defs::rdt::TABLES,
    defs::root::TABLES,
    defs::sdev::TABLES,
    defs::security::TABLES,
    defs::services::TABLES,
    defs::vendor::TABLES,
    defs::virtual_io::TABLES,
    defs::watchdog::TABLES,
];

/// Layout of the table with this signature.
#[must_use]
pub fn find(signature: [u8; 4]) -> Option<&'static TableLayout> {
    let oem = || signature.starts_with(b"OEM").then_some(&defs::vendor::OEM);
    all().find(|layout| layout.signature == signature).or_else(oem)
}

/// All layouts.
pub fn all() -> impl Iterator<Item = &'static TableLayout> {
    LISTS.iter().flat_map(|list| list.iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_signature_has_one_layout() {
        for layout in all() {
            let same = all().filter(|other| other.signature == layout.signature);
            assert_eq!(same.count(), 1, "{}", layout.name);
        }
    }
}
