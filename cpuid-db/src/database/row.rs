//! One row of `data/fields/*.tsv`: the grammar of its columns. Compiled into `build.rs` too, so that
//! a row of a user's file is read by the rules of the built-in ones; it imports nothing of the crate.
//!
//! Columns, tab-separated, `-` for none; the first line of a file names them ([`COLUMNS`]):
//!
//! | column | content |
//! |---|---|
//! | leaf | `0x7`, or `msr:0x10a` |
//! | subleaf | `0`, `1-31`, `2-` (from 2 on), `*` (every) |
//! | register | `eax ebx ecx edx`; of an MSR `eax` is bits 31:0 and `edx` bits 63:32 |
//! | bits | `5`, `31:16` |
//! | id | our own name, unique in the whole table: lower case, digits, `_` |
//! | kind | [`Kind`] |
//! | encoding | [`Encoding`] |
//! | vendors | [`Vendors`]: `any` or a comma-separated list: whose meaning of the bits the row gives |
//! | linux … apm | names in the dialect, comma-separated, the preferred one first; Linux names in brackets are not shown in /proc/cpuinfo |
//! | requires | ids that must be there for this feature to be there |
//! | requires_xen | the same by Xen's own table |
//! | combine | [`Combine`]: what a pool of hosts does with the bit |
//! | polarity | `presence` or `absence`: a set bit tells that something is gone |
//! | migratable | `yes`, `no`, `with-tsc` (when the TSC frequency is fixed) |
//! | xen_attr | Xen's annotation in cpufeatureset.h: `A S H a s h ! \|` |
//! | description | in our own words, at most 90 characters |
//! | source | document the row is from |
//!
//! Hypervisors stand at 0x40000000 with their name as vendor; `Reading` finds the rows of
//! one that answers elsewhere. Of the MSRs that control VMX (0x48b, 0x48d to 0x490) the rows stand in
//! `eax`, as QEMU and libvirt count them, and mean the setting that may be 1: bits 63:32 of the register.

/// Columns of the table, in order.
pub const COLUMNS: [&str; 23] = [
    "leaf",
    "subleaf",
    "register",
    "bits",
    "id",
    "kind",
    "encoding",
    "vendors",
    "linux",
    "qemu",
    "libvirt",
    "xen",
    "libxl",
    "sdm",
    "apm",
    "requires",
    "requires_xen",
    "combine",
    "polarity",
    "migratable",
    "xen_attr",
    "description",
    "source",
];

/// Where a register is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// CPUID leaf.
    Leaf(u32),
    /// Model-specific register that tells of features, such as 0x10a (`IA32_ARCH_CAPABILITIES`).
    Msr(u32),
}

/// What a row describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A capability, one bit.
    Feature,
    /// A value.
    Field,
    /// A number of things.
    Count,
    /// Bits the manual reserves; named so that they are no surprise.
    Reserved,
    /// A fixed value, or bits of a text.
    Magic,
}

/// What a pool of hosts offers of a bit or value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Combine {
    /// Set when every host has it.
    And,
    /// Set when any host has it.
    Or,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
    /// All hosts must agree.
    Equal,
    /// Never offered.
    Drop,
    /// Follows the guest's own topology, identity or policy.
    Policy,
    /// Set by the operating system at run time: not compared.
    Dynamic,
}

/// How a value is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// A decimal number (`-`).
    Plain,
    /// A hexadecimal number (`hex`).
    Hex,
    /// Characters, the lowest byte first (`ascii`).
    Ascii,
    /// 2 to the power of the value (`pow2`).
    PowerOfTwo,
    /// Associativity in 8 bits (`ways`): 0 none, 1 direct mapped, 255 fully associative, else ways.
    Ways,
    /// `+A*M unit`: (value + A) × M, in a unit; each part may be left out.
    Scaled {
        /// Added first.
        add: u32,
        /// Multiplied after.
        multiply: u32,
        /// Unit of the result, empty for none.
        unit: &'static str,
    },
    /// `enum 0=none;1=data`: names of values.
    Names(&'static [(u32, &'static str)]),
}

/// Vendors a row is for, as bits: of processors, and of hypervisors for the leaves from 0x40000000 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Vendors(pub u16);

