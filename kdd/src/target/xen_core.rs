//! `xl dump-core`: an ELF core whose memory stands in sections.
