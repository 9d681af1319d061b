# Parts that the benchmarks share: sourced, not run. Sets corpus, runs, delid and work.
# shellcheck shell=bash

corpus=${DELID_CORPUS:-../shared/corpus}
runs=${RUNS:-15}
delid=${DELID:-${CARGO_TARGET_DIR:-target}/release/delid}
[ -n "${DELID:-}" ] || cargo build --release --locked --quiet
[ -d "$corpus" ] || { echo "no captures in $corpus: set DELID_CORPUS" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Peak resident memory of a command, in KiB; delid ends with 1 where the input is damaged.
peak() { /usr/bin/env bash -c 'command time -f %M -o "$0" "$@" >/dev/null 2>&1' "$work/peak" "$@" || true; tail -n 1 "$work/peak"; }

# compare NAME OURS THEIRS: a line of the table.
compare() {
    $2 >"$work/ours" 2>/dev/null || [ $? -eq 1 ] || { echo "failed: $2" >&2; exit 1; }
    $3 >"$work/theirs" 2>/dev/null || { echo "failed: $3" >&2; exit 1; }
    hyperfine -N -i -w 2 -r "$runs" --export-csv "$work/times" "$2" "$3" >/dev/null 2>&1
    local ours theirs
    # shellcheck disable=SC2086
    ours=$(peak $2) theirs=$(peak $3)
    awk -F, -v name="$1" -v ours="$ours" -v theirs="$theirs" '
        NR == 2 { median = $4; min = $7 } NR == 3 { other = $4; other_min = $7 }
        END { printf "| %s | %.1f | %.1f | %.2f | %.2f | %d | %d | %.2f |\n", name, 1000 * median, 1000 * other,
              median / other, min / other_min, ours, theirs, ours / theirs }' "$work/times"
}

head_line() {
    printf '\n%s\n\n| what | delid ms | peer ms | ratio of medians | of minima | delid KiB | peer KiB | ratio |\n|---|---|---|---|---|---|---|---|\n' "$1"
}


# What was measured, on what.
first_line() {
    echo "$("$delid" --version), $(date +%F), $(nproc) CPUs, load$(cut -d' ' -f1 /proc/loadavg | sed 's/^/ /'), $runs runs each"
}
