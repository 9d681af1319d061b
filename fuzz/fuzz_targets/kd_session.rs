//! A KD session with a guest that knows nothing, on both lines. The first byte says how long the pieces are;
//! time passes between them. A debugger that resets afterwards is answered.
#![no_main]

use std::time::Duration;

use kdd::kd::debuggee::{Continue, Debuggee, Exception, MemoryKind, Status, Version};
use kdd::kd::packet::{Packet, PacketId, PacketType};
use kdd::kd::session::{Action, Line, Session};
use kdd::memory::{Gpa, Gva};
use kdd::windows::Architecture;
use libfuzzer_sys::fuzz_target;

struct Guest(Architecture, Vec<u8>);

impl Debuggee for Guest {
    fn version(&self) -> Version {
        let none = Gva(0);
        Version {
            major: 15,
            minor: 1,
            architecture: self.0,
            multiprocessor: false,
            kernel_base: none,
            loaded_modules: none,
            debugger_data: none,
        }
    }

    fn processors(&self) -> u16 {
        1
    }

    fn thread(&self, _: u16) -> Gva {
        Gva(0)
    }

    fn program_counter(&self, _: u16) -> Gva {
        Gva(0)
    }

    fn read_virtual(&self, _: u16, at: Gva, buffer: &mut [u8]) -> usize {
        if at.0 < 0x1_0000 { buffer.len() } else { 0 }
    }

    fn read_physical(&self, _: Gpa, _: &mut [u8]) -> usize {
        0
    }

    fn write_virtual(&mut self, _: u16, _: Gva, bytes: &[u8]) -> Result<usize, Status> {
        Ok(bytes.len())
    }

    fn write_physical(&mut self, _: Gpa, _: &[u8]) -> Result<usize, Status> {
        Err(Status::NOT_SUPPORTED)
    }

    fn context(&self, _: u16) -> Result<Vec<u8>, Status> {
        Ok(self.1.clone())
    }

    fn set_context(&mut self, _: u16, context: &[u8]) -> Result<(), Status> {
        self.1 = context.to_vec();
        Ok(())
    }

    fn special(&self, _: u16) -> Result<Vec<u8>, Status> {
        Err(Status::UNSUCCESSFUL)
    }

    fn set_special(&mut self, _: u16, _: &[u8]) -> Result<(), Status> {
        Ok(())
    }

    fn kpcr(&self, _: u16) -> Gva {
        Gva(0)
    }

    fn kprcb(&self, _: u16) -> Gva {
        Gva(0)
    }

    fn msr(&self, _: u16, _: u32) -> Result<u64, Status> {
        Err(Status::UNSUCCESSFUL)
    }

    fn query_memory(&self, _: u16, _: Gva) -> Option<MemoryKind> {
        None
    }

    fn exception(&self) -> Exception {
        Exception {
            processor: 9,
            code: 0x8000_0003,
            address: Gva(0),
        }
    }

    fn resume(&mut self, _: u16, _: Continue) -> Result<(), Status> {
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Status> {
        Ok(())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else {
        return;
    };
    for line in [Line::Serial, Line::Datagram] {
        let mut guest = match first & 0x80 {
            0 => Guest(Architecture::X64, vec![0; 0x4d0]),
            _ => Guest(Architecture::X86, vec![0; 0x2cc]),
        };
        let mut session = Session::new(line);
        let mut now = Duration::ZERO;
        for piece in bytes.chunks(usize::from(first & 0x7f) + 1) {
            session.push(piece, &mut guest, now);
            while session.poll().is_some() {}
            now += Duration::from_millis(300);
            session.tick(&mut guest, now);
        }
        now += Duration::from_secs(1);
        session.tick(&mut guest, now);
        while session.poll().is_some() {}
        let reset = Packet::control(PacketType::RESET, PacketId(0)).encode();
        session.push(&reset.expect("a header"), &mut guest, now);
        assert!(matches!(session.poll(), Some(Action::Send(_))));
    }
});
