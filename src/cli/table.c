/* table - the table of verbs. */
#include "cli/table.h"

#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

#define SELECTION_OF_TABLES                                                                    \
	(OPT_BIT(OPT_TABLE) | OPT_BIT(OPT_EXCLUDE_TABLE) | OPT_BIT(OPT_SCHEMA))
#define SELECTION (SELECTION_OF_TABLES | OPT_BIT(OPT_PACKAGE) | OPT_BIT(OPT_ARG))
#define WRITING                                                                                \
	(OPT_BIT(OPT_LEVEL) | OPT_BIT(OPT_CHUNK) | OPT_BIT(OPT_MAX_VALUE) |                    \
	 OPT_BIT(OPT_MEMORY) | OPT_BIT(OPT_JOBS) | OPT_BIT(OPT_OVERWRITE) |                    \
	 OPT_BIT(OPT_DRY_RUN))
#define PUBLISHING                                                                             \
	(OPT_BIT(OPT_REPLACE) | OPT_BIT(OPT_MERGE) | OPT_BIT(OPT_TABLE_NAME) |                 \
	 OPT_BIT(OPT_PARTITIONS) | OPT_BIT(OPT_NO_VERIFY))
#define HOLDING (OPT_BIT(OPT_LOCK_WAIT) | OPT_BIT(OPT_TAKEOVER))
#define COMPARING                                                                              \
	(OPT_BIT(OPT_FORMATS) | SELECTION | OPT_BIT(OPT_TABLE_NAME) | OPT_BIT(OPT_MAX_VALUE) | \
	 OPT_BIT(OPT_MEMORY) | OPT_BIT(OPT_JOBS) | OPT_BIT(OPT_LIMIT))

#define TEXT(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define EXAMPLES(...) ((const struct cli_example[]){ __VA_ARGS__, { NULL, NULL } })

