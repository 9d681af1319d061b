//! The state of a domain's vCPUs, read and changed.
//!
//! HVM and PVH guests: the records of hvm/save.h, as `xl save` stores them too. Loading records takes all vCPUs
//! down but those that have one, and resets the upper halves of the vector registers of those that have no record
//! of XSAVE: so a changed context holds header, CPU, XSAVE and model-specific registers of all vCPUs. Records of
//! devices are left out; they would set timers back.

use crate::damage::Damage;
use crate::target::fields::{Fields, wide};
use crate::target::vcpu::msr;
use crate::target::{Segment, Vcpu, xl_save};

/// Types of records.
const END: u16 = 0;
const HEADER: u16 = 1;
const CPU: u16 = 2;
const CPU_XSAVE: u16 = 16;
const CPU_MSR: u16 = 20;

/// Order of the general registers in the record, as numbers of the encoding.
const ORDER: [usize; 16] = [0, 3, 1, 2, 5, 6, 7, 4, 8, 9, 10, 11, 12, 13, 14, 15];

/// Model-specific registers that the CPU's record has, and where.
const MSRS: [(u32, usize); 10] = [
    (msr::SYSENTER_CS, 920),
    (msr::SYSENTER_ESP, 928),
    (msr::SYSENTER_EIP, 936),
    (msr::KERNEL_GS_BASE, 944),
    (msr::LSTAR, 960),
    (msr::STAR, 968),
    (msr::CSTAR, 976),
    (msr::SFMASK, 984),
    (msr::EFER, 992),
    (TSC_AUX, 1000),
];
const TSC_AUX: u32 = 0xc000_0103;
/// Where the CPU's record has the time stamp counter.
const COUNTER: usize = 1008;

/// The context of an HVM or PVH guest.
#[derive(Clone, Debug, Default)]
pub struct Context {
    records: Vec<Record>,
    /// Where it ends too early.
    cut: Option<usize>,
}

#[derive(Clone, Debug)]
struct Record {
    kind: u16,
    instance: u16,
    content: Vec<u8>,
}

