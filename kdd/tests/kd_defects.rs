//! What Xen's `kdd` (4.20.3) gets wrong in the protocol, each a test that shows it right here.
//!
//! What it gets wrong in reading a guest is shown elsewhere: page tables (PCID bits, 1 GiB pages, five
//! levels) with the tests of `memory::paging`; CONTEXT with its floating point registers at 0x100 and
//! KSPECIAL_REGISTERS with EFER nowhere and GsBase to Xcr0 in their places with those of
//! `windows::context`; builds that are in no table, scans that end at unmapped pages, and the KDBG of
//! Windows 8 and later with those of `windows`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod fake;

use fake::{CODE, DATA_LIST, Fake, Host, KERNEL, MODULES, Request, u16_at, u32_at, u64_at};
use kdd::kd::packet::PacketType;
use kdd::kd::session::Line;
use kdd::memory::Gva;

fn host(fake: Fake) -> Host {
    let mut host = Host::connected(Line::Serial, fake);
    host.push(b"b");
    host.seen.clear();
    host
}

const REFUSED: u32 = 0xc000_0001;
const NOT_SUPPORTED: u32 = 0xc000_00bb;

#[test]
fn reset_is_answered_with_id_zero() {
    let mut host = Host::new(Line::Serial, Fake::x64());
    host.reset();
    assert_eq!((host.seen[0].kind, host.seen[0].id.0), (PacketType::RESET, 0));
}

#[test]
fn data_packets_of_other_types_are_acknowledged_and_not_asked_for_again() {
    let mut host = host(Fake::x64());
    for kind in [PacketType::DEBUG_IO, PacketType::FILE_IO, PacketType::CONTROL_REQUEST] {
        host.seen.clear();
        let bytes = host.framed(kind, &[7; 64]);
        host.push(&bytes);
        let kinds: Vec<_> = host.seen.iter().map(|packet| packet.kind).collect();
        assert_eq!(kinds, [PacketType::ACKNOWLEDGE]);
        host.next_id();
    }
}

#[test]
fn version_has_every_field_of_a_real_kernel() {
    let (status, payload) = host(Fake::x64()).ask(&Request::new(0x3146, 0));
    assert_eq!(status, 0);
    assert_eq!((u16_at(&payload, 16), u16_at(&payload, 18)), (15, 19045));
    assert_eq!(payload[20..22], [6, 2], "protocol, secondary version");
    assert_eq!(u16_at(&payload, 22), 7, "multiprocessor, data, 64-bit pointers");
    assert_eq!(u16_at(&payload, 24), 0x8664);
    assert_eq!(payload[26..32], [0x0c, 3, 0x31, 0, 0, 0]);
    assert_eq!(
        [32, 40, 48].map(|at| u64_at(&payload, at)),
        [KERNEL, MODULES, DATA_LIST]
    );
    assert_eq!(payload.len(), 56);
}

#[test]
fn version_of_x86_has_no_64_bit_flags_and_extended_pointers() {
    let (_, payload) = host(Fake::x86()).ask(&Request::new(0x3146, 0));
    assert_eq!(payload[20..22], [6, 0]);
    assert_eq!(
        (u16_at(&payload, 18), u16_at(&payload, 22), u16_at(&payload, 24)),
        (2600, 2, 0x14c)
    );
    let extended = |address: u64| address & 0xffff_ffff | 0xffff_ffff_8000_0000;
    assert_eq!(
        [32, 40, 48].map(|at| u64_at(&payload, at)),
        [KERNEL, MODULES, DATA_LIST].map(extended)
    );
}

