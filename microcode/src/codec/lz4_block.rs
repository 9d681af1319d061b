//! LZ4 blocks (`lz4_Block_format.md` of LZ4), unpacked piece by piece.
//!
//! A block of the legacy format has 8 MiB. It is not kept whole, neither packed nor unpacked: only
//! the 64 KiB that a match can go back to are, and what of a damaged block came before the damage
//! comes out.

use std::io::{self, BufRead};

use super::{damaged, peek};

/// Bytes that a match can go back, at most.
const HISTORY: usize = 64 << 10;

/// Unpacked bytes of one piece, at most.
const PIECE: usize = 192 << 10;

/// Bytes that the fast copies may write behind what they are to write.
const SLACK: usize = 64;

/// A sequence with fewer literals than this and a short match is copied in one go.
const SHORT: usize = 16;

/// The window and what of a sequence is still to do.
pub(super) struct Unpacker {
    window: Box<[u8]>,
    /// Bytes of the window before this one were handed out.
    given: usize,
    /// Bytes of the window before this one are unpacked.
    end: usize,
    /// The oldest byte of the window that a match may go back to.
    oldest: usize,
    todo: Todo,
}

/// What comes next.
#[derive(Clone, Copy)]
enum Todo {
    Token,
    Literals { left: usize, match_nibble: u8 },
    Match { left: usize, distance: usize },
}

impl Unpacker {
    pub(super) fn new() -> Self {
        Self {
            window: vec![0; HISTORY + PIECE + SLACK].into_boxed_slice(),
            given: 0,
            end: 0,
            oldest: 0,
            todo: Todo::Token,
        }
    }

    /// Begins a block. Matches of a linked block go back into the blocks before it.
    pub(super) fn begin(&mut self, linked: bool) {
        self.todo = Todo::Token;
        if !linked {
            self.oldest = self.end;
        }
    }

    /// Bytes that were unpacked and not yet handed out.
    pub(super) fn unpacked(&self) -> &[u8] {
        self.window.get(self.given..self.end).unwrap_or_default()
    }

    /// Hands out bytes.
    pub(super) fn consume(&mut self, count: usize) {
        self.given = self.given.saturating_add(count).min(self.end);
    }

    /// Takes back the last bytes.
    pub(super) fn forget(&mut self, count: usize) {
        self.end = self.end.saturating_sub(count).max(self.given);
    }

    /// Nothing of a sequence is left to do.
    pub(super) fn at_token(&self) -> bool {
        matches!(self.todo, Todo::Token)
    }

    /// Room for unpacked bytes, once all were handed out.
    fn make_room(&mut self) {
        if self.given == self.end && self.end >= HISTORY + PIECE / 2 {
            let from = self.end.saturating_sub(HISTORY);
            self.window.copy_within(from..self.end, 0);
            self.oldest = self.oldest.saturating_sub(from);
            self.end = self.end.saturating_sub(from);
            self.given = self.end;
        }
    }

    fn room(&self) -> usize {
        (HISTORY + PIECE).saturating_sub(self.end)
    }

    /// Takes unpacked bytes as they are.
    pub(super) fn store<R: BufRead>(&mut self, source: &mut R, left: &mut usize) -> io::Result<()> {
        self.make_room();
        while *left > 0 && self.room() > 0 {
            let count = self.literals(source, *left, left)?;
            debug_assert!(count > 0, "an error is said at the end of the source");
        }
        Ok(())
    }

    /// Unpacks until the window is full or `left`, the packed bytes of the block, is zero. An error
    /// stands for bytes behind [`unpacked`](Self::unpacked).
    pub(super) fn run<R: BufRead>(&mut self, source: &mut R, left: &mut usize) -> io::Result<()> {
        self.make_room();
        while self.room() > 0 {
            match self.todo {
                Todo::Token if *left == 0 => return Ok(()),
                Todo::Token => {
                    let input = source.fill_buf()?;
                    let input = input.get(..*left).unwrap_or(input);
                    let before = input.len();
                    let rest = fast(&mut self.window, &mut self.end, self.oldest, input).len();
                    let taken = before.saturating_sub(rest);
                    source.consume(taken);
                    *left = left.saturating_sub(taken);
                    if *left > 0 {
                        self.token(source, left)?;
                    }
                }
                Todo::Literals { left: 0, match_nibble } => {
                    if *left == 0 {
                        self.todo = Todo::Token;
                        return Ok(());
                    }
                    self.todo = self.a_match(source, match_nibble, left)?;
                }
                Todo::Literals {
                    left: more,
                    match_nibble,
                } => {
                    let count = self.literals(source, more, left)?;
                    self.todo = Todo::Literals {
                        left: more.saturating_sub(count),
                        match_nibble,
                    };
                }
                Todo::Match { left: 0, .. } => {
                    if *left == 0 {
                        return Err(damaged("an lz4 block ends with a match, expected literals"));
                    }
                    self.todo = Todo::Token;
                }
                Todo::Match { left: more, distance } => {
                    let count = more.min(self.room());
                    repeat(&mut self.window, self.end, distance, count);
                    self.end = self.end.saturating_add(count);
                    self.todo = Todo::Match {
                        left: more.saturating_sub(count),
                        distance,
                    };
                }
            }
        }
        Ok(())
    }

