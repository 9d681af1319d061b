//! Which layout belongs to which signature.

use super::defs;
use super::spec::TableLayout;

/// Lists of layouts, one for each area.
const LISTS: &[&[TableLayout]] = &[
    defs::affinity::TABLES,
    defs::console::TABLES,
    defs::cxl::TABLES,
    defs::errors::TABLES,
    defs::firmware::TABLES,
    defs::iommu::TABLES,
    defs::madt::TABLES,
    defs::platform::TABLES,
    defs::root::TABLES,
];

/// Layout of the table with this signature.
#[must_use]
pub fn find(signature: [u8; 4]) -> Option<&'static TableLayout> {
    all().find(|layout| layout.signature == signature)
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
