#!/bin/bash
# Kannel (Debian packages kannel, kannel-extras): bearerbox + smsbox.
# VARIANT: memory (no store, default) | file (one store file) | spool (a file per message);
#          with -dlrspool appended the receipts waited for are kept in files too, not in memory
. "$(dirname "$0")/lib.sh"
RUN=$BENCH_TMP/kannel; VARIANT=${VARIANT:-memory}
HTTP=21313
KANNEL_LOG_LEVEL=${KANNEL_LOG_LEVEL:-2}
KANNEL_WINDOW=${KANNEL_WINDOW:-1000}

conf() {
    mkdir -p "$RUN/spool"
    local store="" dlr="dlr-storage = internal"
    case $VARIANT in
        *-dlrspool) mkdir -p "$RUN/dlr"; dlr="dlr-storage = spool
dlr-spool = \"$RUN/dlr\"" ;;
    esac
    case ${VARIANT%-dlrspool} in
        memory) ;;
        file) store="store-type = file
store-location = \"$RUN/kannel.store\"" ;;
        spool) store="store-type = spool
store-location = \"$RUN/spool\"" ;;
        *) die "unknown variant $VARIANT" ;;
    esac
    cat >"$RUN/kannel.conf" <<C
group = core
admin-port = 21300
admin-interface = 127.0.0.1
admin-password = bench
status-password = bench
admin-deny-ip = "*.*.*.*"
admin-allow-ip = "127.0.0.1"
smsbox-port = 21301
box-deny-ip = "*.*.*.*"
box-allow-ip = "127.0.0.1"
log-file = "$RUN/bearerbox.log"
log-level = $KANNEL_LOG_LEVEL
$dlr
smsbox-max-pending = 5000
sms-resend-freq = 5
$store

group = smsc
smsc = smpp
smsc-id = sink
host = 127.0.0.1
port = $SMSC_PORT
transceiver-mode = true
smsc-username = bench
smsc-password = bench
system-type = ""
max-pending-submits = $KANNEL_WINDOW
enquire-link-interval = 30
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = $HTTP
sendsms-interface = 127.0.0.1
log-file = "$RUN/smsbox.log"
log-level = $KANNEL_LOG_LEVEL
max-pending-requests = 1000
http-request-retry = 3
http-queue-delay = 1

group = sendsms-user
username = bench
password = bench
max-messages = 3
concatenation = true

group = sms-service
keyword = default
text = ""
omit-empty = true
C
}

boot() {
    spawn bearerbox bearerbox "$RUN/kannel.conf"
    wait_port 21301 10 || die "bearerbox did not start"
    spawn smsbox smsbox "$RUN/kannel.conf"
    wait_port $HTTP 10 || die "smsbox did not start"
    sleep 1
}

case ${1:-} in
setup) packaged kannel; packaged kannel-extras ;;
info)
    v=$(dpkg-query -W -f '${Version}' kannel)
    cat <<J
{"name": "kannel", "variant": "$VARIANT", "version": "kannel $v",
 "port": $HTTP, "method": "GET", "expect": "0: Accepted|3: Queued",
 "path": "/cgi-bin/sendsms?username=bench&password=bench&from=bench&to={to}&text={ubody}",
 "path_dlr": "/cgi-bin/sendsms?username=bench&password=bench&from=bench&to={to}&text={ubody}&dlr-mask=3&dlr-url=http%3A%2F%2F127.0.0.1%3A$CB_PORT%2Fdlr%3Fseq%3D{seq}%26s%3D%25d",
 "bulk": [100]}
J
    ;;
start)
    rm -rf "$RUN"; mkdir -p "$RUN"; conf; boot ;;
restart) boot ;;
stop)
    stop_pid smsbox TERM 10; stop_pid bearerbox TERM 15 ;;
pids) live_pids bearerbox smsbox ;;
corepids) live_pids bearerbox smsbox ;;
kill9)
    for p in $(live_pids bearerbox smsbox); do kill -KILL "$p"; done
    rm -f "$RUN"/bearerbox.pid "$RUN"/smsbox.pid ;;
*) die "usage: $0 setup|info|start|stop|pids|corepids|kill9|restart" ;;
esac
