//! `lscpu -p` and `lscpu -e` tables, and the JSON of `lscpu -J` and `lscpu -e -J` (util-linux).
//!
//! A table says of each CPU in which socket, core and node it is and which caches it shares, by
//! numbers of `lscpu`'s own counting: they group CPUs, and no more is taken from them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::CpuSet;
use super::topology::{Cache, CacheKind, Cpu, CpuTopology, Group, Node, NodeId};

/// Name of a column, in capitals, and what stands in it.
type Row = BTreeMap<String, String>;

/// Decodes a table as text or JSON; `None` when it names no CPU.
///
/// ```
/// let text = "# CPU,Core,Socket,Node,,L1d,L2\n0,0,0,0,,0,0\n1,0,0,0,,0,0\n2,1,0,0,,1,0\n";
/// let topology = topo::sysfs::lscpu_table::parse(text).unwrap();
/// assert_eq!(topology.cores[0].cpus.to_string(), "0-1");
/// ```
#[must_use]
pub fn parse(text: &str) -> Option<CpuTopology> {
    let rows = match serde_json::from_str::<Value>(text) {
        Ok(value) => rows_of_json(&value),
        Err(_) => rows_of_text(text),
    };
    let mut rows: Vec<(u32, Row)> = rows
        .into_iter()
        .filter_map(|row| Some((row.get("CPU")?.parse().ok().filter(|cpu| *cpu < CpuSet::LIMIT)?, row)))
        .collect();
    rows.sort_by_key(|(cpu, _)| *cpu);
    rows.dedup_by_key(|(cpu, _)| *cpu);
    (!rows.is_empty()).then(|| topology(&rows))
}

/// The lines `Field: data` that a JSON of `lscpu -J` stands for; `None` when it is none.
#[must_use]
pub fn text_of_json(text: &str) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok()?;
    let mut lines = String::new();
    fields(value.get("lscpu")?, &mut lines);
    Some(lines)
}

/// Fields of a list, each before its children. The JSON parser bounds the depth.
fn fields(list: &Value, lines: &mut String) {
    for entry in list.as_array().into_iter().flatten() {
        let word = |key: &str| entry.get(key).and_then(Value::as_str);
        if let Some(field) = word("field") {
            lines.push_str(field.trim_end_matches(':'));
            lines.push_str(": ");
            lines.push_str(word("data").unwrap_or_default());
            lines.push('\n');
        }
        if let Some(children) = entry.get("children") {
            fields(children, lines);
        }
    }
}

fn rows_of_json(value: &Value) -> Vec<Row> {
    let cpus = value.get("cpus").and_then(Value::as_array);
    let cell = |(key, value): (&String, &Value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        (key.to_ascii_uppercase(), text)
    };
    let row = |cpu: &Value| Some(split_caches(cpu.as_object()?.iter().map(cell).collect()));
    cpus.into_iter().flatten().filter_map(row).collect()
}

fn rows_of_text(text: &str) -> Vec<Row> {
    let mut columns: Vec<String> = Vec::new();
    let mut commas = false;
    let mut rows = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        let header = line.trim_start_matches('#').trim_start();
        if header.starts_with("CPU,") || header.starts_with("CPU ") {
            commas = header.starts_with("CPU,");
            columns = cells(header, commas).map(str::to_ascii_uppercase).collect();
        } else if line.starts_with(|letter: char| letter.is_ascii_digit()) {
            let cells = cells(line, commas).map(str::to_owned);
            rows.push(split_caches(columns.iter().cloned().zip(cells).collect()));
        }
    }
    rows
}

fn cells(line: &str, commas: bool) -> impl Iterator<Item = &str> {
    let by_comma = commas.then(|| line.split(','));
    let by_space = (!commas).then(|| line.split_ascii_whitespace());
    by_comma.into_iter().flatten().chain(by_space.into_iter().flatten())
}

