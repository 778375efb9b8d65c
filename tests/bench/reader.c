/*
 * reader - somebody who goes on using a store while it is being loaded: looks
 * a key up every five milliseconds until it is told to stop (SIGTERM), and then
 * prints how often that was and how long the slowest took, in milliseconds.
 *
 *	reader FILE
 */
#include <sqlite3.h>

#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

static void on_term(int sig)
{
	(void)sig;
	stop = 1;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db = NULL;
	double slowest = 0, begin;
	unsigned long n = 0;
	int rc;

	if (argc != 2)
		return 2;
	signal(SIGTERM, on_term);
	if (sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READONLY, NULL) ||
	    sqlite3_busy_timeout(db, 30000) ||
	    sqlite3_prepare_v2(db, "SELECT value FROM kv ORDER BY partition_key, key LIMIT 1",
			       -1, &stmt, NULL)) {
		fprintf(stderr, "reader: %s\n", sqlite3_errmsg(db));
		return 1;
	}
	while (!stop) {
		begin = now();
		rc = sqlite3_step(stmt);
		sqlite3_reset(stmt);
		if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
			fprintf(stderr, "reader: %s\n", sqlite3_errmsg(db));
			return 1;
		}
		if (now() - begin > slowest)
			slowest = now() - begin;
		n++;
		usleep(5000);
	}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	printf("%lu lookups, slowest %.1f ms\n", n, slowest);
	return 0;
}
