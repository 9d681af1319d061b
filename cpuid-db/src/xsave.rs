//! XSAVE: the components of processor state, their sizes and places, from leaf 0xD.
//!
//! Intel SDM volume 1, chapter 13 "Managing state using the XSAVE feature set"; AMD APM volume 2,
//! 11.5. Components 0 and 1 lie in the legacy region, whose layout is that of FXSAVE.

use schemars::JsonSchema;
use serde::Serialize;

use crate::leaf::{Leaf, Subleaf, bit};
use crate::leafset::CpuLeaves;

/// Bytes of the legacy region and the header behind it: what the standard format always has.
pub const FIRST_OFFSET: u32 = 512 + 64;

/// Number of a component, and what both manuals call it.
const NAMES: [(u8, &str); 21] = [
    (0, "x87"),
    (1, "SSE"),
    (2, "AVX"),
    (3, "BNDREGS"),
    (4, "BNDCSR"),
    (5, "opmask"),
    (6, "ZMM_Hi256"),
    (7, "Hi16_ZMM"),
    (8, "PT"),
    (9, "PKRU"),
    (10, "PASID"),
    (11, "CET_U"),
    (12, "CET_S"),
    (13, "HDC"),
    (14, "UINTR"),
    (15, "LBR"),
    (16, "HWP"),
    (17, "TILECFG"),
    (18, "TILEDATA"),
    (19, "APX"),
    (62, "LWP"),
];

/// One component of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Component {
    /// Bit of XCR0 or IA32_XSS.
    pub number: u8,
    /// Name in the manuals; empty for a number that has none.
    pub name: &'static str,
    /// Bytes; 0 when the dump lacks the subleaf.
    pub size: u32,
    /// Place in the standard format; `None` for supervisor components, which only the compacted format has.
    pub offset: Option<u32>,
    /// Enabled in IA32_XSS rather than in XCR0.
    pub supervisor: bool,
    /// Begins at a multiple of 64 in the compacted format.
    pub aligned: bool,
    /// XFD can hold it back until it is used.
    pub faultable: bool,
}

/// Leaf 0xD as a whole.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct State {
    /// Bits of XCR0 that the processor knows.
    pub user: u64,
    /// Bits of IA32_XSS that the processor knows.
    pub supervisor: u64,
    /// Bytes for what was enabled in XCR0 when the dump was made.
    pub enabled_size: u32,
    /// Bytes for all user components, standard format.
    pub maximum_size: u32,
    /// Bytes for what was enabled in XCR0 and IA32_XSS, compacted format; 0 where not told.
    pub compacted_size: u32,
    /// Instructions and registers beyond XSAVE itself.
    pub extensions: Vec<&'static str>,
    /// Components, by number.
    pub components: Vec<Component>,
}

impl State {
    /// Leaf 0xD of a processor; `None` without it.
    #[must_use]
    pub fn of(cpu: &CpuLeaves) -> Option<Self> {
        let first = cpu.leaf(0xd).filter(|row| !row.is_zero())?;
        let second = cpu.get(Leaf(0xd), Subleaf(1)).unwrap_or_default();
        let named = ["XSAVEOPT", "XSAVEC", "XGETBV with ECX=1", "XSAVES", "XFD"];
        Some(Self {
            user: join(first.edx, first.eax),
            supervisor: join(second.edx, second.ecx),
            enabled_size: first.ebx,
            maximum_size: first.ecx,
            compacted_size: second.ebx,
            extensions: (0_u32..)
                .zip(named)
                .filter(|&(number, _)| bit(second.eax, number))
                .map(|(_, name)| name)
                .collect(),
            components: components(cpu),
        })
    }

    /// Bytes that the user components of `mask` need in the standard format.
    #[must_use]
    pub fn standard_size(&self, mask: u64) -> u32 {
        self.chosen(mask & self.user)
            .filter_map(|component| Some(component.offset?.saturating_add(component.size)))
            .fold(FIRST_OFFSET, u32::max)
    }

    /// Bytes that the components of `mask` need in the compacted format.
    #[must_use]
    pub fn compacted_size(&self, mask: u64) -> u32 {
        self.chosen(mask & (self.user | self.supervisor))
            .filter(|component| component.number > 1)
            .fold(FIRST_OFFSET, |end, component| {
                let start = if component.aligned {
                    end.checked_next_multiple_of(64).unwrap_or(end)
                } else {
                    end
                };
                start.saturating_add(component.size)
            })
    }

