//! The host as Xen tells it: `XEN_SYSCTL_*` of xen/include/public/sysctl.h.
//!
//! The interface version must be Xen's own, else the answer is EACCES; so it is tried. Which fields the
//! structures have follows versions 0x12 (Xen 4.12) to 0x16 (Xen 4.21).

use rustix::io::Errno;

use super::call::{Call, Hypercall, Hypercalls, items, u32_at, u64_at};
use super::policy::Serialised;

/// Versions that are known, the most frequent first.
const VERSIONS: [u32; 5] = [0x15, 0x16, 0x14, 0x13, 0x12];

/// From this version on `physinfo` has capabilities of the architecture before the pages.
const ARCH_CAPABILITIES: u32 = 0x15;

/// Length of `struct xen_sysctl`, and where the part of each command begins.
const LENGTH: usize = 136;

const PHYSINFO: u32 = 3;
const SCHED_ID: u32 = 4;
const CPUTOPOINFO: u32 = 16;
const NUMAINFO: u32 = 17;
const CPUPOOL_OP: u32 = 18;
const PCITOPOINFO: u32 = 22;
const GET_CPU_POLICY: u32 = 29;
/// `XEN_SYSCTL_CPUPOOL_OP_FREEINFO`
const FREEINFO: u32 = 7;

/// More than this of a thing is not believed.
const CPU_LIMIT: u32 = 1 << 16;
const NODE_LIMIT: u32 = 1 << 10;
const DEVICE_LIMIT: usize = 1 << 16;

/// `XEN_INVALID_CORE_ID` and its like, `XEN_INVALID_DEV`.
const INVALID: u32 = u32::MAX;
const INVALID_DEVICE: u32 = u32::MAX - 1;

/// `struct xen_sysctl_physinfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Physinfo {
    pub(super) threads_per_core: u32,
    pub(super) cores_per_socket: u32,
    pub(super) nr_cpus: u32,
    pub(super) max_cpu_id: u32,
    pub(super) nr_nodes: u32,
    pub(super) cpu_khz: u32,
    pub(super) capabilities: u32,
    pub(super) total_pages: u64,
    pub(super) free_pages: u64,
    pub(super) outstanding_pages: u64,
    pub(super) hw_cap: [u32; 8],
}

/// Where a CPU is; `None` for one that is offline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) core: u32,
    pub(super) socket: u32,
    pub(super) node: u32,
}

/// A memory node; bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) size: u64,
    pub(super) free: u64,
    pub(super) distances: Vec<u32>,
}

/// A PCI function: segment, bus, device and function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) segment: u16,
    pub(super) bus: u8,
    pub(super) devfn: u8,
}

impl Device {
    /// `0000:00:1f.2`.
    pub(super) fn read(name: &str) -> Option<Self> {
        let (rest, function) = name.rsplit_once('.')?;
        let mut parts = rest.split(':').map(|part| u16::from_str_radix(part, 16).ok());
        let (segment, bus, device) = (parts.next()??, parts.next()??, parts.next()??);
        let function = function.parse::<u8>().ok().filter(|function| *function < 8)?;
        let device = u8::try_from(device).ok().filter(|device| *device < 32)?;
        Some(Self {
            segment,
            bus: u8::try_from(bus).ok()?,
            devfn: device << 3 | function,
        })
    }
}

/// `XEN_SYSCTL_*` with a version that this Xen takes.
pub(super) struct Sysctl<'a> {
    xen: &'a dyn Hypercalls,
    version: u32,
}

impl<'a> Sysctl<'a> {
    /// Finds the version; EACCES when Xen takes none of the known ones.
    pub(super) fn probe(xen: &'a dyn Hypercalls) -> Result<Self, Errno> {
        for version in VERSIONS {
            let sysctl = Self { xen, version };
            match sysctl.make(sysctl.call(SCHED_ID)) {
                Err(Errno::ACCESS) => {}
                Err(error) => return Err(error),
                Ok(_) => return Ok(sysctl),
            }
        }
        Err(Errno::ACCESS)
    }

    /// With a version found before.
    pub(super) fn new(xen: &'a dyn Hypercalls, version: u32) -> Self {
        Self { xen, version }
    }

    pub(super) fn version(&self) -> u32 {
        self.version
    }

    fn call(&self, command: u32) -> Call {
        Call::new(Hypercall::Sysctl, LENGTH)
            .number(0, command)
            .number(4, self.version)
    }

    fn make(&self, mut call: Call) -> Result<Call, Errno> {
        self.xen.make(&mut call)?;
        Ok(call)
    }

    pub(super) fn physinfo(&self) -> Result<Physinfo, Errno> {
        let call = self.make(self.call(PHYSINFO))?;
        let pages = if self.version < ARCH_CAPABILITIES { 40 } else { 48 };
        let page = |number: usize| u64_at(&call.structure, pages + 8 * number);
        let mut hw_cap = [0; 8];
        for (number, word) in hw_cap.iter_mut().enumerate() {
            *word = call.u32(pages + 40 + 4 * number);
        }
        Ok(Physinfo {
            threads_per_core: call.u32(8),
            cores_per_socket: call.u32(12),
            nr_cpus: call.u32(16),
            max_cpu_id: call.u32(20),
            nr_nodes: call.u32(24),
            cpu_khz: call.u32(32),
            capabilities: call.u32(36),
            total_pages: page(0),
            free_pages: page(1),
            outstanding_pages: page(3),
            hw_cap,
        })
    }

