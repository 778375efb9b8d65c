/*
 * man - kvferry(1) in mdoc, made from the table: `kvferry __man` prints it,
 * docs/man/kvferry.1 keeps it, and a test compares the two.
 */
#include "cli/cli.h"

#include <string.h>

#define DATE "November 20, 2026"

/*
 * Running text in lines of at most 72 bytes, a new sentence on a new line.  A
 * backslash is escaped, a leading '.' or '\'' made harmless, and "-" kept a
 * hyphen-minus that can be copied.
 */
static void words(FILE *f, const char *s)
{
	size_t at = 0, len;

	while (*s) {
		len = strcspn(s, " ");
		if (at && at + 1 + len > 72) {
			fputc('\n', f);
			at = 0;
		}
		if (at)
			at += (size_t)fprintf(f, " ");
		else if (*s == '.' || *s == '\'')
			fputs("\\&", f);
		at += len;
		for (; len; len--, s++) {
			if (*s == '\\')
				fputs("\\e", f);
			else if (*s == '-')
				fputs("\\-", f);
			else
				fputc(*s, f);
		}
		/* mdoc wants a new sentence on a new line. */
		if ((s[-1] == '.' || s[-1] == '?') && *s == ' ') {
			fputc('\n', f);
			at = 0;
		}
		s += strspn(s, " ");
	}
	fputc('\n', f);
}

/* A literal line: a command to type. */
static void literal(FILE *f, const char *s)
{
	for (; *s; s++) {
		if (*s == '\\')
			fputs("\\e", f);
		else if (*s == '-')
			fputs("\\-", f);
		else
			fputc(*s, f);
	}
	fputc('\n', f);
}

/* An argument of a macro: words that mdoc would call macros, and punctuation,
 * are kept literal by quoting and a zero-width start. */
static void argument(FILE *f, const char *s)
{
	fputs("\"", f);
	if (strchr(".,:;()[]?!|-'", *s))
		fputs("\\&", f);
	for (; *s; s++) {
		if (*s == '"')
			fputs("\\(dq", f);
		else if (*s == '\\')
			fputs("\\e", f);
		else if (*s == '-')
			fputs("\\-", f);
		else
			fputc(*s, f);
	}
	fputs("\"", f);
}

static void option(FILE *f, const struct cli_option *o)
{
	fputs(".It ", f);
	if (o->letter)
		fprintf(f, "Fl %c , ", o->letter);
	fprintf(f, "Fl \\-%s", o->name);
	if (o->arg) {
		fputs(" Ar ", f);
		argument(f, o->arg);
	}
	fputc('\n', f);
	words(f, o->brief);
	if (o->more) {
		fputs(".Pp\n", f);
		words(f, o->more);
	}
}

static void examples(FILE *f, const struct cli_verb *v)
{
	const struct cli_example *e;

	fputs(".Bd -literal -offset indent\n", f);
	for (e = v->examples; e->command; e++)
		literal(f, e->command);
	fputs(".Ed\n", f);
}

static void verb(FILE *f, const struct cli_verb *v)
{
	const struct cli_operand *o;
	const char *const *text;
	size_t i, n = 0;

	fputs(".It Cm ", f);
	argument(f, v->name);
	for (o = v->operands; o->name; o++)
		fprintf(f, o->optional ? " Op Ar %s" : " Ar %s", o->name);
	fputc('\n', f);
	words(f, v->brief);
	for (text = v->text; text && *text; text++) {
		fputs(".Pp\n", f);
		words(f, *text);
	}
	for (i = 0; i < OPT_COUNT; i++) {
		if (!(v->options & OPT_BIT(i)))
			continue;
		fputs(n++ ? " ,\n" : ".Pp\nOptions:\n", f);
		fprintf(f, ".Fl \\-%s", cli_options[i].name);
	}
	if (n)
		fputs(" .\n", f);
	examples(f, v);
}

