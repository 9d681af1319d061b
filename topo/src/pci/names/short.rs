//! Names short enough for a box: the words that every name of its kind has go.
//!
//! A product name in brackets at the end is what owners know ("GA102GL [RTX A5000]"); code names
//! and modes in brackets ("[Falcon]", "[AHCI mode]") are not. What is left empty stays as it was.

/// Words that say only that this is a device of its kind.
const GENERIC: [&str; 14] = [
    "Controller",
    "Adapter",
    "Family",
    "Series",
    "Chipset",
    "Ethernet",
    "Connection",
    "Network",
    "Interface",
    "Technology",
    "Device",
    "device",
    "for",
    "and",
];

/// Product lines that are names without a number.
const LINES: [&str; 12] = [
    "Radeon",
    "GeForce",
    "Quadro",
    "Tesla",
    "TITAN",
    "Instinct",
    "FirePro",
    "ConnectX",
    "BlueField",
    "Optane",
    "UHD Graphics",
    "Iris",
];

/// Words at the end of a company's name.
const COMPANY: [&str; 30] = [
    "Corporation",
    "Corp",
    "Inc",
    "Incorporated",
    "Ltd",
    "LTD",
    "Limited",
    "Co",
    "Company",
    "LLC",
    "GmbH",
    "GmBH",
    "AG",
    "AB",
    "BV",
    "B.V",
    "SA",
    "S.A",
    "K.K",
    "Technologies",
    "Technology",
    "Semiconductor",
    "Semiconductors",
    "Electronics",
    "Microelectronics",
    "Communications",
    "International",
    "Systems",
    "Co.,Ltd",
    "Group",
];

/// Short form of a device's name, given without its vendor.
///
/// ```
/// use topo::pci::names::short_device;
/// assert_eq!(short_device("GA102GL [RTX A5000]"), "RTX A5000");
/// assert_eq!(short_device("Ethernet Controller X710 for 10GbE SFP+"), "X710 10GbE SFP+");
/// ```
#[must_use]
pub fn short_device(name: &str) -> String {
    let name = name.trim();
    let (body, bracket) = split_bracket(name);
    if let Some(product) = bracket.filter(|text| is_product(text)) {
        return tidy(product);
    }
    let virtual_function = matches!(bracket, Some("VF" | "Virtual Function")) && !body.contains("Virtual Function");
    let mut words: Vec<&str> = body.split_whitespace().filter(|word| !GENERIC.contains(word)).collect();
    if virtual_function {
        words.push("VF");
    }
    let short = words.join(" ").replace("Virtual Function", "VF");
    let told = short.chars().any(char::is_alphanumeric);
    tidy(if told { &short } else { name })
}

/// Short form of a vendor's name: "Advanced Micro Devices, Inc. [AMD/ATI]" is "AMD".
#[must_use]
pub fn short_vendor(name: &str) -> String {
    let (body, bracket) = split_bracket(name.trim());
    if let Some(bracket) = bracket {
        return bracket.split('/').next().unwrap_or(bracket).trim().to_owned();
    }
    let plain = |word: &str| word.trim_end_matches(['.', ',']).to_owned();
    let mut words: Vec<&str> = body.split_whitespace().collect();
    while words.len() > 1 && words.last().is_some_and(|word| COMPANY.contains(&plain(word).as_str())) {
        words.pop();
    }
    words.join(" ").trim_end_matches([',', ' ']).to_owned()
}

/// `body [bracket]`, when a bracket ends the name.
fn split_bracket(name: &str) -> (&str, Option<&str>) {
    let cut = || {
        let (body, bracket) = name.strip_suffix(']')?.rsplit_once('[')?;
        (!body.trim().is_empty()).then_some((body.trim(), bracket.trim()))
    };
    cut().map_or((name, None), |(body, bracket)| (body, Some(bracket)))
}

/// Whether a bracket names the product rather than a mode, a bus or a code name.
fn is_product(text: &str) -> bool {
    if LINES.iter().any(|line| text.contains(line)) {
        return true;
    }
    let lower = text.to_ascii_lowercase();
    let aside = [
        "mode",
        "controller",
        "function",
        "port ",
        "dev id",
        "phy",
        "bus ",
        "link ",
        "rev",
    ];
    let number = text.bytes().filter(u8::is_ascii_digit).count() >= 2 || has_model_word(text);
    number && text.len() >= 3 && !aside.iter().any(|word| lower.contains(word)) && !lower.starts_with("3dnand")
}

/// A word of letters and a digit, such as `H100`, `A2`, `MI300X` — beside another word or long enough.
fn has_model_word(text: &str) -> bool {
    let model = |word: &str| {
        word.bytes().any(|byte| byte.is_ascii_digit()) && word.bytes().any(|byte| byte.is_ascii_alphabetic())
    };
    text.split_whitespace().count() > 1 && text.split_whitespace().any(model)
}

/// Trade marks out, single blanks, no dangling punctuation.
fn tidy(text: &str) -> String {
    let plain = text.replace("(R)", " ").replace("(TM)", " ").replace(['®', '™'], " ");
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ").trim_matches([',', ';', ' ', '-']).to_owned()
}
