//! Memory modules onto sockets and channels.

use std::collections::BTreeMap;

use crate::model::{DimmSlot, Identity, Memory, OriginIndex, Socket};
use crate::smbios::locator::{self, Placement};
use crate::smbios::{Handle, Processor, Smbios};
use crate::sysfs::topology::CpuTopology;

/// Places every module; what is no memory of the machine (flash) is set apart.
pub(super) fn place(
    smbios: &Smbios,
    origin: Option<OriginIndex>,
    (cpu, identity): (&CpuTopology, &Identity),
    sockets: &mut [Socket],
) -> Memory {
    let mut memory = Memory {
        arrays: smbios.arrays.clone(),
        origin,
        ..Memory::default()
    };
    let placements = match completed(smbios, cpu, identity) {
        Some(smbios) => locator::place_all(&smbios),
        None => locator::place_all(smbios),
    };
    let nodes = nodes(&placements);
    for (module, placement) in smbios.modules.iter().zip(placements) {
        if !placement.is_memory {
            memory.not_memory.push(module.clone());
            continue;
        }
        let index = memory.slots.len();
        let socket = socket(smbios, &placement, sockets);
        if let Some(socket) = socket.and_then(|at| sockets.get_mut(at)) {
            socket.slots.push(index);
        }
        let several = placement.channel.as_ref().is_some_and(|channel| {
            nodes
                .get(&(placement.socket, channel.clone()))
                .is_some_and(|nodes| nodes.len() > 1)
        });
        let channel = match (&placement.node, placement.channel) {
            (Some(node), Some(channel)) if several => Some(format!("{node}/{channel}")),
            (_, channel) => channel,
        };
        let style = Some(placement.style).filter(|style| !style.is_empty());
        memory.slots.push(DimmSlot {
            module: module.clone(),
            socket,
            channel,
            position: placement.slot,
            style,
        });
    }
    memory
}

/// A capture may have the modules and no other structure: the kernel knows the processors and the
/// makers. A single processor is not enough, there may be an empty socket beside it.
fn completed(smbios: &Smbios, cpu: &CpuTopology, identity: &Identity) -> Option<Smbios> {
    if !smbios.processors.is_empty() || smbios.modules.is_empty() || cpu.packages.len() < 2 {
        return None;
    }
    let processor = Processor {
        manufacturer: cpu.vendor.clone(),
        version: cpu.model.clone(),
        id: cpu.family_model_stepping.and_then(signature),
        ..Processor::default()
    };
    let mut whole = smbios.clone();
    whole.processors = vec![processor; cpu.packages.len()];
    whole.bios = whole.bios.or_else(|| identity.bios.clone());
    whole.system = whole.system.or_else(|| identity.system.clone());
    if whole.baseboards.is_empty() {
        whole.baseboards.extend(identity.board.clone());
    }
    Some(whole)
}

/// CPUID leaf 1 EAX of a family, model and stepping as displayed.
fn signature((family, model, stepping): (u32, u32, u32)) -> Option<u64> {
    let (base, extended) = (family.min(15), family.saturating_sub(15));
    let fits = extended <= 0xff && model <= 0xff && stepping <= 0xf;
    let bits = (extended << 20) | ((model >> 4) << 16) | (base << 8) | ((model & 0xf) << 4) | stepping;
    fits.then_some(u64::from(bits))
}

/// Memory controllers that use the same channel name in one socket.
fn nodes(placements: &[Placement]) -> BTreeMap<(Option<u32>, String), Vec<Option<u32>>> {
    let mut nodes: BTreeMap<(Option<u32>, String), Vec<Option<u32>>> = BTreeMap::new();
    for placement in placements {
        let Some(channel) = &placement.channel else { continue };
        let known = nodes.entry((placement.socket, channel.clone())).or_default();
        if !known.contains(&placement.node) {
            known.push(placement.node);
        }
    }
    nodes
}

/// Index of the socket: the one with the processor structure the placement names, or the only one.
fn socket(smbios: &Smbios, placement: &Placement, sockets: &[Socket]) -> Option<usize> {
    if sockets.len() == 1 {
        return Some(0);
    }
    let number = usize::try_from(placement.socket?).ok()?;
    if smbios.processors.is_empty() {
        return sockets.get(number).map(|_| number);
    }
    let handle: Handle = smbios.processors.get(number)?.handle;
    sockets
        .iter()
        .position(|socket| socket.processor.as_ref().is_some_and(|p| p.handle == handle))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smbios::{MemoryModule, System};
    use crate::sysfs::topology::Group;

    fn modules(names: &[&str]) -> Smbios {
        let module = |name: &&str| MemoryModule {
            locator: Some((*name).to_owned()),
            ..MemoryModule::default()
        };
        Smbios {
            modules: names.iter().map(module).collect(),
            ..Smbios::default()
        }
    }

    fn kernel(packages: usize) -> (CpuTopology, Identity) {
        let cpu = CpuTopology {
            vendor: Some("GenuineIntel".to_owned()),
            model: Some("Intel(R) Xeon(R) CPU E5-2680 0 @ 2.70GHz".to_owned()),
            family_model_stepping: Some((6, 45, 7)),
            packages: vec![Group::default(); packages],
            ..CpuTopology::default()
        };
        let identity = Identity {
            system: Some(System {
                manufacturer: Some("Dell Inc.".to_owned()),
                ..System::default()
            }),
            ..Identity::default()
        };
        (cpu, identity)
    }

    #[test]
    fn without_type_4_the_processors_of_the_kernel_place_the_modules() {
        let names: Vec<String> = ["A", "B"]
            .iter()
            .flat_map(|letter| (1..=8).map(move |number| format!("DIMM_{letter}{number}")))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (cpu, identity) = kernel(2);
        let mut sockets = vec![Socket::default(); 2];
        let memory = place(&modules(&names), None, (&cpu, &identity), &mut sockets);
        assert_eq!(memory.slots[8].socket, Some(1));
        assert_eq!(memory.slots[8].channel.as_deref(), Some("1+5"));
        assert_eq!(sockets[1].slots.len(), 8);
    }

    #[test]
    fn one_processor_of_the_kernel_may_have_an_empty_socket_beside_it() {
        let (cpu, identity) = kernel(1);
        assert_eq!(completed(&modules(&["DIMM_A1", "DIMM_B1"]), &cpu, &identity), None);
    }

    #[test]
    fn a_signature_is_put_together_as_cpuid_gives_it() {
        assert_eq!(signature((6, 45, 7)), Some(0x0002_06d7));
        assert_eq!(signature((0x19, 0x11, 1)), Some(0x00a1_0f11));
        assert_eq!(signature((6, 45, 16)), None);
    }
}
