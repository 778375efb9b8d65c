/*
 * pgproxy - run a command behind the proxy of tests/support/pgproxy.h:
 *
 *   pgproxy [RULE ...] -- COMMAND [ARGUMENT ...]
 *
 * The server is that of PGHOST (a folder) and PGPORT; the command sees the proxy
 * in PGHOST.  When it has ended, "client N server N statements N connections N
 * fired N" goes to the file that PGPROXY_COUNTS names, and its status is ours
 * (128 + N for signal N).  SIGUSR1 lets go what a rule holds, other signals of
 * the terminal go to the command alone.
 */
#include "../support/pgproxy.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t released, passed_on;

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		released = 1;
	else
		passed_on = sig;
}

static int usage(void)
{
	fputs("usage: PGHOST=FOLDER pgproxy [RULE ...] -- COMMAND [ARGUMENT ...]\n", stderr);
	return 125;
}

static void write_counts(struct pgproxy *p)
{
	const char *name = getenv("PGPROXY_COUNTS");
	FILE *f = name ? fopen(name, "w") : NULL;

	if (!f)
		return;
	fprintf(f, "client %llu server %llu statements %llu connections %llu fired %u\n",
		(unsigned long long)pgproxy_messages(p, PGPROXY_CLIENT),
		(unsigned long long)pgproxy_messages(p, PGPROXY_SERVER),
		(unsigned long long)pgproxy_statements(p),
		(unsigned long long)pgproxy_connections(p), pgproxy_fired(p));
	fclose(f);
}

static int wait_for(struct pgproxy *p, pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return 125;
		if (released)
			pgproxy_release(p);
		if (passed_on)
			kill(child, passed_on);
		released = passed_on = 0;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	const char *server = getenv("PGHOST");
	struct sigaction act;
	struct pgproxy *p;
	pid_t child;
	int i, rc;

	for (i = 1; i < argc && strcmp(argv[i], "--") != 0;)
		i++;
	if (!server || server[0] != '/' || i + 1 >= argc)
		return usage();
	p = pgproxy_start(server, NULL);
	if (!p) {
		perror("pgproxy");
		return 125;
	}
	for (rc = 1; rc < i; rc++)
		if (pgproxy_rule(p, argv[rc]) < 0) {
			fprintf(stderr, "pgproxy: not a rule: %s\n", argv[rc]);
			pgproxy_stop(p);
			return 125;
		}
	memset(&act, 0, sizeof(act));
	act.sa_handler = on_signal; /* no SA_RESTART: waitpid() must notice */
	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	child = fork();
	if (child == 0) {
		setenv("PGHOST", pgproxy_folder(p), 1);
		execvp(argv[i + 1], argv + i + 1);
		perror(argv[i + 1]);
		_exit(127);
	}
	rc = child < 0 ? 125 : wait_for(p, child);
	write_counts(p);
	pgproxy_stop(p);
	return rc;
}
