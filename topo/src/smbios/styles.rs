//! The table of DIMM naming styles, and the small matcher that reads it.
//!
//! A pattern is plain text, compared without regard to case, with these marks:
//!
//! | mark | stands for |
//! |---|---|
//! | `~` | any run of spaces, `_`, `-`, `.` and `,`, also none |
//! | `*` | the rest, whatever it is (only at the end) |
//! | `{s}` | processor socket number, `{S}` one digit of it |
//! | `{n}` | node or memory controller number |
//! | `{C}` | channel letter |
//! | `{c}` | channel number, `{K}` one digit of it |
//! | `{d}` | number of the slot in its channel, `{Z}` one digit of it |
//! | `{D}` | letter of the slot in its channel |
//! | `{L}` | letter of the processor socket |
//! | `{B}` | letter of a riser that carries several channels of a socket |
//! | `{P}` | designation of the processor, up to the last `/` |
//! | `{p}` | letter that gives the order of population |
//! | `{r}` | running number of the slot on its socket or board |
//! | `{w}` | a word of letters |
//! | `{_}` | a number that says nothing of the place |
//!
//! A row that no document bears out, only what is known of like boards or how machines are filled,
//! has "inferred" in its name, which goes with the place wherever that is shown.

/// What one locator text says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Socket number as written.
    pub socket: Option<u32>,
    /// Socket letter, A as 0.
    pub socket_letter: Option<u32>,
    /// Node, controller or memory board number as written.
    pub node: Option<u32>,
    /// Letter of the riser.
    pub board: Option<char>,
    /// Designation of the processor.
    pub path: Option<String>,
    /// Channel as written, letters in capitals.
    pub channel: Option<String>,
    /// Slot in its channel; letters count from 1.
    pub slot: Option<u32>,
    /// Running number.
    pub running: Option<u32>,
    /// Letter of the order of population, A as 0.
    pub order: Option<u32>,
}

/// How running numbers fall on channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grouping {
    /// The channel is in the text.
    Named,
    /// The channel is in the text where the memory belongs to one processor or to the chipset; else
    /// the letter may be the socket.
    NamedOnOne,
    /// The channel is in the text where the memory belongs to a processor.
    NamedOnProcessor,
    /// The channel is in the text where the bank locators say the same.
    NamedByBank,
    /// Neighbouring numbers share a channel: 1 2 3, 4 5 6, …
    Neighbours,
    /// Numbers a channel count apart share a channel: 1 7, 2 8, …
    Stride,
    /// Numbers a channel count apart share a channel, on a machine of one processor.
    StrideOnOne,
    /// Letters a channel count apart share a channel: A E I, B F J, …
    Letters,
    /// Neighbouring numbers whose letters are every second one share a channel: 1A 2C, 3B 4D, …
    Lockstep,
    /// The channel of every slot of a socket, in the order of the numbers.
    Map(&'static [usize]),
}

/// One row of the table.
#[derive(Debug)]
pub(super) struct Style {
    /// Name of the row, for reports: the pattern in a reader's words.
    pub name: &'static str,
    /// The pattern.
    pub pattern: &'static str,
    /// How numbers fall on channels.
    pub grouping: Grouping,
    /// The row holds only where the system's or the board's maker or product contains one of
    /// these words; empty for any.
    pub only: &'static [&'static str],
    /// The row does not hold where one of these words is contained.
    pub never: &'static [&'static str],
}

const fn any(name: &'static str, pattern: &'static str) -> Style {
    Style {
        name,
        pattern,
        grouping: Grouping::Named,
        only: &[],
        never: &[],
    }
}

const fn row(
    name: &'static str,
    pattern: &'static str,
    grouping: Grouping,
    only: &'static [&'static str],
    never: &'static [&'static str],
) -> Style {
    Style {
        name,
        pattern,
        grouping,
        only,
        never,
    }
}

const DELL: &[&str] = &["dell"];
const HP: &[&str] = &["hp", "hewlett"];
const IBM: &[&str] = &["ibm", "lenovo"];
/// Makers whose letter is no channel: the processor at the one, the order of population at the other.
const LETTERED: &[&str] = &["dell", "hp", "hewlett"];
/// Boards of Supermicro for Opterons of sockets G34 and C32.
const H8: &[&str] = &["h8dg", "h8qg", "h8sg", "h8dc", "h8sc"];
const SUN: &[&str] = &["oracle", "sun microsystems"];
/// Makers whose letter after the number is not the slot of a numbered channel.
const NOT_NUMBERED: &[&str] = &["hp", "hewlett", "fujitsu", "dell"];

