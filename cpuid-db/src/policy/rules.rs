//! Which rule of a pool applies to which bits: the `combine` column of the table, and what follows
//! from the leaf where the column says nothing.

use crate::bits::{Bit, Place, Register, Word, Words, halves};
use crate::database::{Combine, Database, Field, Kind, Vendors};
use crate::leafset::CpuLeaves;

/// Bits of a word with one rule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// The bits.
    pub(crate) mask: u32,
    /// Row of the table; `None` for bits nobody names.
    pub(crate) field: Option<&'static Field>,
    /// `None`: what the bits mean is not known.
    pub(crate) rule: Option<Combine>,
}

impl Span {
    /// Our name of the bits; empty when nobody names them.
    pub(crate) fn id(&self) -> &'static str {
        self.field.map_or("", |field| field.id)
    }

    /// Bits that a guest asks for one by one.
    pub(crate) fn is_feature(&self) -> bool {
        self.field.is_some_and(|field| field.kind == Kind::Feature)
            && matches!(self.rule, Some(Combine::And | Combine::Or))
    }
}

pub(crate) const XSAVE: Bit = Word::cpuid(1, 0, Register::Ecx).bit(26);
pub(crate) const AVX: Bit = Word::cpuid(1, 0, Register::Ecx).bit(28);
pub(crate) const ARCH_CAPABILITIES: Bit = Word::cpuid(7, 0, Register::Edx).bit(29);
pub(crate) const IBRS_ALL: Bit = Word::msr(0x10a, Register::Eax).bit(1);
pub(crate) const RSBA: Bit = Word::msr(0x10a, Register::Eax).bit(2);
pub(crate) const RRSBA: Bit = Word::msr(0x10a, Register::Eax).bit(19);
/// Leaf 7 subleaf 0 EAX: the highest subleaf.
pub(crate) const LEAF_7_MAXIMUM: Word = Word::cpuid(7, 0, Register::Eax);
/// Leaf 0x80000008 EAX: address widths.
pub(crate) const ADDRESS_WIDTHS: Word = Word::cpuid(0x8000_0008, 0, Register::Eax);

const fn basic(leaf: u32, subleaf: u32, register: Register, number: u8) -> Bit {
    Word::cpuid(leaf, subleaf, register).bit(number)
}

/// Bits whose rule is another than AND although they look like any feature: what a set bit tells of
/// is a behaviour that is gone or a flaw, or it follows the guest's own topology and state.
const SPECIAL: [(Bit, Combine); 23] = [
    // FDP_EXCPTN_ONLY and ZERO_FCS_FDS: parts of the x87 environment that are no longer written.
    (basic(7, 0, Register::Ebx, 6), Combine::Or),
    (basic(7, 0, Register::Ebx, 13), Combine::Or),
    // MD_CLEAR, VERW_CLEAR, FB_CLEAR, RFDS_CLEAR: VERW clears buffers, so it is worth using.
    (basic(7, 0, Register::Edx, 10), Combine::Or),
    (basic(0x8000_0021, 0, Register::Eax, 5), Combine::Or),
    (Word::msr(0x10a, Register::Eax).bit(17), Combine::Or),
    (Word::msr(0x10a, Register::Eax).bit(28), Combine::Or),
    // RSBA, RRSBA: a return may be predicted from elsewhere on one of the hosts.
    (RSBA, Combine::Or),
    (RRSBA, Combine::Or),
    // NO_LMSL: segment limits in long mode are gone; FS_GS_NS: WRMSR to FS/GS base does not serialise.
    (basic(0x8000_0008, 0, Register::Ebx, 20), Combine::Or),
    (basic(0x8000_0021, 0, Register::Eax, 1), Combine::Or),
    // ANYTHREAD deprecated.
    (basic(0xa, 0, Register::Edx, 15), Combine::Or),
    // OSXSAVE, OSPKE, APIC, OSLWP and the size for what XCR0 has enabled: state, not ability.
    (basic(1, 0, Register::Ecx, 27), Combine::Dynamic),
    (basic(7, 0, Register::Ecx, 4), Combine::Dynamic),
    (basic(1, 0, Register::Edx, 9), Combine::Dynamic),
    (basic(0x8000_0001, 0, Register::Edx, 9), Combine::Dynamic),
    (basic(0x8000_001c, 0, Register::Eax, 0), Combine::Dynamic),
    // HYPERVISOR: set by the one that runs the guest.
    (basic(1, 0, Register::Ecx, 31), Combine::Drop),
    // PSN: a number of one processor.
    (basic(1, 0, Register::Edx, 18), Combine::Drop),
    // HTT, CMP_LEGACY: how many threads the guest has.
    (basic(1, 0, Register::Edx, 28), Combine::Policy),
    (basic(0x8000_0001, 0, Register::Ecx, 1), Combine::Policy),
    // The unit of TLB sizes in 0x80000006.
    (basic(0x8000_0021, 0, Register::Eax, 14), Combine::Policy),
    (basic(0xd, 0, Register::Ebx, 0), Combine::Dynamic),
    (basic(0xd, 1, Register::Ebx, 0), Combine::Dynamic),
];

