/*
 * events - what happens, as lines of JSON for machines (docs/events.md).
 *
 *   progress  ->  step-begin, progress, step-end
 *   log       ->  warning, note                      -> one line, one write(2)
 *   env.event ->  resume, freeze, reject, commit
 *   main      ->  begin, outcome
 *
 * A line that cannot be written never changes what the run does: it is said once,
 * and no further one is tried, so that what is there has no hole in the middle.
 */
#include "cli/cli.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define VERSION 1
#define EVERY 1.0         /* seconds between two lines of progress */
#define FULL_PIPE_MS 5000 /* for which a reader may not read */

struct cli_events {
	int fd, failed;
	uint64_t seq;
	/* The step under way: what is needed to say that it has ended. */
	char step[32];
	struct kvf_progress at;
	double begun, told;
};

enum kvf_status cli_events_open(struct cli *c, const char *to)
{
	struct cli_events *e;
	char *end;
	long n;
	int fd;

	if (strncmp(to, "fd:", 3) == 0) {
		n = strtol(to + 3, &end, 10);
		if (end == to + 3 || *end || n < 0 || n > 65535 || fcntl((int)n, F_GETFD) < 0) {
			kvf_fail(&c->err, KVF_EUSAGE, "--events: %.40s is no open descriptor",
				 to);
			kvf_err_hint(&c->err, "Open it in the shell: kvferry ... --events fd:3 "
					      "3>events.ndjson");
			return KVF_EUSAGE;
		}
		fd = fcntl((int)n, F_DUPFD_CLOEXEC, 3);
	} else {
		fd = open(to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
	}
	if (fd < 0) {
		kvf_fail_errno(&c->err, KVF_ETARGET, errno, "cannot write events to %s", to);
		kvf_err_detail(&c->err, "Nothing was changed.");
		return KVF_ETARGET;
	}
	e = calloc(1, sizeof(*e));
	if (!e) {
		close(fd);
		return kvf_fail_nomem(&c->err);
	}
	e->fd = fd;
	c->events = e;
	return KVF_OK;
}

void cli_events_close(struct cli *c)
{
	if (c->events)
		close(c->events->fd);
	free(c->events);
	c->events = NULL;
}

/* ---- one line ------------------------------------------------------------------ */

/* All of it, or an errno. */
static int write_all(int fd, const char *p, size_t n)
{
	struct pollfd full = { .fd = fd, .events = POLLOUT };
	ssize_t done;

	while (n) {
		done = write(fd, p, n);
		if (done > 0) {
			p += done;
			n -= (size_t)done;
		} else if (done < 0 && errno == EAGAIN) {
			if (poll(&full, 1, FULL_PIPE_MS) == 0)
				return EAGAIN;
		} else if (done < 0 && errno != EINTR) {
			return errno;
		}
	}
	return 0;
}

static void give_up(struct cli *c, int number)
{
	char text[256];

	c->events->failed = 1; /* before the warning, which is an event, too */
	snprintf(text, sizeof(text), "no more events are written: %s",
		 number ? strerrordesc_np(number) : "out of memory");
	cli_warn(c, text);
}

/* "2026-11-20T09:41:17.123456Z" */
static json_t *now_json(struct cli *c)
{
	int64_t us = kvf_now_us();
	time_t t = (time_t)(us / 1000000);
	char date[40] = "", text[64];
	struct tm tm;

	if (gmtime_r(&t, &tm))
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%06dZ", date, (int)(us % 1000000));
	return cli_json_text(c, text);
}

/* The members that every event has; NULL where no event is wanted. */
static json_t *new_event(struct cli *c, const char *name)
{
	json_t *o;

	if (!c->events || c->events->failed)
		return NULL;
	o = cli_json_object(c);
	cli_json_set(c, o, "v", json_integer(VERSION));
	cli_json_set(c, o, "seq", json_integer((json_int_t)c->events->seq));
	cli_json_set(c, o, "time", now_json(c));
	cli_json_set(c, o, "event", cli_json_text(c, name));
	cli_json_set(c, o, "run",
		     *c->report.run ? cli_json_text(c, c->report.run) : json_null());
	return o;
}

/* Consumes `o`. */
static void send(struct cli *c, json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT), *line = NULL;
	size_t n = text ? strlen(text) : 0;
	int number = 0;

	json_decref(o);
	if (text)
		line = realloc(text, n + 2);
	if (!line) {
		free(text);
		give_up(c, 0);
		return;
	}
	memcpy(line + n, "\n", 2);
	number = write_all(c->events->fd, line, n + 1);
	free(line);
	c->events->seq++;
	if (number)
		give_up(c, number);
}

/* ---- the run ---------------------------------------------------------------------- */

