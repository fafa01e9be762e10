/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * One body, two ways of attaching. A body takes the function's arguments as an array, its return value, and `probed`: a constant that
 * is true for kprobes. User space loads either the fentry/fexit program of a hook or its kprobe and kretprobe, never both; the name of
 * a program says which: fexit_FN, entry_FN (kprobe of a pair), return_FN (kretprobe), fentry_FN, probe_FN (kprobe alone).
 */
#pragma once
#include "emit.h"

static __always_inline void probe_args(struct pt_regs *regs, uint64_t *arg)
{
	arg[0] = PT_REGS_PARM1(regs);
	arg[1] = PT_REGS_PARM2(regs);
	arg[2] = PT_REGS_PARM3(regs);
	arg[3] = PT_REGS_PARM4(regs);
	arg[4] = PT_REGS_PARM5(regs);
	arg[5] = 0;
}

static __always_inline struct saved_key saved_key(uint32_t hook)
{
	struct saved_key key = {.tid = (uint32_t)bpf_get_current_pid_tgid(), .hook = hook};
	return key;
}

static __always_inline void save_args(struct pt_regs *regs, uint32_t hook, uint32_t type)
{
	struct saved_key key = saved_key(hook);
	struct saved_args args;

	probe_args(regs, args.arg);
	if (bpf_map_update_elem(&saved, &key, &args, BPF_ANY))
		count_failure(type);
}

#define HOOK_ENTRY(fn, body)                                                                                         \
	SEC("fentry/" #fn) int fentry_##fn(uint64_t *ctx)                                                            \
	{                                                                                                            \
		body(ctx, false);                                                                                    \
		return 0;                                                                                            \
	}                                                                                                            \
	HOOK_ENTRY_PROBE(fn, body)

#define HOOK_ENTRY_PROBE(fn, body)                                                                                   \
	SEC("kprobe/" #fn) int probe_##fn(struct pt_regs *regs)                                                      \
	{                                                                                                            \
		uint64_t arg[6];                                                                                     \
		probe_args(regs, arg);                                                                               \
		body(arg, true);                                                                                     \
		return 0;                                                                                            \
	}

#define HOOK_EXIT(fn, id, type, body)                                                                                \
	HOOK_EXIT_BTF(fn, body)                                                                                      \
	HOOK_EXIT_PROBE(fn, id, type, body)

#define HOOK_EXIT_BTF(fn, body)                                                                                      \
	SEC("fexit/" #fn) int fexit_##fn(uint64_t *ctx)                                                              \
	{                                                                                                            \
		uint64_t ret = 0;                                                                                    \
		/* Not ctx[n]: how many arguments there are differs between kernels. */                              \
		bpf_get_func_ret(ctx, &ret);                                                                         \
		body(ctx, ret, false);                                                                               \
		return 0;                                                                                            \
	}

#define HOOK_EXIT_PROBE(fn, id, type, body)                                                                          \
	SEC("kprobe/" #fn) int entry_##fn(struct pt_regs *regs)                                                      \
	{                                                                                                            \
		save_args(regs, id, type);                                                                           \
		return 0;                                                                                            \
	}                                                                                                            \
	SEC("kretprobe/" #fn) int return_##fn(struct pt_regs *regs)                                                  \
	{                                                                                                            \
		struct saved_key key = saved_key(id);                                                                \
		struct saved_args *found = bpf_map_lookup_elem(&saved, &key);                                        \
		struct saved_args args;                                                                              \
                                                                                                                     \
		/* Entered before the probe was attached. */                                                         \
		if (!found)                                                                                          \
			return 0;                                                                                    \
		args = *found;                                                                                       \
		bpf_map_delete_elem(&saved, &key);                                                                   \
		body(args.arg, PT_REGS_RC(regs), true);                                                              \
		return 0;                                                                                            \
	}

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
};
