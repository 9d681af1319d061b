//! `xen-ucode show-cpu-info`: the microcode of CPU 0.
//!
//! One line: `CPU signature 06-8f-08 (raw 0x000806f8) pf 0x10 revision 0x2b000643`; `pf`, the platform
//! as Intel's updates name it, stands only there (`tools/misc/xen-ucode.c` of Xen 4.20).

/// What the line says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct XenUcode {
    /// Revision.
    pub revision: Option<u32>,
    /// Platform flags: one bit.
    pub platform: Option<u32>,
}

/// Reads the text.
#[must_use]
pub fn parse(text: &str) -> XenUcode {
    let line = text.lines().find(|line| line.trim_start().starts_with("CPU signature"));
    let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
    let number = |name: &str| {
        let at = words.iter().position(|word| *word == name)?.checked_add(1)?;
        let digits = words.get(at)?;
        u32::from_str_radix(digits.strip_prefix("0x").unwrap_or(digits), 16).ok()
    };
    XenUcode {
        revision: number("revision"),
        platform: number("pf"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_line_are_read() {
        let intel = parse("CPU signature 06-8f-08 (raw 0x000806f8) pf 0x10 revision 0x2b000643\n");
        assert_eq!((intel.revision, intel.platform), (Some(0x2b00_0643), Some(0x10)));
        let amd = parse("x\n  CPU signature 19-01-01 (raw 0x00a00f11) revision 0x0a0011d5");
        assert_eq!((amd.revision, amd.platform), (Some(0x0a00_11d5), None));
        for other in [
            "",
            "CPU signature",
            "CPU signature revision",
            "CPU signature pf 0xzz revision 0x123456789",
        ] {
            assert_eq!(parse(other), XenUcode::default(), "{other}");
        }
    }
}
