/* Definitions: what is refused, where, and with which word meant. */
#include "../support/test.h"
#include "../support/definitions.h"

#include <string.h>

#define VALUES "values: {v: {encoding: raw, from: \"x\"}}\n"
#define HEAD "package: p\nversion: 1\n"

struct mistake {
	const char *text;
	const char *message; /* begins with file:line:column */
	const char *hint;    /* stands in the hint; NULL: whatever */
};

static unsigned wrong; /* all of a list are shown before the test fails */

static void expect(const struct mistake *m, int application)
{
	static const char good[] =
		HEAD "records:\n  r: {table: t, entries: [{partition: x, key: "
		     "k, value: v}]}\n" VALUES;
	struct definition d;
	enum kvf_status st;

	st = application ? definition_load_both(&d, m->text, good)
			 : definition_load(&d, m->text);
	if (st != KVF_EDEFINITION || strcmp(d.err.message, m->message) != 0 ||
	    (m->hint && !strstr(d.err.hint, m->hint))) {
		wrong++;
		print_error("for:\n%s\nexpected: %s (%s)\nstatus %d: %s (%s)\n\n", m->text,
			    m->message, m->hint ? m->hint : "", (int)st, d.err.message,
			    d.err.hint);
	}
	definition_close(&d);
}

#define APP(rest) "application: a\n" rest

