/*
 * sqlite_look - what a SQLite store says of itself: control row, generations,
 * units, progress, ledger; and one value by its key.
 */
#include "store/sqlite.h"

#include <string.h>

/* KVF_ENOTFOUND when there is nothing to read: kvferry never touched this store. */
static enum kvf_status is_touched(struct kvf_lite *s, sqlite3 *db, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	int has = 0;

	if (db)
		st = kvf_lite_has(s, db, "table", "kvferry_control", &has, err);
	if (!st && !has)
		st = kvf_fail(err, KVF_ENOTFOUND, "%s holds nothing of kvferry's", s->path);
	return st;
}

int kvf_lite_fixed(sqlite3_stmt *stmt, int column, void *to, size_t size)
{
	struct kvf_bytes b = kvf_lite_blob(stmt, column);

	memset(to, 0, size);
	if (b.len != size)
		return 0;
	memcpy(to, b.ptr, size);
	return 1;
}

static size_t short_blob(sqlite3_stmt *stmt, int column, uint8_t *to, size_t size)
{
	struct kvf_bytes b = kvf_lite_blob(stmt, column);
	size_t len = b.len < size ? b.len : size;

	if (len)
		memcpy(to, b.ptr, len);
	return len;
}

static uint64_t number(sqlite3_stmt *stmt, int column)
{
	int64_t n = sqlite3_column_int64(stmt, column);

	return n > 0 ? (uint64_t)n : 0;
}

static void totals(sqlite3_stmt *stmt, int column, struct kvf_totals *t)
{
	t->entries = number(stmt, column);
	t->bytes = number(stmt, column + 1);
	kvf_lite_fixed(stmt, column + 2, t->m, sizeof(t->m));
}

enum kvf_status kvf_lite_read_generation(struct kvf_lite *s, sqlite3 *db, uint64_t gen,
					 struct kvf_generation *g, struct kvf_err *err)
{
	sqlite3_stmt *stmt;
	enum kvf_status st;
	int rc;

	st = kvf_lite_prepare(
		s, db, &stmt, err,
		"SELECT gen, ver, published, run, app, tool, stream, root, entries,"
		" bytes, m, version_part, version_key, exact_packages, mode, promised,"
		" source, version_started FROM kvferry_generations WHERE gen = %lld",
		(long long)gen);
	if (st)
		return st;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		g->gen = number(stmt, 0);
		g->ver = number(stmt, 1);
		g->published = sqlite3_column_int64(stmt, 2);
		kvf_lite_text(stmt, 3, g->run, sizeof(g->run));
		kvf_lite_text(stmt, 4, g->app, sizeof(g->app));
		kvf_lite_text(stmt, 5, g->tool, sizeof(g->tool));
		kvf_lite_fixed(stmt, 6, g->stream, sizeof(g->stream));
		g->has_root = kvf_lite_fixed(stmt, 7, g->root, sizeof(g->root));
		totals(stmt, 8, &g->totals);
		g->version_part_len =
			short_blob(stmt, 11, g->version_part, sizeof(g->version_part));
		g->version_key_len =
			short_blob(stmt, 12, g->version_key, sizeof(g->version_key));
		g->exact_packages = sqlite3_column_int(stmt, 13) != 0;
		kvf_lite_text(stmt, 14, g->mode, sizeof(g->mode));
		g->has_promised = kvf_lite_fixed(stmt, 15, g->promised, sizeof(g->promised));
		kvf_lite_text(stmt, 16, g->source, sizeof(g->source));
		g->version_started_len =
			short_blob(stmt, 17, g->version_started, sizeof(g->version_started));
	} else if (rc == SQLITE_DONE) {
		st = kvf_fail(err, KVF_ENOTFOUND, "%s holds no generation %llu", s->path,
			      (unsigned long long)gen);
	} else {
		st = kvf_lite_fail(s, db, "read", err);
	}
	return kvf_lite_finish(s, stmt, st, err);
}

/* The columns of the control row itself. */
static enum kvf_status read_row(struct kvf_lite *s, sqlite3_stmt *stmt, struct kvf_control *c,
				struct kvf_err *err)
{
	int rc = sqlite3_step(stmt), state;
	const char *name;

