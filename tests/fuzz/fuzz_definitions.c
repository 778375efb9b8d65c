/*
 * fuzz_definitions - any text as a definition, and any cells as its rows.
 *
 * The input is a package file p.yaml, or, where a line "%%" stands in it, the
 * application.yaml before it and p.yaml behind it.  What loads is bound to the
 * columns it asks for and converts a few rows of every type: each is carried or
 * refused with a reason.  Then check examines it.
 */
#include "fuzz.h"

#include "formats/def.h"
#include "value/sink.h"

#include <stdlib.h>
#include <string.h>

static enum kvf_status drop(void *ctx, const struct kvf_entry *e, unsigned flags,
			    struct kvf_err *err)
{
	(void)ctx;
	(void)flags;
	(void)err;
	if (e->key.len == 0)
		abort();
	fuzz_saw("entry");
	return KVF_OK;
}

#define TEXT(s)                                                                                \
	{                                                                                      \
		KVF_CELL_TEXT,                                                                 \
		{                                                                              \
			.b = {(const uint8_t *)(s), sizeof(s) - 1 }                            \
		}                                                                              \
	}

/* What a column may hold; row k takes them from the k-th on. */
static const struct kvf_cell cells[] = {
	TEXT("[{\"a\":1,\"b\":\"\\u00e9\"},{\"a\":null}]"),
	TEXT("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
	{ KVF_CELL_INT, { .i = 1 } },
	TEXT("{\"b\":\"x\",\"a\":[1,2,3]}"),
	{ KVF_CELL_REAL, { .r = 1.5 } },
	TEXT("2026-11-20 09:39:02.5"),
	{ KVF_CELL_NULL, { .i = 0 } },
	TEXT("name"),
	{ KVF_CELL_BLOB, { .b = { (const uint8_t *)"\x00\xff", 2 } } },
	{ KVF_CELL_INT, { .i = INT64_MIN } },
	TEXT("1.50"),
	{ KVF_CELL_BOOL, { .i = 1 } },
};
#define NCELLS (sizeof(cells) / sizeof(cells[0]))

static void convert(const struct kvf_package *p, size_t record, size_t ncolumns)
{
	static const struct kvf_sink_caps caps = { 256, 1024, 1 << 16 };
	struct kvf_cell *row = calloc(ncolumns + 1, sizeof(*row));
	struct kvf_row view = { row, ncolumns, 1 };
	struct kvf_sink sink;
	struct kvf_err err;
	enum kvf_status st;
	size_t i, k;

	if (!row)
		return;
	kvf_sink_init(&sink, &caps, drop, NULL);
	for (k = 0; k < 2 * NCELLS; k++) {
		for (i = 0; i < ncolumns; i++) /* all alike, then all different */
			row[i] = cells[(k < NCELLS ? k : k + i) % NCELLS];
		st = p->convert(p, record, &view, &sink, &err);
		fuzz_saw(kvf_status_word(st));
		if (st && st != KVF_EREJECT && st != KVF_ENOMEM)
			abort();
		if (st == KVF_EREJECT && !err.message[0])
			abort();
	}
	kvf_sink_release(&sink);
	free(row);
}

/* Whatever loads can be examined. */
static void check(struct kvf_formats *f, const struct kvf_table *const *const *shapes,
		  const struct kvf_table *table)
{
	struct kvf_findings found;
	struct kvf_err err;
	enum kvf_status st = kvf_formats_check(f, shapes, table, table ? 1 : 0, &found, &err);

	if (st && st != KVF_ENOMEM)
		abort();
	kvf_findings_free(&found);
}

/* A shape that has exactly the columns that the record asks for. */
static void run_record(struct kvf_formats *f, size_t record)
{
	const struct kvf_def_record *def = &kvf_formats_def(f)->packages[0].records[record];
	const struct kvf_package *p = kvf_formats_application(f)->packages[0];
	size_t n = kvf_def_columns(def, NULL), i;
	const char **names = calloc(n + 1, sizeof(*names));
	struct kvf_column *columns = calloc(n + 1, sizeof(*columns));
	const struct kvf_table **of_package = calloc(p->nrecords, sizeof(struct kvf_table *));
	const struct kvf_table *const *const shapes[] = { of_package };
	struct kvf_table shape;
	struct kvf_err err;
	uint32_t key = 0;

	if (names && columns && of_package) {
		if (kvf_def_columns(def, names) != n)
			abort();
		for (i = 0; i < n; i++) {
			columns[i].name = names[i];
			columns[i].type = "";
		}
		memset(&shape, 0, sizeof(shape));
		shape.name = "t";
		shape.columns = columns;
		shape.ncolumns = n;
		of_package[record] = &shape;
		if (kvf_formats_bind(f, shapes, &err))
			abort();
		convert(p, record, n);
		shape.key = &key;
		shape.nkey = n ? 1 : 0;
		check(f, shapes, &shape);
	}
	free(of_package);
	free(columns);
	free(names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char plain[] = "application: a\nstore: {schema: 1}\npackages: [p]\n";
	struct kvf_def_file files[2] = {
		{ "application.yaml", { (const uint8_t *)plain, sizeof(plain) - 1 } },
		{ "p.yaml", { data, size } },
	};
	const uint8_t *cut = memmem(data, size, "\n%%\n", 4);
	struct kvf_formats *f;
	struct kvf_err err;
	enum kvf_status st;
	uint8_t digest[32];
	size_t i;

	if (cut) {
		files[0].text.ptr = data;
		files[0].text.len = (size_t)(cut - data) + 1;
		files[1].text.ptr = cut + 4;
		files[1].text.len = size - (size_t)(cut - data) - 4;
	}
	st = kvf_formats_load_files(files, 2, &f, &err);
	fuzz_saw(st ? kvf_status_word(st) : "loaded");
	if (st) {
		if (st != KVF_EDEFINITION && st != KVF_ENOMEM)
			abort();
		return 0;
	}
	kvf_formats_digest(f, digest);
	check(f, NULL, NULL);
	for (i = 0; i < kvf_formats_def(f)->packages[0].nrecords; i++)
		run_record(f, i);
	kvf_formats_free(f);
	return 0;
}
