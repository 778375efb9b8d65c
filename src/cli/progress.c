/*
 * progress - how far a run has come: one redrawn line on a terminal, a plain
 * line now and then elsewhere, at most ten a second.
 */
#include "cli/cli.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REDRAW 0.1      /* seconds between two drawings on a terminal */
#define SILENCE 10.0    /* a plain line at least that often ... */
#define TENTH_AFTER 2.0 /* ... and at each tenth, but not of short runs */

struct cli_progress {
	const struct cli *c;
	int terminal;
	int drawn; /* a line stands on the terminal */
	double begun, step_begun, told;
	unsigned index; /* the step that is under way */
	unsigned tenth; /* last tenth that was told */
};

enum kvf_status cli_progress_new(struct cli *c)
{
	const char *term = getenv("TERM");

	c->progress = calloc(1, sizeof(*c->progress));
	if (!c->progress)
		return kvf_fail_nomem(&c->err);
	c->progress->c = c;
	c->progress->terminal =
		isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
	c->progress->begun = c->progress->told = kvf_monotonic();
	return KVF_OK;
}

static unsigned percent(const struct kvf_progress *p)
{
	double share;

	if (!p->total)
		return 0;
	share = 100.0 * (double)p->entries / (double)p->total;
	/* Only what is done is 100 %, and an estimate may be too small. */
	return share >= 99 ? (p->entries >= p->total && !p->estimate ? 100 : 99)
			   : (unsigned)share;
}

static void line(const struct cli_progress *g, const struct kvf_progress *p, double now,
		 char *buf, size_t size)
{
	double spent = now - g->step_begun;
	char number[32], text[32], name[128];
	size_t at = 0;

#define ADD(...)                                                                               \
	do {                                                                                   \
		int n_ = snprintf(buf + at, size - at, __VA_ARGS__);                           \
		at += n_ < 0 ? 0 : (size_t)n_ < size - at ? (size_t)n_ : size - at - 1;        \
	} while (0)
	if (p->steps)
		ADD("[%u/%u] ", p->index, p->steps);
	ADD("%s", p->step ? p->step : "");
	if (p->what && *p->what)
		ADD(" %s", kvf_bytes_print(kvf_bytes_str(p->what), name, sizeof(name)));
	ADD("  %s", cli_number(p->entries, number));
	if (p->total)
		ADD(" of %s%s", p->estimate ? "~" : "", cli_number(p->total, number));
	ADD(" %s", cli_plural(p->total ? p->total : p->entries, "entry", "entries"));
	if (p->total)
		ADD("  %u %%", percent(p));
	if (spent > 0.5 && p->bytes)
		ADD("  %s/s", cli_size((uint64_t)((double)p->bytes / spent), text));
	if (spent > 1 && p->total && p->entries && p->entries < p->total)
		ADD("  %s%s left", p->estimate ? "~" : "",
		    cli_seconds(spent * (double)(p->total - p->entries) / (double)p->entries,
				text));
#undef ADD
}

static void draw(struct cli_progress *g, const char *text)
{
	struct winsize w;
	size_t columns = 80, len = strlen(text);

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1)
		columns = w.ws_col;
	if (len > columns - 1) /* a wrapped line could not be redrawn */
		len = kvf_utf8_valid(text, columns - 1);
	fprintf(stderr, "\r\033[K%.*s", (int)len, text);
	fflush(stderr);
	g->drawn = 1;
}

/* Is it time for a plain line? */
static int plain_due(struct cli_progress *g, const struct kvf_progress *p, double now)
{
	unsigned tenth = percent(p) / 10;
	int due = now - g->told >= SILENCE;

	if (tenth > g->tenth) {
		g->tenth = tenth;
		due |= now - g->begun >= TENTH_AFTER && now - g->told >= 1;
	}
	return due;
}

void cli_progress_update(void *ctx, const struct kvf_progress *p)
{
	struct cli *c = ctx;
	struct cli_progress *g = c->progress;
	double now = kvf_monotonic();
	char text[512];

	if (!g)
		return;
	if (p->index != g->index) {
		g->index = p->index;
		g->tenth = 0;
		g->step_begun = now;
	}
	if (g->terminal ? now - g->told < REDRAW && g->drawn : !plain_due(g, p, now))
		return;
	g->told = now;
	line(g, p, now, text, sizeof(text));
	if (g->terminal)
		draw(g, text);
	else
		fprintf(stderr, "kvferry: %s\n", text);
}

void cli_progress_clear(struct cli_progress *g)
{
	if (!g || !g->drawn)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	g->drawn = 0;
}

void cli_progress_free(struct cli_progress *g)
{
	cli_progress_clear(g);
	free(g);
}
