//! The 32 bits in groups of four, and leader lines from bits down to lines of text.

/// Columns of the bits: eight groups of four with a blank between.
pub(super) const WIDTH: usize = 39;

/// Columns of the whole drawing; text stands behind it.
pub(super) const INDENT: usize = WIDTH + 4;

/// Column of a bit.
fn column(bit: u8) -> usize {
    let left = usize::from(31_u8.saturating_sub(bit));
    left.saturating_add(left / 4)
}

/// Field from a high to a low bit, to which lines belong.
pub(super) struct Leader {
    pub(super) high: u8,
    pub(super) low: u8,
}

/// Characters of the drawing.
struct Pen {
    down: char,
    corner: char,
    tee: char,
    across: char,
    left: char,
    right: char,
}

const LINES: Pen = Pen {
    down: '│',
    corner: '└',
    tee: '├',
    across: '─',
    left: '└',
    right: '┤',
};

const ASCII: Pen = Pen {
    down: '|',
    corner: '`',
    tee: '+',
    across: '-',
    left: '`',
    right: '+',
};

/// Draws leaders of one word, lowest bit first.
pub(super) struct Diagram {
    leaders: Vec<Leader>,
    pen: &'static Pen,
}

impl Diagram {
    /// For these fields, by ascending lowest bit.
    pub(super) fn new(leaders: Vec<Leader>, ascii: bool) -> Self {
        Self {
            leaders,
            pen: if ascii { &ASCII } else { &LINES },
        }
    }

    /// Number of the first bit of each group, and of the last bit.
    pub(super) fn numbers(first_bit: u8) -> String {
        let mut line = String::new();
        for group in (1..8_u8).rev() {
            let high = first_bit.saturating_add(group.saturating_mul(4)).saturating_add(3);
            line.push_str(&format!("{high:<5}"));
        }
        let high = first_bit.saturating_add(3);
        line.push_str(&format!("{high:<2}{first_bit:>2}"));
        line
    }

    /// The bits, or dots without a value.
    pub(super) fn bits(value: Option<u32>) -> String {
        let mut line = String::new();
        for bit in (0..32_u32).rev() {
            line.push(match value {
                Some(value) if value >> bit & 1 == 1 => '1',
                Some(_) => '0',
                None => '.',
            });
            if bit % 4 == 0 && bit > 0 {
                line.push(' ');
            }
        }
        line
    }

    fn blank() -> Vec<char> {
        vec![' '; INDENT]
    }

    /// The line under the bits: a bracket under fields of several bits.
    pub(super) fn brackets(&self) -> String {
        let mut line = Self::blank();
        for leader in &self.leaders {
            let (from, to) = (column(leader.high), column(leader.low));
            for (at, slot) in line.iter_mut().enumerate() {
                if leader.high == leader.low && at == to {
                    *slot = self.pen.down;
                } else if leader.high != leader.low && (from..=to).contains(&at) {
                    *slot = match at {
                        _ if at == from => self.pen.left,
                        _ if at == to => self.pen.right,
                        _ => self.pen.across,
                    };
                }
            }
        }
        finish(line)
    }

    /// The drawing before the first line of the text of a field.
    pub(super) fn first(&self, index: usize) -> String {
        let mut line = self.above(index);
        let Some(leader) = self.leaders.get(index) else {
            return finish(line);
        };
        let shared = self
            .leaders
            .iter()
            .skip(index.saturating_add(1))
            .any(|other| other.low == leader.low);
        let at = column(leader.low);
        for (column, slot) in line.iter_mut().enumerate() {
            if column == at {
                *slot = if shared { self.pen.tee } else { self.pen.corner };
            } else if column > at && column < INDENT.saturating_sub(1) {
                *slot = self.pen.across;
            }
        }
        line.into_iter().collect()
    }

    /// The drawing before a further line of the text of a field.
    pub(super) fn further(&self, index: usize) -> String {
        self.above(index).into_iter().collect()
    }

    /// Leaders of the fields behind `index`.
    fn above(&self, index: usize) -> Vec<char> {
        let mut line = Self::blank();
        for leader in self.leaders.iter().skip(index.saturating_add(1)) {
            if let Some(slot) = line.get_mut(column(leader.low)) {
                *slot = self.pen.down;
            }
        }
        line
    }
}

fn finish(line: Vec<char>) -> String {
    line.into_iter().collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_stand_in_groups_of_four() {
        assert_eq!(
            Diagram::bits(Some(0x8000_0005)),
            "1000 0000 0000 0000 0000 0000 0000 0101"
        );
        assert_eq!(Diagram::numbers(0), "31   27   23   19   15   11   7    3  0");
        assert_eq!(Diagram::numbers(32).len(), WIDTH);
    }

    #[test]
    fn leaders_go_from_their_bits_to_the_text() {
        let leaders = vec![
            Leader { high: 0, low: 0 },
            Leader { high: 7, low: 4 },
            Leader { high: 31, low: 31 },
        ];
        let diagram = Diagram::new(leaders, false);
        let blanks = |n: usize| " ".repeat(n);
        assert_eq!(diagram.brackets(), format!("│{}└──┤    │", blanks(29)));
        assert_eq!(diagram.first(0), format!("│{}│    └─── ", blanks(32)));
        assert_eq!(diagram.first(1), format!("│{}└──────── ", blanks(32)));
        assert_eq!(diagram.further(1), format!("│{}", blanks(42)));
        assert_eq!(diagram.first(2), format!("└{} ", "─".repeat(41)));
    }
}
