//! QEMU with a kernel in it, held by its GDB stub: the remote serial protocol as far as is needed
//! to set breakpoints, read registers and memory, and speak to the monitor.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a kernel may take to say its version.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a kernel is started with.
pub struct Start<'a> {
    pub kernel: &'a str,
    pub cpu: &'a str,
    pub line: &'a str,
    pub initrd: Option<&'a [u8]>,
}

/// A machine that waits for the first command.
pub struct Machine {
    qemu: Child,
    stub: UnixStream,
    buffer: Vec<u8>,
    folder: tempfile::TempDir,
}

/// Why it stopped.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    Breakpoint,
    /// The kernel said its version: the loader is done.
    Version,
}

impl Machine {
    pub fn new(start: &Start<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut command = Command::new("qemu-system-x86_64");
        command.args([
            "-accel",
            "tcg",
            "-m",
            "256",
            "-nodefaults",
            "-display",
            "none",
            "-no-reboot",
            "-S",
        ]);
        command.args(["-cpu", start.cpu, "-kernel", start.kernel]);
        command.arg("-append");
        command.arg(format!("nokaslr earlyprintk=serial console=ttyS0 {}", start.line));
        command.arg("-serial").arg(format!("file:{}", path("serial").display()));
        let socket = path("stub");
        command
            .arg("-gdb")
            .arg(format!("unix:{},server,nowait", socket.display()));
        if let Some(initrd) = start.initrd {
            fs::write(path("initrd"), initrd).unwrap();
            command.arg("-initrd").arg(path("initrd"));
        }
        let qemu = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        let stub = loop {
            match UnixStream::connect(&socket) {
                Ok(stub) => break stub,
                Err(error) => assert!(begun.elapsed() < PATIENCE, "QEMU: {error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        stub.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        Self {
            qemu,
            stub,
            buffer: Vec::new(),
            folder,
        }
    }

    /// What the kernel wrote to the serial line.
    pub fn serial(&self) -> String {
        let bytes = fs::read(self.folder.path().join("serial")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn send(&mut self, command: &str) {
        let sum = command.bytes().fold(0u8, u8::wrapping_add);
        self.stub.write_all(format!("${command}#{sum:02x}").as_bytes()).unwrap();
    }

    /// The next packet if it has come.
    fn packet(&mut self) -> Option<String> {
        let mut chunk = [0; 8192];
        match self.stub.read(&mut chunk) {
            Ok(0) => panic!("QEMU is gone"),
            Ok(count) => self.buffer.extend(&chunk[..count]),
            Err(error) => assert!(
                matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                "{error}"
            ),
        }
        self.buffered()
    }

    fn buffered(&mut self) -> Option<String> {
        let start = self.buffer.iter().position(|byte| *byte == b'$')?;
        let end = start + self.buffer[start..].iter().position(|byte| *byte == b'#')?;
        if self.buffer.len() < end + 3 {
            return None;
        }
        let text = String::from_utf8_lossy(&self.buffer[start + 1..end]).into_owned();
        self.buffer.drain(..end + 3);
        self.stub.write_all(b"+").unwrap();
        Some(text)
    }

    fn answer(&mut self) -> String {
        let begun = Instant::now();
        loop {
            if let Some(packet) = self.buffered().or_else(|| self.packet()) {
                return packet;
            }
            assert!(begun.elapsed() < PATIENCE, "no answer");
        }
    }

    fn ask(&mut self, command: &str) -> String {
        self.send(command);
        self.answer()
    }

    /// Stop when this address is about to be run.
    pub fn set_breakpoint(&mut self, address: u64) {
        assert_eq!(self.ask(&format!("Z1,{address:x},1")), "OK");
    }

    /// Run until a breakpoint or the kernel's version.
    pub fn run(&mut self) -> Stop {
        self.send("c");
        let begun = Instant::now();
        loop {
            if self.packet().is_some() {
                return Stop::Breakpoint;
            }
            if self.serial().contains("Linux version") {
                self.stub.write_all(&[3]).unwrap();
                self.answer();
                return Stop::Version;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "the kernel says nothing:\n{}",
                self.serial()
            );
        }
    }

    /// General registers: rax, rbx, rcx, rdx and so on.
    pub fn registers(&mut self) -> Vec<u64> {
        let text = self.ask("g");
        let bytes = from_hex(&text);
        let words = bytes.chunks_exact(8).take(17);
        words.map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect()
    }

    /// Memory as the CPU sees it.
    pub fn memory(&mut self, address: u64, length: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while out.len() < length {
            let part = (length - out.len()).min(1024);
            let at = address + u64::try_from(out.len()).unwrap();
            let answer = self.ask(&format!("m{at:x},{part:x}"));
            let bytes = from_hex(&answer);
            assert_eq!(bytes.len(), part, "memory at {at:#x}: {answer}");
            out.extend(bytes);
        }
        out
    }

    /// Physical memory.
    pub fn physical(&mut self, address: u64, length: u64) -> Vec<u8> {
        let path: PathBuf = self.folder.path().join("memory");
        let command = format!("pmemsave {address:#x} {length:#x} \"{}\"", path.display());
        let hex: String = command.bytes().map(|byte| format!("{byte:02x}")).collect();
        let answer = self.ask(&format!("qRcmd,{hex}"));
        assert_eq!(
            answer,
            "OK",
            "{}",
            String::from_utf8_lossy(&from_hex(answer.trim_start_matches('O')))
        );
        fs::read(path).unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

fn from_hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks_exact(2);
    let bytes = pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap_or(0));
    bytes.collect()
}
