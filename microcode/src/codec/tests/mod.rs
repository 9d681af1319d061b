//! Every codec: what its tool writes, cut, mutated, and followed by other bytes.

mod damage;
mod samples;
mod tools;

use super::*;

/// What is unpacked, what was said at the end, and what is left of the packed bytes.
fn unpack(codec: Codec, mut packed: &[u8], limit: u64) -> (Vec<u8>, Option<String>, usize) {
    let mut unpacked = Vec::new();
    let mut reader = decoder(codec, &mut packed).unwrap();
    let error = reader.by_ref().take(limit).read_to_end(&mut unpacked).err();
    if let Some(error) = &error {
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{codec}: {error}");
        let again = reader.read(&mut [0; 4]).unwrap_err();
        assert_eq!(again.to_string(), error.to_string());
    }
    drop(reader);
    (unpacked, error.map(|error| error.to_string()), packed.len())
}

/// A source that gives one byte when it is asked for more.
struct Slow<'a>(&'a [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(1);
        self.0.read(buffer.get_mut(..count).unwrap())
    }
}

#[test]
fn each_codec_is_known_by_its_first_bytes() {
    for (codec, name, packed) in samples::all() {
        assert_eq!(Codec::detect(&packed), Some(codec), "{name}");
        assert_eq!(Codec::detect(&packed[..Codec::HEAD]), Some(codec), "{name}");
    }
    for other in [&b"070701"[..], &[0, 0, 0, 0], &[0x1f], &[]] {
        assert_eq!(Codec::detect(other), None);
    }
}

#[test]
fn a_small_text_comes_out_of_every_codec() {
    for (codec, name, packed) in samples::all() {
        assert_eq!(
            unpack(codec, &packed, 1000),
            (samples::TEXT.to_vec(), None, 0),
            "{name}"
        );
    }
}

#[test]
fn what_follows_a_stream_is_left() {
    for (codec, name, packed) in samples::all() {
        for behind in [&b"07070100"[..], &[0; 9], &[0x5d, 0, 0, 0, 1], &b"other"[..]] {
            // A number that can be the size of another block is one.
            if codec == Codec::Lz4Legacy && behind[0] == 0x5d {
                continue;
            }
            let packed = [&packed, behind].concat();
            assert_eq!(
                unpack(codec, &packed, 1000),
                (samples::TEXT.to_vec(), None, behind.len()),
                "{name}"
            );
        }
    }
}

#[test]
fn streams_one_after_the_other_are_one_but_not_lzma() {
    for (codec, name, packed) in samples::all() {
        let twice = [packed.as_slice(), &packed].concat();
        let (unpacked, error, left) = unpack(codec, &twice, 1000);
        let expected = if codec == Codec::Lzma { 1 } else { 2 };
        assert_eq!((unpacked, error), (samples::TEXT.repeat(expected), None), "{name}");
        assert_eq!(left, twice.len() - expected * packed.len(), "{name}");
    }
}

#[test]
fn a_source_that_gives_single_bytes_gives_the_same_and_stands_behind() {
    for (codec, name, packed) in samples::all() {
        let all = [packed.as_slice(), b"070701"].concat();
        let mut source = Source::new(Slow(&all));
        let mut unpacked = Vec::new();
        decoder(codec, &mut source).unwrap().read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, samples::TEXT, "{name}");
        assert_eq!(source.position(), packed.len() as u64, "{name}");
        assert_eq!(source.fill_buf().unwrap(), b"070701");
    }
}

#[test]
fn a_thread_beside_gives_the_same_bytes_position_and_error() {
    for (codec, name, packed) in samples::all() {
        let all = [packed.as_slice(), b"070701"].concat();
        let mut source = Source::new(all.as_slice());
        let unpacked = beside(codec, &mut source, |reader| {
            let mut unpacked = Vec::new();
            reader.read_to_end(&mut unpacked).map(|_| unpacked)
        });
        assert_eq!(unpacked.unwrap(), samples::TEXT, "{name}");
        assert_eq!(source.position(), packed.len() as u64, "{name}");

        let cut = &packed[..packed.len() - 1];
        let said = beside(codec, cut, |reader| {
            let first = reader.read_to_end(&mut Vec::new()).unwrap_err().to_string();
            assert_eq!(reader.fill_buf().unwrap_err().to_string(), first);
            first
        });
        assert_eq!(Some(said), unpack(codec, cut, 1000).1, "{name}");
    }
}

#[test]
fn reading_may_stop_early_beside_a_thread() {
    let long = tools::packed("gzip", &["-1"], &tools::noise(3 << 20));
    if let Some(packed) = long {
        let byte = beside(Codec::Gzip, packed.as_slice(), |reader| reader.fill_buf().unwrap()[0]);
        assert_eq!(byte, tools::noise(1)[0]);
    }
}

#[test]
fn a_wrong_checksum_of_any_zstd_frame_is_said_behind_its_bytes_beside_a_thread() {
    let read = |packed: &[u8]| {
        beside(Codec::Zstd, packed, |reader| {
            let mut unpacked = Vec::new();
            let error = reader.read_to_end(&mut unpacked).err();
            (unpacked, error.map(|error| error.to_string()))
        })
    };
    let (codec, _, frame) = samples::all().pop().unwrap();
    assert_eq!(codec, Codec::Zstd);
    let skip = [0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9];
    let frames = [&frame[..], &skip, &frame, &frame].concat();
    assert_eq!(read(&frames), (samples::TEXT.repeat(3), None));
    for (number, end) in [frame.len(), 2 * frame.len() + skip.len(), frames.len()]
        .into_iter()
        .enumerate()
    {
        for byte in 1..5 {
            let mut wrong = frames.clone();
            wrong[end - byte] ^= 1;
            let (unpacked, error) = read(&wrong);
            assert_eq!(unpacked, samples::TEXT.repeat(number + 1));
            assert!(error.unwrap().contains("expected 0x"), "frame {number}");
        }
    }
    for cut in 0..frame.len() {
        let (unpacked, error) = read(&frame[..cut]);
        assert!(samples::TEXT.starts_with(&unpacked));
        assert!(error.is_some(), "cut at {cut}");
    }
}

#[test]
fn large_zstd_streams_are_whole_beside_a_thread() {
    let bytes = tools::mixed();
    for options in [&["-1"][..], &["-3", "--no-check"], &["--long=27", "-9"]] {
        let Some(packed) = tools::packed("zstd", options, &bytes) else {
            continue;
        };
        let twice = [&packed[..], &packed, b"0707"].concat();
        let mut source = Source::new(twice.as_slice());
        let unpacked = beside(Codec::Zstd, &mut source, |reader| {
            let mut unpacked = Vec::new();
            reader.read_to_end(&mut unpacked).map(|_| unpacked).unwrap()
        });
        assert!(unpacked == bytes.repeat(2), "{options:?}");
        assert_eq!(source.position(), twice.len() as u64 - 4);
    }
}
