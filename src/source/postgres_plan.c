/*
 * postgres_plan - the SELECT of a record, and its parts.
 *
 * A part is a range of blocks (ctid), so that parts need no index, are of
 * similar size whatever the keys are, and each reads its blocks in their
 * order.  Before PostgreSQL 14 a range of blocks would be a scan of the whole
 * table: then there is one part.
 */
#include "source/postgres.h"

#include "base/text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SQL_MAX (16u << 20)
#define TID_RANGES 140000 /* the first server that scans a range of blocks */
#define PART_BLOCKS 512   /* no part is smaller: 4 MiB */
#define FILE_BLOCKS 64    /* ... nor takes less than that of each partition, on average */
#define PARTS_MAX 16384

/* ---- the statement ------------------------------------------------------------------ */

static enum kvf_status unknown_column(const struct kvf_table *shape, const char *name,
				      struct kvf_err *err)
{
	const char *names[64], *near;
	size_t i, n = shape->ncolumns < 64 ? shape->ncolumns : 64;

	for (i = 0; i < n; i++)
		names[i] = shape->columns[i].name;
	near = kvf_did_you_mean(name, names, n);
	kvf_fail(err, KVF_EDEFINITION, "\"%s\" has no column \"%s\"", shape->name, name);
	if (near)
		kvf_err_hint(err, "Did you mean \"%s\"?", near);
	return KVF_EDEFINITION;
}

/* Column i of the record: where it is in the shape. */
static enum kvf_status find_column(const struct kvf_record *record,
				   const struct kvf_table *shape, size_t i, size_t *at,
				   struct kvf_err *err)
{
	*at = i;
	if (!record->ncolumns)
		return KVF_OK;
	for (*at = 0; *at < shape->ncolumns; ++*at)
		if (strcmp(shape->columns[*at].name, record->columns[i]) == 0)
			return KVF_OK;
	return unknown_column(shape, record->columns[i], err);
}

/* The columns: of a query by their number, since their names may be equal. */
static enum kvf_status add_columns(const struct kvf_record *record,
				   const struct kvf_postgres_shape *shape, struct kvf_buf *sql,
				   const struct kvf_postgres_type **types, size_t n,
				   struct kvf_err *err)
{
	char name[KVF_PG_QUOTED];
	enum kvf_status st = KVF_OK;
	size_t i, at;

	for (i = 0; i < n && !st; i++) {
		st = find_column(record, &shape->table, i, &at, err);
		if (st)
			return st;
		types[i] = shape->types[at];
		if (record->query)
			snprintf(name, sizeof(name), "c%zu", at + 1);
		else
			kvf_pg_quote(shape->table.columns[at].name, name);
		if (types[i]->out)
			st = kvf_buf_printf(sql, err, "%spg_catalog.textin(%s(t.%s::%s))",
					    i ? "," : "", types[i]->out, name, types[i]->name);
		else
			st = kvf_buf_printf(sql, err, "%st.%s", i ? "," : "", name);
	}
	return st;
}

/* FROM (query) AS t(c1, c2 ...).  A line break ends a comment in there. */
static enum kvf_status add_query(const struct kvf_record *record,
				 const struct kvf_postgres_shape *shape, struct kvf_buf *sql,
				 struct kvf_err *err)
{
	enum kvf_status st = kvf_buf_printf(sql, err, " FROM (%s\n) AS t(", record->query);
	size_t i;

	for (i = 0; i < shape->table.ncolumns && !st; i++)
		st = kvf_buf_printf(sql, err, "%sc%zu", i ? "," : "", i + 1);
	return st ? st : kvf_buf_printf(sql, err, ")");
}

/* WHERE: the record's condition, and the blocks of the part. */
static enum kvf_status add_where(const struct kvf_postgres *s, const struct kvf_record *record,
				 unsigned part, unsigned parts, struct kvf_buf *sql,
				 struct kvf_err *err)
{
	const uint64_t *cuts = s->cuts;
	const char *word = " WHERE ";
	enum kvf_status st = KVF_OK;

	assert(part < parts);
	if (part > 0) {
		st = kvf_buf_printf(sql, err, "%st.ctid >= '(%" PRIu64 ",0)'::tid", word,
				    cuts[part]);
		word = " AND ";
	}
	if (!st && part + 1 < parts) {
		st = kvf_buf_printf(sql, err, "%st.ctid < '(%" PRIu64 ",0)'::tid", word,
				    cuts[part + 1]);
		word = " AND ";
	}
	if (!st && record->where)
		st = kvf_buf_printf(sql, err, "%s(%s\n)", word, record->where);
	return st;
}

