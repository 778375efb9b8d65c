/*
 * import.pml - the import protocol as a model, for spin.
 *
 * docs/protocol.md says what it is about, variants.txt which variants there are,
 * check.sh runs them.  The parts:
 *
 *   the store      control row, generations, progress rows, the application's own
 *                  version record, freeze of the source
 *   requests       what a store does with one, whenever it arrives, if ever
 *   Importer (2)   plan, acquire, stage, load, verify, seal, commit, clear away
 *   Network        requests whose sender does not wait any more: they take effect
 *                  later, or never
 *   Application    the new one: writes to what is live.  Legacy: the old one
 *   Operator       abort, rollback, cleanup, drop-legacy
 *
 * A request whose sender waits for the answer is one step: nobody can tell the
 * ways to and from the store apart from the sender's own slowness.  What faults
 * make of it are orphans: the sender has died, or waited too long; the request is
 * still under way.  An acknowledgement that got lost is an orphan that took
 * effect at once.
 *
 * Chosen by -D:
 *   NSTORE         no transactions (Cassandra); else with them (SQLite, PostgreSQL)
 *   RESTORE        data are live already, and are replaced
 *   FREEZE         runs freeze the source and export it themselves
 *   ABORT ROLLBACK CLEANUP DROPLEGACY    what the operator may do, COMMANDS (1) times
 *   LOST           so many of his commands get no answer: they take effect later, at
 *                  once, or never, while he goes on
 *   FRESH          every acquire begins a fresh generation; else the same stream
 *                  goes on with the one that it finds
 *   WEAKID         different streams cannot be told apart by their identity
 *   RESEND         a chunk without an answer is sent again by the same run
 *   FIXEDTS        N-stores: writes of a stage have a time below all live writes
 *   NOSCAN         nothing is verified before the seal
 * and, with BAD, each of them a mistake that must be found:
 *   NOCOMPARE      the digests of chunks found are not compared with the stream's
 *   NOEPOCH        a chunk's transaction checks nothing (there is only a lock)
 *   NOSTATE        ... checks the epoch, not the state
 *   COMMITANY      a commit does not check the epoch
 *   COMMITBLIND    a commit does not look for writes since the acquire
 *   GCFIRST        clear the failed attempt away, then acquire
 *   LOSTISFAILED   a commit without an answer is taken for a failure
 *   ACQUIREANY     acquire does not compare what the plan saw live
 *   LOOKFIRST      the plan looks at the data before the control row
 *   FREEZEONCE     a run that was too late looks again, without freezing again
 *   LIFTFIRST      abort and rollback lift the freeze first
 *   LIFTANY        ... lift any freeze, not only the one that they saw
 *   DISCARDANY     rollback does not compare the number of later writes
 *   DROPFIRST      drop-legacy drops before the way back is forgotten
 *   CLEANUPANY     cleanup does not check the epoch
 *   ROLLBACKANY    nor does rollback
 *   RECORDLATE     acquire does not write the version record: there is none until the commit
 *   RECORDFIRST    the record says "done" in a step before the commit
 *   RECORDAFTER    ... or in a step after it
 *   RECORDGONE     abort takes the record away in a step before the control row
 */

#ifdef NSTORE
#define TSTORE 0
#else
#define TSTORE 1
#endif

#ifndef GENS
#define GENS 6 /* generations are 1 .. GENS - 1; 0 is none */
#endif
#define IMPORTERS 2

#define IDLE    0
#define STAGING 1
#define SEALED  2
#define LIVE    3

/* The version record: the live table is not there, it says "0", or "1" */
#define ABSENT  0
#define STARTED 1
#define DONE    2

/* Values of a cell: nothing, of stream 1 or 2, of the application, from before */
#define NONE   0
#define WRITTEN 3
#define BEFORE 4

/*
 * The invariants.  Each of these is always 0 and not part of the state: to assert
 * it is to say by name what does not hold.
 */
