# Imports that stop, are stopped, meet and go on: a store in SQLite.
. "$TOP/tests/support/integration.sh"
. "$TOP/tests/support/resume.sh"
PLACE=sqlite:s.db

ask() {
    sqlite3 -cmd '.timeout 5000' s.db \
        "$(printf %s "$1" | sed -E 's/\b(control|progress|ledger)\b/kvferry_\1/g')"
}
live() { contents s.db; }
fresh() { rm -f s.db s.db-journal; }

resume_tests
