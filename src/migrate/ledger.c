/* ledger - who did what to a store, when, with what result. */
#include "migrate/ledger.h"

#include "base/hash.h"
#include "base/lines.h"
#include "base/text.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

void kvf_time_text(int64_t us, char *buf, size_t size)
{
	time_t t = (time_t)(us / 1000000);
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(buf, size, "%Y-%m-%d %H:%M:%S UTC", &tm))
		snprintf(buf, size, "unknown");
}

void kvf_run_id(char *buf, size_t size)
{
	time_t t = (time_t)(kvf_now_us() / 1000000);
	uint32_t random = 0;
	char when[32] = "";
	struct tm tm;

	if (gmtime_r(&t, &tm))
		strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		random = (uint32_t)getpid() * 2654435761u ^ (uint32_t)kvf_now_us();
	snprintf(buf, size, "%s-%08" PRIx32, when, random);
}

int64_t kvf_pid_start(pid_t pid)
{
	char path[64], text[1024], *p;
	ssize_t n;
	int fd, field;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	p = strrchr(text, ')'); /* the name may hold anything, also ")" */
	for (field = 2; p && field < 22; field++) {
		p = strchr(p, ' ');
		if (p)
			p++;
	}
	return p ? strtoll(p, NULL, 10) : 0;
}

struct user {
	uid_t uid;
	char *name;
	size_t size;
};

/* "name:password:uid:..." of this user? */
static int is_user(void *ctx, char *line)
{
	const struct user *u = ctx;
	char *colon = strchr(line, ':');
	char *number = colon ? strchr(colon + 1, ':') : NULL, *end;

	if (!number || strtoul(number + 1, &end, 10) != u->uid || end == number + 1 ||
	    *end != ':')
		return 0;
	*colon = '\0';
	snprintf(u->name, u->size, "%.60s", line);
	return 1;
}

/*
 * The user's name by /etc/passwd, or "uid N".  Not by getpwuid_r(): that may
 * load libraries and ask the network, and glibc's follows a null pointer when
 * it finds no memory.
 */
static void user_name(uid_t uid, char *name, size_t size)
{
	struct user u = { uid, name, size };

	snprintf(name, size, "uid %lu", (unsigned long)uid);
	kvf_each_line("/etc/passwd", is_user, &u);
}

void kvf_ledger_who(struct kvf_ledger_line *line)
{
	user_name(geteuid(), line->who, sizeof(line->who));
	if (gethostname(line->host, sizeof(line->host) - 1))
		line->host[0] = '\0';
	line->row.who = line->who;
	line->row.host = line->host;
	line->row.tool = KVF_VERSION;
	line->row.at = kvf_now_us();
}

static json_t *number(uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, v);
	return json_string(text);
}

static json_t *hex(const uint8_t *bytes, size_t n)
{
	char text[65];

	kvf_hex(bytes, n, text);
	return json_string(text);
}

/* JSON can hold no other bytes. */
static int is_text(const char *s)
{
	return s && kvf_utf8_valid(s, strlen(s)) == strlen(s);
}

/* jansson's setters take NULL as a failure, so that one check at the end does. */
static int set(json_t *to, const char *name, json_t *value)
{
	return json_object_set_new(to, name, value);
}

static json_t *package_list(const struct kvf_report *r)
{
	json_t *list = json_array(), *row;
	size_t i;
	int bad = 0;

	for (i = 0; list && i < r->npackages; i++) {
		row = json_object();
		bad |= set(row, "name", json_string(r->packages[i].name));
		bad |= set(row, "rev", number(r->packages[i].rev));
		bad |= set(row, "entries", number(r->packages[i].totals.entries));
		bad |= set(row, "bytes", number(r->packages[i].totals.bytes));
		bad |= set(row, "root", hex(r->packages[i].r, 32));
		bad |= json_array_append_new(list, row);
	}
	if (bad) {
		json_decref(list);
		return NULL;
	}
	return list;
}