hidden byte I1_one_whole_stream, I1_source_moved;
hidden byte I2_application_write_changed, I2_application_write_lost;
hidden byte I3_legacy_gone, I3_two_applications;
hidden byte I3_starts_too_early, I3_begins_anew, I4_record_not_of_the_commit;
hidden byte I4_commit_of_another_stage, I4_plan_is_outdated, I4_discards_unseen_writes;
hidden byte I4_rolls_another_commit_back;
hidden byte I5_live_data_mixed;
hidden byte I6_needed_generation_dropped;
hidden byte bound_reached; /* of the model, not of the protocol */

#define must(cond, name) if :: (cond) :: else -> assert(name) fi

/* A sound variant must not come to the end of its generations; in a bad one, where
 * runs may fail for ever, that is no finding. */
#ifdef BAD
#define at_the_bound false
#else
#define at_the_bound assert(bound_reached)
#endif

/* ---- the store ------------------------------------------------------------- */

byte epoch, state, ver, current, stage, prev;
bit prev_legacy; /* the way back is the legacy tables */
byte identity;   /* of the stream in the stage */
#if TSTORE
byte record;     /* what an application reads that is started now */
#define announce(value) record = value
#define tells(value) (record == value)
#else            /* it asks the control row which generation is live */
#define announce(value) skip
#define tells(value) (value == (current -> DONE : STARTED))
#endif

bit there[GENS];          /* the generation's table exists */
byte cell[GENS * 2];            /* [g * 2 + k]: what chunk k of generation g holds */
byte progress[GENS * 2];        /* ... which chunk its progress row says was applied */
byte root[GENS];          /* ... the stream that was sealed in g */

byte frozen;     /* by which run, 0 = the source is not frozen */
bit legacy = 1;  /* the legacy tables are there */
bit moved;       /* ... and the old application has written to them */

/* What only the invariants know. */
bit was[GENS];   /* was committed once */
byte planned;    /* the generation that the plan of the stage's owner saw live */
byte discard;    /* writes of the application since the last commit */
byte met;        /* ... of which the acquire of the stage's owner knew */

/* ---- who there is ------------------------------------------------------------ */

byte held[IMPORTERS]; /* the epoch under which it works, 0 = none */
byte value[IMPORTERS];/* the stream that it brings: 1 or 2 */

#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 1
#endif
#ifndef SUSPICIONS
#define SUSPICIONS 1
#endif
byte crashes = CRASHES, timeouts = TIMEOUTS, suspicions = SUSPICIONS;
#ifndef WRITES
#define WRITES 1
#endif
byte app_writes = WRITES;
byte runs; /* run ids handed out, for the freeze */

#define owner_lives (held[0] == epoch || held[1] == epoch)
#define busy ((state == STAGING || state == SEALED) && owner_lives)

#ifdef WEAKID
#define id(i) 1
#else
#define id(i) value[i]
#endif

/* ---- requests ------------------------------------------------------------------ */

#define ACQUIRE  1
#define STAGE    2
#define CHUNK    3
#define PROGRESS 4
#define SEAL     5
#define COMMIT   6
#define GC       7
#define GIVEUP   8 /* a9 */
#define GOBACK   9 /* a10 */
#define TIDY    10 /* cleanup */
#define FORGET  11 /* a8, the store's part */

byte net_kind[2], net_epoch[2], net_gen[2], net_chunk[2], net_value[2], net_saw[2];
#define room (net_kind[0] == 0 || net_kind[1] == 0)

byte x; /* scratch of one atomic step, 0 between them */
bit ack;

inline orphan(rkind, re, rg, rk, rv, rsaw)
{
	if
	:: net_kind[0] == 0 -> x = 0
	:: else -> x = 1
	fi;
	net_kind[x] = rkind;
	net_epoch[x] = re;
	net_gen[x] = rg;
	net_chunk[x] = rk;
	net_value[x] = rv;
	net_saw[x] = rsaw;
	x = 0
}

inline drop(rg)
{
	must(rg != current && rg != prev, I6_needed_generation_dropped);
	must(!(rg == stage && busy), I6_needed_generation_dropped);
	there[rg] = 0;
	cell[(rg) * 2] = NONE;
	cell[(rg) * 2 + 1] = NONE;
	progress[(rg) * 2] = NONE;
	progress[(rg) * 2 + 1] = NONE;
	root[rg] = 0;
	was[rg] = 0
}

