//! A debugger's session of the serial protocol over TCP, played by a plain client, for systems on which no debugger
//! runs: version, registers of every processor, memory all over the guest.
//!
//!     kd_session PORT still         reads alone; the same requests each time
//!     kd_session PORT run           the same, then lets the guest run, breaks in again, lets it run and goes
//!     kd_session PORT hold          reads until the target goes away
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::expect_used)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use kdd::kd::packet::{BREAK_IN, Decoder, Event, Packet, PacketId, PacketType};

const HEADER: usize = 56;
const SUCCESS: u32 = 0;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, what] = arguments.as_slice() else {
        panic!("kd_session PORT still|run|hold")
    };
    let mut line = Line::open(port.parse().unwrap());
    let processors = line.reset();
    println!("{processors} processors");
    match what.as_str() {
        "still" => line.look(processors),
        "run" => {
            line.look(processors);
            line.go();
            std::thread::sleep(Duration::from_secs(2));
            line.send(&[BREAK_IN]);
            line.state();
            println!("ran, and stopped by a break-in");
            line.look(processors);
            line.go();
        }
        "hold" => {
            while let Some((status, _)) = line.ask(0x313d, 0, 0x1000, 64) {
                assert!(status == SUCCESS || status == 0xc000_0001, "{status:08x}");
                std::thread::sleep(Duration::from_millis(100));
            }
            println!("the target went away");
        }
        other => panic!("{other}"),
    }
}

struct Line {
    stream: TcpStream,
    decoder: Decoder,
    id: u32,
}

impl Line {
    fn open(port: u16) -> Self {
        let begin = Instant::now();
        let stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(error) => assert!(begin.elapsed() < Duration::from_secs(60), "{error}"),
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self {
            stream,
            decoder: Decoder::new(),
            id: 0x8080_0000,
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        // A target that went away shows when its answer does not come.
        let _ = self.stream.write_all(bytes);
    }

    /// Breaks in, begins the session; gives the number of processors.
    fn reset(&mut self) -> u32 {
        self.send(&[BREAK_IN]);
        let reset = Packet::control(PacketType::RESET, PacketId(0)).encode().unwrap();
        self.send(&reset);
        self.state()
    }

    /// Waits for a state change.
    fn state(&mut self) -> u32 {
        loop {
            let packet = self.data().expect("a state change");
            if packet.kind == PacketType::STATE_CHANGE64 {
                return u32::from_le_bytes(*packet.payload[8..].first_chunk().unwrap());
            }
        }
    }

    /// The next packet of data, acknowledged; `None` when the line ended.
    fn data(&mut self) -> Option<Packet> {
        loop {
            while let Some(event) = self.decoder.next_event() {
                match event {
                    Event::Packet { packet, .. } if !packet.payload.is_empty() => {
                        let id = PacketId(packet.id.0 & !PacketId::SYNC);
                        self.send(&Packet::control(PacketType::ACKNOWLEDGE, id).encode().unwrap());
                        return Some(packet);
                    }
                    Event::Damage { damage, .. } => panic!("{damage}"),
                    Event::Packet { .. } | Event::BreakIn { .. } => {}
                }
            }
            let mut buffer = [0; 0x4000];
            let count = self.stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
            self.decoder.push(&buffer[..count]);
        }
    }

    fn request(&mut self, api: u32, processor: u16, at: u64, length: u32) {
        let mut body = vec![0; HEADER];
        body[..4].copy_from_slice(&api.to_le_bytes());
        body[6..8].copy_from_slice(&processor.to_le_bytes());
        body[16..24].copy_from_slice(&at.to_le_bytes());
        body[24..28].copy_from_slice(&length.to_le_bytes());
        let packet = Packet::data(PacketType::MANIPULATE, PacketId(self.id), body);
        self.send(&packet.encode().unwrap());
        self.id ^= 1;
    }

    /// Status and data of an answer.
    fn ask(&mut self, api: u32, processor: u16, at: u64, length: u32) -> Option<(u32, Vec<u8>)> {
        self.request(api, processor, at, length);
        loop {
            let packet = self.data()?;
            let answers = packet.kind == PacketType::MANIPULATE && packet.payload[..4] == api.to_le_bytes();
            if answers {
                let status = u32::from_le_bytes(*packet.payload[8..].first_chunk().unwrap());
                return Some((status, packet.payload[HEADER..].to_vec()));
            }
        }
    }

    /// Version, registers, memory.
    fn look(&mut self, processors: u32) {
        let (status, _) = self.ask(0x3146, 0, 0, 0).unwrap();
        assert_eq!(status, SUCCESS, "GetVersion");
        for processor in 0..processors {
            let processor = u16::try_from(processor).unwrap();
            let (status, context) = self.ask(0x3132, processor, 0, 0).unwrap();
            assert_eq!(status, SUCCESS, "GetContext of processor {processor}");
            let (status, special) = self.ask(0x3137, processor, 2, 224).unwrap();
            assert_eq!(status, SUCCESS, "special registers of processor {processor}");
            println!(
                "processor {processor}: {} bytes of CONTEXT, {} of special registers",
                context.len(),
                special.len()
            );
        }
        let (mut read, mut missing) = (0, 0);
        for page in (0..0x6000).step_by(37) {
            let (status, bytes) = self.ask(0x313d, 0, page << 12, 0x800).unwrap();
            match status {
                SUCCESS => read += bytes.len(),
                _ => missing += 1,
            }
        }
        assert!(read > 0, "no memory was read");
        println!("{read} bytes of physical memory read, {missing} requests where there is none");
    }

    /// Lets the guest run.
    fn go(&mut self) {
        self.request(0x313c, 0, 0x1_0002, 0);
        std::thread::sleep(Duration::from_millis(300));
    }
}
