/* args - what --arg gives: values for the arguments that an application declares. */
#include "migrate/run.h"

#include "base/hash.h"
#include "base/text.h"
#include "value/json.h"
#include "value/number.h"
#include "value/timestamp.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOLDER_JSON_MAX ((size_t)16 << 20)

/* What was given for `name`, or NULL; the last one counts. */
static const char *given(const struct kvf_options *o, const char *name)
{
	size_t i, len = strlen(name);

	for (i = o->nargs; i-- > 0;)
		if (strncmp(o->args[i], name, len) == 0 && o->args[i][len] == '=')
			return o->args[i] + len + 1;
	return NULL;
}

static enum kvf_status check_given(const struct kvf_options *o,
				   const struct kvf_application *app, struct kvf_err *err)
{
	const char *names[64], *near;
	size_t i, k, n = 0;

	for (k = 0; app && k < app->nargs && n < 64; k++)
		names[n++] = app->args[k].name;
	for (i = 0; i < o->nargs; i++) {
		size_t len = strcspn(o->args[i], "=");
		char name[128];

		for (k = 0; k < n; k++)
			if (strlen(names[k]) == len && strncmp(names[k], o->args[i], len) == 0)
				break;
		if (o->args[i][len] == '=' && k < n)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)len, o->args[i]);
		kvf_fail(err, KVF_EUSAGE,
			 o->args[i][len] ? "the definitions declare no argument '%s'"
					 : "--arg takes NAME=VALUE, not '%s'",
			 name);
		near = kvf_did_you_mean(name, names, n);
		if (near)
			kvf_err_hint(err, "Did you mean --arg %s=...?", near);
		else if (!n)
			kvf_err_hint(err, "Arguments belong to definitions that declare them "
					  "under \"args:\".");
		return KVF_EUSAGE;
	}
	return KVF_OK;
}

/* ---- folders ---------------------------------------------------------------- */

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* The file's bytes as "\\xHEX" inside a JSON string. */
static enum kvf_status append_file(struct kvf_buf *json, const char *path, struct kvf_err *err)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t bytes[4096];
	char hex[2 * sizeof(bytes)];
	enum kvf_status st = KVF_OK;
	ssize_t n, i;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return kvf_fail_errno(err, KVF_ESOURCE, errno, "cannot open %s", path);
	while (!st && (n = read(fd, bytes, sizeof(bytes))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			st = kvf_fail_errno(err, KVF_ESOURCE, errno, "cannot read %s", path);
		for (i = 0; i < n; i++) {
			hex[2 * i] = digits[bytes[i] >> 4];
			hex[2 * i + 1] = digits[bytes[i] & 15];
		}
		if (!st)
			st = kvf_buf_append(json, hex, 2 * (size_t)n, err);
	}
	close(fd);
	return st;
}

static enum kvf_status append_entry(struct kvf_buf *json, const char *name, const char *path,
				    int first, struct kvf_err *err)
{
	struct kvf_bytes text = kvf_bytes_str(name);
	enum kvf_status st;

	if (kvf_utf8_valid(name, text.len) != text.len)
		return kvf_fail(err, KVF_EUSAGE, "%s: the file's name is not UTF-8", path);
	st = kvf_buf_printf(json, err, "%s{\"path\":", first ? "" : ",");
	if (!st)
		st = kvf_json_write_string(json, text, err);
	if (!st)
		st = kvf_buf_printf(json, err, ",\"content\":\"\\\\x");
	if (!st)
		st = append_file(json, path, err);
	return st ? st : kvf_buf_printf(json, err, "\"}");
}

static enum kvf_status walk_folder(FTS *fts, const char *root, const char *pattern,
				   struct kvf_buf *json, size_t *files, struct kvf_err *err)
{
	enum kvf_status st = KVF_OK;
	size_t skip = strlen(root);
	FTSENT *e;

