/* diagnose - what a file is that could not be read as a stream. */
#include "stream/reader.h"

#include <string.h>

static int begins(const uint8_t *p, size_t len, const char *with, size_t n)
{
	return len >= n && memcmp(p, with, n) == 0;
}

static void name_it(struct kvf_err *err, const char *what, const char *hint)
{
	kvf_fail(err, KVF_ESTREAM, "%s", what);
	kvf_err_hint(err, "%s", hint);
}

/*
 * MAGIC holds CR LF, SUB and LF for this: text-mode transfer changes them.
 * `p` points behind "KVF1".
 */
static const char *text_mode(const uint8_t *p, size_t len)
{
	if (begins(p, len, "\r\r\n", 3) || begins(p, len, "\r\n\x1a\r\n", 5))
		return "damaged by text-mode transfer: LF became CR LF";
	if (begins(p, len, "\n\x1a\n", 3) || begins(p, len, "\n\n", 2))
		return "damaged by text-mode transfer: CR LF became LF";
	if (begins(p, len, "\r\x1a\r", 3) || begins(p, len, "\r\r", 2))
		return "damaged by text-mode transfer: LF became CR";
	if (begins(p, len, "\r\n", 2) && len >= 3 && p[2] != 0x1a)
		return "damaged by text-mode transfer: the text ended at Ctrl-Z";
	return NULL;
}

enum kvf_status kvf_diagnose(const uint8_t *p, size_t len, enum kvf_status st,
			     struct kvf_err *err)
{
	static const char again[] = "Transfer the file again in binary mode.";
	const char *found;
	const uint8_t *magic;

	if (st != KVF_ESTREAM && st != KVF_ETRUNC)
		return st;
	if (begins(p, len, "\x1f\x8b", 2)) {
		name_it(err, "the stream is packed with gzip",
			"Unpack it first: gunzip < FILE > NEW.kvf");
	} else if (begins(p, len, "BZh", 3) || begins(p, len,
						      "\xfd"
						      "7zXZ",
						      5)) {
		name_it(err, "the stream is packed with bzip2 or xz", "Unpack it first.");
	} else if (begins(p, len, "\xa8KVF", 4)) {
		name_it(err, "the stream was decompressed",
			"Compress it again: zstd < FILE > NEW.kvf");
	} else if (begins(p, len, "SQLite format 3", 15)) {
		name_it(err, "this is an SQLite database, not a stream",
			"Name it with its scheme: sqlite:FILE");
	} else if (begins(p, len, "age-encryption.org/", 19)) {
		name_it(err, "the stream is encrypted with age",
			"Decrypt it first: age -d FILE");
	} else if (len > 17 && (begins(p + 12, len - 12, "(\xc2\xb5/\xc3\xbd", 6) ||
				begins(p + 12, len - 12, "(\xef\xbf\xbd/\xef\xbf\xbd", 8) ||
				begins(p, len, "(\xc2\xb5/\xc3\xbd", 6) ||
				begins(p, len, "(\xef\xbf\xbd/\xef\xbf\xbd", 8))) {
		name_it(err, "damaged by text-mode transfer: re-encoded as UTF-8", again);
	} else if (len > 15 &&
		   (begins(p + 12, len - 12, "(5/}", 4) || begins(p, len, "(5/}", 4))) {
		name_it(err, "damaged by text-mode transfer: the eighth bit is gone", again);
	} else {
		magic = memmem(p, len, "KVF1", 4);
		found = magic ? text_mode(magic + 4, len - (size_t)(magic + 4 - p)) : NULL;
		if (found)
			name_it(err, found, again);
		else
			return st;
	}
	return KVF_ESTREAM;
}