/// Styles of the device locator; the first row that explains the whole machine wins.
pub(super) const LOCATORS: &[Style] = &[
    any("P1-DIMMA1", "P{s}~DIMM~{C}{d}"),
    any("CPU1_DIMM_A1", "CPU{s}~DIMM~{C}{d}"),
    // The separator tells it from "CPU1A1" of the Tyan S2895, where the number is the channel, and
    // from "CPU1D1" of the ProLiant DL585, which is no channel letter (labels of edac-utils).
    any("CPU1_A1", "CPU{s} {C}{d}"),
    any("CPU0_DIMM0_CHA", "CPU{s}~DIMM{d}~CH{C}"),
    any("DIMM_P0_A0", "DIMM~P{s}~{C}~{d}"),
    any("P1-ChD-DIMM1", "P{s}~Ch{C}~DIMM{d}"),
    any("ChannelA-DIMM0", "Channel{C}~DIMM{d}"),
    any("Slot 1 (Channel A / DIMM 1)", "Slot {_} (Channel {C} / DIMM {d})"),
    any("Controller0-ChannelA-DIMM0", "Controller{n}~Channel{C}~DIMM{d}"),
    any("Controller0-ChannelA", "Controller{n}~Channel{C}"),
    any("Controller0-ChannelA (some with DIMM0)", "Controller{n}~Channel{C}*"),
    any("DIMM CHA1", "DIMM~CH{C}{d}"),
    any("SOCKET 0 CHANNEL 0 DIMM 0", "SOCKET {s} CHANNEL {c} DIMM {d}"),
    any("NODE 0 CHANNEL 0 DIMM 0", "NODE {n} CHANNEL {c} DIMM {d}*"),
    any("P0_MC0_DIM_CH_A0", "P{s}~MC{n}~DIM~CH~{C}{d}"),
    any("P0_D0_UMC0_CH_A0", "P{s}~D{_}~UMC{_}~CH~{C}{d}"),
    any("CPU0_C0D0", "CPU{s}~C{c}~D{d}"),
    any("CPU0_CHA_DIMM0", "CPU{s}~CH{C}~DIMM{d}"),
    any("CPU0_CH0_DIMM0", "CPU{s}~CH{c}~DIMM{d}"),
    any("CPU0_CH0_D0", "CPU{s}~CH{c}~D{d}"),
    any("CPU0_ChannelA_DIMM0", "CPU{s}~Channel~{C}~DIMM~{d}"),
    any("CPU0_Channel0_DIMM0", "CPU{s}~Channel~{c}~DIMM~{d}"),
    any("P0_Channel0_DIMM0", "P{s}~Channel~{c}~DIMM~{d}"),
    any("P0_Node0_Channel0_Dimm0", "P{s}~Node{n}~Channel{c}~Dimm{d}"),
    any("Channel0_DIMM0", "Channel~{c}~DIMM~{d}"),
    // Socket, channel and slot, one digit each: the bank locators of the same boards
    // (`_Node1_Channel2_Dimm0` beside `DIMM120`) say so.
    any("DIMM000", "DIMM{S}{K}{Z}"),
    any("DIMM000 J1", "DIMM{S}{K}{Z} J{_}"),
    any("DIMM000(A)", "DIMM{S}{K}{Z}~(*"),
    // The number is the channel, the letter the slot: so on H8QG6, H8DGU and H8SGL (labels of
    // edac-utils and rasdaemon). Boards with the memory on the chipset may have it the other way
    // round (X5DPE there).
    row("P1-DIMM1A", "P{s}~DIMM{c}{D}", Grouping::NamedOnProcessor, H8, &[]),
    row("P1-1A", "P{s}~{c}{D}", Grouping::NamedOnProcessor, H8, &[]),
    // X8 boards by what they have: numbers 1 to 3 and letters A and B at processors of three channels.
    row(
        "P1-DIMM1A (inferred)",
        "P{s}~DIMM{c}{D}",
        Grouping::NamedOnProcessor,
        &[],
        NOT_NUMBERED,
    ),
    row(
        "P1-1A (inferred)",
        "P{s}~{c}{D}",
        Grouping::NamedOnProcessor,
        &[],
        NOT_NUMBERED,
    ),
    row(
        "NODE1-1A",
        "NODE{s}~{c}{D}",
        Grouping::NamedOnProcessor,
        &["supermicro"],
        &[],
    ),
    row(
        "DIMM1A (Supermicro)",
        "DIMM{c}{D}",
        Grouping::NamedOnProcessor,
        &["supermicro"],
        &[],
    ),
    // PRIMERGY RX2540 M1 upgrade and maintenance manual, 10.1.1.1: "memory slot 1 / channel A
    // (DIMM 1A)". Boards with the memory on the chipset have it the other way round: on the TX120
    // DIMM-1A and DIMM-1B share a channel (options guide, page 24).
    row(
        "DIMM-1A (Fujitsu)",
        "DIMM~{d}{C}",
        Grouping::NamedOnProcessor,
        &["fujitsu"],
        &[],
    ),
    // Memory subsystem architecture tables of the DL380 G6 and G7, ML330 G6, DL360e Gen8 and
    // SL210t Gen8 user guides: with C channels the letters A, A+C, A+2C are channel 1, and so on.
    row("PROC 1 DIMM 1A", "PROC {s} DIMM {r}{p}", Grouping::Letters, HP, &[]),
    // The same tables: the slots of a channel are neighbours.
    row(
        "PROC 1 DIMM 1",
        "PROC {s} DIMM {r}",
        Grouping::Neighbours,
        &["g6", "g7", "gen8"],
        &[],
    ),
    // Of later generations no table was at hand. How they are filled speaks for the same order: in
    // one of 75 sockets of known machines two modules would share a channel while another is empty.
    row(
        "PROC 1 DIMM 1 (inferred)",
        "PROC {s} DIMM {r}",
        Grouping::Neighbours,
        HP,
        &[],
    ),
    // DL580 G7 user guide, page 43: cartridges of four channels behind two buffers, filled in pairs
    // 1A 8A, 3B 6B, 2C 7C, 4D 5D; the first of each channel is an A or a B.
    row("Board 1, DIMM 1A", "Board~{n}~DIMM~{r}{p}", Grouping::Lockstep, HP, &[]),
    // DL380 G5 service guide, pages 57 to 59: banks A and C are on one branch of the chipset, B and
    // D on the other, a bank has one slot on each of the two channels of its branch. DL120 G6 alike.
    row("DIMM 1A (ProLiant)", "DIMM~{r}{p}", Grouping::Lockstep, HP, &[]),
    // The name begins with the processor's own ("1/1/0" of enclosure, blade and socket); the letters
    // are in the arrangement of the boards above.
    row("1/1/0/01A", "{P}/{r}{p}", Grouping::Lockstep, HP, &[]),
    // System x3550 M2 installation guide, table 10: channel 2 holds connectors 7, 8, 15 and 16.
    row(
        "DIMM01 (x3550 M2)",
        "DIMM~{r}",
        Grouping::Map(&[0, 0, 0, 1, 1, 1, 2, 2]),
        &["x3550 m2", "[7946"],
        &[],
    ),
    // ThinkSystem SR570, memory module installation rules: channel 0 of either controller has two
    // slots, the others one.
    row(
        "DIMM 1 (SR570)",
        "DIMM~{r}",
        Grouping::Map(&[0, 1, 2, 2, 3, 3, 4, 5]),
        &["sr570", "sr590"],
        &[],
    ),
    // System x3550 M3 (7944) table 11, x3650 M4 and x3650 M5 installation sequences, ThinkSystem
    // SN550 and SR680a V3 tables: the slots of a channel are neighbours.
    row(
        "DIMM 1 (System x, ThinkSystem)",
        "DIMM~{r}",
        Grouping::Neighbours,
        IBM,
        &[],
    ),
    // ThinkStation P920 and P720 memory configurator, figure 1: slots 7 and 8 stand between 3 and 4
    // and the processor, where boards of this platform have the channel of two slots; the order of
    // the type 17 structures (3 7, 5, 1, then 4 8, 6, 2) is that of the controllers' channels.
    row(
        "CPU1_DIMM_1 (P920)",
        "CPU{s}~DIMM~{r}",
        Grouping::Map(&[0, 1, 2, 3, 4, 5, 2, 3]),
        &["30bc", "30bd"],
        &[],
    ),
    row(
        "CPU1_DIMM_1 (P720)",
        "CPU{s}~DIMM~{r}",
        Grouping::Stride,
        &["30ba", "30bb"],
        &[],
    ),
    // PowerEdge 1955 owner's manual, page 78, and PowerEdge 2950 owner's manual, page 89: channel 0
    // has DIMM 1 and 5, channel 1 DIMM 2 and 6, and so on; the 1950 is the 2950 in one unit.
    row(
        "DIMM1 (5000 chipset)",
        "DIMM{r}",
        Grouping::Map(&[0, 1, 2, 3, 0, 1, 2, 3]),
        &["poweredge 1950", "poweredge 1955", "poweredge 2950"],
        &[],
    ),
    // Of this machine some firmware has "CHANNEL A" and "CHANNEL B" as bank locators, some none.
    row(
        "DIMM 1 (MicroServer Gen10)",
        "DIMM {r}",
        Grouping::Map(&[0, 1]),
        &["microserver gen10"],
        &[],
    ),
    // R910 technical guide, 7.1: eight risers, each with two buffers of two channels of two slots;
    // A1 and A2, A3 and A4 are filled together as first slots. That A5 to A8 follow in the same
    // order, and the risers the processors, is how all later boards of the maker count.
    row(
        "DIMM A1 (R910, inferred)",
        "DIMM~{B}{r}",
        Grouping::Map(&[0, 1, 2, 3, 0, 1, 2, 3]),
        &["poweredge r910"],
        &[],
    ),
    // Likewise, with one controller of each of four processors.
    row(
        "DIMM A1 (R810, inferred)",
        "DIMM~{L}{r}",
        Grouping::Map(&[0, 1, 2, 3, 0, 1, 2, 3]),
        &["poweredge r810"],
        &[],
    ),
    // R220 (labels of rasdaemon: slots 1 and 3, 2 and 4 share a channel).
    row(
        "DIMM_1 (PowerEdge, one processor)",
        "DIMM~{r}",
        Grouping::StrideOnOne,
        &["poweredge"],
        &[],
    ),
    // Slots of Opterons are filled in pairs of neighbours, one on each of the two channels: service
    // manual of the X4600 M2, the bank locators of the Ultra 40 M2.
    row("CPU0_DIMM0 (Sun)", "CPU{s}~DIMM{r}", Grouping::Stride, SUN, &[]),
    row("C0_DIMM0 (Sun)", "C{s}~DIMM{r}", Grouping::Stride, SUN, &[]),
    // PowerEdge 1855 manual: banks DIMM1, DIMM2, … on two channels A and B.
    row("DIMM1_A (PowerEdge)", "DIMM{d}~{C}", Grouping::NamedOnOne, DELL, &[]),
    // PowerEdge R900 owner's manual (XK946), page 98, memory population rules: risers A to D, one on each channel of
    // the two branches.
    row(
        "DIMM A1 (R900)",
        "DIMM~{C}{d}",
        Grouping::Named,
        &["poweredge r900"],
        &[],
    ),
    // Z8 G4 (a labels request to edac-utils: slot 3 is on the second channel of the first
    // controller); the Z6 G4 has one slot on each of the six channels.
    row(
        "CPU0-DIMM1 (Z6 G4, Z8 G4)",
        "CPU{s}~DIMM{r}",
        Grouping::Neighbours,
        &["hp z6 g4", "hp z8 g4"],
        &[],
    ),
    // Sun Fire X4270 M2 lists its slots channel by channel: D2 D1 D0, D5 D4 D3, D8 D7 D6.
    row("D0 (/SYS/MB/P0)", "D{r}", Grouping::Neighbours, SUN, &[]),
    row("DIMM A0 (CHANNEL A)", "DIMM~{C}{d}", Grouping::NamedByBank, DELL, &[]),
    // PowerEdge R740xd, T420, R720, DL4000 manuals ("Processor 1, channel 0: A1, A7"): the letter is
    // the processor, the numbers of a channel lie a channel count apart.
    // PowerEdge R540 manual, table 39: channels 2 and 5 of processor 1 have one slot, and
    // processor 2 has six; told by the count of slots.
    row("A1 (PowerEdge)", "{L}{r}", Grouping::Stride, DELL, &[]),
    row("DIMM_A1 (PowerEdge)", "DIMM~{L}{r}", Grouping::Stride, DELL, &[]),
    row("DIMM1_CPU1", "DIMM{r}~CPU{s}", Grouping::Stride, DELL, &[]),
    row(
        "DIMM A1 (one processor)",
        "DIMM~{C}{d}",
        Grouping::NamedOnOne,
        DELL,
        &[],
    ),
    row("A1 (one processor)", "{C}{d}", Grouping::NamedOnOne, DELL, &[]),
    row("DIMM_A1", "DIMM~{C}{d}", Grouping::Named, &[], DELL),
    row("A1", "{C}{d}", Grouping::Named, &[], DELL),
    // Boards of one slot a channel leave its number out.
    row("P1-DIMMA", "P{s}~DIMM~{C}", Grouping::Named, &[], LETTERED),
    row("CPU1_DIMM_A", "CPU{s}~DIMM~{C}", Grouping::Named, &[], LETTERED),
    row("DIMM_A", "DIMM~{C}", Grouping::Named, &[], LETTERED),
    row("ONBOARD DIMM_A1", "ONBOARD DIMM~{C}{d}", Grouping::Named, &[], &[]),
    // Firmware counts the slots of a node channel by channel. No document says so; machines with one
    // module on some channels have them at the first number of a channel.
    row(
        "Node0_Dimm0 (inferred)",
        "Node{n}~Dimm{r}",
        Grouping::Neighbours,
        &[],
        &[],
    ),
    // Neither channel nor socket, but a slot number to go with a bank locator that has them.
    any("DIMM 0", "DIMM~{d}"),
    any("CPU1_DIMM_1", "CPU{s}~DIMM~{_}"),
    any("PROC 1 DIMM 1 (socket only)", "PROC {s} DIMM {_}*"),
    any("DIMM1_CPU1 (socket only)", "DIMM{_}~CPU{s}"),
    any("Node0_Dimm0", "Node{n}~Dimm{_}"),
];

