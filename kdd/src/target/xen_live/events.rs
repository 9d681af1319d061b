//! Debug exceptions of a guest, reported by the hypervisor: breakpoints in memory (INT1) and of the CPU, steps.
//!
//! Follows vm_event.h, io/ring.h and the `vm_event_op` and `monitor_op` of domctl.h: Xen writes a request into a
//! ring in a page of the guest's (HVM_PARAM_MONITOR_RING_PFN) and pauses that vCPU, until a response is in the
//! ring and the hypervisor is told to look for it. One program can monitor a domain. The other way to debug, with
//! `setdebugging`, needs GDBSX, which is in debug builds of Xen only.

use super::domctl::Domctl;
use super::hypercall::{Errno, Error, Hypervisor, Window};
use crate::target::fields::Fields;

/// `HVM_PARAM_MONITOR_RING_PFN`.
const RING_FRAME: u32 = 28;

/// Operations on the ring.
const ENABLE: u32 = 0;
const DISABLE: u32 = 1;
const RESUME: u32 = 2;
const GET_VERSION: u32 = 3;

/// The version of the interface that is known here: Xen 4.15 and later.
const VERSION: u32 = 7;

/// Events that are monitored.
const SINGLE_STEP: u32 = 2;
const DEBUG_EXCEPTION: u32 = 5;

/// Reasons of requests.
const REASON_STEP: u32 = 7;
const REASON_EXCEPTION: u32 = 9;

/// How a debug exception comes about: by the instruction INT1 (privileged software exception).
const BY_INT1: u8 = 5;

/// Flag: the vCPU is paused until a response; in it, that it goes on.
const VCPU_PAUSED: u32 = 1;

/// Bytes before the entries and of each; how many there are.
const HEAD: usize = 64;
const ENTRY: usize = 400;
const ENTRIES: u32 = 8;
/// Where the instruction pointer stands in an entry.
const RIP: usize = 208;

const PAGE: usize = 4096;

/// The ring of a domain's events.
pub struct Events {
    ring: Box<dyn Window>,
    before: Vec<u8>,
    taken: u32,
    answered: u32,
    /// Requests without a response.
    open: Vec<Vec<u8>>,
    steps: bool,
}

/// What happened on a vCPU, which waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The vCPU.
    pub vcpu: u32,
    /// What it was.
    pub kind: What,
    /// Instruction pointer.
    pub rip: u64,
    /// Physical address of the instruction.
    pub physical: u64,
    /// Length of the instruction, and how the exception comes about.
    pub length: u8,
    /// As VMX and SVM number it.
    pub how: u8,
    /// Bits of DR6.
    pub status: u64,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// INT1.
    Breakpoint,
    /// Another debug exception.
    Exception,
    /// A step with the monitor trap flag.
    Step,
    /// Something that was not asked for.
    Other,
}

impl Events {
    /// Has the events of a domain reported. The domain must stand.
    ///
    /// # Errors
    /// When somebody else monitors it, or Xen cannot.
    pub fn open(control: &Domctl<'_>, hypervisor: &dyn Hypervisor, domain: u16) -> Result<Self, Error> {
        let version = control.vm_event(GET_VERSION, "version of monitored events")?;
        if version != VERSION {
            return Err(Error::NotReached(
                domain,
                "breakpoints and steps are known for version 7 of monitored events: Xen 4.15 and later",
            ));
        }
        let frame = control.parameter(RING_FRAME)?;
        let missing = Error::NotReached(domain, "it has no page for monitored events");
        let ring = hypervisor.map(domain, &[frame], true).map_err(|_| missing.clone())?;
        let mut before = vec![0; PAGE];
        if frame == 0 || !ring.read(0, &mut before) {
            return Err(missing);
        }
        let mut events = Self {
            ring,
            before,
            taken: 0,
            answered: 0,
            open: Vec::new(),
            steps: false,
        };
        let mut empty = vec![0; PAGE];
        for (at, value) in [(4, 1u32), (12, 1)] {
            put(&mut empty, at, value);
        }
        if !events.ring.write(0, &empty) {
            return Err(missing);
        }
        control
            .vm_event(ENABLE, "monitoring the domain")
            .map_err(|error| match error {
                Error::Failed {
                    errno: Errno::EBUSY, ..
                } => Error::NotReached(domain, "another program monitors or debugs it"),
                other => other,
            })?;
        if let Err(error) = control.monitor(DEBUG_EXCEPTION, true) {
            let _ = events.close(control);
            return Err(error);
        }
        events.steps = control.monitor(SINGLE_STEP, true).is_ok();
        Ok(events)
    }

