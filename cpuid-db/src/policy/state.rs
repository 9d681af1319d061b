//! XSAVE state of a pool: leaf 0xD is not combined but built anew from the features that remain, and
//! only when every host keeps each component at the same place with the same size. A guest that
//! moves takes the image of its registers along, in the layout of where it came from.

use schemars::JsonSchema;
use serde::Serialize;

use super::host::Host;
use super::rules::XSAVE;
use crate::bits::{Bit, Place, Register, Word, Words};
use crate::xsave::{self, Component, State};

const fn leaf(number: u32, subleaf: u32, register: Register, bit: u8) -> Bit {
    Word::cpuid(number, subleaf, register).bit(bit)
}

const XSAVEC: Bit = leaf(0xd, 1, Register::Eax, 1);
const XSAVES: Bit = leaf(0xd, 1, Register::Eax, 3);
const XFD: Bit = leaf(0xd, 1, Register::Eax, 4);
const AVX: Bit = super::rules::AVX;
const MPX: Bit = leaf(7, 0, Register::Ebx, 14);
const AVX512F: Bit = leaf(7, 0, Register::Ebx, 16);
const AVX10: Bit = leaf(7, 1, Register::Edx, 19);
const SHSTK: Bit = leaf(7, 0, Register::Ecx, 7);
const IBT: Bit = leaf(7, 0, Register::Edx, 20);
const AMX_TILE: Bit = leaf(7, 0, Register::Edx, 24);

/// Components and the features whose registers they hold: one of them is enough for the component to
/// be offered, and a user component that is missing takes all of them along.
const HOLDS: [(u8, &[Bit]); 19] = [
    (2, &[AVX]),
    (3, &[MPX]),
    (4, &[MPX]),
    (5, &[AVX512F, AVX10]),
    (6, &[AVX512F, AVX10]),
    (7, &[AVX512F, AVX10]),
    (8, &[leaf(7, 0, Register::Ebx, 25)]),
    (9, &[leaf(7, 0, Register::Ecx, 3)]),
    (10, &[leaf(7, 0, Register::Ecx, 29)]),
    (11, &[SHSTK, IBT]),
    (12, &[SHSTK, IBT]),
    (13, &[leaf(6, 0, Register::Eax, 13)]),
    (14, &[leaf(7, 0, Register::Edx, 5)]),
    (15, &[leaf(7, 0, Register::Edx, 19)]),
    (16, &[leaf(6, 0, Register::Eax, 7)]),
    (17, &[AMX_TILE]),
    (18, &[AMX_TILE]),
    (19, &[leaf(7, 1, Register::Edx, 21)]),
    (62, &[leaf(0x8000_0001, 0, Register::Ecx, 15)]),
];

/// x87 and SSE: part of every XSAVE.
const LEGACY: u64 = 0b11;

/// Size and place of a component on one host.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Layout {
    /// Name of the host.
    pub host: String,
    /// Bytes.
    pub size: u32,
    /// Place in the standard format; `None` for a supervisor component.
    pub offset: Option<u32>,
    /// Begins at a multiple of 64 in the compacted format.
    pub aligned: bool,
}

/// A component that hosts keep differently.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Unequal {
    /// Bit of XCR0 or IA32_XSS.
    pub number: u8,
    /// Its name, or its number.
    pub component: String,
    /// Where each host that has it keeps it.
    pub layouts: Vec<Layout>,
}

impl Unequal {
    /// `PKRU: 0x40 bytes at 0x340 on a; 0x8 bytes at 0x980 on b, c`.
    #[must_use]
    pub fn message(&self) -> String {
        let mut kinds: Vec<(String, Vec<&str>)> = Vec::new();
        for layout in &self.layouts {
            let offset = layout.offset.map_or(String::new(), |offset| format!(" at {offset:#x}"));
            let aligned = if layout.aligned { ", aligned" } else { "" };
            let what = format!("{:#x} bytes{offset}{aligned}", layout.size);
            match kinds.iter_mut().find(|(known, _)| *known == what) {
                Some((_, hosts)) => hosts.push(&layout.host),
                None => kinds.push((what, vec![&layout.host])),
            }
        }
        let kinds: Vec<String> = kinds
            .into_iter()
            .map(|(what, hosts)| format!("{what} on {}", hosts.join(", ")))
            .collect();
        format!("{}: {}", self.component, kinds.join("; "))
    }
}

/// Name of a component, or its number.
pub(crate) fn component_name(number: u8) -> String {
    match xsave::name(number) {
        "" => format!("component {number}"),
        name => name.to_owned(),
    }
}

/// Components of hosts.
pub(crate) struct Pool {
    /// By host; `None` when its leaf 0xD is not known.
    states: Vec<Option<State>>,
    names: Vec<String>,
    /// Hosts whose leaf 0xD is not in the dump although they have XSAVE.
    pub(crate) untold: Vec<usize>,
}

/// What a feature lost its registers to.
pub(crate) struct Taken {
    pub(crate) bit: Bit,
    pub(crate) component: u8,
    /// Some host keeps the component elsewhere (otherwise: lacks it).
    pub(crate) unequal: bool,
}

