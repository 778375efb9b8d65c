/* Every allocation is counted: conversion makes none per row; and made to fail. */
#include "../support/test.h"
#include "../support/definitions.h"

#include <stdlib.h>

static size_t allocations;

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

#ifdef SANITIZED
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
					      void (*on_free)(const volatile void *));

static void on_malloc(const volatile void *p, size_t n)
{
	(void)p;
	(void)n;
	allocations++;
}

static void on_free(const volatile void *p)
{
	(void)p;
}
#else
/* glibc's own names, behind ours; ours are visible, so that libraries use them. */
#define VISIBLE __attribute__((visibility("default")))
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t m);
void *__libc_realloc(void *p, size_t n);

static size_t fail_at; /* the allocation that fails; 0 = none */

/* Once one has failed, all fail, as they do when memory is short. */
static int fails(void)
{
	return ++allocations >= fail_at && fail_at;
}

VISIBLE void *malloc(size_t n)
{
	return fails() ? NULL : __libc_malloc(n);
}

VISIBLE void *calloc(size_t n, size_t m)
{
	return fails() ? NULL : __libc_calloc(n, m);
}

VISIBLE void *realloc(void *p, size_t n)
{
	return fails() ? NULL : __libc_realloc(p, n);
}
#endif

/* The same fields in every encoding; T1 ... are tags or nothing. */
#define FIELDS(T1, T2, T3, T4, T5, T6, T7, INT_TYPE, GROUP)                                    \
	"      id: {" T1 "type: " INT_TYPE "}\n"                                               \
	"      at: {" T2 "type: timestamp}\n"                                                  \
	"      text: {" T3 "type: string}\n"                                                   \
	"      labels: {" T4 "type: 'map<string,string>'}\n"                                   \
	"      list: {" T5 "type: repeated " INT_TYPE "}\n"                                    \
	"      lines: {" T6 "type: repeated " GROUP ", fields: {sku: {" T1                     \
	"type: string}, n: {" T2 "type: " INT_TYPE "}}}\n"                                     \
	"      blob: {" T7 "type: bytes, from: '{text}'}\n"

static const char package[] =
	"package: p\nversion: 1\nrecords:\n  r:\n    table: t\n    let:\n"
	"      name: '{id|pad:8}'\n"
	"      ref: {first: ['{uid|uuid}', '{name|uuid5:dns}']}\n"
	"    entries:\n"
	"    - {partition: j, value: j, key: '{name|lower}/{ref}', when: \"id > 0 and at is "
	"not "
	"null\"}\n"
	"    - {partition: m, value: m, key: '{text|hex|max:400}'}\n"
	"    - {partition: p, value: p, key: '{id|desc64}'}\n"
	"    - {partition: r, value: r, key: '{name|base32hex|urlencode}'}\n"
	"values:\n"
	"  r: {encoding: raw, from: '{text}/{price|decimal:2}/{price}/{at|rfc3339}'}\n"
	"  j:\n    encoding: json\n    fields:\n" FIELDS(
		"", "", "", "", "", "", "", "int",
		"object") "      json: {type: json, from: '{labels}'}\n"
			  "  m:\n    encoding: msgpack\n    fields:\n" FIELDS(
				  "", "", "", "", "", "", "", "int",
				  "object") "      json: {type: json, from: '{lines}'}\n"
					    "  p:\n    encoding: protobuf\n    "
					    "fields:\n" FIELDS("tag: 1, ", "tag: 2, ",
							       "tag: 3, ", "tag: 4, ",
							       "tag: 5, ", "tag: 6, ",
							       "tag: 7, ", "sint64", "message");

/* The larger half of the rows grows every buffer; then nothing may grow. */
static void convert(struct definition *d, int64_t id, int odd)
{
	const struct kvf_cell row[] = {
		INT(id),
		TEXT("2026-11-20T09:39:02.123456Z"),
		odd ? TEXT("short \xc3\xa9")
		    : TEXT("a text that is rather longer than the other"),
		odd ? TEXT("{}")
		    : TEXT("{\"z\":\"1\",\"a\":\"\\u00e9\",\"m\":\"\",\"\\n\":\"x\"}"),
		odd ? TEXT("[1]")
		    : TEXT("[1,-2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]"),
		odd ? TEXT("[]")
		    : TEXT("[{\"sku\":\"a\\tb\",\"n\":1},{\"n\":2,\"sku\":\"c\"}]"),
		odd ? NUL : TEXT("6ba7b8109dad11d180b400c04fd430c8"),
		odd ? REAL(1.25) : TEXT("12e-1"),
	};

	d->out.len = 0;
	if (definition_row(d, row, sizeof(row) / sizeof(row[0])))
		fail_msg("%s", d->err.message);
}

static void thousands_of_rows_allocate_nothing(void **state)
{
	struct definition d;
	size_t before;
	int64_t i;

	(void)state;
	definition_open(&d, package, "id at text labels list lines uid price");
	convert(&d, 1, 1);
	convert(&d, 2, 0);
	convert(&d, 3, 1);
	convert(&d, 4, 0);
	before = allocations;
	assert_true(before > 0);
	for (i = 5; i < 5005; i++)
		convert(&d, i, (int)(i & 1));
	assert_int_equal(allocations - before, 0);
	definition_close(&d);
}

/* The n-th allocation fails, and all after it, until everything comes through. */
static void without_memory_everything_says_so(void **state)
{
#ifdef SANITIZED
	(void)state;
	skip(); /* the sanitizer's allocator cannot be made to fail from here */
#else
	static const char columns[] = "id at text labels list lines uid price";
	struct definition d;
	enum kvf_status st;
	size_t n;

	(void)state;
	for (n = 1;; n++) {
		allocations = 0;
		fail_at = n;
		st = definition_load(&d, package);
		fail_at = 0;
		if (!st) {
			assert_int_equal(definition_bind(&d, columns), KVF_OK);
			convert(&d, 1, 0);
			definition_close(&d);
			break;
		}
		assert_int_equal(st, KVF_ENOMEM);
		assert_null(d.formats);
		definition_close(&d);
	}
	print_message("# failed %zu allocations\n", n - 1);
	assert_true(n > 100);
#endif
}

/* The same while rows are converted: the sink is usable afterwards. */
static void a_conversion_without_memory_can_be_repeated(void **state)
{
#ifdef SANITIZED
	(void)state;
	skip();
#else
	const struct kvf_cell row[] = { INT(1),
					TEXT("2026-11-20"),
					TEXT("a text"),
					TEXT("{\"a\":\"\\u0041\"}"),
					TEXT("[1]"),
					TEXT("[]"),
					NUL,
					TEXT("1.5") };
	struct definition d;
	enum kvf_status st;
	size_t n;

	(void)state;
	for (n = 1;; n++) {
		definition_open(&d, package, "id at text labels list lines uid price");
		allocations = 0;
		fail_at = n;
		st = definition_row(&d, row, 8);
		fail_at = 0;
		if (st) {
			assert_int_equal(st, KVF_ENOMEM);
			d.out.len = 0;
			assert_int_equal(definition_row(&d, row, 8), KVF_OK);
		}
		definition_close(&d);
		if (!st)
			break;
	}
	assert_true(n > 5);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thousands_of_rows_allocate_nothing),
		cmocka_unit_test(without_memory_everything_says_so),
		cmocka_unit_test(a_conversion_without_memory_can_be_repeated),
	};

#ifdef SANITIZED
	if (!__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free))
		return 1;
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
