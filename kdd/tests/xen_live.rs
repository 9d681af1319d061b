//! A domain of Xen, over a play of a hypervisor; the real one is in `xen_live_guest`.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod xen_live_fake;

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kdd::memory::{Gpa, Gva};
use kdd::target::xen_live::hypercall::{Errno, Error};
use kdd::target::xen_live::xenstore::Xenstore;
use kdd::target::xen_live::{Kind, State, Xen, list, put_right, version};
use kdd::target::{BreakKind, Breakpoint, Cause, Control as _, ControlError, Resume, StopReason, Target as _};
use xen_live_fake::{Fake, Guest};

fn attach(fake: &Fake) -> Result<Xen, Error> {
    Xen::attach(Arc::new(fake.clone()), 7, Some("guest".to_owned()))
}

fn fake() -> Fake {
    Fake::new(vec![Guest::new(7)])
}

fn software(at: u64) -> Breakpoint {
    Breakpoint {
        kind: BreakKind::Software,
        at: Gva(at),
        physical: Some(Gpa(at)),
        length: 1,
    }
}

#[test]
fn the_version_of_the_interface_is_found_by_trying() {
    for interface in [0x0c, 0x12, 0x13, 0x14, 0x17, 0x18, 0x1f] {
        let fake = fake();
        fake.inside().interface = interface;
        let version = version::probe(&fake).unwrap();
        assert_eq!((version.interface, &*version.name()), (interface, "4.20.4-pre"));
        let domains = list::list(&fake, &mut |_| None).unwrap();
        assert_eq!(domains[1].kind, Kind::Pvh, "{interface:#x}");
    }
}

#[test]
fn a_hypervisor_of_another_time_is_said_to_be_one() {
    let fake = fake();
    fake.inside().interface = 0x40;
    let error = attach(&fake).err().unwrap();
    assert_eq!(error, Error::Interface("4.20.4-pre".to_owned()));
    assert!(error.to_string().contains("0xc to 0x1f"), "{error}");
}

#[test]
fn refusals_have_their_words() {
    for (errno, expected) in [
        (Errno::EPERM, Error::NotPrivileged),
        (Errno::ENOSYS, Error::NotPrivileged),
    ] {
        let fake = fake();
        fake.inside().failing.insert(5, errno);
        assert_eq!(attach(&fake).err(), Some(expected));
    }
    let fake = fake();
    let other = Xen::attach(Arc::new(fake.clone()), 6, None).err().unwrap();
    assert_eq!(other.to_string(), "no domain 6");
    let control = Xen::attach(Arc::new(fake.clone()), 0, None).err().unwrap();
    assert!(matches!(control, Error::NotReached(0, _)));
    fake.guest(7, |guest| guest.dying = true);
    assert_eq!(attach(&fake).err(), Some(Error::Dying(7)));
    fake.guest(7, |guest| (guest.dying, guest.hvm) = (false, false));
    assert!(matches!(attach(&fake).err(), Some(Error::NotReached(7, _))));
    fake.guest(7, |guest| assert_eq!(guest.pauses, 0));
}

#[test]
fn a_device_that_is_not_there_is_said_to_be_missing() {
    if std::path::Path::new("/dev/xen/privcmd").exists() {
        eprintln!("not run: this is a domain of Xen");
        return;
    }
    assert_eq!(kdd::target::xen_live::find().err(), Some(Error::NoControlDomain));
    let error = kdd::target::xen_live::open("guest").err().unwrap().to_string();
    assert!(error.starts_with("xen:guest: no /dev/xen/privcmd"), "{error}");
}

