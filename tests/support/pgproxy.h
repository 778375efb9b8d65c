/*
 * pgproxy - a proxy between libpq and a real server of PostgreSQL that knows
 * where messages begin and end, and breaks the link at a place that a test names.
 *
 * It listens on a socket in a folder of its own (a temporary one), serves any
 * number of connections from one thread, and forwards every message as it is
 * until a rule fires.  A test connects with host=FOLDER; TLS and GSS are refused
 * (sockets do not use them), requests to cancel are forwarded.
 *
 *   struct pgproxy *p = pgproxy_start(getenv("PGHOST"), NULL);
 *   pgproxy_rule(p, "fail-done 40003 1 COMMIT");
 *   ... connect with host=pgproxy_folder(p) and work ...
 *   assert_int_equal(pgproxy_fired(p), 1);
 *   pgproxy_stop(p);
 *
 * Shell tests use the program tests/tools/pgproxy.c, which takes the same rules.
 *
 * Rules.  One is a line of words.  N counts over all connections since the start
 * or the last pgproxy_reset(), the first is 1; "N+K" means K in a row from the
 * N-th on, "N+" that one and all that follow.
 *
 *   cut-before SIDE N [TYPE [TEXT]]   both ends of the link are closed before the N-th
 *   cut-within SIDE N [TYPE [TEXT]]   message of SIDE (client, server) is forwarded, when
 *   cut-after  SIDE N [TYPE [TEXT]]   half of it is, or when all of it is
 *   hold       SIDE N [TYPE [TEXT]]   it and what follows it in its direction waits for
 *                              pgproxy_release()
 *   fail CODE N [TEXT]         the server never sees the N-th statement; it runs
 *                              one that raises CODE instead (ROLLBACK where that
 *                              was a COMMIT), and the client gets the error
 *   fail-done CODE N [TEXT]    the server runs it; its answer is replaced by the
 *                              error.  For statements that end a transaction
 *   lose-done N [TEXT]         the server runs it and answers; the link is cut
 *                              before a byte of the answer has passed (of COPY FROM
 *                              STDIN, of that to the rows)
 *   refuse CODE N              the N-th connection is answered with the error
 *   version NUMBER             the server says that it is of that version (13.4); it
 *                              fires never
 *
 * CODE is an SQLSTATE.  57P01 and its like end the session: the error is followed
 * by the end of the connection.  TYPE is one character, the message's type; with
 * it, only messages of that type are counted ('0' is the first packet of a
 * connection, which has none).  TEXT is the rest of the line; with it, only
 * statements whose text holds it, in any case of letters, are counted, or messages
 * on a link whose last statement was such a one.  A
 * statement is a simple query or the execution of a prepared one (its text is
 * that which was parsed); several in one message are one.  Rules are looked at in
 * the order in which they were given; the first that fires is the only one.
 */
#ifndef KVF_TEST_PGPROXY_H
#define KVF_TEST_PGPROXY_H

#include <stdint.h>

struct pgproxy;

enum pgproxy_side { PGPROXY_CLIENT, PGPROXY_SERVER };

/*
 * Start one.  `server` is the folder of the server's socket (port 5432, or PGPORT),
 * `folder` where the proxy's own socket goes, with the same port in its name; NULL
 * makes a folder and pgproxy_stop() removes it.  The socket exists when this
 * returns.  NULL, with errno, where something cannot be made.
 */
struct pgproxy *pgproxy_start(const char *server, const char *folder);
/* Cut all connections, end the thread, remove the socket. */
void pgproxy_stop(struct pgproxy *p);

/* Valid until pgproxy_stop(). */
const char *pgproxy_folder(const struct pgproxy *p);

/* Add a rule.  0, or -1 where the text is none or there are 32 already.  Any
 * thread; it holds for messages that arrive from now on. */
int pgproxy_rule(struct pgproxy *p, const char *text);
/* Forget all rules and counts, let go what is held.  Connections go on. */
void pgproxy_reset(struct pgproxy *p);

/* How often a rule fired. */
unsigned pgproxy_fired(struct pgproxy *p);
/* Messages that arrived from a side; statements; connections. */
uint64_t pgproxy_messages(struct pgproxy *p, enum pgproxy_side side);
uint64_t pgproxy_statements(struct pgproxy *p);
uint64_t pgproxy_connections(struct pgproxy *p);

/* Wait until a message is held: 1, or 0 after so many milliseconds. */
int pgproxy_wait_held(struct pgproxy *p, unsigned ms);
/* Forward what is held. */
void pgproxy_release(struct pgproxy *p);

#endif