    /// Reads a token and the number of its literals.
    fn token<R: BufRead>(&mut self, source: &mut R, left: &mut usize) -> io::Result<()> {
        let token = byte(source, left)?;
        let mut literals = usize::from(token >> 4);
        if literals == 15 {
            literals = literals.saturating_add(more(source, left)?);
        }
        self.todo = Todo::Literals {
            left: literals,
            match_nibble: token & 15,
        };
        Ok(())
    }

    /// Reads the distance and length of a match.
    fn a_match<R: BufRead>(&mut self, source: &mut R, nibble: u8, left: &mut usize) -> io::Result<Todo> {
        let low = byte(source, left)?;
        let distance = usize::from(u16::from_le_bytes([low, byte(source, left)?]));
        let known = self.end.saturating_sub(self.oldest);
        if distance == 0 || distance > known {
            return Err(damaged(format!(
                "an lz4 match goes back {distance} bytes, expected 1 to {known}"
            )));
        }
        let mut length = usize::from(nibble);
        if length == 15 {
            length = length.saturating_add(more(source, left)?);
        }
        Ok(Todo::Match {
            left: length.saturating_add(4),
            distance,
        })
    }

    /// Copies literals, as many as there are at once and as there is room for.
    fn literals<R: BufRead>(&mut self, source: &mut R, wanted: usize, left: &mut usize) -> io::Result<usize> {
        if *left == 0 {
            return Err(damaged("an lz4 block ends inside its literals"));
        }
        let input = source.fill_buf()?;
        let count = wanted.min(input.len()).min(self.room()).min(*left);
        if count == 0 {
            return Err(cut());
        }
        let to = self.window.get_mut(self.end..self.end.saturating_add(count));
        if let (Some(to), Some(from)) = (to, input.get(..count)) {
            to.copy_from_slice(from);
        }
        source.consume(count);
        *left = left.saturating_sub(count);
        self.end = self.end.saturating_add(count);
        Ok(count)
    }
}

fn cut() -> io::Error {
    damaged("the file ends inside an lz4 block")
}

/// One more byte of the block.
fn byte<R: BufRead>(source: &mut R, left: &mut usize) -> io::Result<u8> {
    if *left == 0 {
        return Err(damaged("an lz4 block ends inside a sequence"));
    }
    let byte = *peek::<1>(source)?.first().ok_or_else(cut)?;
    source.consume(1);
    *left = left.saturating_sub(1);
    Ok(byte)
}

/// The rest of a length: bytes are added until one is not 255.
fn more<R: BufRead>(source: &mut R, left: &mut usize) -> io::Result<usize> {
    let mut length = 0_usize;
    loop {
        let byte = byte(source, left)?;
        length = length.saturating_add(usize::from(byte));
        if byte != 255 {
            return Ok(length);
        }
    }
}

/// Copies `count` bytes from `distance` bytes before `at` to there, the copied ones too.
fn repeat(window: &mut [u8], at: usize, distance: usize, count: usize) {
    let start = at.saturating_sub(distance);
    let mut done = 0;
    while done < count {
        // What was copied can be copied again: every round doubles the piece.
        let part = distance.saturating_add(done).min(count.saturating_sub(done));
        let to = at.saturating_add(done);
        window.copy_within(start..start.saturating_add(part), to);
        done = done.saturating_add(part);
    }
}