    fn chosen(&self, mask: u64) -> impl Iterator<Item = &Component> {
        self.components
            .iter()
            .filter(move |component| mask >> component.number & 1 == 1)
    }
}

/// Name of a component; empty when it has none.
#[must_use]
pub fn name(number: u8) -> &'static str {
    NAMES
        .iter()
        .find(|(known, _)| *known == number)
        .map_or("", |&(_, name)| name)
}

/// Components that XCR0 and IA32_XSS can enable on a processor, by number.
#[must_use]
pub fn components(cpu: &CpuLeaves) -> Vec<Component> {
    let Some(first) = cpu.leaf(0xd) else {
        return Vec::new();
    };
    let second = cpu.get(Leaf(0xd), Subleaf(1)).unwrap_or_default();
    let (user, supervisor) = (join(first.edx, first.eax), join(second.edx, second.ecx));
    (0..64)
        .filter(|number| (user | supervisor) >> number & 1 == 1)
        .map(|number| component(cpu, number, user >> number & 1 == 0))
        .collect()
}

fn component(cpu: &CpuLeaves, number: u8, supervisor: bool) -> Component {
    let plain = |size, offset| Component {
        number,
        name: name(number),
        size,
        offset,
        supervisor,
        aligned: false,
        faultable: false,
    };
    match number {
        // x87 registers with the control words before them; XMM registers.
        0 => plain(160, Some(0)),
        1 => plain(256, Some(160)),
        _ => {
            let row = cpu.get(Leaf(0xd), Subleaf(number.into())).unwrap_or_default();
            let supervisor = supervisor || bit(row.ecx, 0);
            Component {
                supervisor,
                aligned: bit(row.ecx, 1),
                faultable: bit(row.ecx, 2),
                ..plain(row.eax, Some(row.ebx).filter(|_| !supervisor))
            }
        }
    }
}

fn join(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::Registers;

    fn cpu() -> CpuLeaves {
        let mut cpu = CpuLeaves::new(0);
        for (subleaf, [a, b, c, d]) in [
            (0, [0x207, 0xa88, 0xa88, 0]),
            (1, [0xf, 0x348, 0x1800, 0]),
            (2, [0x100, 0x240, 0, 0]),
            (9, [8, 0xa80, 0, 0]),
            (11, [0x10, 0, 1, 0]),
            (12, [0x18, 0, 3, 0]),
        ] {
            cpu.insert(Leaf(0xd), Subleaf(subleaf), Registers::new(a, b, c, d));
        }
        cpu
    }

    #[test]
    fn user_components_have_an_offset_and_supervisor_components_none() {
        let list = components(&cpu());
        let seen: Vec<_> = list.iter().map(|c| (c.name, c.size, c.offset)).collect();
        let expected = [
            ("x87", 160, Some(0)),
            ("SSE", 256, Some(160)),
            ("AVX", 256, Some(576)),
            ("PKRU", 8, Some(2688)),
            ("CET_U", 16, None),
            ("CET_S", 24, None),
        ];
        assert_eq!(seen, expected);
        assert!(list[5].supervisor && list[5].aligned);
    }

    #[test]
    fn sizes_of_both_formats_follow_from_the_components() {
        let state = State::of(&cpu()).unwrap();
        assert_eq!(state.standard_size(state.user), state.maximum_size);
        assert_eq!(state.standard_size(0b111), 0x340);
        assert_eq!(state.standard_size(0b11), FIRST_OFFSET);
        assert_eq!(state.compacted_size(0x207), 0x348);
        // CET_S is aligned: 0x348 + 0x10 rounds up to 0x380.
        assert_eq!(state.compacted_size(0x1a07), 0x380 + 0x18);
        assert_eq!(state.extensions, ["XSAVEOPT", "XSAVEC", "XGETBV with ECX=1", "XSAVES"]);
    }

    #[test]
    fn processor_without_leaf_d_has_no_components() {
        assert!(components(&CpuLeaves::new(0)).is_empty());
        assert_eq!(State::of(&CpuLeaves::new(0)), None);
    }

    #[test]
    fn names_are_in_order() {
        assert!(NAMES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
