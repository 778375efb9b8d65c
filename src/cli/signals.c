/*
 * signals - the first SIGINT, SIGTERM or SIGHUP asks for a stop at the next
 * safe point, the second one ends the program at once.  A broken pipe is an
 * error of a write, not a signal.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t caught;
static volatile sig_atomic_t nothing = -1; /* descriptor of /dev/null, or -1 */

/*
 * A stream on standard input may stay silent for ever: it ends now.  The read
 * that waits comes back with EINTR and finds the end of an incomplete stream.
 */
static void on_signal(int sig)
{
	int saved = errno;

	if (caught)
		_exit(sig == SIGTERM ? 143 : 130);
	caught = sig;
	if (nothing >= 0)
		(void)dup2(nothing, STDIN_FILENO);
	errno = saved;
}

void cli_signals_end_stdin(void)
{
	if (nothing < 0)
		nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int cli_signals_ended_stdin(void)
{
	return caught && nothing >= 0;
}

void cli_signals_init(void)
{
	static const int stopping[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa, old;
	size_t i;

	memset(&sa, 0, sizeof(sa));
	sigemptyset(&sa.sa_mask);
	sa.sa_handler = SIG_IGN;
	(void)sigaction(SIGPIPE, &sa, NULL);
	/* No SA_RESTART: a read that waits for a pipe has to come back. */
	sa.sa_handler = on_signal;
	for (i = 0; i < sizeof(stopping) / sizeof(stopping[0]); i++) {
		/* What the parent ignores (nohup, a background job) stays ignored. */
		if (sigaction(stopping[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN)
			continue;
		(void)sigaction(stopping[i], &sa, NULL);
	}
}

int cli_signals_stopped(void *ctx)
{
	(void)ctx;
	return caught != 0;
}

int cli_signals_caught(void)
{
	return caught;
}

/*
 * A closed descriptor is opened the wrong way round: its number is taken, so
 * that no database lands on it, and using it fails as it would have.
 */
void cli_descriptors_init(void)
{
	static const int flags[3] = { O_WRONLY, O_RDONLY, O_WRONLY };
	int fd, got;

	for (fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) != -1 || errno != EBADF)
			continue;
		got = open("/dev/null", flags[fd]);
		if (got != fd && got >= 0) {
			(void)dup2(got, fd);
			(void)close(got);
		}
	}
}
