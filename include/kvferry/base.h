/*
 * kvferry/base.h - what every other header of libkvferry stands on: status
 * codes, the error record, byte views, entries, and the environment that a
 * caller passes in.
 *
 * The library never prints, never exits and never reads the environment of the
 * process.  A function that can fail returns enum kvf_status and fills the
 * caller's struct kvf_err exactly once, at the place where the failure is
 * known; everybody above passes it up unchanged.
 */
#ifndef KVFERRY_BASE_H
#define KVFERRY_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define KVF_API __attribute__((visibility("default")))
#define KVF_MUST_CHECK __attribute__((warn_unused_result))
#define KVF_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define KVF_API
#define KVF_MUST_CHECK
#define KVF_PRINTF(fmt, args)
#endif

/*
 * Below 256 the number is the exit status of the program as well (docs: "Exit
 * status" in kvferry(1)).  Above, kvf_exit_status() says which one it becomes.
 */
enum kvf_status {
	KVF_OK = 0,             /* done, or nothing to do */
	KVF_EINTERNAL = 1,      /* a bug of ours, or no memory for a message */
	KVF_EUSAGE = 2,         /* the call or command line makes no sense */
	KVF_EDEFINITION = 3,    /* package definition or configuration */
	KVF_ESOURCE = 4,        /* reading failed; the source is as it was */
	KVF_ETARGET = 5,        /* writing failed (store, output or scratch file) */
	KVF_ESTREAM = 6,        /* stream corrupt, or not the expected one */
	KVF_EVERSION = 7,       /* major, feature or schema transition unsupported */
	KVF_EBUSY = 8,          /* another run holds the store */
	KVF_EUNFINISHED = 9,    /* an unfinished run has to be dealt with first */
	KVF_PENDING = 10,       /* there is something to do (--exit-code only) */
	KVF_EMISMATCH = 11,     /* the two sides differ */
	KVF_EDECISION = 12,     /* an answer is required */
	KVF_EPREFLIGHT = 13,    /* refused before anything was written */
	KVF_EREJECT = 64,       /* rows that cannot be carried; no bump */
	KVF_ECANCELLED = 80,    /* answered "no" at a prompt */
	KVF_EINTERRUPTED = 130, /* stopped at a safe point on request */

	KVF_EOF = 256,      /* a complete end: not a failure */
	KVF_ETRUNC = 257,   /* stream ends without its tail; exit 6 */
	KVF_ENOMEM = 258,   /* exit 1 */
	KVF_ENOTFOUND = 259 /* exit 11 */
};

/* The exit status that belongs to `st`: 0...255. */
KVF_API int kvf_exit_status(enum kvf_status st);

/* A short stable word for machines: "ok", "usage", "stream", "truncated" ... */
KVF_API const char *kvf_status_word(enum kvf_status st);

/*
 * The one error of a call.  Owned by the caller, no pointers inside, so that
 * it may be copied and outlive everything else.  `message` is one lower-case
 * factual line; `detail` says where and whether anything was changed; `hint`
 * is a sentence that says what to do next.  Empty strings where there is
 * nothing to say.  The three are always valid UTF-8 without control characters
 * (detail and hint may hold newlines): whatever else a name or a driver's
 * message brings becomes "?".  No key, value or secret is ever put in, except keys that a
 * message has to name, which are escaped (kvf_bytes_print()).
 */
struct kvf_err {
	enum kvf_status status;
	int sys_errno; /* errno of the failing call, or 0 */
	char code[32]; /* SQLSTATE or SQLite's extended code name, or "" */
	char message[768];
	char detail[1024];
	char hint[512];
};

/* Set `err` to OK with empty texts. */
KVF_API void kvf_err_clear(struct kvf_err *err);

/*
 * Fill `err` and return `st`, so that callers write `return kvf_fail(...)`.
 * `err` may be NULL; then only the status travels.  Detail and hint are reset.
 */
KVF_API enum kvf_status kvf_fail(struct kvf_err *err, enum kvf_status st, const char *fmt, ...)
	KVF_PRINTF(3, 4);

/* As kvf_fail(), with the text of `errnum` appended: "msg: No space left". */
KVF_API enum kvf_status kvf_fail_errno(struct kvf_err *err, enum kvf_status st, int errnum,
				       const char *fmt, ...) KVF_PRINTF(4, 5);

/* Out of memory: KVF_ENOMEM, with a message that needs no memory. */
KVF_API enum kvf_status kvf_fail_nomem(struct kvf_err *err);

/* Add the detail or the hint to an error that is already filled. */
KVF_API void kvf_err_detail(struct kvf_err *err, const char *fmt, ...) KVF_PRINTF(2, 3);
KVF_API void kvf_err_hint(struct kvf_err *err, const char *fmt, ...) KVF_PRINTF(2, 3);