/// Styles of the bank locator.
pub(super) const BANKS: &[Style] = &[
    any("P0_Node0_Channel0_Dimm0", "P{s}~Node{n}~Channel{c}~Dimm{d}"),
    any("_Node0_Channel0_Dimm0", "~Node{n}~Channel{c}~Dimm{d}"),
    any("A1_Node0_Channel0_Dimm0", "A{_}~Node{n}~Channel{c}~Dimm{d}"),
    any("P0_Channel0_Dimm0", "P{s}~Channel{c}~Dimm{d}"),
    any("CPU0_Channel0_Dimm0", "CPU{s}~Channel~{c}~Dimm~{d}"),
    any("Channel0_Dimm0", "Channel~{c}~Dimm~{d}"),
    any("CPU0 CHANNEL A", "CPU{s}~CHANNEL~{C}"),
    any("CPU0 CHANNEL 0", "CPU{s}~CHANNEL~{c}"),
    any("P0 CHANNEL 0", "P{s}~CHANNEL~{c}"),
    any("CHANNEL 0", "CHANNEL~{c}"),
    any("SOCKET 0 CHANNEL 0 DIMM 0", "SOCKET {s} CHANNEL {c} DIMM {d}"),
    any("NODE 0 CHANNEL 0 DIMM 0", "NODE {n} CHANNEL {c} DIMM {d}"),
    any("P0 CHANNEL A", "P{s} CHANNEL {C}"),
    any("CHANNEL A", "CHANNEL~{C}"),
    any("CHAN A DIMM 0", "CHAN {C} DIMM {d}"),
    any("CPU1ChA", "CPU{s}Ch{C}"),
    any("CPU 1", "CPU~{s}"),
    any("CPU1_Bank0", "CPU{s}~Bank~{_}"),
    any("Primary Main Board/CPU 1", "{w} {w} Board/CPU {s}"),
    any("/SYS/MB/P0", "/SYS/MB/P{s}"),
    any("NODE 1", "NODE~{n}"),
];

