//! CPUID dumps in every dialect: who a processor is, how its CPUs, cores and packages hang together,
//! and which caches they share.
//!
//! A dump (live or from a tool's text) is a [`LeafSet`]; from it follow an [`Identity`] and a
//! [`Topology`]:
//!
//! ```
//! use cpuid_db::{Identity, formats, topology};
//!
//! let text = "CPU 0:
//!    0x00000000 0x00: eax=0x00000001 ebx=0x756e6547 ecx=0x6c65746e edx=0x49656e69
//!    0x00000001 0x00: eax=0x00000633 ebx=0x00000000 ecx=0x00000000 edx=0x0080f9ff
//! ";
//! let (format, decoded) = formats::detect_and_parse(text).expect("rows of `cpuid -r`");
//! assert_eq!(format.to_string(), "cpuid -r");
//! assert!(decoded.damage.is_empty());
//!
//! let cpu = decoded.value.first().expect("one CPU");
//! let identity = Identity::of(cpu);
//! assert_eq!(identity.vendor_name.as_deref(), Some("GenuineIntel"));
//! assert_eq!(identity.signature.unwrap().to_string(), "06-03-03");
//! assert_eq!(topology::decode(&decoded.value).packages.len(), 1);
//! ```
//!
//! Parsers take text and never fail: what cannot be read is [`Damage`] beside the value, with its line.

#![forbid(unsafe_code)]

pub mod addresses;
pub mod bits;
pub mod cache;
pub mod cli;
pub mod codename;
pub mod convert;
mod damage;
pub mod database;
pub mod decode;
mod descriptors;
pub mod dialect;
pub mod diff;
pub mod explain;
pub mod features;
pub mod find;
pub mod firecracker;
pub mod formats;
pub mod guest;
pub mod identity;
pub mod kinds;
pub mod leaf;
pub mod leafset;
pub mod level;
pub mod libvirt;
pub mod placement;
pub mod policy;
pub mod qemu;
mod schema;
pub mod tlb;
pub mod topology;
pub mod write;
pub mod xen;
pub mod xsave;

pub use bits::{Bit, Register, Word, Words};
pub use cache::{Cache, CacheDescription, CacheKind, Ways};
pub use codename::Codename;
pub use damage::{Damage, Decoded};
pub use database::{Database, Field};
pub use dialect::Dialect;
pub use formats::Format;
pub use guest::{Fault, GuestCpu, Setting};
pub use identity::{Identity, Signature, Vendor};
pub use kinds::{CoreGroup, Purpose};
pub use leaf::{Leaf, Registers, Subleaf};
pub use leafset::{CpuLeaves, LeafSet};
pub use level::FeatureLevel;
pub use placement::{ApicId, CoreKind, CoreType, Domain, Method};
pub use tlb::{Tlb, TlbKind};
pub use topology::{Group, Kind, Note, Topology};