impl Pool {
    pub(crate) fn of(hosts: &[Host]) -> Self {
        let states: Vec<Option<State>> = hosts.iter().map(|host| State::of(&host.cpu)).collect();
        let untold = hosts
            .iter()
            .zip(&states)
            .enumerate()
            .filter(|(_, (host, state))| state.is_none() && host.words.has(XSAVE))
            .map(|(index, _)| index)
            .collect();
        Self {
            states,
            names: hosts.iter().map(|host| host.name.clone()).collect(),
            untold,
        }
    }

    fn known(&self) -> impl Iterator<Item = (&State, &String)> {
        self.states
            .iter()
            .zip(&self.names)
            .filter_map(|(state, name)| Some((state.as_ref()?, name)))
    }

    /// No host tells of its state.
    pub(crate) fn is_silent(&self) -> bool {
        self.known().next().is_none()
    }

    /// Components that every host knows: of XCR0, of IA32_XSS.
    fn common(&self) -> (u64, u64) {
        if self.is_silent() {
            return (0, 0);
        }
        self.known()
            .fold((u64::MAX, u64::MAX), |(user, supervisor), (state, _)| {
                (user & state.user, supervisor & state.supervisor)
            })
    }

    /// Components offered with these features: of XCR0, of IA32_XSS.
    pub(crate) fn offered(&self, words: &Words) -> (u64, u64) {
        if !words.has(XSAVE) {
            return (0, 0);
        }
        let wanted = HOLDS
            .iter()
            .filter(|(_, features)| features.iter().any(|feature| words.has(*feature)))
            .fold(LEGACY, |mask, (number, _)| mask | 1 << number);
        let (user, supervisor) = self.common();
        let supervisor = if words.has(XSAVES) { supervisor } else { 0 };
        (user & wanted, supervisor & wanted)
    }

    /// Features whose registers have no place on some host.
    pub(crate) fn without_place(&self, words: &Words) -> Vec<Taken> {
        if self.is_silent() || !words.has(XSAVE) {
            return Vec::new();
        }
        let (user, _) = self.common();
        let known_as_supervisor = self.known().fold(0, |all, (state, _)| all | state.supervisor);
        HOLDS
            .iter()
            // IA32_XSS components can be kept by other means (WRMSR), so their absence takes nothing.
            .filter(|(number, _)| !matches!(number, 8 | 10..=16))
            .filter(|(number, _)| (user & !known_as_supervisor) >> number & 1 == 0)
            .flat_map(|(number, features)| features.iter().map(move |feature| (number, feature)))
            .filter(|(_, feature)| words.has(**feature))
            .map(|(number, feature)| Taken {
                bit: *feature,
                component: *number,
                unequal: false,
            })
            .collect()
    }

    /// Features whose registers a component holds.
    pub(crate) fn held_by(number: u8) -> &'static [Bit] {
        HOLDS
            .iter()
            .find(|(known, _)| *known == number)
            .map_or(&[], |(_, features)| features)
    }

    /// Components of `mask` that hosts keep differently; `compacted` when guests use that format, too.
    pub(crate) fn unequal(&self, mask: u64, compacted: bool) -> Vec<Unequal> {
        (2..64_u8)
            .filter(|number| mask >> number & 1 == 1)
            .filter_map(|number| {
                let layouts: Vec<Layout> = self
                    .known()
                    .filter_map(|(state, name)| {
                        let component = state.components.iter().find(|component| component.number == number)?;
                        Some(layout(component, name))
                    })
                    .collect();
                let first = layouts.first()?;
                let same = |other: &Layout| {
                    (other.size, other.offset) == (first.size, first.offset)
                        && (!compacted || other.aligned == first.aligned)
                };
                (!layouts.iter().all(same)).then(|| Unequal {
                    number,
                    component: component_name(number),
                    layouts: layouts.clone(),
                })
            })
            .collect()
    }

    /// Components that every host has and that hosts keep differently, offered or not.
    pub(crate) fn unequal_in_common(&self) -> Vec<Unequal> {
        let (user, supervisor) = self.common();
        self.unequal(user | supervisor, true)
    }

    /// Guests with these features use the compacted format.
    pub(crate) fn is_compacted(words: &Words) -> bool {
        words.has(XSAVEC) || words.has(XSAVES)
    }

    /// Builds leaf 0xD into `words` for the features that are in it.
    pub(crate) fn write(&self, words: &mut Words) {
        let (user, supervisor) = self.offered(words);
        let Some((state, _)) = self.known().next() else {
            return;
        };
        if user == 0 {
            words.put(Word::cpuid(0xd, 1, Register::Eax), 0);
            return;
        }
        let size = state.standard_size(user);
        let compacted = if Self::is_compacted(words) {
            state.compacted_size(user | supervisor)
        } else {
            0
        };
        let put = |words: &mut Words, subleaf, [eax, ebx, ecx, edx]: [Option<u32>; 4]| {
            for (register, value) in Register::ALL.into_iter().zip([eax, ebx, ecx, edx]) {
                if let Some(value) = value {
                    words.put(Word::cpuid(0xd, subleaf, register), value);
                }
            }
        };
        let [user_low, user_high] = crate::bits::halves(user);
        put(words, 0, [Some(user_low), Some(size), Some(size), Some(user_high)]);
        let [low, high] = crate::bits::halves(supervisor);
        put(words, 1, [None, Some(compacted), Some(low), Some(high)]);
        let faultable = |number: u8| {
            words_has_xfd(words)
                && self.known().all(|(state, _)| {
                    state
                        .components
                        .iter()
                        .any(|component| component.number == number && component.faultable)
                })
        };
        let chosen: Vec<(u32, [Option<u32>; 4])> = state
            .components
            .iter()
            .filter(|component| component.number > 1 && (user | supervisor) >> component.number & 1 == 1)
            .map(|component| {
                let flags = u32::from(component.supervisor)
                    | u32::from(component.aligned) << 1
                    | u32::from(faultable(component.number)) << 2;
                let offset = component.offset.unwrap_or(0);
                (
                    component.number.into(),
                    [Some(component.size), Some(offset), Some(flags), Some(0)],
                )
            })
            .collect();
        for (subleaf, registers) in chosen {
            put(words, subleaf, registers);
        }
    }
}

