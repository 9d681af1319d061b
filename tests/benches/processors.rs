//! Processors, NUMA nodes and HMAT against `-smp` and `-numa`.

use serde_json::Value;

use super::machine::Results;

/// `-smp`.
pub fn smp(results: &Results, differences: &mut Vec<String>) {
    let [sockets, dies, cores, threads] = results.built.smp();
    let answer = results.json("live.json");
    let cpu = &answer["machine"]["cpu"];
    let count = |key: &str| cpu[key].as_array().map_or(0, Vec::len) as u64;
    equal!(differences, sockets * dies * cores * threads, count("cpus"), "CPUs");
    equal!(differences, sockets, count("packages"), "packages");
    equal!(differences, sockets * dies * cores, count("cores"), "cores");
    // An emulated EPYC has no topoext leaves, so the kernel counts one die per package.
    let told = dies > 1 && !results.built.processor().starts_with("EPYC");
    equal!(
        differences,
        if told { sockets * dies } else { 0 },
        count("dies"),
        "dies"
    );
    let drawn = answer["machine"]["sockets"].as_array().unwrap();
    equal!(differences, sockets, drawn.len() as u64, "sockets");
    for socket in drawn {
        let cpus = listed(socket["cpus"].as_str().unwrap_or_default()).len() as u64;
        equal!(differences, dies * cores * threads, cpus, "CPUs of {}", socket["label"]);
        equal!(
            differences,
            true,
            socket["processor"].is_object(),
            "type 4 of {}",
            socket["label"]
        );
    }
}

/// Numbers of a list ("0-3,8").
fn listed(list: &str) -> Vec<u64> {
    let parts = list.split(',').filter(|part| !part.is_empty());
    let ranges = parts.map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        (
            first.trim().parse::<u64>().unwrap(),
            last.trim().parse::<u64>().unwrap(),
        )
    });
    ranges.flat_map(|(first, last)| first..=last).collect()
}

/// `-numa`.
pub fn numa(results: &Results, differences: &mut Vec<String>) {
    let answer = results.json("live.json");
    let cpu = &answer["machine"]["cpu"];
    let nodes = cpu["nodes"].as_array().unwrap();
    let built = results.built.nodes();
    let numbers: Vec<u64> = nodes.iter().map(|node| node["number"].as_u64().unwrap()).collect();
    equal!(
        differences,
        built.iter().map(|node| node.0).collect::<Vec<_>>(),
        numbers,
        "nodes"
    );
    for ((at, node), (number, cpus, bytes, initiator)) in nodes.iter().enumerate().zip(&built) {
        equal!(
            differences,
            listed(cpus),
            listed(node["cpus"].as_str().unwrap_or_default()),
            "CPUs of node {number}"
        );
        // The kernel keeps some of the memory to itself.
        let memory = node["memory"].as_u64().unwrap_or_default();
        if memory > *bytes || memory < bytes / 2 {
            differences.push(format!("memory of node {number}: built {bytes}, seen {memory}"));
        }
        for (to, (other, ..)) in built.iter().enumerate() {
            equal!(
                differences,
                results.built.distance(*number, *other),
                cpu["distances"][at][to].as_u64().unwrap_or(0),
                "distance {number} to {other}"
            );
        }
        if let Some(initiator) = initiator {
            hmat(results, *initiator, *number, node, differences);
        }
        let caches = node["side_caches"].as_array().into_iter().flatten();
        let caches: Vec<_> = caches
            .map(|cache| ["level", "size", "line"].map(|key| cache[key].as_u64().unwrap_or(0)))
            .collect();
        let wanted: Vec<_> = results
            .built
            .side_caches(*number)
            .into_iter()
            .map(|(level, size, line)| [level, size, line])
            .collect();
        equal!(differences, wanted, caches, "memory-side caches of node {number}");
    }
}

fn hmat(results: &Results, initiator: u64, target: u64, node: &Value, differences: &mut Vec<String>) {
    let performance = results.built.performance(initiator, target);
    if performance.is_empty() {
        return;
    }
    let access = &node["access"];
    for one in performance {
        let fields = if one.latency {
            ["read_latency", "write_latency"]
        } else {
            ["read_bandwidth", "write_bandwidth"]
        };
        for field in fields {
            equal!(
                differences,
                one.value,
                access[field].as_u64().unwrap_or(0),
                "{field} of node {target}"
            );
        }
    }
    let initiators: Vec<u64> = access["initiators"]
        .as_array()
        .map(|list| list.iter().filter_map(Value::as_u64).collect())
        .unwrap_or_default();
    equal!(differences, vec![initiator], initiators, "initiators of node {target}");
}

/// Socket, node and core of each CPU as `lscpu` numbers them: by their order.
pub fn lscpu(results: &Results, cpu: &Value, differences: &mut Vec<String>) {
    let groups = |key: &str| -> Vec<Vec<u64>> {
        let groups = cpu[key].as_array().unwrap().iter();
        groups
            .map(|group| listed(group["cpus"].as_str().unwrap_or_default()))
            .collect()
    };
    let lists = ["packages", "nodes", "cores"].map(groups);
    let text = results.text("lscpu-p.txt");
    let rows: Vec<Vec<u64>> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(',').map(|n| n.parse().unwrap()).collect())
        .collect();
    equal!(
        differences,
        rows.len(),
        cpu["cpus"].as_array().unwrap().len(),
        "rows of lscpu"
    );
    for row in rows {
        let seen: Vec<Option<usize>> = lists
            .iter()
            .map(|groups| groups.iter().position(|group| group.contains(&row[0])))
            .collect();
        let wanted: Vec<Option<usize>> = row[1..].iter().map(|number| usize::try_from(*number).ok()).collect();
        equal!(differences, wanted, seen, "socket, node and core of CPU {}", row[0]);
    }
}
