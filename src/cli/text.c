/* text - how numbers, times, places and tables look to people. */
#include "cli/cli.h"

#include "base/hash.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Length of the character at p, or 0 if it must not reach a terminal. */
static size_t printable(const char *p, size_t len)
{
	const uint8_t *u = (const uint8_t *)p;
	size_t n;

	if (u[0] < 0x80)
		return u[0] >= 0x20 && u[0] != 0x7f;
	n = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
	if (n > len || kvf_utf8_valid(p, n) != n)
		return 0;
	if (u[0] == 0xc2 && u[1] < 0xa0)
		return 0; /* C1 controls */
	if (u[0] == 0xe2 && ((u[1] == 0x80 && u[2] >= 0xaa && u[2] <= 0xae) ||
			     (u[1] == 0x81 && u[2] >= 0xa6 && u[2] <= 0xa9)))
		return 0; /* what turns the direction of writing */
	return n;
}

static void put_escaped(FILE *f, const char *s)
{
	size_t len = strlen(s), n, plain = 0;

	while (len) {
		n = printable(s + plain, len);
		if (n) {
			plain += n;
			len -= n;
			continue;
		}
		fwrite(s, 1, plain, f);
		fprintf(f, "\\x%02x", (unsigned)(uint8_t)s[plain]);
		s += plain + 1;
		plain = 0;
		len--;
	}
	fwrite(s, 1, plain, f);
}

void cli_puts(FILE *f, const char *s)
{
	char *copy;

	if (!strstr(s, "//") && !strcasestr(s, "password")) {
		put_escaped(f, s);
		return;
	}
	copy = strdup(s);
	if (copy) {
		kvf_text_redact(copy);
		put_escaped(f, copy);
	}
	free(copy);
}

const char *cli_number(uint64_t n, char buf[32])
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n), i, at = 0;

	for (i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			buf[at++] = ',';
		buf[at++] = digits[i];
	}
	buf[at] = '\0';
	return buf;
}

const char *cli_size(uint64_t bytes, char buf[32])
{
	static const char *const units[] = { "kB", "MB", "GB", "TB", "PB", "EB" };
	double v = (double)bytes / 1000;
	size_t u = 0;

	if (bytes < 1000) {
		snprintf(buf, 32, "%u B", (unsigned)bytes);
		return buf;
	}
	while (v >= 999.5 && u + 1 < sizeof(units) / sizeof(units[0])) {
		v /= 1000;
		u++;
	}
	snprintf(buf, 32, v < 9.95 ? "%.1f %s" : "%.0f %s", v, units[u]);
	return buf;
}

const char *cli_seconds(double s, char buf[32])
{
	unsigned long whole;

	if (!(s >= 0))
		s = 0;
	if (s < 0.9995) {
		snprintf(buf, 32, "%.0f ms", s * 1000);
	} else if (s < 9.95) {
		snprintf(buf, 32, "%.1f s", s);
	} else if (s < 119.5) {
		snprintf(buf, 32, "%.0f s", s);
	} else {
		whole = (unsigned long)(s + 0.5);
		if (whole < 7200)
			snprintf(buf, 32, "%lu min %02lu s", whole / 60, whole % 60);
		else
			snprintf(buf, 32, "%lu h %02lu min", whole / 3600, whole / 60 % 60);
	}
	return buf;
}

const char *cli_time(int64_t us, char buf[40])
{
	time_t t = (time_t)(us / 1000000);
	struct tm tm;

	if (us <= 0 || !gmtime_r(&t, &tm) || !strftime(buf, 40, "%Y-%m-%d %H:%M:%S UTC", &tm))
		snprintf(buf, 40, "-");
	return buf;
}

const char *cli_plural(uint64_t n, const char *one, const char *many)
{
	return n == 1 ? one : many;
}

const char *cli_entries(uint64_t n, char *buf, size_t size)
{
	char number[32];

	if (n == UINT64_MAX)
		return "entries that this user may not read";
	snprintf(buf, size, "%s %s", cli_number(n, number), cli_plural(n, "entry", "entries"));
	return buf;
}

const char *cli_source(const char *place)
{
	return strncmp(place, "tables:", 7) == 0 ? place + 7 : place;
}

