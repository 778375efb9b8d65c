/* verb_define - check and init: package definitions. */
#include "cli/cli.h"

#include "cli/verbs.h"

#include "base/text.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>

/* ---- check ------------------------------------------------------------------- */

/* The shape of every record of every package, as the source has it. */
struct shapes {
	const struct kvf_table ***list;
	size_t n;
};

static void shapes_release(struct shapes *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		free(s->list[i]);
	free(s->list);
}

static enum kvf_status describe(struct cli *c, struct kvf_source *source,
				struct kvf_formats *formats, struct shapes *s)
{
	const struct kvf_application *app = kvf_formats_application(formats);
	enum kvf_status st = KVF_OK;
	size_t p, r;

	s->list = calloc(app->npackages + 1, sizeof(*s->list));
	if (!s->list)
		return kvf_fail_nomem(&c->err);
	st = kvf_give_arguments(&c->o, source, formats, &c->err);
	for (p = 0; !st && p < app->npackages; p++) {
		const struct kvf_package *pkg = app->packages[p];

		s->list[p] = calloc(pkg->nrecords + pkg->nsides + 1, sizeof(*s->list[p]));
		if (!s->list[p])
			return kvf_fail_nomem(&c->err);
		s->n++;
		for (r = 0; !st && r < pkg->nrecords + pkg->nsides; r++) {
			st = kvf_source_describe(source,
						 r < pkg->nrecords
							 ? &pkg->records[r]
							 : &pkg->sides[r - pkg->nrecords],
						 &s->list[p][r], &c->err);
			if (st)
				st = kvf_formats_blame(formats, p, r, &c->err);
		}
	}
	return st;
}

static const char *level_name(enum kvf_finding_level level)
{
	switch (level) {
	case KVF_FINDING_ERROR: return "error";
	case KVF_FINDING_WARNING: return "warning";
	case KVF_FINDING_NOTE: return "note";
	}
	return "note";
}

static json_t *findings_json(struct cli *c, const struct kvf_findings *f)
{
	json_t *list = cli_json_array(c), *o;
	size_t i;

	for (i = 0; i < f->n; i++) {
		const struct kvf_finding *d = &f->list[i];

		o = cli_json_object(c);
		cli_json_set(c, o, "level", cli_json_text(c, level_name(d->level)));
		cli_json_set(c, o, "code", cli_json_text(c, d->code));
		cli_json_set(c, o, "where", cli_json_text(c, d->where));
		cli_json_set(c, o, "package", cli_json_text(c, d->package));
		cli_json_set(c, o, "record", cli_json_text(c, d->record));
		cli_json_set(c, o, "text", cli_json_text(c, d->text));
		cli_json_add(c, list, o);
	}
	return list;
}

static void findings_text(struct cli *c, const struct kvf_findings *f)
{
	const char *color;
	size_t i;

	for (i = 0; i < f->n; i++) {
		const struct kvf_finding *d = &f->list[i];

		if (c->quiet && d->level != KVF_FINDING_ERROR)
			continue;
		color = d->level == KVF_FINDING_ERROR     ? c->paint.red
			: d->level == KVF_FINDING_WARNING ? c->paint.yellow
							  : c->paint.dim;
		fprintf(c->out, "%s%s:%s ", color, level_name(d->level), c->paint.off);
		if (d->where && *d->where) {
			cli_puts(c->out, d->where);
			fputs(": ", c->out);
		}
		cli_puts(c->out, d->text);
		fprintf(c->out, " [%s]\n", d->code);
	}
}

static enum kvf_status tell_findings(struct cli *c, const struct kvf_application *app,
				     const struct kvf_findings *f)
{
	size_t counts[3] = { 0, 0, 0 }, i, records = 0;

	for (i = 0; i < f->n; i++)
		counts[f->list[i].level]++;
	for (i = 0; i < app->npackages; i++)
		records += app->packages[i]->nrecords;
	if (c->json) {
		c->result = cli_json_object(c);
		cli_json_set(c, c->result, "app", cli_json_text(c, app->name));
		cli_json_set(c, c->result, "packages", cli_json_u64(c, app->npackages));
		cli_json_set(c, c->result, "records", cli_json_u64(c, records));
		cli_json_set(c, c->result, "findings", findings_json(c, f));
	} else {
		findings_text(c, f);
		if (!c->quiet)
			fprintf(c->out, "%s: %zu %s, %zu %s: %zu %s, %zu %s, %zu %s%s\n",
				app->name, app->npackages,
				cli_plural(app->npackages, "package", "packages"), records,
				cli_plural(records, "record", "records"), counts[0],
				cli_plural(counts[0], "error", "errors"), counts[1],
				cli_plural(counts[1], "warning", "warnings"), counts[2],
				cli_plural(counts[2], "note", "notes"),
				c->operands.n > 1 ? "" : " (no database was looked at)");
	}
	if (!counts[KVF_FINDING_ERROR])
		return KVF_OK;
	kvf_fail(&c->err, KVF_EDEFINITION, "the definitions have %zu %s",
		 counts[KVF_FINDING_ERROR],
		 cli_plural(counts[KVF_FINDING_ERROR], "error", "errors"));
	return KVF_EDEFINITION;
}

