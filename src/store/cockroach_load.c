/*
 * cockroach_load - whole chunks into the stage, by INSERT ... ON CONFLICT.
 *
 * A batch is one transaction of about 1 MiB: fence, entries, progress rows.  Its
 * entries go in by statements of at most 1,000 rows and 1 MiB, whose arguments are
 * three arrays; putting them again changes nothing.  A batch whose commit has no
 * answer is looked up by its progress row, and put again when that is not there.
 *
 * Keys that come twice.  A stream ascends within a package, so entries form runs
 * of ascending keys.  In the first run of a fresh stage no key can be there
 * already, and nothing is looked up.  Each later run waits until what came before
 * it is committed, and then looks for its keys, batch by batch: what is found came
 * from another package, and is an error; or was live, with --merge, and stays.
 *
 * Batches of a run have nothing in common.  They are sent in a shuffled order
 * within a window, and go to several connections, so that neighbours are not
 * written at the same time.
 */
#include "store/cockroach.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OID_BYTEA 17u
#define OID_INT8 20u

/* ---- arrays in binary form -------------------------------------------------------- */

static enum kvf_status begin_array(struct kvf_buf *b, uint32_t type, struct kvf_err *err)
{
	uint8_t head[20];

	kvf_put_be32(head, 1);     /* dimension */
	kvf_put_be32(head + 4, 0); /* no NULL */
	kvf_put_be32(head + 8, type);
	kvf_put_be32(head + 12, 0); /* elements, see add_element() */
	kvf_put_be32(head + 16, 1); /* from 1 on */
	kvf_buf_init(b, SIZE_MAX / 2);
	return kvf_buf_append(b, head, sizeof(head), err);
}

static enum kvf_status add_element(struct kvf_buf *b, struct kvf_bytes e, struct kvf_err *err)
{
	enum kvf_status st = kvf_buf_reserve(b, 4 + e.len, err);

	if (st)
		return st;
	kvf_put_be32(b->ptr + 12, kvf_get_be32(b->ptr + 12) + 1);
	kvf_put_be32(b->ptr + b->len, (uint32_t)e.len);
	if (e.len)
		memcpy(b->ptr + b->len + 4, e.ptr, e.len);
	b->len += 4 + e.len;
	return KVF_OK;
}

/* ---- a batch on its way ------------------------------------------------------------ */

struct work {
	struct kvf_pgs_batch *b;
	struct kvf_entry *list; /* by key; what is not to be put has no key */
	uint64_t n;
	struct kvf_merge_stats merge; /* of this try */
};

static int by_key(const void *a, const void *b)
{
	const struct kvf_entry *x = a, *y = b;
	int cmp = kvf_entry_cmp(x, y);

	/* Of two the one that was put first comes first. */
	return cmp ? cmp : x->part.ptr < y->part.ptr ? -1 : 1;
}

/* A key is there, with this value: an error, or for --merge to count. */
static enum kvf_status meet(const struct kvf_pgs *s, struct work *w, const struct kvf_entry *e,
			    struct kvf_bytes there, struct kvf_err *err)
{
	int equal = kvf_bytes_cmp(e->value, there) == 0;

	if (!s->copy_live)
		return kvf_store_duplicate(e, equal, err);
	kvf_merge_count(&w->merge, e, equal);
	return KVF_OK;
}

/* The entries of the batch, ascending; keys that come twice in it are met here. */
static enum kvf_status list_entries(const struct kvf_pgs *s, struct work *w,
				    struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	struct kvf_entry e;
	uint64_t i = 0, kept = 0;
	size_t at = 0;

	w->n = w->b->entries;
	memset(&w->merge, 0, sizeof(w->merge));
	while (i < w->n && kvf_pgs_batch_next(w->b, &at, &e))
		w->list[i++] = e;
	if (!w->b->unsorted)
		return KVF_OK;
	qsort(w->list, w->n, sizeof(*w->list), by_key);
	for (i = 0; i < w->n && !st; i++) {
		if (kept && kvf_entry_cmp(&w->list[kept - 1], &w->list[i]) == 0)
			st = meet(s, w, &w->list[i], w->list[kept - 1].value, err);
		else
			w->list[kept++] = w->list[i];
	}
	w->n = kept;
	return st;
}

