/* pgproxy_rules - what pgproxy.h calls rules: read them, and see which one fires. */
#ifndef KVF_TEST_PGPROXY_RULES_H
#define KVF_TEST_PGPROXY_RULES_H

#include "pgproxy.h"

#include <stddef.h>

enum action {
	PASS = 0,
	CUT_BEFORE,
	CUT_WITHIN,
	CUT_AFTER,
	HOLD,
	FAIL,
	FAIL_DONE,
	LOSE_DONE,
	REFUSE,
	VERSION,
};

#define RULE_TEXT 120
struct rule {
	enum action action;
	enum pgproxy_side side; /* of cuts and holds */
	char type;              /* of message; 0 = any */
	char code[6];           /* or the version */
	char text[RULE_TEXT];
	uint64_t first, last; /* it fires from the first-th to the last-th */
	uint64_t seen;        /* how many it could have fired at */
};

#define RULES 32
struct rules {
	struct rule rule[RULES];
	size_t n;
	unsigned fired;
};

/* 0, or -1. */
int rules_add(struct rules *r, const char *text);

/* The rules with a text that `text`, a statement, holds: a bit for each. */
uint32_t rules_about(const struct rules *r, const char *text);

/* Count a message, a statement, a connection; the rule that fires, or NULL.  `about`
 * is of the link's last statement. */
const struct rule *rules_message(struct rules *r, enum pgproxy_side side, char type,
				 uint32_t about);
const struct rule *rules_statement(struct rules *r, const char *text);
const struct rule *rules_connection(struct rules *r);
/* What the server says that it is; NULL = what it is. */
const char *rules_version(const struct rules *r);

#endif
