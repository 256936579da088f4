#!/usr/bin/env bash
# The broker Mosquitto on this machine, with a password that maskd gets; called by install.sh --with-broker.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=installation.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/installation.sh"

done=false
was_there=false

main() {
  if [ -e "$broker_settings" ]; then was_there=true; fi
  refuse_foreign_configuration
  trap finish EXIT
  install_mosquitto
  write_login
  write_settings
  systemctl --quiet enable mosquitto
  systemctl restart mosquitto || fail "Mosquitto does not start with $broker_settings; see journalctl -u mosquitto"
  restart_and_prove
  done=true
}

# An existing broker keeps its own rules.
refuse_foreign_configuration() {
  local file host
  for file in /etc/mosquitto/mosquitto.conf /etc/mosquitto/conf.d/*.conf; do
    if [ "$file" = "$broker_settings" ]; then continue; fi
    if grep -qsE '^[[:space:]]*(listener|port|password_file|allow_anonymous)\b' "$file"; then
      fail "Mosquitto already has a configuration in $file; add a login for maskd there, and put it into" \
        "$credentials/maskd.mqtt-username and $credentials/maskd.mqtt-password"
    fi
  done
  host=$(/opt/maskd/current/bin/python -c 'import sys, pathlib, edge.config.file
print(edge.config.file.load_config(pathlib.Path(sys.argv[1])).mqtt.host)' "$config")
  case $host in
    localhost | 127.0.0.1 | ::1) ;;
    *) fail "maskd connects to $host; for a broker on this machine set mqtt.host to localhost in $config" ;;
  esac
}

install_mosquitto() {
  local log
  if command -v mosquitto > /dev/null && command -v mosquitto_sub > /dev/null; then return; fi
  echo 'Installing mosquitto and mosquitto-clients with apt.'
  export DEBIAN_FRONTEND=noninteractive
  local install=(apt-get install -y -q --no-install-recommends mosquitto mosquitto-clients)
  "${install[@]}" > /dev/null 2>&1 && return
  log=$({ apt-get update -q && "${install[@]}"; } 2>&1) || {
    printf '%s\n' "$log" | tail -n 15 | sed 's/^/  | /' >&2
    fail 'apt could not install mosquitto; see its output above, and check the network'
  }
}

# One login, made once: for maskd in systemd's store, which only root reads, and hashed for Mosquitto.
write_login() {
  local password
  install -d -m 700 "$credentials"
  if [ ! -s "$credentials/maskd.mqtt-password" ] || [ ! -s "$credentials/maskd.mqtt-username" ]; then
    password=$(head -c 18 /dev/urandom | base64)
    (
      umask 077
      printf maskd > "$credentials/maskd.mqtt-username"
      printf %s "$password" > "$credentials/maskd.mqtt-password"
    )
  fi
  # Nothing secret on a command line: mosquitto_passwd hashes the file in its place.
  (
    umask 077
    printf '%s:%s\n' "$(cat "$credentials/maskd.mqtt-username")" "$(cat "$credentials/maskd.mqtt-password")" \
      > "$broker_passwords"
  )
  mosquitto_passwd -U "$broker_passwords"
  chown mosquitto: "$broker_passwords"
}

write_settings() {
  cat > "$broker_settings" << END
# Written by maskd's install-broker.sh.
listener 1883
allow_anonymous false
password_file $broker_passwords
END
}

# maskd starts with its password, and one of its messages arrives through the broker: a new one, not a retained one.
restart_and_prove() {
  local options line=''
  options=$(mktemp -d)
  printf -- '-u %s\n-P %s\n' "$(cat "$credentials/maskd.mqtt-username")" "$(cat "$credentials/maskd.mqtt-password")" \
    > "$options/mosquitto_sub"
  exec 3< <(XDG_CONFIG_HOME=$options exec timeout 60 mosquitto_sub -t '#' -R -F %t)
  local subscriber=$!
  systemctl restart maskd || fail 'maskd does not start with the new broker; see journalctl -u maskd'
  while read -r line <&3; do
    case $line in
      */status | */availability) break ;;
    esac
  done
  kill "$subscriber" 2> /dev/null || true
  rm -rf "$options"
  [ -n "$line" ] || fail 'Mosquitto runs, but receives nothing from maskd; see journalctl -u maskd -u mosquitto'
}

finish() {
  local status=$?
  if ! $done && ! $was_there; then remove_broker_settings; fi
  exit "$status"
}

main "$@"
