/*
 * source - the wrappers around the drivers, and the table of drivers.
 *
 * What every driver would have to check is checked here, once.
 */
#include "source/driver.h"

#include "base/text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The drivers, by the scheme of their places. */
static const struct {
	const char *scheme;
	const char *example;
	enum kvf_status (*open)(const char *rest, const struct kvf_env *env,
				struct kvf_source **out, struct kvf_err *err);
	const struct kvf_freezer *freezer;
} schemes[] = {
	{ "sqlite", "sqlite:shop.db", kvf_source_sqlite_open, &kvf_sqlite_freezer },
	{ "postgresql", "postgresql://host/shop", kvf_source_postgres_open,
	  &kvf_postgres_freezer },
	{ "cockroachdb", "cockroachdb://host/shop", kvf_source_cockroach_open,
	  &kvf_cockroach_freezer },
};

#define NSCHEMES (sizeof(schemes) / sizeof(schemes[0]))

/* The part of `place` behind "SCHEME:", or NULL.  What libpq understands is left
 * to it, whole. */
static const char *behind_scheme(const char *place, const char *scheme)
{
	size_t n = strlen(scheme);

	if (strcmp(scheme, "postgresql") == 0)
		return strncmp(place, "postgresql:", 11) == 0 ||
				       strncmp(place, "postgres:", 9) == 0 ||
				       kvf_is_conninfo(place)
			       ? place
			       : NULL;
	if (strncmp(place, scheme, n) != 0 || place[n] != ':')
		return NULL;
	return strcmp(scheme, "cockroachdb") == 0 ? place : place + n + 1;
}

void kvf_source_init(struct kvf_source *s, const struct kvf_source_driver *driver,
		     const struct kvf_env *env)
{
	static const struct kvf_env none;

	s->driver = driver;
	s->env = env ? env : &none;
	s->wanted = NULL;
	s->nwanted = 0;
}

void kvf_source_log(const struct kvf_source *s, enum kvf_log_level level, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (!s->env->log)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	s->env->log(s->env->ctx, level, text);
}

int kvf_source_stopped(const struct kvf_source *s)
{
	return s->env->stopped && s->env->stopped(s->env->ctx);
}

enum kvf_status kvf_source_unknown_table(const char *name, const char *const *names, size_t n,
					 struct kvf_err *err)
{
	char text[256];
	const char *near = kvf_did_you_mean(name, names, n);

	kvf_fail(err, KVF_EDEFINITION, "the source has no table or view named \"%s\"",
		 kvf_bytes_print(kvf_bytes_str(name), text, sizeof(text)));
	if (near)
		kvf_err_hint(err, "Did you mean \"%s\"?",
			     kvf_bytes_print(kvf_bytes_str(near), text, sizeof(text)));
	return KVF_EDEFINITION;
}

/* The index of the driver that knows the place, or NSCHEMES; `rest` is what it gets. */
static size_t find_scheme(const char *place, const char **rest)
{
	size_t i;

	for (i = 0; i < NSCHEMES; i++) {
		*rest = behind_scheme(place, schemes[i].scheme);
		if (*rest)
			break;
	}
	return i;
}

static enum kvf_status no_such_place(const char *place, struct kvf_err *err)
{
	if (!strpbrk(place, ":=@")) {
		kvf_fail(err, KVF_EUSAGE, "'%s' names no source of tables", place);
		kvf_err_hint(err, "For an SQLite file, write sqlite:%s", place);
		return KVF_EUSAGE;
	}
	/* The place may be a connection string with a password: not repeated. */
	kvf_fail(err, KVF_EUSAGE, "no source of tables is known for this kind of place");
	kvf_err_hint(err, "Name it with its kind, as in %s or %s.", schemes[0].example,
		     schemes[1].example);
	return KVF_EUSAGE;
}

enum kvf_status kvf_source_open(const char *place, const struct kvf_env *env,
				struct kvf_source **out, struct kvf_err *err)
{
	const char *rest;
	size_t i = find_scheme(place, &rest);

	*out = NULL;
	return i < NSCHEMES ? schemes[i].open(rest, env, out, err) : no_such_place(place, err);
}

enum kvf_status kvf_source_schemas(struct kvf_source *s, const char *const *patterns, size_t n,
				   struct kvf_err *err)
{
	if (!s->driver->schemas)
		return kvf_fail(err, KVF_EUSAGE,
				"this source has no schemas to choose from: %s",
				s->driver->identity(s));
	return s->driver->schemas(s, patterns, n, err);
}

void kvf_source_wanted(struct kvf_source *s, const char *const *patterns, size_t n)
{
	s->wanted = patterns;
	s->nwanted = n;
}

enum kvf_log_level kvf_source_left_out(const struct kvf_source *s, const char *name)
{
	size_t i;

	for (i = 0; i < s->nwanted && !kvf_glob(s->wanted[i], name); i++)
		;
	return s->nwanted && i == s->nwanted ? KVF_LOG_INFO : KVF_LOG_WARN;
}

