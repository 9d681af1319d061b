//! Opening the source that a command names.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Error;
use crate::guest::Guest;
use crate::memory::source::FileSource;
use crate::memory::{Gpa, Gva, Source};
use crate::target::{self, Input, Options, Target, live, raw::Layout};
use crate::windows::Given;

/// The guest that a command is about, and what is given by hand.
#[derive(Clone, Debug, clap::Args)]
pub struct Of {
    /// A capture of a guest: raw memory, an ELF core of QEMU or VirtualBox, kdump, a Windows dump, xl save,
    /// xl dump-core, LiME, AVML, VMware, a QEMU migration stream; told by its content. Or a running guest:
    /// qemu:SOCKET with its QMP socket, xen:DOMAIN with its number or name
    #[arg(value_name = "SOURCE")]
    pub source: PathBuf,
    /// Registers that the source does not hold: what "info registers -a" of QEMU's monitor printed, or lines NAME=VALUE
    #[arg(long, value_name = "FILE", help_heading = "Given by hand")]
    pub registers: Option<PathBuf>,
    /// Raw image: size of the memory below 4 GiB; what follows in the file lies from 4 GiB on
    #[arg(long, value_name = "BYTES", value_parser = bytes, help_heading = "Given by hand")]
    pub below_4g: Option<u64>,
    /// Page directory of the kernel (physical address)
    #[arg(long, value_name = "ADDRESS", value_parser = address, help_heading = "Given by hand")]
    pub dtb: Option<u64>,
    /// Base of the kernel's image (virtual address)
    #[arg(long, value_name = "ADDRESS", value_parser = address, help_heading = "Given by hand")]
    pub kernel_base: Option<u64>,
    /// The debugger data block, KDDEBUGGER_DATA64 (virtual address)
    #[arg(long, value_name = "ADDRESS", value_parser = address, help_heading = "Given by hand")]
    pub kdbg: Option<u64>,
}

impl Of {
    /// Name for messages.
    pub(super) fn name(&self) -> String {
        self.source.display().to_string()
    }

    /// Opens the guest and looks for its Windows.
    pub(super) fn open(&self) -> Result<Guest, Error> {
        let given = self.given();
        Ok(Guest::new(self.target()?, &given))
    }

    /// Opens the source alone.
    pub(super) fn target(&self) -> Result<Box<dyn Target>, Error> {
        if !self.source.exists()
            && let Some(target) = live::open(&self.name(), &guarded())
        {
            return Ok(target?);
        }
        let options = Options {
            layout: Layout {
                below_4g: self.below_4g,
            },
        };
        Ok(Box::new(target::open_with(&self.input()?, &options)?))
    }

    fn given(&self) -> Given {
        Given {
            directory: self.dtb.map(Gpa),
            kernel_base: self.kernel_base.map(Gva),
            kdbg: self.kdbg.map(Gva),
        }
    }

    fn input(&self) -> Result<Input, Error> {
        let registers = self.registers.as_deref().map(|path| {
            let bytes = fs::read(path).map_err(Error::read(path))?;
            Ok::<_, Error>(String::from_utf8_lossy(&bytes).into_owned())
        });
        Ok(Input {
            name: self.name(),
            bytes: open(&self.source)?,
            beside: beside(&self.source),
            registers: registers.transpose()?,
        })
    }
}

/// A guest that this process holds is put right when it is killed.
fn guarded() -> live::Options {
    live::Options {
        guard: std::env::current_exe().ok(),
    }
}

fn open(path: &Path) -> Result<Source, Error> {
    let file = File::open(path).map_err(Error::read(path))?;
    if !file.metadata().map_err(Error::read(path))?.is_file() {
        return Err(Error::refused(path, "expected a file, seen something else"));
    }
    Ok(Arc::new(FileSource::new(file).map_err(Error::read(path))?))
}

/// The other file of VMware's pair, of the same stem: memory beside a state, a state beside memory. Here names
/// count, since a memory file has no mark.
fn beside(path: &Path) -> Vec<(String, Source)> {
    let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
    let others: &[&str] = match extension.as_ref().and_then(|extension| extension.to_str()) {
        Some("vmem") => &["vmss", "vmsn"],
        Some("vmss" | "vmsn") => &["vmem"],
        _ => &[],
    };
    let files = others.iter().filter_map(|extension| {
        let source = open(&path.with_extension(extension)).ok()?;
        Some(((*extension).to_owned(), source))
    });
    files.collect()
}

/// A number with or without `0x`, and with the backquote that WinDbg writes into addresses.
pub(super) fn address(text: &str) -> Result<u64, String> {
    let digits = text.replace('`', "");
    let digits = digits.strip_prefix("0x").unwrap_or(&digits);
    u64::from_str_radix(digits, 16).map_err(|error| format!("expected a hexadecimal address: {error}"))
}

/// A size: `4096`, `0x1000`, `2G`, `512M`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (text.get(..text.len() - 1), 10),
        Some(b'm' | b'M') => (text.get(..text.len() - 1), 20),
        Some(b'g' | b'G') => (text.get(..text.len() - 1), 30),
        _ => (Some(text), 0),
    };
    let digits = digits.unwrap_or_default();
    let number = match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    let number = number.map_err(|error| format!("expected a number of bytes, or one with K, M or G: {error}"))?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| "expected less than 2^64 bytes".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_as_windbg_writes_them() {
        assert_eq!(address("fffff803`12000000"), Ok(0xffff_f803_1200_0000));
        assert_eq!(address("0x1ad000"), Ok(0x1a_d000));
        assert!(address("nt").is_err());
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("2G"), Ok(2 << 30));
        assert_eq!(bytes("0x1000"), Ok(4096));
        assert_eq!(bytes("96M"), Ok(96 << 20));
        assert!(bytes("17179869184G").is_err());
        assert!(bytes("x").is_err());
    }
}
