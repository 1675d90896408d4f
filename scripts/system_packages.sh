#!/usr/bin/env bash
# Installs the Debian/Ubuntu packages that are missing, where it may: system_packages.sh PYTHON.
set -euo pipefail
python=$1
cd "$(dirname "$0")/.."

scripts/packages.sh \
  "g++:g++" \
  "make:make" \
  "cmake:cmake" \
  "bazel-bootstrap:bazel" \
  "libflatbuffers-dev:/usr/include/flatbuffers/flexbuffers.h" \
  "googletest:/usr/src/googletest/googletest/include/gtest/gtest.h" \
  "opencl-headers:/usr/include/CL/cl.h" \
  "ocl-icd-libopencl1:/usr/lib/$(uname -m)-linux-gnu/libOpenCL.so.1" \
  "pocl-opencl-icd:/etc/OpenCL/vendors/pocl.icd"
"$python" -c 'import ensurepip, venv' 2>/dev/null || scripts/packages.sh "python3-venv:ensurepip"
# Debian's Fashion-MNIST is what the demo trains on; without it the demo downloads the same data.
if [ "$(id -u)" = 0 ] && [ ! -e /usr/share/datasets/fashion-mnist ]; then
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends dataset-fashion-mnist ||
    echo "setup: no package dataset-fashion-mnist here; the demo will download the data" >&2
fi

# Shows the report page in a test, which is skipped without it.
if [ "$(id -u)" = 0 ] && ! command -v chromium google-chrome >/dev/null; then
  scripts/packages.sh chromium:chromium ||
    echo "setup: no package chromium here; the test of the report in a browser will be skipped" >&2
fi
