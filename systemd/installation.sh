# shellcheck shell=bash
# What install.sh, install-broker.sh and the scripts of the Debian package have in common. They read it in; it runs nothing.
# It is one file, though over 300 lines, because the scripts of the package must hold all of it: what they read in may be gone
# when the package is removed.
#
# Each version has a folder of its own below /opt/maskd, and the link /opt/maskd/current tells which one runs: an upgrade
# moves the link, and so does the way back. Whatever goes wrong, what was there before stays or is put back.
#
# Who installs defines four functions: put_service brings the unit and the command, put_service_back undoes that for the
# version before and remove_service for good, starts_now tells whether the service may be started here.
# shellcheck disable=SC2034  # not every reader needs everything

readonly base=/opt/maskd
readonly current=$base/current
readonly config=/etc/maskd/config.yaml schema=/etc/maskd/config.schema.json
readonly state=/var/lib/maskd
readonly drop_ins=/etc/systemd/system/maskd.service.d
readonly credentials=/etc/credstore
readonly broker_settings=/etc/mosquitto/conf.d/maskd.conf
readonly broker_passwords=/etc/mosquitto/maskd.passwords
readonly come_up_s=60
# READY comes when every part has started; what fails at the first picture fails soon after.
readonly stay_up_s=5
readonly me=${0##*/}

# Whether the system's OpenCV is wanted in place of pip's.
system_opencv=false

# What this run has made or changed, and what to do about it where it fails.
new=''
previous=''
made_user=false
made_state=false
made_config=false
switched=false
done=false
temporary=''

say() { printf '%s\n' "$*"; }

fail() {
  printf '%s: %s\n' "$me" "$*" >&2
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

is_raspberry_pi() { grep -qs 'Raspberry Pi' /proc/device-tree/model; }

# The names of packages that are not installed yet go to apt.
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
    fail "apt could not install ${missing[*]}; see its output above, and check the network"
}

# --- installation ---------------------------------------------------------------------------------------------------

# From here on, every end but success rolls back.
begin() {
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  temporary=$(mktemp -d)
}

newest_wheel() {
  local found
  found=$(find "$1" -maxdepth 1 -name 'maskd-*.whl' 2> /dev/null | sort -V | tail -n 1)
  [ -n "$found" ] || fail "there is no maskd-*.whl in $1; 'make bundle' makes such a folder"
  printf '%s\n' "$found"
}

version_of_wheel() { basename "$1" | cut -d - -f 2; }

need_room() {
  local free_mb
  mkdir -p "$base"
  free_mb=$(df --output=avail -BM "$base" | tail -n 1 | tr -dc '0-9')
  [ "$free_mb" -ge 600 ] || fail "$base has $free_mb MB free, but an installation needs 600 MB; free some space"
}

# The version, and the folder of wheels to take it from; where that is empty, the checkout around the script.
install_version() {
  local version=$1 wheels=$2
  if [ -L "$current" ]; then previous=$(readlink -f "$current"); fi
  if [ -n "$previous" ] && has_system_opencv "$previous"; then system_opencv=true; fi
  say "Installing maskd $version${previous:+; it runs as $(basename "$previous") so far}."
  new=$base/$version-$(date -u +%Y%m%dT%H%M%S)
  make_environment "$wheels"
  make_user_and_folders
  "$new/bin/maskd" config show -c "$config" > /dev/null 2> "$temporary/refused" ||
    fail "maskd $version does not accept the existing configuration: $(sed 's/^maskd: //' "$temporary/refused")"
  switched=true
  point_current_to "$new"
  put_service
  if starts_now && ! comes_up; then
    fail "maskd $version failed to start within a minute: $(last_words)"
  fi
  remove_older_versions
  done=true
}

make_environment() {
  local wheels=$1 wheel lock from=() options=()
  # picamera2 is there and nowhere else; so is an OpenCV with GStreamer.
  if is_raspberry_pi || $system_opencv; then options=(--system-site-packages); fi
  quietly python3 -m venv "${options[@]}" "$new" || fail 'Python could not make an environment; see its output above'
  local pip=("$new/bin/python" -m pip --disable-pip-version-check)
  # A folder of wheels comes with the lock that it was filled by.
  lock=${wheels:-$here/../requirements}/$("$new/bin/python" -c \
    'import platform, sys; print("python%d.%d-%s.txt" % (*sys.version_info[:2], platform.machine()))')
  if [ -n "$wheels" ]; then
    wheel=$(newest_wheel "$wheels")
    from=(--no-index --find-links "$wheels")
  else
    PYTHON=$new/bin/python quietly "$here/build-wheel.sh" "$temporary/built" ||
      fail 'maskd could not be built from this checkout; see the output above'
    wheel=$(newest_wheel "$temporary/built")
  fi
  local no_packages='the dependencies of maskd could not be installed (see the output above); connect this machine to the'
  no_packages+=' network, or bring a folder of wheels that was made for this system and processor'
  if [ -f "$lock" ]; then
    quietly "${pip[@]}" install "${from[@]}" --require-hashes --only-binary :all: --requirement "$lock" ||
      fail "$no_packages"
  fi
  quietly "${pip[@]}" install "${from[@]}" --prefer-binary "$wheel" || fail "$no_packages"
  if $system_opencv; then use_system_opencv "${pip[@]}"; fi
}

# $@: how pip is called.
use_system_opencv() {
  local import=("$new/bin/python" -c 'import cv2')
  quietly "$@" uninstall --yes opencv-python-headless || fail "pip's OpenCV could not be removed; see the output above"
  # One that was built for numpy 1, as NVIDIA's was, does not work with numpy 2.
  "${import[@]}" 2> /dev/null || quietly "$@" install --only-binary :all: 'numpy<2' ||
    fail "this system's OpenCV needs numpy 1, which could not be installed (see the output above)"
  quietly "${import[@]}" || fail "Python finds no working OpenCV on this system; see its output above"
}

has_system_opencv() {
  grep -qs 'include-system-site-packages = true' "$1/pyvenv.cfg" && [ -z "$(find "$1/lib" -path '*/site-packages/cv2')" ]
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
  # maskd may replace the configuration, for settings that a command asks to persist; other users may not read it.
  install -d -o root -g maskd -m 770 "$(dirname "$config")"
  local package
  package=$("$new/bin/python" -c 'import edge, pathlib; print(pathlib.Path(edge.__file__).parent)')
  if [ ! -e "$config" ]; then
    made_config=true
    # The page is for the network from the start: by TLS, and off until open_page has set a password.
    sed -e '/^web:/,$ s/^  host: 127\.0\.0\.1$/  host: 0.0.0.0/' -e '/^web:/,$ s/^  tls: null$/  tls: {}/' \
      "$package/config.yaml" > "$temporary/config.yaml"
    install -o maskd -g maskd -m 640 "$temporary/config.yaml" "$config"
  fi
  # For editors; the first line of config.yaml names it.
  install -m 644 "$package/config.schema.json" "$schema"
}

point_current_to() {
  ln -sfn "$(basename "$1")" "$base/.next"
  mv -T "$base/.next" "$current"
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
  printf %s "${words:-no message; see journalctl -u maskd}"
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
    echo "$me: stopped before the end; see the output above" >&2
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
      put_service_back
      if ! starts_now; then
        say "$me: $(basename "$previous") is back." >&2
      elif comes_up; then
        say "$me: $(basename "$previous") runs again, as before." >&2
      else
        say "$me: $(basename "$previous") is back, but fails to start too: $(last_words)" >&2
      fi
    else
      remove_service
      rm -f "$current"
    fi
  fi
  rm -rf "$new"
  if $made_config; then
    rm -f "$config" "$schema"
    rmdir --ignore-fail-on-non-empty "$(dirname "$config")"
  fi
  if $made_user; then
    remove_user
  fi
  if $made_state; then rm -rf "$state"; fi
  if [ -z "$previous" ]; then say "$me: nothing was installed." >&2; fi
}

# --- removal --------------------------------------------------------------------------------------------------------

remove_user() {
  if getent passwd maskd > /dev/null; then userdel maskd; fi
  if getent group maskd > /dev/null; then groupdel maskd; fi
}

# What outlives a removal, and not a purge.
purge_data() {
  remove_broker_settings
  rm -rf "$(dirname "$config")" "$state" "$drop_ins" "$credentials/maskd.mail-password"
  if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
  remove_user
}

# The package mosquitto stays.
remove_broker_settings() {
  local had=false
  if [ -e "$broker_settings" ]; then had=true; fi
  rm -f "$broker_settings" "$broker_passwords" "$credentials/maskd.mqtt-username" "$credentials/maskd.mqtt-password"
  # Newer versions of systemd keep the folder for all services.
  if [ ! -e /usr/lib/tmpfiles.d/credstore.conf ] && [ -d "$credentials" ]; then
    rmdir --ignore-fail-on-non-empty "$credentials"
  fi
  if $had && [ -d /run/systemd/system ] && systemctl --quiet is-active mosquitto; then systemctl restart mosquitto; fi
}

# --- the end --------------------------------------------------------------------------------------------------------

# `maskd check` with the service's user and login.
check_installation() {
  systemd-run --quiet --pipe --wait --collect -p User=maskd \
    -p LoadCredential=mqtt-username:maskd.mqtt-username -p LoadCredential=mqtt-password:maskd.mqtt-password \
    -p LoadCredential=mail-password:maskd.mail-password \
    "$current/bin/maskd" check -c "$config"
}

# With a password of its own after a first installation, which is shown this once and kept as a hash.
open_page() {
  local password
  if $made_config && [ ! -e "$state/logins.json" ] &&
    password=$("$current/bin/python" -c 'import secrets; print("-".join(secrets.token_hex(2) for _ in range(4)))') &&
    printf '%s\n' "$password" | "$current/bin/maskd" password -c "$config" > /dev/null; then
    say "To see it in a browser:                  https://${HOSTNAME%%.*}.local:8470/ (or the IP address in place of the name)"
    say "  password, shown only now:              $password"
    say "  The browser warns once of a certificate that maskd made itself. Another password: sudo -u maskd maskd password"
  else
    say "To open the page, set its password:      sudo -u maskd maskd password"
  fi
}

# What to type for a broker on this machine.
show_result() {
  local with_broker=$1 login=''
  say 'maskd is running, and starts with this machine. maskd check:'
  check_installation || say 'maskd keeps retrying what FAILed; once you have fixed it, no restart is needed.'
  if [ -f "$credentials/maskd.mqtt-password" ]; then
    # shellcheck disable=SC2016  # for the reader's shell
    login='-u maskd -P "$(sudo cat /etc/credstore/maskd.mqtt-password)" '
  fi
  say
  say "To see events as the log has them:       journalctl -fu maskd"
  if command -v mosquitto_sub > /dev/null; then
    say "To see them as subscribers do:           mosquitto_sub ${login}-t 'maskd/#' -v"
  else
    say "To send them: a broker's name in $config (mqtt.host), or one on this machine: $with_broker"
  fi
  open_page
  say "To change cameras, broker, thresholds:   $config, then: sudo systemctl reload maskd"
}
