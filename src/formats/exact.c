/*
 * exact - tables carried as they are: the application "" with its one package
 * "tables" (docs/tables.md).
 *
 *   partition = the table's name
 *   key       = the cells of the primary key, joined by '/'
 *               or '#' and the SHA-256 of the value, where a row has no key
 *   value     = a msgpack map of all columns
 *
 * What does not change from row to row is packed once: the head of the map and
 * the columns' names.
 */
#include <kvferry/formats.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/text.h"
#include "formats/exact.h"
#include "value/msgpack.h"

#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 1024
#define PIECE_BYTES 256

struct exact_table {
	const struct kvf_table *shape;
	struct kvf_bytes name;
	struct kvf_bytes *prefixes; /* what stands before each cell */
	size_t prefix_bytes;        /* of all of them */
};

struct exact {
	struct kvf_application app;
	struct kvf_package package;
	struct kvf_package *packages[1];
	struct exact_table *tables;
	struct kvf_arena arena;
};

/* ---- one row ------------------------------------------------------------------ */

/* An upper bound of the packed row, to say how much too long it is. */
static size_t row_bytes(const struct exact_table *t, const struct kvf_row *row)
{
	size_t n = t->prefix_bytes, i;

	for (i = 0; i < row->ncells; i++) {
		const struct kvf_cell *c = &row->cells[i];
		int long_cell = c->type == KVF_CELL_TEXT || c->type == KVF_CELL_BLOB;

		n += KVF_PACK_CELL_MAX + (long_cell ? c->u.b.len : 0);
	}
	return n;
}

/* Most rows fit whatever they hold: then there is nothing to ask on the way. */
static void put_cells(const struct exact_table *t, const struct kvf_row *row,
		      struct kvf_buf *value)
{
	uint8_t *to = value->ptr;
	size_t i;

	for (i = 0; i < row->ncells; i++) {
		memcpy(to, t->prefixes[i].ptr, t->prefixes[i].len);
		to = kvf_pack_cell_at(to + t->prefixes[i].len, &row->cells[i]);
	}
	value->len = (size_t)(to - value->ptr);
}

static enum kvf_status put_value(const struct exact_table *t, const struct kvf_row *row,
				 struct kvf_sink *sink, struct kvf_err *err)
{
	struct kvf_buf *value = &sink->buf[KVF_SINK_VALUE];
	size_t most = row_bytes(t, row), i;
	struct kvf_pack p;

	value->len = 0;
	if (most <= value->cap && most <= UINT32_MAX) {
		enum kvf_status st = kvf_buf_reserve(value, most, err);

		if (!st)
			put_cells(t, row, value);
		return st;
	}
	kvf_pack_init(&p, value, err);
	for (i = 0; i < row->ncells; i++) {
		kvf_pack_raw(&p, t->prefixes[i].ptr, t->prefixes[i].len);
		kvf_pack_cell(&p, &row->cells[i]);
	}
	if (p.st != KVF_EREJECT)
		return p.st;
	/* The sink knows the words and the option: let it refuse the whole. */
	value->len = 0;
	return kvf_sink_append(sink, KVF_SINK_VALUE, NULL, most, err);
}

static int has_whole_key(const struct kvf_table *shape, const struct kvf_row *row)
{
	size_t i;

	for (i = 0; i < shape->nkey; i++)
		if (row->cells[shape->key[i]].type == KVF_CELL_NULL)
			return 0;
	return shape->nkey > 0;
}

static enum kvf_status put_key(const struct kvf_table *shape, const struct kvf_row *row,
			       struct kvf_sink *sink, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	size_t i;

	for (i = 0; i < shape->nkey && !st; i++) {
		if (i)
			st = kvf_sink_append(sink, KVF_SINK_KEY, "/", 1, err);
		if (!st)
			st = kvf_exact_key_cell(sink, &row->cells[shape->key[i]], err);
	}
	return st;
}

/* Equal rows have equal values: the sorter tells them apart by an ordinal. */
static enum kvf_status put_digest(struct kvf_sink *sink, struct kvf_err *err)
{
	uint8_t digest[KVF_SHA256_LEN];
	char text[1 + 2 * KVF_SHA256_LEN + 1] = "#";

	kvf_sha256(sink->buf[KVF_SINK_VALUE].ptr, sink->buf[KVF_SINK_VALUE].len, digest);
	kvf_hex(digest, sizeof(digest), text + 1);
	return kvf_sink_append(sink, KVF_SINK_KEY, text, sizeof(text) - 1, err);
}

/* Say which row it was: the sink knows only bytes.  `key` is empty where there
 * is none, or no whole one. */
static enum kvf_status name_row(const struct exact_table *t, const struct kvf_row *row,
				struct kvf_bytes key, struct kvf_err *err)
{
	char text[128];

