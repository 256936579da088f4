#!/usr/bin/env bash
# Collects maskd, its installer and the wheels of all that it needs into a folder, for machines without a network:
#   systemd/bundle.sh [RELEASE [MACHINE [FOLDER]]]    bookworm or trixie; x86_64 or aarch64; dist/ by default
# Needs a Python with pip, which PYTHON names. The path of what was made is printed at the end.
set -euo pipefail

release=${1:-bookworm}
machine=${2:-$(uname -m)}
checkout=$(dirname "$(dirname "$(readlink -f "$0")")")
out=${3:-$checkout/dist}
pip=("${PYTHON:-python3}" -m pip --quiet --disable-pip-version-check)

case $release in
  bookworm) python=3.11 glibc=36 ;;
  trixie) python=3.13 glibc=41 ;;
  *)
    echo "bundle.sh: there is no release $release; choose bookworm or trixie" >&2
    exit 1
    ;;
esac
case $machine in
  x86_64 | aarch64) ;;
  *)
    echo "bundle.sh: there are no wheels for $machine; choose x86_64 or aarch64" >&2
    exit 1
    ;;
esac

# A wheel names the oldest C library that it runs with.
platforms=(--platform "manylinux2014_$machine")
for minor in $(seq 17 "$glibc"); do platforms+=(--platform "manylinux_2_${minor}_$machine"); done

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
mkdir "$temporary/bundle"
"$checkout/systemd/build-wheel.sh" "$temporary/bundle/wheels"
wheel=$(echo "$temporary"/bundle/wheels/maskd-*.whl)
lock=$checkout/requirements/python$python-$machine.txt
"${pip[@]}" download --dest "$temporary/bundle/wheels" --only-binary :all: --python-version "$python" "${platforms[@]}" \
  --no-deps --require-hashes --requirement "$lock"
cp "$lock" "$temporary/bundle/wheels"
cp "$checkout"/systemd/{install.sh,install-broker.sh,allow-devices.sh,installation.sh} \
  "$checkout"/systemd/{maskd.service,maskd-sound.conf,maskd-gpio.conf} \
  "$checkout"/{LICENSE,docs/install.md} "$temporary/bundle"

version=$(basename "$wheel" | cut -d - -f 2)
made=$out/maskd-$version-$release-$machine
rm -rf "$made" "$made.tar"
mkdir -p "$out"
chmod 755 "$temporary/bundle"
cp -R "$temporary/bundle" "$made"
tar -C "$out" -cf "$made.tar" "$(basename "$made")"
echo "$made"
