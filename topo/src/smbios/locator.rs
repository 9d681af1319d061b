//! Where a memory module sits: processor socket, channel and slot, from the names firmware gives.
//!
//! SMBIOS has no field for the channel (type 37 is hardly ever there). What boards have instead are
//! names: `P1-DIMMA1`, `PROC 2 DIMM 11`, `B7`. [`place_all`] tries the naming styles of a table
//! (`styles`) on all modules of the machine at once and takes one only when it explains every slot
//! without contradiction: no two modules in one place, not more channels than the processor has,
//! as many sockets as there are processors. What no style explains stays unknown.
//!
//! Records of type 17 that describe the firmware's flash chip are told apart.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::channels::{channels, on_front_side_bus};
use super::styles::{BANKS, Found, Grouping, LOCATORS, Style};
use super::{Baseboard, Handle, MemoryModule, Smbios};

mod grouping;

/// Where one module sits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Placement {
    /// Processor socket, counted from 0 in the order of the type 4 structures.
    pub socket: Option<u32>,
    /// Node or memory controller number as the firmware writes it.
    pub node: Option<u32>,
    /// Channel as the board names it ("A", "3"); where a board only numbers its slots, the numbers
    /// of the slots that share the channel ("1+7"). Unique within the socket, and within the node
    /// where two controllers of a socket use the same names.
    pub channel: Option<String>,
    /// Slot in its channel, as the board counts.
    pub slot: Option<u32>,
    /// The naming style that explained the machine; empty when none did.
    pub style: &'static str,
    /// The memory hangs on the chipset, not on a processor: there is no socket to name.
    pub on_chipset: bool,
    /// Whether this is a slot for RAM at all: false for the firmware's flash chip.
    pub is_memory: bool,
}

/// The place of every module, in the order of [`Smbios::modules`].
#[must_use]
pub fn place_all(smbios: &Smbios) -> Vec<Placement> {
    let modules: Vec<(usize, &MemoryModule)> = smbios
        .modules
        .iter()
        .enumerate()
        .filter(|(_, module)| is_memory(module, smbios))
        .collect();
    let mut places = vec![Placement::default(); smbios.modules.len()];
    for (index, _) in &modules {
        if let Some(place) = places.get_mut(*index) {
            place.is_memory = true;
        }
    }
    let named: Vec<(usize, &MemoryModule)> = modules.into_iter().filter(|(_, module)| has_name(module)).collect();
    let machine = Machine::new(smbios, named.iter().map(|(_, module)| *module).collect());
    if let Some(found) = machine.explain() {
        for ((index, _), place) in named.iter().zip(found) {
            if let Some(slot) = places.get_mut(*index) {
                *slot = place;
            }
        }
    }
    places
}

/// Whether a type 17 structure is a slot for RAM: flash chips of the firmware are listed too.
fn is_memory(module: &MemoryModule, smbios: &Smbios) -> bool {
    let array = smbios.arrays.iter().find(|array| Some(array.handle) == module.array);
    let flash_array = array
        .and_then(|array| array.usage.as_deref())
        .is_some_and(|usage| usage == "Flash Memory");
    let kind = module.kind.as_deref().unwrap_or_default();
    let locator = module.locator.as_deref().unwrap_or_default();
    !flash_array
        && !matches!(kind, "Flash" | "ROM" | "EEPROM" | "FEPROM" | "EPROM")
        && !["SYSTEM ROM", "BIOS", "ROM0"]
            .iter()
            .any(|name| locator.eq_ignore_ascii_case(name))
}

/// Some firmware gives slots without a module no name.
fn has_name(module: &MemoryModule) -> bool {
    let text = module
        .locator
        .as_deref()
        .or(module.bank_locator.as_deref())
        .unwrap_or_default();
    !text.is_empty() && !text.eq_ignore_ascii_case("NO DIMM") && text.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

/// A board part number and revision of Dell's form ("04N3DF", "A09"): boards that Dell makes for
/// others carry the other's name, but keep it.
fn is_dell_part(board: &Baseboard) -> bool {
    let part = board.product.as_deref().unwrap_or_default().as_bytes();
    let revision = board.version.as_deref().unwrap_or_default().as_bytes();
    part.len() == 6
        && part.first() == Some(&b'0')
        && part
            .iter()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
        && matches!(revision, [b'A' | b'X', tens, ones] if tens.is_ascii_digit() && ones.is_ascii_digit())
}

/// One machine's modules and what the other structures say about sockets.
struct Machine<'a> {
    modules: Vec<&'a MemoryModule>,
    /// Makers and products, in lower case.
    names: String,
    sockets: usize,
    /// Designations of the processors, in their order.
    designations: Vec<&'a str>,
    /// Numbers in these designations.
    labels: Vec<Option<u32>>,
    /// Processors whose sockets are said to be empty.
    empty: Vec<bool>,
    channels: Option<usize>,
    /// Socket of each array, when the arrays divide evenly among the sockets.
    arrays: BTreeMap<Handle, u32>,
    /// The processors have no memory controller.
    on_chipset: bool,
    /// Every slot of the board is listed, not only the populated ones.
    complete: bool,
}

