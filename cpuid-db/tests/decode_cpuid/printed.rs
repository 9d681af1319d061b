//! What `cpuid` prints: lines `label = value` in sections that name their leaf.

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `7`, `0x80000001/ecx`, `4/*` with the number of the block, `top` for lines before any section.
    pub section: String,
    /// Subleaf, for sections that end in `/*`.
    pub subleaf: u32,
    /// Text before the `=`.
    pub label: String,
    /// Text behind it.
    pub value: String,
}

/// The statements of each CPU. Rows it prints as registers are left out.
pub fn read(text: &str) -> Vec<Vec<Line>> {
    let mut cpus: Vec<Vec<Line>> = Vec::new();
    let (mut section, mut block) = (String::new(), None);
    for line in text.lines() {
        let words = line.trim();
        if line.starts_with("CPU") && words.ends_with(':') {
            cpus.push(Vec::new());
            (section, block) = (String::new(), None);
        } else if words.is_empty() || words.starts_with("0x") && words.contains(": eax=") {
        } else if let Some(number) = words.strip_prefix("--- ").and_then(|rest| rest.strip_suffix(" ---")) {
            block = number.split(' ').next_back().and_then(|number| number.parse().ok());
        } else if let Some(cpu) = cpus.last_mut() {
            let top = line.len() - line.trim_start().len() == 3;
            if top {
                block = None;
            }
            match words.split_once(" = ") {
                None if top => section = heading(words),
                // Behind a descriptor of leaf 2, a line without its byte goes on with the same one.
                None if section == "2" && !words.starts_with("0x") => {}
                None => cpu.extend(statement(&section, block, descriptor(words))),
                Some(pair) if top => cpu.extend(statement("top", None, pair)),
                Some(pair) => cpu.extend(statement(&section, block, pair)),
            }
        }
    }
    cpus
}

/// `version information (1/eax):` is `1/eax`; a heading without a leaf is its words.
fn heading(words: &str) -> String {
    let words = words.trim_end_matches(':');
    let leaf = words.strip_suffix(')').and_then(|rest| rest.rsplit_once('('));
    match leaf {
        Some((_, leaf)) if leaf.starts_with(|first: char| first.is_ascii_digit()) => leaf.to_owned(),
        _ => words.to_owned(),
    }
}

/// Descriptors of leaf 2 are listed as `0xff: words`.
fn descriptor(words: &str) -> (&str, &str) {
    match words.split_once(':') {
        Some((byte, _)) if byte.starts_with("0x") => ("descriptor", byte),
        _ => (words, ""),
    }
}

fn statement(section: &str, block: Option<u32>, (label, value): (&str, &str)) -> Option<Line> {
    let mut label = label.trim().to_owned();
    let value = value.trim_start().to_owned();
    let (leaf, part) = section.split_once('/').unwrap_or((section, ""));
    let number = u32::from_str_radix(part.trim_start_matches("0x"), 16).ok();
    let each = match (leaf, number) {
        ("0xd", Some(2..)) | ("0x18" | "0x1b", Some(_)) | ("0x12", Some(2..)) => number,
        _ => None,
    };
    if each.is_some()
        && leaf == "0xd"
        && let Some(at) = label.find("save state byte")
    {
        label = label[at..].to_owned();
    }
    let (section, subleaf) = match (block, each) {
        (Some(block), _) => (format!("{section}/*"), block),
        (None, Some(subleaf)) => (format!("{leaf}/*"), subleaf),
        (None, None) => (section.to_owned(), number.unwrap_or(0)),
    };
    (!label.is_empty()).then_some(Line {
        section,
        subleaf,
        label,
        value,
    })
}

/// The number of a value: `true`, `0x5 (5)`, `full (15)`, `14368 (0x3820)`, `25000000 Hz`.
pub fn number(value: &str) -> Option<u64> {
    let value = value.trim().trim_end_matches(':');
    match value {
        "true" | "yes" | "available" => return Some(1),
        "false" | "no" | "not available" => return Some(0),
        _ => {}
    }
    if let Some((_, number)) = value.strip_suffix(')').and_then(|rest| rest.rsplit_once('('))
        && let Some(number) = plain(number)
    {
        return Some(number);
    }
    plain(value.split([' ', '%']).next()?)
}

fn plain(digits: &str) -> Option<u64> {
    match digits.get(..2) {
        Some("0x") => u64::from_str_radix(&digits[2..], 16).ok(),
        Some("0b") => u64::from_str_radix(&digits[2..], 2).ok(),
        _ => digits.parse().ok(),
    }
}

#[test]
fn values_are_read_as_they_are_printed() {
    assert_eq!(number("true"), Some(1));
    assert_eq!(number("0x40 (64)"), Some(64));
    assert_eq!(number("4 to 5-way (4)"), Some(4));
    assert_eq!(number("14368 (0x3820)"), Some(14368));
    assert_eq!(number("25000000 Hz"), Some(25_000_000));
    assert_eq!(number("not supported (0b00)"), Some(0));
    assert_eq!(number("instruction TLB"), None);
}

#[test]
fn lines_know_their_section_and_block() {
    let text = "CPU 0:\n   vendor_id = \"GenuineIntel\"\n   deterministic cache parameters (4):\n      --- cache 2 ---\n      \
                cache type = unified cache (3)\n   PKRU features (0xd/9):\n      PKRU save state byte size = 0x8 (8)\n";
    let cpus = read(text);
    let seen: Vec<(&str, u32, &str)> = cpus[0]
        .iter()
        .map(|line| (line.section.as_str(), line.subleaf, line.label.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("top", 0, "vendor_id"),
            ("4/*", 2, "cache type"),
            ("0xd/*", 9, "save state byte size")
        ]
    );
}
