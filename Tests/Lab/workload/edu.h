/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's `edu` device: a DMA engine that copies between the bus and a buffer of its own. */
#ifndef LAB_EDU_H
#define LAB_EDU_H

#include "vfio.h"

/* A container with edu, edu's registers, and one page of RAM at EDU_RAM in which DMA shows. */
struct engine {
	struct container *container;
	volatile uint32_t *registers;
	uint32_t *ram;
};

#define EDU_RAM 0x100000ull /* IOVA; edu's addresses have 28 bits */

/* Maps edu's registers (edu is open in `c`) and the page of RAM. */
struct engine edu_start(struct container *c);
void edu_stop(struct engine *e); /* unmaps the page, and edu's registers */

/* Makes edu read or write one word at an IOVA, through the RAM page. Each takes about 200 ms. */
uint32_t edu_peek(struct engine *e, uint64_t iova);
void edu_poke(struct engine *e, uint64_t iova, uint32_t word);

/*
 * The same, recorded in the oracle: whether edu read `expected` there, or wrote `word` so that
 * `seen` shows it.
 */
void edu_reads(struct engine *e, uint64_t iova, uint32_t expected, const char *meaning);
void edu_wrote(uint64_t iova, uint32_t word, uint32_t seen, const char *meaning);

#endif