impl Vendors {
    /// Every vendor, known or not.
    pub const ANY: Self = Self(u16::MAX);
    /// Names of the bits, from bit 0.
    pub const NAMES: [&'static str; 11] = [
        "intel",
        "amd",
        "hygon",
        "zhaoxin",
        "centaur",
        "transmeta",
        "other",
        "kvm",
        "hyperv",
        "xen",
        "vmware",
    ];
    /// `KVMKVMKVM`, and `TCGTCGTCGTCG` without its features.
    pub const KVM: Self = Self(1 << 7);
    /// `Microsoft Hv`, and hypervisors that offer its interface.
    pub const HYPERV: Self = Self(1 << 8);
    /// `XenVMMXenVMM`.
    pub const XEN: Self = Self(1 << 9);
    /// `VMwareVMware`.
    pub const VMWARE: Self = Self(1 << 10);

    /// Whether both have a vendor in common.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Reads `any` or `intel,amd`.
    pub fn read(text: &str) -> Result<Self, String> {
        if text == "any" {
            return Ok(Self::ANY);
        }
        let mut mask = 0_u16;
        for name in text.split(',') {
            let bit = Self::NAMES
                .iter()
                .position(|known| *known == name)
                .ok_or_else(|| format!("vendors: expected any or names of vendors, seen {name:?}"))?;
            mask |= 1 << bit;
        }
        Ok(Self(mask))
    }
}

/// An encoding as it stands in a row, before its texts are made constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncodingText {
    /// See [`Encoding::Plain`].
    Plain,
    /// See [`Encoding::Hex`].
    Hex,
    /// See [`Encoding::Ascii`].
    Ascii,
    /// See [`Encoding::PowerOfTwo`].
    PowerOfTwo,
    /// See [`Encoding::Ways`].
    Ways,
    /// See [`Encoding::Scaled`].
    Scaled(u32, u32, String),
    /// See [`Encoding::Names`].
    Names(Vec<(u32, String)>),
}

impl EncodingText {
    fn read(text: &str) -> Result<Self, String> {
        Ok(match text {
            "-" => Self::Plain,
            "hex" => Self::Hex,
            "ascii" => Self::Ascii,
            "pow2" => Self::PowerOfTwo,
            "ways" => Self::Ways,
            _ => {
                if let Some(list) = text.strip_prefix("enum ") {
                    return list
                        .split(';')
                        .map(|pair| {
                            let (value, name) = pair
                                .split_once('=')
                                .ok_or_else(|| format!("encoding: expected value=name, seen {pair:?}"))?;
                            Ok((number(value)?, name.to_owned()))
                        })
                        .collect::<Result<_, String>>()
                        .map(Self::Names);
                }
                return Self::scaled(text);
            }
        })
    }

    fn scaled(text: &str) -> Result<Self, String> {
        let (factors, unit) = match text.split_once(' ') {
            Some((factors, unit)) => (factors, unit),
            None if text.starts_with(['+', '*']) => (text, ""),
            None => (
                "",
                text.strip_prefix("unit:")
                    .ok_or_else(|| format!("encoding: unknown {text:?}"))?,
            ),
        };
        let (add, multiply) = match factors.split_once('*') {
            Some((add, multiply)) => (add, number(multiply)?),
            None => (factors, 1),
        };
        let add = match add.strip_prefix('+') {
            Some(digits) => number(digits)?,
            None if add.is_empty() => 0,
            None => return Err(format!("encoding: expected +A*M unit, seen {text:?}")),
        };
        Ok(Self::Scaled(add, multiply, unit.to_owned()))
    }
}

/// A row, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Leaf or MSR.
    pub place: Place,
    /// First and last subleaf.
    pub subleaves: (u32, u32),
    /// 0 to 3: EAX, EBX, ECX, EDX.
    pub register: u8,
    /// Lowest bit.
    pub low: u8,
    /// Highest bit.
    pub high: u8,
    /// Our own name.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// How a value is read.
    pub encoding: EncodingText,
    /// Vendors.
    pub vendors: Vendors,
    /// Names in Linux, QEMU, libvirt, Xen, libxl, SDM, APM.
    pub names: [Vec<String>; 7],
    /// The Linux name is not shown in /proc/cpuinfo.
    pub linux_hidden: bool,
    /// Ids.
    pub requires: Vec<String>,
    /// Ids by Xen's table.
    pub requires_xen: Vec<String>,
    /// `None` for values without a rule.
    pub combine: Option<Combine>,
    /// A set bit tells that something is gone.
    pub absence: bool,
    /// `yes`, `no`, `with-tsc`.
    pub migratable: Option<Migratable>,
    /// Xen's annotation.
    pub xen_attr: String,
    /// In our own words.
    pub description: String,
    /// Document.
    pub source: String,
}

/// Whether a guest with the feature can move to another host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Migratable {
    /// It can.
    Yes,
    /// It cannot.
    No,
    /// When the TSC frequency is fixed.
    WithTsc,
}

