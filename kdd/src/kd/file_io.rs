//! FILE_IO packets: the target reads a file of the debugger's machine.
