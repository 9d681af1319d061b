//! Updates that a file, an initrd or a firmware directory offers to the machine: which is newer than
//! what a socket runs. What a loader would make of it is for `delid microcode explain`.

use microcode::{Found, PlatformMask, Signature, Update};

use crate::model::{Machine, NewerMicrocode, Socket};

/// Notes at each socket the newest whole update for it, where it is newer than what runs. Nothing is
/// noted in a virtual machine, whose hypervisor makes the revision up.
pub fn offer(machine: &mut Machine, updates: &[Found]) {
    if machine.is_guest() {
        return;
    }
    let Some((family, model, stepping)) = machine.cpu.family_model_stepping else {
        return;
    };
    let Some(signature) = Signature::from_family_model_stepping(family, model, stepping) else {
        return;
    };
    let platform = machine.cpu.platform_flags.map(PlatformMask);
    let vendor = machine.cpu.vendor.clone();
    let fit = |found: &&Found| {
        of_vendor(&found.update, vendor.as_deref())
            && found.update.damage().is_empty()
            && matches(&found.update, signature, platform)
    };
    let newest = updates.iter().filter(fit).max_by_key(|found| found.update.revision());
    let Some(newest) = newest else { return };
    for socket in &mut machine.sockets {
        socket.newer_microcode = newer(socket, newest, platform);
    }
}

fn newer(socket: &Socket, newest: &Found, platform: Option<PlatformMask>) -> Option<NewerMicrocode> {
    let running = socket.microcode?;
    let revision = newest.update.revision().0;
    let for_all = newest.update.targets().iter().all(|target| target.platforms.0 == 0);
    (revision > running).then(|| NewerMicrocode {
        revision,
        date: newest.update.date().to_string(),
        from: newest.place.source.clone(),
        platform_known: for_all || platform.is_some(),
    })
}

fn of_vendor(update: &Update, vendor: Option<&str>) -> bool {
    match update {
        Update::Intel(_) => vendor == Some("GenuineIntel"),
        Update::Amd(_) => vendor == Some("AuthenticAMD"),
    }
}

/// Whether it is for this signature and, where that is known, this platform.
fn matches(update: &Update, signature: Signature, platform: Option<PlatformMask>) -> bool {
    update.targets().iter().any(|target| {
        let mask = target.platforms.0;
        target.signature == signature && (mask == 0 || platform.is_none_or(|platform| platform.0 & mask != 0))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use microcode::{Content, Place};

    use super::*;

    /// An update of 1024 bytes for family 6, model 2ah, stepping 7.
    fn update(revision: u32, platforms: u32) -> Found {
        let header = [1, revision, 0x0217_2019, 0x206a7, 0, 1, platforms, 976, 1024, 0, 0, 0];
        let sum = header.iter().fold(0u32, |sum, word| sum.wrapping_add(*word));
        let mut bytes: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.resize(1020, 0);
        bytes.extend(sum.wrapping_neg().to_le_bytes());
        let Some(Content::Intel(file)) = microcode::read(&bytes) else {
            panic!("no update");
        };
        let place = Place {
            source: "initrd.img: kernel/x86/microcode/GenuineIntel.bin".to_owned(),
            offset: 0,
        };
        let range = 0..bytes.len();
        Found::new(place, Update::Intel(file.updates[0].clone()), Arc::new(bytes), range)
    }

    fn machine(flags: Option<u32>) -> Machine {
        let mut machine = Machine::default();
        machine.cpu.vendor = Some("GenuineIntel".to_owned());
        machine.cpu.family_model_stepping = Some((6, 0x2a, 7));
        machine.cpu.platform_flags = flags;
        machine.sockets = [Some(0x2d), Some(0x2f), None]
            .map(|microcode| Socket {
                microcode,
                ..Socket::default()
            })
            .to_vec();
        machine
    }

    fn newer_of(machine: &Machine) -> Vec<Option<(u32, bool)>> {
        let one = |socket: &Socket| {
            let newer = socket.newer_microcode.as_ref()?;
            Some((newer.revision, newer.platform_known))
        };
        machine.sockets.iter().map(one).collect()
    }

    #[test]
    fn only_sockets_that_run_an_older_revision_have_a_newer_one() {
        let mut machine = machine(Some(0x10));
        offer(
            &mut machine,
            &[update(0x2e, 0x12), update(0x2f, 0x12), update(0x2c, 0x12)],
        );
        assert_eq!(newer_of(&machine), [Some((0x2f, true)), None, None]);
    }

    #[test]
    fn another_platform_is_passed_over_and_an_unknown_one_is_said() {
        let mut other = machine(Some(0x04));
        offer(&mut other, &[update(0x2f, 0x12)]);
        assert_eq!(newer_of(&other), [None, None, None]);
        let mut unknown = machine(None);
        offer(&mut unknown, &[update(0x2f, 0x12)]);
        assert_eq!(newer_of(&unknown), [Some((0x2f, false)), None, None]);
    }
}
