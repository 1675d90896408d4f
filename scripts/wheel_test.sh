#!/usr/bin/env bash
# Checks wheels that scripts/wheel.sh built: wheel_test.sh PYTHON WHEEL...
# auditwheel must find no symbol newer than the platform tag says. Then each wheel is installed with
# its dependencies, and nothing else, and runs a converted file: in a fresh environment of PYTHON, or
# for aarch64 under qemu with LiteRT's wheel for that processor.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/audit"
"$folder/audit/bin/pip" install -q --disable-pip-version-check auditwheel==6.4.2
for wheel in "$@"; do
  platform=$(basename "$wheel" .whl)
  platform=${platform##*-}
  "$folder/audit/bin/auditwheel" show "$wheel" >"$folder/audit.txt"
  found=$(tr -d '\n' <"$folder/audit.txt" | grep -o '"[a-z]*linux_[0-9_]*[a-z0-9_]*"' | head -1 | tr -d '"')
  oldest=$(printf '%s\n%s\n' "$found" "$platform" | sort -V | tail -1)
  if [ -z "$found" ] || [ "$oldest" != "$platform" ]; then
    echo "$wheel: auditwheel finds ${found:-no tag}, newer than $platform:" >&2
    cat "$folder/audit.txt" >&2
    exit 1
  fi
  if [[ $platform == *aarch64 ]]; then
    root=${PCONV_AARCH64_ROOT:-$HOME/.cache/pconv_tf/aarch64_root}
    scripts/aarch64_root.sh "$root"
    site=$folder/site
    # The newest release of each dependency that has a wheel for Debian's Python.
    "$python" -m pip install -q --disable-pip-version-check --target "$site" --only-binary=:all: \
      --implementation cp --python-version 3.11 --abi cp311 --abi abi3 --abi none \
      --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 \
      --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64 "$wheel"
    # Compiled modules ask for libpython's symbols, which the interpreter has.
    run=(qemu-aarch64-static -cpu cortex-a76 -L "$root" -E PYTHONPATH="$site" -E PYTHONHOME="$root/usr"
      "$root/usr/bin/python3.11")
  else
    "$python" -m venv "$folder/bare"
    "$folder/bare/bin/pip" install -q --disable-pip-version-check "$wheel"
    run=("$folder/bare/bin/python")
  fi
  (cd "$folder" && "${run[@]}" - <<'EOT')
import platform

import numpy as np
import pconv_tf
from ai_edge_litert.interpreter import Interpreter
from pconv_tf.measuring.layer_models import conv_chain, random_pruned_kernel

rng = np.random.default_rng(0)
kernel = random_pruned_kernel((3, 3, 32, 32), taps=4, kept=0.3, filter_block=1, rng=rng)
dense = conv_chain([kernel, kernel], 14)
stock = Interpreter(model_content=dense)
stock.allocate_tensors()
details = stock.get_input_details()[0]
x = rng.normal(size=details["shape"]).astype(np.float32)
stock.set_tensor(details["index"], x)
stock.invoke()
expected = stock.get_tensor(stock.get_output_details()[0]["index"])
found = pconv_tf.Interpreter(pconv_tf.convert(dense, force=True, quiet=True))(x)
error = np.abs(found - expected).max() / np.abs(expected).max()
assert error < 1e-4, error
print(f"{platform.machine()}: a converted file runs, error {error:.0e}")
EOT
  echo "$(basename "$wheel"): auditwheel finds $found"
done
