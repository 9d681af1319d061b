//! Tells what a text about `cpuid=` is: a whole configuration, a value as it stands in one, or the bare
//! string.

use crate::xen::domain::Domain;
use crate::xen::features::Features;
use crate::xen::xl::{self, Outcome};
use crate::xen::xlcfg::{Config, Text, Value};

/// A text, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The configuration; a bare value is one with `cpuid` alone.
    pub config: Config,
    /// The text is a configuration and not a bare value.
    pub is_config: bool,
}

impl Source {
    /// Reads a configuration (`cpuid=…`, a whole xl.cfg), a value (`"host,…"`, `["1:ecx=…"]`) or a string
    /// (`host,aes=0`).
    #[must_use]
    pub fn read(text: &str) -> Self {
        let trimmed = text.trim_start();
        if trimmed.starts_with(['[', '"', '\'']) {
            // As the right side of an assignment; the places are moved back after.
            let config = Config::read(&format!("cpuid={text}\n"));
            return Self {
                config: moved(config, "cpuid=".len()),
                is_config: false,
            };
        }
        if looks_like_config(text) {
            return Self {
                config: Config::read(text),
                is_config: true,
            };
        }
        let line = text.trim_end_matches(['\n', '\r']);
        let setting = xl_setting(Value::Text(Text::plain(line, 0)));
        Self {
            config: Config {
                settings: vec![setting],
                ..Config::default()
            },
            is_config: false,
        }
    }

    /// The guest it asks for, and what xl makes of its `cpuid=`.
    pub fn domain(&self, features: &Features) -> Result<(Domain, Outcome), String> {
        xl::domain(features, &self.config)
    }
}

fn xl_setting(value: Value) -> crate::xen::xlcfg::Setting {
    crate::xen::xlcfg::Setting {
        name: "cpuid".to_owned(),
        value,
        at: 0,
    }
}

/// A line `cpuid = "…"`, or several lines of which one assigns a quoted string, a list or a number.
fn looks_like_config(text: &str) -> bool {
    let assigns = |line: &str| {
        let line = line.trim_start();
        let end = line
            .find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || "._".contains(c)))
            .unwrap_or(line.len());
        let (name, rest) = line.split_at_checked(end)?;
        let rest = rest.trim_start();
        let value = rest.strip_prefix("+=").or_else(|| rest.strip_prefix('='))?.trim_start();
        let begins_so = value.starts_with(['"', '\'', '[']) || value.starts_with(|c: char| c.is_ascii_digit());
        (!name.is_empty() && begins_so).then_some(name == "cpuid" || !value.starts_with(|c: char| c.is_ascii_digit()))
    };
    let named: Vec<bool> = text.lines().filter_map(assigns).collect();
    named.contains(&true) || (named.len() > 1 && text.lines().count() > 1)
}

/// Places of a value that was read with a prefix the text does not have.
fn moved(mut config: Config, by: usize) -> Config {
    fn value(this: &mut Value, by: usize) {
        match this {
            Value::Text(text) => {
                text.end = text.end.saturating_sub(by);
                for place in &mut text.places {
                    *place = place.saturating_sub(by);
                }
            }
            Value::List(items) => items.iter_mut().for_each(|item| value(item, by)),
        }
    }
    for setting in &mut config.settings {
        setting.at = setting.at.saturating_sub(by);
        value(&mut setting.value, by);
    }
    for error in &mut config.errors {
        error.at = error.at.saturating_sub(by);
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpuid(text: &str) -> (bool, String) {
        let source = Source::read(text);
        let value = match &source.config.get("cpuid").unwrap().value {
            Value::Text(text) => text.value.clone(),
            Value::List(items) => format!("list of {}", items.len()),
        };
        (source.is_config, value)
    }

    #[test]
    fn strings_values_and_configurations_are_told_apart() {
        assert_eq!(cpuid("host,aes=0\n"), (false, "host,aes=0".to_owned()));
        assert_eq!(cpuid("\"host,aes=0\""), (false, "host,aes=0".to_owned()));
        assert_eq!(cpuid("['1:eax=', 'x']"), (false, "list of 2".to_owned()));
        assert_eq!(cpuid("cpuid = 'host'"), (true, "host".to_owned()));
        assert_eq!(cpuid("maxleaf=7"), (false, "maxleaf=7".to_owned()));
        assert_eq!(cpuid("type='pv'\ncpuid=5\n"), (true, "5".to_owned()));
    }

    #[test]
    fn places_of_a_bare_value_are_its_own() {
        let source = Source::read("\"host\"");
        assert_eq!(source.config.text("cpuid").unwrap().place(0), 1);
    }
}
