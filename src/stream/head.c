/* head - the head and begin records: rules, and reading them. */
#include "stream/record.h"

#include "base/text.h"

#include <stdlib.h>

struct kvf_limits kvf_limits_default(void)
{
	struct kvf_limits lim = { 1024, 4096, 64u << 20, 0 };

	return lim;
}

int kvf_is_word(const char *s, size_t max)
{
	size_t i;

	for (i = 0; s[i]; i++) {
		int alnum = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9');

		if (i == max || !(alnum || (i && strchr("_.-", s[i]))))
			return 0;
	}
	return i > 0;
}

int kvf_is_name(const char *s, size_t max)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t len = strlen(s), i;

	if (len == 0 || len > max || kvf_utf8_valid(s, len) != len)
		return 0;
	for (i = 0; i < len; i++)
		if (p[i] < 0x20 || p[i] == 0x7f || (p[i] == 0xc2 && p[i + 1] < 0xa0))
			return 0;
	return 1;
}

static const char *check_limits(const struct kvf_limits *lim, uint64_t chunk)
{
	if (chunk < KVF_CHUNK_MIN || chunk > KVF_CHUNK_MAX)
		return "the chunk target is not between 4 KiB and 16 MiB";
	if (lim->part > KVF_PART_MAX || lim->key < 1 || lim->key > KVF_KEY_MAX ||
	    lim->value > KVF_VALUE_MAX || lim->unit > KVF_UNIT_MAX)
		return "a limit is beyond what the format allows";
	if (lim->unit < chunk + lim->part + lim->key + lim->value + KVF_UNIT_SLACK)
		return "the limit of a unit (lim.raw) is too small for chunk and the other "
		       "limits";
	return NULL;
}

const char *kvf_check_head(const struct kvf_head *head)
{
	size_t i, j;

	if (head->app[0] && !kvf_is_name(head->app, KVF_APP_MAX))
		return "the application's name is not 1 to 64 printable bytes";
	if (head->nargs > KVF_ARGS_MAX)
		return "more than 32 arguments";
	for (i = 0; i < head->nargs; i++) {
		if (!kvf_is_name(head->args[i].name, KVF_ARG_NAME_MAX))
			return "the name of an argument is unusable";
		if (i && strcmp(head->args[i - 1].name, head->args[i].name) >= 0)
			return "the arguments do not ascend by name";
		if (strlen(head->args[i].value) > KVF_ARG_VALUE_MAX ||
		    kvf_utf8_valid(head->args[i].value, strlen(head->args[i].value)) !=
			    strlen(head->args[i].value))
			return "the value of an argument is too long or not UTF-8";
	}
	if (head->nfeatures > KVF_FEATURES_MAX)
		return "more than 16 features";
	for (i = 0; i < head->nfeatures; i++) {
		if (!kvf_is_word(head->features[i], KVF_FEATURE_NAME_MAX))
			return "the name of a feature is unusable";
		if (i && strcmp(head->features[i - 1], head->features[i]) >= 0)
			return "the features do not ascend";
	}
	if (head->npackages > KVF_PACKAGES_MAX)
		return "more than 4,096 packages";
	for (i = 0; i < head->npackages; i++) {
		if (!kvf_is_word(head->packages[i], KVF_PACKAGE_NAME_MAX))
			return "the name of a package is not [a-z0-9][a-z0-9_.-]* of at most "
			       "64 "
			       "bytes";
		for (j = 0; j < i; j++)
			if (strcmp(head->packages[i], head->packages[j]) == 0)
				return "two packages have one name";
	}
	if (head->version_part.len > KVF_VERSION_MAX ||
	    head->version_key.len > KVF_VERSION_MAX ||
	    head->version_started.len > KVF_VERSION_MAX ||
	    head->version_done.len > KVF_VERSION_MAX)
		return "the application's version record is over 256 bytes";
	return check_limits(&head->lim, head->chunk);
}

