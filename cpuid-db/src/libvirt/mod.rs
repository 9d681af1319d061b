//! libvirt 11.3: its CPU models, the `<cpu>` element, which model describes a processor, and what
//! several processors have in common (`virsh cpu-baseline`, `cpu-compare`).
//!
//! ```
//! use cpuid_db::libvirt::{self, Map, Options, ReadAs};
//! let text = "<cpu><arch>x86_64</arch><model>Westmere</model><feature name='pcid'/></cpu>
//! <cpu><arch>x86_64</arch><model>SandyBridge</model><feature name='pcid'/></cpu>";
//! let map = Map::builtin();
//! let hosts = libvirt::read(text, ReadAs::Hosts).into_result().unwrap();
//! let guest = libvirt::baseline(&map, &hosts, &Options::default()).unwrap();
//! assert_eq!(guest.model.as_deref(), Some("Westmere"));
//! assert_eq!(guest.features[0].name, "pcid");
//! ```

pub mod baseline;
pub mod compare;
pub mod cpu;
pub mod data;
pub mod decode;
mod fault;
pub mod guest;
pub mod lint;
pub mod map;
pub mod qemu;
pub mod qmp;
pub mod read;
pub mod set;
pub mod update;
mod write;
pub mod xl;

pub use baseline::{Options, baseline, expand};
pub use compare::{Comparison, compare};
pub use cpu::{Kind, LibvirtCpu, Mode, Policy};
pub use data::CpuData;
pub use decode::{Choice, HypervisorModel, decode};
pub use guest::{from_guest, to_guest};
pub use lint::{Finding, Severity, lint};
pub use map::{Feature, Map, Model, Vendor};
pub use qemu::to_qemu_argument;
pub use read::{Definitions, ReadAs, read};
pub use set::FeatureSet;
pub use update::{translate, update};
pub use xl::{from_xl, to_xl};
