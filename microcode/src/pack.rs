//! Choosing updates and writing them: files, directories, text, containers, early cpio.
