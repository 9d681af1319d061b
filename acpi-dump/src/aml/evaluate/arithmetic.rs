//! Operators on integers, of which any may be unknown. ACPI 6.5, section 19.6.

use super::super::opcode::Op;
use super::machine::{Machine, Step, failed};
use super::state::is_logical;
use super::symbol::{Part, SymbolId};

impl Machine<'_> {
    /// The result of an operator; of unknown operands an unknown one, except where any would give the same.
    pub(super) fn arithmetic(&mut self, op: Op, first: Part, second: Part) -> Step<Part> {
        let ones = self.setup.ones;
        let truth = |truth: bool| if truth { ones } else { 0 };
        Ok(match (first, second) {
            (Part::Number(one), Part::Number(two)) => {
                if two == 0 && matches!(op, Op::Divide | Op::Mod) {
                    return failed("a division by zero");
                }
                Part::Number(numbers(op, one, two, ones) & ones)
            }
            (Part::Number(one), Part::None) => Part::Number(alone(op, one, ones)? & ones),
            (Part::Symbol(_), Part::Number(known)) | (Part::Number(known), Part::Symbol(_)) => {
                let right = matches!(second, Part::Number(_));
                match (op, known) {
                    (Op::And | Op::Multiply | Op::LAnd, 0) => Part::Number(0),
                    (Op::NAnd, 0) => Part::Number(ones),
                    (Op::Or, known) if known == ones => Part::Number(ones),
                    (Op::NOr, known) if known == ones => Part::Number(0),
                    (Op::LOr, known) if known != 0 => Part::Number(ones),
                    (Op::ShiftLeft | Op::ShiftRight, known) if right && known >= 64 => Part::Number(0),
                    (Op::ShiftLeft | Op::ShiftRight, 0) if !right => Part::Number(0),
                    (Op::Mod, 1) if right => Part::Number(0),
                    (Op::Mod | Op::Divide, 0) if right => return failed("a division by zero"),
                    (Op::LLess, 0) if right => Part::Number(0),
                    (Op::LGreater, 0) if !right => Part::Number(0),
                    // Nothing changes.
                    (Op::Add | Op::Or | Op::XOr, 0) => {
                        first.symbol().or(second.symbol()).map_or(Part::None, Part::Symbol)
                    }
                    (Op::Subtract | Op::ShiftLeft | Op::ShiftRight, 0) if right => first,
                    (Op::And, known) if known == ones => {
                        first.symbol().or(second.symbol()).map_or(Part::None, Part::Symbol)
                    }
                    _ => Part::Symbol(self.symbols.apply(op, first, second)),
                }
            }
            (Part::Symbol(one), Part::Symbol(two)) if one == two => match op {
                Op::XOr | Op::Subtract => Part::Number(0),
                Op::LEqual => Part::Number(truth(true)),
                Op::LGreater | Op::LLess => Part::Number(0),
                Op::And | Op::Or => first,
                _ => Part::Symbol(self.symbols.apply(op, first, second)),
            },
            (Part::Symbol(one), Part::None) if op == Op::LNot => self.negated(one),
            (Part::Symbol(_), _) => Part::Symbol(self.symbols.apply(op, first, second)),
            (Part::None, _) => return failed("an operator without operands"),
        })
    }

    /// `LNot` of `LNot` of something logical is that again.
    fn negated(&mut self, symbol: SymbolId) -> Part {
        use super::symbol::Symbol;
        if let Some(Symbol::Apply(Op::LNot, Part::Symbol(inner), _)) = self.symbols.get(symbol)
            && let Some(Symbol::Apply(op, ..)) = self.symbols.get(inner)
            && is_logical(op)
        {
            return Part::Symbol(inner);
        }
        Part::Symbol(self.symbols.apply(Op::LNot, Part::Symbol(symbol), Part::None))
    }
}

fn numbers(op: Op, one: u64, two: u64, ones: u64) -> u64 {
    let truth = |truth: bool| if truth { ones } else { 0 };
    let shift = u32::try_from(two).unwrap_or(u32::MAX);
    match op {
        Op::Add => one.wrapping_add(two),
        Op::Subtract => one.wrapping_sub(two),
        Op::Multiply => one.wrapping_mul(two),
        Op::Divide => one.checked_div(two).unwrap_or_default(),
        Op::Mod => one.checked_rem(two).unwrap_or_default(),
        Op::ShiftLeft => one.checked_shl(shift).unwrap_or_default(),
        Op::ShiftRight => one.checked_shr(shift).unwrap_or_default(),
        Op::And => one & two,
        Op::NAnd => !(one & two),
        Op::Or => one | two,
        Op::NOr => !(one | two),
        Op::XOr => one ^ two,
        Op::LAnd => truth(one != 0 && two != 0),
        Op::LOr => truth(one != 0 || two != 0),
        Op::LEqual => truth(one == two),
        Op::LGreater => truth(one > two),
        _ => truth(one < two),
    }
}

fn alone(op: Op, one: u64, ones: u64) -> Step<u64> {
    Ok(match op {
        Op::LNot => {
            if one == 0 {
                ones
            } else {
                0
            }
        }
        Op::Not => !one,
        Op::FindSetLeftBit => u64::from(one.checked_ilog2().map_or(0, |bit| bit.saturating_add(1))),
        Op::FindSetRightBit if one == 0 => 0,
        Op::FindSetRightBit => u64::from(one.trailing_zeros()).saturating_add(1),
        Op::FromBCD => (0..16_u32).rev().try_fold(0_u64, |number, digit| {
            let digit = one >> digit.saturating_mul(4) & 0x0f;
            if digit > 9 {
                failed("FromBCD of no decimal digits")
            } else {
                Ok(number.wrapping_mul(10).wrapping_add(digit))
            }
        })?,
        _ => {
            let mut left = one;
            let mut number: u64 = 0;
            for digit in 0..16_u32 {
                number |= (left % 10) << digit.saturating_mul(4);
                left /= 10;
            }
            if left > 0 {
                return failed("ToBCD of a number of more than 16 digits");
            }
            number
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_counted_from_one_and_decimal_digits_packed() {
        let ones = u64::MAX;
        assert_eq!(alone(Op::FindSetLeftBit, 0x80, ones), Ok(8));
        assert_eq!(alone(Op::FindSetRightBit, 0x80, ones), Ok(8));
        assert_eq!(
            (alone(Op::FindSetLeftBit, 0, ones), alone(Op::FindSetRightBit, 0, ones)),
            (Ok(0), Ok(0))
        );
        assert_eq!(
            (alone(Op::ToBCD, 1234, ones), alone(Op::FromBCD, 0x1234, ones)),
            (Ok(0x1234), Ok(1234))
        );
        assert!(alone(Op::FromBCD, 0x1a, ones).is_err());
    }

    #[test]
    fn shifts_by_all_bits_give_zero() {
        assert_eq!(numbers(Op::ShiftLeft, 1, 64, u64::MAX), 0);
        assert_eq!(numbers(Op::ShiftRight, u64::MAX, u64::MAX, u64::MAX), 0);
    }
}
