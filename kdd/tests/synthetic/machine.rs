//! A stopped machine: pages of physical memory and the registers of each CPU.

use std::collections::BTreeMap;

/// A segment register: selector, base, limit in bytes, access rights (type, S, DPL, P in bits 0 to 7;
/// AVL, L, D/B, G in bits 12 to 15).
#[derive(Clone, Copy, Debug, Default)]
pub struct Seg {
    pub selector: u16,
    pub base: u64,
    pub limit: u32,
    pub access: u16,
}

/// A CPU.
#[derive(Clone, Debug)]
pub struct Cpu {
    /// rax rcx rdx rbx rsp rbp rsi rdi r8 … r15
    pub gpr: [u64; 16],
    pub rip: u64,
    pub rflags: u64,
    pub es: Seg,
    pub cs: Seg,
    pub ss: Seg,
    pub ds: Seg,
    pub fs: Seg,
    pub gs: Seg,
    pub ldt: Seg,
    pub tr: Seg,
    /// Base, limit.
    pub gdt: (u64, u16),
    pub idt: (u64, u16),
    pub cr0: u64,
    pub cr2: u64,
    pub cr3: u64,
    pub cr4: u64,
    pub cr8: u64,
    pub dr: [u64; 8],
    pub efer: u64,
    pub star: u64,
    pub lstar: u64,
    pub cstar: u64,
    pub sfmask: u64,
    pub kernel_gs_base: u64,
    /// CS, ESP, EIP.
    pub sysenter: [u64; 3],
    /// Image of FXSAVE, 512 bytes.
    pub fxsave: Vec<u8>,
}

/// A machine. Pages that are not in the map do not exist: no container may hold them as zeroes, but for
/// those that cannot leave a hole (raw images) and say so.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Physical address of a page and its 4096 bytes.
    pub pages: BTreeMap<u64, Vec<u8>>,
    pub cpus: Vec<Cpu>,
    /// End of RAM in bytes.
    pub top: u64,
}

impl Machine {
    /// Ranges of pages that touch: start and length in bytes.
    pub fn runs(&self) -> Vec<(u64, u64)> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for page in self.pages.keys() {
            match runs.last_mut() {
                Some((start, length)) if *start + *length == *page => *length += 4096,
                _ => runs.push((*page, 4096)),
            }
        }
        runs
    }

    /// A machine of two CPUs in 64-bit mode with made-up registers (each value different) and pages of a
    /// pattern, with holes: enough to test a container without Windows.
    pub fn pattern() -> Self {
        let mut machine = Self {
            top: 0x40_0000,
            ..Self::default()
        };
        for page in (0..0x20_0000u64)
            .step_by(4096)
            .chain((0x28_0000..0x40_0000).step_by(4096))
        {
            let number = page / 4096;
            // Every eighth page is zeroes, which some containers leave out.
            let bytes = if number % 8 == 5 {
                vec![0; 4096]
            } else {
                (0..4096u64).map(|at| (number * 31 + at * at / 7) as u8).collect()
            };
            machine.pages.insert(page, bytes);
        }
        machine.cpus = (0..2).map(Cpu::pattern).collect();
        machine
    }
}

impl Cpu {
    /// Registers in 64-bit mode, each value different.
    pub fn pattern(number: u64) -> Self {
        let value = |register: u64| 0xa5a5_0000_0000_0000 | (number << 32) | (register * 0x0101);
        let kernel = |register: u64| 0xffff_f800_0000_0000 | (number << 32) | (register * 0x1000);
        let seg = |selector, access| Seg {
            selector,
            base: 0,
            limit: 0xffff_ffff,
            access,
        };
        let mut fxsave: Vec<u8> = (0..512u64).map(|at| (at + number) as u8).collect();
        fxsave[24..28].copy_from_slice(&[0x80, 0x1f, 0, 0]);
        Self {
            gpr: std::array::from_fn(|register| value(register as u64 + 1)),
            rip: kernel(0x21),
            rflags: 0x246,
            es: seg(0x2b, 0xc0f3),
            cs: Seg {
                selector: 0x10,
                base: 0,
                limit: 0,
                access: 0x209b,
            },
            ss: Seg {
                selector: 0x18,
                base: 0,
                limit: 0,
                access: 0x4093,
            },
            ds: seg(0x2b, 0xc0f3),
            fs: Seg {
                selector: 0x53,
                base: 0x7000 + number,
                limit: 0x3c00,
                access: 0x40f3,
            },
            gs: Seg {
                selector: 0x2b,
                base: kernel(0x31),
                limit: 0xffff_ffff,
                access: 0xc0f3,
            },
            ldt: Seg::default(),
            tr: Seg {
                selector: 0x40,
                base: kernel(0x32),
                limit: 0x67,
                access: 0x008b,
            },
            gdt: (kernel(0x33), 0x57),
            idt: (kernel(0x34), 0xfff),
            cr0: 0x8005_0033,
            cr2: kernel(0x35) + 0x123,
            cr3: 0x1a_d000 + number * 0x1000 + 2,
            cr4: 0x37_06f8,
            cr8: 2 + number,
            dr: [0x11 + number, 0x22, 0x33, 0x44, 0, 0, 0xffff_0ff0, 0x401],
            efer: 0xd01,
            star: 0x0023_0010_0000_0000,
            lstar: kernel(0x36) + number,
            cstar: kernel(0x37),
            sfmask: 0x4700,
            kernel_gs_base: 0x7ff6_0000 + number * 0x1000,
            sysenter: [0x10, kernel(0x38), kernel(0x39)],
            fxsave,
        }
    }
}
