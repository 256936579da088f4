#!/usr/bin/env bash
# Installs, upgrades and removes maskd on Debian, Raspberry Pi OS and their like. --help tells how.
#
# Each version has a folder of its own below /opt/maskd, and the link /opt/maskd/current tells which one runs: an upgrade
# moves the link, and so does the way back. Whatever goes wrong, what was there before stays or is put back.
set -euo pipefail
shopt -s nullglob

readonly base=/opt/maskd
readonly current=$base/current
readonly command=/usr/local/bin/maskd
readonly unit=/etc/systemd/system/maskd.service
readonly config=/etc/maskd/config.yaml
readonly state=/var/lib/maskd
readonly come_up_s=60
# READY comes when every part has started; what fails at the first picture fails soon after.
readonly stay_up_s=5

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
readonly here

# What this run has made or changed, and what to do about it where it fails.
new=''
previous=''
old_unit=''
made_user=false
made_state=false
made_config=false
switched=false
done=false
temporary=''

usage() {
  cat << 'END'
usage: sudo install.sh [--with-broker] [--wheels DIR]     installs maskd, or upgrades it
       sudo install.sh --uninstall [--purge]              removes it; --purge: configuration and events as well
       install.sh --version | --help

  --with-broker  install the broker Mosquitto as well, with a password that maskd gets
  --wheels DIR   take maskd and all it needs from a folder of wheels (make bundle), without a network; in a bundle
                 the folder `wheels` beside this script is taken by itself
  --uninstall    stop and remove maskd; configuration and unsent events stay
  --purge        with --uninstall: remove these too, the user maskd, and what --with-broker configured

An upgrade keeps the configuration. A version that does not come up within a minute is taken back.
END
}

say() { printf '%s\n' "$*"; }

fail() {
  printf 'install.sh: %s\n' "$*" >&2
  if [ -n "$temporary" ]; then touch "$temporary/said"; fi
  exit 1
}

# Runs a command whose output matters only if it fails.
quietly() {
  "$@" > "$temporary/log" 2>&1 || {
    local status=$?
    tail -n 15 "$temporary/log" | sed 's/^/  | /' >&2
    return "$status"
  }
}

main() {
  local action=install with_broker=false purge=false wheels=''
  while [ $# -gt 0 ]; do
    case $1 in
      --with-broker) with_broker=true ;;
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
  if $purge && [ "$action" != uninstall ]; then fail '--purge goes with --uninstall only'; fi
  if $with_broker && [ "$action" = uninstall ]; then fail '--with-broker goes with an installation only'; fi

  if [ "$action" = version ]; then
    offered_version "$wheels"
    exit 0
  fi
  [ "$(id -u)" = 0 ] || fail "only root may do this; say: sudo $0"
  [ -d /run/systemd/system ] || fail 'systemd does not run this machine, and maskd is installed as its service'
  exec 9> /run/maskd-install.lock
  flock --nonblock 9 || fail 'another install.sh is at work; wait for it'
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  temporary=$(mktemp -d)

  if [ "$action" = uninstall ]; then
    uninstall "$purge"
  else
    install_maskd "$wheels"
    if $with_broker; then "$here/install-broker.sh"; fi
    show_result "$with_broker"
  fi
}

# --- what there is to install ---------------------------------------------------------------------------------------

