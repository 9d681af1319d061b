//! How many reads a second a debugger gets from `delid kdd serve`, beside a bare echo of packets of the
//! same sizes over the same kind of socket, in turns in one run.
//!
//!     load DELID SOURCE [SECONDS [LIVE]]
//!
//! With LIVE (`qemu:SOCKET`), the same guest running, reads of it stand beside those of SOURCE instead.
//! SOURCE is a capture with a Windows that `delid kdd info` finds. The debugger here is a plain client:
//! it sends a request, waits for the acknowledgement and the answer, acknowledges, and sends the next one.
//! With `XEN_KDD` set to the program of Xen's kdd, built before a guest in memory, that is measured too.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::expect_used)]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kdd::kd::packet::{BREAK_IN, Decoder, Event, Packet, PacketId, PacketType};

const ROUNDS: usize = 5;
const HEADER: usize = 16;
const MANIPULATE: usize = 56;

/// Something that answers reads.
trait Line {
    /// One read; panics when the answer is wrong.
    fn read(&mut self, read: Read);

    /// No read follows soon.
    fn pause(&mut self) {}
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [delid, source, rest @ ..] = arguments.as_slice() else {
        panic!("load DELID SOURCE [SECONDS]")
    };
    let seconds = rest.first().map_or(2.0, |text| text.parse().unwrap());
    let time = Duration::from_secs_f64(seconds);
    let (at, directory) = places(delid, source);
    println!("| what | delid requests/s | peer requests/s | ratio |\n|---|---|---|---|");
    if let Some(live) = rest.get(1) {
        for (name, api, at) in [("ReadVirtual", 0x3130, at), ("ReadPhysical", 0x313d, directory)] {
            for length in [8, 128, 3944] {
                let what = format!("{name} of {length} bytes, running guest; captured");
                let (ours, peer) = (Serial::start(delid, live), Serial::start(delid, source));
                row(&what, time, ours, peer, Read { api, at, length });
            }
        }
        return;
    }
    for (name, api, at) in [("ReadVirtual", 0x3130, at), ("ReadPhysical", 0x313d, directory)] {
        for length in [8, 128, 3944] {
            let read = Read { api, at, length };
            let what = |line| format!("{name} of {length} bytes, {line}");
            row(
                &what("serial over TCP; bare echo"),
                time,
                Serial::start(delid, source),
                TcpEcho::start(length),
                read,
            );
            row(
                &what("KDNET; bare echo"),
                time,
                net::Net::start(delid, source),
                UdpEcho::start(length),
                read,
            );
            // It reads virtual memory only of the Windows that it knows.
            if let Some(program) = std::env::var("XEN_KDD").ok().filter(|_| api == 0x313d) {
                row(
                    &what("serial over TCP; Xen's kdd"),
                    time,
                    Serial::start(delid, source),
                    Serial::xen(&program),
                    read,
                );
            }
        }
    }
}

/// A read.
#[derive(Clone, Copy)]
struct Read {
    api: u32,
    at: u64,
    length: u32,
}

/// Kernel base and page directory of the source: places that can be read.
fn places(delid: &str, source: &str) -> (u64, u64) {
    let output = Command::new(delid)
        .args(["kdd", "info", "--json", source])
        .output()
        .unwrap();
    let info: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |pointer: &str| {
        let text = info
            .pointer(pointer)
            .and_then(serde_json::Value::as_str)
            .expect("a Windows in the source");
        u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
    };
    (number("/windows/kernel/base"), number("/windows/directory/value"))
}

/// Measures both in turns and prints the medians.
fn row(name: &str, time: Duration, mut ours: impl Line, mut peer: impl Line, read: Read) {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        first.push(rate(&mut ours, time, read));
        second.push(rate(&mut peer, time, read));
    }
    let median = |mut rates: Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    let (first, second) = (median(first), median(second));
    println!("| {name} | {first:.0} | {second:.0} | {:.2} |", first / second);
}

