#!/bin/sh
# Puts libraries in the place of others, with the same names and symbols, in which every function returns 0 at once:
#   stub.sh LIBRARY ...
# For what a package links and maskd never calls. Needs as, ld, nm and readelf, of binutils.
set -eu

case $(uname -m) in
  x86_64) body='xor %eax, %eax; ret' note='.section .note.GNU-stack,"",@progbits' ;;
  aarch64) body='mov x0, #0; ret' note='.section .note.GNU-stack,"",%progbits' ;;
  *) exit 0 ;; # a larger image is all that it costs
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for library in "$@"; do
  # A version is listed as an absolute symbol, and is none.
  nm -D --defined-only "$library" | awk '$2 != "A" {print $NF}' > "$work/symbols"
  sed 's/@.*//' "$work/symbols" | sort -u | awk -v body="$body" -v note="$note" '
    { print ".globl " $1 "\n.type " $1 ", %function\n" $1 ":" }
    END { print body "\n" note }' | sed '1i .text' > "$work/stub.s"
  version=$(sed -n 's/.*@@*//p' "$work/symbols" | sort -u)
  set -- # nothing more of the command line is needed
  if [ -n "$version" ]; then
    [ "$(printf '%s\n' "$version" | wc -l)" = 1 ] || continue # of several versions: it stays as it is
    printf '%s { global: *; };\n' "$version" > "$work/versions"
    set -- --version-script "$work/versions"
  fi
  soname=$(readelf -d "$library" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
  as -o "$work/stub.o" "$work/stub.s"
  ld -shared -soname "${soname:-${library##*/}}" "$@" -o "$library" "$work/stub.o"
done