/* a7: generations that are neither staged, current nor previous. */
inline collect(upto)
{
	x = 1;
	do
	:: x < GENS && x <= upto && there[x] && x != stage && x != current && x != prev ->
		drop(x); x++
	:: x < GENS && x <= upto && !(there[x] && x != stage && x != current && x != prev) -> x++
	:: else -> break
	od;
	x = 0
}

/* a1.  `saw`: what the plan saw live; `look`: what it decided on. */
inline do_acquire(re, rsaw, rlook, rfresh, rid)
{
	if
#ifdef ACQUIREANY
	:: epoch == re ->
#else
	:: epoch == re && current == rsaw ->
#endif
		if
		:: epoch == GENS - 1 -> at_the_bound
		:: else
		fi;
		epoch++;
		if
#ifndef FRESH
		:: !rfresh && (state == STAGING || state == SEALED) && identity == rid
#endif
		:: else -> stage = epoch
		fi;
		identity = rid;
		state = STAGING;
#ifndef RECORDLATE
		if
		:: current == 0 -> announce(STARTED)
		:: else
		fi;
#endif
		planned = rlook;
		met = discard;
		ack = 1
	:: else -> ack = 0
	fi
}

/* a2, and a7 after one's own a1: with transactions, one of them. */
inline do_stage(re, rg)
{
	if
	:: !TSTORE -> there[rg] = 1; ack = 1
	:: TSTORE && epoch == re && state == STAGING -> collect(GENS); there[rg] = 1; ack = 1
	:: else -> ack = 0
	fi
}

/* A write into a cell that may have become live. */
inline put(rg, rk, rv)
{
	if
#ifdef FIXEDTS
	:: cell[(rg) * 2 + rk] == WRITTEN /* which has the later time */
#endif
	:: else ->
		must(!(was[rg] && cell[(rg) * 2 + rk] == WRITTEN), I2_application_write_changed);
		must(!(was[rg] && cell[(rg) * 2 + rk] != rv), I5_live_data_mixed);
		cell[(rg) * 2 + rk] = rv
	fi
}

#if defined(NSTORE) || defined(NOEPOCH)
#define may_put(e) 1
#elif defined(NOSTATE)
#define may_put(e) (epoch == e)
#else
#define may_put(e) (epoch == e && state == STAGING)
#endif

/* a3.  With transactions the progress row goes with the data. */
inline do_chunk(re, rg, rk, rv)
{
	if
	:: may_put(re) && there[rg] ->
		put(rg, rk, rv);
		if
		:: TSTORE -> progress[(rg) * 2 + rk] = rv
		:: else
		fi;
		ack = 1
	:: else -> ack = 0
	fi
}

/* Without them it comes after the data. */
inline do_progress(rg, rk, rv)
{
	if
	:: there[rg] -> progress[(rg) * 2 + rk] = rv; ack = 1
	:: else -> ack = 0
	fi
}

/* a5 */
inline do_seal(re, rg, rv)
{
	if
	:: epoch == re && state == STAGING -> state = SEALED; root[rg] = rv; ack = 1
	:: else -> ack = 0
	fi
}

/* a6 */
inline do_commit(re, rg)
{
	if
#if defined(COMMITANY)
	:: state == SEALED ->
#elif defined(COMMITBLIND) || defined(NSTORE)
	:: epoch == re && state == SEALED ->
#else
	:: epoch == re && state == SEALED && discard == met ->
#endif
		must(cell[(rg) * 2] != NONE && cell[(rg) * 2] == cell[(rg) * 2 + 1] &&
		     cell[(rg) * 2] == root[rg], I1_one_whole_stream);
		must(rg == stage, I4_commit_of_another_stage);
		must(current == planned, I4_plan_is_outdated);
		must(!TSTORE || discard == met, I2_application_write_lost);
#ifdef FREEZE
		must(legacy && frozen && root[rg] == 1 + moved, I1_source_moved);
#endif
		prev = current;
		prev_legacy = current == 0;
		current = rg;
		stage = 0;
		state = LIVE;
		ver = 1;
#ifndef RECORDAFTER
		announce(DONE);
#endif
		was[rg] = 1;
		planned = 0;
		discard = 0;
		met = 0;
		ack = 1
	:: else -> ack = 0
	fi
}

