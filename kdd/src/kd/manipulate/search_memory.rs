//! 3156 SearchMemory: u64 address at 16 (of the hit in the reply), u64 length at 24, u32 length of the pattern at
//! 32; the pattern follows. The whole pattern lies in the range. No hit is STATUS_NO_SUCH_FILE, and that is
//! what ends a debugger's `s`.
//!
//! Memory that is not there is skipped, page by page. A debugger may ask for the whole address space,
//! and a session must not stand still for minutes: after [`MOST_READ`] bytes that were searched, or
//! [`MOST_SKIPPED`] pages that were skipped, the answer is no hit. The time is linear in both, whatever
//! the pattern (Knuth, Morris, Pratt).

use crate::kd::debuggee::{Debuggee, Status};
use crate::memory::Gva;
use crate::memory::address::PAGE;

use super::Exchange;

/// Most bytes that one request searches.
const MOST_READ: u64 = 64 << 20;
/// Most pages that one request skips.
const MOST_SKIPPED: u64 = 1 << 18;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    let (start, length) = (exchange.address(16), exchange.u64(24));
    let pattern = exchange.data().get(..exchange.count(32));
    let pattern = pattern
        .filter(|pattern| !pattern.is_empty())
        .ok_or(Status::INVALID_PARAMETER)?;
    let hit = search(guest, exchange.processor(), start, length, pattern).ok_or(Status::NO_SUCH_FILE)?;
    exchange.put_address(16, hit);
    Ok(())
}

fn search(guest: &dyn Debuggee, processor: u16, start: Gva, length: u64, pattern: &[u8]) -> Option<Gva> {
    let mut matcher = Matcher::new(pattern);
    let (mut at, mut left) = (start, length);
    let (mut read, mut skipped) = (0u64, 0u64);
    let mut page = [0; 4096];
    while left > 0 && read < MOST_READ && skipped < MOST_SKIPPED {
        let rest = PAGE.saturating_sub(at.offset()).min(left);
        let buffer = page.get_mut(..usize::try_from(rest).ok()?)?;
        let done = guest.read_virtual(processor, at, buffer).min(buffer.len());
        if let Some(end) = matcher.feed(buffer.get(..done)?) {
            let end = at.0.checked_add(u64::try_from(end).ok()?)?;
            return Some(Gva(end.checked_sub(u64::try_from(pattern.len()).ok()?)?));
        }
        if done < buffer.len() {
            matcher.matched = 0;
            skipped = skipped.saturating_add(1);
        }
        read = read.saturating_add(u64::try_from(done).ok()?);
        at = Gva(at.0.checked_add(rest)?);
        left = left.saturating_sub(rest);
    }
    None
}

/// Finds a pattern in bytes that come in pieces.
struct Matcher<'a> {
    pattern: &'a [u8],
    /// For each length of a match, the length of the longest shorter one that ends at the same place.
    shorter: Vec<usize>,
    matched: usize,
}

impl<'a> Matcher<'a> {
    fn new(pattern: &'a [u8]) -> Self {
        let mut matcher = Self {
            pattern,
            shorter: vec![0, 0],
            matched: 0,
        };
        for byte in pattern.iter().skip(1) {
            matcher.step(*byte);
            matcher.shorter.push(matcher.matched);
        }
        matcher.matched = 0;
        matcher
    }

    fn step(&mut self, byte: u8) {
        loop {
            if self.pattern.get(self.matched) == Some(&byte) {
                self.matched = self.matched.saturating_add(1);
                return;
            }
            if self.matched == 0 {
                return;
            }
            self.matched = self.shorter.get(self.matched).copied().unwrap_or(0);
        }
    }

    /// The end of the first match, counted in these bytes.
    fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0usize;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if self.matched == 0 {
                let first = self.pattern.first()?;
                at = at.checked_add(rest.iter().position(|byte| byte == first)?)?;
            }
            self.step(*bytes.get(at)?);
            at = at.checked_add(1)?;
            if self.matched == self.pattern.len() {
                return Some(at);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The naive way, on random bytes of two values, cut at random places.
    #[test]
    fn match_is_the_first_one_wherever_the_pieces_end() {
        let mut state = 0x1234_5678_u32;
        let mut random = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as usize
        };
        for _ in 0..2000 {
            let bytes: Vec<u8> = (0..random() % 60).map(|_| (random() % 2) as u8).collect();
            let pattern: Vec<u8> = (0..1 + random() % 6).map(|_| (random() % 2) as u8).collect();
            let expected = bytes.windows(pattern.len()).position(|window| window == pattern);
            let cut = random() % (bytes.len() + 1);
            let mut matcher = Matcher::new(&pattern);
            let first = matcher.feed(&bytes[..cut]);
            let found = first.or_else(|| matcher.feed(&bytes[cut..]).map(|end| cut + end));
            assert_eq!(
                found.map(|end| end - pattern.len()),
                expected,
                "{bytes:?} {pattern:?} {cut}"
            );
        }
    }
}
