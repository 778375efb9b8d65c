/*
 * verify - do two places hold the same entries?
 *
 * Equality is told by count, bytes and multiset digest.  When they differ, or
 * when it was asked for, both sides are walked in order and the keys named.
 */
#include "migrate/run.h"
#include "par/serial.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct comparison {
	const struct kvf_options *o;
	const struct kvf_env *env;
	struct kvf_report *report;
	struct kvf_side_entries *left, *right;
	struct kvf_meter meter;
	int by_package;
	size_t max;
};

static const char *package_name(const struct kvf_side_entries *s, size_t package)
{
	const char *const *names;

	return package < kvf_side_packages(s, &names) ? names[package] : "";
}

/* One side during the walk. */
struct walker {
	struct kvf_side_entries *side;
	struct kvf_entry entry;
	size_t package;
	int end;
};

static enum kvf_status advance(struct comparison *c, struct walker *w, struct kvf_totals *t,
			       struct kvf_err *err)
{
	const struct kvf_begin *begin;
	enum kvf_status st = kvf_side_next(w->side, &w->entry, &w->package, &begin, err);

	if (st == KVF_EOF) {
		w->end = 1;
		return KVF_OK;
	}
	if (st)
		return st;
	kvf_totals_add(t, &w->entry);
	kvf_meter_add(&c->meter, 1, w->entry.part.len + w->entry.key.len + w->entry.value.len);
	return t->entries % 4096 ? KVF_OK : kvf_check_stop(c->env, err);
}

static int order(const struct comparison *c, const struct walker *l, const struct walker *r)
{
	if (l->end || r->end)
		return l->end ? 1 : -1;
	if (c->by_package && l->package != r->package)
		return l->package < r->package ? -1 : 1;
	return kvf_entry_cmp(&l->entry, &r->entry);
}

static enum kvf_status walk(struct comparison *c, struct kvf_err *err)
{
	struct kvf_report *rep = c->report;
	struct walker l = { .side = c->left }, r = { .side = c->right };
	enum kvf_status st;
	int cmp;

	memset(&rep->left, 0, sizeof(rep->left));
	memset(&rep->right, 0, sizeof(rep->right));
	st = kvf_side_begin(c->left, c->by_package, err);
	if (!st)
		st = kvf_side_begin(c->right, c->by_package, err);
	if (!st)
		st = advance(c, &l, &rep->left, err);
	if (!st)
		st = advance(c, &r, &rep->right, err);
	while (!st && !(l.end && r.end)) {
		cmp = order(c, &l, &r);
		if (cmp < 0)
			st = kvf_report_difference(rep, c->max, KVF_ONLY_LEFT,
						   package_name(c->left, l.package), &l.entry,
						   NULL, err);
		else if (cmp > 0)
			st = kvf_report_difference(rep, c->max, KVF_ONLY_RIGHT,
						   package_name(c->right, r.package), NULL,
						   &r.entry, err);
		else if (kvf_bytes_cmp(l.entry.value, r.entry.value) != 0)
			st = kvf_report_difference(rep, c->max, KVF_VALUES_DIFFER,
						   package_name(c->left, l.package), &l.entry,
						   &r.entry, err);
		if (!st && cmp <= 0)
			st = advance(c, &l, &rep->left, err);
		if (!st && cmp >= 0)
			st = advance(c, &r, &rep->right, err);
	}
	return st;
}

/* Both sides have the same packages in the same order: compare one by one. */
static int same_packages(const struct kvf_side_entries *a, const struct kvf_side_entries *b)
{
	const char *const *x, *const *y;
	size_t n = kvf_side_packages(a, &x), i;

	if (n == 0 || kvf_side_packages(b, &y) != n)
		return 0;
	for (i = 0; i < n; i++)
		if (strcmp(x[i], y[i]) != 0)
			return 0;
	return 1;
}

static enum kvf_status verdict(struct comparison *c, struct kvf_err *err)
{
	struct kvf_report *r = c->report;

