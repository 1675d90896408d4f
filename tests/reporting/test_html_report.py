"""The report page: complete, self-contained, and right in a real browser."""

import dataclasses
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

import pconv_tf
from pconv_tf.reporting.html_report import _STYLE, render
from pconv_tf.reporting.model_report import LayerFacts, ModelReport, gather, read_residuals

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def _row(name, median, speedup, remark=""):
    return {
        "name": name,
        "version": "1.0",
        "num_threads": 1,
        "latency_ms": {"median": median, "min": median * 0.9, "p90": median * 1.1},
        "speedup": speedup,
        "max_abs_diff": 1e-6,
        "remark": remark,
    }


COMPARISON = {
    "subject": {"graph": "a", "baseline": "b"},
    "machine": {"cpu": "Test <CPU>", "cpus": 2, "instructions": "avx2", "system": "Linux"},
    "num_threads": 1,
    "seed": 0,
    "contenders": [
        _row("litert", 10.0, 1.0),
        _row("pconv", 2.0, 5.0),
        _row("other", 5.0, 2.0, "a rival"),
    ],
    "failed": {"tvm": "not installed"},
    "warnings": ["noisy"],
}


@pytest.fixture
def report():
    layers = tuple(
        LayerFacts(
            name=f"block{n}/a_rather_long_name_of_a_layer/conv2d_{n}",
            reason="",
            shape="64->64 3x3",
            output=(56, 56),
            kept_kernels=0.28,
            kept_weights=0.123,
            macs=115_605_504,
            dense_bytes=147_456,
            fkw_bytes=21_000,
            dense_ms=1.5,
            pruned_ms=None if n == 3 else 2.0 if n == 4 else 0.25,
        )
        for n in range(1, 14)
    )
    stock = dataclasses.replace(
        layers[0], name="fc1", reason="not pruned", kept_weights=1.0, dense_ms=0.5, pruned_ms=None
    )
    return ModelReport(
        name="model_with_a_long_name_pconv.tflite",
        file_bytes=2_000_000,
        dense_bytes=14_000_000,
        patterns={(3, 3, 0b010011000): 300, (3, 3, 0b000110010): 100, (1, 1, 1): 50},
        layers=(*layers, stock),
        comparison=COMPARISON,
        machine=COMPARISON["machine"],
        residuals={"primal": [(1.0, 0.5), (2.0, 0.05)], "dual": [(1.0, 0.1), (2.0, 0.0)]},
        accuracy=(0.93, 0.925),
        date="2026-11-29",
        commit="abc1234",
    )


