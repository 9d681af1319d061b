//! CPU microcode containers of Intel and AMD.
//!
//! [`intel`] reads files of `intel-ucode/`: updates one after the other, each with header and
//! checksums. [`amd`] reads files of `amd-ucode/`: containers with an equivalence table, and single
//! patches. [`container`] tells which of them some bytes are. Payloads are encrypted or opaque:
//! a right checksum says that the bytes are whole, not that a CPU would take them.
//!
//! ```
//! use microcode::container::{Content, read};
//!
//! // An Intel update by hand: 48 bytes of header, 16 of data.
//! let mut words = [1u32, 0x2f, 0x0217_2019, 0x206a7, 0, 1, 0x12, 16, 64, 0, 0, 0, 7, 7, 7, 7];
//! words[4] = words.iter().fold(0u32, |sum, word| sum.wrapping_add(*word)).wrapping_neg();
//! let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
//!
//! let Some(Content::Intel(file)) = read(&bytes) else { panic!("Intel") };
//! let update = &file.updates[0];
//! assert_eq!((update.revision.to_string(), update.date.to_string()), ("0x2f".into(), "2019-02-17".into()));
//! // Only the size is odd: updates are multiples of 1024 bytes.
//! assert_eq!(update.damage.len(), 1);
//! ```
#![forbid(unsafe_code)]

pub mod advisories;
pub mod amd;
mod bytes;
pub mod cli;
pub mod codec;
pub mod container;
pub mod cpio;
pub mod cpu;
pub mod damage;
pub mod dat;
pub mod entry_sign;
pub mod fit;
pub mod fleet;
pub mod found;
pub mod gather;
pub mod ids;
pub mod initrd;
pub mod intel;
pub mod known;
pub mod loader;
pub mod pack;
pub mod psp;
pub mod release;
pub mod scan;
mod table;
pub mod uki;
pub mod verify;

pub use container::{Content, read};
pub use cpu::{Cpu, Vendor};
pub use damage::Damage;
pub use found::{Found, Place, Update};
pub use ids::{Date, PlatformMask, Revision, Sha256, Signature};
