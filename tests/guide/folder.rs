//! A folder in which the command lines of the guide are run: a made-up Windows under the names that they use.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::guide::debugger::{self, PATIENCE, Place, Protocol};
use crate::guide::page::words;
use crate::synthetic::files::CONTAINERS;
use crate::synthetic::windows::{Built, Config, build};

/// Endings of names and the containers that they stand for.
const ENDINGS: &[(&str, &str)] = &[
    ("raw", "raw"),
    ("img", "raw"),
    ("mem", "raw"),
    ("bin", "raw"),
    ("elf", "elf"),
    ("core", "elf"),
    ("dmp", "dump"),
    ("DMP", "dump"),
    ("lime", "lime"),
    ("avml", "avml"),
    ("vmss", "vmware"),
    ("vmsn", "vmware"),
    ("vmem", "vmware"),
    ("kdump", "kdump"),
    ("flat", "kdump-flattened"),
    ("xlsave", "xl-save"),
    ("save", "xl-save"),
    ("xencore", "xen-core"),
    ("sav", "migration"),
    ("mig", "migration"),
];

/// Commands that end by themselves.
const ENDING: &[&str] = &[
    "info",
    "dump",
    "read",
    "modules",
    "processes",
    "decode",
    "list",
    "schema",
];

/// The folder.
pub struct Folder {
    folder: tempfile::TempDir,
    built: Built,
}

impl Folder {
    /// A folder without any file.
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            built: build(&Config::preset("win10-x64").unwrap()),
        }
    }

    fn path(&self, word: &str) -> PathBuf {
        self.folder.path().join(Path::new(word).file_name().unwrap_or_default())
    }

    /// Runs a command line.
    ///
    /// # Errors
    /// When it cannot be run here, or does not do what it should.
    pub fn run(&self, text: &str) -> Result<(), String> {
        let words = words(text).ok_or("more than one command: not known how to run")?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (command, rest) = match words.as_slice() {
            ["delid", "kdd", command, rest @ ..] | ["kdd" | "delid-kdd", command, rest @ ..] => (*command, rest),
            _ => return Err("no command of delid kdd: not known how to run".to_owned()),
        };
        let call = Call::new(self, command, rest)?;
        if ENDING.contains(&command) || call.replays {
            return self.to_its_end(call);
        }
        match command {
            "serve" => self.met(call, Protocol::Serial),
            "gdb" => self.met(call, Protocol::Gdb),
            _ => Err(format!("{command}: not known how to run")),
        }
    }

    fn command(&self, arguments: &[String]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_delid"));
        command.arg("kdd").args(arguments).current_dir(self.folder.path());
        command
    }

    fn to_its_end(&self, call: Call) -> Result<(), String> {
        for path in call.outputs {
            // What an earlier line of the guide wrote.
            let _ = fs::remove_file(path);
        }
        let output = self.command(&call.arguments).output().unwrap();
        if output.status.code() == Some(0) {
            return Ok(());
        }
        let error = String::from_utf8_lossy(&output.stderr);
        Err(format!("{}: {error}", output.status))
    }

    fn met(&self, call: Call, protocol: Protocol) -> Result<(), String> {
        let said = self.path("stderr");
        let stdio = matches!(call.place, Place::Stdio);
        let mut command = self.command(&call.arguments);
        command.stderr(File::create(&said).unwrap());
        if stdio {
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
        } else {
            command.stdin(Stdio::null()).stdout(Stdio::null());
        }
        let mut child = command.spawn().unwrap();
        // A debugger over UDP never says that it goes, and a pseudoterminal stays open without one.
        let stays = matches!(call.place, Place::Datagrams(_) | Place::Pty(_));
        let result = if stdio {
            through_pipes(&mut child, protocol)
        } else {
            call.place.meet(protocol, || opened(&said, &mut child))
        };
        let ended = if stays || result.is_err() {
            let _ = child.kill();
            child.wait().unwrap();
            Ok(())
        } else {
            end(&mut child)
        };
        let words = fs::read_to_string(&said).unwrap_or_default();
        result.and(ended).map_err(|why| format!("{why}; it said: {words}"))
    }

    /// Makes a source that a line names, of the container that its ending stands for.
    fn source(&self, word: &str) -> Result<(), String> {
        if word.starts_with("qemu:") || word.starts_with("xen:") {
            return Err(format!("{word}: no running guest here; the fence needs a mark"));
        }
        let path = self.path(word);
        if path.exists() {
            return Ok(());
        }
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let name = ENDINGS
            .iter()
            .find(|(known, _)| *known == ending)
            .map(|(_, name)| *name);
        let container = CONTAINERS.iter().find(|container| Some(container.name) == name);
        let container = container.ok_or_else(|| format!("{word}: not known which container .{ending} is"))?;
        let beside = tempfile::tempdir_in(self.folder.path()).unwrap();
        (container.write)(&self.built, beside.path()).unwrap();
        if name == Some("vmware") {
            for (from, to) in [
                ("vmem", "vmem"),
                ("vmss", if ending == "vmsn" { "vmsn" } else { "vmss" }),
            ] {
                fs::rename(
                    beside.path().join("guest").with_extension(from),
                    path.with_extension(to),
                )
                .unwrap();
            }
            return Ok(());
        }
        fs::rename(beside.path().join(container.file), path).unwrap();
        Ok(())
    }

    /// Makes captured traffic that a line names: a session that is recorded for it.
    fn traffic(&self, word: &str) -> Result<(), String> {
        let path = self.path(word);
        if path.exists() {
            return Ok(());
        }
        let name = path.display().to_string();
        let line = ["guest.elf", "--listen", "0", "--record", &name];
        self.met(Call::new(self, "serve", &line)?, Protocol::Serial)
    }

    /// A file of registers.
    fn registers(&self, word: &str) {
        let path = self.path(word);
        if !path.exists() {
            fs::write(path, crate::synthetic::containers::raw::registers(&self.built.machine)).unwrap();
        }
    }
}

