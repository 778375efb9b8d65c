/* shared - what drivers share: names, comparisons, messages about other runs. */
#include "store/driver.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const state_names[] = { "IDLE", "STAGING", "SEALED", "LIVE" };

const char *kvf_run_state_name(enum kvf_run_state st)
{
	return state_names[st];
}

int kvf_run_state_parse(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(state_names) / sizeof(state_names[0]); i++)
		if (name && strcmp(name, state_names[i]) == 0)
			return (int)i;
	return -1;
}

int kvf_store_gives_up(const struct kvf_control *c)
{
	return c->state == KVF_RUN_STAGING || c->state == KVF_RUN_SEALED || *c->frozen ||
	       c->early;
}

enum kvf_outside kvf_outside_state(const struct kvf_control *c, int frozen, int legacy_dropped)
{
	if (c && (c->state == KVF_RUN_STAGING || c->state == KVF_RUN_SEALED))
		return KVF_OUTSIDE_STAGED;
	if (c && c->state == KVF_RUN_LIVE)
		return legacy_dropped ? KVF_OUTSIDE_DONE : KVF_OUTSIDE_NEW;
	return frozen ? KVF_OUTSIDE_FROZEN : KVF_OUTSIDE_OLD;
}

const char *kvf_outside_name(enum kvf_outside o)
{
	static const char *const names[] = { "OLD", "FROZEN", "STAGED", "NEW", "DONE" };

	return names[o];
}

int kvf_is_record(struct kvf_bytes part, struct kvf_bytes key, struct kvf_bytes vpart,
		  struct kvf_bytes vkey)
{
	return key.len == vkey.len && vkey.len && part.len == vpart.len &&
	       memcmp(key.ptr, vkey.ptr, key.len) == 0 &&
	       (part.len == 0 || memcmp(part.ptr, vpart.ptr, part.len) == 0);
}

uint64_t kvf_control_gen(const struct kvf_control *c, enum kvf_scan which)
{
	switch (which) {
	case KVF_SCAN_LIVE: return c->active;
	case KVF_SCAN_STAGE: return c->stage;
	case KVF_SCAN_PREVIOUS: return c->prev;
	}
	return 0;
}

void kvf_control_of(struct kvf_control *c, const struct kvf_generation *g)
{
	memcpy(c->app, g->app, sizeof(c->app));
	memcpy(c->stream, g->stream, sizeof(c->stream));
	memcpy(c->root, g->root, sizeof(c->root));
	c->has_root = g->has_root;
	c->totals = g->totals;
	memcpy(c->version_part, g->version_part, sizeof(c->version_part));
	memcpy(c->version_key, g->version_key, sizeof(c->version_key));
	c->version_part_len = g->version_part_len;
	c->version_key_len = g->version_key_len;
	c->exact_packages = g->exact_packages;
}

static int same_bytes(struct kvf_bytes a, const uint8_t *b, size_t len)
{
	return a.len == len && (len == 0 || memcmp(a.ptr, b, len) == 0);
}

int kvf_claim_continues(const struct kvf_claim *claim, const struct kvf_generation *g)
{
	return memcmp(claim->stream, g->stream, sizeof(g->stream)) == 0 &&
	       strcmp(claim->app, g->app) == 0 &&
	       strcmp(claim->mode ? claim->mode : "", g->mode) == 0 &&
	       same_bytes(claim->version_part, g->version_part, g->version_part_len) &&
	       same_bytes(claim->version_key, g->version_key, g->version_key_len) &&
	       (!claim->has_root || !g->has_promised ||
		memcmp(claim->root, g->promised, sizeof(g->promised)) == 0);
}

/* ---- messages that drivers share -------------------------------------------- */

/* Microseconds since 1970 as 2026-11-20T09:41:00Z. */
static void print_time(int64_t us, char buf[32])
{
	time_t t = (time_t)(us / 1000000);
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		buf[0] = '\0';
}