/* a7 after one's own a6 */
inline do_gc(re)
{
	if
	:: epoch == re && state == LIVE -> collect(GENS)
	:: else
	fi
}

/* ---- what the operator's commands do --- */

/* What an abort can end: a run, or a freeze or an early record that nobody needs. */
#define given_up (state == STAGING || state == SEALED || \
		  (state == IDLE && (frozen || (TSTORE && tells(STARTED)))))

inline next_epoch()
{
	if
	:: epoch == GENS - 1 -> at_the_bound
	:: else
	fi;
	epoch++
}

/* a9 */
inline do_abort(re)
{
	if
	:: epoch == re && given_up ->
		next_epoch();
		state = (current -> LIVE : IDLE);
		if
		:: current == 0 -> announce(ABSENT)
		:: else
		fi;
		x = stage;
		stage = 0;
		if
		:: x && there[x] && TSTORE -> drop(x)
		:: else
		fi;
		x = 0;
		ack = 1
	:: else -> ack = 0
	fi
}

#define way_back (state == LIVE && (prev || prev_legacy))

/* a10.  `rwrites`: the later writes that were counted. */
inline do_rollback(re, rwrites)
{
	if
#if defined(DISCARDANY)
	:: epoch == re && way_back ->
#elif defined(ROLLBACKANY)
	:: way_back && discard == rwrites ->
#else
	:: epoch == re && way_back && discard == rwrites ->
#endif
		must(discard == rwrites, I4_discards_unseen_writes);
		must(epoch == re, I4_rolls_another_commit_back);
		must(prev || legacy, I3_legacy_gone);
		next_epoch();
		current = prev;
		if
		:: prev
		:: else -> state = IDLE; ver = 0; announce(STARTED)
		fi;
		prev = 0;
		prev_legacy = 0;
		discard = 0;
		ack = 1
	:: else -> ack = 0
	fi
}

/* cleanup: the way back is forgotten, and what is not live dropped. */
inline do_cleanup(re)
{
	if
#ifdef CLEANUPANY
	:: state == LIVE || state == IDLE || re ->
#else
	:: epoch == re && (state == LIVE || state == IDLE) ->
#endif
#ifdef CLEANUPANY
		x = stage;
		if
		:: x && there[x] -> drop(x)
		:: else
		fi;
		x = 0;
#endif
		next_epoch();
		prev = 0;
		prev_legacy = 0;
		collect(GENS);
		ack = 1
	:: else -> ack = 0
	fi
}

/* a8: first there is no way back any more. */
inline do_forget(re)
{
	if
	:: epoch == re && state == LIVE && prev_legacy -> prev_legacy = 0; ack = 1
	:: else -> ack = 0
	fi
}

/* Whatever is under way takes effect, or never does. */
inline deliver(slot)
{
	if
	:: net_kind[slot] == ACQUIRE ->
		do_acquire(net_epoch[slot], net_gen[slot], net_saw[slot], net_chunk[slot], net_value[slot])
	:: net_kind[slot] == STAGE -> do_stage(net_epoch[slot], net_gen[slot])
	:: net_kind[slot] == CHUNK -> do_chunk(net_epoch[slot], net_gen[slot], net_chunk[slot], net_value[slot])
	:: net_kind[slot] == PROGRESS -> do_progress(net_gen[slot], net_chunk[slot], net_value[slot])
	:: net_kind[slot] == SEAL -> do_seal(net_epoch[slot], net_gen[slot], net_value[slot])
	:: net_kind[slot] == COMMIT -> do_commit(net_epoch[slot], net_gen[slot])
	:: net_kind[slot] == GC && TSTORE -> do_gc(net_epoch[slot])
	:: net_kind[slot] == GC && !TSTORE && there[net_gen[slot]] -> drop(net_gen[slot])
#ifdef LOST
	:: net_kind[slot] == GIVEUP -> do_abort(net_epoch[slot])
	:: net_kind[slot] == GOBACK -> do_rollback(net_epoch[slot], net_gen[slot])
	:: net_kind[slot] == TIDY -> do_cleanup(net_epoch[slot])
	:: net_kind[slot] == FORGET -> do_forget(net_epoch[slot])
#endif
	:: else
	fi;
	ack = 0
}

