//! Where one logical processor sits: its APIC id, and how far to shift it right to get the number of
//! its core, module, die, … and package.
//!
//! | processors | leaves, the first that answers wins |
//! |---|---|
//! | Intel, Zhaoxin, Centaur, others | 0x1F, 0xB (SDM volume 3A, 10.9 "Programming considerations for hardware multi-threading"), then 1 and 4 |
//! | AMD, Hygon | 0x80000026, 0xB, then 0x80000008 and 0x8000001E (APM volume 3, appendix E) |
//!
//! The two families mean different things by the shift of a level: in 0xB and 0x1F it leads to the
//! number of the *next* level, in 0x80000026 to the number of the level *itself*. (Seen on a Ryzen with two
//! CCDs: complex 4, die 4, socket 5; read the other way it would have two sockets.)

use schemars::JsonSchema;
use serde::Serialize;

use crate::identity::{Identity, Vendor};
use crate::leaf::{Leaf, Registers, Subleaf, bit, bits};
use crate::leafset::CpuLeaves;

/// Most levels read from one leaf; the architectures define six.
const LEVELS: usize = 16;

/// APIC id: 8 bits (leaf 1) or 32 bits (x2APIC).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
pub struct ApicId(pub u32);

impl ApicId {
    /// The id without its lowest `shift` bits.
    #[must_use]
    pub const fn above(self, shift: u32) -> u32 {
        match self.0.checked_shr(shift) {
            Some(id) => id,
            None => 0,
        }
    }

    /// The lowest `shift` bits.
    #[must_use]
    pub const fn below(self, shift: u32) -> u32 {
        match u32::MAX.checked_shl(shift) {
            Some(mask) => self.0 & !mask,
            None => self.0,
        }
    }
}

/// What a set of logical processors shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Domain {
    /// Core.
    Core,
    /// Intel module: cores with a common L2 (0x1F type 3).
    Module,
    /// Intel tile (0x1F type 4).
    Tile,
    /// AMD core complex, CCX (0x80000026 type 2).
    Complex,
    /// Die (0x1F type 5), AMD CCD (0x80000026 type 3).
    Die,
    /// Intel group of dies (0x1F type 6).
    DieGroup,
    /// Package.
    Package,
}

/// The leaf a placement was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
pub enum Method {
    /// Leaf 0x1F.
    #[serde(rename = "0x1f")]
    Leaf1F,
    /// Leaf 0xB.
    #[serde(rename = "0xb")]
    LeafB,
    /// Leaf 0x80000026.
    #[serde(rename = "0x80000026")]
    Leaf80000026,
    /// Leaves 0x80000008 and 0x8000001E.
    #[serde(rename = "0x80000008")]
    Leaf80000008,
    /// Leaves 1 and 4.
    #[serde(rename = "1+4")]
    Legacy,
}

impl Method {
    /// The leaf in the field's notation.
    #[must_use]
    pub const fn leaf(self) -> &'static str {
        match self {
            Self::Leaf1F => "0x1f",
            Self::LeafB => "0xb",
            Self::Leaf80000026 => "0x80000026",
            Self::Leaf80000008 => "0x80000008",
            Self::Legacy => "1+4",
        }
    }
}

/// Intel core types of leaf 0x1A, AMD core types of leaf 0x80000026.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CoreType {
    /// Intel Atom: efficient core (0x1A type 0x20).
    Atom,
    /// Intel Core: performance core (0x1A type 0x40).
    Core,
    /// AMD performance core (0x80000026 type 0).
    Performance,
    /// AMD efficient core (0x80000026 type 1).
    Efficiency,
    /// A type without a known name.
    Unknown(u8),
}

/// Kind of a core, on processors that tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
pub struct CoreKind {
    /// Type of core.
    pub core_type: CoreType,
    /// Native model id: tells microarchitectures of one type apart.
    pub native_model: u32,
}

