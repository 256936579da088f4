#!/usr/bin/env bash
# Lets the service use sound or GPIO, for outputs of these kinds; called by install.sh --with-sound and --with-gpio.
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR source=installation.sh
. "$here/installation.sh"

main() {
  local action=allow kinds=() kind
  while [ $# -gt 0 ]; do
    case $1 in
      --remove) action=forbid ;;
      sound | gpio) kinds+=("$1") ;;
      *) fail "there is no $1; usage: sudo $0 [--remove] sound|gpio ..." ;;
    esac
    shift
  done
  [ ${#kinds[@]} -gt 0 ] || fail "name what to allow: sudo $0 [--remove] sound|gpio ..."
  [ "$(id -u)" = 0 ] || fail "this needs root; run: sudo $0 ${kinds[*]}"
  temporary=$(mktemp -d)
  trap 'rm -rf "$temporary"' EXIT
  for kind in "${kinds[@]}"; do "$action" "$kind"; done
  systemctl daemon-reload
  systemctl restart maskd || fail 'maskd does not start with this; see journalctl -u maskd, and take it back with --remove'
}

allow() {
  local kind=$1 group
  group=$(sed -n 's/^SupplementaryGroups=//p' "$here/maskd-$kind.conf")
  # systemd starts no service in a group that does not exist.
  getent group "$group" > /dev/null ||
    fail "there is no group $group here, whose members may use the devices, as there is on Raspberry Pi OS; make one, and" \
      'give it these devices by a rule for udev'
  case $kind in
    sound) need_packages alsa-utils espeak-ng ;;
    gpio) if is_raspberry_pi; then need_packages python3-gpiozero python3-lgpio; fi ;;
  esac
  install -D -m 644 -t "$drop_ins" "$here/maskd-$kind.conf"
  say "The service may use $kind now: $drop_ins/maskd-$kind.conf"
}

forbid() {
  rm -f "$drop_ins/maskd-$1.conf"
  rmdir --ignore-fail-on-non-empty "$drop_ins" 2> /dev/null || true
  say "The service may not use $1 any more."
}

main "$@"
