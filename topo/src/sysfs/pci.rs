//! PCI functions: `/sys/bus/pci/devices`.
//!
//! Follows the kernel's `Documentation/ABI/testing/sysfs-bus-pci`. Configuration bytes are handed
//! on undecoded. What `uevent` tells in one read (class, IDs, driver) is not read from files of its
//! own; kernels or captures without it get the single files.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use captures::Source;

use super::CpuSet;
use super::os_names;
use super::reader::{Reader, excerpt, hex};
use crate::evidence::{Damage, Decoded, Place};
use crate::pci::aer::ErrorCounters;
use crate::pci::function::{Bdf, Class, Function, Link, LinkState};

/// Where every function has a link to its directory.
const ROOT: &str = "/sys/bus/pci/devices";

/// Longest configuration space: PCI Express.
const CONFIG_SPACE: usize = 4096;

/// Reads all functions, sorted by address.
#[must_use]
pub fn read_functions(source: &Source) -> Decoded<Vec<Function>> {
    let mut reader = Reader::new(source);
    let mut functions = Vec::new();
    for (function, damage) in read_named(source, &source.list(ROOT)) {
        functions.extend(function);
        reader.damage.extend(damage);
    }
    functions.sort_by_key(|function| function.bdf);
    functions.dedup_by_key(|function| function.bdf);
    if !functions.is_empty() {
        name_slots(&mut reader, &mut functions);
        os_names::fill(source, &mut functions);
    }
    Decoded {
        value: functions,
        damage: reader.damage,
    }
}

/// What one name gives.
type Named = (Option<Function>, Vec<Damage>);

/// Reads the functions with these names, in their order; on two threads when there are many.
fn read_named(source: &Source, names: &[String]) -> Vec<Named> {
    const NAMES_WORTH_A_THREAD: usize = 16;
    const NAMES_AT_A_TIME: usize = 4;
    let read = |name: &String| {
        let mut reader = Reader::new(source);
        let function = if let Ok(bdf) = name.parse::<Bdf>() {
            read_function(&mut reader, bdf, name)
        } else {
            reader.damaged(ROOT, "names as 0000:3b:00.1", name);
            None
        };
        (function, reader.damage)
    };
    if names.len() < NAMES_WORTH_A_THREAD {
        return names.iter().map(read).collect();
    }
    let parts: Vec<&[String]> = names.chunks(NAMES_AT_A_TIME).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found: Vec<(usize, Vec<Named>)> = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(part) = parts.get(index) else { return found };
            found.push((index, part.iter().map(read).collect()));
        }
    };
    let mut found = std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let mut found = work();
        let others = other.join();
        found.extend(others.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        found
    });
    found.sort_unstable_by_key(|(index, _)| *index);
    found.into_iter().flat_map(|(_, part)| part).collect()
}

/// Reads one function; `None` when its directory was not captured.
fn read_function(reader: &mut Reader<'_>, bdf: Bdf, name: &str) -> Option<Function> {
    let path = path_of(reader.source, name);
    let mut function = Function {
        bdf,
        parent: parent_of(&path),
        ..Function::default()
    };
    let identified = read_uevent(reader, &path, &mut function) || read_ids(reader, &path, &mut function);
    let config = reader
        .source
        .read(&format!("{path}/config"))
        .ok()
        .map(|(bytes, _)| bytes);
    if !identified && config.is_none() {
        return None;
    }
    function.config = config.map(|mut bytes| {
        bytes.truncate(CONFIG_SPACE);
        bytes
    });
    function.revision = revision(reader, &path, function.config.as_deref());
    read_locality(reader, &path, &mut function);
    read_virtual_functions(reader, &path, &mut function);
    function.link = read_link(reader, &path);
    function.errors = ErrorCounters::read(|name| reader.text(&format!("{path}/{name}")));
    function.label = reader.some_text(&format!("{path}/label"));
    let group = link_name(reader.source, &format!("{path}/iommu_group"));
    function.iommu_group = group.and_then(|name| name.parse().ok());
    Some(function)
}

/// Directory of a function: the target of its link, which tells the bridges above.
fn path_of(source: &Source, name: &str) -> String {
    let link = format!("{ROOT}/{name}");
    match source
        .link(&link)
        .as_deref()
        .and_then(|target| target.strip_prefix("../../../"))
    {
        Some(target) => format!("/sys/{target}"),
        None => source.resolve(&link),
    }
}

