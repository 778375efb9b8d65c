/* verb_store - plan, status, history: where things stand, and what comes next. */
#include "cli/cli.h"

#include "cli/verbs.h"

#include <string.h>

static void warnings(struct cli *c)
{
	size_t i;

	cli_progress_clear(c->progress);
	for (i = 0; i < c->report.nwarnings; i++)
		cli_warn(c, c->report.warnings[i]);
}

/* ---- the control row as JSON ------------------------------------------------ */

static json_t *time_json(struct cli *c, int64_t us)
{
	char text[40];

	return us ? cli_json_text(c, cli_time(us, text)) : json_null();
}

/* "1 entry", "7 entries", or why nobody can tell. */
static const char *entries_text(uint64_t n, char *buf, size_t size)
{
	char number[32];

	if (n == UINT64_MAX)
		return "entries that this user may not read";
	snprintf(buf, size, "%s %s", cli_number(n, number), cli_plural(n, "entry", "entries"));
	return buf;
}

static json_t *facts_json(struct cli *c, const struct kvf_store_facts *f)
{
	json_t *o = cli_json_object(c);

	cli_json_set(c, o, "exists", json_boolean(f->exists));
	cli_json_set(c, o, "has_table", json_boolean(f->has_table));
	cli_json_set(c, o, "has_control", json_boolean(f->has_control));
	cli_json_set(c, o, "entries",
		     f->entries == UINT64_MAX ? json_null() : cli_json_u64(c, f->entries));
	cli_json_set(c, o, "size", cli_json_u64(c, f->size));
	cli_json_set(c, o, "free",
		     f->free == UINT64_MAX ? json_null() : cli_json_u64(c, f->free));
	cli_json_set(c, o, "where", cli_json_text(c, f->where));
	cli_json_set(c, o, "writable", json_boolean(f->writable));
	cli_json_set(c, o, "needs", cli_json_text(c, f->needs));
	cli_json_set(c, o, "blocker", cli_json_text(c, f->blocker));
	cli_json_set(c, o, "intruder", cli_json_text(c, f->intruder));
	return o;
}

static const char *const legacy_names[] = { "kept", "dropping", "dropped" };

static const char *const early_names[] = { "none", "table", "record" };

static json_t *control_json(struct cli *c, const struct kvf_control *k)
{
	json_t *o = cli_json_object(c);

	cli_json_set(c, o, "epoch", cli_json_u64(c, k->epoch));
	cli_json_set(c, o, "state", cli_json_text(c, kvf_run_state_name(k->state)));
	cli_json_set(c, o, "schema", cli_json_u64(c, k->ver));
	cli_json_set(c, o, "app", cli_json_text(c, k->app));
	cli_json_set(c, o, "run", cli_json_text(c, k->run));
	cli_json_set(c, o, "host", cli_json_text(c, k->host));
	cli_json_set(c, o, "pid", cli_json_u64(c, (uint64_t)k->pid));
	cli_json_set(c, o, "started", time_json(c, k->started));
	cli_json_set(c, o, "beat", time_json(c, k->beat));
	cli_json_set(c, o, "lease", cli_json_u64(c, k->lease));
	cli_json_set(c, o, "step", cli_json_text(c, k->step));
	cli_json_set(c, o, "chunks", cli_json_u64(c, c->report.resumed));
	cli_json_set(c, o, "root",
		     k->has_root ? cli_json_hex(c, k->root, sizeof(k->root)) : json_null());
	cli_json_set(c, o, "totals", cli_totals_json(c, &k->totals));
	cli_json_set(c, o, "why", cli_json_text(c, k->why));
	cli_json_set(c, o, "way_back",
		     json_boolean(k->state == KVF_RUN_LIVE && (k->prev || k->prev_legacy)));
	cli_json_set(c, o, "legacy", cli_json_text(c, legacy_names[k->legacy]));
	cli_json_set(c, o, "early", cli_json_text(c, early_names[k->early]));
	cli_json_set(c, o, "frozen", *k->frozen ? cli_json_text(c, k->frozen) : json_null());
	return o;
}

/* ---- status ------------------------------------------------------------------- */

/* One assessment, from which the three lines, the word and the exit status come. */
struct standing {
	const char *word; /* "absent" "empty" "foreign" "busy" "unfinished" "live" */
	char now[900];
	char old[900]; /* may the old application run? */
	char next[1800];
	enum kvf_status code; /* with --exit-code */
};

