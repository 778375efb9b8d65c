/*
 * verb_status - where a store stands: one assessment, from which the three lines, the
 * word and the exit status come.
 *
 * What it says to type is a command as it stands; a remark follows behind a #.
 */
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

json_t *cli_facts_json(struct cli *c, const struct kvf_store_facts *f)
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
	cli_json_set(c, o, "started", cli_time_json(c, k->started));
	cli_json_set(c, o, "beat", cli_time_json(c, k->beat));
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

#define NEXT_SIZE 8000

struct standing {
	const char *word; /* "absent" "empty" "foreign" "busy" "unfinished" "live" */
	char now[2400];
	char old[1200]; /* may the old application run? */
	char next[NEXT_SIZE];
	enum kvf_status code; /* with --exit-code */
};

/* Behind a command: a remark that the shell takes for what it is. */
#define REMARK "  # "
#define TO_GIVE_UP "to give it up: kvferry abort "

/* The command that was typed last, or one with blanks to fill in: `otherwise`. */
static const char *typed_last(const struct kvf_report *r, const char *otherwise, char *buf,
			      size_t size)
{
	char from[800];

	if (!r->command)
		return otherwise;
	snprintf(buf, size, "%s%s", cli_again_from(r->folder, from, sizeof(from)), r->command);
	return buf;
}

static void untouched(struct standing *s, const struct kvf_report *r, const char *place)
{
	char number[48], command[NEXT_SIZE / 2], blank[700];

	s->code = KVF_PENDING;
	snprintf(s->old, sizeof(s->old),
		 "the old application may run; kvferry has changed nothing here");
	snprintf(blank, sizeof(blank), "kvferry migrate SOURCE %s", place);
	snprintf(s->next, sizeof(s->next), "%s",
		 typed_last(r, blank, command, sizeof(command)));
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
			 place, cli_entries(r->facts.entries, number, sizeof(number)));
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
}

static void unfinished_next(struct standing *s, const struct kvf_report *r, const char *place)
{
	char command[NEXT_SIZE / 2], blank[1500], source[600];

	if (*r->staged_of)
		snprintf(blank, sizeof(blank), "kvferry migrate %s%s %s",
			 *r->control.app ? "-f FORMATS " : "",
			 cli_typed(r->staged_of, source, sizeof(source)), place);
	else
		snprintf(blank, sizeof(blank), "kvferry import STREAM %s", place);
	typed_last(r, blank, command, sizeof(command));
	if (*r->rejects_pending)
		snprintf(s->next, sizeof(s->next),
			 "%s --accept-rejects %s" REMARK "publishes without the rejected rows; "
			 "once they are corrected, without that option; " TO_GIVE_UP "%s",
			 r->command ? command : blank, r->rejects_pending, place);
	else
		snprintf(s->next, sizeof(s->next), "%s" REMARK TO_GIVE_UP "%s",
			 r->command ? command : blank, place);
}

static void unfinished(struct standing *s, const struct kvf_report *r, const char *place)
{
	const struct kvf_control *k = &r->control;
	int alive = kvf_owner_alive(k);
	char time[40], number[48];
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
	if (k->active && !k->early && k->ver)
		snprintf(s->old, sizeof(s->old),
			 "the old application must not run: schema %llu is in the store, and "
			 "readers still see it",
			 (unsigned long long)k->ver);
	else
		snprintf(s->old, sizeof(s->old),
			 "the old application must not write until the run is finished or "
			 "aborted; its data are unchanged%s",
			 k->early    ? "; the version record in the store keeps the new one "
				       "from starting"
			 : k->active ? "; readers of the store still see what was live before"
				     : "");
	if (alive)
		snprintf(s->next, sizeof(s->next), "kvferry status %s" REMARK "wait for it",
			 place);
	else
		unfinished_next(s, r, place);
}

