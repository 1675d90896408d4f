"""Tables as a terminal and a pipe see them, and how numbers look in them."""

import io

import pytest

from pconv_tf import tables


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def _table(monkeypatch, stream):
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setenv("COLUMNS", "80")
    reason = "kept dense: the cost model expects no gain at a density of 0.9"
    rows = [[f"block_{n}/conv2d[{n}]", 1.25, reason] for n in range(3)]
    tables.print_table(["layer", "ms", "why"], rows, title="layers", text_columns=["why"])
    return stream.getvalue()


def test_a_piped_table_has_one_line_a_row_and_no_colours(monkeypatch):
    text = _table(monkeypatch, io.StringIO())
    assert "\x1b" not in text
    lines = text.splitlines()
    assert len(lines) == 1 + 2 + 3
    assert "block_2/conv2d[2]" in lines[-1] and "density of 0.9" in lines[-1]


def test_a_table_on_a_terminal_fits_80_columns_and_cuts_nothing(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    long = "x" * 200
    stream = _Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setenv("COLUMNS", "80")
    tables.print_table(["name", "value"], [[long, 1]])
    text = stream.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("x") == 200


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2_500_000_000, "2.50 GB")]
)
def test_size(count, text):
    assert tables.size(count) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((0, "0"), (0.0123, "0.0123"), (0.994, "0.994"), (0.9951, "1.00"), (1.234, "1.23")),
        *((9.996, "10.0"), (12.34, "12.3"), (99.96, "100"), (1234.5, "1,234"), (2e6, "2,000,000")),
    ],
)
def test_amounts_have_three_digits(value, text):
    assert tables.amount(value) == text


def test_what_is_not_known_is_a_dash():
    assert tables.milliseconds(None) == tables.ratio(None) == "-"
    assert tables.milliseconds(0.1416) == "0.142" and tables.ratio(2.945) in ("2.94x", "2.95x")
    assert tables.kilobytes(294_912, 7_410) == "295->7.4"


def test_tables_of_vgg16_fit_80_columns(keras3):
    """The longest of usual names in the widest tables."""
    import pconv_tf
    from pconv_tf.conversion.report import PCONV, LayerReport, text_table

    inputs = keras3.Input((16, 16, 256))
    outputs = keras3.layers.Conv2D(512, 3, name="block4_conv1")(inputs)
    model = pconv_tf.prune_one_shot(keras3.Model(inputs, outputs), {"connectivity_rate": 3.6})
    lines = str(pconv_tf.sparsity_report(model)).splitlines()
    assert "256->512 3x3" in lines[-2] and max(map(len, lines[:-1])) <= 80
    layer = LayerReport(
        *("block4_conv1", "CONV_2D", PCONV, "expected 5.3x", (3, 3), 256, 512, 0.1234, 0.28),
        **{"num_patterns": 8, "filter_block": 16, "dense_bytes": 4_720_640, "fkw_bytes": 590_123},
    )
    assert max(map(len, text_table([layer]).splitlines())) <= 80