enum kvf_status cli_run_check(struct cli *c)
{
	const struct kvf_table *tables = NULL;
	struct kvf_findings findings = { NULL, 0 };
	struct kvf_formats *formats = NULL;
	struct kvf_source *source = NULL;
	struct shapes shapes = { NULL, 0 };
	const char *place = c->operands.n > 1 ? c->operands.list[1] : NULL;
	enum kvf_status st;
	size_t ntables = 0;

	st = kvf_formats_load(c->operands.list[0], &formats, &c->err);
	if (!st && place)
		st = kvf_source_open(cli_source(place), &c->env, &source, &c->err);
	if (!st && place)
		st = kvf_source_tables(source, &tables, &ntables, &c->err);
	if (!st && place)
		st = describe(c, source, formats, &shapes);
	if (!st && place)
		st = kvf_formats_bind(
			formats, (const struct kvf_table *const *const *)shapes.list, &c->err);
	if (!st)
		st = kvf_formats_check(formats,
				       (const struct kvf_table *const *const *)shapes.list,
				       tables, ntables, &findings, &c->err);
	cli_progress_clear(c->progress);
	if (!st)
		st = tell_findings(c, kvf_formats_application(formats), &findings);
	kvf_findings_free(&findings);
	shapes_release(&shapes);
	kvf_source_close(source);
	kvf_formats_free(formats);
	return st;
}

/* ---- init ---------------------------------------------------------------------- */

static int matches(const struct cli_list *patterns, const char *name)
{
	size_t i;

	for (i = 0; i < patterns->n; i++)
		if (kvf_glob(patterns->list[i], name))
			return 1;
	return 0;
}

/* What --table and --exclude-table leave of the tables. */
static enum kvf_status select_tables(struct cli *c, const struct kvf_table *all, size_t n,
				     struct kvf_table **out, size_t *nout)
{
	size_t i;

	*nout = 0;
	*out = calloc(n + 1, sizeof(**out));
	if (!*out)
		return kvf_fail_nomem(&c->err);
	for (i = 0; i < n; i++)
		if ((!c->tables.n || matches(&c->tables, all[i].name)) &&
		    !matches(&c->exclude, all[i].name))
			(*out)[(*nout)++] = all[i];
	if (*nout)
		return KVF_OK;
	kvf_fail(&c->err, KVF_EUSAGE, n ? "no table matches" : "the source has no tables");
	return KVF_EUSAGE;
}

enum kvf_status cli_run_init(struct cli *c)
{
	const char *place = c->operands.list[0], *dir = c->operands.list[1], *app = c->app_name;
	const struct kvf_table *all = NULL;
	struct kvf_table *chosen = NULL;
	struct kvf_source *source = NULL;
	enum kvf_status st;
	size_t n = 0, nchosen = 0;
	char *path = NULL;

	if (!app) {
		path = strdup(dir);
		if (!path)
			return kvf_fail_nomem(&c->err);
		app = basename(path);
	}
	st = kvf_source_open(cli_source(place), &c->env, &source, &c->err);
	if (!st && c->schemas.n)
		st = kvf_source_schemas(source, c->schemas.list, c->schemas.n, &c->err);
	if (!st)
		st = kvf_source_tables(source, &all, &n, &c->err);
	if (!st)
		st = select_tables(c, all, n, &chosen, &nchosen);
	if (!st)
		st = kvf_formats_init(dir, app, chosen, nchosen, &c->err);
	cli_progress_clear(c->progress);
	if (!st && c->json) {
		c->result = cli_json_object(c);
		cli_json_set(c, c->result, "app", cli_json_text(c, app));
		cli_json_set(c, c->result, "folder", cli_json_text(c, dir));
		cli_json_set(c, c->result, "tables", cli_json_u64(c, nchosen));
	} else if (!st && !c->quiet) {
		fprintf(c->out, "wrote definitions of %zu %s to ", nchosen,
			cli_plural(nchosen, "table", "tables"));
		cli_puts(c->out, dir);
		fputs("\nnext: edit them, then kvferry check ", c->out);
		cli_puts(c->out, dir);
		fputc(' ', c->out);
		cli_puts(c->out, place);
		fputc('\n', c->out);
	}
	c->done_note = !st;
	free(chosen);
	kvf_source_close(source);
	free(path);
	return st;
}
