/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker processes: sends them requests, and models what forking, passing descriptors and
 * killing does to descriptors.
 */
#define _GNU_SOURCE
#include "random.h"
#include "oracle.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct process processes[PROCESSES];

void call_batch(int process, const struct request *requests, int count)
{
	if (write(processes[process].socket, requests, count * sizeof(*requests)) < 0)
		give_up("write to a worker", errno);
}

void call_answers(int process, int64_t *results, int count)
{
	ssize_t length = read(processes[process].socket, results, count * sizeof(*results));

	if (length != (ssize_t)(count * sizeof(*results)))
		give_up("read from a worker", EPIPE);
}

int64_t call(int process, struct request request)
{
	int64_t result;

	call_batch(process, &request, 1);
	call_answers(process, &result, 1);
	return result;
}

void worker_start(int slot)
{
	struct process *p = &processes[slot];
	int sockets[2];
	char name[16];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
		give_up("socketpair", errno);
	snprintf(name, sizeof(name), "random-%u-%u", slot % 10u, ++p->generation % 1000u);
	p->pid = fork();
	if (p->pid == 0) {
		prctl(PR_SET_NAME, name);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int i = 0; i < WORKERS; i++)
			if (i != slot && processes[i].pid)
				close(processes[i].socket);
		close(sockets[0]);
		worker_loop(sockets[1]);
	}
	close(sockets[1]);
	p->socket = sockets[0];
	oracle("spawn", "\"child\":%d,\"role\":\"%s\",\"t_after\":%lu", p->pid, name, boot_ns());
	p->arena =
		call(slot, (struct request){ .call = CALL_MMAP_RAM, .size = ARENA_PAGES * PAGE });
	vma_add((struct vma){
		.process = slot, .ram = true, .address = p->arena, .size = ARENA_PAGES * PAGE });
}

void process_kill(int slot)
{
	struct process *p = &processes[slot];

	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	p->pid = 0;
	if (slot < WORKERS)
		close(p->socket);
	process_drop(slot);
	settle_model();
}

bool op_kill(void)
{
	int slot = draw(WORKERS), pid = processes[slot].pid;

	process_kill(slot);
	did(slot, pid, "killed");
	worker_start(slot);
	return true;
}

bool op_fork(void)
{
	int slot = draw(WORKERS);

	for (int child = WORKERS; child < PROCESSES; child++)
		if (!processes[child].pid) {
			processes[child].pid = call(slot, (struct request){ .call = CALL_FORK });
			process_copy(slot, child);
			did(slot, processes[child].pid, "fork");
			return true;
		}
	return false;
}

bool op_end_holder(void)
{
	int child = WORKERS + draw(HOLDERS);

	if (!processes[child].pid)
		return false;
	did(child, processes[child].pid, "the holder ends");
	process_kill(child);
	return true;
}

/* Passes a descriptor to another worker, which may use it as its own. */
bool op_pass(void)
{
	if (!handle_count)
		return false;
	int first = draw(handle_count), to = draw(WORKERS), index = -1;
	struct request send = { .call = CALL_SEND }, receive = { .call = CALL_RECEIVE };
	int64_t result;

	for (int i = 0; i < handle_count && index < 0; i++)
		if (handles[(first + i) % handle_count].process < WORKERS &&
		    handles[(first + i) % handle_count].process != to)
			index = (first + i) % handle_count;
	if (index < 0)
		return false;
	struct handle given = handles[index];

	send.fd = given.fd;
	call_batch(given.process, &send, 1);
	int fd = take_fd(given.process);

	call_answers(given.process, &result, 1);
	call_batch(to, &receive, 1);
	give_fd(to, fd);
	close(fd);
	call_answers(to, &result, 1);
	if (result < 0)
		surprise(to, result, 0, "pass");
	else
		handle_add(to, result, given.file);
	did(to, result, "passed from %d, kind %d of %d", processes[given.process].pid,
	    files[given.file].kind, files[given.file].object);
	return true;
}

bool op_dup(void)
{
	if (!handle_count)
		return false;
	struct handle from = handles[draw(handle_count)];

	if (from.process >= WORKERS)
		return false;
	int64_t result = call(from.process, (struct request){ .call = CALL_DUP, .fd = from.fd });

	if (result >= 0)
		handle_add(from.process, result, from.file);
	did(from.process, result, "dup, kind %d of %d", files[from.file].kind,
	    files[from.file].object);
	return true;
}
