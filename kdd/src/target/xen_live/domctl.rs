//! Operations on a domain: `domctl` and the one of `memory_op` that is needed.
//!
//! Follows domctl.h: a header of 16 bytes (command, interface version, domain) and a union of 128 bytes.

use serde::Serialize;

use super::hypercall::{
    Argument, Call, Count, Errno, Error, GET_PARAM, Hypervisor, INJECT_EVENT, Link, MAXIMUM_GPFN, domctl, number,
};
use crate::target::fields::Fields;

/// Bytes of the header and of the whole structure.
const HEADER: usize = 16;
const WHOLE: usize = 144;

/// Frames that `getpageframeinfo3` takes at once.
pub const FRAMES: usize = 1024;

/// Longest context of an HVM guest that is taken.
const LONGEST_CONTEXT: usize = 32 << 20;

/// Bytes of `vcpu_guest_context` of a 64-bit guest; that of a 32-bit one is shorter.
const VCPU_CONTEXT: usize = 5168;

/// Control of one domain.
#[derive(Clone, Copy)]
pub struct Domctl<'a> {
    hypervisor: &'a dyn Hypervisor,
    interface: u32,
    domain: u16,
}

/// An exception for a vCPU (`xen_dm_op_inject_event`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// The vCPU.
    pub vcpu: u32,
    /// Vector.
    pub vector: u8,
    /// How it comes about, as VMX and SVM number it: 3 by hardware, 5 by INT1.
    pub kind: u8,
    /// Length of the instruction.
    pub length: u8,
    /// Of a debug exception, the bits of DR6.
    pub extra: u64,
}

/// What a domain is and does (`getdomaininfo`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Number.
    pub domain: u16,
    /// `XEN_DOMINF_*`.
    pub flags: u32,
    /// Pages that it has.
    pub pages: u64,
    /// Pages that it may have.
    pub maximum_pages: u64,
    /// Frame of the page that it shares with Xen.
    pub shared_info: u64,
    /// vCPUs that are online.
    pub vcpus: u32,
    /// Number of its last vCPU; none without any.
    pub last_vcpu: Option<u32>,
    /// UUID.
    pub uuid: [u8; 16],
    /// Devices that Xen emulates for it (`XEN_X86_EMU_*`).
    pub emulated: u32,
}

impl Info {
    /// Being destroyed.
    pub const DYING: u32 = 1;
    /// Has hardware virtualisation: HVM and PVH.
    pub const HVM: u32 = 2;
    /// Has shut down.
    pub const SHUTDOWN: u32 = 4;
    /// Paused by a control domain.
    pub const PAUSED: u32 = 8;
    /// Waits for an event.
    pub const BLOCKED: u32 = 16;
    /// Runs.
    pub const RUNNING: u32 = 32;
    /// A debugger is attached.
    pub const DEBUGGED: u32 = 64;

    /// Whether all these flags are set.
    #[must_use]
    pub fn is(&self, flags: u32) -> bool {
        self.flags & flags == flags
    }

    /// Why it has shut down.
    #[must_use]
    pub fn shutdown(&self) -> Option<Shutdown> {
        self.is(Self::SHUTDOWN).then_some(match self.flags >> 16 & 0xff {
            0 => Shutdown::PowerOff,
            1 => Shutdown::Reboot,
            2 => Shutdown::Suspend,
            3 => Shutdown::Crash,
            4 => Shutdown::Watchdog,
            5 => Shutdown::SoftReset,
            _ => Shutdown::Unknown,
        })
    }

    fn read(fields: Fields<'_>, interface: u32) -> Option<Self> {
        // Xen 4.16 put the width of addresses before what is emulated.
        let emulated = if interface < 0x14 { 96 } else { 104 };
        Some(Self {
            domain: fields.u16(0)?,
            flags: fields.u32(4)?,
            pages: fields.u64(8)?,
            maximum_pages: fields.u64(16)?,
            shared_info: fields.u64(48)?,
            vcpus: fields.u32(64)?,
            last_vcpu: fields.u32(68).filter(|last| *last < 8192),
            uuid: fields.array(76)?,
            emulated: fields.u32(emulated)?,
        })
    }
}

