//! `_PLD`: where on the case a device or a connector is. ACPI 6.5, section 6.1.8.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::Value;
use super::super::bits::Bytes;
use super::super::convert::little_endian;
use super::wrong;

/// One buffer of `_PLD`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Location {
    /// Revision: 1 of 16 bytes, 2 of 20.
    pub revision: u8,
    /// Colour, red in the low byte; `None` when it is to be ignored.
    pub color: Option<u32>,
    /// Width in millimetres.
    pub width: u16,
    /// Height in millimetres.
    pub height: u16,
    /// The user can see it.
    pub visible: bool,
    /// It is in a docking station.
    pub dock: bool,
    /// It is in the lid.
    pub lid: bool,
    /// Side of the case: top, bottom, left, right, front, back, unknown.
    pub panel: &'static str,
    /// On that side: upper, centre, lower.
    pub vertical: &'static str,
    /// On that side: left, centre, right.
    pub horizontal: &'static str,
    /// Shape of the connector or the device.
    pub shape: &'static str,
    /// Number of the group that it belongs to.
    pub group: u8,
    /// Place in the group.
    pub position: u8,
    /// It is in a bay.
    pub bay: bool,
    /// It can be taken out.
    pub ejectable: bool,
    /// The operating system must be asked first.
    pub eject_required: bool,
    /// Number of the cabinet.
    pub cabinet: u8,
    /// Number of the card cage.
    pub cage: u8,
    /// The point of reference of its group.
    pub reference: bool,
    /// Rotation clockwise in degrees.
    pub rotation: u16,
    /// Order of drawing, 0 first.
    pub order: u8,
    /// Offset from the reference in millimetres, vertical and horizontal; revision 2 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<(u16, u16)>,
}

pub(super) fn locations(value: &Value) -> Result<Vec<Location>, String> {
    match value {
        Value::Package(list) => list.iter().map(location).collect(),
        // Some firmware leaves out the package.
        Value::Buffer(_) => Ok(vec![location(value)?]),
        other => wrong("a package of buffers", other),
    }
}

fn location(value: &Value) -> Result<Location, String> {
    let Value::Buffer(buffer) = value else {
        return wrong("a buffer", value);
    };
    if buffer.bytes.len() < 16 {
        return Err(format!("expected 16 bytes, seen {}", buffer.bytes.len()));
    }
    let bytes = Bytes::known(buffer.bytes.clone());
    let number = |first, bits| little_endian(&bytes.read(first, bits));
    let byte = |first, bits| u8::try_from(number(first, bits)).unwrap_or_default();
    let word = |first| u16::try_from(number(first, 16)).unwrap_or_default();
    let flag = |bit| number(bit, 1) != 0;
    let one_of = |list: &[&'static str], first, bits| {
        let at = usize::try_from(number(first, bits)).unwrap_or(usize::MAX);
        list.get(at).copied().unwrap_or("reserved")
    };
    Ok(Location {
        revision: byte(0, 7),
        color: (!flag(7)).then(|| u32::try_from(number(8, 24)).unwrap_or_default()),
        width: word(32),
        height: word(48),
        visible: flag(64),
        dock: flag(65),
        lid: flag(66),
        panel: one_of(&["top", "bottom", "left", "right", "front", "back", "unknown"], 67, 3),
        vertical: one_of(&["upper", "centre", "lower"], 70, 2),
        horizontal: one_of(&["left", "centre", "right"], 72, 2),
        shape: one_of(
            &[
                "round",
                "oval",
                "square",
                "vertical rectangle",
                "horizontal rectangle",
                "vertical trapezoid",
                "horizontal trapezoid",
                "unknown",
                "chamfered",
            ],
            74,
            4,
        ),
        group: byte(79, 8),
        position: byte(87, 8),
        bay: flag(95),
        ejectable: flag(96),
        eject_required: flag(97),
        cabinet: byte(98, 8),
        cage: byte(106, 8),
        reference: flag(114),
        rotation: u16::from(byte(115, 4)).saturating_mul(45),
        order: byte(119, 5),
        offset: (buffer.bytes.len() >= 20).then(|| (word(128), word(144))),
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::Buffer;
    use super::*;

    #[test]
    fn connector_on_the_back_is_described() {
        let mut bytes = vec![0x82, 0x11, 0x22, 0x33, 0, 0, 0, 0];
        // Visible, back panel, centre, left, horizontal rectangle, group 1, position 3.
        bytes.extend([0x69, 0x90, 0x80, 0x01, 0x01, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        let value = Value::Package(vec![Value::Buffer(Buffer {
            bytes,
            unknown: Vec::new(),
        })]);
        let place = locations(&value).unwrap().remove(0);
        assert_eq!((place.revision, place.color, place.visible), (2, None, true));
        assert_eq!(
            (place.panel, place.vertical, place.horizontal),
            ("back", "centre", "left")
        );
        assert_eq!(
            (place.shape, place.group, place.position),
            ("horizontal rectangle", 1, 3)
        );
        assert!(place.ejectable && place.offset == Some((0xffff, 0xffff)));
    }

    #[test]
    fn short_buffer_is_an_error() {
        let value = Value::Buffer(Buffer {
            bytes: vec![1; 15],
            unknown: Vec::new(),
        });
        assert_eq!(locations(&value), Err("expected 16 bytes, seen 15".to_owned()));
    }
}
