//! A Windows guest, captured or running, as a kernel debugger sees it; and any guest as GDB sees it.
//!
//! [`target`] opens guests, [`windows`] finds the kernel in their memory, [`guest`] joins both for [`kd`] (the
//! protocol of WinDbg, over [`transport`] or [`kdnet`]), [`dump_writer`] and [`cli`]; [`gdb`] serves a target as
//! it is. [`kd::packet`] cuts a byte stream into packets and builds them; it does no I/O and depends on
//! none of the other rooms. [`kd::trace`] reads captured streams, [`kd::names`] names what packets
//! carry.
//!
//! ```
//! use kdd::kd::packet::{Decoder, Event, Packet, PacketId, PacketType};
//!
//! let packet = Packet::data(PacketType::MANIPULATE, PacketId::INITIAL, vec![0x46, 0x31, 0, 0]);
//! let mut decoder = Decoder::new();
//! decoder.push(&packet.encode()?);
//! let Some(Event::Packet { offset, packet: seen }) = decoder.next_event() else { panic!("one packet") };
//! assert_eq!((offset, &seen), (0, &packet));
//! # Ok::<(), kdd::kd::packet::EncodeError>(())
//! ```
#![deny(unsafe_code)]

pub mod cli;
pub mod damage;
pub mod decode;
pub mod dump_writer;
mod fields;
pub mod gdb;
pub mod guest;
pub mod kd;
pub mod kdnet;
pub mod memory;
pub mod target;
pub mod transport;
pub mod windows;