impl Context {
    /// A context as Xen gives it.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        let mut records = Vec::new();
        let fields = Fields(&bytes);
        let mut at = 0usize;
        let mut cut = None;
        loop {
            let kind = fields.u16(at);
            if kind == Some(END) {
                break;
            }
            let body = at.saturating_add(8);
            let length = fields.u32(at.saturating_add(4));
            let length = length.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
            let content = length.and_then(|length| fields.slice(body, length));
            let Some(((kind, length), content)) = kind.zip(length).zip(content) else {
                cut = Some(at);
                break;
            };
            records.push(Record {
                kind,
                instance: fields.u16(at.saturating_add(2)).unwrap_or(0),
                content: content.to_vec(),
            });
            at = body.saturating_add(length);
        }
        Self { records, cut }
    }

    /// Its vCPUs.
    #[must_use]
    pub fn vcpus(&self) -> (Vec<Vcpu>, Vec<Damage>) {
        let (vcpus, mut damage) = xl_save::hvm::vcpus(&self.bytes(|_| true), 0);
        damage.extend(
            self.cut
                .map(|at| Damage::file("hvm-context", wide(at), "a record", "its end")),
        );
        (vcpus, damage)
    }

    /// What has to be loaded for the state of all vCPUs; of `only` one, the others then are down.
    #[must_use]
    pub fn loadable(&self, only: Option<u32>) -> Vec<u8> {
        self.bytes(|record| {
            let wanted = only.is_none_or(|only| only == u32::from(record.instance));
            record.kind == HEADER || matches!(record.kind, CPU | CPU_XSAVE | CPU_MSR) && wanted
        })
    }

    /// Puts the vCPUs that are down back, which stood still since `before` was read. Their time stamp counters go
    /// on by what those of the others did.
    pub fn complete(&mut self, before: &Self) {
        let counter = |content: &[u8]| Fields(content).u64(COUNTER);
        let cpus = |context: &Self| -> Vec<Record> {
            let cpus = context.records.iter().filter(|record| record.kind == CPU);
            cpus.cloned().collect()
        };
        let (now, then) = (cpus(self), cpus(before));
        let passed = now.iter().find_map(|record| {
            let old = then.iter().find(|old| old.instance == record.instance)?;
            Some(counter(&record.content)?.wrapping_sub(counter(&old.content)?))
        });
        for mut record in then {
            if now.iter().any(|other| other.instance == record.instance) {
                continue;
            }
            if let Some(value) = counter(&record.content)
                && let Some(place) = record.content.get_mut(COUNTER..COUNTER.saturating_add(8))
            {
                place.copy_from_slice(&value.wrapping_add(passed.unwrap_or(0)).to_le_bytes());
            }
            self.records.push(record);
        }
        self.records.sort_by_key(|record| (record.kind, record.instance));
    }

    fn bytes(&self, wanted: impl Fn(&Record) -> bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut put = |kind: u16, instance: u16, content: &[u8]| {
            bytes.extend(kind.to_le_bytes());
            bytes.extend(instance.to_le_bytes());
            bytes.extend(u32::try_from(content.len()).unwrap_or(0).to_le_bytes());
            bytes.extend(content);
        };
        for record in &self.records {
            if wanted(record) {
                put(record.kind, record.instance, &record.content);
            }
        }
        put(END, 0, &[]);
        bytes
    }

    fn record(&mut self, kind: u16, vcpu: u32) -> Option<&mut Vec<u8>> {
        let found = |record: &&mut Record| record.kind == kind && u32::from(record.instance) == vcpu;
        self.records.iter_mut().find(found).map(|record| &mut record.content)
    }

    /// Changes the registers of a vCPU that differ between two states of it.
    ///
    /// # Errors
    /// The first register that cannot be set. The context then is of no use any more.
    pub fn change(&mut self, old: &Vcpu, new: &Vcpu) -> Result<(), &'static str> {
        if old.cr8 != new.cr8 {
            return Err("CR8");
        }
        if old.xcr0 != new.xcr0 {
            return Err("XCR0");
        }
        let content = self.record(CPU, new.number).ok_or("this vCPU")?;
        let mut cpu = Cpu { content, failed: None };
        cpu.general(old, new);
        cpu.control(old, new);
        cpu.segments(old, new)?;
        let others = cpu.model_specific(old, new);
        if let Some(failed) = cpu.failed {
            return Err(failed);
        }
        for (register, value) in others {
            self.further(new.number, register, value)?;
        }
        match &new.fxsave {
            fxsave if *fxsave == old.fxsave => Ok(()),
            Some(image) => self.floating(new.number, image),
            None => Err("the floating-point registers"),
        }
    }

    /// A model-specific register that has its own record.
    fn further(&mut self, vcpu: u32, register: u32, value: Option<u64>) -> Result<(), &'static str> {
        const NAME: &str = "this model-specific register";
        let value = value.ok_or(NAME)?;
        let content = self.record(CPU_MSR, vcpu).ok_or(NAME)?;
        let entries = content.get_mut(8..).ok_or(NAME)?.chunks_exact_mut(16);
        for entry in entries {
            if Fields(entry).u32(0) == Some(register) {
                let place = entry.get_mut(8..16).ok_or(NAME)?;
                place.copy_from_slice(&value.to_le_bytes());
                return Ok(());
            }
        }
        Err(NAME)
    }

    /// The image of FXSAVE, in both places that hold it.
    fn floating(&mut self, vcpu: u32, image: &[u8; 512]) -> Result<(), &'static str> {
        const NAME: &str = "the floating-point registers";
        let content = self.record(CPU, vcpu).ok_or(NAME)?;
        content.get_mut(..512).ok_or(NAME)?.copy_from_slice(image);
        if let Some(flags) = content.get_mut(1024) {
            *flags |= 1;
        }
        if let Some(content) = self.record(CPU_XSAVE, vcpu)
            && let Some(area) = content.get_mut(24..537)
            && let Some((state, present)) = area.split_at_mut_checked(512)
        {
            state.copy_from_slice(image);
            present.iter_mut().for_each(|byte| *byte |= 3);
        }
        Ok(())
    }
}

/// `struct hvm_hw_cpu`, being changed.
struct Cpu<'a> {
    content: &'a mut Vec<u8>,
    failed: Option<&'static str>,
}