newest_wheel() {
  local found=("$1"/maskd-*.whl)
  [ ${#found[@]} -gt 0 ] || fail "there is no maskd-*.whl in $1; 'make bundle' makes such a folder"
  printf '%s\n' "${found[@]}" | sort -V | tail -n 1
}

offered_version() {
  local wheel
  if [ -n "$1" ]; then
    wheel=$(newest_wheel "$1")
    basename "$wheel" | cut -d - -f 2
  elif [ -f "$here/../pyproject.toml" ]; then
    sed -n 's/^version = "\(.*\)"$/\1/p' "$here/../pyproject.toml"
  else
    fail 'there is neither a checkout around this script nor a folder of wheels; say where: --wheels DIR'
  fi
}

is_raspberry_pi() { grep -qs 'Raspberry Pi' /proc/device-tree/model; }

# The names of packages that are not there yet go to apt.
need_packages() {
  local name missing=()
  for name in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2> /dev/null)" = 'ii ' ] || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get > /dev/null || fail "install what is missing with this system's package manager: ${missing[*]}"
  say "Installing ${missing[*]} with apt."
  export DEBIAN_FRONTEND=noninteractive
  local install=(apt-get install -y -q --no-install-recommends "${missing[@]}")
  "${install[@]}" > /dev/null 2>&1 || { quietly apt-get update -q && quietly "${install[@]}"; } ||
    fail "apt could not install ${missing[*]} (its words stand above); mend that, or connect this machine to the network"
}

check_machine() {
  if [ -e "$command" ] || [ -L "$command" ]; then
    [ "$(readlink "$command")" = "$current/bin/maskd" ] ||
      fail "$command is there already, and not from this installer; move it away"
  fi
  command -v python3 > /dev/null || need_packages python3
  python3 -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' ||
    fail "maskd runs on Python 3.10 to 3.13, and this is $(python3 --version); use a system that has one of these"
  python3 -c 'import ensurepip, venv' 2> /dev/null || need_packages python3-venv
  if is_raspberry_pi; then need_packages python3-picamera2; fi # brings libcamera along
  local free_mb
  mkdir -p "$base"
  free_mb=$(df --output=avail -BM "$base" | tail -n 1 | tr -dc '0-9')
  [ "$free_mb" -ge 600 ] || fail "$base has $free_mb MB left, and an installation needs 600 MB; make room"
}

# --- installation ---------------------------------------------------------------------------------------------------

install_maskd() {
  local wheels=$1 version
  version=$(offered_version "$wheels")
  check_machine
  if [ -L "$current" ]; then previous=$(readlink -f "$current"); fi
  say "Installing maskd $version${previous:+; it runs as $(basename "$previous") so far}."
  new=$base/$version-$(date -u +%Y%m%dT%H%M%S)
  make_environment "$wheels"
  make_user_and_folders
  "$new/bin/maskd" config show -c "$config" > /dev/null 2> "$temporary/refused" ||
    fail "maskd $version does not accept the configuration as it is: $(sed 's/^maskd: //' "$temporary/refused")"
  switch
  systemctl --quiet enable maskd
  if comes_up; then
    remove_older_versions
    done=true
  else
    fail "maskd $version did not come up within a minute: $(last_words)"
  fi
}

make_environment() {
  local wheels=$1 wheel lock from=() options=()
  if is_raspberry_pi; then options=(--system-site-packages); fi # picamera2 is there and nowhere else
  quietly python3 -m venv "${options[@]}" "$new" || fail 'Python could not make an environment; its words stand above'
  local pip=("$new/bin/python" -m pip --disable-pip-version-check)
  # A folder of wheels comes with the lock that it was filled by.
  lock=${wheels:-$here/../requirements}/$("$new/bin/python" -c \
    'import platform, sys; print("python%d.%d-%s.txt" % (*sys.version_info[:2], platform.machine()))')
  if [ -n "$wheels" ]; then
    wheel=$(newest_wheel "$wheels")
    from=(--no-index --find-links "$wheels")
  else
    quietly "${pip[@]}" wheel --no-deps --wheel-dir "$temporary/built" "$here/.." ||
      fail 'maskd could not be built from this checkout; the reason stands above'
    wheel=$(newest_wheel "$temporary/built")
  fi
  local no_packages='what maskd needs could not be installed (the reason stands above); connect this machine to the'
  no_packages+=' network, or bring a folder of wheels that was made for this system and processor'
  if [ -f "$lock" ]; then
    quietly "${pip[@]}" install "${from[@]}" --require-hashes --only-binary :all: --requirement "$lock" ||
      fail "$no_packages"
  fi
  quietly "${pip[@]}" install "${from[@]}" --prefer-binary "$wheel" || fail "$no_packages"
}

make_user_and_folders() {
  if ! getent passwd maskd > /dev/null; then
    useradd --system --home-dir "$state" --no-create-home --shell /usr/sbin/nologin --user-group maskd
    made_user=true
  fi
  if [ ! -e "$state" ]; then made_state=true; fi # systemd makes it at the first start
  local group
  for group in video render plugdev; do
    if getent group "$group" > /dev/null; then usermod --append --groups "$group" maskd; fi
  done
  # maskd may replace the configuration, for settings that a message asks to keep; nobody else may read it.
  install -d -o root -g maskd -m 770 "$(dirname "$config")"
  if [ ! -e "$config" ]; then
    made_config=true
    install -o maskd -g maskd -m 640 "$("$new/bin/python" -c \
      'import edge, pathlib; print(pathlib.Path(edge.__file__).with_name("config.yaml"))')" "$config"
  fi
}

point_current_to() {
  ln -sfn "$(basename "$1")" "$base/.next"
  mv -T "$base/.next" "$current"
}

switch() {
  if [ -f "$unit" ]; then
    old_unit=$temporary/maskd.service
    cp -p "$unit" "$old_unit"
  fi
  switched=true
  install -m 644 "$here/maskd.service" "$unit"
  point_current_to "$new"
  ln -sfn "$current/bin/maskd" "$command"
  systemctl daemon-reload
}

# Starts the version that is current: true if it says READY in time and is still there a little later.
comes_up() {
  local deadline=$((SECONDS + come_up_s)) before run
  before=$(active_run)
  started_at=$(date +%s)
  systemctl reset-failed maskd 2> /dev/null || true
  systemctl --no-block restart maskd
  while [ "$SECONDS" -lt "$deadline" ]; do
    sleep 1
    run=$(active_run)
    if [ -n "$run" ] && [ "$run" != "$before" ]; then
      sleep "$stay_up_s"
      if [ "$(active_run)" = "$run" ]; then return 0; fi
    fi
  done
  return 1
}

# A name that is new at every start; nothing while maskd has not said READY.
active_run() {
  if systemctl --quiet is-active maskd; then systemctl show --property InvocationID --value maskd; fi
}

last_words() {
  local words
  words=$(journalctl --quiet --unit maskd --since "@$started_at" --identifier maskd --output cat | tail -n 1)
  printf %s "${words:-it said nothing; journalctl -u maskd may tell more}"
}

remove_older_versions() {
  local folder
  for folder in "$base"/*/; do
    folder=${folder%/}
    case $folder in
      "$current" | "$new" | "${previous:-$new}") ;;
      *) rm -rf "$folder" ;;
    esac
  done
}

# --- the way back ---------------------------------------------------------------------------------------------------

finish() {
  local status=$?
  trap - EXIT
  set +e
  if [ "$status" != 0 ] && [ ! -e "$temporary/said" ]; then
    echo 'install.sh: stopped before the end; what stands above tells by what' >&2
  fi
  if [ "$status" != 0 ] && [ -n "$new" ] && ! $done; then take_back; fi
  rm -rf "$temporary"
  rmdir "$base" 2> /dev/null
  exit "$status"
}

take_back() {
  if $switched; then
    if [ -n "$previous" ]; then
      point_current_to "$previous"
      if [ -n "$old_unit" ]; then cp -p "$old_unit" "$unit"; fi
      systemctl daemon-reload
      if comes_up; then
        say "install.sh: $(basename "$previous") runs again, as before." >&2
      else
        say "install.sh: $(basename "$previous") is back, but does not come up either: $(last_words)" >&2
      fi
    else
      systemctl --quiet disable --now maskd
      rm -f "$unit" "$command" "$current"
      systemctl daemon-reload
      systemctl reset-failed maskd 2> /dev/null
    fi
  fi
  rm -rf "$new"
  if $made_config; then
    rm -f "$config"
    rmdir --ignore-fail-on-non-empty "$(dirname "$config")"
  fi
  if $made_user; then
    remove_user
  fi
  if $made_state; then rm -rf "$state"; fi
  if [ -z "$previous" ]; then say 'install.sh: nothing was installed.' >&2; fi
}

remove_user() {
  if getent passwd maskd > /dev/null; then userdel maskd; fi
  if getent group maskd > /dev/null; then groupdel maskd; fi
}

uninstall() {
  local purge=$1
  if [ -e "$unit" ]; then
    systemctl --quiet disable --now maskd
    rm -f "$unit"
    systemctl daemon-reload
    systemctl reset-failed maskd 2> /dev/null || true
  fi
  if [ "$(readlink "$command")" = "$current/bin/maskd" ]; then rm -f "$command"; fi
  rm -rf "$base"
  if $purge; then
    "$here/install-broker.sh" --remove
    rm -rf "$(dirname "$config")" "$state" "$unit.d"
    systemctl daemon-reload
    remove_user
    say 'maskd is gone, with its configuration and its events. Packages that apt installed stay.'
  else
    say "maskd is removed. Its configuration ($(dirname "$config")) and its events ($state) stay; --purge removes them too."
  fi
}

# --- the end --------------------------------------------------------------------------------------------------------

# `maskd check` with the service's user and login.
check_installation() {
  systemd-run --quiet --pipe --wait --collect -p User=maskd \
    -p LoadCredential=mqtt-username:maskd.mqtt-username -p LoadCredential=mqtt-password:maskd.mqtt-password \
    "$command" check -c "$config"
}

show_result() {
  local with_broker=$1 login=''
  say 'maskd runs, and starts with this machine. It finds:'
  check_installation || say 'What has FAILed is tried again and again; no restart is needed once it is mended.'
  if [ -f /etc/credstore/maskd.mqtt-password ]; then
    # shellcheck disable=SC2016  # for the reader's shell
    login='-u maskd -P "$(sudo cat /etc/credstore/maskd.mqtt-password)" '
  fi
  say
  say "To see events as the log has them:       journalctl -fu maskd"
  if $with_broker || command -v mosquitto_sub > /dev/null; then
    say "To see them as subscribers do:           mosquitto_sub ${login}-t 'maskd/#' -v"
  else
    say "To send them: a broker's name in $config (mqtt.host), or one on this machine: --with-broker"
  fi
  say "To change cameras, broker, thresholds:   $config, then: sudo systemctl reload maskd"
}

main "$@"
