//! The WinDbg engine as a client: runs it with commands and cuts its output by command.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::Command;

/// The client program, when the environment names it: `DELID_WINDBG`.
pub fn client() -> Option<OsString> {
    std::env::var_os("DELID_WINDBG").filter(|path| !path.is_empty())
}

/// What the engine printed.
pub struct Output {
    /// Everything.
    pub all: String,
    /// What each command printed, by the command; the last of equal ones.
    pub of: BTreeMap<String, String>,
}

impl Output {
    /// What a command printed.
    pub fn of(&self, command: &str) -> &str {
        self.of
            .get(command)
            .unwrap_or_else(|| panic!("no output of {command} in:\n{}", self.all))
    }

    /// What the engine says when it could not do something.
    pub fn complaints(&self) -> Vec<&str> {
        const WORDS: &[&str] = &[
            "Unable to",
            "unable to",
            "failed",
            "error",
            "not available",
            "NULL",
            "deadfeed",
        ];
        // No symbols and no extensions are there, and the version of the engine's own checks is its matter.
        const KNOWN: &[&str] = &[
            "Unable to add extension DLL",
            "LoadLibrary(ext) failed",
            "Unable to verify checksum",
            "symbols could not be loaded",
            "System Uptime: not available",
            "Symbol Loading Error Summary",
            "Module name            Error",
            // 32-bit frames are walked without symbols.
            "Stack unwind information not available",
            // Variables of the memory manager that a made-up guest has not.
            "KdDebuggerData.Mm",
            "KdDebuggerData.KernelVerifier is NULL",
        ];
        let complains = |line: &&str| WORDS.iter().any(|word| line.contains(word));
        let known = |line: &&str| KNOWN.iter().any(|known| line.contains(known));
        self.all.lines().filter(complains).filter(|line| !known(line)).collect()
    }
}

/// Runs the engine; panics when it does not attach or a command returns an error.
pub fn run(connection: &str, commands: &[&str]) -> Output {
    run_with(connection, commands, &[])
}

/// The same with variables for the client.
pub fn run_with(connection: &str, commands: &[&str], variables: &[(&str, &str)]) -> Output {
    let client = client().expect("asked before");
    let output = Command::new(client)
        .arg(connection)
        .args(commands)
        .env("KDCLIENT_TIMEOUT", "120")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let all = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{connection}: {}\n{all}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let of = all.split("\n>>> ").skip(1).filter_map(|part| {
        let (command, rest) = part.split_once('\n')?;
        let text = rest.split("[hr 0x").next().unwrap_or_default();
        Some((command.trim_end().to_owned(), text.trim_end().to_owned()))
    });
    let of = of.collect();
    Output { all, of }
}
