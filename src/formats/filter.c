/* filter - what stands behind "|" in a placeholder. */
#include "formats/run.h"

#include "base/hash.h"
#include "value/codec.h"
#include "value/number.h"

#include <string.h>

static enum kvf_status refuse(const struct kvf_def_filter *f, const char *why,
			      struct kvf_err *err)
{
	return kvf_fail(err, KVF_EREJECT, "%s: %s", f->name, why);
}

/* Room in the scratch for the result. */
static enum kvf_status room(struct kvf_run *run, size_t size, uint8_t **out,
			    struct kvf_err *err)
{
	enum kvf_status st;
	void *p = NULL;

	st = kvf_scratch_alloc(&run->sink->scratch, size, &p, err);
	*out = p;
	return st;
}

static void set_text(struct kvf_val *v, const void *p, size_t len)
{
	v->type = KVF_VAL_TEXT;
	v->json = NULL;
	v->u.b.ptr = p;
	v->u.b.len = len;
}

/* The text of anything but a blob and a JSON container. */
static enum kvf_status text_of(struct kvf_run *run, const struct kvf_def_filter *f,
			       const struct kvf_val *v, struct kvf_bytes *out,
			       struct kvf_err *err)
{
	if (v->type == KVF_VAL_BLOB)
		return refuse(f, "a blob is not text", err);
	return kvf_val_text(run, v, out, err);
}

static enum kvf_status change_case(struct kvf_run *run, const struct kvf_def_filter *f,
				   struct kvf_val *v, struct kvf_err *err)
{
	uint8_t low = f->id == KVF_FILTER_LOWER ? 'A' : 'a', *to;
	struct kvf_bytes in;
	enum kvf_status st;
	size_t i;

	st = text_of(run, f, v, &in, err);
	if (!st)
		st = room(run, in.len, &to, err);
	if (st)
		return st;
	for (i = 0; i < in.len; i++) {
		uint8_t c = in.ptr[i];

		to[i] = c >= low && c <= low + 25 ? c ^ 0x20 : c;
	}
	set_text(v, to, in.len);
	return KVF_OK;
}

static enum kvf_status encode(struct kvf_run *run, const struct kvf_def_filter *f,
			      struct kvf_val *v, struct kvf_err *err)
{
	struct kvf_bytes in;
	enum kvf_status st;
	uint8_t *to;
	size_t n;

	st = kvf_val_text(run, v, &in, err);
	if (!st && in.len > SIZE_MAX / 8)
		st = refuse(f, "too long", err);
	if (!st)
		st = room(run, 3 * in.len + 1, &to, err); /* the longest: urlencode */
	if (st)
		return st;
	if (f->id == KVF_FILTER_BASE32HEX) {
		n = kvf_base32hex(in, (char *)to);
	} else if (f->id == KVF_FILTER_URLENCODE) {
		n = kvf_urlencode(in, (char *)to);
	} else {
		kvf_hex(in.ptr, in.len, (char *)to);
		n = 2 * in.len;
	}
	kvf_scratch_trim(&run->sink->scratch, to, n);
	set_text(v, to, n);
	return KVF_OK;
}

static enum kvf_status integer(struct kvf_run *run, const struct kvf_def_filter *f,
			       struct kvf_val *v, struct kvf_err *err)
{
	char digits[KVF_NUMBER_TEXT];
	enum kvf_status st;
	uint64_t n = 0;
	uint8_t *to;
	size_t len;

	st = kvf_coerce_u64(v, &n, err);
	if (st == KVF_EREJECT)
		return refuse(f, "needs an integer that is not negative", err);
	if (st)
		return st;
	if (f->id != KVF_FILTER_PAD) {
		st = room(run, 8, &to, err);
		if (st)
			return st;
		kvf_put_be64(to, f->id == KVF_FILTER_BE64 ? n : UINT64_MAX - n);
		set_text(v, to, 8);
		return KVF_OK;
	}
	len = kvf_format_u64(n, digits);
	if (len > f->n)
		return refuse(f, "the number has more digits", err);
	st = room(run, (size_t)f->n, &to, err);
	if (st)
		return st;
	memset(to, '0', (size_t)f->n - len);
	memcpy(to + (size_t)f->n - len, digits, len);
	set_text(v, to, (size_t)f->n);
	return KVF_OK;
}

static enum kvf_status rfc3339(struct kvf_run *run, const struct kvf_def_filter *f,
			       struct kvf_val *v, struct kvf_err *err)
{
	struct kvf_timestamp t;
	enum kvf_status st;
	uint8_t *to;

	st = kvf_coerce_time(v, (enum kvf_time_unit)f->n, &t, err);
	if (!st)
		st = room(run, KVF_TIMESTAMP_TEXT, &to, err);
	if (st)
		return st;
	set_text(v, to, kvf_timestamp_format(t, (char *)to));
	return KVF_OK;
}

static enum kvf_status uuid(struct kvf_run *run, const struct kvf_def_filter *f,
			    struct kvf_val *v, struct kvf_err *err)
{
	uint8_t bytes[16], *to;
	struct kvf_bytes in;
	enum kvf_status st;

