"""The picture of one neuron over a cycle: compartments on linked axes, phases shaded."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from neurosim.figures import style
from neurosim.system.traces import TRACE_KINDS
from neurosim.viewer.labels import answer_words, heading, phase_spans, trace_names
from neurosim.viewer.look import Look
from neurosim.viewer.movement import leaps

__all__ = ["Picture"]

#: Relative heights of the panels.
_HEIGHTS = {"potential": 2.2, "rate": 1.3, "error": 1.4, "spikes": 1.4}
_OSCILLATION = 0.55
#: Neurons in the raster: the chosen one and its neighbours. More would run into each other.
_RASTER = 100
#: Left and right edge of the traces, the legends' left edge, and the column at the right.
_LEFT, _RIGHT, _LEGEND, _SIDE = 0.085, 0.615, 0.625, 0.80


class Picture:
    """Draws a :class:`~neurosim.viewer.look.Look` into a figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Where to draw.
    bottom, top : float
        Part of the figure's height that the picture may use.

    Attributes
    ----------
    panels : dict of str to Axes
        By kind of trace, and ``"oscillation"``.
    image, bars : Axes
        The image shown; prediction beside target.
    lines : dict of str to Line2D
        The line of each trace.
    """

    def __init__(self, figure: Figure, *, bottom: float = 0.075, top: float = 0.93) -> None:
        self.figure = figure
        self._bottom, self._top = bottom, top
        self.panels: dict[str, Axes] = {}
        self.lines: dict[str, Any] = {}
        self._built: tuple[Any, ...] = ()
        self._gaps: dict[str, list[int]] = {}
        with style.applied():
            side = (_SIDE, 1 - _SIDE - 0.02)
            self.image = figure.add_axes((side[0], self._at(0.72), side[1], self._part(0.25)))
            self.bars = figure.add_axes(
                (side[0] + 0.01, self._at(0.47), side[1] - 0.01, self._part(0.17))
            )
            self._title = figure.text(_LEFT, 0.985, "", va="top", weight="bold", fontsize=10.5)
            self._notes = figure.text(
                _SIDE, self._at(0.36), "", va="top", fontsize=7.8, color="#555555"
            )

    def _at(self, part: float) -> float:
        return self._bottom + part * (self._top - self._bottom)

    def _part(self, part: float) -> float:
        return part * (self._top - self._bottom)

    # ------------------------------------------------------------ drawing

    def draw(
        self,
        look: Look,
        neuron: int,
        *,
        shown: Iterable[str],
        image_shape: Sequence[int],
        nudged: bool = True,
    ) -> None:
        """Draw one neuron of a layer.

        Parameters
        ----------
        look : Look
            One image seen from one layer.
        neuron : int
            Number of the neuron.
        shown : iterable of str
            Names of the traces drawn.
        image_shape : sequence of int
            Shape of the image, channels first.
        nudged : bool
            With False, only the first phase is shown.
        """
        look = look if nudged else look.first_phase()
        data = look.data
        names = [name for name in trace_names(data) if name in set(shown)]
        wanted = (data.attrs["layer"], tuple(names), tuple(phase_spans(data).items()))
        with style.applied():
            if wanted != self._built:
                self._build(data, names)
                self._built = wanted
            self._update(data, neuron)
            self._draw_image(look, image_shape)
            self._draw_answer(look)
        title = heading(data, neuron, int(data.image), beta=r"$\beta$")
        self._title.set_text(title)
        self.say([])

    def say(self, notes: Sequence[str]) -> None:
        """Write notes at the side.

        Parameters
        ----------
        notes : sequence of str
            Sentences; what is said about gaps in the traces is added.
        """
        drawn = [name for name in self.lines if self._gaps.get(name)]
        gaps = [f"Gap in {', '.join(drawn)}: set anew for the next phase."] if drawn else []
        self._notes.set_text("\n".join(textwrap.fill(note, 34) for note in [*notes, *gaps]))

    # ------------------------------------------------------------ panels

    def _build(self, data: Any, names: Sequence[str]) -> None:
        """Make new panels for these traces."""
        for axes in self.panels.values():
            axes.remove()
        self.lines = {}
        kinds = [k for k in TRACE_KINDS if any(data[n].attrs["kind"] == k for n in names)]
        self.panels = self._place(["oscillation", *kinds])
        spans = phase_spans(data)
        start, stop = min(spans.values())[0], max(s[1] for s in spans.values())
        for kind, axes in self.panels.items():
            lengths = {name: end - begin for name, (begin, end) in spans.items()}
            style.shade_phases(axes, lengths, start=start, named=kind == "oscillation")
            axes.set_xlim(start, stop)
            members = [n for n in names if data[n].attrs["kind"] == kind]
            self._build_panel(axes, kind, data, members)
        self._build_labels()
        last = list(self.panels.values())[-1]
        last.set_xlabel(f"time in the cycle ({data.time.attrs['units']})")
        last.tick_params(labelbottom=True)

    def _build_labels(self) -> None:
        for kind, axes in self.panels.items():
            if kind != "oscillation":
                axes.yaxis.set_label_coords(-0.078, 0.5)

    def _place(self, kinds: Sequence[str]) -> dict[str, Axes]:
        heights = [
            _HEIGHTS.get(kind, 1.0) if kind != "oscillation" else _OSCILLATION for kind in kinds
        ]
        gap = 0.022
        unit = (self._top - self._bottom - gap * (len(kinds) - 1)) / sum(heights)
        panels: dict[str, Axes] = {}
        top, first = self._top, None
        for kind, height in zip(kinds, heights, strict=True):
            box = (_LEFT, top - unit * height, _RIGHT - _LEFT, unit * height)
            panels[kind] = self.figure.add_axes(box, sharex=first)
            first = first or panels[kind]
            panels[kind].tick_params(labelbottom=False)
            top -= unit * height + gap
        return panels

    def _build_panel(self, axes: Axes, kind: str, data: Any, names: Sequence[str]) -> None:
        time = data.time.values
        if kind == "oscillation":
            axes.plot(time, data.oscillation.values, color=style.INK, lw=1.2)
            axes.set(yticks=[], ylim=(-1.25, 1.25))
            axes.set_ylabel("rhythm (1)", rotation=0, ha="right", va="center", fontsize=8)
            return
        unit = data[names[0]].attrs["units"]
        words = TRACE_KINDS[kind]
        if kind == "spikes":
            self._build_raster(axes, names[0])
            axes.set_ylabel("neuron\n(number)")
            return
        for number, name in enumerate(names):
            words_of = f"{name.replace('_', ' ')}, ${data[name].attrs['symbol']}$"
            (line,) = axes.plot(
                time,
                np.zeros(len(time)),
                label=words_of,
                **style.series(number, markers=False),
            )
            self.lines[name] = line
        # a low panel needs a label of several short lines
        narrow = " " in words or len(words) > len("potential")
        axes.set_ylabel("\n".join(words.split()) + (f"\n({unit})" if narrow else f" ({unit})"))
        axes.yaxis.set_major_locator(_few_ticks())
        axes.ticklabel_format(axis="y", scilimits=(-3, 3))
        axes.legend(
            loc="upper left",
            bbox_to_anchor=((_LEGEND - _LEFT) / (_RIGHT - _LEFT), 1.08),
            borderaxespad=0,
            handlelength=2.2,
            labelspacing=0.35,
            fontsize=7.8,
        )

    def _build_raster(self, axes: Axes, name: str) -> None:
        up, down = style.COLOURS[0], style.COLOURS[1]
        self._up = axes.scatter([], [], marker="^", color=up, linewidths=0, label="rate up")
        self._down = axes.scatter(
            [],
            [],
            marker="v",
            facecolors="none",
            edgecolors=down,
            linewidths=0.8,
            label="rate down",
        )
        self._own = axes.axhline(0, color=style.INK, lw=0.9, ls=":", label="this neuron")
        self.lines[name] = self._up
        legend = axes.legend(
            loc="upper left",
            bbox_to_anchor=((_LEGEND - _LEFT) / (_RIGHT - _LEFT), 1.04),
            borderaxespad=0,
            handlelength=2.2,
            labelspacing=0.35,
            fontsize=7.8,
            title="graded spikes (1)",
            title_fontsize=7.8,
            alignment="left",
        )
        for handle in legend.legend_handles[:2]:
            handle.set_sizes([22])  # type: ignore[union-attr]

    # ------------------------------------------------------------ values

    def _update(self, data: Any, neuron: int) -> None:
        time = data.time.values
        for name, line in self.lines.items():
            if data[name].attrs["kind"] == "spikes":
                self._update_raster(data[name].values, time, data.neuron.values, neuron)
            else:
                line.set_data(*self._with_gaps(data, name, neuron))
        for kind, axes in self.panels.items():
            if kind not in ("oscillation", "spikes"):
                axes.relim()
                axes.autoscale_view(scalex=False)

    def _with_gaps(self, data: Any, name: str, neuron: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Times and values, with nothing between a phase's last value and the next one's first."""
        time, values = data.time.values, data[name].sel(neuron=neuron).values
        self._gaps[name] = leaps(data, name)
        return np.insert(time, self._gaps[name], np.nan), np.insert(
            values, self._gaps[name], np.nan
        )

    def _update_raster(
        self, values: NDArray[Any], time: NDArray[Any], neurons: NDArray[Any], neuron: int
    ) -> None:
        axes = self.panels["spikes"]
        first = int(np.flatnonzero(neurons == neuron)[0]) - _RASTER // 2
        first = max(0, min(first, len(neurons) - _RASTER))
        neurons, values = neurons[first : first + _RASTER], values[:, first : first + _RASTER]
        largest = max(float(np.abs(values).max()), 1e-12)
        for marks, sign in ((self._up, 1), (self._down, -1)):
            steps, cells = np.nonzero(sign * values > 0)
            sizes = 3 + 30 * np.abs(values[steps, cells]) / largest
            marks.set_offsets(np.column_stack([time[steps], neurons[cells]]))
            marks.set_sizes(sizes)
        self._own.set_ydata([neuron, neuron])
        margin = max(0.6, 0.03 * (neurons.max() - neurons.min()))
        axes.set_ylim(neurons.min() - margin, neurons.max() + margin)
        axes.yaxis.set_major_locator(_few_ticks(integer=True))

    def _draw_image(self, look: Look, shape: Sequence[int]) -> None:
        axes = self.image
        pixels = np.asarray(look.data.stimulus.values).reshape(shape)
        if pixels.ndim == 3 and pixels.shape[0] == 3:
            # imshow clips values outside 0 to 1, which normalised images have
            pixels = pixels.transpose(1, 2, 0) - pixels.min()
            pixels = pixels / (pixels.max() or 1)
        elif pixels.ndim == 3:
            pixels = pixels[0]
        if axes.images:
            axes.images[0].set_data(pixels)
            axes.images[0].autoscale()
        else:
            axes.imshow(pixels, cmap="gray_r", interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(True)
        axes.set_title(answer_words(look), loc="center", fontsize=9.5)

    def _draw_answer(self, look: Look) -> None:
        axes = self.bars
        axes.set_visible(look.answer is not None)
        if look.answer is None:
            return
        if not axes.containers:
            self._build_answer(len(look.answer))
        for bar, value in zip(self._answer, look.answer, strict=True):
            bar.set_height(float(value))
        nowhere = np.full(len(look.answer), np.nan)
        axes.lines[0].set_ydata(nowhere if look.target is None else look.target)

    def _build_answer(self, count: int) -> None:
        axes, classes = self.bars, np.arange(count)
        self._answer = axes.bar(
            classes, np.zeros(count), color=style.COLOURS[5], width=0.75, label="answer"
        )
        axes.plot(
            classes, np.zeros(count), ls="none", marker="_", ms=9, mew=2, color=style.INK,
            label="target",
        )  # fmt: skip
        axes.set(xlabel="class (number)", ylabel="rate (1)", ylim=(-0.05, 1.1))
        axes.set_xticks(classes if count <= 10 else classes[:: count // 5])
        axes.tick_params(labelsize=7.5)
        axes.legend(
            loc="lower center", bbox_to_anchor=(0.5, 0.98), ncol=2, fontsize=7.8, borderaxespad=0.1
        )


def _few_ticks(*, integer: bool = False) -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=4, integer=integer, prune=None)