static void untouched(struct standing *s, const struct kvf_report *r, const char *place)
{
	char number[48], source[600];

	s->code = KVF_PENDING;
	snprintf(s->old, sizeof(s->old),
		 "the old application may run; kvferry has changed nothing");
	snprintf(s->next, sizeof(s->next), "kvferry migrate SOURCE %s", place);
	if (!r->facts.exists) {
		s->word = "absent";
		snprintf(s->now, sizeof(s->now), "%s: there is no database", place);
	} else if (r->has_control && r->control.early && !*r->facts.intruder) {
		s->word = "empty";
		snprintf(s->now, sizeof(s->now),
			 "%s: nothing is published; its version record keeps the new "
			 "application from starting ('kvferry abort %s' takes it away)",
			 place, place);
	} else if (r->facts.has_table && r->facts.entries) {
		s->word = "foreign";
		snprintf(s->now, sizeof(s->now), "%s: holds %s that kvferry did not write",
			 place, entries_text(r->facts.entries, number, sizeof(number)));
		snprintf(s->next, sizeof(s->next), "kvferry backup %s FILE.kvf", place);
	} else {
		s->word = "empty";
		snprintf(s->now, sizeof(s->now), "%s: nothing %s", place,
			 r->has_control ? "is live here; kvferry history tells why"
					: "was published here yet");
	}
	if (r->has_control)
		snprintf(s->old, sizeof(s->old),
			 "the old application may run: its own data are what counts");
	if (*r->control.frozen)
		snprintf(s->next, sizeof(s->next),
			 "kvferry abort %s lifts the freeze; kvferry migrate %s %s goes on "
			 "behind it",
			 place, cli_typed(r->control.frozen, source, sizeof(source)), place);
}

static void unfinished(struct standing *s, const struct kvf_report *r, const char *place)
{
	const struct kvf_control *k = &r->control;
	int alive = kvf_owner_alive(k);
	char time[40], number[32], source[600];
	int n;

	s->word = alive ? "busy" : "unfinished";
	s->code = alive ? KVF_EBUSY : KVF_EUNFINISHED;
	n = snprintf(s->now, sizeof(s->now), "%s: run %s (process %lld on %s, begun %s) %s",
		     place, k->run, (long long)k->pid, k->host, cli_time(k->started, time),
		     alive ? "is at work" : "has ended unfinished");
	if (n > 0 && (size_t)n < sizeof(s->now) && alive)
		n += snprintf(s->now + n, sizeof(s->now) - (size_t)n,
			      " (step %s, last sign of life %s)", k->step,
			      cli_time(k->beat, time));
	else if (n > 0 && (size_t)n < sizeof(s->now) && k->why[0])
		n += snprintf(s->now + n, sizeof(s->now) - (size_t)n, ": %s", k->why);
	if (n > 0 && (size_t)n < sizeof(s->now) && r->resumed)
		snprintf(s->now + n, sizeof(s->now) - (size_t)n, "; %s %s in its stage",
			 cli_number(r->resumed, number),
			 cli_plural(r->resumed, "chunk is", "chunks are"));
	if (k->active && !k->early)
		snprintf(s->old, sizeof(s->old),
			 "readers still see what was live before, schema %llu",
			 (unsigned long long)k->ver);
	else
		snprintf(s->old, sizeof(s->old),
			 "the old application must not write until the run is finished or "
			 "aborted; its data are unchanged%s",
			 k->early ? "; the version record in the store keeps the new one from "
				    "starting"
				  : "");
	if (alive)
		snprintf(s->next, sizeof(s->next), "wait for it; kvferry status %s", place);
	else if (*r->staged_of)
		snprintf(s->next, sizeof(s->next),
			 "the same command again: kvferry migrate %s%s %s; to give it up: "
			 "kvferry abort %s",
			 *k->app ? "-f FORMATS " : "",
			 cli_typed(r->staged_of, source, sizeof(source)), place, place);
	else
		snprintf(s->next, sizeof(s->next),
			 "the same command again: kvferry import STREAM %s; to give it up: "
			 "kvferry abort %s",
			 place, place);
}

static void live(struct standing *s, const struct kvf_report *r, const char *place)
{
	const struct kvf_control *k = &r->control;
	char number[48];
	size_t n;

	s->word = "live";
	s->code = KVF_OK;
	if (k->app[0]) {
		snprintf(s->now, sizeof(s->now), "%s: schema %llu of %s is live, %s", place,
			 (unsigned long long)k->ver, k->app,
			 entries_text(r->facts.entries, number, sizeof(number)));
		snprintf(s->old, sizeof(s->old),
			 "the old application must not run: schema %llu is in the store",
			 (unsigned long long)k->ver);
	} else {
		snprintf(s->now, sizeof(s->now), "%s: %s %s published, without an application",
			 place, entries_text(r->facts.entries, number, sizeof(number)),
			 r->facts.entries == 1 ? "is" : "are");
		snprintf(s->old, sizeof(s->old),
			 "the old application may run: no version was bumped");
	}
	snprintf(s->next, sizeof(s->next), "nothing to do; kvferry history %s", place);
	if (k->legacy != KVF_LEGACY_DROPPING)
		return;
	s->code = KVF_EUNFINISHED;
	n = strlen(s->now);
	snprintf(s->now + n, sizeof(s->now) - n,
		 "; to drop the legacy tables was begun, and not finished");
	snprintf(s->next, sizeof(s->next),
		 "kvferry drop-legacy -f FORMATS SOURCE %s --confirm %s", place, r->confirm);
}

