//! A hypervisor that answers with any bytes: a domain is attached to, its memory read, let run, stopped and
//! released.
#![no_main]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kdd::memory::Gpa;
use kdd::target::xen_live::Xen;
use kdd::target::xen_live::hypercall::{Call, Errno, Hypervisor, Window};
use kdd::target::{Resume, Target as _};
use libfuzzer_sys::fuzz_target;

struct Hostile(Mutex<std::vec::IntoIter<u8>>);

impl Hypervisor for Hostile {
    fn call(&self, call: &mut Call) -> Result<u64, Errno> {
        let mut bytes = self.0.lock().unwrap();
        let first = bytes.next().ok_or(Errno(22))?;
        if first & 0x80 != 0 {
            return Err(Errno(i32::from(first & 0x7f)));
        }
        for buffer in &mut call.buffers {
            // The first bits say which part of a buffer is as it was.
            let kept = usize::from(first & 3) * 8;
            for byte in buffer.iter_mut().skip(kept) {
                match bytes.next() {
                    Some(next) => *byte = next,
                    None => break,
                }
            }
        }
        Ok(u64::from(first >> 2))
    }

    fn map(&self, _: u16, frames: &[u64], _: bool) -> Result<Box<dyn Window>, Errno> {
        match self.0.lock().unwrap().next() {
            Some(byte) if byte & 1 == 1 => Ok(Box::new(Pages(frames.len()))),
            _ => Err(Errno(14)),
        }
    }
}

struct Pages(usize);

impl Window for Pages {
    fn present(&self, page: usize) -> bool {
        page < self.0 && page % 3 != 2
    }

    fn read(&self, at: usize, bytes: &mut [u8]) -> bool {
        bytes.fill(0x5a);
        at.checked_add(bytes.len()).is_some_and(|end| end <= self.0 * 4096)
    }

    fn write(&mut self, at: usize, bytes: &[u8]) -> bool {
        at.checked_add(bytes.len()).is_some_and(|end| end <= self.0 * 4096)
    }
}

fuzz_target!(|bytes: &[u8]| {
    let hypervisor = Arc::new(Hostile(Mutex::new(bytes.to_vec().into_iter())));
    let Ok(mut domain) = Xen::attach(hypervisor, 7, None) else {
        return;
    };
    let mut buffer = [0; 0x3000];
    for at in [0, 0xfff, 0xb_f000, 0xffff_f000, u64::MAX - 4096] {
        let _ = domain.memory().read(Gpa(at), &mut buffer);
    }
    let _ = (
        domain.memory().runs().len(),
        domain.vcpus().len(),
        domain.damage().len(),
    );
    let Some(control) = domain.control() else { return };
    let _ = control.resume(Resume::Run);
    let _ = control.stopped(Duration::ZERO);
    let _ = control.stop();
    let _ = control.write_physical(Gpa(0x1000), &[1, 2, 3]);
    let _ = control.release();
});
