//! Every command line of docs/kdd.md is run, on a made-up Windows, or says why not.
//!
//! A command line stands in a fence ` ```sh ` (every line is one) or ` ```console ` (those behind a prompt).
//! Sources are told by the ending of their name and made for the test; ports, and addresses given by hand,
//! are put in place of the guide's. A line that serves is met by a debugger that is answered once. What
//! cannot be run here is marked in the line above its fence: `<!-- not run here: REASON -->`, or
//! `<!-- run by tests/live/NAME -->` with a script that is there.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

mod guide {
    pub mod debugger;
    pub mod folder;
    pub mod page;
}
#[path = "../kdd/tests/synthetic/mod.rs"]
mod synthetic;

use std::fs;
use std::path::Path;

use guide::folder::Folder;
use guide::page;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_command_line_of_the_guide_is_run_or_says_why_not() {
    let text = fs::read_to_string(root().join("docs/kdd.md")).unwrap();
    let page = page::read(&text, root());
    let mut wrong: Vec<String> = page.wrong.iter().map(|why| format!("docs/kdd.md:{why}")).collect();
    let folder = Folder::new();
    for line in &page.lines {
        if let Err(why) = folder.run(&line.text) {
            wrong.push(format!("docs/kdd.md:{}: {}: {why}", line.number, line.text));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(page.lines.len() >= 4, "only {} command lines run", page.lines.len());
    eprintln!("{} command lines run, {} marked", page.lines.len(), page.marked);
}

#[test]
fn every_command_can_be_run_on_every_kind_of_line() {
    let folder = Folder::new();
    for line in [
        "delid kdd info guest.raw --registers registers.txt --json",
        "delid kdd modules win.dmp",
        "kdd processes /var/tmp/guest.vmem",
        "delid kdd read guest.lime --va fffff80000000000 --length 64 # the image's begin",
        "delid kdd info --dtb 0x1aa000 '--kernel-base=fffff800`00000000' guest.avml",
        "delid kdd dump guest.kdump --kind kernel -o KERNEL.DMP",
        "delid kdd dump guest.kdump --kind bitmap -o KERNEL.DMP --force",
        "delid kdd serve guest.xlsave",
        "delid kdd serve guest.elf --listen 0.0.0.0:7777 --record session.txt",
        "delid kdd serve guest.elf --replay session.txt",
        "delid kdd decode session.txt",
        "delid kdd serve guest.elf --connect 192.0.2.1:5555",
        "delid kdd serve guest.elf --unix /run/kd.sock",
        "delid kdd serve guest.elf --unix-connect /run/vm.sock",
        "delid kdd serve guest.elf --pty",
        "delid kdd serve guest.elf --pty /tmp/kd --once",
        "delid kdd serve guest.elf --stdio",
        "delid kdd serve guest.elf --net 192.0.2.10:50000 --key 1.2.3.4",
        "delid kdd serve guest.elf --net=192.0.2.10:50000 --kdnet-version 4",
    ] {
        folder.run(line).unwrap_or_else(|why| panic!("{line}: {why}"));
    }
}

#[test]
fn what_does_not_do_what_it_says_fails() {
    let folder = Folder::new();
    for (line, why) in [
        ("delid kdd info guest.elf --no-such-option", "unexpected argument"),
        ("delid kdd info guest.elf | less", "more than one command"),
        ("delid kdd info guest.unknown", "not known which container"),
        ("delid kdd info qemu:/run/qmp.sock", "no running guest"),
        ("delid kdd serve xen:7", "no running guest"),
        ("windbg -k com:ipport=7777", "not known how to run"),
        ("delid kdd no-such-command guest.elf", "not known how to run"),
        ("delid kdd read guest.raw --pa ffffffff0000", "exit status: 1"),
        ("delid kdd serve guest.elf --no-such-option", "unexpected argument"),
        ("delid kdd dump guest.elf -o guest.elf --force", "exit status: 2"),
    ] {
        let error = folder.run(line).unwrap_err();
        assert!(error.contains(why), "{line}: {error}");
    }
}

#[test]
fn a_fence_without_mark_or_with_a_bad_one_is_told_with_its_line() {
    let text = "# Guide\n\
        \n```sh\n# a comment\ndelid kdd info guest.elf\ndelid kdd serve guest.elf \\\n  --once\n```\n\
        <!-- not run here: needs a hypervisor -->\n```sh\ndelid kdd info xen:1\nxl list\n```\n\
        <!-- run by tests/readme.rs -->\n```console\n$ virsh list\noutput\n```\n\
        <!-- not run here: -->\n```sh\na\n```\n\
        <!-- run by tests/no-such-script -->\n```sh\nb\n```\n\
        <!-- run by Cargo.toml -->\n```sh\nc\n```\n\
        \n    delid kdd info guest.elf\n\
        ```console\n$ delid kdd modules guest.elf\nnt\n# delid kdd info guest.raw\n```\n\
        ```\nd\n```\n\
        <!-- not run here: it is text -->\n```text\ne\n```\n\
        <!-- output of: delid kdd -->\n```text\n$ f\n```\n";
    let page = page::read(text, root());
    let lines: Vec<(usize, &str)> = page
        .lines
        .iter()
        .map(|line| (line.number, line.text.as_str()))
        .collect();
    let expected = [
        (5, "delid kdd info guest.elf"),
        (6, "delid kdd serve guest.elf --once"),
        (34, "delid kdd modules guest.elf"),
        (36, "delid kdd info guest.raw"),
    ];
    assert_eq!(lines, expected);
    assert_eq!(page.marked, 3);
    let numbers: Vec<&str> = page.wrong.iter().filter_map(|why| why.split(':').next()).collect();
    assert_eq!(numbers, ["20", "24", "28", "32", "38", "42"], "{:?}", page.wrong);
}

#[test]
fn words_are_those_of_a_shell_and_nothing_more() {
    let split = |text| page::words(text);
    let words = |list: &[&str]| Some(list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    assert_eq!(split("a 'b c' \"d\"e ''  # f"), words(&["a", "b c", "de", ""]));
    assert_eq!(split("a#b"), words(&["a#b"]));
    for text in ["a | b", "a > b", "a; b", "a $B", "a \"$B\"", "a `b`", "a 'b"] {
        assert_eq!(split(text), None, "{text}");
    }
}
