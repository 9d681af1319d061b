//! Latency and bandwidth between NUMA nodes by the HMAT, as matrices: initiators down, targets across.

use render::scene::{Item, Line, Role};
use render::text::{self as sheet, Style};

use crate::acpi::Performance;
use crate::model::Machine;

/// Domains of a matrix that can be read.
const MOST_DOMAINS: usize = 16;

/// Heading of a measure, its value, and whether less is better.
type Measure = (&'static str, fn(&Performance) -> Option<u64>, bool);

const MEASURES: [Measure; 4] = [
    ("read latency, ns", |row| nanoseconds(row.read_latency), true),
    ("write latency, ns", |row| nanoseconds(row.write_latency), true),
    ("read bandwidth, MB/s", |row| row.read_bandwidth, false),
    ("write bandwidth, MB/s", |row| row.write_bandwidth, false),
];

fn nanoseconds(picoseconds: Option<u64>) -> Option<u64> {
    picoseconds.map(|ps| ps.div_ceil(1000))
}

/// One measure over all pairs.
struct Matrix {
    title: String,
    less_is_better: bool,
    /// Names of the initiators, and what each sees of the targets.
    rows: Vec<(String, Vec<Option<u64>>)>,
    targets: Vec<String>,
}

/// The measures that the table has; a write measure only where it differs from the read one.
fn matrices(machine: &Machine) -> Vec<Matrix> {
    let rows = &machine.acpi.performance;
    let initiators = by_node(machine, rows.iter().map(|row| row.initiator));
    let targets = by_node(machine, rows.iter().map(|row| row.target));
    if initiators.len() > MOST_DOMAINS || targets.len() > MOST_DOMAINS {
        return Vec::new();
    }
    let same = rows
        .iter()
        .all(|row| row.read_latency == row.write_latency && row.read_bandwidth == row.write_bandwidth);
    let wanted = MEASURES.iter().filter(|(name, value, _)| {
        let write = name.starts_with("write");
        rows.iter().any(|row| value(row).is_some()) && !(write && same)
    });
    wanted
        .map(|(name, value, less_is_better)| {
            let cell = |initiator: u32, target: u32| {
                let mut pairs = rows.iter();
                let pair = pairs.find(|row| row.initiator == initiator && row.target == target);
                pair.and_then(value)
            };
            let row = |initiator: &u32| {
                let cells = targets.iter().map(|target| cell(*initiator, *target));
                (domain_words(machine, *initiator), cells.collect())
            };
            Matrix {
                title: if same {
                    name.replace("read ", "")
                } else {
                    (*name).to_owned()
                },
                less_is_better: *less_is_better,
                rows: initiators.iter().map(row).collect(),
                targets: targets.iter().map(|target| domain_words(machine, *target)).collect(),
            }
        })
        .collect()
}

/// Domain in words: its node's number, else its own.
fn domain_words(machine: &Machine, domain: u32) -> String {
    match machine.acpi.node_of(domain) {
        Some(node) => node.0.to_string(),
        None => format!("PXM {domain}"),
    }
}

/// Domains in the order of their nodes.
fn by_node(machine: &Machine, domains: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut list: Vec<u32> = domains.collect();
    list.sort_by_key(|domain| {
        let node = machine.acpi.node_of(*domain);
        (node.is_none(), node, *domain)
    });
    list.dedup();
    list
}

/// The matrices beside each other.
pub(super) fn section(machine: &Machine) -> Option<(String, Item)> {
    let drawn: Vec<Item> = matrices(machine).iter().map(draw).collect();
    if drawn.is_empty() {
        return None;
    }
    let text = "HMAT: from the NUMA node of the row to the memory of that of the column";
    let row = Item::row(drawn)
        .gap(24.0)
        .role(Role::Panel)
        .id("hmat")
        .title("What the firmware claims of each node's memory, seen from each node")
        .line(Line::bold(10.5, text));
    Some(("Memory performance by HMAT".to_owned(), row))
}

fn draw(matrix: &Matrix) -> Item {
    let all = || matrix.rows.iter().flat_map(|(_, cells)| cells).flatten().copied();
    let (least, most) = (all().min().unwrap_or(0), all().max().unwrap_or(0));
    let span = most.saturating_sub(least).max(1);
    // dark is far, be it by latency or by bandwidth
    let shade = |value: u64| {
        let worse = if matrix.less_is_better {
            value.saturating_sub(least)
        } else {
            most.saturating_sub(value)
        };
        u8::try_from(worse.saturating_mul(4) / span).unwrap_or(4)
    };
    let head = |text: &String| {
        let line = Line::bold(9.0, text.clone()).center();
        Item::leaf(Role::Plain).padding(1.0).line(line)
    };
    let mut cells = vec![Item::leaf(Role::Plain)];
    cells.extend(matrix.targets.iter().map(head));
    for (from, values) in &matrix.rows {
        cells.push(head(from));
        for (value, to) in values.iter().zip(&matrix.targets) {
            let text = value.map_or_else(|| "–".to_owned(), |value| value.to_string());
            cells.push(
                Item::leaf(Role::Heat(value.map_or(0, shade)))
                    .padding(1.0)
                    .line(Line::text(9.0, text.clone()).center())
                    .title(format!(
                        "from node {from} to the memory of node {to}: {text} ({})",
                        matrix.title
                    )),
            );
        }
    }
    Item::grid(matrix.targets.len().saturating_add(1), cells)
        .gap(1.0)
        .line(Line::bold(10.5, matrix.title.clone()))
}

/// The same in text.
pub(crate) fn lines(machine: &Machine, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    for matrix in matrices(machine) {
        let title = format!("HMAT {}", matrix.title);
        let targets = matrix.targets.iter().map(|target| format!("→{target}"));
        let head: Vec<String> = std::iter::once("FROM".to_owned()).chain(targets).collect();
        let rows: Vec<Vec<String>> = matrix
            .rows
            .into_iter()
            .map(|(from, cells)| {
                let cells = cells
                    .into_iter()
                    .map(|cell| cell.map_or_else(|| "-".to_owned(), |cell| cell.to_string()));
                std::iter::once(from).chain(cells).collect()
            })
            .collect();
        let head: Vec<&str> = head.iter().map(String::as_str).collect();
        let importance: Vec<usize> = (0..head.len()).collect();
        lines.push(title);
        lines.extend(sheet::table(&head, &rows, &importance, style.width));
        lines.push(String::new());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acpi::{Acpi, Domain};
    use crate::sysfs::topology::NodeId;

    #[test]
    fn rows_and_columns_stand_in_the_order_of_nodes() {
        let domain = |number, node| Domain {
            number,
            node: Some(NodeId(node)),
            ..Domain::default()
        };
        let row = |initiator, target, ns: u64| Performance {
            initiator,
            target,
            read_latency: Some(ns * 1000),
            write_latency: Some(ns * 1000 + 1),
            ..Performance::default()
        };
        let machine = Machine {
            acpi: Acpi {
                domains: vec![domain(1, 1), domain(2, 0)],
                performance: vec![row(1, 1, 90), row(1, 2, 150), row(2, 1, 160), row(2, 2, 80)],
                ..Acpi::default()
            },
            ..Machine::default()
        };
        let style = Style {
            unicode: true,
            colour: false,
            width: 80,
        };
        let expected = [
            "HMAT read latency, ns",
            "FROM   →0   →1",
            "   0   80  160",
            "   1  150   90",
            "",
            "HMAT write latency, ns",
            "FROM   →0   →1",
            "   0   81  161",
            "   1  151   91",
            "",
        ];
        assert_eq!(lines(&machine, style), expected);
    }
}
