//! Tests of the parent module.

use super::*;
use crate::libvirt::cpu::{Fallback, Kind, Mode, Policy};

fn first_fault(text: &str, read_as: ReadAs) -> (String, String) {
    let fault = read(text, read_as).into_result().unwrap_err();
    let from = text.get(fault.at.unwrap_or(0)..).unwrap();
    (fault.message, from.chars().take(9).collect())
}

fn guest(attributes: &str, body: &str) -> (String, String) {
    first_fault(&format!("<cpu {attributes}>é{body}</cpu>"), ReadAs::Guests)
}

#[test]
fn several_elements_and_those_within_other_documents_are_found() {
    let text = "\u{feff}<?xml version='1.0'?>\n<cpu><arch>i686</arch><model>486</model></cpu>
        <domain><name>a</name><cpu match='exact'><model>n270</model></cpu></domain>
        <capabilities><host><cpu><arch>x86_64</arch><model>Penryn</model></cpu></host></capabilities>
        <domainCapabilities><cpu><mode name='host-passthrough' supported='yes'/>
        <mode name='host-model' supported='yes'><model fallback='forbid'>Nehalem</model>
        <feature policy='disable' name='vmx'/></mode></cpu></domainCapabilities>
        <domainsnapshot><domain><cpu><model>kvm64</model></cpu></domain></domainsnapshot>";
    let cpus = read(text, ReadAs::Either).into_result().unwrap();
    let seen: Vec<_> = cpus
        .iter()
        .map(|cpu| (cpu.kind, cpu.model.as_deref().unwrap()))
        .collect();
    let expected = [
        (Kind::Host, "486"),
        (Kind::Guest, "n270"),
        (Kind::Host, "Penryn"),
        (Kind::Guest, "Nehalem"),
        (Kind::Guest, "kvm64"),
    ];
    assert_eq!(seen, expected);
    assert_eq!(cpus[3].fallback, Fallback::Forbid);
    assert_eq!(cpus[3].mode, Mode::Custom);
    assert_eq!(cpus[3].features[0].policy, Some(Policy::Disable));
    let at = cpus[1].model_at.unwrap();
    assert!(text.get(at..).unwrap().starts_with("n270"));
}

#[test]
fn what_libvirt_refuses_is_told_in_its_words_and_with_its_place() {
    let pair = |message: &str, from: &str| (message.to_owned(), from.to_owned());
    assert_eq!(
        guest("mode='none'", ""),
        pair("unsupported configuration: Invalid mode attribute 'none'", "mode='non")
    );
    assert_eq!(
        guest("match='exactly'", ""),
        pair(
            "XML error: Invalid value for attribute 'match' in element 'cpu': 'exactly'.",
            "match='ex"
        )
    );
    assert_eq!(
        guest("migratable='on'", ""),
        pair(
            "unsupported configuration: Attribute migratable is only allowed for 'host-passthrough' / 'maximum' CPU mode",
            "migratabl"
        )
    );
    assert_eq!(
        guest("", "<model fallback='no'>486</model>"),
        pair("unsupported configuration: Invalid fallback attribute", "fallback=")
    );
    assert_eq!(
        guest("", "<vendor>Intel</vendor>"),
        pair("XML error: CPU vendor specified without CPU model", "Intel</ve")
    );
    assert_eq!(
        guest("", "<topology sockets='0' cores='1' threads='1'/>"),
        pair(
            "XML error: Invalid value for attribute 'sockets' in element 'topology': Zero is not permitted",
            "sockets='"
        )
    );
    assert_eq!(
        guest("", "<feature name='aes'/>"),
        pair(
            "XML error: Non-empty feature list specified without CPU model",
            "<feature "
        )
    );
    assert_eq!(
        guest("", "<model>486</model><feature name=''/>"),
        pair("XML error: Invalid CPU feature name", "<feature ")
    );
    assert_eq!(
        guest("", "<model vendor_id='short'>486</model>"),
        pair("XML error: vendor_id must be exactly 12 characters long", "vendor_id")
    );
    assert_eq!(
        guest("", "<maxphysaddr mode='emulate' limit='40'/>"),
        pair(
            "unsupported configuration: attribute 'limit' is only supported for maxphysaddr mode 'passthrough'",
            "limit='40"
        )
    );
}

#[test]
fn hosts_need_architecture_and_model() {
    let host = |text| first_fault(text, ReadAs::Hosts).0;
    assert_eq!(
        host("<cpu><model>486</model></cpu>"),
        "XML error: Missing CPU architecture"
    );
    assert_eq!(
        host("<cpu><arch>x86</arch><model>486</model></cpu>"),
        "unsupported configuration: Unknown architecture x86"
    );
    assert_eq!(
        host("<cpu><arch>x86_64</arch></cpu>"),
        "XML error: Missing CPU model name"
    );
    assert_eq!(
        host("<cpu mode='custom'><arch>x86_64</arch><model>486</model></cpu>"),
        "unsupported configuration: Attribute mode is only allowed for guest CPU"
    );
    let both = "<cpu match='exact'><arch>x86_64</arch><model>486</model></cpu>";
    assert!(first_fault(both, ReadAs::Either).0.contains("with 'match' attribute"));
}

#[test]
fn all_faults_are_told_and_the_rest_is_kept() {
    let text = "<cpu match='exact'><model>486</model><feature policy='yes' name='aes'/>
        <feature policy='require' name='avx'/><feature policy='disable' name='avx'/><cache mode='none'/></cpu>";
    let definitions = read(text, ReadAs::Guests);
    assert_eq!(definitions.faults.len(), 3, "{:?}", definitions.faults);
    assert_eq!(definitions.cpus[0].features.len(), 1);
}

#[test]
fn text_that_is_no_xml_or_has_too_many_nodes_is_a_fault() {
    let fault = read("<cpu>\n<model>486</cpu>", ReadAs::Guests)
        .into_result()
        .unwrap_err();
    assert!(fault.at.is_some_and(|at| (6..=17).contains(&at)), "{fault:?}");
    let deep = "<a>".repeat(200_000) + &"</a>".repeat(200_000);
    assert_eq!(read(&deep, ReadAs::Either).faults.len(), 1);
    let many = format!("<cpu>{}</cpu>", "<a/>".repeat(400_000));
    let fault = read(&many, ReadAs::Either).into_result().unwrap_err();
    assert!(fault.message.contains("not well-formed"), "{fault:?}");
    let entities = "<!DOCTYPE a [<!ENTITY b 'c'>]><cpu>&b;</cpu>";
    assert!(read(entities, ReadAs::Either).into_result().is_err());
}
