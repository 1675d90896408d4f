"""The page of compatibility is that of the results, and other statements of releases agree."""

import json
import re

import matrix
import pytest

from pconv_tf.cli.doctor import TESTED

RESULTS = json.loads(matrix.RESULTS.read_text())
OLDEST = (matrix.rows()[0], matrix.TFLITE_RUNTIME)
PASSED = [row for row in matrix.rows() if RESULTS[row.key].startswith("passed")]


def _releases(package):
    names = [name for row in PASSED for name in row.packages]
    found = {name.split("==")[1] for name in names if name.startswith(f"{package}==")}
    return sorted(found, key=lambda release: tuple(map(int, release.split("."))))


def test_the_page_is_that_of_the_results():
    assert matrix.PAGE.read_text() == matrix.page(RESULTS)
    assert set(RESULTS) == {row.key for row in matrix.rows()} | {"machine"}
    assert [key for key, result in RESULTS.items() if result.startswith("failed")] == []


@pytest.mark.parametrize("package", ["ai-edge-litert", "tensorflow", "keras"])
def test_limits_and_doctor_follow_it(package):
    oldest, newest = _releases(package)[0], _releases(package)[-1]
    assert TESTED[package].startswith(f"{oldest} to {newest}")
    text = (matrix.ROOT / "pyproject.toml").read_text()
    limits = re.findall(rf'"{package}>=([\d.]+),<([\d.]+)"', text)
    assert limits
    for lowest, above in limits:
        assert oldest.startswith(f"{lowest}.")
        assert tuple(map(int, newest.split("."))) < tuple(map(int, above.split(".")))


def test_every_python_of_the_classifiers_was_tried():
    text = (matrix.ROOT / "pyproject.toml").read_text()
    stated = set(re.findall(r"Programming Language :: Python :: (3\.\d+)", text))
    assert stated == {row.python for row in PASSED}


@pytest.mark.slow
@pytest.mark.parametrize("row", OLDEST, ids=lambda row: row.check)
def test_the_oldest_runtimes_still_pass(row, delegate):
    result = matrix.run(row)
    if result.startswith(("not tried", "cannot be installed")):
        pytest.skip(result)
    assert result == RESULTS[row.key]
