/* definitions - load a definition from texts and convert rows with it. */
#ifndef KVF_TEST_DEFINITIONS_H
#define KVF_TEST_DEFINITIONS_H

#include <kvferry/formats.h>

#include "value/sink.h"

/* One package "p", bound to one table or query with the named columns. */
struct definition {
	struct kvf_formats *formats;
	struct kvf_column columns[16];
	struct kvf_table shape;
	struct kvf_sink sink;
	struct kvf_err err;
	struct kvf_buf out;   /* what the sink got, as text */
	struct kvf_buf value; /* the latest value, as bytes */
};

/* Load p.yaml beside a plain application.yaml; d->err on failure. */
enum kvf_status definition_load(struct definition *d, const char *package);
/* As kvf_formats_load_files(): application.yaml and p.yaml. */
enum kvf_status definition_load_both(struct definition *d, const char *application,
				     const char *package);
/* Load and bind record 0 to columns "a b c"; asserts that both work. */
void definition_open(struct definition *d, const char *package, const char *columns);
/* Bind record 0 to the columns of `columns`, split at blanks. */
enum kvf_status definition_bind(struct definition *d, const char *columns);
/* Convert one row of record 0, its cells in the order of the bound columns, as
 * a source would hand it over; d->out gets "part | key | value" lines. */
enum kvf_status definition_row(struct definition *d, const struct kvf_cell *cells, size_t n);
/* The lines since the last call of this function. */
const char *definition_text(struct definition *d);
void definition_close(struct definition *d);

/* Cells. */
#define NUL ((struct kvf_cell){ .type = KVF_CELL_NULL })
#define INT(v) ((struct kvf_cell){ .type = KVF_CELL_INT, .u.i = (v) })
#define REAL(v) ((struct kvf_cell){ .type = KVF_CELL_REAL, .u.r = (v) })
#define TRUTH(v) ((struct kvf_cell){ .type = KVF_CELL_BOOL, .u.i = (v) })
#define TEXT(s)                                                                                \
	((struct kvf_cell){ .type = KVF_CELL_TEXT,                                             \
			    .u.b = { (const uint8_t *)(s), sizeof(s) - 1 } })
#define BLOB(s)                                                                                \
	((struct kvf_cell){ .type = KVF_CELL_BLOB,                                             \
			    .u.b = { (const uint8_t *)(s), sizeof(s) - 1 } })

#endif
