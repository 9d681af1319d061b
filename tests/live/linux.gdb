# What GDB does with the Linux guest; tests/live/qemu fills in the words between at-signs.
set pagination off
set confirm off
set architecture i386:x86-64
set remotetimeout 30
target remote @SOCKET@
info threads
dump binary memory @FOLDER@/banner.bin @BANNER@ @BANNER@+64

# The IDT lies at the begin of the area of CPU entries (Linux, Documentation/arch/x86/x86_64/mm.rst); vector 0xec is
# the timer of the local APIC.
set $gate = 0xfffffe0000000000 + 0xec * 16
set $handler = *(unsigned short *)$gate | ((unsigned long)*(unsigned short *)($gate + 6) << 16)
set $handler = $handler | ((unsigned long)*(unsigned int *)($gate + 8) << 32)
printf "handler=%#lx\n", $handler
break *$handler
set $seen = 0
set $turns = 0
while $seen != 3 && $turns < 200
  continue
  set $seen = $seen | (1 << ($_thread - 1))
  set $turns = $turns + 1
end
printf "seen=%d\n", $seen
stepi
printf "moved=%d\n", $rip != $handler
delete
detach
