/* verb_help - help, version, completion: verbs about the program itself. */
#include "cli/cli.h"

#include "cli/verbs.h"

#include <sqlite3.h>
#include <zstd.h>

#include <stdlib.h>
#include <string.h>

/* With --json a text becomes the member `text` of the result. */
struct text {
	char *bytes;
	size_t len;
	FILE *f;
};

static enum kvf_status text_begin(struct cli *c, struct text *t)
{
	memset(t, 0, sizeof(*t));
	t->f = c->json ? open_memstream(&t->bytes, &t->len) : c->out;
	return t->f ? KVF_OK : kvf_fail_nomem(&c->err);
}

static enum kvf_status text_end(struct cli *c, struct text *t)
{
	enum kvf_status st = KVF_OK;

	if (!c->json)
		return KVF_OK;
	if (fclose(t->f) != 0 || !t->bytes) {
		st = kvf_fail_nomem(&c->err);
	} else {
		c->result = cli_json_object(c);
		cli_json_set(c, c->result, "text", cli_json_text(c, t->bytes));
	}
	free(t->bytes);
	return st;
}

enum kvf_status cli_help_about(struct cli *c, const struct cli_verb *verb)
{
	struct text t;
	enum kvf_status st = text_begin(c, &t);

	if (st)
		return st;
	if (verb)
		cli_help_verb(t.f, &c->paint, verb);
	else
		cli_help(t.f, &c->paint);
	return text_end(c, &t);
}

enum kvf_status cli_run_help(struct cli *c)
{
	const struct cli_verb *v;
	const char *name = c->operands.n ? c->operands.list[0] : NULL;

	if (!name)
		return cli_help_about(c, NULL);
	v = cli_verb_find(name);
	if (v)
		return cli_help_about(c, v);
	kvf_fail(&c->err, KVF_EUSAGE, "no help on '%s': unknown verb", name);
	if (cli_verb_near(name))
		kvf_err_hint(&c->err, "did you mean kvferry help %s?", cli_verb_near(name));
	else
		kvf_err_hint(&c->err, "kvferry help");
	return KVF_EUSAGE;
}

enum kvf_status cli_run_version(struct cli *c)
{
	if (c->json) {
		c->result = cli_json_object(c);
		cli_json_set(c, c->result, "version", cli_json_text(c, kvf_version()));
		cli_json_set(c, c->result, "stream", cli_json_u64(c, 1));
		cli_json_set(c, c->result, "zstd", cli_json_text(c, ZSTD_versionString()));
		cli_json_set(c, c->result, "sqlite", cli_json_text(c, sqlite3_libversion()));
		cli_json_set(c, c->result, "jansson", cli_json_text(c, JANSSON_VERSION));
		return KVF_OK;
	}
	fprintf(c->out,
		"kvferry %s\nstream   v1 (kvf)\nzstd     %s\nsqlite   %s\njansson  %s\n",
		kvf_version(), ZSTD_versionString(), sqlite3_libversion(), JANSSON_VERSION);
	return KVF_OK;
}

enum kvf_status cli_run_completion(struct cli *c)
{
	struct text t;
	enum kvf_status st = text_begin(c, &t);
	int known;

	if (st)
		return st;
	known = cli_completion(t.f, c->operands.list[0]);
	st = text_end(c, &t);
	if (st || known)
		return st;
	kvf_fail(&c->err, KVF_EUSAGE, "completion for '%s' is not known", c->operands.list[0]);
	kvf_err_hint(&c->err, "kvferry completion bash, zsh or fish");
	return KVF_EUSAGE;
}