/* How many entries from `from` on go into one statement. */
static uint64_t slice(const struct kvf_pgs *s, const struct work *w, uint64_t from)
{
	const struct kvf_pg_dialect *d = s->pg.dialect;
	size_t bytes = 0;
	uint64_t i;

	for (i = from; i < w->n && i - from < d->statement_rows; i++) {
		const struct kvf_entry *e = &w->list[i];

		bytes += 12 + e->part.len + e->key.len + e->value.len;
		if (i > from && bytes > d->statement_bytes)
			break;
	}
	return i - from;
}

/* Partitions, keys and, if there is room for them, values of a slice. */
static enum kvf_status make_arrays(const struct work *w, uint64_t from, uint64_t n,
				   struct kvf_buf *part, struct kvf_buf *key,
				   struct kvf_buf *value, struct kvf_err *err)
{
	enum kvf_status st = begin_array(part, OID_BYTEA, err);
	uint64_t i;

	if (!st)
		st = begin_array(key, OID_BYTEA, err);
	if (!st && value)
		st = begin_array(value, OID_BYTEA, err);
	for (i = from; i < from + n && !st; i++) {
		st = add_element(part, w->list[i].part, err);
		if (!st)
			st = add_element(key, w->list[i].key, err);
		if (!st && value)
			st = add_element(value, w->list[i].value, err);
	}
	return st;
}

/* Take the entries out of the slice whose keys are staged already. */
static enum kvf_status look_up(struct kvf_pgs *s, PGconn *conn, struct work *w, uint64_t from,
			       uint64_t n, struct kvf_err *err)
{
	struct kvf_buf part = { 0 }, key = { 0 };
	struct kvf_pg_args a = { 0 };
	PGresult *res = NULL;
	char sql[512];
	enum kvf_status st = make_arrays(w, from, n, &part, &key, NULL, err);
	int row, rows;

	snprintf(sql, sizeof(sql),
		 "SELECT b.i, t.value FROM unnest($1::bytea[], $2::bytea[]) WITH ORDINALITY AS"
		 " b(p, k, i) INNER %sJOIN %s t ON t.partition_key = b.p AND t.key = b.k"
		 " ORDER BY b.i",
		 s->pg.dialect->lookup, s->staged);
	kvf_pg_bytes(&a, kvf_buf_bytes(&part));
	kvf_pg_bytes(&a, kvf_buf_bytes(&key));
	if (!st)
		st = kvf_pg_query(&s->worker, conn, sql, &a, "compare", &res, err);
	rows = st ? 0 : PQntuples(res);
	for (row = 0; row < rows && !st; row++) {
		uint64_t i = from + (uint64_t)kvf_pg_get_number(res, row, 0) - 1;

		st = meet(s, w, &w->list[i], kvf_pg_get_bytes(res, row, 1), err);
		w->list[i].key.len = 0;
	}
	PQclear(res);
	kvf_buf_release(&part);
	kvf_buf_release(&key);
	return st;
}

/* Close the gaps that look_up() left. */
static void close_gaps(struct work *w)
{
	uint64_t i, kept = 0;

	for (i = 0; i < w->n; i++)
		if (w->list[i].key.len)
			w->list[kept++] = w->list[i];
	w->n = kept;
}

static enum kvf_status look_for_all(struct kvf_pgs *s, PGconn *conn, struct work *w,
				    struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	uint64_t from, n;

	if (*s->pg.dialect->look)
		st = kvf_pg_exec(&s->worker, conn, "compare", err, "%s", s->pg.dialect->look);
	for (from = 0; from < w->n && !st; from += n) {
		n = slice(s, w, from);
		st = look_up(s, conn, w, from, n, err);
	}
	close_gaps(w);
	return st;
}