impl<'a> Machine<'a> {
    fn new(smbios: &'a Smbios, modules: Vec<&'a MemoryModule>) -> Self {
        let system = smbios
            .system
            .iter()
            .flat_map(|system| [&system.manufacturer, &system.product]);
        let boards = smbios
            .baseboards
            .iter()
            .flat_map(|board| [&board.manufacturer, &board.product]);
        let bios = smbios.bios.iter().map(|bios| &bios.vendor);
        let parts: Vec<&str> = system
            .chain(boards)
            .chain(bios)
            .filter_map(|name| name.as_deref())
            .collect();
        let mut names = parts.join(" ").to_lowercase();
        if smbios.baseboards.iter().any(is_dell_part) {
            names.push_str(" dell");
        }
        let sockets = smbios.processors.len();
        let handles: BTreeSet<Handle> = modules.iter().filter_map(|module| module.array).collect();
        let arrays = handles
            .iter()
            .enumerate()
            .filter_map(|(index, handle)| Some((*handle, share(index, handles.len(), sockets)?)))
            .collect();
        let declared: usize = smbios
            .arrays
            .iter()
            .filter(|array| handles.contains(&array.handle))
            .map(|array| usize::from(array.slots.unwrap_or(0)))
            .sum();
        Self {
            complete: declared <= modules.len() || modules.iter().any(|module| module.size == Some(0)),
            modules,
            on_chipset: smbios.processors.iter().any(on_front_side_bus),
            names,
            sockets,
            designations: smbios
                .processors
                .iter()
                .map(|cpu| cpu.socket.as_deref().unwrap_or_default().trim())
                .collect(),
            empty: smbios
                .processors
                .iter()
                .map(|cpu| cpu.populated == Some(false))
                .collect(),
            labels: smbios
                .processors
                .iter()
                .map(|cpu| number_in(cpu.socket.as_deref()?))
                .collect(),
            channels: smbios
                .processors
                .iter()
                .filter(|cpu| cpu.populated != Some(false))
                .find_map(channels),
            arrays,
        }
    }

    /// The first reading of the names that explains all of them.
    fn explain(&self) -> Option<Vec<Placement>> {
        if self.modules.is_empty() {
            return None;
        }
        let banks: Vec<Reading> = self.readings(BANKS, |module| module.bank_locator.as_deref());
        let locators: Vec<Reading> = self.readings(LOCATORS, |module| module.locator.as_deref());
        let mut partial = None;
        for locator in &locators {
            for bank in banks.iter().map(Some).chain([None]) {
                let places = self.places(Some(locator), bank);
                if let Some(places) = places {
                    if places.iter().all(|place| place.channel.is_some()) {
                        return Some(places);
                    }
                    partial = partial.or(Some(places));
                }
            }
        }
        for bank in &banks {
            let places = self.places(None, Some(bank));
            if places
                .as_ref()
                .is_some_and(|places| places.iter().all(|place| place.channel.is_some()))
            {
                return places;
            }
            partial = partial.or(places);
        }
        partial
    }

