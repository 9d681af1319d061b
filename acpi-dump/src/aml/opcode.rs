//! Every AML opcode with its operands, as a table. ACPI 6.5, sections 20.2.3 to 20.2.5 and 20.3.

use std::sync::LazyLock;

use Operand::{Byte, DWord, Data, Name as Path, QWord, Super, Target, Term, Text, Word};

/// What an opcode, or a term without one, is. Names are those of ASL.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    Zero,
    One,
    Alias,
    Name,
    ByteConst,
    WordConst,
    DWordConst,
    StringConst,
    QWordConst,
    Scope,
    Buffer,
    Package,
    VarPackage,
    Method,
    External,
    Local0,
    Local1,
    Local2,
    Local3,
    Local4,
    Local5,
    Local6,
    Local7,
    Arg0,
    Arg1,
    Arg2,
    Arg3,
    Arg4,
    Arg5,
    Arg6,
    Store,
    RefOf,
    Add,
    Concatenate,
    Subtract,
    Increment,
    Decrement,
    Multiply,
    Divide,
    ShiftLeft,
    ShiftRight,
    And,
    NAnd,
    Or,
    NOr,
    XOr,
    Not,
    FindSetLeftBit,
    FindSetRightBit,
    DerefOf,
    ConcatenateResTemplate,
    Mod,
    Notify,
    SizeOf,
    Index,
    Match,
    CreateDWordField,
    CreateWordField,
    CreateByteField,
    CreateBitField,
    ObjectType,
    CreateQWordField,
    LAnd,
    LOr,
    LNot,
    LEqual,
    LGreater,
    LLess,
    ToBuffer,
    ToDecimalString,
    ToHexString,
    ToInteger,
    ToString,
    CopyObject,
    Mid,
    Continue,
    If,
    Else,
    While,
    Noop,
    Return,
    Break,
    BreakPoint,
    Ones,
    Mutex,
    Event,
    CondRefOf,
    CreateField,
    LoadTable,
    Load,
    Stall,
    Sleep,
    Acquire,
    Signal,
    Wait,
    Reset,
    Release,
    FromBCD,
    ToBCD,
    Unload,
    Revision,
    Debug,
    Fatal,
    Timer,
    OperationRegion,
    Field,
    Device,
    Processor,
    PowerResource,
    ThermalZone,
    IndexField,
    BankField,
    DataTableRegion,
    /// The whole table: its children are the terms of the definition block.
    Root,
    /// A name used as an operand or as an element of a package; no call.
    NameRef,
    /// A call: first child is the name ([`Op::NameRef`]), the others are its arguments.
    Call,
    /// The null name (one zero byte) where a target or name may be left out.
    NullName,
    /// A raw number inside another opcode (flags, a package's element count); 1, 2, 4 or 8 bytes.
    Raw,
    /// The bytes of a Buffer after its size operand.
    ByteList,
    /// Field list: a named unit; [`super::Node::value`] is its length in bits.
    FieldUnit,
    /// Field list: bits without a name (offset); [`super::Node::value`] is their number.
    FieldReserved,
    /// Field list: access type and attribute change (AccessField, 0x01); value is type | attribute << 8.
    FieldAccess,
    /// Field list: extended access (0x03); value is type | attribute << 8 | length << 16.
    FieldExtendedAccess,
    /// Field list: connection (0x02); its child is a name or a buffer.
    FieldConnection,
    /// Bytes that could not be read; a fault of the tree says why.
    Damaged,
}

/// How one operand is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A name string, never a call.
    Name,
    /// One raw byte.
    Byte,
    /// Two raw bytes.
    Word,
    /// Four raw bytes.
    DWord,
    /// Eight raw bytes.
    QWord,
    /// Characters up to a zero byte.
    Text,
    /// TermArg: an expression, a constant, a local, an argument, a name or a call.
    Term,
    /// SuperName: a name, local, argument, Debug, or a reference expression; a name is no call.
    Super,
    /// As `Super`, or the null name.
    Target,
    /// DataRefObject: constant, buffer, package or name.
    Data,
}

