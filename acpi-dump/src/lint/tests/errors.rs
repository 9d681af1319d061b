//! Cases of subjects 22 and 23.

use super::{Case, case, table, zeros};
use crate::lint::catalogue::errors as checks;

const NOTIFICATION: &str = "03 1c 0000 00000000 00000000 00000000 00000000 00000000 00000000";

/// A generic hardware error source of 64 bytes.
fn generic(id: &str, related: &str, records: &str, address: &str, notification: &str) -> String {
    format!("0900 {id} {related} 00 01 {records} 01000000 00100000 00400004 {address} {notification} 00100000")
}

fn hest(count: u8, sources: &str) -> Vec<u8> {
    table(b"HEST", 1, &format!("{count:02x}000000 {sources}"))
}

/// An NMI source of 20 bytes.
fn nmi(id: &str) -> String {
    format!("0200 {id} 00000000 01000000 01000000 00100000")
}

/// A machine check exception with one bank.
fn machine_check(format: &str) -> String {
    let bank = format!("00 00 {format} 00 00040000 0000000000000000 01040000 02040000 03040000");
    format!(
        "0000 0100 0000 01 01 01000000 01000000 {} {} 01 {} {bank}",
        zeros(8),
        zeros(8),
        zeros(7)
    )
}

fn instruction(action: &str, instruction: &str, access: &str) -> String {
    format!(
        "{action} {instruction} 00 00 00 40 00 0{access} 0010000000000000 {} ffffffffffffffff",
        zeros(8)
    )
}

pub(super) fn cases() -> Vec<Case> {
    let place = "0000f07e00000000";
    let one = |source: String| hest(1, &source);
    let good = one(generic("0000", "ffff", "01000000", place, NOTIFICATION));
    let bert = |length: &str, address: &str| table(b"BERT", 1, &format!("{length} {address}"));
    let erst = |entry: &str| table(b"ERST", 1, &format!("30000000 00000000 01000000 {entry}"));
    let einj = |entry: &str| table(b"EINJ", 1, &format!("30000000 00 000000 01000000 {entry}"));
    let (stored, injected) = (instruction("00", "03", "4"), instruction("02", "02", "4"));
    let odd = NOTIFICATION.replacen("03", "40", 1);
    vec![
        case(
            checks::HEST_RECORDS,
            &[&one(generic("0000", "ffff", "00000000", place, NOTIFICATION))],
            &[&good],
        ),
        case(
            checks::HEST_SINGLE,
            &[&hest(2, &format!("{} {}", nmi("0000"), nmi("0100")))],
            &[&one(nmi("0000"))],
        ),
        case(
            checks::HEST_SOURCE_ID,
            &[&hest(
                2,
                &format!(
                    "{} {}",
                    nmi("0000"),
                    generic("0000", "ffff", "01000000", place, NOTIFICATION)
                ),
            )],
            &[&hest(
                2,
                &format!(
                    "{} {}",
                    nmi("0000"),
                    generic("0100", "0000", "01000000", place, NOTIFICATION)
                ),
            )],
        ),
        case(
            checks::HEST_SOURCE_ID,
            &[&one(generic("0000", "0700", "01000000", place, NOTIFICATION))],
            &[&good],
        ),
        case(
            checks::HEST_ADDRESS,
            &[&one(generic(
                "0000",
                "ffff",
                "01000000",
                "0000000000000000",
                NOTIFICATION,
            ))],
            &[&good],
        ),
        case(
            checks::HEST_NOTIFICATION,
            &[&one(generic("0000", "ffff", "01000000", place, &odd))],
            &[&good],
        ),
        case(
            checks::HEST_BANK,
            &[&one(machine_check("05"))],
            &[&one(machine_check("01"))],
        ),
        case(
            checks::BERT_REGION,
            &[&bert("00000000", place)],
            &[&bert("00800000", place)],
        ),
        case(
            checks::BERT_REGION,
            &[&bert("00800000", "0000000000000000")],
            &[&bert("00800000", place)],
        ),
        case(
            checks::ERST_ENTRY,
            &[&erst(&instruction("0c", "03", "4"))],
            &[&erst(&stored)],
        ),
        case(
            checks::ERST_ENTRY,
            &[&erst(&instruction("00", "13", "4"))],
            &[&erst(&stored)],
        ),
        case(
            checks::ERST_ENTRY,
            &[&erst(&instruction("00", "03", "5"))],
            &[&erst(&stored)],
        ),
        case(
            checks::EINJ_ENTRY,
            &[&einj(&instruction("40", "02", "4"))],
            &[&einj(&injected)],
        ),
        case(
            checks::EINJ_ENTRY,
            &[&einj(&instruction("02", "06", "4"))],
            &[&einj(&injected)],
        ),
    ]
}
