//! Lines: the loop over TCP, Unix sockets, a pty and UDP, with debuggers that come back, come second, or
//! go in the middle of a packet.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use kdd::kd::packet::{Decoder, Event as Seen, Packet, PacketId, PacketType};
use kdd::kdnet::channel::Version;
use kdd::transport::event::Event;
use kdd::transport::net::{NetOptions, serve_net};
use kdd::transport::serve::{Options, serve};
use kdd::transport::stream::{Endpoint, Error};
use support::guest::{Formula, KERNEL, byte};
use support::host::{Heard, Host};

const KEY: &str = "k.e.y.1";

fn wait(events: &Receiver<Event>, wanted: impl Fn(&Event) -> bool) -> Event {
    loop {
        let event = events.recv_timeout(Duration::from_secs(10)).unwrap();
        if wanted(&event) {
            return event;
        }
    }
}

/// Serves in a thread of its own and gives its events.
fn served(endpoint: Endpoint, once: bool) -> (Receiver<Event>, thread::JoinHandle<Result<(), Error>>) {
    let (sender, events) = channel();
    let serving = thread::spawn(move || {
        let options = Options {
            once,
            ..Options::default()
        };
        serve(&mut Formula, &endpoint, options, &mut |event| {
            let _ = sender.send(event.clone());
        })
    });
    (events, serving)
}

fn tcp() -> (Receiver<Event>, SocketAddr) {
    let (events, _) = served(Endpoint::TcpListen("127.0.0.1:0".parse().unwrap()), false);
    let Event::Open(line) = wait(&events, |event| matches!(event, Event::Open(_))) else {
        panic!()
    };
    (events, line.strip_prefix("TCP ").unwrap().parse().unwrap())
}

fn read_virtual(at: u64, count: u32) -> Vec<u8> {
    let mut request = vec![0; 56];
    request[..2].copy_from_slice(&0x3130u16.to_le_bytes());
    request[16..24].copy_from_slice(&at.to_le_bytes());
    request[24..28].copy_from_slice(&count.to_le_bytes());
    request
}

fn expected(at: u64, count: u64) -> Vec<u8> {
    (at..at + count).map(byte).collect()
}

/// A debugger on a serial line.
struct Debugger<S> {
    stream: S,
    decoder: Decoder,
    id: u32,
}

impl<S: Read + Write> Debugger<S> {
    fn new(stream: S) -> Self {
        let decoder = Decoder::new();
        Self {
            stream,
            decoder,
            id: 0x8080_0000,
        }
    }

    fn packet(&mut self) -> Packet {
        let mut buffer = [0; 8192];
        loop {
            match self.decoder.next_event() {
                Some(Seen::Packet { packet, .. }) => return packet,
                Some(other) => panic!("{other:?}"),
                None => {
                    let length = self.stream.read(&mut buffer).unwrap();
                    assert!(length > 0, "the line was closed");
                    self.decoder.push(&buffer[..length]);
                }
            }
        }
    }

    /// The next data packet, acknowledged.
    fn data(&mut self) -> Packet {
        loop {
            let packet = self.packet();
            if packet.kind != PacketType::ACKNOWLEDGE && packet.kind != PacketType::RESET {
                let id = PacketId(packet.id.0 & !PacketId::SYNC);
                self.send(&Packet::control(PacketType::ACKNOWLEDGE, id));
                return packet;
            }
        }
    }

    fn send(&mut self, packet: &Packet) {
        self.stream.write_all(&packet.encode().unwrap()).unwrap();
    }

    /// RESET and break-in, up to the state change.
    fn attach(&mut self) {
        self.send(&Packet::control(PacketType::RESET, PacketId(0)));
        assert_eq!(self.data().kind, PacketType::STATE_CHANGE64);
    }

    fn read(&mut self, at: u64, count: u32) -> Vec<u8> {
        self.send(&Packet::data(
            PacketType::MANIPULATE,
            PacketId(self.id),
            read_virtual(at, count),
        ));
        self.id ^= 1;
        loop {
            let packet = self.data();
            if packet.kind == PacketType::MANIPULATE {
                return packet.payload[56..].to_vec();
            }
        }
    }

