/* args - the command line, by the table. */
#include "cli/cli.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where we are in argv. */
struct args {
	struct cli *c;
	int argc, i;
	char **argv;
	uint64_t seen;     /* options that were given */
	int only_operands; /* after "--" */
};

static enum kvf_status list_add(struct cli_list *l, const char *s, int argc,
				struct kvf_err *err)
{
	if (!l->list) {
		l->list = calloc((size_t)argc + 1, sizeof(*l->list));
		if (!l->list)
			return kvf_fail_nomem(err);
	}
	l->list[l->n++] = s;
	return KVF_OK;
}

static enum kvf_status bad_value(struct cli *c, enum cli_opt id, const char *text,
				 const char *what)
{
	kvf_fail(&c->err, KVF_EUSAGE, "--%s: '%s' is not %s", cli_options[id].name, text, what);
	if (cli_options[id].values && cli_options[id].values[0] != '@')
		kvf_err_hint(&c->err, "one of: %s", cli_options[id].values);
	return KVF_EUSAGE;
}

static enum kvf_status set_size(struct cli *c, enum cli_opt id, const char *text, uint64_t low,
				uint64_t high, uint64_t *out)
{
	if (!kvf_parse_size(text, out) || *out < low || *out > high) {
		kvf_fail(&c->err, KVF_EUSAGE, "--%s: '%s' is not a size that is allowed here",
			 cli_options[id].name, text);
		if (high == UINT64_MAX)
			kvf_err_hint(
				&c->err,
				"write bytes, or a number with K, M, G or T, from %llu on; %s",
				(unsigned long long)low, cli_options[id].brief);
		else
			kvf_err_hint(&c->err,
				     "write bytes, or a number with K, M, G or T, from %llu to "
				     "%llu; %s",
				     (unsigned long long)low, (unsigned long long)high,
				     cli_options[id].brief);
		return KVF_EUSAGE;
	}
	return KVF_OK;
}

static enum kvf_status set_number(struct cli *c, enum cli_opt id, const char *text, long low,
				  long high, long *out)
{
	char *end;

	*out = strtol(text, &end, 10);
	if (end == text || *end || *out < low || *out > high) {
		kvf_fail(&c->err, KVF_EUSAGE, "--%s: '%s' is not a number from %ld to %ld",
			 cli_options[id].name, text, low, high);
		return KVF_EUSAGE;
	}
	return KVF_OK;
}

/* Options that may be repeated. */
static struct cli_list *list_of(struct cli *c, enum cli_opt id)
{
	switch ((int)id) {
	case OPT_TABLE: return &c->tables;
	case OPT_EXCLUDE_TABLE: return &c->exclude;
	case OPT_SCHEMA: return &c->schemas;
	case OPT_PACKAGE: return &c->packages;
	case OPT_ARG: return &c->args;
	default: return NULL;
	}
}

/* Options whose text is taken as it is. */
static const char **text_of(struct cli *c, enum cli_opt id)
{
	switch ((int)id) {
	case OPT_FORMATS: return &c->o.formats;
	case OPT_SIDES: return &c->o.sides;
	case OPT_CONFIRM: return &c->o.confirm;
	case OPT_KEEP: return &c->o.keep;
	case OPT_TABLE_NAME: return &c->o.table;
	case OPT_SOURCE: return &c->o.source;
	case OPT_REJECTS: return &c->o.rejects;
	case OPT_EVENTS: return &c->events_to;
	case OPT_APP: return &c->app_name;
	default: return NULL;
	}
}

/* Numbers, with their limits. */
static enum kvf_status set_count(struct cli *c, enum cli_opt id, const char *v)
{
	static const struct {
		enum cli_opt id;
		long low, high;
	} limits[] = {
		{ OPT_LEVEL, -7, 19 },          { OPT_JOBS, 1, 64 },
		{ OPT_LIMIT, 1, 1000000 },      { OPT_PARTITIONS, 1, 10000 },
		{ OPT_LOCK_WAIT, 0, 31536000 }, { OPT_MAX_REJECTS, 0, 1000000000 },
	};
	enum kvf_status st;
	size_t i = 0;
	long n;

	while (limits[i].id != id)
		i++;
	st = set_number(c, id, v, limits[i].low, limits[i].high, &n);
	switch ((int)id) {
	case OPT_LEVEL:
		c->o.level = (int)n;
		c->o.level_set = 1;
		break;
	case OPT_JOBS: c->env.threads = (unsigned)n; break;
	case OPT_LIMIT: c->o.max_differences = (size_t)n; break;
	case OPT_PARTITIONS: c->o.partitions = (unsigned)n; break;
	case OPT_LOCK_WAIT: c->o.lock_wait = (unsigned)n; break;
	default: c->o.max_rejects = (uint64_t)n; break;
	}
	return st;
}

