/*
 * manifest - a small text that promises what a stream holds, to be signed and
 * sent beside it.
 *
 * The first part is the same for equal data; the second names the file.
 *
 *     format 1
 *     app lakefs
 *     from 38
 *     schema 1
 *     root 5f2c...
 *     package auth entries 120 bytes 40960 chunks 1 m 01ab... r 99fe...
 *     file x.kvf
 *     size 10240
 *     sha256 77aa...
 */
#include "migrate/run.h"

#include "base/hash.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MANIFEST_MAX (4u << 20)

static enum kvf_status put_contents(struct kvf_buf *b, const struct kvf_report *r,
				    struct kvf_err *err)
{
	char root[65], m[33];
	enum kvf_status st;
	size_t i;

	kvf_hex(r->tail.r, 32, root);
	st = kvf_buf_printf(b, err,
			    "format 1\napp %s\nfrom %" PRIu64 "\nschema %" PRIu64 "\nroot %s\n",
			    r->app, r->from, r->schema, root);
	for (i = 0; !st && i < r->npackages; i++) {
		const struct kvf_report_package *p = &r->packages[i];

		kvf_hex(p->totals.m, 16, m);
		kvf_hex(p->r, 32, root);
		st = kvf_buf_printf(b, err,
				    "package %s entries %" PRIu64 " bytes %" PRIu64
				    " chunks %" PRIu64 " m %s r %s\n",
				    p->name, p->totals.entries, p->totals.bytes, p->chunks, m,
				    root);
	}
	return st;
}

/* Name, size and digest of the file, read back from where it was published. */
static enum kvf_status put_file(struct kvf_buf *b, const char *path, struct kvf_err *err)
{
	static const size_t block = 1u << 16;
	struct kvf_input *in = NULL;
	uint8_t *buf = malloc(block), digest[32];
	struct kvf_sha256 h;
	const char *slash = strrchr(path, '/');
	uint64_t size = 0;
	char text[65];
	size_t got;
	enum kvf_status st = buf ? kvf_input_file(path, &in, err) : kvf_fail_nomem(err);

	kvf_sha256_begin(&h);
	while (!st) {
		st = kvf_input_read(in, buf, block, &got, err);
		if (st || !got)
			break;
		kvf_sha256_update(&h, buf, got);
		size += got;
	}
	kvf_sha256_end(&h, digest);
	kvf_hex(digest, 32, text);
	if (!st)
		st = kvf_buf_printf(b, err, "file %s\nsize %" PRIu64 "\nsha256 %s\n",
				    slash ? slash + 1 : path, size, text);
	kvf_input_close(in);
	free(buf);
	return st;
}

enum kvf_status kvf_manifest_write(const char *path, const struct kvf_report *r,
				   const char *stream_path, int replace, struct kvf_err *err)
{
	struct kvf_output *out = NULL;
	struct kvf_buf b;
	enum kvf_status st;

	kvf_buf_init(&b, MANIFEST_MAX);
	st = put_contents(&b, r, err);
	if (!st && stream_path && strcmp(stream_path, "-") != 0)
		st = put_file(&b, stream_path, err);
	if (!st)
		st = kvf_output_file(path, replace, &out, err);
	if (!st)
		st = kvf_output_write(out, b.ptr, b.len, err);
	if (!st)
		st = kvf_output_commit(out, err);
	kvf_output_close(out);
	kvf_buf_release(&b);
	return st;
}

static enum kvf_status read_root(const char *path, uint8_t root[32], struct kvf_err *err)
{
	struct kvf_input *in = NULL;
	char *text = malloc(MANIFEST_MAX + 1), *line, *next;
	size_t got = 0;
	int found = 0;
	enum kvf_status st = text ? kvf_input_file(path, &in, err) : kvf_fail_nomem(err);

	if (!st)
		st = kvf_input_read(in, text, MANIFEST_MAX, &got, err);
	if (st)
		goto out;
	text[got] = '\0';
	for (line = text; line && !found; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		found = strncmp(line, "root ", 5) == 0 && strlen(line) == 69 &&
			kvf_unhex(line + 5, 64, root);
	}
	if (!found || strncmp(text, "format 1", 9) != 0) {
		kvf_fail(err, KVF_EUSAGE, "%s is no manifest of a stream", path);
		kvf_err_hint(err, "'kvferry export ... --manifest FILE' writes one.");
		st = KVF_EUSAGE;
	}
out:
	kvf_input_close(in);
	free(text);
	return st;
}

enum kvf_status kvf_expected_root(const struct kvf_options *o, struct kvf_expected_root *want,
				  struct kvf_err *err)
{
	memset(want, 0, sizeof(*want));
	want->is_set = o->expect_root || o->manifest;
	if (!o->expect_root)
		return o->manifest ? read_root(o->manifest, want->root, err) : KVF_OK;
	if (strlen(o->expect_root) == 64 && kvf_unhex(o->expect_root, 64, want->root))
		return KVF_OK;
	kvf_fail(err, KVF_EUSAGE, "--expect-root takes 64 hex digits");
	kvf_err_hint(err, "'kvferry info FILE.kvf' prints the root of a stream.");
	return KVF_EUSAGE;
}

enum kvf_status kvf_expected_root_check(const struct kvf_expected_root *want,
					const uint8_t root[32], struct kvf_err *err)
{
	char expected[65], got[65];

	if (!want->is_set || memcmp(want->root, root, 32) == 0)
		return KVF_OK;
	kvf_hex(want->root, 32, expected);
	kvf_hex(root, 32, got);
	kvf_fail(err, KVF_ESTREAM, "this is not the expected stream");
	kvf_err_detail(err, "expected root %s, the stream has %s. Nothing was published.",
		       expected, got);
	return KVF_ESTREAM;
}