impl Grouping {
    /// Whether the text itself has the channel.
    pub(super) const fn is_named(self) -> bool {
        matches!(
            self,
            Self::Named | Self::NamedOnOne | Self::NamedOnProcessor | Self::NamedByBank
        )
    }
}

impl Style {
    /// Whether the row may be used on a machine whose makers and products are `names`, in lower case.
    pub(super) fn holds(&self, names: &str) -> bool {
        (self.only.is_empty() || self.only.iter().any(|word| has_word(names, word)))
            && !self.never.iter().any(|word| has_word(names, word))
    }

    /// What a text says by this row; `None` where it is of another style.
    pub(super) fn read(&self, text: &str) -> Option<Found> {
        let mut rest = text.trim();
        let mut pattern = self.pattern;
        let mut found = Found::default();
        while let Some(mark) = pattern.chars().next() {
            if mark == '*' {
                return Some(found);
            }
            if mark == '~' || mark == ' ' {
                let trimmed = rest.trim_start_matches(separator);
                if mark == ' ' && trimmed.len() == rest.len() {
                    return None;
                }
                rest = trimmed;
                pattern = pattern.get(1..)?;
            } else if mark == '{' {
                let name = pattern.get(1..2)?;
                pattern = pattern.get(3..)?;
                rest = found.take(name, rest)?;
            } else {
                let head = rest.chars().next().filter(|head| head.eq_ignore_ascii_case(&mark))?;
                rest = rest.get(head.len_utf8()..)?;
                pattern = pattern.get(mark.len_utf8()..)?;
            }
        }
        rest.is_empty().then_some(found)
    }
}