/* May the query run as it was written? */
static int needs_nothing(const struct kvf_record *record,
			 const struct kvf_postgres_shape *shape)
{
	size_t i;

	if (!record->query || record->ncolumns)
		return 0;
	for (i = 0; i < shape->table.ncolumns; i++)
		if (shape->types[i]->out)
			return 0;
	return 1;
}

enum kvf_status
kvf_postgres_select(struct kvf_postgres *s, const struct kvf_record *record,
		    const struct kvf_postgres_shape *shape, unsigned part, struct kvf_buf *sql,
		    const struct kvf_postgres_type ***types, size_t *n, struct kvf_err *err)
{
	enum kvf_status st;

	*n = record->ncolumns ? record->ncolumns : shape->table.ncolumns;
	*types = calloc(*n + 1, sizeof(**types));
	if (!*types)
		return kvf_fail_nomem(err);
	sql->len = 0;
	if (needs_nothing(record, shape)) {
		memcpy(*types, shape->types, *n * sizeof(**types));
		return kvf_buf_printf(sql, err, "%s\n", record->query);
	}
	st = kvf_buf_printf(sql, err, "SELECT ");
	if (!st)
		st = add_columns(record, shape, sql, *types, *n, err);
	if (!st && record->query)
		return add_query(record, shape, sql, err);
	if (!st)
		st = kvf_buf_printf(sql, err, " FROM %s AS t", shape->from);
	return st ? st
		  : add_where(s, record, part, kvf_postgres_parts(s, record, shape), sql, err);
}

enum kvf_status kvf_postgres_count_sql(const struct kvf_record *record,
				       const struct kvf_postgres_shape *shape,
				       struct kvf_buf *sql, struct kvf_err *err)
{
	sql->len = 0;
	if (record->query)
		return kvf_buf_printf(sql, err, "SELECT count(*) FROM (%s\n) AS t",
				      record->query);
	return kvf_buf_printf(sql, err, "SELECT count(*) FROM %s AS t%s%s%s", shape->from,
			      record->where ? " WHERE (" : "",
			      record->where ? record->where : "", record->where ? "\n)" : "");
}

/* ---- parts ---------------------------------------------------------------------------- */

/*
 * Keep others from rewriting the table, and see that nobody did since the
 * snapshot: TRUNCATE and the like show at once, in every snapshot.
 */
static enum kvf_status lock(struct kvf_postgres *s, struct kvf_postgres_shape *shape,
			    struct kvf_err *err)
{
	char doing[300];
	PGresult *res = NULL;
	enum kvf_status st;

	if (shape->locked || !shape->oid || !strchr("rpm", shape->relkind))
		return KVF_OK;
	snprintf(doing, sizeof(doing), "lock table \"%s\"", shape->table.name);
	if (shape->relkind != 'm')
		st = kvf_postgres_query(s, doing, &res, err,
					"LOCK TABLE %s IN ACCESS SHARE MODE", shape->from);
	else
		st = KVF_OK;
	PQclear(res);
	res = NULL;
	if (!st)
		st = kvf_postgres_query(
			s, doing, &res, err,
			"SELECT count(*) FROM pg_catalog.pg_class c WHERE c.oid IN"
			" (SELECT %u UNION SELECT relid FROM pg_catalog.pg_partition_tree(%u))"
			" AND c.relkind IN ('r', 'm') AND c.relfilenode IS DISTINCT FROM"
			" pg_catalog.pg_relation_filenode(c.oid)",
			shape->oid, shape->oid);
	if (!st && strcmp(PQgetvalue(res, 0, 0), "0") != 0) {
		st = kvf_fail(
			err, KVF_ESOURCE,
			"table \"%s\" was emptied or rewritten after the snapshot was taken",
			shape->table.name);
		kvf_err_hint(err, "Run again while nobody truncates or alters it.");
	}
	PQclear(res);
	shape->locked = !st;
	return st;
}

/* Where the blocks of several files, each from its block 0, are cut so that
 * `want` of them lie before the cut. */
