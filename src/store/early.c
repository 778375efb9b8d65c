/*
 * early - the live table before anything is live: what its drivers share.
 *
 * An application that is started too early, or has lost sight of its legacy tables, must not
 * take the store for a new one and set itself up in it.  So the acquire of a first upgrade
 * makes the live table with one row, the application's own version record, which says that
 * the migration is not done; the commit puts the data in its place.  Nobody else has any
 * business in that table: what is found there beside the record is never published over,
 * nor thrown away.
 */
#include "store/driver.h"

#include <stdio.h>
#include <string.h>

struct kvf_early_record kvf_early_of_claim(const struct kvf_claim *claim, enum kvf_early kind)
{
	struct kvf_early_record r = {
		claim->version_part, claim->version_key, claim->version_started,
		claim->app,          claim->tool,        kind
	};

	if (!r.key.len)
		r.value.len = 0; /* there is no such record */
	return r;
}

struct kvf_early_record kvf_early_of_generation(const struct kvf_generation *g,
						enum kvf_early kind)
{
	struct kvf_early_record r = { { g->version_part, g->version_part_len },
				      { g->version_key, g->version_key_len },
				      { g->version_started, g->version_started_len },
				      g->app,
				      g->tool,
				      kind };

	return r;
}

enum kvf_early kvf_early_after(const struct kvf_control *c, const struct kvf_generation *g)
{
	if (!c->prev_legacy || !g->version_key_len || !g->version_started_len)
		return KVF_EARLY_NONE;
	return c->prev_legacy == KVF_PREV_EMPTY ? KVF_EARLY_RECORD : KVF_EARLY_TABLE;
}

static int equal(struct kvf_bytes a, const uint8_t *b, size_t len)
{
	return a.len == len && (!len || memcmp(a.ptr, b, len) == 0);
}

int kvf_early_is(const struct kvf_early_record *r, const struct kvf_generation *g)
{
	return equal(r->part, g->version_part, g->version_part_len) &&
	       equal(r->key, g->version_key, g->version_key_len) &&
	       equal(r->value, g->version_started, g->version_started_len);
}

/* ---- what others have written ------------------------------------------------- */

void kvf_early_name(struct kvf_early_look *l, struct kvf_bytes part, struct kvf_bytes key)
{
	char p[100], k[180];

	snprintf(l->first, sizeof(l->first), "%s %s", kvf_bytes_print(part, p, sizeof(p)),
		 kvf_bytes_print(key, k, sizeof(k)));
}

void kvf_early_describe(const struct kvf_early_look *l, const struct kvf_generation *g,
			const char *table, char *buf, size_t size)
{
	const struct kvf_bytes started = { g->version_started, g->version_started_len };
	char was[100];

	buf[0] = '\0';
	if (l->others)
		snprintf(buf, size,
			 "table %.140s holds %llu %s that kvferry did not write, the first at "
			 "%s",
			 table, (unsigned long long)l->others, l->others == 1 ? "row" : "rows",
			 l->first);
	else if (l->has_record && !l->same)
		snprintf(buf, size,
			 "the version record in table %.140s says %s, and kvferry wrote %s",
			 table, l->value, kvf_bytes_print(started, was, sizeof(was)));
}

enum kvf_status kvf_early_refuse(const char *what, const char *kept, struct kvf_err *err)
{
	kvf_fail(err, KVF_EPREFLIGHT,
		 "somebody has written to the store before anything was published in it");
	kvf_err_detail(err, "%s. %s", what, kept);
	kvf_err_hint(
		err,
		"A program has taken the store for its own: stop it. 'kvferry backup' saves "
		"its rows; delete all rows of the table, and run the same command again.");
	return KVF_EPREFLIGHT;
}

enum kvf_status kvf_early_unknown(const char *place, const char *table, struct kvf_err *err)
{
	kvf_fail(err, KVF_EPREFLIGHT, "%s: table %s was filled by another program", place,
		 table);
	kvf_err_detail(err,
		       "Nothing that kvferry knows of is live there. Nothing was changed.");
	kvf_err_hint(err,
		     "Stop that program; give its table another name (ALTER TABLE ... RENAME "
		     "TO ...), and run the same command again.");
	return KVF_EPREFLIGHT;
}
