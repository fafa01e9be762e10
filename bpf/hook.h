/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Makes programs from hook bodies: one body, two ways of attaching it. A body takes the function's
 * arguments as an array, its return value, and `probed`, a compile-time constant that is true for
 * kprobes. User space loads either the fentry or fexit program of a hook or its kprobe and
 * kretprobe, never both. The name of a program shows how it attaches: fentry_FN, fexit_FN, probe_FN
 * (a kprobe alone), entry_FN and return_FN (a kprobe with its kretprobe).
 */
#pragma once
#include "emit.h"

/* Identifies a hook with a kretprobe in the map of saved arguments. */
enum hook_id {
	HOOK_CONTAINER_OPEN = 1,
	HOOK_IOMMU_OPEN,
	HOOK_IOMMU_RELEASE,
	HOOK_IOMMU_ATTACH,
	HOOK_IOMMU_DETACH,
	HOOK_GROUP_OPEN,
	HOOK_GROUP_IOCTL,
	HOOK_DEVICE_ENABLE,
	HOOK_DEVICE_DISABLE,
	HOOK_MMAP,
	HOOK_PIN,
	HOOK_TYPE1_IOCTL,
	HOOK_CONFIG_WRITE,
	HOOK_HOST_WRITE_BYTE,
	HOOK_HOST_WRITE_WORD,
	HOOK_HOST_WRITE_DWORD,
	HOOK_RESET_TRY,
	HOOK_RESET_LOCKED,
	HOOK_RESET_BUS,
	HOOK_POWER,
	HOOK_POWER_UP,
	HOOK_UNBIND,
	HOOK_ASSIGN,
};

static __always_inline void probe_args(struct pt_regs *regs, uint64_t *arg)
{
	arg[0] = PT_REGS_PARM1(regs);
	arg[1] = PT_REGS_PARM2(regs);
	arg[2] = PT_REGS_PARM3(regs);
	arg[3] = PT_REGS_PARM4(regs);
	arg[4] = PT_REGS_PARM5(regs);
	arg[5] = 0;
}

#define MAX_DEPTH 3
/*
 * Unbinding a device first unbinds the devices that depend on it, by a nested call of the same
 * function. No other function with a kretprobe calls itself.
 */
#define NESTS(hook) ((hook) == HOOK_UNBIND)

static __always_inline struct vs_saved_key saved_key(uint32_t hook)
{
	struct vs_saved_key key = { .tid = (uint32_t)bpf_get_current_pid_tgid(), .hook = hook };
	return key;
}

/*
 * Saves the arguments for the kretprobe, and counts a return that was missed. The kernel reports
 * nowhere that a kretprobe found no free slot, or was skipped because its CPU was running a BPF
 * program. But the saved arguments then stay behind: if a thread enters a function whose arguments
 * are still saved, its last return was missed. Where calls nest, an outer call that is still live
 * has a higher stack pointer.
 */
static __always_inline void save_args(struct pt_regs *regs, uint32_t hook, uint32_t type)
{
	struct vs_saved_key key = saved_key(hook);
	struct vs_saved_args args = { .stack = PT_REGS_SP(regs), .type = type };
	struct vs_saved_args *found;

	for (int depth = 0; depth < MAX_DEPTH; depth++) {
		key.depth = depth;
		found = bpf_map_lookup_elem(&saved, &key);
		if (!found)
			break;
		if (!NESTS(hook) || found->stack <= args.stack) {
			count_failure(found->type);
			break;
		}
	}
	probe_args(regs, args.arg);
	/* If the map is full, the return finds nothing and counts the loss. */
	bpf_map_update_elem(&saved, &key, &args, BPF_ANY);
}

/*
 * Moves what the entry saved to `args`. It finds nothing only if the entry's program did not run,
 * which counts as a loss: returns are attached after entries and detached before them.
 */
static __always_inline bool restore_args(struct pt_regs *regs, uint32_t hook, uint32_t type,
					 struct vs_saved_args *args)
{
	struct vs_saved_key key = saved_key(hook);
	struct vs_saved_args *found;

	for (int depth = 0; depth < (NESTS(hook) ? MAX_DEPTH : 1); depth++) {
		key.depth = depth;
		found = bpf_map_lookup_elem(&saved, &key);
		/*
		 * On x86, the return has popped the return address: SP is 8 higher than at entry.
		 */
		if (!found || (NESTS(hook) && found->stack + 8 != PT_REGS_SP(regs)))
			continue;
		*args = *found;
		bpf_map_delete_elem(&saved, &key);
		return true;
	}
	count_failure(type);
	return false;
}

#define HOOK_ENTRY(fn, body)                                                                       \
	SEC("fentry/" #fn) int fentry_##fn(uint64_t *ctx)                                          \
	{                                                                                          \
		body(ctx, false);                                                                  \
		return 0;                                                                          \
	}                                                                                          \
	HOOK_ENTRY_PROBE(fn, body)

#define HOOK_ENTRY_PROBE(fn, body)                                                                 \
	SEC("kprobe/" #fn) int probe_##fn(struct pt_regs *regs)                                    \
	{                                                                                          \
		uint64_t arg[6];                                                                   \
		probe_args(regs, arg);                                                             \
		body(arg, true);                                                                   \
		return 0;                                                                          \
	}

#define HOOK_EXIT(fn, id, type, body)                                                              \
	HOOK_EXIT_BTF(fn, body)                                                                    \
	HOOK_EXIT_PROBE(fn, id, type, body)

#define HOOK_EXIT_BTF(fn, body)                                                                    \
	SEC("fexit/" #fn) int fexit_##fn(uint64_t *ctx)                                            \
	{                                                                                          \
		uint64_t ret = 0;                                                                  \
		/* Not ctx[n]: the number of arguments differs between kernels. */                 \
		bpf_get_func_ret(ctx, &ret);                                                       \
		body(ctx, ret, false);                                                             \
		return 0;                                                                          \
	}

#define HOOK_EXIT_PROBE(fn, id, type, body)                                                        \
	SEC("kprobe/" #fn) int entry_##fn(struct pt_regs *regs)                                    \
	{                                                                                          \
		save_args(regs, id, type);                                                         \
		return 0;                                                                          \
	}                                                                                          \
	SEC("kretprobe/" #fn) int return_##fn(struct pt_regs *regs)                                \
	{                                                                                          \
		struct vs_saved_args args;                                                         \
                                                                                                   \
		if (restore_args(regs, id, type, &args))                                           \
			body(args.arg, PT_REGS_RC(regs), true);                                    \
		return 0;                                                                          \
	}