fn number(text: &str) -> Result<u32, String> {
    let text = text.trim();
    let read = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    read.map_err(|_| format!("expected a number, seen {text:?}"))
}

fn list(text: &str) -> Vec<String> {
    if text == "-" {
        return Vec::new();
    }
    text.split(',').map(str::to_owned).collect()
}

fn subleaves(text: &str) -> Result<(u32, u32), String> {
    if text == "*" {
        return Ok((0, u32::MAX));
    }
    match text.split_once('-') {
        Some((first, "")) => Ok((number(first)?, u32::MAX)),
        Some((first, last)) => Ok((number(first)?, number(last)?)),
        None => number(text).map(|only| (only, only)),
    }
}

fn bits(text: &str) -> Result<(u8, u8), String> {
    let (high, low) = text.split_once(':').unwrap_or((text, text));
    let (low, high) = (number(low)?, number(high)?);
    if low > high || high > 31 {
        return Err(format!("bits: expected N or HIGH:LOW up to 31, seen {text:?}"));
    }
    let narrow = |value: u32| u8::try_from(value).map_err(|error| error.to_string());
    Ok((narrow(low)?, narrow(high)?))
}

fn one_of<T: Copy>(column: &str, text: &str, known: &[(&str, T)]) -> Result<T, String> {
    known
        .iter()
        .find(|(name, _)| *name == text)
        .map(|&(_, value)| value)
        .ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            format!("{column}: expected one of {}, seen {text:?}", names.join(" "))
        })
}

impl Row {
    /// Reads one line.
    pub fn read(line: &str) -> Result<Self, String> {
        let columns: Vec<&str> = line.split('\t').map(str::trim).collect();
        let columns: [&str; 23] = columns
            .try_into()
            .map_err(|seen: Vec<&str>| format!("expected {} columns, seen {}", COLUMNS.len(), seen.len()))?;
        let [
            leaf,
            subleaf,
            register,
            bit_range,
            id,
            kind,
            encoding,
            vendors,
            names @ ..,
            requires,
            requires_xen,
            combine,
            polarity,
            migratable,
            xen_attr,
            description,
            source,
        ] = columns;
        let place = match leaf.strip_prefix("msr:") {
            Some(msr) => Place::Msr(number(msr)?),
            None => Place::Leaf(number(leaf)?),
        };
        let (low, high) = bits(bit_range)?;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if id.is_empty() || !id.bytes().all(plain) {
            return Err(format!("id: expected lower case, digits and _, seen {id:?}"));
        }
        let mut names: [Vec<String>; 7] = names.map(list);
        let [linux, ..] = &mut names;
        let linux_hidden = linux.first().is_some_and(|name| name.starts_with('('));
        for name in linux {
            *name = name.trim_matches(['(', ')']).to_owned();
        }
        let or_empty = |text: &str| if text == "-" { String::new() } else { text.to_owned() };
        Ok(Self {
            place,
            subleaves: subleaves(subleaf)?,
            register: one_of("register", register, &[("eax", 0), ("ebx", 1), ("ecx", 2), ("edx", 3)])?,
            low,
            high,
            id: id.to_owned(),
            kind: one_of(
                "kind",
                kind,
                &[
                    ("feature", Kind::Feature),
                    ("field", Kind::Field),
                    ("count", Kind::Count),
                    ("reserved", Kind::Reserved),
                    ("magic", Kind::Magic),
                ],
            )?,
            encoding: EncodingText::read(encoding)?,
            vendors: Vendors::read(vendors)?,
            names,
            linux_hidden,
            requires: list(requires),
            requires_xen: list(requires_xen),
            combine: one_of(
                "combine",
                combine,
                &[
                    ("-", None),
                    ("and", Some(Combine::And)),
                    ("or", Some(Combine::Or)),
                    ("min", Some(Combine::Min)),
                    ("max", Some(Combine::Max)),
                    ("equal", Some(Combine::Equal)),
                    ("drop", Some(Combine::Drop)),
                    ("policy", Some(Combine::Policy)),
                    ("dynamic", Some(Combine::Dynamic)),
                ],
            )?,
            absence: one_of(
                "polarity",
                polarity,
                &[("-", false), ("presence", false), ("absence", true)],
            )?,
            migratable: one_of(
                "migratable",
                migratable,
                &[
                    ("-", None),
                    ("yes", Some(Migratable::Yes)),
                    ("no", Some(Migratable::No)),
                    ("with-tsc", Some(Migratable::WithTsc)),
                ],
            )?,
            xen_attr: or_empty(xen_attr),
            description: or_empty(description),
            source: or_empty(source),
        })
    }
}
