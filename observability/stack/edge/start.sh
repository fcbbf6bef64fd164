#!/bin/sh
# Writes what nginx cannot read by itself, its name server and the trusted hosts, then starts it.
# Usage: start.sh FOLDER PROGRAM [ARGUMENT]...
# Reads TRUSTED_HOSTS (public host names, separated by commas; .shop.example includes all names below it, * is any) and
# SIGHTLINE_URL, whose host is trusted too. Exit code 2: a bad name.
set -eu
folder=$1
shift
mkdir -p "$folder"

# nginx does not read resolv.conf; the name server is 127.0.0.11 in Docker, another one in Podman.
awk '$1 == "nameserver" { print ($2 ~ /:/) ? "[" $2 "]" : $2; exit }' "${RESOLV_CONF:-/etc/resolv.conf}" |
  sed 's/.*/resolver & valid=2s ipv6=off;/' >"$folder/resolver.conf"

own=${SIGHTLINE_URL:-}
own=$(printf '%s' "${own#*://}" | sed 's#/.*##; s#:[0-9]*$##')
printf 'localhost,127.0.0.1,[::1],%s,%s' "$own" "${TRUSTED_HOSTS:-}" | tr 'A-Z,' 'a-z\n' | awk '
  { gsub(/^[ \t]+|[ \t]+$/, "") }
  $0 == "" || seen[$0]++ { next }
  $0 == "*" { print "~^ 1;"; next }
  /^[.]?[a-z0-9_-]+([.][a-z0-9_-]+)*$/ || /^\[[0-9a-f:.]+\]$/ { print "\"" $0 "\" 1;"; next }
  { print "TRUSTED_HOSTS: expected host names without ports, separated by commas, or *; found " $0 >"/dev/stderr"; exit 2 }
' >"$folder/hosts.conf"
exec "$@"
