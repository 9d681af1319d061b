//! The made-up Windows that runs differs from the one that stands still only where it says so. That it runs is
//! checked in QEMU, by `tests/live/qemu`.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod synthetic;

use synthetic::runnable;
use synthetic::windows::{Config, build, config::PRESETS};

fn place(made: &runnable::Runnable, name: &str) -> u64 {
    made.places.iter().find(|(own, _)| own == name).expect(name).1
}

#[test]
fn every_guest_without_a_cpu_in_user_mode_is_made_to_run() {
    for name in PRESETS {
        let config = Config::preset(name).unwrap();
        let mut built = build(&config);
        let user = built.truth.processors.iter().any(|processor| processor.user);
        let made = runnable::make(&mut built, &config);
        assert_eq!(made.is_err(), user, "{name}");
        let Ok(made) = made else { continue };
        assert_eq!(made.rom.len(), 0x1_0000, "{name}");
        // The first instruction of a CPU: a jump to the begin of the ROM.
        assert_eq!(made.rom[0xfff0..0xfff3], [0xe9, 0x0d, 0], "{name}");
        assert_eq!(runnable::ram(&built.machine) % 4096, 0, "{name}");
    }
}

#[test]
fn pages_of_the_guest_stay_as_they_were_but_for_its_code_and_the_entries_of_what_it_writes() {
    for name in ["win10-x64", "win11-24h2-x64", "win10-x86"] {
        let config = Config::preset(name).unwrap();
        let still = build(&config);
        let mut moved = build(&config);
        let made = runnable::make(&mut moved, &config).unwrap();
        let code: Vec<u64> = ["TICK", "COUNT", "SPIN", "GATE"]
            .map(|name| place(&made, &format!("{name}_IN_RAM")) & !0xfff)
            .to_vec();
        let mut tables = 0;
        for (page, bytes) in &moved.machine.pages {
            match still.machine.pages.get(page) {
                Some(before) if before == bytes || code.contains(page) => {}
                // An entry that became writable.
                Some(before) => {
                    let other = before.iter().zip(bytes).filter(|(before, after)| before != after);
                    assert!(
                        other.clone().all(|(before, after)| before | 2 == *after),
                        "{name}: {page:#x}"
                    );
                    tables += other.count();
                }
                // Page directory pointers for the ROM.
                None => assert_eq!(*page, 0, "{name}"),
            }
        }
        assert!(tables <= 2 * moved.machine.cpus.len(), "{name}");
        assert_eq!(
            serde_json::to_string(&still.truth).unwrap(),
            serde_json::to_string(&moved.truth).unwrap(),
            "{name}"
        );
    }
}
