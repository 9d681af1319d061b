//! Addresses of a guest, each kind a type of its own.

use std::fmt;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

/// Size of a small page in bytes.
pub const PAGE: u64 = 4096;

macro_rules! address {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            /// First byte of its page.
            #[must_use]
            pub fn page(self) -> Self {
                Self(self.0 & !(PAGE - 1))
            }

            /// Offset in its page.
            #[must_use]
            pub fn offset(self) -> u64 {
                self.0 & (PAGE - 1)
            }

            /// The address `bytes` further on; at the end of the space, the last address.
            #[must_use]
            pub fn plus(self, bytes: u64) -> Self {
                Self(self.0.saturating_add(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#018x}", self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                String::json_schema(generator)
            }
        }
    };
}

address!(
    /// Physical address of a guest.
    Gpa
);
address!(
    /// Virtual address of a guest. Addresses of 32-bit guests are not sign-extended.
    Gva
);