    /// The rows of a table that read every name of the machine.
    fn readings(&self, table: &'static [Style], name: impl Fn(&MemoryModule) -> Option<&str>) -> Vec<Reading> {
        let holds = table
            .iter()
            .filter(|style| style.holds(&self.names))
            .filter(|style| self.suits(style.grouping));
        let read = |style: &'static Style| {
            let found: Option<Vec<Found>> = self.modules.iter().map(|module| style.read(name(module)?)).collect();
            Some(Reading { style, found: found? })
        };
        holds.filter_map(read).collect()
    }

    /// Whether a way of naming is used where the memory hangs as it does here.
    const fn suits(&self, grouping: Grouping) -> bool {
        match grouping {
            Grouping::NamedOnOne => self.sockets == 1 || self.on_chipset,
            Grouping::StrideOnOne => self.sockets == 1,
            Grouping::NamedOnProcessor => !self.on_chipset,
            _ => true,
        }
    }

    /// The places by one reading, when they do not contradict each other.
    fn places(&self, locator: Option<&Reading>, bank: Option<&Reading>) -> Option<Vec<Placement>> {
        if self.sockets == 1 && locator.is_some_and(Reading::names_sockets) {
            return None;
        }
        if locator.is_some_and(|locator| !locator.is_borne_out(bank)) {
            return None;
        }
        let sockets = self.sockets_by(locator, bank);
        let mut places: Vec<Placement> = self.modules.iter().map(|_| Placement::default()).collect();
        let style = locator.or(bank).map_or("", |reading| reading.style.name);
        for (index, place) in places.iter_mut().enumerate() {
            let of = |reading: Option<&Reading>| reading.and_then(|reading| reading.found.get(index).cloned());
            let (near, far) = (of(locator).unwrap_or_default(), of(bank).unwrap_or_default());
            place.is_memory = true;
            place.on_chipset = self.on_chipset;
            place.style = style;
            place.socket = sockets.as_ref().and_then(|sockets| sockets.get(index).copied());
            place.node = near.node.or(far.node);
            if near.channel.is_some() {
                (place.channel, place.slot) = (near.channel, near.slot);
            } else if far.channel.is_some() {
                (place.channel, place.slot) = (far.channel, far.slot.or(near.slot));
            }
        }
        if let Some(reading) = locator {
            let named = places.iter().all(|place| place.channel.is_some());
            if !reading.style.grouping.is_named() && !named {
                self.group(reading, &mut places);
            }
        }
        if self.sockets != 1 && !self.on_chipset && places.iter().any(|place| place.socket.is_none()) {
            // A letter may as well be the socket: without the one the other is not to be believed.
            for place in &mut places {
                (place.channel, place.slot, place.style) = (None, None, "");
            }
        }
        self.consistent(&places).then_some(places)
    }

    /// The socket of every module, or nothing when the sources do not tell.
    fn sockets_by(&self, locator: Option<&Reading>, bank: Option<&Reading>) -> Option<Vec<u32>> {
        if self.on_chipset {
            return None;
        }
        if self.sockets == 1 {
            return Some(vec![0; self.modules.len()]);
        }
        let written = |reading: Option<&Reading>, of: fn(&Found) -> Option<u32>| {
            let found = &reading?.found;
            found.iter().map(of).collect::<Option<Vec<u32>>>()
        };
        let by_number = |numbers: Option<Vec<u32>>| numbers.and_then(|numbers| self.by_label(&numbers));
        let by_rank = |numbers: Option<Vec<u32>>| numbers.and_then(|numbers| self.by_rank(&numbers));
        locator
            .and_then(|reading| self.by_path(reading))
            .or_else(|| by_number(written(locator, |found| found.socket)))
            .or_else(|| {
                written(locator, |found| found.socket_letter)
                    .filter(|letters| self.fits(letters) && !self.feeds_an_empty_socket(letters))
            })
            .or_else(|| by_number(written(bank, |found| found.socket)))
            .or_else(|| by_rank(written(bank, |found| found.node)))
            .or_else(|| by_rank(written(locator, |found| found.node)))
            .or_else(|| {
                let letters = locator.and_then(|reading| self.by_letters(reading));
                let letters = letters.or_else(|| self.by_letters(bank?));
                match (self.by_array(), letters) {
                    (Some(arrays), Some(letters)) if arrays != letters => None,
                    (arrays, letters) => arrays.or(letters),
                }
            })
            .or_else(|| self.by_board(locator?))
            .or_else(|| self.by_running(locator?))
    }

    /// Names that begin with the designation of the processor.
    fn by_path(&self, locator: &Reading) -> Option<Vec<u32>> {
        let index = |found: &Found| {
            let path = found.path.as_deref()?;
            let mut same = (0..self.sockets).filter(|at| self.designations.get(*at) == Some(&path));
            same.next()
                .filter(|_| same.next().is_none())
                .and_then(|at| u32::try_from(at).ok())
        };
        locator.found.iter().map(index).collect()
    }

    /// Lettered risers, two to a socket and every socket with its processor.
    fn by_board(&self, locator: &Reading) -> Option<Vec<u32>> {
        let boards: Option<Vec<char>> = locator.found.iter().map(|found| found.board).collect();
        let boards = boards?;
        let distinct: Vec<char> = boards.iter().copied().collect::<BTreeSet<char>>().into_iter().collect();
        if Some(distinct.len()) != self.sockets.checked_mul(2) || self.empty.contains(&true) {
            return None;
        }
        let rank = |board: &char| distinct.iter().position(|other| other == board);
        boards
            .iter()
            .map(|board| share(rank(board)?, distinct.len(), self.sockets))
            .collect()
    }

    fn fits(&self, sockets: &[u32]) -> bool {
        sockets
            .iter()
            .all(|socket| usize::try_from(*socket).is_ok_and(|socket| socket < self.sockets))
    }

    /// Socket numbers as written to indices: by the numbers in the processors' own names, else
    /// counted from 0 when 0 is among them, from 1 otherwise.
    fn by_label(&self, numbers: &[u32]) -> Option<Vec<u32>> {
        let labels: Option<BTreeSet<u32>> = self.labels.iter().copied().collect();
        let distinct: BTreeSet<u32> = numbers.iter().copied().collect();
        if let Some(labels) = labels.filter(|labels| labels.len() == self.sockets && distinct.is_subset(labels)) {
            // Numbers of the processors and of the slots may count from different ends.
            if labels == distinct || !distinct.contains(&0) || labels.contains(&0) {
                let index = |number: &u32| self.labels.iter().position(|label| *label == Some(*number));
                return numbers
                    .iter()
                    .map(|number| u32::try_from(index(number)?).ok())
                    .collect();
            }
        }
        let first = u32::from(!distinct.contains(&0));
        let indices: Option<Vec<u32>> = numbers.iter().map(|number| number.checked_sub(first)).collect();
        // Numbers that are not the processors' own are believed unless the arrays say otherwise.
        let denied = self.by_array().is_some_and(|arrays| Some(&arrays) != indices.as_ref());
        indices.filter(|indices| self.fits(indices) && !denied)
    }

    /// Node numbers to sockets: as many nodes as sockets, or a multiple.
    fn by_rank(&self, numbers: &[u32]) -> Option<Vec<u32>> {
        let distinct: Vec<u32> = numbers.iter().copied().collect::<BTreeSet<u32>>().into_iter().collect();
        if distinct.len() < self.sockets {
            return None;
        }
        let rank = |number: &u32| distinct.iter().position(|other| other == number);
        numbers
            .iter()
            .map(|number| share(rank(number)?, distinct.len(), self.sockets))
            .collect()
    }

    fn by_array(&self) -> Option<Vec<u32>> {
        let sockets: Option<Vec<u32>> = self
            .modules
            .iter()
            .map(|module| self.arrays.get(&module.array?).copied())
            .collect();
        sockets.filter(|sockets| self.arrays.len() >= self.sockets && even(sockets, self.sockets))
    }

    /// Channel letters that run on over the sockets: A to D on the first, E to H on the second.
    fn by_letters(&self, locator: &Reading) -> Option<Vec<u32>> {
        let letters: Option<Vec<&str>> = locator.found.iter().map(|found| found.channel.as_deref()).collect();
        let letters = letters?;
        let distinct: Vec<&str> = letters
            .iter()
            .copied()
            .collect::<BTreeSet<&str>>()
            .into_iter()
            .collect();
        let each = distinct.len().checked_div(self.sockets)?;
        // With all letters of the board listed the border between the sockets is known; the count
        // of channels must then be that of the processor.
        if !self.complete || self.channels != Some(each) {
            return None;
        }
        let rank = |letter: &&str| distinct.iter().position(|other| other == letter);
        let sockets: Option<Vec<u32>> = letters
            .iter()
            .map(|letter| share(rank(letter)?, distinct.len(), self.sockets))
            .collect();
        sockets.filter(|sockets| even(sockets, self.sockets))
    }

    /// Running numbers over the whole board: the first half on the first of two sockets.
    fn by_running(&self, locator: &Reading) -> Option<Vec<u32>> {
        let numbers: Option<Vec<u32>> = locator.found.iter().map(|found| found.running).collect();
        let numbers = numbers?;
        let distinct: BTreeSet<u32> = numbers.iter().copied().collect();
        let whole = distinct.len() == numbers.len() && run(&distinct);
        let rank = |number: &u32| distinct.iter().position(|other| other == number);
        let sockets = numbers
            .iter()
            .map(|number| share(rank(number)?, distinct.len(), self.sockets));
        whole.then(|| sockets.collect())?
    }

    /// Whether a module would sit at a socket that has no processor. A number in the name is believed
    /// all the same, a letter is not: boards with fewer processors may give its slots to another.
    fn feeds_an_empty_socket(&self, letters: &[u32]) -> bool {
        self.modules.iter().zip(letters).any(|(module, letter)| {
            let empty = usize::try_from(*letter).ok().and_then(|socket| self.empty.get(socket));
            module.size.is_some_and(|size| size > 0) && empty == Some(&true)
        })
    }

    fn consistent(&self, places: &[Placement]) -> bool {
        if !starts_with_a(places) {
            return false;
        }
        let mut taken = BTreeSet::new();
        let mut per_socket: BTreeMap<Option<u32>, BTreeSet<(Option<u32>, &str)>> = BTreeMap::new();
        let mut per_channel: BTreeMap<(Option<u32>, Option<u32>, &str), usize> = BTreeMap::new();
        for place in places {
            let Some(channel) = place.channel.as_deref() else {
                continue;
            };
            if place.slot.is_some() && !taken.insert((place.socket, place.node, channel, place.slot)) {
                return false;
            }
            per_socket
                .entry(place.socket)
                .or_default()
                .insert((place.node, channel));
            let mates = per_channel.entry((place.socket, place.node, channel)).or_default();
            *mates = mates.saturating_add(1);
        }
        let most = self.channels.unwrap_or(16);
        let known = per_socket.iter().filter(|(socket, _)| socket.is_some());
        known.into_iter().all(|(_, channels)| channels.len() <= most)
            && per_channel
                .values()
                .all(|mates| *mates <= if self.on_chipset { 8 } else { 4 })
            && places
                .iter()
                .filter_map(|place| place.socket)
                .all(|socket| self.fits(&[socket]))
    }
}

