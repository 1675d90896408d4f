#!/usr/bin/env bash
# libFuzzer on the readers of the format: fuzz_readers.sh SECONDS PYTHON [FOLDER]. Every target runs
# SECONDS under AddressSanitizer and UndefinedBehaviorSanitizer, from seeds made from the golden files.
# What it finds new stays in FOLDER/corpus and is a seed of the next run; what fails is in FOLDER.
set -euo pipefail
seconds=$1 python=$2 folder=$(realpath -m "${3:-build/fuzz}")
cd "$(dirname "$0")/.."
mkdir -p "$folder"
PYTHONPATH=tests "$python" tests/fuzz_corpus.py tests/golden "$folder/seeds"

# The sources of the given libraries and of all that they stand on, as Bazel knows them.
sources() {
  "${BAZEL:-bazel}" cquery --ui_event_filters=-info "kind('source file', deps(set($*)))" |
    sed -n 's|^//\(.*\):\(.*\.cc\) .*|\1/\2|p'
}
declare -A libraries=(
  [options]="//tflite_ops/core:fkw_view"
  [layer]="//tflite_ops/core:reference //tflite_ops:layer_reader"
  [node]="//delegate:partitioner //tflite_ops:fake_runtime //tflite_ops/core:fkw_testing"
)
declare -A harness=(
  [options]=tflite_ops/fuzzing/options_fuzz.cc
  [layer]=tflite_ops/fuzzing/layer_fuzz.cc
  [node]=delegate/fuzzing/node_fuzz.cc
)
for target in options layer node; do
  mkdir -p "$folder/corpus/$target"
  # shellcheck disable=SC2086
  files=$(sources ${libraries[$target]})
  # shellcheck disable=SC2086
  clang++ -std=c++17 -O1 -g -I. ${harness[$target]} $files -o "$folder/$target" \
    -fsanitize=fuzzer,address,undefined -fno-sanitize=enum,bool -fno-sanitize-recover=all
  echo "fuzz_readers.sh: $target, $seconds s"
  "$folder/$target" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -print_final_stats=1 \
    -verbosity=0 -print_funcs=0 -artifact_prefix="$folder/$target-" "$folder/corpus/$target" "$folder/seeds/$target" 2>&1 |
    sed '/Recommended dictionary/,/End of recommended dictionary/d'
done
