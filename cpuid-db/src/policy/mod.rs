//! What a pool of hosts can offer a guest, and why not more; and whether a guest can run on a pool.
//!
//! ```
//! use cpuid_db::{Database, formats, policy};
//! let db = Database::builtin();
//! let host = |name, ecx| {
//!     let text = format!("CPU 0:
//!    0x00000000 0x00: eax=0x00000001 ebx=0x756e6547 ecx=0x6c65746e edx=0x49656e69
//!    0x00000001 0x00: eax=0x00000633 ebx=0x00000000 ecx={ecx} edx=0x07000001
//! ");
//!     let (_, decoded) = formats::detect_and_parse(&text).unwrap();
//!     policy::Host::of(&db, name, &decoded.value).unwrap()
//! };
//! let hosts = [host("old", "0x00000001"), host("new", "0x00000201")];
//! let pool = policy::baseline(&db, &hosts, &policy::Options::default()).unwrap();
//! let lost: Vec<_> = pool.lost.iter().map(|lost| (lost.id, lost.why(&hosts))).collect();
//! assert_eq!(lost, [("ssse3", "not on old".to_owned())]);
//! ```

mod baseline;
mod check;
mod checks;
mod closure;
mod compare;
mod explain;
mod guest;
mod host;
mod lost;
mod nearest;
mod pool;
mod rules;
mod state;
mod warnings;

pub use baseline::{Baseline, Options, Refusal, Warning, baseline};
pub use check::{CheckOptions, Obstacle, Rule, Verdict, check, check_guest};
pub use closure::{Removed, Requirements, closure};
pub use compare::{Difference, Side, compare_results};
pub use guest::guest_of;
pub use host::{Asymmetry, Host};
pub use lost::{Lost, Reason};
pub(crate) use nearest::cost;
pub use nearest::{Nearness, nearest};
pub use pool::to_leaves;
pub use state::{Layout, Unequal};

pub(crate) use host::ranges;
pub(crate) use rules::is_ability;
