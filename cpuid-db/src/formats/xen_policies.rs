//! CPU policies of a live Xen, as `xen-cpuid -p` prints them.
//!
//! ```text
//! Xen reports there are maximum 120 leaves and 2 MSRs
//! Host policy: 56 leaves, 2 MSRs
//!  CPUID:
//!   leaf     subleaf  -> eax      ebx      ecx      edx
//!   00000001:ffffffff -> 00a00f11:00020800:f6d83203:178bf3fd
//!  MSRs:
//!   index    -> value
//!   0000010a -> 0000000000000000
//! ```
//! The policies are Raw, Host, PV Max, HVM Max, PV Default, HVM Default, or `Domain N`. Subleaf ffffffff
//! says that the leaf has none. Leaves of zeros are not printed.

use super::builder::Builder;
use super::scan::{Cursor, numbered_lines};
use crate::damage::{DamageLog, Decoded};
use crate::leaf::{Leaf, Registers, Subleaf};
use crate::leafset::{CpuLeaves, LeafSet};

/// Policies of one text; a machine has six, and one for each domain.
const POLICY_LIMIT: usize = 4096;

const NO_SUBLEAF: u32 = u32::MAX;

fn row(line: &str) -> Option<(Leaf, Subleaf, Registers)> {
    let mut cursor = Cursor::new(line);
    let leaf = cursor.hex()?;
    cursor.eat(b":")?;
    let subleaf = cursor.hex()?;
    arrow(&mut cursor)?;
    let registers = cursor.four(b":")?;
    cursor.end()?;
    let subleaf = if subleaf == NO_SUBLEAF { 0 } else { subleaf };
    Some((Leaf(leaf), Subleaf(subleaf), registers))
}

fn arrow(cursor: &mut Cursor<'_>) -> Option<()> {
    cursor.blanks();
    cursor.eat(b"->")?;
    cursor.blanks();
    Some(())
}

fn msr(line: &str) -> Option<(u32, u64)> {
    let mut cursor = Cursor::new(line);
    let index = cursor.hex()?;
    arrow(&mut cursor)?;
    let value = cursor.hex64()?;
    cursor.end()?;
    Some((index, value))
}

/// Name of the policy a line opens: `Host policy: 56 leaves, 2 MSRs`.
fn header(line: &str) -> Option<&str> {
    let (name, counts) = line.split_once(" policy: ")?;
    let mut cursor = Cursor::new(counts);
    cursor.decimal()?;
    cursor.eat(b" leaves, ")?;
    cursor.decimal()?;
    cursor.eat(b" MSRs")?;
    (!name.is_empty() && name.len() <= 40).then_some(name)
}

/// Whether a trimmed line belongs to this format and no other.
pub(crate) fn is_row(line: &str) -> bool {
    header(line).is_some() || row(line).is_some()
}

/// A policy, while it is read.
struct Open {
    name: String,
    builder: Builder,
    in_msrs: bool,
}

impl Open {
    fn line(&mut self, number: usize, line: &str) {
        if line == "CPUID:" || line == "MSRs:" {
            self.in_msrs = line == "MSRs:";
        } else if let Some((leaf, subleaf, registers)) = row(line) {
            self.builder.row(number, leaf, subleaf, registers);
        } else if let Some((index, value)) = msr(line).filter(|_| self.in_msrs) {
            self.builder.msr(number, index, value);
        } else if line.contains("->") && !line.starts_with("leaf") && !line.starts_with("index") {
            let expected = if self.in_msrs {
                "`INDEX -> VALUE`"
            } else {
                "`LEAF:SUBLEAF -> EAX:EBX:ECX:EDX`"
            };
            self.builder.damaged(number, expected, line);
        }
    }

    fn close(self, policies: &mut Vec<(String, CpuLeaves)>, damage: &mut DamageLog) {
        let decoded = self.builder.into_cpus();
        for noted in decoded.damage {
            damage.note(noted.line, &noted.expected, &noted.seen);
        }
        let cpu = decoded.value.into_iter().next().unwrap_or_default();
        policies.push((self.name, cpu));
    }
}

