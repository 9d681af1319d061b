//! Two answers about one machine, compared.

use serde_json::Value;

/// Takes out what names the source and not the machine: the origin's label and the layer's path.
fn without_origin(value: &mut Value) {
    match value {
        Value::Object(object) => {
            let is_origin = object.len() == 3 && ["layer", "label", "path"].iter().all(|key| object.contains_key(*key));
            if is_origin {
                object.insert("label".to_owned(), Value::Null);
            }
            object.values_mut().for_each(without_origin);
        }
        Value::Array(values) => values.iter_mut().for_each(without_origin),
        _ => {}
    }
}

fn walk(path: &str, left: &Value, right: &Value, differences: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                walk(&format!("{path}/{key}"), value, b.get(key).unwrap_or(&Value::Null), differences);
            }
            for (key, value) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
                walk(&format!("{path}/{key}"), &Value::Null, value, differences);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (left, right)) in a.iter().zip(b).enumerate() {
                walk(&format!("{path}/{at}"), left, right, differences);
            }
        }
        _ if left == right => {}
        _ => {
            let short = |value: &Value| value.to_string().chars().take(160).collect::<String>();
            differences.push(format!("{path}: {} / {}", short(left), short(right)));
        }
    }
}

/// The whole JSON but for the names of the sources.
pub fn json(live: &Value, captured: &Value, differences: &mut Vec<String>) {
    let (mut live, mut captured) = (live.clone(), captured.clone());
    without_origin(&mut live);
    without_origin(&mut captured);
    walk("", &live, &captured, differences);
}

/// Two SVGs but for the line that says where the facts come from.
pub fn picture(live: &str, captured: &str, differences: &mut Vec<String>) {
    let lines = |svg: &str| svg.replace('>', ">\n").lines().map(str::to_owned).collect::<Vec<_>>();
    let (live, captured) = (lines(live), lines(captured));
    if live.len() != captured.len() {
        differences.push(format!("SVG: {} lines / {}", live.len(), captured.len()));
    }
    let provenance = |line: &str| line.contains("running system") || line.contains(".tar.zst");
    for (a, b) in live.iter().zip(&captured).filter(|(a, b)| a != b && !(provenance(a) && provenance(b))) {
        differences.push(format!("SVG: {a} / {b}"));
    }
}

/// PCI functions by address.
fn by_address(machine: &Value) -> Vec<(&str, &Value)> {
    let functions = machine["machine"]["pci"]["functions"].as_array().unwrap();
    functions.iter().map(|function| (function["bdf"].as_str().unwrap(), function)).collect()
}

/// What a listing says of each function: all fields that `lspci` prints.
pub fn functions(live: &Value, text: &Value, differences: &mut Vec<String>) {
    let (live, text) = (by_address(live), by_address(text));
    let addresses = |list: &[(&str, &Value)]| list.iter().map(|(bdf, _)| (*bdf).to_owned()).collect::<Vec<_>>();
    if addresses(&live) != addresses(&text) {
        differences.push(format!("functions: {:?} / {:?}", addresses(&live), addresses(&text)));
        return;
    }
    const FIELDS: [&str; 21] = [
        "vendor", "device", "subsystem_vendor", "subsystem_device", "class", "revision", "header_type", "buses", "port_type", "link",
        "max_payload", "max_payload_supported", "max_read_request", "slot_number", "slot_occupied", "vfs_total", "vfs_enabled", "serial",
        "driver", "iommu_group", "physical_slot",
    ];
    for ((bdf, live), (_, text)) in live.iter().zip(&text) {
        for field in FIELDS {
            if live[field] != text[field] {
                differences.push(format!("{bdf} {field}: live {} / text {}", live[field], text[field]));
            }
        }
        // lspci prints no node where the kernel says -1.
        let node = |function: &Value| function["numa_node"].as_i64().unwrap_or(-1);
        if node(live) != node(text) {
            differences.push(format!("{bdf} numa_node: live {} / text {}", live["numa_node"], text["numa_node"]));
        }
    }
}

/// Memory modules of the binary table and of dmidecode's words.
pub fn modules(live: &Value, text: &Value, differences: &mut Vec<String>) {
    let slots = |machine: &Value| machine["machine"]["memory"]["slots"].clone();
    walk("memory/slots", &slots(live), &slots(text), differences);
    let named = |machine: &Value| machine["machine"]["pci"]["slots"].clone();
    walk("pci/slots", &named(live), &named(text), differences);
    let sockets = |machine: &Value| {
        let sockets = machine["machine"]["sockets"].as_array().unwrap();
        Value::Array(sockets.iter().map(|socket| socket["processor"].clone()).collect())
    };
    walk("processors", &sockets(live), &sockets(text), differences);
}
