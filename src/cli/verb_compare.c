/* verb_compare - verify and diff: are two places the same data? */
#include "cli/cli.h"

#include "cli/verbs.h"

#include <string.h>

static void amount(struct cli *c, const char *name, const struct kvf_totals *t)
{
	char place[600], number[32], size[32];

	cli_puts(c->out, cli_place(name, place, sizeof(place)));
	fprintf(c->out, ": %s %s, %s\n", cli_number(t->entries, number),
		cli_plural(t->entries, "entry", "entries"), cli_size(t->bytes, size));
}

static void whole_stream(struct cli *c)
{
	const struct kvf_tail *t = &c->report.tail;
	char number[32], size[32], hex[65], chunks[32];

	fprintf(c->out, "root    %s\n", cli_hex(t->r, 32, hex));
	fprintf(c->out, "%s%s: %s %s, %s, in %s %s%s%s\n", c->paint.green,
		c->o.quick ? "consistent, chunks not decoded" : "whole",
		cli_number(t->entries, number), cli_plural(t->entries, "entry", "entries"),
		cli_size(t->bytes, size), cli_number(t->chunks, chunks),
		cli_plural(t->chunks, "chunk", "chunks"),
		c->o.quick ? "" : ", every digest matches", c->paint.off);
}

static void verdict(struct cli *c, int equal, const char *how)
{
	const struct kvf_report *r = &c->report;
	char a[32], b[32], d[32];

	if (equal) {
		fprintf(c->out, "%sequal: %s %s, compared %s%s\n", c->paint.green,
			cli_number(r->left.entries, a),
			cli_plural(r->left.entries, "entry", "entries"), how, c->paint.off);
		return;
	}
	fprintf(c->out, "%sdifferent%s: compared %s", c->paint.red, c->paint.off, how);
	if (r->only_left || r->only_right || r->differ)
		fprintf(c->out,
			"; %s only in A (-), %s only in B (+), %s with other values (~)",
			cli_number(r->only_left, a), cli_number(r->only_right, b),
			cli_number(r->differ, d));
	fputc('\n', c->out);
}

static json_t *compare_json(struct cli *c, const char *how)
{
	const struct kvf_report *r = &c->report;
	json_t *o = cli_json_object(c);

	cli_json_set(c, o, "source", cli_json_text(c, r->source));
	cli_json_set(c, o, "target", cli_json_text(c, r->target));
	cli_json_set(c, o, "equal", json_boolean(r->equal));
	cli_json_set(c, o, "compared", cli_json_text(c, how));
	cli_json_set(c, o, "left", cli_totals_json(c, &r->left));
	cli_json_set(c, o, "right", cli_totals_json(c, &r->right));
	cli_json_set(c, o, "only_left", cli_json_u64(c, r->only_left));
	cli_json_set(c, o, "only_right", cli_json_u64(c, r->only_right));
	cli_json_set(c, o, "differ", cli_json_u64(c, r->differ));
	cli_json_set(c, o, "differences", cli_differences_json(c));
	return o;
}

static json_t *stream_json(struct cli *c)
{
	json_t *o = cli_report_json(c);

	cli_json_set(c, o, "quick", json_boolean(c->o.quick));
	return o;
}

static enum kvf_status prepare(struct cli *c)
{
	const struct cli_list *l = &c->operands;
	enum kvf_status st = cli_stream_in(c, l->list[0]);

	if (!st && l->n > 1 && strcmp(l->list[0], "-") == 0 && strcmp(l->list[1], "-") == 0)
		return kvf_fail(&c->err, KVF_EUSAGE, "only one of A and B can be '-'");
	if (!st && l->n > 1)
		st = cli_stream_in(c, l->list[1]);
	c->o.source = l->list[0];
	c->o.target = l->n > 1 ? l->list[1] : NULL;
	return st;
}

/* A difference is a result: it goes to stdout, and only the status tells. */
static enum kvf_status finish(struct cli *c, enum kvf_status st, const char *how)
{
	size_t i;
	int compared = st == KVF_OK || (st == KVF_EMISMATCH && c->o.target);

	cli_progress_clear(c->progress);
	for (i = 0; i < c->report.nwarnings; i++)
		cli_warn(c, c->report.warnings[i]);
	if (!compared)
		return st;
	if (c->json) {
		if (st && !c->err.status)
			kvf_fail(&c->err, st, "the two sides differ");
		c->result = c->o.target ? compare_json(c, how) : stream_json(c);
		return st;
	}
	kvf_err_clear(&c->err);
	if (!c->o.target) {
		if (!c->quiet)
			whole_stream(c);
		return st;
	}
	cli_differences_text(c);
	if (c->quiet)
		return st;
	if (c->verb->run == cli_run_verify) {
		amount(c, c->operands.list[0], &c->report.left);
		amount(c, c->operands.list[1], &c->report.right);
	}
	verdict(c, st == KVF_OK, how);
	return st;
}

enum kvf_status cli_run_verify(struct cli *c)
{
	enum kvf_status st = prepare(c);

	if (st)
		return st;
	st = kvf_verify(&c->o, &c->env, &c->report, &c->err);
	return finish(c, st, c->o.entries ? "entry by entry" : "by count, bytes and digest");
}

enum kvf_status cli_run_diff(struct cli *c)
{
	enum kvf_status st = prepare(c);

	if (st)
		return st;
	st = kvf_diff(&c->o, &c->env, &c->report, &c->err);
	return finish(c, st, "entry by entry");
}
