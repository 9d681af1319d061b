//! What Xen's answer to a microcode file means: the rules that give it.
//!
//! Xen 4.20.3, xen/arch/x86/cpu/microcode: microcode_update, microcode_update_helper, and apply_microcode
//! and cpu_request_microcode of each vendor.

use super::rules;
use crate::cpu::Vendor;
use crate::loader::Rule;

/// Name of the answer, and the rules of which one gave it; `None` when Xen's loader never answers so.
#[must_use]
pub fn meaning(vendor: Vendor, errno: i32) -> Option<(&'static str, &'static [Rule])> {
    let amd = vendor == Vendor::Amd;
    Some(match errno {
        1 => ("EPERM", &[rules::FIRST_CPU]),
        2 => ("ENOENT", &[rules::NO_PATCH]),
        5 => ("EIO", &[rules::NOT_TAKEN]),
        6 if amd => ("ENXIO", &[rules::AMD_FINAL, rules::AMD_MIN_REV]),
        16 => ("EBUSY", &[rules::BUSY]),
        17 if amd => ("EEXIST", &[rules::AMD_NEWER, rules::CACHE]),
        17 => ("EEXIST", &[rules::INTEL_NEWER, rules::CACHE]),
        22 => ("EINVAL", &[rules::PARSE_ERROR, rules::NO_LOADER, rules::ALL_ONES]),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_names_its_number_names_it_as_the_rule_does() {
        for vendor in [Vendor::Intel, Vendor::Amd] {
            for (name, rules) in (0..=200).filter_map(|errno| meaning(vendor, errno)) {
                let first = rules.first().unwrap();
                assert!(first.says.contains(&format!("-{name}")), "{name}: {}", first.says);
            }
        }
        assert_eq!(meaning(Vendor::Intel, 6), None);
        assert_eq!(meaning(Vendor::Amd, 0), None);
    }
}