	if (rc == SQLITE_DONE) {
		kvf_fail(err, KVF_ETARGET, "%s: kvferry_control has lost its row", s->path);
		kvf_err_detail(err, "Nothing was changed.");
		kvf_err_hint(err, "Restore the file from a backup, or remove what kvferry made "
				  "in it, as docs/objects.md says: the live table stays.");
		return KVF_ETARGET;
	}
	if (rc != SQLITE_ROW)
		return kvf_lite_fail(s, sqlite3_db_handle(stmt), "read", err);
	if (sqlite3_column_int(stmt, 0) != KVF_CONTROL_FORMAT)
		return kvf_store_other_format(s->path, sqlite3_column_int64(stmt, 0), err);
	name = (const char *)sqlite3_column_text(stmt, 2);
	state = name ? kvf_run_state_parse(name) : -1;
	if (state < 0)
		return kvf_fail(err, KVF_ETARGET, "%s: kvferry_control holds an unknown state",
				s->path);
	c->state = (enum kvf_run_state)state;
	c->epoch = number(stmt, 1);
	c->ver = number(stmt, 3);
	c->active = number(stmt, 4);
	c->stage = number(stmt, 5);
	c->prev = number(stmt, 6);
	c->prev_legacy = (enum kvf_prev_legacy)sqlite3_column_int(stmt, 7);
	kvf_lite_text(stmt, 8, c->run, sizeof(c->run));
	kvf_lite_text(stmt, 9, c->host, sizeof(c->host));
	c->pid = sqlite3_column_int64(stmt, 10);
	c->pid_start = sqlite3_column_int64(stmt, 11);
	c->started = sqlite3_column_int64(stmt, 12);
	c->beat = sqlite3_column_int64(stmt, 13);
	kvf_lite_text(stmt, 14, c->tool, sizeof(c->tool));
	kvf_lite_text(stmt, 15, c->why, sizeof(c->why));
	c->lease = (uint32_t)number(stmt, 16);
	kvf_lite_text(stmt, 17, c->step, sizeof(c->step));
	c->legacy = (enum kvf_legacy)sqlite3_column_int(stmt, 18);
	kvf_lite_text(stmt, 19, c->frozen, sizeof(c->frozen));
	c->early = (enum kvf_early)sqlite3_column_int(stmt, 20);
	return KVF_OK;
}

enum kvf_status kvf_lite_not_ours(const struct kvf_lite *s, struct kvf_err *err)
{
	kvf_fail(err, KVF_EPREFLIGHT,
		 "%s: its table kvferry_control is not one that kvferry made", s->path);
	kvf_err_detail(err, "Nothing was changed.");
	kvf_err_hint(err, "Names that begin with kvferry_ are kvferry's in a store: rename the "
			  "table, or take another file.");
	return KVF_EPREFLIGHT;
}

/* A control table without our columns: of another release, or not ours at all. */
static enum kvf_status strange(struct kvf_lite *s, sqlite3 *db, struct kvf_err *err)
{
	int64_t format;

	if (kvf_lite_number(s, db, &format, err, "SELECT format FROM kvferry_control") ||
	    format == KVF_CONTROL_FORMAT)
		return kvf_lite_not_ours(s, err);
	return kvf_store_other_format(s->path, format, err);
}

enum kvf_status kvf_lite_read_control(struct kvf_lite *s, sqlite3 *db, struct kvf_control *c,
				      struct kvf_err *err)
{
	struct kvf_generation g;
	sqlite3_stmt *stmt;
	enum kvf_status st;
	int staged;

	memset(c, 0, sizeof(*c));
	memset(&g, 0, sizeof(g));
	st = is_touched(s, db, err);
	if (st)
		return st;
	st = kvf_lite_prepare(
		s, db, &stmt, err,
		"SELECT format, epoch, state, ver, active, stage, prev, prev_legacy,"
		" run, host, pid, pid_start, started, beat, tool, why, lease, step,"
		" legacy, frozen, early FROM kvferry_control WHERE id = 1");
	if (st)
		return sqlite3_errcode(db) == SQLITE_ERROR ? strange(s, db, err) : st;
	st = kvf_lite_finish(s, stmt, read_row(s, stmt, c, err), err);
	if (st)
		return st;
	staged = c->state == KVF_RUN_STAGING || c->state == KVF_RUN_SEALED;
	st = kvf_lite_read_generation(s, db, staged ? c->stage : c->active, &g, err);
	if (st == KVF_ENOTFOUND) {
		kvf_err_clear(err);
		return KVF_OK;
	}
	kvf_control_of(c, &g);
	return st;
}

/* One read transaction around what has to fit together. */
static enum kvf_status begin_read(struct kvf_lite *s, int *mine, struct kvf_err *err)
{
	*mine = s->db && sqlite3_get_autocommit(s->db);
	return *mine ? kvf_lite_exec(s, s->db, err, "BEGIN") : KVF_OK;
}

