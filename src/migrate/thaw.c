/* thaw - the freeze of a source, lifted when its run is given up or rolled back. */
#include "migrate/back.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

void kvf_thaw_look(struct kvf_store *store, const struct kvf_options *o,
		   const struct kvf_report *r, const struct kvf_env *env,
		   struct kvf_frozen_source *seen)
{
	memset(seen, 0, sizeof(*seen));
	seen->place = o->source ? o->source : r->control.frozen;
	seen->st = KVF_ENOTFOUND;
	if (*seen->place)
		seen->st = kvf_freeze_look(seen->place, env, &seen->freeze, &seen->why);
	seen->other = !seen->st && !kvf_still_for(r, &seen->freeze, store);
}

int kvf_thaw_is_kept(struct kvf_store *store, const struct kvf_frozen_source *seen)
{
	struct kvf_generation g;
	struct kvf_err ignored;
	enum kvf_status st = kvf_store_generation(store, KVF_SCAN_LIVE, &g, &ignored);

	if (st == KVF_ENOTFOUND || (!st && !g.published))
		return 0;
	return st || seen->st || !*g.run || strcmp(g.run, seen->freeze.over) != 0;
}

enum kvf_status kvf_thaw_lift(const struct kvf_frozen_source *seen, const struct kvf_options *o,
			      const struct kvf_env *env, struct kvf_report *r,
			      struct kvf_err *err)
{
	char store[900], source[600];
	enum kvf_status st = seen->st;

	if (seen->other) {
		kvf_report_warn(r, "the source stays frozen, by run %s for another store: %s",
				seen->freeze.run, seen->freeze.store);
		return KVF_OK;
	}
	*err = seen->why;
	if (!st)
		st = kvf_freeze_lift(seen->place, env, seen->freeze.stamp, &r->frozen, err);
	r->thawed = st == KVF_OK;
	snprintf(source, sizeof(source), "%s", seen->place);
	kvf_text_redact(source);
	if (st == KVF_EBUSY)
		kvf_report_warn(r,
				"the source stays frozen: run %s has frozen it again meanwhile",
				r->frozen.run);
	else if (st && st != KVF_ENOTFOUND)
		kvf_report_warn(r,
				"the source is still frozen: %s; 'kvferry abort %s --source "
				"\"%s\"' tries again",
				err->message, kvf_back_typed(o, store, sizeof(store)), source);
	else if (st && o->source)
		kvf_report_warn(r, "the source was not frozen: %s", source);
	kvf_err_clear(err);
	return st == KVF_ENOTFOUND ? KVF_OK : st;
}

void kvf_thaw(struct kvf_store *store, const struct kvf_frozen_source *seen,
	      const struct kvf_options *o, const struct kvf_env *env, struct kvf_report *r,
	      struct kvf_err *err)
{
	struct kvf_control now;
	enum kvf_status st;

	if (!*seen->place || kvf_thaw_lift(seen, o, env, r, err))
		return;
	st = kvf_store_control(store, &now, err);
	if (!st && now.epoch == r->control.epoch + 1)
		st = kvf_store_note_frozen(store, "", err);
	if (st)
		kvf_report_warn(r, "the store still says that the source is frozen: %s",
				err->message);
	kvf_err_clear(err);
}

enum kvf_status kvf_thaw_refuse_other(const struct kvf_frozen_source *seen, struct kvf_err *err)
{
	kvf_fail(err, KVF_EPREFLIGHT, "the source is frozen for another store, by run %s",
		 seen->freeze.run);
	kvf_err_detail(err, "Its data move to %s. Nothing was changed.", seen->freeze.store);
	kvf_err_hint(err,
		     "Give the run up where it belongs: kvferry abort \"%s\" --source \"%s\"",
		     seen->freeze.store, seen->freeze.place);
	return KVF_EPREFLIGHT;
}
