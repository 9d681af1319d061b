//! The CPUs that a question is about: this machine's, a capture's, or one described by options.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use captures::{DocumentKind, Source};
use clap::{Args, ValueEnum};
use cpuid_db::leaf::{Leaf, Registers, Subleaf};

use super::Error;
use crate::cpu::{self, Cpu, UnderXen, Vendor, words};
use crate::damage::Damage;
use crate::found::Found;
use crate::ids::{PlatformMask, Revision, Signature};

/// Largest file that is tried as text of a CPU before it is opened as a capture, in bytes.
const TEXT_LIMIT: u64 = 16 << 20;
const CPUS: &str = "/sys/devices/system/cpu";

/// Options that name CPUs.
#[derive(Clone, Debug, Default, Args)]
pub struct CpuInput {
    /// Take the CPUs of this capture, CPUID dump, /proc/cpuinfo or kernel log instead of this machine's
    #[arg(long, value_name = "PATH")]
    from: Vec<PathBuf>,
    /// CPU signature (EAX of CPUID leaf 1: 0x806e9, or 06-8e-09) in place of those of the source
    #[arg(long, value_name = "SIGNATURE", value_parser = words::read_signature)]
    signature: Option<Signature>,
    /// Intel: platform flags, one bit (0x80)
    #[arg(long, value_name = "FLAGS", value_parser = words::read_platform)]
    platform: Option<PlatformMask>,
    /// Revision that runs
    #[arg(long, value_name = "REVISION", value_parser = words::read_revision)]
    revision: Option<Revision>,
    /// Vendor of the CPU that --signature describes; told by its family where possible
    #[arg(long, value_enum)]
    vendor: Option<CpuVendor>,
    /// A hypervisor is below the kernel
    #[arg(long)]
    hypervisor: bool,
}

/// Vendors of CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CpuVendor {
    /// Intel
    Intel,
    /// AMD
    Amd,
    /// Hygon
    Hygon,
}

/// What else this machine shows, when the CPUs are its own.
pub(super) struct Live {
    /// Kernel command line.
    pub command_line: Option<String>,
    release: Option<String>,
}

impl CpuInput {
    /// The CPUs of these sources.
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        Self {
            from: paths.to_vec(),
            ..Self::default()
        }
    }

    /// The CPUs, each kind once; with them what this machine shows when they are its own.
    pub(super) fn load(&self) -> Result<(Vec<Cpu>, Option<Live>), Error> {
        let mut live = None;
        let mut cpus = if let Some(signature) = self.signature {
            let mut described = Cpu::new("options", self.vendor_of(signature));
            described.signature = Some(signature);
            vec![described]
        } else if self.from.is_empty() {
            let source = Source::live();
            live = Some(Live::of(&source));
            of_source("this machine", &source)
        } else {
            let mut all = Vec::new();
            for path in &self.from {
                all.extend(of_path(path)?);
            }
            all
        };
        if cpus.is_empty() {
            return Err(Error::refused(
                "CPU",
                "no x86 CPU is told of; --signature can describe one",
            ));
        }
        for cpu in &mut cpus {
            cpu.platform = self.platform.or(cpu.platform);
            cpu.revision = self.revision.or(cpu.revision);
            if self.hypervisor {
                cpu.hypervisor = Some(true);
            }
        }
        Ok((cpus, live))
    }

    /// As given, else as the family lets one guess.
    fn vendor_of(&self, signature: Signature) -> Vendor {
        match self.vendor {
            Some(CpuVendor::Intel) => Vendor::Intel,
            Some(CpuVendor::Amd) => Vendor::Amd,
            Some(CpuVendor::Hygon) => Vendor::Hygon,
            None => words::vendor_of(signature),
        }
    }
}

impl Live {
    fn of(source: &Source) -> Self {
        let line = |path: &str| source.text(path).map(|text| text.trim().to_owned());
        Self {
            command_line: line("/proc/cmdline"),
            release: line("/proc/sys/kernel/osrelease"),
        }
    }

    /// The initrd of the running kernel, where it is there.
    fn initrd(&self) -> Option<PathBuf> {
        let release = self.release.as_deref().unwrap_or_default();
        initrd_names(release)
            .into_iter()
            .map(PathBuf::from)
            .find(|path| path.is_file())
    }