/// A word of makers that is short is asked for as a whole word: "hp" is not in "whp-1".
fn has_word(names: &str, word: &str) -> bool {
    if word.len() > 3 {
        names.contains(word)
    } else {
        names
            .split(|c: char| !c.is_alphanumeric())
            .any(|name| name == word || name == "hpe" && word == "hp")
    }
}

const fn separator(c: char) -> bool {
    matches!(c, ' ' | '_' | '-' | '.' | ',')
}

impl Found {
    /// Reads one mark from the start of the text; gives what follows.
    fn take<'a>(&mut self, name: &str, text: &'a str) -> Option<&'a str> {
        if matches!(name, "C" | "D" | "L" | "p") {
            let letter = text
                .chars()
                .next()
                .filter(char::is_ascii_alphabetic)?
                .to_ascii_uppercase();
            let index = u32::from(letter).checked_sub(u32::from('A'))?;
            match name {
                "C" => self.channel = Some(letter.to_string()),
                "D" => self.slot = index.checked_add(1),
                "L" => self.socket_letter = Some(index),
                _ => self.order = Some(index),
            }
            return text.get(1..);
        }
        if name == "B" {
            let letter = text.chars().next().filter(char::is_ascii_alphabetic)?;
            self.board = Some(letter.to_ascii_uppercase());
            return text.get(1..);
        }
        if name == "P" {
            let (path, _) = text.rsplit_once('/').filter(|(path, _)| !path.is_empty())?;
            self.path = Some(path.to_owned());
            return text.get(path.len()..);
        }
        if name == "w" {
            let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
            return text.get(letters..).filter(|_| letters > 0);
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let length = if matches!(name, "S" | "K" | "Z") {
            digits.min(1)
        } else {
            digits
        };
        let number: u32 = text.get(..length)?.parse().ok()?;
        match name {
            "s" | "S" => self.socket = Some(number),
            "n" => self.node = Some(number),
            "c" | "K" => self.channel = Some(number.to_string()),
            "d" | "Z" => self.slot = Some(number),
            "r" => self.running = Some(number),
            _ => {}
        }
        text.get(length..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pattern: &'static str, text: &str) -> Option<Found> {
        any("test", pattern).read(text)
    }

    #[test]
    fn marks_take_their_part_and_nothing_may_be_left() {
        let found = read("P{s}~DIMM~{C}{d}", "P2-DIMMC12").unwrap();
        assert_eq!(
            (found.socket, found.channel.as_deref(), found.slot),
            (Some(2), Some("C"), Some(12))
        );
        assert_eq!(read("P{s}~DIMM~{C}{d}", "P2-DIMMC1x"), None);
        assert_eq!(read("P{s}~DIMM~{C}{d}", "P2-DIMM1"), None);
        assert_eq!(read("P{s}~DIMM~{C}{d}", ""), None);
    }

    #[test]
    fn one_digit_marks_split_a_number() {
        let found = read("DIMM{S}{K}{Z}", "DIMM120").unwrap();
        assert_eq!(
            (found.socket, found.channel.as_deref(), found.slot),
            (Some(1), Some("2"), Some(0))
        );
        assert_eq!(read("DIMM{S}{K}{Z}", "DIMM12"), None);
        assert_eq!(read("DIMM{S}{K}{Z}", "DIMM1234"), None);
    }

    #[test]
    fn a_space_needs_a_separator_but_takes_several() {
        assert!(read("PROC {s} DIMM {r}", "PROC  1 DIMM 12").is_some());
        assert!(read("PROC {s} DIMM {r}", "PROC1 DIMM 12").is_none());
    }

    #[test]
    fn text_that_is_not_ascii_is_no_match_and_no_panic() {
        assert_eq!(read("DIMM~{C}{d}", "DIMM_Ä1"), None);
        assert_eq!(read("Ä{d}", "ä1"), None);
        assert!(read("DIMM{d}*", "DIMM1 – x").is_some());
    }
}