enum kvf_status kvf_source_tables(struct kvf_source *s, const struct kvf_table **tables,
				  size_t *n, struct kvf_err *err)
{
	*tables = NULL;
	*n = 0;
	return s->driver->tables(s, tables, n, err);
}

/* A record comes from a definition or from a C program: it may be wrong. */
static enum kvf_status check_record(const struct kvf_record *record, struct kvf_err *err)
{
	if (!record->table == !record->query)
		return kvf_fail(err, KVF_EDEFINITION,
				"record %s needs a table or a query, and not both",
				record->name ? record->name : "");
	if (record->query && record->where)
		return kvf_fail(err, KVF_EDEFINITION,
				"record %s has a query: its condition belongs in there",
				record->name ? record->name : "");
	return KVF_OK;
}

enum kvf_status kvf_source_describe(struct kvf_source *s, const struct kvf_record *record,
				    const struct kvf_table **shape, struct kvf_err *err)
{
	enum kvf_status st = check_record(record, err);

	*shape = NULL;
	return st ? st : s->driver->describe(s, record, shape, err);
}

enum kvf_status kvf_source_count(struct kvf_source *s, const struct kvf_record *record,
				 uint64_t *rows, struct kvf_err *err)
{
	enum kvf_status st = check_record(record, err);

	*rows = 0;
	return st ? st : s->driver->count(s, record, rows, err);
}

enum kvf_status kvf_source_scalar(struct kvf_source *s, const char *sql, char *buf, size_t size,
				  struct kvf_err *err)
{
	assert(size > 0);
	buf[0] = '\0';
	return s->driver->scalar(s, sql, buf, size, err);
}

enum kvf_status kvf_source_may_read(struct kvf_source *s,
				    const struct kvf_record *const *records, size_t n,
				    int exact, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	size_t i;

	for (i = 0; i < n && !st; i++)
		st = check_record(records[i], err);
	return st || !s->driver->may_read ? st : s->driver->may_read(s, records, n, exact, err);
}

enum kvf_status kvf_source_plan(struct kvf_source *s, const struct kvf_record *record,
				unsigned *parts, struct kvf_err *err)
{
	enum kvf_status st = check_record(record, err);

	if (*parts == 0)
		*parts = 1;
	return st ? st : s->driver->plan(s, record, parts, err);
}

enum kvf_status kvf_source_plan_small(struct kvf_source *s, const struct kvf_record *record,
				      unsigned *at_once, unsigned *parts, struct kvf_err *err)
{
	enum kvf_status st;

	if (*at_once == 0)
		*at_once = 1;
	if (s->driver->plan_small) {
		st = check_record(record, err);
		return st ? st : s->driver->plan_small(s, record, at_once, parts, err);
	}
	*parts = *at_once;
	st = kvf_source_plan(s, record, parts, err);
	*at_once = *parts;
	return st;
}

enum kvf_status kvf_rows_open(struct kvf_source *s, const struct kvf_record *record,
			      unsigned part, struct kvf_rows **out, struct kvf_err *err)
{
	enum kvf_status st = check_record(record, err);

	*out = NULL;
	if (!st)
		st = s->driver->rows_open(s, record, part, out, err);
	if (st)
		return st;
	(*out)->source = s;
	(*out)->row.ordinal = 0;
	(*out)->st = KVF_OK;
	kvf_err_clear(&(*out)->err);
	return KVF_OK;
}

enum kvf_status kvf_rows_next(struct kvf_rows *rows, const struct kvf_row **row,
			      struct kvf_err *err)
{
	if (rows->st == KVF_OK) {
		rows->st = rows->source->driver->rows_next(rows, &rows->err);
		if (rows->st == KVF_OK) {
			rows->row.ordinal++;
			*row = &rows->row;
			return KVF_OK;
		}
	}
	*row = NULL;
	if (rows->st != KVF_EOF && err)
		*err = rows->err;
	return rows->st;
}

void kvf_rows_close(struct kvf_rows *rows)
{
	if (rows)
		rows->source->driver->rows_close(rows);
}

enum kvf_status kvf_source_changed(struct kvf_source *s, int *changed, struct kvf_err *err)
{
	*changed = 1;
	return s->driver->changed(s, changed, err);
}

enum kvf_status kvf_source_hold(struct kvf_source *s, int *held, struct kvf_err *err)
{
	*held = 0;
	return s->driver->hold ? s->driver->hold(s, held, err) : KVF_OK;
}

int kvf_source_is_held(struct kvf_source *s)
{
	return s->driver->is_held && s->driver->is_held(s);
}

/* ---- freeze ---------------------------------------------------------------------- */

void kvf_writers_add(struct kvf_writers *w, unsigned n, const char *fmt, ...)
{
	size_t at = strlen(w->named);
	va_list ap;

	w->n += n;
	if (at + 4 < sizeof(w->named) && at) {
		memcpy(w->named + at, ", ", 3);
		at += 2;
	}
	va_start(ap, fmt);
	vsnprintf(w->named + at, sizeof(w->named) - at, fmt, ap);
	va_end(ap);
	kvf_text_clean(w->named, 0);
}