    fn session(&mut self) {
        self.attach();
        assert_eq!(self.read(KERNEL, 300), expected(KERNEL, 300));
    }
}

fn connect(address: SocketAddr) -> Debugger<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    Debugger::new(stream)
}

#[test]
fn debuggers_come_one_after_the_other() {
    let (events, address) = tcp();
    for _ in 0..3 {
        connect(address).session();
        wait(&events, |event| matches!(event, Event::Gone(_)));
    }
}

#[test]
fn second_debugger_is_sent_away_and_the_first_goes_on() {
    let (events, address) = tcp();
    let mut first = connect(address);
    first.session();
    for _ in 0..3 {
        let mut second = connect(address);
        assert_eq!(second.stream.read(&mut [0; 16]).unwrap_or(0), 0);
        wait(&events, |event| matches!(event, Event::SecondDebugger(_)));
        assert_eq!(first.read(KERNEL + 7, 9), expected(KERNEL + 7, 9));
    }
    drop(first);
    wait(&events, |event| matches!(event, Event::Gone(_)));
    connect(address).session();
}

#[test]
fn disconnect_in_the_middle_of_a_packet_leaves_the_next_session_whole() {
    let (events, address) = tcp();
    let request = Packet::data(PacketType::MANIPULATE, PacketId(0x8080_0000), read_virtual(KERNEL, 100));
    let bytes = request.encode().unwrap();
    for end in [1, 4, 15, 16, 17, 40, bytes.len() - 1] {
        let mut debugger = connect(address);
        debugger.attach();
        debugger.stream.write_all(&bytes[..end]).unwrap();
        drop(debugger);
        wait(&events, |event| matches!(event, Event::Gone(_)));
    }
    connect(address).session();
}

#[test]
fn noise_and_a_debugger_that_never_reads_do_not_stop_the_next() {
    let (events, address) = tcp();
    let mut noisy = connect(address);
    let mut seed = 7u32;
    let noise = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed.to_le_bytes()[3]
    });
    let noise = noise.take(300_000).collect::<Vec<u8>>();
    noisy.stream.write_all(&noise).unwrap();
    drop(noisy);
    wait(&events, |event| matches!(event, Event::Gone(_)));
    let mut mute = connect(address);
    let request = Packet::data(
        PacketType::MANIPULATE,
        PacketId(0x8080_0000),
        read_virtual(KERNEL, 3900),
    );
    for _ in 0..50 {
        mute.send(&request);
    }
    drop(mute);
    wait(&events, |event| matches!(event, Event::Gone(_)));
    connect(address).session();
}

#[test]
fn once_ends_with_the_first_debugger_and_frees_the_port() {
    let (events, serving) = served(Endpoint::TcpListen("127.0.0.1:0".parse().unwrap()), true);
    let Event::Open(line) = wait(&events, |event| matches!(event, Event::Open(_))) else {
        panic!()
    };
    let address: SocketAddr = line.strip_prefix("TCP ").unwrap().parse().unwrap();
    connect(address).session();
    serving.join().unwrap().unwrap();
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn connection_is_tried_until_the_time_is_over() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (_events, _) = served(Endpoint::TcpConnect(address.to_string()), true);
    Debugger::new(listener.accept().unwrap().0).session();
    drop(listener);
    let options = Options {
        timeout: Duration::from_millis(300),
        ..Options::default()
    };
    let endpoint = Endpoint::TcpConnect(address.to_string());
    let failed = serve(&mut Formula, &endpoint, options, &mut |_| {});
    assert!(matches!(failed, Err(Error::Connect { .. })), "{failed:?}");
}

#[test]
fn unix_sockets_carry_a_session_and_a_stale_one_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("com1");
    drop(UnixListener::bind(&path).unwrap());
    let (events, serving) = served(Endpoint::UnixListen(path.clone()), true);
    wait(&events, |event| matches!(event, Event::Open(_)));
    Debugger::new(UnixStream::connect(&path).unwrap()).session();
    serving.join().unwrap().unwrap();
    assert!(!path.exists());

    let listener = UnixListener::bind(&path).unwrap();
    let (_events, _) = served(Endpoint::UnixConnect(path.clone()), true);
    Debugger::new(listener.accept().unwrap().0).session();

    let file = folder.path().join("file");
    std::fs::write(&file, "kept").unwrap();
    let failed = serve(
        &mut Formula,
        &Endpoint::UnixListen(file.clone()),
        Options::default(),
        &mut |_| {},
    );
    assert!(matches!(failed, Err(Error::Open { .. })));
    assert_eq!(std::fs::read(file).unwrap(), b"kept");
}

