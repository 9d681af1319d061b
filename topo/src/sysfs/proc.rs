//! `/proc/cpuinfo` in the words of each architecture, and other facts from `/proc`.
//!
//! The file has no written format: a key, a colon, a value; an empty line ends a processor.
//! Keys are those that `arch/*/kernel` of Linux prints (x86, ARM, POWER, s390, Itanium, SPARC,
//! RISC-V, LoongArch, MIPS).

use super::arm;
use super::reader::{Reader, hex};

/// What the file says of one processor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processor {
    /// Linux CPU number.
    pub number: u32,
    /// `physical id` (x86), `package` (LoongArch).
    pub package_id: Option<i64>,
    /// `core id` (x86), `core` (LoongArch).
    pub core_id: Option<i64>,
    /// `apicid`, or `initial apicid`.
    pub apic_id: Option<u32>,
    /// `microcode`.
    pub microcode: Option<u32>,
    /// ARM `CPU implementer`.
    pub implementer: Option<u32>,
    /// ARM `CPU part`.
    pub part: Option<u32>,
}

/// What the file says as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuInfo {
    /// Processors, ascending.
    pub processors: Vec<Processor>,
    /// Model name.
    pub model: Option<String>,
    /// Vendor.
    pub vendor: Option<String>,
    /// x86 `cpu family`.
    pub family: Option<u32>,
    /// x86 `model`.
    pub model_number: Option<u32>,
    /// x86 `stepping`.
    pub stepping: Option<u32>,
    /// Architecture, as far as the keys and values tell.
    pub architecture: Option<&'static str>,
    /// x86 `flags` has `hypervisor`.
    pub hypervisor: bool,
}

impl CpuInfo {
    /// The processor with this number.
    #[must_use]
    pub fn processor(&self, number: u32) -> Option<&Processor> {
        // Normally the file is in order of the numbers without a gap.
        let guess = usize::try_from(number)
            .ok()
            .and_then(|index| self.processors.get(index));
        guess
            .filter(|processor| processor.number == number)
            .or_else(|| self.processors.iter().find(|processor| processor.number == number))
    }

    /// x86 family, model and stepping.
    #[must_use]
    pub fn family_model_stepping(&self) -> Option<(u32, u32, u32)> {
        Some((self.family?, self.model_number?, self.stepping?))
    }

    /// Whether `thread_siblings` may be the two cores of a compute unit (AMD family 15h), or
    /// nothing says which processor this is.
    #[must_use]
    pub fn may_have_compute_units(&self) -> bool {
        match (self.vendor.as_deref(), self.family) {
            (Some("AuthenticAMD"), family) => family.is_none_or(|family| family == 0x15),
            (Some(_), _) => false,
            (None, _) => self.model.is_none(),
        }
    }
}

/// Reads `/proc/cpuinfo`; an absent file says nothing.
pub fn read(reader: &mut Reader<'_>) -> CpuInfo {
    parse(&reader.text("/proc/cpuinfo").unwrap_or_default())
}

/// Decodes the text of `/proc/cpuinfo`.
///
/// ```
/// let info = topo::sysfs::proc::parse("processor : 3\nphysical id : 1\ncore id : 2\n");
/// assert_eq!(info.processor(3).unwrap().package_id, Some(1));
/// ```
#[must_use]
pub fn parse(text: &str) -> CpuInfo {
    let mut info = CpuInfo::default();
    // ARM before Linux 3.8 says the part once, after all processors.
    let mut everywhere = Processor::default();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let (key, value) = (key.trim(), value.trim());
        if let Some(number) = processor_number(key, value) {
            info.processors.push(Processor {
                number,
                ..Processor::default()
            });
        } else {
            processor_field(info.processors.last_mut().unwrap_or(&mut everywhere), key, value);
        }
        machine_field(&mut info, key, value);
    }
    info.processors.sort_by_key(|processor| processor.number);
    info.processors.dedup_by_key(|processor| processor.number);
    share_arm_part(&mut info);
    info
}

/// `processor : 5`, or the s390 spelling `processor 5: version = …`.
fn processor_number(key: &str, value: &str) -> Option<u32> {
    let digits = match key {
        "processor" => value,
        _ => key.strip_prefix("processor ")?,
    };
    digits.parse().ok().filter(|number| *number < super::CpuSet::LIMIT)
}

fn processor_field(processor: &mut Processor, key: &str, value: &str) {
    match key {
        "physical id" | "package" => processor.package_id = value.parse().ok(),
        "core id" | "core" => processor.core_id = value.parse().ok(),
        "apicid" => processor.apic_id = value.parse().ok(),
        "initial apicid" if processor.apic_id.is_none() => processor.apic_id = value.parse().ok(),
        "microcode" => processor.microcode = hex32(value),
        "CPU implementer" => processor.implementer = hex32(value),
        "CPU part" => processor.part = hex32(value),
        _ => {}
    }
}

