//! What the engine must print for a guest that was made here.

use super::engine::Output;
use super::synthetic::windows::{Kind, Known, Truth};

/// An address as the engine prints it.
pub fn address(truth: &Truth, value: u64) -> String {
    match truth.architecture.unwrap().is_64() {
        true => quad(value),
        false => format!("{value:08x}"),
    }
}

/// A 64-bit number as the engine prints it.
fn quad(value: u64) -> String {
    format!("{:08x}`{:08x}", value >> 32, value & 0xffff_ffff)
}

/// Memory of the kernel's half whose contents are known.
pub fn known(truth: &Truth) -> &Known {
    let kernel =
        |known: &&Known| known.kind == Kind::Page && known.directory == truth.directory && known.bytes.len() >= 16;
    truth.known.iter().find(kernel).expect("a page of the kernel")
}

/// What every guest is asked, and what the answers must hold.
pub struct Questions<'a> {
    truth: &'a Truth,
    known: &'a Known,
    bytes: String,
    words: String,
    physical: String,
}

impl<'a> Questions<'a> {
    pub fn new(truth: &'a Truth) -> Self {
        let known = known(truth);
        Self {
            truth,
            known,
            bytes: format!("db {} L10", address(truth, known.va)),
            words: format!("dq {} L2", address(truth, known.va)),
            physical: format!("dq /p {} L2", quad(known.pa.unwrap())),
        }
    }

    pub fn commands(&self) -> Vec<&str> {
        vec!["vertarget", "r", "k", "lm", &self.bytes, &self.words, &self.physical]
    }

    /// Compares the answers with what was made.
    pub fn judge(&self, output: &Output) {
        let version = output.of("vertarget");
        let cpus = self.truth.processors.len();
        let kernel = format!("Kernel Version {}", self.truth.build);
        assert!(version.contains(&kernel), "{version}");
        assert!(
            cpus == 1 || version.contains(&format!("MP ({cpus} procs)")),
            "{version}"
        );
        let base = format!("Kernel base = 0x{}", address(self.truth, self.truth.kernel_base));
        assert!(version.contains(&base), "expected {base}:\n{version}");
        self.modules(output);
        rip(self.truth, 0, output.of("r"));
        self.frames(output);
        let hex: Vec<String> = self.known.bytes[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let line = output.of(&self.bytes).replace('-', " ");
        assert!(line.contains(&hex.join(" ")), "{line}");
        let word = |at: usize| quad(u64::from_le_bytes(self.known.bytes[at..at + 8].try_into().unwrap()));
        let words = format!("{} {}", word(0), word(8));
        for command in [&self.words, &self.physical] {
            assert!(output.of(command).contains(&words), "{}", output.of(command));
        }
    }

    /// Every module is listed at its base.
    pub fn modules(&self, output: &Output) {
        let list = output.of("lm");
        for module in &self.truth.modules {
            let base = address(self.truth, module.base);
            assert!(list.contains(&base), "{} at {base}:\n{list}", module.name);
        }
    }

    /// Every frame is shown by the address it returns to.
    fn frames(&self, output: &Output) {
        let text = output.of("k");
        for frame in self.truth.processors[0].frames.iter().skip(1) {
            assert!(
                text.contains(&address(self.truth, *frame)),
                "frame at {frame:#x}:\n{text}"
            );
        }
    }
}

/// The registers shown are those of a processor.
pub fn rip(truth: &Truth, processor: usize, text: &str) {
    let there = &truth.processors[processor];
    let rip = match truth.architecture.unwrap().is_64() {
        true => format!("rip={:016x}", there.rip),
        false => format!("eip={:08x}", there.rip),
    };
    assert!(text.contains(&rip), "expected {rip}:\n{text}");
}

/// LSTAR of the first processor, as KSPECIAL_REGISTERS have it at 0xc0; a source that does not know it says so.
pub fn lstar(truth: &Truth, text: &str, known: bool) {
    let expected = match known {
        true => {
            let bytes = truth.processors[0].special[0xc0..0xc8].try_into().unwrap();
            format!("= {}", quad(u64::from_le_bytes(bytes)))
        }
        false => "no such msr".to_owned(),
    };
    assert!(text.contains(&expected), "expected {expected}: {text}");
}