/// AMD compute unit or node of a CPU (0x8000001E).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extended {
    /// Compute unit, families 0x15 and 0x16: (number, cores in it).
    pub unit: Option<(u32, u32)>,
    /// Node number and nodes in the package.
    pub node: (u32, u32),
}

/// Where one logical processor sits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    pub apic: ApicId,
    /// Number the package is shown with, where it is not the APIC id above the package's shift.
    pub initial_apic: Option<ApicId>,
    /// Shift to the number of each domain, smallest domain first; the package is always among them.
    pub shifts: Vec<(Domain, u32)>,
    /// Logical processors in the package, as declared.
    pub declared: Option<u32>,
    /// Cores in the package, as declared; of a hybrid package as if all were of this kind.
    pub cores: Option<u32>,
    pub method: Method,
    pub extended: Option<Extended>,
    pub kind: Option<CoreKind>,
}

impl Placement {
    /// Shift to the number of a domain.
    pub(crate) fn shift(&self, domain: Domain) -> Option<u32> {
        self.shifts
            .iter()
            .find(|(known, _)| *known == domain)
            .map(|&(_, shift)| shift)
    }

    pub(crate) fn package_shift(&self) -> u32 {
        self.shift(Domain::Package).unwrap_or(0)
    }
}

/// Smallest n with 2^n >= `count`.
pub(crate) const fn bits_for(count: u32) -> u32 {
    match count.checked_next_power_of_two() {
        Some(power) => power.trailing_zeros(),
        None => 31,
    }
}

/// Reads the placement of one CPU; `None` without leaf 1 and without an x2APIC leaf.
pub(crate) fn place(cpu: &CpuLeaves, identity: &Identity) -> Option<Placement> {
    let extended = amd_extended(cpu, identity);
    let mut placement = if identity.vendor.is_amd_like() {
        leaf_80000026(cpu)
            .or_else(|| x2apic_levels(cpu, 0xb, Method::LeafB))
            .or_else(|| amd_legacy(cpu, identity))?
    } else {
        x2apic_levels(cpu, 0x1f, Method::Leaf1F)
            .or_else(|| x2apic_levels(cpu, 0xb, Method::LeafB))
            .or_else(|| intel_legacy(cpu))?
    };
    placement.extended = extended;
    if placement.kind.is_none() && identity.vendor == Vendor::Intel {
        placement.kind = intel_kind(cpu);
    }
    Some(placement)
}

fn new(apic: u32, method: Method, shifts: Vec<(Domain, u32)>, declared: Option<u32>) -> Placement {
    Placement {
        apic: ApicId(apic),
        initial_apic: None,
        shifts,
        declared,
        cores: None,
        method,
        extended: None,
        kind: None,
    }
}

/// Levels of leaf 0xB or 0x1F: (type, shift, logical processors), while they have a type.
fn levels(cpu: &CpuLeaves, leaf: u32) -> Vec<(u32, Registers)> {
    cpu.subleaves(leaf)
        .take(LEVELS)
        .map(|row| (bits(row.ecx, 15, 8), row))
        .take_while(|&(kind, _)| kind != 0)
        .collect()
}

/// Whether a dump has only subleaf 0 of a leaf: its one level is then not the package.
fn is_cut(cpu: &CpuLeaves, leaf: u32, levels: usize) -> bool {
    levels == 1 && cpu.get(Leaf(leaf), Subleaf(1)).is_none()
}