/* An end that fails leaves the transaction open: that must not go unnoticed. */
static enum kvf_status end_read(struct kvf_lite *s, int mine, enum kvf_status st,
				struct kvf_err *err)
{
	int rc = mine ? sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL) : SQLITE_OK;

	return rc && !st ? kvf_lite_fail(s, s->db, "end reading", err) : st;
}

enum kvf_status kvf_lite_control(struct kvf_store *base, struct kvf_control *c,
				 struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	enum kvf_status st = kvf_lite_look_again(s, err);
	int mine;

	if (!st)
		st = begin_read(s, &mine, err);
	if (st)
		return st;
	st = kvf_lite_read_control(s, s->db, c, err);
	return end_read(s, mine, st, err);
}

enum kvf_status kvf_lite_nothing(const struct kvf_lite *s, enum kvf_scan which,
				 struct kvf_err *err)
{
	static const char *const words[] = { "live", "staged", "previous" };

	return kvf_fail(err, KVF_ENOTFOUND, "%s: nothing is %s", s->path, words[which]);
}

/* Number of the generation; 0 is none. */
static enum kvf_status which_generation(struct kvf_lite *s, enum kvf_scan which, uint64_t *gen,
					struct kvf_err *err)
{
	struct kvf_control c;
	enum kvf_status st = kvf_lite_read_control(s, s->db, &c, err);

	*gen = st ? 0 : kvf_control_gen(&c, which);
	if (!st && !*gen)
		st = kvf_lite_nothing(s, which, err);
	return st;
}

enum kvf_status kvf_lite_generation(struct kvf_store *base, enum kvf_scan which,
				    struct kvf_generation *g, struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	enum kvf_status st;
	uint64_t gen;
	int mine;

	st = begin_read(s, &mine, err);
	if (st)
		return st;
	st = which_generation(s, which, &gen, err);
	if (!st)
		st = kvf_lite_read_generation(s, s->db, gen, g, err);
	return end_read(s, mine, st, err);
}

/* ---- single values -------------------------------------------------------------- */

/* The first column of a prepared and bound statement, copied. */
static enum kvf_status fetch(struct kvf_lite *s, sqlite3_stmt *stmt, struct kvf_bytes *out,
			     struct kvf_err *err)
{
	enum kvf_status st;
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW) {
		struct kvf_bytes b = kvf_lite_blob(stmt, 0);

		s->value.len = 0;
		st = kvf_buf_append(&s->value, b.ptr, b.len, err);
		*out = kvf_buf_bytes(&s->value);
	} else if (rc == SQLITE_DONE) {
		st = kvf_fail(err, KVF_ENOTFOUND, "not found");
	} else {
		st = kvf_lite_fail(s, sqlite3_db_handle(stmt), "read", err);
	}
	if (sqlite3_reset(stmt) && !st)
		st = kvf_lite_fail(s, sqlite3_db_handle(stmt), "read", err);
	return st;
}

enum kvf_status kvf_lite_get(struct kvf_store *base, struct kvf_bytes part,
			     struct kvf_bytes key, struct kvf_bytes *value, struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	sqlite3_stmt **stmt = &s->stmt[KVF_LITE_GET];
	enum kvf_status st = kvf_lite_look_again(s, err);
	int has = 0;

	if (!st && s->db) /* it may be gone again */
		st = kvf_lite_has(s, s->db, "table", s->table, &has, err);
	if (!st && !has)
		return kvf_fail(err, KVF_ENOTFOUND, "not found");
	if (!st && !*stmt)
		st = kvf_lite_prepare(s, s->db, stmt, err,
				      "SELECT value FROM \"%w\" WHERE partition_key = ?1 AND"
				      " key = ?2",
				      s->table);
	if (st)
		return st;
	kvf_lite_bind(*stmt, 1, part);
	kvf_lite_bind(*stmt, 2, key);
	return fetch(s, *stmt, value, err);
}