    /// Where this machine has its initrd and its firmware, as far as they are there.
    pub(super) fn places(&self) -> Vec<PathBuf> {
        let initrd = self.initrd();
        let firmware = Path::new("/lib/firmware");
        let has_microcode = ["intel-ucode", "amd-ucode"]
            .iter()
            .any(|folder| firmware.join(folder).is_dir());
        initrd
            .into_iter()
            .chain(has_microcode.then(|| firmware.to_owned()))
            .collect()
    }
}

/// Where distributions put the initrd of a kernel.
pub(super) fn initrd_names(release: &str) -> [String; 5] {
    [
        format!("/boot/initrd.img-{release}"),
        format!("/boot/initramfs-{release}.img"),
        format!("/boot/initrd-{release}"),
        format!("/usr/lib/modules/{release}/initrd"),
        "/boot/initramfs-linux.img".to_owned(),
    ]
}

/// The CPUs of a text or a capture.
fn of_path(path: &Path) -> Result<Vec<Cpu>, Error> {
    host(path).map(|(cpus, _)| cpus)
}

/// The CPUs of a text or a capture, and the updates in its initrd where that was captured.
pub(super) fn host(path: &Path) -> Result<(Vec<Cpu>, Vec<Found>), Error> {
    let origin = path.display().to_string();
    let small = std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() <= TEXT_LIMIT);
    if small
        && let Ok(bytes) = std::fs::read(path)
        && let Ok(text) = std::str::from_utf8(&bytes)
    {
        let told = cpu::from_text(&origin, text);
        if let Some((cpus, damage)) = told.filter(|(cpus, _)| !cpus.is_empty()) {
            warn(&origin, &damage);
            return Ok((cpus, Vec::new()));
        }
    }
    let source = Source::open(&[path])?;
    Ok((of_source(&origin, &source), super::fleet::own_initrd(&source, &origin)))
}

/// The CPUs of a machine: Xen's, where it tells of them; `/proc/cpuinfo` and what the loader shows in
/// `/sys`, else a CPUID dump.
fn of_source(origin: &str, source: &Source) -> Vec<Cpu> {
    let cpus = of_linux(origin, source);
    let of_xen = of_xen(origin, source, &cpus);
    if of_xen.is_empty() { cpus } else { of_xen }
}

/// The CPUs that Xen's control domain was told of, with the names that its kernel knows.
fn of_xen(origin: &str, source: &Source, dom0: &[Cpu]) -> Vec<Cpu> {
    let text = |kind| {
        let document = source.documents(kind).next();
        document.map(|document| String::from_utf8_lossy(&document.bytes).into_owned())
    };
    let Some(ucode) = text(DocumentKind::XenUcode) else {
        return Vec::new();
    };
    let policies = text(DocumentKind::CpuidXenPolicies).unwrap_or_default();
    let policies = cpuid_db::formats::xen_policies::parse(&policies).value;
    let raw = policies.iter().find(|(name, _)| name == "Raw").map(|(_, cpu)| cpu);
    let bit = |leaf: u32, subleaf: u32, register: fn(&Registers) -> u32, bit: u32| {
        let row = raw?.row(Leaf(leaf), Subleaf(subleaf))?;
        Some(register(&row) >> bit & 1 == 1)
    };
    let info = text(DocumentKind::XlInfo).unwrap_or_default();
    let command_line = info.lines().find_map(|line| {
        let value = line.strip_prefix("xen_commandline")?;
        Some(value.trim_start().strip_prefix(':')?.trim().to_owned())
    });
    let mut cpus = cpu::from_xen_ucode(&format!("{origin}, told by Xen"), &ucode);
    for cpu in &mut cpus {
        let same = dom0.iter().find(|of_dom0| of_dom0.signature == cpu.signature);
        if let Some(same) = same {
            (cpu.name, cpu.cache_per_core) = (same.name.clone(), same.cache_per_core);
        }
        cpu.hypervisor = bit(1, 0, |row| row.ecx, 31);
        cpu.fred = bit(7, 1, |row| row.eax, 17);
        cpu.xen = Some(Box::new(UnderXen {
            dom0_cpus: dom0.iter().map(|cpu| cpu.cpus.len()).sum(),
            dom0_revision: dom0.first().and_then(|cpu| cpu.revision),
            command_line: command_line.clone(),
        }));
    }
    cpus
}

