"""Data of one's own: files and folders of images, in Python and on the command line."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from neurosim import load_dataset
from neurosim.cli import main
from neurosim.data import READING_OPTIONS, Reading, describe_dataset
from neurosim.errors import DataError
from neurosim.runs.opened import open_run
from neurosim.runs.settings import resolve

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (12, 4, 4)).astype(np.uint8)
WORDS = np.array(["cat", "dog", "cow"] * 4)


def file(folder: Path, **arrays: Any) -> Path:
    """A file with arrays by name."""
    path = folder / "mine.npz"
    np.savez(path, **arrays)
    return path


def picture(path: Path, pixels: NDArray[Any]) -> Path:
    """An image file, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def pictures(folder: Path, numbers: int = 4) -> Path:
    """A folder of grey images in three classes."""
    for number in range(3 * numbers):
        picture(folder / str(WORDS[number]) / f"{number:02d}.png", BYTES[number])
    return folder


# ------------------------------------------------------------------ files


def test_a_file_with_both_parts(tmp_path: Path) -> None:
    """The arrays come back flattened, scaled, with class numbers in the order of the labels."""
    path = file(tmp_path, x_train=BYTES, y_train=WORDS, x_test=BYTES[:3], y_test=WORDS[:3])
    data = load_dataset(str(path))
    assert (data.name, data.image_shape, data.n_classes) == ("mine", (4, 4), 3)
    assert data.classes == ("cat", "cow", "dog")
    np.testing.assert_allclose(data.x_train, BYTES.reshape(12, 16) / 255, rtol=1e-6)
    assert data.y_train.tolist() == [0, 2, 1] * 4
    assert data.y_test.tolist() == [0, 2, 1]
    assert data.scaling == "(value - 0)/255"


def test_a_file_without_a_test_set_is_split_class_by_class(tmp_path: Path) -> None:
    """Every image is in one part, and each class gives the same share, always alike."""
    labels = np.repeat([7, 3], [20, 10])
    x = np.arange(30.0).reshape(30, 1) / 30
    path = file(tmp_path, x=x, y=labels)
    data, again = load_dataset(path, seed=0), load_dataset(path, seed=5)
    assert data.digest() == again.digest()
    assert sorted([*data.x_train[:, 0], *data.x_test[:, 0]]) == sorted(x[:, 0].astype(np.float32))
    assert np.bincount(data.y_test).tolist() == [2, 4]
    assert np.bincount(load_dataset(path, test_share=0.5).y_test).tolist() == [5, 10]
    assert load_dataset(path, train_images=4, test_images=2).x_train.shape == (4, 1)


@pytest.mark.parametrize(
    ("shape", "image"),
    [
        ((12, 64), (8, 8)),
        ((12, 10), (1, 10)),
        ((12, 5, 7), (5, 7)),
        ((12, 3, 5, 7), (3, 5, 7)),
        ((12, 5, 7, 3), (3, 5, 7)),
    ],
)
def test_layouts_of_images(tmp_path: Path, shape: tuple[int, ...], image: tuple[int, ...]) -> None:
    """Channels come first, whichever way they are stored; the description agrees."""
    x = np.linspace(0, 1, int(np.prod(shape))).reshape(shape)
    path = file(tmp_path, x=x, y=WORDS)
    data = load_dataset(path)
    assert data.image_shape == image == describe_dataset(path).image_shape
    first = np.concatenate([data.x_train, data.x_test])
    wanted = x.transpose(0, 3, 1, 2) if shape[-1] == 3 else x
    assert sorted(first[:, 1]) == sorted(wanted.reshape(12, -1)[:, 1].astype(np.float32))


@pytest.mark.parametrize(
    ("scale", "lowest", "highest"),
    [("range", 0.0, 1.0), ((0, 32), 0.125, 0.5), ("0,32", 0.125, 0.5), ("none", 4.0, 16.0)],
)
def test_scaling(tmp_path: Path, scale: Any, lowest: float, highest: float) -> None:
    """The scale of the training images serves for the test images as well."""
    x = np.array([[4.0], [8.0], [16.0], [10.0]])
    path = file(tmp_path, x_train=x, y_train=[0, 1, 0, 1], x_test=x + 1, y_test=[0, 1, 0, 1])
    data = load_dataset(path, scale=scale)
    assert (data.x_train.min(), data.x_train.max()) == (lowest, highest)
    step = (highest - lowest) / 12
    np.testing.assert_allclose(data.x_test - data.x_train, step, rtol=1e-5)


