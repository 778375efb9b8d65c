/*
 * make - how the files of tests/golden/ were made.
 *
 *     cc -Iinclude tests/golden/make.c build/release/libkvferry.a ... && ./a.out DIR
 *
 * No test runs it: files that were released stay as they are.  A change of the
 * format is a new folder beside v1/.
 */
#include <kvferry/stream.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct kvf_err err;
static const char *dir;

static void must(enum kvf_status st)
{
	if (st) {
		fprintf(stderr, "%s (%s)\n", err.message, err.detail);
		exit(1);
	}
}

static struct kvf_bytes text(const char *s)
{
	return kvf_bytes_str(s);
}

static struct kvf_output *open_output(const char *name)
{
	struct kvf_output *out;
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	must(kvf_output_file(path, 1, &out, &err));
	return out;
}

static void put(struct kvf_writer *w, const char *part, struct kvf_bytes key,
		struct kvf_bytes value)
{
	struct kvf_entry e = { text(part), key, value };

	must(kvf_writer_put(w, &e, &err));
}

static void close_all(struct kvf_writer *w, struct kvf_output *out)
{
	kvf_writer_close(w);
	must(kvf_output_commit(out, &err));
	kvf_output_close(out);
}

static void empty(void)
{
	struct kvf_output *out = open_output("empty.kvf");
	struct kvf_head head = { .app = "" };
	struct kvf_writer *w;

	must(kvf_writer_open(out, &head, NULL, NULL, &w, &err));
	must(kvf_writer_finish(w, NULL, &err));
	close_all(w, out);
}

/* The worked example of formats/stream-v1.md. */
static void small(void)
{
	static const char *const packages[] = { "notes" };
	struct kvf_bytes part[1] = { text("n") }, key[2] = { text("id/"), text("") };
	struct kvf_kind kind = { "note", 1, KVF_RAW, 0, { part, 1 }, { key, 2 } };
	struct kvf_head head = {
		.app = "demo", .from = 1, .schema = 2, .packages = packages, .npackages = 1
	};
	struct kvf_begin begin = { .name = "notes", .rev = 1, .kinds = &kind, .nkinds = 1 };
	struct kvf_output *out = open_output("small.kvf");
	struct kvf_writer *w;

	must(kvf_writer_open(out, &head, NULL, NULL, &w, &err));
	must(kvf_writer_begin(w, &begin, &err));
	put(w, "n", text("id/1"), text("hello"));
	put(w, "n", text("id/2"), text(""));
	must(kvf_writer_end(w, NULL, 0, NULL, &err));
	must(kvf_writer_finish(w, NULL, &err));
	close_all(w, out);
}

static void full(void)
{
	static const char *const packages[] = { "first", "none", "tables" };
	static const struct kvf_pair args[] = { { "as_of", "2026-01-01" } };
	static const struct kvf_pair notes[] = { { "created", "2026-11-20T10:00:00Z" },
						 { "source", "SQLite 3.40.1, shop.db" } };
	static const char *const sources[] = { "Order Details", "orders" };
	struct kvf_writer_options options = {
		.level = 19, .level_set = 1, .notes = notes, .nnotes = 2
	};
	struct kvf_bytes part[1] = { text("auth") },
			 key[3] = { text("u/"), text("/"), text(".x") };
	struct kvf_bytes any[2] = { text(""), text("") };
	struct kvf_kind kinds[4] = {
		{ "user", 3, KVF_PROTOBUF, 0, { part, 1 }, { key, 3 } },
		{ "doc", 1, KVF_JSON, 0, { part, 1 }, { any, 2 } },
		{ "map", 1, KVF_MSGPACK, 0, { any, 2 }, { any, 2 } },
		{ "never", 1, KVF_RAW, 0, { any, 2 }, { any, 2 } },
	};
	struct kvf_field f[3] = { { 1, "at", "timestamp", -1 },
				  { 2, "parts", "repeated message", 1 },
				  { 536870911, "labels", "map<string,string>", -1 } };
	struct kvf_field g[2] = { { 0, "NONE", "const", -1 }, { 1, "SOME", "const", -1 } };
	struct kvf_message messages[2] = { { "User", f, 3 }, { "Kind", g, 2 } };
	struct kvf_column columns[2] = { { "id", "INTEGER", KVF_COLUMN_NOTNULL },
					 { "na\"me\xff", "", 0 } };
	uint32_t key_columns[1] = { 0 }, unique_columns[1] = { 1 };
	struct kvf_unique unique = { unique_columns, 1, 1, 0 };
	struct kvf_ddl ddl[2] = {
		{ "table", "Order Details", "CREATE TABLE \"Order Details\" (...)" },
		{ "index", "i", "CREATE INDEX i ON \"Order Details\" (id)" }
	};
	struct kvf_table table = { "Order Details",
				   "sqlite",
				   KVF_TABLE_STRICT,
				   columns,
				   2,
				   key_columns,
				   1,
				   &unique,
				   1,
				   ddl,
				   2,
				   0,
				   0,
				   0 };
	struct kvf_head head = { .app = "shop",
				 .from = 38,
				 .schema = 39,
				 .packages = packages,
				 .npackages = 3,
				 .args = args,
				 .nargs = 1,
				 .chunk = 4096,
				 .has_nonce = 1 };
	struct kvf_begin begin = { .name = "first",
				   .rev = 1,
				   .kinds = kinds,
				   .nkinds = 4,
				   .messages = messages,
				   .nmessages = 2 };
	struct kvf_side side = { "runs.map", 123456789012, { 1, 2, 3 } };
	struct kvf_output *out = open_output("full.kvf");
	static uint8_t large[300];
	struct kvf_writer *w;
	int i;

	memset(head.nonce, 0x5a, sizeof(head.nonce));
	must(kvf_writer_open(out, &head, &options, NULL, &w, &err));
	must(kvf_writer_begin(w, &begin, &err));
	for (i = 0; i < 60; i++) {
		char k[16];

		snprintf(k, sizeof(k), "u/%02d/a.x", i);
		memset(large, 'a' + i % 26, sizeof(large));
		put(w, "auth", text(k), (struct kvf_bytes){ large, (size_t)(i * 5) });
	}
	must(kvf_writer_end(w, &side, 1, NULL, &err));
	begin = (struct kvf_begin){ .n = 1, .name = "none", .rev = 2 };
	must(kvf_writer_begin(w, &begin, &err));
	must(kvf_writer_end(w, NULL, 0, NULL, &err));
	begin = (struct kvf_begin){ .n = 2,
				    .name = "tables",
				    .rev = 1,
				    .tables = &table,
				    .ntables = 1,
				    .sources = sources,
				    .nsources = 2 };
	must(kvf_writer_begin(w, &begin, &err));
	put(w, "Order Details", text("1"),
	    text("\x82\xa1"
		 "a\x01\xa1"
		 "b\xc0"));
	must(kvf_writer_end(w, NULL, 0, NULL, &err));
	must(kvf_writer_finish(w, NULL, &err));
	close_all(w, out);
}