static enum kvf_status insert(struct kvf_pgs *s, PGconn *conn, const struct work *w,
			      uint64_t from, uint64_t n, struct kvf_err *err)
{
	struct kvf_buf part = { 0 }, key = { 0 }, value = { 0 };
	struct kvf_pg_args a = { 0 };
	char sql[512];
	enum kvf_status st = make_arrays(w, from, n, &part, &key, &value, err);

	snprintf(sql, sizeof(sql),
		 "INSERT INTO %s (partition_key, key, value) SELECT b.p, b.k, b.v FROM"
		 " unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS b(p, k, v) ON CONFLICT"
		 " (partition_key, key) DO UPDATE SET value = excluded.value",
		 s->staged);
	kvf_pg_bytes(&a, kvf_buf_bytes(&part));
	kvf_pg_bytes(&a, kvf_buf_bytes(&key));
	kvf_pg_bytes(&a, kvf_buf_bytes(&value));
	if (!st)
		st = kvf_pg_query(&s->worker, conn, sql, &a, "load", NULL, err);
	kvf_buf_release(&part);
	kvf_buf_release(&key);
	kvf_buf_release(&value);
	return st;
}

/* ---- progress rows ------------------------------------------------------------------- */

/* gen, package, chunk, d, entries, bytes, m, marks: as they lie in the batch, see
 * kvf_pgs_batch_chunk(). */
#define PROGRESS_COLUMNS 8

/* The fields of the next progress row; 0 at the end. */
static int next_progress(const struct kvf_pgs_batch *b, size_t *at,
			 struct kvf_bytes f[PROGRESS_COLUMNS])
{
	const uint8_t *p = b->progress.ptr;
	size_t pos = *at ? *at : 19; /* behind COPY's header */
	int i;

	if (pos + 2 > b->progress.len || p[pos] == 0xff)
		return 0;
	pos += 2;
	for (i = 0; i < PROGRESS_COLUMNS; i++) {
		f[i] = (struct kvf_bytes){ p + pos + 4, kvf_get_be32(p + pos) };
		pos += 4 + f[i].len;
	}
	*at = pos;
	return 1;
}

static enum kvf_status insert_progress(struct kvf_pgs *s, PGconn *conn,
				       const struct kvf_pgs_batch *b, struct kvf_err *err)
{
	static const uint32_t types[PROGRESS_COLUMNS] = { OID_INT8,  OID_INT8, OID_INT8,
							  OID_BYTEA, OID_INT8, OID_INT8,
							  OID_BYTEA, OID_BYTEA };
	struct kvf_buf array[PROGRESS_COLUMNS] = { { 0 } };
	struct kvf_bytes f[PROGRESS_COLUMNS];
	struct kvf_pg_args a = { 0 };
	enum kvf_status st = KVF_OK;
	size_t at = 0;
	int i, any = 0;

	for (i = 0; i < PROGRESS_COLUMNS && !st; i++)
		st = begin_array(&array[i], types[i], err);
	while (!st && next_progress(b, &at, f))
		for (any = 1, i = 0; i < PROGRESS_COLUMNS && !st; i++)
			st = add_element(&array[i], f[i], err);
	for (i = 0; i < PROGRESS_COLUMNS; i++)
		kvf_pg_bytes(&a, kvf_buf_bytes(&array[i]));
	if (!st && any)
		st = kvf_pg_query(
			&s->worker, conn,
			"INSERT INTO kvferry.progress (gen, package, chunk, d, entries,"
			" bytes, m, marks) SELECT * FROM unnest($1::int8[], $2::int8[],"
			" $3::int8[], $4::bytea[], $5::int8[], $6::int8[], $7::bytea[],"
			" $8::bytea[]) AS p(gen, package, chunk, d, entries, bytes, m,"
			" marks) ON CONFLICT (gen, package, chunk) DO UPDATE SET"
			" d = excluded.d, entries = excluded.entries, bytes ="
			" excluded.bytes, m = excluded.m, marks = excluded.marks",
			&a, "load", NULL, err);
	for (i = 0; i < PROGRESS_COLUMNS; i++)
		kvf_buf_release(&array[i]);
	return st;
}

/* A batch and its progress rows are one transaction: one row tells. */
static enum kvf_status is_there(struct kvf_pgs *s, PGconn *conn, void *ctx, int *yes,
				struct kvf_err *err)
{
	const struct work *w = ctx;
	struct kvf_bytes f[PROGRESS_COLUMNS];
	struct kvf_pg_args a = { 0 };
	enum kvf_status st;
	int64_t n = 0;
	size_t at = 0;
	int i;

