//! Notes of VirtualBox's cores: the descriptor, and a `DBGFCORECPU` for each CPU. Follows
//! `include/VBox/vmm/dbgfcorefmt.h` in its formats 1.4 to 1.6, and `VMMR3/DBGFCoreWrite.cpp`.
//!
//! The CPU of format 1.0 is VirtualBox's internal `CPUMCTX`, which changed from release to release: of it
//! only the memory is read.

use super::super::Vcpu;
use super::super::fields::Fields;
use super::super::vcpu::{Hidden, Segment, Segments, Table, msr};

/// NT_VBOXCORE.
pub(super) const CORE: u32 = 0xb00;
/// NT_VBOXCPU.
pub(super) const CPU: u32 = 0xb01;
/// Mark of the descriptor.
const MAGIC: u32 = 0xc01a_c0de;

/// What the core says of itself.
pub(super) struct Descriptor {
    /// Format: major number in the upper half.
    pub version: u32,
    product: u32,
    revision: u32,
    /// Number of CPUs.
    pub cpus: u32,
}

impl Descriptor {
    /// Name and value of each field.
    pub(super) fn facts(&self) -> Vec<(String, String)> {
        let (major, minor) = (self.version >> 16, self.version & 0xffff);
        let [major_product, minor_product, build_high, build_low] = self.product.to_be_bytes();
        let build = u16::from_be_bytes([build_high, build_low]);
        vec![
            ("core format".to_owned(), format!("{major}.{minor}")),
            (
                "VirtualBox".to_owned(),
                format!("{major_product}.{minor_product}.{build} r{}", self.revision),
            ),
        ]
    }
}

/// Reads the descriptor.
pub(super) fn descriptor(bytes: &[u8]) -> Option<Descriptor> {
    let fields = Fields(bytes);
    let magic = fields.u32(0)?;
    (magic == MAGIC).then_some(())?;
    Some(Descriptor {
        version: fields.u32(4)?,
        product: fields.u32(12)?,
        revision: fields.u32(16)?,
        cpus: fields.u32(20)?,
    })
}

/// Reads a CPU of formats 1.4 to 1.6.
pub(super) fn cpu(number: u32, bytes: &[u8], version: u32) -> Option<Vcpu> {
    // Format 1.6 has TSC_AUX before XCR0.
    let xcr0 = match version {
        0x1_0004 | 0x1_0005 => 552,
        0x1_0006..=0x1_ffff => 560,
        _ => return None,
    };
    let fields = Fields(bytes);
    let [
        rax,
        rbx,
        rcx,
        rdx,
        rsi,
        rdi,
        r8,
        r9,
        r10,
        r11,
        r12,
        r13,
        r14,
        r15,
        rip,
        rsp,
        rbp,
        rflags,
    ] = fields.u64s(0)?;
    let [cr0, cr2, cr3, cr4] = fields.u64s(288)?;
    let segments = Segments {
        cs: segment(fields.at(144))?,
        ds: segment(fields.at(168))?,
        es: segment(fields.at(192))?,
        fs: segment(fields.at(216))?,
        gs: segment(fields.at(240))?,
        ss: segment(fields.at(264))?,
        ldt: segment(fields.at(416))?,
        tr: segment(fields.at(440))?,
    };
    let [
        sysenter_cs,
        sysenter_eip,
        sysenter_esp,
        efer,
        star,
        pat,
        lstar,
        cstar,
        sfmask,
        kernel_gs,
        apic,
    ] = fields.u64s(464)?;
    let base = |segment: Segment| segment.hidden.map_or(0, |hidden| hidden.base);
    let msrs = [
        (msr::SYSENTER_CS, sysenter_cs),
        (msr::SYSENTER_EIP, sysenter_eip),
        (msr::SYSENTER_ESP, sysenter_esp),
        (msr::EFER, efer),
        (msr::STAR, star),
        (PAT, pat),
        (msr::LSTAR, lstar),
        (msr::CSTAR, cstar),
        (msr::SFMASK, sfmask),
        (msr::FS_BASE, base(segments.fs)),
        (msr::GS_BASE, base(segments.gs)),
        (msr::KERNEL_GS_BASE, kernel_gs),
        (APIC_BASE, apic),
    ];
    // Two XCRs, the length of the extended state and padding stand before that state.
    let extended = fields.u32(xcr0 + 16)?;
    Some(Vcpu {
        number,
        gpr: [
            rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15,
        ],
        rip,
        rflags,
        segments,
        gdt: table(fields.at(384)),
        idt: table(fields.at(400)),
        cr0: Some(cr0),
        cr2: Some(cr2),
        cr3: Some(cr3),
        cr4: Some(cr4),
        cr8: None,
        xcr0: fields.u64(xcr0),
        dr: fields.u64s(320),
        fxsave: (extended >= 512).then(|| fields.fxsave(xcr0 + 24)).flatten(),
        msrs: msrs.into_iter().collect(),
    })
}

/// IA32_PAT.
const PAT: u32 = 0x277;
/// IA32_APIC_BASE.
const APIC_BASE: u32 = 0x1b;

/// Base, limit, attributes, selector. Bit 16 of the attributes says that the segment cannot be used.
fn segment(fields: Fields<'_>) -> Option<Segment> {
    Some(Segment {
        selector: fields.u16(16)?,
        hidden: Some(Hidden {
            base: fields.u64(0)?,
            limit: fields.u32(8)?,
            access: u16::try_from(fields.u32(12)? & 0xf0ff).ok()?,
        }),
    })
}

fn table(fields: Fields<'_>) -> Option<Table> {
    Some(Table {
        base: fields.u64(0)?,
        limit: u16::try_from(fields.u32(8)? & 0xffff).ok()?,
    })
}
