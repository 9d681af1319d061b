//! A running guest of QEMU or KVM: found by its QMP socket, controlled over its gdbstub.
//!
//! - QMP stops and starts the guest and tells its state; what is not there goes through the monitor for people
//!   (`info mtree -f`, `gpa2hva`, `info registers -a`).
//! - Memory is read from the shared file that backs it, from QEMU's process, or through QEMU, whichever is there.
//!   It is written through the gdbstub alone: only so does QEMU see that it has to translate code anew and to
//!   migrate pages anew.
//! - Breakpoints and steps are those of the gdbstub. A step holds back interrupts and the guest's timers, which is
//!   QEMU's default, and only the one vCPU does it.

mod channel;
mod control;
mod description;
mod device_state;
mod fault;
mod find;
mod guard;
mod link;
mod map;
mod memory;
mod process;
mod qmp;
mod rsp;
mod stub;
mod vcpus;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use self::device_state::DeviceState;
use self::fault::Fault;
use self::link::{Link, Shared};
use self::memory::Memory;
use self::qmp::Qmp;
use super::guard::Guard;
use super::{Breakpoint, Container, Control, Hints, OpenError, StopReason, Target, Vcpu};
use crate::damage::Damage;
use crate::memory::PhysicalMemory;

pub use find::{Found, find};
pub use guard::{undo, watch};

/// How a guest is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long QEMU may take for an answer.
    pub patience: Duration,
    /// Whether QEMU is asked for the state of its devices, which alone tells LSTAR and other registers.
    pub device_state: bool,
    /// The program to start as `PROGRAM kdd guard qemu:SOCKET`, which puts the guest right when this process is
    /// killed while it holds it: it is [`watch`].
    pub guard: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(10),
            device_state: true,
            guard: None,
        }
    }
}

/// A running guest of QEMU.
pub struct Qemu {
    link: Shared,
    container: Container,
    memory: Memory,
    vcpus: Vec<Vcpu>,
    hints: Hints,
    damage: Vec<Damage>,
    state: Option<DeviceState>,
    guard: Option<Guard>,
    points: Vec<Breakpoint>,
    /// The vCPU that does a step, and where it stood.
    stepping: Option<(u32, u64)>,
    /// A stop not told yet.
    pending: Option<StopReason>,
    /// Whether the guest is ours to be left as it was, and whether it ran.
    held: Option<bool>,
    /// Why there is no guest any more.
    gone: Option<String>,
}

/// Opens it and stops it.
///
/// # Errors
/// When it is not there, or this process may not.
pub fn open(socket: &Path) -> Result<Qemu, OpenError> {
    open_with(socket, &Options::default())
}

/// Opens it as told and stops it.
///
/// # Errors
/// As [`open`].
pub fn open_with(socket: &Path, options: &Options) -> Result<Qemu, OpenError> {
    let told = |fault: Fault| OpenError::NotAGuest {
        name: format!("qemu:{}", socket.display()),
        reason: fault.to_string(),
    };
    let qmp = Qmp::connect(socket, options.patience).map_err(told)?;
    let pid = process::find(qmp.process(), socket);
    let link = Shared::new(Link {
        qmp,
        stub: None,
        running: false,
        pid,
        patience: options.patience,
    });
    let mut guest = Qemu {
        memory: Memory::find(&link, &[]).0,
        link,
        container: Container::default(),
        vcpus: Vec::new(),
        hints: Hints::default(),
        damage: Vec::new(),
        state: None,
        guard: None,
        points: Vec::new(),
        stepping: None,
        pending: None,
        held: None,
        gone: None,
    };
    // From here on dropping it leaves the guest as it was.
    if let Some(program) = &options.guard {
        let unguarded = |error: std::io::Error| told(Fault::Refused(format!("{}: {error}", program.display())));
        let name = std::path::absolute(socket).map(|socket| {
            let mut name = OsString::from("qemu:");
            name.push(socket);
            name
        });
        let started = name.and_then(|name| Guard::start(program, &name));
        guest.guard = Some(started.map_err(unguarded)?);
    }
    guest.start(options).map_err(told)?;
    Ok(guest)
}

