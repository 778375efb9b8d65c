/* verb_back - abort, rollback, cleanup, drop-legacy: the verbs that give something
 * up.  What would be lost comes first; then, on a terminal, the question. */
#include "cli/cli.h"

#include "cli/verbs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef enum kvf_status back_fn(const struct kvf_options *o, const struct kvf_env *env,
				struct kvf_report *report, struct kvf_err *err);

static void warnings(struct cli *c)
{
	size_t i;

	cli_progress_clear(c->progress);
	for (i = 0; i < c->report.nwarnings; i++)
		cli_warn(c, c->report.warnings[i]);
}

static const char *store_place(const struct cli *c)
{
	return c->operands.list[c->verb->run == cli_run_drop_legacy];
}

static void put_store(struct cli *c)
{
	char place[600];

	cli_puts(c->out, cli_place(store_place(c), place, sizeof(place)));
}

/* ---- what would be lost ---------------------------------------------------------- */

/* "schema 2, " where there is an application. */
static const char *schema_text(const struct kvf_report *r, uint64_t schema, char buf[32])
{
	if (!*r->app)
		return "";
	snprintf(buf, 32, "schema %llu, ", (unsigned long long)schema);
	return buf;
}

static void rollback_summary(struct cli *c)
{
	const struct kvf_report *r = &c->report;
	char number[32], a[32], b[32];

	fprintf(c->out, "live    run %s, %s%s %s\n", r->confirm, schema_text(r, r->live, a),
		cli_number(r->right.entries, number),
		cli_plural(r->right.entries, "entry", "entries"));
	if (r->control.prev)
		fprintf(c->out, "back    to %sthe generation before\n",
			schema_text(r, r->schema, a));
	else
		fputs("back    to the legacy tables; nothing is live in the store then\n",
		      c->out);
	if (!r->written) {
		fputs("lost    nothing: no key was written after the commit\n", c->out);
		return;
	}
	fprintf(c->out, "lost    %s %s written after the commit: %s new, %s changed, ",
		cli_number(r->written, number), cli_plural(r->written, "key", "keys"),
		cli_number(r->only_right, a), cli_number(r->differ, b));
	fprintf(c->out, "%s removed\n", cli_number(r->only_left, a));
	cli_differences_text(c);
	fputs("        to keep them, save them first: kvferry backup ", c->out);
	put_store(c);
	fputs(" FILE.kvf, or --save FILE.kvf\n", c->out);
}

static void cleanup_summary(struct cli *c)
{
	const struct kvf_leftovers *l = &c->report.leftovers;
	char number[32], entries[32], size[32];

	fprintf(c->out, "tables  %s that %s not live, with %s %s",
		cli_number(l->generations, number), l->generations == 1 ? "is" : "are",
		cli_number(l->entries, entries), cli_plural(l->entries, "entry", "entries"));
	if (l->bytes != UINT64_MAX)
		fprintf(c->out, ", %s", cli_size(l->bytes, size));
	fprintf(c->out, "\nmarks   %s, of what was committed\n", cli_size(l->marks, size));
	fprintf(c->out, "way     %s\n",
		l->way_back ? "a rollback is possible now, and not after this"
			    : "no rollback is possible any more");
}

static void legacy_summary(struct cli *c)
{
	const struct kvf_report *r = &c->report;
	char number[32];
	size_t i;

	fputs("tables  ", c->out);
	for (i = 0; i < r->ntables; i++) {
		fputs(i ? ", " : "", c->out);
		cli_puts(c->out, r->tables[i]);
	}
	fputs(r->ntables ? "\n" : "none is left\n", c->out);
	if (r->control.legacy == KVF_LEGACY_DROPPING)
		fputs("proof   made before this drop was begun\n", c->out);
	else if (r->written_known)
		fprintf(c->out,
			"proof   the tables hold what was imported, and so does the store, but "
			"for %s %s written since\n",
			cli_number(r->written, number), cli_plural(r->written, "key", "keys"));
	fputs("way     no rollback to the legacy tables is possible after this\n", c->out);
}