#[test]
fn domains_are_listed_with_what_they_do() {
    let fake = Fake::new(vec![
        Guest::new(3),
        Guest {
            emulated: 0x3ff,
            pauses: 1,
            ..Guest::new(4)
        },
        Guest {
            shutdown: Some(3),
            ..Guest::new(9)
        },
        Guest {
            dying: true,
            hvm: false,
            ..Guest::new(300)
        },
    ]);
    let domains = list::list(&fake, &mut |id| (id == 4).then(|| "four".to_owned())).unwrap();
    let seen: Vec<_> = domains
        .iter()
        .map(|domain| (domain.id, domain.kind, domain.state))
        .collect();
    assert_eq!(
        seen,
        [
            (0, Kind::Pv, State::Blocked),
            (3, Kind::Pvh, State::Blocked),
            (4, Kind::Hvm, State::Paused),
            (9, Kind::Pvh, State::Crashed),
            (300, Kind::Pv, State::Dying),
        ]
    );
    assert_eq!(domains[2].name.as_deref(), Some("four"));
    assert_eq!(domains[1].uuid.as_deref(), Some("03030303-0303-0303-0303-030303030303"));
    assert_eq!(domains[0].uuid, None);
    assert_eq!(domains[1].memory, 6 * 4096);
}

#[test]
fn memory_has_its_holes_and_is_mapped_once() {
    let fake = fake();
    fake.guest(7, |guest| guest.broken.insert(2));
    let xen = attach(&fake).unwrap();
    let runs: Vec<_> = xen
        .memory()
        .runs()
        .iter()
        .map(|run| (run.start.0, run.length))
        .collect();
    assert_eq!(runs, [(0, 0x4000), (0x5000, 0x1000), (0x9000, 0x1000)]);
    let mut buffer = [0xee; 0x3000];
    assert_eq!(xen.memory().read(Gpa(0xff0), &mut buffer), 0x1010);
    assert_eq!((buffer[0xf], buffer[0x10], buffer[0x100f]), (0, 1, 1));
    assert_eq!(xen.memory().read(Gpa(0x4000), &mut buffer), 0);
    assert_eq!(xen.memory().read(Gpa(u64::MAX - 3), &mut buffer), 0);
    assert_eq!(xen.memory().read(Gpa(0x5000), &mut buffer), 0x1000);
    assert_eq!(fake.inside().mappings, 2);
}

#[test]
fn the_number_of_windows_has_a_bound() {
    let fake = fake();
    let xen = attach(&fake).unwrap();
    let mut byte = [0];
    for round in 0..2 {
        for window in 0..40u64 {
            xen.memory().read(Gpa(window << 21), &mut byte);
        }
        assert_eq!(fake.inside().mappings, 40 * (round + 1));
    }
    xen.memory().read(Gpa(39 << 21), &mut byte);
    assert_eq!(fake.inside().mappings, 80);
}

#[test]
fn a_last_frame_without_bound_does_not_hang() {
    let fake = fake();
    fake.guest(7, |guest| guest.last_frame = u64::MAX);
    fake.inside().failing.insert(61, Errno::EINVAL);
    let xen = attach(&fake).unwrap();
    assert!(xen.memory().runs().is_empty());
}

