//! A running domain of Xen, in the control domain: `DELID_XEN_DOMAIN` names a Linux guest with hardware
//! virtualisation. Without it there is nothing to run on. The tests share the guest: one thread.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use kdd::memory::paging::AddressSpace;
use kdd::memory::{Gpa, Gva};
use kdd::target::xen_live::{self, State, Xen};
use kdd::target::{BreakKind, Breakpoint, Cause, Control as _, ControlError, Resume, StopReason, Target as _, Vcpu};
use kdd::windows::PagingMode;

const WAIT: Duration = Duration::from_secs(20);

/// The guest to run on.
fn domain() -> Option<String> {
    let name = std::env::var("DELID_XEN_DOMAIN").ok();
    if name.is_none() {
        eprintln!("not run: no DELID_XEN_DOMAIN");
    }
    name
}

fn state(name: &str) -> State {
    let domains = xen_live::find().unwrap();
    let found = domains.into_iter().find(|domain| domain.name.as_deref() == Some(name));
    found.unwrap().state
}

/// Where a kernel address lies.
fn physical(xen: &Xen, at: u64) -> Option<Gpa> {
    let root = Gpa(xen.vcpus().first()?.cr3?);
    let space = AddressSpace::new(xen.memory(), PagingMode::FourLevel, root);
    space.translate(Gva(at)).ok().map(|found| found.gpa)
}

/// Lets it run until it stops of itself.
fn run(xen: &mut Xen, how: Resume) -> StopReason {
    let start = Instant::now();
    xen.resume(how).unwrap();
    let reason = xen.stopped(WAIT).unwrap();
    println!("  {how:?}: {reason:x?} after {:.4} s", start.elapsed().as_secs_f64());
    reason.expect("it stops")
}

fn first(xen: &Xen) -> Vcpu {
    xen.vcpus()[0].clone()
}

/// Stops the guest until its first vCPU waits in the kernel, which a guest with little to do mostly does.
fn idle(xen: &mut Xen) -> u64 {
    for _ in 0..50 {
        let vcpu = first(xen);
        let before = physical(xen, vcpu.rip.wrapping_sub(1));
        let mut byte = [0];
        if vcpu.rip >> 63 == 1 && before.is_some_and(|at| xen.memory().read(at, &mut byte) == 1) && byte == [0xf4] {
            return vcpu.rip;
        }
        xen.resume(Resume::Run).unwrap();
        std::thread::sleep(Duration::from_millis(30));
        xen.stop().unwrap();
    }
    panic!("the guest is never idle: {:#x}", first(xen).rip);
}

#[test]
fn a1_domains_are_listed() {
    let Some(name) = domain() else { return };
    let domains = xen_live::find().unwrap();
    for domain in &domains {
        println!("{}", serde_json::to_string(domain).unwrap());
    }
    assert!(domains.iter().any(|domain| domain.name.as_deref() == Some(&*name)));
    assert_eq!(domains[0].id, 0);
}

#[test]
fn a2_memory_is_read_and_the_guest_goes_on_after() {
    let Some(name) = domain() else { return };
    let start = Instant::now();
    let xen = xen_live::open(&name).unwrap();
    println!(
        "opened in {:.4} s: {:?}",
        start.elapsed().as_secs_f64(),
        xen.container()
    );
    assert_eq!(state(&name), State::Paused);
    let start = Instant::now();
    let runs = xen.memory().runs();
    println!("runs in {:.4} s: {runs:x?}", start.elapsed().as_secs_f64());
    let pages = runs.iter().map(|run| run.length / 4096).sum::<u64>();
    // Each place once: the first of a window maps it.
    for (what, step) in [
        ("a byte of every window", 0x20_0000),
        ("every page", 4096),
        ("pieces of 1 MiB", 0x10_0000),
    ] {
        let start = Instant::now();
        let mut piece = vec![0; if step > 0x10_0000 { 1 } else { step }];
        let (mut bytes, mut places) = (0, 0);
        for run in runs {
            for at in (0..run.length).step_by(step) {
                let length = piece.len().min((run.length - at) as usize);
                bytes += xen.memory().read(run.start.plus(at), &mut piece[..length]) as u64;
                places += 1;
            }
        }
        println!("{what}: {bytes} bytes in {:.4} s", start.elapsed().as_secs_f64());
        assert_eq!(bytes, if piece.len() == 1 { places } else { pages * 4096 }, "{what}");
    }
    let mut page = vec![0; 4096];
    assert!(xen.memory().read(Gpa(1 << 40), &mut page) == 0);
    let vcpu = first(&xen);
    println!("rip {:#x} cr3 {:x?} {:x?}", vcpu.rip, vcpu.cr3, vcpu.segments.cs);
    drop(xen);
    assert_ne!(state(&name), State::Paused);
}

