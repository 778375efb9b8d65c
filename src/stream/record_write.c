/* record_write - control records to bytes, keys in ascending order. */
#include "stream/record.h"

#include "base/text.h"

#include <assert.h>

const uint8_t kvf_magic[KVF_MAGIC_LEN] = { 0xa8, 'K', 'V', 'F', '1', 0x0d, 0x0a, 0x1a, 0x0a };

/* Open the map of a record: its number of keys, then "$" and the name. */
static void open_record(struct kvf_mpw *w, size_t keys, const char *name)
{
	kvf_mpw_map(w, keys);
	kvf_mpw_str(w, "$");
	kvf_mpw_str(w, name);
}

static void key_uint(struct kvf_mpw *w, const char *key, uint64_t v)
{
	kvf_mpw_str(w, key);
	kvf_mpw_uint(w, v);
}

static void key_bin(struct kvf_mpw *w, const char *key, const void *bytes, size_t len)
{
	kvf_mpw_str(w, key);
	kvf_mpw_bin(w, bytes, len);
}

static void key_str(struct kvf_mpw *w, const char *key, const char *s)
{
	kvf_mpw_str(w, key);
	kvf_mpw_str(w, s);
}

static void key_list(struct kvf_mpw *w, const char *key, const char *const *list, size_t n)
{
	size_t i;

	kvf_mpw_str(w, key);
	kvf_mpw_array(w, n);
	for (i = 0; i < n; i++)
		kvf_mpw_str(w, list[i]);
}

enum kvf_status kvf_write_head(struct kvf_buf *buf, const struct kvf_head *head,
			       struct kvf_err *err)
{
	struct kvf_mpw w = { buf, KVF_OK, err };
	const char *wrong = kvf_check_head(head);
	size_t i;

	if (wrong)
		return kvf_fail(err, KVF_EDEFINITION, "cannot write this head: %s", wrong);
	w.st = kvf_buf_append(buf, kvf_magic, sizeof(kvf_magic), err);
	open_record(&w,
		    9u + (head->nargs ? 1u : 0u) + (head->has_nonce ? 1u : 0u) +
			    (head->version_key.len ? 1u : 0u),
		    "head");
	key_str(&w, "app", head->app);
	if (head->nargs) {
		kvf_mpw_str(&w, "arg");
		kvf_mpw_array(&w, head->nargs);
		for (i = 0; i < head->nargs; i++) {
			kvf_mpw_array(&w, 2);
			kvf_mpw_str(&w, head->args[i].name);
			kvf_mpw_str(&w, head->args[i].value);
		}
	}
	key_uint(&w, "chunk", head->chunk);
	key_list(&w, "feat", head->features, head->nfeatures);
	key_uint(&w, "from", head->from);
	kvf_mpw_str(&w, "lim");
	kvf_mpw_map(&w, 4);
	key_uint(&w, "key", head->lim.key);
	key_uint(&w, "part", head->lim.part);
	key_uint(&w, "raw", head->lim.unit);
	key_uint(&w, "val", head->lim.value);
	if (head->has_nonce)
		key_bin(&w, "nonce", head->nonce, sizeof(head->nonce));
	key_list(&w, "pkgs", head->packages, head->npackages);
	key_uint(&w, "schema", head->schema);
	key_uint(&w, "v", head->minor);
	if (head->version_key.len) {
		kvf_mpw_str(&w, "vrec");
		kvf_mpw_array(&w, 4);
		kvf_mpw_bin(&w, head->version_part.ptr, head->version_part.len);
		kvf_mpw_bin(&w, head->version_key.ptr, head->version_key.len);
		kvf_mpw_bin(&w, head->version_started.ptr, head->version_started.len);
		kvf_mpw_bin(&w, head->version_done.ptr, head->version_done.len);
	}
	return w.st;
}

enum kvf_status kvf_write_begin(struct kvf_buf *buf, const struct kvf_begin *begin,
				struct kvf_err *err)
{
	struct kvf_mpw w = { buf, KVF_OK, err };
	const char *wrong = kvf_check_begin(begin);
	size_t i;

	if (wrong)
		return kvf_fail(err, KVF_EDEFINITION, "cannot write package %s: %s",
				kvf_is_word(begin->name, KVF_PACKAGE_NAME_MAX) ? begin->name
									       : "?",
				wrong);
	open_record(&w, 7u + (begin->ntables ? 1u : 0u) + (begin->nsources ? 1u : 0u), "begin");
	if (begin->ntables) {
		kvf_mpw_str(&w, "cols");
		kvf_write_cols(&w, begin->tables, begin->ntables);
	}
	kvf_mpw_str(&w, "kinds");
	kvf_write_kinds(&w, begin->kinds, begin->nkinds);
	kvf_mpw_str(&w, "msgs");
	kvf_write_messages(&w, begin->messages, begin->nmessages);
	key_uint(&w, "n", begin->n);
	key_str(&w, "name", begin->name);
	key_uint(&w, "ord", 1);
	key_uint(&w, "rev", begin->rev);
	if (begin->nsources) {
		kvf_mpw_str(&w, "src");
		kvf_mpw_array(&w, begin->nsources);
		for (i = 0; i < begin->nsources; i++)
			kvf_mpw_bin(&w, begin->sources[i], strlen(begin->sources[i]));
	}
	if (w.st == KVF_EREJECT)
		return kvf_fail(err, KVF_EDEFINITION,
				"package %s describes more than fits into 16 MiB", begin->name);
	return w.st;
}

