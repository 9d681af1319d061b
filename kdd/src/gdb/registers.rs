//! The registers that a debugger sees: their numbers, names, sizes, and where each stands in a [`Vcpu`].
//!
//! For x86-64 the numbers are those of the table for QEMU in WinDbg's EXDI configuration: general registers, RIP,
//! flags, segments, FS and GS base, control registers, EFER, x87, SSE, MXCSR; behind it what that table has not. For
//! i386 the order is the same with eight general registers. What the source does not know is unavailable, never zero.

use crate::target::register::{Register as State, Seg};
use crate::target::vcpu::{Vcpu, msr};

/// One register.
#[derive(Clone, Copy, Debug)]
pub struct Register {
    /// Name as GDB knows it.
    pub name: &'static str,
    /// Size in bytes.
    pub size: usize,
    /// Type in the description.
    pub kind: &'static str,
    /// Which part of the description it is in.
    pub feature: Feature,
    place: Place,
}

/// Parts of the description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// `org.gnu.gdb.i386.core`.
    Core,
    /// `org.gnu.gdb.i386.sse`.
    Sse,
    /// `org.gnu.gdb.i386.segments`.
    Segments,
    /// Control registers: our own.
    System,
}

/// Where a register stands.
#[derive(Clone, Copy, Debug)]
enum Place {
    State(State),
    Stack(usize),
    X87(X87),
    Vector(usize),
}

#[derive(Clone, Copy, Debug)]
enum X87 {
    Control,
    Status,
    Tag,
    InstructionSegment,
    InstructionOffset,
    OperandSegment,
    OperandOffset,
    Opcode,
}

const fn state(name: &'static str, size: usize, kind: &'static str, feature: Feature, state: State) -> Register {
    row(name, size, kind, feature, Place::State(state))
}

const fn row(name: &'static str, size: usize, kind: &'static str, feature: Feature, place: Place) -> Register {
    Register {
        name,
        size,
        kind,
        feature,
        place,
    }
}

const fn long(name: &'static str, number: usize) -> Register {
    let kind = match number {
        4 => "data_ptr",
        5 => "data_ptr",
        _ => "int64",
    };
    state(name, 8, kind, Feature::Core, State::Gpr(number))
}

const fn short(name: &'static str, number: usize) -> Register {
    let kind = match number {
        4 => "data_ptr",
        5 => "data_ptr",
        _ => "int32",
    };
    state(name, 4, kind, Feature::Core, State::Gpr(number))
}

const fn selector(name: &'static str, segment: Seg) -> Register {
    state(name, 4, "int32", Feature::Core, State::Selector(segment))
}

const fn control(name: &'static str, size: usize, kind: &'static str, register: State) -> Register {
    state(name, size, kind, Feature::System, register)
}

const fn stack(name: &'static str, number: usize) -> Register {
    row(name, 10, "i387_ext", Feature::Core, Place::Stack(number))
}

const fn x87(name: &'static str, part: X87) -> Register {
    row(name, 4, "int", Feature::Core, Place::X87(part))
}

const fn vector(name: &'static str, number: usize) -> Register {
    row(name, 16, "vec128", Feature::Sse, Place::Vector(number))
}

const fn model(name: &'static str, number: u32) -> Register {
    state(name, 8, "int64", Feature::System, State::Msr(number))
}

const FLAGS: Register = state("eflags", 4, "i386_eflags", Feature::Core, State::Flags);
const CS: Register = selector("cs", Seg::Cs);
const SS: Register = selector("ss", Seg::Ss);
const DS: Register = selector("ds", Seg::Ds);
const ES: Register = selector("es", Seg::Es);
const FS: Register = selector("fs", Seg::Fs);
const GS: Register = selector("gs", Seg::Gs);
const STACK: [Register; 8] = [
    stack("st0", 0),
    stack("st1", 1),
    stack("st2", 2),
    stack("st3", 3),
    stack("st4", 4),
    stack("st5", 5),
    stack("st6", 6),
    stack("st7", 7),
];
const FCTRL: Register = x87("fctrl", X87::Control);
const FSTAT: Register = x87("fstat", X87::Status);
const FTAG: Register = x87("ftag", X87::Tag);
const FISEG: Register = x87("fiseg", X87::InstructionSegment);
const FIOFF: Register = x87("fioff", X87::InstructionOffset);
const FOSEG: Register = x87("foseg", X87::OperandSegment);
const FOOFF: Register = x87("fooff", X87::OperandOffset);
const FOP: Register = x87("fop", X87::Opcode);
const MXCSR: Register = state("mxcsr", 4, "i386_mxcsr", Feature::Sse, State::MxCsr);

