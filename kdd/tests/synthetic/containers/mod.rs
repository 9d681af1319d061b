//! Containers, each written from a machine by its own file, with its own constants: not with the parser's.

pub mod elf_core;
pub mod kdump;
pub mod lime;
pub mod qemu_migration;
pub mod raw;
pub mod vmware;
pub mod windows_dump;
pub mod xen_core;
pub mod xl_save;
