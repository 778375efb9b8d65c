/* verb_cat - cat and get: entries and values, decoded for people. */
#include "cli/cli.h"

#include "cli/verbs.h"

#include "base/hash.h"
#include "value/print.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES (SIZE_MAX / 2)

/* How the value of an entry of this package is to be read. */
static struct kvf_print_as print_as(const struct kvf_begin *begin, const struct kvf_entry *e)
{
	struct kvf_print_as as = { KVF_RAW, NULL, 0, 0 };
	size_t k;

	if (!begin)
		return as;
	k = kvf_kind_match(begin->kinds, begin->nkinds, e);
	if (k == begin->nkinds)
		return as;
	as.enc = begin->kinds[k].enc;
	as.messages = begin->messages;
	as.nmessages = begin->nmessages;
	as.msg = begin->kinds[k].msg;
	return as;
}

/* A value's text as JSON, for the document of --json. */
static json_t *value_json(struct cli *c, const struct kvf_buf *text)
{
	json_t *v = cli_json_read(c, kvf_buf_bytes(text));

	/* Numbers that jansson cannot hold: the text itself, then. */
	if (!v && !c->json_bad)
		v = json_stringn((const char *)text->ptr, text->len);
	if (!v)
		c->json_bad = 1;
	return v;
}

/* ---- cat ----------------------------------------------------------------------- */

struct cat {
	struct cli *c;
	struct kvf_buf line;
	json_t *list; /* with --json */
	enum kvf_status st;
};

#define PUT(st, buf, text, err)                                                                \
	do {                                                                                   \
		if (!(st))                                                                     \
			(st) = kvf_buf_append(buf, text, strlen(text), err);                   \
	} while (0)

/* {"package":...,"partition":...,"key":...,"value":...} */
static enum kvf_status entry_line(struct cat *cat, const char *name,
				  const struct kvf_begin *begin, const struct kvf_entry *e)
{
	struct kvf_err *err = &cat->c->err;
	struct kvf_buf *b = &cat->line;
	struct kvf_print_as as;
	enum kvf_status st = KVF_OK;
	int decoded = 1;

	b->len = 0;
	PUT(st, b, "{", err);
	if (name && *name) {
		PUT(st, b, "\"package\":", err);
		if (!st)
			st = kvf_print_bytes(b, kvf_bytes_str(name), err);
		PUT(st, b, ",", err);
	}
	PUT(st, b, "\"partition\":", err);
	if (!st)
		st = kvf_print_bytes(b, e->part, err);
	PUT(st, b, ",\"key\":", err);
	if (!st)
		st = kvf_print_bytes(b, e->key, err);
	if (!cat->c->keys) {
		as = print_as(begin, e);
		PUT(st, b, ",\"value\":", err);
		if (!st)
			st = kvf_print_value(b, &as, e->value, &decoded, err);
		if (!decoded)
			PUT(st, b, ",\"decoded\":false", err);
	}
	PUT(st, b, "}", err);
	return st;
}

static int cat_entry(void *ctx, const char *name, const struct kvf_begin *begin,
		     const struct kvf_entry *e)
{
	struct cat *cat = ctx;
	struct cli *c = cat->c;

	cat->st = entry_line(cat, name, begin, e);
	if (cat->st)
		return 1;
	if (c->json) {
		cli_json_add(c, cat->list, value_json(c, &cat->line));
		return c->json_bad;
	}
	cli_progress_clear(c->progress);
	errno = 0;
	if (fwrite(cat->line.ptr, 1, cat->line.len, stdout) != cat->line.len ||
	    fputc('\n', stdout) == EOF) {
		c->out_errno = errno;
		return 1;
	}
	return 0;
}

enum kvf_status cli_run_cat(struct cli *c)
{
	struct cat cat = { .c = c };
	enum kvf_status st = cli_stream_in(c, c->operands.list[0]);

	if (st)
		return st;
	kvf_buf_init(&cat.line, LINE_MAX_BYTES);
	if (c->json)
		cat.list = cli_json_array(c);
	c->o.source = c->operands.list[0];
	c->env.progress = NULL; /* the lines themselves are the progress */
	st = kvf_each_entry(&c->o, &c->env, cat_entry, &cat, &c->err);
	if (!st)
		st = cat.st;
	if (c->json && !st) {
		c->result = cli_json_object(c);
		cli_json_set(c, c->result, "entries", json_incref(cat.list));
	}
	json_decref(cat.list);
	kvf_buf_release(&cat.line);
	return st;
}

/* ---- get ----------------------------------------------------------------------- */

static enum kvf_status key_from_file(const char *path, uint8_t **out, size_t *len,
				     struct kvf_err *err)
{
	struct kvf_input *in = NULL;
	enum kvf_status st = kvf_input_file(path, &in, err);
	uint8_t *buf = malloc(65536);

