#!/usr/bin/env bash
# Makes the environment from the lock file: setup.sh PYTHON VENV.
set -euo pipefail
python=$1
venv=$2
cd "$(dirname "$0")/.."
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install -q --require-hashes -r requirements.lock
"$venv/bin/python" -m pip install -q --no-deps --no-build-isolation -e .
