//! Captured traffic in words: pcap and pcapng files, serial traces; KD packets and KDNET datagrams.