/// What follows the operands up to the end that PkgLength gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing; the opcode has no PkgLength.
    None,
    /// Terms.
    Terms,
    /// Raw bytes.
    Bytes,
    /// Elements of a package.
    Elements,
    /// Field units.
    Fields,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct OpInfo {
    /// Which.
    pub op: Op,
    /// Encoded value; two bytes when above 0xFF (first 0x5B).
    pub code: u16,
    /// Operands in order.
    pub operands: &'static [Operand],
    /// What follows; anything but `None` means that a PkgLength stands before the operands.
    pub body: Body,
}

const fn row(op: Op, code: u16, operands: &'static [Operand], body: Body) -> OpInfo {
    OpInfo {
        op,
        code,
        operands,
        body,
    }
}

/// The table, in order of code.
pub const OPCODES: &[OpInfo] = {
    use Op::*;
    &[
        row(Zero, 0x00, &[], Body::None),
        row(One, 0x01, &[], Body::None),
        row(Alias, 0x06, &[Path, Path], Body::None),
        row(Name, 0x08, &[Path, Data], Body::None),
        row(ByteConst, 0x0A, &[Byte], Body::None),
        row(WordConst, 0x0B, &[Word], Body::None),
        row(DWordConst, 0x0C, &[DWord], Body::None),
        row(StringConst, 0x0D, &[Text], Body::None),
        row(QWordConst, 0x0E, &[QWord], Body::None),
        row(Scope, 0x10, &[Path], Body::Terms),
        row(Buffer, 0x11, &[Term], Body::Bytes),
        row(Package, 0x12, &[Byte], Body::Elements),
        row(VarPackage, 0x13, &[Term], Body::Elements),
        row(Method, 0x14, &[Path, Byte], Body::Terms),
        row(External, 0x15, &[Path, Byte, Byte], Body::None),
        row(Local0, 0x60, &[], Body::None),
        row(Local1, 0x61, &[], Body::None),
        row(Local2, 0x62, &[], Body::None),
        row(Local3, 0x63, &[], Body::None),
        row(Local4, 0x64, &[], Body::None),
        row(Local5, 0x65, &[], Body::None),
        row(Local6, 0x66, &[], Body::None),
        row(Local7, 0x67, &[], Body::None),
        row(Arg0, 0x68, &[], Body::None),
        row(Arg1, 0x69, &[], Body::None),
        row(Arg2, 0x6A, &[], Body::None),
        row(Arg3, 0x6B, &[], Body::None),
        row(Arg4, 0x6C, &[], Body::None),
        row(Arg5, 0x6D, &[], Body::None),
        row(Arg6, 0x6E, &[], Body::None),
        row(Store, 0x70, &[Term, Super], Body::None),
        row(RefOf, 0x71, &[Super], Body::None),
        row(Add, 0x72, &[Term, Term, Target], Body::None),
        row(Concatenate, 0x73, &[Term, Term, Target], Body::None),
        row(Subtract, 0x74, &[Term, Term, Target], Body::None),
        row(Increment, 0x75, &[Super], Body::None),
        row(Decrement, 0x76, &[Super], Body::None),
        row(Multiply, 0x77, &[Term, Term, Target], Body::None),
        row(Divide, 0x78, &[Term, Term, Target, Target], Body::None),
        row(ShiftLeft, 0x79, &[Term, Term, Target], Body::None),
        row(ShiftRight, 0x7A, &[Term, Term, Target], Body::None),
        row(And, 0x7B, &[Term, Term, Target], Body::None),
        row(NAnd, 0x7C, &[Term, Term, Target], Body::None),
        row(Or, 0x7D, &[Term, Term, Target], Body::None),
        row(NOr, 0x7E, &[Term, Term, Target], Body::None),
        row(XOr, 0x7F, &[Term, Term, Target], Body::None),
        row(Not, 0x80, &[Term, Target], Body::None),
        row(FindSetLeftBit, 0x81, &[Term, Target], Body::None),
        row(FindSetRightBit, 0x82, &[Term, Target], Body::None),
        row(DerefOf, 0x83, &[Term], Body::None),
        row(ConcatenateResTemplate, 0x84, &[Term, Term, Target], Body::None),
        row(Mod, 0x85, &[Term, Term, Target], Body::None),
        row(Notify, 0x86, &[Super, Term], Body::None),
        row(SizeOf, 0x87, &[Super], Body::None),
        row(Index, 0x88, &[Term, Term, Target], Body::None),
        row(Match, 0x89, &[Term, Byte, Term, Byte, Term, Term], Body::None),
        row(CreateDWordField, 0x8A, &[Term, Term, Path], Body::None),
        row(CreateWordField, 0x8B, &[Term, Term, Path], Body::None),
        row(CreateByteField, 0x8C, &[Term, Term, Path], Body::None),
        row(CreateBitField, 0x8D, &[Term, Term, Path], Body::None),
        row(ObjectType, 0x8E, &[Super], Body::None),
        row(CreateQWordField, 0x8F, &[Term, Term, Path], Body::None),
        row(LAnd, 0x90, &[Term, Term], Body::None),
        row(LOr, 0x91, &[Term, Term], Body::None),
        row(LNot, 0x92, &[Term], Body::None),
        row(LEqual, 0x93, &[Term, Term], Body::None),
        row(LGreater, 0x94, &[Term, Term], Body::None),
        row(LLess, 0x95, &[Term, Term], Body::None),
        row(ToBuffer, 0x96, &[Term, Target], Body::None),
        row(ToDecimalString, 0x97, &[Term, Target], Body::None),
        row(ToHexString, 0x98, &[Term, Target], Body::None),
        row(ToInteger, 0x99, &[Term, Target], Body::None),
        row(ToString, 0x9C, &[Term, Term, Target], Body::None),
        row(CopyObject, 0x9D, &[Term, Super], Body::None),
        row(Mid, 0x9E, &[Term, Term, Term, Target], Body::None),
        row(Continue, 0x9F, &[], Body::None),
        row(If, 0xA0, &[Term], Body::Terms),
        row(Else, 0xA1, &[], Body::Terms),
        row(While, 0xA2, &[Term], Body::Terms),
        row(Noop, 0xA3, &[], Body::None),
        row(Return, 0xA4, &[Term], Body::None),
        row(Break, 0xA5, &[], Body::None),
        row(BreakPoint, 0xCC, &[], Body::None),
        row(Ones, 0xFF, &[], Body::None),
        row(Mutex, 0x5B01, &[Path, Byte], Body::None),
        row(Event, 0x5B02, &[Path], Body::None),
        row(CondRefOf, 0x5B12, &[Super, Target], Body::None),
        row(CreateField, 0x5B13, &[Term, Term, Term, Path], Body::None),
        row(LoadTable, 0x5B1F, &[Term, Term, Term, Term, Term, Term], Body::None),
        row(Load, 0x5B20, &[Super, Super], Body::None),
        row(Stall, 0x5B21, &[Term], Body::None),
        row(Sleep, 0x5B22, &[Term], Body::None),
        row(Acquire, 0x5B23, &[Super, Word], Body::None),
        row(Signal, 0x5B24, &[Super], Body::None),
        row(Wait, 0x5B25, &[Super, Term], Body::None),
        row(Reset, 0x5B26, &[Super], Body::None),
        row(Release, 0x5B27, &[Super], Body::None),
        row(FromBCD, 0x5B28, &[Term, Target], Body::None),
        row(ToBCD, 0x5B29, &[Term, Target], Body::None),
        row(Unload, 0x5B2A, &[Super], Body::None),
        row(Revision, 0x5B30, &[], Body::None),
        row(Debug, 0x5B31, &[], Body::None),
        row(Fatal, 0x5B32, &[Byte, DWord, Term], Body::None),
        row(Timer, 0x5B33, &[], Body::None),
        row(OperationRegion, 0x5B80, &[Path, Byte, Term, Term], Body::None),
        row(Field, 0x5B81, &[Path, Byte], Body::Fields),
        row(Device, 0x5B82, &[Path], Body::Terms),
        row(Processor, 0x5B83, &[Path, Byte, DWord, Byte], Body::Terms),
        row(PowerResource, 0x5B84, &[Path, Byte, Word], Body::Terms),
        row(ThermalZone, 0x5B85, &[Path], Body::Terms),
        row(IndexField, 0x5B86, &[Path, Path, Byte], Body::Fields),
        row(BankField, 0x5B87, &[Path, Path, Term, Byte], Body::Fields),
        row(DataTableRegion, 0x5B88, &[Path, Term, Term, Term], Body::None),
    ]
};

