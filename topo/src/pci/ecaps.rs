//! Extended capabilities (offset 100h and up): which layout belongs to which ID.
//!
//! Follows PCIe 6.0, 7.6 to 7.9, and the PCI Code and ID Assignment Specification 1.16 for the
//! IDs. Of some IDs only the name is known; their bytes are kept.

use std::borrow::Cow;

use super::caps::Layout;

pub mod cxl;
pub mod errors;
pub mod flit;
pub mod ide;
pub mod physical;
pub mod power;
pub mod routing;
pub mod vendor;
pub mod virtualization;

/// Extended capability ID of Advanced Error Reporting.
pub const ADVANCED_ERROR_REPORTING: u16 = 0x01;
/// Extended capability ID of the Device Serial Number.
pub const SERIAL_NUMBER: u16 = 0x03;
/// Extended capability ID of Access Control Services.
pub const ACCESS_CONTROL: u16 = 0x0d;
/// Extended capability ID of Single Root I/O Virtualization.
pub const SR_IOV: u16 = 0x10;

const NULL: Layout = Layout::new("Null", &[]);
const MULTI_ROOT: Layout = Layout::named("Multi-Root I/O Virtualization");
const PROTOCOL_MULTIPLEXING: Layout = Layout::named("Protocol Multiplexing");
const MOBILE_PHY: Layout = Layout::named("PCI Express over M_PHY");
const FIRMWARE_INTERMEDIARY: Layout = Layout::named("System Firmware Intermediary");
const FLIT_PERFORMANCE: Layout = Layout::named("Flit Performance Measurement");
const STREAMLINED_CHANNEL: Layout = Layout::named("Streamlined Virtual Channel");
const NOP_FLIT: Layout = Layout::named("NOP Flit");
const SCALABLE_IOV: Layout = Layout::named("Scalable I/O Virtualization");
const PHYSICAL_128: Layout = Layout::named("Physical Layer 128.0 GT/s");
const CAPTURED_DATA: Layout = Layout::named("Captured Data");
const UNKNOWN: Layout = Layout::named("");

/// The layout of an extended capability, and its name.
pub(crate) fn layout(id: u16) -> (&'static Layout, Cow<'static, str>) {
    let layout = match id {
        0x00 => &NULL,
        0x01 => &errors::ADVANCED_ERROR_REPORTING,
        0x02 | 0x09 => &routing::VIRTUAL_CHANNEL,
        0x03 => &vendor::SERIAL_NUMBER,
        0x04 => &power::BUDGETING,
        0x05 => &routing::ROOT_COMPLEX_LINK,
        0x06 => &routing::ROOT_COMPLEX_INTERNAL_LINK,
        0x07 => &errors::EVENT_COLLECTOR,
        0x08 => &routing::MULTI_FUNCTION_VIRTUAL_CHANNEL,
        0x0a => &routing::ROOT_COMPLEX_REGISTERS,
        0x0b => &vendor::VENDOR_SPECIFIC,
        0x0d => &routing::ACCESS_CONTROL,
        0x0e => &routing::ALTERNATIVE_ROUTING,
        0x0f => &virtualization::ADDRESS_TRANSLATION,
        0x10 => &virtualization::SINGLE_ROOT,
        0x11 => &MULTI_ROOT,
        0x12 => &routing::MULTICAST,
        0x13 => &virtualization::PAGE_REQUEST,
        0x15 => &virtualization::RESIZABLE_BAR,
        0x16 => &power::DYNAMIC_ALLOCATION,
        0x17 => &virtualization::PROCESSING_HINTS,
        0x18 => &power::LATENCY_TOLERANCE,
        0x19 => &physical::SECONDARY,
        0x1a => &PROTOCOL_MULTIPLEXING,
        0x1b => &virtualization::PROCESS_ADDRESS_SPACE,
        0x1c => &virtualization::LIGHTWEIGHT_NOTIFICATION,
        0x1d => &errors::CONTAINMENT,
        0x1e => &power::L1_SUBSTATES,
        0x1f => &power::PRECISION_TIME,
        0x20 => &MOBILE_PHY,
        0x21 => &errors::FUNCTION_READINESS,
        0x22 => &power::READINESS_TIME,
        0x23 => &vendor::DESIGNATED,
        0x24 => &virtualization::VF_RESIZABLE_BAR,
        0x25 => &physical::DATA_LINK_FEATURE,
        0x26 => &physical::PHYSICAL_16,
        0x27 => &physical::LANE_MARGINING,
        0x28 => &vendor::HIERARCHY_ID,
        0x29 => &vendor::ENCLOSURE_MANAGEMENT,
        0x2a => &physical::PHYSICAL_32,
        0x2b => &physical::ALTERNATE_PROTOCOL,
        0x2c => &FIRMWARE_INTERMEDIARY,
        0x2e => &vendor::DATA_OBJECT_EXCHANGE,
        0x2f => &physical::DEVICE_3,
        0x30 => &ide::INTEGRITY_AND_ENCRYPTION,
        0x31 => &physical::PHYSICAL_64,
        0x32 => &flit::LOGGING,
        0x33 => &FLIT_PERFORMANCE,
        0x34 => &flit::ERROR_INJECTION,
        0x35 => &STREAMLINED_CHANNEL,
        0x36 => &vendor::REGISTER_BLOCKS,
        0x37 => &NOP_FLIT,
        0x38 => &SCALABLE_IOV,
        0x39 => &PHYSICAL_128,
        0x3a => &CAPTURED_DATA,
        _ => return (&UNKNOWN, Cow::Owned(format!("Extended Capability ID {id:#x}"))),
    };
    (layout, Cow::Borrowed(layout.name))
}
