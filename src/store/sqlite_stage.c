/*
 * sqlite_stage - fill the stage of a SQLite store.
 *
 * Every transaction begins by finding itself in possession: one UPDATE of the
 * control row that matches epoch and state, and renews the beat.  If it matches
 * nothing, another run has the store, and nothing of ours is written any more.
 * A transaction ends where a chunk ends, when enough bytes are in it.
 */
#include "store/sqlite.h"

#include "base/failpoint.h"
#include "base/hash.h"
#include "base/text.h"

#include <string.h>

/* ---- transactions ------------------------------------------------------------ */

void kvf_lite_rollback(struct kvf_lite *s)
{
	size_t i;

	for (i = 0; i < KVF_LITE_NSTMT; i++)
		if (s->stmt[i])
			sqlite3_reset(s->stmt[i]);
	if (s->db && !sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	kvf_lite_batch_clear(&s->batch);
	s->in_tx = 0;
	s->tx_bytes = 0;
}

enum kvf_status kvf_lite_lost(struct kvf_lite *s, struct kvf_err *err)
{
	struct kvf_control c;
	enum kvf_status st = kvf_lite_read_control(s, s->db, &c, err);

	return st ? st : kvf_store_superseded(&c, err);
}

enum kvf_status kvf_lite_begin(struct kvf_lite *s, enum kvf_run_state state,
			       struct kvf_err *err)
{
	sqlite3_stmt *guard;
	enum kvf_status st = KVF_OK;

	if (!s->stmt[KVF_LITE_BEGIN])
		st = kvf_lite_prepare(s, s->db, &s->stmt[KVF_LITE_BEGIN], err,
				      "BEGIN IMMEDIATE");
	if (!st && !s->stmt[KVF_LITE_GUARD])
		st = kvf_lite_prepare(s, s->db, &s->stmt[KVF_LITE_GUARD], err,
				      "UPDATE kvferry_control SET beat = ?3, lease = ?4 WHERE"
				      " id = 1 AND epoch = ?1 AND state = ?2");
	if (!st)
		st = kvf_lite_run(s, s->stmt[KVF_LITE_BEGIN], "begin to write", err);
	if (st)
		return st;
	guard = s->stmt[KVF_LITE_GUARD];
	sqlite3_bind_int64(guard, 1, (int64_t)s->base.epoch);
	sqlite3_bind_text(guard, 2, kvf_run_state_name(state), -1, SQLITE_STATIC);
	sqlite3_bind_int64(guard, 3, kvf_now_us());
	sqlite3_bind_int64(guard, 4, s->base.lease);
	st = kvf_lite_run(s, guard, "write", err);
	if (!st && sqlite3_changes(s->db) != 1)
		st = kvf_lite_lost(s, err);
	if (st)
		kvf_lite_rollback(s);
	return st;
}

enum kvf_status kvf_lite_end(struct kvf_lite *s, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;

	if (!s->stmt[KVF_LITE_END])
		st = kvf_lite_prepare(s, s->db, &s->stmt[KVF_LITE_END], err, "COMMIT");
	if (!st)
		st = kvf_lite_run(s, s->stmt[KVF_LITE_END], "commit", err);
	if (st)
		kvf_lite_rollback(s);
	return st;
}

/* Open the transaction that a put or a chunk row needs. */
static inline enum kvf_status staging(struct kvf_lite *s, struct kvf_err *err)
{
	enum kvf_status st;

	if (s->in_tx)
		return KVF_OK;
	st = kvf_lite_begin(s, KVF_RUN_STAGING, err);
	s->in_tx = !st;
	s->tx_begun = kvf_monotonic();
	KVF_FAILPOINT(st, err, "sqlite.batch.begun");
	return st;
}

static enum kvf_status give_up(struct kvf_lite *s, enum kvf_status st)
{
	kvf_lite_rollback(s);
	return st;
}

/* ---- entries -------------------------------------------------------------------- */

/* Prepare what put and chunk need for this stage. */
static enum kvf_status prepare_stage(struct kvf_lite *s, struct kvf_err *err)
{
	const unsigned long long g = s->stage;
	enum kvf_status st;
	int i;

	for (i = KVF_LITE_PUT; i <= KVF_LITE_UNIT; i++) {
		sqlite3_finalize(s->stmt[i]);
		s->stmt[i] = NULL;
	}
	st = kvf_lite_prepare(s, s->db, &s->stmt[KVF_LITE_PUT], err,
			      "INSERT OR FAIL INTO kvferry_g%llu SELECT part, key, value FROM"
			      " kvferry_batch",
			      g);
	if (!st)
		st = kvf_lite_prepare(s, s->db, &s->stmt[KVF_LITE_STAGED], err,
				      "SELECT value FROM kvferry_g%llu WHERE partition_key = ?1"
				      " AND key = ?2",
				      g);
	if (!st)
		st = kvf_lite_prepare(
			s, s->db, &s->stmt[KVF_LITE_CHUNK], err,
			"INSERT INTO kvferry_progress VALUES (%llu, ?1, ?2, ?3, ?4, ?5,"
			" ?6, ?7)",
			g);
	if (!st)
		st = kvf_lite_prepare(
			s, s->db, &s->stmt[KVF_LITE_UNIT], err,
			"INSERT OR REPLACE INTO kvferry_units VALUES (%llu, ?1, ?2, ?3)", g);
	return st;
}

/* Is the key staged, and with the same value? */
static enum kvf_status look_up(struct kvf_lite *s, const struct kvf_entry *e, int *found,
			       int *equal, struct kvf_err *err)
{
	sqlite3_stmt *stmt = s->stmt[KVF_LITE_STAGED];
	enum kvf_status st = KVF_OK;
	int rc;

	kvf_lite_bind(stmt, 1, e->part);
	kvf_lite_bind(stmt, 2, e->key);
	rc = sqlite3_step(stmt);
	*found = rc == SQLITE_ROW;
	*equal = *found && kvf_bytes_cmp(kvf_lite_blob(stmt, 0), e->value) == 0;
	/* A value that could not be had looks empty, and shows in the reset. */
	if (sqlite3_reset(stmt))
		st = kvf_lite_fail(s, s->db, "read", err);
	return st;
}

/* SQLite says that the key is staged already. */
static enum kvf_status staged_already(struct kvf_lite *s, const struct kvf_entry *e,
				      struct kvf_err *err)
{
	int found, equal;
	enum kvf_status st = look_up(s, e, &found, &equal, err);

	if (st)
		return st;
	if (!s->copy_live)
		return kvf_store_duplicate(e, equal, err);
	kvf_merge_count(&s->merge, e, equal);
	return KVF_OK;
}

/*
 * Give the batch to SQLite, in the open transaction.  A row that is there
 * already stops the statement; it is dealt with, and the rest goes on.
 */
static enum kvf_status write_batch(struct kvf_lite *s, struct kvf_err *err)
{
	sqlite3_stmt *stmt = s->stmt[KVF_LITE_PUT];
	struct kvf_lite_batch *b = &s->batch;
	enum kvf_status st = KVF_OK;
	int rc;

	while (!st && b->at < b->len) {
		rc = sqlite3_step(stmt);
		if (rc == SQLITE_CONSTRAINT_PRIMARYKEY) {
			sqlite3_reset(stmt);
			st = staged_already(s, &b->entries[b->at++], err);
		} else if (rc != SQLITE_DONE) {
			st = kvf_lite_fail(s, s->db, "write", err);
		}
		sqlite3_reset(stmt);
	}
	kvf_lite_batch_clear(b);
	return st;
}

/* Add one entry to the batch; a large one is a batch by itself, not copied. */
static enum kvf_status add(struct kvf_lite *s, const struct kvf_entry *e, struct kvf_err *err)
{
	struct kvf_lite_batch *b = &s->batch;
	enum kvf_status st;

	s->tx_bytes += e->part.len + e->key.len + e->value.len;
	s->unsampled += e->part.len + e->key.len + e->value.len;
	if (kvf_lite_batch_add(b, e))
		return KVF_OK;
	st = write_batch(s, err);
	if (st || kvf_lite_batch_add(b, e))
		return st;
	b->entries[0] = *e;
	b->len = 1;
	return write_batch(s, err);
}

/*
 * With --merge most keys may be there: looking first is cheaper than a statement
 * that fails.  A key that waits in the batch is still found by the statement.
 */
static enum kvf_status add_merging(struct kvf_lite *s, const struct kvf_entry *e,
				   struct kvf_err *err)
{
	int found, equal;
	enum kvf_status st = look_up(s, e, &found, &equal, err);

	if (st || !found)
		return st ? st : add(s, e, err);
	kvf_merge_count(&s->merge, e, equal);
	return KVF_OK;
}

enum kvf_status kvf_lite_put(struct kvf_store *base, const struct kvf_entry *entry,
			     struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	enum kvf_status st = staging(s, err);

	if (!st)
		st = s->copy_live ? add_merging(s, entry, err) : add(s, entry, err);
	return st ? give_up(s, st) : KVF_OK;
}

static enum kvf_status insert_unit(struct kvf_lite *s, const char *name, uint64_t n,
				   struct kvf_bytes unit, struct kvf_err *err)
{
	sqlite3_stmt *stmt = s->stmt[KVF_LITE_UNIT];

	sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, (int64_t)n);
	kvf_lite_bind(stmt, 3, unit);
	return kvf_lite_run(s, stmt, "write", err);
}