#[test]
fn b1_registers_are_set_and_set_back() {
    let Some(name) = domain() else { return };
    let mut xen = xen_live::open(&name).unwrap();
    let old = first(&xen);
    let mut new = old.clone();
    new.gpr[15] ^= 0x1234_5678_9abc_def0;
    new.dr = new.dr.map(|mut registers| {
        registers[1] = 0x1000;
        registers
    });
    if let Some(image) = &mut new.fxsave {
        image[32] ^= 0xff;
    }
    let start = Instant::now();
    xen.set_vcpu(&new).unwrap();
    println!("set in {:.4} s", start.elapsed().as_secs_f64());
    let mut again = xen_live::open(&name).unwrap();
    assert_eq!(first(&again), new);
    again.release().unwrap();
    assert_eq!(state(&name), State::Paused, "the first one still holds it");
    drop(again);
    xen.set_vcpu(&old).unwrap();
    let mut refused = old.clone();
    refused.cr8 = Some(15);
    assert!(matches!(xen.set_vcpu(&refused), Err(ControlError::Unsupported("CR8"))));
    let third = xen_live::open(&name).unwrap();
    assert_eq!(first(&third), old);
}

#[test]
fn b2_memory_is_written_and_written_back() {
    let Some(name) = domain() else { return };
    let mut xen = xen_live::open(&name).unwrap();
    let at = xen.memory().runs()[0].start.plus(0x1ffe);
    let mut old = [0; 4];
    assert_eq!(xen.memory().read(at, &mut old), 4);
    assert_eq!(xen.write_physical(at, b"over").unwrap(), 4);
    let mut seen = [0; 4];
    assert_eq!(xen.memory().read(at, &mut seen), 4);
    assert_eq!(&seen, b"over");
    assert_eq!(xen.write_physical(at, &old).unwrap(), 4);
    assert_eq!(xen.write_physical(Gpa(1 << 40), &old).unwrap(), 0);
}

#[test]
fn c1_single_steps() {
    let Some(name) = domain() else { return };
    let mut xen = xen_live::open(&name).unwrap();
    let flags = first(&xen).rflags & 0x100;
    let mut places = vec![first(&xen).rip];
    for _ in 0..20 {
        let reason = run(&mut xen, Resume::Step(0));
        assert_eq!(
            reason,
            StopReason {
                vcpu: 0,
                cause: Cause::Step
            }
        );
        places.push(first(&xen).rip);
        assert_eq!(first(&xen).rflags & 0x100, flags);
    }
    println!("{places:x?}");
    assert!(places.windows(2).filter(|pair| pair[0] != pair[1]).count() > 15);
}

#[test]
fn c2_a_breakpoint_in_memory_stops_at_its_address_and_is_hidden() {
    let Some(name) = domain() else { return };
    let mut xen = xen_live::open(&name).unwrap();
    let at = idle(&mut xen);
    let gpa = physical(&xen, at).unwrap();
    let point = Breakpoint {
        kind: BreakKind::Software,
        at: Gva(at),
        physical: Some(gpa),
        length: 1,
    };
    let mut before = [0; 16];
    xen.memory().read(gpa, &mut before);
    xen.insert(&point).unwrap();
    let mut seen = [0; 16];
    xen.memory().read(gpa, &mut seen);
    assert_eq!(before, seen);
    {
        let other = xen_live::open(&name).unwrap();
        other.memory().read(gpa, &mut seen);
        assert_eq!(seen[0], 0xf1, "there it is, for others");
    }
    for _ in 0..3 {
        let reason = run(&mut xen, Resume::Run);
        assert_eq!(reason.cause, Cause::Breakpoint);
        let hit = reason.vcpu as usize;
        assert_eq!(xen.vcpus()[hit].rip, at);
        let others: Vec<u64> = xen.vcpus().iter().map(|vcpu| vcpu.rip).collect();
        // A step from a breakpoint goes over it, and moves no other vCPU.
        let step = run(&mut xen, Resume::Step(reason.vcpu));
        assert_eq!((step.cause, step.vcpu), (Cause::Step, reason.vcpu));
        for (number, (vcpu, before)) in xen.vcpus().iter().zip(others).enumerate() {
            assert_eq!(vcpu.rip == before, number != hit, "vCPU {number}");
        }
    }
    xen.resume(Resume::Run).unwrap();
    drop(xen);
    let other = xen_live::open(&name).unwrap();
    other.memory().read(gpa, &mut seen);
    assert_eq!(before, seen, "taken out");
    drop(other);
    let domains = xen_live::find().unwrap();
    let domain = domains
        .iter()
        .find(|domain| domain.name.as_deref() == Some(&*name))
        .unwrap();
    assert_ne!(domain.state, State::Paused);
}