/// Row of an encoded opcode.
#[must_use]
pub fn by_code(code: u16) -> Option<&'static OpInfo> {
    static ROWS: LazyLock<[Option<&'static OpInfo>; 0x200]> =
        LazyLock::new(|| std::array::from_fn(|place| OPCODES.iter().find(|info| slot(info.code) == Some(place))));
    *ROWS.get(slot(code)?)?
}

/// Place of a code among the codes of one byte, then those of two.
fn slot(code: u16) -> Option<usize> {
    let [first, second] = code.to_be_bytes();
    match first {
        0 => Some(usize::from(second)),
        0x5b => Some(usize::from(second) | 0x100),
        _ => None,
    }
}

impl Op {
    /// Row of this opcode; `None` for terms that have no opcode of their own.
    #[must_use]
    pub fn info(self) -> Option<&'static OpInfo> {
        OPCODES.iter().find(|info| info.op == self)
    }

    /// Number of the operand that is the name declared (for `Scope`: opened); `None` when it declares none.
    #[must_use]
    pub fn declares(self) -> Option<usize> {
        use Op::*;
        match self {
            Name | Scope | Method | External | Mutex | Event | OperationRegion | DataTableRegion | Device
            | Processor | PowerResource | ThermalZone => Some(0),
            Alias => Some(1),
            CreateBitField | CreateByteField | CreateWordField | CreateDWordField | CreateQWordField => Some(2),
            CreateField => Some(3),
            _ => None,
        }
    }

    /// Whether the term has a value, so that it may be an operand or an element of a package.
    #[must_use]
    pub fn is_value(self) -> bool {
        use Op::*;
        !matches!(
            self,
            Alias
                | Name
                | Scope
                | Method
                | External
                | Notify
                | CreateDWordField
                | CreateWordField
                | CreateByteField
                | CreateBitField
                | CreateQWordField
                | CreateField
                | Continue
                | If
                | Else
                | While
                | Noop
                | Return
                | Break
                | BreakPoint
                | Mutex
                | Event
                | Stall
                | Sleep
                | Signal
                | Reset
                | Release
                | Unload
                | Fatal
                | OperationRegion
                | Field
                | Device
                | Processor
                | PowerResource
                | ThermalZone
                | IndexField
                | BankField
                | DataTableRegion
                | Root
                | NullName
                | Raw
                | ByteList
                | FieldUnit
                | FieldReserved
                | FieldAccess
                | FieldExtendedAccess
                | FieldConnection
                | Damaged
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_rise_so_that_the_search_finds_each() {
        for info in OPCODES {
            assert_eq!(by_code(info.code).unwrap().op, info.op);
        }
        assert!(OPCODES.windows(2).all(|pair| pair[0].code < pair[1].code));
    }

    #[test]
    fn bytes_without_meaning_have_no_row() {
        for code in [0x02, 0x5b, 0x6f, 0xfe, 0x5b00, 0x5bff] {
            assert!(by_code(code).is_none(), "{code:#x}");
        }
    }
}
