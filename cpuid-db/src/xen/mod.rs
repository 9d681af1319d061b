//! Xen 4.20: featuresets, CPU policies, and the `cpuid=` of xl and libxl.
//!
//! [`featureset`] names the bits as `xen-cpuid` does; [`xl::apply`] does with `cpuid=` what xl does.

mod cfglex;
pub mod config;
pub mod domain;
pub mod features;
pub mod featureset;
pub mod libxl;
pub mod lint;
mod lint_flags;
mod lint_lines;
pub mod mask;
pub mod policy;
pub mod pool;
pub mod read;
pub mod source;
pub mod suggest;
pub mod write;
pub mod xend;
pub mod xl;
pub mod xlcfg;

pub use config::CpuidConfig;
pub use domain::{CreateFailure, Domain, DomainType, HostPolicies, predict};
pub use features::{Feature, Features, StaticSet};
pub use featureset::Featureset;
pub use lint::{Circumstances, Finding, Severity, lint};
pub use policy::CpuPolicy;
pub use pool::{Because, Kind, Lost, PoolResult, pool};
pub use read::read;
pub use write::{write_list, write_string};
