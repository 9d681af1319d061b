#!/usr/bin/env bash
# delid kdd beside its limits and peers: requests a second beside a bare echo of packets of the same sizes
# (and Xen's kdd, where XEN_KDD names its program, built before a guest in memory); a dump of a raw guest
# of 4 GiB beside cp of the same file; info on it.
#
#   benches/kdd.sh           all parts
#   benches/kdd.sh load      requests a second, serial over TCP and KDNET
#   benches/kdd.sh dump      dump beside cp
#   benches/kdd.sh info      info on 4 GiB: time and peak memory
#
# Needs hyperfine, 13 GiB of disk below TMPDIR and 5 GiB of free memory, so that both sides of `dump` read from
# the page cache; RUNS (default 15) is the number of runs of each, SECONDS_EACH (default 2) the time of each
# round of `load`.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=benches/compare.sh
. benches/compare.sh

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

bench_dump() {
    guest
    sync
    head_line "cp, a raw guest of $(stat -c %s "$raw") bytes:"
    runs=5 compare "dump --kind full" "$delid kdd dump --force $raw -o $work/a.dmp" "cp $raw $work/b.raw"
    rm -f "$work/a.dmp" "$work/b.raw"
}

bench_info() {
    guest
    hyperfine -N -i -w 1 -r "$runs" --export-csv "$work/times" "$delid kdd info $raw" >/dev/null
    printf '\ninfo of %s bytes: median %s ms, %s KiB at most\n' "$(stat -c %s "$raw")" \
        "$(awk -F, 'NR == 2 { printf "%.0f", 1000 * $4 }' "$work/times")" "$(peak "$delid" kdd info "$raw")"
}

if [ $# -eq 0 ]; then set -- load dump info; fi
first_line
for part; do "bench_$part"; done
