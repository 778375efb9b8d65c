/* bytes - byte strings: their order, and their form on a command line. */
#include <kvferry/base.h>

#include "base/hash.h"
#include "base/text.h"

#include <string.h>

int kvf_bytes_cmp(struct kvf_bytes a, struct kvf_bytes b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n ? memcmp(a.ptr, b.ptr, n) : 0;

	if (c)
		return c;
	return (a.len > b.len) - (a.len < b.len);
}

int kvf_entry_cmp(const struct kvf_entry *a, const struct kvf_entry *b)
{
	int c = kvf_bytes_cmp(a->part, b->part);

	return c ? c : kvf_bytes_cmp(a->key, b->key);
}

struct kvf_bytes kvf_bytes_str(const char *s)
{
	struct kvf_bytes b = { (const uint8_t *)s, strlen(s) };

	return b;
}

/* May these bytes stand on a terminal and a command line as they are? */
static int is_plain(struct kvf_bytes b)
{
	size_t i;

	if (b.len == 0)
		return 1;
	if (b.ptr[0] == '@' || (b.len >= 4 && memcmp(b.ptr, "hex:", 4) == 0))
		return 0;
	if (kvf_utf8_valid(b.ptr, b.len) != b.len)
		return 0;
	for (i = 0; i < b.len; i++) {
		if (b.ptr[i] < 0x20 || b.ptr[i] == 0x7f)
			return 0;
		if (b.ptr[i] == 0xc2 && b.ptr[i + 1] < 0xa0) /* C1 controls */
			return 0;
	}
	return 1;
}

char *kvf_bytes_print(struct kvf_bytes b, char *buf, size_t size)
{
	size_t at, shown;

	if (size == 0)
		return buf;
	if (is_plain(b)) {
		if (b.len < size) {
			if (b.len)
				memcpy(buf, b.ptr, b.len);
			buf[b.len] = '\0';
			return buf;
		}
		at = size > 4 ? kvf_utf8_valid(b.ptr, size - 4) : 0;
		memcpy(buf, b.ptr, at);
		memcpy(buf + at, "...", size - at < 4 ? size - at : 4);
		buf[size - 1] = '\0';
		return buf;
	}
	if (size < 8) {
		buf[0] = '\0';
		return buf;
	}
	memcpy(buf, "hex:", 4);
	shown = b.len <= (size - 5) / 2 ? b.len : (size - 8) / 2;
	kvf_hex(b.ptr, shown, buf + 4);
	if (shown < b.len)
		memcpy(buf + 4 + 2 * shown, "...", 4);
	return buf;
}
