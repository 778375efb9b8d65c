/*
 * cockroach_open - the table of the driver: what is shared with PostgreSQL's store
 * and what is not.
 *
 * What only reads is shared, and asked again when the connection is lost.
 */
#include "store/cockroach.h"

/* Give a call again that changes nothing, or nothing more. */
#define AGAIN(call)                                                                            \
	do {                                                                                   \
		struct kvf_pgs *s = (struct kvf_pgs *)base;                                    \
		struct kvf_pg_tries t = { 0 };                                                 \
		struct kvf_err local = { 0 };                                                  \
		enum kvf_status st;                                                            \
                                                                                               \
		err = err ? err : &local;                                                      \
		do                                                                             \
			st = (call);                                                           \
		while (st == KVF_ETARGET && kvf_roach_again(s, &t, err));                      \
		if (!st && t.n)                                                                \
			kvf_err_clear(err);                                                    \
		return st;                                                                     \
	} while (0)

static enum kvf_status inspect(struct kvf_store *base, struct kvf_store_facts *f,
			       struct kvf_err *err)
{
	AGAIN(kvf_roach_inspect(base, f, err));
}

static enum kvf_status control(struct kvf_store *base, struct kvf_control *c,
			       struct kvf_err *err)
{
	AGAIN(kvf_pgs_control(base, c, err));
}

static enum kvf_status generation(struct kvf_store *base, enum kvf_scan which,
				  struct kvf_generation *g, struct kvf_err *err)
{
	AGAIN(kvf_pgs_generation(base, which, g, err));
}

static enum kvf_status get(struct kvf_store *base, struct kvf_bytes part, struct kvf_bytes key,
			   struct kvf_bytes *value, struct kvf_err *err)
{
	AGAIN(kvf_pgs_get(base, part, key, value, err));
}

static enum kvf_status unit(struct kvf_store *base, enum kvf_scan which, const char *name,
			    uint64_t n, struct kvf_bytes *bytes, struct kvf_err *err)
{
	AGAIN(kvf_pgs_unit(base, which, name, n, bytes, err));
}

static enum kvf_status progress(struct kvf_store *base, uint64_t n, uint64_t i,
				struct kvf_chunk_info *info, struct kvf_err *err)
{
	AGAIN(kvf_pgs_progress(base, n, i, info, err));
}

static enum kvf_status applied(struct kvf_store *base, uint64_t *chunks,
			       struct kvf_totals *sums, struct kvf_err *err)
{
	AGAIN(kvf_pgs_applied(base, chunks, sums, err));
}

static enum kvf_status totals(struct kvf_store *base, enum kvf_scan which,
			      struct kvf_totals *sum, struct kvf_err *err)
{
	AGAIN(kvf_roach_totals(base, which, sum, err));
}

static enum kvf_status scan(struct kvf_store *base, enum kvf_scan which,
			    const struct kvf_entry *from, struct kvf_cursor **out,
			    struct kvf_err *err)
{
	AGAIN(kvf_roach_scan(base, which, from, out, err));
}

static enum kvf_status ledger_next(struct kvf_store *base, int64_t after,
				   struct kvf_ledger_row *row, struct kvf_err *err)
{
	AGAIN(kvf_pgs_ledger_next(base, after, row, err));
}

static enum kvf_status marks(struct kvf_store *base, uint64_t n, uint64_t i,
			     struct kvf_chunk_info *info, struct kvf_bytes *bytes,
			     struct kvf_err *err)
{
	AGAIN(kvf_pgs_marks(base, n, i, info, bytes, err));
}

static enum kvf_status note_frozen(struct kvf_store *base, const char *place,
				   struct kvf_err *err)
{
	AGAIN(kvf_pgs_note_frozen(base, place, err));
}

const struct kvf_store_ops kvf_roach_ops = {
	.close = kvf_pgs_close,
	.inspect = inspect,
	.control = control,
	.generation = generation,
	.scan = scan,
	.cursor_next = kvf_roach_cursor_next,
	.cursor_close = kvf_roach_cursor_close,
	.totals = totals,
	.get = get,
	.unit = unit,
	.acquire = kvf_roach_acquire,
	.beat = kvf_roach_beat,
	.stage = kvf_roach_stage,
	.put = kvf_roach_put,
	.chunk = kvf_roach_chunk,
	.keep_unit = kvf_roach_keep_unit,
	.flush = kvf_roach_flush,
	.progress = progress,
	.applied = applied,
	.merge_stats = kvf_pgs_merge_stats,
	.seal = kvf_roach_seal,
	.commit = kvf_roach_commit,
	.gc = kvf_roach_gc,
	.note_frozen = note_frozen,
	.note_failure = kvf_pgs_note_failure,
	.ledger_append = kvf_roach_ledger_append,
	.ledger_next = ledger_next,
	.abort = kvf_roach_abort,
	.marks = marks,
	.rollback = kvf_roach_rollback,
	.sweep = kvf_roach_sweep,
	.leftovers = kvf_roach_leftovers,
	.cleanup = kvf_roach_cleanup,
	.legacy = kvf_roach_legacy,
};