/// `L1D:L1I:L2` with `0:0:1` as three columns.
fn split_caches(row: Row) -> Row {
    let mut split = Row::new();
    for (column, cell) in row {
        for (name, value) in column.split(':').zip(cell.split(':')) {
            split.insert(name.to_owned(), value.to_owned());
        }
    }
    split
}

fn topology(rows: &[(u32, Row)]) -> CpuTopology {
    let online: CpuSet = rows
        .iter()
        .filter(|(_, row)| !matches!(row.get("ONLINE").map(String::as_str), Some("no" | "N" | "false")))
        .map(|(cpu, _)| *cpu)
        .collect();
    let groups = |names: &[&str]| -> Vec<Group> {
        let sets = sets(rows, &online, names).into_values();
        let mut groups: Vec<Group> = sets.map(|cpus| Group { os_id: None, cpus }).collect();
        groups.sort_by_key(|group| group.cpus.first());
        groups
    };
    CpuTopology {
        cpus: rows
            .iter()
            .map(|(number, _)| Cpu {
                number: *number,
                online: online.contains(*number),
                allowed: true,
                ..Cpu::default()
            })
            .collect(),
        packages: groups(&["SOCKET"]),
        books: groups(&["BOOK"]),
        drawers: groups(&["DRAWER"]),
        // A physical core number counts in its socket only.
        cores: groups(&["CORE", "SOCKET"]),
        caches: caches(rows, &online),
        nodes: nodes(rows, &online),
        ..CpuTopology::default()
    }
}

/// CPUs with the same cells in the columns; those without the first column are in none.
fn sets<'a>(rows: &'a [(u32, Row)], online: &CpuSet, names: &[&str]) -> BTreeMap<Vec<&'a str>, CpuSet> {
    let mut sets: BTreeMap<Vec<&str>, CpuSet> = BTreeMap::new();
    for (cpu, row) in rows.iter().filter(|(cpu, _)| online.contains(*cpu)) {
        let cells: Vec<&str> = names
            .iter()
            .map(|name| row.get(*name).map_or("", String::as_str))
            .collect();
        if cells.first().is_some_and(|cell| !cell.is_empty() && *cell != "-") {
            sets.entry(cells).or_default().insert(*cpu);
        }
    }
    sets
}

fn nodes(rows: &[(u32, Row)], online: &CpuSet) -> Vec<Node> {
    let node = |(cells, cpus): (Vec<&str>, CpuSet)| {
        Some(Node {
            number: NodeId(cells.first()?.parse().ok()?),
            cpus,
            ..Node::default()
        })
    };
    let mut nodes: Vec<Node> = sets(rows, online, &["NODE"]).into_iter().filter_map(node).collect();
    nodes.sort_by_key(|node| node.number);
    nodes
}

fn caches(rows: &[(u32, Row)], online: &CpuSet) -> Vec<Cache> {
    let mut names: Vec<&String> = rows.iter().flat_map(|(_, row)| row.keys()).collect();
    names.sort();
    names.dedup();
    let mut caches = Vec::new();
    for name in names {
        let Some((level, kind)) = cache_of(name) else { continue };
        caches.extend(sets(rows, online, &[name]).into_values().map(|cpus| Cache {
            level,
            kind,
            size: None,
            line: None,
            ways: None,
            cpus,
        }));
    }
    caches.sort_by_key(|cache| (cache.level, cache.kind, cache.cpus.first()));
    caches
}

/// `L1D`, `L2`.
fn cache_of(name: &str) -> Option<(u8, CacheKind)> {
    let rest = name.strip_prefix('L')?;
    let digits = rest.trim_end_matches(['D', 'I']);
    let kind = match rest.strip_prefix(digits)? {
        "" => CacheKind::Unified,
        "D" => CacheKind::Data,
        "I" => CacheKind::Instruction,
        _ => return None,
    };
    Some((digits.parse().ok()?, kind))
}

