/*
 * heads - the heads of two streams, field by field: in what they differ, and does
 * one go with the definitions that were named?
 *
 * Fields are called as formats/stream-v1.md calls them, with a dot before a part of one.
 */
#include "migrate/run.h"

#include "base/text.h"
#include "value/timestamp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN 80 /* bytes of a value */

struct list {
	char *buf;
	size_t size;
};

static void add(struct list *l, const char *field, const char *was, const char *is)
{
	size_t at = strlen(l->buf);

	snprintf(l->buf + at, l->size - at, "%s%s was %s, is %s", at ? "; " : "", field, was,
		 is);
}

static void add_text(struct list *l, const char *field, const char *was, const char *is)
{
	char a[SHOWN + 12], b[SHOWN + 12];

	if (was && is && strcmp(was, is) == 0)
		return;
	snprintf(a, sizeof(a), was ? "'%.*s'" : "absent", SHOWN, was);
	snprintf(b, sizeof(b), is ? "'%.*s'" : "absent", SHOWN, is);
	kvf_text_clean(a, 0);
	kvf_text_clean(b, 0);
	add(l, field, a, b);
}

static void add_number(struct list *l, const char *field, uint64_t was, uint64_t is)
{
	char a[24], b[24];

	if (was == is)
		return;
	snprintf(a, sizeof(a), "%" PRIu64, was);
	snprintf(b, sizeof(b), "%" PRIu64, is);
	add(l, field, a, b);
}

static void add_bytes(struct list *l, const char *field, struct kvf_bytes was,
		      struct kvf_bytes is)
{
	char a[SHOWN], b[SHOWN];

	if (kvf_bytes_cmp(was, is) != 0)
		add_text(l, field, kvf_bytes_print(was, a, sizeof(a)),
			 kvf_bytes_print(is, b, sizeof(b)));
}

static void add_record(struct list *l, const struct kvf_bytes was[4],
		       const struct kvf_bytes is[4])
{
	static const char *const parts[] = { "vrec.partition", "vrec.key", "vrec.started",
					     "vrec.done" };
	size_t i;

	for (i = 0; i < 4; i++)
		add_bytes(l, parts[i], was[i], is[i]);
}

static const char *arg_of(const struct kvf_head *h, const char *name)
{
	size_t i;

	for (i = 0; i < h->nargs; i++)
		if (strcmp(h->args[i].name, name) == 0)
			return h->args[i].value;
	return NULL;
}

static void add_args(struct list *l, const struct kvf_head *was, const struct kvf_head *is)
{
	char field[SHOWN];
	size_t i;

	for (i = 0; i < was->nargs + is->nargs; i++) {
		const char *name =
			i < was->nargs ? was->args[i].name : is->args[i - was->nargs].name;

		snprintf(field, sizeof(field), "arg.%s", name);
		if (i < was->nargs || !arg_of(was, name))
			add_text(l, field, arg_of(was, name), arg_of(is, name));
	}
}