	while (!st && (errno = 0, e = fts_read(fts))) {
		const char *name = e->fts_path + skip;

		name += strspn(name, "/");
		if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS)
			st = kvf_fail_errno(err, KVF_ESOURCE, e->fts_errno, "cannot read %s",
					    e->fts_path);
		else if (e->fts_info == FTS_F && kvf_glob(pattern, name))
			st = append_entry(json, name, e->fts_path, !(*files)++, err);
	}
	if (!st && errno)
		st = kvf_fail_errno(err, KVF_ESOURCE, errno, "cannot read %s", root);
	return st;
}

/* The files of a folder as JSON, ascending by name; *shown tells which ones. */
static enum kvf_status read_folder(struct kvf_arena *memory, const char *path,
				   const char *pattern, const char **value, const char **shown,
				   struct kvf_err *err)
{
	char *copy = kvf_arena_strdup(memory, path), *roots[2] = { copy, NULL };
	enum kvf_status st;
	struct kvf_sha256 h;
	struct kvf_buf json;
	uint8_t digest[32];
	char hex[65];
	size_t files = 0;
	FTS *fts;

	if (!copy)
		return kvf_fail_nomem(err);
	if (access(path, R_OK | X_OK) != 0)
		return kvf_fail_errno(err, KVF_EUSAGE, errno, "cannot read the folder %s",
				      path);
	fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	if (!fts)
		return kvf_fail_errno(err, KVF_ESOURCE, errno, "cannot read %s", path);
	kvf_buf_init(&json, FOLDER_JSON_MAX);
	st = kvf_buf_printf(&json, err, "[");
	if (!st)
		st = walk_folder(fts, path, pattern, &json, &files, err);
	if (!st)
		st = kvf_buf_printf(&json, err, "]");
	if (st == KVF_EREJECT)
		st = kvf_fail(err, KVF_EUSAGE, "the files in %s are too large for an argument",
			      path);
	if (!st) {
		kvf_sha256_begin(&h);
		kvf_sha256_update(&h, json.ptr, json.len);
		kvf_sha256_end(&h, digest);
		kvf_hex(digest, sizeof(digest), hex);
		*value = kvf_arena_strndup(memory, json.ptr, json.len);
		*shown = kvf_arena_printf(memory, "sha256:%s (%zu %s)", hex, files,
					  files == 1 ? "file" : "files");
		if (!*value || !*shown)
			st = kvf_fail_nomem(err);
	}
	kvf_buf_release(&json);
	fts_close(fts);
	return st;
}

/* ---- values ------------------------------------------------------------------- */

static enum kvf_status bad_value(const struct kvf_arg *arg, const char *text, const char *what,
				 struct kvf_err *err)
{
	kvf_fail(err, KVF_EUSAGE, "the argument '%s' takes %s, not '%.100s'", arg->name, what,
		 text);
	if (arg->help)
		kvf_err_hint(err, "%s: %s", arg->name, arg->help);
	return KVF_EUSAGE;
}

/* In one spelling, so that what is equal looks equal in the stream's head. */
static enum kvf_status normal_form(struct kvf_arena *memory, const struct kvf_arg *arg,
				   const char *text, const char **value, struct kvf_err *err)
{
	char form[KVF_TIMESTAMP_TEXT + 1];
	struct kvf_timestamp t;
	char *end;

	if (kvf_utf8_valid(text, strlen(text)) != strlen(text))
		return bad_value(arg, text, "UTF-8", err);
	if (arg->type == KVF_ARG_INTEGER) {
		errno = 0;
		(void)strtoll(text, &end, 10);
		if (errno || end == text || *end || *text == '+' || *text == ' ')
			return bad_value(arg, text, "an integer", err);
	}
	if (arg->type == KVF_ARG_TIMESTAMP) {
		if (!kvf_timestamp_parse(kvf_bytes_str(text), &t))
			return bad_value(arg, text, "a time like 2026-11-20T09:39:02Z", err);
		form[kvf_timestamp_format(t, form)] = '\0';
		text = form;
	}
	*value = kvf_arena_strdup(memory, text);
	return *value ? KVF_OK : kvf_fail_nomem(err);
}

