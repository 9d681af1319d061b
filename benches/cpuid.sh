#!/usr/bin/env bash
# delid cpuid side by side with cpuid and virsh: ratios of medians and minima, and peak memory.
#
#   benches/cpuid.sh            all parts
#   benches/cpuid.sh decode     every field of a dump against cpuid -f: one CPU, and a server of 64
#   benches/cpuid.sh baseline   five hosts against virsh cpu-baseline
#   benches/cpuid.sh list       500 dumps, a line each (no peer does that)
#
# Needs hyperfine, cpuid, virsh (libvirt-clients), zstd, and the dumps in $DELID_CORPUS. Both sides run
# in one hyperfine call, so that other load meets both; RUNS (default 15) is the number of runs of each.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=benches/compare.sh
. benches/compare.sh

dump() { find "$corpus/cpuid/instlatx64" -name "*$1*" | sort | head -n 1; }

# A dump as text of `cpuid -r`, which cpuid reads.
raw() {
    local file=$1
    case $file in *.zst) zstd -dqcf "$file" >"$work/dump.txt" ;; *) cp "$file" "$work/dump.txt" ;; esac
    "$delid" cpuid raw "$work/dump.txt"
}

bench_decode() {
    local name
    raw "$(dump Turin_01)" >"$work/turin.txt"
    awk '/^CPU 1:/ { exit } { print }' "$work/turin.txt" >"$work/turin-1.txt"
    head_line "$(cpuid --version 2>&1 | head -n 1), every field of a Turin server:"
    for name in turin-1 turin; do
        compare "$(grep -c '^CPU' "$work/$name.txt") CPUs, $("$delid" cpuid show --full "$work/$name.txt" | wc -l) lines (theirs $(cpuid -f "$work/$name.txt" | wc -l))" \
            "$delid cpuid show --full $work/$name.txt" "cpuid -f $work/$name.txt"
    done
}

bench_baseline() {
    local host files=() all="$work/hosts.xml"
    : >"$all"
    # Hosts of one vendor that old releases of libvirt know too, but for the versions of their models; virsh
    # reads them from one file, delid each from its own.
    for host in Core-i5-2500 Core-i7-2600 Core-i7-3520M Core-i7-3770 Xeon-E7-4830; do
        sed 's/-v[0-9]*<.model>/<\/model>/' "$corpus/cpuid/libvirt/cputestdata/x86_64-cpuid-$host-host.xml" >"$work/$host.xml"
        cat "$work/$host.xml" >>"$all"
        files+=("$work/$host.xml")
    done
    head_line "virsh $(virsh --version), ${#files[@]} hosts:"
    compare "libvirt's rules" "$delid cpuid baseline --semantics libvirt ${files[*]}" \
        "virsh -q -c test:///default cpu-baseline $all"
    compare "strict rules, with the reasons" "$delid cpuid baseline ${files[*]}" \
        "virsh -q -c test:///default cpu-baseline $all"
}

bench_list() {
    local number=0 file
    mkdir -p "$work/dumps"
    while [ "$number" -lt 500 ]; do
        while read -r file; do
            number=$((number + 1))
            [ "$number" -le 500 ] || break
            case $file in *.zst) zstd -dqcf "$file" >"$work/dumps/$number.txt" ;; *) cp "$file" "$work/dumps/$number.txt" ;; esac
        done < <(find "$corpus/cpuid/instlatx64" "$corpus/cpuid/libcpuid" -type f | sort)
    done
    printf '\n%s dumps, %s, a line each:\n\n' "$(find "$work/dumps" -type f | wc -l)" "$(du -sh "$work/dumps" | cut -f1)"
    hyperfine -N -i -w 2 -r "$runs" --export-csv "$work/times" "$delid cpuid list $work/dumps" >/dev/null 2>&1
    awk -F, 'NR == 2 { printf "median %.1f ms, min %.1f ms", 1000 * $4, 1000 * $7 }' "$work/times"
    printf ', peak %s KiB\n' "$(peak "$delid" cpuid list "$work/dumps")"
}

if [ $# -eq 0 ]; then set -- decode baseline list; fi
first_line
for part; do "bench_$part"; done
