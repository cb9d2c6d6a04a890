"""The pictures of the pages about ideas show what their pages say."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import xarray
from test_docs import load_script

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The program that draws them."""
    return load_script(ROOT / "docs" / "draw_concepts.py")


def test_every_image_is_in_one_lane_once(script: ModuleType) -> None:
    """Guards the schematic: no two images in a lane at a time, two threads in half the time."""
    for panel, commits in zip(script.lanes().axes, (8, 2, 2), strict=True):
        assert [text.get_text() for text in panel.texts] == [f"image {n}" for n in range(8)]
        places = [text.get_position() for text in panel.texts]
        assert len({*places}) == 8
        ends = [line.get_xdata()[0] for line in panel.lines]
        assert len(ends) == commits
        assert max(ends) == max(x for x, _ in places) + 0.5


def test_the_image_shown_is_right_and_least_sure(script: ModuleType) -> None:
    """Guards the choice: an image with a wrong answer would tell another story."""
    rate = np.zeros((3, 2, 2))
    rate[:, 0] = [[0.9, 0.1], [0.6, 0.5], [0.4, 0.8]]
    output = xarray.Dataset(
        {"rate": (("image", "time", "neuron"), rate)},
        {"phase": ("time", ["free", "nudged"]), "label": ("image", [0, 0, 0])},
    )
    assert script._least_sure(output) == 1
