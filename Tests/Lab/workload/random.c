/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workload random: RANDOM_OPS operations drawn from RANDOM_SEED, a quiet point after each
 * RANDOM_POINTS of them.
 */
#include "random.h"
#include "oracle.h"
#include "scenarios.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

static const struct {
	unsigned weight;
	bool (*run)(void);
	const char *name;
} operations[] = {
#define OPERATION(weight, function) { weight, function, #function },
#include "random.list"
#undef OPERATION
};
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

int operation;
static int surprises;

/*
 * ---- random numbers: each operation has a generator of its own, so that leaving one out changes
 * no other's parameters ----
 */

static uint64_t state;

static uint64_t next(void) /* splitmix64 */
{
	uint64_t z = state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

void draw_from(uint64_t seed, int index)
{
	state = seed * 0x9e3779b97f4a7c15ull ^ (uint64_t)index << 32;
	next();
}

uint64_t draw(uint64_t limit)
{
	return next() % limit;
}

bool chance(unsigned percent)
{
	return draw(100) < percent;
}

/* ---- the oracle's lines ---- */

void did(int process, int64_t result, const char *format, ...)
{
	char text[160];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	oracle("did", "\"index\":%d,\"t\":%lu,\"process\":%d,\"ret\":%ld,\"what\":\"%s\"",
	       operation, boot_ns(), process < 0 ? 0 : processes[process].pid, result, text);
}

void surprise(int process, int64_t result, int64_t expected, const char *what)
{
	surprises++;
	oracle("surprise",
	       "\"index\":%d,\"t\":%lu,\"process\":%d,\"ret\":%ld,\"expected\":%ld,\"what\":\"%s\"",
	       operation, boot_ns(), processes[process].pid, result, expected, what);
}

/* ---- the run ---- */

static long number(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtol(text, NULL, 10) : otherwise;
}

static bool is_skipped(int index)
{
	const char *at = getenv("RANDOM_SKIP");

	while (at && *at) {
		char *end;
		long first = strtol(at, &end, 10), last = first;

		if (*end == '-')
			last = strtol(end + 1, &end, 10);
		if (index >= first && index <= last)
			return true;
		at = *end ? end + 1 : NULL;
	}
	return false;
}

static void run_one(void)
{
	unsigned total = 0, at;

	for (unsigned i = 0; i < OPERATIONS; i++)
		total += operations[i].weight;
	at = draw(total);
	for (unsigned i = 0; i < OPERATIONS; i++) {
		if (at >= operations[i].weight) {
			at -= operations[i].weight;
			continue;
		}
		if (!operations[i].run() && !op_map_ram() && !op_build())
			op_close_group();
		return;
	}
}

static void close_everything(void)
{
	operation++;
	for (int child = WORKERS; child < PROCESSES; child++)
		if (processes[child].pid)
			process_kill(child);
	while (chance(50) ? op_munmap() || op_close_device() || op_close_container() ||
				    op_close_group()
			  : op_close_group() || op_close_container() || op_close_device() ||
				    op_munmap())
		;
	if (!model_is_empty())
		surprise(0, 1, 0, "the model is empty in the end");
}

void random_run(void)
{
	uint64_t seed = number("RANDOM_SEED", 1);
	uint64_t seconds = number("RANDOM_SECONDS", 0),
		 until = seconds ? boot_ns() + seconds * 1000000000 : 0;
	int count = number("RANDOM_OPS", 200), points = number("RANDOM_POINTS", 10);
	struct utsname kernel;
	struct device *known[DEVICES] = { &edu, &ivshmem, &testdev, &e1000e };

	uname(&kernel);
	owner_only = atoi(kernel.release) < 6;
	for (int i = 0; i < DEVICES; i++)
		devices[i] = (struct device_state){ .device = known[i], .container = -1 };
	oracle("random", "\"seed\":%lu,\"operations\":%d,\"points\":%d,\"t_after\":%lu", seed,
	       count, points, boot_ns());
	prctl(PR_SET_NAME, "random");
	for (int i = 0; i < WORKERS; i++)
		worker_start(i);
	for (operation = 0; operation < count; operation++) {
		draw_from(seed, operation);
		if (!is_skipped(operation))
			run_one();
		if (operation % points == points - 1) {
			quiet_point(operation);
			if (until && boot_ns() > until)
				count = operation + 1;
		}
	}
	draw_from(seed, count);
	close_everything();
	quiet_point(count);
	for (int i = 0; i < WORKERS; i++)
		process_kill(i);
	oracle("random-end", "\"operations\":%d,\"surprises\":%d,\"t_after\":%lu", count, surprises,
	       boot_ns());
}
