//! A guest that runs, over real lines: what happens to it when a debugger goes, when a signal comes, and to the
//! debugger when the guest goes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod captured;
mod live_machine;
mod support;
mod synthetic;

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use kdd::guest::Guest;
use kdd::kd::debuggee::Debuggee as _;
use kdd::kd::packet::{Decoder, Event as Seen, Packet, PacketId, PacketType};
use kdd::kd::session::Report;
use kdd::kdnet::channel::Version;
use kdd::transport::event::Event;
use kdd::transport::net::{NetOptions, serve_net};
use kdd::transport::serve::{Options, serve};
use kdd::transport::signals;
use kdd::transport::stream::{Endpoint, Error};
use kdd::windows::Given;
use live_machine::{Places, Shared, windows};
use support::host::{Heard, Host};

/// A signal ends every loop of the process: one that ends by it is the last test of its process.
static ONE: Mutex<()> = Mutex::new(());

fn wait(events: &Receiver<Event>, wanted: impl Fn(&Event) -> bool) -> Event {
    loop {
        let event = events.recv_timeout(Duration::from_secs(10)).unwrap();
        if wanted(&event) {
            return event;
        }
    }
}

struct Served {
    events: Receiver<Event>,
    serving: JoinHandle<Result<(), Error>>,
    shared: Shared,
    places: Places,
}

fn guest() -> (Guest, Shared, Places) {
    let (machine, shared, places) = windows("win10-x64");
    let mut guest = Guest::new(Box::new(machine), &Given::default());
    guest.release().unwrap();
    (guest, shared, places)
}

fn served(endpoint: Endpoint) -> Served {
    let (mut guest, shared, places) = guest();
    let (sender, events) = channel();
    let serving = thread::spawn(move || {
        serve(&mut guest, &endpoint, Options::default(), &mut |event| {
            let _ = sender.send(event.clone());
        })
    });
    Served {
        events,
        serving,
        shared,
        places,
    }
}

fn tcp() -> (Served, String) {
    let served = served(Endpoint::TcpListen("127.0.0.1:0".parse().unwrap()));
    let Event::Open(line) = wait(&served.events, |event| matches!(event, Event::Open(_))) else {
        panic!()
    };
    (served, line.strip_prefix("TCP ").unwrap().to_owned())
}

struct Debugger<S> {
    stream: S,
    decoder: Decoder,
    id: u32,
}

impl<S: Read + Write> Debugger<S> {
    fn new(stream: S) -> Self {
        Self {
            stream,
            decoder: Decoder::new(),
            id: 0x8080_0000,
        }
    }

    /// The next data packet, acknowledged; `None` when the line was closed.
    fn data(&mut self) -> Option<Packet> {
        let mut buffer = [0; 8192];
        loop {
            match self.decoder.next_event() {
                Some(Seen::Packet { packet, .. }) if packet.kind == PacketType::ACKNOWLEDGE => {}
                Some(Seen::Packet { packet, .. }) if packet.kind == PacketType::RESET => {}
                Some(Seen::Packet { packet, .. }) => {
                    let id = PacketId(packet.id.0 & !PacketId::SYNC);
                    self.send(&Packet::control(PacketType::ACKNOWLEDGE, id));
                    return Some(packet);
                }
                Some(other) => panic!("{other:?}"),
                None => match self.stream.read(&mut buffer) {
                    Ok(0) | Err(_) => return None,
                    Ok(length) => self.decoder.push(&buffer[..length]),
                },
            }
        }
    }

    fn send(&mut self, packet: &Packet) {
        let _ = self.stream.write_all(&packet.encode().unwrap());
    }

    /// RESET, break-in, and the stop that follows.
    fn break_in(&mut self) -> Packet {
        self.id = 0x8080_0000;
        self.send(&Packet::control(PacketType::RESET, PacketId(0)));
        self.stream.write_all(b"b").unwrap();
        let packet = self.data().unwrap();
        assert_eq!(packet.kind, PacketType::STATE_CHANGE64);
        packet
    }

