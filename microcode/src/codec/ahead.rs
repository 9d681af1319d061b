//! Unpacking in a thread of its own, while another reads what was unpacked.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

use super::pushed::Pushed;
use super::zstd::{Frames, Verifier};
use super::{Codec, damaged, decoder};

/// Bytes of one buffer. To wake the other thread takes longer than to unpack a small one.
const SIZE: usize = 512 << 10;

/// Buffers that are filled before the first is taken.
const FILLED: usize = 2;

/// Hands the unpacked bytes of the stream at `source` to `read`, while a thread unpacks ahead, by at
/// most 2 MiB. Bytes and errors are those of [`decoder`].
///
/// When `read` has seen the end of the stream, the source stands directly behind it. When `read`
/// returns before, the source stands somewhere inside the stream.
pub fn beside<R, T>(codec: Codec, source: R, read: impl FnOnce(&mut dyn BufRead) -> T) -> T
where
    R: BufRead + Send,
{
    thread::scope(|scope| {
        let (filled, take) = sync_channel(FILLED);
        let (give, empty) = sync_channel(FILLED.saturating_add(2));
        let (verifier, sums) = match codec {
            Codec::Zstd => {
                let (sums, verifier) = channel();
                (Some(Verifier::new(verifier)), Some(sums))
            }
            _ => (None, None),
        };
        let work = move || match sums {
            Some(sums) => {
                let frames = Pushed::new(source, Frames::with_sums(sums));
                unpack(Ok(Box::new(frames)), &filled, &empty);
            }
            None => unpack(decoder(codec, source), &filled, &empty),
        };
        let started = thread::Builder::new()
            .name("unpack".to_owned())
            .spawn_scoped(scope, work);
        let failed = started.err().map(|error| (error.kind(), error.to_string()));
        let mut ahead = Ahead {
            take,
            give,
            now: Vec::new(),
            given: 0,
            ended: false,
            failed,
            behind: None,
            verifier,
        };
        read(&mut ahead)
    })
}

/// A filled buffer, or the error behind the last one. No more of them: the stream is at its end.
type Filled = io::Result<Vec<u8>>;

fn unpack(reader: io::Result<Box<dyn Read + '_>>, filled: &SyncSender<Filled>, empty: &Receiver<Vec<u8>>) {
    let mut reader = match reader {
        Ok(reader) => reader,
        Err(error) => {
            let _ = filled.send(Err(error));
            return;
        }
    };
    loop {
        let mut buffer = empty.try_recv().unwrap_or_default();
        buffer.resize(SIZE, 0);
        let (count, end) = fill(&mut reader, &mut buffer);
        buffer.truncate(count);
        if count > 0 && filled.send(Ok(buffer)).is_err() {
            return;
        }
        match end {
            None => {}
            Some(Ok(())) => return,
            Some(Err(error)) => {
                let _ = filled.send(Err(error));
                return;
            }
        }
    }
}

/// Fills a buffer; how far, and whether that was the end.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> (usize, Option<io::Result<()>>) {
    let mut count = 0_usize;
    while let Some(room) = buffer.get_mut(count..).filter(|room| !room.is_empty()) {
        match reader.read(room) {
            Ok(0) => return (count, Some(Ok(()))),
            Ok(more) => count = count.saturating_add(more),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (count, Some(Err(error))),
        }
    }
    (count, None)
}

/// Reads what the thread unpacked.
struct Ahead {
    take: Receiver<Filled>,
    give: SyncSender<Vec<u8>>,
    now: Vec<u8>,
    given: usize,
    ended: bool,
    failed: Option<(io::ErrorKind, String)>,
    /// What is said behind the bytes of `now`.
    behind: Option<String>,
    verifier: Option<Verifier>,
}

impl Ahead {
    /// Gets the next buffer, empty at the end.
    fn next(&mut self) -> io::Result<()> {
        if let Some(text) = self.behind.take() {
            return Err(damaged(text));
        }
        let used = std::mem::take(&mut self.now);
        self.given = 0;
        if used.capacity() > 0 {
            let _ = self.give.try_send(used);
        }
        let taken = self.take.recv();
        self.ended = taken.is_err();
        let failed = match taken {
            Ok(Ok(bytes)) => {
                self.now = bytes;
                None
            }
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        if let Some(verifier) = &mut self.verifier
            && let Err((count, text)) = verifier.push(&self.now)
        {
            self.now.truncate(count);
            self.behind = Some(text);
            if count == 0 {
                return self.next();
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

impl BufRead for Ahead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if let Some((kind, text)) = &self.failed {
            return Err(io::Error::new(*kind, text.clone()));
        }
        if self.given >= self.now.len()
            && !self.ended
            && let Err(error) = self.next()
        {
            self.failed = Some((error.kind(), error.to_string()));
            return Err(error);
        }
        Ok(self.now.get(self.given..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.given = self.given.saturating_add(count).min(self.now.len());
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}
