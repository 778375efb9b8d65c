/* verb_store - plan, history: what would happen, and what has happened. */
#include "cli/cli.h"

#include "cli/verbs.h"

#include <stdlib.h>
#include <string.h>

static void warnings(struct cli *c)
{
	size_t i;

	cli_progress_clear(c->progress);
	for (i = 0; i < c->report.nwarnings; i++)
		cli_warn(c, c->report.warnings[i]);
}

/* ---- history ---------------------------------------------------------------------- */

struct history {
	struct cli *c;
	struct cli_grid grid;
	json_t *list;
	size_t rows;
};

static const char *or_dash(const char *s)
{
	return s && *s ? s : "-";
}

static void history_json(struct history *h, const struct kvf_ledger_row *row)
{
	struct cli *c = h->c;
	json_t *o = cli_json_object(c);
	json_t *doc = row->document ? cli_json_read(c, kvf_bytes_str(row->document)) : NULL;

	cli_json_set(c, o, "id", cli_json_u64(c, (uint64_t)row->id));
	cli_json_set(c, o, "at", cli_time_json(c, row->at));
	cli_json_set(c, o, "run", cli_json_text(c, row->run));
	cli_json_set(c, o, "event", cli_json_text(c, row->event));
	cli_json_set(c, o, "outcome", cli_json_text(c, row->outcome));
	cli_json_set(c, o, "who", cli_json_text(c, row->who));
	cli_json_set(c, o, "host", cli_json_text(c, row->host));
	cli_json_set(c, o, "tool", cli_json_text(c, row->tool));
	cli_json_set(c, o, "app", cli_json_text(c, row->app));
	cli_json_set(c, o, "from", cli_json_u64(c, row->from));
	cli_json_set(c, o, "to", cli_json_u64(c, row->to));
	cli_json_set(c, o, "document", doc ? doc : json_null());
	cli_json_add(c, h->list, o);
}

static const char *fact(json_t *doc, const char *name)
{
	const char *text = json_string_value(json_object_get(doc, name));

	return text ? text : "-";
}

/* abort, rollback, cleanup, drop-legacy: of which run, and how much. */
static void history_given_up(const struct kvf_ledger_row *row, json_t *doc, char *buf,
			     size_t size)
{
	if (strcmp(row->event, "abort") == 0)
		snprintf(buf, size, "of run %s", fact(doc, "run"));
	else if (strcmp(row->event, "rollback") == 0)
		snprintf(buf, size, "of run %s, to %s; %s later writes discarded",
			 fact(doc, "run"), fact(doc, "to"), fact(doc, "discarded"));
	else if (strcmp(row->event, "cleanup") == 0)
		snprintf(buf, size, "%s tables with %s entries", fact(doc, "generations"),
			 fact(doc, "entries"));
	else if (strcmp(row->event, "drop-legacy") == 0)
		snprintf(buf, size, "%s", fact(doc, "tables"));
}

/* Of what it was made, and what it found. */
static void history_begun(json_t *doc, char *buf, size_t size)
{
	const char *resumes = json_string_value(json_object_get(doc, "resumes"));
	const char *after = json_string_value(json_object_get(doc, "instead_of"));

	snprintf(buf, size, "of %s%s%s%s", fact(doc, "source"),
		 resumes ? "; goes on with run "
		 : after ? "; starts over after run "
			 : "",
		 resumes ? resumes
		 : after ? after
			 : "",
		 json_object_get(doc, "takeover") ? ", which was taken over" : "");
}