/// Registers of x86-64, by number.
pub const X86_64: &[Register] = &[
    long("rax", 0),
    long("rbx", 3),
    long("rcx", 1),
    long("rdx", 2),
    long("rsi", 6),
    long("rdi", 7),
    long("rbp", 5),
    long("rsp", 4),
    long("r8", 8),
    long("r9", 9),
    long("r10", 10),
    long("r11", 11),
    long("r12", 12),
    long("r13", 13),
    long("r14", 14),
    long("r15", 15),
    state("rip", 8, "code_ptr", Feature::Core, State::Rip),
    FLAGS,
    CS,
    SS,
    DS,
    ES,
    FS,
    GS,
    state(
        "fs_base",
        8,
        "int64",
        Feature::Segments,
        State::Base(Seg::Fs, msr::FS_BASE),
    ),
    state(
        "gs_base",
        8,
        "int64",
        Feature::Segments,
        State::Base(Seg::Gs, msr::GS_BASE),
    ),
    model("k_gs_base", msr::KERNEL_GS_BASE),
    control("cr0", 8, "x86_cr0", State::Cr0),
    control("cr2", 8, "int64", State::Cr2),
    control("cr3", 8, "int64", State::Cr3),
    control("cr4", 8, "x86_cr4", State::Cr4),
    control("cr8", 8, "int64", State::Cr8),
    state("efer", 8, "x86_efer", Feature::System, State::Msr(msr::EFER)),
    STACK[0],
    STACK[1],
    STACK[2],
    STACK[3],
    STACK[4],
    STACK[5],
    STACK[6],
    STACK[7],
    FCTRL,
    FSTAT,
    FTAG,
    FISEG,
    FIOFF,
    FOSEG,
    FOOFF,
    FOP,
    vector("xmm0", 0),
    vector("xmm1", 1),
    vector("xmm2", 2),
    vector("xmm3", 3),
    vector("xmm4", 4),
    vector("xmm5", 5),
    vector("xmm6", 6),
    vector("xmm7", 7),
    vector("xmm8", 8),
    vector("xmm9", 9),
    vector("xmm10", 10),
    vector("xmm11", 11),
    vector("xmm12", 12),
    vector("xmm13", 13),
    vector("xmm14", 14),
    vector("xmm15", 15),
    MXCSR,
    model("star", msr::STAR),
    model("lstar", msr::LSTAR),
    model("cstar", msr::CSTAR),
    model("sfmask", msr::SFMASK),
    state("gdtr_base", 8, "int64", Feature::System, State::GdtBase),
    state("gdtr_limit", 4, "int32", Feature::System, State::GdtLimit),
    state("idtr_base", 8, "int64", Feature::System, State::IdtBase),
    state("idtr_limit", 4, "int32", Feature::System, State::IdtLimit),
    state("ldtr", 4, "int32", Feature::System, State::Selector(Seg::Ldt)),
    state("tr", 4, "int32", Feature::System, State::Selector(Seg::Tr)),
    state("dr0", 8, "int64", Feature::System, State::Dr(0)),
    state("dr1", 8, "int64", Feature::System, State::Dr(1)),
    state("dr2", 8, "int64", Feature::System, State::Dr(2)),
    state("dr3", 8, "int64", Feature::System, State::Dr(3)),
    state("dr6", 8, "int64", Feature::System, State::Dr(6)),
    state("dr7", 8, "int64", Feature::System, State::Dr(7)),
];

/// Registers of x86-64 that `g` holds: the table that EXDI knows.
pub const X86_64_AT_ONCE: usize = 0x42;

