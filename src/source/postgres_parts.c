/*
 * postgres_parts - how a table is cut, so that several connections read it.
 *
 *   pieces   |  0  |  1  |  2  |  3  |  4  |  5  |  6  |  7  |
 *   part 0   reads 0, then 2, then 5 ...   each the next one that nobody has
 *   part 1   reads 1, then 3, then 4 ...
 *
 * A part is a connection.  There are more pieces than parts, so that one with a
 * hard piece does not let the others wait at the end.  A row's number says which
 * piece it is of, not which part: it is the same whoever reads it.
 *
 * A piece is a range of blocks (ctid): that needs no index, pieces are of similar
 * size whatever the keys are, and each is read in the order of its blocks.  Before
 * PostgreSQL 14 a range of blocks is a scan of the whole table, and some tables
 * have no blocks (foreign partitions, storage that is no heap): then a piece is a
 * range of the first column of an index.
 */
#include "source/postgres.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TID_RANGES 140000 /* the first server that scans a range of blocks */
#define PIECE_BYTES (4u << 20)
#define PIECE_BLOCKS (PIECE_BYTES / 8192)
#define FILE_BLOCKS 64 /* nor does one take less than that of each partition, on average */
#define PIECES_MAX 16384
/* Pieces for each part that shares them.  A range of keys may be looked for by a
 * scan of the whole table. */
#define BLOCK_PIECES 4
#define KEY_PIECES 2

static enum kvf_status rewritten(const char *table, struct kvf_err *err)
{
	kvf_fail(err, KVF_ESOURCE,
		 "table \"%s\" was emptied or rewritten after the snapshot was taken", table);
	kvf_err_hint(err, "Run again while nobody truncates or alters it.");
	return KVF_ESOURCE;
}

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
	if (!st && strcmp(PQgetvalue(res, 0, 0), "0") != 0)
		st = rewritten(shape->table.name, err);
	PQclear(res);
	shape->locked = !st;
	return st;
}

/*
 * Of a query we do not know the tables before it has run.  Then they are locked, and
 * whether one was emptied or rewritten before that is to be seen afterwards.
 */
enum kvf_status kvf_postgres_untouched(const struct kvf_postgres *s, PGconn *conn,
				       const char *doing, struct kvf_err *err)
{
	PGresult *res = NULL;
	enum kvf_status st = kvf_pg_query(
		&s->pg, conn,
		"SELECT c.relname FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON"
		" c.oid = l.relation WHERE l.locktype = 'relation' AND l.pid ="
		" pg_catalog.pg_backend_pid() AND l.database = (SELECT oid FROM"
		" pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) AND"
		" c.relkind IN ('r', 'm') AND c.relfilenode <> 0 AND c.relfilenode IS DISTINCT"
		" FROM pg_catalog.pg_relation_filenode(c.oid) LIMIT 1",
		NULL, doing, &res, err);

	if (!st && PQntuples(res) > 0)
		st = rewritten(PQgetvalue(res, 0, 0), err);
	PQclear(res);
	return st;
}

/* ---- ranges of blocks ------------------------------------------------------------------ */

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

/* Cut the files of a table into at most `want` pieces. */
static enum kvf_status cut_blocks(struct kvf_postgres_pieces *p,
				  const struct kvf_postgres_shape *shape, unsigned want,
				  struct kvf_err *err)
{
	uint64_t total = 0, largest = 0, least = PIECE_BLOCKS, *cuts;
	unsigned i;
	size_t k;

	for (k = 0; k < shape->nfiles; k++) {
		total += shape->files[k];
		largest = shape->files[k] > largest ? shape->files[k] : largest;
	}
	if (shape->nfiles > PIECE_BLOCKS / FILE_BLOCKS) /* each looks into every file */
		least = FILE_BLOCKS * (uint64_t)shape->nfiles;
	if (want > total / least)
		want = (unsigned)(total / least);
	if (want < 1)
		want = 1;
	cuts = realloc(p->cuts, want * sizeof(*cuts));
	if (!cuts)
		return kvf_fail_nomem(err);
	p->cuts = cuts;
	p->n = want;
	for (i = 0; i < want; i++)
		cuts[i] = cut_at(shape->files, shape->nfiles, largest, total * i / want);
	return KVF_OK;
}

/*
 * How many blocks have the files of the table now?  Later ones hold no row of the
 * snapshot, and the last piece has no end anyway.  Asked once, so that a table that
 * is planned again is cut in the same places.
 */
static enum kvf_status read_files(struct kvf_postgres *s, struct kvf_postgres_shape *shape,
				  struct kvf_err *err)
{
	PGresult *res = NULL;
	enum kvf_status st;
	int i, n;

