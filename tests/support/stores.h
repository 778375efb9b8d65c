/*
 * stores - places for tests of stores, one kind per driver, and the few steps
 * that every such test takes.  What a driver cannot do by its nature is said in
 * its row of `drivers` (stores.c), never in a test.
 */
#ifndef KVF_TEST_STORES_H
#define KVF_TEST_STORES_H

#include "test.h"

#include <kvferry/store.h>

struct place {
	const struct store_driver *driver;
	char folder[64];
	char path[96];            /* of the file, where there is one */
	char text[256];           /* the place: "sqlite:..." */
	struct kvf_store *keeper; /* memory: keeps the data between handles */
};

struct store_driver {
	const char *name;
	int whole_chunks; /* a chunk and its progress row are one transaction */
	void (*make)(struct place *p);
	enum kvf_status (*open)(struct place *p, enum kvf_store_mode mode, struct kvf_store **s,
				struct kvf_err *err);
	void (*destroy)(struct place *p);
};

extern const struct store_driver store_drivers[];
extern const size_t store_ndrivers;
/* With KVF_TEST_POSTGRES set, run_on_every_store() uses these instead. */
extern const struct store_driver postgres_drivers[];
extern const size_t postgres_ndrivers;

/* The one error record of the test. */
extern struct kvf_err test_err;

#define ok(call)                                                                               \
	do {                                                                                   \
		enum kvf_status ok_st = (call);                                                \
		if (ok_st)                                                                     \
			fail_msg("%s: %d %s", #call, (int)ok_st, test_err.message);            \
	} while (0)
#define gives(call, status) assert_int_equal((call), (status))

struct kvf_store *open_store(struct place *p);
struct kvf_entry entry(const char *part, const char *key, const char *value);

/* A claim for "shop", whose version record is meta schema/version.  Static. */
struct kvf_claim *claim(const char *run);
/* Look at the control row, and acquire with its epoch. */
void acquire(struct kvf_store *s, const char *run, struct kvf_control *c);
/* Put a chunk of `n` entries: part, prefix + 000000 ..., value; adds to *sum. */
void put_chunk(struct kvf_store *s, uint64_t i, const char *part, const char *prefix,
	       unsigned n, const char *value, struct kvf_totals *sum);
/* A ledger row.  Static. */
const struct kvf_ledger_row *line(const char *run);
extern const uint8_t test_root[32];

/*
 * A whole run that publishes `n` entries ("resources", "a/000000" ...) of one
 * value in two chunks, with version record `done`.  The first error ends it.
 */
enum kvf_status publish_on(struct kvf_store *s, const char *run, unsigned n, const char *value,
			   uint64_t schema, const char *done, struct kvf_err *err);
void publish(struct place *p, const char *run, unsigned n, const char *value);

/* Live entries, checked to ascend; all have this value, if one is given. */
uint64_t count_live(struct kvf_store *s, const char *value);

/* Run a group of tests on each driver, every test with a place of its own. */
int run_on_every_store(const struct CMUnitTest *tests, size_t n);
/* The same on PostgreSQL's first driver alone. */
int run_on_postgres(const struct CMUnitTest *tests, size_t n);
int store_set_up(void **state);
int store_tear_down(void **state);
#define STORE_TEST(f)                                                                          \
	{                                                                                      \
#f, f, store_set_up, store_tear_down, NULL                                     \
	}

#endif