inline forget(slot)
{
	net_kind[slot] = 0;
	net_epoch[slot] = 0;
	net_gen[slot] = 0;
	net_chunk[slot] = 0;
	net_value[slot] = 0;
	net_saw[slot] = 0
}

active proctype Network()
{
end:	do
	:: atomic { net_kind[0] != 0 ->
		if
		:: deliver(0)
		:: true
		fi;
		forget(0) }
	:: atomic { net_kind[1] != 0 ->
		if
		:: deliver(1)
		:: true
		fi;
		forget(1) }
	od
}

/* ---- the importer ---------------------------------------------------------------- */

#ifdef RESTORE
#define finished (state == LIVE && root[current] == value[i])
#else
#define finished (ver == 1)
#endif

/* The store refuses a run that was overtaken; the next one begins. */
#define ANSWERED if :: ack -> ack = 0 :: else -> goto start fi

/* What may happen to a request instead of an answer, as further options of an
 * `if`.  After a crash the next run begins; after a timeout `next`. */
#define FAULTS(kind, e, g, k, v, saw, next) \
	:: crashes > 0 -> crashes--; goto start \
	:: crashes > 0 && room -> crashes--; orphan(kind, e, g, k, v, saw); goto start \
	:: timeouts > 0 && room -> timeouts--; orphan(kind, e, g, k, v, saw); goto next

/* Both chunks may be under way at once: batches go over several connections. */
#define CHUNK_FAULTS(next) \
	FAULTS(CHUNK, my, g, k, value[i], 0, next) \
	:: crashes > 0 && k == 0 && net_kind[0] == 0 && net_kind[1] == 0 -> crashes--; \
		orphan(CHUNK, my, g, 0, value[i], 0); orphan(CHUNK, my, g, 1, value[i], 0); goto start

