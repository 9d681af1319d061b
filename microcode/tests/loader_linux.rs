//! The decisions of the Linux loader, rule by rule: each row says where its rule stands in the
//! source of Linux 6.12.107 (below arch/x86/kernel/cpu/microcode unless a path is given).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "loader_linux/amd.rs"]
mod amd;
#[path = "loader_linux/general.rs"]
mod general;
#[path = "loader_linux/intel.rs"]
mod intel;
mod linux_inputs;
#[path = "loader_linux/real.rs"]
mod real;

use std::sync::Arc;

use microcode::loader::linux::{self, Early, File, Late, rules};
use microcode::loader::{Decision, Outcome};
use microcode::{Cpu, PlatformMask, Revision, Signature, Vendor};

/// What is to come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    /// This revision is loaded.
    Loads(u32),
    /// Nothing is.
    Nothing,
    /// It hangs on what is not known.
    Open,
}
use Expect::{Loads, Nothing, Open};

/// A case.
struct Row {
    name: &'static str,
    /// The rule that has to be among the reasons.
    rule: &'static str,
    /// Where it stands.
    stands: &'static str,
    cpu: Cpu,
    input: Input,
    expect: Expect,
    /// Outcomes of the candidates in their order; empty where they do not matter.
    outcomes: Vec<Outcome>,
}

#[derive(Clone, Default)]
struct Input {
    late: bool,
    line: &'static str,
    built_in: Vec<(&'static str, Vec<u8>)>,
    initrd: Option<Vec<u8>>,
    firmware: Vec<(&'static str, Vec<u8>)>,
    force_minrev: Option<bool>,
    no_late_loading: bool,
    is_32_bit: bool,
}

fn row(name: &'static str, rule: &'static str, stands: &'static str, cpu: Cpu, input: Input, expect: Expect) -> Row {
    Row {
        name,
        rule,
        stands,
        cpu,
        input,
        expect,
        outcomes: Vec::new(),
    }
}

impl Row {
    fn outcomes(self, outcomes: &[Outcome]) -> Self {
        Self {
            outcomes: outcomes.to_vec(),
            ..self
        }
    }
}

/// An initrd as a whole.
fn initrd(bytes: Vec<u8>) -> Input {
    Input {
        initrd: Some(bytes),
        ..Input::default()
    }
}

/// An initrd with Intel updates.
fn updates(parts: &[Vec<u8>]) -> Input {
    initrd(linux_inputs::initrd(linux_inputs::INTEL, &parts.concat()))
}

/// An initrd with AMD containers.
fn containers(parts: &[Vec<u8>]) -> Input {
    initrd(linux_inputs::initrd(linux_inputs::AMD, &parts.concat()))
}

/// A firmware directory at run time; the kernel is built without force_minrev.
fn firmware(name: &'static str, bytes: Vec<u8>) -> Input {
    Input {
        late: true,
        firmware: vec![(name, bytes)],
        force_minrev: Some(false),
        ..Input::default()
    }
}

fn cpu(vendor: Vendor, signature: u32, revision: u32) -> Cpu {
    Cpu {
        signature: Some(Signature(signature)),
        revision: Some(Revision(revision)),
        hypervisor: Some(false),
        ..Cpu::new("options", vendor)
    }
}

fn intel_cpu(signature: u32, platform: u32, revision: u32) -> Cpu {
    Cpu {
        platform: Some(PlatformMask(platform)),
        ..cpu(Vendor::Intel, signature, revision)
    }
}

fn amd_cpu(signature: u32, revision: u32) -> Cpu {
    cpu(Vendor::Amd, signature, revision)
}

fn as_file(name: &str, bytes: &[u8]) -> File {
    File {
        name: name.to_owned(),
        source: name.to_owned(),
        bytes: Arc::new(bytes.to_vec()),
    }
}

fn decide(cpu: &Cpu, input: &Input) -> Decision {
    let built_in: Vec<File> = input
        .built_in
        .iter()
        .map(|(name, bytes)| as_file(name, bytes))
        .collect();
    if input.late {
        let find = |asked: &str| {
            let found = input.firmware.iter().find(|(name, _)| *name == asked);
            found.map(|(name, bytes)| as_file(name, bytes))
        };
        return linux::late(
            cpu,
            &Late {
                command_line: Some(input.line),
                force_minrev: input.force_minrev,
                late_loading: Some(!input.no_late_loading),
                built_in: &built_in,
                firmware: &find,
            },
        );
    }
    linux::early(
        cpu,
        &Early {
            command_line: Some(input.line),
            built_in: &built_in,
            initrd: input.initrd.as_ref().map(|bytes| as_file("initrd", bytes)),
            is_32_bit: input.is_32_bit,
        },
    )
}

fn reasons(decision: &Decision) -> Vec<&'static str> {
    let looks = decision.looks.iter();
    let inner = looks.flat_map(|look| {
        let candidates = look.candidates.iter().flat_map(|candidate| &candidate.reasons);
        look.reasons.iter().chain(candidates)
    });
    let all = decision.reasons.iter().chain(inner);
    all.map(|reason| reason.rule.id).collect()
}

fn check(rows: &[Row]) {
    let mut wrong = Vec::new();
    for row in rows {
        assert!(
            rules::all().any(|rule| rule.id == row.rule),
            "{}: no rule {}",
            row.name,
            row.rule
        );
        assert!(row.stands.contains('('), "{}", row.name);
        let decision = decide(&row.cpu, &row.input);
        let got = match (decision.loads, decision.chosen()) {
            (Some(true), Some(chosen)) => Loads(chosen.revision.0),
            (Some(false), None) => Nothing,
            (None, _) => Open,
            other => panic!("{}: {other:?}", row.name),
        };
        let candidates = decision.looks.iter().flat_map(|look| &look.candidates);
        let outcomes: Vec<Outcome> = candidates.map(|candidate| candidate.outcome).collect();
        let told = reasons(&decision).contains(&row.rule);
        let same = row.outcomes.is_empty() || row.outcomes == outcomes;
        if got != row.expect || !told || !same {
            wrong.push(format!(
                "{} [{}]: {got:?}, {outcomes:?}, {:?}\n{decision:#?}",
                row.name,
                row.stands,
                reasons(&decision)
            ));
        }
        if let Loads(revision) = got {
            assert_eq!(decision.after, Some(Revision(revision)), "{}", row.name);
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        rows.len(),
        wrong.join("\n")
    );
    eprintln!("{} cases", rows.len());
}
