/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drive ROUNDS PEER…: runs the peers in turn in the guest, and prints each round as a line of JSON.
 * It starts a peer, waits until it is ready, applies the same loads to each, and stops it. Times
 * are CPU time of the loading thread, so they exclude what a consumer does on the same CPU.
 */
#define _GNU_SOURCE
#include "oracle.h"
#include "vfio.h"
#include "devices.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READ_WRITE (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)
#define IOVA 0x100000000ull
#define HUGE (2ull << 20)
#define PATIENCE 60000000000ull

static struct container container;

struct peer {
	const char *name;
	const char *argv[8];
	unsigned probes;
};

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static uint64_t own(void)
{
	return now(CLOCK_THREAD_CPUTIME_ID);
}

/*
 * Makes `pairs` maps of `size` bytes and, after each 64, as many unmaps; returns the nanoseconds of
 * a map and of an unmap.
 */
static void load(void *memory, uint64_t size, unsigned pairs, double *map, double *unmap)
{
	uint64_t maps = 0, unmaps = 0, begun;

	for (unsigned i = 0; i < pairs; i++) {
		uint64_t iova = IOVA + i * size;

		begun = own();
		if (dma_map_quietly(&container, memory, iova, size, READ_WRITE))
			give_up("map", errno);
		maps += own() - begun;
		if (i % 64 != 63 && i != pairs - 1)
			continue;
		for (unsigned k = i - i % 64; k <= i; k++) {
			begun = own();
			if (dma_unmap_quietly(&container, IOVA + k * size, size, 0) !=
			    (int64_t)size)
				give_up("unmap", errno);
			unmaps += own() - begun;
		}
	}
	*map = (double)maps / pairs;
	*unmap = (double)unmaps / pairs;
}

static unsigned lines_of(const char *path)
{
	int file = open(path, O_RDONLY);
	char buffer[65536];
	unsigned lines = 0;
	ssize_t count;

	while (file >= 0 && (count = read(file, buffer, sizeof(buffer))) > 0)
		for (ssize_t i = 0; i < count; i++)
			lines += buffer[i] == '\n';
	if (file >= 0)
		close(file);
	return lines;
}

/* How many kprobes the kernel has: bpftrace does not report when it is ready. */
static unsigned attached(void)
{
	return lines_of("/sys/kernel/debug/kprobes/list");
}

/* CPU nanoseconds used by all threads of a process. */
static uint64_t cpu_of(pid_t pid)
{
	clockid_t clock;

	return clock_getcpuclockid(pid, &clock) ? 0 : now(clock);
}

static uint64_t status_of(pid_t pid, const char *key)
{
	char path[64], line[256];
	uint64_t value = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			value = strtoull(line + strlen(key) + 1, NULL, 10);
	if (file)
		fclose(file);
	return value;
}

/* Resident KiB of BPF maps in a process; a page that is mapped twice counts twice. */
static uint64_t ring_of(pid_t pid)
{
	char path[64], line[256];
	uint64_t value = 0;
	int inside = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file)) {
		if (strchr(line, '-') && strchr(line, '-') < line + 17 && strstr(line, " "))
			inside = strstr(line, "bpf-map") != 0;
		else if (inside && !strncmp(line, "Rss:", 4))
			value += strtoull(line + 4, NULL, 10);
	}
	if (file)
		fclose(file);
	return value;
}

static void nap(double seconds)
{
	struct timespec t = { (time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9) };

	nanosleep(&t, NULL);
}

static uint64_t size_of(const char *path)
{
	int file = open(path, O_RDONLY);
	off_t size = file < 0 ? 0 : lseek(file, 0, SEEK_END);

	if (file >= 0)
		close(file);
	return size;
}

/* Starts the peer and waits until it prints something, or until the kernel has its probes. */
static pid_t start(const struct peer *peer, double *seconds)
{
	unsigned before = attached();
	uint64_t begun = now(CLOCK_MONOTONIC);
	pid_t pid;

	unlink("/tmp/peer.out");
	pid = fork();
	if (!pid) {
		int out = open("/tmp/peer.out", O_WRONLY | O_CREAT | O_TRUNC, 0600),
		    err = open("/tmp/peer.err", O_WRONLY | O_CREAT | O_APPEND, 0600);

		dup2(out, 1);
		dup2(err, 2);
		setenv("BPFTRACE_MAX_PROBES", "1024", 1);
		execv(peer->argv[0], (char **)peer->argv);
		_exit(127);
	}
	for (;;) {
		int status;

		if (waitpid(pid, &status, WNOHANG) == pid) {
			fprintf(stderr, "drive: %s ended with %d\n", peer->name,
				WEXITSTATUS(status));
			*seconds = 0;
			return 0;
		}
		if (peer->probes ? attached() >= before + peer->probes
				 : size_of("/tmp/peer.out") > 0)
			break;
		if (now(CLOCK_MONOTONIC) - begun > PATIENCE) {
			printf("drive: %s has %u probes of %u after a minute\n", peer->name,
			       attached() - before, peer->probes);
			fflush(stdout);
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return 0;
		}
		nap(0.005);
	}
	*seconds = (now(CLOCK_MONOTONIC) - begun) / 1e9;
	return pid;
}