/// Sizes of the caches of a table from the plain text: `L2 cache: 16 MiB (16 instances)` is the
/// size of all of them together, so it is taken where the table has as many.
pub(super) fn fill_sizes(caches: &mut [Cache], text: &str) {
    for line in text.lines() {
        let Some((name, value)) = line.split_once(" cache:") else {
            continue;
        };
        let Some(wanted) = cache_of(&name.trim().to_ascii_uppercase()) else {
            continue;
        };
        let matching = |cache: &&mut Cache| (cache.level, cache.kind) == wanted;
        let count = caches.iter_mut().filter(matching).count();
        let Some(size) = size_of_each(value, count as u64) else {
            continue;
        };
        for cache in caches.iter_mut().filter(matching) {
            cache.size = Some(size);
        }
    }
}

fn size_of_each(text: &str, count: u64) -> Option<u64> {
    let (size, instances) = text.trim().split_once(" (")?;
    let instances: u64 = instances.split_once(" instance")?.0.parse().ok()?;
    let (number, unit) = size.split_once(' ')?;
    let unit: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    // Numbers with a fraction are rounded: `1.3 MiB` is no size.
    let all = number.parse::<u64>().ok()?.checked_mul(unit)?;
    let exact = instances == count && count > 0 && all.checked_rem(count) == Some(0);
    exact.then(|| all.checked_div(count)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "CPU NODE SOCKET CORE L1d:L1i:L2:L3 ONLINE\n\
                           0    0      0    0 0:0:0:0          yes\n\
                           1    0      0    0 0:0:0:0          yes\n\
                           2    1      1    0 1:1:1:1          yes\n\
                           3    -      -    - -                 no\n";

    #[test]
    fn a_table_groups_the_cpus_that_are_online() {
        let topology = parse(TABLE).unwrap();
        assert_eq!(topology.cpus.len(), 4);
        assert!(!topology.cpus[3].online);
        assert_eq!((topology.packages.len(), topology.cores.len()), (2, 2));
        assert_eq!(topology.cores[0].cpus.to_string(), "0-1");
        assert_eq!(topology.nodes[1].cpus.to_string(), "2");
        assert_eq!(topology.caches.len(), 8);
    }

    #[test]
    fn json_says_the_same_as_text() {
        let json = r#"{"cpus":[{"cpu":0,"node":0,"socket":0,"core":0,"l1d:l1i:l2:l3":"0:0:0:0","online":true},
            {"cpu":1,"node":0,"socket":0,"core":0,"l1d:l1i:l2:l3":"0:0:0:0","online":true},
            {"cpu":2,"node":1,"socket":1,"core":0,"l1d:l1i:l2:l3":"1:1:1:1","online":true},
            {"cpu":3,"node":null,"socket":null,"core":null,"l1d:l1i:l2:l3":"-","online":false}]}"#;
        assert_eq!(parse(json), parse(TABLE));
    }

    #[test]
    fn fields_of_json_are_lines() {
        let json =
            r#"{"lscpu":[{"field":"CPU(s):","data":"4","children":[{"field":"On-line CPU(s) list:","data":"0-3"}]}]}"#;
        assert_eq!(text_of_json(json).unwrap(), "CPU(s): 4\nOn-line CPU(s) list: 0-3\n");
        assert_eq!(text_of_json("{}"), None);
    }

    #[test]
    fn sizes_are_of_each_cache_where_the_counts_agree() {
        let mut caches = parse(TABLE).unwrap().caches;
        fill_sizes(
            &mut caches,
            "L2 cache:  2 MiB (2 instances)\nL3 cache: 32 MiB (1 instance)\n",
        );
        let sizes: Vec<_> = caches.iter().map(|cache| (cache.level, cache.size)).collect();
        assert_eq!(sizes[4], (2, Some(1 << 20)));
        assert_eq!(sizes[6], (3, None));
    }

    #[test]
    fn other_text_names_no_cpu() {
        for bad in ["", "{}", "CPU NODE\n", "0 0 0\n", "CPU,Core\n99999999,0\n"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
