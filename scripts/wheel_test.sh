#!/usr/bin/env bash
# Checks wheels that scripts/wheel.sh built: wheel_test.sh PYTHON WHEEL...
# auditwheel must find no symbol newer than the platform tag says. Then each wheel is installed with
# its dependencies, and nothing else, passes the self-test of `pconv-tf doctor`, and runs the files of
# zoo/ with the outputs of their dense twins, or of the first wheel: in a fresh environment of PYTHON,
# or for aarch64 under qemu, in Debian's Python with LiteRT's wheel for that processor.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
pip=(-m pip install -q --disable-pip-version-check --no-compile)
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
    "$python" -m venv "$folder/bare"
    "$folder/bare/bin/python" "${pip[@]}" "$wheel"
    run=("$folder/bare/bin/python")
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