	*yes = 0;
	if (!next_progress(w->b, &at, f))
		return KVF_OK;
	for (i = 0; i < 4; i++)
		kvf_pg_bytes(&a, f[i]);
	st = kvf_pg_ask(&s->worker, conn, &n,
			"SELECT count(*) FROM kvferry.progress WHERE gen = $1::int8 AND"
			" package = $2::int8 AND chunk = $3::int8 AND d = $4::bytea",
			&a, err);
	*yes = n != 0;
	return st;
}

static enum kvf_status put_batch(struct kvf_pgs *s, PGconn *conn, void *ctx,
				 struct kvf_err *err)
{
	struct work *w = ctx;
	enum kvf_status st = list_entries(s, w, err);
	uint64_t from, n;

	/* What an earlier try of a copy has left there is what we put. */
	if (!st && w->b->look)
		st = look_for_all(s, conn, w, err);
	for (from = 0; from < w->n && !st; from += n) {
		n = slice(s, w, from);
		st = insert(s, conn, w, from, n, err);
	}
	return st ? st : insert_progress(s, conn, w->b, err);
}

static enum kvf_status load(void *ctx, unsigned worker, void *item, struct kvf_err *err)
{
	struct kvf_pgs *s = ctx;
	struct work w = { .b = item };
	const struct kvf_roach_work transaction = { .pg = &s->worker,
						    .conn = &s->loader[worker],
						    .state = KVF_RUN_STAGING,
						    .lock = "SHARE",
						    .run = put_batch,
						    .happened = is_there,
						    .ctx = &w };
	enum kvf_status st;

	w.list = calloc(w.b->entries + 1, sizeof(*w.list));
	if (!w.list)
		return kvf_fail_nomem(err);
	st = kvf_roach_transact(s, &transaction, err);
	w.b->merge = w.merge;
	free(w.list);
	return st;
}

/* ---- the thread that puts ---------------------------------------------------------------- */

/* What a batch found, added to the whole; called in the thread that puts. */
static void add_merge(struct kvf_merge_stats *sum, const struct kvf_merge_stats *m)
{
	size_t i;

	kvf_totals_merge(&sum->same, &m->same);
	sum->conflicts += m->conflicts;
	for (i = 0; i < m->nnamed && sum->nnamed < KVF_CONFLICTS_NAMED; i++)
		memcpy(sum->named[sum->nnamed++], m->named[i], sizeof(m->named[i]));
}

/* Take the oldest batch back. */
static enum kvf_status take(struct kvf_pgs *s, struct kvf_err *err)
{
	void *done = NULL;
	enum kvf_status st;

	kvf_pgs_await(s, s->pool);
	st = kvf_pool_take(s->pool, &done, err);
	if (done && !st)
		add_merge(&s->merge, &((struct kvf_pgs_batch *)done)->merge);
	if (done)
		kvf_pgs_recycle(s, done);
	return st;
}

static enum kvf_status drain(struct kvf_pgs *s, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	while (s->pool && !st)
		st = take(s, err);
	return st == KVF_EOF ? KVF_OK : st;
}

/* Anything below n. */
static unsigned below(struct kvf_pgs *s, unsigned n)
{
	s->random = s->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(s->random >> 33) % n;
}

/* Send what waits in the window, in any order. */
static enum kvf_status send_window(struct kvf_pgs *s, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	while (s->waiting && !st) {
		unsigned i = below(s, s->waiting);
		struct kvf_pgs_batch *b = s->window[i];

		while (!st && s->pool && kvf_pool_full(s->pool))
			st = take(s, err);
		if (st)
			break;
		s->window[i] = s->window[--s->waiting];
		st = kvf_pgs_submit(s, b, load, err);
	}
	return st;
}

/* The batch is whole: into the window, which is sent when it is full. */
static enum kvf_status send(struct kvf_pgs *s, struct kvf_err *err)
{
	struct kvf_pgs_batch *b;
	enum kvf_status st = kvf_pgs_finish(s, &b, err);

	if (st || !b)
		return st;
	if (b->alone) {
		st = send_window(s, err);
		if (!st)
			st = drain(s, err);
	}
	s->window[s->waiting++] = b;
	/* A batch in which keys are in disorder may hold anything. */
	if (!st && (s->waiting == KVF_PGS_WINDOW || b->unsorted))
		st = send_window(s, err);
	if (!st && b->unsorted)
		st = drain(s, err);
	return st;
}