static enum kvf_status busy(const char *verb, const struct kvf_control *c, struct kvf_err *err)
{
	enum kvf_status st;
	char since[32];

	if (!*c->run) { /* it came and went since this run looked */
		st = kvf_fail(err, KVF_EBUSY, "%s a run that is over already", verb);
		kvf_err_detail(err,
			       "This run changed nothing more; the store is in epoch %llu.",
			       (unsigned long long)c->epoch);
		kvf_err_hint(err,
			     "Give the command again: it then looks at what is there now.");
		return st;
	}
	print_time(c->started, since);
	st = kvf_fail(err, KVF_EBUSY, "%s run %s (host %s, process %lld, since %s)", verb,
		      c->run, c->host, (long long)c->pid, since);
	kvf_err_detail(err,
		       "This run changed nothing more; the store belongs to epoch %llu, "
		       "state %s.",
		       (unsigned long long)c->epoch, kvf_run_state_name(c->state));
	kvf_err_hint(err,
		     "See `kvferry status`; give the command again when that run is over.");
	return st;
}

enum kvf_status kvf_store_superseded(const struct kvf_control *c, struct kvf_err *err)
{
	return busy("superseded by", c, err);
}

enum kvf_status kvf_store_held(const struct kvf_control *c, struct kvf_err *err)
{
	return busy("the store was taken by", c, err);
}

enum kvf_status kvf_store_other_format(const char *place, int64_t format, struct kvf_err *err)
{
	kvf_fail(err, KVF_EVERSION, "%s was written by %s kvferry", place,
		 format > KVF_CONTROL_FORMAT ? "a newer" : "an older");
	kvf_err_detail(err,
		       "Its control row has layout %lld, this release knows %d. Nothing was "
		       "changed.",
		       (long long)format, KVF_CONTROL_FORMAT);
	kvf_err_hint(err, "Use that release of kvferry on it.");
	return KVF_EVERSION;
}

enum kvf_status kvf_store_other_table(const char *place, const char *kept, const char *asked,
				      struct kvf_err *err)
{
	kvf_fail(err, KVF_EPREFLIGHT, "%s: the store there is table %s, not %s", place, kept,
		 asked);
	kvf_err_detail(err, "Nothing was changed.");
	kvf_err_hint(err, "Leave the table's name out: the store knows its own.");
	return KVF_EPREFLIGHT;
}

/* "PARTITION KEY", each so that it can be pasted back. */
static void print_entry(const struct kvf_entry *e, char *buf, size_t size)
{
	char part[512], key[512];

	snprintf(buf, size, "%s %s",
		 kvf_bytes_print(e->part, part, size / 3 < 512 ? size / 3 : 512),
		 kvf_bytes_print(e->key, key, size / 2 < 512 ? size / 2 : 512));
}

enum kvf_status kvf_store_duplicate(const struct kvf_entry *entry, int equal,
				    struct kvf_err *err)
{
	enum kvf_status st;
	char name[512];

	print_entry(entry, name, sizeof(name));
	st = kvf_fail(err, KVF_ESTREAM, "a key comes twice, with %s: %s",
		      equal ? "the same value" : "different values", name);
	kvf_err_detail(err,
		       "Two packages of the stream hold it.  The live data are as they were.");
	kvf_err_hint(err, "Two packages must not make the same key: see `kvferry check`.");
	return st;
}

void kvf_merge_count(struct kvf_merge_stats *m, const struct kvf_entry *entry, int equal)
{
	if (equal) {
		kvf_totals_add(&m->same, entry);
		return;
	}
	if (m->nnamed < KVF_CONFLICTS_NAMED)
		print_entry(entry, m->named[m->nnamed++], sizeof(m->named[0]));
	m->conflicts++;
}

enum kvf_status kvf_store_stopped(const struct kvf_store *s, struct kvf_err *err)
{
	if (!s->env || !s->env->stopped || !s->env->stopped(s->env->ctx))
		return KVF_OK;
	return kvf_fail(err, KVF_EINTERRUPTED, "stopped on request");
}
