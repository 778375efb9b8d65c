/* options - the table of options and of exit statuses. */
#include "cli/table.h"

const struct cli_option cli_options[OPT_COUNT] = {
	[OPT_FORMATS] = { 'f', "formats", "DIR", "@dir",
			  "the folder with the application's package definitions",
			  "Without it every table is carried as it is: partition = the table's "
			  "name, "
			  "key = its key columns, value = a msgpack map of all columns." },
	[OPT_TABLE] = { 't', "table", "PATTERN", NULL, "carry only source tables that match",
			"'*' is any run of characters, '?' one character, \"...\" as it "
			"stands. "
			"May be repeated. A "
			"selection is "
			"marked in the stream and never bumps a version." },
	[OPT_EXCLUDE_TABLE] = { 'T', "exclude-table", "PATTERN", NULL,
				"leave out source tables that match", "May be repeated." },
	[OPT_SCHEMA] = { 0, "schema", "PATTERN", NULL,
			 "carry the tables of these schemas (default: the current one)",
			 "PostgreSQL and CockroachDB only. '*' is all of them. May be "
			 "repeated. The tables are "
			 "then "
			 "called SCHEMA.TABLE." },
	[OPT_PACKAGE] = { 'p', "package", "NAME", NULL, "only this package",
			  "May be repeated." },
	[OPT_ARG] = { 'a', "arg", "NAME=VALUE", NULL,
		      "a value for an argument that the definitions declare",
		      "May be repeated. The values are kept in the stream; they are not for "
		      "secrets." },
	[OPT_SIDES] = { 0, "sides", "DIR", "@dir",
			"where to write the reports that packages make beside the stream",
			"By default beside the stream, as STREAM.NAME." },
	[OPT_LEVEL] = { 0, "level", "N", NULL, "zstd level of the stream, -7 to 19 (default 1)",
			"The entries, the digests and the root do not depend on it." },
	[OPT_CHUNK] = { 0, "chunk", "SIZE", NULL,
			"target size of a chunk, 4K to 16M (default 1M)", NULL },
	[OPT_MAX_VALUE] = { 0, "max-value", "SIZE", NULL,
			    "largest value that is let through (default 64M)", NULL },
	[OPT_MEMORY] = { 'm', "memory", "SIZE", NULL,
			 "memory for sorting (default: a quarter of the machine, at most 1G)",
			 "Beyond it, sorted runs go to scratch files beside the output." },
	[OPT_JOBS] = { 'j', "jobs", "N", NULL,
		       "worker threads (default: one per processor, at most 16)",
		       "What is written is the same for every number." },
	[OPT_KEEP] = { 'k', "keep", "STREAM", "@file", "write the stream to a file as well",
		       NULL },
	[OPT_OVERWRITE] = { 0, "overwrite", NULL, NULL, "replace an output file that exists",
			    "It is replaced only when the new one is complete." },
	[OPT_MANIFEST] = { 0, "manifest", "FILE", "@file",
			   "a small text with the root and totals: written, or compared before "
			   "publishing",
			   "'export' and 'backup' write it; 'import' and 'verify' refuse a "
			   "stream that does "
			   "not match it." },
	[OPT_EXPECT_ROOT] = { 0, "expect-root", "HEX", NULL,
			      "refuse a stream whose root is another one", NULL },
	[OPT_REPLACE] = { 0, "replace", NULL, NULL,
			  "the store's live entries give way to the new ones",
			  "They stay readable until the new ones are verified and published." },
	[OPT_MERGE] = { 0, "merge", NULL, NULL, "publish the live entries plus the new ones",
			"A key that both hold with different values ends the run; the first 20 "
			"are named." },
	[OPT_TABLE_NAME] = { 0, "table-name", "NAME", NULL, "the store's table (default kv)",
			     "PostgreSQL: TABLE or SCHEMA.TABLE, as it is called, without "
			     "quotes. "
			     "Not to be confused with --table, which selects source tables." },
	[OPT_PARTITIONS] = { 0, "partitions", "N", NULL,
			     "PostgreSQL: make the store's table PARTITION BY HASH, in N parts",
			     "They are named kv_0 to kv_<N-1>. Without it the new table is "
			     "partitioned as the live one is." },
	[OPT_NO_VERIFY] = { 0, "no-verify", NULL, NULL,
			    "publish without reading the store back",
			    "Recorded in the history." },
	[OPT_AS] = { 0, "as", "WHAT", "store tables",
		     "import to a key-value store (default), or back to relational tables",
		     "'tables' needs a stream that was exported without -f. The tables are "
		     "made "
		     "as they were, loaded, read back and compared in one transaction; a table "
		     "that holds rows already is refused. --table, --exclude-table and "
		     "--schema "
		     "choose tables of the stream." },
	[OPT_LOCK_WAIT] = { 0, "lock-wait", "SECONDS", NULL,
			    "wait for the run that holds the store (default: not at all)",
			    "Without it a second run ends at once with 8 and names the holder. "
			    "While it waits it takes over from a run that gives no sign of "
			    "life "
			    "for its whole lease, 60 seconds." },
	[OPT_TAKEOVER] = { 0, "takeover", NULL, NULL,
			   "take the store from the run that holds it, alive or not",
			   "That run stops with 8 and changes nothing any more; what it has "
			   "staged is gone on with where it is of the same stream." },
	[OPT_FREEZE] = { 0, "freeze", NULL, NULL,
			 "have every table of the source refuse writes from now on",
			 "By triggers in the source, which outlive this run: an unfinished run "
			 "and a published one leave it frozen, so that the old program cannot "
			 "write any more. 'abort' and 'rollback' undo it exactly." },
	[OPT_ALLOW_LIVE_SOURCE] = { 0, "allow-live-source", NULL, NULL,
				    "begin although others have the source open",
				    "Without it such a source is refused. Nothing is published "
				    "if it was "
				    "written to meanwhile. Recorded in the history." },
	[OPT_ALLOW_PARTIAL] = { 0, "allow-partial", NULL, NULL,
				"accept a stream that holds a selection; no version is bumped",
				NULL },
	[OPT_QUICK] = { 0, "quick", NULL, NULL,
			"of one stream, check only the control records, not the chunks", NULL },
	[OPT_ENTRIES] = { 0, "entries", NULL, NULL,
			  "compare entry by entry, and name the keys that differ", NULL },
	[OPT_LIMIT] = { 0, "limit", "N", NULL, "how many differing keys are named (default 20)",
			NULL },
	[OPT_KEYS] = { 0, "keys", NULL, NULL, "leave the values out", NULL },
	[OPT_RAW] = { 0, "raw", NULL, NULL, "the value's exact bytes, and nothing else", NULL },
	[OPT_APP] = { 0, "app", "NAME", NULL,
		      "the application's name (default: the folder's name)", NULL },
	[OPT_CONFIRM] = { 0, "confirm", "RUN", NULL,
			  "the run that is given up, as a confirmation",
			  "Without it the command says what it would do, and what to type. On "
			  "a "
			  "terminal it asks." },
	[OPT_DISCARD] = { 0, "discard", "N", NULL,
			  "how many keys that were written after the commit may be lost",
			  "It has to be the exact number." },
	[OPT_SAVE] = { 0, "save", "STREAM", "@file",
		       "write what is live to a stream before it is given up", NULL },
	[OPT_LEFTOVERS] = { 0, "leftovers", NULL, NULL,
			    "drop what older releases left behind as well",
			    "What 'drop.leftovers' of application.yaml lists. It can be done "
			    "later, too." },
	[OPT_VERSION_TABLE] = { 0, "version-table", NULL, NULL,
				"drop the table with the legacy schema's version as well",
				"'drop.version_table' of application.yaml." },
	[OPT_EXIT_CODE] = { 0, "exit-code", NULL, NULL,
			    "exit 10: something to do, 9: a run is unfinished, 8: one is at "
			    "work",
			    NULL },
	[OPT_DRY_RUN] = { 'n', "dry-run", NULL, NULL,
			  "say what would happen; nothing is created, locked or written",
			  NULL },
	[OPT_SOURCE] = { 0, "source", "PLACE", NULL,
			 "the frozen source, where it is not the place that the store "
			 "remembers",
			 "A run that died when it had frozen its source and not yet written to "
			 "the store has left nothing there: 'abort STORE --source SOURCE' "
			 "lifts "
			 "that freeze, too." },
	[OPT_MAX_REJECTS] = { 0, "max-rejects", "N", NULL,
			      "go on past up to N rows that cannot be carried (default 0)",
			      "They are written to the rejects file with their reasons. The "
			      "command ends with 64 and no version is bumped; the stream says "
			      "that rows are missing." },
	[OPT_REJECTS] = { 0, "rejects", "FILE", "@file",
			  "where such rows are written (default: beside what is written)",
			  "STREAM.rejects, STORE.rejects beside an SQLite store, else "
			  "kvferry.rejects. One line of JSON for each row." },
	[OPT_ACCEPT_REJECTS] = { 0, "accept-rejects", "HEX", NULL,
				 "publish without the rejected rows whose file has this "
				 "SHA-256",
				 "Recorded in the history, and shown by 'status'." },
	[OPT_EVENTS] = { 0, "events", "FILE|fd:N", "@file",
			 "write what happens as lines of JSON, for machines",
			 "A file is appended to; fd:N is a descriptor that the caller opened. "
			 "See docs/events.md. What cannot be written is said once, and changes "
			 "nothing else." },
	[OPT_JSON] = { 0, "json", NULL, NULL,
		       "exactly one JSON document instead of text, also for errors", NULL },
	[OPT_QUIET] = { 'q', "quiet", NULL, NULL,
			"no progress and no summary; errors and warnings only", NULL },
	[OPT_VERBOSE] = { 'v', "verbose", NULL, NULL,
			  "say more on standard error; twice: still more", NULL },
	[OPT_COLOR] = { 0, "color", "WHEN", "auto always never",
			"colour: auto, always or never (default auto)",
			"'auto' means on terminals, unless NO_COLOR is set or TERM is dumb." },
	[OPT_HELP] = { 'h', "help", NULL, NULL, "print help for the verb", NULL },
	[OPT_VERSION] = { 'V', "version", NULL, NULL, "print the version", NULL },
};

