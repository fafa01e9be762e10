/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fill CONTAINERS MAPPINGS ROUNDS: fills one container in the guest and then all of them, and runs
 * the tool to take snapshots of both states. Prints a line of JSON for each snapshot: seconds, the
 * peak of resident memory, and how many mappings its timeline has.
 */
#define _GNU_SOURCE
#include "oracle.h"
#include "vfio.h"
#include "devices.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST 16
#define IOVA 0x100000000ull
/* The watchdog i6300esb, a small conventional PCI device that nothing else in the lab uses. */
#define WATCHDOG 0x808625ab
#define OUTPUT "/tmp/snapshot.jsonl"

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/*
 * All mappings are of the same page, because only their number matters. Gaps keep them from being
 * adjacent.
 */
static void fill(struct container *c, void *page, unsigned mappings)
{
	for (unsigned i = 0; i < mappings; i++)
		if (dma_map_quietly(c, page, IOVA + 2 * i * PAGE, PAGE,
				    VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE))
			give_up("map", errno);
}

static unsigned mappings_reported(void)
{
	FILE *file = fopen(OUTPUT, "r");
	char *line = NULL;
	size_t room = 0;
	unsigned count = 0;

	while (file && getline(&line, &room, file) > 0)
		count += strstr(line, "\"type\":\"map\"") != NULL;
	free(line);
	if (file)
		fclose(file);
	return count;
}

static void snapshot(unsigned containers, int round)
{
	uint64_t begun = now();
	struct rusage usage;
	int status;
	pid_t pid = fork();

	if (!pid) {
		dup2(open(OUTPUT, O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
		execl("/bin/vfioscope", "vfioscope", "snapshot", "--format", "jsonl", NULL);
		_exit(127);
	}
	wait4(pid, &status, 0, &usage);
	printf("{\"round\":%d,\"containers\":%u,\"status\":%d,\"seconds\":%.6f,\"rss_kb\":%ld",
	       round, containers, WEXITSTATUS(status), (now() - begun) / 1e9, usage.ru_maxrss);
	printf(",\"mappings\":%u}\n", mappings_reported());
	fflush(stdout);
	unlink(OUTPUT);
}

int main(int argc, char **argv)
{
	unsigned count = argc > 1 ? atoi(argv[1]) : 10, mappings = argc > 2 ? atoi(argv[2]) : 65535,
		 rounds = argc > 3 ? atoi(argv[3]) : 9;
	struct container container[MOST];
	struct device device[MOST];
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	setenv("ORACLE", "/tmp/oracle", 1);
	oracle_open();
	if (count > MOST)
		give_up("too many containers", EINVAL);
	devices_by_id(WATCHDOG, "watchdog", device, count);
	for (unsigned i = 0; i < count; i++) {
		container[i] = container_open("c");
		group_attach(&device[i], &container[i]);
		if (set_iommu(&container[i]))
			give_up("VFIO_SET_IOMMU", errno);
	}
	fill(&container[0], page, mappings);
	for (unsigned round = 0; round < rounds; round++)
		snapshot(1, round);
	for (unsigned i = 1; i < count; i++)
		fill(&container[i], page, mappings);
	for (unsigned round = 0; round < rounds; round++)
		snapshot(count, round);
	return 0;
}