    fn request(&mut self, number: u32, fields: &[(usize, u64)]) {
        let mut payload = vec![0; 56];
        payload[..4].copy_from_slice(&number.to_le_bytes());
        for (at, value) in fields {
            payload[*at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        let packet = Packet::data(PacketType::MANIPULATE, PacketId(self.id), payload);
        self.id ^= 1;
        self.send(&packet);
    }

    fn go(&mut self) {
        self.request(0x313c, &[(16, 0x0001_0002), (24, 0x400)]);
    }
}

fn connect(address: &str) -> Debugger<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    Debugger::new(stream)
}

#[test]
fn a_debugger_that_goes_leaves_a_guest_that_runs_and_the_next_one_breaks_in_again() {
    let _one = ONE.lock();
    let (served, address) = tcp();
    for _ in 0..2 {
        let mut debugger = connect(&address);
        debugger.break_in();
        assert!(!served.shared.get().runs);
        wait(&served.events, |event| {
            matches!(event, Event::Session(Report::Stopped(_)))
        });
        debugger.request(0x3134, &[(16, served.places[1].0)]);
        assert_eq!(debugger.data().unwrap().payload[8..12], [0; 4]);
        debugger.go();
        let stop = debugger.data().unwrap();
        assert_eq!(stop.payload[24..32], served.places[1].0.to_le_bytes());
        wait(&served.events, |event| *event == Event::Session(Report::Runs));
        let words = |event: &Event| event.to_string().contains("breakpoint at");
        wait(&served.events, words);
        drop(debugger);
        assert_eq!(
            wait(&served.events, |event| matches!(event, Event::Released(_))),
            Event::Released(true)
        );
        assert!(served.shared.get().runs);
        assert_eq!(served.shared.get().points, []);
    }
    // Gone while it runs.
    let mut debugger = connect(&address);
    debugger.break_in();
    debugger.go();
    drop(debugger);
    wait(&served.events, |event| matches!(event, Event::Released(true)));
}

#[test]
fn a_guest_that_goes_closes_the_line_and_ends_the_loop() {
    let _one = ONE.lock();
    let (served, address) = tcp();
    let mut debugger = connect(&address);
    debugger.break_in();
    debugger.go();
    wait(&served.events, |event| *event == Event::Session(Report::Runs));
    served.shared.get().vanishes = true;
    let told = debugger.data().expect("a line of text");
    assert_eq!(told.kind, PacketType::DEBUG_IO);
    assert!(String::from_utf8_lossy(&told.payload).contains("the guest is gone: the process ended"));
    assert!(debugger.data().is_none(), "the line is closed");
    let gone = Event::GuestGone("the process ended".to_owned());
    wait(&served.events, |event| *event == gone);
    assert!(matches!(served.serving.join().unwrap(), Err(Error::Guest(_))));
    // While nobody is there.
    let (served, _) = tcp();
    served.shared.get().vanishes = true;
    wait(&served.events, |event| *event == gone);
    assert!(matches!(served.serving.join().unwrap(), Err(Error::Guest(_))));
}

/// The debugger's side of KDNET over a socket.
struct Net {
    socket: UdpSocket,
    to: Option<std::net::SocketAddr>,
    host: Host,
    id: u32,
}

impl Net {
    /// The next state change that comes, acknowledged, while pokes are answered once.
    fn stop(&mut self, acknowledge: bool) -> Packet {
        let mut buffer = [0; 8192];
        loop {
            let (length, from) = self.socket.recv_from(&mut buffer).unwrap();
            self.to = Some(from);
            match self.host.hear(&buffer[..length]) {
                Ok(Heard::Poke { body, sequence }) if !self.host.connected() => {
                    let answer = self.host.respond(&body, sequence);
                    self.socket.send_to(&answer, from).unwrap();
                }
                Ok(Heard::Data { body, .. }) if body.len() == 12 => {
                    let bytes = Packet::control(PacketType::RESET, PacketId(self.id)).encode().unwrap();
                    self.send(&bytes);
                    self.send(b"b");
                }
                Ok(Heard::Data { body, .. }) => {
                    let packet = Packet::from_datagram(&body).unwrap();
                    if packet.kind == PacketType::STATE_CHANGE64 {
                        if acknowledge {
                            let bytes = Packet::control(PacketType::ACKNOWLEDGE, packet.id).encode().unwrap();
                            self.send(&bytes);
                        }
                        return packet;
                    }
                }
                _ => {}
            }
        }
    }

