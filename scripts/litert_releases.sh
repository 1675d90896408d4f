#!/usr/bin/env bash
# Runs the delegate's tests in other releases of LiteRT, each unpacked into a folder of its own:
#   scripts/litert_releases.sh 2.0.3 2.1.6 2.2.0
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# = 0 ]; then
  echo "usage: $0 VERSION..." >&2
  exit 2
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in "$@"; do
  echo "ai-edge-litert $version"
  .venv/bin/pip install -q --no-deps --target "$folder/$version" "ai-edge-litert==$version"
  PYTHONPATH=$folder/$version:$PWD .venv/bin/python -m pytest -q \
    tests/runtime/test_compiled_model.py tests/runtime/test_delegate.py -m 'not tensorflow'
done
