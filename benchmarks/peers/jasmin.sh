#!/bin/bash
# Jasmin SMS Gateway (PyPI jasmin) with RabbitMQ and Redis, all on 127.0.0.1.
# 0.11.0, not 0.11.1: there every receipt is lost.  Python 3.9 to 3.11 work as they are.
# VARIANT: conn1 (one SMPP connector, default) | conn4 (four connectors, random round-robin route)
. "$(dirname "$0")/lib.sh"
RUN=$BENCH_TMP/jasmin; VARIANT=${VARIANT:-conn1}
VENV=${JASMIN_VENV:-$BENCH_TMP/jasmin-venv}
JASMIN_VERSION=${JASMIN_VERSION:-0.11.0}
PY=${JASMIN_PYTHON:-python3.11}
JASMIN_LOG=${JASMIN_LOG:-WARNING}
HTTP=21401; JCLI=21490; PB=21494; AMQP=21572; REDIS=21679; EPMD=21469
export ROOT_PATH=$RUN CONFIG_PATH=$RUN/etc RESOURCE_PATH=$RUN/etc/resource LOG_PATH=$RUN/log

res_spec() { echo "$RUN/etc/resource/amqp0-9-1.xml"; }

conf() {
    mkdir -p "$RUN/etc/resource" "$RUN/etc/store" "$RUN/store" "$RUN/log" "$RUN/rabbit" "$RUN/redis"
    cp "$VENV/share/amqp0-9-1.xml" "$(res_spec)"
    local s
    {
        for s in smpp-server smpp-server-pb client-management http-api router jcli; do
            printf '[%s]\nbind = 127.0.0.1\nlog_level = %s\n' $s "$JASMIN_LOG"
            case $s in
                smpp-server) echo "port = 21475" ;;
                smpp-server-pb) echo "port = $PB" ;;
                client-management) echo "port = 21489
store_path = $RUN/store" ;;
                router) echo "port = 21488
store_path = $RUN/store" ;;
                http-api) echo "port = $HTTP
access_log = $RUN/log/http-access.log" ;;
                jcli) echo "port = $JCLI" ;;
            esac
            echo
        done
        for s in service-smppclient smpp-client deliversm-thrower; do
            printf '[%s]\nlog_level = %s\n\n' $s "$JASMIN_LOG"
        done
        cat <<C
[sm-listener]
log_level = $JASMIN_LOG
submit_retrial_delay_smppc_not_ready = 2

C
        common
    } >"$RUN/etc/jasmin.cfg"
    { echo "[dlr-thrower]
log_level = $JASMIN_LOG
http_timeout = 30
retry_delay = 30
max_retries = 3
"; common; } >"$RUN/etc/dlr.cfg"
    { common; } >"$RUN/etc/dlrlookupd.cfg"
}
common() {
    cat <<C
[dlr]
pid = bench
log_level = $JASMIN_LOG
log_file = $RUN/log/messages.log
dlr_lookup_retry_delay = 2
dlr_lookup_max_retries = 10

[amqp-broker]
host = 127.0.0.1
port = $AMQP
log_level = $JASMIN_LOG
spec = $(res_spec)
connection_loss_retry_delay = 2
connection_failure_retry_delay = 2

[redis-client]
host = 127.0.0.1
port = $REDIS
log_level = $JASMIN_LOG

[smpp-server-pb-client]
host = 127.0.0.1
port = $PB
C
}

brokers() {
    spawn epmd env ERL_EPMD_PORT=$EPMD epmd -address 127.0.0.1 -port $EPMD
    spawn redis redis-server --bind 127.0.0.1 --port $REDIS --dir "$RUN/redis" --save "" --appendonly no
    cat >"$RUN/rabbit/rabbitmq.conf" <<C
listeners.tcp.1 = 127.0.0.1:$AMQP
loopback_users = none
C
    export ERL_EPMD_PORT=$EPMD ERL_EPMD_ADDRESS=127.0.0.1 HOME=$RUN/rabbit
    export RABBITMQ_NODENAME=bench@localhost RABBITMQ_MNESIA_BASE=$RUN/rabbit/mnesia RABBITMQ_LOG_BASE=$RUN/rabbit/log
    export RABBITMQ_CONFIG_FILE=$RUN/rabbit/rabbitmq.conf RABBITMQ_ENABLED_PLUGINS_FILE=$RUN/rabbit/plugins
    export RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT=$AMQP RABBITMQ_DIST_PORT=21573
    export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}"
    spawn rabbit /usr/lib/rabbitmq/bin/rabbitmq-server
    wait_port $REDIS 10 || die "redis did not start"
    wait_port $AMQP 60 || die "rabbitmq did not start"
    sleep 1
}

core() {
    spawn jasmind "$VENV/bin/python" "$VENV/bin/jasmind.py" -c "$RUN/etc/jasmin.cfg" -u jcliadmin -p jclipwd
    wait_port $HTTP 30 || die "jasmind did not start"
    spawn dlrlookupd "$VENV/bin/python" "$VENV/bin/dlrlookupd.py" -c "$RUN/etc/dlrlookupd.cfg"
    spawn dlrd "$VENV/bin/python" "$VENV/bin/dlrd.py" -c "$RUN/etc/dlr.cfg"
    wait_port $JCLI 15 || die "jcli did not start"
    sleep 2
}

