/*
 * table - what the program understands, written down once: verbs, operands,
 * options, exit statuses, examples.  The parser, `help`, the manual page and
 * the shell completions are all made from it.
 */
#ifndef KVFERRY_CLI_TABLE_H
#define KVFERRY_CLI_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include <kvferry/base.h>

struct cli;

enum cli_opt {
	OPT_FORMATS,
	OPT_TABLE,
	OPT_EXCLUDE_TABLE,
	OPT_SCHEMA,
	OPT_PACKAGE,
	OPT_ARG,
	OPT_SIDES,
	OPT_LEVEL,
	OPT_CHUNK,
	OPT_MAX_VALUE,
	OPT_MEMORY,
	OPT_JOBS,
	OPT_KEEP,
	OPT_OVERWRITE,
	OPT_MANIFEST,
	OPT_EXPECT_ROOT,
	OPT_REPLACE,
	OPT_MERGE,
	OPT_TABLE_NAME,
	OPT_PARTITIONS,
	OPT_NO_VERIFY,
	OPT_AS,
	OPT_LOCK_WAIT,
	OPT_TAKEOVER,
	OPT_FREEZE,
	OPT_ALLOW_LIVE_SOURCE,
	OPT_ALLOW_PARTIAL,
	OPT_QUICK,
	OPT_ENTRIES,
	OPT_LIMIT,
	OPT_KEYS,
	OPT_RAW,
	OPT_APP,
	OPT_CONFIRM,
	OPT_DISCARD,
	OPT_SAVE,
	OPT_LEFTOVERS,
	OPT_VERSION_TABLE,
	OPT_EXIT_CODE,
	OPT_DRY_RUN,
	OPT_SOURCE,
	OPT_MAX_REJECTS,
	OPT_REJECTS,
	OPT_ACCEPT_REJECTS,
	OPT_EVENTS,
	OPT_JSON,
	OPT_QUIET,
	OPT_VERBOSE,
	OPT_COLOR,
	OPT_HELP,
	OPT_VERSION,
	OPT_COUNT
};
#define OPT_BIT(id) (UINT64_C(1) << (id))

struct cli_option {
	char letter;        /* "-f", or 0 */
	const char *name;   /* "formats": --formats */
	const char *arg;    /* "DIR"; NULL: the option takes no argument */
	const char *values; /* for completion: "a b c", "@file", "@dir" or NULL */
	const char *brief;  /* one line, no full stop */
	const char *more;   /* further sentences for `help VERB` and the manual, or NULL */
};

#define CLI_OPERANDS_MAX 3
struct cli_operand {
	const char *name;   /* "SOURCE"; NULL ends the list */
	const char *values; /* as in struct cli_option; "@verb", "@shell" too */
	int optional;
};

struct cli_example {
	const char *command, *what;
};

struct cli_verb {
	const char *name;
	struct cli_operand operands[CLI_OPERANDS_MAX + 1];
	const char *brief;                  /* one line, no full stop */
	const char *const *text;            /* paragraphs, NULL ends */
	uint64_t options;                   /* OPT_BIT()s, without the common ones */
	const char *exits;                  /* statuses worth knowing: "0 11" */
	const struct cli_example *examples; /* {NULL, NULL} ends; at least one */
	enum kvf_status (*run)(struct cli *c);
};

struct cli_exit {
	int status;
	const char *meaning;
};

extern const struct cli_option cli_options[OPT_COUNT];
extern const struct cli_verb cli_verbs[];
extern const size_t cli_nverbs;
extern const struct cli_exit cli_exits[];
extern const size_t cli_nexits;
/* Options that every verb takes. */
extern const uint64_t cli_common_options;

/* The verb of that name, or NULL. */
const struct cli_verb *cli_verb_find(const char *name);
/* Does the verb take the option?  Common ones always. */
int cli_verb_takes(const struct cli_verb *verb, enum cli_opt id);
/* "kvferry migrate [OPTION...] SOURCE STORE" */
void cli_verb_usage(const struct cli_verb *verb, char *buf, size_t size);

#endif
