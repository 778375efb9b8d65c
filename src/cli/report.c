/* report - what a run did, for people: a table, the root, the times, and one
 * last line that is true. */
#include "cli/cli.h"

#include "cli/verbs.h"

#include <string.h>

/* "1,234" or "-" where nobody knows. */
static const char *rows_text(uint64_t rows, int exact, char buf[40])
{
	char number[32];

	if (rows == UINT64_MAX)
		return "-";
	snprintf(buf, 40, "%s%s", exact ? "" : "~", cli_number(rows, number));
	return buf;
}

/* Tables carried as they are: one line per table says more than the one package. */
static void records_grid(struct cli_grid *g, const struct kvf_report *r)
{
	uint64_t rows = 0, entries = 0;
	char a[40], b[32];
	size_t i;

	cli_grid_init(g, 3, 6);
	cli_grid_add(g, "table");
	cli_grid_add(g, "rows");
	cli_grid_add(g, "entries");
	for (i = 0; i < r->nrecords; i++) {
		const struct kvf_report_record *d = &r->records[i];

		cli_grid_add(g, "%s", d->table && *d->table != '(' ? d->table : d->name);
		cli_grid_add(g, "%s", rows_text(d->rows, d->rows_exact, a));
		cli_grid_add(g, "%s", cli_number(d->entries, b));
		rows += d->rows == UINT64_MAX ? 0 : d->rows;
		entries += d->entries;
	}
	cli_grid_add(g, "total");
	cli_grid_add(g, "%s", cli_number(rows, a));
	cli_grid_add(g, "%s", cli_number(entries, b));
}

static void packages_grid(struct cli_grid *g, const struct kvf_report *r)
{
	uint64_t rows = 0, entries = 0, bytes = 0;
	char buf[32];
	size_t i;
	int has_rows = 0;

	for (i = 0; i < r->npackages; i++) {
		rows += r->packages[i].rows;
		entries += r->packages[i].totals.entries;
		bytes += r->packages[i].totals.bytes;
	}
	has_rows = rows != 0;
	cli_grid_init(g, has_rows ? 4 : 3, has_rows ? 14 : 6);
	cli_grid_add(g, "package");
	if (has_rows)
		cli_grid_add(g, "rows");
	cli_grid_add(g, "entries");
	cli_grid_add(g, "bytes");
	for (i = 0; i < r->npackages; i++) {
		cli_grid_add(g, "%s", r->packages[i].name);
		if (has_rows)
			cli_grid_add(g, "%s", cli_number(r->packages[i].rows, buf));
		cli_grid_add(g, "%s", cli_number(r->packages[i].totals.entries, buf));
		cli_grid_add(g, "%s", cli_number(r->packages[i].totals.bytes, buf));
	}
	if (r->npackages < 2)
		return;
	cli_grid_add(g, "total");
	if (has_rows)
		cli_grid_add(g, "%s", cli_number(rows, buf));
	cli_grid_add(g, "%s", cli_number(entries, buf));
	cli_grid_add(g, "%s", cli_number(bytes, buf));
}

static void steps(const struct cli *c)
{
	char text[32];
	size_t i, shown = 0;

	for (i = 0; i < c->report.nsteps; i++) {
		const struct kvf_report_step *s = &c->report.steps[i];

		if (!s->name || s->seconds < 0)
			continue;
		fprintf(c->out, "%s%s %s", shown++ ? ", " : "time    ", s->name,
			cli_seconds(s->seconds, text));
	}
	if (shown)
		fputc('\n', c->out);
}

static int is_zero(const uint8_t *p, size_t n)
{
	while (n--)
		if (*p++)
			return 0;
	return 1;
}

/* Did the run leave a stream behind?  Between source and store it is not kept. */
static int left_a_stream(const struct cli *c)
{
	return c->report.file_bytes && (c->verb->run != cli_run_migrate || c->o.keep);
}

enum kvf_status cli_report_text(struct cli *c)
{
	const struct kvf_report *r = &c->report;
	struct cli_grid g;
	char hex[65], size[32];
	enum kvf_status st;

