# Everything a user or CI runs. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
LIB := bazel-bin/delegate/libpconv_delegate.so
BAZEL ?= bazel
# Tests in which several threads share memory.
THREAD_TESTS := //delegate:packed_cache_test //delegate/cpu:concurrency_test //delegate/cpu:cpu_engine_test //delegate/cpu:blocked_engine_test

# Tests of what the OpenCL engine chooses by the lanes of the device; PoCL has those of the CPU that it runs on.
OPENCL_TESTS := //delegate/opencl:opencl_engine_test //delegate/opencl:opencl_tiles_test

# Tests that need an OpenCL device (PoCL, which `setup` installs) fail without one; 0 skips them there.
export PCONV_REQUIRE_OPENCL ?= 1

.PHONY: help setup delegate demo study test test-all test-python test-cpp test-long test-models
.PHONY: test-isa test-emulated test-whole test-oclgrind sanitize fuzz fuzz-readers lint
.PHONY: format bench count-arm64 docs docs-site wheel test-wheel test-wheel-aarch64 compatibility clean

help:  ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-19s %s\n", $$1, $$2}'

# Targets run one after another, whatever -j says, but for the two halves of `setup`: one downloads, one compiles.
ifeq ($(MAKELEVEL),0)
.NOTPARALLEL:
endif

setup: $(VENV)/.packages  ## system packages, .venv from the lock file, the delegate
	@$(MAKE) --no-print-directory -j2 $(VENV)/.stamp delegate

$(VENV)/.packages: scripts/system_packages.sh
	scripts/system_packages.sh "$(PYTHON)"
	@mkdir -p $(VENV)
	@touch $@

# The stamp is newer than what it was made from: a repeated `make setup` does nothing.
$(VENV)/.stamp: $(VENV)/.packages requirements.lock pyproject.toml scripts/setup.sh
	scripts/setup.sh "$(PYTHON)" "$(VENV)"
	@touch $@

delegate: $(VENV)/.packages  ## build libpconv_delegate.so with Bazel, offline
	$(BAZEL) build //delegate:libpconv_delegate.so

demo: setup  ## train, prune, convert and run a CNN on Fashion-MNIST; prints a table, draws a picture
	$(VENV)/bin/pconv-tf demo --output=demo_output

study: setup  ## what 8.1x costs a VGG-16 on Fashion-MNIST, against dense networks trained as long: hours
	$(PY) -m experiments.fashion_mnist_vgg --work=study_output

test: setup lint test-cpp test-python  ## linters, C++ and Python tests: minutes

STAGES := setup lint test-cpp test-python test-long docs-site test-isa sanitize fuzz-readers test-emulated test-wheel-aarch64 test-oclgrind
test-all:  ## these, long tests, site, sanitizers, other CPUs, wheels: an hour; says what each took
	@scripts/stages.sh $(STAGES)

test-cpp: setup  ## C++ tests but the long ones
	$(BAZEL) test --test_tag_filters=-long //...

test-long: setup  ## C++ and Python tests that take long
	scripts/packages.sh clang:clang
	$(BAZEL) test --test_tag_filters=long //...
	$(PY) -m pytest -n auto -m "slow and not models" tests

# The delegate's options are taken from the environment where a test gives none. C++ tests run every
# instruction set of the CPU anyway, and those of lesser CPUs in test-emulated. Where AVX2 is the best
# there is, test-python has run it.
BEYOND_AVX2 := $(shell grep -qwE 'avx512f|avx_vnni' /proc/cpuinfo && echo 1)
test-isa: setup  ## Python tests that run or convert, as on CPUs without AVX-512, and the runtime's without AVX
ifneq ($(BEYOND_AVX2),)
	PCONV_TEST_CPU_FLAGS="avx avx2 fma" PCONV_ISA=avx2 $(PY) -m pytest -n auto -m "not slow and not models" $(addprefix tests/,runtime conversion comparing measuring benchmarks)
endif
	PCONV_ISA=baseline $(PY) -m pytest -n auto -m "not slow and not models" tests/runtime

sanitize: setup  ## C++ tests under AddressSanitizer and UndefinedBehaviorSanitizer, threads under ThreadSanitizer
	$(BAZEL) test --config=asan //...
	$(BAZEL) test --config=tsan $(THREAD_TESTS)

# How much `make fuzz` does: graphs in each of four parts, mutated models, seconds of each reader, files.
FUZZ_GRAPHS ?= 5000
FUZZ_FILES ?= 200000
FUZZ_MODELS ?= 1000
FUZZ_SECONDS ?= 300
FUZZ_TEST := $(BAZEL) test --config=asan --test_timeout=36000 --nocache_test_results --test_output=all

fuzz: setup  ## fuzzers for hours, with random seeds (docs/security.md)
	$(FUZZ_TEST) --test_env=PCONV_FUZZ_SEED=random --test_env=PCONV_FUZZ_CASES=$(FUZZ_GRAPHS) //delegate/fuzzing:graph_fuzz_test
	$(FUZZ_TEST) --test_env=PCONV_FUZZ_SEED=random --test_env=PCONV_FUZZ_CASES=$(FUZZ_FILES) //delegate:mutation_test
	$(MAKE) fuzz-readers FUZZ_READER_SECONDS=$(FUZZ_SECONDS)
	PYTHONPATH=tests/runtime $(PY) tests/runtime/model_fuzz.py --cases=$(FUZZ_MODELS)