def test_numbers_of_unknown_scale_are_refused(tmp_path: Path) -> None:
    """Guards a network that learns nothing because pixels run to 16."""
    path = file(tmp_path, x=np.arange(12.0)[:, None] + 4, y=WORDS)
    with pytest.raises(DataError, match=r"from \d to 1\d.*--scale range.*--scale 0,1"):
        load_dataset(path)


X, Y = np.zeros((6, 4)), np.array([0, 1] * 3)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": X}, r"holds the arrays a; give x_train, y_train"),
        ({"x_train": X, "y_train": Y}, r"missing: x_test, y_test"),
        ({"x": X, "y": Y[:5]}, r"x has 6 images, but y has shape \(5,\)"),
        ({"x": X, "y": np.eye(6)}, r"y\.argmax\(axis=1\)"),
        ({"x": X, "y": Y / 2}, r"y\.astype\(int\)"),
        ({"x": X, "y": Y * 0}, r"one class only, \[0\]"),
        ({"x": X, "y": np.array([1, "a", None] * 2, dtype=object)}, r"y holds Python objects"),
        ({"x": X * np.nan, "y": Y}, r"16 values of the training images are not finite"),
        ({"x": X.astype(str), "y": Y}, r"x holds values of type <U"),
        ({"x": np.zeros((6, 5, 5, 5)), "y": Y}, r"with 1, 3 or 4 channels"),
        ({"x": X, "y": [0, 0, 0, 0, 0, 1]}, r"class 1 has 1 image"),
        (
            {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y + 1},
            r"y_test holds labels that the training set has not: 2; its classes are 0, 1",
        ),
        (
            {"x_train": X, "y_train": Y, "x_test": X[:, :2], "y_test": Y},
            r"training images have shape \(4,\), test images \(2,\)",
        ),
        ({"x": X, "y": Y, "x_train": X, "y_train": Y, "x_test": X, "y_test": Y}, r"both"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_a_file_that_does_not_fit_is_named_with_its_fault(
    tmp_path: Path, arrays: dict[str, Any], words: str
) -> None:
    """Guards training on something else than meant, and tracebacks."""
    with pytest.raises(DataError, match=words) as caught:
        load_dataset(file(tmp_path, **arrays))
    assert str(tmp_path) in str(caught.value)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    """Guards raw errors of zipfile and near misses of a name."""
    path = tmp_path / "mine.npz"
    path.write_text("no archive")
    with pytest.raises(DataError, match="cannot be read as"):
        load_dataset(path)
    with pytest.raises(DataError, match=r"did you mean 'mine\.npz'"):
        load_dataset(tmp_path / "mina.npz")
    with pytest.raises(DataError, match=r"image_size is for folders of images"):
        load_dataset(file(tmp_path, x=X, y=Y), image_size=(2, 2))


@pytest.mark.parametrize(
    ("option", "value"),
    [("scale", "0;1"), ("scale", (3, 2)), ("test_share", 1.0), ("test_share", "x"),
     ("image_size", "8"), ("image_size", (8, 8.5)), ("colour", "gray")],
)  # fmt: skip
def test_options_are_checked(option: str, value: Any) -> None:
    """Guards slips that would be understood as something else."""
    with pytest.raises(DataError, match=option):
        Reading.of({option: value})


# ------------------------------------------------------------------ folders of images


def test_a_folder_per_class(tmp_path: Path) -> None:
    """Images are read in the order of classes and names, and split."""
    data = load_dataset(pictures(tmp_path / "animals"), test_share=0.25)
    assert (data.name, data.classes) == ("animals", ("cat", "cow", "dog"))
    assert (len(data.x_train), len(data.x_test)) == (9, 3)
    everything = {tuple(row) for row in np.concatenate([data.x_train, data.x_test])}
    assert everything == {tuple(row) for row in (BYTES.reshape(12, 16) / np.float32(255))}
    number = int(np.flatnonzero((data.x_train == BYTES[1].ravel() / np.float32(255)).all(1))[0])
    assert data.y_train[number] == 2


def test_folders_for_training_and_testing(tmp_path: Path) -> None:
    """Guards a test set that is mixed into the training set."""
    pictures(tmp_path / "train")
    picture(tmp_path / "val" / "cow" / "a.png", BYTES[0])
    data = load_dataset(tmp_path)
    assert (len(data.x_train), data.y_test.tolist()) == (12, [1])
    picture(tmp_path / "val" / "owl" / "a.png", BYTES[0])
    with pytest.raises(DataError, match="has not: owl"):
        load_dataset(tmp_path)


def test_colours_and_sizes(tmp_path: Path) -> None:
    """Colour images have channels first; others are converted or resized only on request."""
    pictures(tmp_path)
    colour = np.stack([BYTES[0], BYTES[1], BYTES[2]], axis=-1)
    odd = picture(tmp_path / "dog" / "99.png", colour)
    with pytest.raises(DataError, match=r"99\.png is rgb, but .*cat/00\.png is grey; .*--colour"):
        load_dataset(tmp_path)
    data = load_dataset(tmp_path, colour="rgb")
    assert data.image_shape == (3, 4, 4)
    rows = np.concatenate([data.x_train, data.x_test])
    assert (rows == colour.transpose(2, 0, 1).ravel() / np.float32(255)).all(axis=1).sum() == 1
    picture(odd, BYTES[0, :2])
    with pytest.raises(DataError, match=r"99\.png has 2 x 4 pixels.*--image-size 4,4"):
        load_dataset(tmp_path)
    assert load_dataset(tmp_path, image_size=(3, 2)).image_shape == (3, 2)


def _cut(folder: Path) -> None:
    file = folder / "cow" / "02.png"
    file.write_bytes(file.read_bytes()[:50])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "owl").mkdir(), r"owl holds no image; allowed are .png"),
        (lambda folder: (folder / "cow" / "02.png").write_text("x"), r"02.png cannot be read"),
        (_cut, r"02.png cannot be read as an image"),
        (
            lambda folder: picture(folder / "cow" / "02.png", BYTES[0].astype(np.uint16)),
            "more than 8 bits",
        ),
    ],
    ids=["empty", "text", "cut", "16 bits"],
)
def test_a_folder_that_does_not_fit_is_named_with_its_fault(
    tmp_path: Path, spoil: Callable[[Path], Any], words: str
) -> None:
    """Guards images left out in silence."""
    spoil(pictures(tmp_path))
    with pytest.raises(DataError, match=words):
        load_dataset(tmp_path)


