/*
 * Files of tests/golden/: what was once written is read for ever, and what was
 * once refused stays refused, for the same reason.  And the document: the
 * worked example of formats/stream-v1.md is the file small.kvf.
 */
#include "../support/test.h"
#include "../support/streams.h"

#include "base/hash.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct blob slurp(const char *path)
{
	struct blob b = { NULL, 0 };
	FILE *f = fopen(path, "rb");
	uint8_t buf[4096];
	size_t n;

	if (!f)
		fail_msg("cannot open %s", path);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		blob_add(&b, buf, n);
	fclose(f);
	blob_add(&b, "", 1); /* a NUL behind it, for texts */
	b.n--;
	return b;
}

static void add_hex(struct blob *b, const char *what, const void *p, size_t n)
{
	char *hex = malloc(2 * n + 1);

	assert_non_null(hex);
	kvf_hex(p, n, hex);
	blob_add(b, what, strlen(what));
	blob_add(b, " ", 1);
	blob_add(b, hex, 2 * n);
	free(hex);
}

/* The text that stands beside each golden file. */
static struct blob dump(const char *path)
{
	struct kvf_reader_options o = { .strict_physical = !strstr(path, "transported"),
					.allow_features_partial = 1 };
	struct kvf_env env = { .threads = 2 };
	struct blob text = { NULL, 0 };
	struct kvf_input *in;
	struct kvf_reader *r;
	struct kvf_item item;
	struct kvf_entry e;
	struct kvf_err err;
	enum kvf_status st;
	uint8_t digest[32];
	size_t at;

	assert_int_equal(kvf_input_file(path, &in, &err), KVF_OK);
	if (kvf_reader_open(in, &o, &env, &r, &err))
		fail_msg("%s: %s", path, err.message);
	kvf_sha256(kvf_reader_head_unit(r).ptr, kvf_reader_head_unit(r).len, digest);
	add_hex(&text, "head", digest, 32);
	while (!(st = kvf_reader_next(r, &item, &err))) {
		switch (item.type) {
		case KVF_ITEM_BEGIN:
			kvf_sha256(item.raw.ptr, item.raw.len, digest);
			add_hex(&text, "\nbegin", digest, 32);
			break;
		case KVF_ITEM_CHUNK:
			for (at = 0; kvf_chunk_next(item.u.chunk, &at, &e);) {
				kvf_sha256(e.value.ptr, e.value.len, digest);
				add_hex(&text, "\nentry", e.part.ptr, e.part.len);
				add_hex(&text, "", e.key.ptr, e.key.len);
				add_hex(&text, "", digest, 32);
			}
			add_hex(&text, "\nchunk", item.u.chunk->info.d, 32);
			break;
		case KVF_ITEM_END:
			add_hex(&text, "\nend", item.u.end->r, 32);
			add_hex(&text, "", item.u.end->totals.m, 16);
			break;
		case KVF_ITEM_TAIL: add_hex(&text, "\ntail", item.u.tail->r, 32); break;
		}
	}
	if (st != KVF_EOF)
		fail_msg("%s: %s", path, err.message);
	blob_add(&text, "\n", 1);
	kvf_reader_close(r);
	kvf_input_close(in);
	return text;
}

static void golden_files_are_read_as_ever(void **state)
{
	DIR *d = opendir("tests/golden/v1");
	const struct dirent *e;
	char path[300];
	size_t n = 0;

	(void)state;
	assert_non_null(d);
	while ((e = readdir(d))) {
		struct blob got, want;

		if (!strstr(e->d_name, ".kvf"))
			continue;
		snprintf(path, sizeof(path), "tests/golden/v1/%.200s", e->d_name);
		got = dump(path);
		memcpy(strstr(path, ".kvf"), ".txt", 5);
		want = slurp(path);
		if (got.n != want.n || memcmp(got.p, want.p, got.n) != 0)
			fail_msg("%s is not what was read:\n%.*s", path, (int)got.n,
				 (char *)got.p);
		free(got.p);
		free(want.p);
		n++;
	}
	closedir(d);
	assert_true(n >= 5);
}

