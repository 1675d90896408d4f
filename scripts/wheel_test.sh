#!/usr/bin/env bash
# Checks wheels that scripts/wheel.sh built: wheel_test.sh PYTHON WHEEL...
# auditwheel must find no symbol newer than the platform tag says. Then each wheel is installed with
# its dependencies, and nothing else, passes the self-test of `pconv-tf doctor`, and runs the files of
# zoo/ with the outputs of their dense twins, or of the first wheel: in a fresh environment of PYTHON,
# or for aarch64 under qemu, in Debian's Python with LiteRT's wheel for that processor. In the fresh
# environment the seconds from nothing to the first output of a converted file are told, downloads
# included: a minute on an idle machine, and at most SECONDS_LIMIT on a busy one.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1
shift
SECONDS_LIMIT=300
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
pip=(-m pip install -q --disable-pip-version-check --no-compile)
first_output='import sys, numpy as np, pconv_tf
model = pconv_tf.Interpreter(sys.argv[1])
image = np.zeros(model.get_input_details()[0]["shape"], np.float32)
assert np.isfinite(model(image)).all()'
"$python" -m venv "$folder/audit"
"$folder/audit/bin/python" "${pip[@]}" auditwheel==6.4.2
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
  echo "$(basename "$wheel"): auditwheel finds $found"
  if [[ $platform == *aarch64 ]]; then
    root=${PCONV_AARCH64_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/pconv_tf/aarch64_root}
    scripts/aarch64_root.sh "$root"
    site=$folder/site
    PYTHON=$python scripts/aarch64_site.sh "$site" "$wheel"
    # Compiled modules ask for libpython's symbols, which the interpreter has.
    run=(qemu-aarch64-static -cpu cortex-a76 -L "$root" -E PYTHONPATH="$site" -E PYTHONHOME="$root/usr"
      "$root/usr/bin/python3.11")
  else
    start=$SECONDS
    "$python" -m venv "$folder/bare"
    "$folder/bare/bin/python" "${pip[@]}" --no-cache-dir "$wheel"
    run=("$folder/bare/bin/python")
    file=$PWD/zoo/fashion_mnist_vgg16_quarter_8x.tflite
    (cd "$folder" && "${run[@]}" -c "$first_output" "$file")
    took=$((SECONDS - start))
    echo "$(basename "$wheel"): from nothing to the first output in $took s (at most $SECONDS_LIMIT)"
    if [ "$took" -gt "$SECONDS_LIMIT" ]; then
      echo "$(basename "$wheel"): that took longer than $SECONDS_LIMIT s" >&2
      exit 1
    fi
  fi
  repository=$PWD
  # From a folder that does not hold the sources, or Python would find these.
  (
    cd "$folder"
    "${run[@]}" -m pconv_tf doctor
    "${run[@]}" - "$folder" "$repository"/zoo/*.tflite <"$repository/scripts/wheel_check.py"
  )
  rm -rf "$folder/bare" "$folder/site"
done
