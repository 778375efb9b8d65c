/*
 * cli - what the parts of the program share: the parsed command line, the
 * environment given to the library, and where results go.
 *
 * Results go to standard output, everything else to standard error.  Verbs
 * print nothing when c->json is set: they put their result into c->result.
 * Errors are printed once, in main.
 */
#ifndef KVFERRY_CLI_CLI_H
#define KVFERRY_CLI_CLI_H

#include <kvferry/kvferry.h>

#include <jansson.h>
#include <stdio.h>

#include "base/buf.h"
#include "cli/table.h"

struct cli_progress;
struct cli_events;

/* A list of strings that are borrowed from argv. */
struct cli_list {
	const char **list;
	size_t n;
};

struct cli_paint {
	const char *bold, *red, *green, *yellow, *dim, *off;
};

struct cli {
	const struct cli_verb *verb; /* NULL until known */
	struct kvf_options o;
	struct kvf_env env;
	struct kvf_err err;
	struct kvf_report report;

	struct cli_list operands, tables, exclude, schemas, packages, args;
	struct kvf_buf given; /* options, as they are to be typed again */

	int json, quiet, verbose, exit_code, keys, raw, help, version;
	const char *app_name, *color;

	int stream_on_stdout;       /* the stream has it; reports go to stderr */
	FILE *out;                  /* where results go */
	struct cli_paint paint;     /* for `out`; empty strings without colour */
	struct cli_paint paint_err; /* for stderr */
	struct cli_progress *progress;
	struct cli_events *events; /* NULL: not wanted */
	const char *events_to;     /* --events */
	int out_errno;             /* why a write to stdout failed, or 0 */
	int summed_up;             /* what would be lost was printed */
	int done_note;             /* the work is done; only its report can fail now */

	char *command, *folder; /* of the options */

	json_t *result;   /* with --json */
	json_t *warnings; /* array of strings */
	int json_bad;     /* no memory for some part of it */
};

/* ---- args.c: the command line ------------------------------------------- */

KVF_MUST_CHECK enum kvf_status cli_parse(struct cli *c, int argc, char **argv);
void cli_release(struct cli *c);

/* ---- again.c: what is to be typed ------------------------------------------ */

/* Remember an option, unless it is for one time only; "" = it has no value. */
KVF_MUST_CHECK enum kvf_status cli_again_option(struct cli *c, enum cli_opt id,
						const char *value);
/* The whole command into c->o.command, and the current folder into c->o.folder. */
KVF_MUST_CHECK enum kvf_status cli_again(struct cli *c);
/* "cd FOLDER && " where that is not the current one, else "". */
const char *cli_again_from(const char *folder, char *buf, size_t size);

/* A stream never comes from a terminal.  `place` may be any; "-" is looked at. */
KVF_MUST_CHECK enum kvf_status cli_stream_in(struct cli *c, const char *place);

/* ---- text.c: what people read ------------------------------------------- */

/* Print without passwords, control characters escaped; `s` need not be UTF-8. */
void cli_puts(FILE *f, const char *s);
/* "1,234,567" */
const char *cli_number(uint64_t n, char buf[32]);
/* "12 B", "345 kB", "1.2 MB": decimal units */
const char *cli_size(uint64_t bytes, char buf[32]);
/* "30 ms", "1.2 s", "12 s", "2 min 05 s" */
const char *cli_seconds(double s, char buf[32]);
/* "2026-11-20 09:41:17 UTC" of microseconds since 1970 */
const char *cli_time(int64_t us, char buf[40]);
/* "row" or "rows" */
const char *cli_plural(uint64_t n, const char *one, const char *many);
/* "1 entry", "7 entries", or why nobody can tell. */
const char *cli_entries(uint64_t n, char *buf, size_t size);
/* Legacy tables are what a source is: "tables:" may stand in front or not. */
const char *cli_source(const char *place);
/* A place without its password. */
const char *cli_place(const char *text, char *buf, size_t size);
/* The same as a word of the shell: between double quotes where it has to be. */
const char *cli_typed(const char *text, char *buf, size_t size);
/* Lower-case hex. */
const char *cli_hex(const uint8_t *bytes, size_t len, char *buf);
/* Colours for `f` by --color, NO_COLOR and what f is. */
struct cli_paint cli_paint_for(const struct cli *c, FILE *f);
/* Break `text` into lines of at most `width`, each after `indent` blanks. */
void cli_wrap(FILE *f, const char *text, int indent, int width);

/* Columns that line up: add cells row by row, then print. */
struct cli_grid {
	char **cells;
	size_t n, size;
	unsigned columns;
	unsigned right; /* bit i: column i is a number */
	int bad;        /* no memory */
};
void cli_grid_init(struct cli_grid *g, unsigned columns, unsigned right);
void cli_grid_add(struct cli_grid *g, const char *fmt, ...) KVF_PRINTF(2, 3);
KVF_MUST_CHECK enum kvf_status cli_grid_print(struct cli_grid *g, FILE *f,
					      const struct cli_paint *p, struct kvf_err *err);
