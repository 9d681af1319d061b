//! The reader and the tree against `lspci` itself, on every dump of the corpus.

mod pci_text_support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use pci_text_support::{corpus, folder, installed, machines, output};
use topo::pci::function::{Bdf, Function};
use topo::pci::text;
use topo::pci::tree::{self, Tree};

/// Dumps with hex rows: those of the corpus, of two complete hosts, and of the virtual machines.
fn dumps(corpus: &Path, scratch: &Path) -> Vec<(String, Vec<u8>)> {
    let mut dumps = folder(&corpus.join("pci-smbios/lspci-dump"));
    for host in ["host-M11x", "host-h61m-ds2"] {
        let path = corpus.join("pci-smbios").join(host).join("lspci.log.xz");
        dumps.extend(pci_text_support::content(&path).map(|text| (host.to_owned(), text)));
    }
    for (name, folder) in machines(corpus, scratch) {
        dumps.push((name, std::fs::read(folder.join("lspci-xxxx.txt")).unwrap()));
    }
    dumps
}

fn lspci(text: &[u8], scratch: &Path, options: &[&str]) -> String {
    let file = scratch.join("dump");
    std::fs::write(&file, text).unwrap();
    let arguments = [&["-F", file.to_str().unwrap()], options].concat();
    String::from_utf8(output("lspci", &arguments).unwrap()).unwrap()
}

#[test]
fn ids_of_every_dump_are_those_of_lspci() {
    let Some(corpus) = corpus(29).filter(|_| installed("lspci", 29)) else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    for (name, text) in dumps(&corpus, scratch.path()) {
        let listing = text::parse(&text);
        assert_eq!(listing.damage, [], "{name}");
        let expected: BTreeSet<String> = lspci(&text, scratch.path(), &["-nD"])
            .lines()
            .map(str::to_owned)
            .collect();
        let seen: BTreeSet<String> = listing.value.functions.iter().map(numbers).collect();
        assert_eq!(seen, expected, "{name}");
    }
}

/// A function as `lspci -nD` prints it.
fn numbers(function: &Function) -> String {
    let revision = function.revision.filter(|revision| *revision > 0);
    format!(
        "{} {:04x}: {:04x}:{:04x}{}",
        function.bdf,
        function.class.unwrap().kind(),
        function.vendor.unwrap(),
        function.device.unwrap(),
        revision
            .map(|revision| format!(" (rev {revision:02x})"))
            .unwrap_or_default()
    )
}

#[test]
fn tree_of_every_dump_is_that_of_lspci() {
    let Some(corpus) = corpus(29).filter(|_| installed("lspci", 29)) else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    for (name, text) in dumps(&corpus, scratch.path()) {
        let functions = text::parse(&text).value.functions;
        let seen = draw(&tree::build(&functions), &functions);
        assert_eq!(seen, lspci(&text, scratch.path(), &["-t"]), "{name}");
    }
}

#[test]
fn tree_of_a_text_is_that_of_the_live_machine() {
    let Some(corpus) = corpus(3) else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    for (name, folder) in machines(&corpus, scratch.path()) {
        let functions = text::parse(&std::fs::read(folder.join("lspci-vvvnn.txt")).unwrap())
            .value
            .functions;
        let live = std::fs::read_to_string(folder.join("lspci-tvnn.txt")).unwrap();
        let bare: String = live.lines().map(|line| format!("{}\n", without_name(line))).collect();
        assert_eq!(draw(&tree::build(&functions), &functions), bare, "{name}");
    }
}

/// A line of `-tv` up to `dd.f`.
fn without_name(line: &str) -> &str {
    let cut = line.match_indices("  ").find(|(at, _)| {
        let front = line[..*at].as_bytes();
        front.len() > 4 && front[front.len() - 2] == b'.' && front[front.len() - 1].is_ascii_digit()
    });
    cut.map_or(line, |(at, _)| &line[..at])
}

#[test]
fn paths_tell_the_same_tree_as_bus_numbers() {
    let Some(corpus) = corpus(3) else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    for (name, folder) in machines(&corpus, scratch.path()) {
        let build = |file: &str| tree::build(&text::parse(&std::fs::read(folder.join(file)).unwrap()).value.functions);
        let (paths, buses) = (build("lspci-PP.txt"), build("lspci-vvvnn.txt"));
        let parents = |tree: &Tree| tree.iter().map(|node| (node.bdf, node.parent)).collect::<Vec<_>>();
        assert_eq!(parents(&paths), parents(&buses), "{name}");
    }
}

/// The tree as `lspci -t` draws it. `lspci` always has a bus 0000:00.
fn draw(tree: &Tree, functions: &[Function]) -> String {
    let mut roots: Vec<Vec<String>> = Vec::new();
    if !tree.roots.iter().any(|root| (root.domain, root.bus) == (0, 0)) {
        roots.push(vec!["[0000:00]-".to_owned()]);
    }
    for root in &tree.roots {
        let head = format!("[{:04x}:{:02x}]", root.domain, root.bus);
        roots.push(behind(&head, &bus(tree, functions, &root.children)));
    }
    let lines = match roots.as_slice() {
        [single] => behind("-", single),
        several => fork("-+-", several),
    };
    lines.iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").unwrap();
        text
    })
}

/// The functions of one bus.
fn bus(tree: &Tree, functions: &[Function], children: &[Bdf]) -> Vec<String> {
    let blocks: Vec<Vec<String>> = children.iter().map(|bdf| device(tree, functions, *bdf)).collect();
    match blocks.as_slice() {
        [] => vec!["-".to_owned()],
        [single] => behind("---", single),
        several => fork("-+-", several),
    }
}

/// One function and what is below.
fn device(tree: &Tree, functions: &[Function], bdf: Bdf) -> Vec<String> {
    let node = tree.node(bdf).unwrap();
    let name = format!("{:02x}.{:x}", bdf.device, bdf.function);
    let Some(buses) = functions[node.index].buses else {
        return vec![name];
    };
    let range = if buses.secondary == buses.subordinate {
        format!("{name}-[{:02x}]-", buses.secondary)
    } else {
        format!("{name}-[{:02x}-{:02x}]-", buses.secondary, buses.subordinate)
    };
    behind(&range, &bus(tree, functions, &node.children))
}

fn behind(head: &str, block: &[String]) -> Vec<String> {
    let blank = " ".repeat(head.len());
    let lines = block.iter().enumerate();
    lines
        .map(|(at, line)| format!("{}{line}", if at == 0 { head } else { &blank }))
        .collect()
}

fn fork(first: &str, blocks: &[Vec<String>]) -> Vec<String> {
    let last = blocks.len() - 1;
    let mut lines = Vec::new();
    for (at, block) in blocks.iter().enumerate() {
        let head = match at {
            0 => first,
            _ if at == last => " \\-",
            _ => " +-",
        };
        let rest = if at == last { "   " } else { " | " };
        lines.extend(
            block
                .iter()
                .enumerate()
                .map(|(row, line)| format!("{}{line}", if row == 0 { head } else { rest })),
        );
    }
    lines
}