enum kvf_status kvf_lite_unit(struct kvf_store *base, enum kvf_scan which, const char *name,
			      uint64_t n, struct kvf_bytes *unit, struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	sqlite3_stmt *stmt = NULL;
	enum kvf_status st;
	uint64_t gen;
	int mine;

	st = begin_read(s, &mine, err);
	if (st)
		return st;
	st = which_generation(s, which, &gen, err);
	if (!st)
		st = kvf_lite_prepare(
			s, s->db, &stmt, err,
			"SELECT unit FROM kvferry_units WHERE gen = ?1 AND name = ?2"
			" AND n = ?3");
	if (!st) {
		sqlite3_bind_int64(stmt, 1, (int64_t)gen);
		sqlite3_bind_text(stmt, 2, name, -1, SQLITE_STATIC);
		sqlite3_bind_int64(stmt, 3, (int64_t)n);
		st = fetch(s, stmt, unit, err);
	}
	sqlite3_finalize(stmt);
	return end_read(s, mine, st, err);
}

enum kvf_status kvf_lite_progress(struct kvf_store *base, uint64_t n, uint64_t i,
				  struct kvf_chunk_info *info, struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	sqlite3_stmt **stmt = &s->stmt[KVF_LITE_PROGRESS];
	enum kvf_status st = is_touched(s, s->db, err);
	int rc;

	if (!st && !*stmt)
		st = kvf_lite_prepare(s, s->db, stmt, err,
				      "SELECT package, chunk, d, entries, bytes, m FROM"
				      " kvferry_progress WHERE gen = (SELECT stage FROM"
				      " kvferry_control) AND (package, chunk) >= (?1, ?2)"
				      " ORDER BY package, chunk LIMIT 1");
	if (st)
		return st;
	sqlite3_bind_int64(*stmt, 1, (int64_t)n);
	sqlite3_bind_int64(*stmt, 2, (int64_t)i);
	rc = sqlite3_step(*stmt);
	if (rc == SQLITE_ROW) {
		info->n = number(*stmt, 0);
		info->i = number(*stmt, 1);
		kvf_lite_fixed(*stmt, 2, info->d, sizeof(info->d));
		totals(*stmt, 3, &info->totals);
	} else {
		st = rc == SQLITE_DONE ? KVF_EOF : kvf_lite_fail(s, s->db, "read", err);
	}
	sqlite3_reset(*stmt);
	return st;
}

enum kvf_status kvf_lite_applied(struct kvf_store *base, uint64_t *chunks, struct kvf_totals *t,
				 struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	sqlite3_stmt *stmt;
	enum kvf_status st = is_touched(s, s->db, err);

	if (!st)
		st = kvf_lite_prepare(s, s->db, &stmt, err,
				      "SELECT count(*), total(entries), total(bytes) FROM"
				      " kvferry_progress WHERE gen = (SELECT stage FROM"
				      " kvferry_control)");
	if (st)
		return st;
	if (sqlite3_step(stmt) == SQLITE_ROW) {
		*chunks = number(stmt, 0);
		t->entries = number(stmt, 1);
		t->bytes = number(stmt, 2);
	} else {
		st = kvf_lite_fail(s, s->db, "read", err);
	}
	return kvf_lite_finish(s, stmt, st, err);
}

/* ---- the ledger -------------------------------------------------------------------- */

enum kvf_status kvf_lite_ledger_next(struct kvf_store *base, int64_t after,
				     struct kvf_ledger_row *row, struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	const char **texts[] = { &row->run,  &row->event, &row->outcome, &row->who,
				 &row->host, &row->tool,  &row->app,     &row->document };
	sqlite3_stmt *stmt = NULL;
	enum kvf_status st;
	int rc, i;

	st = is_touched(s, s->db, err);
	if (st)
		return st;
	st = kvf_lite_prepare(
		s, s->db, &stmt, err,
		"SELECT run, event, outcome, who, host, tool, app, document, id, at,"
		" from_version, to_version FROM kvferry_ledger WHERE id > ?1"
		" ORDER BY id LIMIT 1");
	if (st)
		return st;
	sqlite3_bind_int64(stmt, 1, after);
	rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW)
		st = rc == SQLITE_DONE ? KVF_EOF : kvf_lite_fail(s, s->db, "read", err);
	kvf_arena_reset(&s->ledger);
	for (i = 0; i < 8 && !st; i++) {
		const unsigned char *text = sqlite3_column_text(stmt, i);

		*texts[i] = text ? kvf_arena_strdup(&s->ledger, (const char *)text) : NULL;
		if (text && !*texts[i])
			st = kvf_fail_nomem(err);
	}
	if (!st) {
		row->id = sqlite3_column_int64(stmt, 8);
		row->at = sqlite3_column_int64(stmt, 9);
		row->from = number(stmt, 10);
		row->to = number(stmt, 11);
	}
	return kvf_lite_finish(s, stmt, st, err);
}
