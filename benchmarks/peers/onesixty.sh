#!/bin/bash
# Onesixty as a user starts it: `onesixty serve` with its embedded PostgreSQL, whose CPU and memory count too.
# VARIANT: a name, each with its own data; a number is also that of its processes, and of the binds of each carrier. `end` stops it like `stop` and keeps the data, for `restart`.
# Peers ask for a receipt with each message, Onesixty with each carrier: senders "bench" and "receipts" take two carriers.
. "$(dirname "$0")/lib.sh"
RUN=$BENCH_TMP/onesixty${VARIANT:+-$VARIANT}; DATA=$RUN/data
export HTTP=${HTTP_PORT:-21160}
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
BIN=$ROOT/.venv/bin
case $VARIANT in [1-9]|[1-9][0-9]) PROCESSES=$VARIANT ;; *) PROCESSES=1 ;; esac
export ONESIXTY_BOOTSTRAP_KEY=os_live_benchbenchbenchbench ONESIXTY_ALLOW_PRIVATE_URLS=true ONESIXTY_LOG_LEVEL=warning

boot() {
    spawn server "$BIN/onesixty" serve --port $HTTP --data-dir "$DATA" --processes $PROCESSES
    for _ in $(seq 600); do
        api GET /readyz >/dev/null 2>&1 && return
        kill -0 "$(cat "$RUN/server.pid")" 2>/dev/null || break
        sleep 0.1
    done
    tail -5 "$RUN/server.out" >&2
    die "onesixty did not start"
}

# api METHOD PATH [JSON]
api() {
    "$BIN/python" - "$@" <<'P'
import os, sys
from http.client import HTTPConnection
connection = HTTPConnection("127.0.0.1", int(os.environ["HTTP"]), timeout=10)
connection.request(*sys.argv[1:], headers={"Authorization": "Bearer os_live_benchbenchbenchbench"})
answer = connection.getresponse()
print(answer.status, answer.read().decode())
sys.exit(answer.status >= 300)
P
}

provision() {
    local name smpp="\"host\": \"127.0.0.1\", \"port\": $SMSC_PORT, \"system_id\": \"bench\", \"password\": \"bench\", \"window\": 1000, \"binds\": $PROCESSES"
    api POST /v1/carriers "{\"name\": \"bench\", \"kind\": \"smpp\", \"settings\": {$smpp, \"receipts\": false}}" &&
    api POST /v1/carriers "{\"name\": \"receipts\", \"kind\": \"smpp\", \"settings\": {$smpp, \"receipts\": true}}" &&
    for name in bench receipts; do
        api POST /v1/routes "{\"name\": \"$name\", \"match\": {\"sender\": \"$name\"}, \"carriers\": [{\"carrier\": \"$name\"}]}" || return
    done
    api POST /v1/webhooks "{\"url\": \"http://127.0.0.1:$CB_PORT/dlr\", \"events\": [\"message.delivered\"]}"
}

# The data may live elsewhere than in $DATA, when PostgreSQL's user cannot reach that.
discard() {
    [ ! -d "$DATA" ] || "$BIN/python" - "$DATA" <<'P'
import sys
from pathlib import Path
from onesixty.storage import embedded
embedded.discard(embedded.start(Path(sys.argv[1])))
P
    rm -rf "$DATA"
}

# The server and its workers.
served() {
    local p
    for p in $(live_pids server); do echo "$p"; ps -o pid= --ppid "$p"; done
}

postmaster() {
    local folder=$DATA
    [ ! -f "$DATA/postgres.location" ] || folder=$(head -1 "$DATA/postgres.location")
    head -1 "$folder/postgres/postmaster.pid" 2>/dev/null
}

case ${1:-} in
setup) [ -x "$BIN/onesixty" ] || make -C "$ROOT" .venv/.synced >&2 ;;
info)
    cat <<J
{"name": "onesixty", "variant": "$VARIANT", "version": "$("$BIN/onesixty" --version), $("$BIN/python" -V)",
 "port": $HTTP, "method": "POST", "headers": ["Authorization: Bearer $ONESIXTY_BOOTSTRAP_KEY"],
 "path": "/v1/messages", "data": "{\"from\":\"bench\",\"to\":\"+{to}\",\"body\":\"{body}\"}",
 "path_dlr": "/v1/messages", "data_dlr": "{\"from\":\"receipts\",\"to\":\"+{to}\",\"body\":\"{body}\"}",
 "bulk": [100, 1000], "path_bulk": "/v1/messages/batch",
 "data_bulk": "{\"from\":\"bench\",\"body\":\"{body}\",\"recipients\":[{tos}]}"}
J
    ;;
start)
    discard; rm -rf "$RUN"; mkdir -p "$RUN"; boot
    provision >"$RUN/provision.out" 2>&1 || { cat "$RUN/provision.out" >&2; die "it could not be set up"; } ;;
restart) boot ;;
stop) stop_pid server TERM 40; discard ;;
end) stop_pid server TERM 40 ;;
pids) served; postmaster ;;
corepids) served ;;
kill9) for p in $(served); do kill -KILL "$p"; done; rm -f "$RUN/server.pid" ;;
*) die "usage: $0 setup|info|start|stop|end|pids|corepids|kill9|restart" ;;
esac
