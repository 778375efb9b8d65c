/* back - the wrappers of the way back: abort, rollback, cleanup. */
#include "store/driver.h"

#include "base/failpoint.h"

#include <stdio.h>

/* A handle that has a run of its own under way gives it up first. */
static enum kvf_status begin(struct kvf_store *s, const char *call, struct kvf_err *err)
{
	if (s->mode != KVF_STORE_WRITE)
		return kvf_fail(err, KVF_EUSAGE, "%s: the store was opened for reading", call);
	s->phase = KVF_PHASE_LOOKING;
	s->puts = 0;
	kvf_err_clear(&s->failed);
	return KVF_OK;
}

enum kvf_status kvf_store_abort(struct kvf_store *s, uint64_t seen_epoch,
				const struct kvf_ledger_row *row, struct kvf_err *err)
{
	enum kvf_status st = begin(s, "abort", err);

	KVF_FAILPOINT(st, err, "abort.before");
	if (!st)
		st = s->ops->abort(s, seen_epoch, row, err);
	KVF_FAILPOINT(st, err, "abort.after");
	return st;
}

enum kvf_status kvf_store_marks(struct kvf_store *s, uint64_t n, uint64_t i,
				struct kvf_chunk_info *info, struct kvf_bytes *marks,
				struct kvf_err *err)
{
	return s->ops->marks(s, n, i, info, marks, err);
}

enum kvf_status kvf_store_rollback(struct kvf_store *s, uint64_t seen_epoch,
				   const struct kvf_totals *live,
				   const struct kvf_ledger_row *row, struct kvf_err *err)
{
	enum kvf_status st = begin(s, "rollback", err);

	KVF_FAILPOINT(st, err, "rollback.before");
	if (!st)
		st = s->ops->rollback(s, seen_epoch, live, row, err);
	KVF_FAILPOINT(st, err, "rollback.after");
	return st;
}

enum kvf_status kvf_store_sweep(struct kvf_store *s, struct kvf_err *err)
{
	enum kvf_status st = begin(s, "sweep", err);

	KVF_FAILPOINT(st, err, "sweep.before");
	if (!st)
		st = s->ops->sweep(s, err);
	KVF_FAILPOINT(st, err, "sweep.after");
	return st;
}

enum kvf_status kvf_store_leftovers(struct kvf_store *s, struct kvf_leftovers *l,
				    struct kvf_err *err)
{
	*l = (struct kvf_leftovers){ 0 };
	return s->ops->leftovers(s, l, err);
}

enum kvf_status kvf_store_cleanup(struct kvf_store *s, uint64_t seen_epoch,
				  const struct kvf_ledger_row *row, struct kvf_err *err)
{
	enum kvf_status st = begin(s, "cleanup", err);

	KVF_FAILPOINT(st, err, "cleanup.before");
	if (!st)
		st = s->ops->cleanup(s, seen_epoch, row, err);
	KVF_FAILPOINT(st, err, "cleanup.after");
	return st;
}

enum kvf_status kvf_store_legacy(struct kvf_store *s, uint64_t seen_epoch, enum kvf_legacy to,
				 const struct kvf_ledger_row *row, struct kvf_err *err)
{
	enum kvf_status st = begin(s, "legacy", err);

	KVF_FAILPOINT(st, err, "legacy.before");
	if (!st)
		st = s->ops->legacy(s, seen_epoch, to, row, err);
	KVF_FAILPOINT(st, err, "legacy.after");
	return st;
}

/* ---- messages that drivers share -------------------------------------------- */

enum kvf_status kvf_store_no_way_back(const struct kvf_control *c, struct kvf_err *err)
{
	enum kvf_status st = kvf_fail(err, KVF_EPREFLIGHT, "there is nothing to roll back to");

	kvf_err_detail(err, "Nothing was changed: %s.",
		       c->legacy != KVF_LEGACY_KEPT ? "the legacy tables have been dropped"
		       : c->state != KVF_RUN_LIVE   ? "nothing that kvferry published is live"
						    : "no previous generation is kept");
	return st;
}

enum kvf_status kvf_store_written(const struct kvf_totals *seen, const struct kvf_totals *now,
				  struct kvf_err *err)
{
	enum kvf_status st =
		kvf_fail(err, KVF_EPREFLIGHT, "the store was written while this was decided");

	kvf_err_detail(err, "It had %llu entries, and has %llu now%s. Nothing was changed.",
		       (unsigned long long)seen->entries, (unsigned long long)now->entries,
		       seen->entries == now->entries ? ", of which some are others" : "");
	kvf_err_hint(err, "Stop the application, and give the command again.");
	return st;
}