/* What the row's document says of the run, in a few words. */
static void history_what(struct cli *c, const struct kvf_ledger_row *row, char *buf,
			 size_t size)
{
	json_t *doc = row->document ? cli_json_read(c, kvf_bytes_str(row->document)) : NULL;
	json_t *flag;
	const char *entries = json_string_value(json_object_get(doc, "entries"));
	const char *message = json_string_value(json_object_get(doc, "message"));
	const char *remaining = json_string_value(json_object_get(doc, "remaining"));

	buf[0] = '\0';
	if (strcmp(or_dash(row->event), "begin") == 0) {
		history_begun(doc, buf, size);
	} else if (message) {
		snprintf(buf, size, "%s%s%s", message, remaining ? "; remaining: " : "",
			 remaining ? remaining : "");
	} else if (*row->event == 'a' || *row->event == 'r' || *row->event == 'c' ||
		   *row->event == 'd') {
		history_given_up(row, doc, buf, size);
	} else if (entries) {
		flag = json_object_get(doc, "verified");
		snprintf(buf, size, "%s %s%s%s%s", entries,
			 strcmp(entries, "1") == 0 ? "entry" : "entries",
			 json_is_false(flag)  ? ", not verified"
			 : json_is_true(flag) ? ", verified"
					      : "",
			 json_is_true(json_object_get(doc, "partial")) ? ", a selection" : "",
			 json_object_get(doc, "rejects") ? ", rejected rows accepted" : "");
	}
	json_decref(doc);
}

