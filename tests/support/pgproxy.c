/*
 * pgproxy - the proxy of pgproxy.h: one thread, and two buffers each way.
 *
 * Bytes that arrive from a side are taken apart into messages in `half.in`; what
 * a rule lets pass goes on to `half.out`, which is written as the other side takes
 * it.  A link that is doomed reads no more and is closed when its buffers are
 * empty.  The thread holds the lock except while it waits.
 */
#include "pgproxy.h"
#include "pgproxy_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LINKS 64
#define STATEMENTS 64      /* prepared ones that are remembered by their names */
#define ROOM (1u << 20)    /* unsent bytes from which on a side is not read */
#define LONGEST (1u << 30) /* message */

#define CANCEL 80877102u
#define TLS 80877103u
#define GSS 80877104u

struct buffer {
	uint8_t *p;
	size_t n, cap;
};

/* One direction: from the side that is its index. */
struct half {
	struct buffer in, out;
	int held;    /* the first message of `in` waits */
	int excused; /* the first message of `in` has been counted and may pass */
};

/* What becomes of the server's answer. */
enum answer { AS_IT_IS, REPLACED, LOST };

struct link {
	int fd[2];
	struct half half[2];
	int greeted;  /* the first packet has passed */
	int skipping; /* drop the client's messages up to its Sync */
	int doomed;
	enum answer answer;
	char code[6]; /* of the error that replaces it */
	struct {
		char name[64];
		char *text;
	} prepared[STATEMENTS];
	const char *bound; /* text of the statement that was bound last */
	uint32_t about;    /* rules that have the last statement's text */
};

struct pgproxy {
	pthread_t thread;
	pthread_mutex_t lock;
	int listener, wake[2], stop, own_folder;
	char folder[108], server[108], path[140];
	struct link *link[LINKS];
	struct rules rules;
	uint64_t messages[2], statements, connections;
};

/* ---- bytes ------------------------------------------------------------------------ */

static void append(struct buffer *b, const void *bytes, size_t n)
{
	if (b->n + n > b->cap) {
		b->cap = (b->n + n) * 2;
		b->p = realloc(b->p, b->cap);
		if (!b->p)
			abort();
	}
	memcpy(b->p + b->n, bytes, n);
	b->n += n;
}

