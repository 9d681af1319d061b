//! Registers that neither the monitor nor the gdbstub gives, LSTAR above all: from the state of all devices, as
//! QMP's `xen-save-devices-state` writes it without memory (QEMU's migration/savevm.c; no Xen is needed). It goes
//! to a file in memory that QEMU is given by `add-fd`.
//!
//! The section `cpu` of x86-64, version 12, begins with fields that have not changed since QEMU 1.3
//! (target/i386/machine.c); numbers are big-endian. A vCPU is believed only when it stands where the gdbstub
//! says.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::fd::AsFd as _;

use rustix::fs::{MemfdFlags, memfd_create};
use serde_json::{Value, json};

use super::fault::Fault;
use super::qmp::Qmp;
use crate::target::vcpu::{Hidden, Segments, msr};
use crate::target::{Segment, Table, Vcpu};

/// Longest state that is read.
const LIMIT: u64 = 256 << 20;
/// Name and version of the section.
const NAME: &[u8] = b"\x03cpu";
const VERSION: u32 = 12;

/// The file in memory that QEMU writes to.
pub(super) struct DeviceState {
    /// Ours, for reading.
    file: File,
    /// What QEMU got: the place in it is shared.
    given: File,
    set: u64,
}

impl DeviceState {
    /// Makes the file and gives it to QEMU.
    pub(super) fn new(qmp: &mut Qmp) -> Result<Self, Fault> {
        let told = |error: std::io::Error| Fault::Refused(format!("no file in memory: {error}"));
        let file = memfd_create("delid-device-state", MemfdFlags::CLOEXEC).map_err(|error| told(error.into()))?;
        let file = File::from(file);
        // QEMU takes a file for writing only when it is open for nothing else.
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        let given = File::options().write(true).open(path).map_err(told)?;
        let answer = qmp.execute_with("add-fd", json!({}), given.as_fd())?;
        let set = answer.get("fdset-id").and_then(Value::as_u64);
        let set = set.ok_or_else(|| Fault::Refused("add-fd: no number".to_owned()))?;
        Ok(Self { file, given, set })
    }

    /// Has the state of a guest that stands written, and reads it.
    pub(super) fn save(&mut self, qmp: &mut Qmp) -> Result<Vec<u8>, Fault> {
        let told = |error: std::io::Error| Fault::Refused(format!("file in memory: {error}"));
        self.given.set_len(0).map_err(told)?;
        self.given.rewind().map_err(told)?;
        let name = format!("/dev/fdset/{}", self.set);
        qmp.execute("xen-save-devices-state", json!({ "filename": name, "live": false }))?;
        self.file.rewind().map_err(told)?;
        let mut bytes = Vec::new();
        (&mut self.file).take(LIMIT).read_to_end(&mut bytes).map_err(told)?;
        Ok(bytes)
    }

    /// Has QEMU close the file.
    pub(super) fn close(self, qmp: &mut Qmp) {
        let _ = qmp.execute("remove-fd", json!({ "fdset-id": self.set }));
    }
}

/// The vCPUs of x86-64 that the state holds.
pub(super) fn vcpus(bytes: &[u8]) -> Vec<Vcpu> {
    let places = bytes
        .windows(NAME.len())
        .enumerate()
        .filter(|(_, window)| *window == NAME);
    let behind = places.filter_map(|(at, _)| bytes.get(at.saturating_add(NAME.len())..));
    behind.filter_map(|rest| vcpu(&mut Fields(rest))).collect()
}

/// Big-endian numbers one after the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.get(bytes..)?;
        Some(())
    }

    fn u32(&mut self) -> Option<u32> {
        let (value, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*value))
    }

    fn u64(&mut self) -> Option<u64> {
        let (value, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*value))
    }

    fn segment(&mut self) -> Option<Segment> {
        let selector = self.u32()?;
        let (base, limit, flags) = (self.u64()?, self.u32()?, self.u32()?);
        let access = u16::try_from((flags >> 8) & 0xf0ff).ok()?;
        Some(Segment {
            selector: u16::try_from(selector & 0xffff).ok()?,
            hidden: Some(Hidden { base, limit, access }),
        })
    }

    fn table(&mut self) -> Option<Table> {
        let hidden = self.segment()?.hidden?;
        let limit = u16::try_from(hidden.limit & 0xffff).ok()?;
        Some(Table {
            base: hidden.base,
            limit,
        })
    }
}