/// One row of the table, read from every module.
struct Reading {
    style: &'static Style,
    found: Vec<Found>,
}

impl Reading {
    /// Whether the bank locators name the same channels, for rows that need it.
    fn is_borne_out(&self, bank: Option<&Self>) -> bool {
        let same = |(near, far): (&Found, &Found)| near.channel.is_some() && near.channel == far.channel;
        self.style.grouping != Grouping::NamedByBank
            || bank.is_some_and(|bank| self.found.iter().zip(&bank.found).all(same))
    }

    /// Whether the names tell of more than one socket.
    fn names_sockets(&self) -> bool {
        let sockets = self
            .found
            .iter()
            .filter_map(|found| found.socket.or(found.socket_letter));
        let paths = self.found.iter().filter_map(|found| found.path.as_deref());
        sockets.collect::<BTreeSet<u32>>().len() > 1 || paths.collect::<BTreeSet<&str>>().len() > 1
    }
}

/// Which of `sockets` equal shares of `count` things the thing at `index` falls into.
fn share(index: usize, count: usize, sockets: usize) -> Option<u32> {
    if count.checked_rem(sockets)? != 0 {
        return None;
    }
    let each = count.checked_div(sockets).filter(|each| *each > 0)?;
    u32::try_from(index.checked_div(each)?).ok()
}