static void drop(struct buffer *b, size_t n)
{
	memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* A message of the frontend or the backend, with its type and its length. */
static void append_message(struct buffer *b, char type, const void *body, size_t n)
{
	uint32_t len = (uint32_t)n + 4;
	uint8_t head[5] = { (uint8_t)type, (uint8_t)(len >> 24), (uint8_t)(len >> 16),
			    (uint8_t)(len >> 8), (uint8_t)len };

	append(b, head, 5);
	append(b, body, n);
}

static int ends_session(const char *code)
{
	return strncmp(code, "57P", 3) == 0 || strcmp(code, "53300") == 0;
}

static void append_error(struct buffer *b, const char *code)
{
	const char *severity = ends_session(code) ? "FATAL" : "ERROR";
	char body[128];
	int n = snprintf(body, sizeof(body), "S%s%cV%s%cC%s%cMinjected by the proxy%c%c",
			 severity, 0, severity, 0, code, 0, 0, 0);

	append_message(b, 'E', body, (size_t)n);
}

/* ---- what passes ------------------------------------------------------------------ */

static int is_commit(const char *text)
{
	text += strspn(text, " \t\n");
	return strncasecmp(text, "commit", 6) == 0 || strncasecmp(text, "end", 3) == 0;
}

static void remember(struct link *l, const char *name, const char *text)
{
	size_t i, at = 0;

	for (i = 0; i < STATEMENTS; i++)
		if (!l->prepared[i].text || strcmp(l->prepared[i].name, name) == 0) {
			at = i;
			break;
		}
	if (l->bound == l->prepared[at].text)
		l->bound = NULL;
	free(l->prepared[at].text);
	snprintf(l->prepared[at].name, sizeof(l->prepared[at].name), "%s", name);
	l->prepared[at].text = strdup(text);
	if (!l->prepared[at].text)
		abort();
}

static void bind_statement(struct link *l, const char *name)
{
	size_t i;

	l->bound = NULL;
	for (i = 0; i < STATEMENTS && l->prepared[i].text; i++)
		if (strcmp(l->prepared[i].name, name) == 0)
			l->bound = l->prepared[i].text;
}

/* The client's statement is not run as it is: what happens in its place. */
static void break_statement(struct link *l, const struct rule *rule, const char *text,
			    char type, struct buffer *to_server, const uint8_t *m, size_t n)
{
	char sql[160];

	memcpy(l->code, rule->code, sizeof(l->code));
	if (rule->action != FAIL) {
		l->answer = rule->action == LOSE_DONE ? LOST : REPLACED;
		append(to_server, m, n);
		return;
	}
	if (ends_session(rule->code)) {
		append_error(&l->half[PGPROXY_SERVER].out, rule->code);
		l->doomed = 1;
		return;
	}
	l->skipping = type == 'E';
	if (is_commit(text)) {
		snprintf(sql, sizeof(sql), "ROLLBACK");
		l->answer = REPLACED;
	} else {
		snprintf(sql, sizeof(sql),
			 "DO 'BEGIN RAISE EXCEPTION ''injected by the proxy'' USING ERRCODE ="
			 " ''%s''; END'",
			 rule->code);
	}
	append_message(to_server, 'Q', sql, strlen(sql) + 1);
}

/* The first packet of a connection, which has no type. */
static void greet(struct pgproxy *p, struct link *l, const uint8_t *m, size_t n)
{
	uint32_t code = n >= 8 ? be32(m + 4) : 0;
	const struct rule *rule;

	if (code == TLS || code == GSS) {
		append(&l->half[PGPROXY_SERVER].out, "N", 1);
		return;
	}
	l->greeted = 1;
	if (code != CANCEL) {
		p->connections++;
		rule = rules_connection(&p->rules);
		if (rule) {
			append_error(&l->half[PGPROXY_SERVER].out, rule->code);
			l->doomed = 1;
			return;
		}
	}
	append(&l->half[PGPROXY_CLIENT].out, m, n);
}

/* A whole message of the client; libpq's are well formed. */
static void from_client(struct pgproxy *p, struct link *l, const uint8_t *m, size_t n)
{
	struct buffer *out = &l->half[PGPROXY_CLIENT].out;
	const char *first = (const char *)m + 5, *text, *second;
	const struct rule *rule;

	if (l->skipping) {
		l->skipping = m[0] != 'S';
		return;
	}
	if (m[0] == 'P' || m[0] == 'B') { /* both begin with two strings */
		second = first + strlen(first) + 1;
		if (m[0] == 'P')
			remember(l, first, second);
		else
			bind_statement(l, second);
	}
	if (m[0] == 'Q' || m[0] == 'E') {
		text = m[0] == 'Q' ? first : l->bound ? l->bound : "";
		p->statements++;
		l->about = rules_about(&p->rules, text);
		rule = rules_statement(&p->rules, text);
		if (rule) {
			break_statement(l, rule, text, (char)m[0], out, m, n);
			return;
		}
	}
	append(out, m, n);
}

/* The version that the server says it has, where a rule says another. */
static int pretend(struct buffer *out, const char *version, const uint8_t *m, size_t n)
{
	static const char name[] = "server_version"; /* with its NUL */
	char body[64];

	if (!version || m[0] != 'S' || n < 5 + sizeof(name) ||
	    memcmp(m + 5, name, sizeof(name)) != 0)
		return 0;
	memcpy(body, name, sizeof(name));
	snprintf(body + sizeof(name), sizeof(body) - sizeof(name), "%s", version);
	append_message(out, 'S', body, sizeof(name) + strlen(version) + 1);
	return 1;
}

static void from_server(const struct pgproxy *p, struct link *l, const uint8_t *m, size_t n)
{
	struct buffer *out = &l->half[PGPROXY_SERVER].out;

	if (pretend(out, rules_version(&p->rules), m, n))
		return;
	/* COPY FROM STDIN: its answer comes when the client has sent the rows. */
	if (l->answer == AS_IT_IS || m[0] == 'G') {
		append(out, m, n);
		return;
	}
	if (m[0] != 'Z') /* the end of the answer */
		return;
	if (l->answer == LOST || ends_session(l->code))
		l->doomed = 1;
	if (l->answer == REPLACED) {
		append_error(out, l->code);
		if (!l->doomed)
			append(out, m, n);
	}
	l->answer = AS_IT_IS;
}

/* ---- messages --------------------------------------------------------------------- */

/* Length of the whole first message of `b`; 0 when it is not there yet. */
static size_t whole(const struct buffer *b, int typed)
{
	size_t head = typed ? 5 : 4, n;

	if (b->n < head)
		return 0;
	n = (typed ? 1u : 0u) + (size_t)be32(b->p + head - 4);
	if (n < head || n > LONGEST)
		abort();
	return b->n < n ? 0 : n;
}

/* Does a rule stop this message?  It is counted. */
static int stopped(struct pgproxy *p, struct link *l, enum pgproxy_side side, char type,
		   const uint8_t *m, size_t n)
{
	struct half *h = &l->half[side];
	const struct rule *rule;

	if (h->excused) {
		h->excused = 0;
		return 0;
	}
	p->messages[side]++;
	rule = rules_message(&p->rules, side, type, l->about);
	if (!rule)
		return 0;
	if (rule->action == HOLD) {
		h->held = 1;
		return 1;
	}
	if (rule->action == CUT_WITHIN)
		append(&h->out, m, n > 1 ? n / 2 : n);
	else if (rule->action == CUT_AFTER)
		append(&h->out, m, n);
	l->doomed = 1;
	return 1;
}

static void pump(struct pgproxy *p, struct link *l, enum pgproxy_side side)
{
	struct half *h = &l->half[side];
	size_t at = 0, n;

	while (!l->doomed && !h->held) {
		struct buffer rest = { h->in.p + at, h->in.n - at, 0 };
		int typed = side == PGPROXY_SERVER || l->greeted;

		n = whole(&rest, typed);
		if (!n || stopped(p, l, side, typed ? (char)rest.p[0] : '0', rest.p, n))
			break;
		if (!typed)
			greet(p, l, rest.p, n);
		else if (side == PGPROXY_CLIENT)
			from_client(p, l, rest.p, n);
		else
			from_server(p, l, rest.p, n);
		at += n;
	}
	if (at)
		drop(&h->in, at);
}

/* ---- connections ------------------------------------------------------------------ */

static void socket_path(struct sockaddr_un *a, const char *folder)
{
	const char *port = getenv("PGPORT");

	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	snprintf(a->sun_path, sizeof(a->sun_path), "%.90s/.s.PGSQL.%.5s", folder,
		 port && *port ? port : "5432");
}

static void close_link(struct pgproxy *p, size_t i)
{
	struct link *l = p->link[i];
	size_t k;

	for (k = 0; k < 2; k++) {
		close(l->fd[k]);
		free(l->half[k].in.p);
		free(l->half[k].out.p);
	}
	for (k = 0; k < STATEMENTS; k++)
		free(l->prepared[k].text);
	free(l);
	p->link[i] = NULL;
}

static void accept_link(struct pgproxy *p)
{
	int client = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), server;
	struct sockaddr_un a;
	struct link *l;
	size_t i;

	if (client < 0)
		return;
	for (i = 0; i < LINKS && p->link[i];)
		i++;
	socket_path(&a, p->server);
	server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Without a server the client finds the connection closed. */
	if (i == LINKS || server < 0 || connect(server, (struct sockaddr *)&a, sizeof(a)) < 0) {
		close(client);
		if (server >= 0)
			close(server);
		return;
	}
	(void)fcntl(server, F_SETFL, O_NONBLOCK);
	l = calloc(1, sizeof(*l));
	if (!l)
		abort();
	l->fd[PGPROXY_CLIENT] = client;
	l->fd[PGPROXY_SERVER] = server;
	p->link[i] = l;
}

