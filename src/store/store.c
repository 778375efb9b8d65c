/*
 * store - the one way into every driver: places, phases, the sticky error.
 *
 * The wrappers check what no driver should have to: that a handle may write,
 * that the steps of the protocol come in their order, that arguments fit.  From
 * the first put to the commit an error stays: a transaction was rolled back,
 * so nothing that follows could be right.
 */
#include "store/driver.h"

#include "base/failpoint.h"
#include "base/text.h"
#include "pg/pg.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *scheme;
	enum kvf_status (*open)(const char *rest, enum kvf_store_mode mode,
				const struct kvf_store_options *options,
				const struct kvf_env *env, struct kvf_store **out,
				struct kvf_err *err);
} drivers[] = {
	{ "sqlite", kvf_lite_open },
};

/* ---- open and close -------------------------------------------------------- */

enum kvf_status kvf_store_open(const char *place, enum kvf_store_mode mode,
			       const struct kvf_store_options *options,
			       const struct kvf_env *env, struct kvf_store **out,
			       struct kvf_err *err)
{
	const char *colon = strchr(place, ':');
	enum kvf_status st;
	size_t i, len = colon ? (size_t)(colon - place) : 0;

	*out = NULL;
	for (i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (len == strlen(drivers[i].scheme) &&
		    memcmp(place, drivers[i].scheme, len) == 0)
			return drivers[i].open(colon + 1, mode, options, env, out, err);
	if (kvf_pg_is_place(place))
		return kvf_pgs_open(place, mode, options, env, out, err);
	st = kvf_fail(err, KVF_EUSAGE, "no store at such a place: %.200s", place);
	kvf_err_hint(err, "A store is written as sqlite:PATH, postgresql://HOST/DATABASE or "
			  "cockroachdb://HOST/DATABASE.");
	return st;
}

void kvf_store_close(struct kvf_store *s)
{
	if (!s)
		return;
	kvf_marks_release(&s->marks);
	s->ops->close(s);
}

const char *kvf_store_identity(const struct kvf_store *s)
{
	return s->identity;
}

const char *kvf_store_place(const struct kvf_store *s)
{
	return s->place;
}

/* ---- what the wrappers check ------------------------------------------------ */

static const char *const phase_names[] = { "not acquired", "acquired", "staging", "sealed",
					   "committed" };

/* A call out of order is the embedder's mistake, and changes nothing. */
static enum kvf_status out_of_order(const struct kvf_store *s, const char *call,
				    struct kvf_err *err)
{
	if (s->mode != KVF_STORE_WRITE)
		return kvf_fail(err, KVF_EUSAGE, "%s: the store was opened for reading", call);
	return kvf_fail(err, KVF_EUSAGE, "%s: the store is %s", call, phase_names[s->phase]);
}

/* May `call` run in phase `want`?  Hands out the sticky error if there is one. */
static inline enum kvf_status may(const struct kvf_store *s, enum kvf_store_phase want,
				  const char *call, struct kvf_err *err)
{
	if (s->failed.status) {
		if (err)
			*err = s->failed;
		return s->failed.status;
	}
	if (s->phase != want)
		return out_of_order(s, call, err);
	return KVF_OK;
}

/*
 * Remember a failure of the write path.  Whoever took the store from us may have
 * ended our connections too: then that is the reason.
 */
static enum kvf_status keep(struct kvf_store *s, enum kvf_status st, struct kvf_err *err)
{
	struct kvf_control now;

	if (st == KVF_ETARGET && s->epoch && !s->ops->control(s, &now, NULL) &&
	    now.epoch != s->epoch)
		st = kvf_store_superseded(&now, err);
	if (st) {
		if (err)
			s->failed = *err;
		s->failed.status = st;
	}
	return st;
}

/* Readers of the stage see what is committed: bring it there first. */
static enum kvf_status settle(struct kvf_store *s, enum kvf_scan which, struct kvf_err *err)
{
	if (which != KVF_SCAN_STAGE || s->phase != KVF_PHASE_STAGING || s->failed.status)
		return KVF_OK;
	return kvf_store_flush(s, err);
}

/* ---- looking ------------------------------------------------------------------ */

enum kvf_status kvf_store_inspect(struct kvf_store *s, struct kvf_store_facts *facts,
				  struct kvf_err *err)
{
	memset(facts, 0, sizeof(*facts));
	return s->ops->inspect(s, facts, err);
}

enum kvf_status kvf_store_changes(struct kvf_store *s, int64_t *n, struct kvf_err *err)
{
	*n = 0;
	return s->ops->changes ? s->ops->changes(s, n, err) : KVF_OK;
}

enum kvf_status kvf_store_control(struct kvf_store *s, struct kvf_control *c,
				  struct kvf_err *err)
{
	memset(c, 0, sizeof(*c));
	return s->ops->control(s, c, err);
}

enum kvf_status kvf_store_generation(struct kvf_store *s, enum kvf_scan which,
				     struct kvf_generation *g, struct kvf_err *err)
{
	memset(g, 0, sizeof(*g));
	return s->ops->generation(s, which, g, err);
}

enum kvf_status kvf_store_scan(struct kvf_store *s, enum kvf_scan which,
			       const struct kvf_entry *from, struct kvf_cursor **out,
			       struct kvf_err *err)
{
	enum kvf_status st = settle(s, which, err);