static enum kvf_status set_file(struct cli *c, enum cli_opt id, const char *v, const char **to)
{
	*to = v;
	return *v && strcmp(v, "-") != 0 ? KVF_OK : bad_value(c, id, v, "a file's path");
}

static enum kvf_status set_digest(struct cli *c, enum cli_opt id, const char *v,
				  const char **to)
{
	*to = v;
	return strlen(v) == 64 && strspn(v, "0123456789abcdefABCDEF") == 64
		       ? KVF_OK
		       : bad_value(c, id, v, "64 hex digits");
}

static enum kvf_status set_value(struct args *a, enum cli_opt id, char *v)
{
	struct cli *c = a->c;
	char *end;

	if (list_of(c, id))
		return list_add(list_of(c, id), v, a->argc, &c->err);
	if (text_of(c, id)) {
		*text_of(c, id) = v;
		return KVF_OK;
	}
	switch ((int)id) {
	case OPT_LEVEL:
	case OPT_JOBS:
	case OPT_LIMIT:
	case OPT_PARTITIONS:
	case OPT_LOCK_WAIT:
	case OPT_MAX_REJECTS: return set_count(c, id, v);
	case OPT_CHUNK: return set_size(c, id, v, KVF_CHUNK_MIN, KVF_CHUNK_MAX, &c->o.chunk);
	case OPT_MAX_VALUE: return set_size(c, id, v, 1, 1u << 30, &c->o.max_value);
	case OPT_MEMORY: return set_size(c, id, v, 1u << 20, UINT64_MAX, &c->env.memory);
	case OPT_DISCARD:
		c->o.discard = strtoull(v, &end, 10);
		c->o.discard_set = 1;
		return *v >= '0' && *v <= '9' && !*end ? KVF_OK
						       : bad_value(c, id, v, "a number");
	case OPT_SAVE: return set_file(c, id, v, &c->o.save);
	case OPT_MANIFEST: return set_file(c, id, v, &c->o.manifest);
	case OPT_EXPECT_ROOT: return set_digest(c, id, v, &c->o.expect_root);
	case OPT_ACCEPT_REJECTS: return set_digest(c, id, v, &c->o.accept_rejects);
	case OPT_AS:
		if (strcmp(v, "store") != 0 && strcmp(v, "tables") != 0)
			return bad_value(c, id, v, "what an import makes");
		c->o.as_tables = strcmp(v, "tables") == 0;
		return KVF_OK;
	case OPT_COLOR:
		if (strcmp(v, "auto") != 0 && strcmp(v, "always") != 0 &&
		    strcmp(v, "never") != 0)
			return bad_value(c, id, v, "a colour rule");
		c->color = v;
		return KVF_OK;
	default: return kvf_fail(&c->err, KVF_EINTERNAL, "option without a meaning");
	}
}

static void set_flag(struct cli *c, enum cli_opt id)
{
	switch ((int)id) {
	case OPT_OVERWRITE: c->o.overwrite = 1; break;
	case OPT_REPLACE: c->o.existing = KVF_EXISTING_REPLACE; break;
	case OPT_MERGE: c->o.existing = KVF_EXISTING_MERGE; break;
	case OPT_TAKEOVER: c->o.takeover = 1; break;
	case OPT_NO_VERIFY: c->o.no_verify = 1; break;
	case OPT_FREEZE: c->o.freeze = 1; break;
	case OPT_ALLOW_LIVE_SOURCE: c->o.allow_live_source = 1; break;
	case OPT_ALLOW_PARTIAL: c->o.allow_partial = 1; break;
	case OPT_LEFTOVERS: c->o.leftovers = 1; break;
	case OPT_VERSION_TABLE: c->o.version_table = 1; break;
	case OPT_QUICK: c->o.quick = 1; break;
	case OPT_ENTRIES: c->o.entries = 1; break;
	case OPT_KEYS: c->keys = 1; break;
	case OPT_RAW: c->raw = 1; break;
	case OPT_EXIT_CODE: c->exit_code = 1; break;
	case OPT_DRY_RUN: c->o.dry_run = 1; break;
	case OPT_JSON: c->json = 1; break;
	case OPT_QUIET: c->quiet = 1; break;
	case OPT_VERBOSE: c->verbose++; break;
	case OPT_HELP: c->help = 1; break;
	case OPT_VERSION: c->version = 1; break;
	default: break;
	}
}

/* The option is known, but the verb does not take it, or nobody knows it. */
static enum kvf_status unknown_option(struct cli *c, const char *text, const char *name)
{
	const char *names[OPT_COUNT], *near;
	size_t i, n = 0;