	st = kvf_val_text(run, v, &in, err);
	if (st)
		return st;
	if (f->id == KVF_FILTER_UUID5)
		kvf_uuid5(f->uuid, in, bytes);
	else if (v->type == KVF_VAL_BLOB && in.len == 16)
		memcpy(bytes, in.ptr, 16);
	else if (v->type == KVF_VAL_BLOB || !kvf_uuid_parse(in, bytes))
		return refuse(f, "not a UUID", err);
	st = room(run, KVF_UUID_TEXT, &to, err);
	if (st)
		return st;
	kvf_uuid_format(bytes, (char *)to);
	set_text(v, to, KVF_UUID_TEXT);
	return KVF_OK;
}

static enum kvf_status decimal(struct kvf_run *run, const struct kvf_def_filter *f,
			       struct kvf_val *v, struct kvf_err *err)
{
	struct kvf_bytes text;
	enum kvf_status st;

	st = kvf_coerce_decimal(run, v, (int)f->n, &text, err);
	if (!st)
		set_text(v, text.ptr, text.len);
	return st;
}

static int is_label(const uint8_t *p, size_t n)
{
	size_t i;

	if (n == 0 || n > 63 || p[0] == '-' || p[n - 1] == '-')
		return 0;
	for (i = 0; i < n; i++)
		if (!((p[i] >= 'a' && p[i] <= 'z') || (p[i] >= '0' && p[i] <= '9') ||
		      p[i] == '-'))
			return 0;
	return 1;
}

static int is_subdomain(const uint8_t *p, size_t n)
{
	size_t i, start = 0;

	if (n == 0 || n > 253)
		return 0;
	for (i = 0; i <= n; i++)
		if (i == n || p[i] == '.') {
			if (!is_label(p + start, i - start))
				return 0;
			start = i + 1;
		}
	return 1;
}

static enum kvf_status check(struct kvf_run *run, const struct kvf_def_filter *f,
			     const struct kvf_val *v, struct kvf_err *err)
{
	struct kvf_bytes in;
	enum kvf_status st;

	if (f->id == KVF_FILTER_DNS_LABEL || f->id == KVF_FILTER_DNS_SUBDOMAIN)
		st = text_of(run, f, v, &in, err);
	else
		st = kvf_val_text(run, v, &in, err);
	if (st)
		return st;
	if (f->id == KVF_FILTER_DNS_LABEL && !is_label(in.ptr, in.len))
		return refuse(f,
			      "not 1 to 63 of a-z, 0-9 and \"-\", with a letter or digit at "
			      "both ends",
			      err);
	if (f->id == KVF_FILTER_DNS_SUBDOMAIN && !is_subdomain(in.ptr, in.len))
		return refuse(f, "not DNS labels joined with dots, at most 253 bytes", err);
	if (f->id == KVF_FILTER_MAX && in.len > f->n)
		return kvf_fail(err, KVF_EREJECT, "max: %zu bytes, allowed are %llu", in.len,
				(unsigned long long)f->n);
	if (f->id == KVF_FILTER_MIN && in.len < f->n)
		return kvf_fail(err, KVF_EREJECT, "min: %zu bytes, required are %llu", in.len,
				(unsigned long long)f->n);
	if ((f->id == KVF_FILTER_NONEMPTY || f->id == KVF_FILTER_SEGMENT) && in.len == 0)
		return refuse(f, "empty", err);
	if (f->id == KVF_FILTER_SEGMENT && memchr(in.ptr, '/', in.len))
		return refuse(f, "a \"/\" in it", err);
	return KVF_OK;
}

enum kvf_status kvf_filter_apply(struct kvf_run *run, const struct kvf_def_filter *f,
				 struct kvf_val *v, struct kvf_err *err)
{
	switch (f->id) {
	case KVF_FILTER_HEX:
	case KVF_FILTER_BASE32HEX:
	case KVF_FILTER_URLENCODE: return encode(run, f, v, err);
	case KVF_FILTER_LOWER:
	case KVF_FILTER_UPPER: return change_case(run, f, v, err);
	case KVF_FILTER_PAD:
	case KVF_FILTER_BE64:
	case KVF_FILTER_DESC64: return integer(run, f, v, err);
	case KVF_FILTER_RFC3339: return rfc3339(run, f, v, err);
	case KVF_FILTER_UUID:
	case KVF_FILTER_UUID5: return uuid(run, f, v, err);
	case KVF_FILTER_DECIMAL: return decimal(run, f, v, err);
	case KVF_FILTER_ELSE:
		if (v->type == KVF_VAL_NULL)
			set_text(v, f->text.ptr, f->text.len);
		return KVF_OK;
	case KVF_FILTER_DNS_LABEL:
	case KVF_FILTER_DNS_SUBDOMAIN:
	case KVF_FILTER_SEGMENT:
	case KVF_FILTER_NONEMPTY:
	case KVF_FILTER_MAX:
	case KVF_FILTER_MIN: break;
	}
	return check(run, f, v, err);
}