/* A borrowed view.  Whoever hands one out says how long it stays valid. */
struct kvf_bytes {
	const uint8_t *ptr; /* may be NULL only when len is 0 */
	size_t len;
};

/* The order of streams and stores: memcmp, then the shorter first.  <0, 0, >0 */
KVF_API int kvf_bytes_cmp(struct kvf_bytes a, struct kvf_bytes b);

/* A view of a NUL-terminated string, without its NUL. */
KVF_API struct kvf_bytes kvf_bytes_str(const char *s);

/*
 * Print `b` into buf[size] so that it can be pasted back on a command line:
 * valid UTF-8 without control characters as it is (unless it begins with
 * "hex:" or "@"), everything else as hex:...  Too long: cut, with "...".
 * Always NUL-terminated; returns buf.
 */
KVF_API char *kvf_bytes_print(struct kvf_bytes b, char *buf, size_t size);

/* One entry: exactly the three byte strings that a store holds. */
struct kvf_entry {
	struct kvf_bytes part;  /* partition; may be empty */
	struct kvf_bytes key;   /* never empty */
	struct kvf_bytes value; /* may be empty */
};

/* By partition, then key.  The value takes no part in the order. */
KVF_API int kvf_entry_cmp(const struct kvf_entry *a, const struct kvf_entry *b);

/* What a set of entries amounts to; additive, independent of order. */
struct kvf_totals {
	uint64_t entries;
	uint64_t bytes; /* sum of len(part) + len(key) + len(value) */
	uint8_t m[16];  /* multiset digest, big-endian (stream-v1, Digests) */
};

/* NOTE: one line that everybody should see, such as that a run is resumed. */
enum kvf_log_level { KVF_LOG_ERROR, KVF_LOG_WARN, KVF_LOG_NOTE, KVF_LOG_INFO, KVF_LOG_DEBUG };

/* Add one entry to `t`.  To begin, zero the struct. */
KVF_API void kvf_totals_add(struct kvf_totals *t, const struct kvf_entry *entry);
/* t += u, and t -= u (of what was added before). */
KVF_API void kvf_totals_merge(struct kvf_totals *t, const struct kvf_totals *u);
KVF_API void kvf_totals_subtract(struct kvf_totals *t, const struct kvf_totals *u);
KVF_API int kvf_totals_equal(const struct kvf_totals *a, const struct kvf_totals *b);

/* One chunk of a stream, by position, digest and contents. */
struct kvf_chunk_info {
	uint64_t n, i; /* package ordinal, chunk index in the package */
	uint8_t d[32]; /* chunk digest */
	struct kvf_totals totals;
};

/* How far one step has come.  Sent often; the receiver decides what to draw. */
struct kvf_progress {
	const char *step; /* "export", "load", "verify" ...; static text */
	const char *what; /* package or table, valid during the call; or "" */
	unsigned index;   /* this step's number, from 1 */
	unsigned steps;   /* how many there are; 0 = unknown */
	uint64_t entries; /* done so far in this step */
	uint64_t bytes;   /* entry bytes done so far */
	uint64_t total;   /* entries expected; 0 = unknown */
	int estimate;     /* non-zero: `total` is an estimate */
};

/* Something that happened, for machines: "resume", "commit" ... (docs/events.md). */
struct kvf_event_fact {
	const char *name;
	const char *text; /* or, where it is NULL, */
	uint64_t number;
};
struct kvf_event { /* valid during the call */
	const char *name;
	const struct kvf_event_fact *facts;
	size_t n;
};

/*
 * What the library may use and whom it tells.  Every member may be zero or
 * NULL.  The callbacks may be called from any thread that works for the call
 * they were passed to, but never by two at once for the same env; they must
 * not call back into the library.  The struct must outlive every handle that
 * was opened with it.
 */
struct kvf_env {
	unsigned threads;          /* workers; 0 = as many as processors, at most 16 */
	uint64_t memory;           /* sort budget in bytes; 0 = min(25 % of RAM, 4 GiB) */
	const char *scratch;       /* folder for scratch files where there is none of a
				target to put them; NULL = "/tmp" */
	void *ctx;                 /* passed to the callbacks */
	int (*stopped)(void *ctx); /* non-zero: stop at the next safe point */
	void (*log)(void *ctx, enum kvf_log_level level, const char *message);
	void (*progress)(void *ctx, const struct kvf_progress *progress);
	void (*event)(void *ctx, const struct kvf_event *event);
	const char *session; /* how database servers name our sessions; NULL = "kvferry".
				kvf_migrate(), kvf_rollback() and kvf_drop_legacy() have
				names of their own. */
};

/* "0.1.0"; the version of the library that is running. */
KVF_API const char *kvf_version(void);

#ifdef __cplusplus
}
#endif

#endif