static int takes_more(const struct link *l, size_t side)
{
	return !l->doomed && !l->half[side].held && l->half[side].out.n < ROOM;
}

/* Read what has come from a side; its end dooms the link. */
static void receive(struct pgproxy *p, struct link *l, enum pgproxy_side side)
{
	uint8_t bytes[65536];
	ssize_t n = read(l->fd[side], bytes, sizeof(bytes));

	if (n > 0) {
		append(&l->half[side].in, bytes, (size_t)n);
		pump(p, l, side);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		l->doomed = 1;
	}
}

/* Write what waits for the other side; an end that is gone takes nothing. */
static void transmit(struct link *l, enum pgproxy_side side)
{
	struct buffer *b = &l->half[side].out;
	ssize_t n;

	if (!b->n)
		return;
	n = send(l->fd[!side], b->p, b->n, MSG_NOSIGNAL);
	if (n > 0)
		drop(b, (size_t)n);
	else if (errno != EAGAIN && errno != EINTR) {
		b->n = 0;
		l->doomed = 1;
	}
}

static void serve(struct pgproxy *p, size_t i, const struct pollfd *fds)
{
	struct link *l = p->link[i];
	size_t side;

	for (side = 0; side < 2; side++)
		if (takes_more(l, side) && fds[side].revents & (POLLIN | POLLHUP | POLLERR))
			receive(p, l, (enum pgproxy_side)side);
	for (side = 0; side < 2; side++)
		transmit(l, (enum pgproxy_side)side);
	if (l->doomed && !l->half[0].out.n && !l->half[1].out.n)
		close_link(p, i);
}

