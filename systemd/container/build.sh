#!/usr/bin/env bash
# Builds the image of maskd from the checkout around this script, with docker, podman or buildah:
#   systemd/container/build.sh [OPTION ...]
# BUILDER names one of the three; else it is the first that works here. Options go to its `build`: --tag, --platform,
# --build-arg BASE=IMAGE for another base than Debian's from the public registry.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
checkout=$(dirname "$(dirname "$here")")

if [ -z "${BUILDER:-}" ]; then
  for BUILDER in docker podman buildah ''; do
    if [ -n "$BUILDER" ] && "$BUILDER" info > /dev/null 2>&1; then break; fi
  done
fi
options=(--file "$here/Containerfile" --tag maskd)
case $BUILDER in
  docker) ;; # finds Containerfile.dockerignore by itself
  podman | buildah) options+=(--format docker --ignorefile "$here/Containerfile.dockerignore") ;;
  *)
    echo 'build.sh: neither docker nor podman nor buildah works here; install one: sudo apt install podman' >&2
    exit 1
    ;;
esac
exec "$BUILDER" build "${options[@]}" "$@" "$checkout"
