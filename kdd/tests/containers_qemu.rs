//! A machine of QEMU, stopped in 64-bit mode: its cores, the file behind its memory, and what its monitor
//! prints say the same. Not run where QEMU is not installed.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)]

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kdd::memory::Gpa;
use kdd::memory::source::FileSource;
use kdd::target::{self, Capture, Input, Options, Target as _, Vcpu, raw};
use serde_json::{Value, json};

/// A multiboot image, loaded at 1 MiB: page tables at 2 MiB that map 4 MiB; PAE, SSE, EFER.LME and SCE,
/// paging, CR0.MP without EM; a GDT with 64-bit code; bases of FS, GS and the other GS ffffa001'12345678
/// and on; LSTAR fffff801'13572468; fld1, fldpi; XMM0, XMM15, DR0; rax a1a1… to rbp a7a7… in the order a
/// b c d si di bp sp, r8 b8b8… to r15 bfbf…; then hlt.
const BOOT: &[&str] = &[
    "02b0ad1b00000100fe4f51e40000100000001000000000000000000020001000fabf0000200031c0b9000c0000f3abc70500",
    "00200003102000c7050010200003202000c7050020200083000000c7050820200083002000b8000020000f22d8b820060000",
    "0f22e0b9800000c0b80101000031d20f300f20c00d0100008083e0fb83c8020f22c00f0115c0011000ea94001000080066b8",
    "10008ed88ec08ed08ee08ee8b9000100c0b878563412ba01a0ffff0f30ffc1ffc20f30ffc1ffc20f30b9820000c0b8682457",
    "13ba01f8ffff0f30dbe3d9e8d9eb48b8887766554433221166480f6ec048b81122334455667788664c0f6ef848b80100adde",
    "000000000f23c048b8a1a1a1a1a1a1a1a148bba2a2a2a2a2a2a2a248b9a3a3a3a3a3a3a3a348baa4a4a4a4a4a4a4a448bea5",
    "a5a5a5a5a5a5a548bfa6a6a6a6a6a6a6a648bda7a7a7a7a7a7a7a748bca8a8a8a8a8a8a8a849b8b8b8b8b8b8b8b8b849b9b9",
    "b9b9b9b9b9b9b949bababababababababa49bbbbbbbbbbbbbbbbbb49bcbcbcbcbcbcbcbcbc49bdbdbdbdbdbdbdbdbd49bebe",
    "bebebebebebebe49bfbfbfbfbfbfbfbfbff4ebfd0f1f4000000000000000000000000000009b2000ffff00000093cf001700",
    "a8011000",
];

/// Memory below 4 GiB, and in all.
const LOW: u64 = 16 << 20;
const ALL: u64 = 32 << 20;

