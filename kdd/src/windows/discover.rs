//! All of the discovery, step by step.

use super::fields::{array, read_pointer, read_u32, to_debugger_pointer, u32_at, u64_at};
use super::kdbg::synthesise::{self, Parts};
use super::kdbg::{self, Place};
use super::pe::Image;
use super::{
    Architecture, Build, Given, Kdbg, KdbgState, Kernel, Missing, Windows, builds, directory, drivers, kernel, modules,
    processes, processors, shared_data, without_kdbg,
};
use crate::memory::paging::{AddressSpace, Cache, Swizzle};
use crate::memory::{Gva, VirtualMemory};
use crate::target::Target;
use crate::target::vcpu::msr;

/// KPCR of the first processor of every x86 Windows before Vista, and of many after.
const KPCR_X86: Gva = Gva(0xffdf_f000);

/// Memory through the page tables first, then as the container knows it by virtual address.
pub(super) struct Memory<'a> {
    paging: Option<AddressSpace<'a>>,
    direct: Option<&'a dyn VirtualMemory>,
}

impl VirtualMemory for Memory<'_> {
    fn read(&self, at: Gva, buffer: &mut [u8]) -> usize {
        let paged = self.paging.map_or(0, |space| space.read(at, buffer));
        match self.direct {
            Some(direct) if paged < buffer.len() => direct.read(at, buffer).max(paged),
            _ => paged,
        }
    }
}

/// Finds the Windows in a guest. It never fails: what could not be found is in [`Windows::missing`], with
/// the reason and the option that gives it by hand.
#[must_use]
pub fn discover(target: &dyn Target, given: &Given) -> Windows {
    let cache = Cache::default();
    let mut windows = Windows::default();
    let near = find_directory(target, given, &mut windows);
    let paging = windows.space(target).map(|space| space.cached(&cache));
    let memory = Memory {
        paging,
        direct: target.virtual_memory(),
    };
    if windows.architecture.is_none() {
        windows.architecture = match target.hints().machine {
            Some(0x8664) => Some(Architecture::X64),
            Some(0x14c) => Some(Architecture::X86),
            _ => None,
        };
    }
    let Some(architecture) = windows.architecture else {
        return windows;
    };
    let image = find_kernel(target, given, &memory, near, &mut windows);
    find_version(target, &memory, image.as_ref(), &mut windows);
    let Some(base) = windows.kernel.as_ref().map(|kernel| kernel.base) else {
        return windows;
    };
    let place = Place {
        space: &memory,
        architecture,
        base,
        image: image.as_ref(),
    };
    windows.version_block = kdbg::version_block(&place, &kpcrs(target, architecture));
    find_build(target, &memory, image.as_ref(), &mut windows);
    windows.kdbg = find_kdbg(target, given, &place, &windows);
    // From here on frames that the kernel hides are found too.
    let memory = Memory {
        paging: windows.space(target).map(|space| space.cached(&cache)),
        ..memory
    };
    let place = Place {
        space: &memory,
        ..place
    };
    let names = names(target, &place, &windows);
    read_lists(target, &place, names, &mut windows);
    finish_kdbg(target, &place, names, memory.paging.as_ref(), &mut windows);
    windows
}

impl Windows {
    /// The kernel's address space, where its page directory is known: with the guest's way to hide frames
    /// (L1TF) as soon as the KDBG is known.
    #[must_use]
    pub fn space<'a>(&self, target: &'a dyn Target) -> Option<AddressSpace<'a>> {
        let (mode, root) = (self.paging?, self.directory.as_ref()?.value);
        Some(AddressSpace::new(target.memory(), mode, root).swizzled(self.swizzle()))
    }

    /// How the kernel hides frames in entries that are not present; since build 18362.
    #[must_use]
    pub fn swizzle(&self) -> Option<Swizzle> {
        let kdbg = self.kdbg.as_ref()?;
        let new = self.build.as_ref()?.number >= 18362 && self.architecture == Some(Architecture::X64);
        let [high_bit, swizzle_bit] = array(&kdbg.bytes, 0x2c2).filter(|_| new)?;
        Swizzle::new(high_bit, swizzle_bit)
    }

    /// Bytes of a pointer of the kernel.
    #[must_use]
    pub fn pointer_size(&self) -> usize {
        if self.architecture == Some(Architecture::X86) {
            4
        } else {
            8
        }
    }

    /// Address of the list entry whose Flink is the KDBG, as GetVersion gives it; 0 when there is none.
    #[must_use]
    pub fn debugger_data_list(&self) -> Gva {
        let head = |kdbg| kdbg::list_head(kdbg, self.version_block.as_ref(), self.pointer_size());
        self.kdbg.as_ref().map_or(Gva(0), head)
    }

    /// PsLoadedModuleList, from the version block or the KDBG.
    #[must_use]
    pub fn loaded_modules(&self) -> Option<Gva> {
        let version = self.version_block.as_ref().map(|version| version.loaded_modules);
        version.or_else(|| self.kdbg_pointer(0x48))
    }

    /// A field of the KDBG that is an address; `None` when it is zero.
    #[must_use]
    pub fn kdbg_pointer(&self, offset: usize) -> Option<Gva> {
        let value = u64_at(&self.kdbg.as_ref()?.bytes, offset).filter(|value| *value != 0)?;
        Some(super::fields::debugger_pointer(value, self.pointer_size()))
    }

    fn miss(&mut self, what: &'static str, why: impl Into<String>) {
        self.missing.push(Missing { what, why: why.into() });
    }
}

