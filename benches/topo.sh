#!/usr/bin/env bash
# delid side by side with lstopo and lspci: ratios of medians and minima, and peak memory.
#
#   benches/topo.sh            all parts
#   benches/topo.sh lstopo     five captured machines, XML against JSON and SVG against SVG
#   benches/topo.sh lspci      a dump of 1008 or more functions, all capabilities
#   benches/topo.sh cpus       a made machine of 1024 CPUs
#
# Needs hyperfine, lstopo, lspci, xz, bzip2, and real machines in $DELID_CORPUS. Both sides run in one
# hyperfine call, so that other load meets both; RUNS (default 15) is the number of runs of each.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=benches/compare.sh
. benches/compare.sh

bench_lstopo() {
    head_line "$(lstopo --version), hwloc-gather-topology captures, unpacked:"
    local name archive root
    for name in 256ppc-8n8s4t 128arm-2pa2n8cluster4co 40intel64-2g2n4c+pcilocality \
        32em64t-2n8c+dax+nvme+mic+dimms fakecpuid1f-64intel64-2p4d2n2c2t; do
        archive=$(find "$corpus/topo/" -name "$name.tar.bz2" | head -n 1)
        mkdir -p "$work/$name"
        tar -xjf "$archive" -C "$work/$name"
        root=$(find "$work/$name" -maxdepth 2 -type d \( -name sys -o -name proc \) -printf '%h\n' | head -n 1)
        compare "$name, JSON / XML" "$delid topo --from $root --json" "lstopo --if fsroot -i $root --of xml"
        compare "$name, SVG" "$delid topo --from $root -o $work/d.svg" "lstopo --if fsroot -i $root --of svg -f $work/l.svg"
    done
}

# Every lspci dump twelve times, each copy in PCI domains of its own.
big_dump() {
    local file copy domain=1
    for ((copy = 0; copy < 12; copy++)); do
        for file in "$corpus"/pci-smbios/lspci-dump/*; do
            { case $file in *.xz) xz -dc "$file" ;; *) cat "$file" ;; esac; } | awk -v domain="$(printf %04x $domain)" '
                { sub(/\r$/, "") }
                /^([0-9a-f][0-9a-f][0-9a-f][0-9a-f]:)?[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f]\.[0-7] / {
                    sub(/^[0-9a-f][0-9a-f][0-9a-f][0-9a-f]:/, ""); $0 = domain ":" $0; on = 1 }
                /^$/ { on = 0; print } on'
            echo
            domain=$((domain + 1))
        done
    done >"$work/big.txt"
}

bench_lspci() {
    big_dump
    local count
    count=$(grep -cE '^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7] ' "$work/big.txt")
    head_line "$(lspci --version), a dump of $count functions, $(stat -c %s "$work/big.txt") bytes:"
    compare "PCI tree against lspci -vvvnn" "$delid topo pci --from $work/big.txt" "lspci -F $work/big.txt -vvvnn"
    compare "JSON against lspci -vvvnn" "$delid topo --json --from $work/big.txt" "lspci -F $work/big.txt -vvvnn"
    compare "PCI tree against lspci -tv" "$delid topo pci --from $work/big.txt" "lspci -F $work/big.txt -tv"
}

# Two threads in a core, 64 cores in a package, 8 packages, a NUMA node and an L3 in each.
made_machine() {
    local cpu cpus=1024 per=128 root=$work/made top node dir sibling
    mkdir -p "$root/proc"
    for ((cpu = 0; cpu < cpus; cpu++)); do
        dir=$root/sys/devices/system/cpu/cpu$cpu
        mkdir -p "$dir/topology" "$dir"/cache/index{0,1,2,3}
        sibling=$((cpu / 2 * 2)) top=$((cpu / per * per))
        echo $((cpu / per)) >"$dir/topology/physical_package_id"
        echo $((cpu % per / 2)) >"$dir/topology/core_id"
        echo "$sibling-$((sibling + 1))" | tee "$dir/topology/core_cpus_list" "$dir/topology/thread_siblings_list" \
            "$dir"/cache/index{0,1,2}/shared_cpu_list >/dev/null
        echo "$top-$((top + per - 1))" | tee "$dir/topology/package_cpus_list" "$dir/topology/core_siblings_list" \
            "$dir/cache/index3/shared_cpu_list" >/dev/null
        for index in "0 1 Data 48K" "1 1 Instruction 32K" "2 2 Unified 2048K" "3 3 Unified 98304K"; do
            read -r number level kind size <<<"$index"
            echo "$level" >"$dir/cache/index$number/level"
            echo "$kind" >"$dir/cache/index$number/type"
            echo "$size" >"$dir/cache/index$number/size"
        done
    done
    echo "0-$((cpus - 1))" | tee "$root"/sys/devices/system/cpu/{online,possible,present} >/dev/null
    for ((node = 0; node < cpus / per; node++)); do
        dir=$root/sys/devices/system/node/node$node
        mkdir -p "$dir"
        echo "$((node * per))-$((node * per + per - 1))" >"$dir/cpulist"
        echo "Node $node MemTotal: 134217728 kB" >"$dir/meminfo"
    done
    echo "0-$((cpus / per - 1))" >"$root/sys/devices/system/node/online"
}

bench_cpus() {
    made_machine
    printf '\nA made machine of 1024 CPUs in 8 packages (target: below 100 ms):\n\n'
    hyperfine -N -w 2 -r "$runs" --export-csv "$work/times" "$delid topo --from $work/made -o $work/d.svg" >/dev/null 2>&1
    awk -F, -v peak="$(peak $delid topo --from "$work/made" -o "$work/d.svg")" 'NR == 2 {
        printf "| what | delid ms, median | min | KiB |\n|---|---|---|---|\n| 1024 CPUs, SVG | %.1f | %.1f | %d |\n", 1000 * $4, 1000 * $7, peak }' "$work/times"
}

if [ $# -eq 0 ]; then set -- lstopo lspci cpus; fi
first_line
for part; do "bench_$part"; done
