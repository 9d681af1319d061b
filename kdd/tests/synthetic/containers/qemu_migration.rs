//! Migration streams of QEMU, version 3, as its migration/savevm.c and migration/ram.c write them.

use serde_json::{Value, json};

use crate::synthetic::machine::{Cpu, Machine, Seg};

/// A stream's form.
#[derive(Clone, Debug)]
pub struct Form {
    pub machine: &'static str,
    /// Names and lengths of the blocks that make the RAM, one after the other.
    pub blocks: Vec<(&'static str, u64)>,
    /// RAM below 4 GiB.
    pub below: u64,
    /// Pages at fixed places of the file.
    pub mapped: bool,
    /// A first pass with other bytes.
    pub live: bool,
    /// Leaves shared memory out.
    pub shared: bool,
    /// The description at the end.
    pub described: bool,
    /// The machine's sizes of RAM in its CMOS.
    pub cmos: bool,
    /// A device before the CPUs that writes more than its description says.
    pub odd: bool,
    /// Footers of sections.
    pub footers: bool,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            machine: "pc-q35-10.0",
            blocks: vec![("pc.ram", 0x40_0000)],
            below: 0x40_0000,
            mapped: false,
            live: false,
            shared: false,
            described: true,
            cmos: true,
            odd: false,
            footers: true,
        }
    }
}

/// Bytes that grow by big-endian numbers.
#[derive(Default)]
struct Big(Vec<u8>);

impl Big {
    fn number(&mut self, value: u64, size: usize) -> &mut Self {
        self.0.extend(&value.to_be_bytes()[8 - size..]);
        self
    }

    fn name(&mut self, name: &str) -> &mut Self {
        self.number(name.len() as u64, 1);
        self.0.extend(name.as_bytes());
        self
    }
}

/// A device: its bytes, and the description of its fields.
#[derive(Default)]
struct Device {
    name: &'static str,
    instance: u32,
    bytes: Big,
    fields: Vec<Value>,
    subsections: Vec<Value>,
}

impl Device {
    fn new(name: &'static str, instance: u32) -> Self {
        Self {
            name,
            instance,
            ..Self::default()
        }
    }

    fn number(&mut self, name: &str, size: usize, value: u64) -> &mut Self {
        self.bytes.number(value, size);
        self.fields
            .push(json!({"name": name, "type": format!("uint{}", size * 8), "size": size}));
        self
    }

    fn array(&mut self, name: &str, size: usize, values: &[u64]) -> &mut Self {
        values.iter().for_each(|value| {
            self.bytes.number(*value, size);
        });
        let kind = format!("uint{}", size * 8);
        self.fields
            .push(json!({"name": name, "array_len": values.len(), "type": kind, "size": size}));
        self
    }

    /// Structures of fields with sizes; an array when there are several.
    fn structures(&mut self, name: &str, fields: &[(&str, usize)], values: &[Vec<u64>]) -> &mut Self {
        for value in values {
            for (number, (_, size)) in value.iter().zip(fields) {
                self.bytes.number(*number, *size);
            }
        }
        let inside: Vec<Value> = fields
            .iter()
            .map(|(name, size)| json!({"name": name, "type": "uint", "size": size}))
            .collect();
        let size: usize = fields.iter().map(|(_, size)| size).sum();
        let mut field = json!({"name": name, "type": "struct", "struct": {"vmsd_name": name, "version": 1, "fields": inside}, "size": size});
        if values.len() > 1 {
            field["array_len"] = values.len().into();
        }
        self.fields.push(field);
        self
    }

    fn subsection(&mut self, name: &str, size: usize, value: u64) -> &mut Self {
        self.bytes.number(5, 1).name(name).number(1, 4).number(value, size);
        let field = json!({"name": "value", "type": "uint", "size": size});
        self.subsections
            .push(json!({"vmsd_name": name, "version": 1, "fields": [field]}));
        self
    }

