//! Two answers about one machine, compared.

use serde_json::Value;

/// Takes out the name of the source that stands before each path: `live:`, `cap.tar.zst:`.
fn without_origin(value: &mut Value) {
    match value {
        Value::String(text) => {
            let path = ["live:/", "cap.tar.zst:/", "user.tar.zst:/"]
                .iter()
                .find_map(|source| text.strip_prefix(source));
            if let Some(path) = path {
                *text = format!("/{path}");
            }
        }
        Value::Object(object) => object.values_mut().for_each(without_origin),
        Value::Array(values) => values.iter_mut().for_each(without_origin),
        _ => {}
    }
}

fn walk(path: &str, left: &Value, right: &Value, differences: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                walk(
                    &format!("{path}/{key}"),
                    value,
                    b.get(key).unwrap_or(&Value::Null),
                    differences,
                );
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

/// What is missing, without the way to get it: that is `sudo` here and another capture there.
fn without_advice(answer: &mut Value) {
    // A machine that tells everything has no list of gaps.
    for gap in answer["machine"]["gaps"].as_array_mut().into_iter().flatten() {
        *gap = gap["what"].take();
    }
}

/// The whole JSON but for the names of the sources.
pub fn json(live: &Value, captured: &Value, differences: &mut Vec<String>) {
    let [live, captured] = [live, captured].map(|answer| {
        let mut answer = answer.clone();
        without_origin(&mut answer);
        without_advice(&mut answer);
        answer
    });
    walk("", &live, &captured, differences);
}

/// What the kernel shows to everyone: processors, nodes, the tree, identities, links, drivers.
pub fn public(root: &Value, user: &Value, differences: &mut Vec<String>) {
    walk("cpu", &root["machine"]["cpu"], &user["machine"]["cpu"], differences);
    const FIELDS: [&str; 16] = [
        "bdf",
        "vendor",
        "device",
        "class",
        "revision",
        "subsystem_vendor",
        "subsystem_device",
        "numa_node",
        "node",
        "socket",
        "parent",
        "physical_function",
        "driver",
        "os_names",
        "iommu_group",
        "buses",
    ];
    let (root, user) = (by_address(root), by_address(user));
    if root.len() != user.len() {
        differences.push(format!("functions: root {} / user {}", root.len(), user.len()));
    }
    for ((bdf, root), (_, user)) in root.iter().zip(&user) {
        for field in FIELDS.iter().filter(|field| root[**field] != user[**field]) {
            differences.push(format!("{bdf} {field}: root {} / user {}", root[*field], user[*field]));
        }
        if link(root) != link(user) {
            differences.push(format!("{bdf} link: root {} / user {}", root["link"], user["link"]));
        }
    }
}

/// The link; link registers that are all zero, as those of an integrated endpoint, are none.
fn link(function: &Value) -> &Value {
    let link = &function["link"];
    if link["capability"].is_null() && link["status"].is_null() {
        &Value::Null
    } else {
        link
    }
}

/// Two SVGs but for the line that says where the facts come from.
pub fn picture(live: &str, captured: &str, differences: &mut Vec<String>) {
    let lines = |svg: &str| svg.replace('>', ">\n").lines().map(str::to_owned).collect::<Vec<_>>();
    let (live, captured) = (lines(live), lines(captured));
    if live.len() != captured.len() {
        differences.push(format!("SVG: {} lines / {}", live.len(), captured.len()));
    }
    let provenance = |a: &str, b: &str| a.starts_with("from live") && b.starts_with("from cap.tar.zst");
    for (a, b) in live.iter().zip(&captured).filter(|(a, b)| a != b && !provenance(a, b)) {
        differences.push(format!("SVG: {a} / {b}"));
    }
}

/// PCI functions by address.
fn by_address(machine: &Value) -> Vec<(&str, &Value)> {
    let functions = machine["machine"]["pci"]["functions"].as_array().unwrap();
    functions
        .iter()
        .map(|function| (function["bdf"].as_str().unwrap(), function))
        .collect()
}

/// What a listing says of each function: all fields that `lspci` prints.
pub fn functions(live: &Value, text: &Value, differences: &mut Vec<String>) {
    let (live, text) = (by_address(live), by_address(text));
    let addresses = |list: &[(&str, &Value)]| list.iter().map(|(bdf, _)| (*bdf).to_owned()).collect::<Vec<_>>();
    if addresses(&live) != addresses(&text) {
        differences.push(format!("functions: {:?} / {:?}", addresses(&live), addresses(&text)));
        return;
    }
    const FIELDS: [&str; 20] = [
        "vendor",
        "device",
        "subsystem_vendor",
        "subsystem_device",
        "class",
        "revision",
        "header_type",
        "buses",
        "port_type",
        "max_payload",
        "max_payload_supported",
        "max_read_request",
        "slot_number",
        "slot_occupied",
        "vfs_total",
        "vfs_enabled",
        "serial",
        "driver",
        "iommu_group",
        "physical_slot",
    ];
    for ((bdf, live), (_, text)) in live.iter().zip(&text) {
        // lspci passes over a subsystem whose vendor is 0.
        let unnamed = |field: &str| field.starts_with("subsystem") && live["subsystem_vendor"] == 0;
        for field in FIELDS.into_iter().filter(|field| !unnamed(field)) {
            if live[field] != text[field] {
                differences.push(format!("{bdf} {field}: live {} / text {}", live[field], text[field]));
            }
        }
        if link(live) != link(text) {
            differences.push(format!("{bdf} link: live {} / text {}", live["link"], text["link"]));
        }
        // lspci prints no node where the kernel says -1.
        let node = |function: &Value| function["numa_node"].as_i64().unwrap_or(-1);
        if node(live) != node(text) {
            differences.push(format!(
                "{bdf} numa_node: live {} / text {}",
                live["numa_node"], text["numa_node"]
            ));
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
