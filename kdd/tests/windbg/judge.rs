//! What the engine must print for a guest that was made here.

use super::engine::Output;
use super::synthetic::windows::{Kind, Known, Truth};

/// A 64-bit number as the engine prints addresses.
pub fn address(value: u64) -> String {
    format!("{:08x}`{:08x}", value >> 32, value & 0xffff_ffff)
}

/// Memory of the kernel's half whose contents are known.
pub fn known(truth: &Truth) -> &Known {
    let kernel =
        |known: &&Known| known.kind == Kind::Page && known.directory == truth.directory && known.bytes.len() >= 16;
    truth.known.iter().find(kernel).expect("a page of the kernel")
}

/// Commands that every guest is asked, and what their answers must hold.
pub struct Questions {
    pub bytes: String,
    pub words: String,
    pub physical: String,
}

impl Questions {
    pub fn new(truth: &Truth) -> Self {
        let known = known(truth);
        Self {
            bytes: format!("db {} L10", address(known.va)),
            words: format!("dq {} L2", address(known.va)),
            physical: format!("dq /p {:x} L2", known.pa.unwrap()),
        }
    }

    pub fn commands(&self) -> Vec<&str> {
        vec!["vertarget", "r", "k", "lm", &self.bytes, &self.words, &self.physical]
    }

    /// Compares the answers with what was made.
    pub fn judge(&self, truth: &Truth, output: &Output) {
        let known = known(truth);
        let version = output.of("vertarget");
        let cpus = truth.processors.len();
        assert!(
            version.contains(&format!("Kernel Version {}", truth.build)),
            "{version}"
        );
        assert!(
            cpus == 1 || version.contains(&format!("MP ({cpus} procs)")),
            "{version}"
        );
        assert!(
            version.contains(&format!("Kernel base = 0x{}", address(truth.kernel_base))),
            "{version}"
        );
        let list = output.of("lm");
        for module in &truth.modules {
            assert!(
                list.contains(&address(module.base)),
                "{} at {:#x}:\n{list}",
                module.name,
                module.base
            );
        }
        let hex = |bytes: &[u8]| {
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let line = output.of(&self.bytes).replace('-', " ");
        assert!(line.contains(&hex(&known.bytes[..16])), "{line}");
        let word = |at: usize| address(u64::from_le_bytes(known.bytes[at..at + 8].try_into().unwrap()));
        let words = format!("{} {}", word(0), word(8));
        assert!(output.of(&self.words).contains(&words), "{}", output.of(&self.words));
        assert!(
            output.of(&self.physical).contains(&words),
            "{}",
            output.of(&self.physical)
        );
    }
}

/// `r` shows the processor where it stands, `k` its frames.
pub fn registers(truth: &Truth, processor: usize, output: &Output, command: &str) {
    let there = &truth.processors[processor];
    let text = output.of(command);
    let name = if text.contains("rip=") { "rip" } else { "eip" };
    let width = if name == "rip" { 16 } else { 8 };
    let rip = format!("{name}={:0width$x}", there.rip);
    assert!(text.contains(&rip), "expected {rip}:\n{text}");
}

/// `k` shows every frame.
pub fn frames(truth: &Truth, processor: usize, output: &Output) {
    let there = &truth.processors[processor];
    let text = output.of("k");
    for (number, frame) in there.frames.iter().enumerate().skip(1) {
        assert!(text.contains(&address(*frame)), "frame {number} at {frame:#x}:\n{text}");
    }
}