const uint64_t cli_common_options =
	OPT_BIT(OPT_EVENTS) | OPT_BIT(OPT_JSON) | OPT_BIT(OPT_QUIET) | OPT_BIT(OPT_VERBOSE) |
	OPT_BIT(OPT_COLOR) | OPT_BIT(OPT_HELP) | OPT_BIT(OPT_VERSION);

const struct cli_exit cli_exits[] = {
	{ 0, "done, or nothing to do" },
	{ 1, "internal error, or out of memory" },
	{ 2, "usage: the command line makes no sense" },
	{ 3, "package definition or configuration" },
	{ 4, "reading the source failed" },
	{ 5, "writing failed: store, output or scratch file" },
	{ 6, "stream corrupt, truncated, or not the expected one" },
	{ 7, "unsupported version" },
	{ 8, "another run holds the store" },
	{ 9, "an unfinished run has to be dealt with first" },
	{ 10, "something to do (only with --exit-code)" },
	{ 11, "the two sides differ; get: not found" },
	{ 12, "a decision is required" },
	{ 13, "refused before anything was written" },
	{ 64, "rows that cannot be carried; no version was bumped" },
	{ 80, "cancelled at a prompt" },
	{ 130, "interrupted (SIGINT, SIGHUP) at a safe point; 143: by SIGTERM" },
};
const size_t cli_nexits = sizeof(cli_exits) / sizeof(cli_exits[0]);
