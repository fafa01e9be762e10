/*
 * TOML 1.0 by toml++ (Debian's libtomlplusplus-dev), as a flat list of nodes, each with the places
 * of its key and its value.
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
	/* of a table or an array: those that follow, each with its own in between */
	uint32_t children;
	ctoml_place at;
	ctoml_place key_at; /* 0 in an array */
	const char *key;    /* not terminated: it may hold a NUL; NULL in an array */
	size_t key_size;
	const char *text; /* of a string, not terminated */
	size_t text_size;
	/* of an integer or a boolean; of a date, year * 10000 + month * 100 + day */
	int64_t number;
} ctoml_node;

typedef struct {
	const ctoml_node *nodes; /* in preorder, the root first; NULL after an error */
	size_t count;
	const char *error; /* NULL when there is none */
	ctoml_place error_at;
} ctoml_document;

/*
 * Reads all of `text`; never throws. What it returns, and what that points to, lives until
 * `ctoml_free`. NULL when memory runs out.
 */
const ctoml_document *ctoml_parse(const char *text, size_t size);
void ctoml_free(const ctoml_document *document);

#ifdef __cplusplus
}
#endif
#endif