#[test]
fn contexts_of_absurd_size_or_content_are_refused() {
    for size in [u32::MAX, 1 << 28] {
        let fake = fake();
        fake.inside().context_size = Some(size);
        assert!(matches!(attach(&fake).err(), Some(Error::Nonsense(_))));
        fake.guest(7, |guest| assert_eq!(guest.pauses, 0, "let go again"));
    }
    let fake = fake();
    fake.inside().context = Some(vec![2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    let xen = attach(&fake).unwrap();
    assert!(xen.vcpus().is_empty() && xen.damage().len() == 1);
    drop(xen);
    fake.guest(7, |guest| assert_eq!(guest.pauses, 0));
}

#[test]
fn a_guest_is_left_as_it_was_found() {
    for pauses in [0, 1, 3] {
        let fake = fake();
        fake.guest(7, |guest| guest.pauses = pauses);
        drop(attach(&fake).unwrap());
        fake.guest(7, |guest| assert_eq!(guest.pauses, pauses));
    }
    for pauses in [0, 1, 3] {
        let fake = fake();
        fake.guest(7, |guest| guest.pauses = pauses);
        let mut xen = attach(&fake).unwrap();
        fake.guest(7, |guest| assert!(guest.pauses > pauses));
        assert!(!xen.is_running());
        xen.insert(&software(0x1004)).unwrap();
        xen.resume(Resume::Run).unwrap();
        xen.stopped(Duration::ZERO).unwrap();
        drop(xen);
        fake.guest(7, |guest| {
            assert_eq!(guest.pauses, pauses.min(1));
            assert_eq!((&guest.down, &guest.waiting), (&vec![false; 2], &vec![false; 2]));
            assert_eq!(guest.monitored, None);
            assert_eq!(*guest.pages[&9].lock().unwrap(), [9; 4096], "the ring's page as it was");
            assert_eq!(guest.pages[&1].lock().unwrap()[4], 1);
        });
    }
}

/// What another process does when this one is killed with the domain in its hands.
fn killed(fake: &Fake, xen: Xen) {
    let left = xen.left();
    std::mem::forget(xen);
    put_right(Arc::new(fake.clone()), 7, &left).unwrap();
}

#[test]
fn a_domain_is_left_as_it_was_found_by_a_debugger_that_was_killed() {
    type Do = fn(&mut Xen);
    let stages: [(&str, Do); 6] = [
        ("opened", |_| {}),
        ("a breakpoint set", |xen| xen.insert(&software(0x1004)).unwrap()),
        ("running to it", |xen| {
            xen.insert(&software(0x1004)).unwrap();
            xen.resume(Resume::Run).unwrap();
        }),
        ("stopped at it", |xen| {
            xen.insert(&software(0x1004)).unwrap();
            xen.resume(Resume::Run).unwrap();
            xen.stopped(Duration::ZERO).unwrap().unwrap();
        }),
        ("in a step from it", |xen| {
            xen.insert(&software(0x1004)).unwrap();
            xen.resume(Resume::Run).unwrap();
            xen.stopped(Duration::ZERO).unwrap().unwrap();
            xen.resume(Resume::Step(0)).unwrap();
        }),
        ("running to a breakpoint of the CPU", |xen| {
            let point = Breakpoint {
                kind: BreakKind::Hardware,
                at: Gva(0x9000),
                physical: None,
                length: 1,
            };
            xen.insert(&point).unwrap();
            xen.resume(Resume::Run).unwrap();
        }),
    ];
    for pauses in [0, 1, 3] {
        for (stage, work) in stages {
            let fake = fake();
            fake.guest(7, |guest| guest.pauses = pauses);
            let mut xen = attach(&fake).unwrap();
            work(&mut xen);
            let ran_on = xen.is_running() || stage.contains("stopped") || stage.contains("step");
            killed(&fake, xen);
            fake.guest(7, |guest| {
                let expected = if ran_on { pauses.min(1) } else { pauses };
                assert_eq!(guest.pauses, expected, "{stage}, {pauses} pauses");
                let still = (vec![false; 2], vec![false; 2]);
                assert_eq!((&guest.down, &guest.waiting), (&still.0, &still.1), "{stage}");
                assert_eq!(guest.monitored, None, "{stage}");
                assert_eq!(*guest.pages[&9].lock().unwrap(), [9; 4096], "{stage}: the ring's page");
                assert_eq!(*guest.pages[&1].lock().unwrap(), [1; 4096], "{stage}: the code");
                for vcpu in &guest.vcpus {
                    assert_eq!((vcpu[1], vcpu[3]), (2, 0x400), "{stage}: flags and DR7");
                }
            });
        }
    }
}

#[test]
fn what_cannot_be_put_right_is_said() {
    let fake = fake();
    let mut xen = attach(&fake).unwrap();
    xen.insert(&software(0x1004)).unwrap();
    let left = xen.left();
    std::mem::forget(xen);
    fake.guest(7, |guest| guest.dying = true);
    let gone = put_right(Arc::new(fake.clone()), 7, &left).unwrap_err();
    assert!(matches!(gone, ControlError::Gone(_)), "{gone}");
    let nonsense = put_right(Arc::new(fake), 7, "{}").unwrap_err();
    assert!(matches!(nonsense, ControlError::Failed { .. }), "{nonsense}");
}

#[test]
fn a_breakpoint_stops_at_its_address_and_is_hidden() {
    let fake = fake();
    let mut xen = attach(&fake).unwrap();
    xen.insert(&software(0x1010)).unwrap();
    xen.insert(&software(0x1010)).unwrap();
    let mut seen = [0; 32];
    assert_eq!(xen.memory().read(Gpa(0x1000), &mut seen), 32);
    assert_eq!(seen, [1; 32]);
    fake.guest(7, |guest| assert_eq!(guest.pages[&1].lock().unwrap()[0x10], 0xf1));
    // What is written over it stays under it.
    assert_eq!(xen.write_physical(Gpa(0x100f), &[8, 9, 10]).unwrap(), 3);
    fake.guest(7, |guest| {
        assert_eq!(guest.pages[&1].lock().unwrap()[0xf..0x12], [8, 0xf1, 10])
    });
    xen.resume(Resume::Run).unwrap();
    assert!(xen.is_running());
    let reason = xen.stopped(Duration::ZERO).unwrap();
    let expected = StopReason {
        vcpu: 0,
        cause: Cause::Breakpoint,
    };
    assert_eq!(reason, Some(expected));
    assert_eq!(xen.vcpus()[0].rip, 0x1010);
    assert_eq!(xen.stopped(Duration::ZERO).unwrap(), None, "told once");
    // A step from it goes over it, and it is back afterwards.
    xen.resume(Resume::Step(0)).unwrap();
    let reason = xen.stopped(Duration::ZERO).unwrap().unwrap();
    assert_eq!((reason.cause, xen.vcpus()[0].rip), (Cause::Step, 0x1011));
    fake.guest(7, |guest| assert_eq!(guest.pages[&1].lock().unwrap()[0x10], 0xf1));
    xen.remove(&software(0x1010)).unwrap();
    fake.guest(7, |guest| {
        assert_eq!(guest.pages[&1].lock().unwrap()[0x10], 0xf1, "once more inserted")
    });
    xen.remove(&software(0x1010)).unwrap();
    fake.guest(7, |guest| assert_eq!(guest.pages[&1].lock().unwrap()[0x10], 9));
    assert!(xen.insert(&software(0xa000)).is_err(), "no page");
    let nowhere = Breakpoint {
        physical: None,
        ..software(0x1000)
    };
    assert!(matches!(xen.insert(&nowhere), Err(ControlError::Unsupported(_))));
}

#[test]
fn two_vcpus_at_breakpoints_are_both_set_back() {
    let fake = fake();
    let mut xen = attach(&fake).unwrap();
    xen.insert(&software(0x1010)).unwrap();
    xen.insert(&software(0x2020)).unwrap();
    xen.resume(Resume::Run).unwrap();
    let reason = xen.stopped(Duration::ZERO).unwrap().unwrap();
    assert_eq!(reason.cause, Cause::Breakpoint);
    assert_eq!((xen.vcpus()[0].rip, xen.vcpus()[1].rip), (0x1010, 0x2020));
    fake.guest(7, |guest| {
        assert_eq!((guest.vcpus[0][0], guest.vcpus[1][0]), (0x1010, 0x2020))
    });
    drop(xen);
    fake.guest(7, |guest| assert_eq!(guest.pauses, 0));
}

#[test]
fn a_step_moves_one_vcpu_by_one_instruction() {
    let fake = fake();
    let mut xen = attach(&fake).unwrap();
    for number in 1..=3 {
        xen.resume(Resume::Step(1)).unwrap();
        let reason = xen.stopped(Duration::ZERO).unwrap().unwrap();
        assert_eq!(
            reason,
            StopReason {
                vcpu: 1,
                cause: Cause::Step
            }
        );
        assert_eq!((xen.vcpus()[0].rip, xen.vcpus()[1].rip), (0x1000, 0x2000 + number));
        assert_eq!(xen.vcpus()[1].rflags, 2);
        fake.guest(7, |guest| {
            assert_eq!((guest.instructions, guest.vcpus[1][1]), (number, 2))
        });
    }
    assert!(xen.resume(Resume::Step(5)).is_err());
}

#[test]
fn breakpoints_of_the_cpu_are_loaded_only_while_the_guest_runs() {
    let fake = fake();
    let mut xen = attach(&fake).unwrap();
    let point = |kind, at, length| Breakpoint {
        kind,
        at: Gva(at),
        physical: None,
        length,
    };
    xen.insert(&point(BreakKind::Hardware, 0x9000, 1)).unwrap();
    xen.insert(&point(BreakKind::Write, 0x9100, 8)).unwrap();
    xen.insert(&point(BreakKind::Access, 0x9200, 2)).unwrap();
    xen.insert(&point(BreakKind::Write, 0x9300, 1)).unwrap();
    assert!(xen.insert(&point(BreakKind::Write, 0x9400, 1)).is_err());
    for (kind, at, length) in [
        (BreakKind::Read, 0x9000, 8),
        (BreakKind::Write, 0x9001, 8),
        (BreakKind::Write, 0, 3),
    ] {
        assert!(matches!(
            xen.insert(&point(kind, at, length)),
            Err(ControlError::Unsupported(_))
        ));
    }
    xen.resume(Resume::Run).unwrap();
    fake.guest(7, |guest| assert_eq!(guest.vcpus[1][3], 0x1790_04aa));
    xen.stop().unwrap();
    assert_eq!(xen.vcpus()[1].dr.unwrap()[7], 0x400);
    fake.guest(7, |guest| assert_eq!(guest.vcpus[1][3], 0x400));
}

#[test]
fn registers_are_set_or_refused_by_name() {
    let fake = fake();
    let mut xen = attach(&fake).unwrap();
    let mut vcpu = xen.vcpus()[0].clone();
    vcpu.gpr[15] = 77;
    vcpu.rip = 0x1234;
    xen.set_vcpu(&vcpu).unwrap();
    fake.guest(7, |guest| assert_eq!(guest.vcpus[0][..3], [0x1234, 2, 77]));
    assert_eq!(xen.vcpus()[0], vcpu);
    let mut other = vcpu.clone();
    other.gpr[15] = 78;
    other.msrs.insert(0x1d9, 1);
    assert!(matches!(xen.set_vcpu(&other), Err(ControlError::Unsupported(_))));
    fake.guest(7, |guest| assert_eq!(guest.vcpus[0][2], 77, "none is set then"));
    other.number = 9;
    assert!(xen.set_vcpu(&other).is_err());
}

#[test]
fn a_guest_that_is_destroyed_is_gone_at_once() {
    let fake = fake();
    let mut xen = attach(&fake).unwrap();
    let mut byte = [0];
    assert_eq!(xen.memory().read(Gpa(0x1000), &mut byte), 1);
    xen.resume(Resume::Run).unwrap();
    assert_eq!(xen.stopped(Duration::from_millis(5)).unwrap(), None);
    fake.guest(7, |guest| guest.dying = true);
    let start = Instant::now();
    assert!(matches!(
        xen.stopped(Duration::from_secs(10)),
        Err(ControlError::Gone(_))
    ));
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(xen.memory().read(Gpa(0x1000), &mut byte), 0);
    fake.inside().guests.remove(&7);
    assert!(matches!(xen.stop(), Err(ControlError::Gone(_))));
    assert!(matches!(
        xen.write_physical(Gpa(0x1000), &[1]),
        Err(ControlError::Gone(_))
    ));
}

#[test]
fn a_guest_that_has_shut_down_can_be_looked_at_but_not_run() {
    let fake = fake();
    fake.guest(7, |guest| guest.shutdown = Some(3));
    let mut xen = attach(&fake).unwrap();
    assert_eq!(xen.vcpus().len(), 2);
    let error = xen.resume(Resume::Run).err().unwrap().to_string();
    assert_eq!(error, "running the domain: it has shut down: crash");
    drop(xen);
    fake.guest(7, |guest| assert_eq!(guest.pauses, 0));
}

#[test]
fn exceptions_of_the_guest_are_passed_on() {
    let fake = fake();
    fake.guest(7, |guest| guest.pages[&2].lock().unwrap()[0x10] = 0xf1);
    let mut xen = attach(&fake).unwrap();
    xen.insert(&software(0x1050)).unwrap();
    xen.resume(Resume::Run).unwrap();
    let reason = xen.stopped(Duration::ZERO).unwrap().unwrap();
    assert_eq!(
        reason,
        StopReason {
            vcpu: 0,
            cause: Cause::Breakpoint
        }
    );
    fake.guest(7, |guest| {
        assert_eq!((&*guest.injected, guest.vcpus[1][0]), ([(1, 1)].as_slice(), 0x2010))
    });
    xen.remove(&software(0x1050)).unwrap();
    xen.resume(Resume::Run).unwrap();
    assert_eq!(xen.stopped(Duration::ZERO).unwrap(), None);
    drop(xen);
    fake.guest(7, |guest| assert!(guest.vcpus[1][0] > 0x2010 && guest.pauses == 0));
}

#[test]
fn without_events_or_beside_another_monitor_there_are_no_breakpoints() {
    let fake = fake();
    fake.inside().failing.insert(56, Errno::ENOSYS);
    let mut xen = attach(&fake).unwrap();
    assert!(matches!(
        xen.insert(&software(0x1000)),
        Err(ControlError::Unsupported(_))
    ));
    assert!(matches!(xen.resume(Resume::Step(0)), Err(ControlError::Unsupported(_))));
    xen.resume(Resume::Run).unwrap();
    drop(xen);
    fake.inside().failing.clear();
    fake.guest(7, |guest| guest.monitored = Some(true));
    let mut xen = attach(&fake).unwrap();
    let error = xen.insert(&software(0x1000)).unwrap_err().to_string();
    assert!(error.contains("another program"), "{error}");
    drop(xen);
    fake.guest(7, |guest| assert!(guest.monitored == Some(true) && guest.pauses == 0));
}

/// A store that answers from a list.
struct Store {
    entries: &'static [(&'static str, &'static str)],
    answers: io::Cursor<Vec<u8>>,
}

impl Write for Store {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        let path = String::from_utf8_lossy(&message[16..message.len() - 1]).into_owned();
        let found = self.entries.iter().find(|(name, _)| *name == path);
        let (kind, content) = found.map_or((16u32, "ENOENT\0"), |(_, content)| (message[0].into(), *content));
        let mut answer = kind.to_le_bytes().to_vec();
        answer.extend(&message[4..8]);
        answer.extend([0; 4]);
        answer.extend((content.len() as u32).to_le_bytes());
        answer.extend(content.bytes());
        self.answers = io::Cursor::new(answer);
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Store {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.answers.read(buffer)
    }
}

fn store(entries: &'static [(&'static str, &'static str)]) -> Xenstore {
    Xenstore::over(Store {
        entries,
        answers: io::Cursor::default(),
    })
}

#[test]
fn names_come_from_the_store() {
    let mut found = store(&[
        ("/local/domain", "0\x001\x0012\x0013\0"),
        ("/local/domain/0/name", "Domain-0"),
        ("/local/domain/12/name", "twelve"),
    ]);
    assert_eq!(found.domain_named("twelve"), Ok(12));
    assert_eq!(found.domain_name(13), Ok(None));
    assert_eq!(
        found.domain_named("none").unwrap_err().to_string(),
        "no domain named none"
    );
    let mut twice = store(&[
        ("/local/domain", "1\x002\0"),
        ("/local/domain/1/name", "same"),
        ("/local/domain/2/name", "same"),
    ]);
    assert!(matches!(twice.domain_named("same"), Err(Error::Xenstore(_))));
}

#[test]
fn a_store_that_answers_too_much_is_refused() {
    struct Endless;
    impl Write for Endless {
        fn write(&mut self, message: &[u8]) -> io::Result<usize> {
            Ok(message.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.fill(0xff);
            Ok(buffer.len())
        }
    }
    assert!(matches!(
        Xenstore::over(Endless).domain_name(1),
        Err(Error::Xenstore(_))
    ));
}
