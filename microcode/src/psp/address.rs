//! From pointers to offsets.

/// An image is mapped in windows of this size.
const WINDOW: u64 = 16 << 20;

/// What a pointer can count from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// Where the image begins.
    pub(super) base: usize,
    /// The directory that holds the pointer.
    pub(super) directory: usize,
    /// The directory of the slot, which the pointers of mode 3 count from.
    pub(super) slot: usize,
    /// Length of the data.
    pub(super) length: usize,
}

/// Offsets that `pointer` can stand for, the likeliest for its mode first: 0 address, 1 offset in
/// the image, 2 offset from the directory, 3 offset from the slot.
pub(super) fn offsets(pointer: u64, mode: u8, origin: &Origin) -> Vec<usize> {
    let pointer = pointer & (u64::MAX >> 2);
    let from = |start: usize, offset: u64| usize::try_from(offset).ok()?.checked_add(start);
    let low = pointer & 0xffff_ffff;
    // An image smaller than the window is mapped at its end, and again below that.
    let rest = u64::try_from(origin.length.saturating_sub(origin.base)).unwrap_or(0);
    let window = rest
        .checked_next_power_of_two()
        .map_or(WINDOW, |size| size.clamp(1, WINDOW));
    let address = [from(origin.base, low % WINDOW), from(origin.base, low % window)];
    let image = from(origin.base, low);
    let table = from(origin.directory, low);
    let slot = from(origin.slot, low);
    let [first, second] = address;
    let order = match mode {
        0 => [first, second, image, table, slot],
        1 => [image, first, second, table, slot],
        2 => [table, slot, image, first, second],
        _ => [slot, table, image, first, second],
    };
    let mut list: Vec<usize> = Vec::new();
    for offset in order.into_iter().flatten() {
        if offset < origin.length && !list.contains(&offset) {
            list.push(offset);
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn origin(base: usize, length: usize) -> Origin {
        Origin {
            base,
            directory: base + 0x5000,
            slot: base + 0x9000,
            length,
        }
    }

    #[test]
    fn addresses_are_those_of_the_window_below_four_gib() {
        assert_eq!(offsets(0xff12_3000, 0, &origin(0, 16 * MIB))[0], 0x12_3000);
        assert_eq!(offsets(0xff12_3000, 0, &origin(0x800, 16 * MIB + 0x800))[0], 0x12_3800);
        // 8 MiB: the image is in the upper half of the window.
        assert_eq!(offsets(0xff92_3000, 0, &origin(0, 8 * MIB))[0], 0x12_3000);
    }

    #[test]
    fn modes_say_what_an_offset_counts_from() {
        let origin = origin(0, 32 * MIB);
        assert_eq!(offsets(0x0180_0000, 1, &origin)[0], 24 * MIB);
        assert_eq!(offsets(0x400, 2, &origin)[0], 0x5400);
        assert_eq!(offsets(0x400, 3, &origin)[0], 0x9400);
        // The mode in the two highest bits is no part of the pointer.
        assert_eq!(offsets(0x400 | 2 << 62, 2, &origin)[0], 0x5400);
    }
}
