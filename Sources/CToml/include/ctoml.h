/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses TOML 1.0 with toml++ (Debian's libtomlplusplus-dev) into a flat list of nodes, each with
 * the positions of its key and its value.
 */
#ifndef CTOML_H
#define CTOML_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
	CTOML_TABLE,
	CTOML_ARRAY,
	CTOML_STRING,
	CTOML_INTEGER,
	CTOML_BOOLEAN,
	CTOML_FLOAT,
	CTOML_DATE,
	CTOML_TIME,
	CTOML_DATE_TIME,
} ctoml_kind;

/* Lines and columns count from 1; columns count code points. */
typedef struct {
	uint32_t line, column;
} ctoml_place;

typedef struct {
	ctoml_kind kind;
	/*
	 * For a table or an array: how many children follow in the list; a child's own children
	 * come directly after it.
	 */
	uint32_t children;
	ctoml_place at;
	ctoml_place key_at; /* 0 for an element of an array */
	const char *key;    /* not terminated, as it may hold a NUL; NULL in an array */
	size_t key_size;
	const char *text; /* a string's, not terminated */
	size_t text_size;
	/* an integer or a boolean; for a date, year * 10000 + month * 100 + day */
	int64_t number;
} ctoml_node;

typedef struct {
	const ctoml_node *nodes; /* in preorder, the root first; NULL after an error */
	size_t count;
	const char *error; /* NULL when there is none */
	ctoml_place error_at;
} ctoml_document;

/*
 * Parses `text`; never throws. The document and everything it points to live until `ctoml_free`.
 * Returns NULL when memory runs out.
 */
const ctoml_document *ctoml_parse(const char *text, size_t size);
void ctoml_free(const ctoml_document *document);

#ifdef __cplusplus
}
#endif
#endif