/* A run, and the next one when it has ended without success. */
proctype Importer(byte i)
{
	byte my, g, k, seen, saw, look, old;
	bit fresh;

start:	atomic {
		held[i] = 0; my = 0; g = 0; k = 0; seen = 0; saw = 0; look = 0; old = 0; fresh = 0;

	/* The plan: the control row, then what is live.  A live owner is waited
	 * for, or, by mistake, taken for dead. */
#ifdef LOOKFIRST
		look = current;
		if
		:: finished -> goto done
		:: else
		fi
	};
	atomic {
#define nothing_to_do 0
#else
#define nothing_to_do finished
#endif
		if
		:: nothing_to_do -> must(tells(DONE), I4_record_not_of_the_commit); goto done
		:: !nothing_to_do && !busy
		:: !nothing_to_do && busy && suspicions > 0 -> suspicions--
		fi;
		seen = epoch;
		saw = current;
#ifdef GCFIRST
		old = stage
#endif
	};
#ifndef LOOKFIRST
	atomic {
		look = current;
		if
		:: look != saw -> goto start
		:: else
		fi
	};
#endif

#ifdef FREEZE
	/* a0; then the source is exported. */
	atomic { runs++; frozen = runs };
	value[i] = 1 + moved;
#endif

#ifdef GCFIRST
	atomic {
		if
		:: old && there[old] -> drop(old)
		:: else
		fi
	};
#endif

acquire: /* a1 */
	atomic {
		if
		:: do_acquire(seen, saw, look, fresh, id(i));
#ifdef FREEZEONCE
			if
			:: ack
			:: !ack && !busy && !finished -> seen = epoch; saw = current; look = current; goto acquire
			:: !ack && (busy || finished)
			fi;
#endif
			ANSWERED;
			my = epoch;
			held[i] = my;
			g = stage;
			k = 0
		FAULTS(ACQUIRE, seen, saw, fresh, id(i), look, start)
		fi
	};

	/* a7, a2 */
#ifdef NSTORE
	atomic {
		x = 1;
		do
		:: x < my && !(there[x] && x != stage && x != current && x != prev) -> x++
		:: x < my && there[x] && x != stage && x != current && x != prev -> break
		:: x >= my -> break
		od;
		if
		:: x < my && crashes > 0 && room -> crashes--; look = x; x = 0; orphan(GC, 0, look, 0, 0, 0); goto start
		:: collect(my)
		fi
	};
#endif
	atomic {
		if
		:: do_stage(my, g);
			ANSWERED
		FAULTS(STAGE, my, g, 0, 0, 0, start)
		fi
	};

chunk:	/* a3.  What has a progress row is skipped, when it is the same. */
	atomic {
		if
		:: k == 2 -> goto verify
		:: k < 2 && progress[g * 2 + k] == NONE
		:: k < 2 && progress[g * 2 + k] != NONE ->
#ifndef NOCOMPARE
			if
			:: progress[g * 2 + k] != value[i] ->
				seen = my; fresh = 1; goto acquire
			:: else
			fi;
#endif
			k++;
			goto chunk
		fi
	};
	atomic {
		if
		:: do_chunk(my, g, k, value[i]);
			ANSWERED
#ifdef RESEND
		CHUNK_FAULTS(chunk)
#else
		CHUNK_FAULTS(start)
#endif
		fi
	};
#ifdef NSTORE
	atomic {
		if
		:: do_progress(g, k, value[i]);
			ANSWERED
		FAULTS(PROGRESS, my, g, k, value[i], 0, start)
		fi
	};
#endif
	k++;
	goto chunk;

verify:	/* a4 */
#ifndef NOSCAN
	atomic {
		if
		:: cell[g * 2] == value[i] && cell[g * 2 + 1] == value[i] &&
		   progress[g * 2] == value[i] && progress[g * 2 + 1] == value[i]
		:: else -> goto start
		fi
	};
#endif

	/* a5 */
	atomic {
		if
		:: do_seal(my, g, value[i]);
			ANSWERED
		FAULTS(SEAL, my, g, 0, value[i], 0, start)
		fi
	};

commit:	/* a6 */
#ifdef RECORDFIRST
	atomic { announce(DONE) };
#endif
	atomic {
		if
		:: do_commit(my, g);
			ANSWERED;
			goto clear
		FAULTS(COMMIT, my, g, 0, 0, 0, unknown)
		fi
	};

unknown: /* ... is not failed: the control row knows. */
	atomic {
#ifdef LOSTISFAILED
		if
		:: there[g] -> drop(g)
		:: else
		fi;
		goto start
#else
		if
		:: state == LIVE && current == g -> goto clear
		:: epoch == my && state == SEALED -> goto commit
		:: else -> goto start
		fi
#endif
	};

clear:	/* a7 */
#ifdef RECORDAFTER
	atomic {
		if
		:: announce(DONE)
		:: crashes > 0 -> crashes--; goto start
		fi
	};
#endif
	atomic {
		if
		:: TSTORE -> do_gc(my)
		:: !TSTORE -> collect(my)
		:: crashes > 0 && room && TSTORE -> crashes--; orphan(GC, my, 0, 0, 0, 0)
		fi
	};
done:	held[i] = 0
}

/* ---- applications ------------------------------------------------------------------ */

/* It believes the record, and begins anew where it finds neither data nor record. */
active proctype Application()
{
end:	do
	:: atomic { tells(ABSENT) && current == 0 && (state == STAGING || state == SEALED) ->
		assert(I3_begins_anew) }
	:: atomic { app_writes > 0 && tells(DONE) ->
		must(ver == 1 && current != 0, I3_starts_too_early);
		app_writes--;
		discard++;
		if
		:: cell[current * 2] = WRITTEN
		:: cell[current * 2 + 1] = WRITTEN
		fi }
	od
}

#ifdef FREEZE
active proctype Legacy()
{
end:	do
	:: atomic { !moved && !frozen && legacy ->
		must(ver == 0, I3_two_applications);
		moved = 1 }
	od
}
#endif

/* ---- the operator ------------------------------------------------------------------ */