/// Unpacks whole sequences as long as input and room are so large that nothing can end inside of
/// one; what is left of the input. Stops before what it does not understand.
fn fast<'a>(window: &mut [u8], end: &mut usize, oldest: usize, mut input: &'a [u8]) -> &'a [u8] {
    let mut at = *end;
    loop {
        if let Some((used, stop)) = short(window, at, oldest, input)
            && let Some(rest) = input.get(used..)
        {
            input = rest;
            at = stop;
            continue;
        }
        let here = at;
        match sequence(window, &mut at, oldest, input) {
            Some(rest) => input = rest,
            None => {
                *end = here;
                return input;
            }
        }
    }
}

/// A sequence of few literals and a short match from not too near, as most are, copied in pieces of
/// fixed size; how much input it had, and where it ends.
#[inline(always)]
fn short(window: &mut [u8], at: usize, oldest: usize, input: &[u8]) -> Option<(usize, usize)> {
    let input: &[u8; 24] = input.first_chunk()?;
    let [token, text @ ..] = input;
    let literals = usize::from(*token >> 4);
    let length = usize::from(*token & 15).wrapping_add(4);
    if literals == 15 || length == 19 {
        return None;
    }
    let low = *input.get(literals.wrapping_add(1))?;
    let high = *input.get(literals.wrapping_add(2))?;
    let distance = usize::from(u16::from_le_bytes([low, high]));
    let start = at.wrapping_add(literals);
    let from = start.checked_sub(distance)?;
    if distance < SHORT || from < oldest || start > HISTORY + PIECE - SHORT * 2 {
        return None;
    }
    *window.get_mut(at..)?.first_chunk_mut::<SHORT>()? = *text.first_chunk()?;
    let piece: [u8; SHORT] = *window.get(from..)?.first_chunk()?;
    *window.get_mut(start..)?.first_chunk_mut()? = piece;
    if length > SHORT {
        let piece: [u8; 2] = *window.get(from.wrapping_add(SHORT)..)?.first_chunk()?;
        *window.get_mut(start.wrapping_add(SHORT)..)?.first_chunk_mut()? = piece;
    }
    Some((literals.wrapping_add(3), start.wrapping_add(length)))
}

/// One sequence; nothing when it is to be left to the slow way.
#[inline(always)]
fn sequence<'a>(window: &mut [u8], at: &mut usize, oldest: usize, input: &'a [u8]) -> Option<&'a [u8]> {
    let (token, mut rest) = input.split_first()?;
    let mut literals = usize::from(*token >> 4);
    if literals == 15 {
        literals = literals.wrapping_add(long(&mut rest)?);
        let (text, behind) = rest.split_at_checked(literals)?;
        window
            .get_mut(*at..HISTORY + PIECE)?
            .get_mut(..literals)?
            .copy_from_slice(text);
        rest = behind;
    } else {
        let text: &[u8; SHORT] = rest.first_chunk()?;
        *window.get_mut(*at..)?.first_chunk_mut::<SHORT>()? = *text;
        rest = rest.get(literals..)?;
    }
    let start = at.wrapping_add(literals);
    let (distance, behind) = rest.split_first_chunk::<2>()?;
    rest = behind;
    let distance = usize::from(u16::from_le_bytes(*distance));
    let from = start.checked_sub(distance)?;
    if distance == 0 || from < oldest {
        return None;
    }
    let mut length = usize::from(*token & 15).wrapping_add(4);
    if length == 19 {
        length = length.wrapping_add(long(&mut rest)?);
    }
    // The last bytes of a block are literals: a sequence that ends the input is not whole.
    let stop = start.wrapping_add(length);
    if rest.is_empty() || stop > HISTORY + PIECE {
        return None;
    }
    if distance >= 32 && length <= 64 {
        let mut done = 0;
        while done < length {
            let piece: [u8; 32] = *window.get(from.wrapping_add(done)..)?.first_chunk()?;
            *window.get_mut(start.wrapping_add(done)..)?.first_chunk_mut()? = piece;
            done = done.wrapping_add(32);
        }
    } else if distance >= 8 && length <= 32 {
        let mut done = 0;
        while done < length {
            let piece: [u8; 8] = *window.get(from.wrapping_add(done)..)?.first_chunk()?;
            *window.get_mut(start.wrapping_add(done)..)?.first_chunk_mut()? = piece;
            done = done.wrapping_add(8);
        }
    } else {
        repeat(window, start, distance, length);
    }
    *at = stop;
    Some(rest)
}

/// The rest of a length, of at most a few thousand.
#[inline(always)]
fn long(rest: &mut &[u8]) -> Option<usize> {
    let mut length = 0_usize;
    loop {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        length = length.wrapping_add(usize::from(*byte));
        if *byte != 255 {
            return Some(length);
        }
    }
}