#[test]
fn state_change_has_thread_count_and_the_whole_report() {
    let mut host = Host::new(Line::Serial, Fake::x64());
    host.guest.stop.processor = 1;
    host.guest.stop.address = Gva(CODE + 0x100);
    host.reset();
    let change = host
        .seen
        .iter()
        .find(|packet| packet.kind == PacketType::STATE_CHANGE64)
        .unwrap()
        .payload
        .clone();
    let (context, special) = (&host.guest.contexts[1], &host.guest.specials[1]);
    assert_eq!(change.len(), 240);
    assert_eq!(
        (u32_at(&change, 0), u16_at(&change, 6), u32_at(&change, 8)),
        (0x3030, 1, 2)
    );
    assert_eq!(u64_at(&change, 16), 0xffff_a08c_7d6f_9080, "thread of processor 1");
    assert_eq!((u64_at(&change, 24), u64_at(&change, 48)), (CODE + 0x100, CODE + 0x100));
    assert_eq!(
        (u32_at(&change, 32), u32_at(&change, 36), u64_at(&change, 40)),
        (0x8000_0003, 0, 0)
    );
    assert_eq!(
        (u32_at(&change, 56), u64_at(&change, 64), u32_at(&change, 184)),
        (1, 0, 1)
    );
    assert_eq!(u64_at(&change, 192), 0x1111_2222_3333_4444, "Dr6");
    assert_eq!(u64_at(&change, 200), u64_at(special, 0x48), "Dr7");
    assert_eq!(u32_at(&change, 208), u32_at(context, 0x44), "EFlags");
    assert_eq!((u16_at(&change, 212), u16_at(&change, 214)), (16, 3));
    let mut code = [0; 16];
    kdd::kd::debuggee::Debuggee::read_virtual(&host.guest, 1, Gva(CODE + 0x100), &mut code);
    assert_eq!(change[216..232], code);
    assert_eq!(
        [232, 234, 236, 238].map(|at| u16_at(&change, at)),
        [0x10, 0x2b, 0x2c, 0x53]
    );
}

#[test]
fn report_of_x86_is_laid_out_for_x86() {
    let mut host = Host::new(Line::Serial, Fake::x86());
    host.reset();
    let change = host
        .seen
        .iter()
        .find(|packet| packet.kind == PacketType::STATE_CHANGE64)
        .unwrap()
        .payload
        .clone();
    let (context, special) = (&host.guest.contexts[0], &host.guest.specials[0]);
    assert_eq!((change.len(), u32_at(&change, 8)), (240, 1));
    assert_eq!(u64_at(&change, 16), 0xffff_ffff_8a30_5020);
    assert_eq!(u64_at(&change, 24), 0xffff_ffff_8052_0ffc);
    assert_eq!(change[192..200], special[0x20..0x28], "Dr6, Dr7");
    assert_eq!((u16_at(&change, 200), u16_at(&change, 202)), (16, 3));
    assert_eq!(
        [220, 222, 224, 226].map(|at| u16_at(&change, at)),
        [8, 0x24, 0x23, 0x30]
    );
    assert_eq!(change[228..232], context[0xc0..0xc4], "EFlags");
}

#[test]
fn code_that_cannot_be_read_and_user_segments_are_not_claimed() {
    let mut host = Host::new(Line::Serial, Fake::x64());
    host.guest.memory.remove(&((CODE & !0xfff) + 0x1000));
    host.guest.contexts[0][0x38] = 0x33;
    host.reset();
    let change = &host
        .seen
        .iter()
        .find(|packet| packet.kind == PacketType::STATE_CHANGE64)
        .unwrap()
        .payload;
    assert_eq!((u16_at(change, 212), u16_at(change, 214)), (8, 1));
    assert_eq!(change[224..232], [0; 8]);
}

#[test]
fn memory_is_read_up_to_the_hole_and_a_hole_is_refused() {
    let mut host = host(Fake::x64());
    let page = CODE & !0xfff;
    let (status, payload) = host.ask(&Request::new(0x3130, 0).u64(16, page + 0x1ff0).u32(24, 64));
    assert_eq!((status, u32_at(&payload, 24), u32_at(&payload, 28)), (0, 64, 16));
    assert_eq!(payload[56..], host.guest.memory[&(page + 0x1000)][0xff0..]);
    let (status, payload) = host.ask(&Request::new(0x3130, 0).u64(16, page + 0x2000).u32(24, 64));
    assert_eq!((status, u32_at(&payload, 28), payload.len()), (REFUSED, 0, 56));
    let (status, payload) = host.ask(&Request::new(0x313d, 0).u64(16, 0x5ffc).u32(24, 8).u32(28, 1));
    assert_eq!(
        (status, u32_at(&payload, 28), payload[56]),
        (0, 8, host.guest.physical[&0x5000][0xffc])
    );
    let (status, payload) = host.ask(&Request::new(0x313d, 0).u64(16, 0x7000).u32(24, 8));
    assert_eq!((status, payload.len()), (REFUSED, 56));
}

#[test]
fn counts_beyond_a_packet_are_cut_to_what_it_carries() {
    let mut host = host(Fake::x64());
    for count in [3944, 3945, 4000, 0x1_0000, u32::MAX] {
        let (status, payload) = host.ask(&Request::new(0x3130, 0).u64(16, CODE & !0xfff).u32(24, count));
        assert_eq!((status, payload.len(), u32_at(&payload, 28)), (0, 4000, 3944));
        assert_eq!(u32_at(&payload, 24), count, "what was asked is not changed");
    }
    for address in [u64::MAX, u64::MAX - 3] {
        let (status, _) = host.ask(&Request::new(0x3130, 0).u64(16, address).u32(24, 64));
        assert_eq!(status, REFUSED);
    }
}

