/*
 * order - sort an index of records: multikey quicksort on eight bytes at a time.
 *
 * Keys of one table begin alike ("commits", "repo-00012/...") and lie scattered
 * in hundreds of megabytes, so looking at a key costs a cache miss.  Each slot
 * therefore carries eight bytes of its key, taken behind what all keys of the
 * range have in common.  Slots are partitioned by these alone; only a range
 * whose eight bytes are all the same reads its records again, for the next
 * bytes in which they differ.
 */
#include "sort/record.h"

#define SMALL 16           /* insertion sort up to here */
#define EXHAUSTED SIZE_MAX /* `depth` of a range whose keys have no more bytes */

static void swap(struct slot *a, struct slot *b)
{
	struct slot t = *a;

	*a = *b;
	*b = t;
}

/* The whole comparison: prefixes are of `depth`, what is before is equal. */
static int less(const struct slot *a, const struct slot *b, size_t depth)
{
	int c;

	if (a->prefix != b->prefix || depth == EXHAUSTED)
		return a->prefix < b->prefix;
	c = record_cmp_from(a->rec, b->rec, depth);
	return c ? c < 0 : a->rec->seq < b->rec->seq;
}

static void insertion_sort(struct slot *a, size_t n, size_t depth)
{
	size_t i, j;

	for (i = 1; i < n; i++) {
		struct slot x = a[i];

		for (j = i; j > 0 && less(&x, &a[j - 1], depth); j--)
			a[j] = a[j - 1];
		a[j] = x;
	}
}

static void sift_down(struct slot *a, size_t i, size_t n, size_t depth)
{
	size_t child;

	while ((child = 2 * i + 1) < n) {
		if (child + 1 < n && less(&a[child], &a[child + 1], depth))
			child++;
		if (!less(&a[i], &a[child], depth))
			return;
		swap(&a[i], &a[child]);
		i = child;
	}
}

/* For ranges that partition badly: slower, but n log n whatever the input. */
static void heap_sort(struct slot *a, size_t n, size_t depth)
{
	size_t i;

	for (i = n / 2; i > 0; i--)
		sift_down(a, i - 1, n, depth);
	for (i = n - 1; i > 0; i--) {
		swap(&a[0], &a[i]);
		sift_down(a, 0, i, depth);
	}
}

/* How many ordering bytes from `from` on two records have in common, at most `most`. */
static size_t common_from(const struct record *a, const struct record *b, size_t from,
			  size_t most)
{
	size_t i = from;

	while (i < most && a->bytes[i] == b->bytes[i])
		i++;
	return i;
}

/*
 * The range agrees in its first `depth` bytes, zeros counted behind the end of
 * a key.  Find where its keys differ and load the prefixes from there.  Where
 * none has any bytes left, they differ in nothing but their number of zeros at
 * the end, or not at all: then order is by length and by seq.
 */
static size_t load_prefixes(struct slot *a, size_t n, size_t depth)
{
	size_t shared = record_order_len(a[0].rec), longest = shared, len, i;

	for (i = 1; i < n; i++) {
		len = record_order_len(a[i].rec);
		if (len > longest)
			longest = len;
		if (len < shared)
			shared = len;
		if (shared > depth)
			shared = common_from(a[0].rec, a[i].rec, depth, shared);
		else if (longest > depth)
			break; /* nothing in common, and somebody has bytes left */
	}
	if (longest <= depth || (shared == longest && shared > depth)) {
		for (i = 0; i < n; i++)
			a[i].prefix = (uint64_t)a[i].rec->key_len << 32 | a[i].rec->seq;
		return EXHAUSTED;
	}
	if (shared > depth)
		depth = shared;
	for (i = 0; i < n; i++)
		a[i].prefix = record_prefix(a[i].rec, depth);
	return depth;
}

static uint64_t median3(uint64_t a, uint64_t b, uint64_t c)
{
	if (a < b)
		return b < c ? b : a < c ? c : a;
	return a < c ? a : b < c ? c : b;
}

