"""The table of `make count-arm64`, from counts as the plugin writes them."""

import pytest

from benchmarks import count_arm64

DENSE = (
    "instructions=120000000 fmla=80000000 half_fmla=0 other_simd=1000000 loads=24000000 "
    "stack=50000 l1_misses=3600000 l2_misses=950000\n"
)
PRUNED = (
    "instructions=30000000 fmla=9000000 half_fmla=1000000 other_simd=4000000 loads=20000000 "
    "stack=4600000 l1_misses=290000 l2_misses=180000\n"
)


def test_cycles_are_those_of_the_scarcest_unit() -> None:
    dense, pruned = count_arm64.parse_counts(DENSE), count_arm64.parse_counts(PRUNED)
    a76, a55 = count_arm64.CORES["A76"], count_arm64.CORES["A55"]
    assert a76.cycles(dense) == 40.5e6  # 81 million vector operations, two a cycle
    assert a76.cycles(pruned) == 10e6  # 20 million loads, two a cycle
    assert a76.cycles({**pruned, "loads": 0}) == 7.5e6  # 30 million instructions, four a cycle
    assert a55.cycles(pruned) == 40e6


def test_row_compares_with_the_dense_network() -> None:
    dense, pruned = count_arm64.parse_counts(DENSE), count_arm64.parse_counts(PRUNED)
    assert count_arm64.row("net", "dense", dense, dense) == (
        "| net | dense | 120.0 | 80.0 | 1.50 | 0.30 | 0.1 | 3.60 | 0.95 | 40.5 | 81.0 |"
    )
    assert count_arm64.row("net", "free", pruned, dense) == (
        "| net | free | 30.0 (4.00x) | 10.0 | 3.00 | 2.00 | 4.6 | 0.29 | 0.18 "
        "| 10.0 (4.05x) | 40.0 (2.02x) |"
    )


def test_header_has_as_many_columns() -> None:
    counts = count_arm64.parse_counts(DENSE)
    assert count_arm64.row("net", "dense", counts, counts).count("|") == (
        len(count_arm64.COLUMNS) + 1
    )


def test_other_text_is_refused() -> None:
    with pytest.raises(ValueError):
        count_arm64.parse_counts("killed")