	*out = NULL;
	return st ? st : s->ops->scan(s, which, from, out, err);
}

enum kvf_status kvf_cursor_next(struct kvf_cursor *c, struct kvf_entry *entry,
				struct kvf_err *err)
{
	return c->store->ops->cursor_next(c, entry, err);
}

void kvf_cursor_close(struct kvf_cursor *c)
{
	if (c)
		c->store->ops->cursor_close(c);
}

enum kvf_status kvf_store_totals(struct kvf_store *s, enum kvf_scan which, struct kvf_totals *t,
				 struct kvf_err *err)
{
	enum kvf_status st = settle(s, which, err);

	memset(t, 0, sizeof(*t));
	return st ? st : s->ops->totals(s, which, t, err);
}

enum kvf_status kvf_store_get(struct kvf_store *s, struct kvf_bytes part, struct kvf_bytes key,
			      struct kvf_bytes *value, struct kvf_err *err)
{
	return s->ops->get(s, part, key, value, err);
}

enum kvf_status kvf_store_unit(struct kvf_store *s, enum kvf_scan which, const char *name,
			       uint64_t n, struct kvf_bytes *unit, struct kvf_err *err)
{
	return s->ops->unit(s, which, name, n, unit, err);
}

/* ---- the protocol ------------------------------------------------------------- */

static enum kvf_status check_claim(const struct kvf_claim *claim, struct kvf_err *err)
{
	const struct kvf_control *c = NULL;
	const struct kvf_generation *g = NULL;

	assert(claim->run && claim->host && claim->tool && claim->app);
	if (!claim->run[0] || strlen(claim->run) >= sizeof(c->run))
		return kvf_fail(err, KVF_EUSAGE, "a run's name has 1 to %zu bytes",
				sizeof(c->run) - 1);
	if (strlen(claim->app) >= sizeof(c->app))
		return kvf_fail(err, KVF_EUSAGE, "an application's name has at most %zu bytes",
				sizeof(c->app) - 1);
	if (claim->version_part.len > sizeof(c->version_part) ||
	    claim->version_key.len > sizeof(c->version_key))
		return kvf_fail(err, KVF_EUSAGE,
				"partition and key of the version record have at "
				"most %zu bytes each",
				sizeof(c->version_key));
	if (claim->version_started.len > sizeof(g->version_started))
		return kvf_fail(err, KVF_EUSAGE,
				"a value of the version record has at most %zu bytes",
				sizeof(g->version_started));
	if (claim->mode && strlen(claim->mode) >= sizeof(g->mode))
		return kvf_fail(err, KVF_EUSAGE, "a mode has at most %zu bytes",
				sizeof(g->mode) - 1);
	if (claim->source && strlen(claim->source) >= sizeof(g->source))
		return kvf_fail(err, KVF_EUSAGE, "a source's place has at most %zu bytes",
				sizeof(g->source) - 1);
	return KVF_OK;
}

enum kvf_status kvf_store_acquire(struct kvf_store *s, uint64_t seen_epoch,
				  const struct kvf_claim *claim, struct kvf_control *c,
				  struct kvf_err *err)
{
	struct kvf_claim whole = *claim;
	enum kvf_status st;

	if (s->mode != KVF_STORE_WRITE)
		return out_of_order(s, "acquire", err);
	st = check_claim(claim, err);
	if (st)
		return st;
	if (!whole.mode)
		whole.mode = "";
	if (!whole.source)
		whole.source = "";
	if (!whole.lease)
		whole.lease = KVF_LEASE_DEFAULT;
	KVF_FAILPOINT(st, err, "acquire.before");
	if (!st)
		st = s->ops->acquire(s, seen_epoch, &whole, err);
	KVF_FAILPOINT(st, err, "acquire.after");
	if (st)
		return st;
	kvf_err_clear(&s->failed);
	s->phase = KVF_PHASE_ACQUIRED;
	s->lease = whole.lease;
	s->beaten = kvf_monotonic();
	snprintf(s->step, sizeof(s->step), "load");
	s->puts = 0;
	kvf_marks_release(&s->marks);
	kvf_marks_init(&s->marks);
	s->version_part_len = claim->version_part.len;
	s->version_key_len = claim->version_key.len;
	if (s->version_part_len)
		memcpy(s->version_part, claim->version_part.ptr, s->version_part_len);
	if (s->version_key_len)
		memcpy(s->version_key, claim->version_key.ptr, s->version_key_len);
	st = kvf_store_control(s, c, err);
	if (st)
		return st;
	return c->epoch == s->epoch ? KVF_OK : kvf_store_superseded(c, err);
}

enum kvf_status kvf_store_beat(struct kvf_store *s, const char *step, struct kvf_err *err)
{
	int ours = s->phase >= KVF_PHASE_ACQUIRED && s->phase <= KVF_PHASE_SEALED;
	enum kvf_status st = may(s, ours ? s->phase : KVF_PHASE_STAGING, "beat", err);