#if defined(ABORT) || defined(ROLLBACK) || defined(CLEANUP) || defined(DROPLEGACY)
#ifndef COMMANDS
#define COMMANDS 1
#endif
byte commands = COMMANDS;
#ifdef LOST
byte lost = LOST;
/* No answer: he does not know, looks again some day, and lifts no freeze. */
#define UNANSWERED(kind, writes) \
	:: lost > 0 && room -> lost--; orphan(kind, seen, writes, 0, 0, 0); goto again
#else
#define UNANSWERED(kind, writes)
#endif

inline lift(stamp)
{
	if
#ifdef LIFTANY
	:: true -> frozen = 0
#else
	:: frozen == stamp -> frozen = 0
#endif
	:: else
	fi
}

active proctype Operator()
{
	byte seen, freeze, writes;

again:	atomic { seen = 0; freeze = 0; writes = 0; ack = 0 };
end:	do
#ifdef ABORT
	:: atomic { commands > 0 && given_up ->
		commands--; seen = epoch; freeze = frozen };
#ifdef RECORDGONE
		atomic {
			if
			:: current == 0 -> announce(ABSENT)
			:: else
			fi
		};
#endif
#ifdef LIFTFIRST
		atomic { lift(freeze) };
#endif
		atomic {
			if
			:: do_abort(seen);
				if
				:: ack -> ack = 0
				:: else -> goto again
				fi
			UNANSWERED(GIVEUP, 0)
			fi
		};
		atomic {
			if
			:: lift(freeze)
			:: crashes > 0 -> crashes-- /* abort again, some day */
			fi;
			seen = 0;
			freeze = 0
		}
#endif
#ifdef ROLLBACK
	:: atomic { commands > 0 && way_back ->
		commands--; seen = epoch; writes = discard; freeze = (prev -> 0 : frozen) };
#ifdef LIFTFIRST
		atomic {
			if
			:: freeze -> lift(freeze)
			:: else
			fi
		};
#endif
		atomic {
			if
			:: do_rollback(seen, writes);
				if
				:: ack -> ack = 0
				:: else -> goto again
				fi
			UNANSWERED(GOBACK, writes)
			fi
		};
		atomic {
			if
			:: freeze -> lift(freeze)
			:: else
			fi;
			seen = 0;
			writes = 0;
			freeze = 0
		}
#endif
#ifdef CLEANUP
	:: atomic { commands > 0 && (state == LIVE || state == IDLE) && (prev || prev_legacy) ->
		commands--; seen = epoch };
		atomic {
			if
			:: do_cleanup(seen); ack = 0
			UNANSWERED(TIDY, 0)
			fi;
			seen = 0
		}
#endif
#ifdef DROPLEGACY
	:: atomic { commands > 0 && state == LIVE && prev_legacy -> commands--; seen = epoch };
#ifdef DROPFIRST
		atomic {
			legacy = 0;
			must(ver == 1, I3_legacy_gone);
			if
			:: true
			:: crashes > 0 -> crashes--; goto again
			fi
		};
#endif
		atomic {
			if
			:: do_forget(seen);
				if
				:: ack -> ack = 0
				:: else -> goto again
				fi
			UNANSWERED(FORGET, 0)
			fi
		};
		atomic {
			if
			:: legacy = 0; must(ver == 1, I3_legacy_gone)
			:: crashes > 0 -> crashes-- /* again, some day */
			fi;
			seen = 0
		}
#endif
	od
}
#endif

init
{
	atomic {
#ifdef RESTORE
		epoch = 1; state = LIVE; ver = 1; current = 1; prev_legacy = 1; announce(DONE);
		there[1] = 1; was[1] = 1; root[1] = BEFORE;
		cell[2] = BEFORE; cell[3] = BEFORE;
#endif
		value[0] = 1;
#ifndef FREEZE
		if
		:: value[1] = 1
		:: value[1] = 2
		fi;
#endif
		run Importer(0);
		run Importer(1)
	}
}

#ifdef LIVENESS
/* I7: with finitely many faults some run reaches the commit. */
ltl I7 { <> (ver == 1) }
#endif