	kvf_fail(&c->err, KVF_EUSAGE, "unknown option %s%s%s", text, c->verb ? " for " : "",
		 c->verb ? c->verb->name : "");
	for (i = 0; i < OPT_COUNT; i++)
		if (!c->verb || cli_verb_takes(c->verb, (enum cli_opt)i))
			names[n++] = cli_options[i].name;
	near = name ? kvf_did_you_mean(name, names, n) : NULL;
	if (near)
		kvf_err_hint(&c->err, "did you mean --%s?", near);
	else
		kvf_err_hint(&c->err, "kvferry help%s%s", c->verb ? " " : "",
			     c->verb ? c->verb->name : "");
	return KVF_EUSAGE;
}

static enum kvf_status take(struct args *a, enum cli_opt id, const char *typed, char *attached)
{
	const struct cli_option *opt = &cli_options[id];
	struct cli *c = a->c;
	enum kvf_status st;

	a->seen |= OPT_BIT(id);
	if (!opt->arg) {
		if (attached) {
			kvf_fail(&c->err, KVF_EUSAGE, "--%s takes no value", opt->name);
			return KVF_EUSAGE;
		}
		set_flag(c, id);
		return cli_again_option(c, id, "");
	}
	if (!attached) {
		if (a->i + 1 >= a->argc) {
			kvf_fail(&c->err, KVF_EUSAGE, "%s needs a value: %s", typed, opt->arg);
			kvf_err_hint(&c->err, "--%s %s: %s", opt->name, opt->arg, opt->brief);
			return KVF_EUSAGE;
		}
		attached = a->argv[++a->i];
	}
	st = cli_again_option(c, id, attached);
	return st ? st : set_value(a, id, attached);
}

static enum kvf_status long_option(struct args *a, char *text)
{
	char *name = text + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name), i;
	char word[64];

	for (i = 0; i < OPT_COUNT; i++)
		if (strlen(cli_options[i].name) == len &&
		    memcmp(cli_options[i].name, name, len) == 0)
			break;
	if (i == OPT_COUNT || (a->c->verb && !cli_verb_takes(a->c->verb, (enum cli_opt)i))) {
		snprintf(word, sizeof(word), "%.*s", (int)(len < 63 ? len : 63), name);
		return unknown_option(a->c, text, word);
	}
	return take(a, (enum cli_opt)i, text, equals ? equals + 1 : NULL);
}

/* -q, -qv, -fDIR, -f DIR */
static enum kvf_status short_options(struct args *a, char *text)
{
	char *p;
	enum kvf_status st;
	size_t i;

	for (p = text + 1; *p; p++) {
		for (i = 0; i < OPT_COUNT; i++)
			if (cli_options[i].letter == *p)
				break;
		if (i == OPT_COUNT ||
		    (a->c->verb && !cli_verb_takes(a->c->verb, (enum cli_opt)i)))
			return unknown_option(a->c, text, NULL);
		if (cli_options[i].arg)
			return take(a, (enum cli_opt)i, text, p[1] ? p + 1 : NULL);
		st = take(a, (enum cli_opt)i, text, NULL);
		if (st)
			return st;
	}
	return KVF_OK;
}

/* Is the next word the value of this option? */
static int takes_next_word(const char *t)
{
	size_t k;

	if (t[0] != '-' || !t[1])
		return 0;
	for (k = 0; k < OPT_COUNT; k++)
		if (cli_options[k].arg &&
		    ((t[1] == '-' && strcmp(t + 2, cli_options[k].name) == 0) ||
		     (t[1] == cli_options[k].letter && !t[2])))
			return 1;
	return 0;
}

/* The verb is the first operand wherever it stands: find it before the options
 * are read, so that their errors can name it. */
static enum kvf_status find_verb(struct args *a)
{
	struct cli *c = a->c;
	const char *t = NULL;
	int i;

	for (i = 1; i < a->argc && !t; i++) {
		if (!a->argv[i])
			break;
		if (strcmp(a->argv[i], "--") == 0)
			t = i + 1 < a->argc ? a->argv[i + 1] : NULL;
		else if (a->argv[i][0] != '-' || !a->argv[i][1])
			t = a->argv[i];
		else
			i += takes_next_word(a->argv[i]);
	}
	if (!t)
		return KVF_OK;
	c->verb = cli_verb_find(t);
	if (c->verb)
		return KVF_OK;
	kvf_fail(&c->err, KVF_EUSAGE, "unknown verb '%s'", t);
	if (cli_verb_near(t))
		kvf_err_hint(&c->err, "did you mean kvferry %s?", cli_verb_near(t));
	else
		kvf_err_hint(&c->err, "kvferry help");
	return KVF_EUSAGE;
}