	if (st || s->puts)
		return st;
	if (kvf_monotonic() - s->beaten < s->lease / 4.0 && strcmp(step, s->step) == 0)
		return KVF_OK;
	s->beaten = kvf_monotonic();
	snprintf(s->step, sizeof(s->step), "%s", step);
	st = s->ops->beat(s, step, err);
	KVF_FAILPOINT(st, err, "beat.after");
	return keep(s, st, err);
}

enum kvf_status kvf_store_reading(struct kvf_store *s, struct kvf_err *err)
{
	enum kvf_status st = kvf_store_stopped(s, err);

	return st || s->phase != KVF_PHASE_STAGING ? st : kvf_store_beat(s, "verify", err);
}

enum kvf_status kvf_store_stage(struct kvf_store *s, int copy_live, struct kvf_err *err)
{
	enum kvf_status st = may(s, KVF_PHASE_ACQUIRED, "stage", err);

	if (st)
		return st;
	KVF_FAILPOINT(st, err, "stage.before");
	if (!st)
		st = s->ops->stage(s, copy_live, err);
	KVF_FAILPOINT(st, err, "stage.after");
	st = keep(s, st, err);
	if (!st)
		s->phase = KVF_PHASE_STAGING;
	return st;
}

enum kvf_status kvf_store_put(struct kvf_store *s, const struct kvf_entry *entry,
			      struct kvf_err *err)
{
	enum kvf_status st = may(s, KVF_PHASE_STAGING, "put", err);
	const struct kvf_bytes vpart = { s->version_part, s->version_part_len };
	const struct kvf_bytes vkey = { s->version_key, s->version_key_len };

	if (st)
		return st;
	if (kvf_is_record(entry->part, entry->key, vpart, vkey)) {
		st = kvf_fail(err, KVF_ESTREAM,
			      "the stream holds the version record of the "
			      "application, which only a commit may write");
		kvf_err_hint(err, "A package must not make that key: see `kvferry check`.");
		return keep(s, st, err);
	}
	s->puts++;
	st = kvf_marks_add(&s->marks, entry, err);
	if (!st)
		st = s->ops->put(s, entry, err);
	return st ? keep(s, st, err) : KVF_OK;
}

enum kvf_status kvf_store_chunk(struct kvf_store *s, const struct kvf_chunk_info *info,
				struct kvf_err *err)
{
	enum kvf_status st = may(s, KVF_PHASE_STAGING, "chunk", err);

	if (st)
		return st;
	if (s->puts != info->totals.entries)
		return keep(s,
			    kvf_fail(err, KVF_EINTERNAL,
				     "chunk %llu of package %llu has %llu "
				     "entries, %llu were put",
				     (unsigned long long)info->i, (unsigned long long)info->n,
				     (unsigned long long)info->totals.entries,
				     (unsigned long long)s->puts),
			    err);
	s->puts = 0;
	KVF_FAILPOINT(st, err, "chunk.before");
	if (!st)
		st = s->ops->chunk(s, info, kvf_buf_bytes(&s->marks.out), err);
	KVF_FAILPOINT(st, err, "chunk.after");
	kvf_marks_reset(&s->marks);
	return keep(s, st, err);
}

enum kvf_status kvf_store_keep_unit(struct kvf_store *s, const char *name, uint64_t n,
				    struct kvf_bytes unit, struct kvf_err *err)
{
	enum kvf_status st = may(s, KVF_PHASE_STAGING, "keep_unit", err);

	if (st)
		return st;
	st = s->ops->keep_unit(s, name, n, unit, err);
	KVF_FAILPOINT(st, err, "unit.after");
	return keep(s, st, err);
}

enum kvf_status kvf_store_flush(struct kvf_store *s, struct kvf_err *err)
{
	enum kvf_status st = may(s, KVF_PHASE_STAGING, "flush", err);

