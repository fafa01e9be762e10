/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Emits records: reserves room in the ring, fills the header, submits, and counts. Nothing else
 * writes to the ring, so that for each record type attempted = delivered + dropped, exactly. A
 * record is counted as dropped when the ring has no room for it, when a step before the reservation
 * fails, and when a program did not run (kretprobes: hook.h; for all other programs the kernel
 * counts, in bpf_prog_info.recursion_misses).
 */
#pragma once
#include "maps.h"

static __always_inline struct vs_counter *count_attempt(uint32_t type)
{
	uint32_t zero = 0;
	struct vs_counters *all = bpf_map_lookup_elem(&counters, &zero);

	if (!all || type >= VS_COUNTERS)
		return 0;
	/* Atomic, because a program can be preempted by another on its own CPU. */
	__sync_fetch_and_add(&all->of[type].attempted, 1);
	return &all->of[type];
}

static __always_inline void count_drop(struct vs_counter *counter)
{
	if (counter)
		__sync_fetch_and_add(&counter->dropped, 1);
}

static __always_inline void count_failure(uint32_t type)
{
	count_drop(count_attempt(type));
}

/* Types that come in storms: one or more for each map and unmap request. */
static __always_inline bool is_frequent(uint32_t type)
{
	return type >= VS_MAP && type <= VS_UNMAP;
}

/*
 * Start time of the current thread group's leader. bpf_get_current_task_btf (5.11) allows direct
 * loads instead of helper calls, but makes the verifier search the kernel's whole BTF by name for
 * each: so only frequent records use it.
 */
static __always_inline uint64_t leader_start(uint32_t type)
{
	struct task_struct *task, *leader;

	if (is_frequent(type) &&
	    bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf)) {
		task = (struct task_struct *)bpf_get_current_task_btf();
		return task->group_leader->start_boottime;
	}
	task = (struct task_struct *)bpf_get_current_task();
	leader = READ(task, group_leader);
	return READ(leader, start_boottime);
}

static __always_inline void fill_actor(struct vs_header *h, uint32_t type)
{
	uint64_t id = bpf_get_current_pid_tgid();

	h->tid = (uint32_t)id;
	h->tgid = id >> 32;
	h->start = leader_start(type);
	h->cgroup = bpf_get_current_cgroup_id();
	h->uid = (uint32_t)bpf_get_current_uid_gid();
	bpf_get_current_comm(h->comm, sizeof(h->comm));
}

/*
 * `actor` is the header of the thread or process that the record is about; NULL for the current
 * thread.
 */
static __always_inline void *reserve(uint32_t type, uint32_t size, const struct vs_header *actor)
{
	struct vs_counter *counter = count_attempt(type);
	struct vs_header *h;

	if (inject_loss && type < VS_SNAP_BEGIN && bpf_get_prandom_u32() % inject_loss == 0) {
		count_drop(counter);
		return 0;
	}
	h = bpf_ringbuf_reserve(&ring, size, 0);
	if (!h) {
		count_drop(counter);
		return 0;
	}
	/* Ring memory is not zeroed: bytes left unwritten would hold parts of old records. */
	__builtin_memset(h, 0, size);
	if (actor)
		*h = *actor;
	else
		fill_actor(h, type);
	h->type = type;
	h->size = size;
	h->time = bpf_ktime_get_boot_ns();
	return h;
}

static __always_inline void submit(void *record, uint32_t size)
{
	/*
	 * Wake the consumer only as the fill level crosses the mark: a wake-up costs the traced
	 * thread more than the record itself.
	 */
	uint64_t waiting = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);
	uint64_t room = size + BPF_RINGBUF_HDR_SZ;

	bpf_ringbuf_submit(record, waiting >= wakeup_bytes && waiting < wakeup_bytes + 2 * room
					   ? BPF_RB_FORCE_WAKEUP
					   : BPF_RB_NO_WAKEUP);
}

/*
 * EMIT(TYPE, struct, name) { name->field = …; } runs the block if the ring has room for the record,
 * and then submits the record. The block must not be left by break, goto or return.
 */
#define EMIT(type, kind, name) EMIT_FOR(type, kind, name, 0)
#define EMIT_FOR(type, kind, name, actor)                                                          \
	for (struct kind *name = reserve(type, sizeof(struct kind), actor); name;                  \
	     submit(name, sizeof(struct kind)), name = 0)

/* The current process uses VFIO: its exit and its execve are recorded (hooks/process.h). */
static __always_inline void mark_owner(void)
{
	uint32_t tgid = bpf_get_current_pid_tgid() >> 32;
	uint64_t now = 1;

	bpf_map_update_elem(&owners, &tgid, &now, BPF_ANY);
}

static __always_inline bool is_owner(void)
{
	uint32_t tgid = bpf_get_current_pid_tgid() >> 32;

	return bpf_map_lookup_elem(&owners, &tgid) != 0;
}

/* The current thread's state, created if `create`; NULL when there is none or no room for it. */
static __always_inline struct map_state *map_state(bool create, bool probed)
{
	struct map_state empty = {};
	uint32_t tid;

	if (!probed) {
		struct map_state *state =
			bpf_task_storage_get(&map_states, bpf_get_current_task_btf(), 0, 0);

		if (state || !create)
			return state;
		mark_owner();
		return bpf_task_storage_get(&map_states, bpf_get_current_task_btf(), 0,
					    BPF_LOCAL_STORAGE_GET_F_CREATE);
	}
	tid = (uint32_t)bpf_get_current_pid_tgid();
	if (create && !bpf_map_lookup_elem(&map_states_5_10, &tid)) {
		mark_owner();
		bpf_map_update_elem(&map_states_5_10, &tid, &empty, BPF_ANY);
	}
	return bpf_map_lookup_elem(&map_states_5_10, &tid);
}
