#!/usr/bin/env bash
# Builds dist/pconv_tf-VERSION-py3-none-PLATFORM.whl with the delegate inside: wheel.sh PYTHON.
# The plugin needs no CPython ABI, so one wheel serves every Python 3.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1
platform=$("$python" -c 'import sysconfig; print(sysconfig.get_platform().replace("-", "_").replace(".", "_"))')
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
git ls-files pconv_tf pyproject.toml README.md LICENSE | xargs cp --parents -t "$stage"
mkdir -p "$stage/pconv_tf/_lib"
cp -L bazel-bin/delegate/libpconv_delegate.so "$stage/pconv_tf/_lib/"
"$python" -m build --wheel --no-isolation --outdir "$stage/dist" "$stage" >/dev/null
"$python" -m wheel tags --remove --python-tag py3 --abi-tag none --platform-tag "$platform" "$stage"/dist/*.whl
mkdir -p dist
mv "$stage"/dist/*.whl dist/
ls dist
