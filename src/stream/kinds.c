/*
 * kinds - how values can be read without the package definition: kinds with
 * their patterns, and the tables of protobuf messages.
 */
#include "stream/record.h"

static const char *const encodings[] = { "raw", "msgpack", "json", "protobuf" };

static void write_pattern(struct kvf_mpw *w, const struct kvf_pattern *p)
{
	size_t i;

	kvf_mpw_array(w, p->npieces);
	for (i = 0; i < p->npieces; i++)
		kvf_mpw_bin(w, p->pieces[i].ptr, p->pieces[i].len);
}

void kvf_write_kinds(struct kvf_mpw *w, const struct kvf_kind *kinds, size_t n)
{
	size_t i;

	kvf_mpw_array(w, n);
	for (i = 0; i < n; i++) {
		int pb = kinds[i].enc == KVF_PROTOBUF;

		kvf_mpw_map(w, pb ? 6 : 5);
		kvf_mpw_str(w, "enc");
		kvf_mpw_str(w, encodings[kinds[i].enc]);
		kvf_mpw_str(w, "key");
		write_pattern(w, &kinds[i].key);
		if (pb) {
			kvf_mpw_str(w, "msg");
			kvf_mpw_uint(w, kinds[i].msg);
		}
		kvf_mpw_str(w, "name");
		kvf_mpw_str(w, kinds[i].name);
		kvf_mpw_str(w, "part");
		write_pattern(w, &kinds[i].part);
		kvf_mpw_str(w, "rev");
		kvf_mpw_uint(w, kinds[i].rev);
	}
}

void kvf_write_messages(struct kvf_mpw *w, const struct kvf_message *messages, size_t n)
{
	size_t i, j;

	kvf_mpw_array(w, n);
	for (i = 0; i < n; i++) {
		kvf_mpw_map(w, 2);
		kvf_mpw_str(w, "f");
		kvf_mpw_array(w, messages[i].nfields);
		for (j = 0; j < messages[i].nfields; j++) {
			const struct kvf_field *f = &messages[i].fields[j];

			kvf_mpw_array(w, f->ref >= 0 ? 4 : 3);
			kvf_mpw_uint(w, f->number);
			kvf_mpw_str(w, f->name);
			kvf_mpw_str(w, f->type);
			if (f->ref >= 0)
				kvf_mpw_uint(w, (uint64_t)f->ref);
		}
		kvf_mpw_str(w, "name");
		kvf_mpw_str(w, messages[i].name);
	}
}

/* ---- reading ------------------------------------------------------------------------- */

static int read_pattern(struct kvf_mp *m, struct kvf_pool_text *k, struct kvf_pattern *p)
{
	struct kvf_bytes *pieces, v;
	size_t n, i;

	if (!kvf_mp_array(m, KVF_PIECES_MAX, &n))
		return 0;
	pieces = kvf_keep_array(k, n, sizeof(*pieces));
	if (!pieces)
		return kvf_mp_fail(m, "no memory");
	for (i = 0; i < n; i++) {
		if (!kvf_mp_bin(m, KVF_PIECE_MAX, &v))
			return 0;
		pieces[i].len = v.len;
		pieces[i].ptr = (const uint8_t *)kvf_keep_text(k, v);
	}
	p->pieces = pieces;
	p->npieces = n;
	return 1;
}

static int read_encoding(struct kvf_mp *m, struct kvf_kind *kind)
{
	struct kvf_bytes v;
	size_t i;

	if (!kvf_mp_str(m, 31, &v))
		return 0;
	for (i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++)
		if (v.len == strlen(encodings[i]) && memcmp(v.ptr, encodings[i], v.len) == 0) {
			kind->enc = (enum kvf_encoding)i;
			return 1;
		}
	return kvf_mp_fail(m, "an unknown encoding");
}

static int read_kind(struct kvf_mp *m, struct kvf_pool_text *k, struct kvf_kind *kind)
{
	struct kvf_mp_map map;
	struct kvf_bytes v;
	unsigned seen = 0;
	uint64_t msg;
	int has_msg = 0;

	if (!kvf_mp_map_open(m, &map))
		return 0;
	while (kvf_mp_map_next(m, &map)) {
		if (kvf_mp_key_is(&map, "enc")) {
			seen |= read_encoding(m, kind) ? 1 : 0;
		} else if (kvf_mp_key_is(&map, "key")) {
			seen |= read_pattern(m, k, &kind->key) ? 2 : 0;
		} else if (kvf_mp_key_is(&map, "msg")) {
			if (!kvf_mp_uint(m, &msg) || msg >= KVF_MESSAGES_MAX)
				return kvf_mp_fail(m, "a message number is out of range");
			kind->msg = (uint32_t)msg;
			has_msg = 1;
		} else if (kvf_mp_key_is(&map, "name")) {
			if (kvf_mp_text(m, KVF_NAME_MAX, &v)) {
				kind->name = kvf_keep_text(k, v);
				seen |= 4;
			}
		} else if (kvf_mp_key_is(&map, "part")) {
			seen |= read_pattern(m, k, &kind->part) ? 8 : 0;
		} else if (kvf_mp_key_is(&map, "rev")) {
			seen |= kvf_mp_uint(m, &kind->rev) ? 16 : 0;
		} else {
			kvf_record_other(m, &map, 3);
		}
	}
	if (seen != 31)
		return kvf_mp_fail(m, "a key of a kind is missing");
	if (has_msg != (kind->enc == KVF_PROTOBUF))
		return kvf_mp_fail(m, "a kind has \"msg\" exactly when it is protobuf");
	return !m->bad;
}

