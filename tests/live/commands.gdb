# What GDB does with the made-up Windows; tests/live/qemu fills in the words between at-signs.
set pagination off
set confirm off
set architecture i386:x86-64
set remotetimeout 30
target remote @SOCKET@
info threads
thread 1
printf "rbx1=%#lx\n", $rbx
printf "cr3_1=%#lx\n", $cr3
thread 2
printf "rbx2=%#lx\n", $rbx
printf "cr3_2=%#lx\n", $cr3
dump binary memory @FOLDER@/code.bin @TICK@ @TICK@+256
printf "counter=%lu\n", *(unsigned long *)@COUNTERS@
shell od -A n -t u8 -j $(($(sed -n 's/^COUNTER_0_IN_RAM=//p' @FOLDER@/places))) -N 8 @FOLDER@/ram.bin | tr -d ' ' > @FOLDER@/counter.ram

# The function is called by both CPUs.
break *@TICK@
set $seen = 0
set $turns = 0
while $seen != 3 && $turns < 40
  continue
  set $seen = $seen | (1 << ($_thread - 1))
  set $turns = $turns + 1
end
printf "seen=%d\n", $seen
printf "hit=%#lx\n", $rip

# The others stand still while one steps.
set $before = *(unsigned long *)@VARIABLE@
stepi
printf "step1=%#lx\n", $rip
printf "written=%ld\n", *(unsigned long *)@VARIABLE@ - $before
stepi
printf "step2=%#lx\n", $rip
delete

watch *(unsigned long *)@VARIABLE@
continue
printf "watch=%#lx\n", $rip
delete
detach