static void preamble(FILE *f)
{
	fputs(".\\\" Made from the table in src/cli by `kvferry __man`; do not edit.\n"
	      ".Dd " DATE "\n.Dt KVFERRY 1\n.Os\n.Sh NAME\n.Nm kvferry\n"
	      ".Nd move legacy tables into a key-value store, and prove it\n"
	      ".Sh SYNOPSIS\n.Nm\n.Ar verb\n.Op Ar option ...\n.Op Ar operand ...\n"
	      ".Sh DESCRIPTION\n.Nm\n"
	      "moves an installation's data out of its legacy relational tables into a\n"
	      "key\\-value store through one portable stream, and bumps the schema version "
	      "only\n"
	      "when the data are there and proven.\n"
	      "One stream serves the offline upgrade of an installation, backup and restore,\n"
	      "and moving data between environments.\n"
	      ".Pp\n"
	      "Options may stand before or after operands, as\n"
	      ".Fl \\-name Ns = Ns Ar value\nor\n.Fl \\-name Ar value ;\n"
	      ".Fl \\-\nends them.\n"
	      "A\n.Ar SIZE\nis a number of bytes, or a number followed by K, M, G or T.\n"
	      ".Pp\n"
	      "Results go to standard output, everything else to standard error.\n"
	      "A stream never goes to a terminal.\n"
	      "When a stream goes to standard output, the report goes to standard error.\n"
	      ".Ss Places\n"
	      ".Bl -tag -width \"tables:PLACE\"\n"
	      ".It Ar sqlite : Ns Ar PATH\n"
	      "a database: legacy tables, a store, or both\n"
	      ".It Ar tables : Ns Ar PLACE\n"
	      "its legacy tables, where a store would be read\n"
	      ".It Ar NAME.kvf\n"
	      "a stream in a file\n"
	      ".It \\-\n"
	      "a stream on standard input or output\n"
	      ".El\n",
	      f);
}

void cli_man(FILE *f)
{
	size_t i;

	preamble(f);
	fputs(".Sh VERBS\n.Bl -tag -width indent\n", f);
	for (i = 0; i < cli_nverbs; i++)
		verb(f, &cli_verbs[i]);
	fputs(".El\n.Sh OPTIONS\n.Bl -tag -width indent\n", f);
	for (i = 0; i < OPT_COUNT; i++)
		option(f, &cli_options[i]);
	fputs(".El\n.Sh ENVIRONMENT\n.Bl -tag -width NO_COLOR\n"
	      ".It Ev NO_COLOR\nwhen set and not empty, no colour unless\n"
	      ".Fl \\-color Ns = Ns Ar always\nis given\n"
	      ".It Ev TERM\n\\(lqdumb\\(rq means neither colour nor a redrawn line\n"
	      ".It Ev TMPDIR\nwhere sorting spills when the output is a pipe\n"
	      ".El\n.Sh EXIT STATUS\n.Bl -tag -width 130 -compact\n",
	      f);
	for (i = 0; i < cli_nexits; i++) {
		fprintf(f, ".It %d\n", cli_exits[i].status);
		words(f, cli_exits[i].meaning);
	}
	fputs(".El\n.Sh EXAMPLES\n"
	      "Look, then move every table of a legacy database into a store:\n"
	      ".Bd -literal -offset indent\n"
	      "kvferry plan sqlite:shop.db sqlite:store.db\n"
	      "kvferry migrate sqlite:shop.db sqlite:store.db\n"
	      "kvferry status sqlite:store.db\n"
	      ".Ed\n.Pp\n"
	      "The same by way of a file, and compare all three:\n"
	      ".Bd -literal -offset indent\n"
	      "kvferry export sqlite:shop.db shop.kvf\n"
	      "kvferry import shop.kvf sqlite:store.db\n"
	      "kvferry verify tables:sqlite:shop.db shop.kvf\n"
	      "kvferry diff shop.kvf sqlite:store.db\n"
	      ".Ed\n.Sh SEE ALSO\n.Xr sqlite3 1 ,\n.Xr zstd 1\n",
	      f);
}
