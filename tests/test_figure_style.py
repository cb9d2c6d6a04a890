"""The style sheet: figures without global state, told apart without colour."""

from __future__ import annotations

import sys

import matplotlib as mpl
import numpy as np
import pytest
from user_style import png, user_style

from neurosim.figures import style


def _lightness(colour: str) -> float:
    """Relative luminance as WCAG defines it."""
    parts = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def test_series_differ_without_colour() -> None:
    """Guards readers of black and white copies."""
    looks = [style.series(number) for number in range(len(style.COLOURS))]
    assert len({str(look["linestyle"]) for look in looks}) == len(looks)
    assert len({look["marker"] for look in looks}) == len(looks)
    many = [style.series(number) for number in range(3 * len(style.COLOURS))]
    assert len({str((look["color"], look["linestyle"])) for look in many}) == len(many)
    assert len({(look["color"], look["marker"]) for look in many}) == len(many)
    assert all(1.05 / (_lightness(c) + 0.05) > 1.9 for c in style.COLOURS)


def test_a_figure_leaves_no_global_state() -> None:
    """Guards programs that have matplotlib settings of their own."""
    with user_style():
        before = dict(mpl.rcParams)
        with style.applied():
            figure, axes = style.new_figure(3, columns=2)
            assert mpl.rcParams["font.size"] == style.RC["font.size"]
            assert not mpl.rcParams["text.usetex"]
        png(figure)
        assert dict(mpl.rcParams) == before
    assert len(axes) == len(figure.axes) == 3
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_axes_are_labelled_with_units() -> None:
    """Guards the form of labels."""
    with style.applied():
        _, (axes,) = style.new_figure(1)
    style.label(axes, "soma", "time", "potential", x_unit="ms")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("time (ms)", "potential")


def test_ten_classes_have_ten_colours() -> None:
    """Guards pictures in which two classes look alike."""
    assert len({*style.CLASS_COLOURS}) == 10


@pytest.mark.parametrize("start", [0.0, 5.0])
def test_every_second_phase_is_shaded(start: float) -> None:
    """Guards shaded spans: those of the phases, without the ones left out."""
    with style.applied():
        _, (axes,) = style.new_figure(1)
    spans = style.shade_phases(axes, {"free": 30, "none": 0, "nudged": 10}, start=start)
    assert spans == {"free": (start, start + 30), "nudged": (start + 30, start + 40)}
    (patch,) = axes.patches
    box = patch.get_extents().transformed(axes.transData.inverted())
    assert (box.x0, box.x1) == pytest.approx((start + 30, start + 40))


def test_a_figure_looks_the_same_whatever_the_user_has_set() -> None:
    """Guards figures against the matplotlibrc; ticks are made when a figure is drawn."""

    def draw() -> bytes:
        with style.applied():
            figure, (axes,) = style.new_figure(1)
            axes.plot([-2000, 3000], [0.001, 0.002], **style.series(0), label="$x_1$")
            axes.imshow([[0, 1], [1, 0]], extent=(0, 1000, 0, 0.001), aspect="auto")
            axes.legend()
        style.label(axes, "title", "time", "potential", x_unit="ms")
        figure.canvas.draw()
        return png(figure)

    expected = draw()
    with user_style():
        assert draw() == expected
