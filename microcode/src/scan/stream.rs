//! Data that is larger than memory should be: read once, in windows.

use std::io::{self, Read};

use super::sweep::Sweep;
use super::{Hit, LARGEST, Scan};

/// Offsets looked at per window; behind them a window holds what the longest update needs.
const STEP: usize = 4 << 20;
/// Bytes of the window before that are kept: the head of a section stands before its patch.
const BEHIND: usize = 64;

/// All updates in what `reader` gives, in about 8 MiB of memory. `sink` gets each with its bytes when
/// it is found, as they are not kept. Tables of firmware images are not followed: see [`super::WHOLE`].
///
/// # Errors
/// An error of the reader; what was found before it went to `sink`.
pub fn scan_stream(mut reader: impl Read, mut sink: impl FnMut(&Hit, &[u8])) -> io::Result<Scan> {
    let mut sweep = Sweep::default();
    let mut window = vec![0; STEP.saturating_add(LARGEST)];
    let (mut base, mut filled, mut given, mut from) = (0usize, 0usize, 0usize, 0usize);
    loop {
        let last = fill(&mut reader, &mut window, &mut filled)?;
        let bytes = window.get(..filled).unwrap_or_default();
        let limit = if last { filled } else { STEP };
        sweep.run(bytes, base, from..limit, last);
        for hit in sweep.scan.hits.iter().skip(given) {
            let start = hit.offset.saturating_sub(base);
            let end = start.saturating_add(hit.size);
            sink(hit, bytes.get(start..end).unwrap_or_default());
        }
        given = sweep.scan.hits.len();
        if last {
            return Ok(sweep.scan);
        }
        from = BEHIND;
        let done = STEP.saturating_sub(BEHIND);
        window.copy_within(done.., 0);
        filled = filled.saturating_sub(done);
        base = base.saturating_add(done);
    }
}

/// Fill the rest of the window; whether the data ended.
fn fill(reader: &mut impl Read, window: &mut [u8], filled: &mut usize) -> io::Result<bool> {
    while let Some(room) = window.get_mut(*filled..).filter(|room| !room.is_empty()) {
        match reader.read(room) {
            Ok(0) => return Ok(true),
            Ok(count) => *filled = filled.saturating_add(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}