    fn send(&mut self, body: &[u8]) {
        let datagram = self.host.send(body);
        self.socket.send_to(&datagram, self.to.unwrap()).unwrap();
    }
}

#[test]
fn a_guest_whose_stop_nobody_acknowledges_over_kdnet_is_released() {
    let _one = ONE.lock();
    let (mut guest, shared, _) = guest();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let host = socket.local_addr().unwrap();
    let (sender, events) = channel();
    thread::spawn(move || {
        let options = NetOptions {
            host,
            key: "k.e.y.1".parse().unwrap(),
            version: Version::new(2).unwrap(),
            source_port: 0,
            once: true,
            record: None,
        };
        let _ = serve_net(&mut guest, options, &mut |event| {
            let _ = sender.send(event.clone());
        });
    });
    let mut net = Net {
        socket,
        to: None,
        host: Host::new("k.e.y.1", 7),
        id: 0x8000_0000,
    };
    net.stop(false);
    assert!(!shared.get().runs);
    // The debugger says nothing any more.
    let mut seen = Vec::new();
    while let Ok(event) = events.recv_timeout(Duration::from_secs(15)) {
        seen.push(event);
    }
    assert!(seen.contains(&Event::Session(Report::Silent)), "{seen:?}");
    assert!(seen.contains(&Event::Released(true)), "{seen:?}");
    assert!(shared.get().runs);
}

/// Runs alone in a process of its own: see the test below.
#[test]
fn child_that_is_ended_by_a_signal() {
    let Ok(line) = std::env::var("DELID_SIGNAL_LINE") else {
        return;
    };
    signals::watch().unwrap();
    let endpoint = match line.split_once(':').unwrap() {
        ("unix", path) => Endpoint::UnixListen(path.into()),
        ("pty", path) => Endpoint::Pty(Some(path.into())),
        _ => panic!(),
    };
    let (mut guest, shared, _) = guest();
    if line.starts_with("pty") {
        guest.stop().unwrap();
    }
    let mut report = |event: &Event| {
        println!("{event}");
        std::io::stdout().flush().unwrap();
    };
    serve(&mut guest, &endpoint, Options::default(), &mut report).unwrap();
    drop(guest);
    assert!(shared.get().runs && shared.get().points.is_empty());
    println!("ended well");
}

#[test]
fn signals_release_the_guest_and_remove_sockets_and_links() {
    let _one = ONE.lock();
    let folder = tempfile::tempdir().unwrap();
    for (signal, kind, attached) in [("TERM", "unix", false), ("INT", "unix", true), ("HUP", "pty", false)] {
        let path = folder.path().join(signal);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "child_that_is_ended_by_a_signal"])
            .env("DELID_SIGNAL_LINE", format!("{kind}:{}", path.display()))
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        for _ in 0..500 {
            if path.symlink_metadata().is_ok() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        thread::sleep(Duration::from_millis(100));
        let debugger = attached.then(|| {
            let mut debugger = Debugger::new(UnixStream::connect(&path).unwrap());
            debugger.break_in();
            debugger
        });
        let id = child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status().unwrap();
        assert!(sent.success());
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(child.wait().unwrap().success(), "{signal}: {text}");
        assert!(text.contains("ended well"), "{signal}: {text}");
        assert!(text.contains("ending: a signal asked for it"), "{signal}: {text}");
        assert!(path.symlink_metadata().is_err(), "{signal}: {} is left", path.display());
        drop(debugger);
    }
}
