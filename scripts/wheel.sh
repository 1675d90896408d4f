#!/usr/bin/env bash
# Builds dist/pconv_tf-VERSION-py3-none-PLATFORM.whl with the delegate inside:
#   wheel.sh PYTHON [LIBRARY [PLATFORM]]
# The library is bazel-bin's unless named; for another processor name it and its platform:
#   wheel.sh PYTHON .../bin/delegate/libpconv_delegate.so manylinux_2_28_aarch64
# It needs no CPython ABI, so one wheel serves every Python 3. delegate/exported_symbols_test.sh holds
# the library to the glibc of the platform tag.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1
library=${2:-bazel-bin/delegate/libpconv_delegate.so}
platform=${3:-manylinux_2_28_$(uname -m)}
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
git ls-files pconv_tf pyproject.toml README.md LICENSE | xargs cp --parents -t "$stage"
mkdir -p "$stage/pconv_tf/_lib" "$stage/pconv_tf/configs"
cp configs/*.yaml "$stage/pconv_tf/configs/"
cp -L "$library" "$stage/pconv_tf/_lib/"
# A package index shows the page without the folder docs/: its links and pictures become text.
sed -E -i \
  -e 's/!\[[^]]*\]\(docs[^)]*\)//' \
  -e 's/\[([^]]*)\]\(([A-Za-z_]+\/)*[A-Za-z_]+\.md(#[a-z-]*)?\)/\1/g' "$stage/README.md"
"$python" -m build --wheel --no-isolation --outdir "$stage/dist" "$stage" >/dev/null
"$python" -m wheel tags --remove --python-tag py3 --abi-tag none --platform-tag "$platform" "$stage"/dist/*.whl
mkdir -p dist
mv "$stage"/dist/*.whl dist/
ls dist
