#!/usr/bin/env bash
# Installs, upgrades and removes maskd on Debian, Raspberry Pi OS and similar systems. --help explains how.
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
readonly here
# shellcheck source-path=SCRIPTDIR source=installation.sh
. "$here/installation.sh"

readonly command=/usr/local/bin/maskd
readonly unit=/etc/systemd/system/maskd.service
old_unit=''

usage() {
  cat << 'END'
usage: sudo install.sh [--with-broker] [--with-sound] [--with-gpio] [--system-opencv] [--wheels DIR]
                                                            installs maskd, or upgrades it
       sudo install.sh --uninstall [--purge]              removes it; --purge: configuration and events too
       install.sh --version | --help

  --with-broker    also install the broker Mosquitto, with a password for maskd
  --with-sound     let the service play sound, for outputs.sound; upgrades keep it
  --with-gpio      let the service switch GPIO lines, for outputs.gpio; upgrades keep it
  --system-opencv  use this system's OpenCV instead of pip's, which has no GStreamer: for the ribbon-cable cameras of a
                   Jetson (source: csi) and for other pipelines (source: gst: ...); upgrades remember it
  --wheels DIR     install from a folder of wheels (make bundle), without a network; in a bundle the default is the folder
                   `wheels` next to this script
  --uninstall      stop and remove maskd; keep configuration and unsent events
  --purge          with --uninstall: also remove these, the user maskd, and what --with-broker configured

An upgrade keeps the configuration. If the new version fails to start within a minute, the installer rolls back.
END
}

main() {
  local action=install with_broker=false purge=false wheels='' version devices=()
  while [ $# -gt 0 ]; do
    case $1 in
      --with-broker) with_broker=true ;;
      --with-sound | --with-gpio) devices+=("${1#--with-}") ;;
      --system-opencv) system_opencv=true ;;
      --wheels)
        [ -n "${2:-}" ] || fail '--wheels needs the folder of wheels that "make bundle" made'
        wheels=$2
        shift
        ;;
      --uninstall) action=uninstall ;;
      --purge) purge=true ;;
      --version) action=version ;;
      -h | --help)
        usage
        exit 0
        ;;
      *) fail "there is no option $1; --help lists them" ;;
    esac
    shift
  done
  if [ -z "$wheels" ] && [ -d "$here/wheels" ]; then wheels=$here/wheels; fi
  if $purge && [ "$action" != uninstall ]; then fail '--purge works only with --uninstall'; fi
  if $with_broker && [ "$action" = uninstall ]; then fail '--with-broker works only with an installation'; fi
  if [ ${#devices[@]} -gt 0 ] && [ "$action" = uninstall ]; then
    fail "--with-${devices[0]} works only with an installation"
  fi
  if $system_opencv && [ "$action" = uninstall ]; then fail '--system-opencv works only with an installation'; fi

  if [ "$action" = version ]; then
    offered_version "$wheels"
    exit 0
  fi
  [ "$(id -u)" = 0 ] || fail "this needs root; run: sudo $0"
  [ -d /run/systemd/system ] || fail 'this machine does not run systemd, which maskd needs as its service manager'
  exec 9> /run/maskd-install.lock
  flock --nonblock 9 || fail 'another install.sh is running; wait for it'
  begin
  [ ! -e /usr/lib/maskd/installation.sh ] || fail 'maskd is installed here as a package; apt upgrades and removes it'

  if [ "$action" = uninstall ]; then
    uninstall "$purge"
  else
    check_machine
    version=$(offered_version "$wheels")
    install_version "$version" "$wheels"
    if $with_broker; then "$here/install-broker.sh"; fi
    if [ ${#devices[@]} -gt 0 ]; then "$here/allow-devices.sh" "${devices[@]}"; fi
    show_result --with-broker
  fi
}

# --- what there is to install ---------------------------------------------------------------------------------------

offered_version() {
  local wheel
  if [ -n "$1" ]; then
    wheel=$(newest_wheel "$1")
    version_of_wheel "$wheel"
  elif [ -f "$here/../pyproject.toml" ]; then
    sed -n 's/^version = "\(.*\)"$/\1/p' "$here/../pyproject.toml"
  else
    fail 'there is neither a checkout around this script nor a folder of wheels; give one: --wheels DIR'
  fi
}

check_machine() {
  if [ -e "$command" ] || [ -L "$command" ]; then
    [ "$(readlink "$command")" = "$current/bin/maskd" ] ||
      fail "$command exists already and is not from this installer; move it away"
  fi
  command -v python3 > /dev/null || need_packages python3
  python3 -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' ||
    fail "maskd needs Python 3.10 to 3.13, but this is $(python3 --version); use a system with one of these"
  python3 -c 'import ensurepip, venv' 2> /dev/null || need_packages python3-venv
  if is_raspberry_pi; then need_packages python3-picamera2; fi # brings libcamera along
  if $system_opencv && ! python3 -c 'import cv2' 2> /dev/null; then need_packages python3-opencv; fi
  need_room
}

# --- the service ----------------------------------------------------------------------------------------------------

starts_now() { true; }

put_service() {
  if [ -f "$unit" ]; then
    old_unit=$temporary/maskd.service
    cp -p "$unit" "$old_unit"
  fi
  install -m 644 "$here/maskd.service" "$unit"
  ln -sfn "$current/bin/maskd" "$command"
  systemctl daemon-reload
  systemctl --quiet enable maskd
}

put_service_back() {
  if [ -n "$old_unit" ]; then cp -p "$old_unit" "$unit"; fi
  systemctl daemon-reload
}

remove_service() {
  if [ -e "$unit" ]; then
    systemctl --quiet disable --now maskd
    rm -f "$unit"
    systemctl daemon-reload
    systemctl reset-failed maskd 2> /dev/null || true
  fi
  if [ "$(readlink "$command")" = "$current/bin/maskd" ]; then rm -f "$command"; fi
}

uninstall() {
  local purge=$1
  remove_service
  rm -rf "$base"
  if $purge; then
    purge_data
    say 'maskd is removed, with its configuration and its events. Packages that apt installed stay.'
  else
    say "maskd is removed. Its configuration ($(dirname "$config")) and its events ($state) stay; --purge removes them too."
  fi
}

main "$@"
