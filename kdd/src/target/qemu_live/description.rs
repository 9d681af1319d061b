//! The registers that a gdbstub has, from its description of the target (`target.xml` and what that includes;
//! "Debugging with GDB", appendix G).
//!
//! Of the XML only the tags `reg` and `xi:include` count.

/// A register in the answer to `g`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Register {
    /// Name: `rax`, `fs_base`.
    pub(super) name: String,
    /// Length in bytes.
    pub(super) length: usize,
    /// Number for `p` and `P`.
    pub(super) number: u32,
}

/// Registers that a description may have.
const LIMIT: usize = 4096;
/// Descriptions that may be included, one in the other.
const DEPTH: u32 = 4;

/// All registers in order of number; `fetch` gives the text of an annex.
pub(super) fn registers<E>(annex: &str, fetch: &mut dyn FnMut(&str) -> Result<String, E>) -> Result<Vec<Register>, E> {
    let mut registers = Vec::new();
    walk(annex, fetch, &mut registers, 0)?;
    registers.sort_by_key(|register| register.number);
    Ok(registers)
}

fn walk<E>(
    annex: &str,
    fetch: &mut dyn FnMut(&str) -> Result<String, E>,
    registers: &mut Vec<Register>,
    depth: u32,
) -> Result<(), E> {
    let text = fetch(annex)?;
    for tag in tags(&text) {
        if registers.len() >= LIMIT {
            break;
        }
        let mut words = tag.split_ascii_whitespace();
        match words.next() {
            Some("reg") => registers.extend(register(tag, registers.last())),
            Some("xi:include") if depth < DEPTH => {
                if let Some(annex) = attribute(tag, "href") {
                    walk(annex, fetch, registers, depth.saturating_add(1))?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn register(tag: &str, last: Option<&Register>) -> Option<Register> {
    let bits: usize = attribute(tag, "bitsize")?.parse().ok()?;
    let number = match attribute(tag, "regnum") {
        Some(number) => number.parse().ok()?,
        None => last.map_or(0, |last| last.number.saturating_add(1)),
    };
    Some(Register {
        name: attribute(tag, "name")?.to_owned(),
        length: bits.div_ceil(8).min(256),
        number,
    })
}

/// What stands between `<` and `>`, comments left out.
fn tags(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let (_, behind) = rest.split_once('<')?;
            if let Some(comment) = behind.strip_prefix("!--") {
                (_, rest) = comment.split_once("-->")?;
                continue;
            }
            let (tag, behind) = behind.split_once('>')?;
            rest = behind;
            return Some(tag);
        }
    })
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = tag;
    loop {
        let (before, behind) = rest.split_once(['"', '\''])?;
        let (value, behind) = behind.split_once(['"', '\''])?;
        let key = before.trim_end().strip_suffix('=').unwrap_or_default();
        if key
            .trim_end()
            .rsplit(|letter: char| letter.is_ascii_whitespace())
            .next()
            == Some(name)
        {
            return Some(value);
        }
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[(&str, &str)]) -> Vec<Register> {
        let mut fetch = |annex: &str| {
            let text = texts.iter().find(|(name, _)| *name == annex);
            text.map(|(_, text)| (*text).to_owned()).ok_or(())
        };
        registers("target.xml", &mut fetch).expect("all there")
    }

    #[test]
    fn registers_of_included_descriptions_are_read_and_comments_are_not() {
        let registers = read(&[
            (
                "target.xml",
                "<?xml version=\"1.0\"?><target><xi:include href=\"core.xml\"/></target>",
            ),
            (
                "core.xml",
                "<reg name=\"rax\" bitsize=\"64\" type=\"int64\" regnum=\"0\"/><!--reg name=\"cs_base\" \
                 bitsize=\"64\"/--><reg name='st0' bitsize='80'/><reg name=\"x\"/>",
            ),
        ]);
        let seen: Vec<_> = registers
            .iter()
            .map(|one| (one.name.as_str(), one.length, one.number))
            .collect();
        assert_eq!(seen, [("rax", 8, 0), ("st0", 10, 1)]);
    }

    #[test]
    fn description_that_includes_itself_ends() {
        let text = "<xi:include href=\"target.xml\"/><xi:include href=\"target.xml\"/>";
        assert!(read(&[("target.xml", text)]).is_empty());
    }
}