#[test]
fn memory_is_written_and_a_capture_says_that_it_cannot() {
    let mut host = host(Fake::live());
    let write = Request::new(0x3131, 0).u64(16, CODE).u32(24, 4).data(b"abcdefgh");
    let (status, payload) = host.ask(&write);
    assert_eq!((status, u32_at(&payload, 28), payload.len()), (0, 4, 56));
    let page = &host.guest.memory[&(CODE & !0xfff)];
    assert_eq!((&page[0xff8..0xffc], page[0xffc] == b'e'), (&b"abcd"[..], false));
    let (status, payload) = host.ask(
        &Request::new(0x313e, 0)
            .u64(16, 0x6ffe)
            .u32(24, 4)
            .u32(28, 0)
            .data(b"wxyz"),
    );
    assert_eq!((status, u32_at(&payload, 28)), (0, 2), "up to the hole");
    // A count beyond the data that came is no reason to write more.
    let (_, payload) = host.ask(&Request::new(0x3131, 0).u64(16, CODE).u32(24, 5000).data(b"12"));
    assert_eq!(u32_at(&payload, 28), 2);
    let (status, payload) = self::host(Fake::x64()).ask(&write);
    assert_eq!((status, u32_at(&payload, 28)), (NOT_SUPPORTED, 0));
}

#[test]
fn whole_context_is_read_and_written_and_pieces_of_it() {
    let mut host = host(Fake::live());
    let (status, payload) = host.ask(&Request::new(0x3132, 1));
    assert_eq!((status, &payload[56..]), (0, &host.guest.contexts[1][..]));
    let new: Vec<u8> = payload[56..].iter().map(|byte| !byte).collect();
    assert_eq!(host.ask(&Request::new(0x3133, 1).u32(16, 0x10_001f).data(&new)).0, 0);
    assert_eq!(host.guest.contexts[1], new);
    assert_eq!(host.ask(&Request::new(0x3133, 1).data(&new[..0x4cf])).0, REFUSED);
    let (status, payload) = host.ask(&Request::new(0x315f, 1).u32(16, 0x100).u32(20, 0x200));
    assert_eq!(
        (status, u32_at(&payload, 24), &payload[56..]),
        (0, 0x200, &new[0x100..0x300])
    );
    for (offset, count) in [(0x4d0, 1), (0, 0x4d1), (u32::MAX, 2), (1, u32::MAX)] {
        let (status, payload) = host.ask(&Request::new(0x315f, 1).u32(16, offset).u32(20, count));
        assert_eq!((status, u32_at(&payload, 24), payload.len()), (REFUSED, 0, 56));
    }
    let (status, payload) = host.ask(
        &Request::new(0x3160, 1)
            .u32(16, 0xf8)
            .u32(20, 8)
            .data(&CODE.to_le_bytes()),
    );
    assert_eq!((status, u32_at(&payload, 24)), (0, 8));
    assert_eq!(u64_at(&host.guest.contexts[1], 0xf8), CODE);
    assert_eq!(host.guest.contexts[1][0x100..], new[0x100..]);
}

#[test]
fn control_space_of_x64_has_all_four_places_on_any_build() {
    let mut host = host(Fake::live());
    let mut place =
        |number: u64, count: u32, cpu: u16| host.ask(&Request::new(0x3137, cpu).u64(16, number).u32(24, count));
    for (number, expected) in [
        (0, 0xffff_f805_1861_0000),
        (1, 0xffff_f805_1861_0180),
        (3, 0xffff_a08c_7d6f_9080u64),
    ] {
        let (status, payload) = place(number, 64, 1);
        assert_eq!(
            (status, u32_at(&payload, 28), payload[56..].to_vec()),
            (0, 8, expected.to_le_bytes().to_vec())
        );
    }
    for (count, seen) in [(0xe0, 0xe0), (0xf0, 0xf0), (0x1000, 0xf0)] {
        let (status, payload) = place(2, count, 1);
        assert_eq!(
            (status, u32_at(&payload, 28) as usize, payload.len()),
            (0, seen, 56 + seen)
        );
    }
    let (status, payload) = place(4, 8, 1);
    assert_eq!((status, u32_at(&payload, 28), payload.len()), (REFUSED, 0, 56));
    let new = vec![0xa7; 0xe0];
    let write = |number: u64| Request::new(0x3138, 1).u64(16, number).u32(24, 0xe0).data(&new);
    let (status, payload) = host.ask(&write(2));
    assert_eq!((status, u32_at(&payload, 28)), (0, 0xe0));
    assert_eq!(
        (&host.guest.specials[1][..0xe0], host.guest.specials[1].len()),
        (&new[..], 0xf0)
    );
    assert_eq!(host.ask(&write(0)).0, REFUSED);
}

