//! The capture that is shown where the running system has nothing to show.

use crate::open;
use crate::source::{OpenError, Source};

/// Name of the capture in origins.
const LABEL: &str = "bundled qemu-epyc-genoa";

/// A virtual machine with two sockets, four NUMA nodes and a PCIe switch, captured by us.
const MACHINE: &[u8] = include_bytes!("../machines/qemu-epyc-genoa-q35-seabios.tar.zst");

/// The bundled capture as a source.
///
/// # Errors
/// None in a sound build: the capture is part of it.
pub fn bundled() -> Result<Source, OpenError> {
    Ok(Source {
        layers: vec![open::memory(LABEL, MACHINE)?],
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_bundled_machine_has_its_16_cpus() {
        let source = super::bundled().unwrap();
        assert_eq!(source.text("/sys/devices/system/cpu/present").as_deref(), Some("0-15"));
    }
}
