/* words - the words of the language, and reading them from nodes. */
#include "formats/words.h"

#include "base/text.h"
#include "value/number.h"

#include <stdio.h>
#include <string.h>

int kvf_word_find(const struct kvf_word *words, size_t n, struct kvf_bytes text)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (kvf_bytes_cmp(text, kvf_bytes_str(words[i].name)) == 0)
			return words[i].id;
	return -1;
}

/* For messages: a short, printable form. */
static const char *shown(struct kvf_bytes text, char buf[80])
{
	return kvf_bytes_print(text, buf, 80);
}

static void hint(struct kvf_err *err, const char *const *names, size_t n, struct kvf_bytes text)
{
	char word[64], known[400];
	const char *near;
	size_t at = 0, i;

	near = kvf_did_you_mean(kvf_bytes_print(text, word, sizeof(word)), names, n);
	if (near) {
		kvf_err_hint(err, "Did you mean \"%s\"?", near);
		return;
	}
	known[0] = '\0';
	for (i = 0; i < n && at < sizeof(known) - 64; i++)
		at += (size_t)snprintf(known + at, sizeof(known) - at, "%s%s", i ? ", " : "",
				       names[i]);
	kvf_err_hint(err, "Known here: %s%s.", known, i < n ? " ..." : "");
}

void kvf_word_hint(struct kvf_err *err, const struct kvf_word *words, size_t n,
		   struct kvf_bytes text)
{
	const char *names[64];
	size_t i;

	for (i = 0; i < n && i < 64; i++)
		names[i] = words[i].name;
	hint(err, names, i, text);
}

enum kvf_status kvf_word_read(const struct kvf_node *node, const char *what,
			      const struct kvf_word *words, size_t n, int *id,
			      struct kvf_err *err)
{
	enum kvf_status st = kvf_node_scalar(node, what, err);
	char buf[80];

	if (st)
		return st;
	*id = kvf_word_find(words, n, node->text);
	if (*id >= 0)
		return KVF_OK;
	kvf_def_fail(err, node->pos, "unknown %s \"%s\"", what, shown(node->text, buf));
	kvf_word_hint(err, words, n, node->text);
	return KVF_EDEFINITION;
}

/* Keys that a later version of the language may bring: say so. */
static const char *const later[] = { "upgrade", "decide", "guide" };

