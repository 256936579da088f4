#!/usr/bin/env bash
# Builds maskd's wheel from the checkout around this script:
#   systemd/build-wheel.sh FOLDER
# Needs a Python with pip, which PYTHON names. What builds the wheel is taken in the versions and with the SHA-256 that
# requirements/build.txt has, and in no other.
set -euo pipefail

folder=${1:?the folder that the wheel goes to}
checkout=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
pip=("${PYTHON:-python3}" -m pip --quiet --disable-pip-version-check)

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"${pip[@]}" install --target "$tools" --no-deps --require-hashes --only-binary :all: \
  --requirement "$checkout/requirements/build.txt"
# pip itself would fetch the newest hatchling, whatever it is.
PYTHONPATH=$tools "${pip[@]}" wheel --no-deps --no-build-isolation --wheel-dir "$folder" "$checkout"