/*
 * Keep the last key of the batch as a sample, now and then: totals are read by
 * several threads, each from one sample to another.
 */
static enum kvf_status keep_sample(struct kvf_lite *s, struct kvf_err *err)
{
	const struct kvf_lite_batch *b = &s->batch;
	const struct kvf_entry *e = b->len ? &b->entries[b->len - 1] : NULL;
	uint8_t sample[4 + KVF_LITE_SAMPLE_MAX];

	if (s->unsampled < KVF_LITE_SAMPLE_BYTES)
		return KVF_OK;
	s->unsampled = 0;
	if (!e || e->part.len + e->key.len > KVF_LITE_SAMPLE_MAX)
		return KVF_OK;
	kvf_put_be32(sample, (uint32_t)e->part.len);
	if (e->part.len)
		memcpy(sample + 4, e->part.ptr, e->part.len);
	memcpy(sample + 4 + e->part.len, e->key.ptr, e->key.len);
	return insert_unit(s, "sample", s->samples++,
			   (struct kvf_bytes){ sample, 4 + e->part.len + e->key.len }, err);
}

enum kvf_status kvf_lite_flush(struct kvf_store *base, struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;

	enum kvf_status st;

	if (!s->in_tx)
		return KVF_OK;
	st = write_batch(s, err);
	KVF_FAILPOINT(st, err, "sqlite.batch.written");
	if (st)
		return give_up(s, st);
	s->in_tx = 0;
	s->tx_bytes = 0;
	st = kvf_lite_end(s, err);
	KVF_FAILPOINT(st, err, "sqlite.batch.committed");
	return st;
}