/* All that a row says, one fact a line: what the table has no room for. */
static void history_whole(struct cli *c, const struct kvf_ledger_row *row)
{
	json_t *doc = row->document ? cli_json_read(c, kvf_bytes_str(row->document)) : NULL;
	json_t *value;
	char time[40], *text;
	const char *name;

	fprintf(c->out, "%s%s  %s  %s%s\n", c->paint.bold, cli_time(row->at, time),
		or_dash(row->event), or_dash(row->outcome), c->paint.off);
	fprintf(c->out, "  run          %s\n  who          %s@%s, kvferry %s\n",
		or_dash(row->run), or_dash(row->who), or_dash(row->host), or_dash(row->tool));
	fprintf(c->out, "  schema       %llu \xe2\x86\x92 %llu of %s\n",
		(unsigned long long)row->from, (unsigned long long)row->to, or_dash(row->app));
	json_object_foreach(doc, name, value)
	{
		text = json_is_string(value)
			       ? NULL
			       : json_dumps(value,
					    JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
		fprintf(c->out, "  %-12s ", name);
		cli_puts(c->out, json_is_string(value) ? json_string_value(value)
				 : text                ? text
						       : "?");
		fputc('\n', c->out);
		free(text);
	}
	json_decref(doc);
}

static void history_row(void *ctx, const struct kvf_ledger_row *row)
{
	struct history *h = ctx;
	char time[40], what[900];

	h->rows++;
	if (h->c->json) {
		history_json(h, row);
		return;
	}
	if (h->c->verbose) {
		history_whole(h->c, row);
		return;
	}
	history_what(h->c, row, what, sizeof(what));
	if (h->c->json_bad)
		h->grid.bad = 1;
	cli_grid_add(&h->grid, "%s", cli_time(row->at, time));
	cli_grid_add(&h->grid, "%s", or_dash(row->event));
	cli_grid_add(&h->grid, "%s", or_dash(row->outcome));
	if (row->from || row->to)
		cli_grid_add(&h->grid, "%llu \xe2\x86\x92 %llu", (unsigned long long)row->from,
			     (unsigned long long)row->to);
	else
		cli_grid_add(&h->grid, "-");
	cli_grid_add(&h->grid, "%s@%s", or_dash(row->who), or_dash(row->host));
	cli_grid_add(&h->grid, "%s", or_dash(row->run));
	cli_grid_add(&h->grid, "%s", what);
}

enum kvf_status cli_run_history(struct cli *c)
{
	static const char *const titles[] = { "time", "event", "outcome", "schema",
					      "who",  "run",   "what" };
	struct history h = { .c = c };
	enum kvf_status st;
	size_t i;

	c->o.target = c->operands.list[0];
	if (c->json)
		h.list = cli_json_array(c);
	cli_grid_init(&h.grid, 7, 0);
	for (i = 0; i < 7; i++)
		cli_grid_add(&h.grid, "%s", titles[i]);
	st = kvf_history(&c->o, &c->env, history_row, &h, &c->err);
	cli_progress_clear(c->progress);
	if (c->json && !st) {
		c->result = cli_json_object(c);
		cli_json_set(c, c->result, "runs", json_incref(h.list));
	} else if (!st && h.rows && c->verbose) {
		/* printed as they came */
	} else if (!st && h.rows) {
		st = cli_grid_print(&h.grid, c->out, &c->paint, &c->err);
	} else if (!st && !c->quiet) {
		fprintf(c->out, "no runs yet\n");
	}
	json_decref(h.list);
	cli_grid_release(&h.grid);
	return st;
}

/* ---- plan --------------------------------------------------------------------------- */

static enum kvf_status plan_text(struct cli *c)
{
	const struct kvf_report *r = &c->report;
	char need[32], have[32], place[600], number[48];
	enum kvf_status st;

	fputs("source  ", c->out);
	cli_puts(c->out, r->source);
	if (r->is_frozen) {
		fputs(", frozen by run ", c->out);
		cli_puts(c->out, r->frozen.run);
	}
	fputs("\nstore   ", c->out);
	cli_puts(c->out,
		 *r->target ? r->target : cli_place(c->operands.list[1], place, sizeof(place)));
	if (!r->facts.exists)
		fputs(" (will be created)", c->out);
	else if (r->has_control && r->control.early)
		fputs(" (nothing is live in it yet)", c->out);
	else
		fprintf(c->out, " (holds %s)",
			cli_entries(r->facts.entries, number, sizeof(number)));
	if (r->in_place)
		fputs(", in place", c->out);
	if (*r->app)
		fprintf(c->out, "\nschema  %llu \xe2\x86\x92 %llu of %s",
			(unsigned long long)r->from, (unsigned long long)r->schema, r->app);
	fputs("\n\n", c->out);
	st = cli_plan_text(c);
	cli_checks_text(c);
	if (st)
		return st;
	fputc('\n', c->out);
	if (r->need_bytes != UINT64_MAX) {
		fprintf(c->out, "space   about %s needed", cli_size(r->need_bytes, need));
		if (r->free_bytes != UINT64_MAX)
			fprintf(c->out, ", %s free", cli_size(r->free_bytes, have));
		else if (*r->facts.where)
			fprintf(c->out, " in %s; what is free there the server does not tell",
				r->facts.where);
		fputc('\n', c->out);
	}
	if (*r->facts.needs)
		fprintf(c->out, "rights  the user has all that is needed: %s\n",
			r->facts.needs);
	if (r->already)
		fprintf(c->out,
			"%snothing to do: the store holds exactly these data already%s\n",
			c->paint.green, c->paint.off);
	else if (r->partial)
		fprintf(c->out,
			"migrate would publish a selection; no version would be bumped\n");
	else if (r->facts.entries && c->o.existing == KVF_EXISTING_REFUSE)
		fprintf(c->out,
			"nothing was written; migrate needs --replace or --merge, unless these "
			"data are in the store already\n");
	else
		fprintf(c->out, "nothing was written; nothing stands in the way of migrate\n");
	return KVF_OK;
}

enum kvf_status cli_run_plan(struct cli *c)
{
	enum kvf_status st;

	c->o.source = cli_source(c->operands.list[0]);
	c->o.target = c->operands.list[1];
	st = kvf_plan(&c->o, &c->env, &c->report, &c->err);
	warnings(c);
	if (st)
		return st;
	if (c->json) {
		c->result = cli_report_json(c);
		cli_json_set(c, c->result, "store", cli_facts_json(c, &c->report.facts));
		cli_json_set(c, c->result, "need_bytes",
			     c->report.need_bytes == UINT64_MAX
				     ? json_null()
				     : cli_json_u64(c, c->report.need_bytes));
	} else {
		st = plan_text(c);
	}
	if (!st && c->exit_code && !c->report.already)
		st = KVF_PENDING;
	return st;
}