    /// Number of the scheduler (domctl.h, `XEN_SCHEDULER_*`).
    pub(super) fn scheduler(&self) -> Result<u32, Errno> {
        Ok(self.make(self.call(SCHED_ID))?.u32(8))
    }

    /// CPUs that belong to no pool.
    pub(super) fn free_cpus(&self, cpus: u32) -> Result<u32, Errno> {
        let bytes = cpus.min(CPU_LIMIT).div_ceil(8);
        let map = vec![0; usize::try_from(bytes).unwrap_or(0)];
        let call = self.call(CPUPOOL_OP).number(8, FREEINFO).number(40, bytes * 8);
        let call = self.make(call.buffer(32, map))?;
        Ok(call.answer(0).iter().map(|byte| byte.count_ones()).sum())
    }

    /// Where each CPU is, by its number.
    pub(super) fn cpus(&self) -> Result<Vec<Option<Place>>, Errno> {
        let count = self.make(self.call(CPUTOPOINFO))?.u32(8).min(CPU_LIMIT);
        let call = self.call(CPUTOPOINFO).number(8, count);
        let call = self.make(call.buffer(16, room(count, 12)))?;
        let place = |entry: &[u8; 12]| {
            let core = u32_at(entry, 0);
            (core != INVALID).then(|| Place {
                core,
                socket: u32_at(entry, 4),
                node: u32_at(entry, 8),
            })
        };
        Ok(items(call.answer(0), call.u32(8)).map(place).collect())
    }

    /// Memory nodes by their numbers; `None` for one that is offline.
    pub(super) fn nodes(&self) -> Result<Vec<Option<Node>>, Errno> {
        let count = self.make(self.call(NUMAINFO))?.u32(8).min(NODE_LIMIT);
        let call = self.call(NUMAINFO).number(8, count);
        let distances = room(count.saturating_mul(count), 4);
        let call = self.make(call.buffer(16, room(count, 16)).buffer(24, distances))?;
        let count = call.u32(8).min(count);
        let distances: Vec<u32> = items::<4>(call.answer(1), u32::MAX)
            .map(|distance| u32::from_le_bytes(*distance))
            .collect();
        let mut rows = distances.chunks(usize::try_from(count).unwrap_or(0).max(1));
        let node = |entry: &[u8; 16]| {
            let distances = rows.next().unwrap_or_default().to_vec();
            let size = u64_at(entry, 0);
            (size != u64::from(INVALID)).then(|| Node {
                size,
                free: u64_at(entry, 8),
                distances,
            })
        };
        Ok(items(call.answer(0), count).map(node).collect())
    }

    /// The node of each function, in the order asked for; `None` where Xen knows none.
    pub(super) fn devices(&self, devices: &[Device]) -> Result<Vec<Option<u32>>, Errno> {
        let mut nodes = Vec::new();
        let mut rest = devices.get(..DEVICE_LIMIT).unwrap_or(devices);
        // Xen may answer for some of them and be asked again for the others.
        while !rest.is_empty() {
            let count = u32::try_from(rest.len()).unwrap_or(0);
            let mut asked = Vec::with_capacity(rest.len() * 4);
            for device in rest {
                asked.extend_from_slice(&device.segment.to_le_bytes());
                asked.extend_from_slice(&[device.bus, device.devfn]);
            }
            let call = self.call(PCITOPOINFO).number(8, count);
            let call = self.make(call.buffer(16, asked).buffer(24, room(count, 4)))?;
            let done = call.u32(8).min(count);
            if done == 0 {
                break;
            }
            nodes.extend(items::<4>(call.answer(1), done).map(|node| {
                let node = u32::from_le_bytes(*node);
                (node != INVALID && node != INVALID_DEVICE).then_some(node)
            }));
            rest = rest.get(usize::try_from(done).unwrap_or(0)..).unwrap_or_default();
        }
        Ok(nodes)
    }

    /// How many leaves and MSRs a policy has at most.
    pub(super) fn policy_size(&self) -> Result<(u32, u32), Errno> {
        let call = self.make(self.call(GET_CPU_POLICY))?;
        Ok((call.u32(12), call.u32(16)))
    }

    /// A policy of the host (`XEN_SYSCTL_cpu_policy_*`), with room for so many leaves and MSRs.
    pub(super) fn policy(&self, index: u32, size: (u32, u32)) -> Result<Serialised, Errno> {
        let call = Serialised::room(self.call(GET_CPU_POLICY).number(8, index), size, [12, 16, 24, 32]);
        let call = self.make(call)?;
        Ok(Serialised::read(&call, [12, 16]))
    }
}

/// Zeros for `count` items.
fn room(count: u32, length: usize) -> Vec<u8> {
    vec![0; usize::try_from(count).unwrap_or(0).saturating_mul(length)]
}