static void every_mistake_in_an_application_is_placed(void **state)
{
	static const struct mistake list[] = {
		{ "", "application.yaml:1:1: the file is empty", NULL },
		{ "- a\n",
		  "application.yaml:1:1: application.yaml must be a mapping (key: value)",
		  NULL },
		{ "aplication: a\n",
		  "application.yaml:1:1: unknown key \"aplication\" in application.yaml",
		  "Did you mean \"application\"?" },
		{ "application: a\n",
		  "application.yaml:1:1: application.yaml has no \"packages\"", NULL },
		{ APP("packages: [p]\n"),
		  "application.yaml:1:1: application.yaml has no \"store\"", NULL },
		{ "application: Shop\npackages: [p]\nstore: {schema: 1}\n",
		  "application.yaml:1:14: the application \"Shop\" may have no capitals, and "
		  "begins "
		  "with a letter or digit",
		  NULL },
		{ APP("packages: []\nstore: {schema: 1}\n"),
		  "application.yaml:2:11: packages is empty", NULL },
		{ APP("packages: p\nstore: {schema: 1}\n"),
		  "application.yaml:2:11: packages must be a list", NULL },
		{ APP("packages: [p, p]\nstore: {schema: 1}\n"),
		  "application.yaml:2:15: the package \"p\" is listed twice", NULL },
		{ APP("packages: [../x]\nstore: {schema: 1}\n"),
		  "application.yaml:2:12: package \"../x\" is not a name", NULL },
		{ APP("packages: [p, q]\nstore: {schema: 1}\n"), "there is no q.yaml", NULL },
		{ APP("packages: [p]\nstore: {}\n"),
		  "application.yaml:3:8: store has no \"schema\"", "1 or more" },
		{ APP("packages: [p]\nstore: {schema: 0}\n"),
		  "application.yaml:3:17: store.schema is 0, allowed is "
		  "1...9223372036854775807",
		  NULL },
		{ APP("packages: [p]\nstore: {schema: 0x10}\n"),
		  "application.yaml:3:17: store.schema must be a number in decimal digits, not "
		  "\"0x10\"",
		  NULL },
		{ APP("packages: [p]\nstore: {schema: 1e3}\n"),
		  "application.yaml:3:17: store.schema must be a number in decimal digits, not "
		  "\"1e3\"",
		  NULL },
		{ APP("packages: [p]\nstore:\n  schema:\n"),
		  "application.yaml:4:3: \"schema\" has no value", NULL },
		{ APP("packages: [p]\nstore: {schema: [1]}\n"),
		  "application.yaml:3:17: store.schema must be a single value, not a list",
		  NULL },
		{ APP("packages: [p]\nstore: {version: {partition: a, key: k, started: x}}\n"),
		  "application.yaml:3:18: store.version has no \"done\"", NULL },
		{ APP("packages: [p]\n"
		      "store: {version: {partition: a, key: k, started: x, done: x}}\n"),
		  "application.yaml:3:59: \"started\" and \"done\" are the same", NULL },
		{ APP("packages: [p]\n"
		      "store: {version: {partition: a, key: \"\", started: x, done: y}}\n"),
		  "application.yaml:3:38: store.version.key is empty", NULL },
		{ APP("packages: [p]\nstore: {schema: 1}\nsource: {version: S}\n"),
		  "application.yaml:4:9: source has no \"requires\"", NULL },
		{ APP("packages: [p]\nstore: {schema: 1}\nupgrade: {}\n"),
		  "application.yaml:4:1: \"upgrade\" is not a key of application.yaml in this "
		  "version of kvferry",
		  NULL },
		{ APP("packages: [p]\nstore: {schema: 1}\nargs: {as_of: x}\n"),
		  "application.yaml:4:15: an argument must be a mapping (key: value)", NULL },
		{ APP("packages: [p]\nstore: {schema: 1}\nargs: {as_of: {type: tiem}}\n"),
		  "application.yaml:4:22: unknown type \"tiem\"", NULL },
		{ APP("packages: [p]\nstore: {schema: 1}\nargs: {d: {type: folder}}\n"),
		  "application.yaml:4:8: the folder has no \"files\", a pattern", NULL },
		{ APP("packages: [p]\nstore: {schema: 1}\nargs: {d: {type: text, files: x}}\n"),
		  "application.yaml:4:24: \"files\" is for folders", NULL },
		{ APP("packages: [p]\nstore: {schema: 1}\nargs: {d: {type: folder, files: x, "
		      "default: y}}\n"),
		  "application.yaml:4:36: a folder has no default: without it there are no "
		  "files",
		  NULL },
		{ APP("packages: [p]\nstore: {schema: 1}\nchecks: [{code: a, text: b}]\n"),
		  "application.yaml:4:10: a check has no \"query\"", NULL },
		{ APP("packages: [p]\nstore: {schema: 1}\nchecks: [{code: a, text: b, query: "
		      "c}, "
		      "{code: a, text: b, query: c}]\n"),
		  "application.yaml:4:40: the check \"a\" stands here twice", NULL },
		{ APP("packages: [p]\nstore: {schema: 1}\nchecks: [{code: a, text: b, query: "
		      "\"SELECT :'x'\"}]\n"),
		  "application.yaml:4:10: there is no argument :'x'", "Declare it" },
		{ APP("packages: [p]\nstore: {schema: 1}\ndrop: [[a]]\n"),
		  "application.yaml:4:8: a table to drop must be a single value, not a list",
		  NULL },
		{ APP("packages: [p]\nstore: {schema: 1}\ndrop: x\n"),
		  "application.yaml:4:7: drop must be a list", NULL },
		{ APP("packages: [p]\nstore: {schema: 1}\ndrop: {tabels: [a]}\n"),
		  "application.yaml:4:8: unknown key \"tabels\" in drop", "tables" },
		{ APP("packages: [p]\nstore: {schema: 1}\ndrop: {views: a}\n"),
		  "application.yaml:4:15: views must be a list", NULL },
		{ APP("packages: [p]\nstore: {schema: 1}\ndrop: {leftovers: {leftovers: "
		      "{}}}\n"),
		  "application.yaml:4:20: unknown key \"leftovers\" in drop.leftovers", NULL },
		{ APP("packages: [p]\nstore: {schema: 1}\ndrop: {tables: [a], leftovers: "
		      "{tables: [a]}}\n"),
		  "application.yaml:4:42: the table \"a\" stands here twice", NULL },
		{ APP("packages: [p]\nstore: {schema: 1}\ndrop: {version_table: [a]}\n"),
		  "application.yaml:4:23: a table to drop must be a single value, not a list",
		  NULL },
	};
	size_t i;

	(void)state;
	wrong = 0;
	for (i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		expect(&list[i], 1);
	assert_int_equal(wrong, 0);
}

static void yaml_beyond_the_subset_is_refused(void **state)
{
	static const struct mistake list[] = {
		{ "package: &a p\n", "p.yaml:1:10: anchors are not accepted", NULL },
		{ "package: *a\n", "p.yaml:1:10: aliases are not accepted", NULL },
		{ "package: !!str p\n", "p.yaml:1:10: tags are not accepted", NULL },
		{ "records: &r {}\n", "p.yaml:1:10: anchors are not accepted", NULL },
		{ "records: !x []\n", "p.yaml:1:10: tags are not accepted", NULL },
		{ "package: p\n---\npackage: q\n",
		  "p.yaml:2:1: a second document is not accepted", NULL },
		{ "%YAML 1.1\n---\npackage: q\n", "p.yaml:1:1: directives are not accepted",
		  NULL },
		{ "package: p\nversion: 1\npackage: p\n",
		  "p.yaml:3:1: the key \"package\" stands here twice (first in line 1)", NULL },
		{ "? [a]\n: b\n", "p.yaml:1:3: a key must be a plain text", NULL },
		{ "package: [p\n", "p.yaml:2:1: did not find expected ',' or ']'", NULL },
		{ "a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n",
		  "p.yaml:1:35: nested more than 32 deep", NULL },
		{ "package: \"\\xff", "p.yaml:1:15: found unexpected end of stream", NULL },
		{ "package: \xff\n", "p.yaml: invalid leading UTF-8 octet at byte 9", NULL },
	};
	size_t i;

	(void)state;
	wrong = 0;
	for (i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		expect(&list[i], 0);
	assert_int_equal(wrong, 0);
}

#define RECORD(body) HEAD "records:\n  r:\n" body VALUES
#define ENTRY "    entries: [{partition: x, key: k, value: v}]\n"
#define KEY(key) RECORD("    table: t\n    entries: [{partition: x, value: v, key: " key "}]\n")
#define WHEN(w)                                                                                \
	RECORD("    table: t\n    entries: [{partition: x, value: v, key: k, when: " w "}]\n")

static void every_mistake_in_a_record_is_placed(void **state)
{
	static const struct mistake list[] = {
		{ "version: 1\n", "p.yaml:1:1: the package has no \"package\"", NULL },
		{ "package: q\nversion: 1\nrecords: {}\n",
		  "p.yaml:1:10: the package is called \"q\", its file \"p\"", NULL },
		{ "package: p\nversion: 0\nrecords: {}\n",
		  "p.yaml:2:10: version is 0, allowed is 1...9223372036854775807", NULL },
		{ HEAD "records: {}\n", "p.yaml:3:10: records is empty", NULL },
		{ HEAD "records: {}\nupgrade: []\n",
		  "p.yaml:4:1: \"upgrade\" is not a key of a package in this version of "
		  "kvferry",
		  NULL },
		{ HEAD "records: {}\ndecide: []\n",
		  "p.yaml:4:1: \"decide\" is not a key of a package in this version of kvferry",
		  NULL },
		{ HEAD "records: {}\nguide: []\n",
		  "p.yaml:4:1: \"guide\" is not a key of a package in this version of kvferry",
		  NULL },
		{ HEAD "record: {}\n", "p.yaml:3:1: unknown key \"record\" in a package",
		  "Did you mean \"records\"?" },
		{ RECORD("    tabel: t\n" ENTRY),
		  "p.yaml:5:5: unknown key \"tabel\" in a record", "Did you mean \"table\"?" },
		{ RECORD(ENTRY),
		  "p.yaml:4:3: the record \"r\" needs either \"table\" or \"query\"", NULL },
		{ RECORD("    table: t\n    query: SELECT 1\n" ENTRY),
		  "p.yaml:4:3: the record \"r\" needs either \"table\" or \"query\", not both",
		  NULL },
		{ RECORD("    query: S\n    where: x\n" ENTRY),
		  "p.yaml:6:5: \"where\" goes with \"table\"; put it into the query", NULL },
		{ RECORD("    table: t\n    ordered: yes\n" ENTRY),
		  "p.yaml:6:14: ordered must be true or false, not \"yes\"", NULL },
		{ RECORD("    table: t\n"), "p.yaml:4:3: the record has no \"entries\"", NULL },
		{ RECORD("    table: t\n    entries: []\n"), "p.yaml:6:14: entries is empty",
		  NULL },
		{ RECORD("    table: t\n    entries: [{key: k, value: v}]\n"),
		  "p.yaml:6:15: an entry has no \"partition\"", NULL },
		{ RECORD("    table: t\n    entries: [{partition: x, key: k, value: w}]\n"),
		  "p.yaml:6:45: there is no value \"w\" in this package", "Known here: v." },
		{ RECORD("    table: t\n    let: {x: {last: [a]}}\n" ENTRY),
		  "p.yaml:6:15: unknown key \"last\" in let", "Known here: first." },
		{ RECORD("    table: t\n    let: {x: {first: []}}\n" ENTRY),
		  "p.yaml:6:22: first is empty", NULL },
		{ RECORD("    table: t\n    let: {\"a b\": x}\n" ENTRY),
		  "p.yaml:6:11: let \"a b\" is not a name", NULL },
		{ KEY("\"\""), "p.yaml:6:45: the key is empty", NULL },
		{ KEY("\"a/{b\""), "p.yaml:6:48: \"{\" is not closed", NULL },
		{ KEY("\"a}b\""), "p.yaml:6:47: \"}\" without \"{\"; write }} for a brace",
		  NULL },
		{ KEY("'{Order Details}'"), "p.yaml:6:52: \"|\" or \"}\" expected",
		  "{\"Order Details\"}" },
		{ KEY("\"{}\""), "p.yaml:6:47: a placeholder needs a name", NULL },
		{ KEY("'{\"a}'"), "p.yaml:6:47: a quote is not closed", NULL },
		{ KEY("\"{a|hax}\""), "p.yaml:6:49: unknown filter \"hax\"",
		  "Did you mean \"hex\"?" },
		{ KEY("\"{a|trim}\""), "p.yaml:6:49: unknown filter \"trim\"",
		  "Known here: hex" },
		{ KEY("\"{a|pad}\""), "p.yaml:6:49: filter \"pad\" needs an argument", NULL },
		{ KEY("\"{a|pad:x}\""), "p.yaml:6:53: filter \"pad\" needs a number, 1...200",
		  NULL },
		{ KEY("\"{a|hex:1}\""), "p.yaml:6:53: filter \"hex\" takes no argument", NULL },
		{ KEY("\"{a|uuid5:me}\""),
		  "p.yaml:6:55: filter \"uuid5\" needs a UUID, or dns, url, oid, x500", NULL },
		{ KEY("\"{a|rfc3339:h}\""),
		  "p.yaml:6:57: filter \"rfc3339\" needs s, ms, us or ns", NULL },
		{ KEY("\"{.}\""), "p.yaml:6:46: {.} means the element, and there is none here",
		  NULL },
		{ WHEN("\"a == 1\""), "p.yaml:6:57: unknown operator", "Write =." },
		{ WHEN("\"a <> 1\""), "p.yaml:6:57: unknown operator", "Write !=." },
		{ WHEN("\"a = null\""), "p.yaml:6:59: nothing compares with null", "is null" },
		{ WHEN("\"a = 'x\""), "p.yaml:6:59: a quote is not closed", NULL },
		{ WHEN("\"a\""),
		  "p.yaml:6:56: a comparison (= != < <= > >= is) expected at the end of the "
		  "condition",
		  NULL },
		{ WHEN("\"1 = 2\""), "p.yaml:6:55: a comparison of two constants", NULL },
		{ WHEN("\"(a = 2\""), "p.yaml:6:61: \")\" expected at the end of the condition",
		  NULL },
		{ WHEN("\"a = 2 b\""),
		  "p.yaml:6:61: \"and\", \"or\" or the end expected, not \"b\"", NULL },
		{ WHEN("\"a is 3\""), "p.yaml:6:60: \"null\" expected, not \"3\"", NULL },
		{ WHEN("\"a ; b\""),
		  "p.yaml:6:57: a character that means nothing in a condition", NULL },
		{ WHEN("\"a = 1x\""), "p.yaml:6:59: not a number", NULL },
		{ RECORD("    table: t\n    entries:\n"
			 "    - {partition: x, key: k, value: v, kind: one}\n"
			 "    - {partition: x, key: l, value: v, kind: one}\n"),
		  "p.yaml:8:7: the kind \"one\" stands here twice", NULL },
	};
	size_t i;

	(void)state;
	wrong = 0;
	for (i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		expect(&list[i], 0);
	assert_int_equal(wrong, 0);
}

#define VALUE(v)                                                                               \
	HEAD "records: {r: {table: t, entries: [{partition: x, key: k, value: v}]}}\n"         \
	     "values:\n  v: " v "\n"
#define FIELD(f) VALUE("{encoding: json, fields: {f: " f "}}")
#define PBFIELD(f) VALUE("{encoding: protobuf, fields: {f: " f "}}")

static void every_mistake_in_a_value_is_placed(void **state)
{
	static const struct mistake list[] = {
		{ VALUE("{from: x}"), "p.yaml:5:3: the value has no \"encoding\"", NULL },
		{ VALUE("{encoding: jsn}"), "p.yaml:5:17: unknown encoding \"jsn\"",
		  "Did you mean \"json\"?" },
		{ VALUE("{encoding: raw}"), "p.yaml:5:3: the raw value \"v\" has no \"from\"",
		  NULL },
		{ VALUE("{encoding: json, from: x}"),
		  "p.yaml:5:3: the json value \"v\" has no \"fields\"", NULL },
		{ VALUE("{encoding: raw, from: x, fields: {a: int}}"),
		  "p.yaml:5:31: \"fields\" is not for raw values", NULL },
		{ VALUE("{encoding: json, fields: {}}"), "p.yaml:5:31: fields is empty", NULL },
		{ FIELD("text"), "p.yaml:5:35: unknown type \"text\" for a json value", NULL },
		{ FIELD("strin"), "p.yaml:5:35: unknown type \"strin\" for a json value",
		  "Did you mean \"string\"?" },
		{ FIELD("int32"), "p.yaml:5:35: unknown type \"int32\" for a json value",
		  NULL },
		{ FIELD("{from: \"{a}\"}"), "p.yaml:5:32: the field \"f\" has no type", NULL },
		{ FIELD("{type: int, form: x}"), "p.yaml:5:47: unknown key \"form\" in a field",
		  "Did you mean \"from\"?" },
		{ FIELD("{type: int, tag: 1}"), "p.yaml:5:47: \"tag\" is for protobuf values",
		  NULL },
		{ FIELD("{type: int, const: 1, from: x}"),
		  "p.yaml:5:47: \"const\" excludes \"from\"", NULL },
		{ FIELD("{type: int, const: x}"),
		  "p.yaml:5:32: bad \"const\": record r, field \"f\": not a decimal integer of "
		  "64 "
		  "bits",
		  NULL },
		{ FIELD("{type: bool, default: yes}"),
		  "p.yaml:5:32: bad \"default\": record r, field \"f\": not a boolean (true, "
		  "false, "
		  "0, 1)",
		  NULL },
		{ FIELD("{type: json, const: \"{\"}"),
		  "p.yaml:5:32: bad \"const\": record r, field \"f\": not JSON: no member name "
		  "at "
		  "byte 1",
		  NULL },
		{ FIELD("{type: int, scale: 2}"), "p.yaml:5:47: \"scale\" is for type decimal",
		  NULL },
		{ FIELD("{type: decimal, scale: 31}"),
		  "p.yaml:5:58: scale is 31, allowed is 0...30", NULL },
		{ FIELD("{type: int, unit: s}"), "p.yaml:5:47: \"unit\" is for type timestamp",
		  NULL },
		{ FIELD("{type: timestamp, unit: h}"), "p.yaml:5:59: unknown unit \"h\"",
		  "Known here: s, ms, us, ns." },
		{ FIELD("{type: int, omit: nul}"), "p.yaml:5:53: unknown omit \"nul\"",
		  "Did you mean \"null\"?" },
		{ FIELD("{type: int, fields: {a: int}}"),
		  "p.yaml:5:47: \"fields\" is for objects and messages", NULL },
		{ FIELD("{type: object}"),
		  "p.yaml:5:32: the field \"f\" is of type object and has no fields", NULL },
		{ FIELD("\"map<int,string>\""),
		  "p.yaml:5:40: the keys of a map cannot be of type int", NULL },
		{ FIELD("\"map<string>\""), "p.yaml:5:35: a map is written map<KEY,TYPE>",
		  NULL },
		{ FIELD("\"map<bool,string>\""),
		  "p.yaml:5:40: the keys of a map in a json value are strings", NULL },
		{ FIELD("\"repeated repeated int\""),
		  "p.yaml:5:45: unknown type \"repeated int\" for a json value", NULL },
		{ FIELD("{type: repeated int, default: 1}"),
		  "p.yaml:5:56: \"default\" is for single values", NULL },
		{ FIELD("{type: int, from: \"\"}"), "p.yaml:5:53: from is empty", "\"const\"" },
		{ PBFIELD("{type: int32}"), "p.yaml:5:36: the field \"f\" has no tag", NULL },
		{ PBFIELD("{tag: 0, type: int32}"),
		  "p.yaml:5:45: tag is 0, allowed is 1...536870911", NULL },
		{ PBFIELD("{tag: 19001, type: int32}"),
		  "p.yaml:5:45: the tags 19000...19999 are protobuf's own", NULL },
		{ PBFIELD("{tag: 1, type: int32, omit: never}"),
		  "p.yaml:5:61: \"omit\" is not accepted here: proto3 decides", NULL },
		{ PBFIELD("{tag: 1, type: int32}, g: {tag: 1, type: int32}"),
		  "p.yaml:5:62: the fields \"f\" and \"g\" have the same tag", NULL },
		{ PBFIELD("{tag: 1, type: \"map<double,int32>\"}"),
		  "p.yaml:5:59: the keys of a map cannot be of type double", NULL },
		{ PBFIELD("{tag: 1, type: int32, default: 2147483648}"),
		  "p.yaml:5:36: bad \"default\": record r, field \"f\": out of the range of "
		  "int32",
		  NULL },
	};
	size_t i;

	(void)state;
	wrong = 0;
	for (i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		expect(&list[i], 0);
	assert_int_equal(wrong, 0);
}

static void scalars_mean_what_the_schema_says(void **state)
{
	struct definition d;

	(void)state;
	definition_open(
		&d,
		HEAD "records: {on: {table: 1e3, entries: [{partition: yes, key: 0x10, value: "
		     "null}]}}\nvalues: {null: {encoding: raw, from: off}}\n",
		"a");
	assert_string_equal(kvf_formats_application(d.formats)->packages[0]->records[0].name,
			    "on");
	assert_string_equal(kvf_formats_application(d.formats)->packages[0]->records[0].table,
			    "1e3");
	assert_int_equal(definition_row(&d, &NUL, 1), KVF_OK);
	assert_string_equal(definition_text(&d), "yes | 0x10 | off\n");
	definition_close(&d);
}

static void the_schema_follows_from_the_version_record(void **state)
{
	const struct kvf_application *app;
	struct definition d;

	(void)state;
	assert_int_equal(definition_load_both(
				 &d,
				 "application: a\npackages: [p]\nsource: {version: SELECT 1, "
				 "requires: 38}\nstore: {version: {partition: m, key: k, "
				 "started: \"0\", done: \"3\"}}\ndrop: [x, y]\n",
				 KEY("k")),
			 KVF_OK);
	app = kvf_formats_application(d.formats);
	assert_int_equal(app->schema, 3);
	assert_int_equal(app->source_requires, 38);
	assert_string_equal(app->source_version, "SELECT 1");
	assert_int_equal(app->ndrop, 2);
	assert_string_equal(app->drop[1].name, "y");
	assert_int_equal(app->drop[1].kind, KVF_DROP_TABLE);
	assert_int_equal(app->drop[1].part, KVF_DROP_LEGACY);
	assert_memory_equal(app->version_started.ptr, "0", 1);
	definition_close(&d);
}

static void what_is_to_be_dropped_comes_by_kind(void **state)
{
	static const struct kvf_drop want[] = {
		{ "v", KVF_DROP_VIEW, KVF_DROP_LEFTOVER },
		{ "t", KVF_DROP_TABLE, KVF_DROP_LEGACY },
		{ "old", KVF_DROP_TABLE, KVF_DROP_LEFTOVER },
		{ "m", KVF_DROP_TABLE, KVF_DROP_VERSION_TABLE },
		{ "s", KVF_DROP_SEQUENCE, KVF_DROP_LEFTOVER },
		{ "t", KVF_DROP_FUNCTION, KVF_DROP_LEGACY },
		{ "f", KVF_DROP_FUNCTION, KVF_DROP_LEFTOVER },
		{ "y", KVF_DROP_TYPE, KVF_DROP_LEGACY },
	};
	const struct kvf_application *app;
	struct definition d;
	size_t i;

	(void)state;
	assert_int_equal(
		definition_load_both(&d,
				     "application: a\npackages: [p]\nstore: {schema: 1}\n"
				     "drop:\n  types: [y]\n  functions: [t]\n  tables: [t]\n  "
				     "version_table: m\n"
				     "  leftovers: {functions: [f], sequences: [s], tables: "
				     "[old], views: [v]}\n",
				     KEY("k")),
		KVF_OK);
	app = kvf_formats_application(d.formats);
	assert_int_equal(app->ndrop, sizeof(want) / sizeof(want[0]));
	for (i = 0; i < app->ndrop; i++) {
		assert_string_equal(app->drop[i].name, want[i].name);
		assert_int_equal(app->drop[i].kind, want[i].kind);
		assert_int_equal(app->drop[i].part, want[i].part);
	}
	definition_close(&d);
}

static void a_column_that_is_not_there_is_placed(void **state)
{
	struct definition d;

	(void)state;
	assert_int_equal(definition_load(&d, KEY("\"x/{naem|lower}\"")), KVF_OK);
	assert_int_equal(definition_bind(&d, "id name"), KVF_EDEFINITION);
	assert_string_equal(d.err.message,
			    "p.yaml:6:48: the row of record r has no column \"naem\"");
	assert_string_equal(d.err.hint, "Did you mean \"name\"?");
	definition_close(&d);

	assert_int_equal(
		definition_load(&d, RECORD("    query: S\n    entries: [{partition: x, "
					   "value: v, key: \"{a}\"}]\n")),
		KVF_OK);
	assert_int_equal(definition_bind(&d, "a b a"), KVF_EDEFINITION);
	assert_string_equal(d.err.message,
			    "p.yaml:6:46: the query of record r yields the column \"a\" twice");
	definition_close(&d);
}

static void digest_of(const char *package, uint8_t digest[32])
{
	struct definition d;

	if (definition_load(&d, package))
		fail_msg("%s", d.err.message);
	kvf_formats_digest(d.formats, digest);
	definition_close(&d);
}

static void the_digest_is_of_the_meaning(void **state)
{
	static const char *const same[] = {
		"# a comment\nversion: 1\nvalues: {v: {from: x, encoding: raw}}\npackage: p\n"
		"records:\n  r:\n    entries:\n    - key: '{a|uuid5:dns}'\n      partition: x\n"
		"      value: v\n    table: t\n",
		KEY("\"{a|uuid5:6BA7B8109DAD11D180B400C04FD430C8}\""),
	};
	static const char *const other[] = {
		KEY("\"{a|uuid5:url}\""),
		KEY("\"{a?|uuid5:dns}\""),
		KEY("\"{b|uuid5:dns}\""),
		KEY("\"{a|uuid5:dns}/\""),
		RECORD("    table: t\n    ordered: true\n    entries: [{partition: x, value: "
		       "v, "
		       "key: \"{a|uuid5:dns}\"}]\n"),
	};
	uint8_t first[32], next[32];
	size_t i;

	(void)state;
	digest_of(KEY("\"{a|uuid5:dns}\""), first);
	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		digest_of(same[i], next);
		assert_memory_equal(first, next, 32);
	}
	for (i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		digest_of(other[i], next);
		assert_memory_not_equal(first, next, 32);
	}
}

static void a_folder_without_definitions_says_so(void **state)
{
	struct kvf_formats *f;
	struct kvf_err err;

	(void)state;
	assert_int_equal(kvf_formats_load("/nonexistent", &f, &err), KVF_EDEFINITION);
	assert_string_equal(
		err.message,
		"cannot open /nonexistent/application.yaml: No such file or directory");
	assert_non_null(strstr(err.hint, "kvferry init"));
	assert_null(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mistake_in_an_application_is_placed),
		cmocka_unit_test(yaml_beyond_the_subset_is_refused),
		cmocka_unit_test(every_mistake_in_a_record_is_placed),
		cmocka_unit_test(every_mistake_in_a_value_is_placed),
		cmocka_unit_test(scalars_mean_what_the_schema_says),
		cmocka_unit_test(the_schema_follows_from_the_version_record),
		cmocka_unit_test(what_is_to_be_dropped_comes_by_kind),
		cmocka_unit_test(a_column_that_is_not_there_is_placed),
		cmocka_unit_test(the_digest_is_of_the_meaning),
		cmocka_unit_test(a_folder_without_definitions_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