	if (key.len)
		kvf_err_detail(err, "Table \"%s\", key %s.", t->shape->name,
			       kvf_bytes_print(key, text, sizeof(text)));
	else
		kvf_err_detail(err, "Table \"%s\", row %llu.", t->shape->name,
			       (unsigned long long)row->ordinal);
	if (err && !err->hint[0])
		kvf_err_hint(err,
			     "Leave the table out with --exclude-table, or give it a shorter "
			     "key by a definition (-f).");
	return KVF_EREJECT;
}

static enum kvf_status convert(const struct kvf_package *self, size_t record,
			       const struct kvf_row *row, struct kvf_sink *sink,
			       struct kvf_err *err)
{
	const struct exact *e = self->state;
	const struct exact_table *t = &e->tables[record];
	int keyed = has_whole_key(t->shape, row);
	struct kvf_bytes key = { NULL, 0 };
	enum kvf_status st;

	if (row->ncells != t->shape->ncolumns)
		return kvf_fail(err, KVF_EINTERNAL,
				"table \"%s\" has %zu columns, a row has %zu", t->shape->name,
				t->shape->ncolumns, row->ncells);
	kvf_sink_reset(sink, KVF_SINK_PART);
	kvf_sink_reset(sink, KVF_SINK_KEY);
	st = kvf_sink_append(sink, KVF_SINK_PART, t->name.ptr, t->name.len, err);
	if (!st && keyed)
		st = put_key(t->shape, row, sink, err);
	if (!st)
		key = kvf_buf_bytes(&sink->buf[KVF_SINK_KEY]);
	if (!st)
		st = put_value(t, row, sink, err);
	if (!st && !keyed)
		st = put_digest(sink, err);
	if (st)
		return st == KVF_EREJECT ? name_row(t, row, key, err) : st;
	return kvf_sink_put(sink, keyed ? 0 : KVF_PUT_ORDINAL, err);
}

/* ---- the application ------------------------------------------------------------ */

/* Pack the map's head and all names into the arena, cut before each cell. */
static enum kvf_status pack_prefixes(struct exact *e, struct exact_table *t,
				     struct kvf_err *err)
{
	const struct kvf_table *shape = t->shape;
	size_t i, start = 0, *ends;
	struct kvf_pack p;
	struct kvf_buf b;
	uint8_t *kept;

	kvf_buf_init(&b, SIZE_MAX / 4);
	kvf_pack_init(&p, &b, err);
	t->prefixes = kvf_arena_alloc(&e->arena, sizeof(*t->prefixes) * (shape->ncolumns + 1));
	ends = kvf_arena_alloc(&e->arena, sizeof(*ends) * (shape->ncolumns + 1));
	if (!t->prefixes || !ends)
		return kvf_fail_nomem(err);
	kvf_pack_map(&p, shape->ncolumns);
	for (i = 0; i < shape->ncolumns; i++) {
		kvf_pack_str(&p, kvf_bytes_str(shape->columns[i].name));
		ends[i] = b.len;
	}
	kept = p.st ? NULL : kvf_arena_alloc(&e->arena, b.len);
	if (kept)
		memcpy(kept, b.ptr, b.len);
	else if (!p.st)
		p.st = kvf_fail_nomem(err);
	for (i = 0; kept && i < shape->ncolumns; start = ends[i++]) {
		t->prefixes[i].ptr = kept + start;
		t->prefixes[i].len = ends[i] - start;
	}
	t->prefix_bytes = b.len;
	kvf_buf_release(&b);
	return p.st;
}

/* A name for people: control characters are %XX. */
static char *printable_name(struct exact *e, const char *name)
{
	static const char digits[] = "0123456789ABCDEF";
	char *text = kvf_arena_alloc(&e->arena, 3 * strlen(name) + 1), *p = text;

	for (; text && *name; name++) {
		unsigned char c = (unsigned char)*name;

		if (c >= 0x20 && c != 0x7f && !(c == 0xc2 && (unsigned char)name[1] < 0xa0)) {
			*p++ = (char)c;
			continue;
		}
		*p++ = '%';
		*p++ = digits[c >> 4];
		*p++ = digits[c & 15];
		if (c != 0xc2)
			continue;
		c = (unsigned char)*++name;
		*p++ = '%';
		*p++ = digits[c >> 4];
		*p++ = digits[c & 15];
	}
	if (text)
		*p = '\0';
	return text;
}

/* The partition is the name; a piece of a pattern holds 256 bytes. */
static enum kvf_status make_kind(struct exact *e, const struct exact_table *t,
				 struct kvf_kind *kind, struct kvf_err *err)
{
	size_t n = (t->name.len + PIECE_BYTES - 1) / PIECE_BYTES, i;
	struct kvf_bytes *part = kvf_arena_alloc(&e->arena, sizeof(*part) * (n + 1));
	static const struct kvf_bytes any[2];

