/* SPDX-License-Identifier: Apache-2.0 */
/* Drives QEMU's `edu` device. */
#include "edu.h"
#include "oracle.h"

#include <errno.h>
#include <unistd.h>

/* Register offsets in bytes (QEMU docs/specs/edu). */
#define DMA_SOURCE 0x80
#define DMA_DESTINATION 0x88
#define DMA_COUNT 0x90
#define DMA_COMMAND 0x98
#define DMA_BUFFER 0x40000
#define RUN 1u
#define TO_BUS 2u

static void transfer(struct engine *e, uint64_t source, uint64_t destination, uint32_t command)
{
	e->registers[DMA_SOURCE / 4] = source;
	e->registers[DMA_DESTINATION / 4] = destination;
	e->registers[DMA_COUNT / 4] = sizeof(uint32_t);
	e->registers[DMA_COMMAND / 4] = command | RUN;
	for (int tries = 0; e->registers[DMA_COMMAND / 4] & RUN; tries++) {
		if (tries > 5000)
			give_up("edu DMA does not end", ETIMEDOUT);
		usleep(1000);
	}
}

struct engine edu_start(struct container *c)
{
	struct engine e = { .container = c };

	e.registers = bar_new(&edu, 0, 0, PAGE);
	e.ram = ram_new(PAGE);
	if (dma_map(c, e.ram, EDU_RAM, PAGE))
		give_up("map edu's page", EIO);
	return e;
}

void edu_stop(struct engine *e)
{
	dma_unmap(e->container, EDU_RAM, PAGE);
	ram_free(e->ram, PAGE);
	bar_free((void *)e->registers, PAGE);
}

uint32_t edu_peek(struct engine *e, uint64_t iova)
{
	e->ram[0] = 0x0badf00d;
	/* so that a failed read does not show the word of an earlier one */
	transfer(e, EDU_RAM, DMA_BUFFER, 0);
	transfer(e, iova, DMA_BUFFER, 0);
	transfer(e, DMA_BUFFER, EDU_RAM, TO_BUS);
	return *(volatile uint32_t *)e->ram;
}

void edu_poke(struct engine *e, uint64_t iova, uint32_t word)
{
	e->ram[0] = word;
	transfer(e, EDU_RAM, DMA_BUFFER, 0);
	transfer(e, DMA_BUFFER, iova, TO_BUS);
}

void edu_reads(struct engine *e, uint64_t iova, uint32_t expected, const char *meaning)
{
	uint64_t before = boot_ns();
	uint32_t word = edu_peek(e, iova);

	oracle_call(
		"edu-dma", before, 0,
		"\"iova\":\"0x%lx\",\"direction\":\"read\",\"ok\":%s,\"word\":\"0x%x\",\"meaning\":\"%s\"",
		iova, word == expected ? "true" : "false", word, meaning);
}

void edu_wrote(uint64_t iova, uint32_t word, uint32_t seen, const char *meaning)
{
	oracle("edu-dma",
	       "\"iova\":\"0x%lx\",\"direction\":\"write\",\"ok\":%s,\"word\":\"0x%x\","
	       "\"t_after\":%lu,\"meaning\":\"%s\"",
	       iova, word == seen ? "true" : "false", seen, boot_ns(), meaning);
}
