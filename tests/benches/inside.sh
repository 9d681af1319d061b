# Runs inside a bench machine as root (busybox sh). Leaves everything to compare in /tmp/out.
# Each command's exit status goes to status.txt: the comparison outside judges it.
d=/tmp/in/delid
out=/tmp/out
cd "$out" || exit
note() { # NAME COMMAND...: standard output to NAME, standard error to NAME.err
    name=$1; shift
    "$@" > "$name" 2> "$name.err"
    echo "$? $name" >> status.txt
    [ -s "$name.err" ] || rm -f "$name.err"
}

note live.json $d topo --json
note live.svg $d topo -o -
note live.txt $d topo --width 120
note pci.txt $d topo pci
note memory.txt $d topo memory
note cpu.txt $d topo cpu
note capture.log $d capture -o cap.tar.zst
note capture.json $d topo --json --from cap.tar.zst
note capture.svg $d topo --from cap.tar.zst -o -

# The same without privileges: uid and gid 1000, all capabilities gone with them.
mkdir -p /tmp/user; chmod 777 /tmp/user; chmod 755 /tmp /tmp/in "$d"
as_user() { setpriv --reuid=1000 --regid=1000 --clear-groups "$@"; }
setpriv --reuid=1000 --regid=1000 --clear-groups true 2>/dev/null || {
    grep -q '^bench:' /etc/passwd || echo 'bench:x:1000:1000:bench:/tmp/user:/bin/sh' >> /etc/passwd
    grep -q '^bench:' /etc/group || echo 'bench:x:1000:' >> /etc/group
    as_user() { su bench -s /bin/sh -c "$*"; }
}
note user-id.txt as_user id -u
note user.json as_user $d topo --json
note user.txt as_user $d topo --width 120
note user-capture.log as_user $d capture -o /tmp/user/user.tar.zst
cp /tmp/user/user.tar.zst . 2>/dev/null

# What other programs say of the same machine.
note lspci.txt lspci -vvv
note lspci-xxxx.txt lspci -xxxx
note lspci-vvvxxxx.txt lspci -Dnnvvvxxxx
note dmidecode.txt dmidecode
dmidecode --dump-bin dmi.bin > /dev/null 2>&1
note lstopo.xml lstopo-no-graphics --of xml --whole-io
note lscpu.txt lscpu
note lscpu-e.txt lscpu -e
note lscpu-p.txt lscpu -p=CPU,SOCKET,NODE,CORE
note numactl.txt numactl -H
note acpidump.txt acpidump
note cxl.json cxl list -vvv
for n in /sys/devices/system/node/node[0-9]*; do
    for f in $(find "$n/" \( -path '*access*/initiators/*' -o -path '*memory_side_cache*' \) -type f 2>/dev/null) "$n/distance" "$n/cpulist"; do
        echo "$f $(cat "$f" 2>/dev/null)"
    done
done > nodes.txt
for p in /sys/bus/pci/devices/*; do
    echo "${p##*/} numa_node=$(cat "$p/numa_node") path=$(readlink -f "$p") physfn=$(readlink "$p/physfn" 2>/dev/null)"
done > pci-sysfs.txt
exit 0
