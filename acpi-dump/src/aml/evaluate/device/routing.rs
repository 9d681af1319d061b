//! `_PRT`: which interrupt a pin of a PCI slot is wired to. ACPI 6.5, section 6.2.13.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::Value;
use super::{integer, wrong};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Route {
    /// Device number on the bus.
    pub device: u16,
    /// Function; `None` stands for all of them.
    pub function: Option<u16>,
    /// Pin: 0 is INTA, 3 is INTD.
    pub pin: u8,
    /// The link device that chooses the interrupt; `None` when it is hard-wired.
    pub source: Option<String>,
    /// Global system interrupt, or the resource's number in the link device.
    pub index: u64,
}

/// Rows of the package; the last two columns exchanged, as some firmware has them, are understood.
pub(super) fn routes(value: &Value) -> Result<Vec<Route>, String> {
    let Value::Package(rows) = value else {
        return wrong("a package", value);
    };
    rows.iter().map(route).collect()
}

fn route(row: &Value) -> Result<Route, String> {
    let [address, pin, source, index] = row.elements() else {
        return wrong("a package of four", row);
    };
    let (source, index) = match (source, index) {
        (Value::Integer(_), Value::Reference(_) | Value::String(_)) => (index, source),
        _ => (source, index),
    };
    let address = integer(address)?;
    let low = |number: u64| u16::try_from(number & 0xffff).unwrap_or_default();
    let pin = u8::try_from(integer(pin)?).ok().filter(|pin| *pin < 4);
    Ok(Route {
        device: low(address >> 16),
        function: Some(low(address)).filter(|function| *function != 0xffff),
        pin: pin.ok_or("expected a pin from 0 to 3")?,
        source: match source {
            Value::Reference(path) | Value::String(path) => Some(path.clone()),
            Value::Integer(0) | Value::Uninitialized => None,
            other => return wrong("a link device or 0", other),
        },
        index: integer(index)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_gives_slot_pin_and_link_device_or_interrupt() {
        let row = |source, index| Value::Package(vec![Value::Integer(0x1f_ffff), Value::Integer(1), source, index]);
        let link = || Value::Reference("\\_SB.LNKA".into());
        let list = Value::Package(vec![
            row(Value::Integer(0), Value::Integer(17)),
            row(link(), Value::Integer(0)),
            row(Value::Integer(0), link()),
        ]);
        let routes = routes(&list).unwrap();
        assert_eq!((routes[0].device, routes[0].function, routes[0].pin), (31, None, 1));
        assert_eq!((routes[0].source.as_deref(), routes[0].index), (None, 17));
        assert_eq!(routes[1], routes[2]);
        assert!(super::routes(&Value::Package(vec![link()])).is_err());
    }
}
