//! The KD packet decoder, fed in two pieces, and the reader of captured traffic. A packet that was
//! read is written again and read back.
#![no_main]

use kdd::kd::packet::{Decoder, Event};
use kdd::kd::{names, trace};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = trace::read(bytes);
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let mut decoder = Decoder::new();
    for piece in [first, second] {
        decoder.push(piece);
        drain(&mut decoder);
    }
    decoder.finish();
    drain(&mut decoder);
});

fn drain(decoder: &mut Decoder) {
    while let Some(event) = decoder.next_event() {
        let Event::Packet { packet, .. } = event else { continue };
        let _ = names::carried(&packet);
        let Ok(encoded) = packet.encode() else { continue };
        let mut again = Decoder::new();
        again.push(&encoded);
        let Some(Event::Packet { packet: back, .. }) = again.next_event() else {
            panic!("no packet in {encoded:02x?}")
        };
        assert_eq!(back, packet);
    }
}
