//! The program under test, and the machines that ship with it.

#![allow(dead_code, reason = "each test file uses a part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The machines that ship with delid.
pub const MACHINES: [&str; 3] = [
    "qemu-epyc-genoa-q35-seabios",
    "qemu-sapphirerapids-q35-ovmf",
    "qemu-qemu64-i440fx-seabios",
];

/// Path of the program.
pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_delid"))
}

/// A command that does not see the terminal settings of whoever runs the tests.
pub fn delid(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"] {
        command.env_remove(name);
    }
    command
}

/// Path of a shipped machine, from the project's root.
pub fn machine(name: &str) -> String {
    format!("captures/machines/{name}.tar.zst")
}

/// A path as an argument.
pub fn argument(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Runs to the end.
pub fn run(arguments: &[&str]) -> Run {
    Run::from(delid(arguments).output().unwrap())
}

/// What a run gave.
pub struct Run {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Run {
    /// Fails with all output when the code is another.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }
}

/// Whether a tool is there; if not, says so.
pub fn installed(tool: &str) -> bool {
    let found = std::env::var_os("PATH").is_some_and(|path| {
        let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        folders.extend(["/usr/sbin", "/sbin"].map(PathBuf::from));
        folders.iter().any(|folder| folder.join(tool).is_file())
    });
    if !found {
        eprintln!("{tool} absent: 1 case not run");
    }
    found
}
