//! A running domain of Xen, seen from the control domain: memory, vCPUs and run control through the hypervisor's
//! own interface, without its libraries.
//!
//! Follows the public headers of Xen (xen.h, domctl.h, memory.h, hvm/save.h, io/xs_wire.h) and privcmd.h of
//! Linux. [`hypercall`] says what is asked, [`privcmd`] passes it on, [`version`] finds the interface that the
//! hypervisor takes, [`domctl`] has the operations, [`memory`] and [`context`] the guest's state, [`control`] and
//! [`events`] its run control, `left` what is undone when this program is killed; [`xenstore`] knows names and
//! [`list`] all domains.

pub mod context;
pub mod control;
pub mod domctl;
mod emulated;
pub mod events;
pub mod hypercall;
mod left;
pub mod list;
pub mod memory;
pub mod privcmd;
pub mod version;
pub mod xenstore;

use std::path::Path;
use std::sync::Arc;

pub use left::{put_right, watch};
pub use list::{Domain, Kind, State, find};

use self::context::Context;
use self::control::Points;
use self::domctl::{Domctl, Info};
use self::hypercall::{Error, Hypervisor};
use self::memory::{Frames, Memory};
use self::privcmd::Privcmd;
use self::version::Version;
use self::xenstore::Xenstore;
use super::guard::Guard;
use super::{Container, Control, Hints, OpenError, Target, Vcpu};
use crate::damage::Damage;
use crate::memory::PhysicalMemory;

/// A domain, stopped, with its state.
pub struct Xen {
    hypervisor: Arc<dyn Hypervisor>,
    version: Version,
    domain: u16,
    container: Container,
    memory: Memory,
    /// Registers as whoever asks sees them.
    vcpus: Vec<Vcpu>,
    /// Registers as the hypervisor has them.
    loaded: Vec<Vcpu>,
    /// State of all vCPUs, while those that do not step are down.
    aside: Option<Context>,
    hints: Hints,
    damage: Vec<Damage>,
    /// Whether it ran when it was opened.
    ran: bool,
    running: bool,
    /// Whether one of the domain's pauses is of this program, beside those it was found with.
    added: bool,
    points: Points,
    guard: Option<Guard>,
}

/// Opens a domain by its number or its name, and pauses it.
///
/// # Errors
/// When it is not there, or this process may not.
pub fn open(domain: &str) -> Result<Xen, OpenError> {
    open_with(domain, None)
}

/// Opens a domain and pauses it. `guard` is the program to start as `PROGRAM kdd guard xen:DOMAIN`, which puts the
/// domain right when this process is killed while it holds it: it is [`watch`].
///
/// # Errors
/// As [`open`].
pub fn open_with(domain: &str, guard: Option<&Path>) -> Result<Xen, OpenError> {
    let failed = |reason: String| OpenError::NotAGuest {
        name: format!("xen:{domain}"),
        reason,
    };
    let mut xen = reach(domain).map_err(|error| failed(error.to_string()))?;
    if let Some(program) = guard {
        let started = Guard::start(program, format!("xen:{}", xen.domain).as_ref());
        let unguarded = |error: std::io::Error| failed(format!("{}: {error}", program.display()));
        xen.guard = Some(started.map_err(unguarded)?);
        xen.remember();
    }
    Ok(xen)
}

fn reach(domain: &str) -> Result<Xen, Error> {
    let hypervisor = Arc::new(Privcmd::open()?);
    let mut store = Xenstore::open();
    let number = match (domain.parse(), &mut store) {
        (Ok(number), _) => number,
        (Err(_), Ok(store)) => store.domain_named(domain)?,
        (Err(_), Err(error)) => return Err(error.clone()),
    };
    let name = store
        .ok()
        .and_then(|mut store| store.domain_name(number).ok().flatten());
    Xen::attach(hypervisor, number, name)
}