const char *cli_place(const char *text, char *buf, size_t size)
{
	snprintf(buf, size, "%s", text ? text : "-");
	kvf_text_redact(buf);
	return buf;
}

const char *cli_typed(const char *text, char *buf, size_t size)
{
	char whole[600];

	return kvf_text_word(cli_place(text, whole, sizeof(whole)), buf, size);
}

const char *cli_hex(const uint8_t *bytes, size_t len, char *buf)
{
	kvf_hex(bytes, len, buf);
	return buf;
}

struct cli_paint cli_paint_for(const struct cli *c, FILE *f)
{
	static const struct cli_paint none = { "", "", "", "", "", "" };
	static const struct cli_paint ansi = { "\033[1m",  "\033[31m", "\033[32m",
					       "\033[33m", "\033[2m",  "\033[0m" };
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	if (c->color && strcmp(c->color, "always") == 0)
		return ansi;
	if (c->color && strcmp(c->color, "never") == 0)
		return none;
	if ((no_color && *no_color) || !term || !*term || strcmp(term, "dumb") == 0 ||
	    !isatty(fileno(f)))
		return none;
	return ansi;
}

void cli_wrap(FILE *f, const char *text, int indent, int width)
{
	int at = 0;

	while (*text) {
		size_t len = strcspn(text, " ");

		if (at && at + 1 + (int)len > width) {
			fputc('\n', f);
			at = 0;
		}
		if (at)
			at += fprintf(f, " ");
		else
			at = fprintf(f, "%*s", indent, "");
		at += (int)fwrite(text, 1, len, f);
		text += len;
		text += strspn(text, " ");
	}
	fputc('\n', f);
}

/* Columns on a terminal as put_escaped() fills them.  Wide ones count as one. */
static size_t width_of(const char *s)
{
	size_t len = strlen(s), width = 0, n;

	while (len) {
		n = printable(s, len);
		width += n ? 1 : strlen("\\x00");
		n += !n;
		s += n;
		len -= n;
	}
	return width;
}

void cli_grid_init(struct cli_grid *g, unsigned columns, unsigned right)
{
	memset(g, 0, sizeof(*g));
	g->columns = columns;
	g->right = right;
}

void cli_grid_add(struct cli_grid *g, const char *fmt, ...)
{
	va_list ap;

	if (g->n == g->size) {
		size_t size = g->size ? 2 * g->size : 64;
		char **cells = realloc(g->cells, size * sizeof(*cells));

		if (!cells) {
			g->bad = 1;
			return;
		}
		g->cells = cells;
		g->size = size;
	}
	va_start(ap, fmt);
	if (vasprintf(&g->cells[g->n], fmt, ap) < 0)
		g->bad = 1;
	else
		g->n++;
	va_end(ap);
}

enum kvf_status cli_grid_print(struct cli_grid *g, FILE *f, const struct cli_paint *p,
			       struct kvf_err *err)
{
	size_t width[16] = { 0 }, i, w, pad;
	unsigned col;

	if (g->bad)
		return kvf_fail_nomem(err);
	for (i = 0; i < g->n; i++) {
		w = width_of(g->cells[i]);
		if (w > width[i % g->columns])
			width[i % g->columns] = w;
	}
	for (i = 0; i < g->n; i++) {
		col = (unsigned)(i % g->columns);
		if (i == 0)
			fputs(p->bold, f);
		pad = width[col] - width_of(g->cells[i]);
		if (g->right & 1u << col)
			fprintf(f, "%*s", (int)pad, "");
		cli_puts(f, g->cells[i]);
		if (col + 1 < g->columns) {
			if (!(g->right & 1u << col))
				fprintf(f, "%*s", (int)pad, "");
			fputs("  ", f);
		} else {
			if (i + 1 == g->columns)
				fputs(p->off, f);
			fputc('\n', f);
		}
	}
	return KVF_OK;
}

void cli_grid_release(struct cli_grid *g)
{
	size_t i;

	for (i = 0; i < g->n; i++)
		free(g->cells[i]);
	free(g->cells);
	memset(g, 0, sizeof(*g));
}
