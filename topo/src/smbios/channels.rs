//! How many memory channels a processor has, out of its type 4 structure.
//!
//! From the CPUID signature and the model name, as the datasheets of the series say; unknown
//! processors have no answer.

use super::Processor;

/// Memory channels of a processor, by family, model and name: see the datasheets of the series.
/// The socket type of type 4 is not asked: firmware often carries it over from an older board.
pub(super) fn channels(cpu: &Processor) -> Option<usize> {
    let (family, model) = signature(cpu)?;
    let name = cpu.version.as_deref().unwrap_or_default();
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    match (family, model) {
        // Nehalem-EP, Westmere-EP.
        (6, 0x1a | 0x2c) => Some(3),
        // Lynnfield, Clarkdale, Sandy Bridge to Kaby Lake, Comet, Rocket and Alder Lake; Broadwell-DE.
        (6, 0x1e | 0x25 | 0x2a | 0x3a | 0x3c | 0x5e | 0x9e | 0xa5 | 0xa7 | 0x97 | 0xb7 | 0x56) => Some(2),
        // E7 reaches its modules through buffers: the count depends on the board.
        (6, 0x2d | 0x3e | 0x3f | 0x4f) if has(&["E7-"]) => None,
        (6, 0x2d | 0x3e | 0x3f | 0x4f) if has(&["E5-24", "E5-14"]) => Some(3),
        (6, 0x2d | 0x3e | 0x3f | 0x4f) => Some(4),
        // Skylake to Cooper Lake: six on the server part, four on workstation, desktop and D.
        (6, 0x55) if has(&["Platinum 92"]) => Some(12),
        (6, 0x55) if has(&["W-21", "W-22", "D-21", "Core"]) => Some(4),
        (6, 0x55) => Some(6),
        // Ice Lake-SP, Sapphire Rapids, Emerald Rapids.
        (6, 0x8f) if has(&["w3-24", "w5-24", "w7-24"]) => Some(4),
        (6, 0x6a | 0x8f | 0xcf) => Some(8),
        // Granite Rapids, Sierra Forest: twelve in the large package, eight in the small one.
        (6, 0xad | 0xaf) if has(&["Xeon(R) 69"]) => Some(12),
        (6, 0xad | 0xaf) if has(&["Xeon(R) 67", "Xeon(R) 65"]) => Some(8),
        // The first Opterons of sockets 940 and F, whatever their number.
        (0x0f, _) if is_amd(cpu) => Some(2),
        (0x0f | 0x10 | 0x15, _) => opteron(name),
        (0x17 | 0x19 | 0x1a, _) => epyc(name, model),
        _ => None,
    }
}

/// Family and model out of CPUID leaf 1, as type 4 carries it.
fn signature(cpu: &Processor) -> Option<(u64, u64)> {
    let id = cpu.id.filter(|id| *id != 0)?;
    let field = |shift: u32, mask: u64| id.checked_shr(shift).map(|bits| bits & mask);
    let base = field(8, 0xf)?;
    let family = if base == 0xf {
        base.checked_add(field(20, 0xff)?)?
    } else {
        base
    };
    Some((family, field(4, 0xf)? | field(12, 0xf0)?))
}

fn is_amd(cpu: &Processor) -> bool {
    let maker = cpu.manufacturer.as_deref().unwrap_or_default();
    maker.contains("AMD") || maker.contains("Advanced Micro")
}

/// NetBurst and Core 2 of Intel: the memory controller is in the chipset.
pub(super) fn on_front_side_bus(cpu: &Processor) -> bool {
    let intel = cpu.manufacturer.as_deref().is_some_and(|maker| maker.contains("Intel"));
    intel && matches!(signature(cpu), Some((0x0f, _) | (6, 0x00..=0x17 | 0x1d)))
}

/// Opteron 6100 to 6300 (G34) have four channels, the others of DDR2 and DDR3 two.
fn opteron(name: &str) -> Option<usize> {
    let number = number_after(name, "Opteron")?;
    match number.bytes().next()? {
        b'6' => Some(4),
        b'2' | b'4' | b'8' => Some(2),
        _ => None,
    }
}

/// EPYC 7000: eight; 8000: six; 9000: twelve; 4000: two.
fn epyc(name: &str, model: u64) -> Option<usize> {
    let number = number_after(name, "EPYC")?;
    match (number.bytes().next()?, model) {
        (b'7', 0x01 | 0x31) => Some(8),
        (b'8', _) => Some(6),
        (b'9', _) => Some(12),
        (b'4', _) => Some(2),
        _ => None,
    }
}

/// The model number of four characters after a series name.
fn number_after<'a>(name: &'a str, series: &str) -> Option<&'a str> {
    let (_, rest) = name.split_once(series)?;
    let numbers = rest.split(|c: char| !c.is_ascii_alphanumeric());
    numbers
        .into_iter()
        .find(|part| part.len() >= 4 && part.bytes().next().is_some_and(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(id: u64, name: &str) -> Option<usize> {
        channels(&Processor {
            id: Some(id),
            version: Some(name.to_owned()),
            ..Processor::default()
        })
    }

    #[test]
    fn series_of_one_signature_are_told_by_name() {
        assert_eq!(of(0x0002_06d7, "Intel(R) Xeon(R) CPU E5-2670 0 @ 2.60GHz"), Some(4));
        assert_eq!(of(0x0002_06d7, "Intel(R) Xeon(R) CPU E5-2420 0 @ 1.90GHz"), Some(3));
        assert_eq!(of(0x0003_06e7, "Intel(R) Xeon(R) CPU E7-2890 v2 @ 2.80GHz"), None);
        assert_eq!(of(0x0005_0654, "Intel(R) Xeon(R) Gold 6138 CPU @ 2.00GHz"), Some(6));
        assert_eq!(of(0x0005_0654, "Intel(R) Xeon(R) W-2145 CPU @ 3.70GHz"), Some(4));
    }

    #[test]
    fn amd_processors_are_told_by_their_number() {
        assert_eq!(of(0x0080_0f12, "AMD EPYC 7351 16-Core Processor"), Some(8));
        assert_eq!(of(0x00a1_0f11, "AMD EPYC 9354 32-Core Processor"), Some(12));
        assert_eq!(of(0x00a6_0f12, "AMD EPYC 4564P 16-Core Processor"), Some(2));
        assert_eq!(of(0x0080_0f12, "AMD Ryzen 7 1700"), None);
        assert_eq!(of(0x0060_0f20, "AMD Opteron(tm) Processor 6328"), Some(4));
        assert_eq!(of(0x0010_0f80, "Six-Core AMD Opteron(tm) Processor 2435"), Some(2));
    }

    #[test]
    fn a_processor_without_an_id_has_no_answer() {
        assert_eq!(channels(&Processor::default()), None);
        assert_eq!(of(0, "AMD EPYC 7351"), None);
    }
}
