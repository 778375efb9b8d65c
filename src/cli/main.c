/*
 * main - read the command line, run one verb, tell its error, and see to it
 * that what was printed has really been written.
 */
#include "cli/cli.h"

#include "cli/verbs.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/*
 * Passwords, keys and values are in memory; no crash writes them to a disk.  A limit of
 * one byte, unlike 0, also keeps the kernel from handing the core to a program that
 * collects them (core(5)).
 */
static void leave_no_core(void)
{
	const struct rlimit one = { 1, 1 };

	setrlimit(RLIMIT_CORE, &one);
}

static void prepare(struct cli *c)
{
	const char *tmp = getenv("TMPDIR");

	c->env.scratch = tmp && *tmp ? tmp : NULL;
	c->out = stdout;
	c->env.ctx = c;
	c->env.stopped = cli_signals_stopped;
	c->env.log = cli_log;
}

/* With --json only where a person looks on while the document goes elsewhere. */
static int wants_progress(const struct cli *c)
{
	return !c->json || (isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO));
}

/* env.progress, where somebody looks on or events are wanted. */
static void on_progress(void *ctx, const struct kvf_progress *p)
{
	struct cli *c = ctx;

	if (c->progress)
		cli_progress_update(c, p);
	cli_events_progress(c, p);
}

static enum kvf_status run(struct cli *c)
{
	enum kvf_status st;

	c->paint = cli_paint_for(c, c->out);
	if (c->help)
		return cli_help_about(c, c->verb);
	if (c->version)
		return cli_run_version(c);
	if (!c->quiet && wants_progress(c)) {
		st = cli_progress_new(c);
		if (st)
			return st;
		c->env.progress = on_progress;
	}
	if (c->events_to) {
		st = cli_events_open(c, c->events_to);
		if (st)
			return st;
		c->env.progress = on_progress;
		c->env.event = cli_events_tell;
		cli_events_begin(c);
	}
	st = c->verb->run(c);
	cli_progress_clear(c->progress);
	return st;
}

/* A stop on request: say what it means, and which signal it was. */
static int interrupted(struct cli *c)
{
	if (!c->err.detail[0])
		kvf_err_detail(&c->err, "nothing was published");
	if (!c->err.hint[0])
		kvf_err_hint(&c->err, "the same command again");
	return cli_signals_caught() == SIGTERM ? 128 + SIGTERM : KVF_EINTERRUPTED;
}

/*
 * Everything printed must have arrived.  A reader that went away (EPIPE) knows
 * that itself: then only the exit status tells.
 */
static int flush(struct cli *c, int status)
{
	int bad = ferror(stdout), number = c->out_errno;

	errno = 0;
	if (fflush(stdout) != 0) {
		bad = 1;
		number = number ? number : errno;
	}
	if (close(STDOUT_FILENO) != 0 && errno != EINTR && errno != EBADF) {
		bad = 1;
		number = errno;
	}
	if (!bad)
		return status;
	if (number != EPIPE) {
		kvf_fail_errno(&c->err, KVF_ETARGET, number ? number : EIO,
			       "cannot write to standard output");
		if (c->done_note)
			kvf_err_detail(&c->err,
				       "the work itself is done; only its report is lost");
		cli_tell_error(c);
	}
	return status ? status : KVF_ETARGET;
}

int main(int argc, char **argv)
{
	struct cli c;
	enum kvf_status st;
	int status;

	memset(&c, 0, sizeof(c));
	leave_no_core();
	cli_descriptors_init();
	cli_signals_init();
	prepare(&c);
	if (argc == 2 && strcmp(argv[1], "__man") == 0) {
		cli_man(stdout);
		return flush(&c, 0);
	}
	cli_json_init();
	c.warnings = json_array();
	st = c.warnings ? cli_parse(&c, argc, argv) : kvf_fail_nomem(&c.err);
	c.paint_err = cli_paint_for(&c, stderr);
	if (!st)
		st = run(&c);
	if (st == KVF_EOF)
		st = KVF_OK;
	if (cli_signals_ended_stdin() && (st == KVF_ETRUNC || st == KVF_ESTREAM))
		st = kvf_fail(&c.err, KVF_EINTERRUPTED, "stopped on request");
	if (c.err.status != st) /* left over from something that was dealt with */
		kvf_err_clear(&c.err);
	/* A difference found is a result, not an error, where nothing else was said. */
	if (st && !c.err.status && st != KVF_EMISMATCH && st != KVF_PENDING &&
	    st != KVF_EBUSY && st != KVF_EUNFINISHED)
		kvf_fail(&c.err, st, "%s", kvf_status_word(st));
	status = st == KVF_EINTERRUPTED ? interrupted(&c) : kvf_exit_status(st);
	cli_events_outcome(&c, status);
	if (c.json)
		cli_json_document(&c, status);
	else if (c.err.status)
		cli_tell_error(&c);
	if (c.json && c.json_bad && status == 0)
		status = KVF_EINTERNAL;
	status = flush(&c, status);
	cli_release(&c);
	return status;
}