/// Whether every socket has equally many modules.
fn even(sockets: &[u32], count: usize) -> bool {
    let mut tally: BTreeMap<u32, usize> = BTreeMap::new();
    for socket in sockets {
        let number = tally.entry(*socket).or_default();
        *number = number.saturating_add(1);
    }
    tally.len() == count && tally.values().collect::<BTreeSet<_>>().len() == 1
}

/// Whether numbers follow one another without a gap.
fn run(numbers: &BTreeSet<u32>) -> bool {
    let ends = numbers.first().zip(numbers.last());
    let span = ends.and_then(|(first, last)| usize::try_from(last.checked_sub(*first)?).ok());
    span.is_some_and(|span| span.saturating_add(1) == numbers.len())
}

/// The last number in a processor's designation ("CPU1", "Proc 2", "P0").
fn number_in(text: &str) -> Option<u32> {
    let mut parts = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty());
    let number = parts.next()?.parse().ok();
    parts.next().is_none().then_some(number)?
}

/// Boards letter their channels from A on. Letters without an A among them name something else
/// ("M1" and "M2" are the two slots of a notebook).
fn starts_with_a(places: &[Placement]) -> bool {
    let single = |name: &str| name.len() == 1 && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    let mut letters = places
        .iter()
        .filter_map(|place| place.channel.as_deref())
        .filter(|name| single(name))
        .peekable();
    letters.peek().is_none() || letters.any(|name| name.eq_ignore_ascii_case("a"))
}

#[cfg(test)]
mod tests;