	if (!st && !buf)
		st = kvf_fail_nomem(err);
	if (!st)
		st = kvf_input_read(in, buf, 65536, len, err);
	if (!st && *len == 65536)
		st = kvf_fail(err, KVF_EUSAGE, "@%s is too long for a key", path);
	kvf_input_close(in);
	if (st) {
		free(buf);
		return st == KVF_ESOURCE ? (enum kvf_status)(err->status = KVF_EUSAGE) : st;
	}
	*out = buf;
	return KVF_OK;
}

enum kvf_status cli_key_parse(const char *text, uint8_t **out, size_t *len, struct kvf_err *err)
{
	size_t n = strlen(text);

	if (text[0] == '@')
		return key_from_file(text + 1, out, len, err);
	*out = malloc(n + 1);
	if (!*out)
		return kvf_fail_nomem(err);
	if (strncmp(text, "hex:", 4) == 0) {
		*len = (n - 4) / 2;
		if ((n - 4) % 2 == 0 && kvf_unhex(text + 4, n - 4, *out))
			return KVF_OK;
		free(*out);
		*out = NULL;
		return kvf_fail(err, KVF_EUSAGE, "'%s': an even number of hex digits is needed",
				text);
	}
	memcpy(*out, text, n + 1);
	*len = n;
	return KVF_OK;
}

/* What was found; `begin` says how to read it and may be NULL. */
struct found {
	struct kvf_entry e;
	char package[72];
	const struct kvf_begin *begin;
};

static enum kvf_status print_raw(struct cli *c, struct kvf_bytes value)
{
	size_t i;

	for (i = 0; i < value.len && isatty(STDOUT_FILENO); i++)
		if ((value.ptr[i] < 0x20 && value.ptr[i] != '\n' && value.ptr[i] != '\t') ||
		    value.ptr[i] >= 0x7f) {
			kvf_fail(&c->err, KVF_EUSAGE,
				 "the value is binary and does not go to a terminal");
			kvf_err_hint(&c->err, "leave --raw out, or redirect: ... >FILE");
			return KVF_EUSAGE;
		}
	errno = 0;
	if (value.len && fwrite(value.ptr, 1, value.len, stdout) != value.len)
		c->out_errno = errno;
	return KVF_OK;
}

static enum kvf_status print_found(struct cli *c, const struct found *f)
{
	struct kvf_print_as as = print_as(f->begin, &f->e);
	enum kvf_status st;
	struct kvf_buf text;
	int decoded;

	cli_progress_clear(c->progress);
	if (c->raw && !c->json)
		return print_raw(c, f->e.value);
	kvf_buf_init(&text, LINE_MAX_BYTES);
	st = kvf_print_value(&text, &as, f->e.value, &decoded, &c->err);
	if (!st && c->json) {
		c->result = cli_json_object(c);
		cli_json_set(c, c->result, "package", cli_json_text(c, f->package));
		cli_json_set(c, c->result, "partition", cli_json_bytes(c, f->e.part));
		cli_json_set(c, c->result, "key", cli_json_bytes(c, f->e.key));
		cli_json_set(c, c->result, "size", cli_json_u64(c, f->e.value.len));
		cli_json_set(c, c->result, "decoded", json_boolean(decoded));
		cli_json_set(c, c->result, "value", value_json(c, &text));
	} else if (!st) {
		fwrite(text.ptr, 1, text.len, stdout);
		fputc('\n', stdout);
	}
	kvf_buf_release(&text);
	return st;
}

static enum kvf_status get_stream(struct cli *c, const struct kvf_place *place, struct found *f)
{
	struct kvf_reader_options options;
	struct kvf_input *in = NULL;
	struct kvf_view *v = NULL;
	enum kvf_status st;
	size_t n = 0;

	memset(&options, 0, sizeof(options));
	options.caps = kvf_limits_default();
	if (c->o.max_value)
		options.caps.value = c->o.max_value;
	options.allow_features_partial = 1;
	st = kvf_input_file(place->text, &in, &c->err);
	if (!st)
		st = kvf_view_open(in, &options, &v, &c->err);
	if (!st)
		st = kvf_view_get(v, c->o.npackages ? c->o.packages[0] : NULL, f->e.part,
				  f->e.key, &f->e.value, &n, &c->err);
	if (!st) {
		const struct kvf_head *head = kvf_view_head(v);

		f->begin = kvf_view_begin(v, n);
		if (n < head->npackages)
			snprintf(f->package, sizeof(f->package), "%s", head->packages[n]);
		st = print_found(c, f);
	}
	kvf_view_close(v);
	kvf_input_close(in);
	return st;
}

/* The package of a store's entry: the first whose kinds know it. */
static enum kvf_status find_begin(struct cli *c, struct kvf_store *s, const struct kvf_entry *e,
				  struct kvf_begin **out)
{
	struct kvf_begin *b;
	struct kvf_bytes unit;
	enum kvf_status st;
	uint64_t n;