const char *kvf_check_begin(const struct kvf_begin *begin)
{
	const char *wrong;
	size_t i;

	if (!kvf_is_word(begin->name, KVF_PACKAGE_NAME_MAX))
		return "its name is unusable";
	if (begin->nsources > KVF_LIST_MAX)
		return "more than 65,535 sources";
	for (i = 0; i < begin->nsources; i++)
		if (strlen(begin->sources[i]) > KVF_NAME_MAX)
			return "the name of a source is over 1,024 bytes";
	wrong = kvf_check_kinds(begin);
	return wrong ? wrong : kvf_check_cols(begin->tables, begin->ntables);
}

/* ---- reading ------------------------------------------------------------------------ */

/* The public struct first: what _parse hands out is what _free gets back. */
struct head_box {
	struct kvf_head head;
	struct kvf_pool_text keep;
};
struct begin_box {
	struct kvf_begin begin;
	struct kvf_pool_text keep;
};

static int read_args(struct kvf_mp *m, struct head_box *box)
{
	struct kvf_bytes name, value;
	struct kvf_pair *a;
	size_t n, two, i;

	if (!kvf_mp_array(m, KVF_ARGS_MAX, &n))
		return 0;
	if (n == 0)
		return kvf_mp_fail(m, "an empty list has to be left out");
	a = kvf_keep_array(&box->keep, n, sizeof(*a));
	if (!a)
		return kvf_mp_fail(m, "no memory");
	for (i = 0; i < n; i++) {
		if (!kvf_mp_array(m, 2, &two))
			return 0;
		if (two != 2)
			return kvf_mp_fail(m, "not two elements");
		if (!kvf_mp_text(m, KVF_ARG_NAME_MAX, &name) ||
		    !kvf_mp_str(m, KVF_ARG_VALUE_MAX, &value))
			return 0;
		if (value.len && memchr(value.ptr, 0, value.len))
			return kvf_mp_fail(m, "a text has a NUL");
		a[i].name = kvf_keep_text(&box->keep, name);
		a[i].value = kvf_keep_text(&box->keep, value);
	}
	box->head.args = a;
	box->head.nargs = n;
	return 1;
}

static int read_texts(struct kvf_mp *m, struct kvf_pool_text *keep, size_t max, size_t maxlen,
		      const char *const **list, size_t *count)
{
	struct kvf_bytes v;
	const char **l;
	size_t n, i;

	if (!kvf_mp_array(m, max, &n))
		return 0;
	l = kvf_keep_array(keep, n, sizeof(*l));
	if (!l)
		return kvf_mp_fail(m, "no memory");
	for (i = 0; i < n; i++) {
		if (!kvf_mp_text(m, maxlen, &v))
			return 0;
		l[i] = kvf_keep_text(keep, v);
	}
	*list = l;
	*count = n;
	return 1;
}

static int read_lim(struct kvf_mp *m, struct kvf_limits *lim)
{
	struct kvf_mp_map map;
	unsigned seen = 0;

	if (!kvf_mp_map_open(m, &map))
		return 0;
	while (kvf_mp_map_next(m, &map)) {
		if (kvf_mp_key_is(&map, "key"))
			seen |= kvf_mp_uint(m, &lim->key) ? 1 : 0;
		else if (kvf_mp_key_is(&map, "part"))
			seen |= kvf_mp_uint(m, &lim->part) ? 2 : 0;
		else if (kvf_mp_key_is(&map, "raw"))
			seen |= kvf_mp_uint(m, &lim->unit) ? 4 : 0;
		else if (kvf_mp_key_is(&map, "val"))
			seen |= kvf_mp_uint(m, &lim->value) ? 8 : 0;
		else
			kvf_record_other(m, &map, 2);
	}
	return seen == 15 && !m->bad ? 1 : kvf_mp_fail(m, "a limit is missing");
}

/* vrec: the application's version record: partition, key, started, done. */
static int read_version_record(struct kvf_mp *m, struct head_box *box)
{
	struct kvf_bytes *to[4] = { &box->head.version_part, &box->head.version_key,
				    &box->head.version_started, &box->head.version_done };
	struct kvf_bytes v;
	size_t n, i;

	if (!kvf_mp_array(m, 4, &n))
		return 0;
	for (i = 0; i < n; i++) {
		if (!kvf_mp_bin(m, KVF_VERSION_MAX, &v))
			return 0;
		to[i]->ptr = (const uint8_t *)kvf_keep_text(&box->keep, v);
		to[i]->len = v.len;
	}
	if (n != 4 || box->head.version_key.len == 0)
		return kvf_mp_fail(m, "a version record is not four texts with a key");
	return 1;
}

