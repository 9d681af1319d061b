//! Physical memory of a domain: windows of 2 MiB, mapped when they are read.
//!
//! Frames of HVM and PVH guests are named by their guest-physical number. A mapping holds the page that was there
//! when it was made: windows are made anew when the guest has run, and are given up when the domain is being
//! destroyed, which otherwise could not free its memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::domctl::{Domctl, FRAMES, Info};
use super::hypercall::{Error, Hypervisor, Window};
use crate::memory::physical::PhysicalMemory;
use crate::memory::{Gpa, Run};
use crate::target::fields::{size, wide};

/// Bytes of a page.
const PAGE: u64 = 4096;
/// Pages of a window.
const PAGES: u64 = 512;
/// Bytes of a window.
const WINDOW: u64 = PAGE * PAGES;
/// Windows that are kept mapped: 64 MiB.
const KEPT: usize = 32;
/// How long a window is good while the guest runs.
const FRESH: Duration = Duration::from_millis(100);
/// How often the domain is asked whether it is still there.
const ASKED: Duration = Duration::from_millis(200);
/// Frames that are looked at, at most: 16 TiB.
const LAST: u64 = 1 << 32;

/// Memory of a domain.
pub struct Memory {
    hypervisor: Arc<dyn Hypervisor>,
    interface: u32,
    domain: u16,
    frames: Frames,
    runs: OnceLock<Vec<Run>>,
    inside: Mutex<Inside>,
}

/// How the frames of a domain are named.
pub enum Frames {
    /// By their physical number.
    Guest,
    /// By the machine's number, in order of the guest's; `u64::MAX` where there is none.
    Machine(Vec<u64>),
}

#[derive(Default)]
struct Inside {
    windows: BTreeMap<u64, Kept>,
    clock: u64,
    running: bool,
    gone: bool,
    asked: Option<Instant>,
    /// Where the last read ended.
    end: u64,
    /// Bytes under breakpoints.
    hidden: BTreeMap<u64, u8>,
}

struct Kept {
    window: Box<dyn Window>,
    used: u64,
    made: Instant,
}

impl Memory {
    /// Memory of a domain.
    #[must_use]
    pub fn new(hypervisor: Arc<dyn Hypervisor>, interface: u32, domain: u16, frames: Frames) -> Self {
        Self {
            hypervisor,
            interface,
            domain,
            frames,
            runs: OnceLock::new(),
            inside: Mutex::default(),
        }
    }