static enum kvf_status unknown_key(const struct kvf_node *key, const char *what,
				   const char *const *keys, size_t n, struct kvf_err *err)
{
	char buf[80];
	size_t i;

	for (i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		if (kvf_bytes_cmp(key->text, kvf_bytes_str(later[i])) == 0) {
			kvf_def_fail(err, key->pos,
				     "\"%s\" is not a key of %s in this version of kvferry",
				     later[i], what);
			hint(err, keys, n, key->text);
			return KVF_EDEFINITION;
		}
	kvf_def_fail(err, key->pos, "unknown key \"%s\" in %s", shown(key->text, buf), what);
	hint(err, keys, n, key->text);
	return KVF_EDEFINITION;
}

enum kvf_status kvf_node_members(const struct kvf_node *node, const char *what,
				 const char *const *keys, size_t n, const struct kvf_node **out,
				 struct kvf_err *err)
{
	enum kvf_status st = kvf_node_collection(node, KVF_NODE_MAP, what, err);
	const struct kvf_node *v;
	size_t i;

	if (st)
		return st;
	memset(out, 0, n * sizeof(*out));
	for (v = node->first; v; v = v->next) {
		for (i = 0; i < n; i++)
			if (kvf_bytes_cmp(v->key->text, kvf_bytes_str(keys[i])) == 0)
				break;
		if (i == n)
			return unknown_key(v->key, what, keys, n, err);
		if (v->absent)
			return kvf_def_fail(err, v->key->pos, "\"%s\" has no value", keys[i]);
		out[i] = v;
	}
	return KVF_OK;
}

enum kvf_status kvf_node_required(const struct kvf_node *node, const struct kvf_node *member,
				  const char *what, const char *key, struct kvf_err *err)
{
	if (member)
		return KVF_OK;
	return kvf_def_fail(err, node->pos, "%s has no \"%s\"", what, key);
}

enum kvf_status kvf_node_collection(const struct kvf_node *node, enum kvf_node_type type,
				    const char *what, struct kvf_err *err)
{
	if (node->type == type)
		return KVF_OK;
	return kvf_def_fail(err, node->pos, "%s must be a %s", what,
			    type == KVF_NODE_MAP ? "mapping (key: value)" : "list");
}

enum kvf_status kvf_node_scalar(const struct kvf_node *node, const char *what,
				struct kvf_err *err)
{
	if (node->type == KVF_NODE_SCALAR && !node->absent)
		return KVF_OK;
	if (node->type == KVF_NODE_SCALAR)
		return kvf_def_fail(err, node->pos, "%s has no value", what);
	return kvf_def_fail(err, node->pos, "%s must be a single value, not a %s", what,
			    node->type == KVF_NODE_MAP ? "mapping" : "list");
}

enum kvf_status kvf_node_text(const struct kvf_node *node, const char *what, const char **out,
			      struct kvf_err *err)
{
	enum kvf_status st = kvf_node_scalar(node, what, err);

	if (st)
		return st;
	if (node->text.len == 0)
		return kvf_def_fail(err, node->pos, "%s is empty", what);
	if (memchr(node->text.ptr, 0, node->text.len))
		return kvf_def_fail(err, node->pos, "%s has a NUL character in it", what);
	*out = (const char *)node->text.ptr;
	return KVF_OK;
}

static int is_alnum(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

int kvf_def_is_name(struct kvf_bytes t)
{
	size_t i;

	if (t.len == 0 || t.len > KVF_DEF_NAME_MAX || !(is_alnum(t.ptr[0]) || t.ptr[0] == '_'))
		return 0;
	for (i = 1; i < t.len; i++)
		if (!is_alnum(t.ptr[i]) && t.ptr[i] != '_' && t.ptr[i] != '-' &&
		    t.ptr[i] != '.')
			return 0;
	return 1;
}

int kvf_def_is_package_name(struct kvf_bytes t)
{
	size_t i;

	if (!kvf_def_is_name(t) || t.ptr[0] == '_')
		return 0;
	for (i = 0; i < t.len; i++)
		if (t.ptr[i] >= 'A' && t.ptr[i] <= 'Z')
			return 0;
	return 1;
}

enum kvf_status kvf_node_name(const struct kvf_node *node, const char *what, const char **out,
			      struct kvf_err *err)
{
	enum kvf_status st = kvf_node_text(node, what, out, err);
	char buf[80];

	if (st || kvf_def_is_name(node->text))
		return st;
	kvf_def_fail(err, node->pos, "%s \"%s\" is not a name", what, shown(node->text, buf));
	kvf_err_hint(err,
		     "Names are letters, digits, \"_\", \"-\" and \".\", at most %d bytes.",
		     KVF_DEF_NAME_MAX);
	return KVF_EDEFINITION;
}

enum kvf_status kvf_node_number(const struct kvf_node *node, const char *what, uint64_t least,
				uint64_t most, uint64_t *out, struct kvf_err *err)
{
	enum kvf_status st = kvf_node_scalar(node, what, err);
	char buf[80];

	if (st)
		return st;
	if (!kvf_parse_u64(node->text, out))
		return kvf_def_fail(err, node->pos,
				    "%s must be a number in decimal digits, not \"%s\"", what,
				    shown(node->text, buf));
	if (*out < least || *out > most)
		return kvf_def_fail(err, node->pos, "%s is %s, allowed is %llu...%llu", what,
				    shown(node->text, buf), (unsigned long long)least,
				    (unsigned long long)most);
	return KVF_OK;
}

enum kvf_status kvf_node_truth(const struct kvf_node *node, const char *what, int *out,
			       struct kvf_err *err)
{
	static const struct kvf_word words[] = { { "false", 0 }, { "true", 1 } };
	enum kvf_status st = kvf_node_scalar(node, what, err);
	char buf[80];

	if (st)
		return st;
	*out = kvf_word_find(words, 2, node->text);
	if (*out >= 0)
		return KVF_OK;
	kvf_def_fail(err, node->pos, "%s must be true or false, not \"%s\"", what,
		     shown(node->text, buf));
	return KVF_EDEFINITION;
}
