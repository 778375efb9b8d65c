/* completion - scripts for bash, zsh and fish, made from the table. */
#include "cli/cli.h"

#include <string.h>

static int shown(const struct cli_verb *v, size_t i)
{
	return cli_verb_takes(v, (enum cli_opt)i);
}

/* ---- bash ---------------------------------------------------------------- */

static void bash_values(FILE *f, const char *values)
{
	if (!values)
		fputs("COMPREPLY=()", f);
	else if (strcmp(values, "@file") == 0)
		fputs("COMPREPLY=($(compgen -f -- \"$cur\"))", f);
	else if (strcmp(values, "@dir") == 0)
		fputs("COMPREPLY=($(compgen -d -- \"$cur\"))", f);
	else
		fprintf(f, "COMPREPLY=($(compgen -W '%s' -- \"$cur\"))", values);
}

static void bash(FILE *f)
{
	size_t v, i;

	fputs("# bash completion for kvferry; made by `kvferry completion bash`.\n"
	      "_kvferry()\n{\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	      "\tlocal verb= i options=\n"
	      "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	      "\t\tcase ${COMP_WORDS[i]} in\n\t\t",
	      f);
	for (v = 0; v < cli_nverbs; v++)
		fprintf(f, "%s%s", v ? "|" : "", cli_verbs[v].name);
	fputs(") verb=${COMP_WORDS[i]}; break;;\n\t\tesac\n\tdone\n"
	      "\tcase $prev in\n",
	      f);
	for (i = 0; i < OPT_COUNT; i++) {
		const struct cli_option *o = &cli_options[i];

		if (!o->arg)
			continue;
		fprintf(f, "\t--%s", o->name);
		if (o->letter)
			fprintf(f, "|-%c", o->letter);
		fputs(") ", f);
		bash_values(f, o->values);
		fputs("; return;;\n", f);
	}
	fputs("\tesac\n\tcase $verb in\n", f);
	for (v = 0; v < cli_nverbs; v++) {
		fprintf(f, "\t%s) options='", cli_verbs[v].name);
		for (i = 0; i < OPT_COUNT; i++) {
			if (!shown(&cli_verbs[v], i))
				continue;
			fprintf(f, "--%s ", cli_options[i].name);
			if (cli_options[i].letter)
				fprintf(f, "-%c ", cli_options[i].letter);
		}
		fputs("';;\n", f);
	}
	fputs("\tesac\n"
	      "\tif [[ -z $verb ]]; then\n\t\tCOMPREPLY=($(compgen -W '",
	      f);
	for (v = 0; v < cli_nverbs; v++)
		fprintf(f, "%s ", cli_verbs[v].name);
	fputs("--help --version' -- \"$cur\"))\n"
	      "\telif [[ $cur == -* ]]; then\n"
	      "\t\tCOMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
	      "\telif [[ $verb == help ]]; then\n\t\tCOMPREPLY=($(compgen -W '",
	      f);
	for (v = 0; v < cli_nverbs; v++)
		fprintf(f, "%s%s", v ? " " : "", cli_verbs[v].name);
	fputs("' -- \"$cur\"))\n"
	      "\telif [[ $verb == completion ]]; then\n"
	      "\t\tCOMPREPLY=($(compgen -W 'bash zsh fish' -- \"$cur\"))\n"
	      "\telse\n"
	      "\t\tCOMPREPLY=($(compgen -f -- \"${cur##*:}\"))\n"
	      "\tfi\n}\n"
	      "complete -o filenames -F _kvferry kvferry\n",
	      f);
}

/* ---- zsh ------------------------------------------------------------------ */

/* Inside '...[...]': a quote ends the word, a bracket the text, ':' a field. */
static void zsh_text(FILE *f, const char *s)
{
	for (; *s; s++) {
		if (*s == '\'')
			fputs("'\\''", f);
		else if (*s == '[' || *s == ']' || *s == ':')
			fprintf(f, "\\%c", *s);
		else
			fputc(*s, f);
	}
}

static void zsh_values(FILE *f, const char *values)
{
	if (!values)
		fputc(' ', f);
	else if (strcmp(values, "@file") == 0 || strcmp(values, "@place") == 0)
		fputs("_files", f);
	else if (strcmp(values, "@dir") == 0)
		fputs("_files -/", f);
	else if (strcmp(values, "@verb") == 0)
		fputs("_kvferry_verbs", f);
	else if (strcmp(values, "@shell") == 0)
		fputs("(bash zsh fish)", f);
	else
		fprintf(f, "(%s)", values);
}

