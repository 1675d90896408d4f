#!/usr/bin/env bash
# Makes the environment: setup.sh PYTHON VENV. Installs missing Debian/Ubuntu packages where it may.
set -euo pipefail
python=$1
venv=$2
cd "$(dirname "$0")/.."

# name of a package : file that shows that it is there
needed=(
  "g++:/usr/bin/g++"
  "make:/usr/bin/make"
  "libflatbuffers-dev:/usr/include/flatbuffers/flexbuffers.h"
  "googletest:/usr/src/googletest/googletest/include/gtest/gtest.h"
  "opencl-headers:/usr/include/CL/cl.h"
  "ocl-icd-libopencl1:/usr/lib/$(uname -m)-linux-gnu/libOpenCL.so.1"
  "pocl-opencl-icd:/etc/OpenCL/vendors/pocl.icd"
)
missing=()
for entry in "${needed[@]}"; do
  [ -e "${entry#*:}" ] || missing+=("${entry%%:*}")
done
command -v bazel >/dev/null || missing+=("bazel-bootstrap")
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=("python3-venv")

if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ]; then
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
  else
    echo "setup: these system packages are missing; install them and run make setup again:" >&2
    echo "  sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
fi
# Debian's Fashion-MNIST is what the demo trains on; without it the demo downloads the same data.
if [ "$(id -u)" = 0 ] && [ ! -e /usr/share/datasets/fashion-mnist ]; then
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends dataset-fashion-mnist ||
    echo "setup: no package dataset-fashion-mnist here; the demo will download the data" >&2
fi

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install -q --require-hashes -r requirements.lock
"$venv/bin/python" -m pip install -q --no-deps --no-build-isolation -e .