	if (r->npackages == 1 && !*r->app && r->nrecords && r->packages[0].rows)
		records_grid(&g, r);
	else
		packages_grid(&g, r);
	st = cli_grid_print(&g, c->out, &c->paint, &c->err);
	cli_grid_release(&g);
	if (st)
		return st;
	fputc('\n', c->out);
	if (!is_zero(r->tail.r, sizeof(r->tail.r)))
		fprintf(c->out, "root    %s\n", cli_hex(r->tail.r, 32, hex));
	if (left_a_stream(c)) {
		fprintf(c->out, "stream  %s", cli_size(r->file_bytes, size));
		if (r->tail.bytes > r->file_bytes)
			fprintf(c->out, ", %.1f : 1",
				(double)r->tail.bytes / (double)r->file_bytes);
		fputc('\n', c->out);
	}
	cli_lost_text(c);
	steps(c);
	return KVF_OK;
}

void cli_lost_text(struct cli *c)
{
	size_t i;

	for (i = 0; i < c->report.nlost; i++) {
		const struct kvf_report_lost *l = &c->report.lost[i];

		if (!*l->name) { /* of a package, in words */
			fprintf(c->out, "%scannot return%s: ", c->paint.yellow, c->paint.off);
			cli_puts(c->out, l->why);
			fprintf(c->out, " [%s]\n", l->table);
			continue;
		}
		fprintf(c->out, "%snot restored%s: %s ", c->paint.yellow, c->paint.off,
			l->kind);
		cli_puts(c->out, l->name);
		fputs(" of table ", c->out);
		cli_puts(c->out, l->table);
		fputs(": ", c->out);
		cli_puts(c->out, l->why);
		fputc('\n', c->out);
	}
}

/* ---- what would be read ------------------------------------------------------- */

static void plan_row(struct cli_grid *g, const struct kvf_report_record *d, int by_package,
		     int sized)
{
	char number[32], text[32];

	if (by_package)
		cli_grid_add(g, "%s", d->package);
	cli_grid_add(g, "%s", d->name);
	if (d->rows == UINT64_MAX)
		cli_grid_add(g, "-");
	else
		cli_grid_add(g, "%s%s", d->rows_exact ? "" : "~", cli_number(d->rows, number));
	if (sized && d->bytes == UINT64_MAX)
		cli_grid_add(g, "-");
	else if (sized)
		cli_grid_add(g, "~%s", cli_size(d->bytes, text));
}

/* Rows `from` and those behind it, as far as they are of one package: their sum, if
 * there are several.  What is not known counts as nothing. */
static void plan_package(struct cli_grid *g, const struct kvf_report *r, size_t from, int sized)
{
	static char all[] = "(all)";
	struct kvf_report_record sum = { .name = all, .rows_exact = 1 };
	size_t i;

	sum.package = r->records[from].package;
	for (i = from; i < r->nrecords && strcmp(r->records[i].package, sum.package) == 0;
	     i++) {
		const struct kvf_report_record *d = &r->records[i];

		sum.rows += d->rows == UINT64_MAX ? 0 : d->rows;
		sum.rows_exact &= d->rows_exact && d->rows != UINT64_MAX;
		sum.bytes += d->bytes == UINT64_MAX ? 0 : d->bytes;
	}
	if (i - from > 1)
		plan_row(g, &sum, 1, sized);
}

enum kvf_status cli_plan_text(struct cli *c)
{
	const struct kvf_report *r = &c->report;
	struct kvf_report_record total = { .rows_exact = 1 };
	int by_package = *r->app != '\0', sized = 0, known = 0;
	static char all[] = "total", none[] = "";
	struct cli_grid g;
	enum kvf_status st;
	size_t i, first = 0;

