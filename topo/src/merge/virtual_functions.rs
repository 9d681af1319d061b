//! Virtual functions that no source ties to their physical function, as in `lspci` text: the
//! SR-IOV capability of the physical function says where they are (PCIe 6.0, 9.3.3.9 and 9.3.3.10).

use std::collections::BTreeMap;

use crate::model::PciFunction;
use crate::pci::function::{Bdf, Function};

/// Fills [`Function::physical_function`] of the functions that are virtual ones of another.
pub(super) fn tie(functions: &mut BTreeMap<Bdf, PciFunction>) {
    let places: Vec<(Bdf, Bdf)> = functions
        .values()
        .flat_map(|physical| places(&physical.function).map(|place| (physical.function.bdf, place)))
        .collect();
    for (physical, place) in places {
        let Some(known) = functions.get(&physical) else {
            continue;
        };
        let vendor = known.function.vendor;
        let at = known
            .provenance
            .iter()
            .find(|(name, _)| *name == "vf_routing")
            .map(|(_, at)| *at);
        let Some(function) = functions.get_mut(&place) else {
            continue;
        };
        let other_maker = vendor.zip(function.function.vendor).is_some_and(|(a, b)| a != b);
        let is_physical = function.function.vfs_total.is_some() || function.function.buses.is_some();
        if other_maker || is_physical || function.function.physical_function.is_some() {
            continue;
        }
        function.function.physical_function = Some(physical);
        function.provenance.extend(at.map(|at| ("physical_function", at)));
    }
}

/// Addresses of the virtual functions that are enabled: the first one is as far behind the
/// physical function's routing ID as the offset says, each further one as the stride says.
fn places(physical: &Function) -> impl Iterator<Item = Bdf> + use<> {
    let pf = physical.bdf;
    let routing = physical.vf_routing.filter(|(offset, _)| *offset > 0);
    let count = routing.map_or(0, |_| physical.vfs_enabled.unwrap_or(0));
    let (offset, stride) = routing.unwrap_or_default();
    // With stride 0 there can be one only.
    let count = if stride == 0 { count.min(1) } else { count };
    let first = (u32::from(pf.bus) << 8) | (u32::from(pf.device) << 3) | u32::from(pf.function);
    let first = first.saturating_add(u32::from(offset));
    (0..u32::from(count)).map_while(move |number| {
        let id = first.saturating_add(number.saturating_mul(u32::from(stride)));
        let [bus, device_function] = u16::try_from(id).ok()?.to_be_bytes();
        Some(Bdf {
            domain: pf.domain,
            bus,
            device: device_function >> 3,
            function: device_function & 7,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(address: &str, vendor: u16) -> Function {
        Function {
            bdf: address.parse().unwrap(),
            vendor: Some(vendor),
            ..Function::default()
        }
    }

    fn physical(address: &str, enabled: u16, routing: (u16, u16)) -> Function {
        Function {
            vfs_total: Some(8),
            vfs_enabled: Some(enabled),
            vf_routing: Some(routing),
            ..function(address, 0x8086)
        }
    }

    fn tied(list: Vec<Function>) -> Vec<Option<String>> {
        let mut functions: BTreeMap<Bdf, PciFunction> = list
            .into_iter()
            .map(|function| {
                let bdf = function.bdf;
                let function = PciFunction {
                    function,
                    ..PciFunction::default()
                };
                (bdf, function)
            })
            .collect();
        tie(&mut functions);
        let of = |f: &PciFunction| f.function.physical_function.map(|pf| pf.to_string());
        functions.values().map(of).collect()
    }

    #[test]
    fn offset_and_stride_lead_to_each_virtual_function_even_on_the_next_bus() {
        let list = vec![
            physical("41:00.0", 3, (128, 2)),
            physical("41:00.1", 1, (0x100, 0)),
            function("41:10.0", 0x8086),
            function("41:10.1", 0x8086),
            function("41:10.2", 0x8086),
            function("41:10.6", 0x8086),
            function("42:00.1", 0x8086),
        ];
        let first = Some("0000:41:00.0".to_owned());
        let second = Some("0000:41:00.1".to_owned());
        assert_eq!(tied(list), [None, None, first.clone(), None, first, None, second]);
    }

    #[test]
    fn what_is_not_enabled_or_of_another_maker_is_no_virtual_function() {
        let other = function("41:10.0", 0x15b3);
        assert_eq!(tied(vec![physical("41:00.0", 1, (128, 2)), other]), [None, None]);
        let same = function("41:10.0", 0x8086);
        assert_eq!(tied(vec![physical("41:00.0", 0, (128, 2)), same.clone()]), [None, None]);
        assert_eq!(tied(vec![physical("41:00.0", 1, (0, 2)), same]), [None, None]);
    }

    #[test]
    fn places_end_with_the_last_routing_id() {
        assert_eq!(places(&physical("ff:00.0", u16::MAX, (0xf0, 8))).count(), 2);
        assert_eq!(places(&physical("00:00.0", u16::MAX, (u16::MAX, u16::MAX))).count(), 1);
    }
}
