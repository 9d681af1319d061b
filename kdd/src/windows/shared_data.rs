//! KUSER_SHARED_DATA: the page that every process of Windows sees, at an address that never changed.
//!
//! It is the proof that a page directory is one of a Windows kernel, and it has the version and the time.

use super::fields::{read_some, u16_at, u32_at, u64_at};
use super::{Architecture, Build, builds};
use crate::memory::{Gva, VirtualMemory};

/// Where the kernel sees it.
#[must_use]
pub fn address(architecture: Architecture) -> Gva {
    match architecture {
        Architecture::X64 => Gva(0xffff_f780_0000_0000),
        Architecture::X86 => Gva(0xffdf_0000),
    }
}

/// What is taken from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedData {
    /// NtMajorVersion.
    pub major: u32,
    /// NtMinorVersion.
    pub minor: u32,
    /// NtProductType.
    pub product_type: Option<u32>,
    /// NtBuildNumber, since Windows 10.
    pub build: Option<u32>,
    /// SystemTime.
    pub system_time: Option<u64>,
}

/// Reads and checks it: the version must be one that there is, and the rest must not speak against it.
#[must_use]
pub fn read(space: &dyn VirtualMemory, architecture: Architecture) -> Option<SharedData> {
    let bytes = read_some(space, address(architecture), 0x280);
    let (major, minor) = (u32_at(&bytes, 0x26c)?, u32_at(&bytes, 0x270)?);
    let version = matches!((major, minor), (5 | 6, 0..=3) | (10, 0));
    let image = u16_at(&bytes, 0x2c)?;
    let drive = (u16_at(&bytes, 0x30)?, u16_at(&bytes, 0x32)?);
    let rooted =
        drive.0 < 0x80 && u8::try_from(drive.0).is_ok_and(|letter| letter.is_ascii_alphabetic()) && drive.1 == 0x3a;
    let product_type = u32_at(&bytes, 0x264)?;
    let product = (1..=3).contains(&product_type);
    if !version || !(product || rooted || matches!(image, 0x14c | 0x8664)) {
        return None;
    }
    let build = u32_at(&bytes, 0x260)? & 0xffff;
    Some(SharedData {
        major,
        minor,
        product_type: product.then_some(product_type),
        // Before Windows 10 the field was another one.
        build: (major == 10 && builds::plausible(build)).then_some(build),
        system_time: u64_at(&bytes, 0x14).filter(|time| *time != 0),
    })
}

impl SharedData {
    /// Fills what it knows into a version.
    pub(super) fn complete(&self, build: &mut Build) {
        build.major = Some(self.major);
        build.minor = Some(self.minor);
        build.product_type = self.product_type;
        build.system_time = self.system_time;
    }
}
