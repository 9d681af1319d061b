//! What was meant by a name that libxl does not know: the same name spelled otherwise, a name of another
//! vocabulary, a CPU model, or the nearest name there is.

use crate::database::Database;
use crate::dialect::Dialect;
use crate::xen::features::Features;
use crate::xen::featureset::feature_of;
use crate::xen::libxl;

/// What was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// The key libxl knows.
    pub key: String,
    /// Why it is thought to be meant.
    pub why: String,
}

/// The key to write for a bit; `None` when libxl has no name for it.
#[must_use]
pub fn key_of(features: &Features, bit: crate::Bit) -> Option<&'static str> {
    // `clflush` is a feature's name, but libxl takes it for the size.
    let is_taken = |name: &&str| libxl::keys().iter().any(|key| key.name == *name);
    let named = feature_of(bit)
        .and_then(|feature| features.name(feature))
        .filter(|name| !is_taken(name));
    named.or_else(|| {
        let is = |key: &&libxl::Key| key.length == 1 && key.word().bit(u8::try_from(key.low).unwrap_or(0)) == bit;
        libxl::keys().iter().find(is).map(|key| key.name)
    })
}

/// Looks for what was meant by an unknown name.
#[must_use]
pub fn suggest(database: &Database, features: &Features, name: &str) -> Option<Suggestion> {
    let known = |name: &str| libxl::target(features, name).is_some();
    let plain = name.trim();
    if plain != name && known(plain) {
        return Some(Suggestion {
            key: plain.to_owned(),
            why: "blanks are part of the name for libxl".to_owned(),
        });
    }
    let lower = plain.to_ascii_lowercase();
    for spelling in [lower.clone(), lower.replace('_', "-"), lower.replace(['_', '.'], "-")] {
        if known(&spelling) {
            return Some(Suggestion {
                key: spelling,
                why: "libxl spells it so".to_owned(),
            });
        }
    }
    other_vocabulary(database, features, plain).or_else(|| nearest(features, &lower))
}

fn other_vocabulary(database: &Database, features: &Features, name: &str) -> Option<Suggestion> {
    let spellings = [
        name.to_owned(),
        name.to_ascii_lowercase(),
        name.replace('_', "-"),
        name.replace('-', "_"),
    ];
    for dialect in [
        Dialect::Libvirt,
        Dialect::Qemu,
        Dialect::Linux,
        Dialect::Sdm,
        Dialect::Apm,
    ] {
        for spelling in &spellings {
            let keys: Vec<&str> = database
                .lookup(dialect, spelling)
                .iter()
                .filter_map(|field| key_of(features, field.bit()?))
                .collect();
            if let [key] = keys[..] {
                return Some(Suggestion {
                    key: key.to_owned(),
                    why: format!("{} of {dialect}", spelling),
                });
            }
        }
    }
    None
}

fn nearest(features: &Features, name: &str) -> Option<Suggestion> {
    let names = features.names().map(|(name, _)| name);
    let all: Vec<&str> = names.chain(libxl::keys().iter().map(|key| key.name)).collect();
    let letters = |name: &str| name.replace(['-', '_', '.'], "");
    let wanted = letters(name);
    if let Some(key) = all.iter().find(|known| letters(known) == wanted) {
        return Some(Suggestion {
            key: (*key).to_owned(),
            why: "the same letters".to_owned(),
        });
    }
    let limit = match name.len() {
        0..=3 => 0,
        4..=6 => 1,
        _ => 2,
    };
    all.into_iter()
        .map(|known| (distance(name.as_bytes(), known.as_bytes()), known))
        .filter(|(distance, _)| (1..=limit).contains(distance))
        .min()
        .map(|(_, known)| Suggestion {
            key: known.to_owned(),
            why: "the nearest name".to_owned(),
        })
}

/// Insertions, deletions and replacements from one name to the other.
fn distance(a: &[u8], b: &[u8]) -> usize {
    if a.len().abs_diff(b.len()) > 4 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (above, from) in a.iter().enumerate() {
        let mut diagonal = above;
        let mut left = above.saturating_add(1);
        let mut next = vec![left];
        for (up, to) in row.iter().skip(1).zip(b) {
            let replaced = diagonal.saturating_add(usize::from(from != to));
            left = replaced.min(up.saturating_add(1)).min(left.saturating_add(1));
            diagonal = *up;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Option<String> {
        let database = Database::builtin();
        let features = Features::of(&database);
        suggest(&database, &features, name).map(|suggestion| suggestion.key)
    }

    #[test]
    fn names_spelled_otherwise_are_found() {
        for (name, expected) in [
            (" aes", "aes"),
            ("cmp_legacy", "cmp-legacy"),
            ("AVX2", "avx2"),
            ("sse42", "sse4-2"),
            ("npt", "svm_npt"),
            ("pclmuldq", "pclmulqdq"),
            ("pdpe1gb", "page1gb"),
            ("spec-ctrl", "ibrsb"),
            ("pni", "sse3"),
            ("avx512_vbmi", "avx512-vbmi"),
            ("hypervisr", "hypervisor"),
        ] {
            assert_eq!(key(name).as_deref(), Some(expected), "{name}");
        }
        assert_eq!(key("nosuchfeature"), None);
    }

    #[test]
    fn distance_counts_single_changes() {
        assert_eq!(distance(b"kitten", b"sitting"), 3);
        assert_eq!(distance(b"", b"ab"), 2);
        assert_eq!(distance(b"same", b"same"), 0);
    }
}
