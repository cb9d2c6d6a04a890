"""What is looked at, and what the controls of a window or a notebook do to it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurosim.errors import DataError, NeurosimError, ParameterError, near_matches
from neurosim.viewer.explorer import Explorer, Knob
from neurosim.viewer.picture import Picture, shown_at_first, trace_names
from neurosim.viewer.source import FileSource, LiveSource, Look, Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Viewer", "open_source"]


def open_source(
    what: Any,
    images: Any = None,
    labels: Any = None,
    *,
    ids: list[int] | None = None,
    split: str = "test",
    beta: float = 1.0,
) -> Source:
    """Make a source of whatever can be looked at.

    Parameters
    ----------
    what : Simulator, recording, or path
        A network (with ``images``), a recording, a recording's file, or a run folder.
    images : array_like, shape (n, n_inputs), optional
        Images to show to a network; those of the run's data set by default.
    labels : array_like, shape (n,), optional
        Their classes.
    ids : list of int, optional
        Numbers of the images: of the data set, for a run folder (default 0 to 9).
    split : {"test", "train"}
        Part of a run's data set.
    beta : float
        Signed nudge.

    Raises
    ------
    NeurosimError
        If it is no run, no recording, or an image is out of range.
    """
    from neurosim.simulator import Simulator

    if isinstance(what, Simulator):
        if images is None:
            raise DataError("a network needs images to look at: view(simulator, images, labels)")
        x = what.check_images(images)
        y = None if labels is None else what.check_targets(labels).argmax(axis=1)
        return LiveSource(what, x, y, ids=ids, beta=beta)
    if not isinstance(what, (str, Path)):
        return FileSource(what)
    if Path(what).is_file():
        return FileSource(what)
    return _from_run(Path(what), images, labels, ids, split, beta)


def _from_run(
    folder: Path, images: Any, labels: Any, ids: list[int] | None, split: str, beta: float
) -> Source:
    from neurosim.reopen import open_run

    opened = open_run(folder)
    if images is not None:
        return open_source(opened.simulator, images, labels, ids=ids, beta=beta)
    numbers = list(range(10)) if ids is None else ids
    x, y = opened.data.chosen(split, numbers)
    shape = opened.data.image_shape
    return LiveSource(opened.simulator, x, y, ids=numbers, image_shape=shape, beta=beta)


class Viewer:
    """One neuron of one layer during one image, drawn into a figure.

    Parameters
    ----------
    source : Source
        Where recordings come from.
    figure : matplotlib.figure.Figure
        Where to draw.
    image, layer, neuron : int, optional
        Number of the image, the layer and the neuron to begin with; the first image,
        the first layer above the input, the first neuron by default.
    traces : iterable of str, optional
        Names of the traces shown; the system's choice by default.
    nudged : bool
        Show the nudged phase as well.
    explore : bool
        Offer parameters; every change shows the image anew.
    bottom : float
        Part of the figure kept free below the picture.

    Raises
    ------
    DataError
        If there is no such image, layer, neuron or trace.
    """

    def __init__(
        self,
        source: Source,
        figure: Figure,
        *,
        image: int | None = None,
        layer: int | None = None,
        neuron: int | None = None,
        traces: Iterable[str] | None = None,
        nudged: bool = True,
        explore: bool = False,
        bottom: float = 0.075,
    ) -> None:
        self.source = source
        self.beta = source.beta
        self.nudged = nudged
        self.explorer: Explorer | None = None
        if explore:
            self.explorer = _explorer(source)
        self.image = 0 if image is None else _place(image, source.ids, "image")
        if layer is None:
            layer = next((n for n in source.layers if n > 0), source.layers[0])
        self.layer = source.layers[_place(layer, source.layers, "layer")]
        neurons = source.neurons(self.layer)
        self.neuron = neurons[0 if neuron is None else _place(neuron, neurons, "neuron")]
        self.look: Look = self._look()
        self.hidden: set[str] = set()
        self._choose(traces)
        self.picture = Picture(figure, bottom=bottom)
        self.draw()

    def _choose(self, traces: Iterable[str] | None) -> None:
        """Hide what is not wanted; other layers may have other traces."""
        names = trace_names(self.look.data)
        wanted = list(shown_at_first(self.look.data) if traces is None else traces)
        for name in wanted:
            if name not in names:
                raise DataError(f"no trace {name!r} in this layer; {near_matches(name, names)}")
        self.hidden = set(names) - set(wanted)

    # ------------------------------------------------------------ what there is

    def traces(self) -> dict[str, bool]:
        """Traces of the layer, and whether each is drawn."""
        return {name: name not in self.hidden for name in trace_names(self.look.data)}

    def neurons(self) -> list[int]:
        """Numbers of the layer's neurons."""
        return [int(number) for number in self.look.data.neuron.values]

    def knobs(self) -> list[Knob]:
        """Sliders of the parameters; none unless exploring."""
        return [] if self.explorer is None else self.explorer.knobs(self._population())

    def _population(self) -> str:
        return str(self.look.data.attrs["population"])

    # ------------------------------------------------------------ what one can do

    def set_image(self, place: int) -> None:
        """Show another image, by its place in the source's list."""
        self.image = place % len(self.source.ids)
        self.refresh()

    def set_layer(self, layer: int) -> None:
        """Go to another layer; the neuron's number is kept as far as there is one."""
        self.layer = layer
        neurons = self.source.neurons(layer)
        self.neuron = min(neurons, key=lambda number: abs(number - self.neuron))
        before = set(trace_names(self.look.data))
        self.look = self._look()
        new = set(trace_names(self.look.data)) - before
        self.hidden |= new - set(shown_at_first(self.look.data))
        self.draw()

    def set_neuron(self, neuron: int) -> None:
        """Go to another neuron of the layer."""
        self.neuron = neuron
        self.draw()

    def set_nudged(self, nudged: bool) -> None:
        """Show all phases, or the free one only."""
        self.nudged = nudged
        self.draw()

    def set_sign(self, negative: bool) -> None:
        """Choose the sign of the nudge.

        Raises
        ------
        DataError
            If this is a recording: its nudge is what it is.
        """
        if not self.source.live:
            raise DataError(
                f"this is a recording with nudge {self.beta:g}; open its run folder to try another"
            )
        size = abs(self.beta if self.explorer is None else self.explorer.beta)
        self.beta = -size if negative else size
        if self.explorer is not None:
            self.explorer.beta = self.beta
        self.refresh()

    def show_trace(self, name: str, shown: bool) -> None:
        """Draw a trace, or leave it out."""
        (self.hidden.discard if shown else self.hidden.add)(name)
        self.draw()

    def set_knob(self, name: str, value: float) -> None:
        """Set a parameter and show the image anew.

        Raises
        ------
        NeurosimError
            If the value is refused or the network runs away; the picture stays.
        """
        if self.explorer is None:
            raise ParameterError("parameters can be turned with --explore (explore=True) only")
        self.explorer.set(name, value, self._population())
        self.refresh()

    def reset_knobs(self) -> None:
        """Set all parameters back to those of the run."""
        if self.explorer is not None:
            self.explorer.reset()
            self.refresh()

    # ------------------------------------------------------------ drawing

    def refresh(self) -> None:
        """Take a new look and draw it."""
        self.look = self._look()
        self.draw()

    def _look(self) -> Look:
        if self.explorer is not None:
            assert isinstance(self.source, LiveSource)
            self.beta = self.explorer.beta
            return self.source.try_out(self.image, self.layer, self.beta, self.explorer.changes())
        return self.source.look(self.image, self.layer, self.beta)

    def draw(self) -> None:
        """Draw the present look."""
        self.picture.draw(
            self.look,
            self.neuron,
            shown=[name for name, shown in self.traces().items() if shown],
            image_shape=self.source.image_shape,
            nudged=self.nudged,
        )


def _explorer(source: Source) -> Explorer:
    if not isinstance(source, LiveSource):
        raise DataError(
            "a recording cannot be run with other parameters; give the run folder to --explore"
        )
    return Explorer(source.simulator.system, source.beta)


def _place(number: int, numbers: list[int], what: str) -> int:
    if number not in numbers:
        listed = f"{numbers[0]} to {numbers[-1]}"
        if numbers != list(range(numbers[0], numbers[-1] + 1)):
            listed = ", ".join(map(str, numbers[:12])) + (", ..." if len(numbers) > 12 else "")
        raise DataError(f"no {what} {number} here; there are {listed}")
    return numbers.index(number)


def said(error: NeurosimError) -> str:
    """An error as a line of a window, short enough to fit."""
    text = " ".join(str(error).split())
    return text if len(text) <= 110 else text[:107] + "..."
