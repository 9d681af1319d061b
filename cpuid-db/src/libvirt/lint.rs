//! What is wrong, risky or without effect in `<cpu>` elements, before a guest starts.

mod dependencies;
mod hosts;
mod models;
mod xen;

use schemars::JsonSchema;
use serde::Serialize;

use crate::database::Database;
use crate::guest::Fault;

use super::cpu::{AddressMode, CacheMode, Check, FeatureSetting, Kind, LibvirtCpu, Match, Mode, Policy};
use super::map::Map;
use super::read::{ReadAs, read};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// libvirt refuses it, or the guest does not start on the host.
    Error,
    /// It starts, and is probably not what was meant.
    Warning,
}

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Finding {
    /// Byte of the text.
    pub at: Option<usize>,
    /// The part, as written.
    pub what: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub advice: String,
}

/// Checks every `<cpu>` of a text; with a host also whether guests of it start there.
#[must_use]
pub fn lint(database: &Database, text: &str, host: Option<&LibvirtCpu>) -> Vec<Finding> {
    let map = Map::new(database);
    let definitions = read(text, ReadAs::Either);
    let mut findings = Findings::default();
    for fault in definitions.faults {
        findings.refused(fault);
    }
    for cpu in &definitions.cpus {
        let context = Context {
            database,
            map: &map,
            cpu,
        };
        context.names(&mut findings);
        context.combinations(&mut findings);
        context.models(&mut findings);
        context.dependencies(&mut findings);
        context.xen(&mut findings);
        if let Some(host) = host {
            context.host(host, &mut findings);
        }
    }
    findings.0.sort_by_key(|finding| (finding.at, finding.severity));
    findings.0
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, at: Option<usize>, what: &str, message: String, advice: String) {
        self.0.push(Finding {
            at,
            what: what.to_owned(),
            severity,
            message,
            advice,
        });
    }

    fn error(&mut self, at: Option<usize>, what: &str, message: String, advice: String) {
        self.add(Severity::Error, at, what, message, advice);
    }

    fn warn(&mut self, at: Option<usize>, what: &str, message: String, advice: String) {
        self.add(Severity::Warning, at, what, message, advice);
    }

    /// A fault that libvirt stops at.
    fn refused(&mut self, fault: Fault) {
        let advice = if fault.message.contains("feature policy") {
            let names: Vec<&str> = Policy::ALL.iter().map(|policy| policy.name()).collect();
            format!("use one of {}", names.join(", "))
        } else if fault.message.contains("mode attribute") {
            let names: Vec<&str> = Mode::ALL.iter().map(|mode| mode.name()).collect();
            format!("use one of {}", names.join(", "))
        } else if fault.message.contains("more than once") {
            "keep one of them".to_owned()
        } else {
            "libvirt refuses the definition".to_owned()
        };
        self.error(fault.at, &fault.what, fault.message, advice);
    }
}

struct Context<'a> {
    database: &'a Database,
    map: &'a Map,
    cpu: &'a LibvirtCpu,
}

impl Context<'_> {
    fn policy(setting: &FeatureSetting) -> Policy {
        setting.policy.unwrap_or(Policy::Require)
    }

    /// Whether the features of the model count.
    fn model_counts(&self) -> bool {
        self.cpu.kind == Kind::Host || self.cpu.mode == Mode::Custom
    }

    /// What libvirt's schema takes and its QEMU driver does not, or not as one may think.
    fn combinations(&self, findings: &mut Findings) {
        let cpu = self.cpu;
        if cpu.kind == Kind::Host {
            return;
        }
        let mode = cpu.mode.name();
        if cpu.mode != Mode::Custom {
            if cpu.matching != Match::Exact {
                let matching = cpu.matching.name();
                findings.warn(
                    cpu.at,
                    "match",
                    format!("match='{matching}' has no effect with mode='{mode}'"),
                    "leave match out".to_owned(),
                );
            }
            if let Some(model) = &cpu.model {
                let message = format!("the model has no effect with mode='{mode}'");
                findings.warn(
                    cpu.model_at,
                    model,
                    message,
                    "use mode='custom', or leave it out".to_owned(),
                );
            }
        } else if cpu.model.is_some() && cpu.matching == Match::Minimum {
            findings.warn(
                cpu.at,
                "match",
                "match='minimum' gives the guest all features of the host it starts on".to_owned(),
                "use match='exact' for guests that are to move".to_owned(),
            );
        } else if cpu.model.is_some() && cpu.matching == Match::Strict {
            findings.warn(
                cpu.at,
                "match",
                "match='strict' starts only on hosts without any other feature".to_owned(),
                "use match='exact'".to_owned(),
            );
        }
        if matches!(cpu.mode, Mode::HostPassthrough | Mode::Maximum) && cpu.check == Check::Full {
            let message = format!("check='full' has nothing to check but the features named with mode='{mode}'");
            findings.warn(cpu.at, "check", message, "use check='none'".to_owned());
        }
        self.cache(findings);
        if let Some(address) = &cpu.address
            && address.mode == AddressMode::Passthrough
            && address.bits.is_some()
        {
            findings.error(
                cpu.at,
                "maxphysaddr",
                "unsupported configuration: CPU maximum physical address bits number specification cannot be used \
                 with mode='passthrough'"
                    .to_owned(),
                "leave bits out, or use mode='emulate'".to_owned(),
            );
        }
    }

    fn cache(&self, findings: &mut Findings) {
        let Some(cache) = &self.cpu.cache else { return };
        let mode = cache.mode.name();
        let own = matches!(self.cpu.mode, Mode::HostPassthrough | Mode::Maximum);
        let (message, advice) = match (cache.mode, cache.level) {
            (CacheMode::Emulate, Some(3)) => return,
            (CacheMode::Emulate, _) => (
                format!("CPU cache mode '{mode}' can only be used with level='3'"),
                "use level='3'",
            ),
            (CacheMode::Passthrough, _) if !own => (
                format!("CPU cache mode '{mode}' can only be used with 'host-passthrough' / 'maximum' CPUs"),
                "use mode='emulate' level='3'",
            ),
            (_, None) => return,
            (_, Some(_)) => (
                format!("unsupported CPU cache level for mode '{mode}'"),
                "leave level out",
            ),
        };
        let message = format!("unsupported configuration: {message}");
        findings.error(self.cpu.at, "cache", message, advice.to_owned());
    }
}

#[cfg(test)]
mod tests;
