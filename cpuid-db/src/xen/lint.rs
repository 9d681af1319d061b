//! Says what is wrong with a `cpuid=` before the guest starts. xl 4.20 prints a line about what it cannot
//! read and creates the guest without it; of what it can read it drops bits the host does not have without
//! a word, and takes the bits that need them along.

use schemars::JsonSchema;
use serde::Serialize;

use crate::bits::Bit;
use crate::database::Database;
use crate::xen::domain::{Domain, DomainType, HostPolicies, predict};
use crate::xen::features::{Features, StaticSet};
use crate::xen::featureset::Featureset;
use crate::xen::policy::CpuPolicy;
use crate::xen::source::Source;
use crate::xen::xl::{Outcome, Piece, PieceKind};
use crate::xen::{CpuidConfig, lint_flags, lint_lines};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Not taken, or the guest is not created.
    Error,
    /// Taken, but it does not do what it says.
    Warning,
    /// Worth knowing.
    Note,
}

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Finding {
    /// Byte of the text, from 0.
    pub at: usize,
    /// The part of the text.
    pub what: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong; xl's own message where it has one.
    pub message: String,
    /// What comes of it.
    pub effect: String,
    /// What to write; empty when nothing is to be written otherwise.
    pub advice: String,
}

/// What is known besides the text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances<'a> {
    /// The policies of the host.
    pub policies: Option<&'a HostPolicies>,
    /// The type of guest, where the text does not tell it.
    pub kind: Option<DomainType>,
}

/// Looks through a whole xl.cfg, a `cpuid=` line, a value or a bare string.
#[must_use]
pub fn lint(database: &Database, text: &str, circumstances: Circumstances<'_>) -> Vec<Finding> {
    let features = Features::of(database);
    let source = Source::read(text);
    let mut findings = Vec::new();
    syntax(&source, &mut findings);
    match source.domain(&features) {
        Err(message) => findings.push(Finding {
            at: source.config.get("type").map_or(0, |setting| setting.at),
            what: "type".to_owned(),
            severity: Severity::Error,
            message,
            effect: "the guest is not created".to_owned(),
            advice: "write type=\"pv\", \"hvm\" or \"pvh\"".to_owned(),
        }),
        Ok((mut domain, outcome)) => {
            let told = source.config.get("type").or_else(|| source.config.get("builder"));
            let known = told.is_some() || circumstances.kind.is_some();
            if let (None, Some(kind)) = (told, circumstances.kind) {
                domain.kind = kind;
            }
            let known_kind = known || source.is_config && source.config.settings.len() > 1;
            let runs = |kind| {
                circumstances
                    .policies
                    .is_none_or(|policies| policies.maximum_of(kind).is_some())
            };
            if !known_kind && runs(DomainType::Pvh) {
                domain.kind = DomainType::Pvh;
            }
            if known_kind && !runs(domain.kind) {
                findings.push(Finding {
                    at: told.map_or(0, |setting| setting.at),
                    what: domain.kind.name().to_owned(),
                    severity: Severity::Error,
                    message: "domain creation fail: Invalid argument".to_owned(),
                    effect: format!(
                        "the guest is not created: this host runs no {} guests",
                        domain.kind.name()
                    ),
                    advice: "use another type".to_owned(),
                });
            }
            let predicted = |domain: &Domain| {
                let policies = circumstances.policies?;
                Some(predict(&features, policies, domain, 1).map_err(|failure| failure.message))
            };
            let linter = Linter {
                without: predicted(&Domain {
                    cpuid: CpuidConfig::default(),
                    ..domain.clone()
                }),
                with: predicted(&domain),
                database,
                features: &features,
                source: &source,
                known_kind,
                policies: circumstances.policies,
                domain: &domain,
                outcome: &outcome,
            };
            linter.run(&mut findings);
        }
    }
    findings.sort_by(|a, b| (a.at, a.severity, &a.what).cmp(&(b.at, b.severity, &b.what)));
    findings.dedup();
    findings
}

fn syntax(source: &Source, findings: &mut Vec<Finding>) {
    for error in &source.config.errors {
        findings.push(Finding {
            at: error.at,
            what: error.near.clone(),
            severity: Severity::Error,
            message: error.message("xl.cfg"),
            effect: "xl ends with \"Failed to parse config: Invalid argument\"; the guest is not created".to_owned(),
            advice: "quote strings, and end them on the line they begin on".to_owned(),
        });
    }
    for (index, setting) in source.config.settings.iter().enumerate() {
        let later = source.config.settings.iter().skip(index.saturating_add(1));
        let replaced = later
            .clone()
            .any(|other| other.name == "cpuid" && other.value != setting.value);
        if setting.name == "cpuid" && replaced {
            findings.push(Finding {
                at: setting.at,
                what: "cpuid".to_owned(),
                severity: Severity::Warning,
                message: "cpuid is assigned again further down".to_owned(),
                effect: "only the last assignment counts, unless it is one with +=".to_owned(),
                advice: "keep one".to_owned(),
            });
        }
    }
}

/// All that the checks look at.
pub(crate) struct Linter<'a> {
    pub(crate) database: &'a Database,
    pub(crate) features: &'a Features,
    pub(crate) source: &'a Source,
    /// The type of guest is given, or is xl's default of a whole configuration.
    pub(crate) known_kind: bool,
    pub(crate) policies: Option<&'a HostPolicies>,
    pub(crate) domain: &'a Domain,
    pub(crate) outcome: &'a Outcome,
    /// What the guest gets without `cpuid=`, and with it; `None` without a host's policies.
    pub(crate) without: Option<Result<CpuPolicy, String>>,
    pub(crate) with: Option<Result<CpuPolicy, String>>,
}

