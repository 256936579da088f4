#!/usr/bin/env bash
# Packages for apt, in dist/: maskd, its installer and the wheels of all that it needs, for Bookworm and Trixie at once:
#   systemd/deb/build.sh [--without-wheels] [--out DIR] [amd64|arm64 ...]     both by default
# Needs dpkg-deb and a Python with pip, which PYTHON names; no root. --without-wheels: in seconds and without a network, to
# look at; such a package cannot be installed. The same commit gives the same package, byte for byte.
set -euo pipefail
umask 022

here=$(dirname "$(readlink -f "$0")")
checkout=$(dirname "$(dirname "$here")")
readonly here checkout
readonly releases=(bookworm trixie)

main() {
  local out=$checkout/dist with_wheels=true architectures=()
  while [ $# -gt 0 ]; do
    case $1 in
      --without-wheels) with_wheels=false ;;
      --out)
        [ -n "${2:-}" ] || fail '--out needs a folder'
        out=$2
        shift
        ;;
      amd64 | arm64) architectures+=("$1") ;;
      *) fail "there is no architecture or option $1; choose amd64 or arm64" ;;
    esac
    shift
  done
  command -v dpkg-deb > /dev/null || fail 'dpkg-deb is missing here; packages are built on Debian and its like'
  if [ ${#architectures[@]} = 0 ]; then architectures=(amd64 arm64); fi
  temporary=$(mktemp -d)
  trap 'rm -rf "$temporary"' EXIT
  mkdir -p "$out"
  export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(last_change)}
  local architecture
  for architecture in "${architectures[@]}"; do build "$architecture" "$with_wheels" "$out"; done
}

fail() {
  printf 'build.sh: %s\n' "$*" >&2
  exit 1
}

# Of the sources; outside a repository, of the changelog.
last_change() {
  git -C "$checkout" log -1 --format=%ct 2> /dev/null || stat -c %Y "$checkout/CHANGELOG.md"
}

# As apt orders versions: 1.1.0rc1, which comes before 1.1.0, is 1.1.0~rc1.
debian_version() {
  sed -n 's/^version = "\(.*\)"$/\1/p' "$checkout/pyproject.toml" | sed -E 's/\.?(a|b|rc|dev)([0-9]+)/~\1\2/g'
}

build() {
  local architecture=$1 with_wheels=$2 out=$3 root=$temporary/$1 version
  version=$(debian_version)
  lay_files "$root"
  if $with_wheels; then lay_wheels "$architecture" "$root/usr/lib/maskd/wheels"; fi
  lay_control "$root" "$architecture" "$version"
  find "$root" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +
  # Wheels are compressed already.
  dpkg-deb --root-owner-group -Zgzip -z1 --build "$root" "$out/maskd_${version}_$architecture.deb" > /dev/null
  echo "$out/maskd_${version}_$architecture.deb"
}

lay_files() {
  local root=$1 doc=$1/usr/share/doc/maskd
  install -D -m 644 -t "$root/usr/lib/systemd/system" "$checkout/systemd/maskd.service"
  install -D -m 755 -t "$root/usr/lib/maskd" "$checkout"/systemd/{install-broker,allow-devices}.sh
  install -D -m 644 -t "$root/usr/lib/maskd" "$checkout"/systemd/{installation.sh,maskd-sound.conf,maskd-gpio.conf}
  install -d "$root/usr/bin"
  ln -s /opt/maskd/current/bin/maskd "$root/usr/bin/maskd"
  install -D -m 644 -t "$doc" "$here/copyright" "$checkout/docs/install.md"
  install -D -m 644 -t "$doc/examples" "$checkout/config.yaml" "$checkout/config.schema.json"
  install -D -m 644 "$here/lintian-overrides" "$root/usr/share/lintian/overrides/maskd"
  gzip -9n < "$checkout/CHANGELOG.md" > "$doc/CHANGELOG.md.gz"
  changelog | gzip -9n > "$doc/changelog.gz"
}

# dpkg's own form of a changelog, which names the version and where to read on.
changelog() {
  cat << END
maskd ($(debian_version)) stable; urgency=medium

  * See CHANGELOG.md next to this file.

 -- $(sed -n 's/^Maintainer: //p' "$here/control")  $(date --utc --rfc-email --date "@$SOURCE_DATE_EPOCH")
END
}

lay_wheels() {
  local architecture=$1 wheels=$2 machine release bundle
  case $architecture in
    amd64) machine=x86_64 ;;
    arm64) machine=aarch64 ;;
  esac
  install -d "$wheels"
  for release in "${releases[@]}"; do
    bundle=$("$checkout/systemd/bundle.sh" "$release" "$machine" "$temporary/bundles" | tail -n 1)
    install -m 644 -t "$wheels" "$bundle"/wheels/*
    rm -rf "$temporary/bundles"
  done
}

lay_control() {
  local root=$1 architecture=$2 version=$3 control=$1/DEBIAN script size recommends='mosquitto, mosquitto-clients'
  # On a Raspberry Pi only apt has it; elsewhere apt does not find it, and goes on.
  if [ "$architecture" = arm64 ]; then recommends+=', python3-picamera2'; fi
  size=$(find "$root" -type f -printf '%s\n' | awk '{ kb += int(($1 + 1023) / 1024) } END { print kb }')
  install -d "$control"
  sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@SIZE@/$size/" \
    -e "s/@RECOMMENDS@/$recommends/" "$here/control" > "$control/control"
  install -m 644 -t "$control" "$here/triggers"
  for script in preinst postinst prerm postrm; do
    with_installation "$here/$script" > "$control/$script"
    chmod 755 "$control/$script"
  done
  (cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) > "$control/md5sums"
}

# A script with the file that it reads in laid into it.
with_installation() {
  local line
  while IFS= read -r line; do
    case $line in
      '# build.sh puts '* | '# shellcheck source'*) ;;
      '. '*/installation.sh*) grep -v '^# shellcheck shell' "$checkout/systemd/installation.sh" ;;
      *) printf '%s\n' "$line" ;;
    esac
  done < "$1"
}

main "$@"