    /// Takes over the events of a domain, which another process had reported to it: those without a response are
    /// open again. `before` is what the ring's page held.
    ///
    /// # Errors
    /// When the ring is gone.
    pub fn take_over(
        control: &Domctl<'_>,
        hypervisor: &dyn Hypervisor,
        domain: u16,
        before: Vec<u8>,
    ) -> Result<Self, Error> {
        let frame = control.parameter(RING_FRAME)?;
        let ring = hypervisor.map(domain, &[frame], true);
        let mut events = Self {
            ring: ring.map_err(|_| Error::NotReached(domain, "it has no page for monitored events"))?,
            before,
            taken: 0,
            answered: 0,
            open: Vec::new(),
            steps: true,
        };
        events.answered = events.word(8);
        events.taken = events.answered;
        // A response that Xen was not told of.
        let _ = control.vm_event(RESUME, "answering an event");
        Ok(events)
    }

    /// What the ring's page held before.
    #[must_use]
    pub fn before(&self) -> &[u8] {
        &self.before
    }

    /// A word of the ring's head; 0 when it cannot be read.
    fn word(&self, at: usize) -> u32 {
        let mut bytes = [0; 4];
        if self.ring.read(at, &mut bytes) {
            u32::from_le_bytes(bytes)
        } else {
            0
        }
    }

    /// Whether there is an event that was not taken.
    #[must_use]
    pub fn waiting(&self) -> bool {
        self.word(0) != self.taken
    }

    /// Whether steps by the monitor trap flag are reported.
    #[must_use]
    pub fn steps(&self) -> bool {
        self.steps
    }

    /// Takes the events that there are; their vCPUs wait for [`Self::answer`].
    pub fn take(&mut self) -> Vec<Event> {
        let made = self.word(0);
        let mut events = Vec::new();
        // The guest could write into the page: no more than the ring holds.
        for _ in 0..ENTRIES {
            if self.taken == made {
                break;
            }
            let mut entry = vec![0; ENTRY];
            if self.ring.read(place(self.taken), &mut entry) {
                events.push(event(&entry));
                self.open.push(entry);
            }
            self.taken = self.taken.wrapping_add(1);
        }
        self.taken = made;
        events
    }

    /// Lets the vCPUs go on whose events were taken, as far as nothing else holds them.
    ///
    /// # Errors
    /// When Xen refuses.
    pub fn answer(&mut self, control: &Domctl<'_>) -> Result<(), Error> {
        if self.open.is_empty() {
            return Ok(());
        }
        for mut entry in std::mem::take(&mut self.open) {
            let paused = Fields(&entry).u32(4).unwrap_or(0) & VCPU_PAUSED;
            put(&mut entry, 4, paused);
            self.ring.write(place(self.answered), &entry);
            self.answered = self.answered.wrapping_add(1);
        }
        self.ring.write(8, &self.answered.to_le_bytes());
        self.ring.write(4, &self.taken.wrapping_add(1).to_le_bytes());
        control.vm_event(RESUME, "answering an event").map(|_| ())
    }

    /// No events any more. The domain must stand.
    ///
    /// # Errors
    /// When Xen refuses.
    pub fn close(&mut self, control: &Domctl<'_>) -> Result<(), Error> {
        // What is not on is off already.
        let _ = control.monitor(DEBUG_EXCEPTION, false);
        if self.steps {
            let _ = control.monitor(SINGLE_STEP, false);
        }
        self.take();
        let answered = self.answer(control);
        let closed = control.vm_event(DISABLE, "ending the monitoring of the domain");
        self.ring.write(0, &self.before);
        answered.and(closed.map(|_| ()))
    }
}

/// Where an entry stands.
fn place(index: u32) -> usize {
    let index = usize::try_from(index % ENTRIES).unwrap_or(0);
    index.saturating_mul(ENTRY).saturating_add(HEAD)
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(place) = bytes.get_mut(at..at.saturating_add(4)) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}

/// What an entry says.
fn event(entry: &[u8]) -> Event {
    let fields = Fields(entry);
    let rip = fields.u64(RIP).unwrap_or(0);
    let frame = fields.u64(24).unwrap_or(0);
    let byte = |at: usize| entry.get(at).copied().unwrap_or(0);
    Event {
        vcpu: fields.u32(12).unwrap_or(0),
        kind: match (fields.u32(8), byte(44)) {
            (Some(REASON_EXCEPTION), BY_INT1) => What::Breakpoint,
            (Some(REASON_EXCEPTION), _) => What::Exception,
            (Some(REASON_STEP), _) => What::Step,
            _ => What::Other,
        },
        rip,
        physical: frame.wrapping_mul(4096).wrapping_add(rip % 4096),
        length: byte(40),
        how: byte(44),
        status: fields.u64(32).unwrap_or(0),
    }
}