/// APIC in leaf 1 and its copy in 0x80000001: every hypervisor gives its guest a local APIC.
pub(crate) fn is_apic(bit: Bit) -> bool {
    bit.number == 9 && bit.word.register == Register::Edx && matches!(bit.word.place, Place::Leaf(1 | 0x8000_0001))
}

/// Features a hypervisor gives whatever the host has: the APIC it emulates with its timer, and the
/// bits that tell of the guest's own topology.
pub(crate) fn is_synthesised(bit: Bit) -> bool {
    const EMULATED: [Bit; 4] = [
        basic(1, 0, Register::Ecx, 21),
        basic(1, 0, Register::Ecx, 24),
        basic(1, 0, Register::Ecx, 31),
        basic(6, 0, Register::Eax, 2),
    ];
    is_apic(bit) || EMULATED.contains(&bit)
}

/// The feature that a leaf or MSR is about: without it there is nothing to tell.
pub(crate) fn needed_by(place: Place) -> Option<Bit> {
    match place {
        Place::Msr(0x10a) => Some(ARCH_CAPABILITIES),
        Place::Msr(0xcf) => Some(basic(7, 0, Register::Edx, 30)),
        Place::Msr(0x480..=0x493) => Some(basic(1, 0, Register::Ecx, 5)),
        Place::Msr(_) => None,
        Place::Leaf(leaf) => LEAF_NEEDS.iter().find(|(known, _)| *known == leaf).map(|&(_, bit)| bit),
    }
}

const LEAF_NEEDS: [(u32, Bit); 13] = [
    (5, basic(1, 0, Register::Ecx, 3)),
    (0xf, basic(7, 0, Register::Ebx, 12)),
    (0x10, basic(7, 0, Register::Ebx, 15)),
    (0x12, basic(7, 0, Register::Ebx, 2)),
    (0x14, basic(7, 0, Register::Ebx, 25)),
    (0x19, basic(7, 0, Register::Ecx, 23)),
    (0x1b, basic(7, 0, Register::Edx, 18)),
    (0x1c, basic(7, 0, Register::Edx, 19)),
    (0x1d, basic(7, 0, Register::Edx, 24)),
    (0x1e, basic(7, 0, Register::Edx, 24)),
    (0x8000_000a, basic(0x8000_0001, 0, Register::Ecx, 2)),
    (0x8000_001b, basic(0x8000_0001, 0, Register::Ecx, 10)),
    (0x8000_001c, basic(0x8000_0001, 0, Register::Ecx, 15)),
];