int kvf_read_kinds(struct kvf_mp *m, struct kvf_pool_text *k, const struct kvf_kind **out,
		   size_t *count)
{
	struct kvf_kind *kinds;
	size_t n, i;

	if (!kvf_mp_array(m, KVF_LIST_MAX, &n))
		return 0;
	kinds = kvf_keep_array(k, n, sizeof(*kinds));
	if (!kinds)
		return kvf_mp_fail(m, "no memory");
	for (i = 0; i < n; i++)
		if (!read_kind(m, k, &kinds[i]))
			return 0;
	*out = kinds;
	*count = n;
	return 1;
}

static int read_field(struct kvf_mp *m, struct kvf_pool_text *k, struct kvf_field *f)
{
	struct kvf_bytes v;
	uint64_t u;
	size_t n;

	if (!kvf_mp_array(m, 4, &n))
		return 0;
	if (n < 3)
		return kvf_mp_fail(m, "a field has fewer than three elements");
	if (!kvf_mp_uint(m, &u))
		return 0;
	if (u > UINT32_MAX)
		return kvf_mp_fail(m, "a field number is out of range");
	f->number = (uint32_t)u;
	if (!kvf_mp_text(m, KVF_FIELD_NAME_MAX, &v))
		return 0;
	f->name = kvf_keep_text(k, v);
	if (!kvf_mp_text(m, KVF_TYPE_MAX, &v))
		return 0;
	f->type = kvf_keep_text(k, v);
	f->ref = -1;
	if (n == 4) {
		if (!kvf_mp_uint(m, &u) || u >= KVF_MESSAGES_MAX)
			return kvf_mp_fail(m, "a message number is out of range");
		f->ref = (int64_t)u;
	}
	return 1;
}

static int read_message(struct kvf_mp *m, struct kvf_pool_text *k, struct kvf_message *msg)
{
	struct kvf_mp_map map;
	struct kvf_field *f;
	struct kvf_bytes v;
	unsigned seen = 0;
	size_t i;

	if (!kvf_mp_map_open(m, &map))
		return 0;
	while (kvf_mp_map_next(m, &map)) {
		if (kvf_mp_key_is(&map, "f")) {
			if (!kvf_mp_array(m, KVF_FIELDS_MAX, &msg->nfields))
				return 0;
			f = kvf_keep_array(k, msg->nfields, sizeof(*f));
			if (!f)
				return kvf_mp_fail(m, "no memory");
			for (i = 0; i < msg->nfields; i++)
				if (!read_field(m, k, &f[i]))
					return 0;
			msg->fields = f;
			seen |= 1;
		} else if (kvf_mp_key_is(&map, "name")) {
			if (!kvf_mp_text(m, KVF_FIELD_NAME_MAX, &v))
				return 0;
			msg->name = kvf_keep_text(k, v);
			seen |= 2;
		} else {
			kvf_record_other(m, &map, 3);
		}
	}
	return seen == 3 && !m->bad ? 1 : kvf_mp_fail(m, "a key of a message is missing");
}

int kvf_read_messages(struct kvf_mp *m, struct kvf_pool_text *k, const struct kvf_message **out,
		      size_t *count)
{
	struct kvf_message *messages;
	size_t n, i;

	if (!kvf_mp_array(m, KVF_MESSAGES_MAX, &n))
		return 0;
	messages = kvf_keep_array(k, n, sizeof(*messages));
	if (!messages)
		return kvf_mp_fail(m, "no memory");
	for (i = 0; i < n; i++)
		if (!read_message(m, k, &messages[i]))
			return 0;
	*out = messages;
	*count = n;
	return 1;
}

/* ---- rules ------------------------------------------------------------------------------ */

static int is_one_of(const char *s, size_t len, const char *const *list)
{
	for (; *list; list++)
		if (strlen(*list) == len && memcmp(s, *list, len) == 0)
			return 1;
	return 0;
}

static const char *const scalars[] = { "double",  "float",     "int32",    "int64",
				       "uint32",  "uint64",    "sint32",   "sint64",
				       "fixed32", "fixed64",   "sfixed32", "sfixed64",
				       "bool",    "string",    "bytes",    "enum",
				       "message", "timestamp", NULL };
static const char *const map_keys[] = { "int32",  "int64",   "uint32",  "uint64",   "sint32",
					"sint64", "fixed32", "fixed64", "sfixed32", "sfixed64",
					"bool",   "string",  NULL };