/// Why a domain has shut down (sched.h, `SHUTDOWN_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, schemars::JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shutdown {
    /// It turned itself off.
    PowerOff,
    /// It wants to be booted anew.
    Reboot,
    /// It is suspended.
    Suspend,
    /// It crashed.
    Crash,
    /// Its watchdog was not served.
    Watchdog,
    /// It wants a soft reset, for a crash kernel.
    SoftReset,
    /// A reason that is not known.
    Unknown,
}

impl Shutdown {
    /// In words, after "has shut down: ".
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::PowerOff => "power off",
            Self::Reboot => "reboot",
            Self::Suspend => "suspended",
            Self::Crash => "crash",
            Self::Watchdog => "watchdog",
            Self::SoftReset => "soft reset",
            Self::Unknown => "unknown reason",
        }
    }
}

impl<'a> Domctl<'a> {
    /// Control of a domain through an interface of this version.
    #[must_use]
    pub fn new(hypervisor: &'a dyn Hypervisor, interface: u32, domain: u16) -> Self {
        Self {
            hypervisor,
            interface,
            domain,
        }
    }

    /// The call for a command, with the union's first bytes.
    fn command(&self, command: u32, fields: &[u8]) -> Call {
        let mut structure = Vec::with_capacity(WHOLE);
        structure.extend(command.to_le_bytes());
        structure.extend(self.interface.to_le_bytes());
        structure.extend(self.domain.to_le_bytes());
        structure.resize(HEADER, 0);
        structure.extend(fields.iter().take(WHOLE - HEADER));
        structure.resize(WHOLE, 0);
        Call {
            number: number::DOMCTL,
            arguments: vec![Argument::Buffer(0)],
            buffers: vec![structure],
            links: Vec::new(),
        }
    }

    fn run(&self, call: &mut Call, what: &'static str) -> Result<(), Error> {
        match self.hypervisor.call(call) {
            Ok(_) => Ok(()),
            Err(Errno::ESRCH) => Err(Error::NoSuchDomain(self.domain.to_string())),
            Err(errno) => Err(Error::Failed { what, errno }),
        }
    }

    fn simple(&self, command: u32, fields: &[u8], what: &'static str) -> Result<Vec<u8>, Error> {
        let mut call = self.command(command, fields);
        self.run(&mut call, what)?;
        Ok(union(&call))
    }

    /// What the domain is and does: this one, or the next that there is.
    ///
    /// # Errors
    /// When there is none, or Xen refuses.
    pub fn info_from(&self) -> Result<Info, Error> {
        let what = "information about the domain";
        let fields = self.simple(domctl::GET_INFO, &[], what)?;
        Info::read(Fields(&fields), self.interface).ok_or(Error::Nonsense(what))
    }

    /// What the domain is and does.
    ///
    /// # Errors
    /// When there is no such domain, or Xen refuses.
    pub fn info(&self) -> Result<Info, Error> {
        let info = self.info_from()?;
        if info.domain == self.domain {
            Ok(info)
        } else {
            Err(Error::NoSuchDomain(self.domain.to_string()))
        }
    }

    /// Pauses it, once more: pauses are counted. None of its vCPUs runs any more when this is back.
    ///
    /// # Errors
    /// When there is no such domain, or Xen refuses.
    pub fn pause(&self) -> Result<(), Error> {
        self.simple(domctl::PAUSE, &[], "pausing the domain").map(|_| ())
    }

    /// Takes one pause back.
    ///
    /// # Errors
    /// When it is not paused, or Xen refuses.
    pub fn unpause(&self) -> Result<(), Error> {
        self.simple(domctl::UNPAUSE, &[], "unpausing the domain").map(|_| ())
    }

