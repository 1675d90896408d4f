#!/usr/bin/env bash
# Linters and formatters: lint.sh check | fix.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
mode=${1:-check}
mapfile -t cpp < <(git ls-files --cached --others --exclude-standard '*.cc' '*.h' '*.inl')
mapfile -t bazel < <(git ls-files --cached --others --exclude-standard \
  'BUILD' '*/BUILD' '*.BUILD' '*.bzl' 'WORKSPACE' '*/WORKSPACE')
buildifier=(npx --yes @bazel/buildifier@8.2.1)
if ! command -v npx >/dev/null && [ "$(id -u)" = 0 ]; then
  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends npm
fi
if [ "$mode" = fix ]; then
  $bin/ruff check --fix .
  $bin/ruff format .
  $bin/clang-format -i "${cpp[@]}"
  "${buildifier[@]}" "${bazel[@]}"
else
  $bin/ruff check .
  $bin/ruff format --check .
  $bin/mypy
  $bin/clang-format --dry-run -Werror "${cpp[@]}"
  if command -v npx >/dev/null; then
    "${buildifier[@]}" -mode=check "${bazel[@]}"
  else
    echo "lint: npx is missing, Bazel files are not checked; install npm to check them" >&2
    exit 1
  fi
fi