/* Is this the name of a type, and does it end in a message or an enum? */
static int is_type(const char *type, int *message, int *enumeration)
{
	const char *s = type, *comma;
	size_t len = strlen(s);

	*message = *enumeration = 0;
	if (strncmp(s, "repeated ", 9) == 0) {
		s += 9;
		len -= 9;
	} else if (strncmp(s, "map<", 4) == 0 && s[len - 1] == '>') {
		comma = strchr(s, ',');
		if (!comma || !is_one_of(s + 4, (size_t)(comma - s) - 4, map_keys))
			return 0;
		len -= (size_t)(comma + 1 - s) + 1;
		s = comma + 1;
	}
	if (!is_one_of(s, len, scalars))
		return 0;
	*message = len == 7 && memcmp(s, "message", 7) == 0;
	*enumeration = len == 4 && memcmp(s, "enum", 4) == 0;
	return 1;
}

static const char *check_message(const struct kvf_message *m, size_t nmessages)
{
	int message, enumeration;
	size_t i;

	if (!kvf_is_name(m->name, KVF_FIELD_NAME_MAX))
		return "the name of a message is unusable";
	if (m->nfields > KVF_FIELDS_MAX)
		return "a message has more than 512 fields";
	for (i = 0; i < m->nfields; i++) {
		const struct kvf_field *f = &m->fields[i];

		if (!kvf_is_name(f->name, KVF_FIELD_NAME_MAX))
			return "the name of a field is unusable";
		if (i && m->fields[i - 1].number >= f->number)
			return "the fields of a message do not ascend by number";
		if (strcmp(f->type, "const") == 0) { /* a name of an enum's number */
			if (f->ref >= 0)
				return "a constant has no ref";
			continue;
		}
		if (f->number < 1 || f->number > KVF_FIELD_NUMBER_MAX)
			return "a field number is not between 1 and 2^29 - 1";
		if (!is_type(f->type, &message, &enumeration))
			return "the type of a field is unknown";
		if (f->ref >= 0 && (uint64_t)f->ref >= nmessages)
			return "a ref leads to no message";
		if (message ? f->ref < 0 : f->ref >= 0 && !enumeration)
			return "a field has a ref without need, or needs one";
	}
	return NULL;
}

static const char *check_pattern(const struct kvf_pattern *p)
{
	size_t i;

	if (p->npieces < 1 || p->npieces > KVF_PIECES_MAX)
		return "a pattern has not 1 to 8 pieces";
	for (i = 0; i < p->npieces; i++)
		if (p->pieces[i].len > KVF_PIECE_MAX)
			return "a piece of a pattern is over 1,024 bytes";
	return NULL;
}

const char *kvf_check_kinds(const struct kvf_begin *b)
{
	const char *wrong;
	size_t i;

	if (b->nkinds > KVF_LIST_MAX)
		return "more than 65,535 kinds";
	if (b->nmessages > KVF_MESSAGES_MAX)
		return "more than 1,024 messages";
	for (i = 0; i < b->nkinds; i++) {
		const struct kvf_kind *k = &b->kinds[i];

		if (!kvf_is_name(k->name, KVF_NAME_MAX))
			return "the name of a kind is not 1 to 1,024 printable bytes";
		if (k->enc > KVF_PROTOBUF)
			return "a kind has an unknown encoding";
		if (k->enc == KVF_PROTOBUF && k->msg >= b->nmessages)
			return "a kind's message does not exist";
		wrong = check_pattern(&k->part);
		if (!wrong)
			wrong = check_pattern(&k->key);
		if (wrong)
			return wrong;
	}
	for (i = 0; i < b->nmessages; i++) {
		wrong = check_message(&b->messages[i], b->nmessages);
		if (wrong)
			return wrong;
	}
	return NULL;
}

/* ---- matching ---------------------------------------------------------------------------- */

static int match(const struct kvf_pattern *p, struct kvf_bytes b)
{
	const struct kvf_bytes *first = &p->pieces[0], *last = &p->pieces[p->npieces - 1];
	const uint8_t *at, *end;
	size_t i;

	if (p->npieces == 1)
		return kvf_bytes_cmp(*first, b) == 0;
	if (b.len < first->len + last->len)
		return 0;
	if (first->len && memcmp(b.ptr, first->ptr, first->len) != 0)
		return 0;
	at = b.ptr + first->len;
	end = b.ptr + b.len - last->len;
	if (last->len && memcmp(end, last->ptr, last->len) != 0)
		return 0;
	for (i = 1; i + 1 < p->npieces; i++) {
		if (p->pieces[i].len == 0)
			continue;
		at = at == end ? NULL
			       : memmem(at, (size_t)(end - at), p->pieces[i].ptr,
					p->pieces[i].len);
		if (!at)
			return 0;
		at += p->pieces[i].len;
	}
	return 1;
}

size_t kvf_kind_match(const struct kvf_kind *kinds, size_t nkinds,
		      const struct kvf_entry *entry)
{
	size_t i;

	for (i = 0; i < nkinds; i++)
		if (match(&kinds[i].part, entry->part) && match(&kinds[i].key, entry->key))
			return i;
	return nkinds;
}
