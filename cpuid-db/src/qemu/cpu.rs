//! A CPU as QEMU builds it: the model's definition, then properties in the order of the option, then
//! `+` and `-`, then what follows from them (target/i386/cpu.c: expand, filter, realize), on machine
//! type `pc` with one CPU.

use std::collections::BTreeMap;

use super::expand::{HYPERVISOR, VME};
use super::model::{self, Model};
use super::option::{Given, Value};
use crate::bits::{Bit, Words};
use crate::database::Database;
use crate::dialect::Dialect;
use crate::guest::Setting;

/// Which of QEMU's classes of CPU it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A model of the table.
    Model(&'static Model),
    /// `base`: nothing.
    Base,
    /// `max`: what the accelerator can do.
    Max,
    /// `host`: `max` of KVM.
    Host,
}

impl Class {
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "base" => Some(Self::Base),
            "max" => Some(Self::Max),
            "host" => Some(Self::Host),
            _ => model::model(name).map(Self::Model),
        }
    }

    pub const fn model(self) -> Option<&'static Model> {
        match self {
            Self::Model(model) => Some(model),
            _ => None,
        }
    }

    /// Takes its features from the accelerator.
    pub const fn is_max(self) -> bool {
        matches!(self, Self::Max | Self::Host)
    }
}

/// A CPU that is being built.
pub(super) struct Cpu<'d> {
    database: &'d Database,
    pub name: String,
    pub class: Class,
    pub features: Words,
    /// Bits that the option sets or clears itself.
    pub user: Words,
    pub filtered: Words,
    values: BTreeMap<&'static str, Value>,
}

impl<'d> Cpu<'d> {
    pub fn new(database: &'d Database, name: &str, class: Class) -> Self {
        let mut features = Words::default();
        if let Some(model) = class.model() {
            features = model.definition();
            features.set(HYPERVISOR, true);
            // TCG's default; an option may set it again.
            features.set(VME, false);
        }
        Self {
            database,
            name: name.to_owned(),
            class,
            features,
            user: Words::default(),
            filtered: Words::default(),
            values: BTreeMap::new(),
        }
    }

    /// Name of its type, as messages have it.
    pub fn type_name(&self) -> String {
        format!("{}-x86_64-cpu", self.name)
    }

    /// Sets a property.
    pub fn set(&mut self, name: &str, given: Given<'_>) -> Result<(), String> {
        let mut bits = self
            .database
            .lookup(Dialect::Qemu, name)
            .into_iter()
            .filter_map(crate::Field::bit)
            .peekable();
        if bits.peek().is_some() {
            let on = given.flag(name)?;
            for bit in bits {
                self.features.set(bit, on);
                self.user.set(bit, true);
            }
            return Ok(());
        }
        let type_name = self.type_name();
        let property = model::property(name)
            .filter(|property| !property.only_max || self.class.is_max())
            .ok_or_else(|| format!("Property '{type_name}.{name}' not found"))?;
        let value = given.value(property, name, &type_name)?;
        let canonical = match property.name {
            "lbr_fmt" => "lbr-fmt",
            name => name,
        };
        self.values.insert(canonical, value);
        Ok(())
    }

    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.values.get(name)? {
            Value::Flag(value) => Some(*value),
            _ => None,
        }
    }

    pub fn number(&self, name: &str) -> Option<u32> {
        match self.values.get(name)? {
            Value::Number(value) => u32::try_from(*value).ok(),
            _ => None,
        }
    }

    pub fn signed(&self, name: &str) -> Option<i32> {
        match self.values.get(name)? {
            Value::Number(value) => i32::try_from(*value).ok(),
            _ => None,
        }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        match self.values.get(name)? {
            Value::Text(value) => Some(value),
            _ => None,
        }
    }

    /// Vendor; empty for `base`.
    pub fn vendor(&self) -> &str {
        let default = match self.class {
            Class::Model(model) => model.vendor,
            Class::Max => "AuthenticAMD",
            Class::Base | Class::Host => "",
        };
        self.text("vendor").unwrap_or(default)
    }

    /// Family, model number and stepping.
    pub fn signature(&self) -> [u32; 3] {
        let default = match self.class {
            Class::Model(model) => [model.family, model.model_number, model.stepping],
            Class::Max if self.number("family").unwrap_or(0) == 0 => [6, 6, 3],
            _ => [0; 3],
        };
        let mut result = default;
        for (value, name) in result.iter_mut().zip(["family", "model", "stepping"]) {
            *value = self.number(name).unwrap_or(*value);
        }
        result
    }

    /// Bits that the option set or cleared itself.
    pub fn user_bits(&self) -> Vec<Bit> {
        self.user.bits().collect()
    }

    /// The same, with what it made of them.
    pub fn user_settings(&self) -> BTreeMap<Bit, Setting> {
        let setting = |bit| {
            if self.features.has(bit) {
                Setting::On
            } else {
                Setting::Off
            }
        };
        self.user.bits().map(|bit| (bit, setting(bit))).collect()
    }
}
