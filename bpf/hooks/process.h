/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Hooks on processes and modules: exit and execve of a process that used VFIO, forks of the
 * followed command, and VFIO's modules being loaded.
 */
#pragma once
#include "emit.h"

SEC("raw_tp/sched_process_exit") int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	uint32_t tgid = bpf_get_current_pid_tgid() >> 32;
	struct signal_struct *signal;
	bool is_owner = bpf_map_lookup_elem(&owners, &tgid);

	if (!is_owner && !bpf_map_lookup_elem(&tree, &tgid))
		return 0;
	signal = READ(task, signal);
	if (READ(signal, live.counter))
		return 0;
	/* The last thread has exited: the pid may be reused. */
	bpf_map_delete_elem(&tree, &tgid);
	if (!is_owner)
		return 0;
	bpf_map_delete_elem(&owners, &tgid);
	EMIT (VS_EXIT, vs_exit, r)
		;
	return 0;
}

/*
 * execve may keep descriptors open, but not the memory: the pages that the process had mapped for
 * devices are no longer in any address space.
 */
SEC("raw_tp/sched_process_exec") int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	if (is_owner())
		EMIT (VS_EXEC, vs_exec, r)
			;
	return 0;
}

/*
 * Loaded only when a command is followed. The root of the tree of processes is the tool itself,
 * whose only child is the command.
 */
SEC("raw_tp/sched_process_fork") int on_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *child = (void *)ctx->args[1];
	uint32_t parent = bpf_get_current_pid_tgid() >> 32;
	uint32_t tgid = READ(child, tgid);
	uint8_t yes = 1;

	if (tgid == parent /* a thread */ || !bpf_map_lookup_elem(&tree, &parent))
		return 0;
	bpf_map_update_elem(&tree, &tgid, &yes, BPF_ANY);
	EMIT (VS_FORK, vs_fork, r) {
		r->child_start = READ(child, start_boottime);
		r->child = tgid;
	}
	return 0;
}

/*
 * Loaded only if VFIO is not loaded yet. Before the first DMA mapping of a container, its devices
 * are attached to a domain: the count shows whether mappings can have been missed.
 */
SEC("raw_tp/attach_device_to_domain") int on_domain_attach(struct bpf_raw_tracepoint_args *ctx)
{
	uint32_t zero = 0;
	uint64_t *count = bpf_map_lookup_elem(&domain_attaches, &zero);

	if (count)
		__sync_fetch_and_add(count, 1);
	return 0;
}

SEC("raw_tp/module_load") int on_module(struct bpf_raw_tracepoint_args *ctx)
{
	struct module *module = (void *)ctx->args[0];
	char name[VS_MODULE_BYTES] = {};

	bpf_probe_read_kernel_str(name, sizeof(name), &module->name);
	if (name[0] != 'v' || name[1] != 'f' || name[2] != 'i' || name[3] != 'o')
		return 0;
	EMIT (VS_MODULE, vs_module, r)
		__builtin_memcpy(r->name, name, sizeof(name));
	return 0;
}