fn words_has_xfd(words: &Words) -> bool {
    words.has(XFD)
}

fn layout(component: &Component, host: &str) -> Layout {
    Layout {
        host: host.to_owned(),
        size: component.size,
        offset: component.offset,
        aligned: component.aligned,
    }
}

/// A bit of leaf 0xD that tells of a component, and the component.
pub(crate) fn component_of(bit: Bit) -> Option<u8> {
    let Place::Leaf(0xd) = bit.word.place else {
        return None;
    };
    match (bit.word.subleaf.0, bit.word.register) {
        (0, Register::Eax) | (1, Register::Ecx) => Some(bit.number),
        (0 | 1, Register::Edx) => bit.number.checked_add(32),
        _ => None,
    }
}

/// Words of leaf 0xD that are built anew: all but the features in subleaf 1 EAX.
pub(crate) fn is_rebuilt(word: Word) -> bool {
    word.place == Place::Leaf(0xd) && word != Word::cpuid(0xd, 1, Register::Eax)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Database;
    use crate::leaf::{Leaf, Registers, Subleaf};
    use crate::leafset::CpuLeaves;

    fn host(name: &str, pkru: [u32; 2]) -> Host {
        let mut cpu = CpuLeaves::new(0);
        for (leaf, subleaf, [a, b, c, d]) in [
            (1, 0, [0, 0, 0x1c00_0000, 0]),
            (7, 0, [0, 0, 8, 0]),
            (0xd, 0, [0x207, 0, 0, 0]),
            (0xd, 1, [2, 0, 0, 0]),
            (0xd, 2, [0x100, 0x240, 0, 0]),
            (0xd, 9, [pkru[0], pkru[1], 0, 0]),
        ] {
            cpu.insert(Leaf(leaf), Subleaf(subleaf), Registers::new(a, b, c, d));
        }
        Host::of_cpu(&Database::builtin(), name, &cpu).unwrap()
    }

    #[test]
    fn a_component_kept_elsewhere_names_hosts_and_places() {
        let hosts = [host("a", [8, 0xa80]), host("b", [8, 0x980]), host("c", [8, 0xa80])];
        let pool = Pool::of(&hosts);
        let [unequal] = &pool.unequal_in_common()[..] else {
            panic!()
        };
        assert_eq!(
            unequal.message(),
            "PKRU: 0x8 bytes at 0xa80 on a, c; 0x8 bytes at 0x980 on b"
        );
    }

    #[test]
    fn leaf_d_follows_the_features() {
        let hosts = [host("a", [8, 0xa80])];
        let pool = Pool::of(&hosts);
        let mut words = hosts[0].words.clone();
        pool.write(&mut words);
        assert_eq!(words.get(Word::cpuid(0xd, 0, Register::Ecx)), 0xa88);
        assert_eq!(words.get(Word::cpuid(0xd, 1, Register::Ebx)), 0x348);
        words.put(Word::cpuid(7, 0, Register::Ecx), 0);
        assert_eq!(pool.offered(&words), (7, 0));
        words.set(AVX, false);
        assert_eq!(pool.offered(&words), (3, 0));
        words.set(XSAVE, false);
        assert_eq!(pool.offered(&words), (0, 0));
    }

    #[test]
    fn feature_without_its_component_is_told() {
        let mut one = host("a", [8, 0xa80]);
        one.words.set(MPX, true);
        let taken = Pool::of(std::slice::from_ref(&one)).without_place(&one.words);
        let seen: Vec<_> = taken.iter().map(|taken| (taken.bit, taken.component)).collect();
        assert_eq!(seen, [(MPX, 3), (MPX, 4)]);
    }
}