static void summary(struct cli *c)
{
	if (c->json || c->quiet || c->summed_up)
		return;
	c->summed_up = 1;
	if (c->verb->run == cli_run_rollback)
		rollback_summary(c);
	else if (c->verb->run == cli_run_cleanup)
		cleanup_summary(c);
	else if (c->verb->run == cli_run_drop_legacy)
		legacy_summary(c);
}

/* ---- the question ---------------------------------------------------------------- */

static enum kvf_status ask(void *ctx, const struct kvf_report *report, struct kvf_err *err)
{
	struct cli *c = ctx;
	char line[128] = "";

	cli_progress_clear(c->progress);
	summary(c);
	fflush(c->out);
	fprintf(stderr, "%s? Type the run to go on (%s): ", c->verb->name, report->confirm);
	fflush(stderr);
	if (!fgets(line, sizeof(line), stdin))
		fputc('\n', stderr);
	line[strcspn(line, "\r\n")] = '\0';
	if (strcmp(line, report->confirm) == 0)
		return KVF_OK;
	kvf_fail(err, KVF_ECANCELLED, "cancelled");
	kvf_err_detail(err, "Nothing was changed.");
	return KVF_ECANCELLED;
}

/* ---- results --------------------------------------------------------------------- */

static json_t *leftovers_json(struct cli *c)
{
	const struct kvf_leftovers *l = &c->report.leftovers;
	json_t *o = cli_json_object(c);

	cli_json_set(c, o, "tables", cli_json_u64(c, l->generations));
	cli_json_set(c, o, "entries", cli_json_u64(c, l->entries));
	cli_json_set(c, o, "bytes",
		     l->bytes == UINT64_MAX ? json_null() : cli_json_u64(c, l->bytes));
	cli_json_set(c, o, "marks", cli_json_u64(c, l->marks));
	cli_json_set(c, o, "way_back", json_boolean(l->way_back));
	return o;
}

static json_t *written_json(struct cli *c)
{
	const struct kvf_report *r = &c->report;
	json_t *o = cli_json_object(c);

	cli_json_set(c, o, "keys", cli_json_u64(c, r->written));
	cli_json_set(c, o, "new", cli_json_u64(c, r->only_right));
	cli_json_set(c, o, "changed", cli_json_u64(c, r->differ));
	cli_json_set(c, o, "removed", cli_json_u64(c, r->only_left));
	cli_json_set(c, o, "named", cli_differences_json(c));
	return o;
}

static json_t *result_json(struct cli *c)
{
	const struct kvf_report *r = &c->report;
	json_t *o = cli_json_object(c), *tables;
	size_t i;

	cli_json_set(c, o, "run", cli_json_text(c, r->run));
	cli_json_set(c, o, "target", cli_json_text(c, r->target));
	cli_json_set(c, o, "confirm", cli_json_text(c, r->confirm));
	cli_json_set(c, o, "dry_run", json_boolean(c->o.dry_run));
	cli_json_set(c, o, "already", json_boolean(r->already));
	cli_json_set(c, o, "live", cli_json_u64(c, r->live));
	cli_json_set(c, o, "schema", cli_json_u64(c, r->schema));
	cli_json_set(c, o, "thawed", json_boolean(r->thawed));
	if (c->verb->run == cli_run_abort)
		cli_json_set(c, o, "aborted", cli_json_text(c, r->control.run));
	if (c->verb->run == cli_run_rollback || c->verb->run == cli_run_drop_legacy)
		cli_json_set(c, o, "written", r->written_known ? written_json(c) : json_null());
	if (c->verb->run == cli_run_cleanup)
		cli_json_set(c, o, "leftovers", leftovers_json(c));
	if (c->verb->run == cli_run_drop_legacy) {
		tables = cli_json_array(c);
		for (i = 0; i < r->ntables; i++)
			cli_json_add(c, tables, cli_json_text(c, r->tables[i]));
		cli_json_set(c, o, "tables", tables);
	}
	return o;
}

