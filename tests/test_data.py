"""Data sets: what reaches the network, and what is refused.

No test uses the network or real data. Files are written in torchvision's
layout, and downloads run through torchvision's own code against a server on
this machine.
"""

from __future__ import annotations

import dataclasses
import functools
import gzip
import hashlib
import http.server
import io
import pickle
import re
import shutil
import socket
import struct
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurosim.data import (
    DATASETS,
    Dataset,
    dataset_info,
    default_data_dir,
    load_dataset,
    one_hot,
)
from neurosim.data import contents as contents_module
from neurosim.data import download as download_module
from neurosim.data.contents import CHECKSUMS, Checksums
from neurosim.data.dataset import AS_PUBLISHED, NOT_CHECKED
from neurosim.data.digits import FILE, pack_digits
from neurosim.errors import DataError

N_TRAIN, N_TEST = 40, 12
FOLDERS = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def idx_bytes(values: np.ndarray) -> bytes:
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    return header + values.astype(np.uint8).tobytes()


def mnist_arrays(seed: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        IMAGES: rng.integers(0, 256, (N_TRAIN, 28, 28)),
        LABELS: rng.integers(0, 10, N_TRAIN),
        TEST_IMAGES: rng.integers(0, 256, (N_TEST, 28, 28)),
        TEST_LABELS: rng.integers(0, 10, N_TEST),
    }


