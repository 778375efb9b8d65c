/*
 * json - the one document of --json (docs/json.md).  Running out of memory on
 * the way is noted in c->json_bad, and the document then says so instead.
 */
#include "cli/cli.h"

#include "base/hash.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * jansson drops bytes of what it dumps, and says nothing, when its buffer
 * cannot grow.  So its allocations are watched.
 */
static int no_memory;

static void *watched_malloc(size_t size)
{
	void *p = malloc(size);

	if (!p)
		no_memory = 1;
	return p;
}

void cli_json_init(void)
{
	json_set_alloc_funcs(watched_malloc, free);
}

static json_t *made(struct cli *c, json_t *value)
{
	if (!value)
		c->json_bad = 1;
	return value;
}

json_t *cli_json_object(struct cli *c)
{
	return made(c, json_object());
}

json_t *cli_json_array(struct cli *c)
{
	return made(c, json_array());
}

void cli_json_set(struct cli *c, json_t *object, const char *name, json_t *value)
{
	if (!object || !value || json_object_set_new(object, name, value) != 0)
		c->json_bad = 1;
}

void cli_json_add(struct cli *c, json_t *array, json_t *value)
{
	if (!array || !value || json_array_append_new(array, value) != 0)
		c->json_bad = 1;
}

/* Bytes that are no UTF-8 (a path, perhaps) become \xNN. */
static char *valid_copy(const char *text)
{
	size_t len = strlen(text), at = 0, ok;
	char *copy = malloc(4 * len + 1);

	while (copy && len) {
		ok = kvf_utf8_valid(text, len);
		memcpy(copy + at, text, ok);
		at += ok;
		text += ok;
		len -= ok;
		if (len) {
			at += (size_t)snprintf(copy + at, 5, "\\x%02x",
					       (unsigned)(uint8_t)*text++);
			len--;
		}
	}
	if (copy)
		copy[at] = '\0';
	return copy;
}

json_t *cli_json_text(struct cli *c, const char *text)
{
	char *copy = valid_copy(text ? text : "");
	json_t *v;

	if (!copy)
		return made(c, NULL);
	kvf_text_redact(copy);
	v = json_string(copy);
	free(copy);
	return made(c, v);
}

json_t *cli_json_bytes(struct cli *c, struct kvf_bytes b)
{
	size_t size = 2 * b.len + 8;
	char *buf = malloc(size);
	json_t *v;

	if (!buf)
		return made(c, NULL);
	v = json_string(kvf_bytes_print(b, buf, size)); /* data: nothing is blotted out */
	free(buf);
	return made(c, v);
}

json_t *cli_json_u64(struct cli *c, uint64_t v)
{
	char buf[24];

	snprintf(buf, sizeof(buf), "%llu", (unsigned long long)v);
	return made(c, json_string(buf));
}

json_t *cli_json_hex(struct cli *c, const uint8_t *bytes, size_t len)
{
	char buf[2 * 64 + 1];

	if (len > 64)
		len = 64;
	kvf_hex(bytes, len, buf);
	return made(c, json_string(buf));
}

static json_t *error_object(struct cli *c)
{
	json_t *e = cli_json_object(c);

	cli_json_set(c, e, "status", cli_json_text(c, kvf_status_word(c->err.status)));
	cli_json_set(c, e, "message", cli_json_text(c, c->err.message));
	cli_json_set(c, e, "detail", cli_json_text(c, c->err.detail));
	cli_json_set(c, e, "hint", cli_json_text(c, c->err.hint));
	cli_json_set(c, e, "code", cli_json_text(c, c->err.code));
	return e;
}

void cli_json_document(struct cli *c, int exit_status)
{
	json_t *doc = cli_json_object(c);
	char *text = NULL;
	int failed = c->err.status != KVF_OK;

	cli_json_set(c, doc, "kvferry", cli_json_text(c, kvf_version()));
	cli_json_set(c, doc, "verb", c->verb ? cli_json_text(c, c->verb->name) : json_null());
	cli_json_set(c, doc, "ok", json_boolean(!failed));
	cli_json_set(c, doc, "exit", made(c, json_integer(exit_status)));
	cli_json_set(c, doc, "error", failed ? error_object(c) : json_null());
	cli_json_set(c, doc, "warnings", c->warnings ? json_incref(c->warnings) : NULL);
	cli_json_set(c, doc, "result", c->result ? json_incref(c->result) : json_null());
	if (!c->json_bad && !no_memory)
		text = json_dumps(doc, JSON_COMPACT | JSON_ENSURE_ASCII);
	if (no_memory) {
		free(text);
		text = NULL;
	}
	if (!text)
		c->json_bad = 1;
	errno = 0;
	if (text && (fputs(text, c->out) == EOF || fputc('\n', c->out) == EOF))
		c->out_errno = errno;
	else if (!text)
		fprintf(c->out,
			"{\"kvferry\":\"%s\",\"verb\":\"%s\",\"ok\":false,\"exit\":%d,"
			"\"error\":"
			"{\"status\":\"memory\",\"message\":\"out of memory for the report\","
			"\"detail\":\"\",\"hint\":\"\",\"code\":\"\"},\"warnings\":[],"
			"\"result\":null}\n",
			kvf_version(), c->verb ? c->verb->name : "",
			exit_status ? exit_status : KVF_EINTERNAL);
	free(text);
	json_decref(doc);
}

json_t *cli_time_json(struct cli *c, int64_t us)
{
	char text[40];

	return us ? cli_json_text(c, cli_time(us, text)) : json_null();
}