class _Checker(HTMLParser):
    """Counts tags, and notes any that are not closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.problems, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href") or (name == "style" and "url(" in value):
                self.problems.append(f"{tag} loads {value}")
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"{tag} closed out of order")

    def handle_data(self, data):
        self.text.append(data)


def test_page_is_well_formed_self_contained_and_complete(report):
    page = render(report)
    checker = _Checker()
    checker.feed(page)
    assert checker.problems == [] and checker.open == []
    assert "script" not in checker.tags and "link" not in checker.tags
    assert not re.search(r"https?://(?!www\.w3\.org)", page)
    text = " ".join(checker.text)
    for expected in (
        *("5.00x", "2.000 ms", "8.1x", "2.0 MB", "0.925", "66.7%", "Test <CPU>", "a rival"),
        *("tvm: not installed", "noisy", "12.3%", "6.00x", "primal", "stock: not pruned"),
        *("2026-11-29", "commit abc1234", "fc1"),
    ):
        assert expected in text or expected in page, expected
    assert page.count('class="pattern"') == 3
    assert page.count("<tr>") == 1 + 14


def test_what_speaks_against_the_numbers_stands_before_them(report):
    page = render(report)
    assert (
        page.index("noisy") < page.index("1 of 13 pruned layers take longer") < page.index("5.00x")
    )
    assert page.count(">slower<") == 1
    slow = dataclasses.replace(report, comparison=json.loads(json.dumps(COMPARISON)))
    slow.comparison["contenders"][1]["speedup"] = 0.8
    page = render(slow)
    assert page.index("pconv is slower than the dense model: 0.80x") < page.index("0.80x</b>")


def _luminance(colour):
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1])
def test_text_contrasts_as_wcag_aa_asks(scheme):
    """4.5 to 1 for text, in light and dark mode."""
    root = _STYLE.read_text().split(":root {")[1 + scheme].split("}")[0]
    colours = dict(re.findall(r"--(\w+): (#\w{6})", root))
    for text in ("fg", "soft", "warn"):
        for ground in ("bg", "card"):
            dark, light = sorted(_luminance(colours[key]) for key in (text, ground))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


def test_residuals_of_a_training_log(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("epoch,loss,pconv_primal,pconv_dual\n0,1.0,0.5,0.2\n1,0.9,0.1,0.05\n")
    primal, dual = read_residuals(log).values()
    assert primal == [(0.0, 0.5), (1.0, 0.1)] and dual == [(0.0, 0.2), (1.0, 0.05)]
    without = "epoch,loss,pconv_dual,pconv_primal,val_loss\n0,1.0,0.2,0.5,NA\n"
    log.write_text(without)  # As Keras 3 writes where there is no validation.
    assert next(iter(read_residuals(log).values())) == [(0.0, 0.5)]
    history = tmp_path / "log.json"
    history.write_text('{"pconv_primal": [0.5], "pconv_dual": [0.1]}')
    assert next(iter(read_residuals(history).values())) == [(0.0, 0.5)]
    log.write_text("epoch,loss\n0,1.0\n")
    with pytest.raises(ValueError, match=r"no column 'pconv_primal' .*Found: epoch, loss"):
        read_residuals(log)
    history.write_text("[1]")
    with pytest.raises(ValueError, match="neither CSVLogger's nor a history"):
        read_residuals(history)
    with pytest.raises(FileNotFoundError, match=r"gone\.csv"):
        read_residuals(tmp_path / "gone.csv")


def test_facts_of_a_real_file(pruned_twin, delegate, tmp_path):
    graph = tmp_path / "pruned.tflite"
    pconv_tf.convert(pruned_twin, output=graph, force=True, skip="top", quiet=True)
    report = gather(graph, pruned_twin, comparison=COMPARISON, delegate=delegate)
    pruned = [layer for layer in report.layers if layer.pruned]
    assert len(pruned) >= 3
    assert all(layer.dense_ms and layer.pruned_ms for layer in pruned)
    top = next(layer for layer in report.layers if layer.name == "top")
    assert top.reason and top.dense_ms and top.pruned_ms is None
    assert report.date and re.fullmatch(r"[0-9a-f]{7,}|", report.commit)
    second = next(layer for layer in report.layers if layer.shape == "16->16 3x3")
    assert second.macs == 16 * 16 * 16 * 16 * 9
    assert second.kept_weights == pytest.approx(4 / 9 / 3.6, rel=0.02)
    assert sum(report.patterns.values()) > 0
    assert "16->16 3x3" in render(report) or "16-&gt;16 3x3" in render(report)


def test_a_file_without_pruned_layers_is_refused(dense_tflite):
    with pytest.raises(ValueError, match="holds no pruned layers"):
        gather(dense_tflite, dense_tflite, comparison=COMPARISON, delegate="x")


def _screenshot(page: Path, width: int, dark: bool, folder: Path):
    picture = folder / f"{width}{dark}.png"
    command = [
        CHROMIUM,
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        f"--user-data-dir={folder / 'profile'}",
        f"--window-size={width},1600",
        f"--screenshot={picture}",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        page.as_uri(),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    return picture


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")
def test_page_in_a_browser(report, tmp_path):
    """Nothing sticks out sideways on a phone, and dark mode is dark."""
    matplotlib_image = pytest.importorskip("matplotlib.image")
    page = tmp_path / "report.html"
    page.write_text(render(report))
    light = matplotlib_image.imread(_screenshot(page, 1100, False, tmp_path))[..., :3]
    dark = matplotlib_image.imread(_screenshot(page, 1100, True, tmp_path))[..., :3]
    assert light.shape == dark.shape == (1600, 1100, 3)
    assert light[5, 5].mean() > 0.9 and dark[5, 5].mean() < 0.2
    assert 0.01 < (abs(light - light[5, 5]).max(axis=2) > 0.1).mean() < 0.6  # something is there

    # A page that is too wide for its window says so itself.
    probe = "<script>document.title=document.documentElement.scrollWidth</script>"
    narrow = tmp_path / "narrow.html"
    narrow.write_text(
        '<!doctype html><body style="margin:0"><iframe id="f" style="width:390px;height:800px;'
        f'border:0" srcdoc="{_attribute(render(report) + probe)}"></iframe><script>'
        "f.onload=()=>document.body.append('W='+f.contentDocument.documentElement.scrollWidth)"
        "</script>"
    )
    dump = subprocess.run(
        [
            CHROMIUM,
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
            f"--user-data-dir={tmp_path / 'profile2'}",
            "--virtual-time-budget=5000",
            "--dump-dom",
            narrow.as_uri(),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
    ).stdout
    width = re.search(r"W=(\d+)", dump)
    assert width and int(width[1]) <= 390


def _attribute(text):
    return text.replace("&", "&amp;").replace('"', "&quot;")