/// The function above in `/sys/devices/pci0000:17/0000:17:00.0/0000:18:00.0`.
fn parent_of(path: &str) -> Option<Bdf> {
    path.rsplit('/').skip(1).find_map(function_name)
}

/// A path component that is a function's address (with its domain, as sysfs always writes it).
pub fn function_name(component: &str) -> Option<Bdf> {
    let looks_right = component.len() >= 12 && component.bytes().filter(|byte| *byte == b':').count() == 2;
    if looks_right { component.parse().ok() } else { None }
}

/// Last name in the text of a symbolic link.
fn link_name(source: &Source, path: &str) -> Option<String> {
    let target = source.link(path)?;
    target
        .rsplit('/')
        .next()
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
}

/// `DRIVER=`, `PCI_CLASS=`, `PCI_ID=`, `PCI_SUBSYS_ID=`. Returns whether class and ID were there.
fn read_uevent(reader: &Reader<'_>, path: &str, function: &mut Function) -> bool {
    let Some(text) = reader.text(&format!("{path}/uevent")) else {
        return false;
    };
    for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
        match key {
            "DRIVER" => function.driver = Some(value.to_owned()),
            "PCI_CLASS" => function.class = class(value),
            "PCI_ID" => (function.vendor, function.device) = ids(value),
            "PCI_SUBSYS_ID" => set_subsystem(function, ids(value)),
            _ => {}
        }
    }
    function.class.is_some() && function.vendor.is_some() && function.device.is_some()
}

/// The same from single files. Returns whether vendor or class was there.
fn read_ids(reader: &mut Reader<'_>, path: &str, function: &mut Function) -> bool {
    let mut id = |name: &str| reader.hex(&format!("{path}/{name}"));
    function.vendor = id("vendor").and_then(id16);
    function.device = id("device").and_then(id16);
    function.class = id("class").and_then(class24);
    let subsystem = (
        id("subsystem_vendor").and_then(id16),
        id("subsystem_device").and_then(id16),
    );
    set_subsystem(function, subsystem);
    if function.driver.is_none() {
        function.driver = link_name(reader.source, &format!("{path}/driver"));
    }
    function.vendor.is_some() || function.class.is_some()
}

fn id16(value: u64) -> Option<u16> {
    u16::try_from(value).ok()
}

fn class24(value: u64) -> Option<Class> {
    u32::try_from(value).ok().filter(|class| *class < 1 << 24).map(Class)
}

/// `PCI_CLASS=60400`: no leading zeros.
fn class(text: &str) -> Option<Class> {
    hex(text).and_then(class24)
}

/// `PCI_ID=8086:37D2`.
fn ids(text: &str) -> (Option<u16>, Option<u16>) {
    let (vendor, device) = text.split_once(':').unwrap_or((text, ""));
    (hex(vendor).and_then(id16), hex(device).and_then(id16))
}

/// A vendor of 0 or 0xffff is how a function without subsystem IDs looks; lspci shows none then.
const fn set_subsystem(function: &mut Function, ids: (Option<u16>, Option<u16>)) {
    if !matches!(ids.0, None | Some(0 | 0xffff)) {
        (function.subsystem_vendor, function.subsystem_device) = ids;
    }
}

/// Revision ID: byte 8 of the configuration space, or the file of its own.
fn revision(reader: &mut Reader<'_>, path: &str, config: Option<&[u8]>) -> Option<u8> {
    config.and_then(|bytes| bytes.get(8).copied()).or_else(|| {
        reader
            .hex(&format!("{path}/revision"))
            .and_then(|value| u8::try_from(value).ok())
    })
}

/// Node and local CPUs.
fn read_locality(reader: &mut Reader<'_>, path: &str, function: &mut Function) {
    function.numa_node = reader.number(&format!("{path}/numa_node"));
    let list = reader.cpu_list(&format!("{path}/local_cpulist"));
    let cpus = list.or_else(|| reader.cpu_mask(&format!("{path}/local_cpus")));
    function.local_cpus = cpus.map(|cpus: CpuSet| cpus.to_string());
}

