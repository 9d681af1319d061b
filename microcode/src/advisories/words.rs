//! Ids and numbers in lines of text.

use crate::ids::{PlatformMask, Revision, Signature};

/// Ids of advisories, each with the text in brackets behind it.
pub(super) fn advisories(line: &str) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    for prefix in ["INTEL-SA-", "AMD-SB-"] {
        for (at, _) in line.match_indices(prefix) {
            let rest = line.get(at.saturating_add(prefix.len())..).unwrap_or_default();
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            if digits.len() < 4 {
                continue;
            }
            let behind = rest.get(digits.len()..).unwrap_or_default();
            found.push((format!("{prefix}{digits}"), title(behind)));
        }
    }
    found
}

/// `(processor Stream Cache)` directly behind an id; ids and links are no titles.
fn title(behind: &str) -> Option<String> {
    let inner = behind.trim_start().strip_prefix('(')?;
    let (inner, _) = inner.split_once(')')?;
    let is_id = ["CVE-", "http", "INTEL-SA", "AMD-SB", "closes:"]
        .iter()
        .any(|no| inner.contains(no));
    (!is_id && !inner.trim().is_empty()).then(|| inner.trim().to_owned())
}

/// `CVE-2025-20109` and its like.
pub(super) fn cves(line: &str) -> Vec<String> {
    let found = line.match_indices("CVE-").filter_map(|(at, _)| {
        let rest = line.get(at..)?.strip_prefix("CVE-")?;
        let (year, rest) = rest.split_once('-')?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let is_year = year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit());
        (is_year && digits.len() >= 4).then(|| format!("CVE-{year}-{digits}"))
    });
    found.collect()
}

/// `20251111` and what begins so, as `2025-11-11`.
pub(super) fn date(name: &str) -> Option<String> {
    let digits = name.get(..8)?;
    let month = digits.get(4..6)?;
    let day = digits.get(6..)?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    (plain && ("01"..="12").contains(&month)).then(|| format!("{}-{month}-{day}", digits.get(..4).unwrap_or_default()))
}

/// `06-97-02/07`, also `6-8e-9/10`, in hexadecimals.
pub(super) fn identifier(text: &str) -> Option<(Signature, PlatformMask)> {
    let (name, platforms) = text.split_once('/')?;
    let mut parts = name.split('-').map(|part| hex(part).filter(|_| part.len() <= 2));
    let (family, model, stepping) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || stepping > 15 || platforms.len() > 2 {
        return None;
    }
    Some((
        Signature::from_family_model_stepping(family, model, stepping)?,
        PlatformMask(hex(platforms)?),
    ))
}

/// A revision in hexadecimals, with or without `0x`.
pub(super) fn revision(text: &str) -> Option<Revision> {
    hex(text.strip_prefix("0x").unwrap_or(text)).map(Revision)
}

/// Hexadecimals without prefix or sign.
pub(super) fn hex(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(text, 16).ok().filter(|_| plain)
}