fn rate(line: &mut impl Line, time: Duration, read: Read) -> f64 {
    let mut count = 0u32;
    let begin = Instant::now();
    while begin.elapsed() < time {
        (0..50).for_each(|_| line.read(read));
        count += 50;
    }
    let seconds = begin.elapsed().as_secs_f64();
    line.pause();
    f64::from(count) / seconds
}

/// A process that ends with its owner.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn serve(delid: &str, source: &str, line: &[&str]) -> Server {
    let mut command = Command::new(delid);
    command.args(["kdd", "serve", source]).args(line);
    Server(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The request, 56 bytes.
fn request(read: Read) -> Vec<u8> {
    let mut body = vec![0; MANIPULATE];
    body[..4].copy_from_slice(&read.api.to_le_bytes());
    body[16..24].copy_from_slice(&read.at.to_le_bytes());
    body[24..28].copy_from_slice(&read.length.to_le_bytes());
    body
}

/// Checks an answer.
fn check(payload: &[u8], read: Read) {
    assert_eq!(payload[..4], read.api.to_le_bytes());
    assert_eq!(payload[8..12], [0; 4], "status");
    assert_eq!(payload.len(), MANIPULATE + read.length as usize);
}

/// The serial protocol over TCP.
struct Serial {
    stream: TcpStream,
    decoder: Decoder,
    id: u32,
    acknowledge: Option<PacketId>,
    _server: Server,
}

impl Serial {
    fn start(delid: &str, source: &str) -> Self {
        let port = free_port();
        let server = serve(delid, source, &["--listen", &format!("127.0.0.1:{port}")]);
        let stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        };
        Self::on(stream, server)
    }

    /// Xen's kdd connects to the debugger.
    fn xen(program: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let mut command = Command::new(program);
        command.args(["0", "127.0.0.1", &port]);
        let server = Server(command.stdout(Stdio::null()).spawn().unwrap());
        Self::on(listener.accept().unwrap().0, server)
    }

    fn on(stream: TcpStream, server: Server) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut line = Self {
            stream,
            decoder: Decoder::new(),
            id: 0x8080_0000,
            acknowledge: None,
            _server: server,
        };
        // A guest that runs is broken into.
        line.stream.write_all(&[BREAK_IN]).unwrap();
        let reset = Packet::control(PacketType::RESET, PacketId(0)).encode().unwrap();
        line.stream.write_all(&reset).unwrap();
        // Text may come first; what comes twice has been answered twice. Xen's kdd looks for Windows when it is
        // asked for the version.
        while line.data().kind != PacketType::STATE_CHANGE64 {}
        let version = request(Read {
            api: 0x3146,
            at: 0,
            length: 0,
        });
        let packet = Packet::data(PacketType::MANIPULATE, PacketId(line.id), version);
        line.stream.write_all(&packet.encode().unwrap()).unwrap();
        line.id ^= 1;
        while line.data().kind != PacketType::MANIPULATE {}
        thread::sleep(Duration::from_millis(200));
        line.stream.set_nonblocking(true).unwrap();
        while line.stream.read(&mut [0; 0x4000]).is_ok_and(|count| count > 0) {}
        line.stream.set_nonblocking(false).unwrap();
        line
    }

    /// The next data packet, acknowledged.
    fn data(&mut self) -> Packet {
        loop {
            while let Some(event) = self.decoder.next_event() {
                match event {
                    Event::Packet { packet, .. } if packet.kind == PacketType::RESEND => panic!("asked to send again"),
                    Event::Packet { packet, .. } if !packet.payload.is_empty() => {
                        let id = PacketId(packet.id.0 & !PacketId::SYNC);
                        let acknowledge = Packet::control(PacketType::ACKNOWLEDGE, id).encode().unwrap();
                        self.stream.write_all(&acknowledge).unwrap();
                        return packet;
                    }
                    Event::Damage { damage, .. } => panic!("{damage}"),
                    _ => {}
                }
            }
            let mut buffer = [0; 0x4000];
            let count = self.stream.read(&mut buffer).unwrap();
            assert!(count > 0, "the target went away");
            self.decoder.push(&buffer[..count]);
        }
    }
}