static nfds_t watch(struct pgproxy *p, struct pollfd *fds)
{
	nfds_t n = 0;
	size_t i, side;

	fds[n++] = (struct pollfd){ p->wake[0], POLLIN, 0 };
	fds[n++] = (struct pollfd){ p->listener, POLLIN, 0 };
	for (i = 0; i < LINKS; i++)
		for (side = 0; p->link[i] && side < 2; side++) {
			struct link *l = p->link[i];
			int in = takes_more(l, side), out = l->half[!side].out.n > 0;

			/* A side that is not read must not wake us by its end either. */
			fds[n++] = (struct pollfd){
				in || out ? l->fd[side] : -1,
				(short)((in ? POLLIN : 0) | (out ? POLLOUT : 0)), 0
			};
		}
	return n;
}

static void *work(void *arg)
{
	struct pgproxy *p = arg;
	struct pollfd fds[2 + 2 * LINKS];
	size_t i, k;
	char byte[64];
	nfds_t n;

	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		n = watch(p, fds);
		pthread_mutex_unlock(&p->lock);
		(void)poll(fds, n, -1);
		pthread_mutex_lock(&p->lock);
		if (fds[0].revents && read(p->wake[0], byte, sizeof(byte)) < 0)
			abort();
		for (i = 0, k = 2; i < LINKS; i++)
			if (p->link[i]) {
				pump(p, p->link[i], PGPROXY_CLIENT); /* what was released */
				pump(p, p->link[i], PGPROXY_SERVER);
				serve(p, i, fds + k);
				k += 2;
			}
		if (fds[1].revents)
			accept_link(p);
	}
	for (i = 0; i < LINKS; i++)
		if (p->link[i])
			close_link(p, i);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* ---- the interface ---------------------------------------------------------------- */

