//! What is left of a domain when this program is killed, told to the process that then puts it right: that process
//! takes the domain over as it stands, and lets it go as this one would have.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::context::Context;
use super::control::{Points, PointsLeft};
use super::domctl::Info;
use super::hypercall::{Error, Hypervisor};
use super::memory::{Frames, Memory};
use super::privcmd::Privcmd;
use super::{Xen, version};
use crate::target::{Container, Control as _, ControlError, Hints, OpenError, guard};

/// A domain that is held.
#[derive(Debug, Serialize, Deserialize)]
struct Left {
    ran: bool,
    running: bool,
    added: bool,
    /// Bytes under breakpoints, by physical address.
    hidden: BTreeMap<u64, u8>,
    /// Flags and debug registers of each vCPU, as whoever asks sees them.
    registers: BTreeMap<u32, (u64, Option<[u64; 8]>)>,
    /// The context of all vCPUs, while those that do not step are down.
    aside: Option<Vec<u8>>,
    points: PointsLeft,
}

impl Xen {
    /// Tells the guard how the domain stands.
    pub(super) fn remember(&mut self) {
        if self.guard.is_some() {
            let line = self.left();
            if let Some(guard) = &mut self.guard {
                guard.tell(&line);
            }
        }
    }

    /// All that is to be undone of this domain, in a line for [`put_right`].
    #[must_use]
    pub fn left(&self) -> String {
        let left = Left {
            ran: self.ran,
            running: self.running,
            added: self.added,
            hidden: self.memory.hidden(),
            registers: self
                .vcpus
                .iter()
                .map(|vcpu| (vcpu.number, (vcpu.rflags, vcpu.dr)))
                .collect(),
            aside: self.aside.as_ref().map(|context| context.loadable(None)),
            points: self.points.left(),
        };
        serde_json::to_string(&left).unwrap_or_default()
    }

    fn take_over(hypervisor: Arc<dyn Hypervisor>, domain: u16, left: Left) -> Result<Self, Error> {
        let version = version::probe(&*hypervisor)?;
        let memory = Memory::new(Arc::clone(&hypervisor), version.interface, domain, Frames::Guest);
        memory.set_hidden(left.hidden);
        let mut xen = Self {
            container: Container::default(),
            version,
            domain,
            memory,
            vcpus: Vec::new(),
            loaded: Vec::new(),
            aside: left.aside.map(Context::new),
            hints: Hints::default(),
            damage: Vec::new(),
            ran: left.ran,
            running: left.running,
            added: left.added,
            points: Points::default(),
            guard: None,
            hypervisor,
        };
        if xen.domctl().info()?.is(Info::DYING) {
            return Err(Error::Dying(domain));
        }
        xen.points = Points::taken_over(left.points, &xen.domctl(), &*xen.hypervisor, domain);
        xen.read_registers()?;
        if xen.running {
            // What it runs with is taken back to what it had.
            for vcpu in &mut xen.vcpus {
                if let Some((flags, debug)) = left.registers.get(&vcpu.number) {
                    vcpu.rflags = *flags;
                    vcpu.dr = *debug;
                }
            }
        }
        Ok(xen)
    }
}

/// Puts a domain right that a killed debugger left as [`Xen::left`] said.
///
/// # Errors
/// When it is gone, or Xen refuses.
pub fn put_right(hypervisor: Arc<dyn Hypervisor>, domain: u16, left: &str) -> Result<(), ControlError> {
    let left = serde_json::from_str(left).map_err(|error| ControlError::Failed {
        what: "putting the domain right",
        reason: error.to_string(),
    })?;
    Xen::take_over(hypervisor, domain, left)?.release()
}

/// Waits until `input` ends; puts the domain right when it was held then. This is what the guard does.
///
/// # Errors
/// When the domain is gone, or Xen refuses.
pub fn watch(domain: u16, input: impl Read) -> Result<(), OpenError> {
    let Some(left) = guard::last_told(input) else {
        return Ok(());
    };
    let failed = |reason: String| OpenError::NotAGuest {
        name: format!("xen:{domain}"),
        reason,
    };
    let hypervisor = Privcmd::open().map_err(|error| failed(error.to_string()))?;
    put_right(Arc::new(hypervisor), domain, &left).map_err(|error| failed(error.to_string()))
}
