//! Tests of the parent module.

use super::*;

fn findings(text: &str) -> Vec<Finding> {
    lint(&Database::builtin(), text, None)
}

fn on(host: &str, text: &str) -> Vec<Finding> {
    let host = read(host, ReadAs::Hosts).into_result().unwrap().remove(0);
    lint(&Database::builtin(), text, Some(&host))
}

fn guest(features: &str) -> String {
    format!("<cpu mode='custom' match='exact'><model>SandyBridge</model>{features}</cpu>")
}

#[track_caller]
fn only(mut list: Vec<Finding>, severity: Severity, what: &str, message: &str, advice: &str) -> usize {
    assert_eq!(list.len(), 1, "{list:#?}");
    let finding = list.remove(0);
    assert_eq!((finding.severity, finding.what.as_str()), (severity, what));
    assert!(finding.message.contains(message), "{}", finding.message);
    assert!(finding.advice.contains(advice), "{}", finding.advice);
    finding.at.unwrap()
}

#[test]
fn a_sound_definition_has_no_findings() {
    assert_eq!(findings(&guest("<feature policy='require' name='pcid'/>")), []);
    assert_eq!(findings("<cpu mode='host-passthrough' migratable='on'/>"), []);
}

#[test]
fn a_name_of_another_dialect_is_told_in_libvirts() {
    let text = guest("<feature policy='require' name='pclmulqdq'/>");
    let at = only(
        findings(&text),
        Severity::Error,
        "pclmulqdq",
        "Unknown CPU feature",
        "libvirt calls it pclmuldq",
    );
    assert_eq!(Some(at), text.find("name='pclmulqdq'"));
    let text = guest("<feature policy='require' name='eibrs'/>");
    only(findings(&text), Severity::Error, "eibrs", "Unknown", "use ibrs-all");
    let text = guest("<feature policy='require' name='rdt_a'/>");
    only(findings(&text), Severity::Error, "rdt_a", "Unknown", "no name for it");
    let text = guest("<feature policy='require' name='tsc-dedline'/>");
    only(
        findings(&text),
        Severity::Error,
        "tsc-dedline",
        "Unknown",
        "mean tsc-deadline?",
    );
}

#[test]
fn unknown_models_policies_and_vendors_are_errors() {
    let text = "<cpu match='exact'><model>Sandybridge</model></cpu>";
    only(
        findings(text),
        Severity::Error,
        "Sandybridge",
        "Unknown CPU model",
        "mean SandyBridge?",
    );
    let text = guest("<feature policy='requires' name='aes'/>");
    only(
        findings(&text),
        Severity::Error,
        "requires",
        "Invalid CPU feature policy",
        "require,",
    );
    let text = guest("<vendor>AMD</vendor>");
    only(
        findings(&text),
        Severity::Error,
        "AMD",
        "Intel of model SandyBridge",
        "use Intel",
    );
    let text = guest("<vendor>Inte</vendor>");
    only(findings(&text), Severity::Error, "Inte", "Unknown CPU vendor", "Hygon");
}

#[test]
fn a_feature_that_stands_twice_is_told_at_the_second() {
    let text = guest("<feature policy='require' name='pcid'/><feature policy='disable' name='pcid'/>");
    let at = only(findings(&text), Severity::Error, "pcid", "more than once", "keep one");
    assert!(at > text.find("disable").unwrap());
}

#[test]
fn what_needs_a_disabled_feature_is_told() {
    let list = findings(&guest("<feature policy='disable' name='xsave'/>"));
    assert!(
        list.iter()
            .all(|finding| finding.what == "xsave" && finding.severity == Severity::Warning)
    );
    assert!(
        list.iter()
            .any(|finding| finding.message == "avx needs xsave, which is taken away")
    );
    let text = guest("<feature policy='require' name='avx512f'/>");
    only(
        findings(&text),
        Severity::Warning,
        "avx512f",
        "needs avx2",
        "require avx2",
    );
}

#[test]
fn combinations_without_effect_are_told() {
    let text = "<cpu mode='host-passthrough' match='strict'/>";
    only(
        findings(text),
        Severity::Warning,
        "match",
        "no effect",
        "leave match out",
    );
    let text = "<cpu mode='host-passthrough'><model>Haswell</model></cpu>";
    only(
        findings(text),
        Severity::Warning,
        "Haswell",
        "no effect",
        "mode='custom'",
    );
    let text = guest("<cache mode='passthrough'/>");
    only(
        findings(&text),
        Severity::Error,
        "cache",
        "'host-passthrough' / 'maximum'",
        "level='3'",
    );
    let text = guest("<maxphysaddr mode='passthrough' bits='40'/>");
    only(
        findings(&text),
        Severity::Error,
        "maxphysaddr",
        "address bits",
        "leave bits out",
    );
}

#[test]
fn versions_and_features_that_do_not_move_are_told() {
    let text = "<cpu match='exact'><model>Haswell-v2</model></cpu>";
    only(
        findings(text),
        Severity::Warning,
        "Haswell-v2",
        "before 10.10",
        "Haswell-noTSX has the same",
    );
    let text = guest("<feature policy='require' name='invtsc'/>");
    only(findings(&text), Severity::Warning, "invtsc", "migratable", "frequency");
}

#[test]
fn what_a_host_lacks_or_has_is_told() {
    let host = "<cpu><arch>x86_64</arch><model>SandyBridge</model><vendor>Intel</vendor><feature name='smx'/></cpu>";
    assert_eq!(on(host, &guest("<feature policy='require' name='hypervisor'/>")), []);
    let text = guest("<feature policy='require' name='pcid'/>");
    only(on(host, &text), Severity::Error, "pcid", "does not have", "optional");
    let text = guest("<feature policy='forbid' name='smx'/>");
    only(on(host, &text), Severity::Error, "smx", "does not start", "disable");
    let text = guest("<feature policy='force' name='erms'/>");
    only(on(host, &text), Severity::Warning, "erms", "is told of", "fails");
    let text = "<cpu match='exact'><model>IvyBridge</model><feature policy='disable' name='smep'/></cpu>";
    only(
        on(host, text),
        Severity::Error,
        "IvyBridge",
        "features: f16c, rdrand",
        "disable them",
    );
    let text = "<cpu match='exact'><model>Opteron_G1</model></cpu>";
    only(
        on(host, text),
        Severity::Warning,
        "Opteron_G1",
        "model of AMD",
        "host's vendor",
    );
}

#[test]
fn xen_takes_features_that_libxl_knows_by_name() {
    let domain = |cpu: &str| format!("<domain type='xen'>{cpu}</domain>");
    let text = domain("<cpu mode='host-model'/>");
    only(
        findings(&text),
        Severity::Warning,
        "host-model",
        "ignoring CPU mode",
        "host-passthrough",
    );
    let text = domain("<cpu mode='host-passthrough'><feature policy='disable' name='pni'/></cpu>");
    assert_eq!(findings(&text), []);
    let text = domain("<cpu mode='host-passthrough'><feature policy='disable' name='vmx-ept'/></cpu>");
    only(
        findings(&text),
        Severity::Error,
        "vmx-ept",
        "unsupported cpu feature 'vmx-ept'",
        "libxl",
    );
}

#[test]
fn text_that_is_no_xml_is_told_with_its_place() {
    let at = only(
        findings("<cpu><model>x</cpu>"),
        Severity::Error,
        "",
        "not well-formed",
        "refuses",
    );
    assert!(at <= 19);
    assert_eq!(findings("").len(), 1);
}
