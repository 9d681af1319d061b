# shellcheck shell=bash
# Sourced by the scripts in this folder: a made-up Windows that runs in a QEMU of our own, and checks.
#
# DELID_BINARY            delid; built when not given
# DELID_SYNTHETIC_GUEST   the example of the crate delid-kdd; built when not given
# DELID_QEMU              QEMU; default qemu-system-x86_64
# DELID_PRESET            which Windows; default win10-x64

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
qemu=${DELID_QEMU:-qemu-system-x86_64}
preset=${DELID_PRESET:-win10-x64}
built=${CARGO_TARGET_DIR:-$root/target}/debug
failed=0
children=()

not_run() { # REASON
    echo "not run: $*" >&2
}

# A line per check; what is wrong is counted, and the script goes on.
ok() { # WHAT COMMAND...
    local what=$1
    shift
    if "$@"; then
        echo "ok: $what"
    else
        echo "FAILED: $what"
        failed=$((failed + 1))
    fi
}

is() { # WHAT SEEN EXPECTED
    if [ "$2" = "$3" ]; then
        echo "ok: $1"
    else
        echo "FAILED: $1: expected $3, seen ${2:-nothing}"
        failed=$((failed + 1))
    fi
}

# Waits until a command holds.
soon() { # SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@" 2> /dev/null; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}

build() {
    binary=${DELID_BINARY:-}
    if [ -z "$binary" ]; then
        (cd "$root" && cargo build --locked -p delid >&2)
        binary=$built/delid
    fi
    guest=${DELID_SYNTHETIC_GUEST:-}
    if [ -z "$guest" ]; then
        (cd "$root" && cargo build --locked -p delid-kdd --example synthetic_guest >&2)
        guest=$built/examples/synthetic_guest
    fi
}

# Ends what this script started, by number.
clean_up() {
    local child
    for child in "${children[@]}"; do kill -KILL "$child" 2> /dev/null || true; done
    wait 2> /dev/null || true
    [ -z "${linux_guest:-}" ] || "$linux_guest" stop || true
    [ -z "${folder:-}" ] || [ -n "${DELID_KEEP:-}" ] || rm -rf "$folder"
}

make_folder() {
    # The address of a Unix socket holds 107 bytes.
    folder=$(mktemp -d /tmp/delid-live.XXXXXX)
    trap clean_up EXIT
}

# A number of the guest: `place TICK`.
place() { # NAME
    sed -n "s/^$1=//p" "$folder/places"
}

# Writes the guest and starts it; QMP on standard input and output is for the checks, the socket for delid.
start_guest() { # PRESET
    rm -f "$folder"/{ram.bin,qmp.sock}
    "$guest" "$folder" --preset "$1" --runnable > "$folder/places" || return
    cp --sparse=always "$folder/ram.bin" "$folder/ram.first"
    local arguments
    read -r -a arguments <<< "$(place QEMU)"
    coproc QEMU {
        exec nice "$qemu" "${arguments[@]}" -monitor none -qmp "unix:$folder/qmp.sock,server=on,wait=off" \
            -qmp stdio 2> "$folder/qemu.log"
    }
    qemu_pid=$QEMU_PID
    # The descriptors of a coprocess are closed in subshells, copies are not.
    exec {qmp_answers}<&"${QEMU[0]}" {qmp_commands}>&"${QEMU[1]}"
    children+=("$qemu_pid")
    qmp qmp_capabilities > /dev/null
    soon 20 ticks || { cat "$folder/qemu.log" >&2; return 1; }
}

stop_guest() {
    kill -KILL "$qemu_pid" 2> /dev/null || true
    wait "$qemu_pid" 2> /dev/null || true
    exec {qmp_answers}<&- {qmp_commands}>&-
}

# The answer of QMP.
qmp() { # COMMAND
    local line
    printf '{"execute":"%s"}\n' "$1" >&"$qmp_commands" || return
    while read -r -t 10 -u "$qmp_answers" line; do
        case $line in *'"return"'* | *'"error"'*) echo "$line"; return ;; esac
    done
    return 1
}

state() {
    qmp query-status | sed -n 's/.*"status": "\([^"]*\)".*/\1/p'
}

running() { [ "$(state)" = running ]; }

cpus() { grep -c '^COUNTER_[0-9]*=' "$folder/places"; }

# 8 bytes of the RAM.
word() { # OFFSET
    od -A n -t u8 -j $(($1)) -N 8 "$folder/ram.bin" | tr -d ' '
}

counter() { word "$(place "COUNTER_$1_IN_RAM")"; }

# Whether every CPU counts on.
ticks() {
    local number before=() last
    last=$(($(cpus) - 1))
    for number in $(seq 0 $last); do before+=("$(counter "$number")"); done
    sleep 0.5
    for number in $(seq 0 $last); do
        [ "$(counter "$number")" != "${before[number]}" ] || return 1
    done
}

stands() { ! ticks; }

# Whether the kernel's code is what it was before the guest ran: no breakpoint is left in it.
code_unchanged() {
    local name at
    for name in TICK COUNT SPIN; do
        at=$(place "${name}_IN_RAM")
        cmp -s -n 4096 "$folder/ram.bin" "$folder/ram.first" --ignore-initial=$((at & ~4095)) || return 1
    done
}

# What must hold when a debugger is gone.
left_alone() { # WHO
    ok "$1: QMP says running" soon 5 running
    ok "$1: the counters of both CPUs go on" soon 10 ticks
    ok "$1: no breakpoint is left in the code" code_unchanged
}

# `delid kdd gdb` on a Unix socket.
serve_gdb() {
    rm -f "$folder/gdb.sock"
    "$binary" kdd gdb "qemu:$folder/qmp.sock" --unix "$folder/gdb.sock" --once > "$folder/gdb.log" 2>&1 &
    server=$!
    disown "$server"
    children+=("$server")
    soon 10 test -S "$folder/gdb.sock" || { cat "$folder/gdb.log" >&2; return 1; }
}

# The value of a line NAME=VALUE that a debugger printed.
said() { # FILE NAME
    sed -n "s/.*\b$2=//p" "$1" | tail -n 1
}
