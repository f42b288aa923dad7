#!/bin/sh
# Installs the peers that Debian has: Kannel with its test programs, and tshark. As root, on Debian
# or Ubuntu; anywhere else it says so, and the tests that need them are skipped.
set -eu
missing=""
for package in kannel kannel-extras tshark; do
    dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "missing:$missing (only root can install them, on Debian or Ubuntu)" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
# Kannel would start itself as a service.
policy=/usr/sbin/policy-rc.d
[ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod 755 "$policy"; trap 'rm -f "$policy"' EXIT; }
# shellcheck disable=SC2086 # one word each
apt-get install -y --no-install-recommends $missing >/dev/null 2>&1 ||
    { apt-get update >/dev/null && apt-get install -y --no-install-recommends $missing >/dev/null; }