static void last_line(struct cli *c, const char *already, const char *done)
{
	fputs(c->paint.green, c->out);
	if (c->report.already)
		fprintf(c->out, "nothing to do: %s", already);
	else if (c->o.dry_run)
		fputs("dry run: nothing was changed", c->out);
	else
		fputs(done, c->out);
	if (c->report.thawed)
		fputs("; the source may be written again", c->out);
	fprintf(c->out, "%s\n", c->paint.off);
}

/* Run a verb of the library; tell what it found also where it was refused. */
static enum kvf_status run(struct cli *c, back_fn *fn)
{
	enum kvf_status st;

	c->o.target = store_place(c);
	st = cli_again(c);
	if (st)
		return st;
	if (fn == kvf_drop_legacy)
		c->o.source = cli_source(c->operands.list[0]);
	if (!c->json && isatty(STDIN_FILENO) && isatty(STDERR_FILENO)) {
		c->o.ask = ask;
		c->o.ask_ctx = c;
	}
	st = fn(&c->o, &c->env, &c->report, &c->err);
	warnings(c);
	if (c->json && c->report.has_control)
		c->result = result_json(c);
	if (!c->report.already && (!st || (st == KVF_EUSAGE && c->report.confirm[0])))
		summary(c);
	if (!st)
		c->done_note = !c->o.dry_run;
	return st;
}

enum kvf_status cli_run_abort(struct cli *c)
{
	enum kvf_status st = run(c, kvf_abort);
	char text[400];

	if (st || c->json || c->quiet)
		return st;
	if (c->report.control.stage)
		snprintf(text, sizeof(text),
			 "aborted run %s: what was staged is gone, the live data are as they "
			 "were",
			 c->report.control.run);
	else if (c->report.control.early)
		snprintf(text, sizeof(text),
			 "no run was unfinished; the version record that kept the new "
			 "application from starting is gone");
	else
		snprintf(text, sizeof(text),
			 "the freeze of the source was given up; no run was unfinished");
	last_line(c, "no run is unfinished", text);
	return KVF_OK;
}

enum kvf_status cli_run_rollback(struct cli *c)
{
	enum kvf_status st = run(c, kvf_rollback);
	char text[400], already[100];

	if (st || c->json || c->quiet)
		return st;
	if (c->report.control.prev && *c->report.app)
		snprintf(text, sizeof(text),
			 "rolled back: schema %llu \xe2\x86\x92 %llu, the generation before is "
			 "live again",
			 (unsigned long long)c->report.live,
			 (unsigned long long)c->report.schema);
	else if (c->report.control.prev)
		snprintf(text, sizeof(text),
			 "rolled back: the generation before is live again");
	else
		snprintf(text, sizeof(text),
			 "rolled back: the legacy tables are what counts, the old application "
			 "may run");
	snprintf(already, sizeof(already), "run %.60s has been rolled back",
		 c->report.already ? c->o.confirm : "");
	last_line(c, already, text);
	return KVF_OK;
}

enum kvf_status cli_run_cleanup(struct cli *c)
{
	enum kvf_status st = run(c, kvf_cleanup);

	if (st || c->json || c->quiet)
		return st;
	last_line(c, "there is nothing but the live data",
		  "cleaned up: only the live data are left");
	return KVF_OK;
}

enum kvf_status cli_run_drop_legacy(struct cli *c)
{
	enum kvf_status st = run(c, kvf_drop_legacy);

	if (st || c->json || c->quiet)
		return st;
	last_line(c, "the legacy tables are dropped",
		  "dropped: the legacy tables are gone, the store is all there is");
	return KVF_OK;
}
