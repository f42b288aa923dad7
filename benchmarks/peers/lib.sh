# Shared by the gateway drivers.  A driver is a shell script that answers
#   setup | info | start | stop | pids | corepids | kill9 | restart
# They get BENCH_TMP, the one folder they write to, SMSC_PORT and CB_PORT of the sinks, and VARIANT.
set -u
BENCH_TMP=${BENCH_TMP:-${TMPDIR:-/tmp}/onesixty-bench}
SMSC_PORT=${SMSC_PORT:-21775}
CB_PORT=${CB_PORT:-21780}
VARIANT=${VARIANT:-}

die() { echo "$*" >&2; exit 1; }

# packaged NAME   installs a Debian package where it is missing; what apt says goes to standard error
packaged() {
    dpkg -s "$1" >/dev/null 2>&1 && return 0
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "$1 is missing: apt-get install $1, or run this as root on Debian or Ubuntu"
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$1" >&2 ||
        { apt-get update >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$1" >&2; } ||
        die "$1 could not be installed"
}

# wait_port PORT SECONDS
wait_port() {
    local i
    for i in $(seq 1 $(( $2 * 10 ))); do
        (exec 3<>/dev/tcp/127.0.0.1/$1) 2>/dev/null && return 0
        sleep 0.1
    done
    return 1
}

# spawn NAME CMD...   runs CMD in the background, its pid in $RUN/NAME.pid
spawn() {
    local name=$1; shift
    setsid "$@" >>"$RUN/$name.out" 2>&1 </dev/null &
    echo $! >"$RUN/$name.pid"
}

# stop_pid NAME [SIGNAL] [SECONDS]   by pid only; KILL when it does not end in time
stop_pid() {
    local f="$RUN/$1.pid" p i
    [ -f "$f" ] || return 0
    p=$(cat "$f")
    kill -"${2:-TERM}" "$p" 2>/dev/null
    for i in $(seq 1 $(( ${3:-10} * 10 ))); do
        kill -0 "$p" 2>/dev/null || { rm -f "$f"; return 0; }
        sleep 0.1
    done
    kill -KILL "$p" 2>/dev/null; sleep 0.2; rm -f "$f"
}

live_pids() {
    local n
    for n in "$@"; do
        [ -f "$RUN/$n.pid" ] && kill -0 "$(cat "$RUN/$n.pid")" 2>/dev/null && cat "$RUN/$n.pid"
    done
    return 0
}