	if (shape->files)
		return KVF_OK;
	st = kvf_postgres_query(
		s, "plan the parts of a table", &res, err,
		"SELECT coalesce(pg_catalog.pg_relation_size(c.oid), 0)"
		" / pg_catalog.current_setting('block_size')::int8, coalesce(a.amname, '-'),"
		" c.relname FROM pg_catalog.pg_class c"
		" LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam"
		" WHERE c.oid IN (SELECT %u UNION SELECT relid FROM"
		" pg_catalog.pg_partition_tree(%u)) AND c.relkind <> 'p' ORDER BY c.oid",
		shape->oid, shape->oid);
	if (st)
		return st;
	n = PQntuples(res);
	shape->files = kvf_arena_zalloc(&s->arena, ((size_t)n + 1) * sizeof(*shape->files));
	if (!shape->files) {
		PQclear(res);
		return kvf_fail_nomem(err);
	}
	shape->nfiles = (size_t)n;
	for (i = 0; i < n; i++) {
		shape->files[i] = strtoull(PQgetvalue(res, i, 0), NULL, 10);
		if (strcmp(PQgetvalue(res, i, 1), "heap") != 0)
			shape->no_blocks = 1;
		if (*PQgetvalue(res, i, 1) == '-')
			kvf_source_log(
				&s->base, KVF_LOG_WARN,
				"partition \"%s\" of \"%s\" is a foreign table: its rows "
				"are not those of the snapshot",
				PQgetvalue(res, i, 2), shape->table.name);
	}
	PQclear(res);
	return KVF_OK;
}

/* ---- ranges of keys -------------------------------------------------------------------- */

/*
 * The first column of an index, the primary key's if there is one: its name, quoted,
 * and its type.  NULL is in no range: columns that may be NULL are left alone.
 */
#define KEY_COLUMN                                                                             \
	"SELECT pg_catalog.quote_ident(a.attname), pg_catalog.format_type(a.atttypid, -1),"    \
	" a.atttypid IN (20, 21, 23), pg_catalog.quote_literal(n.nspname),"                    \
	" pg_catalog.quote_literal(c.relname), pg_catalog.quote_literal(a.attname)"            \
	" FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid"       \
	" JOIN pg_catalog.pg_am m ON m.oid = x.relam AND m.amname = 'btree'"                   \
	" JOIN pg_catalog.pg_class c ON c.oid = i.indrelid"                                    \
	" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"                            \
	" JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]"     \
	" WHERE i.indrelid = %u AND i.indpred IS NULL AND a.attnotnull"                        \
	" ORDER BY i.indisprimary DESC, i.indisunique DESC, i.indexrelid LIMIT 1"

/* Literals from the server's own histogram of the column, ascending. */
static enum kvf_status ask_histogram(struct kvf_postgres *s, const PGresult *key,
				     PGresult **bounds, struct kvf_err *err)
{
	const char *type = PQgetvalue(key, 0, 1);

	return kvf_postgres_query(
		s, "plan the parts of a table", bounds, err,
		"SELECT pg_catalog.quote_literal(b::pg_catalog.text) || '::%s' FROM"
		" (SELECT pg_catalog.unnest(histogram_bounds::pg_catalog.text::%s[]) AS b FROM"
		" (SELECT histogram_bounds FROM pg_catalog.pg_stats WHERE schemaname = %s AND"
		" tablename = %s AND attname = %s ORDER BY inherited DESC LIMIT 1) AS h) AS t",
		type, type, PQgetvalue(key, 0, 3), PQgetvalue(key, 0, 4),
		PQgetvalue(key, 0, 5));
}

/* A hundred steps between the smallest and the largest integer. */
static enum kvf_status ask_steps(struct kvf_postgres *s, const struct kvf_postgres_shape *shape,
				 const PGresult *key, PGresult **bounds, struct kvf_err *err)
{
	const char *column = PQgetvalue(key, 0, 0), *type = PQgetvalue(key, 0, 1);

	return kvf_postgres_query(
		s, "plan the parts of a table", bounds, err,
		"SELECT pg_catalog.quote_literal(pg_catalog.trunc(low + (high - low) * i / "
		"100))"
		" || '::%s' FROM (SELECT min(%s)::numeric AS low, max(%s)::numeric AS high"
		" FROM %s) AS t, pg_catalog.generate_series(0, 100) AS i WHERE low IS NOT NULL",
		type, column, column, shape->from);
}

/* Of many bounds take those that cut into `want` pieces; the outermost are no cuts. */
static enum kvf_status take_bounds(struct kvf_postgres *s, const PGresult *key,
				   const PGresult *bounds, unsigned want, struct kvf_err *err)
{
	struct kvf_postgres_pieces *p = &s->pieces;
	int n = PQntuples(bounds), at;
	unsigned i;

	if (n < 3)
		return KVF_OK;
	if (want > (unsigned)n - 1)
		want = (unsigned)n - 1;
	p->column = kvf_postgres_keep(s, key, 0, 0);
	if (!p->column)
		return kvf_fail_nomem(err);
	for (i = 1; i < want; i++) {
		at = (int)((uint64_t)(n - 1) * i / want);
		p->bounds[i] = kvf_postgres_keep(s, bounds, at, 0);
		if (!p->bounds[i])
			return kvf_fail_nomem(err);
	}
	p->n = want;
	return KVF_OK;
}