static void stop(pid_t pid, uint64_t *cpu)
{
	struct rusage usage;
	int status;

	kill(pid, SIGINT);
	wait4(pid, &status, 0, &usage);
	*cpu = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000ull +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000ull;
}

static void *small, *huge, *scattered;
static uint64_t huge_bytes, scattered_bytes;

static void memory(void)
{
	small = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
		     -1, 0);
	for (huge_bytes = 512ull << 20; huge_bytes >= HUGE; huge_bytes /= 2) {
		huge = mmap(NULL, huge_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
		if (huge != MAP_FAILED)
			break;
	}
	/*
	 * Physically scattered pages: the second page of each pair is moved next to the others; the
	 * first stays allocated, so that no two of them are physically adjacent.
	 */
	scattered_bytes = 1024 * PAGE;
	scattered = mmap(NULL, scattered_bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	madvise(scattered, scattered_bytes, MADV_NOHUGEPAGE);
	for (uint64_t at = 0; at < scattered_bytes; at += PAGE) {
		char *two = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

		mremap(two + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		       (char *)scattered + at);
	}
}

static int quick; /* no loads: only the start and the idle time are measured */

static void round_of(int number, const struct peer *peer)
{
	double map, unmap, lasted, seconds = 0;
	uint64_t cpu = 0, wakeups, delivered, begun;
	pid_t pid = peer->argv[0] ? start(peer, &seconds) : 0;

	if (peer->argv[0] && !pid)
		return;
	printf("{\"round\":%d,\"peer\":\"%s\"", number, peer->name);
	if (pid) {
		printf(",\"start\":%.6f,\"start_cpu\":%.6f,\"attached\":%u", seconds,
		       cpu_of(pid) / 1e9, attached());
		nap(1.5);
		printf(",\"rss_kb\":%lu,\"ring_kb\":%lu", status_of(pid, "VmRSS"), ring_of(pid));
		cpu = cpu_of(pid);
		wakeups = status_of(pid, "voluntary_ctxt_switches");
		nap(10);
		printf(",\"idle_cpu\":%.9f,\"idle_wakeups\":%.2f", (cpu_of(pid) - cpu) / 1e10,
		       (status_of(pid, "voluntary_ctxt_switches") - wakeups) / 10.0);
	}
	if (quick)
		goto end;
	load(small, PAGE, 128, &map, &unmap); /* warms */
	nap(0.3);
	cpu = pid ? cpu_of(pid) : 0;
	wakeups = pid ? status_of(pid, "voluntary_ctxt_switches") : 0;
	delivered = lines_of("/tmp/peer.out");
	begun = now(CLOCK_MONOTONIC);
	load(small, PAGE, 4096, &map, &unmap);
	lasted = (now(CLOCK_MONOTONIC) - begun) / 1e9;
	nap(0.5);
	printf(",\"map_4k\":%.1f,\"unmap_4k\":%.1f,\"storm\":%.3f", map, unmap, lasted);
	if (pid)
		printf(",\"storm_cpu\":%.9f,\"storm_wakeups\":%lu,\"storm_lines\":%lu",
		       (cpu_of(pid) - cpu) / 1e9,
		       status_of(pid, "voluntary_ctxt_switches") - wakeups,
		       lines_of("/tmp/peer.out") - delivered);
	load(huge, HUGE, 256, &map, &unmap);
	printf(",\"map_2m\":%.1f,\"unmap_2m\":%.1f", map, unmap);
	load(huge, huge_bytes, 4, &map, &unmap);
	printf(",\"large\":%lu,\"map_large\":%.1f,\"unmap_large\":%.1f", huge_bytes, map, unmap);
	load(scattered, scattered_bytes, 4, &map, &unmap);
	printf(",\"map_scattered\":%.1f", map);
end:
	if (pid) {
		stop(pid, &cpu);
		printf(",\"whole_cpu\":%.6f", cpu / 1e9);
	}
	puts("}");
	fflush(stdout);
}

static const struct peer peers[] = {
	{ "none", { 0 }, 0 },
	{ "vfioscope", { "/bin/vfioscope", "trace", "--format", "jsonl", 0 }, 0 },
	{ "probe", { "/extra/probe", "/extra/probe.bpf.o", 0 }, 0 },
	{ "stream", { "/extra/probe", "/extra/probe.bpf.o", "stream", 0 }, 0 },
	{ "bpftrace", { "/usr/bin/bpftrace", "/extra/storm.bt", 0 }, 6 },
	{ "bpftrace-two", { "/usr/bin/bpftrace", "/extra/map.bt", 0 }, 2 },
};

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 9;
	unsigned count = sizeof(peers) / sizeof(peers[0]);

	quick = argc > 2 && !strcmp(argv[2], "quick");
	setenv("ORACLE", "/tmp/oracle", 1);
	oracle_open();
	devices_find();
	container = container_with("c", &edu);
	memory();
	for (int round = 0; round < rounds; round++)
		for (unsigned i = 0; i < count; i++) {
			const struct peer *peer = &peers[round % 2 ? count - 1 - i : i];
			int wanted = argc < 3 + quick;

			for (int k = 2; k < argc; k++)
				wanted |= !strcmp(argv[k], peer->name);
			if (wanted)
				round_of(round, peer);
		}
	return 0;
}