/* Keys and values that are legal and odd. */
static void edges(void)
{
	static const char *const packages[] = { "edges" }, *const features[] = { "partial" };
	static uint8_t key[4096], value[70000];
	struct kvf_head head = { .app = "",
				 .packages = packages,
				 .npackages = 1,
				 .chunk = 4096,
				 .features = features,
				 .nfeatures = 1 };
	struct kvf_begin begin = { .name = "edges" };
	struct kvf_output *out = open_output("edges.kvf");
	struct kvf_writer *w;

	memset(key, 0xff, sizeof(key));
	must(kvf_writer_open(out, &head, NULL, NULL, &w, &err));
	must(kvf_writer_begin(w, &begin, &err));
	put(w, "", (struct kvf_bytes){ value, 1 }, text("")); /* key 00 */
	put(w, "", (struct kvf_bytes){ value, 2 }, text("two NUL"));
	put(w, "", text("a"), text(""));
	put(w, "", text("a!/x"), text("21 < 2f"));
	put(w, "", text("a/x"), text(""));
	put(w, "", (struct kvf_bytes){ key, 1 }, text("\xc1"));
	put(w, "", (struct kvf_bytes){ key, 255 }, (struct kvf_bytes){ value, 255 });
	put(w, "", (struct kvf_bytes){ key, 256 }, (struct kvf_bytes){ value, 256 });
	put(w, "", (struct kvf_bytes){ key, 4096 }, (struct kvf_bytes){ value, 65535 });
	put(w, "\xff", (struct kvf_bytes){ value, 1 }, (struct kvf_bytes){ value, 65536 });
	put(w, "\xff", (struct kvf_bytes){ key, 4096 }, (struct kvf_bytes){ value, 70000 });
	must(kvf_writer_end(w, NULL, 0, NULL, &err));
	must(kvf_writer_finish(w, NULL, &err));
	close_all(w, out);
}

/* A head with the application's version record. */
static void versioned(void)
{
	static const char *const packages[] = { "p" };
	struct kvf_head head = { .app = "lakefs",
				 .from = 38,
				 .schema = 1,
				 .packages = packages,
				 .npackages = 1,
				 .version_part = text("kv-internal-metadata"),
				 .version_key = text("kv/schema/version"),
				 .version_started = text("0"),
				 .version_done = text("1") };
	struct kvf_begin begin = { .name = "p" };
	struct kvf_output *out = open_output("versioned.kvf");
	struct kvf_writer *w;

	must(kvf_writer_open(out, &head, NULL, NULL, &w, &err));
	must(kvf_writer_begin(w, &begin, &err));
	put(w, "auth", text("users/admin"), text("value"));
	must(kvf_writer_end(w, NULL, 0, NULL, &err));
	must(kvf_writer_finish(w, NULL, &err));
	close_all(w, out);
}

static void aborted(void)
{
	static const char *const packages[] = { "p" };
	struct kvf_head head = { .app = "", .packages = packages, .npackages = 1 };
	struct kvf_begin begin = { .name = "p" };
	struct kvf_output *out = open_output("aborted.kvf");
	struct kvf_writer *w;

	must(kvf_writer_open(out, &head, NULL, NULL, &w, &err));
	must(kvf_writer_begin(w, &begin, &err));
	must(kvf_writer_abort(w, 4, "the source went away", &err));
	close_all(w, out);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	dir = argv[1];
	empty();
	small();
	full();
	edges();
	versioned();
	aborted();
	return 0;
}
