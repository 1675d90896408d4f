"""benchmarks/cpu_without.c hides instruction sets from whoever asks the CPU."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "benchmarks" / "cpu_without.c"
# Prints what a process and its threads and children see.
PROBE = """
#include <cpuid.h>
#include <pthread.h>
#include <stdio.h>
static void *Ask(void *unused) {
  unsigned a = 0, b = 0, c = 0, d = 0, e = 0, f, g, h;
  __get_cpuid_count(7, 0, &a, &b, &c, &d);
  __get_cpuid_count(7, 1, &e, &f, &g, &h);
  printf("%u %u %u %u %u\\n", d >> 24 & 1, b >> 16 & 1, c >> 11 & 1, e >> 4 & 1, b >> 5 & 1);
  return unused;
}
int main(void) {
  pthread_t thread;
  Ask(0);
  pthread_create(&thread, 0, Ask, 0);
  pthread_join(thread, 0);
  return 0;
}
"""
# AMX tiles, AVX-512, AVX512-VNNI, AVX-VNNI, AVX2.
LEFT = {"amx": (0, 1, 1, 1, 1), "avx512": (0, 0, 0, 1, 1), "vnni": (0, 0, 0, 0, 1)}


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    if platform.machine() != "x86_64" or shutil.which("gcc") is None:
        pytest.skip("needs gcc for x86-64")
    if "cpuid_fault" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this CPU does not trap CPUID")
    folder = tmp_path_factory.mktemp("cpu")
    (folder / "probe.c").write_text(PROBE)
    library, probe = folder / "cpu_without.so", folder / "probe"
    build = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*build, "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    subprocess.run([*build, "-pthread", "-o", probe, folder / "probe.c"], check=True)
    return library, probe


def ask(programs, without):
    library, probe = programs
    environment = {**os.environ, "LD_PRELOAD": str(library), "CPU_WITHOUT": without}
    return subprocess.run(
        [probe], capture_output=True, text=True, check=False, env=environment, timeout=20
    )


@pytest.mark.parametrize("without", LEFT)
def test_hides_what_it_is_told(programs, without):
    everything = [int(bit) for bit in ask(programs, "").stdout.splitlines()[0].split()]
    result = ask(programs, without)
    assert result.returncode == 0, result.stderr
    expected = [bit and left for bit, left in zip(everything, LEFT[without], strict=True)]
    for line in result.stdout.splitlines():
        assert [int(bit) for bit in line.split()] == expected
    assert len(result.stdout.splitlines()) == 2  # its thread's, too


def test_unknown_names_are_refused(programs):
    result = ask(programs, "sse")
    assert result.returncode == 2
    assert result.stderr == "CPU_WITHOUT: expected amx, avx512 or vnni, found 'sse'\n"
