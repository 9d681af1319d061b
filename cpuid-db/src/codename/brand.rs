//! Brand strings: patterns of the table, and the class a processor is sold in.

/// The brand without marks of ownership, the word CPU and repeated blanks; lower case.
pub(crate) fn plain(brand: &str) -> String {
    let lower = brand.to_lowercase();
    let mut plain = lower;
    for mark in ["(r)", "(tm)", "®", "™"] {
        plain = plain.replace(mark, "");
    }
    let words: Vec<&str> = plain
        .split_whitespace()
        .filter(|word| !matches!(*word, "cpu" | "processor" | "apu"))
        .collect();
    words.join(" ")
}

/// Whether a brand, as [`plain`] makes it, contains a pattern: `#` is a digit, `[…]` one of some characters.
///
/// A pattern begins at the start of a word or number, and one that ends in a digit is not followed by another.
pub(crate) fn fits(pattern: &str, brand: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let text: Vec<char> = brand.chars().collect();
    (0..text.len()).any(|start| {
        let before = start.checked_sub(1).and_then(|index| text.get(index));
        let begins = !before.is_some_and(|c| c.is_alphanumeric());
        begins && text.get(start..).is_some_and(|rest| matches(&pattern, rest))
    })
}

fn matches(pattern: &[char], text: &[char]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    let mut digit = false;
    while let Some((first, rest)) = pattern.split_first() {
        let Some((seen, after)) = text.split_first() else {
            return false;
        };
        let (good, next) = match first {
            '#' => (seen.is_ascii_digit(), rest),
            '[' => {
                let end = rest.iter().position(|&c| c == ']').unwrap_or(rest.len());
                let (set, tail) = rest.split_at(end);
                (set.contains(seen), tail.get(1..).unwrap_or_default())
            }
            literal => (literal == seen, rest),
        };
        if !good {
            return false;
        }
        digit = seen.is_ascii_digit();
        pattern = next;
        text = after;
    }
    !(digit && text.first().is_some_and(char::is_ascii_digit))
}

/// Names processors are sold under, longest of one beginning first; `#` is a digit that stays.
const CLASSES: &[&str] = &[
    "Xeon Phi",
    "Xeon Platinum",
    "Xeon Gold",
    "Xeon Silver",
    "Xeon Bronze",
    "Xeon Max",
    "Xeon E#",
    "Xeon E",
    "Xeon D",
    "Xeon W",
    "Xeon w#",
    "Xeon #",
    "Xeon MP",
    "Xeon",
    "Core Ultra #",
    "Core Ultra X#",
    "Core #",
    "Core i#",
    "Core m#",
    "Core M",
    "Core2 Quad",
    "Core2 Duo",
    "Core2 Solo",
    "Core2 Extreme",
    "Core2",
    "Core Duo",
    "Core Solo",
    "Pentium Gold",
    "Pentium Silver",
    "Pentium Dual-Core",
    "Pentium Dual",
    "Pentium Extreme Edition",
    "Pentium III",
    "Pentium II",
    "Pentium 4 - M",
    "Pentium 4",
    "Pentium M",
    "Pentium D",
    "Pentium Pro",
    "Pentium",
    "Celeron M",
    "Celeron D",
    "Celeron",
    "Atom x#",
    "Atom",
    "Ryzen Threadripper PRO",
    "Ryzen Threadripper",
    "Ryzen AI MAX+ PRO",
    "Ryzen AI MAX+",
    "Ryzen AI MAX PRO",
    "Ryzen AI MAX",
    "Ryzen AI # HX PRO",
    "Ryzen AI # PRO",
    "Ryzen AI #",
    "Ryzen # PRO",
    "Ryzen PRO #",
    "Ryzen #",
    "Ryzen Embedded",
    "Ryzen Z#",
    "EPYC",
    "Opteron",
    "Phenom II X#",
    "Phenom II",
    "Phenom",
    "Athlon II X#",
    "Athlon II",
    "Athlon X#",
    "Athlon 64 X#",
    "Athlon 64 FX",
    "Athlon 64",
    "Athlon XP-M",
    "Athlon XP",
    "Athlon MP",
    "Athlon",
    "Mobile AMD Sempron",
    "Sempron",
    "Turion 64 X#",
    "Turion 64",
    "Turion X#",
    "Turion",
    "Mobile AMD Duron",
    "Duron",
    "FX",
    "Geode",
    "Hygon C86",
    "VIA C7-M",
    "VIA C7",
    "VIA Nano",
    "VIA Eden",
    "ZHAOXIN KaiXian",
    "ZHAOXIN KaisHeng",
];

/// The class a brand string tells.
pub(crate) fn class(brand: &str) -> Option<String> {
    let text: Vec<char> = brand.chars().collect();
    let mut best: Option<(usize, usize, String)> = None;
    for class in CLASSES {
        let pattern: Vec<char> = class.to_lowercase().chars().collect();
        let found = (0..text.len()).find(|&start| {
            let before = start.checked_sub(1).and_then(|index| text.get(index));
            let after = text.get(start.saturating_add(pattern.len()));
            !before.is_some_and(|c| c.is_alphanumeric())
                && !after.is_some_and(|c| c.is_alphanumeric())
                && text.get(start..).is_some_and(|rest| matches(&pattern, rest))
        });
        let Some(start) = found else {
            continue;
        };
        let seen: String = class
            .chars()
            .zip(text.iter().skip(start))
            .map(|(c, seen)| if c == '#' { *seen } else { c })
            .collect();
        let better = best.as_ref().is_none_or(|(at, length, _)| {
            (start, std::cmp::Reverse(pattern.len())) < (*at, std::cmp::Reverse(*length))
        });
        if better {
            best = Some((start, pattern.len(), seen));
        }
    }
    best.map(|(_, _, class)| class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_blanks_do_not_count() {
        assert_eq!(
            plain("Intel(R) Core(TM)2 Duo CPU     E6750  @ 2.66GHz"),
            "intel core2 duo e6750 @ 2.66ghz"
        );
    }

    #[test]
    fn a_pattern_begins_with_a_word_and_counts_all_digits() {
        assert!(fits("i#-7###X", "intel core i7-7740x @ 4.30ghz"));
        assert!(!fits("i#-7###X", "intel core i7-7700k"));
        assert!(!fits("N#5", "intel n355"), "more digits follow");
        assert!(fits("N#5#", "intel core 3 n355"));
        assert!(fits("8###[HU]", "amd ryzen 7 8845hs"));
        assert!(!fits("845", "amd ryzen 7 8845hs"));
    }

    #[test]
    fn the_longest_class_is_taken() {
        let of = |brand: &str| class(&plain(brand)).unwrap_or_default();
        assert_eq!(of("Intel(R) Xeon(R) Gold 6130 CPU @ 2.10GHz"), "Xeon Gold");
        assert_eq!(of("AMD Ryzen 9 PRO 3900 12-Core Processor"), "Ryzen 9 PRO");
        assert_eq!(of("Intel(R) Core(TM) Ultra 5 125H"), "Core Ultra 5");
        assert_eq!(of("Genuine Intel(R) CPU 0000"), "");
    }
}