/// The feature that is of no use when hosts disagree on a value of a word.
pub(crate) fn agreement_for(word: Word) -> Option<Bit> {
    match (word.place, word.subleaf.0) {
        (Place::Leaf(0xf), 1) => Some(basic(0xf, 0, Register::Edx, 1)),
        (Place::Leaf(0x10), 3) => Some(basic(0x10, 0, Register::Ebx, 3)),
        (Place::Leaf(0x1d), 1..) | (Place::Leaf(0x1e), 0) => Some(basic(7, 0, Register::Edx, 24)),
        // The C bit: memory encryption as a whole.
        (Place::Leaf(0x8000_001f), 0) => Some(basic(0x8000_001f, 0, Register::Eax, 1)),
        (Place::Leaf(0x8000_0020), 1) => Some(basic(0x8000_0020, 0, Register::Ebx, 1)),
        (Place::Leaf(0x8000_0020), 2) => Some(basic(0x8000_0020, 0, Register::Ebx, 2)),
        _ => None,
    }
}

/// A leaf range of hypervisors.
pub(crate) const fn is_hypervisor(place: Place) -> bool {
    matches!(place, Place::Leaf(0x4000_0000..=0x4fff_ffff))
}

/// Whole words that tell who the processor is, how it is made and what it shares: they follow the
/// identity of the guest, named or not.
pub(crate) const fn is_identity(word: Word) -> bool {
    match word.place {
        Place::Leaf(1) => matches!(word.register, Register::Eax),
        Place::Leaf(0x8000_0001) => matches!(word.register, Register::Eax | Register::Ebx),
        Place::Leaf(0 | 0x8000_0000) => !matches!(word.register, Register::Eax),
        Place::Leaf(leaf) => matches!(
            leaf,
            2 | 4 | 0xb | 0x16..=0x18 | 0x1a | 0x1f | 0x8000_0002..=0x8000_0006 | 0x8000_0019
                | 0x8000_001d | 0x8000_001e | 0x8000_0026 | 0x8086_0000..=0x8086_ffff
        ),
        Place::Msr(_) => false,
    }
}

/// Rule of the values of a leaf: leaf, first and last subleaf, register, lowest bit.
type ValueRule = (u32, u32, u32, Option<Register>, Option<u8>, Combine);

/// Rules by leaf for values whose row names none.
const VALUES: &[ValueRule] = {
    use Combine::{And, Drop, Dynamic, Equal, Max, Min, Or, Policy};
    use Register::{Eax, Ebx, Ecx, Edx};
    const LAST: u32 = u32::MAX;
    &[
        (0, 0, LAST, Some(Eax), None, Min),
        // The line CLFLUSH takes: a guest that believes in the smallest flushes all.
        (1, 0, LAST, Some(Ebx), Some(8), Min),
        (1, 0, LAST, Some(Ebx), None, Policy),
        (3, 0, LAST, None, None, Drop),
        (5, 0, LAST, Some(Ebx), None, Max),
        (5, 0, LAST, None, None, Min),
        (6, 0, LAST, Some(Edx), None, Policy),
        (6, 0, LAST, None, None, Min),
        (7, 0, 0, None, None, Min),
        // Bits of EBX that tell that an event is missing.
        (0xa, 0, 0, Some(Ebx), None, Or),
        (0xa, 0, 0, Some(Ecx), None, And),
        (0xa, 0, 0, None, None, Min),
        (0xd, 0, 1, Some(Ebx), None, Dynamic),
        (0xf, 1, 1, Some(Ebx), None, Equal),
        (0xf, 0, LAST, None, None, Min),
        // Ways that others share; the throttling scale must be the same.
        (0x10, 1, 2, Some(Ebx), None, Or),
        (0x10, 3, LAST, Some(Eax), None, Equal),
        (0x10, 0, LAST, None, None, Min),
        (0x12, 0, 0, Some(Edx), None, Min),
        (0x12, 0, 1, None, None, And),
        // Where one host has its enclave pages.
        (0x12, 2, LAST, None, None, Drop),
        (0x14, 0, 0, Some(Eax), None, Min),
        (0x14, 1, LAST, Some(Eax), Some(0), Min),
        (0x14, 0, LAST, None, None, And),
        (0x1b, 0, LAST, None, None, Drop),
        (0x1c, 0, LAST, None, None, And),
        (0x1d, 0, 0, Some(Eax), None, Min),
        (0x20, 0, 0, Some(Eax), None, Min),
        (0x21, 0, LAST, None, None, Drop),
        (0x23, 0, LAST, None, None, And),
        (0x24, 0, 0, None, None, Min),
        (0x8000_0000, 0, LAST, Some(Eax), None, Min),
        (0x8000_0007, 0, LAST, Some(Ecx), None, Policy),
        (0x8000_0008, 0, LAST, Some(Ecx), Some(16), Min),
        (0x8000_0008, 0, LAST, Some(Ecx), None, Policy),
        (0x8000_0008, 0, LAST, None, None, Min),
        (0x8000_000a, 0, LAST, None, None, Min),
        (0x8000_001f, 0, LAST, Some(Ebx), Some(0), Equal),
        (0x8000_001f, 0, LAST, Some(Ebx), Some(6), Max),
        (0x8000_001f, 0, LAST, Some(Edx), None, Max),
        (0x8000_001f, 0, LAST, None, None, Min),
        (0x8000_0020, 0, LAST, None, None, Min),
        (0x8000_0021, 0, LAST, Some(Ebx), Some(0), Policy),
        (0x8000_0021, 0, LAST, None, None, Min),
        (0x8000_0022, 0, LAST, Some(Ecx), None, Policy),
        (0x8000_0022, 0, LAST, None, None, Min),
        (0x8000_0023, 0, LAST, None, None, Min),
        (0xc000_0000, 0, LAST, Some(Eax), None, Min),
    ]
};