impl Xen {
    /// Pauses a domain of a hypervisor and reads its state.
    ///
    /// # Errors
    /// When it is not there, is being destroyed, is the control domain itself, or the hypervisor refuses.
    pub fn attach(hypervisor: Arc<dyn Hypervisor>, domain: u16, name: Option<String>) -> Result<Self, Error> {
        let version = version::probe(&*hypervisor)?;
        if domain == 0 {
            return Err(Error::NotReached(0, "the control domain cannot look at itself"));
        }
        let control = Domctl::new(&*hypervisor, version.interface, domain);
        let info = control.info()?;
        if info.is(Info::DYING) {
            return Err(Error::Dying(domain));
        }
        let kind = Kind::of(&info);
        if kind == Kind::Pv {
            let reason = "a PV guest: its memory is reached by xl dump-core, or by xl save";
            return Err(Error::NotReached(domain, reason));
        }
        control.pause()?;
        let memory = Memory::new(Arc::clone(&hypervisor), version.interface, domain, Frames::Guest);
        let mut xen = Self {
            container: container(&version, &info, kind, name),
            version,
            domain,
            memory,
            vcpus: Vec::new(),
            loaded: Vec::new(),
            aside: None,
            hints: Hints::default(),
            damage: Vec::new(),
            ran: !info.is(Info::PAUSED),
            running: false,
            added: true,
            points: Points::default(),
            guard: None,
            hypervisor,
        };
        // From here on, leaving lets the guest go on: see `Drop`.
        xen.read_registers()?;
        Ok(xen)
    }

    fn domctl(&self) -> Domctl<'_> {
        Domctl::new(&*self.hypervisor, self.version.interface, self.domain)
    }

    /// Reads the registers of all vCPUs.
    fn read_registers(&mut self) -> Result<(), Error> {
        let mut context = Context::new(self.domctl().hvm_context()?);
        if let Some(aside) = &self.aside {
            context.complete(aside);
        }
        let (vcpus, damage) = context.vcpus();
        self.loaded.clone_from(&vcpus);
        self.vcpus = vcpus;
        self.damage = damage;
        Ok(())
    }

    /// Loads registers, where they differ from those that the hypervisor has; `only` one vCPU can run then.
    fn write_registers(&mut self, wanted: &[Vcpu], only: Option<u32>) -> Result<(), Refused> {
        if wanted == self.loaded.as_slice() && only.is_none() && self.aside.is_none() {
            return Ok(());
        }
        let mut context = Context::new(self.domctl().hvm_context()?);
        if let Some(aside) = &self.aside {
            context.complete(aside);
        }
        let (now, _) = context.vcpus();
        for (now, wanted) in now.iter().zip(wanted) {
            context.change(now, wanted).map_err(Refused::Register)?;
        }
        self.domctl().set_hvm_context(context.loadable(only))?;
        self.loaded = wanted.to_vec();
        self.aside = only.map(|_| context);
        Ok(())
    }
}

/// Why registers were not loaded.
enum Refused {
    Register(&'static str),
    Xen(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Xen(error)
    }
}

/// What is said of the source.
fn container(version: &Version, info: &Info, kind: Kind, name: Option<String>) -> Container {
    let domain = Domain::new(info, name);
    let mut facts = vec![
        ("hypervisor".to_owned(), format!("Xen {}", version.name())),
        ("domctl interface".to_owned(), format!("{:#x}", version.interface)),
        ("domain".to_owned(), domain.id.to_string()),
    ];
    facts.extend(domain.name.clone().map(|name| ("domain name".to_owned(), name)));
    facts.extend(domain.uuid.clone().map(|uuid| ("uuid".to_owned(), uuid)));
    facts.push(("domain type".to_owned(), kind.name().to_owned()));
    facts.push(("state when opened".to_owned(), domain.state.name().to_owned()));
    Container {
        format: "xen",
        description: format!("running {} domain of Xen {}", kind.name(), version.name()),
        facts,
    }
}

impl Target for Xen {
    fn container(&self) -> &Container {
        &self.container
    }

    fn memory(&self) -> &dyn PhysicalMemory {
        &self.memory
    }

    fn vcpus(&self) -> &[Vcpu] {
        &self.vcpus
    }

    fn hints(&self) -> &Hints {
        &self.hints
    }

    fn damage(&self) -> &[Damage] {
        &self.damage
    }

    fn control(&mut self) -> Option<&mut dyn Control> {
        Some(self)
    }
}

impl Drop for Xen {
    fn drop(&mut self) {
        // There is nobody left to tell what failed.
        let _ = self.release();
    }
}