/* Is there enough in the transaction, or has it been open for long? */
static int is_due(const struct kvf_lite *s)
{
	return s->tx_bytes >= s->commit_bytes ||
	       kvf_monotonic() - s->tx_begun >= KVF_LITE_COMMIT_S;
}

enum kvf_status kvf_lite_chunk(struct kvf_store *base, const struct kvf_chunk_info *info,
			       struct kvf_bytes marks, struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	const struct kvf_bytes d = { info->d, sizeof(info->d) };
	const struct kvf_bytes m = { info->totals.m, sizeof(info->totals.m) };
	enum kvf_status st = staging(s, err);
	sqlite3_stmt *stmt = s->stmt[KVF_LITE_CHUNK];

	if (st)
		return st;
	sqlite3_bind_int64(stmt, 1, (int64_t)info->n);
	sqlite3_bind_int64(stmt, 2, (int64_t)info->i);
	kvf_lite_bind(stmt, 3, d);
	sqlite3_bind_int64(stmt, 4, (int64_t)info->totals.entries);
	sqlite3_bind_int64(stmt, 5, (int64_t)info->totals.bytes);
	kvf_lite_bind(stmt, 6, m);
	kvf_lite_bind(stmt, 7, marks);
	st = keep_sample(s, err);
	if (!st)
		st = write_batch(s, err);
	if (!st)
		st = kvf_lite_run(s, stmt, "write", err);
	if (st)
		return give_up(s, st);
	return is_due(s) ? kvf_lite_flush(base, err) : KVF_OK;
}

enum kvf_status kvf_lite_keep_unit(struct kvf_store *base, const char *name, uint64_t n,
				   struct kvf_bytes unit, struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	enum kvf_status st = staging(s, err);

	if (st)
		return st;
	st = insert_unit(s, name, n, unit, err);
	return st ? give_up(s, st) : KVF_OK;
}

void kvf_lite_merge_stats(const struct kvf_store *base, struct kvf_merge_stats *m)
{
	*m = ((const struct kvf_lite *)base)->merge;
}

/* ---- the stage -------------------------------------------------------------------- */

/*
 * Copy the live entries, in transactions of the usual size.  The SELECT stays
 * open across them and holds its snapshot: in a rollback database nobody else
 * can commit until it is done; in a WAL database our next BEGIN would notice.
 */
static enum kvf_status copy_live(struct kvf_lite *s, struct kvf_err *err)
{
	const struct kvf_bytes vpart = { s->base.version_part, s->base.version_part_len };
	const struct kvf_bytes vkey = { s->base.version_key, s->base.version_key_len };
	struct kvf_bytes lpart, lkey;
	struct kvf_generation live;
	struct kvf_entry e;
	sqlite3_stmt *stmt;
	enum kvf_status st;
	int rc = SQLITE_DONE, has;

