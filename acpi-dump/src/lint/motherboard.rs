//! Memory that the namespace reserves: `_CRS` of motherboard devices (PNP0C01 and PNP0C02).

use crate::aml::evaluate::{Answer, Evaluator, Limits, Value};
use crate::aml::namespace::{Namespace, ObjectKind};
use crate::aml::resource::{Range, Resource, Space, decode};

/// Methods that take longer are not waited for.
pub(super) const LIMITS: Limits = Limits {
    steps: 20_000,
    forks: 32,
    memory: 1 << 18,
    total: 4_000_000,
};

/// First and last bytes; `None` when a device says what it takes only on the running machine.
pub(super) fn reserved(namespace: &Namespace) -> Option<Vec<(u64, u64)>> {
    let evaluator = Evaluator::with(namespace, LIMITS, None);
    let mut list = Vec::new();
    for (id, object) in namespace.iter() {
        if object.kind != ObjectKind::Device {
            continue;
        }
        let hid = evaluator.hid(id);
        if !hid
            .values()
            .iter()
            .any(|hid| matches!(hid.id.as_str(), "PNP0C01" | "PNP0C02"))
        {
            continue;
        }
        let Some(resources) = namespace.child(id, b"_CRS") else {
            continue;
        };
        match evaluator.evaluate_object(resources, &[]).answer {
            Answer::Known(Value::Buffer(buffer)) if buffer.unknown.is_empty() => {
                let template = decode(&buffer.bytes).value;
                list.extend(template.iter().filter_map(|descriptor| memory(&descriptor.resource)));
            }
            _ => return None,
        }
    }
    Some(list)
}

fn memory(resource: &Resource) -> Option<(u64, u64)> {
    let (base, length) = match resource {
        Resource::FixedMemory32 { base, length, .. } => (u64::from(*base), u64::from(*length)),
        Resource::Memory32 {
            minimum,
            maximum,
            length,
            ..
        } if minimum == maximum => (u64::from(*minimum), u64::from(*length)),
        Resource::Range(Range {
            space: Space::Memory(_),
            minimum,
            length,
            ..
        }) => (*minimum, *length),
        _ => return None,
    };
    Some((base, base.checked_add(length.checked_sub(1)?)?))
}