static void zsh_option(FILE *f, const struct cli_option *o, const char *dash, const char *name)
{
	fprintf(f, "\t\t\t'*%s%s%s[", dash, name, o->arg && dash[1] ? "=" : "");
	zsh_text(f, o->brief);
	fputc(']', f);
	if (o->arg) {
		fputc(':', f);
		zsh_text(f, o->arg);
		fputc(':', f);
		zsh_values(f, o->values);
	}
	fputs("' \\\n", f);
}

static void zsh(FILE *f)
{
	const struct cli_operand *o;
	size_t v, i;

	fputs("#compdef kvferry\n# zsh completion; made by `kvferry completion zsh`.\n"
	      "_kvferry_verbs()\n{\n\tlocal -a verbs=(\n",
	      f);
	for (v = 0; v < cli_nverbs; v++) {
		fprintf(f, "\t\t'%s:", cli_verbs[v].name);
		zsh_text(f, cli_verbs[v].brief);
		fputs("'\n", f);
	}
	fputs("\t)\n\t_describe verb verbs\n}\n"
	      "_kvferry()\n{\n\tlocal curcontext=$curcontext state line\n"
	      "\t_arguments -C '1: :_kvferry_verbs' '*:: :->rest'\n"
	      "\t[[ $state == rest ]] || return\n\tcase $words[1] in\n",
	      f);
	for (v = 0; v < cli_nverbs; v++) {
		fprintf(f, "\t%s)\n\t\t_arguments \\\n", cli_verbs[v].name);
		for (i = 0; i < OPT_COUNT; i++) {
			char letter[2] = { cli_options[i].letter, '\0' };

			if (!shown(&cli_verbs[v], i))
				continue;
			zsh_option(f, &cli_options[i], "--", cli_options[i].name);
			if (letter[0])
				zsh_option(f, &cli_options[i], "-", letter);
		}
		for (o = cli_verbs[v].operands, i = 1; o->name; o++, i++) {
			fprintf(f, "\t\t\t'%zu:%s%s:", i, o->optional ? ":" : "", o->name);
			zsh_values(f, o->values);
			fputs("' \\\n", f);
		}
		fputs("\t\t\t&& return\n\t\t;;\n", f);
	}
	fputs("\tesac\n}\n_kvferry \"$@\"\n", f);
}

/* ---- fish ------------------------------------------------------------------ */

static void fish_text(FILE *f, const char *s)
{
	for (; *s; s++) {
		if (*s == '\'' || *s == '\\')
			fputc('\\', f);
		fputc(*s, f);
	}
}

static void fish_values(FILE *f, const char *values)
{
	if (!values)
		fputs(" -x", f);
	else if (strcmp(values, "@file") == 0)
		fputs(" -r -F", f);
	else if (strcmp(values, "@dir") == 0)
		fputs(" -x -a '(__fish_complete_directories)'", f);
	else
		fprintf(f, " -x -a '%s'", values);
}

static void fish(FILE *f)
{
	size_t v, i;

	fputs("# fish completion for kvferry; made by `kvferry completion fish`.\n", f);
	for (v = 0; v < cli_nverbs; v++) {
		fprintf(f, "complete -c kvferry -n __fish_use_subcommand -f -a %s -d '",
			cli_verbs[v].name);
		fish_text(f, cli_verbs[v].brief);
		fputs("'\n", f);
	}
	for (i = 0; i < OPT_COUNT; i++) {
		fputs("complete -c kvferry -n '__fish_seen_subcommand_from", f);
		for (v = 0; v < cli_nverbs; v++)
			if (shown(&cli_verbs[v], i))
				fprintf(f, " %s", cli_verbs[v].name);
		fprintf(f, "' -l %s", cli_options[i].name);
		if (cli_options[i].letter)
			fprintf(f, " -s %c", cli_options[i].letter);
		if (cli_options[i].arg)
			fish_values(f, cli_options[i].values);
		fputs(" -d '", f);
		fish_text(f, cli_options[i].brief);
		fputs("'\n", f);
	}
	fputs("complete -c kvferry -n '__fish_seen_subcommand_from completion' -f "
	      "-a 'bash zsh fish'\n"
	      "complete -c kvferry -n '__fish_seen_subcommand_from help' -f -a '",
	      f);
	for (v = 0; v < cli_nverbs; v++)
		fprintf(f, "%s%s", v ? " " : "", cli_verbs[v].name);
	fputs("'\n", f);
}

int cli_completion(FILE *f, const char *shell)
{
	if (strcmp(shell, "bash") == 0)
		bash(f);
	else if (strcmp(shell, "zsh") == 0)
		zsh(f);
	else if (strcmp(shell, "fish") == 0)
		fish(f);
	else
		return 0;
	return 1;
}
