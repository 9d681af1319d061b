//! Compiles `data/known.tsv` to constants, and refuses to when it contradicts itself.

use std::fmt::Write as _;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=data/known.tsv");
    println!("cargo::rerun-if-changed=build.rs");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/known.tsv");
    let out = std::env::var_os("OUT_DIR")
        .map(std::path::PathBuf::from)
        .unwrap_or_default();
    let done = std::fs::read_to_string(&data)
        .map_err(|error| error.to_string())
        .and_then(|text| compile(&text))
        .and_then(|code| std::fs::write(out.join("known.rs"), code).map_err(|error| error.to_string()));
    if let Err(error) = done {
        println!("cargo::error=data/known.tsv: {error}");
        std::process::exit(1);
    }
}

fn compile(text: &str) -> Result<String, String> {
    let as_of = text.lines().find_map(|line| line.strip_prefix("# as of "));
    let as_of = as_of.ok_or("no line with the date")?;
    let mut code = format!(
        "/// Date of the newest source of the table.\npub const AS_OF: &str = {as_of:?};\n\n\
         static ROWS: &[Known] = &[\n"
    );
    let mut last = None;
    let lines = text.lines().enumerate();
    for (number, line) in lines.filter(|(_, line)| !line.starts_with('#') && !line.starts_with("vendor\t")) {
        let at = |what: &str| format!("line {}: {what}", number.saturating_add(1));
        let key = row(line, &mut code).ok_or_else(|| at("not a row"))?;
        if last.as_ref().is_some_and(|last| *last >= key) {
            return Err(at("out of order, or the same key again"));
        }
        last = Some(key);
    }
    code.push_str("];\n");
    Ok(code)
}

/// Whether AMD, signature, platforms: the order of the table.
type Key = (bool, u32, u32);

fn row(line: &str, code: &mut String) -> Option<Key> {
    let [vendor, signature, platforms, revision, date, hashes, source] =
        line.split('\t').collect::<Vec<_>>().try_into().ok()?;
    let hex = |text: &str| u32::from_str_radix(text, 16).ok();
    let key = (vendor == "amd", hex(signature)?, hex(platforms)?);
    let vendor = match vendor {
        "intel" => "Intel",
        "amd" => "Amd",
        _ => return None,
    };
    let mut parts = date.split('-');
    let [year, month, day] = [hex(parts.next()?)?, hex(parts.next()?)?, hex(parts.next()?)?];
    write!(
        code,
        "    Known {{ vendor: Vendor::{vendor}, signature: Signature({:#x}), platforms: PlatformMask({:#x}), \
         revision: Revision({:#x}), date: Date {{ year: {year:#x}, month: {month:#x}, day: {day:#x} }}, \
         source: {source:?}, sha256: &[",
        key.1,
        key.2,
        hex(revision)?,
    )
    .ok()?;
    for hash in hashes.split(',') {
        let whole = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bytes = (0..32).map(|byte| u8::from_str_radix(hash.get(2 * byte..2 * byte + 2)?, 16).ok());
        let bytes = bytes.collect::<Option<Vec<u8>>>().filter(|_| whole)?;
        write!(code, "Sha256({bytes:?}), ").ok()?;
    }
    code.push_str("] },\n");
    Some(key)
}