static void live(struct standing *s, const struct kvf_report *r, const char *place)
{
	const struct kvf_control *k = &r->control;
	char number[48], command[NEXT_SIZE / 2], blank[900];
	size_t n;

	s->word = "live";
	s->code = KVF_OK;
	if (k->app[0]) {
		snprintf(s->now, sizeof(s->now), "%s: schema %llu of %s is live, %s", place,
			 (unsigned long long)k->ver, k->app,
			 cli_entries(r->facts.entries, number, sizeof(number)));
		snprintf(s->old, sizeof(s->old),
			 "the old application must not run: schema %llu is in the store",
			 (unsigned long long)k->ver);
	} else {
		snprintf(s->now, sizeof(s->now), "%s: %s %s published, without an application",
			 place, cli_entries(r->facts.entries, number, sizeof(number)),
			 r->facts.entries == 1 ? "is" : "are");
		snprintf(s->old, sizeof(s->old),
			 "the old application may run: no version was bumped");
	}
	snprintf(s->next, sizeof(s->next), "kvferry history %s" REMARK "nothing to do", place);
	if (k->legacy != KVF_LEGACY_DROPPING)
		return;
	s->code = KVF_EUNFINISHED;
	n = strlen(s->now);
	snprintf(s->now + n, sizeof(s->now) - n,
		 "; to drop the legacy tables was begun, and not finished");
	snprintf(blank, sizeof(blank), "kvferry drop-legacy -f FORMATS SOURCE %s --confirm %s",
		 place, r->confirm);
	snprintf(s->next, sizeof(s->next), "%s",
		 typed_last(r, blank, command, sizeof(command)));
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
		 "kvferry backup %s FILE.kvf" REMARK
		 "when that program is stopped; then delete "
		 "all rows of the table, and give the same command again, or kvferry abort %s",
		 place, place);
}

/* Where the source is that refuses writes; "" = nowhere.  Who looked knows better than
 * what the store remembers. */
static const char *frozen_source(const struct cli *c)
{
	const struct kvf_report *r = &c->report;

	if (r->is_frozen)
		return r->frozen.place;
	return c->o.source ? "" : r->control.frozen;
}

/* Then it does not matter whether it may run. */
static void add_frozen(struct standing *s, const struct cli *c, const char *place)
{
	const struct kvf_report *r = &c->report;
	const char *source = frozen_source(c);
	char command[NEXT_SIZE / 2], word[600], to[700] = "";
	size_t n = strlen(s->now);

	if (!*source)
		return;
	snprintf(s->old, sizeof(s->old),
		 "the old application cannot write: its tables are frozen (%s)", source);
	if (r->has_control && r->control.state != KVF_RUN_IDLE)
		return;
	cli_typed(source, word, sizeof(word));
	if (!*r->control.frozen)
		snprintf(to, sizeof(to), " --source %s", word);
	if (!r->has_control)
		snprintf(s->now + n, sizeof(s->now) - n,
			 "; run %s has frozen the source, and not come here", r->frozen.run);
	snprintf(s->next, sizeof(s->next),
		 "kvferry abort %s%s" REMARK "lifts the freeze; to go on behind it: %s", place,
		 to, typed_last(r, "the same migrate again", command, sizeof(command)));
}

/* What is live is not all there was. */
static void add_rejects(struct standing *s, const struct kvf_report *r)
{
	size_t n = strlen(s->now);
	char number[32];

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
	switch (r->has_control ? r->control.state : KVF_RUN_IDLE) {
	case KVF_RUN_STAGING:
	case KVF_RUN_SEALED: unfinished(s, r, place); break;
	case KVF_RUN_LIVE: live(s, r, place); break;
	case KVF_RUN_IDLE: untouched(s, r, place); break;
	}
	add_intruder(s, r, place);
	add_frozen(s, c, place);
	add_rejects(s, r);
}

/* "OLD" ... "DONE" */
static const char *stands(const struct cli *c)
{
	const struct kvf_control *k = c->report.has_control ? &c->report.control : NULL;

	return kvf_outside_name(kvf_outside_state(k, *frozen_source(c) != '\0',
						  k && k->legacy == KVF_LEGACY_DROPPED));
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
	if (c->json) {
		c->result = cli_json_object(c);
		cli_json_set(c, c->result, "state", cli_json_text(c, s.word));
		cli_json_set(c, c->result, "stands", cli_json_text(c, stands(c)));
		cli_json_set(c, c->result, "now", cli_json_text(c, s.now));
		cli_json_set(c, c->result, "old_application", cli_json_text(c, s.old));
		cli_json_set(c, c->result, "next", cli_json_text(c, s.next));
		cli_json_set(c, c->result, "store", cli_facts_json(c, &c->report.facts));
		cli_json_set(c, c->result, "control",
			     c->report.has_control ? control_json(c, &c->report.control)
						   : json_null());
	} else {
		fprintf(c->out, "now   %s, ", stands(c));
		cli_puts(c->out, s.now);
		fputs("\nold   ", c->out);
		cli_puts(c->out, s.old);
		fputs("\nnext  ", c->out);
		cli_puts(c->out, s.next);
		fputc('\n', c->out);
	}
	return c->exit_code ? s.code : KVF_OK;
}
