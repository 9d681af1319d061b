//! `delid kdd list`: the running guests of this host.

use std::io::Write;
use std::path::Path;

use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Error, rows};
use crate::target::{qemu_live, xen_live};

/// `delid kdd list`.
#[derive(Clone, Debug, Parser)]
pub struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(JsonSchema, Serialize)]
pub(super) struct Shown {
    /// Guests of QEMU and KVM.
    qemu: Vec<qemu_live::Found>,
    /// Domains of Xen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    xen: Vec<xen_live::Domain>,
    /// Why Xen was not asked, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    xen_missing: Option<String>,
}

impl List {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let shown = found();
        if self.json {
            super::json(out, &shown)?;
            return Ok(0);
        }
        let mut lines: Vec<Vec<String>> = shown.qemu.iter().map(of_qemu).collect();
        lines.extend(shown.xen.iter().map(of_xen));
        if lines.is_empty() {
            eprintln!("no running guest of QEMU, KVM or Xen is seen here");
        } else {
            rows::print(&["SOURCE", "NAME", "KIND", ">MEMORY", "WHAT CAN BE DONE"], &lines, out)?;
        }
        for guest in &shown.qemu {
            for missing in &guest.missing {
                writeln!(out, "process {}: {missing}", guest.pid)?;
            }
        }
        if let Some(why) = &shown.xen_missing {
            eprintln!("Xen: {why}");
        }
        Ok(0)
    }
}

fn found() -> Shown {
    let (xen, xen_missing) = match xen_live::find() {
        Ok(domains) => (domains, None),
        // Where there is no Xen, nothing is missing.
        Err(error) => (Vec::new(), Path::new("/proc/xen").exists().then(|| error.to_string())),
    };
    Shown {
        qemu: qemu_live::find(),
        xen,
        xen_missing,
    }
}

fn of_qemu(guest: &qemu_live::Found) -> Vec<String> {
    let source = match guest.sockets.first() {
        Some(socket) => format!("qemu:{}", socket.display()),
        None => format!("process {}", guest.pid),
    };
    let can = match (guest.usable, guest.shared_memory) {
        (true, true) => "run, step, break, write",
        (true, false) => "run, step, break, write; memory through QEMU's process",
        (false, _) => "nothing, see below",
    };
    let memory = guest.memory.map(rows::size).unwrap_or_default();
    let name = guest.name.clone().unwrap_or_default();
    let kind = format!("QEMU, {}", guest.accelerator);
    vec![source, name, kind, memory, can.to_owned()]
}

fn of_xen(domain: &xen_live::Domain) -> Vec<String> {
    let can = match (domain.kind, domain.id) {
        _ if domain.state == xen_live::State::Dying => "nothing, it is being destroyed",
        (_, 0) => "nothing, it is this system",
        (xen_live::Kind::Pv, _) => "xl dump-core or xl save, then serve that",
        _ if domain.debugged => "read, run, write; another debugger is attached",
        _ => "run, step, break, write",
    };
    let memory = rows::size(domain.memory);
    let name = domain.name.clone().unwrap_or_default();
    let kind = format!("Xen, {}, {}", domain.kind.name(), domain.state.name());
    vec![format!("xen:{}", domain.id), name, kind, memory, can.to_owned()]
}
