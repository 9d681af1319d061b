//! The rules of the loader, each with the place in the source of Linux 6.12.107 where it stands.

use super::super::Rule;

macro_rules! rules {
    ($($name:ident $id:literal $says:literal $file:literal $function:literal;)*) => {
        $(
            #[doc = $says]
            pub const $name: Rule = Rule {
                id: $id,
                says: $says,
                source: concat!("Linux 6.12.107 ", $file, " ", $function, "()"),
            };
        )*

        /// All of them.
        pub const ALL: &[Rule] = &[$($name),*];
    };
}

// The loader as a whole.
rules! {
    DISABLED "linux-dis-ucode-ldr" "The word dis_ucode_ldr on the command line switches the loader off." "arch/x86/kernel/cpu/microcode/core.c" "load_ucode_bsp";
    HYPERVISOR "linux-hypervisor" "Nothing is loaded where CPUID leaf 1 has bit 31 of ECX set: a hypervisor says so." "arch/x86/kernel/cpu/microcode/core.c" "microcode_loader_disabled";
    FINAL_LEVEL "linux-amd-final-level" "AMD patch levels 0x1000098, 0x100009f and 0x10000af are final." "arch/x86/kernel/cpu/microcode/core.c" "amd_check_current_patch_level";
    INTEL_FAMILY "linux-intel-family" "Intel CPUs before family 6 are not served." "arch/x86/kernel/cpu/microcode/core.c" "load_ucode_bsp";
    AMD_FAMILY "linux-amd-family" "AMD CPUs before family 10h are not served." "arch/x86/kernel/cpu/microcode/core.c" "load_ucode_bsp";
    VENDOR "linux-vendor" "Only GenuineIntel and AuthenticAMD are served." "arch/x86/kernel/cpu/microcode/core.c" "load_ucode_bsp";
    UNKNOWN "linux-unknown" "What the loader reads from the CPU is not known here." "arch/x86/kernel/cpu/microcode/core.c" "load_ucode_bsp";
    BUILT_IN_INTEL "linux-intel-built-in-first" "A built-in intel-ucode/ff-mm-ss is taken before the initrd, which is then not looked at." "arch/x86/kernel/cpu/microcode/intel.c" "get_microcode_blob";
    BUILT_IN_AMD "linux-amd-built-in-first" "A built-in amd-ucode file of the family is taken before the initrd, which is then not looked at." "arch/x86/kernel/cpu/microcode/amd.c" "find_blobs_in_containers";
    BUILT_IN_32 "linux-built-in-64-bit-only" "A 32-bit kernel does not look into its built-in firmware." "arch/x86/kernel/cpu/microcode/intel.c" "load_builtin_intel_microcode";
    NO_INITRD "linux-initrd-absent" "Without an initrd there is nothing to search." "arch/x86/kernel/cpu/microcode/core.c" "find_microcode_in_initrd";
    EMPTY "linux-empty-file" "An empty file counts as none, and no other place is tried." "arch/x86/kernel/cpu/microcode/intel.c" "get_microcode_blob";
    INITRD_NAME "linux-initrd-name" "The file is the first regular member whose name begins with the path, compared from the first byte." "lib/earlycpio.c" "find_cpio_data";
    INITRD_PREFIXED "linux-initrd-name-from-first-byte" "A name with ./ or / before the path is another name." "lib/earlycpio.c" "find_cpio_data";
    INITRD_REGULAR "linux-initrd-regular-file" "Only regular files are taken: no link, no directory." "lib/earlycpio.c" "find_cpio_data";
    INITRD_FIRST "linux-initrd-first-member" "The first member of the name is taken; later ones are never looked at." "lib/earlycpio.c" "find_cpio_data";
    INITRD_END "linux-initrd-end" "The search ends at the first place that is neither a zero byte nor the header of a whole cpio member." "lib/earlycpio.c" "find_cpio_data";
    LOADED "linux-loaded" "The update is written to the CPU, which has the last word." "arch/x86/kernel/cpu/microcode/core.c" "load_ucode_bsp";
}

/// Intel, early and late.
pub mod intel {
    use super::super::super::Rule;

