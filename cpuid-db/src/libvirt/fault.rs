//! Faults in libvirt's words.

use crate::guest::Fault;

use super::cpu::FeatureSetting;

pub(super) fn new(at: Option<usize>, what: &str, message: String) -> Fault {
    Fault {
        at,
        what: what.to_owned(),
        message,
    }
}

pub(super) fn unknown_feature(setting: &FeatureSetting) -> Fault {
    let message = format!("internal error: Unknown CPU feature {}", setting.name);
    new(setting.at, &setting.name, message)
}

pub(super) fn unknown_model(at: Option<usize>, name: &str) -> Fault {
    new(at, name, format!("internal error: Unknown CPU model {name}"))
}
