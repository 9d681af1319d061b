#!/usr/bin/env bash
# delid microcode side by side with iucode_tool, 3cpio, lsinitramfs and MCExtractor: ratios of medians
# and minima, and peak memory.
#
#   benches/microcode.sh            all parts
#   benches/microcode.sh updates    the Intel files of a firmware directory, listed: iucode_tool
#   benches/microcode.sh early      the early parts of an initrd: 3cpio -P 1-2
#   benches/microcode.sh list       all of an initrd of each compression: 3cpio, lsinitramfs
#   benches/microcode.sh extract    all of it extracted: 3cpio -x
#   benches/microcode.sh scan       a firmware image of 16 MiB: MCExtractor, iucode_tool
#
# Needs hyperfine and the peers; those that are not there are left out with a line. DELID_UCODE is a
# directory with intel-ucode/ and amd-ucode/ (default /lib/firmware); INITRDS a directory of initrds,
# *.img, such as mkinitramfs makes with MODULES=most and each COMPRESS; DELID_3CPIO the program of 3cpio,
# MCE the script of MCExtractor. Both sides run in one hyperfine call, so that other load meets both;
# RUNS (default 15) is the number of runs of each.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=benches/compare.sh
. benches/compare.sh

ucode=${DELID_UCODE:-/lib/firmware}
cpio3=${DELID_3CPIO:-3cpio}
export PATH="$PATH:/usr/sbin"

have() { command -v "$1" >/dev/null || { printf '\n%s: not installed\n' "$1"; return 1; }; }

images() {
    find -L "${INITRDS:?a directory of initrds}" -maxdepth 1 -name '*.img' | sort
}

bench_updates() {
    have iucode_tool || return 0
    head_line "$(iucode_tool --version | head -n 1), $(find "$ucode/intel-ucode" -type f | wc -l) files, $(du -sh "$ucode/intel-ucode" | cut -f1):"
    compare "list" "$delid microcode list $ucode/intel-ucode" "iucode_tool -L -tb $ucode/intel-ucode"
    compare "list of the newest (theirs -l)" "$delid microcode list $ucode/intel-ucode" "iucode_tool -l -tb $ucode/intel-ucode"
}

bench_early() {
    have "$cpio3" || return 0
    local image
    image=$(images | grep zst | head -n 1)
    head_line "3cpio -t -P 1-2, an initrd of $(stat -L -c %s "$image") bytes:"
    compare "early parts" "$delid microcode initrd list --early $image" "$cpio3 -t -P 1-2 $image"
}

bench_list() {
    local image
    if have "$cpio3"; then
        head_line "3cpio -t:"
        for image in $(images); do
            compare "$(basename "$image"), $(stat -L -c %s "$image") bytes" "$delid microcode initrd list $image" "$cpio3 -t $image"
        done
    fi
    have lsinitramfs || return 0
    head_line "lsinitramfs:"
    for image in $(images | grep -E 'zst|gz|xz'); do
        RUNS=5 runs=5 compare "$(basename "$image")" "$delid microcode initrd list $image" "lsinitramfs $image"
    done
}

bench_extract() {
    have "$cpio3" || return 0
    local image
    head_line "3cpio -x:"
    for image in $(images | grep -E 'zst|gz|xz|lz4'); do
        rm -rf "$work/a" "$work/b"
        mkdir "$work/a" "$work/b"
        compare "$(basename "$image")" "$delid microcode initrd extract $image -C $work/a" "$cpio3 -x -C $work/b --force $image"
    done
}

# An image of 16 MiB with updates of both vendors between 0xff.
bench_scan() {
    local image=$work/image.bin
    head -c 16777216 /dev/zero | tr '\0' '\377' >"$image"
    local file block=256
    while read -r file; do
        dd if="$file" of="$image" bs=4096 seek="$block" conv=notrunc status=none
        block=$((block + 256))
    done < <(find "$ucode/intel-ucode" "$ucode/amd-ucode" -name '*[0-9a-z]' -type f -size -500k | sort | sed -n '1p;20p;40p;60p;$p')
    printf '\n%s updates found in the image\n' "$("$delid" microcode list "$image" | grep -c '^0x')"
    if have iucode_tool; then
        head_line "iucode_tool -tr (Intel only):"
        compare "16 MiB" "$delid microcode list $image" "iucode_tool -L -tr $image"
    fi
    if [ -n "${MCE:-}" ]; then
        head_line "MCExtractor:"
        runs=5 compare "16 MiB" "$delid microcode list $image" "python3 $MCE -skip -exit $image"
    else
        printf '\nMCExtractor: MCE does not name it\n'
    fi
}

if [ $# -eq 0 ]; then set -- updates early list extract scan; fi
first_line
for part; do "bench_$part"; done