static uint64_t cut_at(const uint64_t *blocks, size_t n, uint64_t largest, uint64_t want)
{
	uint64_t low = 0, high = largest, middle, before;
	size_t i;

	while (low < high) {
		middle = low + (high - low) / 2;
		for (before = 0, i = 0; i < n; i++)
			before += blocks[i] < middle ? blocks[i] : middle;
		if (before < want)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Cut the files of a table into at most `wish` ranges of `least` blocks or more. */
static enum kvf_status cut(struct kvf_postgres *s, const uint64_t *blocks, size_t n,
			   unsigned wish, uint64_t least, struct kvf_err *err)
{
	uint64_t total = 0, largest = 0, *cuts;
	unsigned i;
	size_t k;

	for (k = 0; k < n; k++) {
		total += blocks[k];
		largest = blocks[k] > largest ? blocks[k] : largest;
	}
	if (wish > total / least)
		wish = (unsigned)(total / least);
	if (wish < 1)
		wish = 1;
	cuts = realloc(s->cuts, wish * sizeof(*cuts));
	if (!cuts)
		return kvf_fail_nomem(err);
	s->cuts = cuts;
	s->parts = wish;
	for (i = 0; i < wish; i++)
		cuts[i] = cut_at(blocks, n, largest, total * i / wish);
	return KVF_OK;
}

/*
 * How many blocks have the files of the table?  Later ones hold no row of the
 * snapshot, and the last part has no end anyway.  Asked once, so that the same wish
 * gives the same parts.
 */
static enum kvf_status look_up_blocks(struct kvf_postgres *s, struct kvf_postgres_shape *shape,
				      struct kvf_err *err)
{
	PGresult *res = NULL;
	enum kvf_status st;
	int i, n;

	st = kvf_postgres_query(
		s, "plan the parts of a table", &res, err,
		"SELECT coalesce(pg_catalog.pg_relation_size(c.oid), 0)"
		" / pg_catalog.current_setting('block_size')::int8, a.amname"
		" FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam"
		" WHERE c.oid IN (SELECT %u UNION SELECT relid FROM"
		" pg_catalog.pg_partition_tree(%u)) AND c.relkind <> 'p'",
		shape->oid, shape->oid);
	if (st)
		return st;
	n = PQntuples(res);
	shape->blocks = kvf_arena_alloc(&s->arena, ((size_t)n + 1) * sizeof(*shape->blocks));
	if (!shape->blocks) {
		PQclear(res);
		return kvf_fail_nomem(err);
	}
	shape->all_heap = 1;
	for (i = 0; i < n; i++) {
		shape->blocks[i] = strtoull(PQgetvalue(res, i, 0), NULL, 10);
		if (strcmp(PQgetvalue(res, i, 1), "heap") != 0)
			shape->all_heap = 0; /* foreign partitions have no blocks */
	}
	shape->nfiles = (size_t)n;
	PQclear(res);
	return KVF_OK;
}

static enum kvf_status cut_table(struct kvf_postgres *s, struct kvf_postgres_shape *shape,
				 unsigned wish, struct kvf_err *err)
{
	uint64_t least = PART_BLOCKS;
	enum kvf_status st = shape->blocks ? KVF_OK : look_up_blocks(s, shape, err);

	if (st)
		return st;
	if (shape->nfiles > PART_BLOCKS / FILE_BLOCKS) /* each part looks into every file */
		least = FILE_BLOCKS * (uint64_t)shape->nfiles;
	return cut(s, shape->blocks, shape->nfiles, shape->all_heap ? wish : 1, least, err);
}

unsigned kvf_postgres_parts(const struct kvf_postgres *s, const struct kvf_record *record,
			    const struct kvf_postgres_shape *shape)
{
	return s->planned == record && s->planned_shape == shape ? s->parts : 1;
}

/* Up to `wish` parts; of so many, or fewer, that *at_once can be read together. */
static enum kvf_status plan(struct kvf_postgres *s, const struct kvf_record *record,
			    unsigned *at_once, unsigned wish, struct kvf_err *err)
{
	struct kvf_postgres_shape *shape = NULL;
	enum kvf_status st = kvf_postgres_shape(s, record, &shape, err);

	s->planned = NULL;
	s->parts = 1;
	if (!st)
		st = lock(s, shape, err);
	if (st)
		return st;
	if (s->version >= TID_RANGES && shape->oid && strchr("rpm", shape->relkind) && wish > 1)
		st = cut_table(s, shape, wish, err);
	if (!st && s->parts > 1)
		st = kvf_postgres_more(s, *at_once < s->parts ? *at_once : s->parts, err);
	if (*at_once > s->nconns)
		*at_once = s->nconns;
	s->planned = st ? NULL : record;
	s->planned_shape = shape;
	return st;
}

enum kvf_status kvf_postgres_plan(struct kvf_source *base, const struct kvf_record *record,
				  unsigned *parts, struct kvf_err *err)
{
	struct kvf_postgres *s = (struct kvf_postgres *)base;
	unsigned at_once = *parts;
	enum kvf_status st = plan(s, record, &at_once, at_once, err);

	if (!st && s->parts > at_once) /* fewer connections than were hoped for */
		st = plan(s, record, &at_once, at_once, err);
	*parts = s->parts;
	return st;
}

enum kvf_status kvf_postgres_plan_small(struct kvf_source *base,
					const struct kvf_record *record, unsigned *at_once,
					unsigned *parts, struct kvf_err *err)
{
	struct kvf_postgres *s = (struct kvf_postgres *)base;
	enum kvf_status st = plan(s, record, at_once, PARTS_MAX, err);

	*parts = s->parts;
	return st;
}
