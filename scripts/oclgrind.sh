#!/usr/bin/env bash
# The OpenCL kernels in Oclgrind, a simulator that checks every access: oclgrind.sh TEST_BINARY.
# It reports on stderr and returns 0 all the same, so its log has to be empty. That says something only
# if tests ran: one without a device fails, and every part of a filter has to name tests.
set -euo pipefail
test_binary=$1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
library=$(find /usr -name liboclgrind-rt.so -print -quit 2>/dev/null)
[ -n "$library" ] || { echo "oclgrind.sh: liboclgrind-rt.so is missing; install oclgrind" >&2; exit 1; }
export PCONV_OPENCL_LIBRARY=$library PCONV_REQUIRE_OPENCL=1

check() {  # check FILTER OPTIONS...; without arithmetic in half, which Oclgrind does not interpret
  local filter=$1 part
  shift
  local parts
  IFS=: read -ra parts <<< "$filter"
  for part in "${parts[@]}"; do
    "$test_binary" --gtest_list_tests --gtest_filter="$part-HalfArithmetic*" | grep '^  ' > /dev/null ||
      { echo "oclgrind.sh: no test is called $part" >&2; exit 1; }
  done
  oclgrind "$@" --max-errors 20 --log "$log" "$test_binary" --gtest_filter="$filter-HalfArithmetic*" --gtest_brief=1
  if [ -s "$log" ]; then
    cat "$log" >&2
    echo "oclgrind.sh: errors in the kernels (above)" >&2
    exit 1
  fi
}

convolutions='*KeptTaps*:*TapCounts*:*ExplicitPads*:*SparseFully*:*ProfileHas*:*SlicedPoints*'
check "$convolutions:*DenseGrouped*:*PadConcat*:*Unary*:*Chains*:*Resize*:*Pools*" --data-races
# Unoptimised, as this mode does not know LLVM's freeze instruction, and no buffer is released, as it
# takes what follows in its place for uninitialised (docs/opencl.md).
export PCONV_TEST_KEEP_ENGINES=1
check "$convolutions:*_Pools:*Unary*:*PadIntoPool*" --uninitialized --build-options -cl-opt-disable
echo "oclgrind: no invalid access, no race, no uninitialised read"
