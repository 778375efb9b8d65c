/* legacy - SQLite databases for tests of sources. */
#include "legacy.h"

#include "base/hash.h"
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[512];
static char log_text[8192];

const char *legacy_folder(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(folder, sizeof(folder), "%s/kvf-legacy-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(folder));
	return folder;
}

/* Names of the files in the folder, in order; to be freed. */
static int names(struct dirent ***list)
{
	int n = scandir(folder, list, NULL, alphasort);

	assert_true(n >= 2);
	return n;
}

void legacy_remove(void)
{
	struct dirent **list;
	int n, i;

	chmod(folder, 0700);
	n = names(&list);
	for (i = 0; i < n; i++) {
		if (list[i]->d_name[0] != '.')
			unlink(legacy_path(list[i]->d_name));
		free(list[i]);
	}
	free(list);
	assert_int_equal(rmdir(folder), 0);
}

const char *legacy_path(const char *name)
{
	static char paths[4][1024];
	static unsigned next;
	char *p = paths[next++ % 4];

	snprintf(p, sizeof(paths[0]), "%s/%s", folder, name);
	return p;
}

/*
 * Every writer is the sqlite3 program: a connection in this process would
 * share SQLite's file locks and WAL index with the source under test, and one
 * in a forked child would believe that it does.
 */
struct writer {
	pid_t pid;
	int in; /* its stdin: closing it ends the program */
};
static struct writer writers[8];

static struct writer *start(const char *name, const char *sql)
{
	int in[2], out[2];
	struct writer *w = writers;
	char answer[16] = "";
	size_t n = 0;

	while (w->pid)
		w++;
	assert_true(w < writers + 8);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	fflush(NULL);
	w->pid = fork();
	assert_true(w->pid >= 0);
	if (w->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves no process */
		dup2(in[0], 0);
		dup2(out[1], 1);
		execlp("sqlite3", "sqlite3", "-batch", "-bail", legacy_path(name),
		       (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	w->in = in[1];
	dprintf(w->in, ".output /dev/null\n.timeout 10000\n%s;\n.output stdout\n.print ready\n",
		sql);
	while (n < sizeof(answer) - 1) {
		ssize_t got = read(out[0], answer + n, sizeof(answer) - 1 - n);

		if (got <= 0 || strchr(answer, '\n'))
			break;
		n += (size_t)got;
	}
	close(out[0]);
	if (strcmp(answer, "ready\n") != 0)
		fail_msg("sqlite3 failed at: %s", sql);
	return w;
}

void legacy_sql(const char *name, const char *sql)
{
	struct writer *w = start(name, sql);
	int status;

	close(w->in);
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	assert_int_equal(status, 0);
	w->pid = 0;
}

long long legacy_number(const char *name, const char *sql)
{
	char command[2048];
	long long n;
	FILE *p;

	snprintf(command, sizeof(command), "sqlite3 -batch '%s' \"%s\"", legacy_path(name),
		 sql);
	p = popen(command, "r");
	assert_non_null(p);
	assert_int_equal(fscanf(p, "%lld", &n), 1);
	assert_int_equal(pclose(p), 0);
	return n;
}

pid_t legacy_sql_kept(const char *name, const char *sql)
{
	return start(name, sql)->pid;
}

void legacy_end(pid_t pid)
{
	struct writer *w = writers;
	int status;

	while (w->pid != pid)
		w++;
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(w->in);
	w->pid = 0;
}

void legacy_sql_killed(const char *name, const char *sql)
{
	legacy_end(legacy_sql_kept(name, sql));
}

static void add_file(FILE *out, const char *name)
{
	const char *path = legacy_path(name);
	struct kvf_sha256 sha;
	uint8_t buf[65536], digest[32];
	char hex[65];
	struct stat st;
	FILE *f = fopen(path, "rb");
	size_t n;

	assert_non_null(f);
	assert_int_equal(stat(path, &st), 0);
	kvf_sha256_begin(&sha);
	while ((n = fread(buf, 1, sizeof(buf), f)))
		kvf_sha256_update(&sha, buf, n);
	fclose(f);
	kvf_sha256_end(&sha, digest);
	kvf_hex(digest, 32, hex);
	fprintf(out, "%s %ju %jd %jd.%09ld %o %s\n", name, (uintmax_t)st.st_ino,
		(intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
		(unsigned)st.st_mode, hex);
}

char *legacy_fingerprint(void)
{
	struct dirent **list;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int n, i;

	assert_non_null(out);
	n = names(&list);
	for (i = 0; i < n; i++) {
		if (list[i]->d_name[0] != '.')
			add_file(out, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	fclose(out);
	return text;
}

static void on_log(void *ctx, enum kvf_log_level level, const char *message)
{
	size_t n = strlen(log_text);

	(void)ctx;
	(void)level;
	snprintf(log_text + n, sizeof(log_text) - n, "%s\n", message);
}

struct kvf_env *legacy_env(void)
{
	static struct kvf_env env;

	memset(&env, 0, sizeof(env));
	env.log = on_log;
	log_text[0] = '\0';
	return &env;
}

const char *legacy_log(void)
{
	return log_text;
}

struct kvf_source *legacy_open(const char *name)
{
	struct kvf_source *s = NULL;
	struct kvf_err err;
	char place[1100];

	snprintf(place, sizeof(place), "sqlite:%s", legacy_path(name));
	if (kvf_source_open(place, legacy_env(), &s, &err)) {
		fprintf(stderr, "%s\n%s\n", err.message, err.hint);
		fail();
	}
	return s;
}

long long legacy_read(struct kvf_source *s, const char *table, struct kvf_err *err)
{
	struct kvf_record record = { .name = table, .table = table };
	struct kvf_rows *rows = NULL;
	const struct kvf_row *row;
	enum kvf_status st = kvf_rows_open(s, &record, 0, &rows, err);
	long long n = 0;

	while (!st && !(st = kvf_rows_next(rows, &row, err)))
		n++;
	kvf_rows_close(rows);
	return st == KVF_EOF ? n : -(long long)st;
}
