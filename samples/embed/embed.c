/*
 * embed.c - a package written in C, and both ways of the data, with nothing but
 * libkvferry's public headers.
 *
 *     embed sqlite:LEGACY.db STREAM.kvf sqlite:STORE.db
 *
 * The legacy application keeps notes in a table notes(id, owner, body, starred).
 * The new one wants them in a key-value store:
 *
 *     partition "notes"   key note/OWNER/ID      value: the body
 *     partition "notes"   key starred/OWNER/ID   value: empty, starred notes only
 *
 * What YAML would say in ten lines is said here in one function, for the cases
 * where a template is not enough.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <kvferry/kvferry.h>

enum { COL_ID, COL_OWNER, COL_BODY, COL_STARRED };

/* Key: PREFIX OWNER "/" ID.  An owner with a slash could be another's key. */
static enum kvf_status put_note(struct kvf_sink *sink, const char *prefix,
				const struct kvf_row *row, struct kvf_bytes value,
				struct kvf_err *err)
{
	struct kvf_bytes owner = row->cells[COL_OWNER].u.b;
	char id[32], key[512];
	struct kvf_entry entry = { kvf_bytes_str("notes"), { 0 }, value };
	int n;

	snprintf(id, sizeof(id), "%020" PRId64, row->cells[COL_ID].u.i);
	n = snprintf(key, sizeof(key), "%s/%.*s/%s", prefix, (int)owner.len,
		     (const char *)owner.ptr, id);
	entry.key.ptr = (const uint8_t *)key;
	entry.key.len = (size_t)n;
	return kvf_sink_put_entry(sink, &entry, 0, err);
}

/* One row in, one entry or two out.  Runs in several threads: no state. */
static enum kvf_status convert(const struct kvf_package *self, size_t record,
			       const struct kvf_row *row, struct kvf_sink *sink,
			       struct kvf_err *err)
{
	const struct kvf_cell *c = row->cells;
	struct kvf_bytes none = { NULL, 0 };
	enum kvf_status st;

	(void)self;
	(void)record;
	if (c[COL_OWNER].type != KVF_CELL_TEXT || c[COL_OWNER].u.b.len == 0 ||
	    c[COL_OWNER].u.b.len > 200 ||
	    memchr(c[COL_OWNER].u.b.ptr, '/', c[COL_OWNER].u.b.len) ||
	    memchr(c[COL_OWNER].u.b.ptr, '\0', c[COL_OWNER].u.b.len))
		return kvf_fail(err, KVF_EREJECT,
				"note %" PRId64 ": owner cannot be part of a key",
				c[COL_ID].u.i);
	if (c[COL_BODY].type != KVF_CELL_TEXT)
		return kvf_fail(err, KVF_EREJECT, "note %" PRId64 " has no text",
				c[COL_ID].u.i);
	st = put_note(sink, "note", row, c[COL_BODY].u.b, err);
	if (st == KVF_OK && c[COL_STARRED].type == KVF_CELL_INT && c[COL_STARRED].u.i)
		st = put_note(sink, "starred", row, none, err);
	return st;
}

static const char *const columns[] = { "id", "owner", "body", "starred" };
static const struct kvf_record records[] = {
	{ .name = "note", .table = "notes", .columns = columns, .ncolumns = 4 },
};

/* How other programs read the values: literal pieces around what varies. */
#define PIECE(text)                                                                            \
	{                                                                                      \
		(const uint8_t *)(text), sizeof(text) - 1                                      \
	}
static const struct kvf_bytes part[] = { PIECE("notes") };
static const struct kvf_bytes note_key[] = { PIECE("note/"), PIECE("") };
static const struct kvf_bytes starred_key[] = { PIECE("starred/"), PIECE("") };
static const struct kvf_kind kinds[] = {
	{ "note", 1, KVF_RAW, 0, { part, 1 }, { note_key, 2 } },
	{ "starred", 1, KVF_RAW, 0, { part, 1 }, { starred_key, 2 } },
};
static struct kvf_package package = {
	.name = "notes",
	.rev = 1,
	.records = records,
	.nrecords = 1,
	.kinds = kinds,
	.nkinds = 2,
	.convert = convert,
};
static struct kvf_package *const packages[] = { &package };

static int report(const char *step, enum kvf_status st, const struct kvf_report *r,
		  const struct kvf_err *err)
{
	if (st != KVF_OK) {
		fprintf(stderr, "%s: %s\n", step, err->message);
		if (err->hint[0])
			fprintf(stderr, "%s\n", err->hint);
		return kvf_exit_status(st);
	}
	printf("%s: %" PRIu64 " entries, schema version %" PRIu64 "\n", step, r->tail.entries,
	       r->schema);
	return 0;
}

int main(int argc, char **argv)
{
	struct kvf_application app = {
		.name = "notes",
		.packages = packages,
		.npackages = 1,
		.source_version = "PRAGMA user_version",
		.source_requires = 1,
		.schema = 2,
		.version_part = kvf_bytes_str("meta"),
		.version_key = kvf_bytes_str("schema"),
		.version_started = kvf_bytes_str("1"),
		.version_done = kvf_bytes_str("2"),
	};
	struct kvf_env env = { 0 };
	struct kvf_options o = { 0 };
	struct kvf_report r;
	struct kvf_err err;
	int rc;

	if (argc != 4) {
		fprintf(stderr, "usage: embed sqlite:LEGACY.db STREAM.kvf sqlite:STORE.db\n");
		return 2;
	}
	o.application = &app;
	o.source = argv[1];
	o.target = argv[2];
	rc = report("export", kvf_export(&o, &env, &r, &err), &r, &err);
	kvf_report_free(&r);
	if (rc)
		return rc;

	o.source = argv[2];
	o.target = argv[3];
	rc = report("import", kvf_import(&o, &env, &r, &err), &r, &err);
	kvf_report_free(&r);
	return rc;
}
