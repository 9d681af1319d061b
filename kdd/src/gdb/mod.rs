//! The GDB remote serial protocol beside KD: any source, captured or live, served to GDB, LLDB and WinDbg (EXDI).