    rules! {
        SIZE "linux-intel-size" "The total size is not 0 and fits into the rest of the file." "arch/x86/kernel/cpu/microcode/intel.c" "scan_microcode";
        DATA_SIZE "linux-intel-data-size" "Header and data fit into the total size." "arch/x86/kernel/cpu/microcode/intel.c" "intel_microcode_sanity_check";
        FORMAT "linux-intel-format" "Loader version and header version are 1." "arch/x86/kernel/cpu/microcode/intel.c" "intel_microcode_sanity_check";
        TABLE_SIZE "linux-intel-table-size" "What follows the data is an extended signature table: 20 bytes and 12 for each entry." "arch/x86/kernel/cpu/microcode/intel.c" "intel_microcode_sanity_check";
        TABLE_COUNT "linux-intel-table-count" "The count of the extended signature table agrees with its size." "arch/x86/kernel/cpu/microcode/intel.c" "intel_microcode_sanity_check";
        TABLE_SUM "linux-intel-table-checksum" "The 32-bit words of the extended signature table sum to 0." "arch/x86/kernel/cpu/microcode/intel.c" "intel_microcode_sanity_check";
        SUM "linux-intel-checksum" "The 32-bit words of header and data sum to 0." "arch/x86/kernel/cpu/microcode/intel.c" "intel_microcode_sanity_check";
        ENTRY_SUM "linux-intel-entry-checksum" "Each extended signature with its checksum sums to what signature, platforms and checksum of the header do." "arch/x86/kernel/cpu/microcode/intel.c" "intel_microcode_sanity_check";
        TRAILING "linux-intel-trailing-bytes" "Nothing may follow the last update, not even padding." "arch/x86/kernel/cpu/microcode/intel.c" "scan_microcode";
        VOID "linux-intel-first-bad-voids" "The first update that breaks a rule makes the loader drop the whole file, good updates before it included." "arch/x86/kernel/cpu/microcode/intel.c" "scan_microcode";
        NOT_REACHED "linux-intel-not-reached" "Behind the first update that breaks a rule nothing is read." "arch/x86/kernel/cpu/microcode/intel.c" "scan_microcode";
        SIGNATURE "linux-intel-signature" "The signature is that of CPUID leaf 1, in the header or in the extended table." "arch/x86/kernel/cpu/microcode/intel.c" "intel_find_matching_signature";
        PLATFORM "linux-intel-platform" "The platforms of CPU and update have a bit in common, or both are 0; an update with platforms 0 is not for every CPU." "arch/x86/kernel/cpu/microcode/intel.c" "cpu_signatures_match";
        EXTENDED "linux-intel-extended-signature" "The extended signature table names further CPUs that the update is for." "arch/x86/kernel/cpu/microcode/intel.c" "intel_find_matching_signature";
        NO_PLATFORM "linux-intel-no-platform" "Before family 6 model 5 the platform is not read and counts as 0." "arch/x86/kernel/cpu/microcode/intel.c" "intel_collect_cpu_info";
        REVISION "linux-intel-newer" "The revision is higher than the running one, compared as unsigned numbers." "arch/x86/kernel/cpu/microcode/intel.c" "scan_microcode";
        HIGHEST "linux-intel-highest" "Of the updates that fit the highest revision is taken, and of equal ones the first." "arch/x86/kernel/cpu/microcode/intel.c" "scan_microcode";
        AP_LAST "linux-intel-ap-last-equal" "The other CPUs are given the last update that has the revision which the boot CPU runs." "arch/x86/kernel/cpu/microcode/intel.c" "save_builtin_microcode";
    }
}

/// AMD, early and late.
pub mod amd {
    use super::super::super::Rule;