	if (st)
		return st;
	if (s->puts)
		return kvf_fail(err, KVF_EUSAGE, "flush: a chunk is not complete");
	return keep(s, s->ops->flush(s, err), err);
}

enum kvf_status kvf_store_progress(struct kvf_store *s, uint64_t n, uint64_t i,
				   struct kvf_chunk_info *info, struct kvf_err *err)
{
	return s->ops->progress(s, n, i, info, err);
}

enum kvf_status kvf_store_applied(struct kvf_store *s, uint64_t *chunks, struct kvf_totals *t,
				  struct kvf_err *err)
{
	*chunks = 0;
	memset(t, 0, sizeof(*t));
	return s->ops->applied(s, chunks, t, err);
}

void kvf_store_merge_stats(const struct kvf_store *s, struct kvf_merge_stats *m)
{
	s->ops->merge_stats(s, m);
}

enum kvf_status kvf_store_seal(struct kvf_store *s, const uint8_t root[32],
			       const struct kvf_totals *t, int exact_packages,
			       struct kvf_err *err)
{
	enum kvf_status st = kvf_store_flush(s, err);

	if (st)
		return st;
	KVF_FAILPOINT(st, err, "seal.before");
	if (!st)
		st = s->ops->seal(s, root, t, exact_packages, err);
	KVF_FAILPOINT(st, err, "seal.after");
	st = keep(s, st, err);
	if (!st)
		s->phase = KVF_PHASE_SEALED;
	return st;
}

enum kvf_status kvf_store_commit(struct kvf_store *s, uint64_t schema,
				 struct kvf_bytes version_done,
				 const struct kvf_ledger_row *row, struct kvf_err *err)
{
	enum kvf_status st = may(s, KVF_PHASE_SEALED, "commit", err);

	if (st)
		return st;
	if (schema > INT64_MAX)
		return kvf_fail(err, KVF_EUSAGE, "a schema version is at most %lld",
				(long long)INT64_MAX);
	KVF_FAILPOINT(st, err, "commit.before");
	if (!st)
		st = s->ops->commit(s, schema, version_done, row, err);
	KVF_FAILPOINT(st, err, "commit.after");
	st = keep(s, st, err);
	if (!st)
		s->phase = KVF_PHASE_DONE;
	return st;
}

void kvf_store_before_commit(struct kvf_store *s, kvf_look_fn *look, void *ctx, double seconds)
{
	s->last_look = look;
	s->look_seconds = seconds;
	s->last_look_ctx = ctx;
}

enum kvf_status kvf_store_last_look(struct kvf_store *s, struct kvf_err *err)
{
	return s->last_look ? s->last_look(s->last_look_ctx, s, err) : KVF_OK;
}

enum kvf_status kvf_store_gc(struct kvf_store *s, struct kvf_err *err)
{
	enum kvf_status st = may(s, KVF_PHASE_DONE, "gc", err);

	KVF_FAILPOINT(st, err, "gc.before");
	if (!st)
		st = s->ops->gc(s, err);
	KVF_FAILPOINT(st, err, "gc.after");
	return st;
}

void kvf_store_note_failure(struct kvf_store *s, const char *why)
{
	if (s->mode != KVF_STORE_WRITE || !s->epoch)
		return;
	/* Whole chunks are kept; the handle is good for nothing else any more. */
	if (s->phase == KVF_PHASE_STAGING && !s->failed.status && !s->puts)
		(void)!kvf_store_flush(s, NULL);
	s->ops->note_failure(s, why);
	if (s->phase < KVF_PHASE_DONE && !s->failed.status)
		kvf_fail(&s->failed, KVF_EUSAGE, "the run has failed");
}

enum kvf_status kvf_store_note_frozen(struct kvf_store *s, const char *place,
				      struct kvf_err *err)
{
	const struct kvf_control *c = NULL;
	enum kvf_status st;

	if (s->mode != KVF_STORE_WRITE)
		return out_of_order(s, "note_frozen", err);
	if (strlen(place) >= sizeof(c->frozen))
		return kvf_fail(err, KVF_EUSAGE, "the place of a source has at most %zu bytes",
				sizeof(c->frozen) - 1);
	st = s->ops->note_frozen(s, place, err);
	KVF_FAILPOINT(st, err, "note-frozen.after");
	return st;
}

enum kvf_status kvf_store_ledger_append(struct kvf_store *s, const struct kvf_ledger_row *row,
					struct kvf_err *err)
{
	enum kvf_status st;

	if (s->mode != KVF_STORE_WRITE)
		return out_of_order(s, "ledger", err);
	if (s->phase == KVF_PHASE_STAGING && !s->failed.status) {
		st = kvf_store_flush(s, err);
		if (st)
			return st;
	}
	st = s->ops->ledger_append(s, s->epoch, row, err);
	KVF_FAILPOINT(st, err, "ledger.after");
	return st;
}

enum kvf_status kvf_store_ledger_next(struct kvf_store *s, int64_t after,
				      struct kvf_ledger_row *row, struct kvf_err *err)
{
	memset(row, 0, sizeof(*row));
	return s->ops->ledger_next(s, after, row, err);
}