	kind->name = printable_name(e, t->shape->name);
	kind->rev = 1;
	kind->enc = KVF_MSGPACK;
	if (!kind->name || !part)
		return kvf_fail_nomem(err);
	for (i = 0; i < n; i++) {
		part[i].ptr = t->name.ptr + i * PIECE_BYTES;
		part[i].len = i + 1 < n ? PIECE_BYTES : t->name.len - i * PIECE_BYTES;
	}
	kind->part.pieces = part;
	kind->part.npieces = n;
	kind->key.pieces = any;
	kind->key.npieces = 2;
	return KVF_OK;
}

/* A table's name becomes a partition and a kind, which have limits. */
static enum kvf_status check_table(const struct kvf_table *t, struct kvf_err *err)
{
	char text[128];
	size_t n = strlen(t->name);

	if (n == 0 || n > NAME_MAX_BYTES || kvf_utf8_valid(t->name, n) != n) {
		kvf_fail(err, KVF_EREJECT,
			 "table \"%s\" cannot be carried: its name has %zu bytes%s",
			 kvf_bytes_print(kvf_bytes_str(t->name), text, sizeof(text)), n,
			 n > NAME_MAX_BYTES ? ", at most 1,024 are possible" : "");
		kvf_err_hint(err, "Rename it, or leave it out with --exclude-table%s.",
			     n ? "" : " ''");
		return KVF_EREJECT;
	}
	if (t->ncolumns == 0)
		return kvf_fail(err, KVF_EREJECT,
				"table %s cannot be carried: it has no columns",
				kvf_bytes_print(kvf_bytes_str(t->name), text, sizeof(text)));
	return KVF_OK;
}

/* ... and so have the names that the stream keeps with it. */
static enum kvf_status check_names(const struct kvf_table *t, struct kvf_err *err)
{
	char what[128], table[128];
	size_t i;

	for (i = 0; i < t->ncolumns; i++)
		if (strlen(t->columns[i].name) > NAME_MAX_BYTES ||
		    (t->columns[i].type && strlen(t->columns[i].type) > NAME_MAX_BYTES))
			break;
	if (i == t->ncolumns)
		return KVF_OK;
	kvf_fail(err, KVF_EREJECT,
		 "column \"%s\" of table \"%s\" cannot be carried: its name or type has more "
		 "than 1,024 bytes",
		 kvf_bytes_print(kvf_bytes_str(t->columns[i].name), what, sizeof(what)),
		 kvf_bytes_print(kvf_bytes_str(t->name), table, sizeof(table)));
	kvf_err_hint(err, "Rename it, or leave the table out with --exclude-table.");
	return KVF_EREJECT;
}

static enum kvf_status fill_tables(struct exact *e, const struct kvf_table *tables, size_t n,
				   struct kvf_err *err)
{
	struct kvf_record *records = kvf_arena_zalloc(&e->arena, sizeof(*records) * (n + 1));
	struct kvf_kind *kinds = kvf_arena_zalloc(&e->arena, sizeof(*kinds) * (n + 1));
	enum kvf_status st = KVF_OK;
	size_t i;

	e->tables = kvf_arena_zalloc(&e->arena, sizeof(*e->tables) * (n + 1));
	if (!records || !kinds || !e->tables)
		return kvf_fail_nomem(err);
	for (i = 0; i < n && !st; i++) {
		struct exact_table *t = &e->tables[i];

		t->shape = &tables[i];
		t->name = kvf_bytes_str(tables[i].name);
		st = check_table(&tables[i], err);
		if (!st)
			st = check_names(&tables[i], err);
		if (!st)
			st = pack_prefixes(e, t, err);
		if (!st)
			st = make_kind(e, t, &kinds[i], err);
		records[i].name = records[i].table = tables[i].name;
	}
	e->package.records = records;
	e->package.kinds = kinds;
	e->package.nrecords = e->package.nkinds = n;
	e->package.tables = tables;
	e->package.ntables = n;
	return st;
}

enum kvf_status kvf_exact_application(const struct kvf_table *tables, size_t n,
				      struct kvf_application **out, struct kvf_err *err)
{
	struct exact *e = calloc(1, sizeof(*e));
	enum kvf_status st;

	*out = NULL;
	if (!e)
		return kvf_fail_nomem(err);
	kvf_arena_init(&e->arena);
	e->package.name = "tables";
	e->package.rev = 1;
	e->package.convert = convert;
	e->package.state = e;
	e->packages[0] = &e->package;
	e->app.name = "";
	e->app.packages = e->packages;
	e->app.npackages = 1;
	st = fill_tables(e, tables, n, err);
	if (st)
		kvf_exact_application_free(&e->app);
	else
		*out = &e->app;
	return st;
}

void kvf_exact_application_free(struct kvf_application *app)
{
	struct exact *e = (struct exact *)app;

	if (!e)
		return;
	kvf_arena_release(&e->arena);
	free(e);
}
