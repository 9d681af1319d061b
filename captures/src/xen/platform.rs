//! CPUs and their microcode: `XENPF_*` of xen/include/public/platform.h.

use std::fmt::Write;

use rustix::io::Errno;

use super::call::{Call, Hypercall, Hypercalls};

/// `XENPF_INTERFACE_VERSION`, which never changed.
const VERSION: u32 = 0x0300_0001;
/// Length of `struct xen_platform_op`.
const LENGTH: usize = 136;

const MICROCODE_UPDATE: u32 = 35;
const GET_CPU_VERSION: u32 = 48;
const GET_UCODE_REVISION: u32 = 65;
const MICROCODE_UPDATE2: u32 = 66;
/// `XENPF_UCODE_FORCE`
const FORCE: u32 = 1;

/// More CPUs are not believed.
const CPU_LIMIT: u32 = 1 << 16;

/// A CPU that is online, and the microcode that it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuUcode {
    /// Its number in Xen.
    pub cpu: u32,
    /// `GenuineIntel`, `AuthenticAMD`, ...
    pub vendor: String,
    /// Family, model and stepping as they are displayed.
    pub family: u32,
    /// See [`CpuUcode::family`].
    pub model: u32,
    /// See [`CpuUcode::family`].
    pub stepping: u32,
    /// CPUID leaf 1, eax.
    pub signature: u32,
    /// Platform flags of Intel.
    pub flags: u32,
    /// Revision of the microcode.
    pub revision: u32,
}

fn call(command: u32) -> Call {
    Call::new(Hypercall::Platform, LENGTH)
        .number(0, command)
        .number(4, VERSION)
}

/// Every CPU that is online; those that are not tell nothing.
pub(super) fn cpus(xen: &dyn Hypercalls) -> Result<Vec<CpuUcode>, Errno> {
    let mut cpus = Vec::new();
    let mut last = 0;
    let mut cpu = 0;
    while cpu <= last && cpu < CPU_LIMIT {
        let mut version = call(GET_CPU_VERSION).number(8, cpu);
        xen.make(&mut version)?;
        last = version.u32(12);
        let mut ucode = call(GET_UCODE_REVISION).number(8, cpu);
        match xen.make(&mut ucode) {
            Ok(_) => cpus.push(CpuUcode {
                cpu,
                vendor: vendor(&version),
                family: version.u32(28),
                model: version.u32(32),
                stepping: version.u32(36),
                signature: ucode.u32(12),
                flags: ucode.u32(16),
                revision: ucode.u32(20),
            }),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
        cpu += 1;
    }
    Ok(cpus)
}

fn vendor(version: &Call) -> String {
    let name = version.structure.get(16..28).unwrap_or_default();
    let letters = name.iter().filter(|byte| byte.is_ascii_graphic());
    letters.map(|byte| char::from(*byte)).collect()
}

/// `xen-ucode show-cpu-info` for the first CPU, and for the others the same line with their number behind
/// `CPU`.
pub(super) fn text(cpus: &[CpuUcode]) -> String {
    let mut text = String::new();
    for cpu in cpus {
        let number = match cpu.cpu {
            0 => String::new(),
            number => number.to_string(),
        };
        let flags = match cpu.vendor.as_str() {
            // `%#x` prints zero without its prefix
            "GenuineIntel" if cpu.flags == 0 => " pf 0".to_owned(),
            "GenuineIntel" => format!(" pf {:#x}", cpu.flags),
            _ => String::new(),
        };
        let _ = writeln!(
            text,
            "CPU{number} signature {:02x}-{:02x}-{:02x} (raw {:#010x}){flags} revision {:#010x}",
            cpu.family, cpu.model, cpu.stepping, cpu.signature, cpu.revision
        );
    }
    text
}

/// Hands a microcode file to Xen, which loads it on all CPUs. `force` is the flag of `xen-ucode -f`, which
/// Xen before 4.20 has not (ENOSYS).
pub(super) fn update(xen: &dyn Hypercalls, blob: &[u8], force: bool) -> Result<(), Errno> {
    let length = u32::try_from(blob.len()).map_err(|_| Errno::TOOBIG)?;
    let flags = if force { FORCE } else { 0 };
    let newer = call(MICROCODE_UPDATE2).number(8, flags).number(12, length);
    match xen.make(&mut newer.buffer(16, blob.to_vec())) {
        Err(Errno::NOSYS) if !force => {
            let older = call(MICROCODE_UPDATE).number(16, length);
            xen.make(&mut older.buffer(8, blob.to_vec()))
        }
        answer => answer,
    }
    .map(|_| ())
}