	r->equal = kvf_totals_equal(&r->left, &r->right) && !r->only_left && !r->only_right &&
		   !r->differ;
	if (r->equal)
		return KVF_OK;
	kvf_fail(err, KVF_EMISMATCH, "the two sides differ");
	kvf_err_detail(err,
		       "left: %" PRIu64 " entries, %" PRIu64 " bytes; right: %" PRIu64
		       " entries, %" PRIu64 " bytes",
		       r->left.entries, r->left.bytes, r->right.entries, r->right.bytes);
	return KVF_EMISMATCH;
}

/* Tables are read with the arguments that the other side was made with. */
static enum kvf_status open_sides(struct comparison *c, struct kvf_err *err)
{
	const struct kvf_options *o = c->o;
	const struct kvf_head *head;
	enum kvf_status st;

	st = kvf_side_open(o, o->source, NULL, c->env, &c->meter, &c->left, err);
	if (st)
		return st;
	st = kvf_side_open(o, o->target, kvf_side_head(c->left), c->env, &c->meter, &c->right,
			   err);
	head = st ? NULL : kvf_side_head(c->right);
	if (!head || !head->nargs || kvf_side_kind(c->left) != KVF_SIDE_TABLES)
		return st;
	kvf_side_close(c->left);
	c->left = NULL;
	return kvf_side_open(o, o->source, head, c->env, &c->meter, &c->left, err);
}

static int is_pipe(const char *place)
{
	return strcmp(place, "-") == 0;
}

static enum kvf_status compare(struct comparison *c, int names, struct kvf_err *err)
{
	struct kvf_report *r = c->report;
	int pipe = is_pipe(c->o->source) || is_pipe(c->o->target);
	enum kvf_status st = KVF_OK;

	c->by_package = same_packages(c->left, c->right);
	if (!names && !pipe) {
		st = kvf_side_totals(c->left, &r->left, err);
		if (!st)
			st = kvf_side_totals(c->right, &r->right, err);
		if (st || kvf_totals_equal(&r->left, &r->right))
			return st ? st : verdict(c, err);
	}
	st = walk(c, err);
	return st ? st : verdict(c, err);
}

/* A selection is made of tables; of two other sides it would be ignored. */
static enum kvf_status check_selection(const struct comparison *c, struct kvf_err *err)
{
	const struct kvf_options *o = c->o;

	if (!(o->npackages || o->ntables || o->nexclude_tables || o->nschemas) ||
	    kvf_side_kind(c->left) == KVF_SIDE_TABLES ||
	    kvf_side_kind(c->right) == KVF_SIDE_TABLES)
		return KVF_OK;
	kvf_fail(err, KVF_EUSAGE, "a selection needs legacy tables on one side");
	kvf_err_hint(err, "Compare with what was selected: a stream that was exported so.");
	return KVF_EUSAGE;
}

static enum kvf_status run(const struct kvf_options *o, const struct kvf_env *env,
			   struct kvf_report *report, int names, struct kvf_err *err)
{
	struct comparison c = { .o = o, .env = env, .report = report };
	size_t step;
	enum kvf_status st;

	if (is_pipe(o->source) && is_pipe(o->target)) {
		kvf_fail(err, KVF_EUSAGE, "both sides are standard input");
		return KVF_EUSAGE;
	}
	c.max = o->max_differences ? o->max_differences : 20;
	step = kvf_report_step(report, "compare");
	kvf_meter_begin(&c.meter, env, "compare", 1, 1, 0, 0);
	st = open_sides(&c, err);
	if (!st) {
		kvf_report_name(report->source, sizeof(report->source), "%s",
				kvf_side_identity(c.left));
		kvf_report_name(report->target, sizeof(report->target), "%s",
				kvf_side_identity(c.right));
		st = check_selection(&c, err);
	}
	if (!st)
		st = compare(&c, names, err);
	kvf_side_close(c.left);
	kvf_side_close(c.right);
	kvf_report_step_end(report, step, report->left.entries, report->left.bytes);
	return st;
}

/* Parts of a source are read by several threads: one callback at a time. */
static enum kvf_status run_serial(const struct kvf_options *o, const struct kvf_env *env,
				  struct kvf_report *report, int entries, struct kvf_err *err)
{
	struct kvf_serial *serial = NULL;
	enum kvf_status st = kvf_serial_new(env, &serial, err);