    rules! {
        HEADER "linux-amd-container-header" "A container is longer than its header of 12 bytes." "arch/x86/kernel/cpu/microcode/amd.c" "verify_container";
        MAGIC "linux-amd-container-magic" "A container begins with the word 0x00414d44." "arch/x86/kernel/cpu/microcode/amd.c" "verify_container";
        TABLE_TYPE "linux-amd-table-type" "Before family 17h the type of the equivalence table is 0." "arch/x86/kernel/cpu/microcode/amd.c" "verify_equivalence_table";
        TABLE_SIZE "linux-amd-table-size" "Before family 17h the equivalence table has a row and lies within the file." "arch/x86/kernel/cpu/microcode/amd.c" "verify_equivalence_table";
        TABLE_BEHIND "linux-amd-table-behind-file" "From family 17h on the size of the equivalence table is not checked; one that reaches behind the file takes the search there." "arch/x86/kernel/cpu/microcode/amd.c" "parse_container";
        SECTION "linux-amd-section-header" "A section has a header of 8 bytes and type 1." "arch/x86/kernel/cpu/microcode/amd.c" "__verify_patch_section";
        SHORT "linux-amd-patch-short" "A patch is no shorter than its header of 64 bytes." "arch/x86/kernel/cpu/microcode/amd.c" "__verify_patch_section";
        CUT "linux-amd-patch-cut" "A patch lies within the file." "arch/x86/kernel/cpu/microcode/amd.c" "verify_patch";
        LIMIT "linux-amd-patch-limit" "On families 10h to 12h a patch has at most 2048 bytes, on 14h 1824; from 15h on there is no limit." "arch/x86/kernel/cpu/microcode/amd.c" "__verify_patch_size";
        CHIPSET "linux-amd-chipset" "A patch for one north or south bridge only is refused, and its container ends there." "arch/x86/kernel/cpu/microcode/amd.c" "verify_patch";
        FAMILY "linux-amd-patch-family" "A patch whose processor id is of another family is passed over." "arch/x86/kernel/cpu/microcode/amd.c" "verify_patch";
        SIDE "linux-amd-cutoff-side" "A patch is passed over when only one of it and the running revision is above the last revision with the old signature." "arch/x86/kernel/cpu/microcode/amd.c" "verify_patch";
        NO_ROW "linux-amd-no-equivalence" "Before family 17h a CPU without a row in the container's equivalence table has no patch there." "arch/x86/kernel/cpu/microcode/amd.c" "find_equiv_id";
        EQUIVALENT "linux-amd-equivalence" "Before family 17h a patch is for the CPUs whose name in the equivalence table is its processor id; the first row of a signature counts." "arch/x86/kernel/cpu/microcode/amd.c" "mc_patch_matches";
        ZEN "linux-amd-zen-id" "From family 17h on the equivalence table is not read: the patch level holds the signature of the CPU." "arch/x86/kernel/cpu/microcode/amd.c" "mc_patch_matches";
        LAST "linux-amd-last-match" "Of the patches for the CPU in a container the last is taken, not the highest." "arch/x86/kernel/cpu/microcode/amd.c" "parse_container";
        FIRST_CONTAINER "linux-amd-first-container" "The first container with a patch for the CPU ends the search." "arch/x86/kernel/cpu/microcode/amd.c" "parse_container";
        CONTAINER_END "linux-amd-container-end" "The first section that is no good patch ends the container; if no container begins right there, the search is over." "arch/x86/kernel/cpu/microcode/amd.c" "scan_containers";
        OLDER "linux-amd-older" "A patch older than the running revision is not applied." "arch/x86/kernel/cpu/microcode/amd.c" "load_ucode_amd_bsp";
        EQUAL "linux-amd-equal-again" "The running revision is applied again, for what is separate in each thread of a core." "arch/x86/kernel/cpu/microcode/amd.c" "load_ucode_amd_bsp";
        NOT_AFFECTED "linux-amd-digest-not-asked" "The digest is asked for only on the CPUs with the weak signature check, and only up to the last revision with the old signature." "arch/x86/kernel/cpu/microcode/amd.c" "verify_sha256_digest";
        SHA_OFF "linux-amd-sha-check-off" "microcode.amd_sha_check=off drops the digest check and taints the kernel." "arch/x86/kernel/cpu/microcode/amd.c" "load_ucode_amd_bsp";
        DIGEST "linux-amd-digest" "The SHA-256 of the patch is that of the kernel's list." "arch/x86/kernel/cpu/microcode/amd.c" "verify_sha256_digest";
        UNLISTED "linux-amd-digest-unlisted" "A patch that the kernel's list of digests does not name is refused." "arch/x86/kernel/cpu/microcode/amd.c" "verify_sha256_digest";
        DIFFERS "linux-amd-digest-differs" "A patch whose SHA-256 is not that of the kernel's list is refused." "arch/x86/kernel/cpu/microcode/amd.c" "verify_sha256_digest";
        AP_CACHE "linux-amd-ap-newest" "The other CPUs are given the newest patch of the container the boot CPU stopped at, found by the revision they run." "arch/x86/kernel/cpu/microcode/amd.c" "find_patch";
    }
}