impl Line for Serial {
    fn pause(&mut self) {
        if let Some(id) = self.acknowledge.take() {
            let acknowledge = Packet::control(PacketType::ACKNOWLEDGE, id).encode().unwrap();
            self.stream.write_all(&acknowledge).unwrap();
        }
    }

    fn read(&mut self, read: Read) {
        let mut bytes = Vec::with_capacity(128);
        if let Some(id) = self.acknowledge.take() {
            bytes.extend(Packet::control(PacketType::ACKNOWLEDGE, id).encode().unwrap());
        }
        let packet = Packet::data(PacketType::MANIPULATE, PacketId(self.id), request(read));
        bytes.extend(packet.encode().unwrap());
        self.id ^= 1;
        self.stream.write_all(&bytes).unwrap();
        // An acknowledgement and the answer, of which the length is known.
        let mut buffer = [0; 0x2000];
        let answer = &mut buffer[..HEADER + HEADER + MANIPULATE + read.length as usize + 1];
        self.stream.read_exact(answer).unwrap();
        assert_eq!(answer[..4], [0x69; 4]);
        let (header, payload) = answer[HEADER..].split_at(HEADER);
        let id = u32::from_le_bytes(*header[8..].first_chunk().unwrap());
        self.acknowledge = Some(PacketId(id & !PacketId::SYNC));
        check(&payload[..payload.len() - 1], read);
    }
}

/// Answers each request over TCP with as many bytes as an acknowledgement and an answer have.
struct TcpEcho(TcpStream);

impl TcpEcho {
    const REQUEST: usize = HEADER + HEADER + MANIPULATE + 1;

    fn start(length: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            let answer = vec![0; HEADER + HEADER + MANIPULATE + length as usize + 1];
            let mut buffer = [0; Self::REQUEST];
            while stream.read_exact(&mut buffer).is_ok() && stream.write_all(&answer).is_ok() {}
        });
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }
}

impl Line for TcpEcho {
    fn read(&mut self, read: Read) {
        self.0.write_all(&[0; Self::REQUEST]).unwrap();
        let mut buffer = [0; 0x2000];
        let answer = &mut buffer[..HEADER + HEADER + MANIPULATE + read.length as usize + 1];
        self.0.read_exact(answer).unwrap();
    }
}

/// Bytes of a KDNET datagram around a body.
const fn sealed(body: usize) -> usize {
    6 + (8 + body).next_multiple_of(16) + 16
}

/// Answers each request datagram with two, of the sizes of an acknowledgement and of an answer.
struct UdpEcho(UdpSocket);

impl UdpEcho {
    fn start(length: u32) -> Self {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        thread::spawn(move || {
            let mut buffer = [0; 0x2000];
            let answer = vec![0; sealed(HEADER + MANIPULATE + length as usize)];
            while let Ok((count, from)) = server.recv_from(&mut buffer) {
                // The acknowledgement of the debugger is not answered.
                if count > sealed(HEADER) {
                    server.send_to(&answer[..sealed(HEADER)], from).unwrap();
                    server.send_to(&answer, from).unwrap();
                }
            }
        });
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(("127.0.0.1", port)).unwrap();
        Self(socket)
    }
}

impl Line for UdpEcho {
    fn read(&mut self, _read: Read) {
        self.0.send(&[0; sealed(HEADER + MANIPULATE)]).unwrap();
        let mut buffer = [0; 0x2000];
        self.0.recv(&mut buffer).unwrap();
        self.0.recv(&mut buffer).unwrap();
        self.0.send(&[0; sealed(HEADER)]).unwrap();
    }
}

/// KDNET over UDP.
mod net {
    use std::collections::VecDeque;
    use std::net::{SocketAddr, UdpSocket};
    use std::time::Duration;