/* Does the entry go on with the run of ascending keys?  Remembers it. */
static enum kvf_status follow(struct kvf_pgs *s, const struct kvf_entry *e, int *ascends,
			      struct kvf_err *err)
{
	struct kvf_entry last = { { s->last.ptr, s->last_part },
				  { s->last.ptr + s->last_part, s->last.len - s->last_part },
				  { NULL, 0 } };
	enum kvf_status st;

	*ascends = !s->last.len || kvf_entry_cmp(&last, e) < 0;
	s->last.len = 0;
	st = kvf_buf_append(&s->last, e->part.ptr, e->part.len, err);
	if (!st)
		st = kvf_buf_append(&s->last, e->key.ptr, e->key.len, err);
	s->last_part = e->part.len;
	return st;
}

enum kvf_status kvf_roach_put(struct kvf_store *base, const struct kvf_entry *entry,
			      struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct kvf_pgs_batch *b;
	enum kvf_status st = kvf_pgs_check_size(s, entry, err);
	int ascends = 1;

	if (!st)
		st = follow(s, entry, &ascends, err);
	/* A run ends with a chunk; within one it is disorder. */
	if (!st && !ascends && base->puts == 1)
		st = send(s, err);
	if (!st)
		st = kvf_pgs_batch(s, &b, err);
	if (st)
		return kvf_roach_give_up(s, st);
	if (!ascends) {
		s->look = 1;
		b->alone = 1;
		b->unsorted |= b->entries > 0;
	}
	b->look = s->look;
	st = kvf_pgs_batch_add(b, entry, err);
	return st ? kvf_roach_give_up(s, st) : KVF_OK;
}

enum kvf_status kvf_roach_chunk(struct kvf_store *base, const struct kvf_chunk_info *info,
				struct kvf_bytes marks, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	struct kvf_pgs_batch *b;
	enum kvf_status st = kvf_pgs_batch(s, &b, err);

	if (!st)
		st = kvf_pgs_batch_chunk(b, s->stage, info, marks, err);
	if (!st && b->rows.len >= s->pg.dialect->batch_bytes)
		st = send(s, err);
	return st ? kvf_roach_give_up(s, st) : KVF_OK;
}

enum kvf_status kvf_roach_flush(struct kvf_store *base, struct kvf_err *err)
{
	struct kvf_pgs *s = (struct kvf_pgs *)base;
	enum kvf_status st = send(s, err);

	if (!st)
		st = send_window(s, err);
	if (!st)
		st = drain(s, err);
	return st ? kvf_roach_give_up(s, st) : KVF_OK;
}

/* ---- the live entries ------------------------------------------------------------------------ */

/* Put an entry of the live table; a batch of them has no progress row. */
static enum kvf_status copy_entry(struct kvf_pgs *s, const struct kvf_entry *e,
				  struct kvf_err *err)
{
	struct kvf_pgs_batch *b;
	enum kvf_status st = kvf_pgs_batch(s, &b, err);

	if (!st)
		st = kvf_pgs_batch_add(b, e, err);
	if (!st && b->rows.len >= s->pg.dialect->batch_bytes)
		st = send(s, err);
	kvf_totals_add(&s->merge.copied, e);
	return st;
}

enum kvf_status kvf_roach_copy_live(struct kvf_pgs *s, struct kvf_err *err)
{
	const struct kvf_bytes vpart = { s->base.version_part, s->base.version_part_len };
	const struct kvf_bytes vkey = { s->base.version_key, s->base.version_key_len };
	struct kvf_cursor *c;
	struct kvf_entry e;
	enum kvf_status st = kvf_roach_scan(&s->base, KVF_SCAN_LIVE, NULL, &c, err);

	if (st)
		return st;
	while (!(st = kvf_roach_cursor_next(c, &e, err)))
		if (!kvf_is_record(e.part, e.key, vpart, vkey) && (st = copy_entry(s, &e, err)))
			break;
	kvf_roach_cursor_close(c);
	if (st != KVF_EOF)
		return st;
	st = kvf_roach_flush(&s->base, err);
	s->look = 1;
	return st;
}