const struct cli_verb cli_verbs[] = {
	{ "migrate",
	  { { "SOURCE", "@place", 0 }, { "STORE", "@place", 0 } },
	  "move legacy tables into a store: export, import, verify, then bump",
	  TEXT("Plan, preflight, export, import, verify and publish in one run. The stream "
	       "flows "
	       "through memory; --keep writes it to a file as well. Until the last step the "
	       "store's "
	       "readers see the old state, and a run that fails or is stopped leaves it valid: "
	       "the "
	       "same command again does the rest.",
	       "SOURCE and STORE may be the same SQLite file: an upgrade in place. The legacy "
	       "tables "
	       "are not touched.",
	       "The source must not change meanwhile. A source that others have open is "
	       "refused (13): stop the application, or give --freeze; what was written all "
	       "the same is noticed, and then nothing is published."),
	  OPT_BIT(OPT_FORMATS) | SELECTION | WRITING | PUBLISHING | HOLDING |
		  OPT_BIT(OPT_KEEP) | OPT_BIT(OPT_ALLOW_PARTIAL) | OPT_BIT(OPT_FREEZE) |
		  OPT_BIT(OPT_MAX_REJECTS) | OPT_BIT(OPT_REJECTS) |
		  OPT_BIT(OPT_ACCEPT_REJECTS) | OPT_BIT(OPT_ALLOW_LIVE_SOURCE) |
		  OPT_BIT(OPT_SIDES),
	  "0 4 5 8 9 13 64",
	  EXAMPLES({ "kvferry migrate sqlite:shop.db sqlite:store.db", "every table as it is" },
		   { "kvferry migrate -f formats/catalog sqlite:shop.db sqlite:shop.db",
		     "an application's packages, in place" }),
	  cli_run_migrate },
	{ "export",
	  { { "SOURCE", "@place", 0 }, { "STREAM", "@file", 0 } },
	  "write legacy tables to a stream",
	  TEXT("Reads the source in one snapshot and never changes it. The file appears under "
	       "its "
	       "name only when it is complete. With '-' the stream goes to standard output and "
	       "the "
	       "report to standard error."),
	  OPT_BIT(OPT_FORMATS) | SELECTION | WRITING | OPT_BIT(OPT_MANIFEST) |
		  OPT_BIT(OPT_MAX_REJECTS) | OPT_BIT(OPT_REJECTS) | OPT_BIT(OPT_SIDES),
	  "0 3 4 5 64",
	  EXAMPLES({ "kvferry export sqlite:shop.db shop.kvf", "every table as it is" },
		   { "kvferry export sqlite:shop.db - | ssh host kvferry import - "
		     "sqlite:store.db",
		     "through a pipe" }),
	  cli_run_export },
	{ "import",
	  { { "STREAM", "@file", 0 }, { "STORE", "@place", 0 } },
	  "load a stream into a store, verify it, then bump",
	  TEXT("The entries are staged beside the live data, verified by count, bytes and "
	       "digest, "
	       "and published together with the schema version in one transaction. A store "
	       "that "
	       "holds other data is refused unless --replace or --merge says what to do.",
	       "With --as tables, tables that were carried as they are become tables again, "
	       "verified and committed in one transaction."),
	  PUBLISHING | HOLDING | SELECTION_OF_TABLES | OPT_BIT(OPT_AS) | OPT_BIT(OPT_FORMATS) |
		  OPT_BIT(OPT_ACCEPT_REJECTS) | OPT_BIT(OPT_ALLOW_PARTIAL) |
		  OPT_BIT(OPT_EXPECT_ROOT) | OPT_BIT(OPT_MANIFEST) | OPT_BIT(OPT_MAX_VALUE) |
		  OPT_BIT(OPT_MEMORY) | OPT_BIT(OPT_JOBS) | OPT_BIT(OPT_DRY_RUN),
	  "0 5 6 7 8 9 13 64",
	  EXAMPLES({ "kvferry import shop.kvf sqlite:store.db", "a new store" },
		   { "kvferry import --replace shop.kvf sqlite:store.db",
		     "in place of what the store holds" },
		   { "kvferry import --as tables shop.kvf postgresql://host/shop",
		     "tables that were carried as they are, as tables again" }),
	  cli_run_import },
	{ "backup",
	  { { "STORE", "@place", 0 }, { "STREAM", "@file", 0 } },
	  "write a store to a stream",
	  TEXT("The same data give the same stream as the export they came from: equal root, "
	       "whatever the level and the number of threads."),
	  WRITING | OPT_BIT(OPT_TABLE_NAME) | OPT_BIT(OPT_MANIFEST),
	  "0 5",
	  EXAMPLES({ "kvferry backup sqlite:store.db store.kvf", "the live entries" }),
	  cli_run_backup },
	{ "verify",
	  { { "A", "@place", 0 }, { "B", "@place", 1 } },
	  "are two sources, streams or stores the same data?",
	  TEXT("Each of A and B is a stream, a store, or legacy tables; a database that holds "
	       "a "
	       "store is read as the store, 'tables:' in front means its legacy tables. "
	       "Compared by "
	       "count, bytes and digest; when they differ, the differing keys are named. One "
	       "stream alone is decoded and checked against its own digests."),
	  COMPARING | OPT_BIT(OPT_QUICK) | OPT_BIT(OPT_ENTRIES) | OPT_BIT(OPT_EXPECT_ROOT) |
		  OPT_BIT(OPT_MANIFEST),
	  "0 6 11",
	  EXAMPLES({ "kvferry verify shop.kvf", "is the stream whole?" },
		   { "kvferry verify tables:sqlite:shop.db shop.kvf",
		     "does it hold what the tables hold?" },
		   { "kvferry verify --entries shop.kvf sqlite:store.db", "entry by entry" }),
	  cli_run_verify },
	{ "plan",
	  { { "SOURCE", "@place", 0 }, { "STORE", "@place", 0 } },
	  "what migrate would do: rows, sizes, versions, space; writes nothing",
	  NULL,
	  OPT_BIT(OPT_FORMATS) | SELECTION | PUBLISHING | OPT_BIT(OPT_EXIT_CODE),
	  "0 10 13",
	  EXAMPLES({ "kvferry plan sqlite:shop.db sqlite:store.db", "look before you leap" }),
	  cli_run_plan },
	{ "status",
	  { { "STORE", "@place", 0 } },
	  "where a store stands, and the exact next command",
	  TEXT("Three lines: what is true now, whether the old application may run, what to "
	       "type next; what stands behind a # is a remark. A run that died when it had "
	       "frozen its source, and not yet come to the store, is found with --source."),
	  OPT_BIT(OPT_SOURCE) | OPT_BIT(OPT_TABLE_NAME) | OPT_BIT(OPT_EXIT_CODE),
	  "0 9 10",
	  EXAMPLES({ "kvferry status sqlite:store.db", "for people" },
		   { "kvferry status --json sqlite:store.db | jq -r .result.state",
		     "for scripts" }),
	  cli_run_status },
	{ "history",
	  { { "STORE", "@place", 0 } },
	  "the runs that a store has seen, oldest first",
	  TEXT("One line each; with -v all that the ledger keeps of it: who, when, where, by "
	       "which release, what was typed and decided, digests, counts, durations, "
	       "rejects, "
	       "and what was not verified."),
	  OPT_BIT(OPT_TABLE_NAME),
	  "0",
	  EXAMPLES({ "kvferry history sqlite:store.db", "the ledger" }),
	  cli_run_history },
	{ "abort",
	  { { "STORE", "@place", 0 } },
	  "give up an unfinished run",
	  TEXT("What was staged is dropped; what is live, and the schema version, stay as they "
	       "are. A run that is at work is not disturbed, unless --takeover says that it "
	       "is known to be dead. A source that was frozen may be written again where "
	       "nothing is live."),
	  OPT_BIT(OPT_SOURCE) | OPT_BIT(OPT_TABLE_NAME) | HOLDING | OPT_BIT(OPT_DRY_RUN),
	  "0 8",
	  EXAMPLES({ "kvferry abort sqlite:store.db", "as if the run had never begun" }),
	  cli_run_abort },
	{ "rollback",
	  { { "STORE", "@place", 0 } },
	  "back to what was live before the last run",
	  TEXT("Shows what was written after the commit and would be lost: how many keys, and "
	       "the first 20 of them. Then the previous generation becomes live again with its "
	       "schema version and version record, in one transaction; after a first upgrade "
	       "that is the legacy tables. It needs the run's id (--confirm), and the number "
	       "of "
	       "keys where it is not 0 (--discard).",
	       "A way back is there until 'cleanup' or 'drop-legacy', one run deep."),
	  OPT_BIT(OPT_SOURCE) | OPT_BIT(OPT_TABLE_NAME) | OPT_BIT(OPT_CONFIRM) |
		  OPT_BIT(OPT_DISCARD) | OPT_BIT(OPT_SAVE) | OPT_BIT(OPT_OVERWRITE) |
		  OPT_BIT(OPT_MEMORY) | OPT_BIT(OPT_JOBS) | OPT_BIT(OPT_DRY_RUN),
	  "0 2 8 9 13 80",
	  EXAMPLES({ "kvferry rollback -n sqlite:store.db", "what would be lost?" },
		   { "kvferry rollback sqlite:store.db --confirm RUN --discard 3 --save "
		     "late.kvf",
		     "save it, then go back" }),
	  cli_run_rollback },
	{ "cleanup",
	  { { "STORE", "@place", 0 } },
	  "remove previous generations and leftovers",
	  TEXT("Says first what and how much. Where a rollback is still possible it has to be "
	       "confirmed by the id of the run that is live, because none is afterwards. A "
	       "SQLite file keeps its size; the space is used again."),
	  OPT_BIT(OPT_TABLE_NAME) | OPT_BIT(OPT_CONFIRM) | OPT_BIT(OPT_DRY_RUN),
	  "0 2 8 9 80",
	  EXAMPLES({ "kvferry cleanup -n sqlite:store.db", "what would be removed?" }),
	  cli_run_cleanup },
	{ "drop-legacy",
	  { { "SOURCE", "@place", 0 }, { "STORE", "@place", 0 } },
	  "drop the legacy tables that the application lists",
	  TEXT("Verifies again first: the tables hold what was imported, and the store holds "
	       "it too, but for what was written since. Then what 'drop:' of application.yaml "
	       "lists goes, all in one transaction. If that fails, the new version "
	       "stays, 'status' and 'history' say what remains, and the same command again "
	       "finishes it."),
	  OPT_BIT(OPT_FORMATS) | OPT_BIT(OPT_TABLE_NAME) | OPT_BIT(OPT_CONFIRM) |
		  OPT_BIT(OPT_LEFTOVERS) | OPT_BIT(OPT_VERSION_TABLE) | OPT_BIT(OPT_MEMORY) |
		  OPT_BIT(OPT_JOBS) | OPT_BIT(OPT_MAX_VALUE) | OPT_BIT(OPT_ARG) |
		  OPT_BIT(OPT_DRY_RUN),
	  "0 2 4 9 11 13 80",
	  EXAMPLES({ "kvferry drop-legacy -f formats/catalog sqlite:shop.db sqlite:shop.db",
		     "what would go, and what to type" }),
	  cli_run_drop_legacy },
	{ "info",
	  { { "STREAM", "@file", 0 } },
	  "what a stream holds, and what it leaves out",
	  TEXT("The head, the note, every package with its totals, the root. Of a file only "
	       "the control records are read; a pipe is read to its end."),
	  0,
	  "0 6 7",
	  EXAMPLES({ "kvferry info shop.kvf", "the head and the totals" }),
	  cli_run_info },
	{ "cat",
	  { { "PLACE", "@place", 0 } },
	  "print entries as lines of JSON",
	  TEXT("One line per entry, with package, partition, key and value. Keys are text or "
	       "hex:... and can be pasted back to 'get'. Values are decoded as the stream "
	       "says; what does not decode is printed as hex:...",
	       "PLACE is a stream, a store, or legacy tables ('tables:' in front)."),
	  OPT_BIT(OPT_FORMATS) | SELECTION | OPT_BIT(OPT_KEYS) | OPT_BIT(OPT_TABLE_NAME) |
		  OPT_BIT(OPT_MAX_VALUE) | OPT_BIT(OPT_MEMORY) | OPT_BIT(OPT_JOBS),
	  "0 6",
	  EXAMPLES({ "kvferry cat shop.kvf | head -3", "the first three entries" },
		   { "kvferry cat --keys sqlite:store.db", "which keys there are" }),
	  cli_run_cat },
	{ "get",
	  { { "PLACE", "@place", 0 }, { "PARTITION", NULL, 0 }, { "KEY", NULL, 0 } },
	  "print one value",
	  TEXT("Found by the index, without reading the whole. PARTITION and KEY are text, "
	       "hex:... or @FILE. The value is decoded for people; --raw writes its exact "
	       "bytes."),
	  OPT_BIT(OPT_RAW) | OPT_BIT(OPT_PACKAGE) | OPT_BIT(OPT_TABLE_NAME) |
		  OPT_BIT(OPT_MAX_VALUE),
	  "0 11",
	  EXAMPLES({ "kvferry get shop.kvf products 17", "one entry, decoded" },
		   { "kvferry get --raw sqlite:store.db products 17 >value", "its bytes" }),
	  cli_run_get },
	{ "diff",
	  { { "A", "@place", 0 }, { "B", "@place", 0 } },
	  "name the entries in which two places differ",
	  TEXT("'-' stands before a key that only A has, '+' before one that only B has, '~' "
	       "before one whose values differ. A and B are what 'verify' takes."),
	  COMPARING,
	  "0 11",
	  EXAMPLES({ "kvferry diff yesterday.kvf sqlite:store.db", "what has changed" }),
	  cli_run_diff },
	{ "check",
	  { { "FORMATS", "@dir", 0 }, { "SOURCE", "@place", 1 } },
	  "examine package definitions, against a live schema too",
	  TEXT("Names what is not carried, which keys may collide, and whether the way back is "
	       "exact. Without SOURCE only what the definitions themselves say is examined."),
	  OPT_BIT(OPT_ARG),
	  "0 3",
	  EXAMPLES({ "kvferry check formats/catalog sqlite:shop.db", "before an upgrade" }),
	  cli_run_check },
	{ "init",
	  { { "SOURCE", "@place", 0 }, { "DIR", "@dir", 0 } },
	  "write package definitions from a database's own schema",
	  TEXT("A commented, working definition to edit. A folder that has definitions already "
	       "is "
	       "refused."),
	  OPT_BIT(OPT_APP) | OPT_BIT(OPT_TABLE) | OPT_BIT(OPT_EXCLUDE_TABLE) |
		  OPT_BIT(OPT_SCHEMA),
	  "0 5 13",
	  EXAMPLES({ "kvferry init sqlite:shop.db formats/shop", "a first draft" }),
	  cli_run_init },
	{ "help",
	  { { "VERB", "@verb", 1 } },
	  "this text, or what a verb does",
	  NULL,
	  0,
	  "0",
	  EXAMPLES({ "kvferry help migrate", "everything about one verb" }),
	  cli_run_help },
	{ "version",
	  { { NULL, NULL, 0 } },
	  "the version of the program and its libraries",
	  NULL,
	  0,
	  "0",
	  EXAMPLES({ "kvferry version", "what to put into a report" }),
	  cli_run_version },
	{ "completion",
	  { { "SHELL", "@shell", 0 } },
	  "print the completion script for bash, zsh or fish",
	  NULL,
	  0,
	  "0",
	  EXAMPLES({ "kvferry completion bash >/etc/bash_completion.d/kvferry", "for bash" }),
	  cli_run_completion },
};
const size_t cli_nverbs = sizeof(cli_verbs) / sizeof(cli_verbs[0]);

const struct cli_verb *cli_verb_find(const char *name)
{
	size_t i;

	for (i = 0; i < cli_nverbs; i++)
		if (strcmp(cli_verbs[i].name, name) == 0)
			return &cli_verbs[i];
	return NULL;
}

int cli_verb_takes(const struct cli_verb *verb, enum cli_opt id)
{
	return ((verb->options | cli_common_options) & OPT_BIT(id)) != 0;
}

void cli_verb_usage(const struct cli_verb *verb, char *buf, size_t size)
{
	const struct cli_operand *o;
	int n = snprintf(buf, size, "kvferry %s [OPTION...]", verb->name);

	for (o = verb->operands; o->name && n > 0 && (size_t)n < size; o++)
		n += snprintf(buf + n, size - (size_t)n, o->optional ? " [%s]" : " %s",
			      o->name);
}