provision() {
    "$VENV/bin/python" - "$SMSC_PORT" "$VARIANT" "$JCLI" <<'P'
import socket, sys, time
port, variant, jcli = sys.argv[1:4]
n = int(variant[4:] or 1)   # conn1, conn4
s = socket.create_connection(("127.0.0.1", int(jcli))); s.settimeout(10)
def until(*ends):
    b = b""
    while not any(b.rstrip().endswith(e) for e in ends):
        d = s.recv(4096)
        if not d: break
        b += d
    return b.decode(errors="replace")
def cmd(line, *ends):
    s.sendall(line.encode() + b"\r\n")
    r = until(*(ends or (b"jcli :", b">")))
    print(r, end=""); return r
until(b"required."); cmd("jcliadmin", b"Password:"); cmd("jclipwd", b"jcli :")
def block(head, *lines):
    cmd(head)
    for l in lines: cmd(l)
    r = cmd("ok")
    assert "Success" in r, r
block("group -a", "gid bench")
block("user -a", "username bench", "password bench", "gid bench", "uid bench")
for i in range(n):
    block("smppccm -a", "cid sink%d" % i, "host 127.0.0.1", "port " + port, "username bench", "password bench",
          "bind transceiver", "submit_throughput 0", "con_loss_delay 1", "con_fail_delay 1", "requeue_delay 2",
          "con_loss_retry yes", "con_fail_retry yes")
    cmd("smppccm -1 sink%d" % i)
if n == 1:
    block("mtrouter -a", "type defaultroute", "connector smppc(sink0)", "rate 0.0")
else:
    block("filter -a", "type transparentfilter", "fid all")
    block("mtrouter -a", "type randomroundrobinmtroute", "order 10", "filters all",
          "connectors " + ";".join("smppc(sink%d)" % i for i in range(n)), "rate 0.0")
cmd("persist", b"jcli :"); s.sendall(b"quit\r\n")
P
}

# Jasmin locks itself with files at fixed places in /tmp; after kill -9 they stay and it will not start again
# ("Lock not acquired ! exiting") until someone removes them.
unlock() {
    local l
    for l in jasmind dlrd-master dlrlookupd-master; do
        [ -f /tmp/$l.lock ] && find /tmp -maxdepth 1 -samefile /tmp/$l.lock -delete
    done
    return 0
}

case ${1:-} in
setup)
    for p in rabbitmq-server redis-server; do packaged $p; done
    command -v "$PY" >/dev/null || die "Jasmin needs Python 3.9 to 3.11: JASMIN_PYTHON=/path/to/python3.11"
    [ -x "$VENV/bin/jasmind.py" ] || { "$PY" -m venv "$VENV" && "$VENV/bin/pip" install -q "jasmin==$JASMIN_VERSION" ${JASMIN_EXTRA_PIP:-}; }
    # the AMQP spec file is in Jasmin's source distribution, not in what pip installs
    if [ ! -f "$VENV/share/amqp0-9-1.xml" ]; then
        t=$(mktemp -d); mkdir -p "$VENV/share"
        "$VENV/bin/pip" download -q --no-deps --no-binary :all: -d "$t" "jasmin==$JASMIN_VERSION" 2>/dev/null
        tar -C "$t" -xzf "$t"/jasmin-*.tar.gz && cp "$t"/jasmin-*/misc/config/resource/amqp0-9-1.xml "$VENV/share/"
        rm -rf "$t"
    fi ;;
info)
    r=$(dpkg-query -W -f '${Version}' rabbitmq-server); d=$(dpkg-query -W -f '${Version}' redis-server)
    cat <<J
{"name": "jasmin", "variant": "$VARIANT", "version": "jasmin $JASMIN_VERSION on $("$VENV/bin/python" -V 2>&1), rabbitmq $r, redis $d",
 "port": $HTTP, "method": "GET", "expect": "Success",
 "path": "/send?username=bench&password=bench&from=bench&to={to}&content={ubody}",
 "path_dlr": "/send?username=bench&password=bench&from=bench&to={to}&content={ubody}&dlr=yes&dlr-level=2&dlr-method=GET&dlr-url=http%3A%2F%2F127.0.0.1%3A$CB_PORT%2Fdlr%3Fseq%3D{seq}"}
J
    ;;
start)
    rm -rf "$RUN"; mkdir -p "$RUN"; conf; brokers; core
    provision >"$RUN/provision.out" 2>&1 || { tail -5 "$RUN/provision.out" >&2; die "provisioning failed"; }
    sleep 2 ;;
restart) core ;;
stop)
    stop_pid dlrd TERM 5; stop_pid dlrlookupd TERM 5; stop_pid jasmind TERM 10
    stop_pid rabbit TERM 20; stop_pid redis TERM 5; stop_pid epmd TERM 3 ;;
pids) live_pids jasmind dlrlookupd dlrd rabbit redis epmd ;;
corepids) live_pids jasmind dlrlookupd dlrd ;;
kill9)
    for p in $(live_pids jasmind dlrlookupd dlrd); do kill -KILL "$p"; done
    rm -f "$RUN"/jasmind.pid "$RUN"/dlrlookupd.pid "$RUN"/dlrd.pid
    sleep 0.3; unlock ;;
*) die "usage: $0 setup|info|start|stop|pids|corepids|kill9|restart" ;;
esac
