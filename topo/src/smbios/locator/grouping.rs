//! Running numbers onto channels: how the slots of a socket or of a board share them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Machine, Placement, Reading, run};
use crate::smbios::styles::{Found, Grouping};

/// What has channels of its own: a socket, a node of it, a board or riser.
type Home = (u32, Option<u32>, Option<char>);

/// One slot: its place in the list of modules, its number, its letter of the order of population.
struct Slot {
    index: usize,
    running: u32,
    order: Option<u32>,
}

impl Machine<'_> {
    /// Channels out of running numbers, home by home.
    pub(super) fn group(&self, reading: &Reading, places: &mut [Placement]) {
        let mut homes: BTreeMap<Home, Vec<Slot>> = BTreeMap::new();
        for (index, (place, found)) in places.iter().zip(&reading.found).enumerate() {
            let socket = place.socket.or(self.on_chipset.then_some(0));
            let (Some(socket), Some(running)) = (socket, found.running) else {
                return;
            };
            let slot = Slot {
                index,
                running,
                order: found.order,
            };
            homes.entry(home(socket, found)).or_default().push(slot);
        }
        let mut result = Vec::new();
        for ((_, _, board), slots) in &mut homes {
            slots.sort_by_key(|slot| slot.running);
            let numbers: BTreeSet<u32> = slots.iter().map(|slot| slot.running).collect();
            if numbers.len() != slots.len() || !run(&numbers) {
                return;
            }
            let Some(channel_of) = self.assign(reading.style.grouping, slots) else {
                return;
            };
            for (slot, channel) in slots.iter().zip(&channel_of) {
                let mates: Vec<&Slot> = slots
                    .iter()
                    .zip(&channel_of)
                    .filter(|(_, other)| *other == channel)
                    .map(|(mate, _)| mate)
                    .collect();
                let label = if reading.style.grouping == Grouping::Letters {
                    channel.saturating_add(1).to_string()
                } else {
                    joined(&mates, *board)
                };
                let position = mates
                    .iter()
                    .position(|mate| mate.index == slot.index)
                    .unwrap_or_default();
                let position = u32::try_from(position).unwrap_or_default().saturating_add(1);
                result.push((slot.index, label, position));
            }
        }
        for (index, label, position) in result {
            if let Some(place) = places.get_mut(index) {
                (place.channel, place.slot) = (Some(label), Some(position));
            }
        }
    }

    /// The channel index of each of a home's slots, which come in the order of their numbers.
    fn assign(&self, grouping: Grouping, slots: &[Slot]) -> Option<Vec<usize>> {
        let count = slots.len();
        match grouping {
            Grouping::Map(map) => return (map.len() == count).then(|| map.to_vec()),
            Grouping::Lockstep => return lockstep(slots),
            _ => {}
        }
        let channels = self.channels?;
        if matches!(grouping, Grouping::Stride | Grouping::StrideOnOne) {
            return stride(count, channels);
        }
        let each = count.checked_div(channels)?;
        if each == 0 || count.checked_rem(channels)? != 0 {
            return None;
        }
        match grouping {
            Grouping::Neighbours => (0..count).map(|at| at.checked_div(each)).collect(),
            Grouping::Letters => {
                let order = slots
                    .iter()
                    .map(|slot| usize::try_from(slot.order?).ok()?.checked_rem(channels));
                let found: Option<Vec<usize>> = order.collect();
                // The slots of a channel must be neighbours as well, or the rule is not the board's.
                let blocks = |found: &Vec<usize>| found.chunks(each).all(|block| block.windows(2).all(same));
                found.filter(blocks)
            }
            _ => None,
        }
    }
}

const fn home(socket: u32, found: &Found) -> Home {
    (socket, found.node, found.board)
}

/// The name of a channel that only its slots tell: "1+7", on a lettered riser "A1+A5".
fn joined(mates: &[&Slot], board: Option<char>) -> String {
    let names: Vec<String> = mates
        .iter()
        .map(|mate| match board {
            Some(board) => format!("{board}{}", mate.running),
            None => mate.running.to_string(),
        })
        .collect();
    names.join("+")
}

/// Numbers a channel count apart share a channel.
fn stride(count: usize, channels: usize) -> Option<Vec<usize>> {
    match (count, channels) {
        // PowerEdge R540 manual, table 39: channels 2 and 5 have one slot.
        (10, 6) => Some(vec![0, 1, 2, 3, 4, 5, 0, 1, 3, 4]),
        // PowerEdge C6420, M640 and FC640 (labels of rasdaemon): the first channel of either
        // controller has two slots, the others one.
        (8, 6) => Some(vec![0, 1, 2, 3, 4, 5, 0, 3]),
        // PowerEdge T410 technical guide, 7.3: channel 0 takes two modules, channels 1 and 2 one.
        (4, 3) => Some(vec![0, 1, 2, 0]),
        _ => (count.checked_rem(channels)? == 0).then(|| (0..count).map(|at| at.checked_rem(channels)).collect())?,
    }
}

/// Slots of a channel are neighbours, and their letters are every second one: A, C and E on one
/// channel, B, D and F on another. Letters may come on several channels: those are filled together.
/// Any other arrangement of the letters is not of this kind.
fn lockstep(slots: &[Slot]) -> Option<Vec<usize>> {
    let letters: Option<Vec<u32>> = slots.iter().map(|slot| slot.order).collect();
    let letters = letters?;
    let distinct: BTreeSet<u32> = letters.iter().copied().collect();
    let each = distinct.len().checked_div(2).filter(|each| *each > 1)?;
    let whole = distinct.first() == Some(&0) && run(&distinct) && distinct.len().checked_rem(2)? == 0;
    if !whole || slots.len().checked_rem(each)? != 0 {
        return None;
    }
    let second = |block: &[u32]| {
        let mut sorted = block.to_vec();
        sorted.sort_unstable();
        let steps = sorted
            .windows(2)
            .all(|pair| matches!(pair, [one, other] if one.checked_add(2) == Some(*other)));
        steps && sorted.first().is_some_and(|first| *first < 2)
    };
    letters
        .chunks(each)
        .all(second)
        .then(|| (0..slots.len()).map(|at| at.checked_div(each)).collect())?
}

fn same(pair: &[usize]) -> bool {
    matches!(pair, [one, other] if one == other)
}