/// The page directory; gives an address near the kernel where the search found one.
fn find_directory(target: &dyn Target, given: &Given, windows: &mut Windows) -> Option<Gva> {
    match directory::find(target, given) {
        Ok(found) => {
            windows.paging = Some(found.mode);
            windows.architecture = Some(directory::architecture(found.mode));
            windows.directory = Some(found.root);
            found.near_kernel
        }
        Err(why) => {
            windows.miss("page directory", why);
            None
        }
    }
}

fn find_kernel(
    target: &dyn Target,
    given: &Given,
    memory: &Memory<'_>,
    near: Option<Gva>,
    windows: &mut Windows,
) -> Option<Image> {
    let found = kernel::known(memory, given, target)
        .or_else(|| {
            let (image, kernel) = kernel::find(memory.paging.as_ref()?, target, near)?;
            Some((Some(image), kernel))
        })
        .or_else(|| Some((None, of_kdbg(target, given, memory, windows)?)));
    let Some((image, kernel)) = found else {
        windows.miss(
            "kernel base",
            "no address of the vCPUs leads to the kernel's image and none is mapped; --kernel-base gives it by hand",
        );
        return None;
    };
    if image.is_none() {
        let why = format!(
            "no PE header at {}: size and CodeView record are not known",
            kernel.base
        );
        windows.miss("kernel headers", why);
    }
    windows.kernel = Some(kernel);
    image
}

/// The base that a KDBG names, where nothing else does: triage dumps hold the block itself.
fn of_kdbg(target: &dyn Target, given: &Given, memory: &Memory<'_>, windows: &Windows) -> Option<Kernel> {
    let at = given.kdbg.or(target.hints().kdbg);
    let own = target.hints().kdbg_bytes.clone();
    let bytes = own.or_else(|| at.map(|at| super::fields::read_some(memory, at, 32)))?;
    let base = kdbg::base_in(&bytes, windows.pointer_size())?;
    Some(Kernel {
        base,
        from: "KDBG".to_owned(),
        size: 0,
        timestamp: 0,
        checksum: 0,
        export_name: None,
        pdb: None,
    })
}

/// The version as far as it is known before the version block: of KUSER_SHARED_DATA and the container.
fn find_version(target: &dyn Target, memory: &Memory<'_>, image: Option<&Image>, windows: &mut Windows) {
    let Some(architecture) = windows.architecture else {
        return;
    };
    let exported = image.and_then(|image| read_u32(memory, image.export(memory, "NtBuildNumber")?));
    let shared = shared_data::read(memory, architecture);
    let made = |number: u32, from: &str, checked: bool| Build {
        number,
        from: from.to_owned(),
        major: None,
        minor: None,
        product_type: None,
        name: None,
        checked,
        system_time: None,
    };
    let by_export = exported
        .filter(|number| matches!(number >> 28, 0xf | 0xc) && builds::plausible(number & 0xffff))
        .map(|number| made(number & 0xffff, "NtBuildNumber", number >> 28 == 0xc));
    let by_header = || {
        let (major, number) = target.hints().version?;
        builds::plausible(number & 0xffff).then(|| made(number & 0xffff, "header of the dump", major == 0xc))
    };
    let by_shared = || Some(made(shared?.build?, "KUSER_SHARED_DATA", false));
    let mut build = by_export.or_else(by_header).or_else(by_shared);
    if let (Some(build), Some(shared)) = (&mut build, shared) {
        shared.complete(build);
    }
    windows.build = build;
}