/// Registers of i386, by number.
pub const I386: &[Register] = &[
    short("eax", 0),
    short("ecx", 1),
    short("edx", 2),
    short("ebx", 3),
    short("esp", 4),
    short("ebp", 5),
    short("esi", 6),
    short("edi", 7),
    state("eip", 4, "code_ptr", Feature::Core, State::Rip),
    FLAGS,
    CS,
    SS,
    DS,
    ES,
    FS,
    GS,
    state(
        "fs_base",
        4,
        "int32",
        Feature::Segments,
        State::Base(Seg::Fs, msr::FS_BASE),
    ),
    state(
        "gs_base",
        4,
        "int32",
        Feature::Segments,
        State::Base(Seg::Gs, msr::GS_BASE),
    ),
    control("cr0", 4, "x86_cr0", State::Cr0),
    control("cr2", 4, "int32", State::Cr2),
    control("cr3", 4, "int32", State::Cr3),
    control("cr4", 4, "x86_cr4", State::Cr4),
    state("efer", 8, "x86_efer", Feature::System, State::Msr(msr::EFER)),
    STACK[0],
    STACK[1],
    STACK[2],
    STACK[3],
    STACK[4],
    STACK[5],
    STACK[6],
    STACK[7],
    FCTRL,
    FSTAT,
    FTAG,
    FISEG,
    FIOFF,
    FOSEG,
    FOOFF,
    FOP,
    vector("xmm0", 0),
    vector("xmm1", 1),
    vector("xmm2", 2),
    vector("xmm3", 3),
    vector("xmm4", 4),
    vector("xmm5", 5),
    vector("xmm6", 6),
    vector("xmm7", 7),
    MXCSR,
    state("gdtr_base", 4, "int32", Feature::System, State::GdtBase),
    state("gdtr_limit", 4, "int32", Feature::System, State::GdtLimit),
    state("idtr_base", 4, "int32", Feature::System, State::IdtBase),
    state("idtr_limit", 4, "int32", Feature::System, State::IdtLimit),
    state("ldtr", 4, "int32", Feature::System, State::Selector(Seg::Ldt)),
    state("tr", 4, "int32", Feature::System, State::Selector(Seg::Tr)),
    state("dr0", 4, "int32", Feature::System, State::Dr(0)),
    state("dr1", 4, "int32", Feature::System, State::Dr(1)),
    state("dr2", 4, "int32", Feature::System, State::Dr(2)),
    state("dr3", 4, "int32", Feature::System, State::Dr(3)),
    state("dr6", 4, "int32", Feature::System, State::Dr(6)),
    state("dr7", 4, "int32", Feature::System, State::Dr(7)),
];

/// Registers of i386 that `g` holds.
pub const I386_AT_ONCE: usize = 48;

impl Register {
    /// Its bytes, as many as it is long; `None` where the source does not know it.
    #[must_use]
    pub fn read(&self, vcpu: &Vcpu) -> Option<Vec<u8>> {
        if let Some((from, length)) = self.in_fxsave() {
            let image = vcpu.fxsave.as_ref()?;
            return image.get(from..from.checked_add(length)?).map(<[u8]>::to_vec);
        }
        let value = self.value(vcpu)?;
        let mut bytes = value.to_le_bytes().to_vec();
        bytes.resize(self.size, 0);
        Some(bytes)
    }

    /// Registers that stand in the image of FXSAVE as they are.
    fn in_fxsave(&self) -> Option<(usize, usize)> {
        match self.place {
            Place::Stack(number) => Some((32 + number * 16, 10)),
            Place::Vector(number) => Some((160 + number * 16, 16)),
            _ => None,
        }
    }

    fn value(&self, vcpu: &Vcpu) -> Option<u64> {
        match self.place {
            Place::State(state) => state.get(vcpu),
            Place::X87(part) => vcpu.fxsave.as_ref().map(|image| part.read(image).into()),
            Place::Stack(_) | Place::Vector(_) => None,
        }
    }

    /// Puts bytes into it; `false` when the source does not know it, or it is not to be set.
    pub fn write(&self, vcpu: &mut Vcpu, bytes: &[u8]) -> bool {
        if bytes.len() != self.size {
            return false;
        }
        self.store(vcpu, bytes).is_some()
    }