/// Leaves 0xB and 0x1F: the shift of a level leads to the next one.
fn x2apic_levels(cpu: &CpuLeaves, leaf: u32, method: Method) -> Option<Placement> {
    let levels = levels(cpu, leaf);
    let (first_type, first) = *levels.first()?;
    if first_type != 1 || bits(first.ebx, 15, 0) == 0 || is_cut(cpu, leaf, levels.len()) {
        return None;
    }
    let mut shifts = Vec::new();
    let mut reached = 0;
    for &(kind, row) in &levels {
        // A level is numbered by what is above the level below it. Types without a known name only
        // carry the shift on.
        let domain = match kind {
            2 => Some(Domain::Core),
            3 => Some(Domain::Module),
            4 => Some(Domain::Tile),
            5 => Some(Domain::Die),
            6 => Some(Domain::DieGroup),
            _ => None,
        };
        shifts.extend(domain.map(|domain| (domain, reached)));
        reached = bits(row.eax, 4, 0);
    }
    if !shifts.iter().any(|(domain, _)| *domain == Domain::Core) {
        // Only a thread level: its shift leads to the core.
        shifts.insert(0, (Domain::Core, bits(first.eax, 4, 0)));
    }
    shifts.push((Domain::Package, reached));
    let declared = levels.last().map(|(_, row)| bits(row.ebx, 15, 0));
    let mut placement = new(first.edx, method, shifts, declared);
    placement.cores = declared.and_then(|count| count.checked_div(bits(first.ebx, 15, 0)));
    Some(placement)
}

/// Leaf 0x80000026: the shift of a level leads to the level itself.
fn leaf_80000026(cpu: &CpuLeaves) -> Option<Placement> {
    let levels = levels(cpu, 0x8000_0026);
    let (first_type, first) = *levels.first()?;
    if first_type != 1 || bits(first.ebx, 15, 0) == 0 || is_cut(cpu, 0x8000_0026, levels.len()) {
        return None;
    }
    let mut shifts = Vec::new();
    for &(kind, row) in &levels {
        let domain = match kind {
            1 => Domain::Core,
            2 => Domain::Complex,
            3 => Domain::Die,
            4 => Domain::Package,
            _ => continue,
        };
        shifts.push((domain, bits(row.eax, 4, 0)));
    }
    let (last, top) = *levels.last()?;
    if last != 4 {
        shifts.push((Domain::Package, bits(top.eax, 4, 0)));
    }
    let declared = bits(top.ebx, 15, 0);
    let mut placement = new(first.edx, Method::Leaf80000026, shifts, Some(declared));
    placement.cores = declared.checked_div(bits(first.ebx, 15, 0));
    // EAX bit 30: the components of a level differ; only then the core type says something.
    if levels.iter().any(|(_, row)| bit(row.eax, 30)) {
        placement.kind = Some(CoreKind {
            core_type: match bits(first.ebx, 31, 28) {
                0 => CoreType::Performance,
                1 => CoreType::Efficiency,
                other => CoreType::Unknown(u8::try_from(other).unwrap_or(u8::MAX)),
            },
            native_model: bits(first.ebx, 27, 24),
        });
    }
    Some(placement)
}

/// Leaf 1 EBX: logical processors in the package, when the HTT bit says that they count.
fn logical_processors(one: Registers) -> u32 {
    if bit(one.edx, 28) {
        bits(one.ebx, 23, 16).max(1)
    } else {
        1
    }
}

/// Leaf 1, and leaf 4 for the number of cores: one on processors before it. When the processor has leaf 4
/// and the dump does not, cores cannot be told.
fn intel_legacy(cpu: &CpuLeaves) -> Option<Placement> {
    let one = cpu.leaf(1)?;
    let logical = logical_processors(one);
    let package = bits_for(logical);
    let has_leaf_4 = cpu.maximum(Leaf(0)).is_some_and(|maximum| maximum >= Leaf(4));
    let cores = match cpu.leaf(4) {
        Some(row) if bits(row.eax, 4, 0) != 0 => Some(bits(row.eax, 31, 26).saturating_add(1)),
        None if has_leaf_4 && logical > 1 => None,
        _ => Some(1),
    };
    let core = cores.map(|cores| (Domain::Core, package.saturating_sub(bits_for(cores))));
    let shifts = core.into_iter().chain([(Domain::Package, package)]).collect();
    // Without a local APIC there is no id; processors before it left the register as it came.
    let has_id = bit(one.edx, 9) || bit(one.edx, 28);
    let apic = if has_id { bits(one.ebx, 31, 24) } else { 0 };
    let mut placement = new(apic, Method::Legacy, shifts, Some(logical));
    placement.cores = cores.map(|cores| cores.min(logical));
    Some(placement)
}