    fn inside<T>(&self, work: impl FnOnce(&mut Inside) -> T) -> T {
        work(&mut self.inside.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn control(&self) -> Domctl<'_> {
        Domctl::new(&*self.hypervisor, self.interface, self.domain)
    }

    /// The guest goes on, or stands: what was mapped before may be of pages that it no longer has.
    pub fn set_running(&mut self, running: bool) {
        self.inside(|inside| {
            inside.running = running;
            inside.windows.clear();
        });
        if running {
            self.runs = OnceLock::new();
        }
    }

    /// Gives up all mappings for good.
    pub fn give_up(&self) {
        self.inside(|inside| {
            inside.gone = true;
            inside.windows.clear();
        });
    }

    /// The frames of a window, as Xen knows them.
    fn names(&self, window: u64) -> Vec<u64> {
        let first = window.saturating_mul(PAGES);
        let numbers = first..first.saturating_add(PAGES);
        match &self.frames {
            Frames::Guest => numbers.collect(),
            Frames::Machine(list) => {
                let name = |number| list.get(size(number)).copied().unwrap_or(u64::MAX);
                numbers.map(name).collect()
            }
        }
    }

    /// Whether the domain still has its memory; asked now and then.
    fn there(&self, inside: &mut Inside) -> bool {
        if !inside.gone && inside.asked.is_none_or(|asked| asked.elapsed() > ASKED) {
            inside.asked = Some(Instant::now());
            let dying = match self.control().info() {
                Ok(info) => info.is(Info::DYING),
                Err(error) => matches!(error, Error::NoSuchDomain(_)),
            };
            if dying {
                inside.gone = true;
                inside.windows.clear();
            }
        }
        !inside.gone
    }

    /// A window, mapped.
    fn window<'a>(&self, inside: &'a mut Inside, number: u64) -> Option<&'a dyn Window> {
        inside.clock = inside.clock.saturating_add(1);
        let clock = inside.clock;
        let running = inside.running;
        let stale = |kept: &Kept| running && kept.made.elapsed() > FRESH;
        if inside.windows.get(&number).is_none_or(stale) {
            inside.windows.remove(&number);
            if inside.windows.len() >= KEPT {
                let oldest = inside.windows.iter().min_by_key(|(_, kept)| kept.used);
                let oldest = oldest.map(|(number, _)| *number);
                oldest.and_then(|number| inside.windows.remove(&number));
            }
            let window = self.hypervisor.map(self.domain, &self.names(number), false).ok()?;
            let kept = Kept {
                window,
                used: clock,
                made: Instant::now(),
            };
            inside.windows.insert(number, kept);
        }
        let kept = inside.windows.get_mut(&number)?;
        kept.used = clock;
        Some(&*kept.window)
    }

    /// Writes from `at` on; gives the bytes written before the first one that is not there. Bytes under
    /// breakpoints change where they are kept.
    pub fn write(&self, at: Gpa, bytes: &[u8]) -> usize {
        self.inside(|inside| {
            let mut done = 0usize;
            while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
                let Some(place) = at.0.checked_add(wide(done)) else {
                    break;
                };
                let count = rest.len().min(size(PAGE - place % PAGE));
                let mut piece = rest.get(..count).unwrap_or_default().to_vec();
                let under = inside.hidden.range_mut(place..place.saturating_add(wide(count)));
                let mut kept = Vec::new();
                for (address, byte) in under {
                    if let Some(to) = piece.get_mut(size(address.saturating_sub(place))) {
                        kept.push((*address, *to));
                        *to = BREAKPOINT;
                    }
                    let _ = byte;
                }
                if !self.poke(place, &piece) {
                    break;
                }
                inside.hidden.extend(kept);
                done = done.saturating_add(count);
            }
            done
        })
    }

    /// Writes within one page.
    fn poke(&self, at: u64, bytes: &[u8]) -> bool {
        let frame = match &self.frames {
            Frames::Guest => at / PAGE,
            Frames::Machine(list) => list.get(size(at / PAGE)).copied().unwrap_or(u64::MAX),
        };
        let window = self.hypervisor.map(self.domain, &[frame], true);
        window.is_ok_and(|mut window| window.write(size(at % PAGE), bytes))
    }

    /// Bytes under breakpoints, by physical address.
    #[must_use]
    pub fn hidden(&self) -> BTreeMap<u64, u8> {
        self.inside(|inside| inside.hidden.clone())
    }

    /// Says which bytes are under breakpoints that are there already.
    pub fn set_hidden(&self, hidden: BTreeMap<u64, u8>) {
        self.inside(|inside| inside.hidden = hidden);
    }

    /// Puts a breakpoint at a byte, and hides it from reads.
    pub fn hide(&self, at: Gpa) -> bool {
        let mut byte = [0];
        if self.inside(|inside| inside.hidden.contains_key(&at.0)) || self.read(at, &mut byte) != 1 {
            return false;
        }
        let done = self.poke(at.0, &[BREAKPOINT]);
        if done {
            let [byte] = byte;
            self.inside(|inside| inside.hidden.insert(at.0, byte));
        }
        done
    }

    /// Takes a breakpoint out.
    pub fn unhide(&self, at: Gpa) -> bool {
        let byte = self.inside(|inside| inside.hidden.get(&at.0).copied());
        let done = byte.is_none_or(|byte| self.poke(at.0, &[byte]));
        if done {
            self.inside(|inside| inside.hidden.remove(&at.0));
        }
        done
    }

    /// Ranges of frames that there are.
    fn look(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let mut add = |frame: u64| match runs.last_mut() {
            Some(last) if last.end().0 == frame.saturating_mul(PAGE) => {
                last.length = last.length.saturating_add(PAGE);
            }
            _ => runs.push(Run {
                start: Gpa(frame.saturating_mul(PAGE)),
                length: PAGE,
            }),
        };
        match &self.frames {
            Frames::Machine(list) => {
                let there = list.iter().zip(0..).filter(|(name, _)| **name != u64::MAX);
                there.for_each(|(_, frame)| add(frame));
            }
            Frames::Guest => {
                for frame in self.look_for_guest_frames() {
                    add(frame);
                }
            }
        }
        runs
    }
}