FUZZ_READER_SECONDS ?= 5
fuzz-readers: setup  ## libFuzzer on the readers of the format, for seconds
	scripts/packages.sh clang:clang
	scripts/packages.sh "libclang-rt-$$(clang -dumpversion | cut -d. -f1)-dev:$$(clang -print-file-name=libclang_rt.fuzzer-$$(uname -m).a)"
	scripts/fuzz_readers.sh $(FUZZ_READER_SECONDS) $(PY)

test-emulated: setup  ## C++ tests under qemu: ARM64 with and without float16, x86-64 CPUs without AVX-512 or AVX
	scripts/packages.sh "qemu-user-static:qemu-aarch64-static" "g++-aarch64-linux-gnu:aarch64-linux-gnu-g++"
	$(BAZEL) test --config=nehalem -- //delegate/... //tflite_ops/... -//delegate/opencl/... -//delegate/fuzzing/...
	$(BAZEL) test --config=haswell //delegate/cpu/...
	$(BAZEL) test --config=haswell --test_tag_filters= "--test_arg=--gtest_filter=*OnCpus:*cpu_fp32" $(OPENCL_TESTS)
	$(BAZEL) test --config=nehalem --test_tag_filters= "--test_arg=--gtest_filter=*OnCpus:*cpu_fp32" //delegate/opencl:opencl_tiles_test
	$(BAZEL) test --config=aarch64 -- //delegate/... //tflite_ops/... -//delegate/opencl/...
	$(BAZEL) test --config=aarch64 --config=cortex-a72 //delegate/cpu/...

test-whole: setup  ## whole grids of engines under AddressSanitizer and on ARM64, else sampled there: before a release
	$(BAZEL) test --config=asan --test_env=PCONV_TEST_SAMPLE= //delegate/cpu/...
	scripts/packages.sh "qemu-user-static:qemu-aarch64-static" "g++-aarch64-linux-gnu:aarch64-linux-gnu-g++"
	$(BAZEL) test --config=aarch64 --test_env=PCONV_TEST_SAMPLE= //delegate/... //tflite_ops/...

test-python: setup  ## Python tests but the slow ones, against the built delegate
	$(PY) -m pytest -n auto -m "not slow and not models" tests

test-models: setup  ## large networks, those of docs/models.md among them, compute what their twins do
	$(PY) -m pytest -n auto -m models tests

test-oclgrind: setup  ## OpenCL kernels in the simulator Oclgrind and, those in half, in clang
	scripts/packages.sh oclgrind:oclgrind clang:clang
	$(BAZEL) test --test_env=PCONV_REQUIRE_CLANG=1 //delegate/opencl:half_source_test
	$(BAZEL) build //delegate/opencl:opencl_engine_test
	scripts/oclgrind.sh bazel-bin/delegate/opencl/opencl_engine_test

lint: $(VENV)/.stamp  ## ruff, mypy, clang-format, buildifier
	scripts/lint.sh check

format: $(VENV)/.stamp  ## reformat Python, C++ and Bazel files
	scripts/lint.sh fix

bench: setup  ## measure every network against its rivals; writes docs/results.md and the README table
	$(PY) -m benchmarks.run

count-arm64: setup  ## what networks execute on ARM64, counted under qemu; builds for it first, for half an hour
	scripts/packages.sh "qemu-user:qemu-aarch64" "g++-aarch64-linux-gnu:aarch64-linux-gnu-g++"
	$(BAZEL) build --config=aarch64 //delegate:libpconv_delegate.so
	$(PY) -m benchmarks.count_arm64 "$$($(BAZEL) info --config=aarch64 bazel-bin)/delegate/libpconv_delegate.so"

docs: $(VENV)/.stamp  ## write the tables of docs/results.md and the README anew from docs/results.json
	$(PY) -m benchmarks.run --render

docs-site: .venv-docs/.stamp  ## the documentation as a site, in site/; a link that leads nowhere is an error
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet

.venv-docs/.stamp: requirements-docs.lock
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/pip install -q --require-hashes -r $<
	@touch $@

wheel: setup  ## a wheel with the delegate inside, in dist/
	rm -f dist/*.whl
	scripts/wheel.sh "$(PY)"

test-wheel: wheel  ## that wheel in an environment of its own: auditwheel, self-test, the files of zoo/
	scripts/wheel_test.sh "$(PYTHON)" dist/*.whl

test-wheel-aarch64: wheel  ## the same, and one for ARM64 under qemu, with LiteRT's own wheel
	scripts/packages.sh "qemu-user-static:qemu-aarch64-static" "g++-aarch64-linux-gnu:aarch64-linux-gnu-g++"
	$(BAZEL) build --config=aarch64 //delegate:libpconv_delegate.so
	scripts/wheel.sh "$(PY)" "$$($(BAZEL) info --config=aarch64 bazel-bin)/delegate/libpconv_delegate.so" manylinux_2_28_aarch64
	scripts/wheel_test.sh "$(PYTHON)" dist/*x86_64.whl dist/*aarch64.whl

compatibility: setup  ## try the releases of docs/compatibility.md, and write it; half an hour
	$(PY) tests/compatibility/matrix.py

clean:  ## remove what the other targets made
	-$(BAZEL) clean 2>/dev/null
	rm -rf $(VENV) .venv-docs site build dist demo_output study_output *.egg-info