fn vcpu(fields: &mut Fields<'_>) -> Option<Vcpu> {
    let number = fields.u32()?;
    if fields.u32()? != VERSION {
        return None;
    }
    let mut vcpu = Vcpu {
        number,
        ..Vcpu::default()
    };
    for register in &mut vcpu.gpr {
        *register = fields.u64()?;
    }
    (vcpu.rip, vcpu.rflags) = (fields.u64()?, fields.u64()?);
    // hflags, control, status and tag word, the form of the x87 registers, and these.
    fields.skip(4 + 4 * 2 + 8 * 10)?;
    let mut next = || fields.segment();
    vcpu.segments = Segments {
        es: next()?,
        cs: next()?,
        ss: next()?,
        ds: next()?,
        fs: next()?,
        gs: next()?,
        ldt: next()?,
        tr: next()?,
    };
    (vcpu.gdt, vcpu.idt) = (Some(fields.table()?), Some(fields.table()?));
    let mut msrs = vec![(msr::SYSENTER_CS, u64::from(fields.u32()?))];
    msrs.extend([(msr::SYSENTER_ESP, fields.u64()?), (msr::SYSENTER_EIP, fields.u64()?)]);
    for register in [&mut vcpu.cr0, &mut vcpu.cr2, &mut vcpu.cr3, &mut vcpu.cr4] {
        *register = Some(fields.u64()?);
    }
    let mut debug = [0; 8];
    for register in &mut debug {
        *register = fields.u64()?;
    }
    vcpu.dr = Some(debug);
    // A20 mask, MXCSR, XMM registers.
    fields.skip(4 + 4 + 16 * 16)?;
    let syscall = [
        msr::EFER,
        msr::STAR,
        msr::LSTAR,
        msr::CSTAR,
        msr::SFMASK,
        msr::KERNEL_GS_BASE,
    ];
    for register in syscall {
        msrs.push((register, fields.u64()?));
    }
    // SMBASE.
    fields.skip(4)?;
    msrs.push((0x277, fields.u64()?));
    rest(fields, &mut vcpu, &mut msrs);
    vcpu.msrs.extend(msrs);
    Some(vcpu)
}

/// TSC_AUX and XCR0, which stand further behind.
fn rest(fields: &mut Fields<'_>, vcpu: &mut Vcpu, msrs: &mut Vec<(u32, u64)>) -> Option<()> {
    // hflags2, SVM, MTRRs, injected events, machine check.
    fields.skip(4 + 4 * 8 + 4 * 2 + 4 + 1)?;
    fields.skip(11 * 8 + 8 + 8 * 16)?;
    fields.skip(4 + 4 + 8 + 4 + 4 + 4)?;
    fields.skip(3 * 8 + 40 * 8)?;
    let auxiliary = fields.u64()?;
    // KVM's clocks.
    fields.skip(8 + 8)?;
    let features = fields.u64()?;
    // x87 is always on: another value means that the fields lie otherwise.
    if features & 1 == 1 && auxiliary <= u64::from(u32::MAX) {
        vcpu.xcr0 = Some(features);
        msrs.push((0xc000_0103, auxiliary));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section with a number of its own in each field that is read.
    fn section() -> Vec<u8> {
        let mut bytes = b"QEVM\0\0\0\x03\x04\0\0\0\x04\x03cpu".to_vec();
        bytes.extend(1u32.to_be_bytes());
        bytes.extend(VERSION.to_be_bytes());
        (0..18u64).for_each(|value| bytes.extend(value.to_be_bytes()));
        bytes.extend([0; 4 + 8 + 80]);
        for number in 0..10u32 {
            bytes.extend(number.to_be_bytes());
            bytes.extend((u64::from(number) << 40).to_be_bytes());
            bytes.extend(0xffffu32.to_be_bytes());
            bytes.extend(0x00af_9b00u32.to_be_bytes());
        }
        bytes.extend(0x10u32.to_be_bytes());
        (0x20..0x22u64).for_each(|value| bytes.extend(value.to_be_bytes()));
        (0x30..0x34u64).for_each(|value| bytes.extend(value.to_be_bytes()));
        (0x40..0x48u64).for_each(|value| bytes.extend(value.to_be_bytes()));
        bytes.extend([0; 8 + 256]);
        (0x50..0x56u64).for_each(|value| bytes.extend(value.to_be_bytes()));
        bytes.extend([0; 4]);
        bytes.extend(0x57u64.to_be_bytes());
        bytes
    }

    #[test]
    fn vcpus_of_the_device_state_are_read() {
        let vcpus = vcpus(&section());
        let [vcpu] = vcpus.as_slice() else {
            panic!("one vCPU: {vcpus:?}")
        };
        assert_eq!((vcpu.number, vcpu.gpr[15], vcpu.rip), (1, 15, 16));
        assert_eq!(
            vcpu.segments.cs.hidden,
            Some(Hidden {
                base: 1 << 40,
                limit: 0xffff,
                access: 0xa09b
            })
        );
        assert_eq!(
            vcpu.idt,
            Some(Table {
                base: 9 << 40,
                limit: 0xffff
            })
        );
        assert_eq!((vcpu.cr0, vcpu.cr4), (Some(0x30), Some(0x33)));
        assert_eq!(
            (vcpu.msrs[&msr::LSTAR], vcpu.msrs[&0x277], vcpu.xcr0),
            (0x52, 0x57, None)
        );
    }

    #[test]
    fn cut_state_gives_no_vcpu() {
        let bytes = section();
        for length in 0..bytes.len() {
            assert!(vcpus(&bytes[..length]).is_empty(), "{length} bytes");
        }
    }
}