impl Memory {
    /// Frames that there are, in order. A guest has memory from frame 0 on and a few pages at the end, with a
    /// million frames without any in between: both ends are walked towards each other, until an empty stretch
    /// when as many pages are found as the domain has.
    fn look_for_guest_frames(&self) -> Vec<u64> {
        let control = self.control();
        let pages = control.info().map_or(u64::MAX, |info| info.pages);
        let (mut first, mut end) = (
            0u64,
            control.last_frame().map_or(0, |last| last.min(LAST).saturating_add(1)),
        );
        let (mut low, mut high) = (Vec::new(), Vec::new());
        let mut upwards = true;
        while first < end {
            let count = end.saturating_sub(first).min(wide(FRAMES));
            let from = if upwards { first } else { end.saturating_sub(count) };
            let range = from..from.saturating_add(count);
            let Ok(types) = control.frame_types(range.clone()) else {
                break;
            };
            let there: Vec<u64> = range
                .zip(types)
                .filter(|(_, kind)| is_page(*kind))
                .map(|(frame, _)| frame)
                .collect();
            let empty = there.is_empty();
            if upwards {
                first = first.saturating_add(count);
                low.extend(there);
            } else {
                end = from;
                high.push(there);
            }
            let found = high.iter().map(Vec::len).sum::<usize>().saturating_add(low.len());
            if empty && wide(found) >= pages {
                break;
            }
            // From the top: until as many are found, or all frames are looked at.
            if empty && upwards {
                upwards = false;
            }
        }
        low.extend(high.into_iter().rev().flatten());
        low
    }
}

/// The instruction of a breakpoint: INT1, which has an intercept of its own under SVM, and is told from other debug
/// exceptions under VMX. INT3 is left to the guest, which may use it itself; and QEMU's emulation of SVM does not
/// intercept it.
pub const BREAKPOINT: u8 = 0xf1;

/// Whether a type of frame (`XEN_DOMCTL_PFINFO_*`) is one of a page: not missing, allocated only or broken.
fn is_page(kind: u64) -> bool {
    kind >> 28 & 0xf < 0xd
}

impl PhysicalMemory for Memory {
    fn read(&self, at: Gpa, buffer: &mut [u8]) -> usize {
        self.inside(|inside| {
            // A read that goes on where the last ended, in the same window, does not look at the clock: that is a
            // system call under Xen, and a walk over memory page by page would mostly do that.
            let goes_on = at.0 == inside.end && !at.0.is_multiple_of(WINDOW) && !inside.gone;
            if !goes_on && !self.there(inside) {
                return 0;
            }
            let mut done = 0usize;
            while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
                let Some(place) = at.0.checked_add(wide(done)) else {
                    break;
                };
                let count = rest.len().min(size(PAGE - place % PAGE));
                let Some(piece) = rest.get_mut(..count) else { break };
                let Some(window) = self.window(inside, place / WINDOW) else {
                    break;
                };
                if !window.read(size(place % WINDOW), piece) {
                    break;
                }
                done = done.saturating_add(count);
            }
            let end = at.0.saturating_add(wide(done));
            inside.end = end;
            for (address, byte) in inside.hidden.range(at.0..end) {
                if let Some(to) = buffer.get_mut(size(address.saturating_sub(at.0))) {
                    *to = *byte;
                }
            }
            done
        })
    }

    fn runs(&self) -> &[Run] {
        self.runs.get_or_init(|| self.look())
    }
}
