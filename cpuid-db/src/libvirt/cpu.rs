//! A CPU definition: what stands in a `<cpu>` element.

use schemars::JsonSchema;
use serde::Serialize;

/// Declares an enumeration with its names in XML.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
        pub enum $name { $($(#[$each])* #[serde(rename = $text)] $variant,)+ }

        impl $name {
            /// All, in libvirt's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Name in XML.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// Reads a name.
            #[must_use]
            pub fn read(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.name() == name)
            }
        }
    };
}

named! {
    /// Whether a definition tells what a host has or what a guest is to get.
    Kind {
        /// What a host has: features without policy, an `<arch>`.
        Host = "host",
        /// What a guest is to get.
        Guest = "guest",
    }
}

named! {
    /// Where the model of a guest comes from.
    Mode {
        /// From the definition.
        Custom = "custom",
        /// libvirt describes the host when the guest starts.
        HostModel = "host-model",
        /// The host's CPU as it is.
        HostPassthrough = "host-passthrough",
        /// All the hypervisor can offer.
        Maximum = "maximum",
    }
}

named! {
    /// How the host must fit a custom model.
    Match {
        /// The guest gets what is defined.
        Exact = "exact",
        /// The guest gets what is defined and the rest of the host.
        Minimum = "minimum",
        /// The host must have nothing more.
        Strict = "strict",
    }
}

named! {
    /// How it is checked that the guest got what is defined.
    Check {
        /// As the hypervisor's driver has it.
        Default = "default",
        /// Not at all.
        None = "none",
        /// By libvirt, before the start.
        Partial = "partial",
        /// By the CPU the hypervisor made.
        Full = "full",
    }
}

named! {
    /// What happens to a model the hypervisor does not have.
    Fallback {
        /// The closest one is used.
        Allow = "allow",
        /// The guest does not start.
        Forbid = "forbid",
    }
}

named! {
    /// What is asked for a feature of a guest.
    Policy {
        /// Set, whatever the host has.
        Force = "force",
        /// Set; the guest does not start on a host without.
        Require = "require",
        /// Set where the host has it.
        Optional = "optional",
        /// Clear.
        Disable = "disable",
        /// Clear; the guest does not start on a host with it.
        Forbid = "forbid",
    }
}

named! {
    /// Where the caches of a guest come from.
    CacheMode {
        /// The hypervisor makes them up.
        Emulate = "emulate",
        /// The host's.
        Passthrough = "passthrough",
        /// None are told of.
        Disable = "disable",
    }
}

named! {
    /// Where the width of physical addresses comes from.
    AddressMode {
        /// From the definition.
        Emulate = "emulate",
        /// The host's.
        Passthrough = "passthrough",
    }
}

/// One `<feature>`.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct FeatureSetting {
    /// Name as written.
    pub name: String,
    /// `None` in the definition of a host.
    pub policy: Option<Policy>,
    /// Byte of the text it was read from.
    #[serde(skip)]
    pub at: Option<usize>,
}

/// `<signature>` of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct HostSignature {
    /// Family.
    pub family: u32,
    /// Model.
    pub model: u32,
    /// Stepping.
    pub stepping: u32,
}

/// `<topology>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct GuestTopology {
    /// Packages.
    pub sockets: u32,
    /// Dies of a package.
    pub dies: u32,
    /// Clusters of a die.
    pub clusters: u32,
    /// Cores of a cluster.
    pub cores: u32,
    /// Threads of a core.
    pub threads: u32,
}

/// `<cache>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct GuestCache {
    /// Level 1 to 3; `None` for all.
    pub level: Option<u8>,
    /// Where it comes from.
    pub mode: CacheMode,
}

/// `<maxphysaddr>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct AddressWidth {
    /// Where it comes from.
    pub mode: AddressMode,
    /// Bits.
    pub bits: Option<u32>,
    /// Most bits a host's width may have.
    pub limit: Option<u32>,
}

/// `<counter name='tsc'>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Tsc {
    /// Hertz.
    pub frequency: u64,
    /// The processor can scale it.
    pub scaling: Option<bool>,
}

/// A `<cpu>` element.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct LibvirtCpu {
    /// Of a host or of a guest.
    pub kind: Kind,
    /// Byte of the text where the element begins.
    #[serde(skip)]
    pub at: Option<usize>,
    /// Byte of the text where the model's name is.
    #[serde(skip)]
    pub model_at: Option<usize>,
    /// Byte of the text where the vendor's name is.
    #[serde(skip)]
    pub vendor_at: Option<usize>,
    /// Type of the domain it stands in: `kvm`, `qemu`, `xen`.
    pub domain: Option<String>,
    /// Where the model comes from (guest).
    pub mode: Mode,
    /// How the host must fit (guest).
    pub matching: Match,
    /// How the result is checked (guest).
    pub check: Check,
    /// Only what can move is passed through (host-passthrough and maximum).
    pub migratable: Option<bool>,
    /// `deprecated_features`.
    pub deprecated_features: Option<bool>,
    /// Architecture (host).
    pub arch: Option<String>,
    /// Model name as written.
    pub model: Option<String>,
    /// What happens when the hypervisor lacks the model (guest).
    pub fallback: Fallback,
    /// The 12 characters the guest sees in leaf 0, when they differ from the model's.
    pub vendor_id: Option<String>,
    /// Vendor name.
    pub vendor: Option<String>,
    /// Microcode revision (host).
    pub microcode: Option<u32>,
    /// Signature (host).
    pub signature: Option<HostSignature>,
    /// Time stamp counter (host).
    pub tsc: Option<Tsc>,
    /// Topology.
    pub topology: Option<GuestTopology>,
    /// Caches.
    pub cache: Option<GuestCache>,
    /// Width of physical addresses.
    pub address: Option<AddressWidth>,
    /// Features, in the order of the text.
    pub features: Vec<FeatureSetting>,
}

impl LibvirtCpu {
    /// A definition without anything: a guest's is custom, exact, and falls back.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            at: None,
            model_at: None,
            vendor_at: None,
            domain: None,
            mode: Mode::Custom,
            matching: Match::Exact,
            check: Check::Default,
            migratable: None,
            deprecated_features: None,
            arch: None,
            model: None,
            fallback: Fallback::Allow,
            vendor_id: None,
            vendor: None,
            microcode: None,
            signature: None,
            tsc: None,
            topology: None,
            cache: None,
            address: None,
            features: Vec::new(),
        }
    }

    /// The setting of a feature.
    #[must_use]
    pub fn feature(&self, name: &str) -> Option<&FeatureSetting> {
        self.features.iter().find(|feature| feature.name == name)
    }

    /// Sets the policy of a feature, which is added when it is not there; in the definition of a host
    /// there is none.
    pub fn set_feature(&mut self, name: &str, policy: Option<Policy>) {
        let policy = policy.filter(|_| self.kind == Kind::Guest);
        match self.features.iter_mut().find(|feature| feature.name == name) {
            Some(feature) => feature.policy = policy,
            None => self.features.push(FeatureSetting {
                name: name.to_owned(),
                policy,
                at: None,
            }),
        }
    }

    /// Adds a feature unless it is there.
    pub fn add_feature(&mut self, name: &str, policy: Policy) {
        if self.feature(name).is_none() {
            self.set_feature(name, Some(policy));
        }
    }
}