/* What an earlier run of the same application took for it, or NULL. */
static const char *taken(const struct kvf_head *earlier, const char *name)
{
	size_t i;

	for (i = 0; earlier && i < earlier->nargs; i++)
		if (strcmp(earlier->args[i].name, name) == 0)
			return earlier->args[i].value;
	return NULL;
}

static enum kvf_status value_of(const struct kvf_options *o, struct kvf_source *source,
				const struct kvf_head *earlier, const struct kvf_arg *arg,
				struct kvf_arena *memory, const char **value,
				const char **shown, struct kvf_err *err)
{
	const char *text = given(o, arg->name);
	char answer[1024];
	enum kvf_status st;

	if (arg->type == KVF_ARG_FOLDER && text)
		return read_folder(memory, text, arg->files, value, shown, err);
	if (arg->type == KVF_ARG_FOLDER) {
		*value = "[]";
		return KVF_OK; /* shown: nothing */
	}
	if (!text)
		text = taken(earlier, arg->name);
	if (!text && !arg->fallback) {
		kvf_fail(err, KVF_EDECISION, "the argument '%s' has no value", arg->name);
		kvf_err_detail(err, "%s", arg->help ? arg->help : "");
		kvf_err_hint(err, "Add --arg %s=VALUE.", arg->name);
		return KVF_EDECISION;
	}
	if (!text) {
		st = kvf_source_scalar(source, arg->fallback, answer, sizeof(answer), err);
		if (st == KVF_ENOTFOUND)
			st = kvf_fail(err, KVF_EDEFINITION,
				      "the default of the argument '%s' yields no value",
				      arg->name);
		if (st)
			return st;
		text = answer;
	}
	st = normal_form(memory, arg, text, value, err);
	*shown = *value;
	return st;
}

static int by_pair_name(const void *a, const void *b)
{
	return strcmp(((const struct kvf_pair *)a)->name, ((const struct kvf_pair *)b)->name);
}

enum kvf_status kvf_arguments(const struct kvf_options *o, struct kvf_source *source,
			      const struct kvf_head *earlier, struct kvf_formats *formats,
			      struct kvf_arena *memory, struct kvf_pair **pairs, size_t *npairs,
			      struct kvf_err *err)
{
	const struct kvf_application *app = formats ? kvf_formats_application(formats) : NULL;
	enum kvf_status st = check_given(o, app, err);
	size_t n = app ? app->nargs : 0, i;
	const char **values;

	*npairs = 0;
	if (st || !n)
		return st;
	if (earlier && strcmp(earlier->app, app->name) != 0)
		earlier = NULL;
	values = kvf_arena_zalloc(memory, n * sizeof(*values));
	*pairs = kvf_arena_zalloc(memory, n * sizeof(**pairs));
	if (!values || !*pairs)
		return kvf_fail_nomem(err);
	for (i = 0; !st && i < n; i++) {
		struct kvf_pair *p = &(*pairs)[*npairs];

		st = value_of(o, source, earlier, &app->args[i], memory, &values[i], &p->value,
			      err);
		if (!st && p->value) {
			p->name = app->args[i].name;
			++*npairs;
		}
	}
	if (!st)
		qsort(*pairs, *npairs, sizeof(**pairs), by_pair_name);
	return st ? st : kvf_formats_arguments(formats, values, err);
}

enum kvf_status kvf_give_arguments(const struct kvf_options *o, struct kvf_source *source,
				   struct kvf_formats *formats, struct kvf_err *err)
{
	struct kvf_pair *pairs;
	struct kvf_arena memory;
	enum kvf_status st;
	size_t n;

	kvf_arena_init(&memory);
	st = kvf_arguments(o, source, NULL, formats, &memory, &pairs, &n, err);
	kvf_arena_release(&memory);
	return st;
}