#[test]
fn pty_carries_every_byte_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("com2");
    let (events, _) = served(Endpoint::Pty(Some(link.clone())), false);
    wait(&events, |event| matches!(event, Event::Open(_)));
    for _ in 0..2 {
        let terminal = std::fs::OpenOptions::new().read(true).write(true).open(&link).unwrap();
        let mut debugger = Debugger::new(terminal);
        debugger.session();
        // All 256 values, and the control characters of terminals among them.
        assert_eq!(debugger.read(KERNEL + 0x1000, 3900), expected(KERNEL + 0x1000, 3900));
    }
}

#[test]
fn session_is_recorded_and_decoded_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("line");
    let (sender, events) = channel();
    let own = path.clone();
    let serving = thread::spawn(move || {
        let mut record = Vec::new();
        let options = Options {
            once: true,
            record: Some(&mut record),
            ..Options::default()
        };
        let result = serve(&mut Formula, &Endpoint::UnixListen(own), options, &mut |event| {
            let _ = sender.send(event.clone());
        });
        result.map(|()| record)
    });
    wait(&events, |event| matches!(event, Event::Open(_)));
    Debugger::new(UnixStream::connect(&path).unwrap()).session();
    let record = serving.join().unwrap().unwrap();
    let decoded = kdd::decode::read(&record, None);
    assert!(!decoded.damaged(), "{:?}", decoded.damage);
    assert!(decoded.rows.iter().any(|row| row.words.contains("300 bytes")));
    assert!(decoded.rows.iter().all(|row| row.time.is_some()));

    let mut record = kdd::kd::record::read(&record);
    let replay = kdd::kd::record::replay(&record, &mut Formula);
    assert_eq!((replay.requests, &replay.differences[..]), (1, &[][..]));
    assert!(replay.compared >= 2, "{replay:?}");
    let answer = record.sessions[0]
        .iter_mut()
        .rfind(|piece| piece.bytes.len() > 300)
        .unwrap();
    let place = answer.bytes.len() - 2;
    answer.bytes[place] ^= 0x40;
    let sum = answer.bytes.len() - 1 - 300 - 56 - 4;
    let checksum: u32 = answer.bytes[sum + 4..answer.bytes.len() - 1]
        .iter()
        .map(|byte| u32::from(*byte))
        .sum();
    answer.bytes[sum..sum + 4].copy_from_slice(&checksum.to_le_bytes());
    let replay = kdd::kd::record::replay(&record, &mut Formula);
    let difference = replay.differences[0].to_string();
    assert!(difference.contains("ReadVirtualMemory cpu 0"), "{difference}");
    assert!(difference.contains("byte 0x163: expected MANIPULATE"), "{difference}");
}

/// A debugger on KDNET.
struct NetDebugger {
    socket: UdpSocket,
    host: Host,
    target: Option<SocketAddr>,
    id: u32,
}

