/* checks - the questions that definitions ask of a source before it is read. */
#include "migrate/run.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum kvf_status add_row(struct kvf_report *r, struct kvf_report_check **out,
			       struct kvf_err *err)
{
	struct kvf_report_check *list;

	/* Checks are few: a longer list each time is the simple way. */
	list = kvf_report_alloc(r, (r->nchecks + 1) * sizeof(*list));
	if (!list)
		return kvf_fail_nomem(err);
	if (r->nchecks)
		memcpy(list, r->checks, r->nchecks * sizeof(*list));
	r->checks = list;
	*out = &list[r->nchecks];
	return KVF_OK;
}

/* The first column names what was found. */
static enum kvf_status keep_sample(struct kvf_report *r, struct kvf_report_check *c,
				   const struct kvf_row *row, struct kvf_err *err)
{
	char text[256] = "";

	if (row->ncells)
		kvf_cell_print(&row->cells[0], text, sizeof(text));
	kvf_text_clean(text, 0);
	c->samples[c->nsamples] = kvf_report_text(r, "%s", text);
	return c->samples[c->nsamples++] ? KVF_OK : kvf_fail_nomem(err);
}

static enum kvf_status ask(const struct kvf_bound *b, const struct kvf_env *env,
			   const struct kvf_check *check, struct kvf_report *r,
			   struct kvf_report_check *c, struct kvf_err *err)
{
	const struct kvf_record record = { .name = check->code, .query = check->query };
	const struct kvf_table *shape;
	struct kvf_rows *rows = NULL;
	const struct kvf_row *row;
	unsigned parts = 1;
	enum kvf_status st;

	st = kvf_source_describe(b->source, &record, &shape, err);
	if (!st)
		st = kvf_source_plan(b->source, &record, &parts, err);
	if (!st)
		st = kvf_rows_open(b->source, &record, 0, &rows, err);
	while (!st && !(st = kvf_rows_next(rows, &row, err))) {
		c->count++;
		if (c->nsamples < KVF_CHECK_SAMPLES)
			st = keep_sample(r, c, row, err);
		if (!st && c->count % 1024 == 0)
			st = kvf_check_stop(env, err);
	}
	kvf_rows_close(rows);
	return st == KVF_EOF ? KVF_OK : st;
}

static enum kvf_status refuse(const struct kvf_report_check *c, struct kvf_err *err)
{
	char list[sizeof(err->detail)] = "";
	size_t at = 0, i;

	for (i = 0; i < c->nsamples && at + 64 < sizeof(list); i++) {
		int n = snprintf(list + at, sizeof(list) - at, "%s%s", i ? ", " : "",
				 c->samples[i]);

		at += n > 0 ? (size_t)n : 0;
	}
	kvf_fail(err, KVF_EPREFLIGHT, "%s: %" PRIu64 " (%s)", c->text, c->count, c->code);
	kvf_err_detail(err, "%s%s. Nothing was changed.", list, c->count > i ? ", ..." : "");
	if (c->hint)
		kvf_err_hint(err, "%s", c->hint);
	return KVF_EPREFLIGHT;
}

static enum kvf_status ask_all(const struct kvf_bound *b, const struct kvf_env *env,
			       const char *package, const struct kvf_check *checks, size_t n,
			       struct kvf_report *r, struct kvf_err *err)
{
	struct kvf_report_check *c = NULL;
	enum kvf_status st = KVF_OK;
	size_t i;

	for (i = 0; !st && i < n; i++) {
		st = add_row(r, &c, err);
		if (st)
			return st;
		c->error = checks[i].error;
		c->package = kvf_report_text(r, "%s", package);
		c->code = kvf_report_text(r, "%s", checks[i].code);
		c->text = kvf_report_text(r, "%s", checks[i].text);
		c->hint = checks[i].hint ? kvf_report_text(r, "%s", checks[i].hint) : NULL;
		if (!c->package || !c->code || !c->text || (checks[i].hint && !c->hint))
			return kvf_fail_nomem(err);
		st = ask(b, env, &checks[i], r, c, err);
		if (st == KVF_EDEFINITION)
			kvf_err_detail(err, "asked by the check '%s'", checks[i].code);
		if (!st && c->count && c->error)
			st = refuse(c, err);
		if (!st && c->count) /* what was not found is not told */
			r->nchecks++;
		else
			memset(c, 0, sizeof(*c));
	}
	return st;
}

enum kvf_status kvf_checks_first(const struct kvf_bound *b, struct kvf_err *err)
{
	const struct kvf_application *app = b->app;
	struct kvf_report r; /* for what is found, which ends up in the error */
	enum kvf_status st;
	size_t i;

	st = kvf_report_init(&r, err);
	for (i = 0; !st && i < app->nchecks; i++)
		if (app->checks[i].error)
			st = ask_all(b, NULL, "", &app->checks[i], 1, &r, err);
	kvf_report_free(&r);
	return st;
}

enum kvf_status kvf_checks_run(const struct kvf_bound *b, const struct kvf_env *env,
			       struct kvf_report *r, struct kvf_err *err)
{
	const struct kvf_application *app = b->app;
	enum kvf_status st = KVF_OK;
	size_t i;

	for (i = 0; !st && i < app->nchecks; i++)
		if (!app->checks[i].error)
			st = ask_all(b, env, "", &app->checks[i], 1, r, err);
	for (i = 0; !st && i < b->nselected; i++) {
		const struct kvf_package *p = app->packages[b->selected[i]];

		st = ask_all(b, env, p->name, p->checks, p->nchecks, r, err);
	}
	return st ? kvf_bound_may_read(b, st, err) : st;
}