def write_mnist(data_dir: Path, folder: str = "MNIST", seed: int = 3) -> dict[str, np.ndarray]:
    raw = data_dir / folder / "raw"
    raw.mkdir(parents=True)
    arrays = mnist_arrays(seed)
    for name, values in arrays.items():
        (raw / name).write_bytes(idx_bytes(values))
    return arrays


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def refusal(*args: Any, **kwargs: Any) -> str:
    with pytest.raises(DataError) as caught:
        load_dataset(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(variable, "127.0.0.1")


@pytest.fixture
def closed_port(no_proxy: None) -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder without a word."""

    def log_message(self, format: str, *args: Any) -> None:
        """Keep requests out of the test output."""


@dataclasses.dataclass
class Server:
    """A web server on this machine, the folder it serves and how to end it."""

    url: str
    files: Path
    stop: Callable[[], None]


@pytest.fixture
def server(tmp_path: Path, no_proxy: None) -> Iterator[Server]:
    files = tmp_path / "served"
    files.mkdir()
    handler = functools.partial(QuietHandler, directory=str(files))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
        thread.start()

        def stop() -> None:
            httpd.shutdown()
            thread.join()
            httpd.server_close()

        yield Server(f"http://127.0.0.1:{httpd.server_port}/", files, stop)
        stop()


def gz_files(folder: Path, arrays: dict[str, np.ndarray]) -> list[tuple[str, str]]:
    """Write compressed IDX files; return them with checksums, as torchvision lists them."""
    resources = []
    for name, values in arrays.items():
        content = gzip.compress(idx_bytes(values))
        (folder / f"{name}.gz").write_bytes(content)
        resources.append((f"{name}.gz", md5(content)))
    return resources


def offer_mnist(
    monkeypatch: pytest.MonkeyPatch, resources: list[tuple[str, str]], url: str
) -> None:
    """Let torchvision look for MNIST at ``url`` and expect these checksums."""
    import torchvision.datasets

    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [url])


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, closed_port: str) -> str:
    """Every download of torchvision meets a port on which nothing listens."""
    import torchvision.datasets

    for name in ("MNIST", "FashionMNIST", "KMNIST"):
        monkeypatch.setattr(getattr(torchvision.datasets, name), "mirrors", [closed_port])
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", closed_port + "cifar.tar.gz")
    return closed_port


# Choosing and scaling ---------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "folder"), FOLDERS.items())
def test_mnist_like_images_are_pixels_over_255(name: str, folder: str, tmp_path: Path) -> None:
    """Guards against another scale, transposed images, or one set's files read for another's."""
    sets = {
        other: write_mnist(tmp_path, other, seed=number)
        for number, other in enumerate(FOLDERS.values())
    }
    written = sets[folder]
    dataset = load_dataset(name, data_dir=tmp_path)
    expected = written[IMAGES].reshape(N_TRAIN, 784) / 255
    np.testing.assert_allclose(dataset.x_train, expected, rtol=1e-6)
    np.testing.assert_array_equal(dataset.y_train, written[LABELS])
    np.testing.assert_allclose(dataset.x_test, written[TEST_IMAGES].reshape(-1, 784) / 255, 1e-6)
    np.testing.assert_array_equal(dataset.y_test, written[TEST_LABELS])
    assert (dataset.name, dataset.n_classes, dataset.image_shape) == (name, 10, (28, 28))


def test_torchvision_itself_reads_the_layout_the_tests_write(tmp_path: Path) -> None:
    """Guards against tests and loader agreeing on a layout that torchvision does not know."""
    import torchvision.datasets

    written = write_mnist(tmp_path)
    for train, images, labels in ((True, IMAGES, LABELS), (False, TEST_IMAGES, TEST_LABELS)):
        read = torchvision.datasets.MNIST(tmp_path, train=train)
        np.testing.assert_array_equal(read.data.numpy(), written[images])
        np.testing.assert_array_equal(read.targets.numpy(), written[labels])


@pytest.mark.parametrize("name", ["mnist", "digits", "cifar10"])
def test_arrays_are_contiguous_float32_and_int64(
    name: str, tmp_path: Path, cifar10: dict[str, np.ndarray]
) -> None:
    """Guards against float64 or strided arrays, which a back end would read as other numbers."""
    write_mnist(tmp_path)
    dataset = load_dataset(name, data_dir=tmp_path, train_images=7)
    for images in (dataset.x_train, dataset.x_test):
        assert images.dtype == np.float32
        assert images.flags.c_contiguous
        assert images.ndim == 2
        assert images.shape[1] == DATASETS[name].n_inputs
    for labels in (dataset.y_train, dataset.y_test):
        assert labels.dtype == np.int64
        assert labels.flags.c_contiguous
        assert labels.ndim == 1


def test_all_training_images_keep_their_stored_order_whatever_the_seed(tmp_path: Path) -> None:
    """Guards against a hidden shuffle, which would undo a resumed run's place in the order."""
    written = write_mnist(tmp_path)
    dataset = load_dataset("mnist", data_dir=tmp_path, seed=9)
    np.testing.assert_array_equal(dataset.y_train, written[LABELS])


def test_train_images_are_the_first_of_the_shuffled_set(tmp_path: Path) -> None:
    """Guards against unshuffled or unseeded choice, and labels parted from their images."""
    written = write_mnist(tmp_path)
    order = np.random.Generator(np.random.PCG64(5)).permutation(N_TRAIN)[:11]
    assert not np.array_equal(order, np.arange(11))
    dataset = load_dataset("mnist", data_dir=tmp_path, train_images=11, seed=5)
    np.testing.assert_allclose(dataset.x_train, written[IMAGES][order].reshape(11, -1) / 255, 1e-6)
    np.testing.assert_array_equal(dataset.y_train, written[LABELS][order])


def test_a_smaller_choice_is_the_beginning_of_a_larger_one(tmp_path: Path) -> None:
    """Guards against sizes of training set that cannot be compared, being different images."""
    write_mnist(tmp_path)
    small, large, other = (
        load_dataset("mnist", data_dir=tmp_path, train_images=n, seed=seed).x_train
        for n, seed in ((5, 1), (N_TRAIN, 1), (5, 2))
    )
    np.testing.assert_array_equal(small, large[:5])
    assert not np.array_equal(small, other)


def test_the_choice_neither_uses_nor_moves_the_global_generator(tmp_path: Path) -> None:
    """Guards against results that change with whatever drew random numbers before."""
    write_mnist(tmp_path)
    chosen = []
    before = np.random.get_state()  # noqa: NPY002
    try:
        for global_seed in (1, 2):
            # The old global generator is what the choice must not touch.
            np.random.seed(global_seed)  # noqa: NPY002
            undisturbed = np.random.random()  # noqa: NPY002
            np.random.seed(global_seed)  # noqa: NPY002
            chosen.append(load_dataset("mnist", data_dir=tmp_path, train_images=6).x_train)
            assert np.random.random() == undisturbed  # noqa: NPY002
    finally:
        np.random.set_state(before)  # noqa: NPY002
    np.testing.assert_array_equal(chosen[0], chosen[1])


def test_test_images_are_the_first_of_the_test_set(tmp_path: Path) -> None:
    """Guards against a test set that depends on the seed."""
    written = write_mnist(tmp_path)
    dataset = load_dataset("mnist", data_dir=tmp_path, test_images=4, train_images=3, seed=8)
    assert dataset.x_test.shape == (4, 784)
    np.testing.assert_array_equal(dataset.y_test, written[TEST_LABELS][:4])


@pytest.mark.parametrize(
    ("option", "count", "named"),
    [
        ("train_images", N_TRAIN + 1, f"1 to {N_TRAIN}"),
        ("test_images", N_TEST + 1, f"1 to {N_TEST}"),
        ("train_images", 0, "at least 1"),
        ("test_images", -3, "at least 1"),
        ("train_images", 2.0, "whole number"),
        ("test_images", True, "whole number"),
        ("seed", -1, "at least 0"),
    ],
)
def test_numbers_out_of_range_are_refused(
    option: str, count: Any, named: str, tmp_path: Path
) -> None:
    """Guards against slicing that silently gives fewer images, or counts from the end."""
    write_mnist(tmp_path)
    message = refusal("mnist", data_dir=tmp_path, **{option: count})
    assert message.startswith(f"{option} = {count!r}")
    assert named in message


def test_counts_up_to_what_is_there_are_allowed(tmp_path: Path) -> None:
    """Guards against an off-by-one that refuses the complete set."""
    write_mnist(tmp_path)
    dataset = load_dataset("mnist", data_dir=tmp_path, train_images=N_TRAIN, test_images=N_TEST)
    assert (len(dataset.x_train), len(dataset.x_test)) == (N_TRAIN, N_TEST)


# The names --------------------------------------------------------------------------------------


def test_unknown_name_offers_the_nearest() -> None:
    """Guards against a bare KeyError for a misspelt name."""
    message = refusal("fashon-mnist")
    assert "did you mean 'fashion-mnist'" in message
    assert "digits" in message


def test_the_table_cannot_be_changed_and_describes_every_set() -> None:
    """Guards against an entry without citation or under another name, and against edits."""
    assert set(DATASETS) == {"mnist", "fashion-mnist", "kmnist", "cifar10", "digits"}
    for name, info in DATASETS.items():
        assert info.name == name
        assert info.title
        assert info.citation
        assert info.needs_files == (name != "digits")
    with pytest.raises(TypeError):
        DATASETS["mine"] = dataset_info("mnist")  # type: ignore[index]


def test_importing_the_package_imports_no_slow_one() -> None:
    """Guards against seconds of waiting for a command that only lists names."""
    code = (
        "import sys, neurosim.data as data; list(data.DATASETS); data.load_dataset('digits');"
        "slow = {'torch', 'torchvision', 'sklearn'} & set(sys.modules);"
        "sys.exit(str(slow) if slow else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a bare ImportError from deep inside a run."""
    write_mnist(tmp_path)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    assert "needs the package torchvision" in refusal("mnist", data_dir=tmp_path)


def test_default_folder_is_in_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against data scattered over working folders, or a default that is not used."""
    cache = tmp_path / "neurosim"
    monkeypatch.setattr("platformdirs.user_cache_path", lambda app: tmp_path / app)
    assert default_data_dir() == cache / "data"
    written = write_mnist(cache / "data")
    np.testing.assert_array_equal(load_dataset("mnist").y_train, written[LABELS])


# Digits -----------------------------------------------------------------------------------------


def test_digits_are_packed_from_those_of_scikit_learn(tmp_path: Path) -> None:
    """Guards a file of the package that nobody can make anew."""
    pack_digits(tmp_path / "digits.npz")
    with np.load(tmp_path / "digits.npz") as packed, np.load(FILE) as stored:
        assert packed.files == stored.files
        for name in stored.files:
            np.testing.assert_array_equal(packed[name], stored[name])


def test_digits_are_split_into_all_images_once() -> None:
    """Guards against test images that were trained on, and against a wrong scale."""
    from sklearn.datasets import load_digits

    dataset = load_dataset("digits")
    assert dataset.x_train.shape == (1437, 64)
    assert dataset.x_test.shape == (360, 64)
    assert (DATASETS["digits"].n_train, DATASETS["digits"].n_test) == (1437, 360)
    images, labels = load_digits(return_X_y=True)
    stored = np.column_stack([images / 16, labels])
    loaded = np.concatenate(
        [
            np.column_stack([dataset.x_train, dataset.y_train]),
            np.column_stack([dataset.x_test, dataset.y_test]),
        ]
    )
    np.testing.assert_array_equal(loaded[np.lexsort(loaded.T)], stored[np.lexsort(stored.T)])
    assert dataset.x_train.min() == 0
    assert dataset.x_train.max() == 1


def test_digits_split_is_stratified_and_independent_of_the_seed() -> None:
    """Guards against seeds that are tested on different images, and lopsided classes."""
    first, second = load_dataset("digits", seed=0), load_dataset("digits", seed=7)
    np.testing.assert_array_equal(first.x_test, second.x_test)
    np.testing.assert_array_equal(first.x_train, second.x_train)
    in_train, in_test = np.bincount(first.y_train), np.bincount(first.y_test)
    share = (in_train + in_test) * 360 / 1797
    assert np.abs(in_test - share).max() < 1


# Damaged IDX files ------------------------------------------------------------------------------


def truncated(content: bytes) -> bytes:
    return content[:-1]


def extended(content: bytes) -> bytes:
    return content + b"\0"


def emptied(content: bytes) -> bytes:
    return b""


def cut_in_header(content: bytes) -> bytes:
    return content[:6]


def compressed(content: bytes) -> bytes:
    return gzip.compress(content)


def web_page(content: bytes) -> bytes:
    return b"<!DOCTYPE html><html><body>Log in to this network</body></html>"


def other_type(content: bytes) -> bytes:
    """Signed instead of unsigned bytes."""
    return content[:2] + b"\x09" + content[3:]


@pytest.mark.parametrize("name", [IMAGES, LABELS, TEST_IMAGES, TEST_LABELS])
@pytest.mark.parametrize(
    "damage",
    [truncated, extended, emptied, cut_in_header, compressed, web_page, other_type],
)
def test_damaged_file_is_named(name: str, damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """Guards against learning from a file that was cut short or is something else."""
    write_mnist(tmp_path)
    path = tmp_path / "MNIST" / "raw" / name
    path.write_bytes(damage(path.read_bytes()))
    message = refusal("mnist", data_dir=tmp_path)
    assert message.startswith(str(path))
    assert "delete it" in message


def test_labels_beyond_the_classes_are_refused_though_torchvision_takes_them(
    tmp_path: Path,
) -> None:
    """Guards against labels of another data set, which torchvision hands on."""
    import torchvision.datasets

    written = write_mnist(tmp_path)
    path = tmp_path / "MNIST" / "raw" / LABELS
    written[LABELS][4] = 26
    path.write_bytes(idx_bytes(written[LABELS]))
    assert torchvision.datasets.MNIST(tmp_path).targets.max() == 26
    message = refusal("mnist", data_dir=tmp_path)
    assert str(path) in message
    assert "label 26; allowed: 0 to 9" in message


def test_more_images_than_labels_are_refused_though_torchvision_takes_them(
    tmp_path: Path,
) -> None:
    """Guards against images paired with labels of other images."""
    import torchvision.datasets

    written = write_mnist(tmp_path)
    path = tmp_path / "MNIST" / "raw" / LABELS
    path.write_bytes(idx_bytes(written[LABELS][:-2]))
    read = torchvision.datasets.MNIST(tmp_path)
    assert len(read.data) != len(read.targets)
    message = refusal("mnist", data_dir=tmp_path)
    assert f"{N_TRAIN} images" in message
    assert f"{N_TRAIN - 2} labels" in message
    assert IMAGES in message
    assert LABELS in message
    assert "delete both" in message


def test_images_of_another_size_are_refused(tmp_path: Path) -> None:
    """Guards against foreign images that would be cut into rows of the wrong length."""
    write_mnist(tmp_path)
    path = tmp_path / "MNIST" / "raw" / IMAGES
    path.write_bytes(idx_bytes(np.zeros((N_TRAIN, 28, 27))))
    message = refusal("mnist", data_dir=tmp_path)
    assert message.startswith(f"{path} holds images of 28 x 27 pixels, not 28 x 28")


def test_set_without_images_is_refused(tmp_path: Path) -> None:
    """Guards against an accuracy that is 0 divided by 0."""
    write_mnist(tmp_path)
    raw = tmp_path / "MNIST" / "raw"
    (raw / TEST_IMAGES).write_bytes(idx_bytes(np.zeros((0, 28, 28))))
    (raw / TEST_LABELS).write_bytes(idx_bytes(np.zeros(0)))
    message = refusal("mnist", data_dir=tmp_path)
    assert message.startswith(f"{raw / TEST_IMAGES} holds no images")


def test_file_that_cannot_be_read_is_named(tmp_path: Path, offline: str) -> None:
    """Guards against a traceback when a folder lies where a file should be."""
    write_mnist(tmp_path)
    path = tmp_path / "MNIST" / "raw" / IMAGES
    path.unlink()
    path.mkdir()
    message = refusal("mnist", data_dir=tmp_path)
    assert str(path) in message
    assert "cannot read" in message


def test_files_of_an_old_torchvision_are_refused(tmp_path: Path) -> None:
    """Guards against torchvision reading unchecked files in place of the checked ones."""
    import torch
    import torchvision.datasets

    write_mnist(tmp_path)
    processed = tmp_path / "MNIST" / "processed"
    processed.mkdir()
    foreign = (torch.zeros(3, 28, 28, dtype=torch.uint8), torch.zeros(3, dtype=torch.long))
    for name in ("training.pt", "test.pt"):
        torch.save(foreign, processed / name)
    assert len(torchvision.datasets.MNIST(tmp_path)) == 3
    message = refusal("mnist", data_dir=tmp_path)
    assert str(processed) in message
    assert "delete that folder" in message


# Contents ---------------------------------------------------------------------------------------


def sums_of(arrays: dict[str, np.ndarray]) -> Checksums:
    """Checksums computed from the bytes of the files, not by the code under test."""
    digests = [hashlib.sha256(values.astype(np.uint8).tobytes()) for values in arrays.values()]
    return Checksums(*(digest.hexdigest() for digest in digests))


def publish(monkeypatch: pytest.MonkeyPatch, **sets: dict[str, np.ndarray]) -> None:
    """Let the registry of checksums know small data sets in place of the real ones."""
    known = {name.replace("_", "-"): sums_of(arrays) for name, arrays in sets.items()}
    monkeypatch.setattr(contents_module, "CHECKSUMS", known)


def fashion_files(raw: Path, fashion: dict[str, np.ndarray]) -> None:
    for name, values in fashion.items():
        (raw / name).write_bytes(idx_bytes(values))


def swapped_files(raw: Path, fashion: dict[str, np.ndarray]) -> None:
    for name, other in ((IMAGES, TEST_IMAGES), (LABELS, TEST_LABELS)):
        (raw / name).write_bytes((raw / other).read_bytes())


def zero_labels(raw: Path, fashion: dict[str, np.ndarray]) -> None:
    (raw / LABELS).write_bytes(idx_bytes(np.zeros(N_TRAIN, dtype=np.uint8)))


EXCHANGED = {
    fashion_files: "training images are the training images of fashion-mnist, training labels are "
    "the training labels of fashion-mnist, test images are the test images of fashion-mnist, test "
    "labels are the test labels of fashion-mnist",
    swapped_files: "training images are the test images of mnist, training labels are "
    "the test labels of mnist",
    zero_labels: "training labels are not the published ones",
}


@pytest.mark.parametrize("exchange", EXCHANGED)
@pytest.mark.parametrize("name", ["mnist", "kmnist"])
def test_other_contents_are_recognised_and_warned_of(
    exchange: Callable[[Path, dict[str, np.ndarray]], None],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Guards against a result that is reported for other images than it was computed from."""
    arrays = write_mnist(tmp_path, FOLDERS[name])
    fashion = mnist_arrays(seed=4)
    publish(monkeypatch, mnist=arrays, fashion_mnist=fashion)
    raw = tmp_path / FOLDERS[name] / "raw"
    if name == "mnist":
        assert load_dataset(name, data_dir=tmp_path).contents == AS_PUBLISHED
        assert caplog.text == ""
    exchange(raw, fashion)
    found = load_dataset(name, data_dir=tmp_path).contents
    if name == "mnist":
        assert found == EXCHANGED[exchange]
    else:
        # its checksums are unknown, those of its relatives are not
        assert "of mnist" in found or "of fashion-mnist" in found
    (record,) = caplog.records
    assert record.getMessage().startswith(f"data set {name} was expected in {tmp_path}, but ")
    assert found in record.getMessage()


def test_contents_without_known_checksums_are_noted_as_unchecked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Guards against a warning, or a claim, about files of which nothing is known."""
    write_mnist(tmp_path, "KMNIST")
    assert load_dataset("kmnist", data_dir=tmp_path).contents == NOT_CHECKED
    assert caplog.text == ""
    assert load_dataset("digits").contents == AS_PUBLISHED
    assert {"mnist", "fashion-mnist", "digits"} == set(CHECKSUMS)


def test_digest_tells_data_sets_apart(tmp_path: Path) -> None:
    """Guards against resuming a run with other images, or labels, of the same number."""
    write_mnist(tmp_path)
    one = load_dataset("mnist", data_dir=tmp_path)
    assert one.digest() == load_dataset("mnist", data_dir=tmp_path).digest()
    others = [
        dataclasses.replace(one, **{name: np.roll(getattr(one, name), 1, axis=0)})
        for name in ("x_train", "y_train", "x_test", "y_test")
    ]
    assert len({one.digest(), *(other.digest() for other in others)}) == 5


# Absent files and downloads ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "kmnist", "cifar10"])
def test_without_network_the_message_offers_the_embedded_digits(
    name: str, tmp_path: Path, offline: str
) -> None:
    """Guards against a traceback of sockets, and against folders made for nothing."""
    data_dir = tmp_path / "new" / "data"
    message = refusal(name, data_dir=data_dir)
    assert "no network" in message
    assert "--dataset digits" in message
    assert str(data_dir) in message
    assert list(tmp_path.iterdir()) == []


def test_incomplete_files_are_left_alone_without_network(tmp_path: Path, offline: str) -> None:
    """Guards against a failed download that takes the user's own files with it."""
    write_mnist(tmp_path)
    missing = tmp_path / "MNIST" / "raw" / TEST_LABELS
    missing.unlink()
    before = files_below(tmp_path)
    assert f"{missing} does not exist" in refusal("mnist", data_dir=tmp_path)
    assert files_below(tmp_path) == before


def test_absent_files_are_downloaded_once(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a download that ends elsewhere than where the next run looks."""
    arrays = mnist_arrays()
    offer_mnist(monkeypatch, gz_files(server.files, arrays), server.url)
    data_dir = tmp_path / "new" / "data"
    first = load_dataset("mnist", data_dir=data_dir)
    assert files_below(data_dir) == {f"MNIST/raw/{name}" for name in arrays}
    assert [path.name for path in data_dir.iterdir()] == ["MNIST"]
    server.stop()
    second = load_dataset("mnist", data_dir=data_dir)
    for dataset in (first, second):
        np.testing.assert_array_equal(dataset.y_train, arrays[LABELS])
        np.testing.assert_allclose(dataset.x_test, arrays[TEST_IMAGES].reshape(-1, 784) / 255, 1e-6)


def test_present_files_are_never_downloaded_again(tmp_path: Path, offline: str) -> None:
    """Guards against a need for network, or write access, where the files are complete."""
    written = write_mnist(tmp_path)
    before = files_below(tmp_path)
    dataset = load_dataset("mnist", data_dir=tmp_path)
    np.testing.assert_array_equal(dataset.y_train, written[LABELS])
    assert files_below(tmp_path) == before


def test_an_incomplete_set_is_completed(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against images of one download beside labels of another."""
    arrays = mnist_arrays(seed=11)
    offer_mnist(monkeypatch, gz_files(server.files, arrays), server.url)
    data_dir = tmp_path / "data"
    write_mnist(data_dir, seed=12)
    (data_dir / "MNIST" / "raw" / LABELS).unlink()
    dataset = load_dataset("mnist", data_dir=data_dir)
    np.testing.assert_array_equal(dataset.y_train, arrays[LABELS])
    np.testing.assert_allclose(dataset.x_train, arrays[IMAGES].reshape(-1, 784) / 255, 1e-6)


@pytest.mark.parametrize("fault", ["absent", "wrong", "cut"])
def test_failed_download_leaves_nothing_behind(
    fault: str, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against half a data set that passes for a whole one in the next run."""
    offer_mnist(monkeypatch, gz_files(server.files, mnist_arrays()), server.url)
    served = server.files / f"{TEST_LABELS}.gz"
    if fault == "absent":
        served.unlink()
    elif fault == "wrong":
        served.write_bytes(gzip.compress(b"something else"))
    else:
        served.write_bytes(served.read_bytes()[:-5])
    message = refusal("mnist", data_dir=tmp_path / "new" / "data")
    assert "download failed" in message
    assert TEST_LABELS in message
    assert not (tmp_path / "new").exists()


def test_failed_download_keeps_what_others_wrote_meanwhile(tmp_path: Path) -> None:
    """Guards against tidying up that deletes the work of a second process."""
    folder = tmp_path / "new" / "data"

    def fail(scratch: Path) -> None:
        (folder / "other").write_text("kept")
        raise RuntimeError("no such server")

    with pytest.raises(DataError, match="no such server"):
        download_module.download("mnist", folder, fail, absent=[folder / "x"], archives={})
    assert files_below(tmp_path) == {"new/data/other"}


def test_interrupted_download_leaves_nothing_behind(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against Ctrl-C in a download making all later runs fail."""
    offer_mnist(monkeypatch, gz_files(server.files, mnist_arrays()), server.url)

    def interrupt(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("torchvision.datasets.mnist.read_image_file", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load_dataset("mnist", data_dir=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_silent_server_is_given_up(
    tmp_path: Path, no_proxy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against waiting for ever on a network that swallows everything."""
    monkeypatch.setattr(download_module, "SILENCE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        offer_mnist(monkeypatch, [(f"{IMAGES}.gz", "")], url)
        # Ends the test, as a failure, should nothing else end the waiting.
        closing = threading.Timer(60.0, lambda: silent.accept()[0].close())
        closing.start()
        message = refusal("mnist", data_dir=tmp_path)
        closing.cancel()
    assert "timed out" in message
    assert socket.getdefaulttimeout() is None


def test_archive_downloaded_in_part_is_named(tmp_path: Path, offline: str) -> None:
    """Guards against a leftover of an interrupted download that blocks or poisons the next."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    leftover = raw / f"{IMAGES}.gz"
    leftover.write_bytes(gzip.compress(idx_bytes(mnist_arrays()[IMAGES]))[:1000])
    message = refusal("mnist", data_dir=tmp_path)
    assert message.startswith(str(leftover))
    assert "delete it" in message
    assert leftover.exists()


def test_whole_archives_put_there_by_hand_need_no_network(
    tmp_path: Path, closed_port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a machine without network refusing the archives carried to it."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    arrays = mnist_arrays()
    offer_mnist(monkeypatch, gz_files(raw, arrays), closed_port)
    dataset = load_dataset("mnist", data_dir=tmp_path)
    np.testing.assert_array_equal(dataset.y_test, arrays[TEST_LABELS])
    assert set(arrays) < {path.name for path in raw.iterdir()}


def test_recompressed_archives_are_accepted(
    tmp_path: Path, closed_port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against refusing the right images because their archives have other bytes."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    arrays = mnist_arrays()
    offer_mnist(monkeypatch, [(name, "0" * 32) for name, _ in gz_files(raw, arrays)], closed_port)
    publish(monkeypatch, mnist=arrays)
    # one file is there unpacked as well
    (raw / TEST_IMAGES).write_bytes(idx_bytes(arrays[TEST_IMAGES]))
    dataset = load_dataset("mnist", data_dir=tmp_path)
    np.testing.assert_array_equal(dataset.y_train, arrays[LABELS])
    assert dataset.contents == AS_PUBLISHED
    assert {path.name for path in raw.iterdir()} == {*arrays, *(f"{name}.gz" for name in arrays)}


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_data_folder_that_is_a_file_is_refused(name: str, tmp_path: Path, offline: str) -> None:
    """Guards against a message about the network when the path is at fault."""
    path = tmp_path / "data"
    path.write_text("mine")
    assert f"data folder {path} is a file" in refusal(name, data_dir=path)
    below = refusal(name, data_dir=path / "deeper")
    assert "cannot write" in below
    assert "network" not in below
    assert path.read_text() == "mine"


def test_folder_that_cannot_be_written_is_named(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against blaming the network, and keeps the folder that was there before."""
    offer_mnist(monkeypatch, gz_files(server.files, mnist_arrays()), server.url)

    # Permissions do not bind the superuser, as whom tests often run.
    def deny(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(13, "Permission denied", kwargs.get("dir"))

    monkeypatch.setattr(download_module.tempfile, "mkdtemp", deny)
    folder = tmp_path / "data"
    folder.mkdir()
    message = refusal("mnist", data_dir=folder)
    assert f"cannot write mnist into the data folder {folder}" in message
    assert "Permission denied" in message
    assert "network" not in message
    assert folder.is_dir()


# CIFAR10 ----------------------------------------------------------------------------------------


def cifar_batches() -> dict[str, dict[str, Any]]:
    rng = np.random.default_rng(6)
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    batches: dict[str, dict[str, Any]] = {
        name: {
            "data": rng.integers(0, 256, (4, 3072), dtype=np.uint8),
            "labels": rng.integers(0, 10, 4).tolist(),
        }
        for name in names
    }
    batches["batches.meta"] = {"label_names": [f"class {number}" for number in range(10)]}
    return batches


def write_cifar10(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Write small batches and let torchvision know their checksums."""
    folder = data_dir / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    batches = cifar_batches()
    for name, batch in batches.items():
        (folder / name).write_bytes(pickle.dumps(batch))
    expect_cifar10(folder, monkeypatch)
    training = [batches[f"data_batch_{number}"] for number in range(1, 6)]
    return {
        "x_train": np.concatenate([batch["data"] for batch in training]),
        "y_train": np.concatenate([batch["labels"] for batch in training]),
        "x_test": batches["test_batch"]["data"],
        "y_test": np.array(batches["test_batch"]["labels"]),
    }


def expect_cifar10(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision.datasets

    reader = torchvision.datasets.CIFAR10
    sums = {path.name: md5(path.read_bytes()) for path in folder.iterdir()}
    for attribute in ("train_list", "test_list"):
        entries = [[name, sums[name]] for name, _ in getattr(reader, attribute)]
        monkeypatch.setattr(reader, attribute, entries)
    monkeypatch.setattr(reader, "meta", {**reader.meta, "md5": sums["batches.meta"]})


@pytest.fixture
def cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    return write_cifar10(tmp_path, monkeypatch)


def test_cifar10_is_normalised_by_three_deviations_channel_by_channel(
    tmp_path: Path, cifar10: dict[str, np.ndarray]
) -> None:
    """Guards against the usual single deviation, and against colours interleaved or swapped."""
    dataset = load_dataset("cifar10", data_dir=tmp_path)
    for part in ("train", "test"):
        expected = np.empty(cifar10[f"x_{part}"].shape)
        # A stored row is all red values, then all green, then all blue.
        for channel, (mean, std) in enumerate(
            [(0.4914, 0.2023), (0.4822, 0.1994), (0.4465, 0.2010)]
        ):
            plane = slice(1024 * channel, 1024 * (channel + 1))
            expected[:, plane] = (cifar10[f"x_{part}"][:, plane] / 255 - mean) / (3 * std)
        np.testing.assert_allclose(getattr(dataset, f"x_{part}"), expected, atol=1e-6)
        np.testing.assert_array_equal(getattr(dataset, f"y_{part}"), cifar10[f"y_{part}"])
    assert dataset.image_shape == (3, 32, 32)


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_damaged_cifar10_batch_is_named(
    name: str, tmp_path: Path, cifar10: dict[str, np.ndarray]
) -> None:
    """Guards against a message that leaves the user to find the bad file among seven."""
    folder = tmp_path / "cifar-10-batches-py"
    path = folder / name
    path.write_bytes(path.read_bytes()[:-10])
    message = refusal("cifar10", data_dir=tmp_path)
    assert message.startswith(str(path))
    assert "delete it" in message
    assert len(re.findall(re.escape(str(folder)), message)) == 1


@pytest.mark.parametrize(
    "content", [b"", b"no pickle", pickle.dumps({"labels": [1]}), pickle.dumps([1])]
)
def test_cifar10_batch_that_does_not_unpickle_is_refused(
    content: bytes,
    tmp_path: Path,
    cifar10: dict[str, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Guards against a traceback out of pickle when the checksum does not catch it."""
    folder = tmp_path / "cifar-10-batches-py"
    (folder / "data_batch_2").write_bytes(content)
    expect_cifar10(folder, monkeypatch)
    message = refusal("cifar10", data_dir=tmp_path)
    assert message.startswith(str(folder))
    assert "cannot be read as cifar10" in message


def cifar_archive(batches: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(batches, arcname="cifar-10-batches-py")
    return buffer.getvalue()


def test_cifar10_is_downloaded_and_unpacked(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against an archive that stays packed, or unpacks beside where it is read."""
    import torchvision.datasets

    written = write_cifar10(tmp_path / "origin", monkeypatch)
    content = cifar_archive(tmp_path / "origin" / "cifar-10-batches-py")
    (server.files / "cifar.tar.gz").write_bytes(content)
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", server.url + "cifar.tar.gz")
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "tgz_md5", md5(content))
    shutil.rmtree(tmp_path / "origin")
    dataset = load_dataset("cifar10", data_dir=tmp_path / "data")
    np.testing.assert_array_equal(dataset.y_train, written["y_train"])
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["cifar-10-batches-py"]
    assert len(files_below(tmp_path / "data")) == 7


def test_recompressed_cifar10_archive_is_accepted(
    tmp_path: Path, offline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against refusing the right batches because the archive around them is another."""
    written = write_cifar10(tmp_path, monkeypatch)
    batches = tmp_path / "cifar-10-batches-py"
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(cifar_archive(batches))
    shutil.rmtree(batches)
    dataset = load_dataset("cifar10", data_dir=tmp_path)
    np.testing.assert_array_equal(dataset.y_train, written["y_train"])


def test_cifar10_archive_downloaded_in_part_is_named(tmp_path: Path, offline: str) -> None:
    """Guards against a cut archive of 170 MB that is unpacked again and again in vain."""
    leftover = tmp_path / "cifar-10-python.tar.gz"
    leftover.write_bytes(b"\x1f\x8b only the beginning")
    message = refusal("cifar10", data_dir=tmp_path)
    assert message.startswith(str(leftover))
    assert "delete it" in message


# The container ----------------------------------------------------------------------------------


def good_fields() -> dict[str, Any]:
    return {
        "name": "toy",
        "x_train": np.zeros((5, 6), np.float32),
        "y_train": np.array([0, 1, 2, 1, 0]),
        "x_test": np.ones((2, 6), np.float32),
        "y_test": np.array([2, 2]),
        "n_classes": 3,
        "image_shape": (2, 3),
    }


def test_good_fields_make_a_frozen_dataset() -> None:
    """Guards against checks that refuse everything, and against fields exchanged later."""
    dataset = Dataset(**good_fields())
    with pytest.raises(dataclasses.FrozenInstanceError):
        dataset.x_train = dataset.x_test  # type: ignore[misc]


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("x_train", np.zeros((5, 6)), "float64"),
        ("x_train", np.zeros((5, 2, 3), np.float32), "2-dimensional"),
        ("x_train", [[0.0] * 6] * 5, "a list"),
        ("x_train", np.zeros((6, 5), np.float32).T, "not contiguous"),
        ("x_train", np.zeros((4, 6), np.float32), "5 labels for 4 images"),
        ("x_test", np.zeros((2, 5), np.float32), "makes 6"),
        ("x_test", np.full((2, 6), np.nan, np.float32), "not finite"),
        ("x_test", np.array([[0, 0, 0, 0, 0, -np.inf]] * 2, np.float32), "not finite"),
        ("x_test", np.array([[0, 0, np.inf, 0, 0, 0]] * 2, np.float32), "not finite"),
        ("x_test", np.zeros((0, 6), np.float32), "no images"),
        ("y_train", np.array([0, 1, 2, 1, 3]), "0 to 2"),
        ("y_test", np.array([-1, 0]), "0 to 2"),
        ("y_test", np.array([1, 0], np.int32), "int32"),
        ("image_shape", (6, 6), "makes 36"),
    ],
)
def test_fields_that_do_not_fit_are_refused(field: str, value: Any, named: str) -> None:
    """Guards against arrays that broadcast, or index from the end, without a word."""
    with pytest.raises(DataError, match=named):
        Dataset(**{**good_fields(), field: value})


def test_one_hot_marks_each_class() -> None:
    """Guards against transposed targets and another type than the network's."""
    targets = one_hot(np.array([2, 0, 2]), 4)
    np.testing.assert_array_equal(targets, [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 1, 0]])
    assert targets.dtype == np.float32
    assert one_hot(np.array([], np.int64), 4).shape == (0, 4)


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        (np.array([0, 3]), "0 to 2"),
        (np.array([-1, 0]), "0 to 2"),
        (np.array([0.0, 1.0]), "whole numbers"),
        (np.array([[0, 1]]), "vector"),
    ],
)
def test_one_hot_refuses_labels_that_are_no_classes(labels: np.ndarray, named: str) -> None:
    """Guards against label -1, which NumPy would take for the last class."""
    with pytest.raises(DataError, match=named):
        one_hot(labels, 3)