fn of_value(word: Word, low: u8) -> Option<Combine> {
    let Place::Leaf(leaf) = word.place else {
        return None;
    };
    VALUES
        .iter()
        .find(|(at, first, last, register, bit, _)| {
            *at == leaf
                && (*first..=*last).contains(&word.subleaf.0)
                && register.is_none_or(|register| register == word.register)
                && bit.is_none_or(|bit| bit == low)
        })
        .map(|&(.., combine)| combine)
}

/// Control MSRs of VMX (SDM volume 3, appendix A.3 to A.5): the low half tells what must be 1, the high
/// half what may be.
const fn is_control(index: u32) -> bool {
    matches!(index, 0x481..=0x484 | 0x48b | 0x48d..=0x490)
}

/// The words of a processor with the control MSRs of VMX as features are named in them: what may be
/// 1, in EAX. A dump has that in the high half; configurations have only that, in the low one.
pub(crate) fn words_of(cpu: &CpuLeaves) -> Words {
    let mut words = Words::of(cpu);
    for (index, value) in cpu.msrs().filter(|(index, _)| is_control(*index)) {
        let [_, allowed] = halves(value);
        if allowed != 0 {
            words.put(Word::msr(index, Register::Eax), allowed);
            words.put(Word::msr(index, Register::Edx), 0);
        }
    }
    words
}

/// Rules of VMX's MSRs for what nobody names: of CR0 and CR4 one MSR tells what must be 1, the next
/// what may be.
const fn of_vmx(word: Word) -> Option<Combine> {
    match (word.place, word.register) {
        (Place::Msr(0x486 | 0x488), _) => Some(Combine::Or),
        (Place::Msr(index), _) if is_control(index) => Some(Combine::And),
        (Place::Msr(0x487 | 0x489 | 0x48c | 0x491..=0x493), _) => Some(Combine::And),
        (Place::Msr(0x480 | 0x485), _) => Some(Combine::Equal),
        (Place::Msr(0x48a), _) => Some(Combine::Min),
        _ => None,
    }
}

