/* table - the table of verbs. */
#include "cli/table.h"

#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

#define EXAMPLES(...) ((const struct cli_example[]){ __VA_ARGS__, { NULL, NULL } })

const struct cli_verb cli_verbs[] = {
	{ "help", { { "VERB", "@verb", 1 } }, "this text, or what a verb does", NULL, 0, "0",
	  EXAMPLES({ "kvferry help migrate", "everything about one verb" }), cli_run_help },
	{ "version", { { NULL, NULL, 0 } }, "the version of the program and its libraries",
	  NULL, 0, "0", EXAMPLES({ "kvferry version", "what to put into a report" }),
	  cli_run_version },
	{ "completion", { { "SHELL", "@shell", 0 } },
	  "print the completion script for bash, zsh or fish", NULL, 0, "0",
	  EXAMPLES({ "kvferry completion bash >/etc/bash_completion.d/kvferry", "for bash" }),
	  cli_run_completion },
};
const size_t cli_nverbs = sizeof(cli_verbs) / sizeof(cli_verbs[0]);

const struct cli_verb *cli_verb_find(const char *name)
{
	size_t i;

	for (i = 0; i < cli_nverbs; i++)
		if (strcmp(cli_verbs[i].name, name) == 0)
			return &cli_verbs[i];
	return NULL;
}

int cli_verb_takes(const struct cli_verb *verb, enum cli_opt id)
{
	return ((verb->options | cli_common_options) & OPT_BIT(id)) != 0;
}

void cli_verb_usage(const struct cli_verb *verb, char *buf, size_t size)
{
	const struct cli_operand *o;
	int n = snprintf(buf, size, "kvferry %s [OPTION...]", verb->name);

	for (o = verb->operands; o->name && n > 0 && (size_t)n < size; o++)
		n += snprintf(buf + n, size - (size_t)n, o->optional ? " [%s]" : " %s", o->name);
}