#[test]
fn control_space_of_x86_is_an_offset() {
    let mut host = host(Fake::x86());
    let state = [&host.guest.contexts[0][..], &host.guest.specials[0]].concat();
    let mut read = |place: u64, count: u32| host.ask(&Request::new(0x3137, 0).u64(16, place).u32(24, count));
    assert_eq!(read(0x2cc, 84).1[56..], state[0x2cc..]);
    assert_eq!(read(0x2c0, 24).1[56..], state[0x2c0..0x2d8]);
    assert_eq!(read(0x31f, 100).1[56..], state[0x31f..]);
    assert_eq!((read(0x320, 4).0, read(u64::MAX, 4).0), (REFUSED, REFUSED));
    host.guest.live = true;
    let write = Request::new(0x3138, 0).u64(16, 0x2ca).u32(24, 4).data(&[1, 2, 3, 4]);
    assert_eq!(host.ask(&write).0, 0);
    assert_eq!(
        (&host.guest.contexts[0][0x2ca..], &host.guest.specials[0][..2]),
        (&[1, 2][..], &[3, 4][..])
    );
    assert_eq!(
        host.ask(&Request::new(0x3138, 0).u64(16, 0x31e).u32(24, 4).data(&[0; 4]))
            .0,
        REFUSED
    );
}

#[test]
fn addresses_of_x86_are_taken_with_and_without_their_sign() {
    let mut host = host(Fake::x86());
    for address in [0x8052_0ffc, 0xffff_ffff_8052_0ffcu64] {
        let (status, payload) = host.ask(&Request::new(0x3130, 0).u64(16, address).u32(24, 8));
        assert_eq!((status, payload.len()), (0, 64));
    }
    let pattern = host.guest.memory[&0x8052_1000][..6].to_vec();
    let search = Request::new(0x3156, 0)
        .u64(16, 0xffff_ffff_8052_0900)
        .u64(24, 0x1000)
        .u32(32, 6)
        .data(&pattern);
    host.guest.fill(0x8052_0000, &vec![0; 0xfff]);
    let (status, payload) = host.ask(&search);
    assert_eq!((status, u64_at(&payload, 16)), (0, 0xffff_ffff_8052_1000));
}

#[test]
fn unknown_breakpoints_are_not_removed_and_known_ones_are() {
    let mut host = host(Fake::live());
    for handle in 1..=32 {
        assert_eq!(host.ask(&Request::new(0x3135, 0).u32(16, handle)).0, REFUSED);
    }
    let (status, payload) = host.ask(&Request::new(0x3134, 0).u64(16, CODE + 4));
    assert_eq!((status, u32_at(&payload, 24)), (0, 1));
    assert_eq!(host.ask(&Request::new(0x3135, 0).u32(16, 1)).0, 0);
    assert!(host.guest.breakpoints.is_empty());
    let entries = [
        &CODE.to_le_bytes()[..],
        &[0xee; 8],
        &(CODE + 9).to_le_bytes(),
        &[0xee; 8],
    ]
    .concat();
    let (status, payload) = host.ask(&Request::new(0x3147, 0).u32(16, 2).data(&entries));
    assert_eq!(
        (status, u32_at(&payload, 64), u32_at(&payload, 80), payload.len()),
        (0, 1, 2, 88)
    );
    let handles = [1u32.to_le_bytes(), 9u32.to_le_bytes(), 2u32.to_le_bytes()].concat();
    let (status, payload) = host.ask(&Request::new(0x3148, 0).u32(16, 3).data(&handles));
    assert_eq!((status, &payload[56..]), (REFUSED, &handles[..]));
    assert!(
        host.guest.breakpoints.is_empty(),
        "the known ones are removed all the same"
    );
    assert_eq!(
        host.ask(&Request::new(0x3147, 0).u32(16, u32::MAX).data(&entries)).0,
        REFUSED
    );
}