enum kvf_status kvf_freeze_for(const struct kvf_freeze *f,
			       const struct kvf_freeze_request *request, struct kvf_err *err)
{
	if (strcmp(f->store, request->store) == 0)
		return KVF_OK;
	kvf_fail(err, KVF_EPREFLIGHT, "the source is frozen for another store, by run %s",
		 f->run);
	kvf_err_detail(err, "Its data move to %s. Nothing was changed.", f->store);
	kvf_err_hint(err,
		     "'kvferry status' of that store says where this stands; 'kvferry abort' "
		     "or 'kvferry rollback' of it lifts the freeze.");
	return KVF_EPREFLIGHT;
}

void kvf_freeze_text(const struct kvf_freeze_request *request, char *buf, size_t size)
{
	snprintf(buf, size,
		 "kvferry run %s has frozen this table: its data move to %s. 'kvferry status' "
		 "of that store says where this stands; 'kvferry abort' and 'kvferry rollback' "
		 "lift the freeze",
		 request->run, request->store);
	kvf_text_clean(buf, 0);
}

enum kvf_status kvf_source_writers(const char *place, const struct kvf_env *env,
				   struct kvf_writers *w, struct kvf_err *err)
{
	const char *rest;
	size_t i = find_scheme(place, &rest);

	memset(w, 0, sizeof(*w));
	return i < NSCHEMES ? schemes[i].freezer->writers(rest, env, w, err)
			    : no_such_place(place, err);
}

enum kvf_status kvf_source_frozen(struct kvf_source *s, struct kvf_freeze *f,
				  struct kvf_err *err)
{
	memset(f, 0, sizeof(*f));
	if (!s->driver->frozen)
		return kvf_fail(err, KVF_ENOTFOUND, "nothing is frozen here");
	return s->driver->frozen(s, f, err);
}

enum kvf_status kvf_freeze_set(const char *place, const struct kvf_env *env,
			       const struct kvf_freeze_request *request, struct kvf_freeze *f,
			       struct kvf_err *err)
{
	const char *rest;
	size_t i = find_scheme(place, &rest);
	struct kvf_freeze_request q = *request;

	assert(q.run && q.host && q.who && q.store);
	if (!q.stamp)
		q.stamp = q.run;
	if (!q.over)
		q.over = "";
	memset(f, 0, sizeof(*f));
	return i < NSCHEMES ? schemes[i].freezer->set(rest, env, &q, f, err)
			    : no_such_place(place, err);
}

enum kvf_status kvf_freeze_look(const char *place, const struct kvf_env *env,
				struct kvf_freeze *f, struct kvf_err *err)
{
	struct kvf_source *s;
	enum kvf_status st;

	memset(f, 0, sizeof(*f));
	st = kvf_source_open(place, env, &s, err);
	if (st)
		return st;
	st = kvf_source_frozen(s, f, err);
	kvf_source_close(s);
	return st;
}

enum kvf_status kvf_freeze_is(const struct kvf_freeze *f, const char *stamp,
			      struct kvf_err *err)
{
	if (strcmp(f->stamp, stamp) == 0)
		return KVF_OK;
	return kvf_fail(err, KVF_EBUSY, "the source is frozen by run %s now", f->run);
}

enum kvf_status kvf_freeze_lift(const char *place, const struct kvf_env *env, const char *stamp,
				struct kvf_freeze *f, struct kvf_err *err)
{
	const char *rest;
	size_t i = find_scheme(place, &rest);

	assert(stamp);
	memset(f, 0, sizeof(*f));
	return i < NSCHEMES ? schemes[i].freezer->lift(rest, env, stamp, f, err)
			    : no_such_place(place, err);
}

enum kvf_status kvf_legacy_present(const char *place, const struct kvf_env *env,
				   const struct kvf_drop *list, size_t n, int *there,
				   struct kvf_err *err)
{
	const char *rest;
	size_t i = find_scheme(place, &rest);

	return i < NSCHEMES ? schemes[i].freezer->present(rest, env, list, n, there, err)
			    : no_such_place(place, err);
}

enum kvf_status kvf_legacy_drop(const char *place, const struct kvf_env *env,
				const struct kvf_drop *list, size_t n, struct kvf_err *err)
{
	const char *rest;
	size_t i = find_scheme(place, &rest);

	assert(n > 0);
	return i < NSCHEMES ? schemes[i].freezer->drop(rest, env, list, n, err)
			    : no_such_place(place, err);
}

const char *kvf_source_identity(const struct kvf_source *s)
{
	return s->driver->identity(s);
}

const char *kvf_source_place(const struct kvf_source *s)
{
	return s->place;
}

int kvf_source_is_place(const struct kvf_source *s, const char *place)
{
	const char *rest;
	size_t i = find_scheme(place, &rest);

	return i < NSCHEMES && s->driver->is_place(s, schemes[i].scheme, rest);
}

void kvf_source_close(struct kvf_source *s)
{
	if (s)
		s->driver->close(s);
}
