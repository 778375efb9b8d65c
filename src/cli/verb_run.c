/* verb_run - migrate, export, import, backup: the verbs that move data. */
#include "cli/cli.h"

#include "cli/verbs.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

typedef enum kvf_status run_fn(const struct kvf_options *o, const struct kvf_env *env,
			       struct kvf_report *report, struct kvf_err *err);

/* A stream on standard output: never to a terminal, and the report elsewhere. */
static enum kvf_status output_place(struct cli *c, const char *place)
{
	if (strcmp(place, "-") != 0 || c->o.dry_run)
		return KVF_OK;
	if (isatty(STDOUT_FILENO)) {
		kvf_fail(&c->err, KVF_EUSAGE,
			 "a stream is binary and does not go to a terminal");
		kvf_err_hint(&c->err, "name a file, or send it on: kvferry %s ... - | ...",
			     c->verb->name);
		return KVF_EUSAGE;
	}
	c->stream_on_stdout = 1;
	c->out = stderr;
	c->paint = c->paint_err;
	if (c->json) { /* the document is all that standard error gets */
		cli_progress_free(c->progress);
		c->progress = NULL;
		c->verbose = 0;
	}
	return KVF_OK;
}

/* The last line says what is true now, with the numbers that were proven. */
static void last_line(struct cli *c)
{
	const struct kvf_report *r = &c->report;
	char from[600], to[600], number[32], size[32];
	FILE *f = c->out;
	int publishes = c->verb->run == cli_run_migrate || c->verb->run == cli_run_import;
	uint64_t entries = publishes && r->right.entries ? r->right.entries : r->tail.entries;

	cli_place(c->operands.list[0], from, sizeof(from));
	cli_place(c->operands.list[1], to, sizeof(to));
	fprintf(f, "%s", c->paint.green);
	if (r->already) {
		fprintf(f, "nothing to do: %s holds exactly these data already%s\n", to,
			c->paint.off);
		return;
	}
	if (c->o.dry_run) {
		fprintf(f, "dry run: nothing was written to %s%s\n", to, c->paint.off);
		return;
	}
	cli_number(entries, number);
	if (!publishes) {
		fprintf(f, "%s%s: %s %s, %s, from ",
			c->verb->run == cli_run_backup ? "backed up" : "exported",
			r->partial ? " a selection" : "", number,
			cli_plural(entries, "entry", "entries"), cli_size(r->tail.bytes, size));
		cli_puts(f, from);
		fputs(" to ", f);
		cli_puts(f, strcmp(to, "-") == 0 ? "standard output" : to);
		fprintf(f, "%s\n", c->paint.off);
		return;
	}
	if (c->o.as_tables && c->o.formats) {
		fprintf(f, "restored: %s %s in %s %s of ", number,
			cli_plural(entries, "entry", "entries"), cli_number(r->nrecords, size),
			cli_plural(r->nrecords, "table", "tables"));
		cli_puts(f, to);
		fprintf(f, "%s%s\n",
			r->equal ? ", which give the same entries again"
				 : "; not all of them return, see the warnings",
			c->paint.off);
		return;
	}
	if (c->o.as_tables) {
		fprintf(f, "restored: %s %s of %s %s verified (count, bytes, digest) in ",
			number, cli_plural(entries, "row", "rows"),
			cli_number(r->nrecords, size),
			cli_plural(r->nrecords, "table", "tables"));
		cli_puts(f, to);
		fprintf(f, "%s\n", c->paint.off);
		return;
	}
	if (!r->published)
		fprintf(f, "not published: ");
	else if (r->partial)
		fprintf(f, "published a selection, version not bumped: ");
	else if (*r->app)
		fprintf(f, "published: schema %llu \xe2\x86\x92 %llu, ",
			(unsigned long long)(r->live ? r->live : r->from),
			(unsigned long long)r->schema);
	else
		fprintf(f, "published: ");
	fprintf(f, "%s %s %s in ", number, cli_plural(entries, "entry", "entries"),
		c->o.no_verify ? "NOT verified" : "verified (count, bytes, digest)");
	cli_puts(f, to);
	if (r->rejects_accepted)
		fputs(", without the rows that were rejected, as accepted", f);
	fprintf(f, "%s\n", c->paint.off);
}

static void warnings(struct cli *c)
{
	size_t i;

	for (i = 0; i < c->report.nwarnings; i++)
		cli_warn(c, c->report.warnings[i]);
}

static enum kvf_status run(struct cli *c, run_fn *fn)
{
	enum kvf_status st;

	c->o.source = fn == kvf_export || fn == kvf_migrate ? cli_source(c->operands.list[0])
							    : c->operands.list[0];
	c->o.target = c->operands.list[1];
	st = cli_again(c);
	if (st)
		return st;
	st = fn(&c->o, &c->env, &c->report, &c->err);
	cli_progress_clear(c->progress);
	warnings(c);
	if (st) {
		if (c->err.sys_errno == EEXIST && cli_verb_takes(c->verb, OPT_OVERWRITE))
			kvf_err_hint(&c->err,
				     "name another file; --overwrite replaces this one as "
				     "soon as the new one is complete");
		if (c->json && (c->report.merge.conflicts || c->report.has_rejects))
			c->result = cli_report_json(c);
		return st;
	}
	c->done_note = 1;
	if (c->json) {
		c->result = cli_report_json(c);
		return KVF_OK;
	}
	if (c->quiet)
		return KVF_OK;
	if (c->o.dry_run && c->report.nrecords) {
		st = cli_plan_text(c);
		cli_lost_text(c);
	} else if (!c->report.already && !c->o.dry_run)
		st = cli_report_text(c);
	if (st)
		return st;
	cli_checks_text(c);
	last_line(c);
	return KVF_OK;
}

enum kvf_status cli_run_migrate(struct cli *c)
{
	return run(c, kvf_migrate);
}

enum kvf_status cli_run_export(struct cli *c)
{
	enum kvf_status st = output_place(c, c->operands.list[1]);

	return st ? st : run(c, kvf_export);
}

enum kvf_status cli_run_import(struct cli *c)
{
	enum kvf_status st = cli_stream_in(c, c->operands.list[0]);

	if (!st && !c->o.as_tables && (c->o.ntables || c->o.nexclude_tables || c->o.nschemas)) {
		st = kvf_fail(&c->err, KVF_EUSAGE, "--%s chooses tables to restore",
			      c->o.ntables           ? "table"
			      : c->o.nexclude_tables ? "exclude-table"
						     : "schema");
		kvf_err_hint(&c->err, "It goes with --as tables; the store's table has the "
				      "option --table-name.");
	}
	return st ? st : run(c, kvf_import);
}

enum kvf_status cli_run_backup(struct cli *c)
{
	enum kvf_status st = output_place(c, c->operands.list[1]);

	return st ? st : run(c, kvf_backup);
}
