//! Guests of QEMU on this system, for a list to choose from: the processes of QEMU, and what their command lines
//! say. Nothing is connected to.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use super::process;

/// A guest that was found.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Found {
    /// Number of QEMU's process.
    pub pid: u32,
    /// The guest's name, as `-name` gives it.
    pub name: Option<String>,
    /// QMP sockets by which it can be opened.
    pub sockets: Vec<PathBuf>,
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// What runs its instructions: `kvm`, `tcg`.
    pub accelerator: String,
    /// Whether its RAM is a file that is shared, by the command line.
    pub shared_memory: bool,
    /// What stands against opening it, or against doing so well; nothing when it is ready.
    pub missing: Vec<String>,
    /// Whether it can be opened, as far as can be told without doing it.
    pub usable: bool,
}

/// All guests of QEMU that can be seen, in order of their processes.
#[must_use]
pub fn find() -> Vec<Found> {
    let guests = process::all().into_iter();
    guests.map(|(pid, words)| found(pid, &words)).collect()
}

fn found(pid: u32, words: &[String]) -> Found {
    let (sockets, refused) = sockets(pid, words);
    let shared_memory = shared(words);
    let mut missing: Vec<String> = refused;
    if sockets.is_empty() && missing.is_empty() {
        missing.push("no QMP socket: start QEMU with -qmp unix:PATH,server=on,wait=off".to_owned());
    }
    if !shared_memory && fs::File::open(format!("/proc/{pid}/mem")).is_err() {
        let text = "its memory is no shared file and its process may not be read: the gdbstub has to do, slowly";
        missing.push(text.to_owned());
    }
    Found {
        pid,
        name: name(words),
        usable: !sockets.is_empty(),
        sockets,
        memory: memory(words),
        accelerator: accelerator(words),
        shared_memory,
        missing,
    }
}

/// Values of an option, which may be written with one dash or two.
fn values<'a>(words: &'a [String], option: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = words.windows(2).filter_map(|pair| match pair {
        [name, value] => Some((name.as_str(), value.as_str())),
        _ => None,
    });
    pairs.filter_map(move |(name, value)| {
        let name = name.strip_prefix('-')?;
        (name.strip_prefix('-').unwrap_or(name) == option).then_some(value)
    })
}

/// Value of a key in `a=b,c=d`; a comma in a value is written twice.
fn key(text: &str, wanted: &str) -> Option<String> {
    let text = text.replace(",,", "\0");
    let mut pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(name, _)| *name == wanted)
        .map(|(_, value)| value.replace('\0', ","))
}

fn first(text: &str) -> &str {
    text.split(',').next().unwrap_or_default()
}

fn name(words: &[String]) -> Option<String> {
    let value = values(words, "name").last()?;
    key(value, "guest").or_else(|| Some(first(value).to_owned()))
}

/// The QMP sockets that this user may open, and why others are not.
fn sockets(pid: u32, words: &[String]) -> (Vec<PathBuf>, Vec<String>) {
    let mut places: Vec<String> = Vec::new();
    let mut monitors: Vec<String> = Vec::new();
    for option in ["qmp", "qmp-pretty"] {
        places.extend(
            values(words, option)
                .filter(|value| !value.starts_with("chardev:"))
                .map(str::to_owned),
        );
        monitors
            .extend(values(words, option).filter_map(|value| Some(first(value.strip_prefix("chardev:")?).to_owned())));
    }
    for value in values(words, "mon").filter(|value| key(value, "mode").as_deref() == Some("control")) {
        monitors.extend(key(value, "chardev"));
    }
    for device in values(words, "chardev").filter(|value| value.starts_with("socket,")) {
        let named = key(device, "id").is_some_and(|id| monitors.contains(&id));
        places.extend(key(device, "path").filter(|_| named).map(|path| format!("unix:{path}")));
    }
    // libvirt opens the socket itself and hands it over: its folder of the guest is on the command line.
    if places.is_empty() {
        places.extend(libvirt(words).map(|path| format!("unix:{}", path.display())));
    }
    let (mut sockets, mut refused) = (Vec::new(), Vec::new());
    for place in places {
        let Some(path) = place.strip_prefix("unix:") else {
            refused.push(format!("QMP at {place}: only Unix sockets can be opened"));
            continue;
        };
        let path = process::resolve(pid, first(path));
        match usable(&path) {
            Ok(()) => sockets.push(path),
            Err(reason) => refused.push(format!("{}: {reason}", path.display())),
        }
    }
    (sockets, refused)
}

fn libvirt(words: &[String]) -> Option<PathBuf> {
    let file = |value: &str| match serde_json::from_str::<serde_json::Value>(value) {
        Ok(object) => object.get("file")?.as_str().map(str::to_owned),
        Err(_) => key(value, "file"),
    };
    let files = values(words, "object").filter_map(file);
    let mut files = files.filter(|file| file.contains("/qemu/domain-"));
    Some(Path::new(&files.next()?).parent()?.join("monitor.sock"))
}

