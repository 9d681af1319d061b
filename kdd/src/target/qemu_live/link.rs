//! Both connections to a guest, and what is known of its state: shared by run control and memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::fault::Fault;
use super::map;
use super::qmp::Qmp;
use super::stub::Stub;

/// The connections.
pub(super) struct Link {
    /// QMP.
    pub(super) qmp: Qmp,
    /// The gdbstub, while connected.
    pub(super) stub: Option<Stub>,
    /// Whether the guest runs, as far as is known.
    pub(super) running: bool,
    /// The process of QEMU.
    pub(super) pid: Option<u32>,
    /// How long an answer may take.
    pub(super) patience: Duration,
}

/// The connections, for memory and control.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Link>>);

impl Shared {
    /// Shares them.
    pub(super) fn new(link: Link) -> Self {
        Self(Arc::new(Mutex::new(link)))
    }

    /// Takes them.
    pub(super) fn lock(&self) -> MutexGuard<'_, Link> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What events told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The guest was reset.
    pub(super) reset: bool,
    /// The guest shut down, or QEMU ends.
    pub(super) shutdown: bool,
    /// Whether it runs, from the last event of that kind.
    pub(super) runs: Option<bool>,
}

impl Told {
    fn of(events: &VecDeque<String>) -> Self {
        let mut told = Self::default();
        for event in events {
            match event.as_str() {
                "RESET" => told.reset = true,
                "SHUTDOWN" => told.shutdown = true,
                "STOP" | "SUSPEND" => told.runs = Some(false),
                "RESUME" | "WAKEUP" => told.runs = Some(true),
                _ => {}
            }
        }
        told
    }
}

impl Link {
    /// Takes the events that came. Whether the guest runs is asked anew where they say otherwise than known: an
    /// event may be older than what was done since.
    pub(super) fn look(&mut self) -> Result<Told, Fault> {
        let events = self.qmp.events()?;
        let told = Told::of(&events);
        Ok(told)
    }

    /// Asks whether the guest runs.
    pub(super) fn runs(&mut self) -> Result<bool, Fault> {
        let status = self.qmp.execute("query-status", json!({}))?;
        Ok(status.get("running").and_then(Value::as_bool).unwrap_or(false))
    }

    /// The gdbstub; connecting stops the guest.
    pub(super) fn stub(&mut self) -> Result<&mut Stub, Fault> {
        if self.stub.is_none() {
            self.stub = Some(Stub::connect(&mut self.qmp, self.pid, self.patience)?);
            self.running = false;
        }
        self.stub
            .as_mut()
            .ok_or_else(|| Fault::Refused("no gdbstub".to_owned()))
    }

    /// Leaves the gdbstub.
    pub(super) fn leave(&mut self) {
        if let Some(stub) = self.stub.take() {
            stub.close(&mut self.qmp);
        }
    }

    /// Reads physical memory through QEMU: by the gdbstub while the guest stands; by the monitor while it
    /// runs, since the gdbstub would stop it.
    pub(super) fn read(&mut self, at: u64, buffer: &mut [u8]) -> usize {
        let done = match &mut self.stub {
            Some(stub) if !self.running => stub.read(at, buffer),
            _ => self.print(at, buffer),
        };
        done.unwrap_or(0)
    }

    fn print(&mut self, at: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        let mut done = 0usize;
        for chunk in buffer.chunks_mut(4096) {
            let from = at.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
            let text = self.qmp.monitor(&format!("xp /{}xb {from:#x}", chunk.len()))?;
            let bytes = map::bytes(&text);
            if bytes.len() != chunk.len() {
                break;
            }
            chunk.copy_from_slice(&bytes);
            done = done.saturating_add(bytes.len());
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_event_tells_whether_the_guest_runs() {
        let events = ["RESUME", "NIC_RX_FILTER_CHANGED", "STOP"].map(str::to_owned).into();
        assert_eq!(Told::of(&events).runs, Some(false));
        let events = ["RESET", "SHUTDOWN"].map(str::to_owned).into();
        let told = Told::of(&events);
        assert!(told.reset && told.shutdown && told.runs.is_none());
    }
}