    fn store(&self, vcpu: &mut Vcpu, bytes: &[u8]) -> Option<()> {
        if let Some((from, length)) = self.in_fxsave() {
            let image = vcpu.fxsave.as_mut()?;
            image.get_mut(from..from.checked_add(length)?)?.copy_from_slice(bytes);
            return Some(());
        }
        let mut value = [0; 8];
        value.get_mut(..bytes.len())?.copy_from_slice(bytes);
        let value = u64::from_le_bytes(value);
        match self.place {
            Place::State(state) => {
                // What the source does not know is not set, nor what is longer than the register.
                state.get(vcpu)?;
                let narrow = matches!(state, State::Selector(_) | State::GdtLimit | State::IdtLimit);
                if narrow && value > u64::from(u16::MAX) {
                    return None;
                }
                state.set(vcpu, value);
            }
            Place::X87(part) => part.write(vcpu.fxsave.as_mut()?, u32::try_from(value).ok()?),
            Place::Stack(_) | Place::Vector(_) => return None,
        }
        Some(())
    }
}

/// Fields of the image of FXSAVE (Intel SDM volume 1, 10.5.1): control at 0, status at 2, tags at 4 (one bit each),
/// opcode at 6, instruction pointer at 8 and its selector at 12, operand at 16 and its selector at 20.
impl X87 {
    fn place(self) -> (usize, usize) {
        match self {
            Self::Control => (0, 2),
            Self::Status => (2, 2),
            Self::Tag => (4, 1),
            Self::Opcode => (6, 2),
            Self::InstructionOffset => (8, 4),
            Self::InstructionSegment => (12, 2),
            Self::OperandOffset => (16, 4),
            Self::OperandSegment => (20, 2),
        }
    }

    fn read(self, image: &[u8; 512]) -> u32 {
        let (from, length) = self.place();
        let mut bytes = [0; 4];
        for (to, byte) in bytes.iter_mut().zip(image.iter().skip(from).take(length)) {
            *to = *byte;
        }
        let value = u32::from_le_bytes(bytes);
        match self {
            Self::Tag => tags(image, value).into(),
            Self::Opcode => value & 0x7ff,
            _ => value,
        }
    }

    fn write(self, image: &mut [u8; 512], value: u32) {
        let value = match self {
            Self::Tag => (0..8).fold(0, |tags, at| tags | u32::from(value >> (at * 2) & 3 != 3) << at),
            _ => value,
        };
        let (from, length) = self.place();
        for (to, byte) in image.iter_mut().skip(from).take(length).zip(value.to_le_bytes()) {
            *to = byte;
        }
    }
}

/// The tag word as FSAVE has it, two bits for each physical register: 0 valid, 1 zero, 2 special, 3 empty.
fn tags(image: &[u8; 512], used: u32) -> u16 {
    let status = u16::from_le_bytes([
        image.get(2).copied().unwrap_or_default(),
        image.get(3).copied().unwrap_or_default(),
    ]);
    let top = usize::from(status >> 11 & 7);
    (0..8usize).fold(0, |tags, physical| {
        // The image holds the registers from the top of the stack on, the tags by their fixed numbers.
        let from = 32 + ((physical + 8 - top) & 7) * 16;
        let tag = if used >> physical & 1 == 0 {
            3
        } else {
            image.get(from..from + 10).map_or(3, class)
        };
        tags | tag << (physical * 2)
    })
}