def test_a_folder_without_classes(tmp_path: Path) -> None:
    """Guards a folder of images that lie side by side."""
    picture(tmp_path / "a.png", BYTES[0])
    with pytest.raises(DataError, match=r"0 folders of classes.*FOLDER/CLASS"):
        load_dataset(tmp_path)


# ------------------------------------------------------------------ runs


def test_a_run_on_data_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It writes how the images were read, opens again, also where the data have moved."""
    monkeypatch.chdir(tmp_path)
    path = file(tmp_path, x=BYTES, y=WORDS)
    options = ("--backend", "runtime", "--hidden", "3", "--quiet", "--out", "run")
    arguments = ["train", "--dataset", "mine.npz", "--epochs", "1", "--scale", "0,300", *options]
    arguments += ["--system", "bp", "--preset-from", "digits", "--test-share", "0.25"]
    assert main(arguments) == 0, capsys.readouterr().err
    config = tomllib.loads((tmp_path / "run" / "config.toml").read_text())
    assert config["dataset"] == str(path)
    assert (config["scale"], config["test_share"]) == ([0, 300], 0.25)
    assert config["preset_from"] == "digits"
    assert config["data"]["classes"] == ["cat", "cow", "dog"]
    assert config["data"]["scaling"] == "(value - 0)/300"
    (tmp_path / "elsewhere").mkdir()
    path.rename(tmp_path / "elsewhere" / "mine.npz")
    opened = open_run(tmp_path / "run", data_dir=tmp_path / "elsewhere")
    assert opened.simulator.system.layers == (16, 3, 3)
    assert opened.data.x_train.max() <= 255 / 300
    resumed = ["train", "--resume", "run", "--epochs", "2", "--data-dir", "elsewhere", "--quiet"]
    assert main(resumed) == 0, capsys.readouterr().err


def test_names_of_runs_and_of_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards folders that are named by a whole path, and data sets of neurosim's hidden by one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    assert resolve({"dataset": "digits"}).data_name == "digits"
    path = file(tmp_path, x=BYTES, y=WORDS)
    settings = resolve({"dataset": "./mine.npz", "system": "ep"})
    assert (settings.data_name, settings.dataset) == ("mine", str(path))
    assert settings.images_per_epoch == 9
    assert settings.published() == ()
    assert settings.changed_parameters() == {}


@pytest.mark.parametrize("option", READING_OPTIONS)
def test_options_of_ones_own_data_are_refused_for_others(option: str) -> None:
    """Guards options that would have no effect."""
    values = {"scale": "range", "test_share": 0.5, "image_size": "4,4", "colour": "rgb"}
    with pytest.raises(DataError, match=f"{option} is for data of your own"):
        resolve({"dataset": "digits", option: values[option]})
