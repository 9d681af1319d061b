//! A xenstore that answers with any bytes, and an HVM context of any bytes: read, and loaded again as read.
#![no_main]

use std::io::{self, Cursor, Read, Write};

use kdd::target::xen_live::context::Context;
use kdd::target::xen_live::xenstore::Xenstore;
use libfuzzer_sys::fuzz_target;

struct Store(Cursor<Vec<u8>>);

impl Read for Store {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Store {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut store = Xenstore::over(Store(Cursor::new(bytes.to_vec())));
    let _ = store.domain_named("guest");
    let _ = store.domain_name(1);
    let context = Context::new(bytes.to_vec());
    let (vcpus, _) = context.vcpus();
    let again = Context::new(context.loadable(None));
    assert!(again.loadable(None) == context.loadable(None));
    let _ = again.vcpus();
    if let Some(vcpu) = vcpus.first() {
        let mut changed = vcpu.clone();
        changed.rip ^= 1;
        let _ = Context::new(bytes.to_vec()).change(vcpu, &changed);
    }
});
