//! What an object of the namespace is.

use super::ObjectId;

/// Kind of an object, with what its declaration says beside the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// The root, and the scopes that are there before any table is loaded.
    Scope,
    /// `Device`.
    Device,
    /// `Processor`.
    Processor {
        /// Its id, by which the MADT names it.
        id: u8,
        /// Address of its register block; 0 when it has none.
        block: u32,
        /// Length of the register block.
        length: u8,
    },
    /// `ThermalZone`.
    ThermalZone,
    /// `PowerResource`.
    PowerResource {
        /// Deepest system state in which it must stay on.
        level: u8,
        /// Order in which resources are switched.
        order: u16,
    },
    /// `Method`.
    Method {
        /// Number of arguments.
        arguments: u8,
        /// Only one thread may be in it.
        serialized: bool,
        /// Synchronisation level.
        sync: u8,
    },
    /// `Name`; its value is the second operand.
    Name,
    /// `OperationRegion` or `DataTableRegion`.
    OperationRegion {
        /// Address space, ACPI 6.5 table 5.183; `None` for a `DataTableRegion`.
        space: Option<u8>,
    },
    /// Named unit of a field list.
    FieldUnit {
        /// First bit in the region; in an index field, in the registers behind index and data.
        offset: u64,
        /// Its length.
        bits: u64,
        /// How it is reached.
        access: UnitAccess,
        /// Flags of the list: access type, lock, update rule.
        flags: u8,
    },
    /// `CreateField` and the like: part of a buffer.
    BufferField {
        /// Its length; `None` for `CreateField`, which computes it.
        bits: Option<u8>,
    },
    /// `Mutex`.
    Mutex {
        /// Synchronisation level.
        sync: u8,
    },
    /// `Event`.
    Event,
    /// `Alias`.
    Alias {
        /// The object it stands for, when there is one.
        target: Option<ObjectId>,
    },
    /// `External`, and nothing declares it.
    External {
        /// Object type, as `ObjectType` gives it; 0 when unknown.
        object_type: u8,
        /// Arguments, for a method.
        arguments: u8,
    },
    /// Nothing declares the path, but something stands below it.
    Missing,
}

/// How a field unit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitAccess {
    /// `Field`: in a region.
    Region(Option<ObjectId>),
    /// `IndexField`: the offset is written to the one, the value is behind the other.
    Index {
        /// Unit that takes the offset.
        index: Option<ObjectId>,
        /// Unit with the value.
        data: Option<ObjectId>,
    },
    /// `BankField`: a region, after a value is written to the unit that selects the bank.
    Bank {
        /// The region.
        region: Option<ObjectId>,
        /// Unit that selects the bank.
        bank: Option<ObjectId>,
    },
}

impl ObjectKind {
    /// One word for it, as in ASL.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Scope => "Scope",
            Self::Device => "Device",
            Self::Processor { .. } => "Processor",
            Self::ThermalZone => "ThermalZone",
            Self::PowerResource { .. } => "PowerResource",
            Self::Method { .. } => "Method",
            Self::Name => "Name",
            Self::OperationRegion { .. } => "OperationRegion",
            Self::FieldUnit { .. } => "FieldUnit",
            Self::BufferField { .. } => "BufferField",
            Self::Mutex { .. } => "Mutex",
            Self::Event => "Event",
            Self::Alias { .. } => "Alias",
            Self::External { .. } => "External",
            Self::Missing => "Missing",
        }
    }
}
