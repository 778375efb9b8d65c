/*
 * retry - is a transaction given again, and when?
 *
 * Full jitter: the pause is anything between nothing and a limit that doubles
 * with each try, so that those who met once do not meet again.
 */
#include "pg/dialect.h"

#include "base/text.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

#define FIRST_MS 20u
#define LONGEST_MS 2000u
#define LOOK_UP_MS 50u

int kvf_pg_is_conflict(const struct kvf_err *err)
{
	return strcmp(err->code, "40001") == 0 || strcmp(err->code, "40P01") == 0 ||
	       strcmp(err->code, "40003") == 0;
}

int kvf_pg_is_unknown(const struct kvf_err *err)
{
	return strcmp(err->code, "40003") == 0 || kvf_pg_is_lost(err);
}

/* Anything below `limit`; it need not be good, only different for everybody. */
static unsigned below(unsigned limit)
{
	unsigned n = 0;

	if (getrandom(&n, sizeof(n), GRND_NONBLOCK) != (ssize_t)sizeof(n))
		n = (unsigned)(kvf_monotonic() * 1e6);
	return limit ? n % limit : 0;
}

/* 0 if somebody wants us to stop. */
static int pause_ms(const struct kvf_pg *pg, unsigned ms)
{
	struct timespec t = { 0, 0 };
	unsigned n;

	for (; ms && !kvf_pg_stopped(pg); ms -= n) {
		n = ms < LOOK_UP_MS ? ms : LOOK_UP_MS;
		t.tv_nsec = n * 1000000L;
		nanosleep(&t, NULL);
	}
	return !kvf_pg_stopped(pg);
}

int kvf_pg_again(const struct kvf_pg *pg, struct kvf_pg_tries *t, const struct kvf_err *err)
{
	unsigned limit = FIRST_MS << (t->n < 8 ? t->n : 8);

	if (!kvf_pg_is_conflict(err) && !kvf_pg_is_lost(err) && strcmp(err->code, "53300") != 0)
		return 0;
	if (++t->n >= pg->dialect->tries)
		return 0;
	return pause_ms(pg, below(limit < LONGEST_MS ? limit : LONGEST_MS));
}