    fn describe(&self) -> Value {
        let mut value = json!({"name": self.name, "instance_id": self.instance, "vmsd_name": self.name, "version": 1, "fields": self.fields});
        if !self.subsections.is_empty() {
            value["subsections"] = self.subsections.clone().into();
        }
        value
    }
}

const SEGMENT: [(&str, usize); 4] = [("selector", 4), ("base", 8), ("limit", 4), ("flags", 4)];

fn segment(seg: Seg) -> Vec<u64> {
    // The second word of the descriptor has four bits of the limit too.
    let flags = u64::from(seg.access) << 8 | u64::from(seg.limit) & 0xf_0000;
    vec![seg.selector.into(), seg.base, seg.limit.into(), flags]
}

fn half(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}

fn cpu(number: u32, cpu: &Cpu) -> Device {
    let mut device = Device::new("cpu", number);
    device
        .array("env.regs", 8, &cpu.gpr)
        .number("env.eip", 8, cpu.rip)
        .number("env.eflags", 8, cpu.rflags);
    device.number("env.hflags", 4, 0x40b0);
    let image = &cpu.fxsave;
    let word = |at: usize| u64::from(u16::from_le_bytes([image[at], image[at + 1]]));
    device
        .number("env.fpuc", 2, word(0))
        .number("env.fpus_vmstate", 2, word(2));
    device
        .number("env.fptag_vmstate", 2, word(4))
        .number("env.fpregs_format_vmstate", 2, 0);
    let x87: Vec<Vec<u64>> = (32..160)
        .step_by(16)
        .map(|at| vec![half(&image[at..at + 8]), word(at + 8)])
        .collect();
    device.structures("env.fpregs", &[("tmp_mant", 8), ("tmp_exp", 2)], &x87);
    let segments = [cpu.es, cpu.cs, cpu.ss, cpu.ds, cpu.fs, cpu.gs].map(segment);
    device.structures("env.segs", &SEGMENT, &segments);
    let table = |(base, limit): (u64, u16)| vec![0, base, limit.into(), 0];
    let others = [
        ("env.ldt", segment(cpu.ldt)),
        ("env.tr", segment(cpu.tr)),
        ("env.gdt", table(cpu.gdt)),
        ("env.idt", table(cpu.idt)),
    ];
    for (name, value) in others {
        device.structures(name, &SEGMENT, &[value]);
    }
    device
        .number("env.sysenter_cs", 4, cpu.sysenter[0])
        .number("env.sysenter_esp", 8, cpu.sysenter[1]);
    device
        .number("env.sysenter_eip", 8, cpu.sysenter[2])
        .number("env.cr[0]", 8, cpu.cr0);
    device
        .number("env.cr[2]", 8, cpu.cr2)
        .number("env.cr[3]", 8, cpu.cr3)
        .number("env.cr[4]", 8, cpu.cr4);
    device
        .array("env.dr", 8, &cpu.dr)
        .number("env.a20_mask", 4, 0xffff_ffff);
    device.number(
        "env.mxcsr",
        4,
        u64::from(u32::from_le_bytes(image[24..28].try_into().unwrap())),
    );
    let vectors: Vec<Vec<u64>> = (160..416)
        .step_by(16)
        .map(|at| vec![half(&image[at..at + 8]), half(&image[at + 8..at + 16])])
        .collect();
    device.structures("env.xmm_regs[0]", &[("_q_ZMMReg[0]", 8), ("_q_ZMMReg[1]", 8)], &vectors);
    device
        .number("env.efer", 8, cpu.efer)
        .number("env.star", 8, cpu.star)
        .number("env.lstar", 8, cpu.lstar);
    device
        .number("env.cstar", 8, cpu.cstar)
        .number("env.fmask", 8, cpu.sfmask);
    device
        .number("env.kernelgsbase", 8, cpu.kernel_gs_base)
        .number("env.smbase", 4, 0x3_0000);
    device.number("env.tsc_aux", 8, 0x77).number("env.xcr0", 8, 7);
    device
        .subsection("cpu/poll_control_msr", 8, 1)
        .subsection("cpu/msr_smi_count", 8, 0);
    device
}

