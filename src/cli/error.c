/* error - errors, warnings and the log, told once. */
#include "cli/cli.h"

#include <string.h>

static FILE *begin(struct cli *c)
{
	cli_progress_clear(c->progress);
	return stderr;
}

void cli_tell_error(struct cli *c)
{
	const struct cli_paint *p = &c->paint_err;
	const struct kvf_err *e = &c->err;
	FILE *f = begin(c);
	const char *line, *end;

	fprintf(f, "%skvferry:%s ", p->red, p->off);
	cli_puts(f, e->message[0] ? e->message : kvf_status_word(e->status));
	fputc('\n', f);
	for (line = e->detail; *line; line = *end ? end + 1 : end) {
		char one[sizeof(e->detail)];

		end = line + strcspn(line, "\n");
		memcpy(one, line, (size_t)(end - line));
		one[end - line] = '\0';
		fputs("  ", f);
		cli_puts(f, one);
		fputc('\n', f);
	}
	if (e->hint[0]) {
		fprintf(f, "%snext:%s ", p->bold, p->off);
		cli_puts(f, e->hint);
		fputc('\n', f);
	}
}

/* Was this warning told before?  The log and the report may both bring it. */
static int known(const struct cli *c, const char *message)
{
	size_t i, n = json_array_size(c->warnings);
	const char *s;

	for (i = 0; i < n; i++) {
		s = json_string_value(json_array_get(c->warnings, i));
		if (s && strcmp(s, message) == 0)
			return 1;
	}
	return 0;
}

void cli_warn(struct cli *c, const char *message)
{
	FILE *f;

	if (known(c, message))
		return;
	cli_json_add(c, c->warnings, cli_json_text(c, message));
	cli_events_message(c, "warning", message);
	if (c->json)
		return;
	f = begin(c);
	fprintf(f, "%skvferry: warning:%s ", c->paint_err.yellow, c->paint_err.off);
	cli_puts(f, message);
	fputc('\n', f);
}

void cli_log(void *ctx, enum kvf_log_level level, const char *message)
{
	struct cli *c = ctx;
	FILE *f;

	if (level == KVF_LOG_ERROR || level == KVF_LOG_WARN) {
		cli_warn(c, message);
		return;
	}
	if (level == KVF_LOG_NOTE)
		cli_events_message(c, "note", message);
	if (level == KVF_LOG_NOTE ? c->quiet || c->json
				  : c->verbose < (level == KVF_LOG_INFO ? 1 : 2) ||
					    (c->json && c->stream_on_stdout))
		return;
	f = begin(c);
	fputs("kvferry: ", f);
	cli_puts(f, message);
	fputc('\n', f);
}
