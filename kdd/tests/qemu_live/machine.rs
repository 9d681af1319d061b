//! A small guest in QEMU: a loop in firmware that counts in memory.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Where the loop stands.
pub const CODE: u64 = 0xf_e003;
/// Where it counts.
pub const COUNTER: u64 = 0x500;

/// What the memory of the guest is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ram {
    /// A file that is shared.
    File,
    /// Memory of the process.
    Plain,
}

/// A running QEMU.
pub struct Machine {
    child: Child,
    folder: tempfile::TempDir,
    /// The QMP socket for the tested.
    pub socket: PathBuf,
}

/// 64 KiB of firmware: XOR AX,AX; NOP; then INC WORD [0x500]; JMP back to it.
fn firmware() -> Vec<u8> {
    let mut bytes = vec![0; 0x1_0000];
    let code = [0x31, 0xc0, 0x90, 0xff, 0x06, 0x00, 0x05, 0xeb, 0xfa];
    bytes[0xe000..0xe000 + code.len()].copy_from_slice(&code);
    bytes[0xfff0..0xfff5].copy_from_slice(&[0xea, 0x00, 0xe0, 0x00, 0xf0]);
    bytes
}

impl Machine {
    /// Starts it; `None` when QEMU is not installed.
    pub fn start(ram: Ram, paused: bool) -> Option<Self> {
        Self::start_with(ram, paused, false)
    }

    /// Starts it, with a gdbstub when told.
    pub fn start_with(ram: Ram, paused: bool, gdbstub: bool) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("firmware"), firmware()).expect("written");
        let mut command = Command::new("qemu-system-x86_64");
        command.current_dir(folder.path());
        command.args([
            "-machine",
            "q35",
            "-accel",
            "tcg",
            "-smp",
            "2",
            "-m",
            "3072",
            "-nodefaults",
        ]);
        command.args(["-display", "none", "-bios", "firmware"]);
        // Over 2816 MiB q35 puts all above 2 GiB behind 4 GiB.
        let backend = match ram {
            Ram::File => "memory-backend-file,id=m,size=3072M,mem-path=ram,share=on,reserve=off",
            Ram::Plain => "memory-backend-ram,id=m,size=3072M,reserve=off",
        };
        command.args(["-object", backend, "-machine", "memory-backend=m"]);
        command.args([
            "-qmp",
            "unix:qmp,server=on,wait=off",
            "-qmp",
            "unix:own,server=on,wait=off",
        ]);
        if gdbstub {
            command.args(["-gdb", "unix:gdb,server=on,wait=off"]);
        }
        if paused {
            command.arg("-S");
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        let child = command.spawn().ok()?;
        let machine = Self {
            child,
            socket: path("qmp"),
            folder,
        };
        let end = Instant::now() + Duration::from_secs(30);
        while UnixStream::connect(machine.folder.path().join("own")).is_err() {
            assert!(Instant::now() < end, "QEMU did not start");
            sleep(Duration::from_millis(20));
        }
        sleep(Duration::from_millis(300));
        Some(machine)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn execute(&self, request: &str) -> serde_json::Value {
        // QEMU takes the next client a moment after the last one left.
        let mut stream = UnixStream::connect(self.folder.path().join("own")).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        let mut lines = BufReader::new(stream.try_clone().expect("cloned")).lines();
        lines.next().expect("a greeting").expect("read");
        let mut answer = |request: &str| {
            writeln!(stream, "{request}").expect("sent");
            loop {
                let line = lines.next().expect("an answer").expect("read");
                let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
                if value.get("event").is_none() {
                    return value;
                }
            }
        };
        answer(r#"{"execute":"qmp_capabilities"}"#);
        answer(request)
    }

    /// What QEMU says of its state.
    pub fn status(&self) -> String {
        let answer = self.execute(r#"{"execute":"query-status"}"#);
        answer["return"]["status"].as_str().expect("a word").to_owned()
    }

    /// Runs a command without arguments.
    pub fn monitor(&self, command: &str) {
        self.execute(&format!(r#"{{"execute":"{command}"}}"#));
    }

    /// Physical memory as QEMU itself writes it.
    pub fn save(&self, at: u64, length: u64) -> Vec<u8> {
        let request =
            format!(r#"{{"execute":"pmemsave","arguments":{{"val":{at},"size":{length},"filename":"saved"}}}}"#);
        let answer = self.execute(&request);
        assert!(answer.get("return").is_some(), "{answer}");
        fs::read(self.folder.path().join("saved")).expect("saved")
    }

    /// Kills it.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
    }
}