fn cmos(form: &Form) -> Device {
    let mut bytes = vec![0u64; 128];
    let total: u64 = form.blocks.iter().map(|(_, length)| length).sum();
    if form.cmos {
        let small = (form.below.min(16 << 20) - (1 << 20)) / 1024;
        (bytes[0x30], bytes[0x31]) = (small & 0xff, small >> 8);
        let large = form.below.saturating_sub(16 << 20) / 0x1_0000;
        (bytes[0x34], bytes[0x35]) = (large & 0xff, large >> 8);
        let above = (total - form.below) / 0x1_0000;
        (bytes[0x5b], bytes[0x5c], bytes[0x5d]) = (above & 0xff, above >> 8 & 0xff, above >> 16);
    }
    let mut device = Device::new("mc146818rtc", 0);
    device.array("cmos_data", 1, &bytes).number("cmos_index", 1, 0);
    device
}

/// The block that holds an address of RAM, and the offset in it.
fn home(form: &Form, page: u64) -> (usize, u64) {
    let mut offset = if page < form.below {
        page
    } else {
        page - (4 << 30) + form.below
    };
    for (index, (_, length)) in form.blocks.iter().enumerate() {
        if offset < *length {
            return (index, offset);
        }
        offset -= length;
    }
    panic!("{page:#x} is in no block")
}

fn page(out: &mut Big, form: &Form, last: &mut Option<usize>, at: u64, bytes: &[u8]) {
    let (block, offset) = home(form, at);
    let zero = bytes.iter().all(|byte| *byte == 0);
    let again = if *last == Some(block) { 0x20 } else { 0 };
    out.number(offset | if zero { 2 } else { 8 } | again, 8);
    if again == 0 {
        out.name(form.blocks[block].0);
    }
    *last = Some(block);
    if zero {
        out.number(0, 1);
    } else {
        out.0.extend(bytes);
    }
}

fn footer(out: &mut Big, form: &Form, number: u64) {
    if form.footers {
        out.number(0x7e, 1).number(number, 4);
    }
}

/// A block of firmware of two pages, which ends at 4 GiB.
pub fn bios() -> Vec<u8> {
    (0..0x2000u32).map(|at| (at >> 3) as u8).collect()
}

fn setup(out: &mut Big, machine: &Machine, form: &Form) {
    out.number(1, 1).number(2, 4).name("ram").number(0, 4).number(4, 4);
    let total: u64 = form.blocks.iter().map(|(_, length)| length).sum();
    out.number((total + 0x2000) | 4, 8);
    let blocks = form.blocks.iter().copied().chain([("pc.bios", 0x2000)]);
    for (index, (name, length)) in blocks.enumerate() {
        out.name(name).number(length, 8);
        if form.shared {
            out.number(0, 8);
        }
        if form.mapped {
            mapped(out, machine, form, index, length);
        }
    }
    out.number(0x10, 8);
    footer(out, form, 2);
}

fn mapped(out: &mut Big, machine: &Machine, form: &Form, index: usize, length: u64) {
    let bits = (length / 4096).div_ceil(64) as usize * 8;
    let bitmap = out.0.len() + 28;
    let start = (bitmap + bits).next_multiple_of(0x10_0000);
    out.number(1, 4)
        .number(4096, 8)
        .number(bitmap as u64, 8)
        .number(start as u64, 8);
    out.0.resize(start + length as usize, 0);
    let bios = bios();
    let firmware = bios
        .chunks(4096)
        .enumerate()
        .map(|(number, page)| (form.blocks.len(), number as u64 * 4096, page));
    let ram = machine.pages.iter().map(|(at, page)| {
        let (block, offset) = home(form, *at);
        (block, offset, page.as_slice())
    });
    for (_, offset, page) in ram.chain(firmware).filter(|(block, _, _)| *block == index) {
        if page.iter().any(|byte| *byte != 0) {
            out.0[bitmap + (offset / 4096 / 8) as usize] |= 1 << (offset / 4096 % 8);
            out.0[start + offset as usize..][..4096].copy_from_slice(page);
        }
    }
}

