/* pgproxy_rules - the rules of pgproxy.h: words to read, counts to keep. */
#include "pgproxy_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *word;
	enum action action;
} actions[] = {
	{ "cut-before", CUT_BEFORE },
	{ "cut-within", CUT_WITHIN },
	{ "cut-after", CUT_AFTER },
	{ "hold", HOLD },
	{ "fail", FAIL },
	{ "fail-done", FAIL_DONE },
	{ "lose-done", LOSE_DONE },
	{ "refuse", REFUSE },
	{ "version", VERSION },
};

/* The next word, and behind it; 0 where there is none. */
static int next_word(const char **text, char *to, size_t size)
{
	size_t n = strcspn(*text, " ");

	if (!n || n >= size)
		return 0;
	memcpy(to, *text, n);
	to[n] = '\0';
	*text += n;
	*text += strspn(*text, " ");
	return 1;
}

static int read_numbers(const char *word, struct rule *r)
{
	char *end;

	r->first = r->last = strtoull(word, &end, 10);
	if (*end == '+') {
		r->last = end[1] ? r->first - 1 + strtoull(end + 1, &end, 10) : UINT64_MAX;
		if (r->last == UINT64_MAX)
			end++;
	}
	return r->first > 0 && r->last >= r->first && *end == '\0';
}

static int read_side(const char *word, struct rule *r)
{
	r->side = strcmp(word, "client") == 0 ? PGPROXY_CLIENT : PGPROXY_SERVER;
	return r->side == PGPROXY_CLIENT || strcmp(word, "server") == 0;
}

static int read_rule(const char *text, struct rule *r)
{
	char word[32];
	size_t i;

	memset(r, 0, sizeof(*r));
	if (!next_word(&text, word, sizeof(word)))
		return 0;
	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(word, actions[i].word) == 0)
			r->action = actions[i].action;
	if (r->action == VERSION)
		return next_word(&text, r->code, sizeof(r->code)) && !*text;
	if (r->action >= CUT_BEFORE && r->action <= HOLD) {
		if (!next_word(&text, word, sizeof(word)) || !read_side(word, r))
			return 0;
	} else if (r->action != LOSE_DONE) {
		if (!next_word(&text, word, sizeof(word)) || strlen(word) != 5)
			return 0;
		memcpy(r->code, word, 6);
	}
	if (!r->action || !next_word(&text, word, sizeof(word)) || !read_numbers(word, r))
		return 0;
	if (r->action <= HOLD) {
		r->type = *text;
		if (text[0] && text[1] && text[1] != ' ')
			return 0;
		text += *text != '\0';
		text += strspn(text, " ");
		snprintf(r->text, sizeof(r->text), "%s", text);
		return strlen(text) < sizeof(r->text);
	}
	snprintf(r->text, sizeof(r->text), "%s", text);
	return strlen(text) < sizeof(r->text) && (r->action != REFUSE || !*text);
}

int rules_add(struct rules *r, const char *text)
{
	if (r->n == RULES || !read_rule(text, &r->rule[r->n]))
		return -1;
	r->n++;
	return 0;
}

/* This rule's event came by: does it fire? */
static int fires(struct rules *r, struct rule *rule)
{
	rule->seen++;
	if (rule->seen < rule->first || rule->seen > rule->last)
		return 0;
	r->fired++;
	return 1;
}

uint32_t rules_about(const struct rules *r, const char *text)
{
	uint32_t about = 0;
	size_t i;

	for (i = 0; i < r->n; i++)
		if (*r->rule[i].text && strcasestr(text, r->rule[i].text))
			about |= UINT32_C(1) << i;
	return about;
}

const struct rule *rules_message(struct rules *r, enum pgproxy_side side, char type,
				 uint32_t about)
{
	size_t i;

	for (i = 0; i < r->n; i++) {
		struct rule *rule = &r->rule[i];

		if (rule->action <= HOLD && rule->side == side &&
		    (!rule->type || rule->type == type) && (!*rule->text || about >> i & 1) &&
		    fires(r, rule))
			return rule;
	}
	return NULL;
}

const struct rule *rules_statement(struct rules *r, const char *text)
{
	size_t i;

	for (i = 0; i < r->n; i++) {
		struct rule *rule = &r->rule[i];

		if (rule->action >= FAIL && rule->action <= LOSE_DONE &&
		    strcasestr(text, rule->text) && fires(r, rule))
			return rule;
	}
	return NULL;
}

const struct rule *rules_connection(struct rules *r)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (r->rule[i].action == REFUSE && fires(r, &r->rule[i]))
			return &r->rule[i];
	return NULL;
}

const char *rules_version(const struct rules *r)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (r->rule[i].action == VERSION)
			return r->rule[i].code;
	return NULL;
}