	total.package = by_package ? all : none;
	total.name = by_package ? none : all;
	for (i = 0; i < r->nrecords; i++) {
		const struct kvf_report_record *d = &r->records[i];

		sized |= d->bytes != UINT64_MAX;
		known |= d->rows != UINT64_MAX;
		total.bytes += d->bytes == UINT64_MAX ? 0 : d->bytes;
		total.rows += d->rows == UINT64_MAX ? 0 : d->rows;
		total.rows_exact &= d->rows_exact && d->rows != UINT64_MAX;
	}
	if (!known)
		total.rows = UINT64_MAX;
	cli_grid_init(&g, (unsigned)(2 + by_package + sized), by_package ? 12 : 6);
	if (by_package)
		cli_grid_add(&g, "package");
	cli_grid_add(&g, by_package ? "record" : "table");
	cli_grid_add(&g, "rows");
	if (sized)
		cli_grid_add(&g, "bytes");
	for (i = 0; i < r->nrecords; i++) {
		if (!i || strcmp(r->records[i].package, r->records[i - 1].package) != 0)
			first = i;
		plan_row(&g, &r->records[i], by_package, sized);
		if (by_package && sized &&
		    (i + 1 == r->nrecords ||
		     strcmp(r->records[i].package, r->records[i + 1].package) != 0))
			plan_package(&g, r, first, sized);
	}
	plan_row(&g, &total, by_package, sized);
	st = cli_grid_print(&g, c->out, &c->paint, &c->err);
	cli_grid_release(&g);
	return st;
}

/* ---- checks -------------------------------------------------------------------- */

void cli_checks_text(struct cli *c)
{
	char number[32];
	size_t i, k;

	for (i = 0; i < c->report.nchecks; i++) {
		const struct kvf_report_check *d = &c->report.checks[i];

		fprintf(c->out, "%snote:%s ", c->paint.yellow, c->paint.off);
		cli_puts(c->out, d->text);
		fprintf(c->out, ": %s (", cli_number(d->count, number));
		for (k = 0; k < d->nsamples && k < (c->verbose ? d->nsamples : 3); k++) {
			fputs(k ? ", " : "", c->out);
			cli_puts(c->out, d->samples[k]);
		}
		fprintf(c->out, "%s) [%s]\n", k < d->count ? ", ..." : "", d->code);
	}
	if (c->report.nchecks)
		fputc('\n', c->out);
}

static json_t *checks_json(struct cli *c)
{
	json_t *list = cli_json_array(c), *o, *samples;
	size_t i, k;

	for (i = 0; i < c->report.nchecks; i++) {
		const struct kvf_report_check *d = &c->report.checks[i];

		o = cli_json_object(c);
		samples = cli_json_array(c);
		for (k = 0; k < d->nsamples; k++)
			cli_json_add(c, samples, cli_json_text(c, d->samples[k]));
		cli_json_set(c, o, "package", cli_json_text(c, d->package));
		cli_json_set(c, o, "code", cli_json_text(c, d->code));
		cli_json_set(c, o, "text", cli_json_text(c, d->text));
		cli_json_set(c, o, "count", cli_json_u64(c, d->count));
		cli_json_set(c, o, "samples", samples);
		cli_json_add(c, list, o);
	}
	return list;
}

/* ---- differences ------------------------------------------------------------- */

static const char *sign(enum kvf_difference_side side)
{
	switch (side) {
	case KVF_ONLY_LEFT: return "-";
	case KVF_ONLY_RIGHT: return "+";
	case KVF_VALUES_DIFFER: return "~";
	}
	return "?";
}

void cli_differences_text(struct cli *c)
{
	const struct kvf_report *r = &c->report;
	char part[2100], key[8300];
	uint64_t all = r->only_left + r->only_right + r->differ;
	const char *color;
	size_t i;

	for (i = 0; i < r->ndifferences; i++) {
		const struct kvf_difference *d = &r->differences[i];
		struct kvf_bytes p = { d->part, d->part_len }, k = { d->key, d->key_len };

		color = d->side == KVF_ONLY_LEFT    ? c->paint.red
			: d->side == KVF_ONLY_RIGHT ? c->paint.green
						    : c->paint.yellow;
		fprintf(c->out, "%s%s%s ", color, sign(d->side), c->paint.off);
		cli_puts(c->out, kvf_bytes_print(p, part, sizeof(part)));
		fputc('\t', c->out);
		cli_puts(c->out, kvf_bytes_print(k, key, sizeof(key)));
		if (d->side == KVF_VALUES_DIFFER && d->left_value != UINT64_MAX)
			fprintf(c->out, "\t%llu and %llu bytes",
				(unsigned long long)d->left_value,
				(unsigned long long)d->right_value);
		fputc('\n', c->out);
	}
	if (all > r->ndifferences && r->ndifferences)
		fprintf(c->out, "... and %s more%s\n", cli_number(all - r->ndifferences, part),
			cli_verb_takes(c->verb, OPT_LIMIT) ? " (--limit N)" : "");
}

