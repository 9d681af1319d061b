//! What a debugger cannot do without and a capture may lack, where its contents are known all the same.
//!
//! Only addresses that hold no memory are filled: the list entry that leads to the KDBG, the bug check's
//! parameters that a dump keeps in its header, and the descriptors of flat segments, which are the same
//! in every Windows (without them the engine of WinDbg does not disassemble).

use super::Guest;
use crate::memory::Gva;
use crate::target::Vcpu;
use crate::windows::{Architecture, Missing, Overlay, Processor};

/// Descriptors of x64 from selector 0x10 on: kernel code and data, 32-bit user code, user data, user code.
const GDT_X64: [u64; 5] = [
    0x0020_9b00_0000_0000,
    0x0040_9300_0000_0000,
    0x00cf_fb00_0000_ffff,
    0x00cf_f300_0000_ffff,
    0x0020_fb00_0000_0000,
];
/// Descriptors of x86 from selector 8 on: kernel code and data, user code and data.
const GDT_X86: [u64; 4] = [
    0x00cf_9b00_0000_ffff,
    0x00cf_9300_0000_ffff,
    0x00cf_fb00_0000_ffff,
    0x00cf_f300_0000_ffff,
];
/// Offset of KiBugcheckData in the KDBG.
const BUG_CHECK: usize = 0x88;

impl Guest {
    /// Fills all of it.
    pub(super) fn fill(&mut self) {
        self.fill_list_entry();
        self.fill_bug_check();
        self.fill_descriptors();
    }

    /// The list entry given to debuggers reads as one that leads to the KDBG.
    fn fill_list_entry(&mut self) {
        let (Some(kdbg), head) = (&self.windows.kdbg, self.windows.debugger_data_list()) else {
            return;
        };
        let link = self.words(&[self.address(kdbg.at).0]);
        if self.seen(head, link.len()) != link {
            self.lay(head, [link.as_slice(), link.as_slice()].concat());
        }
    }

    fn fill_bug_check(&mut self) {
        let Some((at, words)) = self.windows.kdbg_pointer(BUG_CHECK).zip(self.target.hints().bug_check) else {
            return;
        };
        let bytes = self.words(&words);
        if self.seen(at, bytes.len()).is_empty() {
            self.lay(at, bytes);
        }
    }

    fn fill_descriptors(&mut self) {
        let mut wanted: Vec<(Gva, Vec<u8>)> = Vec::new();
        for cpu in &self.cpus {
            let Some(vcpu) = &cpu.vcpu else { continue };
            let Some((at, bytes)) = self.descriptors(vcpu, cpu.processor.as_ref()) else {
                continue;
            };
            if self.seen(at, bytes.len()).is_empty() && wanted.iter().all(|(other, _)| *other != at) {
                wanted.push((at, bytes));
            }
        }
        if let Some((at, _)) = wanted.first() {
            let why = format!(
                "no memory at {at} for {} of {} processors, a debugger reads the flat segments of every Windows there",
                wanted.len(),
                self.cpus.len()
            );
            self.windows.missing.push(Missing { what: "GDT", why });
        }
        for (at, bytes) in wanted {
            self.lay(at, bytes);
        }
    }

    /// Descriptors where the GDT of a processor that runs Windows' flat segments has them.
    fn descriptors(&self, vcpu: &Vcpu, processor: Option<&Processor>) -> Option<(Gva, Vec<u8>)> {
        let base = vcpu
            .gdt
            .map(|table| Gva(table.base))
            .filter(|base| self.is_kernel(*base))?;
        let selector = vcpu.segments.cs.selector;
        match self.architecture {
            Architecture::X64 if matches!(selector, 0x10 | 0x23 | 0x33) => {
                Some((base.plus(0x10), GDT_X64.map(u64::to_le_bytes).concat()))
            }
            Architecture::X86 if matches!(selector, 0x8 | 0x1b) => {
                let mut bytes = GDT_X86.map(u64::to_le_bytes).concat();
                if let Some(processor) = processor {
                    // FS of the kernel stands at 0x30, behind the TSS.
                    bytes.resize(0x28, 0);
                    bytes.extend(data_segment(processor.kpcr.0, 0x1fff));
                }
                Some((base.plus(8), bytes))
            }
            _ => None,
        }
    }

    /// What a debugger reads now, as far as there is something.
    fn seen(&self, at: Gva, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let count = self.read_in(self.space(0), at, &mut bytes);
        bytes.truncate(count);
        bytes
    }

    fn words(&self, words: &[u64]) -> Vec<u8> {
        let width = self.windows.pointer_size();
        words
            .iter()
            .flat_map(|word| word.to_le_bytes().into_iter().take(width))
            .collect()
    }

    fn lay(&mut self, at: Gva, bytes: Vec<u8>) {
        self.patches.add(self.address(at).0, bytes.clone());
        self.windows.overlays.push(Overlay {
            at,
            physical: Vec::new(),
            bytes,
        });
    }
}

/// A writable 32-bit data segment of the kernel, its limit in bytes.
fn data_segment(base: u64, limit: u64) -> [u8; 8] {
    let value = (limit & 0xffff) | (base & 0x00ff_ffff) << 16 | 0x93 << 40 | 0x40 << 48 | (base >> 24 & 0xff) << 56;
    value.to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::data_segment;

    #[test]
    fn the_base_of_a_segment_is_scattered_over_its_descriptor() {
        let bytes = data_segment(0xffdf_f000, 0x1fff);
        assert_eq!(bytes, [0xff, 0x1f, 0x00, 0xf0, 0xdf, 0x93, 0x40, 0xff]);
    }
}
