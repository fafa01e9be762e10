/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A quiet point: nothing changes, the model is recorded as one line of the oracle, and the tool is
 * asked for a snapshot.
 */
#include "random.h"
#include "oracle.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* by then the kernel has finished what a close leaves to a work queue, such as 5.10's releases */
#define REACT_US 100000
#define PATIENCE_US 60000000
#define ASKED "vfioscope: snapshot:"

/*
 * The kernel's own count: VFIO_IOMMU_GET_INFO returns how many more mappings a container may have.
 */
static void check_counts(void)
{
	static long limit;
	FILE *file = limit ? NULL
			   : fopen("/sys/module/vfio_iommu_type1/parameters/dma_entry_limit", "r");

	if (file && fscanf(file, "%ld", &limit) != 1)
		give_up("dma_entry_limit", EINVAL);
	if (file)
		fclose(file);
	for (int slot = 0; slot < CONTAINERS; slot++)
		for (int process = 0;
		     process < WORKERS && containers[slot].serial && containers[slot].iommu;
		     process++) {
			int index = handle_of(process, CONTAINER_FILE, slot);
			int64_t available =
				index < 0 ? -1
					  : call(process,
						 (struct request){ .call = CALL_AVAILABLE,
								   .fd = handles[index].fd });

			if (available < 0)
				continue;
			expect(process, limit - available, containers[slot].count,
			       "VFIO_IOMMU_GET_INFO's count of mappings");
			break;
		}
}

static void tell_mapping(FILE *out, const struct mapping *m)
{
	fprintf(out,
		"{\"iova\":\"0x%lx\",\"size\":%lu,\"read\":%s,\"write\":%s,\"pid\":%d,\"ram\":%lu,\"targets\":[",
		m->iova, m->size, m->read ? "true" : "false", m->write ? "true" : "false",
		m->creator, m->ram);
	for (int i = 0; i < m->pieces; i++)
		fprintf(out,
			"%s{\"device\":\"%s\",\"bar\":%u,\"bar_offset\":%lu,\"iova\":\"0x%lx\",\"size\":%lu}",
			i ? "," : "", devices[m->piece[i].device].device->bdf, m->piece[i].bar,
			m->piece[i].bar_offset, m->piece[i].iova, m->piece[i].size);
	fputs("]}", out);
}

static void tell_container(FILE *out, int slot)
{
	const struct container_state *c = &containers[slot];
	const char *comma = "";

	fprintf(out, "{\"name\":\"k%d\",\"groups\":[", c->serial);
	for (int i = 0; i < DEVICES; i++)
		if (devices[i].container == slot) {
			fprintf(out, "%s%d", comma, devices[i].device->group);
			comma = ",";
		}
	fprintf(out, "],\"iommu\":%s,\"mappings\":[", c->iommu ? "true" : "false");
	for (int i = 0; i < c->count; i++) {
		if (i)
			putc(',', out);
		tell_mapping(out, &c->mapping[i]);
	}
	fputs("]}", out);
}

static void record_model(int index, uint64_t before, bool asked)
{
	char *text;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	const char *comma = "";

	fprintf(out,
		"{\"op\":\"quiet\",\"pid\":%d,\"index\":%d,\"t_before\":%lu,\"t_after\":%lu,"
		"\"snapshot\":%s,\"containers\":[",
		getpid(), index, before, boot_ns(), asked ? "true" : "false");
	for (int i = 0; i < CONTAINERS; i++)
		if (containers[i].serial) {
			fputs(comma, out);
			tell_container(out, i);
			comma = ",";
		}
	fputs("],\"devices_open\":[", out);
	comma = "";
	for (int i = 0; i < DEVICES; i++)
		if (files_of(DEVICE_FILE, i)) {
			fprintf(out, "%s\"%s\"", comma, devices[i].device->bdf);
			comma = ",";
		}
	fputs("]}\n", out);
	fclose(out);
	oracle_text(text, length);
	free(text);
}

static int lines_of(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[512];
	int count = 0;

	while (file && fgets(line, sizeof(line), file))
		count += !strncmp(line, ASKED, strlen(ASKED)) && strchr(line, '\n');
	if (file)
		fclose(file);
	return count;
}

/* Whether the tool handles SIGUSR1: a tool that does not would die of it. */
static bool listens(pid_t pid)
{
	char path[40], line[128];
	unsigned long mask = 0, masks = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "SigBlk: %lx", &mask) == 1 ||
		    sscanf(line, "SigCgt: %lx", &mask) == 1)
			masks |= mask;
	if (file)
		fclose(file);
	return masks & 1ul << (SIGUSR1 - 1);
}

/*
 * Asks the recording tool for a snapshot. Returns how many it had reported before, or -1 if there
 * is no tool that handles the signal.
 */
int snapshot_ask(void)
{
	const char *pid = getenv("TOOL_PID"), *log = getenv("TOOL_LOG");

	if (!pid || !log || !listens(atoi(pid)))
		return -1;
	int before = lines_of(log);

	kill(atoi(pid), SIGUSR1);
	return before;
}

/* Waits until the tool has reported the snapshot. */
bool snapshot_await(int before)
{
	for (long waited = 0; before >= 0 && lines_of(getenv("TOOL_LOG")) == before;
	     waited += 5000) {
		if (waited > PATIENCE_US)
			give_up("the tool's snapshot", ETIMEDOUT);
		usleep(5000);
	}
	return before >= 0;
}

void quiet_point(int index)
{
	check_counts();
	usleep(REACT_US);
	uint64_t before = boot_ns();

	record_model(index, before, snapshot_await(snapshot_ask()));
}