static void read_head(struct kvf_mp *m, struct head_box *box)
{
	struct kvf_head *h = &box->head;
	struct kvf_mp_map map;
	struct kvf_bytes v;
	unsigned seen = 0;

	if (!kvf_record_open(m, &map, "head"))
		return;
	while (kvf_mp_map_next(m, &map)) {
		if (kvf_mp_key_is(&map, "app")) {
			if (kvf_mp_text(m, KVF_APP_MAX, &v)) {
				h->app = kvf_keep_text(&box->keep, v);
				seen |= 1;
			}
		} else if (kvf_mp_key_is(&map, "arg")) {
			read_args(m, box);
		} else if (kvf_mp_key_is(&map, "chunk")) {
			seen |= kvf_mp_uint(m, &h->chunk) ? 2 : 0;
		} else if (kvf_mp_key_is(&map, "feat")) {
			seen |= read_texts(m, &box->keep, KVF_FEATURES_MAX,
					   KVF_FEATURE_NAME_MAX, &h->features, &h->nfeatures)
					? 4
					: 0;
		} else if (kvf_mp_key_is(&map, "from")) {
			seen |= kvf_mp_uint(m, &h->from) ? 8 : 0;
		} else if (kvf_mp_key_is(&map, "lim")) {
			seen |= read_lim(m, &h->lim) ? 16 : 0;
		} else if (kvf_mp_key_is(&map, "nonce")) {
			h->has_nonce = kvf_mp_fixed(m, h->nonce, sizeof(h->nonce));
		} else if (kvf_mp_key_is(&map, "pkgs")) {
			seen |= read_texts(m, &box->keep, KVF_PACKAGES_MAX,
					   KVF_PACKAGE_NAME_MAX, &h->packages, &h->npackages)
					? 32
					: 0;
		} else if (kvf_mp_key_is(&map, "schema")) {
			seen |= kvf_mp_uint(m, &h->schema) ? 64 : 0;
		} else if (kvf_mp_key_is(&map, "v")) {
			seen |= kvf_mp_uint(m, &h->minor) ? 128 : 0;
		} else if (kvf_mp_key_is(&map, "vrec")) {
			read_version_record(m, box);
		} else {
			kvf_record_other(m, &map, 1);
		}
	}
	if (seen != 255)
		kvf_mp_fail(m, "a key is missing");
}

enum kvf_status kvf_head_parse(struct kvf_bytes unit, struct kvf_head **out,
			       struct kvf_err *err)
{
	struct kvf_mp m = kvf_mp_over(unit.ptr, unit.len);
	struct head_box *box;
	enum kvf_status st;
	const char *wrong;

	*out = NULL;
	if (unit.len > KVF_CONTROL_MAX)
		return kvf_fail(err, KVF_ESTREAM, "damaged stream: head over 16 MiB");
	if (unit.len < sizeof(kvf_magic) || memcmp(unit.ptr, kvf_magic, sizeof(kvf_magic)) != 0)
		return kvf_fail(err, KVF_ESTREAM,
				"not the head of a KVF stream, major version 1");
	box = calloc(1, sizeof(*box));
	if (!box)
		return kvf_fail_nomem(err);
	if (!kvf_keep_init(&box->keep, unit.len)) {
		free(box);
		return kvf_fail_nomem(err);
	}
	m.at += sizeof(kvf_magic);
	read_head(&m, box);
	st = box->keep.nomem ? kvf_fail_nomem(err) : kvf_record_done(&m, unit, "head", err);
	if (!st) {
		wrong = kvf_check_head(&box->head);
		if (wrong)
			st = kvf_fail(err, KVF_ESTREAM, "damaged stream: head: %s", wrong);
	}
	if (st) {
		kvf_head_free(&box->head);
		return st;
	}
	*out = &box->head;
	return KVF_OK;
}

void kvf_head_free(struct kvf_head *head)
{
	struct head_box *box = (struct head_box *)(void *)head;

	if (!box)
		return;
	kvf_keep_release(&box->keep);
	free(box);
}

