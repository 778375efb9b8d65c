/* definitions - load a definition from texts and convert rows with it. */
#include "definitions.h"

#include "test.h"

#include "formats/def.h"

#include <string.h>

static enum kvf_status keep(void *ctx, const struct kvf_entry *e, unsigned flags,
			    struct kvf_err *err)
{
	struct definition *d = ctx;
	char part[256], key[1024], value[8192];
	enum kvf_status st;

	(void)flags;
	st = kvf_buf_printf(&d->out, err, "%s | %s | %s\n",
			    kvf_bytes_print(e->part, part, sizeof(part)),
			    kvf_bytes_print(e->key, key, sizeof(key)),
			    kvf_bytes_print(e->value, value, sizeof(value)));
	d->value.len = 0;
	return st ? st : kvf_buf_append(&d->value, e->value.ptr, e->value.len, err);
}

enum kvf_status definition_load_both(struct definition *d, const char *application,
				     const char *package)
{
	static const struct kvf_sink_caps caps = { 128, 512, 4096 };
	const struct kvf_def_file files[] = {
		{ "application.yaml", kvf_bytes_str(application) },
		{ "p.yaml", kvf_bytes_str(package) },
	};

	memset(d, 0, sizeof(*d));
	kvf_sink_init(&d->sink, &caps, keep, d);
	kvf_buf_init(&d->out, 1 << 20);
	kvf_buf_init(&d->value, 1 << 20);
	return kvf_formats_load_files(files, 2, &d->formats, &d->err);
}

enum kvf_status definition_load(struct definition *d, const char *package)
{
	return definition_load_both(d, "application: test\nstore: {schema: 1}\npackages: [p]\n",
				    package);
}

enum kvf_status definition_bind(struct definition *d, const char *columns)
{
	static char names[16][64];
	const struct kvf_table *const of_package[] = { &d->shape };
	const struct kvf_table *const *const shapes[] = { of_package };
	size_t n = 0, len;

	for (; *columns; columns += len + (columns[len] == ' ')) {
		len = strcspn(columns, " ");
		assert_true(n < 16 && len < 64);
		memcpy(names[n], columns, len);
		names[n][len] = '\0';
		d->columns[n].name = names[n];
		d->columns[n].type = "";
		n++;
	}
	d->shape.name = "t";
	d->shape.columns = d->columns;
	d->shape.ncolumns = n;
	return kvf_formats_bind(d->formats, shapes, &d->err);
}

void definition_open(struct definition *d, const char *package, const char *columns)
{
	if (definition_load(d, package) || definition_bind(d, columns))
		fail_msg("%s (%s)", d->err.message, d->err.hint);
}

enum kvf_status definition_row(struct definition *d, const struct kvf_cell *cells, size_t n)
{
	const struct kvf_package *p = kvf_formats_application(d->formats)->packages[0];
	const struct kvf_record *r = &p->records[0];
	struct kvf_row row = { cells, n, 1 };
	struct kvf_cell wanted[16];
	size_t i, k;

	kvf_err_clear(&d->err);
	if (r->ncolumns && n == d->shape.ncolumns && n > 1) { /* as a source does */
		for (i = 0; i < r->ncolumns; i++)
			for (k = 0; k < n; k++)
				if (strcmp(r->columns[i], d->columns[k].name) == 0)
					wanted[i] = cells[k];
		row.cells = wanted;
		row.ncells = r->ncolumns;
	}
	return p->convert(p, 0, &row, &d->sink, &d->err);
}

const char *definition_text(struct definition *d)
{
	assert_int_equal(kvf_buf_append(&d->out, "", 1, NULL), KVF_OK);
	d->out.len = 0;
	return (const char *)d->out.ptr;
}

void definition_close(struct definition *d)
{
	kvf_formats_free(d->formats);
	kvf_sink_release(&d->sink);
	kvf_buf_release(&d->out);
	kvf_buf_release(&d->value);
	memset(d, 0, sizeof(*d));
}
