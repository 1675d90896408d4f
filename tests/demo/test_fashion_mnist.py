import gzip

import numpy as np
import pytest

from pconv_tf.demo import fashion_mnist


def write_idx(path, array, magic=None):
    header = bytes(magic or [0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    path.write_bytes(gzip.compress(header + array.tobytes()))


def fill(folder, images=5):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (images, 28, 28), np.uint8)
    labels = rng.integers(0, 10, images, np.uint8)
    for prefix in ("train", "t10k"):
        write_idx(folder / f"{prefix}-images-idx3-ubyte.gz", pixels)
        write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", labels)
    return pixels, labels


def test_reads_the_files_of_the_debian_package(tmp_path):
    pixels, labels = fill(tmp_path)
    train, test = fashion_mnist.load(tmp_path)
    assert train.images.shape == (5, *fashion_mnist.IMAGE_SHAPE)
    assert train.images.dtype == np.float32
    np.testing.assert_allclose(test.images[..., 0] * 255, pixels, rtol=1e-6)
    np.testing.assert_array_equal(test.labels, labels)


@pytest.mark.skipif(
    not fashion_mnist.DEBIAN_FOLDER.is_dir(), reason="package dataset-fashion-mnist is missing"
)
def test_the_real_data_has_the_known_sizes():
    train, test = fashion_mnist.load()
    assert train.images.shape == (60_000, 28, 28, 1)
    assert np.bincount(test.labels).tolist() == [1000] * 10


def test_another_kind_of_file_is_refused_by_name(tmp_path):
    fill(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    write_idx(path, np.zeros((2, 2, 2), np.uint8), magic=[0, 0, 13, 3])
    with pytest.raises(ValueError, match=r"train-images.*expected an IDX file.*00 00 0d 03"):
        fashion_mnist.load(tmp_path)


def test_a_file_cut_short_is_refused_by_name(tmp_path):
    fill(tmp_path)
    path = tmp_path / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-1]))
    with pytest.raises(ValueError, match=r"t10k-labels.*expected 5 bytes.*found 4"):
        fashion_mnist.load(tmp_path)