#[test]
fn request_315c_is_query_memory() {
    let mut host = host(Fake::x64());
    let (status, payload) = host.ask(&Request::new(0x315c, 0).u64(16, CODE).u32(32, 0));
    assert_eq!(
        (status, u64_at(&payload, 24), u32_at(&payload, 32), u32_at(&payload, 36)),
        (0, 0, 2, 5)
    );
    assert_eq!(
        host.ask(&Request::new(0x315c, 0).u64(16, 0x1234_5678).u32(32, 0)).0,
        REFUSED
    );
    assert_eq!(
        host.ask(&Request::new(0x315c, 0).u64(16, CODE).u32(32, 2)).0,
        0xc000_000d
    );
}

#[test]
fn all_registers_of_the_model_are_read_per_processor() {
    let mut host = host(Fake::live());
    for (cpu, number) in host.guest.msrs.keys().copied().collect::<Vec<_>>() {
        let (status, payload) = host.ask(&Request::new(0x3152, cpu).u32(16, number));
        assert_eq!((status, u64_at(&payload, 20)), (0, host.guest.msrs[&(cpu, number)]));
    }
    let (status, payload) = host.ask(&Request::new(0x3152, 0).u32(16, 0xdead_0001));
    assert_eq!((status, u64_at(&payload, 20)), (REFUSED, 0));
    assert_eq!(
        host.ask(&Request::new(0x3153, 1).u32(16, 0x1b).u64(20, 0xfee0_0900)).0,
        0
    );
    assert_eq!(
        (host.guest.msrs[&(1, 0x1b)], host.guest.msrs[&(0, 0x1b)] == 0xfee0_0900),
        (0xfee0_0900, false)
    );
}

#[test]
fn search_finds_the_first_match_across_pages_and_skips_holes() {
    let mut host = host(Fake::x64());
    let page = 0xffff_f900_0000_0000u64;
    host.guest.fill(page, &vec![0; 0x1000]);
    host.guest.fill(page + 0x3000, &vec![0; 0x2000]);
    host.guest.fill(page + 0x3ffe, b"needle");
    let search = |from: u64, length: u64| {
        Request::new(0x3156, 0)
            .u64(16, from)
            .u64(24, length)
            .u32(32, 6)
            .data(b"needle")
    };
    let (status, payload) = host.ask(&search(page, 0x8000));
    assert_eq!((status, u64_at(&payload, 16)), (0, page + 0x3ffe));
    assert_eq!(
        host.ask(&search(page, 0x4003)).0,
        0xc000_000f,
        "the whole pattern lies in the range"
    );
    assert_eq!(host.ask(&search(page, 0x4004)).0, 0);
    assert_eq!(host.ask(&search(page + 0x3fff, 0x8000)).0, 0xc000_000f);
    assert_eq!(host.ask(&search(page, 0)).0, 0xc000_000f);
    assert_eq!(
        host.ask(&Request::new(0x3156, 0).u64(16, page).u64(24, 9).u32(32, 0)).0,
        0xc000_000d
    );
    let begin = std::time::Instant::now();
    for from in [0, page, u64::MAX - 5] {
        let (_, payload) = host.ask(
            &Request::new(0x3156, 0)
                .u64(16, from)
                .u64(24, u64::MAX)
                .u32(32, 2000)
                .data(&[0x5a; 2000]),
        );
        assert_eq!(u32_at(&payload, 8), 0xc000_000f);
    }
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
}

#[test]
fn memory_is_filled_virtual_and_physical() {
    let mut host = host(Fake::live());
    let fill = |flags: u16, at: u64, length: u32| {
        Request::new(0x315b, 0)
            .u64(16, at)
            .u32(24, length)
            .u16(28, flags)
            .u16(30, 3)
            .data(b"xyz")
    };
    let (status, payload) = host.ask(&fill(1, CODE & !0xfff, 8));
    assert_eq!((status, u32_at(&payload, 24)), (0, 8));
    assert_eq!(host.guest.memory[&(CODE & !0xfff)][..8], *b"xyzxyzxy");
    let (status, payload) = host.ask(&fill(2, 0x6ff0, 100));
    assert_eq!((status, u32_at(&payload, 24)), (0, 16), "up to the hole");
    let (status, payload) = host.ask(&fill(2, 0x7000, u32::MAX));
    assert_eq!((status, u32_at(&payload, 24)), (REFUSED, 0));
    assert_eq!(host.ask(&fill(0, CODE, 8)).0, 0xc000_000d);
    assert_eq!(self::host(Fake::x64()).ask(&fill(1, CODE, 8)).0, NOT_SUPPORTED);
}