/// The policies by name, in the order of the text. Lines around them are passed over. Rows before any
/// header make a policy without name.
#[must_use]
pub fn parse(text: &str) -> Decoded<Vec<(String, CpuLeaves)>> {
    let mut policies = Vec::new();
    let mut damage = DamageLog::default();
    let mut open: Option<Open> = None;
    for (number, line) in numbered_lines(text) {
        let name = header(line).or_else(|| (open.is_none() && row(line).is_some()).then_some(""));
        if let Some(name) = name {
            if let Some(done) = open.take() {
                done.close(&mut policies, &mut damage);
            }
            if policies.len() >= POLICY_LIMIT {
                damage.note(number, "the policies of one machine", "more: the rest is not read");
                break;
            }
            open = Some(Open {
                name: name.to_owned(),
                builder: Builder::default(),
                in_msrs: false,
            });
        }
        if let Some(open) = &mut open {
            open.line(number, line);
        }
    }
    if let Some(done) = open.take() {
        done.close(&mut policies, &mut damage);
    }
    Decoded {
        value: policies,
        damage: damage.finish(),
    }
}

/// The policy that stands for the machine: that of the host, else the raw one, else the first.
#[must_use]
pub fn of_machine(policies: &[(String, CpuLeaves)]) -> Option<&CpuLeaves> {
    let named = |wanted: &str| policies.iter().find(|(name, _)| name == wanted);
    named("Host")
        .or_else(|| named("Raw"))
        .or_else(|| policies.first())
        .map(|(_, cpu)| cpu)
}

/// The text as a dump of one CPU: see [`of_machine`].
pub(super) fn parse_set(text: &str) -> Decoded<LeafSet> {
    let decoded = parse(text);
    Decoded {
        value: of_machine(&decoded.value).cloned().into_iter().collect(),
        damage: decoded.damage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "Parsing config from a.cfg\nXen reports there are maximum 120 leaves and 2 MSRs\n\
        Raw policy: 2 leaves, 1 MSRs\n CPUID:\n  leaf     subleaf  -> eax      ebx      ecx      edx     \n\
        \x20 00000000:ffffffff -> 0000000d:68747541:444d4163:69746e65\n\
        \x20 0000000d:00000001 -> 0000000f:00000000:00000000:00000000\n\
        \x20MSRs:\n  index    -> value           \n  0000010a -> 0000000200000001\n\
        Host policy: 1 leaves, 0 MSRs\n CPUID:\n  leaf     subleaf  -> eax      ebx      ecx      edx     \n\
        \x20 00000000:ffffffff -> 00000007:68747541:444d4163:69746e65\n MSRs:\n";

    #[test]
    fn policies_are_told_apart_and_the_host_stands_for_the_machine() {
        let decoded = parse(TWO);
        assert_eq!(decoded.damage, []);
        let names: Vec<&str> = decoded.value.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Raw", "Host"]);
        let raw = &decoded.value[0].1;
        assert_eq!(raw.msr(0x10a), Some(0x2_0000_0001));
        assert!(raw.row(Leaf(0xd), Subleaf(1)).is_some());
        assert_eq!(parse_set(TWO).value.first().unwrap().leaf(0).unwrap().eax, 7);
    }

    #[test]
    fn a_broken_row_is_reported_and_the_others_are_read() {
        let decoded = parse(&TWO.replace("0000000d:00000001 ->", "0000000d:0000zzzz ->"));
        assert_eq!(decoded.damage.len(), 1);
        assert_eq!(decoded.damage[0].line, 7);
        assert_eq!(decoded.value[0].1.len(), 1);
        assert_eq!(decoded.value[1].1.len(), 1);
    }

    #[test]
    fn domains_are_policies() {
        assert_eq!(header("Domain 12 policy: 56 leaves, 2 MSRs"), Some("Domain 12"));
        assert_eq!(header("our policy: be kind"), None);
    }
}
