"""What tables say of the machine."""

import pytest

from pconv_tf.measuring import machine

VIRTUAL = {"model name": "AMD EPYC", "cpu family": "25", "model": "17", "flags": "fpu avx2 avx512f"}


@pytest.mark.parametrize(
    ("info", "cpu", "instructions"),
    [
        (VIRTUAL, "AMD EPYC family 25 model 17", "avx512f"),
        ({"model name": "ARMv8 Processor", "Features": "fp asimd"}, "ARMv8 Processor", "asimd"),
    ],
)
def test_names_the_generation_of_a_processor(
    monkeypatch: pytest.MonkeyPatch, info: dict[str, str], cpu: str, instructions: str
) -> None:
    monkeypatch.setattr(machine, "cpu_info", lambda: info)
    described = machine.describe_machine()
    assert (described.cpu, described.instructions) == (cpu, instructions)