/* ---- as JSON -------------------------------------------------------------------- */

json_t *cli_totals_json(struct cli *c, const struct kvf_totals *t)
{
	json_t *o = cli_json_object(c);

	cli_json_set(c, o, "entries", cli_json_u64(c, t->entries));
	cli_json_set(c, o, "bytes", cli_json_u64(c, t->bytes));
	cli_json_set(c, o, "digest", cli_json_hex(c, t->m, sizeof(t->m)));
	return o;
}

json_t *cli_differences_json(struct cli *c)
{
	static const char *const names[] = { "only-left", "only-right", "values-differ" };
	json_t *list = cli_json_array(c), *o;
	size_t i;

	for (i = 0; i < c->report.ndifferences; i++) {
		const struct kvf_difference *d = &c->report.differences[i];
		struct kvf_bytes p = { d->part, d->part_len }, k = { d->key, d->key_len };

		o = cli_json_object(c);
		cli_json_set(c, o, "side", cli_json_text(c, names[d->side]));
		cli_json_set(c, o, "package", cli_json_text(c, d->package));
		cli_json_set(c, o, "partition", cli_json_bytes(c, p));
		cli_json_set(c, o, "key", cli_json_bytes(c, k));
		cli_json_add(c, list, o);
	}
	return list;
}

static json_t *known_u64(struct cli *c, uint64_t v)
{
	return v == UINT64_MAX ? json_null() : cli_json_u64(c, v);
}

static json_t *packages_json(struct cli *c)
{
	json_t *list = cli_json_array(c), *o;
	size_t i;

	for (i = 0; i < c->report.npackages; i++) {
		const struct kvf_report_package *p = &c->report.packages[i];

		o = cli_totals_json(c, &p->totals);
		cli_json_set(c, o, "name", cli_json_text(c, p->name));
		cli_json_set(c, o, "rev", cli_json_u64(c, p->rev));
		cli_json_set(c, o, "rows", cli_json_u64(c, p->rows));
		cli_json_set(c, o, "chunks", cli_json_u64(c, p->chunks));
		cli_json_set(c, o, "root", cli_json_hex(c, p->r, sizeof(p->r)));
		cli_json_set(c, o, "spilled", cli_json_u64(c, p->spilled));
		cli_json_add(c, list, o);
	}
	return list;
}

static json_t *records_json(struct cli *c)
{
	json_t *list = cli_json_array(c), *o;
	size_t i;

	for (i = 0; i < c->report.nrecords; i++) {
		const struct kvf_report_record *d = &c->report.records[i];

		o = cli_json_object(c);
		cli_json_set(c, o, "package", cli_json_text(c, d->package));
		cli_json_set(c, o, "name", cli_json_text(c, d->name));
		cli_json_set(c, o, "table", cli_json_text(c, d->table));
		cli_json_set(c, o, "rows", known_u64(c, d->rows));
		cli_json_set(c, o, "rows_exact", json_boolean(d->rows_exact));
		cli_json_set(c, o, "bytes", known_u64(c, d->bytes));
		cli_json_set(c, o, "entries", cli_json_u64(c, d->entries));
		cli_json_add(c, list, o);
	}
	return list;
}

static json_t *steps_json(struct cli *c)
{
	json_t *list = cli_json_array(c), *o;
	size_t i;

	for (i = 0; i < c->report.nsteps; i++) {
		const struct kvf_report_step *s = &c->report.steps[i];

		if (s->seconds < 0)
			continue;
		o = cli_json_object(c);
		cli_json_set(c, o, "name", cli_json_text(c, s->name));
		cli_json_set(c, o, "seconds", json_real(s->seconds));
		cli_json_set(c, o, "entries", cli_json_u64(c, s->entries));
		cli_json_set(c, o, "bytes", cli_json_u64(c, s->bytes));
		cli_json_add(c, list, o);
	}
	return list;
}