static json_t *durations(const struct kvf_report *r)
{
	json_t *o = json_object();
	char text[32];
	size_t i;

	for (i = 0; o && i < r->nsteps; i++) {
		if (r->steps[i].seconds < 0)
			continue;
		snprintf(text, sizeof(text), "%.3f", r->steps[i].seconds);
		if (set(o, r->steps[i].name, json_string(text))) {
			json_decref(o);
			return NULL;
		}
	}
	return o;
}

/* Rows that are missing in what was published, which was accepted. */
static json_t *rejects(const struct kvf_report *r)
{
	json_t *o = json_object();
	int bad = set(o, "digest", hex(r->rejects_digest, 32));

	if (r->rejects) {
		bad |= set(o, "rows", number(r->rejects));
		bad |= set(o, "by_reason", json_string(r->rejects_by_reason));
	}
	bad |= set(o, "accepted", json_boolean(r->rejects_accepted));
	if (!bad)
		return o;
	json_decref(o);
	return NULL;
}

static const char *existing_name(enum kvf_existing e)
{
	switch (e) {
	case KVF_EXISTING_REFUSE: return "refuse";
	case KVF_EXISTING_REPLACE: return "replace";
	case KVF_EXISTING_MERGE: return "merge";
	}
	return "";
}

static json_t *arguments(const struct kvf_head *head)
{
	json_t *o = json_object();
	size_t i;

	for (i = 0; o && i < head->nargs; i++) {
		if (set(o, head->args[i].name, json_string(head->args[i].value))) {
			json_decref(o);
			return NULL;
		}
	}
	return o;
}

/* What to type again, and where. */
static int asked(json_t *doc, const char *command, const char *folder)
{
	int bad = 0;

	if (!is_text(command) || (folder && !is_text(folder)))
		return 0;
	bad |= set(doc, "command", json_string(command));
	if (folder)
		bad |= set(doc, "folder", json_string(folder));
	return bad;
}

/* What was decided before the first write; nonzero without memory. */
static int decisions(json_t *doc, const struct kvf_work *w)
{
	const struct kvf_report *r = w->report;
	const struct kvf_options *o = w->options;
	int bad = !doc;

	if (w->definitions)
		bad |= set(doc, "definitions", hex(w->definitions, 32));
	if (w->head->nargs)
		bad |= set(doc, "arguments", arguments(w->head));
	if (w->expected)
		bad |= set(doc, "expected", hex(w->expected, 32));
	if (r->is_frozen)
		bad |= set(doc, "frozen", json_string(r->frozen.place));
	if (o->allow_live_source)
		bad |= set(doc, "live_source", json_string("allowed"));
	bad |= asked(doc, o->command, o->folder);
	bad |= set(doc, "existing", json_string(existing_name(o->existing)));
	bad |= set(doc, "partial", json_boolean(r->partial));
	bad |= set(doc, "source", json_string(r->source));
	return bad;
}

/* The row's texts, and all that it says beside them.  Takes `doc`, also where it is `bad`. */
static enum kvf_status finish(struct kvf_ledger_line *line, json_t *doc, int bad,
			      struct kvf_err *err)
{
	line->document = bad ? NULL : json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(doc);
	if (!line->document)
		return kvf_fail_nomem(err);
	line->row.document = line->document;
	return KVF_OK;
}

static void work_row(struct kvf_ledger_line *line, const struct kvf_work *w, const char *event)
{
	const struct kvf_report *r = w->report;

	memset(line, 0, sizeof(*line));
	kvf_ledger_who(line);
	line->row.run = r->run;
	line->row.event = event;
	line->row.app = r->app;
	line->row.from = r->from;
	line->row.to = r->partial ? r->live : w->head->schema;
}

enum kvf_status kvf_ledger_begin(struct kvf_ledger_line *line, const struct kvf_work *w,
				 struct kvf_err *err)
{
	json_t *doc = json_object();
	int bad;

	work_row(line, w, "begin");
	bad = decisions(doc, w);
	bad |= set(doc, "head", hex(w->stream, 32));
	if (w->after)
		bad |= set(doc, w->resumes ? "resumes" : "instead_of", json_string(w->after));
	if (w->takeover)
		bad |= set(doc, "takeover", json_string(w->takeover));
	return finish(line, doc, bad, err);
}

