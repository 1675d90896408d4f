#!/usr/bin/env bash
# Unpacks ARM64 wheels for Debian's Python into a folder: the newest releases of packages, or a wheel's
# own file, with all they need.
#   aarch64_site.sh FOLDER PACKAGE|WHEEL...
# PYTHON: whose pip fetches them.
set -euo pipefail
site=$1
shift
"${PYTHON:-python3}" -m pip install -q --disable-pip-version-check --no-compile --target "$site" \
  --only-binary=:all: --implementation cp --python-version 3.11 --abi cp311 --abi abi3 --abi none \
  --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 \
  --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64 "$@"
