//! How many reads of memory a second a server of the GDB remote serial protocol gives.
//!
//!     gdb_load PLACE ADDRESS LENGTH [SECONDS [COMMAND...]]
//!
//! PLACE is HOST:PORT or the path of a Unix socket; ADDRESS and LENGTH are hexadecimal. Without acknowledgements it
//! sends `m ADDRESS,LENGTH` again and again and waits for each answer; COMMANDs are packets that are sent before
//! (`Qqemu.PhyMemMode:1`). It prints reads a second, MiB a second, and a sum of the bytes that were read last.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::expect_used)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

trait Line: Read + Write {}
impl<T: Read + Write> Line for T {}

fn packet(body: &str) -> Vec<u8> {
    let sum = body.bytes().fold(0u8, u8::wrapping_add);
    format!("${body}#{sum:02x}").into_bytes()
}

/// Sends a packet and waits for the answer; gives its body.
fn ask(line: &mut dyn Line, packet: &[u8], bytes: &mut Vec<u8>, buffer: &mut [u8]) -> (usize, usize) {
    line.write_all(packet).unwrap();
    bytes.clear();
    loop {
        let count = line.read(buffer).unwrap();
        assert!(count > 0, "the server closed the line");
        bytes.extend_from_slice(&buffer[..count]);
        // The end is behind `#`, which no body of digits holds.
        if bytes.len() >= 3 && bytes[bytes.len() - 3] == b'#' {
            let begin = bytes.iter().position(|byte| *byte == b'$').unwrap();
            return (begin + 1, bytes.len() - 3);
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [place, at, length, rest @ ..] = arguments.as_slice() else {
        panic!("gdb_load PLACE ADDRESS LENGTH [SECONDS [COMMAND...]]")
    };
    let mut line: Box<dyn Line> = if place.contains(':') && !place.contains('/') {
        let stream = TcpStream::connect(place).unwrap();
        stream.set_nodelay(true).unwrap();
        Box::new(stream)
    } else {
        Box::new(UnixStream::connect(place).unwrap())
    };
    let seconds = rest.first().map_or(2.0, |text| text.parse().unwrap());
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 0x4_0000]);
    ask(&mut *line, &packet("qSupported"), &mut bytes, &mut buffer);
    line.write_all(b"+").unwrap();
    ask(&mut *line, &packet("QStartNoAckMode"), &mut bytes, &mut buffer);
    line.write_all(b"+").unwrap();
    for command in rest.iter().skip(1) {
        let (begin, end) = ask(&mut *line, &packet(command), &mut bytes, &mut buffer);
        println!("{command}: {}", String::from_utf8_lossy(&bytes[begin..end]));
    }
    let read = packet(&format!("m{at},{length}"));
    let expected = usize::from_str_radix(length, 16).unwrap() * 2;
    let (mut count, mut sum, begin) = (0u64, 0u64, Instant::now());
    while begin.elapsed() < Duration::from_secs_f64(seconds) {
        for _ in 0..20 {
            let (from, to) = ask(&mut *line, &read, &mut bytes, &mut buffer);
            assert_eq!(
                to - from,
                expected,
                "{}",
                String::from_utf8_lossy(&bytes[from..to.min(from + 20)])
            );
            count += 1;
            if count % 20 == 1 {
                sum = bytes[from..to]
                    .iter()
                    .fold(0, |sum, byte| sum.rotate_left(5) ^ u64::from(*byte));
            }
        }
    }
    let rate = count as f64 / begin.elapsed().as_secs_f64();
    let mebibytes = rate * expected as f64 / 2.0 / f64::from(1 << 20);
    println!("{rate:.0} reads/s, {mebibytes:.1} MiB/s, last {sum:016x}");
    let _ = line.write_all(&packet("D"));
}