/// SR-IOV: of a physical function, how many; of a virtual one, whose.
fn read_virtual_functions(reader: &mut Reader<'_>, path: &str, function: &mut Function) {
    function.vfs_total = reader.number(&format!("{path}/sriov_totalvfs"));
    if function.vfs_total.is_some() {
        function.vfs_enabled = reader.number(&format!("{path}/sriov_numvfs"));
    } else {
        function.physical_function =
            link_name(reader.source, &format!("{path}/physfn")).and_then(|name| name.parse().ok());
    }
}

/// The link files; `None` for a function without.
fn read_link(reader: &Reader<'_>, path: &str) -> Option<Link> {
    let current_speed = reader.text(&format!("{path}/current_link_speed"))?;
    let text = |name: &str| reader.text(&format!("{path}/{name}")).unwrap_or_default();
    let current_width = text("current_link_width");
    let link = Link {
        capability: link_state(&text("max_link_speed"), &text("max_link_width")),
        status: link_state(&current_speed, &current_width),
        down: current_width == "0",
    };
    (link != Link::default()).then_some(link)
}

/// `8.0 GT/s PCIe` and `16`. `Unknown`, and the width 255 or 63 of a function that does not
/// answer, are no state.
fn link_state(speed: &str, width: &str) -> Option<LinkState> {
    let width = width.parse().ok().filter(|width| (1..=32).contains(width))?;
    Some(LinkState {
        speed: speed_of(speed)?,
        width,
    })
}

/// Units of 100 MT/s in `2.5 GT/s`, `8 GT/s`, `16.0 GT/s PCIe`.
fn speed_of(text: &str) -> Option<u32> {
    let (number, _) = text.split_once(" GT/s")?;
    let (whole, tenths) = number.split_once('.').unwrap_or((number, "0"));
    let whole: u32 = whole.parse().ok().filter(|whole| *whole < 10_000)?;
    let tenths: u32 = tenths.parse().ok().filter(|tenths| *tenths < 10)?;
    whole.checked_mul(10)?.checked_add(tenths).filter(|speed| *speed > 0)
}

/// `/sys/bus/pci/slots/<name>/address` holds `0000:82:00`: every function there is in the slot.
fn name_slots(reader: &mut Reader<'_>, functions: &mut [Function]) {
    let mut slots: BTreeMap<(u32, u8, u8), String> = BTreeMap::new();
    for name in reader.source.list("/sys/bus/pci/slots") {
        let path = format!("/sys/bus/pci/slots/{name}/address");
        let Some(text) = reader.text(&path) else { continue };
        match format!("{text}.0").parse::<Bdf>() {
            Ok(bdf) => {
                slots.entry((bdf.domain, bdf.bus, bdf.device)).or_insert(name);
            }
            Err(_) => reader.damage.push(Damage {
                what: path,
                place: Place::Whole,
                expected: "an address as 0000:82:00".to_owned(),
                seen: excerpt(&text),
            }),
        }
    }
    for function in functions {
        let bdf = function.bdf;
        function.physical_slot = slots.get(&(bdf.domain, bdf.bus, bdf.device)).cloned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_of_every_kernel_are_read() {
        assert_eq!(speed_of("2.5 GT/s"), Some(25));
        assert_eq!(speed_of("8 GT/s"), Some(80));
        assert_eq!(speed_of("16.0 GT/s PCIe"), Some(160));
        for bad in ["Unknown", "Unknown speed", "", "x GT/s", "0 GT/s", "99999999999 GT/s"] {
            assert_eq!(speed_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn width_zero_is_a_link_that_is_down_and_255_is_not_told() {
        assert_eq!(link_state("8.0 GT/s PCIe", "0"), None);
        assert_eq!(link_state("8.0 GT/s PCIe", "255"), None);
        assert_eq!(link_state("8.0 GT/s PCIe", "16").map(|link| link.width), Some(16));
    }

    #[test]
    fn parent_is_the_nearest_function_in_the_path() {
        let path = "/sys/devices/pci0000:17/0000:17:00.0/0000:18:00.0";
        assert_eq!(
            parent_of(path).map(|bdf| bdf.to_string()).as_deref(),
            Some("0000:17:00.0")
        );
        assert_eq!(parent_of("/sys/devices/pci0000:17/0000:17:00.0"), None);
        let vmd = "/sys/devices/pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0";
        assert_eq!(
            parent_of(vmd).map(|bdf| bdf.to_string()).as_deref(),
            Some("0000:00:0e.0")
        );
    }
}