fn usable(path: &Path) -> Result<(), String> {
    let meta = fs::metadata(path).map_err(|error| error.to_string())?;
    if !meta.file_type().is_socket() {
        return Err("no socket".to_owned());
    }
    let access = rustix::fs::Access::WRITE_OK;
    rustix::fs::access(path, access).map_err(|error| error.to_string())
}

fn accelerator(words: &[String]) -> String {
    let given = values(words, "accel")
        .next()
        .map(|value| key(value, "accel").unwrap_or_else(|| first(value).to_owned()));
    let machines = || values(words, "machine").chain(values(words, "M"));
    let machine = || machines().find_map(|value| key(value, "accel"));
    let old = || words.iter().any(|word| word.trim_start_matches('-') == "enable-kvm");
    let given = given.or_else(machine).or_else(|| old().then(|| "kvm".to_owned()));
    given.unwrap_or_else(|| "tcg".to_owned())
}

/// Whether the memory that the machine names is a shared file, or a file in memory, which is shared unless told
/// otherwise.
fn shared(words: &[String]) -> bool {
    let machine = values(words, "machine").chain(values(words, "M"));
    let mut named: Vec<String> = machine.filter_map(|value| key(value, "memory-backend")).collect();
    named.extend(values(words, "numa").filter_map(|value| key(value, "memdev")));
    let shared = |name: &str| {
        values(words, "object").any(|value| {
            let (kind, id, share) = if value.trim_start().starts_with('{') {
                json(value)
            } else {
                (first(value).to_owned(), key(value, "id"), key(value, "share"))
            };
            let on = matches!(share.as_deref(), Some("on" | "yes" | "true"));
            let memfd = kind == "memory-backend-memfd" && share.is_none();
            id.as_deref() == Some(name)
                && ((kind == "memory-backend-file" && on) || memfd || (kind == "memory-backend-memfd" && on))
        })
    };
    !named.is_empty() && named.iter().all(|name| shared(name))
}

/// Kind, name and sharing of an object that is written in JSON, as libvirt does.
fn json(text: &str) -> (String, Option<String>, Option<String>) {
    let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let word = |name: &str| value.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
    let share = value.get("share").and_then(serde_json::Value::as_bool);
    let share = share.map(|share| if share { "on".to_owned() } else { "off".to_owned() });
    (word("qom-type").unwrap_or_default(), word("id"), share)
}

/// Memory from `-m`: MiB without a unit, 128 MiB without the option.
fn memory(words: &[String]) -> Option<u64> {
    let Some(value) = values(words, "m").last() else {
        return Some(128 << 20);
    };
    let text = key(value, "size").unwrap_or_else(|| first(value).to_owned());
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end)?;
    let shift = match unit.to_ascii_lowercase().as_str() {
        "b" => 0,
        "k" => 10,
        "" | "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn command_line_tells_the_guest() {
        let words = words(
            "/usr/bin/qemu-system-x86_64 -name guest=web,,1,debug-threads=on -machine q35,accel=kvm,memory-backend=ram0 \
             -m size=2G,slots=4 -object memory-backend-file,id=ram0,share=on,mem-path=/dev/shm/x,size=2G -qmp tcp:[::1]:4444",
        );
        let found = found(u32::MAX, &words);
        assert_eq!(found.name.as_deref(), Some("web,1"));
        assert_eq!((found.memory, found.accelerator.as_str()), (Some(2 << 30), "kvm"));
        assert!(found.shared_memory && !found.usable);
        assert_eq!(
            found.missing,
            ["QMP at tcp:[::1]:4444: only Unix sockets can be opened"]
        );
    }

    #[test]
    fn guest_of_libvirt_is_told_from_its_folder() {
        let words = words(
            "/usr/bin/kvm -name guest=a,debug-threads=on -object \
             {\"qom-type\":\"secret\",\"id\":\"masterKey0\",\"format\":\"raw\"} -object \
             secret,id=k,file=/var/lib/libvirt/qemu/domain-1-a/master-key.aes -machine pc,memory-backend=pc.ram -object \
             {\"qom-type\":\"memory-backend-memfd\",\"id\":\"pc.ram\",\"share\":true,\"size\":1} -chardev \
             socket,id=charmonitor,fd=23,server=on,wait=off -mon chardev=charmonitor,id=monitor,mode=control",
        );
        let found = found(u32::MAX, &words);
        assert!(found.shared_memory);
        assert!(
            found.missing[0].starts_with("/var/lib/libvirt/qemu/domain-1-a/monitor.sock: "),
            "{:?}",
            found.missing
        );
    }

    #[test]
    fn guest_without_options_has_the_defaults_and_says_what_is_missing() {
        let found = found(u32::MAX, &words("qemu-system-x86_64 disk.img"));
        assert_eq!((found.memory, found.accelerator.as_str()), (Some(128 << 20), "tcg"));
        assert!(found.missing[0].contains("-qmp unix:"), "{:?}", found.missing);
    }

    #[test]
    fn own_socket_is_usable_and_others_are_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("qmp");
        let _listener = std::os::unix::net::UnixListener::bind(&path).expect("bound");
        assert_eq!(usable(&path), Ok(()));
        assert!(usable(folder.path()).is_err());
    }
}
