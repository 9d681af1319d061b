//! libvirt: CPU models and the `<cpu>` element.
