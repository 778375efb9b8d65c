/* failpoint - the registry of named steps; empty in what users install. */
#include "base/failpoint.h"

#ifdef KVF_FAILPOINTS

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Where the linker puts what the macro lists. */
extern struct kvf_failpoint *const __start_kvf_failpoints[];
extern struct kvf_failpoint *const __stop_kvf_failpoints[];

static const struct {
	const char *name;
	int sig, times, fails;
} actions[] = {
	{ "kill", SIGKILL, 1, 0 }, { "stop", SIGSTOP, 1, 0 }, { "term", SIGTERM, 1, 0 },
	{ "int", SIGINT, 1, 0 },   { "hup", SIGHUP, 1, 0 },   { "twice", SIGINT, 2, 0 },
	{ "fail", 0, 0, 1 },       { "late", SIGSTOP, 1, 1 },
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char wanted[64];
static unsigned long wanted_pass;
static int wanted_action = -1; /* an index, or -1 */
static int trace = -1;         /* a descriptor, or -1 */
static int patience = -1;

static void say(int fd, const char *name)
{
	char line[80];
	size_t len = strnlen(name, sizeof(line) - 1);

	memcpy(line, name, len);
	line[len++] = '\n';
	/* One write, so that threads and processes do not mix their lines. */
	if (write(fd, line, len) != (ssize_t)len)
		_exit(99);
}

static void list(void)
{
	struct kvf_failpoint *const *p;

	for (p = __start_kvf_failpoints; p < __stop_kvf_failpoints; p++)
		say(STDOUT_FILENO, (*p)->name);
	_exit(0);
}

/* A test that asks for what there is not has to notice. */
static void refuse(void)
{
	say(STDERR_FILENO, "KVF_FAILPOINT: not NAME:N:ACTION");
	_exit(99);
}

static void parse(const char *text)
{
	const char *colon = strchr(text, ':');
	char *end;
	size_t i;

	if (!colon || (size_t)(colon - text) >= sizeof(wanted))
		refuse();
	memcpy(wanted, text, (size_t)(colon - text));
	wanted_pass = strtoul(colon + 1, &end, 10);
	for (i = 0; *end == ':' && i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(end + 1, actions[i].name) == 0)
			wanted_action = (int)i;
	if (wanted_action < 0 || !wanted_pass)
		refuse();
}

__attribute__((constructor)) static void read_environment(void)
{
	const char *point = getenv("KVF_FAILPOINT"), *file = getenv("KVF_FAILPOINT_TRACE");
	const char *ms = getenv("KVF_FAILPOINT_PATIENCE");

	if (point && strcmp(point, "list") == 0)
		list();
	if (point && *point)
		parse(point);
	if (file && *file)
		trace = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (ms && *ms)
		patience = (int)strtol(ms, NULL, 10);
}

int kvf_failpoint_patience(int ms)
{
	return patience >= 0 && patience < ms ? patience : ms;
}

enum kvf_status kvf_failpoint_pass(struct kvf_failpoint *p, struct kvf_err *err)
{
	const struct timespec pause = { 0, 20000000 };
	int hit, i;

	pthread_mutex_lock(&lock);
	if (trace >= 0)
		say(trace, p->name);
	hit = wanted_action >= 0 && ++p->passes == wanted_pass && strcmp(p->name, wanted) == 0;
	pthread_mutex_unlock(&lock);
	if (!hit)
		return KVF_OK;
	for (i = 0; i < actions[wanted_action].times; i++) {
		kill(getpid(), actions[wanted_action].sig);
		nanosleep(&pause, NULL); /* another thread may be the one that gets it */
	}
	if (!actions[wanted_action].fails)
		return KVF_OK;
	return kvf_fail(err, KVF_ETARGET, "failpoint %s was told to fail", p->name);
}

#endif
