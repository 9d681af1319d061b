#!/usr/bin/env bash
# delid kdd beside its limits and peers: requests a second beside a bare echo of packets of the same sizes
# (and Xen's kdd, where XEN_KDD names its program, built before a guest in memory); a dump of a raw guest
# of 4 GiB beside cp of the same file; info on it; a guest that runs in QEMU: its reads beside those of its dump,
# and reads of GDB's protocol beside QEMU's own stub.
#
#   benches/kdd.sh           all parts
#   benches/kdd.sh load      requests a second, serial over TCP and KDNET
#   benches/kdd.sh dump      dump beside cp
#   benches/kdd.sh info      info on 4 GiB: time and peak memory
#   benches/kdd.sh live      a running guest (needs qemu-system-x86_64)
#
# Needs hyperfine, 9 GiB of disk below TMPDIR and 5 GiB of free memory, so that both sides of `dump` read from
# the page cache; RUNS (default 15) is the number of runs of each, SECONDS_EACH (default 2) the time of each
# round of `load`.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=benches/compare.sh
. benches/compare.sh

# The middle of numbers, one in a line.
median() { sort -g | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

example() { cargo run --release --locked --quiet -p delid-kdd --example "$@"; }

# A raw guest of 4 GiB: every page filled, the pages of the guest over it.
raw=$work/guest.raw
guest() {
    [ ! -e "$raw" ] || return 0
    head -c 4294967296 /dev/urandom >"$raw"
    example synthetic_guest -- "$work/guest" --ram 2G --over "$raw"
}

bench_load() {
    example synthetic_guest -- "$work/small" --preset win10-x64 --container elf
    printf '\nRequests a second, medians of 5 rounds each in turns:\n\n'
    example load -- "$delid" "$(find "$work/small" -name '*.elf' | head -n 1)" "${SECONDS_EACH:-2}"
}

# Seconds of a command that writes $work/copy, a new file, with nothing left to be written by the system.
copying() {
    rm -f "$work/copy"
    sync
    command time -f %e -o "$work/seconds" "$@" >/dev/null 2>&1
    tail -n 1 "$work/seconds"
    rm -f "$work/copy"
}

bench_dump() {
    local round ours=$work/dump.ours theirs=$work/dump.theirs
    guest
    # In turns, the first unmeasured: which of two runs first changes the ratio.
    for ((round = 0; round <= ${DUMP_RUNS:-7}; round++)); do
        copying "$delid" kdd dump "$raw" -o "$work/copy" >>"$ours"
        copying cp "$raw" "$work/copy" >>"$theirs"
    done
    for side in "$ours" "$theirs"; do sed -i 1d "$side"; done
    printf '\ndump of %s bytes into a new file beside cp, %s rounds in turns; times in seconds, ratios of speeds:\n\n' \
        "$(stat -c %s "$raw")" "${DUMP_RUNS:-7}"
    printf '| what | delid | cp | ratio of medians | of minima | median of the rounds |\n|---|---|---|---|---|---|\n'
    ratio() { awk -v ours="$1" -v theirs="$2" 'BEGIN { printf "%.2f", theirs / ours }'; }
    printf '| dump --kind full | %s | %s | %s | %s | %s |\n' "$(median <"$ours")" "$(median <"$theirs")" \
        "$(ratio "$(median <"$ours")" "$(median <"$theirs")")" \
        "$(ratio "$(sort -g "$ours" | head -n 1)" "$(sort -g "$theirs" | head -n 1)")" \
        "$(paste "$ours" "$theirs" | awk '{ printf "%.2f\n", $2 / $1 }' | median)"
}

bench_info() {
    guest
    hyperfine -N -i -w 1 -r "$runs" --export-csv "$work/times" "$delid kdd info $raw" >/dev/null
    printf '\ninfo of %s bytes: median %s ms, %s KiB at most\n' "$(stat -c %s "$raw")" \
        "$(awk -F, 'NR == 2 { printf "%.0f", 1000 * $4 }' "$work/times")" "$(peak "$delid" kdd info "$raw")"
}

# Reads a second of a server of GDB's protocol on a Unix socket.
gdb_rate() { example gdb_load -- "$1" "$2" "$3" "${SECONDS_EACH:-2}" | sed -n 's/^\([0-9.]*\) reads.*/\1/p'; }

bench_live() {
    local live=$work/live qemu server at length round ours theirs
    mkdir -p "$live"
    example synthetic_guest -- "$live" --preset win10-x64 --runnable >"$live/env"
    # shellcheck disable=SC2046
    qemu-system-x86_64 $(sed -n 's/^QEMU=//p' "$live/env") -qmp "unix:$live/qmp.sock,server=on,wait=off" \
        -gdb "unix:$live/stub.sock,server=on,wait=off" 2>/dev/null &
    qemu=$!
    sleep 3
    "$delid" kdd dump "qemu:$live/qmp.sock" -o "$live/captured.dmp" >/dev/null 2>&1
    printf '\nRequests a second, a running guest beside its dump, medians of 5 rounds each in turns:\n\n'
    example load -- "$delid" "$live/captured.dmp" "${SECONDS_EACH:-2}" "qemu:$live/qmp.sock"
    printf '\nReads of a stopped guest over GDB'"'"'s protocol, a Unix socket, medians of 5 rounds each in turns:\n\n'
    printf '| bytes | delid reads/s | QEMU reads/s | ratio |\n|---|---|---|---|\n'
    at=$(sed -n 's/^KERNEL_BASE=0x//p' "$live/env")
    for length in 8 200 7f0; do
        : >"$live/ours"; : >"$live/theirs"
        for ((round = 0; round < 5; round++)); do
            gdb_rate "$live/stub.sock" "$at" $length >>"$live/theirs"
            "$delid" kdd gdb "qemu:$live/qmp.sock" --unix "$live/ours.sock" --once 2>/dev/null &
            server=$!
            until [ -S "$live/ours.sock" ]; do sleep 0.1; done
            gdb_rate "$live/ours.sock" "$at" $length >>"$live/ours"
            wait "$server" || true
        done
        ours=$(median <"$live/ours") theirs=$(median <"$live/theirs")
        awk -v length_="$((16#$length))" -v ours="$ours" -v theirs="$theirs" \
            'BEGIN { printf "| %d | %.0f | %.0f | %.2f |\n", length_, ours, theirs, ours / theirs }'
    done
    kill "$qemu"
}

if [ $# -eq 0 ]; then set -- load dump info live; fi
first_line
for part; do "bench_$part"; done
