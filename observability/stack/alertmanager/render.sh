#!/bin/sh
# Alertmanager reads no settings, so this writes its configuration from them, and then starts it:
#
#   render.sh FOLDER SMTP_HOST:PORT [COMMAND…]
#
# FOLDER gets alertmanager.yml, the templates, and a file with each secret. A line of alertmanager.yml that begins with
# #name counts if the setting below of that name is present; no secret is written into YAML. Each secret may come from the
# file that NAME_FILE names; a device, such as /dev/null, counts as unset. A bad setting ends it with exit code 2.
# Needs a POSIX shell and busybox. tests/integration/stack/test_receivers.py
set -euf
umask 077

folder=$1 smtp=$2 here=$(dirname "$0")
shift 2
problems='' names=''

refuse() {
  problems="$problems
  $1: expected $2"
}

# Set `value` to that of a setting without spaces at its ends; empty if it is unset.
read_setting() {
  eval "value=\${$1:-} file=\${$1_FILE:-}"
  if [ -n "$file" ] && [ ! -c "$file" ]; then
    value=$(cat "$file" 2>/dev/null) || { value='' && refuse "$1_FILE" 'a file that this user can read'; return; }
    [ -n "$value" ] || refuse "$1_FILE" 'a file with a value in it'
  fi
  value=$(printf %s "$value" | sed 's/^[[:space:]]*//; s/[[:space:]]*$//')
}

# Set `plain` to `value` if it has only characters that are printed, and no space; else to nothing.
check_plain() {
  plain=$(printf %s "$value" | tr -d '[:space:][:cntrl:]')
  [ "$plain" = "$value" ] || plain=''
}

is_url() {
  check_plain
  case $plain in http://[!/]* | https://[!/]*) ;; *) return 1 ;; esac
}

# use NAME SETTING: turn the lines of NAME on, and write the secret to the file NAME.
use() {
  names="$names $1"
  printf %s "$value" >"$folder/$1"
}

mkdir -p "$folder/templates"
for name in webhook slack pagerduty deadmansswitch; do rm -f "$folder/$name"; done

read_setting ALERT_WEBHOOK_URL
if [ -n "$value" ]; then
  is_url && use webhook || refuse ALERT_WEBHOOK_URL 'an http or https URL'
fi
read_setting ALERT_SLACK_WEBHOOK_URL
slack=$value
if [ -n "$value" ]; then
  is_url && use slack || refuse ALERT_SLACK_WEBHOOK_URL 'the https URL of an incoming webhook'
fi
read_setting ALERT_SLACK_CHANNEL
channel=$value
if [ -n "$channel" ]; then
  names="$names channel"
  case $channel in
    *[!A-Za-z0-9_.#@-]*) refuse ALERT_SLACK_CHANNEL 'a channel such as #alerts, or the ID of one' ;;
  esac
  [ -n "$slack" ] || refuse ALERT_SLACK_WEBHOOK_URL 'a URL, since ALERT_SLACK_CHANNEL is set'
fi
read_setting ALERT_PAGERDUTY_ROUTING_KEY
if [ -n "$value" ]; then
  case $value in
    *[!A-Za-z0-9]*) refuse ALERT_PAGERDUTY_ROUTING_KEY 'an integration key of 32 letters and digits' ;;
    ????????????????????????????????) use pagerduty ;;
    *) refuse ALERT_PAGERDUTY_ROUTING_KEY 'an integration key of 32 letters and digits' ;;
  esac
fi
read_setting ALERT_DEADMANSSWITCH_URL
if [ -n "$value" ]; then
  is_url && use deadmansswitch || refuse ALERT_DEADMANSSWITCH_URL 'an http or https URL'
fi
read_setting SIGHTLINE_URL
if [ -n "$value" ]; then
  is_url || plain=''
  case $plain in '' | */) refuse SIGHTLINE_URL 'an http or https URL without a slash at its end' ;; esac
fi

if [ -n "$problems" ]; then
  echo "bad settings:$problems" >&2
  exit 2
fi

quoted=$(printf %s "$folder" | sed "s/'/''/g; s/[\\\\&|]/\\\\&/g")
script="s|@folder@|$quoted|g; s|mailpit:1025|$smtp|; s|@channel@|$channel|"
for name in $names; do script="$script; s/^\\( *\\)#$name /\\1/"; done
cp "$here"/templates/sightline.tmpl "$folder/templates/"
sed "$script; /^ *#[a-z][a-z]* /d" "$here/alertmanager.yml" >"$folder/alertmanager.yml.new"
mv "$folder/alertmanager.yml.new" "$folder/alertmanager.yml"
[ $# -eq 0 ] || exec "$@"