/* A fixed buffer cannot run out: both records have a largest size. */
static size_t to_fixed(uint8_t *to, size_t room, const struct kvf_chunk_record *c,
		       const struct kvf_endc_record *e)
{
	struct kvf_buf buf = { to, 0, room, room };
	struct kvf_mpw w = { &buf, KVF_OK, NULL };

	assert(c || e);
	if (c) {
		open_record(&w, 4, "chunk");
		key_bin(&w, "h", c->h, sizeof(c->h));
		key_uint(&w, "i", c->i);
		key_uint(&w, "n", c->n);
	} else {
		open_record(&w, 5, "endc");
		key_uint(&w, "b", e->b);
		key_uint(&w, "c", e->c);
		key_bin(&w, "d", e->d, sizeof(e->d));
		key_bin(&w, "m", e->m, sizeof(e->m));
	}
	return buf.len;
}

size_t kvf_write_chunk_record(uint8_t *to, const struct kvf_chunk_record *c)
{
	return to_fixed(to, KVF_CHUNK_RECORD_MAX, c, NULL);
}

size_t kvf_write_endc_record(uint8_t *to, const struct kvf_endc_record *e)
{
	return to_fixed(to, KVF_ENDC_RECORD_MAX, NULL, e);
}

enum kvf_status kvf_write_end(struct kvf_buf *buf, const struct kvf_end *end,
			      struct kvf_err *err)
{
	struct kvf_mpw w = { buf, KVF_OK, err };
	size_t i;

	if (end->nsides > KVF_SIDES_MAX)
		return kvf_fail(err, KVF_EUSAGE, "more than %d side reports", KVF_SIDES_MAX);
	for (i = 0; i < end->nsides; i++)
		if (!kvf_is_name(end->sides[i].name, KVF_NAME_MAX))
			return kvf_fail(err, KVF_EUSAGE,
					"the name of a side report is unusable");
	open_record(&w, 7u + (end->nsides ? 1u : 0u), "end");
	key_uint(&w, "b", end->totals.bytes);
	key_uint(&w, "c", end->totals.entries);
	key_uint(&w, "k", end->chunks);
	key_bin(&w, "m", end->totals.m, sizeof(end->totals.m));
	key_uint(&w, "n", end->n);
	key_bin(&w, "r", end->r, sizeof(end->r));
	if (end->nsides) {
		kvf_mpw_str(&w, "side");
		kvf_mpw_array(&w, end->nsides);
		for (i = 0; i < end->nsides; i++) {
			kvf_mpw_array(&w, 3);
			kvf_mpw_str(&w, end->sides[i].name);
			kvf_mpw_uint(&w, end->sides[i].size);
			kvf_mpw_bin(&w, end->sides[i].sha256, 32);
		}
	}
	return w.st;
}

enum kvf_status kvf_write_tail(struct kvf_buf *buf, const struct kvf_tail *tail,
			       struct kvf_err *err)
{
	struct kvf_mpw w = { buf, KVF_OK, err };

	open_record(&w, 6, "tail");
	key_uint(&w, "b", tail->bytes);
	key_uint(&w, "c", tail->entries);
	key_uint(&w, "k", tail->chunks);
	key_uint(&w, "p", tail->packages);
	key_bin(&w, "r", tail->r, sizeof(tail->r));
	return w.st;
}

enum kvf_status kvf_write_abort(struct kvf_buf *buf, int code, const char *message,
				struct kvf_err *err)
{
	struct kvf_mpw w = { buf, KVF_OK, err };
	char text[KVF_ABORT_MAX + 1];
	size_t len = strlen(message), i;

	/* A message is for people: cut and cleaned rather than refused. */
	if (len > KVF_ABORT_MAX)
		len = KVF_ABORT_MAX;
	len = kvf_utf8_valid(message, len);
	memcpy(text, message, len);
	text[len] = '\0';
	for (i = 0; i < len; i++)
		if ((uint8_t)text[i] < 0x20 || text[i] == 0x7f)
			text[i] = ' ';
		else if ((uint8_t)text[i] == 0xc2 && (uint8_t)text[i + 1] < 0xa0)
			text[i] = text[i + 1] = ' '; /* C1 */
	open_record(&w, 3, "abort");
	key_uint(&w, "code", (uint64_t)(code & 0xff));
	key_str(&w, "msg", text);
	return w.st;
}
