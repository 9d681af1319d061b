//! Any stream is cut to its end without a panic, and whole packets come back whatever surrounds them.
#![allow(clippy::unwrap_used)]

use kdd::kd::packet::{Decoder, Event, Packet, PacketId, PacketType};
use kdd::kd::trace;
use proptest::prelude::*;

fn packet() -> impl Strategy<Value = Packet> {
    let data = (1u16..12, any::<u32>(), proptest::collection::vec(any::<u8>(), 0..300))
        .prop_map(|(kind, id, payload)| Packet::data(PacketType(kind), PacketId(id), payload));
    let control = (4u16..7, any::<u32>()).prop_map(|(kind, id)| Packet::control(PacketType(kind), PacketId(id)));
    prop_oneof![data, control]
}

fn events(bytes: &[u8], piece: usize) -> Vec<Event> {
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    for piece in bytes.chunks(piece) {
        decoder.push(piece);
        events.extend(std::iter::from_fn(|| decoder.next_event()));
    }
    decoder.finish();
    events.extend(std::iter::from_fn(|| decoder.next_event()));
    events
}

proptest! {
    #[test]
    fn packets_round_trip_in_pieces_of_any_size(packets in proptest::collection::vec(packet(), 0..12), piece in 1usize..99) {
        let bytes: Vec<u8> = packets.iter().flat_map(|packet| packet.encode().unwrap()).collect();
        let seen = events(&bytes, piece).into_iter().map(|event| match event {
            Event::Packet { packet, .. } => Some(packet),
            _ => None,
        });
        prop_assert_eq!(seen.collect::<Option<Vec<_>>>(), Some(packets));
    }

    #[test]
    fn packet_behind_noise_without_leader_bytes_is_found(noise in proptest::collection::vec(0x70u8..0xff, 0..200), packet in packet()) {
        let bytes = [noise.clone(), packet.encode().unwrap()].concat();
        let offset = u64::try_from(noise.len()).unwrap();
        let found = Event::Packet { offset, packet };
        prop_assert!(events(&bytes, 7).contains(&found));
    }

    #[test]
    fn any_bytes_end_and_pieces_make_no_difference(
        bytes in proptest::collection::vec(prop_oneof![Just(0x30u8), Just(0x69), Just(0x62), Just(0), Just(2), any::<u8>()], 0..600),
        piece in 1usize..50,
    ) {
        prop_assert_eq!(events(&bytes, piece), events(&bytes, 600));
        let _ = trace::read(&bytes);
    }
}