void cli_events_begin(struct cli *c)
{
	json_t *o = new_event(c, "begin"), *places;
	char place[600], host[256] = "";
	size_t i;

	if (!o)
		return;
	if (gethostname(host, sizeof(host) - 1))
		host[0] = '\0';
	places = cli_json_array(c);
	for (i = 0; i < c->operands.n; i++)
		cli_json_add(
			c, places,
			cli_json_text(c, cli_place(c->operands.list[i], place, sizeof(place))));
	cli_json_set(c, o, "kvferry", cli_json_text(c, kvf_version()));
	cli_json_set(c, o, "verb", cli_json_text(c, c->verb->name));
	cli_json_set(c, o, "operands", places);
	cli_json_set(c, o, "host", cli_json_text(c, host));
	cli_json_set(c, o, "pid", json_integer(getpid()));
	send(c, o);
}

static void end_step(struct cli *c)
{
	struct cli_events *e = c->events;
	json_t *o = e && *e->step ? new_event(c, "step-end") : NULL;

	if (!o)
		return;
	cli_json_set(c, o, "step", cli_json_text(c, e->step));
	cli_json_set(c, o, "entries", cli_json_u64(c, e->at.entries));
	cli_json_set(c, o, "bytes", cli_json_u64(c, e->at.bytes));
	cli_json_set(c, o, "seconds", json_real(kvf_monotonic() - e->begun));
	e->step[0] = '\0';
	send(c, o);
}

static void begin_step(struct cli *c, const struct kvf_progress *p)
{
	struct cli_events *e = c->events;
	json_t *o;

	end_step(c);
	snprintf(e->step, sizeof(e->step), "%s", p->step);
	e->begun = e->told = kvf_monotonic();
	o = new_event(c, "step-begin");
	if (!o)
		return;
	cli_json_set(c, o, "step", cli_json_text(c, p->step));
	cli_json_set(c, o, "index", json_integer(p->index));
	cli_json_set(c, o, "steps", json_integer(p->steps));
	cli_json_set(c, o, "total", p->total ? cli_json_u64(c, p->total) : json_null());
	cli_json_set(c, o, "estimate", json_boolean(p->estimate));
	send(c, o);
}

void cli_events_progress(struct cli *c, const struct kvf_progress *p)
{
	struct cli_events *e = c->events;
	json_t *o;

	if (!e || e->failed)
		return;
	if (strcmp(e->step, p->step) != 0)
		begin_step(c, p);
	e->at = *p;
	e->at.step = e->at.what = NULL; /* not ours to keep */
	if (kvf_monotonic() - e->told < EVERY)
		return;
	e->told = kvf_monotonic();
	o = new_event(c, "progress");
	if (!o)
		return;
	cli_json_set(c, o, "step", cli_json_text(c, p->step));
	cli_json_set(c, o, "what", cli_json_text(c, p->what));
	cli_json_set(c, o, "entries", cli_json_u64(c, p->entries));
	cli_json_set(c, o, "bytes", cli_json_u64(c, p->bytes));
	cli_json_set(c, o, "total", p->total ? cli_json_u64(c, p->total) : json_null());
	send(c, o);
}

void cli_events_message(struct cli *c, const char *name, const char *message)
{
	json_t *o = new_event(c, name);

	if (!o)
		return;
	cli_json_set(c, o, "message", cli_json_text(c, message));
	send(c, o);
}

void cli_events_tell(void *ctx, const struct kvf_event *event)
{
	struct cli *c = ctx;
	json_t *o = new_event(c, event->name);
	size_t i;

	if (!o)
		return;
	for (i = 0; i < event->n; i++)
		cli_json_set(c, o, event->facts[i].name,
			     event->facts[i].text ? cli_json_text(c, event->facts[i].text)
						  : cli_json_u64(c, event->facts[i].number));
	send(c, o);
}

void cli_events_outcome(struct cli *c, int exit_status)
{
	const struct kvf_report *r = &c->report;
	json_t *o;

	end_step(c);
	o = new_event(c, "outcome");
	if (!o)
		return;
	cli_json_set(c, o, "exit", json_integer(exit_status));
	cli_json_set(c, o, "status", cli_json_text(c, kvf_status_word(c->err.status)));
	cli_json_set(c, o, "message", cli_json_text(c, c->err.message));
	cli_json_set(c, o, "detail", cli_json_text(c, c->err.detail));
	cli_json_set(c, o, "hint", cli_json_text(c, c->err.hint));
	cli_json_set(c, o, "code", cli_json_text(c, c->err.code));
	cli_json_set(c, o, "published", json_boolean(r->published));
	cli_json_set(c, o, "already", json_boolean(r->already));
	cli_json_set(c, o, "entries", cli_json_u64(c, r->tail.entries));
	cli_json_set(c, o, "bytes", cli_json_u64(c, r->tail.bytes));
	send(c, o);
}