impl Cpu<'_> {
    fn put<const N: usize>(&mut self, at: usize, bytes: [u8; N]) {
        let place = at.checked_add(N).and_then(|end| self.content.get_mut(at..end));
        match place {
            Some(place) => place.copy_from_slice(&bytes),
            None => self.failed = Some("a register that this Xen does not tell"),
        }
    }

    fn word(&mut self, index: usize, old: u64, new: u64) {
        if old != new {
            self.put(index.saturating_mul(8).saturating_add(512), new.to_le_bytes());
        }
    }

    fn general(&mut self, old: &Vcpu, new: &Vcpu) {
        for (index, register) in ORDER.into_iter().enumerate() {
            let of = |vcpu: &Vcpu| vcpu.gpr.get(register).copied().unwrap_or(0);
            self.word(index, of(old), of(new));
        }
        self.word(16, old.rip, new.rip);
        self.word(17, old.rflags, new.rflags);
    }

    fn optional(&mut self, index: usize, old: Option<u64>, new: Option<u64>, name: &'static str) {
        match (old, new) {
            (old, new) if old == new => {}
            (_, None) => self.failed = Some(name),
            (_, Some(new)) => self.put(index.saturating_mul(8).saturating_add(512), new.to_le_bytes()),
        }
    }

    fn control(&mut self, old: &Vcpu, new: &Vcpu) {
        self.optional(18, old.cr0, new.cr0, "CR0");
        self.optional(19, old.cr2, new.cr2, "CR2");
        self.optional(20, old.cr3, new.cr3, "CR3");
        self.optional(21, old.cr4, new.cr4, "CR4");
        for (register, index) in [(0, 22), (1, 23), (2, 24), (3, 25), (6, 26), (7, 27)] {
            let of = |vcpu: &Vcpu| vcpu.dr.and_then(|registers| registers.get(register).copied());
            self.optional(index, of(old), of(new), "the debug registers");
        }
        for (old, new, base, limit, name) in [
            (old.idt, new.idt, 872, 800, "IDTR"),
            (old.gdt, new.gdt, 880, 804, "GDTR"),
        ] {
            match new {
                new if new == old => {}
                Some(new) => {
                    self.put(base, new.base.to_le_bytes());
                    self.put(limit, u32::from(new.limit).to_le_bytes());
                }
                None => self.failed = Some(name),
            }
        }
    }

    fn segments(&mut self, old: &Vcpu, new: &Vcpu) -> Result<(), &'static str> {
        let list = |vcpu: &Vcpu| {
            let all = vcpu.segments;
            [all.cs, all.ds, all.es, all.fs, all.gs, all.ss, all.tr, all.ldt]
        };
        for (index, (old, new)) in list(old).into_iter().zip(list(new)).enumerate() {
            if old != new {
                self.segment(index, new)?;
            }
        }
        // The bases of FS and GS have two names; the one that was changed holds.
        for (register, index) in [(msr::FS_BASE, 3usize), (msr::GS_BASE, 4)] {
            let (old, new) = (old.msrs.get(&register), new.msrs.get(&register));
            if let Some(new) = new.filter(|_| old != new) {
                self.put(index.saturating_mul(8).saturating_add(808), new.to_le_bytes());
            }
        }
        Ok(())
    }

    fn segment(&mut self, index: usize, segment: Segment) -> Result<(), &'static str> {
        let hidden = segment
            .hidden
            .ok_or("a segment register without base, limit and rights")?;
        let narrow = index.saturating_mul(4);
        let access = u32::from(hidden.access);
        self.put(narrow.saturating_add(736), u32::from(segment.selector).to_le_bytes());
        self.put(narrow.saturating_add(768), hidden.limit.to_le_bytes());
        self.put(index.saturating_mul(8).saturating_add(808), hidden.base.to_le_bytes());
        let rights = access & 0xff | access >> 4 & 0xf00;
        self.put(narrow.saturating_add(888), rights.to_le_bytes());
        Ok(())
    }

    /// Sets the model-specific registers that the record has; gives the others that are to be changed.
    fn model_specific(&mut self, old: &Vcpu, new: &Vcpu) -> Vec<(u32, Option<u64>)> {
        let mut others = Vec::new();
        for register in old
            .msrs
            .keys()
            .chain(new.msrs.keys().filter(|key| !old.msrs.contains_key(key)))
        {
            let value = new.msrs.get(register).copied();
            let base = matches!(*register, msr::FS_BASE | msr::GS_BASE);
            if base || old.msrs.get(register).copied() == value {
                continue;
            }
            match (MSRS.iter().find(|(known, _)| known == register), value) {
                (Some((_, at)), Some(value)) => self.put(*at, value.to_le_bytes()),
                _ => others.push((*register, value)),
            }
        }
        others
    }
}
