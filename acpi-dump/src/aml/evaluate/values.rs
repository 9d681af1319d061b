//! Values as they leave the evaluator. ACPI 6.5, section 19.3.5 (data types).

use std::fmt;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

/// Something that only a running machine knows, or that was assumed about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Dependency {
    /// A field of an operation region is read.
    Field {
        /// Path of the field.
        path: String,
        /// Address space of its region, where one is known.
        space: Option<u8>,
        /// Address of its first byte, where the region's address is known.
        address: Option<u64>,
    },
    /// Something is called or read that no table declares.
    Missing {
        /// Its path.
        path: String,
    },
    /// It depends on a condition at the level of a table whether the object, or which declaration
    /// of it, exists.
    Exists {
        /// Its path.
        path: String,
    },
    /// A name that the methods run at start-up set to a value that is not known.
    Startup {
        /// Its path.
        path: String,
    },
    /// An argument of the caller that is not known.
    Argument {
        /// Number of the argument.
        number: u8,
    },
    /// The clock is read.
    Timer,
    /// The revision of the interpreter is read.
    Interpreter,
    /// A table is loaded while the method runs.
    Load,
    /// A loop runs until something unknown changes; its body was followed once.
    Loop {
        /// The method in which it stands.
        path: String,
    },
    /// The operating system's answer to `_OSI`; assumed.
    Interface {
        /// What is asked for.
        name: String,
        /// The answer.
        answer: bool,
    },
    /// A name that other methods may have changed since start-up; taken as it was then.
    Variable {
        /// Its path.
        path: String,
    },
    /// An object that no table declares was taken as absent, or a store to it was dropped.
    Absent {
        /// Its path.
        path: String,
    },
}

impl Dependency {
    /// Whether a value was assumed, so that the result is known under this assumption.
    #[must_use]
    pub fn is_assumption(&self) -> bool {
        matches!(
            self,
            Self::Interface { .. } | Self::Variable { .. } | Self::Absent { .. }
        )
    }
}

/// Name of an address space, ACPI 6.5 table 5.183 and section 19.6.100.
#[must_use]
pub fn space_name(space: u8) -> String {
    let name = match space {
        0 => "SystemMemory",
        1 => "SystemIO",
        2 => "PCI_Config",
        3 => "EmbeddedControl",
        4 => "SMBus",
        5 => "SystemCMOS",
        6 => "PciBarTarget",
        7 => "IPMI",
        8 => "GeneralPurposeIO",
        9 => "GenericSerialBus",
        10 => "PCC",
        11 => "PlatformRtMechanism",
        127 => "FFixedHW",
        other => return format!("address space {other:#04x}"),
    };
    name.to_owned()
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field { path, space, address } => {
                write!(f, "reads {path}")?;
                match (space, address) {
                    (Some(space), Some(address)) => write!(f, " ({} {address:#x})", space_name(*space)),
                    (Some(space), None) => write!(f, " ({})", space_name(*space)),
                    _ => Ok(()),
                }
            }
            Self::Missing { path } => write!(f, "needs {path}, which no table declares"),
            Self::Exists { path } => write!(f, "depends on the condition around {path}"),
            Self::Startup { path } => write!(f, "reads {path}, which is set at start-up"),
            Self::Argument { number } => write!(f, "needs argument {number}"),
            Self::Timer => f.write_str("reads the timer"),
            Self::Interpreter => f.write_str("reads the revision of the interpreter"),
            Self::Load => f.write_str("loads a table"),
            Self::Loop { path } => write!(f, "waits in a loop of {path}"),
            Self::Interface { name, answer } => {
                let answer = if *answer { "yes" } else { "no" };
                write!(f, "calls _OSI (\"{name}\"), assumed {answer}")
            }
            Self::Variable { path } => write!(f, "reads the variable {path}, as it is after start-up"),
            Self::Absent { path } => write!(f, "takes {path} as absent"),
        }
    }
}

