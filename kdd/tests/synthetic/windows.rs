//! A Windows in the memory of a machine: page tables, kernel image, KDBG, modules, processes, processors.
