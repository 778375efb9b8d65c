/* status - status codes, the error record, and what can be printed of bytes. */
#include <kvferry/base.h>

#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int kvf_exit_status(enum kvf_status st)
{
	switch (st) {
	case KVF_EOF: return 0;
	case KVF_ETRUNC: return KVF_ESTREAM;
	case KVF_ENOMEM: return KVF_EINTERNAL;
	case KVF_ENOTFOUND: return KVF_EMISMATCH;
	case KVF_OK:
	case KVF_EINTERNAL:
	case KVF_EUSAGE:
	case KVF_EDEFINITION:
	case KVF_ESOURCE:
	case KVF_ETARGET:
	case KVF_ESTREAM:
	case KVF_EVERSION:
	case KVF_EBUSY:
	case KVF_EUNFINISHED:
	case KVF_PENDING:
	case KVF_EMISMATCH:
	case KVF_EDECISION:
	case KVF_EPREFLIGHT:
	case KVF_EREJECT:
	case KVF_ECANCELLED:
	case KVF_EINTERRUPTED: return (int)st;
	}
	return KVF_EINTERNAL;
}

const char *kvf_status_word(enum kvf_status st)
{
	switch (st) {
	case KVF_OK: return "ok";
	case KVF_EINTERNAL: return "internal";
	case KVF_EUSAGE: return "usage";
	case KVF_EDEFINITION: return "definition";
	case KVF_ESOURCE: return "source";
	case KVF_ETARGET: return "target";
	case KVF_ESTREAM: return "stream";
	case KVF_EVERSION: return "version";
	case KVF_EBUSY: return "busy";
	case KVF_EUNFINISHED: return "unfinished";
	case KVF_PENDING: return "pending";
	case KVF_EMISMATCH: return "mismatch";
	case KVF_EDECISION: return "decision";
	case KVF_EPREFLIGHT: return "preflight";
	case KVF_EREJECT: return "reject";
	case KVF_ECANCELLED: return "cancelled";
	case KVF_EINTERRUPTED: return "interrupted";
	case KVF_EOF: return "end";
	case KVF_ETRUNC: return "truncated";
	case KVF_ENOMEM: return "memory";
	case KVF_ENOTFOUND: return "not-found";
	}
	return "internal";
}

void kvf_err_clear(struct kvf_err *err)
{
	if (err)
		memset(err, 0, sizeof(*err));
}

/* The length of s[len] without a character that was cut off at its end. */
static size_t whole_characters(const char *s, size_t len)
{
	size_t lead = len;

	while (lead > 0 && len - lead < 3 && ((uint8_t)s[lead - 1] & 0xc0) == 0x80)
		lead--;
	if (lead > 0 && (uint8_t)s[lead - 1] >= 0xc0 &&
	    kvf_utf8_valid(s + lead - 1, len - lead + 1) == 0)
		return lead - 1;
	return len;
}

#define TEXT_MAX sizeof(((struct kvf_err *)0)->detail)

static void set_text(char *to, size_t size, char keep, const char *fmt, va_list ap)
	KVF_PRINTF(4, 0);

/* Format into to[size]; the arguments may point into `to` itself. */
static void set_text(char *to, size_t size, char keep, const char *fmt, va_list ap)
{
	char text[TEXT_MAX];
	int n = vsnprintf(text, size, fmt, ap);

	if (n < 0)
		text[0] = '\0';
	else if ((size_t)n >= size)
		text[whole_characters(text, size - 1)] = '\0';
	kvf_text_clean(text, keep);
	memcpy(to, text, strlen(text) + 1);
}

/* `room` bytes at the end of the message are left for the caller. */
static void fail_v(struct kvf_err *err, enum kvf_status st, size_t room, const char *fmt,
		   va_list ap) KVF_PRINTF(4, 0);

static void fail_v(struct kvf_err *err, enum kvf_status st, size_t room, const char *fmt,
		   va_list ap)
{
	char message[sizeof(err->message)];

	/* The arguments may point into err: clear it after they were read. */
	set_text(message, sizeof(message) - room, 0, fmt, ap);
	kvf_err_clear(err);
	err->status = st;
	memcpy(err->message, message, strlen(message) + 1);
}

enum kvf_status kvf_fail(struct kvf_err *err, enum kvf_status st, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return st;
	va_start(ap, fmt);
	fail_v(err, st, 0, fmt, ap);
	va_end(ap);
	return st;
}

enum kvf_status kvf_fail_errno(struct kvf_err *err, enum kvf_status st, int errnum,
			       const char *fmt, ...)
{
	char buf[128];
	const char *text;
	va_list ap;
	size_t len;

	if (!err)
		return st;
	text = strerror_r(errnum, buf, sizeof(buf));
	va_start(ap, fmt);
	fail_v(err, st, strnlen(text, sizeof(buf)) + 2, fmt, ap);
	va_end(ap);
	err->sys_errno = errnum;
	len = strlen(err->message);
	snprintf(err->message + len, sizeof(err->message) - len, ": %s", text);
	return st;
}

enum kvf_status kvf_fail_nomem(struct kvf_err *err)
{
	return kvf_fail(err, KVF_ENOMEM, "out of memory");
}

void kvf_err_detail(struct kvf_err *err, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return;
	va_start(ap, fmt);
	set_text(err->detail, sizeof(err->detail), '\n', fmt, ap);
	va_end(ap);
}

void kvf_err_hint(struct kvf_err *err, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return;
	va_start(ap, fmt);
	set_text(err->hint, sizeof(err->hint), '\n', fmt, ap);
	va_end(ap);
}

const char *kvf_version(void)
{
	return KVF_VERSION;
}
