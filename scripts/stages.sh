#!/usr/bin/env bash
# Runs targets of make one after another, and says at the end, also of a failure, how long each took.
# usage: scripts/stages.sh TARGET...
set -euo pipefail
table=""
target="" started=0
finish() {
  local status=$?
  [ "$status" = 0 ] || table+=$(printf '%6d s  %s, failed' $((SECONDS - started)) "$target")
  printf '%s\n%6d s  in all\n' "${table%$'\n'}" "$SECONDS"
  exit "$status"
}
trap finish EXIT
for target in "$@"; do
  started=$SECONDS
  make --no-print-directory "$target"
  table+=$(printf '%6d s  %s' $((SECONDS - started)) "$target")$'\n'
done