	for (n = 0;; n++) {
		st = kvf_store_unit(s, KVF_SCAN_LIVE, "begin", n, &unit, &c->err);
		if (st == KVF_ENOTFOUND) {
			kvf_err_clear(&c->err);
			return KVF_OK;
		}
		if (!st)
			st = kvf_begin_parse(unit, &b, &c->err);
		if (st)
			return st;
		if (kvf_kind_match(b->kinds, b->nkinds, e) < b->nkinds) {
			*out = b;
			return KVF_OK;
		}
		kvf_begin_free(b);
	}
}

static enum kvf_status get_by_reading(struct cli *c, const struct found *f);

static enum kvf_status get_store(struct cli *c, const struct kvf_place *place, struct found *f)
{
	struct kvf_store_options options = { .table = c->o.table };
	struct kvf_store_facts facts;
	struct kvf_begin *begin = NULL;
	struct kvf_store *s = NULL;
	struct kvf_bytes value;
	enum kvf_status st;
	uint8_t *copy = NULL;

	st = kvf_store_open(place->text, KVF_STORE_READ, &options, &c->env, &s, &c->err);
	if (st == KVF_ENOTFOUND) /* no store at all is another thing than no such key */
		st = c->err.status = KVF_ESOURCE;
	if (!st)
		st = kvf_store_inspect(s, &facts, &c->err);
	if (!st && !facts.has_control && !(facts.has_table && facts.table_fits)) {
		kvf_store_close(s); /* its tables, as every verb reads such a place */
		return get_by_reading(c, f);
	}
	if (!st)
		st = kvf_store_get(s, f->e.part, f->e.key, &value, &c->err);
	if (!st && value.len) { /* the next call on the store would take it away */
		copy = malloc(value.len);
		if (!copy)
			st = kvf_fail_nomem(&c->err);
		else
			memcpy(copy, value.ptr, value.len);
	}
	if (!st) {
		f->e.value.ptr = copy;
		f->e.value.len = value.len;
		st = find_begin(c, s, &f->e, &begin);
	}
	if (!st) {
		f->begin = begin;
		if (begin)
			snprintf(f->package, sizeof(f->package), "%s", begin->name);
		st = print_found(c, f);
	}
	kvf_begin_free(begin);
	free(copy);
	kvf_store_close(s);
	return st;
}

/* Where there is no index (a pipe, legacy tables): read until it comes by. */
struct search {
	struct cli *c;
	const struct kvf_entry *wanted;
	enum kvf_status st;
	int found;
};

static int search_entry(void *ctx, const char *name, const struct kvf_begin *begin,
			const struct kvf_entry *e)
{
	struct search *s = ctx;
	struct found f = { .e = *e, .begin = begin };

	if (kvf_entry_cmp(e, s->wanted) != 0)
		return 0;
	s->found = 1;
	snprintf(f.package, sizeof(f.package), "%s", name ? name : "");
	s->st = print_found(s->c, &f);
	return 1;
}

static enum kvf_status get_by_reading(struct cli *c, const struct found *f)
{
	struct search s = { .c = c, .wanted = &f->e };
	enum kvf_status st;

	c->o.source = c->operands.list[0];
	st = kvf_each_entry(&c->o, &c->env, search_entry, &s, &c->err);
	if (st || s.st)
		return st ? st : s.st;
	return s.found ? KVF_OK : kvf_fail(&c->err, KVF_ENOTFOUND, "no such entry");
}

enum kvf_status cli_run_get(struct cli *c)
{
	struct kvf_place place;
	struct found f;
	uint8_t *part = NULL, *key = NULL;
	enum kvf_status st;
	char a[200], b[200];

	memset(&f, 0, sizeof(f));
	st = kvf_place_parse(c->operands.list[0], &place, &c->err);
	if (!st)
		st = cli_stream_in(c, c->operands.list[0]);
	if (!st)
		st = cli_key_parse(c->operands.list[1], &part, &f.e.part.len, &c->err);
	if (!st)
		st = cli_key_parse(c->operands.list[2], &key, &f.e.key.len, &c->err);
	if (st)
		goto out;
	f.e.part.ptr = part;
	f.e.key.ptr = key;
	if (place.kind == KVF_PLACE_STREAM)
		st = get_stream(c, &place, &f);
	else if (place.kind == KVF_PLACE_DATABASE && !place.tables)
		st = get_store(c, &place, &f);
	else
		st = get_by_reading(c, &f);
	if (st == KVF_ENOTFOUND) {
		kvf_fail(&c->err, KVF_ENOTFOUND, "no entry %s in partition %s",
			 kvf_bytes_print(f.e.key, a, sizeof(a)),
			 kvf_bytes_print(f.e.part, b, sizeof(b)));
		kvf_err_hint(&c->err, "kvferry cat --keys %s", c->operands.list[0]);
	}
out:
	free(part);
	free(key);
	return st;
}