/* src: [bin]: table names, which a source may hold in any encoding. */
static int read_sources(struct kvf_mp *m, struct begin_box *box)
{
	struct kvf_bytes v;
	const char **l;
	size_t n, i;

	if (!kvf_mp_array(m, KVF_LIST_MAX, &n))
		return 0;
	if (n == 0)
		return kvf_mp_fail(m, "an empty list has to be left out");
	l = kvf_keep_array(&box->keep, n, sizeof(*l));
	if (!l)
		return kvf_mp_fail(m, "no memory");
	for (i = 0; i < n; i++) {
		if (!kvf_mp_bin(m, KVF_NAME_MAX, &v))
			return 0;
		if (v.len && memchr(v.ptr, 0, v.len))
			return kvf_mp_fail(m, "a text has a NUL");
		l[i] = kvf_keep_text(&box->keep, v);
	}
	box->begin.sources = l;
	box->begin.nsources = n;
	return 1;
}

static void read_begin(struct kvf_mp *m, struct begin_box *box)
{
	struct kvf_begin *b = &box->begin;
	struct kvf_mp_map map;
	struct kvf_bytes v;
	unsigned seen = 0;
	uint64_t ord = 1;

	if (!kvf_record_open(m, &map, "begin"))
		return;
	while (kvf_mp_map_next(m, &map)) {
		if (kvf_mp_key_is(&map, "cols")) {
			kvf_read_cols(m, &box->keep, &b->tables, &b->ntables);
		} else if (kvf_mp_key_is(&map, "kinds")) {
			seen |= kvf_read_kinds(m, &box->keep, &b->kinds, &b->nkinds) ? 1 : 0;
		} else if (kvf_mp_key_is(&map, "msgs")) {
			seen |= kvf_read_messages(m, &box->keep, &b->messages, &b->nmessages)
					? 2
					: 0;
		} else if (kvf_mp_key_is(&map, "n")) {
			seen |= kvf_mp_uint(m, &b->n) ? 4 : 0;
		} else if (kvf_mp_key_is(&map, "name")) {
			if (kvf_mp_text(m, KVF_PACKAGE_NAME_MAX, &v)) {
				b->name = kvf_keep_text(&box->keep, v);
				seen |= 8;
			}
		} else if (kvf_mp_key_is(&map, "ord")) {
			seen |= kvf_mp_uint(m, &ord) ? 16 : 0;
			if (ord != 1)
				kvf_mp_fail(m, "an order other than 1");
		} else if (kvf_mp_key_is(&map, "rev")) {
			seen |= kvf_mp_uint(m, &b->rev) ? 32 : 0;
		} else if (kvf_mp_key_is(&map, "src")) {
			read_sources(m, box);
		} else {
			kvf_record_other(m, &map, 1);
		}
	}
	if (seen != 63)
		kvf_mp_fail(m, "a key is missing");
}

enum kvf_status kvf_begin_parse(struct kvf_bytes unit, struct kvf_begin **out,
				struct kvf_err *err)
{
	struct kvf_mp m = kvf_mp_over(unit.ptr, unit.len);
	struct begin_box *box;
	enum kvf_status st;
	const char *wrong;

	*out = NULL;
	if (unit.len > KVF_CONTROL_MAX)
		return kvf_fail(err, KVF_ESTREAM, "damaged stream: begin over 16 MiB");
	box = calloc(1, sizeof(*box));
	if (!box)
		return kvf_fail_nomem(err);
	if (!kvf_keep_init(&box->keep, unit.len)) {
		free(box);
		return kvf_fail_nomem(err);
	}
	read_begin(&m, box);
	st = box->keep.nomem ? kvf_fail_nomem(err) : kvf_record_done(&m, unit, "begin", err);
	if (!st) {
		wrong = kvf_check_begin(&box->begin);
		if (wrong)
			st = kvf_fail(err, KVF_ESTREAM, "damaged stream: begin: %s", wrong);
	}
	if (st) {
		kvf_begin_free(&box->begin);
		return st;
	}
	*out = &box->begin;
	return KVF_OK;
}

void kvf_begin_free(struct kvf_begin *begin)
{
	struct begin_box *box = (struct begin_box *)(void *)begin;

	if (!box)
		return;
	kvf_keep_release(&box->keep);
	free(box);
}