/// A stream of a machine.
pub fn write(machine: &Machine, form: &Form) -> Vec<u8> {
    let mut out = Big::default();
    out.0.extend(b"QEVM");
    out.number(3, 4).number(7, 1).number(form.machine.len() as u64, 4);
    out.0.extend(form.machine.as_bytes());
    let capabilities = [(form.mapped, "mapped-ram"), (form.shared, "x-ignore-shared")];
    let capabilities: Vec<&str> = capabilities
        .iter()
        .filter(|(on, _)| *on)
        .map(|(_, name)| *name)
        .collect();
    if !capabilities.is_empty() {
        out.number(5, 1)
            .name("configuration/capabilities")
            .number(1, 4)
            .number(capabilities.len() as u64, 4);
        for name in capabilities {
            out.name(name);
        }
    }
    out.number(8, 1).number(3, 2).number(2, 2).number(0, 2);
    setup(&mut out, machine, form);
    let mut last = None;
    if !form.mapped && !form.shared {
        if form.live {
            out.number(2, 1).number(2, 4);
            for at in machine.pages.keys() {
                page(&mut out, form, &mut last, *at, &[0xcc; 4096]);
            }
            out.number(0x10, 8);
            footer(&mut out, form, 2);
        }
        out.number(3, 1).number(2, 4);
        for (at, bytes) in &machine.pages {
            page(&mut out, form, &mut last, *at, bytes);
        }
        for (number, bytes) in bios().chunks(4096).enumerate() {
            let again = if number == 0 { 0 } else { 0x20 };
            out.number((number as u64 * 4096) | 8 | again, 8);
            if again == 0 {
                out.name("pc.bios");
            }
            out.0.extend(bytes);
        }
        out.number(0x10, 8);
        footer(&mut out, form, 2);
    }
    devices(&mut out, machine, form);
    out.0
}

fn devices(out: &mut Big, machine: &Machine, form: &Form) {
    let mut timer = Device::new("timer", 0);
    timer.number("ticks", 8, 1).number("offset", 8, 2);
    let mut list = vec![timer];
    for (number, state) in machine.cpus.iter().enumerate() {
        list.push(cpu(number as u32, state));
        let mut apic = Device::new("apic", number as u32);
        apic.number("apicbase", 4, 0xfee0_0900)
            .number("id", 1, number as u64)
            .number("arb_id", 1, 0);
        apic.number("tpr", 1, state.cr8 << 4).number("spurious_vec", 4, 0xff);
        list.push(apic);
    }
    list.push(cmos(form));
    for (index, device) in list.iter().enumerate() {
        let number = index as u64 + 3;
        out.number(4, 1)
            .number(number, 4)
            .name(device.name)
            .number(device.instance.into(), 4)
            .number(1, 4);
        out.0.extend(&device.bytes.0);
        if form.odd && index == 0 {
            out.0.extend([0x55; 11]);
        }
        footer(out, form, number);
    }
    out.number(0, 1);
    if form.described {
        let devices: Vec<Value> = list.iter().map(Device::describe).collect();
        let text =
            json!({"configuration": {"vmsd_name": "configuration"}, "page_size": 4096, "devices": devices}).to_string();
        out.number(6, 1).number(text.len() as u64, 4);
        out.0.extend(text.as_bytes());
    }
}

/// libvirt's header and XML around a stream.
pub fn libvirt(stream: &[u8], format: u32) -> Vec<u8> {
    let xml = b"<domain type='kvm'>\n  <name>made-up</name>\n</domain>\0";
    let mut bytes = b"LibvirtQemudSave".to_vec();
    for word in [2, xml.len() as u32, 1, format, 0] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.resize(92, 0);
    bytes.extend(xml);
    bytes.extend(stream);
    bytes
}
