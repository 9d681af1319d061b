//! One descriptor of each kind, as compilers code them.

use super::*;

/// Alternatives are tested apart.
const DESCRIPTORS: &[&[u8]] = &[
    b"#\x18\x80\x18",
    b"*\x0af",
    b"\"\x02\0",
    b"K\xf8\x03\x08",
    b"#\x08\0!",
    b"G\0\x10\0 \0\x01\x04",
    b"U\x01\0\x02\0\x04",
    b"s\x01\x02\x03",
    b"\x84\x0a\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a",
    b"\x81\x09\0\0\x10\0 \0\x04\0\x11\0",
    b"\x85\x11\0\x01\0\0\0\x10\0\0\0 \x04\0\0\0\0\x01\0\0",
    b"\x86\x09\0\0\0\0\xd0\xfe\0\x04\0\0",
    b"\x82\x0c\0\x7f\x01\x02\x04\x03\0\0\0\0\0\0\0",
    b"\x82\x0c\0\x0a\x01\x02\0\x03\0\0\0\0\0\0\0",
    b"\x89\x0e\0\x13\x03\x01\0\0\0\x02\0\0\0xV4\x12",
    b"\x89\x0e\0\x1c\x01\x01\0\0\0\x01\\_SB.X\0",
    b"\x88\x0d\0\x02\x0c\0\0\0\0\0\xff\0\0\0\0\x01",
    b"\x88\x15\0\x02\x0b\0\0\0\0\0\xff\0\0\0\0\x01\x03\\_SB.Y\0",
    b"\x88\x0d\0\x01\x0c\x02\0\0\0\0\xf7\x0c\0\0\xf8\x0c",
    b"\x87\x17\0\x01\x0c3\0\0\0\0\0\0\0\0\xf7\x0c\0\0\0\0\0\0\xf8\x0c\0\0",
    b"\x8a+\0\x01\x0c\x11\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xf7\x0c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xf8\x0c\0\0\0\0\0\0",
    b"\x8b5\0\x01\x0c\x11\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xf7\x0c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xf8\x0c\0\0\0\0\0\0\x07\0\0\0\0\0\0\0",
    b"\x87\x17\0\0\x06?\0\0\0\0\0\0\0\xe0\xff\xff\xff\xef\0\0\0\0\0\0\0\x10",
    b"\x8a3\0\0\x0c\x14\0\0\0\0\0\0\0\0\0\0\0\xe0\0\0\0\0\xff\xff\xff\xef\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\\_SB.Z\0",
    b"\x8b5\0\0\x0d\x0b\x01\0\0\0\0\0\0\0\0\0\0\0\0\xe0\0\0\0\0\xff\xff\xff\xef\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\x80\0\0\0\0\0\0",
    b"\x88\x0d\0\xc1\x0cU\0\0\0\0\xff\0\0\0\0\x01",
    b"\x87\x1f\0\xc2\x0cU\0\0\0\0\0\0\0\0\xff\0\0\0\0\0\0\0\0\x01\0\0\x01\\_SB.W\0",
    b"\x8a+\0\xc3\x0cU\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0",
    b"\x8b5\0\xc4\x0cU\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\x09\0\0\0\0\0\0\0",
    b"\x8c#\0\x01\0\x01\0\x1d\0\x03\0\0\x10\0\x17\0\0\x19\0#\0\x03\0\x07\0\\_SB.GPIO\0\x01\x02\x03",
    b"\x8c \0\x01\0\0\0\x02\0\x81\0\0\x10\0\x17\0\x01\x19\0#\0\0\0\x07\0\\_SB.GPIO\0",
    b"\x8c$\0\x01\x01\x01\0\x0a\0\x02\x02\0\x01\0\x17\0\0\x1d\0'\0\0\0\x01\0\x02\0\x03\0\\_SB.GPIO\0",
    b"\x8e\x19\0\x01\0\x01\x03\x01\0\x01\x06\0\x80\x1a\x06\0\x1a\0\\_SB.I2C0\0",
    b"\x8e\x19\0\x02\0\x01\x06\0\0\x01\x06\0\x80\x1a\x06\0\x1a\0\\_SB.I2C0\0",
    b"\x8e\x1c\0\x01\0\x02\x02\x03\0\x01\x09\0@B\x0f\0\x08\x01\x01\x01\0\\_SB.SPI0\0",
    b"\x8e\x1d\0\x02\x02\x02\x05\0\0\x01\x0a\0@B\x0f\0\x08\0\0\x01\0\x09\\_SB.SPI0\0",
    b"\x8e\x1d\0\x01\0\x03\x02\xce\0\x01\x0a\0\0\xc2\x01\0\x10\0 \0\x03\xfe\\_SB.UA00\0",
    b"\x8e\x1f\0\x02\0\x03\x005\0\x01\x0c\0\0\xc2\x01\0\x10\0 \0\0\xc0\x09\x08\\_SB.UA00\0",
    b"\x8d\x1e\0\x01\x01\0\x01\x12\0\x12\0\0\x16\0 \0\x01\0\x01\0\x02\0\\_SB.GPIO\0\x01",
    b"\x8f \0\x01\x03\0\x03xV4\x12\x14\0\0\x18\0\"\0\x01\0\x01\0\x02\0\\_SB.GPIO\0\x01",
    b"\x90\x14\0\x01\0\0\x0e\0\x12\0\x16\0\x01\0\x01\0\x02\0grp\0\x01",
    b"\x91\x1c\0\x01\x02\0\x05\0\0\x11\0\x1b\0\x1f\0\0\0\\_SB.GPIO\0grp\0",
    b"\x92\x1f\0\x01\x03\0\x02\x07\0\0\0\0\x14\0\x1e\0\"\0\0\0\\_SB.GPIO\0grp\0",
    b"\x8e\x13\0\x01\0\x04\x02\xf1\x03\x01\x01\0\x01\\_SB.CSI\0",
    b"\x93\x13\0\x01\x02\0\x03\0\xe8\x03\0\0\x02\\_SB.CLK\0",
    b"\x93\x0a\0\x01\x05\0\x03\0\xe8\x03\0\0\0",
    b"\x8f\x1d\0\x01\0\0\x80\x01\0\0\0\x14\0\0\x16\0 \0\0\0\x01\0\\_SB.GPIO\0",
];

