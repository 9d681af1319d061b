#!/usr/bin/env bash
# delid acpi side by side with acpica-tools: ratios of medians and minima, and peak memory.
#
#   benches/acpi.sh            all parts
#   benches/acpi.sh text       acpidump text to files against acpixtract -a
#   benches/acpi.sh tree       namespace of DSDT and SSDTs against acpiexec
#   benches/acpi.sh disasm     a DSDT to ASL against iasl -d
#   benches/acpi.sh all        a dump of 2 MB or more as a whole (no peer does that)
#
# Needs hyperfine, acpica-tools, zstd, and real machines in $DELID_CORPUS. Both sides run in one
# hyperfine call, so that other load meets both; RUNS (default 15) is the number of runs of each.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=benches/compare.sh
. benches/compare.sh

# The three largest dumps, unpacked, with their tables in a directory beside each.
dumps() {
    local file name
    while read -r _ file; do
        name=$(basename "$file" .acpidump.txt.zst)
        [ -f "$work/$name.txt" ] && continue
        zstd -dqc "$file" >"$work/$name.txt"
        mkdir -p "$work/$name"
        "$delid" acpi extract --from "$work/$name.txt" -d "$work/$name" --force >/dev/null || true
    done < <(find "$corpus/acpi/linuxhw" -name '*.acpidump.txt.zst' -printf '%s %p\n' | sort -rn | head -n 3)
    find "$work" -maxdepth 1 -name '*.txt' | sort
}

bench_text() {
    local file
    head_line "$(acpixtract -v 2>&1 | sed -n 's/.*version/acpixtract/p' | head -n 1), acpidump text to files:"
    dumps | while read -r file; do
        mkdir -p "$work/out"
        # acpixtract writes into the current directory.
        compare "$(stat -c %s "$file") bytes read, one table shown" \
            "$delid acpi show FACP --from $file" "env -C $work/out acpixtract -a $file"
        compare "$(stat -c %s "$file") bytes, a file for each table" \
            "$delid acpi extract --from $file -d $work/out --force" "env -C $work/out acpixtract -a $file"
    done
}

bench_tree() {
    local file base
    head_line "acpiexec, the namespace of DSDT and all SSDTs:"
    dumps | while read -r file; do
        base=${file%.txt}
        compare "$(find "$base" -name 'ssdt*' | wc -l) SSDTs" \
            "$delid acpi tree --names --fields $(tables "$base")" "acpiexec -di -b namespace $(tables "$base")"
    done
}

# DSDT first, then the SSDTs by number.
tables() {
    echo "$1/dsdt.dat $(find "$1" -name 'ssdt*' | sort -V | tr '\n' ' ')"
}

bench_disasm() {
    local file base
    head_line "iasl -d, a DSDT:"
    dumps | while read -r file; do
        base=${file%.txt}
        compare "$(stat -c %s "$base/dsdt.dat") bytes of AML" \
            "$delid acpi disasm --from $base/dsdt.dat -d $work/asl --force" "iasl -p $work/iasl -d $base/dsdt.dat"
    done
}

bench_all() {
    local file
    printf '\nA whole dump: every data table decoded and printed, the namespace, all AML disassembled, all checks:\n\n'
    printf '| what | delid ms, median | min | KiB |\n|---|---|---|---|\n'
    dumps | while read -r file; do
        for what in "show" "tree --names --fields" "disasm -d $work/asl --force" "verify"; do
            hyperfine -N -i -w 2 -r "$runs" --export-csv "$work/times" "$delid acpi $what --from $file" >/dev/null 2>&1
            awk -F, -v name="${what%% *}, $(stat -c %s "$file") bytes" -v peak="$(peak $delid acpi $what --from "$file")" '
                NR == 2 { printf "| %s | %.1f | %.1f | %d |\n", name, 1000 * $4, 1000 * $7, peak }' "$work/times"
        done
    done
}

if [ $# -eq 0 ]; then set -- text tree disasm all; fi
first_line
for part; do "bench_$part"; done