impl NetDebugger {
    fn new(random: u8) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self {
            socket,
            host: Host::new(KEY, random),
            target: None,
            id: 0x8000_0000,
        }
    }

    /// The next body; pokes are answered while there is no session.
    fn body(&mut self) -> Vec<u8> {
        let mut buffer = [0; 8192];
        loop {
            let (length, from) = self.socket.recv_from(&mut buffer).unwrap();
            self.target = Some(from);
            match self.host.hear(&buffer[..length]) {
                Ok(Heard::Poke { body, sequence }) if !self.host.connected() => {
                    let response = self.host.respond(&body, sequence);
                    self.socket.send_to(&response, from).unwrap();
                }
                Ok(Heard::Data { body, .. }) => return body,
                _ => {}
            }
        }
    }

    fn send(&mut self, body: &[u8]) {
        let datagram = self.host.send(body);
        self.socket.send_to(&datagram, self.target.unwrap()).unwrap();
    }

    fn control(&mut self, kind: PacketType, id: u32) {
        let packet = Packet::control(kind, PacketId(id)).encode().unwrap();
        self.send(&packet);
    }

    fn data(&mut self) -> Packet {
        loop {
            let mut body = self.body();
            if body[..4] != [0x30; 4] {
                continue;
            }
            body.push(0xaa);
            let mut decoder = Decoder::new();
            decoder.push(&body);
            let Some(Seen::Packet { packet, .. }) = decoder.next_event() else {
                panic!("{body:02x?}")
            };
            self.control(PacketType::ACKNOWLEDGE, packet.id.0);
            return packet;
        }
    }

    fn session(&mut self) {
        let check = self.body();
        assert_eq!((check.len(), &check[..8]), (12, &[0; 8][..]));
        self.control(PacketType::RESEND, 0);
        assert_eq!(self.data().kind, PacketType::STATE_CHANGE64);
        self.read();
    }

    fn read(&mut self) {
        let request = Packet::data(PacketType::MANIPULATE, PacketId(self.id), read_virtual(KERNEL, 3900));
        self.id += 2;
        let mut body = request.encode().unwrap();
        body.pop();
        self.send(&body);
        loop {
            let packet = self.data();
            if packet.kind == PacketType::MANIPULATE {
                return assert_eq!(packet.payload[56..], expected(KERNEL, 3900));
            }
        }
    }
}

fn net(host: SocketAddr) -> Receiver<Event> {
    let (sender, events) = channel();
    thread::spawn(move || {
        let options = NetOptions {
            host,
            key: KEY.parse().unwrap(),
            version: Version::DEFAULT,
            source_port: 0,
            once: false,
            record: None,
        };
        serve_net(&mut Formula, options, &mut |event| {
            let _ = sender.send(event.clone());
        })
    });
    events
}

#[test]
fn kdnet_carries_a_session_and_a_restarted_debugger_gets_another() {
    let mut first = NetDebugger::new(1);
    let events = net(first.socket.local_addr().unwrap());
    first.session();
    let mut again = NetDebugger {
        host: Host::new(KEY, 2),
        id: 0x8000_0000,
        ..first
    };
    again.session();
    wait(&events, |event| matches!(event, Event::Gone(_)));
    wait(&events, |event| matches!(event, Event::Attached(_)));
}

#[test]
fn flood_of_datagrams_of_all_kinds_is_counted_and_the_session_goes_on() {
    let mut debugger = NetDebugger::new(1);
    let events = net(debugger.socket.local_addr().unwrap());
    debugger.session();
    let target = debugger.target.unwrap();
    let good = debugger.host.send_as(debugger.host.sequence, &[0x62]);
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut other = good.clone();
    other[4] = 7;
    let mut seed = 3u32;
    for round in 0..600usize {
        let mut bad = good.clone();
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bad[6 + round % (good.len() - 6)] ^= seed.to_le_bytes()[3] | 1;
        for datagram in [&bad[..], &other, &good, &good[..round % good.len()], b"MDBG"] {
            let from = if round % 2 == 0 { &stranger } else { &debugger.socket };
            from.send_to(datagram, target).unwrap();
        }
        if round % 50 == 0 {
            debugger.read();
        }
    }
    debugger.read();
    let refused = events
        .try_iter()
        .filter(|event| matches!(event, Event::Datagrams { .. }))
        .count();
    assert!((1..40).contains(&refused), "{refused}");
}

#[test]
fn second_debugger_with_the_same_key_on_another_port_gets_nothing() {
    let mut first = NetDebugger::new(1);
    let events = net(first.socket.local_addr().unwrap());
    first.session();
    // It has the key and saw the first one's datagrams: it sends what that one would.
    let second = UdpSocket::bind("127.0.0.1:0").unwrap();
    second.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let datagram = first.host.send_as(first.host.sequence + 10, &[0x62]);
    second.send_to(&datagram, first.target.unwrap()).unwrap();
    assert!(second.recv(&mut [0; 2000]).is_err());
    wait(&events, |event| matches!(event, Event::Datagrams { .. }));
    first.read();
}