fn told(descriptor: &[u8]) -> Option<String> {
    let mut bytes = descriptor.to_vec();
    bytes.extend([0x79, 0]);
    let lines = template(&bytes, &mut 0)?;
    let words: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    Some(words.join(" ").split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn every_kind_has_words() {
    for descriptor in DESCRIPTORS {
        assert!(told(descriptor).is_some(), "{descriptor:02x?}");
    }
}

#[test]
fn other_bytes_never_have_the_same_words() {
    for descriptor in DESCRIPTORS {
        let words = told(descriptor).unwrap();
        for bit in 0..descriptor.len() * 8 {
            let mut other = descriptor.to_vec();
            other[bit / 8] ^= 1 << (bit % 8);
            let seen = told(&other);
            assert!(seen.as_ref() != Some(&words), "bit {bit} of {descriptor:02x?}: {words}");
        }
    }
}

#[test]
fn cut_descriptors_have_no_words() {
    for descriptor in DESCRIPTORS.iter().filter(|descriptor| descriptor[0] & 0x80 != 0) {
        for end in 3..descriptor.len() {
            let mut cut = descriptor[..end].to_vec();
            let length = u16::try_from(end - 3).unwrap().to_le_bytes();
            cut[1..3].copy_from_slice(&length);
            let whole = told(descriptor);
            assert!(told(&cut) != whole, "{cut:02x?}");
        }
    }
}

#[test]
fn words_stand_in_the_order_of_the_language() {
    let words = |bytes: &[u8]| told(bytes).unwrap();
    assert_eq!(
        words(b"\x23\x18\x80\x18"),
        "IRQ (Level, ActiveLow, Shared, ) { 3, 4, 15 }"
    );
    assert_eq!(words(b"\x2a\x0a\x66"), "DMA (TypeF, BusMaster, Transfer16, ) { 1, 3 }");
    assert_eq!(
        words(b"\x47\x01\x60\0\x60\0\0\x01"),
        "IO (Decode16, 0x0060, 0x0060, 0x00, 0x01, )"
    );
    assert_eq!(
        words(b"\x86\x09\0\x01\0\0\xd0\xfe\0\x04\0\0"),
        "Memory32Fixed (ReadWrite, 0xFED00000, 0x00000400, )"
    );
    assert_eq!(
        words(b"\x88\x0d\0\x02\x0c\0\0\0\0\0\xff\0\0\0\0\x01"),
        "WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0x0000, 0x0000, 0x00FF, 0x0000, 0x0100, , , )"
    );
    assert_eq!(
        words(b"\x87\x17\0\0\x0c\x01\0\0\0\0\0\0\0\xe0\xff\xff\xff\xef\0\0\0\0\0\0\0\x10"),
        "DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite, 0x00000000, \
         0xE0000000, 0xEFFFFFFF, 0x00000000, 0x10000000, , , , AddressRangeMemory, TypeStatic)"
    );
    assert_eq!(
        words(b"\x89\x06\0\x0d\x01\x25\0\0\0"),
        "Interrupt (ResourceConsumer, Level, ActiveLow, Shared, , , ) { 0x00000025 }"
    );
    assert_eq!(
        words(b"\x8e\x13\0\x02\0\x01\x02\0\0\x01\x06\0\x80\x1a\x06\0\x15\0I2C\0"),
        "I2cSerialBusV2 (0x0015, ControllerInitiated, 0x00061A80, AddressingMode7Bit, \"I2C\", 0x00, \
         ResourceConsumer, , Exclusive, )"
    );
    assert_eq!(
        words(b"\x8c\x18\0\x01\0\x01\0\x01\0\0\0\0\0\0\x17\0\0\x19\0\x1b\0\0\0\x07\0G\0"),
        "GpioInt (Edge, ActiveHigh, Exclusive, PullDefault, 0x0000, \"G\", 0x00, ResourceConsumer, , ) { 0x0007 }"
    );
}

#[test]
fn alternatives_are_blocks_and_need_their_end() {
    let bytes = b"\x31\x01\x22\x20\x00\x30\x22\x40\x00\x38";
    assert_eq!(
        told(bytes).unwrap(),
        "StartDependentFn (1, 0) { IRQNoFlags () { 5 } } StartDependentFnNoPri () { IRQNoFlags () { 6 } } EndDependentFn ()"
    );
    assert!(told(&bytes[..9]).is_none() && told(b"\x38").is_none());
}

#[test]
fn range_of_zeros_gets_a_name_and_others_do_not() {
    let zeros = b"\x86\x09\0\0\0\0\0\0\0\0\0\0\x47\x01\0\0\0\0\x08\0\x85\x11\0\0\0\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0";
    assert_eq!(
        told(zeros).unwrap(),
        "Memory32Fixed (ReadOnly, 0x00000000, 0x00000000, ) IO (Decode16, 0x0000, 0x0000, 0x08, 0x00, _Y00) \
         Memory32 (ReadOnly, 0x00000000, 0x00000000, 0x00000004, 0x00000000, _Y01)"
    );
}
