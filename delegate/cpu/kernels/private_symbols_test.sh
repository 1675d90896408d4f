#!/usr/bin/env bash
# Objects compiled for an instruction set define no symbol that another object may define too: the
# linker keeps one copy of such, perhaps one with instructions that the CPU lacks.
set -euo pipefail
found=0
for file in "$@"; do
  case $file in
    *.a|*.o) ;;
    *) continue ;;
  esac
  found=$((found + 1))
  shared=$(nm --defined-only "$file" | awk 'NF >= 3 && $2 ~ /^[uVvWw]$/ {print $3}')
  if [[ -n "$shared" ]]; then
    echo "$file: symbols that the linker merges with others:"
    echo "$shared" | c++filt
    exit 1
  fi
done
if ((found == 0)); then
  echo "no archives in: $*"
  exit 1
fi