enum kvf_status kvf_ledger_publish(struct kvf_ledger_line *line, const struct kvf_work *w,
				   struct kvf_err *err)
{
	const struct kvf_report *r = w->report;
	json_t *doc = json_object();
	int bad;

	work_row(line, w, "publish");
	line->row.outcome = "ok";
	bad = decisions(doc, w);
	bad |= set(doc, "durations", durations(r));
	bad |= set(doc, "entries", number(r->right.entries));
	bad |= set(doc, "bytes", number(r->right.bytes));
	bad |= set(doc, "chunks", number(r->tail.chunks));
	bad |= set(doc, "multiset", hex(r->right.m, 16));
	bad |= set(doc, "packages", package_list(r));
	if (r->has_rejects)
		bad |= set(doc, "rejects", rejects(r));
	bad |= set(doc, "root", hex(r->tail.r, 32));
	bad |= set(doc, "verified", json_boolean(!w->options->no_verify));
	return finish(line, doc, bad, err);
}

enum kvf_status kvf_ledger_event(struct kvf_ledger_line *line, const struct kvf_report *r,
				 const char *event, const char *outcome,
				 const struct kvf_fact *facts, size_t n, struct kvf_err *err)
{
	json_t *doc = json_object();
	int bad = !doc;
	size_t i;

	memset(line, 0, sizeof(*line));
	kvf_ledger_who(line);
	line->row.run = r->run;
	line->row.event = event;
	line->row.outcome = outcome;
	line->row.app = r->app;
	line->row.from = line->row.to = r->live;
	for (i = 0; i < n; i++)
		if (*facts[i].text && is_text(facts[i].text))
			bad |= set(doc, facts[i].name, json_string(facts[i].text));
	return finish(line, doc, bad, err);
}

void kvf_ledger_line_release(struct kvf_ledger_line *line)
{
	free(line->document);
	line->document = NULL;
}

void kvf_ledger_failure(struct kvf_store *store, const struct kvf_report *r, enum kvf_status st,
			const struct kvf_err *why)
{
	struct kvf_ledger_line line;
	struct kvf_err ignored;
	json_t *doc = json_object();
	int bad = !doc;

	memset(&line, 0, sizeof(line));
	kvf_ledger_who(&line);
	line.row.run = r->run;
	line.row.event = "fail";
	line.row.outcome = kvf_status_word(st);
	line.row.app = r->app;
	line.row.from = r->from;
	line.row.to = r->schema;
	bad |= set(doc, "message", json_string(why->message));
	if (st == KVF_EREJECT && r->has_rejects)
		bad |= set(doc, "rejects", rejects(r));
	if (finish(&line, doc, bad, &ignored))
		kvf_err_clear(&ignored);
	if (kvf_store_ledger_append(store, &line.row, &ignored))
		kvf_err_clear(&ignored);
	kvf_ledger_line_release(&line);
}

/* ---- reading ------------------------------------------------------------------------ */

enum kvf_status kvf_ledger_each(struct kvf_store *store, kvf_ledger_fn *fn, void *ctx,
				struct kvf_err *err)
{
	struct kvf_ledger_row row;
	int64_t after = 0;
	enum kvf_status st;

	while (!(st = kvf_store_ledger_next(store, after, &row, err))) {
		after = row.id;
		fn(ctx, &row);
	}
	return st == KVF_EOF ? KVF_OK : st;
}

static int is_event(const struct kvf_ledger_row *row, const char *event)
{
	return row->event && strcmp(row->event, event) == 0;
}

/* Rows that a publication lacks; an empty digest is none. */
struct missing {
	char digest[65];
	uint64_t rows;
};

/* What the rows say together. */
struct reading {
	struct missing live, before; /* ... of what is live, and of what was before it */
	char pending[65];            /* a run waits for this digest to be accepted */
	char *command, *folder;      /* the last that is to be typed again */
	int bad;                     /* out of memory */
};