/* Somebody did not mind the record that keeps everybody away. */
static void add_intruder(struct standing *s, const struct kvf_report *r, const char *place)
{
	size_t n = strlen(s->now);

	if (!*r->facts.intruder)
		return;
	snprintf(s->now + n, sizeof(s->now) - n, "; somebody has written to the store: %s",
		 r->facts.intruder);
	snprintf(s->next, sizeof(s->next),
		 "stop that program; kvferry backup %s FILE.kvf; then delete all rows of the "
		 "table, and give the same command again, or kvferry abort %s",
		 place, place);
}

/* Then it does not matter whether it may run. */
static void add_frozen(struct standing *s, const struct kvf_control *k)
{
	if (*k->frozen)
		snprintf(s->old, sizeof(s->old),
			 "the old application cannot write: its tables are frozen (%s)",
			 k->frozen);
}

/* What is live is not all there was. */
static void add_rejects(struct standing *s, const struct kvf_report *r)
{
	size_t n = strlen(s->now);
	char number[48];

	if (r->has_rejects && r->rejects)
		snprintf(s->now + n, sizeof(s->now) - n,
			 "; %s rejected %s missing, as accepted (%.64s)",
			 cli_number(r->rejects, number),
			 cli_plural(r->rejects, "row is", "rows are"), r->rejects_by_reason);
	else if (r->has_rejects)
		snprintf(s->now + n, sizeof(s->now) - n,
			 "; rejected rows are missing, as accepted (%.64s)",
			 r->rejects_by_reason);
}

static void assess(struct cli *c, struct standing *s)
{
	const struct kvf_report *r = &c->report;
	char place[512];

	memset(s, 0, sizeof(*s));
	cli_typed(c->operands.list[0], place, sizeof(place));
	if (!r->has_control) {
		untouched(s, r, place);
		return;
	}
	switch (r->control.state) {
	case KVF_RUN_STAGING:
	case KVF_RUN_SEALED: unfinished(s, r, place); break;
	case KVF_RUN_LIVE: live(s, r, place); break;
	case KVF_RUN_IDLE: untouched(s, r, place); break;
	}
	add_intruder(s, r, place);
}

/* "OLD" ... "DONE" */
static const char *stands(const struct kvf_report *r)
{
	const struct kvf_control *k = r->has_control ? &r->control : NULL;

	return kvf_outside_name(
		kvf_outside_state(k, k && *k->frozen, k && k->legacy == KVF_LEGACY_DROPPED));
}

enum kvf_status cli_run_status(struct cli *c)
{
	struct standing s;
	enum kvf_status st;

	c->o.target = c->operands.list[0];
	st = kvf_store_status(&c->o, &c->env, &c->report, &c->err);
	warnings(c);
	if (st)
		return st;
	assess(c, &s);
	add_frozen(&s, &c->report.control);
	add_rejects(&s, &c->report);
	if (c->json) {
		c->result = cli_json_object(c);
		cli_json_set(c, c->result, "state", cli_json_text(c, s.word));
		cli_json_set(c, c->result, "stands", cli_json_text(c, stands(&c->report)));
		cli_json_set(c, c->result, "now", cli_json_text(c, s.now));
		cli_json_set(c, c->result, "old_application", cli_json_text(c, s.old));
		cli_json_set(c, c->result, "next", cli_json_text(c, s.next));
		cli_json_set(c, c->result, "store", facts_json(c, &c->report.facts));
		cli_json_set(c, c->result, "control",
			     c->report.has_control ? control_json(c, &c->report.control)
						   : json_null());
	} else {
		fprintf(c->out, "now   %s, ", stands(&c->report));
		cli_puts(c->out, s.now);
		fputs("\nold   ", c->out);
		cli_puts(c->out, s.old);
		fputs("\nnext  ", c->out);
		cli_puts(c->out, s.next);
		fputc('\n', c->out);
	}
	return c->exit_code ? s.code : KVF_OK;
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
	cli_json_set(c, o, "at", time_json(c, row->at));
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
		snprintf(buf, size, "%s entries%s%s%s", entries,
			 json_is_false(flag)  ? ", not verified"
			 : json_is_true(flag) ? ", verified"
					      : "",
			 json_is_true(json_object_get(doc, "partial")) ? ", a selection" : "",
			 json_object_get(doc, "rejects") ? ", rejected rows accepted" : "");
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
	char need[32], have[32], place[600], number[32];
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
			entries_text(r->facts.entries, number, sizeof(number)));
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
		cli_json_set(c, c->result, "store", facts_json(c, &c->report.facts));
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
