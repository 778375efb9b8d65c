/* entries - see entries.h. */
#include "entries.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER (8u << 20)

/* Make `want` bytes available at buf + at; 0 = there are not so many. */
static int need(struct entries *in, size_t want)
{
	ssize_t n;

	if (in->len - in->at >= want)
		return 1;
	memmove(in->buf, in->buf + in->at, in->len - in->at);
	in->len -= in->at;
	in->at = 0;
	while (in->len < want || (in->len < BUFFER / 2 && !in->eof)) {
		if (want > BUFFER || in->eof)
			return 0;
		n = read(in->fd, in->buf + in->len, BUFFER - in->len);
		if (n <= 0)
			in->eof = 1;
		else
			in->len += (size_t)n;
		if (in->len >= want)
			return 1;
	}
	return in->len >= want;
}

/* Length of the object `off` bytes on, its head in *head; 0 = nothing we know. */
static size_t object(struct entries *in, size_t off, size_t *head)
{
	size_t i, n, size;
	uint8_t c;

	if (!need(in, off + 1))
		return 0;
	c = in->buf[in->at + off];
	*head = 1;
	if (c < 0x80)
		return 1;
	if ((c & 0xe0) == 0xa0)
		return 1 + (size_t)(c & 0x1f);
	size = c == 0xc4 || c == 0xd9 ? 1 : c == 0xc5 || c == 0xda ? 2 : c == 0xc6 ? 4 : 0;
	if (size) {
		if (!need(in, off + 1 + size))
			return 0;
		for (i = 0, n = 0; i < size; i++)
			n = n << 8 | in->buf[in->at + off + 1 + i];
		*head = 1 + size;
		return 1 + size + n;
	}
	return c == 0xcc ? 2 : c == 0xcd ? 3 : c == 0xce ? 5 : c == 0xcf ? 9 : 0;
}

/* Skip one object with everything in it: a loop that counts what is still open. */
static int skip(struct entries *in)
{
	size_t left = 1, head, n;
	uint8_t c;

	while (left > 0) {
		if (!need(in, 1))
			return 0;
		c = in->buf[in->at];
		left--;
		if ((c & 0xf0) == 0x80 || (c & 0xf0) == 0x90) {
			left += (size_t)(c & 15) * (c < 0x90 ? 2 : 1);
			in->at++;
		} else if (c == 0xdc) {
			if (!need(in, 3))
				return 0;
			left += (size_t)in->buf[in->at + 1] << 8 | in->buf[in->at + 2];
			in->at += 3;
		} else {
			n = object(in, 0, &head);
			if (n == 0 || !need(in, n))
				return 0;
			in->at += n;
		}
	}
	return 1;
}

int entries_open(struct entries *in, const char *path)
{
	memset(in, 0, sizeof(*in));
	in->fd = strcmp(path, "-") == 0 ? 0 : open(path, O_RDONLY);
	in->buf = malloc(BUFFER);
	return in->fd >= 0 && in->buf;
}

int entries_next(struct entries *in, struct piece entry[3])
{
	size_t head[3], len[3], at = 1;
	int i;

	for (;;) {
		if (!need(in, 1))
			return in->len == in->at ? 0 : -1;
		if (in->buf[in->at] == 0x93)
			break;
		if (!skip(in))
			return -1;
	}
	for (i = 0; i < 3; i++) { /* all three must lie in the buffer at once */
		len[i] = object(in, at, &head[i]);
		if (len[i] == 0 || !need(in, at + len[i]))
			return -1;
		at += len[i];
	}
	for (i = 0, at = 1; i < 3; at += len[i++]) {
		entry[i].ptr = in->buf + in->at + at + head[i];
		entry[i].len = len[i] - head[i];
	}
	in->at += at;
	return 1;
}

void entries_close(struct entries *in)
{
	if (in->fd > 0)
		close(in->fd);
	free(in->buf);
}