    /// Single steps by the CPU's monitor trap flag (Intel).
    ///
    /// # Errors
    /// When the machine has none, or Xen refuses.
    pub fn set_stepping(&self, vcpu: u32, on: bool) -> Result<(), Error> {
        let mut fields = u32::from(on).to_le_bytes().to_vec();
        fields.extend(vcpu.to_le_bytes());
        self.simple(domctl::DEBUG_OP, &fields, "single step").map(|_| ())
    }

    /// An operation on the ring of monitored events ([`super::events`]); gives the word behind operation and mode.
    ///
    /// # Errors
    /// When Xen refuses.
    pub fn vm_event(&self, operation: u32, what: &'static str) -> Result<u32, Error> {
        const MODE_MONITOR: u32 = 2;
        let mut fields = operation.to_le_bytes().to_vec();
        fields.extend(MODE_MONITOR.to_le_bytes());
        let fields = self.simple(domctl::VM_EVENT, &fields, what)?;
        Fields(&fields).u32(8).ok_or(Error::Nonsense(what))
    }

    /// Has events of a kind reported, or not any more; the vCPU waits meanwhile.
    ///
    /// # Errors
    /// When Xen refuses.
    pub fn monitor(&self, event: u32, on: bool) -> Result<(), Error> {
        let mut fields = u32::from(!on).to_le_bytes().to_vec();
        fields.extend(event.to_le_bytes());
        fields.push(1);
        self.simple(domctl::MONITOR, &fields, "monitoring the domain")
            .map(|_| ())
    }

    /// A parameter of an HVM guest (hvm/params.h).
    ///
    /// # Errors
    /// When Xen refuses.
    pub fn parameter(&self, index: u32) -> Result<u64, Error> {
        let what = "parameter of the domain";
        let mut structure = u32::from(self.domain).to_le_bytes().to_vec();
        structure.extend(index.to_le_bytes());
        structure.extend([0; 8]);
        let mut call = Call {
            number: number::HVM_OP,
            arguments: vec![Argument::Value(GET_PARAM), Argument::Buffer(0)],
            buffers: vec![structure],
            links: Vec::new(),
        };
        self.run(&mut call, what)?;
        let structure = call.buffers.first().map(Vec::as_slice).unwrap_or_default();
        Fields(structure).u64(8).ok_or(Error::Nonsense(what))
    }

    /// Has a vCPU meet an exception when it runs next.
    ///
    /// # Errors
    /// When Xen refuses.
    pub fn inject(&self, exception: &Exception) -> Result<(), Error> {
        let mut operation = INJECT_EVENT.to_le_bytes().to_vec();
        operation.extend([0; 4]);
        operation.extend(exception.vcpu.to_le_bytes());
        operation.extend([exception.vector, exception.kind, exception.length, 0]);
        operation.extend(u32::MAX.to_le_bytes());
        operation.extend([0; 4]);
        operation.extend(exception.extra.to_le_bytes());
        let mut call = Call {
            number: number::DM_OP,
            arguments: vec![
                Argument::Value(u64::from(self.domain)),
                Argument::Value(1),
                Argument::Buffer(0),
            ],
            buffers: vec![vec![0; 16], operation],
            links: vec![Link {
                from: 0,
                at: 0,
                to: 1,
                count: Some(Count { at: 8, unit: 1 }),
            }],
        };
        self.run(&mut call, "passing an exception on to the guest")
    }

    /// Bits of a PV guest's words: 32 or 64.
    ///
    /// # Errors
    /// When Xen refuses.
    pub fn address_size(&self) -> Result<u32, Error> {
        let what = "width of the guest";
        let fields = self.simple(domctl::GET_ADDRESS_SIZE, &[], what)?;
        Fields(&fields).u32(0).ok_or(Error::Nonsense(what))
    }