static json_t *lost_json(struct cli *c)
{
	json_t *list = cli_json_array(c), *o;
	size_t i;

	for (i = 0; i < c->report.nlost; i++) {
		const struct kvf_report_lost *l = &c->report.lost[i];

		o = cli_json_object(c);
		cli_json_set(c, o, "table", cli_json_text(c, l->table));
		cli_json_set(c, o, "kind", cli_json_text(c, l->kind));
		cli_json_set(c, o, "name", cli_json_text(c, l->name));
		cli_json_set(c, o, "why", cli_json_text(c, l->why));
		cli_json_add(c, list, o);
	}
	return list;
}

static json_t *merge_json(struct cli *c)
{
	const struct kvf_merge_stats *m = &c->report.merge;
	json_t *o = cli_json_object(c), *named = cli_json_array(c);
	size_t i;

	for (i = 0; i < m->nnamed; i++)
		cli_json_add(c, named, cli_json_text(c, m->named[i]));
	cli_json_set(c, o, "copied", cli_json_u64(c, m->copied.entries));
	cli_json_set(c, o, "same", cli_json_u64(c, m->same.entries));
	cli_json_set(c, o, "conflicts", cli_json_u64(c, m->conflicts));
	cli_json_set(c, o, "named", named);
	return o;
}

static json_t *rejects_json(struct cli *c)
{
	const struct kvf_report *r = &c->report;
	json_t *o = cli_json_object(c);

	cli_json_set(c, o, "rows", r->rejects ? cli_json_u64(c, r->rejects) : json_null());
	cli_json_set(c, o, "digest", cli_json_hex(c, r->rejects_digest, 32));
	cli_json_set(c, o, "by_reason", cli_json_text(c, r->rejects_by_reason));
	cli_json_set(c, o, "file", cli_json_text(c, r->rejects_file));
	cli_json_set(c, o, "accepted", json_boolean(r->rejects_accepted));
	return o;
}

json_t *cli_report_json(struct cli *c)
{
	const struct kvf_report *r = &c->report;
	json_t *o = cli_json_object(c);

	cli_json_set(c, o, "run", cli_json_text(c, r->run));
	cli_json_set(c, o, "app", cli_json_text(c, r->app));
	cli_json_set(c, o, "source", cli_json_text(c, r->source));
	cli_json_set(c, o, "target", cli_json_text(c, r->target));
	cli_json_set(c, o, "from", cli_json_u64(c, r->from));
	cli_json_set(c, o, "schema", cli_json_u64(c, r->schema));
	cli_json_set(c, o, "live", cli_json_u64(c, r->live));
	cli_json_set(c, o, "dry_run", json_boolean(c->o.dry_run));
	cli_json_set(c, o, "published", json_boolean(r->published));
	cli_json_set(c, o, "already", json_boolean(r->already));
	cli_json_set(c, o, "partial", json_boolean(r->partial));
	cli_json_set(c, o, "in_place", json_boolean(r->in_place));
	cli_json_set(c, o, "frozen",
		     r->is_frozen ? cli_json_text(c, r->frozen.run) : json_null());
	cli_json_set(c, o, "rejects", r->has_rejects ? rejects_json(c) : json_null());
	cli_json_set(c, o, "writers", cli_json_u64(c, r->writers.n));
	cli_json_set(c, o, "packages", packages_json(c));
	cli_json_set(c, o, "records", records_json(c));
	cli_json_set(c, o, "checks", checks_json(c));
	cli_json_set(c, o, "steps", steps_json(c));
	cli_json_set(c, o, "entries", cli_json_u64(c, r->tail.entries));
	cli_json_set(c, o, "bytes", cli_json_u64(c, r->tail.bytes));
	cli_json_set(c, o, "chunks", cli_json_u64(c, r->tail.chunks));
	cli_json_set(c, o, "root",
		     is_zero(r->tail.r, sizeof(r->tail.r))
			     ? json_null()
			     : cli_json_hex(c, r->tail.r, sizeof(r->tail.r)));
	cli_json_set(c, o, "file_bytes", cli_json_u64(c, r->file_bytes));
	cli_json_set(c, o, "resumed", cli_json_u64(c, r->resumed));
	if (c->o.existing == KVF_EXISTING_MERGE)
		cli_json_set(c, o, "merge", merge_json(c));
	if (c->o.as_tables)
		cli_json_set(c, o, "not_restored", lost_json(c));
	return o;
}
