//! Options on the kernel command line, as two parsers of the kernel read them: the early one
//! (`arch/x86/lib/cmdline.c`: words parted by white space, no quotes, `=` as it stands) and the one
//! of module parameters (`kernel/params.c`: quotes, `-` and `_` alike, an end at `--`).

/// Whether `word` stands alone somewhere (`cmdline_find_option_bool`).
pub(super) fn has_word(line: &str, word: &str) -> bool {
    line.split(is_space).any(|given| given == word)
}

/// The value of the last `option=value` (`cmdline_find_option`).
pub(super) fn value<'a>(line: &'a str, option: &str) -> Option<&'a str> {
    let values = line.split(is_space);
    let mut values = values.filter_map(|given| given.strip_prefix(option)?.strip_prefix('='));
    values.next_back()
}

fn is_space(letter: char) -> bool {
    letter <= ' '
}

/// The last valid setting of a module parameter that is on or off (`param_set_bool`): without a
/// value it is on.
pub(super) fn switch(line: &str, name: &str) -> Option<bool> {
    let mut state = None;
    for argument in arguments(line) {
        if argument == "--" {
            break;
        }
        let (given, value) = match argument.split_once('=') {
            Some((given, value)) => (given, Some(value)),
            None => (argument.as_str(), None),
        };
        if given.replace('-', "_") != name {
            continue;
        }
        match value.map(str::as_bytes) {
            None | Some([b'y' | b'Y' | b't' | b'T' | b'1', ..] | [b'o' | b'O', b'n' | b'N', ..]) => state = Some(true),
            Some([b'n' | b'N' | b'f' | b'F' | b'0', ..] | [b'o' | b'O', b'f' | b'F', ..]) => state = Some(false),
            Some(_) => {}
        }
    }
    state
}

/// Arguments parted by white space outside of quotes, without the quotes.
fn arguments(line: &str) -> Vec<String> {
    let mut list = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '"' => quoted = !quoted,
            _ if letter.is_ascii_whitespace() && !quoted => list.push(String::new()),
            _ => {
                if let Some(last) = list.last_mut() {
                    last.push(letter);
                }
            }
        }
    }
    list.retain(|argument| !argument.is_empty());
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_stands_alone() {
        assert!(has_word("ro dis_ucode_ldr quiet", "dis_ucode_ldr"));
        assert!(has_word("dis_ucode_ldr\n", "dis_ucode_ldr"));
        for line in [
            "",
            "dis_ucode_ldr=1",
            "xdis_ucode_ldr",
            "dis_ucode_ldrx",
            "a=\"dis_ucode_ldr\"",
        ] {
            assert!(!has_word(line, "dis_ucode_ldr"), "{line}");
        }
    }

    #[test]
    fn last_value_counts() {
        assert_eq!(value("a=1 b=2 a=3", "a"), Some("3"));
        assert_eq!(value("a b=2 aa=3", "a"), None);
    }

    #[test]
    fn switches_are_read_as_module_parameters_are() {
        let name = "microcode.force_minrev";
        let read = |line| switch(line, name);
        assert_eq!(read("quiet"), None);
        assert_eq!(read("microcode.force_minrev"), Some(true));
        assert_eq!(read("microcode.force-minrev=Y"), Some(true));
        assert_eq!(
            read("microcode.force_minrev=on microcode.force_minrev=off"),
            Some(false)
        );
        assert_eq!(
            read("microcode.force_minrev=0 microcode.force_minrev=what"),
            Some(false)
        );
        assert_eq!(read("microcode.force_minrev=\"1\""), Some(true));
        assert_eq!(read("-- microcode.force_minrev=1"), None);
    }
}