impl Qemu {
    fn start(&mut self, options: &Options) -> Result<(), Fault> {
        self.hold()?;
        let mut facts = self.about()?;
        let map = self.link.lock().qmp.monitor("info mtree -f")?;
        let (memory, ways) = Memory::find(&self.link, &map::ranges(&map));
        self.memory = memory;
        facts.extend(ways);
        facts.push(("run control".to_owned(), self.way()));
        if self.memory.runs().is_empty() {
            return Err(Fault::Refused("info mtree -f tells no memory".to_owned()));
        }
        if options.device_state {
            match self.device_state() {
                Ok(state) => self.state = Some(state),
                Err(fault) => facts.push(("registers of the device state".to_owned(), fault.to_string())),
            }
        }
        self.refresh(true)?;
        if self.vcpus.iter().all(|vcpu| vcpu.xcr0.is_none()) {
            let missing = "LSTAR, STAR, SYSENTER, XCR0 are not known: neither monitor nor gdbstub has them";
            facts.push(("registers".to_owned(), missing.to_owned()));
        }
        self.container.facts = facts;
        Ok(())
    }

    /// What QEMU says of itself.
    fn about(&mut self) -> Result<Vec<(String, String)>, Fault> {
        let mut link = self.link.lock();
        let version = link.qmp.version.clone();
        let ran = self.held == Some(true);
        let text = |answer: Result<Value, Fault>, name: &str| {
            let answer = answer.ok()?;
            let value = if name.is_empty() {
                Some(&answer)
            } else {
                answer.get(name)
            };
            value.and_then(Value::as_str).map(str::to_owned)
        };
        let name = text(link.qmp.execute("query-name", json!({})), "name");
        let machine = json!({ "path": "/machine", "property": "type" });
        let machine = text(link.qmp.execute("qom-get", machine), "");
        let kvm = link.qmp.execute("query-kvm", json!({}))?;
        let kvm = kvm.get("enabled").and_then(Value::as_bool).unwrap_or(false);
        let target = link.qmp.execute("query-target", json!({}));
        let target = text(target, "arch").unwrap_or_default();
        if !matches!(target.as_str(), "x86_64" | "i386") {
            return Err(Fault::Refused(format!("a guest of {target}: only x86 is known")));
        }
        let accelerator = if kvm { "KVM" } else { "no KVM (emulated, TCG)" };
        let state = if ran { "it ran" } else { "it was paused" };
        self.container.format = "qemu-live";
        self.container.description = format!("running guest of QEMU {version}");
        let mut facts: Vec<(String, String)> = Vec::new();
        let mut fact = |name: &str, value: String| facts.push((name.to_owned(), value));
        if let Some(name) = name {
            fact("name", name);
        }
        if let Some(machine) = machine {
            fact("machine", machine.trim_end_matches("-machine").to_owned());
        }
        fact("accelerator", accelerator.to_owned());
        if let Some(pid) = link.pid {
            fact("process", pid.to_string());
        }
        fact("before", state.to_owned());
        Ok(facts)
    }

    fn way(&self) -> String {
        let link = self.link.lock();
        let own = link.stub.as_ref().is_some_and(|stub| stub.own);
        let stub = if own {
            "a gdbstub of our own"
        } else {
            "the gdbstub that was open"
        };
        format!("{stub}; a step holds back interrupts and timers")
    }

    /// A file for the state of the devices, where asking for it changes nothing.
    fn device_state(&mut self) -> Result<DeviceState, Fault> {
        let mut link = self.link.lock();
        let devices = link.qmp.monitor("info qtree")?;
        if devices.contains("dev: vfio") {
            let reason = "not asked for: a device of the host is passed through";
            return Err(Fault::Refused(reason.to_owned()));
        }
        DeviceState::new(&mut link.qmp)
    }

    /// Reads the registers anew; those that only the state of the devices tells when `whole`.
    fn refresh(&mut self, whole: bool) -> Result<(), Fault> {
        let state = self.state.as_mut().filter(|_| whole);
        let vcpus = vcpus::read(&mut self.link.lock(), state, &self.vcpus)?;
        self.vcpus = vcpus;
        Ok(())
    }
}

impl Target for Qemu {
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

impl Drop for Qemu {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.release();
        if let Some(state) = self.state.take() {
            state.close(&mut self.link.lock().qmp);
        }
    }
}
