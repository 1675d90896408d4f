"""`make bench` writes what was measured, and says so when somebody else is faster."""

import sys

import pytest

from benchmarks import run as bench
from benchmarks import stored
from pconv_tf import compare


def _row(name, median, base=10.0):
    return {
        "name": name,
        "version": "1.0",
        "num_threads": 1,
        "latency_ms": {"median": median, "min": median, "p90": median},
        "speedup": base / median,
        "max_abs_diff": 1e-6,
        "spread": 0.01,
        "remark": "",
    }


def _entry(rival_ms):
    return {
        "date": "2026-01-02",
        "subject": {
            "network": "resnet50",
            "pruning": {"connectivity_rate": 2},
            "conv_weights_kept": 0.25,
            "bytes": {"dense": 100_000_000, "pconv": 30_000_000},
        },
        "machine": {"cpu": "Test CPU", "cpus": 2, "instructions": "avx2", "system": "Linux"},
        "num_threads": 1,
        "contenders": [
            *(_row("litert", 10.0), _row("pconv", 2.5)),
            *(_row("rival", rival_ms), _row("openvino-bf16", 0.1)),
        ],
        "failed": {"mnn": "not installed: run this\nand that"},
        "warnings": ["noisy"],
    }


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A checkout's documents; measurements are stored by the test."""
    monkeypatch.setattr(stored, "FOLDER", tmp_path / "results")
    monkeypatch.setattr(bench, "DOCUMENT", tmp_path / "results.md")
    monkeypatch.setattr(bench, "README", tmp_path / "README.md")
    bench.README.write_text(f"before\n{bench.BEGIN}\nold\n{bench.END}\nafter\n")
    return tmp_path


def _run(monkeypatch, *flags):
    monkeypatch.setattr(sys, "argv", ["run", *flags])
    return bench.main()


@pytest.mark.parametrize(("rival_ms", "faster"), [(5.0, False), (2.0, True)])
def test_tables_are_written_from_the_json(folder, monkeypatch, rival_ms, faster):
    stored.write("resnet50", 1, _entry(rival_ms))
    assert _run(monkeypatch, "--render") == 0
    readme = bench.README.read_text()
    assert readme.startswith(f"before\n{bench.BEGIN}\n| network |")
    assert readme.endswith(f"\n{bench.END}\nafter\n") and "old" not in readme
    line = next(line for line in readme.splitlines() if line.startswith("| resnet50 "))
    assert line.startswith("| resnet50 | 1 | 10.0 | 2.50 | **4.00x** | rival ")
    assert ("**faster than pconv**" in line) is faster
    document = bench.DOCUMENT.read_text()
    assert "## resnet50, 1 thread\n" in document and "openvino-bf16" in document
    notes = "\n\n- mnn: not installed: run this\n- Note: noisy\n\n"
    command = "`pconv-tf compare --network=resnet50 --num_threads=1 --peers=openvino,mnn`\n"
    assert document.endswith(notes + command)
    assert "`pconv-tf compare --network=vgg16_conv --peers=openvino,mnn`" in readme


def test_starts_have_a_table_where_they_were_measured(folder, monkeypatch):
    entry = _entry(5.0)
    for row, first in zip(entry["contenders"][:2], (40.0, 20.0), strict=True):
        row["start"] = {"first_ms": first, "again_ms": 30.0, "peak_mb": first / 4}
    stored.write("resnet50", 1, entry)
    stored.write("resnet50", 2, {**_entry(5.0), "num_threads": 2})
    assert _run(monkeypatch, "--render") == 0
    document = bench.DOCUMENT.read_text()
    assert document.count("| contender | first result ms |") == 1
    assert "| litert | 40.0 | 1.00x | 30.0 | 1.00x | 10.0 |\n" in document
    assert "| **pconv** | 20.0 | 2.00x | 30.0 | 1.00x | 5.0 |\n" in document


def test_what_has_no_flag_is_measured_again_by_name(folder, monkeypatch):
    case = next(case for case in bench.CASES if "per_layer" in case.pruning)
    stored.write(case.key, 1, _entry(5.0))
    assert _run(monkeypatch, "--render") == 0
    last = bench.DOCUMENT.read_text().splitlines()[-1]
    assert last == f'`python -m benchmarks.run "--networks={case.key}" --threads=1`'


def test_a_readme_without_marks_is_refused(folder, monkeypatch):
    bench.README.write_text("nothing here")
    with pytest.raises(SystemExit, match="expected the marks"):
        _run(monkeypatch, "--render")


def test_unknown_cases_are_named(folder, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        _run(monkeypatch, "--networks=alexnet")
    assert "no case 'alexnet'; cases: vgg16_conv; " in capsys.readouterr().err


def test_measuring_replaces_one_entry(folder, monkeypatch, dense_tflite):
    """With a small file in place of a network."""
    for case in ("vgg16", "resnet50"):
        stored.write(case, 1, _entry(5.0))

    def measured(network, **arguments):
        result = compare(
            graph=dense_tflite,
            baseline=dense_tflite,
            num_runs=1,
            num_starts=0,
            external_delegate_path="none",
            num_threads=arguments["num_threads"],
        )
        result.subject.update(network=network, pruning={}, conv_weights_kept=1.0)
        return result

    monkeypatch.setattr("pconv_tf.compare", measured)
    assert _run(monkeypatch, "--networks=vgg16", "--threads=1") == 0
    entries = stored.read_all()
    assert set(entries) == {("vgg16", 1), ("resnet50", 1)}
    assert entries["vgg16", 1]["machine"]["cpu"] != "Test CPU"
    assert entries["resnet50", 1]["machine"]["cpu"] == "Test CPU"
    assert "| vgg16 | 1 |" in bench.README.read_text()


def test_a_stored_measurement_has_a_line_for_each_contender(folder):
    stored.write("vgg16, blocks of 16", 2, _entry(1 / 3) | {"num_threads": 2})
    path = folder / "results" / "vgg16_blocks_of_16_2.json"
    lines = path.read_text().splitlines()
    assert sum('"name"' in line for line in lines) == 4
    (entry,) = stored.read_all().values()
    assert entry["contenders"][2]["latency_ms"]["median"] == pytest.approx(1 / 3, rel=1e-4)


def test_another_file_among_the_measurements_is_refused_by_name(folder):
    (folder / "results").mkdir()
    (folder / "results" / "other.json").write_text("[1]")
    with pytest.raises(ValueError, match=r"other\.json: expected a stored measurement"):
        stored.read_all()


@pytest.mark.parametrize(
    ("behind", "text"),
    [(0, None), (3, "was measured 3 commits of delegate/cpu ago"), (None, "by an unknown engine")],
)
def test_a_cost_model_older_than_the_engine_is_remarked(monkeypatch, behind, text):
    monkeypatch.setattr(bench, "checkout_commit", lambda: "abc1234")
    monkeypatch.setattr(bench, "commits_since", lambda commit, folder: behind)
    warning = bench.age_warning()
    if text is None:
        assert warning is None
    else:
        assert text in warning
        assert "pconv-tf breakeven --cost_model=pconv_tf/conversion/cost_model.json" in warning


def test_without_a_checkout_nothing_is_said_about_age(monkeypatch):
    monkeypatch.setattr(bench, "checkout_commit", lambda: "")
    monkeypatch.setattr(bench, "commits_since", lambda commit, folder: None)
    assert bench.age_warning() is None
