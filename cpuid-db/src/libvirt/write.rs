//! A definition as the text libvirt writes for it.

use std::fmt::{self, Write as _};

use super::cpu::{Check, Kind, LibvirtCpu, Mode};

/// Text with the characters that XML takes for its own replaced, as libvirt does it.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&apos;")?,
                control if control.is_control() && !matches!(control, '\t' | '\n' | '\r') => {}
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

const fn on_off(value: bool) -> &'static str {
    if value { "on" } else { "off" }
}

impl LibvirtCpu {
    /// The `<cpu>` element, with a line feed at its end.
    #[must_use]
    pub fn to_xml(&self) -> String {
        let mut body = String::new();
        // Writing to a String does not fail.
        let _ = self.body(&mut body);
        let attributes = self.attributes();
        if body.is_empty() {
            return format!("<cpu{attributes}/>\n");
        }
        format!("<cpu{attributes}>\n{body}</cpu>\n")
    }

    fn attributes(&self) -> String {
        let mut out = String::new();
        if self.kind == Kind::Host || (self.mode == Mode::Custom && self.model.is_none()) {
            return out;
        }
        let _ = write!(out, " mode='{}'", self.mode.name());
        if self.mode == Mode::Custom {
            let _ = write!(out, " match='{}'", self.matching.name());
        }
        if self.check != Check::Default {
            let _ = write!(out, " check='{}'", self.check.name());
        }
        if let (Mode::HostPassthrough | Mode::Maximum, Some(migratable)) = (self.mode, self.migratable) {
            let _ = write!(out, " migratable='{}'", on_off(migratable));
        }
        if let Some(deprecated) = self.deprecated_features {
            let _ = write!(out, " deprecated_features='{}'", on_off(deprecated));
        }
        out
    }

    fn body(&self, out: &mut String) -> fmt::Result {
        let guest = self.kind == Kind::Guest;
        if let (false, Some(arch)) = (guest, &self.arch) {
            writeln!(out, "  <arch>{}</arch>", Escaped(arch))?;
        }
        if !guest || matches!(self.mode, Mode::Custom | Mode::HostModel) {
            self.model_and_vendor(out)?;
        }
        if !guest {
            self.host_only(out)?;
        }
        if let Some(t) = &self.topology {
            writeln!(
                out,
                "  <topology sockets='{}' dies='{}' clusters='{}' cores='{}' threads='{}'/>",
                t.sockets, t.dies, t.clusters, t.cores, t.threads
            )?;
        }
        if let Some(cache) = &self.cache {
            out.push_str("  <cache ");
            if let Some(level) = cache.level {
                write!(out, "level='{level}' ")?;
            }
            writeln!(out, "mode='{}'/>", cache.mode.name())?;
        }
        if let Some(address) = &self.address {
            write!(out, "  <maxphysaddr mode='{}'", address.mode.name())?;
            if let Some(bits) = address.bits {
                write!(out, " bits='{bits}'")?;
            }
            if let Some(limit) = address.limit {
                write!(out, " limit='{limit}'")?;
            }
            out.push_str("/>\n");
        }
        for feature in &self.features {
            match feature.policy.filter(|_| guest) {
                Some(policy) => writeln!(
                    out,
                    "  <feature policy='{}' name='{}'/>",
                    policy.name(),
                    Escaped(&feature.name)
                )?,
                None => writeln!(out, "  <feature name='{}'/>", Escaped(&feature.name))?,
            }
        }
        Ok(())
    }

    fn model_and_vendor(&self, out: &mut String) -> fmt::Result {
        let guest = self.kind == Kind::Guest;
        let vendor_id = self.vendor_id.as_ref().filter(|_| guest);
        if self.model.is_some() || vendor_id.is_some() {
            out.push_str("  <model");
            if guest && self.model.is_some() {
                write!(out, " fallback='{}'", self.fallback.name())?;
            }
            if let Some(vendor_id) = vendor_id {
                write!(out, " vendor_id='{}'", Escaped(vendor_id))?;
            }
            match &self.model {
                Some(model) => writeln!(out, ">{}</model>", Escaped(model))?,
                None => out.push_str("/>\n"),
            }
        }
        if let Some(vendor) = &self.vendor {
            writeln!(out, "  <vendor>{}</vendor>", Escaped(vendor))?;
        }
        Ok(())
    }

    fn host_only(&self, out: &mut String) -> fmt::Result {
        if let Some(version) = self.microcode.filter(|version| *version != 0) {
            writeln!(out, "  <microcode version='{version}'/>")?;
        }
        if let Some(s) = self.signature.filter(|signature| signature.family != 0) {
            writeln!(
                out,
                "  <signature family='{}' model='{}' stepping='{}'/>",
                s.family, s.model, s.stepping
            )?;
        }
        if let Some(tsc) = &self.tsc {
            write!(out, "  <counter name='tsc' frequency='{}'", tsc.frequency)?;
            if let Some(scaling) = tsc.scaling {
                write!(out, " scaling='{}'", if scaling { "yes" } else { "no" })?;
            }
            out.push_str("/>\n");
        }
        Ok(())
    }
}
