
/* Questions on standard input: kind, signature, platform, revision, length, bytes. Answers: offset of
   the update in its file (0 at run time) and its revision; -1 for none; -2 when the kernel's code
   read behind the memory it was given. */

static sigjmp_buf behind;

static void on_fault(int number)
{
    siglongjmp(behind, 1);
}

static u32 word(void)
{
    u32 value;
    if (fread(&value, 4, 1, stdin) != 1)
        exit(0);
    return value;
}

static void answer(long offset, u32 revision)
{
    printf("%ld %x\n", offset, revision);
    fflush(stdout);
}

static void early_intel(u8 *bytes, size_t length, struct ucode_cpu_info *cpu)
{
    struct cpio_data file = find_cpio_data("kernel/x86/microcode/GenuineIntel.bin", bytes, length, NULL);
    struct microcode_intel *found = NULL;
    if (file.data && file.size)
        found = scan_microcode(file.data, file.size, cpu, false);
    answer(found ? (u8 *)found - (u8 *)file.data : -1, found ? found->hdr.rev : 0);
}

static void early_amd(u8 *bytes, size_t length)
{
    struct cpio_data file = find_cpio_data("kernel/x86/microcode/AuthenticAMD.bin", bytes, length, NULL);
    struct cont_desc found = { 0 };
    if (file.data && file.size)
        scan_containers(file.data, file.size, &found);
    if (found.mc && patch_level <= found.mc->hdr.patch_id)
        answer((u8 *)found.mc - (u8 *)file.data, found.mc->hdr.patch_id);
    else
        answer(-1, 0);
}

static void late_intel(u8 *bytes, size_t length)
{
    struct iov_iter iter = { bytes, length };
    enum ucode_state state = parse_microcode_blobs(0, &iter);
    bool found = state == UCODE_NEW || state == UCODE_NEW_SAFE;
    answer(found ? 0 : -1, found ? ucode_patch_late->hdr.rev : 0);
}

static void late_amd(u8 *bytes, size_t length)
{
    struct ucode_patch *found = NULL;
    cleanup();
    if (verify_container(bytes, length) &&
        _load_microcode_amd(x86_family(bsp_cpuid_1_eax), bytes, length) == UCODE_OK)
        found = find_patch(0);
    if (found && patch_level < found->patch_id)
        answer(0, found->patch_id);
    else
        answer(-1, 0);
}

int main(void)
{
    signal(SIGSEGV, on_fault);
    for (;;) {
        u32 kind = word(), signature = word(), platform = word(), revision = word(), length = word();
        size_t room = (length / 4096 + 40) * 4096;
        u8 *bytes = memset(aligned_alloc(4096, room), 0, room);
        struct ucode_cpu_info cpu = { { signature, platform, revision }, NULL };
        if (length && fread(bytes, 1, length, stdin) != length)
            return 1;
        ucode_cpu_info[0] = cpu;
        boot_cpu_data.microcode = patch_level = revision;
        bsp_cpuid_1_eax = signature;
        force_minrev = kind == 3;
        if (sigsetjmp(behind, 1)) {
            INIT_LIST_HEAD(&microcode_cache);
            memset(&equiv_table, 0, sizeof(equiv_table));
            answer(-2, 0);
            continue;
        }
        switch (kind) {
        case 0: early_intel(bytes, length, &cpu); break;
        case 1: early_amd(bytes, length); break;
        case 4: late_amd(bytes, length); break;
        default: late_intel(bytes, length);
        }
        free(bytes);
    }
}