/// Pieces that are looked at; more than any configuration has a use for.
const MOST_PIECES: usize = 4096;

impl Linter<'_> {
    fn run(&self, findings: &mut Vec<Finding>) {
        self.nested(findings);
        let value_at = self.source.config.get("cpuid").map_or(0, |setting| setting.at);
        if self.outcome.stopped {
            findings.push(Finding {
                at: value_at,
                what: "cpuid".to_owned(),
                severity: Severity::Error,
                message: "an item of the list is a list itself".to_owned(),
                effect: "xl stops there without a word; what follows is not looked at".to_owned(),
                advice: "make each item a string".to_owned(),
            });
        }
        for piece in self.outcome.pieces.iter().take(MOST_PIECES) {
            match &piece.kind {
                PieceKind::Base => lint_flags::base(piece, findings),
                PieceKind::Flag(target) => lint_flags::flag(self, piece, *target, findings),
                PieceKind::Line(line) => lint_lines::line(self, piece, line, findings),
            }
        }
        lint_flags::repeated(self, findings);
        self.outcome_on_host(findings);
    }

    fn nested(&self, findings: &mut Vec<Finding>) {
        if !self.domain.nested {
            return;
        }
        let at = self.source.config.get("nestedhvm").map_or(0, |setting| setting.at);
        let (message, effect) = if self.domain.kind == DomainType::Pv {
            (
                "nestedhvm is for HVM and PVH guests",
                "a PV guest does not see svm or vmx",
            )
        } else if matches!(self.without, Some(Err(_))) {
            (
                "domain creation fail: Invalid argument",
                "the guest is not created: this host cannot nest hypervisors",
            )
        } else {
            return;
        };
        findings.push(Finding {
            at,
            what: "nestedhvm".to_owned(),
            severity: if self.domain.kind == DomainType::Pv {
                Severity::Warning
            } else {
                Severity::Error
            },
            message: message.to_owned(),
            effect: effect.to_owned(),
            advice: "leave nestedhvm out".to_owned(),
        });
    }

    pub(crate) fn predicted(&self, domain: &Domain) -> Result<CpuPolicy, String> {
        let policies = self.policies.ok_or_else(String::new)?;
        predict(self.features, policies, domain, 1).map_err(|failure| failure.message)
    }

    /// What Xen's source lets a guest of this type have; of any type when the type is not known.
    pub(crate) fn static_maximum(&self) -> Featureset {
        let set = |set| self.features.static_set(set);
        match self.domain.kind {
            _ if !self.known_kind => set(StaticSet::PvMax).or(&set(StaticSet::HvmHapMax)),
            DomainType::Pv => set(StaticSet::PvMax),
            _ if !self.domain.hap => set(StaticSet::HvmShadowMax),
            _ => set(StaticSet::HvmHapMax),
        }
    }

    /// What the host lets a guest of this type have.
    pub(crate) fn host_maximum(&self) -> Option<Featureset> {
        let policy = self.policies?.maximum_of(self.domain.kind)?;
        Some(policy.featureset())
    }

    /// Names of features, for a sentence.
    pub(crate) fn list(&self, set: &Featureset) -> String {
        let names: Vec<String> = set.iter().map(|feature| self.features.label(feature)).collect();
        names.join(" ")
    }

    /// Name of a bit, for a sentence.
    pub(crate) fn name(&self, bit: Bit) -> String {
        let key = crate::xen::suggest::key_of(self.features, bit);
        key.map_or_else(|| bit.to_string(), str::to_owned)
    }

    /// Does the host create the guest, and what else changes in it than was asked for.
    fn outcome_on_host(&self, findings: &mut Vec<Finding>) {
        // What fails without cpuid= too is told of elsewhere.
        let (Some(Ok(_)), Some(Err(message))) = (&self.without, &self.with) else {
            return;
        };
        // The piece without which the guest is created; the first when there is no such one.
        let piece = self.outcome.pieces.iter().find(|piece| self.fails_alone(piece));
        let first = self.outcome.pieces.iter().find(|piece| piece.kind != PieceKind::Base);
        let Some(piece) = piece.or(first) else { return };
        let missing = message.starts_with("Missing leaf");
        let message = message.replacen("Failed to set d1's", "Failed to set dN's", 1);
        // What else is to be said of the piece does not come to pass.
        findings.retain(|finding| finding.severity == Severity::Error || finding.at != piece.at);
        if findings.iter().any(|finding| finding.message.contains(&message)) {
            return;
        }
        findings.push(Finding {
            at: piece.at,
            what: piece.text.clone(),
            severity: Severity::Error,
            message: format!("xc: error: {message}: Internal error"),
            effect: "the guest is not created (\"Failed to apply CPUID policy: Invalid argument\")".to_owned(),
            advice: if missing {
                "leave it out: guests of this type have no such leaf on this host".to_owned()
            } else {
                "leave it out, or stay within what this host lets guests of this type have".to_owned()
            },
        });
    }

    fn fails_alone(&self, piece: &Piece) -> bool {
        let mut domain = self.domain.clone();
        domain.cpuid = self.alone(piece);
        !domain.cpuid.is_empty() && self.predicted(&domain).is_err()
    }

    /// What libxl is asked for by one piece.
    pub(crate) fn alone(&self, piece: &Piece) -> CpuidConfig {
        let mut config = CpuidConfig::default();
        match piece.kind {
            PieceKind::Base => {}
            PieceKind::Flag(_) => {
                let _ = crate::xen::libxl::parse_flag(self.features, &mut config, &piece.text);
            }
            PieceKind::Line(_) => {
                let _ = crate::xen::xend::parse_line(&mut config, &piece.text);
            }
        }
        config
    }
}