/// Why a value is not known: everything it is computed from that is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Reason(pub Vec<Dependency>);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("not followed to the end");
        }
        for (at, dependency) in self.0.iter().enumerate() {
            let before = if at == 0 { "" } else { "; " };
            write!(f, "{before}{dependency}")?;
        }
        Ok(())
    }
}

/// Bits of a buffer that are not known; they are zero in its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UnknownBits {
    /// First bit.
    pub first: usize,
    /// Number of bits.
    pub bits: usize,
    /// Why.
    pub reason: Reason,
}

/// Bytes, some of which may be unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Buffer {
    /// The bytes.
    #[serde(serialize_with = "hex")]
    pub bytes: Vec<u8>,
    /// What of them is not known, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<UnknownBits>,
}

fn hex<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Hex(bytes))
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Buffer {
    /// Whether any of the bytes `first..first + count` is not known.
    #[must_use]
    pub fn is_unknown(&self, first: usize, count: usize) -> bool {
        let (from, to) = (first.saturating_mul(8), first.saturating_add(count).saturating_mul(8));
        self.unknown
            .iter()
            .any(|gap| gap.first < to && gap.first.saturating_add(gap.bits) > from)
    }
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "type", content = "value")]
pub enum Value {
    /// Nothing was ever stored there, or a method returned nothing.
    Uninitialized,
    /// A number.
    Integer(u64),
    /// Characters; each byte of AML is one.
    String(String),
    /// Bytes.
    Buffer(Buffer),
    /// A list.
    Package(Vec<Self>),
    /// An object of the namespace, by its path.
    Reference(String),
    /// Not known, and why.
    Unknown(Reason),
}

impl Value {
    /// The number; a string or a buffer is none.
    #[must_use]
    pub fn integer(&self) -> Option<u64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The elements of a package; none for anything else.
    #[must_use]
    pub fn elements(&self) -> &[Self] {
        match self {
            Self::Package(elements) => elements,
            _ => &[],
        }
    }

    /// Whether no part of it is unknown.
    #[must_use]
    pub fn is_known(&self) -> bool {
        match self {
            Self::Unknown(_) => false,
            Self::Buffer(buffer) => buffer.unknown.is_empty(),
            Self::Package(elements) => elements.iter().all(Self::is_known),
            _ => true,
        }
    }

    /// What its unknown parts depend on.
    pub fn dependencies(&self) -> Vec<&Dependency> {
        match self {
            Self::Unknown(reason) => reason.0.iter().collect(),
            Self::Buffer(buffer) => buffer.unknown.iter().flat_map(|gap| &gap.reason.0).collect(),
            Self::Package(elements) => elements.iter().flat_map(Self::dependencies).collect(),
            _ => Vec::new(),
        }
    }

    /// One word for what it is.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Uninitialized => "nothing",
            Self::Integer(_) => "an integer",
            Self::String(_) => "a string",
            Self::Buffer(_) => "a buffer",
            Self::Package(_) => "a package",
            Self::Reference(_) => "a reference",
            Self::Unknown(_) => "an unknown value",
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uninitialized => f.write_str("nothing"),
            Self::Integer(number) => write!(f, "{number:#x}"),
            Self::String(text) => write!(f, "{text:?}"),
            Self::Buffer(buffer) => {
                f.write_str("{")?;
                for (at, byte) in buffer.bytes.iter().enumerate() {
                    let before = if at == 0 { "" } else { " " };
                    if buffer.is_unknown(at, 1) {
                        write!(f, "{before}??")?;
                    } else {
                        write!(f, "{before}{byte:02x}")?;
                    }
                }
                f.write_str("}")
            }
            Self::Package(elements) => {
                f.write_str("(")?;
                for (at, element) in elements.iter().enumerate() {
                    let before = if at == 0 { "" } else { ", " };
                    write!(f, "{before}{element}")?;
                }
                f.write_str(")")
            }
            Self::Reference(path) => f.write_str(path),
            Self::Unknown(reason) => write!(f, "unknown: {reason}"),
        }
    }
}