	st = kvf_lite_has(s, s->db, "table", s->table, &has, err);
	if (st || !has)
		return st;
	memset(&live, 0, sizeof(live));
	st = kvf_lite_generation(&s->base, KVF_SCAN_LIVE, &live, err);
	if (st && st != KVF_ENOTFOUND)
		return st;
	lpart = (struct kvf_bytes){ live.version_part, live.version_part_len };
	lkey = (struct kvf_bytes){ live.version_key, live.version_key_len };
	st = kvf_lite_prepare(s, s->db, &stmt, err,
			      "SELECT partition_key, key, value FROM \"%w\""
			      " ORDER BY partition_key, key",
			      s->table);
	while (!st && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		st = kvf_lite_entry(s, stmt, &e, err);
		if (st || kvf_is_record(e.part, e.key, vpart, vkey) ||
		    kvf_is_record(e.part, e.key, lpart, lkey))
			continue;
		st = staging(s, err);
		if (!st)
			st = add(s, &e, err);
		kvf_totals_add(&s->merge.copied, &e);
		if (!st && s->unsampled >= KVF_LITE_SAMPLE_BYTES)
			st = keep_sample(s, err);
		if (!st && s->tx_bytes >= s->commit_bytes)
			st = kvf_lite_flush(&s->base, err);
		if (!st && s->merge.copied.entries % 4096 == 0)
			st = kvf_store_stopped(&s->base, err);
	}
	if (!st && rc != SQLITE_DONE)
		st = kvf_lite_fail(s, s->db, "read", err);
	sqlite3_finalize(stmt);
	return st ? st : kvf_lite_flush(&s->base, err);
}

/*
 * How much a commit may hold: does anybody have a reason to read this file?  In WAL
 * readers are never kept out, and a large commit makes a large log.
 */
static enum kvf_status choose_commit(struct kvf_lite *s, struct kvf_err *err)
{
	int64_t others;
	enum kvf_status st;

	st = kvf_lite_number(s, s->db, &others, err,
			     "SELECT (SELECT count(*) FROM sqlite_master WHERE"
			     " name NOT GLOB 'kvferry_*' AND name NOT GLOB 'sqlite_*' AND NOT"
			     " (tbl_name = (SELECT live FROM kvferry_control WHERE early)))"
			     " + (SELECT count(*) FROM pragma_journal_mode WHERE"
			     " journal_mode = 'wal')");
	s->commit_bytes = st || others ? KVF_LITE_COMMIT_BYTES : KVF_LITE_COMMIT_BYTES_ALONE;
	if (st)
		return st;
	return kvf_lite_exec(s, s->db, err, "PRAGMA cache_size=-%d",
			     others ? KVF_LITE_WRITE_CACHE_KIB : KVF_LITE_ALONE_CACHE_KIB);
}

/* A stage that is gone on with has samples already. */
static enum kvf_status count_samples(struct kvf_lite *s, struct kvf_err *err)
{
	int64_t n;
	enum kvf_status st = kvf_lite_number(s, s->db, &n, err,
					     "SELECT coalesce(max(n) + 1, 0) FROM kvferry_units"
					     " WHERE gen = %lld AND name = 'sample'",
					     (long long)s->stage);

	s->samples = st ? 0 : (uint64_t)n;
	return st;
}

enum kvf_status kvf_lite_stage(struct kvf_store *base, int copy, struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	enum kvf_status st = kvf_lite_begin(s, KVF_RUN_STAGING, err);

	if (st)
		return st;
	st = kvf_lite_drop_orphans(s, err);
	if (!st)
		st = kvf_lite_exec(s, s->db, err,
				   "CREATE TABLE IF NOT EXISTS kvferry_g%llu"
				   " (partition_key BLOB NOT NULL,"
				   " key BLOB NOT NULL, value BLOB NOT NULL,"
				   " PRIMARY KEY (partition_key, key)) WITHOUT ROWID",
				   (unsigned long long)s->stage);
	if (!st)
		st = count_samples(s, err);
	KVF_FAILPOINT(st, err, "sqlite.stage.written");
	if (!st)
		st = choose_commit(s, err);
	if (!st)
		st = kvf_lite_end(s, err);
	if (!st)
		st = prepare_stage(s, err);
	s->copy_live = copy;
	if (!st && copy)
		st = copy_live(s, err);
	return st ? give_up(s, st) : KVF_OK;
}