struct Machine {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Machine {
    fn start(folder: &Path) -> Option<Self> {
        let hex = BOOT.concat();
        let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2).unwrap(), 16).unwrap();
        let image: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        std::fs::write(folder.join("boot"), image).unwrap();
        let line = "-machine q35,memory-backend=m,max-ram-below-4g=16M -m 32M -smp 2 -cpu qemu64 -accel tcg \
                    -object memory-backend-file,id=m,size=32M,mem-path=ram,share=on -kernel boot -nic none \
                    -display none -vga none -serial none -monitor none -qmp stdio";
        let child = Command::new("qemu-system-x86_64")
            .args(line.split_whitespace())
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.ok()?;
        let (to, from) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        let mut machine = Self { child, to, from };
        machine.answer()?;
        machine.ask("qmp_capabilities", &json!({}))?;
        Some(machine)
    }

    fn answer(&mut self) -> Option<Value> {
        let mut line = String::new();
        (self.from.read_line(&mut line).ok()? > 0).then_some(())?;
        serde_json::from_str(&line).ok()
    }

    fn ask(&mut self, what: &str, with: &Value) -> Option<Value> {
        let line = json!({ "execute": what, "arguments": with });
        writeln!(self.to, "{line}").ok()?;
        loop {
            let answer = self.answer()?;
            if answer.get("return").is_some() {
                return Some(answer);
            }
            assert!(answer.get("error").is_none(), "{what}: {answer}");
        }
    }

    /// The monitor's text, as QMP's answer.
    fn registers(&mut self) -> String {
        let line = json!({ "command-line": "info registers -a" });
        self.ask("human-monitor-command", &line).unwrap().to_string()
    }

    fn dump(&mut self, folder: &Path, name: &str, paging: bool) {
        let file = format!("file:{}", folder.join(name).display());
        self.ask("dump-guest-memory", &json!({ "paging": paging, "protocol": file }))
            .unwrap();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn open(path: &Path, registers: Option<String>, below_4g: Option<u64>) -> Capture {
    let input = Input {
        name: path.display().to_string(),
        bytes: Arc::new(FileSource::new(File::open(path).unwrap()).unwrap()),
        beside: Vec::new(),
        registers,
    };
    let layout = raw::Layout { below_4g };
    target::open_with(&input, &Options { layout }).unwrap()
}

/// Both hold the same bytes from one address to another.
fn same(left: &Capture, right: &Capture, start: u64, end: u64) {
    let (mut one, mut other) = (vec![0; 0x10_0000], vec![0; 0x10_0000]);
    for at in (start..end).step_by(one.len()) {
        let want = usize::try_from(end - at).unwrap().min(one.len());
        assert_eq!(left.memory().read(Gpa(at), &mut one[..want]), want, "{at:#x}");
        assert_eq!(right.memory().read(Gpa(at), &mut other[..want]), want, "{at:#x}");
        assert!(one[..want] == other[..want], "{at:#x}");
    }
}

#[test]
fn cores_memory_file_and_monitor_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Some(mut machine) = Machine::start(folder) else {
        eprintln!("QEMU does not run: 1 case not run");
        return;
    };
    let began = Instant::now();
    while !machine.registers().contains("R15=bfbfbfbfbfbfbfbf") {
        assert!(began.elapsed() < Duration::from_secs(120), "it does not boot");
        std::thread::sleep(Duration::from_millis(200));
    }
    machine.ask("stop", &json!({})).unwrap();
    machine.dump(folder, "plain", false);
    machine.dump(folder, "paged", true);
    let text = machine.registers();

    let plain = open(&folder.join("plain"), None, None);
    let paged = open(&folder.join("paged"), None, None);
    let file = open(&folder.join("ram"), Some(text), Some(LOW));
    assert_eq!(
        (&plain.damage, &paged.damage, &file.damage),
        (&vec![], &vec![], &vec![])
    );
    let high = 1 << 32;
    same(&plain, &file, 0, LOW);
    same(&plain, &file, high, high + ALL - LOW);
    for run in paged.memory().runs().iter().filter(|run| run.start.0 < LOW) {
        same(&paged, &file, run.start.0, run.end().0);
    }

    let general = |vcpu: &Vcpu| Vcpu {
        dr: None,
        fxsave: None,
        msrs: std::collections::BTreeMap::new(),
        ..vcpu.clone()
    };
    let noted: Vec<Vcpu> = plain.vcpus.iter().map(general).collect();
    let printed: Vec<Vcpu> = file.vcpus.iter().map(general).collect();
    assert_eq!(printed, noted);
    assert_eq!(paged.vcpus, plain.vcpus);
    the_boot_image_ran(&plain.vcpus[0], &file.vcpus[0]);
}

/// Values that the boot image has set.
fn the_boot_image_ran(noted: &Vcpu, printed: &Vcpu) {
    let repeated = |byte: u8| u64::from_le_bytes([byte; 8]);
    let order = [
        0xa1, 0xa3, 0xa4, 0xa2, 0xa8, 0xa7, 0xa5, 0xa6, 0xb8, 0xb9, 0xba, 0xbb, 0xbc, 0xbd, 0xbe, 0xbf,
    ];
    assert_eq!(noted.gpr, order.map(repeated));
    assert_eq!((noted.long_mode(), printed.long_mode()), (Some(true), Some(true)));
    assert_eq!(noted.cr3, Some(0x20_0000));
    let base = |vcpu: &Vcpu, number| vcpu.msrs.get(&number).copied();
    for vcpu in [noted, printed] {
        assert_eq!(base(vcpu, 0xc000_0100), Some(0xffff_a001_1234_5678));
        assert_eq!(base(vcpu, 0xc000_0101), Some(0xffff_a002_1234_5678));
        assert_eq!(base(vcpu, 0xc000_0082), None);
    }
    assert_eq!(base(noted, 0xc000_0102), Some(0xffff_a003_1234_5678));
    assert_eq!(base(printed, 0xc000_0080), Some(0x501));
    assert_eq!(printed.dr.unwrap()[0], 0xdead_0001);
    let image = printed.fxsave.as_ref().unwrap();
    let word = |at: usize| u64::from_le_bytes(image[at..at + 8].try_into().unwrap());
    // ST0 is pi, ST1 is one.
    assert_eq!((word(32), word(40)), (0xc90f_daa2_2168_c235, 0x4000));
    assert_eq!((word(48), word(56)), (1 << 63, 0x3fff));
    assert_eq!((word(160), word(168)), (0x1122_3344_5566_7788, 0));
    assert_eq!(word(160 + 15 * 16), 0x8877_6655_4433_2211);
}