/// The first value of a key that is said of the machine, or of each processor alike.
fn machine_field(info: &mut CpuInfo, key: &str, value: &str) {
    let said = || (!value.is_empty()).then(|| value.to_owned());
    match key {
        "model name" | "Model Name" | "cpu model" | "uarch" => set(&mut info.model, said()),
        "cpu" => set(&mut info.model, said()),
        // "Processor : ARMv7 Processor rev 1 (v7l)"
        "Processor" => set(&mut info.model, said()),
        "vendor_id" | "vendor" => set(&mut info.vendor, said()),
        "cpu family" | "family" => set(&mut info.family, value.parse().ok()),
        "model" => set(&mut info.model_number, value.parse().ok()),
        "stepping" => set(&mut info.stepping, value.parse().ok()),
        "flags" => {
            info.hypervisor |= value.split(' ').any(|flag| flag == "hypervisor");
        }
        _ => {}
    }
    set(&mut info.architecture, architecture(key, value));
}

/// Architecture that prints this line, where the line tells.
fn architecture(key: &str, value: &str) -> Option<&'static str> {
    let has = |word: &str| value.split(' ').any(|seen| seen == word);
    match (key, value) {
        ("flags", _) if has("lm") => Some("x86_64"),
        ("flags", _) if has("fpu") => Some("i686"),
        ("vendor_id", "IBM/S390") => Some("s390x"),
        ("CPU architecture", "8" | "AArch64") => Some("aarch64"),
        ("CPU architecture", _) => Some("arm"),
        ("isa", _) if value.starts_with("rv64") => Some("riscv64"),
        ("isa", _) if value.starts_with("rv32") => Some("riscv32"),
        ("ISA", _) if value.contains("loongarch64") => Some("loongarch64"),
        ("cpu", _) if value.starts_with("POWER") || value.starts_with("Cell") => Some("ppc64"),
        ("arch", "IA-64") => Some("ia64"),
        ("type", "sun4u" | "sun4v") => Some("sparc64"),
        _ => None,
    }
}

fn set<T>(field: &mut Option<T>, value: Option<T>) {
    if field.is_none() {
        *field = value;
    }
}

/// A part that is said once, after the last processor, holds for all of them. Names vendor and model.
fn share_arm_part(info: &mut CpuInfo) {
    let Some((implementer, part)) = info.processors.iter().find_map(|cpu| cpu.implementer.zip(cpu.part)) else {
        return;
    };
    for processor in &mut info.processors {
        processor.implementer = processor.implementer.or(Some(implementer));
        processor.part = processor.part.or(Some(part));
    }
    set(&mut info.vendor, arm::implementer(implementer).map(str::to_owned));
    if info.model.is_none() {
        info.model = arm::part(implementer, part).map(str::to_owned);
    }
}

fn hex32(text: &str) -> Option<u32> {
    hex(text).and_then(|number| u32::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x86_processors_have_package_core_apic_id_and_microcode() {
        let text = "processor\t: 7\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\n\
                    model name\t: Some CPU @ 2.10GHz\nstepping\t: 4\nmicrocode\t: 0x2006e05\n\
                    physical id\t: 1\ncore id\t\t: 12\napicid\t\t: 56\ninitial apicid\t: 55\n\
                    flags\t\t: fpu lm hypervisor\n";
        let info = parse(text);
        let processor = info.processor(7).unwrap();
        assert_eq!((processor.package_id, processor.core_id), (Some(1), Some(12)));
        assert_eq!((processor.apic_id, processor.microcode), (Some(56), Some(0x0200_6e05)));
        assert_eq!(info.family_model_stepping(), Some((6, 85, 4)));
        assert_eq!((info.architecture, info.hypervisor), (Some("x86_64"), true));
        assert!(!info.may_have_compute_units());
    }

    #[test]
    fn old_arm_says_the_part_once_for_all() {
        let info = parse(
            "Processor : ARMv7 Processor rev 1 (v7l)\nprocessor : 0\n\nprocessor : 1\n\n\
             CPU implementer : 0x41\nCPU architecture: 7\nCPU part : 0xc09\n",
        );
        assert_eq!(info.processors.len(), 2);
        assert!(info.processors.iter().all(|cpu| cpu.part == Some(0xc09)));
        assert_eq!(info.architecture, Some("arm"));
        assert_eq!(info.model.as_deref(), Some("ARMv7 Processor rev 1 (v7l)"));
    }

    #[test]
    fn s390_numbers_processors_in_the_key() {
        let info = parse("vendor_id       : IBM/S390\nprocessor 12: version = 00,  machine = 2817\n");
        assert_eq!(info.processor(12).map(|cpu| cpu.number), Some(12));
        assert_eq!(info.architecture, Some("s390x"));
    }

    #[test]
    fn numbers_that_are_absurd_make_no_processor() {
        assert!(
            parse("processor : 4000000000\nprocessor : -1\nprocessor : x")
                .processors
                .is_empty()
        );
    }
}