    /// The records of an HVM guest's state (hvm/save.h).
    ///
    /// # Errors
    /// When the domain is none, is dying, or Xen refuses.
    pub fn hvm_context(&self) -> Result<Vec<u8>, Error> {
        let what = "state of the guest";
        let fields = self.simple(domctl::GET_HVM_CONTEXT, &[], what)?;
        let size = Fields(&fields).u32(0).and_then(|size| usize::try_from(size).ok());
        let size = size
            .filter(|size| *size <= LONGEST_CONTEXT)
            .ok_or(Error::Nonsense(what))?;
        let mut call = self.with(
            domctl::GET_HVM_CONTEXT,
            &[],
            vec![0; size],
            Some(Count { at: HEADER, unit: 1 }),
        );
        self.run(&mut call, what)?;
        let filled = Fields(&union(&call)).u32(0).and_then(|size| usize::try_from(size).ok());
        let mut context = call.buffers.pop().unwrap_or_default();
        context.truncate(filled.unwrap_or(0));
        Ok(context)
    }

    /// Loads records of an HVM guest's state.
    ///
    /// # Errors
    /// When Xen does not take them.
    pub fn set_hvm_context(&self, context: Vec<u8>) -> Result<(), Error> {
        let mut call = self.with(
            domctl::SET_HVM_CONTEXT,
            &[],
            context,
            Some(Count { at: HEADER, unit: 1 }),
        );
        self.run(&mut call, "setting the state of the guest")
    }

    /// The context of a PV guest's vCPU.
    ///
    /// # Errors
    /// When the vCPU was never started, or Xen refuses.
    pub fn vcpu_context(&self, vcpu: u32) -> Result<Vec<u8>, Error> {
        let mut call = self.with(
            domctl::GET_VCPU_CONTEXT,
            &vcpu.to_le_bytes(),
            vec![0; VCPU_CONTEXT],
            None,
        );
        self.run(&mut call, "context of a vCPU")?;
        Ok(call.buffers.pop().unwrap_or_default())
    }

    /// Types of frames, in place of their numbers, at most [`FRAMES`].
    ///
    /// # Errors
    /// When Xen refuses.
    pub fn frame_types(&self, frames: impl Iterator<Item = u64>) -> Result<Vec<u64>, Error> {
        let list: Vec<u8> = frames.take(FRAMES).flat_map(u64::to_le_bytes).collect();
        let mut call = self.with(domctl::GET_FRAME_TYPES, &[], list, Some(Count { at: HEADER, unit: 8 }));
        self.run(&mut call, "types of frames")?;
        let list = call.buffers.pop().unwrap_or_default();
        let types = list.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
        Ok(types.collect())
    }

    /// The last frame number in use.
    ///
    /// # Errors
    /// When Xen refuses.
    pub fn last_frame(&self) -> Result<u64, Error> {
        let mut call = Call {
            number: number::MEMORY_OP,
            arguments: vec![Argument::Value(MAXIMUM_GPFN), Argument::Buffer(0)],
            buffers: vec![self.domain.to_le_bytes().to_vec()],
            links: Vec::new(),
        };
        self.hypervisor.call(&mut call).map_err(|errno| Error::Failed {
            what: "last frame of the domain",
            errno,
        })
    }

    /// A command whose second word leads to a buffer.
    fn with(&self, command: u32, fields: &[u8], buffer: Vec<u8>, count: Option<Count>) -> Call {
        let mut call = self.command(command, fields);
        call.buffers.push(buffer);
        call.links.push(Link {
            from: 0,
            at: HEADER + 8,
            to: 1,
            count,
        });
        call
    }
}

/// The union of a structure that came back.
fn union(call: &Call) -> Vec<u8> {
    let structure = call.buffers.first();
    structure
        .and_then(|structure| structure.get(HEADER..))
        .unwrap_or_default()
        .to_vec()
}