/// The version block says the build where nothing else did; then the name of the release.
fn find_build(target: &dyn Target, memory: &Memory<'_>, image: Option<&Image>, windows: &mut Windows) {
    if windows.build.is_none()
        && let Some(version) = &windows.version_block
    {
        let mut build = Build {
            number: version.build.into(),
            from: "KdVersionBlock".to_owned(),
            major: None,
            minor: None,
            product_type: None,
            name: None,
            checked: u32_at(&version.bytes, 0).is_some_and(|word| word & 0xff == 0xc),
            system_time: None,
        };
        if let Some(shared) = windows.architecture.and_then(|of| shared_data::read(memory, of)) {
            shared.complete(&mut build);
        }
        windows.build = Some(build);
    }
    match &mut windows.build {
        Some(build) => build.name = builds::name(build.number, build.product_type),
        None => {
            let headers = if image.is_some() {
                "does not export it"
            } else {
                "has no headers"
            };
            let why = format!(
                "the kernel {headers}, and neither KUSER_SHARED_DATA, the version block nor the {} says it",
                target.container().format
            );
            windows.miss("build number", why);
        }
    }
}

/// Where KPCRs may be, for the version block of x86.
fn kpcrs(target: &dyn Target, architecture: Architecture) -> Vec<Gva> {
    if architecture == Architecture::X64 {
        return Vec::new();
    }
    let base = |vcpu: &crate::target::Vcpu| {
        let hidden = vcpu.segments.fs.hidden.map(|hidden| hidden.base);
        hidden.or_else(|| vcpu.msrs.get(&msr::FS_BASE).copied())
    };
    let of_vcpus = target.vcpus().iter().filter_map(base).map(Gva);
    std::iter::once(KPCR_X86)
        .chain(of_vcpus.filter(|at| at.0 >> 31 == 1))
        .collect()
}

fn find_kdbg(target: &dyn Target, given: &Given, place: &Place<'_>, windows: &Windows) -> Option<Kdbg> {
    let hints = target.hints();
    let named = [
        given.kdbg.map(|at| (at, "given".to_owned())),
        hints.kdbg.map(|at| (at, "header of the dump".to_owned())),
        kdbg::listed(place, windows.version_block.as_ref()),
    ];
    let known: Vec<_> = named.into_iter().flatten().collect();
    kdbg::find(place, &known).or_else(|| {
        let bytes = hints.kdbg_bytes.clone()?;
        kdbg::base_in(&bytes, place.pointer())?;
        Some(Kdbg {
            at: hints.kdbg?,
            from: "copy in the dump".to_owned(),
            state: KdbgState::Plain,
            bytes,
        })
    })
}

/// What the KDBG names, or what was found without it.
#[derive(Clone, Copy)]
struct Names {
    loaded_modules: Option<Gva>,
    active_processes: Option<Gva>,
    /// KiProcessorBlock, where no KDBG names it.
    processor_block: Option<Gva>,
}

/// KiProcessorBlock in a KDBG.
const PROCESSOR_BLOCK: usize = 0x218;

fn names(target: &dyn Target, place: &Place<'_>, windows: &Windows) -> Names {
    let hints = target.hints();
    let exported = || place.image?.export(place.space, "PsLoadedModuleList");
    // Without a KDBG everything else is a scan of memory that must be there.
    let scan = windows.kdbg.is_none() && place.image.is_some();
    let unnamed = windows.kdbg_pointer(PROCESSOR_BLOCK).is_none() && place.image.is_some();
    let modules = windows.loaded_modules().or(hints.loaded_modules).or_else(exported);
    let processes = windows.kdbg_pointer(0x50).or(hints.active_processes);
    Names {
        loaded_modules: modules.or_else(|| scan.then(|| without_kdbg::loaded_modules(place))?),
        active_processes: processes.or_else(|| without_kdbg::active_processes(place)),
        processor_block: unnamed.then(|| without_kdbg::processor_block(place)).flatten(),
    }
}

