#!/usr/bin/env bash
# The OpenCL kernels in Oclgrind, a simulator that checks every access: oclgrind.sh TEST_BINARY.
# It reports on stderr and returns 0 all the same, so its log has to be empty.
set -euo pipefail
test_binary=$1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
library=$(find /usr -name liboclgrind-rt.so -print -quit 2>/dev/null)
[ -n "$library" ] || { echo "oclgrind.sh: liboclgrind-rt.so is missing; install oclgrind" >&2; exit 1; }
export PCONV_OPENCL_LIBRARY=$library

check() {  # check FILTER OPTIONS...
  local filter=$1
  shift
  oclgrind "$@" --max-errors 20 --log "$log" "$test_binary" --gtest_filter="$filter" --gtest_brief=1
  if [ -s "$log" ]; then
    cat "$log" >&2
    echo "oclgrind.sh: errors in the kernels (above)" >&2
    exit 1
  fi
}

convolutions='*KeptTaps*:*TapCounts*:*ExplicitPads*:*SparseFully*:*ProfileHas*:*SlicedPoints*'
check "$convolutions:*PadConcat*:*Unary*:*Chains*:*Resize*:*Pools*" --data-races
# Unoptimised, as this mode does not know LLVM's freeze instruction, and no buffer is released, as it
# takes what follows in its place for uninitialised (docs/opencl.md).
export PCONV_TEST_KEEP_ENGINES=1
check "$convolutions:*_Pools:*Unary*:*PadIntoPool*" --uninitialized --build-options -cl-opt-disable
echo "oclgrind: no invalid access, no race, no uninitialised read"