/// At run time, both vendors.
pub mod late {
    use super::super::super::Rule;

    rules! {
        CONFIG "linux-late-config" "Loading at run time is there only in kernels built with CONFIG_MICROCODE_LATE_LOADING." "arch/x86/kernel/cpu/microcode/core.c" "reload_store";
        FILE "linux-late-file-name" "Loading at run time asks for one file, by family, model and stepping (Intel) or by family (AMD)." "arch/x86/kernel/cpu/microcode/intel.c" "request_microcode_fw";
        BUILT_IN "linux-late-built-in-first" "A firmware request takes a built-in file before one of the firmware directory." "drivers/base/firmware_loader/main.c" "_request_firmware_prepare";
        COMPRESSED "linux-late-compressed" "When the plain file is absent the one ending in .zst is taken, then .xz, where the kernel is built with them." "drivers/base/firmware_loader/main.c" "_request_firmware";
        INITRAMFS "linux-late-initramfs-suffix" "A file with .initramfs behind its name, as Debian has them, is another name." "arch/x86/kernel/cpu/microcode/intel.c" "request_microcode_fw";
        BDF90 "linux-intel-bdf90" "Broadwell-EX and -EP (06-4f-01) with more than 2.5 MiB of last-level cache per core and a revision below 0xb000021 are not updated at run time: erratum BDF90." "arch/x86/kernel/cpu/microcode/intel.c" "is_blacklisted";
        VOID "linux-intel-late-first-bad-voids" "The first update that breaks a rule makes the request fail, good updates before it included." "arch/x86/kernel/cpu/microcode/intel.c" "parse_microcode_blobs";
        MINIMUM "linux-intel-minimum-revision" "An update is safe at run time when its header names a lowest revision and the running one is not below it." "arch/x86/kernel/cpu/microcode/intel.c" "ucode_validate_minrev";
        FORCED "linux-force-minrev" "With force_minrev an update that is not known to be safe at run time is refused." "arch/x86/kernel/cpu/microcode/intel.c" "parse_microcode_blobs";
        UNSAFE "linux-late-taint" "Loading an update that is not known to be safe at run time taints the kernel." "arch/x86/kernel/cpu/microcode/core.c" "load_late_stop_cpus";
        AMD_FORCED "linux-amd-force-minrev" "With force_minrev AMD patches are not loaded at run time." "arch/x86/kernel/cpu/microcode/amd.c" "request_microcode_amd";
        AMD_VOID "linux-amd-late-void" "At run time a section that is no good patch makes the whole request fail, and so does a second container." "arch/x86/kernel/cpu/microcode/amd.c" "__load_microcode_amd";
        AMD_NEWEST "linux-amd-late-newest" "At run time the newest patch is kept for each CPU, not the last." "arch/x86/kernel/cpu/microcode/amd.c" "update_cache";
        AMD_BY_REVISION "linux-amd-late-by-revision" "At run time a CPU of family 17h or later is known by the revision that it runs, not by CPUID." "arch/x86/kernel/cpu/microcode/amd.c" "find_patch";
        AMD_NOT_NEWER "linux-amd-late-newer" "At run time a patch is loaded when it is newer than the running revision." "arch/x86/kernel/cpu/microcode/amd.c" "load_microcode_amd";
    }
}

/// Every rule of the loader.
pub fn all() -> impl Iterator<Item = Rule> {
    [ALL, intel::ALL, amd::ALL, late::ALL].into_iter().flatten().copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn every_rule_has_a_name_of_its_own() {
        let ids: BTreeSet<_> = super::all().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), super::all().count());
        assert!(super::all().all(|rule| rule.says.ends_with('.') && rule.id.starts_with("linux-")));
    }
}