static enum kvf_status cut_keys(struct kvf_postgres *s, const struct kvf_postgres_shape *shape,
				unsigned want, struct kvf_err *err)
{
	PGresult *key = NULL, *bounds = NULL;
	enum kvf_status st = kvf_postgres_query(s, "plan the parts of a table", &key, err,
						KEY_COLUMN, shape->oid);

	if (!st && PQntuples(key) == 1) {
		st = ask_histogram(s, key, &bounds, err);
		if (!st && PQntuples(bounds) < 3 && *PQgetvalue(key, 0, 2) == 't') {
			PQclear(bounds);
			st = ask_steps(s, shape, key, &bounds, err);
		}
		if (!st)
			st = take_bounds(s, key, bounds, want, err);
	}
	PQclear(key);
	PQclear(bounds);
	return st;
}

/* ---- the plan ---------------------------------------------------------------------------- */

unsigned kvf_postgres_parts(const struct kvf_postgres *s, const struct kvf_record *record,
			    const struct kvf_postgres_shape *shape)
{
	return s->planned == record && s->planned_shape == shape ? s->parts : 1;
}

unsigned kvf_postgres_pieces(const struct kvf_postgres *s, const struct kvf_record *record,
			     const struct kvf_postgres_shape *shape)
{
	return kvf_postgres_parts(s, record, shape) > 1 ? s->pieces.n : 1;
}

static int has_blocks(const struct kvf_postgres *s, const struct kvf_postgres_shape *shape)
{
	return s->version >= TID_RANGES && !shape->no_blocks;
}

/* Cut the table into pieces of about 4 MiB or more: as many as there may be. */
static enum kvf_status cut(struct kvf_postgres *s, struct kvf_postgres_shape *shape,
			   unsigned block_pieces, unsigned key_pieces, struct kvf_err *err)
{
	uint64_t bytes = shape->table.bytes, most = key_pieces;
	enum kvf_status st = read_files(s, shape, err);

	s->pieces.n = 1;
	s->pieces.column = NULL;
	if (st)
		return st;
	if (has_blocks(s, shape))
		return cut_blocks(&s->pieces, shape, block_pieces, err);
	if (most > KVF_POSTGRES_PIECES)
		most = KVF_POSTGRES_PIECES;
	if (bytes != UINT64_MAX && most > bytes / PIECE_BYTES)
		most = bytes / PIECE_BYTES;
	return most > 1 ? cut_keys(s, shape, (unsigned)most, err) : KVF_OK;
}

/* For `at_once` connections: shared among them, or small ones that have an order.
 * *at_once becomes how many there are. */
static enum kvf_status plan(struct kvf_postgres *s, const struct kvf_record *record, int shared,
			    unsigned *at_once, struct kvf_err *err)
{
	struct kvf_postgres_shape *shape = NULL;
	enum kvf_status st = kvf_postgres_shape(s, record, &shape, err);
	unsigned n = *at_once < KVF_POSTGRES_CONNECTIONS ? *at_once : KVF_POSTGRES_CONNECTIONS;

	s->planned = NULL;
	s->parts = s->pieces.n = 1;
	s->pieces.shared = shared;
	atomic_store(&s->pieces.next, 0);
	if (!st)
		st = lock(s, shape, err);
	if (st)
		return st;
	if ((n > 1 || !shared) && shape->oid && strchr("rpm", shape->relkind))
		st = cut(s, shape, shared ? n * BLOCK_PIECES : PIECES_MAX, n * KEY_PIECES, err);
	if (n > s->pieces.n)
		n = s->pieces.n;
	if (!st && n > 1)
		st = kvf_postgres_more(s, n, err);
	*at_once = n < s->nconns ? n : s->nconns;
	s->parts = shared ? *at_once : s->pieces.n;
	s->planned = st ? NULL : record;
	s->planned_shape = shape;
	return st;
}

enum kvf_status kvf_postgres_plan(struct kvf_source *base, const struct kvf_record *record,
				  unsigned *parts, struct kvf_err *err)
{
	return plan((struct kvf_postgres *)base, record, 1, parts, err);
}

enum kvf_status kvf_postgres_plan_small(struct kvf_source *base,
					const struct kvf_record *record, unsigned *at_once,
					unsigned *parts, struct kvf_err *err)
{
	struct kvf_postgres *s = (struct kvf_postgres *)base;
	enum kvf_status st = plan(s, record, 0, at_once, err);

	*parts = s->parts;
	return st;
}
