//! The start of a function's lines: its address at the first column.

use super::super::function::Bdf;
use super::bytes::take;

/// What the first word of a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start<'a> {
    /// An address, and what follows it.
    Slot {
        /// The function.
        bdf: Bdf,
        /// The bridge above, in the path form of `lspci -PP`.
        parent: Option<Bdf>,
        /// The rest of the line behind one blank.
        rest: &'a [u8],
    },
    /// Meant as an address, but it cannot be one.
    Broken,
    /// Something else.
    Other,
}

/// Looks for an address at the first column.
pub(super) fn start(line: &[u8]) -> Start<'_> {
    let word = take(line, |byte| byte != b' ' && byte != b'\t');
    let rest = line.get(word.len()..).unwrap_or_default();
    let Some((b' ', rest)) = rest.split_first().map(|(first, rest)| (*first, rest)) else {
        return if looks_meant(word) { Start::Broken } else { Start::Other };
    };
    match path(word) {
        Some((bdf, parent)) => Start::Slot { bdf, parent, rest },
        None if looks_meant(word) => Start::Broken,
        None => Start::Other,
    }
}

/// An address alone, or the path `00:06.0/01:00.0/02:00.0` from the root bus down.
fn path(word: &[u8]) -> Option<(Bdf, Option<Bdf>)> {
    if word.len() > 800 {
        return None;
    }
    let mut steps = word.split(|byte| *byte == b'/');
    let top = address(steps.next()?)?;
    let mut walk = (top, None);
    for step in steps {
        let mut below = address(step)?;
        below.domain = top.domain;
        walk = (below, Some(walk.0));
    }
    Some(walk)
}

/// `[domain:]bus:device.function`, the domain with four digits or more.
pub(super) fn address(word: &[u8]) -> Option<Bdf> {
    let text = std::str::from_utf8(word).ok()?;
    let (front, _) = text.split_once('.')?;
    let well_formed = match front.split(':').collect::<Vec<_>>().as_slice() {
        [bus, device] => bus.len() == 2 && device.len() == 2,
        [domain, bus, device] => domain.len() >= 4 && bus.len() == 2 && device.len() == 2,
        _ => false,
    };
    if well_formed { text.parse().ok() } else { None }
}

/// Nearly an address: the shape with at most two wrong bytes, or an address run into a word.
fn looks_meant(word: &[u8]) -> bool {
    let near = |want: &[u8]| {
        let wrong = want.iter().zip(word).filter(|(want, byte)| match want {
            b'h' => !byte.is_ascii_hexdigit(),
            mark => mark != byte,
        });
        word.len() == want.len() && wrong.count() <= 2
    };
    let marked = word.iter().any(|byte| matches!(byte, b':' | b'.'));
    let inside = || word.len() <= 64 && word.windows(7).any(|part| address(part).is_some());
    marked
        && ([b"hh:hh.h".as_slice(), b"hhhh:hh:hh.h", b"hhhhh:hh:hh.h"]
            .into_iter()
            .any(near)
            || inside())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_words() {
        for good in ["3b:00.1 x", "0000:3b:00.1 x", "10000:01:00.0 x", "123456:01:00.0 x"] {
            assert!(matches!(start(good.as_bytes()), Start::Slot { .. }), "{good}");
        }
        for broken in [
            "3b:00.9 x",
            "3b:20.0 x",
            "3g:00.0 x",
            "3b:00.0",
            "3b:00.0PCI bridge",
            "0000:3b:3f.0 x",
        ] {
            assert_eq!(start(broken.as_bytes()), Start::Broken, "{broken}");
        }
        for other in [
            "root@host:~# lspci",
            "00: 86 80",
            "-[0000:00]-+-00.0",
            "Slot:",
            "",
            "README.md x",
            "#",
        ] {
            assert_eq!(start(other.as_bytes()), Start::Other, "{other}");
        }
    }

    #[test]
    fn a_path_names_the_bridge_above() {
        let Start::Slot { bdf, parent, rest } = start(b"0001:00:06.0/01:00.0/02:03.0 x y") else {
            panic!("no slot");
        };
        assert_eq!(bdf.to_string(), "0001:02:03.0");
        assert_eq!(parent.unwrap().to_string(), "0001:01:00.0");
        assert_eq!(rest, b"x y");
    }
}