static int set_up(struct pgproxy *p, const char *folder)
{
	struct sockaddr_un a;

	p->own_folder = !folder;
	snprintf(p->folder, sizeof(p->folder), "%s", folder ? folder : "/tmp/pgproxy.XXXXXX");
	if (!folder && !mkdtemp(p->folder))
		return -1;
	socket_path(&a, p->folder);
	snprintf(p->path, sizeof(p->path), "%s", a.sun_path);
	p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->listener < 0 || bind(p->listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(p->listener, 64) < 0)
		return -1;
	return pipe2(p->wake, O_CLOEXEC | O_NONBLOCK);
}

struct pgproxy *pgproxy_start(const char *server, const char *folder)
{
	struct pgproxy *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->listener = p->wake[0] = p->wake[1] = -1;
	snprintf(p->server, sizeof(p->server), "%s", server);
	pthread_mutex_init(&p->lock, NULL);
	if (set_up(p, folder) == 0 && pthread_create(&p->thread, NULL, work, p) == 0)
		return p;
	if (p->listener >= 0)
		close(p->listener);
	free(p);
	return NULL;
}

static void wake(struct pgproxy *p)
{
	if (write(p->wake[1], "", 1) < 0 && errno != EAGAIN)
		abort();
}

void pgproxy_stop(struct pgproxy *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = 1;
	pthread_mutex_unlock(&p->lock);
	wake(p);
	pthread_join(p->thread, NULL);
	close(p->listener);
	close(p->wake[0]);
	close(p->wake[1]);
	unlink(p->path);
	if (p->own_folder)
		rmdir(p->folder);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

const char *pgproxy_folder(const struct pgproxy *p)
{
	return p->folder;
}

int pgproxy_rule(struct pgproxy *p, const char *text)
{
	int rc;

	pthread_mutex_lock(&p->lock);
	rc = rules_add(&p->rules, text);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

/* Let go what is held; with the lock. */
static void let_go(struct pgproxy *p)
{
	size_t i, side;

	for (i = 0; i < LINKS; i++)
		for (side = 0; p->link[i] && side < 2; side++)
			if (p->link[i]->half[side].held) {
				p->link[i]->half[side].held = 0;
				p->link[i]->half[side].excused = 1;
			}
}

void pgproxy_release(struct pgproxy *p)
{
	pthread_mutex_lock(&p->lock);
	let_go(p);
	pthread_mutex_unlock(&p->lock);
	wake(p);
}

void pgproxy_reset(struct pgproxy *p)
{
	pthread_mutex_lock(&p->lock);
	memset(&p->rules, 0, sizeof(p->rules));
	p->messages[0] = p->messages[1] = p->statements = p->connections = 0;
	let_go(p);
	pthread_mutex_unlock(&p->lock);
	wake(p);
}

static uint64_t look(struct pgproxy *p, const uint64_t *at)
{
	uint64_t n;

	pthread_mutex_lock(&p->lock);
	n = *at;
	pthread_mutex_unlock(&p->lock);
	return n;
}

unsigned pgproxy_fired(struct pgproxy *p)
{
	unsigned n;

	pthread_mutex_lock(&p->lock);
	n = p->rules.fired;
	pthread_mutex_unlock(&p->lock);
	return n;
}

uint64_t pgproxy_messages(struct pgproxy *p, enum pgproxy_side side)
{
	return look(p, &p->messages[side]);
}

uint64_t pgproxy_statements(struct pgproxy *p)
{
	return look(p, &p->statements);
}

uint64_t pgproxy_connections(struct pgproxy *p)
{
	return look(p, &p->connections);
}

int pgproxy_wait_held(struct pgproxy *p, unsigned ms)
{
	size_t i, side;
	int held = 0;

	for (;;) {
		pthread_mutex_lock(&p->lock);
		for (i = 0; i < LINKS; i++)
			for (side = 0; p->link[i] && side < 2; side++)
				held |= p->link[i]->half[side].held;
		pthread_mutex_unlock(&p->lock);
		if (held || ms < 5)
			return held;
		usleep(5000);
		ms -= 5;
	}
}
