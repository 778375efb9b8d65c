# --events: every line is of docs/events.schema.json, in order, without a secret; what
# cannot be written is said once and changes nothing.
. "$TOP/tests/support/integration.sh"
legacy a.db 30000
valid() { /usr/bin/python3 "$TOP/tests/support/schema.py" "$TOP/docs/events.schema.json" "$1" >x 2>&1 || { cat x; die "$1 is not of the schema"; }; }
events() { jq -r .event "$1" | uniq | tr '\n' ' '; }
last() { tail -1 "$1" | jq -r "$2"; }

# The validator can fail.
for bad in '{"v":1}' '{"v":1,"seq":0,"time":"2026-11-20T09:41:17.123456Z","event":"commit","run":null}' \
    '{"v":1,"seq":0,"time":"yesterday","event":"note","run":null,"message":""}' \
    '{"v":1,"seq":0,"time":"2026-11-20T09:41:17.123456Z","event":"note","run":null,"message":7}'; do
    echo "$bad" >bad
    /usr/bin/python3 "$TOP/tests/support/schema.py" "$TOP/docs/events.schema.json" bad >x 2>&1 && die "valid: $bad"
done

expect 0 export --events e1 sqlite:a.db a.kvf
valid e1
[ "$(stat -c %a e1)" = 600 ] || die "mode $(stat -c %a e1)"
expect 0 import --events e2 -q a.kvf sqlite:s.db
valid e2
[ "$(events e2)" = "begin step-begin step-end step-begin step-end step-begin commit step-end outcome " ] || die "$(events e2)"
[ "$(jq -r 'select(.event == "step-begin").step' e2 | tr '\n' ' ')" = "load verify publish " ] || die "steps"
equal "$(last e2 .exit)" 0
equal "$(last e2 .published)" true
equal "$(jq -r 'select(.event == "commit").entries' e2)" 60005
equal "$(jq -s 'map(.seq) == [range(length)]' e2)" true
equal "$(jq -r .run e2 | tail -1)" "$("$K" history --json sqlite:s.db | jq -r '.result.runs[-1].run')"

# A failure, with what to do next; also of a command that never began to work.
head -c 3000 a.kvf >cut.kvf
expect 6 import --events e4 cut.kvf sqlite:t.db
valid e4
equal "$(last e4 .exit)" 6
equal "$(last e4 .status)" truncated
# A freeze, in place, by a descriptor; appended to what is there.
"$K" migrate --freeze --events fd:5 sqlite:a.db sqlite:a.db 5>e5 >out 2>err || die "fd:5"
valid e5
equal "$(jq -r 'select(.event == "freeze").tables' e5)" 4
cp e5 e6
expect 0 migrate --events e6 --replace sqlite:a.db sqlite:a.db
valid e6
equal "$(jq -s 'map(select(.event == "begin")) | length' e6)" 2
# No secret.
"$K" verify --events e7 'postgresql://me:s3cret@localhost:1/x' a.kvf >out 2>err
valid e7
grep -q s3cret e7 && die "a password in the events"
# Every verb.
expect 0 status --events e8 sqlite:s.db
valid e8
[ "$(events e8)" = "begin outcome " ] || die "$(events e8)"

# However a command ends, the last line says so: refused, unconfirmed, dry, up to date,
# interrupted.
ends() { # STATUS WORD ARGS...
    want=$1 word=$2; shift 2
    rm -f e9
    expect "$want" "$@" --events e9
    valid e9
    equal "$(jq -r .event e9 | head -1)" begin
    equal "$(jq -rs 'map(select(.event == "outcome")) | length' e9)" 1
    equal "$(last e9 '[.event, .exit, .status] | join(" ")')" "outcome $want $word"
}
cp s.db s2.db
ends 0 ok migrate -n sqlite:a.db sqlite:new.db
ends 6 truncated import cut.kvf sqlite:s2.db
ends 0 ok import a.kvf sqlite:s2.db
ends 2 usage rollback sqlite:s2.db
ends 0 ok abort sqlite:s2.db
ends 6 truncated verify cut.kvf sqlite:s2.db
ends 4 source status sqlite:/no/such/store.db
ends 9 ok status --exit-code sqlite:t.db
rm -f e9; "$K" migrate --events e9 --replace sqlite:a.db sqlite:s2.db >out 2>err & pid=$!
while ! grep -q step-begin e9 2>x; do sleep 0.01; done
kill -TERM "$pid"; wait "$pid"; got=$?
valid e9
equal "$(last e9 '[.event, .exit] | join(" ")')" "outcome $got"
case $got in 143|0) ;; *) die "SIGTERM: exit $got";; esac

# Not to be opened: nothing is done.
expect 5 import --events /no/such/folder/e a.kvf sqlite:u.db
[ -e u.db ] && die "a store was made"
expect 2 import --events fd:77 a.kvf sqlite:u.db
expect 2 import --events fd:x a.kvf sqlite:u.db
# Not to be written: said once, and the run is as good as any.
expect 0 import --events /dev/full a.kvf sqlite:u.db
equal "$(grep -c 'no more events are written' err)" 1
says 'No space left'
# A reader that goes away.
rm -f pipe; mkfifo pipe
head -1 pipe >first &
"$K" import --events fd:6 a.kvf sqlite:v.db 6>pipe >out 2>err || die "a broken pipe ended the run"
wait
valid first
says published
exit 0
