//! CPUs in the reports of other tools: `lscpu`, and the processors of `dmidecode`.

use super::words::hexadecimal;
use super::{Cpu, Vendor, vendor};
use crate::damage::Damage;
use crate::ids::Signature;

/// The CPU of `lscpu`, which has no revision. Its output for people; other languages are not read.
#[must_use]
pub fn from_lscpu(origin: &str, text: &str) -> (Vec<Cpu>, Vec<Damage>) {
    let field = |name: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == name).then(|| value.trim())
        })
    };
    let number = |name: &str| field(name).and_then(|value| value.parse().ok());
    let Some(name) = field("Vendor ID") else {
        let damage = Damage::new(0, "a line \"Vendor ID:\"", "none").rule("lscpu-vendor");
        return (Vec::new(), vec![damage]);
    };
    let mut cpu = Cpu::new(origin, vendor(name));
    let mut damage = Vec::new();
    cpu.signature = match (number("CPU family"), number("Model"), number("Stepping")) {
        (Some(family), Some(model), Some(stepping)) => Signature::from_family_model_stepping(family, model, stepping),
        _ => None,
    };
    if cpu.signature.is_none() {
        damage.push(Damage::new(0, "CPU family, Model and Stepping", "not all of them").rule("lscpu-signature"));
    }
    let flag = |flags: &str, name| flags.split_ascii_whitespace().any(|flag| flag == name);
    cpu.name = field("Model name").map(str::to_owned);
    cpu.fred = field("Flags").map(|flags| flag(flags, "fred"));
    cpu.hypervisor = match (field("Hypervisor vendor"), field("Flags")) {
        (Some(_), _) => Some(true),
        (None, Some(flags)) => Some(flag(flags, "hypervisor")),
        (None, None) => None,
    };
    (vec![cpu], damage)
}

/// The processor id of SMBIOS type 4 on x86: EAX of CPUID leaf 1, then EDX.
#[must_use]
pub fn from_processor_id(id: [u8; 8]) -> Option<Signature> {
    let [a, b, c, d, ..] = id;
    Some(Signature(u32::from_le_bytes([a, b, c, d]))).filter(|signature| signature.0 != 0)
}

/// The processors of `dmidecode -t processor`: signature by the id, vendor by the manufacturer.
/// Sockets without a processor are left out; alike ones are one.
#[must_use]
pub fn from_dmidecode(origin: &str, text: &str) -> (Vec<Cpu>, Vec<Damage>) {
    let mut all = Vec::new();
    let mut damage = Vec::new();
    let mut inside = false;
    let (mut made, mut name): (Option<Vendor>, Option<String>) = (None, None);
    let mut raw: Option<Signature> = None;
    let mut offset: usize = 0;
    for line in text.split_inclusive('\n').chain(["\n"]) {
        let place = offset;
        offset = offset.saturating_add(line.len());
        // Fields stand one tabulator in, lists two.
        let field = line.strip_prefix('\t').filter(|rest| !rest.starts_with('\t'));
        let Some(field) = field else {
            if inside && !line.starts_with('\t') {
                if let Some(signature) = raw.take() {
                    let mut cpu = Cpu::new(origin, made.unwrap_or(Vendor::Other));
                    cpu.signature = Some(signature);
                    cpu.name = name.take();
                    all.push(cpu);
                }
                inside = false;
            }
            if line.trim_end() == "Processor Information" {
                (inside, made, name, raw) = (true, None, None, None);
            }
            continue;
        };
        let Some((key, value)) = field.split_once(':').filter(|_| inside) else {
            continue;
        };
        let value = value.trim();
        match key {
            "Manufacturer" => made = Some(manufacturer(value)),
            "Version" if !value.is_empty() && value != "Not Specified" => name = Some(value.to_owned()),
            "ID" => match id(value) {
                Some(bytes) => raw = from_processor_id(bytes),
                None => {
                    damage.push(Damage::new(place, "ID of 8 bytes in hexadecimal", value).rule("dmidecode-id"));
                }
            },
            _ => {}
        }
    }
    (super::cpuinfo::alike(all), damage)
}

fn manufacturer(name: &str) -> Vendor {
    let has = |part: &str| name.to_ascii_lowercase().contains(part);
    if has("intel") {
        Vendor::Intel
    } else if has("hygon") {
        Vendor::Hygon
    } else if has("amd") || has("advanced micro devices") {
        Vendor::Amd
    } else {
        Vendor::Other
    }
}

fn id(value: &str) -> Option<[u8; 8]> {
    let bytes: Option<Vec<u8>> = value
        .split_ascii_whitespace()
        .map(|byte| hexadecimal(byte).and_then(|byte| u8::try_from(byte).ok()))
        .collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lscpu_gives_signature_and_hypervisor() {
        let text = "Vendor ID:    GenuineIntel\nModel name:   Some CPU\nCPU family:   6\nModel:    94\nStepping:  3\n\
                    Hypervisor vendor:   KVM\n";
        let (cpus, damage) = from_lscpu("a", text);
        assert!(damage.is_empty());
        assert_eq!(
            (cpus[0].signature, cpus[0].hypervisor),
            (Some(Signature(0x506e3)), Some(true))
        );
        let (cpus, damage) = from_lscpu("b", "Vendor ID: AuthenticAMD\nFlags: fpu\n");
        assert_eq!((cpus[0].hypervisor, damage[0].rule), (Some(false), "lscpu-signature"));
    }

    #[test]
    fn dmidecode_gives_a_cpu_for_each_kind_of_processor() {
        let socket = "Handle 0x004B, DMI type 4, 48 bytes\nProcessor Information\n\tManufacturer: Advanced Micro Devices, Inc.\n\
                      \tID: 12 0F A2 00 FF FB 8B 17\n\tFlags:\n\t\tFPU (x)\n\tVersion: Some CPU\n\n";
        let empty = "Processor Information\n\tManufacturer: None\n\tID: 00 00 00 00 00 00 00 00\n\n";
        let (cpus, damage) = from_dmidecode("a", &format!("{socket}{empty}{socket}"));
        assert!(damage.is_empty(), "{damage:?}");
        let [cpu] = &cpus[..] else { panic!("{cpus:?}") };
        assert_eq!((cpu.vendor, cpu.signature), (Vendor::Amd, Some(Signature(0xa20f12))));
        assert_eq!(cpu.name.as_deref(), Some("Some CPU"));
    }

    #[test]
    fn id_that_is_none_is_damage_at_its_line() {
        let (cpus, damage) = from_dmidecode("a", "Processor Information\n\tID: 12 0F\n");
        assert_eq!((cpus.len(), damage[0].offset), (0, 22));
    }
}
