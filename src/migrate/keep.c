/*
 * keep - the stream that migrate --keep leaves, and finds again when the same command is
 * given a second time.
 */
#include "migrate/run.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int kvf_kept_root(const struct kvf_options *o, uint8_t root[32])
{
	struct kvf_reader_options ro = { .caps = kvf_options_limits(o),
					 .allow_features_partial = 1 };
	struct kvf_input *in = NULL;
	struct kvf_view *v = NULL;
	struct kvf_end *ends = NULL;
	struct kvf_err ignored;
	struct kvf_place place;
	struct kvf_tail tail;
	struct stat sb;
	/* To open a pipe would mean to wait for somebody. */
	int whole = !kvf_place_parse(o->keep, &place, &ignored) &&
		    place.kind == KVF_PLACE_STREAM && !stat(place.rest, &sb) &&
		    S_ISREG(sb.st_mode) && !kvf_input_file(place.rest, &in, &ignored) &&
		    !kvf_view_open(in, &ro, &v, &ignored);

	if (whole)
		ends = calloc(kvf_view_head(v)->npackages + 1, sizeof(*ends));
	whole = ends && !kvf_view_totals(v, ends, &tail, &ignored);
	if (whole)
		memcpy(root, tail.r, 32);
	free(ends);
	kvf_view_close(v);
	kvf_input_close(in);
	return whole;
}

enum kvf_status kvf_kept_check(const struct kvf_options *o, const uint8_t before[32],
			       const uint8_t root[32], struct kvf_err *err)
{
	if (memcmp(before, root, 32) == 0)
		return KVF_OK;
	kvf_fail(err, KVF_EPREFLIGHT, "%s holds the stream of other data already", o->keep);
	kvf_err_detail(err, "What is there was not touched. Nothing was published.");
	kvf_err_hint(err, "Name another file, or give --overwrite.");
	return KVF_EPREFLIGHT;
}