#[test]
fn c3_a_breakpoint_of_the_cpu_and_a_watchpoint() {
    let Some(name) = domain() else { return };
    if std::env::var_os("DELID_XEN_EMULATED").is_some() {
        eprintln!("not run: under an emulated SVM no debug exception of DR0 to DR3 was seen");
        return;
    }
    let mut xen = xen_live::open(&name).unwrap();
    let at = idle(&mut xen);
    let before = first(&xen).dr;
    let point = |kind, at| Breakpoint {
        kind,
        at: Gva(at),
        physical: None,
        length: 8,
    };
    let execution = point(BreakKind::Hardware, at);
    xen.insert(&execution).unwrap();
    for _ in 0..2 {
        assert_eq!(run(&mut xen, Resume::Run).cause, Cause::Breakpoint);
        assert_eq!(first(&xen).rip, at);
        assert_eq!(first(&xen).dr, before);
    }
    xen.remove(&execution).unwrap();
    // The stack below is written by the next call.
    let below = (first(&xen).gpr[4] & !7) - 8;
    let watch = point(BreakKind::Write, below);
    xen.insert(&watch).unwrap();
    let reason = run(&mut xen, Resume::Run);
    assert_eq!(reason.cause, Cause::Watch(BreakKind::Write, Gva(below)));
    xen.remove(&watch).unwrap();
    assert!(matches!(
        xen.insert(&point(BreakKind::Read, below)),
        Err(ControlError::Unsupported(_))
    ));
}

#[test]
fn d1_the_guest_runs_after_all_that() {
    let Some(name) = domain() else { return };
    let mut xen = xen_live::open(&name).unwrap();
    let old = first(&xen).msrs;
    xen.resume(Resume::Run).unwrap();
    assert!(xen.is_running());
    let start = Instant::now();
    assert_eq!(xen.stopped(Duration::from_millis(300)).unwrap(), None);
    assert!(start.elapsed() < Duration::from_secs(2));
    xen.stop().unwrap();
    let reason = xen.stopped(Duration::ZERO).unwrap().unwrap();
    assert_eq!(reason.cause, Cause::Asked);
    assert_eq!(xen.stopped(Duration::ZERO).unwrap(), None);
    assert_eq!(first(&xen).msrs.len(), old.len());
    xen.release().unwrap();
    assert!(xen.is_running());
    assert_ne!(state(&name), State::Paused);
}

/// With `DELID_XEN_DESTROY`, a command that destroys the domain.
#[test]
fn z9_a_domain_that_is_destroyed_is_gone() {
    let (Some(name), Ok(command)) = (domain(), std::env::var("DELID_XEN_DESTROY")) else {
        return;
    };
    let mut xen = xen_live::open(&name).unwrap();
    let mut page = [0; 4096];
    assert_eq!(xen.memory().read(Gpa(0x1000), &mut page), 4096);
    xen.resume(Resume::Run).unwrap();
    let start = Instant::now();
    let mut child = std::process::Command::new("sh").args(["-c", &command]).spawn().unwrap();
    let gone = loop {
        match xen.stopped(Duration::from_secs(1)) {
            // xl pauses a domain before it destroys it.
            Ok(
                None
                | Some(StopReason {
                    cause: Cause::Asked, ..
                }),
            ) if start.elapsed() < WAIT => {}
            other => break other,
        }
    };
    println!("{gone:?} after {:.3} s", start.elapsed().as_secs_f64());
    assert!(matches!(gone, Err(ControlError::Gone(_))));
    assert!(child.wait().unwrap().success());
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(xen.memory().read(Gpa(0x1000), &mut page), 0);
    assert!(matches!(xen.stop(), Err(ControlError::Gone(_))));
    assert!(matches!(xen.write_physical(Gpa(0), &[0]), Err(ControlError::Gone(_))));
    assert!(xen_live::open(&name).is_err());
}