static void read_missing(json_t *doc, struct missing *m)
{
	json_t *o = json_object_get(doc, "rejects");
	const char *digest = json_string_value(json_object_get(o, "digest"));
	const char *rows = json_string_value(json_object_get(o, "rows"));

	m->rows = rows ? strtoull(rows, NULL, 10) : 0;
	snprintf(m->digest, sizeof(m->digest), "%s", digest ? digest : "");
}

static void keep(struct reading *r, json_t *doc, const char *name, char **to)
{
	const char *text = json_string_value(json_object_get(doc, name));

	free(*to);
	*to = text ? strdup(text) : NULL;
	r->bad |= text && !*to;
}

static void read_row(void *ctx, const struct kvf_ledger_row *row)
{
	static const struct missing none;
	struct reading *r = ctx;
	json_t *doc = row->document ? json_loads(row->document, 0, NULL) : NULL;
	const char *to = json_string_value(json_object_get(doc, "to"));
	struct missing m;

	read_missing(doc, &m);
	if (is_event(row, "publish")) {
		r->before = r->live;
		r->live = m;
	} else if (is_event(row, "rollback")) {
		r->live = to && *to == 'g' ? r->before : none; /* a generation */
		r->before = none;
	}
	if (is_event(row, "fail"))
		memcpy(r->pending, m.digest, sizeof(r->pending));
	else
		r->pending[0] = '\0';
	if (is_event(row, "begin") || json_object_get(doc, "command")) {
		keep(r, doc, "command", &r->command);
		keep(r, doc, "folder", &r->folder);
	}
	json_decref(doc);
}

enum kvf_status kvf_ledger_read(struct kvf_store *store, struct kvf_report *report,
				struct kvf_err *err)
{
	struct reading r = { 0 };
	enum kvf_status st = kvf_ledger_each(store, read_row, &r, err);

	report->has_rejects = report->rejects_accepted = *r.live.digest != '\0';
	report->rejects = r.live.rows;
	snprintf(report->rejects_by_reason, sizeof(report->rejects_by_reason), "%s",
		 r.live.digest);
	memcpy(report->rejects_pending, r.pending, sizeof(report->rejects_pending));
	if (!st && r.command)
		report->command = kvf_report_text(report, "%s", r.command);
	if (!st && r.folder)
		report->folder = kvf_report_text(report, "%s", r.folder);
	if (!st && (r.bad || (r.command && !report->command) || (r.folder && !report->folder)))
		st = kvf_fail_nomem(err);
	free(r.command);
	free(r.folder);
	return st;
}

/* ---- one run -------------------------------------------------------------------- */

struct question {
	const char *run, *event;
	int yes;
};

/* Is a rollback of the run the last that happened to what is live? */
static void ask_rollback(void *ctx, const struct kvf_ledger_row *row)
{
	struct question *q = ctx;
	json_t *doc;
	const char *of;

	if (is_event(row, "publish"))
		q->yes = 0;
	if (!is_event(row, "rollback"))
		return;
	doc = row->document ? json_loads(row->document, 0, NULL) : NULL;
	of = json_string_value(json_object_get(doc, "run"));
	q->yes = of && strcmp(of, q->run) == 0;
	json_decref(doc);
}

enum kvf_status kvf_ledger_rolled_back(struct kvf_store *store, const char *run, int *yes,
				       struct kvf_err *err)
{
	struct question q = { .run = run };
	enum kvf_status st = kvf_ledger_each(store, ask_rollback, &q, err);

	*yes = q.yes;
	return st;
}

static void ask_event(void *ctx, const struct kvf_ledger_row *row)
{
	struct question *q = ctx;

	q->yes |= row->run && strcmp(row->run, q->run) == 0 &&
		  (!q->event || is_event(row, q->event));
}

int kvf_ledger_has(struct kvf_store *store, const char *run, const char *event)
{
	struct question q = { .run = run, .event = event };
	struct kvf_err ignored;

	/* What was read before it failed is true all the same. */
	if (kvf_ledger_each(store, ask_event, &q, &ignored))
		kvf_err_clear(&ignored);
	return q.yes;
}