#[test]
fn ports_and_configuration_space_are_served_where_the_guest_has_them() {
    let mut host = host(Fake::live());
    host.guest.ports.insert(0x60, 0x1d);
    let (status, payload) = host.ask(&Request::new(0x3139, 0).u64(16, 0x60).u32(24, 1));
    assert_eq!((status, u32_at(&payload, 24), u32_at(&payload, 28)), (0, 1, 0x1d));
    let (status, payload) = host.ask(&Request::new(0x3139, 0).u64(16, 0x61).u32(24, 2));
    assert_eq!(
        (status, u32_at(&payload, 24), u32_at(&payload, 28)),
        (0x8000_0002, 0, 0)
    );
    assert_eq!(
        host.ask(&Request::new(0x313a, 0).u64(16, 0x70).u32(24, 4).u32(28, 0x8877_6655))
            .0,
        0
    );
    assert_eq!(host.guest.ports[&0x70], 0x8877_6655);
    assert_eq!(
        host.ask(&Request::new(0x313a, 0).u64(16, 0x70).u32(24, 3)).0,
        0xc000_000d
    );
    let extended = |bus: u32| {
        Request::new(0x3144, 0)
            .u32(16, 4)
            .u32(20, 1)
            .u32(24, bus)
            .u32(28, 1)
            .u64(32, 0x70)
    };
    let (status, payload) = host.ask(&extended(0));
    assert_eq!(
        (status, u32_at(&payload, 16), u32_at(&payload, 40)),
        (0, 4, 0x8877_6655)
    );
    assert_eq!(host.ask(&extended(1)).0, 0xc000_000d);
    let bus = |kind: u32, length: u32| {
        Request::new(0x3157, 0)
            .u32(16, kind)
            .u32(20, 0)
            .u32(24, 0)
            .u32(28, 0x40)
            .u32(32, length)
    };
    let (status, payload) = host.ask(&bus(4, 4));
    assert_eq!(
        (status, u32_at(&payload, 32), &payload[56..]),
        (0, 4, &host.guest.bus[0x40..0x44])
    );
    assert_eq!(u32_at(&host.ask(&bus(4, 0xffff)).1, 32), 0xc0);
    assert_eq!(host.ask(&bus(3, 4)).0, 0xc000_000d);
    assert_eq!(
        host.ask(&Request::new(0x3158, 0).u32(16, 4).u32(32, 2).data(b"ab")).0,
        NOT_SUPPORTED
    );
}

#[test]
fn number_of_processors_is_the_guests_and_each_can_be_looked_at() {
    let mut host = host(Fake::x64());
    let answers = host.send(&Request::new(0x3150, 1).0);
    assert_eq!((u16_at(&answers[0].payload, 6), u32_at(&answers[0].payload, 8)), (1, 2));
}

#[test]
fn step_reaches_the_guest_and_what_follows_is_reported() {
    let mut host = host(Fake::live());
    host.send(&Request::new(0x313c, 0).u32(16, 0x1_0001).u32(20, 1).u64(24, 0x401).0);
    assert_eq!(
        (host.guest.resumed[0].1.step, host.guest.resumed[0].1.dr7),
        (true, Some(0x401))
    );
    host.guest.stop.code = 0x8000_0004;
    host.guest.stops_itself = true;
    host.wait(1);
    let change = host
        .seen
        .iter()
        .find(|packet| packet.kind == PacketType::STATE_CHANGE64)
        .unwrap();
    assert_eq!(
        (u32_at(&change.payload, 32), u32_at(&change.payload, 56)),
        (0x8000_0004, 0)
    );
    host.send(&Request::new(0x313c, 0).u32(16, 0xc000_0005).u32(20, 1).u64(24, 0x401).0);
    assert_eq!(
        (host.guest.resumed[1].1.step, host.guest.resumed[1].1.dr7),
        (false, None)
    );
}

#[test]
fn x86_continue_has_its_own_layout() {
    let mut fake = Fake::x86();
    (fake.live, fake.running) = (true, true);
    let mut host = host(fake);
    host.send(
        &Request::new(0x313c, 0)
            .u32(16, 0x1_0002)
            .u32(20, 0)
            .u32(24, 0x155)
            .u32(28, 0xffff_ffff)
            .0,
    );
    assert_eq!(
        (host.guest.resumed[0].1.step, host.guest.resumed[0].1.dr7),
        (false, Some(0x155))
    );
}