/// Rule of a row in a word. A value the table leaves to the guest's policy has the rule of its leaf
/// all the same: a guest cannot be promised more than the least of its hosts has.
pub(crate) fn of_field(field: &Field, word: Word) -> Option<Combine> {
    if is_hypervisor(word.place) {
        return Some(Combine::Drop);
    }
    if is_identity(word) {
        return Some(Combine::Policy);
    }
    let open = matches!(field.combine, None | Some(Combine::And | Combine::Policy));
    let special = SPECIAL
        .iter()
        .find(|(bit, _)| open && bit.word == word && bit.number == field.low);
    if let Some(&(_, combine)) = special {
        return Some(combine);
    }
    if !open {
        return field.combine;
    }
    match field.kind {
        Kind::Reserved => field.combine,
        Kind::Feature if field.absence => Some(Combine::Or),
        Kind::Feature => of_value(word, field.low)
            .filter(|combine| matches!(combine, Combine::Or | Combine::Drop))
            .or(Some(Combine::And)),
        Kind::Field | Kind::Count | Kind::Magic => of_value(word, field.low)
            .or_else(|| of_vmx(word))
            .or(field.combine)
            .or(Some(Combine::Equal)),
    }
}

/// All 32 bits of a word, each in one span.
pub(crate) fn spans(db: &Database, word: Word, vendors: Vendors) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut left = u32::MAX;
    if !is_hypervisor(word.place) {
        for field in db.of_word(word, vendors) {
            let mask = field.mask() & left;
            // A row cut by another is no value any more.
            if mask != field.mask() {
                continue;
            }
            left &= !mask;
            spans.push(Span {
                mask,
                field: Some(field),
                rule: of_field(field, word),
            });
        }
    }
    if left != 0 {
        let rule = match word.place {
            place if is_hypervisor(place) => Some(Combine::Drop),
            _ if is_identity(word) => Some(Combine::Policy),
            Place::Leaf(0xd) => Some(Combine::And),
            _ => of_vmx(word),
        };
        spans.push(Span {
            mask: left,
            field: None,
            rule,
        });
    }
    spans
}

/// Whether a leaf or MSR tells of abilities rather than of the state of a machine.
pub(crate) fn is_ability(db: &Database, place: Place) -> bool {
    match place {
        Place::Leaf(_) | Place::Msr(0x480..=0x493) => true,
        Place::Msr(_) => db.fields().any(|field| field.place == place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(bit: Bit) -> Option<Combine> {
        let spans = spans(&Database::builtin(), bit.word, Vendors::ANY);
        spans.iter().find(|span| span.mask >> bit.number & 1 == 1)?.rule
    }

    #[test]
    fn every_special_bit_that_has_a_row_has_its_rule() {
        let db = Database::builtin();
        for (bit, combine) in SPECIAL
            .into_iter()
            .filter(|(bit, _)| db.of_bit(*bit, Vendors::ANY).is_some())
        {
            assert_eq!(rule(bit), Some(combine), "{bit}");
        }
    }

    #[test]
    fn a_word_is_covered_once_by_its_spans() {
        let db = Database::builtin();
        for word in [
            Word::cpuid(1, 0, Register::Ebx),
            Word::cpuid(7, 0, Register::Ecx),
            Word::cpuid(0xd, 40, Register::Eax),
            Word::cpuid(0x4000_0001, 0, Register::Eax),
            Word::cpuid(0x1234, 5, Register::Eax),
        ] {
            let spans = spans(&db, word, Vendors::of(crate::Vendor::Intel));
            assert_eq!(spans.iter().fold(0, |all, span| all ^ span.mask), u32::MAX, "{word}");
            assert_eq!(
                spans.iter().map(|span| span.mask.count_ones()).sum::<u32>(),
                32,
                "{word}"
            );
        }
    }

    #[test]
    fn maxima_are_minimal_and_cache_words_follow_the_identity() {
        assert_eq!(rule(basic(0, 0, Register::Eax, 0)), Some(Combine::Min));
        assert_eq!(rule(basic(0x8000_0008, 0, Register::Eax, 3)), Some(Combine::Min));
        assert_eq!(rule(basic(4, 2, Register::Ebx, 31)), Some(Combine::Policy));
        assert_eq!(rule(basic(0x1234, 0, Register::Eax, 0)), None);
        assert_eq!(rule(Word::msr(0x487, Register::Eax).bit(3)), Some(Combine::And));
    }
}