static void bad_files_are_refused_for_their_reason(void **state)
{
	struct blob list = slurp("tests/golden/bad/LIST");
	char *line, *save = NULL, *name, *word, *words, *rest;
	size_t n = 0;

	(void)state;
	for (line = strtok_r((char *)list.p, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		struct kvf_err err;
		enum kvf_status st;
		struct blob b;
		char path[300];
		unsigned j;

		if (line[0] == '#')
			continue;
		name = strtok_r(line, " ", &rest);
		word = strtok_r(NULL, " ", &rest);
		words = rest;
		snprintf(path, sizeof(path), "tests/golden/bad/%.200s", name);
		b = slurp(path);
		for (j = 1; j <= 2; j++) {
			st = stream_read(blob_view(&b), NULL, j, NULL, NULL, &err);
			if (strcmp(kvf_status_word(st), word) != 0 ||
			    !strstr(err.message, words))
				fail_msg("%s: %s \"%s\", expected %s \"%s\"", name,
					 kvf_status_word(st), err.message, word, words);
			assert_true(err.hint[0]);
		}
		free(b.p);
		n++;
	}
	free(list.p);
	assert_true(n >= 30);
}

/* Hex digits of the block that follows <!-- hex NAME --> in the document. */
static struct blob documented(const char *doc, const char *name)
{
	struct blob b = { NULL, 0 };
	char mark[64];
	const char *p, *end;
	uint8_t byte;
	int comment = 0;

	snprintf(mark, sizeof(mark), "<!-- hex %s -->\n```\n", name);
	p = strstr(doc, mark);
	end = p ? strstr(p + strlen(mark), "```") : NULL;
	if (!end) {
		fail_msg("the document has no block %s", name);
		return b;
	}
	p += strlen(mark);
	for (; p < end; p++) {
		if (*p == ';')
			comment = 1;
		else if (*p == '\n')
			comment = 0;
		else if (!comment && kvf_unhex(p, 2, &byte)) {
			blob_add(&b, &byte, 1);
			p++;
		}
	}
	return b;
}

static void the_documents_example_is_a_golden_file(void **state)
{
	struct blob doc = slurp("formats/stream-v1.md"),
		    file = slurp("tests/golden/v1/small.kvf");
	struct blob l1 = stream_l1(blob_view(&file)), want;

	(void)state;
	want = documented((char *)doc.p, "L1");
	assert_int_equal(want.n, l1.n);
	assert_memory_equal(want.p, l1.p, l1.n);
	free(want.p);
	want = documented((char *)doc.p, "file");
	assert_int_equal(want.n, file.n);
	assert_memory_equal(want.p, file.p, file.n);
	free(want.p);
	free(l1.p);
	free(file.p);
	free(doc.p);
}

/* The same calls as tests/golden/make.c: L1 may never change. */
static void the_example_is_what_the_writer_writes(void **state)
{
	static const char *const packages[] = { "notes" };
	struct kvf_bytes part[1] = { kvf_bytes_str("n") };
	struct kvf_bytes key[2] = { kvf_bytes_str("id/"), kvf_bytes_str("") };
	struct kvf_kind kind = { "note", 1, KVF_RAW, 0, { part, 1 }, { key, 2 } };
	struct kvf_head head = {
		.app = "demo", .from = 1, .schema = 2, .packages = packages, .npackages = 1
	};
	struct kvf_begin begin = { .name = "notes", .rev = 1, .kinds = &kind, .nkinds = 1 };
	struct kvf_entry one = { part[0], kvf_bytes_str("id/1"), kvf_bytes_str("hello") };
	struct kvf_entry two = { part[0], kvf_bytes_str("id/2"), kvf_bytes_str("") };
	struct blob file = slurp("tests/golden/v1/small.kvf"),
		    want = stream_l1(blob_view(&file)), l1;
	struct kvf_output *out;
	struct kvf_writer *w;
	struct kvf_err err;

	(void)state;
	assert_int_equal(kvf_output_memory(100000, &out, &err), KVF_OK);
	assert_int_equal(kvf_writer_open(out, &head, NULL, NULL, &w, &err), KVF_OK);
	assert_int_equal(kvf_writer_begin(w, &begin, &err), KVF_OK);
	assert_int_equal(kvf_writer_put(w, &one, &err), KVF_OK);
	assert_int_equal(kvf_writer_put(w, &two, &err), KVF_OK);
	assert_int_equal(kvf_writer_end(w, NULL, 0, NULL, &err), KVF_OK);
	assert_int_equal(kvf_writer_finish(w, NULL, &err), KVF_OK);
	l1 = stream_l1(kvf_output_bytes(out));
	assert_int_equal(l1.n, want.n);
	assert_memory_equal(l1.p, want.p, l1.n);
	kvf_writer_close(w);
	kvf_output_close(out);
	free(l1.p);
	free(want.p);
	free(file.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_files_are_read_as_ever),
		cmocka_unit_test(bad_files_are_refused_for_their_reason),
		cmocka_unit_test(the_documents_example_is_a_golden_file),
		cmocka_unit_test(the_example_is_what_the_writer_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