/// A command line, made to be run here.
struct Call {
    arguments: Vec<String>,
    place: Place,
    replays: bool,
    outputs: Vec<PathBuf>,
}

impl Call {
    fn new(folder: &Folder, command: &str, rest: &[&str]) -> Result<Self, String> {
        let truth = &folder.built.truth;
        let mut call = Self {
            arguments: vec![command.to_owned()],
            place: Place::Tcp,
            replays: false,
            outputs: Vec::new(),
        };
        let force = rest.contains(&"--force");
        let (mut named, mut listens) = (false, true);
        let mut rest = rest.iter().copied().peekable();
        while let Some(word) = rest.next() {
            if !word.starts_with('-') {
                if !named && command == "decode" {
                    folder.traffic(word)?;
                } else if !named {
                    folder.source(word)?;
                }
                named = true;
                call.arguments.push(folder.path(word).display().to_string());
                continue;
            }
            let (option, given) = match word.split_once('=').filter(|_| word.starts_with("--")) {
                Some((option, value)) => (option, Some(value)),
                None => (word, None),
            };
            call.arguments.push(option.to_owned());
            if matches!(
                option,
                "--stdio" | "--pty" | "--unix" | "--unix-connect" | "--connect" | "--net" | "--replay"
            ) {
                listens = false;
            }
            let mut value = || {
                given
                    .or_else(|| rest.next())
                    .ok_or_else(|| format!("{option}: no value"))
            };
            let here = match option {
                // A port, and addresses of this guest, in place of the guide's.
                "--listen" => {
                    value()?;
                    listens = false;
                    "127.0.0.1:0".to_owned()
                }
                "--dtb" => value().map(|_| format!("{:x}", truth.directory))?,
                "--kernel-base" | "--va" => value().map(|_| format!("{:x}", truth.kernel_base))?,
                "--kdbg" => value().map(|_| format!("{:x}", truth.kdbg.unwrap_or_default()))?,
                "--connect" => {
                    value()?;
                    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                    let address = listener.local_addr().unwrap().to_string();
                    call.place = Place::Comes(listener);
                    address
                }
                "--net" => {
                    value()?;
                    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                    let address = socket.local_addr().unwrap().to_string();
                    call.place = Place::Datagrams(socket);
                    address
                }
                "--unix" => {
                    let path = folder.path(value()?);
                    call.place = Place::Unix(path.clone());
                    path.display().to_string()
                }
                "--unix-connect" => {
                    let path = folder.path(value()?);
                    call.place = Place::UnixComes(UnixListener::bind(&path).map_err(|error| error.to_string())?);
                    path.display().to_string()
                }
                "--pty" => {
                    let link = rest.next_if(|word| named && !word.starts_with('-'));
                    let link = given.or(link).map(|word| folder.path(word));
                    call.place = Place::Pty(link.clone());
                    match link {
                        Some(link) => link.display().to_string(),
                        None => continue,
                    }
                }
                "--stdio" => {
                    call.place = Place::Stdio;
                    continue;
                }
                "--replay" => {
                    let word = value()?;
                    folder.traffic(word)?;
                    call.replays = true;
                    folder.path(word).display().to_string()
                }
                "--registers" => {
                    let word = value()?;
                    folder.registers(word);
                    folder.path(word).display().to_string()
                }
                "-o" | "--output" | "--record" => {
                    let path = folder.path(value()?);
                    if !force {
                        call.outputs.push(path.clone());
                    }
                    path.display().to_string()
                }
                "--key" | "--kdnet-version" | "--source-port" | "--timeout" | "--below-4g" | "--pa" | "--length"
                | "--processor" | "--kind" | "--architecture" => value()?.to_owned(),
                _ => match given {
                    Some(given) => given.to_owned(),
                    // A switch; the program says when it is none.
                    None => continue,
                },
            };
            call.arguments.push(here);
        }
        if matches!(command, "serve" | "gdb") && !call.replays {
            if listens {
                call.arguments.extend(["--listen", "127.0.0.1:0"].map(str::to_owned));
            }
            if !call.arguments.iter().any(|word| word == "--once") {
                call.arguments.push("--once".to_owned());
            }
        }
        Ok(call)
    }
}

/// What the program says of the line that it opened.
fn opened(said: &Path, child: &mut Child) -> Result<String, String> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        let ended = child.try_wait().unwrap();
        let text = fs::read_to_string(said).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        if let Some(line) = whole
            .lines()
            .find_map(|line| line.split_once("waiting for a debugger on "))
        {
            return Ok(line.1.to_owned());
        }
        if let Some(status) = ended {
            return Err(format!("it ends with {status}"));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err("it opens no line".to_owned())
}

fn through_pipes(child: &mut Child, protocol: Protocol) -> Result<(), String> {
    use std::io::Write as _;
    let mut input = child.stdin.take().unwrap();
    let mut output = child.stdout.take().unwrap();
    input
        .write_all(debugger::said(protocol))
        .map_err(|error| error.to_string())?;
    let result = debugger::heard(protocol, &mut output);
    drop(input);
    thread::spawn(move || output.read_to_end(&mut Vec::new()));
    result
}

/// Waits until the program ends, since its debugger is gone.
fn end(child: &mut Child) -> Result<(), String> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        match child.try_wait().unwrap() {
            Some(status) if matches!(status.code(), Some(0 | 1)) => return Ok(()),
            Some(status) => return Err(format!("it ends with {status}")),
            None => thread::sleep(Duration::from_millis(20)),
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    Err("it does not end when the debugger is gone".to_owned())
}