fn class(register: &[u8]) -> u16 {
    let (mantissa, exponent) = register.split_at(register.len().min(8));
    let exponent = match exponent {
        [low, high] => u16::from_le_bytes([*low, *high]) & 0x7fff,
        _ => 0x7fff,
    };
    match exponent {
        0 if mantissa.iter().all(|byte| *byte == 0) => 1,
        0 | 0x7fff => 2,
        _ if mantissa.last().is_some_and(|byte| byte & 0x80 != 0) => 0,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Table;

    fn number(name: &str, table: &[Register]) -> Option<usize> {
        table.iter().position(|register| register.name == name)
    }

    #[test]
    fn numbers_are_those_of_the_exdi_configuration() {
        let expected = [
            ("rax", 0),
            ("rsp", 7),
            ("r15", 15),
            ("rip", 0x10),
            ("eflags", 0x11),
            ("cs", 0x12),
            ("gs", 0x17),
            ("fs_base", 0x18),
            ("gs_base", 0x19),
            ("k_gs_base", 0x1a),
            ("cr0", 0x1b),
            ("cr8", 0x1f),
            ("efer", 0x20),
            ("st0", 0x21),
            ("fctrl", 0x29),
            ("xmm0", 0x31),
            ("mxcsr", 0x41),
        ];
        for (name, at) in expected {
            assert_eq!(number(name, X86_64), Some(at), "{name}");
        }
        assert_eq!(number("mxcsr", X86_64), Some(X86_64_AT_ONCE - 1));
        assert_eq!(number("mxcsr", I386), Some(I386_AT_ONCE - 1));
    }

    #[test]
    fn what_is_written_is_read_back_and_changes_nothing_else() {
        let known = Vcpu {
            gdt: Some(Table::default()),
            idt: Some(Table::default()),
            cr0: Some(0),
            cr2: Some(0),
            cr3: Some(0),
            cr4: Some(0),
            cr8: Some(0),
            dr: Some([0; 8]),
            fxsave: Some(Box::new([0xff; 512])),
            msrs: X86_64
                .iter()
                .filter_map(|register| match register.place {
                    Place::State(State::Msr(number) | State::Base(_, number)) => Some((number, 0)),
                    _ => None,
                })
                .collect(),
            ..Vcpu::default()
        };
        for table in [X86_64, I386] {
            for register in table {
                let mut vcpu = known.clone();
                // A tag word of valid registers only, and values that every size holds.
                let bytes: Vec<u8> = match register.place {
                    Place::X87(X87::Tag) => vec![0xaa, 0xaa, 0, 0],
                    _ => (0..register.size)
                        .map(|at| if at < 2 { 5 + at as u8 } else { 0 })
                        .collect(),
                };
                assert!(register.write(&mut vcpu, &bytes), "{}", register.name);
                assert_eq!(register.read(&vcpu), Some(bytes), "{}", register.name);
                let others = table.iter().filter(|other| other.name != register.name);
                let changed: Vec<_> = others.filter(|other| other.read(&vcpu) != other.read(&known)).collect();
                // The status word says which register the first tag is of.
                let tags = ["fstat", "st0", "st1", "st2", "st3", "st4", "st5", "st6", "st7"];
                assert!(
                    changed
                        .iter()
                        .all(|other| other.name == "ftag" && tags.contains(&register.name)),
                    "{}",
                    register.name
                );
            }
        }
    }

    #[test]
    fn registers_that_the_source_does_not_know_are_unavailable_and_cannot_be_set() {
        let mut vcpu = Vcpu::default();
        for name in [
            "cr3",
            "efer",
            "lstar",
            "gs_base",
            "xmm3",
            "st1",
            "ftag",
            "dr7",
            "idtr_base",
        ] {
            let register = &X86_64[number(name, X86_64).unwrap()];
            assert_eq!(register.read(&vcpu), None, "{name}");
            assert!(!register.write(&mut vcpu, &vec![0; register.size]), "{name}");
        }
        assert_eq!(vcpu, Vcpu::default());
    }

    #[test]
    fn tag_word_tells_what_the_registers_hold() {
        let mut image = [0u8; 512];
        // Top of the stack is register 6; registers 6, 7 and 0 are in use: 1.0, zero, infinity.
        image[2..4].copy_from_slice(&(6u16 << 11).to_le_bytes());
        image[4] = 0b1100_0001;
        image[32 + 7] = 0x80;
        image[40..42].copy_from_slice(&[0xff, 0x3f]);
        image[64 + 7] = 0x80;
        image[64 + 8..64 + 10].copy_from_slice(&[0xff, 0x7f]);
        assert_eq!(X87::Tag.read(&image), 0b01_00_11_11_11_11_11_10);
    }
}