	if (!st)
		st = run(o, kvf_serial_env(serial), report, entries, err);
	kvf_serial_free(serial);
	return st;
}

/* Of one place, only a stream says of itself what it must hold. */
static enum kvf_status refuse_alone(const char *place, struct kvf_err *err)
{
	kvf_fail(err, KVF_EUSAGE, "there is nothing to compare '%s' with", place);
	kvf_err_detail(err, "A stream can be verified alone, a database only against another "
			    "place. Nothing was read.");
	kvf_err_hint(err,
		     "kvferry verify FILE.kvf %s compares it with a stream; kvferry status %s "
		     "says where a store stands.",
		     place, place);
	return KVF_EUSAGE;
}

enum kvf_status kvf_verify(const struct kvf_options *o, const struct kvf_env *env,
			   struct kvf_report *report, struct kvf_err *err)
{
	enum kvf_status st = kvf_report_init(report, err);
	struct kvf_place p = { 0 };

	if (!st && !o->target && !o->input)
		st = kvf_place_parse(o->source, &p, err);
	if (st)
		return st;
	if (p.kind == KVF_PLACE_DATABASE && !o->target)
		return refuse_alone(o->source, err);
	if (!o->target)
		return kvf_verify_stream(o, env, report, err);
	if (o->quick || o->expect_root || o->manifest) {
		kvf_fail(err, KVF_EUSAGE, "%s looks at one stream%s",
			 o->quick         ? "--quick"
			 : o->expect_root ? "--expect-root"
					  : "--manifest",
			 o->quick ? " in a file" : "");
		kvf_err_hint(err, "Verify that stream alone, then compare it.");
		return KVF_EUSAGE;
	}
	return run_serial(o, env, report, o->entries, err);
}

enum kvf_status kvf_diff(const struct kvf_options *o, const struct kvf_env *env,
			 struct kvf_report *report, struct kvf_err *err)
{
	enum kvf_status st = kvf_report_init(report, err);

	return st ? st : run_serial(o, env, report, 1, err);
}

/* A package that the place does not have is a slip of the pen. */
static enum kvf_status check_packages(const struct kvf_options *o,
				      const struct kvf_side_entries *side, struct kvf_err *err)
{
	size_t i;

	for (i = 0; i < o->npackages; i++) {
		if (kvf_side_has_package(side, o->packages[i]))
			continue;
		kvf_fail(err, KVF_EUSAGE, "there is no package '%s' in %s", o->packages[i],
			 kvf_side_identity(side));
		return KVF_EUSAGE;
	}
	return KVF_OK;
}

static enum kvf_status each_entry(const struct kvf_options *o, const struct kvf_env *env,
				  kvf_entry_fn *fn, void *ctx, struct kvf_err *err)
{
	struct kvf_side_entries *side = NULL;
	const struct kvf_begin *begin;
	struct kvf_entry entry;
	size_t package, i;
	enum kvf_status st = kvf_side_open(o, o->source, NULL, env, NULL, &side, err);

	if (!st)
		st = check_packages(o, side, err);
	if (!st)
		st = kvf_side_begin(side, 1, err);
	while (!st && !(st = kvf_side_next(side, &entry, &package, &begin, err))) {
		const char *name = package_name(side, package);
		const char *own = begin ? begin->name : name;

		for (i = 0; i < o->npackages && strcmp(o->packages[i], own) != 0; i++)
			;
		if (o->npackages && i == o->npackages)
			continue;
		if (fn(ctx, name, begin, &entry))
			break;
		st = kvf_check_stop(env, err);
	}
	kvf_side_close(side);
	return st == KVF_EOF ? KVF_OK : st;
}

enum kvf_status kvf_each_entry(const struct kvf_options *o, const struct kvf_env *env,
			       kvf_entry_fn *fn, void *ctx, struct kvf_err *err)
{
	struct kvf_serial *serial = NULL;
	enum kvf_status st = kvf_serial_new(env, &serial, err);

	if (!st)
		st = each_entry(o, kvf_serial_env(serial), fn, ctx, err);
	kvf_serial_free(serial);
	return st;
}