/* Names as one text. */
static void join(const char *const *names, size_t n, char *buf, size_t size)
{
	size_t i, at = 0;

	buf[0] = '\0';
	for (i = 0; i < n && at < size; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s%s", i ? " " : "", names[i]);
}

static void add_names(struct list *l, const char *field, const char *const *was, size_t nwas,
		      const char *const *is, size_t nis)
{
	char a[512], b[512];

	join(was, nwas, a, sizeof(a));
	join(is, nis, b, sizeof(b));
	add_text(l, field, a, b);
}

static void add_nonce(struct list *l, const struct kvf_head *was, const struct kvf_head *is)
{
	static const uint8_t none[16];

	add_bytes(l, "nonce", (struct kvf_bytes){ was->has_nonce ? was->nonce : none, 16 },
		  (struct kvf_bytes){ is->has_nonce ? is->nonce : none, 16 });
}

void kvf_heads_differ(const struct kvf_head *was, const struct kvf_head *is, char *buf,
		      size_t size)
{
	const struct kvf_bytes before[] = { was->version_part, was->version_key,
					    was->version_started, was->version_done };
	const struct kvf_bytes after[] = { is->version_part, is->version_key,
					   is->version_started, is->version_done };
	struct list l = { buf, size };

	buf[0] = '\0';
	add_text(&l, "app", was->app, is->app);
	add_number(&l, "from", was->from, is->from);
	add_number(&l, "schema", was->schema, is->schema);
	add_args(&l, was, is);
	add_record(&l, before, after);
	add_names(&l, "pkgs", was->packages, was->npackages, is->packages, is->npackages);
	add_names(&l, "feat", was->features, was->nfeatures, is->features, is->nfeatures);
	add_number(&l, "chunk", was->chunk, is->chunk);
	add_number(&l, "lim.part", was->lim.part, is->lim.part);
	add_number(&l, "lim.key", was->lim.key, is->lim.key);
	add_number(&l, "lim.val", was->lim.value, is->lim.value);
	add_number(&l, "lim.raw", was->lim.unit, is->lim.unit);
	add_number(&l, "v", was->minor, is->minor);
	add_nonce(&l, was, is);
}

/* ---- the definitions ------------------------------------------------------------------- */

static enum kvf_status refuse(struct kvf_err *err)
{
	kvf_err_detail(err, "Nothing was changed.");
	kvf_err_hint(err, "Export again with these definitions, or import with those that "
			  "made the stream.");
	return err ? err->status : KVF_ESTREAM;
}

/* The version record is the one that the definitions name. */
static enum kvf_status check_record(const struct kvf_head *h, const struct kvf_application *app,
				    struct kvf_err *err)
{
	const struct kvf_bytes theirs[] = { app->version_part, app->version_key,
					    app->version_started, app->version_done };
	const struct kvf_bytes heads[] = { h->version_part, h->version_key, h->version_started,
					   h->version_done };
	char text[512] = "";
	struct list l = { text, sizeof(text) };

	add_record(&l, theirs, heads);
	if (!*text)
		return KVF_OK;
	kvf_fail(err, KVF_ESTREAM,
		 "the stream names another version record than the definitions: %s", text);
	return refuse(err);
}

/* Each argument is one that is declared, in the form that an export gives it. */
static enum kvf_status check_args(const struct kvf_head *h, const struct kvf_application *app,
				  struct kvf_err *err)
{
	char form[KVF_TIMESTAMP_TEXT + 1];
	struct kvf_timestamp t;
	size_t i, k;
	int good;

	for (i = 0; i < h->nargs; i++) {
		const char *name = h->args[i].name, *value = h->args[i].value;
		char *end;

		for (k = 0; k < app->nargs && strcmp(app->args[k].name, name) != 0; k++)
			;
		good = k < app->nargs;
		if (good && app->args[k].type == KVF_ARG_TIMESTAMP) {
			good = kvf_timestamp_parse(kvf_bytes_str(value), &t);
			if (good)
				form[kvf_timestamp_format(t, form)] = '\0';
			good = good && strcmp(form, value) == 0;
		} else if (good && app->args[k].type == KVF_ARG_INTEGER) {
			errno = 0;
			(void)strtoll(value, &end, 10);
			good = !errno && *value && !*end;
		} else if (good && app->args[k].type == KVF_ARG_FOLDER) {
			good = strncmp(value, "sha256:", 7) == 0;
		}
		if (good)
			continue;
		kvf_fail(err, KVF_ESTREAM, "the stream's arg.%.64s is '%.100s': %s", name,
			 value,
			 k < app->nargs ? "no value of its type"
					: "the definitions declare no such argument");
		return refuse(err);
	}
	return KVF_OK;
}

enum kvf_status kvf_head_check(const struct kvf_head *h, const struct kvf_application *app,
			       struct kvf_err *err)
{
	enum kvf_status st;

	if (strcmp(app->name, h->app) != 0) {
		kvf_fail(err, KVF_ESTREAM, "the stream is of application '%s', not '%s'",
			 h->app, app->name);
		kvf_err_detail(err, "Nothing was changed.");
		kvf_err_hint(err,
			     "Name the definitions that made the stream, or leave -f out.");
		return KVF_ESTREAM;
	}
	if (h->schema != app->schema ||
	    (app->source_version && h->from != app->source_requires)) {
		kvf_fail(err, KVF_EVERSION,
			 "the stream leads from schema %" PRIu64 " to %" PRIu64
			 ", the definitions from %" PRIu64 " to %" PRIu64,
			 h->from, h->schema, app->source_requires, app->schema);
		return refuse(err);
	}
	st = check_record(h, app, err);
	return st ? st : check_args(h, app, err);
}
