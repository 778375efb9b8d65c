/* tables - streams of exactly carried tables that say what a test wants them to say. */
#include "tables.h"

#include <kvferry/formats.h>

#include "value/sink.h"

#include <stdlib.h>
#include <string.h>

static void must(enum kvf_status st)
{
	if (st)
		abort();
}

static enum kvf_status write_entry(void *ctx, const struct kvf_entry *e, unsigned flags,
				   struct kvf_err *err)
{
	(void)flags;
	return kvf_writer_put(ctx, e, err);
}

static void write_rows(struct kvf_writer *w, const struct kvf_package *p,
		       const struct told_table *tables, size_t n)
{
	struct kvf_sink_caps caps = { 1024, 4096, 1 << 20 };
	struct kvf_cell cells[2];
	struct kvf_row row = { .cells = cells, .ncells = 2 };
	struct kvf_sink sink;
	size_t i;

	kvf_sink_init(&sink, &caps, write_entry, w);
	for (i = 0; i < n; i++)
		for (row.ordinal = 1; row.ordinal <= (uint64_t)tables[i].rows; row.ordinal++) {
			cells[0].type = KVF_CELL_INT;
			cells[0].u.i = (int64_t)row.ordinal;
			cells[1].type = KVF_CELL_TEXT;
			cells[1].u.b = kvf_bytes_str("row");
			must(p->convert(p, i, &row, &sink, NULL));
		}
	kvf_sink_release(&sink);
}

struct blob told_stream(const struct told_table *tables, size_t n)
{
	static const char *const names[] = { "tables" };
	static const uint32_t key[] = { 0 };
	struct kvf_head head = { .app = "", .packages = names, .npackages = 1 };
	struct kvf_table *shapes = calloc(n, sizeof(*shapes));
	struct kvf_column *columns = calloc(2 * n, sizeof(*columns));
	struct kvf_application *app;
	struct kvf_begin begin;
	struct kvf_output *out;
	struct kvf_writer *w;
	struct blob b = { NULL, 0 };
	size_t i;

	for (i = 0; i < n; i++) {
		columns[2 * i] =
			(struct kvf_column){ "id", tables[i].types[0],
					     tables[i].notnull ? KVF_COLUMN_NOTNULL : 0 };
		columns[2 * i + 1] = (struct kvf_column){ "name", tables[i].types[1], 0 };
		shapes[i].name = tables[i].name;
		shapes[i].dialect = tables[i].dialect;
		shapes[i].flags = tables[i].flags;
		shapes[i].columns = &columns[2 * i];
		shapes[i].ncolumns = 2;
		shapes[i].key = key;
		shapes[i].nkey = 1;
		shapes[i].ddl = tables[i].ddl;
		while (shapes[i].nddl < 6 && tables[i].ddl[shapes[i].nddl].kind)
			shapes[i].nddl++;
	}
	must(kvf_exact_application(shapes, n, &app, NULL));
	memset(&begin, 0, sizeof(begin));
	begin.name = "tables";
	begin.rev = 1;
	begin.kinds = app->packages[0]->kinds;
	begin.nkinds = app->packages[0]->nkinds;
	begin.tables = shapes;
	begin.ntables = n;
	must(kvf_output_memory(64u << 20, &out, NULL));
	must(kvf_writer_open(out, &head, NULL, NULL, &w, NULL));
	must(kvf_writer_begin(w, &begin, NULL));
	write_rows(w, app->packages[0], tables, n);
	must(kvf_writer_end(w, NULL, 0, NULL, NULL));
	must(kvf_writer_finish(w, NULL, NULL));
	kvf_writer_close(w);
	must(kvf_output_commit(out, NULL));
	blob_add(&b, kvf_output_bytes(out).ptr, kvf_output_bytes(out).len);
	kvf_output_close(out);
	kvf_exact_application_free(app);
	free(columns);
	free(shapes);
	return b;
}
