//! An installed QEMU takes the options we write, and its vCPU has the words we tell. An older QEMU
//! defines some models otherwise: those are left out, and so are features it does not list.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use cpuid_db::bits::Place;
use cpuid_db::{Database, Register, Word, Words, qemu};
use serde_json::{Value, json};

const PROGRAM: &str = "qemu-system-x86_64";
/// Later versions may define a model or a rule otherwise than 10.0.
const NEWEST_COMPARED: u32 = 10;

/// Version, models and features of the installed QEMU.
struct Installed {
    major: u32,
    models: BTreeSet<String>,
    features: Vec<String>,
}

fn installed() -> Option<Installed> {
    let run = |argument: &[&str]| {
        let output = Command::new(PROGRAM).args(argument).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let Some(version) = run(&["--version"]) else {
        eprintln!("{PROGRAM} absent: its options not run");
        return None;
    };
    let major = version.split_whitespace().nth(3)?.split('.').next()?.parse().ok()?;
    let help = run(&["-cpu", "help"])?;
    let (models, features) = help.split_once("Recognized CPUID flags:")?;
    let name = |line: &str| {
        line.trim_start_matches("x86 ")
            .split_whitespace()
            .next()
            .map(str::to_owned)
    };
    Some(Installed {
        major,
        models: models.lines().skip(1).filter_map(name).collect(),
        features: features.split_whitespace().map(str::to_owned).collect(),
    })
}

/// `feature-words` and `filtered-features` of the vCPU; the error when it does not start.
fn live(option: &str) -> Result<Words, String> {
    let mut child = Command::new(PROGRAM)
        .args(["-M", "pc", "-accel", "tcg", "-cpu", option, "-S", "-m", "8"])
        .args(["-display", "none", "-nodefaults", "-qmp", "stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut commands = json!({"execute": "qmp_capabilities"}).to_string();
    for property in ["feature-words", "filtered-features"] {
        let arguments = json!({"path": "/machine/unattached/device[0]", "property": property});
        commands += &json!({"execute": "qom-get", "arguments": arguments}).to_string();
    }
    commands += &json!({"execute": "quit"}).to_string();
    // A QEMU that refused the option is gone already.
    let _ = child.stdin.take().unwrap().write_all(commands.as_bytes());
    let output = child.wait_with_output().unwrap();
    let mut words = Words::default();
    let mut lists = 0;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let reply: Value = serde_json::from_str(line).unwrap();
        let Some(list) = reply["return"].as_array() else {
            continue;
        };
        lists += 1;
        for word in list {
            let number = |name: &str| u32::try_from(word[name].as_u64().unwrap_or(0)).unwrap();
            let register = Register::read(word["cpuid-register"].as_str().unwrap()).unwrap();
            let place = Word::cpuid(number("cpuid-input-eax"), number("cpuid-input-ecx"), register);
            words.put(place, words.get(place) | number("features"));
        }
    }
    if lists == 2 {
        return Ok(words);
    }
    let error = String::from_utf8_lossy(&output.stderr);
    Err(error.lines().last().unwrap_or_default().to_owned())
}

/// Without MSRs, which a vCPU does not tell, and XSAVE components, which depend on the version.
fn compared(words: &Words) -> Words {
    let is_compared = |word: &Word| match word.place {
        Place::Leaf(0xd) => word.subleaf.0 == 1 && word.register == Register::Eax,
        Place::Leaf(_) => true,
        Place::Msr(_) => false,
    };
    words.iter().filter(|(word, _)| is_compared(word)).collect()
}

#[test]
fn an_installed_qemu_takes_what_is_written() {
    let Some(qemu) = installed() else { return };
    let database = Database::builtin();
    let mut same = Vec::new();
    let mut other = 0;
    for model in qemu::models().iter().filter(|model| qemu.models.contains(model.name)) {
        let live = live(model.name).unwrap();
        if compared(&live) == compared(&qemu::words(&database, model.name).unwrap()) {
            same.push(model.name);
        } else {
            other += 1;
        }
    }
    assert!(
        same.len() > 3 * other || qemu.major > NEWEST_COMPARED,
        "{} alike, {other} not",
        same.len()
    );
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut pick = |limit: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random >> 33).unwrap() % limit
    };
    let mut wrong = Vec::new();
    for model in &same {
        let mut option = (*model).to_owned();
        for _ in 0..pick(12) {
            option += if pick(2) == 0 { ",+" } else { ",-" };
            option += &qemu.features[pick(qemu.features.len())];
        }
        let Ok(guest) = qemu::parse(&database, &option) else {
            // A feature that 10.0 no longer has.
            continue;
        };
        let written = qemu::write(&database, &guest).unwrap();
        let ours = compared(&qemu::words(&database, &written).unwrap());
        match live(&written) {
            Err(error) => wrong.push(format!("{written}: {error}")),
            Ok(words) if compared(&words) != ours && qemu.major <= NEWEST_COMPARED => {
                wrong.push(format!("{written}: {ours:x?} instead of {:x?}", compared(&words)));
            }
            Ok(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    eprintln!("{} options taken by {PROGRAM} {}", same.len(), qemu.major);
}

#[test]
fn an_installed_qemu_refuses_in_the_same_words() {
    let Some(_) = installed() else { return };
    let database = Database::builtin();
    for option in [
        "NoSuchModel",
        "SandyBridge,+bogusflag",
        "SandyBridge,bogus_flag=off",
        "SandyBridge,+aes=on",
        "SandyBridge,aes=maybe",
        "SandyBridge,level=abc",
        "SandyBridge,+vendor",
        "486,phys-bits=40",
        "SandyBridge,+bogus1,-bogus2,bogus3=on",
        "host",
    ] {
        let ours = &qemu::words(&database, option).unwrap_err()[0].message;
        let theirs = live(option).unwrap_err();
        assert_eq!(theirs, format!("{PROGRAM}: {ours}"), "{option}");
    }
}
