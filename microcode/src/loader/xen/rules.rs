//! The rules of Xen 4.20.3, each with the function it stands in.

use crate::loader::Rule;

macro_rules! rules {
    ($($name:ident = $id:literal, $source:literal, $says:literal;)*) => {
        $( pub(super) const $name: Rule = Rule {
            id: $id,
            says: $says,
            source: concat!("Xen 4.20.3, ", $source),
        }; )*

        /// Every rule of this loader, in the order in which they are met.
        pub const ALL: &[Rule] = &[$($name),*];
    };
}

rules! {
    OPTION_INVALID = "xen-option-invalid", "xen/arch/x86/cpu/microcode/core.c: parse_ucode, xen/common/kernel.c: parse_params",
        "a part of ucode= that is neither a boolean option nor a number is an error and takes back the module nominated before it; a scan stays";
    OPTION_ZERO = "xen-option-zero", "xen/arch/x86/cpu/microcode/core.c: parse_ucode",
        "the number 0, and an empty part, nominate no module and take back a scan";
    EFI_OVERRIDES = "xen-efi-overrides", "xen/arch/x86/efi/efi-boot.h: efi_arch_cfg_file_late; xen/arch/x86/cpu/microcode/core.c: microcode_set_module, parse_ucode",
        "ucode= in the configuration of xen.efi nominates its file; numbers and scan on the command line are then passed over";
    EFI_SECTION = "xen-efi-section", "xen/arch/x86/efi/efi-boot.h: efi_arch_cfg_file_late",
        "a .ucode section of xen.efi becomes a module like the others: it is not nominated, and ucode= of the configuration is not read any more";
    NO_LOADER = "xen-no-loader", "xen/arch/x86/cpu/microcode/core.c: early_microcode_init; amd.c: ucode_probe_amd",
        "only Intel CPUs and AMD CPUs from family 10h on have a loader; Hygon and all others have none";
    ALL_ONES = "xen-revision-all-ones", "xen/arch/x86/cpu/microcode/core.c: early_microcode_init",
        "a running revision of 0xffffffff says that updates are not accepted: loading is off, at run time too";
    HYPERVISOR = "xen-hypervisor-bit", "xen/arch/x86/cpu/microcode/core.c: early_microcode_init",
        "the hypervisor bit of CPUID is not looked at: a Xen inside a virtual machine tries to load (Linux does not)";
    NOTHING_ASKED = "xen-nothing-asked", "xen/arch/x86/cpu/microcode/core.c: early_microcode_load",
        "without ucode=scan or ucode=<number> there is no microcode to load";
    MODULE_RANGE = "xen-module-range", "xen/arch/x86/cpu/microcode/core.c: early_microcode_load",
        "the module nominated, counted from the end when negative, must be one of 1 to the last";
    NOMINATED = "xen-module-nominated", "xen/arch/x86/cpu/microcode/core.c: early_microcode_load",
        "the module nominated is taken for microcode; it is no candidate for dom0's initrd any more";
    SCAN_ORDER = "xen-scan-order", "xen/arch/x86/cpu/microcode/core.c: early_microcode_load; setup.c: __start_xen",
        "a scan goes through the modules in their order; module 0, the kernel of dom0, is not yet marked as such and is looked at as well";
    SCAN_FIRST = "xen-scan-first-hit", "xen/arch/x86/cpu/microcode/core.c: early_microcode_load",
        "the first module with the file of the vendor ends the scan, whatever that file holds";
    SCAN_NOT_FOUND = "xen-scan-not-found", "xen/arch/x86/cpu/microcode/core.c: early_microcode_load",
        "a scan that finds the file in no module loads nothing (-ENODEV)";
    CPIO_MEMBER = "xen-cpio-member", "xen/common/earlycpio.c: find_cpio_data",
        "in an uncompressed cpio archive the first regular file whose name begins with the path is taken, compared from the first byte of the name";
    CPIO_ABSENT = "xen-cpio-absent", "xen/common/earlycpio.c: find_cpio_data",
        "what does not begin with cpio headers, or has no such file before the first bytes that are none, holds no microcode";
    RAW = "xen-raw-module", "xen/arch/x86/cpu/microcode/core.c: early_microcode_load",
        "a module that is nominated and has no such cpio member is read as the container itself";
    LATE_RAW = "xen-late-raw", "tools/misc/xen-ucode.c: main; xen/arch/x86/cpu/microcode/core.c: microcode_update_helper",
        "xen-ucode hands the file over as it is; a cpio archive is not looked into";
    INTEL_HEADER = "xen-intel-header", "xen/arch/x86/cpu/microcode/intel.c: cpu_request_microcode",
        "an update has 48 bytes of header, header version 1, loader version 1, and lies within the file";
    INTEL_SIZE = "xen-intel-size", "xen/arch/x86/cpu/microcode/intel.c: microcode_sanity_check",
        "the total size is a multiple of 1024, the data size one of 4, and header and data fit (Linux does not ask for 1024)";
    INTEL_SUM = "xen-intel-checksum", "xen/arch/x86/cpu/microcode/intel.c: microcode_sanity_check",
        "all words of header and data sum to 0";
    INTEL_TABLE_SIZE = "xen-intel-table-size", "xen/arch/x86/cpu/microcode/intel.c: microcode_sanity_check",
        "what follows the data is an extended signature table that fills it exactly";
    INTEL_TABLE_SUM = "xen-intel-table-checksum", "xen/arch/x86/cpu/microcode/intel.c: microcode_sanity_check",
        "all words of the extended signature table sum to 0, and each entry's three words to the sum of the header's";
    INTEL_KEEPS = "xen-intel-error-keeps", "xen/arch/x86/cpu/microcode/intel.c: cpu_request_microcode",
        "an update that breaks a rule ends the reading, and one found before it stays (Linux drops it)";
    INTEL_CPU = "xen-intel-cpu", "xen/arch/x86/cpu/microcode/intel.c: signature_matches, microcode_fits_cpu",
        "signature equal and the platform bit in the mask, in the header or in an entry of the extended table; a mask of 0 fits no CPU";
    INTEL_HIGHEST = "xen-intel-highest", "xen/arch/x86/cpu/microcode/intel.c: cpu_request_microcode, compare_revisions",
        "of the updates that fit the newest is taken; revisions are signed, and a negative one (before production) is newer than any other";
    INTEL_NEWER = "xen-intel-newer", "xen/arch/x86/cpu/microcode/intel.c: apply_microcode, compare_revisions",
        "an update that is not newer than what runs is refused (-EEXIST); revisions are signed, and a negative one is always newer";
    AMD_MAGIC = "xen-amd-magic", "xen/arch/x86/cpu/microcode/amd.c: cpu_request_microcode",
        "a container begins with the bytes 44 4d 41 00, and nothing else stands between containers";
    AMD_TABLE = "xen-amd-table", "xen/arch/x86/cpu/microcode/amd.c: cpu_request_microcode",
        "behind the magic stands an equivalence table (type 0) that lies within the file and is a multiple of 16 bytes";
    AMD_CONFLICT = "xen-amd-equivalence-conflict", "xen/arch/x86/cpu/microcode/amd.c: scan_equiv_cpu_table",
        "the first table with the CPU settles its equivalent id; a later one that says otherwise ends the reading (-EINVAL)";
    AMD_NO_ROW = "xen-amd-no-row", "xen/arch/x86/cpu/microcode/amd.c: scan_equiv_cpu_table, cpu_request_microcode",
        "a container whose equivalence table does not have the CPU is passed over, on Zen too (Linux needs no table there)";
    AMD_SECTION = "xen-amd-section", "xen/arch/x86/cpu/microcode/amd.c: cpu_request_microcode",
        "a section has type 1, lies within the file and holds at least a patch header of 64 bytes";
    AMD_KEEPS = "xen-amd-error-keeps", "xen/arch/x86/cpu/microcode/amd.c: cpu_request_microcode",
        "an error ends the reading, of all containers, and a patch found before it stays";
    AMD_SIZE = "xen-amd-size", "xen/arch/x86/cpu/microcode/amd.c: verify_patch_size",
        "a patch is at most 1824 bytes (family 14h), 4096 (15h), 3458 (16h), 3200 (17h), 5568 (19h), 15296 (1Ah), else 2048";
    AMD_CPU = "xen-amd-cpu", "xen/arch/x86/cpu/microcode/amd.c: microcode_fits_cpu",
        "the equivalent id of the patch is that of the CPU; the patch level is not looked at";
    AMD_HIGHEST = "xen-amd-highest", "xen/arch/x86/cpu/microcode/amd.c: cpu_request_microcode",
        "of the patches that fit, in all containers, the highest is taken, of equals the first (Linux: the last match of a container)";
    AMD_NO_DIGEST = "xen-amd-digest-unknown", "xen/arch/x86/cpu/microcode/amd.c: check_digest",
        "on Zen 1 to 5 with firmware older than the entry-sign fix, a patch whose level is not in Xen's list of digests is passed over";
    AMD_DIGEST = "xen-amd-digest-mismatch", "xen/arch/x86/cpu/microcode/amd.c: check_digest",
        "on Zen 1 to 5 with firmware older than the entry-sign fix, the SHA-256 of the patch must be the one in Xen's list";
    AMD_DIGEST_OFF = "xen-amd-digest-off", "xen/arch/x86/cpu/microcode/amd.c: check_digest, ucode_probe_amd",
        "ucode=digest-check=no turns the check of digests off and taints Xen";
    AMD_NEWER = "xen-amd-newer", "xen/arch/x86/cpu/microcode/amd.c: apply_microcode",
        "a patch that is not newer than what runs is refused (-EEXIST); an equal one too (Linux applies it again)";
    AMD_FINAL = "xen-amd-final-level", "xen/arch/x86/cpu/microcode/amd.c: check_final_patch_levels",
        "family 10h at level 0x01000098, 0x0100009f or 0x010000af is not updated (-ENXIO), by force neither";
    AMD_MIN_REV = "xen-amd-min-revision", "xen/arch/x86/cpu/microcode/amd.c: check_min_rev, apply_microcode",
        "a patch for Zen 3 and later with a minimum revision needs at least it, at boot as well (-ENXIO)";
    NO_PATCH = "xen-no-suitable", "xen/arch/x86/cpu/microcode/core.c: early_microcode_load, microcode_update_helper",
        "a file that is whole and has nothing for this CPU loads nothing (-ENOENT)";
    PARSE_ERROR = "xen-parse-error", "xen/arch/x86/cpu/microcode/core.c: early_microcode_load, microcode_update_helper",
        "a file in which nothing for this CPU stands before an error loads nothing (-EINVAL)";
    CACHE = "xen-late-cache", "xen/arch/x86/cpu/microcode/core.c: microcode_update_helper",
        "at run time an update must be newer than the one kept from before, -f aside (-EEXIST, which xen-ucode prints as up to date)";
    FORCE = "xen-late-force", "xen/arch/x86/cpu/microcode/core.c: microcode_update_helper; amd.c, intel.c: apply_microcode",
        "xen-ucode -f loads the same and older revisions and passes over the minimum revision; digests and fitness are checked all the same";
    LOADED = "xen-loaded", "xen/arch/x86/cpu/microcode/intel.c, amd.c: apply_microcode",
        "the update is written to the CPU";
    NOT_TAKEN = "xen-not-taken", "xen/arch/x86/cpu/microcode/intel.c, amd.c: apply_microcode",
        "a CPU that shows another revision after the write has not taken the update (-EIO): its signature does not hold, or a hypervisor below Xen drops it";
    BUSY = "xen-late-busy", "xen/arch/x86/cpu/microcode/core.c: microcode_update_helper, control_thread_fn",
        "CPUs that go on- or offline meanwhile, or do not all arrive within 30 ms, end the loading before it begins (-EBUSY)";
    FIRST_CPU = "xen-late-first-cpu", "xen/arch/x86/cpu/microcode/core.c: microcode_update_helper",
        "loading is led by the first CPU that is online, which must be the one for system NMIs (-EPERM)";
    UNKNOWN = "xen-unknown", "xen/arch/x86/cpu/microcode",
        "what is not known of the CPU would decide";
    DOM0 = "xen-dom0-linux", "xen/arch/x86/cpu-policy.c: guest_common_feature_adjustments; msr.c: guest_wrmsr",
        "the Linux of dom0 loads nothing: it sees the hypervisor bit, which turns its loader off, and Xen lets no guest write to the load register";
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn every_rule_has_a_name_of_its_own() {
        let mut ids: Vec<_> = ALL.iter().map(|rule| rule.id).collect();
        assert!(ids.iter().all(|id| id.starts_with("xen-")));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), ALL.len());
    }
}
