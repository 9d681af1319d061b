//! The target's side of KDNET: datagrams as they are, and sealed with the key as an honest debugger
//! would, into the channel.
#![no_main]

use std::net::SocketAddr;
use std::time::Duration;

use kdd::kdnet::channel::{Channel, Version};
use kdd::kdnet::crypto::{Outer, Suite};
use kdd::kdnet::key::Key;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let key = Key::from_bytes(&[7; 32]);
    let suite = Suite::new(&key);
    let host = SocketAddr::from(([127, 0, 0, 1], 50_000));
    let mut channel = Channel::new(&key, Version::DEFAULT, host, host, Box::new(|| [1; 30]));
    channel.tick(Duration::ZERO);
    let Some(poke) = channel.poll() else { panic!("no poke") };
    let Ok(poke) = suite.open(suite.control(), &poke.bytes) else {
        panic!("no poke of ours")
    };
    let mut response = vec![1, 2];
    response.extend(&poke.body[2..34]);
    response.resize(322, 9);
    let data = suite.data(&response);
    let response = suite.seal(suite.control(), Outer { version: 2, channel: 1 }, true, 1, &response);
    for (number, piece) in (1u64..).zip(bytes.split(|byte| *byte == 0xff)) {
        let now = Duration::from_millis(number);
        let _ = channel.push(host, piece, now);
        let control = suite.seal(suite.control(), Outer { version: 2, channel: 1 }, true, number, piece);
        let _ = channel.push(host, &control, now);
        if number == 2 {
            let _ = channel.push(host, &response, now);
        }
        let body = suite.seal(&data, Outer { version: 2, channel: 0 }, true, number, piece);
        let _ = channel.push(host, &body, now);
        let _ = channel.seal(piece);
        channel.tick(now);
        while channel.poll().is_some() {}
    }
});