void cli_grid_release(struct cli_grid *g);

/* ---- error.c: errors, warnings, log ----------------------------------- */

/* Tell the error of c->err, once: as text, or in the JSON document. */
void cli_tell_error(struct cli *c);
void cli_warn(struct cli *c, const char *message);
/* env.log */
void cli_log(void *ctx, enum kvf_log_level level, const char *message);

/* ---- json.c: the envelope ------------------------------------------------ */

/* Before any other use of jansson. */
void cli_json_init(void);
/* Set a member; consumes `value`; notes lack of memory in c->json_bad. */
void cli_json_set(struct cli *c, json_t *object, const char *name, json_t *value);
void cli_json_add(struct cli *c, json_t *array, json_t *value);
json_t *cli_json_text(struct cli *c, const char *text);
json_t *cli_json_bytes(struct cli *c, struct kvf_bytes b); /* text or hex:... */
json_t *cli_json_u64(struct cli *c, uint64_t v);           /* a string */
json_t *cli_json_hex(struct cli *c, const uint8_t *bytes, size_t len);
json_t *cli_time_json(struct cli *c, int64_t us); /* null where there is none */
/* Text that is JSON; NULL if it is not, or holds a number that jansson cannot. */
json_t *cli_json_read(struct cli *c, struct kvf_bytes text);
json_t *cli_json_object(struct cli *c);
json_t *cli_json_array(struct cli *c);
/* Print the one document. */
void cli_json_document(struct cli *c, int exit_status);

/* ---- progress.c ---------------------------------------------------------- */

KVF_MUST_CHECK enum kvf_status cli_progress_new(struct cli *c);
/* env.progress */
void cli_progress_update(void *ctx, const struct kvf_progress *p);
/* Clear the drawn line, so that something else can be printed. */
void cli_progress_clear(struct cli_progress *p);
void cli_progress_free(struct cli_progress *p);

/* ---- events.c ------------------------------------------------------------- */

/* "FILE" (appended to) or "fd:N". */
KVF_MUST_CHECK enum kvf_status cli_events_open(struct cli *c, const char *to);
void cli_events_close(struct cli *c);
/* Each does nothing where no events are wanted. */
void cli_events_begin(struct cli *c);
void cli_events_progress(struct cli *c, const struct kvf_progress *p);
void cli_events_message(struct cli *c, const char *name, const char *message);
void cli_events_outcome(struct cli *c, int exit_status);
/* env.event */
void cli_events_tell(void *ctx, const struct kvf_event *event);

/* ---- signals.c ------------------------------------------------------------ */

void cli_signals_init(void);
/* env.stopped */
int cli_signals_stopped(void *ctx);
/* The signal that came, or 0. */
int cli_signals_caught(void);
/* A stream comes from standard input: a signal ends it.  Did one? */
void cli_signals_end_stdin(void);
int cli_signals_ended_stdin(void);
/* Make sure that descriptors 0, 1, 2 are open, so that no file lands on them. */
void cli_descriptors_init(void);

/* ---- help.c, man.c, completion.c ------------------------------------------- */

void cli_help(FILE *f, const struct cli_paint *p);
void cli_help_verb(FILE *f, const struct cli_paint *p, const struct cli_verb *verb);
void cli_man(FILE *f);
/* Help on one verb, or (NULL) on all: printed, or as the result. */
KVF_MUST_CHECK enum kvf_status cli_help_about(struct cli *c, const struct cli_verb *verb);
/* 0 if the shell is not known. */
int cli_completion(FILE *f, const char *shell);
/* The verb nearest to `word`, or NULL. */
const char *cli_verb_near(const char *word);

/* ---- report.c, report_json.c: reports of the library ------------------------ */

/* The run as a result: packages, root, times; `last` is the true last line. */
KVF_MUST_CHECK enum kvf_status cli_report_text(struct cli *c);
/* The tables or records that would be read, with their rows. */
KVF_MUST_CHECK enum kvf_status cli_plan_text(struct cli *c);
/* What the definitions' checks found. */
void cli_checks_text(struct cli *c);
/* What an import to tables did not make. */
void cli_lost_text(struct cli *c);
json_t *cli_report_json(struct cli *c);
json_t *cli_facts_json(struct cli *c, const struct kvf_store_facts *f);
json_t *cli_totals_json(struct cli *c, const struct kvf_totals *t);
json_t *cli_differences_json(struct cli *c);
void cli_differences_text(struct cli *c);

/* "text", "hex:..." or "@FILE" -> bytes (malloc'd in *out). */
KVF_MUST_CHECK enum kvf_status cli_key_parse(const char *text, uint8_t **out, size_t *len,
					     struct kvf_err *err);

#endif
