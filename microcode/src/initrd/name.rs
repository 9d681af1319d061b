//! Names in archives, which are bytes, and patterns for them.

use std::borrow::Cow;
use std::fmt::{self, Write};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

/// A path of an archive as its bytes are. Written, control characters and what is no UTF-8 stand as
/// `\x1b`, so that a name cannot write to a terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(pub Vec<u8>);

impl Name {
    /// Its bytes without what does not change the place in an archive: leading `/` and `./`,
    /// doubled and trailing `/`.
    #[must_use]
    pub fn clean(&self) -> Cow<'_, [u8]> {
        clean(&self.0)
    }
}

/// See [`Name::clean`].
pub(super) fn clean(path: &[u8]) -> Cow<'_, [u8]> {
    let simple = |part: &[u8]| !part.is_empty() && part != b".";
    if path.split(|byte| *byte == b'/').all(simple) {
        return Cow::Borrowed(path);
    }
    let mut parts = path.split(|byte| *byte == b'/').filter(|part| simple(part));
    let mut all = parts.next().unwrap_or_default().to_vec();
    for part in parts {
        all.push(b'/');
        all.extend_from_slice(part);
    }
    Cow::Owned(all)
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                if character.is_control() {
                    let mut units = [0; 4];
                    for byte in character.encode_utf8(&mut units).bytes() {
                        write!(f, "\\x{byte:02x}")?;
                    }
                } else {
                    f.write_char(character)?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

/// A choice of paths: a path and all below it, or with `*`, `?` or `[` a pattern for whole paths
/// in which `*` matches `/` too, as in `cpio` and `3cpio`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<u8>);

impl Pattern {
    /// The pattern of this text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(clean(text.as_bytes()).into_owned())
    }

    /// It takes this path.
    #[must_use]
    pub fn matches(&self, name: &Name) -> bool {
        let path = name.clean();
        if self.0.iter().any(|byte| b"*?[".contains(byte)) {
            return glob(&self.0, &path);
        }
        let below = path.strip_prefix(self.0.as_slice());
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/") || self.0.is_empty())
    }
}

/// Shell pattern against a whole path. Goes back to the last `*` only, so time is at most the
/// product of the lengths.
fn glob(pattern: &[u8], path: &[u8]) -> bool {
    let (mut want, mut have) = (pattern, path);
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        let next = match want.split_first() {
            Some((b'*', rest)) => {
                star = Some((rest, have));
                want = rest;
                continue;
            }
            Some(_) => one(want, have),
            None if have.is_empty() => return true,
            None => None,
        };
        if let Some(rests) = next {
            (want, have) = rests;
            continue;
        }
        let Some((rest, [_, shorter @ ..])) = star else {
            return false;
        };
        star = Some((rest, shorter));
        (want, have) = (rest, shorter);
    }
}

/// The rests of both behind one byte of the path that the pattern takes.
fn one<'a>(want: &'a [u8], have: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (byte, have) = have.split_first()?;
    let (first, rest) = want.split_first()?;
    match first {
        b'?' => Some((rest, have)),
        b'[' => match class(rest, *byte) {
            Some((true, rest)) => Some((rest, have)),
            Some((false, _)) => None,
            None => (*byte == b'[').then_some((rest, have)),
        },
        b'\\' => {
            let (escaped, rest) = rest.split_first()?;
            (escaped == byte).then_some((rest, have))
        }
        _ => (first == byte).then_some((rest, have)),
    }
}

/// Whether a class, whose `[` is taken, has the byte, and what follows it; `None` without `]`.
fn class(pattern: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let inverted = matches!(pattern.first(), Some(b'!' | b'^'));
    let mut rest = pattern.get(usize::from(inverted)..)?;
    let mut taken = false;
    let mut first = true;
    loop {
        rest = match rest {
            [b']', rest @ ..] if !first => return Some((taken != inverted, rest)),
            [low, b'-', high, rest @ ..] if *high != b']' => {
                taken |= (*low..=*high).contains(&byte);
                rest
            }
            [single, rest @ ..] => {
                taken |= *single == byte;
                rest
            }
            [] => return None,
        };
        first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name(text.as_bytes().to_vec())
    }

    #[test]
    fn dots_and_slashes_before_a_path_do_not_count() {
        assert_eq!(&*name("./init").clean(), b"init");
        assert_eq!(&*name("//usr/./lib//x/").clean(), b"usr/lib/x");
        assert_eq!(&*name(".").clean(), b"");
        assert_eq!(&*name("a/../b").clean(), b"a/../b");
    }

    #[test]
    fn a_name_cannot_write_to_the_terminal() {
        let name = Name(b"a\x1b[2J\xff\xc3\xa9\n".to_vec());
        assert_eq!(name.to_string(), "a\\x1b[2J\\xff\u{e9}\\x0a");
    }

    #[test]
    fn a_path_takes_what_is_below_it() {
        let pattern = Pattern::new("/usr/lib/");
        assert!(pattern.matches(&name("usr/lib")));
        assert!(pattern.matches(&name("./usr/lib/modules/x")));
        assert!(!pattern.matches(&name("usr/lib64")));
        assert!(Pattern::new(".").matches(&name("etc/fstab")));
    }

    #[test]
    fn stars_match_slashes() {
        let takes = |pattern: &str, path: &str| Pattern::new(pattern).matches(&name(path));
        assert!(takes("kernel/*.bin", "kernel/x86/microcode/GenuineIntel.bin"));
        assert!(takes("*", "anything"));
        assert!(takes("etc/?[a-c!]t[!x]b", "etc/fatab"));
        assert!(!takes("etc/?[a-c!]t[!x]b", "etc/fatxb"));
        assert!(takes("a[", "a[") && takes("[]]*", "]x") && takes("a\\*[b]", "a*b"));
        assert!(!takes("*.bin", "bin.b"));
    }

    #[test]
    fn many_stars_end_soon() {
        let pattern = Pattern::new(&"*a".repeat(2000));
        assert!(!pattern.matches(&name(&"a".repeat(1999))));
    }
}