static uint64_t choose_pivot(const struct slot *a, size_t n)
{
	size_t s = n / 8, m = n / 2;

	if (n < 128)
		return median3(a[0].prefix, a[m].prefix, a[n - 1].prefix);
	return median3(median3(a[0].prefix, a[s].prefix, a[2 * s].prefix),
		       median3(a[m - s].prefix, a[m].prefix, a[m + s].prefix),
		       median3(a[n - 1 - 2 * s].prefix, a[n - 1 - s].prefix, a[n - 1].prefix));
}

static void swap_ranges(struct slot *a, struct slot *b, size_t n)
{
	while (n-- > 0)
		swap(a++, b++);
}

/*
 * Bentley and McIlroy's split: those equal to the pivot gather at both ends and
 * are swapped into the middle.  *lt below the pivot, *eq equal to it.
 */
static void partition(struct slot *s, size_t n, uint64_t pivot, size_t *lt, size_t *eq)
{
	size_t a = 0, b = 0, c = n, d = n, left, right;

	for (;;) {
		for (; b < c && s[b].prefix <= pivot; b++)
			if (s[b].prefix == pivot)
				swap(&s[a++], &s[b]);
		for (; b < c && s[c - 1].prefix >= pivot; c--)
			if (s[c - 1].prefix == pivot)
				swap(&s[--d], &s[c - 1]);
		if (b >= c)
			break;
		swap(&s[b++], &s[--c]);
	}
	left = a < b - a ? a : b - a;
	swap_ranges(s, s + b - left, left);
	right = d - c < n - d ? d - c : n - d;
	swap_ranges(s + b, s + n - right, right);
	*lt = b - a;
	*eq = a + (n - d);
}

/* Work to do: a range of slots whose keys agree before `depth`. */
struct range {
	struct slot *a;
	size_t n, depth;
	int equal;        /* all prefixes are the same: read on behind them */
	unsigned allowed; /* partitions before heap sort takes over */
};

/*
 * Of three parts that are put on the stack the smallest lies on top.  Its parts
 * are at most a third as large, those of the next at most half as large, and
 * when the largest has its turn the others are gone: 64 bits of length never
 * need more than 83 places.
 */
#define STACK 96

static unsigned partitions_allowed(size_t n)
{
	unsigned log = 0;

	for (; n > 1; n >>= 1)
		log++;
	return 3 * log + 8;
}

/* Split a range into p[0], the largest, to p[2], the smallest. */
static void split(const struct range *r, struct range p[3])
{
	unsigned allowed = r->allowed - 1;
	struct range t;
	size_t lt, eq;
	int i, k;

	partition(r->a, r->n, choose_pivot(r->a, r->n), &lt, &eq);
	p[0] = (struct range){ r->a, lt, r->depth, 0, allowed };
	p[1] = (struct range){ r->a + lt, eq, r->depth, 1, partitions_allowed(eq) };
	p[2] = (struct range){ r->a + lt + eq, r->n - lt - eq, r->depth, 0, allowed };
	for (i = 1; i < 3; i++) {
		for (k = i; k > 0 && p[k].n > p[k - 1].n; k--) {
			t = p[k];
			p[k] = p[k - 1];
			p[k - 1] = t;
		}
	}
}

void kvf_slots_sort(struct slot *slots, size_t n, size_t shared)
{
	struct range stack[STACK], r;
	size_t top = 0;

	if (n < 2)
		return;
	stack[top++] = (struct range){ slots, n, load_prefixes(slots, n, shared), 0,
				       partitions_allowed(n) };
	while (top > 0) {
		r = stack[--top];
		if (r.n < 2 || (r.equal && r.depth == EXHAUSTED))
			continue;
		if (r.n <= SMALL) {
			insertion_sort(r.a, r.n, r.depth);
			continue;
		}
		if (r.equal)
			r.depth = load_prefixes(r.a, r.n, r.depth + 8);
		if (r.allowed == 0) {
			heap_sort(r.a, r.n, r.depth);
			continue;
		}
		split(&r, stack + top);
		top += 3;
	}
}