/// Leaf 0x80000008 ECX (size of the core part of the APIC id), 0x8000001E EBX (threads of a core, Zen).
fn amd_legacy(cpu: &CpuLeaves, identity: &Identity) -> Option<Placement> {
    let one = cpu.leaf(1)?;
    let initial = bits(one.ebx, 31, 24);
    let Some(sizes) = cpu.leaf(0x8000_0008) else {
        return intel_legacy(cpu);
    };
    let count = bits(sizes.ecx, 7, 0).saturating_add(1);
    let package = match bits(sizes.ecx, 15, 12) {
        0 => bits_for(count),
        size => size,
    };
    let topology = topology_extensions(cpu);
    let threads = topology
        .filter(|_| identity.family() >= 0x17)
        .map_or(1, |row| bits(row.ebx, 15, 8).saturating_add(1));
    let core = bits_for(threads).min(package);
    let shifts = vec![(Domain::Core, core), (Domain::Package, package)];
    let apic = topology.map_or(initial, |row| row.eax);
    let mut placement = new(apic, Method::Leaf80000008, shifts, Some(count));
    placement.initial_apic = Some(ApicId(initial)).filter(|_| topology.is_some());
    placement.cores = count.checked_div(threads);
    Some(placement)
}

/// Leaf 0x8000001E, when 0x80000001 ECX bit 22 says that it is there.
fn topology_extensions(cpu: &CpuLeaves) -> Option<Registers> {
    cpu.leaf(0x8000_0001).filter(|row| bit(row.ecx, 22))?;
    cpu.leaf(0x8000_001e)
}

/// Compute unit and node.
fn amd_extended(cpu: &CpuLeaves, identity: &Identity) -> Option<Extended> {
    if !identity.vendor.is_amd_like() {
        return None;
    }
    let row = topology_extensions(cpu)?;
    let family = identity.family();
    let unit = (family <= 0x16).then(|| (bits(row.ebx, 7, 0), bits(row.ebx, 15, 8).saturating_add(1)));
    // Family 0x16 has one node; its ECX is reserved.
    let node = match family {
        0x16 => (0, 1),
        _ => (bits(row.ecx, 7, 0), bits(row.ecx, 10, 8).saturating_add(1)),
    };
    Some(Extended { unit, node })
}