/// The CPUs that the kernel shows.
fn of_linux(origin: &str, source: &Source) -> Vec<Cpu> {
    if let Some(text) = source.text("/proc/cpuinfo") {
        let (mut cpus, damage) = cpu::from_cpuinfo(origin, &text);
        warn(&format!("{origin}: /proc/cpuinfo"), &damage);
        for cpu in &mut cpus {
            let number = cpu.cpus.first().copied().unwrap_or(0);
            let of_loader = |name: &str| source.text(&format!("{CPUS}/cpu{number}/microcode/{name}"));
            let (version, flags) = (of_loader("version"), of_loader("processor_flags"));
            let damage = cpu::with_sysfs(cpu, version.as_deref(), flags.as_deref());
            warn(&format!("{origin}: {CPUS}/cpu{number}/microcode"), &damage);
        }
        if !cpus.is_empty() {
            return cpus;
        }
    }
    let mut cpus = Vec::new();
    for kind in DocumentKind::CPUID {
        for document in source.documents(kind) {
            if let Ok(text) = std::str::from_utf8(&document.bytes)
                && let Some((_, dump)) = cpuid_db::formats::detect_and_parse(text)
            {
                cpus.extend(cpu::from_leaves(origin, &dump.value));
            }
        }
    }
    cpus
}

fn warn(origin: &str, damage: &[Damage]) {
    damage
        .iter()
        .for_each(|damage| eprintln!("damaged: {origin}: {damage}"));
}

/// Who the CPU is, in two lines.
pub(super) fn print(cpu: &Cpu, out: &mut dyn Write) -> io::Result<()> {
    let or_unknown = |value: Option<String>| value.unwrap_or_else(|| "not known".to_owned());
    writeln!(
        out,
        "CPU: {} ({})",
        cpu.name.as_deref().unwrap_or("no name told"),
        cpu.origin
    )?;
    let signature = cpu.signature.map(|signature| {
        let (family, model, stepping) = signature.family_model_stepping();
        format!("{signature} ({family:02x}-{model:02x}-{stepping:02x})")
    });
    write!(out, "  signature {}", or_unknown(signature))?;
    if cpu.vendor == Vendor::Intel {
        write!(
            out,
            ", platform {}",
            or_unknown(cpu.platform.map(|platform| platform.to_string()))
        )?;
    }
    write!(
        out,
        ", revision {}",
        or_unknown(cpu.revision.map(|revision| revision.to_string()))
    )?;
    writeln!(
        out,
        "{}",
        match (cpu.hypervisor, &cpu.xen) {
            (Some(true), Some(_)) => ", a hypervisor is below Xen",
            (Some(true), None) => ", under a hypervisor",
            _ => "",
        }
    )?;
    cpu.xen.as_deref().map_or(Ok(()), |xen| print_xen(cpu, xen, out))
}

/// Whom the revision is from, and what dom0 shows beside.
fn print_xen(cpu: &Cpu, xen: &UnderXen, out: &mut dyn Write) -> io::Result<()> {
    let cpus = |count: usize| {
        if count == 1 {
            "1 CPU".to_owned()
        } else {
            format!("{count} CPUs")
        }
    };
    let dom0 = match xen.dom0_revision {
        Some(revision) if Some(revision) == cpu.revision => "shows the same revision".to_owned(),
        Some(revision) => format!("shows revision {revision}"),
        None => "shows no revision".to_owned(),
    };
    writeln!(
        out,
        "  Xen runs it on {}; /proc/cpuinfo of dom0 {dom0} on {}{}",
        cpus(cpu.cpus.len()),
        cpus(xen.dom0_cpus),
        if cpu.cpus.len() > xen.dom0_cpus {
            ": the CPUs hidden from dom0 count too"
        } else {
            ""
        }
    )
}