static enum kvf_status check_operands(struct cli *c)
{
	const struct cli_operand *o = c->verb->operands;
	char usage[160];
	size_t i;

	cli_verb_usage(c->verb, usage, sizeof(usage));
	for (i = 0; i < c->operands.n; i++)
		if (!o[i].name)
			break;
	if (i < c->operands.n) {
		kvf_fail(&c->err, KVF_EUSAGE, "%s: one operand too many: '%s'", c->verb->name,
			 c->operands.list[i]);
		kvf_err_detail(&c->err, "usage: %s", usage);
		kvf_err_hint(&c->err, "kvferry help %s", c->verb->name);
		return KVF_EUSAGE;
	}
	if (o[i].name && !o[i].optional) {
		kvf_fail(&c->err, KVF_EUSAGE, "%s: %s is missing", c->verb->name, o[i].name);
		kvf_err_detail(&c->err, "usage: %s", usage);
		kvf_err_hint(&c->err, "for example: %s", c->verb->examples[0].command);
		return KVF_EUSAGE;
	}
	return KVF_OK;
}

static enum kvf_status check_together(struct args *a)
{
	static const enum cli_opt pairs[][2] = { { OPT_REPLACE, OPT_MERGE },
						 { OPT_QUICK, OPT_ENTRIES } };
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if ((a->seen & OPT_BIT(pairs[i][0])) && (a->seen & OPT_BIT(pairs[i][1])))
			return kvf_fail(
				&a->c->err, KVF_EUSAGE, "--%s and --%s exclude each other",
				cli_options[pairs[i][0]].name, cli_options[pairs[i][1]].name);
	return KVF_OK;
}

/* --json decides how even the first error is told. */
static int wants_json(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--json") == 0)
			return 1;
		i += takes_next_word(argv[i]);
	}
	return 0;
}

static void hand_over(struct cli *c)
{
	c->o.tables = c->tables.list;
	c->o.ntables = c->tables.n;
	c->o.exclude_tables = c->exclude.list;
	c->o.nexclude_tables = c->exclude.n;
	c->o.schemas = c->schemas.list;
	c->o.nschemas = c->schemas.n;
	c->o.packages = c->packages.list;
	c->o.npackages = c->packages.n;
	c->o.args = c->args.list;
	c->o.nargs = c->args.n;
}

enum kvf_status cli_parse(struct cli *c, int argc, char **argv)
{
	struct args a = { .c = c, .argc = argc, .argv = argv };
	enum kvf_status st;
	int verb_seen = 0;

	c->json = wants_json(argc, argv);
	st = find_verb(&a);
	for (a.i = 1; !st && a.i < argc; a.i++) {
		char *t = argv[a.i];

		if (!a.only_operands && strcmp(t, "--") == 0)
			a.only_operands = 1;
		else if (!a.only_operands && t[0] == '-' && t[1] == '-')
			st = long_option(&a, t);
		else if (!a.only_operands && t[0] == '-' && t[1])
			st = short_options(&a, t);
		else if (c->verb && !verb_seen)
			verb_seen = 1;
		else
			st = list_add(&c->operands, t, argc, &c->err);
	}
	if (st)
		return st;
	hand_over(c);
	if (c->help || c->version)
		return KVF_OK;
	if (!c->verb) {
		kvf_fail(&c->err, KVF_EUSAGE, "a verb is missing");
		kvf_err_hint(&c->err, "kvferry help");
		return KVF_EUSAGE;
	}
	st = check_together(&a);
	return st ? st : check_operands(c);
}

enum kvf_status cli_stream_in(struct cli *c, const char *place)
{
	if (strcmp(place, "-") != 0)
		return KVF_OK;
	if (isatty(STDIN_FILENO)) {
		kvf_fail(&c->err, KVF_EUSAGE,
			 "a stream is binary and does not come from a terminal");
		kvf_err_hint(&c->err, "kvferry export SOURCE - | kvferry %s - ...",
			     c->verb->name);
		return KVF_EUSAGE;
	}
	cli_signals_end_stdin();
	return KVF_OK;
}

void cli_release(struct cli *c)
{
	kvf_report_free(&c->report);
	free(c->operands.list);
	free(c->tables.list);
	free(c->exclude.list);
	free(c->schemas.list);
	free(c->packages.list);
	free(c->args.list);
	kvf_buf_release(&c->given);
	free(c->command);
	free(c->folder);
	json_decref(c->result);
	json_decref(c->warnings);
	cli_progress_free(c->progress);
	cli_events_close(c);
}