/// The KDBG, with the one field that leads to the processors where it does not have it.
fn kdbg_of_processors(place: &Place<'_>, names: Names, windows: &Windows) -> Option<Vec<u8>> {
    let own = windows.kdbg.as_ref().map(|kdbg| kdbg.bytes.clone());
    let Some(block) = names.processor_block else { return own };
    let mut bytes = own.unwrap_or_default();
    bytes.resize(bytes.len().max(PROCESSOR_BLOCK + 8), 0);
    if let Some(field) = bytes.get_mut(PROCESSOR_BLOCK..PROCESSOR_BLOCK + 8) {
        field.copy_from_slice(&to_debugger_pointer(block, place.pointer()).to_le_bytes());
    }
    Some(bytes)
}

/// Modules, processors and processes.
fn read_lists(target: &dyn Target, place: &Place<'_>, names: Names, windows: &mut Windows) {
    let architecture = place.architecture;
    let kdbg = kdbg_of_processors(place, names, windows);
    let build = windows.build.as_ref().map(|build| build.number);
    let context = processors::Context {
        kdbg: kdbg.as_deref(),
        architecture,
        build,
    };
    let (found, damage) = processors::read(place.space, target.vcpus(), context);
    windows.processors = found;
    windows.damage.extend(damage);
    if windows.processors.is_empty() {
        windows.miss("processors", "neither KiProcessorBlock nor a vCPU leads to a KPRCB");
    }
    read_modules(target, place, names.loaded_modules, windows);
    complete_kernel(windows);
    match names.active_processes {
        Some(head) => {
            let context = processes::Context {
                kdbg: kdbg.as_deref(),
                architecture,
                build,
                directory: windows.directory.as_ref().map(|found| found.value),
            };
            let (found, damage) = processes::read(place.space, head, context);
            windows.processes = found;
            windows.damage.extend(damage);
        }
        None => windows.miss(
            "processes",
            "PsActiveProcessHead is not known; --kdbg gives the block that names it",
        ),
    }
}

fn read_modules(target: &dyn Target, place: &Place<'_>, head: Option<Gva>, windows: &mut Windows) {
    let drivers = &target.hints().drivers;
    let there = |head: &Gva| read_pointer(place.space, *head, place.pointer()).is_some();
    match head {
        Some(head) if drivers.is_empty() || there(&head) => {
            let (found, damage) = modules::read(place.space, head, place.architecture);
            windows.modules = found;
            windows.damage.extend(damage);
        }
        _ if !drivers.is_empty() => {
            let (found, overlays) = drivers::modules(place, head, drivers);
            windows.modules = found;
            windows.overlays.extend(overlays);
        }
        _ => windows.miss(
            "modules",
            "PsLoadedModuleList is not known; --kdbg gives the block that names it",
        ),
    }
}

/// What the missing headers of the kernel would have said, from its entry in the list of modules.
fn complete_kernel(windows: &mut Windows) {
    if let Some(kernel) = &mut windows.kernel
        && kernel.size == 0
        && let Some(module) = windows.modules.iter().find(|module| module.base == kernel.base)
    {
        kernel.size = module.size;
        kernel.timestamp = module.timestamp.unwrap_or_default();
        kernel.checksum = module.checksum.unwrap_or_default();
        kernel.pdb.clone_from(&module.pdb);
    }
}

/// Makes a KDBG where there is none, and everything that a debugger must read differently.
fn finish_kdbg(
    target: &dyn Target,
    place: &Place<'_>,
    names: Names,
    paging: Option<&AddressSpace<'_>>,
    windows: &mut Windows,
) {
    if let Some(kdbg) = &windows.kdbg {
        let overlays = kdbg::overlays(place, paging, kdbg, windows.debugger_data_list());
        windows.overlays.extend(overlays);
        return;
    }
    let parts = Parts {
        build: windows.build.as_ref().map(|build| build.number),
        loaded_modules: names.loaded_modules,
        active_processes: names.active_processes,
        processor_block: names.processor_block,
        processors: &windows.processors,
        bug_check: target.hints().bug_check,
        runs: target.memory().runs(),
    };
    let made = synthesise::make(place, paging, &parts);
    let put = if made.is_some() {
        ", a debugger gets one put together"
    } else {
        ""
    };
    let why =
        format!("neither the version block nor a scan of the kernel's data leads to it{put}; --kdbg gives it by hand");
    windows.miss("KDBG", why);
    if let Some((kdbg, overlay)) = made {
        windows.kdbg = Some(kdbg);
        windows.overlays.push(overlay);
    }
}
