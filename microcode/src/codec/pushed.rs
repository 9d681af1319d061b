//! The loop around a decoder that takes a piece of input and a piece of room for output.

use std::io::{self, BufRead, Read};

use super::damaged;

/// What one step did.
pub(super) struct Step {
    /// Bytes of the input that were used.
    pub(super) taken: usize,
    /// Bytes of the output that were written, also when the step failed.
    pub(super) given: usize,
    /// The stream is at its end, or what is wrong with it.
    pub(super) ended: Result<bool, String>,
}

impl Step {
    /// Nothing was done.
    pub(super) fn failed(text: &str) -> Self {
        Self {
            taken: 0,
            given: 0,
            ended: Err(text.to_owned()),
        }
    }
}

/// A decoder that is handed its input.
pub(super) trait Engine {
    /// Unpacks a piece.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Step;

    /// Behind the end of a stream: is the next one part of the same? If so the engine is ready for
    /// it. `ahead` is what comes next, nothing at the end of the source.
    fn goes_on(&mut self, ahead: &[u8]) -> Result<bool, String>;

    /// What is cut when the source ends.
    fn part(&self) -> &'static str;
}

/// Unpacked bytes of a source.
pub(super) struct Pushed<R, E> {
    source: R,
    engine: E,
    state: State,
}

enum State {
    Inside,
    Between,
    Done,
    Failed(String),
}

impl<R: BufRead, E: Engine> Pushed<R, E> {
    pub(super) fn new(source: R, engine: E) -> Self {
        Self {
            source,
            engine,
            state: State::Inside,
        }
    }

    /// One step; the number of bytes it gave.
    fn advance(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let input = self.source.fill_buf()?;
        let at_end = input.is_empty();
        let step = self.engine.step(input, buffer);
        let stuck = step.taken == 0 && step.given == 0;
        self.source.consume(step.taken);
        self.state = match step.ended {
            Ok(true) => State::Between,
            Ok(false) if stuck && at_end => State::Failed(format!("the file ends inside {}", self.engine.part())),
            Ok(false) if stuck => State::Failed(format!("{} makes no progress", self.engine.part())),
            Ok(false) => State::Inside,
            Err(_) if at_end && stuck => State::Failed(format!("the file ends inside {}", self.engine.part())),
            Err(error) => State::Failed(error),
        };
        Ok(step.given)
    }
}

impl<R: BufRead, E: Engine> Read for Pushed<R, E> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match &self.state {
                State::Inside => match self.advance(buffer)? {
                    0 => {}
                    count => return Ok(count),
                },
                State::Between => {
                    let ahead = self.source.fill_buf()?;
                    self.state = match self.engine.goes_on(ahead) {
                        Ok(true) => State::Inside,
                        Ok(false) => State::Done,
                        Err(error) => State::Failed(error),
                    };
                }
                State::Done => return Ok(0),
                State::Failed(error) => return Err(damaged(error)),
            }
        }
    }
}