/// Leaf 0x1A; zero on processors with one kind of core.
fn intel_kind(cpu: &CpuLeaves) -> Option<CoreKind> {
    let row = cpu.leaf(0x1a).filter(|row| row.eax != 0)?;
    Some(CoreKind {
        core_type: match bits(row.eax, 31, 24) {
            0x20 => CoreType::Atom,
            0x40 => CoreType::Core,
            other => CoreType::Unknown(u8::try_from(other).unwrap_or(u8::MAX)),
        },
        native_model: bits(row.eax, 23, 0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(rows: &[(u32, u32, [u32; 4])]) -> CpuLeaves {
        let mut cpu = CpuLeaves::new(0);
        for &(leaf, subleaf, [a, b, c, d]) in rows {
            cpu.insert(Leaf(leaf), Subleaf(subleaf), Registers::new(a, b, c, d));
        }
        cpu
    }

    fn vendor(vendor: Vendor, signature: u32) -> Identity {
        Identity {
            vendor,
            signature: Some(crate::Signature(signature)),
            ..Identity::default()
        }
    }

    #[test]
    fn shift_of_0x1f_leads_to_the_next_level() {
        let cpu = cpu(&[
            (0x1f, 0, [1, 2, 0x100, 0x35]),
            (0x1f, 1, [4, 16, 0x201, 0x35]),
            (0x1f, 2, [6, 64, 0x502, 0x35]),
            (0x1f, 3, [0, 0, 3, 0x35]),
        ]);
        let placement = place(&cpu, &vendor(Vendor::Intel, 0x806f8)).unwrap();
        assert_eq!(
            placement.shifts,
            [(Domain::Core, 1), (Domain::Die, 4), (Domain::Package, 6)]
        );
        assert_eq!((placement.apic, placement.declared), (ApicId(0x35), Some(64)));
    }

    #[test]
    fn leaf_b_with_only_its_first_level_is_not_a_package_of_one_core() {
        let cpu = cpu(&[
            (1, 0, [0x40651, 0x0210_0800, 0, 1 << 28]),
            (4, 0, [0x1c00_4121, 0, 0, 0]),
            (0xb, 0, [1, 2, 0x100, 2]),
        ]);
        let placement = place(&cpu, &vendor(Vendor::Intel, 0x40651)).unwrap();
        assert_eq!(placement.method, Method::Legacy);
        assert_eq!(placement.package_shift(), 4);
    }

    #[test]
    fn shift_of_0x80000026_leads_to_the_level_itself() {
        let cpu = cpu(&[
            (0x8000_0026, 0, [1, 2, 0x100, 0x11]),
            (0x8000_0026, 1, [4, 16, 0x201, 0x11]),
            (0x8000_0026, 2, [4, 16, 0x302, 0x11]),
            (0x8000_0026, 3, [5, 32, 0x403, 0x11]),
        ]);
        let placement = place(&cpu, &vendor(Vendor::Amd, 0x00b4_0f40)).unwrap();
        let expected = [
            (Domain::Core, 1),
            (Domain::Complex, 4),
            (Domain::Die, 4),
            (Domain::Package, 5),
        ];
        assert_eq!(placement.shifts, expected);
        assert_eq!(placement.kind, None, "all cores alike");
    }

    #[test]
    fn empty_leaf_b_falls_back_to_leaves_1_and_4() {
        let cpu = cpu(&[
            (1, 0, [0x106a5, 0x1310_0800, 0, 1 << 28]),
            (4, 0, [0x1c00_4121, 0, 0, 0]),
            (0xb, 0, [0, 0, 0, 0]),
        ]);
        let placement = place(&cpu, &vendor(Vendor::Intel, 0x106a5)).unwrap();
        assert_eq!(placement.method, Method::Legacy);
        assert_eq!(placement.shifts, [(Domain::Core, 1), (Domain::Package, 4)]);
        assert_eq!(placement.apic, ApicId(0x13));
    }

    #[test]
    fn without_leaf_4_in_the_dump_cores_are_not_told() {
        let cpu = cpu(&[(0, 0, [0xd, 0, 0, 0]), (1, 0, [0x306c3, 0x0110_0800, 0, 1 << 28])]);
        let placement = place(&cpu, &vendor(Vendor::Other, 0x306c3)).unwrap();
        assert_eq!(placement.shifts, [(Domain::Package, 4)]);
    }

    #[test]
    fn processor_without_htt_is_alone_in_its_package() {
        let cpu = cpu(&[(1, 0, [0x633, 0xff10_0000, 0, 0])]);
        let placement = place(&cpu, &vendor(Vendor::Intel, 0x633)).unwrap();
        assert_eq!(placement.shifts, [(Domain::Core, 0), (Domain::Package, 0)]);
    }

    #[test]
    fn first_zen_takes_threads_from_0x8000001e() {
        let cpu = cpu(&[
            (1, 0, [0x0080_0f12, 0x2300_0000, 0, 1 << 28]),
            (0x8000_0001, 0, [0, 0, 1 << 22, 0]),
            (0x8000_0008, 0, [0, 0, 0x602f, 0]),
            (0x8000_001e, 0, [0x23, 0x111, 0x301, 0]),
        ]);
        let placement = place(&cpu, &vendor(Vendor::Amd, 0x0080_0f12)).unwrap();
        assert_eq!(placement.shifts, [(Domain::Core, 1), (Domain::Package, 6)]);
        assert_eq!(
            placement.extended,
            Some(Extended {
                unit: None,
                node: (1, 4)
            })
        );
    }
}
