/*
 * sqlite_live - were the live data changed while a run was under way?
 *
 * A commit would leave such a change behind in the previous generation.  SQLite
 * counts the commits of other connections (PRAGMA data_version): if the number is
 * that of the acquire, nobody has committed anything.  If it is another one, the
 * live entries are added up and compared with what they came to at the beginning,
 * because somebody may have written something else to the same file.
 */
#include "store/sqlite.h"

#include <inttypes.h>
#include <string.h>

static enum kvf_status data_version(struct kvf_lite *s, int64_t *n, struct kvf_err *err)
{
	return kvf_lite_number(s, s->db, n, err, "PRAGMA data_version");
}

/* Nobody else writes while it is added up: the transaction of the acquire is open,
 * and the connections that read see what was there before it. */
enum kvf_status kvf_lite_live_begin(struct kvf_lite *s, struct kvf_err *err)
{
	int has = 0;
	enum kvf_status st = data_version(s, &s->data_version, err);

	memset(&s->live, 0, sizeof(s->live));
	if (!st)
		st = kvf_lite_has(s, s->db, "table", s->table, &has, err);
	return st || !has ? st : kvf_lite_totals(&s->base, KVF_SCAN_LIVE, &s->live, err);
}

static enum kvf_status refuse(const struct kvf_lite *s, uint64_t now, struct kvf_err *err)
{
	kvf_fail(err, KVF_EPREFLIGHT,
		 "the live data were changed while this run was under way");
	kvf_err_detail(err,
		       "Table \"%s\" of %s held %" PRIu64
		       " entries when it began, and holds %" PRIu64
		       " now, or others. Nothing was published; the live data are as they "
		       "were written.",
		       s->table, s->path, s->live.entries, now);
	kvf_err_hint(err, "Stop the application that writes to the store, and run the same "
			  "command again.");
	return KVF_EPREFLIGHT;
}

enum kvf_status kvf_lite_note_frozen(struct kvf_store *base, const char *place,
				     struct kvf_err *err)
{
	struct kvf_lite *s = (struct kvf_lite *)base;
	enum kvf_status st = KVF_OK;
	int has = 0;

	if (s->db)
		st = kvf_lite_has(s, s->db, "table", "kvferry_control", &has, err);
	if (!st && !has)
		st = kvf_fail(err, KVF_ENOTFOUND, "%s holds nothing of kvferry's", s->path);
	return st ? st
		  : kvf_lite_exec(s, s->db, err,
				  "UPDATE kvferry_control SET frozen = %Q WHERE id = 1", place);
}

/* In the transaction of the commit: what is compared is what gives way. */
enum kvf_status kvf_lite_live_check(struct kvf_lite *s, struct kvf_err *err)
{
	struct kvf_totals live = { 0 };
	int64_t now;
	int has;
	enum kvf_status st = data_version(s, &now, err);

	if (!st && now != s->data_version)
		st = kvf_lite_early_check(
			s, "Nothing was published; the table is as it was written.", err);

	if (st || now == s->data_version)
		return st;
	st = kvf_lite_has(s, s->db, "table", s->table, &has, err);
	if (!st && has)
		st = kvf_lite_totals(&s->base, KVF_SCAN_LIVE, &live, err);
	if (st || kvf_totals_equal(&live, &s->live))
		return st;
	return refuse(s, live.entries, err);
}
