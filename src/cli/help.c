/* help - the verbs and options as text, made from the table. */
#include "cli/cli.h"

#include "base/text.h"

#include <string.h>

#define WIDTH 78

const char *cli_verb_near(const char *word)
{
	const char *names[64];
	size_t i;

	for (i = 0; i < cli_nverbs; i++)
		names[i] = cli_verbs[i].name;
	return kvf_did_you_mean(word, names, cli_nverbs);
}

static void operands(const struct cli_verb *v, char *buf, size_t size)
{
	const struct cli_operand *o;
	int n = snprintf(buf, size, "%s", v->name);

	for (o = v->operands; o->name && n > 0 && (size_t)n < size; o++)
		n += snprintf(buf + n, size - (size_t)n, o->optional ? " [%s]" : " %s",
			      o->name);
}

void cli_help(FILE *f, const struct cli_paint *p)
{
	char text[80];
	size_t i;

	fprintf(f,
		"%skvferry%s moves legacy relational tables into a key-value store through "
		"one\n"
		"portable stream, proves that all is there, and only then bumps the "
		"version.\n\n"
		"%sUsage:%s kvferry VERB [OPTION...] OPERAND...\n\n%sVerbs%s\n",
		p->bold, p->off, p->bold, p->off, p->bold, p->off);
	for (i = 0; i < cli_nverbs; i++) {
		operands(&cli_verbs[i], text, sizeof(text));
		if (strlen(text) > 24)
			fprintf(f, "  %s\n  %-24s  %s\n", text, "", cli_verbs[i].brief);
		else
			fprintf(f, "  %-24s  %s\n", text, cli_verbs[i].brief);
	}
	fprintf(f,
		"\n%sPlaces%s\n"
		"  sqlite:PATH     a database: legacy tables, a store, or both\n"
		"  postgresql://HOST/DB, service=NAME, 'host=HOST dbname=DB' ...\n"
		"                  the same on a server: any connection string of libpq\n"
		"  cockroachdb://HOST/DB\n"
		"                  the same by the rules of CockroachDB\n"
		"  tables:PLACE    its legacy tables, where a store would be read\n"
		"  NAME.kvf        a stream in a file\n"
		"  -               a stream on standard input or output\n"
		"\n%sExit status%s\n",
		p->bold, p->off, p->bold, p->off);
	for (i = 0; i < cli_nexits; i++)
		fprintf(f, "  %3d  %s\n", cli_exits[i].status, cli_exits[i].meaning);
	fprintf(f, "\n'kvferry help VERB' has the options and examples of a verb.\n");
}

static void option(FILE *f, const struct cli_option *o)
{
	char left[64];
	int n;

	n = o->letter ? snprintf(left, sizeof(left), "-%c, --%s", o->letter, o->name)
		      : snprintf(left, sizeof(left), "    --%s", o->name);
	if (o->arg)
		snprintf(left + n, sizeof(left) - (size_t)n, " %s", o->arg);
	fprintf(f, "  %s\n", left);
	cli_wrap(f, o->brief, 10, WIDTH);
	if (o->more)
		cli_wrap(f, o->more, 10, WIDTH);
}

static void exits(FILE *f, const struct cli_verb *v)
{
	const char *s = v->exits;
	size_t i;
	int status, n;

	while (sscanf(s, "%d%n", &status, &n) == 1) {
		for (i = 0; i < cli_nexits; i++)
			if (cli_exits[i].status == status)
				fprintf(f, "  %3d  %s\n", status, cli_exits[i].meaning);
		s += n;
	}
}

void cli_help_verb(FILE *f, const struct cli_paint *p, const struct cli_verb *v)
{
	const struct cli_example *e;
	const char *const *text;
	char usage[160];
	size_t i;

	cli_verb_usage(v, usage, sizeof(usage));
	fprintf(f, "%skvferry %s%s: %s\n\n%sUsage:%s %s\n", p->bold, v->name, p->off, v->brief,
		p->bold, p->off, usage);
	for (text = v->text; text && *text; text++) {
		fputc('\n', f);
		cli_wrap(f, *text, 0, WIDTH);
	}
	fprintf(f, "\n%sExamples%s\n", p->bold, p->off);
	for (e = v->examples; e->command; e++)
		fprintf(f, "  %s\n          %s\n", e->command, e->what);
	if (v->options) {
		fprintf(f, "\n%sOptions%s\n", p->bold, p->off);
		for (i = 0; i < OPT_COUNT; i++)
			if (v->options & OPT_BIT(i))
				option(f, &cli_options[i]);
	}
	fprintf(f, "\n%sOptions of every verb%s\n", p->bold, p->off);
	for (i = 0; i < OPT_COUNT; i++)
		if (cli_common_options & OPT_BIT(i))
			option(f, &cli_options[i]);
	fprintf(f, "\n%sExit status%s (all: 'kvferry help')\n", p->bold, p->off);
	exits(f, v);
}
