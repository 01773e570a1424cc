#!/usr/bin/env bash
# Installs from Debian the programs that the tests run on generated configurations and drawings: nginx, haproxy, nft, dot and others.
#
#   tools/install-native-checks.sh
#
# Exit status 0: every program is there, whether or not anything had to be installed. 1: some are missing, and
# it says why; the tests that need them are then skipped. No daemon is started. Needs root and apt-get, where
# something is missing.
set -euo pipefail

# Program (or file), package that brings it.
readonly wanted='
haproxy                                     haproxy
initdb                                      postgresql
ip                                          iproute2
keepalived                                  keepalived
mariadbd                                    mariadb-server
nft                                         nftables
nginx                                       nginx-light
rabbitmq-server                             rabbitmq-server
/usr/lib/nginx/modules/ngx_stream_module.so libnginx-mod-stream
prometheus                                  prometheus
amtool                                      prometheus-alertmanager
dot                                         graphviz
prometheus-blackbox-exporter                prometheus-blackbox-exporter
prometheus-mysqld-exporter                  prometheus-mysqld-exporter
prometheus-node-exporter                    prometheus-node-exporter
prometheus-postgres-exporter                prometheus-postgres-exporter
prometheus-redis-exporter                   prometheus-redis-exporter
redis-server                                redis-server
systemd-analyze                             systemd
unshare                                     util-linux
'
# sbin is on no ordinary user's path, and Debian keeps PostgreSQL's programs apart, by version.
for folder in /usr/local/sbin /usr/sbin /sbin /usr/lib/postgresql/*/bin; do
  PATH=$PATH:$folder
done

missing() {
  local program package
  while read -r program package; do
    [ -z "$program" ] || [ -e "$program" ] || command -v "$program" >/dev/null 2>&1 || echo "$package"
  done <<<"$wanted"
}

mapfile -t packages < <(missing)
[ ${#packages[@]} -gt 0 ] || exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "$0: needs root and apt-get to install ${packages[*]}; the tests that use them are skipped" >&2
  exit 1
fi

# A package that brings a daemon starts it, unless this program of Debian's policy says no.
readonly policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
install() {
  DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 timeout 600 \
    apt-get install --yes --quiet --no-install-recommends "${packages[@]}"
}
log=$(mktemp)
if ! install >"$log" 2>&1 && ! { timeout 300 apt-get update --quiet && install; } >"$log" 2>&1; then
  echo "$0: apt-get could not install ${packages[*]}; the tests that use them are skipped:" >&2
  tail -n 3 "$log" >&2
  rm -f "$log"
  exit 1
fi
rm -f "$log"
mapfile -t absent < <(missing)
if [ ${#absent[@]} -gt 0 ]; then
  echo "$0: ${absent[*]} installed, and still without its program" >&2
  exit 1
fi
echo "installed: ${packages[*]}"
