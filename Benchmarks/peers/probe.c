/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `probe OBJECT [stream]` loads probe.bpf.o, attaches it, prints "attached", and drains the ring
 * ten times a second.
 */
#include <bpf/libbpf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static uint64_t window[2];

/* The widest memory window of the host bridge. */
static void find_window(void)
{
	FILE *file = fopen("/proc/iomem", "r");
	char line[256];
	unsigned long long first, last;

	while (file && fgets(line, sizeof(line), file))
		if (line[0] != ' ' && strstr(line, "PCI Bus") &&
		    sscanf(line, "%llx-%llx", &first, &last) == 2 &&
		    last - first > window[1] - window[0])
			window[0] = first, window[1] = last;
	if (file)
		fclose(file);
}

static int ignore(void *context, void *data, size_t size)
{
	return 0;
}

int main(int argc, char **argv)
{
	struct bpf_object *object = argc > 1 ? bpf_object__open_file(argv[1], 0) : 0;
	struct bpf_program *program;
	struct ring_buffer *ring;
	struct bpf_map *map;

	if (!object)
		return 2;
	find_window();
	map = bpf_object__find_map_by_name(object, ".rodata");
	{
		/* In the order of the object's .rodata: streams, window_first, window_last. */
		struct {
			uint64_t streams, window[2];
		} settings = { argc > 2, { window[0], window[1] } };
		size_t size;
		void *image = (void *)bpf_map__initial_value(map, &size);

		memcpy(image, &settings, size < sizeof(settings) ? size : sizeof(settings));
	}
	if (bpf_object__load(object))
		return 2;
	bpf_object__for_each_program(program, object) if (!bpf_program__attach(program)) return 2;
	ring = ring_buffer__new(bpf_object__find_map_fd_by_name(object, "ring"), ignore, 0, 0);
	puts("attached");
	fflush(stdout);
	for (;;) {
		usleep(100000);
		ring_buffer__consume(ring);
	}
}
