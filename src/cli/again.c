/*
 * again - the command line as it is to be typed again, by whoever finds the run
 * unfinished: the library keeps it in the ledger, and `status` shows it.
 */
#include "cli/cli.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMAND_MAX (64u << 10)
#define WORD_MAX 700

/* Not what somebody decided or wanted to see that one time. */
static int is_for_once(enum cli_opt id)
{
	switch ((int)id) {
	case OPT_TAKEOVER:
	case OPT_LOCK_WAIT:
	case OPT_EVENTS:
	case OPT_JSON:
	case OPT_QUIET:
	case OPT_VERBOSE:
	case OPT_COLOR: return 1;
	default: return 0;
	}
}

enum kvf_status cli_again_option(struct cli *c, enum cli_opt id, const char *value)
{
	const struct cli_option *o = &cli_options[id];
	char word[WORD_MAX];
	enum kvf_status st;

	if (is_for_once(id))
		return KVF_OK;
	if (!c->given.cap)
		kvf_buf_init(&c->given, COMMAND_MAX);
	st = o->letter ? kvf_buf_printf(&c->given, &c->err, " -%c", o->letter)
		       : kvf_buf_printf(&c->given, &c->err, " --%s", o->name);
	if (st || !o->arg)
		return st;
	return kvf_buf_printf(&c->given, &c->err, " %s", cli_typed(value, word, sizeof(word)));
}

enum kvf_status cli_again(struct cli *c)
{
	char word[WORD_MAX], folder[PATH_MAX];
	struct kvf_buf b;
	enum kvf_status st;
	size_t i;

	kvf_buf_init(&b, 2 * COMMAND_MAX);
	st = kvf_buf_printf(&b, &c->err, "kvferry %s%s", c->verb->name,
			    c->given.len ? (const char *)c->given.ptr : "");
	for (i = 0; !st && i < c->operands.n; i++)
		st = kvf_buf_printf(&b, &c->err, " %s",
				    cli_typed(c->operands.list[i], word, sizeof(word)));
	c->command = (char *)b.ptr;
	c->o.command = c->command;
	if (st || !getcwd(folder, sizeof(folder)))
		return st;
	c->folder = strdup(folder);
	c->o.folder = c->folder;
	return c->folder ? KVF_OK : kvf_fail_nomem(&c->err);
}

const char *cli_again_from(const char *folder, char *buf, size_t size)
{
	char here[PATH_MAX], word[WORD_MAX];

	buf[0] = '\0';
	if (!folder || (getcwd(here, sizeof(here)) && strcmp(here, folder) == 0))
		return buf;
	snprintf(buf, size, "cd %s && ", cli_typed(folder, word, sizeof(word)));
	return buf;
}
