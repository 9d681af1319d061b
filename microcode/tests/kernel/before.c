/* What the kernel's functions need of the kernel, for a program. The functions themselves are taken
   from its source at test time and stand between this file and after.c. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32, __u32;
typedef uint64_t u64;

#define __packed __attribute__((packed))
#define __init
#define EXPORT_SYMBOL_GPL(name)
#define pr_err(...)
#define pr_warn(...)
#define pr_info(...)
#define pr_debug(...)
#define pr_info_once(...)
#define WARN(condition, ...)
#define GFP_KERNEL 0
#define PTR_ALIGN(p, a) ((typeof(p))(((unsigned long)(p) + (a) - 1) / (a) * (a)))
#define strscpy(to, from, size) ((void)0)
#define min_t(type, a, b) ((type)(a) < (type)(b) ? (type)(a) : (type)(b))

#define kzalloc(size, flags) calloc(1, size)
#define kfree free
#define vmalloc malloc
#define vfree free
#define kvfree free
#define kvmalloc(size, flags) malloc(size)

static void *kmemdup(const void *from, size_t size, int flags)
{
    return memcpy(malloc(size), from, size);
}

#define MAX_CPIO_FILE_NAME 18
struct cpio_data { void *data; size_t size; char name[MAX_CPIO_FILE_NAME]; };

static unsigned x86_family(unsigned eax)
{
    unsigned base = eax >> 8 & 15;
    return base == 15 ? base + (eax >> 20 & 255) : base;
}

struct cpu_signature { unsigned sig, pf, rev; };
struct ucode_cpu_info { struct cpu_signature cpu_sig; void *mc; };
static struct ucode_cpu_info ucode_cpu_info[1];

enum ucode_state {
    UCODE_OK, UCODE_NEW, UCODE_NEW_SAFE, UCODE_UPDATED, UCODE_NFOUND, UCODE_ERROR, UCODE_TIMEOUT, UCODE_OFFLINE
};

#define DEFAULT_UCODE_DATASIZE 2000
#define MC_HEADER_TYPE_MICROCODE 1
struct microcode_header_intel {
    unsigned hdrver, rev, date, sig, cksum, ldrver, pf, datasize, totalsize, metasize, min_req_ver, reserved;
};
#define MC_HEADER_SIZE (sizeof(struct microcode_header_intel))
struct microcode_intel { struct microcode_header_intel hdr; unsigned bits[]; };

static int intel_microcode_get_datasize(struct microcode_header_intel *header)
{
    return header->datasize ? header->datasize : DEFAULT_UCODE_DATASIZE;
}

static bool force_minrev;
static struct { unsigned microcode; } boot_cpu_data;
static struct microcode_intel *ucode_patch_late;

struct iov_iter { u8 *at; size_t left; };

static size_t iov_iter_count(struct iov_iter *iter)
{
    return iter->left;
}

static bool copy_from_iter_full(void *to, size_t size, struct iov_iter *iter)
{
    if (size > iter->left)
        return false;
    memcpy(to, iter->at, size);
    iter->at += size;
    iter->left -= size;
    return true;
}

struct list_head { struct list_head *next, *prev; };
#define LIST_HEAD(name) struct list_head name = { &name, &name }
#define INIT_LIST_HEAD(list) ((list)->next = (list)->prev = (list))

static void list_between(struct list_head *before, struct list_head *item, struct list_head *after)
{
    item->prev = before;
    item->next = after;
    before->next = after->prev = item;
}

#define list_add_tail(item, head) list_between((head)->prev, item, head)
#define list_replace(old, item) list_between((old)->prev, item, (old)->next)
#define __list_del(before, after) ((after)->prev = (before), (before)->next = (after))
#define owner(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
#define list_for_each_entry(p, head, member) \
    for (p = owner((head)->next, typeof(*p), member); &p->member != (head); \
         p = owner(p->member.next, typeof(*p), member))
#define list_for_each_entry_safe(p, q, head, member) \
    for (p = owner((head)->next, typeof(*p), member), q = owner(p->member.next, typeof(*p), member); \
         &p->member != (head); p = q, q = owner(q->member.next, typeof(*q), member))

static u32 patch_level;
static u32 bsp_cpuid_1_eax;

static u32 get_patch_level(void)
{
    return patch_level;
}

union zen_patch_rev {
    struct { u32 rev : 8, stepping : 4, model : 4, __reserved : 4, ext_model : 4, ext_fam : 8; };
    u32 ucode_rev;
};
