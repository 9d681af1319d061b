//! Blocks of bzip2, unpacked by threads.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use bzip2::{Decompress, Status};

use super::bits::{END, MARK, number};

/// Threads, at most.
const THREADS: usize = 3;

/// Unpacked bytes of a block that are kept. A block of long runs can have 46 MB; it is unpacked
/// twice, first to see that it is whole, then while it is read.
const KEPT: usize = 1500 << 10;

/// One block as a stream of its own.
pub(super) struct Block {
    stream: Vec<u8>,
    sum: u32,
}

/// The bytes of a block.
pub(super) enum Unpacked {
    Bytes(Vec<u8>),
    Long(Long),
}

impl Default for Unpacked {
    fn default() -> Self {
        Unpacked::Bytes(Vec::new())
    }
}

impl Block {
    /// The block from bit `first` to bit `end`; nothing when there is none.
    pub(super) fn cut(level: u8, bytes: &[u8], first: usize, end: usize) -> Option<Self> {
        let sum = number(bytes, first.checked_add(MARK)?, 32).filter(|_| end > first)?;
        let sum = u32::try_from(sum).ok()?;
        let mut stream = vec![b'B', b'Z', b'h', level];
        let count = end.checked_sub(first)?;
        let from = bytes.get(first / 8..)?;
        let shift = first % 8;
        if shift == 0 {
            stream.extend_from_slice(from.get(..count / 8)?);
        } else {
            let pairs = from.iter().zip(from.get(1..)?).take(count / 8);
            stream.extend(pairs.map(|(high, low)| high << shift | low >> (8 - shift)));
        }
        // What is left of the last byte, the end mark, and the sum of this block as that of all.
        let left = count % 8;
        let rest = number(bytes, end.checked_sub(left)?, left)?;
        let tail = (u128::from(rest) << MARK | u128::from(END)) << 32 | u128::from(sum);
        let tail = tail << (128_usize.checked_sub(left)?.checked_sub(MARK)?.checked_sub(32)?);
        let length = left.checked_add(MARK)?.checked_add(32)?.div_ceil(8);
        stream.extend_from_slice(tail.to_be_bytes().get(..length)?);
        Some(Self { stream, sum })
    }

    /// The checksum that the block has to have.
    pub(super) fn sum(&self) -> u32 {
        self.sum
    }

    fn unpack(self) -> Outcome {
        let mut room = Vec::new();
        let mut long = Long::new(self.stream);
        let limit = u64::try_from(KEPT).unwrap_or(u64::MAX);
        let said = |error: io::Error| error.to_string();
        long.by_ref().take(limit).read_to_end(&mut room).map_err(said)?;
        if room.len() < KEPT {
            return Ok(Unpacked::Bytes(room));
        }
        io::copy(&mut long, &mut io::sink()).map_err(said)?;
        Ok(Unpacked::Long(Long::new(long.stream)))
    }
}

/// Reads a block as it is unpacked.
pub(super) struct Long {
    stream: Vec<u8>,
    decoder: Decompress,
    done: bool,
}

impl Long {
    fn new(stream: Vec<u8>) -> Self {
        Self {
            stream,
            decoder: Decompress::new(false),
            done: false,
        }
    }
}

impl Read for Long {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let before = self.decoder.total_out();
        while !self.done && !buffer.is_empty() {
            let used = usize::try_from(self.decoder.total_in()).unwrap_or(usize::MAX);
            let input = self.stream.get(used..).unwrap_or_default();
            let status = self.decoder.decompress(input, buffer).map_err(io::Error::other)?;
            self.done = status == Status::StreamEnd;
            let read = usize::try_from(self.decoder.total_in()).unwrap_or(usize::MAX);
            let given = self.decoder.total_out().saturating_sub(before);
            if self.done && read != self.stream.len() {
                return Err(io::Error::other("a bzip2 block ends before the next one"));
            }
            if given > 0 {
                return Ok(usize::try_from(given).unwrap_or(usize::MAX));
            }
            if !self.done && read == used {
                return Err(io::Error::other("a bzip2 block is longer than its bytes"));
            }
        }
        Ok(0)
    }
}

/// An unpacked block, or what is wrong with it.
pub(super) type Outcome = Result<Unpacked, String>;

/// Threads that unpack blocks, and what they have in hand.
pub(super) struct Pool {
    threads: Vec<Thread>,
    size: usize,
    /// Results in the order of the blocks: of a thread, or there already.
    waiting: VecDeque<Waiting>,
    turn: usize,
}

enum Waiting {
    Thread(usize),
    Here(Outcome),
}

struct Thread {
    blocks: Sender<Block>,
    results: Receiver<Outcome>,
}

impl Thread {
    fn start() -> io::Result<Self> {
        let (blocks, work) = channel::<Block>();
        let (done, results) = channel();
        thread::Builder::new().name("bzip2".to_owned()).spawn(move || {
            for block in work {
                if done.send(block.unpack()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { blocks, results })
    }
}

impl Pool {
    pub(super) fn new() -> Self {
        let size = thread::available_parallelism().map_or(1, usize::from).min(THREADS);
        Self {
            threads: Vec::new(),
            size,
            waiting: VecDeque::new(),
            turn: 0,
        }
    }

    /// Another block is to be pushed before one is popped: every thread has one and one in spare.
    pub(super) fn wants(&self) -> bool {
        let here = self.waiting.iter().any(|waiting| matches!(waiting, Waiting::Here(_)));
        !here && self.waiting.len() < self.size.saturating_mul(2)
    }

    /// Takes a block to unpack. A last one that is alone is unpacked at once.
    pub(super) fn push(&mut self, block: Block, last: bool) {
        let waiting = match (last && self.waiting.is_empty()) || self.size < 2 {
            true => Waiting::Here(block.unpack()),
            false => self.hand(block),
        };
        self.waiting.push_back(waiting);
    }

    fn hand(&mut self, block: Block) -> Waiting {
        let turn = self.turn % self.size.max(1);
        if turn == self.threads.len() {
            match Thread::start() {
                Ok(thread) => self.threads.push(thread),
                Err(_) => self.size = self.threads.len(),
            }
        }
        let Some(thread) = self.threads.get(turn) else {
            return Waiting::Here(block.unpack());
        };
        self.turn = turn.saturating_add(1);
        match thread.blocks.send(block) {
            Ok(()) => Waiting::Thread(turn),
            Err(unsent) => Waiting::Here(unsent.0.unpack()),
        }
    }

    /// The next result.
    pub(super) fn pop(&mut self) -> Option<Outcome> {
        Some(match self.waiting.pop_front()? {
            Waiting::Here(result) => result,
            Waiting::Thread(turn) => {
                let result = self.threads.get(turn).and_then(|thread| thread.results.recv().ok());
                result.unwrap_or_else(|| Err("the thread that unpacks a bzip2 block ended".to_owned()))
            }
        })
    }
}
