/*
 * sides - the reports that a package writes beside the stream: lines of JSON,
 * one for each row, their digest in the package's end record.
 */
#include "migrate/run.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kvf_sides {
	const struct kvf_export_job *job;
	struct kvf_output **outputs; /* by package of the selection, then side; NULL =
				      nobody wants the lines */
	size_t n;
};

static size_t count(const struct kvf_bound *b, size_t upto)
{
	size_t n = 0, i;

	for (i = 0; i < upto; i++)
		n += b->app->packages[b->selected[i]]->nsides;
	return n;
}

/* *path = DIR/NAME, or STREAM.NAME; NULL when there is no place for it. */
static enum kvf_status path_of(const struct kvf_export_job *job, const char *name, char **path,
			       struct kvf_err *err)
{
	const struct kvf_options *o = job->options;
	const char *stream = o->keep ? o->keep : job->path;
	const char *place = o->sides ? o->sides : stream;
	size_t size;

	*path = NULL;
	if (!place)
		return KVF_OK;
	size = strlen(place) + strlen(name) + 2;
	*path = malloc(size);
	if (!*path)
		return kvf_fail_nomem(err);
	snprintf(*path, size, "%s%s%s", place, o->sides ? "/" : ".", name);
	return KVF_OK;
}

enum kvf_status kvf_sides_open(const struct kvf_export_job *job, struct kvf_sides **out,
			       struct kvf_err *err)
{
	const struct kvf_bound *b = job->bound;
	struct kvf_sides *s = calloc(1, sizeof(*s));
	enum kvf_status st = KVF_OK;
	size_t i, k, at = 0;

	*out = s;
	if (!s)
		return kvf_fail_nomem(err);
	s->job = job;
	s->n = count(b, b->nselected);
	s->outputs = calloc(s->n ? s->n : 1, sizeof(struct kvf_output *));
	if (!s->outputs)
		return kvf_fail_nomem(err);
	for (i = 0; i < b->nselected; i++) {
		const struct kvf_package *p = b->app->packages[b->selected[i]];

		for (k = 0; !st && k < p->nsides; k++, at++) {
			char *path;

			st = path_of(job, p->sides[k].name, &path, err);
			if (path)
				st = kvf_output_file(path, job->options->overwrite,
						     &s->outputs[at], err);
			else if (!st)
				kvf_report_warn(job->report,
						"%s was not written: --sides DIR says where to",
						p->sides[k].name);
			free(path);
		}
	}
	return st;
}

/* ---- one side ------------------------------------------------------------------ */

struct lines {
	struct kvf_output *out;
	struct kvf_sha256 hash;
	uint64_t size;
};

static enum kvf_status put_line(void *ctx, const struct kvf_entry *entry, unsigned flags,
				struct kvf_err *err)
{
	struct lines *l = ctx;
	enum kvf_status st = KVF_OK;

	(void)flags;
	kvf_sha256_update(&l->hash, entry->value.ptr, entry->value.len);
	kvf_sha256_update(&l->hash, "\n", 1);
	l->size += entry->value.len + 1;
	if (l->out)
		st = kvf_output_write(l->out, entry->value.ptr, entry->value.len, err);
	return st || !l->out ? st : kvf_output_write(l->out, "\n", 1, err);
}

static enum kvf_status write_side(const struct kvf_export_job *job, size_t package, size_t k,
				  struct kvf_output *out, struct kvf_side *side,
				  struct kvf_err *err)
{
	const struct kvf_package *p = job->bound->app->packages[package];
	const struct kvf_record *record = &p->sides[k];
	struct kvf_limits limits = kvf_options_limits(job->options);
	struct kvf_sink_caps caps = { limits.part, limits.key, limits.value };
	struct lines lines = { .out = out };
	struct kvf_rows *rows = NULL;
	const struct kvf_row *row;
	struct kvf_sink sink;
	enum kvf_status st;
	unsigned parts = 1;

	kvf_sink_init(&sink, &caps, put_line, &lines);
	kvf_sha256_begin(&lines.hash);
	st = kvf_source_plan(job->bound->source, record, &parts, err);
	if (!st)
		st = kvf_rows_open(job->bound->source, record, 0, &rows, err);
	while (!st && !(st = kvf_rows_next(rows, &row, err))) {
		st = p->convert(p, p->nrecords + k, row, &sink, err);
		if (st == KVF_EREJECT && job->rejects)
			st = kvf_rejects_take(job->rejects, job->bound, package,
					      p->nrecords + k, row, job->env, err);
		if (!st && row->ordinal % 1024 == 0)
			st = kvf_check_stop(job->env, err);
	}
	kvf_rows_close(rows);
	kvf_sink_release(&sink);
	side->name = record->name;
	side->size = lines.size;
	kvf_sha256_end(&lines.hash, side->sha256);
	return st == KVF_EOF ? KVF_OK : st;
}

enum kvf_status kvf_sides_write(struct kvf_sides *s, size_t n, struct kvf_side *sides,
				struct kvf_err *err)
{
	size_t package = s->job->bound->selected[n], at = count(s->job->bound, n), k;
	const struct kvf_package *p = s->job->bound->app->packages[package];
	enum kvf_status st = KVF_OK;

	for (k = 0; !st && k < p->nsides; k++)
		st = write_side(s->job, package, k, s->outputs[at + k], &sides[k], err);
	return st;
}

enum kvf_status kvf_sides_commit(struct kvf_sides *s, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	size_t i;

	for (i = 0; !st && i < s->n; i++)
		if (s->outputs[i])
			st = kvf_output_commit(s->outputs[i], err);
	return st;
}

void kvf_sides_close(struct kvf_sides *s)
{
	size_t i;

	if (!s)
		return;
	for (i = 0; s->outputs && i < s->n; i++)
		kvf_output_close(s->outputs[i]);
	free(s->outputs);
	free(s);
}