    use kdd::kd::packet::{HEADER, Packet, PacketId, PacketType, checksum};
    use kdd::kdnet::crypto::{Cipher, Lane, Outer, Suite};
    use kdd::kdnet::key::Key;

    use super::{Line, Read, Server, check, request, serve};

    const KEY: &str = "1.2.3.4";
    const VERSION: u8 = 2;

    pub struct Net {
        socket: UdpSocket,
        target: SocketAddr,
        suite: Suite,
        data: Cipher,
        sequence: u64,
        id: u32,
        waiting: VecDeque<Vec<u8>>,
        _server: Server,
    }

    fn body(kind: u16, leader: u32, id: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = leader.to_le_bytes().to_vec();
        bytes.extend(kind.to_le_bytes());
        bytes.extend(u16::try_from(payload.len()).unwrap().to_le_bytes());
        bytes.extend(id.to_le_bytes());
        bytes.extend(checksum(payload).to_le_bytes());
        bytes.extend(payload);
        bytes
    }

    impl Net {
        pub fn start(delid: &str, source: &str) -> Self {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let host = socket.local_addr().unwrap().to_string();
            let server = serve(delid, source, &["--net", &host, "--key", KEY]);
            let key: Key = KEY.parse().unwrap();
            let suite = Suite::new(&key);
            let mut buffer = [0; 0x2000];
            let (length, target) = socket.recv_from(&mut buffer).unwrap();
            let poke = suite.open(suite.control(), &buffer[..length]).unwrap();
            let mut response = vec![1, 2];
            response.extend(&poke.body[2..34]);
            response.resize(322, 7);
            let outer = Outer {
                version: VERSION,
                channel: Lane::Control.number(),
            };
            let datagram = suite.seal(suite.control(), outer, true, poke.sequence, &response);
            socket.send_to(&datagram, target).unwrap();
            let data = suite.data(&response);
            let mut line = Self {
                socket,
                target,
                suite,
                data,
                sequence: 0,
                id: 0x8000_0000,
                waiting: VecDeque::new(),
                _server: server,
            };
            line.next();
            line.send(&[0x62]);
            let change = line.data();
            assert_eq!(change.kind, PacketType::STATE_CHANGE64);
            line
        }

        fn send(&mut self, body: &[u8]) {
            self.sequence += 1;
            let outer = Outer {
                version: VERSION,
                channel: Lane::Data.number(),
            };
            let datagram = self.suite.seal(&self.data, outer, true, self.sequence, body);
            self.socket.send_to(&datagram, self.target).unwrap();
        }

        /// Body of the next data datagram.
        fn next(&mut self) -> Vec<u8> {
            if let Some(body) = self.waiting.pop_front() {
                return body;
            }
            let mut buffer = [0; 0x2000];
            loop {
                let (length, _) = self.socket.recv_from(&mut buffer).unwrap();
                let datagram = &buffer[..length];
                if datagram[5] == Lane::Data.number() {
                    return self.suite.open(&self.data, datagram).unwrap().body;
                }
            }
        }

        /// The next data packet, acknowledged.
        fn data(&mut self) -> Packet {
            loop {
                let bytes = self.next();
                if bytes[..4] != [0x30; 4] {
                    continue;
                }
                let kind = u16::from_le_bytes(*bytes[4..].first_chunk().unwrap());
                let id = u32::from_le_bytes(*bytes[8..].first_chunk().unwrap());
                self.send(&body(PacketType::ACKNOWLEDGE.0, 0x6969_6969, id, &[]));
                return Packet::data(PacketType(kind), PacketId(id), bytes[HEADER..].to_vec());
            }
        }
    }

    impl Line for Net {
        fn read(&mut self, read: Read) {
            let packet = body(PacketType::MANIPULATE.0, 0x3030_3030, self.id, &request(read));
            self.id += 2;
            self.send(&packet);
            check(&self.data().payload, read);
        }
    }
}
